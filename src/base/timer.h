/* Timer wheel: setting and stopping a timer is O(1), whatever their number.
 *
 * Four levels of 64 slots with a tick of 16 ms: a timer fires no earlier than asked and up to
 * one tick later; the longest reach is about three days, longer ones go round again. Not for
 * measuring time. The time is given by the caller, so that tests move it by hand. */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include "base/list.h"

#include <stdint.h>

struct timer {
	struct list link;
	uint64_t due; /* monotonic ms; 0 when not set */
	void (*fire)(struct timer *t);
};

struct wheel {
	struct list slots[4][64];
	uint64_t tick;   /* ticks up to this one have fired */
	uint32_t n;      /* timers set */
};

/* now: monotonic ms. */
void wheel_init(struct wheel *w, uint64_t now);

/* A timer that is not set. fire is called from wheel_advance(), once for each setting. */
void timer_init(struct timer *t, void (*fire)(struct timer *t));

static inline bool timer_is_set(const struct timer *t)
{
	return t->due != 0;
}

/* Fires `after_ms` from `now`; a timer that is set already is moved. */
void timer_set(struct wheel *w, struct timer *t, uint64_t now, uint64_t after_ms);

/* Does nothing for a timer that is not set. */
void timer_stop(struct wheel *w, struct timer *t);

/* Fires all that is due at `now`. The callbacks may set and stop any timer. */
void wheel_advance(struct wheel *w, uint64_t now);

/* Milliseconds until the wheel wants wheel_advance() again, at most max; max if no timer is
 * set. It may be earlier than the next timer, never later. */
uint64_t wheel_wait(const struct wheel *w, uint64_t now, uint64_t max);

#endif
