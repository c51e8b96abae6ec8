#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* RFC 4648 section 10, and some bytes that are not text */
static const struct {
	struct str bytes;
	const char *text;
} pairs[] = {
	{ STR_INIT(""), "" },
	{ STR_INIT("f"), "Zg==" },
	{ STR_INIT("fo"), "Zm8=" },
	{ STR_INIT("foo"), "Zm9v" },
	{ STR_INIT("foob"), "Zm9vYg==" },
	{ STR_INIT("fooba"), "Zm9vYmE=" },
	{ STR_INIT("foobar"), "Zm9vYmFy" },
	{ STR_INIT("\0"), "AA==" },
	{ STR_INIT("\0\0\0"), "AAAA" },
	{ STR_INIT("\xff\xff\xff"), "////" },
	{ STR_INIT("\xfb\xef\xbe"), "++++" },
	{ STR_INIT("\0user\0pencil"), "AHVzZXIAcGVuY2ls" },
};

static void text_and_bytes_belong_together(void **state)
{
	struct arena a;
	struct buf b;
	struct str out;

	arena_init(&a, 256);
	buf_init(&b, 100);
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		struct str text = str_c(pairs[i].text);
		assert_true(str_eq(base64_str(&a, pairs[i].bytes), text));
		buf_reset(&b);
		base64_encode(&b, pairs[i].bytes);
		assert_true(buf_ok(&b));
		assert_true(str_eq(buf_str(&b), text));
		assert_int_equal(BASE64_LEN(pairs[i].bytes.n), text.n);
		assert_true(base64_decode(&a, text, &out));
		assert_true(str_eq(out, pairs[i].bytes));
	}
	buf_clear(&b);
	arena_clear(&a);
}

static void only_the_canonical_form_is_read(void **state)
{
	static const char *const cases[] = {
		"Z", "Zg", "Zg=", "Zm8", "Zm9v=", "Zm9vY", "=", "==", "===", "====", "Z===",
		"Zh==",             /* set bits behind the end */
		"Zm9=",             /* likewise */
		"Zg==Zg==", "Zm=v", /* padding inside */
		"Zm9v\n", "Zm 9", "Zm9v\r\nYmFy", " Zm9v", "Zm9v ", "Zm9\x80", "-___", "Zm9,",
		"Zg=\x3d=", "=Zm9", "Zg=v",
	};
	struct arena a;
	struct str out;

	arena_init(&a, 256);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (base64_decode(&a, str_c(cases[i]), &out))
			fail_msg("taken: \"%s\"", cases[i]);
	assert_false(base64_decode(&a, STR("Zm9\0"), &out));
	arena_clear(&a);
}

static void every_byte_survives_at_every_length(void **state)
{
	struct arena a;
	char bytes[256];
	struct str out;

	arena_init(&a, 1024);
	for (int i = 0; i < 256; i++)
		bytes[i] = (char)(i * 7 + 3);
	for (size_t n = 0; n <= 256; n++) {
		struct str in = str_from(bytes, n);
		assert_true(base64_decode(&a, base64_str(&a, in), &out));
		assert_true(str_eq(in, out));
		arena_reset(&a);
	}
	arena_clear(&a);
}

/* Of all texts of four bytes over a small alphabet, exactly those are read which are written. */
static void what_is_read_is_written_the_same(void **state)
{
	static const char letters[] = "AQgw/+9=\n";
	const size_t n = sizeof letters - 1;
	struct arena a;
	unsigned taken = 0;

	arena_init(&a, 1024);
	for (size_t i = 0; i < n * n * n * n; i++) {
		char text[4] = { letters[i % n], letters[i / n % n], letters[i / n / n % n],
			letters[i / n / n / n] };
		struct str out, in = str_from(text, 4);
		if (base64_decode(&a, in, &out)) {
			taken++;
			assert_true(str_eq(base64_str(&a, out), in));
		}
		arena_reset(&a);
	}
	/* Seven letters; the third may end in two zero bits (A, Q, g, w, and none of / + 9), the
	 * second in four (A, Q, g, w). */
	assert_int_equal(taken, 7 * 7 * 7 * 7 + 7 * 7 * 4 + 7 * 4);
	arena_clear(&a);
}

static void a_full_buffer_gets_nothing(void **state)
{
	struct buf b;

	buf_init(&b, 7);
	base64_encode(&b, STR("foo"));
	base64_encode(&b, STR("b"));
	assert_false(buf_ok(&b));
	assert_true(str_eq(buf_str(&b), STR("Zm9v")));
	buf_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_bytes_belong_together),
		cmocka_unit_test(only_the_canonical_form_is_read),
		cmocka_unit_test(every_byte_survives_at_every_length),
		cmocka_unit_test(what_is_read_is_written_the_same),
		cmocka_unit_test(a_full_buffer_gets_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
