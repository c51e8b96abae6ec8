/* Clients that come over sockets. */
#include "core/client.h"

#include "base/bug.h"
#include "stream/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct socket_client {
	struct client client;
	struct c2s_socket socket;
};

static struct socket_client *of(struct client *c)
{
	return container_of(c, struct socket_client, client);
}

static void detach(struct client *c)
{
	conn_detach(&of(c)->socket.conn);
}

static bool attach(struct client *c, struct shard *s)
{
	return conn_attach(&of(c)->socket.conn, &s->loop);
}

static void drop(struct client *c)
{
	conn_clear(&of(c)->socket.conn);
	tls_config_unref(&of(c)->socket.tls);
}

static void free_socket_client(struct client *c)
{
	free(of(c));
}

static const struct client_kind socket_kind = {
	.detach = detach,
	.attach = attach,
	.drop = drop,
	.free = free_socket_client,
};

static void gone(struct c2s_socket *k)
{
	struct client *c = &container_of(k, struct socket_client, socket)->client;

	list_del(&c->link);
	client_unref(c);
}

static bool count_peer(struct client *c, const struct sockaddr_storage *peer)
{
	struct quota *q = c->shard->core->quota;

	if (!q)
		return true;
	if (!quota_take(q, peer))
		return false;
	c->counted = true;
	c->peer = xmalloc(sizeof *c->peer);
	*c->peer = *peer;
	return true;
}

static void take(struct listener *l, int fd, const struct sockaddr_storage *peer, bool direct)
{
	struct shard *s = l->user;
	struct socket_client *sc = xcalloc(1, sizeof *sc);
	struct client *c = &sc->client;

	count(s, COUNT_CONNECTIONS);
	sc->socket.wire.ops = &c2s_socket_wire;
	client_init(c, &socket_kind, s, &sc->socket.wire);
	bool counted = count_peer(c, peer);
	if (!counted)
		count(s, COUNT_REFUSED);
	if (counted && c2s_socket_start(&sc->socket, &s->loop, fd, &c->stream, s->settings->tls,
			       s->settings->ask_client_cert, direct, s->settings->max_out, gone))
		return;
	if (counted)
		log_warn(&s->log, "accept", F_C("error", strerror(errno)));
	close(fd);
	timer_stop(&s->loop.wheel, &c->timer);
	list_del(&c->link);
	client_unref(c);
}

void client_accept(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
	take(l, fd, peer, false);
}

void client_accept_tls(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
	take(l, fd, peer, true);
}
