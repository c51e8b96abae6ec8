/* Streams between servers: their bounds and ends, and the two roles against each other. */
#include "stream/s2s_testing.h"

#include "base/bug.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define HEADER  "<stream:stream xmlns='jabber:server' " DB " " STREAMS " from='c.example' " \
	"to='a.example' version='1.0'>"
#define SASL    "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
#define MESSAGE "<message from='x@c.example' to='y@a.example'><body>b</body></message>"

static void send_str(struct s2s_side *x, struct str bytes)
{
	loopback_send(&x->loop, bytes);
	arena_reset(&x->turn);
}

static struct str result_of(struct arena *a, unsigned n)
{
	return str_printf(a, "<db:result from='c%u.example' to='a.example'>key</db:result>", n);
}

static unsigned count(const struct buf *b, const char *text)
{
	struct str rest = buf_str(b);
	const char *at;
	unsigned n = 0;

	while (rest.p && (at = memmem(rest.p, rest.n, text, strlen(text)))) {
		n++;
		rest = str_skip(rest, (size_t)(at - rest.p) + 1);
	}
	return n;
}

/* ---- bounds ---- */

/* XEP-0220 section 2.5: so many pairs, then resource-constraint; the stream goes on. */
static void test_pairs(void **state)
{
	struct s2s_side x;
	struct arena a;

	arena_init(&a, 256);
	s2s_side_incoming(&x);
	s2s_side_send(&x, HEADER, false);
	for (unsigned i = 0; i <= S2S_PAIRS_MAX; i++)
		send_str(&x, result_of(&a, i));
	assert_int_equal(count(&x.loop.out, "type='valid'"), S2S_PAIRS_MAX);
	assert_int_equal(count(&x.loop.out, "<resource-constraint"), 1);
	send_str(&x, result_of(&a, 0)); /* a pair that is there already is no new one */
	assert_int_equal(count(&x.loop.out, "type='valid'"), S2S_PAIRS_MAX + 1);
	assert_false(s2s_authorise(&x.stream, STR("d.example"), STR("a.example")));
	assert_true(s2s_authorise(&x.stream, STR("c0.example"), STR("a.example")));
	send_str(&x, STR("<message from='c63.example' to='a.example'/>"));
	assert_true(s2s_side_told(&x, "c63.example to a.example: "));
	s2s_side_end(&x);
	arena_clear(&a);
}

/* Those that wait for an answer count. */
static void test_pending(void **state)
{
	struct s2s_side x;
	struct arena a;

	arena_init(&a, 256);
	s2s_side_incoming(&x);
	x.late = true;
	s2s_side_send(&x, HEADER, false);
	for (unsigned i = 0; i <= S2S_PAIRS_MAX; i++)
		send_str(&x, result_of(&a, i));
	assert_int_equal(count(&x.events, "result c"), S2S_PAIRS_MAX);
	assert_int_equal(count(&x.loop.out, "<resource-constraint"), 1);
	s2s_db_answer(&x.stream, STR("c0.example"), STR("a.example"), S2S_FAILED,
		ERR_REMOTE_SERVER_TIMEOUT);
	assert_int_equal(count(&x.loop.out, "<remote-server-timeout"), 1);
	send_str(&x, result_of(&a, S2S_PAIRS_MAX));
	assert_int_equal(count(&x.events, "result c"), S2S_PAIRS_MAX + 1);
	s2s_side_end(&x);
	arena_clear(&a);
}

/* Our own questions: so many wait; an answer makes room, and so does one that is given up, whose
 * answer comes too late once. */
static void test_asked(void **state)
{
	struct s2s_side x;
	struct arena a;
	struct str ours = STR("a.example"), peer = STR("c.example"), key = STR("key");

	arena_init(&a, 256);
	s2s_side_outgoing(&x, false);
	s2s_side_send(&x, "<stream:stream xmlns='jabber:server' " DB " " STREAMS " id='ID1' "
		"version='1.0'><stream:features/>", false);
	for (unsigned i = 0; i < S2S_ASKED_MAX; i++)
		assert_true(s2s_db_verify(&x.stream, ours, peer, str_printf(&a, "%u", i), key));
	assert_false(s2s_db_verify(&x.stream, ours, peer, STR("more"), key));
	assert_false(s2s_db_result(&x.stream, ours, peer, key));
	assert_int_equal(count(&x.loop.out, "<db:verify "), S2S_ASKED_MAX);
	s2s_side_send(&x, "<db:verify from='c.example' to='a.example' id='7' type='invalid'/>",
		false);
	assert_true(s2s_side_told(&x, "verify answered c.example a.example 7 invalid"));
	assert_true(s2s_db_result(&x.stream, ours, peer, key));
	s2s_db_forget(&x.stream, ours, peer, STR("8"));
	assert_true(s2s_db_verify(&x.stream, ours, peer, STR("more"), key));
	s2s_side_send(&x, "<db:verify from='c.example' to='a.example' id='8' type='valid'/>", false);
	assert_false(s2s_side_told(&x, "verify answered c.example a.example 8"));
	assert_int_equal(x.stream.tries, 0);
	s2s_side_send(&x, "<db:verify from='c.example' to='a.example' id='8' type='valid'/>", false);
	assert_int_equal(x.stream.tries, 1);
	s2s_side_end(&x);
	arena_clear(&a);
}

/* RFC 6120 section 6.4.5 and XEP-0220 section 3.1: who fails again and again is sent away. */
static const struct {
	const char *name, *header, *in;
	bool wrong, must_tls;
} tries[] = {
	{ "EXTERNAL", HEADER, "<auth " SASL " mechanism='EXTERNAL'>=</auth>", true, false },
	{ "no mechanism", HEADER, "<auth " SASL " mechanism='PLAIN'>=</auth>", false, false },
	{ "keys before TLS", HEADER, "<db:result from='c.example' to='a.example'>k</db:result>",
		false, true },
	{ "a host of others", HEADER, "<db:result from='c.example' to='b.example'>k</db:result>",
		false, false },
	{ "answers to no question", HEADER,
		"<db:result from='c.example' to='a.example' type='valid'/>", false, false },
};

static void test_tries(void **state)
{
	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		struct s2s_side x;
		s2s_side_incoming(&x);
		x.wrong = tries[i].wrong;
		x.host.tls_required = tries[i].must_tls;
		if (!tries[i].must_tls) {
			s2s_expect_tls(&x.stream);
			s2s_side_shake(&x);
		}
		s2s_side_send(&x, tries[i].header, false);
		for (unsigned n = 1; n < S2S_TRIES_MAX; n++)
			s2s_side_send(&x, tries[i].in, false);
		if (x.loop.finished)
			fail_msg("%s: too early", tries[i].name);
		s2s_side_send(&x, tries[i].in, false);
		if (!s2s_side_told(&x, "closed by us, policy-violation"))
			fail_msg("%s: %.*s", tries[i].name, STR_FMT(buf_str(&x.events)));
		s2s_side_end(&x);
	}
}

/* One that succeeds makes good for all before. */
static void test_tries_are_forgotten(void **state)
{
	struct s2s_side x;
	struct arena a;

	arena_init(&a, 256);
	s2s_side_incoming(&x);
	s2s_side_send(&x, HEADER, false);
	for (unsigned n = 0; n < 3 * S2S_TRIES_MAX; n++) {
		x.domain = n % S2S_TRIES_MAX ? "e.example" : "a.example";
		send_str(&x, result_of(&a, n));
	}
	assert_false(x.loop.finished);
	s2s_side_end(&x);
	arena_clear(&a);
}

/* A peer that challenges for ever. */
static void test_challenges(void **state)
{
	struct s2s_side x;

	s2s_side_new_outgoing(&x, false);
	x.external = true;
	s2s_expect_tls(&x.stream);
	s2s_side_shake(&x);
	s2s_side_send(&x, "<stream:stream xmlns='jabber:server' " STREAMS " id='ID1' version='1.0'>"
		"<stream:features><mechanisms " SASL "><mechanism>EXTERNAL</mechanism></mechanisms>"
		"</stream:features>", false);
	for (unsigned n = 0; n < S2S_TRIES_MAX && !x.loop.finished; n++)
		s2s_side_send(&x, "<challenge " SASL "/>", false);
	assert_true(s2s_side_told(&x, "closed by us, policy-violation"));
	s2s_side_end(&x);
}

/* ---- sizes ---- */

static struct str long_stanza(struct arena *a, size_t n)
{
	char *fill = arena_alloc(a, n);

	memset(fill, 'a', n);
	return str_printf(a, "<message from='c.example' to='a.example'><body>%.*s</body></message>",
		(int)n, fill);
}

static void test_sizes(void **state)
{
	struct scan_limits guest = scan_limits_guest, user = scan_limits_user;
	struct s2s_side x;
	struct arena a;

	arena_init(&a, 4096);
	guest.stanza_bytes = 10000;
	user.stanza_bytes = 20000;
	s2s_side_incoming(&x);
	s2s_limit(&x.stream, &guest, &user);
	s2s_side_send(&x, HEADER, false);
	send_str(&x, long_stanza(&a, 10000));
	assert_true(s2s_side_wrote(&x, "<policy-violation"));
	s2s_side_end(&x);
	s2s_side_incoming(&x);
	s2s_limit(&x.stream, &guest, &user);
	s2s_side_send(&x, HEADER "<db:result from='c.example' to='a.example'>key</db:result>",
		false);
	send_str(&x, long_stanza(&a, 15000));
	assert_true(s2s_side_told(&x, "c.example to a.example: "));
	s2s_limit(&x.stream, &guest, &guest);
	send_str(&x, long_stanza(&a, 15000));
	assert_true(s2s_side_wrote(&x, "<policy-violation"));
	s2s_side_end(&x);
	arena_clear(&a);
}

/* What grows as it is made to stand alone is bounded too: each child leans on the header. */
static void test_growth(void **state)
{
	struct s2s_side x;
	struct buf in;

	buf_init(&in, STREAM_KEPT_MAX);
	buf_printf(&in, "<stream:stream xmlns='jabber:server' " DB " " STREAMS " xmlns:p='urn:");
	for (unsigned i = 0; i < 500; i++)
		buf_byte(&in, 'x');
	buf_lit(&in, "' from='c.example' to='a.example' version='1.0'>"
		"<db:result from='c.example' to='a.example'>key</db:result>"
		"<message from='c.example' to='a.example'>");
	for (unsigned i = 0; i < 5000; i++)
		buf_lit(&in, "<p:a/>");
	buf_lit(&in, "</message>");
	assert_true(buf_ok(&in));
	s2s_side_incoming(&x);
	send_str(&x, buf_str(&in));
	assert_true(s2s_side_wrote(&x, "type='valid'"));
	assert_true(s2s_side_told(&x, "closed by us, policy-violation"));
	assert_false(s2s_side_told(&x, " to a.example: "));
	s2s_side_end(&x);
	buf_clear(&in);
}

/* Input that waits is bounded. */
static void test_too_much_waits(void **state)
{
	static char spaces[64 * 1024];
	struct s2s_side x;

	memset(spaces, ' ', sizeof spaces);
	s2s_side_incoming(&x);
	s2s_side_send(&x, HEADER, false);
	s2s_hold(&x.stream);
	for (unsigned n = 0; n < 64 && !x.loop.finished; n++)
		send_str(&x, str_from(spaces, sizeof spaces));
	assert_true(s2s_side_told(&x, "closed by us, policy-violation"));
	s2s_go_on(&x.stream);
	s2s_side_end(&x);
}

/* ---- ends ---- */

/* During a handshake nothing can be said. */
static void test_mute_ends(void **state)
{
	for (unsigned close = 0; close < 2; close++) {
		struct s2s_side x;
		s2s_side_incoming(&x);
		s2s_expect_tls(&x.stream);
		if (close)
			s2s_close(&x.stream, STREAM_SYSTEM_SHUTDOWN, STR("enough"));
		else
			s2s_end(&x.stream);
		assert_true(x.loop.finished);
		assert_int_equal(x.loop.out.n, 0);
		assert_true(s2s_side_told(&x, close ? "closed by us, system-shutdown"
						    : "closed by us, no error"));
		s2s_secured(&x.stream); /* too late */
		assert_false(s2s_side_told(&x, "secured"));
		s2s_side_end(&x);
	}
}

static void test_ends(void **state)
{
	struct s2s_side x;

	s2s_side_incoming(&x);
	s2s_close(&x.stream, STREAM_SYSTEM_SHUTDOWN, STR("enough"));
	assert_true(s2s_side_wrote(&x, " from='own.example'><stream:error><system-shutdown"));
	assert_true(s2s_side_told(&x, "closed by us, system-shutdown"));
	size_t out = x.loop.out.n;
	s2s_close(&x.stream, STREAM_SYSTEM_SHUTDOWN, STR("enough"));
	s2s_end(&x.stream);
	s2s_externally(&x.stream, true);
	s2s_db_answer(&x.stream, STR("c.example"), STR("a.example"), S2S_VALID, ERR_COUNT);
	s2s_db_verified(&x.stream, STR("c.example"), STR("a.example"), STR("1"), S2S_VALID,
		ERR_COUNT);
	assert_false(s2s_authorise(&x.stream, STR("c.example"), STR("a.example")));
	s2s_side_send(&x, HEADER, false);
	assert_int_equal(x.loop.out.n, out);
	s2s_side_end(&x);
	s2s_side_outgoing(&x, false);
	s2s_end(&x.stream);
	assert_true(s2s_side_wrote(&x, "</stream:stream>"));
	assert_false(s2s_side_wrote(&x, "error"));
	s2s_side_end(&x);
	s2s_side_outgoing(&x, false);
	s2s_lost(&x.stream);
	assert_true(s2s_side_told(&x, "closed lost, no error"));
	s2s_side_end(&x);
}

/* ---- the two roles ---- */

static void carry(struct s2s_side *from, struct s2s_side *to)
{
	struct buf bytes = from->loop.out;

	buf_init(&from->loop.out, bytes.max);
	if (bytes.n)
		send_str(to, buf_str(&bytes));
	buf_clear(&bytes);
}

/* Until neither has more to say. */
static void talk(struct s2s_side *out, struct s2s_side *in)
{
	do {
		carry(out, in);
		carry(in, out);
		if (out->stream.handshake && in->stream.handshake) {
			s2s_side_shake(in);
			s2s_side_shake(out);
		}
	} while (out->loop.out.n || in->loop.out.n);
}

/* What a server does, and what comes of it on either side. */
static const struct meeting {
	const char *name;
	bool tls, external, wrong, bidi, result, verify;
	const char *out_told, *in_told;
	bool there, back; /* stanzas flow to the one that was called, and back from it */
} meetings[] = {
	{ "EXTERNAL", .tls = true, .external = true, .out_told = "accepted ",
		.in_told = "external a.example", .there = true },
	{ "EXTERNAL, both ways", .tls = true, .external = true, .bidi = true,
		.out_told = "accepted ", .in_told = "bidi\n", .there = true, .back = true },
	{ "dialback inside TLS", .tls = true, .result = true,
		.out_told = "result answered c.example a.example  valid",
		.in_told = "result a.example c.example key2", .there = true },
	{ "dialback in clear, both ways", .result = true, .bidi = true,
		.out_told = "result answered c.example a.example  valid",
		.in_told = "result a.example c.example key2", .there = true, .back = true },
	{ "a certificate that is not right, then a key that is not", .tls = true, .external = true,
		.wrong = true, .result = true,
		.out_told = "not accepted\nresult answered c.example a.example  invalid",
		.in_told = "closed by us, no error" },
	{ "a question alone", .tls = true, .verify = true,
		.out_told = "verify answered c.example a.example 42 valid",
		.in_told = "verify a.example c.example 42 key1" },
};

static bool speak(struct s2s_side *from, struct s2s_side *to, const char *stanza, const char *told)
{
	if (!s2s_is_closed(&from->stream))
		buf_add(s2s_out(&from->stream), str_c(stanza));
	talk(from, to);
	return s2s_side_told(to, told);
}

static void meet(const struct meeting *m)
{
	struct s2s_side out, in;

	s2s_side_outgoing(&out, m->tls);
	s2s_side_incoming(&in);
	in.domain = "c.example";
	in.host.tls = m->tls;
	in.wrong = m->wrong;
	out.external = m->external;
	out.bidi = m->bidi;
	out.result = m->result;
	out.verify = m->verify;
	talk(&out, &in);
	if (!s2s_side_told(&out, m->out_told) || !s2s_side_told(&in, m->in_told))
		fail_msg("%s: %.*s and %.*s", m->name, STR_FMT(buf_str(&out.events)),
			STR_FMT(buf_str(&in.events)));
	assert_int_equal(out.stream.nego.secure, m->tls);
	/* The first that is not taken ends the stream. */
	if (speak(&out, &in, "<message from='y@a.example' to='x@c.example'/>",
		"y@a.example to x@c.example: ") != m->there ||
		speak(&in, &out, MESSAGE, "x@c.example to y@a.example: ") != m->back)
		fail_msg("%s: %.*s and %.*s", m->name, STR_FMT(buf_str(&out.events)),
			STR_FMT(buf_str(&in.events)));
	s2s_side_end(&out);
	s2s_side_end(&in);
}

static void test_meetings(void **state)
{
	for (size_t i = 0; i < sizeof meetings / sizeof meetings[0]; i++)
		meet(&meetings[i]);
}

/* XEP-0288 section 2.2: who was called asks for another domain of its own, of a domain that the
 * caller has proved to be; and never about a key that came on the same stream. */
static void test_questions_back(void **state)
{
	struct str rooms = STR("rooms.c.example"), caller = STR("a.example"), key = STR("key");
	struct s2s_side out, in;

	s2s_side_outgoing(&out, true);
	s2s_side_incoming(&in);
	in.domain = "c.example";
	out.bidi = out.result = true;
	assert_false(s2s_db_result(&in.stream, rooms, caller, key));
	talk(&out, &in);
	assert_false(s2s_db_result(&in.stream, rooms, STR("d.example"), key));
	assert_false(s2s_db_verify(&in.stream, rooms, caller,
		str_from(in.stream.id, sizeof in.stream.id), key));
	assert_true(s2s_db_result(&in.stream, rooms, caller, key));
	assert_true(s2s_db_verify(&in.stream, rooms, caller, STR("other"), key));
	talk(&in, &out);
	assert_true(s2s_side_told(&out, "result rooms.c.example a.example key"));
	assert_true(s2s_side_told(&in, "result answered a.example rooms.c.example  valid"));
	assert_true(s2s_side_told(&in, "verify answered a.example rooms.c.example other valid"));
	assert_true(speak(&in, &out, "<message from='r@rooms.c.example' to='y@a.example'/>",
		"r@rooms.c.example to y@a.example: "));
	s2s_side_end(&out);
	s2s_side_end(&in);
}

/* Without bidi the one that was called keeps silent. */
static void test_no_questions_back(void **state)
{
	struct str c = STR("c.example"), caller = STR("a.example"), key = STR("key");
	struct s2s_side out, in;

	s2s_side_outgoing(&out, true);
	s2s_side_incoming(&in);
	in.domain = "c.example";
	out.result = true;
	talk(&out, &in);
	assert_true(s2s_is_authorised(&in.stream, caller, c));
	assert_false(s2s_db_result(&in.stream, c, caller, key));
	assert_false(s2s_db_verify(&in.stream, c, caller, STR("other"), key));
	assert_int_equal(in.loop.out.n, 0);
	s2s_side_end(&out);
	s2s_side_end(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_asked),
		cmocka_unit_test(test_tries),
		cmocka_unit_test(test_tries_are_forgotten),
		cmocka_unit_test(test_challenges),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_too_much_waits),
		cmocka_unit_test(test_mute_ends),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_meetings),
		cmocka_unit_test(test_questions_back),
		cmocka_unit_test(test_no_questions_back),
	};

	log_setup(LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
