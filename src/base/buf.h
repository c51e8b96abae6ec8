/* Growing byte buffers, each born with a maximum.
 *
 * A write that would pass the maximum writes nothing, and the buffer stays quiet from then
 * on: many writes, then one question, `buf_ok()`. Clearing makes it well again. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/str.h"

struct buf {
	char *p;
	size_t n, cap, max;
	bool failed;
};

/* An empty buffer that may grow to max bytes. No memory is taken yet. */
static inline void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

/* Frees the memory; the buffer may be used again. */
void buf_clear(struct buf *b);

/* Forgets the content, keeps the memory. */
static inline void buf_reset(struct buf *b)
{
	b->n = 0;
	b->failed = false;
}

static inline bool buf_ok(const struct buf *b)
{
	return !b->failed;
}

static inline struct str buf_str(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}

/* Room for n more bytes: the place to write them, or NULL (and failed) past the maximum. The
 * caller adds to b->n what it wrote. */
char *buf_reserve(struct buf *b, size_t n);

void buf_add(struct buf *b, struct str s);
void buf_byte(struct buf *b, char c);
void buf_u64(struct buf *b, uint64_t v); /* in decimal */
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first n bytes. */
void buf_drop(struct buf *b, size_t n);

/* Literals are by far the most common thing to add. */
#define buf_lit(b, lit) buf_add((b), STR(lit))

#endif
