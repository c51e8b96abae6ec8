/* Inside the SQLite driver: what its files share. */
#ifndef STORE_SQLITE_CONN_H
#define STORE_SQLITE_CONN_H

#include "base/buf.h"
#include "store/sqlite.h"

#include <sqlite3.h>

/* Every statement there is; sqlite.c has their text. Those of the other role are not
 * prepared. */
enum statement {
	/* of both roles */
	ST_COMMIT, ST_ROLLBACK, ST_FIND_ROOM, ST_FIND_OWNER, ST_FIND_NODE, ST_NODE_TOTALS,
	/* of readers */
	ST_BEGIN_READ, ST_ACCOUNT, ST_KEYS, ST_ITEMS, ST_PENDING, ST_RESIDENT, ST_GET_DATA,
	ST_LIST_DATA, ST_USERS, ST_ACCOUNTS_WITH, ST_ROOM, ST_AFFILIATIONS, ST_ROOM_RESIDENT,
	ST_GET_ROOM_DATA, ST_ROOMS, ST_ROOMS_LISTED, ST_ROOMS_COUNTED, ST_ROOMS_BY_NAME,
	ST_ROOMS_EQUAL, ST_ROOMS_SMALLER, ST_ROOMS_WITH, ST_ROOMS_OF,
	ST_ROOMS_TEMPORARY, ST_NODE, ST_NODE_AFFILIATIONS, ST_NODE_SUBSCRIPTIONS, ST_NODES,
	ST_NODES_LISTED, ST_NODES_FLEETING, ST_NODES_AFFILIATED, ST_NODES_SUBSCRIBED,
	ST_HIS_AFFILIATIONS, ST_HIS_SUBSCRIPTIONS, ST_NODE_OWNERS, ST_ITEM_NAMED, ST_ITEMS_UP,
	ST_ITEMS_DOWN, ST_ITEM_FROM, ST_ITEM_TO,
	/* of the writer */
	ST_BEGIN_WRITE, ST_SAVE, ST_RELEASE, ST_UNDO, ST_FIND, ST_CREATE, ST_DELETE, ST_SET_LAST,
	ST_DEL_KEYS, ST_PUT_KEY, ST_SET_VERSION, ST_PUT_ITEM, ST_DEL_ITEM, ST_DEL_GROUPS,
	ST_PUT_GROUP, ST_PUT_PENDING, ST_DEL_PENDING, ST_PUT_DATA, ST_DEL_DATA, ST_CLEAR_DATA,
	ST_SPACE_BYTES, ST_PUT_ROOM, ST_ROOM_VERSION, ST_DEL_ROOM,
	ST_PUT_AFFILIATION, ST_DEL_AFFILIATION, ST_PUT_ROOM_DATA, ST_DEL_ROOM_DATA,
	ST_PUT_OWNER, ST_DEL_OWNER, ST_ADD_NODE, ST_PUT_NODE, ST_DEL_NODE, ST_PUT_NODE_AFFILIATION,
	ST_DEL_NODE_AFFILIATION, ST_PUT_SUBSCRIPTION, ST_DEL_SUBSCRIPTION, ST_ADD_NODE_ITEM,
	ST_DEL_NODE_ITEM, ST_COUNT_ITEMS, ST_TRIM_ITEMS, ST_LAST_ITEM, ST_PURGE_ITEMS,
	ST_EXPIRE_ITEMS, ST_EXPIRE_SUBSCRIPTIONS, ST_FORGOTTEN, ST_FORGET_AFFILIATIONS,
	ST_FORGET_SUBSCRIPTIONS,
	ST_COUNT
};

struct db {
	sqlite3 *sqlite;
	sqlite3_stmt *statements[ST_COUNT];
	struct buf rows;        /* of a reader: the rows of an array until their number is known */
	int wal_pages;          /* of the writer: in the log after the last commit */
	int restart_at;         /* so many pages of it make the writer wait for readers */
	int os_error;           /* errno when the last statement of db_run() failed, or 0 */
	uint64_t quiet_until;   /* monotonic ms; no line in the log before */
	unsigned unlogged;      /* failures since the last line */
};

/* The statement, ready to be bound. */
static inline sqlite3_stmt *db_statement(struct db *d, enum statement id)
{
	return d->statements[id];
}

void db_bind_int(struct db *d, enum statement id, int at, uint64_t v);
void db_bind_text(struct db *d, enum statement id, int at, struct str s);
void db_bind_blob(struct db *d, enum statement id, int at, struct str s);

/* Runs a statement whose rows do not matter to its end. SQLITE_OK or the error. */
int db_run(struct db *d, enum statement id);

/* The row whose host and localpart are the operation's, found by statement `id`, in *row.
 * SQLITE_DONE when there is none. */
int db_find(struct db *d, enum statement id, const struct store_op *op, uint64_t *row);

/* Puts or deletes (those without bytes) entries of what an account or a room, which is row
 * `owner`, has in its data. */
int db_put_data(struct db *d, enum statement put, enum statement del, uint64_t owner,
	const struct store_datum *changes, size_t n);

/* A column of the row that a statement is at; the bytes go into the operation's arena. */
struct str db_take_str(struct store_op *op, sqlite3_stmt *st, int at);
uint64_t db_take_int(sqlite3_stmt *st, int at);

/* Calls take() for each row of a statement that has been bound. */
int db_each_row(struct db *d, struct store_op *op, enum statement id,
	void (*take)(struct db *d, struct store_op *op, sqlite3_stmt *st));

/* The same where the rows become an array in the operation's arena: take() adds an element
 * of `size` bytes to d->rows. */
int db_each_element(struct db *d, struct store_op *op, enum statement id, size_t size,
	void (*take)(struct db *d, struct store_op *op, sqlite3_stmt *st), void **out, size_t *n);

/* Such a take(): an element of store_op.account.data, or one of store_op.users. */
void db_take_datum(struct db *d, struct store_op *op, sqlite3_stmt *st);
void db_take_user(struct db *d, struct store_op *op, sqlite3_stmt *st);

/* Reads and writes of rooms, inside the transaction. */
int db_read_room(struct db *d, struct store_op *op);
int db_write_room(struct db *d, struct store_op *op);

/* Looks at some rooms for a search. *more: there are more to look at. */
int db_search_rooms(struct db *d, struct store_op *op, bool *more);

/* Reads and writes of nodes, likewise: sqlite_nodes.c, and sqlite_items.c for their items. */
int db_read_node(struct db *d, struct store_op *op);
int db_write_node(struct db *d, struct store_op *op);

/* The row of the node that an operation names, by its status: STORE_OK, STORE_NOT_FOUND. Read
 * whole: op->node, and its row in op->number. */
int db_find_node(struct db *d, struct store_op *op, uint64_t *id);
int db_read_node_row(struct db *d, struct store_op *op);

/* Makes the node of the request. And whether its owner has more than it may: STORE_FULL. */
int db_add_node(struct db *d, struct store_op *op, uint64_t *id);
int db_check_node_bounds(struct db *d, struct store_op *op);

int db_read_items(struct db *d, struct store_op *op);
int db_publish_items(struct db *d, struct store_op *op);
int db_retract_items(struct db *d, struct store_op *op, uint64_t node);
int db_expire_items(struct db *d, struct store_op *op);

int db_purge_items(struct db *d, struct store_op *op, uint64_t node);

/* Deletes the oldest items of a node until it has `keep`, or STORE_NODE_STEP of them. */
int db_trim_items(struct db *d, struct store_op *op, uint64_t node, uint64_t keep);

/* The status of an operation that met error rc just now, and a line in the log. `what` is
 * what the connection was doing; op may be NULL. */
enum store_status db_failure(struct db *d, const char *what, const struct store_op *op, int rc);

/* The same with what is to be logged instead of the words of the connection. */
enum store_status db_failure_as(struct db *d, const char *what, const struct store_op *op, int rc,
	const char *words);

/* What an error is for who asked; os_error: errno when it happened. */
enum store_status db_status_of(int rc, int os_error);

/* Words for the log. */
const char *db_kind_name(enum store_kind kind);

#endif
