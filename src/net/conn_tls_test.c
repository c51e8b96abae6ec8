/* Connections under TLS, over real sockets. */
#include "net/testing.h"

#include <pthread.h>

static struct certs certs;

static const struct {
	const char *name;
	unsigned flags;
} versions[] = { { "TLS1.3", 0 }, { "TLS1.2", TLS_ONLY_12 } };

static struct tls *client_side(unsigned flags)
{
	const char *ca = certs_path(&certs, "a.example.crt");

	return tls_client_new(STR("a.example"), flags, ca, STR_NULL);
}

/* a is the client and b the server, both secured. */
static void secured_pair(struct end *a, struct end *b, struct loop *l, bool small, unsigned flags)
{
	pair_init(a, b, l, small);
	conn_start_tls(&b->c, tls_server_new(certs.config, 0));
	conn_start_tls(&a->c, client_side(flags));
	UNTIL(l, a->secured && b->secured);
}

static void echo(struct end *e, struct str bytes)
{
	conn_write(&e->c, bytes);
}

static void test_echo(void **state)
{
	for (size_t v = 0; v < N_OF(versions); v++) {
		struct loop l;
		struct end a, b;
		start_loop(&l);
		secured_pair(&a, &b, &l, false, versions[v].flags);
		b.on_data = echo;
		conn_write(&a.c, STR("ping"));
		UNTIL(&l, a.got.n == 4);
		assert_got(&a, STR("ping"));
		settle(&l);
		/* Idle again: no buffers. */
		assert_null(a.c.out.p);
		assert_null(a.c.wire.p);
		assert_null(b.c.wire.p);
		pair_clear(&a, &b);
		loop_clear(&l);
	}
}

/* RFC 6120 section 5.4.2.3: the server answers in clear, then TLS begins; what the client
 * sent in clear behind <starttls/> is gone. */
static void starttls_server(struct end *e, struct str bytes)
{
	if (e->secured)
		return;
	conn_write(&e->c, STR("<proceed/>"));
	conn_start_tls(&e->c, tls_server_new(certs.config, 0));
	buf_reset(&e->got);
}

static void starttls_client(struct end *e, struct str bytes)
{
	if (!e->secured)
		conn_start_tls(&e->c, client_side(0));
}

static void test_starttls(void **state)
{
	struct loop l;
	struct end a, b;

	start_loop(&l);
	pair_init(&a, &b, &l, false);
	b.on_data = starttls_server;
	a.on_data = starttls_client;
	conn_write(&a.c, STR("<starttls/><evil/>"));
	UNTIL(&l, a.secured && b.secured);
	assert_got(&a, STR("<proceed/>"));
	assert_got(&b, STR(""));
	conn_write(&a.c, STR("<good/>"));
	UNTIL(&l, b.got.n);
	assert_got(&b, STR("<good/>"));
	pair_clear(&a, &b);
	loop_clear(&l);
}

static void say_hello(struct end *e)
{
	conn_write(&e->c, STR("hello"));
}

/* What is written during the handshake, or as soon as it is done and so in one segment with
 * its last message, arrives after it. */
static void test_early_writes(void **state)
{
	for (size_t v = 0; v < N_OF(versions); v++) {
		struct loop l;
		struct end a, b;
		start_loop(&l);
		pair_init(&a, &b, &l, false);
		a.on_secured = b.on_secured = say_hello;
		conn_start_tls(&b.c, tls_server_new(certs.config, 0));
		conn_start_tls(&a.c, client_side(versions[v].flags));
		conn_write(&a.c, STR("early, "));
		conn_write(&b.c, STR("soon, "));
		UNTIL(&l, a.got.n == 11 && b.got.n == 12);
		assert_got(&a, STR("soon, hello"));
		assert_got(&b, STR("early, hello"));
		pair_clear(&a, &b);
		loop_clear(&l);
	}
}

static void test_big_transfer(void **state)
{
	for (size_t v = 0; v < N_OF(versions); v++) {
		struct loop l;
		struct end a, b;
		struct buf copy;
		start_loop(&l);
		secured_pair(&a, &b, &l, true, versions[v].flags);
		buf_init(&copy, 4 << 20);
		buf_add(&copy, pattern(&l.turn, 1 << 20));
		conn_write(&a.c, buf_str(&copy));
		conn_write(&b.c, buf_str(&copy));
		loop_turn(&l, 0);
		assert_true(a.c.wire.n > 0); /* the kernel took a part of a record */
		UNTIL(&l, a.got.n >= copy.n && b.got.n >= copy.n);
		assert_got(&a, buf_str(&copy));
		assert_got(&b, buf_str(&copy));
		buf_clear(&copy);
		pair_clear(&a, &b);
		loop_clear(&l);
	}
}

/* All the records of one read make one call. */
static void test_one_call_a_read(void **state)
{
	struct loop l, other;
	struct end a, b;

	start_loop(&l);
	start_loop(&other);
	secured_pair(&a, &b, &l, false, 0);
	settle(&l); /* the ticket has been read */
	conn_detach(&b.c);
	assert_true(conn_attach(&b.c, &other));
	for (int i = 0; i < 8; i++) {
		conn_write(&a.c, STR("stanza "));
		loop_turn(&l, 0);
	}
	usleep(20000);
	loop_turn(&other, 1000);
	assert_int_equal(b.got.n, 8 * 7);
	assert_int_equal(b.data_calls, 1);
	pair_clear(&a, &b);
	loop_clear(&other);
	loop_clear(&l);
}

/* RFC 8446 section 6.1: close_notify is an end in order. */
static void test_finish(void **state)
{
	for (size_t v = 0; v < N_OF(versions); v++) {
		struct loop l;
		struct end a, b;
		start_loop(&l);
		secured_pair(&a, &b, &l, true, versions[v].flags);
		conn_write(&a.c, pattern(&l.turn, 300000));
		conn_finish(&a.c);
		UNTIL(&l, b.closed);
		assert_int_equal(b.why, CONN_EOF);
		assert_int_equal(b.got.n, 300000);
		assert_false(a.closed);
		end_clear(&b);
		UNTIL(&l, a.closed);
		assert_int_equal(a.why, CONN_DONE);
		end_clear(&a);
		loop_clear(&l);
	}
}

static void finish_now(struct end *e)
{
	conn_finish(&e->c);
}

static void finish_on_data(struct end *e, struct str bytes)
{
	conn_finish(&e->c);
}

/* Finishing before, with and in answer to the handshake. */
static void test_finish_early(void **state)
{
	enum { BEFORE, SECURED, ANSWER };
	for (int when = BEFORE; when <= ANSWER; when++) {
		struct loop l;
		struct end a, b;
		start_loop(&l);
		pair_init(&a, &b, &l, false);
		conn_start_tls(&b.c, tls_server_new(certs.config, 0));
		conn_start_tls(&a.c, client_side(0));
		if (when == BEFORE)
			conn_finish(&b.c);
		if (when == SECURED)
			b.on_secured = finish_now;
		if (when == ANSWER) {
			a.on_secured = say_hello;
			b.on_data = finish_on_data;
		}
		UNTIL(&l, a.closed);
		assert_int_equal(a.why, when == BEFORE ? CONN_RESET : CONN_EOF);
		end_clear(&a);
		UNTIL(&l, b.closed);
		assert_int_equal(b.why, CONN_DONE);
		end_clear(&b);
		loop_clear(&l);
	}
}

/* An end without close_notify may be an attacker's: no end in order. */
static void test_cut(void **state)
{
	static const struct {
		const char *name;
		bool hard;
	} cases[] = { { "FIN", false }, { "RST", true } };

	for (size_t v = 0; v < N_OF(versions); v++)
		for (size_t i = 0; i < N_OF(cases); i++) {
			struct loop l;
			struct end a, b;
			struct linger hard = { .l_onoff = cases[i].hard };
			start_loop(&l);
			secured_pair(&a, &b, &l, false, versions[v].flags);
			settle(&l);
			setsockopt(a.c.watch.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
			end_clear(&a);
			UNTIL(&l, b.closed);
			assert_int_equal(b.why, CONN_RESET);
			end_clear(&b);
			loop_clear(&l);
		}
}

static void test_garbage(void **state)
{
	static const struct {
		const char *name;
		bool secured;
	} cases[] = { { "instead of a handshake", false }, { "behind it", true } };

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct loop l;
		struct end a, b;
		start_loop(&l);
		if (cases[i].secured) {
			secured_pair(&a, &b, &l, false, 0);
		} else {
			pair_init(&a, &b, &l, false);
			conn_start_tls(&b.c, tls_server_new(certs.config, 0));
		}
		assert_int_equal(send(a.c.watch.fd, "<not><tls/></not>", 17, 0), 17);
		UNTIL(&l, b.closed);
		assert_int_equal(b.why, CONN_TLS);
		assert_true(strlen(conn_tls_error(&b.c)) > 0);
		assert_int_equal(b.got.n, 0);
		pair_clear(&a, &b);
		loop_clear(&l);
	}
}

/* The side that refuses tells the other why. */
static void test_refused_handshake(void **state)
{
	const char *ca = certs_path(&certs, "a.example.crt");
	struct loop l;
	struct end a, b;

	start_loop(&l);
	pair_init(&a, &b, &l, false);
	conn_start_tls(&b.c, tls_server_new(certs.config, 0));
	conn_start_tls(&a.c, tls_client_new(STR("b.example"), 0, ca, STR_NULL));
	UNTIL(&l, a.closed && b.closed);
	assert_int_equal(a.why, CONN_TLS);
	assert_int_equal(b.why, CONN_TLS);
	assert_string_equal(conn_tls_error(&b.c), "Certificate is bad");
	assert_false(a.secured);
	pair_clear(&a, &b);
	loop_clear(&l);
}

/* The bound counts what waits on both sides of the encryption. */
static void test_slow_reader(void **state)
{
	struct loop l;
	struct end a, b;

	start_loop(&l);
	secured_pair(&a, &b, &l, true, 0);
	conn_pause(&b.c, true);
	a.c.max_out = 100000;
	char kilo[1000];
	memset(kilo, 'x', sizeof kilo);
	size_t most = 0;
	while (!a.c.ended) {
		for (int i = 0; i < 10; i++)
			conn_write(&a.c, str_from(kilo, sizeof kilo));
		most = conn_backlog(&a.c) > most ? conn_backlog(&a.c) : most;
		loop_turn(&l, 0);
	}
	assert_in_range(most, 100000, 112000);
	assert_false(a.closed);
	loop_turn(&l, 0);
	assert_true(a.closed);
	assert_int_equal(a.why, CONN_SLOW);
	pair_clear(&a, &b);
	loop_clear(&l);
}

static void test_pause(void **state)
{
	struct loop l;
	struct end a, b;

	start_loop(&l);
	secured_pair(&a, &b, &l, false, 0);
	conn_pause(&b.c, true);
	conn_write(&a.c, STR("wait"));
	settle(&l);
	assert_int_equal(b.got.n, 0);
	conn_pause(&b.c, false);
	UNTIL(&l, b.got.n == 4);
	pair_clear(&a, &b);
	loop_clear(&l);
}

/* Another loop and another place in memory, with records that the kernel did not take, clear
 * bytes behind them and a half-read record. */
static void test_detach_and_attach(void **state)
{
	for (size_t v = 0; v < N_OF(versions); v++) {
		struct loop one, two;
		struct end a, b, moved;
		struct buf copy;
		start_loop(&one);
		start_loop(&two);
		secured_pair(&a, &b, &one, true, versions[v].flags);
		buf_init(&copy, 4 << 20);
		buf_add(&copy, pattern(&one.turn, 500000));
		conn_write(&a.c, buf_str(&copy));
		conn_write(&b.c, buf_str(&copy));
		for (int i = 0; i < 3; i++)
			loop_turn(&one, 0);
		assert_true(b.c.wire.n > 0);
		conn_detach(&b.c);
		moved = b;
		memset(&b, 0xee, sizeof b);
		conn_write(&moved.c, STR("and more"));
		assert_true(conn_attach(&moved.c, &two));
		uint64_t end = clock_mono_ms() + PATIENCE_MS;
		while (a.got.n < copy.n + 8 || moved.got.n < copy.n) {
			assert_true(clock_mono_ms() < end);
			loop_turn(&two, 1);
			loop_turn(&one, 1);
		}
		assert_got(&moved, buf_str(&copy));
		buf_add(&copy, STR("and more"));
		assert_got(&a, buf_str(&copy));
		buf_clear(&copy);
		pair_clear(&a, &moved);
		loop_clear(&two);
		loop_clear(&one);
	}
}

static struct loop *destination;

static void move_on_data(struct end *e, struct str bytes)
{
	conn_detach(&e->c);
	assert_true(conn_attach(&e->c, destination));
}

/* A close that came in the same read as the bytes that made the connection move. */
static void test_move_and_close(void **state)
{
	struct loop l, other;
	struct end a, b;

	start_loop(&l);
	start_loop(&other);
	destination = &other;
	secured_pair(&a, &b, &l, false, 0);
	b.on_data = move_on_data;
	conn_pause(&b.c, true);
	conn_write(&a.c, STR("last words"));
	conn_finish(&a.c);
	settle(&l);
	conn_pause(&b.c, false);
	settle(&l);
	assert_got(&b, STR("last words"));
	assert_false(b.closed);
	UNTIL(&other, b.closed);
	assert_int_equal(b.why, CONN_EOF);
	pair_clear(&a, &b);
	loop_clear(&other);
	loop_clear(&l);
}

/* A second shard: takes connections that come by mail and echoes. */
struct parcel {
	struct mail mail;
	struct end *end;
};

struct shard {
	struct loop loop;
	struct end *taken[8];
	size_t n;
};

static void parcel_arrives(struct mail *m, void *receiver)
{
	struct parcel *p = container_of(m, struct parcel, mail);
	struct shard *s = receiver;

	p->end->on_data = echo;
	assert_true(conn_attach(&p->end->c, &s->loop));
	s->taken[s->n++] = p->end;
	free(p);
}

static void stop_mail(struct mail *m, void *receiver)
{
	struct shard *s = receiver;

	loop_stop(&s->loop);
}

static void *run_shard(void *arg)
{
	struct shard *s = arg;

	loop_run(&s->loop);
	for (size_t i = 0; i < s->n; i++)
		end_clear(s->taken[i]);
	return NULL;
}

static struct shard *far_shard;

static void send_away(struct end *e, struct str bytes)
{
	struct parcel *p = xcalloc(1, sizeof *p);

	conn_write(&e->c, STR("moved, "));
	conn_detach(&e->c);
	*p = (struct parcel){ { .run = parcel_arrives }, e };
	mailbox_post_one(&far_shard->loop.inbox, &p->mail);
}

/* Handshakes on one thread, the rest on another; ThreadSanitizer watches. */
static void test_move_between_threads(void **state)
{
	enum { PAIRS = 8 };
	struct loop l;
	struct shard far = { .n = 0 };
	struct end a[PAIRS], b[PAIRS];
	struct mail stop = { .run = stop_mail };
	pthread_t thread;

	start_loop(&l);
	assert_true(loop_init(&far.loop, 1 << 20, &far));
	far_shard = &far;
	assert_int_equal(pthread_create(&thread, NULL, run_shard, &far), 0);
	for (int i = 0; i < PAIRS; i++) {
		secured_pair(&a[i], &b[i], &l, false, versions[i % 2].flags);
		b[i].on_data = send_away;
		conn_write(&a[i].c, STR("go"));
	}
	for (int i = 0; i < PAIRS; i++) {
		UNTIL(&l, a[i].got.n == 7);
		conn_write(&a[i].c, STR("echo"));
		UNTIL(&l, a[i].got.n == 11);
		assert_got(&a[i], STR("moved, echo"));
	}
	mailbox_post_one(&far.loop.inbox, &stop);
	pthread_join(thread, NULL);
	for (int i = 0; i < PAIRS; i++)
		end_clear(&a[i]);
	loop_clear(&far.loop);
	loop_clear(&l);
}

static void clear_self(struct end *e)
{
	end_clear(e);
}

static void clear_self_on_data(struct end *e, struct str bytes)
{
	end_clear(e);
}

/* The callbacks may take the connection away; AddressSanitizer watches. */
static void test_clear_in_callbacks(void **state)
{
	for (int in_data = 0; in_data < 2; in_data++) {
		struct loop l;
		struct end a, *b = xmalloc(sizeof *b);
		int fd[2];
		start_loop(&l);
		tcp_pair(fd, false);
		end_init(&a, &l, fd[0], 100000);
		end_init(b, &l, fd[1], 100000);
		if (in_data)
			b->on_data = clear_self_on_data;
		else
			b->on_secured = clear_self;
		conn_start_tls(&b->c, tls_server_new(certs.config, 0));
		conn_start_tls(&a.c, client_side(0));
		conn_write(&a.c, STR("hello"));
		UNTIL(&l, a.closed);
		free(b);
		end_clear(&a);
		loop_clear(&l);
	}
}

static int setup(void **state)
{
	certs_init(&certs);
	return 0;
}

static int teardown(void **state)
{
	certs_clear(&certs);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_early_writes),
		cmocka_unit_test(test_big_transfer),
		cmocka_unit_test(test_one_call_a_read),
		cmocka_unit_test(test_finish),
		cmocka_unit_test(test_finish_early),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_refused_handshake),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_detach_and_attach),
		cmocka_unit_test(test_move_and_close),
		cmocka_unit_test(test_move_between_threads),
		cmocka_unit_test(test_clear_in_callbacks),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
