/* What the files of rooms share. */
#ifndef CORE_ROOM_PRIVATE_H
#define CORE_ROOM_PRIVATE_H

#include "core/room.h"

/* ---- room.c ---- */

/* The load has ended. */
void room_loaded(struct room *r, enum store_status status);

/* Something was written; the room may be gone then. failed: it is tried again later. */
void room_wrote(struct room *r, bool failed);

/* ---- room_store.c ---- */

/* Everything anew, after something could not be written. */
void room_write_all(struct room *r);

/* ---- room_enter.c ---- */

void room_init_occupants(struct room *r);
void room_free_occupants(struct room *r);

/* <status/> elements. */
void room_write_codes(struct writer *w, const enum muc_status *codes, size_t n);

/* Whether presence asks to enter a room (section 7.2.1). */
bool room_is_entering(const struct stanza *presence);

/* Presence came that asks for nothing, from a client that is in no room of this address: it learns
 * so (section 7.2.18). */
void room_tell_absent(struct shard *s, const struct stanza *presence, struct jid to,
	enum affiliation a);

/* Puts a client into the room; nobody is told. role: if it is the occupant's first. NULL: the
 * nickname is somebody else's, or a bound is reached. */
struct seat *room_seat_new(struct room *r, struct jid full, struct str nick, enum role role,
	struct stanza *presence);

/* Whether others are told of an occupant (muc#roomconfig_presencebroadcast). */
bool room_is_shown(const struct occupant *o);

/* Tells all occupants that the room is destroyed, and takes them out. */
void room_tell_end(struct room *r, const struct room_end *end);

/* The same where the service goes away: status 332. */
void room_tell_shutdown(struct room *r);

/* Whether an error says that there is nobody any more where it comes from (section 18.1.2). */
bool room_is_gone(const struct stanza *error);

/* The client that such an error comes from is taken out. */
void room_lose(struct room *r, const struct stanza *error);

/* ---- room_message.c ---- */

/* Whether there is something left of what may be done `rate` times a second (0: no bound), and takes
 * it. spent_us: until when it is spent; at first 0. */
bool room_spend(uint64_t *spent_us, uint64_t now_ms, uint32_t rate);

/* Whether an occupant may send one more stanza now (settings.room_rate), and counts it. */
bool room_may_send(struct occupant *o);

void room_free_past(struct room *r);

/* How many messages of the past who enters gets at most. */
uint32_t room_past_max(const struct room *r);

/* Whether a message sets the subject: it has one, and no body (section 7.2.15). */
bool room_is_subject(const struct stanza *st);

/* ---- room_iq.c ---- */

void room_iq(struct room *r, struct stanza *st, struct jid to);

/* ---- room_power.c ---- */

void room_init_members(struct room *r);
void room_free_members(struct room *r);

/* An entry for a JID that has none yet. */
struct member *room_member_new(struct room *r, struct jid bare);

/* Gives a member a nickname that nobody has, or none. */
void room_member_set_nick(struct room *r, struct member *m, struct str nick);

/* Whether nothing is to be stored of it: it is remembered as gone. */
bool room_member_is_nothing(const struct member *m);

#endif
