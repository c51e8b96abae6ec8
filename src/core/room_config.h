/* The configuration of a room (XEP-0045 section 16.5.3): a form for its owners, a form in the
 * store, and a struct here. One table in room_config.c says what there is. */
#ifndef CORE_ROOM_CONFIG_H
#define CORE_ROOM_CONFIG_H

#include "xml/tree.h"
#include "xml/writer.h"
#include "xmpp/muc.h"

/* Bounds, in bytes. */
#define ROOM_NAME_MAX   512
#define ROOM_DESC_MAX   4096
#define ROOM_SECRET_MAX 1024
#define ROOM_LANG_MAX   64
#define ROOM_LINK_MAX   2048
#define ROOM_NUMBER_MAX 100000 /* of occupants, past messages, seconds */

/* Who may send private messages (muc#roomconfig_allowpm). */
enum room_pm { PM_ANYONE, PM_PARTICIPANTS, PM_MODERATORS, PM_NONE };

/* Texts are owned; NULL stands for an empty one. */
struct room_config {
	char *name;             /* roomname */
	char *desc;             /* roomdesc */
	char *lang;             /* lang (RFC 5646) */
	char *link;             /* pubsub: URI of a node that goes with the room */
	char *secret;           /* roomsecret: the password; it counts where has_secret */
	bool has_secret;        /* passwordprotectedroom */
	bool persistent;        /* persistentroom */
	bool listed;            /* publicroom */
	bool members_only;      /* membersonly */
	bool moderated;         /* moderatedroom */
	bool anyone_sees_jids;  /* whois: anyone (non-anonymous); else moderators */
	bool change_subject;    /* changesubject: participants may */
	bool members_invite;    /* allowinvites */
	bool archived;          /* enablearchiving: messages are kept (XEP-0313) */
	bool logged;            /* enablelogging: told by status 170, nothing more */
	bool voice_requests;    /* allowvoicerequests: section 7.13 */
	bool forward_mentions;  /* forwardmentions (XEP-0452) */
	enum room_pm pm;        /* allowpm */
	uint8_t shown;          /* presencebroadcast: a bit for each enum role */
	uint8_t list_roles;     /* getmemberlist: roles that may read the member list, as bits */
	uint8_t list_affiliations; /* and affiliations */
	uint32_t max_users;     /* maxusers; 0: as many as the service takes */
	uint32_t max_history;   /* muc#maxhistoryfetch: messages that who enters gets */
	uint32_t slow_seconds;  /* slow_mode_duration (XEP-0500); 0: none */
};

/* What a new room is like: temporary, listed, open to all, without password, not moderated,
 * semi-anonymous; only moderators change its subject (section 8.1), members may invite, everybody
 * may send private messages and visitors ask for voice; the presence of all is shown; moderators,
 * members, administrators and owners may read the list of members; 20 past messages; neither
 * archived nor logged. */
void room_config_default(struct room_config *c);

void room_config_clear(struct room_config *c);

/* A copy with its own texts. */
void room_config_copy(struct room_config *to, const struct room_config *from);

/* Changes what a form of FORM_TYPE muc#roomconfig says; fields that it lacks stay, fields that are
 * not known are passed over (XEP-0004 sections 3.1 and 3.5). False: a value that cannot be, and
 * *why names it; or a password is to be asked for and there is none. Then nothing is changed. */
bool room_config_read(struct room_config *c, const struct xml_doc *d, const struct xml_node *form,
	struct arena *a, const char **why);

/* One field by its name, with its values, as a form has it: for administrators. "muc#roomconfig_"
 * may be left out of the name. */
bool room_config_set(struct room_config *c, struct str var, const struct str *values, size_t n,
	const char **why);

/* The fields of a form, FORM_TYPE first: for owners with labels, types and options; or for the
 * store, with values alone. <x/> around them is the caller's. */
enum room_config_use { CONFIG_FOR_OWNER, CONFIG_TO_STORE };
void room_config_write(const struct room_config *c, struct writer *w, enum room_config_use use);

/* What of the change must be told to the occupants, as status codes (section 10.2.1); returns how
 * many, at most ROOM_CONFIG_CODES. */
#define ROOM_CONFIG_CODES 4
size_t room_config_codes(const struct room_config *before, const struct room_config *after,
	enum muc_status out[ROOM_CONFIG_CODES]);

#endif
