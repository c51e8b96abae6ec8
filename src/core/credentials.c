#include "core/credentials.h"

_Static_assert(STORE_HASHES == DIGEST_COUNT, "the store keeps a key for each hash");

bool keys_from_store(const struct store_key in[STORE_HASHES], struct scram_keys *out)
{
	bool any = false;

	*out = (struct scram_keys){ 0 };
	for (unsigned d = 0; d < DIGEST_COUNT; d++) {
		const struct store_key *k = &in[d];
		struct scram_key *to = &out->of[d];
		size_t n = digest_len((enum digest)d);
		if (!k->rounds)
			continue;
		if (!k->salt.n || k->salt.n > SCRAM_SALT_MAX || k->stored.n != n ||
			k->server.n != n)
			return false;
		any = true;
		to->rounds = k->rounds;
		to->n_salt = (uint8_t)k->salt.n;
		memcpy(to->salt, k->salt.p, k->salt.n);
		memcpy(to->stored, k->stored.p, n);
		memcpy(to->server, k->server.p, n);
	}
	return any;
}

void keys_to_store(const struct scram_keys *in, struct store_key out[STORE_HASHES])
{
	for (unsigned d = 0; d < DIGEST_COUNT; d++) {
		const struct scram_key *k = &in->of[d];
		size_t n = digest_len((enum digest)d);
		out[d] = (struct store_key){
			.rounds = k->rounds,
			.salt = str_from((const char *)k->salt, k->n_salt),
			.stored = str_from((const char *)k->stored, n),
			.server = str_from((const char *)k->server, n),
		};
	}
}
