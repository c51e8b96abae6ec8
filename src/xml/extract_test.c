/* Namespaces in XML section 6: a declaration holds for the elements inside, unless one of them
 * declares the same prefix. */
#include "base/bug.h"
#include "xml/extract.h"
#include "xml/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The element that is taken out is named "el", maybe with a prefix. */
static const struct {
	const char *name, *in, *out;
} cases[] = {
	{ "it declares its own", "<iq><el xmlns='urn:1' a='1'>x</el></iq>",
	  "<el xmlns='urn:1' a='1'>x</el>" },
	{ "nothing is declared", "<iq><el a='1'/></iq>", "<el a='1'/>" },
	{ "the whole document", "<el xmlns='urn:1'><a/></el>", "<el xmlns='urn:1'><a/></el>" },
	{ "the default namespace of its parent", "<iq><q xmlns='urn:1'><el><b/></el></q></iq>",
	  "<el xmlns='urn:1'><b/></el>" },
	{ "one declared nearer", "<iq xmlns='urn:0'><q xmlns=\"urn:1\"><el/></q></iq>",
	  "<el xmlns=\"urn:1\"/>" },
	{ "its own prefix", "<iq xmlns:p='urn:p'><p:el>x</p:el></iq>",
	  "<p:el xmlns:p='urn:p'>x</p:el>" },
	{ "a prefix used further inside", "<iq xmlns:p='urn:p'><el xmlns='urn:1'><p:b/></el></iq>",
	  "<el xmlns:p='urn:p' xmlns='urn:1'><p:b/></el>" },
	{ "a prefix that it declares anew", "<iq xmlns:p='urn:p'><p:el xmlns:p='urn:q'/></iq>",
	  "<p:el xmlns:p='urn:q'/>" },
	{ "several, other attributes left", "<iq xmlns:p='u:p' a='1' xmlns:q='&quot;'><el/></iq>",
	  "<el xmlns:p='u:p' xmlns:q='&quot;'/>" },
	{ "no namespace", "<iq><q xmlns=''><el/></q></iq>", "<el xmlns=''/>" },
	{ "what stands beside it", "<iq><a xmlns='urn:1'/>t<el/><b/></iq>", "<el/>" },
	{ "space in its tags", "<iq><q xmlns='urn:1'><el\n a = '1' ></el ></q></iq>",
	  "<el xmlns='urn:1'\n a = '1' ></el >" },
};

static const struct xml_node *find(const struct xml_doc *d)
{
	for (uint32_t i = 0; i < d->n_nodes; i++)
		if (d->nodes[i].kind == XML_ELEMENT && str_eq(xml_name(d, &d->nodes[i]), STR("el")))
			return &d->nodes[i];
	BUG("no element to take out");
}

typedef void extracting(struct buf *b, const struct xml_doc *d, const struct xml_node *el);

static void extract(const char *xml, extracting *run, struct buf *out)
{
	struct xml_table t = { 0 };
	struct buf in;

	buf_init(&in, 4000);
	buf_add(&in, str_c(xml));
	BUG_ON(!buf_reserve(&in, SCAN_PAD));
	assert_int_equal(scan_document(&t, &scan_limits_user, NS_CLIENT, in.p, in.n), SCAN_OK);
	struct xml_doc d = xml_table_doc(&t, in.p, in.n);
	run(out, &d, find(&d));
	xml_table_clear(&t);
	buf_clear(&in);
}

static void an_element_means_the_same_elsewhere(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf out;

		buf_init(&out, 4000);
		extract(cases[i].in, xml_extract, &out);
		if (!str_eq(buf_str(&out), str_c(cases[i].out)))
			fail_msg("%s: %.*s", cases[i].name, STR_FMT(buf_str(&out)));
		buf_clear(&out);
	}
}

/* The default namespace outside of a stanza is the stream's (RFC 6120 section 4.8.2). */
static void what_stands_alone_declares_the_content_namespace(void **state)
{
	static const struct {
		const char *in, *out;
	} alone[] = {
		{ "<iq><p:q xmlns:p='urn:p'><el><p:b/></el></p:q></iq>",
		  "<el xmlns:p='urn:p' xmlns='jabber:client'><p:b/></el>" },
		{ "<iq><p:q xmlns:p='urn:p'><p:el><b/></p:el></p:q></iq>",
		  "<p:el xmlns:p='urn:p' xmlns='jabber:client'><b/></p:el>" },
		{ "<iq><q xmlns='urn:1'><el/></q></iq>", "<el xmlns='urn:1'/>" },
		{ "<iq><p:q xmlns:p='urn:p'><el xmlns=''/></p:q></iq>",
		  "<el xmlns:p='urn:p' xmlns=''/>" },
	};

	for (size_t i = 0; i < sizeof alone / sizeof alone[0]; i++) {
		struct buf out;

		buf_init(&out, 4000);
		extract(alone[i].in, xml_extract_alone, &out);
		assert_true(str_eq(buf_str(&out), str_c(alone[i].out)));
		buf_clear(&out);
	}
}

static void what_does_not_fit_is_not_written(void **state)
{
	struct buf out;

	buf_init(&out, 10);
	extract("<iq><q xmlns='urn:1'><el/></q></iq>", xml_extract, &out);
	assert_false(buf_ok(&out));
	buf_clear(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_element_means_the_same_elsewhere),
		cmocka_unit_test(what_stands_alone_declares_the_content_namespace),
		cmocka_unit_test(what_does_not_fit_is_not_written),
	};
	return cmocka_run_group_tests_name("extract", tests, NULL, NULL);
}
