/* The calls of store/nodes.h: they check bounds and copy; store/sqlite_nodes.c and
 * store/sqlite_items.c have the SQL. */
#include "store/node_request.h"
#include "store/store_private.h"

/* The operation is about a node of an owner, or about the owner. */
static struct db_node_request *request(struct store_op *op, enum store_kind kind, struct str host,
	struct str user, struct str name)
{
	struct db_node_request *r = arena_alloc(&op->mem, sizeof *r);

	store_op_address(op, kind, host, user);
	*r = (struct db_node_request){ .name = str_dup(&op->mem, name) };
	op->node_request = r;
	return r;
}

/* ---- bounds ---- */

/* The lengths are looked at one by one: their sum could be one that has wrapped. */
static bool fit(const size_t *lengths, size_t n, size_t left)
{
	for (size_t i = 0; i < n; i++) {
		if (lengths[i] > left)
			return false;
		left -= lengths[i];
	}
	return true;
}

#define FIT(most, ...) \
	fit((const size_t[]){ __VA_ARGS__ }, sizeof((size_t[]){ __VA_ARGS__ }) / sizeof(size_t), most)

static bool affiliations_fit(const struct store_node_affiliation *a, size_t n)
{
	if (n > STORE_NODE_CHANGES_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!FIT(STORE_NODE_ENTRY_MAX, a[i].jid.n, a[i].affiliation.n))
			return false;
	return true;
}

static bool subscriptions_fit(const struct store_subscription *s, size_t n)
{
	if (n > STORE_NODE_CHANGES_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!FIT(STORE_NODE_ENTRY_MAX, s[i].jid.n, s[i].subid.n, s[i].state.n,
			s[i].options.n))
			return false;
	return true;
}

static bool row_fits(const struct store_node *row)
{
	return FIT(STORE_NODE_CONFIG_MAX, row->config.n, row->title.n, row->type.n) &&
	       row->creator.n <= STORE_NODE_ENTRY_MAX &&
	       affiliations_fit(row->affiliations, row->n_affiliations);
}

static bool texts_fit(const struct str *texts, size_t n, size_t most)
{
	for (size_t i = 0; i < n; i++)
		if (texts[i].n > most)
			return false;
	return true;
}

static bool items_fit(const struct store_node_item *items, size_t n)
{
	if (n > STORE_NODE_ITEMS_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!FIT(STORE_NODE_ITEM_MAX, items[i].id.n, items[i].publisher.n,
			items[i].payload.n))
			return false;
	return true;
}

/* ---- copies ---- */

static void copy_texts(struct store_op *op, struct db_node_request *r, const struct str *texts,
	size_t n)
{
	r->names = arena_alloc(&op->mem, n * sizeof *texts);
	r->n_names = n;
	for (size_t i = 0; i < n; i++)
		r->names[i] = str_dup(&op->mem, texts[i]);
}

static void copy_affiliations(struct store_op *op, struct db_node_request *r,
	const struct store_node_affiliation *from, size_t n)
{
	r->affiliations = arena_alloc(&op->mem, n * sizeof *from);
	r->n_affiliations = n;
	for (size_t i = 0; i < n; i++)
		r->affiliations[i] = (struct store_node_affiliation){
			str_dup(&op->mem, from[i].jid), str_dup(&op->mem, from[i].affiliation) };
}

static struct store_subscription copy_subscription(struct store_op *op,
	const struct store_subscription *from)
{
	return (struct store_subscription){
		.jid = str_dup(&op->mem, from->jid),
		.subid = str_dup(&op->mem, from->subid),
		.state = str_dup(&op->mem, from->state),
		.options = str_dup(&op->mem, from->options),
		.until_us = from->until_us,
	};
}

static void copy_subscriptions(struct store_op *op, struct db_node_request *r,
	const struct store_subscription *from, size_t n)
{
	r->subscriptions = arena_alloc(&op->mem, n * sizeof *from);
	r->n_subscriptions = n;
	for (size_t i = 0; i < n; i++)
		r->subscriptions[i] = copy_subscription(op, &from[i]);
}

static void copy_row(struct store_op *op, struct db_node_request *r, const struct store_node *row)
{
	r->has_row = true;
	r->row = (struct store_node){
		.title = str_dup(&op->mem, row->title),
		.type = str_dup(&op->mem, row->type),
		.listed = row->listed,
		.fleeting = row->fleeting,
		.config = str_dup(&op->mem, row->config),
		.creator = str_dup(&op->mem, row->creator),
		.created_us = row->created_us,
	};
}

static void copy_items(struct store_op *op, struct db_node_request *r,
	const struct store_node_item *from, size_t n)
{
	r->items = arena_alloc(&op->mem, n * sizeof *from);
	r->n_items = n;
	for (size_t i = 0; i < n; i++)
		r->items[i] = (struct store_node_item){
			.id = str_dup(&op->mem, from[i].id),
			.publisher = str_dup(&op->mem, from[i].publisher),
			.payload = str_dup(&op->mem, from[i].payload),
			.stamp_us = from[i].stamp_us,
			.until_us = from[i].until_us,
		};
}

/* ---- nodes ---- */

void store_nodes_load(struct store *s, struct store_op *op, struct str host, struct str user,
	const struct str *names, size_t n)
{
	struct db_node_request *r = request(op, STORE_NODES_LOAD, host, user, STR(""));

	if (n > STORE_NODE_NAMES_MAX || !texts_fit(names, n, STORE_NODE_NAME_MAX)) {
		store_refuse(s, op);
		return;
	}
	copy_texts(op, r, names, n);
	store_submit(s, op);
}

void store_node_subscriptions(struct store *s, struct store_op *op, struct str host,
	struct str user, struct str name, const struct store_subscription *after, unsigned max)
{
	struct db_node_request *r = request(op, STORE_NODE_SUBSCRIPTIONS, host, user, name);

	if (after)
		r->after = copy_subscription(op, after);
	r->max = max;
	store_submit(s, op);
}

void store_node_create(struct store *s, struct store_op *op, struct str host, struct str user,
	const struct store_node *row, const struct store_node_bounds *bounds)
{
	struct db_node_request *r = request(op, STORE_NODE_CREATE, host, user, row->name);

	if (row->name.n > STORE_NODE_NAME_MAX || !row_fits(row)) {
		store_refuse(s, op);
		return;
	}
	copy_row(op, r, row);
	copy_affiliations(op, r, row->affiliations, row->n_affiliations);
	r->bounds = *bounds;
	store_submit(s, op);
}

void store_node_save(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str name, const struct store_node *row,
	const struct store_node_affiliation *affiliations, size_t n_affiliations,
	const struct store_subscription *subscriptions, size_t n_subscriptions, uint64_t keep)
{
	struct db_node_request *r = request(op, STORE_NODE_SAVE, host, user, name);

	if ((row && !row_fits(row)) || !affiliations_fit(affiliations, n_affiliations) ||
		!subscriptions_fit(subscriptions, n_subscriptions)) {
		store_refuse(s, op);
		return;
	}
	if (row)
		copy_row(op, r, row);
	copy_affiliations(op, r, affiliations, n_affiliations);
	copy_subscriptions(op, r, subscriptions, n_subscriptions);
	r->keep = keep;
	store_submit(s, op);
}

void store_node_delete(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str name)
{
	request(op, STORE_NODE_DELETE, host, user, name);
	store_submit(s, op);
}

void store_nodes(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str after, unsigned max, enum store_nodes_which which)
{
	struct db_node_request *r = request(op, STORE_NODES, host, user, after);

	r->max = max;
	r->which = which;
	store_submit(s, op);
}

static void list_of(struct store *s, struct store_op *op, enum store_kind kind, struct str host,
	struct str user, struct str jid, struct str after, unsigned max)
{
	struct db_node_request *r = request(op, kind, host, user, after);

	op->jid = str_dup(&op->mem, jid);
	r->max = max;
	store_submit(s, op);
}

void store_nodes_affiliated(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str jid, struct str after, unsigned max)
{
	list_of(s, op, STORE_NODES_AFFILIATED, host, user, jid, after, max);
}

void store_nodes_subscribed(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str jid, struct str after, unsigned max)
{
	list_of(s, op, STORE_NODES_SUBSCRIBED, host, user, jid, after, max);
}

void store_node_owners(struct store *s, struct store_op *op, struct str after, unsigned max)
{
	struct db_node_request *r = request(op, STORE_NODE_OWNERS, STR(""), STR(""), after);

	r->max = max;
	store_submit(s, op);
}

void store_nodes_forget(struct store *s, struct store_op *op, struct str jid)
{
	request(op, STORE_NODES_FORGET, STR(""), STR(""), STR(""));
	op->jid = str_dup(&op->mem, jid);
	store_submit(s, op);
}

/* ---- items ---- */

void store_node_publish(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str name, const struct store_node *create, const struct store_node_item *items,
	size_t n, uint64_t keep, const struct store_node_bounds *bounds)
{
	struct db_node_request *r = request(op, STORE_NODE_PUBLISH, host, user, name);

	if (name.n > STORE_NODE_NAME_MAX || (create && !row_fits(create)) || !items_fit(items, n)) {
		store_refuse(s, op);
		return;
	}
	if (create) {
		copy_row(op, r, create);
		copy_affiliations(op, r, create->affiliations, create->n_affiliations);
	}
	copy_items(op, r, items, n);
	r->keep = keep;
	r->bounds = *bounds;
	store_submit(s, op);
}

void store_node_retract(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str name, const struct str *ids, size_t n)
{
	struct db_node_request *r = request(op, STORE_NODE_RETRACT, host, user, name);

	if (n > STORE_NODE_ITEMS_MAX || !texts_fit(ids, n, STORE_NODE_ITEM_MAX)) {
		store_refuse(s, op);
		return;
	}
	copy_texts(op, r, ids, n);
	store_submit(s, op);
}

void store_node_purge(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str name, uint64_t upto)
{
	request(op, STORE_NODE_PURGE, host, user, name);
	op->number = upto;
	store_submit(s, op);
}

void store_node_items(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str name, const struct store_items_query *query)
{
	struct db_node_request *r = request(op, STORE_NODE_ITEMS, host, user, name);

	if (query->n_ids > STORE_NODE_ITEMS_MAX ||
		!texts_fit(query->ids, query->n_ids, STORE_NODE_ITEM_MAX)) {
		store_refuse(s, op);
		return;
	}
	copy_texts(op, r, query->ids, query->n_ids);
	r->query = *query;
	r->query.ids = r->names;
	store_submit(s, op);
}

void store_nodes_expire(struct store *s, struct store_op *op, uint64_t now_us, unsigned max)
{
	struct db_node_request *r = request(op, STORE_NODES_EXPIRE, STR(""), STR(""), STR(""));

	r->now_us = now_us;
	r->max = max;
	store_submit(s, op);
}
