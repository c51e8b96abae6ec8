/* Counters: one set per shard, written by its thread alone, read by anybody.
 *
 * Adding costs a plain load and store (relaxed), no locked instruction. Who reads sums the
 * sets. The upper floors name the counters in an enum of their own. */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic(uint64_t) counter;

static inline void counter_add(counter *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
		memory_order_relaxed);
}

static inline uint64_t counter_read(const counter *c)
{
	return atomic_load_explicit((counter *)c, memory_order_relaxed);
}

#endif
