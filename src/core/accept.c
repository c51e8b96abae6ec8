/* Clients that come over sockets. */
#include "core/client.h"

#include "base/bug.h"
#include "stream/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct socket_client {
	struct client client;
	struct stream_socket socket;
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
	of(c)->socket.log = &s->log;
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

static void gone(struct stream_socket *k)
{
	struct client *c = &container_of(k, struct socket_client, socket)->client;

	list_del(&c->link);
	client_unref(c);
}

static void take(struct listener *l, int fd, const struct sockaddr_storage *peer, bool direct)
{
	struct shard *s = l->user;
	struct socket_client *sc = xcalloc(1, sizeof *sc);
	struct client *c = &sc->client;
	struct socket_start how = { .tls = s->settings->tls,
		.ask_cert = s->settings->ask_client_cert, .direct = direct,
		.max_out = s->settings->max_out, .log = &s->log, .gone = gone };

	count(s, COUNT_CONNECTIONS);
	sc->socket.wire.ops = &socket_wire;
	client_init(c, &socket_kind, s, &sc->socket.wire);
	bool counted = quota_enter(s->core->quota, peer, &c->half_open);
	if (!counted)
		count(s, COUNT_REFUSED);
	if (counted && socket_start_c2s(&sc->socket, &s->loop, fd, &c->stream, &how))
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
