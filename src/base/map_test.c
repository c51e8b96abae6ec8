#include "base/map.h"

#include "base/bug.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ITEMS 1000

struct item {
	struct map_node node;
	char key[16];
	size_t n_key;
	bool in;
	unsigned seen;
};

static struct item items[ITEMS];
static struct map map;

static struct str item_key(const struct map_node *node)
{
	const struct item *it = container_of(node, const struct item, node);

	return str_from(it->key, it->n_key);
}

static int setup(void **state)
{
	map_init(&map, item_key);
	for (int i = 0; i < ITEMS; i++) {
		items[i] = (struct item){ 0 };
		items[i].n_key = (size_t)snprintf(items[i].key, sizeof items[i].key, "%d", i);
	}
	return 0;
}

static int teardown(void **state)
{
	map_clear(&map);
	return 0;
}

static struct str key_of(int i)
{
	return str_from(items[i].key, items[i].n_key);
}

static void put(int i)
{
	map_put(&map, &items[i].node);
	items[i].in = true;
}

static void del(int i)
{
	map_del(&map, &items[i].node);
	items[i].in = false;
}

/* Looked up and walked through, the map holds what it should. */
static void check(void)
{
	unsigned n = 0;

	for (int i = 0; i < ITEMS; i++) {
		struct map_node *got = map_get(&map, key_of(i));
		assert_ptr_equal(got, items[i].in ? &items[i].node : NULL);
		n += items[i].in;
		items[i].seen = 0;
	}
	assert_int_equal(map.n, n);
	for (struct map_node *e = map_next(&map, NULL); e; e = map_next(&map, e))
		container_of(e, struct item, node)->seen++;
	for (int i = 0; i < ITEMS; i++)
		assert_int_equal(items[i].seen, items[i].in);
}

static void an_empty_map_has_nothing(void **state)
{
	check();
	assert_null(map_get(&map, STR("")));
	assert_null(map_next(&map, NULL));
	assert_null(map.buckets);
	put(1);
	del(1);
	check();
}

static void entries_come_and_go(void **state)
{
	for (int i = 0; i < ITEMS; i++) {
		put(i);
		if (i < 20)
			check();
	}
	check();
	for (int i = 0; i < ITEMS; i += 3)
		del(i);
	check();
	for (int i = 0; i < ITEMS; i += 6)
		put(i);
	check();
	for (int i = 0; i < ITEMS; i++)
		if (items[i].in)
			del(i);
	check();
}

static void a_walk_may_take_out_where_it_was(void **state)
{
	struct map_node *e, *next;
	unsigned n = 0;

	for (int i = 0; i < ITEMS; i++)
		put(i);
	for (e = map_next(&map, NULL); e; e = next, n++) {
		next = map_next(&map, e);
		if (n % 2) {
			map_del(&map, e);
			container_of(e, struct item, node)->in = false;
		}
	}
	assert_int_equal(n, ITEMS);
	assert_int_equal(map.n, ITEMS / 2);
	check();
}

static void keys_are_bytes(void **state)
{
	memcpy(items[0].key, "a\0b", 3);
	memcpy(items[1].key, "a\0c", 3);
	items[0].n_key = items[1].n_key = 3;
	items[2].n_key = 0;
	for (int i = 0; i < 3; i++)
		put(i);
	assert_ptr_equal(map_get(&map, STR("a\0b")), &items[0].node);
	assert_ptr_equal(map_get(&map, STR("a\0c")), &items[1].node);
	assert_ptr_equal(map_get(&map, STR_NULL), &items[2].node);
	assert_null(map_get(&map, STR("a")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_map_has_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(entries_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(a_walk_may_take_out_where_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_are_bytes, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
