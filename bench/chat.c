/* chat: pairs of users, messages one way, so many under way in each pair; or at a fixed rate
 * over all. Every message is looked at: its place in the order, its length, its bytes. */
#include "bench.h"

#include "base/bug.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

struct pair {
	struct peer *from, *to;
	uint64_t sent, received;
};

static struct {
	struct pair *pairs;
	unsigned n;
	struct pair **of_receiver; /* by index of the peer */
	bool over;
	double due; /* messages of the open loop */
} chat;

#define HEAD 34 /* "%016llx %016llx " in front of the filler */

static void send_one(struct bench *b, struct pair *p)
{
	struct buf *out = peer_out(p->from);
	unsigned filler = b->o.bytes > HEAD ? b->o.bytes - HEAD : 0;

	buf_printf(out, "<message to='%s@%s/%s' type='chat' id='m%llx'><body>%016llx %016llx ",
		p->to->user, b->target.domain, p->to->resource, (unsigned long long)p->sent,
		(unsigned long long)p->sent, (unsigned long long)now_ns());
	char *to = buf_reserve(out, filler);
	if (to) {
		memset(to, 'a' + (int)(p->sent % 26), filler);
		out->n += filler;
	}
	buf_lit(out, "</body></message>");
	p->sent++;
}

static void check_body(struct bench *b, struct pair *p, struct str body)
{
	unsigned long long seq, sent_ns;
	char head[HEAD + 1] = { 0 };

	if (body.n < HEAD) {
		bench_error(b, "a body of %zu bytes", body.n);
		return;
	}
	memcpy(head, body.p, HEAD);
	if (sscanf(head, "%16llx %16llx ", &seq, &sent_ns) != 2 || seq != p->received) {
		bench_error(b, "%s: message %llu came when %llu was due", p->to->user, seq,
			(unsigned long long)p->received);
		return;
	}
	size_t want = b->o.bytes > HEAD ? b->o.bytes : HEAD;
	bool same = body.n == want;
	for (size_t i = HEAD; same && i < body.n; i++)
		same = body.p[i] == (char)('a' + (int)(seq % 26));
	if (!same)
		bench_error(b, "%s: message %llu was changed", p->to->user, seq);
	p->received++;
	b->units++;
	histogram_add(&b->latency, now_ns() - sent_ns);
}

static void on_stanza(struct peer *peer, const struct xml_doc *d)
{
	struct bench *b = bench_of(peer);
	const struct xml_node *root = xml_root(d);

	if (root->tag != TAG_MESSAGE)
		return;
	struct pair *p = chat.of_receiver[peer - b->peers];
	const struct xml_node *body = xml_child(d, root, NS_CLIENT, TAG_BODY);
	if (!p || !body || xml_child(d, root, NS_CLIENT, TAG_ERROR)) {
		bench_error(b, "%s: a message that was not for it", peer->user);
		return;
	}
	check_body(b, p, xml_text(d, body, &b->loop.turn));
	if (!chat.over && b->o.rate == 0)
		send_one(b, p);
}

static void failed(struct peer *p, const char *why)
{
	bench_error(bench_of(p), "%s: %s", p->user, why);
}

static void ended(struct peer *p)
{
}

static const struct peer_ops chat_ops = { .ready = crowd_ready, .stanza = on_stanza,
	.failed = failed, .ended = ended };

/* Where Stentor places a user, out of so many shards. */
static unsigned place_of(struct bench *b, struct peer *p)
{
	char jid[256];

	snprintf(jid, sizeof jid, "%s@%s", p->user, b->target.domain);
	return (unsigned)(hash_fixed(str_c(jid)) % 1024 % b->o.across);
}

/* With --across, the partner of each is the next unpaired one of another shard. */
static void make_pairs(struct bench *b)
{
	bool *taken = xcalloc(b->n_peers, sizeof *taken);

	chat.pairs = xcalloc(b->n_peers / 2, sizeof *chat.pairs);
	chat.of_receiver = xcalloc(b->n_peers, sizeof *chat.of_receiver);
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
		/* Every second pair the other way round: both directions between shards. */
		unsigned from = chat.n % 2 ? k : i, to = chat.n % 2 ? i : k;
		struct pair *p = &chat.pairs[chat.n++];
		*p = (struct pair){ &b->peers[from], &b->peers[to], 0, 0 };
		chat.of_receiver[to] = p;
	}
	free(taken);
}

/* The open loop: what is due by now, spread over the pairs in turn. */
static bool pace(struct bench *b)
{
	static unsigned next;
	static uint64_t last;
	uint64_t now = now_ns();

	if (chat.over || b->o.rate == 0)
		return false;
	if (last)
		chat.due += (double)(now - last) * b->o.rate / 1e9;
	last = now;
	for (; chat.due >= 1; chat.due--)
		send_one(b, &chat.pairs[next++ % chat.n]);
	return false;
}

static bool all_arrived(struct bench *b)
{
	for (unsigned i = 0; i < chat.n; i++)
		if (chat.pairs[i].received != chat.pairs[i].sent)
			return false;
	return true;
}

static void measure(struct bench *b)
{
	for (unsigned i = 0; b->o.rate == 0 && i < chat.n; i++)
		for (unsigned k = 0; k < b->o.window; k++)
			send_one(b, &chat.pairs[i]);
	bench_run(b, pace, 1, "warming up");
	bench_start(b);
	bench_run(b, pace, b->o.seconds, "chatting");
	bench_end(b);
	uint64_t units = b->units;
	chat.over = true;
	if (!bench_run(b, all_arrived, 20, "waiting for the rest"))
		bench_error(b, "messages were lost");
	b->units = units;
}

void run_chat(struct bench *b)
{
	if (!crowd_login(b, b->o.users, &chat_ops, true))
		return;
	make_pairs(b);
	if (chat.n)
		measure(b);
	else
		bench_error(b, "no pair could be made");
	free(chat.pairs);
	free(chat.of_receiver);
	crowd_leave(b);
}
