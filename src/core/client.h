/* A client's connection as core sees it: the stream, the shard it is on, and its session.
 *
 * It is accepted on any shard; once SASL has said who it is, it moves to the owner of the
 * account, with descriptor, parser and TLS, and stays there. Counted: the connection holds a
 * reference, and so does each question that is on its way. */
#ifndef CORE_CLIENT_H
#define CORE_CLIENT_H

#include "core/shard.h"
#include "stream/c2s.h"

struct session;
struct client;

struct client_kind {
	/* Out of the old shard's loop, into the new one's (false: it cannot be), the end of the
	 * connection without a word, and the end of the memory. */
	void (*detach)(struct client *c);
	bool (*attach)(struct client *c, struct shard *s);
	void (*drop)(struct client *c);
	void (*free)(struct client *c);
};

struct client {
	struct c2s stream;
	const struct client_kind *kind;
	struct shard *shard;
	struct list link;           /* shard.clients */
	struct session *session;    /* once bound */
	struct timer timer;         /* until bound */
	struct mail move;
	struct str domain;          /* of the host, owned, once the header named it */
	struct str user;            /* localpart, owned, once authenticated */
	unsigned refs;
	bool anonymous;             /* SASL ANONYMOUS */
	struct quota_place *half_open; /* until authenticated */
};

/* Sets up the core's part of a connection on a shard; one reference, the connection's. */
void client_init(struct client *c, const struct client_kind *kind, struct shard *s,
	struct wire *wire);

struct client *client_ref(struct client *c);
void client_unref(struct client *c);

/* The loop of the shard accepts a socket: makes a client of it, or closes it. */
void client_accept(struct listener *l, int fd, const struct sockaddr_storage *peer);
void client_accept_tls(struct listener *l, int fd, const struct sockaddr_storage *peer);

/* Ends the connection without a word and gives its reference back. */
void client_drop(struct client *c);

/* Ends the connection with a stream error. */
void client_close(struct client *c, enum stream_error why, const char *text);

static inline struct client *client_of(struct c2s *s)
{
	return s->user;
}

#endif
