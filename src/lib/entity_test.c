/* What an entity does with stanzas (RFC 6120 section 8), and what it answers by itself: XEP-0030,
 * XEP-0199, XEP-0092. */
#include "lib/testing.h"

/* A text as what handlers are given. */
#define USER(text) ((void *)(text))

#define ERRORS "urn:ietf:params:xml:ns:xmpp-stanzas"
#define REFUSED(kind, attrs, type, condition)                                          \
	"<" kind " type='error' " ANSWERED attrs "><error type='" type "'><" condition " "     \
	"xmlns='" ERRORS "'/></error></" kind ">"
#define UNAVAILABLE(kind, attrs) REFUSED(kind, attrs, "cancel", "service-unavailable")

static struct side s;

/* ---- what nobody handles (RFC 6120 sections 8.2.3, 8.3.1, 8.4; RFC 6121 section 8.5) ---- */

static void what_nobody_handles(void **state)
{
	static const struct {
		const char *name, *says, *answer;
	} cases[] = {
		{ "a get", "<iq type='get' id='1' " ADDRESSED "><x xmlns='y'/></iq>",
			UNAVAILABLE("iq", " id='1'") },
		{ "a set", "<iq type='set' id='1' " ADDRESSED "><x xmlns='y'/></iq>",
			UNAVAILABLE("iq", " id='1'") },
		{ "a result", "<iq type='result' id='1' " ADDRESSED "/>", "" },
		{ "an error", "<iq type='error' id='1' " ADDRESSED "/>", "" },
		{ "a message", "<message type='chat' id='1' " ADDRESSED "><body>a</body></message>",
			UNAVAILABLE("message", " id='1'") },
		{ "a message without id", "<message " ADDRESSED "/>", UNAVAILABLE("message", "") },
		{ "a headline", "<message type='headline' " ADDRESSED "/>", "" },
		{ "an error of a message", "<message type='error' " ADDRESSED "/>", "" },
		{ "presence", "<presence " ADDRESSED "/>", "" },
		{ "subscription", "<presence type='subscribe' " ADDRESSED "/>", "" },
		{ "no from", "<iq type='get' id='1' to='" DOMAIN "'><x xmlns='y'/></iq>", "" },
		{ "no to", "<iq type='get' id='1' from='a@b'><x xmlns='y'/></iq>", "" },
		{ "from is no address", "<message from='a@' to='" DOMAIN "'/>", "" },
		{ "for somebody else", "<message from='a@b' to='other.example'/>", "" },
		{ "nearly ours", "<message from='a@b' to='x" DOMAIN "'/>", "" },
	};

	side_open(&s);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		print_message("%s\n", cases[i].name);
		side_say(&s, cases[i].says);
		assert_sent(&s, cases[i].answer);
	}
	side_clear(&s);
}

/* Section 8.2.3, rules 1, 2 and 5. */
static void malformed_iqs(void **state)
{
	static const char *const says[] = {
		"<iq type='get' " ADDRESSED "><x xmlns='y'/></iq>",
		"<iq type='get' id='1' " ADDRESSED "/>",
		"<iq type='get' id='1' " ADDRESSED "><x xmlns='y'/><z xmlns='y'/></iq>",
		"<iq id='1' " ADDRESSED "><x xmlns='y'/></iq>",
		"<iq type='put' id='1' " ADDRESSED "><x xmlns='y'/></iq>",
	};

	side_open(&s);
	for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
		side_say(&s, says[i]);
		buf_byte(&s.out, '\0');
		assert_non_null(strstr(s.out.p, "<bad-request xmlns='" ERRORS "'/>"));
		buf_reset(&s.out);
	}
	side_clear(&s);
}

/* ---- handlers ---- */

static bool on_iq(struct stentor_entity *e, const struct stentor_element *iq, void *user)
{
	const struct stentor_element *payload = stentor_element_child(iq, NULL, NULL);

	assert_ptr_equal(e, s.e);
	buf_printf(&s.told, "%s %s\n", (const char *)user, stentor_element_name(payload));
	if (strcmp(user, "passes"))
		stentor_send(e, stentor_answer_new(iq));
	return strcmp(user, "passes") != 0;
}

static void handlers_of_iqs(void **state)
{
	side_open(&s);
	stentor_on_iq(s.e, "get", "urn:a", "x", on_iq, USER("passes"));
	stentor_on_iq(s.e, NULL, "urn:a", NULL, on_iq, USER("any"));
	stentor_on_iq(s.e, "get", "urn:xmpp:ping", "ping", on_iq, USER("ping"));
	side_say(&s, "<iq type='get' id='1' " ADDRESSED "><x xmlns='urn:a'/></iq>"
		"<iq type='set' id='2' " ADDRESSED "><x xmlns='urn:a'/></iq>"
		"<iq type='get' id='3' " ADDRESSED "><ping xmlns='urn:xmpp:ping'/></iq>"
		"<iq type='get' id='4' " ADDRESSED "><x xmlns='urn:b'/></iq>");
	assert_told(&s, "passes x\nany x\nany x\nping ping\n");
	assert_sent(&s, "<iq type='result' " ANSWERED " id='1'/>"
		"<iq type='result' " ANSWERED " id='2'/>"
		"<iq type='result' " ANSWERED " id='3'/>" UNAVAILABLE("iq", " id='4'"));
	side_clear(&s);
}

static bool on_message(struct stentor_entity *e, const struct stentor_element *message, void *user)
{
	buf_printf(&s.told, "%s>%s: %s\n", stentor_element_attribute(message, "from"),
		stentor_element_attribute(message, "to"),
		stentor_element_child_text(message, "jabber:client", "body"));
	return stentor_element_attribute(message, "id") != NULL;
}

static void on_presence(struct stentor_entity *e, const struct stentor_element *presence,
	void *user)
{
	const char *type = stentor_element_attribute(presence, "type");

	buf_printf(&s.told, "%s\n", type ? type : "available");
}

/* However a server writes a namespace, the element is the same; addresses come canonical. */
static void handlers_of_others(void **state)
{
	side_open(&s);
	stentor_on_message(s.e, on_message, NULL);
	stentor_on_presence(s.e, on_presence, NULL);
	side_say(&s, "<message id='1' from='A@B.Example/R' to='X@" DOMAIN "'>"
		"<body>1</body></message>"
		"<message xmlns='jabber:client' id='1' " ADDRESSED "><body>2</body></message>"
		"<c:message xmlns:c='jabber:component:accept' id='1' " ADDRESSED ">"
		"<c:body>3</c:body></c:message>"
		"<message " ADDRESSED "><body>4</body></message>"
		"<presence " ADDRESSED "/><presence type='probe' " ADDRESSED "/>");
	assert_told(&s, "a@b.example/R>x@" DOMAIN ": 1\na@b.example/r>" DOMAIN ": 2\n"
		"a@b.example/r>" DOMAIN ": 3\na@b.example/r>" DOMAIN ": 4\navailable\nprobe\n");
	assert_sent(&s, UNAVAILABLE("message", ""));
	side_clear(&s);
}

static bool on_deep(struct stentor_entity *e, const struct stentor_element *message, void *user)
{
	unsigned depth = 1;

	for (; (message = stentor_element_child(message, NULL, NULL)); depth++)
		;
	buf_printf(&s.told, "%u\n", depth);
	return true;
}

/* As deep as a tree may be, and no deeper. */
static void deep_stanzas(void **state)
{
	struct buf b;

	side_open(&s);
	stentor_on_message(s.e, on_deep, NULL);
	buf_init(&b, 4096);
	for (unsigned depth = STENTOR_DEPTH_MAX; depth <= STENTOR_DEPTH_MAX + 1; depth++) {
		buf_reset(&b);
		buf_lit(&b, "<message " ADDRESSED ">");
		for (unsigned i = 1; i < depth; i++)
			buf_lit(&b, "<a>");
		for (unsigned i = 1; i < depth; i++)
			buf_lit(&b, "</a>");
		buf_lit(&b, "</message>");
		side_send(&s, buf_str(&b));
		assert_told(&s, depth > STENTOR_DEPTH_MAX ? "closing\n" : "64\n");
	}
	assert_int_equal(stentor_component_error(s.c, NULL), STENTOR_PROTOCOL);
	buf_clear(&b);
	side_clear(&s);
}

/* ---- sending ---- */

static struct stentor_element *spoilt(void)
{
	struct stentor_element *m = stentor_message_new(NULL, NULL, "a@b");

	stentor_element_add_leaf(m, "body", NULL, "\x01");
	return m;
}

static struct stentor_element *large(void)
{
	struct stentor_element *m = stentor_message_new(NULL, NULL, "a@b");
	static char text[300000];

	memset(text, 'x', sizeof text - 1);
	stentor_element_add_leaf(m, "body", NULL, text);
	return m;
}

/* XEP-0114 section 3: what would end the stream does not go out. */
static void what_is_not_sent(void **state)
{
	side_open(&s);
	assert_int_equal(stentor_send(s.e, NULL), STENTOR_OK);
	assert_int_equal(stentor_send(s.e, stentor_message_new(NULL, NULL, NULL)), STENTOR_INVALID);
	assert_int_equal(stentor_send(s.e, stentor_message_new(NULL, NULL, "a@")), STENTOR_INVALID);
	assert_int_equal(stentor_send(s.e, stentor_message_new(NULL, "a@b", "c@d")),
		STENTOR_INVALID);
	assert_int_equal(stentor_send(s.e, stentor_message_new(NULL, "a@x." DOMAIN, "c@d")),
		STENTOR_INVALID);
	assert_int_equal(stentor_send(s.e, stentor_element_new("stream", NULL)), STENTOR_INVALID);
	assert_int_equal(stentor_send(s.e, stentor_element_new("message", "urn:x")),
		STENTOR_INVALID);
	assert_int_equal(stentor_send(s.e, spoilt()), STENTOR_INVALID);
	assert_int_equal(stentor_send(s.e, large()), STENTOR_TOO_LARGE);
	side_turn(&s);
	assert_sent(&s, "");
	assert_int_equal(stentor_send(s.e, stentor_message_new(NULL, "x@" DOMAIN "/r", "c@d")),
		STENTOR_OK);
	assert_true(stentor_component_set_within(s.c, "Example"));
	assert_int_equal(stentor_send(s.e, stentor_message_new(NULL, "a@x.example", "c@d")),
		STENTOR_OK);
	assert_int_equal(stentor_send(s.e, stentor_message_new(NULL, "a@xexample", "c@d")),
		STENTOR_INVALID);
	side_turn(&s);
	assert_sent(&s, "<message from='x@" DOMAIN "/r' to='c@d'/>"
		"<message from='a@x.example' to='c@d'/>");
	side_clear(&s);
}

/* ---- asking ---- */

static void on_answer(struct stentor_entity *e, enum stentor_error error,
	const struct stentor_element *answer, void *user)
{
	buf_printf(&s.told, "%s %d %s\n", (const char *)user, (int)error,
		answer ? stentor_element_attribute(answer, "type") : "-");
}

static enum stentor_error ask(const char *to, const char *name)
{
	struct stentor_element *iq = stentor_iq_new("get", NULL, to);

	stentor_element_add(iq, "ping", "urn:xmpp:ping");
	return stentor_ask(s.e, iq, 10000, on_answer, USER(name));
}

/* The id of the last request that was sent. */
static void last_id(char id[64])
{
	buf_byte(&s.out, '\0');
	char *p = NULL, *at = s.out.p;

	while ((at = strstr(at, " id='")))
		p = at += 5;
	assert_non_null(p);
	snprintf(id, 64, "%.*s", (int)strcspn(p, "'"), p);
	buf_reset(&s.out);
}

static void answer(const char *type, const char *id, const char *from)
{
	struct arena mem;

	arena_init(&mem, 512);
	side_send(&s, str_printf(&mem, "<iq type='%s' id='%s' from='%s' to='" DOMAIN "'/>", type,
		id, from));
	arena_clear(&mem);
}

/* RFC 6120 section 8.1.3: only who was asked answers, and once. */
static void asking(void **state)
{
	char id[64];

	side_open(&s);
	assert_int_equal(ask("A@b", "one"), STENTOR_OK);
	side_turn(&s);
	last_id(id);
	answer("result", id, "x@b");
	answer("result", "other", "a@b");
	assert_told(&s, "");
	answer("result", id, "a@b");
	assert_told(&s, "one 0 result\n");
	answer("result", id, "a@b");
	assert_told(&s, "");
	ask("a@b/r", "two");
	side_turn(&s);
	last_id(id);
	answer("error", id, "a@b/r");
	assert_told(&s, "two 0 error\n");
	side_clear(&s);
}

static void asked_in_vain(void **state)
{
	char id[64];

	side_open(&s);
	ask("a@b", "slow");
	side_turn(&s);
	last_id(id);
	side_wait(&s, 9900);
	assert_told(&s, "");
	side_wait(&s, 200);
	assert_told(&s, "slow 5 -\n");
	answer("result", id, "a@b");
	assert_told(&s, "");
	ask("a@b", "lost");
	side_say(&s, "</stream:stream>");
	assert_told(&s, "lost 4 -\nclosing\n");
	assert_int_equal(ask("a@b", "late"), STENTOR_NOT_CONNECTED);
	assert_int_equal(ask(NULL, "nobody"), STENTOR_INVALID);
	side_clear(&s);
	side_open(&s);
	ask("a@b", "freed");
	stentor_component_free(&s.c);
	assert_told(&s, "freed 4 -\n");
	side_clear(&s);
}

static void asked_too_much(void **state)
{
	side_open(&s);
	for (unsigned i = 0; i < STENTOR_ASKS_MAX; i++)
		assert_int_equal(ask("a@b", "x"), STENTOR_OK);
	assert_int_equal(ask("a@b", "x"), STENTOR_FULL);
	assert_int_equal(stentor_ask(s.e, stentor_iq_new("result", NULL, "a@b"), 1, on_answer,
		NULL), STENTOR_INVALID);
	assert_int_equal(stentor_ask(s.e, NULL, 1, on_answer, NULL), STENTOR_INVALID);
	side_clear(&s);
}

/* ---- service discovery, ping, version ---- */

#define INFO      "http://jabber.org/protocol/disco#info"
#define ITEMS     "http://jabber.org/protocol/disco#items"
#define GET(to, payload) \
	"<iq type='get' id='1' from='a@b.example/r' to='" to "'>" payload "</iq>"
#define RESULT(to, payload) \
	"<iq type='result' from='" to "' to='a@b.example/r' id='1'>" payload "</iq>"
#define FEATURES "<feature var='" INFO "'/><feature var='" ITEMS "'/><feature var='urn:xmpp:ping'/>"

/* XEP-0030 section 3.1: at least one identity. */
static void discovery_of_nothing(void **state)
{
	side_open(&s);
	side_say(&s, GET(DOMAIN, "<query xmlns='" INFO "'/>"));
	assert_sent(&s, RESULT(DOMAIN, "<query xmlns='" INFO "'><identity category='component' "
		"type='generic'/>" FEATURES "</query>"));
	side_say(&s, GET(DOMAIN, "<query xmlns='" ITEMS "'/>"));
	assert_sent(&s, RESULT(DOMAIN, "<query xmlns='" ITEMS "'/>"));
	side_say(&s, GET(DOMAIN, "<query xmlns='jabber:iq:version'/>"));
	assert_sent(&s, UNAVAILABLE("iq", " id='1'"));
	side_say(&s, GET(DOMAIN, "<ping xmlns='urn:xmpp:ping'/>"));
	assert_sent(&s, "<iq type='result' " ANSWERED " id='1'/>");
	side_say(&s, GET("x@" DOMAIN, "<ping xmlns='urn:xmpp:ping'/>"));
	buf_byte(&s.out, '\0');
	assert_non_null(strstr(s.out.p, "service-unavailable"));
	side_clear(&s);
}

/* Sections 3 and 4; 3.3: item-not-found for a node that is none. */
static void discovery(void **state)
{
	side_open(&s);
	stentor_add_identity(s.e, STENTOR_HERE, "gateway", "irc", "G");
	stentor_add_identity(s.e, STENTOR_USERS, "client", "bot", NULL);
	stentor_add_feature(s.e, STENTOR_HERE | STENTOR_USERS, "urn:both");
	stentor_add_feature(s.e, STENTOR_USERS, "urn:users");
	stentor_add_item(s.e, STENTOR_HERE, "x@" DOMAIN, "n", "X");
	stentor_set_version(s.e, "Thing", "1.0", NULL);
	side_say(&s, GET(DOMAIN, "<query xmlns='" INFO "'/>"));
	assert_sent(&s, RESULT(DOMAIN, "<query xmlns='" INFO "'><identity category='gateway' "
		"type='irc' name='G'/>" FEATURES "<feature var='jabber:iq:version'/>"
		"<feature var='urn:both'/></query>"));
	side_say(&s, GET("x@" DOMAIN "/r", "<query xmlns='" INFO "'/>"));
	assert_sent(&s, RESULT("x@" DOMAIN "/r", "<query xmlns='" INFO "'>"
		"<identity category='client' type='bot'/>" FEATURES
		"<feature var='jabber:iq:version'/>"
		"<feature var='urn:both'/><feature var='urn:users'/></query>"));
	side_say(&s, GET(DOMAIN, "<query xmlns='" ITEMS "'/>"));
	assert_sent(&s, RESULT(DOMAIN, "<query xmlns='" ITEMS "'>"
		"<item jid='x@" DOMAIN "' node='n' name='X'/></query>"));
	side_say(&s, GET(DOMAIN, "<query xmlns='" INFO "' node='other'/>"));
	assert_sent(&s, REFUSED("iq", " id='1'", "cancel", "item-not-found"));
	side_say(&s, GET(DOMAIN, "<query xmlns='" ITEMS "' node='other'/>"));
	assert_sent(&s, REFUSED("iq", " id='1'", "cancel", "item-not-found"));
	side_say(&s, GET(DOMAIN, "<query xmlns='jabber:iq:version'/>"));
	assert_sent(&s, RESULT(DOMAIN, "<query xmlns='jabber:iq:version'><name>Thing</name>"
		"<version>1.0</version></query>"));
	side_clear(&s);
}

/* ---- timers ---- */

static struct stentor_timer *timer;

static void on_timer(struct stentor_entity *e, void *user)
{
	buf_printf(&s.told, "%s\n", (const char *)user);
	if (!strcmp(user, "frees"))
		stentor_timer_free(&timer);
	else
		stentor_timer_set(timer, 1000);
}

static void timers(void **state)
{
	side_open(&s);
	timer = stentor_timer_new(s.e, on_timer, USER("again"));
	side_wait(&s, 5000);
	assert_told(&s, "");
	stentor_timer_set(timer, 1000);
	side_wait(&s, 900);
	assert_told(&s, "");
	side_wait(&s, 150);
	assert_told(&s, "again\n");
	side_wait(&s, 1050);
	assert_told(&s, "again\n");
	stentor_timer_stop(timer);
	side_wait(&s, 5000);
	assert_told(&s, "");
	stentor_timer_free(&timer);
	assert_null(timer);
	timer = stentor_timer_new(s.e, on_timer, USER("frees"));
	stentor_timer_set(timer, 0);
	side_wait(&s, 20);
	assert_told(&s, "frees\n");
	assert_null(timer);
	stentor_timer_set(stentor_timer_new(s.e, on_timer, USER("is left")), 1000);
	side_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_handles),
		cmocka_unit_test(malformed_iqs),
		cmocka_unit_test(handlers_of_iqs),
		cmocka_unit_test(handlers_of_others),
		cmocka_unit_test(deep_stanzas),
		cmocka_unit_test(what_is_not_sent),
		cmocka_unit_test(asking),
		cmocka_unit_test(asked_in_vain),
		cmocka_unit_test(asked_too_much),
		cmocka_unit_test(discovery_of_nothing),
		cmocka_unit_test(discovery),
		cmocka_unit_test(timers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
