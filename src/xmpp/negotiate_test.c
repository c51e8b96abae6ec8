/* The order of negotiation: what may follow what, and what is admitted when. */
#include "xmpp/negotiate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct nego at(enum nego_role role, enum xml_ns content, enum nego_phase phase, bool secure)
{
	return (struct nego){ .role = role, .content = content, .phase = phase, .secure = secure };
}

/* Whether nego_enter() takes the step rather than stop the program. */
static bool enters(struct nego n, enum nego_phase phase)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		close(STDERR_FILENO);
		nego_enter(&n, phase);
		_exit(n.phase == phase ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#define IN(phase) (1u << NEGO_##phase)

static void test_order(void **state)
{
	static const struct {
		const char *name;
		enum xml_ns content;
		bool secure;
		enum nego_phase from;
		unsigned to;
	} cases[] = {
		{ "plain stream opened", NS_CLIENT, false, NEGO_OPEN, IN(CLEAR) | IN(TLS) },
		{ "opened inside TLS", NS_CLIENT, true, NEGO_OPEN, IN(SECURE) },
		{ "in the clear", NS_CLIENT, false, NEGO_CLEAR, IN(CLEAR) | IN(TLS) | IN(AUTH) },
		{ "handshake", NS_CLIENT, false, NEGO_TLS, IN(OPEN) },
		{ "secure", NS_CLIENT, true, NEGO_SECURE, IN(SECURE) | IN(AUTH) },
		{ "SASL in the clear", NS_CLIENT, false, NEGO_AUTH,
			IN(CLEAR) | IN(AUTH) | IN(AUTHED) },
		{ "SASL inside TLS", NS_CLIENT, true, NEGO_AUTH,
			IN(SECURE) | IN(AUTH) | IN(AUTHED) },
		{ "client authenticated", NS_CLIENT, true, NEGO_AUTHED, IN(BIND) },
		{ "server authenticated", NS_SERVER, true, NEGO_AUTHED, IN(READY) },
		{ "restarted", NS_CLIENT, true, NEGO_BIND, IN(READY) },
		{ "dialback in the clear, XEP-0220", NS_SERVER, false, NEGO_CLEAR,
			IN(CLEAR) | IN(TLS) | IN(AUTH) | IN(READY) },
		{ "dialback inside TLS, XEP-0220", NS_SERVER, true, NEGO_SECURE,
			IN(SECURE) | IN(AUTH) | IN(READY) },
		{ "a server's exchange", NS_SERVER, true, NEGO_AUTH,
			IN(SECURE) | IN(AUTH) | IN(AUTHED) },
		{ "ready", NS_CLIENT, true, NEGO_READY, 0 },
		{ "closed", NS_CLIENT, true, NEGO_CLOSED, 0 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (unsigned to = 0; to < NEGO_PHASE_COUNT; to++) {
			struct nego n = at(NEGO_RECEIVING, cases[i].content, cases[i].from,
				cases[i].secure);
			bool want = to == NEGO_CLOSED || cases[i].to & 1u << to;
			if (enters(n, to) != want)
				fail_msg("%s: to phase %u", cases[i].name, to);
		}
}

/* RFC 6120 section 5.4.3.3: TLS is up when the stream is opened again. */
static void test_whole_way(void **state)
{
	static const enum nego_phase way[] = { NEGO_CLEAR, NEGO_TLS, NEGO_OPEN, NEGO_SECURE,
		NEGO_AUTH, NEGO_SECURE, NEGO_AUTH, NEGO_AUTHED, NEGO_BIND, NEGO_READY,
		NEGO_CLOSED };
	struct nego n;
	enum nego_phase before = NEGO_OPEN;

	nego_init(&n, NEGO_RECEIVING, NS_CLIENT, false);
	assert_int_equal(n.phase, NEGO_OPEN);
	assert_int_equal(nego_unauthenticated(&n), NEGO_CLEAR);
	for (size_t i = 0; i < sizeof way / sizeof way[0]; i++) {
		assert_int_equal(nego_enter(&n, way[i]), before);
		assert_int_equal(n.secure, i >= 2);
		before = way[i];
	}
	assert_int_equal(nego_unauthenticated(&n), NEGO_SECURE);
}

#define NEVER 0
#define BEFORE_AUTH (IN(CLEAR) | IN(SECURE))

/* A row for each element: the phases in which it is admitted; and what it gets elsewhere. */
struct admitted {
	const char *name;
	enum nego_role role; /* ours */
	enum xml_ns ns;
	enum xml_tag tag;
	unsigned in;
	enum stream_error why;
};

static const struct admitted elements[] = {
	/* RFC 6120 section 4.9.3.12 */
	{ "message", NEGO_RECEIVING, NS_CLIENT, TAG_MESSAGE, IN(READY), STREAM_NOT_AUTHORIZED },
	{ "presence", NEGO_RECEIVING, NS_CLIENT, TAG_PRESENCE, IN(READY), STREAM_NOT_AUTHORIZED },
	{ "iq, section 7.1", NEGO_RECEIVING, NS_CLIENT, TAG_IQ, IN(BIND) | IN(READY),
		STREAM_NOT_AUTHORIZED },
	{ "message to a client", NEGO_INITIATING, NS_CLIENT, TAG_MESSAGE, IN(READY),
		STREAM_NOT_AUTHORIZED },
	{ "iq to a client", NEGO_INITIATING, NS_CLIENT, TAG_IQ, IN(BIND) | IN(READY),
		STREAM_NOT_AUTHORIZED },
	/* Section 4.8.4: what looks like a stanza and is none */
	{ "message of the other namespace", NEGO_RECEIVING, NS_SERVER, TAG_MESSAGE, NEVER,
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "message of no namespace", NEGO_RECEIVING, NS_NONE, TAG_MESSAGE, NEVER,
		STREAM_UNSUPPORTED_STANZA_TYPE },
	/* Section 4.9.3.24 */
	{ "unknown of jabber:client", NEGO_RECEIVING, NS_CLIENT, TAG_OTHER, NEVER,
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "unknown", NEGO_RECEIVING, NS_OTHER, TAG_OTHER, NEVER, STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "known where it doesn't belong", NEGO_RECEIVING, NS_ROSTER, TAG_QUERY, NEVER,
		STREAM_UNSUPPORTED_STANZA_TYPE },
	/* Section 5 */
	{ "starttls", NEGO_RECEIVING, NS_TLS, TAG_STARTTLS, IN(CLEAR),
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "starttls from a server", NEGO_INITIATING, NS_TLS, TAG_STARTTLS, NEVER,
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "proceed", NEGO_INITIATING, NS_TLS, TAG_PROCEED, IN(TLS),
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "proceed from a client", NEGO_RECEIVING, NS_TLS, TAG_PROCEED, NEVER,
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "TLS failure", NEGO_INITIATING, NS_TLS, TAG_FAILURE, IN(TLS),
		STREAM_UNSUPPORTED_STANZA_TYPE },
	/* Section 6.4 */
	{ "auth", NEGO_RECEIVING, NS_SASL, TAG_AUTH, BEFORE_AUTH | IN(AUTH),
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "response", NEGO_RECEIVING, NS_SASL, TAG_RESPONSE, IN(AUTH),
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "abort", NEGO_RECEIVING, NS_SASL, TAG_ABORT, IN(AUTH),
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "auth from a server", NEGO_INITIATING, NS_SASL, TAG_AUTH, NEVER,
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "success from a client", NEGO_RECEIVING, NS_SASL, TAG_SUCCESS, NEVER,
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "challenge", NEGO_INITIATING, NS_SASL, TAG_CHALLENGE, IN(AUTH),
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "success", NEGO_INITIATING, NS_SASL, TAG_SUCCESS, IN(AUTH),
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "SASL failure", NEGO_INITIATING, NS_SASL, TAG_FAILURE, IN(AUTH),
		STREAM_UNSUPPORTED_STANZA_TYPE },
	/* Section 4.3 */
	{ "features", NEGO_INITIATING, NS_STREAM, TAG_FEATURES, BEFORE_AUTH | IN(BIND) | IN(READY),
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "features from a client", NEGO_RECEIVING, NS_STREAM, TAG_FEATURES, NEVER,
		STREAM_UNSUPPORTED_STANZA_TYPE },
	/* Section 4.9.1 */
	{ "stream error", NEGO_RECEIVING, NS_STREAM, TAG_ERROR, (1u << NEGO_PHASE_COUNT) - 1, 0 },
	{ "stream error to a client", NEGO_INITIATING, NS_STREAM, TAG_ERROR,
		(1u << NEGO_PHASE_COUNT) - 1, 0 },
};

/* Between servers: what is said besides. */
static const struct admitted server_elements[] = {
	{ "message", NEGO_RECEIVING, NS_SERVER, TAG_MESSAGE, IN(READY), STREAM_NOT_AUTHORIZED },
	{ "iq", NEGO_RECEIVING, NS_SERVER, TAG_IQ, IN(BIND) | IN(READY), STREAM_NOT_AUTHORIZED },
	{ "message of the other namespace", NEGO_RECEIVING, NS_CLIENT, TAG_MESSAGE, NEVER,
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "auth", NEGO_RECEIVING, NS_SASL, TAG_AUTH, BEFORE_AUTH | IN(AUTH),
		STREAM_UNSUPPORTED_STANZA_TYPE },
	/* XEP-0220 sections 2.1 and 2.2; with a type they come from the other side */
	{ "result", NEGO_RECEIVING, NS_DIALBACK, TAG_RESULT, BEFORE_AUTH | IN(READY),
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "verify", NEGO_RECEIVING, NS_DIALBACK, TAG_VERIFY, BEFORE_AUTH | IN(READY),
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "result to the initiating side", NEGO_INITIATING, NS_DIALBACK, TAG_RESULT,
		BEFORE_AUTH | IN(READY), STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "verify to the initiating side", NEGO_INITIATING, NS_DIALBACK, TAG_VERIFY,
		BEFORE_AUTH | IN(AUTH) | IN(READY), STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "unknown of dialback", NEGO_RECEIVING, NS_DIALBACK, TAG_OTHER, NEVER,
		STREAM_UNSUPPORTED_STANZA_TYPE },
	/* XEP-0288 section 2.2 */
	{ "bidi", NEGO_RECEIVING, NS_BIDI, TAG_BIDI, BEFORE_AUTH, STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "bidi to the initiating side", NEGO_INITIATING, NS_BIDI, TAG_BIDI, NEVER,
		STREAM_UNSUPPORTED_STANZA_TYPE },
};

/* On client streams nobody speaks of them. */
static const struct admitted not_clients[] = {
	{ "result of a client", NEGO_RECEIVING, NS_DIALBACK, TAG_RESULT, NEVER,
		STREAM_UNSUPPORTED_STANZA_TYPE },
	{ "bidi of a client", NEGO_RECEIVING, NS_BIDI, TAG_BIDI, NEVER,
		STREAM_UNSUPPORTED_STANZA_TYPE },
};

static void check_admitted(const struct admitted *e, size_t n, enum xml_ns content)
{
	for (; n; n--, e++)
		for (unsigned p = 0; p < NEGO_PHASE_COUNT; p++) {
			struct nego nego = at(e->role, content, p, p >= NEGO_SECURE);
			enum stream_error why = STREAM_ERROR_COUNT;
			enum nego_answer got = nego_admit(&nego, e->ns, e->tag, &why);
			bool want = e->in & 1u << p;
			if ((got == NEGO_OK) != want || (!want && why != e->why))
				fail_msg("%s in phase %s", e->name, nego_phase_name(p).p);
		}
}

#define ROWS(table) (sizeof(table) / sizeof(table)[0])

static void test_admit(void **state)
{
	check_admitted(elements, ROWS(elements), NS_CLIENT);
	check_admitted(not_clients, ROWS(not_clients), NS_CLIENT);
	check_admitted(server_elements, ROWS(server_elements), NS_SERVER);
}

/* XEP-0077 section 3.1: registration before authentication. */
static void test_guest_iq(void **state)
{
	for (unsigned p = 0; p < NEGO_PHASE_COUNT; p++) {
		struct nego n = at(NEGO_RECEIVING, NS_CLIENT, p, p >= NEGO_SECURE);
		enum stream_error why;
		n.guest_iq = true;
		bool iq = nego_admit(&n, NS_CLIENT, TAG_IQ, &why) == NEGO_OK;
		bool message = nego_admit(&n, NS_CLIENT, TAG_MESSAGE, &why) == NEGO_OK;
		assert_int_equal(iq, p == NEGO_CLEAR || p == NEGO_SECURE || p == NEGO_BIND ||
			p == NEGO_READY);
		assert_int_equal(message, p == NEGO_READY);
	}
}

static void test_choose(void **state)
{
	static const struct {
		const char *name;
		enum xml_ns content;
		enum nego_phase phase;
		unsigned features;
		enum nego_tls_want tls;
		enum nego_step step;
	} cases[] = {
		{ "TLS before SASL, section 5.3.4", NS_CLIENT, NEGO_CLEAR,
			NEGO_HAS_STARTTLS | NEGO_HAS_SASL, NEGO_TLS_TRY, NEGO_DO_STARTTLS },
		{ "required and wanted", NS_CLIENT, NEGO_CLEAR,
			NEGO_HAS_STARTTLS | NEGO_HAS_STARTTLS_REQUIRED, NEGO_TLS_MUST,
			NEGO_DO_STARTTLS },
		{ "stripped", NS_CLIENT, NEGO_CLEAR, NEGO_HAS_SASL, NEGO_TLS_MUST, NEGO_STUCK },
		{ "not offered", NS_CLIENT, NEGO_CLEAR, NEGO_HAS_SASL, NEGO_TLS_TRY, NEGO_DO_AUTH },
		{ "not wanted", NS_CLIENT, NEGO_CLEAR, NEGO_HAS_STARTTLS | NEGO_HAS_SASL,
			NEGO_TLS_OFF, NEGO_DO_AUTH },
		{ "required, not wanted, section 5.3.1", NS_CLIENT, NEGO_CLEAR,
			NEGO_HAS_STARTTLS | NEGO_HAS_STARTTLS_REQUIRED | NEGO_HAS_SASL,
			NEGO_TLS_OFF, NEGO_STUCK },
		{ "nothing offered", NS_CLIENT, NEGO_CLEAR, 0, NEGO_TLS_TRY, NEGO_STUCK },
		{ "SASL inside TLS", NS_CLIENT, NEGO_SECURE, NEGO_HAS_SASL, NEGO_TLS_MUST,
			NEGO_DO_AUTH },
		{ "no mechanism that fits", NS_CLIENT, NEGO_SECURE, 0, NEGO_TLS_MUST, NEGO_STUCK },
		{ "bind", NS_CLIENT, NEGO_BIND, NEGO_HAS_BIND, NEGO_TLS_MUST, NEGO_DO_BIND },
		{ "bind missing, section 7.3.1", NS_CLIENT, NEGO_BIND, 0, NEGO_TLS_MUST,
			NEGO_STUCK },
		{ "server stream ready, section 4.3.5", NS_SERVER, NEGO_READY, 0, NEGO_TLS_MUST,
			NEGO_DO_NOTHING },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct nego n = at(NEGO_INITIATING, cases[i].content, cases[i].phase,
			cases[i].phase >= NEGO_SECURE);
		if (nego_choose(&n, cases[i].features, cases[i].tls) != cases[i].step)
			fail_msg("%s", cases[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_whole_way),
		cmocka_unit_test(test_admit),
		cmocka_unit_test(test_guest_iq),
		cmocka_unit_test(test_choose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
