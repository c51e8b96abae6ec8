/* SQLite connections: opening, statements, errors, the write-ahead log.
 *
 * How it fails. A full disk is STORE_FULL, anything else STORE_FAILED, both logged; SQLite
 * rolls back by itself what it cannot finish, the connection stays in use, and operations
 * succeed again as soon as the disk has room. A lock that somebody else holds (a person with
 * the sqlite3 program) is waited for, BUSY_MS at most. */
#include "store/sqlite.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/sqlite_conn.h"
#include "store/sqlite_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME      "stentor.db"
#define BUSY_MS        10000
#define LOG_EVERY_MS   1000
#define ROWS_BYTES_MAX ((size_t)1 << 28) /* of one array in a result */

/* The log is folded into the database from the first number of pages on, as SQLite itself
 * does. Past the second, readers that come without a pause have kept it from starting anew:
 * then the writer waits a moment for them, once in WAL_PAGES (a person's long SELECT must not
 * hold it up). */
#define WAL_PAGES      1000
#define WAL_PAGES_MOST 16000
#define RESTART_MS     20
#define WAL_BYTES_KEPT "67108864"

enum role { READER = 1, WRITER = 2 };

/* What a list of rooms has of each. */
#define ROOM_COLUMNS "name, title, about, listed, persistent, occupants, created_us, version, " \
	"subject_us"

#define NODE_COLUMNS "name, title, type, listed, fleeting, creator, created_us, items, bytes, " \
	"subscriptions, config, id"
#define ITEM_COLUMNS "number, id, publisher, stamp_us, until_us, payload"

static const struct {
	unsigned roles;
	const char *sql;
} statements[ST_COUNT] = {
	[ST_COMMIT] = { READER | WRITER, "COMMIT" },
	[ST_ROLLBACK] = { READER | WRITER, "ROLLBACK" },
	[ST_FIND_ROOM] = { READER | WRITER, "SELECT id FROM rooms WHERE host = ?1 AND name = ?2" },

	[ST_FIND_OWNER] = { READER | WRITER, "SELECT id FROM node_owners "
		"WHERE host = ?1 AND user = ?2" },
	[ST_FIND_NODE] = { READER | WRITER, "SELECT n.id FROM nodes AS n "
		"JOIN node_owners AS o ON n.owner = o.id "
		"WHERE o.host = ?1 AND o.user = ?2 AND n.name = ?3" },
	[ST_NODE_TOTALS] = { READER | WRITER, "SELECT nodes, bytes FROM node_owners "
		"WHERE id = ?1" },

	[ST_BEGIN_READ] = { READER, "BEGIN" },
	[ST_ACCOUNT] = { READER, "SELECT id, created_us, last_us, last_status, roster_version "
		"FROM accounts WHERE host = ?1 AND user = ?2" },
	[ST_KEYS] = { READER, "SELECT hash, rounds, salt, stored, server "
		"FROM keys WHERE account = ?1" },
	[ST_ITEMS] = { READER, "SELECT jid, name, subscription, ask, approved, version, "
		"(SELECT group_concat(g.name || char(0), '') FROM roster_groups AS g"
		" WHERE g.account = r.account AND g.jid = r.jid) "
		"FROM roster AS r WHERE account = ?1" },
	[ST_PENDING] = { READER, "SELECT jid, stanza FROM pending WHERE account = ?1" },
	[ST_RESIDENT] = { READER, "SELECT space, key, bytes FROM data "
		"WHERE account = ?1 AND space >= 'a' ORDER BY space, key" },
	[ST_GET_DATA] = { READER, "SELECT space, key, bytes FROM data "
		"WHERE account = ?1 AND space = ?2 AND key = ?3" },
	[ST_LIST_DATA] = { READER, "SELECT space, key, bytes FROM data "
		"WHERE account = ?1 AND space = ?2 ORDER BY key" },
	[ST_ACCOUNTS_WITH] = { READER, "SELECT user || '@' || host FROM accounts WHERE id IN "
		"(SELECT account FROM data WHERE space = ?1) ORDER BY host, user" },
	[ST_USERS] = { READER, "SELECT user FROM accounts WHERE host = ?1 AND user > ?2 "
		"ORDER BY user LIMIT ?3" },
	[ST_ROOM] = { READER, "SELECT " ROOM_COLUMNS ", config, subject, key, id FROM rooms "
		"WHERE host = ?1 AND name = ?2" },
	[ST_AFFILIATIONS] = { READER, "SELECT jid, affiliation, role, nick, reason, version "
		"FROM room_affiliations WHERE room = ?1 ORDER BY jid" },
	[ST_ROOM_RESIDENT] = { READER, "SELECT space, key, bytes FROM room_data "
		"WHERE room = ?1 AND space >= 'a' ORDER BY space, key" },
	[ST_GET_ROOM_DATA] = { READER, "SELECT space, key, bytes FROM room_data "
		"WHERE room = ?1 AND space = ?2 AND key = ?3" },
	[ST_ROOMS] = { READER, "SELECT " ROOM_COLUMNS " FROM rooms "
		"WHERE host = ?1 AND name > ?2 ORDER BY name LIMIT ?3" },
	[ST_ROOMS_LISTED] = { READER, "SELECT " ROOM_COLUMNS " FROM rooms "
		"WHERE host = ?1 AND name > ?2 AND listed ORDER BY name LIMIT ?3" },
	[ST_ROOMS_COUNTED] = { READER, "SELECT (SELECT count(*) FROM (SELECT 1 FROM rooms "
		"WHERE host = ?1 AND listed LIMIT ?3)), (SELECT count(*) FROM (SELECT 1 FROM rooms "
		"WHERE host = ?1 AND name <= ?2 AND listed LIMIT ?3))" },
	[ST_ROOMS_BY_NAME] = { READER, "SELECT " ROOM_COLUMNS ", config, folded FROM rooms "
		"WHERE host = ?1 AND name > ?2 AND listed ORDER BY name" },
	/* Two parts of one order: behind a room those with as many occupants, and those with
	 * less. */
	[ST_ROOMS_EQUAL] = { READER, "SELECT " ROOM_COLUMNS ", config, folded FROM rooms "
		"WHERE host = ?1 AND name > ?2 AND occupants = ?3 AND ?3 >= ?4 AND listed "
		"ORDER BY name" },
	[ST_ROOMS_SMALLER] = { READER, "SELECT " ROOM_COLUMNS ", config, folded FROM rooms "
		"WHERE host = ?1 AND occupants < ?3 AND occupants >= ?4 AND listed "
		"ORDER BY occupants DESC, name" },
	[ST_ROOMS_WITH] = { READER, "SELECT name || '@' || host FROM rooms WHERE id IN "
		"(SELECT room FROM room_data WHERE space = ?1) ORDER BY host, name" },
	[ST_ROOMS_OF] = { READER, "SELECT name || '@' || host FROM rooms WHERE id IN "
		"(SELECT room FROM room_affiliations WHERE jid = ?1) ORDER BY host, name" },
	[ST_ROOMS_TEMPORARY] = { READER, "SELECT name || '@' || host FROM rooms "
		"WHERE NOT persistent ORDER BY host, name" },
	[ST_NODE] = { READER, "SELECT " NODE_COLUMNS " FROM nodes "
		"WHERE owner = ?1 AND name = ?2" },
	[ST_NODE_AFFILIATIONS] = { READER, "SELECT jid, affiliation FROM node_affiliations "
		"WHERE node = ?1 ORDER BY jid" },
	[ST_NODE_SUBSCRIPTIONS] = { READER, "SELECT jid, subid, state, options, until_us "
		"FROM node_subscriptions WHERE node = ?1 AND (jid, subid) > (?2, ?3) "
		"ORDER BY jid, subid LIMIT ?4" },
	[ST_NODES] = { READER, "SELECT " NODE_COLUMNS " FROM nodes "
		"WHERE owner = ?1 AND name > ?2 ORDER BY name LIMIT ?3" },
	[ST_NODES_LISTED] = { READER, "SELECT " NODE_COLUMNS " FROM nodes "
		"WHERE owner = ?1 AND name > ?2 AND listed ORDER BY name LIMIT ?3" },
	[ST_NODES_FLEETING] = { READER, "SELECT " NODE_COLUMNS " FROM nodes "
		"WHERE owner = ?1 AND name > ?2 AND fleeting ORDER BY name LIMIT ?3" },
	/* From what he has to the nodes: SQLite would else look at all nodes of the owner, in
	 * their order, and leaves an index alone for a column with a plus before it. */
	[ST_NODES_AFFILIATED] = { READER, "SELECT " NODE_COLUMNS " FROM nodes WHERE +owner = ?1 "
		"AND name > ?3 AND id IN (SELECT node FROM node_affiliations WHERE jid = ?2) "
		"ORDER BY name LIMIT ?4" },
	[ST_NODES_SUBSCRIBED] = { READER, "SELECT " NODE_COLUMNS " FROM nodes WHERE +owner = ?1 "
		"AND name > ?3 AND id IN (SELECT node FROM node_subscriptions WHERE bare = ?2) "
		"ORDER BY name LIMIT ?4" },
	[ST_HIS_AFFILIATIONS] = { READER, "SELECT jid, affiliation FROM node_affiliations "
		"WHERE node = ?1 AND jid = ?2" },
	/* SQLite would else look at all subscriptions of the node, in their order. */
	[ST_HIS_SUBSCRIPTIONS] = { READER, "SELECT jid, subid, state, options, until_us "
		"FROM node_subscriptions INDEXED BY node_subscriptions_by_jid "
		"WHERE bare = ?2 AND node = ?1 ORDER BY jid, subid" },
	[ST_NODE_OWNERS] = { READER, "SELECT CASE user WHEN '' THEN host "
		"ELSE user || '@' || host END FROM node_owners "
		"WHERE (host, user) > (?1, ?2) AND nodes > 0 ORDER BY host, user LIMIT ?3" },
	[ST_ITEM_NAMED] = { READER, "SELECT " ITEM_COLUMNS " FROM node_items "
		"WHERE node = ?1 AND id = ?2 AND (until_us = 0 OR until_us > ?3)" },
	[ST_ITEMS_UP] = { READER, "SELECT " ITEM_COLUMNS " FROM node_items "
		"WHERE node = ?1 AND number > ?2 AND number < ?3 "
		"AND (until_us = 0 OR until_us > ?4) ORDER BY number" },
	[ST_ITEMS_DOWN] = { READER, "SELECT " ITEM_COLUMNS " FROM node_items "
		"WHERE node = ?1 AND number > ?2 AND number < ?3 "
		"AND (until_us = 0 OR until_us > ?4) ORDER BY number DESC" },
	[ST_ITEM_FROM] = { READER, "SELECT number FROM node_items "
		"WHERE node = ?1 AND stamp_us >= ?2 ORDER BY stamp_us, number LIMIT 1" },
	[ST_ITEM_TO] = { READER, "SELECT number FROM node_items "
		"WHERE node = ?1 AND stamp_us <= ?2 ORDER BY stamp_us DESC, number DESC LIMIT 1" },

	[ST_BEGIN_WRITE] = { WRITER, "BEGIN IMMEDIATE" },
	[ST_SAVE] = { WRITER, "SAVEPOINT op" },
	[ST_RELEASE] = { WRITER, "RELEASE op" },
	[ST_UNDO] = { WRITER, "ROLLBACK TO op" },
	[ST_FIND] = { WRITER, "SELECT id FROM accounts WHERE host = ?1 AND user = ?2" },
	[ST_CREATE] = { WRITER, "INSERT INTO accounts (host, user, created_us) "
		"VALUES (?1, ?2, ?3)" },
	[ST_DELETE] = { WRITER, "DELETE FROM accounts WHERE id = ?1" },
	[ST_SET_LAST] = { WRITER, "UPDATE accounts SET last_us = ?2, last_status = ?3 "
		"WHERE id = ?1" },
	[ST_DEL_KEYS] = { WRITER, "DELETE FROM keys WHERE account = ?1" },
	[ST_PUT_KEY] = { WRITER, "INSERT INTO keys (account, hash, rounds, salt, stored, server) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6)" },
	[ST_SET_VERSION] = { WRITER, "UPDATE accounts SET roster_version = ?2 WHERE id = ?1" },
	[ST_PUT_ITEM] = { WRITER, "INSERT INTO roster "
		"(account, jid, name, subscription, ask, approved, version) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET "
		"name = ?3, subscription = ?4, ask = ?5, approved = ?6, version = ?7" },
	[ST_DEL_ITEM] = { WRITER, "DELETE FROM roster WHERE account = ?1 AND jid = ?2" },
	[ST_DEL_GROUPS] = { WRITER, "DELETE FROM roster_groups WHERE account = ?1 AND jid = ?2" },
	[ST_PUT_GROUP] = { WRITER, "INSERT INTO roster_groups (account, jid, name) "
		"VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING" },
	[ST_PUT_PENDING] = { WRITER, "INSERT INTO pending (account, jid, stanza) "
		"VALUES (?1, ?2, ?3) ON CONFLICT (account, jid) DO UPDATE SET stanza = ?3" },
	[ST_DEL_PENDING] = { WRITER, "DELETE FROM pending WHERE account = ?1 AND jid = ?2" },
	[ST_PUT_DATA] = { WRITER, "INSERT INTO data (account, space, key, bytes) "
		"VALUES (?1, ?2, ?3, ?4) ON CONFLICT (account, space, key) DO UPDATE "
		"SET bytes = ?4" },
	[ST_DEL_DATA] = { WRITER, "DELETE FROM data WHERE account = ?1 AND space = ?2 "
		"AND key = ?3" },
	[ST_SPACE_BYTES] = { WRITER, "SELECT coalesce(sum(length(CAST(key AS BLOB)) + "
		"length(bytes)), 0) FROM data WHERE account = ?1 AND space = ?2" },
	[ST_CLEAR_DATA] = { WRITER, "DELETE FROM data WHERE account = ?1 AND space = ?2" },
	[ST_PUT_ROOM] = { WRITER, "INSERT INTO rooms (host, name, title, about, listed, "
		"persistent, occupants, created_us, version, subject_us, folded, config, subject, "
		"key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) "
		"ON CONFLICT (host, name) DO UPDATE SET title = ?3, about = ?4, listed = ?5, "
		"persistent = ?6, occupants = ?7, created_us = ?8, version = ?9, subject_us = ?10, "
		"folded = ?11, config = ?12, subject = ?13, key = ?14" },
	[ST_ROOM_VERSION] = { WRITER, "UPDATE rooms SET version = ?2 "
		"WHERE id = ?1 AND version < ?2" },
	[ST_DEL_ROOM] = { WRITER, "DELETE FROM rooms WHERE id = ?1" },
	[ST_PUT_AFFILIATION] = { WRITER, "INSERT INTO room_affiliations "
		"(room, jid, affiliation, role, nick, reason, version) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET "
		"affiliation = ?3, role = ?4, nick = ?5, reason = ?6, version = ?7" },
	[ST_DEL_AFFILIATION] = { WRITER, "DELETE FROM room_affiliations "
		"WHERE room = ?1 AND jid = ?2" },
	[ST_PUT_ROOM_DATA] = { WRITER, "INSERT INTO room_data (room, space, key, bytes) "
		"VALUES (?1, ?2, ?3, ?4) ON CONFLICT (room, space, key) DO UPDATE "
		"SET bytes = ?4" },
	[ST_DEL_ROOM_DATA] = { WRITER, "DELETE FROM room_data WHERE room = ?1 AND space = ?2 "
		"AND key = ?3" },
	[ST_PUT_OWNER] = { WRITER, "INSERT INTO node_owners (host, user) VALUES (?1, ?2) "
		"ON CONFLICT DO NOTHING" },
	[ST_DEL_OWNER] = { WRITER, "DELETE FROM node_owners WHERE host = ?1 AND user = ?2" },
	[ST_ADD_NODE] = { WRITER, "INSERT INTO nodes (owner, name, title, type, listed, fleeting, "
		"creator, created_us, config) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)" },
	[ST_PUT_NODE] = { WRITER, "UPDATE nodes SET title = ?2, type = ?3, listed = ?4, "
		"fleeting = ?5, config = ?6 WHERE id = ?1" },
	[ST_DEL_NODE] = { WRITER, "DELETE FROM nodes WHERE id = ?1" },
	[ST_PUT_NODE_AFFILIATION] = { WRITER, "INSERT INTO node_affiliations "
		"(node, jid, affiliation) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET "
		"affiliation = ?3" },
	[ST_DEL_NODE_AFFILIATION] = { WRITER, "DELETE FROM node_affiliations "
		"WHERE node = ?1 AND jid = ?2" },
	[ST_PUT_SUBSCRIPTION] = { WRITER, "INSERT INTO node_subscriptions "
		"(node, jid, subid, state, options, until_us, bare) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET "
		"state = ?4, options = ?5, until_us = ?6" },
	[ST_DEL_SUBSCRIPTION] = { WRITER, "DELETE FROM node_subscriptions "
		"WHERE node = ?1 AND jid = ?2 AND subid = ?3" },
	[ST_ADD_NODE_ITEM] = { WRITER, "INSERT INTO node_items "
		"(node, id, publisher, stamp_us, until_us, size, payload) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)" },
	[ST_DEL_NODE_ITEM] = { WRITER, "DELETE FROM node_items WHERE node = ?1 AND id = ?2" },
	[ST_COUNT_ITEMS] = { WRITER, "SELECT items FROM nodes WHERE id = ?1" },
	[ST_TRIM_ITEMS] = { WRITER, "DELETE FROM node_items WHERE number IN "
		"(SELECT number FROM node_items WHERE node = ?1 ORDER BY number LIMIT ?2)" },
	[ST_LAST_ITEM] = { WRITER, "SELECT number FROM node_items WHERE node = ?1 "
		"ORDER BY number DESC LIMIT 1" },
	[ST_PURGE_ITEMS] = { WRITER, "DELETE FROM node_items WHERE number IN "
		"(SELECT number FROM node_items WHERE node = ?1 AND number <= ?2 "
		"ORDER BY number LIMIT ?3)" },
	[ST_EXPIRE_ITEMS] = { WRITER, "DELETE FROM node_items WHERE number IN "
		"(SELECT number FROM node_items WHERE until_us > 0 AND until_us <= ?1 LIMIT ?2)" },
	[ST_EXPIRE_SUBSCRIPTIONS] = { WRITER, "DELETE FROM node_subscriptions "
		"WHERE until_us > 0 AND until_us <= ?1" },
	[ST_FORGOTTEN] = { WRITER, "SELECT n.name, CASE o.user WHEN '' THEN o.host "
		"ELSE o.user || '@' || o.host END FROM nodes AS n "
		"JOIN node_owners AS o ON n.owner = o.id WHERE n.id IN "
		"(SELECT node FROM node_affiliations WHERE jid = ?1 UNION "
		"SELECT node FROM node_subscriptions WHERE bare = ?1) ORDER BY n.name" },
	[ST_FORGET_AFFILIATIONS] = { WRITER, "DELETE FROM node_affiliations WHERE jid = ?1" },
	[ST_FORGET_SUBSCRIPTIONS] = { WRITER, "DELETE FROM node_subscriptions WHERE bare = ?1" },
};

void db_bind_int(struct db *d, enum statement id, int at, uint64_t v)
{
	int rc = sqlite3_bind_int64(d->statements[id], at, (sqlite3_int64)v);

	BUG_ON(rc != SQLITE_OK);
}

/* The bytes need not be copied: they live in the operation until it goes home. One that
 * SQLite finds too big stays unbound, and the row is then refused as NULL. A null slice is
 * empty text, not SQL's NULL. */
void db_bind_text(struct db *d, enum statement id, int at, struct str s)
{
	int rc = sqlite3_bind_text64(d->statements[id], at, s.p ? s.p : "", s.n, SQLITE_STATIC,
		SQLITE_UTF8);

	BUG_ON(rc != SQLITE_OK && rc != SQLITE_TOOBIG);
}

void db_bind_blob(struct db *d, enum statement id, int at, struct str s)
{
	int rc = sqlite3_bind_blob64(d->statements[id], at, s.p ? s.p : "", s.n, SQLITE_STATIC);

	BUG_ON(rc != SQLITE_OK && rc != SQLITE_TOOBIG);
}

int db_run(struct db *d, enum statement id)
{
	sqlite3_stmt *st = d->statements[id];

	/* sqlite3_system_errno() is not told of what befalls a COMMIT. */
	errno = 0;
	int rc = sqlite3_step(st);
	if (rc == SQLITE_DONE || rc == SQLITE_ROW)
		rc = SQLITE_OK;
	d->os_error = rc == SQLITE_OK ? 0 : errno;
	sqlite3_reset(st);
	return rc;
}

/* A quota and a limit on the size of files (EFBIG) are full disks as well. */
enum store_status db_status_of(int rc, int os_error)
{
	if ((rc & 0xff) == SQLITE_FULL)
		return STORE_FULL;
	return (rc & 0xff) == SQLITE_IOERR &&
		(os_error == ENOSPC || os_error == EDQUOT || os_error == EFBIG)
		? STORE_FULL : STORE_FAILED;
}

enum store_status db_failure_as(struct db *d, const char *what, const struct store_op *op, int rc,
	const char *words)
{
	enum store_status status = db_status_of(rc, d->os_error);
	uint64_t now = clock_mono_ms();

	/* The clock is read here, below core, because no loop is near to give the time. */
	if (now < d->quiet_until) {
		d->unlogged++;
		return status;
	}
	log_error(NULL, "store_failed", F_C("doing", what), F_STR("host", op ? op->host : STR("")),
		F_STR("user", op ? op->user : STR("")), F_INT("code", rc),
		F_C("error", words), F_INT("errno", d->os_error),
		F_INT("unlogged", d->unlogged));
	d->quiet_until = now + LOG_EVERY_MS;
	d->unlogged = 0;
	return status;
}

enum store_status db_failure(struct db *d, const char *what, const struct store_op *op, int rc)
{
	return db_failure_as(d, what, op, rc, sqlite3_errmsg(d->sqlite));
}

const char *db_kind_name(enum store_kind kind)
{
	static const char *const names[] = {
		[STORE_KEYS] = "keys", [STORE_LOAD] = "load", [STORE_CREATE] = "create",
		[STORE_DELETE] = "delete", [STORE_SET_KEYS] = "set-keys",
		[STORE_SET_LAST] = "set-last", [STORE_SET_ITEM] = "set-item",
		[STORE_DEL_ITEM] = "del-item", [STORE_SET_PENDING] = "set-pending",
		[STORE_DEL_PENDING] = "del-pending", [STORE_SET_DATA] = "set-data",
		[STORE_CLEAR_DATA] = "clear-data", [STORE_GET_DATA] = "get-data",
		[STORE_LIST_DATA] = "list-data", [STORE_USERS] = "users",
		[STORE_ACCOUNTS_WITH] = "accounts-with",
		[STORE_ROOM_LOAD] = "room-load", [STORE_ROOM_SAVE] = "room-save",
		[STORE_ROOM_CHANGE] = "room-change", [STORE_ROOM_DELETE] = "room-delete",
		[STORE_ROOM_DATA] = "room-data", [STORE_ROOMS] = "rooms",
		[STORE_ROOMS_LISTED] = "rooms-listed", [STORE_ROOMS_WITH] = "rooms-with",
		[STORE_ROOMS_TEMPORARY] = "rooms-temporary", [STORE_ROOMS_OF] = "rooms-of",
		[STORE_ROOMS_SEARCH] = "rooms-search", [STORE_BACKUP] = "backup",
		[STORE_NODES_LOAD] = "nodes-load",
		[STORE_NODE_SUBSCRIPTIONS] = "node-subscriptions",
		[STORE_NODE_ITEMS] = "node-items", [STORE_NODES] = "nodes",
		[STORE_NODES_AFFILIATED] = "nodes-affiliated",
		[STORE_NODES_SUBSCRIBED] = "nodes-subscribed",
		[STORE_NODE_OWNERS] = "node-owners", [STORE_NODE_CREATE] = "node-create",
		[STORE_NODE_SAVE] = "node-save", [STORE_NODE_DELETE] = "node-delete",
		[STORE_NODE_PUBLISH] = "node-publish", [STORE_NODE_RETRACT] = "node-retract",
		[STORE_NODE_PURGE] = "node-purge", [STORE_NODES_FORGET] = "nodes-forget",
		[STORE_NODES_EXPIRE] = "nodes-expire",
	};
	return names[kind];
}

static bool prepare(struct db *d, enum role role, struct arena *a, struct str *error)
{
	for (int i = 0; i < ST_COUNT; i++) {
		if (!(statements[i].roles & role))
			continue;
		if (sqlite3_prepare_v3(d->sqlite, statements[i].sql, -1, SQLITE_PREPARE_PERSISTENT,
			&d->statements[i], NULL) != SQLITE_OK) {
			*error = str_printf(a, "does not have the tables it should: %s",
				sqlite3_errmsg(d->sqlite));
			return false;
		}
	}
	return true;
}

static bool pragmas(struct db *d, const char *sql, struct arena *a, struct str *error)
{
	if (sqlite3_exec(d->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	*error = str_printf(a, "cannot be set up: %s", sqlite3_errmsg(d->sqlite));
	return false;
}

/* Some file systems cannot have the memory that processes share in this mode. */
static bool enter_wal(struct db *d, struct arena *a, struct str *error)
{
	sqlite3_stmt *st;
	bool ok = false;

	if (sqlite3_prepare_v2(d->sqlite, "PRAGMA journal_mode = WAL", -1, &st, NULL) ==
	    SQLITE_OK) {
		ok = sqlite3_step(st) == SQLITE_ROW &&
		     str_eq(str_c((const char *)sqlite3_column_text(st, 0)), STR("wal"));
		sqlite3_finalize(st);
	}
	if (!ok)
		*error = str_printf(a, "cannot have a write-ahead log here: %s",
			sqlite3_errmsg(d->sqlite));
	return ok;
}

static int on_commit(void *ctx, sqlite3 *sqlite, const char *name, int pages)
{
	struct db *d = ctx;

	d->wal_pages = pages;
	return SQLITE_OK;
}

static bool set_up_writer(struct db *d, struct arena *a, struct str *error)
{
	/* A temporary store in memory, because savepoints would else write files elsewhere. */
	if (!schema_check(d->sqlite, &schema_stentor, a, error) ||
	    !enter_wal(d, a, error) ||
	    !pragmas(d, "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
		"PRAGMA secure_delete = ON; PRAGMA journal_size_limit = " WAL_BYTES_KEPT,
		a, error) ||
	    !schema_migrate(d->sqlite, &schema_stentor, a, error) ||
	    !pragmas(d, "PRAGMA foreign_keys = ON", a, error))
		return false;
	sqlite3_wal_hook(d->sqlite, on_commit, d);
	return prepare(d, WRITER, a, error);
}

static struct db *open_path(const char *path, enum role role, struct arena *a, struct str *error)
{
	struct db *d = xcalloc(1, sizeof *d);
	/* No lock of SQLite's own: a connection is used by one thread. */
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
		(role == WRITER ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
	struct str why = STR_NULL;
	bool ok = false;

	d->restart_at = WAL_PAGES_MOST;
	buf_init(&d->rows, ROWS_BYTES_MAX);
	if (sqlite3_open_v2(path, &d->sqlite, flags, NULL) != SQLITE_OK) {
		why = str_printf(a, "cannot be opened: %s", sqlite3_errmsg(d->sqlite));
	} else {
		sqlite3_busy_timeout(d->sqlite, BUSY_MS);
		ok = role == WRITER ? set_up_writer(d, a, &why) : prepare(d, READER, a, &why);
	}
	if (ok)
		return d;
	*error = str_printf(a, "%s %.*s", path, STR_FMT(why));
	db_close(&d);
	return NULL;
}

/* Makes the folder, and its name durable: files made in it are no better kept than it is. */
static bool make_folder(const char *dir, struct arena *a, struct str *error)
{
	if (mkdir(dir, 0700) < 0) {
		if (errno == EEXIST)
			return true;
		*error = str_printf(a, "%s cannot be made: %s", dir, strerror(errno));
		return false;
	}
	int fd = open(str_printf(a, "%s/..", dir).p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;
	if (!ok)
		*error = str_printf(a, "%s cannot be synced: %s", dir, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

struct db *db_open_writer(const char *dir, struct arena *a, struct str *error)
{
	struct str path = str_printf(a, "%s/" FILE_NAME, dir);

	/* Its statistics would take a lock of the whole process at each allocation: without them a
	 * read costs an eighth less. Refused, without harm, once SQLite is in use. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	if (!make_folder(dir, a, error))
		return NULL;
	/* SQLite would let others read it; its -wal and -shm follow the mode of the file. */
	int fd = open(path.p, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		*error = str_printf(a, "%s cannot be opened: %s", path.p, strerror(errno));
		return NULL;
	}
	close(fd);
	return open_path(path.p, WRITER, a, error);
}

struct db *db_open_reader(const char *dir, struct arena *a, struct str *error)
{
	return open_path(str_printf(a, "%s/" FILE_NAME, dir).p, READER, a, error);
}

void db_close(struct db **dp)
{
	struct db *d = *dp;

	for (int i = 0; i < ST_COUNT; i++)
		sqlite3_finalize(d->statements[i]);
	int rc = sqlite3_close(d->sqlite);
	BUG_ON(rc != SQLITE_OK); /* a statement was left behind */
	buf_clear(&d->rows);
	free(d);
	*dp = NULL;
}

void db_checkpoint(struct db *d)
{
	int mode = SQLITE_CHECKPOINT_PASSIVE;

	if (d->wal_pages < WAL_PAGES) {
		d->restart_at = WAL_PAGES_MOST;
		return;
	}
	if (d->wal_pages >= d->restart_at) {
		d->restart_at = d->wal_pages + WAL_PAGES;
		mode = SQLITE_CHECKPOINT_RESTART;
		sqlite3_busy_timeout(d->sqlite, RESTART_MS);
	}
	errno = 0;
	int rc = sqlite3_wal_checkpoint_v2(d->sqlite, NULL, mode, NULL, NULL);
	d->os_error = errno;
	sqlite3_busy_timeout(d->sqlite, BUSY_MS);
	/* Busy: somebody reads or copies; there will be another time. */
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
		db_failure(d, "checkpoint", NULL, rc);
}
