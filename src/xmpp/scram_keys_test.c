/* Keys of passwords: real ones, and made-up ones for users that don't exist. */
#include "xmpp/sasl_private.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_keys(void **state)
{
	struct scram_keys keys, again;

	scram_keys_make(STR("pencil"), &keys);
	scram_keys_make(STR("pencil"), &again);
	for (enum digest d = 0; d < DIGEST_COUNT; d++) {
		assert_int_equal(keys.of[d].rounds, SCRAM_ROUNDS);
		assert_memory_not_equal(keys.of[d].salt, again.of[d].salt, SCRAM_SALT_LEN);
		for (enum digest e = 0; e < d; e++)
			assert_memory_not_equal(keys.of[d].salt, keys.of[e].salt, SCRAM_SALT_LEN);
	}
	assert_true(sasl_check_password(STR("pencil"), &keys));
	assert_false(sasl_check_password(STR("pencil "), &keys));
	assert_false(sasl_check_password(STR("Pencil"), &keys));
	assert_false(sasl_check_password(STR(""), &keys));
}

/* Keys taken over from a server that had one hash only, with a salt of its own length. */
static void test_single_hash(void **state)
{
	struct str salt = STR("0123456789012345678901234567890123456789");
	uint8_t client[DIGEST_MAX];

	for (enum digest d = 0; d < DIGEST_COUNT; d++) {
		struct scram_keys one = { 0 };
		struct scram_key *k = &one.of[d];
		k->rounds = 4096;
		k->n_salt = (uint8_t)salt.n;
		memcpy(k->salt, salt.p, salt.n);
		scram_derive(d, STR("pencil"), salt, k->rounds, client, k->server);
		digest_of(d, str_of_bytes(client, digest_len(d)), k->stored);
		assert_true(sasl_check_password(STR("pencil"), &one));
		assert_false(sasl_check_password(STR("pen"), &one));
	}
	struct scram_keys none = { 0 };
	assert_false(sasl_check_password(STR("pencil"), &none));
}

/* What a client sees of made-up keys is what it sees of a new account's, each time again. */
static void test_fake_keys(void **state)
{
	struct scram_keys real, fake, again, other;

	scram_keys_make(STR("pencil"), &real);
	scram_keys_fake(STR("secret"), STR("user"), &fake);
	scram_keys_fake(STR("secret"), STR("user"), &again);
	for (enum digest d = 0; d < DIGEST_COUNT; d++) {
		assert_int_equal(fake.of[d].rounds, real.of[d].rounds);
		assert_int_equal(fake.of[d].n_salt, real.of[d].n_salt);
		assert_memory_equal(fake.of[d].salt, again.of[d].salt, fake.of[d].n_salt);
		for (enum digest e = 0; e < d; e++)
			assert_memory_not_equal(fake.of[d].salt, fake.of[e].salt, SCRAM_SALT_LEN);
	}
	scram_keys_fake(STR("secret"), STR("user2"), &other);
	assert_memory_not_equal(fake.of[0].salt, other.of[0].salt, SCRAM_SALT_LEN);
	scram_keys_fake(STR("secret2"), STR("user"), &other);
	assert_memory_not_equal(fake.of[0].salt, other.of[0].salt, SCRAM_SALT_LEN);
	assert_false(sasl_check_password(STR("pencil"), &fake));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_single_hash),
		cmocka_unit_test(test_fake_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
