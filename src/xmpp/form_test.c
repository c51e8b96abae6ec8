#include "xmpp/form.h"
#include "xmpp/stanza.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define X     "<x xmlns='jabber:x:data' type='submit'>"
#define TYPED "<field var='FORM_TYPE'><value>urn:t</value></field>"

static struct arena arena;
static struct xml_table table;

static int setup(void **state)
{
	arena_init(&arena, 4096);
	return 0;
}

static int teardown(void **state)
{
	arena_clear(&arena);
	xml_table_clear(&table);
	return 0;
}

static struct stanza *message(struct str children)
{
	struct stanza *s = stanza_scan(&table,
		str_printf(&arena, "<message>%.*s</message>", STR_FMT(children)), &arena);

	if (!s)
		fail_msg("no stanza: %.*s", STR_FMT(children));
	return s;
}

static const struct xml_node *find(const struct stanza *s)
{
	return form_find(&s->doc, stanza_root(s), STR("urn:t"), &arena);
}

/* XEP-0004 section 3.1, XEP-0068 section 3.1 */
static void which_form_is_found(void **state)
{
	static const struct {
		const char *name, *children;
		bool found;
	} cases[] = {
		{ "nothing", "", false },
		{ "the form", X TYPED "</x>", true },
		{ "behind others", "<y/>" X "</x>" X "<field var='a'/>" TYPED "</x>", true },
		{ "white space", X "<field var='FORM_TYPE'><value> urn:t\n</value></field></x>", true },
		{ "no FORM_TYPE", X "<field var='a'><value>urn:t</value></field></x>", false },
		{ "another FORM_TYPE",
			X "<field var='FORM_TYPE'><value>urn:u</value></field></x>", false },
		{ "FORM_TYPE without value", X "<field var='FORM_TYPE'/></x>", false },
		{ "the first FORM_TYPE counts",
			X "<field var='FORM_TYPE'><value>urn:u</value></field>" TYPED "</x>", false },
		{ "field of another namespace",
			X "<field xmlns='urn:x' var='FORM_TYPE'><value>urn:t</value></field></x>", false },
		{ "a form to fill in", "<x xmlns='jabber:x:data' type='form'>" TYPED "</x>", false },
		{ "no type", "<x xmlns='jabber:x:data'>" TYPED "</x>", false },
		{ "further down", "<y>" X TYPED "</x></y>", false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stanza *s = message(str_c(cases[i].children));
		print_message("%s\n", cases[i].name);
		assert_int_equal(find(s) != NULL, cases[i].found);
		stanza_unref(&s);
	}
}

/* XEP-0004 section 3.2 */
static void what_a_field_says(void **state)
{
	static const struct {
		const char *name, *field;
		const char *value; /* the first; NULL: none */
		size_t values;
	} cases[] = {
		{ "no field", "", NULL, 0 },
		{ "no value", "<field var='f'/>", NULL, 0 },
		{ "one", "<field var='f'><value>1</value></field>", "1", 1 },
		{ "empty", "<field var='f'><value/></field>", "", 1 },
		{ "white space", "<field var='f'><value>\n 1 2 </value></field>", "1 2", 1 },
		{ "escaped", "<field v='' var='&#102;'><value>&lt;<![CDATA[&]]></value></field>", "<&", 1 },
		{ "several", "<field var='f'><value>1</value><required/><value>2</value></field>",
			"1", 2 },
		{ "more than fit",
			"<field var='f'><value>1</value><value>2</value><value>3</value></field>", "1", 3 },
		{ "the first of two", "<field var='f'><value>1</value></field>"
			"<field var='f'><value>2</value></field>", "1", 1 },
		{ "another namespace", "<field var='f'><value xmlns='urn:x'>1</value></field>", NULL, 0 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stanza *s = message(str_printf(&arena, X TYPED "<field/>%s</x>",
			cases[i].field));
		struct str values[2] = { STR_NULL, STR_NULL };
		print_message("%s\n", cases[i].name);
		const struct xml_node *f = form_field(&s->doc, find(s), STR("f"), &arena);
		struct str first = form_value(&s->doc, f, &arena);
		assert_int_equal(first.p != NULL, cases[i].value != NULL);
		assert_true(!cases[i].value || str_eq(first, str_c(cases[i].value)));
		assert_int_equal(form_values(&s->doc, f, values, 2, &arena), cases[i].values);
		assert_int_equal(values[1].p != NULL, cases[i].values > 1);
		stanza_unref(&s);
	}
}

/* For who must know them all: a field without a name too. */
static void fields_in_their_order(void **state)
{
	static const char *const want[] = { "FORM_TYPE", "a", "", "b" };
	struct stanza *s = message(
		STR(X TYPED "<field var='a'/><title/><field/><field var='b'/></x>"));
	const struct xml_node *f = form_first(&s->doc, find(s));

	for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
		assert_non_null(f);
		assert_true(str_eq(form_var(&s->doc, f, &arena), str_c(want[i])));
		f = form_next(&s->doc, f);
	}
	assert_null(f);
	stanza_unref(&s);
}

/* XEP-0004 section 3.2 */
static void a_field_is_written(void **state)
{
	struct buf b;

	buf_init(&b, 1000);
	struct writer w = w_on(&b);
	form_write_field(&w, "a&b", "text-single", "A <b>", STR("1 < 2"));
	form_write_field(&w, "FORM_TYPE", "hidden", NULL, STR("urn:t"));
	assert_true(w_done(&w));
	buf_byte(&b, '\0');
	assert_string_equal(b.p, "<field var='a&amp;b' type='text-single' label='A &lt;b&gt;'>"
		"<value>1 &lt; 2</value></field>"
		"<field var='FORM_TYPE' type='hidden'><value>urn:t</value></field>");
	buf_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_form_is_found),
		cmocka_unit_test(what_a_field_says),
		cmocka_unit_test(fields_in_their_order),
		cmocka_unit_test(a_field_is_written),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
