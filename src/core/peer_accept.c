/* Streams with other servers over sockets: those that come, and those that we open. */
#include "core/remote.h"

#include "base/bug.h"
#include "stream/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct socket_peer {
	struct peer peer;
	struct stream_socket socket;
};

static struct socket_peer *of(struct peer *p)
{
	return container_of(p, struct socket_peer, peer);
}

static void detach(struct peer *p)
{
	conn_detach(&of(p)->socket.conn);
}

static bool attach(struct peer *p, struct shard *s)
{
	of(p)->socket.log = &s->log;
	return conn_attach(&of(p)->socket.conn, &s->loop);
}

static void drop(struct peer *p)
{
	conn_clear(&of(p)->socket.conn);
	tls_config_unref(&of(p)->socket.tls);
}

static void free_socket_peer(struct peer *p)
{
	free(of(p));
}

static enum tls_peer check(struct peer *p, struct str domain, const struct tls_peer_rules *r)
{
	struct tls *t = of(p)->socket.conn.tls;

	return t ? tls_check_peer(t, domain, r) : TLS_PEER_NO_CERT;
}

static uint64_t expires(struct peer *p, uint64_t after)
{
	struct tls *t = of(p)->socket.conn.tls;

	return t ? tls_peer_expires(t, after) : 0;
}

static struct str describe(struct peer *p, struct arena *a)
{
	struct tls *t = of(p)->socket.conn.tls;

	return t && p->stream.nego.secure ? tls_describe(t, a) : STR("clear");
}

static const struct peer_kind socket_kind = {
	.detach = detach,
	.attach = attach,
	.drop = drop,
	.free = free_socket_peer,
	.check = check,
	.expires = expires,
	.describe = describe,
};

static void gone(struct stream_socket *k)
{
	peer_gone(&container_of(k, struct socket_peer, socket)->peer);
}

/* ---- in ---- */

static void take(struct listener *l, int fd, const struct sockaddr_storage *peer, bool direct)
{
	struct shard *s = l->user;
	struct socket_peer *sp = xcalloc(1, sizeof *sp);
	struct peer *p = &sp->peer;
	struct socket_start how = { .tls = s->settings->tls, .direct = direct,
		.max_out = s->settings->max_out, .log = &s->log, .gone = gone };

	count(s, COUNT_CONNECTIONS);
	sp->socket.wire.ops = &socket_wire;
	peer_init(p, &socket_kind, s, &sp->socket.wire);
	bool counted = quota_enter(s->core->quota, peer, &p->half_open);
	if (!counted)
		count(s, COUNT_REFUSED);
	if (counted && socket_start_s2s(&sp->socket, &s->loop, fd, &p->stream, &how))
		return;
	if (counted)
		log_warn(&s->log, "accept", F_C("error", strerror(errno)));
	close(fd);
	s2s_lost(&p->stream);
	peer_gone(p);
}

void peer_accept(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
	take(l, fd, peer, false);
}

void peer_accept_tls(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
	take(l, fd, peer, true);
}

/* ---- out ---- */

struct peer *peer_dialled(struct pair *pair, int fd, const struct endpoint *e)
{
	struct shard *s = pair->remote->shard;
	const struct peer_rules *rules = settings_peer(s->settings, pair->remote->domain);
	struct socket_peer *sp = xcalloc(1, sizeof *sp);
	struct peer *p = &sp->peer;

	sp->socket.wire.ops = &socket_wire;
	peer_init_outgoing(p, &socket_kind, pair, &sp->socket.wire,
		rules->security != PEERS_IN_CLEAR || rules->n_pins);
	p->endpoint = *e;
	const struct socket_start how = { .tls = s->settings->tls, .direct = e->direct,
		.max_out = s->settings->max_out, .log = &s->log, .gone = gone };
	if (socket_start_s2s(&sp->socket, &s->loop, fd, &p->stream, &how)) {
		s2s_begin(&p->stream);
		return p;
	}
	log_warn(&s->log, "connect", F_C("error", strerror(errno)));
	close(fd);
	p->pair = NULL; /* the caller goes on himself */
	s2s_lost(&p->stream);
	peer_gone(p);
	return NULL;
}
