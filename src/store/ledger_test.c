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
	uint64_t first = r.last->place;
	assert_int_equal(rig_store(&r, B, STR("other")), STORE_OK);
	assert_int_equal(rig_store(&r, A, STR("two")), STORE_OK);
	assert_true(first != 0 && r.last->place > first);
	struct ledger_op *op = rig_read(&r, A, 10);
	assert_int_equal(op->n_messages, 2);
	assert_true(op->messages[0].place == first && op->messages[0].id == ledger_id(1, 0) &&
		op->messages[0].stamp_us == 1);
	rig_expect(&r, A, "one two ");
	rig_expect(&r, B, "other ");
	rig_reopen(&r);
	rig_expect(&r, A, "one two ");
	rig_expect(&r, B, "other ");
	rig_clear(&r);
}

static void test_any_bytes(void **state)
{
	struct rig r;
	char *big = xmalloc(LEDGER_BYTES_MAX + 1);
	static const size_t sizes[] = { 0, 1, 7, 8, 9, 4000, 4096, 65537, LEDGER_BYTES_MAX };

	for (size_t i = 0; i <= LEDGER_BYTES_MAX; i++)
		big[i] = (char)(i * 131 >> 3);
	rig_init(&r, 4 << 20);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		assert_int_equal(rig_store(&r, A, str_from(big, sizes[i])), STORE_OK);
	struct ledger_op *op = rig_read(&r, A, 100);
	assert_int_equal(op->n_messages, sizeof sizes / sizeof *sizes);
	for (size_t i = 0; i < op->n_messages; i++)
		assert_true(str_eq(op->messages[i].bytes, str_from(big, sizes[i])));
	assert_int_equal(rig_store(&r, A, str_from(big, LEDGER_BYTES_MAX + 1)), STORE_FULL);
	rig_clear(&r);
	free(big);
}

/* Notes what a read brought, and ends it as the others end. */
static char noted[256];

static void note_read(struct ledger_op *op, void *receiver)
{
	size_t n = strlen(noted);

	for (size_t i = 0; i < op->n_messages; i++)
		n += (size_t)snprintf(noted + n, sizeof noted - n, "%.*s ",
			STR_FMT(op->messages[i].bytes));
	snprintf(noted + n, sizeof noted - n, "| ");
	rig_done(op, receiver);
}

/* Operations that are on their way together, in one commit or in several: each read sees what
 * was stored before it, and neither what had been dropped nor what came later. */
static void test_order_of_submission(void **state)
{
	static const char *const words[] = { "a", "b", "c", "d", "e", "f" };
	struct rig r;

	rig_init(&r, 1 << 16);
	noted[0] = '\0';
	for (int k = 0; k < 6; k += 2) {
		rig_put(&r, rig_op(&r), STR(A), str_c(words[k]));
		rig_put(&r, rig_op(&r), STR(A), str_c(words[k + 1]));
		r.out++;
		ledger_read_waiting(r.l, ledger_op_new(&r.home, note_read, 0), STR(A), 0, 100);
		ledger_drop_all(r.l, rig_op(&r), STR(A));
	}
	rig_wait(&r);
	assert_string_equal(noted, "a b | c d | e f | ");
	rig_expect(&r, A, "");
	rig_clear(&r);
}

static void test_drop(void **state)
{
	struct rig r;
	uint64_t ids[4];

	rig_init(&r, 1 << 16);
	assert_int_equal(rig_drop(&r, A, 5), STORE_OK); /* of nothing */
	for (int i = 0; i < 4; i++) {
		assert_int_equal(rig_store(&r, A, str_c(&"1\0002\0003\0004"[2 * i])), STORE_OK);
		ids[i] = r.last->place;
	}
	rig_store(&r, B, STR("other"));
	rig_drop(&r, A, ids[0] - 1);
	rig_expect(&r, A, "1 2 3 4 ");
	rig_drop(&r, A, ids[1]);
	rig_expect(&r, A, "3 4 ");
	rig_drop(&r, A, ids[0]); /* long gone */
	rig_expect(&r, A, "3 4 ");
	rig_reopen(&r);
	rig_expect(&r, A, "3 4 ");
	/* All that waits now, and nothing of what comes. */
	rig_drop(&r, A, UINT64_MAX);
	rig_expect(&r, A, "");
	rig_store(&r, A, STR("5"));
	rig_expect(&r, A, "5 ");
	ledger_close(&r.l);
	assert_true(rig_remove(&r, INDEX_NAME));
	assert_true(rig_open(&r));
	rig_expect(&r, A, "5 ");
	rig_expect(&r, B, "other ");
	rig_clear(&r);
}

static void test_bounds(void **state)
{
	struct rig r;
	struct ledger_stats st;

	rig_init(&r, 1 << 16);
	r.o.offline_max = 3;
	rig_reopen(&r);
	for (int i = 0; i < 3; i++)
		assert_int_equal(rig_store(&r, A, STR("x")), STORE_OK);
	assert_int_equal(rig_store(&r, A, STR("y")), STORE_FULL);
	assert_int_equal(rig_store(&r, B, STR("z")), STORE_OK);
	rig_expect(&r, A, "x x x ");
	assert_int_equal(rig_read(&r, A, 2)->n_messages, 2);
	assert_int_equal(rig_read(&r, A, 0)->n_messages, 0);
	rig_drop(&r, A, rig_read(&r, A, 1)->messages[0].place);
	assert_int_equal(rig_store(&r, A, STR("y")), STORE_OK);
	rig_expect(&r, A, "x x y ");
	/* A message that fits no segment. */
	char *big = xcalloc(1, 1 << 16);
	assert_int_equal(rig_store(&r, B, str_from(big, 1 << 16)), STORE_FULL);
	free(big);
	rig_expect(&r, B, "z ");
	ledger_stats(r.l, &st);
	assert_int_equal(st.waiting, 4);
	assert_int_equal(st.archives, 2);
	assert_int_equal(st.failed, 0);
	rig_clear(&r);
}

/* A read stops when it has LEDGER_READ_BYTES; the rest still waits. */
static void test_read_bytes(void **state)
{
	struct rig r;
	char *big = xcalloc(1, LEDGER_BYTES_MAX);
	const unsigned fit = LEDGER_READ_BYTES / LEDGER_BYTES_MAX;

	rig_init(&r, 32 << 20);
	for (unsigned i = 0; i < fit + 3; i++)
		rig_put(&r, rig_op(&r), STR(A), str_from(big, LEDGER_BYTES_MAX));
	rig_wait(&r);
	assert_int_equal(rig_read(&r, A, 100)->n_messages, fit);
	rig_drop(&r, A, r.last->messages[fit - 1].place);
	assert_int_equal(rig_read(&r, A, 100)->n_messages, 3);
	rig_clear(&r);
	free(big);
}

static void test_erase(void **state)
{
	struct rig r;

	rig_init(&r, 1 << 16);
	rig_store(&r, A, STR("secret-1"));
	rig_store(&r, B, STR("kept-1"));
	rig_store(&r, A, STR("secret-2"));
	rig_drop(&r, A, r.last->place);
	rig_store(&r, A, STR("secret-3"));
	rig_reopen(&r); /* so that an index names the archive */
	assert_true(rig_grep(&r, "secret-") == 3 && rig_grep(&r, A) > 3);
	assert_int_equal(rig_erase(&r, A), STORE_OK);
	assert_int_equal(rig_grep(&r, "secret-"), 0);
	assert_int_equal(rig_grep(&r, A), 0);
	rig_expect(&r, A, "");
	rig_expect(&r, B, "kept-1 ");
	rig_store(&r, A, STR("new"));
	rig_expect(&r, A, "new ");
	for (int i = 0; i < 2; i++) {
		rig_reopen(&r);
		rig_expect(&r, A, "new ");
		rig_expect(&r, B, "kept-1 ");
		ledger_close(&r.l);
		assert_true(rig_remove(&r, INDEX_NAME));
		assert_true(rig_open(&r));
	}
	rig_clear(&r);
}

/* Many at once, over many segments, some unknown, one twice. */
static void test_erase_many(void **state)
{
	struct rig r;
	char name[32], text[64];

	rig_init(&r, SEGMENT_MIN);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "user%02d@example.org", i % 20);
		snprintf(text, sizeof text, "%s-%02d-%d", i % 20 < 10 ? "secret" : "kept", i % 20, i);
		rig_put(&r, rig_op(&r), str_c(name), str_c(text));
	}
	rig_wait(&r);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof name, "user%02d@example.org", i);
		ledger_erase(r.l, rig_op(&r), str_c(name));
		if (i == 5)
			rig_put(&r, rig_op(&r), str_c(name), STR("between"));
	}
	ledger_erase(r.l, rig_op(&r), STR("user05@example.org"));
	ledger_erase(r.l, rig_op(&r), STR("nobody@example.org"));
	rig_wait(&r);
	assert_int_equal(rig_grep(&r, "secret"), 0);
	assert_int_equal(rig_grep(&r, "between"), 0);
	assert_int_equal(rig_grep(&r, "user0"), 0);
	assert_int_equal(rig_grep(&r, "kept"), 150);
	rig_reopen(&r);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "user%02d@example.org", i);
		assert_int_equal(ledger_waiting(r.l, str_c(name)), i < 10 ? 0 : 15);
		assert_int_equal(rig_read(&r, name, 100)->n_messages, i < 10 ? 0 : 15);
	}
	rig_clear(&r);
}

/* The index on disk may still name an archive whose segments went. */
static void test_erase_of_forgotten(void **state)
{
	struct rig r;
	struct ledger_stats st;

	rig_init(&r, SEGMENT_MIN);
	rig_store(&r, A, STR("soon gone"));
	rig_reopen(&r);
	assert_true(rig_grep(&r, A) > 0);
	rig_drop(&r, A, UINT64_MAX);
	do {
		rig_store(&r, B, STR("filler filler filler filler filler filler filler"));
		rig_drop(&r, B, UINT64_MAX);
		ledger_stats(r.l, &st);
	} while (st.archives > 1);
	assert_int_equal(rig_erase(&r, A), STORE_OK);
	assert_int_equal(rig_grep(&r, A), 0);
	rig_clear(&r);
}

static void test_one_process(void **state)
{
	struct rig r;
	struct str error;

	rig_init(&r, 1 << 16);
	assert_null(ledger_open(r.dir, &r.o, &r.mem, &error));
	assert_non_null(memmem(error.p, error.n, "in use", 6));
	assert_non_null(memmem(error.p, error.n, r.dir, strlen(r.dir)));
	ledger_close(&r.l);
	assert_true(rig_open(&r));
	rig_clear(&r);
}

static void test_bad_folder(void **state)
{
	struct arena a;
	struct str error;
	struct ledger_options o = { 0 };

	arena_init(&a, 256);
	assert_null(ledger_open("/proc/no/such", &o, &a, &error));
	assert_true(str_starts(error, STR("/proc/no/such can't be made: ")));
	assert_null(ledger_open("/dev/null", &o, &a, &error));
	assert_true(str_starts(error, STR("/dev/null can't be opened: ")));
	arena_clear(&a);
}

/* Fills segments of the least size; all is there, in order, with and without the index. */
static void test_roll_over(void **state)
{
	struct rig r;
	char text[32], name[32];

	rig_init(&r, SEGMENT_MIN);
	r.o.offline_max = 2000;
	rig_reopen(&r);
	for (int i = 0; i < 1500; i++) {
		snprintf(text, sizeof text, "message %d", i);
		snprintf(name, sizeof name, "u%d@example.org", i % 3);
		rig_put(&r, rig_op(&r), str_c(name), str_c(text));
	}
	rig_wait(&r);
	assert_true(rig_each_file(&r, ".segment", NULL, NULL) > 20);
	for (int turn = 0; turn < 3; turn++) {
		for (int k = 0; k < 3; k++) {
			snprintf(name, sizeof name, "u%d@example.org", k);
			struct ledger_op *op = rig_read(&r, name, UINT32_MAX);
			assert_int_equal(op->n_messages, 500);
			for (int i = 0; i < 500; i++) {
				snprintf(text, sizeof text, "message %d", 3 * i + k);
				assert_true(str_eq(op->messages[i].bytes, str_c(text)));
			}
		}
		ledger_close(&r.l);
		if (turn == 1)
			assert_true(rig_remove(&r, INDEX_NAME));
		assert_true(rig_open(&r));
	}
	rig_clear(&r);
}

/* Waits until the ledger has so few segments in its folder. */
static bool wait_for_files(struct rig *r, unsigned most)
{
	for (int i = 0; i < 500; i++) {
		if (rig_each_file(r, ".segment", NULL, NULL) <= most)
			return true;
		usleep(10000);
	}
	return false;
}

static void test_segments_are_deleted(void **state)
{
	struct rig r;

	rig_init(&r, SEGMENT_MIN);
	for (int i = 0; i < 500; i++)
		rig_put(&r, rig_op(&r), STR(A), STR("some message"));
	rig_wait(&r);
	unsigned before = rig_each_file(&r, ".segment", NULL, NULL);
	assert_true(before > 10);
	rig_drop(&r, A, UINT64_MAX);
	/* The one that is written to, and the next. */
	assert_true(wait_for_files(&r, 2));
	rig_store(&r, A, STR("new"));
	rig_reopen(&r);
	rig_expect(&r, A, "new ");
	rig_clear(&r);
}

/* One message waits for ever in the first segment. Those behind it come and go, and what says
 * that its neighbours were dropped must outlive the segment that says so. */
static void test_marks_are_carried(void **state)
{
	struct rig r;
	char name[32];

	rig_init(&r, SEGMENT_MIN);
	rig_store(&r, A, STR("old"));
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "n%d@example.org", i);
		rig_put(&r, rig_op(&r), str_c(name), STR("neighbour"));
		rig_put(&r, rig_op(&r), str_c(name), STR("neighbour"));
	}
	for (int turn = 0; turn < 2000; turn++) {
		if (turn >= 200 && turn < 220) {
			snprintf(name, sizeof name, "n%d@example.org", turn - 200);
			ledger_drop_all(r.l, rig_op(&r), str_c(name));
		}
		rig_put(&r, rig_op(&r), STR(B), STR("traffic traffic"));
		ledger_drop_all(r.l, rig_op(&r), STR(B));
		if (turn % 50 == 0)
			rig_wait(&r);
	}
	rig_wait(&r);
	/* The first, a few of marks, the one written to, the next; traffic filled over 50. */
	assert_true(wait_for_files(&r, 8));
	for (int turn = 0; turn < 2; turn++) {
		rig_expect(&r, A, "old ");
		rig_expect(&r, B, "");
		for (int i = 0; i < 20; i++) {
			snprintf(name, sizeof name, "n%d@example.org", i);
			rig_expect(&r, name, "");
		}
		ledger_close(&r.l);
		assert_true(rig_remove(&r, INDEX_NAME));
		assert_true(rig_open(&r));
	}
	/* When the old one goes, so do the segments and all that was kept for its sake. */
	struct ledger_stats st;
	rig_drop(&r, A, UINT64_MAX);
	for (int i = 0; i < 100; i++) {
		rig_store(&r, B, STR("traffic traffic"));
		rig_drop(&r, B, UINT64_MAX);
	}
	assert_true(wait_for_files(&r, 2));
	ledger_stats(r.l, &st);
	assert_true(st.archives <= 2);
	rig_clear(&r);
}

/* Closing carries out what was submitted. */
static void test_close_commits(void **state)
{
	struct rig r;

	rig_init(&r, 1 << 16);
	rig_put(&r, rig_op(&r), STR(A), STR("one"));
	rig_put(&r, rig_op(&r), STR(B), STR("secret"));
	ledger_erase(r.l, rig_op(&r), STR(B));
	ledger_read_waiting(r.l, rig_op(&r), STR(A), 0, 1);
	ledger_close(&r.l);
	rig_wait(&r);
	assert_int_equal(rig_grep(&r, "secret"), 0);
	assert_true(rig_open(&r));
	rig_expect(&r, A, "one ");
	/* Also what goes to and fro between the threads. */
	struct ledger_entry e = { .archive = STR(B), .archived = true };
	uint64_t id = ledger_id(1000, 0);
	struct ledger_query q = { .max = 10, .after = id };
	ledger_store(r.l, rig_op(&r), &e, 1, id, STR("secret"), STR_NULL);
	ledger_query(r.l, rig_op(&r), STR(B), &q);
	ledger_wait(r.l, rig_op(&r), STR(B), &id, 1);
	ledger_replace(r.l, rig_op(&r), STR(B), id, STR("tombstone"));
	ledger_query(r.l, rig_op(&r), STR(B), &q);
	ledger_close(&r.l);
	rig_wait(&r);
	assert_int_equal(rig_grep(&r, "secret"), 0);
	assert_true(rig_open(&r));
	rig_expect(&r, B, "tombstone ");
	rig_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_order_of_submission),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_read_bytes),
		cmocka_unit_test(test_erase),
		cmocka_unit_test(test_erase_many),
		cmocka_unit_test(test_erase_of_forgotten),
		cmocka_unit_test(test_one_process),
		cmocka_unit_test(test_bad_folder),
		cmocka_unit_test(test_roll_over),
		cmocka_unit_test(test_segments_are_deleted),
		cmocka_unit_test(test_marks_are_carried),
		cmocka_unit_test(test_close_commits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
