/* The writer's side of reading histories: where the reader has to begin and where to end. It
 * takes a few binary searches among marks; the reader then walks along chains. */
#include "store/ledger_private.h"

#include "base/bug.h"

#include <stdlib.h>

#define CHUNK_RECORDS 256 /* about, of a page that is filled forwards */

static int by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct find *)a)->id, y = ((const struct find *)b)->id;

	return (x > y) - (x < y);
}

static int by_place(const void *a, const void *b)
{
	uint64_t x = ((const struct find *)a)->place, y = ((const struct find *)b)->place;

	return (x > y) - (x < y);
}

/* Between which messages of the history this one is. */
static void set_window(const struct ledger_state *s, const struct archive *a, struct find *f)
{
	const uint64_t stamp_us = ledger_id_stamp(f->id), tick = mark_tick(stamp_us);

	if (!a || stamp_us < s->cutoff_us)
		return;
	uint32_t from = marks_low_upto(&a->marks, tick);
	uint32_t stop = marks_higher_before(&a->marks, tick);
	f->from = from < a->marks.n ? mark_place(&a->marks.v[from]) : a->newest;
	f->stop = stop ? mark_place(&a->marks.v[stop - 1]) : a->floor;
}

/* Nothing of what is gone by now may be found. */
static void trim(struct ledger_state *s, struct archive *a)
{
	archive_trim(s, a);
	archive_expire(s, a);
	archive_bound(s, a);
}

void query_windows(struct ledger *l, struct ledger_op *op)
{
	struct ledger_read_part *p = op->part.read;
	struct archive *a = ledger_state_find(&l->state, op->archive);

	if (a)
		trim(&l->state, a);
	for (size_t i = 0; i < p->n_finds; i++)
		set_window(&l->state, a, &p->finds[i]);
	qsort(p->finds, p->n_finds, sizeof *p->finds, by_id);
	p->left = p->n_finds;
}

/* The chain that a page goes along: of the archive, or of one of its conversations. */
struct chain {
	const struct marks *marks;
	uint32_t every;
	uint64_t newest; /* 0: it is empty */
};

static struct chain chain_of(const struct archive *a, const struct ledger_read_part *p)
{
	static const struct marks none;
	struct chain c = { &none, MARK_EVERY, 0 };

	if (!a)
		return c;
	if (!p->partner)
		return (struct chain){ &a->marks, MARK_EVERY, a->newest };
	const struct talk *k = talks_find(&a->talks, p->partner);
	return k ? (struct chain){ talks_marks(&a->talks, k), TALK_MARK_EVERY, k->newest } : c;
}

/* Where the id of a query was found; 0: it had none. */
static uint64_t found_place(const struct ledger_read_part *p, uint64_t id)
{
	for (size_t i = 0; id && i < p->n_finds; i++)
		if (p->finds[i].id == id)
			return p->finds[i].place;
	return 0;
}

static uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Between which places the page is, as closely as marks know. */
static void set_range(const struct ledger_state *s, const struct archive *a,
	const struct chain *c, struct ledger_read_part *p)
{
	const struct ledger_query *q = &p->q;

	p->behind = max64(a ? a->floor : 0, found_place(p, q->after));
	p->before = q->before ? found_place(p, q->before) : UINT64_MAX;
	p->q.start_us = max64(q->start_us, s->cutoff_us);
	uint32_t n = marks_higher_before(c->marks, mark_tick(p->q.start_us));
	if (n)
		p->behind = max64(p->behind, mark_place(&c->marks->v[n - 1]));
	if (!q->end_us)
		return;
	n = marks_low_upto(c->marks, mark_tick(q->end_us));
	if (n < c->marks->n && mark_place(&c->marks->v[n]) < p->before)
		p->before = mark_place(&c->marks->v[n]) + 1;
}

/* Backwards: begins at the first message that is known to be no older than all of the page. */
static void begin_backwards(const struct chain *c, struct ledger_read_part *p)
{
	uint32_t i = marks_before_place(c->marks, p->before - 1);

	p->from = i < c->marks->n ? mark_place(&c->marks->v[i]) : c->newest;
	if (!p->partner && p->q.before && p->before < p->from)
		p->from = p->before;
}

/* Forwards: the messages to walk back from, one after the other. The first walk has enough for a
 * page without filters. */
static void set_chunks(const struct chain *c, struct ledger_read_part *p, bool first)
{
	const struct marks *m = c->marks;
	const uint32_t stride = CHUNK_RECORDS / c->every;
	uint32_t need = p->q.max / c->every + 1;
	uint64_t i = marks_before_place(m, p->behind + 1);

	p->chunk = p->n_chunks = 0;
	p->last_chunk = false;
	i += first && need < stride ? need : stride;
	for (; p->n_chunks < CHUNKS && !p->last_chunk; i += stride) {
		uint64_t place = i < m->n ? mark_place(&m->v[i]) : c->newest;
		p->chunks[p->n_chunks++] = place;
		p->last_chunk = i >= m->n || place >= p->before;
	}
}

static bool has_filters(const struct ledger_query *q)
{
	return q->with.n || q->start_us || q->end_us || q->n_ids || q->match;
}

/* A bound by age, or what was lost with a segment, ends somewhere before the first mark whose
 * successors are all younger. */
static void count_history(const struct ledger_state *s, const struct archive *a,
	struct ledger_op *op)
{
	struct ledger_read_part *p = op->part.read;

	op->total_known = true;
	op->total = a ? a->n - a->floor_n : 0;
	p->floor_n = a ? a->floor_n : 0;
	if (!op->total || archive_is_counted(s, a))
		return;
	uint32_t i = marks_low_upto(&a->marks, mark_tick(s->cutoff_us));
	p->count_from = i < a->marks.n ? mark_place(&a->marks.v[i]) : a->newest;
	p->count_stop = a->floor;
	p->cutoff_us = s->cutoff_us;
	p->n = a->n;
}

bool query_plan(struct ledger *l, struct ledger_op *op)
{
	struct ledger_read_part *p = op->part.read;
	struct archive *a = ledger_state_find(&l->state, op->archive);
	const bool first = !p->planned;

	if (a)
		trim(&l->state, a);
	struct chain c = chain_of(a, p);
	if (first) {
		if (!has_filters(&p->q))
			count_history(&l->state, a, op);
		set_range(&l->state, a, &c, p);
		p->planned = true;
	}
	if (p->q.n_ids) {
		qsort(p->finds, p->n_finds, sizeof *p->finds, by_place);
		return true;
	}
	if (c.newest <= p->behind || p->before <= p->behind + 1) {
		op->complete = true;
		p->from = 0; /* an empty page, in both directions */
		p->last_chunk = true;
		return p->count_from != 0;
	}
	if (p->q.newest)
		begin_backwards(&c, p);
	else
		set_chunks(&c, p, first);
	return true;
}
