#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* The published vectors of 64-bit FNV-1a. Virtual shards hang on them: they never change. */
static void the_fixed_hash_is_fnv_1a(void **state)
{
	static const struct {
		struct str in;
		uint64_t hash;
	} cases[] = {
		{ STR_INIT(""), 0xcbf29ce484222325 },
		{ { NULL, 0 }, 0xcbf29ce484222325 },
		{ STR_INIT("a"), 0xaf63dc4c8601ec8c },
		{ STR_INIT("b"), 0xaf63df4c8601f1a5 },
		{ STR_INIT("foobar"), 0x85944171f73967e8 },
		{ STR_INIT("\0"), 0xaf63bd4c8601b7df },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_true(hash_fixed(cases[i].in) == cases[i].hash);
}

static void the_keyed_hash_depends_on_every_byte_and_the_length(void **state)
{
	char zeros[64] = { 0 }, text[64];

	for (size_t n = 0; n < 64; n++)
		for (size_t m = 0; m < n; m++)
			assert_true(hash_keyed(str_from(zeros, n)) !=
				hash_keyed(str_from(zeros, m)));
	for (size_t n = 1; n < 64; n++) {
		memset(text, 'a', n);
		uint64_t h = hash_keyed(str_from(text, n));
		assert_true(h == hash_keyed(str_from(text, n)));
		for (size_t i = 0; i < n; i++) {
			text[i] ^= 1;
			assert_true(h != hash_keyed(str_from(text, n)));
			text[i] ^= 1;
		}
	}
}

/* A hash that was stored yesterday must be found tomorrow. */
static void the_hash_with_a_key_is_the_same_for_ever(void **state)
{
	static const uint64_t key[2] = { 1, 2 }, other[2] = { 1, 3 };
	struct str s = STR("romeo@example.org");

	assert_true(hash_with(key, s) == 0x7a73304cce5c3ef7);
	assert_true(hash_with(other, s) != hash_with(key, s));
}

/* 64,000 alike keys in 64 buckets: 1,000 each, and a share of 800 or 1,200 is out of all
 * probability (six standard deviations). */
static void alike_keys_spread(void **state)
{
	unsigned low[64] = { 0 }, high[64] = { 0 };
	char key[32];

	for (int i = 0; i < 64000; i++) {
		int n = snprintf(key, sizeof key, "user%d@example.com", i);
		uint64_t h = hash_keyed(str_from(key, (size_t)n));
		low[h % 64]++;
		high[h >> 58]++;
	}
	for (int i = 0; i < 64; i++) {
		assert_in_range(low[i], 800, 1200);
		assert_in_range(high[i], 800, 1200);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fixed_hash_is_fnv_1a),
		cmocka_unit_test(the_hash_with_a_key_is_the_same_for_ever),
		cmocka_unit_test(the_keyed_hash_depends_on_every_byte_and_the_length),
		cmocka_unit_test(alike_keys_spread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
