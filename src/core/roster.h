/* An account's roster in memory (RFC 6121 section 2), a view of what the store has.
 *
 * Changes are made here and handed to the store; when they are durable, interested sessions
 * get a push and whoever asked gets the result. When they cannot be stored the roster is
 * loaded again and nobody is told that it changed. */
#ifndef CORE_ROSTER_H
#define CORE_ROSTER_H

#include "base/list.h"
#include "store/store.h"
#include "xml/writer.h"
#include "xmpp/jid.h"

struct account;
struct session;
struct later;

#define ROSTER_NAME_MAX   1023  /* bytes of a handle and of a group's name */
#define ROSTER_GROUPS_MAX 32    /* of one item */
#define PENDING_MAX       1000  /* requests that may wait for one user's answer */

enum { SUB_TO = 1, SUB_FROM = 2 };

struct contact {
	struct jid jid;          /* bare mostly; text inline, behind the struct */
	char *name;              /* or NULL */
	struct str groups;       /* names, each followed by a NUL; owned */
	uint64_t version;
	uint8_t subscription;    /* SUB_TO, SUB_FROM */
	bool ask, approved;
};

/* A request that waits for the user's answer (section 3.1.3). */
struct pending {
	struct list link;
	struct jid jid;          /* text inline */
	struct stanza *request;
};

struct roster {
	struct contact **items;  /* in byte order of their JIDs */
	uint32_t n, cap;
	uint64_t version;
	uint64_t created_us;     /* of the account: versions of an earlier one differ */
	struct list pending;
	uint32_t n_pending;
};

void roster_init(struct roster *r);
void roster_clear(struct roster *r);

/* Fills an empty roster from what the store gave. */
void roster_load(struct account *a, const struct store_account *stored);

struct contact *roster_find(const struct roster *r, struct jid j);

/* The contact, made (subscription none) when there is none. */
struct contact *roster_add(struct roster *r, struct jid j);

/* Takes a contact out of memory. */
void roster_remove(struct roster *r, struct contact *c);

/* Replaces the handle and the groups. */
void contact_set(struct contact *c, struct str name, struct str groups);

struct pending *pending_find(const struct roster *r, struct jid j);

/* Notes or forgets a request, in memory and in the store. False: too many wait. */
bool pending_add(struct account *a, struct stanza *request);
void pending_del(struct account *a, struct pending *p);

/* Writes <item/> as in a roster result or push. */
void contact_write(struct writer *w, const struct contact *c);

/* Hands a changed contact to the store; when it is durable, pushes it and answers `later`
 * (taken over; NULL: nobody asked). */
void roster_store(struct account *a, struct contact *c, struct later *later);

/* Takes the contact out, in memory and in the store, then pushes and answers. */
void roster_delete(struct account *a, struct contact *c, struct later *later);

/* The version as text, in the arena (section 2.6). */
struct str roster_version_text(const struct roster *r, struct arena *a);

#endif
