/* idle: memory of bound connections that have sent presence, CPU while nothing happens. */
#include "bench.h"

static const struct peer_ops idle_ops = { .ready = crowd_ready, .stanza = crowd_ignore,
	.failed = crowd_failed, .ended = crowd_ended };

void run_idle(struct bench *b)
{
	crowd_make(b, b->o.users, &idle_ops);
	if (!crowd_login(b, 0, b->n_peers, true))
		return;
	bench_settle(b);
	bench_start(b, "idle", "connection");
	bench_hold(b, b->before.pss);
	bench_run(b, NULL, bench_seconds(b), "idle");
	bench_end(b);
	b->phases[0].units = b->n_peers;
	crowd_leave(b, 0, b->n_peers);
}
