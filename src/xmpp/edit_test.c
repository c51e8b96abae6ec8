#include "xmpp/edit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static bool is_named_x(const struct stanza *s, const struct xml_node *child, void *ctx)
{
	unsigned *asked = ctx;

	(*asked)++;
	return str_eq(xml_name(&s->doc, child), STR("x"));
}

/* XEP-0359 section 5, rule 3: what claims an id of ours goes, and nothing else changes. */
static void children_go_and_the_rest_stays_as_it_came(void **state)
{
	static const struct {
		const char *name, *in, *want; /* want NULL: the same stanza */
	} cases[] = {
		{ "no children", "<message/>", NULL },
		{ "none that goes", "<message><y/>text<z/></message>", NULL },
		{ "only below", "<message><y><x/></y></message>", NULL },
		{ "the only one", "<message><x/></message>", "<message></message>" },
		{ "the first", "<message><x>a</x><y/></message>", "<message><y/></message>" },
		{ "the last", "<message><y/> <x><x/></x> </message>", "<message><y/>  </message>" },
		{ "all", "<message><x/><x a='&gt;'/><x/></message>", "<message></message>" },
		{ "between others", "<message id='1'>a<y b='&lt;'/>b<x/>c<z>&amp;</z>d</message>",
			"<message id='1'>a<y b='&lt;'/>bc<z>&amp;</z>d</message>" },
		{ "with a prefix", "<message xmlns:p='urn:p'><p:x/><p:y/></message>",
			"<message xmlns:p='urn:p'><p:y/></message>" },
		{ "its language", "<message xml:lang='it'><x/><y/></message>",
			"<message xml:lang='it'><y/></message>" },
		{ "its addresses", "<message from='a@b/c' to='d@e'><x/></message>",
			"<message from='a@b/c' to='d@e'></message>" },
	};
	struct xml_table table = { 0 };
	struct arena a;
	struct buf out;

	arena_init(&a, 4096);
	buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stanza *s = stanza_scan(&table, str_c(cases[i].in), &a), *before = s;
		unsigned asked = 0;
		print_message("%s\n", cases[i].name);
		assert_non_null(s);
		stanza_drop_children(&s, is_named_x, &asked, &table);
		assert_int_equal(s == before, !cases[i].want);
		buf_reset(&out);
		stanza_write(&out, s, s->from, s->to, NS_NONE);
		struct stanza *want = stanza_scan(&table,
			str_c(cases[i].want ? cases[i].want : cases[i].in), &a);
		struct buf text;
		buf_init(&text, 4096);
		stanza_write(&text, want, want->from, want->to, NS_NONE);
		if (!str_eq(buf_str(&out), buf_str(&text)))
			fail_msg("%.*s", STR_FMT(buf_str(&out)));
		assert_int_equal(s->kind, want->kind);
		buf_clear(&text);
		stanza_unref(&want);
		stanza_unref(&s);
	}
	buf_clear(&out);
	xml_table_clear(&table);
	arena_clear(&a);
}

/* One element is another, which may be none or many; what is no stanza then is not made. */
static void an_element_is_replaced(void **state)
{
	static const struct {
		const char *name, *in;
		unsigned node;
		const char *xml, *want; /* want NULL: it is refused */
	} cases[] = {
		{ "by another", "<message><x/><y/></message>", 1, "<z>a</z>",
			"<message><z>a</z><y/></message>" },
		{ "by nothing", "<message><x>a</x><y/></message>", 1, "", "<message><y/></message>" },
		{ "by two", "<message><x/></message>", 1, "<y/><z/>", "<message><y/><z/></message>" },
		{ "inside", "<message><x><y/></x></message>", 2, "<z/>",
			"<message><x><z/></x></message>" },
		{ "with a prefix from outside", "<message xmlns:p='urn:p'><x/></message>", 1,
			"<p:y/>", "<message xmlns:p='urn:p'><p:y/></message>" },
		{ "the whole, with its addresses kept", "<message from='a@b/c' to='d@e'><x/></message>",
			0, "<message type='chat' to='f@g'/>",
			"<message from='a@b/c' to='d@e' type='chat'/>" },
		{ "by what is not closed", "<message><x/></message>", 1, "<y>", NULL },
		{ "by what closes more", "<message><x/></message>", 1, "</message><message>", NULL },
		{ "by another kind", "<message/>", 0, "<presence/>", NULL },
		{ "the whole by nothing", "<message/>", 0, "", NULL },
		{ "by an unknown prefix", "<message><x/></message>", 1, "<p:y/>", NULL },
		{ "by bytes that are not UTF-8", "<message><x/></message>", 1, "<y>\xff</y>", NULL },
	};
	struct xml_table table = { 0 };
	struct arena a;

	arena_init(&a, 4096);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stanza *s = stanza_scan(&table, str_c(cases[i].in), &a), *before = s;
		struct buf out, text;
		print_message("%s\n", cases[i].name);
		s->archive_id = 7;
		bool done = stanza_replace_element(&s, s->doc.nodes + cases[i].node,
			str_c(cases[i].xml), &table);
		assert_int_equal(done, cases[i].want != NULL);
		assert_true(done || s == before);
		assert_int_equal(s->archive_id, 7);
		struct stanza *want = stanza_scan(&table, str_c(done ? cases[i].want : cases[i].in), &a);
		buf_init(&out, 4096);
		buf_init(&text, 4096);
		stanza_write(&out, s, s->from, s->to, NS_NONE);
		stanza_write(&text, want, want->from, want->to, NS_NONE);
		if (!str_eq(buf_str(&out), buf_str(&text)))
			fail_msg("%.*s", STR_FMT(buf_str(&out)));
		buf_clear(&out);
		buf_clear(&text);
		stanza_unref(&s);
		stanza_unref(&want);
	}
	xml_table_clear(&table);
	arena_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(children_go_and_the_rest_stays_as_it_came),
		cmocka_unit_test(an_element_is_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
