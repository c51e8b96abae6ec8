#include "stentor/error.h"

#include "base/bug.h"

static const char *const texts[] = {
	[STENTOR_OK] = "nothing is wrong",
	[STENTOR_INVALID] = "an argument or a stanza is not valid",
	[STENTOR_TOO_LARGE] = "the stanza is too large",
	[STENTOR_FULL] = "a queue is full",
	[STENTOR_NOT_CONNECTED] = "there is no connection to the server",
	[STENTOR_TIMEOUT] = "there was no answer in time",
	[STENTOR_NAME] = "the server's name has no address",
	[STENTOR_NETWORK] = "the server cannot be reached, or the connection broke",
	[STENTOR_TLS] = "TLS failed",
	[STENTOR_NOT_AUTHORIZED] = "the server does not take the secret",
	[STENTOR_HOST_UNKNOWN] = "the server does not know the domain",
	[STENTOR_CONFLICT] = "somebody else is connected with this domain",
	[STENTOR_STREAM] = "the server ended the stream with an error",
	[STENTOR_PROTOCOL] = "the server does not speak XMPP as it must",
	[STENTOR_CLOSED] = "the server closed the stream",
	[STENTOR_SYSTEM] = "the operating system refuses something",
};

const char *stentor_error_text(enum stentor_error e)
{
	return (unsigned)e < sizeof texts / sizeof texts[0] ? texts[e] : "an unknown error";
}

void stentor_on_abort(void (*fn)(const char *why))
{
	bug_last_words = fn;
}
