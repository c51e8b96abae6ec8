/* Ad-hoc commands (XEP-0050 1.3.0) as who offers them. */
#include "lib/testing.h"

#define COMMANDS "http://jabber.org/protocol/commands"
#define ERRORS   "urn:ietf:params:xml:ns:xmpp-stanzas"
#define DISCO(kind, node) \
	"<query xmlns='http://jabber.org/protocol/disco#" kind "' node='" node "'/>"

static struct side s;
static struct stentor_execution *waiting; /* of the command "later" */
static char session[64];

/* ---- commands ---- */

static struct stentor_element *form_of(const char *var, const char *type)
{
	struct stentor_element *form = stentor_form_new("form", NULL, NULL);

	stentor_field_require(stentor_form_add_field(form, var, type, NULL));
	return form;
}

/* Two forms; the number may not be 13. */
static void run_order(struct stentor_execution *x, void *user)
{
	const char *n = stentor_execution_value(x, "n");

	buf_printf(&s.told, "stage %u\n", stentor_execution_stage(x));
	switch (stentor_execution_stage(x)) {
	case 0:
		stentor_execution_ask(x, form_of("what", "text-single"), false);
		break;
	case 1:
		stentor_execution_ask(x, form_of("n", "text-single"), true);
		break;
	default:
		if (!strcmp(n, "13")) {
			stentor_execution_again(x, "not that one");
			break;
		}
		buf_printf(&s.told, "%s %s for %s at %s\n", n, stentor_execution_value(x, "what"),
			stentor_execution_asker(x), stentor_execution_address(x));
		stentor_execution_done(x, stentor_form_new("result", NULL, NULL), "done");
	}
}

static void run_at_once(struct stentor_execution *x, void *user)
{
	assert_ptr_equal(stentor_execution_entity(x), s.e);
	assert_null(stentor_execution_form(x, 0));
	assert_int_equal(stentor_execution_done(x, NULL, NULL), STENTOR_OK);
	assert_int_equal(stentor_execution_done(x, NULL, NULL), STENTOR_INVALID);
}

static void run_later(struct stentor_execution *x, void *user)
{
	waiting = x;
}

static void run_refused(struct stentor_execution *x, void *user)
{
	stentor_execution_refuse(x, STENTOR_GONE, "no more");
}

static bool allows(const char *who, void *user)
{
	return !strcmp(who, "admin@b.example/r");
}

static void begin(void)
{
	side_open(&s);
	stentor_add_identity(s.e, STENTOR_USERS, "client", "bot", NULL);
	stentor_add_command(s.e, STENTOR_HERE, "order", "Order", run_order, NULL, NULL);
	stentor_add_command(s.e, STENTOR_HERE | STENTOR_USERS, "once", "At once", run_at_once, NULL,
		NULL);
	stentor_add_command(s.e, STENTOR_HERE, "later", "Later", run_later, NULL, NULL);
	stentor_add_command(s.e, STENTOR_HERE, "refused", "No", run_refused, NULL, NULL);
	stentor_add_command(s.e, STENTOR_HERE, "secret", "Secret", run_at_once, allows, NULL);
}

/* ---- what is said, and what comes ---- */

static void say_to(const char *from, const char *to, const char *type, const char *payload)
{
	struct arena mem;

	arena_init(&mem, 1024);
	side_send(&s, str_printf(&mem, "<iq type='%s' id='1' from='%s' to='%s'>%s</iq>", type, from,
		to, payload));
	arena_clear(&mem);
}

/* A request with attributes and a payload; in_session: with the last sessionid that came. */
static void command(const char *attributes, bool in_session, const char *payload)
{
	struct arena mem;

	arena_init(&mem, 1024);
	say_to("a@b.example/r", DOMAIN, "set", str_printf(&mem,
		"<command xmlns='" COMMANDS "' %s%s%s%s>%s</command>", attributes,
		in_session ? " sessionid='" : "", in_session ? session : "", in_session ? "'" : "",
		payload).p);
	arena_clear(&mem);
}

#define SUBMIT(var, value) "<x xmlns='jabber:x:data' type='submit'><field var='" var "'><value>" \
	value "</value></field></x>"

static const struct stentor_element *came(struct stentor_element **tree)
{
	buf_byte(&s.out, '\0');
	*tree = stentor_element_parse(s.out.p);
	if (!*tree)
		fail_msg("no answer: %s", s.out.p);
	buf_reset(&s.out);
	return stentor_element_child(*tree, COMMANDS, "command");
}

static void assert_status(const char *status, const char *execute, bool prev)
{
	struct stentor_element *tree;
	const struct stentor_element *c = came(&tree), *actions;

	assert_non_null(c);
	assert_string_equal(stentor_element_attribute(c, "status"), status);
	snprintf(session, sizeof session, "%s", stentor_element_attribute(c, "sessionid"));
	actions = stentor_element_child(c, COMMANDS, "actions");
	assert_int_equal(actions != NULL, execute != NULL);
	if (execute) {
		assert_string_equal(stentor_element_attribute(actions, "execute"), execute);
		assert_non_null(stentor_element_child(actions, COMMANDS, execute));
		assert_int_equal(stentor_element_child(actions, COMMANDS, "prev") != NULL, prev);
		assert_non_null(stentor_form_find(c, "form"));
	}
	stentor_element_free(&tree);
}

/* specific NULL: none. */
static void assert_error(enum stentor_condition general, const char *type, const char *specific)
{
	struct stentor_element *tree;
	const struct stentor_element *error;
	enum stentor_condition condition;

	came(&tree);
	assert_true(stentor_stanza_error(tree, &condition, NULL));
	assert_int_equal(condition, general);
	error = stentor_element_child(tree, NULL, "error");
	assert_string_equal(stentor_element_attribute(error, "type"), type);
	if (specific)
		assert_non_null(stentor_element_child(error, COMMANDS, specific));
	else
		assert_null(stentor_element_child(error, COMMANDS, NULL));
	stentor_element_free(&tree);
}

/* ---- executing (sections 2.4, 3.4) ---- */

static void in_one_step(void **state)
{
	begin();
	command("node='once'", false, "");
	assert_status("completed", NULL, false);
	command("node='once' action='execute'", false, "");
	assert_status("completed", NULL, false);
	command("node='refused'", false, "");
	assert_error(STENTOR_GONE, "cancel", NULL);
	side_clear(&s);
}

static void in_two_forms(void **state)
{
	begin();
	command("node='order'", false, "");
	assert_status("executing", "next", false);
	command("node='order' action='next'", true, SUBMIT("what", "tea"));
	assert_status("executing", "complete", true);
	command("node='order'", true, SUBMIT("n", "2"));
	assert_told(&s, "stage 0\nstage 1\nstage 2\n2 tea for a@b.example/r at " DOMAIN "\n");
	assert_status("completed", NULL, false);
	command("node='order'", true, SUBMIT("n", "2"));
	assert_error(STENTOR_NOT_ALLOWED, "cancel", "session-expired");
	side_clear(&s);
}

static void back_and_forth(void **state)
{
	begin();
	command("node='order'", false, "");
	assert_status("executing", "next", false);
	command("node='order'", true, SUBMIT("what", "tea"));
	assert_status("executing", "complete", true);
	command("node='order' action='prev'", true, "");
	assert_status("executing", "next", false);
	command("node='order' action='execute'", true, SUBMIT("what", "cake"));
	assert_status("executing", "complete", true);
	buf_reset(&s.told);
	command("node='order' action='complete'", true, SUBMIT("n", "1"));
	assert_told(&s, "stage 2\n1 cake for a@b.example/r at " DOMAIN "\n");
	assert_status("completed", NULL, false);
	side_clear(&s);
}

static void canceled(void **state)
{
	begin();
	command("node='order'", false, "");
	assert_status("executing", "next", false);
	command("node='order' action='cancel'", true, "");
	assert_status("canceled", NULL, false);
	command("node='order' action='cancel'", true, "");
	assert_error(STENTOR_NOT_ALLOWED, "cancel", "session-expired");
	side_clear(&s);
}

/* Section 4.4, and what a form does not take. */
static void errors(void **state)
{
	begin();
	command("node='order' action='jump'", false, "");
	assert_error(STENTOR_BAD_REQUEST, "modify", "malformed-action");
	command("node='order' action='next'", false, "");
	assert_error(STENTOR_BAD_REQUEST, "modify", "bad-action");
	command("node='none'", false, "");
	assert_error(STENTOR_ITEM_NOT_FOUND, "cancel", NULL);
	command("", false, "");
	assert_error(STENTOR_ITEM_NOT_FOUND, "cancel", NULL);
	command("node='secret'", false, "");
	assert_error(STENTOR_FORBIDDEN, "auth", NULL);
	command("node='order'", false, "");
	assert_status("executing", "next", false);
	command("node='order' action='prev'", true, "");
	assert_error(STENTOR_BAD_REQUEST, "modify", "bad-action");
	command("node='order' action='complete'", true, SUBMIT("what", "tea"));
	assert_error(STENTOR_BAD_REQUEST, "modify", "bad-action");
	command("node='order' action='jump'", true, "");
	assert_error(STENTOR_BAD_REQUEST, "modify", "malformed-action");
	command("node='order'", true, "");
	assert_error(STENTOR_BAD_REQUEST, "modify", "bad-payload");
	command("node='order'", true, SUBMIT("other", "tea"));
	assert_error(STENTOR_BAD_REQUEST, "modify", "bad-payload");
	command("node='once'", true, "");
	assert_error(STENTOR_BAD_REQUEST, "modify", "bad-sessionid");
	command("node='order'", true, SUBMIT("what", "tea"));
	assert_status("executing", "complete", true);
	command("node='order' action='next'", true, SUBMIT("n", "1"));
	assert_error(STENTOR_BAD_REQUEST, "modify", "bad-action");
	command("node='order'", true, SUBMIT("n", "13"));
	assert_error(STENTOR_BAD_REQUEST, "modify", "bad-payload");
	command("node='order'", true, SUBMIT("n", "14"));
	assert_status("completed", NULL, false);
	command("node='order' sessionid='0123456789abcdef0123456789abcdef'", false, "");
	assert_error(STENTOR_BAD_REQUEST, "modify", "bad-sessionid");
	command("node='order' sessionid='x'", false, "");
	assert_error(STENTOR_BAD_REQUEST, "modify", "bad-sessionid");
	side_clear(&s);
}

/* An execution is of the full JID that began it. */
static void of_somebody_else(void **state)
{
	struct arena mem;

	begin();
	command("node='order'", false, "");
	assert_status("executing", "next", false);
	arena_init(&mem, 1024);
	say_to("a@b.example/other", DOMAIN, "set", str_printf(&mem, "<command xmlns='" COMMANDS "' "
		"node='order' sessionid='%s'>" SUBMIT("what", "x") "</command>", session).p);
	arena_clear(&mem);
	assert_error(STENTOR_BAD_REQUEST, "modify", "bad-sessionid");
	side_clear(&s);
}

/* A command that takes its time: the same session takes nothing else, and does not end. */
static void answered_later(void **state)
{
	begin();
	command("node='later'", false, "");
	assert_sent(&s, "");
	side_wait(&s, STENTOR_EXECUTION_MS + 100);
	assert_int_equal(stentor_execution_ask(waiting, form_of("a", "boolean"), true), STENTOR_OK);
	side_turn(&s);
	assert_status("executing", "complete", false);
	command("node='later'", true, SUBMIT("a", "1"));
	assert_sent(&s, "");
	command("node='later'", true, SUBMIT("a", "0"));
	assert_error(STENTOR_RESOURCE_CONSTRAINT, "wait", NULL);
	assert_string_equal(stentor_execution_value(waiting, "a"), "1");
	assert_int_equal(stentor_execution_done(waiting, NULL, "x"), STENTOR_OK);
	side_turn(&s);
	assert_status("completed", NULL, false);
	command("node='later'", false, "");
	side_clear(&s);
}

static void time_runs_out(void **state)
{
	begin();
	command("node='order'", false, "");
	assert_status("executing", "next", false);
	side_wait(&s, STENTOR_EXECUTION_MS + 100);
	command("node='order'", true, SUBMIT("what", "x"));
	assert_error(STENTOR_NOT_ALLOWED, "cancel", "session-expired");
	side_clear(&s);
}

/* The oldest one of somebody's ends for a new one; those at work do not. */
static void too_many(void **state)
{
	char first[64];

	begin();
	command("node='order'", false, "");
	assert_status("executing", "next", false);
	snprintf(first, sizeof first, "%s", session);
	for (unsigned i = 1; i < STENTOR_EXECUTIONS_OF_ONE; i++) {
		command("node='order'", false, "");
		assert_status("executing", "next", false);
	}
	command("node='order'", false, "");
	assert_status("executing", "next", false);
	snprintf(session, sizeof session, "%s", first);
	command("node='order'", true, SUBMIT("what", "x"));
	assert_error(STENTOR_NOT_ALLOWED, "cancel", "session-expired");
	for (unsigned i = 0; i < STENTOR_EXECUTIONS_OF_ONE; i++)
		command("node='later'", false, "");
	assert_sent(&s, "");
	command("node='order'", false, "");
	assert_error(STENTOR_RESOURCE_CONSTRAINT, "wait", NULL);
	side_clear(&s);
}

static void too_many_of_all(void **state)
{
	struct arena mem;

	begin();
	arena_init(&mem, 1024);
	for (unsigned i = 0; i < STENTOR_EXECUTIONS_MAX + 10; i++) {
		say_to(str_printf(&mem, "u%u@b.example/r", i).p, DOMAIN, "set",
			"<command xmlns='" COMMANDS "' node='order'/>");
		if (!i)
			assert_status("executing", "next", false);
		buf_reset(&s.out);
	}
	say_to("u0@b.example/r", DOMAIN, "set", str_printf(&mem, "<command xmlns='" COMMANDS "' "
		"node='order' sessionid='%s'/>", session).p);
	assert_error(STENTOR_NOT_ALLOWED, "cancel", "session-expired");
	arena_clear(&mem);
	side_clear(&s);
}

/* More forms than an execution may have. */
static void run_endless(struct stentor_execution *x, void *user)
{
	if (stentor_execution_ask(x, form_of("a", "text-single"), false) == STENTOR_INVALID)
		stentor_execution_refuse(x, STENTOR_RESOURCE_CONSTRAINT, NULL);
}

static void too_many_forms(void **state)
{
	begin();
	stentor_add_command(s.e, STENTOR_HERE, "endless", "E", run_endless, NULL, NULL);
	command("node='endless'", false, "");
	for (unsigned i = 0; i < STENTOR_STAGES_MAX; i++) {
		assert_status("executing", "next", i > 0);
		command("node='endless'", true, SUBMIT("a", "x"));
	}
	assert_error(STENTOR_RESOURCE_CONSTRAINT, "wait", NULL);
	side_clear(&s);
}

/* ---- finding them (sections 2.1 to 2.3) ---- */

static unsigned listed(const char *who, const char *to)
{
	struct stentor_element *tree;
	unsigned n = 0;

	say_to(who, to, "get", DISCO("items", COMMANDS));
	came(&tree);
	const struct stentor_element *query = stentor_element_child(tree, NULL, "query");
	const struct stentor_element *item = stentor_element_child(query, NULL, "item");
	for (; item; item = stentor_element_next(item, NULL, "item"), n++)
		assert_string_equal(stentor_element_attribute(item, "jid"), to);
	stentor_element_free(&tree);
	return n;
}

static void discovery(void **state)
{
	struct stentor_element *tree;

	begin();
	assert_int_equal(listed("a@b.example/r", DOMAIN), 4);
	assert_int_equal(listed("admin@b.example/r", DOMAIN), 5);
	assert_int_equal(listed("a@b.example/r", "x@" DOMAIN), 1);
	say_to("a@b.example/r", DOMAIN, "get", DISCO("info", "order"));
	assert_sent(&s, "<iq type='result' " ANSWERED " id='1'>"
		"<query xmlns='http://jabber.org/protocol/disco#info' node='order'>"
		"<identity category='automation' type='command-node' name='Order'/>"
		"<feature var='" COMMANDS "'/><feature var='jabber:x:data'/></query></iq>");
	say_to("a@b.example/r", DOMAIN, "get", DISCO("info", COMMANDS));
	assert_sent(&s, "<iq type='result' " ANSWERED " id='1'>"
		"<query xmlns='http://jabber.org/protocol/disco#info' node='" COMMANDS "'>"
		"<identity category='automation' type='command-list'/></query></iq>");
	say_to("a@b.example/r", DOMAIN, "get", DISCO("items", "order"));
	assert_sent(&s, "<iq type='result' " ANSWERED " id='1'>"
		"<query xmlns='http://jabber.org/protocol/disco#items' node='order'/></iq>");
	say_to("a@b.example/r", DOMAIN, "get", DISCO("info", "secret"));
	assert_error(STENTOR_ITEM_NOT_FOUND, "cancel", NULL);
	say_to("a@b.example/r", DOMAIN, "get", "<query "
		"xmlns='http://jabber.org/protocol/disco#info'/>");
	buf_byte(&s.out, '\0');
	assert_non_null(strstr(s.out.p, "<feature var='" COMMANDS "'/>"));
	buf_reset(&s.out);
	say_to("a@b.example/r", DOMAIN, "get", "<command xmlns='" COMMANDS "' node='once'/>");
	came(&tree);
	assert_true(stentor_stanza_error(tree, NULL, NULL));
	stentor_element_free(&tree);
	side_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_one_step),
		cmocka_unit_test(in_two_forms),
		cmocka_unit_test(back_and_forth),
		cmocka_unit_test(canceled),
		cmocka_unit_test(errors),
		cmocka_unit_test(of_somebody_else),
		cmocka_unit_test(answered_later),
		cmocka_unit_test(time_runs_out),
		cmocka_unit_test(too_many),
		cmocka_unit_test(too_many_of_all),
		cmocka_unit_test(too_many_forms),
		cmocka_unit_test(discovery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
