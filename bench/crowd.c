/* Bringing many peers online and off again, a bounded number at a time. */
#include "bench.h"

#include "base/bug.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOGIN_SECONDS 600

static struct {
	unsigned started, ready, left;
	bool presence;
	const struct peer_ops *ops;
} crowd;

struct bench *bench_of(struct peer *p)
{
	return p->loop->owner;
}

void bench_error(struct bench *b, const char *fmt, ...)
{
	va_list ap;

	if (b->errors++)
		return;
	va_start(ap, fmt);
	vsnprintf(b->first_error, sizeof b->first_error, fmt, ap);
	va_end(ap);
}

bool bench_run(struct bench *b, bool (*done)(struct bench *), double seconds, const char *what)
{
	uint64_t begin = now_ns(), next = begin + 1000000000u;
	uint64_t until = begin + (uint64_t)(seconds * 1e9);
	bool tell = !b->o.quiet && isatty(STDERR_FILENO);

	while (!done(b) && !b->errors) {
		uint64_t now = now_ns();
		if (now >= until)
			return false;
		if (tell && now >= next) {
			fprintf(stderr, "\r%s: %s %.0f s, %llu done ", b->o.scenario, what,
				(double)(now - begin) / 1e9, (unsigned long long)b->units);
			next = now + 1000000000u;
		}
		loop_turn(&b->loop, 50);
	}
	if (tell)
		fprintf(stderr, "\r%60s\r", "");
	return !b->errors;
}

void bench_start(struct bench *b)
{
	b->start = usage_of(b->o.pid);
	b->own_start_us = own_cpu_us();
	b->start_ns = now_ns();
	b->units = 0;
	b->latency = (struct histogram){ 0 };
}

void bench_end(struct bench *b)
{
	b->end_ns = now_ns();
	b->end = usage_of(b->o.pid);
	b->own_us = own_cpu_us() - b->own_start_us;
}

static void start_more(struct bench *b)
{
	while (crowd.started < b->n_peers && crowd.started - crowd.ready < b->o.at_once) {
		struct peer *p = &b->peers[crowd.started++];
		if (!peer_connect(p)) {
			bench_error(b, "connect: %s", strerror(errno));
			return;
		}
	}
}

void crowd_ready(struct peer *p)
{
	struct bench *b = bench_of(p);

	crowd.ready++;
	if (crowd.presence)
		buf_lit(peer_out(p), "<presence/>");
	start_more(b);
}

static bool all_ready(struct bench *b)
{
	return crowd.ready == b->n_peers;
}

bool crowd_login(struct bench *b, unsigned n, const struct peer_ops *ops, bool presence)
{
	b->n_peers = n;
	b->peers = xcalloc(n, sizeof *b->peers);
	b->caches = xcalloc(n, sizeof *b->caches);
	crowd.started = crowd.ready = 0;
	crowd.presence = presence;
	for (unsigned i = 0; i < n; i++) {
		peer_init(&b->peers[i], &b->loop, &b->target, ops, b->o.first + i);
		b->peers[i].cache = &b->caches[i];
	}
	start_more(b);
	if (!bench_run(b, all_ready, LOGIN_SECONDS, "logging in")) {
		bench_error(b, "logging in took too long");
		return false;
	}
	return true;
}

static bool all_left(struct bench *b)
{
	unsigned left = 0;

	for (unsigned i = 0; i < b->n_peers; i++)
		left += !b->peers[i].connected;
	return left == b->n_peers;
}

void crowd_leave(struct bench *b)
{
	for (unsigned i = 0; i < b->n_peers; i++)
		if (b->peers[i].connected)
			peer_end(&b->peers[i]);
	bench_run(b, all_left, 20, "leaving");
	for (unsigned i = 0; i < b->n_peers; i++)
		peer_drop(&b->peers[i]);
	free(b->peers);
	free(b->caches);
	b->peers = NULL;
	b->n_peers = 0;
}
