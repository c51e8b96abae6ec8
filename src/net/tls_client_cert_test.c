/* Certificates of clients: whose addresses are believed (RFC 6120 section 13.7). */
#include "net/testing_cert.h"

static struct certs certs;
static struct ident authority, stranger;
static struct tls_config *config; /* believes authority */

/* The addresses that a server believes of a client with this certificate (NULL: none). */
static size_t ask(const struct ident *client, unsigned server_flags, unsigned client_flags,
	struct str *out, size_t max)
{
	struct tls *c = tls_client_new(STR("a.example"), TLS_NO_VERIFY | client_flags, NULL,
		STR_NULL);
	struct tls *s = tls_server_new(config, server_flags);
	gnutls_certificate_credentials_t cred;

	gnutls_certificate_allocate_credentials(&cred);
	if (client) {
		gnutls_x509_crt_t chain[1] = { client->crt };
		assert_true(gnutls_certificate_set_x509_key(cred, chain, 1, client->key) >= 0);
	}
	gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, cred);
	shake(c, s);
	size_t n = tls_client_addresses(s, out, max, &certs.arena);
	tls_free(&c);
	tls_free(&s);
	gnutls_certificate_free_credentials(cred);
	return n;
}

static void test_addresses(void **state)
{
	const struct {
		const char *name;
		struct wish wish;
		const struct ident *signer;
		size_t max, n;
	} cases[] = {
		{ "one", { { STR("a@a.example") }, .from = -1, .until = 9 }, &authority, 3, 1 },
		{ "two", { { STR("a@a.example"), STR("b@a.example") }, .from = -1, .until = 9 },
			&authority, 3, 2 },
		{ "more than asked for", { { STR("a@a.example"), STR("b@a.example") }, .from = -1,
			.until = 9 }, &authority, 1, 1 },
		{ "beside a dNSName", { { STR("a@a.example") }, .dns = STR("a.example"), .from = -1,
			.until = 9 }, &authority, 3, 1 },
		{ "a dNSName only", { { STR_NULL }, .dns = STR("a.example"), .from = -1, .until = 9 },
			&authority, 3, 0 },
		{ "for clients", { { STR("a@a.example") }, .purpose = GNUTLS_KP_TLS_WWW_CLIENT,
			.from = -1, .until = 9 }, &authority, 3, 1 },
		{ "for servers only", { { STR("a@a.example") }, .purpose = GNUTLS_KP_TLS_WWW_SERVER,
			.from = -1, .until = 9 }, &authority, 3, 0 },
		{ "expired", { { STR("a@a.example") }, .from = -9, .until = -1 }, &authority,
			3, 0 },
		{ "not valid yet", { { STR("a@a.example") }, .from = 1, .until = 9 }, &authority,
			3, 0 },
		{ "by a stranger", { { STR("a@a.example") }, .from = -1, .until = 9 }, &stranger,
			3, 0 },
		{ "by itself", { { STR("a@a.example") }, .from = -1, .until = 9 }, NULL, 3, 0 },
		{ "not UTF-8", { { STR("a\xff@a.example") }, .from = -1, .until = 9 }, &authority,
			3, 0 },
		{ "a NUL inside", { { STR("a@a.example\0.b.example") }, .from = -1, .until = 9 },
			&authority, 3, 0 },
		{ "a bad one, a good one", { { STR("\xff"), STR("b@a.example") }, .from = -1,
			.until = 9 }, &authority, 3, 1 },
	};
	static const unsigned versions[] = { 0, TLS_ONLY_12 };

	for (size_t v = 0; v < N_OF(versions); v++)
		for (size_t i = 0; i < N_OF(cases); i++) {
			struct ident client;
			struct str out[3] = { STR_NULL, STR_NULL, STR_NULL };
			make(&client, &cases[i].wish, cases[i].signer);
			size_t n = ask(&client, TLS_ASK_CERT, versions[v], out, cases[i].max);
			if (n != cases[i].n)
				fail_msg("%s: %zu", cases[i].name, n);
			if (n && cases[i].wish.addresses[0].n > 1)
				assert_true(str_eq(out[0], cases[i].wish.addresses[0]));
			if (n == 2)
				assert_true(str_eq(out[1], STR("b@a.example")));
			drop(&client);
		}
}

/* With no authorities given the system's are asked, and they know nobody here. */
static void test_system_authorities(void **state)
{
	struct wish w = { { STR("a@a.example") }, .from = -1, .until = 9 };
	struct tls_host h = { STR("a.example"), certs_path(&certs, "a.example.crt"),
		certs_path(&certs, "a.example.key") };
	struct tls_config *before = config;
	struct ident client;
	struct str out[1], error;

	make(&client, &w, &authority);
	config = tls_config_new(&h, 1, NULL, test_ticket_key, &certs.arena, &error);
	assert_non_null(config);
	assert_int_equal(ask(&client, TLS_ASK_CERT, 0, out, 1), 0);
	assert_int_equal(ask(&client, TLS_ASK_CERT, 0, out, 1), 0);
	tls_config_unref(&config);
	config = before;
	drop(&client);
}

/* A client without a certificate is welcome, and none is asked for unless wanted. */
static void test_without_certificate(void **state)
{
	struct wish w = { { STR("a@a.example") }, .from = -1, .until = 9 };
	struct ident client;
	struct str out[1];

	make(&client, &w, &authority);
	assert_int_equal(ask(NULL, TLS_ASK_CERT, 0, out, 1), 0);
	assert_int_equal(ask(NULL, TLS_ASK_CERT, TLS_ONLY_12, out, 1), 0);
	assert_int_equal(ask(&client, 0, 0, out, 1), 0);
	assert_int_equal(ask(&client, TLS_ASK_CERT, 0, out, 1), 1);
	drop(&client);
}

/* RFC 5929 section 4.1: the hash of the certificate's signature, SHA-256 at least. */
static void test_end_point_hash(void **state)
{
	static const struct {
		const char *name;
		gnutls_digest_algorithm_t hash;
		gnutls_pk_algorithm_t pk;
		size_t bytes;
	} cases[] = {
		{ "SHA-256", GNUTLS_DIG_SHA256, GNUTLS_PK_ECDSA, 32 },
		{ "SHA-384", GNUTLS_DIG_SHA384, GNUTLS_PK_ECDSA, 48 },
		{ "SHA-512", GNUTLS_DIG_SHA512, GNUTLS_PK_ECDSA, 64 },
		{ "SHA-1", GNUTLS_DIG_SHA1, GNUTLS_PK_ECDSA, 32 },
		{ "SHA-384 with RSA", GNUTLS_DIG_SHA384, GNUTLS_PK_RSA, 48 },
		{ "Ed25519 has none", GNUTLS_DIG_SHA512, GNUTLS_PK_EDDSA_ED25519, 0 },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct wish w = { .dns = STR("a.example"), .from = -1, .until = 9, .hash = cases[i].hash,
			.pk = cases[i].pk };
		struct ident server;
		struct tls_host h = { STR("a.example"), certs_path(&certs, "hash.crt"),
			certs_path(&certs, "hash.key") };
		struct str error = STR_NULL;
		make(&server, &w, NULL);
		save(&server, h.cert_file, h.key_file);
		struct tls_config *conf = tls_config_new(&h, 1, h.cert_file, test_ticket_key,
			&certs.arena, &error);
		assert_non_null(conf);
		struct tls *c = tls_client_new(STR("a.example"), TLS_NO_VERIFY, NULL, STR_NULL);
		struct tls *s = tls_server_new(conf, 0);
		shake(c, s);
		struct str ours = tls_binding(s, TLS_END_POINT, &certs.arena);
		assert_int_equal(ours.n, cases[i].bytes);
		assert_true(str_eq(ours, tls_binding(c, TLS_END_POINT, &certs.arena)));
		tls_free(&c);
		tls_free(&s);
		tls_config_unref(&conf);
		drop(&server);
	}
}

static int setup(void **state)
{
	static const struct wish w = { .is_authority = true, .from = -1, .until = 9 };
	struct str error;

	certs_init(&certs);
	make(&authority, &w, NULL);
	make(&stranger, &w, NULL);
	save(&authority, certs_path(&certs, "authority.crt"), NULL);
	struct tls_host h = certs_host(&certs, "a.example");
	config = tls_config_new(&h, 1, certs_path(&certs, "authority.crt"), test_ticket_key,
		&certs.arena, &error);
	return config ? 0 : -1;
}

static int teardown(void **state)
{
	tls_config_unref(&config);
	drop(&authority);
	drop(&stranger);
	certs_clear(&certs);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_system_authorities),
		cmocka_unit_test(test_without_certificate),
		cmocka_unit_test(test_end_point_hash),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
