#include "base/digest.h"

#include "base/bug.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <sys/random.h>

static const struct {
	gnutls_digest_algorithm_t hash;
	gnutls_mac_algorithm_t mac;
	size_t len;
} kinds[DIGEST_COUNT] = {
	[DIGEST_SHA1] = { GNUTLS_DIG_SHA1, GNUTLS_MAC_SHA1, 20 },
	[DIGEST_SHA256] = { GNUTLS_DIG_SHA256, GNUTLS_MAC_SHA256, 32 },
	[DIGEST_SHA512] = { GNUTLS_DIG_SHA512, GNUTLS_MAC_SHA512, 64 },
};

size_t digest_len(enum digest d)
{
	return kinds[d].len;
}

void digest_of(enum digest d, struct str bytes, uint8_t out[DIGEST_MAX])
{
	BUG_ON(gnutls_hash_fast(kinds[d].hash, bytes.p, bytes.n, out) < 0);
}

void digest_hmac(enum digest d, struct str key, struct str bytes, uint8_t out[DIGEST_MAX])
{
	BUG_ON(gnutls_hmac_fast(kinds[d].mac, key.p, key.n, bytes.p, bytes.n, out) < 0);
}

void digest_sha3_256(struct str bytes, uint8_t out[DIGEST_MAX])
{
	BUG_ON(gnutls_hash_fast(GNUTLS_DIG_SHA3_256, bytes.p, bytes.n, out) < 0);
}

void digest_hex(const uint8_t *digest, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++) {
		*out++ = "0123456789abcdef"[digest[i] >> 4];
		*out++ = "0123456789abcdef"[digest[i] & 15];
	}
}

void digest_pbkdf2(enum digest d, struct str password, struct str salt, uint32_t rounds,
	uint8_t out[DIGEST_MAX])
{
	gnutls_datum_t key = { (unsigned char *)password.p, (unsigned)password.n };
	gnutls_datum_t s = { (unsigned char *)salt.p, (unsigned)salt.n };

	BUG_ON(gnutls_pbkdf2(kinds[d].mac, &key, &s, rounds, out, kinds[d].len) < 0);
}

void random_bytes(void *out, size_t n)
{
	char *p = out;

	while (n) {
		size_t step = n < 256 ? n : 256; /* getrandom() gives up to 256 bytes whole */
		BUG_ON(getrandom(p, step, 0) != (ssize_t)step);
		p += step;
		n -= step;
	}
}

bool equal_secret(const void *a, const void *b, size_t n)
{
	return gnutls_memcmp(a, b, n) == 0;
}

void wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}
