#include "core/peer.h"

#include "base/bug.h"
#include "base/clock.h"
#include "core/foreign.h"
#include "core/peer_sm.h"
#include "core/remote.h"

#include <stdlib.h>

static void fired(struct timer *t);

void peers_init(struct shard *s)
{
	list_init(&s->peers);
}

static struct peer *peer_of(struct s2s *s)
{
	return s->user;
}

const char *proof_name(enum proof p)
{
	static const char *const names[] = {
		[PROOF_NONE] = "none", [PROOF_CERTIFICATE] = "certificate", [PROOF_DANE] = "DANE",
		[PROOF_PIN] = "pin", [PROOF_DIALBACK] = "dialback",
	};

	return names[p];
}

/* ---- time ---- */

static void set_timer(struct peer *p, uint32_t ms)
{
	struct loop *l = &p->shard->loop;

	timer_set(&l->wheel, &p->timer, l->now, ms);
}

void peer_used(struct peer *p)
{
	p->active = p->shard->loop.now;
}

static uint64_t wall_seconds(void)
{
	return clock_wall_us() / 1000000;
}

/* A certificate is right for all of its last second. */
static uint64_t ms_until_expired(const struct peer *p)
{
	uint64_t now = clock_wall_us() / 1000, end = (p->expires + 1) * 1000;

	return end > now ? end - now : 0;
}

/* Looks again when it may be idle by then, or a certificate that it depends on has ended. */
static void look_in(struct peer *p, uint64_t ms)
{
	if (p->expires && ms_until_expired(p) < ms)
		ms = ms_until_expired(p);
	set_timer(p, (uint32_t)ms);
}

static void be_idle(struct peer *p)
{
	peer_used(p);
	look_in(p, p->shard->settings->peer_idle_ms);
}

/* A domain is authorised on it. */
static void be_open(struct peer *p)
{
	p->open = true;
	if (p->proof == PROOF_CERTIFICATE)
		p->expires = p->kind->expires(p, wall_seconds());
	be_idle(p);
}

static bool is_negotiated(const struct peer *p)
{
	return p->open || p->ready;
}

/* The authority's own certificate, which is not in the chain, may end too: each time is as good. */
static bool certificate_lasts(struct peer *p)
{
	if (!p->expires)
		return true;
	if (!ms_until_expired(p))
		p->expires = p->kind->expires(p, wall_seconds());
	return proof_lasts(p);
}

static void fired(struct timer *t)
{
	struct peer *p = container_of(t, struct peer, timer);
	uint64_t quiet = p->shard->loop.now - p->active;
	uint32_t patience = p->shard->settings->peer_idle_ms;

	if (s2s_is_closed(&p->stream))
		s2s_stop_draining(&p->stream);
	else if (!is_negotiated(p))
		peer_fail(p, STREAM_CONNECTION_TIMEOUT, ERR_REMOTE_SERVER_TIMEOUT,
			STR("the negotiation took too long"));
	else if (quiet >= patience)
		s2s_end(&p->stream);
	else if (!certificate_lasts(p))
		peer_fail(p, STREAM_RESET, ERR_REMOTE_SERVER_TIMEOUT,
			STR("the remote server's certificate has expired"));
	else
		look_in(p, patience - quiet);
}

/* ---- its life ---- */

struct peer *peer_ref(struct peer *p)
{
	p->refs++;
	return p;
}

void peer_unref(struct peer *p)
{
	if (--p->refs > 0)
		return;
	s2s_clear(&p->stream);
	p->kind->free(p);
}

void peer_gone(struct peer *p)
{
	timer_stop(&p->shard->loop.wheel, &p->timer);
	quota_leave(&p->half_open);
	list_del(&p->link);
	peer_unref(p);
}

void peer_drop(struct peer *p)
{
	s2s_lost(&p->stream);
	p->kind->drop(p);
	peer_gone(p);
}

void peer_fail(struct peer *p, enum stream_error how, enum stanza_error error, struct str words)
{
	p->failure = (struct failure){ error, words };
	s2s_close(&p->stream, how, words);
}

static void settle(struct peer *p, struct shard *s)
{
	p->shard = s;
	s2s_settle(&p->stream, &s->table, &s->loop.turn, &s->log);
	s2s_limit(&p->stream, &s->settings->guest, &s->settings->user);
	list_add(&s->peers, &p->link);
	s2s_throttle(&p->stream, s->throttled);
}

/* ---- to the owner ---- */

/* A stream on its way to the owner of the domain that was authorised on it. */
struct move {
	struct mail mail;
	struct peer *peer;
	struct str remote, local; /* inline, behind the struct */
};

/* What is for the peer goes to it over a stream that it opened (XEP-0288). */
static void go_back_on(struct peer *p, struct str remote, struct str local)
{
	if (p->remote && p->bidi && str_eq(p->remote->domain, remote) &&
		s2s_takes_stanzas(&p->stream))
		pair_open(pair_find_or_make(p->remote, local), p);
}

/* On the owner. */
static void join(struct peer *p, struct str remote, struct str local)
{
	struct remote *r = remote_find_or_make(p->shard, remote);

	if (!remote_join(r, p)) {
		peer_fail(p, STREAM_RESOURCE_CONSTRAINT, ERR_RESOURCE_CONSTRAINT,
			STR("there are as many streams as may be between these domains"));
		return;
	}
	be_idle(p);
	log_info(&p->shard->log, "peer_came", F_STR("remote", remote), F_STR("local", local),
		F_C("proof", proof_name(p->proof)));
	go_back_on(p, remote, local);
}

static void arrived(struct mail *m, void *receiver)
{
	struct move *v = container_of(m, struct move, mail);
	struct peer *p = v->peer;
	struct shard *s = receiver;

	settle(p, s);
	if (!p->kind->attach(p, s)) {
		log_error(&s->log, "attach", F_C("error", "the loop refuses a connection"));
		peer_drop(p);
	} else {
		if (s->stopping)
			s2s_close(&p->stream, STREAM_SYSTEM_SHUTDOWN, STR("the server stops"));
		else
			join(p, v->remote, v->local);
		s2s_go_on(&p->stream);
	}
	free(v);
}

static void move(struct peer *p, struct shard *owner, struct str remote, struct str local)
{
	struct shard *here = p->shard;
	struct move *v = xcalloc(1, sizeof *v + remote.n + local.n);
	char *text = (char *)(v + 1);

	v->remote = str_put(&text, remote);
	v->local = str_put(&text, local);
	v->peer = p;
	s2s_hold(&p->stream);
	timer_stop(&here->loop.wheel, &p->timer);
	list_del(&p->link);
	peer_questions_move(p, owner);
	p->kind->detach(p);
	v->mail = (struct mail){ .run = arrived, .bytes = sizeof *p };
	shard_post(here, owner, &v->mail);
}

bool peer_authorised(struct peer *p, struct str remote, struct str local)
{
	struct shard *owner = remote_owner(p->shard->core, remote);
	bool first = !p->remote; /* it has not joined a domain */

	quota_leave(&p->half_open);
	be_open(p);
	if (s2s_is_closed(&p->stream))
		return false;
	if (first && owner != p->shard) {
		move(p, owner, remote, local);
		return true;
	}
	if (first)
		join(p, remote, local);
	else
		go_back_on(p, remote, local);
	return false;
}

void peer_handled(struct shard *s, const struct stanza *st)
{
	struct remote *r = remote_find(s, jid_domain(st->from));

	if (!r)
		return;
	list_each(p, &r->peers, struct peer, sibling)
		if (p->number == st->session) {
			peer_sm_handled(p, st->number);
			return;
		}
}

/* ---- the stream's questions ---- */

static bool on_host(struct s2s *stream, struct str to, struct str from, struct s2s_host *out,
	enum stream_error *why)
{
	const struct settings *s = peer_of(stream)->shard->settings;
	const struct host *h = settings_host(s, to);

	if (!h || !h->federation || !s->federation)
		return false;
	if (from.n && settings_host(s, from)) { /* one of ours does not come from outside */
		*why = STREAM_INVALID_FROM;
		return false;
	}
	if (from.n && !settings_federates(s, h, from)) {
		*why = STREAM_POLICY_VIOLATION;
		return false;
	}
	*out = (struct s2s_host){ .tls = s->tls, .external = true, .dialback = true,
		.tls_required = settings_peer(s, from)->security != PEERS_IN_CLEAR,
		.bidi = s->bidi };
	return true;
}

static struct str on_own_name(struct s2s *stream)
{
	return peer_of(stream)->shard->settings->first->domain;
}

static bool on_secured(struct s2s *stream)
{
	struct peer *p = peer_of(stream);

	return !p->outgoing || proof_of_receiver(p);
}

static bool on_may_external(struct s2s *stream)
{
	return proof_may_be_external(peer_of(stream));
}

static void on_features(struct s2s *stream, struct writer *w, bool authed)
{
	if (authed)
		peer_sm_feature(w);
}

static void on_external(struct s2s *stream, struct str domain)
{
	proof_external(peer_of(stream), domain);
}

static void on_ready(struct s2s *stream, unsigned offered)
{
	struct peer *p = peer_of(stream);

	p->offered = offered;
	p->ready = true;
	p->endpoint.tlsa = NULL; /* its location is gone now */
	p->endpoint.target = STR("");
	be_idle(p);
	remote_peer_ready(p);
}

static void go_out_on(struct peer *p, struct str local)
{
	if (!peer_may_talk(p->shard->settings, p->remote->domain, local))
		return; /* a reload came between */
	p->bidi = p->stream.said_bidi;
	be_open(p);
	if (p->bidi)
		s2s_authorise(&p->stream, p->remote->domain, local);
	peer_sm_start(p);
	pair_open(pair_find_or_make(p->remote, local), p);
}

static void on_accepted(struct s2s *stream, unsigned offered)
{
	struct peer *p = peer_of(stream);

	if (!p->outgoing) {
		go_back_on(p, str_c(stream->remote), str_c(stream->local));
		return;
	}
	p->offered = offered;
	if (p->remote)
		go_out_on(p, str_c(stream->local));
	remote_may_ask(p);
}

static void on_not_accepted(struct s2s *stream)
{
	struct peer *p = peer_of(stream);
	struct pair *pair = p->remote ? pair_find(p->remote, str_c(stream->local)) : NULL;

	p->offered &= ~(unsigned)S2S_HAS_EXTERNAL;
	if (pair)
		pair_ask(pair, p);
	remote_may_ask(p);
}

static void on_result(struct s2s *stream, const struct s2s_db *db)
{
	proof_result(peer_of(stream), db);
}

static void on_verify(struct s2s *stream, const struct s2s_db *db)
{
	proof_verify(peer_of(stream), db);
}

/* XEP-0220 section 2.4.2: what we tell our own of what the peer told us. */
static struct failure result_failure(const struct s2s_db *db)
{
	if (db->outcome == S2S_FAILED && db->error == ERR_REMOTE_SERVER_TIMEOUT)
		return (struct failure){ ERR_REMOTE_SERVER_TIMEOUT,
			STR("the remote server could not ask us back") };
	return (struct failure){ ERR_REMOTE_SERVER_NOT_FOUND,
		STR("the remote server does not believe who we are") };
}

static void on_result_answered(struct s2s *stream, const struct s2s_db *db)
{
	struct peer *p = peer_of(stream);
	struct pair *pair = p->remote ? pair_find(p->remote, db->to) : NULL;

	if (!pair || !str_eq(db->from, p->remote->domain))
		return;
	if (db->outcome == S2S_VALID)
		go_out_on(p, pair->local);
	else
		pair_refused(pair, p, result_failure(db));
}

static void on_verify_answered(struct s2s *stream, const struct s2s_db *db)
{
	remote_verified(peer_of(stream), db);
}

static void on_bidi(struct s2s *stream)
{
	peer_of(stream)->bidi = peer_of(stream)->shard->settings->bidi;
}

static void on_stanza(struct s2s *stream, const struct xml_doc *d, struct jid from, struct jid to)
{
	struct peer *p = peer_of(stream);

	bool counted = peer_sm_counts(p);
	/* One who is told on the owner of the domain of `from`. */
	bool later = counted && p->remote && str_eq(jid_domain(from), p->remote->domain) &&
		stanza_kind_of(xml_root(d)) == STANZA_MESSAGE;
	struct receipt receipt = { 0 };

	count(p->shard, COUNT_PEER_STANZAS_IN);
	peer_used(p);
	if (counted)
		receipt.number = peer_sm_take(p, later);
	if (later)
		receipt.stream = p->number;
	foreign_in(p->shard, d, from, to, stream->lang ? str_c(stream->lang) : STR_NULL, receipt);
}

static bool on_serves(struct s2s *stream, struct str domain)
{
	return settings_host(peer_of(stream)->shard->settings, domain);
}

static bool on_nonza(struct s2s *stream, const struct xml_doc *d)
{
	return peer_sm_nonza(peer_of(stream), d);
}

static struct failure failure_here(const struct s2s *stream)
{
	if (stream->lacks_tls)
		return (struct failure){ ERR_REMOTE_SERVER_NOT_FOUND,
			STR("there is no TLS with the remote server") };
	return (struct failure){ ERR_REMOTE_SERVER_TIMEOUT,
		STR("the remote server does not keep to the protocol") };
}

/* What a stream that ended before it was of use tells those who wait for it. */
static struct failure closed_failure(const struct s2s *stream, enum stream_ending how,
	enum stream_error error)
{
	if (how == STREAM_ENDED_HERE)
		return failure_here(stream);
	if (error == STREAM_HOST_UNKNOWN || error == STREAM_HOST_GONE)
		return (struct failure){ ERR_REMOTE_SERVER_NOT_FOUND,
			STR("the remote server does not serve the domain") };
	if (error == STREAM_NOT_AUTHORIZED || error == STREAM_POLICY_VIOLATION ||
		error == STREAM_INVALID_FROM)
		return (struct failure){ ERR_REMOTE_SERVER_NOT_FOUND,
			STR("the remote server does not talk to us") };
	return (struct failure){ ERR_REMOTE_SERVER_TIMEOUT,
		STR("the remote server ended the connection") };
}

/* What comes now is not acknowledged any more (XEP-0198): a peer that counts tells its own that it
 * may not have come, so it is not taken. */
static void drain(struct peer *p)
{
	timer_stop(&p->shard->loop.wheel, &p->timer);
	if (peer_sm_counts(p))
		s2s_stop_draining(&p->stream);
	else if (s2s_drains(&p->stream))
		set_timer(p, PEER_DRAIN_MS);
}

static void on_closed(struct s2s *stream, enum stream_ending how, enum stream_error error)
{
	struct peer *p = peer_of(stream);

	drain(p);
	quota_leave(&p->half_open);
	uncount(p->shard, COUNT_PEERS);
	if (!p->failure.words.n)
		p->failure = closed_failure(stream, how, error);
	if (p->remote)
		remote_peer_closed(p);
	peer_questions_give_up(p);
	peer_sm_end(p);
}

static const struct s2s_ops peer_ops = {
	.host = on_host,
	.own_name = on_own_name,
	.secured = on_secured,
	.may_external = on_may_external,
	.features = on_features,
	.external = on_external,
	.ready = on_ready,
	.accepted = on_accepted,
	.not_accepted = on_not_accepted,
	.result = on_result,
	.verify = on_verify,
	.result_answered = on_result_answered,
	.verify_answered = on_verify_answered,
	.bidi = on_bidi,
	.stanza = on_stanza,
	.serves = on_serves,
	.nonza = on_nonza,
	.closed = on_closed,
};

static void init(struct peer *p, const struct peer_kind *kind, struct shard *s)
{
	*p = (struct peer){ .kind = kind, .refs = 1 };
	list_init(&p->sibling);
	list_init(&p->questions);
	timer_init(&p->timer, fired);
	count(s, COUNT_PEERS);
}

void peer_init(struct peer *p, const struct peer_kind *kind, struct shard *s, struct wire *wire)
{
	init(p, kind, s);
	s2s_init_incoming(&p->stream, wire, &peer_ops, p);
	settle(p, s);
	set_timer(p, s->settings->login_ms);
}

void peer_init_outgoing(struct peer *p, const struct peer_kind *kind, struct pair *pair,
	struct wire *wire, bool must_tls)
{
	struct shard *s = pair->remote->shard;

	init(p, kind, s);
	p->outgoing = true;
	p->pair = pair;
	s2s_init_outgoing(&p->stream, wire, &peer_ops, p, pair->local, pair->remote->domain, must_tls);
	settle(p, s);
	remote_join(pair->remote, p);
	set_timer(p, s->settings->login_ms);
}

/* ---- all of a shard ---- */

void peers_throttle(struct shard *s, bool on)
{
	list_each(p, &s->peers, struct peer, link)
		s2s_throttle(&p->stream, on || (p->sm && p->sm->held));
}

bool peer_may_talk(const struct settings *s, struct str remote, struct str local)
{
	const struct host *h = settings_host(s, local);

	return h && settings_federates(s, h, remote);
}

static bool may_talk(const void *settings, struct str remote, struct str local)
{
	return peer_may_talk(settings, remote, local);
}

static bool is_still_right(const struct peer *p)
{
	const struct settings *s = p->shard->settings;
	const struct s2s *stream = &p->stream;

	if (stream->local && stream->remote &&
		!peer_may_talk(s, str_c(stream->remote), str_c(stream->local)))
		return false;
	return s2s_all_pairs(stream, may_talk, s);
}

void peers_reload(struct shard *s)
{
	remotes_reload(s);
	list_each_safe(p, &s->peers, struct peer, link) {
		s2s_limit(&p->stream, &s->settings->guest, &s->settings->user);
		if (!is_still_right(p))
			peer_fail(p, STREAM_POLICY_VIOLATION, ERR_REMOTE_SERVER_NOT_FOUND,
				STR("the domains do not talk to each other any more"));
	}
}

void peers_stop_waiting(struct shard *s)
{
	remotes_stop(s);
	list_each(p, &s->peers, struct peer, link)
		peer_sm_stop(p);
}

void peers_stop(struct shard *s)
{
	list_each_safe(p, &s->peers, struct peer, link)
		if (!s2s_is_closed(&p->stream))
			s2s_close(&p->stream, STREAM_SYSTEM_SHUTDOWN, STR("the server stops"));
}

void peers_free(struct shard *s)
{
	while (!list_empty(&s->peers))
		peer_drop(list_first(&s->peers, struct peer, link));
	remotes_free(s);
}
