/* Where an account wants notices pushed to (XEP-0357), and what is worth one. What is sent, and
 * when, is in modules/xep0357_push.c. */
#ifndef CORE_PUSH_H
#define CORE_PUSH_H

#include "core/account.h"

struct later;

#define PUSH_SPACE       "push" /* of the accounts' data; resident */
#define PUSH_NODE_MAX    1024 /* bytes of a node's name */
#define PUSH_OPTIONS_MAX 4096 /* bytes of the publish options */
#define PUSH_ERRORS_MAX  10   /* in a row, then a service is forgotten */

/* A registration. */
struct push_target {
	struct list link;   /* push.targets */
	struct str key;     /* the service's JID, a newline, the node; text inline */
	struct str options; /* XML of the publish options, standing alone, or empty; inline too */
	unsigned errors;    /* in a row */
	bool due;           /* there is something to tell */
	bool asking;        /* its answer has not come */
	bool renewed;       /* that answer is to an earlier registration */
};

/* Owned by the account. */
struct push {
	struct account *account;
	struct list targets;
	uint32_t n;
	uint32_t count;      /* of messages since a client was active */
	struct stanza *last; /* of them, while something is due; counted */
	struct timer timer;  /* until all that is due is told */
};

/* The service's JID and the node (empty: none) of a registration. */
struct str push_service(const struct push_target *t);
struct str push_node(const struct push_target *t);

/* The key of a registration. */
struct str push_key(struct str service, struct str node, struct arena *a);

/* The registration with this key, or NULL. */
struct push_target *push_find(const struct push *p, struct str key);

/* Adds one, which is not there yet; takes one out. */
struct push_target *push_add(struct push *p, struct str key, struct str options);
void push_drop(struct push *p, struct push_target *t);

/* A registration as it is stored: under its key, the errors in a row in decimal and the
 * options. push_read() adds it; what is none is passed over. */
struct str push_bytes(const struct push_target *t, struct arena *a);
void push_read(struct push *p, struct str key, struct str bytes);

/* Changes of the stored registrations, which are in force in memory already. What cannot be stored
 * is loaded again. later: an IQ to answer then, or NULL; taken over. */
void push_store_changes(struct account *a, const struct store_datum *changes, size_t n,
	struct later *later);

/* Stores one; takes one out of memory and store. */
void push_store(struct account *a, const struct push_target *t, struct later *later);
void push_remove(struct account *a, struct push_target *t);

/* Counts a message, which is the last one now. It is released when all that is due is told. */
void push_count(struct push *p, const struct stanza *m);
void push_release(struct push *p);

/* Somebody looks: nothing is due any more, and counting begins again. */
void push_forget_due(struct push *p);

/* Whether somebody should hear of a message now: something to read, a call or an invitation. */
bool push_is_notable(const struct stanza *m);

#endif
