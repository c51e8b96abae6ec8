/* login: connect, negotiate, bind, presence, leave; again and again, at_once at a time. */
#include "bench.h"

#include "base/bug.h"

#include <errno.h>
#include <stdlib.h>

#define WARM_UP_SECONDS 1

static struct {
	bool over;
	unsigned under_way;
	uint64_t *begun;
} logins;

static void login_again(struct peer *p)
{
	struct bench *b = bench_of(p);

	logins.begun[peer_index(p)] = now_ns();
	if (!peer_connect(p))
		bench_error(b, "connect: %s", strerror(errno));
	else
		logins.under_way++;
}

static void logged_in(struct peer *p)
{
	struct bench *b = bench_of(p);

	bench_count(b, now_ns() - logins.begun[peer_index(p)]);
	crowd_note_tls(p);
	buf_lit(peer_out(p), "<presence/>");
	peer_end(p);
}

static void logged_out(struct peer *p)
{
	logins.under_way--;
	if (!logins.over)
		login_again(p);
}

static const struct peer_ops login_ops = { .ready = logged_in, .stanza = crowd_ignore,
	.failed = crowd_failed, .ended = logged_out };

static bool none_under_way(struct bench *b)
{
	return logins.under_way == 0;
}

void run_login(struct bench *b)
{
	crowd_make(b, b->o.at_once < b->o.users ? b->o.at_once : b->o.users, &login_ops);
	logins.begun = xcalloc(b->n_peers, sizeof *logins.begun);
	for (unsigned i = 0; i < b->n_peers; i++)
		login_again(&b->peers[i]);
	bench_run(b, NULL, WARM_UP_SECONDS, "warming up");
	bench_start(b, "login", "login");
	b->resumed = 0;
	bench_run(b, NULL, bench_seconds(b), "logging in");
	bench_end(b);
	uint64_t resumed = b->resumed;
	logins.over = true;
	if (!bench_run(b, none_under_way, 20, "ending"))
		bench_error(b, "logins were not answered");
	b->resumed = resumed;
	if (b->target.resume_tls && !resumed)
		bench_error(b, "the server resumed no TLS session");
	crowd_leave(b, 0, b->n_peers);
	free(logins.begun);
}
