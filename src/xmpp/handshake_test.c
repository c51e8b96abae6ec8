#include "xmpp/handshake.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* XEP-0114 section 3: example 3, whose secret is "test"; RFC 3174's "abc" cut in two; nothing. */
static void digests(void **state)
{
	static const struct {
		struct str id, secret, digest;
	} cases[] = {
		{ STR_INIT("3BF96D32"), STR_INIT("test"),
			STR_INIT("aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e") },
		{ STR_INIT("a"), STR_INIT("bc"), STR_INIT("a9993e364706816aba3e25717850c26c9cd0d89d") },
		{ STR_INIT("abc"), STR_INIT(""), STR_INIT("a9993e364706816aba3e25717850c26c9cd0d89d") },
		{ STR_INIT(""), STR_INIT(""), STR_INIT("da39a3ee5e6b4b0d3255bfef95601890afd80709") },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char got[HANDSHAKE_LEN];
		handshake_digest(cases[i].id, cases[i].secret, got);
		assert_memory_equal(got, cases[i].digest.p, HANDSHAKE_LEN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(digests) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
