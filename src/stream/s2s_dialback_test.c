/* Dialback on an incoming stream between servers, and whose stanzas are taken, by raw bytes: one
 * rule a row, each also with the bytes cut one by one. Sections are those of RFC 6120 where nothing
 * else is said. */
#include "stream/s2s_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define VALID "<db:result from='a.example' to='c.example' type='valid'/>"

#define CHECK(rows) s2s_check_rows(rows, sizeof(rows) / sizeof(rows)[0], s2s_begin_incoming)

/* ---- dialback ---- */

#define DB_ERROR(name, id, type, condition)                                                  \
	"<db:" name " from='a.example' to='c.example'" id " type='error'><error type='" type \
	"'><" condition " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:" name ">"
#define LONG_KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TOO_LONG LONG_KEY LONG_KEY LONG_KEY LONG_KEY "x"

static const struct s2s_row dialback[] = {
	{ "XEP-0220 example 11: valid", IN_CLEAR, 0, IN_RESULT, VALID,
		"result c.example a.example key\n", NULL },
	{ "XEP-0220 section 2.2: inside TLS", IN_SECURE, 0, IN_RESULT IN_MESSAGE, VALID,
		"x@c.example to y@a.example: ", NULL },
	{ "the same, without version", IN_RAW, 0, IN_OLD IN_RESULT IN_MESSAGE, VALID,
		"x@c.example to y@a.example: ", NULL },
	{ "XEP-0220 section 2.1.1: white space around a key", IN_CLEAR, 0,
		"<db:result from='c.example' to='a.example'>\n  key\n</db:result>", VALID,
		"result c.example a.example key\n", NULL },
	{ "another prefix", IN_RAW, 0,
		"<stream:stream xmlns='jabber:server' " STREAMS " xmlns:dialback="
		"'jabber:server:dialback' from='c.example' to='a.example' version='1.0'>"
		"<dialback:result from='c.example' to='a.example'>key</dialback:result>", VALID,
		NULL, NULL },
	{ "no prefix", IN_CLEAR, 0, "<result xmlns='jabber:server:dialback' from='c.example' "
		"to='a.example'>key</result>", VALID, NULL, NULL },
	{ "XEP-0220 example 12: invalid, and the end", IN_CLEAR, WRONG, IN_RESULT,
		"<db:result from='a.example' to='c.example' type='invalid'/></stream:stream>",
		"closed by us, no error", NULL },
	{ "XEP-0220 section 2.2.1: nothing behind it", IN_CLEAR, WRONG, IN_RESULT IN_MESSAGE, NULL,
		NULL, " to y@" },
	{ "XEP-0220 section 2.2.1: invalid beside a pair", IN_DIALED, WRONG,
		"<db:result from='d.example' to='a.example'>key</db:result>" IN_MESSAGE,
		"<db:result from='a.example' to='d.example' type='error'><error type='auth'><forbidden",
		"x@c.example to y@a.example: ", "type='invalid'" },
	{ "XEP-0220 example 10: no such host", IN_CLEAR, 0,
		"<db:result from='c.example' to='b.example'>key</db:result>" IN_RESULT,
		"<db:result from='b.example' to='c.example' type='error'><error type='cancel'>"
		"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>"
		VALID, NULL, NULL },
	{ "XEP-0220 section 2.6.1: another sender", IN_DIALED, 0,
		"<db:result from='rooms.c.example' to='a.example'>key</db:result>"
		"<message from='r@rooms.c.example' to='y@a.example'/>",
		"<db:result from='a.example' to='rooms.c.example' type='valid'/>",
		"r@rooms.c.example to y@a.example", NULL },
	{ "XEP-0220 section 2.6.2: another target", IN_DIALED, 0,
		"<db:result from='c.example' to='rooms.a.example'>key</db:result>"
		"<message from='x@c.example' to='r@rooms.a.example'/>",
		"<db:result from='rooms.a.example' to='c.example' type='valid'/>",
		"x@c.example to r@rooms.a.example", NULL },
	{ "XEP-0220 section 2.6: behind EXTERNAL too", IN_AUTHED, 0,
		"<db:result from='c.example' to='rooms.a.example'>key</db:result>", "type='valid'",
		NULL, NULL },
	{ "XEP-0220 section 2.5: no room", IN_CLEAR, BUSY, IN_RESULT,
		DB_ERROR("result", "", "wait", "resource-constraint"), NULL, NULL },
	{ "XEP-0220 section 2.5: no key", IN_CLEAR, 0,
		"<db:result from='c.example' to='a.example'/>",
		DB_ERROR("result", "", "modify", "not-acceptable"), NULL, "result c.example" },
	{ "XEP-0220 section 2.5: a key without end", IN_CLEAR, 0,
		"<db:result from='c.example' to='a.example'>" TOO_LONG "</db:result>",
		DB_ERROR("result", "", "modify", "not-acceptable"), NULL, "result c.example" },
	{ "XEP-0220 section 2.4.1: not offered", IN_CLEAR, NO_DIALBACK, IN_RESULT,
		"<unsupported-stanza-type", NULL, "result c.example" },
	{ "section 4.9.3.7: from nobody", IN_CLEAR, 0, "<db:result to='a.example'>key</db:result>",
		"<improper-addressing", NULL, "result" },
	{ "section 4.9.3.7: to nobody", IN_CLEAR, 0, "<db:result from='c.example'>key</db:result>",
		"<improper-addressing", NULL, "result" },
	{ "section 4.9.3.7: from no domain", IN_CLEAR, 0,
		"<db:result from='x@c.example' to='a.example'>key</db:result>",
		"<improper-addressing", NULL, "result" },
	{ "XEP-0220 example 15: a key of ours", IN_CLEAR, 0, IN_VERIFY,
		"<db:verify from='a.example' to='c.example' id='42' type='valid'/>",
		"verify c.example a.example 42 key\n", NULL },
	{ "XEP-0220 example 16: a key of others", IN_CLEAR, WRONG, IN_VERIFY IN_VERIFY,
		"<db:verify from='a.example' to='c.example' id='42' type='invalid'/>", NULL,
		"closed" },
	{ "XEP-0220 example 14: no such host", IN_CLEAR, 0,
		"<db:verify from='c.example' to='b.example' id='42'>key</db:verify>" IN_VERIFY,
		"<db:verify from='b.example' to='c.example' id='42' type='error'><error type='cancel'>"
		"<item-not-found", NULL, "closed" },
	{ "XEP-0220 section 2.2: a question on a stream with pairs", IN_DIALED, 0, IN_VERIFY,
		"type='valid'", NULL, NULL },
	{ "a question gives no rights", IN_CLEAR, 0, IN_VERIFY IN_MESSAGE, "<not-authorized", NULL,
		" to y@" },
	{ "a question with an id to be escaped", IN_CLEAR, 0,
		"<db:verify from='c.example' to='a.example' id='&lt;&apos;'>key</db:verify>",
		" id='&lt;&apos;' type='valid'", NULL, NULL },
	{ "no key is nobody's", IN_CLEAR, 0, "<db:verify from='c.example' to='a.example' id='42'/>",
		"id='42' type='invalid'", NULL, "verify c.example" },
	{ "XEP-0220 section 6.1: a question about no stream", IN_CLEAR, 0,
		"<db:verify from='c.example' to='a.example'>key</db:verify>", "<bad-format", NULL,
		"verify c.example" },
	{ "an id without end", IN_CLEAR, 0,
		"<db:verify from='c.example' to='a.example' id='" TOO_LONG
		"'>key</db:verify>", "<bad-format", NULL, "verify c.example" },
	{ "XEP-0220 section 3.1: an answer to no question", IN_CLEAR, 0,
		"<db:result from='c.example' to='a.example' type='valid'/>" IN_MESSAGE,
		"<not-authorized", NULL, "answered" },
	{ "XEP-0220 section 3.1: a verdict on no question", IN_DIALED, 0,
		"<db:verify from='c.example' to='a.example' id='42' type='valid'/>" IN_MESSAGE,
		NULL, "x@c.example to y@a.example: ", "answered" },
	{ "section 4.9.3.1: an unknown type", IN_CLEAR, 0,
		"<db:result from='c.example' to='a.example' type='maybe'>key</db:result>",
		"<bad-format", NULL, "result" },
	{ "section 4.9.3.24: another element of dialback", IN_CLEAR, 0, "<db:x/>",
		"<unsupported-stanza-type", NULL, NULL },
};

static void test_dialback(void **state)
{
	CHECK(dialback);
}

/* XEP-0220 section 2.2.1: other pairs go on while one waits. */
static void test_dialback_waits(void **state)
{
	struct s2s_side x;

	s2s_begin_incoming(&x, &(struct s2s_row){ .level = IN_DIALED }, false);
	x.late = true;
	s2s_side_send(&x,
		"<db:result from='d.example' to='a.example'>key</db:result>" IN_MESSAGE IN_VERIFY,
		false);
	assert_false(x.loop.paused);
	assert_true(s2s_side_told(&x, "x@c.example to y@a.example: "));
	assert_true(s2s_side_told(&x, "verify c.example"));
	assert_true(s2s_authorise(&x.stream, STR("d.example"), STR("a.example")));
	s2s_db_answer(&x.stream, STR("d.example"), STR("a.example"), S2S_VALID, ERR_COUNT);
	s2s_side_send(&x, "<message from='z@d.example' to='y@a.example'/>", false);
	assert_true(s2s_side_told(&x, "z@d.example to y@a.example"));
	s2s_side_end(&x);
}

/* ---- stanzas ---- */

static const struct s2s_row stanzas[] = {
	{ "section 4.9.3.12: before authorisation", IN_SECURE, 0, IN_MESSAGE, "<not-authorized",
		NULL, " to y@" },
	{ "behind it", IN_DIALED, 0, IN_MESSAGE, NULL, "x@c.example to y@a.example: " IN_MESSAGE,
		NULL },
	{ "section 4.8.2: the namespace written", IN_DIALED, 0,
		"<iq xmlns='jabber:server' from='c.example' to='a.example' id='1' type='get'>"
		"<q xmlns='urn:q'/></iq>", NULL,
		"c.example to a.example: <iq from='c.example' to='a.example' id='1' type='get'>"
		"<q xmlns='urn:q'/></iq>", NULL },
	{ "section 4.8.2: the namespace by a prefix", IN_DIALED, 0,
		"<s:message xmlns:s='jabber:server' from='x@c.example' to='y@a.example'/>", NULL,
		"x@c.example to y@a.example: <message", NULL },
	{ "section 4.8.3: the namespace of clients", IN_DIALED, 0,
		"<message xmlns='jabber:client' from='x@c.example' to='y@a.example'/>",
		"<invalid-namespace", "closed by us, invalid-namespace", " to y@" },
	{ "section 4.8.3: the namespace of clients by a prefix", IN_DIALED, 0,
		"<c:message xmlns:c='jabber:&#99;lient' from='x@c.example' to='y@a.example'/>",
		"<invalid-namespace", NULL, " to y@" },
	{ "section 4.8.3: the namespace of clients within another", IN_DIALED, 0,
		"<message from='x@c.example' to='y@a.example'><f xmlns='urn:f'>"
		"<message xmlns='jabber:client'/></f></message>", NULL,
		"<f xmlns='urn:f'><message xmlns='jabber:client'/></f>", NULL },
	{ "section 4.9.3.9: a domain of others", IN_DIALED, 0,
		"<message from='x@d.example' to='y@a.example'/>", "<invalid-from",
		"closed by us, invalid-from", " to y@" },
	{ "section 4.9.3.9: a domain within", IN_DIALED, 0,
		"<message from='x@z.c.example' to='y@a.example'/>", "<invalid-from", NULL,
		" to y@" },
	{ "section 4.9.3.9: another pair", IN_DIALED, 0,
		"<message from='x@c.example' to='r@rooms.a.example'/>", "<invalid-from", NULL,
		" to r@" },
	{ "section 4.9.3.9: who we are is not told to others", IN_DIALED, 0,
		"<message from='x@d.example' to='y@b.example'/>", "<invalid-from", NULL, " to y@" },
	{ "section 4.9.3.6: a host of others", IN_DIALED, 0,
		"<message from='x@c.example' to='y@b.example'/>", "<host-unknown", NULL, " to y@" },
	{ "section 8.1.2.2: no from", IN_DIALED, 0, "<message to='y@a.example'/>",
		"<improper-addressing", NULL, " to y@" },
	{ "section 8.1.1.2: no to", IN_DIALED, 0, "<message from='x@c.example'/>",
		"<improper-addressing", NULL, NULL },
	{ "section 4.9.3.7: an empty from", IN_DIALED, 0, "<message from='' to='y@a.example'/>",
		"<improper-addressing", NULL, NULL },
	{ "section 4.9.3.7: a to that is no address", IN_DIALED, 0,
		"<message from='x@c.example' to='@a.example'/>", "<improper-addressing", NULL,
		NULL },
	{ "section 4.9.3.24: no stanza", IN_DIALED, 0, "<log from='x@c.example' to='y@a.example'/>",
		"<unsupported-stanza-type", NULL, NULL },
	{ "XEP-0198: behind authorisation", IN_DIALED, 0, "<enable xmlns='urn:xmpp:sm:3'/>", NULL,
		"nonza <enable xmlns='urn:xmpp:sm:3'/>", "closed" },
	{ "XEP-0198: not before", IN_SECURE, 0, "<enable xmlns='urn:xmpp:sm:3'/>",
		"<unsupported-stanza-type", NULL, "nonza" },
	{ "XEP-0198: nobody's", IN_DIALED, 0, "<what xmlns='urn:xmpp:sm:3'/>",
		"<unsupported-stanza-type", NULL, NULL },
};

static void test_stanzas(void **state)
{
	CHECK(stanzas);
}

/* ---- ends ---- */

static void end_in_order(struct s2s *s)
{
	s2s_end(s);
}

static void stop(struct s2s *s)
{
	s2s_close(s, STREAM_SYSTEM_SHUTDOWN, STR(""));
}

static void give_up(struct s2s *s)
{
	s2s_close(s, STREAM_CONNECTION_TIMEOUT, STR(""));
}

/* Section 4.4, item 2: what the peer had sent before it read our end is taken, until its own end. */
static const struct {
	const char *name;
	void (*end)(struct s2s *s);
	const char *in;
	const char *told;   /* or NULL: nothing */
	bool over;          /* nothing more is taken behind it */
} ends[] = {
	{ "closed in order", end_in_order, IN_MESSAGE IN_MESSAGE, "x@c.example to y@a.example: ",
		false },
	{ "system-shutdown", stop, IN_MESSAGE, "x@c.example to y@a.example: ", false },
	{ "the peer's end", end_in_order, IN_MESSAGE "</stream:stream>",
		"x@c.example to y@a.example: ", true },
	{ "the peer's fault", give_up, IN_MESSAGE, NULL, true },
	{ "a forged sender", end_in_order, "<message from='x@d.example' to='y@a.example'/>"
		IN_MESSAGE, NULL, true },
	{ "no XML", end_in_order, "<<" IN_MESSAGE, NULL, true },
	{ "dialback", end_in_order, IN_RESULT IN_VERIFY, NULL, false },
	{ "stream management", end_in_order, "<r xmlns='urn:xmpp:sm:3'/>", NULL, false },
	{ "a stream error", end_in_order, "<stream:error><conflict "
		"xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", NULL, false },
};

static void test_ends(void **state)
{
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		struct s2s_side x;
		s2s_begin_incoming(&x, &(struct s2s_row){ .level = IN_DIALED }, false);
		ends[i].end(&x.stream);
		size_t written = x.loop.out.n, told = x.events.n;
		assert_int_equal(x.closed, 1);
		s2s_side_send(&x, ends[i].in, i % 2);
		if (ends[i].told)
			assert_true(s2s_side_told(&x, ends[i].told));
		else
			assert_int_equal(x.events.n, told);
		assert_int_equal(x.loop.out.n, written);
		assert_int_equal(x.loop.finished, ends[i].over);
		s2s_stop_draining(&x.stream);
		assert_true(x.loop.finished);
		s2s_side_end(&x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialback),
		cmocka_unit_test(test_dialback_waits),
		cmocka_unit_test(test_stanzas),
		cmocka_unit_test(test_ends),
	};

	log_setup(LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
