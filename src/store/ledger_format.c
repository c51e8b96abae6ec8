#include "store/ledger_format.h"

#include "base/bug.h"
#include "store/ledger_bytes.h"
#include "store/ledger_crc.h"

#define ERASED 0x44455345u /* "ESED" */

/* Offsets in the segment's head. */
enum { SH_MAGIC = 0, SH_VERSION = 8, SH_HEAD = 12, SH_BASE = 16, SH_SIZE = 24, SH_AFTER = 32,
	SH_CREATED = 40, SH_SALT = 48, SH_KEY = 52, SH_CRC = 60 };

/* Offsets in a record's head and in a slot. What version 1 has, it has in the same places. */
enum { RH_LENGTH = 0, RH_TYPE = 4, RH_ARCHIVES = 5, RH_FLAGS = 6, RH_PLACE = 8, RH_ID = 16,
	RH_BACK = 24, RH_BYTES = 28, RH_BYTES_CRC = 32, RH_CRC = 36, RH_REPLACED = 40 };
enum { RS_PREV = 0, RS_NAME_CRC = 8, RS_NAME = 12, RS_FLAGS = 14, RS_ERASED = 16, RS_NUMBER = 20,
	RS_TALK = 24, RS_TALK_PREV = 24, RS_PARTNER = 32, RS_TALK_NUMBER = 40, RS_TALK_CRC = 44 };
enum { FLAG_ARCHIVED = 1, FLAG_WAITS = 2 };

#define V1_HEAD 40
#define V1_SLOT 24

static size_t head_size(uint32_t version)
{
	return version == 1 ? V1_HEAD : RECORD_HEAD;
}

static size_t slot_size(uint32_t version)
{
	return version == 1 ? V1_SLOT : RECORD_SLOT;
}

static size_t slot_at(uint32_t version, unsigned i)
{
	return head_size(version) + slot_size(version) * i;
}

static const char magic[8] = { 'S', 't', 'L', 'e', 'd', 'g', 'e', 'r' };

bool all_zero(struct str s)
{
	return s.n == 0 || (s.p[0] == 0 && memcmp(s.p, s.p + 1, s.n - 1) == 0);
}

void segment_head_write(const struct segment_head *h, char out[SEGMENT_HEAD])
{
	memset(out, 0, SEGMENT_HEAD);
	memcpy(out + SH_MAGIC, magic, sizeof magic);
	put32(out + SH_VERSION, h->form.version);
	put32(out + SH_HEAD, SEGMENT_HEAD);
	put64(out + SH_BASE, h->base);
	put64(out + SH_SIZE, h->size);
	put64(out + SH_AFTER, h->after);
	put64(out + SH_CREATED, h->created_us);
	put32(out + SH_SALT, h->form.salt);
	put64(out + SH_KEY, h->key);
	put32(out + SH_CRC, crc32c(0, out, SH_CRC));
}

const char *segment_head_read(const char in[SEGMENT_HEAD], struct segment_head *out)
{
	if (memcmp(in + SH_MAGIC, magic, sizeof magic) != 0)
		return "this is no segment of a ledger";
	if (get32(in + SH_CRC) != crc32c(0, in, SH_CRC))
		return "the head of the segment has a bad checksum";
	if (get32(in + SH_VERSION) < 1 || get32(in + SH_VERSION) > LEDGER_VERSION ||
		get32(in + SH_HEAD) != SEGMENT_HEAD)
		return "the segment has a version that this program does not know";
	*out = (struct segment_head){ get64(in + SH_BASE), get64(in + SH_SIZE),
		get64(in + SH_AFTER), get64(in + SH_CREATED),
		{ get32(in + SH_VERSION), get32(in + SH_SALT) }, get64(in + SH_KEY) };
	if (out->size < SEGMENT_MIN || out->size > SEGMENT_MAX || out->size % SEGMENT_MIN ||
		out->base % RECORD_ALIGN || out->base > UINT64_MAX / 2 || out->after > out->base)
		return "the head of the segment makes no sense";
	return NULL;
}

/* The checksum of a head and its slots, without itself and what erasing and replacing change. */
static uint32_t head_crc(const char *p, unsigned n_archives, struct record_form form)
{
	char copy[RECORD_PEEK];
	size_t n = slot_at(form.version, n_archives);

	memcpy(copy, p, n);
	put32(copy + RH_CRC, 0);
	if (form.version > 1)
		put64(copy + RH_REPLACED, 0);
	for (unsigned i = 0; i < n_archives; i++) {
		char *slot = copy + slot_at(form.version, i);
		put32(slot + RS_ERASED, 0);
		if (form.version > 1)
			memset(slot + RS_TALK, 0, RECORD_TALK);
	}
	return crc32c(form.salt, copy, n);
}

static void write_slot(const struct record_archive *a, uint32_t salt, char *slot)
{
	put64(slot + RS_PREV, a->prev);
	put32(slot + RS_NAME_CRC, crc32c(salt, a->name.p, a->name.n));
	put16(slot + RS_NAME, (uint16_t)a->name.n);
	put16(slot + RS_FLAGS, (uint16_t)((a->archived ? FLAG_ARCHIVED : 0) |
		(a->waits ? FLAG_WAITS : 0)));
	put32(slot + RS_NUMBER, a->number);
	put64(slot + RS_TALK_PREV, a->talk_prev);
	put64(slot + RS_PARTNER, a->partner);
	put32(slot + RS_TALK_NUMBER, a->talk_number);
	put32(slot + RS_TALK_CRC, crc32c(salt, slot + RS_TALK, RS_TALK_CRC - RS_TALK));
}

/* The head, once the rest of the record is there. */
static void write_head(const struct record *r, size_t length, struct record_form form, char *out)
{
	put32(out + RH_LENGTH, (uint32_t)length);
	out[RH_TYPE] = (char)r->type;
	out[RH_ARCHIVES] = (char)r->n_archives;
	put64(out + RH_PLACE, r->place);
	put64(out + RH_ID, form.version == 1 ? ledger_id_stamp(r->id) : r->id);
	put32(out + RH_BACK, (uint32_t)(r->place - r->group));
	put32(out + RH_BYTES, (uint32_t)r->bytes.n);
	put32(out + RH_BYTES_CRC, crc32c(form.salt, r->bytes.p, r->bytes.n));
	put32(out + RH_CRC, head_crc(out, r->n_archives, form));
}

void record_write(const struct record *r, uint32_t salt, char *out)
{
	size_t names = 0;

	BUG_ON(r->n_archives > LEDGER_ARCHIVES || r->bytes.n > LEDGER_BYTES_MAX);
	memset(out, 0, RECORD_HEAD + RECORD_SLOT * r->n_archives);
	char *to = out + RECORD_HEAD + RECORD_SLOT * r->n_archives;
	for (unsigned i = 0; i < r->n_archives; i++) {
		const struct record_archive *a = &r->archives[i];
		BUG_ON(a->name.n == 0 || a->name.n > LEDGER_NAME_MAX);
		write_slot(a, salt, out + slot_at(LEDGER_VERSION, i));
		memcpy(to, a->name.p, a->name.n);
		to += a->name.n;
		names += a->name.n;
	}
	size_t length = record_length(r->n_archives, names, r->bytes.n);
	if (r->bytes.n)
		memcpy(to, r->bytes.p, r->bytes.n);
	to += r->bytes.n;
	memset(to, 0, (size_t)(out + length - to));
	write_head(r, length, (struct record_form){ LEDGER_VERSION, salt }, out);
}

size_t record_write_seal(const struct record *r, struct record_form form,
	char out[RECORD_SEAL_LENGTH])
{
	BUG_ON(r->type != RECORD_SEAL || r->n_archives || r->bytes.n);
	memset(out, 0, RECORD_SEAL_LENGTH);
	write_head(r, head_size(form.version), form, out);
	return head_size(form.version);
}

struct str record_places(const uint64_t *places, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		put64(out + 8 * i, places[i]);
	return str_from(out, 8 * n);
}

uint64_t record_place(const struct record *r, size_t i)
{
	return get64(r->bytes.p + 8 * i);
}

size_t record_erased_at(const struct record *r, unsigned i)
{
	return slot_at(r->version, i) + RS_ERASED;
}

void record_erased_word(char out[4])
{
	put32(out, ERASED);
}

size_t record_name_at(const struct record *r, unsigned i)
{
	size_t at = slot_at(r->version, r->n_archives);

	for (unsigned k = 0; k < i; k++)
		at += r->archives[k].name.n;
	return at;
}

size_t record_talk_at(const struct record *r, unsigned i)
{
	return slot_at(r->version, i) + RS_TALK;
}

size_t record_bytes_at(const struct record *r)
{
	return record_name_at(r, r->n_archives);
}

/* 48 bits: how many times RECORD_ALIGN it is away. 16: a check, for nothing else covers them. */
static uint64_t pack_replaced(uint64_t place, uint64_t by, uint32_t salt)
{
	uint64_t away = (by - place) / RECORD_ALIGN;
	char bytes[16];

	put64(bytes, place);
	put64(bytes + 8, away);
	return away | (uint64_t)(crc32c(salt, bytes, sizeof bytes) & 0xffff) << 48;
}

size_t record_replaced_at(void)
{
	return RH_REPLACED;
}

void record_replaced_bytes(const struct record *r, uint64_t by, uint32_t salt, char out[8])
{
	BUG_ON(by <= r->place || (by - r->place) / RECORD_ALIGN >= UINT64_C(1) << 48);
	put64(out, pack_replaced(r->place, by, salt));
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
		if (r->archives[i].erased && (!all_zero(r->archives[i].name) ||
			r->archives[i].partner || r->archives[i].talk_prev))
			return true;
	return record_all_erased(r) && !all_zero(r->bytes);
}

/* What a type must look like. */
static const struct {
	uint32_t version; /* since */
	unsigned archives_min, archives_max;
	uint32_t bytes_min, bytes_max;
} shapes[] = {
	[RECORD_STORE] = { 1, 1, LEDGER_ARCHIVES, 0, LEDGER_BYTES_MAX },
	[RECORD_DROP] = { 1, 1, 1, 8, 8 },
	[RECORD_ERASE] = { 1, 1, 1, 0, 0 },
	[RECORD_SEAL] = { 1, 0, 0, 0, 0 },
	[RECORD_DROP_SOME] = { 2, 1, 1, 8, 8 * LEDGER_IDS_MAX },
	[RECORD_WAIT] = { 2, 1, 1, 8, 8 * LEDGER_IDS_MAX },
	[RECORD_WAITING] = { 2, 1, 1, 16, LEDGER_BYTES_MAX },
	[RECORD_REPLACE] = { 2, 1, LEDGER_ARCHIVES, 0, LEDGER_BYTES_MAX },
};

static bool shape_is_right(const struct record *r)
{
	unsigned t = r->type;

	return t >= RECORD_STORE && t <= RECORD_REPLACE && r->version >= shapes[t].version &&
		r->n_archives >= shapes[t].archives_min &&
		r->n_archives <= shapes[t].archives_max &&
		r->bytes.n >= shapes[t].bytes_min && r->bytes.n <= shapes[t].bytes_max &&
		r->group <= r->place;
}

/* What version 2 has more of in a slot. */
static bool read_slot_more(const char *slot, struct record_form form, const struct record *r,
	struct record_archive *a)
{
	unsigned flags = get16(slot + RS_FLAGS);

	a->archived = flags & FLAG_ARCHIVED;
	a->waits = flags & FLAG_WAITS;
	a->number = get32(slot + RS_NUMBER);
	a->talk_prev = get64(slot + RS_TALK_PREV);
	a->partner = get64(slot + RS_PARTNER);
	a->talk_number = get32(slot + RS_TALK_NUMBER);
	if (flags & ~(unsigned)(FLAG_ARCHIVED | FLAG_WAITS) ||
		(r->type == RECORD_STORE && !flags) || (a->archived && !a->number))
		return false;
	/* On the way to being erased they are anything. */
	return a->erased || (a->talk_prev < r->place && !a->talk_number == !a->partner &&
		get32(slot + RS_TALK_CRC) == crc32c(form.salt, slot + RS_TALK,
			RS_TALK_CRC - RS_TALK));
}

/* Reads the slots; false when they do not fit what the head says. */
static bool read_slots(const char *p, struct record_form form, struct record *r)
{
	size_t n = slot_at(form.version, r->n_archives) + r->bytes.n;

	for (unsigned i = 0; i < r->n_archives; i++) {
		const char *slot = p + slot_at(form.version, i);
		uint32_t erased = get32(slot + RS_ERASED);
		r->archives[i] = (struct record_archive){ .prev = get64(slot + RS_PREV),
			.name = { NULL, get16(slot + RS_NAME) }, .waits = true,
			.erased = erased == ERASED };
		if (r->archives[i].name.n == 0 || r->archives[i].name.n > LEDGER_NAME_MAX ||
			(erased != 0 && erased != ERASED) || r->archives[i].prev >= r->place)
			return false;
		if (form.version > 1 && !read_slot_more(slot, form, r, &r->archives[i]))
			return false;
		n += r->archives[i].name.n;
	}
	return ((n + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1)) == r->length;
}

/* Where its bytes are, when it is replaced; false when that makes no sense. */
static bool read_replaced(const char *p, struct record_form form, struct record *r)
{
	uint64_t v = form.version > 1 ? get64(p + RH_REPLACED) : 0;

	if (!v)
		return true;
	r->replaced = r->place + (v & (UINT64_MAX >> 16)) * RECORD_ALIGN;
	return r->type == RECORD_STORE && r->replaced > r->place &&
		v == pack_replaced(r->place, r->replaced, form.salt);
}

enum record_answer record_peek(struct str file, uint64_t place, struct record_form form,
	struct record *out, const char **why)
{
	const size_t head = head_size(form.version);

	*why = "there are zeros where it should be";
	if (all_zero(str_head(file, head)))
		return RECORD_BLANK;
	*why = "it is cut off";
	if (file.n < head)
		return RECORD_BAD;
	unsigned n_archives = (unsigned char)file.p[RH_ARCHIVES];
	*why = "its head has a bad checksum";
	if (get64(file.p + RH_PLACE) != place || n_archives > LEDGER_ARCHIVES ||
		file.n < slot_at(form.version, n_archives) ||
		get32(file.p + RH_CRC) != head_crc(file.p, n_archives, form))
		return RECORD_BAD;
	uint64_t id = get64(file.p + RH_ID);
	*out = (struct record){ .type = (enum record_type)(unsigned char)file.p[RH_TYPE],
		.place = place, .group = place - get32(file.p + RH_BACK),
		.id = form.version == 1 ? ledger_id(id, 0) : id,
		.n_archives = n_archives, .bytes = { NULL, get32(file.p + RH_BYTES) },
		.length = get32(file.p + RH_LENGTH), .version = form.version };
	*why = "its head makes no sense";
	if (!shape_is_right(out) || get16(file.p + RH_FLAGS) ||
		!read_slots(file.p, form, out) || !read_replaced(file.p, form, out))
		return RECORD_BAD;
	return RECORD_WHOLE;
}

bool record_names(struct str file, struct record *r)
{
	if (record_bytes_at(r) > file.n)
		return false;
	for (unsigned i = 0; i < r->n_archives; i++)
		r->archives[i].name.p = file.p + record_name_at(r, i);
	return true;
}

const struct record_archive *record_slot(const struct record *r, struct str name)
{
	for (unsigned i = 0; i < r->n_archives; i++)
		if (!r->archives[i].erased && str_eq(r->archives[i].name, name))
			return &r->archives[i];
	return NULL;
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
static bool read_body(const char *p, struct record_form form, struct record *r)
{
	const char *at = p + slot_at(form.version, r->n_archives);

	for (unsigned i = 0; i < r->n_archives; i++) {
		struct record_archive *a = &r->archives[i];
		const char *slot = p + slot_at(form.version, i);
		a->name.p = at;
		at += a->name.n;
		if (!a->erased && (!name_is_new(r, i) ||
			get32(slot + RS_NAME_CRC) != crc32c(form.salt, a->name.p, a->name.n)))
			return false;
	}
	r->bytes.p = at;
	return r->replaced || record_all_erased(r) ||
		get32(p + RH_BYTES_CRC) == crc32c(form.salt, r->bytes.p, r->bytes.n);
}

enum record_answer record_read(struct str file, uint64_t place, struct record_form form,
	struct record *out, const char **why)
{
	enum record_answer answer = record_peek(file, place, form, out, why);

	if (answer != RECORD_WHOLE)
		return answer;
	*why = "it is cut off";
	if (out->length > file.n)
		return RECORD_BAD;
	*why = "its bytes have a bad checksum";
	return read_body(file.p, form, out) ? RECORD_WHOLE : RECORD_BAD;
}

void segment_scan_init(struct segment_scan *s, const struct segment_head *head, struct str file,
	size_t at)
{
	*s = (struct segment_scan){ .head = head, .file = file, .at = at };
}

enum record_answer segment_scan_next(struct segment_scan *s, struct record *out)
{
	enum record_answer answer = record_read(str_skip(s->file, s->at), s->head->base + s->at,
		s->head->form, out, &s->why);

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
	for (size_t at = s->at + RECORD_ALIGN; at + RECORD_HEAD_MIN <= s->file.n;
		at += RECORD_ALIGN) {
		uint64_t place = s->head->base + at;
		if (get64(s->file.p + at + RH_PLACE) != place)
			continue;
		if (record_peek(str_skip(s->file, at), place, s->head->form, &r, &why) ==
			RECORD_WHOLE && r.group > bad)
			return false;
	}
	return true;
}
