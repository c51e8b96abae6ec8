#include "core/remote.h"

#include "base/bug.h"
#include "base/digest.h"
#include "base/hash.h"
#include "core/foreign.h"
#include "core/message.h"
#include "core/peer_sm.h"
#include "core/presence.h"
#include "core/remote_private.h"
#include "core/route.h"

#include <stdlib.h>

/* While something waits for a stream that is there, it gets more as often as this. */
#define FLUSH_MS 20

/* How long something without use stays, so that the next stanza finds it. */
#define LINGER_MS 1000

static void connect_pair(struct pair *p);
static void something_is_late(struct timer *t);
static void look_whether_needed(struct timer *t);

static struct str key_of(const struct map_node *n)
{
	return container_of(n, struct remote, node)->domain;
}

void remotes_init(struct shard *s)
{
	map_init(&s->remotes, key_of);
}

bool remotes_exist(const struct shard *s)
{
	return s->settings->federation && s->core->dns;
}

struct shard *remote_owner(const struct core *c, struct str domain)
{
	return c->shards[c->place[hash_fixed(domain) % VIRTUAL_SHARDS]];
}

/* ---- domains and pairs ---- */

static void look_again(struct remote *r, uint64_t after_ms)
{
	timer_set(&r->shard->loop.wheel, &r->timer, r->shard->loop.now, after_ms);
}

void remote_may_be_done(struct remote *r)
{
	look_again(r, LINGER_MS);
}

struct remote *remote_find(struct shard *s, struct str domain)
{
	struct map_node *n = map_get(&s->remotes, domain);

	return n ? container_of(n, struct remote, node) : NULL;
}

struct remote *remote_find_or_make(struct shard *s, struct str domain)
{
	struct remote *r = remote_find(s, domain);

	if (r)
		return r;
	r = xcalloc(1, sizeof *r + domain.n);
	memcpy(r + 1, domain.p, domain.n);
	r->domain = str_from((char *)(r + 1), domain.n);
	r->shard = s;
	list_init(&r->pairs);
	list_init(&r->peers);
	timer_init(&r->timer, look_whether_needed);
	map_put(&s->remotes, &r->node);
	remote_may_be_done(r);
	return r;
}

struct pair *pair_find(struct remote *r, struct str local)
{
	list_each(p, &r->pairs, struct pair, link)
		if (str_eq(p->local, local))
			return p;
	return NULL;
}

struct pair *pair_find_or_make(struct remote *r, struct str local)
{
	struct pair *p = pair_find(r, local);

	if (p)
		return p;
	p = xcalloc(1, sizeof *p + local.n);
	memcpy(p + 1, local.p, local.n);
	p->local = str_from((char *)(p + 1), local.n);
	p->remote = r;
	backlog_init(&p->queue, r->shard, COUNT_PEERS_WAITING);
	list_init(&p->verifies);
	timer_init(&p->timer, something_is_late);
	list_add(&r->pairs, &p->link);
	return p;
}

static void pair_free(struct pair *p)
{
	attempt_end(p);
	backlog_clear(&p->queue);
	timer_stop(&p->remote->shard->loop.wheel, &p->timer);
	list_del(&p->link);
	free(p);
}

static bool is_needed(const struct pair *p)
{
	return p->state != PAIR_IDLE || !backlog_is_empty(&p->queue) || p->n_verifies;
}

/* A failure is remembered for twice as long as nothing was tried, so that the next one in a row
 * counts. */
static bool is_remembered(const struct pair *p)
{
	return p->failures && p->rests_until + REMOTE_REST_MAX_MS > p->remote->shard->loop.now;
}

static void remote_free(struct remote *r)
{
	BUG_ON(!list_empty(&r->peers));
	list_each_safe(p, &r->pairs, struct pair, link)
		pair_free(p);
	timer_stop(&r->shard->loop.wheel, &r->timer);
	map_del(&r->shard->remotes, &r->node);
	free(r);
}

/* Forgets what is not needed, from the loop itself, where nobody on the stack has it in hand. */
static void look_whether_needed(struct timer *t)
{
	struct remote *r = container_of(t, struct remote, timer);
	bool rests = false;

	list_each_safe(p, &r->pairs, struct pair, link) {
		if (is_needed(p))
			continue;
		if (is_remembered(p))
			rests = true;
		else
			pair_free(p);
	}
	if (rests)
		look_again(r, REMOTE_REST_MAX_MS);
	else if (list_empty(&r->pairs) && list_empty(&r->peers))
		remote_free(r);
}

static void pair_is_idle(struct pair *p)
{
	p->state = PAIR_IDLE;
	p->via = NULL;
	remote_may_be_done(p->remote);
}

/* ---- out ---- */

bool pair_rests(const struct pair *p)
{
	return p->state == PAIR_IDLE && p->rests_until > p->remote->shard->loop.now;
}

/* Those who use a stream that takes nothing any more look for another. */
static void leave_stream(struct peer *p)
{
	list_each(pair, &p->remote->pairs, struct pair, link)
		if (pair->via == p)
			pair_is_idle(pair);
}

/* False: the stream has no room for it, and is lost (net/conn.h, CONN_SLOW); nothing was written. */
static bool write_to(struct peer *p, struct stanza *st, struct jid to)
{
	struct buf *out = s2s_out(&p->stream);

	foreign_write(p->shard, out, st, to);
	if (!buf_ok(out)) {
		leave_stream(p);
		return false;
	}
	count(p->shard, COUNT_PEER_STANZAS_OUT);
	peer_used(p);
	peer_sm_sent(p, st, to);
	return true;
}

/* No stream gets more than half of what it may have unsent at once, so that it is read in pieces, and
 * a peer that does not read does not cost what waits for it. */
static bool takes(struct peer *p, const struct stanza *st)
{
	const struct buf *out = s2s_out(&p->stream);

	return !peer_sm_is_full(p) && (!out->n || out->n + backlog_weight(st) <= out->max / 2);
}

/* When a peer has had its time to answer what it was asked: that we may speak, or the first of those
 * who want to know of a key; UINT64_MAX: it owes nothing. */
static uint64_t answers_late(const struct pair *p)
{
	const struct verify *v = list_first(&p->verifies, struct verify, link);
	uint64_t since = p->state == PAIR_ASKING ? p->asked_at : UINT64_MAX;

	if (v && v->since < since)
		since = v->since;
	return since == UINT64_MAX ? since : since + p->remote->shard->settings->peer_connect_ms;
}

void pair_set_timer(struct pair *p)
{
	const struct waiting *first = backlog_first(&p->queue);
	struct loop *l = &p->remote->shard->loop;
	uint64_t late = answers_late(p);

	if (first && first->since + p->remote->shard->settings->peer_queue_ms < late)
		late = first->since + p->remote->shard->settings->peer_queue_ms;
	if (late == UINT64_MAX) {
		timer_stop(&l->wheel, &p->timer);
		return;
	}
	uint64_t wait = late > l->now ? late - l->now : 1;
	timer_set(&l->wheel, &p->timer, l->now,
		first && p->state == PAIR_OPEN && wait > FLUSH_MS ? FLUSH_MS : wait);
}

static void flush(struct pair *p)
{
	while (p->state == PAIR_OPEN && !backlog_is_empty(&p->queue)) {
		struct waiting *w = backlog_first(&p->queue);
		if (!takes(p->via, w->stanza) || !write_to(p->via, w->stanza, w->to))
			break;
		backlog_drop(&p->queue, w);
	}
	pair_set_timer(p);
	if (!backlog_is_empty(&p->queue))
		connect_pair(p); /* where the stream was lost over it */
}

static void something_is_late(struct timer *t)
{
	struct pair *p = container_of(t, struct pair, timer);
	uint64_t now = p->remote->shard->loop.now;
	uint32_t patience = p->remote->shard->settings->peer_queue_ms;

	verifies_fail_late(p);
	if (p->state == PAIR_ASKING && now >= p->asked_at + p->remote->shard->settings->peer_connect_ms)
		pair_refused(p, p->via, (struct failure){ ERR_REMOTE_SERVER_TIMEOUT,
			STR("the remote server does not say whether it believes us") });
	backlog_refuse(&p->queue, now >= patience ? now - patience + 1 : 0,
		ERR_REMOTE_SERVER_TIMEOUT, STR("the remote server does not answer in time"));
	flush(p);
}

void remote_takes_more(struct peer *p)
{
	list_each(pair, &p->remote->pairs, struct pair, link)
		if (pair->via == p)
			flush(pair);
}

static size_t waiting_bytes(const struct remote *r)
{
	size_t sum = 0;

	list_each(p, &r->pairs, struct pair, link)
		sum += p->queue.bytes;
	return sum;
}

static void send_or_queue(struct pair *p, struct stanza *st, struct jid to)
{
	struct shard *s = p->remote->shard;

	if (p->state == PAIR_OPEN && backlog_is_empty(&p->queue) && takes(p->via, st) &&
		write_to(p->via, st, to))
		return;
	if (pair_rests(p)) {
		bounce_at(s, st, to, p->failure.error, p->failure.words);
		return;
	}
	if (waiting_bytes(p->remote) + backlog_weight(st) > s->settings->peer_queue_max) {
		bounce_at(s, st, to, ERR_RESOURCE_CONSTRAINT,
			STR("too much waits for the remote server"));
		return;
	}
	backlog_add(&p->queue, st, to);
	if (!timer_is_set(&p->timer))
		pair_set_timer(p);
	connect_pair(p);
}

void remote_deliver(struct shard *s, struct stanza *st, struct jid to)
{
	struct str domain = jid_domain(to);
	const struct host *h = settings_host(s->settings, jid_domain(st->from));

	if (!remotes_exist(s) || (h && !h->federation)) {
		bounce_at(s, st, to, ERR_REMOTE_SERVER_NOT_FOUND,
			STR("the domain is not served here"));
		return;
	}
	if (remote_owner(s->core, domain) != s) { /* it was served here when it was sent */
		route_to(s, st, to);
		return;
	}
	if (!h) /* nobody is relayed */
		return;
	if (!settings_federates(s->settings, h, domain)) {
		bounce_at(s, st, to, ERR_NOT_ALLOWED, STR("this server does not talk to that domain"));
		return;
	}
	if (s->stopping && st->kind != STANZA_PRESENCE) {
		backlog_stop_one(s, st, to);
		return;
	}
	message_keep_for_sender(s, st, to);
	send_or_queue(pair_find_or_make(remote_find_or_make(s, domain), h->domain), st, to);
}

/* ---- authorisation ---- */

bool remote_may_use(const struct peer *p)
{
	return p->outgoing && p->ready && !s2s_is_closed(&p->stream);
}

/* False: not now. */
static bool ask_by_dialback(struct pair *pair, struct peer *p)
{
	char key[DIALBACK_KEY_LEN];

	if (!(p->offered & (S2S_HAS_DIALBACK | S2S_IS_OLD)) || !s2s_id(&p->stream).n)
		return false;
	proof_key(p->shard->core, pair->remote->domain, pair->local, s2s_id(&p->stream), key);
	return s2s_db_result(&p->stream, pair->local, pair->remote->domain,
		str_from(key, sizeof key));
}

void pair_ask(struct pair *pair, struct peer *p)
{
	bool own = str_eq(str_c(p->stream.local), pair->local);

	pair->state = PAIR_ASKING;
	pair->via = p;
	pair->asked_at = p->shard->loop.now;
	pair_set_timer(pair);
	peer_used(p);
	if (own && !p->open && p->offered & S2S_HAS_BIDI && p->shard->settings->bidi)
		s2s_ask_bidi(&p->stream);
	if (own && !p->open && p->offered & S2S_HAS_EXTERNAL)
		s2s_external(&p->stream);
	else if (!ask_by_dialback(pair, p))
		pair_refused(pair, p, (struct failure){ ERR_REMOTE_SERVER_NOT_FOUND,
			STR("the remote server offers no way to prove who we are") });
}

/* A stream of the domain's that another pair may be added to (XEP-0220 section 2.6): one that was
 * made for it and only asked questions, or with dialback, where we use that. */
static struct peer *find_shared(struct pair *pair)
{
	const struct remote *r = pair->remote;
	bool dialback = settings_peer(r->shard->settings, r->domain)->security != PEERS_BY_CERTIFICATE;

	list_each(p, &r->peers, struct peer, sibling) {
		if (!remote_may_use(p) || s2s_is_authorised(&p->stream, r->domain, pair->local) ||
			!buf_ok(s2s_out(&p->stream))) /* it is lost, see write_to() */
			continue;
		if (!p->open && str_eq(str_c(p->stream.local), pair->local))
			return p;
		if (p->open && dialback && p->offered & S2S_HAS_DB_ERRORS)
			return p;
	}
	return NULL;
}

void pair_start_attempt(struct pair *p)
{
	if (!p->attempt && p->remote->shard->n_attempts >= REMOTE_ATTEMPTS_MAX) {
		pair_failed(p, (struct failure){ ERR_RESOURCE_CONSTRAINT,
			STR("too many remote servers are being connected to") });
		return;
	}
	if (p->state != PAIR_OPEN) {
		p->state = PAIR_CONNECTING;
		p->via = NULL;
	}
	if (!p->attempt)
		attempt_start(p);
}

/* Sees to it that there is a stream, or will be. */
static void connect_pair(struct pair *p)
{
	if (p->state != PAIR_IDLE || p->remote->shard->stopping)
		return;
	struct peer *shared = find_shared(p);
	if (shared)
		pair_ask(p, shared);
	else
		pair_start_attempt(p);
}

/* That a domain which could not be reached is back, for each shard. */
struct news {
	struct mail mail;
	struct str local, remote; /* inline, behind the struct */
};

static void news_arrived(struct mail *m, void *receiver)
{
	struct news *n = container_of(m, struct news, mail);

	presence_domain_is_back(receiver, n->local, n->remote);
	free(n);
}

static struct news *news_of(const struct pair *p)
{
	struct str remote = p->remote->domain;
	struct news *n = xcalloc(1, sizeof *n + p->local.n + remote.n);
	char *text = (char *)(n + 1);

	n->local = str_put(&text, p->local);
	n->remote = str_put(&text, remote);
	n->mail = (struct mail){ .run = news_arrived, .bytes = sizeof *n };
	return n;
}

/* RFC 6121 section 4.3: what was said meanwhile is lost, on both sides. */
static void say_back(const struct pair *p)
{
	struct shard *s = p->remote->shard;

	for (unsigned i = 0; i < s->core->n_shards; i++)
		if (s->core->shards[i] != s)
			shard_post(s, s->core->shards[i], &news_of(p)->mail);
	presence_domain_is_back(s, p->local, p->remote->domain);
}

void pair_open(struct pair *pair, struct peer *p)
{
	bool back = pair->failures;

	if (pair->state == PAIR_OPEN) /* the order of stanzas: what is used stays in use */
		return;
	if (!pair->n_verifies) /* they need a stream of ours */
		attempt_end(pair);
	pair->state = PAIR_OPEN;
	pair->via = p;
	pair->failures = 0;
	pair->rests_until = 0;
	log_info(&p->shard->log, "peer_open", F_STR("local", pair->local),
		F_STR("remote", pair->remote->domain), F_C("way", p->outgoing ? "out" : "in"),
		F_C("proof", proof_name(p->proof)));
	flush(pair);
	if (back)
		say_back(pair);
}

void pair_refused(struct pair *pair, struct peer *p, struct failure why)
{
	if (pair->via != p || pair->state != PAIR_ASKING)
		return;
	if (!str_eq(str_c(p->stream.local), pair->local)) { /* not on this stream, but on its own */
		pair_start_attempt(pair);
		return;
	}
	p->failure = why;
	s2s_end(&p->stream);
}

/* ---- failures ---- */

static uint64_t rest_of(const struct pair *p)
{
	uint64_t rest = REMOTE_REST_MS;
	uint8_t chance;

	for (unsigned i = 1; i < p->failures && rest < REMOTE_REST_MAX_MS; i++)
		rest *= 2;
	if (rest > REMOTE_REST_MAX_MS)
		rest = REMOTE_REST_MAX_MS;
	random_bytes(&chance, sizeof chance);
	return rest / 2 + rest * chance / UINT8_MAX;
}

void pair_failed(struct pair *p, struct failure why)
{
	struct shard *s = p->remote->shard;

	verifies_fail(p, NULL, why.error); /* before the end of a stream looks for another for them */
	attempt_end(p);
	if (p->state == PAIR_OPEN) /* over a stream that came in */
		return;
	p->failures++;
	p->failure = why;
	p->rests_until = s->loop.now + rest_of(p);
	pair_is_idle(p);
	log_warn(&s->log, "peer_failed", F_STR("local", p->local), F_STR("remote", p->remote->domain),
		F_STR("condition", stanza_error_name(why.error)), F_STR("why", why.words),
		F_INT("rests_ms", p->rests_until - s->loop.now));
	backlog_refuse(&p->queue, UINT64_MAX, why.error, why.words);
	pair_set_timer(p);
}

/* ---- streams ---- */

/* Incoming ones whose headers are of the same two domains. */
static unsigned count_like(const struct remote *r, const struct peer *p)
{
	unsigned n = 0;

	list_each(other, &r->peers, struct peer, sibling)
		n += !other->outgoing && strcmp(other->stream.local, p->stream.local) == 0;
	return n;
}

bool remote_join(struct remote *r, struct peer *p)
{
	if (!p->outgoing && count_like(r, p) >= r->shard->settings->peer_streams_max)
		return false;
	p->remote = r;
	p->number = ++r->shard->peer_numbers;
	list_add(&r->peers, &p->sibling);
	return true;
}

void remote_peer_ready(struct peer *p)
{
	struct pair *pair = p->pair;

	p->pair = NULL;
	if (!pair) {
		s2s_end(&p->stream);
		return;
	}
	attempt_end(pair);
	if (pair->state == PAIR_CONNECTING)
		pair_is_idle(pair);
	verifies_pump(p->remote);
	if (pair->state == PAIR_IDLE && !backlog_is_empty(&pair->queue) &&
		!s2s_is_closed(&p->stream))
		pair_ask(pair, p);
}

/* What the peer's stream had taken on goes over another, or is refused. */
static void pair_lost_stream(struct pair *pair, struct peer *p)
{
	bool asked = pair->state == PAIR_ASKING;

	if (pair->via != p)
		return;
	pair_is_idle(pair);
	if (asked)
		pair_failed(pair, p->failure);
	else if (!backlog_is_empty(&pair->queue))
		connect_pair(pair);
}

void remote_peer_closed(struct peer *p)
{
	struct remote *r = p->remote;
	struct pair *made_for = p->pair;

	p->pair = NULL;
	p->remote = NULL;
	list_del(&p->sibling);
	list_each(pair, &r->pairs, struct pair, link) {
		verifies_fail(pair, p, ERR_REMOTE_SERVER_TIMEOUT);
		pair_lost_stream(pair, p);
	}
	if (made_for)
		attempt_go_on(made_for, p->failure);
	verifies_pump(r);
	remote_may_be_done(r);
}

/* ---- all of a shard ---- */

static bool is_forbidden(const struct pair *p)
{
	return (is_needed(p) || p->attempt) &&
	       !peer_may_talk(p->remote->shard->settings, p->remote->domain, p->local);
}

static struct pair *find_forbidden(struct shard *s)
{
	struct map_node *n = NULL;

	while ((n = map_next(&s->remotes, n)))
		list_each(p, &container_of(n, struct remote, node)->pairs, struct pair, link)
			if (is_forbidden(p))
				return p;
	return NULL;
}

/* Whatever it waited for. Errors may make other domains, so nothing walks over them meanwhile. */
static void stop_talking(struct shard *s)
{
	struct pair *p;

	while ((p = find_forbidden(s))) {
		pair_is_idle(p);
		verifies_refuse(p, ERR_NOT_ALLOWED);
		pair_failed(p, (struct failure){ ERR_NOT_ALLOWED,
			STR("this server does not talk to that domain") });
	}
}

void remotes_reload(struct shard *s)
{
	struct map_node *n = NULL;

	stop_talking(s);
	while ((n = map_next(&s->remotes, n))) {
		struct remote *r = container_of(n, struct remote, node);
		list_each(p, &r->pairs, struct pair, link) {
			p->failures = 0; /* what was wrong may be right now */
			p->rests_until = 0;
			pair_set_timer(p);
		}
		remote_may_be_done(r);
	}
}

void remotes_stop(struct shard *s)
{
	struct map_node *n = NULL;

	while ((n = map_next(&s->remotes, n)))
		list_each(p, &container_of(n, struct remote, node)->pairs, struct pair, link) {
			attempt_end(p);
			backlog_stop(&p->queue);
		}
}

void remotes_free(struct shard *s)
{
	struct map_node *n;

	while ((n = map_next(&s->remotes, NULL))) {
		struct remote *r = container_of(n, struct remote, node);
		verifies_forget(r);
		remote_free(r);
	}
	map_clear(&s->remotes);
}

static const char *const state_names[] = {
	[PAIR_IDLE] = "idle", [PAIR_CONNECTING] = "connecting", [PAIR_ASKING] = "asking",
	[PAIR_OPEN] = "open",
};

static void list_pair(const struct pair *p, struct buf *out)
{
	uint64_t now = p->remote->shard->loop.now;
	bool rests = pair_rests(p);

	buf_printf(out, "pair\t%.*s\t%.*s\t%s\t%zu\t%llu\t%.*s\t%.*s\n", STR_FMT(p->local),
		STR_FMT(p->remote->domain), rests ? "resting" : state_names[p->state],
		p->queue.bytes, rests ? (unsigned long long)(p->rests_until - now) / 1000 : 0ull,
		STR_FMT(p->failures ? stanza_error_name(p->failure.error) : STR("")),
		STR_FMT(p->failures ? p->failure.words : STR("")));
}

static void list_stream(struct peer *p, struct buf *out)
{
	struct arena a;

	arena_init(&a, 256);
	buf_printf(out, "stream\t%.*s\t%.*s\t%s\t%s\t%.*s\t%.*s\t%s\n",
		STR_FMT(p->stream.local ? str_c(p->stream.local) : STR("")),
		STR_FMT(p->stream.remote ? str_c(p->stream.remote) : STR("")),
		p->outgoing ? "out" : "in", proof_name(p->proof),
		STR_FMT(p->stream.wire->ops->peer(p->stream.wire, &a)),
		STR_FMT(p->kind->describe(p, &a)), p->bidi ? "bidi" : "");
	arena_clear(&a);
}

/* Lines "pair\tLOCAL\tREMOTE\tSTATE\tBYTES\tSECONDS\tCONDITION\tWORDS": what waits, how long nothing is
 * tried, and why. And "stream\tLOCAL\tREMOTE\tin or out\tPROOF\tADDRESS\tTLS\tbidi or nothing". */
void remotes_list(struct shard *s, struct buf *out)
{
	struct map_node *n = NULL;

	while ((n = map_next(&s->remotes, n)))
		list_each(p, &container_of(n, struct remote, node)->pairs, struct pair, link)
			list_pair(p, out);
	list_each(p, &s->peers, struct peer, link)
		list_stream(p, out);
}
