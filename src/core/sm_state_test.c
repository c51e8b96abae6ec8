#include "core/sm.h"

#include "core/account.h"
#include "core/testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROMEO    test_jid("romeo@a.example")
#define ID       "id='AAAAAAAAAAAAAAAAAAAAAAAA'"
#define OPEN     "<session xmlns='jabber:client'"
#define HEAD     OPEN " resource='x' resume-seconds='60' " ID
#define TO       " to='romeo@a.example'"
#define MESSAGE  "<message from='juliet@a.example/y'><body>1</body></message>"

/* What lies in the store may be of an older version, or of another server that was imported. */
static void test_what_is_no_session_harms_nobody(void **state)
{
	static const struct {
		const char *name, *text;
		bool ok;
		uint32_t unacked;
	} cases[] = {
		{ "nothing", "", false, 0 },
		{ "no XML", "session", false, 0 },
		{ "cut", HEAD "><unacked>", false, 0 },
		{ "no resource", OPEN " resume-seconds='60' " ID "/>", false, 0 },
		{ "no id", OPEN " resource='x' resume-seconds='60'/>", false, 0 },
		{ "a short id", OPEN " resource='x' resume-seconds='60' id='A'/>", false, 0 },
		{ "no time", OPEN " resource='x' " ID "/>", false, 0 },
		{ "no number", OPEN " resource='x' resume-seconds='-1' " ID "/>", false, 0 },
		{ "no more than that", HEAD "/>", true, 0 },
		{ "elements it does not know", HEAD "><x/>text</session>", true, 0 },
		{ "a message", HEAD "><unacked" TO ">" MESSAGE "</unacked></session>", true, 1 },
		{ "text", HEAD "><unacked text='true'><iq/></unacked></session>", true, 1 },
		{ "both", HEAD "><unacked text='true'><iq/></unacked><unacked" TO ">" MESSAGE
			"</unacked></session>", true, 2 },
		{ "an empty text", HEAD "><unacked text='true'/></session>", true, 0 },
		{ "no stanza", HEAD "><unacked" TO "/></session>", true, 0 },
		{ "another element", HEAD "><unacked" TO "><x/></unacked></session>", true, 0 },
		{ "no address", HEAD "><unacked>" MESSAGE "</unacked></session>", true, 0 },
		{ "presence that is none",
			HEAD "><available/><available><x/></available></session>", true, 0 },
		{ "an address that is none", HEAD "><directed>@</directed></session>", true, 0 },
	};
	struct core_side x;

	core_side_init(&x, 1);
	x.settings->unacked_max = 1 << 20;
	struct account *a = account_new_guest(x.core.shards[0], ROMEO);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		print_message("%s\n", cases[i].name);
		assert_int_equal(sm_restore(a, str_c(cases[i].text)), cases[i].ok);
		assert_int_equal(a->n_sessions, cases[i].ok);
		if (!cases[i].ok)
			continue;
		struct session *s = session_find(a, STR("x"));
		assert_int_equal(s->sm->n, cases[i].unacked);
		session_end(s);
	}
	core_side_clear(&x);
}

/* What was written is read again, and written the same. */
static void test_there_and_back(void **state)
{
	static const char *const cases[] = {
		HEAD "/>",
		HEAD " received='4294967295' sent='4294967295' since='7' interested='true'"
			" blocks='true' carbons='true'/>",
		HEAD "><available><presence from='romeo@a.example/x'><priority>-3</priority>"
			"</presence></available><directed>juliet@a.example/y</directed></session>",
		HEAD " sent='2'><unacked flags='1' stamp='5' text='true'><iq>a &lt; b</iq>"
			"</unacked><unacked flags='3' stamp='6' archive-id='9' place='0'" TO ">" MESSAGE
			"</unacked></session>",
	};
	struct core_side x;

	core_side_init(&x, 1);
	x.settings->unacked_max = 1 << 20;
	struct account *a = account_new_guest(x.core.shards[0], ROMEO);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf first, second;
		buf_init(&first, 65536);
		buf_init(&second, 65536);
		assert_true(sm_restore(a, str_c(cases[i])));
		struct session *s = session_find(a, STR("x"));
		assert_int_equal(i == 2 ? -3 : 0, s->priority);
		assert_int_equal(i == 3 ? 2 : 0, s->sm->n);
		assert_true(i != 1 || (s->carbons && s->interested && s->wants_blocks));
		sm_save(s->sm, &first);
		session_end(s);
		assert_true(sm_restore(a, buf_str(&first)));
		s = session_find(a, STR("x"));
		sm_save(s->sm, &second);
		session_end(s);
		assert_true(str_eq(buf_str(&first), buf_str(&second)));
		buf_clear(&first);
		buf_clear(&second);
	}
	core_side_clear(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_no_session_harms_nobody),
		cmocka_unit_test(test_there_and_back),
	};

	log_setup(LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
