#include "store/search_testing.h"

#include "base/clock.h"

#include <sys/stat.h>

/* How often the text stands in a file. */
static unsigned grep_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "r");
	struct buf all;
	size_t n = 0, len = strlen(text);
	unsigned found = 0;

	buf_init(&all, 1 << 28);
	while (f && (n = fread(buf_reserve(&all, 65536), 1, 65536, f)) > 0)
		all.n += n;
	if (f)
		fclose(f);
	for (size_t at = 0; at + len <= all.n; at++)
		found += memcmp(all.p + at, text, len) == 0;
	buf_clear(&all);
	return found;
}

static unsigned grep(struct bench *b, const char *text)
{
	static const char *const names[] = { "search.db", "search.db-wal" };
	unsigned n = 0;

	for (size_t i = 0; i < 2; i++) {
		char path[4400];
		snprintf(path, sizeof path, "%s/%s", b->dir, names[i]);
		n += grep_file(path, text);
	}
	return n;
}

/* ---- words ---- */

static void words_are_found_as_people_mean_them(void **state)
{
	static const struct {
		const char *name, *text, *query;
		bool found;
	} cases[] = {
		{ "a word", "the cat sat", "cat", true },
		{ "not a part of one", "the cats sat", "cat", false },
		{ "all words, in any order", "the cat sat on the mat", "mat cat", true },
		{ "all words, not some", "the cat sat", "cat dog", false },
		{ "case", "The CAT", "cAt", true },
		{ "case of other scripts", "МИР", "мир", true },
		{ "diacritics", "Zürich café", "zurich cafe", true },
		{ "combining ones", "cafe\xcc\x81", "café", true },
		{ "punctuation", "Well, (hello)!", "well hello", true },
		{ "what stands together", "see you to-day", "to-day", true },
		{ "does stand together", "today to the day", "to-day", false },
		{ "an address", "mail me@example.org now", "me@example.org", true },
		{ "numbers", "call 555-1234", "1234", true },
		{ "nothing but signs", "hello ?!", "?!", false },
		{ "signs among words", "hello world", "hello ?! world", true },
		{ "nothing", "hello", "", false },
		{ "white space", "hello", " \t\n", false },
		{ "Chinese, a part", "我们在北京", "北京", true },
		{ "Chinese, one character", "北京", "京", true },
		{ "Chinese, another order", "北京", "京北", false },
		{ "Chinese, apart", "北在京", "北京", false },
		{ "Chinese beside Latin", "iPhone手机X", "手机", true },
		{ "Latin beside Chinese", "iPhone手机X", "iphone", true },
		{ "kana", "こんにちは", "にち", true },
		{ "Thai, with its vowels", "สวัสดีครับ", "สดี", true },
		{ "Thai, another vowel", "สดี", "สดั", false },
		{ "Korean, without the particle", "학교에서", "학교", true },
		{ "Hindi, the whole word", "हिन्दी", "हिन्दी", true },
		{ "Hindi, another vowel", "कि", "की", false },
		{ "Arabic with its points", "مُحَمّد", "محمد", true },
		{ "Hebrew with its points", "שָׁלוֹם", "שלום", true },
		{ "an emoji is none", "😀", "😀", false },
	};
	enum { N = sizeof cases / sizeof cases[0] };
	struct bench *b = *state;
	static char names[N][16];

	for (size_t i = 0; i < N; i++) {
		snprintf(names[i], sizeof names[i], "a%zu@x", i);
		put(b, names[i], "p@x", cases[i].text, i + 1);
	}
	for (size_t i = 0; i < N; i++)
		if (!*find(b, names[i], cases[i].query) == cases[i].found)
			fail_msg("%s: '%s' in '%s'", cases[i].name, cases[i].query, cases[i].text);
}

/* Each is text, whatever FTS5 may make of it elsewhere. */
static void no_query_is_syntax(void **state)
{
	static const char *const hostile[] = {
		"\"", "\"\"", "\"\"\"", "'", "*", "cat*", "\"cat\"*", "^cat", "cat AND", "AND",
		"OR", "NOT", "cat NOT dog", "NEAR(cat dog)", "NEAR(", "(", ")", "((((((((",
		"text:cat", "text : cat", "{text} : cat", "- {text} : cat", "cat + dog", "+",
		":", "-cat", "rank", "words MATCH 'x'", "'; DROP TABLE messages; --", "\\",
		"\\\"", "cat\\", "%", "_", "?1", "$a", "@a", "#", "\"cat\" \"", "cat\"dog",
		"\xff\xfe", "\xc3", "\xed\xa0\x80", "\xef\xbf\xbf", "\x01\x02", "0x1", "1:cat",
		"2:cat", "delete", "optimize", "integrity-check"
	};
	struct bench *b = *state;

	put(b, "a@x", "p@x", "nothing of the kind", 1);
	put(b, "b@x", "p@x", "cat", 2);
	assert_string_equal(find(b, "b@x", "cat"), "2 ");
	for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
		const char *found = find(b, "a@x", hostile[i]);
		if (*found)
			fail_msg("'%s' found %s", hostile[i], found);
	}
	assert_string_equal(find(b, "a@x", "nothing \"of\" kind"), "1 ");
	/* A NUL cannot come from XML, and ends nothing. */
	struct search_op *op = find_as(b, "a@x", (struct search_query){
		.text = STR("kind\0\"dog") });
	assert_int_equal(op->status, STORE_OK);
	assert_int_equal(op->n_ids, 0);
	op = find_as(b, "a@x", (struct search_query){ .text = STR("kind\0nothing") });
	assert_int_equal(op->n_ids, 1);
}

static void every_byte_may_stand_in_a_query(void **state)
{
	struct bench *b = *state;
	unsigned seed = 7;

	put(b, "a@x", "p@x", "nothing", 1);
	for (int i = 0; i < 300; i++) {
		char text[40];
		for (size_t k = 0; k < sizeof text; k++) {
			seed = seed * 1103515245 + 12345;
			text[k] = (char)(seed >> 16);
		}
		struct search_op *op = find_as(b, "a@x", (struct search_query){
			.text = str_from(text, sizeof text) });
		assert_int_equal(op->status, STORE_OK);
	}
}

static void bounds_of_a_query(void **state)
{
	static char text[SEARCH_TEXT_MAX + 1];
	static const struct {
		const char *name;
		size_t n;
		const char *unit;
		uint32_t max;
		enum store_status status;
	} cases[] = {
		{ "text at its bound", SEARCH_TEXT_MAX, "\"", 10, STORE_OK },
		{ "text over it", SEARCH_TEXT_MAX + 1, "x", 10, STORE_FULL },
		{ "words at their bound", 2 * SEARCH_WORDS_MAX, "x ", 10, STORE_OK },
		{ "words over it", 2 * SEARCH_WORDS_MAX + 2, "x ", 10, STORE_FULL },
		{ "results at their bound", 1, "x", SEARCH_RESULT_MAX, STORE_OK },
		{ "results over it", 1, "x", SEARCH_RESULT_MAX + 1, STORE_FULL },
	};
	struct bench *b = *state;

	put(b, "a@x", "p@x", "x", 1);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t k = 0; k < cases[i].n; k++)
			text[k] = cases[i].unit[k % strlen(cases[i].unit)];
		struct search_op *op = find_as(b, "a@x", (struct search_query){
			.text = str_from(text, cases[i].n), .max = cases[i].max });
		if (op->status != cases[i].status)
			fail_msg("%s: status %d", cases[i].name, (int)op->status);
	}
}

/* ---- archives ---- */

static void archives_are_apart(void **state)
{
	struct bench *b = *state;

	put(b, "a@x", "p@x", "cat", 1);
	put(b, "b@x", "p@x", "cat dog", 2);
	put(b, "a@x", "p@x", "cat bird", 3);
	assert_string_equal(find(b, "a@x", "cat"), "1 3 ");
	assert_string_equal(find(b, "b@x", "cat"), "2 ");
	assert_string_equal(find(b, "a@x", "dog"), "");
	assert_string_equal(find(b, "nobody@x", "cat"), "");
}

static void assert_ids(struct bench *b, const char *name, struct search_query q, const char *ids,
	bool complete)
{
	char out[256] = "";
	size_t n = 0;
	struct search_op *op = find_as(b, "a@x", q);

	assert_int_equal(op->status, STORE_OK);
	for (size_t i = 0; i < op->n_ids; i++)
		n += (size_t)snprintf(out + n, sizeof out - n, "%llu ",
			(unsigned long long)(op->ids[i] >> 8));
	if (strcmp(out, ids) != 0 || op->complete != complete)
		fail_msg("%s: %s, complete %d", name, out, op->complete);
}

/* As ledger_query() has it (XEP-0313, XEP-0059). */
static void pages_and_filters(void **state)
{
	static const struct {
		const char *name;
		struct search_query q;
		const char *ids;
		bool complete;
	} cases[] = {
		{ "all", { .max = 10 }, "10 20 30 40 50 60 ", true },
		{ "just all", { .max = 6 }, "10 20 30 40 50 60 ", true },
		{ "the first page", { .max = 2 }, "10 20 ", false },
		{ "the last page", { .max = 2, .newest = true }, "50 60 ", false },
		{ "behind one", { .max = 2, .after = 20 << 8 }, "30 40 ", false },
		{ "behind the last but one", { .max = 2, .after = 50 << 8 }, "60 ", true },
		{ "in front of one", { .max = 2, .before = 30 << 8, .newest = true }, "10 20 ",
		  true },
		{ "between two", { .max = 9, .after = 20 << 8, .before = 50 << 8 }, "30 40 ",
		  true },
		{ "behind one that has not the word", { .max = 9, .after = 35 << 8 }, "40 50 60 ",
		  true },
		{ "in front of one that has no text", { .max = 9, .before = 45 << 8 },
		  "10 20 30 40 ", true },
		{ "from a time on", { .max = 9, .start_us = 40 }, "40 50 60 ", true },
		{ "up to a time", { .max = 9, .end_us = 40 }, "10 20 30 40 ", true },
		{ "a time", { .max = 9, .start_us = 30, .end_us = 30 }, "30 ", true },
		{ "times that are none",
		  { .max = 9, .start_us = UINT64_MAX, .end_us = UINT64_MAX }, "", true },
		{ "with one", { .with = STR_INIT("q@x"), .max = 9 }, "20 40 60 ", true },
		{ "with one, a page", { .with = STR_INIT("q@x"), .max = 1, .newest = true }, "60 ",
		  false },
		{ "with nobody", { .with = STR_INIT("z@x"), .max = 9 }, "", true },
	};
	struct bench *b = *state;

	for (uint64_t i = 1; i <= 6; i++) {
		put(b, "a@x", i % 2 ? "p@x" : "q@x", "cat", i * 10 << 8);
		put(b, "a@x", "p@x", i == 3 ? "dog" : "", (i * 10 + 5) << 8);
		put(b, "b@x", "p@x", "cat", (i * 10 + 7) << 8);
	}
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct search_query q = cases[i].q;
		q.text = STR("cat");
		assert_ids(b, cases[i].name, q, cases[i].ids, cases[i].complete);
	}
}

/* Ids are only nearly sorted: the order is the ledger's. */
static void the_order_is_the_ledgers(void **state)
{
	struct bench *b = *state;

	put(b, "a@x", "p@x", "cat", 10 << 8);
	put(b, "a@x", "p@x", "cat", 30 << 8);
	put(b, "a@x", "p@x", "cat", 20 << 8);
	put(b, "a@x", "p@x", "cat", 40 << 8);
	assert_ids(b, "all", (struct search_query){ .text = STR("cat") }, "10 30 20 40 ", true);
	assert_ids(b, "behind", (struct search_query){ .text = STR("cat"), .after = 30 << 8 },
		"20 40 ", true);
	assert_ids(b, "before", (struct search_query){ .text = STR("cat"), .before = 20 << 8 },
		"10 30 ", true);
}

/* ---- catching up ---- */

static void a_query_finds_what_was_stored_before_it(void **state)
{
	struct bench *b = *state;

	put(b, "a@x", "p@x", "cat", 1);
	assert_string_equal(find(b, "a@x", "cat"), "1 ");
	put(b, "a@x", "p@x", "cat", 2);
	assert_string_equal(find(b, "a@x", "cat"), "1 2 ");
	close_search(b);
	put(b, "a@x", "p@x", "cat", 3);
	open_search(b);
	assert_string_equal(find(b, "a@x", "cat"), "1 2 3 ");
}

static void many_pages_are_read_in_turns(void **state)
{
	enum { MANY = 2300 };
	struct bench *b = *state;

	for (uint64_t i = 1; i <= MANY; i++)
		put(b, "a@x", "p@x", i % 100 ? "dog" : "cat", i);
	put(b, "b@x", "p@x", "cat", MANY + 1);
	/* The first search in the large archive does not hold up the other one. */
	struct search_query q = { .text = STR("cat"), .max = 100 };
	hold(&b->l);
	search_find(b->s, new_op(b), STR("a@x"), &q);
	wait_until_held(&b->l);
	search_find(b->s, new_op(b), STR("b@x"), &q);
	let_go(&b->l);
	wait_all(b);
	assert_true(str_eq(b->last->archive, STR("a@x")));
	assert_int_equal(b->last->n_ids, MANY / 100);
	/* Nothing is read twice: a page behind the mark, and the oldest message. */
	unsigned before = queries(&b->l);
	find(b, "a@x", "cat");
	assert_int_equal(queries(&b->l) - before, 2);
}

/* News are read in the background, after a while, and once for many. */
static void news_are_read_in_the_background(void **state)
{
	struct bench *b = *state;

	put(b, "a@x", "p@x", "needleword", 1);
	for (int i = 0; i < 1000; i++)
		search_news(b->s, STR("a@x"));
	search_news(b->s, STR("b@x"));
	usleep(20000);
	assert_int_equal(queries(&b->l), 0);
	clock_advance(10000);
	search_news(b->s, STR("c@x")); /* wakes it */
	for (int i = 0; i < 1000 && grep(b, "needleword") == 0; i++)
		usleep(5000);
	assert_true(grep(b, "needleword") > 0);
	assert_true(queries(&b->l) <= 3);
}

static void what_the_ledger_has_no_longer_is_not_found(void **state)
{
	struct bench *b = *state;

	for (uint64_t i = 1; i <= 5; i++)
		put(b, "a@x", "p@x", "cat", i << 8);
	assert_ids(b, "before", (struct search_query){ .text = STR("cat") }, "1 2 3 4 5 ", true);
	lose(b, "a@x", 3 << 8);
	assert_ids(b, "the old ones", (struct search_query){ .text = STR("cat") }, "4 5 ", true);
	/* The marked one, too: it begins anew, and nothing is there twice. */
	lose(b, "a@x", 5 << 8);
	put(b, "a@x", "p@x", "cat", 6 << 8);
	assert_ids(b, "the mark", (struct search_query){ .text = STR("cat") }, "6 ", true);
	lose(b, "a@x", 6 << 8);
	assert_ids(b, "all", (struct search_query){ .text = STR("cat") }, "", true);
}

static void much_that_is_gone_is_dropped_in_steps(void **state)
{
	struct bench *b = *state;

	for (uint64_t i = 1; i <= 900; i++)
		put(b, "a@x", "p@x", "cat", i);
	find_as(b, "a@x", (struct search_query){ .text = STR("cat"), .max = SEARCH_RESULT_MAX });
	assert_int_equal(b->last->n_ids, 900);
	lose(b, "a@x", 898);
	unsigned before = queries(&b->l);
	assert_string_equal(find(b, "a@x", "cat"), "899 900 ");
	assert_true(queries(&b->l) - before > 2 * 4); /* two for each 200 */
}

/* XEP-0424: what was retracted is not found by its old text. */
static void a_message_may_get_another_text(void **state)
{
	struct bench *b = *state;

	put(b, "a@x", "p@x", "cat one", 1);
	put(b, "a@x", "p@x", "cat two", 2);
	find(b, "a@x", "cat");
	rewrite(b, 1, "dog");
	search_again(b->s, new_op(b), STR("a@x"), 1);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_string_equal(find(b, "a@x", "cat"), "2 ");
	assert_string_equal(find(b, "a@x", "dog"), "1 ");
	rewrite(b, 1, "");
	search_again(b->s, new_op(b), STR("a@x"), 1);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_string_equal(find(b, "a@x", "dog"), "");
	/* One that is not there, or not yet. */
	search_again(b->s, new_op(b), STR("a@x"), 9);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	put(b, "a@x", "p@x", "cat three", 3);
	search_again(b->s, new_op(b), STR("a@x"), 3);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_string_equal(find(b, "a@x", "cat"), "2 3 ");
}

/* ---- erasing ---- */

static void nothing_readable_is_left_of_an_erased_archive(void **state)
{
	struct bench *b = *state;

	for (uint64_t i = 1; i <= 700; i++) {
		put(b, "a@x", "secretpartner@x", "secretword", i);
		put(b, "b@x", "p@x", "plainword", i + 1000);
	}
	find(b, "a@x", "secretword");
	find(b, "b@x", "plainword");
	close_search(b);
	open_search(b);
	assert_true(grep(b, "secretword") > 0 && grep(b, "secretpartner") > 0);
	lose(b, "a@x", 700);
	search_erase(b->s, new_op(b), STR("a@x"));
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_int_equal(grep(b, "secretword"), 0);
	assert_int_equal(grep(b, "secretpartner"), 0);
	assert_true(grep(b, "plainword") > 0);
	assert_string_equal(find(b, "a@x", "secretword"), "");
	assert_true(*find(b, "b@x", "plainword"));
	/* Who has the name next begins with nothing. */
	put(b, "a@x", "p@x", "cat", 3000);
	assert_string_equal(find(b, "a@x", "cat"), "3000 ");
	assert_string_equal(find(b, "a@x", "secretword"), "");
}

/* What the ledger answers to a job that began before the erasure does not count. */
static void an_erasure_overtakes_what_is_being_read(void **state)
{
	struct bench *b = *state;
	struct search_query q = { .text = STR("secretword"), .max = 10 };

	put(b, "a@x", "p@x", "secretword", 1);
	hold(&b->l);
	search_find(b->s, new_op(b), STR("a@x"), &q);
	wait_until_held(&b->l);
	lose(b, "a@x", 1);
	search_erase(b->s, new_op(b), STR("a@x"));
	while (b->out == 2) {
		usleep(1000);
		mailbox_run(&b->home, b);
	}
	assert_int_equal(b->last->status, STORE_OK);
	let_go(&b->l);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_int_equal(b->last->n_ids, 0);
	assert_int_equal(grep(b, "secretword"), 0);
}

static void an_erasure_that_was_cut_short_goes_on(void **state)
{
	struct bench *b = *state;

	for (uint64_t i = 1; i <= 700; i++)
		put(b, "a@x", "p@x", "secretword", i);
	find(b, "a@x", "secretword");
	lose(b, "a@x", 700);
	search_erase(b->s, new_op(b), STR("a@x"));
	close_search(b);
	wait_all(b); /* done or not */
	open_search(b);
	for (int i = 0; i < 1000 && grep(b, "secretword"); i++)
		usleep(5000);
	assert_int_equal(grep(b, "secretword"), 0);
}

/* ---- failures ---- */

static void a_ledger_that_fails_is_said(void **state)
{
	struct bench *b = *state;

	put(b, "a@x", "p@x", "cat", 1);
	set_status(&b->l, STORE_FAILED);
	assert_int_equal(find_as(b, "a@x", (struct search_query){ .text = STR("cat") })->status,
		STORE_FAILED);
	search_again(b->s, new_op(b), STR("a@x"), 1);
	assert_int_equal(wait_all(b)->status, STORE_FAILED);
	set_status(&b->l, STORE_OK);
	assert_string_equal(find(b, "a@x", "cat"), "1 ");
}

static void closing_brings_home_what_waits(void **state)
{
	struct bench *b = *state;
	struct search_query q = { .text = STR("cat"), .max = 10 };

	put(b, "a@x", "p@x", "cat", 1);
	hold(&b->l);
	search_find(b->s, new_op(b), STR("a@x"), &q);
	search_find(b->s, new_op(b), STR("a@x"), &q);
	search_news(b->s, STR("a@x"));
	wait_until_held(&b->l);
	let_go(&b->l);
	close_search(b);
	wait_all(b);
	assert_true(b->last->status == STORE_FAILED || b->last->status == STORE_OK);
}

static void a_file_that_is_none_of_ours_is_refused(void **state)
{
	struct bench *b = *state;
	struct str error = STR_NULL;
	struct arena a;
	char path[4200];

	close_search(b);
	snprintf(path, sizeof path, "%s/search.db", b->dir);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	FILE *f = fopen(path, "w");
	for (int i = 0; i < 1000; i++)
		fputs("no database", f);
	fclose(f);
	arena_init(&a, 1024);
	assert_null(search_open(b->dir, &b->l, read_message, &a, &error));
	assert_true(str_starts(error, str_c(path)));
	/* It may be deleted: it is made anew. */
	assert_int_equal(unlink(path), 0);
	open_search(b);
	put(b, "a@x", "p@x", "cat", 1);
	assert_string_equal(find(b, "a@x", "cat"), "1 ");
	arena_clear(&a);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(words_are_found_as_people_mean_them),
		T(no_query_is_syntax),
		T(every_byte_may_stand_in_a_query),
		T(bounds_of_a_query),
		T(archives_are_apart),
		T(pages_and_filters),
		T(the_order_is_the_ledgers),
		T(a_query_finds_what_was_stored_before_it),
		T(many_pages_are_read_in_turns),
		T(news_are_read_in_the_background),
		T(what_the_ledger_has_no_longer_is_not_found),
		T(much_that_is_gone_is_dropped_in_steps),
		T(a_message_may_get_another_text),
		T(nothing_readable_is_left_of_an_erased_archive),
		T(an_erasure_overtakes_what_is_being_read),
		T(an_erasure_that_was_cut_short_goes_on),
		T(a_ledger_that_fails_is_said),
		T(closing_brings_home_what_waits),
		T(a_file_that_is_none_of_ours_is_refused),
	};
	return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
