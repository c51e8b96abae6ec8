/* Words of multi-user chat (XEP-0045 1.35.5): roles and affiliations, and what follows from
 * them. */
#ifndef XMPP_MUC_H
#define XMPP_MUC_H

#include "base/str.h"
#include "xmpp/error.h"

/* Section 5.2, in order of power. */
enum affiliation { OUTCAST, AFFILIATION_NONE, MEMBER, ADMIN, OWNER, AFFILIATIONS };

/* Section 5.1, in order of power. */
enum role { ROLE_NONE, VISITOR, PARTICIPANT, MODERATOR, ROLES };

/* "outcast", "none", ... */
struct str affiliation_name(enum affiliation a);
struct str role_name(enum role r);

/* False: it is no such name. */
bool affiliation_parse(struct str name, enum affiliation *out);
bool role_parse(struct str name, enum role *out);

/* Table 4: the role that somebody of this affiliation enters with. */
enum role role_at_entry(enum affiliation a, bool moderated);

/* What somebody is, for the rules below. */
struct muc_standing {
	enum affiliation affiliation;
	enum role role;        /* ROLE_NONE: he is not in the room */
};

/* Tables 6 and 7, sections 9 and 10: whether somebody may change another's affiliation. ERR_COUNT:
 * he may. That nobody bans himself, and that an owner remains, is not looked at. */
enum stanza_error muc_may_affiliate(enum affiliation actor, enum affiliation from,
	enum affiliation to);

/* Tables 3 and 5, sections 8, 9.6 and 9.7: the same for the role of an occupant. */
enum stanza_error muc_may_change_role(struct muc_standing actor, struct muc_standing whom,
	enum role to);

/* The role of an occupant whose affiliation changes, and who may stay (section 5.1.3). */
enum role muc_role_after(enum affiliation from, enum affiliation to, enum role role,
	bool moderated);

/* Status codes (section 16.6.2). */
enum muc_status {
	STATUS_NON_ANONYMOUS = 100,     /* everybody sees the full JID of the one who enters */
	STATUS_AFFILIATION_CHANGED = 101, /* while not in the room */
	STATUS_SHOWS_UNAVAILABLE = 102,
	STATUS_HIDES_UNAVAILABLE = 103,
	STATUS_CONFIG_CHANGED = 104,    /* in a way that is not about privacy */
	STATUS_SELF = 110,
	STATUS_LOGGED = 170,
	STATUS_NOT_LOGGED = 171,
	STATUS_NOW_NON_ANONYMOUS = 172,
	STATUS_NOW_SEMI_ANONYMOUS = 173,
	STATUS_CREATED = 201,
	STATUS_NICK_ASSIGNED = 210,
	STATUS_BANNED = 301,
	STATUS_NICK_CHANGED = 303,
	STATUS_KICKED = 307,
	STATUS_AFFILIATION_LOST = 321,  /* removed because of a change of affiliation */
	STATUS_MEMBERS_ONLY = 322,      /* removed because the room is for members now */
	STATUS_SHUTDOWN = 332,
	STATUS_ERROR = 333              /* removed because something could not be delivered */
};

#endif
