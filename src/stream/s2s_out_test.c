/* An outgoing stream between servers: what it says to what a peer says, by raw bytes, one rule a
 * row, each also with the bytes cut one by one. Sections are those of RFC 6120 where nothing else
 * is said. */
#include "stream/s2s_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define OPEN_AS(attrs) "<stream:stream xmlns='jabber:server' " STREAMS " " attrs ">"
#define PEER      OPEN_AS(DB " id='ID1' from='c.example' to='a.example' version='1.0'")
#define PEER_OLD  OPEN_AS(DB " id='ID1'")
#define OURS      "<?xml version='1.0'?><stream:stream xmlns='jabber:server' " STREAMS " " DB \
	" version='1.0' xml:lang='en' from='a.example' to='c.example'>"
#define SASL      "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
#define TLS       "xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
#define FEATURES(in) "<stream:features>" in "</stream:features>"
#define F_TLS      "<starttls " TLS "/>"
#define F_EXTERNAL "<mechanisms " SASL "><mechanism>PLAIN</mechanism>" \
	"<mechanism>EXTERNAL</mechanism></mechanisms>"
#define F_BIDI     "<bidi xmlns='urn:xmpp:features:bidi'/>"
#define F_DIALBACK "<dialback xmlns='urn:xmpp:features:dialback'/>"
#define F_ERRORS   "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
#define F_SM       "<sm xmlns='urn:xmpp:sm:3'/>"
#define F_ALL      FEATURES(F_EXTERNAL F_BIDI F_ERRORS F_SM)
#define PROCEED    "<proceed " TLS "/>"
#define SUCCESS    "<success " SASL "/>"
#define FAILURE    "<failure " SASL "><not-authorized/></failure>"
#define ASK        "<db:result from='a.example' to='c.example'>key2</db:result>"
#define ASK_VERIFY "<db:verify from='a.example' to='c.example' id='42'>key1</db:verify>"
#define VALID      "<db:result from='c.example' to='a.example' type='valid'/>"
#define AUTH       "<auth " SASL " mechanism='EXTERNAL'>YS5leGFtcGxl</auth>"
#define MESSAGE    "<message from='x@c.example' to='y@a.example'><body>b</body></message>"

/* Where a row begins. */
enum level {
	BEGUN,   /* our header has gone out */
	OPENED,  /* the peer's has come, too */
	SECURE,  /* behind TLS, the peer's header has come */
	READY,   /* behind TLS, F_ALL has come and the user does its part */
	ACCEPTED /* EXTERNAL succeeded, and the stream is open again */
};

static void set_up(struct s2s_side *x, unsigned how)
{
	s2s_side_new_outgoing(x, how & MUST_TLS);
	s2s_side_set(x, how);
	s2s_begin(&x->stream);
}

static void reach(struct s2s_side *x, unsigned level, bool cut)
{
	if (level >= SECURE) {
		s2s_side_send(x, PEER FEATURES(F_TLS) PROCEED, cut);
		s2s_side_shake(x);
	}
	if (level >= OPENED)
		s2s_side_send(x, PEER, cut);
	if (level >= READY)
		s2s_side_send(x, F_ALL, cut);
	if (level == ACCEPTED)
		s2s_side_send(x, SUCCESS PEER F_ALL, cut);
	if (level == BEGUN)
		return;
	buf_reset(&x->loop.out);
	buf_reset(&x->events);
}

static void begin(struct s2s_side *x, const struct s2s_row *r, bool cut)
{
	set_up(x, r->how);
	reach(x, r->level, cut);
}

#define CHECK(rows) s2s_check_rows(rows, sizeof(rows) / sizeof(rows)[0], begin)

/* ---- headers and features ---- */

#define ID_64   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONG_ID ID_64 ID_64 ID_64 ID_64

static const struct s2s_row headers[] = {
	{ "section 4.7, XEP-0220 section 2.4.1: the header", BEGUN, 0, "", OURS, NULL, " id='" },
	{ "section 4.9.3.10: a client's stream", BEGUN, 0,
		"<stream:stream xmlns='jabber:client' " STREAMS " id='ID1' version='1.0'>",
		"<invalid-namespace", NULL, "ready" },
	{ "section 4.9.3.25: another version", BEGUN, 0, OPEN_AS(DB " id='ID1' version='x'"),
		"<unsupported-version", NULL, "ready" },
	{ "section 4.9.3.1: another element", BEGUN, 0,
		"<stream:s xmlns='jabber:server' " STREAMS ">", "<bad-format", NULL, "ready" },
	{ "section 4.3.2: features are awaited", OPENED, 0, "", NULL, NULL, "ready" },
	{ "section 4.9.1.1: an error instead of features", OPENED, 0, "<stream:error><host-unknown "
		"xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
		"</stream:stream>", "closed by peer, host-unknown", "<stream:error>" },
	{ "section 4.9.1.2: an error behind a header without id", BEGUN, 0, OPEN_AS("version='1.0'")
		"<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
		"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>go away</text></stream:error>",
		NULL, "closed by peer, policy-violation", NULL },
	{ "section 4.9.3.12: stanzas before features", OPENED, 0, MESSAGE, "<not-authorized", NULL,
		" to y@" },
	{ "no TLS, and none is wanted", OPENED, 0, FEATURES(""), NULL, "ready 2\n", "starttls" },
	{ "section 4.3.2: all features", OPENED, 0, F_ALL, NULL, "ready 30\n", NULL },
	{ "XEP-0220 section 2.4.2: without errors", OPENED, 0, FEATURES(F_DIALBACK), NULL,
		"ready 2\n", NULL },
	{ "XEP-0220 section 2.4.1: only the feature says so", BEGUN, 0,
		OPEN_AS("id='ID1' version='1.0'")
		FEATURES(F_DIALBACK), NULL, "ready 2\n", NULL },
	{ "XEP-0220 section 2.4.1: no dialback", BEGUN, 0, OPEN_AS("id='ID1' version='1.0'")
		FEATURES(""), NULL, "ready 0\n", NULL },
	{ "section 4.7.3: no dialback without an id", BEGUN, DO_RESULT, OPEN_AS(DB " version='1.0'")
		FEATURES(F_SM), NULL, "ready 16\n", "db:result" },
	{ "section 4.7.3: nor with one without end", BEGUN, DO_RESULT,
		OPEN_AS(DB " id='" LONG_ID "x' version='1.0'") FEATURES(F_SM), NULL, "ready 16\n",
		"db:result" },
	{ "section 4.7.5: no version", BEGUN, DO_RESULT, PEER_OLD, ASK, "ready 34\n", NULL },
	{ "the same, and TLS is wanted", BEGUN, MUST_TLS | DO_RESULT, PEER_OLD, "<policy-violation",
		"closed by us, policy-violation", "ready" },
	{ "section 6.3.4: no mechanism of ours", SECURE, 0,
		FEATURES("<mechanisms " SASL "><mechanism>PLAIN</mechanism></mechanisms>"), NULL,
		"ready 2\n", NULL },
	{ "section 6.3.4: no EXTERNAL in clear", OPENED, 0, FEATURES(F_EXTERNAL), NULL, "ready 2\n",
		NULL },
	{ "section 4.3.2: features once", OPENED, 0, FEATURES("") F_ALL, NULL, "ready 2\n",
		"ready 30" },
};

static void test_headers(void **state)
{
	CHECK(headers);
}

/* ---- TLS ---- */

static const struct s2s_row tls[] = {
	{ "section 5.4.2.1: it is asked for where it is offered", OPENED, 0, FEATURES(F_TLS F_BIDI),
		"<starttls " TLS "/>", NULL, "ready" },
	{ "section 5.3.1: required", OPENED, 0,
		FEATURES("<starttls " TLS "><required/></starttls>"),
		"<starttls " TLS "/>", NULL, "ready" },
	{ "section 13.8.1: stripped", OPENED, MUST_TLS, F_ALL, "<policy-violation",
		"closed by us, policy-violation", "ready" },
	{ "section 5.4.2.2: refused", OPENED, 0,
		FEATURES(F_TLS) "<failure " TLS "/></stream:stream>",
		"</stream:stream>", "closed by us, no error", "ready" },
	{ "TLS that cannot begin", OPENED, BROKEN_TLS, FEATURES(F_TLS) PROCEED, NULL,
		"closed by us, no error", "ready" },
	{ "section 5.4.2.3: proceed with what was not asked", OPENED, 0, PROCEED,
		"<unsupported-stanza-type", NULL, NULL },
	{ "section 5.4.3.3: nothing from before counts", OPENED, 0,
		FEATURES(F_TLS) PROCEED PEER F_ALL, NULL, "closed by us, no error", "ready" },
	{ "section 5.4.3.3: the features behind TLS", SECURE, MUST_TLS, F_ALL, NULL, "ready 31\n",
		NULL },
};

static void test_tls(void **state)
{
	CHECK(tls);
}

/* Section 5.4.3.3: the header is written again; XEP-0288 section 2.1: bidi counts behind TLS. */
static void test_restart(void **state)
{
	struct s2s_side x;

	set_up(&x, 0);
	s2s_side_send(&x, PEER FEATURES(F_TLS) PROCEED, false);
	buf_reset(&x.loop.out);
	s2s_begin(&x.stream); /* too early: the handshake is on */
	assert_int_equal(x.loop.out.n, 0);
	s2s_side_shake(&x);
	assert_true(s2s_side_told(&x, "secured\n"));
	assert_true(s2s_side_wrote(&x, OURS));
	s2s_side_end(&x);
}

/* XEP-0368: the header waits for the handshake. */
static void test_direct_tls(void **state)
{
	struct s2s_side x;

	s2s_side_new_outgoing(&x, true);
	s2s_expect_tls(&x.stream);
	s2s_begin(&x.stream);
	assert_int_equal(x.loop.out.n, 0);
	s2s_side_shake(&x);
	assert_true(s2s_side_wrote(&x, OURS));
	s2s_side_send(&x, PEER F_ALL, false);
	assert_true(s2s_side_told(&x, "ready 31\n"));
	s2s_side_end(&x);
}

/* Section 13.7.2: a certificate that is not good enough ends the connection. */
static void test_insecure(void **state)
{
	struct s2s_side x;

	set_up(&x, INSECURE);
	s2s_side_send(&x, PEER FEATURES(F_TLS) PROCEED, false);
	buf_reset(&x.loop.out);
	s2s_side_shake(&x);
	assert_int_equal(x.loop.out.n, 0);
	assert_true(x.loop.finished);
	assert_true(s2s_side_told(&x, "closed by us, no error"));
	s2s_side_end(&x);
}

/* ---- EXTERNAL ---- */

static const struct s2s_row external[] = {
	{ "XEP-0178 section 3, item 10: the domain as identity", SECURE, DO_EXTERNAL, F_ALL, AUTH,
		NULL, NULL },
	{ "section 6.4.6: a new stream", READY, DO_EXTERNAL, SUCCESS, OURS, NULL, "accepted" },
	{ "section 6.4.6: its features", READY, DO_EXTERNAL, SUCCESS PEER FEATURES(F_ERRORS F_SM),
		NULL, "accepted 22\n", NULL },
	{ "section 6.4.6: no version any more", READY, DO_EXTERNAL, SUCCESS PEER_OLD,
		"<unsupported-version", NULL, "accepted" },
	{ "section 6.4.5: failure, and dialback", READY, DO_EXTERNAL | DO_RESULT, FAILURE, ASK,
		"not accepted\n", NULL },
	{ "section 6.4.3: it is asked again", READY, DO_EXTERNAL,
		"<challenge " SASL ">=</challenge>",
		"<response " SASL ">YS5leGFtcGxl</response>", NULL, NULL },
	{ "XEP-0220 section 2.1.2: a verdict that crosses with it", READY, DO_EXTERNAL | DO_VERIFY,
		"<db:verify from='c.example' to='a.example' id='42' type='valid'/>" SUCCESS PEER F_ALL,
		NULL, "verify answered c.example a.example 42 valid -\naccepted ", NULL },
	{ "success that nobody has asked for", READY, 0, SUCCESS, "<unsupported-stanza-type", NULL,
		"accepted" },
	{ "XEP-0288 section 2.2: bidi before it", SECURE, DO_EXTERNAL | DO_BIDI, F_ALL,
		"<bidi xmlns='urn:xmpp:bidi'/>" AUTH, NULL, NULL },
	{ "XEP-0288: stanzas behind it", ACCEPTED, DO_EXTERNAL | DO_BIDI, MESSAGE, NULL,
		"x@c.example to y@a.example: " MESSAGE, NULL },
	{ "section 4.9.3.9: none without bidi", ACCEPTED, DO_EXTERNAL, MESSAGE, "<invalid-from",
		NULL, " to y@" },
	{ "XEP-0198", ACCEPTED, DO_EXTERNAL, "<enabled xmlns='urn:xmpp:sm:3'/>", NULL,
		"nonza <enabled", "closed" },
	{ "XEP-0288 section 2.2: bidi is not for the peer to ask", ACCEPTED, DO_EXTERNAL,
		"<bidi xmlns='urn:xmpp:bidi'/>", "<unsupported-stanza-type", NULL, NULL },
};

static void test_external(void **state)
{
	CHECK(external);
}

/* ---- dialback ---- */

#define DB_ERROR(name, attrs, condition)                                                      \
	"<db:" name " from='c.example' to='a.example' " attrs " type='error'>"                \
	"<error type='cancel'><" condition " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"   \
	"</error></db:" name ">"

static const struct s2s_row dialback[] = {
	{ "XEP-0220 example 1: a key", SECURE, DO_RESULT, F_ALL, ASK, NULL, NULL },
	{ "XEP-0220 example 2: valid", READY, DO_RESULT, VALID, NULL,
		"result answered c.example a.example  valid -\n", NULL },
	{ "XEP-0220 example 3: invalid", READY, DO_RESULT,
		"<db:result from='c.example' to='a.example' type='invalid'/></stream:stream>", NULL,
		"result answered c.example a.example  invalid -\nclosed by peer, no error", NULL },
	{ "XEP-0220 example 4: error", READY, DO_RESULT, DB_ERROR("result", "", "item-not-found"),
		NULL, "result answered c.example a.example  error item-not-found\n", "closed" },
	{ "XEP-0220 section 2.5: remote-connection-failed", READY, DO_RESULT,
		DB_ERROR("result", "", "remote-connection-failed"), NULL,
		"error remote-server-timeout\n", NULL },
	{ "section 8.3.3.21: a condition that nobody knows", READY, DO_RESULT,
		DB_ERROR("result", "", "out-of-coffee"), NULL, "error undefined-condition\n",
		NULL },
	{ "an error that says nothing", READY, DO_RESULT,
		"<db:result from='c.example' to='a.example' type='error'/>", NULL,
		"error undefined-condition\n", NULL },
	{ "an error without prefixes", READY, DO_RESULT, "<result xmlns='jabber:server:dialback' "
		"from='c.example' to='a.example' type='error'><error><forbidden "
		"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></result>", NULL,
		"error forbidden\n", NULL },
	{ "names that are not canonical", READY, DO_RESULT,
		"<db:result from='C.EXAMPLE' to='A.example' type='valid'/>", NULL,
		"result answered c.example a.example  valid -\n", NULL },
	{ "XEP-0220 section 3.1: unsolicited", READY, 0, VALID MESSAGE, "<not-authorized", NULL,
		"answered" },
	{ "XEP-0220 section 3.1: for another domain", READY, DO_RESULT,
		"<db:result from='d.example' to='a.example' type='valid'/>", NULL, NULL,
		"answered" },
	{ "XEP-0220 section 3.1: twice", READY, DO_RESULT, VALID VALID, NULL, "valid -\n",
		"valid -\nresult" },
	{ "XEP-0220 section 3.1: a verdict for a result", READY, DO_RESULT,
		"<db:verify from='c.example' to='a.example' id='42' type='valid'/>", NULL, NULL,
		"answered" },
	{ "XEP-0220 example 5: a question", SECURE, DO_VERIFY, F_ALL, ASK_VERIFY, NULL, NULL },
	{ "XEP-0220 example 6: its answer", READY, DO_VERIFY,
		"<db:verify from='c.example' to='a.example' id='42' type='valid'/>", NULL,
		"verify answered c.example a.example 42 valid -\n", NULL },
	{ "XEP-0220 example 7: invalid", READY, DO_VERIFY,
		"<db:verify from='c.example' to='a.example' id='42' type='invalid'/>", NULL,
		"verify answered c.example a.example 42 invalid -\n", NULL },
	{ "XEP-0220 example 8: error", READY, DO_VERIFY, DB_ERROR("verify", "id='42'",
		"item-not-found"),
		NULL, "verify answered c.example a.example 42 error item-not-found\n", NULL },
	{ "XEP-0220 section 2.1.2: another id", READY, DO_VERIFY,
		"<db:verify from='c.example' to='a.example' id='43' type='valid'/>", NULL, NULL,
		"answered" },
	{ "XEP-0220 section 2.1.2: a verdict gives no rights", READY, DO_VERIFY,
		"<db:verify from='c.example' to='a.example' id='42' type='valid'/>" MESSAGE,
		"<not-authorized", NULL, " to y@" },
	{ "section 4.9.3.9: no stanzas without bidi", READY, DO_RESULT, VALID MESSAGE,
		"<invalid-from", NULL, " to y@" },
	{ "XEP-0220 section 2.2: the peer has no keys to send", READY, DO_RESULT,
		"<db:result from='c.example' to='a.example'>key</db:result>",
		"<unsupported-stanza-type", NULL, "result c.example" },
	{ "XEP-0220 section 2.2: nor to ask about", READY, DO_RESULT,
		"<db:verify from='c.example' to='a.example' id='1'>key</db:verify>",
		"<unsupported-stanza-type", NULL, "verify c.example" },
	{ "XEP-0288 section 2.2: bidi before it", SECURE, DO_RESULT | DO_BIDI, F_ALL,
		"<bidi xmlns='urn:xmpp:bidi'/>" ASK, NULL, NULL },
	{ "XEP-0288 example 5: stanzas back", READY, DO_RESULT | DO_BIDI, VALID MESSAGE, NULL,
		"x@c.example to y@a.example: " MESSAGE, NULL },
	{ "XEP-0288 section 2.2: not before it", READY, DO_RESULT | DO_BIDI, MESSAGE VALID,
		"<not-authorized", NULL, " to y@" },
	{ "XEP-0288 example 5: a key back", READY, DO_RESULT | DO_BIDI, VALID
		"<db:result from='rooms.c.example' to='a.example'>key</db:result>"
		"<message from='r@rooms.c.example' to='y@a.example'/>",
		"<db:result from='a.example' to='rooms.c.example' type='valid'/>",
		"r@rooms.c.example to y@a.example: ", NULL },
	{ "XEP-0288: a question back", READY, DO_RESULT | DO_BIDI, VALID
		"<db:verify from='c.example' to='a.example' id='1'>key</db:verify>",
		"<db:verify from='a.example' to='c.example' id='1' type='valid'/>", NULL, NULL },
};

static void test_dialback(void **state)
{
	CHECK(dialback);
}

/* ---- what may be said when ---- */

static void test_order(void **state)
{
	struct str a = STR("a.example"), c = STR("c.example"), rooms = STR("rooms.a.example");
	struct s2s_side x;

	set_up(&x, DO_EXTERNAL);
	assert_false(s2s_db_result(&x.stream, a, c, STR("key")));
	assert_false(s2s_db_verify(&x.stream, a, c, STR("1"), STR("key")));
	reach(&x, SECURE, false);
	assert_false(s2s_db_result(&x.stream, a, c, STR("key"))); /* features come first */
	s2s_ask_bidi(&x.stream);
	assert_false(x.stream.said_bidi);
	s2s_side_send(&x, F_ALL, false);
	assert_false(s2s_db_result(&x.stream, a, c, STR("key"))); /* SASL goes on */
	assert_false(s2s_authorise(&x.stream, c, a));
	s2s_side_send(&x, SUCCESS PEER F_ALL, false);
	buf_reset(&x.loop.out);
	s2s_external(&x.stream);
	s2s_ask_bidi(&x.stream);
	assert_int_equal(x.loop.out.n, 0); /* too late for both */
	/* XEP-0220 section 2.6.1: another domain of ours. */
	assert_true(s2s_db_result(&x.stream, rooms, c, STR("key")));
	assert_true(s2s_side_wrote(&x, "<db:result from='rooms.a.example' to='c.example'>key<"));
	size_t once = x.loop.out.n;
	assert_true(s2s_db_result(&x.stream, rooms, c, STR("key")));
	assert_int_equal(x.loop.out.n, once); /* it is asked already */
	s2s_side_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_direct_tls),
		cmocka_unit_test(test_insecure),
		cmocka_unit_test(test_external),
		cmocka_unit_test(test_dialback),
		cmocka_unit_test(test_order),
	};

	log_setup(LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
