#include "server/import_sqlite.h"

#define BUSY_MS 10000 /* the other server may be writing */
#define STEPS   10000 /* of SQLite's machine, between looks at a signal */

static bool fail(struct import *im, sqlite3 *db)
{
	return import_fail(im, "%s", sqlite3_errmsg(db));
}

static int interrupted(void *user)
{
	const struct import *im = user;

	return *im->options->stop != 0;
}

/* Whoever made the database may have put anything into its schema: a view in the place of a
 * table can call no function that has effects, and one that never ends can be interrupted. */
sqlite3 *import_sqlite_open(struct import *im, const char *path)
{
	sqlite3 *db;

	im->file = path;
	im->line = 0;
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
	    sqlite3_busy_timeout(db, BUSY_MS) == SQLITE_OK &&
	    sqlite3_exec(db, "PRAGMA trusted_schema = OFF; BEGIN; "
		"SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) == SQLITE_OK) {
		sqlite3_progress_handler(db, STEPS, interrupted, im);
		return db;
	}
	fail(im, db);
	sqlite3_close(db);
	return NULL;
}

static bool bind(sqlite3_stmt *st, int at, struct str s)
{
	return at > sqlite3_bind_parameter_count(st) ||
		sqlite3_bind_text64(st, at, s.p ? s.p : "", s.n, SQLITE_STATIC, SQLITE_UTF8) ==
			SQLITE_OK;
}

bool import_sqlite_rows(struct import *im, sqlite3 *db, const char *sql, struct str first,
	struct str second, bool (*row)(void *user, sqlite3_stmt *st), void *user)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	bool more = rc == SQLITE_OK && bind(st, 1, first) && bind(st, 2, second);

	if (!more) {
		sqlite3_finalize(st);
		return fail(im, db);
	}
	while (more && (rc = sqlite3_step(st)) == SQLITE_ROW)
		more = row(user, st);
	if (more && rc != SQLITE_DONE)
		more = fail(im, db);
	sqlite3_finalize(st);
	return more;
}

struct str import_sqlite_text(sqlite3_stmt *st, int column)
{
	const char *p = (const char *)sqlite3_column_text(st, column);

	return p ? str_from(p, (size_t)sqlite3_column_bytes(st, column)) : STR("");
}

/* ---- JSON ---- */

/* A node of json_tree(): its id, and where its children go. */
struct open_node {
	sqlite3_int64 id;
	struct value *table;
	bool pairs;            /* __hash: keys and values in turn */
	struct value *pending; /* of pairs: the value whose key has come */
	struct open_node *up;
};

struct json {
	struct arena *a;
	struct value *out;
	struct open_node *innermost;
};

static struct value atom(struct arena *a, sqlite3_stmt *st, struct str type)
{
	if (str_eq(type, STR("true")))
		return (struct value){ .kind = VALUE_TRUE };
	if (str_eq(type, STR("false")))
		return (struct value){ .kind = VALUE_FALSE };
	if (str_eq(type, STR("integer")) || str_eq(type, STR("real")))
		return value_number(sqlite3_column_double(st, 4));
	if (str_eq(type, STR("text")))
		return value_string(str_dup(a, import_sqlite_text(st, 4)));
	return (struct value){ .kind = VALUE_NIL };
}

/* Where the node's value goes. NULL: it is the key of a pair, and is kept as such. */
static struct value *place(struct json *j, sqlite3_stmt *st, const struct value *key_of_pair)
{
	struct open_node *in = j->innermost;

	if (!in)
		return j->out;
	if (in->pairs && in->pending) {
		struct value *to = in->pending;
		in->pending = NULL;
		return to;
	}
	if (in->pairs) {
		in->pending = value_add(j->a, in->table, *key_of_pair);
		return NULL;
	}
	bool number = sqlite3_column_type(st, 2) == SQLITE_INTEGER;
	return value_add(j->a, in->table, number
		? value_number(sqlite3_column_double(st, 2) + 1)
		: value_string(str_dup(j->a, import_sqlite_text(st, 2))));
}

static void open_table(struct json *j, sqlite3_int64 id, struct value *table, bool pairs)
{
	struct open_node *n = arena_alloc(j->a, sizeof *n);

	*n = (struct open_node){ .id = id, .table = table, .pairs = pairs, .up = j->innermost };
	j->innermost = n;
}

static bool json_row(void *user, sqlite3_stmt *st)
{
	struct json *j = user;
	sqlite3_int64 id = sqlite3_column_int64(st, 0);
	struct str key = import_sqlite_text(st, 2), type = import_sqlite_text(st, 3);
	bool table = str_eq(type, STR("object")) || str_eq(type, STR("array"));

	while (j->innermost && j->innermost->id != sqlite3_column_int64(st, 1))
		j->innermost = j->innermost->up;
	struct open_node *in = j->innermost;
	if (in && !in->pairs && str_eq(type, STR("array")) &&
	    (str_eq(key, STR("__array")) || str_eq(key, STR("__hash")))) {
		open_table(j, id, in->table, str_eq(key, STR("__hash")));
		return true;
	}
	struct value v = atom(j->a, st, type);
	struct value *to = place(j, st, &v);
	if (to) {
		*to = v;
		if (table) {
			to->kind = VALUE_TABLE;
			open_table(j, id, to, false);
		}
	}
	return true;
}

bool import_sqlite_json(struct import *im, sqlite3 *db, struct str json, struct arena *a,
	struct value *out)
{
	struct json j = { a, out, NULL };

	*out = (struct value){ .kind = VALUE_NIL };
	return import_sqlite_rows(im, db,
		"SELECT id, parent, key, type, atom FROM json_tree(?1)", json, STR(""), json_row,
		&j);
}
