#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void every_code_point_goes_there_and_back(void **state)
{
	char p[4];
	unsigned len;

	for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
		if (cp == 0xd800)
			cp = 0xe000;
		unsigned n = utf8_put(p, cp);
		assert_int_equal(n, cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4);
		assert_int_equal(utf8_next(str_from(p, n), &len), cp);
		assert_int_equal(len, n);
		for (unsigned cut = 0; cut < n; cut++)
			assert_int_equal(utf8_next(str_from(p, cut), &len), -2);
	}
}

/* RFC 3629 section 4, the grammar: the bounds of the second byte depend on the first. */
static bool is_right(const unsigned char *p, unsigned n)
{
	unsigned want = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	unsigned low = 0x80, high = 0xbf;

	if ((p[0] >= 0x80 && p[0] < 0xc2) || p[0] > 0xf4 || n != want)
		return false;
	if (p[0] == 0xe0)
		low = 0xa0;
	if (p[0] == 0xed)
		high = 0x9f;
	if (p[0] == 0xf0)
		low = 0x90;
	if (p[0] == 0xf4)
		high = 0x8f;
	if (n > 1 && (p[1] < low || p[1] > high))
		return false;
	for (unsigned i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return false;
	return true;
}

/* All that one to three bytes can be, and four with a third and fourth byte at the bounds. */
static void bytes_are_taken_as_the_grammar_has_it(void **state)
{
	static const unsigned char edges[] = { 0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff };
	unsigned char p[4];

	for (unsigned a = 0; a < 0x1000000; a++) {
		p[0] = (unsigned char)(a >> 16);
		p[1] = (unsigned char)(a >> 8);
		p[2] = (unsigned char)a;
		unsigned len = 0;
		int32_t cp = utf8_next(str_from((char *)p, 3), &len);
		bool right = is_right(p, 1) || is_right(p, 2) || is_right(p, 3);
		if (right != (cp >= 0) || (right && !is_right(p, len)))
			fail_msg("%06x gives %x", a, (unsigned)cp);
	}
	for (unsigned a = 0xef00; a < 0x10000; a++)
		for (unsigned i = 0; i < sizeof edges * sizeof edges; i++) {
			p[0] = (unsigned char)(a >> 8);
			p[1] = (unsigned char)a;
			p[2] = edges[i / sizeof edges];
			p[3] = edges[i % sizeof edges];
			struct str text = str_from((char *)p, 4);
			if (p[0] >= 0xf0)
				assert_int_equal(utf8_valid(text), is_right(p, 4));
		}
}

static void whole_texts_are_checked(void **state)
{
	static const struct {
		struct str text;
		bool ok;
	} cases[] = {
		{ STR_INIT(""), true },
		{ { NULL, 0 }, true },
		{ STR_INIT("a\0b"), true },
		{ STR_INIT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z"), true },
		{ STR_INIT("a\xc3"), false },
		{ STR_INIT("a\xe2\x82"), false },
		{ STR_INIT("a\xf0\x9f\x98"), false },
		{ STR_INIT("\x80"), false },
		{ STR_INIT("\xc0\x80"), false },
		{ STR_INIT("\xed\xa0\x80"), false },
		{ STR_INIT("\xf4\x90\x80\x80"), false },
		{ STR_INIT("\xf8\x88\x80\x80\x80"), false },
		{ STR_INIT("\xff"), false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(utf8_valid(cases[i].text), cases[i].ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point_goes_there_and_back),
		cmocka_unit_test(bytes_are_taken_as_the_grammar_has_it),
		cmocka_unit_test(whole_texts_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
