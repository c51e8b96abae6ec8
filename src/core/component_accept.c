/* Connections of components that come over sockets. */
#include "core/component.h"

#include "base/bug.h"
#include "stream/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct socket_component {
	struct component_conn conn;
	struct stream_socket socket;
};

static struct socket_component *of(struct component_conn *c)
{
	return container_of(c, struct socket_component, conn);
}

static void detach(struct component_conn *c)
{
	conn_detach(&of(c)->socket.conn);
}

static bool attach(struct component_conn *c, struct shard *s)
{
	of(c)->socket.log = &s->log;
	return conn_attach(&of(c)->socket.conn, &s->loop);
}

static void drop(struct component_conn *c)
{
	conn_clear(&of(c)->socket.conn);
	tls_config_unref(&of(c)->socket.tls);
}

static void free_socket_component(struct component_conn *c)
{
	free(of(c));
}

static const struct component_conn_kind socket_kind = {
	.detach = detach,
	.attach = attach,
	.drop = drop,
	.free = free_socket_component,
};

static void gone(struct stream_socket *k)
{
	component_conn_free(&container_of(k, struct socket_component, socket)->conn);
}

static void take(struct listener *l, int fd, const struct sockaddr_storage *peer, bool direct)
{
	struct shard *s = l->user;
	struct socket_component *sc = xcalloc(1, sizeof *sc);
	struct component_conn *c = &sc->conn;
	struct socket_start how = { .tls = s->settings->tls, .direct = direct,
		.max_out = s->settings->max_out, .log = &s->log, .gone = gone };

	count(s, COUNT_CONNECTIONS);
	sc->socket.wire.ops = &socket_wire;
	component_conn_init(c, &socket_kind, s, &sc->socket.wire);
	bool counted = quota_enter(s->core->quota, peer, &c->half_open);
	if (!counted)
		count(s, COUNT_REFUSED);
	if (counted && socket_start_component(&sc->socket, &s->loop, fd, &c->stream, &how))
		return;
	if (counted)
		log_warn(&s->log, "accept", F_C("error", strerror(errno)));
	close(fd);
	component_conn_free(c);
}

void component_accept(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
	take(l, fd, peer, false);
}

void component_accept_tls(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
	take(l, fd, peer, true);
}
