/* A stream with another server as core sees it, in or out.
 *
 * An incoming one is accepted on any shard and negotiates there. When the first domain is
 * authorised on it, and before a stanza has come, it moves to the owner of that domain
 * (core/remote.h), where it may take stanzas out as well (XEP-0288). An outgoing one is made on the
 * owner. Later domains of an incoming stream are authorised where it is.
 *
 * How a domain is proved is told in core/peer_proof.c. */
#ifndef CORE_PEER_H
#define CORE_PEER_H

#include "core/shard.h"
#include "net/locate.h"
#include "stream/s2s.h"
#include "xmpp/dialback.h"

/* A peer gets so long to end a stream that we have ended; what it had sent before is taken. */
#define PEER_DRAIN_MS 5000

struct pair;
struct peer;
struct peer_sm;
struct remote;

struct peer_kind {
	/* As in struct client_kind. */
	void (*detach)(struct peer *p);
	bool (*attach)(struct peer *p, struct shard *s);
	void (*drop)(struct peer *p);
	void (*free)(struct peer *p);

	/* What the peer's certificate is worth for a domain; TLS_PEER_NO_CERT without TLS. */
	enum tls_peer (*check)(struct peer *p, struct str domain, const struct tls_peer_rules *r);

	/* tls_peer_expires() (net/tls.h); 0 without TLS. */
	uint64_t (*expires)(struct peer *p, uint64_t after);

	/* Version, cipher and group of its TLS, or "clear"; in the arena. */
	struct str (*describe)(struct peer *p, struct arena *a);
};

/* How a remote domain was proved to us. */
enum proof { PROOF_NONE, PROOF_CERTIFICATE, PROOF_DANE, PROOF_PIN, PROOF_DIALBACK };
const char *proof_name(enum proof p);

/* What a stream that came to nothing leaves to be said. */
struct failure {
	enum stanza_error error;
	struct str words;     /* for people; a literal */
};

/* Something that was asked for a stream; the answer comes later, when the stream may be gone, or on
 * another shard. */
struct peer_question {
	const struct peer_question_kind *kind;
	struct mail mail;           /* follows a stream that has moved */
	struct list link;           /* peer.questions */
	struct peer *peer;          /* counted */
	struct shard *moved;        /* for the shard that asked: where the stream is now; NULL: here */
};

struct peer_question_kind {
	void (*judge)(struct peer_question *q);   /* the answer is there, and so is the stream */
	void (*give_up)(struct peer_question *q); /* the stream is gone; or NULL */
	void (*free)(struct peer_question *q);
};

struct peer {
	struct s2s stream;
	const struct peer_kind *kind;
	struct shard *shard;
	struct list link;           /* shard.peers */
	struct remote *remote;      /* on its owner; or NULL */
	struct list sibling;        /* remote.peers */
	struct pair *pair;          /* outgoing: for which it was made, until that is done or given up */
	struct timer timer;         /* negotiating: the end of patience; then: idle, or to look at its
				     * certificate */
	uint64_t expires;           /* seconds since 1970: the next end in its chain; 0: it is not
				     * looked at again */
	struct quota_place *half_open; /* incoming: until it is authorised for somebody */
	struct failure failure;     /* why it will not do, once known */
	enum proof proof;           /* of the remote domain of its headers */
	unsigned offered;           /* outgoing: bits of enum s2s_offer */
	unsigned refs;              /* the connection's and those of questions; on its shard */
	struct list questions;      /* struct peer_question: what is asked for it */
	bool outgoing;
	bool ready;                 /* outgoing: negotiated as far as goes without authorisation */
	bool open;                  /* some domain is authorised on it */
	bool bidi;                  /* stanzas go both ways (XEP-0288) */
	uint64_t active;            /* monotonic ms: when the last stanza went in or out */
	struct peer_sm *sm;         /* XEP-0198 (core/peer_sm.h), or NULL */
	uint64_t number;            /* tells it from others of its shard, while it is in a domain */
	struct endpoint endpoint;   /* outgoing: where it goes; tlsa are the location's, until it is secure */
};

void peers_init(struct shard *s);
void peers_free(struct shard *s);

/* Sets up the core's part of an incoming connection on a shard; one reference, the connection's. */
void peer_init(struct peer *p, const struct peer_kind *kind, struct shard *s, struct wire *wire);

/* The same for an outgoing one of a pair. must_tls: see stream/s2s.h. */
void peer_init_outgoing(struct peer *p, const struct peer_kind *kind, struct pair *pair,
	struct wire *wire, bool must_tls);

struct peer *peer_ref(struct peer *p);
void peer_unref(struct peer *p);

/* The connection is at its end, and gives its reference back. */
void peer_gone(struct peer *p);

/* The same with the connection still there: ends it without a word. */
void peer_drop(struct peer *p);

/* Connects an outgoing stream of a pair over a connected descriptor, which it takes over. NULL: it
 * cannot be. */
struct peer *peer_dialled(struct pair *pair, int fd, const struct endpoint *e);

/* The loop of the shard accepts a socket: makes a peer of it, or closes it. */
void peer_accept(struct listener *l, int fd, const struct sockaddr_storage *peer);
void peer_accept_tls(struct listener *l, int fd, const struct sockaddr_storage *peer);

/* Ends a stream that will not do, and says why to those who wait. */
void peer_fail(struct peer *p, enum stream_error how, enum stanza_error error, struct str words);

/* Something has gone out: it is not idle. */
void peer_used(struct peer *p);

/* Whether a domain of ours and a remote one talk to each other, as far as the settings say. */
bool peer_may_talk(const struct settings *s, struct str remote, struct str local);

/* Other settings hold from now on; ends streams with domains that we do not talk to any more. */
void peers_reload(struct shard *s);

/* The server stops: refuses what waits for other servers, or was not acknowledged; ends all streams of
 * the shard (enum stop_step). */
void peers_stop_waiting(struct shard *s);
void peers_stop(struct shard *s);

/* Back-pressure, as of clients. */
void peers_throttle(struct shard *s, bool on);

/* ---- who is who (core/peer_proof.c) ---- */

/* Outgoing, behind TLS: whether the peer may be talked to as the remote domain; else it has said why
 * with peer_fail(). */
bool proof_of_receiver(struct peer *p);

/* Whether the certificate that proved the remote domain, when one did, is right still (RFC 6120
 * section 13.7.2.3). */
bool proof_lasts(struct peer *p);

/* Incoming: whether EXTERNAL may be offered, and the answer to it. */
bool proof_may_be_external(struct peer *p);
void proof_external(struct peer *p, struct str domain);

/* <db:result/> and <db:verify/>. */
void proof_result(struct peer *p, const struct s2s_db *db);
void proof_verify(struct peer *p, const struct s2s_db *db);

/* The key that proves to a remote domain that we are one of ours, on a stream that it gave an id. */
void proof_key(const struct core *c, struct str remote, struct str local, struct str id,
	char out[DIALBACK_KEY_LEN]);

/* ---- what is asked for a stream (core/peer_question.c) ---- */

/* The rest of it is set. It counts the stream until it is answered. */
void peer_question_ask(struct peer_question *q, struct peer *p);

/* The answer has come, on the shard that asked: the stream's shard judges it and frees the question. s
 * NULL: the shard is at its end. */
void peer_question_answered(struct peer_question *q, struct shard *s);

/* The stream goes to another shard, or is at its end. */
void peer_questions_move(struct peer *p, struct shard *to);
void peer_questions_give_up(struct peer *p);

/* A message that came is where it should be, on the owner of its sender's domain. */
void peer_handled(struct shard *s, const struct stanza *st);

/* A pair was authorised on an incoming stream. True: it is on its way to the owner of the domain. */
bool peer_authorised(struct peer *p, struct str remote, struct str local);

#endif
