#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
	int n;
	struct list link;
};

static struct item items[4] = { { .n = 1 }, { .n = 2 }, { .n = 3 }, { .n = 4 } };
static struct list head;

static int fill(void **state)
{
	list_init(&head);
	for (int i = 0; i < 4; i++)
		list_add(&head, &items[i].link);
	return 0;
}

/* The numbers in order as digits. */
static int order(void)
{
	int all = 0;

	list_each(it, &head, struct item, link)
		all = all * 10 + it->n;
	return all;
}

static void elements_stand_in_the_order_of_adding(void **state)
{
	struct list none;

	assert_int_equal(order(), 1234);
	assert_ptr_equal(list_first(&head, struct item, link), &items[0]);
	list_init(&none);
	assert_true(list_empty(&none));
	assert_null(list_first(&none, struct item, link));
	list_each(it, &none, struct item, link)
		fail_msg("an element of an empty list: %d", it->n);
}

static void elements_are_taken_out_even_twice(void **state)
{
	static const struct {
		int index, left;
	} cases[] = { { 1, 134 }, { 1, 134 }, { 0, 34 }, { 3, 3 }, { 2, 0 }, { 2, 0 } };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		list_del(&items[cases[i].index].link);
		assert_int_equal(order(), cases[i].left);
	}
	assert_true(list_empty(&head));
	list_add(&head, &items[2].link);
	assert_int_equal(order(), 3);
}

static void a_safe_walk_may_take_out_what_it_sees(void **state)
{
	int seen = 0;

	list_each_safe(it, &head, struct item, link) {
		seen = seen * 10 + it->n;
		if (it->n != 3)
			list_del(&it->link);
	}
	assert_int_equal(seen, 1234);
	assert_int_equal(order(), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(elements_stand_in_the_order_of_adding, fill),
		cmocka_unit_test_setup(elements_are_taken_out_even_twice, fill),
		cmocka_unit_test_setup(a_safe_walk_may_take_out_what_it_sees, fill),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
