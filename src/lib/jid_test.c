#include "stentor/jid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* RFC 7622 sections 3.2 to 3.5; the profiles themselves are xmpp/jid's. */
static void parts(void **state)
{
	static const struct {
		const char *text, *full, *bare, *local, *domain, *resource;
	} cases[] = {
		{ "A@Example.ORG/R", "a@example.org/R", "a@example.org", "a", "example.org", "R" },
		{ "example.org", "example.org", "example.org", "", "example.org", "" },
		{ "example.org/a@b/c", "example.org/a@b/c", "example.org", "", "example.org",
			"a@b/c" },
		{ "a@xn--bcher-kva.example", "a@b\303\274cher.example", "a@b\303\274cher.example",
			"a", "b\303\274cher.example", "" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stentor_jid *j = stentor_jid_new(cases[i].text);
		assert_non_null(j);
		assert_string_equal(stentor_jid_full(j), cases[i].full);
		assert_string_equal(stentor_jid_bare(j), cases[i].bare);
		assert_string_equal(stentor_jid_local(j), cases[i].local);
		assert_string_equal(stentor_jid_domain(j), cases[i].domain);
		assert_string_equal(stentor_jid_resource(j), cases[i].resource);
		stentor_jid_free(&j);
		assert_null(j);
	}
}

static void what_is_none(void **state)
{
	static const char *const texts[] = { NULL, "", "@a", "a@", "a@b/", "a b@c", "a@b c", "/r" };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_null(stentor_jid_new(texts[i]));
}

static void making(void **state)
{
	struct stentor_jid *j = stentor_jid_make("A", "Example.org", "R");

	assert_string_equal(stentor_jid_full(j), "a@example.org/R");
	stentor_jid_free(&j);
	j = stentor_jid_make(NULL, "example.org", "");
	assert_string_equal(stentor_jid_full(j), "example.org");
	stentor_jid_free(&j);
	assert_null(stentor_jid_make("a@b", "c", NULL));
	assert_null(stentor_jid_make("a", "b@c", NULL));
	assert_null(stentor_jid_make("a", NULL, NULL));
	assert_null(stentor_jid_make("a", "b", "\x01"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts),
		cmocka_unit_test(what_is_none),
		cmocka_unit_test(making),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
