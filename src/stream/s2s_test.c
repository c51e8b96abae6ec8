/* An incoming stream between servers until it is authorised, by raw bytes: headers, features, TLS,
 * EXTERNAL. One rule a row, each also with the bytes cut one by one. Sections are those of RFC 6120
 * where nothing else is said. */
#include "stream/s2s_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SASL     "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
#define BIDI     "<bidi xmlns='urn:xmpp:bidi'/>"

#define CHECK(rows) s2s_check_rows(rows, sizeof(rows) / sizeof(rows)[0], s2s_begin_incoming)

/* ---- headers ---- */

static const struct s2s_row headers[] = {
	{ "section 4.7: the response", IN_RAW, 0, IN_HEADER,
		"<?xml version='1.0'?><stream:stream xmlns='jabber:server' " STREAMS " " DB
		" version='1.0' xml:lang='en' id='", "host a.example from c.example", NULL },
	{ "section 4.7.2: names turned round", IN_RAW, 0, IN_HEADER,
		"' from='a.example' to='c.example'>", NULL, NULL },
	{ "section 4.7.1: no from", IN_RAW, 0, IN_OPEN_AS("to='a.example' version='1.0'"),
		"' from='a.example'><stream:features>", "host a.example from \n", NULL },
	{ "RFC 7622 section 3.2: canonical names", IN_RAW, 0,
		IN_OPEN_AS("from='C.Example' to='A.EXAMPLE' version='1.0'"),
		"from='a.example' to='c.example'", "host a.example from c.example", NULL },
	{ "section 4.8.5: another prefix", IN_RAW, 0,
		"<s:stream xmlns:s='http://etherx.jabber.org/streams'"
		" xmlns='jabber:server' from='c.example' to='a.example' version='1.0'>",
		"<stream:features>", NULL, NULL },
	{ "section 4.7.5: version 1.1", IN_RAW, 0,
		IN_OPEN_AS("from='c.example' to='a.example' version='1.1'"), " version='1.0'", NULL,
		NULL },
	{ "section 4.7.5: no version", IN_RAW, 0, IN_OLD, "from='a.example' to='c.example'>", NULL,
		" version='1.0' " },
	{ "section 4.3.2: no features without version", IN_RAW, 0, IN_OLD, NULL, NULL, "features" },
	{ "section 4.9.3.25: no TLS without version", IN_RAW, MUST_TLS, IN_OLD,
		"<unsupported-version", NULL, NULL },
	{ "section 4.9.3.25: nothing to do without version", IN_RAW, NO_DIALBACK, IN_OLD,
		"<unsupported-version", NULL, NULL },
	{ "section 4.9.3.25: another version", IN_RAW, 0,
		IN_OPEN_AS("from='c.example' to='a.example' version='x'"), "<unsupported-version",
		NULL, NULL },
	{ "section 4.9.3.25: no version behind SASL", IN_SECURE, 0, IN_AUTH IN_OLD,
		"<unsupported-version", NULL, NULL },
	{ "section 4.9.3.10: no stream", IN_RAW, 0, "<stream xmlns='jabber:server'>",
		"<invalid-namespace", NULL, NULL },
	{ "section 4.9.3.10: a client", IN_RAW, 0,
		"<stream:stream xmlns='jabber:client' " STREAMS " to='a.example' version='1.0'>",
		"from='own.example'><stream:error><invalid-namespace",
		"closed by us, invalid-namespace", "features" },
	{ "section 4.9.3.1: another element", IN_RAW, 0,
		"<stream:s xmlns='jabber:server' " STREAMS ">", "<bad-format", NULL, NULL },
	{ "section 4.9.3.7: to nobody", IN_RAW, 0, IN_OPEN_AS("from='c.example' version='1.0'"),
		"<improper-addressing", NULL, NULL },
	{ "section 4.9.3.7: from no domain", IN_RAW, 0,
		IN_OPEN_AS("from='x@c.example' to='a.example' version='1.0'"),
		"<improper-addressing", NULL, "host" },
	{ "section 4.9.3.6: to a host of others", IN_RAW, 0,
		IN_OPEN_AS("from='c.example' to='b.example' version='1.0'"),
		"from='own.example'><stream:error><host-unknown", NULL, "features" },
	{ "section 4.9.3.6: to no domain", IN_RAW, 0,
		IN_OPEN_AS("from='c.example' to='x@a.example' version='1.0'"), "<host-unknown",
		NULL, "host " },
	{ "section 4.9.3.14: a domain that is blocked", IN_RAW, BLOCKED, IN_HEADER,
		"<policy-violation", "closed by us, policy-violation", NULL },
	{ "section 4.9.3.13: no XML", IN_RAW, 0, "GET / HTTP/1.1\r\n\r\n",
		"<stream:stream ", "closed by us, not-well-formed", NULL },
	{ "section 4.9.3.18: a comment", IN_CLEAR, 0, "<!-- -->", "<restricted-xml", NULL, NULL },
	{ "section 4.9.3.2: a prefix that was not declared", IN_CLEAR, 0, "<x:result/>",
		"<bad-namespace-prefix", NULL, NULL },
	{ "section 4.4: the end", IN_CLEAR, 0, "</stream:stream>", "</stream:stream>",
		"closed by peer, no error", NULL },
	{ "section 4.9.1.1: an error of the peer's", IN_CLEAR, 0, "<stream:error><see-other-host "
		"xmlns='urn:ietf:params:xml:ns:xmpp-streams'>d.example</see-other-host></stream:error>",
		"</stream:stream>", "closed by peer, see-other-host", "<stream:error>" },
	{ "section 4.9.3.21: an error that nobody knows", IN_CLEAR, 0, "<stream:error><what "
		"xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
		NULL, "closed by peer, undefined-condition", NULL },
	{ "section 4.9.3.24: an element that nobody knows", IN_CLEAR, 0, "<x xmlns='urn:x'/>",
		"<unsupported-stanza-type", NULL, NULL },
	{ "section 4.6.1: white space keeps it alive", IN_CLEAR, 0, " \n " IN_RESULT,
		"type='valid'", NULL, NULL },
};

static void test_headers(void **state)
{
	CHECK(headers);
}

/* Section 4.7.3: an id for each header, never twice. */
static void test_ids(void **state)
{
	struct s2s_side x;
	char first[STREAM_ID_LEN];

	s2s_side_incoming(&x);
	s2s_side_send(&x, IN_HEADER, false);
	memcpy(first, x.stream.id, sizeof first);
	assert_true(memmem(x.loop.out.p, x.loop.out.n, first, sizeof first));
	s2s_side_send(&x, IN_STARTTLS, false);
	s2s_side_shake(&x);
	s2s_side_send(&x, IN_HEADER, false);
	assert_memory_not_equal(first, x.stream.id, sizeof first);
	assert_true(memmem(x.loop.out.p, x.loop.out.n, x.stream.id, sizeof first));
	s2s_side_end(&x);
}

/* Section 4.7.4: the language of what has none of its own. */
static void test_lang(void **state)
{
	struct s2s_side x;

	s2s_side_incoming(&x);
	s2s_side_send(&x,
		IN_OPEN_AS("from='c.example' to='a.example' version='1.0' xml:lang='de-CH'"),
		false);
	assert_string_equal(x.stream.lang, "de-CH");
	s2s_side_end(&x);
}

/* ---- features ---- */

#define FEATURES(in) "<stream:features>" in "</stream:features>"
#define F_TLS      "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define F_MUST_TLS "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
#define F_EXTERNAL "<mechanisms " SASL "><mechanism>EXTERNAL</mechanism></mechanisms>"
#define F_BIDI     "<bidi xmlns='urn:xmpp:features:bidi'/>"
#define F_DIALBACK "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
#define F_GUEST    "<guest xmlns='urn:xmpp:sm:3'/>"
#define F_AUTHED   "<authed xmlns='urn:xmpp:sm:3'/>"

static const struct s2s_row features[] = {
	{ "section 5.4.1, XEP-0288 section 2.1: before TLS", IN_RAW, 0, IN_HEADER,
		FEATURES(F_TLS F_BIDI F_DIALBACK F_GUEST), NULL, NULL },
	{ "section 5.3.1: TLS is required", IN_RAW, MUST_TLS, IN_HEADER, FEATURES(F_MUST_TLS), NULL,
		NULL },
	{ "no TLS", IN_RAW, NO_TLS, IN_HEADER, FEATURES(F_BIDI F_DIALBACK F_AUTHED), NULL, NULL },
	{ "XEP-0178 section 3, item 9: behind TLS", IN_SECURE, 0, IN_AUTH IN_HEADER,
		FEATURES(F_DIALBACK F_AUTHED), NULL, F_BIDI },
	{ "XEP-0220 section 2.4.1: no dialback", IN_RAW, NO_DIALBACK, IN_HEADER,
		FEATURES(F_TLS F_BIDI F_GUEST), NULL, "dialback" },
	{ "XEP-0288: not wanted", IN_RAW, NO_BIDI, IN_HEADER, FEATURES(F_TLS F_DIALBACK F_GUEST),
		NULL, NULL },
};

static void check_secure(unsigned how, const char *header, const char *features_want)
{
	struct s2s_side x;

	s2s_side_incoming(&x);
	s2s_side_set(&x, how);
	s2s_expect_tls(&x.stream);
	s2s_side_shake(&x);
	assert_true(s2s_side_told(&x, "secured\n"));
	s2s_side_send(&x, header, false);
	if (!s2s_side_wrote(&x, features_want))
		fail_msg("wrote %.*s", STR_FMT(buf_str(&x.loop.out)));
	s2s_side_end(&x);
}

static void test_features(void **state)
{
	CHECK(features);
	/* Direct TLS (XEP-0368): as behind IN_STARTTLS. */
	check_secure(0, IN_HEADER, FEATURES(F_EXTERNAL F_BIDI F_DIALBACK F_GUEST));
	/* XEP-0178 section 3, item 9: the certificate is for another domain, or nobody's. */
	check_secure(NO_CERT, IN_HEADER, FEATURES(F_BIDI F_DIALBACK F_AUTHED));
	check_secure(NO_EXTERNAL, IN_HEADER, FEATURES(F_BIDI F_DIALBACK F_AUTHED));
	/* The same: there is no domain to prove. */
	check_secure(0, IN_OPEN_AS("to='a.example' version='1.0'"),
		FEATURES(F_BIDI F_DIALBACK F_AUTHED));
}

/* ---- TLS ---- */

static const struct s2s_row tls[] = {
	{ "section 5.4.2.3: proceed", IN_CLEAR, 0, IN_STARTTLS,
		"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", NULL, NULL },
	{ "section 5.4.2.2: there is no TLS", IN_CLEAR, NO_TLS, IN_STARTTLS,
		"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>", NULL, NULL },
	{ "TLS that cannot begin", IN_CLEAR, BROKEN_TLS, IN_STARTTLS, "<proceed",
		"closed by us, no error", NULL },
	{ "section 5.3.2: once", IN_SECURE, 0, IN_STARTTLS, "<unsupported-stanza-type", NULL,
		NULL },
	{ "section 5.3.1: TLS comes before EXTERNAL", IN_CLEAR, MUST_TLS, IN_AUTH,
		"<failure " SASL "><encryption-required/></failure>", NULL, "external" },
	{ "section 5.3.1: TLS comes before bidi", IN_CLEAR, MUST_TLS, BIDI, "<policy-violation",
		NULL, "bidi\n" },
	{ "XEP-0220 section 2.5: TLS comes before a key", IN_CLEAR, MUST_TLS, IN_RESULT,
		"<db:result from='a.example' to='c.example' type='error'><error type='modify'>"
		"<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>",
		NULL, "result c.example" },
	{ "XEP-0220 section 2.5: TLS comes before a question", IN_CLEAR, MUST_TLS, IN_VERIFY,
		"<db:verify from='a.example' to='c.example' id='42' type='error'><error type='modify'>"
		"<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>",
		NULL, "verify c.example" },
	{ "section 5.3.1: TLS comes before stanzas", IN_CLEAR, MUST_TLS, IN_MESSAGE,
		"<not-authorized", NULL, " to y@" },
	{ "a key belongs to one stream", IN_CLEAR, LATE, IN_RESULT IN_STARTTLS, "<policy-violation",
		NULL, "proceed" },
};

static void test_tls(void **state)
{
	CHECK(tls);
}

/* Section 5.4.3.3: nothing that came in clear counts behind TLS. */
static void test_injection(void **state)
{
	struct s2s_side x;

	s2s_side_incoming(&x);
	s2s_side_send(&x, IN_HEADER IN_STARTTLS IN_HEADER IN_RESULT, false);
	assert_true(x.loop.finished);
	assert_true(s2s_side_told(&x, "closed by us, no error"));
	assert_false(s2s_side_told(&x, "result"));
	s2s_side_end(&x);
	s2s_side_incoming(&x);
	s2s_side_send(&x, IN_HEADER IN_STARTTLS " \n", false);
	s2s_side_shake(&x);
	s2s_side_send(&x, IN_HEADER, false);
	assert_true(s2s_side_wrote(&x, "EXTERNAL"));
	s2s_side_end(&x);
}

/* The user does not like what it sees of the peer behind TLS. */
static void test_insecure(void **state)
{
	struct s2s_side x;

	s2s_side_incoming(&x);
	s2s_side_set(&x, INSECURE);
	s2s_side_send(&x, IN_HEADER IN_STARTTLS, false);
	size_t wrote = x.loop.out.n;
	s2s_side_shake(&x);
	assert_true(x.loop.finished);
	assert_int_equal(x.loop.out.n, wrote);
	assert_true(s2s_side_told(&x, "closed by us, no error"));
	s2s_side_end(&x);
}

/* ---- EXTERNAL ---- */

#define AUTH_AS(base64) "<auth " SASL " mechanism='EXTERNAL'>" base64 "</auth>"
#define FAILURE(why)    "<failure " SASL "><" why "/></failure>"
#define SUCCESS         "<success " SASL "/>"
#define LONG_LINE       "YS5leGFtcGxlYS5leGFtcGxlYS5leGFtcGxlYS5leGFtcGxl"
#define LONG            LONG_LINE LONG_LINE LONG_LINE LONG_LINE LONG_LINE LONG_LINE LONG_LINE

static const struct s2s_row external[] = {
	{ "section 6.4.2: no authorization identity", IN_SECURE, 0, IN_AUTH, SUCCESS,
		"external c.example\n", NULL },
	{ "XEP-0178 section 3, item 10: the domain as identity", IN_SECURE, 0,
		AUTH_AS("Yy5leGFtcGxl"), SUCCESS, "external c.example\n", NULL },
	{ "the same, not canonical", IN_SECURE, 0, AUTH_AS(" Qy5FWEFNUExF\n"), SUCCESS,
		"external c.example\n", NULL },
	{ "section 6.5.6: another domain", IN_SECURE, 0, AUTH_AS("YS5leGFtcGxl"),
		FAILURE("invalid-authzid"), NULL, "external" },
	{ "section 6.5.6: no domain", IN_SECURE, 0, AUTH_AS("eEBjLmV4YW1wbGU="),
		FAILURE("invalid-authzid"), NULL, "external" },
	{ "section 6.5.5: no base64", IN_SECURE, 0, AUTH_AS("c.example"),
		FAILURE("incorrect-encoding"), NULL, "external" },
	{ "section 6.5.8: an identity without end", IN_SECURE, 0, AUTH_AS(LONG LONG LONG LONG LONG),
		FAILURE("malformed-request"), NULL, "external" },
	{ "section 6.4.3: no initial response", IN_SECURE, 0,
		"<auth " SASL " mechanism='EXTERNAL'/>", "<challenge " SASL ">=</challenge>", NULL,
		"external" },
	{ "section 6.4.3: the response", IN_SECURE, 0, "<auth " SASL " mechanism='EXTERNAL'/>"
		"<response " SASL ">Yy5leGFtcGxl</response>", SUCCESS, "external c.example\n",
		NULL },
	{ "section 6.4.3: an empty response", IN_SECURE, 0, "<auth " SASL " mechanism='EXTERNAL'/>"
		"<response " SASL "/>", SUCCESS, "external c.example\n", NULL },
	{ "section 6.4.4: abort", IN_SECURE, 0,
		"<auth " SASL " mechanism='EXTERNAL'/><abort " SASL "/>",
		FAILURE("aborted"), NULL, "external" },
	{ "a response without a challenge", IN_SECURE, 0, "<response " SASL ">=</response>",
		"<unsupported-stanza-type", NULL, "external" },
	{ "section 6.5.7: another mechanism", IN_SECURE, 0,
		"<auth " SASL " mechanism='PLAIN'>=</auth>",
		FAILURE("invalid-mechanism"), NULL, "external" },
	{ "section 6.5.7: it was not offered", IN_SECURE, NO_CERT, IN_AUTH,
		FAILURE("invalid-mechanism"), NULL, "external" },
	{ "section 6.5.4: in clear", IN_CLEAR, 0, IN_AUTH, FAILURE("encryption-required"), NULL,
		"external" },
	{ "section 6.5.10: the certificate is not right", IN_SECURE, WRONG, IN_AUTH,
		FAILURE("not-authorized"), NULL, "success" },
	{ "XEP-0178 section 3, item 11: dialback goes on behind it", IN_SECURE, WRONG,
		IN_AUTH IN_VERIFY, "<db:verify ", "verify c.example a.example 42 key", NULL },
	{ "section 6.4.6: a new stream", IN_SECURE, 0, IN_AUTH IN_HEADER IN_MESSAGE, NULL,
		"x@c.example to y@a.example: <message", NULL },
	{ "section 6.4.6: nothing without it", IN_SECURE, 0, IN_AUTH IN_MESSAGE, "<stream:error>",
		NULL, " to y@" },
	{ "section 6.4.6: what goes out waits for the new stream", IN_SECURE, 0, IN_AUTH, SUCCESS,
		"external c.example\n", "accepted" },
	{ "section 6.4.6: and goes out on it", IN_SECURE, 0, IN_AUTH IN_HEADER, "</stream:features>",
		"accepted 0\n", NULL },
	{ "section 4.9.3.9: another domain behind it", IN_SECURE, 0,
		IN_AUTH IN_OPEN_AS("from='d.example' to='a.example' version='1.0'"),
		"<invalid-from", NULL, "features" },
	{ "section 4.9.3.6: another host behind it", IN_SECURE, 0,
		IN_AUTH IN_OPEN_AS("from='c.example' to='rooms.a.example' version='1.0'"),
		"<host-unknown", NULL, "features" },
	{ "a key belongs to one stream", IN_SECURE, LATE, IN_RESULT IN_AUTH, "<policy-violation",
		NULL, "external" },
	{ "section 6.3.5: once", IN_AUTHED, 0, IN_AUTH, "<unsupported-stanza-type", NULL,
		"external" },
};

static void test_external(void **state)
{
	CHECK(external);
}

/* What came in the same read waits too. */
static void test_external_waits_in_a_read(void **state)
{
	struct s2s_side x;

	s2s_begin_incoming(&x, &(struct s2s_row){ .level = IN_SECURE, .how = LATE }, false);
	s2s_side_send(&x, IN_AUTH "<x xmlns='urn:x'/>", false);
	assert_false(x.loop.finished);
	s2s_externally(&x.stream, false);
	assert_true(s2s_side_wrote(&x, FAILURE("not-authorized") "<stream:error><unsupported-stanza"));
	s2s_side_end(&x);
}

/* ---- bidirectional streams ---- */

static const struct s2s_row bidi[] = {
	{ "XEP-0288 section 2.2: inside TLS", IN_SECURE, 0, BIDI, NULL, "bidi\n", "closed" },
	{ "the same, twice", IN_SECURE, 0, BIDI BIDI, NULL, "bidi\n", "bidi\nbidi" },
	{ "XEP-0288 section 2.1: without TLS", IN_CLEAR, NO_TLS, BIDI, NULL, "bidi\n", "closed" },
	{ "XEP-0288 section 2.1: not offered", IN_SECURE, NO_BIDI, BIDI, "<unsupported-stanza-type",
		NULL, "bidi\n" },
	{ "XEP-0288 section 2.2: too late", IN_DIALED, 0, BIDI, "<unsupported-stanza-type", NULL,
		"bidi\n" },
};

static void test_bidi(void **state)
{
	CHECK(bidi);
}

/* XEP-0288 section 2.1: TLS has to be done before. */
static void test_bidi_before_tls(void **state)
{
	struct s2s_side x;

	s2s_begin_incoming(&x, &(struct s2s_row){ .level = IN_CLEAR }, false);
	s2s_side_send(&x, BIDI, false);
	assert_true(x.stream.said_bidi);
	s2s_side_send(&x, IN_STARTTLS, false);
	assert_false(x.stream.said_bidi);
	s2s_side_end(&x);
}

/* Nothing is read before the user has answered, nor while it holds the stream. */
static void test_external_waits(void **state)
{
	struct s2s_side x;

	s2s_begin_incoming(&x, &(struct s2s_row){ .level = IN_SECURE }, false);
	x.late = true;
	s2s_side_send(&x, IN_AUTH IN_HEADER IN_MESSAGE, false);
	assert_true(x.loop.paused);
	assert_false(s2s_side_wrote(&x, "success"));
	s2s_hold(&x.stream);
	s2s_externally(&x.stream, true);
	assert_true(s2s_side_wrote(&x, SUCCESS));
	assert_true(x.loop.paused);
	assert_false(s2s_side_told(&x, "host "));
	s2s_throttle(&x.stream, true);
	s2s_go_on(&x.stream);
	assert_true(x.loop.paused);
	s2s_throttle(&x.stream, false);
	assert_false(x.loop.paused);
	assert_true(s2s_side_told(&x, "x@c.example to y@a.example: " IN_MESSAGE));
	s2s_externally(&x.stream, false); /* nobody has asked again */
	assert_false(s2s_side_wrote(&x, "failure"));
	s2s_side_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_lang),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_injection),
		cmocka_unit_test(test_insecure),
		cmocka_unit_test(test_external),
		cmocka_unit_test(test_external_waits),
		cmocka_unit_test(test_external_waits_in_a_read),
		cmocka_unit_test(test_bidi),
		cmocka_unit_test(test_bidi_before_tls),
	};

	log_setup(LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
