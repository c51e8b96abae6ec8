#include "xmpp/words.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void words_are_found_whole_and_in_any_case(void **state)
{
	static const struct {
		const char *text, *word;
		bool has;
	} cases[] = {
		{ "Now I am alone.", "alone", true },
		{ "Now I am ALONE.", "alone", true },
		{ "now i am alone", "Now", true },
		{ "now i am alone", "I AM", true },
		{ "a peasant slave", "peasants", false },
		{ "rogues and peasants", "peasant", false },
		{ "unpeasant peasant", "peasant", true },
		{ "XMPP2 is no XMPP", "xmpp", true },
		{ "XMPP2", "xmpp", false },
		{ "(xmpp)", "xmpp", true },
		{ "\xe2\x80\x9eXMPP\xe2\x80\x9c", "xmpp", true },        /* in quotation marks */
		{ "\xc3\x84RGER", "\xc3\xa4rger", true },                /* Aerger, with an umlaut */
		{ "A\xcc\x88RGER", "\xc3\xa4rger", true },               /* the same, decomposed */
		{ "STRASSE", "stra\xc3\x9f""e", true },                  /* with a sharp s */
		{ "xmpp\xc3\xa9", "xmpp", false },                       /* a letter follows */
		{ "\xe6\x88\x91\xe7\x88\xb1\xe5\x8c\x97\xe4\xba\xac", "\xe5\x8c\x97\xe4\xba\xac", true },
		{ "c++ and more", "c++", true },
		{ "xmppxmpp xmpp", "xmpp", true },
		{ "", "xmpp", false },
		{ "xmpp", "", false },
		{ "xm", "xmpp", false },
	};
	struct arena a;

	arena_init(&a, 1024);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct str text = words_fold(str_c(cases[i].text), &a);
		struct str word = words_fold(str_c(cases[i].word), &a);
		if (words_have(text, word) != cases[i].has)
			fail_msg("\"%s\" in \"%s\"", cases[i].word, cases[i].text);
	}
	arena_clear(&a);
}

static void what_is_not_utf8_has_no_words(void **state)
{
	struct arena a;

	arena_init(&a, 64);
	assert_int_equal(words_fold(STR("\xff\xfe"), &a).n, 0);
	arena_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_found_whole_and_in_any_case),
		cmocka_unit_test(what_is_not_utf8_has_no_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
