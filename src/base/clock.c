#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic(uint64_t) ahead_ms; /* of the machine's clocks; 0 but in tests */
static _Thread_local uint64_t held_ms; /* where this thread's monotonic clock stands; 0: it runs */

static uint64_t ahead(void)
{
	return atomic_load_explicit(&ahead_ms, memory_order_relaxed);
}

uint64_t clock_mono_ms(void)
{
	struct timespec t;

	if (held_ms)
		return held_ms + ahead();
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
	held_ms = clock_mono_ms() - ahead();
}
