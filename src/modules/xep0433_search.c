/* XEP-0433 Extended Channel Search, version 0.1.0
 *
 * A service of rooms searches its own public ones, by words in their names, descriptions and
 * localparts, or lists all of them; sorted by address or by how many are inside, in pages of up to
 * PAGE. The id of an item tells all that is needed to go on behind it, so that nothing is kept
 * between the pages. The field that table 1 calls sinaddress is taken as sinaddr too, as the
 * examples have it. How many are in a room is known to a factor of two (core/room.c).
 *
 * Left out: pages backwards and by index; the number of all results. Options: none. Stores:
 * nothing. */
#include "core/module.h"
#include "core/room.h"
#include "core/route.h"
#include "store/rooms.h"
#include "xmpp/form.h"
#include "xmpp/rsm.h"

#define PARAMS "urn:xmpp:channel-search:0:search-params"
#define ORDER  "{urn:xmpp:channel-search:0:order}"
#define ERRORS " xmlns='urn:xmpp:channel-search:0:error'"
#define PAGE   50
#define RETRY_SECONDS "10"

/* ---- errors (section 4.2.2) ---- */

static enum outcome refuse_with(struct ctx *c, const struct stanza *iq, enum stanza_error e,
	const char *type, struct str text, struct str condition)
{
	struct shard *s = c->shard;

	buf_reset(&s->scratch);
	stanza_write_error_with(&s->scratch, iq, e, str_c(type), text, condition);
	count(s, COUNT_ERRORS);
	route_text(s, buf_str(&s->scratch));
	return ANSWERED;
}

static enum outcome refuse_conflict(struct ctx *c, const struct stanza *iq, struct str text,
	struct str vars)
{
	return refuse_with(c, iq, ERR_BAD_REQUEST, "modify", text, str_printf(&c->shard->loop.turn,
		"<conflicting-fields" ERRORS ">%.*s</conflicting-fields>", STR_FMT(vars)));
}

/* ---- the form (section 4.2.1) ---- */

static enum outcome show_form(struct ctx *c, const struct stanza *iq)
{
	struct writer w = reply_open(c, iq);

	w_open_ns(&w, "search", NS_CHANNEL_SEARCH);
	w_raw(&w, STR("<x xmlns='jabber:x:data' type='form'>"
		"<field type='hidden' var='FORM_TYPE'><value>" PARAMS "</value></field>"
		"<field type='text-single' var='q' label='Search for'/>"
		"<field type='boolean' var='all' label='Return all entries'>"
		"<value>false</value></field>"
		"<field type='boolean' var='sinname' label='Search in name'>"
		"<value>true</value></field>"
		"<field type='boolean' var='sindescription' label='Search in description'>"
		"<value>true</value></field>"
		"<field type='boolean' var='sinaddress' label='Search in address'>"
		"<value>true</value></field>"
		"<field type='text-single' var='min_users' label='Minimum number of users'>"
		"<value>0</value></field>"
		"<field type='list-multi' var='types' label='Service types'><value>xep-0045</value>"
		"<option label='XEP-0045 Multi-User Chat'><value>xep-0045</value></option></field>"
		"<field type='list-single' var='key' label='Sort results by'>"
		"<value>" ORDER "nusers</value>"
		"<option label='Number of online users'><value>" ORDER "nusers</value></option>"
		"<option label='Address'><value>" ORDER "address</value></option></field></x>"));
	w_close(&w);
	return reply_send(c, &w, iq);
}

/* ---- a request (section 4.2.2) ---- */

static struct str value_of(const struct stanza *iq, const struct xml_node *form, const char *var,
	struct arena *a)
{
	const struct xml_node *field = form_field(&iq->doc, form, str_c(var), a);

	return field ? form_value(&iq->doc, field, a) : STR_NULL;
}

static bool flag_of(const struct stanza *iq, const struct xml_node *form, const char *var,
	bool otherwise, struct arena *a)
{
	struct str v = value_of(iq, form, var, a);

	return v.n ? str_eq(v, STR("1")) || str_eq(v, STR("true")) : otherwise;
}

static unsigned places_of(const struct stanza *iq, const struct xml_node *form, struct arena *a)
{
	bool address = flag_of(iq, form, "sinaddr", true, a) &&
		       flag_of(iq, form, "sinaddress", true, a);

	return (flag_of(iq, form, "sinname", true, a) ? STORE_IN_TITLE : 0) |
	       (flag_of(iq, form, "sindescription", true, a) ? STORE_IN_ABOUT : 0) |
	       (address ? STORE_IN_NAME : 0);
}

static bool wants_rooms(const struct stanza *iq, const struct xml_node *form, struct arena *a)
{
	const struct xml_node *field = form_field(&iq->doc, form, STR("types"), a);
	struct str values[8];
	size_t n = field ? form_values(&iq->doc, field, values, 8, a) : 0;

	for (size_t i = 0; i < n && i < 8; i++)
		if (str_eq(values[i], STR("xep-0045")))
			return true;
	return !field;
}

static size_t count_words(struct str s)
{
	size_t n = 0;
	bool inside = false;

	for (size_t i = 0; i < s.n; i++) {
		bool space = s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\n' || s.p[i] == '\r';
		n += !space && !inside;
		inside = !space;
	}
	return n;
}

/* An id of ours: the number of occupants, a space, the localpart. */
static bool read_after(struct str id, struct store_room_query *q)
{
	ptrdiff_t space = str_find(id, ' ');
	uint64_t occupants;

	if (space < 0 || !str_to_u64(str_head(id, (size_t)space), UINT32_MAX, &occupants))
		return false;
	q->after_occupants = (uint32_t)occupants;
	q->after = str_skip(id, (size_t)space + 1);
	return q->after.n > 0;
}

/* ---- the results (section 6.2) ---- */

static struct str id_of(const struct store_room *r, struct arena *a)
{
	return str_printf(a, "%u %.*s", r->occupants, STR_FMT(r->name));
}

static void write_leaf(struct writer *w, const char *name, struct str text)
{
	if (text.n)
		w_leaf(w, name, text);
}

static void write_room(struct shard *s, struct writer *w, struct str host,
	const struct store_room *r)
{
	struct arena *turn = &s->loop.turn;
	struct room_config c;
	const char *why;

	room_config_default(&c);
	bool known = room_read_config(s, &c, r->config, &why);
	w_open(w, "item");
	w_attr(w, "address", jid_str(jid_make(turn, r->name, host, STR(""))));
	write_leaf(w, "name", r->title);
	write_leaf(w, "description", r->about);
	w_leaf(w, "nusers", str_printf(turn, "%u", r->occupants));
	w_leaf(w, "service-type", STR("xep-0045"));
	if (known) {
		write_leaf(w, "language", c.lang ? str_c(c.lang) : STR(""));
		if (!c.members_only && !c.has_secret)
			w_leaf(w, "is-open", STR("true"));
		w_leaf(w, "anonymity-mode", c.anyone_sees_jids
			? STR("{urn:xmpp:channel-search:0:anonymity}none")
			: STR("muc_semianonymous"));
	}
	w_close(w);
	room_config_clear(&c);
}

static void write_results(struct ctx *c, const struct stanza *iq, const struct store_op *op)
{
	struct arena *turn = &c->shard->loop.turn;
	size_t n = op ? op->n_rooms : 0;
	struct writer w = reply_open(c, iq);

	w_open_ns(&w, "result", NS_CHANNEL_SEARCH);
	for (size_t i = 0; i < n; i++)
		write_room(c->shard, &w, op->host, &op->rooms[i]);
	rsm_write(&w, n ? id_of(&op->rooms[0], turn) : STR_NULL,
		n ? id_of(&op->rooms[n - 1], turn) : STR_NULL, -1, -1);
	w_close(&w);
	reply_send(c, &w, iq);
}

static void found(struct store_op *op, void *receiver)
{
	struct later *later = *(struct later **)op->ctx;
	struct ctx c = later_ctx(later);

	if (op->status == STORE_OK)
		write_results(&c, later->iq, op);
	else if (op->status == STORE_FULL) /* section 4.2.2.4 */
		refuse_with(&c, later->iq, ERR_RESOURCE_CONSTRAINT, "wait", STR(""),
			STR("<rate-limit" ERRORS " retry-after='" RETRY_SECONDS "'/>"));
	else
		refuse(&c, later->iq, ERR_INTERNAL_SERVER_ERROR, STR(""));
	later_free(&later);
	store_op_free(op);
}

static enum outcome look(struct ctx *c, const struct stanza *iq, const struct store_room_query *q)
{
	struct shard *s = c->shard;
	struct store_op *op = store_op_new(&s->loop.inbox, found, sizeof(struct later *));

	*(struct later **)op->ctx = later_new(c, iq);
	store_rooms_search(s->core->store, op, c->host->domain, q);
	return LATER;
}

/* Whether there is something to search by; false: it was refused. */
static bool check_conditions(struct ctx *c, const struct stanza *iq, const struct xml_node *form,
	const struct store_room_query *q)
{
	bool all = flag_of(iq, form, "all", false, &c->shard->loop.turn);

	if (all && q->words.n) {
		refuse_conflict(c, iq, STR("Cannot both return all entries and search for words."),
			STR("<var>all</var><var>q</var>"));
	} else if (!all && !q->words.p) { /* section 4.2.2.7 */
		refuse_with(c, iq, ERR_BAD_REQUEST, "cancel", STR(""),
			STR("<no-search-conditions" ERRORS "/>"));
	} else if (!all && (!q->words.n || q->words.n > STORE_ROOM_QUERY_MAX ||
		count_words(q->words) > STORE_ROOM_WORDS_MAX)) { /* section 4.2.2.3 */
		refuse_with(c, iq, ERR_BAD_REQUEST, "modify",
			STR("Search for 1 to 16 words of 1024 bytes together."),
			STR("<invalid-search-terms" ERRORS "/>"));
	} else if (!all && !q->in) {
		refuse_conflict(c, iq, STR("There is nothing to search in."),
			STR("<var>sinname</var><var>sindescription</var><var>sinaddress</var>"));
	} else {
		return true;
	}
	return false;
}

static enum outcome search(struct ctx *c, const struct stanza *iq, const struct xml_node *form)
{
	struct arena *turn = &c->shard->loop.turn;
	struct str key = value_of(iq, form, "key", turn);
	struct str min = value_of(iq, form, "min_users", turn);
	struct store_room_query q = { .words = value_of(iq, form, "q", turn),
		.in = places_of(iq, form, turn), .max = PAGE,
		.by_occupants = !str_eq(key, STR(ORDER "address")) };
	uint64_t occupants = 0;
	struct rsm page;

	if (!check_conditions(c, iq, form, &q))
		return ANSWERED;
	if (key.n && q.by_occupants && !str_eq(key, STR(ORDER "nusers")))
		return refuse_with(c, iq, ERR_FEATURE_NOT_IMPLEMENTED, "modify", STR(""),
			STR("<invalid-sort-key" ERRORS "/>"));
	if (min.n && !str_to_u64(min, UINT32_MAX, &occupants))
		return refuse(c, iq, ERR_BAD_REQUEST, STR("min_users is a number"));
	q.occupants = (uint32_t)occupants;
	if (!rsm_read(&iq->doc, stanza_payload(iq), turn, &page) || page.has_before)
		return refuse(c, iq, ERR_FEATURE_NOT_IMPLEMENTED,
			STR("pages go forwards, and have no numbers"));
	if (page.has_after && !read_after(page.after, &q))
		return refuse(c, iq, ERR_ITEM_NOT_FOUND, STR("no result is called that"));
	if (page.has_max && page.max < q.max)
		q.max = page.max;
	if (q.max && wants_rooms(iq, form, turn))
		return look(c, iq, &q);
	write_results(c, iq, NULL);
	return ANSWERED;
}

static enum outcome on_get(struct ctx *c, const struct stanza *iq)
{
	const struct xml_node *el = stanza_payload(iq);
	const struct xml_node *form = form_find(&iq->doc, el, STR(PARAMS), &c->shard->loop.turn);

	if (form)
		return search(c, iq, form);
	if (xml_first(&iq->doc, el))
		return refuse(c, iq, ERR_BAD_REQUEST, STR("there is no form to search by"));
	return show_form(c, iq);
}

const struct module xep0433_search = {
	.name = "rooms-search",
	.spec = "XEP-0433 0.1.0",
	.service_features = (const char *const[]){ "urn:xmpp:channel-search:0:search", NULL },
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_CHANNEL_SEARCH, TAG_SEARCH, AT_ROOMS, on_get },
		{ 0 } },
};
