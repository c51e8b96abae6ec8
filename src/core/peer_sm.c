#include "core/peer_sm.h"

#include "core/message.h"
#include "core/remote.h"

#include <stdlib.h>

static void time_to_ask(struct timer *t);
static void time_to_answer(struct timer *t);

static struct shard *shard_of_sm(const struct peer_sm *sm)
{
	return sm->peer->shard;
}

static void set(struct peer_sm *sm, struct timer *t, uint32_t ms)
{
	struct loop *l = &shard_of_sm(sm)->loop;

	timer_set(&l->wheel, t, l->now, ms);
}

static void stop(struct peer_sm *sm, struct timer *t)
{
	timer_stop(&shard_of_sm(sm)->loop.wheel, t);
}

static void begin(struct peer *p)
{
	struct peer_sm *sm = xcalloc(1, sizeof *sm);

	p->sm = sm;
	sm->peer = p;
	ack_in_init(&sm->in);
	backlog_init(&sm->unacked, p->shard, COUNT_PEERS_WAITING);
	timer_init(&sm->ask, time_to_ask);
	timer_init(&sm->answer, time_to_answer);
}

void peer_sm_start(struct peer *p)
{
	if (p->sm || !(p->offered & S2S_HAS_SM))
		return;
	begin(p);
	buf_lit(s2s_out(&p->stream), "<enable xmlns='urn:xmpp:sm:3'/>");
}

void peer_sm_feature(struct writer *w)
{
	w_open_ns(w, "sm", NS_SM);
	w_close(w);
}

/* ---- what we sent ---- */

static void request(struct peer_sm *sm)
{
	buf_lit(s2s_out(&sm->peer->stream), "<r xmlns='urn:xmpp:sm:3'/>");
	sm->requested = true;
	sm->since_request = 0;
	set(sm, &sm->ask, PEER_SILENCE_MS);
}

static void time_to_ask(struct timer *t)
{
	struct peer_sm *sm = container_of(t, struct peer_sm, ask);

	if (sm->requested)
		peer_fail(sm->peer, STREAM_CONNECTION_TIMEOUT, ERR_REMOTE_SERVER_TIMEOUT,
			STR("the remote server does not acknowledge what it got"));
	else
		request(sm);
}

bool peer_sm_is_full(const struct peer *p)
{
	return p->sm && p->sm->unacked.bytes >= p->shard->settings->peer_unacked_max;
}

void peer_sm_sent(struct peer *p, struct stanza *st, struct jid to)
{
	struct peer_sm *sm = p->sm;

	if (!sm) {
		message_handled(p->shard, st);
		return;
	}
	if (sm->stopped)
		return;
	sm->sent++;
	backlog_add(&sm->unacked, st, to);
	if (sm->requested)
		return;
	if (++sm->since_request >= PEER_ASK_AFTER || peer_sm_is_full(p))
		request(sm);
	else if (!timer_is_set(&sm->ask))
		set(sm, &sm->ask, PEER_ASK_MS);
}

static void too_high(struct peer_sm *sm)
{
	peer_fail(sm->peer, STREAM_UNDEFINED_CONDITION, ERR_REMOTE_SERVER_TIMEOUT,
		STR("more was acknowledged than was sent"));
}

static void on_acknowledged(struct peer_sm *sm, uint32_t h)
{
	struct peer *p = sm->peer;
	bool full = peer_sm_is_full(p);
	uint32_t n;

	if (sm->stopped)
		return;
	if (!ack_out_count(sm->sent, sm->acked, h, &n)) {
		too_high(sm);
		return;
	}
	sm->acked += n;
	while (n-- > 0) {
		struct waiting *w = backlog_first(&sm->unacked);
		message_handled(p->shard, w->stanza);
		backlog_drop(&sm->unacked, w);
	}
	sm->requested = false;
	stop(sm, &sm->ask);
	if (!backlog_is_empty(&sm->unacked))
		set(sm, &sm->ask, PEER_ASK_MS);
	if (full && p->remote)
		remote_takes_more(p);
}

/* ---- what came ---- */

static void answer(struct peer_sm *sm)
{
	struct arena *turn = &shard_of_sm(sm)->loop.turn;

	sm->asked = false;
	stop(sm, &sm->answer);
	buf_add(s2s_out(&sm->peer->stream),
		str_printf(turn, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", ack_in_h(&sm->in)));
}

static void time_to_answer(struct timer *t)
{
	answer(container_of(t, struct peer_sm, answer));
}

static void on_asked(struct peer_sm *sm)
{
	sm->asked_at = sm->in.received;
	if (ack_in_is_handled(&sm->in, sm->asked_at)) {
		answer(sm);
		return;
	}
	if (!sm->asked)
		set(sm, &sm->answer, PEER_ANSWER_MS);
	sm->asked = true;
}

bool peer_sm_counts(const struct peer *p)
{
	return p->sm && p->sm->enabled;
}

uint32_t peer_sm_take(struct peer *p, bool later)
{
	struct peer_sm *sm = p->sm;
	uint32_t number = ack_in_take(&sm->in, later);

	if (sm->in.n >= PEER_OPEN_MAX && !sm->held) {
		sm->held = true;
		s2s_throttle(&p->stream, true);
	}
	return number;
}

void peer_sm_handled(struct peer *p, uint32_t number)
{
	struct peer_sm *sm = p->sm;

	if (!sm || !ack_in_handled(&sm->in, number))
		return;
	if (sm->held && sm->in.n < PEER_OPEN_MAX / 2) {
		sm->held = false;
		s2s_throttle(&p->stream, p->shard->throttled);
	}
	if (sm->asked && ack_in_is_handled(&sm->in, sm->asked_at))
		answer(sm);
}

/* ---- elements ---- */

/* Section 3. Whose stanzas are counted has to be on the owner of his domain: it is told there when
 * they are handled. Stanzas may have come before, which do not count: Prosody asks behind those
 * for which it opened the stream, and ends it when it is refused. */
static void on_enable(struct peer *p)
{
	struct buf *out = s2s_out(&p->stream);

	if (p->outgoing || !p->remote || p->sm) {
		buf_lit(out, "<failed xmlns='urn:xmpp:sm:3'><unexpected-request "
			     "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>");
		return;
	}
	begin(p);
	p->sm->enabled = true;
	buf_lit(out, "<enabled xmlns='urn:xmpp:sm:3'/>");
}

/* The peer offered it and will not: what was sent since counts as on a stream without it. */
static void on_failed(struct peer *p)
{
	struct peer_sm *sm = p->sm;

	if (!sm || sm->enabled)
		return;
	p->offered &= ~(unsigned)S2S_HAS_SM; /* nobody asks again for another pair */
	while (!backlog_is_empty(&sm->unacked)) {
		struct waiting *w = backlog_first(&sm->unacked);
		message_handled(p->shard, w->stanza);
		backlog_drop(&sm->unacked, w);
	}
	peer_sm_end(p);
}

static void on_enabled(struct peer *p)
{
	if (p->sm && p->outgoing)
		p->sm->enabled = true;
}

static void on_a(struct peer *p, const struct xml_doc *d)
{
	struct str said = xml_attr_str(d, xml_root(d), TAG_H, &p->shard->loop.turn);
	int64_t h;

	if (str_to_i64(said, 0, UINT32_MAX, &h))
		on_acknowledged(p->sm, (uint32_t)h);
	else
		peer_fail(p, STREAM_BAD_FORMAT, ERR_REMOTE_SERVER_TIMEOUT, STR("an <a/> without 'h'"));
}

bool peer_sm_nonza(struct peer *p, const struct xml_doc *d)
{
	switch ((enum xml_tag)xml_root(d)->tag) {
	case TAG_ENABLE:
		on_enable(p);
		return true;
	case TAG_ENABLED:
		on_enabled(p);
		return true;
	case TAG_FAILED:
		on_failed(p);
		return true;
	case TAG_R:
		if (p->sm)
			on_asked(p->sm);
		return p->sm;
	case TAG_A:
		if (p->sm)
			on_a(p, d);
		return true; /* of a stream management that is over, it may still come */
	default:
		return false;
	}
}

void peer_sm_stop(struct peer *p)
{
	struct peer_sm *sm = p->sm;

	if (!sm)
		return;
	sm->stopped = true;
	stop(sm, &sm->ask);
	backlog_stop(&sm->unacked);
}

void peer_sm_end(struct peer *p)
{
	struct peer_sm *sm = p->sm;

	if (!sm)
		return;
	p->sm = NULL;
	stop(sm, &sm->ask);
	stop(sm, &sm->answer);
	ack_in_clear(&sm->in);
	if (p->shard->stopping || p->shard->dead)
		backlog_clear(&sm->unacked); /* who could be told was, by peer_sm_stop() */
	else
		backlog_refuse(&sm->unacked, UINT64_MAX, ERR_REMOTE_SERVER_TIMEOUT,
			STR("the remote server went away, and may not have it"));
	free(sm);
}
