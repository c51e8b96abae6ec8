/* What hosts, their services, rooms and accounts say of themselves (XEP-0030 section 3), from the
 * tables of the modules; and the hashes of that which hosts show to who connects (XEP-0115 section
 * 6.3, XEP-0390 section 5.2). */
#ifndef CORE_DISCO_H
#define CORE_DISCO_H

#include "core/module.h"

#define DISCO_ROOMS_NAME "Chatrooms"
#define DISCO_NODES_NAME "Publish-subscribe"

/* Writes the children of a <query/> of disco#info: of the room or the account (c->room,
 * c->account), or else of the host. It is the same for everybody who may ask. */
void disco_write(struct ctx *c, struct writer *w);

/* What a host shows, in base 64. */
struct disco_hashes {
	struct list link;     /* shard.shown */
	uint64_t content;     /* of what they are made of */
	struct str domain;    /* inline, behind the struct */
	struct str sha_1;     /* of XEP-0115; in the struct, as those below */
	struct str sha_256, sha3_256; /* of XEP-0390 */
	char text[140];
};

/* Of what the host says now: they are made again when that has changed. NULL: it has none, which
 * is so when a loaded module says what somebody else says already. Valid until the next call. */
const struct disco_hashes *disco_hashes(struct shard *s, const struct host *h);

/* What a shard has made of them (shard.shown). */
void disco_init(struct shard *s);
void disco_clear(struct shard *s);

#endif
