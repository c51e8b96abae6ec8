#include "store/ledger_state.h"

#include "base/bug.h"

static struct str archive_key(const struct map_node *n)
{
	return container_of(n, const struct archive, node)->name;
}

void ledger_state_init(struct ledger_state *s)
{
	*s = (struct ledger_state){ 0 };
	map_init(&s->archives, archive_key);
	pthread_mutex_init(&s->lock, NULL);
}

static void archive_free(struct archive *a)
{
	free(a->waiting);
	free(a);
}

void ledger_state_reset(struct ledger_state *s)
{
	struct map_node *n = map_next(&s->archives, NULL);

	while (n) {
		struct map_node *next = map_next(&s->archives, n);
		archive_free(container_of(n, struct archive, node));
		n = next;
	}
	map_clear(&s->archives);
	for (size_t i = 0; i < s->n_segments; i++)
		s->segments[i].waiting = 0;
	s->waiting = 0;
	s->touched = NULL;
}

void ledger_state_clear(struct ledger_state *s)
{
	ledger_state_reset(s);
	free(s->segments);
	pthread_mutex_destroy(&s->lock);
}

struct segment *ledger_state_add_segment(struct ledger_state *s, const struct segment_head *h)
{
	BUG_ON(s->n_segments && h->base <= s->segments[s->n_segments - 1].base);
	if (s->n_segments == s->cap_segments) {
		s->cap_segments = s->cap_segments ? 2 * s->cap_segments : 16;
		s->segments = xrealloc(s->segments, s->cap_segments * sizeof *s->segments);
	}
	struct segment *g = &s->segments[s->n_segments++];
	*g = (struct segment){ .base = h->base, .size = h->size, .after = h->after,
		.salt = h->salt, .end = SEGMENT_HEAD };
	return g;
}

void ledger_state_remove_segment(struct ledger_state *s, struct segment *g)
{
	size_t i = (size_t)(g - s->segments);

	BUG_ON(i >= s->n_segments || g->waiting);
	memmove(g, g + 1, (s->n_segments - i - 1) * sizeof *g);
	s->n_segments--;
}

/* Index of the first segment that ends behind the place. */
static size_t segment_from(const struct ledger_state *s, uint64_t place)
{
	size_t low = 0, high = s->n_segments;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (s->segments[mid].base + s->segments[mid].size > place)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

struct segment *ledger_state_segment(const struct ledger_state *s, uint64_t place)
{
	size_t i = segment_from(s, place);

	return i < s->n_segments && s->segments[i].base <= place ? &s->segments[i] : NULL;
}

struct archive *ledger_state_find(const struct ledger_state *s, struct str name)
{
	struct map_node *n = map_get(&s->archives, name);

	return n ? container_of(n, struct archive, node) : NULL;
}

static void touch(struct ledger_state *s, struct archive *a)
{
	if (a->touched)
		return;
	a->touched = true;
	a->next_touched = s->touched;
	s->touched = a;
}

static struct archive *archive_new(struct ledger_state *s, struct str name)
{
	struct archive *a = xcalloc(1, sizeof *a + name.n);

	memcpy(a->text, name.p, name.n);
	a->name = str_from(a->text, name.n);
	pthread_mutex_lock(&s->lock);
	map_put(&s->archives, &a->node);
	pthread_mutex_unlock(&s->lock);
	return a;
}

/* The archive, made if need be, with a record at this place. */
static struct archive *archive_with(struct ledger_state *s, struct str name, uint64_t place)
{
	struct archive *a = ledger_state_find(s, name);

	if (!a)
		a = archive_new(s, name);
	if (!a->first)
		a->first = place;
	a->last = place;
	touch(s, a);
	return a;
}

static void push_waiting(struct archive *a, uint64_t place)
{
	if (a->n == a->cap) {
		a->cap = a->cap ? 2 * a->cap : 4;
		a->waiting = xrealloc(a->waiting, a->cap * sizeof *a->waiting);
	}
	a->waiting[a->n++] = place;
}

void ledger_state_store(struct ledger_state *s, struct str name, uint64_t place)
{
	struct archive *a = archive_with(s, name, place);
	struct segment *g = ledger_state_segment(s, place);

	BUG_ON(!g || a->newest >= place);
	push_waiting(a, place);
	a->newest = place;
	g->waiting++;
	s->waiting++;
}

/* The first n messages wait no longer. */
static void unwait(struct ledger_state *s, struct archive *a, uint32_t n)
{
	struct segment *g = NULL;

	for (uint32_t i = 0; i < n; i++) {
		if (!g || a->waiting[i] >= g->base + g->size)
			g = ledger_state_segment(s, a->waiting[i]);
		BUG_ON(!g || !g->waiting);
		g->waiting--;
	}
	s->waiting -= n;
	a->n -= n;
	if (a->n) {
		memmove(a->waiting, a->waiting + n, a->n * sizeof *a->waiting);
		return;
	}
	free(a->waiting);
	a->waiting = NULL;
	a->cap = 0;
}

void ledger_state_drop(struct ledger_state *s, struct str name, uint64_t upto, uint64_t place)
{
	struct archive *a = archive_with(s, name, place);
	uint32_t n = 0;

	while (n < a->n && a->waiting[n] <= upto)
		n++;
	if (n)
		unwait(s, a, n);
	if (upto >= a->mark) {
		a->mark = upto;
		a->mark_at = place;
	}
}

void ledger_state_erase(struct ledger_state *s, struct str name)
{
	struct archive *a = ledger_state_find(s, name);

	if (!a)
		return;
	if (a->n)
		unwait(s, a, a->n);
	a->newest = a->first = a->last = a->mark = a->mark_at = 0;
	touch(s, a);
}

bool ledger_state_restore(struct ledger_state *s, const struct archive *from)
{
	if (!from->first || from->first > from->last || from->newest > from->last ||
		from->mark_at > from->last || ledger_state_find(s, from->name))
		return false;
	for (uint32_t i = 0; i < from->n; i++)
		if (from->waiting[i] < from->first || from->waiting[i] > from->newest ||
			(i && from->waiting[i] <= from->waiting[i - 1]))
			return false;
	struct archive *a = archive_new(s, from->name);
	a->newest = from->newest;
	a->first = from->first;
	a->last = from->last;
	a->mark = from->mark;
	a->mark_at = from->mark_at;
	for (uint32_t i = 0; i < from->n; i++) {
		struct segment *g = ledger_state_segment(s, from->waiting[i]);
		if (!g)
			continue;
		push_waiting(a, from->waiting[i]);
		g->waiting++;
		s->waiting++;
	}
	touch(s, a);
	return true;
}

static void forget(struct ledger_state *s, struct archive *a)
{
	map_del(&s->archives, &a->node);
	archive_free(a);
	s->forgotten++;
}

void ledger_state_publish(struct ledger_state *s)
{
	pthread_mutex_lock(&s->lock);
	for (struct archive *a = s->touched, *next; a; a = next) {
		next = a->next_touched;
		a->touched = false;
		a->published = a->n;
		if (!a->first)
			forget(s, a);
	}
	pthread_mutex_unlock(&s->lock);
	s->touched = NULL;
}

uint32_t ledger_state_count(struct ledger_state *s, struct str name)
{
	pthread_mutex_lock(&s->lock);
	struct archive *a = ledger_state_find(s, name);
	uint32_t n = a ? a->published : 0;
	pthread_mutex_unlock(&s->lock);
	return n;
}

struct segment *ledger_state_deletable(const struct ledger_state *s, size_t *at)
{
	while (*at < s->n_segments) {
		struct segment *g = &s->segments[(*at)++];
		if (g->sealed && !g->waiting)
			return g;
	}
	return NULL;
}

/* Whether a segment other than `without` has places from..to. */
static bool segment_between(const struct ledger_state *s, uint64_t from, uint64_t to,
	const struct segment *without)
{
	for (size_t i = segment_from(s, from); i < s->n_segments; i++) {
		if (s->segments[i].base > to)
			return false;
		if (&s->segments[i] != without)
			return true;
	}
	return false;
}

static bool must_carry(const struct ledger_state *s, const struct archive *a,
	const struct segment *g)
{
	return a->mark && a->mark_at >= g->base && a->mark_at < g->base + g->size &&
		segment_between(s, a->first, a->mark, g);
}

#define each_archive(n, s) \
	for (struct map_node *n = map_next(&(s)->archives, NULL), *n##_next; \
	     n && (n##_next = map_next(&(s)->archives, n), true); n = n##_next)

uint64_t ledger_state_carry_bytes(const struct ledger_state *s, const struct segment *g)
{
	uint64_t bytes = 0;

	each_archive(n, s) {
		const struct archive *a = container_of(n, const struct archive, node);
		if (must_carry(s, a, g))
			bytes += record_length(1, a->name.n, 8);
	}
	return bytes;
}

void ledger_state_carry(struct ledger_state *s, const struct segment *g,
	void (*each)(void *ctx, struct archive *a), void *ctx)
{
	each_archive(n, s) {
		struct archive *a = container_of(n, struct archive, node);
		if (must_carry(s, a, g))
			each(ctx, a);
	}
}

void ledger_state_trim(struct ledger_state *s)
{
	BUG_ON(s->touched);
	each_archive(n, s) {
		struct archive *a = container_of(n, struct archive, node);
		size_t i = segment_from(s, a->first);
		uint64_t base = i < s->n_segments ? s->segments[i].base : UINT64_MAX;
		if (a->first < base)
			a->first = base;
		if (a->first > a->mark)
			a->mark = a->mark_at = 0;
		if (a->first <= a->last)
			continue;
		BUG_ON(a->n);
		pthread_mutex_lock(&s->lock);
		forget(s, a);
		pthread_mutex_unlock(&s->lock);
	}
}
