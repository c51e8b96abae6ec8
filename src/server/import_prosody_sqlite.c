/* Prosody's mod_storage_sql with SQLite: the tables "prosody", a row for each key of a store, and
 * "prosodyarchive", a row for each message. */
#include "server/import_prosody.h"
#include "server/import_sqlite.h"

#include <stdlib.h>

struct database {
	struct import *im;
	sqlite3 *db;
	struct arena mem;        /* of the account */
	struct value store;      /* that is being gathered */
	struct str name;         /* of it */
	const struct str *host;
};

/* A value as its type has it. False: the run is over. */
static bool typed(struct database *b, struct str type, struct str text, struct arena *a,
	struct value *out)
{
	if (str_eq(type, STR("json")))
		return import_sqlite_json(b->im, b->db, text, a, out);
	*out = value_string(str_dup(a, text));
	if (str_eq(type, STR("number")))
		*out = value_number(strtod(out->s.p, NULL));
	else if (str_eq(type, STR("boolean")))
		*out = (struct value){ str_eq(text, STR("true")) ? VALUE_TRUE : VALUE_FALSE };
	return true;
}

static void store_done(struct database *b)
{
	if (b->name.n)
		prosody_store(b->im, b->name, &b->store);
	b->name = STR("");
	b->store = (struct value){ .kind = VALUE_TABLE };
}

/* store, key, type, value. The entries under the empty key are those whose own keys are no
 * strings. */
static bool data_row(void *user, sqlite3_stmt *st)
{
	struct database *b = user;
	struct str key = import_sqlite_text(st, 1);
	struct value v;

	if (!str_eq(import_sqlite_text(st, 0), b->name)) {
		store_done(b);
		b->name = str_dup(&b->mem, import_sqlite_text(st, 0));
	}
	if (!typed(b, import_sqlite_text(st, 2), import_sqlite_text(st, 3), &b->mem, &v))
		return false;
	if (key.n) {
		*value_add(&b->mem, &b->store, value_string(str_dup(&b->mem, key))) = v;
		return true;
	}
	for (const struct value_entry *e = v.first; e; e = e->next)
		*value_add(&b->mem, &b->store, e->key) = e->value;
	return true;
}

/* store, type, value */
static bool node_row(void *user, sqlite3_stmt *st)
{
	struct database *b = user;

	if (str_eq(import_sqlite_text(st, 1), STR("xml")))
		import_node(b->im, str_skip(import_sqlite_text(st, 0), strlen("pep_")),
			import_sqlite_text(st, 2));
	return true;
}

/* store, when, key, type, value */
static bool message_row(void *user, sqlite3_stmt *st)
{
	struct database *b = user;
	struct str store = import_sqlite_text(st, 0), type = import_sqlite_text(st, 3);
	const struct value when = value_number(sqlite3_column_double(st, 1) * 1e6);
	uint64_t stamp_us = value_u64(&when, INT64_MAX, 0);
	struct str xml = import_sqlite_text(st, 4);

	if (!str_eq(type, STR("xml")))
		import_note(b->im, "message of the type \"%.*s\"", STR_FMT(str_head(type, 20)));
	else if (str_eq(store, STR("offline")))
		import_offline(b->im, stamp_us, xml);
	else
		import_archived(b->im, import_sqlite_text(st, 2), stamp_us, xml);
	return true;
}

static bool other_row(void *user, sqlite3_stmt *st)
{
	struct database *b = user;
	struct str store = import_sqlite_text(st, 0);

	if (!prosody_knows(store))
		import_note(b->im, "store \"%.*s\" of an account", STR_FMT(store));
	return true;
}

static bool read_account(struct database *b, struct str host, struct str user)
{
	store_done(b);
	if (!import_sqlite_rows(b->im, b->db,
		"SELECT store, key, type, value FROM prosody WHERE host = ?1 AND user = ?2 "
		"AND store IN ('accounts', 'roster', 'vcard', 'private', 'blocklist', "
		"'archive_prefs') ORDER BY store, key", host, user, data_row, b))
		return false;
	store_done(b);
	return import_sqlite_rows(b->im, b->db,
		"SELECT store, \"when\", key, type, value FROM prosodyarchive WHERE host = ?1 "
		"AND user = ?2 AND store IN ('offline', 'archive') "
		"ORDER BY store DESC, sort_id", host, user, message_row, b) &&
		import_sqlite_rows(b->im, b->db,
		"SELECT store, type, value FROM prosodyarchive WHERE host = ?1 AND user = ?2 "
		"AND store GLOB 'pep_*' ORDER BY sort_id", host, user, node_row, b) &&
		import_sqlite_rows(b->im, b->db, "SELECT store FROM prosody WHERE host = ?1 "
		"AND user = ?2 UNION SELECT store FROM prosodyarchive WHERE host = ?1 "
		"AND user = ?2 AND store NOT GLOB 'pep_*'", host, user, other_row, b);
}

static bool user_row(void *p, sqlite3_stmt *st)
{
	struct database *b = p;
	struct str user = str_dup(&b->mem, import_sqlite_text(st, 0));
	bool ok = import_user(b->im, *b->host, user) &&
		(!b->im->taken || read_account(b, *b->host, user));

	if (b->im->in_user)
		ok = import_user_end(b->im) && ok;
	arena_reset(&b->mem);
	return ok;
}

static bool host_row(void *p, sqlite3_stmt *st)
{
	struct database *b = p;
	struct str host = import_sqlite_text(st, 0);

	b->host = &host;
	return !import_wants_host(b->im, host) ||
		import_sqlite_rows(b->im, b->db, "SELECT DISTINCT user FROM prosody "
			"WHERE host = ?1 AND store = 'accounts' ORDER BY user", host, STR(""),
			user_row, b);
}

/* ---- rooms ---- */

/* The store "config" of a room is gathered as that of an account is. */
static bool read_room(struct database *b, struct str host, struct str name)
{
	store_done(b);
	if (!import_sqlite_rows(b->im, b->db, "SELECT '', key, type, value FROM prosody "
		"WHERE host = ?1 AND user = ?2 AND store = 'config' ORDER BY key", host, name, data_row,
		b))
		return false;
	if (!prosody_room_stays(&b->store)) {
		import_note(b->im, "room that ends with its last occupant");
		return true;
	}
	if (!import_room(b->im, host, name))
		return false;
	prosody_room(b->im, &b->store);
	return !b->im->taken || import_sqlite_rows(b->im, b->db,
		"SELECT store, \"when\", key, type, value FROM prosodyarchive WHERE host = ?1 "
		"AND user = ?2 AND store = 'muc_log' ORDER BY sort_id", host, name, message_row, b);
}

static bool room_row(void *p, sqlite3_stmt *st)
{
	struct database *b = p;
	struct str name = str_dup(&b->mem, import_sqlite_text(st, 0));
	bool ok = read_room(b, *b->host, name);

	if (b->im->in_user)
		ok = import_room_end(b->im) && ok;
	store_done(b);
	arena_reset(&b->mem);
	return ok;
}

static bool service_row(void *p, sqlite3_stmt *st)
{
	struct database *b = p;
	struct str host = import_sqlite_text(st, 0);

	b->host = &host;
	return !import_wants_rooms(b->im, host) ||
		import_sqlite_rows(b->im, b->db, "SELECT DISTINCT user FROM prosody "
			"WHERE host = ?1 AND store = 'config' ORDER BY user", host, STR(""),
			room_row, b);
}

bool import_prosody_sqlite(struct import *im, const char *path)
{
	struct database b = { .im = im, .db = import_sqlite_open(im, path) };

	if (!b.db)
		return false;
	arena_init(&b.mem, 16 * 1024);
	bool ok = import_sqlite_rows(im, b.db, "SELECT DISTINCT host FROM prosody "
		"WHERE store = 'accounts' ORDER BY host", STR(""), STR(""), host_row, &b) &&
		import_sqlite_rows(im, b.db, "SELECT DISTINCT host FROM prosody "
		"WHERE store = 'config' ORDER BY host", STR(""), STR(""), service_row, &b);
	arena_clear(&b.mem);
	sqlite3_close(b.db);
	return ok;
}
