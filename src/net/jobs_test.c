#include "net/testing.h"

#include "net/jobs.h"

#include <pthread.h>

struct sum {
	struct job job;
	unsigned n, result;
	pthread_t worker;
	pthread_mutex_t *gate; /* work waits for it; may be NULL */
};

struct home {
	struct loop loop;
	unsigned done, total;
};

static void work(struct job *j)
{
	struct sum *s = container_of(j, struct sum, job);

	if (s->gate) {
		pthread_mutex_lock(s->gate);
		pthread_mutex_unlock(s->gate);
	}
	s->worker = pthread_self();
	for (unsigned i = 1; i <= s->n; i++)
		s->result += i;
}

static void done(struct job *j, void *receiver)
{
	struct sum *s = container_of(j, struct sum, job);
	struct home *h = receiver;

	assert_false(pthread_equal(s->worker, pthread_self()));
	h->done++;
	h->total += s->result;
	free(s);
}

static struct sum *sum_new(struct home *h, unsigned n, pthread_mutex_t *gate)
{
	struct sum *s = xcalloc(1, sizeof *s);

	s->job = (struct job){ .home = &h->loop.inbox, .work = work, .done = done };
	s->n = n;
	s->gate = gate;
	return s;
}

static void home_init(struct home *h)
{
	*h = (struct home){ 0 };
	assert_true(loop_init(&h->loop, 1 << 20, h));
}

/* Results come home to the loop that asked, for two loops on one pool. */
static void test_results_come_home(void **state)
{
	struct jobs *p = jobs_new(3, 1000);
	struct home a, b;

	home_init(&a);
	home_init(&b);
	for (unsigned i = 0; i < 400; i++) {
		assert_true(jobs_submit(p, &sum_new(&a, 10, NULL)->job));
		assert_true(jobs_submit(p, &sum_new(&b, 4, NULL)->job));
	}
	UNTIL(&a.loop, a.done == 400);
	UNTIL(&b.loop, b.done == 400);
	assert_int_equal(a.total, 400 * 55);
	assert_int_equal(b.total, 400 * 10);
	jobs_free(&p);
	assert_null(p);
	loop_clear(&a.loop);
	loop_clear(&b.loop);
}

static void test_bound_of_the_queue(void **state)
{
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	struct jobs *p = jobs_new(1, 2);
	struct home h;
	unsigned taken = 0;
	struct sum *s;

	home_init(&h);
	pthread_mutex_lock(&gate);
	/* Two may wait, and one more once the worker has taken its first. */
	uint64_t end = clock_mono_ms() + PATIENCE_MS;
	while (taken < 3) {
		assert_true(clock_mono_ms() < end);
		s = sum_new(&h, 1, &gate);
		if (jobs_submit(p, &s->job)) {
			taken++;
		} else {
			assert_true(taken == 2);
			free(s);
			usleep(1000);
		}
	}
	s = sum_new(&h, 1, &gate);
	assert_false(jobs_submit(p, &s->job));
	free(s);
	assert_int_equal(h.done, 0);
	pthread_mutex_unlock(&gate);
	UNTIL(&h.loop, h.done == 3);
	jobs_free(&p);
	loop_clear(&h.loop);
}

/* Freeing runs what waits; the mails are there to be taken. */
static void test_free_finishes_what_waits(void **state)
{
	struct jobs *p = jobs_new(2, 100);
	struct home h;

	home_init(&h);
	for (unsigned i = 0; i < 100; i++)
		if (!jobs_submit(p, &sum_new(&h, 1, NULL)->job))
			fail();
	jobs_free(&p);
	loop_turn(&h.loop, 0);
	assert_int_equal(h.done, 100);
	loop_clear(&h.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results_come_home),
		cmocka_unit_test(test_bound_of_the_queue),
		cmocka_unit_test(test_free_finishes_what_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
