/* For the tests of nodes in the store. */
#ifndef STORE_NODES_TESTING_H
#define STORE_NODES_TESTING_H

#include "store/nodes.h"
#include "store/rooms_testing.h"

#define SERVICE STR("pubsub.example.org")
#define NODE    STR("princely_musings")

static const struct store_node_bounds no_bounds;

static inline enum store_status make_node(struct bench *b, struct str host, struct str user,
	struct str name)
{
	const struct store_node row = { .name = name };

	store_node_create(b->s, new_op(b), host, user, &row, &no_bounds);
	return wait_all(b)->status;
}

/* The row of a node, which must be there. */
static inline const struct store_node *load_node(struct bench *b, struct str host, struct str user,
	struct str name)
{
	store_nodes_load(b->s, new_op(b), host, user, &name, 1);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_int_equal(b->last->n_nodes, 1);
	assert_str(b->last->nodes[0].name, name);
	return &b->last->nodes[0];
}

static inline bool node_is_there(struct bench *b, struct str host, struct str user, struct str name)
{
	store_nodes_load(b->s, new_op(b), host, user, &name, 1);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	return b->last->n_nodes == 1;
}

static inline void assert_totals(struct bench *b, struct str host, struct str user, uint64_t nodes,
	uint64_t bytes)
{
	store_nodes(b->s, new_op(b), host, user, STR(""), 1, STORE_NODES_ALL);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_int_equal(b->last->node_count, nodes);
	assert_int_equal(b->last->node_bytes, bytes);
}

/* One item of 10 bytes: an id of 2, and a payload. */
static inline struct store_node_item item_of(const char id[2])
{
	return (struct store_node_item){ .id = str_from(id, 2), .payload = STR("<entry/>") };
}

static inline enum store_status publish(struct bench *b, struct str host, struct str user,
	const struct store_node_item *items, size_t n, uint64_t keep,
	const struct store_node_bounds *bounds)
{
	store_node_publish(b->s, new_op(b), host, user, NODE, NULL, items, n, keep, bounds);
	return wait_all(b)->status;
}

/* SQLite's plan of a statement has this line, looks at no table whole, and sorts only what may
 * be sorted. */
static inline void assert_plan(const char *is, const char *line, bool sorted)
{
	if (!strstr(is, line) || strstr(is, "SCAN") || (!sorted && strstr(is, "B-TREE")))
		fail_msg("should use %sand not %s", line, is);
}

#endif
