/* Connections without TLS; with TLS: conn_tls_test.c. */
#include "net/testing.h"

#include <errno.h>

static void echo(struct end *e, struct str bytes)
{
	conn_write(&e->c, bytes);
}

/* An idle connection is small and holds no buffers. */
static void test_idle_size(void **state)
{
	struct loop l;
	struct end a, b;

	assert_true(sizeof(struct conn) <= 200);
	start_loop(&l);
	pair_init(&a, &b, &l, false);
	conn_write(&a.c, STR("hello"));
	UNTIL(&l, b.got.n == 5);
	assert_null(a.c.out.p);
	assert_null(a.c.wire.p);
	assert_null(b.c.out.p);
	pair_clear(&a, &b);
	loop_clear(&l);
}

/* What a turn writes goes out as one send: one segment, one call at the other end. */
static void test_one_send_a_turn(void **state)
{
	struct loop l;
	struct end a, b;

	start_loop(&l);
	pair_init(&a, &b, &l, false);
	conn_write(&a.c, STR("one "));
	buf_lit(conn_out(&a.c), "two ");
	conn_write(&a.c, STR("three"));
	assert_int_equal(conn_backlog(&a.c), 13);
	UNTIL(&l, b.got.n);
	assert_got(&b, STR("one two three"));
	assert_int_equal(b.data_calls, 1);
	assert_int_equal(conn_backlog(&a.c), 0);
	pair_clear(&a, &b);
	loop_clear(&l);
}

static void test_echo(void **state)
{
	struct loop l;
	struct end a, b;

	start_loop(&l);
	pair_init(&a, &b, &l, false);
	b.on_data = echo;
	conn_write(&a.c, STR("ping"));
	UNTIL(&l, a.got.n == 4);
	assert_got(&a, STR("ping"));
	pair_clear(&a, &b);
	loop_clear(&l);
}

/* Far more than sockets hold, both ways at once: partial writes. */
static void test_big_transfer(void **state)
{
	struct loop l;
	struct end a, b;

	start_loop(&l);
	pair_init(&a, &b, &l, true);
	struct str big = pattern(&l.turn, 3 << 20);
	conn_write(&a.c, big);
	conn_write(&b.c, big);
	struct buf copy;
	buf_init(&copy, 4 << 20);
	buf_add(&copy, big);
	loop_turn(&l, 0);
	assert_true(conn_backlog(&a.c) > 0);
	assert_true(a.c.blocked);
	UNTIL(&l, a.got.n >= copy.n && b.got.n >= copy.n);
	assert_got(&a, buf_str(&copy));
	assert_got(&b, buf_str(&copy));
	settle(&l);
	assert_null(a.c.out.p);
	assert_int_equal(a.c.watch.events, EPOLLIN);
	buf_clear(&copy);
	pair_clear(&a, &b);
	loop_clear(&l);
}

/* Over max_out unsent bytes end the connection, and not from inside a write. */
static void test_slow_reader(void **state)
{
	struct loop l;
	struct end a, b;
	int fd[2];

	start_loop(&l);
	tcp_pair(fd, true);
	end_init(&a, &l, fd[0], 100000);
	end_init(&b, &l, fd[1], 1000);
	conn_pause(&b.c, true);
	char kilo[1000];
	memset(kilo, 'x', sizeof kilo);
	size_t written = 0;
	while (!a.c.ended) {
		for (int i = 0; i < 50; i++)
			conn_write(&a.c, str_from(kilo, sizeof kilo));
		written += 50 * sizeof kilo;
		assert_false(a.closed);
		assert_true(written < 10 << 20);
		loop_turn(&l, 0);
	}
	assert_true(written > 100000);
	assert_false(a.closed); /* found in the flush, reported in the next turn */
	loop_turn(&l, 1000);
	assert_true(a.closed);
	assert_int_equal(a.why, CONN_SLOW);
	conn_write(&a.c, STR("ignored"));
	assert_int_equal(conn_backlog(&a.c), 0);
	pair_clear(&a, &b);
	loop_clear(&l);
}

/* One write past the bound, to a reader as fast as can be. */
static void test_write_past_the_bound(void **state)
{
	static const struct {
		const char *name;
		size_t bytes;
		bool ends;
	} cases[] = {
		{ "at the bound", 10000, false },
		{ "one past it", 10001, true },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct loop l;
		struct end a, b;
		int fd[2];
		start_loop(&l);
		tcp_pair(fd, false);
		end_init(&a, &l, fd[0], 10000);
		end_init(&b, &l, fd[1], 1000);
		/* A warm pool must not lift the bound. */
		struct buf warm = { .p = xmalloc(60000), .cap = 60000 };
		buf_pool_give(l.pool, &warm);
		conn_write(&a.c, pattern(&l.turn, cases[i].bytes));
		if (cases[i].ends) {
			UNTIL(&l, a.closed);
			assert_int_equal(a.why, CONN_SLOW);
			assert_int_equal(b.got.n, 0);
		} else {
			UNTIL(&l, b.got.n == cases[i].bytes);
			assert_false(a.closed);
		}
		pair_clear(&a, &b);
		loop_clear(&l);
	}
}

static void test_pause(void **state)
{
	struct loop l;
	struct end a, b;

	start_loop(&l);
	pair_init(&a, &b, &l, false);
	conn_pause(&b.c, true);
	conn_write(&a.c, STR("wait"));
	settle(&l);
	assert_int_equal(b.got.n, 0);
	conn_pause(&b.c, false);
	UNTIL(&l, b.got.n == 4);
	pair_clear(&a, &b);
	loop_clear(&l);
}

static void reset(struct end *e)
{
	struct linger hard = { .l_onoff = 1 };

	setsockopt(e->c.watch.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	end_clear(e);
}

/* A reset is told even to a paused connection; the loop does not spin on it. */
static void test_reset(void **state)
{
	static const struct {
		const char *name;
		bool paused;
	} cases[] = { { "reading", false }, { "paused", true } };

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct loop l;
		struct end a, b;
		start_loop(&l);
		pair_init(&a, &b, &l, false);
		conn_pause(&a.c, cases[i].paused);
		reset(&b);
		UNTIL(&l, a.closed);
		assert_int_equal(a.why, CONN_RESET);
		end_clear(&a);
		loop_clear(&l);
	}
}

static void test_eof_after_data(void **state)
{
	struct loop l;
	struct end a, b;

	start_loop(&l);
	pair_init(&a, &b, &l, false);
	assert_int_equal(send(b.c.watch.fd, "last", 4, 0), 4);
	end_clear(&b);
	UNTIL(&l, a.closed);
	assert_got(&a, STR("last"));
	assert_int_equal(a.why, CONN_EOF);
	end_clear(&a);
	loop_clear(&l);
}

/* The peer is gone when we write: EPIPE and no signal. */
static void test_write_to_the_gone(void **state)
{
	struct loop l;
	struct end a, b;

	start_loop(&l);
	pair_init(&a, &b, &l, false);
	conn_pause(&a.c, true); /* so that only the write can tell */
	end_clear(&b);
	for (int i = 0; i < 200 && !a.closed; i++) {
		conn_write(&a.c, STR("anybody?"));
		loop_turn(&l, 5);
	}
	assert_true(a.closed);
	assert_int_equal(a.why, CONN_RESET);
	end_clear(&a);
	loop_clear(&l);
}

static void finish_back(struct end *e, struct str bytes)
{
	conn_finish(&e->c);
}

/* conn_finish() sends all, half-closes, waits for the peer and throws away what it says. */
static void test_finish(void **state)
{
	struct loop l;
	struct end a, b;

	start_loop(&l);
	pair_init(&a, &b, &l, true);
	struct str big = pattern(&l.turn, 1 << 20);
	conn_write(&a.c, big);
	conn_finish(&a.c);
	conn_finish(&a.c);
	conn_write(&a.c, STR("too late"));
	assert_int_equal(conn_backlog(&a.c), big.n);
	conn_write(&b.c, STR("not read any more"));
	UNTIL(&l, b.closed);
	assert_int_equal(b.why, CONN_EOF);
	assert_int_equal(b.got.n, 1 << 20);
	assert_int_equal(a.got.n, 0);
	assert_false(a.closed);
	end_clear(&b);
	UNTIL(&l, a.closed);
	assert_int_equal(a.why, CONN_DONE);
	end_clear(&a);
	loop_clear(&l);
}

/* Both sides finish at once. */
static void test_finish_both(void **state)
{
	struct loop l;
	struct end a, b;

	start_loop(&l);
	pair_init(&a, &b, &l, false);
	a.on_data = b.on_data = finish_back;
	conn_write(&a.c, STR("</stream>"));
	conn_write(&b.c, STR("</stream>"));
	UNTIL(&l, a.closed && b.closed);
	assert_int_equal(a.why, CONN_DONE);
	assert_int_equal(b.why, CONN_DONE);
	pair_clear(&a, &b);
	loop_clear(&l);
}

/* The peer half-closed and still reads: it gets everything. */
static void test_finish_after_half_close(void **state)
{
	struct loop l;
	struct end a;
	int fd[2];
	char got[4];

	start_loop(&l);
	tcp_pair(fd, false);
	end_init(&a, &l, fd[0], 1000);
	conn_write(&a.c, STR("bye!"));
	conn_finish(&a.c);
	shutdown(fd[1], SHUT_WR);
	UNTIL(&l, a.closed);
	assert_int_equal(a.why, CONN_DONE);
	assert_int_equal(recv(fd[1], got, sizeof got, 0), 4);
	assert_int_equal(recv(fd[1], got, sizeof got, 0), 0);
	close(fd[1]);
	end_clear(&a);
	loop_clear(&l);
}

/* A peer that never closes is given 5 seconds. */
static void test_finish_timeout(void **state)
{
	struct loop l;
	struct end a, b;

	start_loop(&l);
	pair_init(&a, &b, &l, false);
	conn_finish(&a.c);
	conn_pause(&b.c, true);
	loop_turn(&l, 0);
	wheel_advance(&l.wheel, l.now + 4900);
	assert_false(a.closed);
	wheel_advance(&l.wheel, l.now + 5100);
	assert_true(a.closed);
	assert_int_equal(a.why, CONN_DONE);
	pair_clear(&a, &b);
	loop_clear(&l);
}

static void clear_self(struct end *e, struct str bytes)
{
	end_clear(e);
}

/* data() may take the connection away; AddressSanitizer watches. */
static void test_clear_in_data(void **state)
{
	struct loop l;
	struct end a, *b = xmalloc(sizeof *b);
	int fd[2];

	start_loop(&l);
	tcp_pair(fd, false);
	end_init(&a, &l, fd[0], 1000);
	end_init(b, &l, fd[1], 1000);
	b->on_data = clear_self;
	conn_write(&a.c, STR("go"));
	UNTIL(&l, a.closed);
	free(b);
	end_clear(&a);
	loop_clear(&l);
}

/* Another loop, another place in memory, and what was unsent arrives. */
static void test_detach_and_attach(void **state)
{
	struct loop one, two;
	struct end a, b, moved;

	start_loop(&one);
	start_loop(&two);
	pair_init(&a, &b, &one, true);
	struct str big = pattern(&one.turn, 1 << 20);
	conn_write(&a.c, big);
	struct buf copy;
	buf_init(&copy, 2 << 20);
	buf_add(&copy, big);
	loop_turn(&one, 0); /* a part is sent, the rest waits for the kernel */
	conn_detach(&a.c);
	moved = a;
	memset(&a, 0xee, sizeof a);
	conn_write(&moved.c, STR("and more"));
	buf_add(&copy, STR("and more"));
	assert_true(conn_attach(&moved.c, &two));
	uint64_t end = clock_mono_ms() + PATIENCE_MS;
	while (b.got.n < copy.n) {
		assert_true(clock_mono_ms() < end);
		loop_turn(&two, 1);
		loop_turn(&one, 1);
	}
	assert_got(&b, buf_str(&copy));
	conn_write(&b.c, STR("answer"));
	loop_turn(&one, 0);
	UNTIL(&two, moved.got.n == 6);
	buf_clear(&copy);
	pair_clear(&moved, &b);
	loop_clear(&one);
	loop_clear(&two);
}

/* A connection that is nowhere can be freed, and so can one that no loop takes. */
static void test_clear_detached(void **state)
{
	struct loop l, broken;
	struct end a, b;

	start_loop(&l);
	start_loop(&broken);
	pair_init(&a, &b, &l, false);
	conn_write(&a.c, STR("unsent"));
	conn_detach(&a.c);
	int epoll = broken.epoll;
	broken.epoll = -1;
	assert_false(conn_attach(&a.c, &broken));
	assert_int_equal(errno, EBADF);
	broken.epoll = epoll;
	end_clear(&a);
	UNTIL(&l, b.closed);
	assert_int_equal(b.why, CONN_EOF);
	end_clear(&b);
	loop_clear(&broken);
	loop_clear(&l);
}

static void test_peer(void **state)
{
	static const struct {
		const char *listen, *peer;
		int family;
	} cases[] = {
		{ "127.0.0.1", "127.0.0.1:", AF_INET },
		{ "*", "127.0.0.1:", AF_INET }, /* mapped into IPv6 */
		{ "::1", "[::1]:", AF_INET6 },
	};
	struct loop l;

	start_loop(&l);
	for (size_t i = 0; i < N_OF(cases); i++) {
		int on = listen_open(cases[i].listen, 0);
		if (on < 0 && cases[i].family == AF_INET6)
			continue; /* no IPv6 here */
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(listen_port(on)),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
			.sin6_port = htons(listen_port(on)), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
		bool six = cases[i].family == AF_INET6;
		int fd = socket(cases[i].family, SOCK_STREAM, 0);
		assert_int_equal(connect(fd, six ? (struct sockaddr *)&in6 : (struct sockaddr *)&in,
			six ? sizeof in6 : sizeof in), 0);
		struct end e;
		end_init(&e, &l, accept(on, NULL, NULL), 1000);
		struct str want = str_printf(&l.turn, "%s%u", cases[i].peer, listen_port(fd));
		struct str peer = conn_peer(&e.c, &l.turn);
		assert_int_equal(peer.n, want.n);
		assert_memory_equal(peer.p, want.p, want.n);
		end_clear(&e);
		close(fd);
		close(on);
	}
	loop_clear(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle_size),
		cmocka_unit_test(test_one_send_a_turn),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_big_transfer),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_write_past_the_bound),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_eof_after_data),
		cmocka_unit_test(test_write_to_the_gone),
		cmocka_unit_test(test_finish),
		cmocka_unit_test(test_finish_both),
		cmocka_unit_test(test_finish_after_half_close),
		cmocka_unit_test(test_finish_timeout),
		cmocka_unit_test(test_clear_in_data),
		cmocka_unit_test(test_detach_and_attach),
		cmocka_unit_test(test_clear_detached),
		cmocka_unit_test(test_peer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
