#include "base/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define TICK_MS 16

static struct wheel wheel;
static uint64_t now;

struct probe {
	struct timer timer;
	uint64_t due, every;
	unsigned fired;
	struct timer *victim;
};

static void advance(uint64_t ms)
{
	now += ms;
	wheel_advance(&wheel, now);
}

static void on_fire(struct timer *t)
{
	struct probe *p = container_of(t, struct probe, timer);

	assert_false(timer_is_set(t));
	p->fired++;
	if (p->every)
		timer_set(&wheel, t, now, p->every);
	if (p->victim)
		timer_stop(&wheel, p->victim);
}

static void start(uint64_t at)
{
	now = at;
	wheel_init(&wheel, now);
}

/* No earlier than asked, and no more than one tick later; also around the places where timers
 * move from one level to the next. */
static void a_timer_fires_in_the_tick_behind_its_time(void **state)
{
	static const uint64_t starts[] = { 0, 1, 15, 16, 63 * TICK_MS, 64 * TICK_MS,
		65 * TICK_MS, 4095 * TICK_MS, 4096 * TICK_MS, 1000000007 };
	static const uint64_t afters[] = { 0, 1, 15, 16, 17, 62 * TICK_MS, 63 * TICK_MS,
		64 * TICK_MS, 65 * TICK_MS, 127 * TICK_MS, 128 * TICK_MS, 191 * TICK_MS,
		4095 * TICK_MS, 4096 * TICK_MS, 4097 * TICK_MS, 8191 * TICK_MS, 8192 * TICK_MS,
		262143 * TICK_MS, 262144 * TICK_MS, 262145 * TICK_MS };

	for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
		for (size_t k = 0; k < sizeof afters / sizeof afters[0]; k++) {
			struct probe p = { 0 };
			start(starts[i]);
			timer_init(&p.timer, on_fire);
			timer_set(&wheel, &p.timer, now, afters[k]);
			assert_true(timer_is_set(&p.timer));
			if (afters[k])
				advance(afters[k] - 1);
			assert_int_equal(p.fired, 0);
			advance(1 + TICK_MS);
			assert_int_equal(p.fired, 1);
			assert_int_equal(wheel.n, 0);
		}
}

static uint64_t random_state = 88172645463325252u;

static uint64_t random_below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

#define MANY 500

/* The earliest moment at which one of them is due, or `none`. */
static uint64_t earliest(const struct probe *probes, uint64_t none)
{
	uint64_t at = none;

	for (size_t i = 0; i < MANY; i++)
		if (timer_is_set(&probes[i].timer) && probes[i].due < at)
			at = probes[i].due;
	return at;
}

/* Many timers of every reach, against what their times say. */
static void many_timers_fire_each_in_its_turn(void **state)
{
	static const uint64_t reach[] = { 100, 2000, 70000, 5000000 };
	static struct probe probes[MANY];

	start(123456789);
	for (size_t i = 0; i < MANY; i++)
		timer_init(&probes[i].timer, on_fire);
	for (int round = 0; round < 2000; round++) {
		for (int k = 0; k < 3; k++) {
			struct probe *p = &probes[random_below(MANY)];
			uint64_t after = random_below(reach[random_below(4)]);
			p->fired = 0;
			p->due = now + after;
			timer_set(&wheel, &p->timer, now, after);
		}
		uint64_t step = random_below(reach[random_below(20) ? 0 : random_below(4)]);
		uint64_t wait = wheel_wait(&wheel, now, step);
		assert_true(wait <= step);
		assert_true(now + wait <= earliest(probes, now + step) + TICK_MS);
		advance(step);
		for (size_t i = 0; i < MANY; i++) {
			if (probes[i].due > now || !probes[i].due)
				assert_int_equal(probes[i].fired, 0);
			else if (now >= probes[i].due + TICK_MS)
				assert_int_equal(probes[i].fired, 1);
		}
	}
}

static void a_timer_out_of_reach_goes_round_again(void **state)
{
	const uint64_t days = 24 * 3600 * 1000, after = 10 * days + 5;
	struct probe p = { 0 };

	start(777);
	timer_init(&p.timer, on_fire);
	timer_set(&wheel, &p.timer, now, after);
	advance(after - 1);
	assert_int_equal(p.fired, 0);
	advance(1 + TICK_MS);
	assert_int_equal(p.fired, 1);
}

/* A thousand years of ticks would take minutes. */
static void idle_time_costs_nothing(void **state)
{
	const uint64_t ages = (uint64_t)365000 * 24 * 3600 * 1000;
	struct probe p = { 0 };

	start(0);
	timer_init(&p.timer, on_fire);
	advance(ages);
	now += ages;
	timer_set(&wheel, &p.timer, now, 1000);
	advance(999);
	assert_int_equal(p.fired, 0);
	advance(1 + TICK_MS);
	assert_int_equal(p.fired, 1);
}

static void a_timer_is_stopped_and_moved(void **state)
{
	struct probe p = { 0 };

	start(0);
	timer_init(&p.timer, on_fire);
	timer_stop(&wheel, &p.timer); /* does nothing */
	timer_set(&wheel, &p.timer, now, 100);
	timer_stop(&wheel, &p.timer);
	assert_false(timer_is_set(&p.timer));
	advance(1000);
	assert_int_equal(p.fired, 0);
	timer_set(&wheel, &p.timer, now, 100);
	timer_set(&wheel, &p.timer, now, 500);
	assert_int_equal(wheel.n, 1);
	advance(499);
	assert_int_equal(p.fired, 0);
	advance(1 + TICK_MS);
	assert_int_equal(p.fired, 1);
}

static void callbacks_set_and_stop_timers(void **state)
{
	struct probe again = { .every = 100 }, first = { 0 }, second = { 0 };

	start(0);
	timer_init(&again.timer, on_fire);
	timer_set(&wheel, &again.timer, now, 100);
	for (int i = 0; i < 1000; i++)
		advance(10);
	assert_in_range(again.fired, 10000 / (100 + TICK_MS + 10), 10000 / 100);
	timer_stop(&wheel, &again.timer);

	/* Two due in one tick: whoever comes first stops the other. */
	timer_init(&first.timer, on_fire);
	timer_init(&second.timer, on_fire);
	first.victim = &second.timer;
	second.victim = &first.timer;
	timer_set(&wheel, &first.timer, now, 100);
	timer_set(&wheel, &second.timer, now, 100);
	advance(200);
	assert_int_equal(first.fired + second.fired, 1);
	assert_int_equal(wheel.n, 0);
}

static void the_wheel_says_how_long_it_can_wait(void **state)
{
	struct probe p = { 0 };

	start(1024);
	timer_init(&p.timer, on_fire);
	assert_int_equal(wheel_wait(&wheel, now, 5000), 5000);
	timer_set(&wheel, &p.timer, now, 50);
	assert_in_range(wheel_wait(&wheel, now, 5000), 50, 50 + TICK_MS);
	assert_int_equal(wheel_wait(&wheel, now, 20), 20);
	now += 80;
	assert_int_equal(wheel_wait(&wheel, now, 5000), 0);
	advance(0);
	assert_int_equal(p.fired, 1);
	timer_set(&wheel, &p.timer, now, 100000000);
	assert_in_range(wheel_wait(&wheel, now, UINT64_MAX), 1, 64 * TICK_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_fires_in_the_tick_behind_its_time),
		cmocka_unit_test(many_timers_fire_each_in_its_turn),
		cmocka_unit_test(a_timer_out_of_reach_goes_round_again),
		cmocka_unit_test(idle_time_costs_nothing),
		cmocka_unit_test(a_timer_is_stopped_and_moved),
		cmocka_unit_test(callbacks_set_and_stop_timers),
		cmocka_unit_test(the_wheel_says_how_long_it_can_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
