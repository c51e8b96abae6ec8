#include "net/pool.h"

#include "base/bug.h"

#include <stdlib.h>

#define KEPT       2048        /* buffers: a message to a large room needs as many in one turn */
#define KEPT_BYTES (64 * 1024) /* each; bigger ones are freed */
#define KEPT_ALL   (2 * 1024 * 1024) /* of all together: a burst to many does not stay */
#define FIRST      1024        /* bytes of a new one */

struct buf_pool {
	unsigned n;
	size_t bytes;
	struct {
		char *p;
		size_t cap;
	} free[KEPT];
};

struct buf_pool *buf_pool_new(void)
{
	return xcalloc(1, sizeof(struct buf_pool));
}

void buf_pool_free(struct buf_pool **p)
{
	struct buf_pool *pool = *p;

	if (!pool)
		return;
	while (pool->n)
		free(pool->free[--pool->n].p);
	free(pool);
	*p = NULL;
}

void buf_pool_take(struct buf_pool *p, struct buf *b)
{
	if (b->p)
		return;
	/* A buffer fills what it has before it looks at its maximum, so memory beyond the
	 * maximum would lift the bound. */
	if (p->n && p->free[p->n - 1].cap <= b->max) {
		p->n--;
		b->p = p->free[p->n].p;
		b->cap = p->free[p->n].cap;
		p->bytes -= b->cap;
	} else if (FIRST <= b->max) {
		b->p = xmalloc(FIRST);
		b->cap = FIRST;
	}
}

void buf_pool_give(struct buf_pool *p, struct buf *b)
{
	if (b->p && b->cap >= FIRST && b->cap <= KEPT_BYTES && p->n < KEPT &&
		p->bytes + b->cap <= KEPT_ALL) {
		p->free[p->n].p = b->p;
		p->free[p->n].cap = b->cap;
		p->n++;
		p->bytes += b->cap;
		b->p = NULL;
	}
	buf_clear(b);
}
