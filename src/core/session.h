/* Sessions: the bound resources of accounts, and what is written to their clients. */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include "core/shard.h"
#include "xmpp/error.h"
#include "xmpp/stanza.h"

struct account;
struct client;
struct copied;
struct csi;
struct fetch;
struct sm;

/* Owned by its account, freed by session_end(). */
struct session {
	struct list link;           /* account.sessions */
	struct account *account;
	struct client *client;      /* NULL: it waits for its client to come back (core/sm.h) */
	struct sm *sm;              /* once XEP-0198 is on, else NULL; owned */
	uint64_t number;            /* never used again on this shard */
	struct jid full;            /* text inline, behind the struct */
	struct stanza *presence;    /* the last available one without `to`, or NULL */
	struct jid *directed;       /* who got directed presence; each text is owned */
	uint32_t n_directed;
	int8_t priority;
	uint8_t sent;               /* stanzas before XEP-0198 was on, at most 255 */
	bool interested;            /* asked for the roster: gets pushes (RFC 6121 section 2.2) */
	bool wants_blocks;          /* asked for the block list: gets pushes (XEP-0191) */
	bool carbons;               /* XEP-0280: gets copies */
	struct copied *copied;      /* what others got copies of, or NULL; its module's */
	bool inactive;              /* XEP-0352: the client said that nobody looks at it */
	uint64_t since_us;          /* bound at; wall clock */
	struct csi *csi;            /* XEP-0352: what is held back, or NULL; its module's */
	bool reads_offline;         /* XEP-0013: while it is there, nobody is sent what waits */
	struct fetch *fetch;        /* XEP-0013: it gets all that waits, or NULL; its module's */
};

/* Binds a resource. Another session of the same resource ends with <conflict/>. */
struct session *session_new(struct account *a, struct client *c, struct str resource);

/* The session is over: sends unavailable presence to who knew of it, sends on what its client
 * did not acknowledge, and frees it. */
void session_end(struct session *s);

/* Ends the session, with a stream error where its client is there. */
void session_close(struct session *s, enum stream_error why, const char *text);

/* The session of this resource, or NULL. */
struct session *session_find(struct account *a, struct str resource);

/* How a stanza is written, as bits. */
enum send_flags {
	SEND_ARCHIVED = 1, /* it is in the account's archive: with its id (XEP-0359) */
	SEND_DELAYED = 2,  /* it comes late: with the time of its archive id (XEP-0203) */
	SEND_ALONE = 4     /* no other session got it */
};

/* Writes a stanza to the client, addressed to `to` (the address it was sent to). */
void session_send(struct session *s, const struct stanza *st, struct jid to);
void session_send_as(struct session *s, const struct stanza *st, struct jid to, unsigned flags);

/* The same for a stanza as text, of which nothing is known but that it is one. */
void session_send_text(struct session *s, struct str xml);

/* The same, past the module that holds back what an inactive client need not see. */
void session_write(struct session *s, const struct stanza *st, struct jid to, unsigned flags);

/* Writes what goes to the client, into its connection or elsewhere. delay_us: when it was sent,
 * if that was before (0: as the flags say). */
void session_format(struct session *s, struct buf *out, const struct stanza *st, struct jid to,
	unsigned flags, uint64_t delay_us);

/* It is new, or there again after a restart: tells the modules. */
void session_began(struct session *s);

/* Its client came back: tells the modules. */
void session_resumed(struct session *s);

/* Its client is gone, and may come back; it is inactive no more: tells the modules. */
void session_left(struct session *s);
void session_active(struct session *s);

/* Tells the modules that a resource takes messages: this one, or the best that the account has. */
void session_takes_messages(struct session *s);
void sessions_take_messages(struct account *a);

/* Whether a client is there and reads. */
bool session_is_connected(const struct session *s);

/* Whether so many bytes more leave half of the client's output free, and half of what it may
 * leave unacknowledged. A stanza that is larger goes out alone. */
bool session_has_room(const struct session *s, size_t bytes);

static inline bool session_is_available(const struct session *s)
{
	return s->presence != NULL;
}

#endif
