/* Opening what a crash or a broken disk left: docs/ledger.md, "Recovery". */
#include "store/ledger_testing.h"

#include "store/ledger_index.h"

#define A       "romeo@example.org"
#define B       "juliet@example.org"
#define FIRST   "0000000000000000.segment"

/* The first segment, walked over: where its records are. */
struct layout {
	struct str file;
	struct segment_head head;
	size_t at[64], n; /* at[n] is where they end */
};

static void layout_of(struct rig *r, const char *name, struct layout *out)
{
	struct segment_scan scan;
	struct record rec;

	*out = (struct layout){ .file = rig_file(r, name) };
	assert_null(segment_head_read(out->file.p, &out->head));
	segment_scan_init(&scan, &out->head, out->file, SEGMENT_HEAD);
	do {
		assert_true(out->n < 64);
		out->at[out->n++] = scan.at;
	} while (segment_scan_next(&scan, &rec) == RECORD_WHOLE);
	out->n--;
}

static void layout_free(struct layout *l)
{
	free((char *)l->file.p);
}

/* Closes, and puts these bytes in place of the first segment. No index is left. */
static void replace(struct rig *r, struct str bytes)
{
	if (r->l)
		ledger_close(&r->l);
	rig_remove(r, INDEX_NAME);
	rig_put_file(r, FIRST, bytes);
}

/* Opening must fail, and the message must have these words. */
static void expect_refusal(struct rig *r, const char *const *words)
{
	assert_false(rig_open(r));
	for (; *words; words++)
		if (!memmem(r->error.p, r->error.n, *words, strlen(*words)))
			fail_msg("\"%s\" is not in \"%.*s\"", *words, STR_FMT(r->error));
}

/* Where the bytes of a message of A end that has n of them. */
static size_t used(size_t n)
{
	return RECORD_HEAD + RECORD_SLOT + sizeof A - 1 + n;
}

/* Three messages, each a commit of its own. */
static void three(struct rig *r, struct layout *out)
{
	rig_init(r, SEGMENT_MIN);
	rig_store(r, A, STR("one"));
	rig_store(r, A, STR("two"));
	rig_store(r, A, STR("three"));
	ledger_close(&r->l);
	layout_of(r, FIRST, out);
	assert_int_equal(out->n, 3);
}

/* The last record, cut at every byte: what a power cut leaves of it. And with each byte
 * flipped: nothing tells that from a cut. */
static void test_torn_tail(void **state)
{
	struct rig r;
	struct layout l;

	three(&r, &l);
	for (int how = 0; how < 2; how++)
		for (size_t cut = l.at[2]; cut < l.at[3]; cut++) {
			char *bytes = xmalloc(l.file.n);
			memcpy(bytes, l.file.p, l.file.n);
			if (how == 0)
				memset(bytes + cut, 0, l.at[3] - cut);
			else
				bytes[cut] ^= 0x40;
			/* What is cut or changed may be padding alone. */
			bool whole = memcmp(bytes, l.file.p, l.at[2] + used(5)) == 0;
			replace(&r, str_from(bytes, l.file.n));
			free(bytes);
			assert_true(rig_open(&r));
			rig_expect(&r, A, whole ? "one two three " : "one two ");
			assert_int_equal(rig_grep(&r, "three"), whole);
			rig_store(&r, A, STR("four"));
			rig_reopen(&r);
			rig_expect(&r, A, whole ? "one two three four " : "one two four ");
		}
	layout_free(&l);
	rig_clear(&r);
}

/* A commit of three records of which the disk has only the last: it must not come back when
 * a new record ends just where it begins. */
static void test_no_resurrection(void **state)
{
	struct rig r;
	struct layout l;
	char text[600];

	memset(text, 'x', sizeof text);
	rig_init(&r, 1 << 16);
	ledger_close(&r.l);
	layout_of(&r, FIRST, &l);
	char *bytes = (char *)l.file.p;
	size_t at = SEGMENT_HEAD, third = 0;
	for (int k = 0; k < 3; k++) {
		struct record rec = { .type = RECORD_STORE, .place = at, .group = SEGMENT_HEAD,
			.n_archives = 1, .archives = { { .name = STR(A) } },
			.bytes = str_from(text, sizeof text) };
		third = at;
		record_write(&rec, l.head.form.salt, bytes + at);
		at += record_length(1, sizeof A - 1, sizeof text);
	}
	memset(bytes + SEGMENT_HEAD, 0, third - SEGMENT_HEAD);
	replace(&r, l.file);
	assert_true(rig_open(&r));
	rig_expect(&r, A, "");
	for (int k = 0; k < 2; k++)
		rig_store(&r, B, str_from(text, sizeof text - 1)); /* B is a byte longer than A */
	assert_int_equal(r.last->place + record_length(1, sizeof A - 1, sizeof text), third);
	ledger_close(&r.l);
	rig_remove(&r, INDEX_NAME);
	assert_true(rig_open(&r));
	rig_expect(&r, A, "");
	assert_int_equal(ledger_waiting(r.l, STR(B)), 2);
	layout_free(&l);
	rig_clear(&r);
}

/* Any byte of a record that later commits follow. */
static void test_corruption_is_reported(void **state)
{
	struct rig r;
	struct layout l;
	char offset[64];

	three(&r, &l);
	for (unsigned k = 0; k < 2; k++) {
		snprintf(offset, sizeof offset, "offset %zu:", l.at[k]);
		for (size_t at = l.at[k]; at < l.at[k] + used(3); at++) {
			char *bytes = (char *)l.file.p;
			bytes[at] ^= 0x10;
			replace(&r, l.file);
			bytes[at] ^= 0x10;
			expect_refusal(&r, (const char *[]){ r.dir, FIRST, offset, "later commits",
				NULL });
		}
	}
	/* Refused, it was not touched. */
	replace(&r, l.file);
	assert_true(rig_open(&r));
	rig_expect(&r, A, "one two three ");
	layout_free(&l);
	rig_clear(&r);
}

/* The last record of all, after the ledger was closed: the index knows that it was synced. */
static void test_corruption_the_index_knows(void **state)
{
	struct rig r;
	struct layout l;

	three(&r, &l);
	((char *)l.file.p)[l.at[3] - 9] ^= 1;
	rig_put_file(&r, FIRST, l.file);
	expect_refusal(&r, (const char *[]){ FIRST, INDEX_NAME " has seen it whole", NULL });
	memset((char *)l.file.p + l.at[2], 0, l.at[3] - l.at[2]);
	rig_put_file(&r, FIRST, l.file);
	expect_refusal(&r, (const char *[]){ FIRST, INDEX_NAME " has seen it whole", NULL });
	layout_free(&l);
	rig_clear(&r);
}

/* What a reader finds when a record was good at the last open. */
static void test_corruption_when_reading(void **state)
{
	struct rig r;
	struct layout l;

	three(&r, &l);
	assert_true(rig_open(&r));
	((char *)l.file.p)[l.at[2] - 9] ^= 1;
	rig_put_file(&r, FIRST, l.file);
	assert_int_equal(rig_read(&r, A, 10)->status, STORE_FAILED);
	assert_int_equal(rig_read(&r, A, 1)->status, STORE_OK);
	struct ledger_stats st;
	ledger_stats(r.l, &st);
	assert_int_equal(st.failed, 1);
	layout_free(&l);
	rig_clear(&r);
}

static void fill(struct rig *r, unsigned n)
{
	char text[32];

	for (unsigned i = 0; i < n; i++) {
		snprintf(text, sizeof text, "%u", i);
		rig_put(r, rig_op(r), STR(A), str_c(text));
	}
	rig_wait(r);
}

/* Several segments: whatever is wrong with one that is not the last is corruption. */
static void test_sealed_segments(void **state)
{
	enum how { FLIP, NO_SEAL, EMPTY, SHORT, HEAD, GONE, NO_SEGMENT };
	static const struct {
		const char *name;
		enum how how;
		const char *words[4];
	} cases[] = {
		{ "a flipped bit in the last record", FLIP, { FIRST, "checksum", "later commits" } },
		{ "no seal", NO_SEAL, { FIRST, "zeros where it should be", "later commits" } },
		{ "all zeros", EMPTY, { FIRST, "offset 64:", "zeros where it should be" } },
		{ "a short file", SHORT, { FIRST, "not as long" } },
		{ "a broken head", HEAD, { FIRST, "head of the segment" } },
		{ "one missing", GONE, { "a segment before this one is missing" } },
		{ "another file", NO_SEGMENT, { FIRST, "no segment of a ledger" } },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (int with_index = 0; with_index < 2; with_index++) {
			struct rig r;
			struct layout l;
			print_message("%s\n", cases[i].name);
			/* With an index that covers it, what is in a sealed segment is looked at
			 * when it is read. */
			if (with_index && cases[i].how <= EMPTY)
				continue;
			rig_init(&r, SEGMENT_MIN);
			fill(&r, 150);
			ledger_close(&r.l);
			if (!with_index)
				rig_remove(&r, INDEX_NAME);
			layout_of(&r, FIRST, &l);
			char *bytes = (char *)l.file.p;
			switch (cases[i].how) {
			case FLIP: bytes[l.at[l.n - 1] - 9] ^= 4; break;
			case NO_SEAL: memset(bytes + l.at[l.n - 1], 0, RECORD_SEAL_LENGTH); break;
			case EMPTY: memset(bytes + SEGMENT_HEAD, 0, l.file.n - SEGMENT_HEAD); break;
			case SHORT: l.file.n = l.at[l.n - 1] + 8; break;
			case HEAD: bytes[20] ^= 1; break;
			case GONE: rig_remove(&r, "0000000000001000.segment"); break;
			case NO_SEGMENT: memset(bytes, 'x', SEGMENT_HEAD); break;
			}
			rig_put_file(&r, FIRST, l.file);
			expect_refusal(&r, cases[i].words);
			layout_free(&l);
			rig_clear(&r);
		}
}

/* An index is never needed, and an old one is as good as a new one. */
static void test_index(void **state)
{
	enum how { MISSING, FLIPPED, CUT, EMPTY, FOREIGN, OLD, HOWS };
	struct rig r, other;
	char want[1024] = "";

	for (int i = 40; i < 150; i++)
		snprintf(want + strlen(want), sizeof want - strlen(want), "%d ", i);
	for (enum how how = MISSING; how < HOWS; how++)
		for (size_t byte = 0; byte < (how == FLIPPED ? 200 : 1); byte += 3) {
			rig_init(&r, SEGMENT_MIN);
			fill(&r, 20);
			rig_store(&r, B, STR("gone"));
			rig_reopen(&r);
			struct str old = rig_file(&r, INDEX_NAME);
			for (int i = 20; i < 150; i++) {
				char text[8];
				snprintf(text, sizeof text, "%d", i);
				rig_put(&r, rig_op(&r), STR(A), str_c(text));
			}
			rig_wait(&r);
			rig_drop(&r, A, rig_read(&r, A, 40)->messages[39].place);
			rig_erase(&r, B);
			ledger_close(&r.l);
			struct str index = rig_file(&r, INDEX_NAME);
			switch (how) {
			case MISSING: rig_remove(&r, INDEX_NAME); break;
			case FLIPPED:
				((char *)index.p)[byte % index.n] ^= 1;
				rig_put_file(&r, INDEX_NAME, index);
				break;
			case CUT: rig_put_file(&r, INDEX_NAME, str_head(index, index.n - 8)); break;
			case EMPTY: rig_put_file(&r, INDEX_NAME, STR("")); break;
			case FOREIGN:
				rig_init(&other, SEGMENT_MIN);
				fill(&other, 3);
				ledger_close(&other.l);
				struct str foreign = rig_file(&other, INDEX_NAME);
				rig_put_file(&r, INDEX_NAME, foreign);
				free((char *)foreign.p);
				rig_clear(&other);
				break;
			default: rig_put_file(&r, INDEX_NAME, old); break;
			}
			free((char *)old.p);
			free((char *)index.p);
			assert_true(rig_open(&r));
			rig_expect(&r, A, want);
			rig_expect(&r, B, "");
			rig_clear(&r);
		}
}

/* A new segment that was not finished, and an index. */
static void test_leftovers(void **state)
{
	struct rig r;

	rig_init(&r, SEGMENT_MIN);
	rig_store(&r, A, STR("one"));
	ledger_close(&r.l);
	rig_put_file(&r, "segment.tmp", STR("half a head"));
	rig_put_file(&r, "index.tmp", STR("half an index"));
	rig_put_file(&r, "README", STR("not ours"));
	assert_true(rig_open(&r));
	rig_expect(&r, A, "one ");
	assert_false(rig_remove(&r, "segment.tmp") || rig_remove(&r, "index.tmp"));
	assert_true(rig_remove(&r, "README"));
	rig_clear(&r);
}

/* A segment whose successor says that it has been deleted. */
static void test_half_deleted(void **state)
{
	struct rig r;
	struct str first;

	rig_init(&r, SEGMENT_MIN);
	fill(&r, 50);
	first = rig_file(&r, FIRST);
	rig_drop(&r, A, UINT64_MAX);
	for (int i = 0; rig_each_file(&r, FIRST, NULL, NULL) && i < 500; i++)
		usleep(10000);
	ledger_close(&r.l);
	rig_put_file(&r, FIRST, first);
	for (int turn = 0; turn < 2; turn++) {
		assert_true(rig_open(&r));
		assert_int_equal(rig_each_file(&r, FIRST, NULL, NULL), 0);
		rig_expect(&r, A, "");
		ledger_close(&r.l);
		rig_remove(&r, INDEX_NAME);
		rig_put_file(&r, FIRST, first);
	}
	free((char *)first.p);
	rig_clear(&r);
}

/* Erasing, cut short after each step: the ERASE record is there, so it is done again. */
static void test_half_erased(void **state)
{
	struct layout l;
	struct rig r;

	for (int marks = 0; marks <= 3; marks++)
		for (int zeroed = 0; zeroed <= marks; zeroed++) {
			rig_init(&r, SEGMENT_MIN);
			rig_store(&r, A, STR("secret-1"));
			rig_store(&r, B, STR("kept"));
			rig_store(&r, A, STR("secret-2"));
			ledger_close(&r.l);
			layout_of(&r, FIRST, &l);
			/* What the writer adds, and then the keeper does, in its order. */
			struct record rec = { .type = RECORD_ERASE, .place = l.at[3],
				.group = l.at[3], .n_archives = 1, .version = 2,
				.archives = { { .name = STR(A) } } };
			char *bytes = (char *)l.file.p;
			record_write(&rec, l.head.form.salt, bytes + l.at[3]);
			const size_t at[] = { l.at[0], l.at[2], l.at[3] };
			for (int k = 0; k < marks; k++)
				record_erased_word(bytes + at[k] + record_erased_at(&rec, 0));
			for (int k = 0; k < zeroed; k++)
				memset(bytes + at[k] + RECORD_HEAD + RECORD_SLOT, 0,
					sizeof A - 1 + (k < 2 ? 8 : 0));
			if ((marks + zeroed) % 2)
				replace(&r, l.file);
			else
				rig_put_file(&r, FIRST, l.file); /* with its index, from before */
			assert_true(rig_open(&r));
			rig_expect(&r, A, "");
			rig_expect(&r, B, "kept ");
			assert_int_equal(rig_grep(&r, "secret"), 0);
			assert_int_equal(rig_grep(&r, A), 0);
			rig_store(&r, A, STR("new"));
			rig_reopen(&r);
			rig_expect(&r, A, "new ");
			layout_free(&l);
			rig_clear(&r);
		}
}

/* All segments sealed and no next one: a crash just after a spare was taken away by hand, or
 * one that came between the seal and a folder that lost the spare. */
static void test_all_sealed(void **state)
{
	struct rig r;
	struct layout l;

	rig_init(&r, SEGMENT_MIN);
	fill(&r, 120);
	ledger_close(&r.l);
	rig_remove(&r, INDEX_NAME);
	layout_of(&r, FIRST, &l);
	for (uint64_t base = SEGMENT_MIN; base < 100 * SEGMENT_MIN; base += SEGMENT_MIN) {
		char name[SEGMENT_NAME_SIZE];
		segment_name(base, name);
		rig_remove(&r, name);
	}
	assert_true(rig_open(&r));
	assert_int_equal(ledger_waiting(r.l, STR(A)), l.n - 1);
	assert_int_equal(rig_store(&r, B, STR("new")), STORE_OK);
	rig_reopen(&r);
	rig_expect(&r, B, "new ");
	assert_int_equal(ledger_waiting(r.l, STR(A)), l.n - 1);
	layout_free(&l);
	rig_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_torn_tail),
		cmocka_unit_test(test_no_resurrection),
		cmocka_unit_test(test_corruption_is_reported),
		cmocka_unit_test(test_corruption_the_index_knows),
		cmocka_unit_test(test_corruption_when_reading),
		cmocka_unit_test(test_sealed_segments),
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_leftovers),
		cmocka_unit_test(test_half_deleted),
		cmocka_unit_test(test_half_erased),
		cmocka_unit_test(test_all_sealed),
	};

	rig_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
