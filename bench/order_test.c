#include "order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { OCCUPANTS = 3, MAX = 100 };

static struct order order;
static uint64_t heard[OCCUPANTS];

static int setup(void **state)
{
	order_init(&order, OCCUPANTS, MAX);
	for (unsigned i = 0; i < OCCUPANTS; i++)
		heard[i] = 0;
	return 0;
}

static int teardown(void **state)
{
	order_clear(&order);
	return 0;
}

static void send_so_many(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t number, next = order.sent;
		assert_true(order_send(&order, &number));
		assert_int_equal(number, next);
	}
}

static void hears(unsigned who, uint64_t number, enum order_found found)
{
	uint64_t before = heard[who];

	assert_int_equal(order_hear(&order, &heard[who], number), found);
	assert_int_equal(heard[who], before + (found == ORDER_COPY || found == ORDER_LAST_COPY));
}

static void the_last_copy_ends_a_message(void **state)
{
	send_so_many(1);
	assert_false(order_is_done(&order));
	hears(2, 0, ORDER_COPY);
	hears(0, 0, ORDER_COPY);
	assert_false(order_is_done(&order));
	hears(1, 0, ORDER_LAST_COPY);
	assert_true(order_is_done(&order));
}

/* The room decides it, not who sent first. */
static void any_order_is_good_that_all_see(void **state)
{
	static const uint64_t as_seen[] = { 2, 0, 1 };

	send_so_many(3);
	for (unsigned who = 0; who < OCCUPANTS; who++)
		for (unsigned i = 0; i < 3; i++)
			hears(who, as_seen[i], who == OCCUPANTS - 1 ? ORDER_LAST_COPY : ORDER_COPY);
	assert_true(order_is_done(&order));
}

static void another_order_is_found(void **state)
{
	send_so_many(2);
	hears(0, 0, ORDER_COPY);
	hears(0, 1, ORDER_COPY);
	hears(1, 1, ORDER_OTHER);
}

static void a_copy_that_comes_twice_is_found(void **state)
{
	send_so_many(2);
	hears(0, 0, ORDER_COPY);
	hears(0, 0, ORDER_STRANGE);
	hears(0, 1, ORDER_COPY);
	hears(1, 0, ORDER_COPY);
	hears(1, 0, ORDER_OTHER);
}

static void a_missing_copy_is_found(void **state)
{
	send_so_many(2);
	hears(0, 0, ORDER_COPY);
	hears(0, 1, ORDER_COPY);
	hears(1, 1, ORDER_OTHER);
	hears(2, 0, ORDER_COPY);
	hears(2, 1, ORDER_COPY);
	assert_false(order_is_done(&order));
}

static void what_nobody_sent_is_found(void **state)
{
	hears(0, 0, ORDER_STRANGE);
	send_so_many(1);
	hears(0, 1, ORDER_STRANGE);
	hears(0, UINT64_MAX, ORDER_STRANGE);
	hears(0, 0, ORDER_COPY);
}

static void everybody_hears(uint64_t number)
{
	for (unsigned who = 0; who < OCCUPANTS; who++)
		hears(who, number, who == OCCUPANTS - 1 ? ORDER_LAST_COPY : ORDER_COPY);
}

static void so_many_may_be_under_way(void **state)
{
	uint64_t number;

	send_so_many(MAX);
	assert_false(order_send(&order, &number));
	everybody_hears(0);
	assert_true(order_send(&order, &number));
	assert_int_equal(number, MAX);
}

/* The table goes round, and what it has forgotten is not taken for what is in its place. */
static void old_numbers_are_strange(void **state)
{
	for (uint64_t i = 0; i < 3 * MAX; i++) {
		send_so_many(1);
		everybody_hears(i);
	}
	send_so_many(1);
	hears(0, 2 * MAX, ORDER_STRANGE);
	hears(0, 3 * MAX, ORDER_COPY);
}

/* One that everybody else overtakes stops the sending, before its place in the table is lost. */
static void one_that_stays_behind_is_not_forgotten(void **state)
{
	uint64_t number;

	send_so_many(1);
	for (uint64_t i = 1; i < MAX; i++) {
		send_so_many(1);
		everybody_hears(i);
	}
	assert_false(order_send(&order, &number));
	everybody_hears(0);
	send_so_many(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_last_copy_ends_a_message, setup, teardown),
		cmocka_unit_test_setup_teardown(any_order_is_good_that_all_see, setup, teardown),
		cmocka_unit_test_setup_teardown(another_order_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(a_copy_that_comes_twice_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(a_missing_copy_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(what_nobody_sent_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(so_many_may_be_under_way, setup, teardown),
		cmocka_unit_test_setup_teardown(old_numbers_are_strange, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_stays_behind_is_not_forgotten, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
