/* room: occupants enter rooms (phase "enter"), then they talk, each in turn: so many messages under
 * way in each room, the next when one is with everybody (phase "talk"), then at half of the rate
 * that this gave (phase "half"); or at a fixed rate over all rooms. A unit is a copy that one
 * occupant receives. Every copy must come once, unchanged, and in the order that all others see.
 * room-floor: the same over bench-floor. */
#include "bench.h"

#include "base/bug.h"
#include "message.h"
#include "order.h"
#include "pacer.h"
#include "rooms.h"

#include <errno.h>
#include <stdlib.h>

#define WARM_UP_SECONDS 1
#define DRAIN_SECONDS   120
#define LATE_SECONDS    0.2  /* for copies that come once more after all have come */
#define UNDER_WAY_MAX   (1u << 20) /* messages in all rooms; each may have its share */

struct room {
	struct message_line line;
	struct order order;
};

static struct {
	struct room *rooms;
	struct occupant *occupants; /* of the first room, then of the second... as the peers */
	uint64_t *heard;            /* copies, by occupant */
	unsigned n_rooms, n_occupants; /* of each room */
	unsigned next;              /* room, in turn, at a fixed rate */
	bool talking, closed;       /* closed: the next message when one is over */
	struct bench *bench;
} room;

/* By the number of a message. */
static struct occupant *speaker_of(const struct room *r, uint64_t number)
{
	size_t first = (size_t)(r - room.rooms) * room.n_occupants;

	return &room.occupants[first + number % room.n_occupants];
}

static void send_one(struct room *r, uint64_t due)
{
	uint64_t number;

	if (!order_send(&r->order, &number)) {
		bench_error(room.bench, "more than %u messages are under way in a room", r->order.max);
		return;
	}
	struct occupant *from = speaker_of(r, number);
	message_write_numbered(&r->line, peer_out(from->peer), number, due);
	peer_sent(from->peer);
}

/* last: it was the last copy of the message. */
static const char *check_copy(struct peer *p, struct room *r, const struct xml_doc *d, bool *last,
	uint64_t *due)
{
	struct bench *b = bench_of(p);
	struct arena *a = &b->loop.turn;
	uint64_t number;

	if (!message_number(d, xml_root(d), a, &number))
		return "a message is none of this program's";
	enum order_found found = order_hear(&r->order, &room.heard[peer_index(p)], number);
	if (found == ORDER_STRANGE)
		return "a message came twice, or nobody sent it";
	if (found == ORDER_OTHER)
		return "a message is missing, came twice, or is not where others saw it";
	*last = found == ORDER_LAST_COPY;
	return message_check_room(&r->line, d, number,
		b->target.floor ? NULL : speaker_of(r, number)->jid, a, due);
}

static void on_copy(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	struct room *r = &room.rooms[peer_index(p) / room.n_occupants];
	bool last;
	uint64_t due;

	const char *wrong = check_copy(p, r, d, &last, &due);
	if (wrong) {
		bench_bad_message(p, d, wrong);
		return;
	}
	uint64_t now = now_ns();
	bench_count(b, now - due);
	if (last && room.closed)
		send_one(r, now);
}

static void on_stanza(struct peer *p, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);

	if (!room.talking || root->tag != TAG_MESSAGE)
		occupant_stanza(&room.occupants[peer_index(p)], d);
	else
		on_copy(p, d);
}

static const struct peer_ops room_ops = { .ready = crowd_ready, .stanza = on_stanza,
	.failed = crowd_failed, .ended = crowd_ended };

static void make_rooms(struct bench *b)
{
	room.rooms = xcalloc(room.n_rooms, sizeof *room.rooms);
	room.occupants = xcalloc(b->n_peers, sizeof *room.occupants);
	room.heard = xcalloc(b->n_peers, sizeof *room.heard);
	for (unsigned i = 0; i < b->n_peers; i++) {
		unsigned r = i / room.n_occupants, seat = i % room.n_occupants;
		occupant_init(&room.occupants[i], &b->peers[i], b->o.first + r, 'n', seat);
		room.occupants[i].makes = seat == 0;
	}
	for (unsigned i = 0; i < room.n_rooms; i++) {
		message_line_init_room(&room.rooms[i].line, speaker_of(&room.rooms[i], 0)->room,
			b->o.bytes);
		order_init(&room.rooms[i].order, room.n_occupants, UNDER_WAY_MAX / room.n_rooms);
	}
}

static void free_rooms(struct bench *b)
{
	for (unsigned i = 0; i < room.n_rooms; i++) {
		message_line_clear(&room.rooms[i].line);
		order_clear(&room.rooms[i].order);
	}
	for (unsigned i = 0; i < b->n_peers; i++)
		occupant_clear(&room.occupants[i]);
	free(room.rooms);
	free(room.occupants);
	free(room.heard);
}

/* What the occupants cost beyond their connections. */
static bool enter(struct bench *b)
{
	bench_start(b, "enter", "room occupant");
	bench_hold(b, b->now->start.pss);
	bool well = rooms_enter(b, room.occupants, b->n_peers);
	bench_settle(b);
	bench_end(b);
	return well && !b->errors;
}

/* ---- talking ---- */

static void beat(struct pacer *pacer, uint64_t due)
{
	send_one(&room.rooms[room.next++ % room.n_rooms], due);
}

static void measure(struct bench *b, const char *name)
{
	bench_run(b, NULL, WARM_UP_SECONDS, "warming up");
	bench_start(b, name, "copy");
	bench_measure(b, b->n_peers, "talking");
	bench_end(b);
}

static bool all_over(struct bench *b)
{
	for (unsigned i = 0; i < room.n_rooms; i++)
		if (!order_is_done(&room.rooms[i].order))
			return false;
	return true;
}

static bool drain(struct bench *b)
{
	if (!bench_run(b, all_over, DRAIN_SECONDS, "waiting for the rest"))
		bench_error(b, "copies were lost");
	bench_run(b, NULL, LATE_SECONDS, "waiting for too many");
	return !b->errors;
}

static bool talk(struct bench *b)
{
	room.closed = true;
	for (unsigned i = 0; i < room.n_rooms; i++)
		for (unsigned k = 0; k < b->o.window; k++)
			send_one(&room.rooms[i], now_ns());
	measure(b, "talk");
	room.closed = false;
	return drain(b);
}

/* rate: messages a second. */
static bool talk_at(struct bench *b, double rate, const char *name)
{
	struct pacer pacer;

	if (!pacer_start(&pacer, &b->loop, rate, beat)) {
		bench_error(b, "timer: %s", strerror(errno));
		return false;
	}
	measure(b, name);
	pacer_stop(&pacer);
	return drain(b);
}

/* Of messages, not of copies. */
static double rate_of(const struct phase *p)
{
	return (double)p->units * 1e9 / (double)(p->end_ns - p->start_ns) / room.n_occupants;
}

static void run(struct bench *b)
{
	room.talking = true;
	if (b->o.rate > 0)
		talk_at(b, b->o.rate, "talk");
	else if (talk(b))
		talk_at(b, rate_of(&b->phases[b->n_phases - 1]) / 2, "half");
	if (!b->errors)
		crowd_acked(b);
	room.talking = false;
}

void run_room(struct bench *b)
{
	bool floor = b->target.floor;

	room.bench = b;
	room.n_rooms = b->o.rooms ? b->o.rooms : 1;
	room.n_occupants = b->o.occupants;
	if (b->o.window > UNDER_WAY_MAX / room.n_rooms) {
		bench_error(b, "there are too many rooms for this window");
		return;
	}
	b->target.sm = b->o.ack_every > 0;
	b->target.ack_every = b->o.ack_every;
	crowd_make(b, room.n_rooms * room.n_occupants, &room_ops);
	make_rooms(b);
	if (crowd_login(b, 0, b->n_peers, !floor)) {
		bench_settle(b);
		if (floor || enter(b))
			run(b);
		if (!floor && !b->errors)
			rooms_destroy(b, room.occupants, b->n_peers);
		crowd_leave(b, 0, b->n_peers);
	}
	free_rooms(b);
}

void run_room_floor(struct bench *b)
{
	b->target.floor = true;
	if (b->target.tls != PEER_PLAIN)
		b->target.tls = PEER_DIRECT;
	run_room(b);
}
