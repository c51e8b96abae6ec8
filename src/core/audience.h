/* Many addresses that one stanza goes to, sorted by the shards that own them: made once, never
 * changed, counted, and shared with the mails that carry the stanza. A room sends thousands of
 * messages to the same audience. */
#ifndef CORE_AUDIENCE_H
#define CORE_AUDIENCE_H

#include "core/shard.h"
#include "xmpp/stanza.h"

struct audience;

/* The addresses are copied. */
struct audience *audience_new(struct shard *s, const struct jid *to, size_t n);

struct audience *audience_ref(struct audience *a);
void audience_unref(struct audience **a); /* NULL in it does nothing */

/* Sends a stanza to all of them; what goes to one shard goes as one mail. */
void audience_tell(struct audience *a, struct shard *s, struct stanza *st);

#endif
