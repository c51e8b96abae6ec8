#include "store/ledger_gather.h"

#define WINDOW_NS    UINT64_C(5000000)
#define WAIT_NS_MIN  UINT64_C(100000)
#define WAIT_NS_MAX  UINT64_C(500000)
#define PAYS_ENOUGH  64  /* of 256 */
#define TRY_EVERY    64  /* waits that do not pay are tried again once in so many groups */

void gather_init(struct gather *g, uint64_t now_ns)
{
	*g = (struct gather){ .window_at = now_ns, .pays = { 256, 256 } };
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
	uint16_t *pays = &g->pays[g->as_many];

	*pays = (uint16_t)((*pays * 7 + (brought ? 256 : 0)) / 8);
}

/* Whether a wait is worth a try. */
static bool promising(struct gather *g)
{
	if (g->pays[g->as_many] >= PAYS_ENOUGH)
		return true;
	if (++g->skipped < TRY_EVERY)
		return false;
	g->skipped = 0;
	return true;
}

static uint64_t commit(struct gather *g, uint32_t n)
{
	g->last_group = n;
	g->began = 0;
	g->waited = false;
	return 0;
}

uint64_t gather_wait(struct gather *g, uint32_t n, size_t bytes, uint64_t now_ns)
{
	bool brought = n > g->before;

	if (g->waited) {
		learn(g, brought);
		if (!brought)
			return commit(g, n);
	} else {
		g->began = now_ns;
	}
	g->as_many = n >= g->last_group;
	if (g->rate < GATHER_RATE_MIN || n >= GATHER_OPS || bytes >= GATHER_BYTES ||
		now_ns - g->began >= GATHER_NS_MAX || !promising(g))
		return commit(g, n);
	g->waited = true;
	g->before = n;
	/* As long as four should take to come: they seldom come evenly. */
	uint64_t wait = UINT64_C(4000000000) / g->rate;
	uint64_t left = GATHER_NS_MAX - (now_ns - g->began);
	wait = wait < WAIT_NS_MIN ? WAIT_NS_MIN : wait < WAIT_NS_MAX ? wait : WAIT_NS_MAX;
	return wait < left ? wait : left;
}
