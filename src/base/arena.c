#include "base/arena.h"

#include "base/bug.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#define GAP            16
#else
#define POISON(p, n)   ((void)0)
#define UNPOISON(p, n) ((void)0)
#define GAP            0
#endif

struct arena_chunk {
	struct arena_chunk *next;
	size_t size; /* bytes after this head */
};

static char *chunk_start(struct arena_chunk *c)
{
	return (char *)(c + 1);
}

void arena_init(struct arena *a, size_t chunk_size)
{
	*a = (struct arena){ .chunk_size = chunk_size };
}

static void free_chunks(struct arena_chunk *c)
{
	while (c) {
		struct arena_chunk *next = c->next;
		UNPOISON(chunk_start(c), c->size);
		free(c);
		c = next;
	}
}

void arena_clear(struct arena *a)
{
	free_chunks(a->chunk);
	arena_init(a, a->chunk_size);
}

void arena_reset(struct arena *a)
{
	struct arena_chunk *keep = a->chunk;

	if (!keep)
		return;
	free_chunks(keep->next);
	keep->next = NULL;
	if (keep->size > a->chunk_size) {
		arena_clear(a);
		return;
	}
	a->at = chunk_start(keep);
	a->end = a->at + keep->size;
	POISON(a->at, keep->size);
}

static void add_chunk(struct arena *a, size_t need)
{
	size_t size = need > a->chunk_size ? need : a->chunk_size;
	struct arena_chunk *c = xmalloc(sizeof *c + size);

	c->size = size;
	c->next = a->chunk;
	a->chunk = c;
	a->at = chunk_start(c);
	a->end = a->at + size;
	POISON(a->at, size);
}

void *arena_alloc(struct arena *a, size_t n)
{
	BUG_ON(n > SIZE_MAX / 2);
	size_t need = ((n + 7) & ~(size_t)7) + GAP;

	if (!a->at || need > (size_t)(a->end - a->at))
		add_chunk(a, need);
	char *p = a->at;
	a->at += need;
	UNPOISON(p, n);
	return p;
}

struct str str_dup(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return str_from(p, s.n);
}

struct str str_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	BUG_ON(n < 0);
	char *p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return str_from(p, (size_t)n);
}
