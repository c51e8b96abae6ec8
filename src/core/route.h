/* The way of a stanza: from its sender to the owner of its address, and there to sessions,
 * rooms or an error (RFC 6120 section 10, RFC 6121 section 8). */
#ifndef CORE_ROUTE_H
#define CORE_ROUTE_H

#include "core/account.h"
#include "core/module.h"
#include "core/shard.h"
#include "xmpp/stanza.h"

/* Sends a stanza to where its `to` points. Takes a reference where it keeps it. */
void route(struct shard *s, struct stanza *st);

/* The same to another address than the stanza has written in it: fan-out. `to` is read
 * before the call returns. */
void route_to(struct shard *s, struct stanza *st, struct jid to);

/* The same to many addresses, once (core/audience.h). They are read before the call returns. */
void route_each(struct shard *s, struct stanza *st, const struct jid *to, size_t n);

/* Several stanzas, in this order, to one address, likewise. */
void route_all(struct shard *s, struct stanza *const *stanzas, size_t n, struct jid to);

/* The shard that owns what an address belongs to: a bare JID, or a component; NULL: none does. And
 * what is for it, on its owner. */
struct shard *route_owner(struct shard *s, struct jid to);
void route_home(struct shard *s, struct stanza *st, struct jid to);

/* The text of a stanza that the server makes: scanned and routed. */
void route_text(struct shard *s, struct str xml);

/* Sends the error answer for a stanza back to its sender, unless it is an error or a result
 * itself, or a presence that must not be answered. */
void bounce(struct shard *s, const struct stanza *st, enum stanza_error e, struct str text);

/* The same for a stanza that was sent to many, and has no address in it: to which it was. */
void bounce_at(struct shard *s, const struct stanza *st, struct jid to, enum stanza_error e,
	struct str text);

/* The same with more to say than a condition and a text. */
void bounce_with(struct shard *s, const struct stanza *st, const struct stanza_refusal *f);

/* What is addressed to an account that is loaded, on its owner. */
void deliver_to_account(struct account *a, struct stanza *st, struct jid to);

#endif
