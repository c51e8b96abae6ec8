/* A connected socket, with or without TLS, in a loop.
 *
 * Reading: one read a turn into the loop's shared buffer, TLS taken off, then ops->data with
 * all of it. A connection keeps no bytes; who needs them later copies them.
 * Writing: conn_write() gathers; the loop sends once a turn, as one write and as few TLS
 * records as possible. Buffers come from the loop and go back to it when all is sent.
 * Who has more than `max_out` bytes unsent at the end of a turn is reset and ends with
 * CONN_SLOW, reported in the next turn: writing never calls back.
 * Idle peers are probed after 300 s, three times at 60 s; sent bytes that are not acknowledged
 * for 120 s end the connection with CONN_RESET.
 *
 * The conn is embedded in its user. After ops->closed nothing else is called; the user calls
 * conn_clear() (then or later). */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "net/loop.h"
#include "net/tls.h"

#include <sys/socket.h>

struct conn;

enum conn_end {
	CONN_EOF,     /* the peer closed, in order (with close_notify under TLS) */
	CONN_RESET,   /* the peer went away, or a cut under TLS */
	CONN_TLS,     /* handshake or record failed; conn_tls_error() */
	CONN_SLOW,    /* max_out bytes unsent */
	CONN_DONE     /* conn_finish(): all was sent */
};

struct conn_ops {
	/* Bytes that arrived; LOOP_RX_PAD readable bytes behind them; writable, gone when the
	 * call returns. The call may end, move or secure the connection: then it returns. */
	void (*data)(struct conn *c, char *p, size_t n);
	/* The TLS handshake is done. The call may end the connection, but not move it. */
	void (*secured)(struct conn *c);
	void (*closed)(struct conn *c, enum conn_end why);
};

struct conn {
	struct watch watch;
	struct loop *loop; /* NULL between conn_detach() and conn_attach() */
	const struct conn_ops *ops;
	struct tls *tls;
	struct conn_linger *linger; /* of conn_finish() */
	struct list link;           /* in loop->dirty or loop->ended */
	struct buf out;             /* bytes to be sent, before TLS */
	struct buf wire;            /* bytes as they go on the wire; they go before all of out */
	uint32_t max_out;
	uint8_t why;                /* enum conn_end, once ended */
	bool handshaking, paused;
	bool blocked;               /* the kernel takes no more until EPOLLOUT */
	bool finishing, said_bye, half_closed, peer_closed;
	bool ended;
};

/* Takes over a connected, non-blocking socket (set up by conn_socket_setup()). False with
 * errno when the loop refuses it; the descriptor is the caller's then. */
bool conn_init(struct conn *c, struct loop *l, int fd, const struct conn_ops *ops,
	uint32_t max_out);

/* Non-blocking, no delay, keep-alive. */
void conn_socket_setup(int fd);

/* Closes and frees; sends nothing more. */
void conn_clear(struct conn *c);

/* Adds bytes to what is sent at the end of the turn. Ignored after an end or conn_finish(). */
void conn_write(struct conn *c, struct str bytes);

/* The output buffer itself, for writers: what is added is sent as by conn_write(). Not to be
 * kept: ask again for each stanza. */
struct buf *conn_out(struct conn *c);

/* Starts TLS. What was written before (<proceed/>) still goes out in clear. As a server the
 * handshake begins with the next bytes from the wire, as a client at once. `t` is owned from
 * now on. Bytes that the caller has not processed yet must be thrown away, never read as if
 * they were secure. */
void conn_start_tls(struct conn *c, struct tls *t);

/* Sends what waits (and close_notify), half-closes, and reports CONN_DONE when all is sent
 * and the peer has closed, or after 5 seconds. Nothing is read any more. */
void conn_finish(struct conn *c);

/* Stops and starts reading: back-pressure. */
void conn_pause(struct conn *c, bool paused);

/* Takes the connection out of its loop, to be put into another by conn_attach() there. What
 * waits to be sent moves along. The struct may be moved in memory between the two, too. Not
 * during a handshake nor after conn_finish(). False with errno when the loop refuses it; it
 * stays detached then, for conn_clear(). */
void conn_detach(struct conn *c);
bool conn_attach(struct conn *c, struct loop *l);

const char *conn_tls_error(const struct conn *c);

/* The peer as "192.0.2.1:4711" or "[2001:db8::1]:4711", in the arena. */
struct str conn_peer(const struct conn *c, struct arena *a);

/* Unsent bytes. */
size_t conn_backlog(const struct conn *c);

#endif
