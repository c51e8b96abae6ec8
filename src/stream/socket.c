#include "stream/socket.h"

static struct c2s_socket *of_wire(struct wire *w)
{
	return container_of(w, struct c2s_socket, wire);
}

static struct c2s_socket *of_conn(struct conn *c)
{
	return container_of(c, struct c2s_socket, conn);
}

static struct buf *wire_out(struct wire *w)
{
	return conn_out(&of_wire(w)->conn);
}

static void wire_finish(struct wire *w)
{
	conn_finish(&of_wire(w)->conn);
}

static bool begin_tls(struct c2s_socket *k, unsigned flags)
{
	if (!k->tls)
		return false;
	if (k->ask_cert)
		flags |= TLS_ASK_CERT;
	struct tls *t = tls_server_new(k->tls, flags);
	tls_config_unref(&k->tls);
	if (!t)
		return false;
	conn_start_tls(&k->conn, t);
	return true;
}

static bool wire_start_tls(struct wire *w)
{
	return begin_tls(of_wire(w), 0);
}

static void wire_pause(struct wire *w, bool paused)
{
	conn_pause(&of_wire(w)->conn, paused);
}

static void wire_describe(struct wire *w, struct arena *a, struct sasl_policy *p)
{
	struct tls *t = of_wire(w)->conn.tls;

	p->binding.exporter = tls_binding(t, TLS_EXPORTER, a);
	p->binding.end_point = tls_binding(t, TLS_END_POINT, a);
	p->binding.unique = tls_binding(t, TLS_UNIQUE, a);
	p->binding.unique_defined = !tls_is_13(t);
	p->n_cert_jids = (unsigned)tls_client_addresses(t, p->cert_jids,
		sizeof p->cert_jids / sizeof p->cert_jids[0], a);
}

static struct str wire_peer(struct wire *w, struct arena *a)
{
	return conn_peer(&of_wire(w)->conn, a);
}

const struct wire_ops c2s_socket_wire = {
	.out = wire_out,
	.finish = wire_finish,
	.start_tls = wire_start_tls,
	.pause = wire_pause,
	.describe = wire_describe,
	.peer = wire_peer,
};

static void on_data(struct conn *c, char *p, size_t n)
{
	c2s_input(of_conn(c)->stream, p, n);
}

static void on_secured(struct conn *c)
{
	struct c2s *s = of_conn(c)->stream;

	if (log_wants(LOG_DEBUG)) {
		struct arena a;
		arena_init(&a, 256);
		log_debug(s->log, "tls", F_STR("peer", conn_peer(c, &a)),
			F_STR("with", tls_describe(c->tls, &a)));
		arena_clear(&a);
	}
	c2s_secured(s);
}

static void on_closed(struct conn *c, enum conn_end why)
{
	struct c2s_socket *k = of_conn(c);

	if (why == CONN_TLS || why == CONN_SLOW) {
		struct arena a;
		arena_init(&a, 256);
		log_info(k->stream->log, why == CONN_TLS ? "tls_failed" : "slow_reader",
			F_STR("peer", conn_peer(c, &a)),
			F_C("error", why == CONN_TLS ? conn_tls_error(c) : "too much unsent output"));
		arena_clear(&a);
	}
	c2s_lost(k->stream);
	conn_clear(c);
	tls_config_unref(&k->tls);
	k->gone(k);
}

static const struct conn_ops socket_ops = {
	.data = on_data,
	.secured = on_secured,
	.closed = on_closed,
};

bool c2s_socket_start(struct c2s_socket *k, struct loop *l, int fd, struct c2s *stream,
	struct tls_config *tls, bool ask_cert, bool direct, uint32_t max_out,
	void (*gone)(struct c2s_socket *))
{
	k->stream = stream;
	k->tls = tls ? tls_config_ref(tls) : NULL;
	k->ask_cert = ask_cert;
	k->gone = gone;
	if (!conn_init(&k->conn, l, fd, &socket_ops, max_out)) {
		tls_config_unref(&k->tls);
		return false;
	}
	if (!direct)
		return true;
	c2s_expect_tls(stream);
	if (!begin_tls(k, TLS_ALPN))
		c2s_end(stream);
	return true;
}
