/* Items of nodes: published, taken out, read (XEP-0060 sections 6.5, 7 and 8.5). */
#include "core/node_private.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/hash.h"
#include "core/message.h"
#include "core/route.h"

#include <stdlib.h>

#define SECOND_US 1000000

/* ---- whether ---- */

/* Each item takes its share of a second. What is spent ahead of time is at most a second's worth. */
static bool is_too_fast(struct node *n, struct jid by, size_t n_items)
{
	struct shard *s = n->shard;
	uint64_t now = s->loop.now * 1000, share, at = hash_keyed(n->key) ^
		hash_keyed(jid_bare_str(by));

	if (!s->settings->node_rate)
		return false;
	if (!s->published)
		s->published = xcalloc(NODE_RATES, sizeof *s->published);
	uint64_t *spent = &s->published[at % NODE_RATES];
	share = SECOND_US / s->settings->node_rate;
	if (*spent < now)
		*spent = now;
	if (*spent - now + share > SECOND_US)
		return true;
	*spent += n_items * share;
	return false;
}

bool node_is_pressed(struct node *n, struct jid by, size_t n_items)
{
	return node_is_behind(n) || is_too_fast(n, by, n_items ? n_items : 1);
}

struct stanza_refusal node_pressed(void)
{
	return (struct stanza_refusal){ .error = ERR_RESOURCE_CONSTRAINT,
		.text = STR("not so fast") };
}

static uint32_t payload_bound(const struct node *n)
{
	const struct settings *set = n->shard->settings;
	uint32_t most = n->kind == NODE_OF_ACCOUNT ? set->account_nodes.item_bytes
						   : set->service_nodes.item_bytes;
	uint32_t own = n->config.max_payload;

	if (!most || most > STORE_NODE_ITEM_MAX / 2)
		most = STORE_NODE_ITEM_MAX / 2;
	return own && own < most ? own : most;
}

/* ERR_COUNT: nothing is against it. */
static struct stanza_refusal why_not(const struct node_publication *p)
{
	struct node *n = p->node;
	struct stanza_refusal why = { .error = ERR_COUNT };

	for (size_t i = 0; i < p->n; i++)
		if (p->items[i].payload.n > payload_bound(n))
			return pubsub_refuse(PS_PAYLOAD_TOO_BIG);
	if (p->n > STORE_NODE_ITEMS_MAX)
		return pubsub_refuse(PS_MAX_ITEMS_EXCEEDED);
	if (node_is_pressed(n, p->by, p->n))
		return node_pressed();
	module_each(m, n->shard->core, node_accepts)
		if (!m->node_accepts(n, p->items, p->n, p->by, &why))
			return why;
	return why;
}

/* ---- publishing ---- */

/* Items under way to the store: a block of its own with all texts. */
struct publishing {
	struct node *node;         /* held */
	publish_done *done;
	void *ctx;
	struct jid by;
	size_t n;
	bool makes;                /* the node too */
	bool persists;             /* as the node was when it was published */
	struct arena mem;
	struct node_item items[];
};

static struct str new_id(struct shard *s, struct arena *a)
{
	char id[ARCHIVE_ID_LEN];

	archive_id_format(message_new_id(s), id);
	return str_dup(a, str_from(id, sizeof id));
}

static struct publishing *publishing_new(const struct node_publication *p, publish_done *done,
	void *ctx)
{
	struct publishing *u = xcalloc(1, sizeof *u + p->n * sizeof u->items[0]);
	struct node *n = p->node;
	uint64_t now = clock_wall_us();

	arena_init(&u->mem, 1024);
	u->node = n;
	u->done = done;
	u->ctx = ctx;
	u->by = jid_dup(&u->mem, p->by);
	u->n = p->n;
	u->makes = n->unwritten;
	u->persists = n->config.persist_items;
	for (size_t i = 0; i < p->n; i++) {
		const struct node_item *in = &p->items[i];
		u->items[i] = (struct node_item){
			.id = in->id.n ? str_dup(&u->mem, in->id) : new_id(n->shard, &u->mem),
			.publisher = jid_bare_str(u->by),
			.payload = str_dup(&u->mem, in->payload),
			.stamp_us = now,
			.until_us = n->config.item_expire
				? now + (uint64_t)n->config.item_expire * SECOND_US : 0,
		};
	}
	node_hold(n);
	node_watch_expiry(n);
	return u;
}

static void publishing_free(struct publishing *u)
{
	node_release(u->node);
	arena_clear(&u->mem);
	free(u);
}

/* One block, with its texts. */
static struct node_item *item_copy(const struct node_item *in)
{
	struct node_item *item = xmalloc(sizeof *item + in->id.n + in->publisher.n + in->payload.n);
	char *text = (char *)(item + 1);

	*item = *in;
	item->id = str_from(memcpy(text, in->id.p, in->id.n), in->id.n);
	text += in->id.n;
	item->publisher = str_from(memcpy(text, in->publisher.p, in->publisher.n), in->publisher.n);
	text += in->publisher.n;
	item->payload.n = in->payload.n;
	item->payload.p = text;
	if (in->payload.n)
		memcpy(text, in->payload.p, in->payload.n);
	return item;
}

static void are_published(struct publishing *u)
{
	struct node *n = u->node;

	if (u->n) {
		node_forget_last(n);
		n->is_empty = false;
	}
	if (u->n && !u->persists) {
		free(n->newest);
		n->newest = item_copy(&u->items[u->n - 1]);
	}
	if (n->ended)
		return;
	node_tell_items(n, u->items, u->n, u->by);
	module_each(m, n->shard->core, node_published)
		m->node_published(n, u->items, u->n, u->by);
}

static void publish_ended(struct publishing *u, enum store_status status)
{
	struct node *n = u->node;

	if (status == STORE_OK)
		are_published(u);
	else if (u->makes)
		node_end(n);
	u->done(n->shard, n, u->items, u->n, status, u->ctx);
	publishing_free(u);
}

static void stored(struct store_op *op, void *receiver)
{
	struct publishing *u = *(struct publishing **)op->ctx;
	enum store_status status = op->status;

	store_op_free(op);
	publish_ended(u, status);
}

static void node_made(struct shard *s, struct node *n, enum store_status status, void *ctx)
{
	struct publishing *u = ctx;

	u->makes = false; /* node_commit() has seen to the node */
	publish_ended(u, status);
}

static void submit(struct publishing *u)
{
	struct node *n = u->node;
	struct shard *s = n->shard;
	struct store_op *op = store_op_new(&s->loop.inbox, stored, sizeof u);
	struct store_node_item *items = arena_alloc(&s->loop.turn, u->n * sizeof *items);
	struct store_node_bounds bounds = node_bounds(n);
	struct store_node row = { 0 };

	for (size_t i = 0; i < u->n; i++)
		items[i] = (struct store_node_item){ .id = u->items[i].id,
			.publisher = u->items[i].publisher, .payload = u->items[i].payload,
			.stamp_us = u->items[i].stamp_us, .until_us = u->items[i].until_us };
	if (u->makes)
		row = node_row(n, &s->loop.turn);
	n->unwritten = false;
	*(struct publishing **)op->ctx = u;
	store_node_publish(s->core->store, op, jid_domain(n->owner), jid_local(n->owner), n->name,
		u->makes ? &row : NULL, items, u->n, node_keeps(n), &bounds);
}

bool node_publish(const struct node_publication *p, publish_done *done, void *ctx,
	struct stanza_refusal *why)
{
	struct node *n = p->node;

	*why = why_not(p);
	if (why->error != ERR_COUNT)
		return false;
	struct publishing *u = publishing_new(p, done, ctx);
	if (u->persists && u->n)
		submit(u);
	else if (n->unwritten)
		node_commit(n, &(struct node_change){ .config = true }, node_made, u);
	else
		publish_ended(u, STORE_OK);
	return true;
}

/* ---- taking out ---- */

struct removing {
	struct node *node;         /* held */
	bool notify;
	node_done *done;
	void *ctx;
	size_t n;                  /* 0: all of them */
	struct arena mem;
	struct str ids[];
};

static struct removing *removing_new(struct node *n, const struct str *ids, size_t n_ids,
	bool notify, node_done *done, void *ctx)
{
	struct removing *r = xcalloc(1, sizeof *r + n_ids * sizeof r->ids[0]);

	arena_init(&r->mem, 512);
	r->node = n;
	r->notify = notify;
	r->done = done;
	r->ctx = ctx;
	r->n = n_ids;
	for (size_t i = 0; i < n_ids; i++)
		r->ids[i] = str_dup(&r->mem, ids[i]);
	node_hold(n);
	return r;
}

static void are_removed(struct removing *r)
{
	struct node *n = r->node;

	node_forget_last(n);
	if (n->ended)
		return;
	if (!r->n)
		node_tell_purged(n);
	else if (r->notify || n->config.notify_retract)
		node_tell_retracted(n, r->ids, r->n);
	module_each(m, n->shard->core, node_retracted)
		m->node_retracted(n, r->ids, r->n);
}

static void removing_ended(struct removing *r, enum store_status status)
{
	struct node *n = r->node;

	if (status == STORE_OK)
		are_removed(r);
	r->done(n->shard, n, status, r->ctx);
	node_release(n);
	arena_clear(&r->mem);
	free(r);
}

static void purge_step(struct removing *r, uint64_t upto);

static void removed(struct store_op *op, void *receiver)
{
	struct removing *r = *(struct removing **)op->ctx;
	enum store_status status = op->status;
	uint64_t upto = op->more ? op->number : 0;

	store_op_free(op);
	if (status == STORE_OK && upto)
		purge_step(r, upto);
	else
		removing_ended(r, status);
}

static struct store_op *removal_op(struct removing *r)
{
	struct store_op *op = store_op_new(&r->node->shard->loop.inbox, removed, sizeof r);

	*(struct removing **)op->ctx = r;
	return op;
}

/* A large node is emptied in steps, between which others have their turn. */
static void purge_step(struct removing *r, uint64_t upto)
{
	const struct node *n = r->node;

	store_node_purge(n->shard->core->store, removal_op(r), jid_domain(n->owner),
		jid_local(n->owner), n->name, upto);
}

/* Of a node that keeps items in memory alone: whether the newest is one of these. */
static bool is_newest(const struct node *n, const struct str *ids, size_t n_ids)
{
	for (size_t i = 0; i < n_ids; i++)
		if (n->newest && str_eq(n->newest->id, ids[i]))
			return true;
	return false;
}

void node_forget_newest(struct node *n)
{
	free(n->newest);
	n->newest = NULL;
	n->is_empty = true;
}

void node_retract(struct node *n, const struct str *ids, size_t n_ids, bool notify, node_done *done,
	void *ctx)
{
	struct removing *r = removing_new(n, ids, n_ids, notify, done, ctx);
	bool found = is_newest(n, ids, n_ids);

	if (n->config.persist_items) {
		store_node_retract(n->shard->core->store, removal_op(r), jid_domain(n->owner),
			jid_local(n->owner), n->name, ids, n_ids);
		return;
	}
	if (found)
		node_forget_newest(n);
	removing_ended(r, found ? STORE_OK : STORE_NOT_FOUND);
}

void node_purge(struct node *n, node_done *done, void *ctx)
{
	struct removing *r = removing_new(n, NULL, 0, true, done, ctx);

	if (n->config.persist_items) {
		purge_step(r, 0);
		return;
	}
	node_forget_newest(n);
	removing_ended(r, STORE_OK);
}

/* ---- the whole node ---- */

struct deleting {
	struct node *node;         /* held */
	char *redirect;
	node_done *done;
	void *ctx;
};

static void deleted(struct store_op *op, void *receiver)
{
	struct deleting d = *(struct deleting *)op->ctx;
	struct node *n = d.node;
	enum store_status status = op->status;

	store_op_free(op);
	if (status == STORE_OK && !n->ended) {
		node_tell_deleted(n, d.redirect ? str_c(d.redirect) : STR(""));
		module_each(m, n->shard->core, node_retracted)
			m->node_retracted(n, NULL, 0);
		node_end(n);
	}
	d.done(n->shard, n, status, d.ctx);
	free(d.redirect);
	node_release(n);
}

static struct store_op *deletion_op(const struct deleting *d,
	void (*done)(struct store_op *op, void *receiver))
{
	struct store_op *op = store_op_new(&d->node->shard->loop.inbox, done, sizeof *d);

	*(struct deleting *)op->ctx = *d;
	return op;
}

/* Its items, as of a purge, and then the node. */
static void emptied(struct store_op *op, void *receiver)
{
	const struct deleting d = *(struct deleting *)op->ctx;
	struct node *n = d.node;
	struct store *store = n->shard->core->store;
	uint64_t upto = op->status == STORE_OK && op->more ? op->number : 0;

	store_op_free(op);
	if (upto)
		store_node_purge(store, deletion_op(&d, emptied), jid_domain(n->owner),
			jid_local(n->owner), n->name, upto);
	else
		store_node_delete(store, deletion_op(&d, deleted), jid_domain(n->owner),
			jid_local(n->owner), n->name);
}

void node_delete(struct node *n, struct str redirect, node_done *done, void *ctx)
{
	const struct deleting d = { .node = n, .done = done, .ctx = ctx,
		.redirect = redirect.n ? strndup(redirect.p, redirect.n) : NULL };

	node_hold(n);
	store_node_purge(n->shard->core->store, deletion_op(&d, emptied), jid_domain(n->owner),
		jid_local(n->owner), n->name, 0);
}

/* ---- reading ---- */

struct fetching {
	struct node *node;         /* held */
	items_done *done;
	void *ctx;
};

static void fetched(struct store_op *op, void *receiver)
{
	struct fetching f = *(struct fetching *)op->ctx;

	f.done(f.node->shard, f.node, op, f.ctx);
	store_op_free(op);
	node_release(f.node);
}

static bool is_asked_for(const struct node_item *item, const struct store_items_query *q)
{
	bool named = !q->n_ids;

	for (size_t i = 0; i < q->n_ids; i++)
		named = named || str_eq(q->ids[i], item->id);
	return named && (q->n_ids || q->max) && (!item->until_us || item->until_us > clock_wall_us()) &&
	       item->stamp_us >= q->from_us && (!q->to_us || item->stamp_us <= q->to_us) &&
	       !q->after && !q->before;
}

/* The newest item as the store would give it. */
static void fetch_newest(struct node *n, const struct store_items_query *query, struct store_op *op)
{
	struct store_node_item *item = arena_alloc(&op->mem, sizeof *item);

	op->status = STORE_OK;
	op->items = item;
	if (n->newest && is_asked_for(n->newest, query)) {
		*item = (struct store_node_item){ .number = 1, .id = n->newest->id,
			.publisher = n->newest->publisher, .payload = n->newest->payload,
			.stamp_us = n->newest->stamp_us, .until_us = n->newest->until_us };
		op->n_items = 1;
	}
	op->node = arena_alloc(&op->mem, sizeof *op->node);
	*op->node = (struct store_node){ .name = n->name, .n_items = n->newest ? 1 : 0 };
	fetched(op, n->shard);
}

void node_items(struct node *n, const struct store_items_query *query, items_done *done, void *ctx)
{
	struct shard *s = n->shard;
	struct store_op *op = store_op_new(&s->loop.inbox, fetched, sizeof(struct fetching));

	*(struct fetching *)op->ctx = (struct fetching){ n, done, ctx };
	node_hold(n);
	if (n->config.persist_items)
		store_node_items(s->core->store, op, jid_domain(n->owner), jid_local(n->owner),
			n->name, query);
	else
		fetch_newest(n, query, op);
}
