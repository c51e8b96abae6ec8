#include "base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void assert_hex(enum digest d, const uint8_t *got, const char *want)
{
	char hex[2 * DIGEST_MAX + 1] = "";

	for (size_t i = 0; i < digest_len(d); i++)
		snprintf(hex + 2 * i, 3, "%02x", got[i]);
	assert_string_equal(hex, want);
}

/* The examples of FIPS 180 */
static void digests_are_those_of_the_standard(void **state)
{
	static const struct {
		enum digest d;
		struct str in;
		const char *hex;
	} cases[] = {
		{ DIGEST_SHA1, STR_INIT("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d" },
		{ DIGEST_SHA1, { NULL, 0 }, "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
		{ DIGEST_SHA256, STR_INIT("abc"),
			"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ DIGEST_SHA256, { NULL, 0 },
			"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ DIGEST_SHA512, STR_INIT("abc"),
			"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
			"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
	};
	uint8_t out[DIGEST_MAX];

	assert_int_equal(digest_len(DIGEST_SHA1), 20);
	assert_int_equal(digest_len(DIGEST_SHA256), 32);
	assert_int_equal(digest_len(DIGEST_SHA512), 64);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		digest_of(cases[i].d, cases[i].in, out);
		assert_hex(cases[i].d, out, cases[i].hex);
	}
}

/* The examples of FIPS 202 */
static void sha_3_is_that_of_the_standard(void **state)
{
	uint8_t out[DIGEST_MAX];

	digest_sha3_256(STR_NULL, out);
	assert_hex(DIGEST_SHA256, out,
		"a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a");
	digest_sha3_256(STR("abc"), out);
	assert_hex(DIGEST_SHA256, out,
		"3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
}

/* RFC 2202 and RFC 4231, test case 2; the empty ones are in common use */
static void hmacs_are_those_of_the_rfcs(void **state)
{
	static const struct {
		enum digest d;
		struct str key, in;
		const char *hex;
	} cases[] = {
		{ DIGEST_SHA1, STR_INIT("Jefe"), STR_INIT("what do ya want for nothing?"),
			"effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
		{ DIGEST_SHA256, STR_INIT("Jefe"), STR_INIT("what do ya want for nothing?"),
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ DIGEST_SHA512, STR_INIT("Jefe"), STR_INIT("what do ya want for nothing?"),
			"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
			"9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" },
		{ DIGEST_SHA1, STR_INIT(""), STR_INIT(""),
			"fbdb1d1b18aa6c08324b7d64b71fb76370690e1d" },
		{ DIGEST_SHA256, { NULL, 0 }, { NULL, 0 },
			"b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" },
	};
	uint8_t out[DIGEST_MAX];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		digest_hmac(cases[i].d, cases[i].key, cases[i].in, out);
		assert_hex(cases[i].d, out, cases[i].hex);
	}
}

/* RFC 6070 for SHA-1, RFC 7914 section 11 for SHA-256 (the first half of its output) */
static void pbkdf2_is_that_of_the_rfcs(void **state)
{
	static const struct {
		enum digest d;
		struct str password, salt;
		uint32_t rounds;
		const char *hex;
	} cases[] = {
		{ DIGEST_SHA1, STR_INIT("password"), STR_INIT("salt"), 1,
			"0c60c80f961f0e71f3a9b524af6012062fe037a6" },
		{ DIGEST_SHA1, STR_INIT("password"), STR_INIT("salt"), 2,
			"ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957" },
		{ DIGEST_SHA1, STR_INIT("password"), STR_INIT("salt"), 4096,
			"4b007901b765489abead49d926f721d065a429c1" },
		{ DIGEST_SHA256, STR_INIT("passwd"), STR_INIT("salt"), 1,
			"55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc" },
		{ DIGEST_SHA256, STR_INIT("Password"), STR_INIT("NaCl"), 80000,
			"4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56" },
	};
	uint8_t out[DIGEST_MAX];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		digest_pbkdf2(cases[i].d, cases[i].password, cases[i].salt, cases[i].rounds, out);
		assert_hex(cases[i].d, out, cases[i].hex);
	}
}

/* Also for more bytes than getrandom() gives at once. */
static void random_bytes_fill_all(void **state)
{
	static uint8_t a[2000], b[2000];
	unsigned zeros = 0;

	random_bytes(a, 0);
	assert_int_equal(a[0], 0);
	random_bytes(a, sizeof a);
	random_bytes(b, sizeof b);
	assert_memory_not_equal(a, b, 32);
	assert_memory_not_equal(a + sizeof a - 32, b + sizeof b - 32, 32);
	for (size_t i = 0; i < sizeof a; i++)
		zeros += a[i] == 0;
	assert_in_range(zeros, 0, 60); /* 8 are to be expected */
}

static void secrets_are_compared_whole_and_wiped(void **state)
{
	char a[] = "secret", b[] = "secret";

	assert_true(equal_secret(a, b, sizeof a));
	assert_true(equal_secret(a, b, 0));
	for (size_t i = 0; i < sizeof a; i++) {
		b[i] ^= 1;
		assert_false(equal_secret(a, b, sizeof a));
		b[i] ^= 1;
	}
	wipe(a, sizeof a);
	for (size_t i = 0; i < sizeof a; i++)
		assert_int_equal(a[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_those_of_the_standard),
		cmocka_unit_test(sha_3_is_that_of_the_standard),
		cmocka_unit_test(hmacs_are_those_of_the_rfcs),
		cmocka_unit_test(pbkdf2_is_that_of_the_rfcs),
		cmocka_unit_test(random_bytes_fill_all),
		cmocka_unit_test(secrets_are_compared_whole_and_wiped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
