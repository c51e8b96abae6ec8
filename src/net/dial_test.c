#include "net/testing.h"

#include "net/dial.h"

#include <errno.h>
#include <fcntl.h>

#define GIVE_UP_MS 5000
#define TICK_MS    20 /* a timer may be so late */

static struct loop loop;
static unsigned calls;
static int got_fd;
static size_t got_which;

static void done(struct dial *d, int fd, size_t which)
{
	int error = d->error;

	calls++;
	got_fd = fd;
	got_which = which;
	memset(d, 0xa5, sizeof *d); /* it is the callee's now */
	d->error = error;
}

static struct endpoint endpoint_at(const char *address, uint16_t port)
{
	struct endpoint e = { .addr_len = sizeof(struct sockaddr_in), .port = port };
	struct sockaddr_in *in = (struct sockaddr_in *)&e.addr;

	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	assert_int_equal(inet_pton(AF_INET, address, &in->sin_addr), 1);
	return e;
}

static struct endpoint open_listener(int *fd)
{
	*fd = listen_open("127.0.0.1", 0);
	assert_true(*fd >= 0);
	return endpoint_at("127.0.0.1", listen_port(*fd));
}

/* A port that nobody listens on. */
static struct endpoint refuser(void)
{
	int fd;
	struct endpoint e = open_listener(&fd);

	close(fd);
	return e;
}

/* A listener whose queue is full, so that it says nothing. */
struct silent {
	int fd, queued[4];
	struct endpoint e;
};

static void silent_init(struct silent *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(s->fd, 0), 0);
	s->e = endpoint_at("127.0.0.1", listen_port(s->fd));
	for (size_t i = 0; i < N_OF(s->queued); i++) {
		s->queued[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(s->queued[i], (struct sockaddr *)&s->e.addr, s->e.addr_len);
	}
}

static void silent_clear(struct silent *s)
{
	for (size_t i = 0; i < N_OF(s->queued); i++)
		close(s->queued[i]);
	close(s->fd);
}

static void begin(void)
{
	start_loop(&loop);
	calls = 0;
	got_fd = -1;
}

static void dial(struct dial *d, const struct endpoint *e, size_t n)
{
	dial_start(d, &loop, e, n, GIVE_UP_MS, done);
	assert_int_equal(calls, 0);
}

static void advance(uint64_t ms)
{
	clock_advance(ms);
	settle(&loop);
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_the_first_answers(void **state)
{
	struct dial d;
	int on[2];

	begin();
	struct endpoint e[2] = { open_listener(&on[0]), open_listener(&on[1]) };
	dial(&d, e, 2);
	UNTIL(&loop, calls == 1);
	assert_int_equal(got_which, 0);
	assert_true(fcntl(got_fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(send(got_fd, "x", 1, 0), 1);
	advance(GIVE_UP_MS + TICK_MS);
	assert_int_equal(calls, 1);
	close(got_fd);
	close(on[0]);
	close(on[1]);
	loop_clear(&loop);
}

/* RFC 8305 section 5: one that fails does not make the next wait. The clock stands still. */
static void test_refused_goes_on_at_once(void **state)
{
	struct dial d;
	int on;

	begin();
	struct endpoint e[] = { refuser(), endpoint_at("255.255.255.255", 5269), refuser(),
		open_listener(&on) };
	dial(&d, e, N_OF(e));
	UNTIL(&loop, calls == 1);
	assert_int_equal(got_which, 3);
	close(got_fd);
	close(on);
	loop_clear(&loop);
}

/* Section 5: the next one begins when its time has come, and the first to connect ends all. */
static void test_silent_goes_on_after_a_while(void **state)
{
	struct silent s;
	struct dial d;
	int on;

	begin();
	silent_init(&s);
	struct endpoint e[] = { s.e, s.e, open_listener(&on) };
	unsigned before = open_descriptors();
	dial(&d, e, N_OF(e));
	advance(DIAL_NEXT_MS - TICK_MS);
	assert_int_equal(d.next, 1);
	advance(2 * TICK_MS);
	assert_int_equal(d.next, 2);
	assert_int_equal(d.n_under_way, 2);
	assert_int_equal(calls, 0);
	clock_advance(DIAL_NEXT_MS + TICK_MS);
	UNTIL(&loop, calls == 1);
	assert_int_equal(got_which, 2);
	assert_int_equal(open_descriptors(), before + 1);
	close(got_fd);
	close(on);
	silent_clear(&s);
	loop_clear(&loop);
}

static void empty_queue(int on)
{
	int fd;

	while ((fd = accept(on, NULL, NULL)) >= 0)
		close(fd);
}

/* One that is refused later does not end those that are under way. */
static void test_an_earlier_one_answers_late(void **state)
{
	struct silent s;
	struct dial d;

	begin();
	silent_init(&s);
	struct endpoint e[] = { s.e, refuser() };
	dial(&d, e, N_OF(e));
	advance(DIAL_NEXT_MS + TICK_MS);
	assert_int_equal(d.next, 2);
	assert_int_equal(d.n_under_way, 1);
	assert_int_equal(calls, 0);
	/* It asks again, and there is room now. */
	fcntl(s.fd, F_SETFL, O_NONBLOCK);
	UNTIL(&loop, (empty_queue(s.fd), calls == 1));
	assert_int_equal(got_which, 0);
	assert_true(got_fd >= 0);
	close(got_fd);
	silent_clear(&s);
	loop_clear(&loop);
}

static void test_all_refuse(void **state)
{
	struct dial d;

	begin();
	struct endpoint e[] = { refuser(), refuser() };
	dial(&d, e, N_OF(e));
	UNTIL(&loop, calls == 1);
	assert_int_equal(got_fd, -1);
	assert_int_equal(d.error, ECONNREFUSED);
	loop_clear(&loop);
}

/* It is told in a later turn that nothing could even begin. */
static void test_nothing_to_try(void **state)
{
	struct endpoint e = endpoint_at("255.255.255.255", 5269);
	struct dial d;

	begin();
	dial(&d, NULL, 0);
	advance(TICK_MS);
	assert_int_equal(calls, 1);
	assert_int_equal(got_fd, -1);
	assert_int_equal(d.error, EADDRNOTAVAIL);
	dial_start(&d, &loop, &e, 1, GIVE_UP_MS, done);
	assert_int_equal(calls, 1);
	advance(TICK_MS);
	assert_int_equal(calls, 2);
	assert_int_equal(got_fd, -1);
	assert_int_not_equal(d.error, 0);
	loop_clear(&loop);
}

static void test_gives_up(void **state)
{
	struct silent s;
	struct dial d;

	begin();
	silent_init(&s);
	unsigned before = open_descriptors();
	dial(&d, &s.e, 1);
	advance(GIVE_UP_MS - TICK_MS);
	assert_int_equal(calls, 0);
	advance(2 * TICK_MS);
	assert_int_equal(calls, 1);
	assert_int_equal(got_fd, -1);
	assert_int_equal(d.error, ETIMEDOUT);
	assert_int_equal(open_descriptors(), before);
	silent_clear(&s);
	loop_clear(&loop);
}

static void test_stop(void **state)
{
	struct dial d = { 0 };
	struct silent s;
	int on;

	begin();
	silent_init(&s);
	struct endpoint e[] = { s.e, open_listener(&on) };
	unsigned before = open_descriptors();
	dial_stop(&d);
	dial(&d, e, N_OF(e));
	advance(DIAL_NEXT_MS - TICK_MS);
	dial_stop(&d);
	assert_int_equal(open_descriptors(), before);
	dial_stop(&d);
	advance(GIVE_UP_MS + TICK_MS);
	assert_int_equal(calls, 0);
	assert_int_equal(loop.wheel.n, 0);
	close(on);
	silent_clear(&s);
	loop_clear(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_answers),
		cmocka_unit_test(test_refused_goes_on_at_once),
		cmocka_unit_test(test_silent_goes_on_after_a_while),
		cmocka_unit_test(test_an_earlier_one_answers_late),
		cmocka_unit_test(test_all_refuse),
		cmocka_unit_test(test_nothing_to_try),
		cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_stop),
	};
	clock_hold();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
