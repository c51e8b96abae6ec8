/* Streams between servers over sockets: that TLS begins in the right role, with and without
 * STARTTLS, and that either side sees whose certificate the other has. */
#include "net/testing.h"
#include "stream/s2s_testing.h"
#include "stream/socket.h"

#include "base/bug.h"

struct node {
	struct stream_socket k;
	struct s2s_side side;
	bool gone;
};

static struct certs certs;
static struct tls_config *caller, *called; /* of a.example and c.example; they trust each other */

static void on_gone(struct stream_socket *k)
{
	container_of(k, struct node, k)->gone = true;
}

static struct tls_config *config_of(const char *domain, const char *trusted)
{
	struct tls_host h = { str_c(domain),
		str_printf(&certs.arena, "%s/%s.crt", certs.folder, domain).p,
		str_printf(&certs.arena, "%s/%s.key", certs.folder, domain).p };
	const char *ca = str_printf(&certs.arena, "%s/%s.crt", certs.folder, trusted).p;
	struct str error = STR_NULL;
	struct tls_config *c = tls_config_new(&h, 1, NULL, test_ticket_key, &certs.arena, &error);

	assert_non_null(c);
	assert_true(tls_config_trust_servers(c, ca, &certs.arena, &error));
	return c;
}

static int set_up(void **state)
{
	certs_init(&certs); /* has a pair for a.example */
	certs_host(&certs, "c.example");
	caller = config_of("a.example", "c.example");
	called = config_of("c.example", "a.example");
	return 0;
}

static int tear_down(void **state)
{
	tls_config_unref(&caller);
	tls_config_unref(&called);
	certs_clear(&certs);
	return 0;
}

static void start(struct node *n, struct loop *l, int fd, struct tls_config *tls, bool direct)
{
	struct socket_start how = { .tls = tls, .direct = direct, .max_out = 1 << 20,
		.log = &n->side.log, .gone = on_gone };

	n->k = (struct stream_socket){ .wire = { &socket_wire } };
	n->gone = false;
	n->side.stream.wire = &n->k.wire;
	assert_true(socket_start_s2s(&n->k, l, fd, &n->side.stream, &how));
}

static const struct meeting {
	const char *name;
	bool tls, direct;       /* both have TLS; from the first byte */
	bool only_called, must; /* only the called one has it; the caller insists */
	const char *told;       /* to the caller, in the end */
} meetings[] = {
	{ "STARTTLS, RFC 6120 section 5", .tls = true, .must = true, .told = "accepted " },
	{ "direct TLS, XEP-0368", .tls = true, .direct = true, .must = true, .told = "accepted " },
	{ "no TLS", .told = "result answered c.example a.example  valid" },
	{ "the caller has no TLS after all", .only_called = true, .must = true,
		.told = "closed by us, no error" },
	{ "nor for direct TLS", .only_called = true, .direct = true, .must = true,
		.told = "closed by us, no error" },
};

/* RFC 6120 section 13.7.1: each has asked the other for its certificate. */
static void check_certificates(struct node *out, struct node *in)
{
	assert_int_equal(tls_check_peer(out->k.conn.tls, STR("c.example"), NULL), TLS_PEER_OK);
	assert_int_equal(tls_check_peer(in->k.conn.tls, STR("a.example"), NULL), TLS_PEER_OK);
	assert_int_equal(tls_check_peer(in->k.conn.tls, STR("c.example"), NULL),
		TLS_PEER_WRONG_NAME);
}

static void meet(const struct meeting *m)
{
	struct node out, in;
	struct loop l;
	int fd[2];

	start_loop(&l);
	tcp_pair(fd, false);
	s2s_side_new_outgoing(&out.side, m->must);
	s2s_side_incoming(&in.side);
	out.side.external = out.side.result = true;
	in.side.domain = "c.example";
	in.side.host.tls = m->tls || m->only_called;
	start(&in, &l, fd[1], in.side.host.tls ? called : NULL, m->direct);
	start(&out, &l, fd[0], m->tls ? caller : NULL, m->direct);
	s2s_begin(&out.side.stream);
	UNTIL(&l, out.gone || s2s_side_told(&out.side, m->told));
	if (!s2s_side_told(&out.side, m->told))
		fail_msg("%s: %.*s", m->name, STR_FMT(buf_str(&out.side.events)));
	assert_int_equal(out.side.stream.nego.secure, m->tls);
	if (m->tls)
		check_certificates(&out, &in);
	s2s_end(&out.side.stream);
	UNTIL(&l, out.gone && in.gone);
	s2s_side_end(&out.side);
	s2s_side_end(&in.side);
	loop_clear(&l);
}

static void test_meetings(void **state)
{
	for (size_t i = 0; i < N_OF(meetings); i++)
		meet(&meetings[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meetings),
	};

	log_setup(LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
