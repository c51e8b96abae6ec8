/* A client's stream, the server's side (RFC 6120 sections 4 to 7).
 *
 * Bytes in, calls to its user (core) out; no socket, no clock, no look-up of its own. The
 * stream knows the order of negotiation, the rules for stream headers, stream errors, TLS and
 * SASL, and the first IQ that binds a resource; it knows nothing of routing. What its user
 * must look up is asked through struct c2s_ops and answered by a call, at once or later:
 * meanwhile the stream takes no input and keeps what comes.
 *
 * DIAGNOSTICS: whatever a peer does wrong ends in c2s_close() with the condition of RFC 6120
 * section 4.9.3 and one line in the log. */
#ifndef STREAM_C2S_H
#define STREAM_C2S_H

#include "stream/stream.h"
#include "xml/writer.h"
#include "xmpp/jid.h"
#include "xmpp/negotiate.h"
#include "xmpp/sasl.h"
#include "xmpp/stanza.h"

struct c2s;

/* Tries on one stream before it is closed with policy-violation, of SASL and then of binding a
 * resource. Clients walk through all mechanisms they know (RFC 6120 section 6.4.5 asks for 2 at
 * least, section 7.7.3 for 5 to 10). */
#define C2S_TRIES_MAX 10

/* What the host that the header names offers. */
struct c2s_host {
	struct str domain;      /* canonical, lives as long as the stream */
	bool tls;               /* STARTTLS can be offered */
	bool tls_required;      /* nothing but STARTTLS before TLS */
	unsigned mechs;         /* bits of enum sasl_mech_id without -PLUS that may be offered */
	bool plain_in_clear;    /* PLAIN without TLS too */
	bool guest_iq;          /* IQs before authentication are given to ops->guest, where PLAIN
				 * could be offered too */
};

struct c2s_ops {
	/* The domain of the header's `to`, canonical. False: host-unknown; `out` is then the host
	 * whose name the stream's error comes from. */
	bool (*host)(struct c2s *s, struct str domain, struct c2s_host *out);

	/* Adds stream features; authed: those behind SASL, else those for guests, where they may
	 * send IQs. */
	void (*features)(struct c2s *s, struct writer *w, bool authed);

	/* Look up the keys of a user: c2s_keys(). Check a password: c2s_checked(). */
	void (*keys)(struct c2s *s, struct str user);
	void (*check)(struct c2s *s, struct str user, struct str password);

	/* A SASL exchange failed; <failure/> is written. For counting. */
	void (*refused)(struct c2s *s);

	/* SASL is done and <success/> written. The user may move the stream to another thread
	 * now; then c2s_go_on(). user: localpart, empty for ANONYMOUS. */
	void (*authenticated)(struct c2s *s, struct str user);

	/* <bind/>: the resource asked for (may be empty): c2s_bound() or c2s_bind_refused(). */
	void (*bind)(struct c2s *s, struct str resource);

	/* A stanza of a bound client, or an IQ of a guest. The document is gone afterwards. It
	 * needs no checks of XML; root without prefix, nothing inherited. */
	void (*stanza)(struct c2s *s, const struct xml_doc *d);
	void (*guest)(struct c2s *s, const struct xml_doc *d);

	/* A first-level element of a stream feature (XEP-0198, XEP-0352), whatever the phase.
	 * False: it is nobody's. */
	bool (*nonza)(struct c2s *s, const struct xml_doc *d);

	/* The stream is closed. Called once, last. */
	void (*closed)(struct c2s *s, enum stream_ending how);
};

struct c2s_login; /* what only a negotiating stream has */

struct c2s {
	struct wire *wire;
	const struct c2s_ops *ops;
	void *user;                  /* of the ops */
	const struct log *log;
	struct xml_table *table;     /* of the thread: scratch */
	struct feed feed;
	struct nego nego;
	const struct scan_limits *user_limits; /* behind SASL; feed.scan.limits before */
	bool held;                   /* waits for an answer: input is kept, not read */
	bool throttled;              /* its user cannot take more now */
	bool closing;                /* our end tag is written */
	bool ended;                  /* ops->closed was called */
	bool feeding;                /* c2s_input() is on the stack */
	bool opened;                 /* our header for this (re)start is written */
	struct c2s_login *login;     /* until a resource is bound */
	struct str domain;           /* of the host, once known */
	char *lang;                  /* xml:lang of the client's header, or NULL; owned */
};

/* A stream that waits for its header. secure: TLS is there already (direct TLS). */
void c2s_init(struct c2s *s, struct wire *wire, const struct c2s_ops *ops, void *user,
	struct xml_table *table, const struct log *log);

/* Frees what it holds. */
void c2s_clear(struct c2s *s);

/* Direct TLS: the wire does a handshake before the first byte; c2s_secured() ends it. */
void c2s_expect_tls(struct c2s *s);

/* The TLS handshake is done. */
void c2s_secured(struct c2s *s);

/* Bytes from the wire, with SCAN_PAD readable bytes behind them. */
void c2s_input(struct c2s *s, const char *p, size_t n);

/* The wire is gone. */
void c2s_lost(struct c2s *s);

/* Other bounds than scan_limits_guest and scan_limits_user; borrowed, may be called again. */
void c2s_limit(struct c2s *s, const struct scan_limits *guest, const struct scan_limits *user);

/* Back-pressure of the user's: no more is read from the wire while it is on. */
void c2s_throttle(struct c2s *s, bool on);

/* Answers to the questions of the ops. */
void c2s_keys(struct c2s *s, const struct scram_keys *keys, bool exists);
void c2s_checked(struct c2s *s, bool right);
void c2s_go_on(struct c2s *s);
void c2s_bound(struct c2s *s, struct jid full);
void c2s_bind_refused(struct c2s *s, enum stanza_error e);

/* In NEGO_BIND: stanzas flow without a resource being bound, since the stream goes on for an
 * earlier one (XEP-0198 section 5). */
void c2s_resumed(struct c2s *s);

/* The password that ops->check was called for, until it is answered. */
struct str c2s_password(const struct c2s *s);

/* Takes no input until c2s_go_on(): for a user that answers something else later. */
void c2s_hold(struct c2s *s);

/* The keys or the check could not be had just now: temporary-auth-failure. */
void c2s_auth_failed_for_now(struct c2s *s);

/* Ends the stream with an error (header first if there was none yet), the end tag and the
 * wire's finish(). text: words for people, or empty. Nothing happens when it is closing. */
void c2s_close(struct c2s *s, enum stream_error why, struct str text);

/* The same with an element for an application-specific condition (RFC 6120 section 4.9.4). */
void c2s_close_with(struct c2s *s, enum stream_error why, struct str text, struct str element);

/* Ends the stream in order. */
void c2s_end(struct c2s *s);

/* The buffer to write stanzas into. */
static inline struct buf *c2s_out(struct c2s *s)
{
	return s->wire->ops->out(s->wire);
}

static inline bool c2s_is_ready(const struct c2s *s)
{
	return s->nego.phase == NEGO_READY && !s->closing;
}

#endif
