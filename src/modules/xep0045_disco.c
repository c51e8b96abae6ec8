/* XEP-0045 Multi-User Chat, version 1.35.5: discovery of rooms (sections 6, 7.12 and 18.1.1)
 *
 * A service lists its public rooms by name, in pages (XEP-0059) of up to PAGE; a room tells its
 * type and its form muc#roominfo, to which other modules add. Hidden rooms are in no list; who
 * knows the address of one may ask it. Of a room that is hidden, has a password or is for members
 * only, none but occupants are told the subject and how many there are (section 14.4). The owners
 * are named as contacts where real addresses are shown. Occupants may list the occupants, nobody
 * else.
 *
 * Left out: pages backwards and by index; muc#roominfo_ldapgroup, and muc#roominfo_logs, because
 * there are no groups of LDAP and no public logs. Options: none. Stores: nothing. */
#include "core/module.h"
#include "core/room.h"
#include "xmpp/form.h"
#include "xmpp/rsm.h"

#include <stdlib.h>

#define INFO         "http://jabber.org/protocol/muc#roominfo"
#define REGISTERED   "x-roomuser-item"
#define TRAFFIC      "http://jabber.org/protocol/muc#traffic"
#define PAGE         100
#define CONTACTS_MAX 10

/* ---- what a room is (section 6.4) ---- */

static void write_feature(struct writer *w, const char *var)
{
	w_open(w, "feature");
	w_attr(w, "var", str_c(var));
	w_close(w);
}

static void write_types(const struct room_config *c, struct writer *w)
{
	write_feature(w, c->listed ? "muc_public" : "muc_hidden");
	write_feature(w, c->persistent ? "muc_persistent" : "muc_temporary");
	write_feature(w, c->members_only ? "muc_membersonly" : "muc_open");
	write_feature(w, c->moderated ? "muc_moderated" : "muc_unmoderated");
	write_feature(w, c->anyone_sees_jids ? "muc_nonanonymous" : "muc_semianonymous");
	write_feature(w, c->has_secret ? "muc_passwordprotected" : "muc_unsecured");
}

/* A null slice: there is nothing to say. */
static void write_text(struct writer *w, const char *var, const char *label, struct str value)
{
	if (value.p)
		form_write_field(w, var, "text-single", label, value);
}

static void write_number(struct writer *w, const char *var, const char *label, uint32_t n)
{
	char text[12];
	int len = snprintf(text, sizeof text, "%u", n);

	write_text(w, var, label, str_from(text, (size_t)len));
}

static void write_flag(struct writer *w, const char *var, const char *label, bool on)
{
	form_write_field(w, var, "boolean", label, on ? STR("1") : STR("0"));
}

static bool is_public(const struct room_config *c)
{
	return c->listed && !c->members_only && !c->has_secret;
}

/* Whether he may know what is going on inside. */
static bool may_look_in(const struct ctx *c)
{
	return c->seat || is_public(&c->room->config);
}

static bool may_see_jids(const struct ctx *c)
{
	return c->seat ? room_shows_jids(c->room, c->seat->occupant)
		       : c->room->config.anyone_sees_jids && is_public(&c->room->config);
}

static void write_contacts(const struct room *r, struct writer *w)
{
	unsigned n = 0;

	w_open(w, "field");
	w_attr(w, "var", STR("muc#roominfo_contactjid"));
	w_attr(w, "type", STR("jid-multi"));
	w_attr(w, "label", STR("Contact addresses"));
	for (struct map_node *at = map_next(&r->members, NULL); at && n < CONTACTS_MAX;
		at = map_next(&r->members, at)) {
		const struct member *m = container_of(at, struct member, node);
		if (m->affiliation != OWNER)
			continue;
		w_leaf(w, "value", jid_str(m->jid));
		n++;
	}
	w_close(w);
}

static struct str subject_of(const struct room *r)
{
	const struct xml_node *el = r->subject ? xml_child(&r->subject->doc,
		stanza_root(r->subject), NS_CLIENT, TAG_SUBJECT) : NULL;

	return el ? xml_text(&r->subject->doc, el, &r->shard->loop.turn) : STR("");
}

static void write_present(const struct room *r, struct writer *w)
{
	write_text(w, "muc#roominfo_subject", "Current discussion topic", subject_of(r));
	write_number(w, "muc#roominfo_occupants", "Number of occupants", r->occupants.n);
}

static void write_configured(const struct room_config *c, struct writer *w)
{
	static const char *const pm[] = { [PM_ANYONE] = "anyone",
		[PM_PARTICIPANTS] = "participants", [PM_MODERATORS] = "moderators",
		[PM_NONE] = "none" };

	write_text(w, "muc#roomconfig_roomname", "Name", str_c(c->name));
	write_text(w, "muc#roominfo_description", "Description", str_c(c->desc));
	write_text(w, "muc#roominfo_lang", "Language of the discussion", str_c(c->lang));
	write_text(w, "muc#roomconfig_pubsub", "Associated publish-subscribe node", str_c(c->link));
	write_flag(w, "muc#roominfo_subjectmod", "Participants may change the subject",
		c->change_subject);
	write_flag(w, "muc#roomconfig_changesubject", "Participants may change the subject",
		c->change_subject);
	write_flag(w, "muc#roomconfig_allowinvites", "Members may invite others",
		c->members_invite);
	write_text(w, "muc#roomconfig_allowpm", "Who may send private messages", str_c(pm[c->pm]));
	write_number(w, "muc#maxhistoryfetch", "Maximum number of past messages for who enters",
		c->max_history);
}

/* Types, and the form to which other modules add. */
static void write_room(struct ctx *c, struct writer *w)
{
	struct room *r = c->room;

	write_types(&r->config, w);
	w_open_ns(w, "x", NS_DATA);
	w_attr(w, "type", STR("result"));
	w_raw(w, STR("<field var='FORM_TYPE' type='hidden'><value>" INFO "</value></field>"));
	write_configured(&r->config, w);
	if (may_look_in(c))
		write_present(r, w);
	if (may_see_jids(c))
		write_contacts(r, w);
	module_each(m, c->shard->core, room_info)
		m->room_info(r, w);
	w_close(w);
}

/* ---- pages (XEP-0059) ---- */

static bool read_page(const struct stanza *iq, struct arena *a, struct rsm *out)
{
	if (!rsm_read(&iq->doc, stanza_payload(iq), a, out) || out->has_before)
		return false;
	if (!out->has_max || out->max > PAGE)
		out->max = PAGE;
	return true;
}

static enum outcome refuse_page(struct ctx *c, const struct stanza *iq)
{
	return refuse(c, iq, ERR_FEATURE_NOT_IMPLEMENTED,
		STR("pages go forwards, and have no numbers"));
}

static void write_item(struct writer *w, struct jid j, struct str name)
{
	w_open(w, "item");
	w_attr(w, "jid", jid_str(j));
	w_attr(w, "name", name);
	w_close(w);
}

/* What is written of a page, and stands in the whole. */
struct page {
	struct str first, last; /* null slices: it is empty */
	uint64_t before, all;   /* items */
	bool counted;           /* these two are known */
};

/* Where all is there, and no page was asked for, nothing is said of pages. */
static void write_page(struct writer *w, const struct rsm *asked, const struct page *p, bool whole)
{
	bool paged = asked->has_max || asked->has_after || !whole;

	if (paged && !(p->counted && !p->all))
		rsm_write(w, p->first, p->last, p->counted ? (int64_t)p->before : -1,
			p->counted ? (int64_t)p->all : -1);
}

/* ---- rooms of a service (section 6.3) ---- */

struct listing {
	struct later *later;
	struct rsm asked;
};

static void write_rooms(struct ctx *c, const struct stanza *iq, const struct store_op *op)
{
	const struct listing *l = op->ctx;
	struct arena *turn = &c->shard->loop.turn;
	struct page p = { .before = op->n_before, .all = op->n_all,
		.counted = op->n_all < STORE_ROOMS_COUNTED };
	struct writer w = reply_open(c, iq);

	w_open_ns(&w, "query", NS_DISCO_ITEMS);
	for (size_t i = 0; i < op->n_rooms; i++) {
		const struct store_room *r = &op->rooms[i];
		struct jid j = jid_make(turn, r->name, op->host, STR(""));
		write_item(&w, j, r->title.n ? r->title : STR_NULL);
		if (!i)
			p.first = jid_str(j);
		p.last = jid_str(j);
	}
	write_page(&w, &l->asked, &p, p.counted && op->n_rooms == p.all);
	w_close(&w);
	reply_send(c, &w, iq);
}

static void listed(struct store_op *op, void *receiver)
{
	struct listing *l = op->ctx;
	struct ctx c = later_ctx(l->later);

	if (op->status == STORE_OK)
		write_rooms(&c, l->later->iq, op);
	else
		refuse(&c, l->later->iq, op->status == STORE_FULL ? ERR_RESOURCE_CONSTRAINT
			: ERR_INTERNAL_SERVER_ERROR, STR(""));
	later_free(&l->later);
	store_op_free(op);
}

static enum outcome rooms(struct ctx *c, const struct stanza *iq)
{
	struct shard *s = c->shard;
	struct jid after = { 0 };
	struct rsm asked;

	if (!read_page(iq, &s->loop.turn, &asked))
		return refuse_page(c, iq);
	if (asked.has_after && !jid_parse(asked.after, &s->loop.turn, &after))
		return refuse(c, iq, ERR_ITEM_NOT_FOUND, STR("no room is called that"));
	struct store_op *op = store_op_new(&s->loop.inbox, listed, sizeof(struct listing));
	*(struct listing *)op->ctx = (struct listing){ later_new(c, iq), asked };
	store_rooms(s->core->store, op, c->host->domain,
		asked.has_after ? jid_local(after) : STR(""), asked.max, true);
	return LATER;
}

/* ---- occupants of a room (section 6.5) ---- */

static bool is_shown(const struct occupant *o)
{
	return o->room->config.shown & 1u << o->role;
}

/* Behind which occupant the page begins; false: there is none of that address. */
static bool find_start(const struct ctx *c, const struct rsm *asked, const struct occupant **out)
{
	struct jid after;

	if (!asked->has_after)
		return true;
	if (!jid_parse(asked->after, &c->shard->loop.turn, &after) ||
		!jid_eq_bare(after, c->room->jid))
		return false;
	*out = room_occupant(c->room, jid_resource(after));
	return *out && is_shown(*out);
}

/* In the order of their entry. */
static void write_occupants(const struct ctx *c, struct writer *w, const struct rsm *asked,
	const struct occupant *after)
{
	struct page p = { .counted = true };
	bool begun = !after;
	uint32_t n = 0;

	list_each(o, &c->room->in_order, struct occupant, link) {
		if (!is_shown(o))
			continue;
		p.all++;
		if (!begun)
			p.before++;
		if (begun && n < asked->max) {
			struct jid j = room_address(o, &c->shard->loop.turn);
			write_item(w, j, STR_NULL);
			p.first = n++ ? p.first : jid_str(j);
			p.last = jid_str(j);
		}
		begun = begun || o == after;
	}
	write_page(w, asked, &p, n == p.all);
}

static enum outcome occupants(struct ctx *c, const struct stanza *iq)
{
	const struct occupant *after = NULL;
	struct rsm asked;

	if (!read_page(iq, &c->shard->loop.turn, &asked))
		return refuse_page(c, iq);
	if (c->seat && !find_start(c, &asked, &after))
		return refuse(c, iq, ERR_ITEM_NOT_FOUND, STR("no occupant is called that"));
	struct writer w = reply_open(c, iq);
	w_open_ns(&w, "query", NS_DISCO_ITEMS);
	if (c->seat)
		write_occupants(c, &w, &asked, after);
	w_close(&w);
	return reply_send(c, &w, iq);
}

/* ---- nodes ---- */

/* Section 7.12 */
static enum outcome registered(struct ctx *c, const struct stanza *iq)
{
	const struct member *m = room_member(c->room, jid_bare(iq->from));
	struct writer w = reply_open(c, iq);

	w_open_ns(&w, "query", NS_DISCO_INFO);
	w_attr(&w, "node", STR(REGISTERED));
	if (m && m->nick) {
		w_open(&w, "identity");
		w_attr(&w, "category", STR("conference"));
		w_attr(&w, "type", STR("text"));
		w_attr(&w, "name", str_c(m->nick));
		w_close(&w);
	}
	w_close(&w);
	return reply_send(c, &w, iq);
}

static enum outcome registered_items(struct ctx *c, const struct stanza *iq)
{
	struct writer w = reply_open(c, iq);

	w_open_ns(&w, "query", NS_DISCO_ITEMS);
	w_attr(&w, "node", STR(REGISTERED));
	w_close(&w);
	return reply_send(c, &w, iq);
}

/* Section 18.1.1: every extension may pass. */
static enum outcome traffic(struct ctx *c, const struct stanza *iq)
{
	return refuse(c, iq, ERR_SERVICE_UNAVAILABLE, STR(""));
}

const struct module xep0045_disco = {
	.name = "rooms-disco",
	.spec = "XEP-0045 1.35.5",
	.service_features = (const char *const[]){ "http://jabber.org/protocol/muc", "muc_rooms",
		"http://jabber.org/protocol/rsm", NULL },
	.room_features = (const char *const[]){ "http://jabber.org/protocol/muc",
		"http://jabber.org/protocol/muc#stable_id", INFO, "http://jabber.org/protocol/rsm",
		NULL },
	.nodes = (const struct disco_node[]){
		{ "", AT_ROOMS, NULL, rooms },
		{ "", AT_ROOM, NULL, occupants },
		{ REGISTERED, AT_ROOM, registered, registered_items },
		{ TRAFFIC, AT_ROOMS | AT_ROOM, traffic, traffic },
		{ 0 } },
	.room_disco = write_room,
};
