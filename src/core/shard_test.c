/* Placement, and what holds shards together at their bounds. */
#include "core/shard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/testing.h"

#include <cmocka.h>

/* ---- placement ---- */

static void test_owner_of_an_address(void **state)
{
	struct core_side x;

	core_side_init(&x, 4);
	assert_ptr_equal(shard_of(&x.core, test_jid("romeo@a.example")),
		shard_of(&x.core, test_jid("romeo@a.example/orchard")));
	unsigned owned[4] = { 0 };
	for (unsigned i = 0; i < 4000; i++) {
		char text[32];
		snprintf(text, sizeof text, "user%u@a.example", i);
		struct shard *s = shard_of(&x.core, test_jid(text));
		assert_true(shard_owns(s, test_jid(text)));
		owned[s->index]++;
	}
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(owned[i], 800, 1200);
	core_side_clear(&x);
}

/* Data is found by it for ever: a change here would need a migration. */
static void test_places_are_fixed(void **state)
{
	static const struct {
		const char *jid;
		unsigned of_2, of_4;
	} cases[] = {
		{ "romeo@a.example", 0, 2 },
		{ "juliet@a.example", 1, 1 },
		{ "benvolio@a.example", 0, 0 },
		{ "juliet@c.example", 1, 3 },
	};
	struct core_side two, four;

	core_side_init(&two, 2);
	core_side_init(&four, 4);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(shard_of(&two.core, test_jid(cases[i].jid))->index, cases[i].of_2);
		assert_int_equal(shard_of(&four.core, test_jid(cases[i].jid))->index, cases[i].of_4);
	}
	core_side_clear(&four);
	core_side_clear(&two);
}

/* ---- a full mailbox (core/shard.h) ---- */

static unsigned arrived;

static void note_arrival(struct mail *m, void *receiver)
{
	arrived++;
	free(m);
}

static void post(struct shard *from, struct shard *to, uint32_t bytes)
{
	struct mail *m = xcalloc(1, sizeof *m);

	m->run = note_arrival;
	m->bytes = bytes;
	shard_post(from, to, m);
}

static void test_full_mailbox(void **state)
{
	struct core_side x;

	core_side_init(&x, 3);
	struct shard *a = x.core.shards[0], *b = x.core.shards[1], *c = x.core.shards[2];
	struct test_client *on_a = test_client_new(a), *on_b = test_client_new(b);
	struct test_client *on_c = test_client_new(c);
	arrived = 0;

	post(a, b, MAILBOX_MAX);
	loop_turn(&a->loop, 0);
	assert_false(on_a->loop.paused); /* at the bound is not over it */
	post(a, b, 1);
	loop_turn(&a->loop, 0);
	assert_true(on_a->loop.paused);
	assert_false(on_b->loop.paused);
	assert_false(on_c->loop.paused); /* who sends nothing there is not held back */
	struct test_client *late = test_client_new(a);
	assert_true(late->loop.paused);

	/* A throttled shard goes on with its own mail, or two of them would wait for each other. */
	post(c, a, 1);
	loop_turn(&c->loop, 0);
	loop_turn(&a->loop, 0);
	assert_int_equal(arrived, 1);

	clock_advance(100);
	loop_turn(&a->loop, 0);
	assert_true(on_a->loop.paused); /* it is still full */
	loop_turn(&b->loop, 0);
	assert_int_equal(arrived, 3);
	assert_true(on_a->loop.paused);
	clock_advance(100);
	loop_turn(&a->loop, 0);
	assert_false(on_a->loop.paused);
	assert_false(late->loop.paused);

	/* And once more. */
	post(a, b, MAILBOX_MAX + 1);
	loop_turn(&a->loop, 0);
	assert_true(on_a->loop.paused);
	core_side_clear(&x);
}

static void test_mails_of_a_pair_keep_their_order(void **state)
{
	struct core_side x;

	core_side_init(&x, 2);
	arrived = 0;
	for (unsigned i = 0; i < 100; i++)
		post(x.core.shards[0], x.core.shards[1], 1);
	loop_turn(&x.core.shards[1]->loop, 0);
	assert_int_equal(arrived, 0); /* nothing crosses before the turn's end */
	loop_turn(&x.core.shards[0]->loop, 0);
	loop_turn(&x.core.shards[1]->loop, 0);
	assert_int_equal(arrived, 100);
	assert_int_equal(core_count(&x.core, COUNT_CROSSED), 100);
	core_side_clear(&x);
}

/* ---- other bounds ---- */

static void test_checks_per_second(void **state)
{
	static const struct {
		unsigned shards;
		uint32_t all, each;
	} cases[] = { { 1, 3, 3 }, { 2, 6, 3 }, { 4, 2, 1 }, { 2, 5, 2 } };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct core_side x;
		core_side_init(&x, cases[i].shards);
		x.settings->checks_per_second = cases[i].all;
		struct shard *s = x.core.shards[cases[i].shards - 1];
		for (unsigned second = 0; second < 3; second++) {
			unsigned n = 0;
			core_side_wait(&x, 1000);
			while (shard_may_check(s))
				n++;
			assert_int_equal(n, cases[i].each);
		}
		core_side_clear(&x);
	}
}

/* ---- orders to all ---- */

static void turn_all(struct core_side *x)
{
	for (unsigned i = 0; i < x->core.n_shards; i++)
		loop_turn(&x->core.shards[i]->loop, 0);
}

/* RFC 6120 section 4.9.3.20; a shard stops when its last client has gone, or after a while. */
static void test_stop(void **state)
{
	struct core_side x;

	core_side_init(&x, 2);
	struct test_client *t = test_client_new(x.core.shards[1]);
	core_stop(&x.core);
	core_stop(&x.core);
	for (unsigned i = 0; i < STOP_STEPS; i++)
		turn_all(&x);
	assert_true(x.core.shards[0]->loop.stopping);
	assert_false(x.core.shards[1]->loop.stopping);
	assert_true(t->loop.finished);
	assert_non_null(memmem(t->loop.out.p, t->loop.out.n, "<system-shutdown", 16));
	core_side_wait(&x, 10 * 1000);
	assert_true(x.core.shards[1]->loop.stopping);
	core_side_clear(&x);
}

/* RFC 6120 section 4.9.3.5: clients of a host that is gone are told; the others stay. */
static void test_reload(void **state)
{
	static const char header[] = "<stream:stream xmlns='jabber:client' xmlns:stream="
		"'http://etherx.jabber.org/streams' version='1.0' to='a.example'>";
	struct core_side x;

	core_side_init(&x, 2);
	struct test_client *known = test_client_new(x.core.shards[0]);
	struct test_client *fresh = test_client_new(x.core.shards[1]);
	loopback_send(&known->loop, str_c(header));
	struct settings *other = settings_new();
	settings_add_host(other, STR("b.example"));
	core_reload(&x.core, other);
	turn_all(&x);
	assert_ptr_equal(x.core.shards[0]->settings, other);
	assert_non_null(memmem(known->loop.out.p, known->loop.out.n, "<host-gone", 10));
	assert_false(fresh->loop.finished);
	settings_unref(&other);
	core_side_clear(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owner_of_an_address),
		cmocka_unit_test(test_places_are_fixed),
		cmocka_unit_test(test_full_mailbox),
		cmocka_unit_test(test_mails_of_a_pair_keep_their_order),
		cmocka_unit_test(test_checks_per_second),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_reload),
	};

	log_setup(LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
