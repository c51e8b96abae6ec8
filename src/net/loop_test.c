#include "net/testing.h"

#include <pthread.h>
#include <sys/eventfd.h>

struct probe {
	struct watch watch;
	struct loop *loop;
	struct watch *kills; /* removed when this one is ready */
	unsigned n;
};

static char order[16];

static void note(char c)
{
	size_t n = strlen(order);

	assert_true(n + 1 < sizeof order);
	order[n] = c;
	order[n + 1] = '\0';
}

static void probe_ready(struct watch *w, uint32_t events)
{
	struct probe *p = container_of(w, struct probe, watch);

	assert_true(events & EPOLLIN);
	p->n++;
	note('r');
	if (p->kills) {
		watch_del(p->loop, p->kills);
		p->kills = NULL;
	}
}

/* A descriptor that is always ready. */
static void probe_init(struct probe *p, struct loop *l)
{
	*p = (struct probe){ .loop = l };
	p->watch = (struct watch){ eventfd(1, EFD_NONBLOCK), EPOLLIN, probe_ready };
	assert_true(watch_add(l, &p->watch));
}

struct letter {
	struct mail mail;
	unsigned n;
};

static void on_mail(struct mail *m, void *receiver)
{
	note('m');
}

static void on_timer(struct timer *t)
{
	note('t');
}

static void on_turn_end(struct loop *l)
{
	note('e');
}

/* loop.h: mailbox, descriptors, timers, turn_end. */
static void test_order_of_a_turn(void **state)
{
	struct loop l;
	struct probe p;
	struct timer t;
	struct mail m = { .run = on_mail };

	start_loop(&l);
	order[0] = '\0';
	l.turn_end = on_turn_end;
	probe_init(&p, &l);
	timer_init(&t, on_timer);
	timer_set(&l.wheel, &t, l.now - 100, 0);
	usleep(20000);
	mailbox_post_one(&l.inbox, &m);
	loop_turn(&l, 1000);
	assert_string_equal(order, "mrte");
	watch_del(&l, &p.watch);
	close(p.watch.fd);
	loop_clear(&l);
}

/* Mail is run each turn even when descriptors are always ready. */
static void test_mail_under_load(void **state)
{
	struct loop l;
	struct probe p;
	struct mail m = { .run = on_mail };

	start_loop(&l);
	probe_init(&p, &l);
	for (int i = 0; i < 5; i++) {
		order[0] = '\0';
		mailbox_post_one(&l.inbox, &m);
		loop_turn(&l, 1000);
		assert_string_equal(order, "mr");
	}
	watch_del(&l, &p.watch);
	close(p.watch.fd);
	loop_clear(&l);
}

/* Whichever of two ready watches comes first removes the other: the other is not called. */
static void test_removed_watch_is_forgotten(void **state)
{
	struct loop l;
	struct probe a, b;

	start_loop(&l);
	order[0] = '\0';
	probe_init(&a, &l);
	probe_init(&b, &l);
	a.kills = &b.watch;
	b.kills = &a.watch;
	loop_turn(&l, 1000);
	assert_int_equal(a.n + b.n, 1);
	struct probe *left = a.n ? &a : &b;
	watch_del(&l, &left->watch);
	loop_turn(&l, 0);
	assert_int_equal(a.n + b.n, 1);
	close(a.watch.fd);
	close(b.watch.fd);
	loop_clear(&l);
}

static void test_removing_itself(void **state)
{
	struct loop l;
	struct probe a;

	start_loop(&l);
	order[0] = '\0';
	probe_init(&a, &l);
	a.kills = &a.watch;
	loop_turn(&l, 1000);
	loop_turn(&l, 0);
	assert_int_equal(a.n, 1);
	close(a.watch.fd);
	loop_clear(&l);
}

/* A timer ends the wait, no later than a tick or two after it is due. */
static void test_timer_ends_the_wait(void **state)
{
	struct loop l;
	struct timer t;

	start_loop(&l);
	order[0] = '\0';
	timer_init(&t, on_timer);
	timer_set(&l.wheel, &t, l.now, 50);
	uint64_t before = clock_mono_ms();
	UNTIL(&l, order[0]);
	assert_true(clock_mono_ms() - before >= 50);
	assert_true(clock_mono_ms() - before < 2000);
	loop_clear(&l);
}

#define MAILS   20000u
#define SENDERS 2u

struct crowd {
	struct loop *loop;
	unsigned seen[SENDERS], total;
};

struct numbered {
	struct mail mail;
	struct crowd *crowd;
	unsigned sender, n;
};

static void on_numbered(struct mail *m, void *receiver)
{
	struct numbered *x = container_of(m, struct numbered, mail);
	struct crowd *c = receiver;

	assert_ptr_equal(c, x->crowd);
	assert_int_equal(x->n, c->seen[x->sender]); /* first-in first-out for each sender */
	c->seen[x->sender]++;
	if (++c->total == SENDERS * MAILS)
		loop_stop(c->loop);
	free(x);
}

struct sender {
	struct crowd *crowd;
	unsigned number;
};

static void *send_mails(void *arg)
{
	struct sender *s = arg;

	for (unsigned i = 0; i < MAILS; i++) {
		struct numbered *x = xcalloc(1, sizeof *x);
		x->mail = (struct mail){ .run = on_numbered, .bytes = 8 };
		x->crowd = s->crowd;
		x->sender = s->number;
		x->n = i;
		mailbox_post_one(&s->crowd->loop->inbox, &x->mail);
		if (i % 1000 == 0)
			usleep(200); /* lets the receiver fall asleep now and then */
	}
	return NULL;
}

/* No wake-up is lost: the loop waits without an end and all mails come. */
static void test_wake_up_by_threads(void **state)
{
	struct loop l;
	struct crowd c = { .loop = &l };
	struct sender senders[SENDERS];
	pthread_t threads[SENDERS];

	assert_true(loop_init(&l, 1 << 20, &c));
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){ &c, i };
		assert_int_equal(pthread_create(&threads[i], NULL, send_mails, &senders[i]), 0);
	}
	loop_run(&l);
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(c.total, SENDERS * MAILS);
	loop_clear(&l);
}

static void test_turn_memory_is_dropped(void **state)
{
	struct loop l;

	start_loop(&l);
	loop_turn(&l, 0);
	char *first = arena_alloc(&l.turn, 100);
	loop_turn(&l, 0);
	assert_ptr_equal(arena_alloc(&l.turn, 100), first);
	loop_clear(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_of_a_turn),
		cmocka_unit_test(test_mail_under_load),
		cmocka_unit_test(test_removed_watch_is_forgotten),
		cmocka_unit_test(test_removing_itself),
		cmocka_unit_test(test_timer_ends_the_wait),
		cmocka_unit_test(test_wake_up_by_threads),
		cmocka_unit_test(test_turn_memory_is_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
