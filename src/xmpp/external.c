/* SASL EXTERNAL (RFC 4422 appendix A, XEP-0178) for clients: the certificate of the TLS
 * connection says who it is.
 *
 * policy.cert_jids has the addresses of a certificate that was found valid. Of these the ones
 * in the stream's domain count. The caller is asked whether the account exists. */
#include "xmpp/jid.h"
#include "xmpp/sasl_private.h"

/* A bare JID with a localpart in our domain. */
static bool parse_local(struct sasl_server *s, struct str text, struct jid *out)
{
	return jid_parse(text, &s->mem, out) && jid_is_bare(*out) && out->n_local &&
		str_eq(jid_domain(*out), s->policy.domain);
}

/* How many different addresses in our domain the certificate has; *out is one of them. */
static unsigned count_proved(struct sasl_server *s, struct jid *out)
{
	unsigned n = 0;
	struct jid jid;

	for (unsigned i = 0; i < s->policy.n_cert_jids; i++) {
		if (!parse_local(s, s->policy.cert_jids[i], &jid) || (n && jid_eq(jid, *out)))
			continue;
		*out = jid;
		n++;
	}
	return n;
}

static bool is_proved(struct sasl_server *s, struct jid wanted)
{
	struct jid jid;

	for (unsigned i = 0; i < s->policy.n_cert_jids; i++)
		if (parse_local(s, s->policy.cert_jids[i], &jid) && jid_eq(jid, wanted))
			return true;
	return false;
}

static enum sasl_step first(struct sasl_server *s, struct str message)
{
	struct jid jid;

	if (!sasl_is_text(message))
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	unsigned n = count_proved(s, &jid);
	if (n == 0)
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	/* XEP-0178 section 2, item 11: with several addresses the client has to say which. */
	if (message.n == 0 && n > 1)
		return sasl_fail(s, SASL_INVALID_AUTHZID);
	if (message.n && (!parse_local(s, message, &jid) || !is_proved(s, jid)))
		return sasl_fail(s, SASL_INVALID_AUTHZID);
	s->user = str_dup(&s->mem, jid_local(jid));
	s->state = SERVER_AWAITS_KEYS;
	return SASL_KEYS;
}

static enum sasl_step keys(struct sasl_server *s, const struct scram_keys *k, bool exists,
	struct arena *a, struct str *out)
{
	return exists ? sasl_done(s) : sasl_fail(s, SASL_NOT_AUTHORIZED);
}

const struct sasl_ops external_ops = { .asks = true, .first = first, .keys = keys };
