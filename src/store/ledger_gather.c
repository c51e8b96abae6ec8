#include "store/ledger_gather.h"

#define WINDOW_NS    UINT64_C(5000000)
#define BURST_NS     UINT64_C(20000) /* and four times that for the second */
#define BURSTS       2               /* of one group */
#define WAIT_NS_MIN  UINT64_C(250000)
#define WAIT_NS_MAX  UINT64_C(500000)
#define PAYS_ENOUGH  64  /* of 256 */
#define TRY_EVERY    128 /* waits that do not pay are tried again once in so many groups */

void gather_init(struct gather *g, uint64_t now_ns)
{
	*g = (struct gather){ .window_at = now_ns, .pays = { [GATHER_BURST] = 256, [GATHER_MORE] = 256 } };
}

void gather_came(struct gather *g, uint32_t n, uint64_t now_ns)
{
	uint64_t span = now_ns - g->window_at;

	g->window_ops += n;
	if (span < WINDOW_NS)
		return;
	g->rate = (uint32_t)(g->window_ops * UINT64_C(1000000000) / span);
	g->window_at = now_ns;
	g->window_ops = 0;
}

static void learn(struct gather *g, bool brought)
{
	uint16_t *pays = &g->pays[g->wait];

	*pays = (uint16_t)((*pays * 7 + (brought ? 256 : 0)) / 8);
}

/* Whether such a wait is worth a try. */
static bool promising(struct gather *g, enum gather_kind kind)
{
	if (g->pays[kind] >= PAYS_ENOUGH)
		return true;
	if (++g->skipped[kind] < TRY_EVERY)
		return false;
	g->skipped[kind] = 0;
	return true;
}

static uint64_t commit(struct gather *g, uint32_t n)
{
	g->last_group = n;
	g->wait = GATHER_NOT;
	return 0;
}

static uint64_t wait_for(struct gather *g, uint32_t n, enum gather_kind kind, uint64_t now_ns)
{
	/* As long as four should take to come: they seldom come evenly. */
	uint64_t wait = UINT64_C(4000000000) / g->rate;
	uint64_t left = GATHER_NS_MAX - (now_ns - g->began);

	g->wait = kind;
	g->before = n;
	wait = wait < WAIT_NS_MIN ? WAIT_NS_MIN : wait < WAIT_NS_MAX ? wait : WAIT_NS_MAX;
	if (kind == GATHER_BURST)
		wait = BURST_NS << (2 * g->bursts++);
	return wait < left ? wait : left;
}

uint64_t gather_wait(struct gather *g, uint32_t n, size_t bytes, uint64_t now_ns)
{
	const enum gather_kind last = g->wait;
	const bool brought = last != GATHER_NOT && n > g->before;

	if (last != GATHER_NOT) {
		learn(g, brought);
	} else {
		g->began = now_ns;
		g->bursts = 0;
	}
	if (g->rate < GATHER_RATE_MIN || n >= GATHER_OPS || bytes >= GATHER_BYTES ||
		now_ns - g->began >= GATHER_NS_MAX || (last == GATHER_MORE && !brought))
		return commit(g, n);
	if (n < g->last_group && (last == GATHER_NOT || brought) && g->bursts < BURSTS &&
		promising(g, GATHER_BURST))
		return wait_for(g, n, GATHER_BURST, now_ns);
	if (promising(g, GATHER_MORE))
		return wait_for(g, n, GATHER_MORE, now_ns);
	return commit(g, n);
}
