/* Between store_nodes.c and the SQL of nodes: what a call was given, copied. */
#ifndef STORE_NODE_REQUEST_H
#define STORE_NODE_REQUEST_H

#include "store/nodes.h"

struct db_node_request {
	struct str name;                     /* of the node, or behind which a list begins */
	struct str *names;                   /* of nodes, or ids of items */
	size_t n_names;
	bool has_row;                        /* `row` is to be written */
	struct store_node row;
	struct store_node_affiliation *affiliations;
	size_t n_affiliations;
	struct store_subscription *subscriptions;
	size_t n_subscriptions;
	struct store_subscription after;     /* jid p NULL: from the first */
	struct store_node_item *items;
	size_t n_items;
	struct store_node_bounds bounds;
	struct store_items_query query;      /* ids are `names` */
	uint64_t keep;
	uint64_t now_us;
	unsigned max;
	enum store_nodes_which which;
};

#endif
