/* Certificates of clients: whose addresses are believed (RFC 6120 section 13.7). */
#include "net/testing.h"

#include "net/tls_private.h"

#include <gnutls/abstract.h>
#include <time.h>

#define DAY 86400

/* A certificate and its key. */
struct ident {
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
};

static struct certs certs;
static struct ident authority, stranger;
static struct tls_config *config; /* believes authority */

/* signer NULL: signs itself. purpose NULL: for anything. */
struct wish {
	struct str addresses[3]; /* xmppAddr */
	const char *dns;
	const char *purpose;
	long from, until; /* days from now */
	bool is_authority;
	gnutls_digest_algorithm_t hash;
	gnutls_pk_algorithm_t pk;
};

/* An xmppAddr (RFC 6120 section 13.7.1.4), encoded here so that it may be a bad one. */
static void add_address(gnutls_x509_crt_t crt, struct str s)
{
	char der[64] = { 0x0c /* UTF8String */, (char)s.n };

	assert_true(s.n < sizeof der - 2);
	memcpy(der + 2, s.p, s.n);
	assert_int_equal(gnutls_x509_crt_set_subject_alt_othername(crt, "1.3.6.1.5.5.7.8.5", der,
		(unsigned)s.n + 2, GNUTLS_FSAN_APPEND), 0);
}

static void make(struct ident *out, const struct wish *w, const struct ident *signer)
{
	time_t now = time(NULL);
	gnutls_pk_algorithm_t pk = w->pk ? w->pk : GNUTLS_PK_ECDSA;
	unsigned bits = pk == GNUTLS_PK_RSA ? 2048 :
		GNUTLS_CURVE_TO_BITS(pk == GNUTLS_PK_ECDSA ? GNUTLS_ECC_CURVE_SECP256R1 :
							     GNUTLS_ECC_CURVE_ED25519);

	gnutls_x509_crt_init(&out->crt);
	gnutls_x509_privkey_init(&out->key);
	assert_int_equal(gnutls_x509_privkey_generate(out->key, pk, bits, 0), 0);
	gnutls_x509_crt_set_version(out->crt, 3);
	gnutls_x509_crt_set_serial(out->crt, "\x01", 1);
	gnutls_x509_crt_set_activation_time(out->crt, now + w->from * DAY);
	gnutls_x509_crt_set_expiration_time(out->crt, now + w->until * DAY);
	gnutls_x509_crt_set_key(out->crt, out->key);
	gnutls_x509_crt_set_dn_by_oid(out->crt, GNUTLS_OID_X520_COMMON_NAME, 0,
		w->is_authority ? "authority" : "client", w->is_authority ? 9 : 6);
	gnutls_x509_crt_set_basic_constraints(out->crt, w->is_authority, -1);
	gnutls_x509_crt_set_key_usage(out->crt,
		w->is_authority ? GNUTLS_KEY_KEY_CERT_SIGN : GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (w->purpose)
		gnutls_x509_crt_set_key_purpose_oid(out->crt, w->purpose, 0);
	if (w->dns)
		gnutls_x509_crt_set_subject_alt_name(out->crt, GNUTLS_SAN_DNSNAME, w->dns,
			(unsigned)strlen(w->dns), GNUTLS_FSAN_APPEND);
	for (size_t i = 0; i < N_OF(w->addresses) && w->addresses[i].n; i++)
		add_address(out->crt, w->addresses[i]);
	if (!signer)
		signer = out;
	assert_int_equal(gnutls_x509_crt_sign2(out->crt, signer->crt, signer->key,
		w->hash ? w->hash : GNUTLS_DIG_SHA256, 0), 0);
}

static void drop(struct ident *i)
{
	gnutls_x509_crt_deinit(i->crt);
	gnutls_x509_privkey_deinit(i->key);
}

static void save(const struct ident *i, const char *cert_file, const char *key_file)
{
	gnutls_datum_t pem;
	FILE *f = fopen(cert_file, "w");

	gnutls_x509_crt_export2(i->crt, GNUTLS_X509_FMT_PEM, &pem);
	fwrite(pem.data, 1, pem.size, f);
	fclose(f);
	gnutls_free(pem.data);
	if (!key_file)
		return;
	f = fopen(key_file, "w");
	gnutls_x509_privkey_export2_pkcs8(i->key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
		&pem);
	fwrite(pem.data, 1, pem.size, f);
	fclose(f);
	gnutls_free(pem.data);
}

/* Shakes hands over memory; both sides must agree. */
static void shake(struct tls *c, struct tls *s)
{
	struct buf to_s, to_c;
	enum tls_status of_c = TLS_MORE, of_s = TLS_MORE;

	buf_init(&to_s, 1 << 20);
	buf_init(&to_c, 1 << 20);
	for (int i = 0; i < 10 && (of_c == TLS_MORE || of_s == TLS_MORE); i++) {
		tls_input(c, buf_str(&to_c));
		if (of_c == TLS_MORE)
			of_c = tls_handshake(c, &to_s);
		buf_reset(&to_c);
		tls_input(s, buf_str(&to_s));
		if (of_s == TLS_MORE)
			of_s = tls_handshake(s, &to_c);
		buf_reset(&to_s);
	}
	assert_int_equal(of_c, TLS_OK);
	assert_int_equal(of_s, TLS_OK);
	buf_clear(&to_s);
	buf_clear(&to_c);
}

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
		{ "beside a dNSName", { { STR("a@a.example") }, .dns = "a.example", .from = -1,
			.until = 9 }, &authority, 3, 1 },
		{ "a dNSName only", { { STR_NULL }, .dns = "a.example", .from = -1, .until = 9 },
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
		struct wish w = { .dns = "a.example", .from = -1, .until = 9, .hash = cases[i].hash,
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
