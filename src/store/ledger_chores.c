/* What the writer has others do: the next segment, the index, deleting, erasing. */
#include "store/ledger_private.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "store/ledger_file.h"

#include <errno.h>

/* An index is due after so many bytes of records, and as many times its own size: writing it
 * costs a small part of what writing the records did, and a crash has no more to read. */
#define INDEX_EVERY(l)    ((l)->o.segment_bytes)
#define INDEX_TIMES       8

#define CARRY_PART        4  /* a segment goes if less than this part of it must be kept */
#define TRIM_BUCKETS      512 /* of the map of archives, between two commits */
#define GARBAGE_PAUSE     20 /* times as long as looking for it took */

static void chore_back(struct mail *m, void *ledger)
{
	struct ledger *l = ledger;
	struct chore *c = container_of(m, struct chore, mail);

	l->w.chores--;
	c->after(c);
}

void chore_work(struct mail *m, void *receiver)
{
	struct chore *c = container_of(m, struct chore, mail);

	c->work(c);
	m->run = chore_back;
	mailbox_post_one(&c->l->writer.box, m);
}

void chore_post(struct ledger *l, struct chore *c, struct worker *first, struct worker *worker)
{
	c->l = l;
	c->worker = worker;
	c->mail.run = first == worker ? chore_work : reader_forward;
	l->w.chores++;
	mailbox_post_one(&first->box, &c->mail);
}

struct segment_list chores_segments(const struct ledger *l)
{
	struct segment_list list = { xcalloc(l->state.n_segments, sizeof *list.v),
		l->state.n_segments };

	if (list.n) /* a ledger that nobody has written to has none */
		memcpy(list.v, l->state.segments, list.n * sizeof *list.v);
	return list;
}

/* The next segment. */

static void make_work(struct chore *c)
{
	struct make_chore *m = container_of(c, struct make_chore, chore);

	m->e = segment_create(c->l->dir, &m->head, c->l->o.min_free_bytes) ? 0 : errno;
}

static void make_after(struct chore *c)
{
	struct make_chore *m = container_of(c, struct make_chore, chore);
	struct ledger *l = c->l;
	struct writer *w = &l->w;
	enum spare result = !m->e ? SPARE_READY : errno_is_full(m->e) ? SPARE_FULL : SPARE_FAILED;

	w->spare = result;
	w->spare_head = m->head;
	w->spare_tried_ms = clock_mono_ms();
	if (result != SPARE_READY && !w->no_space)
		log_error(NULL, "ledger_full", F_C("folder", l->path),
			F_C("error", strerrordesc_np(m->e)), F_INT("needs", m->head.size),
			F_INT("free", l->o.min_free_bytes));
	if (result == SPARE_READY && w->no_space)
		log_info(NULL, "ledger_has_room", F_C("folder", l->path),
			F_INT("bytes", m->head.size));
	w->no_space = result != SPARE_READY;
	free(m);
}

void chore_make(struct ledger *l)
{
	struct make_chore *m = xcalloc(1, sizeof *m);
	uint64_t base = 0;

	if (l->state.n_segments)
		base = ledger_active(l)->base + ledger_active(l)->size;
	m->head = (struct segment_head){ .base = base, .size = l->o.segment_bytes, .after = base,
		.created_us = clock_wall_us(), .form = { .version = LEDGER_VERSION },
		.key = l->state.key[0] };
	random_bytes(&m->head.form.salt, sizeof m->head.form.salt);
	m->chore.work = make_work;
	m->chore.after = make_after;
	l->w.spare = SPARE_MAKING;
	chore_post(l, &m->chore, &l->maker, &l->maker);
}

/* The index. */

static void index_work(struct chore *c)
{
	struct index_chore *x = container_of(c, struct index_chore, chore);
	struct ledger *l = c->l;

	x->saved = x->image.n && index_save(l->dir, buf_str(&x->image));
	if (x->saved)
		return;
	if (x->image.n)
		log_warn(NULL, "ledger_index", F_C("folder", l->path),
			F_C("error", strerrordesc_np(errno)));
	/* Nobody may find in the old one what has been erased. */
	x->gone = index_remove(l->dir);
}

static void index_after(struct chore *c)
{
	struct index_chore *x = container_of(c, struct index_chore, chore);
	struct writer *w = &c->l->w;

	w->index_busy = false;
	if (x->saved || x->gone)
		w->index_forgotten = x->forgotten;
	writer_home(c->l, &x->ops, x->saved || x->gone ? STORE_OK : STORE_FAILED);
	buf_clear(&x->image);
	free(x);
}

static void post_index(struct ledger *l)
{
	struct writer *w = &l->w;
	struct index_chore *x = xcalloc(1, sizeof *x);

	buf_init(&x->image, SIZE_MAX / 2);
	if (w->fd >= 0 && !w->index_off) {
		struct index_reach reach = ledger_reach(l);
		index_write(&l->state, reach, &x->image);
		w->index_covers = reach.covers;
		w->index_bytes = x->image.n;
		counter_set(&l->memory, ledger_state_memory(&l->state));
	}
	x->forgotten = l->state.forgotten;
	op_queue_init(&x->ops);
	op_queue_move(&x->ops, &w->erased);
	x->chore.work = index_work;
	x->chore.after = index_after;
	w->index_busy = true;
	w->index_wanted = false;
	/* By way of the reader, as what deletes: an index that does not name an archive any more
	 * comes after the segments that had its records are gone. */
	chore_post(l, &x->chore, &l->reader, &l->keeper);
}

static bool index_due(const struct ledger *l)
{
	const struct writer *w = &l->w;

	if (w->index_wanted || w->fd < 0 || w->index_off)
		return w->index_wanted;
	uint64_t bytes = ledger_reach(l).covers - w->index_covers;
	return bytes >= INDEX_EVERY(l) && bytes >= INDEX_TIMES * w->index_bytes;
}

/* Deleting. */

static void delete_work(struct chore *c)
{
	struct delete_chore *d = container_of(c, struct delete_chore, chore);

	d->e = 0;
	if (!c->l->failed && !segment_delete(c->l->dir, d->base, d->next_base, d->after))
		d->e = errno;
}

static void delete_after(struct chore *c)
{
	struct delete_chore *d = container_of(c, struct delete_chore, chore);
	struct ledger_fault fault = { "it can't be deleted", d->base, 0, d->e };

	c->l->w.deleting--;
	if (d->e)
		ledger_fault_log(&fault, "ledger_delete", c->l->path);
	if (d->e == EIO)
		writer_fail(c->l, "deleting a segment", d->e);
	free(d);
}

static void carry_one(void *ctx, struct archive *a)
{
	writer_append_waiting(ctx, a);
}

/* Deletes the segment, after what must be kept of it has been written anew and synced. */
static bool delete_segment(struct ledger *l, struct segment *g, uint64_t carry)
{
	const size_t i = (size_t)(g - l->state.segments);

	if (carry && !writer_room(l, carry, false))
		return false;
	g = &l->state.segments[i]; /* they may have moved */
	ledger_state_carry(&l->state, g, carry_one, l);
	writer_commit(l);
	if (l->failed)
		return false;
	struct delete_chore *d = xcalloc(1, sizeof *d);
	d->base = g->base;
	d->next_base = g[1].base;
	d->after = g[1].after = g->after;
	d->chore.work = delete_work;
	d->chore.after = delete_after;
	l->w.deleting++;
	ledger_state_remove_segment(&l->state, g);
	l->w.trimming = true;
	l->w.trim_at = 0;
	l->w.segments_changed = true;
	chore_post(l, &d->chore, &l->reader, &l->keeper);
	return true;
}

/* Deletes one segment in which nothing waits, if it is worth it. */
static bool delete_one(struct ledger *l)
{
	size_t at = 0;

	for (struct segment *g; (g = ledger_state_deletable(&l->state, &at));) {
		uint64_t carry = ledger_state_carry_bytes(&l->state, g);
		if (at < l->state.n_segments && carry <= g->size / CARRY_PART)
			return delete_segment(l, g, carry);
	}
	return false;
}

static void collect_garbage(struct ledger *l)
{
	struct writer *w = &l->w;
	uint64_t began = clock_mono_ms();

	if (!w->look_for_garbage || began < w->garbage_after_ms)
		return;
	/* Another one, if there is, comes next time, so that nobody waits for long. */
	w->look_for_garbage = delete_one(l);
	uint64_t now = clock_mono_ms();
	w->garbage_after_ms = now + GARBAGE_PAUSE * (now - began);
}

/* Erasing. */

static void erase_work(struct chore *c)
{
	struct erase_chore *x = container_of(c, struct erase_chore, chore);

	x->fault.what = NULL;
	erase_set_run(&x->set, c->l->dir, &x->fault);
}

static void erase_after(struct chore *c)
{
	struct erase_chore *x = container_of(c, struct erase_chore, chore);
	struct ledger *l = c->l;
	struct writer *w = &l->w;

	w->erasing = false;
	if (!x->fault.what) {
		op_queue_move(&w->erased, &x->ops);
	} else {
		ledger_fault_log(&x->fault, "ledger_erase", l->path);
		writer_home(l, &x->ops, STORE_FAILED);
		if (x->fault.e)
			writer_fail(l, "erasing", x->fault.e);
		/* An index would hide from the next open that there is work left. */
		w->index_off = true;
	}
	w->index_wanted = true;
	erase_set_clear(&x->set);
	free(x);
}

static void post_erase(struct ledger *l)
{
	struct writer *w = &l->w;

	if (erase_set_empty(&w->erase_next)) { /* of archives that only the index names */
		op_queue_move(&w->erased, &w->to_erase);
		w->index_wanted = true;
		return;
	}
	struct erase_chore *x = xcalloc(1, sizeof *x);
	x->set = w->erase_next;
	erase_set_init(&w->erase_next);
	erase_set_bind(&x->set, &l->state);
	op_queue_init(&x->ops);
	op_queue_move(&x->ops, &w->to_erase);
	x->chore.work = erase_work;
	x->chore.after = erase_after;
	w->erasing = true;
	chore_post(l, &x->chore, &l->reader, &l->keeper);
}

/* Replacing. */

static void replace_work(struct chore *c)
{
	struct replace_chore *x = container_of(c, struct replace_chore, chore);

	x->fault.what = NULL;
	for (const struct ledger_op *op = x->ops.first; op; op = op->next)
		if (!replace_run(x->segments, c->l->dir, op->part.read->finds[0].place, op->place,
			&x->fault))
			return;
}

static void replace_after(struct chore *c)
{
	struct replace_chore *x = container_of(c, struct replace_chore, chore);
	struct ledger *l = c->l;

	l->w.replacing = false;
	if (x->fault.what) {
		ledger_fault_log(&x->fault, "ledger_replace", l->path);
		if (x->fault.e)
			writer_fail(l, "replacing", x->fault.e);
		l->w.index_off = true; /* as for erasing */
	}
	writer_home(l, &x->ops, x->fault.what ? STORE_FAILED : STORE_OK);
	free(x->segments.v);
	free(x);
}

static void post_replace(struct ledger *l)
{
	struct replace_chore *x = xcalloc(1, sizeof *x);

	op_queue_init(&x->ops);
	op_queue_move(&x->ops, &l->w.to_replace);
	x->segments = chores_segments(l);
	x->chore.work = replace_work;
	x->chore.after = replace_after;
	l->w.replacing = true;
	chore_post(l, &x->chore, &l->reader, &l->keeper);
}

bool chores_idle(const struct ledger *l)
{
	const struct writer *w = &l->w;

	return !w->chores && !atomic_load(&l->reading) && !w->to_erase.first &&
		!w->to_replace.first && !w->to_back_up.first && !w->erased.first;
}

int chores_wait_ms(const struct ledger *l)
{
	const struct writer *w = &l->w;

	if (l->failed)
		return -1;
	if (w->trimming)
		return 0;
	int retain_ms = retain_wait_ms(l);
	if (!w->look_for_garbage)
		return retain_ms;
	uint64_t now = clock_mono_ms();
	int ms = now < w->garbage_after_ms ? (int)(w->garbage_after_ms - now) : 0;
	return retain_ms >= 0 && retain_ms < ms ? retain_ms : ms;
}

void chores_count(struct ledger *l)
{
	counter_set(&l->segments, l->state.n_segments);
	counter_set(&l->archives, l->state.archives.n);
	counter_set(&l->waiting, l->state.waiting);
}

/* Between commits. */
void chores_keep_house(struct ledger *l)
{
	struct writer *w = &l->w;

	if (l->failed) {
		writer_home(l, &w->to_erase, STORE_FAILED);
		writer_home(l, &w->to_replace, STORE_FAILED);
		writer_home(l, &w->to_back_up, STORE_FAILED);
		writer_home(l, &w->erased, STORE_FAILED);
		return;
	}
	if (w->to_erase.first && !w->erasing)
		post_erase(l);
	if (w->to_replace.first && !w->replacing)
		post_replace(l);
	for (struct ledger_op *op; (op = op_queue_take(&w->to_back_up));)
		backup_post(l, op);
	if (w->trimming)
		w->trimming = ledger_state_trim_some(&l->state, &w->trim_at, TRIM_BUCKETS);
	retain_keep(l);
	collect_garbage(l);
	/* While something is being erased or replaced an index would hide that from the next
	 * open. */
	if (!w->index_busy && !w->erasing && !w->replacing && index_due(l))
		post_index(l);
	chores_count(l);
}
