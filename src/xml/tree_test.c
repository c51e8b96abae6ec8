#include "xml/scan.h"
#include "xml/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
	struct xml_table t;
	struct arena a;
	char bytes[2048];
	struct xml_doc d;
	const struct xml_node *root;
};

static struct fixture *scan(const char *xml)
{
	struct fixture *f = calloc(1, sizeof *f);
	size_t n = strlen(xml);

	assert_non_null(f);
	assert_true(n + SCAN_PAD <= sizeof f->bytes);
	memcpy(f->bytes, xml, n);
	arena_init(&f->a, 512);
	assert_int_equal(scan_document(&f->t, &scan_limits_user, NS_CLIENT, f->bytes, n), SCAN_OK);
	f->d = xml_table_doc(&f->t, f->bytes, n);
	f->root = xml_root(&f->d);
	return f;
}

static void drop(struct fixture *f)
{
	xml_table_clear(&f->t);
	arena_clear(&f->a);
	free(f);
}

#define assert_str(s, want)                                                      \
	do {                                                                     \
		struct str s_ = (s);                                             \
		assert_non_null(s_.p);                                           \
		if (!str_eq(s_, str_c(want)))                                    \
			fail_msg("\"%.*s\", not \"%s\"", STR_FMT(s_), want);     \
	} while (0)

static bool in_bytes(const struct fixture *f, struct str s)
{
	return s.p >= f->bytes && s.p + s.n <= f->bytes + sizeof f->bytes;
}

static void walks(void **state)
{
	struct fixture *f = scan("<iq>x<query xmlns='jabber:iq:roster'>y<item/>z<group/><item a=''>"
		"<item/></item>w</query><error/><error/><x xmlns='jabber:x:data'/></iq>");
	const struct xml_node *query = xml_first(&f->d, f->root);
	const struct xml_node *item = xml_child(&f->d, query, NS_ROSTER, TAG_ITEM);

	assert_true(xml_is(f->root, NS_CLIENT, TAG_IQ));
	assert_true(xml_is(query, NS_ROSTER, TAG_QUERY));
	assert_int_equal(xml_count(&f->d, f->root), 4);
	assert_int_equal(xml_count(&f->d, query), 3);
	assert_ptr_equal(xml_first(&f->d, query), item);
	assert_true(xml_is(xml_next(&f->d, item), NS_ROSTER, TAG_GROUP));
	const struct xml_node *second = xml_next_same(&f->d, item);
	assert_ptr_equal(second, xml_next(&f->d, xml_next(&f->d, item)));
	assert_null(xml_next_same(&f->d, second));
	assert_null(xml_next(&f->d, second));
	assert_null(xml_first(&f->d, item));
	assert_null(xml_next(&f->d, f->root));
	assert_null(xml_child(&f->d, query, NS_CLIENT, TAG_ITEM));
	assert_true(xml_is(xml_child(&f->d, f->root, NS_DATA, TAG_X), NS_DATA, TAG_X));
	assert_false(xml_is(NULL, NS_DATA, TAG_X));
	drop(f);
}

static void no_root(void **state)
{
	struct xml_table t = { 0 };
	struct xml_doc d = xml_table_doc(&t, NULL, 0);

	assert_null(xml_root(&d));
}

static void attributes(void **state)
{
	struct fixture *f = scan("<iq xmlns:to='urn:1' to:from='no' to='yes' type='' id='a&amp;b' "
		"xml:lang='en' stamp='x\ty'><query lang='de'/></iq>");
	const struct xml_node *query = xml_first(&f->d, f->root);

	assert_str(xml_attr_str(&f->d, f->root, TAG_TO, &f->a), "yes");
	assert_true(in_bytes(f, xml_attr_str(&f->d, f->root, TAG_TO, &f->a)));
	assert_null(xml_attr_str(&f->d, f->root, TAG_FROM, &f->a).p);
	assert_null(xml_attr(&f->d, f->root, TAG_XMLNS));
	assert_str(xml_attr_str(&f->d, f->root, TAG_TYPE, &f->a), "");
	assert_str(xml_attr_str(&f->d, f->root, TAG_ID, &f->a), "a&b");
	assert_str(xml_attr_str(&f->d, f->root, TAG_STAMP, &f->a), "x y");
	assert_null(xml_attr(&f->d, f->root, TAG_LANG));
	assert_str(xml_lang(&f->d, f->root, &f->a), "en");
	assert_null(xml_lang(&f->d, query, &f->a).p);
	assert_str(xml_attr_str(&f->d, query, TAG_LANG, &f->a), "de");
	assert_str(xml_attr_name(&f->d, xml_attr(&f->d, f->root, TAG_TO)), "to");
	drop(f);
}

static void texts(void **state)
{
	static const struct {
		const char *xml, *text;
		bool in_bytes;
	} cases[] = {
		{ "<a/>", "", false },
		{ "<a></a>", "", false },
		{ "<a>plain</a>", "plain", true },
		{ "<a>x<b>no</b></a>", "x", true },
		{ "<a>x<b>no</b>y</a>", "xy", false },
		{ "<a>&lt;\r\n</a>", "<\n", false },
		{ "<a><![CDATA[&lt;]]></a>", "&lt;", true },
		{ "<a><![CDATA[]]>x<![CDATA[]]></a>", "x", true },
		{ "<a><![CDATA[&\r\n]]>&amp;<![CDATA[]]>]</a>", "&\n&]", false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fixture *f = scan(cases[i].xml);
		struct str text = xml_text(&f->d, f->root, &f->a);
		assert_str(text, cases[i].text);
		assert_true(in_bytes(f, text) == cases[i].in_bytes);
		drop(f);
	}
}

static void names_and_slices(void **state)
{
	struct fixture *f = scan("<iq> <p:some xmlns:p='urn:x&amp;y'><p:b/><c/></p:some><ping "
		"xmlns='urn:xmpp:ping'></ping><n xmlns=''/></iq>");
	const struct xml_node *some = xml_first(&f->d, f->root);
	const struct xml_node *b = xml_first(&f->d, some);
	const struct xml_node *ping = xml_next(&f->d, some);

	assert_str(xml_name(&f->d, f->root), "iq");
	assert_str(xml_name(&f->d, some), "some");
	assert_str(xml_raw(&f->d, b), "<p:b/>");
	assert_str(xml_raw(&f->d, ping), "<ping xmlns='urn:xmpp:ping'></ping>");
	assert_str(xml_ns_uri(&f->d, some, &f->a), "urn:x&y");
	assert_str(xml_ns_uri(&f->d, b, &f->a), "urn:x&y");
	assert_str(xml_ns_uri(&f->d, xml_next(&f->d, b), &f->a), "jabber:client");
	assert_str(xml_ns_uri(&f->d, ping, &f->a), "urn:xmpp:ping");
	assert_str(xml_ns_uri(&f->d, xml_next(&f->d, ping), &f->a), "");
	assert_str(xml_attr_name(&f->d, xml_declaration(&f->d, b, STR("p"))), "p");
	assert_str(xml_attr_name(&f->d, xml_declaration(&f->d, ping, STR(""))), "");
	assert_null(xml_declaration(&f->d, b, STR("")));
	assert_null(xml_declaration(&f->d, ping, STR("p")));
	drop(f);
}

/* An unknown namespace of the stream header is in none of the stanza's bytes. */
static void outer_namespace(void **state)
{
	static const char in[] = "<stream:stream xmlns:h='urn:1' xmlns='jabber:client' "
		"xmlns:stream='http://etherx.jabber.org/streams'><h:a/>"
		"                                                                ";
	struct xml_table t = { 0 };
	struct scan s;
	struct arena a;
	size_t used, n = sizeof in - 1 - SCAN_PAD;

	arena_init(&a, 256);
	scan_init(&s, &scan_limits_user);
	assert_int_equal(scan_next(&s, &t, in, n, &used), SCAN_OPEN);
	size_t header = used;
	assert_int_equal(scan_next(&s, &t, in + header, n - header, &used), SCAN_STANZA);
	struct xml_doc d = xml_table_doc(&t, in + header, used);
	assert_null(xml_ns_uri(&d, xml_root(&d), &a).p);
	assert_true(d.nodes[0].flags & XML_INHERITS);
	scan_clear(&s);
	xml_table_clear(&t);
	arena_clear(&a);
}

static void unescapes(void **state)
{
	static const struct {
		const char *in, *text, *value;
	} cases[] = {
		{ "", "", "" },
		{ "plain", "plain", "plain" },
		{ "&lt;&gt;&amp;&quot;&apos;", "<>&\"'", "<>&\"'" },
		{ "&#65;&#x4a;&#x4A;&#128512;&#xe9;&#x20AC;", "AJJ\xf0\x9f\x98\x80\xc3\xa9"
			"\xe2\x82\xac", "AJJ\xf0\x9f\x98\x80\xc3\xa9\xe2\x82\xac" },
		{ "\r\n\r\n\r", "\n\n\n", "   " },
		{ "\t\n &#9;&#10;&#13;", "\t\n \t\n\r", "   \t\n\r" },
		{ "\r&#10;", "\n\n", " \n" },
		{ "&amp;lt;", "&lt;", "&lt;" },
	};
	struct arena a;

	arena_init(&a, 256);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_str(xml_unescape(str_c(cases[i].in), false, &a), cases[i].text);
		assert_str(xml_unescape(str_c(cases[i].in), true, &a), cases[i].value);
	}
	arena_clear(&a);
}

static void copies(void **state)
{
	struct fixture *f = scan("<iq to='x'><query/></iq>");
	struct xml_table copy = { 0 }, empty = { 0 }, none = { 0 };
	struct xml_node *memory = f->t.nodes;

	xml_table_copy(&copy, &f->t);
	assert_int_equal(copy.n_nodes, 2);
	assert_int_equal(copy.n_attrs, 1);
	assert_memory_equal(copy.nodes, memory, 2 * sizeof *memory);
	assert_int_equal(f->t.n_nodes, 0);
	assert_int_equal(f->t.n_attrs, 0);
	assert_ptr_equal(f->t.nodes, memory);
	xml_table_copy(&none, &empty);
	assert_int_equal(none.n_nodes, 0);
	xml_table_clear(&none);
	xml_table_clear(&copy);
	drop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walks),
		cmocka_unit_test(no_root),
		cmocka_unit_test(attributes),
		cmocka_unit_test(texts),
		cmocka_unit_test(names_and_slices),
		cmocka_unit_test(outer_namespace),
		cmocka_unit_test(unescapes),
		cmocka_unit_test(copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
