#include "store/room_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define STR_INIT(lit) { "" lit, sizeof(lit) - 1 }

static void texts_are_folded(void **state)
{
	static const struct {
		const char *name;
		struct str given, folded;
	} cases[] = {
		{ "nothing", STR_INIT(""), STR_INIT("") },
		{ "ASCII", STR_INIT("aZ09@[`{~"), STR_INIT("az09@[`{~") },
		{ "other letters", STR_INIT("\xc3\x89MILE \xd0\xaf"),
		  STR_INIT("\xc3\xa9mile \xd1\x8f") },
		{ "one that becomes two", STR_INIT("Stra\xc3\x9f""e"), STR_INIT("strasse") },
		{ "two forms of one", STR_INIT("\xcf\x83\xcf\x82\xce\xa3"),
		  STR_INIT("\xcf\x83\xcf\x83\xcf\x83") },
		{ "full width, a ligature", STR_INIT("\xef\xbc\xa1\xef\xac\x81"), STR_INIT("afi") },
		{ "parts of a character", STR_INIT("E\xcc\x81"), STR_INIT("\xc3\xa9") },
		{ "white space and controls", STR_INIT("a\tb\nc\r\x01\0d"), STR_INIT("a b c   d") },
		{ "another space", STR_INIT("a\xc2\xa0""b\xe3\x80\x80""c\n"), STR_INIT("a b c ") },
		{ "not UTF-8", STR_INIT("A\xff\nB\xc3"), STR_INIT("a\xff b\xc3") },
	};
	struct arena a;

	arena_init(&a, 1024);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct store_room room = { .title = cases[i].given };
		struct str should = str_printf(&a, "\n%.*s\n", STR_FMT(cases[i].folded));
		struct str is = db_room_text(&a, &room);

		if (!str_eq(is, should))
			fail_msg("%s: '%.*s'", cases[i].name, STR_FMT(is));
	}
	arena_clear(&a);
}

static void a_long_text_is_cut_between_characters(void **state)
{
	static char text[ROOM_TEXT_MAX + 8];
	struct arena a;

	arena_init(&a, 1024);
	for (unsigned over = 0; over <= 4; over++) {
		/* A character of four bytes, of which `over` are behind the end. */
		size_t at = ROOM_TEXT_MAX - 4 + over;

		memset(text, 'a', sizeof text);
		memcpy(text + at, "\xf0\x9f\x8c\x99", 4);
		const struct store_room room = { .name = STR("n"), .title = STR("t"),
			.about = str_from(text, at + 4) };
		struct str is = db_room_text(&a, &room);
		assert_int_equal(is.n, 4 + (over ? at : at + 4));
		assert_memory_equal(is.p + 4, text, is.n - 4);
	}
	/* What is no text at all is cut too. */
	memset(text, '\x80', sizeof text);
	const struct store_room room = { .about = str_from(text, sizeof text) };
	assert_int_equal(db_room_text(&a, &room).n, 2);
	arena_clear(&a);
}

static void a_search_has_each_of_its_words_somewhere(void **state)
{
	enum { ALL = STORE_IN_NAME | STORE_IN_TITLE | STORE_IN_ABOUT };
	static const struct {
		const char *words;
		unsigned in;
		bool fits;
	} cases[] = {
		{ "", ALL, true },
		{ " \t\n ", ALL, true },
		{ "", 0, true },
		{ "coven", ALL, true },
		{ "coven", 0, false },
		{ "COVEN cave wItch", ALL, true },
		{ "coven cave dog", ALL, false },
		{ "oven", STORE_IN_NAME, true },
		{ "oven", STORE_IN_TITLE | STORE_IN_ABOUT, false },
		{ "dark", STORE_IN_TITLE, true },
		{ "dark", STORE_IN_NAME | STORE_IN_ABOUT, false },
		{ "\xc3\x89TRANGES", STORE_IN_ABOUT, true },
		{ "e\xcc\x81tranges", STORE_IN_ABOUT, true },
		{ "witches", STORE_IN_NAME | STORE_IN_TITLE, false },
		/* A word lies in one of the three, and in one line of it. */
		{ "covena", ALL, false },
		{ "a\xc2\xa0""dark", ALL, true },
		{ "cave\nthe", ALL, true },
		{ "\n", ALL, true },
	};
	static const struct store_room room = { .name = { "coven", 5 },
		.title = { "A Dark\nCave", 11 },
		.about = { "the place for \xc3\xa9tranges Witches", 31 } };
	struct arena a;

	arena_init(&a, 1024);
	struct str text = db_room_text(&a, &room);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct store_room_query query = { .words = str_c(cases[i].words),
			.in = cases[i].in };
		const struct db_room_search *search = db_room_search_new(&a, &query);

		assert_non_null(search);
		if (db_room_search_fits(search, text) != cases[i].fits)
			fail_msg("'%s' in %u", cases[i].words, cases[i].in);
	}
	arena_clear(&a);
}

/* A row that somebody has written by hand. */
static void a_text_without_its_parts_is_searched_as_it_is(void **state)
{
	const struct store_room_query query = { .words = STR("coven"), .in = STORE_IN_NAME };
	const struct store_room_query about = { .words = STR("coven"), .in = STORE_IN_ABOUT };
	struct arena a;

	arena_init(&a, 1024);
	assert_true(db_room_search_fits(db_room_search_new(&a, &query), STR("coven")));
	assert_false(db_room_search_fits(db_room_search_new(&a, &about), STR("coven")));
	assert_false(db_room_search_fits(db_room_search_new(&a, &query), STR("")));
	assert_false(db_room_search_fits(db_room_search_new(&a, &query), STR_NULL));
	arena_clear(&a);
}

static void searches_have_bounds(void **state)
{
	static char text[STORE_ROOM_QUERY_MAX + 1];
	struct store_room_query query = { .words = STR("1 2 3 4 5 6 7 8 9 a b c d e f 0") };
	struct arena a;

	arena_init(&a, 1024);
	assert_int_equal(db_room_search_new(&a, &query)->n_words, STORE_ROOM_WORDS_MAX);
	query.words = STR("1 2 3 4 5 6 7 8 9 a b c d e f 0 1");
	assert_null(db_room_search_new(&a, &query));
	memset(text, 'x', sizeof text);
	query.words = str_from(text, sizeof text - 1);
	assert_int_equal(db_room_search_new(&a, &query)->words[0].n, STORE_ROOM_QUERY_MAX);
	query.words = str_from(text, sizeof text);
	assert_null(db_room_search_new(&a, &query));
	query = (struct store_room_query){ .max = STORE_ROOM_FOUND_MAX + 1 };
	assert_int_equal(db_room_search_new(&a, &query)->max, STORE_ROOM_FOUND_MAX);
	arena_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_folded),
		cmocka_unit_test(a_long_text_is_cut_between_characters),
		cmocka_unit_test(a_search_has_each_of_its_words_somewhere),
		cmocka_unit_test(a_text_without_its_parts_is_searched_as_it_is),
		cmocka_unit_test(searches_have_bounds),
	};
	return cmocka_run_group_tests_name("room_text", tests, NULL, NULL);
}
