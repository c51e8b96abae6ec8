/* Stream management between servers (XEP-0198 1.6.3): both sides say what they have taken over, so
 * that what was lost with a stream is known and gets its error. Streams are not resumed: servers
 * come back over a new one.
 *
 * A message that came is acknowledged once it is where its recipient will find it after a crash,
 * or refused, as on a client's stream. Stanzas that go out are kept until the peer acknowledges
 * them. When the stream ends first, each gets remote-server-timeout: whether it arrived nobody
 * knows.
 *
 * Bounds: settings.peer_unacked_max bytes wait for the peer's <a/>; what comes then waits in the pair's
 * queue (core/remote.h). When a request is not answered for PEER_SILENCE_MS the stream ends. */
#ifndef CORE_PEER_SM_H
#define CORE_PEER_SM_H

#include "core/backlog.h"
#include "core/peer.h"
#include "xmpp/ack.h"

#define PEER_ASK_AFTER  16          /* stanzas after which the peer is asked */
#define PEER_ASK_MS     200         /* or so long after one that it has not acknowledged */
#define PEER_ANSWER_MS  1000        /* its <r/> waits so long for what came before it to be handled */
#define PEER_SILENCE_MS (60 * 1000) /* a peer that does not answer an <r/> is gone */
#define PEER_OPEN_MAX   1000        /* messages that are not handled; then no more is read until half
				     * of them are */

struct peer_sm {
	struct peer *peer;
	struct ack_in in;
	struct backlog unacked;    /* sent, oldest first */
	uint32_t sent;             /* number of the newest */
	uint32_t acked;            /* of the newest that the peer has taken over */
	uint32_t since_request;
	bool requested;            /* we asked, and it did not answer */
	bool stopped;              /* peer_sm_stop() */
	bool enabled;              /* <enabled/> was said: what the peer sends behind it is counted. What
				    * we send counts from <enable/> on, outgoing */
	bool asked;                /* it asked, and what it had sent by then is not handled */
	bool held;                 /* the stream is not read: too much is not handled */
	uint32_t asked_at;         /* number of the last stanza before its <r/> */
	struct timer ask, answer;
};

/* Outgoing: asks for it, where it is offered, before the first stanza. */
void peer_sm_start(struct peer *p);

/* The feature that is offered to who comes. */
void peer_sm_feature(struct writer *w);

/* An element of XEP-0198. */
bool peer_sm_nonza(struct peer *p, const struct xml_doc *d);

/* As much as may be is not acknowledged: nothing more is to be written now. remote_takes_more() is
 * called when there is room again. */
bool peer_sm_is_full(const struct peer *p);

/* A stanza was written. Takes over its being handled (core/message.h). */
void peer_sm_sent(struct peer *p, struct stanza *st, struct jid to);

/* Whether stanzas that come are counted now. */
bool peer_sm_counts(const struct peer *p);

/* A stanza came that is counted. later: peer_sm_handled() says when it is handled. Returns its
 * number. */
uint32_t peer_sm_take(struct peer *p, bool later);
void peer_sm_handled(struct peer *p, uint32_t number);

/* The server stops: what was not acknowledged is refused (backlog_stop()), and what goes out now is
 * nobody's who could be told. */
void peer_sm_stop(struct peer *p);

/* The stream is over. */
void peer_sm_end(struct peer *p);

#endif
