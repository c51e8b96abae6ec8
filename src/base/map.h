/* Hash map with intrusive entries: the map owns nothing but its buckets.
 *
 * A thing that is looked up embeds a struct map_node and the map knows how to see its key as
 * a slice. Keys are unique: look before you put. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/str.h"

struct map_node {
	struct map_node *next;
	uint64_t hash;
};

struct map {
	struct map_node **buckets;
	uint32_t n, mask;
	struct str (*key)(const struct map_node *);
};

void map_init(struct map *m, struct str (*key)(const struct map_node *));

/* Frees the buckets, not the entries. */
void map_clear(struct map *m);

/* The entry with this key, or NULL. */
struct map_node *map_get(const struct map *m, struct str key);

/* Adds an entry whose key is not in the map yet. */
void map_put(struct map *m, struct map_node *e);

/* Takes an entry out that is in the map. */
void map_del(struct map *m, struct map_node *e);

/* Walks over all: NULL gives the first. The entry given may be taken out after the call for
 * its successor; nothing may be put meanwhile. */
struct map_node *map_next(const struct map *m, const struct map_node *e);

#endif
