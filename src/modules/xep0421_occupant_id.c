/* XEP-0421 Occupant identifiers for semi-anonymous MUCs, version 1.0.1
 *
 * Each occupant has an id that is made of his bare JID with the room's key (core/room_enter.c); it
 * is in all that is passed on of him, in place of what he may have written there himself. Here:
 * saying so, for rooms and, as all of them do it, for their service (section 4). Options: none.
 * Stores: nothing; the key is stored with the room. */
#include "core/module.h"

#define FEATURES (const char *const[]){ "urn:xmpp:occupant-id:0", NULL }

const struct module xep0421_occupant_id = {
	.name = "occupant-id",
	.spec = "XEP-0421 1.0.1",
	.service_features = FEATURES,
	.room_features = FEATURES,
};
