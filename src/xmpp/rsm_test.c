#include "xmpp/rsm.h"
#include "xmpp/stanza.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SET(content) "<set xmlns='http://jabber.org/protocol/rsm'>" content "</set>"

static struct arena arena;
static struct xml_table table;

static int setup(void **state)
{
	arena_init(&arena, 4096);
	return 0;
}

static int teardown(void **state)
{
	arena_clear(&arena);
	xml_table_clear(&table);
	return 0;
}

/* XEP-0059 sections 2.1 to 2.6 */
static void what_is_asked_for(void **state)
{
	static const struct {
		const char *name, *in;
		bool ok;
		int64_t max;                /* -1: not said */
		const char *after, *before; /* NULL: not said */
	} cases[] = {
		{ "no set", "<y/>", true, -1, NULL, NULL },
		{ "nothing said", SET(""), true, -1, NULL, NULL },
		{ "a limit", SET("<max>10</max>"), true, 10, NULL, NULL },
		{ "white space", SET("<max>\n10 </max>"), true, 10, NULL, NULL },
		{ "the count alone (2.6)", SET("<max>0</max>"), true, 0, NULL, NULL },
		{ "the largest", SET("<max>4294967295</max>"), true, 4294967295, NULL, NULL },
		{ "too large", SET("<max>4294967296</max>"), false, 0, NULL, NULL },
		{ "far too large", SET("<max>99999999999999999999</max>"), false, 0, NULL, NULL },
		{ "negative", SET("<max>-1</max>"), false, 0, NULL, NULL },
		{ "no number", SET("<max>ten</max>"), false, 0, NULL, NULL },
		{ "an empty limit", SET("<max/>"), false, 0, NULL, NULL },
		{ "the next page (2.2)", SET("<max>1</max><after>a &amp; b</after>"), true, 1, "a & b",
			NULL },
		{ "behind nothing", SET("<after/>"), false, 0, NULL, NULL },
		{ "the page before (2.3)", SET("<before> b </before>"), true, -1, NULL, "b" },
		{ "the last page (2.5)", SET("<before/>"), true, -1, NULL, "" },
		{ "both", SET("<after>a</after><before>b</before>"), true, -1, "a", "b" },
		{ "by its index (2.4), which no list here has", SET("<index>1</index>"), false, 0, NULL,
			NULL },
		{ "another namespace", SET("<max xmlns='urn:x'>x</max>"), true, -1, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stanza *s = stanza_scan(&table,
			str_printf(&arena, "<message>%s</message>", cases[i].in), &arena);
		struct rsm r;
		print_message("%s\n", cases[i].name);
		assert_non_null(s);
		assert_int_equal(rsm_read(&s->doc, stanza_root(s), &arena, &r), cases[i].ok);
		if (cases[i].ok) {
			assert_int_equal(r.has_max ? (int64_t)r.max : -1, cases[i].max);
			assert_int_equal(r.has_after, cases[i].after != NULL);
			assert_int_equal(r.has_before, cases[i].before != NULL);
			assert_true(str_eq(r.after, str_c(cases[i].after ? cases[i].after : "")));
			assert_true(str_eq(r.before, str_c(cases[i].before ? cases[i].before : "")));
		}
		stanza_unref(&s);
	}
}

/* Sections 2.1 and 2.6: an empty page has neither first nor last. */
static void what_is_answered(void **state)
{
	static const struct {
		const char *first, *last;
		int64_t index, count;
		const char *want;
	} cases[] = {
		{ NULL, NULL, -1, -1, "<set xmlns='http://jabber.org/protocol/rsm'/>" },
		{ NULL, NULL, 3, 0, SET("<count>0</count>") },
		{ "a", "b", -1, -1, SET("<first>a</first><last>b</last>") },
		{ "a", "b", 0, 2, SET("<first index='0'>a</first><last>b</last><count>2</count>") },
		{ "<", "&", 4294967296, INT64_MAX, SET("<first index='4294967296'>&lt;</first>"
			"<last>&amp;</last><count>9223372036854775807</count>") },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf b;
		buf_init(&b, 4096);
		struct writer w = w_on(&b);
		rsm_write(&w, cases[i].first ? str_c(cases[i].first) : STR_NULL,
			cases[i].last ? str_c(cases[i].last) : STR_NULL, cases[i].index,
			cases[i].count);
		assert_true(w_done(&w));
		if (!str_eq(buf_str(&b), str_c(cases[i].want)))
			fail_msg("%.*s", STR_FMT(buf_str(&b)));
		buf_clear(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_for),
		cmocka_unit_test(what_is_answered),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
