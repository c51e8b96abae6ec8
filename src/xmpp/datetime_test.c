#include "xmpp/datetime.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DAY_US 86400000000u

/* XEP-0082 section 3.2 */
static void what_is_a_datetime(void **state)
{
	static const struct {
		const char *in;
		uint64_t us;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01T00:00:01Z", 1000000 },
		{ "1970-01-02T00:00:00Z", DAY_US },
		{ "1970-01-01T00:00:00.1Z", 100000 },
		{ "1970-01-01T00:00:00.000001Z", 1 },
		{ "1970-01-01T00:00:00.0000019Z", 1 },
		{ "1970-01-01T00:00:00.12345678901234567890123Z", 123456 },
		{ "2026-11-23T10:11:12.345Z", 1795428672345000 },
		{ "2026-11-23T10:11:12Z", 1795428672000000 },
		{ "2026-11-23T12:11:12+02:00", 1795428672000000 },
		{ "2026-11-22T20:11:12-14:00", 1795428672000000 },
		{ "2026-11-23T10:11:12+00:00", 1795428672000000 },
		{ "2026-11-23T10:11:12-00:00", 1795428672000000 },
		{ "2026-11-23T15:56:12+05:45", 1795428672000000 },
		{ "2000-02-29T23:59:59Z", 951868799000000 },
		{ "2024-02-29T00:00:00Z", 1709164800000000 },
		{ "9999-12-31T23:59:59.999999Z", 253402300799999999 },
		/* the examples, which are before 1970 */
		{ "1969-07-21T02:56:15Z", 0 },
		{ "1969-07-20T21:56:15-05:00", 0 },
		{ "0001-01-01T00:00:00Z", 0 },
		{ "1970-01-01T00:30:00+01:00", 0 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t us = 1;
		if (!datetime_parse(str_c(cases[i].in), &us) || us != cases[i].us)
			fail_msg("%s: %llu", cases[i].in, (unsigned long long)us);
	}
}

static void what_is_none(void **state)
{
	static const char *const cases[] = {
		"", "Z", "2026-11-23", "10:11:12Z", "2026-11-23T10:11:12", "2026-11-23T10:11Z",
		"20261123T10:11:12Z", "20261123T10:11:12", "2026-11-23 10:11:12Z",
		"2026-11-23t10:11:12Z", "2026-11-23T10:11:12z", "26-11-23T10:11:12Z",
		"12026-11-23T10:11:12Z", "-2026-11-23T10:11:12Z", "2026-00-23T10:11:12Z",
		"2026-13-23T10:11:12Z", "2026-11-00T10:11:12Z", "2026-11-31T10:11:12Z",
		"2026-02-29T10:11:12Z", "2100-02-29T10:11:12Z", "2026-11-23T24:00:00Z",
		"2026-11-23T10:60:12Z", "2026-11-23T10:11:60Z", "2026-11-23T10:11:12.Z",
		"2026-11-23T10:11:12,5Z", "2026-11-23T10:11:12.5", "2026-11-23T10:11:12+0200",
		"2026-11-23T10:11:12+02", "2026-11-23T10:11:12+02:60", "2026-11-23T10:11:12+14:01",
		"2026-11-23T10:11:12+15:00", "2026-11-23T10:11:12ZZ", "2026-11-23T10:11:12Z ",
		" 2026-11-23T10:11:12Z", "2026-11-23T+1:11:12Z", "2026-11-23T10:11:1\xc2\xb2Z",
	};
	uint64_t us;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (datetime_parse(str_c(cases[i]), &us))
			fail_msg("taken: %s", cases[i]);
	assert_false(datetime_parse(str_from("2026-11-23T10:11:12Z\0", 21), &us));
}

static void every_cut_of_a_datetime_is_none(void **state)
{
	struct str whole = STR("2026-11-23T10:11:12.345+01:00");
	uint64_t us;

	assert_true(datetime_parse(whole, &us));
	for (size_t n = 0; n < whole.n; n++)
		assert_false(datetime_parse(str_head(whole, n), &us));
}

static void written_is_read_again(void **state)
{
	static const struct {
		uint64_t us;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 999, "1970-01-01T00:00:00.000Z" },
		{ 1795428672345678, "2026-11-23T10:11:12.345Z" },
		{ 253402300799999999, "9999-12-31T23:59:59.999Z" },
	};
	struct arena a;
	uint64_t us;

	arena_init(&a, 256);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str got = datetime_format(&a, cases[i].us);
		assert_true(str_eq(got, str_c(cases[i].text)));
		assert_true(datetime_parse(got, &us));
		assert_int_equal(us, cases[i].us / 1000 * 1000);
	}
	for (uint64_t day = 0; day < 50000; day++) {
		assert_true(datetime_parse(datetime_format(&a, day * DAY_US), &us));
		assert_int_equal(us, day * DAY_US);
		arena_reset(&a);
	}
	arena_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_a_datetime),
		cmocka_unit_test(what_is_none),
		cmocka_unit_test(every_cut_of_a_datetime_is_none),
		cmocka_unit_test(written_is_read_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
