/* A component's stream as the server sees it (XEP-0114), over the loopback: the handshake, each
 * stream error, that cuts in the input change nothing, and that nothing is read before its user
 * says so. What becomes of stanzas is in tests/script. */
#include "stream/loopback.h"

#include "base/bug.h"
#include "base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OUT_MAX (1024 * 1024)
#define SECRET  "test"

#define STREAMS "xmlns:stream='http://etherx.jabber.org/streams'"
#define HEADER  "<stream:stream xmlns='jabber:component:accept' " STREAMS " to='c.example'>"
#define MESSAGE "<message from='x@c.example' to='romeo@a.example'><body>a</body></message>"

struct side {
	struct loopback loop;
	struct comp stream;
	struct xml_table table;
	struct arena turn;
	struct log log;
	struct buf events;      /* what the stream told its user, a line each */
	bool late;              /* the user accepts by hand */
	bool gone;              /* there is no secret any more */
	unsigned closed;
};

static struct side *of(struct comp *s)
{
	return s->user;
}

static bool on_host(struct comp *s, struct str domain)
{
	return str_eq(domain, STR("c.example"));
}

static struct str on_own_name(struct comp *s)
{
	return STR("a.example");
}

static struct str on_secret(struct comp *s)
{
	return of(s)->gone ? STR_NULL : STR(SECRET);
}

static void on_authenticated(struct comp *s)
{
	buf_lit(&of(s)->events, "authenticated\n");
	if (of(s)->late)
		return;
	comp_accept(s);
	comp_go_on(s);
}

static void on_refused(struct comp *s)
{
	buf_lit(&of(s)->events, "refused\n");
}

static bool on_owns(struct comp *s, struct jid from)
{
	return str_eq(jid_domain(from), STR("c.example"));
}

static void on_stanza(struct comp *s, const struct xml_doc *d, struct jid from, struct jid to)
{
	const struct xml_node *root = xml_root(d);

	assert_false(root->flags & XML_INHERITS);
	assert_int_equal(root->prefix_len, 0);
	assert_int_equal(root->ns, NS_CLIENT);
	buf_printf(&of(s)->events, "%.*s to %.*s: %.*s\n", STR_FMT(jid_str(from)),
		STR_FMT(jid_is_set(to) ? jid_str(to) : STR("nowhere")), STR_FMT(xml_raw(d, root)));
}

static void on_closed(struct comp *s, enum stream_ending how)
{
	static const char *const words[] = { [STREAM_ENDED_BY_PEER] = "by peer",
		[STREAM_ENDED_HERE] = "by us", [STREAM_ENDED_LOST] = "lost" };

	of(s)->closed++;
	buf_printf(&of(s)->events, "closed %s\n", words[how]);
}

static const struct comp_ops ops = {
	.host = on_host,
	.own_name = on_own_name,
	.secret = on_secret,
	.authenticated = on_authenticated,
	.refused = on_refused,
	.owns = on_owns,
	.stanza = on_stanza,
	.closed = on_closed,
};

static void begin(struct side *x)
{
	*x = (struct side){ 0 };
	arena_init(&x->turn, 1024);
	buf_init(&x->events, OUT_MAX);
	loopback_init_component(&x->loop, &x->stream, OUT_MAX);
	comp_init(&x->stream, &x->loop.wire, &ops, x);
	comp_settle(&x->stream, &x->table, &x->turn, &x->log);
}

static void end(struct side *x)
{
	comp_lost(&x->stream);
	assert_int_equal(x->closed, 1);
	comp_clear(&x->stream);
	loopback_clear(&x->loop);
	xml_table_clear(&x->table);
	buf_clear(&x->events);
	arena_clear(&x->turn);
}

static bool wrote(const struct side *x, const char *text)
{
	return x->loop.out.n && memmem(x->loop.out.p, x->loop.out.n, text, strlen(text));
}

static bool told(const struct side *x, const char *text)
{
	return x->events.n && memmem(x->events.p, x->events.n, text, strlen(text));
}

/* One byte at a time, or all at once. */
static void send_str(struct side *x, struct str bytes, bool cut)
{
	for (size_t i = 0; cut && i < bytes.n; i++)
		loopback_send(&x->loop, str_from(bytes.p + i, 1));
	if (!cut)
		loopback_send(&x->loop, bytes);
	arena_reset(&x->turn);
}

static void send_z(struct side *x, const char *bytes)
{
	send_str(x, str_c(bytes), false);
}

/* Section 3: what a component says to the id of the stream. */
static struct str handshake(const struct side *x, struct arena *a)
{
	const char *id = memmem(x->loop.out.p, x->loop.out.n, "id='", 4);
	uint8_t digest[DIGEST_MAX];
	char hex[41];

	assert_non_null(id);
	digest_of(DIGEST_SHA1, str_printf(a, "%.*s" SECRET, STREAM_ID_LEN, id + 4), digest);
	for (unsigned i = 0; i < 20; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return str_printf(a, "<handshake>%s</handshake>", hex);
}

/* The example of section 3: the hash of id and secret. */
static void test_hash(void **state)
{
	struct side x;
	struct arena a;
	uint8_t digest[DIGEST_MAX];

	arena_init(&a, 256);
	digest_of(DIGEST_SHA1, STR("3BF96D32" SECRET), digest);
	static const uint8_t example[] = { 0xaa, 0xee, 0x83, 0xc2, 0x6a, 0xee, 0xaf, 0xcb, 0xab, 0xea,
		0xbf, 0xcb, 0xcd, 0x50, 0xdf, 0x99, 0x7e, 0x0a, 0x2a, 0x1e };
	assert_memory_equal(digest, example, sizeof example);
	begin(&x);
	send_z(&x, HEADER);
	assert_true(wrote(&x, "from='c.example'>"));
	assert_true(wrote(&x, "xmlns='jabber:component:accept'"));
	send_str(&x, handshake(&x, &a), false);
	assert_true(wrote(&x, "<handshake/>"));
	assert_int_equal(x.stream.phase, COMP_READY);
	end(&x);
	arena_clear(&a);
}

/* ---- stream errors ---- */

/* before: what stands for a header; behind: what comes after it, behind the handshake if that is
 * done. */
static const struct {
	const char *name, *before;
	bool shake;
	const char *behind, *wrote, *not_wrote;
} errors[] = {
	{ "no stream", "<stream xmlns='jabber:component:accept'>", false, NULL,
		"<invalid-namespace", NULL },
	{ "another element", "<stream:s xmlns='jabber:component:accept' " STREAMS ">", false, NULL,
		"<bad-format", NULL },
	{ "a client's stream (section 3)", "<stream:stream xmlns='jabber:client' " STREAMS
		" to='c.example' version='1.0'>", false, NULL,
		"from='a.example'><stream:error><invalid-namespace", NULL },
	{ "a server that connects", "<stream:stream xmlns='jabber:component:connect' " STREAMS
		" to='c.example'>", false, NULL, "<invalid-namespace", NULL },
	{ "nobody", "<stream:stream xmlns='jabber:component:accept' " STREAMS ">", false, NULL,
		"<improper-addressing", NULL },
	{ "another domain (section 3)", "<stream:stream xmlns='jabber:component:accept' " STREAMS
		" to='d.example'>", false, NULL,
		"from='a.example'><stream:error><host-unknown", NULL },
	{ "no domain", "<stream:stream xmlns='jabber:component:accept' " STREAMS
		" to='x@c.example'>", false, NULL, "<host-unknown", NULL },
	{ "a wrong handshake (section 3)", HEADER, false,
		"<handshake>aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e</handshake>",
		"<not-authorized", "<handshake/>" },
	{ "an empty handshake", HEADER, false, "<handshake/>", "<not-authorized", NULL },
	{ "a stanza before the handshake", HEADER, false, MESSAGE, "<not-authorized", NULL },
	{ "SASL", HEADER, false, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
		"<unsupported-stanza-type", NULL },
	{ "a handshake of another namespace", HEADER, false, "<handshake xmlns='urn:x'/>",
		"<unsupported-stanza-type", NULL },
	{ "a second handshake", HEADER, true, "<handshake/>", "<unsupported-stanza-type", NULL },
	{ "another element than a stanza", HEADER, true, "<log from='c.example' to='a.example'/>",
		"<unsupported-stanza-type", NULL },
	{ "no from (section 3)", HEADER, true, "<message to='romeo@a.example'/>", "<invalid-from",
		NULL },
	{ "a from of another domain (section 3)", HEADER, true,
		"<message from='x@a.example' to='romeo@a.example'/>", "<invalid-from", NULL },
	{ "a from of a domain within", HEADER, true,
		"<message from='x.c.example' to='romeo@a.example'/>", "<invalid-from", NULL },
	{ "a from that is no address", HEADER, true, "<message from='@c.example' to='a.example'/>",
		"<invalid-from", NULL },
	{ "no to (section 3)", HEADER, true, "<presence from='x@c.example'/>",
		"<improper-addressing", NULL },
	{ "text between stanzas", HEADER, true, "x", "<invalid-xml", NULL },
	{ "a comment", HEADER, true, "<!-- -->", "<restricted-xml", NULL },
	{ "no XML", HEADER, true, "<a></b>", "<not-well-formed", NULL },
	{ "no XML at all", "GET / HTTP/1.1\r\n\r\n", false, NULL, "<not-well-formed", NULL },
};

static void test_errors(void **state)
{
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		for (unsigned cut = 0; cut < 2; cut++) {
			struct side x;
			struct arena a;
			begin(&x);
			arena_init(&a, 256);
			send_str(&x, str_c(errors[i].before), cut);
			if (errors[i].shake)
				send_str(&x, handshake(&x, &a), cut);
			if (errors[i].behind)
				send_str(&x, str_c(errors[i].behind), cut);
			if (!wrote(&x, errors[i].wrote) || !x.loop.finished ||
				!wrote(&x, "</stream:error></stream:stream>") ||
				!wrote(&x, "<stream:stream ") ||
				(errors[i].not_wrote && wrote(&x, errors[i].not_wrote)))
				fail_msg("%s: %.*s", errors[i].name,
					STR_FMT(buf_str(&x.loop.out)));
			assert_false(told(&x, " to "));
			end(&x);
			arena_clear(&a);
		}
	}
}

/* ---- stanzas ---- */

/* Whatever a component says of namespaces, its stanzas are in the one of the content. */
static const struct {
	const char *name, *in, *out;
} stanzas[] = {
	{ "plain", MESSAGE, "x@c.example to romeo@a.example: " MESSAGE },
	{ "its namespace written", "<iq xmlns='jabber:component:accept' from='c.example' "
		"to='a.example' id='1' type='get'><q xmlns='urn:q'/></iq>",
		"c.example to a.example: <iq from='c.example' to='a.example' id='1' type='get'>"
		"<q xmlns='urn:q'/></iq>" },
	{ "a client's namespace written", "<presence xmlns='jabber:client' from='c.example' "
		"to='a.example'><show>away</show></presence>",
		"<show>away</show></presence>" },
	{ "a child that names it", "<message from='c.example' to='a.example'>"
		"<body xmlns='jabber:component:accept'>b</body></message>",
		"<message from='c.example' to='a.example'><body>b</body></message>" },
	{ "`to` is no address", "<iq from='c.example' to='@' id='1' type='get'/>",
		"c.example to nowhere: " },
	{ "white space keeps it alive", " \n " MESSAGE, "x@c.example to romeo@a.example: " },
	{ "the end", "</stream:stream>", "closed by peer" },
	{ "an error of its own (RFC 6120 section 4.9.1.1)",
		"<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
		"closed by us" },
};

static void test_stanzas(void **state)
{
	for (size_t i = 0; i < sizeof stanzas / sizeof stanzas[0]; i++) {
		for (unsigned cut = 0; cut < 2; cut++) {
			struct side x;
			struct arena a;
			begin(&x);
			arena_init(&a, 256);
			send_str(&x, STR(HEADER), cut);
			send_str(&x, handshake(&x, &a), cut);
			send_str(&x, str_c(stanzas[i].in), cut);
			if (!told(&x, stanzas[i].out) || wrote(&x, "<stream:error>"))
				fail_msg("%s: %.*s", stanzas[i].name,
					STR_FMT(buf_str(&x.events)));
			end(&x);
			arena_clear(&a);
		}
	}
}

/* ---- limits ---- */

/* A stanza of n bytes and more. */
static struct str long_stanza(struct arena *a, size_t n)
{
	char *fill = arena_alloc(a, n);

	memset(fill, 'a', n);
	return str_printf(a, "<message from='c.example' to='a.example'><body>%.*s</body></message>",
		(int)n, fill);
}

static void test_limits(void **state)
{
	struct scan_limits guest = scan_limits_guest, user = scan_limits_user;
	struct side x;
	struct arena a;

	arena_init(&a, 4096);
	guest.stanza_bytes = 10000;
	user.stanza_bytes = 20000;
	begin(&x);
	comp_limit(&x.stream, &guest, &user);
	send_z(&x, HEADER);
	send_str(&x, long_stanza(&a, 10000), false);
	assert_true(wrote(&x, "<policy-violation"));
	end(&x);
	begin(&x);
	comp_limit(&x.stream, &guest, &user);
	send_z(&x, HEADER);
	send_str(&x, handshake(&x, &a), false);
	send_str(&x, long_stanza(&a, 15000), false);
	assert_true(told(&x, "c.example to a.example: "));
	send_str(&x, long_stanza(&a, 20000), false);
	assert_true(wrote(&x, "<policy-violation"));
	end(&x);
	arena_clear(&a);
}

/* ---- waiting ---- */

static void test_waits_for_its_user(void **state)
{
	struct side x;
	struct arena a;

	arena_init(&a, 256);
	begin(&x);
	x.late = true;
	send_z(&x, HEADER);
	send_str(&x, str_printf(&a, "%.*s" MESSAGE, STR_FMT(handshake(&x, &a))), false);
	send_z(&x, MESSAGE);
	assert_true(x.loop.paused);
	assert_true(told(&x, "authenticated"));
	assert_false(told(&x, " to "));
	assert_false(wrote(&x, "<handshake/>"));
	comp_accept(&x.stream);
	assert_true(wrote(&x, "<handshake/>"));
	comp_throttle(&x.stream, true);
	comp_go_on(&x.stream);
	assert_true(x.loop.paused);
	comp_throttle(&x.stream, false);
	assert_false(x.loop.paused);
	assert_true(told(&x, MESSAGE "\nx@c.example to romeo@a.example: " MESSAGE "\n"));
	end(&x);
	arena_clear(&a);
}

static void test_too_much_waits(void **state)
{
	static char spaces[64 * 1024];
	struct side x;
	struct arena a;

	arena_init(&a, 256);
	memset(spaces, ' ', sizeof spaces);
	begin(&x);
	x.late = true;
	send_z(&x, HEADER);
	send_str(&x, handshake(&x, &a), false);
	for (unsigned n = 0; n < 64 && !x.loop.finished; n++)
		send_str(&x, str_from(spaces, sizeof spaces), false);
	assert_true(wrote(&x, "<policy-violation"));
	comp_accept(&x.stream); /* comes too late and does nothing */
	comp_go_on(&x.stream);
	assert_false(wrote(&x, "<handshake/>"));
	end(&x);
	arena_clear(&a);
}

/* A component that was taken out of the configuration meanwhile. */
static void test_no_secret(void **state)
{
	struct side x;
	struct arena a;

	arena_init(&a, 256);
	begin(&x);
	send_z(&x, HEADER);
	x.gone = true;
	send_str(&x, handshake(&x, &a), false);
	assert_true(wrote(&x, "<not-authorized"));
	assert_true(told(&x, "refused"));
	end(&x);
	arena_clear(&a);
}

static void test_ends(void **state)
{
	struct side x;

	begin(&x);
	comp_close(&x.stream, STREAM_SYSTEM_SHUTDOWN, STR("enough"));
	assert_true(wrote(&x, "<stream:stream "));
	assert_true(wrote(&x, "<system-shutdown"));
	size_t out = x.loop.out.n;
	comp_close(&x.stream, STREAM_SYSTEM_SHUTDOWN, STR("enough"));
	comp_end(&x.stream);
	send_z(&x, HEADER);
	assert_int_equal(x.loop.out.n, out);
	end(&x);
	begin(&x);
	comp_end(&x.stream);
	assert_true(wrote(&x, "</stream:stream>"));
	assert_false(wrote(&x, "error"));
	end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_stanzas),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_waits_for_its_user),
		cmocka_unit_test(test_too_much_waits),
		cmocka_unit_test(test_no_secret),
		cmocka_unit_test(test_ends),
	};

	log_setup(LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
