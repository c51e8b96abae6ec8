#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic(uint64_t) ahead_ms; /* of the machine's clocks; 0 but in tests */
static _Atomic(uint64_t) held_ms;  /* where the monotonic clock stands; 0: it runs */

static uint64_t ahead(void)
{
	return atomic_load_explicit(&ahead_ms, memory_order_relaxed);
}

uint64_t clock_mono_ms(void)
{
	uint64_t held = atomic_load_explicit(&held_ms, memory_order_relaxed);
	struct timespec t;

	if (held)
		return held + ahead();
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 + ahead();
}

uint64_t clock_wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000 + ahead() * 1000;
}

void clock_advance(uint64_t ms)
{
	atomic_fetch_add_explicit(&ahead_ms, ms, memory_order_relaxed);
}

void clock_hold(void)
{
	atomic_store_explicit(&held_ms, clock_mono_ms() - ahead(), memory_order_relaxed);
}
