/* Stanzas, their answers and errors (RFC 6120 section 8). */
#include "stentor/stanza.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ERRORS "urn:ietf:params:xml:ns:xmpp-stanzas"

static void assert_element(struct stentor_element *el, const char *wanted)
{
	char *text = stentor_element_print(el);

	assert_non_null(text);
	assert_string_equal(text, wanted);
	free(text);
	stentor_element_free(&el);
}

static void new_ones(void **state)
{
	assert_element(stentor_message_new("chat", "a@b", "c@d"),
		"<message xmlns='jabber:client' type='chat' from='a@b' to='c@d'/>");
	assert_element(stentor_presence_new(NULL, NULL, "c@d"),
		"<presence xmlns='jabber:client' to='c@d'/>");
	assert_element(stentor_iq_new("get", NULL, "c@d"),
		"<iq xmlns='jabber:client' type='get' to='c@d'/>");
}

/* Section 8.1: addresses are turned round; 8.2.3: the id of an IQ stays; RFC 6121 section 5.2.5:
 * the thread too. */
static void answers(void **state)
{
	static const struct {
		const char *stanza, *answer;
	} cases[] = {
		{ "<iq type='get' id='1' from='a' to='b'><x xmlns='y'/></iq>",
			"<iq xmlns='jabber:client' type='result' from='b' to='a' id='1'/>" },
		{ "<message type='chat' id='1' from='a' to='b'><body>x</body><thread>t</thread>"
		  "</message>", "<message xmlns='jabber:client' type='chat' from='b' to='a'>"
			"<thread>t</thread></message>" },
		{ "<presence type='subscribe' from='a' to='b'/>",
			"<presence xmlns='jabber:client' from='b' to='a'/>" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stentor_element *s = stentor_element_parse(cases[i].stanza);
		assert_element(stentor_answer_new(s), cases[i].answer);
		stentor_element_free(&s);
	}
}

/* Section 8.3: each condition with its type. */
static void refusals(void **state)
{
	struct stentor_element *iq =
		stentor_element_parse("<iq type='set' id='1' from='a' to='b'/>"), *r;
	enum stentor_condition condition;
	const char *text;

	assert_element(stentor_refusal_new(iq, STENTOR_ITEM_CONFLICT, NULL),
		"<iq xmlns='jabber:client' type='error' from='b' to='a' id='1'>"
		"<error type='cancel'><conflict xmlns='" ERRORS "'/></error></iq>");
	for (int c = STENTOR_BAD_REQUEST; c <= STENTOR_UNEXPECTED_REQUEST; c++) {
		r = stentor_refusal_new(iq, (enum stentor_condition)c, "why");
		assert_true(stentor_stanza_error(r, &condition, &text));
		assert_int_equal(condition, c);
		assert_string_equal(text, "why");
		assert_non_null(stentor_element_child(stentor_element_child(r, NULL, "error"),
			ERRORS, stentor_condition_name(condition)));
		assert_null(stentor_refusal_new(r, STENTOR_BAD_REQUEST, NULL));
		stentor_element_free(&r);
	}
	stentor_element_free(&iq);
	iq = stentor_element_parse("<iq type='result' id='1' from='a' to='b'/>");
	assert_null(stentor_refusal_new(iq, STENTOR_BAD_REQUEST, NULL));
	assert_false(stentor_stanza_error(iq, NULL, NULL));
	stentor_element_free(&iq);
}

/* Section 8.3.2: what others write. */
static void errors_of_others(void **state)
{
	static const struct {
		const char *stanza;
		enum stentor_condition condition;
		const char *text;
	} cases[] = {
		{ "<iq type='error'><error type='auth'><forbidden xmlns='" ERRORS "'/></error>"
		  "</iq>", STENTOR_FORBIDDEN, "" },
		{ "<iq type='error'><x xmlns='y'/><error><text xmlns='" ERRORS "'>t</text><z/>"
		  "<gone xmlns='" ERRORS "'>xmpp:b</gone></error></iq>", STENTOR_GONE, "t" },
		{ "<iq type='error'><error><later xmlns='" ERRORS "'/></error></iq>",
			STENTOR_UNDEFINED_CONDITION, "" },
		{ "<iq type='error'><error><forbidden/></error></iq>",
			STENTOR_UNDEFINED_CONDITION, "" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stentor_element *s = stentor_element_parse(cases[i].stanza);
		enum stentor_condition condition;
		const char *text;
		assert_true(stentor_stanza_error(s, &condition, &text));
		assert_int_equal(condition, cases[i].condition);
		assert_string_equal(text, cases[i].text);
		stentor_element_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_ones),
		cmocka_unit_test(answers),
		cmocka_unit_test(refusals),
		cmocka_unit_test(errors_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
