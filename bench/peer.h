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
	bool sm;                 /* stream management that can be resumed (XEP-0198) */
	unsigned ack_every;      /* ask for an acknowledgement after so many stanzas */
};

#define PEER_RESOURCE "bench"

struct peer;

struct peer_ops {
	void (*ready)(struct peer *p);  /* bound */
	void (*stanza)(struct peer *p, const struct xml_doc *d);
	void (*failed)(struct peer *p, const char *why); /* at any time; the connection is gone */
	void (*ended)(struct peer *p);  /* after peer_end(): the connection is gone */
	/* Of stream management, may be NULL. So many stanzas more are acknowledged; the session
	 * goes on over a new connection, and what is not acknowledged has to be sent again. */
	void (*acked)(struct peer *p, uint32_t n);
	void (*resumed)(struct peer *p);
	/* Not NULL: called instead of SASL once features are there (registration). */
	void (*features)(struct peer *p);
};

#define PEER_PREVID_MAX 256

/* Stream management of one session (XEP-0198). Counters go round at 2^32 (section 4). */
struct peer_sm {
	bool on;
	uint32_t sent, acked;    /* stanzas of the client's */
	uint32_t handled;        /* of the server's */
	unsigned unasked;        /* sent since the last question */
	char previd[PEER_PREVID_MAX];
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
	bool feeding;                /* what came is being read: the feed is in use */
	bool offers_sm;
	bool resuming;               /* the session goes on at the next connection */
	int broken;                  /* socket of a connection that was left, not closed; or -1 */
	struct peer_sm sm;
	const char *lacks;           /* the specification that made it fail, or NULL */
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

/* Stanzas can be sent. */
static inline bool peer_is_up(const struct peer *p)
{
	return p->connected && !p->ending && p->nego.phase == NEGO_READY && !p->resuming;
}

/* A stanza was written: counts it, and asks for an acknowledgement when it is time. */
void peer_sent(struct peer *p);

/* Asks for an acknowledgement. */
void peer_ask(struct peer *p);

/* Leaves the connection without a word, as a network does that is gone; peer_connect() then
 * resumes the session. in_silence: the old socket stays open until that is done, so that the
 * server cannot know. */
void peer_break(struct peer *p, bool in_silence);

/* Ends the stream in order; ops->ended follows. */
void peer_end(struct peer *p);

/* Closes without a word; it may connect again. */
void peer_drop(struct peer *p);

/* The same for good. */
void peer_clear(struct peer *p);

#endif
