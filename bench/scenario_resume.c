/* resume: pairs chat at a fixed rate (phase "chat"); then connections break as well, at a fixed
 * rate, each second one in silence, and the sessions go on over new connections (phase "resume":
 * XEP-0198 section 5; latency is from the connection to <resumed/>). Every message must come once
 * and in order, whatever was under way when its connection broke. */
#include "bench.h"

#include "base/bug.h"
#include "outbox.h"
#include "pacer.h"

#include <errno.h>
#include <stdlib.h>

#define WARM_UP_SECONDS  0.5
#define PATIENCE_SECONDS 60
#define LATE_SECONDS     0.5
#define RATE             1000
#define BREAKS           100
#define LEAST            10  /* resumptions, and messages, to measure */

static struct {
	struct outbox *boxes;
	unsigned n, next;       /* next: in turn */
	unsigned next_break, broken;
	uint64_t *begun;        /* by peer: when its new connection began */
	bool chatting, breaking;
	struct bench *bench;
} resume;

static struct outbox *box_of(struct peer *p)
{
	return &resume.boxes[peer_index(p) / 2];
}

static void on_acked(struct peer *p, uint32_t n)
{
	struct outbox *o = box_of(p);

	if (o->from != p)
		return;
	while (n-- && outbox_waiting(o))
		outbox_acked(o);
}

static void on_stanza(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	struct outbox *o = box_of(p);
	uint64_t due;

	/* Before: what a run left behind that failed. */
	if (xml_root(d)->tag != TAG_MESSAGE || !resume.chatting)
		return;
	const char *wrong = o->to != p ? "it is not for this user"
		: message_check(&o->line, d, false, &b->loop.turn, &due);
	if (wrong)
		bench_bad_message(p, d, wrong);
	else if (!resume.breaking)
		bench_count(b, now_ns() - due);
}

static void on_resumed(struct peer *p)
{
	struct outbox *o = box_of(p);

	resume.broken--;
	if (resume.breaking)
		bench_count(bench_of(p), now_ns() - resume.begun[peer_index(p)]);
	if (o->from == p)
		outbox_resend(o);
}

static const struct peer_ops resume_ops = { .ready = crowd_ready, .stanza = on_stanza,
	.acked = on_acked, .resumed = on_resumed, .failed = crowd_failed, .ended = crowd_ended };

static void send_next(struct pacer *pacer, uint64_t due)
{
	struct outbox *o = &resume.boxes[resume.next++ % resume.n];

	if (!outbox_send(o, due))
		bench_error(resume.bench, "%s: the server does not acknowledge", o->from->user);
}

/* Passes over those that are still coming back from their last break. */
static void break_next(struct pacer *pacer, uint64_t due)
{
	struct bench *b = resume.bench;

	for (unsigned i = 0; i < b->n_peers; i++) {
		unsigned at = resume.next_break++ % b->n_peers;
		struct peer *p = &b->peers[at];
		if (!peer_is_up(p))
			continue;
		/* By pairs, so that both senders and receivers break either way. */
		peer_break(p, at / 2 % 2);
		resume.begun[at] = now_ns();
		resume.broken++;
		if (!peer_connect(p))
			bench_error(b, "connect: %s", strerror(errno));
		return;
	}
}

static bool all_back(struct bench *b)
{
	return resume.broken == 0;
}

static bool all_done(struct bench *b)
{
	for (unsigned i = 0; i < resume.n; i++)
		if (!outbox_is_done(&resume.boxes[i]))
			return false;
	return true;
}

static void break_for_a_while(struct bench *b)
{
	struct pacer breaks;

	if (!pacer_start(&breaks, &b->loop, b->o.breaks > 0 ? b->o.breaks : BREAKS, break_next)) {
		bench_error(b, "timer: %s", strerror(errno));
		return;
	}
	resume.breaking = true;
	bench_run(b, NULL, WARM_UP_SECONDS, "breaking");
	bench_start(b, "resume", "resumption");
	bench_measure(b, LEAST, "breaking");
	bench_end(b);
	pacer_stop(&breaks);
}

static void drain(struct bench *b)
{
	if (!bench_run(b, all_back, PATIENCE_SECONDS, "waiting for the last to come back"))
		bench_error(b, "%u sessions did not come back", resume.broken);
	for (unsigned i = 0; i < resume.n && !b->errors; i++)
		peer_ask(resume.boxes[i].from);
	if (!bench_run(b, all_done, PATIENCE_SECONDS, "waiting for the rest"))
		bench_error(b, "messages or acknowledgements were lost");
	bench_run(b, NULL, LATE_SECONDS, "waiting for too many");
}

static void run(struct bench *b)
{
	struct pacer messages;

	bench_settle(b);
	if (!crowd_acked(b))
		return;
	resume.chatting = true;
	if (!pacer_start(&messages, &b->loop, b->o.rate > 0 ? b->o.rate : RATE, send_next)) {
		bench_error(b, "timer: %s", strerror(errno));
		return;
	}
	bench_run(b, NULL, WARM_UP_SECONDS, "warming up");
	bench_start(b, "chat", "message");
	bench_measure(b, LEAST, "chatting");
	bench_end(b);
	if (!b->errors)
		break_for_a_while(b);
	pacer_stop(&messages);
	drain(b);
}

void run_resume(struct bench *b)
{
	resume.bench = b;
	resume.n = b->o.users / 2;
	if (!resume.n) {
		bench_error(b, "there must be two users");
		return;
	}
	b->target.sm = true;
	b->target.ack_every = b->o.ack_every ? b->o.ack_every : 1;
	crowd_make(b, 2 * resume.n, &resume_ops);
	resume.boxes = xcalloc(resume.n, sizeof *resume.boxes);
	resume.begun = xcalloc(b->n_peers, sizeof *resume.begun);
	for (unsigned i = 0; i < resume.n; i++)
		outbox_init(&resume.boxes[i], &b->peers[2 * i], &b->peers[2 * i + 1], b->o.bytes);
	if (crowd_login(b, 0, b->n_peers, true))
		run(b);
	crowd_leave(b, 0, b->n_peers);
	for (unsigned i = 0; i < resume.n; i++)
		outbox_clear(&resume.boxes[i]);
	free(resume.boxes);
	free(resume.begun);
}
