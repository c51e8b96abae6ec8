#include "core/module.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void unload(struct account *a)
{
}

static void deleted(struct account *a)
{
}

static const struct module first = { .name = "first", .deleted = deleted };
static const struct module second = { .name = "second", .unload = unload };
static const struct module third = { .name = "third", .unload = unload, .deleted = deleted };

static const struct module *const three[] = { &first, &second, &third, NULL };

static void each_member_has_its_modules_in_order(void **state)
{
	struct core core = { .modules = module_lists_new(three) };
	const struct module *const with_unload[] = { &second, &third };
	const struct module *const with_deleted[] = { &first, &third };
	unsigned n = 0;

	module_each(m, &core, name)
		assert_ptr_equal(m, three[n++]);
	assert_int_equal(n, 3);
	n = 0;
	module_each(m, &core, unload)
		assert_ptr_equal(m, with_unload[n++]);
	assert_int_equal(n, 2);
	n = 0;
	module_each(m, &core, deleted)
		assert_ptr_equal(m, with_deleted[n++]);
	assert_int_equal(n, 2);
	free(core.modules);
}

static void what_no_module_has_is_an_empty_list(void **state)
{
	struct core core = { .modules = module_lists_new(three) };

	module_each(m, &core, iq)
		fail_msg("%s has no rules", m->name);
	module_each(m, &core, room_ended)
		fail_msg("%s knows nothing of rooms", m->name);
	free(core.modules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_member_has_its_modules_in_order),
		cmocka_unit_test(what_no_module_has_is_an_empty_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
