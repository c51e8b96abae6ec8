/* SASL ANONYMOUS (RFC 4505, XEP-0175): anybody, under a name that core makes up.
 *
 * The trace is checked for its form and dropped: it is not authenticated, and XEP-0175 wants
 * it used for nothing but tracing. */
#include "base/utf8.h"
#include "xmpp/sasl_private.h"

#define TRACE_MAX 255 /* characters; RFC 4505 section 2 */

static bool is_trace(struct str s)
{
	unsigned chars = 0, len;

	for (; s.n; s = str_skip(s, len), chars++)
		if (utf8_next(s, &len) < 0)
			return false;
	return chars <= TRACE_MAX;
}

static enum sasl_step first(struct sasl_server *s, struct str message)
{
	return is_trace(message) ? sasl_done(s) : sasl_fail(s, SASL_MALFORMED_REQUEST);
}

const struct sasl_ops anonymous_ops = { .first = first };
