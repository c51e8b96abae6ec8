/* Marks: whatever the order of ids, the marks say truly between which of them a message is. */
#include "store/ledger_marks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define N     1000
#define EVERY 32

static uint64_t place_of(unsigned i)
{
	return 64 + 800 * (uint64_t)i;
}

static uint64_t tick_at(unsigned i, unsigned shuffle)
{
	static uint32_t x = 1;

	x = x * 1664525 + 1013904223;
	return 1000 + 2 * (uint64_t)i - (shuffle ? (x >> 8) % shuffle : 0);
}

/* Ticks in order; a few late ones; much disorder; all the same. */
static const struct {
	const char *name;
	unsigned shuffle;
	bool same;
} cases[] = {
	{ "sorted", 0, false },
	{ "nearly sorted", 7, false },
	{ "late by more than a mark", 200, false },
	{ "no order at all", 1000, false },
	{ "one stamp", 0, true },
};

static void fill(struct marks *m, uint64_t ticks[N], unsigned shuffle, bool same)
{
	uint64_t high = 0;

	for (unsigned i = 0; i < N; i++) {
		ticks[i] = same ? 5 : tick_at(i, shuffle);
		high = ticks[i] > high ? ticks[i] : high;
		marks_add(m, EVERY, i + 1, place_of(i), ticks[i], high);
	}
}

static void test_bounds_hold(void **state)
{
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
		struct marks m = { 0 };
		uint64_t ticks[N];
		print_message("%s\n", cases[k].name);
		fill(&m, ticks, cases[k].shuffle, cases[k].same);
		assert_int_equal(m.n, N / EVERY);
		for (unsigned i = 0; i < N; i++) {
			uint32_t from = marks_higher_before(&m, ticks[i]);
			uint32_t to = marks_low_upto(&m, ticks[i]);
			assert_true(from == 0 || mark_place(&m.v[from - 1]) < place_of(i));
			assert_true(to == m.n || mark_place(&m.v[to]) >= place_of(i));
			if (cases[k].shuffle < 8 && !cases[k].same)
				assert_true(to - from <= 1);
			uint32_t at = marks_before_place(&m, place_of(i));
			assert_int_equal(at, i / EVERY);
		}
		marks_clear(&m);
	}
}

static void test_drop(void **state)
{
	struct marks m = { 0 };
	uint64_t ticks[N];

	fill(&m, ticks, 0, false);
	marks_drop(&m, 0);
	marks_drop(&m, 20);
	assert_true(m.first == 21 && m.n == N / EVERY - 20);
	assert_true(mark_place(&m.v[0]) == place_of(21 * EVERY - 1));
	marks_drop(&m, m.n);
	marks_add(&m, EVERY, 5 * EVERY, place_of(5 * EVERY - 1), 7, 7);
	assert_true(m.first == 5 && m.n == 1);
	marks_clear(&m);
}

static void test_bytes(void **state)
{
	struct marks m = { 0 }, got = { 0 };
	uint64_t ticks[N];
	char bytes[N / EVERY * MARK_BYTES];

	fill(&m, ticks, 50, false);
	marks_write(&m, bytes);
	assert_true(marks_read(&got, m.first, m.n, bytes));
	assert_true(got.n == m.n && got.first == m.first &&
		memcmp(got.v, m.v, m.n * sizeof *m.v) == 0);
	marks_clear(&got);
	assert_false(marks_read(&got, UINT32_MAX, m.n, bytes));
	memcpy(bytes + MARK_BYTES, bytes, MARK_BYTES); /* the same place twice */
	assert_false(marks_read(&got, m.first, m.n, bytes));
	marks_clear(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds_hold),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
