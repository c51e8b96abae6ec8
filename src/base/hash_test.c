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
	static const struct {
		struct str in;
		uint64_t hash;
	} cases[] = { /* shorter than a word, whole words, and a rest */
		{ STR_INIT(""), 0x6bb1f8f8805663a0 },
		{ STR_INIT("ab"), 0x6c7505f2011d13e1 },
		{ STR_INIT("romeo"), 0x22bff9c554f6277a },
		{ STR_INIT("romeo@ex"), 0xdd5e912808e5fabd },
		{ STR_INIT("romeo@example"), 0x8beff5bbed5929c9 },
		{ STR_INIT("romeo@example.or"), 0x66c6c2a969d3f228 },
		{ STR_INIT("romeo@example.org"), 0x7a73304cce5c3ef7 },
		{ STR_INIT("romeo@montague.example/orchard"), 0xc678170e7e2828ad },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_true(hash_with(key, cases[i].in) == cases[i].hash);
		assert_true(hash_with(other, cases[i].in) != cases[i].hash);
	}
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
