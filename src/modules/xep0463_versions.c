/* XEP-0463 MUC Affiliations Versioning, version 0.2.0
 *
 * Who enters may ask for the affiliations, or for what has changed in them since a version that he
 * knows. What presence and messages say of versions later is core's (core/room_power.c).
 *
 * Whoever may read the lists of members, administrators and owners may ask (section 5.2.3).
 * Outcasts are for those who may read that list; to others one who has become an outcast is told to
 * be nothing any more. Changes are told to those alone who have had their own affiliation at that
 * version already and kept it: what was before is not theirs to know (section 6), and for anybody
 * else the version is one that is not known, which is answered with the whole list (section
 * 5.2.1). So it is where the room does not remember all who were removed since then, because it was
 * not in memory all the time.
 *
 * A list goes in messages of PART_BYTES, in the order of the changes, so that the version between
 * two of them is one to go on from. Options: none. Stores: nothing of its own. */
#include "core/module.h"
#include "core/room.h"
#include "core/route.h"

#include <stdlib.h>

#define PART_BYTES (32 * 1024) /* and one more item */
#define ITEM_BYTES (6 * JID_MAX + 64)

/* ---- what is asked for ---- */

static const struct xml_node *find_request(const struct stanza *presence)
{
	const struct xml_doc *d = &presence->doc;
	const struct xml_node *x = xml_child(d, stanza_root(presence), NS_MUC, TAG_X);

	return x ? xml_child(d, x, NS_AFFILIATIONS, TAG_MAV) : NULL;
}

static bool may_ask(const struct room *r, struct jid who)
{
	return room_may_list(r, who, MEMBER) && room_may_list(r, who, ADMIN) &&
	       room_may_list(r, who, OWNER);
}

/* Section 5.2.3. */
static void forbid(const struct seat *seat, const struct stanza *presence)
{
	const struct room *r = seat->occupant->room;
	struct shard *s = r->shard;

	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	stanza_open(&w, STANZA_MESSAGE, "error", r->jid, seat->full, presence->id);
	w_open(&w, "error");
	w_attr(&w, "by", jid_str(r->jid));
	w_attr(&w, "type", stanza_error_type(ERR_FORBIDDEN));
	w_open_ns(&w, "forbidden", NS_STANZAS);
	w_close(&w);
	w_close(&w);
	w_close(&w);
	route_text(s, buf_str(&s->scratch));
}

/* Whether changes since a version may be told. */
static bool was_part(const struct room *r, struct jid who, uint64_t since)
{
	const struct member *m = room_member(r, who);

	return m && m->affiliation != AFFILIATION_NONE && m->version <= since;
}

/* ---- what is answered ---- */

struct answer {
	struct seat *seat;
	bool outcasts;                /* may be told */
	bool whole;                   /* all there are, and not what has changed */
	uint64_t since;               /* where the next message begins, if it is not the first of a
				       * whole list */
	const struct member **items;  /* in the order of their versions */
	size_t n;
};

static enum affiliation told_of(const struct answer *a, const struct member *m)
{
	return m->affiliation == OUTCAST && !a->outcasts ? AFFILIATION_NONE : m->affiliation;
}

static bool is_item(const struct answer *a, const struct member *m)
{
	return a->whole ? told_of(a, m) != AFFILIATION_NONE : m->version > a->since;
}

static int by_version(const void *x, const void *y)
{
	const struct member *a = *(const struct member *const *)x;
	const struct member *b = *(const struct member *const *)y;

	return (a->version > b->version) - (a->version < b->version);
}

static void gather(struct answer *a)
{
	const struct room *r = a->seat->occupant->room;

	a->items = arena_alloc(&r->shard->loop.turn, r->members.n * sizeof *a->items);
	for (struct map_node *n = map_next(&r->members, NULL); n; n = map_next(&r->members, n)) {
		const struct member *m = container_of(n, struct member, node);
		if (is_item(a, m))
			a->items[a->n++] = m;
	}
	if (a->n)
		qsort(a->items, a->n, sizeof *a->items, by_version);
}

/* As many items as fit in a message, from the i-th on; returns which is the next one. */
static size_t write_items(const struct answer *a, size_t i, struct buf *out)
{
	struct writer w = w_on(out);

	for (; i < a->n && out->n < PART_BYTES; i++) {
		w_open(&w, "item");
		w_attr(&w, "jid", jid_str(a->items[i]->jid));
		w_attr(&w, "affiliation", affiliation_name(told_of(a, a->items[i])));
		w_close(&w);
	}
	return i;
}

/* Nobody need keep it: who enters again asks again. */
static void send_items(struct answer *a, bool first, uint64_t until, struct str items)
{
	struct room *r = a->seat->occupant->room;
	struct buf b;

	buf_init(&b, PART_BYTES + ITEM_BYTES + 1024);
	struct writer w = w_on(&b);
	w_open_ns(&w, "x", NS_MUC_USER);
	room_write_version(r, &w, a->whole && first ? NULL : &a->since, until);
	w_raw(&w, items);
	w_close(&w);
	w_open_ns(&w, "no-store", NS_HINTS);
	w_close(&w);
	room_tell_one(r, a->seat->full, buf_str(&b));
	buf_clear(&b);
	a->since = until;
}

/* All up to the change before the next item have been told. */
static uint64_t reached(const struct answer *a, size_t next)
{
	if (next == a->n)
		return a->seat->occupant->room->version;
	return a->items[next]->version ? a->items[next]->version - 1 : 0;
}

static void send_all(struct answer *a)
{
	struct buf items;
	size_t i = 0;

	buf_init(&items, PART_BYTES + ITEM_BYTES);
	do {
		bool first = !i;
		buf_reset(&items);
		i = write_items(a, i, &items);
		send_items(a, first, reached(a, i), buf_str(&items));
	} while (i < a->n);
	buf_clear(&items);
}

static void entering(struct seat *seat, const struct stanza *presence)
{
	struct room *r = seat->occupant->room;
	struct arena *turn = &r->shard->loop.turn;
	const struct xml_node *request = find_request(presence);
	struct answer a = { .seat = seat, .whole = true };
	uint64_t since;

	if (!request)
		return;
	if (!may_ask(r, seat->full)) {
		forbid(seat, presence);
		return;
	}
	if (room_parse_version(r, xml_attr_str(&presence->doc, request, TAG_SINCE, turn), &since)) {
		if (since == r->version)
			return;
		a.whole = since < r->remembers || !was_part(r, seat->full, since);
		a.since = since;
	}
	a.outcasts = room_may_list(r, seat->full, OUTCAST);
	gather(&a);
	send_all(&a);
}

const struct module xep0463_versions = {
	.name = "versions",
	.spec = "XEP-0463 0.2.0",
	.room_features = (const char *const[]){ "urn:xmpp:muc:affiliations:1", NULL },
	.room_entering = entering,
};
