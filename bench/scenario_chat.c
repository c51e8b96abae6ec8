/* chat: pairs of users, messages one way, so many under way in each pair; or at a fixed rate over
 * all. federation: the two of a pair on two servers. floor: chat over bench-floor. */
#include "bench.h"

#include "base/bug.h"
#include "base/hash.h"
#include "message.h"
#include "pacer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MEET_SECONDS    60   /* for two servers to connect to each other */
#define WARM_UP_SECONDS 1
#define DRAIN_SECONDS   120
#define LATE_SECONDS    0.2  /* for messages that come once more after all have come */

struct pair {
	struct message_line line;
	struct peer *from, *to;
};

static struct {
	struct pair *pairs;
	unsigned n, next;        /* next: in turn, in the open loop */
	struct pair **of_receiver; /* by index of the peer */
	struct bench *bench;
	bool answering;          /* the next message is sent when one arrives */
} chat;

static void send_one(struct pair *p, uint64_t due)
{
	message_write(&p->line, peer_out(p->from), due);
	peer_sent(p->from);
}

static void on_stanza(struct peer *peer, const struct xml_doc *d)
{
	struct bench *b = bench_of(peer);
	uint64_t due;

	/* Before the pairs are made: what a run left behind that failed. */
	if (xml_root(d)->tag != TAG_MESSAGE || !chat.of_receiver)
		return;
	struct pair *p = chat.of_receiver[peer_index(peer)];
	const char *wrong = p ? message_check(&p->line, d, b->target.floor, &b->loop.turn, &due)
			      : "it is not for this user";
	if (wrong) {
		bench_bad_message(peer, d, wrong);
		return;
	}
	uint64_t now = now_ns();
	bench_count(b, now - due);
	if (chat.answering)
		send_one(p, now);
}

static const struct peer_ops chat_ops = { .ready = crowd_ready, .stanza = on_stanza,
	.failed = crowd_failed, .ended = crowd_ended };

/* Where Stentor places a user, out of so many shards. */
static unsigned place_of(struct bench *b, struct peer *p)
{
	char jid[256];

	snprintf(jid, sizeof jid, "%s@%s", p->user, b->target.domain);
	return (unsigned)(hash_fixed(str_c(jid)) % 1024 % b->o.across);
}

static void add_pair(struct bench *b, unsigned i, unsigned k)
{
	/* Every second pair the other way round: both directions between shards. */
	unsigned from = chat.n % 2 ? k : i, to = chat.n % 2 ? i : k;
	struct pair *p = &chat.pairs[chat.n++];

	p->from = &b->peers[from];
	p->to = &b->peers[to];
	message_line_init(&p->line, p->from, p->to, false, b->o.bytes);
	chat.of_receiver[to] = p;
}

static void init_pairs(struct bench *b)
{
	chat.bench = b;
	chat.pairs = xcalloc(b->n_peers / 2 + 1, sizeof *chat.pairs);
	chat.of_receiver = xcalloc(b->n_peers, sizeof(struct pair *));
}

/* One of each server. */
static void make_far_pairs(struct bench *b)
{
	for (unsigned i = 0; i < b->n_peers / 2; i++)
		add_pair(b, i, i + b->n_peers / 2);
}

/* Neighbours; with --across, the partner of each is the next one of another shard. */
static void make_pairs(struct bench *b)
{
	bool *taken = xcalloc(b->n_peers, sizeof *taken);

	for (unsigned i = 0; i < b->n_peers; i++) {
		unsigned k = i + 1;
		if (taken[i])
			continue;
		while (k < b->n_peers && (taken[k] || (b->o.across > 1 &&
			place_of(b, &b->peers[i]) == place_of(b, &b->peers[k]))))
			k++;
		if (k == b->n_peers)
			continue;
		taken[i] = taken[k] = true;
		add_pair(b, i, k);
	}
	free(taken);
}

static void beat(struct pacer *pacer, uint64_t due)
{
	send_one(&chat.pairs[chat.next++ % chat.n], due);
}

static bool all_arrived(struct bench *b)
{
	for (unsigned i = 0; i < chat.n; i++)
		if (chat.pairs[i].line.received != chat.pairs[i].line.sent)
			return false;
	return true;
}

/* One message in each pair, so that the servers have connected to each other, both ways, before
 * anything counts. */
static bool meet(struct bench *b)
{
	for (unsigned i = 0; i < chat.n; i++)
		send_one(&chat.pairs[i], now_ns());
	if (bench_run(b, all_arrived, MEET_SECONDS, "waiting for the servers to meet"))
		return true;
	bench_error(b, "the servers did not reach each other within %d s", MEET_SECONDS);
	return false;
}

static void measure(struct bench *b)
{
	struct pacer pacer;
	bool open = b->o.rate > 0;

	if (open && !pacer_start(&pacer, &b->loop, b->o.rate, beat)) {
		bench_error(b, "timer: %s", strerror(errno));
		return;
	}
	chat.answering = !open;
	for (unsigned i = 0; !open && i < chat.n; i++)
		for (unsigned k = 0; k < b->o.window; k++)
			send_one(&chat.pairs[i], now_ns());
	bench_run(b, NULL, WARM_UP_SECONDS, "warming up");
	bench_start(b, b->scenario, "message");
	bench_measure(b, open ? 1 : chat.n, "chatting");
	bench_end(b);
	chat.answering = false;
	if (open)
		pacer_stop(&pacer);
	if (!bench_run(b, all_arrived, DRAIN_SECONDS, "waiting for the rest"))
		bench_error(b, "messages were lost");
	bench_run(b, NULL, LATE_SECONDS, "waiting for too many");
	crowd_acked(b);
}

/* pair: makes the pairs. */
static void talk(struct bench *b, void (*pair)(struct bench *b))
{
	if (!crowd_login(b, 0, b->n_peers, !b->target.floor))
		return;
	bench_settle(b);
	init_pairs(b);
	pair(b);
	if (!chat.n)
		bench_error(b, "no pair could be made");
	else if (!b->far.domain || meet(b))
		measure(b);
	for (unsigned i = 0; i < chat.n; i++)
		message_line_clear(&chat.pairs[i].line);
	free(chat.pairs);
	free(chat.of_receiver);
	chat.of_receiver = NULL;
	crowd_leave(b, 0, b->n_peers);
}

static void gather(struct bench *b)
{
	b->target.sm = b->o.ack_every > 0;
	b->target.ack_every = b->o.ack_every;
	crowd_make(b, b->o.users, &chat_ops);
}

void run_chat(struct bench *b)
{
	gather(b);
	talk(b, make_pairs);
}

void run_federation(struct bench *b)
{
	if (!b->far.domain || !b->far.port) {
		bench_error(b, "give --far-domain and --far-port");
		return;
	}
	gather(b);
	crowd_split(b);
	talk(b, make_far_pairs);
}

void run_floor(struct bench *b)
{
	b->target.floor = true;
	if (b->target.tls != PEER_PLAIN)
		b->target.tls = PEER_DIRECT;
	run_chat(b);
}
