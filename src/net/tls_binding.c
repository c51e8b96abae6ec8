/* What a finished handshake proves: channel bindings, and whose certificate the client has. */
#include "net/tls_private.h"

#include "base/utf8.h"

#include <gnutls/crypto.h>

#define EXPORTER_LABEL "EXPORTER-Channel-Binding" /* RFC 9266 */
#define EXPORTER_BYTES 32
#define MAX_NAMES      64   /* alternative names that are looked through */
#define ADDRESS_MAX    3071 /* bytes of a JID, RFC 7622 section 3.1; longer ones are skipped */

/* In TLS 1.2 a binding to the master secret holds only where the secret is bound to the whole
 * handshake (RFC 7627). */
static bool secret_is_bound(struct tls *t)
{
	return tls_is_13(t) || gnutls_session_ext_master_secret_status(t->session);
}

static struct str exporter(struct tls *t, struct arena *a)
{
	char *out = arena_alloc(a, EXPORTER_BYTES);

	/* The context is empty, which in TLS 1.2 is not the same as none. */
	if (gnutls_prf_rfc5705(t->session, sizeof EXPORTER_LABEL - 1, EXPORTER_LABEL, 0, "",
		    EXPORTER_BYTES, out) < 0)
		return STR_NULL;
	return str_from(out, EXPORTER_BYTES);
}

/* The hash of RFC 5929 section 4.1; none for signatures without a hash of their own. */
static gnutls_digest_algorithm_t end_point_hash(int signature)
{
	if (signature < 0 || signature == GNUTLS_SIGN_EDDSA_ED25519 ||
	    signature == GNUTLS_SIGN_EDDSA_ED448)
		return GNUTLS_DIG_UNKNOWN;
	gnutls_digest_algorithm_t d = gnutls_sign_get_hash_algorithm(
		(gnutls_sign_algorithm_t)signature);
	return d == GNUTLS_DIG_MD5 || d == GNUTLS_DIG_SHA1 ? GNUTLS_DIG_SHA256 : d;
}

size_t tls_end_point(const gnutls_datum_t *der, uint8_t out[END_POINT_MAX])
{
	gnutls_x509_crt_t crt;

	if (gnutls_x509_crt_init(&crt) < 0)
		return 0;
	int signature = gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER);
	if (signature >= 0)
		signature = gnutls_x509_crt_get_signature_algorithm(crt);
	gnutls_x509_crt_deinit(crt);
	gnutls_digest_algorithm_t d = end_point_hash(signature);
	size_t n = d == GNUTLS_DIG_UNKNOWN ? 0 : gnutls_hash_get_len(d);
	BUG_ON(n > END_POINT_MAX);
	return n && gnutls_hash_fast(d, der->data, der->size, out) >= 0 ? n : 0;
}

/* A server's is made when its certificate is loaded; a resumed session shows none. */
static struct str end_point(struct tls *t, struct arena *a)
{
	const struct tls_config_host *h = t->host_config;
	uint8_t data[END_POINT_MAX];
	unsigned n;

	if (!t->client && !gnutls_certificate_get_ours(t->session))
		return STR_NULL;
	if (!t->client)
		return str_dup(a, str_from((const char *)h->end_point, h->n_end_point));
	const gnutls_datum_t *der = gnutls_certificate_get_peers(t->session, &n);
	return str_dup(a, str_from((char *)data, der ? tls_end_point(der, data) : 0));
}

struct str tls_binding(struct tls *t, enum tls_binding kind, struct arena *a)
{
	switch (kind) {
	case TLS_END_POINT:
		return end_point(t, a);
	case TLS_EXPORTER:
		return secret_is_bound(t) ? exporter(t, a) : STR_NULL;
	case TLS_UNIQUE:
		if (!secret_is_bound(t) || !t->finished_len)
			return STR_NULL;
		return str_dup(a, str_from((const char *)t->finished, t->finished_len));
	}
	return STR_NULL;
}

void tls_chain_clear(struct tls_chain *chain)
{
	while (chain->n)
		gnutls_x509_crt_deinit(chain->crt[--chain->n]);
}

bool tls_chain_read(struct tls_chain *chain, struct tls *t)
{
	unsigned n = 0;
	gnutls_x509_crt_t *crt = chain->crt;

	chain->n = 0;
	chain->der = gnutls_certificate_get_peers(t->session, &n);
	if (!chain->der)
		return true;
	if (n > CHAIN_MAX)
		return false;
	for (; chain->n < n; chain->n++) {
		BUG_ON(gnutls_x509_crt_init(&crt[chain->n]) < 0);
		if (gnutls_x509_crt_import(crt[chain->n], &chain->der[chain->n],
			    GNUTLS_X509_FMT_DER) >= 0)
			continue;
		gnutls_x509_crt_deinit(crt[chain->n]);
		tls_chain_clear(chain);
		return false;
	}
	return true;
}

/* Whether the client's chain leads to an authority and may be used by clients. */
static bool verified(struct tls *t, struct tls_chain *chain)
{
	static const char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st want = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)purpose };
	unsigned status = 0;

	return gnutls_x509_trust_list_verify_crt2(tls_config_client_trust(t->config), chain->crt,
		       chain->n, &want, 1, 0, &status, NULL) >= 0 && status == 0;
}

/* The name at a place of the certificate, if it is an xmppAddr; 1 to keep, 0 to skip, -1 at
 * the end. */
static int xmpp_addr(gnutls_x509_crt_t crt, unsigned at, struct str *out, struct arena *a)
{
	char value[ADDRESS_MAX];
	size_t n = sizeof value;
	int type = gnutls_x509_crt_get_subject_alt_name(crt, at, value, &n, NULL);

	if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return -1;
	struct str s = str_from(value, n);
	if (type != GNUTLS_SAN_OTHERNAME_XMPP || !n || !utf8_valid(s) || str_find(s, '\0') >= 0)
		return 0;
	*out = str_dup(a, s);
	return 1;
}

static size_t addresses_of(gnutls_x509_crt_t crt, struct str *out, size_t max, struct arena *a)
{
	size_t n = 0;

	for (unsigned i = 0; i < MAX_NAMES && n < max; i++) {
		int keep = xmpp_addr(crt, i, &out[n], a);
		if (keep < 0)
			break;
		n += (size_t)keep;
	}
	return n;
}

size_t tls_client_addresses(struct tls *t, struct str *out, size_t max, struct arena *a)
{
	struct tls_chain chain;
	size_t found = 0;

	BUG_ON(t->client);
	if (!tls_chain_read(&chain, t))
		return 0;
	if (chain.n && verified(t, &chain))
		found = addresses_of(chain.crt[0], out, max, a);
	tls_chain_clear(&chain);
	return found;
}
