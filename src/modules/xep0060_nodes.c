/* XEP-0060 Publish-Subscribe, version 1.30.0: creating, configuring and deleting nodes (sections
 * 8.1 to 8.4)
 *
 * A node is made with the configuration that is asked for, or as it is by default, under the name
 * that is asked for or one that nobody can guess. What it is like then, its owners say.
 * Configuration is in force at once, for who publishes or subscribes before it is answered too;
 * items that are more than it allows go with it.
 *
 * Left out: collections (XEP-0248); what has been deleted is not remembered, so that only
 * subscribers are told where it has moved (section 6.1.3.11). Options: node_makers of a service
 * of nodes; account_nodes and service_nodes of the limits. Stores: nodes. */
#include "base/digest.h"
#include "core/node_request.h"

#define CONFIG       "http://jabber.org/protocol/pubsub#node_config"
#define NAME_BYTES   20   /* random ones, of a name that is made */
#define REDIRECT_MAX 4096

/* ---- forms ---- */

static void refuse_form(struct node_request *q)
{
	node_refuse_text(q, ERR_BAD_REQUEST,
		STR("the configuration is a submitted form with FORM_TYPE " CONFIG));
}

/* Into a configuration as it has been so far. False: it cannot be, and that is answered. */
static bool read_config(struct node_request *q, const struct xml_node *form,
	struct node_config *config)
{
	struct stanza_refusal why;

	if (node_config_read(config, q->kind, &q->iq->doc, form,
		node_items_bound(q->shard->settings, q->kind), &q->shard->loop.turn, &why))
		return true;
	node_refuse(q, &why);
	return false;
}

static void write_form(struct writer *w, const struct node_config *config, enum node_kind kind)
{
	w_open_ns(w, "x", NS_DATA);
	w_attr(w, "type", STR("form"));
	node_config_write(config, kind, w, NODE_CONFIG_FOR_OWNER);
	w_close(w);
}

/* ---- creating (section 8.1) ---- */

static bool is_named(const struct stanza *iq, struct arena *a)
{
	return xml_attr_str(&iq->doc, node_child(iq, TAG_CREATE), TAG_NODE, a).n;
}

/* Who has not said what it is to be called is told. */
static void created(struct shard *s, struct node *n, enum store_status status, void *ctx)
{
	struct later *later = ctx;
	struct stanza_refusal full = pubsub_refuse(PS_MAX_NODES_EXCEEDED);

	if (status == STORE_FULL) {
		later_refuse(&later, &full);
		return;
	}
	if (status != STORE_OK || is_named(later->iq, &s->loop.turn)) {
		later_settle(&later, status);
		return;
	}
	struct ctx c = later_ctx(later);
	struct writer w = reply_open(&c, later->iq);
	w_open_ns(&w, "pubsub", NS_PUBSUB);
	w_open(&w, "create");
	w_attr(&w, "node", n->name);
	w_close(&w);
	w_close(&w);
	reply_send(&c, &w, later->iq);
	later_free(&later);
}

/* Section 8.1.3: <configure/> stands behind <create/>, and names no node. */
static bool read_configure(struct node_request *q, struct node_config *config)
{
	const struct xml_node *form, *configure = node_child(q->iq, TAG_CONFIGURE);

	if (!configure)
		return true;
	if (configure < node_child(q->iq, TAG_CREATE) ||
		xml_attr(&q->iq->doc, configure, TAG_NODE)) {
		node_refuse_text(q, ERR_BAD_REQUEST,
			STR("<configure/> stands behind <create/>, which names the node"));
		return false;
	}
	switch (node_read_form(q->iq, configure, STR(CONFIG), &q->shard->loop.turn, &form)) {
	case NODE_FORM_NONE:
		return true;
	case NODE_FORM_SUBMITTED:
		return read_config(q, form, config);
	default:
		refuse_form(q);
		return false;
	}
}

static void on_create(struct node_request *q)
{
	struct stanza_refusal why = node_may_create(q->shard, q->kind, q->owner, q->who);
	struct node_config config;

	if (why.error != ERR_COUNT) {
		node_refuse_unknown(q, &why);
		return;
	}
	if (q->node) {
		node_refuse_text(q, ERR_CONFLICT, STR("there is a node of that name"));
		return;
	}
	node_config_default(&config, q->kind);
	if (read_configure(q, &config)) {
		struct node *n = node_new(q->shard, q->kind, q->owner, q->name, q->who, &config);
		node_commit(n, &(struct node_change){ .config = true }, created, node_later(q));
	}
	node_config_clear(&config);
}

/* An instant node. */
static enum outcome on_create_unnamed(struct ctx *c, const struct stanza *iq)
{
	uint8_t bytes[NAME_BYTES];
	char name[2 * NAME_BYTES];

	random_bytes(bytes, sizeof bytes);
	digest_hex(bytes, sizeof bytes, name);
	return node_request(c, iq, str_from(name, sizeof name), on_create);
}

/* ---- configuring (section 8.2) ---- */

static void on_get_configuration(struct node_request *q)
{
	if (!node_permit(q, NODE_MANAGE))
		return;
	struct writer w = node_reply(q);
	w_open_ns(&w, "pubsub", NS_PUBSUB_OWNER);
	w_open(&w, "configure");
	w_attr(&w, "node", q->name);
	write_form(&w, &q->node->config, q->kind);
	w_close(&w);
	w_close(&w);
	node_send(q, &w);
}

/* What is kept of fewer items, or of items that are not to be kept at all, goes. */
static bool keeps_less(const struct node_config *is, const struct node_config *was)
{
	return is->max_items < was->max_items || is->persist_items < was->persist_items;
}

static void configure(struct node_request *q, const struct xml_node *form)
{
	struct node_config config;

	if (!node_has_time(q))
		return;
	node_config_copy(&config, &q->node->config);
	if (read_config(q, form, &config)) {
		struct node_change change = { .config = true,
			.trim = keeps_less(&config, &q->node->config) };
		node_configure(q->node, &config);
		node_commit(q->node, &change, node_settle, node_later(q));
	}
	node_config_clear(&config);
}

static void on_configure(struct node_request *q)
{
	const struct xml_node *form, *el = node_child(q->iq, TAG_CONFIGURE);

	if (!node_permit(q, NODE_MANAGE))
		return;
	switch (node_read_form(q->iq, el, STR(CONFIG), &q->shard->loop.turn, &form)) {
	case NODE_FORM_CANCELLED:
		node_ok(q);
		break;
	case NODE_FORM_SUBMITTED:
		configure(q, form);
		break;
	default:
		refuse_form(q);
	}
}

/* ---- what they are like by default (section 8.3) ---- */

/* That of an account is for who may know of it. */
static bool may_know(const struct ctx *c, const struct stanza *iq)
{
	return !c->account || account_may_see(c->account, iq->from);
}

static enum outcome on_default(struct ctx *c, const struct stanza *iq)
{
	struct arena *turn = &c->shard->loop.turn;
	struct str type = xml_attr_str(&iq->doc, node_child(iq, TAG_DEFAULT), TAG_TYPE, turn);
	enum node_kind kind = c->account ? NODE_OF_ACCOUNT : NODE_OF_SERVICE;
	struct node_config config;

	if (!may_know(c, iq))
		return refuse(c, iq, ERR_SERVICE_UNAVAILABLE, STR(""));
	if (type.n && !str_eq(type, STR("leaf"))) {
		struct stanza_refusal why = pubsub_unsupported("collections", turn);
		return node_refuse_request(c, iq, &why);
	}
	node_config_default(&config, kind);
	struct writer w = reply_open(c, iq);
	w_open_ns(&w, "pubsub", NS_PUBSUB_OWNER);
	w_open(&w, "default");
	write_form(&w, &config, kind);
	w_close(&w);
	w_close(&w);
	node_config_clear(&config);
	return reply_send(c, &w, iq);
}

/* ---- deleting (section 8.4) ---- */

/* Where it has moved, or the null slice. */
static struct str read_redirect(const struct node_request *q)
{
	const struct xml_doc *d = &q->iq->doc;
	const struct xml_node *el = xml_child(d, node_child(q->iq, TAG_DELETE), NS_PUBSUB_OWNER,
		TAG_REDIRECT);

	return el ? xml_attr_str(d, el, TAG_URI, &q->shard->loop.turn) : STR_NULL;
}

static void on_delete(struct node_request *q)
{
	struct str uri = read_redirect(q);

	if (!node_permit(q, NODE_MANAGE))
		return;
	if (uri.n > REDIRECT_MAX)
		node_refuse_text(q, ERR_NOT_ACCEPTABLE, STR("that URI is too long"));
	else
		node_delete(q->node, uri, node_settle, node_later(q));
}

const struct module xep0060_nodes = {
	.name = "nodes-manage",
	.spec = "XEP-0060 1.30.0",
	.requests = (const struct node_rule[]){
		{ IQ_SET, NS_PUBSUB, TAG_CREATE, on_create, on_create_unnamed },
		{ IQ_GET, NS_PUBSUB_OWNER, TAG_CONFIGURE, on_get_configuration },
		{ IQ_SET, NS_PUBSUB_OWNER, TAG_CONFIGURE, on_configure },
		{ IQ_GET, NS_PUBSUB_OWNER, TAG_DEFAULT, NULL, on_default },
		{ IQ_SET, NS_PUBSUB_OWNER, TAG_DELETE, on_delete },
		{ 0 } },
};
