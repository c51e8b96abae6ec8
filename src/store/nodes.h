/* Nodes of publish-subscribe (XEP-0060) in the store: configuration, affiliations, subscriptions
 * and items. A node belongs to an account (XEP-0163) or to a service, which is a host without a
 * localpart. The rules of store/store.h hold: what is given is copied, writes are carried out in
 * order, and each call's changes all or none.
 *
 * The items of a node stand in the order of their publication, and each has a number by it,
 * which grows over all nodes. An item that is published again under its id gets a new number.
 * What has expired is not found any more, and is deleted by store_nodes_expire(). A node knows
 * how many items it has, and how many bytes of them; so does an owner over all nodes: nothing is
 * counted when it is asked for. */
#ifndef STORE_NODES_H
#define STORE_NODES_H

#include "store/store.h"

/* Bounds, in bytes but for the last ones, which are entries of each list of one call. What is over
 * one of them is STORE_FULL. */
#define STORE_NODE_NAME_MAX    1024
#define STORE_NODE_CONFIG_MAX  (64 * 1024)
#define STORE_NODE_ENTRY_MAX   (16 * 1024)  /* an affiliation or a subscription, all its strings */
#define STORE_NODE_ITEM_MAX    (1 << 24)    /* an item, its id and publisher counted */
#define STORE_NODE_ITEMS_MAX   1000         /* published or retracted by one call */
#define STORE_NODE_NAMES_MAX   1000
#define STORE_NODE_STEP        2000         /* deleted by one call, where nobody names them */
#define STORE_NODE_CHANGES_MAX 20000

struct store_node_affiliation {
	struct str jid;          /* bare */
	struct str affiliation;  /* "owner", "publisher", ...; empty: the entry is to be deleted */
};

struct store_subscription {
	struct str jid;          /* as it was subscribed: bare or full */
	struct str subid;        /* with the JID, its name in the node */
	struct str state;        /* "subscribed", "pending", ...; empty: it is to be deleted */
	struct str options;      /* XML of a form, or empty */
	uint64_t until_us;       /* wall clock, or 0: without an end */
};

struct store_node_item {
	uint64_t number;         /* of the store; not looked at in a publish */
	struct str id;
	struct str publisher;    /* a JID, or empty */
	struct str payload;      /* XML of the element, standing alone, or empty */
	uint64_t stamp_us;       /* wall clock: when it was published */
	uint64_t until_us;       /* when it expires, or 0 */
};

struct store_node {
	struct str name;
	struct str title;        /* for people; in the configuration too */
	struct str type;         /* of the payload, likewise */
	bool listed;             /* everybody may find it */
	bool fleeting;           /* its items go when its owner goes offline */
	struct str config;       /* XML of a form */
	struct str creator;      /* bare JID */
	uint64_t created_us;
	uint64_t n_items, n_bytes;     /* of what is stored: not looked at in a write */
	uint64_t n_subscriptions;      /* likewise */
	struct store_node_affiliation *affiliations;
	size_t n_affiliations;
	struct store_subscription *subscriptions;
	size_t n_subscriptions_read;
};

/* What an owner may have, checked in the same transaction; 0: no bound. Over it: STORE_FULL. */
struct store_node_bounds {
	uint64_t nodes;
	uint64_t bytes;          /* of all items of all its nodes, ids and publishers counted */
};

/* Result: nodes, those of these names that there are, in the order of the names, with configuration
 * and affiliations, without subscriptions. */
void store_nodes_load(struct store *s, struct store_op *op, struct str host, struct str user,
	const struct str *names, size_t n);

/* Subscriptions of a node in the order of JID and subid, those behind `after` (its jid and
 * subid; NULL: from the first), at most max. Result: node->subscriptions. STORE_NOT_FOUND: there
 * is no such node. */
void store_node_subscriptions(struct store *s, struct store_op *op, struct str host,
	struct str user, struct str name, const struct store_subscription *after, unsigned max);

/* Makes a node with these affiliations. STORE_EXISTS: there is one. */
void store_node_create(struct store *s, struct store_op *op, struct str host, struct str user,
	const struct store_node *row, const struct store_node_bounds *bounds);

/* Changes a node. row: NULL leaves title, type, listed, fleeting and configuration as they are; its
 * lists are not looked at. Each affiliation and subscription puts, replaces or deletes the entry of
 * its name.
 * keep: the newest so many items stay (as a lower max_items needs); UINT64_MAX: all. At most
 * STORE_NODE_STEP are deleted; more: there are others, for a further call.
 * STORE_NOT_FOUND: there is no such node. */
void store_node_save(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str name, const struct store_node *row,
	const struct store_node_affiliation *affiliations, size_t n_affiliations,
	const struct store_subscription *subscriptions, size_t n_subscriptions, uint64_t keep);

/* With all that it has, in one transaction: what has many items is purged before. One that is not
 * there is no error. */
void store_node_delete(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str name);

/* Adds items, the oldest first; one whose id is there takes the place of that. Of the node's items
 * the newest `keep` stay. create: makes the node first, where there is none; NULL:
 * STORE_NOT_FOUND then. */
void store_node_publish(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str name, const struct store_node *create, const struct store_node_item *items,
	size_t n, uint64_t keep, const struct store_node_bounds *bounds);

/* Deletes items. Result: n_all, how many of them there were. STORE_NOT_FOUND: none of them was. */
void store_node_retract(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str name, const struct str *ids, size_t n);

/* Deletes the oldest items with numbers up to `upto` (0: that of the newest one), STORE_NODE_STEP
 * of them at most, so that other writes need not wait long. Result: more: there are others, for a
 * further call with the `upto` that is in `number`. STORE_NOT_FOUND: there is no such node. */
void store_node_purge(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str name, uint64_t upto);

/* Which items. */
struct store_items_query {
	const struct str *ids;   /* these, in this order, those that there are; else: */
	size_t n_ids;
	uint64_t from_us, to_us; /* published from, and up to; 0: no bound */
	uint64_t after, before;  /* numbers behind and before which they are; 0: no bound */
	bool newest;             /* the page is taken from the newest end */
	unsigned max;            /* items */
	size_t max_bytes;        /* of items: a page ends before it has more, but has one */
};

/* Result: items, the oldest first (by ids: in their order), and node: its row without lists.
 * more: there are further ones in the direction that the page was taken. STORE_NOT_FOUND: there is
 * no such node. A page costs the same wherever it is. */
void store_node_items(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str name, const struct store_items_query *query);

/* Nodes of an owner in byte order of their names, at most max, those behind `after`: all, or those
 * alone that are listed or fleeting. Result: nodes without lists; node_count and node_bytes of the
 * owner. */
enum store_nodes_which { STORE_NODES_ALL, STORE_NODES_LISTED, STORE_NODES_FLEETING };
void store_nodes(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str after, unsigned max, enum store_nodes_which which);

/* What somebody (a bare JID) has at nodes of an owner, in the order of the nodes, those behind
 * `after`. Result: nodes with their row and his entries: of affiliations; or of subscriptions,
 * those of his resources too. */
void store_nodes_affiliated(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str jid, struct str after, unsigned max);
void store_nodes_subscribed(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str jid, struct str after, unsigned max);

/* Owners that have nodes, host by host, a service before the accounts of its host, at most max,
 * behind the bare JID `after`. Result: users, as bare JIDs. */
void store_node_owners(struct store *s, struct store_op *op, struct str after, unsigned max);

/* Takes a bare JID that nobody has any more out of the affiliations and subscriptions of all nodes.
 * Result: nodes, as those are that lost something, by their names; users: their owners as bare JIDs,
 * in the same order. */
void store_nodes_forget(struct store *s, struct store_op *op, struct str jid);

/* Deletes at most max items that have expired by now, and ends subscriptions whose time is over.
 * Result: n_all, how many items; more: there are others. */
void store_nodes_expire(struct store *s, struct store_op *op, uint64_t now_us, unsigned max);

#endif
