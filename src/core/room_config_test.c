#include "core/room_config.h"

#include "xmpp/form.h"
#include "xmpp/stanza.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define CONFIG "muc#roomconfig_"

static struct arena arena;
static struct xml_table table;
static struct buf out;

static int setup(void **state)
{
	arena_init(&arena, 4096);
	buf_init(&out, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	arena_clear(&arena);
	xml_table_clear(&table);
	buf_clear(&out);
	return 0;
}

/* A message with a form of these fields. */
static struct stanza *form_of(struct str fields)
{
	struct stanza *s = stanza_scan(&table,
		str_printf(&arena, "<message><x xmlns='jabber:x:data' type='submit'>%.*s</x></message>",
			STR_FMT(fields)), &arena);

	if (!s)
		fail_msg("no stanza: %.*s", STR_FMT(fields));
	return s;
}

static const struct xml_node *x_of(const struct stanza *s)
{
	return xml_child(&s->doc, stanza_root(s), NS_DATA, TAG_X);
}

/* Reads a form of these fields; NULL, or why not. */
static const char *read_fields(struct room_config *c, struct str fields)
{
	struct stanza *s = form_of(fields);
	const char *why = NULL;
	bool read = room_config_read(c, &s->doc, x_of(s), &arena, &why);

	assert_int_equal(read, why == NULL);
	stanza_unref(&s);
	return why;
}

static const char *read_one(struct room_config *c, const char *var, const char *values)
{
	return read_fields(c, str_printf(&arena, "<field var='%s'>%s</field>", var, values));
}

static struct stanza *written(const struct room_config *c, enum room_config_use use)
{
	struct writer w;

	buf_reset(&out);
	w = w_on(&out);
	room_config_write(c, &w, use);
	assert_true(w_done(&w));
	return form_of(buf_str(&out));
}

/* The values of a field as they are written, each followed by a comma. */
static const char *values_of(const struct room_config *c, const char *var, enum room_config_use use)
{
	struct stanza *s = written(c, use);
	const struct xml_node *f = form_field(&s->doc, x_of(s), str_c(var), &arena);
	struct str values[16], all = STR("");

	if (!f)
		fail_msg("no field %s", var);
	size_t n = form_values(&s->doc, f, values, 16, &arena);
	assert_true(n <= 16);
	for (size_t i = 0; i < n; i++)
		all = str_printf(&arena, "%.*s%.*s,", STR_FMT(all), STR_FMT(values[i]));
	stanza_unref(&s);
	return str_dup(&arena, all).p;
}

#define V(v) "<value>" v "</value>"
#define OWNERS_4 V("owner") V("owner") V("owner") V("owner")

/* XEP-0045 section 16.5.3, XEP-0452 section 3.1, XEP-0500 section 5.1; XEP-0004 sections 3.3 and
 * 3.6 */
static void test_what_fields_take(void **state)
{
	static const struct {
		const char *var, *values, *written;
	} cases[] = {
		{ CONFIG "roomname", V("A Dark Cave"), "A Dark Cave," },
		{ CONFIG "roomname", V(" A &lt;Cave&gt;\n"), "A <Cave>," },
		{ CONFIG "roomname", "", "" },
		{ CONFIG "roomdesc", V("The place for all good witches!"),
			"The place for all good witches!," },
		{ CONFIG "lang", V("en"), "en," },
		{ CONFIG "lang", V("de-Latn-AT-1996"), "de-Latn-AT-1996," },
		{ CONFIG "lang", V(""), "" },
		{ CONFIG "pubsub", V("xmpp:pubsub.shakespeare.lit?;node=the-coven-node"),
			"xmpp:pubsub.shakespeare.lit?;node=the-coven-node," },
		{ CONFIG "persistentroom", V("1"), "1," },
		{ CONFIG "persistentroom", V(" true "), "1," },
		{ CONFIG "publicroom", V("0"), "0," },
		{ CONFIG "publicroom", V("false"), "0," },
		{ CONFIG "publicroom", V(""), "0," },
		{ CONFIG "publicroom", "", "0," },
		{ CONFIG "passwordprotectedroom", V("0"), "0," },
		{ CONFIG "roomsecret", V("cauldronburn"), "cauldronburn," },
		{ CONFIG "membersonly", V("1"), "1," },
		{ CONFIG "allowinvites", V("0"), "0," },
		{ CONFIG "maxusers", V("20"), "20," },
		{ CONFIG "maxusers", V("77"), "77," },
		{ CONFIG "maxusers", V("none"), "none," },
		{ CONFIG "maxusers", V("0"), "none," },
		{ CONFIG "maxusers", V(""), "none," },
		{ CONFIG "maxusers", V("100000"), "100000," },
		{ CONFIG "whois", V("anyone"), "anyone," },
		{ CONFIG "whois", V("moderators"), "moderators," },
		{ CONFIG "whois", "", "moderators," },
		{ CONFIG "moderatedroom", V("1"), "1," },
		{ CONFIG "allowvoicerequests", V("0"), "0," },
		{ CONFIG "changesubject", V("1"), "1," },
		{ CONFIG "allowpm", V("anyone"), "anyone," },
		{ CONFIG "allowpm", V("participants"), "participants," },
		{ CONFIG "allowpm", V("moderators"), "moderators," },
		{ CONFIG "allowpm", V("none"), "none," },
		{ CONFIG "presencebroadcast", "", "" },
		{ CONFIG "presencebroadcast", V("visitor") V("moderator"), "moderator,visitor," },
		{ CONFIG "presencebroadcast", V("visitor") V("visitor"), "visitor," },
		{ CONFIG "getmemberlist", V("participant") V("owner"), "participant,owner," },
		{ CONFIG "getmemberlist",
			V("member") V("admin") V("visitor") V("owner") V("moderator") V("participant"),
			"moderator,participant,visitor,owner,admin,member," },
		{ CONFIG "slow_mode_duration", V("20"), "20," },
		{ CONFIG "slow_mode_duration", V(""), "0," },
		{ "muc#maxhistoryfetch", V("50"), "50," },
		{ "muc#maxhistoryfetch", V("0"), "0," },
		{ "muc#maxhistoryfetch", "", "20," },
		{ CONFIG "enablearchiving", V("1"), "1," },
		{ CONFIG "enablelogging", V("1"), "1," },
		{ CONFIG "forwardmentions", V("true"), "1," },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct room_config c;
		print_message("%s: %s\n", cases[i].var, cases[i].values);
		room_config_default(&c);
		assert_null(read_one(&c, cases[i].var, cases[i].values));
		assert_string_equal(values_of(&c, cases[i].var, CONFIG_TO_STORE), cases[i].written);
		assert_string_equal(values_of(&c, cases[i].var, CONFIG_FOR_OWNER), cases[i].written);
		room_config_clear(&c);
	}
}

/* XEP-0004 section 4: nothing is changed by a form with one value that cannot be. */
static void test_what_fields_refuse(void **state)
{
	static const struct {
		const char *var, *values;
	} cases[] = {
		{ CONFIG "roomname", V("a") V("b") },
		{ CONFIG "lang", V("en us") },
		{ CONFIG "lang", V("-en") },
		{ CONFIG "lang", V("en-") },
		{ CONFIG "lang", V("en--us") },
		{ CONFIG "lang", V("languages1") },
		{ CONFIG "lang", V("d\xc3\xa9") },
		{ CONFIG "pubsub", V("http://shakespeare.lit/") },
		{ CONFIG "pubsub", V("xmpp:") },
		{ CONFIG "publicroom", V("yes") },
		{ CONFIG "publicroom", V("0") V("1") },
		{ CONFIG "maxusers", V("-1") },
		{ CONFIG "maxusers", V("many") },
		{ CONFIG "maxusers", V("100001") },
		{ CONFIG "maxusers", V("99999999999999999999") },
		{ CONFIG "whois", V("none") },
		{ CONFIG "allowpm", V("visitors") },
		{ CONFIG "presencebroadcast", V("moderator") V("none") },
		{ CONFIG "presencebroadcast", V("owner") },
		{ CONFIG "getmemberlist", V("outcast") },
		{ CONFIG "getmemberlist",
			OWNERS_4 OWNERS_4 OWNERS_4 OWNERS_4 OWNERS_4 OWNERS_4 OWNERS_4 OWNERS_4
			V("owner") },
		{ CONFIG "slow_mode_duration", V("-5") },
		{ CONFIG "slow_mode_duration", V("1.5") },
		{ "muc#maxhistoryfetch", V("all") },
		{ CONFIG "passwordprotectedroom", V("1") }, /* without a password */
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct room_config c;
		print_message("%s: %s\n", cases[i].var, cases[i].values);
		room_config_default(&c);
		assert_non_null(read_fields(&c, str_printf(&arena,
			"<field var='" CONFIG "roomdesc'>" V("new") "</field>"
			"<field var='%s'>%s</field>"
			"<field var='" CONFIG "enablelogging'>" V("1") "</field>",
			cases[i].var, cases[i].values)));
		assert_null(c.desc);
		assert_false(c.logged);
		room_config_clear(&c);
	}
}

static void test_texts_are_bounded(void **state)
{
	static const struct {
		const char *var;
		size_t max;
	} cases[] = {
		{ CONFIG "roomname", ROOM_NAME_MAX },
		{ CONFIG "roomdesc", ROOM_DESC_MAX },
		{ CONFIG "roomsecret", ROOM_SECRET_MAX },
		{ CONFIG "pubsub", ROOM_LINK_MAX },
	};
	char text[ROOM_DESC_MAX + 2];

	memset(text, 'x', sizeof text);
	memcpy(text, "xmpp:", 5);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct room_config c;
		struct str value = str_from(text, cases[i].max + 1);
		const char *why;
		print_message("%s\n", cases[i].var);
		room_config_default(&c);
		assert_false(room_config_set(&c, str_c(cases[i].var), &value, 1, &why));
		assert_string_equal(values_of(&c, cases[i].var, CONFIG_TO_STORE), "");
		value.n--;
		assert_true(room_config_set(&c, str_c(cases[i].var), &value, 1, &why));
		assert_int_equal(strlen(values_of(&c, cases[i].var, CONFIG_TO_STORE)), value.n + 1);
		room_config_clear(&c);
	}
}

/* XEP-0004 sections 3.1 and 3.5: what the form lacks stays; what is not known is nothing. */
static void test_a_form_with_some_fields(void **state)
{
	struct room_config c;

	room_config_default(&c);
	assert_null(read_fields(&c, STR("<field var='" CONFIG "roomname'>" V("Cave") "</field>"
		"<field var='" CONFIG "publicroom'>" V("0") "</field>")));
	assert_null(read_fields(&c, STR("<field var='FORM_TYPE'>" V("x") "</field><field/>"
		"<field var='roomname'>" V("y") "</field>"
		"<field var='" CONFIG "roomdesc'>" V("Dark") "</field>")));
	assert_null(read_fields(&c, STR("")));
	assert_string_equal(c.name, "Cave");
	assert_string_equal(c.desc, "Dark");
	assert_false(c.listed);
	room_config_clear(&c);
}

/* Section 10.1.3: a password-protected room has a password; it is not altered. */
static void test_password(void **state)
{
	struct room_config c;

	room_config_default(&c);
	assert_null(read_fields(&c, STR("<field var='" CONFIG "passwordprotectedroom'>" V("1")
		"</field><field var='" CONFIG "roomsecret'>" V(" burn ") "</field>")));
	assert_string_equal(c.secret, " burn ");
	assert_non_null(read_one(&c, CONFIG "roomsecret", V("")));
	assert_string_equal(c.secret, " burn ");
	assert_null(read_one(&c, CONFIG "passwordprotectedroom", V("0")));
	assert_null(read_one(&c, CONFIG "roomsecret", V("")));
	assert_null(c.secret);
	room_config_clear(&c);
}

/* What is stored is read back: each field alone, and nothing but it has changed then. */
static void test_store_and_back(void **state)
{
	static const char *const lines[] = {
		CONFIG "roomname", V("A &amp; B"), CONFIG "roomdesc", V("d"), CONFIG "lang", V("fr"),
		CONFIG "pubsub", V("xmpp:a"), CONFIG "persistentroom", V("1"),
		CONFIG "publicroom", V("0"), CONFIG "roomsecret", V("s"),
		CONFIG "membersonly", V("1"), CONFIG "allowinvites", V("0"),
		CONFIG "maxusers", V("3"), CONFIG "whois", V("anyone"),
		CONFIG "moderatedroom", V("1"), CONFIG "allowvoicerequests", V("0"),
		CONFIG "changesubject", V("1"), CONFIG "allowpm", V("none"),
		CONFIG "presencebroadcast", V("moderator"), CONFIG "getmemberlist", V("visitor"),
		CONFIG "slow_mode_duration", V("5"), "muc#maxhistoryfetch", V("7"),
		CONFIG "enablearchiving", V("1"), CONFIG "enablelogging", V("1"),
		CONFIG "forwardmentions", V("1"),
	};
	enum muc_status codes[ROOM_CONFIG_CODES];

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i += 2) {
		struct room_config c, back, plain;
		print_message("%s\n", lines[i]);
		room_config_default(&c);
		room_config_default(&plain);
		room_config_default(&back);
		assert_null(read_one(&c, lines[i], lines[i + 1]));
		assert_int_equal(room_config_codes(&plain, &c, codes), 1);
		struct stanza *s = written(&c, CONFIG_TO_STORE);
		const char *why = NULL;
		assert_true(room_config_read(&back, &s->doc, x_of(s), &arena, &why));
		stanza_unref(&s);
		assert_int_equal(room_config_codes(&c, &back, codes), 0);
		room_config_clear(&c);
		room_config_clear(&back);
	}
}

/* Section 16.5.3: the type of each registered field. roomowners and roomadmins are lists of the
 * room's and not of its configuration. */
static void test_form_for_owners(void **state)
{
	static const struct {
		const char *var, *type;
	} cases[] = {
		{ "FORM_TYPE", "hidden" },
		{ "muc#maxhistoryfetch", "text-single" },
		{ CONFIG "allowpm", "list-single" },
		{ CONFIG "allowinvites", "boolean" },
		{ CONFIG "changesubject", "boolean" },
		{ CONFIG "enablelogging", "boolean" },
		{ CONFIG "getmemberlist", "list-multi" },
		{ CONFIG "lang", "text-single" },
		{ CONFIG "pubsub", "text-single" },
		{ CONFIG "maxusers", "list-single" },
		{ CONFIG "membersonly", "boolean" },
		{ CONFIG "moderatedroom", "boolean" },
		{ CONFIG "passwordprotectedroom", "boolean" },
		{ CONFIG "persistentroom", "boolean" },
		{ CONFIG "presencebroadcast", "list-multi" },
		{ CONFIG "publicroom", "boolean" },
		{ CONFIG "roomdesc", "text-single" },
		{ CONFIG "roomname", "text-single" },
		{ CONFIG "roomsecret", "text-private" },
		{ CONFIG "whois", "list-single" },
		{ CONFIG "slow_mode_duration", "text-single" },
		{ CONFIG "enablearchiving", "boolean" },
		{ CONFIG "allowvoicerequests", "boolean" },
		{ CONFIG "forwardmentions", "boolean" },
	};
	struct room_config c;

	room_config_default(&c);
	struct stanza *s = written(&c, CONFIG_FOR_OWNER);
	assert_int_equal(xml_count(&s->doc, x_of(s)), sizeof cases / sizeof cases[0]);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		print_message("%s\n", cases[i].var);
		const struct xml_node *f = form_field(&s->doc, x_of(s), str_c(cases[i].var), &arena);
		assert_non_null(f);
		assert_true(str_eq(xml_attr_str(&s->doc, f, TAG_TYPE, &arena), str_c(cases[i].type)));
		assert_true(i == 0 || strstr(str_dup(&arena, xml_raw(&s->doc, f)).p, " label='"));
	}
	stanza_unref(&s);
	room_config_clear(&c);
}

/* XEP-0004 section 3.3: who fills in a list chooses among its options, so what holds is one. */
static void test_options(void **state)
{
	static const struct {
		const char *maxusers;
		unsigned n;
	} cases[] = { { V("none"), 8 }, { V("20"), 8 }, { V("77"), 9 } };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct room_config c;
		unsigned found = 0, n = 0;
		print_message("%s\n", cases[i].maxusers);
		room_config_default(&c);
		assert_null(read_one(&c, CONFIG "maxusers", cases[i].maxusers));
		struct stanza *s = written(&c, CONFIG_FOR_OWNER);
		const struct xml_node *f = form_field(&s->doc, x_of(s), STR(CONFIG "maxusers"), &arena);
		struct str now = form_value(&s->doc, f, &arena);
		const struct xml_node *o = xml_first(&s->doc, f); /* the value, then the options */
		for (o = xml_next(&s->doc, o); o; o = xml_next(&s->doc, o), n++)
			found += str_eq(form_value(&s->doc, o, &arena), now);
		assert_int_equal(found, 1);
		assert_int_equal(n, cases[i].n);
		stanza_unref(&s);
		room_config_clear(&c);
	}
}

static void test_by_name(void **state)
{
	struct str values[] = { STR("moderator"), STR("owner") }, one = STR("1"), no = STR("maybe");
	struct room_config c;
	const char *why = NULL;

	room_config_default(&c);
	assert_true(room_config_set(&c, STR("persistentroom"), &one, 1, &why));
	assert_true(room_config_set(&c, STR(CONFIG "moderatedroom"), &one, 1, &why));
	assert_true(room_config_set(&c, STR("maxhistoryfetch"), &one, 1, &why));
	assert_true(room_config_set(&c, STR("getmemberlist"), values, 2, &why));
	assert_true(room_config_set(&c, STR("presencebroadcast"), NULL, 0, &why));
	assert_true(c.persistent && c.moderated);
	assert_int_equal(c.max_history, 1);
	assert_int_equal(c.list_roles, 1u << MODERATOR);
	assert_int_equal(c.list_affiliations, 1u << OWNER);
	assert_int_equal(c.shown, 0);
	assert_null(why);
	assert_false(room_config_set(&c, STR("membersonly"), &no, 1, &why));
	assert_string_equal(why, "membersonly is 0 or 1");
	assert_false(room_config_set(&c, STR("nothing"), &one, 1, &why));
	assert_string_equal(why, "there is no such field");
	assert_false(room_config_set(&c, STR(""), &one, 1, &why));
	room_config_clear(&c);
}

static void test_copies_have_their_own_texts(void **state)
{
	struct str cave = STR("Cave"), hall = STR("Hall");
	struct room_config c, copy;
	const char *why;

	room_config_default(&c);
	assert_true(room_config_set(&c, STR("roomname"), &cave, 1, &why));
	room_config_copy(&copy, &c);
	assert_true(room_config_set(&c, STR("roomname"), &hall, 1, &why));
	assert_string_equal(copy.name, "Cave");
	assert_string_equal(c.name, "Hall");
	room_config_clear(&c);
	room_config_clear(&copy);
}

/* Section 10.2.1 */
static void test_codes(void **state)
{
	static const struct {
		const char *name, *before, *after;
		size_t n;
		enum muc_status codes[ROOM_CONFIG_CODES];
	} cases[] = {
		{ "nothing changed", "", "<field var='" CONFIG "publicroom'>" V("1") "</field>", 0, { 0 } },
		{ "logging begins", "", "<field var='" CONFIG "enablelogging'>" V("1") "</field>", 1,
			{ STATUS_LOGGED } },
		{ "logging ends", "<field var='" CONFIG "enablelogging'>" V("1") "</field>",
			"<field var='" CONFIG "enablelogging'>" V("0") "</field>", 1, { STATUS_NOT_LOGGED } },
		{ "non-anonymous", "", "<field var='" CONFIG "whois'>" V("anyone") "</field>", 1,
			{ STATUS_NOW_NON_ANONYMOUS } },
		{ "semi-anonymous", "<field var='" CONFIG "whois'>" V("anyone") "</field>",
			"<field var='" CONFIG "whois'>" V("moderators") "</field>", 1,
			{ STATUS_NOW_SEMI_ANONYMOUS } },
		{ "all at once", "", "<field var='" CONFIG "enablelogging'>" V("1") "</field>"
			"<field var='" CONFIG "whois'>" V("anyone") "</field>"
			"<field var='" CONFIG "roomname'>" V("Cave") "</field>", 3,
			{ STATUS_LOGGED, STATUS_NOW_NON_ANONYMOUS, STATUS_CONFIG_CHANGED } },
	};
	enum muc_status codes[ROOM_CONFIG_CODES];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct room_config before, after;
		print_message("%s\n", cases[i].name);
		room_config_default(&before);
		assert_null(read_fields(&before, str_c(cases[i].before)));
		room_config_copy(&after, &before);
		assert_null(read_fields(&after, str_c(cases[i].after)));
		assert_int_equal(room_config_codes(&before, &after, codes), cases[i].n);
		for (size_t k = 0; k < cases[i].n; k++)
			assert_int_equal(codes[k], cases[i].codes[k]);
		room_config_clear(&before);
		room_config_clear(&after);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_fields_take, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_fields_refuse, setup, teardown),
		cmocka_unit_test_setup_teardown(test_texts_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_form_with_some_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_password, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_form_for_owners, setup, teardown),
		cmocka_unit_test_setup_teardown(test_options, setup, teardown),
		cmocka_unit_test_setup_teardown(test_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copies_have_their_own_texts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_codes, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
