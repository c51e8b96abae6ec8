/* A stream in memory, a client's, a component's or a server's: the tests' side of a connection
 * without a socket. */
#ifndef STREAM_LOOPBACK_H
#define STREAM_LOOPBACK_H

#include "stream/c2s.h"
#include "stream/component.h"
#include "stream/s2s.h"

struct loopback {
	struct wire wire;
	struct c2s *stream;   /* one of the three, the others NULL */
	struct comp *comp;
	struct s2s *s2s;
	struct buf out;       /* what the server sent; the test reads and resets it */
	bool secure;          /* start_tls succeeds (and stands for a handshake) */
	bool paused, finished;
	struct sasl_policy described; /* what wire_ops.describe gives out */
};

extern const struct wire_ops loopback_wire;

/* max_out: bytes of output that may wait. Call before the stream is set up with &l->wire. */
void loopback_init(struct loopback *l, struct c2s *stream, size_t max_out);
void loopback_init_component(struct loopback *l, struct comp *stream, size_t max_out);
void loopback_init_s2s(struct loopback *l, struct s2s *stream, size_t max_out);
void loopback_clear(struct loopback *l);

/* Gives bytes to the stream, with the padding that scanners want. */
void loopback_send(struct loopback *l, struct str bytes);

#endif
