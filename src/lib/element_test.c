/* Elements: what is built is what is written, what is written is what is read, and what cannot
 * stand in XML is told. */
#include "stentor/element.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Prints and frees the tree. */
static void assert_printed(struct stentor_element *el, const char *wanted)
{
	char *text = stentor_element_print(el);

	assert_non_null(text);
	assert_string_equal(text, wanted);
	free(text);
	stentor_element_free(&el);
	assert_null(el);
}

/* Namespaces are declared where they change; the outermost always. */
static void building(void **state)
{
	struct stentor_element *m = stentor_element_new("message", NULL), *x;

	stentor_element_set(m, "to", "a&'<\n");
	stentor_element_set(m, "to", "b");
	stentor_element_set(m, "id", NULL);
	stentor_element_set_lang(m, "de");
	stentor_element_add_leaf(m, "body", NULL, "x<&\ry");
	x = stentor_element_add(m, "x", "urn:x");
	stentor_element_set_ns(x, "urn:'a", "b", "c\td");
	stentor_element_add(x, "y", NULL);
	stentor_element_add_leaf(x, "z", "jabber:client", "");
	stentor_element_add(x, "none", "");
	assert_null(stentor_element_fault(m));
	assert_printed(m, "<message xmlns='jabber:client' to='b' xml:lang='de'>"
		"<body>x&lt;&amp;&#13;y</body>"
		"<x xmlns='urn:x' xmlns:n0='urn:&apos;a' n0:b='c&#9;d'><y/>"
		"<z xmlns='jabber:client'/><none xmlns=''/></x></message>");
}

static void mixed_content(void **state)
{
	struct stentor_element *p = stentor_element_new("p", "");

	stentor_element_add_text(p, "a");
	assert_string_equal(stentor_element_text(p), "a");
	stentor_element_add_leaf(p, "b", NULL, "in");
	stentor_element_add_text(p, "c");
	assert_string_equal(stentor_element_text(p), "ac");
	stentor_element_add_text(p, "");
	stentor_element_add_text(p, "d");
	assert_string_equal(stentor_element_text(p), "acd");
	assert_printed(p, "<p xmlns=''>a<b>in</b>cd</p>");
}

static void copies(void **state)
{
	struct stentor_element *a = stentor_element_new("a", "urn:a"), *b, *c;

	stentor_element_set(stentor_element_add_leaf(a, "c", "urn:c", "text"), "k", "v");
	b = stentor_element_new("b", "urn:c");
	c = stentor_element_add_copy(b, stentor_element_child(a, NULL, "c"));
	assert_true(stentor_element_is(c, "urn:c", "c"));
	stentor_element_add_copy(a, a);
	c = stentor_element_copy(a);
	stentor_element_free(&a);
	assert_printed(b, "<b xmlns='urn:c'><c k='v'>text</c></b>");
	assert_printed(c, "<a xmlns='urn:a'><c xmlns='urn:c' k='v'>text</c>"
		"<a><c xmlns='urn:c' k='v'>text</c></a></a>");
}

static void only_the_outermost_is_freed(void **state)
{
	struct stentor_element *a = stentor_element_new("a", NULL);
	struct stentor_element *child = stentor_element_add(a, "b", NULL);

	stentor_element_free(&child);
	assert_string_equal(stentor_element_name(child), "b");
	assert_printed(a, "<a xmlns='jabber:client'><b/></a>");
}

/* ---- reading ---- */

static void reading(void **state)
{
	struct stentor_element *el = stentor_element_parse("<a xmlns='urn:a' xmlns:p='urn:p' "
		"xml:lang='en' k='&lt;1&#10;'><p:b p:q='r'>t<![CDATA[<&]]>&gt;</p:b><c/><b/></a>");
	const struct stentor_element *b, *c;

	assert_non_null(el);
	assert_string_equal(stentor_element_attribute(el, "k"), "<1\n");
	assert_null(stentor_element_attribute(el, "xmlns"));
	b = stentor_element_child(el, NULL, NULL);
	assert_true(stentor_element_is(b, "urn:p", "b"));
	assert_string_equal(stentor_element_ns(b), "urn:p");
	assert_string_equal(stentor_element_text(b), "t<&>");
	assert_string_equal(stentor_element_attribute_ns(b, "urn:p", "q"), "r");
	assert_null(stentor_element_attribute(b, "q"));
	assert_string_equal(stentor_element_lang(b), "en");
	c = stentor_element_next(b, NULL, NULL);
	assert_string_equal(stentor_element_name(c), "c");
	assert_string_equal(stentor_element_text(c), "");
	assert_ptr_equal(stentor_element_child(el, "urn:a", NULL), c);
	assert_non_null(stentor_element_next(c, "urn:a", "b"));
	assert_null(stentor_element_next(c, "urn:p", "b"));
	assert_string_equal(stentor_element_child_text(el, "urn:p", "b"), "t<&>");
	assert_null(stentor_element_child_text(el, "urn:x", NULL));
	stentor_element_free(&el);
}

/* What is not there need not be asked for twice. */
static void nothing(void **state)
{
	assert_false(stentor_element_is(NULL, NULL, NULL));
	assert_null(stentor_element_child(NULL, NULL, NULL));
	assert_null(stentor_element_attribute(NULL, "a"));
	assert_string_equal(stentor_element_text(NULL), "");
	assert_null(stentor_element_child_text(NULL, NULL, NULL));
	assert_null(stentor_element_lang(NULL));
}

static void round_trips(void **state)
{
	static const char *const texts[] = {
		"<a xmlns='jabber:client'/>",
		"<a xmlns=''><b xmlns='urn:b'><c xmlns=''/></b>text</a>",
		"<a xmlns='urn:a' x='1' xmlns:n1='urn:n' n1:x='2' xml:lang='de'>\303\244</a>",
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_printed(stentor_element_parse(texts[i]), texts[i]);
}

/* RFC 6120 section 11.1, and what is not well-formed. */
static void what_is_not_read(void **state)
{
	static const char *const texts[] = { "", "a", "<a>", "<a></b>", "<a/><b/>", "<!--x--><a/>",
		"<?x y?><a/>", "<!DOCTYPE a><a/>", "<p:a/>", "<a>&b;</a>", "<a b='1' b='2'/>",
		"<a>\xff</a>" };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_null(stentor_element_parse(texts[i]));
}

/* ---- what cannot be written ---- */

static void assert_spoilt(struct stentor_element *el)
{
	assert_non_null(stentor_element_fault(el));
	assert_null(stentor_element_print(el));
	struct stentor_element *copy = stentor_element_copy(el);
	struct stentor_element *other = stentor_element_new("o", NULL);
	stentor_element_add_copy(other, el);
	assert_non_null(stentor_element_fault(copy));
	assert_non_null(stentor_element_fault(other));
	stentor_element_free(&copy);
	stentor_element_free(&other);
	stentor_element_free(&el);
}

/* XML 1.0 production 2, and RFC 3629. */
static void texts_that_spoil(void **state)
{
	static const char *const texts[] = { "\x01", "a\x1f", "\xff", "\xc0\x80", "\xed\xa0\x80",
		"\xef\xbf\xbe", "cut \xc3" };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct stentor_element *el = stentor_element_new("a", NULL);
		stentor_element_add_text(el, texts[i]);
		assert_spoilt(el);
		el = stentor_element_new("a", NULL);
		stentor_element_set(el, "b", texts[i]);
		assert_spoilt(el);
		assert_spoilt(stentor_element_new("a", texts[i]));
	}
}

/* Namespaces in XML 1.0, production 4. */
static void names_that_spoil(void **state)
{
	static const char *const names[] = { "", "a b", "1", "-a", "a:b", "a>", "a\xc3",
		"\xc3\x97" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		assert_spoilt(stentor_element_new(names[i], NULL));
		struct stentor_element *el = stentor_element_new("a", NULL);
		stentor_element_set(el, names[i], "v");
		assert_spoilt(el);
		el = stentor_element_new("a", NULL);
		stentor_element_add(el, names[i], NULL);
		assert_spoilt(el);
	}
	struct stentor_element *el = stentor_element_new("a", NULL);
	stentor_element_set(el, "xmlns", "urn:x");
	assert_spoilt(el);
	assert_printed(stentor_element_new("\xc3\xa4-1.2", ""), "<\xc3\xa4-1.2 xmlns=''/>");
}

static struct stentor_element *nested(unsigned depth)
{
	struct stentor_element *root = stentor_element_new("a", NULL), *el = root;

	while (--depth)
		el = stentor_element_add(el, "a", NULL);
	stentor_element_add_text(el, "deepest");
	return root;
}

static void depth(void **state)
{
	struct stentor_element *fits = nested(STENTOR_DEPTH_MAX), *other;
	char *text = stentor_element_print(fits);

	assert_non_null(text);
	free(text);
	other = stentor_element_new("b", NULL);
	stentor_element_add_copy(other, fits);
	assert_spoilt(other);
	stentor_element_free(&fits);
	assert_spoilt(nested(STENTOR_DEPTH_MAX + 1));
	assert_spoilt(nested(100000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(building),
		cmocka_unit_test(mixed_content),
		cmocka_unit_test(copies),
		cmocka_unit_test(only_the_outermost_is_freed),
		cmocka_unit_test(reading),
		cmocka_unit_test(nothing),
		cmocka_unit_test(round_trips),
		cmocka_unit_test(what_is_not_read),
		cmocka_unit_test(texts_that_spoil),
		cmocka_unit_test(names_that_spoil),
		cmocka_unit_test(depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
