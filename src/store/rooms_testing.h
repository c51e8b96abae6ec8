/* For the tests of rooms in the store. */
#ifndef STORE_ROOMS_TESTING_H
#define STORE_ROOMS_TESTING_H

#include "store/rooms.h"
#include "store/sqlite_conn.h"
#include "store/store_testing.h"

#define MUC   STR("rooms.example.org")
#define COVEN STR("coven")

static inline const struct store_room *load_room(struct bench *b, struct str name)
{
	store_room_load(b->s, new_op(b), MUC, name);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_str(b->last->room.name, name);
	return &b->last->room;
}

/* The database itself, beside the store. */
static inline sqlite3 *beside(struct bench *b)
{
	char path[4200];
	sqlite3 *db;

	snprintf(path, sizeof path, "%s/stentor.db", b->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	return db;
}

static inline void run_sql(struct bench *b, const char *sql)
{
	sqlite3 *db = beside(b);

	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

/* SQL that gives one number. */
static inline int64_t ask(struct bench *b, const char *sql)
{
	sqlite3 *db = beside(b);
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

/* What SQLite says it does for a statement, line by line. */
static inline void explain(struct db *d, enum statement id, char *out, size_t size)
{
	char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sqlite3_sql(db_statement(d, id)));
	sqlite3_stmt *st;
	size_t n = 0;

	assert_int_equal(sqlite3_prepare_v2(d->sqlite, sql, -1, &st, NULL), SQLITE_OK);
	out[0] = '\0';
	while (sqlite3_step(st) == SQLITE_ROW && n < size)
		n += (size_t)snprintf(out + n, size - n, "%s\n",
			(const char *)sqlite3_column_text(st, 3));
	assert_true(n < size);
	sqlite3_finalize(st);
	sqlite3_free(sql);
}

#endif
