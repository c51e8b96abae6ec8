/* XEP-0060 Publish-Subscribe, version 1.30.0: items come and go (sections 7 and 8.5)
 *
 * A request may have several items (up to STORE_NODE_ITEMS_MAX), as earlier versions had it: all
 * of them are published, or none. The answer always names them. What an item has to be like
 * follows from the node's event type (section 7.1.3.7) and its type of payload (section 7.1.3.6).
 * Where there is no node, who may make one does so by publishing (section 7.1.4), with the
 * publish-options as its configuration; else they are preconditions (section 7.1.5).
 *
 * Owners take out any item, publishers those that they have published themselves. A node that
 * keeps its newest item in memory alone can lose it so.
 *
 * Left out: publish_node_full is always "retract-oldest" (section 7.1.2.5). Options: those of
 * nodes; account_nodes and service_nodes of the limits. Stores: items of nodes. */
#include "base/bug.h"
#include "core/node_request.h"
#include "xml/extract.h"

#include <stdlib.h>

#define OPTIONS        "http://jabber.org/protocol/pubsub#publish-options"
#define ID_MAX         1024              /* bytes of an item's id */
#define OWN_BYTES_MAX  (4 * 1024 * 1024) /* of items that are looked at to see whose they are */

/* ---- items of a request ---- */

/* ERR_COUNT: all is well. */
static struct stanza_refusal accepted(void)
{
	return (struct stanza_refusal){ .error = ERR_COUNT };
}

/* Section 7.1.3.7: what the event type wants of an item, or of there being none. */
static struct stanza_refusal check_presence(const struct node_config *c, bool item, bool payload)
{
	if (!item && c->persist_items)
		return pubsub_refuse(PS_ITEM_REQUIRED);
	if (item && !c->persist_items && !c->deliver_payloads)
		return pubsub_refuse(PS_ITEM_FORBIDDEN);
	if (!payload && c->deliver_payloads)
		return pubsub_refuse(PS_PAYLOAD_REQUIRED);
	return accepted();
}

/* Section 7.1.3.6. */
static bool fits_type(const struct node_config *c, const struct xml_doc *d,
	const struct xml_node *payload, struct arena *a)
{
	return !c->type || !*c->type || str_eq(xml_ns_uri(d, payload, a), str_c(c->type));
}

static struct str standing_alone(const struct xml_doc *d, const struct xml_node *el,
	struct arena *a)
{
	struct buf b;

	buf_init(&b, STORE_NODE_ITEM_MAX);
	xml_extract_alone(&b, d, el);
	struct str text = buf_ok(&b) ? str_dup(a, buf_str(&b)) : STR_NULL;
	buf_clear(&b);
	return text;
}

static struct stanza_refusal read_item(const struct node_config *c, const struct xml_doc *d,
	const struct xml_node *el, struct arena *a, struct node_item *out)
{
	const struct xml_node *payload = xml_first(d, el);
	struct stanza_refusal why = check_presence(c, true, payload);

	*out = (struct node_item){ .id = xml_attr_str(d, el, TAG_ID, a) };
	if (out->id.n > ID_MAX)
		return (struct stanza_refusal){ .error = ERR_NOT_ACCEPTABLE,
			.text = STR("the id of an item is too long") };
	if (why.error != ERR_COUNT || !payload)
		return why;
	if (xml_next(d, payload) || !fits_type(c, d, payload, a))
		return pubsub_refuse(PS_INVALID_PAYLOAD);
	out->payload = standing_alone(d, payload, a);
	return out->payload.p ? accepted() : pubsub_refuse(PS_PAYLOAD_TOO_BIG);
}

struct items {
	struct node_item *p;
	size_t n;
};

/* In the arena. */
static struct stanza_refusal read_items(const struct node_config *c, const struct xml_doc *d,
	const struct xml_node *publish, struct arena *a, struct items *out)
{
	unsigned n = xml_count(d, publish);
	struct stanza_refusal why = accepted();

	*out = (struct items){ 0 };
	if (n > STORE_NODE_ITEMS_MAX)
		return pubsub_refuse(PS_MAX_ITEMS_EXCEEDED);
	out->p = arena_alloc(a, n * sizeof *out->p);
	const struct xml_node *el = xml_child(d, publish, NS_PUBSUB, TAG_ITEM);
	if (!el)
		return check_presence(c, false, false);
	for (; el && why.error == ERR_COUNT; el = xml_next_same(d, el))
		why = read_item(c, d, el, a, &out->p[out->n++]);
	return why;
}

/* ---- publish-options (section 7.1.5) ---- */

/* Their form, or NULL where there are none. */
static struct stanza_refusal read_options(const struct stanza *iq, struct arena *a,
	const struct xml_node **form)
{
	const struct xml_node *options = node_child(iq, TAG_PUBLISH_OPTIONS);

	*form = NULL;
	if (!options || node_read_form(iq, options, STR(OPTIONS), a, form) == NODE_FORM_SUBMITTED)
		return accepted();
	return (struct stanza_refusal){ .error = ERR_BAD_REQUEST,
		.text = STR("publish-options are a submitted form with FORM_TYPE " OPTIONS) };
}

static struct stanza_refusal check_options(const struct node_request *q,
	const struct node_config *c, const struct xml_node *form)
{
	uint32_t bound = node_items_bound(q->shard->settings, q->kind);

	if (form && !node_config_meets(c, &q->iq->doc, form, bound, &q->shard->loop.turn))
		return pubsub_refuse(PS_PRECONDITION_NOT_MET);
	return accepted();
}

/* What a new node is to be like. A field that is not known is no precondition that could be met. */
static struct stanza_refusal read_config(const struct node_request *q, const struct xml_node *form,
	struct node_config *out)
{
	struct stanza_refusal why = accepted();
	uint32_t bound = node_items_bound(q->shard->settings, q->kind);

	if (form && !node_config_read(out, q->kind, &q->iq->doc, form, bound,
		&q->shard->loop.turn, &why))
		return why;
	return check_options(q, out, form);
}

/* ---- publishing (section 7.1) ---- */

static void write_published(struct writer *w, const struct node *n, const struct node_item *items,
	size_t n_items)
{
	w_open_ns(w, "pubsub", NS_PUBSUB);
	w_open(w, "publish");
	w_attr(w, "node", n->name);
	for (size_t i = 0; i < n_items; i++) {
		w_open(w, "item");
		w_attr(w, "id", items[i].id);
		w_close(w);
	}
	w_close(w);
	w_close(w);
}

static void published(struct shard *s, struct node *n, const struct node_item *items,
	size_t n_items, enum store_status status, void *ctx)
{
	struct later *later = ctx;

	if (status != STORE_OK) {
		later_settle(&later, status);
		return;
	}
	struct ctx c = later_ctx(later);
	struct writer w = reply_open(&c, later->iq);
	write_published(&w, n, items, n_items);
	reply_send(&c, &w, later->iq);
	later_free(&later);
}

/* Where that is refused, a new node is gone again. */
static void publish(struct node_request *q, struct node *n, const struct items *items)
{
	struct node_publication p = { .node = n, .by = q->who, .items = items->p, .n = items->n };
	struct later *later = node_later(q);
	bool is_new = n->unwritten;
	struct stanza_refusal why;

	if (node_publish(&p, published, later, &why))
		return;
	later_refuse(&later, &why);
	if (is_new)
		node_end(n);
}

static void publish_into(struct node_request *q, const struct xml_node *el,
	const struct xml_node *form)
{
	struct node *n = q->node;
	struct items items;

	if (!node_permit(q, NODE_PUBLISH))
		return;
	struct stanza_refusal why = check_options(q, &n->config, form);
	if (why.error == ERR_COUNT)
		why = read_items(&n->config, &q->iq->doc, el, &q->shard->loop.turn, &items);
	if (why.error == ERR_COUNT)
		publish(q, n, &items);
	else
		node_refuse(q, &why);
}

/* Section 7.1.4. For who may make no nodes, there is none (section 7.1.3.3). */
static void publish_anew(struct node_request *q, const struct xml_node *el,
	const struct xml_node *form)
{
	struct node_config config;
	struct items items;
	struct stanza_refusal why = node_not_found();

	if (node_may_create(q->shard, q->kind, q->owner, q->who).error != ERR_COUNT) {
		node_refuse_unknown(q, &why);
		return;
	}
	node_config_default(&config, q->kind);
	why = read_config(q, form, &config);
	if (why.error == ERR_COUNT)
		why = read_items(&config, &q->iq->doc, el, &q->shard->loop.turn, &items);
	if (why.error == ERR_COUNT)
		publish(q, node_new(q->shard, q->kind, q->owner, q->name, q->who, &config), &items);
	else
		node_refuse(q, &why);
	node_config_clear(&config);
}

static void on_publish(struct node_request *q)
{
	const struct xml_node *form, *el = node_child(q->iq, TAG_PUBLISH);
	struct stanza_refusal why = read_options(q->iq, &q->shard->loop.turn, &form);

	if (why.error != ERR_COUNT)
		node_refuse(q, &why);
	else if (q->node)
		publish_into(q, el, form);
	else
		publish_anew(q, el, form);
}

/* ---- taking items out (section 7.2) ---- */

/* What is to be taken out, while it is looked up whose items these are. */
struct retraction {
	struct later *later;
	bool notify;
	struct arena mem;
	struct str *ids;           /* in it, or in the request */
	size_t n;
};

static void retraction_free(struct retraction *r)
{
	arena_clear(&r->mem);
	free(r);
}

static bool is_true(struct str s)
{
	return str_eq(s, STR("1")) || str_eq(s, STR("true"));
}

/* NULL: they are not named as they should be (sections 7.2.1 and 7.2.3.4), or too many. */
static struct retraction *read_retraction(const struct stanza *iq, struct stanza_refusal *why)
{
	const struct xml_node *retract = node_child(iq, TAG_RETRACT);
	unsigned n = xml_count(&iq->doc, retract);
	struct retraction *r = xcalloc(1, sizeof *r);

	arena_init(&r->mem, 512);
	*why = pubsub_refuse(n > STORE_NODE_ITEMS_MAX ? PS_MAX_ITEMS_EXCEEDED : PS_ITEM_REQUIRED);
	r->notify = is_true(xml_attr_str(&iq->doc, retract, TAG_NOTIFY, &r->mem));
	r->ids = arena_alloc(&r->mem, n * sizeof *r->ids);
	const struct xml_node *el = n > STORE_NODE_ITEMS_MAX ? NULL
		: xml_child(&iq->doc, retract, NS_PUBSUB, TAG_ITEM);
	for (; el; el = xml_next_same(&iq->doc, el)) {
		r->ids[r->n] = xml_attr_str(&iq->doc, el, TAG_ID, &r->mem);
		if (!r->ids[r->n].n)
			break;
		r->n++;
	}
	if (!el && r->n)
		return r;
	retraction_free(r);
	return NULL;
}

static void take_out(struct node *n, struct retraction *r)
{
	node_retract(n, r->ids, r->n, r->notify, node_settle, r->later);
	retraction_free(r);
}

/* Section 4.1: who has published an item may take it out as long as he may publish. ERR_COUNT:
 * all of them are his. */
static struct stanza_refusal check_publisher(const struct store_op *found, struct jid who)
{
	if (found->status != STORE_OK)
		return node_store_refusal(found->status);
	if (found->more)
		return (struct stanza_refusal){ .error = ERR_RESOURCE_CONSTRAINT,
			.text = STR("that is too much at a time") };
	for (size_t i = 0; i < found->n_items; i++)
		if (!str_eq(found->items[i].publisher, jid_bare_str(who)))
			return (struct stanza_refusal){ .error = ERR_FORBIDDEN };
	return found->n_items ? accepted() : node_not_found();
}

static void publishers_known(struct shard *s, struct node *n, const struct store_op *found,
	void *ctx)
{
	struct retraction *r = ctx;
	struct stanza_refusal why = check_publisher(found, r->later->iq->from);

	if (why.error == ERR_COUNT) {
		take_out(n, r);
		return;
	}
	later_refuse(&r->later, &why);
	retraction_free(r);
}

static void on_retract(struct node_request *q)
{
	struct stanza_refusal why;
	bool any = q->node && node_allows(q->node, q->who, NODE_RETRACT);

	if (!any && !node_permit(q, NODE_PUBLISH))
		return;
	if (!q->node->config.persist_items && !q->node->config.deliver_payloads) {
		why = pubsub_unsupported("persistent-items", &q->shard->loop.turn);
		node_refuse(q, &why);
		return;
	}
	if (node_is_behind(q->node)) {
		why = node_pressed();
		node_refuse(q, &why);
		return;
	}
	struct retraction *r = read_retraction(q->iq, &why);
	if (!r) {
		node_refuse(q, &why);
		return;
	}
	r->later = node_later(q);
	if (any)
		take_out(q->node, r);
	else
		node_items(q->node, &(struct store_items_query){ .ids = r->ids, .n_ids = r->n,
			.max = STORE_NODE_ITEMS_MAX, .max_bytes = OWN_BYTES_MAX },
			publishers_known, r);
}

/* ---- purging (section 8.5) ---- */

static void on_purge(struct node_request *q)
{
	if (!node_permit(q, NODE_MANAGE))
		return;
	if (!q->node->config.persist_items) {
		struct stanza_refusal why =
			pubsub_unsupported("persistent-items", &q->shard->loop.turn);
		node_refuse(q, &why);
		return;
	}
	if (node_has_time(q))
		node_purge(q->node, node_settle, node_later(q));
}

const struct module xep0060_publish = {
	.name = "nodes-publish",
	.spec = "XEP-0060 1.30.0",
	.requests = (const struct node_rule[]){
		{ IQ_SET, NS_PUBSUB, TAG_PUBLISH, on_publish },
		{ IQ_SET, NS_PUBSUB, TAG_RETRACT, on_retract },
		{ IQ_SET, NS_PUBSUB_OWNER, TAG_PURGE, on_purge },
		{ 0 } },
};
