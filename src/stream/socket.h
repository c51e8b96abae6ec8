/* A client's stream over a socket: conn below, c2s above. */
#ifndef STREAM_SOCKET_H
#define STREAM_SOCKET_H

#include "net/conn.h"
#include "stream/c2s.h"

/* Embedded in the owner of the connection, beside the c2s. */
struct c2s_socket {
	struct wire wire;
	struct conn conn;
	struct c2s *stream;
	struct tls_config *tls;   /* until the handshake begins; NULL: no TLS to be had */
	bool ask_cert;            /* SASL EXTERNAL is wanted: ask for a client certificate */
	void (*gone)(struct c2s_socket *k); /* the descriptor is closed; called once, last */
};

/* Takes over an accepted descriptor for a stream that c2s_init() has set up with &k->wire.
 * direct: TLS from the first byte (XEP-0368). False with errno when the loop refuses. */
bool c2s_socket_start(struct c2s_socket *k, struct loop *l, int fd, struct c2s *stream,
	struct tls_config *tls, bool ask_cert, bool direct, uint32_t max_out,
	void (*gone)(struct c2s_socket *));

/* The wire's functions, for c2s_init() before c2s_socket_start(). */
extern const struct wire_ops c2s_socket_wire;

#endif
