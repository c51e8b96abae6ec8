/* Bounds of history, by number and by age, and the segments that go for them. */
#include "store/ledger_testing.h"

#include "base/clock.h"

#define A   "romeo@example.org"
#define B   "juliet@example.org"
#define DAY UINT64_C(86400000000)

/* A message that is history of one archive, and waits there if told to. */
static uint64_t send(struct rig *r, const char *archive, uint64_t stamp_us, bool waits)
{
	static unsigned shard;
	struct ledger_entry e = { str_c(archive), STR("partner@example.org"), true, waits };
	uint64_t id = ledger_id(stamp_us, shard++);

	ledger_store(r->l, rig_op(r), &e, 1, id, STR("a message of some words"), STR_NULL);
	return id;
}

static struct ledger_op *query(struct rig *r, const char *archive, const struct ledger_query *q)
{
	ledger_query(r->l, rig_op(r), str_c(archive), q);
	return rig_wait(r);
}

static size_t history(struct rig *r, const char *archive)
{
	struct ledger_query all = { .max = UINT32_MAX };
	struct ledger_query with = { .max = UINT32_MAX, .with = STR("partner@example.org") };
	size_t n = query(r, archive, &with)->n_messages;

	assert_int_equal(query(r, archive, &all)->status, STORE_OK);
	assert_int_equal(r->last->n_messages, n);
	assert_true(r->last->complete && r->last->total_known && r->last->total == n);
	assert_true(!n || (r->last->index_known && r->last->first_index == 0));
	return n;
}

static void again(struct rig *r, bool with_index)
{
	ledger_close(&r->l);
	if (!with_index)
		assert_true(rig_remove(r, INDEX_NAME));
	assert_true(rig_open(r));
}

static bool wait_for_files(struct rig *r, unsigned most)
{
	for (int i = 0; i < 500; i++) {
		if (rig_each_file(r, ".segment", NULL, NULL) <= most)
			return true;
		usleep(10000);
	}
	return false;
}

/* The last 100, and some of those before; what is found by id too. */
static void expect_last_100(struct rig *r, const uint64_t *ids, unsigned n)
{
	size_t left = history(r, A);

	assert_true(left >= 100 && left < 100 + 2 * 32);
	struct ledger_query q = { .max = 1, .after = ids[n - left] };
	assert_int_equal(query(r, A, &q)->status, STORE_OK);
	assert_true(r->last->messages[0].id == ids[n - left + 1]);
	assert_true(r->last->total_known && r->last->total == left && r->last->index_known &&
		r->last->first_index == 1);
	q.after = ids[n - left - 1];
	assert_int_equal(query(r, A, &q)->status, STORE_NOT_FOUND);
}

static void test_number(void **state)
{
	struct rig r;
	uint64_t ids[1000];

	rig_init(&r, SEGMENT_MIN);
	r.o.retain_messages = 100;
	rig_reopen(&r);
	send(&r, B, 1, false);
	for (unsigned i = 0; i < 1000; i++) {
		ids[i] = send(&r, A, 1000 + i, false);
		if (i % 50 == 49)
			rig_wait(&r);
	}
	expect_last_100(&r, ids, 1000);
	/* That of B, those with the last 100, the one written to, the next. */
	assert_true(wait_for_files(&r, 10));
	for (int turn = 0; turn < 4; turn++) {
		expect_last_100(&r, ids, 1000);
		assert_int_equal(history(&r, B), 1);
		again(&r, turn % 2);
	}
	/* Wider bounds bring nothing back; closer ones act at once. */
	ledger_retain(r.l, 0, 0);
	assert_true(history(&r, A) < 164);
	ledger_retain(r.l, 0, 10);
	assert_true(history(&r, A) >= 10 && history(&r, A) < 10 + 2 * 32);
	rig_clear(&r);
}

/* A message that waits goes on waiting, and keeps its segment. */
static void test_number_and_waiting(void **state)
{
	struct rig r;

	rig_init(&r, SEGMENT_MIN);
	r.o.retain_messages = 64;
	rig_reopen(&r);
	send(&r, A, 1, true);
	for (unsigned i = 0; i < 500; i++)
		send(&r, A, 2 + i, false);
	rig_wait(&r);
	assert_true(wait_for_files(&r, 8));
	for (int turn = 0; turn < 3; turn++) {
		rig_expect(&r, A, "a message of some words ");
		assert_true(history(&r, A) < 64 + 2 * 32);
		again(&r, turn % 2);
	}
	rig_drop(&r, A, UINT64_MAX);
	assert_true(wait_for_files(&r, 7));
	again(&r, false);
	rig_expect(&r, A, "");
	rig_clear(&r);
}

static void test_age(void **state)
{
	struct rig r;
	uint64_t now = clock_wall_us(), old[200];

	rig_init(&r, SEGMENT_MIN);
	for (unsigned i = 0; i < 200; i++)
		old[i] = send(&r, A, now - 10 * DAY + i * 1000, i == 50);
	for (unsigned i = 0; i < 50; i++)
		send(&r, A, now - DAY + i * 1000, false);
	rig_wait(&r);
	assert_int_equal(history(&r, A), 250);
	unsigned before = rig_each_file(&r, ".segment", NULL, NULL);
	ledger_retain(r.l, 5 * DAY, 0);
	for (int turn = 0; turn < 4; turn++) {
		assert_int_equal(history(&r, A), 50);
		struct ledger_query q = { .max = 1, .before = old[199] };
		assert_int_equal(query(&r, A, &q)->status, STORE_NOT_FOUND);
		q = (struct ledger_query){ .max = 100, .end_us = now - 3 * DAY };
		assert_int_equal(query(&r, A, &q)->n_messages, 0);
		ledger_wait(r.l, rig_op(&r), STR(A), &old[199], 1);
		assert_int_equal(rig_wait(&r)->status, STORE_NOT_FOUND);
		rig_expect(&r, A, "a message of some words ");
		r.o.retain_us = 5 * DAY;
		assert_true(wait_for_files(&r, before - 4));
		again(&r, turn % 2);
	}
	/* What was gone once does not come back with what is left on disk. */
	r.o.retain_us = 0;
	again(&r, true);
	assert_int_equal(history(&r, A), 50);
	rig_clear(&r);
}

/* A segment is sealed after a day, or a sixteenth of the age, and takes no more room than it
 * needs. */
static void make_old(struct rig *r, const char *name, void *ctx)
{
	struct str file = rig_file(r, name);
	struct segment_head h;

	assert_null(segment_head_read(file.p, &h));
	h.created_us = clock_wall_us() - *(uint64_t *)ctx;
	segment_head_write(&h, (char *)file.p);
	rig_put_file(r, name, file);
	free((char *)file.p);
}

static uint64_t file_size(struct rig *r, const char *name)
{
	struct str file = rig_file(r, name);

	free((char *)file.p);
	return file.n;
}

static void test_seal_in_time(void **state)
{
	static const char first[] = "0000000000000000.segment";
	uint64_t age = DAY / 2;
	struct rig r;

	rig_init(&r, 1 << 16);
	r.o.retain_us = 3 * DAY;
	send(&r, A, clock_wall_us(), false);
	rig_wait(&r);
	for (int turn = 0; turn < 2; turn++) {
		ledger_close(&r.l);
		rig_each_file(&r, first, make_old, &age);
		assert_true(rig_open(&r));
		for (int i = 0; i < (turn ? 500 : 10) && file_size(&r, first) == 1 << 16; i++) {
			history(&r, A);
			usleep(10000);
		}
		assert_int_equal(file_size(&r, first) == 1 << 16, turn == 0);
		age = 2 * DAY;
	}
	assert_true(file_size(&r, first) < 1000);
	send(&r, A, clock_wall_us(), false);
	rig_wait(&r);
	for (int turn = 0; turn < 3; turn++) {
		assert_int_equal(history(&r, A), 2);
		again(&r, turn % 2);
	}
	assert_int_equal(rig_erase(&r, A), STORE_OK);
	again(&r, false);
	assert_int_equal(history(&r, A), 0);
	rig_clear(&r);
}

/* Segments of which an erasure left nothing go. */
static void test_erased_segments_go(void **state)
{
	struct rig r;

	rig_init(&r, SEGMENT_MIN);
	for (unsigned i = 0; i < 300; i++)
		send(&r, i == 150 ? B : A, 1 + i, false);
	rig_wait(&r);
	assert_true(rig_each_file(&r, ".segment", NULL, NULL) > 10);
	assert_int_equal(rig_erase(&r, A), STORE_OK);
	assert_true(wait_for_files(&r, 4));
	for (int turn = 0; turn < 2; turn++) {
		assert_int_equal(history(&r, B), 1);
		assert_int_equal(history(&r, A), 0);
		again(&r, turn);
	}
	rig_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_number_and_waiting),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_seal_in_time),
		cmocka_unit_test(test_erased_segments_go),
	};

	rig_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
