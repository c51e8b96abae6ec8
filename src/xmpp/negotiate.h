/* The order of stream negotiation (RFC 6120 sections 4.3, 5, 6, 7; between servers XEP-0220 and
 * XEP-0288 too), for both roles, without I/O: which phase a stream is in, which phase may follow,
 * which first-level element the peer may send in it, and what an initiating entity does next.
 *
 * It sees names, not content: that an IQ in NEGO_BIND is a bind request to the server is for
 * the stream to look at. Stream features with elements of their own (XEP-0198, XEP-0352)
 * look at the phase themselves before the stream asks here. */
#ifndef XMPP_NEGOTIATE_H
#define XMPP_NEGOTIATE_H

#include "xml/names.h"
#include "xmpp/error.h"

/* What we are. */
enum nego_role { NEGO_INITIATING, NEGO_RECEIVING };

enum nego_phase {
	NEGO_OPEN,   /* the peer's stream header is awaited: the first, or the one after TLS */
	NEGO_CLEAR,  /* opened without TLS */
	NEGO_TLS,    /* <starttls/> or direct TLS: from the request on until the handshake ends */
	NEGO_SECURE, /* opened inside TLS */
	NEGO_AUTH,   /* a SASL exchange goes on */
	NEGO_AUTHED, /* SASL succeeded; the header of the restarted stream is awaited */
	NEGO_BIND,   /* client streams: restarted; a resource is to be bound */
	NEGO_READY,  /* stanzas flow */
	NEGO_CLOSED, /* an error or the end of the stream was sent, or the connection is gone */
	NEGO_PHASE_COUNT
};

struct nego {
	uint8_t role;      /* enum nego_role */
	uint8_t phase;     /* enum nego_phase; written by nego_enter() alone */
	uint16_t content;  /* NS_CLIENT or NS_SERVER */
	bool secure;       /* TLS is up; set when NEGO_TLS is left for NEGO_OPEN */
	bool guest_iq;     /* receiving: IQs are admitted before authentication, for XEP-0077; the
			    * stream answers those that are no registration with an error */
};

/* A stream in NEGO_OPEN. secure: the transport below has TLS already (WebSocket, BOSH). A
 * stream with direct TLS begins insecure and enters NEGO_TLS at once. */
void nego_init(struct nego *n, enum nego_role role, enum xml_ns content, bool secure);

/* Goes on to a phase and returns the one before, for the log. BUG_ON when it may not follow:
 *
 *     OPEN    CLEAR (not secure), SECURE (secure), TLS (direct, not secure)
 *     CLEAR   TLS, AUTH, CLEAR (a SASL failure without an exchange), READY (server streams, by
 *             dialback)
 *     TLS     OPEN
 *     SECURE  AUTH, SECURE, READY (the same)
 *     AUTH    AUTHED; AUTH (another <auth/>); after a failure CLEAR or SECURE as before
 *     AUTHED  BIND (client streams), READY (server streams)
 *     BIND    READY
 *     any     CLOSED */
enum nego_phase nego_enter(struct nego *n, enum nego_phase phase);

/* Where a failed SASL exchange leads back to. */
static inline enum nego_phase nego_unauthenticated(const struct nego *n)
{
	return n->secure ? NEGO_SECURE : NEGO_CLEAR;
}

/* "open", "clear" ... for the log. */
struct str nego_phase_name(enum nego_phase phase);

enum nego_answer {
	NEGO_OK,
	NEGO_REFUSED /* close the stream with the error *why */
};

/* Whether the peer may send this first-level element now. *why is set when it may not:
 * not-authorized for a stanza before its time (section 4.9.3.12), unsupported-stanza-type for
 * an element that nobody knows or that has no place in this phase (section 4.9.3.24).
 *
 * <starttls/> is admitted in NEGO_CLEAR whether it was offered or not; when it was not, the
 * stream answers <failure/> (section 5.4.2.2). <response/> and <abort/> are admitted in
 * NEGO_AUTH alone, so that a stream which leaves that phase never goes on with an old
 * exchange. */
enum nego_answer nego_admit(const struct nego *n, enum xml_ns ns, enum xml_tag tag,
	enum stream_error *why);

/* What <stream:features/> offered, as bits. */
enum nego_feature {
	NEGO_HAS_STARTTLS = 1,
	NEGO_HAS_STARTTLS_REQUIRED = 2,
	NEGO_HAS_SASL = 4, /* with a mechanism that we can and may use */
	NEGO_HAS_BIND = 8
};

/* What an initiating entity wants of TLS. */
enum nego_tls_want { NEGO_TLS_OFF, NEGO_TLS_TRY, NEGO_TLS_MUST };

enum nego_step {
	NEGO_DO_STARTTLS,
	NEGO_DO_AUTH,
	NEGO_DO_BIND,
	NEGO_DO_NOTHING, /* negotiated (section 4.3.5) */
	NEGO_STUCK       /* what is needed was not offered: give up */
};

/* The next step of an initiating entity that has got the features of the phase it is in
 * (CLEAR, SECURE, BIND or READY). */
enum nego_step nego_choose(const struct nego *n, unsigned features, enum nego_tls_want tls);

#endif
