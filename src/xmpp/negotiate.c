#include "xmpp/negotiate.h"

#include "base/bug.h"

#define IN(phase) (1u << NEGO_##phase)

/* What may follow what; that TLS is up or not is looked at in may_enter(). */
static const unsigned follows[NEGO_PHASE_COUNT] = {
	[NEGO_OPEN]   = IN(CLEAR) | IN(SECURE) | IN(TLS),
	[NEGO_CLEAR]  = IN(CLEAR) | IN(TLS) | IN(AUTH) | IN(READY),
	[NEGO_TLS]    = IN(OPEN),
	[NEGO_SECURE] = IN(SECURE) | IN(AUTH) | IN(READY),
	[NEGO_AUTH]   = IN(CLEAR) | IN(SECURE) | IN(AUTH) | IN(AUTHED),
	[NEGO_AUTHED] = IN(BIND) | IN(READY),
	[NEGO_BIND]   = IN(READY),
};

/* Which first-level elements of negotiation we may get from a peer in the other role. */
static const struct rule {
	enum nego_role from;
	enum xml_ns ns;
	enum xml_tag tag;
	unsigned in;
} rules[] = {
	{ NEGO_INITIATING, NS_TLS,    TAG_STARTTLS,  IN(CLEAR) },
	{ NEGO_RECEIVING,  NS_TLS,    TAG_PROCEED,   IN(TLS) },
	{ NEGO_RECEIVING,  NS_TLS,    TAG_FAILURE,   IN(TLS) },
	{ NEGO_INITIATING, NS_SASL,   TAG_AUTH,      IN(CLEAR) | IN(SECURE) | IN(AUTH) },
	{ NEGO_INITIATING, NS_SASL,   TAG_RESPONSE,  IN(AUTH) },
	{ NEGO_INITIATING, NS_SASL,   TAG_ABORT,     IN(AUTH) },
	{ NEGO_RECEIVING,  NS_SASL,   TAG_CHALLENGE, IN(AUTH) },
	{ NEGO_RECEIVING,  NS_SASL,   TAG_SUCCESS,   IN(AUTH) },
	{ NEGO_RECEIVING,  NS_SASL,   TAG_FAILURE,   IN(AUTH) },
	{ NEGO_RECEIVING,  NS_STREAM, TAG_FEATURES,
		IN(CLEAR) | IN(SECURE) | IN(BIND) | IN(READY) },
};

/* The same of streams between servers. Dialback goes both ways: keys one way, answers the other,
 * and keys either way on a bidirectional stream (XEP-0288 section 2.2), for which only the
 * initiating side asks, before it is authenticated. A verdict on a third server's key may cross
 * with a SASL exchange. */
static const struct rule server_rules[] = {
	{ NEGO_INITIATING, NS_DIALBACK, TAG_RESULT, IN(CLEAR) | IN(SECURE) | IN(READY) },
	{ NEGO_INITIATING, NS_DIALBACK, TAG_VERIFY, IN(CLEAR) | IN(SECURE) | IN(READY) },
	{ NEGO_RECEIVING,  NS_DIALBACK, TAG_RESULT, IN(CLEAR) | IN(SECURE) | IN(READY) },
	{ NEGO_RECEIVING,  NS_DIALBACK, TAG_VERIFY,
		IN(CLEAR) | IN(SECURE) | IN(AUTH) | IN(READY) },
	{ NEGO_INITIATING, NS_BIDI,     TAG_BIDI,   IN(CLEAR) | IN(SECURE) },
};

/* Stanzas, in the content namespace of the stream, from either side. Before a resource is
 * bound only the server itself may be spoken to (section 7.1): with IQs, of which one binds. */
static const struct {
	enum xml_tag tag;
	unsigned in;
} stanzas[] = {
	{ TAG_MESSAGE,  IN(READY) },
	{ TAG_PRESENCE, IN(READY) },
	{ TAG_IQ,       IN(BIND) | IN(READY) },
};

void nego_init(struct nego *n, enum nego_role role, enum xml_ns content, bool secure)
{
	BUG_ON(content != NS_CLIENT && content != NS_SERVER);
	*n = (struct nego){ .role = role, .content = content, .secure = secure };
}

static bool may_enter(const struct nego *n, enum nego_phase phase)
{
	if (phase == NEGO_CLOSED)
		return true;
	if (!(follows[n->phase] & 1u << phase))
		return false;
	switch (phase) {
	case NEGO_CLEAR:
	case NEGO_TLS:
		return !n->secure;
	case NEGO_SECURE:
		return n->secure;
	case NEGO_BIND:
		return n->content == NS_CLIENT;
	case NEGO_READY:
		return n->content == NS_SERVER || n->phase == NEGO_BIND;
	default:
		return true;
	}
}

enum nego_phase nego_enter(struct nego *n, enum nego_phase phase)
{
	enum nego_phase before = n->phase;

	BUG_ON(!may_enter(n, phase));
	if (before == NEGO_TLS && phase == NEGO_OPEN)
		n->secure = true;
	n->phase = phase;
	return before;
}

struct str nego_phase_name(enum nego_phase phase)
{
	static const char *const names[NEGO_PHASE_COUNT] = {
		[NEGO_OPEN] = "open", [NEGO_CLEAR] = "clear", [NEGO_TLS] = "tls",
		[NEGO_SECURE] = "secure", [NEGO_AUTH] = "auth", [NEGO_AUTHED] = "authed",
		[NEGO_BIND] = "bind", [NEGO_READY] = "ready", [NEGO_CLOSED] = "closed",
	};

	BUG_ON(phase >= NEGO_PHASE_COUNT);
	return str_c(names[phase]);
}

static bool has_rule(const struct nego *n, const struct rule *r, size_t count, enum xml_ns ns,
	enum xml_tag tag)
{
	for (; count; count--, r++)
		if (r->ns == ns && r->tag == tag && r->from != n->role && r->in & 1u << n->phase)
			return true;
	return false;
}

static bool is_negotiation(const struct nego *n, enum xml_ns ns, enum xml_tag tag)
{
	return has_rule(n, rules, sizeof rules / sizeof rules[0], ns, tag) ||
	       (n->content == NS_SERVER && has_rule(n, server_rules,
			sizeof server_rules / sizeof server_rules[0], ns, tag));
}

static enum nego_answer admit_stanza(const struct nego *n, enum xml_tag tag, enum stream_error *why)
{
	for (size_t i = 0; i < sizeof stanzas / sizeof stanzas[0]; i++) {
		unsigned in = stanzas[i].in;
		if (stanzas[i].tag != tag)
			continue;
		if (tag == TAG_IQ && n->guest_iq)
			in |= IN(CLEAR) | IN(SECURE);
		if (in & 1u << n->phase)
			return NEGO_OK;
		*why = STREAM_NOT_AUTHORIZED;
		return NEGO_REFUSED;
	}
	*why = STREAM_UNSUPPORTED_STANZA_TYPE;
	return NEGO_REFUSED;
}

enum nego_answer nego_admit(const struct nego *n, enum xml_ns ns, enum xml_tag tag,
	enum stream_error *why)
{
	if (ns == n->content)
		return admit_stanza(n, tag, why);
	if (ns == NS_STREAM && tag == TAG_ERROR)
		return NEGO_OK;
	if (is_negotiation(n, ns, tag))
		return NEGO_OK;
	*why = STREAM_UNSUPPORTED_STANZA_TYPE;
	return NEGO_REFUSED;
}

static enum nego_step choose_tls(unsigned features, enum nego_tls_want tls)
{
	if (features & NEGO_HAS_STARTTLS && tls != NEGO_TLS_OFF)
		return NEGO_DO_STARTTLS;
	if (features & NEGO_HAS_STARTTLS_REQUIRED || tls == NEGO_TLS_MUST)
		return NEGO_STUCK;
	return features & NEGO_HAS_SASL ? NEGO_DO_AUTH : NEGO_STUCK;
}

enum nego_step nego_choose(const struct nego *n, unsigned features, enum nego_tls_want tls)
{
	BUG_ON(n->role != NEGO_INITIATING);
	switch (n->phase) {
	case NEGO_CLEAR:
		return choose_tls(features, tls);
	case NEGO_SECURE:
		return features & NEGO_HAS_SASL ? NEGO_DO_AUTH : NEGO_STUCK;
	case NEGO_BIND:
		return features & NEGO_HAS_BIND ? NEGO_DO_BIND : NEGO_STUCK;
	case NEGO_READY:
		return NEGO_DO_NOTHING;
	default:
		BUG("no features are awaited in this phase");
	}
}
