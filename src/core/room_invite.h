/* Invitations that a room sends (XEP-0045 sections 7.8.2, 7.9 and 9.5), and what comes back.
 *
 * A room remembers, while it is in memory, whom it has invited for whom: only these can decline,
 * and only to who invited them; and an invitation that comes back as an error is told of with
 * item-not-found, whatever the error was, so that nobody learns more of an address than by writing
 * to it. */
#ifndef CORE_ROOM_INVITE_H
#define CORE_ROOM_INVITE_H

#include "core/room.h"

#define ROOM_INVITED_MAX 256         /* that a room remembers; the oldest is forgotten first */
#define ROOM_INVITES_MAX 32          /* that one person may have sent ... */
#define ROOM_INVITES_MS  (60 * 1000) /* ... in so long */

struct room_invite {
	struct jid inviter; /* full */
	struct jid to;
	struct str reason;  /* p NULL: none; within ROOM_REASON_MAX */
	bool continues;     /* section 7.9 */
	struct str thread;  /* p NULL: none */
	struct str id;      /* raw, of the message; p NULL: none */
};

/* Sends it, with the room's password. Who may invite is for the caller to see. */
void room_invite(struct room *r, const struct room_invite *i);

/* How many more somebody may send now. */
unsigned room_invites_left(const struct room *r, struct jid who);

/* Tells who invited that somebody declines. id as above. False: there is no such invitation. */
bool room_decline(struct room *r, struct jid inviter, struct jid invitee, struct str reason,
	struct str id);

/* An error came for the room. True: in answer to an invitation, and its inviter has been told. */
bool room_invite_failed(struct room *r, const struct stanza *error);

void room_invites_free(struct room *r);

#endif
