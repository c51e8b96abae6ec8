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
	marks_clear(&a->marks);
	talks_clear(&a->talks);
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
		s->segments[i].waiting = s->segments[i].pins = s->segments[i].lives =
			s->segments[i].newest_us = 0;
	s->n_replaced = 0;
	s->waiting = 0;
	s->touched = NULL;
}

void ledger_state_clear(struct ledger_state *s)
{
	ledger_state_reset(s);
	free(s->segments);
	free(s->replaced);
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
		.form = h->form,
		.created_us = h->created_us, .end = SEGMENT_HEAD };
	return g;
}

static bool is_in(const struct segment *g, uint64_t place)
{
	return place >= g->base && place < g->base + g->size;
}

/* The segment goes: what replaces messages in it is needed no longer. */
static void unpin(struct ledger_state *s, const struct segment *g)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_replaced; i++) {
		if (!is_in(g, s->replaced[i].at))
			s->replaced[n++] = s->replaced[i];
		else
			ledger_state_segment(s, s->replaced[i].by)->pins--;
	}
	s->n_replaced = n;
}

void ledger_state_remove_segment(struct ledger_state *s, struct segment *g)
{
	size_t i = (size_t)(g - s->segments);

	BUG_ON(i >= s->n_segments || g->waiting || g->pins);
	unpin(s, g);
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

static void add_record(struct ledger_state *s, struct archive *a, uint64_t place)
{
	if (!a->first)
		a->first = place;
	a->last = place;
	touch(s, a);
}

/* The archive, made if need be, with a record at this place. */
static struct archive *archive_with(struct ledger_state *s, struct str name, uint64_t place)
{
	struct archive *a = ledger_state_find(s, name);

	if (!a)
		a = archive_new(s, name);
	add_record(s, a, place);
	return a;
}

uint32_t archive_waiting_from(const struct archive *a, uint64_t place)
{
	uint32_t low = 0, high = a->n_waiting;

	/* The newest is asked for most. */
	if (high && a->waiting[high - 1] < place)
		return high;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (a->waiting[mid] < place)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool archive_waits(const struct archive *a, uint64_t place)
{
	uint32_t i = archive_waiting_from(a, place);

	return i < a->n_waiting && a->waiting[i] == place;
}

/* A message in a segment that is left begins to wait. */
static void add_waiting(struct ledger_state *s, struct archive *a, uint64_t place)
{
	struct segment *g = ledger_state_segment(s, place);
	uint32_t i = archive_waiting_from(a, place);

	if (!g || (i < a->n_waiting && a->waiting[i] == place))
		return;
	if (a->n_waiting == a->cap_waiting) {
		a->cap_waiting = a->cap_waiting ? 2 * a->cap_waiting : 4;
		a->waiting = xrealloc(a->waiting, a->cap_waiting * sizeof *a->waiting);
	}
	memmove(a->waiting + i + 1, a->waiting + i, (a->n_waiting - i) * sizeof *a->waiting);
	a->waiting[i] = place;
	a->n_waiting++;
	g->waiting++;
	s->waiting++;
}

/* Messages from index i on wait no longer. */
static void unwait(struct ledger_state *s, struct archive *a, uint32_t i, uint32_t n)
{
	struct segment *g = NULL;

	if (!n)
		return;
	for (uint32_t k = i; k < i + n; k++) {
		if (!g || a->waiting[k] >= g->base + g->size)
			g = ledger_state_segment(s, a->waiting[k]);
		BUG_ON(!g || !g->waiting);
		g->waiting--;
	}
	s->waiting -= n;
	a->n_waiting -= n;
	memmove(a->waiting + i, a->waiting + i + n, (a->n_waiting - i) * sizeof *a->waiting);
	if (a->n_waiting)
		return;
	free(a->waiting);
	a->waiting = NULL;
	a->cap_waiting = 0;
}

void archive_link(const struct archive *a, struct record_archive *slot)
{
	slot->prev = slot->talk_prev = 0;
	slot->number = slot->talk_number = 0;
	if (!slot->archived) {
		slot->partner = 0;
		return;
	}
	const struct talk *k = a ? talks_find(&a->talks, slot->partner) : NULL;
	slot->prev = a ? a->newest : 0;
	slot->number = a ? a->n + 1 : 1;
	slot->talk_prev = k ? k->newest : 0;
	slot->talk_number = k ? k->n + 1 : slot->partner ? 1 : 0;
}

/* All of the history up to mark i is gone. */
static void raise_floor(struct ledger_state *s, struct archive *a, uint32_t i)
{
	s->floors_moved++;
	a->floor = mark_place(&a->marks.v[i]);
	a->floor_n = (a->marks.first + i) * MARK_EVERY;
	a->low = mark_low(&a->marks.v[i]);
	marks_drop(&a->marks, i + 1);
}

void archive_expire(struct ledger_state *s, struct archive *a)
{
	uint32_t n = marks_higher_before(&a->marks, mark_tick(s->cutoff_us));

	if (n)
		raise_floor(s, a, n - 1);
}

bool archive_is_counted(const struct ledger_state *s, const struct archive *a)
{
	return a->lost <= a->floor + 1 && (!s->cutoff_us || a->low > mark_tick(s->cutoff_us));
}

void archive_bound(struct ledger_state *s, struct archive *a)
{
	if (!s->retain_messages || a->n - a->floor_n < s->retain_messages + MARK_EVERY)
		return;
	uint32_t upto = (a->n - s->retain_messages) / MARK_EVERY;
	if (a->marks.n && upto >= a->marks.first && upto - a->marks.first < a->marks.n)
		raise_floor(s, a, upto - a->marks.first);
}

/* What comes next does not follow what is known: all before it is gone. Segments in the midst
 * were deleted, and older ones, in which nobody looks for it, were not. */
static void begin_anew(struct archive *a, uint32_t number, uint64_t place)
{
	marks_clear(&a->marks);
	talks_clear(&a->talks);
	a->floor_n = number - 1;
	a->floor = place - 1;
	a->low = MARK_TICK_MAX;
}

static void add_history(struct ledger_state *s, struct archive *a,
	const struct record_archive *slot, uint64_t place, uint64_t tick)
{
	if (slot->number != a->n + 1)
		begin_anew(a, slot->number, place);
	a->newest = place;
	a->n = slot->number;
	if (tick > a->high)
		a->high = tick;
	if (tick < a->low || a->n == a->floor_n + 1)
		a->low = tick;
	marks_add(&a->marks, MARK_EVERY, a->n, place, tick, a->high);
	if (slot->partner)
		talks_add(&a->talks, slot->partner, slot->talk_number, place, tick, a->high);
	archive_bound(s, a);
}

void ledger_state_store(struct ledger_state *s, struct archive *a, const struct record_archive *slot,
	uint64_t place, uint64_t id)
{
	struct segment *g = ledger_state_segment(s, place);
	uint64_t stamp_us = ledger_id_stamp(id);

	if (!a)
		a = archive_new(s, slot->name);
	add_record(s, a, place);
	BUG_ON(!g || a->newest >= place);
	if (stamp_us > g->newest_us)
		g->newest_us = stamp_us;
	if (slot->archived) {
		if (!g->lives)
			g->lives = place;
		add_history(s, a, slot, place, mark_tick(stamp_us));
	}
	if (slot->waits)
		add_waiting(s, a, place);
}

/* The archive of a record that changes what waits. */
static struct archive *changed(struct ledger_state *s, struct str name, uint64_t place)
{
	struct archive *a = archive_with(s, name, place);

	if (!a->change_first)
		a->change_first = place;
	a->change_last = place;
	return a;
}

void ledger_state_drop(struct ledger_state *s, struct str name, uint64_t upto, uint64_t place)
{
	struct archive *a = changed(s, name, place);

	unwait(s, a, 0, archive_waiting_from(a, upto < place ? upto + 1 : place));
}

void ledger_state_drop_some(struct ledger_state *s, struct str name, const struct record *r)
{
	struct archive *a = changed(s, name, r->place);

	for (size_t k = 0; k < record_n_places(r); k++)
		if (archive_waits(a, record_place(r, k)))
			unwait(s, a, archive_waiting_from(a, record_place(r, k)), 1);
}

/* Adds places, from one of the record's on, that can be messages of the archive. */
static void add_places(struct ledger_state *s, struct archive *a, const struct record *r,
	size_t from)
{
	for (size_t k = from; k < record_n_places(r); k++) {
		uint64_t place = record_place(r, k);
		if (place >= a->first && place < r->place)
			add_waiting(s, a, place);
	}
}

void ledger_state_wait(struct ledger_state *s, struct str name, const struct record *r)
{
	add_places(s, changed(s, name, r->place), r, 0);
}

void ledger_state_waiting(struct ledger_state *s, struct str name, const struct record *r)
{
	const uint64_t from = record_place(r, 0), to = record_place(r, 1);
	struct archive *a = changed(s, name, r->place);

	/* The first of them speaks for all that came before. */
	if (!from)
		a->change_first = r->place;
	uint32_t i = archive_waiting_from(a, from);
	uint32_t end = archive_waiting_from(a, to < r->place ? to : r->place);
	if (end > i)
		unwait(s, a, i, end - i);
	add_places(s, a, r, 2);
}

void ledger_state_replace(struct ledger_state *s, uint64_t at, uint64_t by)
{
	struct segment *g = ledger_state_segment(s, by);

	if (!g || is_in(g, at) || !ledger_state_segment(s, at))
		return;
	if (s->n_replaced == s->cap_replaced) {
		s->cap_replaced = s->cap_replaced ? 2 * s->cap_replaced : 16;
		s->replaced = xrealloc(s->replaced, s->cap_replaced * sizeof *s->replaced);
	}
	s->replaced[s->n_replaced++] = (struct replaced){ at, by };
	g->pins++;
}

void ledger_state_touch(struct ledger_state *s, struct str name, uint64_t place)
{
	archive_with(s, name, place);
}

void ledger_state_erase(struct ledger_state *s, struct str name)
{
	struct archive *a = ledger_state_find(s, name);

	if (!a)
		return;
	unwait(s, a, 0, a->n_waiting);
	marks_clear(&a->marks);
	talks_clear(&a->talks);
	a->first = a->last = a->change_first = a->change_last = 0;
	a->newest = a->floor = a->lost = a->high = a->low = 0;
	a->n = a->floor_n = 0;
	s->floors_moved++;
	touch(s, a);
}

/* Whether the numbers of an archive fit each other. */
static bool makes_sense(const struct archive *a)
{
	if (!a->first || a->first > a->last || a->newest > a->last || a->change_last > a->last ||
		!a->change_first != !a->change_last || a->change_first > a->change_last ||
		a->floor_n > a->n || !a->newest != !a->n || a->low > MARK_TICK_MAX ||
		a->high >= MARK_TICK_MAX)
		return false;
	for (uint32_t i = 0; i < a->n_waiting; i++)
		if (a->waiting[i] < a->first || a->waiting[i] > a->last ||
			(i && a->waiting[i] <= a->waiting[i - 1]))
			return false;
	return true;
}

struct archive *ledger_state_restore(struct ledger_state *s, const struct archive *from)
{
	if (!makes_sense(from) || ledger_state_find(s, from->name))
		return NULL;
	struct archive *a = archive_new(s, from->name);
	a->first = from->first;
	a->last = from->last;
	a->change_first = from->change_first;
	a->change_last = from->change_last;
	a->newest = from->newest;
	a->n = from->n;
	a->floor_n = from->floor_n;
	a->floor = from->floor;
	a->lost = from->lost;
	a->high = from->high;
	a->low = from->low;
	for (uint32_t i = 0; i < from->n_waiting; i++)
		add_waiting(s, a, from->waiting[i]);
	touch(s, a);
	return a;
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
		a->published = a->n_waiting;
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
		if (g->sealed && !g->waiting && !g->pins && !g->lives)
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

/* Whether the segment may have something to say of messages of the archive in others. */
static bool must_carry(const struct ledger_state *s, const struct archive *a,
	const struct segment *g)
{
	return a->change_first && a->change_first < g->base + g->size &&
		a->change_last >= g->base && a->first < g->base &&
		segment_between(s, a->first, g->base - 1, g);
}

#define each_archive(n, s) \
	for (struct map_node *n = map_next(&(s)->archives, NULL), *n##_next; \
	     n && (n##_next = map_next(&(s)->archives, n), true); n = n##_next)

uint64_t ledger_state_memory(const struct ledger_state *s)
{
	uint64_t bytes = (uint64_t)(s->archives.mask + 1) * sizeof(void *);

	each_archive(n, s) {
		const struct archive *a = container_of(n, const struct archive, node);
		bytes += sizeof *a + a->name.n + a->cap_waiting * sizeof *a->waiting +
			a->marks.cap * sizeof *a->marks.v + talks_memory(&a->talks);
	}
	return bytes;
}

uint64_t ledger_state_carry_bytes(const struct ledger_state *s, const struct segment *g)
{
	uint64_t bytes = 0;

	if (g == s->segments) /* there is nothing older to speak of */
		return 0;
	each_archive(n, s) {
		const struct archive *a = container_of(n, const struct archive, node);
		if (must_carry(s, a, g))
			bytes += a->n_waiting / WAITING_PLACES *
				record_length(1, a->name.n, 16 + 8 * WAITING_PLACES) +
				record_length(1, a->name.n,
					16 + 8 * (a->n_waiting % WAITING_PLACES));
	}
	return bytes;
}

void ledger_state_carry(struct ledger_state *s, const struct segment *g,
	void (*each)(void *ctx, struct archive *a), void *ctx)
{
	if (g == s->segments)
		return;
	each_archive(n, s) {
		struct archive *a = container_of(n, struct archive, node);
		if (must_carry(s, a, g))
			each(ctx, a);
	}
}

/* The segments before this place are gone: what is known of history there goes too. */
static void trim_history(struct ledger_state *s, struct archive *a, uint64_t base)
{
	uint32_t n = marks_before_place(&a->marks, base);

	a->lost = base;
	if (n)
		raise_floor(s, a, n - 1);
	talks_trim(&a->talks, base - 1);
}

bool archive_trim(struct ledger_state *s, struct archive *a)
{
	size_t i = segment_from(s, a->first);
	uint64_t base = i < s->n_segments ? s->segments[i].base : UINT64_MAX;

	if (a->first < base) {
		a->first = base;
		if (base != UINT64_MAX)
			trim_history(s, a, base);
	}
	if (a->first > a->change_last)
		a->change_first = a->change_last = 0;
	return a->first <= a->last;
}

bool ledger_state_trim_some(struct ledger_state *s, uint32_t *at, uint32_t buckets)
{
	struct map *m = &s->archives;

	BUG_ON(s->touched);
	for (; m->buckets && *at <= m->mask && buckets; ++*at, buckets--)
		for (struct map_node *n = m->buckets[*at], *next; n; n = next) {
			struct archive *a = container_of(n, struct archive, node);
			next = n->next;
			if (archive_trim(s, a))
				continue;
			BUG_ON(a->n_waiting);
			pthread_mutex_lock(&s->lock);
			forget(s, a);
			pthread_mutex_unlock(&s->lock);
		}
	return m->buckets && *at <= m->mask;
}

void ledger_state_trim(struct ledger_state *s)
{
	uint32_t at = 0;

	ledger_state_trim_some(s, &at, UINT32_MAX);
}
