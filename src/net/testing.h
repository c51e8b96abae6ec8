/* For the tests of this floor: sockets on loopback, connections that remember what happened
 * to them, certificates in a folder of their own. */
#ifndef NET_TESTING_H
#define NET_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/pool.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))
#define PATIENCE_MS 10000

/* Runs turns of a loop until cond holds; fails the test when it never does. */
#define UNTIL(l, cond)                                                            \
	do {                                                                      \
		uint64_t until_end = clock_mono_ms() + PATIENCE_MS;               \
		while (!(cond)) {                                                 \
			assert_true(clock_mono_ms() < until_end);                 \
			loop_turn((l), 20);                                       \
		}                                                                 \
	} while (0)

/* Turns enough for what is under way on loopback to arrive. */
static inline void settle(struct loop *l)
{
	for (int i = 0; i < 5; i++)
		loop_turn(l, 5);
}

static inline void start_loop(struct loop *l)
{
	assert_true(loop_init(l, 1 << 20, NULL));
}

/* A connected pair of TCP sockets; small: with small buffers, but above
 * the size where the kernel waits for its timers. */
static inline void tcp_pair(int fd[2], bool small)
{
	int bytes = 16384, on = listen_open("127.0.0.1", 0);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(listen_port(on)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	assert_true(on >= 0);
	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (small) {
		setsockopt(on, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
		setsockopt(on, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
		setsockopt(fd[0], SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
		setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	}
	assert_int_equal(connect(fd[0], (struct sockaddr *)&at, sizeof at), 0);
	fd[1] = accept(on, NULL, NULL);
	assert_true(fd[1] >= 0);
	close(on);
	conn_socket_setup(fd[0]);
	conn_socket_setup(fd[1]);
}

/* A connection that remembers. */
struct end {
	struct conn c;
	struct buf got;
	unsigned data_calls;
	bool secured, closed;
	enum conn_end why;
	void (*on_data)(struct end *e, struct str bytes); /* may be NULL */
	void (*on_secured)(struct end *e);                /* may be NULL */
	struct end *other;                                /* for the test's use */
};

static inline void end_data(struct conn *c, char *p, size_t n)
{
	struct end *e = container_of(c, struct end, c);

	e->data_calls++;
	buf_add(&e->got, str_from(p, n));
	if (e->on_data)
		e->on_data(e, str_from(p, n));
}

static inline void end_secured(struct conn *c)
{
	struct end *e = container_of(c, struct end, c);

	assert_false(e->secured);
	e->secured = true;
	if (e->on_secured)
		e->on_secured(e);
}

static inline void end_closed(struct conn *c, enum conn_end why)
{
	struct end *e = container_of(c, struct end, c);

	assert_false(e->closed);
	e->closed = true;
	e->why = why;
}

static const struct conn_ops end_ops = { end_data, end_secured, end_closed };

static inline void end_init(struct end *e, struct loop *l, int fd, uint32_t max_out)
{
	*e = (struct end){ 0 };
	buf_init(&e->got, 64 << 20);
	assert_true(conn_init(&e->c, l, fd, &end_ops, max_out));
}

static inline void end_clear(struct end *e)
{
	conn_clear(&e->c);
	buf_clear(&e->got);
}

/* Two connections with each other in one loop. */
static inline void pair_init(struct end *a, struct end *b, struct loop *l, bool small)
{
	int fd[2];

	tcp_pair(fd, small);
	end_init(a, l, fd[0], 4 << 20);
	end_init(b, l, fd[1], 4 << 20);
	a->other = b;
	b->other = a;
}

static inline void pair_clear(struct end *a, struct end *b)
{
	end_clear(a);
	end_clear(b);
}

static inline void assert_got(struct end *e, struct str want)
{
	assert_int_equal(e->got.n, want.n);
	if (want.n)
		assert_memory_equal(e->got.p, want.p, want.n);
}

/* n bytes that tell a wrong order. */
static inline struct str pattern(struct arena *a, size_t n)
{
	char *p = arena_alloc(a, n);

	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 31 + i / 251);
	return str_from(p, n);
}

/* A folder with the certificates of a test. */
struct certs {
	struct arena arena;
	char folder[32];
	struct tls_config *config;
};

static inline const char *certs_path(struct certs *s, const char *name)
{
	return str_printf(&s->arena, "%s/%s", s->folder, name).p;
}

/* A self-signed pair NAME.crt, NAME.key for a domain. */
static inline struct tls_host certs_host(struct certs *s, const char *domain)
{
	struct tls_host h = { .name = str_dup(&s->arena, str_c(domain)) };
	struct str error = STR_NULL;

	h.cert_file = str_printf(&s->arena, "%s/%s.crt", s->folder, domain).p;
	h.key_file = str_printf(&s->arena, "%s/%s.key", s->folder, domain).p;
	assert_true(tls_make_self_signed(h.cert_file, h.key_file, &h.name, 1, &s->arena, &error));
	return h;
}

static const uint8_t test_ticket_key[64] = "the key of all the tickets";

static inline void certs_init(struct certs *s)
{
	static const char template[] = "/tmp/stentor-net-XXXXXX";
	struct str error = STR_NULL;

	arena_init(&s->arena, 16384);
	memcpy(s->folder, template, sizeof template);
	assert_non_null(mkdtemp(s->folder));
	struct tls_host h = certs_host(s, "a.example");
	s->config = tls_config_new(&h, 1, h.cert_file, test_ticket_key, &s->arena, &error);
	assert_non_null(s->config);
}

static inline void certs_clear(struct certs *s)
{
	char command[64];

	tls_config_unref(&s->config);
	snprintf(command, sizeof command, "rm -r %s", s->folder);
	assert_int_equal(system(command), 0);
	arena_clear(&s->arena);
}

#endif
