/* SCRAM: the exchanges that the RFCs print, and everything that must fail. */
#include "xmpp/sasl_private.h"

#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])
#define BIT(mech)     (1u << MECH_##mech)
#define BARE_MECHS    (BIT(SCRAM_SHA_512) | BIT(SCRAM_SHA_256) | BIT(SCRAM_SHA_1))
#define ALL_MECHS     (BARE_MECHS | SASL_PLUS_MECHS)
#define ROUNDS        4096

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

static struct str decoded(const char *base64)
{
	struct str out;

	assert_true(base64_decode(&mem, str_c(base64), &out));
	return out;
}

static void assert_str(struct str got, const char *want)
{
	if (!str_eq(got, str_c(want)))
		fail_msg("\"%.*s\" and not \"%s\"", STR_FMT(got), want);
}

/* Keys with few rounds and a salt of our choice. */
static struct scram_keys keys_of(const char *password, struct str salt)
{
	struct scram_keys keys = { 0 };
	uint8_t client[DIGEST_MAX];

	for (enum digest d = 0; d < DIGEST_COUNT; d++) {
		struct scram_key *k = &keys.of[d];
		k->rounds = ROUNDS;
		k->n_salt = (uint8_t)salt.n;
		memcpy(k->salt, salt.p, salt.n);
		scram_derive(d, str_c(password), salt, ROUNDS, client, k->server);
		digest_of(d, str_of_bytes(client, digest_len(d)), k->stored);
	}
	return keys;
}

/* The exchanges of RFC 5802 section 5 and RFC 7677 section 3, and one more of our own with
 * SHA-512 and a binding, computed with another implementation. */
static const struct published {
	const char *name;
	enum sasl_mech_id mech;
	const char *client_nonce, *server_nonce, *salt;
	const char *first, *challenge, *final, *success;
} published[] = {
	{ "RFC 5802 section 5", MECH_SCRAM_SHA_1, "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j",
		"QSXCR+Q6sek8bf92",
		"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
		"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
		"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
		"p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
		"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
	{ "RFC 7677 section 3", MECH_SCRAM_SHA_256, "rOprNGfwEbeRWgbNEkqO",
		"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "W22ZaJ0SNY7soEsUEjb6gQ==",
		"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
	{ "SCRAM-SHA-512-PLUS", MECH_SCRAM_SHA_512_PLUS, "client", "server",
		"W22ZaJ0SNY7soEsUEjb6gQ==",
		"p=tls-exporter,,n=user,r=client",
		"r=clientserver,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"c=cD10bHMtZXhwb3J0ZXIsLABleHBvcnRlcv8=,r=clientserver,"
		"p=MOO+e/AI9GYvr2QcOHEGpmesaS/5htVP6AsKLKKsnB07ZPjVEcSLYtqyoGk8fRsCSOz7Fy"
		"kulMeMQintpLoj3g==",
		"v=zHNYCzYwWEkiglTIEKfe+Spzb9j66gTDT4chaAWd2O0xmwX3CmVXc2zOW4VdAQeWKfCCvV"
		"fCRkPSRW3YtyXd7g==" },
};

static const struct sasl_binding all_bindings = {
	.exporter = { "\x00""exporter\xff", 10 },
	.end_point = { "end point", 9 },
	.unique = { "unique", 6 },
};

static void test_published_server(void **state)
{
	for (size_t i = 0; i < LENGTH(published); i++) {
		const struct published *p = &published[i];
		struct sasl_policy policy = { .offered = ALL_MECHS, .binding = all_bindings };
		struct sasl_server *s = sasl_server_new(&policy);
		struct scram_keys keys = keys_of("pencil", decoded(p->salt));
		struct str out;

		s->test_nonce = str_c(p->server_nonce);
		assert_int_equal(sasl_server_start(s, sasl_mech_name(p->mech), str_c(p->first),
					 true, &mem, &out),
			SASL_KEYS);
		assert_str(sasl_server_user(s), "user");
		assert_int_equal(sasl_server_mech(s), p->mech);
		assert_int_equal(sasl_server_keys(s, &keys, true, &mem, &out), SASL_CONTINUE);
		assert_str(out, p->challenge);
		assert_int_equal(sasl_server_next(s, str_c(p->final), &mem, &out), SASL_DONE);
		assert_str(out, p->success);
		assert_str(sasl_server_user(s), "user");
		sasl_server_free(&s);
	}
}

static struct sasl_client *published_client(const struct published *p)
{
	bool plus = sasl_mech_is_plus(p->mech);
	struct sasl_client *c = sasl_client_new(1u << p->mech, STR("user"), STR("pencil"),
		plus ? &all_bindings : NULL, plus, false);

	assert_non_null(c);
	c->test_nonce = str_c(p->client_nonce);
	return c;
}

static void test_published_client(void **state)
{
	for (size_t i = 0; i < LENGTH(published); i++) {
		const struct published *p = &published[i];
		struct sasl_client *c = published_client(p);
		struct str out;

		sasl_client_start(c, &mem, &out);
		assert_str(out, p->first);
		assert_int_equal(
			sasl_client_next(c, str_c(p->challenge), &mem, &out), SASL_CONTINUE);
		assert_str(out, p->final);
		assert_int_equal(sasl_client_success(c, str_c(p->success), &mem), SASL_DONE);
		sasl_client_free(&c);
	}
}

/* RFC 5802, erratum 2689: the server's last message as a challenge, answered by an empty
 * response. */
static void test_success_as_challenge(void **state)
{
	struct sasl_client *c = published_client(&published[0]);
	struct str out;

	sasl_client_start(c, &mem, &out);
	assert_int_equal(sasl_client_next(c, str_c(published[0].challenge), &mem, &out),
		SASL_CONTINUE);
	assert_int_equal(sasl_client_next(c, str_c(published[0].success), &mem, &out),
		SASL_CONTINUE);
	assert_int_equal(out.n, 0);
	assert_int_equal(sasl_client_success(c, STR(""), &mem), SASL_DONE);
	sasl_client_free(&c);
}

/* A client that may lie about its mechanism, header and binding, against a server. */
struct run {
	unsigned offered;
	struct sasl_binding binding; /* the server's */
	enum sasl_mech_id mech;
	const char *header;
	struct str shown;            /* the client's binding data */
	const char *user, *password;
	bool unknown;
};

/* SASL_FAILURE_COUNT when both sides end well. */
static enum sasl_failure exchange(const struct run *r)
{
	struct sasl_policy policy = { .offered = r->offered, .domain = STR("example.com"),
		.binding = r->binding };
	struct sasl_server *s = sasl_server_new(&policy);
	struct sasl_client *c = sasl_client_new(
		BIT(SCRAM_SHA_1), str_c(r->user), str_c(r->password), NULL, false, false);
	struct scram_keys keys = keys_of("pencil", STR("salt"));
	struct str message;
	enum sasl_failure result = SASL_FAILURE_COUNT;

	assert_non_null(c);
	c->mech = r->mech;
	c->scram.header = str_c(r->header);
	c->scram.binding = r->shown;
	if (r->unknown)
		scram_keys_fake(STR("secret"), str_c(r->user), &keys);
	sasl_client_start(c, &mem, &message);
	enum sasl_step step = sasl_server_start(s, sasl_mech_name(r->mech), message, true, &mem,
		&message);
	if (step == SASL_KEYS) {
		assert_int_equal(sasl_server_keys(s, &keys, !r->unknown, &mem, &message),
			SASL_CONTINUE);
		assert_int_equal(sasl_client_next(c, message, &mem, &message), SASL_CONTINUE);
		step = sasl_server_next(s, message, &mem, &message);
	}
	if (step == SASL_DONE)
		assert_int_equal(sasl_client_success(c, message, &mem), SASL_DONE);
	else
		result = sasl_server_failure(s);
	sasl_server_free(&s);
	sasl_client_free(&c);
	return result;
}

#define WELL SASL_FAILURE_COUNT

/* Every mechanism by round trip, and every binding type. */
static void test_round_trips(void **state)
{
	for (enum sasl_mech_id m = MECH_SCRAM_SHA_512_PLUS; m <= MECH_SCRAM_SHA_1; m++) {
		struct run r = { ALL_MECHS, all_bindings, m, "n,,", STR(""), "user", "pencil",
			false };
		if (sasl_mech_is_plus(m)) {
			r.header = "p=tls-exporter,,";
			r.shown = all_bindings.exporter;
		}
		assert_int_equal(exchange(&r), WELL);
		r.password = "pencils";
		assert_int_equal(exchange(&r), SASL_NOT_AUTHORIZED);
	}
}

/* The policy of docs/security.md, row by row. */
static void test_binding_policy(void **state)
{
	static const struct {
		const char *name;
		unsigned offered;
		bool bound; /* the server has binding data */
		enum sasl_mech_id mech;
		const char *header, *shown;
		enum sasl_failure result;
	} cases[] = {
		{ "n, nothing offered", BARE_MECHS, false, MECH_SCRAM_SHA_1, "n,,", "", WELL },
		{ "n, -PLUS offered", ALL_MECHS, true, MECH_SCRAM_SHA_1, "n,,", "", WELL },
		{ "y, nothing offered", BARE_MECHS, false, MECH_SCRAM_SHA_1, "y,,", "", WELL },
		{ "y, data there but -PLUS not offered", BARE_MECHS, true, MECH_SCRAM_SHA_1, "y,,",
			"", WELL },
		{ "y, -PLUS offered: a downgrade", ALL_MECHS, true, MECH_SCRAM_SHA_1, "y,,", "",
			SASL_NOT_AUTHORIZED },
		{ "y, one -PLUS of another hash offered", BARE_MECHS | BIT(SCRAM_SHA_512_PLUS),
			true, MECH_SCRAM_SHA_1, "y,,", "", SASL_NOT_AUTHORIZED },
		{ "exporter", ALL_MECHS, true, MECH_SCRAM_SHA_1_PLUS, "p=tls-exporter,,",
			"exporter", WELL },
		{ "end point", ALL_MECHS, true, MECH_SCRAM_SHA_256_PLUS, "p=tls-server-end-point,,",
			"end point", WELL },
		{ "unique", ALL_MECHS, true, MECH_SCRAM_SHA_512_PLUS, "p=tls-unique,,", "unique",
			WELL },
		{ "with an authzid", ALL_MECHS, true, MECH_SCRAM_SHA_1_PLUS,
			"p=tls-unique,a=user@example.com,", "unique", WELL },
		{ "data of another type", ALL_MECHS, true, MECH_SCRAM_SHA_1_PLUS, "p=tls-unique,,",
			"end point", SASL_NOT_AUTHORIZED },
		{ "data of another connection", ALL_MECHS, true, MECH_SCRAM_SHA_1_PLUS,
			"p=tls-unique,,", "uniquf", SASL_NOT_AUTHORIZED },
		{ "data cut", ALL_MECHS, true, MECH_SCRAM_SHA_1_PLUS, "p=tls-unique,,", "uniqu",
			SASL_NOT_AUTHORIZED },
		{ "data too long", ALL_MECHS, true, MECH_SCRAM_SHA_1_PLUS, "p=tls-unique,,",
			"unique2", SASL_NOT_AUTHORIZED },
		{ "no data", ALL_MECHS, true, MECH_SCRAM_SHA_1_PLUS, "p=tls-unique,,", "",
			SASL_NOT_AUTHORIZED },
		{ "data with n", ALL_MECHS, true, MECH_SCRAM_SHA_1, "n,,", "unique",
			SASL_NOT_AUTHORIZED },
		{ "type the connection doesn't have", ALL_MECHS, false, MECH_SCRAM_SHA_1_PLUS,
			"p=tls-unique,,", "", SASL_NOT_AUTHORIZED },
		{ "unknown type", ALL_MECHS, true, MECH_SCRAM_SHA_1_PLUS, "p=tls-foo,,", "unique",
			SASL_NOT_AUTHORIZED },
		{ "type in the wrong case", ALL_MECHS, true, MECH_SCRAM_SHA_1_PLUS,
			"p=TLS-UNIQUE,,", "unique", SASL_NOT_AUTHORIZED },
		{ "p without -PLUS", ALL_MECHS, true, MECH_SCRAM_SHA_1, "p=tls-unique,,", "unique",
			SASL_MALFORMED_REQUEST },
		{ "n with -PLUS", ALL_MECHS, true, MECH_SCRAM_SHA_1_PLUS, "n,,", "",
			SASL_MALFORMED_REQUEST },
		{ "y with -PLUS", ALL_MECHS, true, MECH_SCRAM_SHA_1_PLUS, "y,,", "",
			SASL_MALFORMED_REQUEST },
		{ "-PLUS not offered", BARE_MECHS, true, MECH_SCRAM_SHA_1_PLUS, "p=tls-unique,,",
			"unique", SASL_INVALID_MECHANISM },
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct run r = { .offered = cases[i].offered, .mech = cases[i].mech,
			.header = cases[i].header, .shown = str_c(cases[i].shown), .user = "user",
			.password = "pencil" };
		if (cases[i].bound)
			r.binding = all_bindings;
		if (str_eq(r.shown, STR("exporter")))
			r.shown = all_bindings.exporter;
		if (exchange(&r) != cases[i].result)
			fail_msg("%s", cases[i].name);
	}
}

/* What the first and the last message of a client get. The nonce is "CS". */
static void test_first_messages(void **state)
{
	static const struct {
		const char *message;
		enum sasl_failure result; /* WELL: keys are asked for */
		const char *user;
	} cases[] = {
		{ "n,,n=user,r=C", WELL, "user" },
		{ "n,,n=User,r=C", WELL, "user" },
		{ "n,a=user@example.com,n=user,r=C", WELL, "user" },
		{ "n,a=USER@EXAMPLE.com,n=user,r=C", WELL, "user" },
		{ "n,a=user,n=user,r=C", WELL, "user" },
		{ "n,a=user@example.com/r,n=user,r=C", SASL_INVALID_AUTHZID, NULL },
		{ "n,a=other@example.com,n=user,r=C", SASL_INVALID_AUTHZID, NULL },
		{ "n,a=user@example.org,n=user,r=C", SASL_INVALID_AUTHZID, NULL },
		{ "n,a=example.com,n=user,r=C", SASL_INVALID_AUTHZID, NULL },
		{ "n,a=@,n=user,r=C", SASL_INVALID_AUTHZID, NULL },
		{ "n,a=us=2Cer,n=us=2Cer,r=C", WELL, "us,er" },
		{ "n,,n=us=3D=2Cer,r=C", WELL, "us=,er" },
		{ "n,,n=j\xc3\xbcrgen,r=C", WELL, "j\xc3\xbcrgen" },
		{ "n,,n=user,r=!~=+,x=y", WELL, "user" },
		{ "n,,n=user,r=C,x=y=z,Q=\xc3\xbc", WELL, "user" },
		/* Names that cannot be localparts (RFC 7622 section 3.3.1) */
		{ "n,,n=us er,r=C", SASL_NOT_AUTHORIZED, NULL },
		{ "n,,n=user@example.com,r=C", SASL_NOT_AUTHORIZED, NULL },
		/* The grammar of RFC 5802 section 7 */
		{ "", SASL_MALFORMED_REQUEST, NULL },
		{ ",", SASL_MALFORMED_REQUEST, NULL },
		{ "n", SASL_MALFORMED_REQUEST, NULL },
		{ "n,", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,r", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,r=", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,N=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,r=C,n=user", SASL_MALFORMED_REQUEST, NULL },
		{ "n,n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "N,,n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "x,,n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "nn,,n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "yes,,n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n=tls-unique,,n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "p,,n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "p=,,n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "p=tls unique,,n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "F,n,,n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n,b=user,n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n,user,n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n,a=,n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n,a=us=er,n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=us=er,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user=,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user=2,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user=2c,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user=3d,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user=20,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,m=x,n=user,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,r=C,m=x", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,r=C,", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,r=C,x", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,r=C,x=", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,r=C,1=2", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,r=C,xy=z", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,r=C,,x=y", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,r=C,r=D", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,r=C,n=root", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,r=C D", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,r=C\x7f", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,r=\xc3\xbc", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=\xff,r=C", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=user,r=C,x=\xc0\x80", SASL_MALFORMED_REQUEST, NULL },
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct sasl_policy policy = { .offered = ALL_MECHS, .domain = STR("example.com") };
		struct sasl_server *s = sasl_server_new(&policy);
		struct str out;
		enum sasl_step step = sasl_server_start(
			s, STR("SCRAM-SHA-1"), str_c(cases[i].message), true, &mem, &out);
		bool well = step == SASL_KEYS ? cases[i].result == WELL :
			step == SASL_FAILED && sasl_server_failure(s) == cases[i].result;
		if (!well)
			fail_msg("%s", cases[i].message);
		if (step == SASL_KEYS)
			assert_str(sasl_server_user(s), cases[i].user);
		sasl_server_free(&s);
	}
}

static void test_nul(void **state)
{
	struct sasl_policy policy = { .offered = ALL_MECHS, .domain = STR("example.com") };
	struct sasl_server *s = sasl_server_new(&policy);
	struct str out;

	assert_int_equal(sasl_server_start(s, STR("SCRAM-SHA-1"), STR("n,,n=us\0er,r=C"), true,
		&mem, &out), SASL_FAILED);
	assert_int_equal(sasl_server_failure(s), SASL_MALFORMED_REQUEST);
	sasl_server_free(&s);
}

/* A server that has sent its challenge to "n,,n=user,r=C" with the nonce "CS". */
static struct sasl_server *challenged(void)
{
	struct sasl_policy policy = { .offered = ALL_MECHS, .domain = STR("example.com") };
	struct sasl_server *s = sasl_server_new(&policy);
	struct scram_keys keys = keys_of("pencil", STR("salt"));
	struct str out;

	s->test_nonce = STR("S");
	assert_int_equal(sasl_server_start(s, STR("SCRAM-SHA-1"), STR("n,,n=user,r=C"), true, &mem,
		&out), SASL_KEYS);
	assert_int_equal(sasl_server_keys(s, &keys, true, &mem, &out), SASL_CONTINUE);
	assert_str(out, "r=CS,s=c2FsdA==,i=4096");
	return s;
}

/* The proof for what stands before it. */
static struct str proof_for(const char *without)
{
	struct str auth = str_printf(&mem, "n=user,r=C,r=CS,s=c2FsdA==,i=4096,%s", without);
	uint8_t client[DIGEST_MAX], server[DIGEST_MAX], stored[DIGEST_MAX], proof[DIGEST_MAX];
	size_t n = digest_len(DIGEST_SHA1);

	scram_derive(DIGEST_SHA1, STR("pencil"), STR("salt"), ROUNDS, client, server);
	digest_of(DIGEST_SHA1, str_of_bytes(client, n), stored);
	digest_hmac(DIGEST_SHA1, str_of_bytes(stored, n), auth, proof);
	for (size_t i = 0; i < n; i++)
		proof[i] ^= client[i];
	return base64_str(&mem, str_of_bytes(proof, n));
}

/* Each with a proof that is right for it, so that only what is named is wrong. */
static void test_final_messages(void **state)
{
	static const struct {
		const char *without, *between, *behind;
		enum sasl_failure result;
	} cases[] = {
		{ "c=biws,r=CS", ",p=", "", WELL },
		{ "c=biws,r=CS,x=y", ",p=", "", WELL },
		{ "c=biws,r=CS,x=y=,Z=p=q", ",p=", "", WELL },
		/* Another header or nonce than in the first message */
		{ "c=eSws,r=CS", ",p=", "", SASL_NOT_AUTHORIZED },
		{ "c=bixhPXVzZXIs,r=CS", ",p=", "", SASL_NOT_AUTHORIZED },
		{ "c=biwsLA==,r=CS", ",p=", "", SASL_NOT_AUTHORIZED },
		{ "c=biws,r=C", ",p=", "", SASL_NOT_AUTHORIZED },
		{ "c=biws,r=CSS", ",p=", "", SASL_NOT_AUTHORIZED },
		{ "c=biws,r=SC", ",p=", "", SASL_NOT_AUTHORIZED },
		{ "c=biws,r=CS", ",p=AAAA", "", SASL_NOT_AUTHORIZED },
		/* Grammar */
		{ "c=biws,r=CS", ",p=", "=", SASL_MALFORMED_REQUEST },
		{ "c=biws,r=CS", ",p=", ",", SASL_MALFORMED_REQUEST },
		{ "c=biws,r=CS", ",p=", ",x=y", SASL_MALFORMED_REQUEST },
		{ "c=biws,r=CS", ",p=", ",p=AAAA", SASL_MALFORMED_REQUEST },
		{ "c=biws,r=CS", ",q=", "", SASL_MALFORMED_REQUEST },
		{ "c=biws,r=CS", "p=", "", SASL_MALFORMED_REQUEST },
		{ "c=biws,r=CS", ",,p=", "", SASL_MALFORMED_REQUEST },
		{ "c=biws,r=CS,m=x", ",p=", "", SASL_MALFORMED_REQUEST },
		{ "m=x,c=biws,r=CS", ",p=", "", SASL_MALFORMED_REQUEST },
		{ "c=biws,r=CS,r=CS", ",p=", "", SASL_MALFORMED_REQUEST },
		{ "c=biws,r=CS,x", ",p=", "", SASL_MALFORMED_REQUEST },
		{ "c=biws", ",p=", "", SASL_MALFORMED_REQUEST },
		{ "r=CS", ",p=", "", SASL_MALFORMED_REQUEST },
		{ "r=CS,c=biws", ",p=", "", SASL_MALFORMED_REQUEST },
		{ "c=,r=CS", ",p=", "", SASL_MALFORMED_REQUEST },
		{ "c=biw,r=CS", ",p=", "", SASL_MALFORMED_REQUEST },
		{ "c=bi%s,r=CS", ",p=", "", SASL_MALFORMED_REQUEST },
		{ "c=biws,r=", ",p=", "", SASL_MALFORMED_REQUEST },
		{ "c=biws,r=C S", ",p=", "", SASL_MALFORMED_REQUEST },
		{ "c=biws,r=CS,x=\xff", ",p=", "", SASL_MALFORMED_REQUEST },
		{ "", "", "", SASL_MALFORMED_REQUEST },
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct sasl_server *s = challenged();
		struct str proof = proof_for(cases[i].without), out;
		struct str message = str_printf(&mem, "%s%s%.*s%s", cases[i].without,
			cases[i].between, STR_FMT(proof), cases[i].behind);
		enum sasl_step step = sasl_server_next(s, message, &mem, &out);
		bool well = step == SASL_DONE ? cases[i].result == WELL :
			step == SASL_FAILED && sasl_server_failure(s) == cases[i].result;
		if (!well)
			fail_msg("%.*s", STR_FMT(message));
		sasl_server_free(&s);
	}
}

/* Cut anywhere, neither message is taken; a cut in the last attribute leaves a shorter nonce
 * or a wrong proof. */
static void test_cuts(void **state)
{
	struct sasl_policy policy = { .offered = ALL_MECHS, .domain = STR("example.com") };
	struct str first = STR("n,a=user@example.com,n=user,r=C");
	struct str proof = proof_for("c=biws,r=CS"), out;
	struct str final = str_printf(&mem, "c=biws,r=CS,p=%.*s", STR_FMT(proof));

	for (size_t n = 0; n < first.n; n++) {
		struct sasl_server *s = sasl_server_new(&policy);
		assert_int_equal(sasl_server_start(s, STR("SCRAM-SHA-1"), str_head(first, n), true,
			&mem, &out), SASL_FAILED);
		assert_int_equal(sasl_server_failure(s), SASL_MALFORMED_REQUEST);
		sasl_server_free(&s);
	}
	for (size_t n = 0; n < final.n; n++) {
		struct sasl_server *s = challenged();
		bool in_proof = n > final.n - proof.n && n % 4 == (final.n - proof.n) % 4;
		assert_int_equal(sasl_server_next(s, str_head(final, n), &mem, &out), SASL_FAILED);
		assert_int_equal(sasl_server_failure(s),
			in_proof ? SASL_NOT_AUTHORIZED : SASL_MALFORMED_REQUEST);
		sasl_server_free(&s);
	}
}

/* One bit wrong anywhere in the proof. */
static void test_proof_bits(void **state)
{
	struct str proof = decoded(str_dup(&mem, proof_for("c=biws,r=CS")).p), out;

	for (size_t bit = 0; bit < 8 * proof.n; bit++) {
		struct sasl_server *s = challenged();
		struct str wrong = str_dup(&mem, proof);
		((char *)wrong.p)[bit / 8] ^= (char)(1 << bit % 8);
		wrong = base64_str(&mem, wrong);
		struct str final = str_printf(&mem, "c=biws,r=CS,p=%.*s", STR_FMT(wrong));
		assert_int_equal(sasl_server_next(s, final, &mem, &out), SASL_FAILED);
		assert_int_equal(sasl_server_failure(s), SASL_NOT_AUTHORIZED);
		sasl_server_free(&s);
	}
}

/* RFC 6120 section 6.5.10: nobody can ask which users exist. */
static void test_unknown_user(void **state)
{
	struct run wrong = { .offered = BARE_MECHS, .mech = MECH_SCRAM_SHA_256, .header = "n,,",
		.user = "user", .password = "pen" };
	struct run unknown = wrong;

	unknown.unknown = true;
	assert_int_equal(exchange(&wrong), SASL_NOT_AUTHORIZED);
	assert_int_equal(exchange(&unknown), SASL_NOT_AUTHORIZED);
}

/* Even made-up keys that fit let nobody in. */
static void test_exists(void **state)
{
	struct sasl_policy policy = { .offered = BARE_MECHS };
	struct sasl_server *s = sasl_server_new(&policy);
	struct scram_keys keys = keys_of("pencil", decoded(published[0].salt));
	struct str out;

	s->test_nonce = str_c(published[0].server_nonce);
	assert_int_equal(sasl_server_start(s, STR("SCRAM-SHA-1"), str_c(published[0].first), true,
		&mem, &out), SASL_KEYS);
	assert_int_equal(sasl_server_keys(s, &keys, false, &mem, &out), SASL_CONTINUE);
	assert_int_equal(sasl_server_next(s, str_c(published[0].final), &mem, &out), SASL_FAILED);
	assert_int_equal(sasl_server_failure(s), SASL_NOT_AUTHORIZED);
	sasl_server_free(&s);
}

/* An account without a key for this hash. */
static void test_no_key(void **state)
{
	struct sasl_policy policy = { .offered = BARE_MECHS };
	struct sasl_server *s = sasl_server_new(&policy);
	struct scram_keys none = { 0 };
	struct str out;

	assert_int_equal(sasl_server_start(s, STR("SCRAM-SHA-1"), STR("n,,n=user,r=C"), true, &mem,
		&out), SASL_KEYS);
	assert_int_equal(sasl_server_keys(s, &none, true, &mem, &out), SASL_FAILED);
	assert_int_equal(sasl_server_failure(s), SASL_NOT_AUTHORIZED);
	sasl_server_free(&s);
}

/* Nonces are fresh and long on both sides (RFC 5802 section 5.1, attribute r). */
static void test_nonces(void **state)
{
	struct str seen[8] = { { 0 } };

	for (size_t i = 0; i < LENGTH(seen); i += 2) {
		struct sasl_policy policy = { .offered = BARE_MECHS };
		struct sasl_server *s = sasl_server_new(&policy);
		struct sasl_client *c =
			sasl_client_new(BARE_MECHS, STR("user"), STR("pencil"), NULL, false, false);
		struct scram_keys keys = keys_of("pencil", STR("salt"));
		struct str out;
		sasl_client_start(c, &mem, &out);
		seen[i] = str_dup(&mem, c->scram.nonce);
		assert_int_equal(seen[i].n, 32);
		assert_int_equal(sasl_server_start(s, STR("SCRAM-SHA-512"), out, true, &mem, &out),
			SASL_KEYS);
		assert_int_equal(sasl_server_keys(s, &keys, true, &mem, &out), SASL_CONTINUE);
		assert_int_equal(s->scram.nonce.n, 64);
		assert_true(str_starts(s->scram.nonce, seen[i]));
		seen[i + 1] = str_dup(&mem, str_skip(s->scram.nonce, 32));
		for (size_t j = 0; j < i; j++)
			assert_false(str_eq(seen[j], seen[i]) || str_eq(seen[j], seen[i + 1]));
		sasl_server_free(&s);
		sasl_client_free(&c);
	}
}

/* A challenge that a client must not answer. */
static void test_bad_challenges(void **state)
{
	static const char *const challenges[] = {
		"",
		"r=CS",
		"r=CS,s=c2FsdA==",
		"r=CS,s=c2FsdA==,i=",
		"r=CS,s=c2FsdA==,i=4095",
		"r=CS,s=c2FsdA==,i=10000001",
		"r=CS,s=c2FsdA==,i=04096",
		"r=CS,s=c2FsdA==,i=+4096",
		"r=CS,s=c2FsdA==,i=4096x",
		"r=CS,s=c2FsdA==,i=99999999999999999999999",
		"r=CS,s=c2FsdA==,i=4096,",
		"r=CS,s=c2FsdA==,i=4096,m=x",
		"r=CS,s=c2FsdA==,i=4096,i=4096",
		"r=CS,s=c2FsdA,i=4096",
		"r=CS,s=,i=4096",
		"r=CS,i=4096,s=c2FsdA==",
		"m=x,r=CS,s=c2FsdA==,i=4096",
		"e=other-error",
		"r=C,s=c2FsdA==,i=4096",
		"r=DS,s=c2FsdA==,i=4096",
		"r=SC,s=c2FsdA==,i=4096",
		"r=C S,s=c2FsdA==,i=4096",
		"r=CS,s=c2FsdA==,i=4096,x=\xff",
	};

	for (size_t i = 0; i < LENGTH(challenges); i++) {
		struct sasl_client *c =
			sasl_client_new(BARE_MECHS, STR("user"), STR("pencil"), NULL, false, false);
		struct str out;
		c->test_nonce = STR("C");
		sasl_client_start(c, &mem, &out);
		if (sasl_client_next(c, str_c(challenges[i]), &mem, &out) != SASL_FAILED)
			fail_msg("%s", challenges[i]);
		/* No way back into the exchange. */
		assert_int_equal(sasl_client_next(c, STR("r=CS,s=c2FsdA==,i=4096"), &mem, &out),
			SASL_FAILED);
		assert_int_equal(sasl_client_success(c, STR(""), &mem), SASL_FAILED);
		sasl_client_free(&c);
	}
}

/* A server that does not prove that it has the keys. */
static void test_bad_success(void **state)
{
	static const char *const messages[] = {
		"",
		"v=",
		"v=AAAA",
		"v=rmF9pqV8S7suAoZWja4dJRkFsKQ",
		"v=rmF9pqV8S7suAoZWja4dJRkFsKR=",
		"v=smF9pqV8S7suAoZWja4dJRkFsKQ=",
		"e=other-error",
		"x=y,v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=,",
		"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=,m=x",
	};

	for (size_t i = 0; i < LENGTH(messages); i++) {
		struct sasl_client *c = published_client(&published[0]);
		struct str out;
		sasl_client_start(c, &mem, &out);
		assert_int_equal(sasl_client_next(c, str_c(published[0].challenge), &mem, &out),
			SASL_CONTINUE);
		if (sasl_client_success(c, str_c(messages[i]), &mem) != SASL_FAILED)
			fail_msg("%s", messages[i]);
		sasl_client_free(&c);
	}
	/* Nor one that skips the exchange. */
	struct sasl_client *c = published_client(&published[0]);
	struct str out;
	sasl_client_start(c, &mem, &out);
	assert_int_equal(sasl_client_success(c, str_c(published[0].success), &mem), SASL_FAILED);
	sasl_client_free(&c);
}

static void test_client_extension(void **state)
{
	struct sasl_client *c = published_client(&published[0]);
	struct str out;

	sasl_client_start(c, &mem, &out);
	assert_int_equal(sasl_client_next(c, str_printf(&mem, "%s,h=abc", published[0].challenge),
		&mem, &out), SASL_CONTINUE);
	assert_true(str_starts(out, STR("c=biws,r=")));
	sasl_client_free(&c);
}

/* The answer to a challenge by a client with this password. */
static struct str answer(const char *challenge, const char *password,
	struct sasl_client_cache *cache)
{
	struct sasl_client *c =
		sasl_client_new(BARE_MECHS, STR("user"), str_c(password), NULL, false, false);
	struct str out;

	sasl_client_use_cache(c, cache);
	c->test_nonce = STR("C");
	sasl_client_start(c, &mem, &out);
	assert_int_equal(sasl_client_next(c, str_c(challenge), &mem, &out), SASL_CONTINUE);
	sasl_client_free(&c);
	return out;
}

/* RFC 5802 section 5.1, attribute i: a client may keep its keys while salt and rounds stay
 * the same. That they come from the cache is seen by a password that would not fit. */
static void test_client_cache(void **state)
{
	static const struct {
		const char *challenge, *password;
	} logins[] = {
		{ "r=CS,s=c2FsdA==,i=4096", "pencil" },
		{ "r=CS,s=c2FsdA==,i=4096", "wrong" },
		{ "r=CS,s=c2FsdA==,i=4097", "pencil" },
		{ "r=CS,s=c2FsdA==,i=4097", "wrong" },
		{ "r=CS,s=c2FsdDI=,i=4097", "pencil" },
		{ "r=CS,s=c2FsdDI=,i=4097", "wrong" },
	};
	struct sasl_client_cache cache = { 0 };

	for (size_t i = 0; i < LENGTH(logins); i++) {
		struct str cached = answer(logins[i].challenge, logins[i].password, &cache);
		struct str derived = answer(logins[i].challenge, "pencil", NULL);
		assert_true(str_eq(cached, derived));
	}
}

/* A salt that the cache has no room for is used all the same, and not kept. */
static void test_long_salt(void **state)
{
	char salt[SCRAM_SALT_MAX + 1];
	struct sasl_client_cache cache = { 0 };

	memset(salt, 's', sizeof salt);
	struct str challenge = str_printf(&mem, "r=CS,s=%s,i=4096",
		base64_str(&mem, str_from(salt, sizeof salt)).p);
	struct str cached = answer(challenge.p, "pencil", &cache);
	assert_true(str_eq(cached, answer(challenge.p, "pencil", NULL)));
	assert_int_equal(cache.rounds, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_server),
		cmocka_unit_test(test_published_client),
		cmocka_unit_test(test_success_as_challenge),
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_binding_policy),
		cmocka_unit_test(test_first_messages),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_final_messages),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_proof_bits),
		cmocka_unit_test(test_unknown_user),
		cmocka_unit_test(test_exists),
		cmocka_unit_test(test_no_key),
		cmocka_unit_test(test_nonces),
		cmocka_unit_test(test_bad_challenges),
		cmocka_unit_test(test_bad_success),
		cmocka_unit_test(test_client_extension),
		cmocka_unit_test(test_client_cache),
		cmocka_unit_test(test_long_salt),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
