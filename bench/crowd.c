/* Bringing many peers online and off again, a bounded number at a time. */
#include "bench.h"

#include "base/bug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LOGIN_SECONDS 600
#define LEAVE_SECONDS 20
#define ACK_SECONDS   60

static struct {
	unsigned next, end;  /* who comes online */
	unsigned under_way;
	bool presence;
} crowd;

void crowd_failed(struct peer *p, const char *why)
{
	struct bench *b = bench_of(p);

	if (p->lacks)
		bench_lacks(b, p->lacks);
	else
		bench_error(b, "%s: %s", p->user, why);
}

void crowd_ended(struct peer *p)
{
}

void crowd_ignore(struct peer *p, const struct xml_doc *d)
{
}

void crowd_note_tls(struct peer *p)
{
	struct bench *b = bench_of(p);

	if (!p->conn.tls)
		return;
	b->resumed += tls_resumed(p->conn.tls);
	if (!b->tls[0]) {
		struct str words = tls_describe(p->conn.tls, &b->loop.turn);
		snprintf(b->tls, sizeof b->tls, "%.*s", STR_FMT(words));
	}
}

void crowd_make(struct bench *b, unsigned n, const struct peer_ops *ops)
{
	b->n_peers = n;
	b->peers = xcalloc(n, sizeof *b->peers);
	b->caches = xcalloc(n, sizeof *b->caches);
	for (unsigned i = 0; i < n; i++) {
		peer_init(&b->peers[i], &b->loop, &b->target, ops, b->o.first + i);
		b->peers[i].cache = &b->caches[i];
	}
}

void crowd_split(struct bench *b)
{
	const char *domain = b->far.domain;
	uint16_t port = b->far.port;

	b->far = b->target;
	b->far.domain = domain;
	b->far.port = port;
	for (unsigned i = b->n_peers / 2; i < b->n_peers; i++)
		b->peers[i].target = &b->far;
}

void crowd_free(struct bench *b)
{
	for (unsigned i = 0; i < b->n_peers; i++)
		peer_clear(&b->peers[i]);
	free(b->peers);
	free(b->caches);
	b->n_peers = 0;
}

static void start_more(struct bench *b)
{
	while (crowd.next < crowd.end && crowd.under_way < b->o.at_once) {
		struct peer *p = &b->peers[crowd.next++];
		crowd.under_way++;
		if (!peer_connect(p)) {
			bench_error(b, "connect: %s", strerror(errno));
			return;
		}
	}
}

void crowd_ready(struct peer *p)
{
	struct bench *b = bench_of(p);

	crowd_note_tls(p);
	crowd.under_way--;
	if (crowd.presence) {
		buf_lit(peer_out(p), "<presence/>");
		peer_sent(p);
	}
	start_more(b);
}

static bool all_ready(struct bench *b)
{
	return crowd.next == crowd.end && !crowd.under_way;
}

bool crowd_login(struct bench *b, unsigned from, unsigned n, bool presence)
{
	BUG_ON(from + n > b->n_peers);
	crowd.next = from;
	crowd.end = from + n;
	crowd.presence = presence;
	start_more(b);
	if (!bench_run(b, all_ready, LOGIN_SECONDS, "logging in")) {
		bench_error(b, "logging in took too long");
		return false;
	}
	return true;
}

static bool all_acked(struct bench *b)
{
	for (unsigned i = 0; i < b->n_peers; i++)
		if (b->peers[i].sm.acked != b->peers[i].sm.sent)
			return false;
	return true;
}

bool crowd_acked(struct bench *b)
{
	for (unsigned i = 0; i < b->n_peers; i++)
		if (peer_is_up(&b->peers[i]) && b->peers[i].sm.acked != b->peers[i].sm.sent)
			peer_ask(&b->peers[i]);
	if (bench_run(b, all_acked, ACK_SECONDS, "waiting for acknowledgements"))
		return true;
	bench_error(b, "stanzas were not acknowledged");
	return false;
}

static bool all_left(struct bench *b)
{
	for (unsigned i = crowd.next; i < crowd.end; i++)
		if (b->peers[i].connected)
			return false;
	return true;
}

void crowd_leave(struct bench *b, unsigned from, unsigned n)
{
	crowd.next = from;
	crowd.end = from + n;
	for (unsigned i = from; i < from + n; i++)
		if (b->peers[i].connected)
			peer_end(&b->peers[i]);
	bench_run(b, all_left, LEAVE_SECONDS, "leaving");
	for (unsigned i = from; i < from + n; i++)
		peer_drop(&b->peers[i]);
}
