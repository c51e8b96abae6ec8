/* Keys of dialback against the examples of XEP-0185 and XEP-0220. */
#include "xmpp/dialback.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
	const char *name, *secret, *receiving, *originating, *id, *key;
} keys[] = {
	{ "XEP-0185 section 3", "s3cr3tf0rd14lb4ck", "xmpp.example.com", "example.org", "D60000229F",
		"37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643" },
	{ "XEP-0220 example 1", "s3cr3tf0rd14lb4ck", "montague.example", "capulet.example",
		"D60000229F", "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3" },
	{ "XEP-0220 example 5", "d14lb4ck43v3r", "capulet.example", "montague.example", "417GAF25",
		"225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d" },
};

static void test_vectors(void **state)
{
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		char key[DIALBACK_KEY_LEN];
		dialback_key(str_c(keys[i].secret), str_c(keys[i].receiving),
			str_c(keys[i].originating), str_c(keys[i].id), key);
		if (!str_eq(str_from(key, sizeof key), str_c(keys[i].key)))
			fail_msg("%s: %.*s", keys[i].name, DIALBACK_KEY_LEN, key);
	}
}

/* Each of the four inputs counts, and so does each byte of the key. */
static void test_others(void **state)
{
	struct str secret = STR("s3cr3tf0rd14lb4ck"), receiving = STR("xmpp.example.com");
	struct str originating = STR("example.org"), id = STR("D60000229F");
	struct str key = str_c(keys[0].key);
	char other[DIALBACK_KEY_LEN];

	assert_true(dialback_key_is_right(secret, receiving, originating, id, key));
	assert_false(dialback_key_is_right(STR("other"), receiving, originating, id, key));
	assert_false(dialback_key_is_right(secret, originating, receiving, id, key));
	assert_false(dialback_key_is_right(secret, receiving, STR("example.net"), id, key));
	assert_false(dialback_key_is_right(secret, receiving, originating, STR("D60000229E"), key));
	/* Section 2, item 5: the parts do not run into each other. */
	assert_false(dialback_key_is_right(secret, STR("xmpp.example.co"), STR("mexample.org"), id,
		key));
	assert_false(dialback_key_is_right(secret, receiving, originating, id, STR("")));
	assert_false(dialback_key_is_right(secret, receiving, originating, id, str_head(key, 63)));
	for (size_t i = 0; i < sizeof other; i++) {
		memcpy(other, key.p, sizeof other);
		other[i] ^= 1;
		assert_false(dialback_key_is_right(secret, receiving, originating, id,
			str_from(other, sizeof other)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
