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
#define RESERVE_PART   8  /* of a segment: for drops and erasures when the disk is full */

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
	uint64_t left = 0, bytes = 0;

	for (struct ledger_op *op; (op = op_queue_take(q));) {
		if (status != STORE_OK)
			op->status = status;
		bytes += ledger_op_leave(l, op);
		left++;
		batch_add(home_batch(h, op->home), &op->mail);
	}
	for (size_t i = 0; i < h->n; i++)
		mailbox_post(h->v[i].box, &h->v[i].batch);
	ledger_ops_left(l, left, bytes);
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
	record_write(r, g->form.salt, p);
	w->group.n += n;
	w->last = r->place;
	counter_add(&l->records, 1);
	return r->place;
}

/* Part of what waits: places from index i on, and what record says of those before it. */
static void append_waiting(struct ledger *l, const struct archive *a, uint32_t i, uint32_t n,
	uint64_t from, uint64_t to)
{
	char bytes[16 + 8 * WAITING_PLACES];
	struct record r = { .type = RECORD_WAITING, .id = ledger_id(clock_wall_us(), 0),
		.n_archives = 1, .archives = { { .name = a->name } } };

	record_places((const uint64_t[]){ from, to }, 2, bytes);
	record_places(a->waiting + i, n, bytes + 16);
	r.bytes = str_from(bytes, 16 + 8 * n);
	writer_append(l, &r);
	ledger_state_waiting(&l->state, a->name, &r);
}

void writer_append_waiting(struct ledger *l, const struct archive *a)
{
	uint64_t from = 0;
	uint32_t i = 0;

	for (; a->n_waiting - i >= WAITING_PLACES; i += WAITING_PLACES) {
		uint64_t to = a->waiting[i + WAITING_PLACES - 1] + 1;
		append_waiting(l, a, i, WAITING_PLACES, from, to);
		from = to;
	}
	append_waiting(l, a, i, a->n_waiting - i, from, UINT64_MAX);
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

/* Tells the reader of segments that came or went. Those that went are deleted only after it has
 * seen this. */
static void add_segments(struct ledger *l, struct batch *reads)
{
	const struct ledger_state *s = &l->state;
	struct segments_mail *m = xcalloc(1, sizeof *m + s->n_segments * sizeof *m->v);

	m->n = s->n_segments;
	for (size_t i = 0; i < m->n; i++)
		m->v[i] = (struct read_segment){ s->segments[i].base, s->segments[i].size,
			s->segments[i].form, -1 };
	m->mail.run = reader_segments;
	batch_add(reads, &m->mail);
	l->w.segments_changed = false;
}

static void post_reads(struct ledger *l)
{
	struct batch reads = { 0 };

	if (l->w.reads.first && l->w.segments_changed)
		add_segments(l, &reads);
	for (struct ledger_op *op; (op = op_queue_take(&l->w.reads));) {
		atomic_fetch_add(&l->reading, 1);
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
		writer_home(l, &w->to_replace, STORE_FAILED);
		writer_home(l, &w->to_back_up, STORE_FAILED);
		return;
	}
	ledger_state_publish(&l->state);
	writer_home(l, &w->in_group, STORE_OK);
	post_reads(l);
	if (w->fd >= 0 && w->spare == SPARE_NONE &&
		ledger_active(l)->end > ledger_active(l)->size / 2)
		chore_make(l);
}

static void append_seal(struct ledger *l)
{
	struct segment *g = ledger_active(l);
	struct record r = { .type = RECORD_SEAL, .id = ledger_id(clock_wall_us(), 0) };
	char *p = buf_reserve(&l->w.group, RECORD_SEAL_LENGTH);

	BUG_ON(!p);
	r.group = g->base + g->end;
	r.place = r.group + l->w.group.n;
	l->w.group.n += record_write_seal(&r, g->form, p);
}

bool writer_roll(struct ledger *l)
{
	struct writer *w = &l->w;

	if (w->fd >= 0) {
		append_seal(l);
		writer_commit(l);
		if (l->failed)
			return false;
		ledger_active(l)->sealed = true;
		close(w->fd);
	}
	ledger_state_add_segment(&l->state, &w->spare_head);
	w->spare = SPARE_NONE;
	w->segments_changed = true;
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
	if (g->form.version != LEDGER_VERSION)
		return false;
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
		if (l->w.spare == SPARE_READY ? !writer_roll(l) : !wait_for_spare(l))
			return false;
	}
	return false;
}

static void run_todo(struct ledger *l)
{
	struct writer *w = &l->w;

	retain_cutoff(l);
	for (struct ledger_op *op; (op = op_queue_take(&w->todo));) {
		writer_run(l, op);
		if (w->group.n >= GROUP_BYTES)
			writer_commit(l);
	}
	w->n_todo = 0;
	w->todo_bytes = 0;
	writer_commit(l);
}

/* Operations that write nothing, as far as they have come. */
static bool only_reads(const struct ledger_op *op)
{
	switch (op->kind) {
	case LEDGER_READ_WAITING:
	case LEDGER_QUERY:
		return true;
	case LEDGER_WAIT:
	case LEDGER_REPLACE:
		return !op->part.read->found;
	default:
		return false;
	}
}

void writer_take(struct mail *m, void *ledger)
{
	struct ledger *l = ledger;
	struct ledger_op *op = container_of(m, struct ledger_op, mail);

	op_queue_add(&l->w.todo, op);
	if (only_reads(op))
		return;
	l->w.n_todo++;
	l->w.todo_bytes += op->mail.bytes;
}

void writer_take_back(struct mail *m, void *ledger)
{
	atomic_fetch_sub(&((struct ledger *)ledger)->reading, 1);
	writer_take(m, ledger);
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
			if (l->writer.stopping)
				atomic_store(&l->closing, true);
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
