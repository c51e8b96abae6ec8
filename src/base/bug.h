/* Three kinds of wrong: this header has the words for two of them.
 *
 * Our own bug: BUG_ON(cond) stops the program with file, line and reason, in release builds
 * too. Never for what a peer or an administrator can cause.
 * No memory: xmalloc() and friends stop the program. Limits are checked before allocating
 * what a peer asked for, so that a peer cannot reach this.
 * (The third kind, the world, is a return value.) */
#ifndef BASE_BUG_H
#define BASE_BUG_H

#include <stddef.h>

_Noreturn void bug_stop(const char *file, int line, const char *what);

/* Called before the program stops, unless NULL: for a library, whose program may want to say
 * something. Set once, before threads start. */
extern void (*bug_last_words)(const char *why);

#define BUG_ON(cond)                                            \
	do {                                                    \
		if (__builtin_expect(!!(cond), 0))              \
			bug_stop(__FILE__, __LINE__, #cond);    \
	} while (0)
#define BUG(what) bug_stop(__FILE__, __LINE__, what)

/* malloc, calloc, realloc that never return NULL. Free with free(). */
void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

#endif
