/* Accounts that are resident on their owner: loaded on first use, gone a while after the last
 * session. */
#ifndef CORE_ACCOUNT_H
#define CORE_ACCOUNT_H

#include "core/roster.h"
#include "core/session.h"

#define ACCOUNT_WAITING_MAX 1000         /* things that wait while an account is loaded, or held */
#define ACCOUNT_IDLE_MS     (60 * 1000)  /* an account without sessions stays this long */

struct archive_prefs;
struct blocklist;
struct bookmarking;
struct extra;
struct pep;
struct push;

struct account {
	struct map_node node;       /* shard.accounts */
	struct shard *shard;
	struct jid jid;             /* bare; text inline, behind the struct */
	bool ready;                 /* loaded; else things wait */
	bool loading;               /* an operation of the store is on its way */
	bool gone;                  /* deleted, but something on its way keeps it */
	bool guest;                 /* SASL ANONYMOUS: nothing of it is stored */
	bool contacts_asked;        /* for their presence, since it was loaded */
	bool held;                  /* offline messages are being read: new ones wait behind */
	struct timer again;         /* held: the reader had no room for more */
	uint64_t read_upto;         /* while `again` is set: place in the ledger */
	struct list sessions;
	uint32_t n_sessions, n_waiting;
	uint32_t waiting_bytes;     /* of messages that wait because of `held` */
	uint64_t last_private;      /* id of the last message of an occupant that was kept, or 0 */
	bool has_stored;            /* offline messages may be on their way to the ledger */
	uint32_t taken;             /* offline messages that a session has not acknowledged */
	struct list waiting;        /* struct waiter */
	struct roster roster;
	struct blocklist *blocked;  /* XEP-0191, or NULL; its module's, like the next ones */
	struct archive_prefs *archive_prefs; /* XEP-0313 */
	struct push *push;          /* XEP-0357 */
	struct pep *pep;            /* XEP-0163 */
	struct bookmarking *bookmarks; /* XEP-0402 */
	struct extra *extras;       /* what loaded modules keep (server/extend.h), or NULL */
	struct timer idle;
	uint64_t last_us;           /* wall clock of the last end of presence, 0: never */
	char *last_status;          /* with it, or NULL */
	bool last_is_news;          /* not stored yet: that is done when the account leaves */
	char avatar[41];            /* XEP-0153: hash of the photo, or empty; its module's */
	bool avatar_restricted;     /* only who sees the presence may see the photo (XEP-0398) */
	uint32_t vcard_sets;        /* how often the vCard was set */
};

/* Something that waits for an account to be loaded. run() is called once, on the owner, with
 * the account or (there is none, or the store failed: status) NULL; it frees the waiter. */
struct waiter {
	struct list link;
	void (*run)(struct waiter *w, struct shard *s, struct account *a, enum store_status status);
};

/* The resident, loaded account of a bare JID on its owner, or NULL. */
struct account *account_get(struct shard *s, struct jid j);

/* The resident account in any state: for who comes home to an account that `held` or
 * `loading` kept. Afterwards account_settle() is called. */
struct account *account_find(struct shard *s, struct jid j);
void account_settle(struct account *a);

/* Runs the waiter with the account: at once when it is loaded, else when it is. On the owner.
 * Too many waiting: run with NULL and STORE_FULL. */
void account_wait(struct shard *s, struct jid j, struct waiter *w);

/* It has been used, or has lost a session: stays a while. */
void account_stay(struct account *a);

/* A guest's account, loaded from nothing. */
struct account *account_new_guest(struct shard *s, struct jid j);

/* Loads the roster again: what is in memory could not be stored. */
void account_reload(struct account *a);

/* The account is deleted from the store: tells its contacts, ends its sessions and forgets
 * it. */
void account_gone(struct account *a);

/* What is stored when an account leaves, of all that are there: the server stops. */
void accounts_save(struct shard *s);

/* All accounts of the shard; its thread is to end. */
void accounts_free(struct shard *s);

/* Whether somebody may learn of the account's presence: its owner, and who is subscribed.
 * False where there is no account (NULL). */
bool account_may_see(const struct account *a, struct jid who);

#endif
