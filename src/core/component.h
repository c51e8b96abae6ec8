/* Components: domains that programs of others serve over a connection of their own (XEP-0114).
 *
 * A component is a host of another kind (struct host.component). All that is addressed to one of
 * its domains goes to one shard, its owner, and out over one of its connections: which one says
 * the bare JID of the addressee, so that stanzas between two addresses keep their order. A
 * connection is accepted by any shard; behind the handshake it moves to the owner.
 *
 * While no connection is there, or the one that it should take has no room, a stanza waits in
 * the component's queue, which is bounded in bytes and in time. At a bound its sender gets
 * remote-server-timeout (RFC 6120 section 8.3.3.17), once. A message is handled (XEP-0198) when it
 * is in the output of a connection, or refused: beyond that nothing is promised.
 *
 * What a component sends is routed like what a remote server would send. */
#ifndef CORE_COMPONENT_H
#define CORE_COMPONENT_H

#include "core/shard.h"
#include "stream/component.h"

struct component;
struct component_conn;

struct component_conn_kind {
	/* As in struct client_kind. */
	void (*detach)(struct component_conn *c);
	bool (*attach)(struct component_conn *c, struct shard *s);
	void (*drop)(struct component_conn *c);
	void (*free)(struct component_conn *c);
};

/* A connection. */
struct component_conn {
	struct comp stream;
	const struct component_conn_kind *kind;
	struct shard *shard;
	struct list link;            /* shard.component_conns */
	struct component *component; /* once it was accepted; then shard is its owner */
	struct list sibling;         /* component.conns */
	struct timer timer;          /* until the handshake */
	struct mail move;
	struct quota_place *half_open; /* likewise */
	char *name;                  /* of the component in the settings; owned, once known */
	uint64_t number;             /* of its component: tells which addressees it gets */
};

void components_init(struct shard *s);
void components_free(struct shard *s);

/* Sets up the core's part of a connection on a shard. */
void component_conn_init(struct component_conn *c, const struct component_conn_kind *kind,
	struct shard *s, struct wire *wire);

/* The connection is at its end: takes it off its shard and frees it. */
void component_conn_free(struct component_conn *c);

/* The same with the connection still there: ends it without a word. */
void component_conn_drop(struct component_conn *c);

/* The loop of the shard accepts a socket: makes a connection of it, or closes it. */
void component_accept(struct listener *l, int fd, const struct sockaddr_storage *peer);
void component_accept_tls(struct listener *l, int fd, const struct sockaddr_storage *peer);

/* The owner of what is addressed to a component's domains. */
struct shard *component_owner(const struct core *c, const struct host *h);

/* Something for an address of a component. On any shard. */
void component_deliver(struct shard *s, const struct host *h, struct stanza *st, struct jid to);

/* On its owner: writes a stanza to a component, addressed to the component itself. False: it is not
 * there, or has no room for more just now; nothing was written, and nobody is told. */
bool component_tell(struct shard *s, struct str name, const struct stanza *st);
bool component_is_here(struct shard *s, struct str name);

/* Other settings than `old` hold from now on: takes them to the connections of the shard, ends those
 * of components that there are no more, and refuses what waits for these. Tells the others of
 * grants that changed. */
void components_reload(struct shard *s, const struct settings *old);

/* Ends all streams of the shard. */
void components_stop(struct shard *s);

/* Back-pressure, as of clients. */
void components_throttle(struct shard *s, bool on);

/* Lines "NAME\tCONNECTIONS\tBYTES" of the components that the shard owns, with the bytes that wait
 * for them. */
void components_list(struct shard *s, struct buf *out);

#endif
