/* Data forms (XEP-0004 2.13.1). */
#include "stentor/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Section 3, example 1 in short. */
static void building(void **state)
{
	struct stentor_element *form = stentor_form_new("form", "T", "I"), *field;

	stentor_form_add_value(form, "FORM_TYPE", "hidden", NULL, "urn:t");
	field = stentor_form_add_field(form, "a", "list-single", "A");
	stentor_field_require(field);
	stentor_field_add_option(field, "1", "One");
	stentor_field_add_option(field, "2", NULL);
	char *text = stentor_element_print(form);
	assert_string_equal(text, "<x xmlns='jabber:x:data' type='form'><title>T</title>"
		"<instructions>I</instructions>"
		"<field var='FORM_TYPE' type='hidden'><value>urn:t</value></field>"
		"<field var='a' type='list-single' label='A'><required/>"
		"<option label='One'><value>1</value></option>"
		"<option><value>2</value></option></field></x>");
	free(text);
	stentor_element_free(&form);
}

static void reading(void **state)
{
	struct stentor_element *iq = stentor_element_parse("<q xmlns='urn:q'>"
		"<x xmlns='jabber:x:data' type='form'/><x xmlns='jabber:x:data' type='submit'>"
		"<field var='a'><value>1</value><value>2</value></field><field var='b'/>"
		"<field xmlns='urn:x' var='c'><value>3</value></field></x></q>");
	const struct stentor_element *form = stentor_form_find(iq, "submit");

	assert_ptr_not_equal(form, stentor_form_find(iq, NULL));
	assert_null(stentor_form_find(iq, "result"));
	assert_string_equal(stentor_form_value(form, "a"), "1");
	assert_string_equal(stentor_field_value(stentor_form_field(form, "a"), 1), "2");
	assert_null(stentor_field_value(stentor_form_field(form, "a"), 2));
	assert_non_null(stentor_form_field(form, "b"));
	assert_null(stentor_form_value(form, "b"));
	assert_null(stentor_form_value(form, "c"));
	stentor_element_free(&iq);
}

#define FIELD(type, inside)                                                               \
	"<x xmlns='jabber:x:data' type='form'><field var='f' type='" type "'>" inside         \
	"</field></x>"
#define OPTIONS "<option><value>a</value></option><option><value>b</value></option>"
#define ANSWER(values)                                                                    \
	"<x xmlns='jabber:x:data' type='submit'><field var='f'>" values "</field></x>"
#define V(text) "<value>" text "</value>"

/* Sections 3.2 and 3.3 */
static void checking(void **state)
{
	static const struct {
		const char *asked, *filled, *why; /* NULL: right */
	} cases[] = {
		{ FIELD("text-single", ""), ANSWER(""), NULL },
		{ FIELD("text-single", ""), ANSWER(V("x")), NULL },
		{ FIELD("text-single", ""), ANSWER(V("x") V("y")), "has more than one value" },
		{ FIELD("text-private", ""), ANSWER(V("x") V("y")), "has more than one value" },
		{ FIELD("unheard-of", ""), ANSWER(V("x") V("y")), "has more than one value" },
		{ FIELD("text-multi", ""), ANSWER(V("x") V("y")), NULL },
		{ FIELD("text-single", "<required/>"), ANSWER(V("x")), NULL },
		{ FIELD("text-single", "<required/>"), ANSWER(""), "is required" },
		{ FIELD("text-single", "<required/>"), ANSWER("<value/>"), "is required" },
		{ FIELD("text-multi", "<required/>"), ANSWER(V("") V("x")), NULL },
		{ FIELD("boolean", "<required/>"), "<x xmlns='jabber:x:data'/>", "is required" },
		{ FIELD("text-single", ""), "<x xmlns='jabber:x:data'/>", NULL },
		{ FIELD("boolean", ""), ANSWER(V("1")), NULL },
		{ FIELD("boolean", ""), ANSWER(V("false")), NULL },
		{ FIELD("boolean", ""), ANSWER(V("yes")), "is neither true nor false" },
		{ FIELD("boolean", ""), ANSWER(""), NULL },
		{ FIELD("jid-single", ""), ANSWER(V("a@b/c")), NULL },
		{ FIELD("jid-single", ""), ANSWER(V("a@")), "is no address" },
		{ FIELD("jid-multi", ""), ANSWER(V("a@b") V("c")), NULL },
		{ FIELD("jid-multi", ""), ANSWER(V("a@b") V("@c")), "has what is no address" },
		{ FIELD("list-single", OPTIONS), ANSWER(V("b")), NULL },
		{ FIELD("list-single", OPTIONS), ANSWER(V("c")), "is none of the options" },
		{ FIELD("list-single", OPTIONS), ANSWER(V("a") V("b")), "has more than one value" },
		{ FIELD("list-multi", OPTIONS), ANSWER(V("a") V("b")), NULL },
		{ FIELD("list-multi", OPTIONS), ANSWER(V("a") V("c")),
			"has what is none of the options" },
		{ FIELD("fixed", "<required/>"), ANSWER(""), NULL },
		{ FIELD("hidden", V("k")), ANSWER(V("k")), NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stentor_element *asked = stentor_element_parse(cases[i].asked);
		struct stentor_element *filled = stentor_element_parse(cases[i].filled);
		const char *var = NULL, *why = NULL;
		print_message("%s %s\n", cases[i].asked, cases[i].filled);
		assert_int_equal(stentor_form_check(asked, filled, &var, &why), !cases[i].why);
		if (cases[i].why) {
			assert_string_equal(var, "f");
			assert_string_equal(why, cases[i].why);
			assert_false(stentor_form_check(asked, filled, NULL, NULL));
		}
		stentor_element_free(&asked);
		stentor_element_free(&filled);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(building),
		cmocka_unit_test(reading),
		cmocka_unit_test(checking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
