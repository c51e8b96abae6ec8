/* Reads: each in a transaction, so that all its statements see one snapshot. Strings of the
 * result go straight into the operation's arena. */
#include "base/bug.h"
#include "store/sqlite_conn.h"

#define ROWS_BYTES_KEPT (64 * 1024) /* of the buffer between two reads */

struct str db_take_str(struct store_op *op, sqlite3_stmt *st, int at)
{
	/* The bytes of text as of a blob: no copy with a NUL is made on the way. */
	const char *p = sqlite3_column_blob(st, at);
	struct str s = str_from(p, (size_t)sqlite3_column_bytes(st, at));

	op->mail.bytes += (uint32_t)s.n;
	return str_dup(&op->mem, s);
}

uint64_t db_take_int(sqlite3_stmt *st, int at)
{
	return (uint64_t)sqlite3_column_int64(st, at);
}

int db_each_row(struct db *d, struct store_op *op, enum statement id,
	void (*take)(struct db *d, struct store_op *op, sqlite3_stmt *st))
{
	sqlite3_stmt *st = db_statement(d, id);
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		take(d, op, st);
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int db_each_element(struct db *d, struct store_op *op, enum statement id, size_t size,
	void (*take)(struct db *d, struct store_op *op, sqlite3_stmt *st), void **out, size_t *n)
{
	buf_reset(&d->rows);
	int rc = db_each_row(d, op, id, take);
	if (rc == SQLITE_OK && !buf_ok(&d->rows))
		rc = SQLITE_TOOBIG;
	if (rc == SQLITE_OK) {
		*n = d->rows.n / size;
		*out = arena_alloc(&op->mem, d->rows.n);
		if (d->rows.n)
			memcpy(*out, d->rows.p, d->rows.n);
		op->mail.bytes += (uint32_t)d->rows.n;
	}
	if (d->rows.cap > ROWS_BYTES_KEPT)
		buf_clear(&d->rows);
	return rc;
}

static void take_account(struct db *d, struct store_op *op, sqlite3_stmt *st)
{
	struct store_account *acc = &op->account;

	op->number = db_take_int(st, 0);
	op->status = STORE_OK;
	acc->user = op->user;
	acc->created_us = db_take_int(st, 1);
	acc->last_us = db_take_int(st, 2);
	acc->last_status = db_take_str(op, st, 3);
	acc->roster_version = db_take_int(st, 4);
}

static void take_key(struct db *d, struct store_op *op, sqlite3_stmt *st)
{
	uint64_t hash = db_take_int(st, 0);

	if (hash >= STORE_HASHES)
		return;
	struct store_key *key = &op->account.keys[hash];
	key->rounds = (uint32_t)db_take_int(st, 1);
	key->salt = db_take_str(op, st, 2);
	key->stored = db_take_str(op, st, 3);
	key->server = db_take_str(op, st, 4);
}

static void take_item(struct db *d, struct store_op *op, sqlite3_stmt *st)
{
	const struct store_item item = {
		.jid = db_take_str(op, st, 0),
		.name = db_take_str(op, st, 1),
		.subscription = (uint8_t)db_take_int(st, 2),
		.ask = db_take_int(st, 3) != 0,
		.approved = db_take_int(st, 4) != 0,
		.version = db_take_int(st, 5),
		.groups = db_take_str(op, st, 6),
	};

	buf_add(&d->rows, str_from((const char *)&item, sizeof item));
}

static void take_pending(struct db *d, struct store_op *op, sqlite3_stmt *st)
{
	const struct store_pending pending = { db_take_str(op, st, 0), db_take_str(op, st, 1) };

	buf_add(&d->rows, str_from((const char *)&pending, sizeof pending));
}

void db_take_datum(struct db *d, struct store_op *op, sqlite3_stmt *st)
{
	const struct store_datum datum = { db_take_str(op, st, 0), db_take_str(op, st, 1),
		db_take_str(op, st, 2) };

	buf_add(&d->rows, str_from((const char *)&datum, sizeof datum));
}

void db_take_user(struct db *d, struct store_op *op, sqlite3_stmt *st)
{
	const struct str user = db_take_str(op, st, 0);

	buf_add(&d->rows, str_from((const char *)&user, sizeof user));
}

static int read_row(struct db *d, struct store_op *op)
{
	op->status = STORE_NOT_FOUND;
	db_bind_text(d, ST_ACCOUNT, 1, op->host);
	db_bind_text(d, ST_ACCOUNT, 2, op->user);
	return db_each_row(d, op, ST_ACCOUNT, take_account);
}

static int read_keys(struct db *d, struct store_op *op)
{
	int rc = read_row(d, op);

	if (rc != SQLITE_OK || op->status != STORE_OK)
		return rc;
	db_bind_int(d, ST_KEYS, 1, op->number);
	return db_each_row(d, op, ST_KEYS, take_key);
}

/* Entries of the account's data; what else the statement needs has been bound. */
static int read_entries(struct db *d, struct store_op *op, enum statement id)
{
	db_bind_int(d, id, 1, op->number);
	return db_each_element(d, op, id, sizeof *op->account.data, db_take_datum,
		(void **)&op->account.data, &op->account.n_data);
}

static int read_data(struct db *d, struct store_op *op)
{
	enum statement id = op->kind == STORE_GET_DATA ? ST_GET_DATA : ST_LIST_DATA;
	int rc = read_row(d, op);

	if (rc != SQLITE_OK || op->status != STORE_OK)
		return rc;
	db_bind_text(d, id, 2, op->space);
	if (id == ST_GET_DATA)
		db_bind_text(d, id, 3, op->bytes);
	return read_entries(d, op, id);
}

static int read_account(struct db *d, struct store_op *op)
{
	struct store_account *acc = &op->account;
	int rc = read_keys(d, op);

	if (rc != SQLITE_OK || op->status != STORE_OK)
		return rc;
	db_bind_int(d, ST_ITEMS, 1, op->number);
	rc = db_each_element(d, op, ST_ITEMS, sizeof *acc->items, take_item, (void **)&acc->items,
		&acc->n_items);
	if (rc != SQLITE_OK)
		return rc;
	db_bind_int(d, ST_PENDING, 1, op->number);
	rc = db_each_element(d, op, ST_PENDING, sizeof *acc->pending, take_pending,
		(void **)&acc->pending, &acc->n_pending);
	return rc == SQLITE_OK ? read_entries(d, op, ST_RESIDENT) : rc;
}

static int read_users(struct db *d, struct store_op *op)
{
	op->status = STORE_OK;
	db_bind_text(d, ST_USERS, 1, op->host);
	db_bind_text(d, ST_USERS, 2, op->user);
	db_bind_int(d, ST_USERS, 3, op->number);
	return db_each_element(d, op, ST_USERS, sizeof *op->users, db_take_user,
		(void **)&op->users, &op->n_users);
}

static int read_accounts_with(struct db *d, struct store_op *op)
{
	op->status = STORE_OK;
	db_bind_text(d, ST_ACCOUNTS_WITH, 1, op->space);
	return db_each_element(d, op, ST_ACCOUNTS_WITH, sizeof *op->users, db_take_user,
		(void **)&op->users, &op->n_users);
}

static int read_kind(struct db *d, struct store_op *op, bool *more)
{
	switch (op->kind) {
	case STORE_KEYS:
		return read_keys(d, op);
	case STORE_LOAD:
		return read_account(d, op);
	case STORE_GET_DATA:
	case STORE_LIST_DATA:
		return read_data(d, op);
	case STORE_USERS:
		return read_users(d, op);
	case STORE_ACCOUNTS_WITH:
		return read_accounts_with(d, op);
	case STORE_ROOM_LOAD:
	case STORE_ROOM_DATA:
	case STORE_ROOMS:
	case STORE_ROOMS_LISTED:
	case STORE_ROOMS_WITH:
	case STORE_ROOMS_OF:
	case STORE_ROOMS_TEMPORARY:
		return db_read_room(d, op);
	case STORE_ROOMS_SEARCH:
		return db_search_rooms(d, op, more);
	case STORE_NODES_LOAD:
	case STORE_NODE_SUBSCRIPTIONS:
	case STORE_NODE_ITEMS:
	case STORE_NODES:
	case STORE_NODES_AFFILIATED:
	case STORE_NODES_SUBSCRIBED:
	case STORE_NODE_OWNERS:
		return db_read_node(d, op);
	default:
		BUG("not a read");
	}
}

bool db_read(struct db *d, struct store_op *op)
{
	int rc = db_run(d, ST_BEGIN_READ);
	bool more = false;

	if (rc == SQLITE_OK)
		rc = read_kind(d, op, &more);
	if (rc != SQLITE_OK)
		op->status = db_failure(d, db_kind_name(op->kind), op, rc);
	if (!sqlite3_get_autocommit(d->sqlite))
		db_run(d, ST_COMMIT);
	return more;
}
