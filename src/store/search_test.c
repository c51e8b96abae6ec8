/* The search, with a ledger that is a list in memory and does as it is told. */
#include "store/search.h"
#include "store/search_words.h"

#include "base/clock.h"
#include "store/testing.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <cmocka.h>

/* ---- the ledger ---- */

struct kept {
	const char *archive, *partner;
	char *text; /* NULL: gone */
	uint64_t id;
};

struct ledger {
	pthread_mutex_t lock;
	struct kept *messages;
	size_t n;
	unsigned queries;           /* there were */
	enum store_status status;   /* of the next ones */
	bool holding;               /* answers wait for let_go() */
	struct ledger_op *held;
};

struct ledger_op *ledger_op_new(struct mailbox *home, void (*done)(struct ledger_op *, void *),
	size_t ctx_size)
{
	struct ledger_op *op = xcalloc(1, sizeof *op + ctx_size);

	op->home = home;
	op->done = done;
	op->ctx = op + 1;
	arena_init(&op->mem, 1024);
	return op;
}

void ledger_op_free(struct ledger_op *op)
{
	arena_clear(&op->mem);
	free(op);
}

static void ledger_op_home(struct mail *m, void *receiver)
{
	struct ledger_op *op = container_of(m, struct ledger_op, mail);

	op->done(op, receiver);
}

static bool has_id(const struct ledger *l, struct str archive, uint64_t id)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->messages[i].id == id && l->messages[i].text &&
		    str_eq(str_c(l->messages[i].archive), archive))
			return true;
	return false;
}

/* The first of those that fit, as ledger.h has it. */
static void answer(struct ledger *l, struct ledger_op *op, struct str archive,
	const struct ledger_query *q)
{
	bool behind = !q->after;

	op->complete = true;
	op->status = l->status;
	if ((q->after && !has_id(l, archive, q->after)) || (q->n_ids && !has_id(l, archive, q->ids[0])))
		op->status = STORE_NOT_FOUND;
	if (op->status != STORE_OK)
		return;
	op->messages = arena_alloc(&op->mem, q->max * sizeof *op->messages);
	for (size_t i = 0; i < l->n; i++) {
		const struct kept *k = &l->messages[i];
		if (!k->text || !str_eq(str_c(k->archive), archive) ||
		    (q->n_ids && q->ids[0] != k->id))
			continue;
		if (!behind) {
			behind = k->id == q->after;
			continue;
		}
		if (op->n_messages == q->max) {
			op->complete = false;
			break;
		}
		op->messages[op->n_messages++] = (struct ledger_message){ .place = i, .id = k->id,
			.bytes = str_printf(&op->mem, "%s\n%s", k->partner, k->text) };
	}
}

void ledger_query(struct ledger *l, struct ledger_op *op, struct str archive,
	const struct ledger_query *q)
{
	op->mail.run = ledger_op_home;
	pthread_mutex_lock(&l->lock);
	l->queries++;
	answer(l, op, archive, q);
	bool held = l->holding;
	if (held)
		l->held = op;
	pthread_mutex_unlock(&l->lock);
	if (!held)
		mailbox_post_one(op->home, &op->mail);
}

static void hold(struct ledger *l)
{
	pthread_mutex_lock(&l->lock);
	l->holding = true;
	pthread_mutex_unlock(&l->lock);
}

static void wait_until_held(struct ledger *l)
{
	bool held = false;

	while (!held) {
		usleep(1000);
		pthread_mutex_lock(&l->lock);
		held = l->held != NULL;
		pthread_mutex_unlock(&l->lock);
	}
}

static void let_go(struct ledger *l)
{
	pthread_mutex_lock(&l->lock);
	struct ledger_op *op = l->held;
	l->held = NULL;
	l->holding = false;
	pthread_mutex_unlock(&l->lock);
	mailbox_post_one(op->home, &op->mail);
}

static unsigned queries(struct ledger *l)
{
	pthread_mutex_lock(&l->lock);
	unsigned n = l->queries;
	pthread_mutex_unlock(&l->lock);
	return n;
}

static void set_status(struct ledger *l, enum store_status status)
{
	pthread_mutex_lock(&l->lock);
	l->status = status;
	pthread_mutex_unlock(&l->lock);
}

/* ---- a bench ---- */

struct bench {
	char *dir;
	struct ledger l;
	struct search *s;
	struct mailbox home;
	struct search_op *last;
	unsigned out;
};

static void read_message(const struct ledger_message *m, struct str archive, struct buf *text,
	struct buf *partner)
{
	ptrdiff_t end = str_find(m->bytes, '\n');

	assert_true(end >= 0 && archive.n);
	buf_add(partner, str_head(m->bytes, (size_t)end));
	buf_add(text, str_skip(m->bytes, (size_t)end + 1));
}

static void open_search(struct bench *b)
{
	struct str error = STR_NULL;
	struct arena a;

	arena_init(&a, 1024);
	b->s = search_open(b->dir, &b->l, read_message, &a, &error);
	if (!b->s)
		fail_msg("%.*s", STR_FMT(error));
	arena_clear(&a);
}

static int set_up(void **state)
{
	struct bench *b = xcalloc(1, sizeof *b);

	b->dir = folder_new();
	pthread_mutex_init(&b->l.lock, NULL);
	assert_true(mailbox_init(&b->home, 1 << 20));
	open_search(b);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	if (b->s)
		search_close(&b->s);
	if (b->last)
		search_op_free(b->last);
	for (size_t i = 0; i < b->l.n; i++)
		free(b->l.messages[i].text);
	free(b->l.messages);
	mailbox_clear(&b->home);
	folder_free(b->dir);
	free(b);
	return 0;
}

static void put(struct bench *b, const char *archive, const char *partner, const char *text,
	uint64_t id)
{
	struct ledger *l = &b->l;

	pthread_mutex_lock(&l->lock);
	l->messages = xrealloc(l->messages, (l->n + 1) * sizeof *l->messages);
	l->messages[l->n++] = (struct kept){ archive, partner, strdup(text), id };
	pthread_mutex_unlock(&l->lock);
}

/* Retention, erasure (to: all up to this one), or another text. */
static void lose(struct bench *b, const char *archive, uint64_t to)
{
	pthread_mutex_lock(&b->l.lock);
	for (size_t i = 0; i < b->l.n; i++) {
		struct kept *k = &b->l.messages[i];
		if (k->id <= to && strcmp(k->archive, archive) == 0) {
			free(k->text);
			k->text = NULL;
		}
	}
	pthread_mutex_unlock(&b->l.lock);
}

static void rewrite(struct bench *b, uint64_t id, const char *text)
{
	pthread_mutex_lock(&b->l.lock);
	for (size_t i = 0; i < b->l.n; i++) {
		if (b->l.messages[i].id == id) {
			free(b->l.messages[i].text);
			b->l.messages[i].text = strdup(text);
		}
	}
	pthread_mutex_unlock(&b->l.lock);
}

static void keep_last(struct search_op *op, void *receiver)
{
	struct bench *b = receiver;

	if (b->last)
		search_op_free(b->last);
	b->last = op;
	b->out--;
}

static bool none_out(void *receiver)
{
	return ((struct bench *)receiver)->out == 0;
}

static struct search_op *new_op(struct bench *b)
{
	b->out++;
	return search_op_new(&b->home, keep_last, 0);
}

static struct search_op *wait_all(struct bench *b)
{
	home_run(&b->home, b, none_out);
	return b->last;
}

static struct search_op *find_as(struct bench *b, const char *archive, struct search_query q)
{
	q.max = q.max ? q.max : 100;
	search_find(b->s, new_op(b), str_c(archive), &q);
	return wait_all(b);
}

/* The ids that are found, as text: "1 2 ". */
static const char *find(struct bench *b, const char *archive, const char *text)
{
	static char out[4096];
	size_t n = 0;

	out[0] = '\0';
	struct search_op *op = find_as(b, archive, (struct search_query){ .text = str_c(text) });
	assert_int_equal(op->status, STORE_OK);
	for (size_t i = 0; i < op->n_ids; i++)
		n += (size_t)snprintf(out + n, sizeof out - n, "%llu ",
			(unsigned long long)op->ids[i]);
	return out;
}

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
		{ "case of other scripts", "\xd0\x9c\xd0\x98\xd0\xa0", "\xd0\xbc\xd0\xb8\xd1\x80", true },
		{ "diacritics", "Z\xc3\xbcrich caf\xc3\xa9", "zurich cafe", true },
		{ "combining ones", "cafe\xcc\x81", "caf\xc3\xa9", true },
		{ "punctuation", "Well, (hello)!", "well hello", true },
		{ "what stands together", "see you to-day", "to-day", true },
		{ "does stand together", "today to the day", "to-day", false },
		{ "an address", "mail me@example.org now", "me@example.org", true },
		{ "numbers", "call 555-1234", "1234", true },
		{ "nothing but signs", "hello ?!", "?!", false },
		{ "signs among words", "hello world", "hello ?! world", true },
		{ "nothing", "hello", "", false },
		{ "white space", "hello", " \t\n", false },
		{ "Chinese, a part", "\xe6\x88\x91\xe4\xbb\xac\xe5\x9c\xa8\xe5\x8c\x97\xe4\xba\xac",
		  "\xe5\x8c\x97\xe4\xba\xac", true },
		{ "Chinese, one character", "\xe5\x8c\x97\xe4\xba\xac", "\xe4\xba\xac", true },
		{ "Chinese, another order", "\xe5\x8c\x97\xe4\xba\xac", "\xe4\xba\xac\xe5\x8c\x97",
		  false },
		{ "Chinese, apart", "\xe5\x8c\x97\xe5\x9c\xa8\xe4\xba\xac",
		  "\xe5\x8c\x97\xe4\xba\xac", false },
		{ "Chinese beside Latin", "iPhone\xe6\x89\x8b\xe6\x9c\xbaX", "\xe6\x89\x8b\xe6\x9c\xba",
		  true },
		{ "Latin beside Chinese", "iPhone\xe6\x89\x8b\xe6\x9c\xbaX", "iphone", true },
		{ "kana", "\xe3\x81\x93\xe3\x82\x93\xe3\x81\xab\xe3\x81\xa1\xe3\x81\xaf",
		  "\xe3\x81\xab\xe3\x81\xa1", true },
		{ "Thai, with its vowels", "\xe0\xb8\xaa\xe0\xb8\xa7\xe0\xb8\xb1\xe0\xb8\xaa\xe0\xb8\x94"
		  "\xe0\xb8\xb5\xe0\xb8\x84\xe0\xb8\xa3\xe0\xb8\xb1\xe0\xb8\x9a",
		  "\xe0\xb8\xaa\xe0\xb8\x94\xe0\xb8\xb5", true },
		{ "Thai, another vowel", "\xe0\xb8\xaa\xe0\xb8\x94\xe0\xb8\xb5",
		  "\xe0\xb8\xaa\xe0\xb8\x94\xe0\xb8\xb1", false },
		{ "Korean, without the particle",
		  "\xed\x95\x99\xea\xb5\x90\xec\x97\x90\xec\x84\x9c", "\xed\x95\x99\xea\xb5\x90", true },
		{ "Hindi, the whole word", "\xe0\xa4\xb9\xe0\xa4\xbf\xe0\xa4\xa8\xe0\xa5\x8d"
		  "\xe0\xa4\xa6\xe0\xa5\x80", "\xe0\xa4\xb9\xe0\xa4\xbf\xe0\xa4\xa8\xe0\xa5\x8d"
		  "\xe0\xa4\xa6\xe0\xa5\x80", true },
		{ "Hindi, another vowel", "\xe0\xa4\x95\xe0\xa4\xbf", "\xe0\xa4\x95\xe0\xa5\x80",
		  false },
		{ "Arabic with its points", "\xd9\x85\xd9\x8f\xd8\xad\xd9\x8e\xd9\x85\xd9\x91\xd8\xaf",
		  "\xd9\x85\xd8\xad\xd9\x85\xd8\xaf", true },
		{ "Hebrew with its points", "\xd7\xa9\xd6\xb8\xd7\x81\xd7\x9c\xd7\x95\xd6\xb9\xd7\x9d",
		  "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", true },
		{ "an emoji is none", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", false },
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
	static const char *const hostile[] = { "\"", "\"\"", "\"\"\"", "'", "*", "cat*", "\"cat\"*",
		"^cat", "cat AND", "AND", "OR", "NOT", "cat NOT dog", "NEAR(cat dog)", "NEAR(", "(", ")",
		"((((((((", "text:cat", "text : cat", "{text} : cat", "- {text} : cat", "cat + dog", "+",
		":", "-cat", "rank", "words MATCH 'x'", "'; DROP TABLE messages; --", "\\", "\\\"", "cat\\",
		"%", "_", "?1", "$a", "@a", "#", "\"cat\" \"", "cat\"dog", "\xff\xfe", "\xc3", "\xed\xa0\x80",
		"\xef\xbf\xbf", "\x01\x02", "0x1", "1:cat", "2:cat", "delete", "optimize", "integrity-check" };
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
		{ "in front of one", { .max = 2, .before = 30 << 8, .newest = true }, "10 20 ", true },
		{ "between two", { .max = 9, .after = 20 << 8, .before = 50 << 8 }, "30 40 ", true },
		{ "behind one that has not the word", { .max = 9, .after = 35 << 8 }, "40 50 60 ",
		  true },
		{ "in front of one that has no text", { .max = 9, .before = 45 << 8 },
		  "10 20 30 40 ", true },
		{ "from a time on", { .max = 9, .start_us = 40 }, "40 50 60 ", true },
		{ "up to a time", { .max = 9, .end_us = 40 }, "10 20 30 40 ", true },
		{ "a time", { .max = 9, .start_us = 30, .end_us = 30 }, "30 ", true },
		{ "times that are none", { .max = 9, .start_us = UINT64_MAX, .end_us = UINT64_MAX }, "",
		  true },
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
	search_close(&b->s);
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
	search_close(&b->s);
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
	search_close(&b->s);
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
	search_close(&b->s);
	wait_all(b);
	assert_true(b->last->status == STORE_FAILED || b->last->status == STORE_OK);
}

static void a_file_that_is_none_of_ours_is_refused(void **state)
{
	struct bench *b = *state;
	struct str error = STR_NULL;
	struct arena a;
	char path[4200];

	search_close(&b->s);
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
