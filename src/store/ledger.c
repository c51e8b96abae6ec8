/* The ledger's door: opening, closing, and handing operations to the writer.
 *
 * How it fails. What is wrong with the folder or a segment is a message from ledger_open();
 * the rest stands in ledger_writer.c (disk full, failed syncs), ledger_read.c (a broken
 * message) and ledger_recover.c (what a crash left). */
#include "store/ledger_private.h"

#include "base/bug.h"
#include "base/digest.h"
#include "base/hash.h"
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
#define PAGE_CHUNK      16384 /* of one that brings messages */

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
	reader_clear(l);
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
	ledger_state_init(&l->state);
	erase_set_init(&l->w.erase_next);
	buf_init(&l->w.group, SIZE_MAX / 2);
	op_queue_init(&l->w.todo);
	op_queue_init(&l->w.in_group);
	op_queue_init(&l->w.reads);
	op_queue_init(&l->w.to_erase);
	op_queue_init(&l->w.to_replace);
	op_queue_init(&l->w.to_back_up);
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
	w->segments_changed = true;
	l->state.floors_moved++; /* whatever the last time did not get to */
	while (!l->state.key[0])
		random_bytes(&l->state.key[0], sizeof l->state.key[0]);
	counter_set(&l->memory, ledger_state_memory(&l->state));
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
	l->w.retain_us = l->o.retain_us;
	l->state.retain_messages = l->o.retain_messages;
	retain_cutoff(l);
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

	return (struct index_reach){ g->base + g->end, l->w.last, g->form };
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

	struct worker *const workers[] = { &l->writer, &l->reader, &l->keeper, &l->maker };

	/* The writer returns when all it had others do has come back, but for reads. Who brought
	 * it the last may still be looking at its mailbox. */
	for (size_t i = 0; i < 4; i++)
		worker_join(workers[i]);
	for (size_t i = 0; i < 4; i++)
		mailbox_clear(&workers[i]->box);
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

uint64_t ledger_op_leave(struct ledger *l, struct ledger_op *op)
{
	if (op->status == STORE_FAILED)
		atomic_fetch_add_explicit(&l->failures, 1, memory_order_relaxed);
	op->mail.run = came_home;
	return op->mail.bytes;
}

void ledger_ops_left(struct ledger *l, uint64_t n, uint64_t bytes)
{
	atomic_fetch_sub_explicit(&l->op_bytes, bytes, memory_order_relaxed);
	atomic_fetch_sub_explicit(&l->ops, (unsigned)n, memory_order_release);
}

/* Sends it home at once. */
static void refuse(struct ledger_op *op, enum store_status status)
{
	op->status = status;
	op->mail.run = came_home;
	mailbox_post_one(op->home, &op->mail);
}

/* Whether the operation, with so many bytes, is taken; sends it home where it is not. */
static bool admit(struct ledger *l, struct ledger_op *op, enum ledger_kind kind, size_t bytes)
{
	op->kind = kind;
	op->mail.bytes = (uint32_t)(sizeof *op + bytes);
	if (bytes > LEDGER_BYTES_MAX + 4 * LEDGER_NAME_MAX ||
		atomic_load_explicit(&l->ops, memory_order_relaxed) >= STORE_WAITING_MAX ||
		atomic_load_explicit(&l->op_bytes, memory_order_relaxed) >= LEDGER_QUEUE_BYTES) {
		refuse(op, STORE_FULL);
		return false;
	}
	atomic_fetch_add_explicit(&l->ops, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&l->op_bytes, op->mail.bytes, memory_order_relaxed);
	return true;
}

bool ledger_is_busy(const struct ledger *l)
{
	return atomic_load_explicit(&l->ops, memory_order_relaxed) >= LEDGER_BUSY_OPS ||
	       atomic_load_explicit(&l->op_bytes, memory_order_relaxed) >= LEDGER_BUSY_BYTES;
}

static void submit(struct ledger *l, struct ledger_op *op)
{
	op->mail.run = writer_take;
	if (op->batch)
		batch_add(op->batch, &op->mail);
	else
		mailbox_post_one(&l->writer.box, &op->mail);
}

void ledger_flush(struct ledger *l, struct batch *b)
{
	mailbox_post(&l->writer.box, b);
}

static bool is_name(struct str archive)
{
	return archive.n && archive.n <= LEDGER_NAME_MAX;
}

static uint64_t hash_partner(const struct ledger *l, struct str partner)
{
	uint64_t h = partner.n ? hash_with(l->state.key, partner) : 0;

	return partner.n && !h ? 1 : h;
}

static char *append(char *to, struct str s)
{
	if (s.n)
		memcpy(to, s.p, s.n);
	return to + s.n;
}

void ledger_store(struct ledger *l, struct ledger_op *op, const struct ledger_entry *entries,
	unsigned n_entries, uint64_t id, struct str head, struct str rest)
{
	size_t names = 0;

	BUG_ON(!n_entries || n_entries > LEDGER_ARCHIVES || !id);
	BUG_ON(n_entries == 2 && str_eq(entries[0].archive, entries[1].archive));
	for (unsigned i = 0; i < n_entries; i++) {
		BUG_ON(!is_name(entries[i].archive) || !(entries[i].archived || entries[i].waits));
		names += entries[i].archive.n;
	}
	if (head.n + rest.n > LEDGER_BYTES_MAX) {
		refuse(op, STORE_FULL);
		return;
	}
	if (!admit(l, op, LEDGER_STORE, names + head.n + rest.n))
		return;
	struct ledger_store_part *p = arena_alloc(&op->mem,
		sizeof *p + names + head.n + rest.n);
	char *to = (char *)(p + 1);
	*p = (struct ledger_store_part){ .n = n_entries, .bytes = { to, head.n + rest.n } };
	to = append(append(to, head), rest);
	for (unsigned i = 0; i < n_entries; i++) {
		const struct ledger_entry *e = &entries[i];
		p->slots[i] = (struct record_archive){ .partner = hash_partner(l, e->partner),
			.name = { to, e->archive.n }, .archived = e->archived, .waits = e->waits };
		to = append(to, e->archive);
	}
	op->archive = p->slots[0].name;
	op->id = id;
	op->part.store = p;
	submit(l, op);
}

/* An operation on one archive with a part of this size behind it, zeroed; or NULL. */
static void *admit_archive(struct ledger *l, struct ledger_op *op, enum ledger_kind kind,
	struct str archive, size_t part)
{
	BUG_ON(!is_name(archive));
	if (!admit(l, op, kind, archive.n + part))
		return NULL;
	op->archive = str_dup(&op->mem, archive);
	void *p = arena_alloc(&op->mem, part);
	memset(p, 0, part);
	return p;
}

/* A reading operation with room for so many ids. */
static struct ledger_read_part *admit_read(struct ledger *l, struct ledger_op *op,
	enum ledger_kind kind, struct str archive, size_t finds)
{
	struct ledger_read_part *p = admit_archive(l, op, kind, archive,
		sizeof *p + finds * sizeof *p->finds);

	if (!p)
		return NULL;
	p->finds = (struct find *)(p + 1);
	op->part.read = p;
	return p;
}

static void add_finds(struct ledger_read_part *p, const uint64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p->finds[p->n_finds++].id = ids[i];
}

void ledger_read_waiting(struct ledger *l, struct ledger_op *op, struct str archive,
	uint64_t after, uint32_t max)
{
	struct ledger_read_part *p = admit_read(l, op, LEDGER_READ_WAITING, archive, 0);

	if (!p)
		return;
	p->behind = after;
	p->q.max = max;
	submit(l, op);
}

void ledger_drop(struct ledger *l, struct ledger_op *op, struct str archive,
	const uint64_t *places, size_t n)
{
	BUG_ON(n > LEDGER_IDS_MAX);
	struct ledger_list_part *p = admit_archive(l, op, LEDGER_DROP, archive,
		sizeof *p + n * sizeof *p->v);
	if (!p)
		return;
	p->n = n;
	if (n)
		memcpy(p->v, places, n * sizeof *p->v);
	op->part.list = p;
	submit(l, op);
}

void ledger_drop_all(struct ledger *l, struct ledger_op *op, struct str archive)
{
	if (admit_archive(l, op, LEDGER_DROP_ALL, archive, 0))
		submit(l, op);
}

void ledger_wait(struct ledger *l, struct ledger_op *op, struct str archive,
	const uint64_t *ids, size_t n)
{
	BUG_ON(n > LEDGER_IDS_MAX);
	struct ledger_read_part *p = admit_read(l, op, LEDGER_WAIT, archive, n);
	if (!p)
		return;
	add_finds(p, ids, n);
	submit(l, op);
}

void ledger_query(struct ledger *l, struct ledger_op *op, struct str archive,
	const struct ledger_query *q)
{
	BUG_ON(q->n_ids > LEDGER_IDS_MAX || q->match_ctx_size > LEDGER_MATCH_MAX);
	struct ledger_read_part *p = admit_read(l, op, LEDGER_QUERY, archive, q->n_ids + 2);
	if (!p)
		return;
	op->mem.chunk_size = PAGE_CHUNK;
	p->q = *q;
	p->q.match_ctx = q->match_ctx_size ? str_dup(&op->mem,
		str_from(q->match_ctx, q->match_ctx_size)).p : NULL;
	p->partner = hash_partner(l, q->with);
	add_finds(p, q->ids, q->n_ids);
	add_finds(p, &q->after, q->after ? 1 : 0);
	add_finds(p, &q->before, q->before ? 1 : 0);
	submit(l, op);
}

void ledger_replace(struct ledger *l, struct ledger_op *op, struct str archive, uint64_t id,
	struct str bytes)
{
	if (bytes.n > LEDGER_BYTES_MAX) {
		refuse(op, STORE_FULL);
		return;
	}
	struct ledger_read_part *p = admit_read(l, op, LEDGER_REPLACE, archive, 1);
	if (!p)
		return;
	op->id = id;
	op->mail.bytes += (uint32_t)bytes.n;
	atomic_fetch_add_explicit(&l->op_bytes, bytes.n, memory_order_relaxed);
	p->bytes = str_dup(&op->mem, bytes);
	add_finds(p, &id, 1);
	submit(l, op);
}

void ledger_erase(struct ledger *l, struct ledger_op *op, struct str archive)
{
	if (admit_archive(l, op, LEDGER_ERASE, archive, 0))
		submit(l, op);
}

void ledger_backup(struct ledger *l, struct ledger_op *op, const char *dir)
{
	struct str path = str_c(dir);

	if (!admit(l, op, LEDGER_BACKUP, path.n))
		return;
	op->archive = str_dup(&op->mem, path);
	submit(l, op);
}

uint32_t ledger_waiting(struct ledger *l, struct str archive)
{
	return ledger_state_count(&l->state, archive);
}

void ledger_stats(struct ledger *l, struct ledger_stats *out)
{
	*out = (struct ledger_stats){ counter_read(&l->records), counter_read(&l->groups),
		counter_read(&l->bytes), counter_read(&l->segments), counter_read(&l->archives),
		counter_read(&l->waiting), counter_read(&l->memory), counter_read(&l->failures),
		atomic_load_explicit(&l->ops, memory_order_acquire) };
}
