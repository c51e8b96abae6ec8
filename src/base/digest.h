/* Hashes for authentication, by GnuTLS: digest, HMAC, PBKDF2, randomness, comparison in
 * constant time. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/str.h"

enum digest { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512, DIGEST_COUNT };

#define DIGEST_MAX 64

/* Bytes of a digest: 20, 32, 64. */
size_t digest_len(enum digest d);

void digest_of(enum digest d, struct str bytes, uint8_t out[DIGEST_MAX]);
void digest_hmac(enum digest d, struct str key, struct str bytes, uint8_t out[DIGEST_MAX]);

/* SHA3-256 (FIPS 202), 32 bytes: of no key, so that it is none of the kinds above. */
void digest_sha3_256(struct str bytes, uint8_t out[DIGEST_MAX]);

/* n bytes in lower-case hexadecimal, 2 * n characters. */
void digest_hex(const uint8_t *digest, size_t n, char *out);

/* PBKDF2 with HMAC (RFC 8018 5.2), output as long as the digest: Hi() of RFC 5802 section
 * 2.2. Takes about a millisecond for 10,000 rounds: never on a loop. */
void digest_pbkdf2(enum digest d, struct str password, struct str salt, uint32_t rounds,
	uint8_t out[DIGEST_MAX]);

/* n unpredictable bytes. */
void random_bytes(void *out, size_t n);

/* Equality in a time that depends on n alone. */
bool equal_secret(const void *a, const void *b, size_t n);

/* Overwrites in a way the compiler keeps. */
void wipe(void *p, size_t n);

#endif
