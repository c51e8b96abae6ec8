/* The way of a message: what its sender's account does with it, and on the owner of its
 * address to which resources it goes and where it is kept (RFC 6121 section 8.5, XEP-0313,
 * XEP-0160).
 *
 * A message is written to the ledger once, for the archives of both sides, by the owner of its
 * address; delivery does not wait for that. The operation comes home to the owner of the
 * sender, which then counts the message as handled (core/sm.h) or returns an error. */
#ifndef CORE_MESSAGE_H
#define CORE_MESSAGE_H

#include "core/account.h"

/* What becomes of a message at an account, for modules that look on. */
struct delivery {
	struct account *account;
	struct stanza *stanza;
	struct jid to;           /* as it was addressed */
	struct session *match;   /* the resource it was addressed to, or NULL */
	int best;                /* no match: the priority whose resources get it; below 0: none */
	bool archived;           /* in the account's archive */
	bool waits;              /* nobody got it, and it is kept for later */
	bool copied;             /* others get copies (XEP-0280) */
};

/* Whether this session got the message itself. */
bool delivery_reached(const struct delivery *d, const struct session *s);

/* Whether it gets a copy. */
bool delivery_is_copied(const struct delivery *d, const struct session *s);

/* What an account wants kept of a message, as bits. */
enum keep {
	KEEP_ARCHIVED = 1, /* in its history */
	KEEP_WAITING = 2,  /* until a resource comes */
	KEEP_NOTHING = 4   /* it is not worth keeping: nobody need hear of it */
};

/* What the modules want kept for the account of a message that it sent or that is for it (enum
 * keep). partner: the other side, its resource included where there is one. */
unsigned account_keeps(struct account *a, const struct stanza *st, struct jid partner, bool sent);

/* A message of a session that has been checked, on its way out. */
void message_send(struct session *s, struct stanza *st);

/* A message of a foreign stream (core/foreign.h) that has been checked, on its way in. */
void message_enter(struct shard *s, struct stanza *st);

/* The same in the name of an account, whose archive may keep it. */
void message_enter_for(struct account *a, struct stanza *st);

/* XEP-0045 section 7.5: whether a stanza is a message of an occupant, through his room. */
bool message_is_of_room(const struct stanza *st);

/* A message has reached the owner of its address, which is loaded. */
void message_arrive(struct account *a, struct stanza *st, struct jid to);

/* The same, where the modules have seen it already. */
void message_deliver(struct account *a, struct stanza *st, struct jid to);

/* The reader of offline messages is through: what waited behind it (account.held) goes out. */
void message_release_held(struct account *a);

/* A message was given to a resource that is gone and never acknowledged it. flags: how it had
 * been sent (enum send_flags). */
void message_undelivered(struct account *a, struct stanza *st, struct jid to, unsigned flags);

/* These messages waited for the account, and have arrived. places: in the ledger. */
void message_arrived(struct account *a, const uint64_t *places, size_t n);

/* A message is where it should be: its sender may be told (XEP-0198). On any shard; does
 * nothing when nobody waits for that. */
void message_handled(struct shard *s, const struct stanza *st);

/* Whether whoever sent it keeps it until that is told. */
bool message_is_awaited(const struct stanza *st);

/* Writes a message to the ledger, as these bytes and with this archive id. Its sender is told once
 * it is durable, or gets an error; st: as its sender sent it. waits: for one who is offline. */
void message_keep(struct shard *s, struct stanza *st, const struct ledger_entry *e, unsigned n,
	uint64_t id, struct str bytes, bool waits);

/* A message whose recipient has no archive of this kind here (a room, a component, somebody on another
 * server) goes into the archive of its sender alone, if it is for it (stanza.kept_by_sender). to: where
 * it is going. On any shard; nobody waits for it. */
void message_keep_for_sender(struct shard *s, const struct stanza *st, struct jid to);

/* A new archive id (XEP-0359): grows with time, and is unique over all shards. */
uint64_t message_new_id(struct shard *s);

#endif
