/* room-idle: memory of rooms in which nothing happens. Each user makes its share of them, as
 * persistent ones, and stays in them (phase "occupied"); then all leave (phase "empty"). */
#include "bench.h"

#include "base/bug.h"
#include "rooms.h"

#include <stdlib.h>

#define ROOMS 1000

static struct {
	struct occupant *occupants; /* one of each room */
	unsigned n;
} idle;

/* From roomN@service/nick; NULL for what comes from no room. */
static struct occupant *occupant_of(struct bench *b, struct str from)
{
	static const struct str prefix = { "room", 4 };
	ptrdiff_t at = str_find(from, '@');
	uint64_t number;

	if (at < 0 || !str_starts(from, prefix) ||
		!str_to_u64(str_skip(str_head(from, (size_t)at), prefix.n), UINT32_MAX, &number))
		return NULL;
	return number - b->o.first < idle.n ? &idle.occupants[number - b->o.first] : NULL;
}

static void on_stanza(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	struct occupant *o = occupant_of(b, xml_attr_str(d, xml_root(d), TAG_FROM, &b->loop.turn));

	if (o && o->peer == p)
		occupant_stanza(o, d);
}

static const struct peer_ops idle_ops = { .ready = crowd_ready, .stanza = on_stanza,
	.failed = crowd_failed, .ended = crowd_ended };

static bool move(struct bench *b, const char *name, uint64_t from,
	bool (*all)(struct bench *, struct occupant *, unsigned))
{
	bench_start(b, name, "room");
	bench_hold(b, from ? from : b->now->start.pss);
	bool well = all(b, idle.occupants, idle.n);
	bench_settle(b);
	bench_end(b);
	return well && !b->errors;
}

static void run(struct bench *b)
{
	bench_settle(b);
	if (move(b, "occupied", 0, rooms_enter) &&
		move(b, "empty", b->phases[0].held_from, rooms_leave))
		rooms_destroy(b, idle.occupants, idle.n);
}

void run_room_idle(struct bench *b)
{
	idle.n = b->o.rooms ? b->o.rooms : ROOMS;
	crowd_make(b, b->o.users, &idle_ops);
	idle.occupants = xcalloc(idle.n, sizeof *idle.occupants);
	for (unsigned i = 0; i < idle.n; i++) {
		struct occupant *o = &idle.occupants[i];
		occupant_init(o, &b->peers[i % b->n_peers], b->o.first + i, 'n', 0);
		o->makes = o->persistent = true;
	}
	if (crowd_login(b, 0, b->n_peers, true)) {
		run(b);
		crowd_leave(b, 0, b->n_peers);
	}
	for (unsigned i = 0; i < idle.n; i++)
		occupant_clear(&idle.occupants[i]);
	free(idle.occupants);
}
