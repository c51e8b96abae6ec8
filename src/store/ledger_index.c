#include "store/ledger_index.h"

#include "base/bug.h"
#include "store/ledger_bytes.h"
#include "store/ledger_crc.h"

#define INDEX_VERSION 2
#define INDEX_HEAD    80
#define SEGMENT_ENTRY 32
#define PAIR_ENTRY    16
#define ENTRY_HEAD    112

enum { IH_MAGIC = 0, IH_VERSION = 8, IH_CRC = 12, IH_LENGTH = 16, IH_COVERS = 24, IH_LAST = 32,
	IH_ARCHIVES = 40, IH_FORM = 48, IH_SALT = 52, IH_SEGMENTS = 56, IH_CUTOFF = 64,
	IH_REPLACED = 72 };
enum { IS_BASE = 0, IS_NEWEST = 8, IS_LIVES = 16, IS_END = 24 };
enum { IE_FIRST = 0, IE_LAST = 8, IE_CHANGE_FIRST = 16, IE_CHANGE_LAST = 24, IE_NEWEST = 32,
	IE_FLOOR = 40, IE_LOST = 48, IE_HIGH = 56, IE_LOW = 64, IE_N = 72, IE_FLOOR_N = 76,
	IE_WAITING = 80, IE_MARK_FIRST = 84, IE_MARKS = 88, IE_TALKS = 92, IE_NAME = 96 };

static const char magic[8] = { 'S', 't', 'L', 'e', 'd', 'I', 'd', 'x' };

static size_t padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

static void write_entry(const struct archive *a, struct buf *out)
{
	size_t n = ENTRY_HEAD + padded(a->name.n) + 8 * (size_t)a->n_waiting +
		MARK_BYTES * (size_t)a->marks.n;
	char *p = buf_reserve(out, n);

	memset(p, 0, ENTRY_HEAD + padded(a->name.n));
	put64(p + IE_FIRST, a->first);
	put64(p + IE_LAST, a->last);
	put64(p + IE_CHANGE_FIRST, a->change_first);
	put64(p + IE_CHANGE_LAST, a->change_last);
	put64(p + IE_NEWEST, a->newest);
	put64(p + IE_FLOOR, a->floor);
	put64(p + IE_LOST, a->lost);
	put64(p + IE_HIGH, a->high);
	put64(p + IE_LOW, a->low);
	put32(p + IE_N, a->n);
	put32(p + IE_FLOOR_N, a->floor_n);
	put32(p + IE_WAITING, a->n_waiting);
	put32(p + IE_MARK_FIRST, a->marks.first);
	put32(p + IE_MARKS, a->marks.n);
	put32(p + IE_TALKS, a->talks.n);
	put16(p + IE_NAME, (uint16_t)a->name.n);
	memcpy(p + ENTRY_HEAD, a->name.p, a->name.n);
	p += ENTRY_HEAD + padded(a->name.n);
	for (uint32_t i = 0; i < a->n_waiting; i++)
		put64(p + 8 * (size_t)i, a->waiting[i]);
	marks_write(&a->marks, p + 8 * (size_t)a->n_waiting);
	out->n += n;
	talks_write(&a->talks, out);
}

static void write_segment(const struct segment *g, struct buf *out)
{
	char *p = buf_reserve(out, SEGMENT_ENTRY);

	put64(p + IS_BASE, g->base);
	put64(p + IS_NEWEST, g->newest_us);
	put64(p + IS_LIVES, g->lives);
	put64(p + IS_END, g->end);
	out->n += SEGMENT_ENTRY;
}

void index_write(const struct ledger_state *s, struct index_reach reach, struct buf *out)
{
	memset(buf_reserve(out, INDEX_HEAD), 0, INDEX_HEAD);
	out->n = INDEX_HEAD;
	for (size_t i = 0; i < s->n_segments; i++)
		write_segment(&s->segments[i], out);
	for (size_t i = 0; i < s->n_replaced; i++) {
		char *p = buf_reserve(out, PAIR_ENTRY);
		put64(p, s->replaced[i].at);
		put64(p + 8, s->replaced[i].by);
		out->n += PAIR_ENTRY;
	}
	for (struct map_node *n = NULL; (n = map_next(&s->archives, n));)
		write_entry(container_of(n, struct archive, node), out);
	memcpy(out->p + IH_MAGIC, magic, sizeof magic);
	put32(out->p + IH_VERSION, INDEX_VERSION);
	put64(out->p + IH_LENGTH, out->n);
	put64(out->p + IH_COVERS, reach.covers);
	put64(out->p + IH_LAST, reach.last);
	put64(out->p + IH_ARCHIVES, s->archives.n);
	put32(out->p + IH_FORM, reach.form.version);
	put32(out->p + IH_SALT, reach.form.salt);
	put64(out->p + IH_SEGMENTS, s->n_segments);
	put64(out->p + IH_CUTOFF, s->cutoff_us);
	put64(out->p + IH_REPLACED, s->n_replaced);
	put32(out->p + IH_CRC, crc32c(0, out->p + IH_LENGTH, out->n - IH_LENGTH));
}

/* Takes what is known of a segment off the start of `rest`; it may be gone by now. */
static bool read_segment(struct str *rest, struct ledger_state *s)
{
	const char *p = rest->p;

	if (rest->n < SEGMENT_ENTRY)
		return false;
	struct segment *g = ledger_state_segment(s, get64(p + IS_BASE));
	if (g) {
		g->newest_us = get64(p + IS_NEWEST);
		g->lives = get64(p + IS_LIVES);
		uint64_t end = get64(p + IS_END);
		if ((g->lives && (g->lives < g->base || g->lives >= g->base + end)) ||
			end < SEGMENT_HEAD || end > g->size)
			return false;
		g->end = (uint32_t)end;
	}
	*rest = str_skip(*rest, SEGMENT_ENTRY);
	return true;
}

static bool read_pair(struct str *rest, struct ledger_state *s)
{
	if (rest->n < PAIR_ENTRY || get64(rest->p) >= get64(rest->p + 8))
		return false;
	ledger_state_replace(s, get64(rest->p), get64(rest->p + 8));
	*rest = str_skip(*rest, PAIR_ENTRY);
	return true;
}

/* The sizes of what follows an entry's head, as one; more than there is when that is senseless. */
static size_t entry_size(const char *p, const struct archive *a)
{
	return ENTRY_HEAD + padded(a->name.n) + 8 * (size_t)a->n_waiting +
		MARK_BYTES * (size_t)get32(p + IE_MARKS);
}

static bool read_marks(struct archive *a, const char *p, const char *marks)
{
	const struct marks *m = &a->marks;

	return marks_read(&a->marks, get32(p + IE_MARK_FIRST), get32(p + IE_MARKS), marks) &&
		(!m->n || (m->first + m->n - 1 == a->n / MARK_EVERY &&
			mark_place(&m->v[m->n - 1]) <= a->newest));
}

/* Takes one entry off the start of `rest`. */
static bool read_entry(struct str *rest, struct ledger_state *s, uint64_t covers)
{
	const char *p = rest->p;

	if (rest->n < ENTRY_HEAD)
		return false;
	struct archive from = { .first = get64(p + IE_FIRST), .last = get64(p + IE_LAST),
		.change_first = get64(p + IE_CHANGE_FIRST),
		.change_last = get64(p + IE_CHANGE_LAST), .newest = get64(p + IE_NEWEST),
		.floor = get64(p + IE_FLOOR), .lost = get64(p + IE_LOST),
		.high = get64(p + IE_HIGH), .low = get64(p + IE_LOW), .n = get32(p + IE_N),
		.floor_n = get32(p + IE_FLOOR_N), .n_waiting = get32(p + IE_WAITING),
		.name = { p + ENTRY_HEAD, get16(p + IE_NAME) } };
	size_t n = entry_size(p, &from);
	if (from.name.n == 0 || from.name.n > LEDGER_NAME_MAX || from.last >= covers ||
		n > rest->n)
		return false;
	const char *waiting = p + ENTRY_HEAD + padded(from.name.n);
	from.waiting = xmalloc(8 * (size_t)from.n_waiting + 1);
	for (uint32_t i = 0; i < from.n_waiting; i++)
		from.waiting[i] = get64(waiting + 8 * (size_t)i);
	struct archive *a = ledger_state_restore(s, &from);
	free(from.waiting);
	*rest = str_skip(*rest, n);
	return a && read_marks(a, p, waiting + 8 * (size_t)from.n_waiting) &&
		talks_read(&a->talks, get32(p + IE_TALKS), rest);
}

const char *index_read(struct str file, struct ledger_state *s, struct index_reach *out)
{
	if (file.n < INDEX_HEAD || memcmp(file.p + IH_MAGIC, magic, sizeof magic) != 0)
		return "it is no index of a ledger";
	if (get32(file.p + IH_VERSION) != INDEX_VERSION)
		return "it has another version";
	if (get64(file.p + IH_LENGTH) != file.n ||
		get32(file.p + IH_CRC) != crc32c(0, file.p + IH_LENGTH, file.n - IH_LENGTH))
		return "it has a bad checksum";
	*out = (struct index_reach){ get64(file.p + IH_COVERS), get64(file.p + IH_LAST),
		{ get32(file.p + IH_FORM), get32(file.p + IH_SALT) } };
	if (get64(file.p + IH_CUTOFF) > s->cutoff_us)
		s->cutoff_us = get64(file.p + IH_CUTOFF);
	struct str rest = str_skip(file, INDEX_HEAD);
	for (uint64_t n = get64(file.p + IH_SEGMENTS); n; n--)
		if (!read_segment(&rest, s))
			return "a segment in it makes no sense";
	for (uint64_t n = get64(file.p + IH_REPLACED); n; n--)
		if (!read_pair(&rest, s))
			return "a replacement in it makes no sense";
	for (uint64_t n = get64(file.p + IH_ARCHIVES); n; n--)
		if (!read_entry(&rest, s, out->covers))
			return "an archive in it makes no sense";
	return rest.n ? "it is longer than it should be" : NULL;
}
