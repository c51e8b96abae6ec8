/* Rooms (XEP-0045 1.35.5): who is in them, who may do what, and the way of what they pass on.
 *
 * A room belongs to the shard of its bare JID; its occupants may be anywhere. It is loaded when
 * something is sent to it, and leaves memory ROOM_IDLE_MS after its last occupant; what is stored
 * of it stays. A room that is not persistent ends with its last occupant.
 *
 * An occupant is a nickname and the person behind it; it has a seat for each of the person's
 * clients that is in the room (full JID).
 *
 * Changes are made in memory at once, and told to the occupants; room_commit() writes what
 * changed. What fails to be written is tried again every ROOM_RETRY_MS, and the room stays.
 *
 * Files: room.c (which rooms there are), room_store.c (loading, writing), room_enter.c (entering,
 * leaving, nicknames, presence), room_message.c (messages), room_archive.c (what is kept of them),
 * room_iq.c (requests between occupants), room_invite.c (invitations), room_power.c (roles and
 * affiliations), room_config.c (configuration). Bounds: here, in core/room_config.h,
 * core/room_invite.h and in the settings. */
#ifndef CORE_ROOM_H
#define CORE_ROOM_H

#include "core/module.h"
#include "core/room_config.h"
#include "core/shard.h"
#include "store/rooms.h"
#include "xmpp/muc.h"

#define ROOM_IDLE_MS     (60 * 1000)
#define ROOM_RETRY_MS    (10 * 1000)
#define ROOM_LOCK_MS     (600 * 1000) /* a new room waits so long for its configuration */
#define ROOM_KEY_LEN     32
#define ROOM_WAITING_MAX 1000         /* stanzas that wait while a room is loaded */
#define ROOM_ENTRIES_PER_SECOND 10    /* of one person into one room, unless room_rate is 0 */
#define ROOM_ENTERED     8192         /* pairs of person and room that this is remembered of */
#define ROOM_SEATS_MAX   32           /* clients of one occupant */
#define ROOM_PAST_BYTES  (1024 * 1024) /* of the messages that who enters gets */
#define ROOM_REASON_MAX  4096         /* bytes of a reason */
#define ROOM_NOTICES_MAX 32           /* to people about their affiliations (section 18.1) ... */
#define ROOM_NOTICES_MS  (60 * 1000)  /* ... in so long */
#define OCCUPANT_ID_LEN  32           /* XEP-0421: hexadecimal */

struct audience;
struct occupant;
struct room;

/* A client in the room. Owned by the occupant. */
struct seat {
	struct map_node node;     /* room.seats, by full JID */
	struct list link;         /* occupant.seats, the one with the newest presence first */
	struct occupant *occupant;
	struct stanza *presence;  /* the last that it sent, without what is the room's to say; counted */
	struct jid full;          /* text inline, behind the struct */
};

/* Somebody in the room. Owned by the room. */
struct occupant {
	struct map_node node;     /* room.occupants, by nickname */
	struct list link;         /* room.in_order: of entry */
	struct room *room;
	struct list seats;        /* never empty */
	uint32_t n_seats;
	enum role role;
	struct jid bare;          /* of the person; owned text */
	struct str nick;          /* owned text */
	char id[OCCUPANT_ID_LEN]; /* XEP-0421 */
	struct stanza *shown;     /* its presence as the room tells it, or NULL: to be made */
	struct stanza *shown_jid; /* the same with the real JID, for who may see it */
	uint64_t asked_ms;        /* monotonic: last request for voice; 0: none yet */
	bool told;                /* the others know of it: its role is one that is shown */
	uint64_t spent_us;        /* until then what it has sent fills its share (room_rate) */
};

/* What somebody is to the room over visits. Owned by the room. */
struct member {
	struct map_node node;     /* room.members, by bare JID */
	struct map_node by_nick;  /* room.nicks, where there is one */
	struct jid jid;           /* text inline, behind the struct */
	enum affiliation affiliation; /* AFFILIATION_NONE: maybe it is remembered as gone */
	enum role role;           /* kept over visits in a moderated room, or ROLE_NONE */
	char *nick;               /* registered, or NULL */
	char *reason;             /* or NULL */
	uint64_t version;         /* of the room when this was changed (XEP-0463) */
	bool changed;             /* to be written */
};

/* A message that who enters gets. */
struct past_message {
	struct stanza *stanza;    /* as it was passed on, with its archive id; counted */
	struct stanza *late;      /* the same with when that was, made when it is needed; or NULL */
};

struct room {
	struct map_node node;     /* shard.rooms, by bare JID */
	struct shard *shard;
	struct jid jid;           /* bare; text inline, behind the struct */
	bool ready;               /* loaded; else `waiting` waits */
	bool locked;              /* new, and not configured yet (section 10.1) */
	bool ended;               /* destroyed: nobody finds it any more */
	uint32_t held;            /* room_hold() */
	struct room_config config;
	uint8_t key[ROOM_KEY_LEN];/* of the occupants' ids */
	uint64_t created_us;
	struct map members;
	struct map nicks;         /* those of them who have registered one */
	uint64_t version;         /* of the affiliations: grows with each change */
	uint64_t told;            /* as the occupants know them: the same, but while they are told */
	uint64_t remembers;       /* since this version all who have lost one are in `members` */
	struct map occupants, seats;
	struct list in_order;     /* occupants */
	struct audience *everybody; /* all seats, or NULL: to be made */
	struct past_message *past;/* the oldest first: as many as are given to who enters */
	uint32_t n_past, past_cap;
	size_t past_bytes;        /* of them, at most ROOM_PAST_BYTES */
	struct stanza *subject;   /* the message that set it, or NULL; counted */
	uint64_t subject_us;      /* and when */
	struct list waiting;      /* struct room_waiter: until it is loaded, or not held any more */
	uint32_t n_waiting;
	uint32_t counted;         /* occupants, as the store knows */
	bool row_changed;         /* configuration or subject are to be written */
	bool members_changed;
	bool unsaved;             /* writing failed */
	uint32_t writing;         /* operations under way */
	struct timer timer;       /* idle; locked; unsaved */
	uint64_t notices_ms;      /* monotonic: since then n_notices were sent, or refused */
	uint32_t n_notices;
	struct room_invited *invited;   /* section 7.8.2: its module's, like the next ones */
	struct room_requests *requests; /* section 9.9 */
	struct room_hats *hats;   /* XEP-0317 */
	struct room_speakers *speakers; /* XEP-0500 */
	struct room_activity *activity; /* XEP-0502 */
	struct room_avatar *avatar; /* XEP-0486 */
};

/* ---- which rooms there are (room.c) ---- */

/* A stanza for a room, or for its occupant: on its owner. */
void room_deliver(struct shard *s, struct host *h, struct stanza *st, struct jid to);

/* bounce() by a room, or for one that there is not: the error says that it is the room's and not an
 * occupant's, and in presence that it is about a room (examples 19, 25, 48). */
void room_bounce(struct shard *s, const struct stanza *st, enum stanza_error e, struct str text);

/* The same with all that there is to say. */
void room_refuse(struct shard *s, const struct stanza *st, const struct stanza_refusal *why);

/* The service that it belongs to, or NULL: it is not served any more. */
struct host *room_host(const struct room *r);

/* The loaded room of a bare JID on its owner, or NULL. */
struct room *room_get(struct shard *s, struct jid bare);

/* Something that waits for a room to be loaded. run() is called once, on the owner, with the room,
 * or NULL: there is none (STORE_NOT_FOUND), or the store failed. It frees the waiter. */
struct room_waiter {
	struct list link;
	void (*run)(struct room_waiter *w, struct shard *s, struct room *r, enum store_status status);
};
void room_wait(struct shard *s, struct jid bare, struct room_waiter *w);

/* Around whatever changes a room or sends for it: stanzas that come for it meanwhile (an error in
 * answer to what it sends, on the same shard) wait, so that nobody is removed while others are
 * being told something. Releasing writes what changed, and lets in what waits. The room may be gone
 * then. Waiters, stanzas and IQs run with the room held. */
void room_hold(struct room *r);
void room_release(struct room *r);

/* Whether somebody may make rooms at the host. */
bool room_may_create(struct shard *s, const struct host *h, struct jid who);

/* A new room where there is none, with the default configuration and one owner (or none). It is
 * not written yet. */
struct room *room_new(struct shard *s, struct jid bare, struct jid owner);

/* A new room is configured (section 10.1.1): others may enter it, and find it. */
void room_open(struct room *r);

/* Section 10.9: tells the occupants, and erases the room with all that is stored of it, its
 * messages too. Nobody finds it any more when this returns, and it is freed once it is not held.
 * alternate: another room, or unset. done (or NULL) is called once all is erased. */
struct room_end {
	struct jid alternate;
	struct str reason, password; /* null slices: none */
};
typedef void room_done(struct shard *s, enum store_status status, void *ctx);
void room_destroy(struct room *r, const struct room_end *end, room_done *done, void *ctx);

/* ---- in the store (room_store.c) ---- */

void room_load(struct room *r);

/* Changes a configuration to what a row of the store says (struct store_room). False: it cannot be
 * read, and *why says so. */
bool room_read_config(struct shard *s, struct room_config *c, struct str xml, const char **why);

/* Writes what changed. answer (or NULL): the IQ gets its result when that is durable, or an error.
 * Nothing changed: the result at once. The other one tells done() (or NULL) instead. */
void room_commit(struct room *r, struct later *answer);
void room_commit_then(struct room *r, room_done *done, void *ctx);

/* Over a planned restart (XEP-0198): who is in which room. */
void rooms_save(struct core *c);
void rooms_restore(struct core *c);

/* Nobody has this address any more: it has no affiliation and no reserved nickname in any room, so
 * that who gets it later does not come into them. */
void rooms_forget(struct shard *s, struct jid bare);

/* The rooms of a shard (shard.rooms): none yet; all, its thread has ended. */
void rooms_init(struct shard *s);

/* Before other settings hold: rooms whose services are not in them lose their occupants (status
 * 332), and leave memory in time. */
void rooms_shut(struct shard *s, const struct settings *fresh);
void rooms_free(struct shard *s);

/* ---- who is in it (room_enter.c) ---- */

struct occupant *room_occupant(const struct room *r, struct str nick);
struct seat *room_seat(const struct room *r, struct jid full);

/* An occupant who is this person, or NULL; the first that entered. */
struct occupant *room_occupant_of(const struct room *r, struct jid bare);

/* Section 17.1: a nickname, canonical, is more than spaces. */
bool room_nick_is_visible(struct str nick);

/* Presence for the room or an occupant. */
void room_presence(struct room *r, struct stanza *st, struct jid to);

/* Why somebody is not in the room any more: what the unavailable presence says. */
struct leaving {
	enum muc_status codes[4];  /* but STATUS_SELF, which is added for the one who leaves */
	unsigned n_codes;
	struct jid actor;          /* or unset; his nickname is told (section 8.2) */
	struct str reason;         /* null slice: none */
	const struct room_end *end;/* the room is destroyed */
	struct str status;         /* XML of his own <status/>, or a null slice */
};

/* One client leaves; with its last one the occupant does. what: NULL for a plain leave. */
void room_leave(struct seat *seat, const struct leaving *what);
void room_remove(struct occupant *o, const struct leaving *what);

/* Tells an occupant's presence anew: role, affiliation or what modules add to it has changed.
 * actor, reason: why, or unset. */
void room_show_again(struct occupant *o, struct jid actor, struct str reason);

/* Another nickname for an occupant (section 7.6), which is free. */
void room_rename(struct occupant *o, struct str nick);

/* The address of an occupant in the room, in an arena. */
struct jid room_address(const struct occupant *o, struct arena *a);

/* Whether the occupant sees real JIDs. */
bool room_shows_jids(const struct room *r, const struct occupant *to);

/* ---- messages (room_message.c) ---- */

void room_message(struct room *r, struct stanza *st, struct jid to);

/* A message from the room itself to all occupants: XML of its children. */
void room_tell(struct room *r, const char *type, struct str children);

/* One of type groupchat that says what about the room has changed (section 10.2.1). */
void room_tell_codes(struct room *r, const enum muc_status *codes, size_t n);

/* The same to all whom `wants` takes. */
void room_tell_some(struct room *r, const char *type, struct str children,
	bool (*wants)(const struct occupant *o));

/* A message from the room itself to somebody who need not be in it. */
void room_tell_one(struct room *r, struct jid to, struct str children);

/* Sends a stanza to all occupants' seats as it is, each with his address. */
void room_spread(struct room *r, struct stanza *st);

/* What was said before, as much of it as is asked for, and the subject, for one who enters and has
 * been told all presence (sections 7.2.13 to 7.2.15). */
void room_tell_past(struct room *r, struct seat *seat, const struct stanza *entering);

/* One more message of the past, with its archive id: after those that are there. */
void room_note_past(struct room *r, struct stanza *message);

/* Forgets a message of the past. */
void room_forget_past(struct room *r, uint64_t archive_id);

/* ---- what somebody is to it (room_power.c) ---- */

struct member *room_member(const struct room *r, struct jid bare);
enum affiliation room_affiliation(const struct room *r, struct jid bare);

/* What somebody may do: the server's administrators have the power of owners. */
enum affiliation room_power(const struct room *r, struct jid who);

/* How many have this affiliation. */
uint32_t room_count(const struct room *r, enum affiliation a);

/* The role that somebody enters with: what a moderator decided (section 5.1), or table 4. */
enum role room_role_at_entry(const struct room *r, struct jid bare);

/* Whether so many more entries of members fit. */
bool room_has_place(struct room *r, uint32_t n);

/* Whether somebody (by his affiliation, and his role where he is an occupant) may make such a
 * change: tables 3, 5, 6 and 7, sections 8 and 9. ERR_COUNT: he may. */
enum stanza_error room_may_affiliate(const struct room *r, struct jid actor, struct jid whom,
	enum affiliation to);
enum stanza_error room_may_change_role(const struct room *r, struct jid actor,
	const struct occupant *whom, enum role to);

/* The same for several changes at once, of different people: an owner remains after all of them. */
struct room_change {
	struct jid whom;
	enum affiliation to;
};
enum stanza_error room_may_affiliate_all(const struct room *r, struct jid actor,
	const struct room_change *changes, size_t n);

/* Whether somebody may change anything of roles or affiliations. */
bool room_may_manage(const struct room *r, struct jid who);

/* Whether somebody may read who has an affiliation (sections 9.2, 9.5, 10.5 and 10.8), or a role
 * (sections 8.5 and 9.8). */
bool room_may_list(const struct room *r, struct jid who, enum affiliation a);
bool room_may_list_role(const struct room *r, struct jid who, enum role role);

/* Changes an affiliation with all that follows: roles, presence, removal of who may not stay
 * (sections 9 and 10), or messages to the occupants and to himself about somebody who is not there.
 * An invitation is for the caller to send, and nobody asks whether the actor may. reason: within
 * ROOM_REASON_MAX. False: the bound of members is reached. */
bool room_affiliate(struct room *r, struct jid whom, enum affiliation to, struct jid actor,
	struct str reason);

/* Registers a nickname for somebody, or takes it away (a null slice). False as above. */
bool room_register_nick(struct room *r, struct jid whom, struct str nick);

/* Who has registered it, or NULL. */
struct member *room_nick_owner(const struct room *r, struct str nick);

/* Whether a nickname is another person's: reserved, or in use. */
bool room_nick_is_taken(const struct room *r, struct jid who, struct str nick);

/* Versions of the affiliations (XEP-0463), as <mav/>. since: NULL, or the one before a change.
 * Nobody knows how one is written who has not been told. */
void room_write_version(const struct room *r, struct writer *w, const uint64_t *since,
	uint64_t until);

/* False: the room does not know it. */
bool room_parse_version(const struct room *r, struct str text, uint64_t *out);

/* Changes a role; ROLE_NONE removes the occupant (section 8.2). */
void room_change_role(struct occupant *o, enum role to, struct jid actor, struct str reason);

/* The configuration is now this (its texts are taken over): removes who may not stay, and tells
 * what is to be told (sections 10.2.1). */
void room_configure(struct room *r, struct room_config *c);

#endif
