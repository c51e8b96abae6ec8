/* RFC 6120 section 4.8.5: a stanza that leans on its stream's header is written so that it
 * stands on its own. That the tree stays the same is held by test_events.h in the scanner's
 * tests; here is what the bytes look like. */
#include "base/bug.h"
#include "xml/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define USUAL "<stream:stream xmlns='jabber:client' xmlns:h='urn:h' " \
	"xmlns:stream='http://etherx.jabber.org/streams'>"
#define PREFIX_FREE "<stream xmlns='http://etherx.jabber.org/streams'>"
#define UNKNOWN "<s xmlns='urn:u&amp;'>"
#define COMPONENT "<stream:stream xmlns='jabber:component:accept' xmlns:c='jabber:component:accept' " \
	"xmlns:stream='http://etherx.jabber.org/streams'>"

static const struct {
	const char *header, *in, *out;
} cases[] = {
	{ USUAL, "<a b='c'>x<b/></a>", "<a b='c'>x<b/></a>" },
	{ USUAL, "<c:message xmlns:c='jabber:client' to='x'><c:body >x</c:body ></c:message>",
		"<message to='x'><body>x</body></message>" },
	{ USUAL, "<iq><h:x h:y='1' xml:lang='en'/></iq>",
		"<iq><x xmlns='urn:h' xmlns:h='urn:h' h:y='1' xml:lang='en'/></iq>" },
	{ USUAL, "<stream:error/>", "<error xmlns='http://etherx.jabber.org/streams'/>" },
	{ USUAL, "<iq><p:x xmlns:p='urn:1'><p:y/><z xmlns='urn:1'/><w/></p:x></iq>",
		"<iq><x xmlns='urn:1'><y/><z/><w xmlns='jabber:client'/></x></iq>" },
	{ USUAL, "<iq><x xmlns='urn:1'><y xmlns='urn:2'/></x></iq>",
		"<iq><x xmlns='urn:1'><y xmlns='urn:2'/></x></iq>" },
	{ USUAL, "<iq><x xmlns=''><y/></x></iq>", "<iq><x xmlns=''><y/></x></iq>" },
	{ USUAL, "<iq xmlns:p='u\t&apos;' p:a='1' p:b='2'/>",
		"<iq xmlns:p=\"u '\" p:a='1' p:b='2'/>" },
	{ USUAL, "<iq a=\"'&lt;\">&lt;<![CDATA[<&]]>\r\n</iq>",
		"<iq a=\"'&lt;\">&lt;<![CDATA[<&]]>\r\n</iq>" },
	{ USUAL, "<iq><xml:x><y/></xml:x></iq>", "<iq><xml:x><y/></xml:x></iq>" },
	{ USUAL, "<xml:x><y/></xml:x>", "<xml:x><y/></xml:x>" },
	{ PREFIX_FREE, "<features><x/></features>", "<features><x/></features>" },
	{ PREFIX_FREE, "<iq xmlns='jabber:client'><x/></iq>",
		"<iq xmlns='jabber:client'><x/></iq>" },
	{ UNKNOWN, "<a><b xmlns='urn:v'/><b xmlns='urn:u&#38;'/></a>",
		"<a><b xmlns='urn:v'/><b/></a>" },
	{ UNKNOWN, "<p:a xmlns:p='urn:v'><b/></p:a>",
		"<a xmlns='urn:v'><b xmlns='urn:u&amp;'/></a>" },
	/* Content that counts as jabber:client (scan_content_as()). */
	{ COMPONENT, "<iq><x xmlns='urn:1'/></iq>", "<iq><x xmlns='urn:1'/></iq>" },
	{ COMPONENT, "<iq xmlns='jabber:component:accept'><b/></iq>", "<iq><b/></iq>" },
	{ COMPONENT, "<iq xmlns='jabber:client'><b xmlns='jabber:component:accept'/></iq>",
		"<iq><b/></iq>" },
	{ COMPONENT, "<c:iq><x xmlns='urn:1'><c:b/></x></c:iq>",
		"<iq><x xmlns='urn:1'><b xmlns='jabber:client'/></x></iq>" },
	{ COMPONENT, "<iq><p:b xmlns:p='jabber&#58;component:accept'/></iq>", "<iq><b/></iq>" },
};

/* Elements of a namespace. */
static unsigned count_of(const struct xml_doc *d, enum xml_ns ns)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < d->n_nodes; i++)
		n += d->nodes[i].kind == XML_ELEMENT && d->nodes[i].ns == ns;
	return n;
}

static void forms(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct xml_table t = { 0 };
		struct scan s;
		struct buf in, out;
		size_t header, used;

		buf_init(&in, 4000);
		buf_init(&out, 4000);
		buf_add(&in, str_c(cases[i].header));
		buf_add(&in, str_c(cases[i].in));
		BUG_ON(!buf_reserve(&in, SCAN_PAD));
		scan_init(&s, &scan_limits_user);
		assert_int_equal(scan_next(&s, &t, in.p, in.n, &header), SCAN_OPEN);
		if (s.content_ns == NS_COMPONENT)
			scan_content_as(&s, NS_CLIENT);
		assert_int_equal(scan_next(&s, &t, in.p + header, in.n - header, &used),
			SCAN_STANZA);
		struct xml_doc d = xml_table_doc(&t, in.p + header, used);
		assert_int_equal(count_of(&d, NS_COMPONENT), 0);
		scan_canonical(&s, &d, &out);
		if (!str_eq(buf_str(&out), str_c(cases[i].out)))
			fail_msg("%s gives %.*s", cases[i].in, STR_FMT(buf_str(&out)));
		scan_clear(&s);
		xml_table_clear(&t);
		buf_clear(&in);
		buf_clear(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(forms) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
