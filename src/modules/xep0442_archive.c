/* XEP-0442 Pubsub Message Archive Management, version 0.2.0
 *
 * The items that a node keeps, asked for as messages of an archive (XEP-0313) by the name of the node:
 * who may read the items may read it. The id of a message is the number that its item got when it was
 * published; an item that was published again has a new one, and what was retracted is not there any
 * more. A node that keeps items in memory alone has no archive.
 *
 * Of the form's fields there are start, end, before-id and after-id. An id whose item is gone is no
 * error: the page goes on from its place. Left out: with, ids, the preferences. Options: none.
 * Stores: nothing of its own. */
#include "core/node_request.h"

#include "base/bug.h"
#include "core/route.h"
#include "xmpp/datetime.h"
#include "xmpp/form.h"
#include "xmpp/rsm.h"

#include <stdlib.h>

#define PAGE     50  /* messages of a page, when nothing is said */
#define PAGE_MAX 250 /* and at most */

/* ---- a query ---- */

/* What is asked for, while the store looks. */
struct query {
	struct later *later;
	bool flip;
	struct str queryid;        /* behind the struct; p NULL: none */
};

static bool fail(struct stanza_refusal *why, enum stanza_error e, const char *text)
{
	*why = (struct stanza_refusal){ .error = e, .text = str_c(text) };
	return false;
}

static bool read_id(struct str text, uint64_t *out, struct stanza_refusal *why)
{
	return archive_id_parse(text, out) ||
	       fail(why, ERR_ITEM_NOT_FOUND, "no message has this id");
}

static bool read_time(struct str text, uint64_t *out, struct stanza_refusal *why)
{
	return datetime_parse(text, out) || fail(why, ERR_BAD_REQUEST, "that is no time (XEP-0082)");
}

static bool read_field(struct store_items_query *q, struct str var, struct str value,
	struct stanza_refusal *why)
{
	if (str_eq(var, STR("FORM_TYPE")))
		return true;
	if (str_eq(var, STR("start")))
		return read_time(value, &q->from_us, why);
	if (str_eq(var, STR("end")))
		return read_time(value, &q->to_us, why);
	if (str_eq(var, STR("after-id")))
		return read_id(value, &q->after, why);
	if (str_eq(var, STR("before-id")))
		return read_id(value, &q->before, why);
	return fail(why, ERR_FEATURE_NOT_IMPLEMENTED, "there is no such field");
}

static bool read_form(struct store_items_query *q, const struct xml_doc *d,
	const struct xml_node *query, struct arena *a, struct stanza_refusal *why)
{
	const struct xml_node *form = form_find(d, query, STR("urn:xmpp:mam:2"), a);
	const struct xml_node *f = form ? form_first(d, form) : NULL;

	if (!form && xml_child(d, query, NS_DATA, TAG_X))
		return fail(why, ERR_BAD_REQUEST, "the form is not for an archive");
	for (; f; f = form_next(d, f))
		if (!read_field(q, form_var(d, f, a), form_value(d, f, a), why))
			return false;
	return true;
}

/* XEP-0313 section 4.3. */
static bool read_page(struct store_items_query *q, const struct xml_doc *d,
	const struct xml_node *query, struct arena *a, struct stanza_refusal *why)
{
	struct rsm rsm;

	if (!rsm_read(d, query, a, &rsm))
		return fail(why, ERR_BAD_REQUEST, "the page cannot be understood");
	q->max = !rsm.has_max ? PAGE : rsm.max < PAGE_MAX ? rsm.max : PAGE_MAX;
	q->newest = rsm.has_before;
	if (rsm.has_after && !read_id(rsm.after, &q->after, why))
		return false;
	return !rsm.before.n || read_id(rsm.before, &q->before, why);
}

/* ---- its answer ---- */

/* As the subscribers were told (section 3). */
static void write_message(struct writer *w, const struct node *n, const struct store_node_item *item)
{
	w_open_ns(w, "message", NS_CLIENT);
	w_attr(w, "from", jid_str(n->owner));
	w_open_ns(w, "event", NS_PUBSUB_EVENT);
	w_open(w, "items");
	w_attr(w, "node", n->name);
	w_open(w, "item");
	w_attr(w, "id", item->id);
	if (n->config.reply == REPLY_PUBLISHER)
		w_attr(w, "publisher", item->publisher);
	w_raw(w, item->payload);
	w_close(w);
	w_close(w);
	w_close(w);
	w_close(w);
}

static void send_message(struct node *n, const struct query *q, const struct store_node_item *item)
{
	struct shard *s = n->shard;
	char id[ARCHIVE_ID_LEN];
	struct writer w;

	archive_id_format(item->number, id);
	buf_reset(&s->scratch);
	w = w_on(&s->scratch);
	stanza_open(&w, STANZA_MESSAGE, NULL, n->owner, q->later->iq->from, STR_NULL);
	w_open_ns(&w, "result", NS_MAM);
	w_attr(&w, "queryid", q->queryid);
	w_attr(&w, "id", str_from(id, sizeof id));
	w_open_ns(&w, "forwarded", NS_FORWARD);
	w_open_ns(&w, "delay", NS_DELAY);
	w_attr(&w, "stamp", datetime_format(&s->loop.turn, item->stamp_us));
	w_close(&w);
	write_message(&w, n, item);
	w_close(&w);
	w_close(&w);
	w_close(&w);
	if (w_done(&w))
		route_text(s, buf_str(&s->scratch));
}

static void send_fin(const struct query *q, const struct store_op *found)
{
	struct ctx c = later_ctx(q->later);
	struct writer w = reply_open(&c, q->later->iq);
	char first[ARCHIVE_ID_LEN], last[ARCHIVE_ID_LEN];
	size_t n = found->n_items;

	if (n) {
		archive_id_format(found->items[0].number, first);
		archive_id_format(found->items[n - 1].number, last);
	}
	w_open_ns(&w, "fin", NS_MAM);
	if (!found->more)
		w_attr(&w, "complete", STR("true"));
	rsm_write(&w, n ? str_from(first, sizeof first) : STR_NULL,
		n ? str_from(last, sizeof last) : STR_NULL, -1, -1);
	w_close(&w);
	reply_send(&c, &w, q->later->iq);
}

static void found(struct shard *s, struct node *n, const struct store_op *op, void *ctx)
{
	struct query *q = ctx;

	if (op->status != STORE_OK) {
		struct stanza_refusal why = node_store_refusal(op->status);
		later_refuse(&q->later, &why);
		free(q);
		return;
	}
	for (size_t i = 0; i < op->n_items; i++)
		send_message(n, q, &op->items[q->flip ? op->n_items - 1 - i : i]);
	send_fin(q, op);
	later_free(&q->later);
	free(q);
}

/* What a connection takes at once, whoever asks. */
static size_t page_bytes(const struct settings *set)
{
	return (set->max_out < set->unacked_max ? set->max_out : set->unacked_max) / 4;
}

/* Who may not read learns the same as of the items. False: the request is answered. */
static bool may_read(struct node_request *r)
{
	if (!node_permit(r, NODE_READ))
		return false;
	if (!r->node->config.persist_items)
		node_refuse_text(r, ERR_FEATURE_NOT_IMPLEMENTED, STR("the node keeps no items"));
	return r->node->config.persist_items;
}

static struct query *query_new(struct node_request *r, const struct xml_doc *d,
	const struct xml_node *query)
{
	struct str id = xml_attr_str(d, query, TAG_QUERYID, &r->shard->loop.turn);
	struct query *q = xcalloc(1, sizeof *q + id.n);

	if (id.p)
		q->queryid = str_from(memcpy(q + 1, id.p, id.n), id.n);
	q->flip = xml_child(d, query, NS_MAM, TAG_FLIP_PAGE);
	q->later = node_later(r);
	return q;
}

static void run_query(struct node_request *r)
{
	struct arena *turn = &r->shard->loop.turn;
	const struct xml_doc *d = &r->iq->doc;
	const struct xml_node *query = stanza_payload(r->iq);
	struct store_items_query items = { .max_bytes = page_bytes(r->shard->settings) };
	struct stanza_refusal why;

	if (!may_read(r))
		return;
	if (!read_form(&items, d, query, turn, &why) || !read_page(&items, d, query, turn, &why)) {
		node_refuse(r, &why);
		return;
	}
	node_items(r->node, &items, found, query_new(r, d, query));
}

static void run_form(struct node_request *r)
{
	static const char *const fields[] = { "start", "end", "before-id", "after-id" };

	if (!may_read(r))
		return;
	struct writer w = node_reply(r);
	w_open_ns(&w, "query", NS_MAM);
	w_attr(&w, "node", r->name);
	w_open_ns(&w, "x", NS_DATA);
	w_attr(&w, "type", STR("form"));
	form_write_field(&w, "FORM_TYPE", "hidden", NULL, STR("urn:xmpp:mam:2"));
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		w_open(&w, "field");
		w_attr(&w, "type", STR("text-single"));
		w_attr(&w, "var", str_c(fields[i]));
		w_close(&w);
	}
	w_close(&w);
	w_close(&w);
	node_send(r, &w);
}

/* An archive is asked for by the name of a node: not the account's own (XEP-0313 section 6.1.3). */
static bool take(struct ctx *c, const struct stanza *iq, unsigned at)
{
	const struct xml_node *query = stanza_payload(iq);

	if (!(at & (AT_ACCOUNT | AT_NODES)) || !xml_is(query, NS_MAM, TAG_QUERY))
		return false;
	struct str node = xml_attr_str(&iq->doc, query, TAG_NODE, &c->shard->loop.turn);
	if (!node.n)
		return false;
	if (node.n > STORE_NODE_NAME_MAX)
		node_refuse_name(c, iq);
	else
		node_request(c, iq, node, iq->type == IQ_SET ? run_query : run_form);
	return true;
}

const struct module xep0442_archive = {
	.name = "pubsub-archive",
	.spec = "XEP-0442 0.2.0",
	.nodes_features = (const char *const[]){ "urn:xmpp:mam:2", NULL },
	.iq_taken = take,
};
