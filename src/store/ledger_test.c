/* The ledger through its door: what store/ledger.h promises. */
#include "store/ledger_testing.h"

#define A "romeo@example.org"
#define B "juliet@example.org"

static void test_round_trip(void **state)
{
	struct rig r;

	rig_init(&r, 1 << 16);
	rig_expect(&r, A, "");
	assert_int_equal(rig_store(&r, A, STR("one")), STORE_OK);
	uint64_t first = r.last->id;
	assert_int_equal(rig_store(&r, B, STR("other")), STORE_OK);
	assert_int_equal(rig_store(&r, A, STR("two")), STORE_OK);
	assert_true(first != 0 && r.last->id > first);
	struct ledger_op *op = rig_read(&r, A, 10);
	assert_int_equal(op->n_messages, 2);
	assert_true(op->messages[0].id == first && op->messages[0].stamp_us == 1000);
	rig_expect(&r, A, "one two ");
	rig_expect(&r, B, "other ");
	rig_reopen(&r);
	rig_expect(&r, A, "one two ");
	rig_expect(&r, B, "other ");
	rig_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
