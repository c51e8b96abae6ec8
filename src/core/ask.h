/* IQs that the server itself sends, for a host or an account, and their answers.
 *
 * The answer comes to a bare address, where no client takes one; the id says which shard asked
 * what. Only whom it was sent to can answer it, and once. Answers to nothing that is known are
 * dropped.
 *
 * Bounds: ASK_MAX questions of a shard wait for an answer, each for ASK_MS. */
#ifndef CORE_ASK_H
#define CORE_ASK_H

#include "core/shard.h"
#include "xmpp/stanza.h"

#define ASK_MAX 10000
#define ASK_MS  (60 * 1000)

/* The result or the error that came; NULL: none in time. Called from the loop of the shard that
 * asked, once, never from inside ask(), and not at all when the server ends. */
typedef void ask_done(struct shard *s, struct str memo, const struct stanza *answer);

struct question {
	const char *type;    /* "get" or "set" */
	struct jid from;     /* a host, or the bare JID of an account */
	struct jid to;
	struct str payload;  /* XML of the only child element, not in shard.scratch */
	ask_done *done;
	struct str memo;     /* what `done` is to be told again; copied */
};

/* Sends it. False: too many wait, or it is too large; `done` is not called then. */
bool ask(struct shard *s, const struct question *q);

/* An answer to a bare address came, on any shard. */
void ask_answered(struct shard *s, struct stanza *answer);

/* The questions of a shard (shard.asked). */
void ask_init(struct shard *s);
void ask_clear(struct shard *s);

#endif
