/* XEP-0313 Message Archive Management, version 1.1.3
 * with XEP-0059 1.0 and XEP-0297 1.0, the hints of XEP-0334, and full-text search, XEP-0431 0.2.0.
 *
 * An account's archive at its bare JID, for its owner alone. What is stored: messages of type
 * chat and normal that hold more than a chat state, sent or received, once each, unless a hint or
 * the owner's preferences (XEP-0441) forbid it; group chat is the rooms' to store. They lie in the
 * ledger (core/message.c writes them there), in the order in which they were stored, so that
 * who has read up to an id misses nothing that comes later.
 *
 * A room's archive at its bare JID, for who could enter it (core/room_archive.h tells what is in
 * it). `with` may be an occupant's address, for everybody, and an author's real JID, for who may
 * know it; who may not gets messages without it.
 *
 * The owner of the archive looks at the question, and what it has the ledger look for comes home to
 * the owner of who asks, who knows how much his connection can take.
 *
 * A search goes to the index (store/search.h), which names messages in the same order, and then
 * to the ledger for these. What the index cannot tell (a resource, a list of ids) is looked for
 * among what it has found, SEARCH_RESULT_MAX messages at a time.
 *
 * Left out: group chat in the accounts' archives; what a room was like when a message was sent
 * (section 6.1.2): who may read it now reads all. Options: archive of a host; archive_days and
 * archive_messages of the limits; search; enablearchiving of a room. Stores: messages, in the
 * ledger. */
#include "core/archive.h"

#include "base/bug.h"
#include "core/message.h"
#include "core/module.h"
#include "core/room_archive.h"
#include "core/route.h"
#include "xmpp/datetime.h"
#include "xmpp/form.h"
#include "xmpp/rsm.h"

#include <stdlib.h>

#define PAGE     50  /* messages of a page, when nothing is said */
#define PAGE_MAX 250 /* and at most */
#define IDS_MAX  PAGE_MAX

#define FULLTEXT "{urn:xmpp:fulltext:0}fulltext"

/* How often a search begins again because messages that it found are gone when they are read. */
#define SEARCH_TRIES 3

/* ---- what is stored (section 6.1.1) ---- */

/* Mediated invitations go to a room, which passes them on. */
static bool is_invitation(const struct stanza *m)
{
	const struct xml_node *x = xml_child(&m->doc, stanza_root(m), NS_MUC_USER, TAG_X);

	return x && xml_child(&m->doc, x, NS_MUC_USER, TAG_INVITE);
}

static bool is_worth_storing(const struct stanza *m, bool sent)
{
	return (m->type == MESSAGE_CHAT || m->type == MESSAGE_NORMAL) && archive_is_worth(m) &&
	       !(sent && is_invitation(m));
}

static unsigned keeps(struct account *a, const struct stanza *m, struct jid partner, bool sent)
{
	if (!archive_is_on(a) || !is_worth_storing(m, sent) || !archive_wants(a, partner))
		return 0;
	return KEEP_ARCHIVED;
}

/* ---- whose archive, and who may read it (sections 6.1.2 and 8.1) ---- */

struct archive {
	struct jid jid;   /* bare */
	struct jid reader;
	bool of_room;
	bool anonymous;   /* a room's, whose authors the reader may not know */
};

/* ERR_COUNT: it may be read. */
static enum stanza_error find_archive(const struct ctx *c, const struct stanza *iq,
	struct archive *out)
{
	if (!c->room) {
		*out = (struct archive){ jid_bare(iq->from), iq->from, false, false };
		return c->account && jid_eq_bare(c->account->jid, iq->from) ? ERR_COUNT
			: ERR_FORBIDDEN;
	}
	*out = (struct archive){ c->room->jid, iq->from, true,
		!room_archive_tells_authors(c->room, iq->from) };
	if (!room_archive_is_on(c->room))
		return ERR_SERVICE_UNAVAILABLE;
	return room_archive_may_read(c->room, iq->from) ? ERR_COUNT : ERR_FORBIDDEN;
}

/* ---- a query ---- */

/* What is asked for, while the ledger looks. */
struct query {
	struct later *later; /* on the owner of the reader */
	struct str queryid;  /* in the operation; p NULL: none */
	bool flip, newest;
	bool counts;         /* of the archive are those of the result */
	bool anonymous;      /* as in struct archive */
};

/* For the ledger's thread: `with` a full JID, or an occupant's. */
struct match {
	bool author;
	uint16_t n;
	char jid[JID_MAX];
};

static bool addressed(const struct stanza *st, struct str full)
{
	return (jid_is_set(st->from) && str_eq(jid_str(st->from), full)) ||
	       (jid_is_set(st->to) && str_eq(jid_str(st->to), full));
}

static bool matches(const struct ledger_message *m, const void *ctx)
{
	const struct match *match = ctx;
	struct str full = str_from(match->jid, match->n);
	struct xml_table table = { 0 };
	struct arena a;

	arena_init(&a, 4096);
	struct stanza *st = stanza_scan(&table, m->bytes, &a);
	bool yes = st && (match->author ? str_eq(room_archive_author(st, &a), full)
				       : addressed(st, full));
	stanza_unref(&st);
	xml_table_clear(&table);
	arena_clear(&a);
	return yes;
}

/* A request as it is read. On failure, why. */
struct request {
	const struct archive *archive;
	struct ledger_query q;
	struct str text;           /* XEP-0431: to be searched; empty: no search */
	bool searchable;
	bool between;              /* the form names ids: counts are of what lies between them */
	struct match match;
	enum stanza_error error;
	const char *why;
};

static bool fail(struct request *r, enum stanza_error e, const char *why)
{
	r->error = e;
	r->why = why;
	return false;
}

/* An id that we did not give is one that is not there (section 4.1.3). */
static bool read_id(struct request *r, struct str text, uint64_t *out)
{
	return archive_id_parse(text, out) ||
	       fail(r, ERR_ITEM_NOT_FOUND, "no message has this id");
}

static bool read_between(struct request *r, struct str text, uint64_t *out)
{
	r->between = true;
	return read_id(r, text, out);
}

static bool read_time(struct request *r, struct str text, uint64_t *out)
{
	return datetime_parse(text, out) || fail(r, ERR_BAD_REQUEST, "that is no time (XEP-0082)");
}

static bool read_with(struct request *r, struct str text, struct arena *a)
{
	const struct archive *archive = r->archive;
	struct jid j;

	if (!jid_parse(text, a, &j))
		return fail(r, ERR_BAD_REQUEST, "`with` is no JID");
	bool occupant = archive->of_room && jid_eq_bare(j, archive->jid);
	if (archive->anonymous && !occupant && !jid_eq_bare(j, archive->reader))
		return fail(r, ERR_FORBIDDEN, "who wrote what is not for everybody");
	if (!occupant)
		r->q.with = jid_bare_str(j);
	if (jid_is_bare(j)) /* of the room itself: all that came from there */
		return true;
	struct str full = jid_str(j);
	r->match.author = archive->of_room && !occupant;
	r->match.n = (uint16_t)full.n;
	memcpy(r->match.jid, full.p, full.n);
	r->q.match = matches;
	r->q.match_ctx = &r->match;
	r->q.match_ctx_size = offsetof(struct match, jid) + full.n;
	return true;
}

static bool read_ids(struct request *r, const struct xml_doc *d, const struct xml_node *field,
	struct arena *a)
{
	struct str *texts = arena_alloc(a, IDS_MAX * sizeof *texts);
	uint64_t *ids = arena_alloc(a, IDS_MAX * sizeof *ids);
	size_t n = form_values(d, field, texts, IDS_MAX, a);

	if (!n || n > IDS_MAX)
		return fail(r, ERR_BAD_REQUEST, "that is not a number of ids to ask for");
	for (size_t i = 0; i < n; i++)
		if (!read_id(r, texts[i], &ids[i]))
			return false;
	r->q.ids = ids;
	r->q.n_ids = n;
	return true;
}

/* Section 4.1: the fields that there are. */
static bool read_field(struct request *r, const struct xml_doc *d, const struct xml_node *field,
	struct arena *a)
{
	struct str var = form_var(d, field, a);
	struct str value = form_value(d, field, a);

	if (str_eq(var, STR("FORM_TYPE")))
		return true;
	if (!r->archive->of_room && str_eq(var, STR("include-groupchat")))
		return true;
	if (str_eq(var, STR("with")))
		return read_with(r, value, a);
	if (str_eq(var, STR("start")))
		return read_time(r, value, &r->q.start_us);
	if (str_eq(var, STR("end")))
		return read_time(r, value, &r->q.end_us);
	if (str_eq(var, STR("after-id")))
		return read_between(r, value, &r->q.after);
	if (str_eq(var, STR("before-id")))
		return read_between(r, value, &r->q.before);
	if (str_eq(var, STR("ids")))
		return read_ids(r, d, field, a);
	if (r->searchable && str_eq(var, STR(FULLTEXT))) {
		r->text = value;
		return true;
	}
	return fail(r, ERR_FEATURE_NOT_IMPLEMENTED, "there is no such field");
}

static bool read_form(struct request *r, const struct xml_doc *d, const struct xml_node *query,
	struct arena *a)
{
	const struct xml_node *form = form_find(d, query, STR("urn:xmpp:mam:2"), a);
	const struct xml_node *f = form ? form_first(d, form) : NULL;

	if (!form && xml_child(d, query, NS_DATA, TAG_X))
		return fail(r, ERR_BAD_REQUEST, "the form is not for an archive");
	for (; f; f = form_next(d, f))
		if (!read_field(r, d, f, a))
			return false;
	return true;
}

/* Section 4.3. A page that goes on from another one lies within what the form says. */
static bool read_page(struct request *r, const struct xml_doc *d, const struct xml_node *query,
	struct arena *a)
{
	struct rsm rsm;

	if (!rsm_read(d, query, a, &rsm))
		return fail(r, ERR_BAD_REQUEST, "the page cannot be understood");
	r->q.max = !rsm.has_max ? PAGE : rsm.max < PAGE_MAX ? rsm.max : PAGE_MAX;
	r->q.newest = rsm.has_before;
	if (rsm.has_after && !read_id(r, rsm.after, &r->q.after))
		return false;
	return !rsm.before.n || read_id(r, rsm.before, &r->q.before);
}

/* ---- its answer ---- */

/* Own archives are asked without an address, too. */
static struct jid asked(const struct stanza *iq)
{
	return jid_is_set(iq->to) ? iq->to : jid_bare(iq->from);
}

static void write_result(struct shard *s, const struct query *q, const struct ledger_message *m)
{
	const struct stanza *iq = q->later->iq;
	struct arena *turn = &s->loop.turn;
	struct str bytes = q->anonymous ? room_archive_hide_author(s, m->bytes) : m->bytes;
	char id[ARCHIVE_ID_LEN];
	struct writer w = w_on(&s->scratch);

	archive_id_format(m->id, id);
	buf_reset(&s->scratch);
	stanza_open(&w, STANZA_MESSAGE, NULL, asked(iq), iq->from, STR_NULL);
	w_open_ns(&w, "result", NS_MAM);
	w_attr(&w, "queryid", q->queryid);
	w_attr(&w, "id", str_from(id, sizeof id));
	w_open_ns(&w, "forwarded", NS_FORWARD);
	w_open_ns(&w, "delay", NS_DELAY);
	w_attr(&w, "stamp", datetime_format(turn, m->stamp_us));
	w_close(&w);
	/* It was stored without a namespace: as of a stream. */
	w_raw(&w, STR("<message xmlns='jabber:client'"));
	w_raw(&w, str_skip(bytes, strlen("<message")));
	w_close(&w);
	w_close(&w);
	w_close(&w);
}

/* How many bytes of a page its reader can take now: many archives may be asked at once. s NULL: he
 * is on another server. */
static size_t page_bytes(const struct shard *shard, const struct session *s)
{
	const struct settings *set = shard->settings;
	uint32_t max = set->max_out < set->unacked_max ? set->max_out : set->unacked_max;

	return !s || session_has_room(s, max / 4) ? max / 4 : 0;
}

/* Cuts the page where the connection has no room for more, at its far end. True: it was cut. */
static bool cut(struct ledger_op *op, bool newest, size_t max)
{
	size_t n = op->n_messages, bytes = 0, fit = 0;

	while (fit < n) {
		const struct ledger_message *m = &op->messages[newest ? n - 1 - fit : fit];
		bytes += m->bytes.n + 512;
		if (fit && bytes > max)
			break;
		fit++;
	}
	if (newest)
		op->messages += n - fit;
	op->n_messages = fit;
	return fit < n;
}

static void send_messages(struct shard *shard, struct session *s, const struct query *q,
	const struct ledger_op *op)
{
	size_t n = op->n_messages;

	for (size_t i = 0; i < n; i++) {
		write_result(shard, q, &op->messages[q->flip ? n - 1 - i : i]);
		if (s)
			session_send_text(s, buf_str(&shard->scratch));
		else
			route_text(shard, buf_str(&shard->scratch));
	}
}

static void send_fin(struct ctx *c, const struct query *q, const struct ledger_op *op,
	bool complete)
{
	const struct stanza *iq = q->later->iq;
	char first[ARCHIVE_ID_LEN], last[ARCHIVE_ID_LEN];
	bool any = op->n_messages;
	struct writer w = reply_open(c, iq);

	if (any) {
		archive_id_format(op->messages[0].id, first);
		archive_id_format(op->messages[op->n_messages - 1].id, last);
	}
	w_open_ns(&w, "fin", NS_MAM);
	if (complete)
		w_attr(&w, "complete", STR("true"));
	/* No index on the way back: slixmpp takes a page that ends with the archive for the last
	 * of all, whichever way it goes. */
	rsm_write(&w, any ? str_from(first, sizeof first) : STR_NULL,
		any ? str_from(last, sizeof last) : STR_NULL,
		q->counts && op->index_known && any && !q->newest ? (int64_t)op->first_index : -1,
		q->counts && op->total_known ? (int64_t)op->total : -1);
	w_close(&w);
	reply_send(c, &w, iq);
}

/* The session that asked, if it is still there. */
static struct session *who_asked(struct shard *s, const struct stanza *iq)
{
	struct account *a = account_get(s, iq->from);

	return a ? session_find(a, jid_resource(iq->from)) : NULL;
}

/* Nobody waits for the answer any more. */
static bool is_gone(struct shard *s, const struct stanza *iq)
{
	return settings_account_host(s->settings, jid_domain(iq->from)) && !who_asked(s, iq);
}

/* Who asked gets the page, as much of it as he can take. complete: nothing is beyond it. */
static void send_page(struct shard *s, const struct query *q, struct ledger_op *op, bool complete)
{
	struct session *reader = who_asked(s, q->later->iq);
	struct ctx c = later_ctx(q->later);

	if (is_gone(s, q->later->iq))
		return;
	bool all = !cut(op, q->newest, page_bytes(s, reader));
	send_messages(s, reader, q, op);
	send_fin(&c, q, op, all && complete);
}

static void refuse_status(const struct query *q, enum store_status status)
{
	struct ctx c = later_ctx(q->later);

	refuse(&c, q->later->iq, status == STORE_NOT_FOUND ? ERR_ITEM_NOT_FOUND
		: status == STORE_FULL ? ERR_RESOURCE_CONSTRAINT
		: ERR_INTERNAL_SERVER_ERROR, STR(""));
}

static void page_read(struct ledger_op *op, void *receiver)
{
	struct query *q = op->ctx;

	if (op->status != STORE_OK)
		refuse_status(q, op->status);
	else
		send_page(receiver, q, op, op->complete);
	later_free(&q->later);
	ledger_op_free(op);
}

static void read_archive(struct ctx *c, const struct query *q, const struct request *req)
{
	struct ledger_op *op = shard_ledger_op(c->shard, q->later->shard, page_read, sizeof *q);
	struct query *kept = op->ctx;

	*kept = *q;
	kept->queryid = q->queryid.p ? str_dup(&op->mem, q->queryid) : STR_NULL;
	ledger_query(c->shard->core->ledger, op, jid_str(req->archive->jid), &req->q);
}

/* ---- a search (XEP-0431) ---- */

/* From its first question to its answer. */
struct search_run {
	struct arena mem;
	struct query q;
	struct str archive;
	struct search_query find;
	struct ledger_query page;  /* what the index cannot tell: match, ids */
	bool found_all;            /* the index has no more beyond what it found last */
	unsigned tries;
	uint64_t first, last;      /* that it found last */
};

static void search_end(struct search_run *r)
{
	later_free(&r->q.later);
	arena_clear(&r->mem);
	free(r);
}

static void search_refused(struct search_run *r, enum store_status status)
{
	refuse_status(&r->q, status);
	search_end(r);
}

/* op: the page. */
static void search_done(struct search_run *r, struct shard *s, struct ledger_op *op)
{
	send_page(s, &r->q, op, op->complete && r->found_all);
	search_end(r);
}

static void ask_again(struct search_run *r, struct shard *s);

/* Nothing of what the index found was asked for: what is beyond that? */
static void search_on(struct search_run *r, struct shard *s)
{
	if (r->find.newest)
		r->find.before = r->first;
	else
		r->find.after = r->last;
	ask_again(r, s);
}

/* s: whose turn it is. */
static struct ledger_op *search_ledger_op(struct search_run *r, struct shard *s,
	void (*done)(struct ledger_op *, void *))
{
	struct ledger_op *op = shard_ledger_op(s, r->q.later->shard, done, sizeof r);

	*(struct search_run **)op->ctx = r;
	return op;
}

static void found_are_read(struct ledger_op *op, void *receiver)
{
	struct search_run *r = *(struct search_run **)op->ctx;

	if (op->status == STORE_NOT_FOUND && ++r->tries < SEARCH_TRIES)
		ask_again(r, receiver);
	else if (op->status != STORE_OK)
		search_refused(r, op->status == STORE_NOT_FOUND ? STORE_FULL : op->status);
	else if (!op->n_messages && op->complete && !r->found_all)
		search_on(r, receiver);
	else
		search_done(r, receiver, op);
	ledger_op_free(op);
}

static bool is_one_of(const struct ledger_query *q, uint64_t id)
{
	for (size_t i = 0; i < q->n_ids; i++)
		if (q->ids[i] == id)
			return true;
	return false;
}

/* Of what was found, what was asked for by its id. */
static size_t choose(const struct ledger_query *q, uint64_t *ids, size_t n)
{
	size_t chosen = 0;

	for (size_t i = 0; i < n; i++)
		if (!q->n_ids || is_one_of(q, ids[i]))
			ids[chosen++] = ids[i];
	return chosen;
}

static void read_found(struct search_run *r, struct shard *s, struct search_op *op)
{
	struct ledger_query q = r->page;
	struct ledger_op nothing = { .complete = true };

	r->found_all = op->complete;
	if (op->n_ids) {
		r->first = op->ids[0];
		r->last = op->ids[op->n_ids - 1];
	}
	q.n_ids = choose(&r->page, op->ids, op->n_ids);
	q.ids = op->ids;
	if (q.n_ids)
		ledger_query(s->core->ledger, search_ledger_op(r, s, found_are_read), r->archive,
			&q);
	else if (op->n_ids && !r->found_all)
		search_on(r, s);
	else
		search_done(r, s, &nothing);
}

static void index_answered(struct search_op *op, void *receiver)
{
	struct search_run *r = *(struct search_run **)op->ctx;

	if (op->status == STORE_OK)
		read_found(r, receiver, op);
	else
		search_refused(r, op->status);
	search_op_free(op);
}

static void ask_index(struct search_run *r)
{
	struct shard *home = r->q.later->shard;
	struct search_op *op = search_op_new(&home->loop.inbox, index_answered, sizeof r);

	*(struct search_run **)op->ctx = r;
	search_find(home->core->search, op, r->archive, &r->find);
}

static void ask_again(struct search_run *r, struct shard *s)
{
	if (s->core->search && !is_gone(s, r->q.later->iq))
		ask_index(r);
	else /* the server ends, or it left */
		search_end(r);
}

static void names_are_checked(struct ledger_op *op, void *receiver)
{
	struct search_run *r = *(struct search_run **)op->ctx;

	if (op->status == STORE_OK)
		ask_again(r, receiver);
	else
		search_refused(r, op->status);
	ledger_op_free(op);
}

static void set_filters(struct search_run *r, const struct request *req)
{
	const struct ledger_query *q = &req->q;
	bool index_knows_all = !q->match && !q->n_ids;

	r->find = (struct search_query){
		.text = str_dup(&r->mem, req->text), .with = str_dup(&r->mem, q->with),
		.after = q->after, .before = q->before,
		.start_us = q->start_us, .end_us = q->end_us,
		.max = index_knows_all ? q->max : SEARCH_RESULT_MAX, .newest = q->newest };
	r->page = (struct ledger_query){ .n_ids = q->n_ids, .max = q->max, .newest = q->newest,
		.match = q->match, .match_ctx_size = q->match_ctx_size };
	if (q->n_ids)
		r->page.ids = (const uint64_t *)str_dup(&r->mem,
			str_from((const char *)q->ids, q->n_ids * sizeof *q->ids)).p;
	if (q->match)
		r->page.match_ctx = str_dup(&r->mem,
			str_from(q->match_ctx, q->match_ctx_size)).p;
}

/* The index does not know all that there is, but the ledger does: ids that are named must be there
 * (sections 4.1.3 and 4.1.4). */
static void start_search(struct ctx *c, const struct query *q, const struct request *req)
{
	const struct ledger_query names = { .after = req->q.after, .before = req->q.before,
		.ids = req->q.ids, .n_ids = req->q.n_ids };
	struct search_run *r = xcalloc(1, sizeof *r);

	arena_init(&r->mem, 1024);
	r->q = *q;
	r->q.queryid = q->queryid.p ? str_dup(&r->mem, q->queryid) : STR_NULL;
	r->q.counts = false;
	r->archive = str_dup(&r->mem, jid_str(req->archive->jid));
	set_filters(r, req);
	if (names.after || names.before || names.n_ids)
		ledger_query(c->shard->core->ledger,
			search_ledger_op(r, c->shard, names_are_checked), r->archive, &names);
	else
		ask_index(r);
}

/* What the answer is made from, on the owner of who asked. */
static struct later *later_for_reader(const struct ctx *c, const struct stanza *iq)
{
	struct ctx home = { .shard = shard_of(c->shard->core, iq->from) };

	return later_new(&home, iq);
}

static enum outcome on_query(struct ctx *c, const struct stanza *iq)
{
	struct arena *turn = &c->shard->loop.turn;
	const struct xml_node *query = stanza_payload(iq);
	struct request *r = arena_alloc(turn, sizeof *r);
	struct archive archive;
	enum stanza_error why = find_archive(c, iq, &archive);

	if (why != ERR_COUNT)
		return refuse(c, iq, why, STR(""));
	memset(r, 0, sizeof *r);
	r->archive = &archive;
	r->searchable = c->shard->core->search;
	if (!read_form(r, &iq->doc, query, turn) || !read_page(r, &iq->doc, query, turn))
		return refuse(c, iq, r->error, str_c(r->why));
	struct query q = { .later = later_for_reader(c, iq), .newest = r->q.newest,
		.counts = !r->between, .anonymous = archive.anonymous,
		.queryid = xml_attr_str(&iq->doc, query, TAG_QUERYID, turn),
		.flip = xml_child(&iq->doc, query, NS_MAM, TAG_FLIP_PAGE) };
	if (r->text.n)
		start_search(c, &q, r);
	else
		read_archive(c, &q, r);
	return LATER;
}

/* ---- the form and the metadata (sections 4.1.5 and 5) ---- */

static void write_field(struct writer *w, const char *type, const char *var)
{
	w_open(w, "field");
	w_attr(w, "type", str_c(type));
	w_attr(w, "var", str_c(var));
	w_close(w);
}

static enum outcome on_form(struct ctx *c, const struct stanza *iq)
{
	struct archive archive;
	enum stanza_error why = find_archive(c, iq, &archive);

	if (why != ERR_COUNT)
		return refuse(c, iq, why, STR(""));
	struct writer w = reply_open(c, iq);
	w_open_ns(&w, "query", NS_MAM);
	w_open_ns(&w, "x", NS_DATA);
	w_attr(&w, "type", STR("form"));
	w_open(&w, "field");
	w_attr(&w, "type", STR("hidden"));
	w_attr(&w, "var", STR("FORM_TYPE"));
	w_leaf(&w, "value", STR("urn:xmpp:mam:2"));
	w_close(&w);
	write_field(&w, "jid-single", "with");
	write_field(&w, "text-single", "start");
	write_field(&w, "text-single", "end");
	write_field(&w, "text-single", "before-id");
	write_field(&w, "text-single", "after-id");
	w_raw(&w, STR("<field type='list-multi' var='ids'>"
		"<validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:string'>"
		"<open/></validate></field>"));
	if (!archive.of_room)
		write_field(&w, "boolean", "include-groupchat");
	if (c->shard->core->search)
		write_field(&w, "text-single", FULLTEXT);
	w_close(&w);
	w_close(&w);
	return reply_send(c, &w, iq);
}

struct metadata {
	struct later *later;
	struct jid archive; /* in the operation */
	struct ledger_message first; /* id 0: not asked yet */
};

static void write_end(struct writer *w, const char *name, const struct ledger_message *m,
	struct arena *turn)
{
	char id[ARCHIVE_ID_LEN];

	archive_id_format(m->id, id);
	w_open(w, name);
	w_attr(w, "id", str_from(id, sizeof id));
	w_attr(w, "timestamp", datetime_format(turn, m->stamp_us));
	w_close(w);
}

static void answer_metadata(struct metadata *m, const struct ledger_message *last)
{
	struct ctx c = later_ctx(m->later);
	struct writer w = reply_open(&c, m->later->iq);

	w_open_ns(&w, "metadata", NS_MAM);
	if (last) {
		write_end(&w, "start", &m->first, &c.shard->loop.turn);
		write_end(&w, "end", last, &c.shard->loop.turn);
	}
	w_close(&w);
	reply_send(&c, &w, m->later->iq);
}

static void ask_end(struct shard *s, const struct metadata *from, bool newest);

static void end_read(struct ledger_op *op, void *receiver)
{
	struct metadata *m = op->ctx;
	struct ctx c = later_ctx(m->later);
	bool is_last = m->first.id;

	if (op->status != STORE_OK) {
		refuse(&c, m->later->iq, ERR_INTERNAL_SERVER_ERROR, STR(""));
	} else if (op->n_messages && !is_last) {
		m->first = op->messages[0];
		ask_end(receiver, m, true);
		m->later = NULL;
	} else {
		answer_metadata(m, op->n_messages ? &op->messages[0] : NULL);
	}
	if (m->later)
		later_free(&m->later);
	ledger_op_free(op);
}

static void ask_end(struct shard *s, const struct metadata *from, bool newest)
{
	struct ledger_op *op = shard_ledger_op(s, s, end_read, sizeof *from);
	struct metadata *m = op->ctx;
	struct ledger_query q = { .max = 1, .newest = newest };

	*m = *from;
	m->archive = jid_dup(&op->mem, from->archive);
	ledger_query(s->core->ledger, op, jid_str(m->archive), &q);
}

static enum outcome on_metadata(struct ctx *c, const struct stanza *iq)
{
	struct archive archive;
	enum stanza_error why = find_archive(c, iq, &archive);

	if (why != ERR_COUNT)
		return refuse(c, iq, why, STR(""));
	struct metadata m = { .later = later_new(c, iq), .archive = archive.jid };
	ask_end(c->shard, &m, false);
	return LATER;
}

/* Section 7: the account says it, where it has an archive. So does the host for its accounts:
 * Profanity (0.13) asks nobody else. */
static void disco(struct ctx *c, struct writer *w)
{
	if (!c->account && c->host->archive)
		w_raw(w, STR("<feature var='urn:xmpp:mam:2'/>"));
	if (!c->account || !archive_is_on(c->account))
		return;
	w_raw(w, STR("<feature var='urn:xmpp:mam:2'/><feature var='urn:xmpp:mam:2#extended'/>"
		"<feature var='urn:xmpp:mam:2#groupchat-field'/>"));
	if (c->shard->core->search)
		w_raw(w, STR("<feature var='urn:xmpp:fulltext:0'/>"));
}

static void room_disco(struct ctx *c, struct writer *w)
{
	if (!room_archive_is_on(c->room))
		return;
	w_raw(w, STR("<feature var='urn:xmpp:mam:2'/><feature var='urn:xmpp:mam:2#extended'/>"));
	if (c->shard->core->search)
		w_raw(w, STR("<feature var='urn:xmpp:fulltext:0'/>"));
}

static void deleted(struct account *a)
{
	archive_erase(a->shard, a->jid, NULL, NULL);
}

const struct module xep0313_mam = {
	.name = "archive",
	.spec = "XEP-0313 1.1.3",
	.disco = disco,
	.iq = (const struct iq_rule[]){
		{ IQ_SET, NS_MAM, TAG_QUERY, AT_OWN | AT_ACCOUNT | AT_ROOM, on_query },
		{ IQ_GET, NS_MAM, TAG_QUERY, AT_OWN | AT_ACCOUNT | AT_ROOM, on_form },
		{ IQ_GET, NS_MAM, TAG_METADATA, AT_OWN | AT_ACCOUNT | AT_ROOM, on_metadata },
		{ 0 } },
	.keeps = keeps,
	.deleted = deleted,
	.room_disco = room_disco,
};
