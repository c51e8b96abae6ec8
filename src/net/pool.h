/* Output buffers of a loop that no connection uses now.
 *
 * A connection takes one with its first byte and gives it back when all is sent, so an idle
 * connection holds none and the same warm memory serves turn after turn. */
#ifndef NET_POOL_H
#define NET_POOL_H

#include "base/buf.h"

struct buf_pool;

struct buf_pool *buf_pool_new(void);
void buf_pool_free(struct buf_pool **p);

/* Gives memory to a buffer that has none. Its content and its maximum stay. */
void buf_pool_take(struct buf_pool *p, struct buf *b);

/* Takes the memory of a buffer back and leaves it empty; the maximum stays. */
void buf_pool_give(struct buf_pool *p, struct buf *b);

#endif
