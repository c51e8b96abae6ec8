/* Lists of blocked addresses (XEP-0191), in memory: the one of an account, and those by which it
 * changes. */
#ifndef CORE_BLOCK_H
#define CORE_BLOCK_H

#include "xmpp/jid.h"

struct account;

/* All zero is an empty list. */
struct blocklist {
	struct jid *items;   /* in byte order of their texts, which are owned */
	uint32_t n, cap;
	uint32_t coming;     /* items that are on their way to the store and not yet in here */
};

/* Frees the items. */
void blocklist_clear(struct blocklist *b);

/* Whether this very address stands in the list. */
bool blocklist_has(const struct blocklist *b, struct jid j);

/* Adds a copy. False: it was there. */
bool blocklist_add(struct blocklist *b, struct jid j);

/* False: it was not there. */
bool blocklist_del(struct blocklist *b, struct jid j);

/* Whether an address is blocked (section 6): because it stands in the list, or its bare JID, or
 * its domain. domain/resource in the list is that resource of the domain, and nobody else's. */
bool blocklist_matches(const struct blocklist *b, struct jid j);

/* Whether the account blocks an address. Never its own: one resource of a user is not cut off
 * from another (section 5). */
bool account_blocks(const struct account *a, struct jid j);

#endif
