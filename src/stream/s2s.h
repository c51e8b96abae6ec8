/* A stream between servers, both roles (RFC 6120 sections 4 to 6, XEP-0220, XEP-0288).
 *
 * Bytes in, calls to its user (core) out; no socket, no clock, no look-up of its own. The stream
 * knows headers, STARTTLS, SASL EXTERNAL, the elements of dialback and of bidirectional streams,
 * stream errors, and the order of all that. Who may speak for which domain its user decides: the
 * stream asks through struct s2s_ops, and hands on only stanzas of pairs of domains that the user
 * has authorised with s2s_authorise().
 *
 * What is in jabber:server counts as jabber:client from the header on, so that its stanzas are
 * like all others.
 *
 * Outgoing: header, features, STARTTLS where it is offered (or the user insists on it), then
 * ops->ready: the user goes on with s2s_external(), with s2s_db_result(), or ends the stream.
 *
 * DIAGNOSTICS: whatever a peer does wrong ends in s2s_close() with the condition of RFC 6120
 * section 4.9.3 and one line in the log. */
#ifndef STREAM_S2S_H
#define STREAM_S2S_H

#include "stream/stream.h"
#include "xmpp/negotiate.h"
#include "xmpp/stanza.h"

struct s2s;

/* Failed authorisations (SASL and dialback), and answers to no question, before a stream is closed
 * with policy-violation. One that succeeds makes good for all before. */
#define S2S_TRIES_MAX 20

/* Pairs of domains that one stream may be authorised for, those that wait for an answer among
 * them; more are refused with resource-constraint (XEP-0220 section 2.5). */
#define S2S_PAIRS_MAX 64

/* Our own questions of dialback on one stream that wait for an answer. */
#define S2S_ASKED_MAX 64

/* Bytes of a dialback key, and of the id of a stream that is to be verified. */
#define S2S_KEY_MAX 256

/* What an incoming stream offers for the host that its header names. */
struct s2s_host {
	bool tls;          /* STARTTLS can be offered */
	bool tls_required; /* nothing but STARTTLS before TLS */
	bool external;     /* EXTERNAL: asked for behind TLS, when the peer has shown a certificate
			    * that proves the domain its header is from */
	bool dialback;     /* XEP-0220 */
	bool bidi;         /* XEP-0288 */
};

/* What an outgoing stream was offered, as bits. */
enum s2s_offer {
	S2S_HAS_EXTERNAL = 1,
	S2S_HAS_DIALBACK = 2,
	S2S_HAS_DB_ERRORS = 4,  /* XEP-0220 section 2.4.2: errors do not end the stream, pairs may be
				 * added */
	S2S_HAS_BIDI = 8,
	S2S_HAS_SM = 16,        /* XEP-0198 */
	S2S_IS_OLD = 32         /* no version 1.0: there were no features; dialback is all it has */
};

/* The outcome of dialback, as it is said on the wire: type='valid', 'invalid' or 'error'. */
enum s2s_outcome { S2S_VALID, S2S_INVALID, S2S_FAILED };

/* One word of dialback. All domains are canonical. from, to: of the domains that are to talk, as
 * they stand in the element; the strings are gone when the call returns. */
struct s2s_db {
	struct str from, to;
	struct str id;          /* of <db:verify/>: the stream that the key is for */
	struct str key;
	enum s2s_outcome outcome;     /* of an answer */
	enum stanza_error error;      /* with S2S_FAILED; XEP-0220 section 2.5 */
};

struct s2s_ops {
	/* Incoming: the domain of the header's `to`, canonical; `from`: of its `from`, or empty. Called
	 * for each header (again behind TLS and SASL). False: host-unknown, or with *why set before
	 * another stream error (policy-violation for a domain that is blocked). */
	bool (*host)(struct s2s *s, struct str to, struct str from, struct s2s_host *out,
		enum stream_error *why);

	/* The name that the server calls itself, for errors where the header named nobody. */
	struct str (*own_name)(struct s2s *s);

	/* TLS is up, before the header behind it. False ends the stream without a word (the user has
	 * looked at the certificate). */
	bool (*secured)(struct s2s *s);

	/* Incoming, when features are written behind TLS: whether EXTERNAL is to be offered (the
	 * certificate may prove the domain of the header). */
	bool (*may_external)(struct s2s *s);

	/* Incoming: adds stream features besides (XEP-0198); authed: behind SASL, or where none comes. */
	void (*features)(struct s2s *s, struct writer *w, bool authed);

	/* Incoming: <auth mechanism='EXTERNAL'/> for a domain: s2s_externally() answers, now or later;
	 * no input is taken meanwhile. */
	void (*external)(struct s2s *s, struct str domain);

	/* Outgoing: negotiated as far as goes without authorisation. offered: bits of enum s2s_offer. */
	void (*ready)(struct s2s *s, unsigned offered);

	/* EXTERNAL succeeded, and the stream is open again behind it. offered: the features of an
	 * outgoing one; of an incoming one they are written. */
	void (*accepted)(struct s2s *s, unsigned offered);

	/* Outgoing: EXTERNAL failed. The stream is as before ready(), and the user goes on with dialback
	 * or ends it. */
	void (*not_accepted)(struct s2s *s);

	/* <db:result/> with a key: the peer wants to speak for a domain; s2s_db_answer() answers, now or
	 * later, and s2s_authorise() before it where it is valid. */
	void (*result)(struct s2s *s, const struct s2s_db *db);

	/* <db:verify/> with a key: whether it is one of ours; s2s_db_verified() answers, now or later. */
	void (*verify)(struct s2s *s, const struct s2s_db *db);

	/* Answers to what the user sent with s2s_db_result() and s2s_db_verify(); from and to as they
	 * stand in the answer: to is ours. An answer that nobody asked for does not come here. */
	void (*result_answered)(struct s2s *s, const struct s2s_db *db);
	void (*verify_answered)(struct s2s *s, const struct s2s_db *db);

	/* Incoming: the peer asked for a bidirectional stream (XEP-0288) before it was authorised. */
	void (*bidi)(struct s2s *s);

	/* A stanza whose pair of domains is authorised. The document is gone afterwards; root without
	 * prefix, nothing inherited. A `from` of a pair that is not authorised ends the stream with
	 * invalid-from, one to a domain that is not served here with host-unknown, none or a malformed
	 * one with improper-addressing. */
	void (*stanza)(struct s2s *s, const struct xml_doc *d, struct jid from, struct jid to);

	/* Whether a domain is served here, for stanzas of a peer that is authorised for another of our
	 * domains: false is host-unknown, true invalid-from. */
	bool (*serves)(struct s2s *s, struct str domain);

	/* A first-level element of XEP-0198, once stanzas flow. False: it is nobody's. */
	bool (*nonza)(struct s2s *s, const struct xml_doc *d);

	/* The stream is closed. Called once, last but for stanzas of a stream that s2s_drains(). error:
	 * the stream error that the peer sent (STREAM_ENDED_BY_PEER), or that we sent;
	 * STREAM_ERROR_COUNT: none. */
	void (*closed)(struct s2s *s, enum stream_ending how, enum stream_error error);
};

struct s2s_pair;  /* local and remote domain that may talk on the stream */

struct s2s {
	struct wire *wire;
	const struct s2s_ops *ops;
	void *user;                /* of the ops */
	const struct log *log;
	struct xml_table *table;   /* of the thread: scratch */
	struct arena *turn;        /* of the thread: memory until its turn ends */
	struct feed feed;
	struct nego nego;          /* role and phase; content is NS_SERVER */
	const struct scan_limits *user_limits; /* once a pair is authorised; feed.scan.limits before */
	bool must_tls;             /* outgoing: ends where TLS is not to be had */
	bool held;                 /* waits for an answer: input is kept, not read */
	bool throttled;            /* its user cannot take more now */
	bool ended;                /* ops->closed was called */
	bool drains;               /* see s2s_drains() */
	bool asking;               /* the same, for s2s_externally() */
	bool feeding;              /* s2s_input() is on the stack */
	bool handshake;            /* of TLS: what comes is no XML */
	bool awaits_features;      /* outgoing: the peer's header is there, its features are not */
	bool has_external;         /* incoming: EXTERNAL is offered */
	bool opened;               /* our header for this (re)start is written */
	bool old;                  /* the peer's header has no version 1.0 */
	bool lacks_tls;            /* outgoing: it ends as TLS is not to be had */
	bool said_bidi;            /* <bidi/> was sent or came */
	uint8_t tries;             /* failed ones since the last that did not */
	uint8_t n_pairs, n_asked;
	uint8_t n_pending;         /* ops->result was called, s2s_db_answer() was not */
	unsigned n_forgotten;      /* questions of ours that may be answered too late */
	unsigned offered;          /* outgoing: bits of enum s2s_offer */
	enum stream_error error;
	char id[STREAM_ID_LEN];    /* incoming: what we called it */
	char *peer_id;             /* outgoing: what the peer called it; owned */
	char *local, *remote;      /* domains of the headers, canonical; owned; remote of an incoming one
				    * may be NULL */
	char *lang;                /* xml:lang of the peer's header, or NULL; owned */
	struct s2s_host host;      /* incoming: what is offered */
	struct s2s_pair *pairs;    /* authorised; owned, shape is s2s_private.h's */
	struct s2s_pair *asked;    /* dialback questions without an answer yet; S2S_ASKED_MAX */
};

/* A stream that waits for its header. */
void s2s_init_incoming(struct s2s *s, struct wire *wire, const struct s2s_ops *ops, void *user);

/* A stream from one of our domains to a remote one; s2s_begin() writes its header, once the wire is
 * connected. must_tls: without TLS it ends with policy-violation. */
void s2s_init_outgoing(struct s2s *s, struct wire *wire, const struct s2s_ops *ops, void *user,
	struct str local, struct str remote, bool must_tls);
void s2s_begin(struct s2s *s);

/* Frees what it holds. */
void s2s_clear(struct s2s *s);

/* Which thread it is on: borrowed scratch, may be set again when it moves. */
void s2s_settle(struct s2s *s, struct xml_table *table, struct arena *turn, const struct log *log);

/* Direct TLS: the wire does a handshake before the first byte; s2s_secured() ends it. */
void s2s_expect_tls(struct s2s *s);
void s2s_secured(struct s2s *s);

/* Bytes from the wire, with SCAN_PAD readable bytes behind them. */
void s2s_input(struct s2s *s, const char *p, size_t n);

/* The wire is gone. */
void s2s_lost(struct s2s *s);

/* Bounds before and behind authorisation; borrowed, may be set again. */
void s2s_limit(struct s2s *s, const struct scan_limits *guest, const struct scan_limits *user);

/* Back-pressure of the user's: no more is read from the wire while it is on. */
void s2s_throttle(struct s2s *s, bool on);

/* Takes no input, and takes it again: while a stream moves, or an answer is awaited. */
void s2s_hold(struct s2s *s);
void s2s_go_on(struct s2s *s);

/* Outgoing, in ready(): asks for a bidirectional stream, before the others (XEP-0288 section 2.2);
 * for EXTERNAL: accepted() or not_accepted() follows. It comes before questions of dialback: a peer
 * that restarts the stream may not answer those. */
void s2s_ask_bidi(struct s2s *s);
void s2s_external(struct s2s *s);

/* Asks that `from`, a domain of ours, may speak to `to`: outgoing from ready() on, also on a stream
 * that is authorised for others; incoming on one that is bidirectional, where the peer has proved to
 * be `to`. False: it may not be asked here, or S2S_ASKED_MAX wait. What waits already is not asked
 * twice. */
bool s2s_db_result(struct s2s *s, struct str from, struct str to, struct str key);

/* Asks the authoritative server `to` whether a key for the stream `id` is its own. False: as before;
 * never on the stream that the key came on, nor on an incoming one that is not bidirectional. */
bool s2s_db_verify(struct s2s *s, struct str from, struct str to, struct str id, struct str key);

/* Nobody waits for the answer to a question of s2s_db_verify() any more, so that it keeps no other
 * from being asked. If it comes still, it is dropped, and does not count as one to no question. */
void s2s_db_forget(struct s2s *s, struct str from, struct str to, struct str id);

/* Incoming: the answer to ops->external. right: <success/>, and the pair of the headers is
 * authorised. Who called s2s_hold() before finds the stream as it is then, to move it. */
void s2s_externally(struct s2s *s, bool right);

/* Answers to ops->result and ops->verify. from, to: as in the question; they are turned round here.
 * S2S_INVALID for a result ends a stream without other pairs, and is said as forbidden on one that
 * has them (XEP-0220 section 2.2.1). */
void s2s_db_answer(struct s2s *s, struct str from, struct str to, enum s2s_outcome o,
	enum stanza_error error);
void s2s_db_verified(struct s2s *s, struct str from, struct str to, struct str id,
	enum s2s_outcome o, enum stanza_error error);

/* Stanzas of the remote domain for the local one are taken from this stream from now on: incoming,
 * and outgoing where it is bidirectional and our own request was granted. False: it has
 * S2S_PAIRS_MAX already, or is not open for that now. */
bool s2s_authorise(struct s2s *s, struct str remote, struct str local);
bool s2s_is_authorised(const struct s2s *s, struct str remote, struct str local);

/* Whether each authorised pair is as `is` wants it. */
bool s2s_all_pairs(const struct s2s *s,
	bool (*is)(const void *context, struct str remote, struct str local), const void *context);

/* Ends the stream with an error (header first if there was none yet), the end tag and the wire's
 * finish(). text: words for people, or empty. Nothing happens when it is closed. */
void s2s_close(struct s2s *s, enum stream_error why, struct str text);

/* Ends the stream in order. */
void s2s_end(struct s2s *s);

/* Section 4.4 of RFC 6120: a stream on which stanzas came, and which we closed in order or with
 * system-shutdown, still takes those that the peer had sent before it read that, until its own end
 * tag. The user does not wait for that for ever. */
static inline bool s2s_drains(const struct s2s *s)
{
	return s->drains;
}
void s2s_stop_draining(struct s2s *s);

static inline bool s2s_is_closed(const struct s2s *s)
{
	return s->nego.phase == NEGO_CLOSED;
}

/* Whether stanzas may be written on a stream that is authorised: not between <success/> and the
 * stream that replaces it (RFC 6120 section 6.4.6), see ops->accepted. */
static inline bool s2s_takes_stanzas(const struct s2s *s)
{
	return s->nego.phase != NEGO_AUTHED;
}

/* What the receiving side of a stream calls it, which keys of dialback are made for; the null slice:
 * nothing. */
struct str s2s_id(const struct s2s *s);

/* The buffer to write stanzas into; what is written to a closed stream goes nowhere. */
struct buf *s2s_out(struct s2s *s);

#endif
