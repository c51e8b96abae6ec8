/* What a connection's socket is asked and told. */
#include "net/conn.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#define PROBE_AFTER_S   300
#define PROBE_EVERY_S   60
#define PROBES          3
#define UNACKED_MAX_MS  120000

static void set_int(int fd, int level, int name, int value)
{
	/* Sockets that are not TCP refuse some of these; they need none. */
	setsockopt(fd, level, name, &value, sizeof value);
}

void conn_socket_setup(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, PROBE_AFTER_S);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_EVERY_S);
	set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MAX_MS);
}

struct str conn_peer(const struct conn *c, struct arena *a)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	char text[INET6_ADDRSTRLEN] = "";

	if (getpeername(c->watch.fd, (struct sockaddr *)&ss, &len) < 0)
		return STR("unknown");
	if (ss.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&ss;
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
		return str_printf(a, "%s:%u", text, ntohs(in->sin_port));
	}
	if (ss.ss_family != AF_INET6)
		return STR("local");
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&ss;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text, sizeof text);
		return str_printf(a, "%s:%u", text, ntohs(in6->sin6_port));
	}
	inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
	return str_printf(a, "[%s]:%u", text, ntohs(in6->sin6_port));
}

const char *conn_tls_error(const struct conn *c)
{
	return c->tls ? tls_error(c->tls) : "";
}
