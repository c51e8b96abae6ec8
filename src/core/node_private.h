/* What the files of core/node.h share. */
#ifndef CORE_NODE_PRIVATE_H
#define CORE_NODE_PRIVATE_H

#include "core/node.h"

#define NODE_ABSENT_MS   (60 * 1000)  /* that there is no such node is remembered so long */
#define NODES_ABSENT_MAX 10000        /* names of which a shard remembers that */
#define NODE_EXPIRY_MS   (60 * 1000)  /* expired items are looked for so often */
#define NODE_EXPIRY_STEP 1000         /* and deleted in steps of so many */
#define NODE_PEOPLE_PAGE 1000         /* subscriptions that are read at a time */

/* ---- node.c ---- */

/* Forgets all of the node itself, as it was loaded. */
void node_empty(struct node *n);

/* Reading has ended: OK; NOT_FOUND: there is none. Lets in who waits, and releases the node. */
void node_loaded(struct node *n, enum store_status status);

/* From now on what has expired is looked for, if anything of the node can. */
void node_watch_expiry(struct node *n);

/* What is in memory could not be written: reads the node again. Until it is read, what is on its way
 * finds it as it was. */
void node_reload(struct node *n);

/* ---- node_publish.c ---- */

/* What is in memory of items; in the store there is none, or will be none. */
void node_forget_newest(struct node *n);

/* ---- node_notify.c, node_fanout.c, node_special.c ---- */

#define NODE_TEXT_MAX   (64 * 1024)   /* bytes of an item's text in which keywords are looked for */
#define NODE_BODY_MAX   4096          /* bytes of a body that is made of an item */
#define NODE_DIGEST_MAX (64 * 1024)   /* bytes of a digest; then it goes out before its time */
#define NODE_LAST_WAITING 10000       /* who wait for the newest item; more are not told */
#define NODE_OWNERS_TOLD 20           /* owners who are told something, or to whom to reply */

enum news_kind { NEWS_ITEMS, NEWS_RETRACTED, NEWS_OF_NODE, NEWS_OF_END };

/* Something that waits to be told, or is being told. */
struct news {
	struct list link;          /* node.news */
	enum news_kind kind;
	struct stanza *stanza;     /* without `to`; counted, as the next two */
	struct stanza *discreet;   /* replies: without the publisher's resource; NULL: to be made */
	struct stanza *full;       /* with the payload, for special subscriptions; or NULL */
	size_t bytes;              /* of what it counts for in node.news_bytes */
	struct str text;           /* of the payload, folded; owned; p NULL: to be read */
	bool replies;              /* the stanza names the publisher's resource */
	bool begun;
	uint32_t place, n_places;  /* of node.subs: what is before the first one is done */
	struct share *shares;      /* of those whom modules add */
	uint32_t at_share, n_shares;
};

/* The stanza as somebody may see it. */
struct stanza *news_for(struct node *n, struct news *w, struct jid to);

/* Something is to be told: NULL where nobody would be. Its stanza is then set (NULL: nothing is
 * told after all), and what stands beside it, and it is told, or waits. And: what waits is
 * forgotten. */
struct news *node_open_news(struct node *n, enum news_kind kind);
void node_tell(struct node *n, struct news *w);
void node_drop_news(struct node *n);

/* The message of an event: opened, as far as what stands in <event/>; closed and scanned. NULL: it
 * is too large. The third one is for who has closed <event/>. */
struct writer node_open_event(struct node *n, bool headline);
struct stanza *node_close_event(struct node *n, struct writer *w);
struct stanza *node_close_message(struct node *n, struct writer *w);
bool node_is_headline(const struct node *n);

/* Whether it has options, or is not the only one of its JID. */
bool node_is_special(const struct node *n, const struct node_subscription *sub);

/* <headers/> (XEP-0131) with the ids of subscriptions, NODE_SUBID_LEN bytes each; in the arena of
 * the turn. */
struct str node_subid_headers(const struct node *n, const char *const *subids, size_t n_subids);

/* Ends those whose time is over; tells one that is special. place: in node.subs. */
void node_end_expired(struct node *n, uint32_t place, uint32_t end);
void node_tell_special(struct node *n, struct news *w, struct node_subscription *sub);

/* ---- node_subscribe.c ---- */

/* The maps and lists of a node: empty; all freed, audiences too. */
void node_init_people(struct node *n);
void node_free_people(struct node *n);

/* From the store, into a node that has none of that name yet. What cannot be read is left out. */
void node_read_person(struct node *n, const struct store_node_affiliation *in);
void node_read_subscription(struct node *n, const struct store_subscription *in);

#endif
