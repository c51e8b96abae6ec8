/* Keys of passwords (RFC 5802 section 3). */
#include "base/bug.h"
#include "xmpp/sasl_private.h"

void scram_derive(enum digest d, struct str password, struct str salt, uint32_t rounds,
	uint8_t client[DIGEST_MAX], uint8_t server[DIGEST_MAX])
{
	uint8_t salted[DIGEST_MAX];

	digest_pbkdf2(d, password, salt, rounds, salted);
	digest_hmac(d, str_of_bytes(salted, digest_len(d)), STR("Client Key"), client);
	digest_hmac(d, str_of_bytes(salted, digest_len(d)), STR("Server Key"), server);
	wipe(salted, sizeof salted);
}

static void make_key(enum digest d, struct str password, struct scram_key *key)
{
	uint8_t client[DIGEST_MAX];

	*key = (struct scram_key){ .rounds = SCRAM_ROUNDS, .n_salt = SCRAM_SALT_LEN };
	random_bytes(key->salt, key->n_salt);
	scram_derive(d, password, str_of_bytes(key->salt, key->n_salt), key->rounds, client,
		key->server);
	digest_of(d, str_of_bytes(client, digest_len(d)), key->stored);
	wipe(client, sizeof client);
}

void scram_keys_make(struct str password, struct scram_keys *out)
{
	for (enum digest d = 0; d < DIGEST_COUNT; d++)
		make_key(d, password, &out->of[d]);
}

/* The hash to check a password with. Keys taken over from another server may lack some. */
static enum digest choose(const struct scram_keys *keys)
{
	if (keys->of[DIGEST_SHA256].rounds)
		return DIGEST_SHA256;
	return keys->of[DIGEST_SHA512].rounds ? DIGEST_SHA512 : DIGEST_SHA1;
}

bool sasl_check_password(struct str password, const struct scram_keys *keys)
{
	enum digest d = choose(keys);
	const struct scram_key *key = &keys->of[d];
	uint8_t client[DIGEST_MAX], server[DIGEST_MAX], stored[DIGEST_MAX];

	if (!key->rounds)
		return false;
	scram_derive(
		d, password, str_of_bytes(key->salt, key->n_salt), key->rounds, client, server);
	digest_of(d, str_of_bytes(client, digest_len(d)), stored);
	bool right = equal_secret(stored, key->stored, digest_len(d));
	wipe(client, sizeof client);
	wipe(server, sizeof server);
	return right;
}

/* One part of a key that nobody has: looks random, the same for the same user and secret. */
static void make_up(struct str secret, struct str user, enum digest d, const char *part,
	uint8_t out[DIGEST_MAX])
{
	uint8_t key[DIGEST_MAX];
	char label[16];
	int n = snprintf(label, sizeof label, "%s %u", part, (unsigned)d);

	digest_hmac(DIGEST_SHA512, secret, str_from(label, (size_t)n), key);
	digest_hmac(DIGEST_SHA512, str_of_bytes(key, digest_len(DIGEST_SHA512)), user, out);
}

void scram_keys_fake(struct str secret, struct str user, struct scram_keys *out)
{
	uint8_t salt[DIGEST_MAX];

	for (enum digest d = 0; d < DIGEST_COUNT; d++) {
		struct scram_key *key = &out->of[d];
		*key = (struct scram_key){ .rounds = SCRAM_ROUNDS, .n_salt = SCRAM_SALT_LEN };
		make_up(secret, user, d, "salt", salt);
		memcpy(key->salt, salt, key->n_salt);
		make_up(secret, user, d, "stored", key->stored);
		make_up(secret, user, d, "server", key->server);
	}
}
