/* How long the writer waits for more before it commits.
 *
 * A sync costs the same for one record and for a hundred. So while many come, it pays to wait
 * a little, and while few come it only makes them late. When everybody who writes waits for
 * this very commit, nothing can come: the policy learns whether a wait brings something, for
 * groups that are smaller than the one before and for those that are not. No clock inside. */
#ifndef STORE_LEDGER_GATHER_H
#define STORE_LEDGER_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GATHER_RATE_MIN  1000             /* operations a second, below which nobody waits */
#define GATHER_NS_MAX    UINT64_C(1000000) /* of one group */
#define GATHER_OPS       512              /* as many need no more company */
#define GATHER_BYTES     ((size_t)256 << 10)

struct gather {
	uint64_t window_at;   /* when counting for the rate began */
	uint32_t window_ops;
	uint32_t rate;        /* a second */
	uint64_t began;       /* of this group, or 0 */
	uint32_t before;      /* operations that waited when the last wait began */
	bool waited, as_many; /* this group was waited for; with as many as the last group had */
	uint32_t last_group;
	uint16_t pays[2];     /* [as_many]: share of waits that brought something, of 256 */
	uint32_t skipped;
};

void gather_init(struct gather *g, uint64_t now_ns);

/* `n` operations have come. */
void gather_came(struct gather *g, uint32_t n, uint64_t now_ns);

/* n operations with so many bytes are ready to be committed: nanoseconds to wait before the
 * next question, or 0: commit. */
uint64_t gather_wait(struct gather *g, uint32_t n, size_t bytes, uint64_t now_ns);

#endif
