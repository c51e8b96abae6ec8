/* SASL PLAIN (RFC 4616): name and password in one message, inside TLS.
 *
 * The stream refuses it without TLS. The password is prepared as for SCRAM (RFC 8265 section
 * 4.2), so that one set of keys serves both. */
#include "xmpp/jid.h"
#include "xmpp/sasl_private.h"

#include "base/utf8.h"

/* Takes the part before the next NUL off the front. */
static bool take_part(struct str *rest, struct str *out)
{
	ptrdiff_t at = str_find(*rest, '\0');

	if (at < 0)
		return false;
	*out = str_head(*rest, (size_t)at);
	*rest = str_skip(*rest, (size_t)at + 1);
	return true;
}

/* message = [authzid] UTF8NUL authcid UTF8NUL passwd, the last two not empty */
static bool parse(struct str message, struct str *authzid, struct str *authcid, struct str *passwd)
{
	if (!utf8_valid(message) || !take_part(&message, authzid) || !take_part(&message, authcid))
		return false;
	*passwd = message;
	return authcid->n && passwd->n && str_find(*passwd, '\0') < 0;
}

static enum sasl_step first(struct sasl_server *s, struct str message)
{
	struct str authzid, authcid, passwd, prepared;

	if (!parse(message, &authzid, &authcid, &passwd))
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	if (!sasl_take_user(s, authcid) || !jid_prep_password(passwd, &s->mem, &prepared))
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	s->password = str_dup(&s->mem, prepared);
	if (!sasl_may_act_as(s, authzid))
		return sasl_fail(s, SASL_INVALID_AUTHZID);
	s->state = SERVER_AWAITS_CHECK;
	return SASL_CHECK;
}

static void start(struct sasl_client *c, struct arena *a, struct str *out)
{
	size_t n = c->user.n + c->password.n + 2;
	char *p = arena_alloc(a, n);

	p[0] = '\0';
	memcpy(p + 1, c->user.p, c->user.n);
	p[1 + c->user.n] = '\0';
	memcpy(p + 2 + c->user.n, c->password.p, c->password.n);
	*out = str_from(p, n);
}

const struct sasl_ops plain_ops = { .asks = true, .first = first, .start = start };
