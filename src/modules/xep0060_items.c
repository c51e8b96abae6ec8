/* XEP-0060 Publish-Subscribe, version 1.30.0: retrieving items (section 6.5), with XEP-0059 1.0
 *
 * Items come in the order of their publication, the newest last: those of certain ids, the newest
 * max_items, or a page (core/node_page.h). An answer is bounded in items and bytes; where there
 * are more it says so by <set/>, whose <last/> goes on from there. The newest alone is
 * `max_items='1'`, or a page of one with an empty <before/>. Nodes that keep no items give their
 * newest one, which is in memory.
 *
 * Left out: payment. Options: those of nodes. Stores: nothing. */
#include "base/bug.h"
#include "core/node_page.h"
#include "core/node_request.h"

#include <stdlib.h>

/* ---- a request ---- */

/* From the request to the answer. */
struct retrieval {
	struct later *later;
	struct arena mem;
	struct node_page page;
};

static void retrieval_free(struct retrieval *r)
{
	arena_clear(&r->mem);
	free(r);
}

static struct stanza_refusal bad_request(struct str text)
{
	return (struct stanza_refusal){ .error = ERR_BAD_REQUEST, .text = text };
}

static bool read_page(struct retrieval *r, const struct stanza *iq, struct stanza_refusal *why)
{
	*why = bad_request(STR("the page cannot be understood"));
	return node_page_read(iq, stanza_payload(iq), &r->mem, &r->page);
}

/* Section 6.5.7. A page that is asked for has no more items than that. */
static bool read_max_items(struct retrieval *r, const struct stanza *iq, const struct xml_node *el,
	struct stanza_refusal *why)
{
	struct str text = xml_attr_str(&iq->doc, el, TAG_MAX_ITEMS, &r->mem);
	uint64_t max;

	*why = bad_request(STR("max_items is a number from 1"));
	if (!text.p)
		return true;
	if (!str_to_u64(text, UINT32_MAX, &max) || !max)
		return false;
	if (max < r->page.query.max)
		r->page.query.max = (unsigned)max;
	r->page.query.newest = r->page.query.newest || !r->page.asked;
	return true;
}

/* Section 6.5.8. */
static bool read_ids(struct retrieval *r, const struct stanza *iq, const struct xml_node *el,
	struct stanza_refusal *why)
{
	unsigned n = xml_count(&iq->doc, el);
	const struct xml_node *item = xml_child(&iq->doc, el, NS_PUBSUB, TAG_ITEM);

	*why = pubsub_refuse(PS_MAX_ITEMS_EXCEEDED);
	if (n > STORE_NODE_ITEMS_MAX)
		return false;
	struct str *ids = arena_alloc(&r->mem, n * sizeof *ids);
	r->page.query.ids = ids;
	for (; item; item = xml_next_same(&iq->doc, item)) {
		struct str id = xml_attr_str(&iq->doc, item, TAG_ID, &r->mem);
		*why = pubsub_refuse(PS_ITEM_REQUIRED);
		if (!id.n)
			return false;
		ids[r->page.query.n_ids++] = id;
	}
	return true;
}

/* NULL: it cannot be. Slices are in the request, which its struct later keeps. */
static struct retrieval *read_request(const struct stanza *iq, struct stanza_refusal *why)
{
	const struct xml_node *el = node_child(iq, TAG_ITEMS);
	struct retrieval *r = xcalloc(1, sizeof *r);

	arena_init(&r->mem, 512);
	if (read_page(r, iq, why) && read_max_items(r, iq, el, why) && read_ids(r, iq, el, why))
		return r;
	retrieval_free(r);
	return NULL;
}

/* ---- its answer ---- */

static void write_item(struct writer *w, const struct node *n, const struct store_node_item *item)
{
	w_open(w, "item");
	w_attr(w, "id", item->id);
	if (n->config.reply == REPLY_PUBLISHER && item->publisher.n) /* section 12.17 */
		w_attr(w, "publisher", item->publisher);
	w_raw(w, item->payload);
	w_close(w);
}

static void answer(const struct retrieval *r, const struct node *n, const struct store_op *found)
{
	struct ctx c = later_ctx(r->later);
	struct writer w = reply_open(&c, r->later->iq);

	w_open_ns(&w, "pubsub", NS_PUBSUB);
	w_open(&w, "items");
	w_attr(&w, "node", n->name);
	for (size_t i = 0; i < found->n_items; i++)
		write_item(&w, n, &found->items[i]);
	w_close(&w);
	node_page_write(&w, &r->page, found);
	w_close(&w);
	reply_send(&c, &w, r->later->iq);
}

static void items_found(struct shard *s, struct node *n, const struct store_op *found, void *ctx)
{
	struct retrieval *r = ctx;

	if (found->status == STORE_OK) {
		answer(r, n, found);
		later_free(&r->later);
	} else {
		later_settle(&r->later, found->status);
	}
	retrieval_free(r);
}

/* ---- who may ask ---- */

/* Of the subscriptions of one JID (sections 6.5.9.1 and 6.5.9.2). */
static bool needs_subid(const struct node *n, struct jid who, struct str subid)
{
	const struct node_subscription *first = node_subscription_first(n, who);

	return first && first->more && !subid.n;
}

static bool has_subid(const struct node *n, struct jid who, struct str subid)
{
	return node_subscription_first(n, who) && node_subscription(n, who, subid);
}

/* A subscription is that of the bare JID or of the full one. Who has none need not bother about
 * what it is called. */
static bool names_subscription(struct node_request *q)
{
	const struct node *n = q->node;
	struct str subid = xml_attr_str(&q->iq->doc, node_child(q->iq, TAG_ITEMS), TAG_SUBID,
		&q->shard->loop.turn);
	struct jid bare = jid_bare(q->who);

	if (needs_subid(n, bare, subid) || needs_subid(n, q->who, subid)) {
		node_refuse_as(q, PS_SUBID_REQUIRED);
		return false;
	}
	bool subscribed = node_subscription_first(n, bare) || node_subscription_first(n, q->who);
	if (subid.n && subscribed && !has_subid(n, bare, subid) && !has_subid(n, q->who, subid)) {
		node_refuse_as(q, PS_INVALID_SUBID);
		return false;
	}
	return true;
}

static void on_items(struct node_request *q)
{
	struct stanza_refusal why;

	if (!node_permit(q, NODE_READ) || !names_subscription(q))
		return;
	if (!q->node->config.persist_items && !q->node->config.deliver_payloads) {
		why = pubsub_unsupported("persistent-items", &q->shard->loop.turn);
		node_refuse(q, &why);
		return;
	}
	struct retrieval *r = read_request(q->iq, &why);
	if (!r) {
		node_refuse(q, &why);
		return;
	}
	r->later = node_later(q);
	node_page_find(q->node, &r->page, items_found, r);
}

const struct module xep0060_items = {
	.name = "nodes-items",
	.spec = "XEP-0060 1.30.0",
	.requests = (const struct node_rule[]){
		{ IQ_GET, NS_PUBSUB, TAG_ITEMS, on_items },
		{ 0 } },
};
