/* Hashes of short keys for tables and for placement. Not for passwords or signatures: see
 * base/digest.h.
 *
 * hash_keyed() is SipHash-1-3 with a random key per process, so that a peer who chooses names
 * cannot aim them at one bucket; hash_with() is the same with a key of the caller, for hashes that
 * are stored. hash_fixed() is FNV-1a and the same for ever: virtual shards
 * are made of it. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

uint64_t hash_keyed(struct str s);
uint64_t hash_with(const uint64_t seed[2], struct str s);
uint64_t hash_fixed(struct str s);

#endif
