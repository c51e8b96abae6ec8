#include "core/personal.h"

#include "base/bug.h"
#include "xml/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct xml_doc scan_text(const char *xml, struct xml_table *t, struct arena *a)
{
	size_t n = strlen(xml);
	char *p = arena_alloc(a, n + SCAN_PAD);

	memcpy(p, xml, n);
	memset(p + n, 0, SCAN_PAD);
	*t = (struct xml_table){ 0 };
	assert_int_equal(scan_document(t, &scan_limits_user, NS_CLIENT, p, n), SCAN_OK);
	return xml_table_doc(t, p, n);
}

static void assert_text(const char *name, struct str is, const char *should)
{
	if (!str_eq(is, str_c(should)))
		fail_msg("%s: '%.*s', not '%s'", name, STR_FMT(is), should);
}

/* "abc" is the first example of RFC 3174 section 7.3. */
#define ABC "a9993e364706816aba3e25717850c26c9cd0d89d"

static void the_hash_is_of_the_image_not_of_its_base_64(void **state)
{
	static const struct {
		const char *name, *inside, *hash;
	} cases[] = {
		{ "section 3.1", "<PHOTO><TYPE>image/png</TYPE><BINVAL>YWJj</BINVAL></PHOTO>", ABC },
		{ "white space, section 4.6 rule 5",
		  "<PHOTO><BINVAL>\n\t YW\r\nJj\n</BINVAL></PHOTO>", ABC },
		{ "references and CDATA", "<PHOTO><BINVAL>&#89;W<![CDATA[Jj]]></BINVAL></PHOTO>",
		  ABC },
		{ "no photo", "<FN>x</FN>", "" },
		{ "nothing", "", "" },
		{ "an empty photo", "<PHOTO/>", "" },
		{ "an empty image, section 4.3", "<PHOTO><BINVAL/></PHOTO>", "" },
		{ "a link, section 4.5 rule 2",
		  "<PHOTO><EXTVAL>http://x/</EXTVAL></PHOTO>", "" },
		{ "no base 64", "<PHOTO><BINVAL>*</BINVAL></PHOTO>", "" },
		{ "cut base 64", "<PHOTO><BINVAL>YWJ</BINVAL></PHOTO>", "" },
		{ "of another namespace",
		  "<PHOTO xmlns='urn:x'><BINVAL>YWJj</BINVAL></PHOTO>", "" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct xml_table t;
		struct arena a;

		arena_init(&a, 1024);
		struct xml_doc d = scan_text(str_printf(&a, "<vCard xmlns='vcard-temp'>%s</vCard>",
			cases[i].inside).p, &t, &a);
		assert_text(cases[i].name, vcard_photo(&d, xml_root(&d), &a), cases[i].hash);
		xml_table_clear(&t);
		arena_clear(&a);
	}
}

static void a_private_element_is_known_by_name_and_namespace(void **state)
{
	static const struct {
		const char *name, *xml, *key;
	} cases[] = {
		{ "XEP-0049 example 1", "<exodus xmlns='exodus:prefs'><a/></exodus>",
		  "exodus exodus:prefs" },
		{ "a prefix does not count", "<p:exodus xmlns:p='exodus:prefs'/>",
		  "exodus exodus:prefs" },
		{ "references do not", "<exodus xmlns='exodus&#58;prefs'/>", "exodus exodus:prefs" },
		{ "a known namespace", "<x xmlns='jabber:x:data'/>", "x jabber:x:data" },
		{ "none", "<x xmlns=''/>", "x " },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct xml_table t;
		struct arena a;

		arena_init(&a, 1024);
		struct xml_doc d = scan_text(cases[i].xml, &t, &a);
		assert_text(cases[i].name, private_key(&d, xml_root(&d), &a), cases[i].key);
		xml_table_clear(&t);
		arena_clear(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hash_is_of_the_image_not_of_its_base_64),
		cmocka_unit_test(a_private_element_is_known_by_name_and_namespace),
	};
	return cmocka_run_group_tests_name("personal", tests, NULL, NULL);
}
