#include "xml/lookup.h"
#include "xml/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* An allocation of exactly these bytes, so that the sanitizer sees a look behind them. */
static struct str exact(struct str s)
{
	char *p = malloc(s.n + !s.n);

	assert_non_null(p);
	if (s.n)
		memcpy(p, s.p, s.n);
	return str_from(p, s.n);
}

static void all_listed(void **state)
{
	for (unsigned ns = NS_XML; ns < XML_NS_COUNT; ns++) {
		struct str s = exact(xml_ns_str((enum xml_ns)ns));
		assert_int_equal(xml_ns_id(s), ns);
		free((char *)s.p);
	}
	for (unsigned tag = 1; tag < XML_TAG_COUNT; tag++) {
		struct str s = exact(xml_tag_str((enum xml_tag)tag));
		char padded[300] = { 0 };
		assert_int_equal(xml_tag_id(s), tag);
		assert_true(s.n < sizeof padded - 8);
		memset(padded, 'x', sizeof padded);
		memcpy(padded, s.p, s.n);
		assert_int_equal(tag_find_padded(padded, s.n), tag);
		free((char *)s.p);
	}
}

/* Each listed name with one byte changed, added or dropped is another name. */
static void near_misses(void **state)
{
	for (unsigned tag = 1; tag < XML_TAG_COUNT; tag++) {
		struct str s = xml_tag_str((enum xml_tag)tag);
		char bytes[300];
		memcpy(bytes, s.p, s.n);
		bytes[s.n] = 'q';
		assert_int_not_equal(xml_tag_id(str_from(bytes, s.n + 1)), tag);
		assert_int_not_equal(xml_tag_id(str_head(s, s.n - 1)), tag);
		for (size_t i = 0; i < s.n; i++) {
			bytes[i] ^= 0x20;
			assert_int_not_equal(xml_tag_id(str_from(bytes, s.n)), tag);
			bytes[i] ^= 0x20;
		}
	}
}

static void others(void **state)
{
	static const char *const uris[] = { "x", "jabber", "jabber:clien", "jabber:clientx",
		"xabber:client", "urn:example:that-is-not-in-the-list" };

	for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++)
		assert_int_equal(xml_ns_id(str_c(uris[i])), NS_OTHER);
	assert_int_equal(xml_ns_id(STR("")), NS_NONE);
	assert_int_equal(xml_ns_id(STR_NULL), NS_NONE);
	assert_int_equal(xml_tag_id(STR("")), TAG_OTHER);
	assert_int_equal(xml_tag_id(STR("no-such-name-at-all")), TAG_OTHER);
	assert_int_equal(xml_ns_str(NS_NONE).n, 0);
	assert_int_equal(xml_ns_str(NS_OTHER).n, 0);
	assert_int_equal(xml_tag_str(TAG_OTHER).n, 0);
}

static void well_known(void **state)
{
	assert_int_equal(xml_ns_id(STR("jabber:client")), NS_CLIENT);
	assert_int_equal(xml_ns_id(STR("http://www.w3.org/XML/1998/namespace")), NS_XML);
	assert_int_equal(xml_tag_id(STR("message")), TAG_MESSAGE);
	assert_int_equal(xml_tag_id(STR("channel-binding")), TAG_CHANNEL_BINDING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_listed),
		cmocka_unit_test(near_misses),
		cmocka_unit_test(others),
		cmocka_unit_test(well_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
