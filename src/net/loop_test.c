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

/* ---- turns for a loop that sleeps ---- */

struct sleeper {
	struct loop loop;
	pthread_t thread, ran_on;
	struct timer end;
	struct mail mail;
};

static void stop_sleeper(struct timer *t)
{
	loop_stop(&container_of(t, struct sleeper, end)->loop);
}

static void on_helped(struct mail *m, void *receiver)
{
	struct sleeper *s = receiver;

	s->ran_on = pthread_self();
	timer_set(&s->loop.wheel, &s->end, s->loop.now, 20);
}

static void *run_sleeper(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void start_sleeper(struct sleeper *s)
{
	*s = (struct sleeper){ .mail = { .run = on_helped } };
	assert_true(loop_init(&s->loop, 1 << 20, s));
	timer_init(&s->end, stop_sleeper);
}

/* Its thread waits in the kernel by the end of this, or nearly. */
static void run_until_asleep(struct sleeper *s)
{
	assert_int_equal(pthread_create(&s->thread, NULL, run_sleeper, &s->loop), 0);
	while (!atomic_load(&s->loop.inbox.asleep))
		usleep(100);
	usleep(20000);
}

static void post_to_sleeper(struct loop *l)
{
	struct sleeper *s = l->owner;
	struct batch t = { 0 };

	batch_add(&t, &s->mail);
	loop_post(l, &s->loop, &t);
}

/* The poster runs the turn; a timer that this sets earlier than the wait ends is kept. */
static void test_turn_for_a_sleeper(void **state)
{
	static const struct {
		const char *name;
		bool locked; /* as if it woke just now */
	} cases[] = {
		{ "asleep", false },
		{ "about to wake", true },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct sleeper s;
		struct loop l;

		print_message("%s\n", cases[i].name);
		start_sleeper(&s);
		assert_true(loop_init(&l, 1 << 20, &s));
		l.turn_end = post_to_sleeper;
		run_until_asleep(&s);
		if (cases[i].locked)
			pthread_mutex_lock(&s.loop.lock);
		loop_turn(&l, 0);
		if (cases[i].locked)
			pthread_mutex_unlock(&s.loop.lock);
		pthread_join(s.thread, NULL);
		assert_int_equal(pthread_equal(s.ran_on, pthread_self()) != 0, !cases[i].locked);
		loop_clear(&s.loop);
		loop_clear(&l);
	}
}

/* What the kernel reported before somebody else ran a turn may be gone by then. */
static void test_reports_of_before_a_turn_are_forgotten(void **state)
{
	struct sleeper s;
	struct probe p;
	uint64_t one = 1;

	start_sleeper(&s);
	p = (struct probe){ .loop = &s.loop };
	p.watch = (struct watch){ eventfd(0, EFD_NONBLOCK), EPOLLIN, probe_ready };
	assert_true(watch_add(&s.loop, &p.watch));
	run_until_asleep(&s);
	pthread_mutex_lock(&s.loop.lock);
	assert_int_equal(write(p.watch.fd, &one, sizeof one), sizeof one);
	usleep(20000); /* it has its report, and waits for the lock */
	watch_del(&s.loop, &p.watch);
	s.loop.helped++;
	pthread_mutex_unlock(&s.loop.lock);
	mailbox_post_one(&s.loop.inbox, &s.mail);
	pthread_join(s.thread, NULL);
	assert_int_equal(p.n, 0);
	close(p.watch.fd);
	loop_clear(&s.loop);
}

#define RING   3
#define TOKENS 2
#define HOPS   30000

/* Loops that hand tokens on; what they count is theirs, without any lock of its own. */
struct place {
	struct loop loop;
	struct place *next;
	unsigned passed, ended;
};

struct token {
	struct mail mail;
	unsigned hops;
};

static void on_token(struct mail *m, void *receiver)
{
	struct token *t = container_of(m, struct token, mail);
	struct place *at = receiver;
	struct batch b = { 0 };

	at->passed++;
	if (++t->hops > HOPS && ++at->ended == TOKENS)
		loop_stop(&at->loop);
	if (t->hops == HOPS + RING)
		return;
	batch_add(&b, m);
	loop_post(&at->loop, &at->next->loop, &b);
}

/* No wake-up is lost and no two threads are in one loop. */
static void test_ring_of_sleepers(void **state)
{
	struct place places[RING];
	pthread_t threads[RING];
	struct token tokens[TOKENS];
	unsigned passed = 0;

	for (unsigned i = 0; i < RING; i++) {
		places[i] = (struct place){ .next = &places[(i + 1) % RING] };
		assert_true(loop_init(&places[i].loop, 1 << 20, &places[i]));
	}
	for (unsigned i = 0; i < RING; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_sleeper,
					 &places[i].loop), 0);
	for (unsigned i = 0; i < TOKENS; i++) {
		tokens[i] = (struct token){ .mail = { .run = on_token } };
		mailbox_post_one(&places[i].loop.inbox, &tokens[i].mail);
	}
	for (unsigned i = 0; i < RING; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < RING; i++) {
		passed += places[i].passed;
		loop_clear(&places[i].loop);
	}
	assert_int_equal(passed, TOKENS * (HOPS + RING));
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
		cmocka_unit_test(test_turn_for_a_sleeper),
		cmocka_unit_test(test_reports_of_before_a_turn_are_forgotten),
		cmocka_unit_test(test_ring_of_sleepers),
		cmocka_unit_test(test_turn_memory_is_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
