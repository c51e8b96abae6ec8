/* Nodes: their reads and writes, but for items (sqlite_items.c). What nodes and owners have is
 * counted by triggers (sqlite_schema.c). */
#include "base/bug.h"
#include "store/node_request.h"
#include "store/sqlite_conn.h"

/* --- Reads ---------------------------------------------------------------------------- */

enum column {
	COL_NAME, COL_TITLE, COL_TYPE, COL_LISTED, COL_FLEETING, COL_CREATOR, COL_CREATED, COL_ITEMS,
	COL_BYTES, COL_SUBSCRIPTIONS, COL_CONFIG, COL_ID
};

/* The number of the row stands in n_subscriptions_read until its lists are read. */
static struct store_node take_row(struct store_op *op, sqlite3_stmt *st)
{
	return (struct store_node){
		.name = db_take_str(op, st, COL_NAME),
		.title = db_take_str(op, st, COL_TITLE),
		.type = db_take_str(op, st, COL_TYPE),
		.listed = db_take_int(st, COL_LISTED) != 0,
		.fleeting = db_take_int(st, COL_FLEETING) != 0,
		.creator = db_take_str(op, st, COL_CREATOR),
		.created_us = db_take_int(st, COL_CREATED),
		.n_items = db_take_int(st, COL_ITEMS),
		.n_bytes = db_take_int(st, COL_BYTES),
		.n_subscriptions = db_take_int(st, COL_SUBSCRIPTIONS),
		.config = db_take_str(op, st, COL_CONFIG),
		.n_subscriptions_read = db_take_int(st, COL_ID),
	};
}

static void take_node(struct db *d, struct store_op *op, sqlite3_stmt *st)
{
	const struct store_node node = take_row(op, st);

	buf_add(&d->rows, str_from((const char *)&node, sizeof node));
}

static void take_affiliation(struct db *d, struct store_op *op, sqlite3_stmt *st)
{
	const struct store_node_affiliation entry = { db_take_str(op, st, 0),
		db_take_str(op, st, 1) };

	buf_add(&d->rows, str_from((const char *)&entry, sizeof entry));
}

static void take_subscription(struct db *d, struct store_op *op, sqlite3_stmt *st)
{
	const struct store_subscription entry = {
		.jid = db_take_str(op, st, 0),
		.subid = db_take_str(op, st, 1),
		.state = db_take_str(op, st, 2),
		.options = db_take_str(op, st, 3),
		.until_us = db_take_int(st, 4),
	};

	buf_add(&d->rows, str_from((const char *)&entry, sizeof entry));
}

static int list_affiliations(struct db *d, struct store_op *op, enum statement id,
	struct store_node *node)
{
	return db_each_element(d, op, id, sizeof *node->affiliations, take_affiliation,
		(void **)&node->affiliations, &node->n_affiliations);
}

static int list_subscriptions(struct db *d, struct store_op *op, enum statement id,
	struct store_node *node)
{
	return db_each_element(d, op, id, sizeof *node->subscriptions, take_subscription,
		(void **)&node->subscriptions, &node->n_subscriptions_read);
}

static int list_nodes(struct db *d, struct store_op *op, enum statement id)
{
	return db_each_element(d, op, id, sizeof *op->nodes, take_node, (void **)&op->nodes,
		&op->n_nodes);
}

/* The owner's row in op->number; SQLITE_DONE: it has no nodes. */
static int find_owner(struct db *d, struct store_op *op)
{
	return db_find(d, ST_FIND_OWNER, op, &op->number);
}

/* A row of nodes, or none, of the names one after the other. */
static int load_named(struct db *d, struct store_op *op)
{
	const struct db_node_request *r = op->node_request;
	struct store_node *all = arena_alloc(&op->mem, r->n_names * sizeof *all);
	size_t n = 0;
	int rc = SQLITE_OK;

	for (size_t i = 0; i < r->n_names && rc == SQLITE_OK; i++) {
		db_bind_int(d, ST_NODE, 1, op->number);
		db_bind_text(d, ST_NODE, 2, r->names[i]);
		rc = list_nodes(d, op, ST_NODE);
		if (rc == SQLITE_OK && op->n_nodes)
			all[n++] = op->nodes[0];
	}
	op->nodes = all;
	op->n_nodes = n;
	return rc;
}

static int load_nodes(struct db *d, struct store_op *op)
{
	int rc = find_owner(d, op);

	op->status = STORE_OK;
	if (rc != SQLITE_OK)
		return rc == SQLITE_DONE ? SQLITE_OK : rc;
	rc = load_named(d, op);
	for (size_t i = 0; i < op->n_nodes && rc == SQLITE_OK; i++) {
		db_bind_int(d, ST_NODE_AFFILIATIONS, 1, op->nodes[i].n_subscriptions_read);
		op->nodes[i].n_subscriptions_read = 0;
		rc = list_affiliations(d, op, ST_NODE_AFFILIATIONS, &op->nodes[i]);
	}
	return rc;
}

int db_find_node(struct db *d, struct store_op *op, uint64_t *id)
{
	db_bind_text(d, ST_FIND_NODE, 3, op->node_request->name);
	int rc = db_find(d, ST_FIND_NODE, op, id);
	if (rc == SQLITE_OK || rc == SQLITE_DONE)
		op->status = rc == SQLITE_OK ? STORE_OK : STORE_NOT_FOUND;
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int db_read_node_row(struct db *d, struct store_op *op)
{
	int rc = find_owner(d, op);

	op->status = STORE_NOT_FOUND;
	if (rc != SQLITE_OK)
		return rc == SQLITE_DONE ? SQLITE_OK : rc;
	db_bind_int(d, ST_NODE, 1, op->number);
	db_bind_text(d, ST_NODE, 2, op->node_request->name);
	rc = list_nodes(d, op, ST_NODE);
	if (rc != SQLITE_OK || !op->n_nodes)
		return rc;
	op->status = STORE_OK;
	op->node = op->nodes;
	op->number = op->node->n_subscriptions_read;
	op->node->n_subscriptions_read = 0;
	return SQLITE_OK;
}

static int read_subscriptions(struct db *d, struct store_op *op)
{
	const struct db_node_request *r = op->node_request;
	int rc = db_read_node_row(d, op);

	if (rc != SQLITE_OK || op->status != STORE_OK)
		return rc;
	db_bind_int(d, ST_NODE_SUBSCRIPTIONS, 1, op->number);
	db_bind_text(d, ST_NODE_SUBSCRIPTIONS, 2, r->after.jid);
	db_bind_text(d, ST_NODE_SUBSCRIPTIONS, 3, r->after.subid);
	db_bind_int(d, ST_NODE_SUBSCRIPTIONS, 4, r->max);
	return list_subscriptions(d, op, ST_NODE_SUBSCRIPTIONS, op->node);
}

static void take_totals(struct db *d, struct store_op *op, sqlite3_stmt *st)
{
	op->node_count = db_take_int(st, 0);
	op->node_bytes = db_take_int(st, 1);
}

static void forget_rows(struct store_op *op)
{
	for (size_t i = 0; i < op->n_nodes; i++)
		op->nodes[i].n_subscriptions_read = 0;
}

static int list(struct db *d, struct store_op *op)
{
	const struct db_node_request *r = op->node_request;
	static const enum statement statements[] = { [STORE_NODES_ALL] = ST_NODES,
		[STORE_NODES_LISTED] = ST_NODES_LISTED, [STORE_NODES_FLEETING] = ST_NODES_FLEETING };
	enum statement id = statements[r->which];
	int rc = find_owner(d, op);

	op->status = STORE_OK;
	if (rc != SQLITE_OK)
		return rc == SQLITE_DONE ? SQLITE_OK : rc;
	db_bind_int(d, ST_NODE_TOTALS, 1, op->number);
	rc = db_each_row(d, op, ST_NODE_TOTALS, take_totals);
	if (rc != SQLITE_OK)
		return rc;
	db_bind_int(d, id, 1, op->number);
	db_bind_text(d, id, 2, r->name);
	db_bind_int(d, id, 3, r->max);
	rc = list_nodes(d, op, id);
	forget_rows(op);
	return rc;
}

/* His entries at each of the nodes that were found. */
static int list_entries(struct db *d, struct store_op *op, enum statement entries)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < op->n_nodes && rc == SQLITE_OK; i++) {
		struct store_node *node = &op->nodes[i];
		db_bind_int(d, entries, 1, node->n_subscriptions_read);
		db_bind_text(d, entries, 2, op->jid);
		node->n_subscriptions_read = 0;
		rc = entries == ST_HIS_AFFILIATIONS ? list_affiliations(d, op, entries, node)
						    : list_subscriptions(d, op, entries, node);
	}
	return rc;
}

static int list_his(struct db *d, struct store_op *op, enum statement nodes, enum statement entries)
{
	const struct db_node_request *r = op->node_request;
	int rc = find_owner(d, op);

	op->status = STORE_OK;
	if (rc != SQLITE_OK)
		return rc == SQLITE_DONE ? SQLITE_OK : rc;
	db_bind_int(d, nodes, 1, op->number);
	db_bind_text(d, nodes, 2, op->jid);
	db_bind_text(d, nodes, 3, r->name);
	db_bind_int(d, nodes, 4, r->max);
	rc = list_nodes(d, op, nodes);
	return rc == SQLITE_OK ? list_entries(d, op, entries) : rc;
}

static int list_owners(struct db *d, struct store_op *op)
{
	struct str after = op->node_request->name;
	ptrdiff_t at = str_find(after, '@');

	op->status = STORE_OK;
	db_bind_text(d, ST_NODE_OWNERS, 1, at < 0 ? after : str_skip(after, (size_t)at + 1));
	db_bind_text(d, ST_NODE_OWNERS, 2, at < 0 ? STR("") : str_head(after, (size_t)at));
	db_bind_int(d, ST_NODE_OWNERS, 3, op->node_request->max);
	return db_each_element(d, op, ST_NODE_OWNERS, sizeof *op->users, db_take_user,
		(void **)&op->users, &op->n_users);
}

int db_read_node(struct db *d, struct store_op *op)
{
	switch (op->kind) {
	case STORE_NODES_LOAD:
		return load_nodes(d, op);
	case STORE_NODE_SUBSCRIPTIONS:
		return read_subscriptions(d, op);
	case STORE_NODE_ITEMS:
		return db_read_items(d, op);
	case STORE_NODES:
		return list(d, op);
	case STORE_NODES_AFFILIATED:
		return list_his(d, op, ST_NODES_AFFILIATED, ST_HIS_AFFILIATIONS);
	case STORE_NODES_SUBSCRIBED:
		return list_his(d, op, ST_NODES_SUBSCRIBED, ST_HIS_SUBSCRIPTIONS);
	case STORE_NODE_OWNERS:
		return list_owners(d, op);
	default:
		BUG("not a read of nodes");
	}
}

/* --- Writes --------------------------------------------------------------------------- */

static int put_affiliations(struct db *d, const struct db_node_request *r, uint64_t id)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < r->n_affiliations && rc == SQLITE_OK; i++) {
		const struct store_node_affiliation *a = &r->affiliations[i];
		enum statement st = a->affiliation.n ? ST_PUT_NODE_AFFILIATION
						     : ST_DEL_NODE_AFFILIATION;
		db_bind_int(d, st, 1, id);
		db_bind_text(d, st, 2, a->jid);
		if (a->affiliation.n)
			db_bind_text(d, st, 3, a->affiliation);
		rc = db_run(d, st);
	}
	return rc;
}

static struct str bare(struct str jid)
{
	ptrdiff_t slash = str_find(jid, '/');

	return slash < 0 ? jid : str_head(jid, (size_t)slash);
}

static int put_subscriptions(struct db *d, const struct db_node_request *r, uint64_t id)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < r->n_subscriptions && rc == SQLITE_OK; i++) {
		const struct store_subscription *s = &r->subscriptions[i];
		enum statement st = s->state.n ? ST_PUT_SUBSCRIPTION : ST_DEL_SUBSCRIPTION;
		db_bind_int(d, st, 1, id);
		db_bind_text(d, st, 2, s->jid);
		db_bind_text(d, st, 3, s->subid);
		if (s->state.n) {
			db_bind_text(d, st, 4, s->state);
			db_bind_text(d, st, 5, s->options);
			db_bind_int(d, st, 6, s->until_us);
			db_bind_text(d, st, 7, bare(s->jid));
		}
		rc = db_run(d, st);
	}
	return rc;
}

/* Whether the owner has more than it may, by now. */
int db_check_node_bounds(struct db *d, struct store_op *op)
{
	const struct store_node_bounds *b = &op->node_request->bounds;
	int rc = find_owner(d, op);

	if (rc != SQLITE_OK)
		return rc;
	db_bind_int(d, ST_NODE_TOTALS, 1, op->number);
	rc = db_each_row(d, op, ST_NODE_TOTALS, take_totals);
	if ((b->nodes && op->node_count > b->nodes) || (b->bytes && op->node_bytes > b->bytes))
		op->status = STORE_FULL;
	return rc;
}

int db_add_node(struct db *d, struct store_op *op, uint64_t *id)
{
	const struct db_node_request *r = op->node_request;
	int rc;

	db_bind_text(d, ST_PUT_OWNER, 1, op->host);
	db_bind_text(d, ST_PUT_OWNER, 2, op->user);
	rc = db_run(d, ST_PUT_OWNER);
	if (rc == SQLITE_OK)
		rc = find_owner(d, op);
	if (rc != SQLITE_OK)
		return rc;
	db_bind_int(d, ST_ADD_NODE, 1, op->number);
	db_bind_text(d, ST_ADD_NODE, 2, r->name);
	db_bind_text(d, ST_ADD_NODE, 3, r->row.title);
	db_bind_text(d, ST_ADD_NODE, 4, r->row.type);
	db_bind_int(d, ST_ADD_NODE, 5, r->row.listed);
	db_bind_int(d, ST_ADD_NODE, 6, r->row.fleeting);
	db_bind_text(d, ST_ADD_NODE, 7, r->row.creator);
	db_bind_int(d, ST_ADD_NODE, 8, r->row.created_us);
	db_bind_text(d, ST_ADD_NODE, 9, r->row.config);
	rc = db_run(d, ST_ADD_NODE);
	if (rc != SQLITE_OK)
		return rc;
	*id = (uint64_t)sqlite3_last_insert_rowid(d->sqlite);
	op->status = STORE_OK;
	return put_affiliations(d, r, *id);
}

static int create_node(struct db *d, struct store_op *op)
{
	uint64_t id = 0;
	int rc = db_find_node(d, op, &id);

	if (rc != SQLITE_OK)
		return rc;
	if (op->status == STORE_OK) {
		op->status = STORE_EXISTS;
		return SQLITE_OK;
	}
	rc = db_add_node(d, op, &id);
	return rc == SQLITE_OK ? db_check_node_bounds(d, op) : rc;
}

static int put_row(struct db *d, const struct db_node_request *r, uint64_t id)
{
	db_bind_int(d, ST_PUT_NODE, 1, id);
	db_bind_text(d, ST_PUT_NODE, 2, r->row.title);
	db_bind_text(d, ST_PUT_NODE, 3, r->row.type);
	db_bind_int(d, ST_PUT_NODE, 4, r->row.listed);
	db_bind_int(d, ST_PUT_NODE, 5, r->row.fleeting);
	db_bind_text(d, ST_PUT_NODE, 6, r->row.config);
	return db_run(d, ST_PUT_NODE);
}

static int save_node(struct db *d, struct store_op *op, uint64_t id)
{
	const struct db_node_request *r = op->node_request;
	int rc = r->has_row ? put_row(d, r, id) : SQLITE_OK;

	if (rc == SQLITE_OK)
		rc = put_affiliations(d, r, id);
	if (rc == SQLITE_OK)
		rc = put_subscriptions(d, r, id);
	return rc == SQLITE_OK ? db_trim_items(d, op, id, r->keep) : rc;
}

/* One that is not there is as good as deleted. */
static int delete_node(struct db *d, struct store_op *op)
{
	uint64_t id = 0;
	int rc = db_find_node(d, op, &id);

	if (rc != SQLITE_OK || op->status != STORE_OK) {
		op->status = STORE_OK;
		return rc;
	}
	db_bind_int(d, ST_DEL_NODE, 1, id);
	return db_run(d, ST_DEL_NODE);
}

static void take_forgotten(struct db *d, struct store_op *op, sqlite3_stmt *st)
{
	const struct store_node node = { .name = db_take_str(op, st, 0),
		.title = db_take_str(op, st, 1) };

	buf_add(&d->rows, str_from((const char *)&node, sizeof node));
}

/* The owners stand in the titles until the rows are there. */
static int forget(struct db *d, struct store_op *op)
{
	static const enum statement deletions[] = { ST_FORGET_AFFILIATIONS, ST_FORGET_SUBSCRIPTIONS };

	op->status = STORE_OK;
	db_bind_text(d, ST_FORGOTTEN, 1, op->jid);
	int rc = db_each_element(d, op, ST_FORGOTTEN, sizeof *op->nodes, take_forgotten,
		(void **)&op->nodes, &op->n_nodes);
	op->users = arena_alloc(&op->mem, op->n_nodes * sizeof *op->users);
	op->n_users = op->n_nodes;
	for (size_t i = 0; i < op->n_nodes; i++) {
		op->users[i] = op->nodes[i].title;
		op->nodes[i].title = STR_NULL;
	}
	for (size_t i = 0; i < 2 && rc == SQLITE_OK; i++) {
		db_bind_text(d, deletions[i], 1, op->jid);
		rc = db_run(d, deletions[i]);
	}
	return rc;
}

int db_write_node(struct db *d, struct store_op *op)
{
	uint64_t id = 0;
	int rc;

	switch (op->kind) {
	case STORE_NODE_CREATE:
		return create_node(d, op);
	case STORE_NODE_DELETE:
		return delete_node(d, op);
	case STORE_NODE_PUBLISH:
		return db_publish_items(d, op);
	case STORE_NODES_FORGET:
		return forget(d, op);
	case STORE_NODES_EXPIRE:
		return db_expire_items(d, op);
	default:
		break;
	}
	rc = db_find_node(d, op, &id);
	if (rc != SQLITE_OK || op->status != STORE_OK)
		return rc;
	switch (op->kind) {
	case STORE_NODE_SAVE:
		return save_node(d, op, id);
	case STORE_NODE_RETRACT:
		return db_retract_items(d, op, id);
	case STORE_NODE_PURGE:
		return db_purge_items(d, op, id);
	default:
		BUG("not a write of nodes");
	}
}
