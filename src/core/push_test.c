#include "core/push.h"
#include "core/testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct stanza *message(const char *type, const char *content, struct arena *a)
{
	struct xml_table table = { 0 };
	struct str xml = str_printf(a,
		"<message from='j@a.example/x' to='r@a.example' type='%s'>%s</message>", type, content);
	struct stanza *st = stanza_scan(&table, xml, a);

	xml_table_clear(&table);
	assert_non_null(st);
	return st;
}

/* XEP-0357 section 7: "an event warranting a push notification". */
static void what_is_worth_a_notice(void **state)
{
	static const struct {
		const char *type, *content;
		bool notable;
	} cases[] = {
		{ "chat", "<body>hello</body>", true },
		{ "normal", "<body>hello</body>", true },
		{ "groupchat", "<body>hello</body>", true },
		{ "headline", "<body>hello</body>", false },
		{ "error", "<body>hello</body>", false },
		{ "chat", "", false },
		{ "groupchat", "<subject>topic</subject>", false },
		{ "chat", "<thread>t</thread>", false },
		{ "chat", "<body xmlns='urn:other'>hello</body>", false },
		{ "chat", "<active xmlns='http://jabber.org/protocol/chatstates'/>", false },
		{ "chat", "<received xmlns='urn:xmpp:receipts' id='1'/>", false },
		{ "chat", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", false },
		{ "chat", "<active xmlns='http://jabber.org/protocol/chatstates'/><body>a</body>", true },
		{ "chat", "<encryption xmlns='urn:xmpp:eme:0' namespace='x'/>", true },
		{ "chat", "<encrypted xmlns='urn:xmpp:omemo:2'><header/><payload/></encrypted>", true },
		{ "chat", "<encrypted xmlns='urn:xmpp:omemo:2'><header/></encrypted>", false },
		{ "chat", "<encrypted xmlns='eu.siacs.conversations.axolotl'><payload/></encrypted>", true },
		{ "chat", "<encrypted xmlns='eu.siacs.conversations.axolotl'><header/></encrypted>", false },
		{ "chat", "<openpgp xmlns='urn:xmpp:openpgp:0'/>", true },
		{ "chat", "<x xmlns='jabber:x:encrypted'/>", true },
		{ "chat", "<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>", true },
		{ "chat", "<retract xmlns='urn:xmpp:jingle-message:0' id='1'/>", false },
		{ "normal", "<x xmlns='jabber:x:conference' jid='r@b'/>", true },
		{ "normal", "<x xmlns='http://jabber.org/protocol/muc#user'><invite/></x>", true },
		{ "normal", "<x xmlns='http://jabber.org/protocol/muc#user'><status/></x>", false },
	};
	struct arena a;

	arena_init(&a, 1024);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stanza *st = message(cases[i].type, cases[i].content, &a);
		if (push_is_notable(st) != cases[i].notable)
			fail_msg("%s: %s", cases[i].type, cases[i].content);
		stanza_unref(&st);
	}
	arena_clear(&a);
}

static void push_empty(struct push *p)
{
	list_each_safe(t, &p->targets, struct push_target, link)
		push_drop(p, t);
}

static void a_registration_is_read_as_it_was_stored(void **state)
{
	static const struct {
		const char *service, *node, *options;
		unsigned errors;
	} cases[] = {
		{ "push.example", "node", "<x xmlns='jabber:x:data'/>", 0 },
		{ "push.example", "", "", 0 },
		{ "u@push.example/a b", "two\nlines", "<x>1</x>", PUSH_ERRORS_MAX },
	};
	struct arena a;

	arena_init(&a, 1024);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct push p = { 0 };
		list_init(&p.targets);
		struct str key = push_key(str_c(cases[i].service), str_c(cases[i].node), &a);
		struct push_target *t = push_add(&p, key, str_c(cases[i].options));
		t->errors = cases[i].errors;
		struct str bytes = push_bytes(t, &a);
		push_drop(&p, t);
		assert_null(push_find(&p, key));
		push_read(&p, key, bytes);
		push_read(&p, key, bytes); /* there already */
		assert_int_equal(p.n, 1);
		t = push_find(&p, key);
		assert_true(str_eq(push_service(t), str_c(cases[i].service)));
		assert_true(str_eq(push_node(t), str_c(cases[i].node)));
		assert_true(str_eq(t->options, str_c(cases[i].options)));
		assert_int_equal(t->errors, cases[i].errors);
		push_empty(&p);
	}
	arena_clear(&a);
}

static void what_is_no_registration_is_passed_over(void **state)
{
	static const struct {
		const char *key, *bytes;
	} cases[] = {
		{ "push.example", "0" },
		{ "\nnode", "0" },
		{ "push.example\nnode", "" },
		{ "push.example\nnode", "<x/>" },
		{ "push.example\nnode", "11" },
		{ "push.example\nnode", "-1<x/>" },
	};
	struct push p = { 0 };

	list_init(&p.targets);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		push_read(&p, str_c(cases[i].key), str_c(cases[i].bytes));
		if (p.n)
			fail_msg("%s: %s", cases[i].key, cases[i].bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_worth_a_notice),
		cmocka_unit_test(a_registration_is_read_as_it_was_stored),
		cmocka_unit_test(what_is_no_registration_is_passed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
