#include "store/ledger_marks.h"

#include "base/bug.h"
#include "store/ledger_bytes.h"

#include <stdlib.h>

static void set_low(struct mark *m, uint64_t tick)
{
	m->a = (m->a & ~UINT64_C(0xffff)) | tick >> 24;
	m->b = (m->b & ~UINT64_C(0xffffff)) | (tick & 0xffffff);
}

void marks_clear(struct marks *m)
{
	free(m->v);
	*m = (struct marks){ 0 };
}

/* By a quarter: a large history has no more than that to spare. */
static void grow(struct marks *m)
{
	m->cap = m->cap < 8 ? m->cap + 2 : m->cap + m->cap / 4;
	m->v = xrealloc(m->v, m->cap * sizeof *m->v);
}

void marks_add(struct marks *m, uint32_t every, uint32_t number, uint64_t place, uint64_t tick,
	uint64_t high)
{
	for (uint32_t i = m->n; i-- && mark_low(&m->v[i]) > tick;)
		set_low(&m->v[i], tick);
	if (number % every)
		return;
	if (!m->n)
		m->first = number / every;
	BUG_ON(m->first + m->n != number / every);
	if (m->n == m->cap)
		grow(m);
	m->v[m->n] = (struct mark){ place >> 3 << 16, high << 24 };
	set_low(&m->v[m->n++], MARK_TICK_MAX);
}

/* The number of marks for which `is` holds: it does for the first ones alone. */
static uint32_t count_while(const struct marks *m, bool (*is)(const struct mark *m, uint64_t v),
	uint64_t v)
{
	uint32_t low = 0, high = m->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (is(&m->v[mid], v))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool higher_before(const struct mark *m, uint64_t tick)
{
	return mark_high(m) < tick;
}

static bool low_upto(const struct mark *m, uint64_t tick)
{
	return mark_low(m) <= tick;
}

static bool before_place(const struct mark *m, uint64_t place)
{
	return mark_place(m) < place;
}

uint32_t marks_higher_before(const struct marks *m, uint64_t tick)
{
	return count_while(m, higher_before, tick);
}

uint32_t marks_low_upto(const struct marks *m, uint64_t tick)
{
	return count_while(m, low_upto, tick);
}

uint32_t marks_before_place(const struct marks *m, uint64_t place)
{
	return count_while(m, before_place, place);
}

void marks_drop(struct marks *m, uint32_t n)
{
	BUG_ON(n > m->n);
	if (!n)
		return;
	m->n -= n;
	m->first += n;
	memmove(m->v, m->v + n, m->n * sizeof *m->v);
	if (m->cap > 8 && m->n < m->cap / 2) {
		m->cap = m->n + m->n / 4 + 2;
		m->v = xrealloc(m->v, m->cap * sizeof *m->v);
	}
}

void marks_write(const struct marks *m, char *out)
{
	for (uint32_t i = 0; i < m->n; i++) {
		put64(out + MARK_BYTES * (size_t)i, m->v[i].a);
		put64(out + MARK_BYTES * (size_t)i + 8, m->v[i].b);
	}
}

bool marks_read(struct marks *m, uint32_t first, uint32_t n, const char *in)
{
	struct marks got = { .first = first, .n = n, .cap = n };

	if (first > UINT32_MAX - n)
		return false;
	if (n)
		got.v = xmalloc(n * sizeof *got.v);
	for (uint32_t i = 0; i < n; i++) {
		got.v[i] = (struct mark){ get64(in + MARK_BYTES * (size_t)i),
			get64(in + MARK_BYTES * (size_t)i + 8) };
		const struct mark *v = &got.v[i];
		if (i && (mark_place(v) <= mark_place(v - 1) || mark_high(v) < mark_high(v - 1) ||
			mark_low(v) < mark_low(v - 1))) {
			free(got.v);
			return false;
		}
	}
	*m = got;
	return true;
}
