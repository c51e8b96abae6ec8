#include "net/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

struct door {
	struct listener l;
	unsigned n;
	bool clears; /* itself, with its first connection */
	int last;
	struct sockaddr_storage peer;
};

static void accepted(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
	struct door *d = container_of(l, struct door, l);

	assert_ptr_equal(l->user, d);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	d->n++;
	d->last = fd;
	d->peer = *peer;
	close(fd);
	if (d->clears)
		listener_clear(l);
}

static uint16_t door_open(struct door *d, struct loop *l, const char *address, uint16_t port)
{
	int fd = listen_open(address, port);

	assert_true(fd >= 0);
	*d = (struct door){ 0 };
	assert_true(listener_init(&d->l, l, fd, accepted, d));
	return listen_port(fd);
}

static int dial(const char *address, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool v4 = inet_pton(AF_INET, address, &in.sin_addr) == 1;

	if (!v4)
		assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	int r = v4 ? connect(fd, (struct sockaddr *)&in, sizeof in) :
		     connect(fd, (struct sockaddr *)&in6, sizeof in6);
	assert_true(r == 0 || errno == EINPROGRESS);
	return fd;
}

static void test_addresses(void **state)
{
	static const struct {
		const char *name, *listen, *dial;
		bool works;
	} cases[] = {
		{ "IPv4", "127.0.0.1", "127.0.0.1", true },
		{ "all, by IPv4", "*", "127.0.0.1", true },
		{ "a name is no address", "localhost", NULL, false },
		{ "empty", "", NULL, false },
		{ "IPv6", "::1", "::1", true },
		{ "all, by IPv6", "*", "::1", true },
	};
	int six = listen_open("::1", 0);
	bool have_six = six >= 0;
	struct loop l;

	if (have_six)
		close(six);
	start_loop(&l);
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct door d;
		if (!cases[i].works) {
			assert_int_equal(listen_open(cases[i].listen, 0), -1);
			assert_int_equal(errno, EINVAL);
			continue;
		}
		if (!have_six && strchr(cases[i].dial, ':'))
			continue;
		uint16_t port = door_open(&d, &l, cases[i].listen, 0);
		assert_int_not_equal(port, 0);
		int fd = dial(cases[i].dial, port);
		UNTIL(&l, d.n == 1);
		close(fd);
		listener_clear(&d.l);
	}
	loop_clear(&l);
}

/* Two sockets share a port, as two shards do, and the kernel spreads what comes. */
static void test_shared_port(void **state)
{
	enum { DIALS = 200 };
	struct loop l;
	struct door a, b;
	int fds[DIALS];

	start_loop(&l);
	uint16_t port = door_open(&a, &l, "127.0.0.1", 0);
	assert_int_equal(door_open(&b, &l, "127.0.0.1", port), port);
	for (int i = 0; i < DIALS; i++)
		fds[i] = dial("127.0.0.1", port);
	UNTIL(&l, a.n + b.n == DIALS);
	assert_true(a.n > 0 && b.n > 0);
	for (int i = 0; i < DIALS; i++)
		close(fds[i]);
	listener_clear(&a.l);
	listener_clear(&b.l);
	loop_clear(&l);
}

static void test_accepts_a_turn(void **state)
{
	enum { DIALS = 100 };
	struct loop l;
	struct door d;
	int fds[DIALS];

	start_loop(&l);
	uint16_t port = door_open(&d, &l, "127.0.0.1", 0);
	for (int i = 0; i < DIALS; i++)
		fds[i] = dial("127.0.0.1", port);
	usleep(20000);
	loop_turn(&l, 1000);
	assert_int_equal(d.n, 64);
	UNTIL(&l, d.n == DIALS);
	for (int i = 0; i < DIALS; i++)
		close(fds[i]);
	listener_clear(&d.l);
	loop_clear(&l);
}

static void test_clear_while_accepting(void **state)
{
	struct loop l;
	struct door d;

	start_loop(&l);
	uint16_t port = door_open(&d, &l, "127.0.0.1", 0);
	d.clears = true;
	int a = dial("127.0.0.1", port), b = dial("127.0.0.1", port);
	usleep(20000);
	loop_turn(&l, 1000);
	settle(&l);
	assert_int_equal(d.n, 1);
	close(a);
	close(b);
	loop_clear(&l);
}

/* Without descriptors it rests instead of spinning, and goes on when there are some. */
static void test_out_of_descriptors(void **state)
{
	struct rlimit before, tight;
	struct loop l;
	struct door d;

	start_loop(&l);
	uint16_t port = door_open(&d, &l, "127.0.0.1", 0);
	int fd = dial("127.0.0.1", port);
	getrlimit(RLIMIT_NOFILE, &before);
	tight = before;
	tight.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	loop_turn(&l, 1000);
	assert_int_equal(d.n, 0);
	assert_true(timer_is_set(&d.l.again));
	assert_int_equal(d.l.watch.events, 0);
	uint64_t start = clock_mono_ms();
	/* Nothing is ready: it waits, though the wheel may wake it once for a cascade. */
	loop_turn(&l, 50);
	loop_turn(&l, 50);
	assert_true(clock_mono_ms() - start >= 10);
	setrlimit(RLIMIT_NOFILE, &before);
	UNTIL(&l, d.n == 1);
	close(fd);
	listener_clear(&d.l);
	loop_clear(&l);
}

static struct sockaddr_storage peer(const char *address)
{
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;

	if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
	} else {
		assert_int_equal(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
		in6->sin6_family = AF_INET6;
	}
	return ss;
}

/* Who counts together with whom. Addresses that are counted apart may meet in both rows, with
 * a chance of one in 16 million. */
static void test_quota(void **state)
{
	static const struct {
		const char *name, *a, *b;
		bool together;
	} cases[] = {
		{ "same IPv4", "192.0.2.1", "192.0.2.1", true },
		{ "other IPv4", "192.0.2.1", "192.0.2.2", false },
		{ "mapped IPv4 (RFC 4291 2.5.5.2)", "192.0.2.1", "::ffff:192.0.2.1", true },
		{ "other mapped IPv4", "::ffff:192.0.2.1", "::ffff:192.0.2.2", false },
		{ "same /64", "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true },
		{ "other /64", "2001:db8:0:1::1", "2001:db8:0:2::1", false },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct quota *q = quota_new(2);
		struct sockaddr_storage a = peer(cases[i].a), b = peer(cases[i].b);
		assert_true(quota_take(q, &a));
		assert_true(quota_take(q, &a));
		assert_false(quota_take(q, &a));
		assert_int_equal(quota_take(q, &b), !cases[i].together);
		if (!cases[i].together)
			quota_give(q, &b);
		quota_give(q, &a);
		assert_true(quota_take(q, &b)); /* what was refused was not taken */
		quota_give(q, &b);
		quota_give(q, &a);
		assert_true(quota_take(q, &a));
		assert_true(quota_take(q, &a));
		assert_false(quota_take(q, &a));
		quota_free(&q);
		assert_null(q);
	}
}

/* A socket of the machine itself has no address to count. */
static void test_quota_without_address(void **state)
{
	struct sockaddr_storage local = { .ss_family = AF_UNIX };
	struct quota *q = quota_new(1);

	for (int i = 0; i < 5; i++)
		assert_true(quota_take(q, &local));
	for (int i = 0; i < 5; i++)
		quota_give(q, &local);
	quota_free(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_shared_port),
		cmocka_unit_test(test_accepts_a_turn),
		cmocka_unit_test(test_clear_while_accepting),
		cmocka_unit_test(test_out_of_descriptors),
		cmocka_unit_test(test_quota),
		cmocka_unit_test(test_quota_without_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
