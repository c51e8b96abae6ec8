#include "net/listener.h"

#include "net/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
#define REST_MS        100

/* The address as the kernel wants it; its length, or 0 when the text is no address. */
static socklen_t parse_address(const char *text, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	*out = (struct sockaddr_storage){ 0 };
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		return sizeof *in;
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		return sizeof *in6;
	}
	return 0;
}

/* shared: with the other shards' sockets. */
static bool bind_and_listen(int fd, const struct sockaddr_storage *at, socklen_t len, bool both,
	bool shared)
{
	int on = 1, only_v6 = !both, share = shared;

	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &share, sizeof share) == 0 &&
	       (at->ss_family != AF_INET6 ||
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6) == 0) &&
	       bind(fd, (const struct sockaddr *)at, len) == 0 &&
	       listen(fd, SOMAXCONN) == 0;
}

static int open_on(const char *address, uint16_t port, bool both, bool shared)
{
	struct sockaddr_storage at;
	socklen_t len = parse_address(address, port, &at);

	if (!len) {
		errno = EINVAL;
		return -1;
	}
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (bind_and_listen(fd, &at, len, both, shared))
		return fd;
	int why = errno;
	close(fd);
	errno = why;
	return -1;
}

static int open_at(const char *address, uint16_t port, bool shared)
{
	if (strcmp(address, "*") != 0)
		return open_on(address, port, false, shared);
	int fd = open_on("::", port, true, shared);
	if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
		fd = open_on("0.0.0.0", port, false, shared); /* a kernel without IPv6 */
	return fd;
}

int listen_open(const char *address, uint16_t port)
{
	return open_at(address, port, true);
}

bool listen_is_free(const char *address, uint16_t port)
{
	int fd = open_at(address, port, false);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

uint16_t listen_port(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof ss;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return 0;
	if (ss.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&ss)->sin6_port);
	return ntohs(((const struct sockaddr_in *)&ss)->sin_port);
}

static void rest(struct listener *l)
{
	watch_change(l->loop, &l->watch, 0);
	timer_set(&l->loop->wheel, &l->again, l->loop->now, REST_MS);
}

static void rested(struct timer *t)
{
	struct listener *l = container_of(t, struct listener, again);

	watch_change(l->loop, &l->watch, EPOLLIN);
}

static void listener_ready(struct watch *w, uint32_t events)
{
	struct listener *l = container_of(w, struct listener, watch);

	for (int i = 0; i < ACCEPTS_A_TURN && w->fd >= 0; i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t len = sizeof peer;
		int fd = accept4(w->fd, (struct sockaddr *)&peer, &len,
			SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			conn_socket_setup(fd);
			l->accepted(l, fd, &peer);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			rest(l);
			return;
		}
		/* Any other error is of one connection that died while it waited. */
	}
}

bool listener_init(struct listener *l, struct loop *loop, int fd,
	void (*accepted)(struct listener *, int, const struct sockaddr_storage *), void *user)
{
	*l = (struct listener){ .loop = loop, .accepted = accepted, .user = user };
	l->watch = (struct watch){ fd, EPOLLIN, listener_ready };
	timer_init(&l->again, rested);
	return watch_add(loop, &l->watch);
}

void listener_clear(struct listener *l)
{
	timer_stop(&l->loop->wheel, &l->again);
	watch_del(l->loop, &l->watch);
	close(l->watch.fd);
	l->watch.fd = -1;
}
