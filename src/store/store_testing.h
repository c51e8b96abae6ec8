/* For the tests of the database: a store in a folder of its own, with one home. */
#ifndef STORE_STORE_TESTING_H
#define STORE_STORE_TESTING_H

#include "store/store.h"
#include "store/testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define HOST STR("example.org")

struct bench {
	char *dir;
	struct store *s;
	struct mailbox home;
	unsigned out, back; /* operations */
	struct store_op *last;
	void *of_test; /* what the test is at */
};

static inline struct store *open_store(const char *dir)
{
	struct arena a;
	struct str error = STR_NULL;

	arena_init(&a, 1024);
	struct store *s = store_open(dir, 2, &a, &error);
	if (!s)
		print_error("%.*s\n", STR_FMT(error));
	assert_non_null(s);
	arena_clear(&a);
	return s;
}

static inline int set_up(void **state)
{
	struct bench *b = xcalloc(1, sizeof *b);

	b->dir = folder_new();
	b->s = open_store(b->dir);
	assert_true(mailbox_init(&b->home, 1 << 20));
	*state = b;
	return 0;
}

static inline int tear_down(void **state)
{
	struct bench *b = *state;

	if (b->last)
		store_op_free(b->last);
	if (b->s)
		store_close(&b->s);
	mailbox_clear(&b->home);
	folder_free(b->dir);
	free(b);
	return 0;
}

static inline void keep_last(struct store_op *op, void *receiver)
{
	struct bench *b = receiver;

	if (b->last)
		store_op_free(b->last);
	b->last = op;
	b->back++;
}

static inline bool all_back(void *receiver)
{
	struct bench *b = receiver;

	return b->back == b->out;
}

static inline struct store_op *new_op(struct bench *b)
{
	b->out++;
	return store_op_new(&b->home, keep_last, 0);
}

/* Waits for all operations; the one that came last. */
static inline struct store_op *wait_all(struct bench *b)
{
	home_run(&b->home, b, all_back);
	return b->last;
}

static const struct store_key some_keys[STORE_HASHES] = {
	{ 4096, { "salt\0one", 8 }, { "\xff\x00stored", 8 }, { "server1", 7 } },
	{ 10000, { "salt2", 5 }, { "stored2", 7 }, { "\0\0\0", 3 } },
};
static inline enum store_status create(struct bench *b, struct str user)
{
	store_account_create(b->s, new_op(b), HOST, user, some_keys, 1234567);
	return wait_all(b)->status;
}

static inline struct store_account *load(struct bench *b, struct str user)
{
	store_load(b->s, new_op(b), HOST, user);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	return &b->last->account;
}

static inline void assert_str(struct str is, struct str should)
{
	if (!str_eq(is, should))
		fail_msg("is '%.*s', should be '%.*s'", (int)is.n, is.p ? is.p : "",
			(int)should.n, should.p ? should.p : "");
}

#endif
