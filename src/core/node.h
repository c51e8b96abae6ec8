/* Nodes of publish-subscribe (XEP-0060 1.30.0): what an account has for personal eventing (XEP-0163),
 * and what a service of nodes has.
 *
 * A node belongs to a shard: an account's to that of the account, a service's to that of its service
 * and name together. It is loaded when somebody needs it, and leaves memory NODE_IDLE_MS after it was
 * last needed; that there is none of a name is remembered likewise.
 *
 * What is persistent is durable before a request is answered, and before anybody is notified of it;
 * both happen in the order in which it was written. Configuration, affiliations and subscriptions are
 * changed in memory at once, so that the next request sees them; when one of them cannot be written
 * the node is loaded again. Items are read from the store; of a node that keeps none
 * (persist_items = false) the newest one is here, and only here.
 *
 * Notifications go out one after the other for each node, to at most NODE_TURN_MAX addresses in one
 * turn of the loop (node_notify.c).
 *
 * Files: node.c (which nodes there are, requests), node_store.c (loading, writing), node_access.c
 * (who may do what), node_publish.c (items), node_subscribe.c (subscriptions and affiliations),
 * node_notify.c (notifications), node_fanout.c (whom they go to), node_special.c (those who have
 * said how they want them). Bounds: here, in core/node_config.h, store/nodes.h and in the settings. */
#ifndef CORE_NODE_H
#define CORE_NODE_H

#include "core/module.h"
#include "core/node_config.h"
#include "core/shard.h"
#include "store/nodes.h"
#include "xmpp/pubsub.h"

#define NODE_IDLE_MS      (600 * 1000)
#define NODE_WAITING_MAX  1000         /* requests that wait while a node is loaded */
#define NODE_TURN_MAX     1000         /* addresses that are told something in one turn */
#define NODE_NEWS_MAX     (4 * 1024 * 1024) /* bytes of notifications that wait in one node; what
                                        * comes meanwhile and would be told of is refused:
                                        * resource-constraint, type wait */
#define NODE_LAST_MAX     (64 * 1024)  /* bytes of an item that is kept ready to be sent again */
#define NODE_SINCE_MAX    100          /* items that one who was away is told (XEP-0312) */
#define NODE_SUBID_LEN    16           /* hexadecimal */
#define NODE_SUBS_OF_ONE  16           /* subscriptions of one JID to one node */
#define NODE_AFFILIATIONS_MAX 10000    /* entries of one node */
#define NODE_RATES        8192         /* pairs of publisher and node whose rate is remembered */

struct node;

/* One subscription. Owned by the node. */
struct node_subscription {
	struct map_node map;        /* node.by_jid, of the first one of a JID */
	struct node_subscription *more; /* the next one of the same JID, or NULL */
	struct jid jid;             /* bare or full; text inline, behind the struct */
	char subid[NODE_SUBID_LEN];
	enum subscription_state state;
	uint32_t place;             /* in node.subs */
	uint32_t passed_over;       /* the telling (node.telling) that goes to its resources instead */
	struct subscription_options *options; /* NULL: as they are by default */
	struct node_digest *digest; /* what waits for it (node_notify.c), or NULL */
};

/* What somebody is to a node. Owned by the node. */
struct node_person {
	struct map_node map;        /* node.people, by bare JID */
	struct jid jid;             /* text inline, behind the struct */
	enum node_affiliation affiliation;
};

/* The newest item, of a node that has it in memory. One block. */
struct node_item {
	struct str id, publisher;   /* publisher: a JID as text, or empty */
	struct str payload;         /* XML, standing alone, or empty */
	uint64_t stamp_us, until_us;
};

struct node {
	struct map_node map;        /* shard.nodes, by owner, NUL and name */
	struct shard *shard;
	struct jid owner;           /* bare JID of the account, or the service; text inline */
	struct str name;            /* likewise */
	struct str key;             /* likewise: of the map */
	enum node_kind kind;
	bool loading;
	bool absent;                /* there is none of this name */
	bool unwritten;             /* new: the next publish or commit makes it in the store */
	bool ended;                 /* deleted: nobody finds it any more */
	uint32_t held;              /* operations, notifications under way: it stays */
	struct node_config config;
	struct jid creator;         /* bare; owned text (jid_copy()) */
	uint64_t created_us;
	struct map people;          /* affiliations other than none */
	struct map by_jid;          /* subscriptions */
	struct node_subscription **subs; /* all; NULL where one has gone, until the place is taken */
	uint32_t n_subs, subs_cap;  /* places */
	uint32_t hole;              /* before this one, none is free */
	uint32_t n_subscribed;      /* subscriptions */
	uint32_t n_full;            /* those of them with a resource */
	uint32_t n_special;         /* those of them with options, or that are not the only one */
	struct audience **audiences;/* of each NODE_TURN_MAX places, or NULL: to be made */
	uint32_t n_audiences;
	struct list news;           /* notifications that wait, the oldest first */
	size_t news_bytes;
	uint32_t telling;           /* number of the one that is being told */
	uint32_t told;              /* addresses that were told something since all shards had a turn */
	uint32_t rounds;            /* shards that are still to have one before it goes on */
	struct node_item *newest;   /* where persist_items is false, or NULL */
	struct stanza *last;        /* notification of the newest item for who comes later, or NULL: to be
	                             * made; counted */
	uint64_t last_until_us;     /* when that item expires, or 0 */
	struct last_reading *reading; /* that item is being read, or NULL (node_notify.c) */
	uint32_t changes;           /* of its items: what was read before the last one is old */
	bool is_empty;              /* known to have no item, until one is published */
	struct list waiting;        /* struct node_waiter */
	uint32_t n_waiting;
	uint64_t used_ms;           /* monotonic */
	struct timer idle;
};

/* ---- which nodes there are (node.c) ---- */

/* The shard that a node belongs to. account: of an account or of a service. */
struct shard *node_owner_shard(const struct core *c, enum node_kind kind, struct jid owner,
	struct str name);

/* The loaded node on its owner, or NULL: it is not loaded, or there is none. */
struct node *node_get(struct shard *s, struct jid owner, struct str name);

/* The service that a node belongs to, or the host of its account; NULL: not served any more. */
struct host *node_host(const struct node *n);

/* The account of a node, or NULL: a service's, or it is not resident any more. */
struct account *node_account(const struct node *n);

/* Something that waits for a node to be loaded. run() is called once, on the owner, with the node,
 * or NULL: there is none (STORE_NOT_FOUND), or the store failed, or too many wait (STORE_FULL). It
 * frees the waiter. On the owner of the node; at once when it is loaded. */
struct node_waiter {
	struct list link;
	void (*run)(struct node_waiter *w, struct shard *s, struct node *n, enum store_status status);
};
void node_wait(struct shard *s, enum node_kind kind, struct jid owner, struct str name,
	struct node_waiter *w);

/* The same for several nodes of an account, with one reading of the store; run() is called once,
 * when all are loaded: node_get() finds those that there are. n at most STORE_NODE_NAMES_MAX. */
struct nodes_waiter {
	void (*run)(struct nodes_waiter *w, struct shard *s, enum store_status status);
	uint32_t left;              /* node.c's */
	enum store_status status;   /* likewise */
};
void nodes_wait(struct shard *s, struct jid account, const struct str *names, size_t n,
	struct nodes_waiter *w);

/* The node stays in memory until it is released. */
void node_hold(struct node *n);
void node_release(struct node *n);

/* A new node where there is none (node_get() of a loaded name is NULL), with this configuration (its
 * texts are taken over) and one owner. It is in memory alone until node_commit() or node_publish(). */
struct node *node_new(struct shard *s, enum node_kind kind, struct jid owner, struct str name,
	struct jid creator, struct node_config *config);

/* It is not to be, or is deleted: nobody finds it any more; it is freed once nothing holds it. Nothing
 * is written, nobody is told. */
void node_end(struct node *n);

/* An account is deleted: its nodes are gone from the memory too. */
void nodes_forget(struct shard *s, struct jid account);

/* A bare JID that nobody has any more: it loses its affiliations and subscriptions at all nodes. */
void nodes_forget_person(struct shard *s, struct jid bare);

void nodes_init(struct shard *s);
void nodes_free(struct shard *s);

/* ---- requests (node.c) ---- */

/* A request about a node, on the node's owner. Answered exactly once, by one of the functions below;
 * gone when run() returns, but for what node_later() gives. */
struct node_request {
	struct shard *shard;
	const struct stanza *iq;
	struct jid who;             /* asks; full, or a bare JID or host where the stanza has that */
	enum node_kind kind;
	struct jid owner;           /* of the node */
	struct str name;
	struct node *node;          /* NULL: there is none */
	struct later *later;        /* node_later() takes it */
};
typedef void node_run(struct node_request *q);

/* Brings a request at an account (AT_ACCOUNT, AT_OWN) or a service (AT_NODES) to the owner of the node
 * and runs it there. Where there is no account, the run is not called: service-unavailable. */
enum outcome node_request(struct ctx *c, const struct stanza *iq, struct str name, node_run *run);

/* The answers. node_reply() opens the result of the request for its content; node_send() ends and
 * sends it. node_refuse(): see xmpp/pubsub.h; the request's payload is repeated. */
void node_ok(struct node_request *q);
struct writer node_reply(struct node_request *q);
void node_send(struct node_request *q, struct writer *w);
void node_refuse(struct node_request *q, const struct stanza_refusal *why);

/* The request is answered later, on the same shard, with: later_ctx() and reply_open(), reply_ok(),
 * later_refuse(); then later_free(). */
struct later *node_later(struct node_request *q);
void later_refuse(struct later **l, const struct stanza_refusal *why);

/* Answers and frees: an empty result, or the error for a failure of the store. */
void later_settle(struct later **l, enum store_status status);

/* Why there is no such node for this one who asks: item-not-found; and of a failure of the store. */
struct stanza_refusal node_not_found(void);
struct stanza_refusal node_store_refusal(enum store_status status);

/* ---- in the store (node_store.c) ---- */

/* Reads nodes that are `loading`; node_loaded() (node.c) ends that. */
void node_load(struct shard *s, struct jid owner, struct node **nodes, size_t n);

/* What a change wants written. Done is called on the owner once that is durable, or has failed; then
 * the node is loaded again by itself. The node is held meanwhile. */
typedef void node_done(struct shard *s, struct node *n, enum store_status status, void *ctx);

struct node_change {
	bool config;                /* configuration and row */
	const struct node_person *person;          /* changed, or NULL */
	const struct node_subscription *subscription; /* changed, or NULL; */
	bool subscription_gone;     /* and it is to be deleted */
	bool trim;                  /* keep no more items than max_items */
};
void node_commit(struct node *n, const struct node_change *change, node_done *done, void *ctx);

/* The row as it is now, in an arena: for a publish that makes the node. */
struct store_node node_row(const struct node *n, struct arena *a);

/* What the owner of a node may have in all; the items that a node may have there, and those that this
 * node keeps. */
struct store_node_bounds node_bounds(const struct node *n);
uint32_t node_items_bound(const struct settings *set, enum node_kind kind);
uint64_t node_keeps(const struct node *n);

/* ---- who may do what (node_access.c) ---- */

/* What somebody is to a node; of an account's nodes, its owner is OWNER, whatever is stored; so are
 * administrators at nodes of services. */
enum node_affiliation node_affiliation(const struct node *n, struct jid who);

/* NULL-like (error ERR_COUNT): he may. Else the refusal by section 6.1.3, 6.5.9, 7.1.3, 8. */
enum node_right {
	NODE_SEE,        /* learn that there is the node, and its metadata (section 5.3) */
	NODE_READ,       /* its items (section 6.5.9) */
	NODE_SUBSCRIBE,  /* section 6.1.3; with the model "authorize": it will be pending */
	NODE_PUBLISH,    /* section 7.1.3 */
	NODE_RETRACT,    /* any item (section 7.2.3); a publisher's own: the caller knows */
	NODE_MANAGE      /* what owners do (section 8) */
};
struct stanza_refusal node_may(const struct node *n, struct jid who, enum node_right right);
static inline bool node_allows(const struct node *n, struct jid who, enum node_right right)
{
	return node_may(n, who, right).error == ERR_COUNT;
}

/* Whether somebody may be notified of items without a subscription (XEP-0163), or still may with one. */
bool node_may_notify(const struct node *n, struct jid who);

/* Whether somebody may make nodes of this name there: an account's owner; at a service by its
 * settings. ERR_COUNT: he may. */
struct stanza_refusal node_may_create(struct shard *s, enum node_kind kind, struct jid owner,
	struct jid who);

/* ---- items (node_publish.c) ---- */

/* Adds items to a node that `by` may publish to (nothing is asked here but for bounds and rate): at
 * most STORE_NODE_ITEMS_MAX. Ids that are empty are made. node.unwritten: makes the node with it.
 * When it is durable: subscribers are notified, the modules told (node_published), then done() is
 * called, with ids as they are now. `wait` is refused at once: *why. */
struct node_publication {
	struct node *node;
	struct jid by;              /* full */
	struct node_item *items;    /* id maybe empty; publisher, stamp and end are filled in */
	size_t n;
};
typedef void publish_done(struct shard *s, struct node *n, const struct node_item *items, size_t n_items,
	enum store_status status, void *ctx);
bool node_publish(const struct node_publication *p, publish_done *done, void *ctx,
	struct stanza_refusal *why);

/* Counts what somebody does of which all subscribers are told, n_items of it, but at least one. True: he
 * does too much of it, or so much waits to be told that nothing more should come; he is to wait. */
bool node_is_pressed(struct node *n, struct jid by, size_t n_items);
struct stanza_refusal node_pressed(void);

/* Takes items out; notify: subscribers are told, whatever the configuration says. done: with
 * STORE_NOT_FOUND when there was none of them. */
void node_retract(struct node *n, const struct str *ids, size_t n_ids, bool notify, node_done *done,
	void *ctx);

/* All of them (section 8.5). */
void node_purge(struct node *n, node_done *done, void *ctx);

/* Deletes the node with all it has (section 8.4). redirect: a URI for who had subscribed, or empty. */
void node_delete(struct node *n, struct str redirect, node_done *done, void *ctx);

/* Reads items: from the store, or of a node that keeps none, the newest. done() gets an operation as
 * of store_node_items(), which it does not free. */
typedef void items_done(struct shard *s, struct node *n, const struct store_op *found, void *ctx);
void node_items(struct node *n, const struct store_items_query *query, items_done *done, void *ctx);

/* ---- subscriptions and affiliations (node_subscribe.c), in memory ---- */

/* The subscription of a JID with this id, or (subid empty) its only one; NULL: there is none. first:
 * the first of all of a JID. */
struct node_subscription *node_subscription(const struct node *n, struct jid jid, struct str subid);
struct node_subscription *node_subscription_first(const struct node *n, struct jid jid);

/* Whether a bare JID has any subscription that is in force, of its resources too. */
bool node_has_subscriber(const struct node *n, struct jid bare);

/* Calls take() for each subscription of a bare JID, those of its resources too. It may end that one. */
void node_each_of(struct node *n, struct jid bare,
	void (*take)(struct node *n, struct node_subscription *sub, void *ctx), void *ctx);

/* Adds one; options (or NULL) are copied. NULL: a bound is reached, *why says so. */
struct node_subscription *node_subscribe(struct node *n, struct jid jid, enum subscription_state state,
	const struct subscription_options *options, struct stanza_refusal *why);

/* Changes its options or state, or takes it out and frees it. */
void node_subscription_set(struct node *n, struct node_subscription *sub,
	const struct subscription_options *options);
void node_subscription_allow(struct node *n, struct node_subscription *sub,
	enum subscription_state state);
void node_unsubscribe(struct node *n, struct node_subscription *sub);

/* Takes a subscription away, in the store too, and tells its subscriber and the owners. */
void node_end_subscription(struct node *n, struct node_subscription *sub);

/* Puts an affiliation (NODE_NONE: takes it away). Subscriptions of an outcast, and of who may not read
 * a whitelisted node any more, are ended: they are told, and written. False: the bound is reached. */
bool node_affiliate(struct node *n, struct jid bare, enum node_affiliation a);

/* The configuration is now this (its texts are taken over); ends subscriptions of who may not be
 * subscribed any more, and tells them. All others hear of it once node_commit() has written it
 * (section 8.2.4). */
void node_configure(struct node *n, struct node_config *config);

/* ---- notifications (node_notify.c) ---- */

/* To all who are subscribed, and whom modules add (module.node_recipients), as the configuration and
 * the options of each subscription have it. All of them leave in the order of these calls.
 *
 * by: who published, a full JID: those who share the account's presence with it are told to which
 * resource to reply (XEP-0163 section 4.3.1). A configuration with a change in it is told of where
 * notify_config is set, the end of a node where notify_delete is. */
void node_tell_items(struct node *n, const struct node_item *items, size_t n_items, struct jid by);
void node_tell_retracted(struct node *n, const struct str *ids, size_t n_ids);
void node_tell_purged(struct node *n);
void node_tell_configured(struct node *n);
void node_tell_deleted(struct node *n, struct str redirect);

/* The newest item, if there is one, to somebody (bare or full) who has just subscribed, or come
 * (section 6.1.7, XEP-0163 section 4.3.4), with when it was published. subid: NODE_SUBID_LEN bytes,
 * where the JID has several subscriptions, else NULL. Whether send_last wants that is the caller's to
 * see; one who may not be notified is not. */
void node_tell_last(struct node *n, struct jid to, const char *subid);

/* The items since then (wall clock) that are still there, the newest NODE_SINCE_MAX of them, likewise
 * (XEP-0312). */
void node_tell_since(struct node *n, struct jid to, uint64_t from_us);

/* The items are not what they were, or the configuration is not: what is kept of the newest one is
 * forgotten. */
void node_forget_last(struct node *n);

/* The state of a subscription to its subscriber (sections 8.6, 8.8.4, 12.14), the affiliation (section
 * 8.9.4) to somebody; a request to subscribe to the owners (section 8.6). subid as above. */
void node_tell_subscription(struct node *n, struct jid to, enum subscription_state state,
	const char *subid);
void node_tell_affiliation(struct node *n, struct jid to, enum node_affiliation a);
void node_tell_request(struct node *n, const struct node_subscription *sub);

/* Somebody has subscribed, or is subscribed no more: to the owners, where notify_sub is set. */
void node_tell_owners(struct node *n, struct jid subscriber, enum subscription_state state,
	const char *subid);

/* Whether a message with this id was one of a node of this name, since the server started (section
 * 12.4). Whoever got it knows such an id: it proves nothing. */
bool node_sent(struct str name, struct str id);

/* A subscription has come to this place of node.subs, or has gone from it, or has another state or
 * other options; and: none of them is there any more. */
void node_audience_changed(struct node *n, uint32_t place);
void node_free_audiences(struct node *n);

/* What waits for a digest is forgotten: its subscription ends. */
void node_free_digest(struct node *n, struct node_subscription *sub);

/* So much waits to be told that nothing more should be published. */
bool node_is_behind(const struct node *n);

/* What waits is forgotten: called by node.c as a node is freed. */
void node_free_news(struct node *n);

/* Of one that comes from outside (module.node_recipients): adds an address. */
struct recipients;
void recipients_add(struct recipients *r, struct jid to);

#endif
