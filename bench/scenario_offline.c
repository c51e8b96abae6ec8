/* offline: messages to accounts that are not online, which the server stores (phase "store");
 * then their users come, and get them (phase "deliver"). Each must come once, in order and
 * unchanged, and none of them again at the next login. */
#include "bench.h"

#include "base/bug.h"
#include "message.h"

#include <stdlib.h>

#define PATIENCE_SECONDS 300
#define AGAIN_SECONDS    0.5
#define MESSAGES         20

struct mailing {
	struct message_line line;
	struct peer *from;
	unsigned unanswered;     /* messages sent since the last ping */
	uint64_t pinged_ns;
};

static struct {
	struct mailing *mailings;  /* senders stand first among the peers, then the receivers */
	unsigned n, stored;        /* stored: senders that are done */
	uint64_t delivered, want;
} offline;

/* A window of messages, and a ping behind them that says that the server has read them. */
static void send_window(struct bench *b, struct mailing *m)
{
	struct buf *out = peer_out(m->from);
	uint64_t now = now_ns();

	m->unanswered = 0;
	while (m->unanswered < b->o.window && m->line.sent < b->o.messages) {
		message_write(&m->line, out, now);
		m->unanswered++;
	}
	m->pinged_ns = now;
	buf_printf(out, "<iq type='get' id='ping' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>",
		b->target.domain);
}

static void on_answer(struct peer *p)
{
	struct bench *b = bench_of(p);
	struct mailing *m = &offline.mailings[peer_index(p)];
	uint64_t took = now_ns() - m->pinged_ns;

	for (unsigned i = 0; i < m->unanswered; i++)
		bench_count(b, took);
	if (m->line.sent < b->o.messages)
		send_window(b, m);
	else
		offline.stored++;
}

static void on_message(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	unsigned i = peer_index(p);
	uint64_t due;

	const char *wrong = i < offline.n ? "it is not for this user"
		: message_check(&offline.mailings[i - offline.n].line, d, false, &b->loop.turn, &due);
	if (wrong) {
		bench_error(b, "%s: %s", p->user, wrong);
		return;
	}
	offline.delivered++;
	bench_count(b, now_ns() - b->now->start_ns);
}

static void on_stanza(struct peer *p, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);

	if (root->tag == TAG_MESSAGE)
		on_message(p, d);
	else if (root->tag == TAG_IQ && peer_index(p) < offline.n)
		on_answer(p);
}

static const struct peer_ops offline_ops = { .ready = crowd_ready, .stanza = on_stanza,
	.failed = crowd_failed, .ended = crowd_ended };

static bool all_stored(struct bench *b)
{
	return offline.stored == offline.n;
}

static bool all_delivered(struct bench *b)
{
	return offline.delivered == offline.want;
}

static bool store(struct bench *b)
{
	if (!crowd_login(b, 0, offline.n, true))
		return false;
	bench_settle(b);
	bench_start(b, "store", "message");
	for (unsigned i = 0; i < offline.n; i++)
		send_window(b, &offline.mailings[i]);
	if (!bench_run(b, all_stored, PATIENCE_SECONDS, "storing"))
		bench_error(b, "storing took too long");
	bench_settle(b);
	bench_end(b);
	crowd_leave(b, 0, offline.n);
	return !b->errors;
}

/* The receivers are bound already: what is measured begins with their presence. */
static bool deliver(struct bench *b)
{
	if (!crowd_login(b, offline.n, offline.n, false))
		return false;
	bench_settle(b);
	bench_start(b, "deliver", "message");
	for (unsigned i = offline.n; i < b->n_peers; i++)
		buf_lit(peer_out(&b->peers[i]), "<presence/>");
	if (!bench_run(b, all_delivered, PATIENCE_SECONDS, "delivering"))
		bench_error(b, "%llu messages of %llu were lost",
			(unsigned long long)(offline.want - offline.delivered),
			(unsigned long long)offline.want);
	bench_settle(b);
	bench_end(b);
	crowd_leave(b, offline.n, offline.n);
	return !b->errors;
}

void run_offline(struct bench *b)
{
	if (!b->o.messages)
		b->o.messages = MESSAGES;
	offline.n = b->o.users / 2;
	offline.want = (uint64_t)offline.n * b->o.messages;
	crowd_make(b, 2 * offline.n, &offline_ops);
	offline.mailings = xcalloc(offline.n + 1, sizeof *offline.mailings);
	for (unsigned i = 0; i < offline.n; i++) {
		struct mailing *m = &offline.mailings[i];
		m->from = &b->peers[i];
		message_line_init(&m->line, m->from, &b->peers[offline.n + i], true, b->o.bytes);
	}
	if (store(b) && deliver(b) && crowd_login(b, offline.n, offline.n, true)) {
		bench_run(b, NULL, AGAIN_SECONDS, "waiting for too many");
		crowd_leave(b, offline.n, offline.n);
	}
	for (unsigned i = 0; i < offline.n; i++)
		message_line_clear(&offline.mailings[i].line);
	free(offline.mailings);
}
