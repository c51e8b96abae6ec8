/* A copy of the running database.
 *
 * It has connections of its own, which pass from reader to reader: one holds a snapshot open
 * until all is copied, so that no write makes the copy start anew, the other writes the file.
 * Each step is a megabyte, synced at once: a large file of dirty pages would make the next
 * commit wait for them on many file systems. Meanwhile the write-ahead log cannot start anew,
 * and grows. */
#include "base/bug.h"
#include "store/sqlite_conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define STEP_PAGES 256

struct db_backup {
	sqlite3 *from, *to;
	sqlite3_backup *copy;
	int fd; /* of the new file; SQLite has its own */
};

/* What is wrong, for the log, in the words of whoever met it. */
static bool failed(struct db *d, struct store_op *op, int rc, const char *words)
{
	d->os_error = errno;
	op->status = db_failure_as(d, db_kind_name(op->kind), op, rc, words);
	return false;
}

/* Nobody may read it but the owner, and nothing that exists is written over. */
static bool make_file(struct db *d, struct store_op *op)
{
	op->backup->fd = open(op->bytes.p, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return op->backup->fd >= 0 || failed(d, op, SQLITE_CANTOPEN, strerror(errno));
}

static bool open_side(struct db *d, struct store_op *op, sqlite3 **side, const char *path,
	int flags, const char *sql)
{
	int rc = sqlite3_open_v2(path, side, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
		NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(*side, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK || failed(d, op, rc, sqlite3_errmsg(*side));
}

/* The new file needs no journal and no syncs of SQLite's: until the copy is whole it is
 * nothing. */
static bool begin(struct db *d, struct store_op *op)
{
	struct db_backup *b = op->backup;

	if (!open_side(d, op, &b->from, sqlite3_db_filename(d->sqlite, "main"),
		SQLITE_OPEN_READONLY, "BEGIN; SELECT count(*) FROM sqlite_schema") ||
	    !open_side(d, op, &b->to, op->bytes.p, SQLITE_OPEN_READWRITE,
		"PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF"))
		return false;
	b->copy = sqlite3_backup_init(b->to, "main", b->from, "main");
	return b->copy || failed(d, op, sqlite3_errcode(b->to), sqlite3_errmsg(b->to));
}

/* Syncs the name of the new file. */
static bool sync_folder(const char *path)
{
	struct arena a;

	arena_init(&a, 4096);
	struct str dir = str_dup(&a, str_c(path));
	char *slash = strrchr(dir.p, '/');
	if (slash)
		slash[slash == dir.p] = '\0';
	int fd = open(slash ? dir.p : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	arena_clear(&a);
	return ok;
}

static void end(struct store_op *op)
{
	struct db_backup *b = op->backup;

	sqlite3_backup_finish(b->copy);
	sqlite3_close(b->from);
	int rc = sqlite3_close(b->to);
	BUG_ON(rc != SQLITE_OK);
	if (b->fd >= 0) {
		close(b->fd);
		if (op->status != STORE_OK)
			unlink(op->bytes.p);
	}
	free(b);
	op->backup = NULL;
}

/* False: it has failed, or is whole and synced. */
static bool copy_some(struct db *d, struct store_op *op)
{
	struct db_backup *b = op->backup;

	errno = 0;
	int rc = sqlite3_backup_step(b->copy, STEP_PAGES);
	if (rc != SQLITE_OK && rc != SQLITE_DONE)
		return failed(d, op, rc, sqlite3_errstr(rc));
	if (fdatasync(b->fd) < 0 || (rc == SQLITE_DONE && !sync_folder(op->bytes.p)))
		return failed(d, op, SQLITE_IOERR_FSYNC, strerror(errno));
	op->status = STORE_OK;
	return rc == SQLITE_OK;
}

bool db_backup_step(struct db *d, struct store_op *op)
{
	bool going = true;

	if (!op->backup) {
		op->backup = xcalloc(1, sizeof *op->backup);
		going = make_file(d, op) && begin(d, op);
	}
	if (going && copy_some(d, op))
		return true;
	end(op);
	return false;
}
