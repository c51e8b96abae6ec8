/* Connects to one of several endpoints, whichever answers first (RFC 8305 section 5).
 *
 * They are tried in their order, each one DIAL_NEXT_MS behind the one before, or at once when
 * one has failed. The first that connects ends the others. */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "net/locate.h"
#include "net/loop.h"

#define DIAL_NEXT_MS 250 /* RFC 8305 section 8: Connection Attempt Delay */

struct dial;

struct dial_try {
	struct watch watch; /* fd -1: not under way */
	struct dial *dial;
};

/* Embedded in who dials. */
struct dial {
	struct loop *loop;
	const struct endpoint *endpoints;
	size_t n, next;            /* next: the first that was not tried */
	struct timer step, end;
	size_t n_under_way;
	int error;                 /* of the last that failed; ETIMEDOUT: none answered in time */
	struct dial_try tries[LOCATE_MAX];
	void (*done)(struct dial *d, int fd, size_t which);
};

/* Begins. `done` is called once, in a later turn, with a connected descriptor (non-blocking, set
 * up by conn_socket_setup(), the callee's) and which endpoint it is; with -1, and an errno in
 * d->error, when all have failed or give_up_ms are over. It may free or reuse the struct. The
 * endpoints, at most LOCATE_MAX, must stay until then. */
void dial_start(struct dial *d, struct loop *l, const struct endpoint *e, size_t n,
	uint32_t give_up_ms, void (*done)(struct dial *d, int fd, size_t which));

/* Closes what is under way; `done` is not called any more. Does nothing before dial_start()
 * (the struct zeroed) and after `done`. */
void dial_stop(struct dial *d);

#endif
