/* What a connection reads: one recv(2) each time the socket is ready. */
#include "net/conn_private.h"
#include "net/pool.h"

#include <errno.h>
#include <sys/socket.h>

/* GnuTLS may hold nearly one record of an earlier read. With room for it, all that comes out
 * of one read fits in loop->plain and makes one call. */
#define TLS_RX_BYTES (LOOP_RX_BYTES - 20 * 1024)

enum tls_status conn_shake(struct conn *c)
{
	buf_pool_take(c->loop->pool, &c->wire);
	enum tls_status st = tls_handshake(c->tls, &c->wire);
	if (c->wire.n)
		conn_mark_dirty(c);
	else
		buf_pool_give(c->loop->pool, &c->wire);
	return st;
}

/* Bytes read into loop->rx; 0 when there are none or the connection has ended. */
static size_t receive(struct conn *c, size_t max)
{
	ssize_t n = recv(c->watch.fd, c->loop->rx, max, 0);

	if (n > 0)
		return (size_t)n;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* Under TLS an end without close_notify may be an attacker's cut (RFC 8446 6.1). */
	conn_end(c, n == 0 && !c->tls ? CONN_EOF : CONN_RESET);
	return 0;
}

/* Calls back with what was read. False when the connection is not ours to go on with. */
static bool deliver(struct conn *c, char *p, size_t n)
{
	struct loop *l = c->loop;

	l->busy = c;
	c->ops->data(c, p, n);
	bool ours = l->busy == c && !c->ended;
	l->busy = NULL;
	return ours;
}

static bool report_secured(struct conn *c)
{
	struct loop *l = c->loop;

	l->busy = c;
	c->ops->secured(c);
	bool ours = l->busy == c && !c->ended;
	l->busy = NULL;
	return ours;
}

static void read_plain(struct conn *c)
{
	size_t n = receive(c, LOOP_RX_BYTES);

	if (n)
		deliver(c, c->loop->rx, n);
}

/* The alert gets one chance to go out. */
static void tls_failed(struct conn *c)
{
	if (c->wire.n && !c->blocked)
		send(c->watch.fd, c->wire.p, c->wire.n, MSG_NOSIGNAL);
	conn_end(c, CONN_TLS);
}

/* True when the handshake is done and records may follow it in the input. */
static bool read_handshake(struct conn *c)
{
	enum tls_status st = conn_shake(c);

	if (st == TLS_MORE)
		return false;
	if (st != TLS_OK) {
		tls_failed(c);
		return false;
	}
	if (!report_secured(c))
		return false;
	c->handshaking = false;
	conn_mark_dirty(c); /* what was written meanwhile may go now */
	return !c->finishing;
}

/* The peer will send no more. Who is finishing may still have to send. */
static void peer_closed(struct conn *c)
{
	c->peer_closed = true;
	if (!c->finishing)
		conn_end(c, CONN_EOF);
	else if (c->half_closed)
		conn_end(c, CONN_DONE);
	else
		conn_set_interest(c);
}

static void read_records(struct conn *c)
{
	struct loop *l = c->loop;
	enum tls_status st;
	size_t n = 0, got;

	while ((st = tls_read(c->tls, l->plain + n, LOOP_RX_BYTES - n, &got, &c->wire)) == TLS_OK)
		n += got;
	if (c->wire.n)
		conn_mark_dirty(c); /* the answer to a key update */
	if (st == TLS_CLOSED)
		c->peer_closed = true;
	if (n && !deliver(c, l->plain, n))
		return;
	if (st == TLS_FAILED)
		tls_failed(c);
	else if (st == TLS_CLOSED)
		peer_closed(c);
}

static void read_tls(struct conn *c)
{
	size_t n = receive(c, TLS_RX_BYTES);

	if (!n)
		return;
	tls_input(c->tls, str_from(c->loop->rx, n));
	if (c->handshaking && !read_handshake(c))
		return;
	read_records(c);
}

/* While finishing only the peer's close is of interest. */
static void discard(struct conn *c)
{
	ssize_t n = recv(c->watch.fd, c->loop->rx, LOOP_RX_BYTES, 0);

	if (n == 0)
		peer_closed(c);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		conn_end(c, c->half_closed ? CONN_DONE : CONN_RESET);
}

void conn_ready(struct watch *w, uint32_t events)
{
	struct conn *c = container_of(w, struct conn, watch);

	if (events & EPOLLOUT) {
		c->blocked = false;
		conn_mark_dirty(c);
	}
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	if (c->paused || !(w->events & EPOLLIN)) {
		/* Errors come unasked, again and again: a paused connection ends here. */
		if (events & (EPOLLERR | EPOLLHUP))
			conn_end(c, CONN_RESET);
		else
			watch_change(c->loop, w, w->events & ~(uint32_t)EPOLLIN);
	} else if (c->finishing) {
		discard(c);
	} else if (c->tls) {
		read_tls(c);
	} else {
		read_plain(c);
	}
}
