/* What is left of binding once a resource is bound (RFC 6120 section 7, RFC 3921 section 3).
 *
 * Answers the session request that old clients send, a no-op since RFC 6121, and refuses to
 * bind a second resource on one stream. Options: none. Stores: nothing. */
#include "core/module.h"

static enum outcome on_session(struct ctx *c, const struct stanza *iq)
{
	return reply_ok(c, iq);
}

static enum outcome on_bind(struct ctx *c, const struct stanza *iq)
{
	return refuse(c, iq, ERR_NOT_ALLOWED, STR("a resource is bound already"));
}

const struct module rfc6120_session = {
	.name = "session",
	.spec = "RFC 6120",
	.iq = (const struct iq_rule[]){
		{ IQ_SET, NS_SESSION, TAG_SESSION, AT_HOST | AT_OWN, on_session },
		{ IQ_SET, NS_BIND, TAG_BIND, AT_HOST | AT_OWN, on_bind },
		{ 0 } },
};
