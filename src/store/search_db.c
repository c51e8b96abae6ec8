/* Tables: archives with their marks, messages with the text that is searched, and an FTS5 index
 * of the messages' text. The index does not keep the text a second time (content = 'messages'),
 * so that it must be told the old text of what it is to forget.
 *
 * A word in the index carries the number of its archive (search_words.h). Numbers are never used
 * again. Rows grow in the order in which the ledger gave the messages: that is the order of an
 * archive. */
#include "store/search_db.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/search_words.h"
#include "store/sqlite_conn.h"
#include "store/sqlite_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_NAME     "search.db"
#define BUSY_MS       10000
#define LOG_EVERY_MS  1000
#define DROP_ROWS     200  /* taken out in one step */
#define COMMIT_ROWS   5000 /* of a transaction, about */
#define PURGE_PAGES   "64" /* of a step */
#define MATCH_BYTES   (4 * SEARCH_TEXT_MAX)

static const char *const steps[] = {
	"CREATE TABLE archives (\n"
	"  number INTEGER PRIMARY KEY AUTOINCREMENT,\n"
	"  name   TEXT UNIQUE,\n"
	"  mark   INTEGER NOT NULL\n"
	") STRICT;"
	"CREATE TABLE messages (\n"
	"  row     INTEGER PRIMARY KEY AUTOINCREMENT,\n"
	"  archive INTEGER NOT NULL REFERENCES archives,\n"
	"  id      INTEGER NOT NULL,\n"
	"  partner TEXT NOT NULL,\n"
	"  text    TEXT NOT NULL,\n"
	"  UNIQUE (archive, id)\n"
	") STRICT;"
	"CREATE TABLE dirty (yes INTEGER PRIMARY KEY) STRICT;"
	"CREATE VIRTUAL TABLE words USING fts5 (text, content = 'messages',\n"
	"  content_rowid = 'row', columnsize = 0, tokenize = '" SEARCH_TOKENIZER "');",
};
static const struct schema schema = { steps, sizeof steps / sizeof steps[0] };

enum search_statement {
	Q_BEGIN, Q_COMMIT, Q_ROLLBACK, Q_FIND_ARCHIVE, Q_NEW_ARCHIVE, Q_SET_MARK, Q_PUT_MESSAGE,
	Q_PUT_WORDS, Q_FORGET_WORDS, Q_DROP_MESSAGE, Q_SET_TEXT, Q_FIND_MESSAGE, Q_BEFORE,
	Q_FIND_FIRST, Q_FIND_LAST, Q_DISOWN, Q_GARBAGE, Q_GARBAGE_ROWS, Q_DROP_ARCHIVE, Q_DIRTY,
	Q_SET_DIRTY, Q_CLEAN, Q_PURGE_FIRST, Q_PURGE_NEXT,
	Q_COUNT
};

#define FIND "SELECT m.id FROM words CROSS JOIN messages AS m ON m.row = words.rowid " \
	"WHERE words MATCH ?1 AND words.rowid > ?2 AND words.rowid < ?3 " \
	"AND m.id > ?4 AND m.id < ?5 AND (?6 = '' OR m.partner = ?6) ORDER BY words.rowid "

static const char *const sql[Q_COUNT] = {
	[Q_BEGIN] = "BEGIN IMMEDIATE",
	[Q_COMMIT] = "COMMIT",
	[Q_ROLLBACK] = "ROLLBACK",
	[Q_FIND_ARCHIVE] = "SELECT number, mark FROM archives WHERE name = ?1",
	[Q_NEW_ARCHIVE] = "INSERT INTO archives (name, mark) VALUES (?1, 0)",
	[Q_SET_MARK] = "UPDATE archives SET mark = ?2 WHERE number = ?1",
	[Q_PUT_MESSAGE] = "INSERT INTO messages (archive, id, partner, text) "
		"VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
	[Q_PUT_WORDS] = "INSERT INTO words (rowid, text) VALUES (?1, ?2)",
	[Q_FORGET_WORDS] = "INSERT INTO words (words, rowid, text) VALUES ('delete', ?1, ?2)",
	[Q_DROP_MESSAGE] = "DELETE FROM messages WHERE row = ?1",
	[Q_SET_TEXT] = "UPDATE messages SET text = ?2 WHERE row = ?1",
	[Q_FIND_MESSAGE] = "SELECT row, text FROM messages WHERE archive = ?1 AND id = ?2",
	[Q_BEFORE] = "SELECT row, text FROM messages WHERE archive = ?1 AND id < ?2 LIMIT 1",
	[Q_FIND_FIRST] = FIND "ASC LIMIT ?7",
	[Q_FIND_LAST] = FIND "DESC LIMIT ?7",
	[Q_DISOWN] = "UPDATE archives SET name = NULL WHERE name = ?1",
	[Q_GARBAGE] = "SELECT number FROM archives WHERE name IS NULL LIMIT 1",
	[Q_GARBAGE_ROWS] = "SELECT row, text FROM messages WHERE archive = ?1 LIMIT 1",
	[Q_DROP_ARCHIVE] = "DELETE FROM archives WHERE number = ?1",
	[Q_DIRTY] = "SELECT yes FROM dirty",
	[Q_SET_DIRTY] = "INSERT INTO dirty VALUES (1) ON CONFLICT DO NOTHING",
	[Q_CLEAN] = "DELETE FROM dirty",
	/* How FTS5 is told to make one segment of all, bit by bit. */
	[Q_PURGE_FIRST] = "INSERT INTO words (words, rank) VALUES ('merge', -" PURGE_PAGES ")",
	[Q_PURGE_NEXT] = "INSERT INTO words (words, rank) VALUES ('merge', " PURGE_PAGES ")",
};

struct search_db {
	sqlite3 *sqlite;
	sqlite3_stmt *statements[Q_COUNT];
	struct search_words words;
	bool dirty, purging;
	size_t added; /* in this transaction */
	uint64_t quiet_until;
	unsigned unlogged;
};

/* ---- statements ---- */

static void bind_int(struct search_db *db, enum search_statement id, int at, uint64_t v)
{
	int rc = sqlite3_bind_int64(db->statements[id], at, (sqlite3_int64)v);

	BUG_ON(rc != SQLITE_OK);
}

static void bind_text(struct search_db *db, enum search_statement id, int at, struct str s)
{
	int rc = sqlite3_bind_text64(db->statements[id], at, s.p ? s.p : "", s.n, SQLITE_STATIC,
		SQLITE_UTF8);

	BUG_ON(rc != SQLITE_OK);
}

static int run(struct search_db *db, enum search_statement id)
{
	int rc = sqlite3_step(db->statements[id]);

	sqlite3_reset(db->statements[id]);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* A statement of one row at most: its first column in *out, which stays as it is without. */
static int ask(struct search_db *db, enum search_statement id, uint64_t *out)
{
	int rc = sqlite3_step(db->statements[id]);

	if (rc == SQLITE_ROW)
		*out = (uint64_t)sqlite3_column_int64(db->statements[id], 0);
	sqlite3_reset(db->statements[id]);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* What failed takes the transaction along. */
static enum store_status finish(struct search_db *db, const char *what, int rc)
{
	uint64_t now = clock_mono_ms();
	int os_error = errno;

	if (rc == SQLITE_OK)
		return STORE_OK;
	/* The clock is read here, below core, because no loop is near to give the time. */
	if (now >= db->quiet_until) {
		log_error(NULL, "search_failed", F_C("doing", what), F_INT("code", rc),
			F_C("error", sqlite3_errmsg(db->sqlite)), F_INT("errno", os_error),
			F_INT("unlogged", db->unlogged));
		db->quiet_until = now + LOG_EVERY_MS;
		db->unlogged = 0;
	} else {
		db->unlogged++;
	}
	if (!sqlite3_get_autocommit(db->sqlite))
		run(db, Q_ROLLBACK);
	return db_status_of(rc, os_error);
}

static int begin(struct search_db *db)
{
	errno = 0;
	return sqlite3_get_autocommit(db->sqlite) ? run(db, Q_BEGIN) : SQLITE_OK;
}

enum store_status search_db_commit(struct search_db *db)
{
	errno = 0;
	db->added = 0;
	return finish(db, "commit",
		sqlite3_get_autocommit(db->sqlite) ? SQLITE_OK : run(db, Q_COMMIT));
}

/* ---- opening and closing ---- */

static bool prepare(struct search_db *db, struct arena *a, struct str *why)
{
	for (int i = 0; i < Q_COUNT; i++) {
		if (sqlite3_prepare_v3(db->sqlite, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
			&db->statements[i], NULL) != SQLITE_OK) {
			*why = str_printf(a, "does not have the tables it should: %s",
				sqlite3_errmsg(db->sqlite));
			return false;
		}
	}
	return true;
}

/* A commit is not synced: what a power cut takes is read again. */
static bool set_up(struct search_db *db, struct arena *a, struct str *why)
{
	if (!schema_check(db->sqlite, &schema, a, why))
		return false;
	if (!search_words_register(db->sqlite, &db->words)) {
		*why = STR("needs an SQLite with FTS5");
		return false;
	}
	if (sqlite3_exec(db->sqlite, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
		"PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON", NULL, NULL, NULL) !=
	    SQLITE_OK) {
		*why = str_printf(a, "cannot be set up: %s", sqlite3_errmsg(db->sqlite));
		return false;
	}
	return schema_migrate(db->sqlite, &schema, a, why) && prepare(db, a, why);
}

/* SQLite would let others read it; its -wal and -shm follow the mode of the file. */
static bool open_file(struct search_db *db, const char *path, struct arena *a, struct str *why)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0) {
		*why = str_printf(a, "cannot be opened: %s", strerror(errno));
		return false;
	}
	close(fd);
	if (sqlite3_open_v2(path, &db->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		SQLITE_OPEN_EXRESCODE, NULL) != SQLITE_OK) {
		*why = str_printf(a, "cannot be opened: %s", sqlite3_errmsg(db->sqlite));
		return false;
	}
	sqlite3_busy_timeout(db->sqlite, BUSY_MS);
	return true;
}

struct search_db *search_db_open(const char *dir, struct arena *a, struct str *error)
{
	struct search_db *db = xcalloc(1, sizeof *db);
	const char *path = str_printf(a, "%s/" FILE_NAME, dir).p;
	struct str why = STR_NULL;
	uint64_t dirty = 0;

	if (open_file(db, path, a, &why) && set_up(db, a, &why)) {
		if (ask(db, Q_DIRTY, &dirty) != SQLITE_OK)
			why = str_printf(a, "cannot be read: %s", sqlite3_errmsg(db->sqlite));
	}
	db->dirty = dirty != 0;
	if (!why.p)
		return db;
	*error = str_printf(a, "%s %.*s", path, STR_FMT(why));
	search_db_close(&db);
	return NULL;
}

bool search_remove(const char *dir)
{
	static const char *const names[] = { FILE_NAME, FILE_NAME "-wal", FILE_NAME "-shm" };
	char path[4096];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		if (unlink(path) != 0 && errno != ENOENT)
			return false;
	}
	return true;
}

void search_db_close(struct search_db **dbp)
{
	struct search_db *db = *dbp;

	for (int i = 0; i < Q_COUNT; i++)
		sqlite3_finalize(db->statements[i]);
	int rc = sqlite3_close(db->sqlite);
	BUG_ON(rc != SQLITE_OK);
	free(db);
	*dbp = NULL;
}

bool search_db_is_dirty(const struct search_db *db)
{
	return db->dirty;
}

/* ---- archives and their messages ---- */

/* The number of an archive, 0 for none, and its mark. The words of what follows are its. */
static int find_archive(struct search_db *db, struct str name, uint64_t *number, uint64_t *mark)
{
	sqlite3_stmt *st = db->statements[Q_FIND_ARCHIVE];

	errno = 0;
	*number = *mark = 0;
	bind_text(db, Q_FIND_ARCHIVE, 1, name);
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*number = (uint64_t)sqlite3_column_int64(st, 0);
		*mark = (uint64_t)sqlite3_column_int64(st, 1);
	}
	sqlite3_reset(st);
	db->words.archive = *number;
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

enum store_status search_db_mark(struct search_db *db, struct str archive, uint64_t *mark)
{
	uint64_t number;

	return finish(db, "mark", find_archive(db, archive, &number, mark));
}

static int add_one(struct search_db *db, uint64_t number, const struct search_text *t)
{
	bind_int(db, Q_PUT_MESSAGE, 1, number);
	bind_int(db, Q_PUT_MESSAGE, 2, t->id);
	bind_text(db, Q_PUT_MESSAGE, 3, t->partner);
	bind_text(db, Q_PUT_MESSAGE, 4, t->text);
	int rc = run(db, Q_PUT_MESSAGE);
	if (rc != SQLITE_OK || !sqlite3_changes(db->sqlite))
		return rc;
	bind_int(db, Q_PUT_WORDS, 1, (uint64_t)sqlite3_last_insert_rowid(db->sqlite));
	bind_text(db, Q_PUT_WORDS, 2, t->text);
	return run(db, Q_PUT_WORDS);
}

static int add(struct search_db *db, struct str archive, const struct search_text *texts, size_t n,
	uint64_t mark)
{
	uint64_t number, before;
	int rc = begin(db);

	if (rc == SQLITE_OK)
		rc = find_archive(db, archive, &number, &before);
	if (rc != SQLITE_OK)
		return rc;
	if (!number) {
		bind_text(db, Q_NEW_ARCHIVE, 1, archive);
		rc = run(db, Q_NEW_ARCHIVE);
		number = db->words.archive = (uint64_t)sqlite3_last_insert_rowid(db->sqlite);
	}
	for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
		rc = add_one(db, number, &texts[i]);
	bind_int(db, Q_SET_MARK, 1, number);
	bind_int(db, Q_SET_MARK, 2, mark);
	return rc == SQLITE_OK ? run(db, Q_SET_MARK) : rc;
}

enum store_status search_db_add(struct search_db *db, struct str archive,
	const struct search_text *texts, size_t n, uint64_t mark)
{
	enum store_status status = finish(db, "add", add(db, archive, texts, n, mark));

	if (status != STORE_OK || (db->added += n) < COMMIT_ROWS)
		return status;
	return search_db_commit(db);
}

/* Each time: the transaction that wrote it before may have failed since. */
static int set_dirty(struct search_db *db)
{
	int rc = run(db, Q_SET_DIRTY);

	db->dirty = true;
	return rc;
}

/* Takes out messages of one archive, the first that a bound statement names and again. *n: how
 * many there were, `most` at most. */
static int drop_rows(struct search_db *db, enum search_statement id, unsigned most, unsigned *n)
{
	sqlite3_stmt *st = db->statements[id];
	int rc = SQLITE_DONE;

	for (*n = 0; *n < most && (rc = sqlite3_step(st)) == SQLITE_ROW; ++*n) {
		uint64_t row = (uint64_t)sqlite3_column_int64(st, 0);
		struct str text = str_from((const char *)sqlite3_column_text(st, 1),
			(size_t)sqlite3_column_bytes(st, 1));

		bind_int(db, Q_FORGET_WORDS, 1, row);
		bind_text(db, Q_FORGET_WORDS, 2, text);
		rc = run(db, Q_FORGET_WORDS);
		sqlite3_reset(st);
		bind_int(db, Q_DROP_MESSAGE, 1, row);
		if (rc == SQLITE_OK)
			rc = run(db, Q_DROP_MESSAGE);
		if (rc != SQLITE_OK)
			return rc;
	}
	sqlite3_reset(st);
	if (rc != SQLITE_DONE && rc != SQLITE_OK)
		return rc;
	return *n ? set_dirty(db) : SQLITE_OK;
}

static int drop_before(struct search_db *db, struct str archive, uint64_t id, bool *more)
{
	uint64_t number, mark;
	unsigned n;
	int rc = begin(db);

	*more = false;
	if (rc == SQLITE_OK)
		rc = find_archive(db, archive, &number, &mark);
	if (rc != SQLITE_OK || !number)
		return rc;
	bind_int(db, Q_BEFORE, 1, number);
	bind_int(db, Q_BEFORE, 2, id ? id : INT64_MAX);
	rc = drop_rows(db, Q_BEFORE, DROP_ROWS, &n);
	*more = n == DROP_ROWS;
	return rc;
}

enum store_status search_db_drop_before(struct search_db *db, struct str archive, uint64_t id,
	bool *more)
{
	return finish(db, "drop", drop_before(db, archive, id, more));
}

/* The words of the old text go, those of the new one come. */
static int reindex(struct search_db *db, uint64_t row, struct str old, struct str text)
{
	enum search_statement last = text.n ? Q_SET_TEXT : Q_DROP_MESSAGE;

	bind_int(db, Q_FORGET_WORDS, 1, row);
	bind_text(db, Q_FORGET_WORDS, 2, old);
	int rc = run(db, Q_FORGET_WORDS);
	if (rc == SQLITE_OK && text.n) {
		bind_int(db, Q_PUT_WORDS, 1, row);
		bind_text(db, Q_PUT_WORDS, 2, text);
		rc = run(db, Q_PUT_WORDS);
		bind_text(db, Q_SET_TEXT, 2, text);
	}
	bind_int(db, last, 1, row);
	if (rc == SQLITE_OK)
		rc = run(db, last);
	return rc == SQLITE_OK ? set_dirty(db) : rc;
}

static int replace(struct search_db *db, struct str archive, uint64_t id, struct str text)
{
	sqlite3_stmt *st = db->statements[Q_FIND_MESSAGE];
	uint64_t number, mark;
	int rc = begin(db);

	if (rc == SQLITE_OK)
		rc = find_archive(db, archive, &number, &mark);
	if (rc != SQLITE_OK || !number)
		return rc;
	bind_int(db, Q_FIND_MESSAGE, 1, number);
	bind_int(db, Q_FIND_MESSAGE, 2, id);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		struct arena a;
		uint64_t row = (uint64_t)sqlite3_column_int64(st, 0);

		arena_init(&a, 1024);
		struct str old = str_dup(&a, str_from((const char *)sqlite3_column_text(st, 1),
			(size_t)sqlite3_column_bytes(st, 1)));
		sqlite3_reset(st);
		rc = reindex(db, row, old, text);
		arena_clear(&a);
	}
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

enum store_status search_db_replace(struct search_db *db, struct str archive, uint64_t id,
	struct str text)
{
	return finish(db, "replace", replace(db, archive, id, text));
}

/* ---- finding ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Rows and ids between which the result lies. */
struct bounds {
	uint64_t after_row, before_row, after_id, before_id;
};

/* The row of a message, 0 where it is not in the index. */
static int row_of(struct search_db *db, uint64_t number, uint64_t id, uint64_t *row)
{
	bind_int(db, Q_FIND_MESSAGE, 1, number);
	bind_int(db, Q_FIND_MESSAGE, 2, least(id, INT64_MAX));
	*row = 0;
	return id ? ask(db, Q_FIND_MESSAGE, row) : SQLITE_OK;
}

/* A message that is in the index bounds by its row, one that is not (it has no text) by its id. */
static int find_bounds(struct search_db *db, uint64_t number, const struct search_query *q,
	struct bounds *b)
{
	uint64_t start = least(q->start_us, INT64_MAX >> 8), end = least(q->end_us, INT64_MAX >> 8);

	*b = (struct bounds){
		.before_row = INT64_MAX,
		.after_id = start ? ledger_id(start, 0) - 1 : 0,
		.before_id = end ? least(ledger_id(end, 0xff), INT64_MAX - 1) + 1 : INT64_MAX,
	};
	int rc = row_of(db, number, q->after, &b->after_row);
	if (rc == SQLITE_OK && q->after && !b->after_row)
		b->after_id = most(b->after_id, least(q->after, INT64_MAX));
	if (rc == SQLITE_OK && q->before)
		rc = row_of(db, number, q->before, &b->before_row);
	if (rc == SQLITE_OK && q->before && !b->before_row) {
		b->before_row = INT64_MAX;
		b->before_id = least(b->before_id, q->before);
	}
	return rc;
}

static int take_ids(struct search_db *db, enum search_statement find, struct search_op *op,
	uint32_t max)
{
	sqlite3_stmt *st = db->statements[find];
	int rc;

	op->ids = arena_alloc(&op->mem, (max + (size_t)1) * sizeof *op->ids);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		op->ids[op->n_ids++] = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	op->complete = op->n_ids <= max;
	if (op->n_ids > max)
		op->n_ids = max;
	for (size_t i = 0; op->query.newest && i < op->n_ids / 2; i++) {
		uint64_t *mirror = &op->ids[op->n_ids - 1 - i], id = op->ids[i];
		op->ids[i] = *mirror;
		*mirror = id;
	}
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int find(struct search_db *db, struct search_op *op)
{
	const struct search_query *q = &op->query;
	enum search_statement st = q->newest ? Q_FIND_LAST : Q_FIND_FIRST;
	uint32_t max = (uint32_t)least(q->max, SEARCH_RESULT_MAX);
	uint64_t number, mark;
	struct bounds b;
	struct buf match;

	int rc = find_archive(db, op->archive, &number, &mark);
	op->complete = true;
	if (rc != SQLITE_OK || !number)
		return rc;
	buf_init(&match, MATCH_BYTES);
	if (search_words_match(&match, q->text, SEARCH_WORDS_MAX)) {
		BUG_ON(!buf_ok(&match));
		bind_text(db, st, 1, buf_str(&match));
		bind_text(db, st, 6, q->with);
		bind_int(db, st, 7, max + 1ull);
		rc = find_bounds(db, number, q, &b);
		bind_int(db, st, 2, b.after_row);
		bind_int(db, st, 3, b.before_row);
		bind_int(db, st, 4, b.after_id);
		bind_int(db, st, 5, b.before_id);
		if (rc == SQLITE_OK)
			rc = take_ids(db, st, op, max);
	}
	buf_clear(&match);
	return rc;
}

enum store_status search_db_find(struct search_db *db, struct search_op *op)
{
	enum store_status status = finish(db, "find", find(db, op));

	if (status != STORE_OK)
		op->n_ids = 0;
	return status;
}

/* ---- erasing ---- */

enum store_status search_db_disown(struct search_db *db, struct str archive)
{
	int rc = begin(db);

	bind_text(db, Q_DISOWN, 1, archive);
	if (rc == SQLITE_OK)
		rc = run(db, Q_DISOWN);
	enum store_status status = finish(db, "disown", rc);
	return status == STORE_OK ? search_db_commit(db) : status;
}

static int collect(struct search_db *db, bool *more)
{
	uint64_t number = 0;
	unsigned n = 0;
	int rc = begin(db);

	*more = false;
	if (rc == SQLITE_OK)
		rc = ask(db, Q_GARBAGE, &number);
	if (rc != SQLITE_OK || !number)
		return rc;
	*more = true;
	db->words.archive = number;
	bind_int(db, Q_GARBAGE_ROWS, 1, number);
	rc = drop_rows(db, Q_GARBAGE_ROWS, DROP_ROWS, &n);
	bind_int(db, Q_DROP_ARCHIVE, 1, number);
	return rc == SQLITE_OK && n < DROP_ROWS ? run(db, Q_DROP_ARCHIVE) : rc;
}

enum store_status search_db_collect(struct search_db *db, bool *more)
{
	enum store_status status = finish(db, "collect", collect(db, more));

	return status == STORE_OK ? search_db_commit(db) : status;
}

/* The log is emptied too: what it held before may stand in it. */
static int purge_end(struct search_db *db)
{
	int rc = sqlite3_wal_checkpoint_v2(db->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
		NULL);

	if (rc == SQLITE_OK)
		rc = run(db, Q_CLEAN);
	if (rc == SQLITE_OK)
		db->dirty = db->purging = false;
	return rc;
}

enum store_status search_db_purge(struct search_db *db, bool *more)
{
	enum store_status status = search_db_commit(db);
	int before = sqlite3_total_changes(db->sqlite);

	*more = false;
	if (status != STORE_OK)
		return status;
	errno = 0;
	int rc = run(db, db->purging ? Q_PURGE_NEXT : Q_PURGE_FIRST);
	/* FTS5 documents that a merge with nothing to do changes less than two rows. */
	int changes = sqlite3_total_changes(db->sqlite) - before;
	*more = rc == SQLITE_OK && (!db->purging || changes >= 2);
	db->purging = rc == SQLITE_OK;
	return finish(db, "purge", rc == SQLITE_OK && !*more ? purge_end(db) : rc);
}
