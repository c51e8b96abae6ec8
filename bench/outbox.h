/* The messages from one user to another under stream management (XEP-0198): remembers those that
 * the server has not acknowledged, and sends them again when the session was resumed. */
#ifndef BENCH_OUTBOX_H
#define BENCH_OUTBOX_H

#include "message.h"

/* Messages that may be without acknowledgement. */
#define OUTBOX_MAX 4096

struct outbox {
	struct message_line line;
	struct peer *from, *to;
	uint64_t written;     /* numbers below were written to a connection */
	uint64_t acked;       /* numbers below are acknowledged */
	uint64_t *due;        /* of those between, by number modulo OUTBOX_MAX */
};

/* All that `from` has sent is acknowledged now, and it sends nothing but these messages. */
void outbox_init(struct outbox *o, struct peer *from, struct peer *to, unsigned bytes);
void outbox_clear(struct outbox *o);

/* The next message; while the connection is gone it is only remembered. False: too many are
 * without acknowledgement. */
bool outbox_send(struct outbox *o, uint64_t due);

/* When the oldest message was due of those that are not acknowledged; it is now. */
uint64_t outbox_acked(struct outbox *o);

/* After a resumption. */
void outbox_resend(struct outbox *o);

static inline unsigned outbox_waiting(const struct outbox *o)
{
	return (unsigned)(o->line.sent - o->acked);
}

/* Everything is acknowledged and has arrived. */
static inline bool outbox_is_done(const struct outbox *o)
{
	return o->acked == o->line.sent && o->line.received == o->line.sent;
}

#endif
