/* The SASL machines, and the mechanisms other than SCRAM. */
#include "xmpp/sasl_private.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])
#define BIT(mech)     (1u << MECH_##mech)
#define ALL_MECHS     ((1u << MECH_COUNT) - 1)
#define PLUS_MECHS    SASL_PLUS_MECHS
#define BARE_MECHS    (BIT(SCRAM_SHA_512) | BIT(SCRAM_SHA_256) | BIT(SCRAM_SHA_1))

#define DOMAIN    STR_INIT("example.com")
#define LIT(text) STR_INIT(text)

/* Results that are no failure. */
#define KEYS  (SASL_FAILURE_COUNT + 1)
#define CHECK (SASL_FAILURE_COUNT + 2)
#define DONE  (SASL_FAILURE_COUNT + 3)
#define MORE  (SASL_FAILURE_COUNT + 4)

static struct arena mem;

static int begin(void **state)
{
	arena_init(&mem, 4096);
	return 0;
}

static int end(void **state)
{
	arena_clear(&mem);
	return 0;
}

static int outcome(const struct sasl_server *s, enum sasl_step step)
{
	switch (step) {
	case SASL_KEYS:
		return KEYS;
	case SASL_CHECK:
		return CHECK;
	case SASL_DONE:
		return DONE;
	case SASL_CONTINUE:
		return MORE;
	case SASL_FAILED:
		break;
	}
	return (int)sasl_server_failure(s);
}

static struct sasl_server *server(unsigned offered)
{
	struct sasl_policy policy = { .offered = offered, .domain = DOMAIN };

	return sasl_server_new(&policy);
}

static int start(struct sasl_server *s, const char *mech, struct str initial)
{
	struct str out = STR("none");
	enum sasl_step step =
		sasl_server_start(s, str_c(mech), initial, initial.p != NULL, &mem, &out);

	assert_int_equal(out.n, 0);
	return outcome(s, step);
}

static int next(struct sasl_server *s, struct str message)
{
	struct str out;

	return outcome(s, sasl_server_next(s, message, &mem, &out));
}

static void assert_str(struct str got, const char *want)
{
	if (!str_eq(got, str_c(want)))
		fail_msg("\"%.*s\" and not \"%s\"", STR_FMT(got), want ? want : "");
}

static void test_names(void **state)
{
	static const char *const names[] = { "SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS",
		"SCRAM-SHA-1-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "EXTERNAL",
		"PLAIN", "ANONYMOUS" };
	static const char *const unknown[] = { "", "plain", "PLAIN ", "PLAI", "SCRAM-SHA-224",
		"SCRAM-SHA-1-PLU", "CRAM-MD5" };

	assert_int_equal(LENGTH(names), MECH_COUNT);
	for (unsigned m = 0; m < LENGTH(names); m++) {
		assert_str(sasl_mech_name(m), names[m]);
		assert_int_equal(sasl_mech_find(str_c(names[m])), m);
	}
	for (size_t i = 0; i < LENGTH(unknown); i++)
		assert_int_equal(sasl_mech_find(str_c(unknown[i])), MECH_COUNT);
}

/* RFC 6120 section 6.5 */
static void test_failure_names(void **state)
{
	static const char *const names[] = { "aborted", "account-disabled", "credentials-expired",
		"encryption-required", "incorrect-encoding", "invalid-authzid", "invalid-mechanism",
		"malformed-request", "mechanism-too-weak", "not-authorized",
		"temporary-auth-failure" };

	assert_int_equal(LENGTH(names), SASL_FAILURE_COUNT);
	for (unsigned f = 0; f < SASL_FAILURE_COUNT; f++)
		assert_str(sasl_failure_name(f), names[f]);
}

/* Mechanisms that were not offered. */
static void test_invalid_mechanism(void **state)
{
	struct sasl_server *s = server(BIT(SCRAM_SHA_1));

	assert_int_equal(start(s, "PLAIN", STR("\0user\0pencil")), SASL_INVALID_MECHANISM);
	assert_int_equal(start(s, "DIGEST-MD5", STR_NULL), SASL_INVALID_MECHANISM);
	assert_int_equal(start(s, "", STR_NULL), SASL_INVALID_MECHANISM);
	assert_int_equal(start(s, "scram-sha-1", STR_NULL), SASL_INVALID_MECHANISM);
	assert_int_equal(start(s, "SCRAM-SHA-1", STR("n,,n=user,r=C")), KEYS);
	sasl_server_free(&s);
	assert_null(s);
}

/* RFC 4422 section 3.1: a client-first mechanism without initial response gets an empty
 * challenge, and then goes on as if it had come with <auth/>. */
static void test_no_initial(void **state)
{
	static const struct {
		const char *mech;
		struct str message;
		int result;
	} cases[] = {
		{ "SCRAM-SHA-1", LIT("n,,n=user,r=C"), KEYS },
		{ "PLAIN", LIT("\0user\0pencil"), CHECK },
		{ "EXTERNAL", LIT(""), SASL_NOT_AUTHORIZED },
		{ "SCRAM-SHA-1", LIT(""), SASL_MALFORMED_REQUEST },
		{ "PLAIN", LIT(""), SASL_MALFORMED_REQUEST },
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct sasl_server *s = server(ALL_MECHS);
		assert_int_equal(start(s, cases[i].mech, STR_NULL), MORE);
		assert_int_equal(next(s, cases[i].message), cases[i].result);
		sasl_server_free(&s);
	}
}

static void test_plain(void **state)
{
	static const struct {
		struct str message;
		int result;
		const char *user, *password;
	} cases[] = {
		{ LIT("\0user\0pencil"), CHECK, "user", "pencil" },
		{ LIT("\0User\0Pencil"), CHECK, "user", "Pencil" },
		{ LIT("user@example.com\0user\0pencil"), CHECK, "user", "pencil" },
		{ LIT("USER@Example.COM\0user\0pencil"), CHECK, "user", "pencil" },
		{ LIT("user\0user\0pencil"), CHECK, "user", "pencil" },
		{ LIT("\0user\0pass word, = "), CHECK, "user", "pass word, = " },
		/* RFC 8265 section 4.2.1: other spaces become U+0020, NFC */
		{ LIT("\0user\0pass\xc2\xa0word"), CHECK, "user", "pass word" },
		{ LIT("\0user\0u\xcc\x88"), CHECK, "user", "\xc3\xbc" },
		{ LIT("\0j\xc3\x9crgen\0pencil"), CHECK, "j\xc3\xbcrgen", "pencil" },
		/* RFC 6120 section 6.3.8 */
		{ LIT("user@example.com/r\0user\0pencil"), SASL_INVALID_AUTHZID, NULL, NULL },
		{ LIT("root@example.com\0user\0pencil"), SASL_INVALID_AUTHZID, NULL, NULL },
		{ LIT("user@example.org\0user\0pencil"), SASL_INVALID_AUTHZID, NULL, NULL },
		{ LIT("example.com\0user\0pencil"), SASL_INVALID_AUTHZID, NULL, NULL },
		{ LIT("@example.com\0user\0pencil"), SASL_INVALID_AUTHZID, NULL, NULL },
		{ LIT(" \0user\0pencil"), SASL_INVALID_AUTHZID, NULL, NULL },
		/* No such user or password can exist. */
		{ LIT("\0us er\0pencil"), SASL_NOT_AUTHORIZED, NULL, NULL },
		{ LIT("\0user@example.com\0pencil"), SASL_NOT_AUTHORIZED, NULL, NULL },
		{ LIT("\0user\0pen\x01"), SASL_NOT_AUTHORIZED, NULL, NULL },
		/* RFC 4616 section 2 */
		{ LIT(""), SASL_MALFORMED_REQUEST, NULL, NULL },
		{ LIT("user"), SASL_MALFORMED_REQUEST, NULL, NULL },
		{ LIT("user\0pencil"), SASL_MALFORMED_REQUEST, NULL, NULL },
		{ LIT("\0"), SASL_MALFORMED_REQUEST, NULL, NULL },
		{ LIT("\0\0"), SASL_MALFORMED_REQUEST, NULL, NULL },
		{ LIT("\0user\0"), SASL_MALFORMED_REQUEST, NULL, NULL },
		{ LIT("\0\0pencil"), SASL_MALFORMED_REQUEST, NULL, NULL },
		{ LIT("\0user\0pencil\0"), SASL_MALFORMED_REQUEST, NULL, NULL },
		{ LIT("\0user\0pen\0cil"), SASL_MALFORMED_REQUEST, NULL, NULL },
		{ LIT("\0us\xff""er\0pencil"), SASL_MALFORMED_REQUEST, NULL, NULL },
		{ LIT("\xc0\x80user\0user\0pencil"), SASL_MALFORMED_REQUEST, NULL, NULL },
		{ LIT("\0user\0\xed\xa0\x80"), SASL_MALFORMED_REQUEST, NULL, NULL },
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct sasl_server *s = server(ALL_MECHS);
		int result = start(s, "PLAIN", cases[i].message);
		if (result != cases[i].result)
			fail_msg("row %zu: %d", i, result);
		if (result == CHECK) {
			assert_str(sasl_server_user(s), cases[i].user);
			assert_str(sasl_server_password(s), cases[i].password);
		} else {
			assert_int_equal(sasl_server_password(s).n, 0);
		}
		sasl_server_free(&s);
	}
}

/* RFC 4616 section 2: 255 octets of each part at least. */
static void test_plain_long(void **state)
{
	char text[1 + 255 + 1 + 255];
	struct sasl_server *s = server(ALL_MECHS);

	memset(text, 'a', sizeof text);
	text[0] = text[256] = '\0';
	assert_int_equal(start(s, "PLAIN", str_from(text, sizeof text)), CHECK);
	assert_int_equal(sasl_server_user(s).n, 255);
	assert_int_equal(sasl_server_password(s).n, 255);
	sasl_server_free(&s);
}

/* A right and a wrong password; the stream goes on after the failure. */
static void test_plain_checked(void **state)
{
	struct sasl_server *s = server(ALL_MECHS);

	assert_int_equal(start(s, "PLAIN", STR("\0user\0pen")), CHECK);
	assert_int_equal(outcome(s, sasl_server_checked(s, false)), SASL_NOT_AUTHORIZED);
	assert_int_equal(sasl_server_password(s).n, 0);
	assert_str(sasl_server_user(s), "user");
	assert_int_equal(start(s, "PLAIN", STR("\0other\0pencil")), CHECK);
	assert_int_equal(outcome(s, sasl_server_checked(s, true)), DONE);
	assert_str(sasl_server_user(s), "other");
	assert_int_equal(sasl_server_mech(s), MECH_PLAIN);
	assert_int_equal(sasl_server_password(s).n, 0);
	sasl_server_free(&s);
}

/* The password does not stay behind in memory. */
static void test_password_wiped(void **state)
{
	struct sasl_server *s = server(ALL_MECHS);

	assert_int_equal(start(s, "PLAIN", STR("\0user\0pencil")), CHECK);
	const char *p = sasl_server_password(s).p;
	assert_int_equal(outcome(s, sasl_server_checked(s, true)), DONE);
	assert_memory_equal(p, "\0\0\0\0\0\0", 6);
	sasl_server_free(&s);
}

/* XEP-0178 section 2 */
static void test_external(void **state)
{
	static const struct {
		const char *name;
		struct str certs[3];
		struct str message;
		int result;
		const char *user;
	} cases[] = {
		{ "one address", { LIT("user@example.com") }, LIT(""), KEYS, "user" },
		{ "not canonical", { LIT("USER@Example.com") }, LIT(""), KEYS, "user" },
		{ "that one named", { LIT("user@example.com") }, LIT("User@example.com"), KEYS,
			"user" },
		{ "another named", { LIT("user@example.com") }, LIT("root@example.com"),
			SASL_INVALID_AUTHZID, NULL },
		{ "another domain named", { LIT("user@example.com") }, LIT("user@example.org"),
			SASL_INVALID_AUTHZID, NULL },
		{ "full JID named", { LIT("user@example.com") }, LIT("user@example.com/r"),
			SASL_INVALID_AUTHZID, NULL },
		{ "domain named", { LIT("user@example.com") }, LIT("example.com"),
			SASL_INVALID_AUTHZID, NULL },
		{ "no JID named", { LIT("user@example.com") }, LIT("@"), SASL_INVALID_AUTHZID,
			NULL },
		{ "two, none named", { LIT("a@example.com"), LIT("b@example.com") }, LIT(""),
			SASL_INVALID_AUTHZID, NULL },
		{ "two, one named", { LIT("a@example.com"), LIT("b@example.com") },
			LIT("a@example.com"), KEYS, "a" },
		{ "twice the same", { LIT("a@example.com"), LIT("A@example.com") }, LIT(""), KEYS,
			"a" },
		{ "one here, one elsewhere", { LIT("a@example.org"), LIT("b@example.com") },
			LIT(""), KEYS, "b" },
		{ "elsewhere", { LIT("a@example.org") }, LIT(""), SASL_NOT_AUTHORIZED, NULL },
		{ "elsewhere, named", { LIT("a@example.org") }, LIT("a@example.org"),
			SASL_NOT_AUTHORIZED, NULL },
		{ "full JID proved", { LIT("a@example.com/r") }, LIT(""), SASL_NOT_AUTHORIZED,
			NULL },
		{ "domain proved", { LIT("example.com") }, LIT(""), SASL_NOT_AUTHORIZED, NULL },
		{ "no JID proved", { LIT("a@b@c") }, LIT(""), SASL_NOT_AUTHORIZED, NULL },
		{ "nothing proved", { { NULL, 0 } }, LIT("user@example.com"), SASL_NOT_AUTHORIZED,
			NULL },
		{ "not UTF-8", { LIT("user@example.com") }, LIT("\xff"), SASL_MALFORMED_REQUEST,
			NULL },
		{ "NUL", { LIT("user@example.com") }, LIT("user@example.com\0"),
			SASL_MALFORMED_REQUEST, NULL },
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct sasl_policy policy = { .offered = ALL_MECHS, .domain = DOMAIN };
		for (; policy.n_cert_jids < 3 && cases[i].certs[policy.n_cert_jids].p;
		     policy.n_cert_jids++)
			policy.cert_jids[policy.n_cert_jids] = cases[i].certs[policy.n_cert_jids];
		struct sasl_server *s = sasl_server_new(&policy);
		if (start(s, "EXTERNAL", cases[i].message) != cases[i].result)
			fail_msg("%s", cases[i].name);
		if (cases[i].user)
			assert_str(sasl_server_user(s), cases[i].user);
		sasl_server_free(&s);
	}
}

/* A certificate for an account that there is not (any more). */
static void test_external_account(void **state)
{
	struct scram_keys keys = { 0 };

	for (unsigned exists = 0; exists < 2; exists++) {
		struct sasl_policy policy = { .offered = ALL_MECHS, .domain = DOMAIN,
			.cert_jids = { LIT("user@example.com") }, .n_cert_jids = 1 };
		struct sasl_server *s = sasl_server_new(&policy);
		struct str out;
		assert_int_equal(start(s, "EXTERNAL", STR("")), KEYS);
		assert_int_equal(outcome(s, sasl_server_keys(s, &keys, exists, &mem, &out)),
			exists ? DONE : SASL_NOT_AUTHORIZED);
		assert_int_equal(out.n, 0);
		sasl_server_free(&s);
	}
}

static void test_anonymous(void **state)
{
	char text[4 * 256];
	struct sasl_server *s = server(ALL_MECHS);

	for (size_t i = 0; i < sizeof text; i += 4)
		memcpy(text + i, "\xf0\x9f\x90\x88", 4);
	assert_int_equal(start(s, "ANONYMOUS", str_from(text, sizeof text)),
		SASL_MALFORMED_REQUEST);
	assert_int_equal(start(s, "ANONYMOUS", str_from(text, 11)), SASL_MALFORMED_REQUEST);
	/* RFC 4505 section 2: 255 characters, up to 1,020 octets */
	assert_int_equal(start(s, "ANONYMOUS", str_from(text, 4 * 255)), DONE);
	assert_int_equal(sasl_server_user(s).n, 0);
	sasl_server_free(&s);
	for (unsigned i = 0; i < 3; i++) {
		s = server(ALL_MECHS);
		assert_int_equal(start(s, "ANONYMOUS", i == 0 ? STR_NULL : i == 1 ? STR("") :
			STR("sirhc@example.com")), DONE);
		assert_int_equal(sasl_server_user(s).n, 0);
		sasl_server_free(&s);
	}
}

/* RFC 6120 section 6.4.4: <abort/> is answered with aborted at any time. */
static void test_abort(void **state)
{
	struct scram_keys keys = { .of[DIGEST_SHA1] = { .rounds = 4096, .n_salt = 1 } };
	struct str out;

	for (unsigned stage = 0; stage < 5; stage++) {
		struct sasl_server *s = server(ALL_MECHS);
		if (stage == 1)
			assert_int_equal(start(s, "SCRAM-SHA-1", STR_NULL), MORE);
		if (stage == 2 || stage == 3)
			assert_int_equal(start(s, "SCRAM-SHA-1", STR("n,,n=user,r=C")), KEYS);
		if (stage == 3)
			sasl_server_keys(s, &keys, true, &mem, &out);
		if (stage == 4)
			assert_int_equal(start(s, "PLAIN", STR("\0user\0pencil")), CHECK);
		assert_int_equal(outcome(s, sasl_server_abort(s)), SASL_ABORTED);
		assert_int_equal(sasl_server_password(s).n, 0);
		assert_int_equal(next(s, STR("c=biws,r=CS,p=AAAA")), SASL_MALFORMED_REQUEST);
		assert_int_equal(start(s, "SCRAM-SHA-1", STR("n,,n=user,r=C")), KEYS);
		sasl_server_free(&s);
	}
}

/* What the stream finds wrong ends the exchange: the right proof comes too late. */
static void test_refuse(void **state)
{
	struct scram_keys keys = { .of[DIGEST_SHA1] = { .rounds = 4096, .n_salt = 1 } };
	struct sasl_server *s = server(ALL_MECHS);
	struct str out;

	assert_int_equal(start(s, "SCRAM-SHA-1", STR("n,,n=user,r=C")), KEYS);
	assert_int_equal(outcome(s, sasl_server_keys(s, &keys, true, &mem, &out)), MORE);
	assert_int_equal(outcome(s, sasl_server_refuse(s, SASL_INCORRECT_ENCODING)),
		SASL_INCORRECT_ENCODING);
	assert_int_equal(next(s, STR("c=biws,r=CS,p=AAAA")), SASL_MALFORMED_REQUEST);
	sasl_server_free(&s);
}

/* A <response/> that nobody asked for. */
static void test_unexpected_response(void **state)
{
	struct sasl_server *s = server(ALL_MECHS);

	assert_int_equal(next(s, STR("")), SASL_MALFORMED_REQUEST);
	assert_int_equal(start(s, "PLAIN", STR("\0user\0pencil")), CHECK);
	assert_int_equal(next(s, STR("")), SASL_MALFORMED_REQUEST);
	assert_int_equal(start(s, "SCRAM-SHA-1", STR("n,,n=user,r=C")), KEYS);
	assert_int_equal(next(s, STR("")), SASL_MALFORMED_REQUEST);
	sasl_server_free(&s);
}

/* RFC 6120 section 6.4.2: another <auth/> discards the exchange that goes on. */
static void test_auth_again(void **state)
{
	struct sasl_server *s = server(ALL_MECHS);
	struct scram_keys keys = { .of[DIGEST_SHA1] = { .rounds = 4096, .n_salt = 1 } };
	struct str out;

	assert_int_equal(start(s, "SCRAM-SHA-1", STR("n,,n=user,r=C")), KEYS);
	assert_int_equal(outcome(s, sasl_server_keys(s, &keys, true, &mem, &out)), MORE);
	assert_int_equal(start(s, "PLAIN", STR("\0other\0pencil")), CHECK);
	assert_str(sasl_server_user(s), "other");
	assert_int_equal(start(s, "SCRAM-SHA-256", STR_NULL), MORE);
	assert_int_equal(sasl_server_user(s).n, 0);
	assert_int_equal(sasl_server_password(s).n, 0);
	assert_int_equal(next(s, STR("n,,n=third,r=C")), KEYS);
	assert_str(sasl_server_user(s), "third");
	sasl_server_free(&s);
}

/* A store that does not answer, for both questions. */
static void test_store_failure(void **state)
{
	struct sasl_server *s = server(ALL_MECHS);
	struct str out;

	assert_int_equal(start(s, "SCRAM-SHA-1", STR("n,,n=user,r=C")), KEYS);
	assert_int_equal(outcome(s, sasl_server_keys(s, NULL, false, &mem, &out)),
		SASL_TEMPORARY_AUTH_FAILURE);
	assert_int_equal(start(s, "PLAIN", STR("\0user\0pencil")), CHECK);
	assert_int_equal(outcome(s, sasl_server_keys(s, NULL, false, &mem, &out)),
		SASL_TEMPORARY_AUTH_FAILURE);
	assert_int_equal(start(s, "PLAIN", STR("\0user\0pencil")), CHECK);
	sasl_server_free(&s);
}

/* head, as many 'x' as make n bytes of it all, tail */
static struct str stretched(const char *head, const char *tail, size_t n)
{
	char *p = arena_alloc(&mem, n);
	struct str h = str_c(head), t = str_c(tail);

	memset(p, 'x', n);
	memcpy(p, h.p, h.n);
	memcpy(p + n - t.n, t.p, t.n);
	return str_from(p, n);
}

/* A message of the maximum is looked at, one byte more is not. */
static void test_message_max(void **state)
{
	struct scram_keys keys = { .of[DIGEST_SHA1] = { .rounds = 4096, .n_salt = 1 } };

	for (size_t over = 0; over < 2; over++) {
		struct sasl_server *s = server(ALL_MECHS);
		size_t n = SASL_MESSAGE_MAX + over;
		struct str out;
		assert_int_equal(start(s, "SCRAM-SHA-1", stretched("n,,n=user,r=", "", n)),
			over ? SASL_MALFORMED_REQUEST : KEYS);
		assert_int_equal(start(s, "SCRAM-SHA-1", STR("n,,n=user,r=C")), KEYS);
		assert_int_equal(outcome(s, sasl_server_keys(s, &keys, true, &mem, &out)), MORE);
		assert_int_equal(next(s, stretched("c=biws,r=CS,x=", ",p=AAAA", n)),
			over ? SASL_MALFORMED_REQUEST : SASL_NOT_AUTHORIZED);
		sasl_server_free(&s);
	}
}

/* Which mechanism a client takes, and with which GS2 flag. */
static void test_client_choice(void **state)
{
	enum { EXPORTER = 1, END_POINT = 2, UNIQUE = 4, UNIQUE_13 = 8 };
	static const struct {
		const char *name;
		unsigned offered;
		const char *user, *password;
		unsigned has, named; /* what the connection has; what the server named */
		enum sasl_mech_id mech;
		const char *header;
	} cases[] = {
		{ "strongest", BARE_MECHS | BIT(PLAIN), "u", "p", 0, 0, MECH_SCRAM_SHA_512, "n,," },
		{ "SHA-1 alone", BIT(SCRAM_SHA_1) | BIT(PLAIN), "u", "p", 0, 0, MECH_SCRAM_SHA_1,
			"n,," },
		{ "PLAIN alone", BIT(PLAIN), "u", "p", 0, 0, MECH_PLAIN, NULL },
		{ "certificate first, RFC 6120 section 6.3.4", ALL_MECHS, "u", "p", 0, 0,
			MECH_EXTERNAL, NULL },
		{ "no user", BARE_MECHS | BIT(ANONYMOUS), "", NULL, 0, 0, MECH_ANONYMOUS, NULL },
		{ "not anonymous with a user", BIT(ANONYMOUS), "u", "p", 0, 0, MECH_COUNT, NULL },
		{ "no password", BARE_MECHS | BIT(PLAIN), "u", NULL, 0, 0, MECH_COUNT, NULL },
		{ "password that OpaqueString forbids", BARE_MECHS, "u", "\x01", 0, 0, MECH_COUNT,
			NULL },
		{ "empty password", BARE_MECHS, "u", "", 0, 0, MECH_COUNT, NULL },
		{ "nothing offered", 0, "u", "p", EXPORTER, 0, MECH_COUNT, NULL },
		/* RFC 5802 section 6 */
		{ "no binding, -PLUS offered", BARE_MECHS | PLUS_MECHS, "u", "p", 0, EXPORTER,
			MECH_SCRAM_SHA_512, "n,," },
		{ "binding, no -PLUS", BARE_MECHS, "u", "p", EXPORTER | END_POINT, 0,
			MECH_SCRAM_SHA_512, "y,," },
		{ "-PLUS of a weaker hash", BARE_MECHS | BIT(SCRAM_SHA_1_PLUS), "u", "p", EXPORTER,
			EXPORTER, MECH_SCRAM_SHA_1_PLUS, "p=tls-exporter,," },
		{ "-PLUS alone, no binding", PLUS_MECHS, "u", "p", 0, 0, MECH_COUNT, NULL },
		/* XEP-0440 section 3 */
		{ "best of two named", BARE_MECHS | PLUS_MECHS, "u", "p", EXPORTER | END_POINT,
			EXPORTER | END_POINT, MECH_SCRAM_SHA_512_PLUS, "p=tls-exporter,," },
		{ "the one named", BARE_MECHS | PLUS_MECHS, "u", "p", EXPORTER | END_POINT | UNIQUE,
			END_POINT, MECH_SCRAM_SHA_512_PLUS, "p=tls-server-end-point,," },
		{ "the one in common", BARE_MECHS | PLUS_MECHS, "u", "p", END_POINT,
			EXPORTER | END_POINT, MECH_SCRAM_SHA_512_PLUS, "p=tls-server-end-point,," },
		{ "none in common, rule 6", BARE_MECHS | PLUS_MECHS, "u", "p", END_POINT, EXPORTER,
			MECH_COUNT, NULL },
		/* RFC 9266: the default is tls-unique up to TLS 1.2, tls-exporter on TLS 1.3. */
		{ "none named, TLS 1.2", BARE_MECHS | PLUS_MECHS, "u", "p",
			EXPORTER | END_POINT | UNIQUE, 0, MECH_SCRAM_SHA_512_PLUS,
			"p=tls-unique,," },
		{ "none named, TLS 1.3", BARE_MECHS | PLUS_MECHS, "u", "p",
			EXPORTER | END_POINT | UNIQUE_13, 0, MECH_SCRAM_SHA_512_PLUS,
			"p=tls-exporter,," },
		{ "none named, end point alone", BARE_MECHS | PLUS_MECHS, "u", "p", END_POINT, 0,
			MECH_SCRAM_SHA_512_PLUS, "p=tls-server-end-point,," },
		{ "undefined unique alone", BARE_MECHS | PLUS_MECHS, "u", "p", UNIQUE_13, 0,
			MECH_SCRAM_SHA_512, "n,," },
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		unsigned has = cases[i].has;
		struct sasl_binding b = { .unique_defined = has & UNIQUE };
		if (has & EXPORTER)
			b.exporter = STR("x");
		if (has & END_POINT)
			b.end_point = STR("e");
		if (has & (UNIQUE | UNIQUE_13))
			b.unique = STR("u");
		struct sasl_client *c = sasl_client_new(cases[i].offered, str_c(cases[i].user),
			str_c(cases[i].password), has ? &b : NULL, cases[i].named & EXPORTER,
			cases[i].named & END_POINT);
		if ((c ? sasl_client_mech(c) : MECH_COUNT) != cases[i].mech)
			fail_msg("%s", cases[i].name);
		if (c && cases[i].header && !str_eq(c->scram.header, str_c(cases[i].header)))
			fail_msg("%s: %.*s", cases[i].name, STR_FMT(c->scram.header));
		sasl_client_free(&c);
		assert_null(c);
	}
}

/* What a client sends first for the mechanisms of one message; a challenge is a failure. */
static void test_client_simple(void **state)
{
	static const struct {
		enum sasl_mech_id mech;
		struct str message;
	} cases[] = {
		{ MECH_PLAIN, LIT("\0j\xc3\xbc,=\0pass word") },
		{ MECH_EXTERNAL, LIT("") },
	};

	for (size_t i = 0; i < LENGTH(cases); i++)
		for (unsigned challenge = 0; challenge < 2; challenge++) {
			struct sasl_client *c = sasl_client_new(1u << cases[i].mech,
				STR("j\xc3\xbc,="), STR("pass\xc2\xa0word"), NULL, false, false);
			struct str out;
			sasl_client_start(c, &mem, &out);
			assert_true(str_eq(out, cases[i].message));
			if (challenge)
				assert_int_equal(
					sasl_client_next(c, STR(""), &mem, &out), SASL_FAILED);
			assert_int_equal(sasl_client_success(c, STR(""), &mem),
				challenge ? SASL_FAILED : SASL_DONE);
			sasl_client_free(&c);
		}
}

/* A name with the characters that SCRAM escapes, and a password that is prepared, through
 * client and server. */
static void test_client_server(void **state)
{
	struct sasl_server *s = server(ALL_MECHS);
	struct sasl_client *c = sasl_client_new(
		BARE_MECHS, STR("j\xc3\xbc,="), STR("pass\xc2\xa0word"), NULL, false, false);
	struct scram_keys keys;
	struct str m;

	scram_keys_make(STR("pass word"), &keys);
	sasl_client_start(c, &mem, &m);
	assert_true(str_starts(m, STR("n,,n=j\xc3\xbc=2C=3D,r=")));
	assert_int_equal(start(s, "SCRAM-SHA-512", m), KEYS);
	assert_str(sasl_server_user(s), "j\xc3\xbc,=");
	assert_int_equal(outcome(s, sasl_server_keys(s, &keys, true, &mem, &m)), MORE);
	assert_int_equal(sasl_client_next(c, m, &mem, &m), SASL_CONTINUE);
	assert_int_equal(outcome(s, sasl_server_next(s, m, &mem, &m)), DONE);
	assert_int_equal(sasl_client_success(c, m, &mem), SASL_DONE);
	sasl_client_free(&c);
	sasl_server_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_failure_names),
		cmocka_unit_test(test_invalid_mechanism),
		cmocka_unit_test(test_no_initial),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_plain_long),
		cmocka_unit_test(test_plain_checked),
		cmocka_unit_test(test_password_wiped),
		cmocka_unit_test(test_external),
		cmocka_unit_test(test_external_account),
		cmocka_unit_test(test_anonymous),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_unexpected_response),
		cmocka_unit_test(test_auth_again),
		cmocka_unit_test(test_store_failure),
		cmocka_unit_test(test_message_max),
		cmocka_unit_test(test_client_choice),
		cmocka_unit_test(test_client_simple),
		cmocka_unit_test(test_client_server),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
