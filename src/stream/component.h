/* A component's stream, the server's side (XEP-0114, "accept").
 *
 * Bytes in, calls to its user (core) out; no socket, no clock, no look-up of its own. It knows the
 * stream header, the handshake, and the rules for addresses that make a stream error; whose
 * address is whose its user says through struct comp_ops.
 *
 * What is in jabber:component:accept counts as jabber:client from the header on, so that its
 * stanzas are like all others.
 *
 * DIAGNOSTICS: whatever a peer does wrong ends in comp_close() with the condition of RFC 6120
 * section 4.9.3 and one line in the log. */
#ifndef STREAM_COMPONENT_H
#define STREAM_COMPONENT_H

#include "stream/stream.h"
#include "xmpp/stanza.h"

struct comp;

struct comp_ops {
	/* Whether there is a component for the domain of the header's `to`, canonical; it is then
	 * what our header and its errors come from. False: host-unknown. */
	bool (*host)(struct comp *s, struct str domain);

	/* The name that the server calls itself, for errors in front of a header or in place of
	 * one. */
	struct str (*own_name)(struct comp *s);

	/* The secret of the component that host() was asked about, valid until the next call. A
	 * null slice: it is gone meanwhile. */
	struct str (*secret)(struct comp *s);

	/* The handshake was right. The user may move the stream to another thread now; then
	 * comp_accept(), or comp_close(). */
	void (*authenticated)(struct comp *s);

	/* The handshake is wrong; the stream is closed next. For counting. */
	void (*refused)(struct comp *s);

	/* Whether stanzas from this address are the component's. */
	bool (*owns)(struct comp *s, struct jid from);

	/* A stanza, from an address of the component's. to unset: `to` is no address. The document
	 * is gone afterwards; root without prefix, nothing inherited. */
	void (*stanza)(struct comp *s, const struct xml_doc *d, struct jid from, struct jid to);

	/* The stream is closed. Called once, last. */
	void (*closed)(struct comp *s, enum stream_ending how);
};

enum comp_phase {
	COMP_OPEN,      /* the header is awaited */
	COMP_HANDSHAKE, /* <handshake/> is */
	COMP_ACCEPTED,  /* it was right; its user says when stanzas flow */
	COMP_READY,
	COMP_CLOSED     /* an error or our end tag was sent, or the connection is gone */
};

struct comp {
	struct wire *wire;
	const struct comp_ops *ops;
	void *user;                /* of the ops */
	const struct log *log;
	struct xml_table *table;   /* of the thread: scratch */
	struct arena *turn;        /* of the thread: memory until its turn ends */
	struct feed feed;
	const struct scan_limits *user_limits; /* behind the handshake; feed.scan.limits before */
	uint8_t phase;             /* enum comp_phase */
	bool throttled;            /* its user cannot take more now */
	bool ended;                /* ops->closed was called */
	bool feeding;              /* comp_input() is on the stack */
	bool opened;               /* our header is written */
	char id[STREAM_ID_LEN];
	char *domain;              /* of the header, canonical; owned, once host() took it */
	char *lang;                /* xml:lang of the header, or NULL; owned */
};

/* A stream that waits for its header. */
void comp_init(struct comp *s, struct wire *wire, const struct comp_ops *ops, void *user);

/* Frees what it holds. */
void comp_clear(struct comp *s);

/* Which thread it is on: borrowed scratch, may be set again when it moves. */
void comp_settle(struct comp *s, struct xml_table *table, struct arena *turn,
	const struct log *log);

/* Bytes from the wire, with SCAN_PAD readable bytes behind them. */
void comp_input(struct comp *s, const char *p, size_t n);

/* The wire is gone. */
void comp_lost(struct comp *s);

/* Bounds before and behind the handshake; borrowed, may be set again. */
void comp_limit(struct comp *s, const struct scan_limits *guest, const struct scan_limits *user);

/* Back-pressure of the user's: no more is read from the wire while it is on. */
void comp_throttle(struct comp *s, bool on);

/* In COMP_ACCEPTED: writes <handshake/>. comp_go_on() then takes up what has come meanwhile. */
void comp_accept(struct comp *s);
void comp_go_on(struct comp *s);

/* Ends the stream with an error (header first if there was none yet), the end tag and the wire's
 * finish(). text: words for people, or empty. Nothing happens when it is closed. */
void comp_close(struct comp *s, enum stream_error why, struct str text);

/* Ends the stream in order. */
void comp_end(struct comp *s);

/* The buffer to write stanzas into. */
static inline struct buf *comp_out(struct comp *s)
{
	return s->wire->ops->out(s->wire);
}

#endif
