/* The ledger's files as a disk may give them back: any bytes as a segment, and as an index.
 *
 * Every record that is taken for whole lies inside the segment, and says the same when it is
 * written again; what is not whole gets an answer. */
#include "base/bug.h"
#include "base/log.h"
#include "store/ledger_file.h"
#include "store/ledger_index.h"
#include "store/ledger_recover.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool inside(struct str part, struct str whole)
{
	return !part.n || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void check_record(const struct record *r, struct str file, uint32_t salt, size_t at)
{
	size_t names = 0;
	bool erased = false;

	BUG_ON(!r->length || r->length % RECORD_ALIGN || r->length > file.n - at);
	BUG_ON(r->n_archives > LEDGER_ARCHIVES || !inside(r->bytes, file));
	for (unsigned i = 0; i < r->n_archives; i++) {
		BUG_ON(!inside(r->archives[i].name, file));
		names += r->archives[i].name.n;
		erased = erased || r->archives[i].erased;
	}
	/* What can't be written again: its text is gone, or only an older program writes it. */
	if (erased || r->replaced || r->version != LEDGER_VERSION)
		return;
	size_t length = record_length(r->n_archives, names, r->bytes.n);
	BUG_ON(length != r->length);
	char *again = xcalloc(1, length);
	record_write(r, salt, again);
	/* What fills the record up to its alignment is nobody's. */
	BUG_ON(memcmp(again, file.p + at, record_bytes_at(r) + r->bytes.n) != 0);
	free(again);
}

static void scan_segment(struct str file)
{
	struct segment_head head;
	struct segment_scan scan;
	struct record r;
	char bytes[SEGMENT_HEAD];

	if (file.n < SEGMENT_HEAD)
		return;
	memcpy(bytes, file.p, sizeof bytes);
	if (segment_head_read(bytes, &head))
		return;
	segment_scan_init(&scan, &head, file, SEGMENT_HEAD);
	size_t at = scan.at;
	while (segment_scan_next(&scan, &r) == RECORD_WHOLE) {
		BUG_ON(scan.at <= at || scan.at > file.n);
		check_record(&r, file, head.form.salt, at);
		at = scan.at;
	}
	BUG_ON(scan.at != at);
	segment_scan_is_tail(&scan);
}

static void read_index(struct str file)
{
	struct ledger_state state;
	struct index_reach reach;

	ledger_state_init(&state);
	index_read(file, &state, &reach);
	ledger_state_clear(&state);
}

/* The second half: input that is no file is a program that makes a folder of segments, with
 * good checksums, and then spoils it. Opening it must give an answer; where it opens, it must
 * open again, with and without an index, and find the same. */

#define SEGMENTS 4
#define ARCHIVES 6

struct program {
	const uint8_t *p, *end;
};

static unsigned next(struct program *g)
{
	return g->p < g->end ? *g->p++ : 0;
}

struct folder {
	char path[64];
	int dir;
	char bytes[SEGMENTS][SEGMENT_MIN];
	struct segment_head heads[SEGMENTS];
	unsigned missing;            /* bits */
	size_t segment, at, group;   /* where the next record goes */
};

static struct folder folder;

static struct str archive_name(unsigned i)
{
	static const char names[] = "romeo@example.org";

	return str_from(names, 1 + i % ARCHIVES);
}

/* Places of messages, or near them, for the records that name such. */
static struct str some_places(struct program *g, uint64_t place, size_t n, char out[8 * 16])
{
	uint64_t v[16];

	for (size_t i = 0; i < n; i++) {
		unsigned back = next(g);
		v[i] = back == 255 ? UINT64_MAX : place - 8 * (uint64_t)back;
	}
	return record_places(v, n, out);
}

static void fill_slot(struct record_archive *a, struct program *g, enum record_type type,
	uint64_t place)
{
	unsigned flags = next(g);

	if (type == RECORD_REPLACE)
		a->prev = place - 8;
	if (type != RECORD_STORE)
		return;
	a->archived = flags & 1;
	a->waits = flags & 2 || !a->archived;
	a->number = a->archived ? 1 + next(g) : 0;
	a->partner = a->archived && flags & 4 ? 1 + flags % 3 : 0;
	a->talk_number = a->partner ? 1 + next(g) : 0;
}

static void add_record(struct folder *f, struct program *g, enum record_type type)
{
	static char text[256];
	const struct segment_head *h = &f->heads[f->segment];
	unsigned flags = next(g), who = next(g);
	char places[8 * 16];
	struct record r = { .type = type, .place = h->base + f->at,
		.id = ledger_id(flags << 14, 0) };

	memset(text, 't', sizeof text); /* no zeros: those would be erased */
	if (!(flags & 1))
		f->group = f->at;
	r.group = h->base + f->group;
	bool two = (type == RECORD_STORE || type == RECORD_REPLACE) && flags & 2;
	r.n_archives = type == RECORD_SEAL ? 0 : two ? 2 : 1;
	size_t names = 0;
	for (unsigned i = 0; i < r.n_archives; i++) {
		fill_slot(&r.archives[i], g, type, r.place);
		r.archives[i].name = archive_name(who + i);
		names += r.archives[i].name.n;
	}
	if (type == RECORD_STORE || type == RECORD_REPLACE)
		r.bytes = str_from(text, next(g));
	else if (type == RECORD_DROP)
		r.bytes = some_places(g, r.place, 1, places);
	else if (type == RECORD_DROP_SOME || type == RECORD_WAIT)
		r.bytes = some_places(g, r.place, 1 + flags / 16, places);
	else if (type == RECORD_WAITING)
		r.bytes = some_places(g, r.place, 2 + flags / 32, places);
	size_t length = record_length(r.n_archives, names, r.bytes.n);
	if (f->at + length > SEGMENT_MIN)
		return;
	char *out = f->bytes[f->segment] + f->at;
	record_write(&r, h->form.salt, out);
	r.version = LEDGER_VERSION;
	if (r.n_archives && flags & 8)
		record_erased_word(out + record_erased_at(&r, 0));
	f->at += length;
}

static void next_segment(struct folder *f)
{
	if (f->segment + 1 < SEGMENTS) {
		f->segment++;
		f->at = f->group = SEGMENT_HEAD;
	}
}

static void run_program(struct folder *f, struct program *g)
{
	while (g->p < g->end) {
		unsigned op = next(g);
		switch (op % 14) {
		case 0: case 1: add_record(f, g, RECORD_STORE); break;
		case 2: add_record(f, g, RECORD_DROP); break;
		case 3: add_record(f, g, RECORD_ERASE); break;
		case 4: add_record(f, g, RECORD_SEAL); next_segment(f); break;
		case 5: next_segment(f); break;
		case 6: f->at += 8 * (next(g) % 32); f->at = f->at < SEGMENT_MIN ? f->at : 64; break;
		case 7: { /* a byte that goes bad */
			size_t at = next(g) << 8 | next(g);
			f->bytes[op / 14 % SEGMENTS][at % SEGMENT_MIN] ^= (char)next(g);
			break;
		}
		case 8: { /* what was deleted before it */
			struct segment_head *h = &f->heads[op / 14 % SEGMENTS];
			h->after = h->base - SEGMENT_MIN * (next(g) % (h->base / SEGMENT_MIN + 1));
			segment_head_write(h, f->bytes[op / 14 % SEGMENTS]);
			break;
		}
		case 9: add_record(f, g, RECORD_DROP_SOME); break;
		case 10: add_record(f, g, RECORD_WAIT); break;
		case 11: add_record(f, g, RECORD_WAITING); break;
		case 12: add_record(f, g, RECORD_REPLACE); break;
		default: f->missing |= 1u << op / 14 % SEGMENTS; break;
		}
	}
}

static void write_folder(struct folder *f)
{
	index_remove(f->dir);
	for (unsigned i = 0; i < SEGMENTS; i++) {
		char name[SEGMENT_NAME_SIZE];
		segment_name(f->heads[i].base, name);
		unlinkat(f->dir, name, 0);
		if (f->missing >> i & 1)
			continue;
		int fd = openat(f->dir, name, O_WRONLY | O_CREAT, 0600);
		BUG_ON(fd < 0 || !file_write(fd, 0, f->bytes[i], SEGMENT_MIN));
		close(fd);
	}
}

/* What one opening found. */
struct view {
	bool opened;
	uint32_t counts[ARCHIVES], history[ARCHIVES];
	uint64_t waiting;
	size_t n_segments;
};

static void look_at(struct ledger_state *s, struct str name, uint32_t *waiting, uint32_t *history)
{
	const struct archive *a = ledger_state_find(s, name);

	*waiting = ledger_state_count(s, name);
	*history = a ? a->n - a->floor_n : 0;
}

/* Opens it; leaves an index behind when told to. */
static struct view look(struct folder *f, bool leave_index)
{
	struct ledger_state state;
	struct ledger_found found;
	struct view v = { 0 };
	struct arena a;
	struct str error = STR_NULL;

	arena_init(&a, 256);
	ledger_state_init(&state);
	v.opened = ledger_recover(f->dir, f->path, &state, &found, &a, &error);
	BUG_ON(v.opened != !error.n);
	for (unsigned i = 0; v.opened && i < ARCHIVES; i++)
		look_at(&state, archive_name(i), &v.counts[i], &v.history[i]);
	v.waiting = v.opened ? state.waiting : 0;
	v.n_segments = v.opened ? state.n_segments : 0;
	if (v.opened && leave_index && found.writable) {
		const struct segment *g = &state.segments[state.n_segments - 1];
		struct buf image;
		buf_init(&image, SIZE_MAX / 2);
		index_write(&state, (struct index_reach){ g->base + g->end, found.last, g->form },
			&image);
		BUG_ON(!index_save(f->dir, buf_str(&image)));
		buf_clear(&image);
	}
	ledger_state_clear(&state);
	arena_clear(&a);
	return v;
}

static void open_folder(struct folder *f)
{
	struct view first = look(f, false), second = look(f, true), third = look(f, false);

	BUG_ON(memcmp(&first, &second, sizeof first) != 0);
	BUG_ON(memcmp(&first, &third, sizeof first) != 0);
}

static void remove_folder(void)
{
	folder.missing = UINT32_MAX;
	write_folder(&folder);
	rmdir(folder.path);
}

static void play(const uint8_t *data, size_t n)
{
	struct program g = { data, data + n };
	struct folder *f = &folder;

	if (!f->dir) {
		const char *top = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
		snprintf(f->path, sizeof f->path, "%s/fuzz-ledger-XXXXXX", top);
		BUG_ON(!mkdtemp(f->path));
		f->dir = open(f->path, O_RDONLY | O_DIRECTORY);
		BUG_ON(f->dir < 0);
		atexit(remove_folder);
		log_setup(LOG_ERROR, LOG_TEXT); /* of what is cut and rebuilt there is much */
	}
	memset(f->bytes, 0, sizeof f->bytes);
	for (unsigned i = 0; i < SEGMENTS; i++) {
		f->heads[i] = (struct segment_head){ .base = i * SEGMENT_MIN, .size = SEGMENT_MIN,
			.after = i * SEGMENT_MIN, .form = { LEDGER_VERSION, 7 * i + 1 } };
		segment_head_write(&f->heads[i], f->bytes[i]);
	}
	f->missing = 0;
	f->segment = 0;
	f->at = f->group = SEGMENT_HEAD;
	run_program(f, &g);
	write_folder(f);
	open_folder(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 5 || memcmp(data, "StLed", 5) != 0) {
		play(data, n);
		return 0;
	}
	/* A copy of the exact size, so that the sanitizer sees every byte too far. */
	char *copy = xmalloc(n);

	memcpy(copy, data, n);
	scan_segment(str_from(copy, n));
	read_index(str_from(copy, n));
	free(copy);
	return 0;
}
