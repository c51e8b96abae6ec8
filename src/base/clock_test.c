#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void both_clocks_advance_together(void **state)
{
	uint64_t mono = clock_mono_ms(), wall = clock_wall_us();

	clock_advance(3600 * 1000);
	assert_in_range(clock_mono_ms() - mono, 3600 * 1000, 3700 * 1000);
	assert_in_range(clock_wall_us() - wall, UINT64_C(3600) * 1000000,
		UINT64_C(3700) * 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_clocks_advance_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
