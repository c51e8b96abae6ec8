/* Stanzas (RFC 6120 section 8): messages, presence and IQs, their answers and errors.
 *
 * A stanza is an element (stentor/element.h) named message, presence or iq in jabber:client. */
#ifndef STENTOR_STANZA_H
#define STENTOR_STANZA_H

#include <stentor/element.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Conditions of stanza errors (RFC 6120 section 8.3.3). */
enum stentor_condition {
	STENTOR_BAD_REQUEST,
	STENTOR_ITEM_CONFLICT, /* <conflict/> */
	STENTOR_FEATURE_NOT_IMPLEMENTED,
	STENTOR_FORBIDDEN,
	STENTOR_GONE,
	STENTOR_INTERNAL_SERVER_ERROR,
	STENTOR_ITEM_NOT_FOUND,
	STENTOR_JID_MALFORMED,
	STENTOR_NOT_ACCEPTABLE,
	STENTOR_NOT_ALLOWED,
	STENTOR_LOGIN_REQUIRED, /* <not-authorized/> */
	STENTOR_POLICY_VIOLATION,
	STENTOR_RECIPIENT_UNAVAILABLE,
	STENTOR_REDIRECT,
	STENTOR_REGISTRATION_REQUIRED,
	STENTOR_REMOTE_SERVER_NOT_FOUND,
	STENTOR_REMOTE_SERVER_TIMEOUT,
	STENTOR_RESOURCE_CONSTRAINT,
	STENTOR_SERVICE_UNAVAILABLE,
	STENTOR_SUBSCRIPTION_REQUIRED,
	STENTOR_UNDEFINED_CONDITION,
	STENTOR_UNEXPECTED_REQUEST
};

/* "bad-request" and the like. */
const char *stentor_condition_name(enum stentor_condition condition);

/* New stanzas. from NULL: the address of who sends it, set by stentor_send(). type NULL: none (a
 * normal message, available presence). An IQ without an id gets one when it is sent. */
struct stentor_element *stentor_message_new(const char *type, const char *from, const char *to);
struct stentor_element *stentor_presence_new(const char *type, const char *from, const char *to);
struct stentor_element *stentor_iq_new(const char *type, const char *from, const char *to);

/* The answer to a stanza, with the addresses turned round: to an IQ its result, empty as yet, with
 * the id; to a message one of the same type and thread; to a presence one without type. */
struct stentor_element *stentor_answer_new(const struct stentor_element *stanza);

/* The error that answers a stanza (RFC 6120 section 8.3): same kind and id, addresses turned round.
 * text: for people, or NULL. NULL when there must be no answer: the stanza is an error or a result
 * itself. */
struct stentor_element *stentor_refusal_new(const struct stentor_element *stanza,
	enum stentor_condition condition, const char *text);

/* Reads the error in a stanza of type error; false: there is none. A condition that is not known
 * counts as STENTOR_UNDEFINED_CONDITION. *text: for people, "" for none; either may be NULL. */
bool stentor_stanza_error(const struct stentor_element *stanza, enum stentor_condition *condition,
	const char **text);

#ifdef __cplusplus
}
#endif

#endif
