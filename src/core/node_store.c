/* Nodes from the store and to it. */
#include "core/node_private.h"

#include "base/bug.h"
#include "core/route.h"

/* ---- reading ---- */

/* Nodes of one owner that are being read. */
struct reading {
	size_t n;
	struct node *nodes[];
};

static bool read_config(struct node *n, const struct store_node *in)
{
	node_config_default(&n->config, n->kind);
	if (node_config_parse(&n->config, n->kind, in->config))
		return true;
	log_error(&n->shard->log, "node", F_STR("owner", jid_str(n->owner)),
		F_STR("node", n->name), F_STR("error", STR("its configuration cannot be read")));
	return false;
}

static bool read_node(struct node *n, const struct store_node *in, struct arena *a)
{
	struct jid creator;

	node_empty(n);
	if (!read_config(n, in))
		return false;
	if (jid_parse(in->creator, a, &creator))
		n->creator = jid_copy(creator);
	n->created_us = in->created_us;
	n->is_empty = in->n_items == 0;
	n->unwritten = false;
	for (size_t i = 0; i < in->n_affiliations; i++)
		node_read_person(n, &in->affiliations[i]);
	return true;
}

static void read_subscriptions(struct node *n, const struct store_subscription *after);

/* A page of them: the next one, or the node is there. */
static void subscriptions_read(struct store_op *op, void *receiver)
{
	struct node *n = *(struct node **)op->ctx;

	if (op->status != STORE_OK || n->ended) {
		node_loaded(n, op->status);
	} else {
		const struct store_node *in = op->node;
		for (size_t i = 0; i < in->n_subscriptions_read; i++)
			node_read_subscription(n, &in->subscriptions[i]);
		if (in->n_subscriptions_read == NODE_PEOPLE_PAGE)
			read_subscriptions(n, &in->subscriptions[NODE_PEOPLE_PAGE - 1]);
		else
			node_loaded(n, STORE_OK);
	}
	store_op_free(op);
}

static void read_subscriptions(struct node *n, const struct store_subscription *after)
{
	struct shard *s = n->shard;
	struct store_op *op = store_op_new(&s->loop.inbox, subscriptions_read, sizeof n);

	*(struct node **)op->ctx = n;
	store_node_subscriptions(s->core->store, op, jid_domain(n->owner), jid_local(n->owner),
		n->name, after, NODE_PEOPLE_PAGE);
}

static const struct store_node *row_named(const struct store_op *op, struct str name)
{
	for (size_t i = 0; i < op->n_nodes; i++)
		if (str_eq(op->nodes[i].name, name))
			return &op->nodes[i];
	return NULL;
}

static void read_one(struct node *n, const struct store_op *op, struct arena *a)
{
	const struct store_node *in = op->status == STORE_OK ? row_named(op, n->name) : NULL;

	if (op->status != STORE_OK)
		node_loaded(n, op->status);
	else if (!in || n->ended)
		node_loaded(n, STORE_NOT_FOUND);
	else if (!read_node(n, in, a))
		node_loaded(n, STORE_FAILED);
	else if (in->n_subscriptions)
		read_subscriptions(n, NULL);
	else
		node_loaded(n, STORE_OK);
}

static void nodes_read(struct store_op *op, void *receiver)
{
	struct reading *r = op->ctx;

	for (size_t i = 0; i < r->n; i++)
		read_one(r->nodes[i], op, &op->mem);
	store_op_free(op);
}

void node_load(struct shard *s, struct jid owner, struct node **nodes, size_t n)
{
	struct str *names = arena_alloc(&s->loop.turn, n * sizeof *names);
	struct store_op *op = store_op_new(&s->loop.inbox, nodes_read,
		sizeof(struct reading) + n * sizeof *nodes);
	struct reading *r = op->ctx;

	r->n = n;
	for (size_t i = 0; i < n; i++) {
		r->nodes[i] = nodes[i];
		names[i] = nodes[i]->name;
	}
	store_nodes_load(s->core->store, op, jid_domain(owner), jid_local(owner), names, n);
}

/* ---- writing ---- */

static bool is_listed(const struct node *n)
{
	return n->config.access != ACCESS_WHITELIST;
}

static struct str text_of(const char *text)
{
	return text ? str_c(text) : STR("");
}

/* All of them: for a node that is new. */
static void row_people(const struct node *n, struct store_node *row, struct arena *a)
{
	struct store_node_affiliation *to = arena_alloc(a, n->people.n * sizeof *to);

	row->affiliations = to;
	row->n_affiliations = n->people.n;
	for (struct map_node *i = map_next(&n->people, NULL); i; i = map_next(&n->people, i)) {
		const struct node_person *p = container_of(i, struct node_person, map);
		*to++ = (struct store_node_affiliation){ jid_str(p->jid),
			node_affiliation_name(p->affiliation) };
	}
}

struct store_node node_row(const struct node *n, struct arena *a)
{
	struct buf *b = &n->shard->scratch;
	struct store_node row = {
		.name = n->name,
		.title = text_of(n->config.title),
		.type = text_of(n->config.type),
		.listed = is_listed(n),
		.fleeting = n->config.purge_offline,
		.creator = jid_is_set(n->creator) ? jid_str(n->creator) : STR(""),
		.created_us = n->created_us,
	};

	buf_reset(b);
	struct writer w = w_on(b);
	w_open_ns(&w, "x", NS_DATA);
	w_attr(&w, "type", STR("submit"));
	node_config_write(&n->config, n->kind, &w, NODE_CONFIG_TO_STORE);
	w_close(&w);
	BUG_ON(!w_done(&w)); /* its texts are bounded */
	row.config = str_dup(a, buf_str(b));
	row_people(n, &row, a);
	return row;
}

static const struct node_limits *limits_of(const struct node *n)
{
	const struct settings *set = n->shard->settings;

	return n->kind == NODE_OF_ACCOUNT ? &set->account_nodes : &set->service_nodes;
}

struct store_node_bounds node_bounds(const struct node *n)
{
	const struct node_limits *l = limits_of(n);

	return (struct store_node_bounds){ .nodes = l->nodes, .bytes = l->bytes };
}

uint32_t node_items_bound(const struct settings *set, enum node_kind kind)
{
	uint32_t bound = kind == NODE_OF_ACCOUNT ? set->account_nodes.items
						 : set->service_nodes.items;

	return bound ? bound : NODE_ITEMS_UNBOUNDED;
}

uint64_t node_keeps(const struct node *n)
{
	uint32_t bound = node_items_bound(n->shard->settings, n->kind);
	uint32_t keep = n->config.max_items < bound ? n->config.max_items : bound;

	if (!n->config.persist_items)
		return 0;
	if (!n->config.persist_items)
		return 0;
	return keep == NODE_ITEMS_UNBOUNDED ? UINT64_MAX : keep;
}

struct writing {
	struct node *node;         /* held */
	bool makes;                /* the node itself */
	bool configures;           /* it otherwise than it was (section 8.2.4) */
	node_done *done;           /* or NULL */
	void *ctx;
};

static void trim(const struct writing *w);

static void written(struct store_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct writing w = *(struct writing *)op->ctx;
	enum store_status status = op->status;
	bool more = op->more;

	store_op_free(op);
	if (status == STORE_OK && more) {
		trim(&w);
		return;
	}
	if (status != STORE_OK && w.makes)
		node_end(w.node);
	else if (status != STORE_OK)
		node_reload(w.node);
	if (w.done)
		w.done(s, w.node, status, w.ctx);
	if (status == STORE_OK && w.configures && !w.node->ended)
		node_tell_configured(w.node);
	node_release(w.node);
}

/* A further step of what keeps fewer items now. */
static void trim(const struct writing *w)
{
	struct node *n = w->node;
	struct shard *s = n->shard;
	struct store_op *op = store_op_new(&s->loop.inbox, written, sizeof *w);

	*(struct writing *)op->ctx = *w;
	store_node_save(s->core->store, op, jid_domain(n->owner), jid_local(n->owner), n->name,
		NULL, NULL, 0, NULL, 0, node_keeps(n));
}

static struct store_subscription row_of(const struct node_change *change, struct shard *s)
{
	const struct node_subscription *sub = change->subscription;
	struct store_subscription row = {
		.jid = jid_str(sub->jid),
		.subid = str_from(sub->subid, sizeof sub->subid),
		.state = subscription_state_name(sub->state),
	};

	if (change->subscription_gone) {
		row.state = STR("");
	} else if (sub->options) {
		struct writer w;
		buf_reset(&s->scratch);
		w = w_on(&s->scratch);
		w_open_ns(&w, "x", NS_DATA);
		w_attr(&w, "type", STR("submit"));
		subscription_options_write(sub->options, &w, NODE_CONFIG_TO_STORE);
		w_close(&w);
		BUG_ON(!w_done(&w));
		row.options = str_dup(&s->loop.turn, buf_str(&s->scratch));
		row.until_us = sub->options->until_us;
	}
	return row;
}

static struct store_node_affiliation person_row(const struct node_person *p)
{
	return (struct store_node_affiliation){ jid_str(p->jid),
		p->affiliation == NODE_NONE ? STR("") : node_affiliation_name(p->affiliation) };
}

void node_commit(struct node *n, const struct node_change *change, node_done *done, void *ctx)
{
	struct shard *s = n->shard;
	struct store_op *op = store_op_new(&s->loop.inbox, written, sizeof(struct writing));
	struct str host = jid_domain(n->owner), user = jid_local(n->owner);
	struct store_node row = { 0 };
	struct store_node_bounds bounds = node_bounds(n);

	*(struct writing *)op->ctx = (struct writing){ .node = n, .makes = n->unwritten,
		.configures = change->config && !n->unwritten, .done = done, .ctx = ctx };
	node_hold(n);
	node_watch_expiry(n);
	if (change->config || n->unwritten)
		row = node_row(n, &s->loop.turn);
	if (n->unwritten) { /* whatever else has changed is in the row */
		BUG_ON(change->subscription);
		n->unwritten = false;
		store_node_create(s->core->store, op, host, user, &row, &bounds);
		return;
	}
	struct store_node_affiliation person;
	struct store_subscription sub;
	if (change->person)
		person = person_row(change->person);
	if (change->subscription)
		sub = row_of(change, s);
	store_node_save(s->core->store, op, host, user, n->name, change->config ? &row : NULL,
		&person, change->person ? 1 : 0, &sub, change->subscription ? 1 : 0,
		change->trim ? node_keeps(n) : UINT64_MAX);
}
