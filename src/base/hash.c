#include "base/hash.h"

#include "base/bug.h"

#include <endian.h>
#include <pthread.h>
#include <sys/random.h>

static uint64_t key[2];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
	BUG_ON(getrandom(key, sizeof key, 0) != sizeof key);
}

static uint64_t rotl(uint64_t x, int b)
{
	return (x << b) | (x >> (64 - b));
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

/* The bytes from i on, fewer than 8: as a number in little-endian order. */
static uint64_t tail(struct str s, size_t i)
{
	uint64_t m = 0;

	if (s.n < 8) {
		for (size_t k = i; k < s.n; k++)
			m |= (uint64_t)(unsigned char)s.p[k] << (8 * (k - i));
		return m;
	}
	if (i == s.n)
		return 0;
	memcpy(&m, s.p + s.n - 8, 8);
	return le64toh(m) >> (8 * (i + 8 - s.n));
}

uint64_t hash_with(const uint64_t seed[2], struct str s)
{
	uint64_t v[4] = { seed[0] ^ 0x736f6d6570736575, seed[1] ^ 0x646f72616e646f6d,
		seed[0] ^ 0x6c7967656e657261, seed[1] ^ 0x7465646279746573 };
	uint64_t m;
	size_t i = 0;

	for (; i + 8 <= s.n; i += 8) {
		memcpy(&m, s.p + i, 8);
		m = le64toh(m);
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	m = (uint64_t)s.n << 56 | tail(s, i);
	v[3] ^= m;
	sip_round(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	for (int k = 0; k < 3; k++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_keyed(struct str s)
{
	pthread_once(&key_once, make_key);
	return hash_with(key, s);
}

uint64_t hash_fixed(struct str s)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3;
	return h;
}
