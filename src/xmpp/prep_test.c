#include "xmpp/prep.h"

#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <idn2.h>

static struct arena arena;

static int setup(void **state)
{
	arena_init(&arena, 4096);
	return 0;
}

static int teardown(void **state)
{
	arena_clear(&arena);
	return 0;
}

/* RFC 8264 section 8: a code point or two for each way to a value */
static void properties_are_derived_as_in_rfc8264(void **state)
{
	static const struct {
		uint32_t first, last;
		enum prep_property is;
		const char *why;
	} cases[] = {
		{ 0x0000, 0x001f, PREP_DISALLOWED, "Controls" },
		{ 0x0020, 0x0020, PREP_FREE_PVAL, "Spaces" },
		{ 0x0021, 0x007e, PREP_PVALID, "ASCII7" },
		{ 0x007f, 0x009f, PREP_DISALLOWED, "Controls" },
		{ 0x00a0, 0x00a0, PREP_FREE_PVAL, "HasCompat, a space" },
		{ 0x00a1, 0x00a1, PREP_FREE_PVAL, "Punctuation" },
		{ 0x00a2, 0x00a7, PREP_FREE_PVAL, "Symbols and punctuation" },
		{ 0x00aa, 0x00aa, PREP_FREE_PVAL, "HasCompat" },
		{ 0x00ad, 0x00ad, PREP_DISALLOWED, "PrecisIgnorableProperties: soft hyphen" },
		{ 0x00b2, 0x00b3, PREP_FREE_PVAL, "HasCompat: superscripts" },
		{ 0x00b7, 0x00b7, PREP_CONTEXTO, "Exceptions: middle dot" },
		{ 0x00c0, 0x00d6, PREP_PVALID, "LetterDigits" },
		{ 0x00d7, 0x00d7, PREP_FREE_PVAL, "Symbols" },
		{ 0x00df, 0x00df, PREP_PVALID, "Exceptions: sharp s" },
		{ 0x0149, 0x0149, PREP_FREE_PVAL, "HasCompat" },
		{ 0x01c4, 0x01cc, PREP_FREE_PVAL, "HasCompat" },
		{ 0x0300, 0x033f, PREP_PVALID, "LetterDigits: marks" },
		{ 0x0340, 0x0341, PREP_FREE_PVAL, "HasCompat" },
		{ 0x034f, 0x034f, PREP_DISALLOWED, "PrecisIgnorableProperties" },
		{ 0x0375, 0x0375, PREP_CONTEXTO, "Exceptions: keraia" },
		{ 0x0378, 0x0379, PREP_UNASSIGNED, "Unassigned" },
		{ 0x0387, 0x0387, PREP_FREE_PVAL, "HasCompat: ano teleia" },
		{ 0x03a3, 0x03a9, PREP_PVALID, "LetterDigits" },
		{ 0x03c2, 0x03c2, PREP_PVALID, "Exceptions: final sigma" },
		{ 0x0488, 0x0489, PREP_FREE_PVAL, "OtherLetterDigits: Me" },
		{ 0x05f3, 0x05f4, PREP_CONTEXTO, "Exceptions: geresh, gershayim" },
		{ 0x061c, 0x061c, PREP_DISALLOWED, "PrecisIgnorableProperties" },
		{ 0x0640, 0x0640, PREP_DISALLOWED, "Exceptions: tatweel" },
		{ 0x0660, 0x0669, PREP_CONTEXTO, "Exceptions: arabic-indic digits" },
		{ 0x06dd, 0x06dd, PREP_DISALLOWED, "Cf that is not ignorable" },
		{ 0x06f0, 0x06f9, PREP_CONTEXTO, "Exceptions: extended arabic-indic digits" },
		{ 0x06fd, 0x06fe, PREP_PVALID, "Exceptions" },
		{ 0x07fa, 0x07fa, PREP_DISALLOWED, "Exceptions: lajanyalan" },
		{ 0x0958, 0x095f, PREP_FREE_PVAL, "HasCompat: excluded from composition" },
		{ 0x0f0b, 0x0f0b, PREP_PVALID, "Exceptions: tsheg" },
		{ 0x0f0c, 0x0f0c, PREP_FREE_PVAL, "HasCompat" },
		{ 0x10d0, 0x10f0, PREP_PVALID, "LetterDigits" },
		{ 0x1100, 0x11ff, PREP_DISALLOWED, "OldHangulJamo" },
		{ 0x115f, 0x1160, PREP_DISALLOWED, "OldHangulJamo" },
		{ 0x1680, 0x1680, PREP_FREE_PVAL, "Spaces" },
		{ 0x16ee, 0x16f0, PREP_FREE_PVAL, "OtherLetterDigits: Nl" },
		{ 0x180e, 0x180e, PREP_DISALLOWED, "PrecisIgnorableProperties" },
		{ 0x1e9e, 0x1e9e, PREP_PVALID, "LetterDigits: capital sharp s" },
		{ 0x1f88, 0x1f8f, PREP_FREE_PVAL, "OtherLetterDigits: Lt" },
		{ 0x2000, 0x200a, PREP_FREE_PVAL, "HasCompat: spaces" },
		{ 0x200b, 0x200b, PREP_DISALLOWED, "PrecisIgnorableProperties" },
		{ 0x200c, 0x200d, PREP_CONTEXTJ, "JoinControl" },
		{ 0x200e, 0x200f, PREP_DISALLOWED, "PrecisIgnorableProperties" },
		{ 0x2028, 0x2029, PREP_DISALLOWED, "Zl, Zp" },
		{ 0x202a, 0x202e, PREP_DISALLOWED, "PrecisIgnorableProperties" },
		{ 0x2065, 0x2065, PREP_UNASSIGNED, "Unassigned comes before ignorable" },
		{ 0x2163, 0x2163, PREP_FREE_PVAL, "HasCompat: roman numeral four" },
		{ 0x2180, 0x2182, PREP_FREE_PVAL, "OtherLetterDigits: Nl" },
		{ 0x2184, 0x2184, PREP_PVALID, "LetterDigits" },
		{ 0x221e, 0x221e, PREP_FREE_PVAL, "Symbols" },
		{ 0x265a, 0x265a, PREP_FREE_PVAL, "Symbols" },
		{ 0x3000, 0x3000, PREP_FREE_PVAL, "HasCompat: ideographic space" },
		{ 0x3007, 0x3007, PREP_PVALID, "Exceptions: ideographic zero" },
		{ 0x302e, 0x302f, PREP_DISALLOWED, "Exceptions: hangul tone marks" },
		{ 0x3031, 0x3035, PREP_DISALLOWED, "Exceptions: kana repeat marks" },
		{ 0x303b, 0x303b, PREP_DISALLOWED, "Exceptions" },
		{ 0x3041, 0x3096, PREP_PVALID, "LetterDigits" },
		{ 0x30fb, 0x30fb, PREP_CONTEXTO, "Exceptions: katakana middle dot" },
		{ 0x3131, 0x3163, PREP_FREE_PVAL, "HasCompat: hangul compatibility jamo" },
		{ 0x3164, 0x3164, PREP_DISALLOWED, "PrecisIgnorableProperties: filler" },
		{ 0x4e00, 0x9fff, PREP_PVALID, "LetterDigits" },
		{ 0xa960, 0xa97c, PREP_DISALLOWED, "OldHangulJamo" },
		{ 0xac00, 0xd7a3, PREP_PVALID, "LetterDigits: hangul syllables" },
		{ 0xd7b0, 0xd7c6, PREP_DISALLOWED, "OldHangulJamo" },
		{ 0xd7c7, 0xd7ca, PREP_UNASSIGNED, "Unassigned" },
		{ 0xd7cb, 0xd7fb, PREP_DISALLOWED, "OldHangulJamo" },
		{ 0xd800, 0xdfff, PREP_DISALLOWED, "Cs" },
		{ 0xe000, 0xf8ff, PREP_DISALLOWED, "Co" },
		{ 0xf900, 0xf90d, PREP_FREE_PVAL, "HasCompat" },
		{ 0xfb01, 0xfb01, PREP_FREE_PVAL, "HasCompat: ligature" },
		{ 0xfdd0, 0xfdef, PREP_DISALLOWED, "PrecisIgnorableProperties: not characters" },
		{ 0xfe00, 0xfe0f, PREP_DISALLOWED, "PrecisIgnorableProperties" },
		{ 0xfeff, 0xfeff, PREP_DISALLOWED, "PrecisIgnorableProperties" },
		{ 0xff01, 0xff5e, PREP_FREE_PVAL, "HasCompat: fullwidth" },
		{ 0xfff9, 0xfffb, PREP_DISALLOWED, "Cf that is not ignorable" },
		{ 0xfffd, 0xfffd, PREP_FREE_PVAL, "Symbols" },
		{ 0xfffe, 0xffff, PREP_DISALLOWED, "PrecisIgnorableProperties: not characters" },
		{ 0x1d400, 0x1d454, PREP_FREE_PVAL, "HasCompat" },
		{ 0x1f600, 0x1f64f, PREP_FREE_PVAL, "Symbols" },
		{ 0x20000, 0x2a6dd, PREP_PVALID, "LetterDigits" },
		{ 0xe0001, 0xe0001, PREP_DISALLOWED, "PrecisIgnorableProperties" },
		{ 0x10fffe, 0x10ffff, PREP_DISALLOWED, "PrecisIgnorableProperties" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (uint32_t cp = cases[i].first; cp <= cases[i].last; cp++)
			if (prep_property(cp) != cases[i].is)
				fail_msg("U+%04X is %d, not %d (%s)", cp, prep_property(cp),
					cases[i].is, cases[i].why);
}

#define MAX_POINTS 8

/* RFC 5892 appendix A. Strings end at 0. */
static void code_points_need_their_contexts(void **state)
{
	static const struct {
		const char *name;
		uint32_t cp[MAX_POINTS];
		bool holds;
	} cases[] = {
		{ "nothing asked", { 'a', 'b' }, true },
		{ "A.1 behind a virama", { 0x0915, 0x094d, 0x200c, 0x0937 }, true },
		{ "A.1 at the end behind a virama", { 0x0915, 0x094d, 0x200c }, true },
		{ "A.1 between joining letters", { 0x0628, 0x200c, 0x0628 }, true },
		{ "A.1 with transparent ones between",
			{ 0x0628, 0x064b, 0x200c, 0x064b, 0x0628 }, true },
		{ "A.1 right-joining before", { 0x0627, 0x200c, 0x0628 }, false },
		{ "A.1 right-joining behind", { 0x0628, 0x200c, 0x0627 }, true },
		{ "A.1 nothing before", { 0x200c, 0x0628 }, false },
		{ "A.1 nothing behind", { 0x0628, 0x200c }, false },
		{ "A.1 latin", { 'a', 0x200c, 'b' }, false },
		{ "A.1 only transparent before", { 0x064b, 0x200c, 0x0628 }, false },
		{ "A.2 behind a virama", { 0x0915, 0x094d, 0x200d }, true },
		{ "A.2 between joining letters", { 0x0628, 0x200d, 0x0628 }, false },
		{ "A.2 at the start", { 0x200d, 'a' }, false },
		{ "A.3", { 'l', 0x00b7, 'l' }, true },
		{ "A.3 upper case", { 'L', 0x00b7, 'L' }, false },
		{ "A.3 at the start", { 0x00b7, 'l' }, false },
		{ "A.3 at the end", { 'l', 0x00b7 }, false },
		{ "A.4", { 0x0375, 0x03b1 }, true },
		{ "A.4 latin behind", { 0x0375, 'a' }, false },
		{ "A.4 at the end", { 0x03b1, 0x0375 }, false },
		{ "A.5", { 0x05d0, 0x05f3 }, true },
		{ "A.5 latin before", { 'a', 0x05f3 }, false },
		{ "A.5 at the start", { 0x05f3, 0x05d0 }, false },
		{ "A.6", { 0x05d0, 0x05f4, 0x05d1 }, true },
		{ "A.6 at the start", { 0x05f4, 0x05d0 }, false },
		{ "A.7 hiragana", { 0x30fb, 0x3042 }, true },
		{ "A.7 katakana", { 0x30a2, 0x30fb }, true },
		{ "A.7 han", { 'a', 0x30fb, 'b', 0x4e00 }, true },
		{ "A.7 latin", { 'a', 0x30fb, 'b' }, false },
		{ "A.7 alone", { 0x30fb }, false },
		{ "A.8", { 0x0660, 0x0669 }, true },
		{ "A.9", { 0x06f0, 0x06f9 }, true },
		{ "A.8 and A.9", { 0x0660, 0x06f0 }, false },
		{ "A.9 and A.8", { 0x06f9, 'a', 0x0669 }, false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t n = 0;
		while (cases[i].cp[n])
			n++;
		if (prep_contexts_hold(cases[i].cp, n) != cases[i].holds)
			fail_msg("%s", cases[i].name);
	}
}

/* RFC 5893 section 2, conditions by number */
static void right_to_left_strings_follow_the_bidi_rule(void **state)
{
	static const struct {
		const char *name;
		uint32_t cp[MAX_POINTS];
		bool holds;
	} cases[] = {
		{ "no right-to-left code point", { '-', '1', 'a', '-' }, true },
		{ "R", { 0x05d0 }, true },
		{ "AL", { 0x0627 }, true },
		{ "1: begins with EN", { '1', 0x05d0 }, false },
		{ "1: begins with AN", { 0x0661, 0x05d0 }, false },
		{ "1: begins with NSM", { 0x05b0, 0x05d0 }, false },
		{ "1: begins with ON", { '!', 0x05d0 }, false },
		{ "2: holds L", { 0x05d0, 'a', 0x05d0 }, false },
		{ "2: holds ES, CS, ET, ON", { 0x05d0, '-', ',', '#', '!', 0x05d0 }, true },
		{ "3: ends with ON", { 0x05d0, '!' }, false },
		{ "3: ends with EN", { 0x05d0, '1' }, true },
		{ "3: ends with AN", { 0x05d0, 0x0661 }, true },
		{ "3: ends with NSM behind R", { 0x05d0, 0x05b0, 0x05b0 }, true },
		{ "3: ends with NSM behind ON", { 0x05d0, '!', 0x05b0 }, false },
		{ "4: EN and AN", { 0x05d0, '1', 0x0661 }, false },
		{ "5: left-to-right with R", { 'a', 0x05d0, 'a' }, false },
		{ "5: left-to-right with AN", { 'a', 0x0661 }, false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t n = 0;
		while (cases[i].cp[n])
			n++;
		if (prep_bidi_holds(cases[i].cp, n) != cases[i].holds)
			fail_msg("%s", cases[i].name);
	}
}

/* RFC 8265 section 3.6: examples 1 to 11 (the at sign is RFC 7622's to exclude) */
static void usernames_follow_rfc8265(void **state)
{
	static const struct {
		const char *name, *in, *out;
	} cases[] = {
		{ "1", "juliet@example.com", "juliet@example.com" },
		{ "2", "fussball", "fussball" },
		{ "3", "fu\u00dfball", "fu\u00dfball" },
		{ "4", "\u03c0", "\u03c0" },
		{ "5", "\u03a3", "\u03c3" },
		{ "6", "\u03c3", "\u03c3" },
		{ "7", "\u03c2", "\u03c2" },
		{ "8", "foo bar", NULL },
		{ "9", "", NULL },
		{ "10", "henry\u2163", NULL },
		{ "11", "\u221e", NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str out;
		bool ok = prep_username(str_c(cases[i].in), &arena, &out);
		if (ok != (cases[i].out != NULL) || (ok && !str_eq(out, str_c(cases[i].out))))
			fail_msg("example %s", cases[i].name);
	}
}

typedef bool profile(struct str s, struct arena *a, struct str *out);

static void assert_stable(profile *prep, struct str s, const char *name)
{
	struct str once, twice;

	if (!prep(s, &arena, &once))
		return;
	if (!prep(once, &arena, &twice) || !str_eq(once, twice))
		fail_msg("%s: \"%.*s\" gives \"%.*s\", which does not stay", name, STR_FMT(s),
			STR_FMT(once));
}

/* RFC 8264 section 7: applied again, the rules change nothing. Each code point alone, and
 * behind and before a letter. */
static void every_code_point_is_stable_after_preparation(void **state)
{
	static const struct {
		const char *before, *behind;
	} around[] = { { "", "" }, { "a", "" }, { "", "l" }, { "\u05d0", "\u05b0" } };

	for (uint32_t cp = 1; cp <= 0x10ffff; cp++) {
		if (cp == 0xd800)
			cp = 0xe000;
		if (cp == 0x3400) /* ideographs and hangul are all alike */
			cp = 0x4dbf;
		if (cp == 0x20000)
			cp = 0x2f800;
		if (cp == 0x30000)
			cp = 0xe0000;
		if (cp == 0xe0200) /* nothing, and private use */
			cp = 0x10ff00;
		for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
			char text[16], utf8[5] = { 0 };
			utf8_put(utf8, cp);
			struct str s = { text, (size_t)snprintf(text, sizeof text, "%s%s%s",
				around[i].before, utf8, around[i].behind) };
			assert_stable(prep_username, s, "username");
			assert_stable(prep_opaque, s, "opaque");
			assert_stable(prep_domain, s, "domain");
			arena_reset(&arena);
		}
	}
}

/* A label of one code point that libidn2 takes comes back from its A-label. */
static void every_u_label_comes_back_from_its_a_label(void **state)
{
	unsigned n = 0;

	for (uint32_t cp = 0x80; cp <= 0x3ffff; cp++) {
		char u_label[5] = { 0 };
		uint8_t *a_label = NULL;
		struct str out;
		if (cp == 0xd800)
			cp = 0xe000;
		if (cp == 0x3400) /* ideographs and hangul are all alike */
			cp = 0x4dbf;
		if (cp == 0x20000)
			cp = 0x2f800;
		utf8_put(u_label, cp);
		if (idn2_register_u8((uint8_t *)u_label, NULL, &a_label, 0) != IDN2_OK)
			continue;
		if (!prep_domain(str_c((char *)a_label), &arena, &out) ||
			!str_eq(out, str_c(u_label)))
			fail_msg("U+%04X: %s", cp, (char *)a_label);
		if (!prep_domain(out, &arena, &out) || !str_eq(out, str_c(u_label)))
			fail_msg("U+%04X does not stay", cp);
		idn2_free(a_label);
		arena_reset(&arena);
		n++;
	}
	assert_in_range(n, 20000, 100000);
}

static void too_much_input_is_refused(void **state)
{
	char *text = malloc(PREP_INPUT_MAX + 1);
	struct str out;

	memset(text, 'a', PREP_INPUT_MAX + 1);
	assert_true(prep_opaque(str_from(text, PREP_INPUT_MAX), &arena, &out));
	assert_false(prep_opaque(str_from(text, PREP_INPUT_MAX + 1), &arena, &out));
	assert_false(prep_username(str_from(text, PREP_INPUT_MAX + 1), &arena, &out));
	assert_false(prep_domain(str_from(text, PREP_INPUT_MAX + 1), &arena, &out));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(properties_are_derived_as_in_rfc8264),
		cmocka_unit_test(code_points_need_their_contexts),
		cmocka_unit_test(right_to_left_strings_follow_the_bidi_rule),
		cmocka_unit_test(usernames_follow_rfc8265),
		cmocka_unit_test(every_code_point_is_stable_after_preparation),
		cmocka_unit_test(every_u_label_comes_back_from_its_a_label),
		cmocka_unit_test(too_much_input_is_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
