/* Nodes (store/nodes.h), but for their items. */
#include "store/nodes_testing.h"

#define ROMEO STR("romeo")

static struct store_node_affiliation owner = { { "hamlet@x", 8 }, { "owner", 5 } };
static const struct store_node_affiliation outcast = { { "claudius@x", 10 }, { "outcast", 7 } };

static const struct store_node musings = {
	.name = { "princely_musings", 16 }, .title = { "Musings'; \xc3\xa9", 12 },
	.type = { "http://www.w3.org/2005/Atom", 27 }, .listed = true, .config = { "<x/>", 4 },
	.creator = { "hamlet@x", 8 }, .created_us = 1700000000123456,
	.affiliations = &owner, .n_affiliations = 1,
};

static enum store_status save(struct bench *b, const struct store_node *row,
	const struct store_node_affiliation *a, size_t n_a, const struct store_subscription *s,
	size_t n_s)
{
	store_node_save(b->s, new_op(b), SERVICE, STR(""), NODE, row, a, n_a, s, n_s, UINT64_MAX);
	return wait_all(b)->status;
}

static void make_musings(struct bench *b)
{
	store_node_create(b->s, new_op(b), SERVICE, STR(""), &musings, &no_bounds);
	assert_int_equal(wait_all(b)->status, STORE_OK);
}

static void assert_row(const struct store_node *is, const struct store_node *should)
{
	assert_str(is->name, should->name);
	assert_str(is->title, should->title);
	assert_str(is->type, should->type);
	assert_int_equal(is->listed, should->listed);
	assert_int_equal(is->fleeting, should->fleeting);
	assert_str(is->config, should->config);
	assert_str(is->creator, should->creator);
	assert_int_equal(is->created_us, should->created_us);
}

static const struct store_node *read_subscriptions(struct bench *b,
	const struct store_subscription *after, unsigned max)
{
	store_node_subscriptions(b->s, new_op(b), SERVICE, STR(""), NODE, after, max);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	return b->last->node;
}

static const struct store_subscription francisco = { { "francisco@x", 11 }, { "a", 1 },
	{ "subscribed", 10 }, { "<x/>", 4 }, 9 };
static const struct store_subscription francisco_here = { { "francisco@x/pda", 15 }, { "a", 1 },
	{ "pending", 7 }, { "", 0 }, 0 };
static const struct store_subscription francisco_again = { { "francisco@x", 11 }, { "b", 1 },
	{ "subscribed", 10 }, { "", 0 }, 0 };

static void assert_subscription(const struct store_subscription *is,
	const struct store_subscription *should)
{
	assert_str(is->jid, should->jid);
	assert_str(is->subid, should->subid);
	assert_str(is->state, should->state);
	assert_str(is->options, should->options);
	assert_int_equal(is->until_us, should->until_us);
}

/* --- One node ------------------------------------------------------------------------- */

static void a_node_comes_back_as_it_was_made(void **state)
{
	struct bench *b = *state;

	make_musings(b);
	const struct store_node *node = load_node(b, SERVICE, STR(""), NODE);
	assert_row(node, &musings);
	assert_int_equal(node->n_affiliations, 1);
	assert_str(node->affiliations[0].jid, owner.jid);
	assert_str(node->affiliations[0].affiliation, owner.affiliation);
	assert_int_equal(node->n_subscriptions_read, 0);
	assert_int_equal(node->n_items, 0);
}

static void a_node_is_made_once(void **state)
{
	struct bench *b = *state;
	const struct store_node other = { .name = NODE, .title = STR("other") };

	make_musings(b);
	store_node_create(b->s, new_op(b), SERVICE, STR(""), &other, &no_bounds);
	assert_int_equal(wait_all(b)->status, STORE_EXISTS);
	assert_row(load_node(b, SERVICE, STR(""), NODE), &musings);
	assert_totals(b, SERVICE, STR(""), 1, 0);
}

static void names_are_loaded_in_their_order_without_those_that_are_not(void **state)
{
	const struct str names[] = { STR("c"), STR("none"), STR("a"), STR("b") };
	struct bench *b = *state;

	make_node(b, SERVICE, STR(""), STR("a"));
	make_node(b, SERVICE, STR(""), STR("b"));
	make_node(b, SERVICE, STR(""), STR("c"));
	store_nodes_load(b->s, new_op(b), SERVICE, STR(""), names, 4);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_int_equal(b->last->n_nodes, 3);
	assert_str(b->last->nodes[0].name, STR("c"));
	assert_str(b->last->nodes[1].name, STR("a"));
	assert_str(b->last->nodes[2].name, STR("b"));
}

static void nodes_are_told_apart_by_owner(void **state)
{
	struct bench *b = *state;

	make_musings(b);
	assert_false(node_is_there(b, SERVICE, ROMEO, NODE));
	assert_false(node_is_there(b, HOST, STR(""), NODE));
	assert_int_equal(make_node(b, HOST, ROMEO, NODE), STORE_OK);
	store_node_delete(b->s, new_op(b), HOST, ROMEO, NODE);
	assert_row(load_node(b, SERVICE, STR(""), NODE), &musings);
	assert_false(node_is_there(b, HOST, ROMEO, NODE));
}

static void a_row_is_replaced_and_leaves_the_lists(void **state)
{
	const struct store_node row = { .title = STR("new"), .type = STR("t"),
		.config = STR("<y/>") };
	struct store_node then = musings;
	struct bench *b = *state;

	make_musings(b);
	save(b, NULL, NULL, 0, &francisco, 1);
	assert_int_equal(save(b, &row, NULL, 0, NULL, 0), STORE_OK);
	then.title = row.title;
	then.type = row.type;
	then.config = row.config;
	then.listed = false;
	const struct store_node *node = load_node(b, SERVICE, STR(""), NODE);
	assert_row(node, &then);
	assert_int_equal(node->n_affiliations, 1);
	assert_int_equal(node->n_subscriptions, 1);
}

static void affiliations_are_put_replaced_and_deleted(void **state)
{
	const struct store_node_affiliation changes[] = { outcast,
		{ owner.jid, STR("publisher") }, { outcast.jid, STR("member") },
		{ STR("never@x"), STR("") } };
	const struct store_node_affiliation gone = { owner.jid, STR("") };
	struct bench *b = *state;

	make_musings(b);
	assert_int_equal(save(b, NULL, changes, 4, NULL, 0), STORE_OK);
	const struct store_node *node = load_node(b, SERVICE, STR(""), NODE);
	assert_row(node, &musings);
	assert_int_equal(node->n_affiliations, 2);
	assert_str(node->affiliations[0].jid, outcast.jid);
	assert_str(node->affiliations[0].affiliation, STR("member"));
	assert_str(node->affiliations[1].affiliation, STR("publisher"));
	assert_int_equal(save(b, NULL, &gone, 1, NULL, 0), STORE_OK);
	assert_int_equal(load_node(b, SERVICE, STR(""), NODE)->n_affiliations, 1);
}

static void subscriptions_come_in_pages_by_jid_and_subid(void **state)
{
	const struct store_subscription given[] = { francisco_here, francisco_again, francisco };
	const struct store_subscription *sorted[] = { &francisco, &francisco_again,
		&francisco_here };
	struct bench *b = *state;

	make_musings(b);
	assert_int_equal(save(b, NULL, NULL, 0, given, 3), STORE_OK);
	for (size_t i = 0; i < 3; i++) {
		const struct store_node *node = read_subscriptions(b, i ? sorted[i - 1] : NULL, 1);
		assert_int_equal(node->n_subscriptions, 3);
		assert_int_equal(node->n_subscriptions_read, 1);
		assert_subscription(&node->subscriptions[0], sorted[i]);
	}
	assert_int_equal(read_subscriptions(b, &francisco_here, 9)->n_subscriptions_read, 0);
}

static void a_subscription_is_replaced_and_deleted_by_its_name(void **state)
{
	struct store_subscription approved = francisco_here, gone = francisco;
	struct bench *b = *state;

	approved.state = STR("subscribed");
	approved.options = STR("<y/>");
	approved.until_us = 77;
	gone.state = STR("");
	const struct store_subscription first[] = { francisco, francisco_here, francisco_again };
	const struct store_subscription then[] = { approved, gone, gone };
	make_musings(b);
	save(b, NULL, NULL, 0, first, 3);
	assert_int_equal(save(b, NULL, NULL, 0, then, 3), STORE_OK);
	const struct store_node *node = read_subscriptions(b, NULL, 9);
	assert_int_equal(node->n_subscriptions, 2);
	assert_int_equal(node->n_subscriptions_read, 2);
	assert_subscription(&node->subscriptions[0], &francisco_again);
	assert_subscription(&node->subscriptions[1], &approved);
}

static void unknown_nodes_are_not_found_and_not_made(void **state)
{
	struct bench *b = *state;

	assert_int_equal(save(b, &musings, NULL, 0, NULL, 0), STORE_NOT_FOUND);
	store_node_subscriptions(b->s, new_op(b), SERVICE, STR(""), NODE, NULL, 1);
	assert_int_equal(wait_all(b)->status, STORE_NOT_FOUND);
	store_node_purge(b->s, new_op(b), SERVICE, STR(""), NODE, 0);
	assert_int_equal(wait_all(b)->status, STORE_NOT_FOUND);
	store_node_delete(b->s, new_op(b), SERVICE, STR(""), NODE);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_false(node_is_there(b, SERVICE, STR(""), NODE));
	assert_totals(b, SERVICE, STR(""), 0, 0);
}

static int64_t rows_of_nodes(struct bench *b)
{
	return ask(b, "SELECT (SELECT count(*) FROM nodes) + (SELECT count(*) FROM node_items) + "
		"(SELECT count(*) FROM node_affiliations) + "
		"(SELECT count(*) FROM node_subscriptions)");
}

static void nothing_is_left_of_a_deleted_node(void **state)
{
	const struct store_node_item item = item_of("i1");
	struct bench *b = *state;

	make_musings(b);
	save(b, NULL, &outcast, 1, &francisco, 1);
	publish(b, SERVICE, STR(""), &item, 1, UINT64_MAX, &no_bounds);
	assert_int_equal(rows_of_nodes(b), 5);
	store_node_delete(b->s, new_op(b), SERVICE, STR(""), NODE);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_int_equal(rows_of_nodes(b), 0);
	assert_totals(b, SERVICE, STR(""), 0, 0);
	/* Made again, it has nothing of the old one. */
	make_node(b, SERVICE, STR(""), NODE);
	assert_int_equal(load_node(b, SERVICE, STR(""), NODE)->n_affiliations, 0);
}

static void an_account_takes_its_nodes_along(void **state)
{
	const struct store_node_item item = item_of("i1");
	struct bench *b = *state;

	create(b, ROMEO);
	make_node(b, HOST, ROMEO, NODE);
	publish(b, HOST, ROMEO, &item, 1, UINT64_MAX, &no_bounds);
	make_musings(b);
	assert_totals(b, HOST, ROMEO, 1, 10);
	store_account_delete(b->s, new_op(b), HOST, ROMEO);
	assert_false(node_is_there(b, HOST, ROMEO, NODE));
	assert_totals(b, HOST, ROMEO, 0, 0);
	assert_int_equal(ask(b, "SELECT count(*) FROM node_items"), 0);
	assert_row(load_node(b, SERVICE, STR(""), NODE), &musings);
}

static void assert_nothing_came_of_it(struct bench *b)
{
	assert_int_equal(b->last->status, STORE_FAILED);
	const struct store_node *node = load_node(b, SERVICE, STR(""), NODE);
	assert_row(node, &musings);
	assert_int_equal(node->n_affiliations, 1);
	assert_int_equal(node->n_items, 1);
	assert_int_equal(node->n_subscriptions, 0);
	assert_totals(b, SERVICE, STR(""), 1, 10);
	assert_totals(b, HOST, ROMEO, 0, 0);
	assert_int_equal(rows_of_nodes(b), 3);
}

/* What fails is the last thing that a call writes. */
static void a_call_is_there_whole_or_not_at_all(void **state)
{
	const struct store_node_item item = item_of("i1");
	const struct store_node_item items[] = { item_of("i2"), item_of("no") };
	const struct store_node row = { .name = NODE, .title = STR("new"), .affiliations = &owner,
		.n_affiliations = 1 };
	const struct store_subscription given[] = { francisco,
		{ STR("no"), STR("a"), STR("pending"), STR(""), 0 } };
	struct bench *b = *state;

	make_musings(b);
	publish(b, SERVICE, STR(""), &item, 1, UINT64_MAX, &no_bounds);
	run_sql(b, "CREATE TRIGGER no_item BEFORE INSERT ON node_items WHEN new.id = 'no' "
		"BEGIN SELECT RAISE(ABORT, 'no'); END;"
		"CREATE TRIGGER no_subscription BEFORE INSERT ON node_subscriptions "
		"WHEN new.jid = 'no' BEGIN SELECT RAISE(ABORT, 'no'); END;"
		"CREATE TRIGGER no_deletion BEFORE DELETE ON node_items "
		"BEGIN SELECT RAISE(ABORT, 'no'); END");
	save(b, &row, &outcast, 1, given, 2);
	assert_nothing_came_of_it(b);
	publish(b, SERVICE, STR(""), items, 2, UINT64_MAX, &no_bounds);
	assert_nothing_came_of_it(b);
	publish(b, SERVICE, STR(""), items, 1, 1, &no_bounds);
	assert_nothing_came_of_it(b);
	store_node_publish(b->s, new_op(b), HOST, ROMEO, NODE, &row, items, 2, 9, &no_bounds);
	wait_all(b);
	assert_nothing_came_of_it(b);
	store_node_retract(b->s, new_op(b), SERVICE, STR(""), NODE, &item.id, 1);
	wait_all(b);
	assert_nothing_came_of_it(b);
	store_node_purge(b->s, new_op(b), SERVICE, STR(""), NODE, 0);
	wait_all(b);
	assert_nothing_came_of_it(b);
	store_node_delete(b->s, new_op(b), SERVICE, STR(""), NODE);
	wait_all(b);
	assert_nothing_came_of_it(b);
}

/* --- Bounds --------------------------------------------------------------------------- */

static void an_owner_has_so_many_nodes_and_no_more(void **state)
{
	const struct store_node_bounds bounds = { .nodes = 2 };
	static const char *const names[] = { "a", "b", "c" };
	struct bench *b = *state;

	/* All three in one group: the one over the bound undoes itself alone. */
	for (size_t i = 0; i < 3; i++) {
		const struct store_node row = { .name = str_c(names[i]) };
		store_node_create(b->s, new_op(b), SERVICE, STR(""), &row, &bounds);
	}
	assert_int_equal(wait_all(b)->status, STORE_FULL);
	assert_totals(b, SERVICE, STR(""), 2, 0);
	assert_false(node_is_there(b, SERVICE, STR(""), STR("c")));
	/* Each owner for itself. */
	const struct store_node row = { .name = STR("c") };
	store_node_create(b->s, new_op(b), HOST, ROMEO, &row, &bounds);
	assert_int_equal(wait_all(b)->status, STORE_OK);
}

static void what_is_over_a_bound_is_refused_whole(void **state)
{
	char *big = xcalloc(1, STORE_NODE_CONFIG_MAX + 1);
	const struct store_node long_name = { .name = str_from(big, STORE_NODE_NAME_MAX + 1) };
	const struct store_node long_row = { .name = NODE, .title = STR("t"),
		.config = str_from(big, STORE_NODE_CONFIG_MAX) };
	const struct store_node_affiliation entries[] = { outcast,
		{ str_from(big, STORE_NODE_ENTRY_MAX), STR("owner") } };
	struct store_subscription subscription = francisco;
	struct bench *b = *state;

	subscription.options = str_from(big, STORE_NODE_ENTRY_MAX);
	store_node_create(b->s, new_op(b), SERVICE, STR(""), &long_name, &no_bounds);
	assert_int_equal(wait_all(b)->status, STORE_FULL);
	store_node_create(b->s, new_op(b), SERVICE, STR(""), &long_row, &no_bounds);
	assert_int_equal(wait_all(b)->status, STORE_FULL);
	assert_totals(b, SERVICE, STR(""), 0, 0);
	make_musings(b);
	assert_int_equal(save(b, NULL, entries, 2, NULL, 0), STORE_FULL);
	assert_int_equal(save(b, NULL, &outcast, 1, &subscription, 1), STORE_FULL);
	assert_int_equal(load_node(b, SERVICE, STR(""), NODE)->n_affiliations, 1);
	assert_int_equal(load_node(b, SERVICE, STR(""), NODE)->n_subscriptions, 0);
	free(big);
}

static void what_is_at_its_bound_is_kept(void **state)
{
	char *big = xcalloc(1, STORE_NODE_CONFIG_MAX);
	struct store_node_affiliation entry = { .affiliation = STR("owner") };
	struct store_subscription subscription = francisco;
	struct bench *b = *state;

	memset(big, 'x', STORE_NODE_CONFIG_MAX);
	entry.jid = str_from(big, STORE_NODE_ENTRY_MAX - entry.affiliation.n);
	subscription.options = str_from(big, STORE_NODE_ENTRY_MAX - subscription.jid.n -
		subscription.subid.n - subscription.state.n);
	const struct store_node row = { .name = str_from(big, STORE_NODE_NAME_MAX),
		.title = STR("t"), .type = STR("y"),
		.config = str_from(big, STORE_NODE_CONFIG_MAX - 2),
		.creator = str_from(big, STORE_NODE_ENTRY_MAX),
		.affiliations = &entry, .n_affiliations = 1 };
	store_node_create(b->s, new_op(b), SERVICE, STR(""), &row, &no_bounds);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	store_node_save(b->s, new_op(b), SERVICE, STR(""), row.name, NULL, NULL, 0, &subscription,
		1, UINT64_MAX);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	const struct store_node *node = load_node(b, SERVICE, STR(""), row.name);
	assert_row(node, &row);
	assert_str(node->affiliations[0].jid, entry.jid);
	store_node_subscriptions(b->s, new_op(b), SERVICE, STR(""), row.name, NULL, 1);
	assert_subscription(&wait_all(b)->node->subscriptions[0], &subscription);
	free(big);
}

static void a_call_has_so_many_entries_and_no_more(void **state)
{
	struct store_node_affiliation *a = xcalloc(STORE_NODE_CHANGES_MAX + 1, sizeof *a);
	struct store_subscription *s = xcalloc(STORE_NODE_CHANGES_MAX + 1, sizeof *s);
	struct str *names = xcalloc(STORE_NODE_NAMES_MAX + 1, sizeof *names);
	struct bench *b = *state;

	make_musings(b);
	assert_int_equal(save(b, NULL, a, STORE_NODE_CHANGES_MAX + 1, NULL, 0), STORE_FULL);
	assert_int_equal(save(b, NULL, NULL, 0, s, STORE_NODE_CHANGES_MAX + 1), STORE_FULL);
	assert_int_equal(save(b, NULL, a, STORE_NODE_CHANGES_MAX, s, STORE_NODE_CHANGES_MAX),
		STORE_OK);
	names[STORE_NODE_NAMES_MAX - 1] = NODE;
	store_nodes_load(b->s, new_op(b), SERVICE, STR(""), names, STORE_NODE_NAMES_MAX + 1);
	assert_int_equal(wait_all(b)->status, STORE_FULL);
	store_nodes_load(b->s, new_op(b), SERVICE, STR(""), names, STORE_NODE_NAMES_MAX);
	assert_int_equal(wait_all(b)->n_nodes, 1);
	free(names);
	free(s);
	free(a);
}

/* --- Lists ---------------------------------------------------------------------------- */

static void nodes_come_in_pages_in_byte_order(void **state)
{
	static const char *const names[] = { "b", "Z", "a", "\xc3\xa9" };
	static const char *const sorted[] = { "Z", "a", "b", "\xc3\xa9" };
	struct str after = STR("");
	struct bench *b = *state;

	for (size_t i = 0; i < 4; i++)
		make_node(b, SERVICE, STR(""), str_c(names[i]));
	make_node(b, HOST, ROMEO, STR("aa"));
	for (size_t i = 0; i < 4; i++, after = str_c(sorted[i - 1])) {
		store_nodes(b->s, new_op(b), SERVICE, STR(""), after, 1, STORE_NODES_ALL);
		assert_int_equal(wait_all(b)->n_nodes, 1);
		assert_str(b->last->nodes[0].name, str_c(sorted[i]));
		assert_int_equal(b->last->node_count, 4);
	}
	store_nodes(b->s, new_op(b), SERVICE, STR(""), after, 1, STORE_NODES_ALL);
	assert_int_equal(wait_all(b)->n_nodes, 0);
}

static void lists_have_the_listed_or_the_fleeting_ones(void **state)
{
	struct store_node passing = musings;
	struct bench *b = *state;

	passing.listed = false;
	passing.fleeting = true;
	make_node(b, SERVICE, STR(""), STR("a"));
	make_musings(b);
	assert_int_equal(save(b, &passing, NULL, 0, NULL, 0), STORE_OK);
	store_nodes(b->s, new_op(b), SERVICE, STR(""), STR(""), 9, STORE_NODES_LISTED);
	assert_int_equal(wait_all(b)->n_nodes, 0);
	store_nodes(b->s, new_op(b), SERVICE, STR(""), STR(""), 9, STORE_NODES_FLEETING);
	assert_int_equal(wait_all(b)->n_nodes, 1);
	assert_row(&b->last->nodes[0], &passing);
	assert_int_equal(save(b, &musings, NULL, 0, NULL, 0), STORE_OK);
	store_nodes(b->s, new_op(b), SERVICE, STR(""), STR(""), 9, STORE_NODES_LISTED);
	assert_int_equal(wait_all(b)->n_nodes, 1);
	assert_row(&b->last->nodes[0], &musings);
	assert_int_equal(b->last->node_count, 2);
	store_nodes(b->s, new_op(b), SERVICE, STR(""), STR(""), 9, STORE_NODES_FLEETING);
	assert_int_equal(wait_all(b)->n_nodes, 0);
}

static void somebody_has_entries_at_nodes(void **state)
{
	const struct store_subscription his[] = { francisco, francisco_here };
	struct bench *b = *state;

	make_musings(b);
	make_node(b, SERVICE, STR(""), STR("a"));
	make_node(b, HOST, ROMEO, NODE);
	save(b, NULL, &outcast, 1, his, 2);
	store_nodes_affiliated(b->s, new_op(b), SERVICE, STR(""), outcast.jid, STR(""), 9);
	assert_int_equal(wait_all(b)->n_nodes, 1);
	assert_row(&b->last->nodes[0], &musings);
	assert_int_equal(b->last->nodes[0].n_affiliations, 1);
	assert_str(b->last->nodes[0].affiliations[0].affiliation, outcast.affiliation);
	store_nodes_subscribed(b->s, new_op(b), SERVICE, STR(""), francisco.jid, STR(""), 9);
	assert_int_equal(wait_all(b)->n_nodes, 1);
	assert_int_equal(b->last->nodes[0].n_subscriptions_read, 2);
	assert_subscription(&b->last->nodes[0].subscriptions[1], &francisco_here);
	store_nodes_subscribed(b->s, new_op(b), SERVICE, STR(""), francisco.jid, NODE, 9);
	assert_int_equal(wait_all(b)->n_nodes, 0);
	store_nodes_subscribed(b->s, new_op(b), HOST, ROMEO, francisco.jid, STR(""), 9);
	assert_int_equal(wait_all(b)->n_nodes, 0);
}

static void owners_are_those_that_have_nodes(void **state)
{
	struct bench *b = *state;

	make_musings(b);
	make_node(b, HOST, ROMEO, NODE);
	make_node(b, HOST, STR("juliet"), NODE);
	store_node_delete(b->s, new_op(b), HOST, STR("juliet"), NODE);
	make_node(b, HOST, STR(""), NODE);
	make_node(b, HOST, STR("benvolio"), NODE);
	static const char *const sorted[] = { "example.org", "benvolio@example.org",
		"romeo@example.org", "pubsub.example.org" };
	struct str after = STR("");
	for (size_t i = 0; i < 4; i++, after = str_c(sorted[i - 1])) {
		store_node_owners(b->s, new_op(b), after, 1);
		assert_int_equal(wait_all(b)->n_users, 1);
		assert_str(b->last->users[0], str_c(sorted[i]));
	}
	store_node_owners(b->s, new_op(b), after, 9);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_int_equal(b->last->n_users, 0);
}

static void who_is_forgotten_is_nothing_to_any_node(void **state)
{
	const struct store_subscription his[] = { francisco, francisco_here };
	const struct store_node_affiliation entry = { francisco.jid, STR("member") };
	struct bench *b = *state;

	make_musings(b);
	make_node(b, SERVICE, STR(""), STR("a"));
	make_node(b, HOST, ROMEO, NODE);
	save(b, NULL, &entry, 1, his, 2);
	store_node_save(b->s, new_op(b), HOST, ROMEO, NODE, NULL, &entry, 1, his, 2, UINT64_MAX);
	store_nodes_forget(b->s, new_op(b), francisco.jid);
	assert_int_equal(wait_all(b)->n_nodes, 2);
	assert_str(b->last->nodes[0].name, NODE);
	assert_str(b->last->nodes[1].name, NODE);
	assert_int_equal(b->last->n_users, 2);
	assert_true(str_eq(b->last->users[0], SERVICE) || str_eq(b->last->users[1], SERVICE));
	assert_false(str_eq(b->last->users[0], b->last->users[1]));
	assert_int_equal(load_node(b, SERVICE, STR(""), NODE)->n_affiliations, 1);
	assert_int_equal(load_node(b, SERVICE, STR(""), NODE)->n_subscriptions, 0);
	assert_int_equal(load_node(b, HOST, ROMEO, NODE)->n_affiliations, 0);
	assert_int_equal(load_node(b, HOST, ROMEO, NODE)->n_subscriptions, 0);
}

/* Which nodes they change is not known when they are submitted. */
static void reads_of_a_node_see_what_was_done_to_all_nodes(void **state)
{
	struct bench *b = *state;

	make_musings(b);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(save(b, NULL, NULL, 0, &francisco_again, 1), STORE_OK);
		store_nodes_forget(b->s, new_op(b), francisco.jid);
		assert_int_equal(read_subscriptions(b, NULL, 9)->n_subscriptions_read, 0);
	}
}

static void subscriptions_end_with_their_time(void **state)
{
	const struct store_subscription given[] = { francisco, francisco_here };
	struct bench *b = *state;

	make_musings(b);
	save(b, NULL, NULL, 0, given, 2);
	store_nodes_expire(b->s, new_op(b), francisco.until_us - 1, 9);
	assert_int_equal(read_subscriptions(b, NULL, 9)->n_subscriptions, 2);
	store_nodes_expire(b->s, new_op(b), francisco.until_us, 9);
	const struct store_node *node = read_subscriptions(b, NULL, 9);
	assert_int_equal(node->n_subscriptions, 1);
	assert_subscription(&node->subscriptions[0], &francisco_here);
}

/* --- Cost ----------------------------------------------------------------------------- */

/* Neither how many nodes there are nor how many are subscribed to one matters to who is about one
 * node or one person. sorted: what was found for him is. */
static void nobody_looks_at_what_is_of_others(void **state)
{
	static const struct {
		enum statement id;
		const char *plan;
		bool sorted;
	} reads[] = {
		{ ST_FIND_NODE, "sqlite_autoindex_nodes_1 (owner=? AND name=?)\n", false },
		{ ST_NODE_AFFILIATIONS, "PRIMARY KEY (node=?)\n", false },
		{ ST_NODES_AFFILIATED, "node_affiliations_by_jid (jid=?)\n", true },
		{ ST_NODES_SUBSCRIBED, "node_subscriptions_by_jid (bare=?)\n", true },
		{ ST_HIS_AFFILIATIONS, "PRIMARY KEY (node=? AND jid=?)\n", false },
		{ ST_HIS_SUBSCRIPTIONS, "node_subscriptions_by_jid (bare=? AND node=?)\n", false },
		{ ST_NODE_OWNERS, "node_owners_1 ((host,user)>(?,?))\n", false },
	}, writes[] = {
		{ ST_PUT_NODE, "INTEGER PRIMARY KEY (rowid=?)\n", false },
		{ ST_DEL_NODE_AFFILIATION, "PRIMARY KEY (node=? AND jid=?)\n", false },
		{ ST_DEL_SUBSCRIPTION, "PRIMARY KEY (node=? AND jid=? AND subid=?)\n", false },
		{ ST_FORGOTTEN, "node_subscriptions_by_jid (bare=?)\n", true },
		{ ST_FORGET_AFFILIATIONS, "node_affiliations_by_jid (jid=?)\n", false },
		{ ST_FORGET_SUBSCRIPTIONS, "node_subscriptions_by_jid (bare=?)\n", false },
		{ ST_EXPIRE_SUBSCRIPTIONS,
		  "node_subscriptions_that_end (until_us>? AND until_us<?)\n", false },
		{ ST_DEL_NODE_ITEM, "sqlite_autoindex_node_items_1 (node=? AND id=?)\n", false },
		{ ST_TRIM_ITEMS, "node_items_in_order (node=?)\n", false },
		{ ST_LAST_ITEM, "node_items_in_order (node=?)\n", false },
		{ ST_PURGE_ITEMS, "node_items_in_order (node=? AND rowid<?)\n", false },
		{ ST_EXPIRE_ITEMS, "node_items_that_expire (until_us>? AND until_us<?)\n", false },
	};
	struct bench *b = *state;
	struct str error = STR_NULL;
	struct arena a;
	char plan[2000];

	arena_init(&a, 1024);
	struct db *d = db_open_reader(b->dir, &a, &error);
	assert_non_null(d);
	for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
		explain(d, reads[i].id, plan, sizeof plan);
		assert_plan(plan, reads[i].plan, reads[i].sorted);
	}
	db_close(&d);
	store_close(&b->s);
	d = db_open_writer(b->dir, &a, &error);
	assert_non_null(d);
	for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
		explain(d, writes[i].id, plan, sizeof plan);
		assert_plan(plan, writes[i].plan, writes[i].sorted);
	}
	db_close(&d);
	b->s = open_store(b->dir);
	arena_clear(&a);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_node_comes_back_as_it_was_made),
		T(a_node_is_made_once),
		T(names_are_loaded_in_their_order_without_those_that_are_not),
		T(nodes_are_told_apart_by_owner),
		T(a_row_is_replaced_and_leaves_the_lists),
		T(affiliations_are_put_replaced_and_deleted),
		T(subscriptions_come_in_pages_by_jid_and_subid),
		T(a_subscription_is_replaced_and_deleted_by_its_name),
		T(unknown_nodes_are_not_found_and_not_made),
		T(nothing_is_left_of_a_deleted_node),
		T(an_account_takes_its_nodes_along),
		T(a_call_is_there_whole_or_not_at_all),
		T(an_owner_has_so_many_nodes_and_no_more),
		T(what_is_over_a_bound_is_refused_whole),
		T(what_is_at_its_bound_is_kept),
		T(a_call_has_so_many_entries_and_no_more),
		T(nodes_come_in_pages_in_byte_order),
		T(lists_have_the_listed_or_the_fleeting_ones),
		T(somebody_has_entries_at_nodes),
		T(owners_are_those_that_have_nodes),
		T(who_is_forgotten_is_nothing_to_any_node),
		T(reads_of_a_node_see_what_was_done_to_all_nodes),
		T(subscriptions_end_with_their_time),
		T(nobody_looks_at_what_is_of_others),
	};
	return cmocka_run_group_tests_name("store_nodes", tests, NULL, NULL);
}
