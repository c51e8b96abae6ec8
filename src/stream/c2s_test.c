/* A client's stream as the server sees it, over the loopback: that cuts in the input change
 * nothing, that answers may come late or never, and what is offered when. The rules of the
 * protocol as a client meets them are in tests/script. */
#include "stream/loopback.h"

#include "base/base64.h"
#include "base/bug.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define OUT_MAX (4 * 1024 * 1024)

#define HEADER                                                                              \
	"<stream:stream xmlns='jabber:client' xmlns:stream="                                \
	"'http://etherx.jabber.org/streams' version='1.0' to='a.example'>"
#define STARTTLS "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define PROCEED  "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define AUTH     "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"
#define RIGHT    AUTH "AHJvbWVvAHNlY3JldA==</auth>" /* romeo, secret */
#define WRONG    AUTH "AHJvbWVvAHdyb25n</auth>"     /* romeo, wrong */
#define BIND                                                                                \
	"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"            \
	"<resource>orchard</resource></bind></iq>"
#define SM_R "<r xmlns='urn:xmpp:sm:3'/>"

/* ---- a user of the stream that notes what it is asked ---- */

enum question { NOTHING, CHECK, AUTHENTICATED, BIND_RESOURCE, GUEST };

struct side {
	struct loopback loop;
	struct c2s stream;
	struct xml_table table;
	struct log log;
	struct c2s_host host;
	struct buf events;         /* what the stream told its user, a line each */
	enum question open;        /* not answered yet */
	bool late;                 /* questions wait for answer() */
	unsigned closed;
};

static struct side *of(struct c2s *s)
{
	return s->user;
}

static bool on_host(struct c2s *s, struct str domain, struct c2s_host *out)
{
	*out = of(s)->host;
	return str_eq(domain, out->domain);
}

static void on_features(struct c2s *s, struct writer *w, bool authed)
{
	w_open(w, authed ? "for-users" : "for-guests");
	w_close(w);
}

static void answer(struct side *x);

static void ask(struct c2s *s, enum question what)
{
	struct side *x = of(s);

	assert_int_equal(x->open, NOTHING); /* one at a time */
	x->open = what;
	if (!x->late)
		answer(x);
}

static void on_keys(struct c2s *s, struct str user)
{
	BUG("no case asks for keys");
}

static void on_check(struct c2s *s, struct str user, struct str password)
{
	buf_printf(&of(s)->events, "check %.*s %.*s\n", STR_FMT(user), STR_FMT(password));
	ask(s, CHECK);
}

static void on_refused(struct c2s *s)
{
	buf_lit(&of(s)->events, "refused\n");
}

static void on_authenticated(struct c2s *s, struct str user)
{
	buf_printf(&of(s)->events, "authenticated %.*s\n", STR_FMT(user));
	ask(s, AUTHENTICATED);
}

static void on_bind(struct c2s *s, struct str resource)
{
	buf_printf(&of(s)->events, "bind %.*s\n", STR_FMT(resource));
	ask(s, BIND_RESOURCE);
}

static void note(struct c2s *s, const char *what, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);

	assert_false(root->flags & XML_INHERITS);
	assert_int_equal(root->prefix_len, 0);
	buf_printf(&of(s)->events, "%s %.*s\n", what, STR_FMT(xml_raw(d, root)));
}

static void on_stanza(struct c2s *s, const struct xml_doc *d)
{
	note(s, "stanza", d);
}

static void on_guest(struct c2s *s, const struct xml_doc *d)
{
	note(s, "guest", d);
}

/* <resume/> goes on without a resource, as for a stream that is known. */
static bool on_nonza(struct c2s *s, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);

	if (root->ns != NS_SM)
		return false;
	note(s, "nonza", d);
	if (root->tag == TAG_RESUME && s->nego.phase == NEGO_BIND)
		c2s_resumed(s);
	return true;
}

static void on_closed(struct c2s *s, enum stream_ending how)
{
	static const char *const words[] = {
		[STREAM_ENDED_BY_PEER] = "by peer", [STREAM_ENDED_HERE] = "by us", [STREAM_ENDED_LOST] = "lost",
	};

	of(s)->closed++;
	buf_printf(&of(s)->events, "closed %s\n", words[how]);
}

static const struct c2s_ops ops = {
	.host = on_host,
	.features = on_features,
	.keys = on_keys,
	.check = on_check,
	.refused = on_refused,
	.authenticated = on_authenticated,
	.bind = on_bind,
	.stanza = on_stanza,
	.guest = on_guest,
	.nonza = on_nonza,
	.closed = on_closed,
};

static void answer(struct side *x)
{
	enum question what = x->open;
	struct arena a;

	arena_init(&a, 256);
	x->open = NOTHING;
	switch (what) {
	case CHECK:
		c2s_checked(&x->stream, str_eq(c2s_password(&x->stream), STR("secret")));
		break;
	case AUTHENTICATED:
		c2s_go_on(&x->stream);
		break;
	case BIND_RESOURCE:
		c2s_bound(&x->stream, jid_make(&a, STR("romeo"), STR("a.example"), STR("orchard")));
		break;
	default:
		break;
	}
	arena_clear(&a);
}

static void begin(struct side *x)
{
	*x = (struct side){ .host = { .domain = STR("a.example"), .tls = true,
				    .mechs = 1u << MECH_PLAIN | 1u << MECH_SCRAM_SHA_256,
				    .plain_in_clear = true } };
	buf_init(&x->events, OUT_MAX);
	loopback_init(&x->loop, &x->stream, OUT_MAX);
	x->loop.secure = true;
	c2s_init(&x->stream, &x->loop.wire, &ops, x, &x->table, &x->log);
}

static void end(struct side *x)
{
	c2s_clear(&x->stream);
	loopback_clear(&x->loop);
	xml_table_clear(&x->table);
	buf_clear(&x->events);
}

static void send_str(struct side *x, struct str s)
{
	loopback_send(&x->loop, s);
}

static void send_z(struct side *x, const char *z)
{
	send_str(x, str_c(z));
}

static bool wrote(const struct side *x, const char *z)
{
	return x->loop.out.n && memmem(x->loop.out.p, x->loop.out.n, z, strlen(z));
}

/* All that came of it, with the ids of our headers blotted out. */
static struct str outcome(struct side *x, struct arena *a)
{
	struct str all = str_printf(a, "%.*s%s\n%.*s", STR_FMT(buf_str(&x->loop.out)),
		x->loop.finished ? " FINISHED" : "", STR_FMT(buf_str(&x->events)));
	char *p = (char *)all.p, *past = p + all.n;

	while ((p = memmem(p, (size_t)(past - p), "xml:lang='en' id='", 18))) {
		for (p += 18; *p != '\''; p++)
			*p = 'x';
	}
	return all;
}

/* ---- every cut ---- */

/* A connection in one or two parts; between them stands the TLS handshake. */
static const struct talk {
	const char *name, *clear, *secure;
} talks[] = {
	{ "whole login",
		HEADER WRONG RIGHT "<?xml version='1.0'?>" HEADER BIND " \n"
		"<presence><show>a&amp;b</show></presence><message to='x'><body>\xc3\xbc</body></message>"
		"<iq id='1' type='get'><q xmlns='urn:q'/></iq></stream:stream>", NULL },
	{ "with TLS", HEADER STARTTLS " \n",
		HEADER RIGHT HEADER BIND "<message/></stream:stream>" },
	{ "an aborted exchange",
		HEADER "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>"
		"<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>" RIGHT HEADER BIND, NULL },
	{ "stanzas that lean on the header",
		HEADER RIGHT "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client' "
		"xmlns:c='jabber:client' xmlns:x='urn:x' version='1.0' to='a.example'>" BIND
		"<c:message><c:body/><x:y/></c:message><message x:a='1'/>", NULL },
	{ "a fault in the middle", HEADER RIGHT HEADER BIND "<presence/><message><body></message>", NULL },
	{ "a fault before the header", "<stream>", NULL },
	{ "a stanza too early", HEADER "<message/>", NULL },
	{ "elements of stream features", HEADER RIGHT HEADER BIND SM_R "<message/>" SM_R, NULL },
	{ "an element of nobody", HEADER RIGHT HEADER BIND "<r xmlns='urn:other'/><message/>", NULL },
	{ "an earlier stream goes on", HEADER SM_R RIGHT HEADER "<resume xmlns='urn:xmpp:sm:3'/>"
		"<message/>", NULL },
};

static void send_cut(struct side *x, const char *bytes, size_t cut, size_t step)
{
	struct str rest = str_c(bytes);

	while (rest.n) {
		size_t n = step ? step : cut && cut < rest.n ? cut : rest.n;
		cut = 0;
		send_str(x, str_head(rest, n));
		while (x->open != NOTHING)
			answer(x);
		rest = str_skip(rest, n);
	}
}

/* cut: of both parts; step: bytes at a time, or 0. */
static struct str play(const struct talk *t, bool late, size_t cut, size_t step, struct arena *a)
{
	struct side x;

	begin(&x);
	x.late = late;
	send_cut(&x, t->clear, cut, step);
	if (t->secure) {
		assert_int_equal(x.stream.nego.phase, NEGO_TLS);
		c2s_secured(&x.stream);
		send_cut(&x, t->secure, cut, step);
	}
	struct str all = outcome(&x, a);
	end(&x);
	return all;
}

static void assert_same(const struct talk *t, bool late, size_t cut, struct str want, struct str got)
{
	if (!str_eq(want, got))
		fail_msg("%s, answers %s, cut at %zu:\n%.*s\nand not\n%.*s", t->name,
			late ? "late" : "at once", cut, STR_FMT(got), STR_FMT(want));
}

/* Elements of stream features go to who knows them, in any phase; the rest is refused. */
static void test_nonzas(void **state)
{
	static const struct { size_t from_end; const char *told; } cases[] = {
		{ 3, "nonza <r xmlns='urn:xmpp:sm:3'/>\nstanza <message/>\nnonza <r xmlns='urn:xmpp:sm:3'/>" },
		{ 2, "<unsupported-stanza-type" },
		{ 1, "nonza <resume xmlns='urn:xmpp:sm:3'/>\nstanza <message/>\n" },
	};
	struct arena a;

	arena_init(&a, 4096);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct talk *t = &talks[sizeof talks / sizeof talks[0] - cases[i].from_end];
		struct str all = play(t, false, 0, 0, &a);
		if (!memmem(all.p, all.n, cases[i].told, strlen(cases[i].told)))
			fail_msg("%s: %s is not in\n%.*s", t->name, cases[i].told, STR_FMT(all));
	}
	arena_clear(&a);
}

static void test_every_cut(void **state)
{
	struct arena a, turn;

	arena_init(&a, 4096);
	arena_init(&turn, 4096);
	for (size_t i = 0; i < sizeof talks / sizeof talks[0]; i++) {
		const struct talk *t = &talks[i];
		struct str want = play(t, false, 0, 0, &a);
		size_t n = strlen(t->clear), m = t->secure ? strlen(t->secure) : 0;
		for (int late = 0; late < 2; late++) {
			assert_same(t, late, 0, want, play(t, late, 0, 0, &turn));
			assert_same(t, late, 1, want, play(t, late, 0, 1, &turn));
			for (size_t cut = 1; cut < (n > m ? n : m); cut++) {
				assert_same(t, late, cut, want, play(t, late, cut, 0, &turn));
				arena_reset(&turn);
			}
		}
	}
	arena_clear(&turn);
	arena_clear(&a);
}

/* What the talks above come to: a comparison of equal nothings would prove nothing. */
static void test_login(void **state)
{
	struct arena a;

	arena_init(&a, 4096);
	struct str all = play(&talks[0], false, 0, 0, &a);
	static const char *const parts[] = {
		"<not-authorized/>", "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
		"<for-users/>", "<jid>romeo@a.example/orchard</jid>",
		"</stream:stream> FINISHED\n",
		"check romeo wrong\nrefused\ncheck romeo secret\nauthenticated romeo\nbind orchard\n"
		"stanza <presence><show>a&amp;b</show></presence>\n"
		"stanza <message to='x'><body>\xc3\xbc</body></message>\n"
		"stanza <iq id='1' type='get'><q xmlns='urn:q'/></iq>\nclosed by peer\n",
	};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (!memmem(all.p, all.n, parts[i], strlen(parts[i])))
			fail_msg("%s is not in\n%.*s", parts[i], STR_FMT(all));
	arena_clear(&a);
}

/* ---- TLS (RFC 6120 section 5.4.3.3) ---- */

static void test_starttls_injection(void **state)
{
	static const struct {
		const char *name, *behind;
		bool harmless;
	} cases[] = {
		{ "nothing", "", true },
		{ "white space", " \r\n\t", true },
		{ "a header", HEADER, false },
		{ "a byte", "x", false },
		{ "a login behind white space", "\n" HEADER RIGHT, false },
		{ "half an element", "<auth", false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct side x;
		struct arena a;
		begin(&x);
		arena_init(&a, 256);
		send_z(&x, HEADER);
		send_str(&x, str_printf(&a, STARTTLS "%s", cases[i].behind));
		bool goes_on = !x.loop.finished;
		if (goes_on != cases[i].harmless)
			fail_msg("%s: the stream %s", cases[i].name, goes_on ? "goes on" : "has ended");
		assert_true(wrote(&x, PROCEED));
		assert_false(wrote(&x, "</stream:stream>")); /* nothing may follow <proceed/> */
		if (goes_on) {
			size_t before = x.loop.out.n;
			c2s_secured(&x.stream);
			assert_int_equal(x.loop.out.n, before);
			send_z(&x, HEADER);
			assert_true(wrote(&x, "<mechanism>PLAIN</mechanism>"));
		}
		arena_clear(&a);
		end(&x);
	}
}

/* Cut anywhere, what came in clear is gone once TLS is there. */
static void test_nothing_clear_survives(void **state)
{
	struct side x;

	begin(&x);
	send_z(&x, HEADER STARTTLS "  ");
	c2s_secured(&x.stream);
	send_z(&x, HEADER);
	assert_int_equal(x.stream.nego.phase, NEGO_SECURE);
	assert_false(x.loop.finished);
	end(&x);
}

static void test_no_tls_to_be_had(void **state)
{
	struct side x;

	begin(&x);
	x.loop.secure = false; /* the host offers it, but the wire cannot */
	send_z(&x, HEADER STARTTLS);
	assert_true(x.loop.finished);
	assert_int_equal(x.closed, 1);
	end(&x);
}

/* ---- what is offered (sections 5.4.1 and 6.4.1) ---- */

static void test_features(void **state)
{
	static const struct {
		const char *name;
		bool tls, required, plain_in_clear, guest, secured, binding, cert;
		const char *in, *not_in;
	} cases[] = {
		{ .name = "TLS can be had", .tls = true, .in = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
			"<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256</mechanism></mechanisms>",
			.not_in = "PLAIN" },
		{ .name = "TLS must be had", .tls = true, .required = true,
			.in = "<required/></starttls></stream:features>", .not_in = "mechanism" },
		{ .name = "no TLS", .in = "<stream:features><mechanisms", .not_in = "starttls" },
		{ .name = "PLAIN in clear", .plain_in_clear = true, .in = "PLAIN", .not_in = "guests" },
		{ .name = "guests, not in clear", .guest = true, .in = "SCRAM-SHA-256", .not_in = "guests" },
		{ .name = "guests", .guest = true, .plain_in_clear = true, .in = "<for-guests/>", .not_in = "PLUS" },
		{ .name = "behind TLS", .tls = true, .required = true, .secured = true,
			.in = "<mechanism>SCRAM-SHA-256</mechanism><mechanism>PLAIN</mechanism>", .not_in = "PLUS" },
		{ .name = "channel binding (XEP-0440)", .tls = true, .secured = true, .binding = true,
			.in = "<mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-256</mechanism>"
			"<mechanism>PLAIN</mechanism></mechanisms><sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>"
			"<channel-binding type='tls-exporter'/></sasl-channel-binding>", .not_in = "starttls" },
		{ .name = "a certificate (section 6.3.4)", .tls = true, .secured = true, .cert = true,
			.in = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism>",
			.not_in = "PLUS" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct side x;
		begin(&x);
		x.host.tls = cases[i].tls;
		x.host.tls_required = cases[i].required;
		x.host.plain_in_clear = cases[i].plain_in_clear;
		x.host.guest_iq = cases[i].guest;
		x.host.mechs |= 1u << MECH_EXTERNAL;
		if (cases[i].binding)
			x.loop.described.binding.exporter = STR("bound");
		if (cases[i].cert) {
			x.loop.described.cert_jids[0] = STR("romeo@a.example");
			x.loop.described.n_cert_jids = 1;
		}
		send_z(&x, HEADER);
		if (cases[i].secured) {
			send_z(&x, STARTTLS);
			c2s_secured(&x.stream);
			buf_reset(&x.loop.out);
			send_z(&x, HEADER);
		}
		if (!wrote(&x, cases[i].in) || wrote(&x, cases[i].not_in))
			fail_msg("%s: %.*s", cases[i].name, STR_FMT(buf_str(&x.loop.out)));
		end(&x);
	}
}

/* ---- answers that come late, or too late ---- */

/* Brings a stream to where a question is open. */
static void reach(struct side *x, enum question what)
{
	x->late = true;
	send_z(x, HEADER RIGHT);
	if (what != CHECK)
		answer(x);
	if (what == BIND_RESOURCE) {
		answer(x);
		send_z(x, HEADER BIND);
	}
	assert_int_equal(x->open, what);
}

static const enum question questions[] = { CHECK, AUTHENTICATED, BIND_RESOURCE };

static void test_input_waits(void **state)
{
	for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
		struct side x;
		begin(&x);
		reach(&x, questions[i]);
		assert_true(x.loop.paused);
		size_t out = x.loop.out.n, told = x.events.n;
		send_z(&x, "<presence/>");
		send_z(&x, "<");
		assert_int_equal(x.loop.out.n, out);
		assert_int_equal(x.events.n, told);
		answer(&x);
		assert_int_equal(x.loop.paused, x.open != NOTHING); /* the next question */
		end(&x);
	}
}

/* What is kept meanwhile has a bound, though a wire that is paused does not reach it. */
static void test_too_much_waits(void **state)
{
	static char spaces[64 * 1024];
	struct side x;

	begin(&x);
	reach(&x, CHECK);
	for (size_t i = 0; i < sizeof spaces; i++)
		spaces[i] = ' ';
	for (unsigned n = 0; n < 64 && !x.loop.finished; n++)
		send_str(&x, str_from(spaces, sizeof spaces));
	assert_true(wrote(&x, "<policy-violation"));
	assert_true(x.loop.finished);
	answer(&x); /* comes too late and does nothing */
	assert_int_equal(x.closed, 1);
	end(&x);
}

static void lose(struct side *x)
{
	c2s_lost(&x->stream);
}

static void close_it(struct side *x)
{
	c2s_close(&x->stream, STREAM_SYSTEM_SHUTDOWN, STR("enough"));
}

static void end_it(struct side *x)
{
	c2s_end(&x->stream);
}

static void test_too_late(void **state)
{
	static void (*const ends[])(struct side *) = { lose, close_it, end_it };

	for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
		for (size_t k = 0; k < sizeof ends / sizeof ends[0]; k++) {
			struct side x;
			begin(&x);
			reach(&x, questions[i]);
			ends[k](&x);
			assert_int_equal(x.closed, 1);
			size_t out = x.loop.out.n;
			answer(&x);
			c2s_auth_failed_for_now(&x.stream);
			c2s_bind_refused(&x.stream, ERR_CONFLICT);
			send_z(&x, "<presence/>");
			for (size_t n = 0; n < sizeof ends / sizeof ends[0]; n++)
				ends[n](&x);
			assert_int_equal(x.loop.out.n, out);
			assert_int_equal(x.closed, 1);
			end(&x);
		}
	}
}

static void test_failed_for_now(void **state)
{
	struct side x;

	begin(&x);
	reach(&x, CHECK);
	send_z(&x, RIGHT);
	x.open = NOTHING;
	c2s_auth_failed_for_now(&x.stream);
	assert_true(wrote(&x, "<temporary-auth-failure/>"));
	assert_int_equal(x.open, CHECK); /* the second try was looked at */
	answer(&x);
	assert_true(wrote(&x, "<success"));
	end(&x);
}

/* ---- back-pressure ---- */

/* The wire is read when neither the stream nor its user wants it paused. */
static void test_pause(void **state)
{
	struct side x;

	begin(&x);
	c2s_throttle(&x.stream, true);
	assert_true(x.loop.paused);
	c2s_throttle(&x.stream, false);
	assert_false(x.loop.paused);
	reach(&x, CHECK);
	assert_true(x.loop.paused);
	c2s_throttle(&x.stream, true);
	answer(&x); /* right: AUTHENTICATED is open, the stream still held */
	answer(&x);
	assert_true(x.loop.paused);
	c2s_throttle(&x.stream, false);
	assert_false(x.loop.paused);
	end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_nonzas),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_starttls_injection),
		cmocka_unit_test(test_nothing_clear_survives),
		cmocka_unit_test(test_no_tls_to_be_had),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_input_waits),
		cmocka_unit_test(test_too_much_waits),
		cmocka_unit_test(test_too_late),
		cmocka_unit_test(test_failed_for_now),
		cmocka_unit_test(test_pause),
	};

	log_setup(LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
