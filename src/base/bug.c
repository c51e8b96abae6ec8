#include "base/bug.h"

#include <stdio.h>
#include <stdlib.h>

void (*bug_last_words)(const char *why);

static _Noreturn void stop(const char *why)
{
	if (bug_last_words)
		bug_last_words(why);
	abort();
}

void bug_stop(const char *file, int line, const char *what)
{
	fprintf(stderr, "stentor: bug at %s:%d: %s\n", file, line, what);
	stop(what);
}

static void *or_stop(void *p)
{
	if (!p) {
		fputs("stentor: out of memory\n", stderr);
		stop("out of memory");
	}
	return p;
}

void *xmalloc(size_t n)
{
	return or_stop(malloc(n ? n : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return or_stop(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t n)
{
	return or_stop(realloc(p, n ? n : 1));
}
