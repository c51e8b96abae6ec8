/* A copy of a ledger in use: it opens, and has what was confirmed before. */
#include "store/ledger_testing.h"

#define A "romeo@example.org"
#define B "juliet@example.org"

static void send(struct rig *r, unsigned i)
{
	struct ledger_entry e[] = { { STR(A), STR(B), true, true }, { STR(B), STR(A), true, false } };
	char text[16];

	snprintf(text, sizeof text, "%u", i);
	ledger_store(r->l, rig_op(r), e, 2, ledger_id(1 + i, 0), str_c(text), STR_NULL);
}

static struct ledger_op *history(struct rig *r, const char *archive)
{
	struct ledger_query q = { .max = UINT32_MAX };

	ledger_query(r->l, rig_op(r), str_c(archive), &q);
	return rig_wait(r);
}

/* The messages from 0 on, at least n of them. */
static void expect(struct rig *r, const char *archive, unsigned n)
{
	struct ledger_op *op = history(r, archive);
	char text[16];

	assert_int_equal(op->status, STORE_OK);
	assert_true(op->n_messages >= n);
	for (unsigned i = 0; i < op->n_messages; i++) {
		snprintf(text, sizeof text, "%u", i);
		assert_true(str_eq(op->messages[i].bytes, str_c(text)));
	}
}

static void test_backup(void **state)
{
	struct rig r, copy = { .dir = folder_new(), .o = { .offline_max = UINT32_MAX } };

	arena_init(&copy.mem, 1024);
	assert_true(mailbox_init(&copy.home, SIZE_MAX) && rmdir(copy.dir) == 0);
	rig_init(&r, 1 << 14);
	r.o.offline_max = UINT32_MAX;
	rig_reopen(&r);
	for (unsigned i = 0; i < 500; i++)
		send(&r, i);
	rig_wait(&r);
	rig_drop_places(&r, A, &rig_read(&r, A, 1)->messages[0].place, 1);
	ledger_backup(r.l, rig_op(&r), copy.dir);
	for (unsigned i = 500; i < 1000; i++)
		send(&r, i);
	rig_wait(&r);
	rig_erase(&r, B);
	if (!rig_open(&copy))
		fail_msg("%.*s", STR_FMT(copy.error));
	expect(&copy, A, 500);
	expect(&copy, B, 500);
	assert_int_equal(ledger_waiting(copy.l, STR(A)), history(&copy, A)->n_messages - 1);
	/* Each goes its own way. */
	assert_int_equal(rig_store(&copy, "c@example.org", STR("x")), STORE_OK);
	expect(&r, A, 1000);
	assert_int_equal(history(&r, B)->n_messages, 0);
	ledger_backup(r.l, rig_op(&r), copy.dir);
	assert_int_equal(rig_wait(&r)->status, STORE_EXISTS);
	ledger_backup(r.l, rig_op(&r), "/proc/no/such");
	assert_int_equal(rig_wait(&r)->status, STORE_FAILED);
	rig_clear(&copy);
	rig_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backup),
	};

	rig_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
