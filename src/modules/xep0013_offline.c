/* XEP-0013 Flexible Offline Message Retrieval, version 1.3
 *
 * What waits for an account (modules/xep0160_offline.c) is counted, listed, read and removed one by
 * one or all together, by the account's own sessions. Reading removes nothing (section 2.5). While
 * a session that asked for any of this is there, nobody is sent what waits (section 2.2);
 * messages that come meanwhile are delivered as ever. A message is named by its place in the
 * ledger. What waits of somebody who was blocked since (XEP-0191) is counted, but neither listed
 * nor sent.
 *
 * Bounds: the list holds the oldest messages, as many as fit into a quarter of output_bytes; a
 * request names up to ITEMS_MAX, and those that are viewed together must fit into as much.
 * All messages (2.6) are sent as the client takes them. Options and storage: those of XEP-0160. */
#include "base/bug.h"
#include "core/block.h"
#include "core/client.h"
#include "core/message.h"
#include "core/module.h"

#include <stdlib.h>

#define NODE      "http://jabber.org/protocol/offline"
#define PAGE      50  /* messages read at once */
#define ITEMS_MAX 100 /* of a request */
#define AGAIN_MS  50  /* how often a client whose output is full is looked at again */

/* The session that asked, where it is still there. */
static struct session *who_asked(struct shard *s, struct jid full)
{
	struct account *a = account_get(s, full);

	return a ? session_find(a, jid_resource(full)) : NULL;
}

static uint32_t quarter(const struct shard *s)
{
	return s->settings->max_out / 4;
}

/* ---- one message ---- */

static struct str node_of(uint64_t place, char out[ARCHIVE_ID_LEN])
{
	archive_id_format(place, out);
	return str_from(out, ARCHIVE_ID_LEN);
}

/* Section 2.4: the message says which one it is, beside when it came. */
static struct stanza *with_node(struct shard *s, const struct stanza *st, uint64_t place)
{
	char node[ARCHIVE_ID_LEN];
	struct str extra = str_printf(&s->loop.turn, "<offline xmlns='" NODE "'><item node='%.*s'/>"
		"</offline>", STR_FMT(node_of(place, node)));

	buf_reset(&s->scratch);
	stanza_write_with(&s->scratch, st, st->from, st->to, NS_NONE, extra);
	return stanza_scan(&s->scratch_table, buf_str(&s->scratch), &s->loop.turn);
}

/* The message as it waits, or NULL when its sender is blocked by now. */
static struct stanza *message_of(struct account *a, const struct ledger_message *m)
{
	struct shard *s = a->shard;
	struct stanza *st = stanza_scan(&s->scratch_table, m->bytes, &s->loop.turn);

	if (st && account_blocks(a, st->from))
		stanza_unref(&st);
	return st;
}

static void send_message(struct session *to, const struct ledger_message *m)
{
	struct account *a = to->account;
	struct stanza *waits = message_of(a, m);
	struct stanza *st = waits ? with_node(a->shard, waits, m->place) : NULL;

	if (st) {
		bool archived = account_keeps(a, st, st->from, false) & KEEP_ARCHIVED;
		st->archive_id = m->id;
		session_send_as(to, st, st->to, SEND_DELAYED | (archived ? SEND_ARCHIVED : 0));
	}
	stanza_unref(&waits);
	stanza_unref(&st);
}

/* ---- how many there are (section 2.2) ---- */

static enum outcome info(struct ctx *c, const struct stanza *iq)
{
	if (!c->session)
		return refuse(c, iq, ERR_FORBIDDEN, STR(""));
	c->session->reads_offline = true;
	uint32_t n = ledger_waiting(c->shard->core->ledger, jid_str(c->account->jid));
	struct writer w = reply_open(c, iq);
	w_open_ns(&w, "query", NS_DISCO_INFO);
	w_attr(&w, "node", STR(NODE));
	w_raw(&w, STR("<identity category='automation' type='message-list'/>"
		"<feature var='" NODE "'/>"));
	w_open_ns(&w, "x", NS_DATA);
	w_attr(&w, "type", STR("result"));
	w_raw(&w, STR("<field var='FORM_TYPE' type='hidden'><value>" NODE "</value></field>"));
	w_open(&w, "field");
	w_attr(&w, "var", STR("number_of_messages"));
	w_leaf(&w, "value", str_printf(&c->shard->loop.turn, "%u", n));
	w_close(&w);
	w_close(&w);
	w_close(&w);
	return reply_send(c, &w, iq);
}

/* ---- from whom they are (section 2.3) ---- */

struct listing {
	struct later *later;
	struct buf items; /* as XML */
};

static void list_from(struct shard *s, struct listing *l, uint64_t after);

static void listing_end(struct listing *l)
{
	later_free(&l->later);
	buf_clear(&l->items);
	free(l);
}

static void answer_listing(struct listing *l)
{
	struct ctx c = later_ctx(l->later);
	struct writer w = reply_open(&c, l->later->iq);

	w_open_ns(&w, "query", NS_DISCO_ITEMS);
	w_attr(&w, "node", STR(NODE));
	w_raw(&w, buf_str(&l->items));
	w_close(&w);
	reply_send(&c, &w, l->later->iq);
}

/* False: the list is full. */
static bool list_message(struct listing *l, struct account *a, const struct ledger_message *m)
{
	struct stanza *st = message_of(a, m);
	struct writer w = w_on(&l->items);
	char node[ARCHIVE_ID_LEN];
	size_t before = l->items.n;

	if (!st)
		return true;
	w_open(&w, "item");
	w_attr(&w, "jid", jid_str(a->jid));
	w_attr(&w, "node", node_of(m->place, node));
	w_attr(&w, "name", jid_is_set(st->from) ? jid_str(st->from) : STR_NULL);
	w_close(&w);
	stanza_unref(&st);
	if (l->items.n <= quarter(a->shard))
		return true;
	l->items.n = before;
	return false;
}

static void page_is_listed(struct ledger_op *op, void *receiver)
{
	struct listing *l = *(struct listing **)op->ctx;
	struct session *s = who_asked(receiver, l->later->iq->from);
	struct ctx c = later_ctx(l->later);
	size_t n = 0;

	while (s && n < op->n_messages && list_message(l, s->account, &op->messages[n]))
		n++;
	if (s && op->status == STORE_OK && n && n == op->n_messages) {
		list_from(receiver, l, op->messages[n - 1].place);
	} else {
		if (op->status != STORE_OK)
			refuse(&c, l->later->iq, ERR_INTERNAL_SERVER_ERROR, STR(""));
		else if (s)
			answer_listing(l);
		listing_end(l);
	}
	ledger_op_free(op);
}

static void list_from(struct shard *s, struct listing *l, uint64_t after)
{
	struct ledger_op *op = shard_ledger_op(s, s, page_is_listed, sizeof l);

	*(struct listing **)op->ctx = l;
	ledger_read_waiting(s->core->ledger, op, jid_bare_str(l->later->iq->from), after, PAGE);
}

static enum outcome items(struct ctx *c, const struct stanza *iq)
{
	if (!c->session)
		return refuse(c, iq, ERR_FORBIDDEN, STR(""));
	c->session->reads_offline = true;
	struct listing *l = xcalloc(1, sizeof *l);
	l->later = later_new(c, iq);
	buf_init(&l->items, quarter(c->shard) + 16 * JID_MAX);
	list_from(c->shard, l, 0);
	return LATER;
}

/* ---- some of them (sections 2.4 and 2.5) ---- */

/* A request that names messages. Each is read first, to see whether it is there. */
struct choice {
	struct later *later;
	bool remove;
	bool failed, missing;
	size_t n, out;
	uint64_t places[ITEMS_MAX];
	struct ledger_op *read[ITEMS_MAX];
};

struct choice_ctx {
	struct choice *choice;
	size_t i;
};

static void choice_end(struct choice *ch)
{
	for (size_t i = 0; i < ch->n; i++)
		ledger_op_free(ch->read[i]);
	if (ch->later)
		later_free(&ch->later);
	free(ch);
}

static void are_removed(struct ledger_op *op, void *receiver)
{
	struct later *l = *(struct later **)op->ctx;
	struct ctx c = later_ctx(l);

	if (op->status == STORE_OK)
		reply_ok(&c, l->iq);
	else
		refuse(&c, l->iq, op->status == STORE_FULL ? ERR_RESOURCE_CONSTRAINT
			: ERR_INTERNAL_SERVER_ERROR, STR(""));
	later_free(&l);
	ledger_op_free(op);
}

static struct ledger_op *removal(struct shard *s, struct later *l)
{
	struct ledger_op *op = shard_ledger_op(s, s, are_removed, sizeof l);

	*(struct later **)op->ctx = l;
	return op;
}

static void remove_chosen(struct shard *s, struct choice *ch)
{
	struct ledger_op *op = removal(s, ch->later);

	ledger_drop(s->core->ledger, op, jid_bare_str(ch->later->iq->from), ch->places, ch->n);
	ch->later = NULL;
}

static void view_chosen(struct shard *s, const struct choice *ch, struct ctx *c)
{
	struct session *to = who_asked(s, ch->later->iq->from);
	size_t bytes = 0;

	for (size_t i = 0; i < ch->n; i++)
		bytes += ch->read[i]->messages[0].bytes.n;
	if (ch->n > 1 && bytes > quarter(s)) {
		refuse(c, ch->later->iq, ERR_RESOURCE_CONSTRAINT, STR("ask for fewer at once"));
		return;
	}
	for (size_t i = 0; to && i < ch->n; i++)
		send_message(to, &ch->read[i]->messages[0]);
	reply_ok(c, ch->later->iq);
}

static void all_are_read(struct shard *s, struct choice *ch)
{
	struct ctx c = later_ctx(ch->later);

	if (ch->failed)
		refuse(&c, ch->later->iq, ERR_INTERNAL_SERVER_ERROR, STR(""));
	else if (ch->missing)
		refuse(&c, ch->later->iq, ERR_ITEM_NOT_FOUND, STR(""));
	else if (ch->remove)
		remove_chosen(s, ch);
	else
		view_chosen(s, ch, &c);
	choice_end(ch);
}

static void one_is_read(struct ledger_op *op, void *receiver)
{
	struct choice_ctx *x = op->ctx;
	struct choice *ch = x->choice;

	ch->read[x->i] = op;
	ch->failed = ch->failed || op->status != STORE_OK;
	ch->missing = ch->missing || !op->n_messages || op->messages[0].place != ch->places[x->i];
	if (!--ch->out)
		all_are_read(receiver, ch);
}

static void read_chosen(struct shard *s, struct choice *ch)
{
	struct str archive = jid_bare_str(ch->later->iq->from);

	ch->out = ch->n;
	for (size_t i = 0; i < ch->n; i++) {
		struct ledger_op *op = shard_ledger_op(s, s, one_is_read,
			sizeof(struct choice_ctx));
		*(struct choice_ctx *)op->ctx = (struct choice_ctx){ ch, i };
		ledger_read_waiting(s->core->ledger, op, archive, ch->places[i] - 1, 1);
	}
}

/* False: *error says why not. */
static bool read_items(const struct stanza *iq, struct str action, struct choice *ch,
	struct arena *turn, enum stanza_error *error)
{
	const struct xml_doc *d = &iq->doc;
	const struct xml_node *item = xml_child(d, stanza_payload(iq), NS_OFFLINE, TAG_ITEM);

	*error = ERR_BAD_REQUEST;
	for (; item; item = xml_next_same(d, item)) {
		if (!str_eq(xml_attr_str(d, item, TAG_ACTION, turn), action))
			return false;
		if (ch->n == ITEMS_MAX) {
			*error = ERR_RESOURCE_CONSTRAINT;
			return false;
		}
		if (!archive_id_parse(xml_attr_str(d, item, TAG_NODE, turn), &ch->places[ch->n])) {
			*error = ERR_ITEM_NOT_FOUND;
			return false;
		}
		ch->n++;
	}
	return ch->n;
}

static enum outcome choose(struct ctx *c, const struct stanza *iq, bool remove)
{
	struct choice *ch = xcalloc(1, sizeof *ch);
	struct str action = remove ? STR("remove") : STR("view");
	enum stanza_error error;

	if (!read_items(iq, action, ch, &c->shard->loop.turn, &error)) {
		free(ch);
		return refuse(c, iq, error, STR(""));
	}
	ch->remove = remove;
	ch->later = later_new(c, iq);
	read_chosen(c->shard, ch);
	return LATER;
}

/* ---- all of them (sections 2.6 and 2.7) ---- */

/* All messages are being sent to a session. Owned by it. */
struct fetch {
	struct session *session;
	struct later *later;
	bool reading;   /* the ledger is asked for some */
	uint64_t after; /* the place of the last one that was sent */
	struct timer again;
};

static void fetch_read(struct fetch *f);

static struct shard *shard_of_fetch(const struct fetch *f)
{
	return f->session->account->shard;
}

static void fetch_free(struct fetch **fp)
{
	struct fetch *f = *fp;

	timer_stop(&shard_of_fetch(f)->loop.wheel, &f->again);
	later_free(&f->later);
	free(f);
	*fp = NULL;
}

static void fetch_end(struct fetch *f, enum store_status status)
{
	struct session *s = f->session;
	struct ctx c = later_ctx(f->later);

	if (status == STORE_OK)
		reply_ok(&c, f->later->iq);
	else
		refuse(&c, f->later->iq, ERR_INTERNAL_SERVER_ERROR, STR(""));
	fetch_free(&s->fetch);
}

static void fetch_page(struct fetch *f, const struct ledger_op *op)
{
	struct shard *s = shard_of_fetch(f);
	size_t n = 0;

	while (n < op->n_messages && session_has_room(f->session, op->messages[n].bytes.n)) {
		send_message(f->session, &op->messages[n]);
		f->after = op->messages[n++].place;
	}
	if (op->status != STORE_OK || !op->n_messages)
		fetch_end(f, op->status);
	else if (n)
		fetch_read(f);
	else if (session_is_connected(f->session))
		timer_set(&s->loop.wheel, &f->again, s->loop.now, AGAIN_MS);
}

/* The session of a fetch: another one may have its address by now. */
struct fetch_ctx {
	struct jid full; /* in the operation */
	uint64_t session;
};

static void fetched(struct ledger_op *op, void *receiver)
{
	struct fetch_ctx *x = op->ctx;
	struct session *s = who_asked(receiver, x->full);

	if (s && s->number == x->session && s->fetch) {
		s->fetch->reading = false;
		fetch_page(s->fetch, op);
	}
	ledger_op_free(op);
}

static void fetch_read(struct fetch *f)
{
	struct shard *s = shard_of_fetch(f);
	struct session *to = f->session;
	struct ledger_op *op = shard_ledger_op(s, s, fetched, sizeof(struct fetch_ctx));

	f->reading = true;
	*(struct fetch_ctx *)op->ctx = (struct fetch_ctx){ jid_dup(&op->mem, to->full),
		to->number };
	ledger_read_waiting(s->core->ledger, op, jid_str(to->account->jid), f->after, PAGE);
}

static void fetch_on(struct timer *t)
{
	fetch_read(container_of(t, struct fetch, again));
}

/* Its client was away, and nothing could be sent. */
static void resumed(struct session *s)
{
	struct fetch *f = s->fetch;

	if (f && !f->reading && !timer_is_set(&f->again))
		fetch_read(f);
}

static void ended(struct session *s)
{
	if (s->fetch)
		fetch_free(&s->fetch);
}

static enum outcome fetch(struct ctx *c, const struct stanza *iq)
{
	struct session *s = c->session;

	if (s->fetch)
		return refuse(c, iq, ERR_CONFLICT, STR("they are being sent"));
	struct fetch *f = s->fetch = xcalloc(1, sizeof *f);
	f->session = s;
	f->later = later_new(c, iq);
	timer_init(&f->again, fetch_on);
	fetch_read(f);
	return LATER;
}

static enum outcome purge(struct ctx *c, const struct stanza *iq)
{
	struct later *l = later_new(c, iq);

	ledger_drop_all(c->shard->core->ledger, removal(c->shard, l),
		jid_bare_str(c->account->jid));
	return LATER;
}

static bool asks_for(const struct stanza *iq, enum xml_tag tag)
{
	return xml_child(&iq->doc, stanza_payload(iq), NS_OFFLINE, tag);
}

static enum outcome on_get(struct ctx *c, const struct stanza *iq)
{
	if (!c->session)
		return refuse(c, iq, ERR_FORBIDDEN, STR(""));
	c->session->reads_offline = true;
	return asks_for(iq, TAG_FETCH) ? fetch(c, iq) : choose(c, iq, false);
}

static enum outcome on_set(struct ctx *c, const struct stanza *iq)
{
	if (!c->session)
		return refuse(c, iq, ERR_FORBIDDEN, STR(""));
	c->session->reads_offline = true;
	return asks_for(iq, TAG_PURGE) ? purge(c, iq) : choose(c, iq, true);
}

const struct module xep0013_offline = {
	.name = "offline-retrieval",
	.spec = "XEP-0013 1.3",
	.features = (const char *const[]){ NODE, NULL },
	.nodes = (const struct disco_node[]){
		{ NODE, AT_ACCOUNT, info, items },
		{ 0 } },
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_OFFLINE, TAG_OFFLINE, AT_OWN | AT_ACCOUNT, on_get },
		{ IQ_SET, NS_OFFLINE, TAG_OFFLINE, AT_OWN | AT_ACCOUNT, on_set },
		{ 0 } },
	.session_resumed = resumed,
	.session_ended = ended,
};
