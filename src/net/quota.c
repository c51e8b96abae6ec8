/* Counts by address without a lock: a count-min sketch.
 *
 * Each address has one counter in each row; others may share one of them, so a counter is
 * never too low, and the lower of the two is the better guess. What is taken is given back
 * from the same counters, so the counts do not drift. */
#include "net/listener.h"

#include "base/bug.h"
#include "base/hash.h"

#include <stdatomic.h>
#include <stdlib.h>

#define SLOTS 4096

struct quota {
	unsigned per_address;
	atomic_uint rows[2][SLOTS];
};

struct quota *quota_new(unsigned per_address)
{
	struct quota *q = xcalloc(1, sizeof *q);

	q->per_address = per_address;
	return q;
}

void quota_free(struct quota **q)
{
	free(*q);
	*q = NULL;
}

/* The bytes that stand for a peer: an IPv4 address, also a mapped one, or a /64 of IPv6.
 * Empty for other families, which are not counted. */
static struct str who(const struct sockaddr_storage *peer)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)peer;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)peer;

	if (peer->ss_family == AF_INET)
		return str_from((const char *)&in->sin_addr, 4);
	if (peer->ss_family != AF_INET6)
		return STR_NULL;
	const char *bytes = (const char *)in6->sin6_addr.s6_addr;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return str_from(bytes + 12, 4);
	return str_from(bytes, 8);
}

/* The two counters of a peer; false when it is not counted. */
static bool counters(struct quota *q, const struct sockaddr_storage *peer, atomic_uint *out[2])
{
	struct str key = who(peer);

	if (!key.n)
		return false;
	uint64_t h = hash_keyed(key);
	out[0] = &q->rows[0][h % SLOTS];
	out[1] = &q->rows[1][(h >> 32) % SLOTS];
	return true;
}

bool quota_take(struct quota *q, const struct sockaddr_storage *peer)
{
	atomic_uint *c[2];

	if (!counters(q, peer, c))
		return true;
	unsigned a = atomic_fetch_add_explicit(c[0], 1, memory_order_relaxed);
	unsigned b = atomic_fetch_add_explicit(c[1], 1, memory_order_relaxed);
	if ((a < b ? a : b) < q->per_address)
		return true;
	quota_give(q, peer);
	return false;
}

void quota_give(struct quota *q, const struct sockaddr_storage *peer)
{
	atomic_uint *c[2];

	if (!counters(q, peer, c))
		return;
	for (int i = 0; i < 2; i++)
		BUG_ON(atomic_fetch_sub_explicit(c[i], 1, memory_order_relaxed) == 0);
}

struct quota_place {
	struct quota *quota;
	struct sockaddr_storage peer;
};

bool quota_enter(struct quota *q, const struct sockaddr_storage *peer, struct quota_place **out)
{
	*out = NULL;
	if (!q)
		return true;
	if (!quota_take(q, peer))
		return false;
	*out = xmalloc(sizeof **out);
	**out = (struct quota_place){ q, *peer };
	return true;
}

void quota_leave(struct quota_place **p)
{
	if (*p)
		quota_give((*p)->quota, &(*p)->peer);
	free(*p);
	*p = NULL;
}
