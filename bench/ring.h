/* Users who stand in a ring, each with the nearest on both sides as contacts. Where the rosters are
 * not there they are made by subscribing (RFC 6121 section 3.1), at the first run. */
#ifndef BENCH_RING_H
#define BENCH_RING_H

#include "bench.h"

/* Makes the crowd: options users and contacts. Once in a run. False: they make no ring. */
bool ring_make(struct bench *b, const struct peer_ops *ops);
void ring_free(void);

/* Contacts of each user, an even number. */
unsigned ring_contacts(void);

/* Binds all, without presence, each with its contacts. False: the run failed. */
bool ring_come(struct bench *b);

/* ops->ready of its peers calls this. */
void ring_ready(struct peer *p);

/* A stanza that is about contacts, and was seen to. */
bool ring_takes(struct peer *p, const struct xml_doc *d);

/* The index of the user with this JID, or -1. */
int ring_user(struct bench *b, struct str jid);

/* The number of user k among the contacts of user i: first those behind it in the ring, then those
 * before it. -1: none of its contacts. */
int ring_contact(unsigned i, unsigned k);

#endif
