/* Items of nodes (store/nodes.h). */
#include "base/clock.h"
#include "store/nodes_testing.h"

static int set_up_node(void **state)
{
	set_up(state);
	return make_node(*state, SERVICE, STR(""), NODE) == STORE_OK ? 0 : -1;
}

static enum store_status add(struct bench *b, const char id[2], uint64_t keep)
{
	const struct store_node_item item = item_of(id);

	return publish(b, SERVICE, STR(""), &item, 1, keep, &no_bounds);
}

static void add_all(struct bench *b, const char *ids)
{
	for (; *ids; ids += 2)
		assert_int_equal(add(b, ids, UINT64_MAX), STORE_OK);
}

static const struct store_op *read_items(struct bench *b, const struct store_items_query *query)
{
	store_node_items(b->s, new_op(b), SERVICE, STR(""), NODE, query);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	return b->last;
}

/* The ids of a page, one after the other: each has two bytes. */
static void assert_page(struct bench *b, const struct store_items_query *query, const char *ids,
	bool more)
{
	const struct store_op *op = read_items(b, query);
	char is[64] = "";

	for (size_t i = 0; i < op->n_items; i++) {
		assert_int_equal(op->items[i].id.n, 2);
		assert_true(2 * i + 2 < sizeof is);
		memcpy(is + 2 * i, op->items[i].id.p, 2);
	}
	assert_string_equal(is, ids);
	assert_int_equal(op->more, more);
}

static const struct store_items_query all = { .max = 100 };

static void assert_all(struct bench *b, const char *ids)
{
	assert_page(b, &all, ids, false);
	assert_int_equal(b->last->node->n_items, strlen(ids) / 2);
}

static uint64_t number_of(struct bench *b, const char id[2])
{
	const struct str name = str_from(id, 2);
	const struct store_op *op = read_items(b, &(struct store_items_query){ &name, 1 });

	assert_int_equal(op->n_items, 1);
	return op->items[0].number;
}

/* --- Publishing ----------------------------------------------------------------------- */

static void an_item_comes_back_as_it_was_published(void **state)
{
	const struct store_node_item item = { .id = STR("'; \xc3\xa9"), .publisher = STR("a@x/y"),
		.payload = str_from("<e/>\0\xff", 6), .stamp_us = 1700000000123456,
		.until_us = clock_wall_us() + 1000000000 };
	struct bench *b = *state;

	assert_int_equal(publish(b, SERVICE, STR(""), &item, 1, 9, &no_bounds), STORE_OK);
	const struct store_op *op = read_items(b, &all);
	assert_int_equal(op->n_items, 1);
	assert_true(op->items[0].number > 0);
	assert_str(op->items[0].id, item.id);
	assert_str(op->items[0].publisher, item.publisher);
	assert_str(op->items[0].payload, item.payload);
	assert_int_equal(op->items[0].stamp_us, item.stamp_us);
	assert_int_equal(op->items[0].until_us, item.until_us);
	assert_str(op->node->name, NODE);
	assert_int_equal(op->node->n_bytes, 16);
}

static void an_item_takes_the_place_of_the_one_with_its_id(void **state)
{
	struct store_node_item again = item_of("i1");
	struct bench *b = *state;

	add_all(b, "i1i2i3");
	uint64_t last = number_of(b, "i3");
	again.payload = STR("<entry n='2'/>");
	assert_int_equal(publish(b, SERVICE, STR(""), &again, 1, 3, &no_bounds), STORE_OK);
	assert_all(b, "i2i3i1");
	assert_str(b->last->items[2].payload, again.payload);
	assert_true(b->last->items[2].number > last);
	assert_totals(b, SERVICE, STR(""), 1, 10 + 10 + 16);
}

static void numbers_are_not_used_again(void **state)
{
	struct bench *b = *state;

	add_all(b, "i1");
	uint64_t last = number_of(b, "i1");
	store_node_purge(b->s, new_op(b), SERVICE, STR(""), NODE, 0);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	add_all(b, "i1");
	assert_true(number_of(b, "i1") > last);
}

static void the_newest_items_stay(void **state)
{
	struct bench *b = *state;

	add_all(b, "i1i2i3");
	assert_int_equal(add(b, "i4", 2), STORE_OK);
	assert_all(b, "i3i4");
	assert_totals(b, SERVICE, STR(""), 1, 20);
	store_node_save(b->s, new_op(b), SERVICE, STR(""), NODE, NULL, NULL, 0, NULL, 0, 1);
	assert_all(b, "i4");
	assert_int_equal(add(b, "i5", 0), STORE_OK);
	assert_all(b, "");
	assert_totals(b, SERVICE, STR(""), 1, 0);
}

static void a_node_is_made_with_its_first_item_if_so_asked(void **state)
{
	const struct store_node row = { .title = STR("made") };
	const struct store_node_item item = item_of("i1");
	struct bench *b = *state;

	assert_int_equal(publish(b, HOST, STR("romeo"), &item, 1, 9, &no_bounds), STORE_NOT_FOUND);
	assert_false(node_is_there(b, HOST, STR("romeo"), NODE));
	store_node_publish(b->s, new_op(b), HOST, STR("romeo"), NODE, &row, &item, 1, 9,
		&no_bounds);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	const struct store_node *node = load_node(b, HOST, STR("romeo"), NODE);
	assert_str(node->title, row.title);
	assert_int_equal(node->n_items, 1);
	/* One that is there is left as it is. */
	store_node_publish(b->s, new_op(b), SERVICE, STR(""), NODE, &row, &item, 1, 9, &no_bounds);
	assert_str(load_node(b, SERVICE, STR(""), NODE)->title, STR(""));
}

static void an_owner_has_so_many_bytes_and_no_more(void **state)
{
	const struct store_node_bounds bounds = { .bytes = 25 };
	const struct store_node_item items[] = { item_of("i1"), item_of("i2"), item_of("i3") };
	struct bench *b = *state;

	for (size_t i = 0; i < 3; i++)
		store_node_publish(b->s, new_op(b), SERVICE, STR(""), NODE, NULL, &items[i], 1, 9,
			&bounds);
	assert_int_equal(wait_all(b)->status, STORE_FULL);
	assert_all(b, "i1i2");
	/* What goes at the same time is not counted; and all of a call or none of it. */
	assert_int_equal(publish(b, SERVICE, STR(""), &items[2], 1, 2, &bounds), STORE_OK);
	assert_all(b, "i2i3");
	assert_int_equal(publish(b, SERVICE, STR(""), items, 2, 9, &bounds), STORE_FULL);
	assert_all(b, "i2i3");
	assert_totals(b, SERVICE, STR(""), 1, 20);
}

static void what_is_over_a_bound_is_refused_whole(void **state)
{
	char *big = xcalloc(1, STORE_NODE_ITEM_MAX);
	struct store_node_item items[] = { item_of("i1"), item_of("i2") };
	struct store_node_item *many = xcalloc(STORE_NODE_ITEMS_MAX + 1, sizeof *many);
	struct bench *b = *state;

	items[1].payload = str_from(big, STORE_NODE_ITEM_MAX - 1);
	assert_int_equal(publish(b, SERVICE, STR(""), items, 2, 9, &no_bounds), STORE_FULL);
	assert_int_equal(publish(b, SERVICE, STR(""), many, STORE_NODE_ITEMS_MAX + 1, 9,
		&no_bounds), STORE_FULL);
	assert_all(b, "");
	free(many);
	free(big);
}

/* --- Retracting ----------------------------------------------------------------------- */

static void items_are_retracted_by_their_ids(void **state)
{
	const struct str ids[] = { STR("i1"), STR("no"), STR("i3") };
	struct bench *b = *state;

	add_all(b, "i1i2i3");
	store_node_retract(b->s, new_op(b), SERVICE, STR(""), NODE, ids, 3);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_int_equal(b->last->n_all, 2);
	assert_all(b, "i2");
	store_node_retract(b->s, new_op(b), SERVICE, STR(""), NODE, ids, 3);
	assert_int_equal(wait_all(b)->status, STORE_NOT_FOUND);
	assert_totals(b, SERVICE, STR(""), 1, 10);
}

static void a_purged_node_is_empty_and_there(void **state)
{
	struct bench *b = *state;

	add_all(b, "i1i2i3");
	store_node_purge(b->s, new_op(b), SERVICE, STR(""), NODE, 0);
	assert_all(b, "");
	assert_totals(b, SERVICE, STR(""), 1, 0);
}

/* Items that have the ids "0", "1" and so on. */
static void add_many(struct bench *b, size_t n)
{
	struct store_node_item *items = xcalloc(STORE_NODE_ITEMS_MAX, sizeof *items);
	char (*ids)[8] = xcalloc(STORE_NODE_ITEMS_MAX, sizeof *ids);

	for (size_t done = 0; done < n;) {
		size_t k = 0;
		for (; k < STORE_NODE_ITEMS_MAX && done < n; k++, done++) {
			snprintf(ids[k], sizeof *ids, "%zu", done);
			items[k].id = str_c(ids[k]);
		}
		assert_int_equal(publish(b, SERVICE, STR(""), items, k, UINT64_MAX, &no_bounds),
			STORE_OK);
	}
	free(ids);
	free(items);
}

/* What is published between two steps stays. */
static void a_large_node_is_purged_in_steps(void **state)
{
	struct bench *b = *state;

	add_many(b, STORE_NODE_STEP + 2);
	store_node_purge(b->s, new_op(b), SERVICE, STR(""), NODE, 0);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_true(b->last->more);
	uint64_t upto = b->last->number;
	add_all(b, "i1");
	assert_true(number_of(b, "i1") > upto);
	assert_int_equal(load_node(b, SERVICE, STR(""), NODE)->n_items, 3);
	store_node_purge(b->s, new_op(b), SERVICE, STR(""), NODE, upto);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_false(b->last->more);
	assert_all(b, "i1");
	assert_totals(b, SERVICE, STR(""), 1, 10);
}

static void a_lower_bound_of_items_is_kept_in_steps(void **state)
{
	struct bench *b = *state;

	add_many(b, STORE_NODE_STEP + 2);
	add_all(b, "i1");
	store_node_save(b->s, new_op(b), SERVICE, STR(""), NODE, NULL, NULL, 0, NULL, 0, 1);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_true(b->last->more);
	assert_int_equal(load_node(b, SERVICE, STR(""), NODE)->n_items, 3);
	store_node_save(b->s, new_op(b), SERVICE, STR(""), NODE, NULL, NULL, 0, NULL, 0, 1);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_false(b->last->more);
	assert_all(b, "i1");
}

static void what_has_expired_is_not_found_and_goes_in_steps(void **state)
{
	struct store_node_item items[] = { item_of("i1"), item_of("i2"), item_of("i3"),
		item_of("i4") };
	const struct str id = items[0].id;
	uint64_t now = clock_wall_us();
	struct bench *b = *state;

	items[0].until_us = items[1].until_us = items[2].until_us = now;
	items[3].until_us = now + 1000000000;
	publish(b, SERVICE, STR(""), items, 4, 9, &no_bounds);
	assert_page(b, &all, "i4", false);
	assert_page(b, &(struct store_items_query){ &id, 1 }, "", false);
	store_nodes_expire(b->s, new_op(b), now, 2);
	assert_int_equal(wait_all(b)->n_all, 2);
	assert_true(b->last->more);
	store_nodes_expire(b->s, new_op(b), now, 2);
	assert_int_equal(wait_all(b)->n_all, 1);
	assert_false(b->last->more);
	assert_all(b, "i4");
	assert_totals(b, SERVICE, STR(""), 1, 10);
}

/* --- Pages ---------------------------------------------------------------------------- */

static void items_come_in_pages_from_both_ends(void **state)
{
	struct bench *b = *state;

	add_all(b, "i1i2i3i4i5");
	uint64_t i2 = number_of(b, "i2"), i4 = number_of(b, "i4");
	assert_page(b, &(struct store_items_query){ .max = 2 }, "i1i2", true);
	assert_page(b, &(struct store_items_query){ .max = 2, .newest = true }, "i4i5", true);
	assert_page(b, &(struct store_items_query){ .max = 2, .after = i2 }, "i3i4", true);
	assert_page(b, &(struct store_items_query){ .max = 3, .after = i2 }, "i3i4i5", false);
	assert_page(b, &(struct store_items_query){ .max = 2, .before = i4, .newest = true },
		"i2i3", true);
	assert_page(b, &(struct store_items_query){ .max = 3, .before = i4, .newest = true },
		"i1i2i3", false);
	assert_page(b, &(struct store_items_query){ .max = 9, .after = i2, .before = i4 }, "i3",
		false);
	assert_page(b, &(struct store_items_query){ .max = 9, .after = UINT64_MAX }, "", false);
	assert_page(b, &(struct store_items_query){ .max = UINT32_MAX, .before = UINT64_MAX },
		"i1i2i3i4i5", false);
	assert_page(b, &(struct store_items_query){ .max = 0 }, "", true);
}

static void items_come_by_their_ids_in_the_order_of_these(void **state)
{
	const struct str ids[] = { STR("i3"), STR("no"), STR("i1") };
	struct bench *b = *state;

	add_all(b, "i1i2i3");
	assert_page(b, &(struct store_items_query){ .ids = ids, .n_ids = 3 }, "i3i1", false);
}

static void items_come_by_their_times(void **state)
{
	struct store_node_item items[] = { item_of("i1"), item_of("i2"), item_of("i3") };
	struct bench *b = *state;

	for (size_t i = 0; i < 3; i++)
		items[i].stamp_us = 100 * (i + 1);
	publish(b, SERVICE, STR(""), items, 3, 9, &no_bounds);
	assert_page(b, &(struct store_items_query){ .max = 9, .from_us = 200 }, "i2i3", false);
	assert_page(b, &(struct store_items_query){ .max = 9, .to_us = 200 }, "i1i2", false);
	assert_page(b, &(struct store_items_query){ .max = 9, .from_us = 101, .to_us = 299 }, "i2",
		false);
	assert_page(b, &(struct store_items_query){ .max = 9, .from_us = 301 }, "", false);
	assert_page(b, &(struct store_items_query){ .max = 9, .to_us = 99 }, "", false);
}

static void a_page_ends_before_it_has_too_many_bytes_but_has_one(void **state)
{
	struct bench *b = *state;

	add_all(b, "i1i2i3");
	assert_page(b, &(struct store_items_query){ .max = 9, .max_bytes = 20 }, "i1i2", true);
	assert_page(b, &(struct store_items_query){ .max = 9, .max_bytes = 29 }, "i1i2", true);
	assert_page(b, &(struct store_items_query){ .max = 9, .max_bytes = 30 }, "i1i2i3", false);
	assert_page(b, &(struct store_items_query){ .max = 9, .max_bytes = 1, .newest = true },
		"i3", true);
}

static void items_of_a_node_that_is_not_are_not_found(void **state)
{
	struct bench *b = *state;

	store_node_items(b->s, new_op(b), HOST, STR("romeo"), NODE, &all);
	assert_int_equal(wait_all(b)->status, STORE_NOT_FOUND);
}

static void reads_see_the_writes_before_them(void **state)
{
	const struct store_node_item item = item_of("i1");
	struct bench *b = *state;

	for (int i = 0; i < 100; i++) {
		store_node_publish(b->s, new_op(b), SERVICE, STR(""), NODE, NULL, &item, 1, 9,
			&no_bounds);
		assert_all(b, "i1");
		store_node_retract(b->s, new_op(b), SERVICE, STR(""), NODE, &item.id, 1);
		assert_all(b, "");
	}
}

/* --- Counters ------------------------------------------------------------------------- */

static void assert_counters(struct bench *b)
{
	assert_int_equal(ask(b, "SELECT count(*) FROM nodes AS n WHERE "
		"items <> (SELECT count(*) FROM node_items WHERE node = n.id) OR "
		"bytes <> (SELECT coalesce(sum(length(CAST(id AS BLOB)) + "
		"length(CAST(publisher AS BLOB)) + length(payload)), 0) FROM node_items "
		"WHERE node = n.id) OR "
		"subscriptions <> (SELECT count(*) FROM node_subscriptions WHERE node = n.id)"), 0);
	assert_int_equal(ask(b, "SELECT count(*) FROM node_owners AS o WHERE "
		"nodes <> (SELECT count(*) FROM nodes WHERE owner = o.id) OR "
		"bytes <> (SELECT coalesce(sum(bytes), 0) FROM nodes WHERE owner = o.id)"), 0);
}

static unsigned chance(unsigned n)
{
	static uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return (state >> 16) % n;
}

/* Some write, of a few nodes, items and people, so that most meet what others left. Two items of a
 * call may have one id. */
static void write_something(struct bench *b)
{
	static const char *const names[] = { "a", "b", "c" };
	static const char *const ids[] = { "1", "22", "\xc3\xa9" };
	static const struct store_node row;
	const struct store_node_bounds bounds = { 2, 100 };
	struct str user = chance(2) ? STR("romeo") : STR(""), host = user.n ? HOST : SERVICE;
	struct str name = str_c(names[chance(3)]), id = str_c(ids[chance(3)]);
	uint64_t keep = chance(2) ? UINT64_MAX : chance(3);
	const struct store_node_item items[] = { { .id = id, .publisher = STR("\xc3\xa9@x"),
		.payload = STR("<e/>"), .until_us = chance(2) },
		{ .id = str_c(ids[chance(3)]), .payload = str_from("<entry/>", chance(9)) } };
	const struct store_subscription subscription = { .jid = STR("romeo@example.org/x"),
		.subid = id, .state = chance(3) ? STR("subscribed") : STR(""),
		.until_us = chance(2) };
	struct store_op *op = new_op(b);

	switch (chance(12)) {
	case 0:
		store_node_delete(b->s, op, host, user, name);
		break;
	case 1:
		store_node_retract(b->s, op, host, user, name, &id, 1);
		break;
	case 2:
		store_node_purge(b->s, op, host, user, name, 0);
		break;
	case 3:
		store_nodes_expire(b->s, op, 1, 2);
		break;
	case 4:
		store_nodes_forget(b->s, op, STR("romeo@example.org"));
		break;
	case 5:
		store_account_delete(b->s, op, HOST, STR("romeo"));
		store_account_create(b->s, new_op(b), HOST, STR("romeo"), some_keys, 1);
		break;
	case 6: case 7: case 8:
		store_node_save(b->s, op, host, user, name, NULL, NULL, 0, &subscription, 1, keep);
		break;
	default:
		store_node_publish(b->s, op, host, user, name, &row, items, 2, keep, &bounds);
	}
}

/* In groups, as the writer finds them: what one call undoes is counted back alone. */
static void counters_agree_with_the_tables_after_any_writes(void **state)
{
	struct bench *b = *state;

	create(b, STR("romeo"));
	for (int i = 0; i < 100; i++) {
		for (int k = 0; k < 20; k++)
			write_something(b);
		wait_all(b);
		assert_counters(b);
	}
	assert_int_equal(ask(b, "SELECT count(*) FROM node_owners WHERE nodes > 2 OR bytes > 100"),
		0);
}

/* A million items are no matter to who asks for a page, wherever it is. */
static void no_page_looks_at_other_items(void **state)
{
	static const struct {
		enum statement id;
		const char *plan;
	} cases[] = {
		{ ST_ITEMS_UP, "INDEX node_items_in_order (node=? AND rowid>? AND rowid<?)\n" },
		{ ST_ITEMS_DOWN, "INDEX node_items_in_order (node=? AND rowid>? AND rowid<?)\n" },
		{ ST_ITEM_NAMED, "INDEX sqlite_autoindex_node_items_1 (node=? AND id=?)\n" },
		{ ST_ITEM_FROM, "INDEX node_items_by_time (node=? AND stamp_us>?)\n" },
		{ ST_ITEM_TO, "INDEX node_items_by_time (node=? AND stamp_us<?)\n" },
		{ ST_NODE, "INDEX sqlite_autoindex_nodes_1 (owner=? AND name=?)\n" },
		{ ST_NODES, "INDEX sqlite_autoindex_nodes_1 (owner=? AND name>?)\n" },
		{ ST_NODES_LISTED, "INDEX nodes_listed (owner=? AND name>?)\n" },
		{ ST_NODES_FLEETING, "INDEX nodes_fleeting (owner=? AND name>?)\n" },
		{ ST_NODE_SUBSCRIPTIONS, "PRIMARY KEY (node=? AND (jid,subid)>(?,?))\n" },
	};
	struct bench *b = *state;
	struct str error = STR_NULL;
	struct arena a;
	char plan[2000];

	arena_init(&a, 1024);
	struct db *d = db_open_reader(b->dir, &a, &error);
	assert_non_null(d);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		explain(d, cases[i].id, plan, sizeof plan);
		assert_plan(plan, cases[i].plan, false);
	}
	db_close(&d);
	arena_clear(&a);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up_node, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_item_comes_back_as_it_was_published),
		T(an_item_takes_the_place_of_the_one_with_its_id),
		T(numbers_are_not_used_again),
		T(the_newest_items_stay),
		T(a_node_is_made_with_its_first_item_if_so_asked),
		T(an_owner_has_so_many_bytes_and_no_more),
		T(what_is_over_a_bound_is_refused_whole),
		T(items_are_retracted_by_their_ids),
		T(a_purged_node_is_empty_and_there),
		T(a_large_node_is_purged_in_steps),
		T(a_lower_bound_of_items_is_kept_in_steps),
		T(what_has_expired_is_not_found_and_goes_in_steps),
		T(items_come_in_pages_from_both_ends),
		T(items_come_by_their_ids_in_the_order_of_these),
		T(items_come_by_their_times),
		T(a_page_ends_before_it_has_too_many_bytes_but_has_one),
		T(items_of_a_node_that_is_not_are_not_found),
		T(reads_see_the_writes_before_them),
		T(counters_agree_with_the_tables_after_any_writes),
		T(no_page_looks_at_other_items),
	};
	return cmocka_run_group_tests_name("store_items", tests, NULL, NULL);
}
