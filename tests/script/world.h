/* The server of one case: a core without threads of its own, whose shards are turned by hand,
 * with a real store and a real ledger in a folder that vanishes with it. */
#ifndef SCRIPT_WORLD_H
#define SCRIPT_WORLD_H

#include "core/shard.h"

#define PASSWORD "secret" /* of every account that a script makes */

struct world {
	unsigned n_shards;
	uint32_t offline_max, archive_days, archive_messages;
	bool unsearched;            /* there is no index of the archives */
	struct settings *settings;  /* may be changed until the world is open */
	struct core core;
	bool open;
	char *folder;
	struct list players;
	unsigned accepted;          /* connections so far: which shard takes the next one */
	unsigned away;              /* fences of world_settle() that are not home */
};

/* A contact as it stands in the store. */
struct standing {
	bool listed;             /* in the roster */
	uint8_t subscription;    /* SUB_TO, SUB_FROM */
	bool ask, approved;
	bool pending;            /* its request waits for an answer */
};

void world_init(struct world *w, unsigned n_shards);
void world_clear(struct world *w);

/* Starts the server. */
void world_open(struct world *w);

/* Stops it in order and starts it again on the same folder. */
void world_restart(struct world *w);

/* Turns all loops until nothing is under way any more: no mail, no operation of the store or
 * the ledger, no job; and lets the players hear what was sent to them. */
void world_settle(struct world *w);

/* Moves the clock, then settles. */
void world_wait(struct world *w, uint64_t ms);

/* Makes an account with PASSWORD. False: there is one. */
bool world_account(struct world *w, struct jid bare);

/* Puts a contact into the store, behind the back of an account that is not resident. */
void world_set_contact(struct world *w, struct jid bare, struct jid contact, struct standing s);

/* What the store has. */
struct standing world_contact(struct world *w, struct jid bare, struct jid contact);

#endif
