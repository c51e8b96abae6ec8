#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void equality_and_order(void **state)
{
	static const struct {
		struct str a, b;
		int cmp;
	} cases[] = {
		{ STR_INIT(""), STR_INIT(""), 0 },
		{ { NULL, 0 }, STR_INIT(""), 0 },
		{ STR_INIT("a"), STR_INIT("a"), 0 },
		{ STR_INIT("a"), STR_INIT("b"), -1 },
		{ STR_INIT("a"), STR_INIT("aa"), -1 },
		{ STR_INIT("a"), STR_INIT("A"), 1 },
		{ STR_INIT("a\0b"), STR_INIT("a\0c"), -1 },
		{ STR_INIT("\x7f"), STR_INIT("\x80"), -1 },
		{ { NULL, 0 }, STR_INIT("a"), -1 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str a = cases[i].a, b = cases[i].b;
		int cmp = str_cmp(a, b), back = str_cmp(b, a);
		assert_int_equal((cmp > 0) - (cmp < 0), cases[i].cmp);
		assert_int_equal((back > 0) - (back < 0), -cases[i].cmp);
		assert_int_equal(str_eq(a, b), cases[i].cmp == 0);
	}
}

static void equality_without_case_is_of_ascii(void **state)
{
	assert_true(str_eq_nocase(STR("Example.COM"), STR("eXAMPLE.com")));
	assert_true(str_eq_nocase(STR_NULL, STR("")));
	assert_false(str_eq_nocase(STR("a"), STR("ab")));
	assert_false(str_eq_nocase(STR("@"), STR("`")));
	assert_false(str_eq_nocase(STR("["), STR("{")));
	assert_false(str_eq_nocase(STR("\xc3\x84"), STR("\xc3\xa4")));
}

static void slices_of_slices(void **state)
{
	struct str s = STR("stanza");

	assert_true(str_starts(s, STR("")));
	assert_true(str_starts(s, STR_NULL));
	assert_true(str_starts(s, STR("stan")));
	assert_true(str_starts(s, s));
	assert_false(str_starts(s, STR("stanzas")));
	assert_false(str_starts(s, STR("tan")));
	assert_int_equal(str_find(s, 's'), 0);
	assert_int_equal(str_find(s, 'a'), 2);
	assert_int_equal(str_find(s, 'x'), -1);
	assert_int_equal(str_find(STR_NULL, 'x'), -1);
	assert_int_equal(str_find(STR("a\0b"), '\0'), 1);
	assert_true(str_eq(str_skip(s, 4), STR("za")));
	assert_true(str_eq(str_skip(s, 6), STR("")));
	assert_true(str_eq(str_skip(s, 7), STR("")));
	assert_null(str_skip(STR_NULL, 1).p);
	assert_true(str_eq(str_head(s, 4), STR("stan")));
	assert_true(str_eq(str_head(s, 0), STR("")));
	assert_true(str_eq(str_head(s, 7), s));
	assert_true(str_eq(str_c("ab"), STR("ab")));
	assert_null(str_c(NULL).p);
}

static void trimming_takes_the_white_space_of_xml(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" }, { " ", "" }, { " \t\r\n", "" }, { "a", "a" }, { " a ", "a" },
		{ "\ta b\n", "a b" }, { "\va", "\va" }, { "a\xc2\xa0", "a\xc2\xa0" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_true(str_eq(str_trim(str_c(cases[i].in)), str_c(cases[i].out)));
	assert_int_equal(str_trim(STR_NULL).n, 0);
}

static void strings_are_put_behind_each_other(void **state)
{
	char room[5] = "....", *at = room;
	struct str a = str_put(&at, STR("ab")), b = str_put(&at, STR("")), c = str_put(&at, STR("c"));

	assert_true(str_eq(a, STR("ab")) && a.p == room);
	assert_true(b.n == 0 && b.p);
	assert_true(str_eq(c, STR("c")) && c.p == room + 2);
	assert_null(str_put(&at, STR_NULL).p);
	assert_string_equal(room, "abc.");
}

static void whole_numbers_are_read(void **state)
{
	static const struct {
		const char *in;
		uint64_t max;
		bool ok;
		uint64_t out;
	} cases[] = {
		{ "0", UINT64_MAX, true, 0 },
		{ "007", 7, true, 7 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, false, 0 },
		{ "99999999999999999999", UINT64_MAX, false, 0 },
		{ "100000000000000000000", UINT64_MAX, false, 0 },
		{ "255", 255, true, 255 },
		{ "256", 255, false, 0 },
		{ "", 9, false, 0 },
		{ " 1", 9, false, 0 },
		{ "1 ", 9, false, 0 },
		{ "+1", 9, false, 0 },
		{ "-1", 9, false, 0 },
		{ "0x1", 9, false, 0 },
		{ "1a", 9, false, 0 },
		{ "\xd9\xa1", 9, false, 0 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t v = 42;
		if (str_to_u64(str_c(cases[i].in), cases[i].max, &v) != cases[i].ok)
			fail_msg("\"%s\"", cases[i].in);
		assert_true(v == (cases[i].ok ? cases[i].out : 42));
	}
}

static void numbers_with_a_sign_are_read(void **state)
{
	static const struct {
		const char *in;
		int64_t min, max;
		bool ok;
		int64_t out;
	} cases[] = {
		{ "0", -1, 1, true, 0 },
		{ "-0", -1, 1, true, 0 },
		{ "+1", -1, 1, true, 1 },
		{ "-128", -128, 127, true, -128 },
		{ "-129", -128, 127, false, 0 },
		{ "128", -128, 127, false, 0 },
		{ "9223372036854775807", INT64_MIN, INT64_MAX, true, INT64_MAX },
		{ "9223372036854775808", INT64_MIN, INT64_MAX, false, 0 },
		{ "-9223372036854775808", INT64_MIN, INT64_MAX, true, INT64_MIN },
		{ "-9223372036854775809", INT64_MIN, INT64_MAX, false, 0 },
		{ "-9223372036854775808", INT64_MIN + 1, INT64_MAX, false, 0 },
		{ "", -1, 1, false, 0 },
		{ "-", -1, 1, false, 0 },
		{ "--1", -1, 1, false, 0 },
		{ "+-1", -1, 1, false, 0 },
		{ "- 1", -1, 1, false, 0 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t v = 42;
		if (str_to_i64(str_c(cases[i].in), cases[i].min, cases[i].max, &v) != cases[i].ok)
			fail_msg("\"%s\"", cases[i].in);
		assert_true(v == (cases[i].ok ? cases[i].out : 42));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equality_and_order),
		cmocka_unit_test(equality_without_case_is_of_ascii),
		cmocka_unit_test(slices_of_slices),
		cmocka_unit_test(trimming_takes_the_white_space_of_xml),
		cmocka_unit_test(strings_are_put_behind_each_other),
		cmocka_unit_test(whole_numbers_are_read),
		cmocka_unit_test(numbers_with_a_sign_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
