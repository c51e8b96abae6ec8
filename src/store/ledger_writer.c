/* The ledger's writer: takes operations, appends, commits in groups.
 *
 * How it fails. No room for the next segment: stores are refused (STORE_FULL) and it is tried
 * again with later ones; drops and erasures go on in the reserve, which is how room comes
 * back. A write or sync that fails: nothing can be promised any more, because what a failed
 * sync left in the page cache looks written and is not, so it is never tried again. Every
 * operation then comes home STORE_FAILED until the server is started anew. */
#include "store/ledger_private.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/ledger_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#define GROUP_BYTES    ((size_t)1 << 20) /* after which a group takes no more */
#define SPARE_RETRY_MS 200
#define PAGE           4096
#define RESERVE_PART   16 /* of a segment: for drops and erasures when the disk is full */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static struct batch *home_batch(struct homes *h, struct mailbox *box)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->v[i].box == box)
			return &h->v[i].batch;
	if (h->n == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 8;
		h->v = xrealloc(h->v, h->cap * sizeof *h->v);
	}
	h->v[h->n] = (struct home){ .box = box };
	return &h->v[h->n++].batch;
}

void writer_home(struct ledger *l, struct op_queue *q, enum store_status status)
{
	struct homes *h = &l->w.homes;

	for (struct ledger_op *op; (op = op_queue_take(q));) {
		if (status != STORE_OK)
			op->status = status;
		ledger_op_leave(l, op);
		batch_add(home_batch(h, op->home), &op->mail);
	}
	for (size_t i = 0; i < h->n; i++)
		mailbox_post(h->v[i].box, &h->v[i].batch);
	h->n = 0;
}

void writer_fail(struct ledger *l, const char *what, int e)
{
	if (atomic_exchange(&l->failed, true))
		return;
	log_error(NULL, "ledger_failed", F_C("folder", l->path), F_C("what", what),
		F_C("error", strerrordesc_np(e)),
		F_C("so", "no message is stored any more; see to the disk, then restart"));
}

uint64_t writer_append(struct ledger *l, struct record *r)
{
	struct writer *w = &l->w;
	struct segment *g = ledger_active(l);
	size_t names = 0;

	for (unsigned i = 0; i < r->n_archives; i++)
		names += r->archives[i].name.n;
	r->group = g->base + g->end;
	r->place = r->group + w->group.n;
	size_t n = record_length(r->n_archives, names, r->bytes.n);
	char *p = buf_reserve(&w->group, n);
	BUG_ON(!p);
	record_write(r, g->salt, p);
	w->group.n += n;
	w->last = r->place;
	counter_add(&l->records, 1);
	return r->place;
}

void writer_append_drop(struct ledger *l, struct str name, uint64_t upto)
{
	char bytes[8];
	struct record r = { .type = RECORD_DROP, .stamp_us = clock_wall_us(), .n_archives = 1,
		.archives = { { .name = name } }, .bytes = { bytes, sizeof bytes } };

	record_drop_bytes(upto, bytes);
	ledger_state_drop(&l->state, name, upto, writer_append(l, &r));
}

/* The group for place `at` with zeros up to the end of the page, which is what lies there. The
 * kernel then need not read the page from the disk; the page where the group begins was written
 * so before. */
static struct str fill_page(struct buf *group, uint64_t at)
{
	size_t rest = (size_t)(-(at + group->n) % PAGE);
	char *p = buf_reserve(group, rest);

	BUG_ON(!p);
	memset(p, 0, rest);
	return str_from(group->p, group->n + rest);
}

static void write_group(struct ledger *l)
{
	struct writer *w = &l->w;
	struct segment *g = ledger_active(l);
	struct str pages = fill_page(&w->group, g->end);

	if (!file_write(w->fd, g->end, pages.p, pages.n)) {
		writer_fail(l, "writing a segment", errno);
		return;
	}
	if (fdatasync(w->fd) != 0) {
		writer_fail(l, "syncing a segment", errno);
		return;
	}
	g->end += (uint32_t)w->group.n;
	counter_add(&l->groups, 1);
	counter_add(&l->bytes, w->group.n);
}

static void post_reads(struct ledger *l)
{
	struct batch reads = { 0 };

	for (struct ledger_op *op; (op = op_queue_take(&l->w.reads));) {
		op->mail.run = reader_run;
		batch_add(&reads, &op->mail);
	}
	mailbox_post(&l->reader.box, &reads);
}

void writer_commit(struct ledger *l)
{
	struct writer *w = &l->w;

	if (w->group.n && !l->failed)
		write_group(l);
	buf_reset(&w->group);
	if (l->failed) {
		writer_home(l, &w->in_group, STORE_FAILED);
		writer_home(l, &w->reads, STORE_FAILED);
		writer_home(l, &w->to_erase, STORE_FAILED);
		return;
	}
	ledger_state_publish(&l->state);
	writer_home(l, &w->in_group, STORE_OK);
	post_reads(l);
	if (w->fd >= 0 && w->spare == SPARE_NONE &&
		ledger_active(l)->end > ledger_active(l)->size / 2)
		chore_make(l);
}

/* Seals the segment that is written to and goes on in the next. */
static bool roll(struct ledger *l)
{
	struct writer *w = &l->w;
	struct record seal = { .type = RECORD_SEAL, .stamp_us = clock_wall_us() };

	if (w->fd >= 0) {
		writer_append(l, &seal);
		writer_commit(l);
		if (l->failed)
			return false;
		ledger_active(l)->sealed = true;
		close(w->fd);
	}
	ledger_state_add_segment(&l->state, &w->spare_head);
	w->spare = SPARE_NONE;
	w->last = 0;
	w->look_for_garbage = true;
	w->fd = segment_open(l->dir, w->spare_head.base, O_WRONLY);
	if (w->fd < 0)
		writer_fail(l, "opening the next segment", errno);
	return w->fd >= 0;
}

/* Waits for the next segment, when one is being made or it is time to try again. */
static bool wait_for_spare(struct ledger *l)
{
	struct writer *w = &l->w;
	bool again = (w->spare == SPARE_FULL || w->spare == SPARE_FAILED) &&
		clock_mono_ms() - w->spare_tried_ms >= SPARE_RETRY_MS;

	if (w->spare == SPARE_NONE || again)
		chore_make(l);
	if (w->spare == SPARE_MAKING)
		writer_commit(l); /* this can take a while: don't keep those that are ready */
	while (w->spare == SPARE_MAKING)
		worker_wait(&l->writer, -1);
	return w->spare == SPARE_READY;
}

static bool fits(struct ledger *l, size_t n, bool store)
{
	if (l->w.fd < 0)
		return false;
	const struct segment *g = ledger_active(l);
	uint64_t reserve = store && l->w.spare != SPARE_READY ? g->size / RESERVE_PART : 0;
	return g->end + l->w.group.n + n + RECORD_SEAL_LENGTH + reserve <= g->size;
}

bool writer_room(struct ledger *l, size_t n, bool store)
{
	uint64_t size = l->o.segment_bytes;

	if (n + SEGMENT_HEAD + RECORD_SEAL_LENGTH + size / RESERVE_PART > size)
		return false;
	while (!l->failed) {
		if (fits(l, n, store))
			return true;
		if (l->w.spare == SPARE_READY ? !roll(l) : !wait_for_spare(l))
			return false;
	}
	return false;
}

/* There was no room: why? */
static enum store_status no_room(const struct ledger *l)
{
	return l->failed || l->w.spare == SPARE_FAILED ? STORE_FAILED : STORE_FULL;
}

static enum store_status run_store(struct ledger *l, struct ledger_op *op)
{
	const struct archive *a = ledger_state_find(&l->state, op->archive);

	if (a && a->n >= l->o.offline_max)
		return STORE_FULL;
	if (!writer_room(l, record_length(1, op->archive.n, op->bytes.n), true))
		return no_room(l);
	a = ledger_state_find(&l->state, op->archive); /* a commit frees what was erased */
	struct record r = { .type = RECORD_STORE, .stamp_us = op->stamp_us, .n_archives = 1,
		.archives = { { .prev = a ? a->newest : 0, .name = op->archive } },
		.bytes = op->bytes };
	op->id = writer_append(l, &r);
	ledger_state_store(&l->state, op->archive, op->id);
	return STORE_OK;
}

static enum store_status run_drop(struct ledger *l, struct ledger_op *op)
{
	const struct archive *a = ledger_state_find(&l->state, op->archive);
	uint32_t n = a ? a->n : 0;

	while (n && a->waiting[n - 1] > op->id)
		n--;
	if (!n)
		return STORE_OK;
	uint64_t upto = a->waiting[n - 1];
	if (!writer_room(l, record_length(1, op->archive.n, 8), false))
		return no_room(l);
	writer_append_drop(l, op->archive, upto);
	l->w.look_for_garbage = true;
	return STORE_OK;
}

/* Where erasing must begin: at the first record of the archive that is known. Or before, in a
 * segment that is about to be deleted: a crash may have brought it back after the archive's
 * records in it had been forgotten. 0: there are none. */
static uint64_t erase_from(const struct ledger *l, const struct archive *a)
{
	uint64_t first = a ? a->first : 0;
	size_t at = 0;
	const struct segment *g = ledger_state_deletable(&l->state, &at);

	if (!g)
		return first;
	uint64_t place = g->base + SEGMENT_HEAD;
	return first && first < place ? first : place;
}

/* True when it goes on elsewhere after the commit. */
static bool run_erase(struct ledger *l, struct ledger_op *op)
{
	struct writer *w = &l->w;
	const uint64_t first = erase_from(l, ledger_state_find(&l->state, op->archive));

	op->status = STORE_OK;
	if (!first && !w->deleting && l->state.forgotten == w->index_forgotten)
		return false; /* there is not a byte of it in any file */
	if (first) {
		if (!writer_room(l, record_length(1, op->archive.n, 0), false)) {
			op->status = no_room(l);
			return false;
		}
		struct record r = { .type = RECORD_ERASE, .stamp_us = clock_wall_us(),
			.n_archives = 1, .archives = { { .name = op->archive } } };
		erase_set_add(&w->erase_next, op->archive, first, writer_append(l, &r));
		ledger_state_erase(&l->state, op->archive);
		w->look_for_garbage = true;
	}
	op_queue_add(&w->to_erase, op);
	return true;
}

/* Notes which messages are to be read. Until the reader has read one, its stamp_us is the
 * base of its segment. True: there are some. */
static bool run_read(struct ledger *l, struct ledger_op *op)
{
	const struct archive *a = ledger_state_find(&l->state, op->archive);
	const struct segment *g = NULL;

	op->status = STORE_OK;
	op->n_messages = a && a->n < op->max ? a->n : a ? op->max : 0;
	if (!op->n_messages)
		return false;
	op->messages = arena_alloc(&op->mem, op->n_messages * sizeof *op->messages);
	for (size_t i = 0; i < op->n_messages; i++) {
		if (!g || a->waiting[i] >= g->base + g->size)
			g = ledger_state_segment(&l->state, a->waiting[i]);
		op->messages[i] = (struct ledger_message){ .id = a->waiting[i], .stamp_us = g->base };
	}
	op_queue_add(&l->w.reads, op);
	return true;
}

static void run_op(struct ledger *l, struct ledger_op *op)
{
	if (l->failed) {
		op->status = STORE_FAILED;
	} else if (op->kind == LEDGER_READ_OFFLINE) {
		if (run_read(l, op))
			return;
	} else if (op->kind == LEDGER_ERASE) {
		if (run_erase(l, op))
			return;
	} else {
		op->status = op->kind == LEDGER_STORE ? run_store(l, op) : run_drop(l, op);
	}
	op_queue_add(&l->w.in_group, op);
}

static void run_todo(struct ledger *l)
{
	struct writer *w = &l->w;

	for (struct ledger_op *op; (op = op_queue_take(&w->todo));) {
		run_op(l, op);
		if (w->group.n >= GROUP_BYTES)
			writer_commit(l);
	}
	w->n_todo = 0;
	w->todo_bytes = 0;
	writer_commit(l);
}

void writer_take(struct mail *m, void *ledger)
{
	struct ledger *l = ledger;
	struct ledger_op *op = container_of(m, struct ledger_op, mail);

	op_queue_add(&l->w.todo, op);
	if (op->kind == LEDGER_READ_OFFLINE)
		return;
	l->w.n_todo++;
	l->w.todo_bytes += op->bytes.n;
}

/* Waits for more to commit together, as long as that pays. */
static void gather(struct ledger *l)
{
	struct writer *w = &l->w;
	uint64_t now = now_ns(), wait;

	gather_came(&w->gather, w->n_todo, now);
	while (w->n_todo && (wait = gather_wait(&w->gather, w->n_todo, w->todo_bytes, now))) {
		struct timespec t = { .tv_nsec = (long)wait };
		uint32_t before = w->n_todo;
		nanosleep(&t, NULL);
		mailbox_run(&l->writer.box, l);
		now = now_ns();
		gather_came(&w->gather, w->n_todo - before, now);
	}
}

void writer_main(void *ledger)
{
	struct ledger *l = ledger;
	struct writer *w = &l->w;

	prctl(PR_SET_TIMERSLACK, 1000UL); /* the waits of gather() are short */
	gather_init(&w->gather, now_ns());
	if (w->fd < 0 && w->spare == SPARE_NONE)
		chore_make(l);
	for (;;) {
		if (!mailbox_run(&l->writer.box, l) && !w->todo.first) {
			if (l->writer.stopping && chores_idle(l))
				return;
			worker_wait(&l->writer, chores_wait_ms(l));
		}
		if (w->todo.first) {
			gather(l);
			run_todo(l);
		}
		chores_keep_house(l);
	}
}
