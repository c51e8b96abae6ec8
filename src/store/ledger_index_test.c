/* The index file: what goes in comes out, and what is broken or senseless is refused. */
#include "store/ledger_index.h"

#include "base/bug.h"
#include "store/ledger_bytes.h"
#include "store/ledger_crc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define SIZE SEGMENT_MIN

/* A state with segments of which some are gone, as far as `n` of 0..9. */
static void state_init(struct ledger_state *s, const unsigned *bases, size_t n)
{
	ledger_state_init(s);
	for (size_t i = 0; i < n; i++)
		ledger_state_add_segment(s, &(struct segment_head){ .base = bases[i] * SIZE,
			.size = SIZE, .after = bases[i] * SIZE })->end = SIZE;
}

static const unsigned all[] = { 0, 1, 2, 3 };
static const struct index_reach reach = { 3 * SIZE + 64, 0, { LEDGER_VERSION, 7 } };

/* A message in the history of an archive, that waits as well. */
static void store(struct ledger_state *s, struct str name, uint64_t place)
{
	struct record_archive slot = { .name = name, .partner = 77, .archived = true,
		.waits = true };
	struct archive *a = ledger_state_find(s, name);

	archive_link(a, &slot);
	ledger_state_store(s, a, &slot, place, ledger_id(place, 0));
}

static void make(struct ledger_state *s, struct buf *out)
{
	state_init(s, all, 4);
	for (unsigned i = 0; i < 100; i++) /* enough for marks */
		store(s, STR("many"), 1000 + 8 * i);
	store(s, STR("a"), 64);
	store(s, STR("bb"), 200);
	store(s, STR("a"), SIZE + 64);
	store(s, STR("a"), 2 * SIZE + 64);
	store(s, STR("c"), 2 * SIZE + 200);
	ledger_state_drop(s, STR("a"), 64, 2 * SIZE + 300);
	ledger_state_drop(s, STR("c"), 2 * SIZE + 200, 2 * SIZE + 400);
	store(s, STR("d"), 2 * SIZE + 500);
	ledger_state_erase(s, STR("d"));
	ledger_state_publish(s);
	buf_init(out, SIZE_MAX / 2);
	index_write(s, reach, out);
}

static void test_round_trip(void **state)
{
	struct ledger_state s, t;
	struct index_reach got;
	struct buf image, again;

	make(&s, &image);
	state_init(&t, all, 4);
	assert_null(index_read(buf_str(&image), &t, &got));
	assert_true(got.covers == reach.covers && got.last == 0 && got.form.salt == 7);
	ledger_state_publish(&t);
	assert_int_equal(t.archives.n, 4);
	assert_int_equal(t.waiting, 103);
	assert_int_equal(ledger_state_count(&t, STR("a")), 2);
	assert_int_equal(ledger_state_count(&t, STR("bb")), 1);
	assert_int_equal(ledger_state_count(&t, STR("c")), 0);
	assert_int_equal(t.segments[0].waiting, 101);
	const struct archive *a = ledger_state_find(&t, STR("a"));
	assert_true(a->newest == 2 * SIZE + 64 && a->n == 3 && a->first == 64 &&
		a->last == 2 * SIZE + 300 && a->change_first == 2 * SIZE + 300 &&
		a->change_last == 2 * SIZE + 300);
	assert_true(a->waiting[0] == SIZE + 64 && a->waiting[1] == 2 * SIZE + 64);
	const struct archive *many = ledger_state_find(&t, STR("many"));
	const struct archive *was = ledger_state_find(&s, STR("many"));
	assert_int_equal(many->marks.n, 100 / MARK_EVERY);
	assert_memory_equal(many->marks.v, was->marks.v, many->marks.n * sizeof(struct mark));
	const struct talk *k = talks_find(&many->talks, 77);
	assert_true(k && k->n == 100 && k->newest == many->newest);
	assert_int_equal(talks_marks(&many->talks, k)->n, 100 / TALK_MARK_EVERY);
	assert_true(t.segments[0].lives == 1000 && t.segments[0].newest_us == 1792);
	buf_init(&again, SIZE_MAX / 2);
	index_write(&t, reach, &again);
	assert_int_equal(again.n, image.n);
	buf_clear(&again);
	buf_clear(&image);
	ledger_state_clear(&s);
	ledger_state_clear(&t);
}

/* Segments that have been deleted since: nothing waits there. */
static void test_gone_segments(void **state)
{
	static const unsigned some[] = { 1, 3 };
	struct ledger_state s, t;
	struct index_reach got;
	struct buf image;

	make(&s, &image);
	state_init(&t, some, 2);
	assert_null(index_read(buf_str(&image), &t, &got));
	ledger_state_publish(&t);
	assert_int_equal(t.waiting, 1);
	assert_int_equal(ledger_state_count(&t, STR("a")), 1);
	ledger_state_trim(&t); /* c had nothing but in the third, and many in the first */
	assert_null(ledger_state_find(&t, STR("many")));
	assert_null(ledger_state_find(&t, STR("c")));
	assert_non_null(ledger_state_find(&t, STR("a")));
	buf_clear(&image);
	ledger_state_clear(&s);
	ledger_state_clear(&t);
}

static const char *try(struct str file)
{
	struct ledger_state t;
	struct index_reach got;

	state_init(&t, all, 4);
	const char *why = index_read(file, &t, &got);
	ledger_state_publish(&t);
	ledger_state_trim(&t);
	ledger_state_clear(&t);
	return why;
}

static void test_every_cut_and_bit(void **state)
{
	struct ledger_state s;
	struct buf image;

	make(&s, &image);
	for (size_t cut = 0; cut < image.n; cut++)
		assert_non_null(try(str_from(image.p, cut)));
	for (size_t bit = 0; bit < 8 * image.n; bit++) {
		image.p[bit / 8] ^= (char)(1 << bit % 8);
		assert_non_null(try(buf_str(&image)));
		image.p[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_null(try(buf_str(&image)));
	buf_clear(&image);
	ledger_state_clear(&s);
}

/* With a good checksum, but by another hand: each number of the file replaced. */
static void test_senseless(void **state)
{
	static const uint64_t numbers[] = { 0, 1, 63, 64, 5000, UINT32_MAX, UINT64_MAX / 8,
		UINT64_MAX };
	struct ledger_state s;
	struct buf image;
	unsigned refused = 0;

	make(&s, &image);
	char *copy = xmalloc(image.n);
	for (size_t at = 24; at + 8 <= image.n; at += 4)
		for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
			memcpy(copy, image.p, image.n);
			put64(copy + at, numbers[k]);
			put32(copy + 12, crc32c(0, copy + 16, image.n - 16));
			refused += try(str_from(copy, image.n)) != NULL;
		}
	assert_true(refused > 100);
	free(copy);
	buf_clear(&image);
	ledger_state_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_gone_segments),
		cmocka_unit_test(test_every_cut_and_bit),
		cmocka_unit_test(test_senseless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
