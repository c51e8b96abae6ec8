/* A stream between servers between its header and READY: features, STARTTLS, SASL EXTERNAL
 * (RFC 6120 sections 5 and 6, XEP-0178 section 3), <bidi/> (XEP-0288). Both roles. */
#include "stream/s2s_private.h"

#include "base/base64.h"
#include "base/bug.h"

/* Bytes of a peer's words that go to the log. */
#define TEXT_MAX 256

static struct writer writer(struct s2s *s)
{
	return w_on(s2s_out(s));
}

static void write_sasl(struct s2s *s, const char *name, struct str data)
{
	struct writer w = writer(s);

	w_open_ns(&w, name, NS_SASL);
	w_text(&w, data);
	w_close(&w);
}

/* ---- incoming: features ---- */

static void offer_starttls(struct s2s *s, struct writer *w)
{
	w_open_ns(w, "starttls", NS_TLS);
	if (s->host.tls_required) {
		w_open(w, "required");
		w_close(w);
	}
	w_close(w);
}

static void offer_external(struct writer *w)
{
	w_open_ns(w, "mechanisms", NS_SASL);
	w_leaf(w, "mechanism", sasl_mech_name(MECH_EXTERNAL));
	w_close(w);
}

/* XEP-0220 section 2.4.2 */
static void offer_dialback(struct writer *w)
{
	w_open_ns(w, "dialback", NS_DIALBACK_FEATURE);
	w_open(w, "errors");
	w_close(w);
	w_close(w);
}

/* XEP-0288 section 2.1: it is asked for before authentication. */
static void offer_bidi(struct writer *w)
{
	w_open_ns(w, "bidi", NS_BIDI_FEATURE);
	w_close(w);
}

/* XEP-0178 section 3, item 9: where the certificate proves the domain of the header. */
static bool may_external(struct s2s *s)
{
	return s->nego.phase == NEGO_SECURE && s->host.external && s->remote &&
	       s->ops->may_external(s);
}

/* Nothing else is said before TLS where that is required (RFC 6120 section 5.3.1). */
static bool is_tls_first(const struct s2s *s)
{
	return s->nego.phase == NEGO_CLEAR && s->host.tls_required;
}

static void write_offers(struct s2s *s, struct writer *w)
{
	bool clear = s->nego.phase == NEGO_CLEAR;
	bool authed = s->nego.phase == NEGO_READY;

	if (clear && s->host.tls)
		offer_starttls(s, w);
	if (is_tls_first(s))
		return;
	if (s->has_external)
		offer_external(w);
	if (s->host.bidi && !authed)
		offer_bidi(w);
	if (s->host.dialback)
		offer_dialback(w);
	s->ops->features(s, w, authed || !(s->has_external || (clear && s->host.tls)));
}

void s2s_offer(struct s2s *s)
{
	struct writer w = writer(s);

	nego_enter(&s->nego, s->nego.phase == NEGO_AUTHED ? NEGO_READY
							   : nego_unauthenticated(&s->nego));
	s->has_external = may_external(s);
	if (s->old || s2s_is_closed(s))
		return;
	w_open(&w, "stream:features");
	write_offers(s, &w);
	w_close(&w);
	if (s->nego.phase == NEGO_READY)
		s->ops->accepted(s, 0);
}

/* ---- outgoing: features ---- */

static const struct {
	enum xml_ns ns;
	enum xml_tag tag;
	unsigned offer;
} simple_features[] = {
	{ NS_BIDI_FEATURE, TAG_BIDI, S2S_HAS_BIDI },
	{ NS_SM, TAG_SM, S2S_HAS_SM },
};

static bool has_external(const struct xml_doc *d, const struct xml_node *mechanisms,
	struct arena *a)
{
	for (const struct xml_node *m = xml_child(d, mechanisms, NS_SASL, TAG_MECHANISM); m;
		m = xml_next_same(d, m))
		if (str_eq(str_trim(xml_text(d, m, a)), STR("EXTERNAL")))
			return true;
	return false;
}

static unsigned read_offers(struct s2s *s, const struct xml_doc *d)
{
	const struct xml_node *features = xml_root(d);
	const struct xml_node *dialback = xml_child(d, features, NS_DIALBACK_FEATURE, TAG_DIALBACK);
	const struct xml_node *mechanisms = xml_child(d, features, NS_SASL, TAG_MECHANISMS);
	unsigned offered = 0;

	for (size_t i = 0; i < sizeof simple_features / sizeof simple_features[0]; i++)
		if (xml_child(d, features, simple_features[i].ns, simple_features[i].tag))
			offered |= simple_features[i].offer;
	if (mechanisms && s->nego.phase == NEGO_SECURE && has_external(d, mechanisms, s->turn))
		offered |= S2S_HAS_EXTERNAL;
	if (dialback && s->peer_id)
		offered |= S2S_HAS_DIALBACK;
	if (dialback && xml_child(d, dialback, NS_DIALBACK_FEATURE, TAG_ERRORS))
		offered |= S2S_HAS_DB_ERRORS;
	return offered;
}

static void ask_tls(struct s2s *s)
{
	buf_lit(s2s_out(s), "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	nego_enter(&s->nego, NEGO_TLS);
}

static void lack_tls(struct s2s *s)
{
	s->lacks_tls = true;
	s2s_close(s, STREAM_POLICY_VIOLATION, STR("TLS is needed, and not offered"));
}

static unsigned tls_features(const struct xml_doc *d)
{
	const struct xml_node *starttls = xml_child(d, xml_root(d), NS_TLS, TAG_STARTTLS);

	/* With dialback there is always a way on; whether it may be gone the user says. */
	return NEGO_HAS_SASL | (starttls ? NEGO_HAS_STARTTLS : 0);
}

static void on_features(struct s2s *s, const struct xml_doc *d)
{
	enum nego_tls_want want = s->must_tls ? NEGO_TLS_MUST : NEGO_TLS_TRY;

	if (!s->awaits_features)
		return;
	s->awaits_features = false;
	s->offered |= read_offers(s, d);
	switch (nego_choose(&s->nego, tls_features(d), want)) {
	case NEGO_DO_STARTTLS:
		ask_tls(s);
		break;
	case NEGO_DO_AUTH:
		s->ops->ready(s, s->offered);
		break;
	case NEGO_DO_NOTHING:
		s2s_take_stanzas(s);
		s->ops->accepted(s, s->offered);
		break;
	default:
		lack_tls(s);
	}
}

void s2s_go_without_features(struct s2s *s)
{
	if (s->must_tls && !s->nego.secure)
		lack_tls(s);
	else
		s->ops->ready(s, s->offered | S2S_IS_OLD);
}

/* ---- STARTTLS ---- */

void s2s_expect_tls(struct s2s *s)
{
	if (s->nego.phase != NEGO_TLS)
		nego_enter(&s->nego, NEGO_TLS);
	s->handshake = true;
	s->opened = false;
	s->said_bidi = false; /* XEP-0288 section 2.1: it counts behind TLS alone */
}

static void start_tls(struct s2s *s)
{
	s2s_expect_tls(s);
	if (!s->wire->ops->start_tls(s->wire))
		s2s_abort(s);
}

static void on_starttls(struct s2s *s)
{
	struct buf *b = s2s_out(s);

	if (s->n_pending) { /* a key belongs to the stream that it was made for */
		s2s_close(s, STREAM_POLICY_VIOLATION, STR("dialback is not done yet"));
		return;
	}
	if (!s->host.tls) { /* section 5.4.2.2 */
		buf_lit(b, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
		s2s_end(s);
		return;
	}
	buf_lit(b, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	start_tls(s);
}

void s2s_secured(struct s2s *s)
{
	if (!s->handshake || s2s_is_closed(s))
		return;
	s->handshake = false;
	scan_restart(&s->feed.scan);
	nego_enter(&s->nego, NEGO_OPEN);
	if (!s->ops->secured(s))
		s2s_abort(s);
	else
		s2s_begin(s);
}

void s2s_begin(struct s2s *s)
{
	if (!s2s_is_incoming(s) && s->nego.phase == NEGO_OPEN && !s->opened)
		s2s_write_header(s, str_c(s->local), str_c(s->remote));
}

/* Section 5.4.2.2: the peer ends the stream. */
static void on_tls_failure(struct s2s *s)
{
	log_info(s->log, "peer_starttls_failed", F_STR("domain", str_c(s->remote)));
	s->lacks_tls = true;
	s2s_end(s);
}

/* ---- incoming: EXTERNAL ---- */

static void sasl_failed(struct s2s *s, enum sasl_failure why)
{
	struct writer w = writer(s);

	w_open_ns(&w, "failure", NS_SASL);
	w_open(&w, sasl_failure_name(why).p);
	w_close(&w);
	w_close(&w);
	log_info(s->log, "peer_auth_failed", F_STR("peer", s->wire->ops->peer(s->wire, s->turn)),
		F_STR("domain", str_c(s->remote)), F_STR("condition", sasl_failure_name(why)));
	nego_enter(&s->nego, nego_unauthenticated(&s->nego));
	s2s_count_try(s);
}

/* Who the peer wants to be: a domain in base64, or nothing (section 6.4.2), which is the one of
 * its header (XEP-0178 section 3, item 11). */
static bool read_authzid(struct s2s *s, struct str text, struct str *out, enum sasl_failure *why)
{
	struct str said;

	*out = str_c(s->remote);
	if (!text.n || str_eq(text, STR("=")))
		return true;
	*why = SASL_MALFORMED_REQUEST;
	if (text.n > BASE64_LEN(JID_PART_MAX))
		return false;
	*why = SASL_INCORRECT_ENCODING;
	if (!base64_decode(s->turn, text, &said))
		return false;
	*why = SASL_INVALID_AUTHZID;
	return jid_prep_domain(said, s->turn, out) && str_eq(*out, str_c(s->remote));
}

static void check_external(struct s2s *s, struct str text)
{
	enum sasl_failure why;
	struct str domain;

	if (!read_authzid(s, text, &domain, &why)) {
		sasl_failed(s, why);
		return;
	}
	s2s_ask(s);
	s->ops->external(s, domain);
}

static enum sasl_failure no_mechanism(const struct s2s *s)
{
	return s->host.tls && !s->nego.secure ? SASL_ENCRYPTION_REQUIRED : SASL_INVALID_MECHANISM;
}

static void on_auth(struct s2s *s, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);
	struct str text = str_trim(xml_text(d, root, s->turn));

	if (s->n_pending) {
		s2s_close(s, STREAM_POLICY_VIOLATION, STR("dialback is not done yet"));
		return;
	}
	nego_enter(&s->nego, NEGO_AUTH);
	if (!s->has_external ||
		!str_eq(xml_attr_str(d, root, TAG_MECHANISM, s->turn), STR("EXTERNAL"))) {
		sasl_failed(s, no_mechanism(s));
	} else if (!text.n) { /* no initial response: it is asked for */
		write_sasl(s, "challenge", STR("="));
	} else {
		check_external(s, text);
	}
}

/* In NEGO_AUTH with nothing asked of the user, so it is what was asked for. */
static void on_response(struct s2s *s, const struct xml_doc *d)
{
	check_external(s, str_trim(xml_text(d, xml_root(d), s->turn)));
}

void s2s_externally(struct s2s *s, bool right)
{
	if (!s->asking || s2s_is_closed(s))
		return;
	if (right) {
		write_sasl(s, "success", STR(""));
		nego_enter(&s->nego, NEGO_AUTHED);
		s2s_pair_add(&s->pairs, str_c(s->remote), str_c(s->local), STR_NULL);
		s->n_pairs++;
		s->tries = 0;
		s->opened = false; /* section 6.4.6: the stream is replaced */
		scan_restart(&s->feed.scan);
		s->feed.scan.limits = s->user_limits;
	} else {
		sasl_failed(s, SASL_NOT_AUTHORIZED);
	}
	s2s_answered(s);
}

/* ---- outgoing: EXTERNAL ---- */

/* XEP-0178 section 3, item 10: peers that follow its earlier versions need the authorization
 * identity. */
static void send_authzid(struct s2s *s, const char *name)
{
	struct writer w = writer(s);

	w_open_ns(&w, name, NS_SASL);
	if (str_eq(str_c(name), STR("auth")))
		w_attr(&w, "mechanism", sasl_mech_name(MECH_EXTERNAL));
	w_text(&w, base64_str(s->turn, str_c(s->local)));
	w_close(&w);
}

void s2s_external(struct s2s *s)
{
	if (s2s_is_incoming(s) || !s2s_can_talk(s) || s->nego.phase == NEGO_READY)
		return;
	nego_enter(&s->nego, NEGO_AUTH);
	send_authzid(s, "auth");
}

/* A peer that took no notice of the initial response. */
static void on_challenge(struct s2s *s)
{
	s2s_count_try(s);
	if (!s2s_is_closed(s))
		send_authzid(s, "response");
}

static void on_success(struct s2s *s)
{
	nego_enter(&s->nego, NEGO_AUTHED);
	scan_restart(&s->feed.scan);
	s2s_write_header(s, str_c(s->local), str_c(s->remote));
}

static void on_auth_failure(struct s2s *s, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d), *el = xml_first(d, root);
	const struct xml_node *text = xml_child(d, root, NS_SASL, TAG_TEXT);

	log_info(s->log, "peer_refused_external", F_STR("domain", str_c(s->remote)),
		F_STR("condition", el ? str_head(xml_name(d, el), TEXT_MAX) : STR("")),
		F_STR("text", text ? str_head(xml_text(d, text, s->turn), TEXT_MAX) : STR("")));
	nego_enter(&s->nego, nego_unauthenticated(&s->nego));
	s->ops->not_accepted(s);
}

/* ---- bidirectional streams ---- */

void s2s_ask_bidi(struct s2s *s)
{
	if (s2s_is_incoming(s) || !s2s_can_talk(s) || s->nego.phase == NEGO_READY || s->said_bidi)
		return;
	buf_lit(s2s_out(s), "<bidi xmlns='urn:xmpp:bidi'/>");
	s->said_bidi = true;
}

static void on_bidi(struct s2s *s)
{
	if (!s->host.bidi) {
		s2s_close(s, STREAM_UNSUPPORTED_STANZA_TYPE, STR("<bidi/> was not offered"));
		return;
	}
	if (s->said_bidi)
		return;
	s->said_bidi = true;
	s->ops->bidi(s);
}

/* ---- dispatch ---- */

/* RFC 6120 section 5.3.1 */
static void refuse_in_clear(struct s2s *s, const struct xml_node *root)
{
	if (root->ns != NS_SASL) {
		s2s_close(s, STREAM_POLICY_VIOLATION, STR("TLS comes first"));
		return;
	}
	nego_enter(&s->nego, NEGO_AUTH);
	sasl_failed(s, SASL_ENCRYPTION_REQUIRED);
}

static void on_initiators(struct s2s *s, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);

	if (xml_is(root, NS_TLS, TAG_STARTTLS))
		on_starttls(s);
	else if (is_tls_first(s))
		refuse_in_clear(s, root);
	else if (xml_is(root, NS_SASL, TAG_AUTH))
		on_auth(s, d);
	else if (xml_is(root, NS_SASL, TAG_RESPONSE))
		on_response(s, d);
	else if (xml_is(root, NS_SASL, TAG_ABORT))
		sasl_failed(s, SASL_ABORTED);
	else
		on_bidi(s);
}

static void on_receivers(struct s2s *s, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);

	if (xml_is(root, NS_STREAM, TAG_FEATURES))
		on_features(s, d);
	else if (xml_is(root, NS_TLS, TAG_PROCEED))
		start_tls(s);
	else if (xml_is(root, NS_TLS, TAG_FAILURE))
		on_tls_failure(s);
	else if (xml_is(root, NS_SASL, TAG_CHALLENGE))
		on_challenge(s);
	else if (xml_is(root, NS_SASL, TAG_SUCCESS))
		on_success(s);
	else
		on_auth_failure(s, d);
}

void s2s_login_element(struct s2s *s, const struct xml_doc *d)
{
	if (s2s_is_incoming(s))
		on_initiators(s, d);
	else
		on_receivers(s, d);
}
