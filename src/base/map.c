#include "base/map.h"

#include "base/bug.h"
#include "base/hash.h"

#include <stdlib.h>

void map_init(struct map *m, struct str (*key)(const struct map_node *))
{
	*m = (struct map){ .key = key };
}

void map_clear(struct map *m)
{
	free(m->buckets);
	map_init(m, m->key);
}

struct map_node *map_get(const struct map *m, struct str key)
{
	if (!m->n)
		return NULL;
	uint64_t h = hash_keyed(key);
	for (struct map_node *e = m->buckets[h & m->mask]; e; e = e->next)
		if (e->hash == h && str_eq(m->key(e), key))
			return e;
	return NULL;
}

static void resize(struct map *m, uint32_t size)
{
	struct map_node **old = m->buckets;
	uint32_t old_size = old ? m->mask + 1 : 0;

	m->buckets = xcalloc(size, sizeof *m->buckets);
	m->mask = size - 1;
	for (uint32_t i = 0; i < old_size; i++)
		for (struct map_node *e = old[i], *next; e; e = next) {
			next = e->next;
			e->next = m->buckets[e->hash & m->mask];
			m->buckets[e->hash & m->mask] = e;
		}
	free(old);
}

void map_put(struct map *m, struct map_node *e)
{
	if (!m->buckets)
		resize(m, 8);
	else if (m->n > m->mask)
		resize(m, 2 * (m->mask + 1));
	e->hash = hash_keyed(m->key(e));
	e->next = m->buckets[e->hash & m->mask];
	m->buckets[e->hash & m->mask] = e;
	m->n++;
}

void map_del(struct map *m, struct map_node *e)
{
	BUG_ON(!m->n);
	struct map_node **at = &m->buckets[e->hash & m->mask];

	while (*at != e) {
		BUG_ON(!*at);
		at = &(*at)->next;
	}
	*at = e->next;
	e->next = NULL;
	m->n--;
}

struct map_node *map_next(const struct map *m, const struct map_node *e)
{
	if (!m->n)
		return NULL;
	if (e && e->next)
		return e->next;
	for (uint32_t i = e ? (e->hash & m->mask) + 1 : 0; i <= m->mask; i++)
		if (m->buckets[i])
			return m->buckets[i];
	return NULL;
}
