/* One side of a stream between servers over the loopback, for tests: it notes what it is told and
 * answers as the test has set it up. It serves a.example and rooms.a.example, or what the test says
 * instead of a.example. */
#ifndef STREAM_S2S_TESTING_H
#define STREAM_S2S_TESTING_H

#include "stream/loopback.h"

#define STREAMS "xmlns:stream='http://etherx.jabber.org/streams'"
#define DB      "xmlns:db='jabber:server:dialback'"

struct s2s_side {
	struct loopback loop;
	struct s2s stream;
	struct xml_table table;
	struct arena turn;
	struct log log;
	struct buf events;      /* what the stream told its user, a line each */

	/* How it answers. */
	const char *domain;
	struct s2s_host host;
	bool no_cert;           /* the certificate proves nothing */
	bool wrong;             /* EXTERNAL is refused, keys are invalid */
	bool late;              /* it answers by hand */
	bool blocked;           /* the domain of the header is */
	bool insecure;          /* secured() says false */
	bool busy;              /* it has no room for more pairs */

	/* What it does when it is ready(). */
	bool bidi, external, result, verify;

	unsigned closed;
};

/* An incoming stream that offers everything and believes everything, with TLS at hand. */
void s2s_side_incoming(struct s2s_side *x);

/* An outgoing one from a.example to c.example, and one that has begun. */
void s2s_side_new_outgoing(struct s2s_side *x, bool must_tls);
void s2s_side_outgoing(struct s2s_side *x, bool must_tls);

/* The connection goes away, if it is still there; closed() has been called once. */
void s2s_side_end(struct s2s_side *x);

bool s2s_side_wrote(const struct s2s_side *x, const char *text);
bool s2s_side_told(const struct s2s_side *x, const char *text);

/* All at once, or one byte at a time. */
void s2s_side_send(struct s2s_side *x, const char *bytes, bool cut);

/* The TLS handshake that the stream waits for succeeds. */
void s2s_side_shake(struct s2s_side *x);

#endif
