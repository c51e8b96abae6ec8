/* What can go wrong in libstentor.
 *
 * A function that can fail returns one of these, STENTOR_OK being none. Errors that an XMPP entity
 * tells another one are conditions: see stentor/stanza.h. */
#ifndef STENTOR_ERROR_H
#define STENTOR_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

enum stentor_error {
	STENTOR_OK,
	STENTOR_INVALID,       /* an argument cannot be right, or a stanza cannot be sent */
	STENTOR_TOO_LARGE,     /* a stanza has more bytes than it may */
	STENTOR_FULL,          /* a bound of this library is reached; try again later */
	STENTOR_NOT_CONNECTED, /* there is no stream to the server, or it ended before an answer */
	STENTOR_TIMEOUT,       /* no answer in time */
	STENTOR_NAME,          /* the server's name has no address */
	STENTOR_NETWORK,       /* the server cannot be reached, or the connection broke */
	STENTOR_TLS,           /* no TLS, or a certificate that is not to be trusted */
	STENTOR_NOT_AUTHORIZED,/* the server does not take the secret */
	STENTOR_HOST_UNKNOWN,  /* the server knows no such domain */
	STENTOR_CONFLICT,      /* somebody else is connected with this domain */
	STENTOR_STREAM,        /* another stream error of the server's (RFC 6120 section 4.9.3) */
	STENTOR_PROTOCOL,      /* what the server sends is not XMPP */
	STENTOR_CLOSED,        /* the server closed the stream in order */
	STENTOR_SYSTEM         /* the operating system refuses something; errno says what */
};

/* For people, in English; a constant. */
const char *stentor_error_text(enum stentor_error e);

/* What is called before the program ends because there is no memory, or because of a fault in the
 * library: last words, for a log. `why` is valid during the call. NULL: nothing. There is one for
 * the process. The program ends by abort() behind it. */
void stentor_on_abort(void (*fn)(const char *why));

#ifdef __cplusplus
}
#endif

#endif
