#include "base/buf.h"

#include "base/bug.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_clear(struct buf *b)
{
	free(b->p);
	buf_init(b, b->max);
}

char *buf_reserve(struct buf *b, size_t n)
{
	if (b->failed)
		return NULL;
	if (n <= b->cap - b->n)
		return b->p + b->n;
	if (n > b->max - b->n) {
		b->failed = true;
		return NULL;
	}
	size_t cap = b->cap ? b->cap : 128;
	while (cap < b->n + n)
		cap += cap / 2 + 64;
	if (cap > b->max)
		cap = b->max;
	b->p = xrealloc(b->p, cap);
	b->cap = cap;
	return b->p + b->n;
}

void buf_add(struct buf *b, struct str s)
{
	char *to = s.n ? buf_reserve(b, s.n) : NULL;

	if (!to)
		return;
	memcpy(to, s.p, s.n);
	b->n += s.n;
}

void buf_byte(struct buf *b, char c)
{
	buf_add(b, str_from(&c, 1));
}

void buf_u64(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t i = sizeof digits;

	do {
		digits[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_add(b, str_from(digits + i, sizeof digits - i));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	BUG_ON(n < 0);
	/* vsnprintf also writes a NUL, which needs room but is not counted. */
	char *line = xmalloc((size_t)n + 1);
	vsnprintf(line, (size_t)n + 1, fmt, again);
	buf_add(b, str_from(line, (size_t)n));
	free(line);
	va_end(again);
	va_end(ap);
}

void buf_drop(struct buf *b, size_t n)
{
	BUG_ON(n > b->n);
	b->n -= n;
	if (b->n)
		memmove(b->p, b->p + n, b->n);
}
