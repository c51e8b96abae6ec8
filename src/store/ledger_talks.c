#include "store/ledger_talks.h"

#include "base/bug.h"
#include "store/ledger_bytes.h"

#include <stdlib.h>

#define SLOTS_MIN  4
#define TALK_BYTES 32 /* in the index file, before its marks */

void talks_clear(struct talks *t)
{
	for (uint32_t i = 0; i < t->n_marks; i++)
		marks_clear(&t->marks[i]);
	free(t->marks);
	free(t->v);
	*t = (struct talks){ 0 };
}

/* The slot of the partner, or the free one where it would be. */
static struct talk *slot(struct talk *v, uint32_t mask, uint64_t partner)
{
	uint32_t i = (uint32_t)partner & mask;

	while (v[i].partner && v[i].partner != partner)
		i = (i + 1) & mask;
	return &v[i];
}

struct talk *talks_find(const struct talks *t, uint64_t partner)
{
	if (!t->v || !partner)
		return NULL;
	struct talk *k = slot(t->v, t->mask, partner);
	return k->partner ? k : NULL;
}

/* A table for n entries, with those of the old one that `keep` (all where it is 0: those newer
 * than that place). */
static void rebuild(struct talks *t, uint32_t n, uint64_t keep)
{
	uint32_t slots = SLOTS_MIN;
	struct talk *old = t->v;
	const uint32_t old_slots = old ? t->mask + 1 : 0;

	while (slots / 4 * 3 < n)
		slots *= 2;
	t->v = xcalloc(slots, sizeof *t->v);
	t->mask = slots - 1;
	t->n = 0;
	for (uint32_t i = 0; i < old_slots; i++) {
		if (!old[i].partner || old[i].newest <= keep)
			continue;
		*slot(t->v, t->mask, old[i].partner) = old[i];
		t->n++;
	}
	free(old);
}

static struct talk *find_or_add(struct talks *t, uint64_t partner)
{
	struct talk *k = talks_find(t, partner);

	if (k)
		return k;
	if (!t->v || t->n + 1 > (t->mask + 1) / 4 * 3)
		rebuild(t, t->n + 1, 0);
	k = slot(t->v, t->mask, partner);
	*k = (struct talk){ .partner = partner };
	t->n++;
	return k;
}

static struct marks *marks_of(struct talks *t, struct talk *k)
{
	if (k->marks)
		return &t->marks[k->marks - 1];
	if (t->n_marks == t->cap_marks) {
		t->cap_marks = t->cap_marks ? t->cap_marks + t->cap_marks / 2 : 2;
		t->marks = xrealloc(t->marks, t->cap_marks * sizeof *t->marks);
	}
	t->marks[t->n_marks] = (struct marks){ 0 };
	k->marks = ++t->n_marks;
	return &t->marks[k->marks - 1];
}

void talks_add(struct talks *t, uint64_t partner, uint32_t number, uint64_t place, uint64_t tick,
	uint64_t high)
{
	struct talk *k = find_or_add(t, partner);

	if (number != k->n + 1 && k->marks)
		marks_clear(&t->marks[k->marks - 1]);
	k->n = number;
	k->newest = place;
	if (k->marks || number % TALK_MARK_EVERY == 0)
		marks_add(marks_of(t, k), TALK_MARK_EVERY, number, place, tick, high);
}

const struct marks *talks_marks(const struct talks *t, const struct talk *k)
{
	static const struct marks none;

	return k->marks ? &t->marks[k->marks - 1] : &none;
}

/* Marks of conversations that are left, in a vector without gaps. */
static void close_gaps(struct talks *t)
{
	struct marks *old = t->marks;
	const uint32_t n_old = t->n_marks;

	t->marks = NULL;
	t->n_marks = t->cap_marks = 0;
	for (uint32_t i = 0; t->v && i <= t->mask; i++) {
		struct talk *k = &t->v[i];
		if (!k->partner || !k->marks)
			continue;
		struct marks *from = &old[k->marks - 1];
		k->marks = 0;
		struct marks *to = marks_of(t, k);
		*to = *from;
		*from = (struct marks){ 0 };
	}
	for (uint32_t i = 0; i < n_old; i++)
		marks_clear(&old[i]);
	free(old);
}

void talks_trim(struct talks *t, uint64_t place)
{
	uint32_t gone = 0;

	for (uint32_t i = 0; t->v && i <= t->mask; i++) {
		struct talk *k = &t->v[i];
		if (!k->partner)
			continue;
		gone += k->newest <= place;
		if (k->marks) {
			struct marks *m = &t->marks[k->marks - 1];
			marks_drop(m, marks_before_place(m, place + 1));
		}
	}
	if (!gone)
		return;
	rebuild(t, t->n - gone, place);
	close_gaps(t);
}

size_t talks_memory(const struct talks *t)
{
	size_t bytes = (t->v ? t->mask + 1 : 0) * sizeof *t->v + t->cap_marks * sizeof *t->marks;

	for (uint32_t i = 0; i < t->n_marks; i++)
		bytes += t->marks[i].cap * sizeof *t->marks[i].v;
	return bytes;
}

enum { IT_PARTNER = 0, IT_NEWEST = 8, IT_N = 16, IT_FIRST = 20, IT_MARKS = 24 };

void talks_write(const struct talks *t, struct buf *out)
{
	for (uint32_t i = 0; t->v && i <= t->mask; i++) {
		const struct talk *k = &t->v[i];
		if (!k->partner)
			continue;
		const struct marks *m = talks_marks(t, k);
		char *p = buf_reserve(out, TALK_BYTES + MARK_BYTES * (size_t)m->n);
		memset(p, 0, TALK_BYTES);
		put64(p + IT_PARTNER, k->partner);
		put64(p + IT_NEWEST, k->newest);
		put32(p + IT_N, k->n);
		put32(p + IT_FIRST, m->first);
		put32(p + IT_MARKS, m->n);
		marks_write(m, p + TALK_BYTES);
		out->n += TALK_BYTES + MARK_BYTES * (size_t)m->n;
	}
}

/* Whether the marks are those of a history whose last message has this number and place. */
static bool marks_fit(const struct marks *m, uint32_t n, uint64_t newest)
{
	return !m->n || (m->first + m->n - 1 == n / TALK_MARK_EVERY &&
		mark_place(&m->v[m->n - 1]) <= newest);
}

static bool read_one(struct talks *t, struct str *in)
{
	const char *p = in->p;

	if (in->n < TALK_BYTES)
		return false;
	uint64_t partner = get64(p + IT_PARTNER);
	uint32_t n = get32(p + IT_MARKS);
	if (!partner || (in->n - TALK_BYTES) / MARK_BYTES < n || talks_find(t, partner))
		return false;
	struct talk *k = find_or_add(t, partner);
	k->newest = get64(p + IT_NEWEST);
	k->n = get32(p + IT_N);
	*in = str_skip(*in, TALK_BYTES + MARK_BYTES * (size_t)n);
	if (!n)
		return true;
	struct marks *m = marks_of(t, k);
	return marks_read(m, get32(p + IT_FIRST), n, p + TALK_BYTES) &&
		marks_fit(m, k->n, k->newest);
}

bool talks_read(struct talks *t, uint32_t n, struct str *in)
{
	for (; n; n--)
		if (!read_one(t, in))
			return false;
	return true;
}
