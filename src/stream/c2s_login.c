/* A client's stream between its header and a bound resource: features, STARTTLS, SASL, bind
 * (RFC 6120 sections 5, 6 and 7). */
#include "stream/c2s_private.h"

#include "base/base64.h"
#include "base/bug.h"

#define BIT(m) (1u << (m))

static const enum sasl_mech_id scram_of[][2] = {
	{ MECH_SCRAM_SHA_512, MECH_SCRAM_SHA_512_PLUS },
	{ MECH_SCRAM_SHA_256, MECH_SCRAM_SHA_256_PLUS },
	{ MECH_SCRAM_SHA_1, MECH_SCRAM_SHA_1_PLUS },
};

/* ---- features ---- */

static bool has_binding(const struct sasl_binding *b)
{
	return b->exporter.n || b->end_point.n || b->unique.n;
}

/* Which mechanisms this stream offers: docs/security.md explains the rules. */
static unsigned offered_mechs(const struct c2s *s, const struct sasl_policy *p)
{
	const struct c2s_host *host = &s->login->host;
	unsigned offered = host->mechs;

	if (!s->nego.secure && !host->plain_in_clear)
		offered &= ~BIT(MECH_PLAIN);
	if (!p->n_cert_jids)
		offered &= ~BIT(MECH_EXTERNAL);
	if (!has_binding(&p->binding))
		return offered;
	for (size_t i = 0; i < 3; i++)
		if (offered & BIT(scram_of[i][0]))
			offered |= BIT(scram_of[i][1]);
	return offered;
}

static void write_binding_type(struct writer *w, struct str type)
{
	w_open(w, "channel-binding");
	w_attr(w, "type", type);
	w_close(w);
}

static void write_mechanisms(struct c2s *s, struct writer *w)
{
	const struct sasl_policy *p = &s->login->policy;

	w_open_ns(w, "mechanisms", NS_SASL);
	if (p->offered & BIT(MECH_EXTERNAL)) /* RFC 6120 section 6.3.4: first */
		w_leaf(w, "mechanism", sasl_mech_name(MECH_EXTERNAL));
	for (unsigned m = 0; m < MECH_COUNT; m++)
		if (m != MECH_EXTERNAL && (p->offered & BIT(m)))
			w_leaf(w, "mechanism", sasl_mech_name((enum sasl_mech_id)m));
	w_close(w);
	if (!has_binding(&p->binding))
		return;
	w_open_ns(w, "sasl-channel-binding", NS_SASL_CB); /* XEP-0440 */
	if (p->binding.exporter.n)
		write_binding_type(w, STR("tls-exporter"));
	if (p->binding.end_point.n)
		write_binding_type(w, STR("tls-server-end-point"));
	if (p->binding.unique.n && p->binding.unique_defined)
		write_binding_type(w, STR("tls-unique"));
	w_close(w);
}

static void offer_starttls(struct c2s *s, struct writer *w)
{
	w_open_ns(w, "starttls", NS_TLS);
	if (s->login->host.tls_required) {
		w_open(w, "required");
		w_close(w);
	}
	w_close(w);
}

static void offer_auth(struct c2s *s, struct writer *w)
{
	struct c2s_login *l = s->login;

	l->policy = (struct sasl_policy){ .domain = s->domain };
	if (s->nego.secure)
		s->wire->ops->describe(s->wire, &l->arena, &l->policy);
	l->policy.offered = offered_mechs(s, &l->policy);
	if (l->sasl)
		sasl_server_free(&l->sasl);
	l->sasl = sasl_server_new(&l->policy);
	if (l->policy.offered)
		write_mechanisms(s, w);
	/* XEP-0077 section 8: a password is not asked for in clear. */
	s->nego.guest_iq = l->host.guest_iq && (s->nego.secure || l->host.plain_in_clear);
	if (s->nego.guest_iq)
		s->ops->features(s, w, false);
}

static void offer_bind(struct c2s *s, struct writer *w)
{
	w_open_ns(w, "bind", NS_BIND);
	w_open(w, "required");
	w_close(w);
	w_close(w);
	/* RFC 6121 appendix E: a no-op that old clients still ask for. */
	w_open_ns(w, "session", NS_SESSION);
	w_open(w, "optional");
	w_close(w);
	w_close(w);
	s->ops->features(s, w, true);
}

void c2s_offer(struct c2s *s)
{
	struct writer w = c2s_writer(s);
	const struct c2s_host *host = &s->login->host;

	w_open(&w, "stream:features");
	if (s->nego.phase == NEGO_AUTHED) {
		nego_enter(&s->nego, NEGO_BIND);
		offer_bind(s, &w);
	} else if (s->nego.secure) {
		nego_enter(&s->nego, NEGO_SECURE);
		offer_auth(s, &w);
	} else {
		nego_enter(&s->nego, NEGO_CLEAR);
		if (host->tls)
			offer_starttls(s, &w);
		if (!host->tls_required)
			offer_auth(s, &w);
	}
	w_close(&w);
}

/* ---- STARTTLS ---- */

static void on_starttls(struct c2s *s)
{
	struct buf *b = c2s_out(s);

	if (!s->login->host.tls) { /* section 5.4.2.2 */
		buf_lit(b, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
		c2s_end(s);
		return;
	}
	buf_lit(b, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	c2s_expect_tls(s);
	if (!s->wire->ops->start_tls(s->wire))
		c2s_abort(s);
}

void c2s_expect_tls(struct c2s *s)
{
	nego_enter(&s->nego, NEGO_TLS);
	s->opened = false;
}

void c2s_secured(struct c2s *s)
{
	if (s->nego.phase != NEGO_TLS)
		return;
	scan_restart(&s->feed.scan);
	nego_enter(&s->nego, NEGO_OPEN);
}

/* ---- SASL ---- */

static void write_sasl(struct c2s *s, const char *name, struct str data, bool always)
{
	struct writer w = c2s_writer(s);

	w_open_ns(&w, name, NS_SASL);
	if (data.n)
		w_text(&w, base64_str(&s->login->arena, data));
	else if (always) /* section 6.4.2: no data at all is written as one equals sign */
		w_text(&w, STR("="));
	w_close(&w);
}

static void sasl_failed(struct c2s *s, enum sasl_failure why)
{
	struct writer w = c2s_writer(s);
	struct arena *a = &s->login->arena;

	w_open_ns(&w, "failure", NS_SASL);
	w_raw(&w, str_printf(a, "<%.*s/>", STR_FMT(sasl_failure_name(why))));
	w_close(&w);
	log_info(s->log, "auth_failed", F_STR("peer", s->wire->ops->peer(s->wire, a)),
		F_STR("user", sasl_server_user(s->login->sasl)), F_STR("host", s->domain),
		F_STR("condition", sasl_failure_name(why)));
	nego_enter(&s->nego, s->nego.secure ? NEGO_SECURE : NEGO_CLEAR);
	s->ops->refused(s);
	if (++s->login->tries >= C2S_TRIES_MAX)
		c2s_close(s, STREAM_POLICY_VIOLATION, STR("too many failed logins"));
}

static void sasl_done(struct c2s *s, struct str data)
{
	struct c2s_login *l = s->login;
	struct arena *a = &l->arena;

	write_sasl(s, "success", data, false);
	log_info(s->log, "auth", F_STR("peer", s->wire->ops->peer(s->wire, a)),
		F_STR("user", sasl_server_user(l->sasl)), F_STR("host", s->domain),
		F_STR("mechanism", sasl_mech_name(sasl_server_mech(l->sasl))));
	nego_enter(&s->nego, NEGO_AUTHED);
	l->tries = 0;
	s->opened = false; /* section 6.4.6: the stream is replaced */
	scan_restart(&s->feed.scan);
	s->feed.scan.limits = s->user_limits;
	c2s_hold(s);
	s->ops->authenticated(s, sasl_server_user(l->sasl));
}

static void sasl_step(struct c2s *s, enum sasl_step step, struct str out)
{
	struct sasl_server *m = s->login->sasl;

	switch (step) {
	case SASL_CONTINUE:
		write_sasl(s, "challenge", out, true);
		break;
	case SASL_KEYS:
		c2s_hold(s);
		s->ops->keys(s, sasl_server_user(m));
		break;
	case SASL_CHECK:
		c2s_hold(s);
		s->ops->check(s, sasl_server_user(m), sasl_server_password(m));
		break;
	case SASL_DONE:
		sasl_done(s, out);
		break;
	case SASL_FAILED:
		sasl_failed(s, sasl_server_failure(m));
		break;
	}
}

/* The data of <auth/> and <response/>. False: it was refused. *given: there was some. */
static bool sasl_data(struct c2s *s, const struct xml_doc *d, struct str *out, bool *given)
{
	struct arena *a = &s->login->arena;
	struct str text = xml_text(d, xml_root(d), a);

	*given = text.n != 0;
	*out = STR("");
	if (!text.n || str_eq(text, STR("=")))
		return true;
	if (text.n <= BASE64_LEN(SASL_MESSAGE_MAX) && base64_decode(a, text, out))
		return true;
	enum sasl_failure why = text.n > BASE64_LEN(SASL_MESSAGE_MAX) ? SASL_MALFORMED_REQUEST
								    : SASL_INCORRECT_ENCODING;
	sasl_server_refuse(s->login->sasl, why);
	sasl_failed(s, why);
	return false;
}

static void on_auth(struct c2s *s, const struct xml_doc *d)
{
	struct c2s_login *l = s->login;
	struct str mech = xml_attr_str(d, xml_root(d), TAG_MECHANISM, &l->arena);
	struct str data, out = STR_NULL;
	bool given;

	nego_enter(&s->nego, NEGO_AUTH);
	if (!l->sasl) { /* no mechanism is offered before TLS */
		l->sasl = sasl_server_new(&l->policy);
		sasl_failed(s, SASL_ENCRYPTION_REQUIRED);
		return;
	}
	if (str_eq(mech, STR("PLAIN")) && !(l->policy.offered & BIT(MECH_PLAIN)) && !s->nego.secure) {
		sasl_failed(s, SASL_ENCRYPTION_REQUIRED);
		return;
	}
	if (!sasl_data(s, d, &data, &given))
		return;
	enum sasl_step step = sasl_server_start(l->sasl, mech, data, given, &l->arena, &out);
	sasl_step(s, step, out);
}

static void on_response(struct c2s *s, const struct xml_doc *d)
{
	struct c2s_login *l = s->login;
	struct str data, out = STR_NULL;
	bool given;

	if (!sasl_data(s, d, &data, &given))
		return;
	enum sasl_step step = sasl_server_next(l->sasl, data, &l->arena, &out);
	sasl_step(s, step, out);
}

/* An answer has come: the exchange goes on. After SASL_DONE the stream stays held, for its
 * user to say c2s_go_on(). */
static void answered(struct c2s *s, enum sasl_step step, struct str out)
{
	sasl_step(s, step, out);
	if (step == SASL_CONTINUE || step == SASL_FAILED)
		c2s_go_on(s);
}

void c2s_keys(struct c2s *s, const struct scram_keys *keys, bool exists)
{
	struct str out = STR_NULL;

	if (s->closing || s->ended)
		return;
	enum sasl_step step = sasl_server_keys(s->login->sasl, keys, exists, &s->login->arena, &out);
	answered(s, step, out);
}

void c2s_checked(struct c2s *s, bool right)
{
	if (s->closing || s->ended)
		return;
	answered(s, sasl_server_checked(s->login->sasl, right), STR_NULL);
}

void c2s_auth_failed_for_now(struct c2s *s)
{
	if (s->closing || s->ended)
		return;
	sasl_server_abort(s->login->sasl);
	sasl_failed(s, SASL_TEMPORARY_AUTH_FAILURE);
	c2s_go_on(s);
}

/* ---- bind ---- */

static void refuse_bind(struct c2s *s, enum stanza_error e)
{
	struct writer w = c2s_writer(s);

	stanza_open(&w, STANZA_IQ, "error", (struct jid){ 0 }, (struct jid){ 0 }, s->login->bind_id);
	w_open(&w, "error");
	w_attr(&w, "type", stanza_error_type(e));
	w_raw(&w, str_printf(&s->login->arena, "<%.*s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>",
		STR_FMT(stanza_error_name(e))));
	w_close(&w);
	w_close(&w);
	if (++s->login->tries >= C2S_TRIES_MAX) /* section 7.7.3 */
		c2s_close(s, STREAM_POLICY_VIOLATION, STR("too many tries to bind a resource"));
}

static void on_bind(struct c2s *s, const struct xml_doc *d)
{
	struct arena *a = &s->login->arena;
	const struct xml_node *iq = xml_root(d);
	const struct xml_attr *id = xml_attr(d, iq, TAG_ID);
	const struct xml_node *bind = xml_child(d, iq, NS_BIND, TAG_BIND);
	const struct xml_node *resource;

	if (!bind || !str_eq(xml_attr_str(d, iq, TAG_TYPE, a), STR("set"))) {
		c2s_close(s, STREAM_NOT_AUTHORIZED, STR("bind a resource first"));
		return;
	}
	s->login->bind_id = id ? str_dup(a, str_from(d->bytes + id->value, id->value_len)) : STR_NULL;
	if (!id) {
		refuse_bind(s, ERR_BAD_REQUEST);
		return;
	}
	resource = xml_child(d, bind, NS_BIND, TAG_RESOURCE);
	c2s_hold(s);
	s->ops->bind(s, resource ? str_dup(a, xml_text(d, resource, a)) : STR(""));
}

void c2s_bound(struct c2s *s, struct jid full)
{
	if (s->closing || s->ended)
		return;
	struct writer w = c2s_writer(s);
	stanza_open(&w, STANZA_IQ, "result", (struct jid){ 0 }, (struct jid){ 0 }, s->login->bind_id);
	w_open_ns(&w, "bind", NS_BIND);
	w_leaf(&w, "jid", jid_str(full));
	w_close(&w);
	w_close(&w);
	nego_enter(&s->nego, NEGO_READY);
	c2s_login_free(s);
	c2s_go_on(s);
}

void c2s_resumed(struct c2s *s)
{
	nego_enter(&s->nego, NEGO_READY);
	c2s_login_free(s);
}

void c2s_bind_refused(struct c2s *s, enum stanza_error e)
{
	if (s->closing || s->ended)
		return;
	refuse_bind(s, e);
	c2s_go_on(s);
}

/* ---- dispatch ---- */

/* nego_admit() has let it pass, so the phase fits the element. */
void c2s_login_element(struct c2s *s, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);

	if (xml_is(root, NS_TLS, TAG_STARTTLS)) {
		on_starttls(s);
	} else if (xml_is(root, NS_SASL, TAG_AUTH)) {
		on_auth(s, d);
	} else if (xml_is(root, NS_SASL, TAG_RESPONSE)) {
		on_response(s, d);
	} else if (xml_is(root, NS_SASL, TAG_ABORT)) {
		sasl_server_abort(s->login->sasl);
		sasl_failed(s, SASL_ABORTED);
	} else if (s->nego.phase == NEGO_BIND) {
		on_bind(s, d);
	} else {
		s->ops->guest(s, d);
	}
}

struct str c2s_password(const struct c2s *s)
{
	return s->login ? sasl_server_password(s->login->sasl) : STR_NULL;
}
