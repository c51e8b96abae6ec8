#include "xmpp/pubsub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ERRORS " xmlns='http://jabber.org/protocol/pubsub#errors'"

static void assert_str(struct str is, const char *want)
{
	if (!str_eq(is, str_c(want)))
		fail_msg("'%.*s' is not '%s'", STR_FMT(is), want);
}

/* Sections 4.1, 4.2, 4.5 and 16.4.4: each name is read as what it is written for, and as nothing
 * else. */
#define TEST_NAMES(test, type, count, name_of, parse, ...) \
	static void test(void **state) \
	{ \
		static const char *const names[] = { __VA_ARGS__ }; \
		enum type out; \
		assert_int_equal(count, sizeof names / sizeof names[0]); \
		for (unsigned i = 0; i < count; i++) { \
			struct str name = str_c(names[i]); \
			assert_str(name_of((enum type)i), names[i]); \
			out = (enum type)((i + 1) % count); \
			assert_true(parse(name, &out)); \
			assert_int_equal(out, i); \
			assert_false(parse(str_head(name, name.n - 1), &out)); \
			assert_int_equal(out, i); \
		} \
		assert_false(parse(STR(""), &out)); \
		assert_false(parse(STR("Open"), &out)); \
	}

TEST_NAMES(test_affiliations, node_affiliation, NODE_AFFILIATIONS, node_affiliation_name,
	node_affiliation_parse, "outcast", "none", "member", "publish-only", "publisher", "owner")
TEST_NAMES(test_states, subscription_state, SUBSCRIPTION_STATES, subscription_state_name,
	subscription_state_parse, "none", "pending", "unconfigured", "subscribed")
TEST_NAMES(test_access_models, access_model, ACCESS_MODELS, access_model_name, access_model_parse,
	"open", "presence", "roster", "authorize", "whitelist")
TEST_NAMES(test_publish_models, publish_model, PUBLISH_MODELS, publish_model_name,
	publish_model_parse, "publishers", "subscribers", "open")
TEST_NAMES(test_send_last, send_last, SEND_LASTS, send_last_name, send_last_parse,
	"never", "on_sub", "on_sub_and_presence")

/* The <error/> of each example, as the specification has it. */
static void test_refusals(void **state)
{
	static const struct {
		enum pubsub_refusal why;
		const char *example, *type, *error, *condition;
	} cases[] = {
		{ PS_INVALID_JID, "30", "modify", "bad-request", "invalid-jid" },
		{ PS_PRESENCE_REQUIRED, "31", "auth", "not-authorized",
			"presence-subscription-required" },
		{ PS_NOT_IN_ROSTER_GROUP, "32", "auth", "not-authorized", "not-in-roster-group" },
		{ PS_CLOSED_NODE, "33", "cancel", "not-allowed", "closed-node" },
		{ PS_PENDING_SUBSCRIPTION, "36", "auth", "not-authorized", "pending-subscription" },
		{ PS_TOO_MANY_SUBSCRIPTIONS, "38", "wait", "policy-violation",
			"too-many-subscriptions" },
		{ PS_CONFIGURATION_REQUIRED, "44", "modify", "not-acceptable",
			"configuration-required" },
		{ PS_SUBID_REQUIRED, "49", "modify", "bad-request", "subid-required" },
		{ PS_NOT_SUBSCRIBED, "50", "cancel", "unexpected-request", "not-subscribed" },
		{ PS_INVALID_SUBID, "53", "modify", "not-acceptable", "invalid-subid" },
		{ PS_NO_SUCH_SUBSCRIBER, "58", "modify", "unexpected-request", "not-subscribed" },
		{ PS_JID_REQUIRED, "59", "modify", "bad-request", "jid-required" },
		{ PS_INVALID_OPTIONS, "66", "modify", "bad-request", "invalid-options" },
		{ PS_ONLY_FOR_SUBSCRIBERS, "86", "auth", "not-authorized", "not-subscribed" },
		{ PS_NODE_FULL, "108", "cancel", "conflict", "node-full" },
		{ PS_PAYLOAD_TOO_BIG, "109", "modify", "not-acceptable", "payload-too-big" },
		{ PS_INVALID_PAYLOAD, "110", "modify", "bad-request", "invalid-payload" },
		{ PS_ITEM_REQUIRED, "111", "modify", "bad-request", "item-required" },
		{ PS_PAYLOAD_REQUIRED, "112", "modify", "bad-request", "payload-required" },
		{ PS_ITEM_FORBIDDEN, "113", "modify", "bad-request", "item-forbidden" },
		{ PS_NODEID_REQUIRED, "121", "modify", "bad-request", "nodeid-required" },
		{ PS_UNSUPPORTED_ACCESS_MODEL, "136", "modify", "not-acceptable",
			"unsupported-access-model" },
		{ PS_PRECONDITION_NOT_MET, "section 7.1.5", "cancel", "conflict",
			"precondition-not-met" },
		{ PS_MAX_ITEMS_EXCEEDED, "none", "cancel", "not-allowed", "max-items-exceeded" },
		{ PS_MAX_NODES_EXCEEDED, "none", "wait", "policy-violation", "max-nodes-exceeded" },
	};
	bool seen[PS_REFUSALS] = { false };

	assert_int_equal(PS_REFUSALS, sizeof cases / sizeof cases[0]);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stanza_refusal r = pubsub_refuse(cases[i].why);
		char condition[128];
		print_message("example %s\n", cases[i].example);
		snprintf(condition, sizeof condition, "<%s" ERRORS "/>", cases[i].condition);
		assert_str(stanza_error_name(r.error), cases[i].error);
		assert_str(r.type.p ? r.type : stanza_error_type(r.error), cases[i].type);
		assert_str(r.condition, condition);
		assert_null(r.text.p);
		assert_false(seen[cases[i].why]);
		seen[cases[i].why] = true;
	}
}

/* Examples 19 and 39. */
static void test_unsupported(void **state)
{
	struct arena a;

	arena_init(&a, 256);
	struct stanza_refusal r = pubsub_unsupported("retrieve-subscriptions", &a);
	assert_int_equal(r.error, ERR_FEATURE_NOT_IMPLEMENTED);
	assert_null(r.type.p);
	assert_str(r.condition, "<unsupported" ERRORS " feature='retrieve-subscriptions'/>");
	assert_str(pubsub_unsupported("subscribe", &a).condition,
		"<unsupported" ERRORS " feature='subscribe'/>");
	arena_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_affiliations),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_access_models),
		cmocka_unit_test(test_publish_models),
		cmocka_unit_test(test_send_last),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_unsupported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
