/* Certificates of servers, in both roles of a stream between them: RFC 6120 section 13.7, RFC 6125,
 * RFC 4985, and DANE by RFC 6698, RFC 7671 and RFC 7673.
 *
 * The paths to an authority are GnuTLS's work, with its rules for dates, revocation, name
 * constraints and weak keys. libdane is not used: for a record of an authority (usage 0 and 2) it
 * takes any certificate in the peer's message for it, whether that signed something or not, and
 * checks one signature and no dates. Here the certificate that fits the record becomes the one
 * authority that a path has to lead to.
 *
 * Left out: OCSP (the revocation lists of the configuration are there), an IP address as the name
 * (iPAddress), URI-ID, and a record with a whole key (2 1 0) whose certificate was not sent. */
#include "net/tls_private.h"

#include "net/ascii.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509-ext.h>

#define OID_ALT_NAME "2.5.29.17"
#define OID_MAX      64  /* bytes of an object identifier as text; longer ones are nobody's */
#define CN_MAX       256 /* bytes */
#define SRV_SERVICE  STR("_xmpp-server.")

/* Names and keys as of today: RSA with 2048 bits and the like. */
#define VERIFY_FLAGS GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM)

struct tls *tls_peer_new(struct tls_config *c, struct str own, struct str host, unsigned flags)
{
	struct tls *t = tls_new(flags & TLS_ONLY_12 ? SIDE_CLIENT_12 : SIDE_CLIENT,
		GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT, flags);
	char name[ASCII_DOMAIN_MAX + 1];

	t->config = tls_config_ref(c);
	t->host_config = tls_config_find(c, ascii_domain(own, name));
	gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->host_config->cred);
	tls_name_server(t, ascii_domain(host, name));
	return t;
}

/* ---- names ---- */

/* What a certificate is to be for; A-labels in lower case. */
struct reference {
	struct str domain; /* null: nothing is for it */
	struct str target; /* empty: none */
};

/* RFC 6125 section 6.4: a name, or "*." for one label in front of two at least. */
static bool dns_fits(struct str presented, struct str wanted)
{
	if (!wanted.n)
		return false;
	if (!str_starts(presented, STR("*.")))
		return str_eq_nocase(presented, wanted);
	ptrdiff_t label = str_find(wanted, '.');
	struct str rest = str_skip(presented, 1);
	return label > 0 && str_find(str_skip(rest, 1), '.') >= 0 &&
	       str_eq_nocase(rest, str_skip(wanted, (size_t)label));
}

/* RFC 4985 section 2 */
static bool srv_fits(struct str presented, struct str wanted)
{
	return str_eq_nocase(str_head(presented, SRV_SERVICE.n), SRV_SERVICE) &&
	       dns_fits(str_skip(presented, SRV_SERVICE.n), wanted);
}

/* RFC 6120 section 13.7.1.4: an address, here one without a localpart and a resource. */
static bool address_fits(struct str presented, struct str wanted)
{
	char name[ASCII_DOMAIN_MAX + 1];

	return wanted.n && str_eq(ascii_domain(presented, name), wanted);
}

static struct str datum_str(const gnutls_datum_t *d)
{
	return str_from((const char *)d->data, d->size);
}

enum name_kind { NAME_OTHER, NAME_DNS, NAME_SRV, NAME_ADDRESS };

/* What kind the otherName is; *out is GnuTLS's to free. */
static enum name_kind read_other(const gnutls_datum_t *oid, const gnutls_datum_t *value,
	gnutls_datum_t *out)
{
	char text[OID_MAX];
	unsigned type;

	if (oid->size >= sizeof text)
		return NAME_OTHER;
	memcpy(text, oid->data, oid->size);
	text[oid->size] = '\0';
	if (gnutls_x509_othername_to_virtual(text, value, &type, out) < 0)
		return NAME_OTHER;
	return type == GNUTLS_SAN_OTHERNAME_SRV  ? NAME_SRV :
	       type == GNUTLS_SAN_OTHERNAME_XMPP ? NAME_ADDRESS :
						   NAME_OTHER;
}

static bool name_fits(enum name_kind kind, struct str name, const struct reference *ref)
{
	switch (kind) {
	case NAME_OTHER: return false;
	case NAME_DNS: return dns_fits(name, ref->domain) || dns_fits(name, ref->target);
	case NAME_SRV: return srv_fits(name, ref->domain);
	case NAME_ADDRESS: return address_fits(name, ref->domain);
	}
	BUG("no such name");
}

enum names { NAMES_NONE, NAMES_OTHERS, NAMES_FIT };

/* One alternative name. */
static enum names try_name(unsigned type, const gnutls_datum_t *value, const gnutls_datum_t *oid,
	const struct reference *ref)
{
	gnutls_datum_t other = { 0 };
	enum name_kind kind = type == GNUTLS_SAN_DNSNAME ? NAME_DNS : NAME_OTHER;

	if (type == GNUTLS_SAN_OTHERNAME)
		kind = read_other(oid, value, &other);
	bool fits = name_fits(kind, datum_str(kind == NAME_DNS ? value : &other), ref);
	gnutls_free(other.data);
	return fits ? NAMES_FIT : kind == NAME_OTHER ? NAMES_NONE : NAMES_OTHERS;
}

static enum names try_names(gnutls_subject_alt_names_t names, const struct reference *ref)
{
	enum names best = NAMES_NONE;
	gnutls_datum_t value, oid;
	unsigned type;

	for (unsigned i = 0; best < NAMES_FIT; i++) {
		oid = (gnutls_datum_t){ 0 };
		if (gnutls_subject_alt_names_get(names, i, &type, &value, &oid) < 0)
			break;
		enum names one = try_name(type, &value, &oid, ref);
		best = one > best ? one : best;
	}
	return best;
}

static enum names alternative_names(gnutls_x509_crt_t crt, const struct reference *ref)
{
	gnutls_datum_t der = { 0 };
	gnutls_subject_alt_names_t names;
	enum names found = NAMES_NONE;

	if (gnutls_x509_crt_get_extension_by_oid2(crt, OID_ALT_NAME, 0, &der, NULL) < 0)
		return NAMES_NONE;
	BUG_ON(gnutls_subject_alt_names_init(&names) < 0);
	if (gnutls_x509_ext_import_subject_alt_names(&der, names, 0) >= 0)
		found = try_names(names, ref);
	gnutls_subject_alt_names_deinit(names);
	gnutls_free(der.data);
	return found;
}

/* RFC 6125 section 6.4.4: where there is no name of a better kind. */
static bool common_name_fits(gnutls_x509_crt_t crt, const struct reference *ref)
{
	char cn[CN_MAX];
	size_t n = sizeof cn;

	if (gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, cn, &n) < 0)
		return false;
	return name_fits(NAME_DNS, str_from(cn, n), ref);
}

static bool is_for(gnutls_x509_crt_t crt, const struct reference *ref)
{
	enum names found = alternative_names(crt, ref);

	return found == NAMES_FIT || (found == NAMES_NONE && common_name_fits(crt, ref));
}

/* ---- paths to an authority ---- */

static enum tls_peer status_word(unsigned status)
{
	const unsigned dates = GNUTLS_CERT_INVALID | GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED;

	if (!status)
		return TLS_PEER_OK;
	if (status & GNUTLS_CERT_REVOKED)
		return TLS_PEER_REVOKED;
	return status & ~dates ? TLS_PEER_UNTRUSTED : TLS_PEER_OUT_OF_TIME;
}

/* A path to one of these authorities, and the right name. flags: beside VERIFY_FLAGS. */
static enum tls_peer verify(struct tls_chain *chain, gnutls_x509_trust_list_t trust,
	unsigned flags, const struct reference *ref)
{
	unsigned status = 0;

	if (gnutls_x509_trust_list_verify_crt2(trust, chain->crt, chain->n, NULL, 0,
		    VERIFY_FLAGS | flags, &status, NULL) < 0)
		return TLS_PEER_UNTRUSTED;
	enum tls_peer word = status_word(status);
	return word != TLS_PEER_OK || is_for(chain->crt[0], ref) ? word : TLS_PEER_WRONG_NAME;
}

/* A path to this one, which is an authority and so not the peer's own certificate. */
static enum tls_peer verify_to(struct tls_chain *chain, gnutls_x509_crt_t authority,
	const struct reference *ref)
{
	gnutls_x509_trust_list_t trust;

	BUG_ON(gnutls_x509_trust_list_init(&trust, 1) < 0);
	enum tls_peer word = gnutls_x509_trust_list_add_cas(trust, &authority, 1, 0) < 1 ?
		TLS_PEER_UNTRUSTED :
		verify(chain, trust, GNUTLS_VERIFY_DO_NOT_ALLOW_SAME, ref);
	gnutls_x509_trust_list_deinit(trust, 0);
	return word;
}

/* ---- keys and records ---- */

/* The SubjectPublicKeyInfo; GnuTLS's to free, empty where there is none. */
static gnutls_datum_t key_of(gnutls_x509_crt_t crt)
{
	gnutls_datum_t der = { 0 };
	gnutls_pubkey_t key;

	BUG_ON(gnutls_pubkey_init(&key) < 0);
	if (gnutls_pubkey_import_x509(key, crt, 0) < 0 ||
	    gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &der) < 0)
		der = (gnutls_datum_t){ 0 };
	gnutls_pubkey_deinit(key);
	return der;
}

static bool digest_is(gnutls_digest_algorithm_t d, const gnutls_datum_t *of, struct str want)
{
	uint8_t digest[64];

	BUG_ON(gnutls_hash_get_len(d) > sizeof digest);
	return want.n == gnutls_hash_get_len(d) &&
	       gnutls_hash_fast(d, of->data, of->size, digest) >= 0 &&
	       memcmp(digest, want.p, want.n) == 0;
}

static bool pin_fits(gnutls_x509_crt_t crt, const struct tls_peer_rules *r)
{
	gnutls_datum_t key = key_of(crt);
	bool fits = false;

	for (size_t i = 0; key.size && !fits && i < r->n_pins; i++)
		fits = digest_is(GNUTLS_DIG_SHA256, &key, str_from(
			(const char *)r->pins[i].sha256, sizeof r->pins[i].sha256));
	gnutls_free(key.data);
	return fits;
}

enum { USAGE_PKIX_TA, USAGE_PKIX_EE, USAGE_DANE_TA, USAGE_DANE_EE };
enum { SELECT_CERT, SELECT_KEY };
enum { MATCH_FULL, MATCH_SHA256, MATCH_SHA512 };

/* RFC 6698 section 4.1 */
static bool is_usable(const struct tls_tlsa *r)
{
	if (r->usage > USAGE_DANE_EE || r->selector > SELECT_KEY)
		return false;
	switch (r->matching) {
	case MATCH_FULL: return r->data.n > 0;
	case MATCH_SHA256: return r->data.n == 32;
	case MATCH_SHA512: return r->data.n == 64;
	default: return false;
	}
}

static bool bytes_fit(const struct tls_tlsa *r, const gnutls_datum_t *der)
{
	switch (r->matching) {
	case MATCH_SHA256: return digest_is(GNUTLS_DIG_SHA256, der, r->data);
	case MATCH_SHA512: return digest_is(GNUTLS_DIG_SHA512, der, r->data);
	default: return str_eq(datum_str(der), r->data);
	}
}

static bool record_fits(const struct tls_tlsa *r, gnutls_x509_crt_t crt)
{
	gnutls_datum_t der = { 0 };

	if (r->selector == SELECT_KEY)
		der = key_of(crt);
	else if (gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der) < 0)
		return false;
	bool fits = der.size && bytes_fit(r, &der);
	gnutls_free(der.data);
	return fits;
}

/* What a peer is judged by. */
struct judgement {
	struct tls_chain chain;
	gnutls_x509_trust_list_t trust;
	struct reference ref;
};

/* RFC 7671 section 5.2.2: an authority that stands in the record as a whole need not be sent. */
static enum tls_peer by_record_itself(struct judgement *j, const struct tls_tlsa *r)
{
	const gnutls_datum_t der = { (unsigned char *)r->data.p, (unsigned)r->data.n };
	enum tls_peer word = TLS_PEER_WRONG_TLSA;
	gnutls_x509_crt_t crt;

	BUG_ON(gnutls_x509_crt_init(&crt) < 0);
	if (gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER) >= 0)
		word = verify_to(&j->chain, crt, &j->ref);
	gnutls_x509_crt_deinit(crt);
	return word;
}

/* The authority of ours that signed the last certificate that was sent, which is left out of what
 * is sent as a rule. */
static enum tls_peer by_our_authority(struct judgement *j, const struct tls_tlsa *r)
{
	enum tls_peer word = TLS_PEER_WRONG_TLSA;
	gnutls_x509_crt_t crt;

	for (unsigned i = 0; word != TLS_PEER_OK && i < j->chain.n; i++) {
		if (gnutls_x509_trust_list_get_issuer(j->trust, j->chain.crt[i], &crt,
			    GNUTLS_TL_GET_COPY) < 0)
			continue;
		if (record_fits(r, crt))
			word = verify_to(&j->chain, crt, &j->ref);
		gnutls_x509_crt_deinit(crt);
	}
	return word;
}

/* A path to an authority that the record is for. */
static enum tls_peer by_authority(struct judgement *j, const struct tls_tlsa *r)
{
	for (unsigned i = 1; i < j->chain.n; i++)
		if (record_fits(r, j->chain.crt[i]))
			return verify_to(&j->chain, j->chain.crt[i], &j->ref);
	if (r->usage == USAGE_PKIX_TA)
		return by_our_authority(j, r);
	if (r->selector == SELECT_CERT && r->matching == MATCH_FULL)
		return by_record_itself(j, r);
	return TLS_PEER_WRONG_TLSA;
}

/* RFC 6698 section 2.1.1, RFC 7671 sections 4 and 5 */
static enum tls_peer by_record(struct judgement *j, const struct tls_tlsa *r)
{
	bool of_authority = r->usage == USAGE_PKIX_TA || r->usage == USAGE_DANE_TA;
	enum tls_peer word = TLS_PEER_WRONG_TLSA;

	if (of_authority)
		word = by_authority(j, r);
	else if (record_fits(r, j->chain.crt[0]))
		word = TLS_PEER_OK;
	if (word != TLS_PEER_OK || r->usage == USAGE_DANE_EE || r->usage == USAGE_DANE_TA)
		return word;
	return verify(&j->chain, j->trust, 0, &j->ref);
}

/* One record that says yes is enough; of those that fit and say no the last tells why. */
static enum tls_peer by_records(struct judgement *j, const struct tls_peer_rules *r)
{
	enum tls_peer word = TLS_PEER_WRONG_TLSA;

	for (size_t i = 0; i < r->n_tlsa; i++) {
		enum tls_peer one = is_usable(&r->tlsa[i]) ? by_record(j, &r->tlsa[i]) :
							     TLS_PEER_WRONG_TLSA;
		if (one == TLS_PEER_OK)
			return one;
		word = one == TLS_PEER_WRONG_TLSA ? word : one;
	}
	return word;
}

static bool any_usable(const struct tls_peer_rules *r)
{
	for (size_t i = 0; i < r->n_tlsa; i++)
		if (is_usable(&r->tlsa[i]))
			return true;
	return false;
}

static enum tls_peer judge(struct judgement *j, const struct tls_peer_rules *r)
{
	if (!j->chain.n)
		return TLS_PEER_NO_CERT;
	if (r->n_pins)
		return pin_fits(j->chain.crt[0], r) ? TLS_PEER_OK : TLS_PEER_WRONG_PIN;
	if (any_usable(r))
		return by_records(j, r);
	return verify(&j->chain, j->trust, 0, &j->ref);
}

enum tls_peer tls_check_peer(struct tls *t, struct str domain, const struct tls_peer_rules *r)
{
	static const struct tls_peer_rules none;
	char domain_text[ASCII_DOMAIN_MAX + 1], target_text[ASCII_DOMAIN_MAX + 1];
	struct judgement j;

	if (!r)
		r = &none;
	if (!tls_chain_read(&j.chain, t))
		return TLS_PEER_UNTRUSTED;
	j.trust = tls_config_server_trust(t->config);
	j.ref.domain = ascii_domain(domain, domain_text);
	j.ref.target = ascii_domain(r->target, target_text);
	enum tls_peer word = judge(&j, r);
	tls_chain_clear(&j.chain);
	return word;
}

struct str tls_peer_words(enum tls_peer p)
{
	static const struct str words[] = {
		[TLS_PEER_OK] = STR_INIT("is right"),
		[TLS_PEER_NO_CERT] = STR_INIT("was not shown"),
		[TLS_PEER_UNTRUSTED] = STR_INIT("is of no authority that is trusted here"),
		[TLS_PEER_OUT_OF_TIME] = STR_INIT("has expired, or is not valid yet"),
		[TLS_PEER_REVOKED] = STR_INIT("has been revoked"),
		[TLS_PEER_WRONG_NAME] = STR_INIT("is for another domain"),
		[TLS_PEER_WRONG_PIN] = STR_INIT("has a key that no pin is for"),
		[TLS_PEER_WRONG_TLSA] = STR_INIT("fits no TLSA record"),
	};

	BUG_ON(p > TLS_PEER_WRONG_TLSA);
	return words[p];
}

uint64_t tls_peer_expires(struct tls *t, uint64_t after)
{
	struct tls_chain chain;
	uint64_t next = 0;

	if (!tls_chain_read(&chain, t))
		return 0;
	for (unsigned i = 0; i < chain.n; i++) {
		time_t end = gnutls_x509_crt_get_expiration_time(chain.crt[i]);
		if (end > 0 && (uint64_t)end > after && (!next || (uint64_t)end < next))
			next = (uint64_t)end;
	}
	tls_chain_clear(&chain);
	return next;
}
