#include "store/sqlite_schema.h"

/* Group names have a table of their own, though one text per item would be written and read
 * a little faster: an item changes when a person edits a contact, and an administrator can
 * ask the table who is in a group, which nobody can ask a packed text.
 *
 * Tables that are read as ranges of one account or room are clustered by it (WITHOUT ROWID). Not
 * those whose rows carry whole stanzas and more: such rows make wide trees. What is long in a row
 * of `rooms` stands last, so that lists and searches need not follow the row over its pages.
 *
 * The text is kept in the database as it stands here, line by line, and shown by `.schema`. */
static const char *const steps[] = {
	"CREATE TABLE accounts (\n"
	"  id             INTEGER PRIMARY KEY,\n"
	"  host           TEXT NOT NULL,\n"
	"  user           TEXT NOT NULL,\n"
	"  created_us     INTEGER NOT NULL,\n"
	"  last_us        INTEGER NOT NULL DEFAULT 0,\n"
	"  last_status    TEXT NOT NULL DEFAULT '',\n"
	"  roster_version INTEGER NOT NULL DEFAULT 0,\n"
	"  UNIQUE (host, user)\n"
	") STRICT;"
	"CREATE TABLE keys (\n"
	"  account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,\n"
	"  hash    INTEGER NOT NULL,\n"
	"  rounds  INTEGER NOT NULL,\n"
	"  salt    BLOB NOT NULL,\n"
	"  stored  BLOB NOT NULL,\n"
	"  server  BLOB NOT NULL,\n"
	"  PRIMARY KEY (account, hash)\n"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE roster (\n"
	"  account      INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,\n"
	"  jid          TEXT NOT NULL,\n"
	"  name         TEXT NOT NULL,\n"
	"  subscription INTEGER NOT NULL,\n"
	"  ask          INTEGER NOT NULL,\n"
	"  approved     INTEGER NOT NULL,\n"
	"  version      INTEGER NOT NULL,\n"
	"  PRIMARY KEY (account, jid)\n"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE roster_groups (\n"
	"  account INTEGER NOT NULL,\n"
	"  jid     TEXT NOT NULL,\n"
	"  name    TEXT NOT NULL,\n"
	"  PRIMARY KEY (account, jid, name),\n"
	"  FOREIGN KEY (account, jid) REFERENCES roster ON DELETE CASCADE\n"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE pending (\n"
	"  id      INTEGER PRIMARY KEY,\n"
	"  account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,\n"
	"  jid     TEXT NOT NULL,\n"
	"  stanza  TEXT NOT NULL,\n"
	"  UNIQUE (account, jid)\n"
	") STRICT;",
	"CREATE TABLE data (\n"
	"  id      INTEGER PRIMARY KEY,\n"
	"  account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,\n"
	"  space   TEXT NOT NULL,\n"
	"  key     TEXT NOT NULL,\n"
	"  bytes   BLOB NOT NULL,\n"
	"  UNIQUE (account, space, key)\n"
	") STRICT;",
	"CREATE TABLE rooms (\n"
	"  id         INTEGER PRIMARY KEY,\n"
	"  host       TEXT NOT NULL,\n"
	"  name       TEXT NOT NULL,\n"
	"  title      TEXT NOT NULL,\n"
	"  about      TEXT NOT NULL,\n"
	"  listed     INTEGER NOT NULL,\n"
	"  persistent INTEGER NOT NULL,\n"
	"  occupants  INTEGER NOT NULL,\n"
	"  created_us INTEGER NOT NULL,\n"
	"  version    INTEGER NOT NULL,\n"
	"  subject_us INTEGER NOT NULL,\n"
	"  folded     TEXT NOT NULL,\n"
	"  config     TEXT NOT NULL,\n"
	"  subject    TEXT NOT NULL,\n"
	"  key        BLOB NOT NULL,\n"
	"  UNIQUE (host, name)\n"
	") STRICT;"
	/* With the column of the condition, though it is the same in all entries: SQLite would
	 * else look it up in the table (3.40). */
	"CREATE INDEX rooms_listed ON rooms (host, name, listed) WHERE listed;"
	"CREATE INDEX rooms_by_occupants ON rooms (host, occupants DESC, name) WHERE listed;"
	"CREATE INDEX rooms_temporary ON rooms (host, name, persistent) WHERE NOT persistent;"
	"CREATE TABLE room_affiliations (\n"
	"  room        INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,\n"
	"  jid         TEXT NOT NULL,\n"
	"  affiliation TEXT NOT NULL,\n"
	"  role        TEXT NOT NULL,\n"
	"  nick        TEXT NOT NULL,\n"
	"  reason      TEXT NOT NULL,\n"
	"  version     INTEGER NOT NULL,\n"
	"  PRIMARY KEY (room, jid)\n"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX room_affiliations_by_jid ON room_affiliations (jid);"
	"CREATE TABLE room_data (\n"
	"  id    INTEGER PRIMARY KEY,\n"
	"  room  INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,\n"
	"  space TEXT NOT NULL,\n"
	"  key   TEXT NOT NULL,\n"
	"  bytes BLOB NOT NULL,\n"
	"  UNIQUE (room, space, key)\n"
	") STRICT;"
	"CREATE INDEX room_data_by_space ON room_data (space, room);",
	"CREATE TABLE node_owners (\n"
	"  id    INTEGER PRIMARY KEY,\n"
	"  host  TEXT NOT NULL,\n"
	"  user  TEXT NOT NULL,\n"
	"  nodes INTEGER NOT NULL DEFAULT 0,\n"
	"  bytes INTEGER NOT NULL DEFAULT 0,\n"
	"  UNIQUE (host, user)\n"
	") STRICT;"
	"CREATE TABLE nodes (\n"
	"  id            INTEGER PRIMARY KEY,\n"
	"  owner         INTEGER NOT NULL REFERENCES node_owners ON DELETE CASCADE,\n"
	"  name          TEXT NOT NULL,\n"
	"  title         TEXT NOT NULL,\n"
	"  type          TEXT NOT NULL,\n"
	"  listed        INTEGER NOT NULL,\n"
	"  fleeting      INTEGER NOT NULL,\n"
	"  creator       TEXT NOT NULL,\n"
	"  created_us    INTEGER NOT NULL,\n"
	"  items         INTEGER NOT NULL DEFAULT 0,\n"
	"  bytes         INTEGER NOT NULL DEFAULT 0,\n"
	"  subscriptions INTEGER NOT NULL DEFAULT 0,\n"
	"  config        TEXT NOT NULL,\n"
	"  UNIQUE (owner, name)\n"
	") STRICT;"
	"CREATE INDEX nodes_listed ON nodes (owner, name, listed) WHERE listed;"
	"CREATE INDEX nodes_fleeting ON nodes (owner, name, fleeting) WHERE fleeting;"
	"CREATE TABLE node_affiliations (\n"
	"  node        INTEGER NOT NULL REFERENCES nodes ON DELETE CASCADE,\n"
	"  jid         TEXT NOT NULL,\n"
	"  affiliation TEXT NOT NULL,\n"
	"  PRIMARY KEY (node, jid)\n"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX node_affiliations_by_jid ON node_affiliations (jid);"
	"CREATE TABLE node_subscriptions (\n"
	"  node     INTEGER NOT NULL REFERENCES nodes ON DELETE CASCADE,\n"
	"  jid      TEXT NOT NULL,\n"
	"  subid    TEXT NOT NULL,\n"
	"  state    TEXT NOT NULL,\n"
	"  options  TEXT NOT NULL,\n"
	"  until_us INTEGER NOT NULL,\n"
	"  bare     TEXT NOT NULL,\n"
	"  PRIMARY KEY (node, jid, subid)\n"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX node_subscriptions_by_jid ON node_subscriptions (bare, node);"
	"CREATE INDEX node_subscriptions_that_end ON node_subscriptions (until_us) "
	"WHERE until_us > 0;"
	/* Numbers are never used again: who pages by them must not meet another item. */
	"CREATE TABLE node_items (\n"
	"  number    INTEGER PRIMARY KEY AUTOINCREMENT,\n"
	"  node      INTEGER NOT NULL REFERENCES nodes ON DELETE CASCADE,\n"
	"  id        TEXT NOT NULL,\n"
	"  publisher TEXT NOT NULL,\n"
	"  stamp_us  INTEGER NOT NULL,\n"
	"  until_us  INTEGER NOT NULL,\n"
	"  size      INTEGER NOT NULL,\n"
	"  payload   BLOB NOT NULL,\n"
	"  UNIQUE (node, id)\n"
	") STRICT;"
	/* Behind the columns of an index stands the number. */
	"CREATE INDEX node_items_in_order ON node_items (node);"
	"CREATE INDEX node_items_by_time ON node_items (node, stamp_us);"
	"CREATE INDEX node_items_that_expire ON node_items (until_us) WHERE until_us > 0;"
	"CREATE TRIGGER node_added AFTER INSERT ON nodes BEGIN "
	"UPDATE node_owners SET nodes = nodes + 1 WHERE id = new.owner; END;"
	/* Before: its items go with it, when nobody can tell any more whose they were. */
	"CREATE TRIGGER node_deleted BEFORE DELETE ON nodes BEGIN "
	"UPDATE node_owners SET nodes = nodes - 1, bytes = bytes - old.bytes WHERE id = old.owner; "
	"END;"
	"CREATE TRIGGER node_item_added AFTER INSERT ON node_items BEGIN "
	"UPDATE nodes SET items = items + 1, bytes = bytes + new.size WHERE id = new.node; "
	"UPDATE node_owners SET bytes = bytes + new.size "
	"WHERE id = (SELECT owner FROM nodes WHERE id = new.node); END;"
	"CREATE TRIGGER node_item_deleted AFTER DELETE ON node_items BEGIN "
	"UPDATE nodes SET items = items - 1, bytes = bytes - old.size WHERE id = old.node; "
	"UPDATE node_owners SET bytes = bytes - old.size "
	"WHERE id = (SELECT owner FROM nodes WHERE id = old.node); END;"
	"CREATE TRIGGER node_subscription_added AFTER INSERT ON node_subscriptions BEGIN "
	"UPDATE nodes SET subscriptions = subscriptions + 1 WHERE id = new.node; END;"
	"CREATE TRIGGER node_subscription_deleted AFTER DELETE ON node_subscriptions BEGIN "
	"UPDATE nodes SET subscriptions = subscriptions - 1 WHERE id = old.node; END;",
};

const struct schema schema_stentor = { steps, sizeof steps / sizeof steps[0] };

/* Runs SQL that gives one number. */
static int ask_number(sqlite3 *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_ERROR : rc;
}

bool schema_check(sqlite3 *db, const struct schema *schema, struct arena *a, struct str *error)
{
	int64_t application = 0, version = 0, objects = 0;

	if (ask_number(db, "PRAGMA application_id", &application) != SQLITE_OK ||
	    ask_number(db, "PRAGMA user_version", &version) != SQLITE_OK ||
	    ask_number(db, "SELECT count(*) FROM sqlite_schema", &objects) != SQLITE_OK) {
		*error = str_printf(a, "cannot be read: %s", sqlite3_errmsg(db));
		return false;
	}
	bool fresh = application == 0 && version == 0 && objects == 0;
	if (application != SCHEMA_APPLICATION_ID && !fresh) {
		*error = str_printf(a, "is a database of another program (application_id %lld)",
			(long long)application);
		return false;
	}
	if (version < 0 || version > schema->n) {
		*error = str_printf(a, "was written by another version of Stentor: its schema is "
			"%lld, this version knows those up to %d", (long long)version, schema->n);
		return false;
	}
	return true;
}

static int set_version(sqlite3 *db, int version)
{
	char sql[128];

	snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d",
		SCHEMA_APPLICATION_ID, version);
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* One step inside its transaction. Foreign keys are off meanwhile, because a step that makes
 * a table anew must drop the old one without its cascades; so they are checked here. */
static bool take_step(sqlite3 *db, const char *sql, int version, struct arena *a,
	struct str *error)
{
	int64_t broken = 0;

	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK ||
	    ask_number(db, "SELECT count(*) FROM pragma_foreign_key_check", &broken) != SQLITE_OK ||
	    (!broken && (set_version(db, version) != SQLITE_OK ||
	     sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK))) {
		*error = str_printf(a, "cannot be brought to schema %d: %s", version,
			sqlite3_errmsg(db));
		return false;
	}
	if (broken) {
		*error = str_printf(a, "cannot be brought to schema %d: %lld rows would refer to "
			"nothing", version, (long long)broken);
		return false;
	}
	return true;
}

bool schema_migrate(sqlite3 *db, const struct schema *schema, struct arena *a, struct str *error)
{
	int64_t version = 0;

	sqlite3_exec(db, "PRAGMA foreign_keys = OFF", NULL, NULL, NULL);
	for (;;) {
		/* Asked inside the transaction: another process may be at the same work. */
		if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
		    ask_number(db, "PRAGMA user_version", &version) != SQLITE_OK) {
			*error = str_printf(a, "cannot be written: %s", sqlite3_errmsg(db));
			break;
		}
		if (version >= schema->n) {
			sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
			return true;
		}
		if (!take_step(db, schema->steps[version], (int)version + 1, a, error))
			break;
	}
	if (!sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return false;
}
