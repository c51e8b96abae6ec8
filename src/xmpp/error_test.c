#include "xmpp/error.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* RFC 6120 section 8.3.3: the names in the order of the RFC, each with the type it SHOULD
 * have (the first one named where the RFC leaves a choice, except that undefined-condition
 * may have any). */
static const struct {
	const char *name, *types;
} stanza_errors[] = {
	{ "bad-request", "modify" },
	{ "conflict", "cancel" },
	{ "feature-not-implemented", "cancel modify" },
	{ "forbidden", "auth" },
	{ "gone", "cancel" },
	{ "internal-server-error", "cancel" },
	{ "item-not-found", "cancel" },
	{ "jid-malformed", "modify" },
	{ "not-acceptable", "modify" },
	{ "not-allowed", "cancel" },
	{ "not-authorized", "auth" },
	{ "policy-violation", "modify wait" },
	{ "recipient-unavailable", "wait" },
	{ "redirect", "modify" },
	{ "registration-required", "auth" },
	{ "remote-server-not-found", "cancel" },
	{ "remote-server-timeout", "wait" },
	{ "resource-constraint", "wait" },
	{ "service-unavailable", "cancel" },
	{ "subscription-required", "auth" },
	{ "undefined-condition", "auth cancel modify wait" },
	{ "unexpected-request", "wait modify" },
};

static void stanza_errors_are_those_of_rfc6120(void **state)
{
	assert_int_equal(ERR_COUNT, sizeof stanza_errors / sizeof stanza_errors[0]);
	for (unsigned i = 0; i < ERR_COUNT; i++) {
		struct str name = stanza_error_name(i), type = stanza_error_type(i);
		assert_true(str_eq(name, str_c(stanza_errors[i].name)));
		assert_true(type.n >= 4);
		assert_non_null(memmem(stanza_errors[i].types, strlen(stanza_errors[i].types),
			type.p, type.n));
	}
}

/* RFC 6120 section 4.9.3 */
static const char *const stream_errors[] = {
	"bad-format", "bad-namespace-prefix", "conflict", "connection-timeout", "host-gone",
	"host-unknown", "improper-addressing", "internal-server-error", "invalid-from",
	"invalid-namespace", "invalid-xml", "not-authorized", "not-well-formed",
	"policy-violation", "remote-connection-failed", "reset", "resource-constraint",
	"restricted-xml", "see-other-host", "system-shutdown", "undefined-condition",
	"unsupported-encoding", "unsupported-feature", "unsupported-stanza-type",
	"unsupported-version",
};

static void stream_errors_are_those_of_rfc6120(void **state)
{
	assert_int_equal(STREAM_ERROR_COUNT, sizeof stream_errors / sizeof stream_errors[0]);
	for (unsigned i = 0; i < STREAM_ERROR_COUNT; i++)
		assert_true(str_eq(stream_error_name(i), str_c(stream_errors[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stanza_errors_are_those_of_rfc6120),
		cmocka_unit_test(stream_errors_are_those_of_rfc6120),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
