/* A roster in memory: order, look-up, how an item is written. The rules are in tests/script. */
#include "core/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/testing.h"

#include <cmocka.h>

static void test_order_and_look_up(void **state)
{
	static const char *const names[] = { "m@a", "a@a", "z@a", "a@b", "a@a/r", "aa@a", "b@a", "a" };
	static const char *const sorted[] = { "a", "a@a", "a@a/r", "a@b", "aa@a", "b@a", "m@a", "z@a" };
	enum { N = sizeof names / sizeof names[0] };
	struct roster r;

	roster_init(&r);
	for (size_t i = 0; i < N; i++) {
		assert_null(roster_find(&r, test_jid(names[i])));
		struct contact *c = roster_add(&r, test_jid(names[i]));
		assert_ptr_equal(roster_add(&r, test_jid(names[i])), c);
		assert_int_equal(r.n, i + 1);
	}
	for (size_t i = 0; i < N; i++) {
		assert_true(str_eq(jid_str(r.items[i]->jid), str_c(sorted[i])));
		assert_ptr_equal(roster_find(&r, test_jid(sorted[i])), r.items[i]);
	}
	for (size_t i = 0; i < N; i++) {
		roster_remove(&r, roster_find(&r, test_jid(names[i])));
		assert_null(roster_find(&r, test_jid(names[i])));
		for (size_t k = i + 1; k < N; k++)
			assert_non_null(roster_find(&r, test_jid(names[k])));
	}
	assert_int_equal(r.n, 0);
	roster_clear(&r);
}

static void test_many(void **state)
{
	char text[32];
	struct roster r;

	roster_init(&r);
	for (unsigned i = 0; i < 5000; i++) { /* 7919 is prime: every number, out of order */
		snprintf(text, sizeof text, "u%04u@a", i * 7919u % 5000u);
		roster_add(&r, test_jid(text));
	}
	assert_int_equal(r.n, 5000);
	for (unsigned i = 1; i < r.n; i++)
		assert_true(str_cmp(jid_str(r.items[i - 1]->jid), jid_str(r.items[i]->jid)) < 0);
	roster_clear(&r);
	assert_int_equal(r.n, 0);
}

static void test_writing(void **state)
{
	static const struct {
		const char *name;
		struct str handle, groups;
		uint8_t subscription;
		bool ask, approved;
		const char *written;
	} cases[] = {
		{ "bare", STR_INIT(""), STR_INIT(""), 0, false, false,
			"<item jid='j@a' subscription='none'/>" },
		{ "to, asked", STR_INIT("J"), STR_INIT(""), SUB_TO, true, false,
			"<item jid='j@a' name='J' subscription='to' ask='subscribe'/>" },
		{ "from, approved", STR_INIT(""), STR_INIT(""), SUB_FROM, false, true,
			"<item jid='j@a' subscription='from' approved='true'/>" },
		{ "groups", STR_INIT("<J&'>"), STR_INIT("A & B\0C\0"), SUB_TO | SUB_FROM, false, false,
			"<item jid='j@a' name='&lt;J&amp;&apos;&gt;' subscription='both'>"
			"<group>A &amp; B</group><group>C</group></item>" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct roster r;
		struct buf b;
		roster_init(&r);
		buf_init(&b, 1024);
		struct contact *c = roster_add(&r, test_jid("j@a"));
		contact_set(c, STR("before"), STR("old\0"));
		contact_set(c, cases[i].handle, cases[i].groups);
		c->subscription = cases[i].subscription;
		c->ask = cases[i].ask;
		c->approved = cases[i].approved;
		struct writer w = w_on(&b);
		contact_write(&w, c);
		assert_true(w_done(&w));
		if (!str_eq(buf_str(&b), str_c(cases[i].written)))
			fail_msg("%s: %.*s", cases[i].name, STR_FMT(buf_str(&b)));
		buf_clear(&b);
		roster_clear(&r);
	}
}

/* RFC 6121 section 2.6: a version names one state of one account's roster. */
static void test_versions(void **state)
{
	struct arena a;
	struct roster r;

	arena_init(&a, 256);
	roster_init(&r);
	r.created_us = 17;
	struct str before = roster_version_text(&r, &a);
	assert_true(str_eq(before, roster_version_text(&r, &a)));
	r.version++;
	struct str after = roster_version_text(&r, &a);
	assert_false(str_eq(before, after));
	r.created_us++; /* the name was registered anew */
	assert_false(str_eq(after, roster_version_text(&r, &a)));
	roster_clear(&r);
	arena_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_look_up),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_writing),
		cmocka_unit_test(test_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
