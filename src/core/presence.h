/* Presence and subscriptions (RFC 6121 sections 3 and 4, appendix A). */
#ifndef CORE_PRESENCE_H
#define CORE_PRESENCE_H

#include "core/account.h"
#include "core/block.h"
#include "xmpp/stanza.h"

#define DIRECTED_MAX 1000 /* addresses that one session's directed presence is noted for */

/* Presence that a client sent, of any type: its `to` is set or not. */
void presence_out(struct session *s, struct stanza *st);

/* Presence for an account, on its owner. */
void presence_in(struct account *a, struct stanza *st, struct jid to);

/* A session is over without having said so: unavailable presence on its behalf. */
void presence_end(struct session *s);

/* The contact leaves the roster (RFC 6121 section 2.5.2): cancels both subscriptions and
 * takes it out. later as in roster_delete(). */
void subscription_remove(struct account *a, struct contact *c, struct later *later);

/* Subscription stanzas, both ways. */
void subscription_out(struct session *s, struct stanza *st);
void subscription_in(struct account *a, struct stanza *st);

/* Sends <presence type= from= to=/> on behalf of an account. type NULL: available. */
void presence_send(struct account *a, const char *type, struct jid from, struct jid to);

/* Sends the presence of all available sessions to an address. False: there was none. */
bool presence_tell(struct account *a, struct jid to);

/* The priority of a session whose presence was put there. */
void presence_read_priority(struct session *s);

/* The session sent directed presence to this address, which is not noted yet. */
void presence_note_directed(struct session *s, struct jid to);

/* Whether a session shares its presence with somebody: by a subscription, or directly. */
bool presence_is_shared(const struct session *s, struct jid who);

/* Tells an address that all available sessions are unavailable. */
void presence_untell(struct account *a, struct jid to);

/* Asks all contacts that are subscribed both ways for their presence, on behalf of the account. */
void presence_ask_contacts(struct account *a);

/* XEP-0191: these items are about to come into force. Who saw the user's presence until now, and
 * will not any more, hears that the user is gone. */
void presence_hide(struct account *a, const struct blocklist *items);

/* They are not in force any more. Who may see the user's presence again is told of it, and is
 * asked for its own. */
void presence_show(struct account *a, const struct blocklist *items);

/* A remote domain can be reached again: the available accounts of a host of ours, on this shard, are
 * shown to their contacts there and ask for theirs (section 4.3). */
void presence_domain_is_back(struct shard *s, struct str local, struct str remote);

#endif
