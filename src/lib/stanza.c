#include "stentor/stanza.h"

#include "lib/tree.h"
#include "xmpp/error.h"

/* The two lists are one. */
_Static_assert((int)STENTOR_UNEXPECTED_REQUEST == (int)ERR_UNEXPECTED_REQUEST,
	"conditions in the order of xmpp/error.h");
_Static_assert((int)STENTOR_LOGIN_REQUIRED == (int)ERR_NOT_AUTHORIZED, "likewise");

#define NS_CONDITIONS "urn:ietf:params:xml:ns:xmpp-stanzas"

const char *stentor_condition_name(enum stentor_condition condition)
{
	/* Names in the table are literals. */
	return (unsigned)condition < ERR_COUNT ? stanza_error_name((enum stanza_error)condition).p :
						 "undefined-condition";
}

static struct stentor_element *new_stanza(const char *name, const char *type, const char *from,
	const char *to)
{
	struct stentor_element *el = stentor_element_new(name, NULL);

	stentor_element_set(el, "type", type);
	stentor_element_set(el, "from", from);
	stentor_element_set(el, "to", to);
	return el;
}

struct stentor_element *stentor_message_new(const char *type, const char *from, const char *to)
{
	return new_stanza("message", type, from, to);
}

struct stentor_element *stentor_presence_new(const char *type, const char *from, const char *to)
{
	return new_stanza("presence", type, from, to);
}

struct stentor_element *stentor_iq_new(const char *type, const char *from, const char *to)
{
	return new_stanza("iq", type, from, to);
}

static struct stentor_element *turned_round(const struct stentor_element *stanza, const char *type)
{
	return new_stanza(stentor_element_name(stanza), type,
		stentor_element_attribute(stanza, "to"), stentor_element_attribute(stanza, "from"));
}

struct stentor_element *stentor_answer_new(const struct stentor_element *stanza)
{
	const struct stentor_element *thread = stentor_element_child(stanza, NS_STANZA, "thread");
	struct stentor_element *answer;

	if (stentor_element_is(stanza, NULL, "iq")) {
		answer = turned_round(stanza, "result");
		stentor_element_set(answer, "id", stentor_element_attribute(stanza, "id"));
		return answer;
	}
	if (!stentor_element_is(stanza, NULL, "message"))
		return turned_round(stanza, NULL);
	answer = turned_round(stanza, stentor_element_attribute(stanza, "type"));
	if (thread)
		stentor_element_add_copy(answer, thread);
	return answer;
}

static bool has_type(const struct stentor_element *stanza, const char *type)
{
	const char *is = stentor_element_attribute(stanza, "type");

	return is && str_eq(str_c(is), str_c(type));
}

struct stentor_element *stentor_refusal_new(const struct stentor_element *stanza,
	enum stentor_condition condition, const char *text)
{
	enum stanza_error e = (unsigned)condition < ERR_COUNT ? (enum stanza_error)condition :
								ERR_UNDEFINED_CONDITION;
	struct stentor_element *refusal, *error;

	if (has_type(stanza, "error") || has_type(stanza, "result"))
		return NULL;
	refusal = turned_round(stanza, "error");
	stentor_element_set(refusal, "id", stentor_element_attribute(stanza, "id"));
	error = stentor_element_add(refusal, "error", NULL);
	stentor_element_set(error, "type", stanza_error_type(e).p);
	stentor_element_add(error, stanza_error_name(e).p, NS_CONDITIONS);
	if (text && *text)
		stentor_element_set_lang(
			stentor_element_add_leaf(error, "text", NS_CONDITIONS, text), "en");
	return refusal;
}

/* The condition is the child in its namespace that is not the text. */
static enum stentor_condition condition_of(const struct stentor_element *error)
{
	const struct stentor_element *c = stentor_element_child(error, NS_CONDITIONS, NULL);

	for (; c; c = stentor_element_next(c, NS_CONDITIONS, NULL))
		for (unsigned e = 0; e < ERR_COUNT; e++)
			if (str_eq(stanza_error_name((enum stanza_error)e), c->name))
				return (enum stentor_condition)e;
	return STENTOR_UNDEFINED_CONDITION;
}

bool stentor_stanza_error(const struct stentor_element *stanza, enum stentor_condition *condition,
	const char **text)
{
	const struct stentor_element *error = stentor_element_child(stanza, NS_STANZA, "error");
	const char *words = stentor_element_child_text(error, NS_CONDITIONS, "text");

	if (!error || !has_type(stanza, "error"))
		return false;
	if (condition)
		*condition = condition_of(error);
	if (text)
		*text = words ? words : "";
	return true;
}
