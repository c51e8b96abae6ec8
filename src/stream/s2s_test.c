/* An incoming stream between servers, by raw bytes: one rule a row, each also with the bytes cut
 * one by one. Sections are those of RFC 6120 where nothing else is said. */
#include "stream/s2s_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define OPEN_AS(attrs) "<stream:stream xmlns='jabber:server' " DB " " STREAMS " " attrs ">"
#define HEADER   OPEN_AS("from='c.example' to='a.example' version='1.0'")
#define OLD      OPEN_AS("from='c.example' to='a.example'")
#define SASL     "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
#define STARTTLS "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define AUTH     "<auth " SASL " mechanism='EXTERNAL'>=</auth>"
#define BIDI     "<bidi xmlns='urn:xmpp:bidi'/>"
#define RESULT   "<db:result from='c.example' to='a.example'>key</db:result>"
#define VERIFY   "<db:verify from='c.example' to='a.example' id='42'>key</db:verify>"
#define MESSAGE  "<message from='x@c.example' to='y@a.example'><body>b</body></message>"
#define VALID    "<db:result from='a.example' to='c.example' type='valid'/>"

/* Where a row begins. */
enum level {
	RAW,     /* nothing has come */
	CLEAR,   /* the header has */
	SECURE,  /* behind TLS */
	DIALED,  /* dialback behind TLS was right, for c.example to a.example */
	AUTHED,  /* EXTERNAL was, and the header behind it came */
	BOTH     /* DIALED and bidirectional */
};

/* How the user is set up. */
enum {
	NO_TLS = 1, MUST_TLS = 2, NO_DIALBACK = 4, NO_BIDI = 8, NO_EXTERNAL = 16, NO_CERT = 32,
	WRONG = 64, BLOCKED = 128, INSECURE = 256, BUSY = 512, BROKEN_TLS = 1024, LATE = 2048
};

static void set_up(struct s2s_side *x, unsigned how)
{
	s2s_side_incoming(x);
	x->host.tls = !(how & NO_TLS);
	x->host.tls_required = how & MUST_TLS;
	x->host.dialback = !(how & NO_DIALBACK);
	x->host.bidi = !(how & NO_BIDI);
	x->host.external = !(how & NO_EXTERNAL);
	x->no_cert = how & NO_CERT;
	x->blocked = how & BLOCKED;
	x->insecure = how & INSECURE;
	x->loop.secure = !(how & BROKEN_TLS);
}

static void reach(struct s2s_side *x, enum level level, bool cut)
{
	if (level >= SECURE) {
		s2s_side_send(x, HEADER STARTTLS, cut);
		s2s_side_shake(x);
	}
	if (level != RAW)
		s2s_side_send(x, HEADER, cut);
	if (level == BOTH)
		s2s_side_send(x, BIDI, cut);
	if (level == DIALED || level == BOTH)
		s2s_side_send(x, RESULT, cut);
	if (level == AUTHED)
		s2s_side_send(x, AUTH HEADER, cut);
	buf_reset(&x->loop.out);
	buf_reset(&x->events);
}

struct row {
	const char *name;
	enum level level;
	unsigned how;
	const char *in;
	const char *wrote, *told; /* some of what came of it, or NULL */
	const char *never;        /* written nor told */
};

static void check(const struct row *r, bool cut)
{
	struct s2s_side x;

	set_up(&x, r->how);
	reach(&x, r->level, cut);
	x.wrong = r->how & WRONG;
	x.busy = r->how & BUSY;
	x.late = r->how & LATE;
	s2s_side_send(&x, r->in, cut);
	if ((r->wrote && !s2s_side_wrote(&x, r->wrote)) ||
		(r->told && !s2s_side_told(&x, r->told)) ||
		(r->never && (s2s_side_wrote(&x, r->never) || s2s_side_told(&x, r->never))))
		fail_msg("%s\nwrote %.*s\ntold %.*s", r->name, STR_FMT(buf_str(&x.loop.out)),
			STR_FMT(buf_str(&x.events)));
	s2s_side_end(&x);
}

static void check_all(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (unsigned cut = 0; cut < 2; cut++)
			check(&rows[i], cut);
}

#define CHECK(rows) check_all(rows, sizeof(rows) / sizeof(rows)[0])

/* ---- headers ---- */

static const struct row headers[] = {
	{ "section 4.7: the response", RAW, 0, HEADER,
		"<?xml version='1.0'?><stream:stream xmlns='jabber:server' " STREAMS " " DB
		" version='1.0' xml:lang='en' id='", "host a.example from c.example", NULL },
	{ "section 4.7.2: names turned round", RAW, 0, HEADER,
		"' from='a.example' to='c.example'>", NULL, NULL },
	{ "section 4.7.1: no from", RAW, 0, OPEN_AS("to='a.example' version='1.0'"),
		"' from='a.example'><stream:features>", "host a.example from \n", NULL },
	{ "RFC 7622 section 3.2: canonical names", RAW, 0,
		OPEN_AS("from='C.Example' to='A.EXAMPLE' version='1.0'"), "from='a.example' to='c.example'",
		"host a.example from c.example", NULL },
	{ "section 4.8.5: another prefix", RAW, 0, "<s:stream xmlns:s='http://etherx.jabber.org/streams'"
		" xmlns='jabber:server' from='c.example' to='a.example' version='1.0'>",
		"<stream:features>", NULL, NULL },
	{ "section 4.7.5: version 1.1", RAW, 0,
		OPEN_AS("from='c.example' to='a.example' version='1.1'"), " version='1.0'", NULL, NULL },
	{ "section 4.7.5: no version", RAW, 0, OLD, "from='a.example' to='c.example'>", NULL,
		" version='1.0' " },
	{ "section 4.3.2: no features without version", RAW, 0, OLD, NULL, NULL, "features" },
	{ "section 4.9.3.25: no TLS without version", RAW, MUST_TLS, OLD, "<unsupported-version",
		NULL, NULL },
	{ "section 4.9.3.25: nothing to do without version", RAW, NO_DIALBACK, OLD,
		"<unsupported-version", NULL, NULL },
	{ "section 4.9.3.25: another version", RAW, 0,
		OPEN_AS("from='c.example' to='a.example' version='x'"), "<unsupported-version", NULL,
		NULL },
	{ "section 4.9.3.25: no version behind SASL", SECURE, 0, AUTH OLD, "<unsupported-version",
		NULL, NULL },
	{ "section 4.9.3.10: no stream", RAW, 0, "<stream xmlns='jabber:server'>",
		"<invalid-namespace", NULL, NULL },
	{ "section 4.9.3.10: a client", RAW, 0,
		"<stream:stream xmlns='jabber:client' " STREAMS " to='a.example' version='1.0'>",
		"from='own.example'><stream:error><invalid-namespace", "closed by us, invalid-namespace",
		"features" },
	{ "section 4.9.3.1: another element", RAW, 0, "<stream:s xmlns='jabber:server' " STREAMS ">",
		"<bad-format", NULL, NULL },
	{ "section 4.9.3.7: to nobody", RAW, 0, OPEN_AS("from='c.example' version='1.0'"),
		"<improper-addressing", NULL, NULL },
	{ "section 4.9.3.7: from no domain", RAW, 0,
		OPEN_AS("from='x@c.example' to='a.example' version='1.0'"), "<improper-addressing",
		NULL, "host" },
	{ "section 4.9.3.6: to a host of others", RAW, 0,
		OPEN_AS("from='c.example' to='b.example' version='1.0'"),
		"from='own.example'><stream:error><host-unknown", NULL, "features" },
	{ "section 4.9.3.6: to no domain", RAW, 0,
		OPEN_AS("from='c.example' to='x@a.example' version='1.0'"), "<host-unknown", NULL,
		"host " },
	{ "section 4.9.3.14: a domain that is blocked", RAW, BLOCKED, HEADER, "<policy-violation",
		"closed by us, policy-violation", NULL },
	{ "section 4.9.3.13: no XML", RAW, 0, "GET / HTTP/1.1\r\n\r\n",
		"<stream:stream ", "closed by us, not-well-formed", NULL },
	{ "section 4.9.3.18: a comment", CLEAR, 0, "<!-- -->", "<restricted-xml", NULL, NULL },
	{ "section 4.9.3.2: a prefix that was not declared", CLEAR, 0, "<x:result/>",
		"<bad-namespace-prefix", NULL, NULL },
	{ "section 4.4: the end", CLEAR, 0, "</stream:stream>", "</stream:stream>",
		"closed by peer, no error", NULL },
	{ "section 4.9.1.1: an error of the peer's", CLEAR, 0, "<stream:error><see-other-host "
		"xmlns='urn:ietf:params:xml:ns:xmpp-streams'>d.example</see-other-host></stream:error>",
		"</stream:stream>", "closed by peer, see-other-host", "<stream:error>" },
	{ "section 4.9.3.21: an error that nobody knows", CLEAR, 0, "<stream:error><what "
		"xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
		NULL, "closed by peer, undefined-condition", NULL },
	{ "section 4.9.3.24: an element that nobody knows", CLEAR, 0, "<x xmlns='urn:x'/>",
		"<unsupported-stanza-type", NULL, NULL },
	{ "section 4.6.1: white space keeps it alive", CLEAR, 0, " \n " RESULT, VALID, NULL, NULL },
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
	s2s_side_send(&x, HEADER, false);
	memcpy(first, x.stream.id, sizeof first);
	assert_true(memmem(x.loop.out.p, x.loop.out.n, first, sizeof first));
	s2s_side_send(&x, STARTTLS, false);
	s2s_side_shake(&x);
	s2s_side_send(&x, HEADER, false);
	assert_memory_not_equal(first, x.stream.id, sizeof first);
	assert_true(memmem(x.loop.out.p, x.loop.out.n, x.stream.id, sizeof first));
	s2s_side_end(&x);
}

/* Section 4.7.4: the language of what has none of its own. */
static void test_lang(void **state)
{
	struct s2s_side x;

	s2s_side_incoming(&x);
	s2s_side_send(&x, OPEN_AS("from='c.example' to='a.example' version='1.0' xml:lang='de-CH'"),
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

static const struct row features[] = {
	{ "section 5.4.1, XEP-0288 section 2.1: before TLS", RAW, 0, HEADER,
		FEATURES(F_TLS F_BIDI F_DIALBACK F_GUEST), NULL, NULL },
	{ "section 5.3.1: TLS is required", RAW, MUST_TLS, HEADER, FEATURES(F_MUST_TLS), NULL, NULL },
	{ "no TLS", RAW, NO_TLS, HEADER, FEATURES(F_BIDI F_DIALBACK F_AUTHED), NULL, NULL },
	{ "XEP-0178 section 3, item 9: behind TLS", SECURE, 0, AUTH HEADER,
		FEATURES(F_DIALBACK F_AUTHED), NULL, F_BIDI },
	{ "XEP-0220 section 2.4.1: no dialback", RAW, NO_DIALBACK, HEADER,
		FEATURES(F_TLS F_BIDI F_GUEST), NULL, "dialback" },
	{ "XEP-0288: not wanted", RAW, NO_BIDI, HEADER, FEATURES(F_TLS F_DIALBACK F_GUEST), NULL,
		NULL },
};

static void check_secure(unsigned how, const char *header, const char *features_want)
{
	struct s2s_side x;

	set_up(&x, how);
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
	/* Direct TLS (XEP-0368): as behind STARTTLS. */
	check_secure(0, HEADER, FEATURES(F_EXTERNAL F_BIDI F_DIALBACK F_GUEST));
	/* XEP-0178 section 3, item 9: the certificate is for another domain, or nobody's. */
	check_secure(NO_CERT, HEADER, FEATURES(F_BIDI F_DIALBACK F_AUTHED));
	check_secure(NO_EXTERNAL, HEADER, FEATURES(F_BIDI F_DIALBACK F_AUTHED));
	/* The same: there is no domain to prove. */
	check_secure(0, OPEN_AS("to='a.example' version='1.0'"),
		FEATURES(F_BIDI F_DIALBACK F_AUTHED));
}

/* ---- TLS ---- */

static const struct row tls[] = {
	{ "section 5.4.2.3: proceed", CLEAR, 0, STARTTLS,
		"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", NULL, NULL },
	{ "section 5.4.2.2: there is no TLS", CLEAR, NO_TLS, STARTTLS,
		"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>", NULL, NULL },
	{ "TLS that cannot begin", CLEAR, BROKEN_TLS, STARTTLS, "<proceed", "closed by us, no error",
		NULL },
	{ "section 5.3.2: once", SECURE, 0, STARTTLS, "<unsupported-stanza-type", NULL, NULL },
	{ "section 5.3.1: TLS comes before EXTERNAL", CLEAR, MUST_TLS, AUTH,
		"<failure " SASL "><encryption-required/></failure>", NULL, "external" },
	{ "section 5.3.1: TLS comes before bidi", CLEAR, MUST_TLS, BIDI, "<policy-violation", NULL,
		"bidi\n" },
	{ "XEP-0220 section 2.5: TLS comes before a key", CLEAR, MUST_TLS, RESULT,
		"<db:result from='a.example' to='c.example' type='error'><error type='modify'>"
		"<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>",
		NULL, "result c.example" },
	{ "XEP-0220 section 2.5: TLS comes before a question", CLEAR, MUST_TLS, VERIFY,
		"<db:verify from='a.example' to='c.example' id='42' type='error'><error type='modify'>"
		"<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>",
		NULL, "verify c.example" },
	{ "section 5.3.1: TLS comes before stanzas", CLEAR, MUST_TLS, MESSAGE, "<not-authorized", NULL,
		" to y@" },
	{ "a key belongs to one stream", CLEAR, LATE, RESULT STARTTLS, "<policy-violation", NULL,
		"proceed" },
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
	s2s_side_send(&x, HEADER STARTTLS HEADER RESULT, false);
	assert_true(x.loop.finished);
	assert_true(s2s_side_told(&x, "closed by us, no error"));
	assert_false(s2s_side_told(&x, "result"));
	s2s_side_end(&x);
	s2s_side_incoming(&x);
	s2s_side_send(&x, HEADER STARTTLS " \n", false);
	s2s_side_shake(&x);
	s2s_side_send(&x, HEADER, false);
	assert_true(s2s_side_wrote(&x, "EXTERNAL"));
	s2s_side_end(&x);
}

/* The user does not like what it sees of the peer behind TLS. */
static void test_insecure(void **state)
{
	struct s2s_side x;

	set_up(&x, INSECURE);
	s2s_side_send(&x, HEADER STARTTLS, false);
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

static const struct row external[] = {
	{ "section 6.4.2: no authorization identity", SECURE, 0, AUTH, SUCCESS,
		"external c.example\n", NULL },
	{ "XEP-0178 section 3, item 10: the domain as identity", SECURE, 0,
		AUTH_AS("Yy5leGFtcGxl"), SUCCESS, "external c.example\n", NULL },
	{ "the same, not canonical", SECURE, 0, AUTH_AS(" Qy5FWEFNUExF\n"), SUCCESS,
		"external c.example\n", NULL },
	{ "section 6.5.6: another domain", SECURE, 0, AUTH_AS("YS5leGFtcGxl"),
		FAILURE("invalid-authzid"), NULL, "external" },
	{ "section 6.5.6: no domain", SECURE, 0, AUTH_AS("eEBjLmV4YW1wbGU="),
		FAILURE("invalid-authzid"), NULL, "external" },
	{ "section 6.5.5: no base64", SECURE, 0, AUTH_AS("c.example"),
		FAILURE("incorrect-encoding"), NULL, "external" },
	{ "section 6.4.3: no initial response", SECURE, 0,
		"<auth " SASL " mechanism='EXTERNAL'/>", "<challenge " SASL ">=</challenge>", NULL,
		"external" },
	{ "section 6.4.3: the response", SECURE, 0, "<auth " SASL " mechanism='EXTERNAL'/>"
		"<response " SASL ">Yy5leGFtcGxl</response>", SUCCESS, "external c.example\n", NULL },
	{ "section 6.4.3: an empty response", SECURE, 0, "<auth " SASL " mechanism='EXTERNAL'/>"
		"<response " SASL "/>", SUCCESS, "external c.example\n", NULL },
	{ "section 6.4.4: abort", SECURE, 0, "<auth " SASL " mechanism='EXTERNAL'/><abort " SASL "/>",
		FAILURE("aborted"), NULL, "external" },
	{ "a response without a challenge", SECURE, 0, "<response " SASL ">=</response>",
		"<unsupported-stanza-type", NULL, "external" },
	{ "section 6.5.7: another mechanism", SECURE, 0, "<auth " SASL " mechanism='PLAIN'>=</auth>",
		FAILURE("invalid-mechanism"), NULL, "external" },
	{ "section 6.5.7: it was not offered", SECURE, NO_CERT, AUTH, FAILURE("invalid-mechanism"),
		NULL, "external" },
	{ "section 6.5.4: in clear", CLEAR, 0, AUTH, FAILURE("encryption-required"), NULL,
		"external" },
	{ "section 6.5.10: the certificate is not right", SECURE, WRONG, AUTH,
		FAILURE("not-authorized"), NULL, "success" },
	{ "XEP-0178 section 3, item 11: dialback goes on behind it", SECURE, WRONG, AUTH VERIFY,
		"<db:verify ", "verify c.example a.example 42 key", NULL },
	{ "section 6.4.6: a new stream", SECURE, 0, AUTH HEADER MESSAGE, NULL,
		"x@c.example to y@a.example: <message", NULL },
	{ "section 6.4.6: nothing without it", SECURE, 0, AUTH MESSAGE, "<stream:error>", NULL,
		" to y@" },
	{ "section 4.9.3.9: another domain behind it", SECURE, 0,
		AUTH OPEN_AS("from='d.example' to='a.example' version='1.0'"), "<invalid-from", NULL,
		"features" },
	{ "section 4.9.3.6: another host behind it", SECURE, 0,
		AUTH OPEN_AS("from='c.example' to='rooms.a.example' version='1.0'"), "<host-unknown",
		NULL, "features" },
	{ "a key belongs to one stream", SECURE, LATE, RESULT AUTH, "<policy-violation", NULL,
		"external" },
	{ "section 6.3.5: once", AUTHED, 0, AUTH, "<unsupported-stanza-type", NULL, "external" },
};

static void test_external(void **state)
{
	CHECK(external);
}

/* Nothing is read before the user has answered, nor while it holds the stream. */
static void test_external_waits(void **state)
{
	struct s2s_side x;

	s2s_side_incoming(&x);
	reach(&x, SECURE, false);
	x.late = true;
	s2s_side_send(&x, AUTH HEADER MESSAGE, false);
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
	assert_true(s2s_side_told(&x, "x@c.example to y@a.example: " MESSAGE));
	s2s_externally(&x.stream, false); /* nobody has asked again */
	assert_false(s2s_side_wrote(&x, "failure"));
	s2s_side_end(&x);
}

/* ---- dialback ---- */

#define DB_ERROR(name, id, type, condition)                                                  \
	"<db:" name " from='a.example' to='c.example'" id " type='error'><error type='" type \
	"'><" condition " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:" name ">"
#define LONG_KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TOO_LONG LONG_KEY LONG_KEY LONG_KEY LONG_KEY "x"

static const struct row dialback[] = {
	{ "XEP-0220 example 11: valid", CLEAR, 0, RESULT, VALID, "result c.example a.example key\n",
		NULL },
	{ "XEP-0220 section 2.2: inside TLS", SECURE, 0, RESULT MESSAGE, VALID,
		"x@c.example to y@a.example: ", NULL },
	{ "the same, without version", RAW, 0, OLD RESULT MESSAGE, VALID,
		"x@c.example to y@a.example: ", NULL },
	{ "XEP-0220 section 2.1.1: white space around a key", CLEAR, 0,
		"<db:result from='c.example' to='a.example'>\n  key\n</db:result>", VALID,
		"result c.example a.example key\n", NULL },
	{ "another prefix", RAW, 0, "<stream:stream xmlns='jabber:server' " STREAMS " xmlns:dialback="
		"'jabber:server:dialback' from='c.example' to='a.example' version='1.0'>"
		"<dialback:result from='c.example' to='a.example'>key</dialback:result>", VALID, NULL,
		NULL },
	{ "no prefix", CLEAR, 0, "<result xmlns='jabber:server:dialback' from='c.example' "
		"to='a.example'>key</result>", VALID, NULL, NULL },
	{ "XEP-0220 example 12: invalid, and the end", CLEAR, WRONG, RESULT,
		"<db:result from='a.example' to='c.example' type='invalid'/></stream:stream>",
		"closed by us, no error", NULL },
	{ "XEP-0220 section 2.2.1: nothing behind it", CLEAR, WRONG, RESULT MESSAGE, NULL, NULL,
		" to y@" },
	{ "XEP-0220 section 2.2.1: invalid beside a pair", DIALED, WRONG,
		"<db:result from='d.example' to='a.example'>key</db:result>" MESSAGE,
		"<db:result from='a.example' to='d.example' type='error'><error type='auth'><forbidden",
		"x@c.example to y@a.example: ", "type='invalid'" },
	{ "XEP-0220 example 10: no such host", CLEAR, 0,
		"<db:result from='c.example' to='b.example'>key</db:result>" RESULT,
		"<db:result from='b.example' to='c.example' type='error'><error type='cancel'>"
		"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>"
		VALID, NULL, NULL },
	{ "XEP-0220 section 2.6.1: another sender", DIALED, 0,
		"<db:result from='rooms.c.example' to='a.example'>key</db:result>"
		"<message from='r@rooms.c.example' to='y@a.example'/>",
		"<db:result from='a.example' to='rooms.c.example' type='valid'/>",
		"r@rooms.c.example to y@a.example", NULL },
	{ "XEP-0220 section 2.6.2: another target", DIALED, 0,
		"<db:result from='c.example' to='rooms.a.example'>key</db:result>"
		"<message from='x@c.example' to='r@rooms.a.example'/>",
		"<db:result from='rooms.a.example' to='c.example' type='valid'/>",
		"x@c.example to r@rooms.a.example", NULL },
	{ "XEP-0220 section 2.6: behind EXTERNAL too", AUTHED, 0,
		"<db:result from='c.example' to='rooms.a.example'>key</db:result>", "type='valid'",
		NULL, NULL },
	{ "XEP-0220 section 2.5: no room", CLEAR, BUSY, RESULT,
		DB_ERROR("result", "", "wait", "resource-constraint"), NULL, NULL },
	{ "XEP-0220 section 2.5: no key", CLEAR, 0, "<db:result from='c.example' to='a.example'/>",
		DB_ERROR("result", "", "modify", "not-acceptable"), NULL, "result c.example" },
	{ "XEP-0220 section 2.5: a key without end", CLEAR, 0,
		"<db:result from='c.example' to='a.example'>" TOO_LONG "</db:result>",
		DB_ERROR("result", "", "modify", "not-acceptable"), NULL, "result c.example" },
	{ "XEP-0220 section 2.4.1: not offered", CLEAR, NO_DIALBACK, RESULT,
		"<unsupported-stanza-type", NULL, "result c.example" },
	{ "section 4.9.3.7: from nobody", CLEAR, 0, "<db:result to='a.example'>key</db:result>",
		"<improper-addressing", NULL, "result" },
	{ "section 4.9.3.7: to nobody", CLEAR, 0, "<db:result from='c.example'>key</db:result>",
		"<improper-addressing", NULL, "result" },
	{ "section 4.9.3.7: from no domain", CLEAR, 0,
		"<db:result from='x@c.example' to='a.example'>key</db:result>",
		"<improper-addressing", NULL, "result" },
	{ "XEP-0220 example 15: a key of ours", CLEAR, 0, VERIFY,
		"<db:verify from='a.example' to='c.example' id='42' type='valid'/>",
		"verify c.example a.example 42 key\n", NULL },
	{ "XEP-0220 example 16: a key of others", CLEAR, WRONG, VERIFY VERIFY,
		"<db:verify from='a.example' to='c.example' id='42' type='invalid'/>", NULL,
		"closed" },
	{ "XEP-0220 example 14: no such host", CLEAR, 0,
		"<db:verify from='c.example' to='b.example' id='42'>key</db:verify>" VERIFY,
		"<db:verify from='b.example' to='c.example' id='42' type='error'><error type='cancel'>"
		"<item-not-found", NULL, "closed" },
	{ "XEP-0220 section 2.2: a question on a stream with pairs", DIALED, 0, VERIFY, "type='valid'",
		NULL, NULL },
	{ "a question gives no rights", CLEAR, 0, VERIFY MESSAGE, "<not-authorized", NULL, " to y@" },
	{ "a question with an id to be escaped", CLEAR, 0,
		"<db:verify from='c.example' to='a.example' id='&lt;&apos;'>key</db:verify>",
		" id='&lt;&apos;' type='valid'", NULL, NULL },
	{ "no key is nobody's", CLEAR, 0, "<db:verify from='c.example' to='a.example' id='42'/>",
		"id='42' type='invalid'", NULL, "verify c.example" },
	{ "XEP-0220 section 6.1: a question about no stream", CLEAR, 0,
		"<db:verify from='c.example' to='a.example'>key</db:verify>", "<bad-format", NULL,
		"verify c.example" },
	{ "an id without end", CLEAR, 0, "<db:verify from='c.example' to='a.example' id='" TOO_LONG
		"'>key</db:verify>", "<bad-format", NULL, "verify c.example" },
	{ "XEP-0220 section 3.1: an answer to no question", CLEAR, 0,
		"<db:result from='c.example' to='a.example' type='valid'/>" MESSAGE,
		"<not-authorized", NULL, "answered" },
	{ "XEP-0220 section 3.1: a verdict on no question", DIALED, 0,
		"<db:verify from='c.example' to='a.example' id='42' type='valid'/>" MESSAGE, NULL,
		"x@c.example to y@a.example: ", "answered" },
	{ "section 4.9.3.1: an unknown type", CLEAR, 0,
		"<db:result from='c.example' to='a.example' type='maybe'>key</db:result>",
		"<bad-format", NULL, "result" },
	{ "section 4.9.3.24: another element of dialback", CLEAR, 0, "<db:x/>",
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

	s2s_side_incoming(&x);
	reach(&x, DIALED, false);
	x.late = true;
	s2s_side_send(&x, "<db:result from='d.example' to='a.example'>key</db:result>" MESSAGE VERIFY,
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

static const struct row stanzas[] = {
	{ "section 4.9.3.12: before authorisation", SECURE, 0, MESSAGE, "<not-authorized", NULL,
		" to y@" },
	{ "behind it", DIALED, 0, MESSAGE, NULL, "x@c.example to y@a.example: " MESSAGE, NULL },
	{ "section 4.8.2: the namespace written", DIALED, 0,
		"<iq xmlns='jabber:server' from='c.example' to='a.example' id='1' type='get'>"
		"<q xmlns='urn:q'/></iq>", NULL,
		"c.example to a.example: <iq from='c.example' to='a.example' id='1' type='get'>"
		"<q xmlns='urn:q'/></iq>", NULL },
	{ "section 4.9.3.9: a domain of others", DIALED, 0,
		"<message from='x@d.example' to='y@a.example'/>", "<invalid-from",
		"closed by us, invalid-from", " to y@" },
	{ "section 4.9.3.9: a domain within", DIALED, 0,
		"<message from='x@z.c.example' to='y@a.example'/>", "<invalid-from", NULL, " to y@" },
	{ "section 4.9.3.9: another pair", DIALED, 0,
		"<message from='x@c.example' to='r@rooms.a.example'/>", "<invalid-from", NULL, " to r@" },
	{ "section 4.9.3.9: who we are is not told to others", DIALED, 0,
		"<message from='x@d.example' to='y@b.example'/>", "<invalid-from", NULL, " to y@" },
	{ "section 4.9.3.6: a host of others", DIALED, 0,
		"<message from='x@c.example' to='y@b.example'/>", "<host-unknown", NULL, " to y@" },
	{ "section 8.1.2.2: no from", DIALED, 0, "<message to='y@a.example'/>",
		"<improper-addressing", NULL, " to y@" },
	{ "section 8.1.1.2: no to", DIALED, 0, "<message from='x@c.example'/>",
		"<improper-addressing", NULL, NULL },
	{ "section 4.9.3.7: an empty from", DIALED, 0, "<message from='' to='y@a.example'/>",
		"<improper-addressing", NULL, NULL },
	{ "section 4.9.3.7: a to that is no address", DIALED, 0,
		"<message from='x@c.example' to='@a.example'/>", "<improper-addressing", NULL, NULL },
	{ "section 4.9.3.24: no stanza", DIALED, 0, "<log from='x@c.example' to='y@a.example'/>",
		"<unsupported-stanza-type", NULL, NULL },
	{ "XEP-0198: behind authorisation", DIALED, 0, "<enable xmlns='urn:xmpp:sm:3'/>", NULL,
		"nonza <enable xmlns='urn:xmpp:sm:3'/>", "closed" },
	{ "XEP-0198: not before", SECURE, 0, "<enable xmlns='urn:xmpp:sm:3'/>",
		"<unsupported-stanza-type", NULL, "nonza" },
	{ "XEP-0198: nobody's", DIALED, 0, "<what xmlns='urn:xmpp:sm:3'/>",
		"<unsupported-stanza-type", NULL, NULL },
};

static void test_stanzas(void **state)
{
	CHECK(stanzas);
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
		cmocka_unit_test(test_dialback),
		cmocka_unit_test(test_dialback_waits),
		cmocka_unit_test(test_stanzas),
	};

	log_setup(LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
