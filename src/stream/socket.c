#include "stream/socket.h"

#include "base/log.h"
#include "stream/c2s.h"
#include "stream/component.h"
#include "stream/s2s.h"

static struct stream_socket *of_wire(struct wire *w)
{
	return container_of(w, struct stream_socket, wire);
}

static struct stream_socket *of_conn(struct conn *c)
{
	return container_of(c, struct stream_socket, conn);
}

static struct buf *wire_out(struct wire *w)
{
	return conn_out(&of_wire(w)->conn);
}

static void wire_finish(struct wire *w)
{
	conn_finish(&of_wire(w)->conn);
}

static struct tls *server_side(struct stream_socket *k, unsigned flags)
{
	return tls_server_new(k->tls, k->ask_cert ? flags | TLS_ASK_CERT : flags);
}

static bool begin_tls(struct stream_socket *k, unsigned flags)
{
	if (!k->tls)
		return false;
	struct tls *t = k->user->tls(k, flags);
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

const struct wire_ops socket_wire = {
	.out = wire_out,
	.finish = wire_finish,
	.start_tls = wire_start_tls,
	.pause = wire_pause,
	.describe = wire_describe,
	.peer = wire_peer,
};

static void on_data(struct conn *c, char *p, size_t n)
{
	struct stream_socket *k = of_conn(c);

	k->user->input(k, p, n);
}

static void on_secured(struct conn *c)
{
	struct stream_socket *k = of_conn(c);

	if (log_wants(LOG_DEBUG)) {
		struct arena a;
		arena_init(&a, 256);
		log_debug(k->log, "tls", F_STR("peer", conn_peer(c, &a)),
			F_STR("with", tls_describe(c->tls, &a)));
		arena_clear(&a);
	}
	k->user->secured(k);
}

static void on_closed(struct conn *c, enum conn_end why)
{
	struct stream_socket *k = of_conn(c);

	if (why == CONN_TLS || why == CONN_SLOW) {
		struct arena a;
		arena_init(&a, 256);
		log_info(k->log, why == CONN_TLS ? "tls_failed" : "slow_reader",
			F_STR("peer", conn_peer(c, &a)),
			F_C("error", why == CONN_TLS ? conn_tls_error(c) : "too much unsent output"));
		arena_clear(&a);
	}
	k->user->lost(k);
	conn_clear(c);
	tls_config_unref(&k->tls);
	k->gone(k);
}

static const struct conn_ops socket_ops = {
	.data = on_data,
	.secured = on_secured,
	.closed = on_closed,
};

static bool start(struct stream_socket *k, struct loop *l, int fd, const struct socket_user *user,
	const struct socket_start *how)
{
	k->user = user;
	k->log = how->log;
	k->tls = how->tls ? tls_config_ref(how->tls) : NULL;
	k->ask_cert = how->ask_cert;
	k->gone = how->gone;
	if (!conn_init(&k->conn, l, fd, &socket_ops, how->max_out)) {
		tls_config_unref(&k->tls);
		return false;
	}
	if (!how->direct)
		return true;
	if (user->expect_tls)
		user->expect_tls(k);
	if (!begin_tls(k, user->tls_flags))
		user->end(k);
	return true;
}

/* ---- clients ---- */

static void c2s_data(struct stream_socket *k, const char *p, size_t n)
{
	c2s_input(k->stream.c2s, p, n);
}

static void c2s_is_secure(struct stream_socket *k)
{
	c2s_secured(k->stream.c2s);
}

static void c2s_is_lost(struct stream_socket *k)
{
	c2s_lost(k->stream.c2s);
}

static void c2s_begins_tls(struct stream_socket *k)
{
	c2s_expect_tls(k->stream.c2s);
}

static void c2s_ends(struct stream_socket *k)
{
	c2s_end(k->stream.c2s);
}

bool socket_start_c2s(struct stream_socket *k, struct loop *l, int fd, struct c2s *stream,
	const struct socket_start *how)
{
	static const struct socket_user user = { c2s_data, c2s_is_secure, c2s_is_lost,
		c2s_begins_tls, c2s_ends, server_side, TLS_ALPN };

	k->stream.c2s = stream;
	return start(k, l, fd, &user, how);
}

/* ---- components ---- */

static void comp_data(struct stream_socket *k, const char *p, size_t n)
{
	comp_input(k->stream.comp, p, n);
}

/* Nothing comes to its stream before that. */
static void comp_is_secure(struct stream_socket *k)
{
}

static void comp_is_lost(struct stream_socket *k)
{
	comp_lost(k->stream.comp);
}

static void comp_ends(struct stream_socket *k)
{
	comp_end(k->stream.comp);
}

bool socket_start_component(struct stream_socket *k, struct loop *l, int fd, struct comp *stream,
	const struct socket_start *how)
{
	static const struct socket_user user = { comp_data, comp_is_secure, comp_is_lost, NULL,
		comp_ends, server_side, 0 };

	k->stream.comp = stream;
	return start(k, l, fd, &user, how);
}

/* ---- servers ---- */

static void s2s_data(struct stream_socket *k, const char *p, size_t n)
{
	s2s_input(k->stream.s2s, p, n);
}

static void s2s_is_secure(struct stream_socket *k)
{
	s2s_secured(k->stream.s2s);
}

static void s2s_is_lost(struct stream_socket *k)
{
	s2s_lost(k->stream.s2s);
}

static void s2s_begins_tls(struct stream_socket *k)
{
	s2s_expect_tls(k->stream.s2s);
}

static void s2s_ends(struct stream_socket *k)
{
	s2s_end(k->stream.s2s);
}

static struct tls *s2s_side_of_tls(struct stream_socket *k, unsigned flags)
{
	const struct s2s *s = k->stream.s2s;

	if (s->nego.role == NEGO_RECEIVING)
		return tls_server_new(k->tls, flags | TLS_ASK_CERT);
	return tls_peer_new(k->tls, str_c(s->local), str_c(s->remote), flags);
}

bool socket_start_s2s(struct stream_socket *k, struct loop *l, int fd, struct s2s *stream,
	const struct socket_start *how)
{
	static const struct socket_user user = { s2s_data, s2s_is_secure, s2s_is_lost,
		s2s_begins_tls, s2s_ends, s2s_side_of_tls, TLS_ALPN_SERVER };

	k->stream.s2s = stream;
	return start(k, l, fd, &user, how);
}
