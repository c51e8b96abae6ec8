/* bench-floor: the least that a relay of messages costs this machine. It passes bytes between
 * pairs of connections with epoll, plain or through the TLS library, and does nothing else: it
 * reads no XML, knows nobody and keeps nothing. One read and one write for what is there, so that
 * messages which come together leave together.
 *
 * A client says its place, eight hexadecimal digits and a line feed, and gets a stream header for
 * an answer; what it sends then goes to the place whose number differs in the last bit. With
 * --occupants N it goes to all places of its room, the first N, the second N and so on, its own
 * too: what comes for a room in one turn of the loop leaves with one write to each. The scenarios
 * "floor" and "room-floor" of stentor-bench speak to it. */
#include "base/bug.h"
#include "net/conn.h"
#include "net/listener.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

#define PLACE_BYTES 9          /* of the line with the place */
#define PLACES      (1u << 20)
#define EVENTS      256
#define RX_BYTES    (64 * 1024)
#define OUT_MAX     (64 << 20)
#define SAID_MAX    (EVENTS * RX_BYTES) /* in a room, in one turn */

static const char header[] = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
	"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";

struct side {
	int fd;
	struct tls *tls;
	bool handshaking, blocked;
	struct buf out;            /* what the kernel did not take, and records on their way to it */
	char place[PLACE_BYTES];
	unsigned n_place;          /* bytes that have come */
	struct side *partner;
};

static struct {
	int epoll, listener;
	struct tls_config *config; /* NULL: plain */
	struct side *sides[PLACES];
	unsigned places;           /* that are used: whole rooms of them */
	unsigned occupants;        /* of each room; 0: pairs */
	struct buf *said;          /* by room: what has come in this turn */
	unsigned loud[EVENTS];     /* rooms in which something has come */
	unsigned n_loud;
	char rx[RX_BYTES], plain[RX_BYTES];
} floor_ = { .places = PLACES };

static void watch(struct side *s, int op)
{
	struct epoll_event e = { EPOLLIN | (s->blocked ? (uint32_t)EPOLLOUT : 0), { .ptr = s } };

	BUG_ON(epoll_ctl(floor_.epoll, op, s->fd, &e) < 0);
}

static void set_blocked(struct side *s, bool blocked)
{
	if (s->blocked == blocked)
		return;
	s->blocked = blocked;
	watch(s, EPOLL_CTL_MOD);
}

/* A socket that takes nothing any more says so when it is read from. */
static size_t try_send(struct side *s, struct str bytes)
{
	ssize_t n = send(s->fd, bytes.p, bytes.n, MSG_NOSIGNAL);

	return n > 0 ? (size_t)n : 0;
}

static void flush(struct side *s)
{
	if (s->out.n)
		buf_drop(&s->out, try_send(s, buf_str(&s->out)));
	set_blocked(s, s->out.n > 0);
}

static void send_to(struct side *s, struct str bytes)
{
	if (s->tls)
		tls_write(s->tls, bytes, &s->out);
	else if (s->out.n)
		buf_add(&s->out, bytes);
	else
		buf_add(&s->out, str_skip(bytes, try_send(s, bytes)));
	flush(s);
}

static struct side **place_of(struct side *s)
{
	return &floor_.sides[strtoul(s->place, NULL, 16) % floor_.places];
}

/* Takes the line with the place off the bytes. */
static struct str take_place(struct side *s, struct str bytes)
{
	struct str part = str_head(bytes, PLACE_BYTES - s->n_place);

	memcpy(s->place + s->n_place, part.p, part.n);
	s->n_place += (unsigned)part.n;
	if (s->n_place < PLACE_BYTES)
		return STR_NULL;
	*place_of(s) = s;
	s->partner = floor_.sides[(place_of(s) - floor_.sides) ^ 1];
	if (s->partner)
		s->partner->partner = s;
	send_to(s, str_c(header));
	return str_skip(bytes, part.n);
}

static void say(struct side *s, struct str bytes)
{
	unsigned room = (unsigned)(place_of(s) - floor_.sides) / floor_.occupants;
	struct buf *said = &floor_.said[room];

	if (!said->n)
		floor_.loud[floor_.n_loud++] = room;
	buf_add(said, bytes);
}

/* The end of a turn. */
static void send_said(void)
{
	for (unsigned i = 0; i < floor_.n_loud; i++) {
		struct buf *said = &floor_.said[floor_.loud[i]];
		struct side **sides = &floor_.sides[(size_t)floor_.loud[i] * floor_.occupants];
		for (unsigned k = 0; k < floor_.occupants; k++)
			if (sides[k])
				send_to(sides[k], buf_str(said));
		buf_reset(said);
	}
	floor_.n_loud = 0;
}

static void relay(struct side *s, struct str bytes)
{
	if (s->n_place < PLACE_BYTES)
		bytes = take_place(s, bytes);
	if (!bytes.n)
		return;
	if (floor_.occupants)
		say(s, bytes);
	else if (s->partner)
		send_to(s->partner, bytes);
}

static void end(struct side *s)
{
	if (s->n_place == PLACE_BYTES && *place_of(s) == s)
		*place_of(s) = NULL;
	if (s->partner)
		s->partner->partner = NULL;
	tls_free(&s->tls);
	buf_clear(&s->out);
	close(s->fd);
	free(s);
}

/* Takes TLS off, joining the records of one read. False: it is over. */
static bool read_sealed(struct side *s, struct str wire)
{
	enum tls_status status;
	size_t n = 0, got;

	tls_input(s->tls, wire);
	if (s->handshaking) {
		status = tls_handshake(s->tls, &s->out);
		s->handshaking = status != TLS_OK;
		flush(s);
		if (status != TLS_OK)
			return status == TLS_MORE;
	}
	while ((status = tls_read(s->tls, floor_.plain + n, RX_BYTES - n, &got, &s->out)) == TLS_OK)
		n += got;
	relay(s, str_from(floor_.plain, n));
	return status == TLS_MORE;
}

static void on_ready(struct side *s, uint32_t events)
{
	if (events & EPOLLOUT)
		flush(s);
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	ssize_t n = recv(s->fd, floor_.rx, RX_BYTES, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		end(s);
		return;
	}
	struct str bytes = str_from(floor_.rx, (size_t)n);
	if (!s->tls)
		relay(s, bytes);
	else if (!read_sealed(s, bytes))
		end(s);
}

static void on_accept(void)
{
	int fd = accept4(floor_.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	conn_socket_setup(fd);
	struct side *s = xcalloc(1, sizeof *s);
	s->fd = fd;
	buf_init(&s->out, OUT_MAX);
	if (floor_.config) {
		s->tls = tls_server_new(floor_.config, TLS_ALPN);
		s->handshaking = true;
	}
	watch(s, EPOLL_CTL_ADD);
}

static _Noreturn void run(void)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = epoll_wait(floor_.epoll, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				on_ready(events[i].data.ptr, events[i].events);
			else
				on_accept();
		}
		send_said();
	}
}

/* ---- start ---- */

static _Noreturn void fail(const char *what, const char *why)
{
	fprintf(stderr, "bench-floor: %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

static void load_certificate(const char *cert, const char *key)
{
	struct tls_host host = { STR("localhost"), cert, key };
	uint8_t ticket_key[64] = { 1 }; /* its tickets open nothing */
	struct str error = STR_NULL;
	struct arena a;

	arena_init(&a, 4096);
	floor_.config = tls_config_new(&host, 1, NULL, ticket_key, &a, &error);
	if (!floor_.config) {
		fprintf(stderr, "bench-floor: %.*s\n", STR_FMT(error));
		exit(EXIT_FAILURE);
	}
	arena_clear(&a);
}

static void open_listener(uint16_t port)
{
	struct epoll_event e = { EPOLLIN, { .ptr = NULL } };
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
	signal(SIGPIPE, SIG_IGN);
	floor_.epoll = epoll_create1(EPOLL_CLOEXEC);
	floor_.listener = listen_open("127.0.0.1", port);
	if (floor_.epoll < 0 || floor_.listener < 0)
		fail("listen", strerror(errno));
	BUG_ON(epoll_ctl(floor_.epoll, EPOLL_CTL_ADD, floor_.listener, &e) < 0);
	printf("port %u\n", listen_port(floor_.listener));
	fflush(stdout);
}

static void open_rooms(unsigned occupants)
{
	unsigned n = PLACES / occupants;

	floor_.occupants = occupants;
	floor_.places = n * occupants;
	floor_.said = xcalloc(n, sizeof *floor_.said);
	for (unsigned i = 0; i < n; i++)
		buf_init(&floor_.said[i], SAID_MAX);
}

int main(int argc, char **argv)
{
	static const char usage[] =
		"usage: bench-floor [--port P] [--cert FILE --key FILE] [--occupants N]\n"
		"Relays on 127.0.0.1, under TLS where a certificate is given; port 0 is any.\n"
		"In pairs, or to all of rooms with so many occupants.\n"
		"It says which, and goes on until it is ended.\n";
	static const struct option longs[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "cert", required_argument, NULL, 'c' },
		{ "key", required_argument, NULL, 'k' },
		{ "occupants", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *cert = NULL, *key = NULL;
	uint64_t port = 0, occupants = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (opt == 'c')
			cert = optarg;
		else if (opt == 'k')
			key = optarg;
		else if (opt == 'o' && str_to_u64(str_c(optarg), PLACES, &occupants))
			continue;
		else if (opt != 'p' || !str_to_u64(str_c(optarg), UINT16_MAX, &port)) {
			fputs(usage, opt == 'h' ? stdout : stderr);
			return opt == 'h' ? EXIT_SUCCESS : EXIT_USAGE;
		}
	}
	if (optind != argc || !cert != !key) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (cert)
		load_certificate(cert, key);
	if (occupants)
		open_rooms((unsigned)occupants);
	open_listener((uint16_t)port);
	run();
}
