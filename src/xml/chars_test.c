/* The steps over runs of characters against plain readings of the rules: every code point, and
 * damage at every place of a block of 16 bytes. */
#include "base/utf8.h"
#include "xml/chars.h"
#include "xml/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROOM 128

/* Where a run of legal characters ends at the latest, a character at a time. */
static uint32_t slow_pass(const char *p, uint32_t at, uint32_t n)
{
	unsigned len;

	while (at < n) {
		int32_t cp = utf8_next(str_from(p + at, n - at), &len);
		if (cp < 0 || !char_legal(cp))
			break;
		if (cp < ' ' || cp == '<' || cp == '>' || cp == '&' || cp == '\'' || cp == '"')
			break;
		at += len;
	}
	return at;
}

static void check_pass(const char *p, uint32_t n)
{
	uint32_t slow = slow_pass(p, 0, n), fast = chars_pass_utf8(p, 0, n);

	if (fast != slow)
		fail_msg("%.*s: stops at %u, not at %u", (int)n, p, fast, slow);
}

/* At each place among others, whole and cut. */
static void check_everywhere(const char *ch, unsigned len)
{
	char p[ROOM + SCAN_PAD];

	for (uint32_t at = 0; at < 20; at++) {
		memset(p, 'x', sizeof p);
		for (uint32_t i = 0; i + 1 < at; i += 2)
			memcpy(p + i, "\xd0\xbf", 2);
		memcpy(p + at, ch, len);
		check_pass(p, ROOM);
		for (uint32_t n = at; n <= at + len; n++)
			check_pass(p, n);
	}
}

static void every_character(void **state)
{
	for (uint32_t cp = 0; cp < 0x110000; cp += cp < 0x10100 ? 1 : 251) {
		char ch[4];
		if (cp >= 0xd800 && cp < 0xe000)
			continue;
		char p[ROOM + SCAN_PAD];
		memset(p, 'x', sizeof p);
		unsigned len = utf8_put(ch, cp);
		for (uint32_t at = 0; at < 32; at += 5) {
			memcpy(p + at, ch, len);
			check_pass(p, ROOM);
		}
	}
}

/* All lead bytes with all second bytes; third and fourth ones at the edges of what is right. */
static void every_beginning(void **state)
{
	static const unsigned char edges[] = { 'x', 0x7f, 0x80, 0xbe, 0xbf, 0xc0 };

	for (unsigned i = 0x8000; i < 0x10000; i++) {
		for (unsigned k = 0; k < sizeof edges * sizeof edges; k++) {
			char ch[4] = { (char)(i >> 8), (char)i, (char)edges[k / sizeof edges],
				(char)edges[k % sizeof edges] };
			char p[ROOM + SCAN_PAD];
			if ((i & 0xff) < 0x7e || ((i & 0xff) > 0xc1 && (i & 0xff) < 0xff))
				continue;
			memset(p, 'x', sizeof p);
			memcpy(p + k % 17, ch, sizeof ch);
			check_pass(p, ROOM);
		}
	}
}

static void at_every_place(void **state)
{
	static const char *const pieces[] = { "x", "\xd0\xbf", "\xe4\xb8\xad", "\xe0\xa4\xa8",
		"\xed\x95\x9c", "\xef\xbf\xbd", "\xef\xbf\xbe", "\xef\xbf\xbf", "\xf0\x9f\x98\x80",
		"\xf4\x8f\xbf\xbf", "\xf3\xa0\x80\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
		"\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\x80", "\xbf", "\xd0",
		"\xe4\xb8", "\xf0\x9f\x98", "\xff", "<", ">", "&", "'", "\"", "\x1f", "\x7f", "#",
		"\xd0\xd0\xbf", "\xe4\xb8\xad\xad" };

	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
		check_everywhere(pieces[i], (unsigned)strlen(pieces[i]));
}

static void plain_runs(void **state)
{
	for (unsigned c = 0; c < 256; c++) {
		for (uint32_t at = 0; at < 40; at++) {
			char p[ROOM + SCAN_PAD];
			bool low = c < ' ' || c > 0x7f;
			memset(p, 'x', sizeof p);
			p[at] = (char)c;
			uint32_t end = low || c == '<' || c == '>' || c == '&' ? at : ROOM;
			assert_int_equal(chars_pass_text(p, 0, ROOM), end);
			assert_int_equal(chars_pass_text(p, 0, at), at);
			end = low || c == '<' || c == '&' || c == '\'' ? at : ROOM;
			assert_int_equal(chars_pass_value(p, 0, ROOM, '\''), end);
			assert_int_equal(chars_pass_value(p, 0, at, '\''), at);
		}
	}
}

static void name_spans(void **state)
{
	for (unsigned c = 0; c < 256; c++) {
		for (uint32_t at = 0; at < 16; at++) {
			char p[16 + SCAN_PAD];
			bool in_name = char_is((char)c, CHAR_NAME);
			memset(p, 'a' + (int)at, sizeof p);
			p[at] = (char)c;
			struct name_span s = chars_name_span(p);
			assert_int_equal(s.len, in_name ? 16 : at);
			assert_int_equal(s.colons, c == ':' ? 1u << at : 0);
			assert_int_equal(s.wide >> s.len & 1, c > 0x7f);
			for (uint32_t i = 0; i < s.len; i++)
				assert_int_equal(s.starts >> i & 1, char_is(p[i], CHAR_NAME_START));
		}
	}
}

static void sameness(void **state)
{
	for (uint32_t n = 0; n < 40; n++) {
		for (uint32_t at = 0; at < 40; at++) {
			char a[40 + SCAN_PAD] = { 0 }, b[40 + SCAN_PAD] = { 0 };
			b[at] = 1;
			assert_int_equal(chars_same(a, b, n), at >= n);
		}
	}
}

/* XML 1.0 productions 2, 3, 4 and 4a below U+0080. */
static void classes(void **state)
{
	for (unsigned c = 0; c < 0x80; c++) {
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
		bool start = letter || c == '_';
		bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
		assert_int_equal(char_is((char)c, CHAR_NAME_START), start);
		assert_int_equal(char_is((char)c, CHAR_NAME),
			start || c == '-' || c == '.' || (c >= '0' && c <= ':'));
		assert_int_equal(char_is((char)c, CHAR_SPACE), space);
		assert_int_equal(char_is((char)c, CHAR_FORBIDDEN), c < ' ' && !space);
	}
	for (unsigned c = 0x80; c < 0x100; c++)
		assert_int_equal(char_class[c], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_character),
		cmocka_unit_test(every_beginning),
		cmocka_unit_test(at_every_place),
		cmocka_unit_test(plain_runs),
		cmocka_unit_test(name_spans),
		cmocka_unit_test(sameness),
		cmocka_unit_test(classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
