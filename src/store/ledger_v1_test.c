/* Folders that the first version of the ledger has left: they open, keep what waits, go on in
 * segments of the present version, and are erased and deleted like these. The writer of that
 * version's bytes is here; docs/ledger.md has its format. */
#include "store/ledger_testing.h"

#include "store/ledger_bytes.h"
#include "store/ledger_crc.h"

#define A    "romeo@example.org"
#define B    "juliet@example.org"
#define SALT 0xabcd1234u

/* A segment of version 1 that is put together. */
struct old {
	uint64_t base;
	size_t at;
	char bytes[SEGMENT_MIN];
};

static void old_init(struct old *o, uint64_t base)
{
	*o = (struct old){ .base = base, .at = 64 };
	memcpy(o->bytes, "StLedger", 8);
	put32(o->bytes + 8, 1);
	put32(o->bytes + 12, 64);
	put64(o->bytes + 16, base);
	put64(o->bytes + 24, SEGMENT_MIN);
	put64(o->bytes + 32, base);
	put64(o->bytes + 40, 5);
	put32(o->bytes + 48, SALT);
	put32(o->bytes + 60, crc32c(0, o->bytes, 60));
}

/* Appends a record, a commit of its own; returns its place. */
static uint64_t old_add(struct old *o, enum record_type type, const char *name, uint64_t prev,
	struct str bytes)
{
	const unsigned n_archives = name ? 1 : 0;
	struct str archive = str_c(name);
	char *p = o->bytes + o->at, *slot = p + 40;
	size_t length = (40 + 24 * n_archives + archive.n + bytes.n + 7) & ~(size_t)7;
	uint64_t place = o->base + o->at;

	assert_true(o->at + length <= SEGMENT_MIN);
	if (name) {
		put64(slot, prev);
		put32(slot + 8, crc32c(SALT, archive.p, archive.n));
		put16(slot + 12, (uint16_t)archive.n);
		memcpy(slot + 24, archive.p, archive.n);
	}
	if (bytes.n)
		memcpy(p + 40 + 24 * n_archives + archive.n, bytes.p, bytes.n);
	put32(p, (uint32_t)length);
	p[4] = (char)type;
	p[5] = (char)n_archives;
	put64(p + 8, place);
	put64(p + 16, 1700000000000000 + place); /* microseconds */
	put32(p + 28, (uint32_t)bytes.n);
	put32(p + 32, crc32c(SALT, bytes.p, bytes.n));
	put32(p + 36, crc32c(SALT, p, 40 + 24 * n_archives));
	o->at += length;
	return place;
}

static void old_drop(struct old *o, const char *name, uint64_t upto)
{
	char bytes[8];

	put64(bytes, upto);
	old_add(o, RECORD_DROP, name, 0, str_from(bytes, 8));
}

static void old_put(struct rig *r, const struct old *o)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(o->base, name);
	rig_put_file(r, name, str_from(o->bytes, SEGMENT_MIN));
}

/* An empty folder: no ledger is open. */
static void folder_init(struct rig *r)
{
	*r = (struct rig){ .dir = folder_new(), .o = { .segment_bytes = 1 << 14 } };
	arena_init(&r->mem, 1024);
	assert_true(mailbox_init(&r->home, SIZE_MAX));
}

/* Two segments, the first of them sealed, and the next one that was made ahead. */
static void make(struct rig *r)
{
	static struct old first, second, spare;

	folder_init(r);
	old_init(&first, 0);
	uint64_t one = old_add(&first, RECORD_STORE, A, 0, STR("one"));
	uint64_t two = old_add(&first, RECORD_STORE, A, one, STR("two"));
	old_add(&first, RECORD_STORE, B, 0, STR("other"));
	old_drop(&first, A, one);
	old_add(&first, RECORD_SEAL, NULL, 0, STR(""));
	old_init(&second, SEGMENT_MIN);
	old_add(&second, RECORD_STORE, A, two, STR("three"));
	old_init(&spare, 2 * SEGMENT_MIN);
	old_put(r, &first);
	old_put(r, &second);
	old_put(r, &spare);
	/* An index of that time is of no use. */
	rig_put_file(r, INDEX_NAME, STR("StLedIdx\1\0\0\0 and what stood behind it, in 64 bytes "
		"of a head and then some"));
	assert_true(rig_open(r));
}

static void test_opens_and_goes_on(void **state)
{
	struct rig r;

	make(&r);
	rig_expect(&r, A, "two three ");
	rig_expect(&r, B, "other ");
	assert_true(rig_read(&r, A, 1)->messages[0].stamp_us > 1700000000000000);
	for (int turn = 0; turn < 3; turn++) {
		rig_reopen(&r); /* nothing written yet in the present form */
		rig_expect(&r, A, "two three ");
		if (turn == 1) {
			ledger_close(&r.l);
			rig_remove(&r, INDEX_NAME);
			assert_true(rig_open(&r));
		}
	}
	assert_int_equal(rig_store(&r, A, STR("four")), STORE_OK);
	rig_drop_places(&r, A, &rig_read(&r, A, 1)->messages[0].place, 1);
	struct ledger_entry e = { STR(A), STR(B), true, false };
	ledger_store(r.l, rig_op(&r), &e, 1, ledger_id(2, 0), STR("history"), STR_NULL);
	rig_wait(&r);
	for (int turn = 0; turn < 3; turn++) {
		rig_expect(&r, A, "three four ");
		rig_expect(&r, B, "other ");
		struct ledger_query q = { .max = 5 };
		ledger_query(r.l, rig_op(&r), STR(A), &q);
		struct ledger_op *op = rig_wait(&r);
		assert_int_equal(op->n_messages, 1); /* what is old waits, and is no history */
		assert_true(str_eq(op->messages[0].bytes, STR("history")));
		ledger_close(&r.l);
		if (turn == 1)
			rig_remove(&r, INDEX_NAME);
		assert_true(rig_open(&r));
	}
	rig_clear(&r);
}

static void test_erase(void **state)
{
	struct rig r;

	make(&r);
	assert_int_equal(rig_grep(&r, A), 4);
	assert_int_equal(rig_erase(&r, A), STORE_OK);
	assert_int_equal(rig_grep(&r, A), 0);
	assert_int_equal(rig_grep(&r, "two") + rig_grep(&r, "three"), 0);
	for (int turn = 0; turn < 2; turn++) {
		rig_expect(&r, A, "");
		rig_expect(&r, B, "other ");
		ledger_close(&r.l);
		rig_remove(&r, INDEX_NAME);
		assert_true(rig_open(&r));
	}
	rig_clear(&r);
}

/* They go when nothing waits in them. What is said there of messages elsewhere is carried on. */
static void test_old_segments_go(void **state)
{
	struct rig r;

	make(&r);
	rig_drop(&r, A, UINT64_MAX);
	rig_store(&r, A, STR("new"));
	for (int i = 0; i < 500 && rig_each_file(&r, "1000.segment", NULL, NULL); i++)
		usleep(10000);
	assert_int_equal(rig_each_file(&r, "1000.segment", NULL, NULL), 0);
	assert_int_equal(rig_each_file(&r, "0000000000000000.segment", NULL, NULL), 1);
	ledger_close(&r.l);
	rig_remove(&r, INDEX_NAME);
	assert_true(rig_open(&r));
	rig_expect(&r, A, "new ");
	rig_expect(&r, B, "other ");
	rig_drop(&r, B, UINT64_MAX);
	for (int i = 0; i < 500 && rig_each_file(&r, "0000000000000000.segment", NULL, NULL); i++)
		usleep(10000);
	rig_reopen(&r);
	rig_expect(&r, A, "new ");
	rig_expect(&r, B, "");
	rig_clear(&r);
}

/* A torn tail is cut in an old segment as in a new one. */
static void test_torn_tail(void **state)
{
	static struct old o;
	struct rig r;

	folder_init(&r);
	old_init(&o, 0);
	old_add(&o, RECORD_STORE, A, 0, STR("one"));
	size_t at = o.at;
	old_add(&o, RECORD_STORE, A, 64, STR("two"));
	o.bytes[at + 70] ^= 1;
	old_put(&r, &o);
	assert_true(rig_open(&r));
	rig_expect(&r, A, "one ");
	assert_int_equal(rig_store(&r, A, STR("two")), STORE_OK);
	rig_reopen(&r);
	rig_expect(&r, A, "one two ");
	rig_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opens_and_goes_on),
		cmocka_unit_test(test_erase),
		cmocka_unit_test(test_old_segments_go),
		cmocka_unit_test(test_torn_tail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
