#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void allocations_are_aligned_and_apart(void **state)
{
	struct arena a;
	char *p[200];

	arena_init(&a, 256);
	assert_null(a.chunk); /* nothing is taken before it is asked for */
	for (size_t n = 0; n < 200; n++) {
		p[n] = arena_alloc(&a, n);
		assert_non_null(p[n]);
		assert_int_equal((uintptr_t)p[n] % 8, 0);
		memset(p[n], (int)n, n);
	}
	for (size_t n = 0; n < 200; n++)
		for (size_t i = 0; i < n; i++)
			assert_int_equal((unsigned char)p[n][i], n);
	arena_clear(&a);
	assert_null(a.chunk);
}

static void a_large_allocation_gets_a_chunk_of_its_own(void **state)
{
	struct arena a;

	arena_init(&a, 64);
	char *small = arena_alloc(&a, 8);
	char *large = arena_alloc(&a, 100000);
	memset(small, 1, 8);
	memset(large, 2, 100000);
	assert_int_equal(small[7], 1);
	arena_clear(&a);
}

static void a_reset_keeps_one_chunk(void **state)
{
	struct arena a;

	arena_init(&a, 1024);
	arena_reset(&a); /* of an empty one: nothing */
	assert_null(a.chunk);
	for (int i = 0; i < 10; i++)
		arena_alloc(&a, 500);
	arena_reset(&a);
	assert_non_null(a.chunk);
	struct arena_chunk *kept = a.chunk;
	char *first = arena_alloc(&a, 500);
	memset(first, 1, 500);
	assert_ptr_equal(a.chunk, kept);
	arena_reset(&a);
	assert_ptr_equal(arena_alloc(&a, 500), first);

	arena_alloc(&a, 100000); /* one that was large for once is not kept */
	arena_reset(&a);
	assert_null(a.chunk);
	arena_clear(&a);
}

static void copies_end_in_a_nul(void **state)
{
	struct arena a;

	arena_init(&a, 64);
	struct str s = str_dup(&a, STR("a\0b"));
	assert_int_equal(s.n, 3);
	assert_memory_equal(s.p, "a\0b", 4);
	s = str_dup(&a, STR_NULL);
	assert_int_equal(s.n, 0);
	assert_string_equal(s.p, "");
	s = str_printf(&a, "%s-%d-%.*s", "x", 7, STR_FMT(STR("yz")));
	assert_int_equal(s.n, 6);
	assert_string_equal(s.p, "x-7-yz");
	s = str_printf(&a, "%1000d", 1);
	assert_int_equal(s.n, 1000);
	assert_int_equal(s.p[999], '1');
	arena_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocations_are_aligned_and_apart),
		cmocka_unit_test(a_large_allocation_gets_a_chunk_of_its_own),
		cmocka_unit_test(a_reset_keeps_one_chunk),
		cmocka_unit_test(copies_end_in_a_nul),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
