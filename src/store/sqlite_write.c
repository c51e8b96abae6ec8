/* Writes: a group is one transaction, an operation in it one savepoint. */
#include "base/bug.h"
#include "store/sqlite_conn.h"

int db_find(struct db *d, enum statement id, const struct store_op *op, uint64_t *row)
{
	sqlite3_stmt *st = db_statement(d, id);

	db_bind_text(d, id, 1, op->host);
	db_bind_text(d, id, 2, op->user);
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*row = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* A hash without rounds is one that the account has no keys of. */
static int put_keys(struct db *d, const struct store_op *op, uint64_t id)
{
	for (unsigned i = 0; i < STORE_HASHES; i++) {
		const struct store_key *key = &op->account.keys[i];

		if (!key->rounds)
			continue;
		db_bind_int(d, ST_PUT_KEY, 1, id);
		db_bind_int(d, ST_PUT_KEY, 2, i);
		db_bind_int(d, ST_PUT_KEY, 3, key->rounds);
		db_bind_blob(d, ST_PUT_KEY, 4, key->salt);
		db_bind_blob(d, ST_PUT_KEY, 5, key->stored);
		db_bind_blob(d, ST_PUT_KEY, 6, key->server);
		int rc = db_run(d, ST_PUT_KEY);
		if (rc != SQLITE_OK)
			return rc;
	}
	return SQLITE_OK;
}

static int create_account(struct db *d, const struct store_op *op)
{
	db_bind_text(d, ST_CREATE, 1, op->host);
	db_bind_text(d, ST_CREATE, 2, op->user);
	db_bind_int(d, ST_CREATE, 3, op->account.created_us);
	int rc = db_run(d, ST_CREATE);
	if (rc != SQLITE_OK)
		return rc;
	return put_keys(d, op, (uint64_t)sqlite3_last_insert_rowid(d->sqlite));
}

static int set_keys(struct db *d, const struct store_op *op, uint64_t id)
{
	db_bind_int(d, ST_DEL_KEYS, 1, id);
	int rc = db_run(d, ST_DEL_KEYS);
	return rc == SQLITE_OK ? put_keys(d, op, id) : rc;
}

static int set_last(struct db *d, const struct store_op *op, uint64_t id)
{
	db_bind_int(d, ST_SET_LAST, 1, id);
	db_bind_int(d, ST_SET_LAST, 2, op->account.last_us);
	db_bind_text(d, ST_SET_LAST, 3, op->account.last_status);
	return db_run(d, ST_SET_LAST);
}

static int set_version(struct db *d, uint64_t id, uint64_t version)
{
	db_bind_int(d, ST_SET_VERSION, 1, id);
	db_bind_int(d, ST_SET_VERSION, 2, version);
	return db_run(d, ST_SET_VERSION);
}

/* A statement whose two parameters are the account and a JID. */
static int run_for_jid(struct db *d, enum statement statement, uint64_t id, struct str jid)
{
	db_bind_int(d, statement, 1, id);
	db_bind_text(d, statement, 2, jid);
	return db_run(d, statement);
}

static int put_groups(struct db *d, const struct store_item *item, uint64_t id)
{
	struct str rest = item->groups;
	int rc = SQLITE_OK;

	while (rest.n && rc == SQLITE_OK) {
		ptrdiff_t end = str_find(rest, '\0');
		BUG_ON(end < 0);
		db_bind_text(d, ST_PUT_GROUP, 3, str_head(rest, (size_t)end));
		rc = run_for_jid(d, ST_PUT_GROUP, id, item->jid);
		rest = str_skip(rest, (size_t)end + 1);
	}
	return rc;
}

static int set_item(struct db *d, const struct store_op *op, uint64_t id)
{
	const struct store_item *item = &op->item;
	int rc = set_version(d, id, item->version);

	if (rc != SQLITE_OK)
		return rc;
	db_bind_text(d, ST_PUT_ITEM, 3, item->name);
	db_bind_int(d, ST_PUT_ITEM, 4, item->subscription);
	db_bind_int(d, ST_PUT_ITEM, 5, item->ask);
	db_bind_int(d, ST_PUT_ITEM, 6, item->approved);
	db_bind_int(d, ST_PUT_ITEM, 7, item->version);
	rc = run_for_jid(d, ST_PUT_ITEM, id, item->jid);
	if (rc == SQLITE_OK)
		rc = run_for_jid(d, ST_DEL_GROUPS, id, item->jid);
	return rc == SQLITE_OK ? put_groups(d, item, id) : rc;
}

static int del_item(struct db *d, const struct store_op *op, uint64_t id)
{
	int rc = set_version(d, id, op->number);

	return rc == SQLITE_OK ? run_for_jid(d, ST_DEL_ITEM, id, op->jid) : rc;
}

static int set_pending(struct db *d, const struct store_op *op, uint64_t id)
{
	db_bind_text(d, ST_PUT_PENDING, 3, op->bytes);
	return run_for_jid(d, ST_PUT_PENDING, id, op->jid);
}

/* What a space holds, by now. */
static int space_bytes(struct db *d, struct str space, uint64_t id, uint64_t *bytes)
{
	sqlite3_stmt *st = db_statement(d, ST_SPACE_BYTES);

	db_bind_int(d, ST_SPACE_BYTES, 1, id);
	db_bind_text(d, ST_SPACE_BYTES, 2, space);
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*bytes = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int db_put_data(struct db *d, enum statement put, enum statement del, uint64_t owner,
	const struct store_datum *changes, size_t n)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < n && rc == SQLITE_OK; i++) {
		enum statement st = changes[i].bytes.n ? put : del;

		db_bind_int(d, st, 1, owner);
		db_bind_text(d, st, 2, changes[i].space);
		db_bind_text(d, st, 3, changes[i].key);
		if (st == put)
			db_bind_blob(d, st, 4, changes[i].bytes);
		rc = db_run(d, st);
	}
	return rc;
}

static int set_data(struct db *d, struct store_op *op, uint64_t id)
{
	int rc = db_put_data(d, ST_PUT_DATA, ST_DEL_DATA, id, op->account.data,
		op->account.n_data);

	if (rc != SQLITE_OK || op->number == UINT64_MAX || !op->account.n_data)
		return rc;
	uint64_t bytes = 0;
	rc = space_bytes(d, op->account.data[0].space, id, &bytes);
	if (rc == SQLITE_OK && bytes > op->number)
		op->status = STORE_FULL;
	return rc;
}

static int clear_data(struct db *d, const struct store_op *op, uint64_t id)
{
	db_bind_int(d, ST_CLEAR_DATA, 1, id);
	db_bind_text(d, ST_CLEAR_DATA, 2, op->space);
	return db_run(d, ST_CLEAR_DATA);
}

/* With its nodes, which are not of the account's row. */
static int delete_account(struct db *d, const struct store_op *op, uint64_t id)
{
	db_bind_int(d, ST_DELETE, 1, id);
	int rc = db_run(d, ST_DELETE);
	if (rc != SQLITE_OK)
		return rc;
	db_bind_text(d, ST_DEL_OWNER, 1, op->host);
	db_bind_text(d, ST_DEL_OWNER, 2, op->user);
	return db_run(d, ST_DEL_OWNER);
}

/* What the operation does to account `id`. */
static int change(struct db *d, struct store_op *op, uint64_t id)
{
	switch (op->kind) {
	case STORE_DELETE:
		return delete_account(d, op, id);
	case STORE_SET_KEYS:
		return set_keys(d, op, id);
	case STORE_SET_LAST:
		return set_last(d, op, id);
	case STORE_SET_ITEM:
		return set_item(d, op, id);
	case STORE_DEL_ITEM:
		return del_item(d, op, id);
	case STORE_SET_PENDING:
		return set_pending(d, op, id);
	case STORE_DEL_PENDING:
		return run_for_jid(d, ST_DEL_PENDING, id, op->jid);
	case STORE_SET_DATA:
		return set_data(d, op, id);
	case STORE_CLEAR_DATA:
		return clear_data(d, op, id);
	case STORE_CREATE:
	case STORE_KEYS:
	case STORE_LOAD:
	case STORE_GET_DATA:
	case STORE_LIST_DATA:
	case STORE_USERS:
	case STORE_ACCOUNTS_WITH:
	case STORE_ROOM_LOAD:
	case STORE_ROOM_SAVE:
	case STORE_ROOM_CHANGE:
	case STORE_ROOM_DELETE:
	case STORE_ROOM_DATA:
	case STORE_ROOMS:
	case STORE_ROOMS_LISTED:
	case STORE_ROOMS_WITH:
	case STORE_ROOMS_OF:
	case STORE_ROOMS_TEMPORARY:
	case STORE_ROOMS_SEARCH:
	case STORE_NODES_LOAD:
	case STORE_NODE_SUBSCRIPTIONS:
	case STORE_NODE_ITEMS:
	case STORE_NODES:
	case STORE_NODES_AFFILIATED:
	case STORE_NODES_SUBSCRIBED:
	case STORE_NODE_OWNERS:
	case STORE_NODE_CREATE:
	case STORE_NODE_SAVE:
	case STORE_NODE_DELETE:
	case STORE_NODE_PUBLISH:
	case STORE_NODE_RETRACT:
	case STORE_NODE_PURGE:
	case STORE_NODES_FORGET:
	case STORE_NODES_EXPIRE:
	case STORE_BACKUP:
		break;
	}
	BUG("not a change of an account");
}

static int write_account(struct db *d, struct store_op *op)
{
	uint64_t id = 0;
	int rc = db_find(d, ST_FIND, op, &id);

	if (rc != SQLITE_OK && rc != SQLITE_DONE)
		return rc;
	bool found = rc == SQLITE_OK;
	if (op->kind == STORE_CREATE) {
		op->status = found ? STORE_EXISTS : STORE_OK;
		return found ? SQLITE_OK : create_account(d, op);
	}
	op->status = found ? STORE_OK : STORE_NOT_FOUND;
	return found ? change(d, op, id) : SQLITE_OK;
}

/* Not SQLITE_OK, or STORE_FULL as the status: what has been done is to be undone. */
static int apply(struct db *d, struct store_op *op)
{
	switch (op->kind) {
	case STORE_ROOM_SAVE:
	case STORE_ROOM_CHANGE:
	case STORE_ROOM_DELETE:
		return db_write_room(d, op);
	case STORE_NODE_CREATE:
	case STORE_NODE_SAVE:
	case STORE_NODE_DELETE:
	case STORE_NODE_PUBLISH:
	case STORE_NODE_RETRACT:
	case STORE_NODE_PURGE:
	case STORE_NODES_FORGET:
	case STORE_NODES_EXPIRE:
		return db_write_node(d, op);
	default:
		return write_account(d, op);
	}
}

/* A statement about the transaction itself; what it meets befalls the whole group. */
static enum store_status run_for_group(struct db *d, enum statement statement, const char *what)
{
	int rc = db_run(d, statement);

	return rc == SQLITE_OK ? STORE_OK : db_failure(d, what, NULL, rc);
}

/* One operation of a group. Not STORE_OK only when the transaction is gone with it; SQLite
 * ends it so where it cannot undo a part (full disk, I/O error). */
static enum store_status write_one(struct db *d, struct store_op *op)
{
	enum store_status status = run_for_group(d, ST_SAVE, "savepoint");

	if (status != STORE_OK)
		return status;
	int rc = apply(d, op);
	if (rc == SQLITE_OK && op->status != STORE_FULL)
		return run_for_group(d, ST_RELEASE, "release");
	if (rc != SQLITE_OK)
		op->status = db_failure(d, db_kind_name(op->kind), op, rc);
	if (sqlite3_get_autocommit(d->sqlite))
		return op->status;
	status = run_for_group(d, ST_UNDO, "undo");
	return status == STORE_OK ? run_for_group(d, ST_RELEASE, "release") : status;
}

bool db_write(struct db *d, struct store_op *group)
{
	enum store_status status = run_for_group(d, ST_BEGIN_WRITE, "begin");

	for (struct store_op *op = group; op && status == STORE_OK; op = op->next)
		status = write_one(d, op);
	if (status == STORE_OK)
		status = run_for_group(d, ST_COMMIT, "commit");
	if (status == STORE_OK)
		return true;
	for (struct store_op *op = group; op; op = op->next)
		op->status = status;
	if (!sqlite3_get_autocommit(d->sqlite))
		db_run(d, ST_ROLLBACK);
	return false;
}
