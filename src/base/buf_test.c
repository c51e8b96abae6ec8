#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void writers_append(void **state)
{
	struct buf b;

	buf_init(&b, 1000);
	assert_null(b.p);
	buf_lit(&b, "a");
	buf_byte(&b, '\0');
	buf_add(&b, STR_NULL);
	buf_add(&b, STR("bc"));
	buf_u64(&b, 0);
	buf_byte(&b, ' ');
	buf_u64(&b, UINT64_MAX);
	buf_printf(&b, "%s%03d", "-", 7);
	buf_printf(&b, "%s", "");
	assert_true(buf_ok(&b));
	assert_true(str_eq(buf_str(&b), STR("a\0bc0 18446744073709551615-007")));
	buf_clear(&b);
	assert_null(b.p);
	assert_int_equal(b.max, 1000);
}

/* A write that passes the maximum writes nothing, and neither does any after it. */
static void the_maximum_is_kept(void **state)
{
	struct buf b;

	for (size_t max = 0; max < 300; max++) {
		buf_init(&b, max);
		for (size_t i = 0; i < max; i++)
			buf_byte(&b, 'x');
		assert_true(buf_ok(&b));
		assert_int_equal(b.n, max);
		assert_true(b.cap <= max);
		buf_byte(&b, 'y');
		assert_false(buf_ok(&b));
		assert_int_equal(b.n, max);
		buf_reset(&b);
		buf_lit(&b, "");
		assert_true(buf_ok(&b));
		buf_clear(&b);
	}
	buf_init(&b, 10);
	buf_lit(&b, "12345678");
	buf_lit(&b, "abc");
	assert_false(buf_ok(&b));
	buf_lit(&b, "d");
	assert_null(buf_reserve(&b, 1));
	buf_printf(&b, "e");
	buf_u64(&b, 1);
	assert_true(str_eq(buf_str(&b), STR("12345678")));
	buf_reset(&b);
	buf_lit(&b, "1234567890");
	assert_true(buf_ok(&b));
	buf_clear(&b);
}

static void reserved_room_is_the_callers_to_fill(void **state)
{
	struct buf b;

	buf_init(&b, 100000);
	buf_lit(&b, "ab");
	char *to = buf_reserve(&b, 70000);
	memset(to, 'c', 70000);
	assert_int_equal(b.n, 2);
	b.n += 70000;
	assert_int_equal(b.p[1], 'b');
	assert_int_equal(b.p[70001], 'c');
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_false(buf_ok(&b));
	buf_clear(&b);
}

static void the_front_is_dropped(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	buf_lit(&b, "abcdef");
	buf_drop(&b, 0);
	buf_drop(&b, 2);
	assert_true(str_eq(buf_str(&b), STR("cdef")));
	buf_lit(&b, "g");
	assert_true(str_eq(buf_str(&b), STR("cdefg")));
	buf_drop(&b, 5);
	assert_int_equal(b.n, 0);
	buf_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writers_append),
		cmocka_unit_test(the_maximum_is_kept),
		cmocka_unit_test(reserved_room_is_the_callers_to_fill),
		cmocka_unit_test(the_front_is_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
