/* XEP-0045 Multi-User Chat, version 1.35.5: roles and affiliations on request (sections 8.2 to 8.5,
 * 9.1 to 9.8, 10.3 to 10.8)
 *
 * Lists by role or affiliation, and changes of them. A request is checked as a whole before any of
 * it is done, and is refused as a whole; then its items are done in their order. Roles change at
 * once, behind the answer, as the examples have it; affiliations are answered when they are stored.
 * Who is added to a room for members only is invited, unless too many were of late. What follows
 * from a change, and who may make it, is in core/room_power.c.
 *
 * Left out: lists in pages. Options: getmemberlist of the room; room_members of the server. Stores:
 * members of rooms. */
#include "core/module.h"
#include "core/room.h"
#include "core/room_invite.h"

#include <stdlib.h>

#define ITEMS_MAX 200 /* of one request */

struct item {
	bool is_role;
	enum role role;
	enum affiliation affiliation;
	struct jid jid;      /* bare; of an affiliation */
	struct str nick;     /* an occupant's; or the one to be reserved: null for as it is, empty for
			      * none */
	struct str reason;   /* empty: none */
};

struct request {
	struct ctx *c;
	const struct stanza *iq;
	struct item *items;
	size_t n, roles;     /* items, and those of them that are about roles */
	const char *why;     /* for people, when it is refused */
};

static struct arena *turn_of(const struct request *q)
{
	return &q->c->shard->loop.turn;
}

static enum stanza_error wrong(struct request *q, enum stanza_error e, const char *why)
{
	q->why = why;
	return e;
}

static enum outcome refused(struct request *q, enum stanza_error e)
{
	return refuse(q->c, q->iq, e, str_c(q->why ? q->why : ""));
}

/* ---- lists ---- */

static void write_occupant(struct writer *w, const struct occupant *o)
{
	const struct seat *seat = container_of(o->seats.next, struct seat, link);

	w_open(w, "item");
	w_attr(w, "affiliation", affiliation_name(room_affiliation(o->room, o->bare)));
	w_attr(w, "jid", jid_str(seat->full));
	w_attr(w, "nick", o->nick);
	w_attr(w, "role", role_name(o->role));
	w_close(w);
}

static void write_role(const struct room *r, struct writer *w, enum role role)
{
	list_each(o, &r->in_order, struct occupant, link)
		if (o->role == role)
			write_occupant(w, o);
}

/* The registered nickname, or the one that he has now; outcasts have none (section 17.4). */
static struct str nick_of(const struct room *r, const struct member *m)
{
	if (m->affiliation == OUTCAST)
		return STR_NULL;
	const struct occupant *o = m->nick ? NULL : room_occupant_of(r, m->jid);
	return o ? o->nick : str_c(m->nick);
}

static void write_member(const struct room *r, struct writer *w, const struct member *m)
{
	w_open(w, "item");
	w_attr(w, "affiliation", affiliation_name(m->affiliation));
	w_attr(w, "jid", jid_str(m->jid));
	w_attr(w, "nick", nick_of(r, m));
	if (m->affiliation == OUTCAST && m->reason)
		w_leaf(w, "reason", str_c(m->reason));
	w_close(w);
}

static int by_jid(const void *a, const void *b)
{
	const struct member *const *x = a, *const *y = b;

	return str_cmp(jid_str((*x)->jid), jid_str((*y)->jid));
}

static void write_affiliation(const struct room *r, struct writer *w, enum affiliation a)
{
	const struct member **all = arena_alloc(&r->shard->loop.turn, r->members.n * sizeof *all);
	size_t n = 0;

	for (struct map_node *e = map_next(&r->members, NULL); e; e = map_next(&r->members, e)) {
		const struct member *m = container_of(e, struct member, node);
		if (m->affiliation == a)
			all[n++] = m;
	}
	qsort(all, n, sizeof *all, by_jid);
	for (size_t i = 0; i < n; i++)
		write_member(r, w, all[i]);
}

/* The item of a request for a list: alone, with nothing but what the list is of. */
static enum stanza_error read_wish(struct request *q, struct item *out)
{
	const struct xml_doc *d = &q->iq->doc;
	const struct xml_node *query = stanza_payload(q->iq), *el = xml_first(d, query);

	if (xml_count(d, query) != 1 || !xml_is(el, NS_MUC_ADMIN, TAG_ITEM))
		return wrong(q, ERR_BAD_REQUEST, "one item, please");
	struct str role = xml_attr_str(d, el, TAG_ROLE, turn_of(q));
	struct str affiliation = xml_attr_str(d, el, TAG_AFFILIATION, turn_of(q));
	if (!role.p == !affiliation.p)
		return wrong(q, ERR_BAD_REQUEST, "either a role or an affiliation, please");
	out->is_role = role.p != NULL;
	if (out->is_role ? !role_parse(role, &out->role) || out->role == ROLE_NONE
		: !affiliation_parse(affiliation, &out->affiliation) ||
			out->affiliation == AFFILIATION_NONE)
		return wrong(q, ERR_BAD_REQUEST, "there is no such list");
	return ERR_COUNT;
}

static bool may_read(const struct request *q, const struct item *wish)
{
	return wish->is_role ? room_may_list_role(q->c->room, q->iq->from, wish->role)
		: room_may_list(q->c->room, q->iq->from, wish->affiliation);
}

static enum outcome on_get(struct ctx *c, const struct stanza *iq)
{
	struct request q = { .c = c, .iq = iq };
	struct item wish = { 0 };
	enum stanza_error e = read_wish(&q, &wish);

	if (e != ERR_COUNT)
		return refused(&q, e);
	if (!may_read(&q, &wish))
		return refused(&q, ERR_FORBIDDEN);
	struct writer w = reply_open(c, iq);
	w_open_ns(&w, "query", NS_MUC_ADMIN);
	if (wish.is_role)
		write_role(c->room, &w, wish.role);
	else
		write_affiliation(c->room, &w, wish.affiliation);
	w_close(&w);
	return reply_send(c, &w, iq);
}

/* ---- what is to be changed (section 17.4) ---- */

static enum stanza_error read_nick(struct request *q, struct str text, struct str *out)
{
	if (!jid_prep_resource(text, turn_of(q), out))
		return wrong(q, ERR_JID_MALFORMED, "nobody can have such a nickname");
	return ERR_COUNT;
}

static enum stanza_error read_role(struct request *q, const struct xml_node *el, struct str role,
	struct item *out)
{
	struct str nick = xml_attr_str(&q->iq->doc, el, TAG_NICK, turn_of(q));

	out->is_role = true;
	if (!role_parse(role, &out->role))
		return wrong(q, ERR_BAD_REQUEST, "there is no such role");
	if (!nick.p)
		return wrong(q, ERR_BAD_REQUEST, "a role is a nickname's: a nick, please");
	return read_nick(q, nick, &out->nick);
}

/* The nickname that a member is to have (section 9.3). */
static enum stanza_error read_reserved(struct request *q, const struct xml_node *el,
	struct item *out)
{
	struct str nick = xml_attr_str(&q->iq->doc, el, TAG_NICK, turn_of(q));

	out->nick = nick;
	if (out->affiliation < MEMBER)
		out->nick = STR_NULL;
	if (!out->nick.n)
		return ERR_COUNT;
	enum stanza_error e = read_nick(q, nick, &out->nick);
	if (e == ERR_COUNT && !room_nick_is_visible(out->nick))
		return wrong(q, ERR_NOT_ACCEPTABLE, "a nickname is to be seen");
	return e;
}

static enum stanza_error read_affiliation(struct request *q, const struct xml_node *el,
	struct str affiliation, struct item *out)
{
	struct str text = xml_attr_str(&q->iq->doc, el, TAG_JID, turn_of(q));

	if (!affiliation_parse(affiliation, &out->affiliation))
		return wrong(q, ERR_BAD_REQUEST, "there is no such affiliation");
	if (!text.p)
		return wrong(q, ERR_BAD_REQUEST, "an affiliation is a person's: a jid, please");
	if (!jid_parse(text, turn_of(q), &out->jid))
		return wrong(q, ERR_JID_MALFORMED, "a jid is no address");
	out->jid = jid_bare(out->jid);
	if (jid_eq(out->jid, q->c->room->jid))
		return wrong(q, ERR_NOT_ACCEPTABLE, "a jid is this room's");
	return read_reserved(q, el, out);
}

static bool is_same(const struct item *a, const struct item *b)
{
	if (a->nick.n && str_eq(a->nick, b->nick))
		return true;
	return !a->is_role && !b->is_role && jid_eq(a->jid, b->jid);
}

static enum stanza_error read_item(struct request *q, const struct xml_node *el, struct item *out)
{
	const struct xml_doc *d = &q->iq->doc;
	struct str role = xml_attr_str(d, el, TAG_ROLE, turn_of(q));
	struct str affiliation = xml_attr_str(d, el, TAG_AFFILIATION, turn_of(q));
	const struct xml_node *reason = xml_child(d, el, NS_MUC_ADMIN, TAG_REASON);

	*out = (struct item){ 0 };
	if (!role.p == !affiliation.p)
		return wrong(q, ERR_BAD_REQUEST, "either a role or an affiliation, please");
	out->reason = reason ? xml_text(d, reason, turn_of(q)) : STR_NULL;
	if (out->reason.n > ROOM_REASON_MAX)
		return wrong(q, ERR_NOT_ACCEPTABLE, "a reason is too long");
	return role.p ? read_role(q, el, role, out) : read_affiliation(q, el, affiliation, out);
}

static enum stanza_error read_items(struct request *q)
{
	const struct xml_doc *d = &q->iq->doc;
	const struct xml_node *query = stanza_payload(q->iq);
	unsigned n = xml_count(d, query);

	if (!n)
		return wrong(q, ERR_BAD_REQUEST, "items, please");
	if (n > ITEMS_MAX)
		return wrong(q, ERR_RESOURCE_CONSTRAINT, "too many items");
	q->items = arena_alloc(turn_of(q), n * sizeof *q->items);
	for (const struct xml_node *el = xml_first(d, query); el; el = xml_next(d, el)) {
		struct item *out = &q->items[q->n];
		enum stanza_error e = xml_is(el, NS_MUC_ADMIN, TAG_ITEM) ? read_item(q, el, out)
			: wrong(q, ERR_BAD_REQUEST, "items and nothing else, please");
		if (e != ERR_COUNT)
			return e;
		for (size_t i = 0; i < q->n; i++)
			if (is_same(out, &q->items[i]))
				return wrong(q, ERR_BAD_REQUEST, "somebody stands there twice");
		q->roles += out->is_role;
		q->n++;
	}
	return ERR_COUNT;
}

/* ---- whether it may be changed ---- */

static enum stanza_error check_roles(struct request *q)
{
	const struct room *r = q->c->room;

	for (const struct item *it = q->items; it < q->items + q->n; it++) {
		if (!it->is_role)
			continue;
		const struct occupant *o = room_occupant(r, it->nick);
		if (!o)
			return wrong(q, ERR_ITEM_NOT_FOUND, "nobody here has this nickname");
		enum stanza_error e = room_may_change_role(r, q->iq->from, o, it->role);
		if (e != ERR_COUNT)
			return e;
	}
	return ERR_COUNT;
}

static enum stanza_error check_affiliations(struct request *q)
{
	struct room *r = q->c->room;
	struct room_change *changes = arena_alloc(turn_of(q), q->n * sizeof *changes);
	size_t n = 0;
	uint32_t added = 0;

	for (const struct item *it = q->items; it < q->items + q->n; it++) {
		if (it->is_role)
			continue;
		changes[n++] = (struct room_change){ it->jid, it->affiliation };
		added += !room_member(r, it->jid);
	}
	enum stanza_error e = room_may_affiliate_all(r, q->iq->from, changes, n);
	if (e != ERR_COUNT)
		return e;
	for (const struct item *it = q->items; it < q->items + q->n; it++)
		if (!it->is_role && it->nick.n && room_nick_is_taken(r, it->jid, it->nick))
			return wrong(q, ERR_CONFLICT, "a nickname is another person's");
	return room_has_place(r, added) ? ERR_COUNT
		: wrong(q, ERR_RESOURCE_CONSTRAINT, "the room has no place for more");
}

static enum stanza_error check(struct request *q)
{
	if (!room_may_manage(q->c->room, q->iq->from))
		return ERR_FORBIDDEN;
	enum stanza_error e = read_items(q);
	if (e == ERR_COUNT)
		e = check_roles(q);
	return e == ERR_COUNT ? check_affiliations(q) : e;
}

/* ---- the changes ---- */

/* Section 9.5, example 134. */
static void invite(const struct request *q, const struct item *it)
{
	if (!room_invites_left(q->c->room, q->iq->from))
		return;
	room_invite(q->c->room, &(struct room_invite){ .inviter = q->iq->from, .to = it->jid,
		.reason = it->reason.n ? it->reason : STR_NULL });
}

static void affiliate(const struct request *q, const struct item *it)
{
	struct room *r = q->c->room;
	bool is_new = room_affiliation(r, it->jid) < MEMBER && it->affiliation >= MEMBER;

	if (!room_affiliate(r, it->jid, it->affiliation, q->iq->from, it->reason))
		return;
	if (it->nick.p)
		room_register_nick(r, it->jid, it->nick);
	if (is_new && r->config.members_only && it->jid.n_local && !room_occupant_of(r, it->jid))
		invite(q, it);
}

/* An item before this one may have taken somebody out. */
static void change_role(const struct request *q, const struct item *it)
{
	struct occupant *o = room_occupant(q->c->room, it->nick);

	if (o)
		room_change_role(o, it->role, q->iq->from, it->reason);
}

static void change(const struct request *q)
{
	for (const struct item *it = q->items; it < q->items + q->n; it++) {
		if (it->is_role)
			change_role(q, it);
		else
			affiliate(q, it);
	}
}

static enum outcome on_set(struct ctx *c, const struct stanza *iq)
{
	struct request q = { .c = c, .iq = iq };
	enum stanza_error e = check(&q);

	if (e != ERR_COUNT)
		return refused(&q, e);
	if (q.roles == q.n) {
		reply_ok(c, iq);
		change(&q);
		return ANSWERED;
	}
	change(&q);
	room_commit(c->room, later_new(c, iq));
	return LATER;
}

const struct module xep0045_admin = {
	.name = "room-admin",
	.spec = "XEP-0045 1.35.5",
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_MUC_ADMIN, TAG_QUERY, AT_ROOM, on_get },
		{ IQ_SET, NS_MUC_ADMIN, TAG_QUERY, AT_ROOM, on_set },
		{ 0 } },
};
