/* Items of nodes: their reads and writes. */
#include "base/bug.h"
#include "base/clock.h"
#include "store/node_request.h"
#include "store/sqlite_conn.h"

/* --- Reads ---------------------------------------------------------------------------- */

static struct store_node_item item_of(struct store_op *op, sqlite3_stmt *st)
{
	return (struct store_node_item){
		.number = db_take_int(st, 0),
		.id = db_take_str(op, st, 1),
		.publisher = db_take_str(op, st, 2),
		.stamp_us = db_take_int(st, 3),
		.until_us = db_take_int(st, 4),
		.payload = db_take_str(op, st, 5),
	};
}

/* Bytes of the item that a statement is at. */
static size_t bytes_at(sqlite3_stmt *st)
{
	return (size_t)sqlite3_column_bytes(st, 1) + (size_t)sqlite3_column_bytes(st, 2) +
	       (size_t)sqlite3_column_bytes(st, 5);
}

/* A page that is being filled. */
struct page {
	struct store_node_item *items;
	size_t n, max;
	size_t bytes, max_bytes; /* 0: no bound */
	bool more;               /* the next item did not fit */
};

static struct page page_new(struct store_op *op, size_t max)
{
	return (struct page){ .items = arena_alloc(&op->mem, max * sizeof(struct store_node_item)),
		.max = max, .max_bytes = op->node_request->query.max_bytes };
}

/* False: the page is full without it. */
static bool add(struct page *p, struct store_op *op, sqlite3_stmt *st)
{
	size_t bytes = bytes_at(st);

	p->more = p->n >= p->max || (p->n && p->max_bytes && p->bytes + bytes > p->max_bytes);
	if (p->more)
		return false;
	p->bytes += bytes;
	p->items[p->n++] = item_of(op, st);
	return true;
}

static int read_named(struct db *d, struct store_op *op, struct page *p)
{
	const struct db_node_request *r = op->node_request;
	sqlite3_stmt *st = db_statement(d, ST_ITEM_NAMED);
	int rc = SQLITE_DONE;

	for (size_t i = 0; i < r->n_names && !p->more; i++) {
		db_bind_int(d, ST_ITEM_NAMED, 1, op->number);
		db_bind_text(d, ST_ITEM_NAMED, 2, r->names[i]);
		db_bind_int(d, ST_ITEM_NAMED, 3, clock_wall_us());
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW)
			add(p, op, st);
		sqlite3_reset(st);
		if (rc != SQLITE_ROW && rc != SQLITE_DONE)
			return rc;
	}
	return SQLITE_OK;
}

/* Where a time lies among the numbers: stamps grow with them, as far as the clock does. none: the
 * bound when no item is there. */
static int number_at(struct db *d, const struct store_op *op, enum statement id, uint64_t us,
	uint64_t none, uint64_t *out)
{
	sqlite3_stmt *st = db_statement(d, id);

	db_bind_int(d, id, 1, op->number);
	db_bind_int(d, id, 2, us);
	int rc = sqlite3_step(st);
	*out = rc == SQLITE_ROW ? db_take_int(st, 0) : none;
	sqlite3_reset(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Numbers behind *low and before *high. */
static int find_range(struct db *d, const struct store_op *op, uint64_t *low, uint64_t *high)
{
	const struct store_items_query *q = &op->node_request->query;
	uint64_t first = 0, last = INT64_MAX;
	int rc = SQLITE_OK;

	*low = q->after;
	*high = q->before && q->before < INT64_MAX ? q->before : INT64_MAX;
	if (q->from_us)
		rc = number_at(d, op, ST_ITEM_FROM, q->from_us, INT64_MAX, &first);
	if (rc == SQLITE_OK && q->to_us)
		rc = number_at(d, op, ST_ITEM_TO, q->to_us, 0, &last);
	if (first && first - 1 > *low)
		*low = first - 1;
	if (last < INT64_MAX && last + 1 < *high)
		*high = last + 1;
	return rc;
}

static void turn_round(struct page *p)
{
	for (size_t i = 0; i < p->n / 2; i++) {
		struct store_node_item item = p->items[i];
		p->items[i] = p->items[p->n - 1 - i];
		p->items[p->n - 1 - i] = item;
	}
}

static int read_range(struct db *d, struct store_op *op, struct page *p)
{
	bool newest = op->node_request->query.newest;
	enum statement id = newest ? ST_ITEMS_DOWN : ST_ITEMS_UP;
	sqlite3_stmt *st = db_statement(d, id);
	uint64_t low, high;
	int rc = find_range(d, op, &low, &high);

	if (rc != SQLITE_OK)
		return rc;
	db_bind_int(d, id, 1, op->number);
	db_bind_int(d, id, 2, low < INT64_MAX ? low : INT64_MAX);
	db_bind_int(d, id, 3, high);
	db_bind_int(d, id, 4, clock_wall_us());
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		if (!add(p, op, st))
			break;
	sqlite3_reset(st);
	if (newest)
		turn_round(p);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int db_read_items(struct db *d, struct store_op *op)
{
	const struct db_node_request *r = op->node_request;
	int rc = db_read_node_row(d, op);

	if (rc != SQLITE_OK || op->status != STORE_OK)
		return rc;
	uint64_t most = r->query.max < op->node->n_items ? r->query.max : op->node->n_items;
	struct page p = page_new(op, r->n_names ? r->n_names : most);
	rc = r->n_names ? read_named(d, op, &p) : read_range(d, op, &p);
	op->items = p.items;
	op->n_items = p.n;
	op->more = p.more;
	return rc;
}

/* --- Writes --------------------------------------------------------------------------- */

static int delete_named(struct db *d, uint64_t node, struct str id)
{
	db_bind_int(d, ST_DEL_NODE_ITEM, 1, node);
	db_bind_text(d, ST_DEL_NODE_ITEM, 2, id);
	return db_run(d, ST_DEL_NODE_ITEM);
}

static int put_item(struct db *d, uint64_t node, const struct store_node_item *item)
{
	int rc = delete_named(d, node, item->id);

	if (rc != SQLITE_OK)
		return rc;
	db_bind_int(d, ST_ADD_NODE_ITEM, 1, node);
	db_bind_text(d, ST_ADD_NODE_ITEM, 2, item->id);
	db_bind_text(d, ST_ADD_NODE_ITEM, 3, item->publisher);
	db_bind_int(d, ST_ADD_NODE_ITEM, 4, item->stamp_us);
	db_bind_int(d, ST_ADD_NODE_ITEM, 5, item->until_us);
	db_bind_int(d, ST_ADD_NODE_ITEM, 6, item->id.n + item->publisher.n + item->payload.n);
	db_bind_blob(d, ST_ADD_NODE_ITEM, 7, item->payload);
	return db_run(d, ST_ADD_NODE_ITEM);
}

int db_trim_items(struct db *d, struct store_op *op, uint64_t node, uint64_t keep)
{
	sqlite3_stmt *st = db_statement(d, ST_COUNT_ITEMS);
	uint64_t n = 0, left;

	if (keep == UINT64_MAX)
		return SQLITE_OK;
	db_bind_int(d, ST_COUNT_ITEMS, 1, node);
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		n = db_take_int(st, 0);
	sqlite3_reset(st);
	if (rc != SQLITE_ROW || n <= keep)
		return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
	left = n - keep;
	op->more = left > STORE_NODE_STEP;
	db_bind_int(d, ST_TRIM_ITEMS, 1, node);
	db_bind_int(d, ST_TRIM_ITEMS, 2, op->more ? STORE_NODE_STEP : left);
	return db_run(d, ST_TRIM_ITEMS);
}

int db_publish_items(struct db *d, struct store_op *op)
{
	const struct db_node_request *r = op->node_request;
	uint64_t node = 0;
	int rc = db_find_node(d, op, &node);

	if (rc == SQLITE_OK && op->status == STORE_NOT_FOUND && r->has_row)
		rc = db_add_node(d, op, &node);
	if (rc != SQLITE_OK || op->status != STORE_OK)
		return rc;
	for (size_t i = 0; i < r->n_items && rc == SQLITE_OK; i++)
		rc = put_item(d, node, &r->items[i]);
	if (rc == SQLITE_OK)
		rc = db_trim_items(d, op, node, r->keep);
	return rc == SQLITE_OK ? db_check_node_bounds(d, op) : rc;
}

int db_retract_items(struct db *d, struct store_op *op, uint64_t node)
{
	const struct db_node_request *r = op->node_request;
	int rc = SQLITE_OK;

	for (size_t i = 0; i < r->n_names && rc == SQLITE_OK; i++) {
		rc = delete_named(d, node, r->names[i]);
		op->n_all += rc == SQLITE_OK ? (uint64_t)sqlite3_changes(d->sqlite) : 0;
	}
	if (!op->n_all)
		op->status = STORE_NOT_FOUND;
	return rc;
}

/* What is published meanwhile, between two steps, stays. */
int db_purge_items(struct db *d, struct store_op *op, uint64_t node)
{
	sqlite3_stmt *st = db_statement(d, ST_LAST_ITEM);
	int rc = SQLITE_ROW;

	if (!op->number) {
		db_bind_int(d, ST_LAST_ITEM, 1, node);
		rc = sqlite3_step(st);
		op->number = rc == SQLITE_ROW ? db_take_int(st, 0) : 0;
		sqlite3_reset(st);
	}
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? SQLITE_OK : rc;
	db_bind_int(d, ST_PURGE_ITEMS, 1, node);
	db_bind_int(d, ST_PURGE_ITEMS, 2, op->number);
	db_bind_int(d, ST_PURGE_ITEMS, 3, STORE_NODE_STEP);
	rc = db_run(d, ST_PURGE_ITEMS);
	op->more = rc == SQLITE_OK && sqlite3_changes(d->sqlite) == STORE_NODE_STEP;
	return rc;
}

int db_expire_items(struct db *d, struct store_op *op)
{
	const struct db_node_request *r = op->node_request;

	op->status = STORE_OK;
	db_bind_int(d, ST_EXPIRE_SUBSCRIPTIONS, 1, r->now_us);
	int rc = db_run(d, ST_EXPIRE_SUBSCRIPTIONS);
	if (rc != SQLITE_OK)
		return rc;
	db_bind_int(d, ST_EXPIRE_ITEMS, 1, r->now_us);
	db_bind_int(d, ST_EXPIRE_ITEMS, 2, r->max);
	rc = db_run(d, ST_EXPIRE_ITEMS);
	op->n_all = rc == SQLITE_OK ? (uint64_t)sqlite3_changes(d->sqlite) : 0;
	op->more = op->n_all == r->max;
	return rc;
}
