/* The archive of a room (XEP-0313 section 6.1.2): what is in it, who may read it, and what takes
 * the place of a message that is retracted (XEP-0424, XEP-0425).
 *
 * It is in the ledger, named by the room's bare JID. A groupchat message stands in it once, as the
 * occupants got it, with the ids that the room gave it (XEP-0359, XEP-0421) and, as its last
 * child, who wrote it,
 *
 *     <x xmlns='http://jabber.org/protocol/muc#user'>
 *       <item affiliation='member' jid='hag66@shakespeare.lit/pda' role='participant'/></x>
 *
 * which is taken out for who may not know it. The partner in the ledger is the author's bare
 * JID; what the room says itself has none. Changes of the subject are in it; private messages and
 * what archive_is_worth() denies are not. */
#ifndef CORE_ROOM_ARCHIVE_H
#define CORE_ROOM_ARCHIVE_H

#include "core/room.h"

/* Whether there is one: by the room's configuration and its host's. One that is turned off is
 * not read either; it is there again when it is turned on. */
bool room_archive_is_on(const struct room *r);

/* Whether somebody may read it: who could enter the room now. With a password that is who is in
 * it, and who may see the password. */
bool room_archive_may_read(const struct room *r, struct jid who);

/* Whether he may know who wrote what. */
bool room_archive_tells_authors(const struct room *r, struct jid who);

/* The full JID of the author, in the stanza or the arena; the null slice for what the room says
 * itself. */
struct str room_archive_author(const struct stanza *st, struct arena *a);

/* A message of the archive without its author, for one turn. */
struct str room_archive_hide_author(struct shard *s, struct str bytes);

/* Stores a message that was passed on, if it is to be. author: NULL for the room. sent: what he
 * sent; he hears when it is durable, or gets an error (XEP-0198). False: it is not stored, and
 * nobody has heard of anything. */
bool room_archive_store(struct room *r, const struct seat *author, struct stanza *passed_on,
	struct stanza *sent);

/* Fills the history of a room that is being loaded, and calls room_loaded(). */
void room_archive_read_past(struct room *r);

/* There is no such room: erases what one of its name has left behind, if the server ended while it was
 * being destroyed, and calls room_loaded(). */
void room_archive_clean(struct room *r);

/* Takes a message out of the history and the subject, and puts a tombstone in its place in the
 * archive. Retractions and tombstones stay as they are. */
struct room_retraction {
	uint64_t id;          /* the message's (XEP-0359) */
	struct str author;    /* its occupant id must be this (XEP-0421); empty: anybody's */
	struct str tombstone; /* <retracted/> */
	/* Or NULL: called once, maybe before room_archive_retract() returns, on the room's shard, when
	 * nobody can read the message any more. found: there was such a message. The room may be gone
	 * then. */
	void (*done)(struct shard *s, bool found, enum store_status status, void *ctx);
	void *ctx;
};
void room_archive_retract(struct room *r, const struct room_retraction *what);

#endif
