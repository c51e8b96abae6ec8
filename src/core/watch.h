/* Presence that components are told of, without anybody's subscription (XEP-0356 section 7).
 *
 * The owner of a component knows the last presence of everybody whom it may see. From that it is
 * told of each change once, whoever has the contact in his roster (section 8, rule 2), and of all
 * who are there when it connects (rule 1). A component that reads slowly is told of the newest
 * presence alone. Nothing is answered, and nobody hears that somebody listens. */
#ifndef CORE_WATCH_H
#define CORE_WATCH_H

#include "core/account.h"

#define WATCH_MAX 1000000 /* resources that one component knows of; it is told of no more */

/* The components of a shard that watch (shard.watches). */
void watches_init(struct shard *s);
void watches_free(struct shard *s);

/* Initial or unavailable presence of a session, for who watches the host (section 7.1). */
void watch_session(struct session *session, struct stanza *presence);

/* Presence that came for an account, for who watches its roster (section 7.4). */
void watch_contact(struct account *a, struct stanza *presence);

/* On its owner: the component has connected, or other grants hold. */
void watch_joined(struct shard *s, const struct host *component);

/* Other settings hold: forgets for components that may not watch any more. */
void watches_reload(struct shard *s);

#endif
