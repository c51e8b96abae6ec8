/* SQLite databases of other servers: opened for reading alone, walked row by row. */
#ifndef SERVER_IMPORT_SQLITE_H
#define SERVER_IMPORT_SQLITE_H

#include "server/import.h"
#include "server/import_value.h"

#include <sqlite3.h>

/* NULL: im->error says why. */
sqlite3 *import_sqlite_open(struct import *im, const char *path);

/* Runs a statement with two text parameters (empty ones need not be in it) and calls row() for
 * each row, until that returns false. False: im->error says why, or row() did. */
bool import_sqlite_rows(struct import *im, sqlite3 *db, const char *sql, struct str first,
	struct str second, bool (*row)(void *user, sqlite3_stmt *st), void *user);

/* A column as text: borrowed until the next row. */
struct str import_sqlite_text(sqlite3_stmt *st, int column);

/* JSON as a value (SQLite reads it). Prosody's way to write tables that JSON has no word for is
 * understood: __array for the entries 1, 2, 3 beside named ones, __hash for keys and values in
 * turn. False: im->error says why. */
bool import_sqlite_json(struct import *im, sqlite3 *db, struct str json, struct arena *a,
	struct value *out);

#endif
