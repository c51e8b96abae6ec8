/* Stanzas that wait for a stream to somebody who speaks for a domain (a component, a remote server),
 * in the order in which they came. Bounded by whoever adds. */
#ifndef CORE_BACKLOG_H
#define CORE_BACKLOG_H

#include "core/shard.h"
#include "xmpp/stanza.h"

/* Something that waits, until it is written or refused. */
struct waiting {
	struct list link;      /* backlog.list */
	struct stanza *stanza; /* counted */
	struct jid to;         /* text inline, behind the struct */
	uint64_t since;        /* monotonic ms */
};

struct backlog {
	struct list list;
	size_t bytes;
	struct shard *shard;
	enum counter_id waits; /* of the bytes that wait, of all */
};

void backlog_init(struct backlog *b, struct shard *s, enum counter_id waits);

/* The server stops: what waits is refused, as with backlog_stop_one(). */
void backlog_stop(struct backlog *b);

/* Something that will not go out any more, as the server stops. Who sent it from an account is told,
 * but for a message that his client keeps until it is handled (XEP-0198), and sends again. What the
 * server itself and its rooms say is forgotten: an error would be taken for a fault of the other
 * side, and rooms would put it out. */
void backlog_stop_one(struct shard *s, const struct stanza *st, struct jid to);

/* Forgets all of it without a word: the shard ends. */
void backlog_clear(struct backlog *b);

static inline bool backlog_is_empty(const struct backlog *b)
{
	return list_empty(&b->list);
}

/* The memory that a stanza takes while it waits. */
size_t backlog_weight(const struct stanza *st);

/* Takes a reference. */
void backlog_add(struct backlog *b, struct stanza *st, struct jid to);

/* The oldest; NULL: nothing waits. */
struct waiting *backlog_first(const struct backlog *b);

void backlog_drop(struct backlog *b, struct waiting *w);

/* Refuses what has waited since before a time (monotonic ms); UINT64_MAX: all. Each sender gets the
 * error once; errors may come back here, and wait anew. */
void backlog_refuse(struct backlog *b, uint64_t before, enum stanza_error e, struct str why);

#endif
