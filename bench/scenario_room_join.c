/* room-join: a room has occupants and a history. Newcomers enter it and leave it again and again,
 * at_once of them (phase "join"). A join is over when the newcomer has got who is there, itself,
 * the history and the subject, in this order (XEP-0045 section 7.1), and everybody else has heard
 * of it; leaving it again is part of its cost. */
#include "bench.h"

#include "base/bug.h"
#include "message.h"
#include "rooms.h"

#include <stdlib.h>

#define WARM_UP_SECONDS  1
#define PATIENCE_SECONDS 120
#define HISTORY          20   /* messages */
#define RESIDENT         'n'  /* in front of the numbers in nicknames */
#define NEWCOMER         'j'

struct newcomer {
	struct occupant who;
	uint32_t joins;          /* begun */
	uint32_t *met;           /* by resident: the join in which it was met last */
	unsigned n_met;          /* in this join */
	uint64_t history;        /* messages of this join */
	unsigned unaware;        /* residents who have not heard of the last step */
	uint64_t begun_ns;
};

static struct {
	struct occupant *residents;
	struct newcomer *newcomers; /* behind the residents among the peers */
	bool *sees;              /* by resident, then newcomer: it is in the room */
	uint64_t *heard;         /* messages, by resident */
	unsigned n, n_newcomers;
	struct message_line line;
	bool over;
} hall;

/* ---- who it is about ---- */

/* The number behind the letter of the nickname, if it begins with this one; or -1. */
static int64_t number_of(const struct xml_doc *d, struct str room, char kind, struct arena *a)
{
	struct str from = xml_attr_str(d, xml_root(d), TAG_FROM, a);
	struct str nick = str_skip(from, room.n + 1);
	uint64_t number;

	if (!str_starts(from, room) || !nick.n || nick.p[0] != kind ||
		!str_to_u64(str_skip(nick, 1), UINT32_MAX, &number))
		return -1;
	return (int64_t)number;
}

static bool is_available(const struct xml_doc *d, struct arena *a)
{
	return !xml_attr_str(d, xml_root(d), TAG_TYPE, a).p;
}

/* ---- steps of a newcomer ---- */

static void start_join(struct newcomer *n)
{
	n->joins++;
	n->n_met = 0;
	n->history = 0;
	n->unaware = hall.n;
	n->begun_ns = now_ns();
	occupant_enter(&n->who);
}

/* It has moved, or a resident has heard of that. */
static void go_on(struct newcomer *n)
{
	if (n->unaware)
		return;
	if (n->who.stay == STAY_IN) {
		bench_count(bench_of(n->who.peer), now_ns() - n->begun_ns);
		n->unaware = hall.n;
		occupant_leave(&n->who);
	} else if (n->who.stay == STAY_OUT && !hall.over) {
		start_join(n);
	}
}

static void moved(struct occupant *o)
{
	struct newcomer *n = container_of(o, struct newcomer, who);

	if (o->stay == STAY_IN && n->history != HISTORY)
		bench_error(bench_of(o->peer), "%s got %llu messages of %d of the history",
			o->peer->user, (unsigned long long)n->history, HISTORY);
	go_on(n);
}

/* ---- what a newcomer gets ---- */

static void meet(struct newcomer *n, uint64_t resident)
{
	struct bench *b = bench_of(n->who.peer);

	if (resident >= hall.n || n->met[resident] == n->joins || n->n_met == hall.n) {
		bench_error(b, "%s met somebody twice, or too late", n->who.peer->user);
		return;
	}
	n->met[resident] = n->joins;
	n->n_met++;
}

static void on_newcomer_presence(struct newcomer *n, const struct xml_doc *d)
{
	struct bench *b = bench_of(n->who.peer);
	int64_t resident = number_of(d, str_c(n->who.room), RESIDENT, &b->loop.turn);

	if (resident >= 0)
		meet(n, (uint64_t)resident);
	else if (n->who.stay == STAY_ENTERING && occupant_is_self(&n->who, d) && n->n_met != hall.n)
		bench_error(b, "%s met %u of %u before itself", n->who.peer->user, n->n_met, hall.n);
}

static void on_history(struct newcomer *n, const struct xml_doc *d)
{
	struct bench *b = bench_of(n->who.peer);
	uint64_t due;

	const char *wrong = n->n_met != hall.n || n->who.stay != STAY_ENTERING
		? "a message comes where no history does"
		: message_check_room(&hall.line, d, n->history++, hall.residents[0].jid, &b->loop.turn,
			  &due);
	if (wrong)
		bench_bad_message(n->who.peer, d, wrong);
}

static void on_newcomer(struct newcomer *n, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);

	if (root->tag == TAG_PRESENCE)
		on_newcomer_presence(n, d);
	else if (root->tag == TAG_MESSAGE && !is_subject(d))
		on_history(n, d);
	occupant_stanza(&n->who, d);
}

/* ---- what a resident gets ---- */

static void on_newcomer_seen(struct peer *p, uint64_t number, bool available)
{
	struct bench *b = bench_of(p);
	struct newcomer *n = number < hall.n_newcomers ? &hall.newcomers[number] : NULL;
	bool *sees = &hall.sees[(size_t)peer_index(p) * hall.n_newcomers + (n ? number : 0)];

	if (!n || *sees == available || !n->unaware) {
		bench_error(b, "%s heard of a join twice, out of order, or not at all", p->user);
		return;
	}
	*sees = available;
	n->unaware--;
	go_on(n);
}

static void on_resident(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	unsigned i = peer_index(p);
	struct occupant *o = &hall.residents[i];
	const struct xml_node *root = xml_root(d);
	int64_t number = root->tag != TAG_PRESENCE ? -1
		: number_of(d, str_c(o->room), NEWCOMER, &b->loop.turn);
	uint64_t due;

	if (number >= 0) {
		on_newcomer_seen(p, (uint64_t)number, is_available(d, &b->loop.turn));
		return;
	}
	if (root->tag == TAG_MESSAGE && o->stay == STAY_IN && hall.line.sent) {
		const char *wrong = message_check_room(&hall.line, d, hall.heard[i]++,
			hall.residents[0].jid, &b->loop.turn, &due);
		if (wrong)
			bench_bad_message(p, d, wrong);
		return;
	}
	occupant_stanza(o, d);
}

static void on_stanza(struct peer *p, const struct xml_doc *d)
{
	unsigned i = peer_index(p);

	if (i < hall.n)
		on_resident(p, d);
	else
		on_newcomer(&hall.newcomers[i - hall.n], d);
}

static const struct peer_ops join_ops = { .ready = crowd_ready, .stanza = on_stanza,
	.failed = crowd_failed, .ended = crowd_ended };

/* ---- the run ---- */

static void make_hall(struct bench *b)
{
	hall.residents = xcalloc(hall.n, sizeof *hall.residents);
	hall.newcomers = xcalloc(hall.n_newcomers, sizeof *hall.newcomers);
	hall.sees = xcalloc((size_t)hall.n * hall.n_newcomers, sizeof *hall.sees);
	hall.heard = xcalloc(hall.n, sizeof *hall.heard);
	for (unsigned i = 0; i < hall.n; i++)
		occupant_init(&hall.residents[i], &b->peers[i], b->o.first, RESIDENT, i);
	hall.residents[0].makes = true;
	for (unsigned i = 0; i < hall.n_newcomers; i++) {
		struct newcomer *n = &hall.newcomers[i];
		occupant_init(&n->who, &b->peers[hall.n + i], b->o.first, NEWCOMER, i);
		n->who.history = HISTORY;
		n->who.moved = moved;
		n->met = xcalloc(hall.n, sizeof *n->met);
	}
	message_line_init_room(&hall.line, hall.residents[0].room, b->o.bytes);
}

static void free_hall(void)
{
	for (unsigned i = 0; i < hall.n; i++)
		occupant_clear(&hall.residents[i]);
	for (unsigned i = 0; i < hall.n_newcomers; i++) {
		occupant_clear(&hall.newcomers[i].who);
		free(hall.newcomers[i].met);
	}
	message_line_clear(&hall.line);
	free(hall.residents);
	free(hall.newcomers);
	free(hall.sees);
	free(hall.heard);
}

static bool all_heard(struct bench *b)
{
	for (unsigned i = 0; i < hall.n; i++)
		if (hall.heard[i] != hall.line.sent)
			return false;
	return true;
}

static bool fill_history(struct bench *b)
{
	for (unsigned i = 0; i < HISTORY; i++) {
		message_write(&hall.line, peer_out(hall.residents[0].peer), now_ns());
		peer_sent(hall.residents[0].peer);
	}
	if (!bench_run(b, all_heard, PATIENCE_SECONDS, "filling the history"))
		bench_error(b, "messages were lost");
	return !b->errors;
}

static bool all_out(struct bench *b)
{
	for (unsigned i = 0; i < hall.n_newcomers; i++)
		if (hall.newcomers[i].who.stay != STAY_OUT || hall.newcomers[i].unaware)
			return false;
	return true;
}

static void join(struct bench *b)
{
	bench_settle(b);
	for (unsigned i = 0; i < hall.n_newcomers; i++)
		start_join(&hall.newcomers[i]);
	bench_run(b, NULL, WARM_UP_SECONDS, "warming up");
	bench_start(b, "join", "join");
	bench_measure(b, hall.n_newcomers, "joining");
	bench_end(b);
	hall.over = true;
	if (!bench_run(b, all_out, PATIENCE_SECONDS, "waiting for the rest"))
		bench_error(b, "somebody did not hear of a join");
}

void run_room_join(struct bench *b)
{
	hall.n = b->o.occupants;
	hall.n_newcomers = b->o.at_once;
	crowd_make(b, hall.n + hall.n_newcomers, &join_ops);
	make_hall(b);
	if (crowd_login(b, 0, b->n_peers, true)) {
		bench_settle(b);
		if (rooms_enter(b, hall.residents, hall.n) && fill_history(b))
			join(b);
		if (!b->errors)
			rooms_destroy(b, hall.residents, hall.n);
		crowd_leave(b, 0, b->n_peers);
	}
	free_hall();
}
