/* Who is who between servers: certificates (RFC 6120 section 13.7, XEP-0178), pins, DANE (RFC 7712, RFC
 * 7673), dialback (XEP-0220).
 *
 * settings_peer() says what a domain has to prove. A certificate that proves it suffices for
 * EXTERNAL, and for dialback too, where nobody is asked back then. Else, where the rules want a
 * certificate, DNS is asked for one (DANE) before the domain is refused; where dialback is enough,
 * its authoritative server is asked. A domain with pins has to show a key that is pinned. */
#include "core/remote.h"

#include "base/bug.h"
#include "net/locate.h"

#include <stdlib.h>

static struct tls_peer_rules rules_of(const struct peer_rules *r)
{
	return (struct tls_peer_rules){ .pins = r->pins, .n_pins = r->n_pins };
}

static const struct peer_rules *rules_for(const struct peer *p, struct str remote)
{
	return settings_peer(p->shard->settings, remote);
}

/* Whether the certificate proves a domain without DNS. */
static enum tls_peer check(struct peer *p, struct str remote)
{
	const struct tls_peer_rules rules = rules_of(rules_for(p, remote));

	return p->kind->check(p, remote, &rules);
}

static enum proof kind_of_proof(const struct peer *p, struct str remote)
{
	return rules_for(p, remote)->n_pins ? PROOF_PIN : PROOF_CERTIFICATE;
}

/* ---- outgoing ---- */

/* RFC 7673 section 4: who publishes TLSA records wants others than these refused, and who has pins
 * in our configuration likewise, whatever the rules say of dialback. */
static bool is_wrong_anyhow(enum tls_peer result)
{
	return result == TLS_PEER_WRONG_TLSA || result == TLS_PEER_WRONG_PIN;
}

bool proof_of_receiver(struct peer *p)
{
	struct str remote = str_c(p->stream.remote);
	const struct peer_rules *r = rules_for(p, remote);
	struct tls_peer_rules rules = rules_of(r);

	rules.tlsa = p->endpoint.tlsa;
	rules.n_tlsa = p->endpoint.n_tlsa;
	if (p->endpoint.secure) /* RFC 7673 section 4.1 */
		rules.target = p->endpoint.target;
	enum tls_peer result = p->kind->check(p, remote, &rules);
	if (result == TLS_PEER_OK) {
		p->proof = r->n_pins ? PROOF_PIN : rules.n_tlsa ? PROOF_DANE : PROOF_CERTIFICATE;
		return true;
	}
	log_info(&p->shard->log, "peer_certificate", F_STR("remote", remote),
		F_STR("fault", tls_peer_words(result)));
	if (r->security != PEERS_BY_CERTIFICATE && !is_wrong_anyhow(result))
		return true;
	p->failure = (struct failure){ ERR_REMOTE_SERVER_NOT_FOUND,
		STR("the remote server's certificate does not prove who it is") };
	return false;
}

/* What it was right by may be more than its names, and does not change; its dates do. */
bool proof_lasts(struct peer *p)
{
	if (p->proof != PROOF_CERTIFICATE || !p->remote)
		return true;
	switch (check(p, p->remote->domain)) {
	case TLS_PEER_OUT_OF_TIME:
	case TLS_PEER_REVOKED:
	case TLS_PEER_UNTRUSTED:
		return false;
	default:
		return true;
	}
}

void proof_key(const struct core *c, struct str remote, struct str local, struct str id,
	char out[DIALBACK_KEY_LEN])
{
	dialback_key(str_from((const char *)c->secret, sizeof c->secret), remote, local, id, out);
}

/* ---- DANE for those who come ---- */

/* A question to DNS about an incoming stream. */
struct dane {
	struct peer_question question;
	struct locate_op *op; /* with its answer */
	struct str remote, local; /* inline, behind the struct */
	void (*done)(struct peer *p, const struct dane *d, bool right);
};

static struct dane *dane_of(struct peer_question *q)
{
	return container_of(q, struct dane, question);
}

static bool fits_endpoint(const struct dane *d, const struct endpoint *e)
{
	const struct tls_peer_rules rules = { .tlsa = e->tlsa, .n_tlsa = e->n_tlsa,
		.target = e->target };

	struct peer *p = d->question.peer;

	return e->n_tlsa && p->kind->check(p, d->remote, &rules) == TLS_PEER_OK;
}

static bool fits_location(const struct dane *d, const struct location *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (fits_endpoint(d, &l->endpoints[i]))
			return true;
	return false;
}

static void judge_dane(struct peer_question *q)
{
	const struct dane *d = dane_of(q);
	const struct location *l = d->op->location;

	d->done(q->peer, d, l->status == LOCATE_OK && fits_location(d, l));
}

static void free_dane(struct peer_question *q)
{
	struct dane *d = dane_of(q);

	locate_op_free(d->op);
	free(d);
}

static const struct peer_question_kind by_dane = {
	.judge = judge_dane,
	.free = free_dane,
};

static void located(struct locate_op *op, void *receiver)
{
	struct dane *d = *(struct dane **)op->ctx;

	d->op = op;
	peer_question_answered(&d->question, receiver);
}

/* done is called later, if the stream is still there. */
static void ask_dns(struct peer *p, struct str remote, struct str local,
	void (*done)(struct peer *p, const struct dane *d, bool right))
{
	struct shard *s = p->shard;
	struct dane *d = xcalloc(1, sizeof *d + remote.n + local.n);
	char *text = (char *)(d + 1);
	struct locate_op *op = locate_op_new(&s->loop.inbox, located, sizeof d);

	d->remote = str_put(&text, remote);
	d->local = str_put(&text, local);
	d->question.kind = &by_dane;
	d->done = done;
	peer_question_ask(&d->question, p);
	*(struct dane **)op->ctx = d;
	locate(s->core->dns, op, d->remote);
}

/* Whether DNS may say that a certificate is right which no authority signed. Where dialback is
 * enough nobody waits for that, and what has a route is not found by DNS. */
static bool may_be_dane(const struct peer *p, struct str remote, enum tls_peer result)
{
	const struct peer_rules *r = rules_for(p, remote);

	return result != TLS_PEER_OK && result != TLS_PEER_NO_CERT && p->shard->core->dns &&
	       dns_validates(p->shard->core->dns) && r->security == PEERS_BY_CERTIFICATE &&
	       !r->n_pins && !r->route.n;
}

/* ---- EXTERNAL ---- */

bool proof_may_be_external(struct peer *p)
{
	if (!p->stream.remote)
		return false;
	struct str remote = str_c(p->stream.remote);
	enum tls_peer result = check(p, remote);
	return result == TLS_PEER_OK || may_be_dane(p, remote, result);
}

static void end_external(struct peer *p, bool right)
{
	if (!right) {
		s2s_externally(&p->stream, false);
		return;
	}
	s2s_hold(&p->stream); /* what has come behind waits until it is where it belongs */
	s2s_externally(&p->stream, true);
	if (!peer_authorised(p, str_c(p->stream.remote), str_c(p->stream.local)))
		s2s_go_on(&p->stream);
}

static void external_by_dane(struct peer *p, const struct dane *d, bool right)
{
	(void)d;
	p->proof = right ? PROOF_DANE : PROOF_NONE;
	end_external(p, right);
}

void proof_external(struct peer *p, struct str domain)
{
	struct str remote = p->stream.remote ? str_c(p->stream.remote) : STR("");

	if (!remote.n || !str_eq(domain, remote)) { /* XEP-0178 section 3, item 11 */
		s2s_externally(&p->stream, false);
		return;
	}
	enum tls_peer result = check(p, remote);
	if (may_be_dane(p, remote, result)) {
		ask_dns(p, remote, str_c(p->stream.local), external_by_dane);
		return;
	}
	if (result == TLS_PEER_OK)
		p->proof = kind_of_proof(p, remote);
	end_external(p, result == TLS_PEER_OK);
}

/* ---- dialback: a domain that wants to speak ---- */

static void refuse(struct peer *p, struct str remote, struct str local, enum stanza_error e)
{
	s2s_db_answer(&p->stream, remote, local, S2S_FAILED, e);
}

static void accept_pair(struct peer *p, struct str remote, struct str local, enum proof proof)
{
	if (!peer_may_talk(p->shard->settings, remote, local)) { /* a reload came between */
		refuse(p, remote, local, ERR_NOT_ALLOWED);
		return;
	}
	if (!s2s_authorise(&p->stream, remote, local)) {
		refuse(p, remote, local, ERR_RESOURCE_CONSTRAINT);
		return;
	}
	if (!p->open)
		p->proof = proof;
	s2s_db_answer(&p->stream, remote, local, S2S_VALID, ERR_COUNT);
	peer_authorised(p, remote, local);
}

static void result_by_dane(struct peer *p, const struct dane *d, bool right)
{
	if (right)
		accept_pair(p, d->remote, d->local, PROOF_DANE);
	else
		refuse(p, d->remote, d->local, ERR_NOT_AUTHORIZED);
}

static struct verify *verify_of(struct peer_question *q)
{
	return container_of(q, struct verify, question);
}

static void judge_key(struct peer_question *q)
{
	const struct verify *v = verify_of(q);
	struct peer *p = q->peer;

	if (v->outcome == S2S_VALID)
		accept_pair(p, v->remote, v->local, PROOF_DIALBACK);
	else if (v->outcome == S2S_INVALID)
		s2s_db_answer(&p->stream, v->remote, v->local, S2S_INVALID, ERR_COUNT);
	else /* section 2.4.2, table 2 */
		refuse(p, v->remote, v->local, v->error == ERR_ITEM_NOT_FOUND ?
			ERR_REMOTE_SERVER_NOT_FOUND : v->error);
}

static void give_up_key(struct peer_question *q)
{
	remote_forget_verify(q->peer->shard, verify_of(q));
}

static void free_verify(struct peer_question *q)
{
	free(verify_of(q));
}

static const struct peer_question_kind by_dialback = {
	.judge = judge_key,
	.give_up = give_up_key,
	.free = free_verify,
};

static void ask_back(struct peer *p, const struct s2s_db *db)
{
	struct str id = s2s_id(&p->stream);

	if (!id.n) { /* of a server that we called, and without it there is no key */
		refuse(p, db->from, db->to, ERR_NOT_ACCEPTABLE);
		return;
	}
	struct verify *v = xcalloc(1, sizeof *v + db->from.n + db->to.n + id.n + db->key.n);
	char *text = (char *)(v + 1);

	v->local = str_put(&text, db->to);
	v->remote = str_put(&text, db->from);
	v->id = str_put(&text, id);
	v->key = str_put(&text, db->key);
	v->question.kind = &by_dialback;
	peer_question_ask(&v->question, p);
	remote_verify(p->shard, v);
}

/* What is wrong with a wish to speak before anything is proved; ERR_COUNT: nothing. */
static enum stanza_error fault_of(const struct peer *p, const struct s2s_db *db)
{
	const struct settings *s = p->shard->settings;
	const struct host *h = settings_host(s, db->to);

	if (!h || !h->federation)
		return ERR_ITEM_NOT_FOUND;
	if (settings_host(s, db->from) || !settings_federates(s, h, db->from))
		return ERR_NOT_ALLOWED;
	const struct peer_rules *r = settings_peer(s, db->from);
	if (!p->stream.nego.secure && (r->security != PEERS_IN_CLEAR || r->n_pins))
		return ERR_POLICY_VIOLATION;
	return ERR_COUNT;
}

void proof_result(struct peer *p, const struct s2s_db *db)
{
	enum stanza_error fault = fault_of(p, db);
	enum tls_peer result = check(p, db->from);

	if (fault != ERR_COUNT)
		refuse(p, db->from, db->to, fault);
	else if (result == TLS_PEER_OK)
		accept_pair(p, db->from, db->to, kind_of_proof(p, db->from));
	else if (rules_for(p, db->from)->n_pins)
		refuse(p, db->from, db->to, ERR_NOT_AUTHORIZED);
	else if (rules_for(p, db->from)->security != PEERS_BY_CERTIFICATE)
		ask_back(p, db);
	else if (may_be_dane(p, db->from, result))
		ask_dns(p, db->from, db->to, result_by_dane);
	else
		refuse(p, db->from, db->to, ERR_NOT_AUTHORIZED);
}

/* ---- dialback: a key that may be ours ---- */

void proof_verify(struct peer *p, const struct s2s_db *db)
{
	const struct core *c = p->shard->core;
	const struct host *h = settings_host(p->shard->settings, db->to);

	if (!h || !h->federation) {
		s2s_db_verified(&p->stream, db->from, db->to, db->id, S2S_FAILED, ERR_ITEM_NOT_FOUND);
		return;
	}
	bool right = dialback_key_is_right(str_from((const char *)c->secret, sizeof c->secret),
		db->from, db->to, db->id, db->key);
	s2s_db_verified(&p->stream, db->from, db->to, db->id, right ? S2S_VALID : S2S_INVALID,
		ERR_COUNT);
}
