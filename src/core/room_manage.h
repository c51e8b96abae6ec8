/* Running rooms from outside: what stentorctl and the commands of administrators share. Nobody asks
 * whether they may. Each call is on the owner of the room, and done() is called there once, now or
 * when all is durable. Occupants are told what an owner's doing would tell them. */
#ifndef CORE_ROOM_MANAGE_H
#define CORE_ROOM_MANAGE_H

#include "core/room.h"

/* A room that stays although nobody is in it. owner: or unset. STORE_EXISTS: it is there. */
void room_manage_create(struct shard *s, struct jid room, struct jid owner, room_done *done,
	void *ctx);

/* reason: for the occupants, or a null slice. STORE_NOT_FOUND: there is no such room. */
void room_manage_destroy(struct shard *s, struct jid room, struct str reason, room_done *done,
	void *ctx);

/* Loads the room and shows it to look(), which may change it. STORE_NOT_FOUND: there is none. */
void room_manage(struct shard *s, struct jid room, void (*look)(struct room *r, void *ctx),
	room_done *done, void *ctx);

/* For look(): changes an affiliation. reason: within ROOM_REASON_MAX. Returns why it is not done,
 * for people: it would take the last owner away, or there are too many affiliations; or NULL. */
const char *room_manage_affiliate(struct room *r, struct jid whom, enum affiliation to,
	struct jid actor, struct str reason);

/* A census: how many occupants there are in which room, as lines "JID\tNUMBER" that shards write
 * and somebody collects. */
struct room_census {
	struct map rooms;
	struct arena mem;
};
void room_census_write(const struct shard *s, struct buf *out);
void room_census_init(struct room_census *c, struct str lines);
uint32_t room_census_of(const struct room_census *c, struct str room);
void room_census_clear(struct room_census *c);

#endif
