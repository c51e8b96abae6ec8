#include "xmpp/error.h"

#include "base/bug.h"
#include "xml/writer.h"

static const struct {
	struct str name, type;
} stanza_errors[ERR_COUNT] = {
	[ERR_BAD_REQUEST] = { STR_INIT("bad-request"), STR_INIT("modify") },
	[ERR_CONFLICT] = { STR_INIT("conflict"), STR_INIT("cancel") },
	[ERR_FEATURE_NOT_IMPLEMENTED] = { STR_INIT("feature-not-implemented"), STR_INIT("cancel") },
	[ERR_FORBIDDEN] = { STR_INIT("forbidden"), STR_INIT("auth") },
	[ERR_GONE] = { STR_INIT("gone"), STR_INIT("cancel") },
	[ERR_INTERNAL_SERVER_ERROR] = { STR_INIT("internal-server-error"), STR_INIT("cancel") },
	[ERR_ITEM_NOT_FOUND] = { STR_INIT("item-not-found"), STR_INIT("cancel") },
	[ERR_JID_MALFORMED] = { STR_INIT("jid-malformed"), STR_INIT("modify") },
	[ERR_NOT_ACCEPTABLE] = { STR_INIT("not-acceptable"), STR_INIT("modify") },
	[ERR_NOT_ALLOWED] = { STR_INIT("not-allowed"), STR_INIT("cancel") },
	[ERR_NOT_AUTHORIZED] = { STR_INIT("not-authorized"), STR_INIT("auth") },
	[ERR_POLICY_VIOLATION] = { STR_INIT("policy-violation"), STR_INIT("modify") },
	[ERR_RECIPIENT_UNAVAILABLE] = { STR_INIT("recipient-unavailable"), STR_INIT("wait") },
	[ERR_REDIRECT] = { STR_INIT("redirect"), STR_INIT("modify") },
	[ERR_REGISTRATION_REQUIRED] = { STR_INIT("registration-required"), STR_INIT("auth") },
	[ERR_REMOTE_SERVER_NOT_FOUND] = { STR_INIT("remote-server-not-found"), STR_INIT("cancel") },
	[ERR_REMOTE_SERVER_TIMEOUT] = { STR_INIT("remote-server-timeout"), STR_INIT("wait") },
	[ERR_RESOURCE_CONSTRAINT] = { STR_INIT("resource-constraint"), STR_INIT("wait") },
	[ERR_SERVICE_UNAVAILABLE] = { STR_INIT("service-unavailable"), STR_INIT("cancel") },
	[ERR_SUBSCRIPTION_REQUIRED] = { STR_INIT("subscription-required"), STR_INIT("auth") },
	/* Any type may go with this one; who has no more to say does not ask for a retry. */
	[ERR_UNDEFINED_CONDITION] = { STR_INIT("undefined-condition"), STR_INIT("cancel") },
	[ERR_UNEXPECTED_REQUEST] = { STR_INIT("unexpected-request"), STR_INIT("wait") },
};

struct str stanza_error_name(enum stanza_error e)
{
	BUG_ON(e >= ERR_COUNT);
	return stanza_errors[e].name;
}

struct str stanza_error_type(enum stanza_error e)
{
	BUG_ON(e >= ERR_COUNT);
	return stanza_errors[e].type;
}

static const struct str stream_errors[STREAM_ERROR_COUNT] = {
	[STREAM_BAD_FORMAT] = STR_INIT("bad-format"),
	[STREAM_BAD_NAMESPACE_PREFIX] = STR_INIT("bad-namespace-prefix"),
	[STREAM_CONFLICT] = STR_INIT("conflict"),
	[STREAM_CONNECTION_TIMEOUT] = STR_INIT("connection-timeout"),
	[STREAM_HOST_GONE] = STR_INIT("host-gone"),
	[STREAM_HOST_UNKNOWN] = STR_INIT("host-unknown"),
	[STREAM_IMPROPER_ADDRESSING] = STR_INIT("improper-addressing"),
	[STREAM_INTERNAL_SERVER_ERROR] = STR_INIT("internal-server-error"),
	[STREAM_INVALID_FROM] = STR_INIT("invalid-from"),
	[STREAM_INVALID_NAMESPACE] = STR_INIT("invalid-namespace"),
	[STREAM_INVALID_XML] = STR_INIT("invalid-xml"),
	[STREAM_NOT_AUTHORIZED] = STR_INIT("not-authorized"),
	[STREAM_NOT_WELL_FORMED] = STR_INIT("not-well-formed"),
	[STREAM_POLICY_VIOLATION] = STR_INIT("policy-violation"),
	[STREAM_REMOTE_CONNECTION_FAILED] = STR_INIT("remote-connection-failed"),
	[STREAM_RESET] = STR_INIT("reset"),
	[STREAM_RESOURCE_CONSTRAINT] = STR_INIT("resource-constraint"),
	[STREAM_RESTRICTED_XML] = STR_INIT("restricted-xml"),
	[STREAM_SEE_OTHER_HOST] = STR_INIT("see-other-host"),
	[STREAM_SYSTEM_SHUTDOWN] = STR_INIT("system-shutdown"),
	[STREAM_UNDEFINED_CONDITION] = STR_INIT("undefined-condition"),
	[STREAM_UNSUPPORTED_ENCODING] = STR_INIT("unsupported-encoding"),
	[STREAM_UNSUPPORTED_FEATURE] = STR_INIT("unsupported-feature"),
	[STREAM_UNSUPPORTED_STANZA_TYPE] = STR_INIT("unsupported-stanza-type"),
	[STREAM_UNSUPPORTED_VERSION] = STR_INIT("unsupported-version"),
};

struct str stream_error_name(enum stream_error e)
{
	BUG_ON(e >= STREAM_ERROR_COUNT);
	return stream_errors[e];
}

void stream_write_error(struct buf *b, enum stream_error why, struct str text, struct str element)
{
	buf_lit(b, "<stream:error><");
	buf_add(b, stream_error_name(why));
	buf_lit(b, " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
	if (text.n) {
		buf_lit(b, "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>");
		xml_escape(b, text);
		buf_lit(b, "</text>");
	}
	buf_add(b, element);
	buf_lit(b, "</stream:error>");
}

enum stream_error stream_scan_error(enum scan_error e)
{
	switch (e) {
	case SCAN_RESTRICTED: return STREAM_RESTRICTED_XML;
	case SCAN_BAD_PREFIX: return STREAM_BAD_NAMESPACE_PREFIX;
	case SCAN_BAD_ENCODING: return STREAM_UNSUPPORTED_ENCODING;
	case SCAN_INVALID: return STREAM_INVALID_XML;
	case SCAN_TOO_LARGE: return STREAM_POLICY_VIOLATION;
	case SCAN_OK:
	case SCAN_NOT_WELL_FORMED: break;
	}
	return STREAM_NOT_WELL_FORMED;
}
