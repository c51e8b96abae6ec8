/* Tombstones (XEP-0424): other bytes in all archives, the old ones gone from the disk. */
#include "store/ledger_testing.h"

#define A "romeo@example.org"
#define B "juliet@example.org"

static const struct ledger_entry both[] = { { STR_INIT(A), STR_INIT(B), true, false },
	{ STR_INIT(B), STR_INIT(A), true, true } };

static void send(struct rig *r, uint64_t stamp, const char *text)
{
	ledger_store(r->l, rig_op(r), both, 2, ledger_id(stamp, 0), str_c(text), STR_NULL);
	assert_int_equal(rig_wait(r)->status, STORE_OK);
}

static enum store_status replace(struct rig *r, const char *archive, uint64_t stamp,
	const char *text)
{
	ledger_replace(r->l, rig_op(r), str_c(archive), ledger_id(stamp, 0), str_c(text));
	return rig_wait(r)->status;
}

/* The history of the archive is these words, each followed by a blank. */
static void expect(struct rig *r, const char *archive, const char *words)
{
	struct ledger_query q = { .max = 1000 };
	struct buf b;

	ledger_query(r->l, rig_op(r), str_c(archive), &q);
	struct ledger_op *op = rig_wait(r);
	assert_int_equal(op->status, STORE_OK);
	buf_init(&b, 1 << 16);
	for (size_t i = 0; i < op->n_messages; i++) {
		assert_int_equal(op->messages[i].stamp_us, i + 1);
		buf_add(&b, op->messages[i].bytes);
		buf_byte(&b, ' ');
	}
	buf_byte(&b, '\0');
	assert_string_equal(b.p, words);
	buf_clear(&b);
}

static void test_replace(void **state)
{
	struct rig r;

	rig_init(&r, 1 << 14);
	send(&r, 1, "one");
	send(&r, 2, "secret-word");
	send(&r, 3, "three");
	uint64_t place = r.last->place;
	assert_int_equal(replace(&r, B, 5, "x"), STORE_NOT_FOUND);
	assert_int_equal(replace(&r, "nobody@example.org", 2, "x"), STORE_NOT_FOUND);
	assert_int_equal(replace(&r, A, 2, "a-tombstone-that-is-longer"), STORE_OK);
	assert_int_equal(replace(&r, B, 3, ""), STORE_OK);
	for (int turn = 0; turn < 3; turn++) {
		assert_int_equal(rig_grep(&r, "secret"), 0);
		expect(&r, A, "one a-tombstone-that-is-longer  ");
		expect(&r, B, "one a-tombstone-that-is-longer  ");
		rig_expect(&r, B, "one a-tombstone-that-is-longer  ");
		assert_true(rig_read(&r, B, 5)->messages[2].place == place);
		ledger_close(&r.l);
		if (turn == 1)
			rig_remove(&r, INDEX_NAME);
		assert_true(rig_open(&r));
	}
	rig_clear(&r);
}

static void test_replace_again(void **state)
{
	struct rig r;
	char text[16];

	rig_init(&r, 1 << 14);
	send(&r, 1, "secret-0");
	for (int i = 1; i < 4; i++) {
		snprintf(text, sizeof text, "secret-%d", i);
		assert_int_equal(replace(&r, A, 1, text), STORE_OK);
		assert_int_equal(rig_grep(&r, "secret"), 1);
	}
	/* Two at once. */
	ledger_replace(r.l, rig_op(&r), STR(A), ledger_id(1, 0), STR("secret-4"));
	ledger_replace(r.l, rig_op(&r), STR(B), ledger_id(1, 0), STR("last"));
	rig_wait(&r);
	for (int turn = 0; turn < 2; turn++) {
		expect(&r, A, "last ");
		assert_int_equal(rig_grep(&r, "secret"), 0);
		ledger_close(&r.l);
		rig_remove(&r, INDEX_NAME);
		assert_true(rig_open(&r));
	}
	rig_clear(&r);
}

/* What is replaced is erased like the rest. */
static void test_erase(void **state)
{
	struct rig r;

	rig_init(&r, 1 << 14);
	send(&r, 1, "one");
	assert_int_equal(replace(&r, A, 1, "tombstone"), STORE_OK);
	assert_int_equal(rig_erase(&r, B), STORE_OK);
	for (int turn = 0; turn < 2; turn++) {
		expect(&r, A, "tombstone ");
		expect(&r, B, "");
		assert_int_equal(rig_grep(&r, B), 0);
		ledger_close(&r.l);
		rig_remove(&r, INDEX_NAME);
		assert_true(rig_open(&r));
	}
	assert_int_equal(replace(&r, B, 1, "no"), STORE_NOT_FOUND);
	assert_int_equal(replace(&r, A, 1, "another"), STORE_OK);
	expect(&r, A, "another ");
	assert_int_equal(rig_erase(&r, A), STORE_OK);
	assert_int_equal(rig_grep(&r, "tombstone") + rig_grep(&r, "another") + rig_grep(&r, A), 0);
	rig_reopen(&r);
	expect(&r, A, "");
	rig_clear(&r);
}

/* The new bytes stand in a later segment, which stays as long as the message does. */
static void test_over_segments(void **state)
{
	struct rig r;

	rig_init(&r, SEGMENT_MIN);
	r.o.offline_max = UINT32_MAX;
	rig_reopen(&r);
	send(&r, 1, "secret");
	for (int i = 0; i < 200; i++)
		rig_put(&r, rig_op(&r), STR("else@example.org"), STR("filler filler filler"));
	rig_wait(&r);
	assert_int_equal(replace(&r, A, 1, "tombstone"), STORE_OK);
	for (int i = 0; i < 200; i++)
		rig_put(&r, rig_op(&r), STR("else@example.org"), STR("filler filler filler"));
	rig_wait(&r);
	unsigned before = rig_each_file(&r, ".segment", NULL, NULL);
	rig_drop(&r, "else@example.org", UINT64_MAX);
	for (int i = 0; i < 500 && rig_each_file(&r, ".segment", NULL, NULL) > 5; i++)
		usleep(10000);
	assert_true(before > 10 && rig_each_file(&r, ".segment", NULL, NULL) <= 5);
	for (int turn = 0; turn < 3; turn++) {
		expect(&r, A, "tombstone ");
		ledger_close(&r.l);
		if (turn == 1)
			rig_remove(&r, INDEX_NAME);
		assert_true(rig_open(&r));
	}
	rig_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_replace_again),
		cmocka_unit_test(test_erase),
		cmocka_unit_test(test_over_segments),
	};

	rig_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
