/* A client of any XMPP server for the load generator: connects, negotiates, then hands
 * stanzas to its user. One thread, one loop, thousands of them. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "net/conn.h"
#include "xml/feed.h"
#include "xml/writer.h"
#include "xmpp/negotiate.h"
#include "xmpp/sasl.h"

enum peer_tls { PEER_PLAIN, PEER_STARTTLS, PEER_DIRECT };

/* How all peers of a run connect. */
struct target {
	const char *address;     /* numeric */
	uint16_t port;
	const char *domain;
	enum peer_tls tls;
	unsigned mechs;          /* bits of enum sasl_mech_id that may be picked */
	bool resume_tls;         /* offer the session of the connection before */
	bool floor;              /* bench-floor, which speaks no XMPP: ready once it answers */
};

#define PEER_RESOURCE "bench"

struct peer;

struct peer_ops {
	void (*ready)(struct peer *p);  /* bound */
	void (*stanza)(struct peer *p, const struct xml_doc *d);
	void (*failed)(struct peer *p, const char *why); /* at any time; the connection is gone */
	void (*ended)(struct peer *p);  /* after peer_end(): the connection is gone */
	/* Not NULL: called instead of SASL once features are there (registration). */
	void (*features)(struct peer *p);
};

struct peer {
	struct conn conn;
	struct feed feed;
	struct nego nego;
	struct loop *loop;
	const struct target *target;
	const struct peer_ops *ops;
	struct arena mem;            /* of the negotiation */
	struct sasl_client *sasl;
	struct sasl_client_cache *cache; /* keys of this account, or NULL */
	char *session;               /* TLS session for the next connection, or NULL */
	size_t n_session;
	unsigned number;
	unsigned features, mechs;
	bool names_exporter, names_end_point;
	bool connected, ending;
	char user[24], password[24];
};

/* Sets up the names (user "uN", password "pN") before peer_connect(). */
void peer_init(struct peer *p, struct loop *l, const struct target *t, const struct peer_ops *ops,
	unsigned number);

/* Connects and negotiates. False with errno. */
bool peer_connect(struct peer *p);

/* Where to write stanzas. */
static inline struct buf *peer_out(struct peer *p)
{
	return conn_out(&p->conn);
}

/* Ends the stream in order; ops->ended follows. */
void peer_end(struct peer *p);

/* Closes without a word; it may connect again. */
void peer_drop(struct peer *p);

/* The same for good. */
void peer_clear(struct peer *p);

#endif
