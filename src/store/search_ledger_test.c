/* The search with the real ledger: what it rests on. Search_test.c has the rules. */
#include "store/search.h"
#include "store/testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ROMEO STR("romeo@example.org")

struct bench {
	char *dir, *ledger_dir;
	struct ledger *l;
	struct search *s;
	struct mailbox home;
	unsigned out;
	enum store_status status;
	size_t found;
	uint64_t first; /* id of what was found */
};

static void read_message(const struct ledger_message *m, struct str archive, struct buf *text,
	struct buf *partner)
{
	buf_add(text, m->bytes);
	buf_lit(partner, "juliet@example.org");
}

static void open_both(struct bench *b)
{
	struct ledger_options o = { .segment_bytes = 1 << 20 };
	struct str error = STR_NULL;
	struct arena a;

	arena_init(&a, 1024);
	b->l = ledger_open(b->ledger_dir, &o, &a, &error);
	if (!b->l)
		fail_msg("%.*s", STR_FMT(error));
	b->s = search_open(b->dir, b->l, read_message, &a, &error);
	if (!b->s)
		fail_msg("%.*s", STR_FMT(error));
	arena_clear(&a);
}

static void close_both(struct bench *b)
{
	search_stop(b->s);
	ledger_close(&b->l);
	search_close(&b->s);
}

static int set_up(void **state)
{
	struct bench *b = xcalloc(1, sizeof *b);

	b->dir = folder_new();
	b->ledger_dir = folder_new();
	assert_true(mailbox_init(&b->home, 1 << 20));
	open_both(b);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	close_both(b);
	mailbox_clear(&b->home);
	folder_free(b->ledger_dir);
	folder_free(b->dir);
	free(b);
	return 0;
}

static bool none_out(void *receiver)
{
	return ((struct bench *)receiver)->out == 0;
}

static void ledger_done(struct ledger_op *op, void *receiver)
{
	struct bench *b = receiver;

	assert_int_equal(op->status, STORE_OK);
	b->out--;
	ledger_op_free(op);
}

static struct ledger_op *ledger_new(struct bench *b)
{
	b->out++;
	return ledger_op_new(&b->home, ledger_done, 0);
}

static void search_done(struct search_op *op, void *receiver)
{
	struct bench *b = receiver;

	b->status = op->status;
	b->found = op->n_ids;
	b->first = op->n_ids ? op->ids[0] : 0;
	b->out--;
	search_op_free(op);
}

static struct search_op *search_new(struct bench *b)
{
	b->out++;
	return search_op_new(&b->home, search_done, 0);
}

static void store(struct bench *b, const char *text, uint64_t stamp)
{
	const struct ledger_entry entry = { ROMEO, STR("juliet@example.org"), .archived = true };

	ledger_store(b->l, ledger_new(b), &entry, 1, ledger_id(stamp, 0), str_c(text), STR(""));
}

static size_t find(struct bench *b, const char *text)
{
	const struct search_query q = { .text = str_c(text), .max = SEARCH_RESULT_MAX };

	home_run(&b->home, b, none_out);
	search_find(b->s, search_new(b), ROMEO, &q);
	home_run(&b->home, b, none_out);
	assert_int_equal(b->status, STORE_OK);
	return b->found;
}

static void what_is_stored_is_found(void **state)
{
	struct bench *b = *state;

	assert_int_equal(find(b, "cat"), 0);
	for (unsigned i = 1; i <= 1200; i++)
		store(b, i % 3 ? "a dog" : "a cat", i);
	assert_int_equal(find(b, "cat"), 400);
	assert_int_equal(b->first, ledger_id(3, 0));
	close_both(b);
	open_both(b);
	store(b, "another cat", 5000);
	assert_int_equal(find(b, "cat"), 401);
}

/* XEP-0424. */
static void what_is_replaced_is_not(void **state)
{
	struct bench *b = *state;

	store(b, "a cat", 1);
	assert_int_equal(find(b, "cat"), 1);
	ledger_replace(b->l, ledger_new(b), ROMEO, ledger_id(1, 0), STR("a tombstone"));
	home_run(&b->home, b, none_out);
	search_again(b->s, search_new(b), ROMEO, ledger_id(1, 0));
	assert_int_equal(find(b, "cat"), 0);
	assert_int_equal(find(b, "tombstone"), 1);
}

static void what_grew_too_old_is_not(void **state)
{
	struct bench *b = *state;

	store(b, "a cat", 1);
	store(b, "a cat", 2);
	assert_int_equal(find(b, "cat"), 2);
	/* Both are from 1970. */
	ledger_retain(b->l, 1000000, 0);
	assert_int_equal(find(b, "cat"), 0);
}

static void what_is_erased_is_not(void **state)
{
	struct bench *b = *state;

	store(b, "a cat", 1);
	assert_int_equal(find(b, "cat"), 1);
	ledger_erase(b->l, ledger_new(b), ROMEO);
	home_run(&b->home, b, none_out);
	assert_int_equal(find(b, "cat"), 0);
	search_erase(b->s, search_new(b), ROMEO);
	home_run(&b->home, b, none_out);
	assert_int_equal(b->status, STORE_OK);
	store(b, "a cat", 7);
	assert_int_equal(find(b, "cat"), 1);
	assert_int_equal(b->first, ledger_id(7, 0));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_stored_is_found),
		T(what_is_replaced_is_not),
		T(what_grew_too_old_is_not),
		T(what_is_erased_is_not),
	};
	return cmocka_run_group_tests_name("search_ledger", tests, NULL, NULL);
}
