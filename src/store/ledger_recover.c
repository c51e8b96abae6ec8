#include "store/ledger_recover.h"

#include "base/bug.h"
#include "base/log.h"
#include "store/ledger_erase.h"
#include "store/ledger_file.h"
#include "store/ledger_index.h"
#include "store/ledger_replace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOT_AS_LONG "the file is not as long as its head says"

/* One opening. Functions return false when `fault` or *error says why. */
struct recovery {
	int dir;
	const char *path;
	struct ledger_state *state;
	struct ledger_found *found;
	struct arena *a;
	struct str *error;
	struct segment_head *heads; /* of all segments, by base */
	size_t n_heads, cap_heads;
	char *bytes;                /* of one segment after the other */
	size_t cap_bytes;
	struct erase_set erase;     /* what is to be done again, */
	struct buf replaced;        /* and this: of struct replaced */
	uint64_t synced;            /* an index says that all before this place had been */
	bool index_stale;           /* it may name what has been erased since */
};

static bool refuse(struct recovery *r, uint64_t base, uint64_t at, const char *what, int e)
{
	struct ledger_fault f = { what, base, at, e };

	*r->error = ledger_fault_text(&f, r->path, r->a);
	return false;
}

static bool read_head(struct recovery *r, uint64_t base)
{
	char bytes[SEGMENT_HEAD];
	struct segment_head h;
	struct stat st;
	int fd = segment_open(r->dir, base, O_RDONLY);

	if (fd < 0)
		return refuse(r, base, 0, "it can't be opened", errno);
	bool good = fstat(fd, &st) == 0 && file_read(fd, 0, bytes, sizeof bytes);
	int e = errno;
	close(fd);
	if (!good)
		return refuse(r, base, 0, "its head can't be read", e);
	const char *why = segment_head_read(bytes, &h);
	if (!why && h.base != base)
		why = "the name of the segment is not the one in its head";
	/* Behind a seal it may have been cut. */
	if (!why && ((uint64_t)st.st_size > h.size || st.st_size < SEGMENT_HEAD))
		why = NOT_AS_LONG;
	if (why)
		return refuse(r, base, 0, why, 0);
	if (r->n_heads == r->cap_heads) {
		r->cap_heads = r->cap_heads ? 2 * r->cap_heads : 16;
		r->heads = xrealloc(r->heads, r->cap_heads * sizeof *r->heads);
	}
	r->heads[r->n_heads++] = h;
	return true;
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), k = strlen(end);

	return n >= k && memcmp(name + n - k, end, k) == 0;
}

static int by_base(const void *a, const void *b)
{
	uint64_t x = ((const struct segment_head *)a)->base;
	uint64_t y = ((const struct segment_head *)b)->base;

	return (x > y) - (x < y);
}

/* Reads the heads of all segments, and removes files that were never finished. */
static bool read_heads(struct recovery *r)
{
	int fd = openat(r->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool good = true;
	uint64_t base;

	if (!d) {
		*r->error = str_printf(r->a, "%s can't be read: %s", r->path,
			strerrordesc_np(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (good && (e = readdir(d))) {
		if (ends_with(e->d_name, ".tmp"))
			unlinkat(r->dir, e->d_name, 0);
		else if (segment_name_base(e->d_name, &base))
			good = read_head(r, base);
	}
	closedir(d);
	if (r->n_heads)
		qsort(r->heads, r->n_heads, sizeof *r->heads, by_base);
	return good;
}

/* A segment that the one behind it says has been deleted: the crash came between the two. */
static bool finish_deleting(struct recovery *r, size_t i)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(r->heads[i].base, name);
	log_info(NULL, "ledger_segment_deleted", F_C("folder", r->path), F_STR("segment", str_c(name)));
	if (unlinkat(r->dir, name, 0) != 0 || fsync(r->dir) != 0)
		return refuse(r, r->heads[i].base, 0, "it can't be deleted", errno);
	memmove(r->heads + i, r->heads + i + 1, (r->n_heads - i - 1) * sizeof *r->heads);
	r->n_heads--;
	return true;
}

/* Each segment must begin where the one before it ends, but for those that it says have been
 * deleted. */
static bool check_sequence(struct recovery *r)
{
	for (size_t i = 1; i < r->n_heads;) {
		const struct segment_head *h = &r->heads[i], *before = h - 1;
		if (before->base >= h->after) {
			if (!finish_deleting(r, i - 1))
				return false;
			i = i > 1 ? i - 1 : 1;
			continue;
		}
		if (h->after != before->base + before->size)
			return refuse(r, h->base, 0, h->after > before->base + before->size
				? "a segment before this one is missing"
				: "this segment and the one before it overlap", 0);
		i++;
	}
	return true;
}

/* Whether the index fits the segments: it ends in one of them, behind a record. Where there is
 * no such record the index is of no use but for this: there was one. */
static bool index_fits(struct recovery *r, const struct index_reach *reach)
{
	const struct segment *g = ledger_state_segment(r->state, reach->covers);
	char *bytes;
	struct record last;
	const char *why;

	if (!g || g->form.salt != reach->form.salt || g->form.version != reach->form.version ||
		reach->covers % RECORD_ALIGN)
		return false;
	r->synced = reach->covers;
	if (reach->covers == g->base + SEGMENT_HEAD)
		return reach->last == 0;
	if (reach->last < g->base + SEGMENT_HEAD || reach->last >= reach->covers ||
		reach->covers - reach->last > RECORD_LENGTH_MAX)
		return false;
	size_t n = (size_t)(reach->covers - reach->last);
	int fd = segment_open(r->dir, g->base, O_RDONLY);
	if (fd < 0)
		return false;
	bytes = xmalloc(n);
	bool good = file_read(fd, reach->last - g->base, bytes, n) &&
		record_read(str_from(bytes, n), reach->last, g->form, &last, &why) ==
			RECORD_WHOLE && last.length == n && last.type != RECORD_SEAL;
	free(bytes);
	close(fd);
	return good;
}

/* The place to read segments from: where the index ends, or the beginning. */
static struct index_reach load_index(struct recovery *r)
{
	struct index_reach reach = { 0 };
	struct str file = index_load(r->dir);
	bool missing = !file.p && errno == ENOENT;
	const char *why = NULL;

	if (file.p)
		why = index_read(file, r->state, &reach);
	else if (!missing || r->n_heads)
		why = missing ? "it is missing" : strerrordesc_np(errno);
	if (!why && file.p && !index_fits(r, &reach))
		why = "it does not fit the segments";
	free((char *)file.p);
	if (!why)
		return reach;
	/* A ledger that was closed without ever having a record has none: nothing to warn of. */
	log_at(NULL, missing ? LOG_INFO : LOG_WARN, "ledger_index_rebuilt", F_C("folder", r->path),
		F_C("why", why));
	ledger_state_reset(r->state);
	r->state->forgotten++; /* whatever it names */
	return (struct index_reach){ 0 };
}

/* Replacing is done again, for all of which the index does not know. */
static void add_replaced(struct recovery *r, uint64_t at, uint64_t by)
{
	struct replaced pair = { at, by };

	ledger_state_replace(r->state, at, by);
	buf_add(&r->replaced, str_from((const char *)&pair, sizeof pair));
}

static void play_archive(struct recovery *r, const struct record *rec, unsigned i)
{
	struct str name = rec->archives[i].name;

	switch (rec->type) {
	case RECORD_STORE:
		ledger_state_store(r->state, ledger_state_find(r->state, name), &rec->archives[i],
			rec->place, rec->id);
		break;
	case RECORD_DROP:
		if (record_place(rec, 0) < rec->place)
			ledger_state_drop(r->state, name, record_place(rec, 0), rec->place);
		break;
	case RECORD_DROP_SOME:
		ledger_state_drop_some(r->state, name, rec);
		break;
	case RECORD_WAIT:
		ledger_state_wait(r->state, name, rec);
		break;
	case RECORD_WAITING:
		ledger_state_waiting(r->state, name, rec);
		break;
	case RECORD_REPLACE:
		ledger_state_touch(r->state, name, rec->place);
		if (!i || rec->archives[0].erased)
			add_replaced(r, rec->archives[0].prev, rec->place);
		break;
	case RECORD_ERASE:
		/* From the beginning: a segment may be back that had been deleted. */
		erase_set_add(&r->erase, name, 0, rec->place);
		ledger_state_erase(r->state, name);
		break;
	case RECORD_SEAL:
		break;
	}
}

static void play(struct recovery *r, const struct record *rec)
{
	for (unsigned i = 0; i < rec->n_archives; i++)
		if (!rec->archives[i].erased)
			play_archive(r, rec, i);
	if (record_erase_unfinished(rec))
		erase_set_reach(&r->erase, rec->place);
	/* An erasure that is finished does not say any more of which archive. */
	if (rec->type == RECORD_ERASE && record_all_erased(rec) && r->found->covered)
		r->index_stale = true;
	if (rec->type != RECORD_SEAL)
		r->found->last = rec->place;
	r->found->records++;
}

/* Whether no record was ever written to the segment. */
static bool is_blank(struct recovery *r, const struct segment_head *h, bool *out)
{
	const size_t step = 1 << 20;
	char *bytes = xmalloc(step);
	int fd = segment_open(r->dir, h->base, O_RDONLY);
	bool good = fd >= 0;
	struct stat st;

	*out = true;
	if (good && fstat(fd, &st) == 0 && (uint64_t)st.st_size < h->size) {
		close(fd);
		free(bytes);
		return refuse(r, h->base, 0, NOT_AS_LONG, 0);
	}
	for (uint64_t at = SEGMENT_HEAD; good && *out && at < h->size; at += step) {
		size_t n = h->size - at < step ? (size_t)(h->size - at) : step;
		good = file_read(fd, at, bytes, n);
		*out = good && all_zero(str_from(bytes, n));
	}
	if (!good)
		refuse(r, h->base, 0, "it can't be read", errno);
	if (fd >= 0)
		close(fd);
	free(bytes);
	return good;
}

/* Segment i is the last with records: those behind it must be blank. One of them is kept as
 * the spare. *out: whether they are. */
static bool check_rest_blank(struct recovery *r, size_t i, bool *out)
{
	*out = true;
	for (size_t k = i + 1; k < r->n_heads && *out; k++)
		if (!is_blank(r, &r->heads[k], out))
			return false;
	for (size_t k = r->n_heads; *out && k-- > i + 2;)
		if (!finish_deleting(r, k))
			return false;
	if (!*out || i + 1 == r->n_heads)
		return true;
	/* One that an older program made is made anew. */
	if (r->heads[i + 1].form.version != LEDGER_VERSION)
		return finish_deleting(r, i + 1);
	r->found->has_spare = true;
	r->found->spare = r->heads[i + 1];
	return true;
}

/* Overwrites what lies behind the last whole record, so that no later commit can end just
 * where an old record begins and bring it back. */
static bool cut_tail(struct recovery *r, const struct segment_scan *scan)
{
	size_t end = scan->file.n;
	char name[SEGMENT_NAME_SIZE];

	while (end > scan->at && scan->file.p[end - 1] == 0)
		end--;
	if (end == scan->at)
		return true;
	segment_name(scan->head->base, name);
	log_warn(NULL, "ledger_tail_cut", F_C("folder", r->path), F_STR("segment", str_c(name)),
		F_INT("offset", scan->at), F_INT("bytes", end - scan->at));
	int fd = segment_open(r->dir, scan->head->base, O_RDWR);
	if (fd < 0)
		return refuse(r, scan->head->base, 0, "it can't be opened", errno);
	bool good = file_zero(fd, scan->at, end - scan->at) && fdatasync(fd) == 0;
	int e = errno;
	close(fd);
	return good || refuse(r, scan->head->base, 0, "its torn tail can't be cut", e);
}

/* The records of segment i ended without a seal. */
static bool end_of_records(struct recovery *r, size_t i, const struct segment_scan *scan)
{
	bool rest_blank;
	const char *later = NULL;

	if (!check_rest_blank(r, i, &rest_blank))
		return false;
	if (!rest_blank || !segment_scan_is_tail(scan))
		later = "later commits follow";
	else if (scan->head->base + scan->at < r->synced)
		later = INDEX_NAME " has seen it whole";
	if (later)
		return refuse(r, scan->head->base, scan->at,
			str_printf(r->a, "%s, and %s; see docs/ledger.md, Recovery", scan->why,
				later).p, 0);
	if (!cut_tail(r, scan))
		return false;
	while (r->state->n_segments > i + 1)
		ledger_state_remove_segment(r->state, &r->state->segments[i + 1]);
	r->state->segments[i].end = (uint32_t)scan->at;
	r->found->writable = true;
	return true;
}

/* Plays segment i from offset `from`. */
static bool play_segment(struct recovery *r, size_t i, size_t from)
{
	const struct segment_head *h = &r->heads[i];
	struct segment *g = &r->state->segments[i];
	struct segment_scan scan;
	struct record rec;
	int fd = segment_open(r->dir, h->base, O_RDONLY);

	if (fd < 0)
		return refuse(r, h->base, 0, "it can't be opened", errno);
	if (r->cap_bytes < h->size) {
		free(r->bytes);
		r->bytes = xmalloc(h->size);
		r->cap_bytes = h->size;
	}
	/* From `from` on only; the scan does not look before it. */
	struct stat st;
	bool good = fstat(fd, &st) == 0 && (uint64_t)st.st_size >= from;
	size_t n = good ? (size_t)st.st_size : 0;
	good = good && file_read(fd, from, r->bytes + from, n - from);
	if (!good)
		refuse(r, h->base, 0, "it can't be read", errno);
	close(fd);
	segment_scan_init(&scan, h, str_from(r->bytes, n), from);
	while (good && !g->sealed && segment_scan_next(&scan, &rec) == RECORD_WHOLE) {
		play(r, &rec);
		g->sealed = rec.type == RECORD_SEAL;
	}
	if (!good)
		return false;
	g->end = (uint32_t)scan.at;
	if (g->sealed)
		return true;
	if (n < h->size)
		return refuse(r, h->base, scan.at, NOT_AS_LONG, 0);
	return end_of_records(r, i, &scan);
}

/* Whether a segment that the index knows has still all of its records. */
static bool is_long_enough(struct recovery *r, const struct segment *g)
{
	char name[SEGMENT_NAME_SIZE];
	struct stat st;

	segment_name(g->base, name);
	if (fstatat(r->dir, name, &st, 0) == 0 && (uint64_t)st.st_size >= g->end)
		return true;
	return refuse(r, g->base, 0, NOT_AS_LONG, 0);
}

/* Plays all segments from the place on. */
static bool play_from(struct recovery *r, struct index_reach reach)
{
	r->found->covered = reach.covers;
	for (size_t i = 0; i < r->n_heads && !r->found->writable; i++) {
		const struct segment_head *h = &r->heads[i];
		size_t from = SEGMENT_HEAD;
		if (h->base + h->size <= reach.covers) {
			r->state->segments[i].sealed = true;
			if (!is_long_enough(r, &r->state->segments[i]))
				return false;
			continue;
		}
		r->found->last = 0;
		if (h->base < reach.covers) {
			from = (size_t)(reach.covers - h->base);
			r->found->last = reach.last;
		}
		if (!play_segment(r, i, from))
			return false;
	}
	return true;
}

static bool finish_erasing(struct recovery *r)
{
	struct ledger_fault fault;

	log_info(NULL, "ledger_erase_again", F_C("folder", r->path),
		F_INT("archives", r->erase.archives.n));
	erase_set_bind(&r->erase, r->state);
	if (erase_set_run(&r->erase, r->dir, &fault))
		return true;
	*r->error = ledger_fault_text(&fault, r->path, r->a);
	return false;
}

static bool finish_replacing(struct recovery *r)
{
	const struct segment_list list = { r->state->segments, r->state->n_segments };
	const struct replaced *p = (const struct replaced *)r->replaced.p;
	struct ledger_fault fault;

	for (size_t i = 0; i < r->replaced.n / sizeof *p; i++)
		if (!replace_run(list, r->dir, p[i].at, p[i].by, &fault)) {
			*r->error = ledger_fault_text(&fault, r->path, r->a);
			return false;
		}
	return true;
}

static bool remove_index(struct recovery *r)
{
	if (index_remove(r->dir))
		return true;
	*r->error = str_printf(r->a, "%s/" INDEX_NAME " can't be removed: %s", r->path,
		strerrordesc_np(errno));
	return false;
}

static void add_segments(struct recovery *r)
{
	for (size_t i = 0; i < r->n_heads; i++) {
		ledger_state_add_segment(r->state, &r->heads[i]);
		if (r->heads[i].form.version > 1)
			r->state->key[0] = r->heads[i].key;
	}
}

/* The crash came between an erasure and the index that knows of it: begin again without. */
static bool play_without_index(struct recovery *r)
{
	log_warn(NULL, "ledger_index_rebuilt", F_C("folder", r->path),
		F_C("why", "it is older than an erasure"));
	if (!remove_index(r))
		return false;
	ledger_state_reset(r->state);
	r->state->n_segments = 0;
	*r->found = (struct ledger_found){ 0 };
	buf_reset(&r->replaced);
	add_segments(r);
	return play_from(r, (struct index_reach){ 0 });
}

static bool recover(struct recovery *r)
{
	if (!read_heads(r) || !check_sequence(r))
		return false;
	add_segments(r);
	if (!play_from(r, load_index(r)) || (r->index_stale && !play_without_index(r)))
		return false;
	if (!finish_replacing(r))
		return false;
	if (!erase_set_empty(&r->erase) && !(finish_erasing(r) && remove_index(r)))
		return false;
	ledger_state_publish(r->state);
	ledger_state_trim(r->state);
	return true;
}

bool ledger_recover(int dir, const char *path, struct ledger_state *s, struct ledger_found *out,
	struct arena *a, struct str *error)
{
	struct recovery r = { .dir = dir, .path = path, .state = s, .found = out, .a = a,
		.error = error };

	*out = (struct ledger_found){ 0 };
	erase_set_init(&r.erase);
	buf_init(&r.replaced, SIZE_MAX / 2);
	bool good = recover(&r);
	buf_clear(&r.replaced);
	erase_set_clear(&r.erase);
	free(r.bytes);
	free(r.heads);
	return good;
}
