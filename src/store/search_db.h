/* The SQL of the search: one connection, used by its thread alone.
 *
 * Changes gather in a transaction that search_db_commit() ends. A call that fails rolls back all
 * of it, marks included, so that what is lost is read again from the ledger. */
#ifndef STORE_SEARCH_DB_H
#define STORE_SEARCH_DB_H

#include "store/search.h"

struct search_db;

/* A message to be indexed. */
struct search_text {
	uint64_t id;
	struct str partner, text;
};

struct search_db *search_db_open(const char *dir, struct arena *a, struct str *error);
void search_db_close(struct search_db **db);

/* The last message of the archive that was seen, 0 for none. */
enum store_status search_db_mark(struct search_db *db, struct str archive, uint64_t *mark);

/* Messages behind the mark, which becomes `mark`. Those that are there already stay. */
enum store_status search_db_add(struct search_db *db, struct str archive,
	const struct search_text *texts, size_t n, uint64_t mark);

/* The archive has lost what came before the message of this id; 0: it has lost all. */
enum store_status search_db_drop_before(struct search_db *db, struct str archive, uint64_t id);

/* The message has another text, if it is there; an empty one takes it out. */
enum store_status search_db_replace(struct search_db *db, struct str archive, uint64_t id,
	struct str text);

/* Answers op->query. */
enum store_status search_db_find(struct search_db *db, struct search_op *op);

/* The archive has no name any more, and is committed so: its messages are garbage. */
enum store_status search_db_disown(struct search_db *db, struct str archive);

/* Takes out some garbage, in its own transaction. *more: there may be more of it. */
enum store_status search_db_collect(struct search_db *db, bool *more);

/* Rewrites some of the index without what was taken out. *more: call again; else nothing of it
 * stands in the files. */
enum store_status search_db_purge(struct search_db *db, bool *more);

/* Whether something was taken out since the last purge that came to its end. */
bool search_db_is_dirty(const struct search_db *db);

enum store_status search_db_commit(struct search_db *db);

#endif
