/* The two clocks. Code below core never reads a clock by itself: it is given the time. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds of the monotonic clock; for timers and durations. */
uint64_t clock_mono_ms(void);

/* Microseconds since 1970-01-01 UTC; for stamps that people and files see. */
uint64_t clock_wall_us(void);

/* Moves both clocks of the process forward: tests move time by hand and wait for nothing. */
void clock_advance(uint64_t ms);

/* The monotonic clock stands still for this thread from here on, but for clock_advance(): tests of
 * durations do not depend on how fast they run. The wall clock goes on, and other threads, which wait
 * for real, have theirs. */
void clock_hold(void);

#endif
