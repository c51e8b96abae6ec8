/* For the tests of certificates: any that one may wish for, and handshakes over memory. */
#ifndef NET_TESTING_CERT_H
#define NET_TESTING_CERT_H

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

/* signer NULL: signs itself. purpose NULL: for anything. */
struct wish {
	struct str addresses[3]; /* xmppAddr */
	struct str services[3];  /* SRVName */
	struct str dns, dns2;    /* dNSName */
	const char *cn;          /* NULL: "authority" or "client" */
	const char *purpose;
	long from, until; /* days from now */
	bool is_authority;
	gnutls_digest_algorithm_t hash;
	gnutls_pk_algorithm_t pk;
	unsigned bits;      /* of RSA; 0: 2048 */
	const char *serial; /* one byte; NULL: 1 */
};

#define OID_XMPP_ADDR "1.3.6.1.5.5.7.8.5" /* RFC 6120 section 13.7.1.4 */
#define OID_DNS_SRV   "1.3.6.1.5.5.7.8.7" /* RFC 4985 section 2 */
#define DER_UTF8      0x0c
#define DER_IA5       0x16

/* Other names are encoded here so that they may be bad ones; those that are empty are not there. */
static inline void add_others(gnutls_x509_crt_t crt, const char *oid, char type,
	const struct str names[3])
{
	for (size_t i = 0; i < 3 && names[i].n; i++) {
		char der[64] = { type, (char)names[i].n };

		assert_true(names[i].n < sizeof der - 2);
		memcpy(der + 2, names[i].p, names[i].n);
		assert_int_equal(gnutls_x509_crt_set_subject_alt_othername(crt, oid, der,
			(unsigned)names[i].n + 2, GNUTLS_FSAN_APPEND), 0);
	}
}

static inline void add_dns(gnutls_x509_crt_t crt, struct str name)
{
	char der[64] = { 0x30 /* SEQUENCE */, (char)(name.n + 2), (char)0x82 /* dNSName */,
		(char)name.n };

	if (!name.n)
		return;
	if (str_find(name, '\0') < 0) {
		assert_int_equal(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME,
			name.p, (unsigned)name.n, GNUTLS_FSAN_APPEND), 0);
		return;
	}
	assert_true(name.n < sizeof der - 4); /* GnuTLS would stop at the NUL */
	memcpy(der + 4, name.p, name.n);
	assert_int_equal(gnutls_x509_crt_set_extension_by_oid(crt, "2.5.29.17", der, name.n + 4, 0),
		0);
}

static inline void make(struct ident *out, const struct wish *w, const struct ident *signer)
{
	time_t now = time(NULL);
	const char *cn = w->cn ? w->cn : w->is_authority ? "authority" : "client";
	gnutls_pk_algorithm_t pk = w->pk ? w->pk : GNUTLS_PK_ECDSA;
	unsigned bits = pk == GNUTLS_PK_RSA ? (w->bits ? w->bits : 2048) :
		GNUTLS_CURVE_TO_BITS(pk == GNUTLS_PK_ECDSA ? GNUTLS_ECC_CURVE_SECP256R1 :
							     GNUTLS_ECC_CURVE_ED25519);

	gnutls_x509_crt_init(&out->crt);
	gnutls_x509_privkey_init(&out->key);
	assert_int_equal(gnutls_x509_privkey_generate(out->key, pk, bits, 0), 0);
	gnutls_x509_crt_set_version(out->crt, 3);
	gnutls_x509_crt_set_serial(out->crt, w->serial ? w->serial : "\x01", 1);
	gnutls_x509_crt_set_activation_time(out->crt, now + w->from * DAY);
	gnutls_x509_crt_set_expiration_time(out->crt, now + w->until * DAY);
	gnutls_x509_crt_set_key(out->crt, out->key);
	gnutls_x509_crt_set_dn_by_oid(out->crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn,
		(unsigned)strlen(cn));
	gnutls_x509_crt_set_basic_constraints(out->crt, w->is_authority, -1);
	gnutls_x509_crt_set_key_usage(out->crt,
		w->is_authority ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN :
				  GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (w->purpose)
		gnutls_x509_crt_set_key_purpose_oid(out->crt, w->purpose, 0);
	add_dns(out->crt, w->dns);
	add_dns(out->crt, w->dns2);
	add_others(out->crt, OID_XMPP_ADDR, DER_UTF8, w->addresses);
	add_others(out->crt, OID_DNS_SRV, DER_IA5, w->services);
	if (!signer)
		signer = out;
	assert_int_equal(gnutls_x509_crt_sign2(out->crt, signer->crt, signer->key,
		w->hash ? w->hash : GNUTLS_DIG_SHA256, 0), 0);
}

static inline void drop(struct ident *i)
{
	gnutls_x509_crt_deinit(i->crt);
	gnutls_x509_privkey_deinit(i->key);
}

/* Puts it behind the certificates of a file; mode: of fopen(). */
static inline void save_cert(const struct ident *i, const char *file, const char *mode)
{
	gnutls_datum_t pem;
	FILE *f = fopen(file, mode);

	gnutls_x509_crt_export2(i->crt, GNUTLS_X509_FMT_PEM, &pem);
	fwrite(pem.data, 1, pem.size, f);
	fclose(f);
	gnutls_free(pem.data);
}

static inline void save(const struct ident *i, const char *cert_file, const char *key_file)
{
	gnutls_datum_t pem;

	save_cert(i, cert_file, "w");
	if (!key_file)
		return;
	FILE *f = fopen(key_file, "w");
	gnutls_x509_privkey_export2_pkcs8(i->key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
		&pem);
	fwrite(pem.data, 1, pem.size, f);
	fclose(f);
	gnutls_free(pem.data);
}

/* Shakes hands over memory; both sides must agree. The client gets its ticket. */
static inline void shake(struct tls *c, struct tls *s)
{
	struct buf to_s, to_c;
	enum tls_status of_c = TLS_MORE, of_s = TLS_MORE;
	char got[16];
	size_t n;

	buf_init(&to_s, 1 << 20);
	buf_init(&to_c, 1 << 20);
	for (int i = 0; i < 10 && (of_c == TLS_MORE || of_s == TLS_MORE); i++) {
		if (of_c == TLS_MORE) {
			tls_input(c, buf_str(&to_c));
			of_c = tls_handshake(c, &to_s);
			buf_reset(&to_c);
		}
		tls_input(s, buf_str(&to_s));
		if (of_s == TLS_MORE)
			of_s = tls_handshake(s, &to_c);
		buf_reset(&to_s);
	}
	assert_int_equal(of_c, TLS_OK);
	assert_int_equal(of_s, TLS_OK);
	tls_input(c, buf_str(&to_c));
	assert_int_equal(tls_read(c, got, sizeof got, &n, &to_s), TLS_MORE);
	buf_clear(&to_s);
	buf_clear(&to_c);
}

#endif
