#include "core/audience.h"

#include "base/bug.h"
#include "core/route.h"

#include <stdlib.h>

/* In one block with the addresses, their texts, and where those of each shard begin. Last come
 * those that no shard owns: they are routed one by one. */
struct audience {
	atomic_uint refs;
	uint32_t n;
	struct jid *to;
	uint32_t first[]; /* of each shard, then of the others, then n */
};

/* The index of the owner, or the number of shards: none. */
static unsigned owner_of(struct shard *s, struct jid to)
{
	const struct shard *owner = route_owner(s, to);

	return owner ? owner->index : s->core->n_shards;
}

static struct audience *alloc(unsigned shards, const struct jid *to, size_t n, char **texts)
{
	size_t head = sizeof(struct audience) + (shards + 2) * sizeof(uint32_t), text = 0;

	head = (head + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
	for (size_t i = 0; i < n; i++)
		text += jid_str(to[i]).n;
	struct audience *a = xmalloc(head + n * sizeof *to + text);
	atomic_init(&a->refs, 1);
	a->n = (uint32_t)n;
	a->to = (struct jid *)((char *)a + head);
	*texts = (char *)(a->to + n);
	memset(a->first, 0, (shards + 2) * sizeof a->first[0]);
	return a;
}

struct audience *audience_new(struct shard *s, const struct jid *to, size_t n)
{
	unsigned shards = s->core->n_shards;
	uint16_t *owner = xmalloc(n * sizeof *owner); /* not the turn's, in which many are made */
	uint32_t *next = xmalloc((shards + 1) * sizeof *next);
	char *text;
	struct audience *a = alloc(shards, to, n, &text);

	for (size_t i = 0; i < n; i++) {
		owner[i] = (uint16_t)owner_of(s, to[i]);
		a->first[owner[i] + 1]++;
	}
	for (unsigned k = 0; k <= shards; k++) {
		a->first[k + 1] += a->first[k];
		next[k] = a->first[k];
	}
	for (size_t i = 0; i < n; i++) {
		struct str t = jid_str(to[i]);
		struct jid *at = &a->to[next[owner[i]]++];
		*at = to[i];
		at->p = memcpy(text, t.p, t.n);
		text += t.n;
	}
	free(owner);
	free(next);
	return a;
}

struct audience *audience_ref(struct audience *a)
{
	atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
	return a;
}

void audience_unref(struct audience **p)
{
	struct audience *a = *p;

	*p = NULL;
	if (a && atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) == 1)
		free(a);
}

/* Those of one shard, on it. */
static void tell_home(struct audience *a, struct shard *s, struct stanza *st)
{
	for (uint32_t i = a->first[s->index]; i < a->first[s->index + 1]; i++)
		route_home(s, st, a->to[i]);
}

struct news {
	struct mail mail;
	struct audience *audience;
	struct stanza *stanza;
};

static void arrived(struct mail *m, void *receiver)
{
	struct news *n = container_of(m, struct news, mail);

	tell_home(n->audience, receiver, n->stanza);
	stanza_unref(&n->stanza);
	audience_unref(&n->audience);
	free(n);
}

static void post(struct audience *a, struct shard *from, struct shard *to, struct stanza *st)
{
	struct news *n = xcalloc(1, sizeof *n);

	n->audience = audience_ref(a);
	n->stanza = stanza_ref(st);
	n->mail = (struct mail){ .run = arrived, .bytes = (uint32_t)(sizeof *n + st->doc.n_bytes) };
	shard_post(from, to, &n->mail);
}

void audience_tell(struct audience *a, struct shard *s, struct stanza *st)
{
	struct audience *kept = audience_ref(a); /* who gets it may change what it belongs to */
	unsigned shards = s->core->n_shards;

	for (unsigned k = 0; k < shards && !s->dead; k++)
		if (k != s->index && a->first[k + 1] > a->first[k])
			post(a, s, s->core->shards[k], st);
	if (!s->dead)
		tell_home(a, s, st);
	for (uint32_t i = a->first[shards]; i < a->n; i++)
		route_to(s, st, a->to[i]);
	audience_unref(&kept);
}
