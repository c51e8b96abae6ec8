/* Marks: every so many messages of a history one is remembered, so that any message of it is
 * found by its id, its stamp, its place or its number with a short walk along the chain.
 *
 * Messages are added in the order of places, numbered from 1. Ids are nearly sorted: for each mark
 * it is known up to which stamp go the messages before it and with it, and from which stamp on
 * those behind it, both in ticks of 8.192 ms. A message is then between the last mark whose
 * `high` lies before its tick and the first mark whose `low` lies behind it. */
#ifndef STORE_LEDGER_MARKS_H
#define STORE_LEDGER_MARKS_H

#include "base/buf.h"

#define MARK_TICK_SHIFT 13 /* of microseconds */
#define MARK_TICK_MAX   ((UINT64_C(1) << 40) - 1)

static inline uint64_t mark_tick(uint64_t stamp_us)
{
	uint64_t tick = stamp_us >> MARK_TICK_SHIFT;

	return tick < MARK_TICK_MAX ? tick : MARK_TICK_MAX - 1;
}

/* 16 bytes: place / 8 (48 bits, 2 PiB of ledger), and both ticks (40 bits each). */
struct mark {
	uint64_t a, b;
};

struct marks {
	struct mark *v;
	uint32_t n, cap;
	uint32_t first; /* v[i] is of message number (first + i) * every */
};

static inline uint64_t mark_place(const struct mark *m)
{
	return (m->a >> 16) << 3;
}

static inline uint64_t mark_high(const struct mark *m)
{
	return m->b >> 24;
}

static inline uint64_t mark_low(const struct mark *m)
{
	return (m->a & 0xffff) << 24 | (m->b & 0xffffff);
}

void marks_clear(struct marks *m);

/* A message is added: lowers what is known of those behind the marks, then becomes a mark itself
 * if its number is a multiple of `every`. high: the greatest tick so far, its own included. */
void marks_add(struct marks *m, uint32_t every, uint32_t number, uint64_t place, uint64_t tick,
	uint64_t high);

/* How many of the marks, from the first on, */
uint32_t marks_higher_before(const struct marks *m, uint64_t tick); /* have high < tick */
uint32_t marks_low_upto(const struct marks *m, uint64_t tick);      /* have low <= tick */
uint32_t marks_before_place(const struct marks *m, uint64_t place); /* have a place < place */

/* Forgets the first n marks. */
void marks_drop(struct marks *m, uint32_t n);

/* As bytes of the index file: whole marks, behind each other. */
#define MARK_BYTES 16
void marks_write(const struct marks *m, char *out);

/* Takes n marks from there. False when they make no sense; nothing is taken then. */
bool marks_read(struct marks *m, uint32_t first, uint32_t n, const char *in);

#endif
