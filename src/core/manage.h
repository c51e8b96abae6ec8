/* Making, changing and deleting accounts: what in-band registration and the administrator
 * share. Keys are derived on the workers, never on a loop; the outcome comes once the store
 * has it durable. */
#ifndef CORE_MANAGE_H
#define CORE_MANAGE_H

#include "core/shard.h"
#include "xmpp/jid.h"
#include "xmpp/sasl.h"

struct manage;

/* STORE_OK, STORE_EXISTS (create), STORE_NOT_FOUND (password, delete), STORE_FULL (the disk,
 * or too many derivations wait), STORE_FAILED. Called once, on the shard's loop. */
typedef void manage_done(struct shard *s, enum store_status status, void *ctx);

/* jid: bare, of a host served here. password: prepared by jid_prep_password(). Any shard. */
void manage_create(struct shard *s, struct jid jid, struct str password, manage_done *done,
	void *ctx);
void manage_password(struct shard *s, struct jid jid, struct str password, manage_done *done,
	void *ctx);

/* On the owner. The account is gone from the store when done() is called; after it the
 * sessions end with not-authorized, contacts are told, and what waited is erased. */
void manage_delete(struct shard *s, struct jid jid, manage_done *done, void *ctx);

/* Ends the sessions of an account, or the one of a full JID (policy-violation). On the owner. False:
 * there is none. */
bool manage_kick(struct shard *s, struct jid jid);

#endif
