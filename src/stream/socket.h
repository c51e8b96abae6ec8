/* A stream over a socket: conn below, a client's (c2s), a component's or a server's (s2s) stream
 * above. */
#ifndef STREAM_SOCKET_H
#define STREAM_SOCKET_H

#include "net/conn.h"
#include "stream/wire.h"

struct c2s;
struct comp;
struct log;
struct s2s;

struct stream_socket;

/* What stands on the socket. */
struct socket_user {
	void (*input)(struct stream_socket *k, const char *p, size_t n);
	void (*secured)(struct stream_socket *k);
	void (*lost)(struct stream_socket *k);
	void (*expect_tls)(struct stream_socket *k); /* direct TLS begins, or NULL */
	void (*end)(struct stream_socket *k);        /* direct TLS is not to be had */
	struct tls *(*tls)(struct stream_socket *k, unsigned flags); /* our side of it */
	unsigned tls_flags;                          /* of direct TLS */
};

/* Embedded in the owner of the connection, beside the stream. */
struct stream_socket {
	struct wire wire;
	struct conn conn;
	const struct socket_user *user;
	union {
		struct c2s *c2s;
		struct comp *comp;
		struct s2s *s2s;
	} stream;
	const struct log *log;    /* of the thread it is on */
	struct tls_config *tls;   /* until the handshake begins; NULL: no TLS to be had */
	bool ask_cert;            /* SASL EXTERNAL is wanted: ask for a client certificate */
	void (*gone)(struct stream_socket *k); /* the descriptor is closed; called once, last */
};

/* How a socket begins. */
struct socket_start {
	struct tls_config *tls;
	bool ask_cert;
	bool direct;              /* TLS from the first byte (XEP-0368) */
	uint32_t max_out;
	const struct log *log;
	void (*gone)(struct stream_socket *k);
};

/* Takes over an accepted descriptor for a stream that was set up with &k->wire. False with errno
 * when the loop refuses. */
bool socket_start_c2s(struct stream_socket *k, struct loop *l, int fd, struct c2s *stream,
	const struct socket_start *how);
bool socket_start_component(struct stream_socket *k, struct loop *l, int fd, struct comp *stream,
	const struct socket_start *how);

/* The same for a stream between servers, of either role; a descriptor that was connected for an
 * outgoing one. Both sides show a certificate: an incoming stream asks for the peer's whatever
 * how->ask_cert says, an outgoing one shows that of its local domain. Direct TLS names the
 * protocol "xmpp-server" (XEP-0368). */
bool socket_start_s2s(struct stream_socket *k, struct loop *l, int fd, struct s2s *stream,
	const struct socket_start *how);

/* The wire's functions, for the set-up of the stream before socket_start_...(). */
extern const struct wire_ops socket_wire;

#endif
