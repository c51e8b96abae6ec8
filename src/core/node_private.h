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

/* Reading has ended: OK; NOT_FOUND: there is none. Lets in who waits, and releases the node. */
void node_loaded(struct node *n, enum store_status status);

/* What is in memory could not be written: reads the node again. */
void node_reload(struct node *n);

/* ---- node_subscribe.c ---- */

/* The maps and lists of a node: empty; all freed, audiences too. */
void node_init_people(struct node *n);
void node_free_people(struct node *n);

/* From the store, into a node that has none of that name yet. What cannot be read is left out. */
void node_read_person(struct node *n, const struct store_node_affiliation *in);
void node_read_subscription(struct node *n, const struct store_subscription *in);

#endif
