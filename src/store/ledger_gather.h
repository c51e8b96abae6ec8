/* How long the writer waits for more before it commits.
 *
 * A sync costs the same for one record and for a hundred. So while many come, it pays to wait
 * a little, and while few come it only makes them late. When everybody who writes waits for
 * this very commit, nothing can come: the policy learns for each kind of wait whether it brings
 * something. No clock inside. */
#ifndef STORE_LEDGER_GATHER_H
#define STORE_LEDGER_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GATHER_RATE_MIN  1000             /* operations a second, below which nobody waits */
#define GATHER_NS_MAX    UINT64_C(1000000) /* of one group */
#define GATHER_OPS       512              /* as many need no more company */
#define GATHER_BYTES     ((size_t)256 << 10)

enum gather_kind {
	GATHER_NOT,
	GATHER_BURST, /* a moment: fewer than last time, the others may be just coming */
	GATHER_MORE,  /* as long as some should take to come */
	GATHER_KINDS
};

struct gather {
	uint64_t window_at;   /* when counting for the rate began */
	uint32_t window_ops;
	uint32_t rate;        /* a second */
	uint64_t began;       /* of this group */
	enum gather_kind wait; /* the last one for this group */
	uint32_t bursts;      /* waits of that kind for this group */
	uint32_t before;      /* operations that were there when it began */
	uint32_t last_group;
	uint16_t pays[GATHER_KINDS];     /* share of waits that brought something, of 256 */
	uint32_t skipped[GATHER_KINDS];
};

void gather_init(struct gather *g, uint64_t now_ns);

/* `n` operations have come. */
void gather_came(struct gather *g, uint32_t n, uint64_t now_ns);

/* n operations with so many bytes are ready to be committed: nanoseconds to wait before the
 * next question, or 0: commit. */
uint64_t gather_wait(struct gather *g, uint32_t n, size_t bytes, uint64_t now_ns);

#endif
