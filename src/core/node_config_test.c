#include "core/node_config.h"

#include "base/bug.h"
#include "store/nodes.h"
#include "xmpp/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define P     "pubsub#"
#define BOUND 500
#define NOW   1700000000000000ull /* 2023-11-14T22:13:20Z */
#define V(v)  "<value>" v "</value>"

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

static struct str xml_form(struct str fields)
{
	return str_printf(&arena, "<x xmlns='jabber:x:data' type='submit'>%.*s</x>",
		STR_FMT(fields));
}

/* A message with a form of these fields. */
static struct stanza *form_of(struct str fields)
{
	struct stanza *s = stanza_scan(&table,
		str_printf(&arena, "<message>%.*s</message>", STR_FMT(xml_form(fields))), &arena);

	if (!s)
		fail_msg("no stanza: %.*s", STR_FMT(fields));
	return s;
}

static const struct xml_node *x_of(const struct stanza *s)
{
	return xml_child(&s->doc, stanza_root(s), NS_DATA, TAG_X);
}

/* ERR_COUNT: it was taken. */
static struct stanza_refusal read_fields(struct node_config *c, enum node_kind kind,
	struct str fields)
{
	struct stanza *s = form_of(fields);
	struct stanza_refusal why = { .error = ERR_COUNT };
	bool read = node_config_read(c, kind, &s->doc, x_of(s), BOUND, &arena, &why);

	assert_int_equal(read, why.error == ERR_COUNT);
	stanza_unref(&s);
	return why;
}

static struct str field(const char *var, const char *values)
{
	return str_printf(&arena, "<field var='%s'>%s</field>", var, values);
}

static void assert_reads(struct node_config *c, enum node_kind kind, const char *var,
	const char *values)
{
	struct stanza_refusal why = read_fields(c, kind, field(var, values));

	if (why.error != ERR_COUNT)
		fail_msg("%s %s: %.*s", var, values, STR_FMT(why.text));
}

static bool meets(const struct node_config *c, struct str fields)
{
	struct stanza *s = form_of(fields);
	bool met = node_config_meets(c, &s->doc, x_of(s), BOUND, &arena);

	stanza_unref(&s);
	return met;
}

static struct str written(const struct node_config *c, enum node_kind kind,
	enum node_config_use use)
{
	struct writer w;

	buf_reset(&out);
	w = w_on(&out);
	node_config_write(c, kind, &w, use);
	assert_true(w_done(&w));
	return str_dup(&arena, buf_str(&out));
}

/* The values of a field, each followed by a comma; NULL: there is no such field. */
static const char *values_in(struct str fields, const char *var)
{
	struct stanza *s = form_of(fields);
	const struct xml_node *f = form_field(&s->doc, x_of(s), str_c(var), &arena);
	struct str values[64], all = STR("");
	size_t n = f ? form_values(&s->doc, f, values, 64, &arena) : 0;

	assert_true(n <= 64);
	for (size_t i = 0; i < n; i++)
		all = str_printf(&arena, "%.*s%.*s,", STR_FMT(all), STR_FMT(values[i]));
	stanza_unref(&s);
	return f ? str_dup(&arena, all).p : NULL;
}

static const char *stored(const struct node_config *c, const char *var)
{
	return values_in(written(c, NODE_OF_ACCOUNT, NODE_CONFIG_TO_STORE), var);
}

static struct str attr_of(struct str fields, const char *var, enum xml_tag name)
{
	struct stanza *s = form_of(fields);
	const struct xml_node *f = form_field(&s->doc, x_of(s), str_c(var), &arena);
	struct str value = f ? str_dup(&arena, xml_attr_str(&s->doc, f, name, &arena)) : STR_NULL;

	stanza_unref(&s);
	return value;
}

/* XEP-0163 sections 2.3 and 4.3.4; XEP-0060 sections 8.2.2 and 8.4.2. */
static void test_defaults(void **state)
{
	static const struct {
		const char *var, *account, *service;
	} cases[] = {
		{ P "access_model", "presence,", "open," },
		{ P "publish_model", "publishers,", "publishers," },
		{ P "max_items", "1,", "max," },
		{ P "persist_items", "1,", "1," },
		{ P "item_expire", "max,", "max," },
		{ P "max_payload_size", "0,", "0," },
		{ P "send_last_published_item", "on_sub_and_presence,", "on_sub," },
		{ P "notification_type", "headline,", "headline," },
		{ P "deliver_notifications", "1,", "1," },
		{ P "deliver_payloads", "1,", "1," },
		{ P "subscribe", "1,", "1," },
		{ P "node_type", "leaf,", "leaf," },
		{ P "notify_config", "0,", "0," },
		{ P "notify_delete", "1,", "1," },
		{ P "notify_retract", "0,", "0," },
		{ P "notify_sub", "0,", "0," },
		{ P "presence_based_delivery", "0,", "0," },
		{ P "itemreply", "none,", "none," },
		{ P "title", "", "" },
		{ P "description", "", "" },
		{ P "type", "", "" },
		{ P "language", "", "" },
		{ P "contact", "", "" },
		{ P "dataform_xslt", "", "" },
		{ P "purge_offline", "0,", NULL },
		{ P "roster_groups_allowed", "", NULL },
	};

	for (enum node_kind kind = NODE_OF_ACCOUNT; kind <= NODE_OF_SERVICE; kind++) {
		struct node_config c;
		node_config_default(&c, kind);
		struct str form = written(&c, kind, NODE_CONFIG_FOR_OWNER);
		for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
			const char *want = kind == NODE_OF_ACCOUNT ? cases[i].account
								   : cases[i].service;
			const char *is = values_in(form, cases[i].var);
			print_message("%s\n", cases[i].var);
			if (want)
				assert_string_equal(is, want);
			else
				assert_null(is);
		}
		struct stanza *s = form_of(form);
		size_t n = sizeof cases / sizeof cases[0] - (kind == NODE_OF_SERVICE ? 2 : 0);
		assert_int_equal(xml_count(&s->doc, x_of(s)), 1 + n); /* with FORM_TYPE */
		stanza_unref(&s);
		node_config_clear(&c);
	}
}

/* Section 16.4.4; XEP-0004 sections 3.3 and 3.6. What is taken is stored, and read again. */
static void test_what_fields_take(void **state)
{
	static const struct {
		const char *var, *values, *written;
	} cases[] = {
		{ P "title", V(" Princely &lt;Musings&gt;\n"), "Princely <Musings>," },
		{ P "description", V("Hamlet&apos;s weblog"), "Hamlet's weblog," },
		{ P "type", V("urn:example:e2ee:bundle"), "urn:example:e2ee:bundle," },
		{ P "language", V("de-Latn-AT-1996"), "de-Latn-AT-1996," },
		{ P "language", V(""), "" },
		{ P "contact", V("bard@shakespeare.lit") V("shakespeare.lit"),
			"bard@shakespeare.lit,shakespeare.lit," },
		{ P "dataform_xslt", V("http://denmark.lit/a.xslt"), "http://denmark.lit/a.xslt," },
		{ P "node_type", V("leaf"), "leaf," },
		{ P "node_type", "", "leaf," },
		{ P "access_model", V("open"), "open," },
		{ P "access_model", V("presence"), "presence," },
		{ P "access_model", V("roster"), "roster," },
		{ P "access_model", V("authorize"), "authorize," },
		{ P "access_model", V(" whitelist "), "whitelist," },
		{ P "access_model", "", "presence," },
		{ P "roster_groups_allowed", V("friends") V("") V(" servants ") V("friends"),
			"friends,servants," },
		{ P "roster_groups_allowed", "", "" },
		{ P "publish_model", V("subscribers"), "subscribers," },
		{ P "publish_model", V("open"), "open," },
		{ P "persist_items", V("false"), "0," },
		{ P "persist_items", V(""), "0," },
		{ P "max_items", V("1"), "1," },
		{ P "max_items", V("500"), "500," },
		{ P "max_items", V("max"), "max," },
		{ P "max_items", "", "1," },
		{ P "item_expire", V("604800"), "604800," },
		{ P "item_expire", V("4294967295"), "4294967295," },
		{ P "item_expire", V("max"), "max," },
		{ P "item_expire", V("0"), "max," },
		{ P "max_payload_size", V("1028"), "1028," },
		{ P "max_payload_size", V("4294967295"), "4294967295," },
		{ P "subscribe", V("0"), "0," },
		{ P "deliver_notifications", V("0"), "0," },
		{ P "deliver_payloads", V("0"), "0," },
		{ P "notification_type", V("normal"), "normal," },
		{ P "notification_type", V("headline"), "headline," },
		{ P "send_last_published_item", V("never"), "never," },
		{ P "send_last_published_item", V("on_sub"), "on_sub," },
		{ P "send_last_published_item", "", "on_sub_and_presence," },
		{ P "presence_based_delivery", V("true"), "1," },
		{ P "itemreply", V("owner"), "owner," },
		{ P "itemreply", V("publisher"), "publisher," },
		{ P "itemreply", V("none"), "none," },
		{ P "itemreply", V(""), "none," },
		{ P "notify_config", V("1"), "1," },
		{ P "notify_delete", V("0"), "0," },
		{ P "notify_retract", V("1"), "1," },
		{ P "notify_sub", V("1"), "1," },
		{ P "purge_offline", V("1"), "1," },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct node_config c, back;
		print_message("%s: %s\n", cases[i].var, cases[i].values);
		node_config_default(&c, NODE_OF_ACCOUNT);
		assert_reads(&c, NODE_OF_ACCOUNT, cases[i].var, cases[i].values);
		assert_string_equal(stored(&c, cases[i].var), cases[i].written);
		struct str all = written(&c, NODE_OF_ACCOUNT, NODE_CONFIG_TO_STORE);
		node_config_default(&back, NODE_OF_ACCOUNT);
		assert_true(node_config_parse(&back, NODE_OF_ACCOUNT, xml_form(all)));
		assert_true(str_eq(written(&back, NODE_OF_ACCOUNT, NODE_CONFIG_TO_STORE), all));
		node_config_clear(&c);
		node_config_clear(&back);
	}
}

/* Example 149, and example 136 for access models. Nothing is changed then. */
static void test_what_fields_refuse(void **state)
{
	static const struct {
		const char *var, *values;
	} cases[] = {
		{ P "title", V("a") V("b") },
		{ P "language", V("en us") },
		{ P "contact", V("bard@shakespeare.lit") V("@shakespeare.lit") },
		{ P "node_type", V("collection") },
		{ P "publish_model", V("members") },
		{ P "persist_items", V("yes") },
		{ P "persist_items", V("1") V("1") },
		{ P "max_items", V("0") },
		{ P "max_items", V("501") },
		{ P "max_items", V("4294967296") },
		{ P "max_items", V("-1") },
		{ P "max_items", V("all") },
		{ P "item_expire", V("1h") },
		{ P "item_expire", V("4294967296") },
		{ P "max_payload_size", V("max") },
		{ P "notification_type", V("chat") },
		{ P "send_last_published_item", V("always") },
		{ P "itemreply", V("nobody") },
		{ P "access_model", V("closed") },
		{ P "access_model", V("open") V("open") },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		bool access = !strcmp(cases[i].var, P "access_model");
		struct node_config c;
		print_message("%s: %s\n", cases[i].var, cases[i].values);
		node_config_default(&c, NODE_OF_ACCOUNT);
		struct stanza_refusal why = read_fields(&c, NODE_OF_ACCOUNT, str_printf(&arena,
			"<field var='" P "description'>" V("new") "</field>"
			"<field var='%s'>%s</field>"
			"<field var='" P "notify_sub'>" V("1") "</field>",
			cases[i].var, cases[i].values));
		assert_int_equal(why.error, ERR_NOT_ACCEPTABLE);
		assert_null(why.type.p);
		assert_true(why.text.n > 0);
		assert_true(str_eq(why.condition,
			access ? pubsub_refuse(PS_UNSUPPORTED_ACCESS_MODEL).condition : STR("")));
		assert_null(c.description);
		assert_false(c.notify_sub);
		node_config_clear(&c);
	}
}

/* Section 8.1.3: what a service has no rosters for, and what is nothing to it. */
static void test_services(void **state)
{
	static const char *const refused[] = { V("presence"), V("roster") };
	struct node_config c;

	node_config_default(&c, NODE_OF_SERVICE);
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		struct stanza_refusal why = read_fields(&c, NODE_OF_SERVICE,
			field(P "access_model", refused[i]));
		assert_true(str_eq(why.condition,
			pubsub_refuse(PS_UNSUPPORTED_ACCESS_MODEL).condition));
		assert_int_equal(c.access, ACCESS_OPEN);
	}
	assert_reads(&c, NODE_OF_SERVICE, P "access_model", V("whitelist"));
	assert_int_equal(c.access, ACCESS_WHITELIST);
	assert_reads(&c, NODE_OF_SERVICE, P "access_model", "");
	assert_int_equal(c.access, ACCESS_OPEN);
	assert_reads(&c, NODE_OF_SERVICE, P "roster_groups_allowed", V("friends"));
	assert_null(c.groups);
	node_config_clear(&c);
}

/* A node that has more than the bound, since that was higher once, can be configured. */
static void test_bound_that_went_down(void **state)
{
	struct node_config c;

	node_config_default(&c, NODE_OF_SERVICE);
	c.max_items = BOUND + 1;
	assert_reads(&c, NODE_OF_SERVICE, P "max_items", V("501"));
	assert_int_equal(read_fields(&c, NODE_OF_SERVICE, field(P "max_items", V("502"))).error,
		ERR_NOT_ACCEPTABLE);
	node_config_clear(&c);
}

/* XEP-0004 sections 3.1 and 3.5: what the form lacks stays; what is not known is nothing. */
static void test_a_form_with_some_fields(void **state)
{
	struct node_config c;

	node_config_default(&c, NODE_OF_SERVICE);
	assert_reads(&c, NODE_OF_SERVICE, P "title", V("Musings"));
	assert_reads(&c, NODE_OF_SERVICE, P "body_xslt", V("http://denmark.lit/body.xslt"));
	assert_reads(&c, NODE_OF_SERVICE, "title", V("y"));
	assert_reads(&c, NODE_OF_SERVICE, P "deliver_payloads", V("0"));
	assert_string_equal(c.title, "Musings");
	assert_false(c.deliver_payloads);
	node_config_clear(&c);
}

static struct str repeated(char c, size_t n)
{
	char *text = arena_alloc(&arena, n);

	memset(text, c, n);
	return str_from(text, n);
}

static struct str with_value(const char *var, struct str value)
{
	return str_printf(&arena, "<field var='%s'><value>%.*s</value></field>", var,
		STR_FMT(value));
}

static void test_texts_are_bounded(void **state)
{
	static const struct {
		const char *var;
		size_t max;
	} cases[] = {
		{ P "title", NODE_TITLE_MAX },
		{ P "description", NODE_DESCRIPTION_MAX },
		{ P "type", NODE_TYPE_MAX },
		{ P "dataform_xslt", NODE_XSLT_MAX },
		{ P "roster_groups_allowed", NODE_GROUPS_MAX - 2 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct node_config c;
		print_message("%s\n", cases[i].var);
		node_config_default(&c, NODE_OF_ACCOUNT);
		assert_int_equal(read_fields(&c, NODE_OF_ACCOUNT, with_value(cases[i].var,
			repeated('x', cases[i].max + 1))).error, ERR_NOT_ACCEPTABLE);
		assert_string_equal(stored(&c, cases[i].var), "");
		assert_int_equal(read_fields(&c, NODE_OF_ACCOUNT, with_value(cases[i].var,
			repeated('x', cases[i].max))).error, ERR_COUNT);
		assert_int_equal(strlen(stored(&c, cases[i].var)), cases[i].max + 1);
		node_config_clear(&c);
	}
}

/* The bounds of a list: 32 values (FORM_VALUES_MAX), and their bytes. */
static void test_lists_are_bounded(void **state)
{
	struct node_config c;
	struct str values = STR("");

	node_config_default(&c, NODE_OF_ACCOUNT);
	for (unsigned i = 0; i < 32; i++)
		values = str_printf(&arena, "%.*s<value>g%u</value>", STR_FMT(values), i);
	assert_reads(&c, NODE_OF_ACCOUNT, P "roster_groups_allowed", str_dup(&arena, values).p);
	assert_non_null(strstr(stored(&c, P "roster_groups_allowed"), "g0,g1,"));
	values = str_printf(&arena, "%.*s<value>more</value>", STR_FMT(values));
	assert_int_equal(read_fields(&c, NODE_OF_ACCOUNT, str_printf(&arena,
		"<field var='" P "roster_groups_allowed'>%.*s</field>", STR_FMT(values))).error,
		ERR_NOT_ACCEPTABLE);
	assert_null(strstr(stored(&c, P "roster_groups_allowed"), "more"));
	node_config_clear(&c);
}

/* store/nodes.h: what is as long as it can be, all of it escaped, can be stored, and read again. */
static void test_the_longest_is_stored(void **state)
{
	struct node_config c, back;
	char *const amps = xmalloc(NODE_DESCRIPTION_MAX + 1);
	char **const texts[] = { &c.title, &c.description, &c.type, &c.dataform_xslt, &c.groups,
		&c.contacts };
	static const size_t sizes[] = { NODE_TITLE_MAX, NODE_DESCRIPTION_MAX, NODE_TYPE_MAX,
		NODE_XSLT_MAX, NODE_GROUPS_MAX - 2, NODE_CONTACTS_MAX - 2 };

	memset(amps, '&', NODE_DESCRIPTION_MAX);
	memcpy(amps, "a/", 2); /* all but a resource would be no JID with it */
	node_config_default(&c, NODE_OF_ACCOUNT);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		*texts[i] = xmalloc(sizes[i] + 2);
		memcpy(*texts[i], amps, sizes[i]);
		memset(*texts[i] + sizes[i], 0, 2);
	}
	c.contacts[1023 + 2] = '\0'; /* a resource has at most 1023 bytes (RFC 7622) */
	c.contacts[1023 + 3] = 'a';
	c.contacts[1023 + 4] = '/';
	struct str all = written(&c, NODE_OF_ACCOUNT, NODE_CONFIG_TO_STORE);
	assert_true(xml_form(all).n <= STORE_NODE_CONFIG_MAX);
	node_config_default(&back, NODE_OF_ACCOUNT);
	assert_true(node_config_parse(&back, NODE_OF_ACCOUNT, xml_form(all)));
	assert_true(str_eq(written(&back, NODE_OF_ACCOUNT, NODE_CONFIG_TO_STORE), all));
	free(amps);
	node_config_clear(&c);
	node_config_clear(&back);
}

/* What is no form of ours is not read from the store, and changes nothing. */
static void test_what_cannot_be_read(void **state)
{
	static const char *const cases[] = {
		"", "<x", "<x xmlns='jabber:x:data'/>", "<x xmlns='jabber:x:data' type='submit'/>",
		"<x xmlns='jabber:x:data' type='submit'>"
			"<field var='FORM_TYPE'>" V("a") "</field></x>",
		"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
			V("http://jabber.org/protocol/pubsub#node_config") "</field>"
			"<field var='" P "title'>" V("new") "</field>"
			"<field var='" P "max_items'>" V("0") "</field></x>",
	};
	struct node_config c;

	node_config_default(&c, NODE_OF_SERVICE);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_false(node_config_parse(&c, NODE_OF_SERVICE, str_c(cases[i])));
		assert_null(c.title);
	}
	node_config_clear(&c);
}

static void test_copies_have_their_own_texts(void **state)
{
	struct node_config c, copy;

	node_config_default(&c, NODE_OF_ACCOUNT);
	assert_reads(&c, NODE_OF_ACCOUNT, P "title", V("Musings"));
	assert_reads(&c, NODE_OF_ACCOUNT, P "roster_groups_allowed", V("a") V("b"));
	node_config_copy(&copy, &c);
	assert_reads(&c, NODE_OF_ACCOUNT, P "title", V("Thoughts"));
	assert_reads(&c, NODE_OF_ACCOUNT, P "roster_groups_allowed", V("c"));
	assert_string_equal(copy.title, "Musings");
	assert_memory_equal(copy.groups, "a\0b\0", 5);
	assert_memory_equal(c.groups, "c\0", 3);
	node_config_clear(&c);
	assert_null(c.title);
	node_config_clear(&copy);
}

/* Section 7.1.5, with the options of XEP-0222 (example 1), XEP-0223 (example 1), XEP-0402 and what
 * clients publish OMEMO with. */
static void test_publish_options(void **state)
{
	static const struct {
		const char *name, *var[4], *values[4];
	} sets[] = {
		{ "XEP-0222", { P "persist_items", P "send_last_published_item", P "access_model",
			P "roster_groups_allowed" },
			{ V("true"), V("never"), V("roster"), V("Friends") } },
		{ "XEP-0223", { P "persist_items", P "access_model" },
			{ V("true"), V("whitelist") } },
		{ "XEP-0402", { P "persist_items", P "max_items", P "send_last_published_item",
			P "access_model" }, { V("true"), V("max"), V("never"), V("whitelist") } },
		{ "OMEMO", { P "access_model", P "max_items" }, { V("open"), V("max") } },
	};

	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
		struct node_config plain, made;
		struct str all = STR("<field var='FORM_TYPE' type='hidden'>"
			V("http://jabber.org/protocol/pubsub#publish-options") "</field>");
		print_message("%s\n", sets[i].name);
		for (size_t k = 0; k < 4 && sets[i].var[k]; k++)
			all = str_printf(&arena, "%.*s%.*s", STR_FMT(all),
				STR_FMT(field(sets[i].var[k], sets[i].values[k])));
		node_config_default(&plain, NODE_OF_ACCOUNT);
		node_config_copy(&made, &plain);
		assert_false(meets(&plain, all));
		assert_int_equal(read_fields(&made, NODE_OF_ACCOUNT, all).error, ERR_COUNT);
		assert_true(meets(&made, all));
		made.access = ACCESS_AUTHORIZE;
		assert_false(meets(&made, all));
		node_config_clear(&plain);
		node_config_clear(&made);
	}
}

/* Values and not their spelling are compared, with what holds in all. */
static void test_what_meets(void **state)
{
	static const struct {
		const char *var, *values;
		bool met;
	} cases[] = {
		{ P "persist_items", V("1"), true },
		{ P "persist_items", V("true"), true },
		{ P "persist_items", V("false"), false },
		{ P "persist_items", V("maybe"), false },
		{ P "max_items", V("max"), true },
		{ P "max_items", V("500"), true },
		{ P "max_items", V("499"), false },
		{ P "max_items", V("501"), false },
		{ P "item_expire", V("60"), true },
		{ P "item_expire", V("max"), false },
		{ P "roster_groups_allowed", V("b") V("a"), true },
		{ P "roster_groups_allowed", V("a"), false },
		{ P "roster_groups_allowed", V("a") V("b") V("c"), false },
		{ P "title", V(" Musings "), true },
		{ P "title", V("musings"), false },
		{ P "title", "", false },
		{ P "description", "", true },
		{ P "node_type", V("leaf"), true },
		{ P "access_model", V("presence"), true },
		{ P "access_model", V("closed"), false },
		{ P "body_xslt", V("http://denmark.lit/body.xslt"), false },
		{ "x-mine", V("1"), false },
	};
	struct node_config c;

	node_config_default(&c, NODE_OF_ACCOUNT);
	assert_true(meets(&c, STR("")));
	assert_reads(&c, NODE_OF_ACCOUNT, P "max_items", V("max"));
	assert_reads(&c, NODE_OF_ACCOUNT, P "item_expire", V("60"));
	assert_reads(&c, NODE_OF_ACCOUNT, P "title", V("Musings"));
	assert_reads(&c, NODE_OF_ACCOUNT, P "roster_groups_allowed", V("a") V("b"));
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		print_message("%s: %s\n", cases[i].var, cases[i].values);
		assert_int_equal(meets(&c, field(cases[i].var, cases[i].values)), cases[i].met);
	}
	assert_reads(&c, NODE_OF_ACCOUNT, P "max_items", V("500"));
	assert_true(meets(&c, field(P "max_items", V("max"))));
	assert_reads(&c, NODE_OF_ACCOUNT, P "max_items", V("499"));
	assert_false(meets(&c, field(P "max_items", V("max"))));
	node_config_clear(&c);
}

/* Section 5.4, example 14: what everybody may know, and of that what there is. */
static void test_metadata(void **state)
{
	static const struct {
		const char *var, *type, *values;
	} cases[] = {
		{ "FORM_TYPE", "hidden", "http://jabber.org/protocol/pubsub#meta-data," },
		{ P "type", "text-single", "urn:example:e2ee:bundle," },
		{ P "title", "text-single", "Princely Musings (Atom)," },
		{ P "contact", "jid-multi", "bard@shakespeare.lit," },
		{ P "access_model", "list-single", "open," },
		{ P "publish_model", "list-single", "publishers," },
		{ P "max_items", "text-single", "max," },
	};
	struct node_config c;

	node_config_default(&c, NODE_OF_SERVICE);
	assert_reads(&c, NODE_OF_SERVICE, P "type", V("urn:example:e2ee:bundle"));
	assert_reads(&c, NODE_OF_SERVICE, P "title", V("Princely Musings (Atom)"));
	assert_reads(&c, NODE_OF_SERVICE, P "contact", V("bard@shakespeare.lit"));
	struct str form = written(&c, NODE_OF_SERVICE, NODE_CONFIG_METADATA);
	struct stanza *s = form_of(form);
	assert_int_equal(xml_count(&s->doc, x_of(s)), sizeof cases / sizeof cases[0]);
	stanza_unref(&s);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		print_message("%s\n", cases[i].var);
		assert_string_equal(values_in(form, cases[i].var), cases[i].values);
		assert_true(str_eq(attr_of(form, cases[i].var, TAG_TYPE), str_c(cases[i].type)));
		assert_true(i == 0 || strstr(str_dup(&arena, form).p, " label='"));
	}
	assert_null(strstr(str_dup(&arena, form).p, "<option"));
	node_config_clear(&c);
}

/* Section 8.2.2: types and labels; XEP-0122 with the datatype of section 12.23; the models to
 * choose from. */
static void test_form_for_owners(void **state)
{
	static const struct {
		const char *var, *type;
	} cases[] = {
		{ P "title", "text-single" }, { P "contact", "jid-multi" },
		{ P "deliver_payloads", "boolean" }, { P "access_model", "list-single" },
		{ P "max_items", "text-single" }, { P "roster_groups_allowed", "text-multi" },
		{ P "notification_type", "list-single" }, { P "itemreply", "list-single" },
	};
	struct node_config c;

	node_config_default(&c, NODE_OF_ACCOUNT);
	struct str form = written(&c, NODE_OF_ACCOUNT, NODE_CONFIG_FOR_OWNER);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		print_message("%s\n", cases[i].var);
		assert_true(str_eq(attr_of(form, cases[i].var, TAG_TYPE), str_c(cases[i].type)));
	}
	const char *text = str_dup(&arena, form).p;
	assert_non_null(strstr(text, "datatype='pubsub:integer-or-max'><range min='1'/>"));
	assert_non_null(strstr(text, V("presence") "</option>"));
	text = str_dup(&arena, written(&c, NODE_OF_SERVICE, NODE_CONFIG_FOR_OWNER)).p;
	assert_null(strstr(text, V("presence") "</option>"));
	assert_non_null(strstr(text, V("whitelist") "</option>"));
	node_config_clear(&c);
}

/* ---- options of a subscription ---- */

static struct stanza_refusal read_options(struct subscription_options *o, struct str fields)
{
	struct stanza *s = form_of(fields);
	struct stanza_refusal why = { .error = ERR_COUNT };
	bool read = subscription_options_read(o, &s->doc, x_of(s), NOW, &arena, &why);

	assert_int_equal(read, why.error == ERR_COUNT);
	stanza_unref(&s);
	return why;
}

static struct str options_written(const struct subscription_options *o, enum node_config_use use)
{
	struct writer w;

	buf_reset(&out);
	w = w_on(&out);
	subscription_options_write(o, &w, use);
	assert_true(w_done(&w));
	return str_dup(&arena, buf_str(&out));
}

/* Section 16.4.2; each option as it is by default is plain, and as it is otherwise is not. */
static void test_what_options_take(void **state)
{
	static const struct {
		const char *var, *values, *written;
		bool plain;
	} cases[] = {
		{ P "deliver", V("1"), "1,", true },
		{ P "deliver", V("false"), "0,", false },
		{ P "digest", V("0"), "0,", true },
		{ P "digest", V("true"), "1,", false },
		{ P "digest_frequency", "", "86400000,", true },
		{ P "digest_frequency", V("86400000"), "86400000,", true },
		{ P "digest_frequency", V("0"), "0,", false },
		{ P "expire", V("2023-11-14T22:13:21Z"), "2023-11-14T22:13:21.000Z,", false },
		{ P "expire", V("2030-03-31T23:59:59+02:00"), "2030-03-31T21:59:59.000Z,", false },
		{ P "expire", V(""), "", true },
		{ P "include_body", V("true"), "1,", false },
		{ P "show-values", V("xa") V("chat") V("chat"), "chat,xa,", false },
		{ P "show-values", "", "", false },
		{ P "show-values", V("dnd") V("xa") V("away") V("online") V("chat"),
			"chat,online,away,xa,dnd,", true },
		{ P "subscription_type", V("items"), "items,", true },
		{ "x-keywords", V("peasant") V("peasant") V("slave"), "peasant,slave,", false },
		{ "x-keywords", V(""), "", true },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct subscription_options o, back, copy;
		print_message("%s: %s\n", cases[i].var, cases[i].values);
		subscription_options_default(&o);
		assert_true(subscription_options_plain(&o));
		assert_int_equal(read_options(&o, field(cases[i].var, cases[i].values)).error,
			ERR_COUNT);
		assert_int_equal(subscription_options_plain(&o), cases[i].plain);
		struct str all = options_written(&o, NODE_CONFIG_TO_STORE);
		assert_string_equal(values_in(all, cases[i].var), cases[i].written);
		subscription_options_default(&back);
		assert_true(subscription_options_parse(&back, xml_form(all)));
		assert_true(str_eq(options_written(&back, NODE_CONFIG_TO_STORE), all));
		subscription_options_copy(&copy, &back);
		subscription_options_clear(&back);
		assert_true(str_eq(options_written(&copy, NODE_CONFIG_TO_STORE), all));
		subscription_options_clear(&copy);
		subscription_options_clear(&o);
	}
}

/* Example 66. */
static void test_what_options_refuse(void **state)
{
	static const struct {
		const char *var, *values;
	} cases[] = {
		{ P "deliver", V("often") },
		{ P "digest_frequency", V("86400001") },
		{ P "digest_frequency", V("daily") },
		{ P "expire", V("2023-11-14T22:13:20Z") }, /* now */
		{ P "expire", V("2006-02-28T11:59:59Z") },
		{ P "expire", V("presence") },             /* section 12.5 is left out */
		{ P "expire", V("2030-03-31") },
		{ P "show-values", V("online") V("unavailable") },
		{ P "subscription_type", V("nodes") },
	};
	struct subscription_options o;

	subscription_options_default(&o);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stanza_refusal want = pubsub_refuse(PS_INVALID_OPTIONS);
		print_message("%s: %s\n", cases[i].var, cases[i].values);
		struct stanza_refusal why = read_options(&o, str_printf(&arena,
			"<field var='" P "include_body'>" V("1") "</field>%.*s",
			STR_FMT(field(cases[i].var, cases[i].values))));
		assert_int_equal(why.error, want.error);
		assert_true(str_eq(why.condition, want.condition));
		assert_true(why.text.n > 0);
		assert_true(subscription_options_plain(&o));
	}
	assert_int_equal(read_options(&o, with_value("x-keywords",
		repeated('x', KEYWORDS_MAX - 1))).error, ERR_BAD_REQUEST);
	assert_int_equal(read_options(&o, with_value("x-keywords",
		repeated('x', KEYWORDS_MAX - 2))).error, ERR_COUNT);
	subscription_options_clear(&o);
}

/* store/nodes.h: the longest fit beside a JID, a subid and a state. */
static void test_the_longest_options_are_stored(void **state)
{
	struct subscription_options o;

	subscription_options_default(&o);
	o.until_us = NOW;
	o.keywords = xmalloc(KEYWORDS_MAX);
	memset(o.keywords, '&', KEYWORDS_MAX - 2);
	memset(o.keywords + KEYWORDS_MAX - 2, 0, 2);
	struct str all = xml_form(options_written(&o, NODE_CONFIG_TO_STORE));
	assert_true(all.n + JID_MAX + 256 <= STORE_NODE_ENTRY_MAX);
	subscription_options_clear(&o);
	assert_true(subscription_options_parse(&o, all));
	assert_int_equal(strlen(o.keywords), KEYWORDS_MAX - 2);
	subscription_options_clear(&o);
}

/* Section 12.19: what has ended since can be read from the store. */
static void test_an_end_that_has_come(void **state)
{
	struct subscription_options o;

	subscription_options_default(&o);
	o.until_us = NOW - 1000;
	struct str all = options_written(&o, NODE_CONFIG_TO_STORE);
	subscription_options_default(&o);
	assert_true(subscription_options_parse(&o, xml_form(all)));
	assert_int_equal(o.until_us, NOW - 1000);
	assert_false(subscription_options_parse(&o, STR("<x xmlns='jabber:x:data'/>")));
	assert_int_equal(o.until_us, NOW - 1000);
	subscription_options_clear(&o);
}

/* Examples 56 and 68: a form to fill in, and one that is a result. */
static void test_forms_of_options(void **state)
{
	struct subscription_options o;

	subscription_options_default(&o);
	struct str form = options_written(&o, NODE_CONFIG_FOR_OWNER);
	assert_string_equal(values_in(form, "FORM_TYPE"),
		"http://jabber.org/protocol/pubsub#subscribe_options,");
	assert_true(str_eq(attr_of(form, P "show-values", TAG_TYPE), STR("list-multi")));
	assert_true(str_eq(attr_of(form, P "digest", TAG_TYPE), STR("boolean")));
	assert_non_null(strstr(str_dup(&arena, form).p, "<option label='Want to Chat'>"));
	form = options_written(&o, NODE_CONFIG_METADATA);
	assert_null(strstr(str_dup(&arena, form).p, "<option"));
	assert_true(str_eq(attr_of(form, P "digest", TAG_TYPE), STR("boolean")));
	subscription_options_clear(&o);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_defaults),
		TEST(test_what_fields_take),
		TEST(test_what_fields_refuse),
		TEST(test_services),
		TEST(test_bound_that_went_down),
		TEST(test_a_form_with_some_fields),
		TEST(test_texts_are_bounded),
		TEST(test_lists_are_bounded),
		TEST(test_the_longest_is_stored),
		TEST(test_what_cannot_be_read),
		TEST(test_copies_have_their_own_texts),
		TEST(test_publish_options),
		TEST(test_what_meets),
		TEST(test_metadata),
		TEST(test_form_for_owners),
		TEST(test_what_options_take),
		TEST(test_what_options_refuse),
		TEST(test_the_longest_options_are_stored),
		TEST(test_an_end_that_has_come),
		TEST(test_forms_of_options),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
