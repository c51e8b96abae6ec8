/* Arenas: memory for things that end together.
 *
 * For one turn of the loop, a connection while it negotiates, a configuration snapshot. Not
 * for things whose parts come and go. A function that returns new memory takes the arena, so
 * that the call shows the life. Under AddressSanitizer the gaps are poisoned. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunk; /* newest first */
	char *at, *end;            /* free part of the newest chunk */
	size_t chunk_size;
};

/* Chunks of chunk_size bytes are taken when needed; none at first. */
void arena_init(struct arena *a, size_t chunk_size);

/* Frees everything. The arena may be used again. */
void arena_clear(struct arena *a);

/* Drops what was allocated, but keeps one chunk for the next round. */
void arena_reset(struct arena *a);

/* n bytes aligned to 8, uninitialised; never NULL. */
void *arena_alloc(struct arena *a, size_t n);

/* A copy of s that lives as long as the arena; it is followed by a NUL that is not counted. */
struct str str_dup(struct arena *a, struct str s);

/* printf into the arena. */
struct str str_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
