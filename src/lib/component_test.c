/* A component's stream and its life (XEP-0114 section 3, RFC 6120 section 4), over a pair of
 * sockets. */
#include "lib/testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#define ERROR(condition, more) \
	"<stream:error><" condition " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" more \
	"</stream:error>"
#define CLOSES "</stream:stream>"

/* No resolver asks anybody about that. */
#define NO_NAME "no name.invalid"

static struct side s;

/* Section 3: header, handshake, stanzas, end. */
static void a_whole_life(void **state)
{
	side_init(&s);
	assert_int_equal(stentor_component_state(s.c), STENTOR_IDLE);
	side_connect(&s);
	assert_sent(&s, OPENS);
	assert_int_equal(stentor_component_state(s.c), STENTOR_CONNECTING);
	side_say(&s, "<?xml version='1.0'?>" HEADER);
	assert_sent(&s, HANDSHAKES);
	assert_told(&s, "connecting\n");
	assert_int_equal(stentor_send(s.e, stentor_message_new(NULL, NULL, "a@b")),
		STENTOR_NOT_CONNECTED);
	side_say(&s, "<handshake/>");
	assert_told(&s, "ready\n");
	assert_int_equal(stentor_send(s.e, stentor_message_new(NULL, NULL, "a@b")), STENTOR_OK);
	side_turn(&s);
	assert_sent(&s, "<message to='a@b' from='" DOMAIN "'/>");
	stentor_component_stop(s.c);
	side_turn(&s);
	assert_sent(&s, CLOSES);
	assert_told(&s, "closing\n");
	side_say(&s, CLOSES);
	close(s.server);
	s.server = -1;
	assert_false(stentor_component_process(s.c));
	assert_told(&s, "idle\n");
	assert_int_equal(stentor_component_error(s.c, NULL), STENTOR_OK);
	side_clear(&s);
}

/* A server that does not close is not waited for. */
static void a_server_that_does_not_close(void **state)
{
	side_open(&s);
	stentor_component_stop(s.c);
	side_turn(&s);
	assert_sent(&s, CLOSES);
	side_wait(&s, 5100);
	assert_told(&s, "closing\nidle\n");
	side_clear(&s);
}

/* What a server may say that ends it, before the handshake or behind it: what we answer, and what
 * the program is told. RFC 6120 sections 4.9 and 11. */
static const struct ending {
	const char *name, *says, *answer;
	enum stentor_error error;
	const char *text;
	bool early;
} endings[] = {
	{ "wrong secret", ERROR("not-authorized", ""), CLOSES, STENTOR_NOT_AUTHORIZED,
		"not-authorized", true },
	{ "no such domain", ERROR("host-unknown", "<text "
		"xmlns='urn:ietf:params:xml:ns:xmpp-streams'>there is none</text>"), CLOSES,
		STENTOR_HOST_UNKNOWN, "host-unknown: there is none", true },
	{ "somebody else", ERROR("conflict", ""), CLOSES, STENTOR_CONFLICT, "conflict", true },
	{ "shutdown", ERROR("system-shutdown", "<x xmlns='y'/>"), CLOSES, STENTOR_STREAM,
		"system-shutdown", false },
	{ "an error without a condition", "<stream:error/>", CLOSES, STENTOR_STREAM,
		"the server ended the stream with an error", false },
	{ "an end", CLOSES, CLOSES, STENTOR_CLOSED, "the server closed the stream", false },
	{ "not well-formed", "<a></b>", ERROR("not-well-formed", "<text "
		"xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>not-well-formed</text>")
		CLOSES, STENTOR_PROTOCOL, "not-well-formed", false },
	{ "a comment", "<!-- -->", ERROR("restricted-xml", "<text "
		"xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>restricted-xml</text>")
		CLOSES, STENTOR_PROTOCOL, "restricted-xml", false },
	{ "a stanza before its time", "<message " ADDRESSED "/>", ERROR("unsupported-stanza-type",
		"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>"
		"the server sends what has no place here</text>") CLOSES, STENTOR_PROTOCOL,
		"the server sends what has no place here", true },
	{ "a stanza of another stream", "<iq xmlns='jabber:server' type='get' id='1' " ADDRESSED
		"><x xmlns='y'/></iq>", ERROR("unsupported-stanza-type",
		"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>"
		"the server sends what has no place here</text>") CLOSES, STENTOR_PROTOCOL,
		"the server sends what has no place here", false },
	{ "a second handshake", "<handshake/>", ERROR("unsupported-stanza-type",
		"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>"
		"the server sends what has no place here</text>") CLOSES, STENTOR_PROTOCOL,
		"the server sends what has no place here", false },
};

static void play_ending(const struct ending *x, size_t piece)
{
	const char *text;

	side_init(&s);
	side_connect(&s);
	side_say(&s, HEADER);
	if (!x->early)
		side_say(&s, "<handshake/>");
	assert_sent(&s, OPENS HANDSHAKES);
	buf_reset(&s.told);
	for (struct str rest = str_c(x->says); rest.n; rest = str_skip(rest, piece))
		side_send(&s, str_head(rest, piece));
	close(s.server);
	s.server = -1;
	stentor_component_process(s.c);
	assert_sent(&s, x->answer);
	assert_int_equal(stentor_component_error(s.c, &text), x->error);
	assert_string_equal(text, x->text);
	assert_int_equal(stentor_component_state(s.c), STENTOR_IDLE);
	side_clear(&s);
}

/* Whole, and a byte at a time. */
static void ends(void **state)
{
	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		print_message("%s\n", endings[i].name);
		play_ending(&endings[i], strlen(endings[i].says));
		play_ending(&endings[i], 1);
	}
}

/* RFC 6120 section 4.8: what is no stream of components. */
static void headers(void **state)
{
	static const char *const says[] = {
		"<stream:stream xmlns='jabber:client' "
		"xmlns:stream='http://etherx.jabber.org/streams' id='1'>",
		"<stream:stream xmlns='jabber:component:accept' xmlns:stream='urn:x' id='1'>",
		"<stream:stream xmlns='jabber:component:accept' "
		"xmlns:stream='http://etherx.jabber.org/streams'>",
		"<html>", "HTTP/1.1 400 Bad Request\r\n",
	};

	for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
		side_init(&s);
		side_connect(&s);
		side_say(&s, says[i]);
		assert_int_equal(stentor_component_error(s.c, NULL), STENTOR_PROTOCOL);
		assert_int_equal(stentor_component_state(s.c), STENTOR_CLOSING);
		side_clear(&s);
	}
}

/* The bound of a stanza that comes is that of the program. */
static void a_stanza_too_large(void **state)
{
	char big[70000];

	memset(big, 'x', sizeof big);
	side_init(&s);
	stentor_component_set_bounds(s.c, 1024, 50000);
	side_connect(&s);
	side_say(&s, HEADER "<handshake/>");
	side_say(&s, "<message " ADDRESSED "><body>");
	side_send(&s, str_from(big, 49000));
	assert_int_equal(stentor_component_state(s.c), STENTOR_READY);
	side_send(&s, str_from(big, sizeof big));
	assert_int_equal(stentor_component_error(s.c, NULL), STENTOR_PROTOCOL);
	side_clear(&s);
}

/* Before the handshake the server has no more than 16 KiB. */
static void a_header_too_large(void **state)
{
	char big[20000];

	memset(big, 'x', sizeof big);
	side_init(&s);
	side_connect(&s);
	side_say(&s, "<stream:stream id='");
	side_send(&s, str_from(big, sizeof big));
	assert_int_equal(stentor_component_error(s.c, NULL), STENTOR_PROTOCOL);
	side_clear(&s);
}

static void a_silent_server(void **state)
{
	side_init(&s);
	side_connect(&s);
	side_say(&s, HEADER);
	side_wait(&s, 29000);
	assert_int_equal(stentor_component_state(s.c), STENTOR_CONNECTING);
	side_wait(&s, 1100);
	assert_int_equal(stentor_component_error(s.c, NULL), STENTOR_TIMEOUT);
	side_clear(&s);
}

/* ---- coming back ---- */

/* The wait grows to its bound, is never less than half of it, and shrinks after a steady time. */
static void waits_grow(void **state)
{
	side_init(&s);
	stentor_component_set_reconnect(s.c, 1000, 4000);
	/* Nobody listens there. */
	stentor_component_set_server(s.c, "127.0.0.1", 1);
	side_connect(&s);
	for (unsigned n = 0; n < 6; n++) {
		uint64_t full = n == 0 ? 1000 : n == 1 ? 2000 : 4000;
		if (s.server >= 0)
			close(s.server);
		s.server = -1;
		stentor_component_process(s.c);
		for (int i = 0; stentor_component_state(s.c) == STENTOR_CONNECTING && i < 100; i++)
			stentor_component_process(s.c);
		assert_int_equal(stentor_component_state(s.c), STENTOR_WAITING);
		assert_int_equal(stentor_component_error(s.c, NULL), STENTOR_NETWORK);
		clock_advance(full / 2 - 20);
		stentor_component_process(s.c);
		assert_int_equal(stentor_component_state(s.c), STENTOR_WAITING);
		buf_reset(&s.told);
		clock_advance(full / 2 + 60);
		stentor_component_process(s.c);
		assert_true(str_starts(buf_str(&s.told), STR("connecting\n")));
	}
	stentor_component_stop(s.c);
	assert_false(stentor_component_process(s.c));
	assert_int_equal(stentor_component_error(s.c, NULL), STENTOR_OK);
	side_clear(&s);
}

/* Where the server says that it does not know us, nobody tries again. */
static void what_is_final(void **state)
{
	static const struct {
		const char *says;
		enum stentor_state then;
	} cases[] = {
		{ ERROR("not-authorized", ""), STENTOR_IDLE },
		{ ERROR("host-unknown", ""), STENTOR_IDLE },
		{ ERROR("conflict", ""), STENTOR_WAITING },
		{ ERROR("host-gone", ""), STENTOR_WAITING },
		{ CLOSES, STENTOR_WAITING },
		{ "<a></b>", STENTOR_WAITING },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		side_init(&s);
		stentor_component_set_reconnect(s.c, 1000, 4000);
		side_connect(&s);
		side_say(&s, HEADER);
		side_say(&s, cases[i].says);
		close(s.server);
		s.server = -1;
		stentor_component_process(s.c);
		assert_int_equal(stentor_component_state(s.c), cases[i].then);
		side_clear(&s);
	}
}

/* ---- the output and its bound ---- */

static void on_writable(struct stentor_entity *e, void *user)
{
	buf_lit(&s.told, "writable\n");
}

static bool on_ping(struct stentor_entity *e, const struct stentor_element *iq, void *user)
{
	assert_int_equal(stentor_send(e, stentor_answer_new(iq)), STENTOR_OK);
	return true;
}

static enum stentor_error send_big(void)
{
	static char body[10001];
	struct stentor_element *m = stentor_message_new("chat", NULL, "a@b.example");

	memset(body, 'x', sizeof body - 1);
	stentor_element_add_leaf(m, "body", NULL, body);
	return stentor_send(s.e, m);
}

/* A server that does not read: STENTOR_FULL at the bound, nothing lost of what was taken, and word
 * when there is room. Nothing is read meanwhile, so that who handles a stanza can answer it. */
static void a_slow_server(void **state)
{
	unsigned taken = 0;
	size_t pings = 0;

	side_init(&s);
	stentor_component_set_bounds(s.c, 200000, 20000);
	side_connect(&s);
	side_say(&s, HEADER "<handshake/>");
	buf_reset(&s.told);
	stentor_on_writable(s.e, on_writable, NULL);
	stentor_on_iq(s.e, "get", "urn:xmpp:ping", "ping", on_ping, NULL);
	while (send_big() == STENTOR_OK) {
		stentor_component_process(s.c);
		assert_true(++taken < 1000);
	}
	assert_int_equal(send_big(), STENTOR_FULL);
	for (unsigned i = 0; i < 200; i++) {
		struct str ping = STR("<iq type='get' id='p' " ADDRESSED "><ping "
			"xmlns='urn:xmpp:ping'/></iq>");
		if (send(s.server, ping.p, ping.n, MSG_DONTWAIT) != (ssize_t)ping.n)
			break;
		pings++;
		stentor_component_process(s.c);
	}
	assert_true(pings > 2);
	assert_told(&s, "");
	side_turn(&s);
	assert_told(&s, "writable\n");
	unsigned bodies = 0, answers = 0;
	for (struct str rest = buf_str(&s.out); rest.n; rest = str_skip(rest, 1)) {
		bodies += str_starts(rest, STR("<body>"));
		answers += str_starts(rest, STR("<iq type='result'"));
	}
	assert_int_equal(bodies, taken);
	assert_int_equal(answers, pings);
	assert_int_equal(stentor_component_state(s.c), STENTOR_READY);
	side_clear(&s);
}

/* ---- settings and addresses ---- */

static void what_is_no_component(void **state)
{
	struct stentor_component *c = NULL;

	assert_null(stentor_component_new(NULL, "s"));
	assert_null(stentor_component_new("", "s"));
	assert_null(stentor_component_new("a b", "s"));
	assert_null(stentor_component_new("a@b", "s"));
	assert_null(stentor_component_new("c.example", ""));
	assert_null(stentor_component_new("c.example", NULL));
	stentor_component_free(&c);
	c = stentor_component_new("C.Example", "s");
	assert_string_equal(stentor_entity_address(stentor_component_entity(c)), "c.example");
	assert_false(stentor_component_set_within(c, "a b"));
	stentor_component_free(&c);
}

static void names_without_addresses(void **state)
{
	side_init(&s);
	stentor_component_set_server(s.c, NO_NAME, 5347);
	assert_int_equal(stentor_component_run(s.c), STENTOR_NAME);
	assert_int_equal(stentor_component_state(s.c), STENTOR_IDLE);
	side_clear(&s);
}

/* It is dropped while its name is being looked up. */
static void dropped_at_once(void **state)
{
	for (int i = 0; i < 20; i++) {
		side_init(&s);
		stentor_component_set_server(s.c, "localhost", 1);
		stentor_component_start(s.c);
		if (i % 2)
			stentor_component_process(s.c);
		side_clear(&s);
	}
}

/* Who waits by poll(2) sees all that happens, a name that was looked up on a thread included. */
static void in_another_loop(void **state)
{
	side_init(&s);
	stentor_component_set_server(s.c, NO_NAME, 5347);
	stentor_component_start(s.c);
	struct pollfd p = { .fd = stentor_component_fd(s.c), .events = POLLIN };
	do {
		assert_true(poll(&p, 1, (int)stentor_component_timeout(s.c)) >= 0);
	} while (stentor_component_process(s.c));
	assert_int_equal(stentor_component_error(s.c, NULL), STENTOR_NAME);
	side_clear(&s);
}

static void *stop_soon(void *c)
{
	usleep(50000);
	stentor_component_stop(c);
	return NULL;
}

/* From another thread, while it waits for a server that says nothing; and before it runs. */
static void stopped_from_elsewhere(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t thread;

	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
	side_init(&s);
	stentor_component_set_server(s.c, "127.0.0.1", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, s.c), 0);
	/* The server does not close either; that is waited for. */
	assert_int_equal(stentor_component_run(s.c), STENTOR_OK);
	pthread_join(thread, NULL);
	close(listener);
	stentor_component_stop(s.c);
	assert_int_equal(stentor_component_run(s.c), STENTOR_OK);
	side_clear(&s);
}

static const char *last_words;

static void on_abort(const char *why)
{
	last_words = why;
}

static void error_texts(void **state)
{
	for (int e = STENTOR_OK; e <= STENTOR_SYSTEM; e++)
		assert_true(strlen(stentor_error_text((enum stentor_error)e)) > 5);
	assert_non_null(stentor_error_text((enum stentor_error)1000));
	stentor_on_abort(on_abort);
	bug_last_words("why");
	assert_string_equal(last_words, "why");
	stentor_on_abort(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_life),
		cmocka_unit_test(a_server_that_does_not_close),
		cmocka_unit_test(ends),
		cmocka_unit_test(headers),
		cmocka_unit_test(a_stanza_too_large),
		cmocka_unit_test(a_header_too_large),
		cmocka_unit_test(a_silent_server),
		cmocka_unit_test(waits_grow),
		cmocka_unit_test(what_is_final),
		cmocka_unit_test(a_slow_server),
		cmocka_unit_test(what_is_no_component),
		cmocka_unit_test(names_without_addresses),
		cmocka_unit_test(dropped_at_once),
		cmocka_unit_test(in_another_loop),
		cmocka_unit_test(stopped_from_elsewhere),
		cmocka_unit_test(error_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
