/* The ledger's door: opening, closing, and handing operations to the writer.
 *
 * How it fails. What is wrong with the folder or a segment is a message from ledger_open();
 * the rest stands in ledger_writer.c (disk full, failed syncs), ledger_read.c (a broken
 * message) and ledger_recover.c (what a crash left). */
#include "store/ledger_private.h"

#include "base/bug.h"
#include "base/log.h"
#include "store/ledger_file.h"
#include "store/ledger_recover.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_DEFAULT ((uint64_t)64 << 20)
#define OP_CHUNK        256 /* of an operation's arena: enough for most names */

static struct str lock_folder(const char *dir, int *fd, struct arena *a)
{
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return str_printf(a, "%s can't be made: %s", dir, strerrordesc_np(errno));
	*fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return str_printf(a, "%s can't be opened: %s", dir, strerrordesc_np(errno));
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
		return STR_NULL;
	int e = errno;
	close(*fd);
	*fd = -1;
	if (e == EWOULDBLOCK)
		return str_printf(a, "%s is in use by another process; a ledger has one", dir);
	return str_printf(a, "%s can't be locked: %s", dir, strerrordesc_np(e));
}

static struct ledger_options options_of(const struct ledger_options *o)
{
	struct ledger_options out = *o;

	if (!out.segment_bytes)
		out.segment_bytes = SEGMENT_DEFAULT;
	if (out.segment_bytes > SEGMENT_MAX)
		out.segment_bytes = SEGMENT_MAX;
	out.segment_bytes = (out.segment_bytes + SEGMENT_MIN - 1) / SEGMENT_MIN * SEGMENT_MIN;
	if (!out.offline_max)
		out.offline_max = LEDGER_OFFLINE_MAX;
	return out;
}

static void ledger_free(struct ledger *l)
{
	if (l->w.fd >= 0)
		close(l->w.fd);
	reader_close(l);
	ledger_state_clear(&l->state);
	erase_set_clear(&l->w.erase_next);
	buf_clear(&l->w.group);
	free(l->w.homes.v);
	close(l->dir);
	free(l->path);
	free(l);
}

static struct ledger *ledger_new(const char *dir, int fd, const struct ledger_options *o)
{
	struct ledger *l = xcalloc(1, sizeof *l);
	size_t n = strlen(dir) + 1;

	l->path = xmalloc(n);
	memcpy(l->path, dir, n);
	l->dir = fd;
	l->o = options_of(o);
	l->w.fd = -1;
	for (size_t i = 0; i < READER_FILES; i++)
		l->files[i].fd = -1;
	ledger_state_init(&l->state);
	erase_set_init(&l->w.erase_next);
	buf_init(&l->w.group, SIZE_MAX / 2);
	op_queue_init(&l->w.todo);
	op_queue_init(&l->w.in_group);
	op_queue_init(&l->w.reads);
	op_queue_init(&l->w.to_erase);
	op_queue_init(&l->w.erased);
	return l;
}

static bool start_threads(struct ledger *l)
{
	if (!worker_start(&l->reader, "ledger-read", NULL, l))
		return false;
	if (!worker_start(&l->maker, "ledger-make", NULL, l))
		goto no_maker;
	if (!worker_start(&l->keeper, "ledger-keep", NULL, l))
		goto no_keeper;
	if (worker_start(&l->writer, "ledger-write", writer_main, l))
		return true;
	worker_stop(&l->keeper);
no_keeper:
	worker_stop(&l->maker);
no_maker:
	worker_stop(&l->reader);
	return false;
}

/* From what was found in the files to the writer's start. */
static bool take_up(struct ledger *l, const struct ledger_found *found)
{
	struct writer *w = &l->w;

	log_info(NULL, "ledger_open", F_C("folder", l->path),
		F_INT("segments", l->state.n_segments), F_INT("archives", l->state.archives.n),
		F_INT("waiting", l->state.waiting), F_INT("records_read", found->records));
	chores_count(l);
	w->index_covers = found->covered;
	w->look_for_garbage = true;
	if (found->has_spare) {
		w->spare = SPARE_READY;
		w->spare_head = found->spare;
	}
	if (!found->writable)
		return true;
	w->last = found->last;
	w->fd = segment_open(l->dir, ledger_active(l)->base, O_WRONLY);
	return w->fd >= 0;
}

struct ledger *ledger_open(const char *dir, const struct ledger_options *o, struct arena *a,
	struct str *error)
{
	struct ledger_found found;
	int fd = -1;

	*error = lock_folder(dir, &fd, a);
	if (error->n)
		return NULL;
	struct ledger *l = ledger_new(dir, fd, o);
	if (!ledger_recover(fd, dir, &l->state, &found, a, error)) {
		ledger_free(l);
		return NULL;
	}
	if (!take_up(l, &found) || !start_threads(l)) {
		*error = str_printf(a, "the ledger in %s can't start: %s", dir,
			strerrordesc_np(errno));
		ledger_free(l);
		return NULL;
	}
	return l;
}

struct index_reach ledger_reach(const struct ledger *l)
{
	const struct segment *g = &l->state.segments[l->state.n_segments - 1];

	return (struct index_reach){ g->base + g->end, l->w.last, g->salt };
}

static void save_index(struct ledger *l)
{
	struct buf image;

	if (l->failed || l->w.index_off || l->w.fd < 0)
		return;
	buf_init(&image, SIZE_MAX / 2);
	index_write(&l->state, ledger_reach(l), &image);
	if (!index_save(l->dir, buf_str(&image)))
		log_warn(NULL, "ledger_index", F_C("folder", l->path),
			F_C("error", strerrordesc_np(errno)));
	buf_clear(&image);
}

void ledger_close(struct ledger **p)
{
	struct ledger *l = *p;

	worker_stop(&l->writer); /* returns when all it had others do has come back, */
	worker_stop(&l->reader); /* but for reads */
	worker_stop(&l->keeper);
	worker_stop(&l->maker);
	save_index(l);
	ledger_free(l);
	*p = NULL;
}

struct ledger_op *ledger_op_new(struct mailbox *home, void (*done)(struct ledger_op *, void *),
	size_t ctx_size)
{
	struct ledger_op *op = xcalloc(1, sizeof *op + ctx_size);

	op->home = home;
	op->done = done;
	op->ctx = ctx_size ? op + 1 : NULL;
	arena_init(&op->mem, OP_CHUNK);
	return op;
}

void ledger_op_free(struct ledger_op *op)
{
	arena_clear(&op->mem);
	free(op);
}

static void came_home(struct mail *m, void *receiver)
{
	struct ledger_op *op = container_of(m, struct ledger_op, mail);

	op->done(op, receiver);
}

void ledger_op_leave(struct ledger *l, struct ledger_op *op)
{
	if (op->status == STORE_FAILED)
		atomic_fetch_add_explicit(&l->failures, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&l->ops, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&l->op_bytes, op->mail.bytes, memory_order_relaxed);
	op->mail.run = came_home;
}

static void submit(struct ledger *l, struct ledger_op *op, enum ledger_kind kind,
	struct str archive, struct str bytes)
{
	BUG_ON(archive.n == 0 || archive.n > LEDGER_NAME_MAX);
	op->kind = kind;
	op->mail.bytes = (uint32_t)(sizeof *op + archive.n);
	if (bytes.n > LEDGER_BYTES_MAX ||
		atomic_load_explicit(&l->ops, memory_order_relaxed) >= STORE_WAITING_MAX ||
		atomic_load_explicit(&l->op_bytes, memory_order_relaxed) >= LEDGER_QUEUE_BYTES) {
		op->status = STORE_FULL;
		op->mail.run = came_home;
		mailbox_post_one(op->home, &op->mail);
		return;
	}
	op->archive = str_dup(&op->mem, archive);
	op->bytes = str_dup(&op->mem, bytes);
	op->mail.bytes += (uint32_t)bytes.n;
	op->mail.run = writer_take;
	atomic_fetch_add_explicit(&l->ops, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&l->op_bytes, op->mail.bytes, memory_order_relaxed);
	mailbox_post_one(&l->writer.box, &op->mail);
}

void ledger_store_offline(struct ledger *l, struct ledger_op *op, struct str archive,
	uint64_t stamp_us, struct str bytes)
{
	op->stamp_us = stamp_us;
	submit(l, op, LEDGER_STORE, archive, bytes);
}

void ledger_read_offline(struct ledger *l, struct ledger_op *op, struct str archive, uint32_t max)
{
	op->max = max;
	submit(l, op, LEDGER_READ_OFFLINE, archive, STR_NULL);
}

void ledger_drop_offline(struct ledger *l, struct ledger_op *op, struct str archive, uint64_t id)
{
	op->id = id;
	submit(l, op, LEDGER_DROP_OFFLINE, archive, STR_NULL);
}

void ledger_erase(struct ledger *l, struct ledger_op *op, struct str archive)
{
	submit(l, op, LEDGER_ERASE, archive, STR_NULL);
}

uint32_t ledger_offline_count(struct ledger *l, struct str archive)
{
	return ledger_state_count(&l->state, archive);
}

void ledger_stats(struct ledger *l, struct ledger_stats *out)
{
	*out = (struct ledger_stats){ counter_read(&l->records), counter_read(&l->groups),
		counter_read(&l->bytes), counter_read(&l->segments), counter_read(&l->archives),
		counter_read(&l->waiting), 0, counter_read(&l->failures),
		atomic_load_explicit(&l->ops, memory_order_relaxed) };
}
