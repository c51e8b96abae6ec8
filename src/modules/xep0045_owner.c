/* XEP-0045 Multi-User Chat, version 1.35.5: what owners do with a room (sections 10.1, 10.2, 10.9)
 *
 * They configure it, which unlocks a new one, and destroy it. The fields are core/room_config.c's;
 * besides them the form has the full lists of owners and administrators. Who is taken from the
 * owners becomes an administrator (example 169), who is taken from the administrators a member
 * (example 167). The server's administrators may do what owners may. A result is sent when all is
 * durable.
 *
 * A room that there is not is made by entering it, and not by asking for its form. Bounds: the
 * reason of a destruction and the password of the alternate venue, which go to each occupant.
 * Options: none. Stores: rooms. */
#include "core/module.h"
#include "core/room.h"
#include "xmpp/form.h"

#include <stdlib.h>

#define CONFIG "http://jabber.org/protocol/muc#roomconfig"
#define ADMINS "muc#roomconfig_roomadmins"
#define OWNERS "muc#roomconfig_roomowners"

static bool is_owner(const struct ctx *c, const struct stanza *iq)
{
	return room_affiliation(c->room, jid_bare(iq->from)) == OWNER ||
	       host_administers(c->host, iq->from);
}

static enum outcome forbid(struct ctx *c, const struct stanza *iq)
{
	return refuse(c, iq, ERR_FORBIDDEN, STR("that is for the owners of the room"));
}

/* ---- the form (section 10.1.3) ---- */

static void write_list(const struct room *r, struct writer *w, const char *var, const char *label,
	enum affiliation a)
{
	w_open(w, "field");
	w_attr(w, "var", str_c(var));
	w_attr(w, "type", STR("jid-multi"));
	w_attr(w, "label", str_c(label));
	for (struct map_node *n = map_next(&r->members, NULL); n; n = map_next(&r->members, n)) {
		const struct member *m = container_of(n, struct member, node);
		if (m->affiliation == a)
			w_leaf(w, "value", jid_str(m->jid));
	}
	w_close(w);
}

static enum outcome on_get(struct ctx *c, const struct stanza *iq)
{
	struct room *r = c->room;

	if (!is_owner(c, iq))
		return forbid(c, iq);
	if (xml_count(&iq->doc, stanza_payload(iq)))
		return refuse(c, iq, ERR_BAD_REQUEST, STR("the query should be empty"));
	struct writer w = reply_open(c, iq);
	w_open_ns(&w, "query", NS_MUC_OWNER);
	w_open_ns(&w, "x", NS_DATA);
	w_attr(&w, "type", STR("form"));
	w_leaf(&w, "title", str_printf(&c->shard->loop.turn, "Configuration of %.*s",
		STR_FMT(jid_str(r->jid))));
	w_leaf(&w, "instructions", r->locked
		? STR("The room is new. Submit this form to open it to others.")
		: STR("Change what the room should be like, and submit the form."));
	room_config_write(&r->config, &w, CONFIG_FOR_OWNER);
	write_list(r, &w, ADMINS, "Full list of administrators", ADMIN);
	write_list(r, &w, OWNERS, "Full list of owners", OWNER);
	w_close(&w);
	w_close(&w);
	return reply_send(c, &w, iq);
}

/* ---- owners and administrators ---- */

/* Bare JIDs of a field of the form, sorted. p NULL: it has no such field. */
struct jids {
	struct jid *p;
	size_t n;
};

static int by_text(const void *a, const void *b)
{
	return str_cmp(jid_bare_str(*(const struct jid *)a), jid_bare_str(*(const struct jid *)b));
}

static bool has(const struct jids *l, struct jid j)
{
	return l->n && bsearch(&j, l->p, l->n, sizeof j, by_text);
}

/* Repetitions are passed over (XEP-0004 section 3.3). */
static void sort(struct jids *l)
{
	size_t n = 0;

	if (l->n)
		qsort(l->p, l->n, sizeof *l->p, by_text);
	for (size_t i = 0; i < l->n; i++)
		if (!n || by_text(&l->p[n - 1], &l->p[i]))
			l->p[n++] = l->p[i];
	l->n = n;
}

/* False: a value is nobody's JID. A domain could own a room, but nobody would. */
static bool read_jids(const struct xml_doc *d, const struct xml_node *form, const char *var,
	struct arena *a, struct jids *out)
{
	const struct xml_node *f = form_field(d, form, str_c(var), a);
	size_t n = f ? form_values(d, f, NULL, 0, a) : 0;
	struct str *values = arena_alloc(a, (n + 1) * sizeof *values);

	*out = (struct jids){ f ? arena_alloc(a, (n + 1) * sizeof *out->p) : NULL, 0 };
	if (f)
		form_values(d, f, values, n, a);
	for (size_t i = 0; i < n; i++) {
		struct jid j;
		if (!values[i].n)
			continue;
		if (!jid_parse(values[i], a, &j) || !j.n_local)
			return false;
		out->p[out->n++] = jid_bare(j);
	}
	sort(out);
	return true;
}

/* All changes that make the lists what they should be. */
struct changes {
	struct room_change *p;
	size_t n, new; /* new: of people without an entry */
};

static void add_change(const struct room *r, struct changes *c, struct jid whom,
	enum affiliation to)
{
	if (room_affiliation(r, whom) == to)
		return;
	c->new += !room_member(r, whom);
	c->p[c->n++] = (struct room_change){ whom, to };
}

static void add_removed(const struct room *r, struct changes *c, const struct member *m,
	const struct jids *owners, const struct jids *admins)
{
	if (has(owners, m->jid) || has(admins, m->jid))
		return;
	if (m->affiliation == OWNER && owners->p)
		add_change(r, c, m->jid, ADMIN);
	else if (m->affiliation == ADMIN && admins->p)
		add_change(r, c, m->jid, MEMBER);
}

/* The new owners stand first: there is one all the time. */
static struct changes find_changes(struct room *r, const struct jids *owners,
	const struct jids *admins)
{
	struct changes c = { .p = arena_alloc(&r->shard->loop.turn,
		(owners->n + admins->n + r->members.n + 1) * sizeof *c.p) };

	for (size_t i = 0; i < owners->n; i++)
		add_change(r, &c, owners->p[i], OWNER);
	for (size_t i = 0; i < admins->n; i++) {
		bool stays_owner = owners->p ? has(owners, admins->p[i])
			: room_affiliation(r, admins->p[i]) == OWNER;
		if (!stays_owner)
			add_change(r, &c, admins->p[i], ADMIN);
	}
	for (struct map_node *n = map_next(&r->members, NULL); n; n = map_next(&r->members, n))
		add_removed(r, &c, container_of(n, struct member, node), owners, admins);
	return c;
}

/* ERR_COUNT: they may be made. */
static enum stanza_error check_changes(struct room *r, const struct changes *c, struct jid actor)
{
	enum stanza_error e = room_may_affiliate_all(r, actor, c->p, c->n);

	if (e == ERR_COUNT && !room_has_place(r, (uint32_t)c->new))
		e = ERR_RESOURCE_CONSTRAINT;
	return e;
}

/* ---- configuring ---- */

/* What was submitted, read and found possible. */
struct submission {
	struct room_config config; /* owned */
	struct changes changes;
};

/* ERR_COUNT: it can be. */
static enum stanza_error read_submission(struct ctx *c, const struct stanza *iq,
	const struct xml_node *form, struct submission *out, const char **why)
{
	struct arena *turn = &c->shard->loop.turn;
	struct jids owners, admins;

	if (!read_jids(&iq->doc, form, OWNERS, turn, &owners) ||
		!read_jids(&iq->doc, form, ADMINS, turn, &admins)) {
		*why = "a list has something that is nobody's JID";
		return ERR_NOT_ACCEPTABLE;
	}
	if (!room_config_read(&out->config, &iq->doc, form, turn, why))
		return ERR_NOT_ACCEPTABLE;
	out->changes = find_changes(c->room, &owners, &admins);
	*why = "the owners and administrators cannot become these";
	return check_changes(c->room, &out->changes, jid_bare(iq->from));
}

static enum outcome open_room(struct ctx *c, const struct stanza *iq)
{
	room_open(c->room);
	room_commit(c->room, later_new(c, iq));
	return LATER;
}

static enum outcome configure(struct ctx *c, const struct stanza *iq, const struct xml_node *form)
{
	struct room *r = c->room;
	struct submission s;
	const char *why;

	room_config_copy(&s.config, &r->config);
	enum stanza_error e = read_submission(c, iq, form, &s, &why);
	if (e != ERR_COUNT) {
		room_config_clear(&s.config);
		return refuse(c, iq, e, str_c(why));
	}
	for (size_t i = 0; i < s.changes.n; i++)
		room_affiliate(r, s.changes.p[i].whom, s.changes.p[i].to, jid_bare(iq->from),
			STR_NULL);
	room_configure(r, &s.config);
	return open_room(c, iq);
}

static void destroyed(struct shard *s, enum store_status status, void *ctx)
{
	struct later *later = ctx;
	struct ctx c = later_ctx(later);

	if (status == STORE_OK)
		reply_ok(&c, later->iq);
	else
		refuse(&c, later->iq, status == STORE_FULL ? ERR_RESOURCE_CONSTRAINT
			: ERR_INTERNAL_SERVER_ERROR, STR("not all of it could be erased"));
	later_free(&later);
}

static enum outcome destroy(struct ctx *c, const struct stanza *iq, const struct room_end *end)
{
	room_destroy(c->room, end, destroyed, later_new(c, iq));
	return LATER;
}

/* Sections 10.1.3 and 10.2: a new room is destroyed, any other one stays as it is. */
static enum outcome cancel(struct ctx *c, const struct stanza *iq)
{
	if (!c->room->locked)
		return reply_ok(c, iq);
	return destroy(c, iq, &(struct room_end){ 0 });
}

static enum outcome on_form(struct ctx *c, const struct stanza *iq, const struct xml_node *x)
{
	struct arena *turn = &c->shard->loop.turn;
	struct str type = xml_attr_str(&iq->doc, x, TAG_TYPE, turn);

	if (str_eq(type, STR("cancel")))
		return cancel(c, iq);
	if (!str_eq(type, STR("submit")))
		return refuse(c, iq, ERR_BAD_REQUEST, STR("a form is submitted or cancelled"));
	if (!form_first(&iq->doc, x)) /* section 10.1.2: as it is */
		return open_room(c, iq);
	x = form_find(&iq->doc, stanza_payload(iq), STR(CONFIG), turn);
	if (!x)
		return refuse(c, iq, ERR_BAD_REQUEST, STR("FORM_TYPE should be " CONFIG));
	return configure(c, iq, x);
}

/* ---- destroying (section 10.9) ---- */

/* The text of a child; the null slice where there is none. */
static struct str text_of(struct ctx *c, const struct stanza *iq, const struct xml_node *in,
	enum xml_tag tag)
{
	const struct xml_node *el = xml_child(&iq->doc, in, NS_MUC_OWNER, tag);

	return el ? xml_text(&iq->doc, el, &c->shard->loop.turn) : STR_NULL;
}

static enum outcome on_destroy(struct ctx *c, const struct stanza *iq, const struct xml_node *el)
{
	struct arena *turn = &c->shard->loop.turn;
	struct str alternate = xml_attr_str(&iq->doc, el, TAG_JID, turn);
	struct room_end end = { .reason = text_of(c, iq, el, TAG_REASON),
		.password = text_of(c, iq, el, TAG_PASSWORD) };

	if (alternate.n && !jid_parse(alternate, turn, &end.alternate))
		return refuse(c, iq, ERR_JID_MALFORMED,
			STR("the alternate venue has no such address"));
	if (end.reason.n > ROOM_REASON_MAX || end.password.n > ROOM_SECRET_MAX)
		return refuse(c, iq, ERR_NOT_ACCEPTABLE,
			STR("the reason or the password is too long"));
	return destroy(c, iq, &end);
}

static enum outcome on_set(struct ctx *c, const struct stanza *iq)
{
	const struct xml_node *query = stanza_payload(iq);
	const struct xml_node *el = xml_first(&iq->doc, query);

	if (!is_owner(c, iq))
		return forbid(c, iq);
	if (xml_count(&iq->doc, query) != 1)
		return refuse(c, iq, ERR_BAD_REQUEST,
			STR("a form, or destroy, should stand alone"));
	if (xml_is(el, NS_DATA, TAG_X))
		return on_form(c, iq, el);
	if (xml_is(el, NS_MUC_OWNER, TAG_DESTROY))
		return on_destroy(c, iq, el);
	return refuse(c, iq, ERR_BAD_REQUEST, STR("a form, or destroy, is expected"));
}

const struct module xep0045_owner = {
	.name = "rooms-owner",
	.spec = "XEP-0045 1.35.5",
	.room_features = (const char *const[]){ CONFIG, NULL },
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_MUC_OWNER, TAG_QUERY, AT_ROOM, on_get },
		{ IQ_SET, NS_MUC_OWNER, TAG_QUERY, AT_ROOM, on_set },
		{ 0 } },
};
