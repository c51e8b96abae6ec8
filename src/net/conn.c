/* The life of a connection and its output. Input is in conn_read.c. */
#include "net/conn.h"

#include "net/conn_private.h"
#include "net/conn_turn.h"
#include "net/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FINISH_MS   5000
#define WIRE_CHUNK  (2 * 16384)  /* bytes that are encrypted at a time: two full records */
#define WIRE_EXTRA  (128 * 1024) /* over max_out: overhead of records, a handshake's flight */

struct conn_linger {
	struct timer timer;
	struct conn *conn;
};

bool conn_init(struct conn *c, struct loop *l, int fd, const struct conn_ops *ops,
	uint32_t max_out)
{
	*c = (struct conn){ .ops = ops, .max_out = max_out };
	c->watch = (struct watch){ fd, EPOLLIN, conn_ready };
	list_init(&c->link);
	buf_init(&c->out, max_out);
	buf_init(&c->wire, (size_t)max_out + WIRE_EXTRA);
	if (!watch_add(l, &c->watch))
		return false;
	c->loop = l;
	return true;
}

void conn_mark_dirty(struct conn *c)
{
	if (c->loop && !c->ended && list_empty(&c->link))
		list_add(&c->loop->dirty, &c->link);
}

void conn_set_interest(struct conn *c)
{
	/* A pause is mostly over before anything comes: the loop is told of one by conn_ready(). */
	bool deaf = c->peer_closed || (c->paused && !(c->watch.events & EPOLLIN));
	uint32_t in = deaf ? 0 : EPOLLIN;
	uint32_t out = c->blocked ? EPOLLOUT : 0;

	if (c->loop && !c->ended)
		watch_change(c->loop, &c->watch, in | out);
}

static void drop_linger(struct conn *c)
{
	if (!c->linger)
		return;
	timer_stop(&c->loop->wheel, &c->linger->timer);
	free(c->linger);
	c->linger = NULL;
}

/* Nothing is read or sent any more. */
static void stop(struct conn *c, enum conn_end why)
{
	c->ended = true;
	c->why = (uint8_t)why;
	drop_linger(c);
	watch_del(c->loop, &c->watch);
	list_del(&c->link);
	buf_pool_give(c->loop->pool, &c->out);
	buf_pool_give(c->loop->pool, &c->wire);
	if (why == CONN_SLOW) {
		/* What the kernel holds for such a peer goes too. */
		struct linger reset = { .l_onoff = 1 };
		setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	}
}

void conn_end(struct conn *c, enum conn_end why)
{
	stop(c, why);
	c->ops->closed(c, why);
}

void conn_end_later(struct conn *c, enum conn_end why)
{
	stop(c, why);
	list_add(&c->loop->ended, &c->link);
}

void conns_report(struct loop *l)
{
	struct conn *c;

	while ((c = list_first(&l->ended, struct conn, link))) {
		list_del(&c->link);
		c->ops->closed(c, c->why);
	}
}

void conn_clear(struct conn *c)
{
	struct loop *l = c->loop;

	if (l) {
		if (l->busy == c)
			l->busy = NULL;
		drop_linger(c);
		if (!c->ended)
			watch_del(l, &c->watch);
		list_del(&c->link);
		buf_pool_give(l->pool, &c->out);
		buf_pool_give(l->pool, &c->wire);
	}
	buf_clear(&c->out);
	buf_clear(&c->wire);
	tls_free(&c->tls);
	close(c->watch.fd);
	c->loop = NULL;
	c->ended = true;
	c->watch.fd = -1;
}

struct buf *conn_out(struct conn *c)
{
	/* Takes what is written when nothing may be written any more. */
	static _Thread_local struct buf nowhere;

	if (c->ended || c->finishing)
		return &nowhere;
	if (c->loop)
		buf_pool_take(c->loop->pool, &c->out);
	conn_mark_dirty(c);
	return &c->out;
}

void conn_write(struct conn *c, struct str bytes)
{
	buf_add(conn_out(c), bytes);
}

size_t conn_backlog(const struct conn *c)
{
	return c->out.n + c->wire.n;
}

void conn_start_tls(struct conn *c, struct tls *t)
{
	BUG_ON(c->tls);
	c->tls = t;
	if (c->ended)
		return;
	c->handshaking = true;
	/* Without TLS nothing stays in wire, so what was written in clear becomes it. */
	size_t max = c->wire.max;
	c->wire = c->out;
	c->wire.max = max;
	buf_init(&c->out, c->max_out);
	if (c->wire.failed)
		conn_end_later(c, CONN_SLOW);
	else if (conn_shake(c) == TLS_FAILED)
		conn_end_later(c, CONN_TLS);
}

static void finish_timeout(struct timer *t)
{
	conn_end(container_of(t, struct conn_linger, timer)->conn, CONN_DONE);
}

void conn_finish(struct conn *c)
{
	if (c->ended || c->finishing)
		return;
	BUG_ON(!c->loop);
	if (c->out.failed) {
		conn_end_later(c, CONN_SLOW);
		return;
	}
	c->finishing = true;
	c->paused = false;
	c->linger = xmalloc(sizeof *c->linger);
	c->linger->conn = c;
	timer_init(&c->linger->timer, finish_timeout);
	timer_set(&c->loop->wheel, &c->linger->timer, c->loop->now, FINISH_MS);
	conn_mark_dirty(c);
}

void conn_pause(struct conn *c, bool paused)
{
	if (c->finishing)
		return;
	c->paused = paused;
	conn_set_interest(c);
}

void conn_detach(struct conn *c)
{
	struct loop *l = c->loop;

	BUG_ON(!l || c->finishing || c->handshaking);
	if (l->busy == c)
		l->busy = NULL;
	if (!c->ended)
		watch_del(l, &c->watch);
	list_del(&c->link);
	if (!c->out.n && !c->out.failed)
		buf_pool_give(l->pool, &c->out);
	c->loop = NULL;
}

bool conn_attach(struct conn *c, struct loop *l)
{
	BUG_ON(c->loop);
	list_init(&c->link);
	if (!c->ended && !watch_add(l, &c->watch))
		return false;
	c->loop = l;
	if (c->ended)
		list_add(&l->ended, &c->link);
	else if (c->peer_closed) /* its close came with the bytes that made it move */
		conn_end_later(c, CONN_EOF);
	else if (conn_backlog(c) || c->out.failed)
		conn_mark_dirty(c);
	return true;
}

/* Sends a buffer with one call. False when something stays, or the connection ended. */
static bool send_buf(struct conn *c, struct buf *b)
{
	/* The last bytes go with the FIN that follows, in one packet. */
	bool last = c->finishing && (!c->tls || c->said_bye);

	if (b->n) {
		ssize_t n = send(c->watch.fd, b->p, b->n, MSG_NOSIGNAL | (last ? MSG_MORE : 0));
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			conn_end_later(c, c->half_closed ? CONN_DONE : CONN_RESET);
			return false;
		}
		if (n > 0)
			buf_drop(b, (size_t)n);
		if (b->n) {
			c->blocked = true;
			return false;
		}
	}
	if (!b->failed)
		buf_pool_give(c->loop->pool, b);
	return true;
}

/* Adds close_notify to what goes on the wire, once. */
static void say_bye(struct conn *c)
{
	if (!c->finishing || !c->tls || c->handshaking || c->said_bye)
		return;
	c->said_bye = true;
	tls_bye(c->tls, &c->wire);
}

/* Encrypts out piece by piece, so that what waits for the kernel stays small and a slow peer
 * costs one copy. */
static bool send_sealed(struct conn *c)
{
	size_t at = 0;
	bool sent = true;

	while (sent && at < c->out.n) {
		struct str piece = str_head(str_skip(buf_str(&c->out), at), WIRE_CHUNK);
		buf_pool_take(c->loop->pool, &c->wire);
		if (tls_write(c->tls, piece, &c->wire) != TLS_OK) {
			conn_end_later(c, CONN_TLS);
			return false;
		}
		at += piece.n;
		if (at == c->out.n)
			say_bye(c);
		sent = send_buf(c, &c->wire);
	}
	if (c->ended)
		return false;
	buf_drop(&c->out, at);
	if (!c->out.n && !c->out.failed)
		buf_pool_give(c->loop->pool, &c->out);
	return sent;
}

/* True when all that may go has gone. */
static bool send_all(struct conn *c)
{
	if (!send_buf(c, &c->wire))
		return false;
	if (c->handshaking)
		return true;
	return c->tls ? send_sealed(c) : send_buf(c, &c->out);
}

static bool too_slow(const struct conn *c)
{
	return c->out.failed || c->wire.failed || (c->out.n && conn_backlog(c) > c->max_out);
}

/* All is sent: says goodbye and waits for the peer's. */
static void half_close(struct conn *c)
{
	if (c->half_closed)
		return;
	say_bye(c); /* where nothing else was to be sent */
	if (!send_buf(c, &c->wire))
		return;
	shutdown(c->watch.fd, SHUT_WR);
	c->half_closed = true;
	if (c->peer_closed)
		conn_end_later(c, CONN_DONE);
}

static void flush(struct conn *c)
{
	bool all_sent = !c->blocked && send_all(c);

	if (c->ended)
		return;
	if (!c->finishing && too_slow(c)) {
		conn_end_later(c, CONN_SLOW);
		return;
	}
	if (all_sent && c->finishing)
		half_close(c);
	conn_set_interest(c);
}

void conns_flush(struct loop *l)
{
	struct conn *c;

	while ((c = list_first(&l->dirty, struct conn, link))) {
		list_del(&c->link);
		flush(c);
	}
}
