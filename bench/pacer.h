/* A steady beat: calls for each thing that is due, at a fixed rate, one by one and not in heaps.
 * What comes late is still told when it was due, so that a server which stands still cannot hide
 * it (the "coordinated omission" of closed loops). */
#ifndef BENCH_PACER_H
#define BENCH_PACER_H

#include "net/loop.h"

struct pacer {
	struct watch watch;
	struct loop *loop;
	double rate;
	uint64_t begin, beats;
	void (*due)(struct pacer *p, uint64_t due_ns);
};

/* From now on, `rate` times a second. False with errno. */
bool pacer_start(struct pacer *p, struct loop *l, double rate,
	void (*due)(struct pacer *p, uint64_t due_ns));
void pacer_stop(struct pacer *p);

#endif
