/* Listening sockets, one a shard for each address (SO_REUSEPORT), and the bound on half-open
 * connections of one address. */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "net/loop.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct listener {
	struct watch watch;
	struct loop *loop;
	/* A new connection: non-blocking, set up by conn_socket_setup(); the callee owns fd. */
	void (*accepted)(struct listener *l, int fd, const struct sockaddr_storage *peer);
	void *user;
	struct timer again; /* after EMFILE: accepting rests for a while */
};

/* Opens a socket on address ("*" for all of IPv4 and IPv6, else a numeric one) and port (0:
 * any) for SO_REUSEPORT. Returns the descriptor, or -1 with errno. */
int listen_open(const char *address, uint16_t port);

/* Whether nobody listens there yet. SO_REUSEPORT would let a second server of the same user in
 * beside the first, and each would get half of the connections. False with errno. */
bool listen_is_free(const char *address, uint16_t port);

/* The port a listening descriptor has. */
uint16_t listen_port(int fd);

/* Accepts from fd (owned from now on) in this loop, up to 64 connections a turn. Out of
 * descriptors: it rests for 100 ms and goes on. */
bool listener_init(struct listener *l, struct loop *loop, int fd,
	void (*accepted)(struct listener *, int, const struct sockaddr_storage *), void *user);
void listener_clear(struct listener *l);

/* Counts of an address (IPv6: of its /64), shared by all shards without a lock. It never
 * counts too low; two addresses that share all slots of the table count together. */
struct quota;
struct quota *quota_new(unsigned per_address);
void quota_free(struct quota **q);

/* Takes one; false (and nothing taken) at the bound. */
bool quota_take(struct quota *q, const struct sockaddr_storage *peer);
void quota_give(struct quota *q, const struct sockaddr_storage *peer);

/* One that is taken, with what it takes to give it back. */
struct quota_place;

/* Takes one; false at the bound. *out: to be left once; NULL where nothing is counted (q NULL). */
bool quota_enter(struct quota *q, const struct sockaddr_storage *peer, struct quota_place **out);

/* Gives it back and sets it to NULL; does nothing for NULL. */
void quota_leave(struct quota_place **p);

#endif
