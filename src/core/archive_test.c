#include "core/archive.h"

#include "core/testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROMEO test_jid("romeo@a.example")

static struct account *guest(struct core_side *x)
{
	return account_new_guest(shard_of(&x->core, ROMEO), ROMEO);
}

/* XEP-0441 section 2.1: the most exact rule, then the default. */
static void test_what_is_wanted(void **state)
{
	static const struct {
		const char *name;
		enum archive_default by_default;
		const char *always, *never; /* NULL: no such rule */
		const char *partner;
		bool wanted;
	} cases[] = {
		{ "always", ARCHIVE_ALWAYS, NULL, NULL, "juliet@a.example/x", true },
		{ "never", ARCHIVE_NEVER, NULL, NULL, "juliet@a.example/x", false },
		{ "roster: in it", ARCHIVE_ROSTER, NULL, NULL, "nurse@a.example/x", true },
		{ "roster: not in it", ARCHIVE_ROSTER, NULL, NULL, "juliet@a.example/x", false },
		{ "roster: oneself", ARCHIVE_ROSTER, NULL, NULL, "romeo@a.example/x", true },
		{ "a bare JID is all of its resources", ARCHIVE_NEVER, "juliet@a.example", NULL,
			"juliet@a.example/x", true },
		{ "and itself", ARCHIVE_ALWAYS, NULL, "juliet@a.example",
			"juliet@a.example", false },
		{ "a full JID is one of them", ARCHIVE_NEVER, "juliet@a.example/x", NULL,
			"juliet@a.example/x", true },
		{ "and no other", ARCHIVE_NEVER, "juliet@a.example/x", NULL, "juliet@a.example/y",
			false },
		{ "nor all", ARCHIVE_NEVER, "juliet@a.example/x", NULL, "juliet@a.example", false },
		{ "the full one has the say", ARCHIVE_ALWAYS, "juliet@a.example/x",
			"juliet@a.example", "juliet@a.example/x", true },
		{ "for itself", ARCHIVE_ALWAYS, "juliet@a.example/x", "juliet@a.example",
			"juliet@a.example/y", false },
		{ "a rule over the roster", ARCHIVE_ROSTER, NULL, "nurse@a.example",
			"nurse@a.example", false },
	};
	struct core_side x;

	core_side_init(&x, 1);
	struct account *a = guest(&x);
	roster_add(&a->roster, test_jid("nurse@a.example"));
	assert_true(archive_wants(a, test_jid("juliet@a.example"))); /* nothing said */
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		print_message("%s\n", cases[i].name);
		archive_prefs_default(&a->archive_prefs, cases[i].by_default);
		if (cases[i].always)
			archive_prefs_add(&a->archive_prefs, test_jid(cases[i].always), false);
		if (cases[i].never)
			archive_prefs_add(&a->archive_prefs, test_jid(cases[i].never), true);
		assert_int_equal(archive_wants(a, test_jid(cases[i].partner)), cases[i].wanted);
		archive_prefs_free(&a->archive_prefs);
		assert_null(a->archive_prefs);
	}
	core_side_clear(&x);
}

/* A later rule replaces one for the same JID; there is a bound. */
static void test_rules_are_bounded(void **state)
{
	struct archive_prefs *p = NULL;
	struct arena a;
	struct jid j;

	arena_init(&a, 4096);
	for (unsigned i = 0; i < ARCHIVE_PREFS_MAX; i++) {
		assert_true(jid_parse(str_printf(&a, "u%u@a.example", i), &a, &j));
		assert_true(archive_prefs_add(&p, j, false));
	}
	assert_false(archive_prefs_add(&p, test_jid("juliet@a.example"), true));
	assert_true(archive_prefs_add(&p, test_jid("u0@a.example"), true));
	assert_int_equal(p->n_rules, ARCHIVE_PREFS_MAX);
	assert_true(p->rules[0].never);
	archive_prefs_free(&p);
	arena_clear(&a);
}

/* Not of guests, and where the host has it. */
static void test_who_has_an_archive(void **state)
{
	static const struct {
		bool host, guest, on;
	} cases[] = { { false, false, false }, { false, true, false }, { true, false, true },
		{ true, true, false } };
	struct core_side x;

	core_side_init(&x, 1);
	struct account *a = guest(&x);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		settings_host(x.settings, STR("a.example"))->archive = cases[i].host;
		a->guest = cases[i].guest;
		assert_int_equal(archive_is_on(a), cases[i].on);
	}
	a->guest = true;
	core_side_clear(&x);
}

/* XEP-0313 section 3: content, and no changes of state; XEP-0334 section 4. */
static void test_what_is_worth_keeping(void **state)
{
	static const struct {
		const char *children;
		bool worth;
	} cases[] = {
		{ "<body>1</body>", true },
		{ "<subject/>", true },
		{ "<encrypted xmlns='eu.siacs.conversations.axolotl'/>", true },
		{ "", false },
		{ "<thread>t</thread>", false },
		{ "<composing xmlns='http://jabber.org/protocol/chatstates'/>", false },
		{ "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
			"<store xmlns='urn:xmpp:hints'/>", true },
		{ "<no-copy xmlns='urn:xmpp:hints'/>", false },
		{ "<body>1</body><no-store xmlns='urn:xmpp:hints'/>", false },
		{ "<body>1</body><no-permanent-store xmlns='urn:xmpp:hints'/>", false },
		{ "<origin-id xmlns='urn:xmpp:sid:0' id='1'/>", false },
		{ "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='1'/>", false },
		{ "<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/>", false },
		{ "<result xmlns='urn:xmpp:mam:2' id='1'/>", false },
		{ "<x xmlns='http://jabber.org/protocol/muc#user'><status code='104'/></x>", false },
		{ "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x>", true },
		{ "<x xmlns='http://jabber.org/protocol/muc#user'><decline from='a@b'/></x>", true },
	};
	struct xml_table table = { 0 };
	struct arena a;

	arena_init(&a, 1024);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stanza *st = stanza_scan(&table,
			str_printf(&a, "<message>%s</message>", cases[i].children), &a);
		print_message("%s\n", cases[i].children);
		assert_non_null(st);
		assert_int_equal(archive_is_worth(st), cases[i].worth);
		stanza_unref(&st);
	}
	xml_table_clear(&table);
	arena_clear(&a);
}

/* XEP-0431, and XEP-0380 section 4: a body may be a stand-in for what is encrypted. */
static void test_what_is_searched(void **state)
{
	static const struct {
		const char *name, *bytes, *text, *partner;
	} cases[] = {
		{ "received", "<message from='juliet@a.example/x' to='romeo@a.example'>"
			"<body>a &lt; b</body></message>", "a < b", "juliet@a.example" },
		{ "sent", "<message from='romeo@a.example/y' to='juliet@a.example/x'>"
			"<body>c</body></message>", "c", "juliet@a.example" },
		{ "subjects, and bodies of all languages", "<message from='juliet@a.example'>"
			"<body>1</body><subject>s</subject><body xml:lang='it'>2</body></message>",
			"s\n1\n2", "juliet@a.example" },
		{ "encrypted", "<message from='juliet@a.example'><subject>s</subject><body>1</body>"
			"<encryption xmlns='urn:xmpp:eme:0' namespace='x'/></message>", "s",
			"juliet@a.example" },
		{ "of others", "<message from='juliet@a.example'><body xmlns='urn:x'>1</body>"
			"</message>", "", "juliet@a.example" },
		{ "no addresses", "<message><body>1</body></message>", "1", "" },
		{ "no stanza", "<message", "", "" },
		{ "in a room", "<message type='groupchat' from='romeo@a.example/nick'><body>1</body>"
			"<x xmlns='http://jabber.org/protocol/muc#user'>"
			"<item jid='juliet@a.example/x'/></x></message>", "1", "juliet@a.example" },
		{ "by the room", "<message type='groupchat' from='romeo@a.example'><body>1</body>"
			"</message>", "1", "" },
		{ "by a room to an account", "<message type='groupchat' from='room@b.example/nick'>"
			"<x xmlns='http://jabber.org/protocol/muc#user'>"
			"<item jid='juliet@a.example/x'/></x></message>", "", "room@b.example" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct ledger_message m = { .bytes = str_c(cases[i].bytes) };
		struct buf text, partner;
		print_message("%s\n", cases[i].name);
		buf_init(&text, 1024);
		buf_init(&partner, 1024);
		archive_read_text(&m, STR("romeo@a.example"), &text, &partner);
		assert_true(str_eq(buf_str(&text), str_c(cases[i].text)));
		assert_true(str_eq(buf_str(&partner), str_c(cases[i].partner)));
		buf_clear(&text);
		buf_clear(&partner);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_wanted),
		cmocka_unit_test(test_rules_are_bounded),
		cmocka_unit_test(test_who_has_an_archive),
		cmocka_unit_test(test_what_is_worth_keeping),
		cmocka_unit_test(test_what_is_searched),
	};

	log_setup(LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
