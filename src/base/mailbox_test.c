#include "base/mailbox.h"

#include "base/bug.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define PRODUCERS 4
#define MAILS     20000 /* of each producer */

struct letter {
	struct mail mail;
	unsigned producer, number;
};

struct receiver {
	struct mailbox box;
	unsigned next[PRODUCERS]; /* the number expected of each */
	atomic_size_t received;
	size_t wrong;
};

static void on_letter(struct mail *m, void *receiver)
{
	struct letter *l = container_of(m, struct letter, mail);
	struct receiver *r = receiver;

	if (l->number != r->next[l->producer])
		r->wrong++;
	r->next[l->producer] = l->number + 1;
	r->received++;
	free(l);
}

static void start(struct receiver *r, size_t max_bytes)
{
	memset(r, 0, sizeof *r);
	assert_true(mailbox_init(&r->box, max_bytes));
}

static struct mail *letter(unsigned producer, unsigned number)
{
	struct letter *l = xmalloc(sizeof *l);

	*l = (struct letter){ { NULL, on_letter, 10 }, producer, number };
	return &l->mail;
}

static bool is_readable(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, 0) == 1;
}

static void mails_come_in_the_order_of_posting(void **state)
{
	struct receiver r;
	struct batch t = { 0 };

	start(&r, 25);
	assert_int_equal(mailbox_run(&r.box, &r), 0);
	mailbox_post(&r.box, &t); /* an empty batch: nothing */
	mailbox_post_one(&r.box, letter(0, 0));
	mailbox_post_one(&r.box, letter(0, 1));
	assert_false(mailbox_full(&r.box));
	for (unsigned i = 2; i < 5; i++)
		batch_add(&t, letter(0, i));
	mailbox_post(&r.box, &t);
	assert_null(t.first);
	assert_int_equal(t.bytes, 0);
	assert_true(mailbox_full(&r.box)); /* 50 of 25 bytes, and yet taken */
	mailbox_post_one(&r.box, letter(0, 5));
	assert_int_equal(mailbox_run(&r.box, &r), 6);
	assert_int_equal(r.received, 6);
	assert_int_equal(r.wrong, 0);
	assert_false(mailbox_full(&r.box));
	assert_int_equal(atomic_load(&r.box.bytes), 0);
	mailbox_clear(&r.box);
}

static void only_a_sleeper_is_woken_and_only_once(void **state)
{
	struct receiver r;

	start(&r, 1000);
	mailbox_post_one(&r.box, letter(0, 0));
	assert_false(is_readable(r.box.fd));
	assert_false(mailbox_sleep(&r.box)); /* something has come */
	mailbox_run(&r.box, &r);
	assert_true(mailbox_sleep(&r.box));
	assert_false(is_readable(r.box.fd));
	mailbox_post_one(&r.box, letter(0, 1));
	assert_true(is_readable(r.box.fd));
	mailbox_post_one(&r.box, letter(0, 2));
	mailbox_awake(&r.box, true);
	assert_false(is_readable(r.box.fd));
	mailbox_post_one(&r.box, letter(0, 3)); /* awake: no need to wake it */
	assert_false(is_readable(r.box.fd));
	assert_int_equal(mailbox_run(&r.box, &r), 3);
	assert_true(mailbox_sleep(&r.box));
	mailbox_awake(&r.box, false); /* something else woke it */
	mailbox_post_one(&r.box, letter(0, 4));
	assert_false(is_readable(r.box.fd));
	assert_int_equal(mailbox_run(&r.box, &r), 1);
	assert_int_equal(r.wrong, 0);
	mailbox_clear(&r.box);
}

/* Runs a mail that posts to the same box: it comes in the next round, not in this one. */
static void on_echo(struct mail *m, void *receiver)
{
	struct receiver *r = receiver;

	r->received++;
	mailbox_post_one(&r->box, letter(0, 0));
	free(container_of(m, struct letter, mail));
}

static void a_mail_may_post_to_its_own_box(void **state)
{
	struct receiver r;
	struct mail *m = letter(0, 0);

	start(&r, 1000);
	m->run = on_echo;
	mailbox_post_one(&r.box, m);
	assert_int_equal(mailbox_run(&r.box, &r), 1);
	assert_int_equal(r.received, 1);
	assert_int_equal(mailbox_run(&r.box, &r), 1);
	assert_int_equal(r.received, 2);
	mailbox_clear(&r.box);
}

struct producer {
	struct receiver *to;
	unsigned id;
};

/* Posts in batches of one, three, five and seven. */
static void *produce(void *arg)
{
	struct producer *p = arg;
	struct batch t = { 0 };

	for (unsigned i = 0; i < MAILS; i++) {
		batch_add(&t, letter(p->id, i));
		if (i % (1 + p->id * 2) == 0)
			mailbox_post(&p->to->box, &t);
	}
	mailbox_post(&p->to->box, &t);
	return NULL;
}

/* Posts the next mail when the last one has been run: while the receiver goes to sleep. */
static void *produce_one_by_one(void *arg)
{
	struct producer *p = arg;

	for (unsigned i = 0; i < MAILS; i++) {
		for (unsigned spins = 1; atomic_load(&p->to->received) < i; spins++)
			if (spins % 4096 == 0)
				sched_yield();
		mailbox_post_one(&p->to->box, letter(p->id, i));
	}
	return NULL;
}

/* Takes mails as a loop does until `all` have come, each time with another delay before it goes
 * to sleep. A mail that wakes nobody makes it wait for ever; ten seconds are taken for that. */
static void receive(struct receiver *r, size_t all)
{
	for (unsigned round = 0; r->received < all; round++) {
		struct pollfd p = { r->box.fd, POLLIN, 0 };
		bool woken = false;
		for (volatile unsigned i = round % 512; i > 0; i--)
			;
		if (mailbox_sleep(&r->box)) {
			assert_int_equal(poll(&p, 1, 10000), 1);
			woken = true;
		}
		mailbox_awake(&r->box, woken);
		mailbox_run(&r->box, r);
	}
}

static void run_producers(void *(*run)(void *), unsigned n)
{
	struct receiver r;
	struct producer producers[PRODUCERS];
	pthread_t threads[PRODUCERS];

	start(&r, 1000000);
	for (unsigned i = 0; i < n; i++) {
		producers[i] = (struct producer){ &r, i };
		assert_int_equal(pthread_create(&threads[i], NULL, run, &producers[i]), 0);
	}
	receive(&r, (size_t)n * MAILS);
	for (unsigned i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(r.next[i], MAILS);
	}
	assert_int_equal(r.wrong, 0);
	assert_int_equal(atomic_load(&r.box.bytes), 0);
	assert_int_equal(mailbox_run(&r.box, &r), 0);
	mailbox_clear(&r.box);
}

/* Each producer's mails come in its order and none is lost. */
static void producers_keep_their_order(void **state)
{
	run_producers(produce, PRODUCERS);
}

static void no_mail_is_slept_through(void **state)
{
	run_producers(produce_one_by_one, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mails_come_in_the_order_of_posting),
		cmocka_unit_test(only_a_sleeper_is_woken_and_only_once),
		cmocka_unit_test(a_mail_may_post_to_its_own_box),
		cmocka_unit_test(producers_keep_their_order),
		cmocka_unit_test(no_mail_is_slept_through),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
