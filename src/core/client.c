/* A client's connection: what its stream asks of core, and what it sends. */
#include "core/client.h"

#include "base/base64.h"
#include "base/bug.h"
#include "core/account.h"
#include "core/block.h"
#include "core/credentials.h"
#include "core/message.h"
#include "core/module.h"
#include "core/presence.h"
#include "core/route.h"
#include "core/sm.h"

#include <stdlib.h>

struct client *client_ref(struct client *c)
{
	c->refs++;
	return c;
}

static void forget(struct str *s)
{
	free((char *)s->p);
	*s = STR_NULL;
}

static struct str own(struct str s)
{
	char *p = xmalloc(s.n + 1);

	memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return str_from(p, s.n);
}

void client_unref(struct client *c)
{
	BUG_ON(!c->refs);
	if (--c->refs)
		return;
	quota_leave(&c->half_open);
	c2s_clear(&c->stream);
	forget(&c->user);
	forget(&c->domain);
	c->kind->free(c);
}

void client_close(struct client *c, enum stream_error why, const char *text)
{
	c2s_close(&c->stream, why, str_c(text));
}

void client_drop(struct client *c)
{
	c2s_lost(&c->stream);
	c->kind->drop(c);
	list_del(&c->link);
	client_unref(c);
}

/* ---- questions of the stream before SASL ---- */

static unsigned mechs_of(const struct host *h)
{
	static const enum sasl_mech_id scram[DIGEST_COUNT] = {
		[DIGEST_SHA1] = MECH_SCRAM_SHA_1,
		[DIGEST_SHA256] = MECH_SCRAM_SHA_256,
		[DIGEST_SHA512] = MECH_SCRAM_SHA_512,
	};
	unsigned mechs = 1u << MECH_PLAIN | 1u << MECH_EXTERNAL;

	for (unsigned d = 0; d < DIGEST_COUNT; d++)
		if (h->hashes & 1u << d)
			mechs |= 1u << scram[d];
	return h->anonymous ? mechs | 1u << MECH_ANONYMOUS : mechs;
}

static bool on_host(struct c2s *s, struct str domain, struct c2s_host *out)
{
	struct client *c = client_of(s);
	struct settings *set = c->shard->settings;
	struct host *h = settings_account_host(set, domain);
	bool known = h != NULL;

	if (!known)
		h = set->first; /* our own name, for the header before the error */
	forget(&c->domain);
	c->domain = own(h->domain);
	*out = (struct c2s_host){
		.domain = c->domain,
		.tls = set->tls != NULL,
		.tls_required = set->tls_required,
		.mechs = mechs_of(h),
		.plain_in_clear = set->plain_without_tls,
		.guest_iq = h->registration,
	};
	return known;
}

static void on_features(struct c2s *s, struct writer *w, bool authed)
{
	struct shard *sh = client_of(s)->shard;
	struct host *h = settings_host(sh->settings, s->domain);

	if (!h)
		return;
	module_each(m, sh->core, stream_features)
		m->stream_features(sh, h, w, authed);
}

/* The keys of an account, or those of one that could be. */
static bool found_keys(struct store_op *op, struct client *c, struct scram_keys *out)
{
	if (op->status == STORE_OK && keys_from_store(op->account.keys, out))
		return true;
	scram_keys_fake(str_from((char *)c->shard->core->secret, sizeof c->shard->core->secret),
		jid_str(jid_make(&op->mem, op->user, op->host, STR(""))), out);
	return false;
}

static bool store_answered(const struct store_op *op)
{
	return op->status == STORE_OK || op->status == STORE_NOT_FOUND;
}

static void got_keys(struct store_op *op, void *receiver)
{
	struct client *c = *(struct client **)op->ctx;
	struct scram_keys keys;

	if (!store_answered(op)) {
		c2s_auth_failed_for_now(&c->stream);
	} else {
		bool exists = found_keys(op, c, &keys);
		c2s_keys(&c->stream, &keys, exists);
		wipe(&keys, sizeof keys);
	}
	store_op_free(op);
	client_unref(c);
}

static struct store_op *client_op(struct client *c, void (*done)(struct store_op *, void *))
{
	struct store_op *op = store_op_new(&c->shard->loop.inbox, done, sizeof c);

	*(struct client **)op->ctx = client_ref(c);
	return op;
}

static void on_keys(struct c2s *s, struct str user)
{
	struct client *c = client_of(s);

	store_keys(c->shard->core->store, client_op(c, got_keys), s->domain, user);
}

/* PLAIN: the keys first, then the derivation on a worker; for users that do not exist too. */
struct check {
	struct job job;
	struct client *client;
	struct scram_keys keys;
	bool exists, right;
	size_t n;
	char password[JID_PART_MAX];
};

static void check_work(struct job *j)
{
	struct check *k = container_of(j, struct check, job);

	k->right = sasl_check_password(str_from(k->password, k->n), &k->keys) && k->exists;
}

static void check_free(struct check *k)
{
	struct client *c = k->client;

	wipe(k, sizeof *k);
	free(k);
	client_unref(c);
}

static void check_done(struct job *j, void *receiver)
{
	struct check *k = container_of(j, struct check, job);

	c2s_checked(&k->client->stream, k->right);
	check_free(k);
}

static void got_check_keys(struct store_op *op, void *receiver)
{
	struct client *c = *(struct client **)op->ctx;
	struct c2s *s = &c->stream;
	bool ok = store_answered(op) && !s->closing && shard_may_check(c->shard);

	if (ok) {
		struct check *k = xcalloc(1, sizeof *k);
		struct str password = c2s_password(s);
		BUG_ON(password.n > sizeof k->password);
		k->job = (struct job){ .home = &c->shard->loop.inbox, .work = check_work,
			.done = check_done };
		k->client = client_ref(c);
		k->exists = found_keys(op, c, &k->keys);
		k->n = password.n;
		memcpy(k->password, password.p, password.n);
		ok = jobs_submit(c->shard->core->jobs, &k->job);
		if (!ok)
			check_free(k);
	}
	if (!ok)
		c2s_auth_failed_for_now(s);
	store_op_free(op);
	client_unref(c);
}

static void on_check(struct c2s *s, struct str user, struct str password)
{
	struct client *c = client_of(s);

	store_keys(c->shard->core->store, client_op(c, got_check_keys), s->domain, user);
}

/* ---- the move to the owner ---- */

static void start_timer(struct client *c)
{
	struct shard *s = c->shard;

	timer_set(&s->loop.wheel, &c->timer, s->loop.now, s->settings->login_ms);
}

static void settle(struct client *c, struct shard *s)
{
	c->shard = s;
	c->stream.table = &s->table;
	c->stream.log = &s->log;
	c2s_limit(&c->stream, &s->settings->guest, &s->settings->user);
	list_add(&s->clients, &c->link);
	start_timer(c);
	c2s_throttle(&c->stream, s->throttled);
}

static void arrived(struct mail *m, void *receiver)
{
	struct client *c = container_of(m, struct client, move);
	struct shard *s = receiver;

	settle(c, s);
	if (!c->kind->attach(c, s)) {
		log_error(&s->log, "attach", F_C("error", "the loop refuses a connection"));
		client_drop(c);
		return;
	}
	if (s->stopping)
		client_close(c, STREAM_SYSTEM_SHUTDOWN, "the server stops");
	else
		c2s_go_on(&c->stream);
}

static struct str random_name(struct arena *a)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	char name[20];

	random_bytes(name, sizeof name);
	for (size_t i = 0; i < sizeof name; i++)
		name[i] = letters[(unsigned char)name[i] % 32];
	return str_dup(a, str_from(name, sizeof name));
}

static struct jid bare_of(struct client *c)
{
	return jid_make(&c->shard->loop.turn, c->user, c->domain, STR(""));
}

static void on_refused(struct c2s *s)
{
	count(client_of(s)->shard, COUNT_LOGIN_FAILURES);
}

static void on_authenticated(struct c2s *s, struct str user)
{
	struct client *c = client_of(s);
	struct shard *here = c->shard;

	count(here, COUNT_LOGINS);
	quota_leave(&c->half_open);
	c->anonymous = user.n == 0;
	c->user = own(user.n ? user : random_name(&here->loop.turn));
	struct shard *owner = shard_of(here->core, bare_of(c));
	if (owner == here) {
		c2s_go_on(s);
		return;
	}
	timer_stop(&here->loop.wheel, &c->timer);
	list_del(&c->link);
	c->kind->detach(c);
	c->move = (struct mail){ .run = arrived, .bytes = sizeof *c };
	shard_post(here, owner, &c->move);
}

/* ---- bind ---- */

struct binding {
	struct waiter waiter;
	struct client *client;
	size_t n;
	char resource[];
};

/* Makes room: a session whose client is away gives way to one that is there. */
static bool end_one_away(struct account *a)
{
	list_each(s, &a->sessions, struct session, link) {
		if (s->client || s->sm->coming)
			continue;
		session_end(s);
		return true;
	}
	return false;
}

static void bind_now(struct client *c, struct account *a, struct str wanted)
{
	struct arena *turn = &c->shard->loop.turn;
	struct str resource = random_name(turn);

	if (wanted.n && !jid_prep_resource(wanted, turn, &resource)) {
		c2s_bind_refused(&c->stream, ERR_BAD_REQUEST);
		return;
	}
	if (a->n_sessions >= c->shard->settings->sessions_max && !session_find(a, resource) &&
		!end_one_away(a)) {
		c2s_bind_refused(&c->stream, ERR_RESOURCE_CONSTRAINT);
		return;
	}
	timer_stop(&c->shard->loop.wheel, &c->timer);
	c->session = session_new(a, c, resource);
	session_began(c->session);
	c2s_bound(&c->stream, c->session->full);
}

static void bind_loaded(struct waiter *w, struct shard *s, struct account *a,
	enum store_status status)
{
	struct binding *b = container_of(w, struct binding, waiter);
	struct client *c = b->client;

	if (a && !c->stream.closing)
		bind_now(c, a, str_from(b->resource, b->n));
	else if (!a && status == STORE_NOT_FOUND)
		client_close(c, STREAM_NOT_AUTHORIZED, "the account was deleted");
	else if (!a)
		c2s_bind_refused(&c->stream, status == STORE_FULL ? ERR_RESOURCE_CONSTRAINT
								  : ERR_INTERNAL_SERVER_ERROR);
	free(b);
	client_unref(c);
}

static void on_bind(struct c2s *s, struct str resource)
{
	struct client *c = client_of(s);
	struct jid bare = bare_of(c);
	struct binding *b = xcalloc(1, sizeof *b + resource.n);

	if (c->anonymous && !account_get(c->shard, bare))
		account_new_guest(c->shard, bare);
	b->waiter.run = bind_loaded;
	b->client = client_ref(c);
	b->n = resource.n;
	memcpy(b->resource, resource.p, resource.n);
	account_wait(c->shard, bare, &b->waiter);
}

/* ---- stanzas ---- */

/* RFC 6120 section 8.1.2.1: a `from` is the full or the bare JID of the session, or absent. */
static bool from_is_right(struct client *c, const struct xml_doc *d)
{
	struct arena *turn = &c->shard->loop.turn;
	struct str from = xml_attr_str(d, xml_root(d), TAG_FROM, turn);
	struct jid j;

	if (!from.p || str_eq(from, jid_str(c->session->full)))
		return true;
	return jid_parse(from, turn, &j) &&
	       (jid_eq(j, c->session->full) || jid_eq(j, c->session->account->jid));
}

static void iq_out(struct client *c, struct stanza *st)
{
	const char *fault = stanza_iq_fault(st);

	if (fault)
		bounce(c->shard, st, ERR_BAD_REQUEST, str_c(fault));
	else if (jid_is_set(st->to))
		route(c->shard, st);
	else /* section 8.1.1.1 and 10.3.3: the user's own account answers */
		deliver_to_account(c->session->account, st, c->session->account->jid);
}

/* A stanza came that is handled at once. */
static void session_took(struct session *s)
{
	if (s->sm)
		sm_take(s->sm, false);
}

/* XEP-0191 section 3.3: nothing goes to a blocked address. The error is written to the session
 * itself: on the usual way it would be a stanza from that address. */
static void refuse_blocked(struct client *c, const struct stanza *st)
{
	struct shard *s = c->shard;

	if (st->type == MESSAGE_ERROR || st->type == PRESENCE_ERROR || st->type == IQ_RESULT ||
		st->type == IQ_ERROR)
		return;
	buf_reset(&s->scratch);
	stanza_write_error_with(&s->scratch, st, ERR_NOT_ACCEPTABLE, STR("cancel"),
		STR("you have blocked this address"),
		STR("<blocked xmlns='urn:xmpp:blocking:errors'/>"));
	count(s, COUNT_ERRORS);
	session_send_text(c->session, buf_str(&s->scratch));
}

static void stanza_out(struct client *c, struct stanza *st)
{
	if (account_blocks(c->session->account, st->to)) {
		session_took(c->session);
		refuse_blocked(c, st);
		return;
	}
	switch ((enum stanza_kind)st->kind) {
	case STANZA_MESSAGE:
		message_send(c->session, st);
		break;
	case STANZA_PRESENCE:
		session_took(c->session);
		presence_out(c->session, st);
		break;
	case STANZA_IQ:
		session_took(c->session);
		iq_out(c, st);
		break;
	case STANZA_NONE:
		BUG("a stanza without kind");
	}
}

static void on_stanza(struct c2s *s, const struct xml_doc *d)
{
	struct client *c = client_of(s);
	struct shard *sh = c->shard;
	struct str text = xml_attr_str(d, xml_root(d), TAG_TO, &sh->loop.turn);
	struct jid to = { 0 };
	bool malformed = text.p && !jid_parse(text, &sh->loop.turn, &to);

	if (stanza_kind_of(xml_root(d)) == STANZA_NONE) {
		c2s_close(s, STREAM_UNSUPPORTED_STANZA_TYPE, STR(""));
		return;
	}
	count(sh, COUNT_STANZAS_IN);
	if (!from_is_right(c, d)) {
		c2s_close(s, STREAM_INVALID_FROM, STR("the 'from' is not yours"));
		return;
	}
	if (malformed)
		to = (struct jid){ 0 };
	struct stanza *st = stanza_new_lang(d, c->session->full, to, str_c(s->lang));
	if (malformed) {
		session_took(c->session);
		bounce(sh, st, ERR_JID_MALFORMED, STR("the 'to' is no address"));
	} else {
		stanza_out(c, st);
	}
	stanza_unref(&st);
}

/* XEP-0077: what an unauthenticated stream may ask. */
static void on_guest(struct c2s *s, const struct xml_doc *d)
{
	struct client *c = client_of(s);
	struct shard *sh = c->shard;

	if (!xml_is(xml_first(d, xml_root(d)), NS_REGISTER, TAG_QUERY)) {
		c2s_close(s, STREAM_NOT_AUTHORIZED, STR("log in first"));
		return;
	}
	struct stanza *st = stanza_new(d, (struct jid){ 0 }, (struct jid){ 0 });
	struct ctx ctx = { .shard = sh, .host = settings_host(sh->settings, c->domain), .guest = c };
	const char *fault = stanza_iq_fault(st);
	if (fault)
		refuse(&ctx, st, ERR_BAD_REQUEST, str_c(fault));
	else if (ctx.host)
		iq_dispatch(&ctx, st, AT_GUEST);
	stanza_unref(&st);
}

static bool on_nonza(struct c2s *s, const struct xml_doc *d)
{
	struct client *c = client_of(s);

	module_each(m, c->shard->core, nonzas)
		for (const struct nonza_rule *r = m->nonzas; r->ns != NS_NONE; r++)
			if (r->ns == xml_root(d)->ns) {
				r->run(c, d);
				return true;
			}
	return false;
}

/* ---- the end ---- */

static void on_closed(struct c2s *s, enum stream_ending how)
{
	struct client *c = client_of(s);

	timer_stop(&c->shard->loop.wheel, &c->timer);
	if (!c->session)
		return;
	if (how == STREAM_ENDED_LOST && c->session->sm && c->session->sm->resumable)
		sm_leave(c->session->sm);
	else
		session_end(c->session);
}

static const struct c2s_ops client_ops = {
	.host = on_host,
	.features = on_features,
	.keys = on_keys,
	.check = on_check,
	.refused = on_refused,
	.authenticated = on_authenticated,
	.bind = on_bind,
	.stanza = on_stanza,
	.guest = on_guest,
	.nonza = on_nonza,
	.closed = on_closed,
};

static void login_took_too_long(struct timer *t)
{
	client_close(container_of(t, struct client, timer), STREAM_CONNECTION_TIMEOUT,
		"negotiation took too long");
}

void client_init(struct client *c, const struct client_kind *kind, struct shard *s,
	struct wire *wire)
{
	*c = (struct client){ .kind = kind, .shard = s, .refs = 1 };
	c2s_init(&c->stream, wire, &client_ops, c, &s->table, &s->log);
	timer_init(&c->timer, login_took_too_long);
	settle(c, s);
}
