/* One connection to the SQLite database; store/store.c gives each of its threads one.
 *
 * A connection belongs to one thread at a time. A failure is the status of the operations it
 * met, and a line in the log (one a second at most, with the number of those left out). */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "store/store.h"

struct db;

/* Opens the database in folder dir for the writer: creates folder and file where there are
 * none (for the owner's eyes only: it holds keys), migrates an older schema. NULL with a
 * message for people in *error. */
struct db *db_open_writer(const char *dir, struct arena *a, struct str *error);

/* The same for a reader; the writer has been opened before and is still open. */
struct db *db_open_reader(const char *dir, struct arena *a, struct str *error);

/* The writer closes last: it then folds the write-ahead log into the database. */
void db_close(struct db **d);

/* Carries out the writes of the list (linked by next) in order, in one transaction with one
 * sync, and sets the status of each. An operation that fails leaves nothing behind and does
 * not touch the others. When the transaction fails as a whole (full disk, I/O error), all
 * come back with that status and none is stored. True: it is committed. */
bool db_write(struct db *d, struct store_op *group);

/* Carries out a read, in a snapshot of its own. Sets its status and result. True: it was one step
 * of it, and there are more, for this or another connection of a reader. */
bool db_read(struct db *d, struct store_op *op);

/* Copies some pages for a backup. True: there are more, for this or another connection of a
 * reader; the state is in op->backup. False: it is done or has failed, as the status says. */
bool db_backup_step(struct db *d, struct store_op *op);

/* Copies pages from the write-ahead log into the database when enough have gathered. For the
 * writer, when nobody waits for it: it takes milliseconds. */
void db_checkpoint(struct db *d);

#endif
