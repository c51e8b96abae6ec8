/* Pages of a history (XEP-0313, XEP-0059): whatever is asked for, the answer is the one that
 * looking at every message gives. */
#include "store/ledger_testing.h"

#define A        "romeo@example.org"
#define B        "juliet@example.org"
#define MESSAGES 3000
#define PARTNERS 5
#define BEGIN    UINT64_C(1700000000000000)
#define SPACE    UINT64_C(5000) /* microseconds between two messages, about */

static const char *const partners[PARTNERS] = { B, "m@example.org", "t@example.org",
	"rare@example.org", "" };

/* What was stored in the history of A. */
static struct sent {
	uint64_t id, place;
	unsigned partner;
	char text[16];
} sent[MESSAGES];
static unsigned n_sent;

static uint64_t random_state = 88172645463325252;

static uint32_t dice(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % below;
}

static void note_place(struct ledger_op *op, void *receiver)
{
	assert_int_equal(op->status, STORE_OK);
	(*(struct sent **)op->ctx)->place = op->place;
	rig_done(op, receiver);
}

/* One message of A's history, in one archive or two, among others that are not. */
static void send(struct rig *r, unsigned disorder)
{
	struct sent *m = &sent[n_sent++];
	unsigned k = dice(300);

	m->partner = k == 0 ? 3 : k % 4 == 3 ? 4 : k % 4;
	m->id = ledger_id(BEGIN + n_sent * SPACE - dice(disorder + 1) * SPACE, n_sent & 0xff);
	int n = snprintf(m->text, sizeof m->text, "text %u", n_sent);
	struct ledger_entry e[] = { { STR(A), str_c(partners[m->partner]), true, dice(2) },
		{ str_c(partners[m->partner]), STR(A), dice(2), true } };
	struct ledger_op *op = ledger_op_new(&r->home, note_place, sizeof m);
	*(struct sent **)op->ctx = m;
	r->out++;
	ledger_store(r->l, op, e, m->partner == 4 ? 1 : 2, m->id, str_from(m->text, 3),
		str_from(m->text + 3, (size_t)n - 3));
	if (dice(3) == 0)
		rig_put(r, rig_op(r), STR(A), STR("waits, and is no history"));
	if (n_sent % 64 == 0)
		rig_wait(r);
}

static void fill(struct rig *r, unsigned n, unsigned disorder)
{
	n_sent = 0;
	r->o.offline_max = UINT32_MAX;
	rig_reopen(r);
	while (n_sent < n)
		send(r, disorder);
	rig_wait(r);
}

/* The rule of the further condition: texts that end with this digit. */
static bool ends_with(const struct ledger_message *m, const void *ctx)
{
	return m->bytes.p[m->bytes.n - 1] == *(const char *)ctx;
}

static uint64_t place_of(uint64_t id)
{
	for (unsigned i = 0; i < n_sent; i++)
		if (sent[i].id == id)
			return sent[i].place;
	fail_msg("nobody has sent %" PRIu64, id);
	return 0;
}

static bool fits(const struct ledger_query *q, const struct sent *m)
{
	struct ledger_message x = { .bytes = str_c(m->text) };
	uint64_t stamp = ledger_id_stamp(m->id);
	bool named = !q->n_ids;

	for (size_t i = 0; i < q->n_ids; i++)
		named = named || q->ids[i] == m->id;
	return named && (!q->with.n || str_eq(q->with, str_c(partners[m->partner]))) &&
		(!q->after || m->place > place_of(q->after)) &&
		(!q->before || m->place < place_of(q->before)) &&
		stamp >= q->start_us && (!q->end_us || stamp <= q->end_us) &&
		(!q->match || q->match(&x, q->match_ctx));
}

/* Holds the answer to what the list says. */
static void expect(const struct ledger_query *q, const struct ledger_op *op)
{
	static unsigned want[MESSAGES];
	unsigned n = 0;

	for (unsigned i = 0; i < n_sent; i++)
		if (fits(q, &sent[i]))
			want[n++] = i;
	unsigned k = n < q->max ? n : q->max, from = q->newest ? n - k : 0;
	assert_int_equal(op->status, STORE_OK);
	assert_int_equal(op->n_messages, k);
	assert_int_equal(op->complete, n <= q->max);
	for (unsigned i = 0; i < k; i++) {
		const struct sent *m = &sent[want[from + i]];
		const struct ledger_message *got = &op->messages[i];
		assert_true(got->place == m->place && got->id == m->id &&
			got->stamp_us == ledger_id_stamp(m->id) &&
			str_eq(got->bytes, str_c(m->text)));
	}
	bool filters = q->with.n || q->start_us || q->end_us || q->n_ids || q->match;
	assert_int_equal(op->total_known, !filters);
	assert_int_equal(op->index_known, !filters && k);
	if (!filters)
		assert_int_equal(op->total, n_sent);
	if (op->index_known)
		assert_int_equal(op->first_index, want[from]);
}

static struct ledger_op *query(struct rig *r, const char *archive, const struct ledger_query *q)
{
	ledger_query(r->l, rig_op(r), str_c(archive), q);
	return rig_wait(r);
}

/* Conditions in every mixture. */
static void ask_at_random(struct rig *r, unsigned times)
{
	static const uint32_t sizes[] = { 0, 1, 2, 10, 50, 333, UINT32_MAX };
	uint64_t ids[40];
	char digit;

	for (unsigned k = 0; k < times; k++) {
		struct ledger_query q = { .newest = dice(2), .max = sizes[dice(7)] };
		unsigned mix = dice(2) ? dice(64) : 0;
		if (mix & 1)
			q.with = str_c(partners[dice(PARTNERS)]);
		if (mix & 2 || dice(3) == 0)
			q.after = sent[dice(n_sent)].id;
		if (mix & 4 || dice(3) == 0)
			q.before = sent[dice(n_sent)].id;
		if (mix & 8)
			q.start_us = BEGIN + dice(MESSAGES) * SPACE;
		if (mix & 16)
			q.end_us = BEGIN + dice(MESSAGES) * SPACE;
		if (mix & 32) {
			digit = (char)('0' + dice(10));
			q.match = ends_with;
			q.match_ctx = &digit;
			q.match_ctx_size = 1;
		}
		if (dice(8) == 0) {
			q.ids = ids;
			q.n_ids = 1 + dice(40);
			for (size_t i = 0; i < q.n_ids; i++)
				ids[i] = sent[dice(n_sent)].id;
		}
		expect(&q, query(r, A, &q));
	}
}

static const struct {
	const char *name;
	unsigned messages, disorder;
	uint64_t segment;
} histories[] = {
	{ "in order", 3000, 0, 1 << 20 },
	{ "nearly in order, many segments", 3000, 8, 1 << 14 },
	{ "in disorder", 2000, 500, 1 << 16 },
	{ "few", 40, 5, 1 << 16 },
	{ "one", 1, 0, 1 << 16 },
};

static void test_any_question(void **state)
{
	for (size_t i = 0; i < sizeof histories / sizeof *histories; i++) {
		struct rig r;
		print_message("%s\n", histories[i].name);
		rig_init(&r, histories[i].segment);
		fill(&r, histories[i].messages, histories[i].disorder);
		ask_at_random(&r, 300);
		rig_reopen(&r);
		ask_at_random(&r, 100);
		ledger_close(&r.l);
		assert_true(rig_remove(&r, INDEX_NAME));
		assert_true(rig_open(&r));
		ask_at_random(&r, 100);
		rig_clear(&r);
	}
}

static void test_unknown_ids(void **state)
{
	struct rig r;
	struct ledger_query q = { .max = 10 };

	rig_init(&r, 1 << 16);
	assert_int_equal(query(&r, A, &q)->status, STORE_OK);
	assert_true(r.last->complete && r.last->total_known && !r.last->total &&
		!r.last->n_messages);
	q.after = 5;
	assert_int_equal(query(&r, A, &q)->status, STORE_NOT_FOUND);
	fill(&r, 200, 3);
	const uint64_t no[] = { sent[50].id + 256, 1, UINT64_MAX, 0 };
	for (int i = 0; i < 4; i++) {
		uint64_t ids[] = { sent[7].id, no[i] };
		q = (struct ledger_query){ .max = 10, .ids = ids, .n_ids = 2 };
		assert_int_equal(query(&r, A, &q)->status, STORE_NOT_FOUND);
		if (!no[i])
			break; /* asks for nothing in what follows */
		q = (struct ledger_query){ .max = 10, .after = no[i] };
		assert_int_equal(query(&r, A, &q)->status, STORE_NOT_FOUND);
		q = (struct ledger_query){ .max = 10, .before = no[i], .newest = true };
		assert_int_equal(query(&r, A, &q)->status, STORE_NOT_FOUND);
	}
	/* One of another archive. */
	rig_put(&r, rig_op(&r), STR(A), STR("no history"));
	q = (struct ledger_query){ .max = 10, .after = ledger_id(r.stamp, 0) };
	assert_int_equal(query(&r, A, &q)->status, STORE_NOT_FOUND);
	rig_clear(&r);
}

/* Who pages while others write misses nothing that is committed behind the last page. */
static void test_paging_while_it_grows(void **state)
{
	struct rig r;
	unsigned n = 0;
	struct ledger_query q = { .max = 7 };

	rig_init(&r, 1 << 14);
	fill(&r, 50, 20);
	do {
		struct ledger_op *op = query(&r, A, &q);
		assert_int_equal(op->status, STORE_OK);
		for (size_t i = 0; i < op->n_messages; i++)
			assert_true(op->messages[i].place == sent[n++].place);
		if (op->n_messages)
			q.after = op->messages[op->n_messages - 1].id;
		for (int k = 0; n_sent < 600 && k < 5; k++)
			send(&r, 20);
		rig_wait(&r);
	} while (n < n_sent);
	rig_clear(&r);
}

/* A page ends behind LEDGER_READ_BYTES and is not complete then. */
static void test_bytes_of_a_page(void **state)
{
	struct rig r;
	char *big = xcalloc(1, LEDGER_BYTES_MAX);
	const unsigned fit = LEDGER_READ_BYTES / LEDGER_BYTES_MAX;
	struct ledger_entry e = { .archive = STR(A), .archived = true };

	rig_init(&r, 32 << 20);
	for (unsigned i = 0; i < fit + 3; i++)
		ledger_store(r.l, rig_op(&r), &e, 1, ledger_id(1 + i, 0),
			str_from(big, LEDGER_BYTES_MAX), STR_NULL);
	rig_wait(&r);
	for (int newest = 0; newest < 2; newest++) {
		struct ledger_query q = { .max = 100, .newest = newest };
		struct ledger_op *op = query(&r, A, &q);
		assert_true(op->n_messages == fit && !op->complete);
		q.after = newest ? 0 : op->messages[fit - 1].id;
		q.before = newest ? op->messages[0].id : 0;
		op = query(&r, A, &q);
		assert_true(op->n_messages == 3 && op->complete);
	}
	rig_clear(&r);
	free(big);
}

/* Entries say what a message is to each archive. */
static void test_entries(void **state)
{
	struct rig r;
	struct ledger_query all = { .max = 10 };
	struct ledger_entry e[] = { { STR(A), STR(B), true, false },
		{ STR(B), STR(A), false, true } };

	rig_init(&r, 1 << 16);
	ledger_store(r.l, rig_op(&r), e, 2, ledger_id(7, 1), STR("hel"), STR("lo"));
	rig_wait(&r);
	rig_expect(&r, A, "");
	rig_expect(&r, B, "hello ");
	assert_int_equal(query(&r, A, &all)->n_messages, 1);
	assert_int_equal(query(&r, B, &all)->n_messages, 0);
	/* At the bound: what is archived as well is stored and does not wait. */
	r.o.offline_max = 1;
	rig_reopen(&r);
	ledger_store(r.l, rig_op(&r), e, 2, ledger_id(8, 1), STR("no"), STR_NULL);
	assert_int_equal(rig_wait(&r)->status, STORE_FULL);
	assert_int_equal(query(&r, A, &all)->n_messages, 1);
	e[1].archived = true;
	ledger_store(r.l, rig_op(&r), e, 2, ledger_id(9, 1), STR("yes"), STR_NULL);
	assert_int_equal(rig_wait(&r)->status, STORE_OK);
	rig_expect(&r, B, "hello ");
	assert_int_equal(query(&r, A, &all)->n_messages, 2);
	assert_int_equal(query(&r, B, &all)->n_messages, 1);
	rig_clear(&r);
}

/* Messages that were delivered and not acknowledged wait again, by their ids. */
static void test_wait(void **state)
{
	struct rig r;
	uint64_t ids[5];

	rig_init(&r, 1 << 14);
	fill(&r, 500, 10);
	ledger_drop_all(r.l, rig_op(&r), STR(A));
	for (int i = 0; i < 4; i++)
		ids[i] = sent[400 - 100 * i].id;
	ids[4] = 12345;
	for (int turn = 0; turn < 2; turn++) { /* twice is once */
		ledger_wait(r.l, rig_op(&r), STR(A), ids, 5);
		assert_int_equal(rig_wait(&r)->status, STORE_NOT_FOUND);
		assert_int_equal(r.last->missing, 1);
	}
	rig_expect(&r, A, "text 101 text 201 text 301 text 401 ");
	rig_drop_places(&r, A, &sent[200].place, 1);
	for (int turn = 0; turn < 2; turn++) {
		rig_expect(&r, A, "text 101 text 301 text 401 ");
		ledger_close(&r.l);
		assert_true(rig_remove(&r, INDEX_NAME));
		assert_true(rig_open(&r));
	}
	ledger_read_waiting(r.l, rig_op(&r), STR(A), sent[100].place, 1);
	assert_int_equal(rig_wait(&r)->n_messages, 1);
	assert_true(r.last->messages[0].place == sent[300].place);
	ledger_wait(r.l, rig_op(&r), STR("nobody@example.org"), ids, 4);
	assert_int_equal(rig_wait(&r)->missing, 4);
	rig_clear(&r);
}

/* Operations that are gathered go together, in order. */
static void test_batch(void **state)
{
	struct rig r;
	struct batch b = { 0 };
	struct ledger_entry e = { .archive = STR(A), .archived = true, .waits = true };

	rig_init(&r, 1 << 16);
	for (unsigned i = 0; i < 10; i++) {
		struct ledger_op *op = rig_op(&r);
		op->batch = &b;
		ledger_store(r.l, op, &e, 1, ledger_id(1 + i, 0), STR("x"), STR_NULL);
	}
	assert_int_equal(r.out, 10);
	assert_int_equal(ledger_waiting(r.l, STR(A)), 0);
	ledger_flush(r.l, &b);
	assert_null(b.first);
	rig_wait(&r);
	assert_int_equal(ledger_waiting(r.l, STR(A)), 10);
	rig_clear(&r);
}

/* The history of an archive goes with it, and the other archive keeps its own. */
static void test_erase(void **state)
{
	struct rig r;
	struct ledger_query all = { .max = 100 }, with = { .max = 100, .with = STR(A) };
	struct ledger_entry e[] = { { STR(A), STR(B), true, true },
		{ STR(B), STR(A), true, false } };

	rig_init(&r, 1 << 14);
	for (unsigned i = 0; i < 70; i++)
		ledger_store(r.l, rig_op(&r), e, 2, ledger_id(1 + i, 0), STR("secret"), STR_NULL);
	assert_int_equal(rig_erase(&r, A), STORE_OK);
	for (int turn = 0; turn < 2; turn++) {
		assert_int_equal(query(&r, A, &all)->n_messages, 0);
		assert_true(r.last->total_known && r.last->total == 0);
		assert_int_equal(query(&r, B, &all)->n_messages, 70);
		assert_int_equal(query(&r, B, &with)->n_messages, 70);
		rig_expect(&r, A, "");
		assert_int_equal(rig_grep(&r, A), 0);
		rig_reopen(&r);
	}
	ledger_store(r.l, rig_op(&r), e, 2, ledger_id(100, 0), STR("new"), STR_NULL);
	assert_int_equal(query(&r, A, &all)->n_messages, 1);
	assert_true(r.last->total == 1 && r.last->first_index == 0);
	assert_int_equal(query(&r, B, &all)->n_messages, 71);
	rig_erase(&r, B);
	assert_int_equal(rig_grep(&r, "secret"), 0);
	assert_int_equal(rig_grep(&r, "new"), 1);
	rig_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_question),
		cmocka_unit_test(test_unknown_ids),
		cmocka_unit_test(test_paging_while_it_grows),
		cmocka_unit_test(test_bytes_of_a_page),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_erase),
	};

	rig_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
