/* Stanzas from and to those who speak for whole domains of their own: components and remote
 * servers. What they send is a stranger's, and routed like what a client sends; what they get has
 * the addresses that the server knows. */
#ifndef CORE_FOREIGN_H
#define CORE_FOREIGN_H

#include "core/shard.h"
#include "xmpp/stanza.h"

/* Who is told when a message is handled (core/message.h): number of the stream and, there, of the
 * stanza (XEP-0198). */
struct receipt {
	uint64_t stream; /* 0: nobody */
	uint32_t number;
};

/* A stanza came, from an address that the peer may use. to unset: its `to` is no address. lang: of
 * the peer's stream, or the null slice. The document is gone when the caller returns. */
void foreign_in(struct shard *s, const struct xml_doc *d, struct jid from, struct jid to,
	struct str lang, struct receipt receipt);

/* Writes a stanza to a stream whose content namespace is another than jabber:client. */
void foreign_write(struct shard *s, struct buf *out, const struct stanza *st, struct jid to);

#endif
