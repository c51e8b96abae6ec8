/* How long an account is resident, and what becomes of those who wait for it. */
#include "core/account.h"

#include <setjmp.h>
#include <stdarg.h>

#include "core/testing.h"

#include <cmocka.h>

#define ROMEO  test_jid("romeo@a.example")
#define NOBODY test_jid("nobody@a.example")

/* ---- waiting for an account ---- */

struct wait {
	struct waiter waiter;
	unsigned runs;
	unsigned order;
	struct account *account;
	enum store_status status;
};

static unsigned runs;

static void note_run(struct waiter *w, struct shard *s, struct account *a, enum store_status status)
{
	struct wait *t = container_of(w, struct wait, waiter);

	t->runs++;
	t->order = runs++;
	t->account = a;
	t->status = status;
}

static void wait_for(struct core_side *x, struct jid j, struct wait *t)
{
	*t = (struct wait){ .waiter.run = note_run };
	account_wait(shard_of(&x->core, j), j, &t->waiter);
}

static struct account *load(struct core_side *x, struct jid j)
{
	struct wait t;

	wait_for(x, j, &t);
	core_drain(&x->core);
	assert_int_equal(t.runs, 1);
	return t.account;
}

static uint64_t resident(const struct core_side *x)
{
	return core_count(&x->core, COUNT_ACCOUNTS);
}

static void begin(struct core_side *x)
{
	core_side_init(x, 2);
	core_side_account(x, ROMEO);
	runs = 0;
}

static void test_loading(void **state)
{
	struct core_side x;
	struct wait waits[5];

	begin(&x);
	for (unsigned i = 0; i < 5; i++) {
		wait_for(&x, ROMEO, &waits[i]);
		assert_int_equal(waits[i].runs, 0); /* a loop does not wait for the disk */
	}
	assert_null(account_get(shard_of(&x.core, ROMEO), ROMEO)); /* not before it is loaded */
	core_drain(&x.core);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(waits[i].runs, 1);
		assert_int_equal(waits[i].order, i);
		assert_int_equal(waits[i].status, STORE_OK);
		assert_ptr_equal(waits[i].account, account_get(shard_of(&x.core, ROMEO), ROMEO));
	}
	struct wait again;
	wait_for(&x, ROMEO, &again);
	assert_int_equal(again.runs, 1); /* at once */
	core_side_clear(&x);
}

static void test_no_such_account(void **state)
{
	struct core_side x;
	struct wait waits[3];

	begin(&x);
	for (unsigned i = 0; i < 3; i++)
		wait_for(&x, NOBODY, &waits[i]);
	core_drain(&x.core);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(waits[i].runs, 1);
		assert_null(waits[i].account);
		assert_int_equal(waits[i].status, STORE_NOT_FOUND);
	}
	assert_int_equal(resident(&x), 0);
	core_side_clear(&x);
}

static void test_too_many_wait(void **state)
{
	struct core_side x;
	static struct wait waits[ACCOUNT_WAITING_MAX];
	struct wait one_more;

	begin(&x);
	for (unsigned i = 0; i < ACCOUNT_WAITING_MAX; i++)
		wait_for(&x, ROMEO, &waits[i]);
	wait_for(&x, ROMEO, &one_more);
	assert_int_equal(one_more.runs, 1);
	assert_null(one_more.account);
	assert_int_equal(one_more.status, STORE_FULL);
	core_drain(&x.core);
	for (unsigned i = 0; i < ACCOUNT_WAITING_MAX; i++)
		assert_int_equal(waits[i].status, STORE_OK);
	core_side_clear(&x);
}

/* ---- leaving ---- */

static void test_idle_accounts_leave(void **state)
{
	struct core_side x;

	begin(&x);
	assert_non_null(load(&x, ROMEO));
	core_side_wait(&x, ACCOUNT_IDLE_MS - 1000);
	assert_int_equal(resident(&x), 1);
	assert_non_null(load(&x, ROMEO)); /* used again: it stays as long again */
	core_side_wait(&x, ACCOUNT_IDLE_MS - 1000);
	assert_int_equal(resident(&x), 1);
	core_side_wait(&x, 2000);
	assert_int_equal(resident(&x), 0);
	core_side_clear(&x);
}

static void test_guests_leave(void **state)
{
	struct core_side x;

	begin(&x);
	struct account *a = account_new_guest(shard_of(&x.core, NOBODY), NOBODY);
	assert_true(a->ready && a->guest);
	core_side_wait(&x, ACCOUNT_IDLE_MS + 1000);
	assert_int_equal(resident(&x), 0);
	core_side_clear(&x);
}

/* What is on its way comes home to an account, so the account is there. */
static void test_what_keeps_an_account(void **state)
{
	static const char *const names[] = { "held", "loading" };

	for (unsigned i = 0; i < 2; i++) {
		struct core_side x;
		begin(&x);
		struct account *a = load(&x, ROMEO);
		a->held = i == 0;
		a->loading = i == 1;
		core_side_wait(&x, 10 * ACCOUNT_IDLE_MS);
		if (!resident(&x))
			fail_msg("%s does not keep it", names[i]);
		a->held = a->loading = false;
		core_side_wait(&x, 2 * ACCOUNT_IDLE_MS);
		assert_int_equal(resident(&x), 0);
		core_side_clear(&x);
	}
}

/* ---- deletion ---- */

static void delete(struct core_side *x, struct account *a)
{
	store_account_delete(x->core.store,
		store_op_new(&x->core.shards[0]->loop.inbox, store_op_home, 0), jid_domain(a->jid),
		jid_local(a->jid));
	core_drain(&x->core);
	account_gone(a);
}

static void test_deleted_accounts_leave_at_once(void **state)
{
	struct core_side x;

	begin(&x);
	delete(&x, load(&x, ROMEO));
	assert_int_equal(resident(&x), 0);
	assert_null(load(&x, ROMEO));
	core_side_clear(&x);
}

static void test_deleted_while_something_is_on_its_way(void **state)
{
	struct core_side x;
	struct wait t;

	begin(&x);
	struct shard *s = shard_of(&x.core, ROMEO);
	struct account *a = load(&x, ROMEO);
	a->held = true;
	delete(&x, a);
	assert_int_equal(resident(&x), 1);
	assert_null(account_get(s, ROMEO));
	assert_ptr_equal(account_find(s, ROMEO), a); /* for what comes home */
	wait_for(&x, ROMEO, &t);
	assert_int_equal(t.runs, 0);
	a->held = false;
	account_settle(a);
	core_drain(&x.core);
	assert_int_equal(t.status, STORE_NOT_FOUND);
	assert_int_equal(resident(&x), 0);
	core_side_clear(&x);
}

/* The name is registered anew before the old account could leave. */
static void test_registered_again_meanwhile(void **state)
{
	struct core_side x;
	struct wait t;

	begin(&x);
	struct shard *s = shard_of(&x.core, ROMEO);
	struct account *a = load(&x, ROMEO);
	uint64_t created = a->roster.created_us;
	a->held = true;
	roster_add(&a->roster, NOBODY);
	delete(&x, a);
	core_side_account(&x, ROMEO);
	wait_for(&x, ROMEO, &t);
	assert_int_equal(t.runs, 0);
	a->held = false;
	account_settle(a);
	core_drain(&x.core);
	assert_int_equal(t.runs, 1);
	assert_non_null(t.account);
	assert_ptr_equal(t.account, account_get(s, ROMEO));
	assert_false(t.account->guest || t.account->gone);
	assert_int_equal(t.account->roster.n, 0);
	assert_true(t.account->roster.created_us > created);
	core_side_wait(&x, 2 * ACCOUNT_IDLE_MS);
	assert_int_equal(resident(&x), 0);
	core_side_clear(&x);
}

/* ---- who may see (RFC 6121 section 4.3.2) ---- */

static void test_who_may_see(void **state)
{
	static const struct {
		const char *who;
		int subscription; /* -1: not in the roster */
		bool may;
	} cases[] = {
		{ "romeo@a.example", -1, true }, { "romeo@a.example/orchard", -1, true },
		{ "juliet@a.example/x", -1, false }, { "juliet@a.example/x", 0, false },
		{ "juliet@a.example/x", SUB_TO, false }, { "juliet@a.example/x", SUB_FROM, true },
		{ "juliet@a.example", SUB_TO | SUB_FROM, true }, { "a.example", SUB_TO, false },
	};
	struct core_side x;

	begin(&x);
	struct account *a = load(&x, ROMEO);
	assert_false(account_may_see(NULL, ROMEO));
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct jid who = test_jid(cases[i].who);
		if (cases[i].subscription >= 0)
			roster_add(&a->roster, jid_bare(who))->subscription =
				(uint8_t)cases[i].subscription;
		assert_int_equal(account_may_see(a, who), cases[i].may);
		roster_clear(&a->roster);
	}
	core_side_clear(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loading),
		cmocka_unit_test(test_no_such_account),
		cmocka_unit_test(test_too_many_wait),
		cmocka_unit_test(test_idle_accounts_leave),
		cmocka_unit_test(test_guests_leave),
		cmocka_unit_test(test_what_keeps_an_account),
		cmocka_unit_test(test_deleted_accounts_leave_at_once),
		cmocka_unit_test(test_deleted_while_something_is_on_its_way),
		cmocka_unit_test(test_registered_again_meanwhile),
		cmocka_unit_test(test_who_may_see),
	};

	log_setup(LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
