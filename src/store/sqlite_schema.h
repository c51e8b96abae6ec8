/* The schema of the SQLite database and how an older one becomes it.
 *
 * PRAGMA user_version is the number of steps that a database has taken. docs/storage.md
 * explains the tables. */
#ifndef STORE_SQLITE_SCHEMA_H
#define STORE_SQLITE_SCHEMA_H

#include "base/arena.h"

#include <sqlite3.h>

/* PRAGMA application_id, "Sten": file(1) and others know our files by it. */
#define SCHEMA_APPLICATION_ID 0x5374656e

/* SQL that leads from one version to the next. A step that has been released never changes. */
struct schema {
	const char *const *steps;
	int n;
};

extern const struct schema schema_stentor;

/* Looks at a database before anything is changed in it: false with a message for what is not
 * a database, belongs to another program, or was made by a newer version. */
bool schema_check(sqlite3 *db, const struct schema *schema, struct arena *a, struct str *error);

/* Takes the steps that are missing, each in a transaction of its own. False with a message
 * when one fails; the database is then at the version before it. Leaves foreign keys off. */
bool schema_migrate(sqlite3 *db, const struct schema *schema, struct arena *a, struct str *error);

#endif
