/* Records and heads in memory: round trips, every cut, every flipped bit, and what tells a
 * torn tail from bytes that changed later (docs/ledger.md, Recovery). */
#include "store/ledger_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define SALT 0x5a17
#define FORM ((struct record_form){ LEDGER_VERSION, SALT })

/* A segment that is put together in memory. */
struct image {
	struct segment_head head;
	size_t at, group;
	char bytes[SEGMENT_MIN];
};

static void image_init(struct image *m)
{
	*m = (struct image){ .head = { .base = 8192, .size = SEGMENT_MIN, .after = 4096,
		.created_us = 5, .form = FORM, .key = 9 },
		.at = SEGMENT_HEAD, .group = SEGMENT_HEAD };
	segment_head_write(&m->head, m->bytes);
}

/* Adds a record; a new commit begins with it unless it joins. Returns its offset. */
static size_t image_add(struct image *m, enum record_type type, const char *name,
	const char *bytes, bool join)
{
	struct record r = { .type = type, .place = m->head.base + m->at, .id = 77,
		.n_archives = name ? 1 : 0, .archives = { { .prev = 8, .number = 1,
			.name = str_c(name), .archived = true } },
		.bytes = str_c(bytes) };
	size_t at = m->at;

	if (!join)
		m->group = at;
	r.group = m->head.base + m->group;
	record_write(&r, SALT, m->bytes + at);
	m->at += record_length(r.n_archives, r.archives[0].name.n, r.bytes.n);
	return at;
}

static enum record_answer image_read(const struct image *m, size_t at, struct record *out)
{
	const char *why;

	return record_read(str_from(m->bytes + at, sizeof m->bytes - at), m->head.base + at, FORM,
		out, &why);
}

static void test_head(void **state)
{
	struct image m;
	struct segment_head h;

	image_init(&m);
	assert_null(segment_head_read(m.bytes, &h));
	assert_true(h.base == 8192 && h.size == SEGMENT_MIN && h.after == 4096 &&
		h.created_us == 5 && h.form.salt == SALT &&
		h.form.version == LEDGER_VERSION && h.key == 9);
	for (unsigned bit = 0; bit < 8 * SEGMENT_HEAD; bit++) {
		m.bytes[bit / 8] ^= (char)(1 << bit % 8);
		assert_non_null(segment_head_read(m.bytes, &h));
		m.bytes[bit / 8] ^= (char)(1 << bit % 8);
	}
	static const struct segment_head senseless[] = {
		{ .base = 4, .size = 4096 },                        /* not aligned */
		{ .base = 0, .size = 4092 },                        /* too small */
		{ .base = 0, .size = SEGMENT_MAX + 8 },             /* too large */
		{ .base = 0, .size = 4104 },                        /* no whole pages */
		{ .base = 0, .size = 4096, .after = 8 },            /* begins behind itself */
		{ .base = UINT64_MAX / 2 + 1, .size = 4096 },       /* ends past all numbers */
	};
	for (size_t i = 0; i < sizeof senseless / sizeof *senseless; i++) {
		struct segment_head bad = senseless[i];
		bad.form = FORM;
		segment_head_write(&bad, m.bytes);
		assert_string_equal(segment_head_read(m.bytes, &h),
			"the head of the segment makes no sense");
	}
}

static void test_round_trip(void **state)
{
	char out[512];
	struct record got, r = { .type = RECORD_STORE, .place = 4096, .group = 4000,
		.id = UINT64_C(1) << 60, .n_archives = 2,
		.archives = { { .prev = 64, .talk_prev = 72, .partner = UINT64_MAX, .number = 5,
			.talk_number = 6, .name = STR("romeo@example.org"), .archived = true },
			{ .name = STR("juliet@example.net"), .waits = true } },
		.bytes = STR("<message/>") };
	const char *why;

	record_write(&r, SALT, out);
	assert_int_equal(record_read(str_from(out, sizeof out), 4096, FORM, &got, &why),
		RECORD_WHOLE);
	assert_int_equal(got.length, record_length(2, 35, 10));
	assert_true(got.type == r.type && got.place == r.place && got.group == r.group &&
		got.id == r.id && !got.replaced && got.n_archives == 2 && str_eq(got.bytes, r.bytes));
	for (int i = 0; i < 2; i++)
		assert_true(str_eq(got.archives[i].name, r.archives[i].name) &&
			got.archives[i].prev == r.archives[i].prev &&
			got.archives[i].talk_prev == r.archives[i].talk_prev &&
			got.archives[i].partner == r.archives[i].partner &&
			got.archives[i].number == r.archives[i].number &&
			got.archives[i].talk_number == r.archives[i].talk_number &&
			got.archives[i].archived == r.archives[i].archived &&
			got.archives[i].waits == r.archives[i].waits && !got.archives[i].erased);
	/* In another place, or with another salt, it is none. */
	const struct record_form other = { LEDGER_VERSION, 0 };
	assert_int_equal(record_read(str_from(out, sizeof out), 4104, FORM, &got, &why), RECORD_BAD);
	assert_int_equal(record_read(str_from(out, sizeof out), 4096, other, &got, &why), RECORD_BAD);
	/* Nor where both archives are one. */
	r.archives[1].name = r.archives[0].name;
	record_write(&r, SALT, out);
	assert_int_equal(record_read(str_from(out, sizeof out), 4096, FORM, &got, &why), RECORD_BAD);
}

static void test_every_cut_and_bit(void **state)
{
	struct image m;
	struct record r;
	const char *why;

	image_init(&m);
	size_t at = image_add(&m, RECORD_STORE, "romeo@example.org", "twelve bytes", false);
	size_t n = m.at - at, used = n - (8 - (RECORD_HEAD + RECORD_SLOT + 17 + 12) % 8) % 8;
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(record_read(str_from(m.bytes + at, cut), m.head.base + at, FORM, &r,
			&why), cut == 0 ? RECORD_BLANK : RECORD_BAD);
	for (size_t bit = 0; bit < 8 * used; bit++) {
		m.bytes[at + bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(image_read(&m, at, &r), RECORD_BAD);
		m.bytes[at + bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_int_equal(image_read(&m, at, &r), RECORD_WHOLE);
	assert_int_equal(image_read(&m, m.at, &r), RECORD_BLANK);
}

static void test_shapes(void **state)
{
	const struct {
		const char *name;
		struct record r;
		enum record_answer answer;
	} cases[] = {
		{ "seal", { .type = RECORD_SEAL }, RECORD_WHOLE },
		{ "seal of an archive", { .type = RECORD_SEAL, .n_archives = 1,
			.archives = { { .name = STR("a"), .waits = true } } }, RECORD_BAD },
		{ "message of nobody", { .type = RECORD_STORE, .bytes = STR("x") }, RECORD_BAD },
		{ "drop", { .type = RECORD_DROP, .n_archives = 1,
			.archives = { { .name = STR("a"), .waits = true } },
			.bytes = STR("12345678") },
			RECORD_WHOLE },
		{ "drop with half a place", { .type = RECORD_DROP, .n_archives = 1,
			.archives = { { .name = STR("a"), .waits = true } },
			.bytes = STR("1234") }, RECORD_BAD },
		{ "erase with bytes", { .type = RECORD_ERASE, .n_archives = 1,
			.archives = { { .name = STR("a"), .waits = true } },
			.bytes = STR("1") }, RECORD_BAD },
		{ "unknown type", { .type = (enum record_type)9, .bytes = STR("x") }, RECORD_BAD },
		{ "message before itself", { .type = RECORD_STORE, .n_archives = 1,
			.archives = { { .prev = 8192 + SEGMENT_HEAD, .name = STR("a"),
				.waits = true } } }, RECORD_BAD },
		{ "message that is nothing to its archive", { .type = RECORD_STORE,
			.n_archives = 1, .archives = { { .name = STR("a") } } }, RECORD_BAD },
		{ "message of a history without a number", { .type = RECORD_STORE,
			.n_archives = 1, .archives = { { .name = STR("a"), .archived = true } } },
			RECORD_BAD },
		{ "message of a partner without a number", { .type = RECORD_STORE,
			.n_archives = 1, .archives = { { .name = STR("a"), .archived = true,
				.number = 1, .partner = 5 } } }, RECORD_BAD },
		{ "conversation before itself", { .type = RECORD_STORE, .n_archives = 1,
			.archives = { { .name = STR("a"), .archived = true, .number = 1,
				.partner = 5, .talk_number = 1,
				.talk_prev = 8192 + SEGMENT_HEAD } } }, RECORD_BAD },
		{ "drop of no places", { .type = RECORD_DROP_SOME, .n_archives = 1,
			.archives = { { .name = STR("a") } } }, RECORD_BAD },
		{ "wait", { .type = RECORD_WAIT, .n_archives = 1,
			.archives = { { .name = STR("a") } }, .bytes = STR("1234567812345678") },
			RECORD_WHOLE },
		{ "what waits, without places", { .type = RECORD_WAITING, .n_archives = 1,
			.archives = { { .name = STR("a") } }, .bytes = STR("12345678") },
			RECORD_BAD },
		{ "replacement", { .type = RECORD_REPLACE, .n_archives = 1,
			.archives = { { .name = STR("a"), .prev = 8192 } }, .bytes = STR("x") },
			RECORD_WHOLE },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct image m;
		struct record r = cases[i].r, got;
		image_init(&m);
		r.place = r.group = m.head.base + m.at;
		record_write(&r, SALT, m.bytes + m.at);
		print_message("%s\n", cases[i].name);
		assert_int_equal(image_read(&m, m.at, &got), cases[i].answer);
	}
}

/* A record stays readable through both steps of erasing, and says how far it is. */
static void test_erasing(void **state)
{
	struct image m;
	struct record r;

	image_init(&m);
	size_t at = image_add(&m, RECORD_STORE, "romeo@example.org", "secret", false);
	assert_int_equal(image_read(&m, at, &r), RECORD_WHOLE);
	assert_false(record_all_erased(&r) || record_erase_unfinished(&r));
	record_erased_word(m.bytes + at + record_erased_at(&r, 0));
	assert_int_equal(image_read(&m, at, &r), RECORD_WHOLE);
	assert_true(record_all_erased(&r) && record_erase_unfinished(&r));
	memset(m.bytes + at + record_name_at(&r, 0), 0, r.archives[0].name.n);
	assert_int_equal(image_read(&m, at, &r), RECORD_WHOLE);
	assert_true(record_all_erased(&r) && record_erase_unfinished(&r));
	memset(m.bytes + at + record_bytes_at(&r), 0, r.bytes.n);
	assert_int_equal(image_read(&m, at, &r), RECORD_WHOLE);
	assert_true(record_all_erased(&r) && !record_erase_unfinished(&r));
	assert_null(memmem(m.bytes, sizeof m.bytes, "romeo", 5));
	assert_null(memmem(m.bytes, sizeof m.bytes, "secret", 6));
}

/* With two archives, the bytes belong to the other one as long as it is there. */
static void test_erasing_one_of_two(void **state)
{
	char out[512];
	struct record got, r = { .type = RECORD_STORE, .place = 4096, .group = 4096,
		.n_archives = 2, .archives = { { .name = STR("romeo"), .waits = true },
			{ .name = STR("juliet"), .waits = true } }, .bytes = STR("text") };
	const char *why;

	record_write(&r, SALT, out);
	record_erased_word(out + record_erased_at(&got, 0));
	assert_int_equal(record_read(str_from(out, sizeof out), 4096, FORM, &got, &why),
		RECORD_WHOLE);
	assert_true(record_erase_unfinished(&got) && !record_all_erased(&got));
	memset(out + record_name_at(&got, 0), 0, 5);
	assert_int_equal(record_read(str_from(out, sizeof out), 4096, FORM, &got, &why),
		RECORD_WHOLE);
	assert_false(record_erase_unfinished(&got) || record_all_erased(&got));
	assert_true(str_eq(got.archives[1].name, STR("juliet")) && str_eq(got.bytes, STR("text")));
	/* Its bytes are still checked, */
	out[record_bytes_at(&got)] ^= 1;
	assert_int_equal(record_read(str_from(out, sizeof out), 4096, FORM, &got, &why), RECORD_BAD);
	/* but not when the other one is erased as well. */
	record_erased_word(out + record_erased_at(&got, 1));
	assert_int_equal(record_read(str_from(out, sizeof out), 4096, FORM, &got, &why),
		RECORD_WHOLE);
	assert_true(record_all_erased(&got) && record_erase_unfinished(&got));
}

/* What replaces a message is told by 8 bytes that have a check of their own; the message's bytes
 * are not looked at any more. */
static void test_replaced(void **state)
{
	struct image m;
	struct record r;

	image_init(&m);
	size_t at = image_add(&m, RECORD_STORE, "romeo@example.org", "secret", false);
	assert_int_equal(image_read(&m, at, &r), RECORD_WHOLE);
	char *word = m.bytes + at + record_replaced_at();
	record_replaced_bytes(&r, r.place + 80, SALT, word);
	memset(m.bytes + at + record_bytes_at(&r), 0, 3);
	assert_int_equal(image_read(&m, at, &r), RECORD_WHOLE);
	assert_true(r.replaced == r.place + 80 && !record_all_erased(&r));
	for (unsigned bit = 0; bit < 64; bit++) {
		word[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(image_read(&m, at, &r), RECORD_BAD);
		word[bit / 8] ^= (char)(1 << bit % 8);
	}
	record_replaced_bytes(&r, r.place + (UINT64_C(8) << 47), SALT, word);
	assert_int_equal(image_read(&m, at, &r), RECORD_WHOLE);
	memset(word, 0, 8); /* then they count again */
	assert_int_equal(image_read(&m, at, &r), RECORD_BAD);
}

/* Three commits, with these numbers of records. The record at `broken` is overwritten: is it a
 * torn tail? */
static const struct {
	const char *name;
	unsigned broken; /* counted from 0; commits are {0} {1, 2, 3} {4, 5} */
	unsigned end;    /* records that were written at all */
	bool tail;
} tails[] = {
	{ "the last of the last commit", 5, 6, true },
	{ "the first of the last commit, which left another", 4, 6, true },
	{ "the last of a commit that another follows", 3, 6, false },
	{ "the first of a commit that another follows", 1, 6, false },
	{ "in the only commit but one", 0, 4, false },
	{ "the first of the last commit, two are left", 1, 4, true },
	{ "the middle of the last commit", 2, 4, true },
	{ "the only record", 0, 1, true },
	{ "before one that is torn as well", 3, 5, false },
};

static void test_tail(void **state)
{
	for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
		for (int how = 0; how < 3; how++) {
			struct image m;
			struct segment_scan scan;
			struct record r;
			size_t at[7];
			image_init(&m);
			for (unsigned k = 0; k < tails[i].end; k++)
				at[k] = image_add(&m, RECORD_STORE, "a", "message", k == 2 || k == 3 ||
					k == 5);
			at[tails[i].end] = m.at;
			unsigned b = tails[i].broken;
			if (how == 0)
				memset(m.bytes + at[b], 0, at[b + 1] - at[b]);
			else
				m.bytes[how == 1 ? at[b] : at[b + 1] - 8] ^= 1;
			segment_scan_init(&scan, &m.head, str_from(m.bytes, sizeof m.bytes),
				SEGMENT_HEAD);
			while (segment_scan_next(&scan, &r) == RECORD_WHOLE)
				;
			print_message("%s\n", tails[i].name);
			assert_int_equal(scan.at, at[b]);
			assert_int_equal(segment_scan_is_tail(&scan), tails[i].tail);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_cut_and_bit),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_erasing),
		cmocka_unit_test(test_erasing_one_of_two),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_tail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
