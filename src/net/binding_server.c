/* For binding_test.py: a TLS server that tells each client what it takes for the channel's
 * bindings. Prints its port and its certificate's file; ends with its standard input. */
#include "net/testing.h"

static struct certs certs;
static struct loop loop;
static struct end *ends[64];
static size_t n_ends;

static void tell(struct conn *c, const char *name, enum tls_binding kind)
{
	struct str bytes = tls_binding(c->tls, kind, &c->loop->turn);

	buf_printf(conn_out(c), "%s ", name);
	for (size_t i = 0; i < bytes.n; i++)
		buf_printf(conn_out(c), "%02x", (unsigned char)bytes.p[i]);
	buf_lit(conn_out(c), "\n");
}

static void tell_all(struct end *e)
{
	struct str what = tls_describe(e->c.tls, &loop.turn);

	buf_printf(conn_out(&e->c), "cipher %.*s\n", STR_FMT(what));
	buf_printf(conn_out(&e->c), "resumed %d\n", tls_resumed(e->c.tls));
	tell(&e->c, "tls-unique", TLS_UNIQUE);
	tell(&e->c, "tls-server-end-point", TLS_END_POINT);
	tell(&e->c, "tls-exporter", TLS_EXPORTER);
	conn_finish(&e->c);
}

static void accepted(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
	assert_true(n_ends < N_OF(ends));
	struct end *e = ends[n_ends++] = xmalloc(sizeof *e);
	end_init(e, l->loop, fd, 100000);
	e->on_secured = tell_all;
	conn_start_tls(&e->c, tls_server_new(certs.config, 0));
}

static void input(struct watch *w, uint32_t events)
{
	loop_stop(&loop);
}

int main(void)
{
	struct watch end = { STDIN_FILENO, EPOLLIN, input };
	struct listener l;
	int fd = listen_open("127.0.0.1", 0);

	certs_init(&certs);
	start_loop(&loop);
	assert_true(watch_add(&loop, &end));
	assert_true(listener_init(&l, &loop, fd, accepted, NULL));
	printf("%u %s\n", listen_port(fd), certs_path(&certs, "a.example.crt"));
	fflush(stdout);
	loop_run(&loop);
	while (n_ends) {
		end_clear(ends[--n_ends]);
		free(ends[n_ends]);
	}
	listener_clear(&l);
	watch_del(&loop, &end);
	loop_clear(&loop);
	certs_clear(&certs);
	return 0;
}
