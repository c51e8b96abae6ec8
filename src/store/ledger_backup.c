/* A copy of the ledger in use. The keeper makes it: whatever deletes, erases or replaces waits
 * until it is done, and the writer goes on behind the end that is copied. */
#include "store/ledger_private.h"

#include "base/bug.h"
#include "base/log.h"
#include "store/ledger_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES ((size_t)1 << 20)

struct backup_chore {
	struct chore chore;
	struct segment_list segments;
	struct ledger_op *op;
	int e;
};

static bool copy_by_hand(int from, int to, uint64_t at, uint64_t end)
{
	char *bytes = xmalloc(COPY_BYTES);
	bool good = true;

	for (; good && at < end; at += COPY_BYTES) {
		size_t n = end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES;
		good = file_read(from, at, bytes, n) && file_write(to, at, bytes, n);
	}
	free(bytes);
	return good;
}

/* In the kernel where the file system can do that; some of them share the blocks then. */
static bool copy_bytes(int from, int to, uint64_t end)
{
	for (uint64_t at = 0; at < end;) {
		off_t in = (off_t)at, out = (off_t)at;
		ssize_t n = copy_file_range(from, &in, to, &out, (size_t)(end - at), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return copy_by_hand(from, to, at, end);
		at += (uint64_t)n;
	}
	return true;
}

static bool copy_segment(const struct segment *g, int from_dir, int to_dir)
{
	char name[SEGMENT_NAME_SIZE];
	int from = segment_open(from_dir, g->base, O_RDONLY);

	if (from < 0)
		return false;
	segment_name(g->base, name);
	int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool good = to >= 0 && copy_bytes(from, to, g->end) &&
		(g->sealed || ftruncate(to, (off_t)g->size) == 0) && fsync(to) == 0;
	int e = errno;
	close(from);
	if (to >= 0)
		close(to);
	errno = e;
	return good;
}

static bool copy_all(const struct backup_chore *x, int to_dir)
{
	for (size_t i = 0; i < x->segments.n; i++)
		if (!copy_segment(&x->segments.v[i], x->chore.l->dir, to_dir))
			return false;
	return fsync(to_dir) == 0;
}

static void remove_all(const struct backup_chore *x, int to_dir, const char *path)
{
	char name[SEGMENT_NAME_SIZE];

	for (size_t i = 0; i < x->segments.n; i++) {
		segment_name(x->segments.v[i].base, name);
		unlinkat(to_dir, name, 0);
	}
	rmdir(path);
}

static void backup_work(struct chore *c)
{
	struct backup_chore *x = container_of(c, struct backup_chore, chore);
	const char *path = x->op->archive.p;

	x->e = mkdir(path, 0700) == 0 ? 0 : errno;
	if (x->e)
		return;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || !copy_all(x, dir)) {
		x->e = errno;
		if (dir >= 0)
			remove_all(x, dir, path);
	}
	if (dir >= 0)
		close(dir);
}

static void backup_after(struct chore *c)
{
	struct backup_chore *x = container_of(c, struct backup_chore, chore);
	struct op_queue home;

	x->op->status = !x->e ? STORE_OK : x->e == EEXIST ? STORE_EXISTS
		: errno_is_full(x->e) ? STORE_FULL : STORE_FAILED;
	if (x->e)
		log_error(NULL, "ledger_backup", F_STR("folder", x->op->archive),
			F_C("error", strerrordesc_np(x->e)));
	op_queue_init(&home);
	op_queue_add(&home, x->op);
	writer_home(c->l, &home, STORE_OK);
	free(x->segments.v);
	free(x);
}

void backup_post(struct ledger *l, struct ledger_op *op)
{
	struct backup_chore *x = xcalloc(1, sizeof *x);

	x->op = op;
	x->segments = chores_segments(l);
	x->chore.work = backup_work;
	x->chore.after = backup_after;
	chore_post(l, &x->chore, &l->keeper, &l->keeper);
}
