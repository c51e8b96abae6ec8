#include "store/ledger_format.h"

#include "base/bug.h"
#include "store/ledger_bytes.h"
#include "store/ledger_crc.h"

#define ERASED 0x44455345u /* "ESED" */

/* Offsets in the segment's head. */
enum { SH_MAGIC = 0, SH_VERSION = 8, SH_HEAD = 12, SH_BASE = 16, SH_SIZE = 24, SH_AFTER = 32,
	SH_CREATED = 40, SH_SALT = 48, SH_CRC = 60 };

/* Offsets in a record's head and in a slot. */
enum { RH_LENGTH = 0, RH_TYPE = 4, RH_ARCHIVES = 5, RH_FLAGS = 6, RH_PLACE = 8, RH_STAMP = 16,
	RH_BACK = 24, RH_BYTES = 28, RH_BYTES_CRC = 32, RH_CRC = 36 };
enum { RS_PREV = 0, RS_NAME_CRC = 8, RS_NAME = 12, RS_ZERO = 14, RS_ERASED = 16, RS_ROOM = 20 };

static const char magic[8] = { 'S', 't', 'L', 'e', 'd', 'g', 'e', 'r' };

bool all_zero(struct str s)
{
	return s.n == 0 || (s.p[0] == 0 && memcmp(s.p, s.p + 1, s.n - 1) == 0);
}

void segment_head_write(const struct segment_head *h, char out[SEGMENT_HEAD])
{
	memset(out, 0, SEGMENT_HEAD);
	memcpy(out + SH_MAGIC, magic, sizeof magic);
	put32(out + SH_VERSION, LEDGER_VERSION);
	put32(out + SH_HEAD, SEGMENT_HEAD);
	put64(out + SH_BASE, h->base);
	put64(out + SH_SIZE, h->size);
	put64(out + SH_AFTER, h->after);
	put64(out + SH_CREATED, h->created_us);
	put32(out + SH_SALT, h->salt);
	put32(out + SH_CRC, crc32c(0, out, SH_CRC));
}

const char *segment_head_read(const char in[SEGMENT_HEAD], struct segment_head *out)
{
	if (memcmp(in + SH_MAGIC, magic, sizeof magic) != 0)
		return "this is no segment of a ledger";
	if (get32(in + SH_CRC) != crc32c(0, in, SH_CRC))
		return "the head of the segment has a bad checksum";
	if (get32(in + SH_VERSION) != LEDGER_VERSION || get32(in + SH_HEAD) != SEGMENT_HEAD)
		return "the segment has a version that this program does not know";
	*out = (struct segment_head){ get64(in + SH_BASE), get64(in + SH_SIZE),
		get64(in + SH_AFTER), get64(in + SH_CREATED), get32(in + SH_SALT) };
	if (out->size < SEGMENT_MIN || out->size > SEGMENT_MAX || out->size % SEGMENT_MIN ||
		out->base % RECORD_ALIGN || out->base > UINT64_MAX / 2 || out->after > out->base)
		return "the head of the segment makes no sense";
	return NULL;
}

/* The checksum of a head and its slots, without itself and the words that erasing changes. */
static uint32_t head_crc(const char *p, unsigned n_archives, uint32_t salt)
{
	char copy[RECORD_HEAD + LEDGER_ARCHIVES * RECORD_SLOT];
	size_t n = RECORD_HEAD + RECORD_SLOT * n_archives;

	memcpy(copy, p, n);
	put32(copy + RH_CRC, 0);
	for (unsigned i = 0; i < n_archives; i++)
		put32(copy + record_erased_at(i), 0);
	return crc32c(salt, copy, n);
}

void record_write(const struct record *r, uint32_t salt, char *out)
{
	size_t names = 0;

	BUG_ON(r->n_archives > LEDGER_ARCHIVES || r->bytes.n > LEDGER_BYTES_MAX);
	memset(out, 0, RECORD_HEAD + RECORD_SLOT * r->n_archives);
	char *to = out + RECORD_HEAD + RECORD_SLOT * r->n_archives;
	for (unsigned i = 0; i < r->n_archives; i++) {
		const struct record_archive *a = &r->archives[i];
		char *slot = out + RECORD_HEAD + RECORD_SLOT * i;
		BUG_ON(a->name.n == 0 || a->name.n > LEDGER_NAME_MAX);
		put64(slot + RS_PREV, a->prev);
		put32(slot + RS_NAME_CRC, crc32c(salt, a->name.p, a->name.n));
		put16(slot + RS_NAME, (uint16_t)a->name.n);
		memcpy(to, a->name.p, a->name.n);
		to += a->name.n;
		names += a->name.n;
	}
	size_t length = record_length(r->n_archives, names, r->bytes.n);
	if (r->bytes.n)
		memcpy(to, r->bytes.p, r->bytes.n);
	to += r->bytes.n;
	memset(to, 0, (size_t)(out + length - to));
	put32(out + RH_LENGTH, (uint32_t)length);
	out[RH_TYPE] = (char)r->type;
	out[RH_ARCHIVES] = (char)r->n_archives;
	put64(out + RH_PLACE, r->place);
	put64(out + RH_STAMP, r->stamp_us);
	put32(out + RH_BACK, (uint32_t)(r->place - r->group));
	put32(out + RH_BYTES, (uint32_t)r->bytes.n);
	put32(out + RH_BYTES_CRC, crc32c(salt, r->bytes.p, r->bytes.n));
	put32(out + RH_CRC, head_crc(out, r->n_archives, salt));
}

void record_drop_bytes(uint64_t upto, char out[8])
{
	put64(out, upto);
}

uint64_t record_drop_upto(const struct record *r)
{
	return get64(r->bytes.p);
}

size_t record_erased_at(unsigned i)
{
	return RECORD_HEAD + RECORD_SLOT * i + RS_ERASED;
}

void record_erased_word(char out[4])
{
	put32(out, ERASED);
}

size_t record_name_at(const struct record *r, unsigned i)
{
	size_t at = RECORD_HEAD + RECORD_SLOT * r->n_archives;

	for (unsigned k = 0; k < i; k++)
		at += r->archives[k].name.n;
	return at;
}

size_t record_bytes_at(const struct record *r)
{
	return record_name_at(r, r->n_archives);
}

bool record_all_erased(const struct record *r)
{
	for (unsigned i = 0; i < r->n_archives; i++)
		if (!r->archives[i].erased)
			return false;
	return r->n_archives != 0;
}

bool record_erase_unfinished(const struct record *r)
{
	for (unsigned i = 0; i < r->n_archives; i++)
		if (r->archives[i].erased && !all_zero(r->archives[i].name))
			return true;
	return record_all_erased(r) && !all_zero(r->bytes);
}

/* What a type must look like. */
static const struct {
	unsigned archives_min, archives_max;
	uint32_t bytes_min, bytes_max;
} shapes[] = {
	[RECORD_STORE] = { 1, LEDGER_ARCHIVES, 0, LEDGER_BYTES_MAX },
	[RECORD_DROP] = { 1, 1, 8, 8 },
	[RECORD_ERASE] = { 1, 1, 0, 0 },
	[RECORD_SEAL] = { 0, 0, 0, 0 },
};

/* Reads the slots; false when they do not fit what the head says. */
static bool read_slots(const char *p, struct record *r)
{
	size_t names = 0;

	for (unsigned i = 0; i < r->n_archives; i++) {
		const char *slot = p + RECORD_HEAD + RECORD_SLOT * i;
		uint32_t erased = get32(slot + RS_ERASED);
		r->archives[i] = (struct record_archive){ .prev = get64(slot + RS_PREV),
			.name = { NULL, get16(slot + RS_NAME) }, .erased = erased == ERASED };
		if (r->archives[i].name.n == 0 || r->archives[i].name.n > LEDGER_NAME_MAX ||
			(erased != 0 && erased != ERASED) || r->archives[i].prev >= r->place)
			return false;
		names += r->archives[i].name.n;
	}
	return record_length(r->n_archives, names, r->bytes.n) == r->length;
}

enum record_answer record_peek(struct str file, uint64_t place, uint32_t salt,
	struct record *out, const char **why)
{
	*why = "there are zeros where it should be";
	if (all_zero(str_head(file, RECORD_HEAD)))
		return RECORD_BLANK;
	*why = "it is cut off";
	if (file.n < RECORD_HEAD)
		return RECORD_BAD;
	unsigned type = (unsigned char)file.p[RH_TYPE];
	unsigned n_archives = (unsigned char)file.p[RH_ARCHIVES];
	*why = "its head has a bad checksum";
	if (get64(file.p + RH_PLACE) != place || n_archives > LEDGER_ARCHIVES ||
		file.n < RECORD_HEAD + RECORD_SLOT * n_archives ||
		get32(file.p + RH_CRC) != head_crc(file.p, n_archives, salt))
		return RECORD_BAD;
	*out = (struct record){ .type = (enum record_type)type, .place = place,
		.group = place - get32(file.p + RH_BACK), .stamp_us = get64(file.p + RH_STAMP),
		.n_archives = n_archives, .bytes = { NULL, get32(file.p + RH_BYTES) },
		.length = get32(file.p + RH_LENGTH) };
	*why = "its head makes no sense";
	if (type < RECORD_STORE || type > RECORD_SEAL || get16(file.p + RH_FLAGS) ||
		n_archives < shapes[type].archives_min || n_archives > shapes[type].archives_max ||
		out->bytes.n < shapes[type].bytes_min || out->bytes.n > shapes[type].bytes_max ||
		out->group > place || !read_slots(file.p, out))
		return RECORD_BAD;
	return RECORD_WHOLE;
}

/* Whether no archive before i has its name too. */
static bool name_is_new(const struct record *r, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (!r->archives[k].erased && str_eq(r->archives[k].name, r->archives[i].name))
			return false;
	return true;
}

/* Points names and bytes into the file and checks those that are not erased. */
static bool read_body(const char *p, uint32_t salt, struct record *r)
{
	const char *at = p + RECORD_HEAD + RECORD_SLOT * r->n_archives;

	for (unsigned i = 0; i < r->n_archives; i++) {
		struct record_archive *a = &r->archives[i];
		const char *slot = p + RECORD_HEAD + RECORD_SLOT * i;
		a->name.p = at;
		at += a->name.n;
		if (!a->erased && (get32(slot + RS_NAME_CRC) != crc32c(salt, a->name.p, a->name.n) ||
			!name_is_new(r, i)))
			return false;
	}
	r->bytes.p = at;
	return record_all_erased(r) ||
		get32(p + RH_BYTES_CRC) == crc32c(salt, r->bytes.p, r->bytes.n);
}

enum record_answer record_read(struct str file, uint64_t place, uint32_t salt,
	struct record *out, const char **why)
{
	enum record_answer answer = record_peek(file, place, salt, out, why);

	if (answer != RECORD_WHOLE)
		return answer;
	*why = "it is cut off";
	if (out->length > file.n)
		return RECORD_BAD;
	*why = "its bytes have a bad checksum";
	return read_body(file.p, salt, out) ? RECORD_WHOLE : RECORD_BAD;
}

void segment_scan_init(struct segment_scan *s, const struct segment_head *head, struct str file,
	size_t at)
{
	*s = (struct segment_scan){ .head = head, .file = file, .at = at };
}

enum record_answer segment_scan_next(struct segment_scan *s, struct record *out)
{
	enum record_answer answer = record_read(str_skip(s->file, s->at), s->head->base + s->at,
		s->head->salt, out, &s->why);

	if (answer == RECORD_WHOLE)
		s->at += out->length;
	return answer;
}

bool segment_scan_is_tail(const struct segment_scan *s)
{
	const uint64_t bad = s->head->base + s->at;
	struct record r;
	const char *why;

	/* Heads are enough, and bodies would make this quadratic: whatever was written of a
	 * later commit was written after the sync of this one. */
	for (size_t at = s->at + RECORD_ALIGN; at + RECORD_HEAD <= s->file.n; at += RECORD_ALIGN) {
		uint64_t place = s->head->base + at;
		if (get64(s->file.p + at + RH_PLACE) != place)
			continue;
		if (record_peek(str_skip(s->file, at), place, s->head->salt, &r, &why) ==
			RECORD_WHOLE && r.group > bad)
			return false;
	}
	return true;
}
