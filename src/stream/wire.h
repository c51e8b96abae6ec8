/* What a stream stands on: something that carries bytes both ways.
 *
 * stream/socket.c is one over TCP and TLS, stream/loopback.c one in memory for tests. A
 * stream calls these; bytes that arrive are given to it by c2s_input(). */
#ifndef STREAM_WIRE_H
#define STREAM_WIRE_H

#include "base/arena.h"
#include "base/buf.h"
#include "xmpp/sasl.h"

struct wire;

struct wire_ops {
	/* The buffer for what is to be sent this turn. */
	struct buf *(*out)(struct wire *w);

	/* Sends what waits and closes in order; nothing is read any more. */
	void (*finish)(struct wire *w);

	/* Begins TLS once what waits has gone out. False: there is no TLS here. */
	bool (*start_tls)(struct wire *w);

	/* Back-pressure: stop or go on reading. */
	void (*pause)(struct wire *w, bool paused);

	/* Under TLS: fills in binding and cert_jids (at most 8), in the arena. */
	void (*describe)(struct wire *w, struct arena *a, struct sasl_policy *policy);

	/* The peer's address and, for the log, how it is secured; in the arena. */
	struct str (*peer)(struct wire *w, struct arena *a);
};

struct wire {
	const struct wire_ops *ops;
};

#endif
