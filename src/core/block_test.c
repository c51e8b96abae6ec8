#include "core/block.h"
#include "core/account.h"
#include "core/testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static bool add(struct blocklist *b, const char *jid)
{
	return blocklist_add(b, test_jid(jid));
}

/* XEP-0191 section 6 */
static void an_item_blocks_what_it_says(void **state)
{
	static const struct {
		const char *item, *jid;
		bool blocked;
	} cases[] = {
		{ "user@domain/resource", "user@domain/resource", true },
		{ "user@domain/resource", "user@domain/other", false },
		{ "user@domain/resource", "user@domain", false },
		{ "user@domain/resource", "domain/resource", false },
		{ "user@domain/resource", "domain", false },
		{ "user@domain", "user@domain", true },
		{ "user@domain", "user@domain/any", true },
		{ "user@domain", "other@domain", false },
		{ "user@domain", "user@sub.domain", false },
		{ "user@domain", "domain", false },
		{ "user@domain", "domain/user", false },
		{ "domain/resource", "domain/resource", true },
		{ "domain/resource", "user@domain/resource", false },
		{ "domain/resource", "domain/other", false },
		{ "domain/resource", "domain", false },
		{ "domain", "domain", true },
		{ "domain", "domain/any", true },
		{ "domain", "user@domain", true },
		{ "domain", "user@domain/any", true },
		{ "domain", "user@sub.domain", false },
		{ "domain", "sub.domain", false },
		{ "domain", "domain.example", false },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct blocklist b = { 0 };

		assert_true(add(&b, cases[i].item));
		if (blocklist_matches(&b, test_jid(cases[i].jid)) != cases[i].blocked)
			fail_msg("%s, %s", cases[i].item, cases[i].jid);
		blocklist_clear(&b);
	}
}

static void an_address_stands_in_a_list_once_and_in_order(void **state)
{
	static const char *const texts[] = { "b", "a@x", "c/d", "a@x/y", "a", "z@z", "m@n/o" };
	struct blocklist b = { 0 };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_false(blocklist_has(&b, test_jid(texts[i])));
		assert_true(add(&b, texts[i]));
		assert_false(add(&b, texts[i]));
		assert_true(blocklist_has(&b, test_jid(texts[i])));
		assert_int_equal(b.n, i + 1);
	}
	for (uint32_t i = 1; i < b.n; i++)
		assert_true(str_cmp(jid_str(b.items[i - 1]), jid_str(b.items[i])) < 0);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_true(blocklist_del(&b, test_jid(texts[i])));
		assert_false(blocklist_del(&b, test_jid(texts[i])));
		assert_false(blocklist_has(&b, test_jid(texts[i])));
	}
	assert_int_equal(b.n, 0);
	blocklist_clear(&b);
}

static void a_list_has_its_own_copies(void **state)
{
	struct blocklist b = { 0 };
	char text[] = "user@domain";

	assert_true(blocklist_add(&b, test_jid(text)));
	memset(text, 'x', sizeof text - 1);
	assert_true(blocklist_has(&b, test_jid("user@domain")));
	blocklist_clear(&b);
	assert_false(blocklist_has(&b, test_jid("user@domain")));
}

/* XEP-0191 section 5: not from one of a user's resources to another. */
static void an_account_does_not_block_itself(void **state)
{
	static const struct {
		const char *item, *jid;
		bool blocked;
	} cases[] = {
		{ "romeo@a.example", "romeo@a.example", false },
		{ "romeo@a.example", "romeo@a.example/orchard", false },
		{ "romeo@a.example/orchard", "romeo@a.example/orchard", false },
		{ "a.example", "romeo@a.example/orchard", false },
		{ "a.example", "juliet@a.example", true },
		{ "a.example", "a.example", true },
	};
	struct blocklist b = { 0 };
	struct account a = { .jid = test_jid("romeo@a.example") };

	assert_false(account_blocks(&a, test_jid("juliet@a.example")));
	a.blocked = &b;
	assert_false(account_blocks(&a, test_jid("juliet@a.example")));
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_true(add(&b, cases[i].item));
		assert_false(account_blocks(&a, (struct jid){ 0 }));
		if (account_blocks(&a, test_jid(cases[i].jid)) != cases[i].blocked)
			fail_msg("%s, %s", cases[i].item, cases[i].jid);
		blocklist_clear(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_item_blocks_what_it_says),
		cmocka_unit_test(an_address_stands_in_a_list_once_and_in_order),
		cmocka_unit_test(a_list_has_its_own_copies),
		cmocka_unit_test(an_account_does_not_block_itself),
	};
	return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
