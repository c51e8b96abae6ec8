/* XEP-0045 Multi-User Chat, version 1.35.5: registering with a room (sections 7.10 and 9.9)
 *
 * Who registers has a nickname in the room that nobody else can have, and is a member of it.
 * Anybody may register with an open room. Where membership means more, in a room for members only,
 * for who is not inside in one with a password, and for who has no voice in a moderated one,
 * somebody who is no member asks for it: the form goes to the administrators and owners, who answer
 * it. What they answer needs nothing that the room would have to remember: they may make anybody a
 * member. Members choose a nickname, and another one, at once.
 *
 * Registering ends with the nickname and, where anybody may register, the membership too.
 *
 * Left out: a form with names, addresses and the like. Registered nicknames are not forced upon who
 * enters with another one. Options: none. Stores: members of rooms. */
#include "base/bug.h"
#include "core/message.h"
#include "core/module.h"
#include "core/room.h"
#include "core/route.h"
#include "xmpp/form.h"

#include <stdlib.h>

#define FORM_TYPE "http://jabber.org/protocol/muc#register"

#define REQUESTS_MAX     64               /* of a room ... */
#define REQUESTS_MS      (60 * 60 * 1000) /* ... in so long; the same person's is told once */
#define REQUEST_TELL_MAX 32               /* administrators who are told */

/* Somebody asked to be registered. Owned by its list. */
struct request {
	struct list link;
	uint64_t at;        /* monotonic ms */
	struct jid who;     /* bare; text inline, like the next one */
	struct str nick;
};

struct room_requests {
	struct list list;   /* the oldest first */
	uint32_t n;
};

/* ---- requests of late ---- */

static void forget(struct room_requests *all, struct request *q)
{
	list_del(&q->link);
	all->n--;
	free(q);
}

static struct room_requests *requests_of(struct room *r)
{
	if (!r->requests) {
		r->requests = xcalloc(1, sizeof *r->requests);
		list_init(&r->requests->list);
	}
	return r->requests;
}

static void unload(struct room *r)
{
	if (!r->requests)
		return;
	list_each_safe(q, &r->requests->list, struct request, link)
		forget(r->requests, q);
	free(r->requests);
	r->requests = NULL;
}

static void forget_old(struct room *r, struct room_requests *all)
{
	list_each_safe(q, &all->list, struct request, link)
		if (r->shard->loop.now - q->at >= REQUESTS_MS)
			forget(all, q);
}

static bool is_known(const struct room_requests *all, struct jid who, struct str nick)
{
	list_each(q, &all->list, struct request, link)
		if (jid_eq(q->who, who) && str_eq(q->nick, nick))
			return true;
	return false;
}

static void note(struct room *r, struct room_requests *all, struct jid who, struct str nick)
{
	struct str text = jid_str(who);
	struct request *q = xcalloc(1, sizeof *q + text.n + nick.n);
	char *at = (char *)(q + 1);

	q->at = r->shard->loop.now;
	q->who = who;
	q->who.p = memcpy(at, text.p, text.n);
	q->nick = str_from(memcpy(at + text.n, nick.p, nick.n), nick.n);
	list_add(&all->list, &q->link);
	all->n++;
}

/* ---- asking the administrators (section 9.9) ---- */

static void write_field(struct writer *w, const char *var, const char *type, const char *label,
	struct str value)
{
	w_open(w, "field");
	w_attr(w, "var", str_c(var));
	w_attr(w, "type", str_c(type));
	w_attr(w, "label", str_c(label));
	if (value.p)
		w_leaf(w, "value", value);
	w_close(w);
}

static void open_form(struct writer *w, const char *title, const char *instructions)
{
	w_open_ns(w, "x", NS_DATA);
	w_attr(w, "type", STR("form"));
	w_leaf(w, "title", str_c(title));
	w_leaf(w, "instructions", str_c(instructions));
	write_field(w, "FORM_TYPE", "hidden", NULL, STR(FORM_TYPE));
}

static struct stanza *make_request(struct room *r, struct jid who, struct str nick)
{
	struct shard *s = r->shard;
	uint64_t id = message_new_id(s);

	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	stanza_open(&w, STANZA_MESSAGE, NULL, r->jid, (struct jid){ 0 },
		str_printf(&s->loop.turn, "register-%llx", (unsigned long long)id));
	open_form(&w, "Registration request",
		"Somebody wants to be registered with this room. Allow it, or do nothing.");
	write_field(&w, "muc#jid", "jid-single", "User ID", jid_str(who));
	write_field(&w, "muc#register_roomnick", "text-single", "Desired nickname", nick);
	write_field(&w, "muc#register_allow", "boolean",
		"Allow this person to register with the room?", STR("0"));
	w_close(&w);
	w_close(&w);
	BUG_ON(!w_done(&w));
	struct stanza *st = stanza_scan(&s->scratch_table, buf_str(&s->scratch), &s->loop.turn);
	BUG_ON(!st);
	st->archive_id = id;
	return st;
}

/* To the clients that an administrator has in the room; else to his account. */
static void tell(struct room *r, struct jid admin, struct stanza *request)
{
	struct occupant *o = room_occupant_of(r, admin);

	if (!o) {
		route_to(r->shard, request, admin);
		return;
	}
	list_each(seat, &o->seats, struct seat, link)
		route_to(r->shard, request, seat->full);
}

static void tell_administrators(struct room *r, struct jid who, struct str nick)
{
	struct stanza *request = make_request(r, who, nick);
	struct map_node *node = NULL;
	unsigned n = 0;

	while (n < REQUEST_TELL_MAX && (node = map_next(&r->members, node))) {
		const struct member *m = container_of(node, struct member, node);
		if (m->affiliation < ADMIN)
			continue;
		tell(r, m->jid, request);
		n++;
	}
	stanza_unref(&request);
}

/* Example 75: it was received. */
static enum outcome ask(struct ctx *c, const struct stanza *iq, struct str nick)
{
	struct room *r = c->room;
	struct room_requests *all = requests_of(r);
	struct jid who = jid_bare(iq->from);

	forget_old(r, all);
	if (is_known(all, who, nick))
		return reply_ok(c, iq);
	if (all->n == REQUESTS_MAX)
		return refuse(c, iq, ERR_RESOURCE_CONSTRAINT, STR("others have asked"));
	note(r, all, who, nick);
	tell_administrators(r, who, nick);
	return reply_ok(c, iq);
}

/* ---- being registered ---- */

static bool read_nick(const struct xml_doc *d, const struct xml_node *form, struct arena *a,
	struct str *out)
{
	struct str nick = form_value(d, form_field(d, form, STR("muc#register_roomnick"), a), a);

	return nick.n && jid_prep_resource(nick, a, out) && room_nick_is_visible(*out);
}

/* False: the room takes no more members. actor: unset for who registers himself. */
static bool enrol(struct room *r, struct jid who, struct str nick, struct jid actor)
{
	if (room_affiliation(r, who) == AFFILIATION_NONE &&
		!room_affiliate(r, who, MEMBER, actor, STR_NULL))
		return false;
	return room_register_nick(r, who, nick);
}

/* Membership of a room that not everybody may enter, or speak in, is for others to give. */
static bool needs_approval(const struct ctx *c, struct jid who)
{
	const struct room *r = c->room;

	if (room_affiliation(r, who) != AFFILIATION_NONE)
		return false;
	if (r->config.members_only || (r->config.has_secret && !c->seat))
		return true;
	return r->config.moderated && !(c->seat && c->seat->occupant->role >= PARTICIPANT);
}

static enum outcome store(struct ctx *c, const struct stanza *iq)
{
	room_commit(c->room, later_new(c, iq));
	return LATER;
}

static enum outcome enter_name(struct ctx *c, const struct stanza *iq)
{
	struct arena *turn = &c->shard->loop.turn;
	struct jid who = jid_bare(iq->from);
	const struct xml_node *form = form_find(&iq->doc, stanza_payload(iq), STR(FORM_TYPE), turn);
	struct str nick;

	if (!form || !read_nick(&iq->doc, form, turn, &nick))
		return refuse(c, iq, ERR_BAD_REQUEST, STR("a form with a nickname is needed"));
	if (room_nick_is_taken(c->room, who, nick))
		return refuse(c, iq, ERR_CONFLICT, STR("the nickname is another person's"));
	if (needs_approval(c, who))
		return ask(c, iq, nick);
	if (!enrol(c->room, who, nick, (struct jid){ 0 }))
		return refuse(c, iq, ERR_RESOURCE_CONSTRAINT, STR("no more members fit"));
	return store(c, iq);
}

/* XEP-0077 section 3.2 */
static enum outcome cancel(struct ctx *c, const struct stanza *iq)
{
	struct room *r = c->room;
	struct jid who = jid_bare(iq->from);
	const struct member *m = room_member(r, who);

	if (xml_count(&iq->doc, stanza_payload(iq)) != 1)
		return refuse(c, iq, ERR_BAD_REQUEST, STR("remove stands alone"));
	if (!m || !m->nick)
		return refuse(c, iq, ERR_REGISTRATION_REQUIRED, STR("you are not registered"));
	room_register_nick(r, who, STR_NULL);
	if (room_affiliation(r, who) == MEMBER && !r->config.members_only)
		room_affiliate(r, who, AFFILIATION_NONE, (struct jid){ 0 }, STR_NULL);
	return store(c, iq);
}

/* Example 68. */
static bool is_banned(const struct ctx *c, const struct stanza *iq)
{
	return room_affiliation(c->room, jid_bare(iq->from)) == OUTCAST;
}

static enum outcome on_set(struct ctx *c, const struct stanza *iq)
{
	if (is_banned(c, iq))
		return refuse(c, iq, ERR_NOT_ALLOWED, STR(""));
	if (xml_child(&iq->doc, stanza_payload(iq), NS_REGISTER, TAG_REMOVE))
		return cancel(c, iq);
	return enter_name(c, iq);
}

static enum outcome on_get(struct ctx *c, const struct stanza *iq)
{
	const struct member *m = room_member(c->room, jid_bare(iq->from));

	if (is_banned(c, iq))
		return refuse(c, iq, ERR_NOT_ALLOWED, STR(""));
	struct writer w = reply_open(c, iq);
	w_open_ns(&w, "query", NS_REGISTER);
	if (m && m->nick) {
		w_open(&w, "registered");
		w_close(&w);
		w_leaf(&w, "username", str_c(m->nick));
	}
	w_leaf(&w, "instructions", STR("Choose a nickname for this room."));
	open_form(&w, "Registration", "Choose a nickname for this room.");
	w_open(&w, "field");
	w_attr(&w, "var", STR("muc#register_roomnick"));
	w_attr(&w, "type", STR("text-single"));
	w_attr(&w, "label", STR("Desired nickname"));
	if (m && m->nick)
		w_leaf(&w, "value", str_c(m->nick));
	w_open(&w, "required");
	w_close(&w);
	w_close(&w);
	w_close(&w);
	w_close(&w);
	return reply_send(c, &w, iq);
}

/* ---- answers of administrators ---- */

static bool says_yes(const struct xml_doc *d, const struct xml_node *form, struct arena *a)
{
	struct str v = form_value(d, form_field(d, form, STR("muc#register_allow"), a), a);

	return str_eq(v, STR("1")) || str_eq(v, STR("true"));
}

/* What is wrong, or ERR_COUNT. */
static enum stanza_error approve(struct room *r, const struct stanza *m,
	const struct xml_node *form)
{
	struct arena *a = &r->shard->loop.turn;
	struct str text = form_value(&m->doc, form_field(&m->doc, form, STR("muc#jid"), a), a);
	struct jid who, actor = jid_bare(m->from);
	struct str nick;

	if (!text.n || !jid_parse(text, a, &who) || !read_nick(&m->doc, form, a, &nick))
		return ERR_BAD_REQUEST;
	who = jid_bare(who);
	if (room_affiliation(r, who) == OUTCAST)
		return ERR_NOT_ALLOWED;
	if (room_nick_is_taken(r, who, nick))
		return ERR_CONFLICT;
	return enrol(r, who, nick, actor) ? ERR_COUNT : ERR_RESOURCE_CONSTRAINT;
}

static bool asked(struct room *r, struct seat *seat, struct stanza *m)
{
	struct arena *a = &r->shard->loop.turn;
	enum stanza_error e = ERR_COUNT;

	if (m->type != MESSAGE_NORMAL)
		return false;
	const struct xml_node *form = form_find(&m->doc, stanza_root(m), STR(FORM_TYPE), a);
	if (!form)
		return false;
	if (room_affiliation(r, jid_bare(m->from)) < ADMIN)
		e = ERR_FORBIDDEN;
	else if (says_yes(&m->doc, form, a))
		e = approve(r, m, form);
	if (e != ERR_COUNT)
		room_bounce(r->shard, m, e, STR(""));
	return true;
}

const struct module xep0045_register = {
	.name = "room-register",
	.spec = "XEP-0045 1.35.5",
	.room_features = (const char *const[]){ "jabber:iq:register", FORM_TYPE, NULL },
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_REGISTER, TAG_QUERY, AT_ROOM, on_get },
		{ IQ_SET, NS_REGISTER, TAG_QUERY, AT_ROOM, on_set },
		{ 0 } },
	.room_unload = unload,
	.room_asked = asked,
};
