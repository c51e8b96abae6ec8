/* IQs for a room, and between its occupants (XEP-0045 section 17.4, XEP-0410). */
#include "core/room_private.h"

#include "base/bug.h"
#include "base/digest.h"
#include "core/route.h"
#include "xml/extract.h"

#include <stdlib.h>

static bool is_request(const struct stanza *st)
{
	return st->type == IQ_GET || st->type == IQ_SET;
}

/* What is passed on keeps its id behind a mark that says which client asked: an occupant may have
 * several, and the answer comes to the nickname alone. */
#define MARK_LEN 17 /* 16 hexadecimal digits and a dash */

/* Whoever gets it learns nothing of who asked: it takes the room's key to make one. */
static struct str marked(const struct seat *seat, struct str id, struct arena *a)
{
	const struct room *r = seat->occupant->room;
	uint8_t mac[DIGEST_MAX];
	uint64_t mark;

	digest_hmac(DIGEST_SHA256, str_from((const char *)r->key, sizeof r->key),
		jid_str(seat->full), mac);
	memcpy(&mark, mac, sizeof mark);
	return str_printf(a, "%016llx-%.*s", (unsigned long long)mark, STR_FMT(id));
}

static struct seat *asker(const struct occupant *o, struct str id, struct arena *a)
{
	list_each(seat, &o->seats, struct seat, link)
		if (str_starts(id, marked(seat, STR(""), a)))
			return seat;
	return NULL;
}

static const char *type_of(const struct stanza *st)
{
	return st->type == IQ_GET ? "get" : st->type == IQ_SET ? "set"
		: st->type == IQ_RESULT ? "result" : "error";
}

/* What is in an IQ, for the turn; the null slice when that is too large. */
static struct str children_of(struct shard *s, const struct stanza *st)
{
	const struct xml_doc *d = &st->doc;

	buf_reset(&s->scratch);
	for (const struct xml_node *n = xml_first(d, stanza_root(st)); n; n = xml_next(d, n))
		xml_extract(&s->scratch, d, n);
	return buf_ok(&s->scratch) ? str_dup(&s->loop.turn, buf_str(&s->scratch)) : STR_NULL;
}

/* The same IQ between other addresses, with another id. */
static void relay(struct room *r, const struct stanza *st, struct occupant *from, struct jid to,
	struct str id)
{
	struct shard *s = r->shard;
	struct str children = children_of(s, st);

	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	stanza_open(&w, STANZA_IQ, type_of(st), room_address(from, &s->loop.turn), to, id);
	w_raw(&w, children);
	w_close(&w);
	if (children.p && w_done(&w))
		route_text(s, buf_str(&s->scratch));
	else if (is_request(st))
		room_bounce(s, st, ERR_RESOURCE_CONSTRAINT, STR("the request is too large"));
}

/* ---- requests ---- */

/* vCards and the like are the person's, not the client's. */
static bool is_for_person(const struct stanza *st)
{
	return xml_is(stanza_payload(st), NS_VCARD, TAG_VCARD);
}

static void pong(struct room *r, const struct stanza *st)
{
	struct ctx c = { .shard = r->shard, .host = room_host(r), .room = r };

	reply_ok(&c, st);
}

/* Of one who is not in the room. Others than those who ask for discovery (section 6.6) are told
 * what XEP-0410 section 3.2 goes by. */
static enum stanza_error why_not(const struct stanza *st)
{
	const struct xml_node *payload = stanza_payload(st);
	bool disco = xml_is(payload, NS_DISCO_INFO, TAG_QUERY) ||
		     xml_is(payload, NS_DISCO_ITEMS, TAG_QUERY);

	return disco ? ERR_BAD_REQUEST : ERR_NOT_ACCEPTABLE;
}

static void request(struct room *r, struct stanza *st, struct jid to)
{
	struct seat *seat = room_seat(r, st->from);
	struct occupant *o = room_occupant(r, jid_resource(to));
	struct arena *turn = &r->shard->loop.turn;

	if (!seat) {
		room_bounce(r->shard, st, why_not(st), STR("you are not in this room"));
	} else if (!o) {
		room_bounce(r->shard, st, ERR_ITEM_NOT_FOUND, STR("there is no such occupant"));
	} else if (o == seat->occupant && xml_is(stanza_payload(st), NS_PING, TAG_PING)) {
		pong(r, st);
	} else if (!room_may_send(seat->occupant)) {
		room_bounce(r->shard, st, ERR_RESOURCE_CONSTRAINT, STR("not so fast"));
	} else {
		struct seat *first = container_of(o->seats.next, struct seat, link);
		relay(r, st, seat->occupant, is_for_person(st) ? o->bare : first->full,
			marked(seat, st->id, turn));
	}
}

/* ---- answers ---- */

static void answer(struct room *r, struct stanza *st, struct jid to)
{
	struct seat *seat = room_seat(r, st->from);
	struct occupant *from = seat ? seat->occupant : room_occupant_of(r, st->from);
	struct occupant *o = room_occupant(r, jid_resource(to));
	struct seat *to_seat = o ? asker(o, st->id, &r->shard->loop.turn) : NULL;

	if (from && to_seat)
		relay(r, st, from, to_seat->full, str_skip(st->id, MARK_LEN));
}

void room_iq(struct room *r, struct stanza *st, struct jid to)
{
	struct ctx c = { .shard = r->shard, .host = room_host(r), .room = r,
		.seat = room_seat(r, st->from) };

	if (!jid_is_bare(to) && is_request(st))
		request(r, st, to);
	else if (!jid_is_bare(to))
		answer(r, st, to);
	else
		iq_dispatch(&c, st, AT_ROOM);
}
