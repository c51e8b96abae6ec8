/* Certificates of servers: each rule, in both roles and with TLS 1.2 and 1.3 (RFC 6120 section
 * 13.7, RFC 6125, RFC 6698, RFC 7673). */
#include "net/testing_cert.h"

#include <gnutls/crypto.h>

#define CHAIN 10 /* certificates that a test shows at most */

#define VALID .from = -1, .until = 9

static struct certs certs;
static struct ident root, middle, stranger; /* middle is signed by root */
static struct tls_config *own;              /* believes root; the certificate of us.example */

/* The configuration of a server whose chain this is. */
static struct tls_config *peer_config(const struct ident *chain, size_t n)
{
	struct tls_host h = { STR("a.example"), certs_path(&certs, "peer.crt"),
		certs_path(&certs, "peer.key") };
	struct str error = STR_NULL;

	save(&chain[0], h.cert_file, h.key_file);
	for (size_t i = 1; i < n; i++)
		save_cert(&chain[i], h.cert_file, "a");
	struct tls_config *c = tls_config_new(&h, 1, NULL, test_ticket_key, &certs.arena, &error);
	if (!c)
		fail_msg("%.*s", STR_FMT(error));
	return c;
}

/* A configuration that believes the authorities of a file. */
static struct tls_config *own_config(const char *ca_file)
{
	struct tls_host h = { STR("us.example"), certs_path(&certs, "us.example.crt"),
		certs_path(&certs, "us.example.key") };
	struct str error = STR_NULL;
	struct tls_config *c = tls_config_new(&h, 1, NULL, test_ticket_key, &certs.arena, &error);

	assert_non_null(c);
	if (!tls_config_trust_servers(c, ca_file, &certs.arena, &error))
		fail_msg("%.*s", STR_FMT(error));
	return c;
}

static enum tls_peer judge(struct tls_config *us, struct tls_config *peer, bool we_call,
	unsigned flags, struct str domain, const struct tls_peer_rules *rules)
{
	struct tls *c = we_call ? tls_peer_new(us, STR("us.example"), STR("a.example"), flags) :
				  tls_peer_new(peer, STR("a.example"), STR("us.example"), flags);
	struct tls *s = tls_server_new(we_call ? peer : us, TLS_ASK_CERT);

	shake(c, s);
	enum tls_peer word = tls_check_peer(we_call ? c : s, domain, rules);
	tls_free(&c);
	tls_free(&s);
	return word;
}

/* What a chain is worth to us, which is the same whoever calls and in which version. */
static enum tls_peer worth_to(struct tls_config *us, const struct ident *chain, size_t n,
	struct str domain, const struct tls_peer_rules *rules)
{
	struct tls_config *peer = peer_config(chain, n);
	enum tls_peer word = judge(us, peer, true, 0, domain, rules);

	assert_int_equal(judge(us, peer, true, TLS_ONLY_12, domain, rules), word);
	assert_int_equal(judge(us, peer, false, 0, domain, rules), word);
	assert_int_equal(judge(us, peer, false, TLS_ONLY_12, domain, rules), word);
	tls_config_unref(&peer);
	return word;
}

static enum tls_peer worth(const struct wish *w, struct str domain)
{
	struct ident chain[2];

	make(&chain[0], w, &middle);
	chain[1] = middle;
	enum tls_peer word = worth_to(own, chain, 2, domain, NULL);
	drop(&chain[0]);
	return word;
}

static void names_are_those_of_the_domain(void **state)
{
	static const struct {
		const char *name;
		struct wish wish;
		struct str domain;
		bool fits;
	} cases[] = {
		/* RFC 6125 section 6.4.1 */
		{ "dNSName", { .dns = STR_INIT("x.example"), VALID }, STR_INIT("x.example"), true },
		{ "its case", { .dns = STR_INIT("X.Example"), VALID }, STR_INIT("x.example"), true },
		{ "another one", { .dns = STR_INIT("y.example"), VALID }, STR_INIT("x.example"), false },
		{ "the second one", { .dns = STR_INIT("y.example"), .dns2 = STR_INIT("x.example"),
			VALID }, STR_INIT("x.example"), true },
		{ "within it", { .dns = STR_INIT("x.example"), VALID }, STR_INIT("y.x.example"), false },
		{ "around it", { .dns = STR_INIT("y.x.example"), VALID }, STR_INIT("x.example"), false },
		{ "it and more", { .dns = STR_INIT("x.example.net"), VALID }, STR_INIT("x.example"),
			false },
		{ "a NUL behind it", { .dns = STR_INIT("x.example\0.net"), VALID },
			STR_INIT("x.example"), false },
		{ "a dot behind it", { .dns = STR_INIT("x.example."), VALID }, STR_INIT("x.example"),
			false },
		{ "an address", { .dns = STR_INIT("a@x.example"), VALID }, STR_INIT("x.example"), false },
		/* RFC 6125 section 6.4.3, RFC 6120 section 13.7.1.2.1 */
		{ "wildcard", { .dns = STR_INIT("*.x.example"), VALID }, STR_INIT("y.x.example"), true },
		{ "wildcard in other case", { .dns = STR_INIT("*.X.EXAMPLE"), VALID },
			STR_INIT("y.x.example"), true },
		{ "wildcard for itself", { .dns = STR_INIT("*.x.example"), VALID },
			STR_INIT("x.example"), false },
		{ "wildcard for two labels", { .dns = STR_INIT("*.x.example"), VALID },
			STR_INIT("z.y.x.example"), false },
		{ "wildcard for part of a label", { .dns = STR_INIT("y*.x.example"), VALID },
			STR_INIT("yz.x.example"), false },
		{ "wildcard behind part of a label", { .dns = STR_INIT("*z.x.example"), VALID },
			STR_INIT("yz.x.example"), false },
		{ "wildcard in the middle", { .dns = STR_INIT("y.*.example"), VALID },
			STR_INIT("y.x.example"), false },
		{ "two wildcards", { .dns = STR_INIT("*.*.example"), VALID }, STR_INIT("y.x.example"),
			false },
		{ "wildcard of a whole top level", { .dns = STR_INIT("*.example"), VALID },
			STR_INIT("x.example"), false },
		{ "wildcard alone", { .dns = STR_INIT("*"), VALID }, STR_INIT("example"), false },
		{ "wildcard for an A-label", { .dns = STR_INIT("*.x.example"), VALID },
			STR_INIT("bücher.x.example"), true },
		/* RFC 6125 section 6.4.2 */
		{ "A-label", { .dns = STR_INIT("xn--bcher-kva.example"), VALID },
			STR_INIT("bücher.example"), true },
		{ "another A-label", { .dns = STR_INIT("xn--bcher-kva.example"), VALID },
			STR_INIT("bücherei.example"), false },
		/* RFC 4985 section 2, RFC 6120 section 13.7.1.2.2 */
		{ "SRVName", { .services = { STR_INIT("_xmpp-server.x.example") }, VALID },
			STR_INIT("x.example"), true },
		{ "SRVName in other case", { .services = { STR_INIT("_XMPP-Server.x.Example") }, VALID },
			STR_INIT("x.example"), true },
		{ "SRVName of clients", { .services = { STR_INIT("_xmpp-client.x.example") }, VALID },
			STR_INIT("x.example"), false },
		{ "SRVName of clients, then of servers", { .services = {
			STR_INIT("_xmpp-client.x.example"), STR_INIT("_xmpp-server.x.example") }, VALID },
			STR_INIT("x.example"), true },
		{ "SRVName of another", { .services = { STR_INIT("_xmpp-server.y.example") }, VALID },
			STR_INIT("x.example"), false },
		{ "SRVName without a domain", { .services = { STR_INIT("_xmpp-server.") }, VALID },
			STR_INIT("x.example"), false },
		{ "SRVName without a service", { .services = { STR_INIT("x.example") }, VALID },
			STR_INIT("x.example"), false },
		{ "SRVName with a wildcard", { .services = { STR_INIT("_xmpp-server.*.x.example") },
			VALID }, STR_INIT("y.x.example"), true },
		{ "SRVName with an A-label", { .services = {
			STR_INIT("_xmpp-server.xn--bcher-kva.example") }, VALID },
			STR_INIT("bücher.example"), true },
		{ "a service as dNSName", { .dns = STR_INIT("_xmpp-server.x.example"), VALID },
			STR_INIT("x.example"), false },
		/* RFC 6120 section 13.7.1.4 */
		{ "xmppAddr", { .addresses = { STR_INIT("x.example") }, VALID }, STR_INIT("x.example"),
			true },
		{ "xmppAddr in other case", { .addresses = { STR_INIT("X.Example") }, VALID },
			STR_INIT("x.example"), true },
		{ "xmppAddr with a U-label", { .addresses = { STR_INIT("bücher.example") }, VALID },
			STR_INIT("bücher.example"), true },
		{ "xmppAddr with an A-label", { .addresses = { STR_INIT("xn--bcher-kva.example") },
			VALID }, STR_INIT("bücher.example"), true },
		{ "the third xmppAddr", { .addresses = { STR_INIT("y.example"), STR_INIT("\xff"),
			STR_INIT("x.example") }, VALID }, STR_INIT("x.example"), true },
		{ "xmppAddr of an account", { .addresses = { STR_INIT("a@x.example") }, VALID },
			STR_INIT("x.example"), false },
		{ "xmppAddr with a resource", { .addresses = { STR_INIT("x.example/r") }, VALID },
			STR_INIT("x.example"), false },
		{ "xmppAddr with a wildcard", { .addresses = { STR_INIT("*.x.example") }, VALID },
			STR_INIT("y.x.example"), false },
		{ "xmppAddr with a NUL", { .addresses = { STR_INIT("x.example\0") }, VALID },
			STR_INIT("x.example"), false },
		/* RFC 6125 section 6.4.4 */
		{ "common name alone", { .cn = "x.example", VALID }, STR_INIT("x.example"), true },
		{ "common name with a wildcard", { .cn = "*.x.example", VALID },
			STR_INIT("y.x.example"), true },
		{ "common name of another", { .cn = "y.example", VALID }, STR_INIT("x.example"), false },
		{ "common name beside a dNSName", { .cn = "x.example", .dns = STR_INIT("y.example"),
			VALID }, STR_INIT("x.example"), false },
		{ "common name beside a SRVName", { .cn = "x.example", .services = {
			STR_INIT("_xmpp-server.y.example") }, VALID }, STR_INIT("x.example"), false },
		{ "common name beside an xmppAddr", { .cn = "x.example", .addresses = {
			STR_INIT("y.example") }, VALID }, STR_INIT("x.example"), false },
		{ "no name at all", { VALID }, STR_INIT("x.example"), false },
		/* What is no domain is nobody's. */
		{ "no domain", { .dns = STR_INIT("x.example"), .cn = "x.example", VALID }, STR_INIT(""),
			false },
		{ "no label", { .dns = STR_INIT("x.example"), .cn = "x.example", VALID },
			STR_INIT("\xff.example"), false },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		enum tls_peer word = worth(&cases[i].wish, cases[i].domain);
		if (word != (cases[i].fits ? TLS_PEER_OK : TLS_PEER_WRONG_NAME))
			fail_msg("%s: %d", cases[i].name, word);
	}
}

/* RFC 6120 section 13.7.2, RFC 5280 section 6 */
static void paths_lead_to_an_authority(void **state)
{
	static const struct {
		const char *name;
		struct wish wish;
		enum tls_peer word;
	} cases[] = {
		{ "for any use", { .dns = STR_INIT("x.example"), VALID }, TLS_PEER_OK },
		/* As public authorities make them, which name no other use any more. */
		{ "for servers", { .dns = STR_INIT("x.example"), .purpose = GNUTLS_KP_TLS_WWW_SERVER,
			VALID }, TLS_PEER_OK },
		{ "for clients", { .dns = STR_INIT("x.example"), .purpose = GNUTLS_KP_TLS_WWW_CLIENT,
			VALID }, TLS_PEER_OK },
		{ "expired", { .dns = STR_INIT("x.example"), .from = -9, .until = -1 },
			TLS_PEER_OUT_OF_TIME },
		{ "not valid yet", { .dns = STR_INIT("x.example"), .from = 1, .until = 9 },
			TLS_PEER_OUT_OF_TIME },
		{ "expired and of another", { .dns = STR_INIT("y.example"), .from = -9, .until = -1 },
			TLS_PEER_OUT_OF_TIME },
		{ "SHA-1", { .dns = STR_INIT("x.example"), .hash = GNUTLS_DIG_SHA1, VALID },
			TLS_PEER_UNTRUSTED },
		{ "RSA", { .dns = STR_INIT("x.example"), .pk = GNUTLS_PK_RSA, VALID }, TLS_PEER_OK },
		{ "short RSA", { .dns = STR_INIT("x.example"), .pk = GNUTLS_PK_RSA, .bits = 1024,
			VALID }, TLS_PEER_UNTRUSTED },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		enum tls_peer word = worth(&cases[i].wish, STR("x.example"));
		if (word != cases[i].word)
			fail_msg("%s: %d", cases[i].name, word);
	}
}

static const struct wish for_x = { .dns = STR_INIT("x.example"), VALID };
static const struct wish for_ca = { .is_authority = true, .cn = "another", VALID };

/* A chain that is checked and dropped, except for the fixtures among it. */
static enum tls_peer worth_of(struct ident *chain, size_t n, size_t made)
{
	enum tls_peer word = worth_to(own, chain, n, STR("x.example"), NULL);

	for (size_t i = 0; i < made; i++)
		drop(&chain[i]);
	return word;
}

static void chains_are_whole(void **state)
{
	const struct wish old_ca = { .is_authority = true, .cn = "another", .from = -9, .until = -1 };
	struct ident chain[CHAIN];

	make(&chain[0], &for_x, &root);
	assert_int_equal(worth_of(chain, 1, 1), TLS_PEER_OK);
	make(&chain[0], &for_x, &stranger);
	assert_int_equal(worth_of(chain, 1, 1), TLS_PEER_UNTRUSTED);
	make(&chain[0], &for_x, &stranger);
	chain[1] = stranger;
	assert_int_equal(worth_of(chain, 2, 1), TLS_PEER_UNTRUSTED);
	make(&chain[0], &for_x, NULL); /* by itself */
	assert_int_equal(worth_of(chain, 1, 1), TLS_PEER_UNTRUSTED);
	make(&chain[0], &for_x, &middle); /* what signed it is not there */
	assert_int_equal(worth_of(chain, 1, 1), TLS_PEER_UNTRUSTED);
	make(&chain[0], &for_x, &middle); /* the root may be there */
	chain[1] = middle;
	chain[2] = root;
	assert_int_equal(worth_of(chain, 3, 1), TLS_PEER_OK);
	make(&chain[1], &old_ca, &root); /* what signed it has expired */
	make(&chain[0], &for_x, &chain[1]);
	assert_int_equal(worth_of(chain, 2, 2), TLS_PEER_OUT_OF_TIME);
	make(&chain[1], &for_x, &root); /* what signed it must not */
	make(&chain[0], &for_x, &chain[1]);
	assert_int_equal(worth_of(chain, 2, 2), TLS_PEER_UNTRUSTED);
}

/* More than CHAIN_MAX are not looked at, whatever they are. */
static void chains_have_a_bound(void **state)
{
	struct ident chain[CHAIN];
	const size_t over = CHAIN_MAX + 1;

	for (size_t n = CHAIN_MAX; n <= over; n++) {
		make(&chain[n - 1], &for_ca, &root);
		for (size_t i = n - 1; i-- > 0;) {
			char cn[] = { 'c', (char)('0' + i), '\0' };
			struct wish w = i ? for_ca : for_x;
			w.cn = cn;
			make(&chain[i], &w, &chain[i + 1]);
		}
		assert_int_equal(worth_of(chain, n, n),
			n == over ? TLS_PEER_UNTRUSTED : TLS_PEER_OK);
	}
}

/* Who has a certificate of its own making can be believed by naming it as an authority. */
static void one_that_is_an_authority_itself(void **state)
{
	const char *ca_file = certs_path(&certs, "self.pem");
	struct ident self;

	make(&self, &for_x, NULL);
	save(&self, ca_file, NULL);
	struct tls_config *us = own_config(ca_file);
	assert_int_equal(worth_to(us, &self, 1, STR("x.example"), NULL), TLS_PEER_OK);
	assert_int_equal(worth_to(us, &self, 1, STR("y.example"), NULL), TLS_PEER_WRONG_NAME);
	tls_config_unref(&us);
	us = own_config(NULL); /* the system's do not know it */
	assert_int_equal(worth_to(us, &self, 1, STR("x.example"), NULL), TLS_PEER_UNTRUSTED);
	tls_config_unref(&us);
	drop(&self);
}

/* Puts a revocation list with one number, which ends in some days, behind the certificates of a
 * file. */
static void add_revoked(const char *file, const struct ident *by, const char *serial, long until)
{
	gnutls_x509_crl_t crl;
	gnutls_datum_t pem;
	FILE *f = fopen(file, "a");

	gnutls_x509_crl_init(&crl);
	gnutls_x509_crl_set_version(crl, 2);
	gnutls_x509_crl_set_this_update(crl, time(NULL) - 9 * DAY);
	gnutls_x509_crl_set_next_update(crl, time(NULL) + until * DAY);
	gnutls_x509_crl_set_number(crl, "\x01", 1);
	gnutls_x509_crl_set_crt_serial(crl, serial, 1, time(NULL) - DAY);
	assert_int_equal(gnutls_x509_crl_sign2(crl, by->crt, by->key, GNUTLS_DIG_SHA256, 0), 0);
	gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &pem);
	fwrite(pem.data, 1, pem.size, f);
	fclose(f);
	gnutls_free(pem.data);
	gnutls_x509_crl_deinit(crl);
}

/* RFC 6120 section 13.7.2 point 5 */
static void those_that_are_revoked(void **state)
{
	const char *ca_file = certs_path(&certs, "revoked.pem");
	struct wish good = for_x, bad = for_x;
	struct ident one, two;
	struct str error = STR_NULL;

	good.serial = "\x07";
	bad.serial = "\x08";
	make(&one, &good, &root);
	make(&two, &bad, &root);
	save(&root, ca_file, NULL);
	add_revoked(ca_file, &root, "\x08", 1);
	struct tls_config *us = own_config(ca_file);
	assert_int_equal(worth_to(us, &one, 1, STR("x.example"), NULL), TLS_PEER_OK);
	assert_int_equal(worth_to(us, &two, 1, STR("x.example"), NULL), TLS_PEER_REVOKED);
	tls_config_unref(&us);

	/* One that no authority of the file has signed, or that has run out, is no list. */
	for (int old = 0; old < 2; old++) {
		save(&root, ca_file, NULL);
		add_revoked(ca_file, old ? &root : &stranger, "\x08", old ? -1 : 1);
		us = peer_config(&root, 1);
		assert_false(tls_config_trust_servers(us, ca_file, &certs.arena, &error));
		assert_non_null(memmem(error.p, error.n, "revoked.pem: no revocation list", 31));
		tls_config_unref(&us);
	}
	drop(&one);
	drop(&two);
}

static void files_without_authorities(void **state)
{
	static const char *const files[] = { "absent.pem", "a.example.key" };

	for (size_t i = 0; i < N_OF(files); i++) {
		struct tls_config *us = peer_config(&root, 1);
		struct str error = STR_NULL;
		const char *file = certs_path(&certs, files[i]);
		assert_false(tls_config_trust_servers(us, file, &certs.arena, &error));
		assert_true(str_starts(error, str_c(file)));
		tls_config_unref(&us);
	}
}

/* Who shows none, because it was not asked or has none. */
static void none_is_no_certificate(void **state)
{
	struct tls *c = tls_peer_new(own, STR("us.example"), STR("us.example"), 0);
	struct tls *s = tls_server_new(own, 0);
	const struct tls_pin pin = { { 0 } };
	const struct tls_peer_rules rules = { .pins = &pin, .n_pins = 1 };

	shake(c, s);
	assert_int_equal(tls_check_peer(s, STR("us.example"), NULL), TLS_PEER_NO_CERT);
	assert_int_equal(tls_peer_expires(s, 0), 0);
	tls_free(&c);
	tls_free(&s);
	c = tls_client_new(STR("us.example"), TLS_NO_VERIFY, NULL, STR_NULL);
	s = tls_server_new(own, TLS_ASK_CERT);
	shake(c, s);
	assert_int_equal(tls_check_peer(s, STR("us.example"), NULL), TLS_PEER_NO_CERT);
	assert_int_equal(tls_check_peer(s, STR("us.example"), &rules), TLS_PEER_NO_CERT);
	tls_free(&c);
	tls_free(&s);
}

static struct tls_pin pin_of(const struct ident *i)
{
	struct tls_pin pin;
	size_t n = sizeof pin.sha256;

	assert_int_equal(gnutls_x509_crt_get_key_id(i->crt, GNUTLS_KEYID_USE_SHA256, pin.sha256, &n),
		0);
	return pin;
}

/* A pin that fits makes a certificate right that is of no authority, for another and expired; one
 * that does not makes the best one wrong. */
static void pins_are_all_that_counts(void **state)
{
	const struct wish old = { .dns = STR_INIT("y.example"), .from = -9, .until = -1 };
	struct ident odd, good;

	make(&odd, &old, NULL);
	make(&good, &for_x, &root);
	const struct tls_pin pins[] = { pin_of(&root), pin_of(&odd) };
	const struct tls_peer_rules first = { .pins = pins, .n_pins = 1 };
	const struct tls_peer_rules both = { .pins = pins, .n_pins = 2 };
	assert_int_equal(worth_to(own, &odd, 1, STR("x.example"), NULL), TLS_PEER_UNTRUSTED);
	assert_int_equal(worth_to(own, &odd, 1, STR("x.example"), &both), TLS_PEER_OK);
	assert_int_equal(worth_to(own, &odd, 1, STR("x.example"), &first), TLS_PEER_WRONG_PIN);
	assert_int_equal(worth_to(own, &good, 1, STR("x.example"), NULL), TLS_PEER_OK);
	assert_int_equal(worth_to(own, &good, 1, STR("x.example"), &both), TLS_PEER_WRONG_PIN);
	drop(&odd);
	drop(&good);
}

/* The record of RFC 6698 section 2.1 that a certificate would have. */
static struct tls_tlsa record(const struct ident *i, int usage, int selector, int matching)
{
	struct tls_tlsa r = { (uint8_t)usage, (uint8_t)selector, (uint8_t)matching, STR_NULL };
	gnutls_datum_t der;
	gnutls_pubkey_t key;
	char digest[64];

	gnutls_pubkey_init(&key);
	gnutls_pubkey_import_x509(key, i->crt, 0);
	if (selector == 1)
		assert_int_equal(gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &der), 0);
	else
		assert_int_equal(gnutls_x509_crt_export2(i->crt, GNUTLS_X509_FMT_DER, &der), 0);
	gnutls_pubkey_deinit(key);
	gnutls_hash_fast(matching == 1 ? GNUTLS_DIG_SHA256 : GNUTLS_DIG_SHA512, der.data, der.size,
		digest);
	r.data = str_dup(&certs.arena, matching == 1 ? str_from(digest, 32) :
				       matching == 2 ? str_from(digest, 64) :
						       str_from((char *)der.data, der.size));
	gnutls_free(der.data);
	return r;
}

static enum tls_peer worth_with(const struct ident *chain, size_t n, struct str domain,
	const struct tls_tlsa *records, size_t n_records)
{
	const struct tls_peer_rules rules = { .tlsa = records, .n_tlsa = n_records };

	return worth_to(own, chain, n, domain, &rules);
}

/* Selectors and matching types, for each usage; "same" is the certificate that the usage is of. */
static void records_of_each_kind_fit(void **state)
{
	struct ident chain[2];

	make(&chain[0], &for_x, &middle);
	chain[1] = middle;
	for (int usage = 0; usage < 4; usage++)
		for (int selector = 0; selector < 2; selector++)
			for (int matching = 0; matching < 3; matching++) {
				bool of_leaf = usage & 1;
				struct tls_tlsa same = record(of_leaf ? &chain[0] : &middle, usage,
					selector, matching);
				struct tls_tlsa other = record(of_leaf ? &middle : &chain[0], usage,
					selector, matching);
				if (worth_with(chain, 2, STR("x.example"), &same, 1) != TLS_PEER_OK)
					fail_msg("%d %d %d", usage, selector, matching);
				if (worth_with(chain, 2, STR("x.example"), &other, 1) == TLS_PEER_OK)
					fail_msg("%d %d %d of another", usage, selector, matching);
			}
	drop(&chain[0]);
}

/* RFC 7671 section 5.1: with usage 3 nothing but the key counts. */
static void usage_3_asks_for_no_more(void **state)
{
	const struct wish old = { .dns = STR_INIT("y.example"), .from = -9, .until = -1 };
	struct ident odd;

	make(&odd, &old, NULL);
	struct tls_tlsa r = record(&odd, 3, 1, 1);
	assert_int_equal(worth_with(&odd, 1, STR("x.example"), &r, 1), TLS_PEER_OK);
	drop(&odd);
}

/* RFC 6698 section 2.1.1: usage 0 and 1 add to what authorities say. */
static void usages_0_and_1_ask_for_an_authority(void **state)
{
	struct ident chain[2];

	make(&chain[0], &for_x, &stranger);
	chain[1] = stranger;
	struct tls_tlsa of_leaf = record(&chain[0], 1, 1, 1), of_ca = record(&stranger, 0, 1, 1);
	assert_int_equal(worth_with(chain, 2, STR("x.example"), &of_leaf, 1), TLS_PEER_UNTRUSTED);
	assert_int_equal(worth_with(chain, 2, STR("x.example"), &of_ca, 1), TLS_PEER_UNTRUSTED);
	drop(&chain[0]);

	make(&chain[0], &for_x, &middle);
	chain[1] = middle;
	of_leaf = record(&chain[0], 1, 1, 1);
	assert_int_equal(worth_with(chain, 2, STR("y.example"), &of_leaf, 1), TLS_PEER_WRONG_NAME);
	of_ca = record(&root, 0, 0, 1); /* it is not sent, but we have it */
	assert_int_equal(worth_with(chain, 2, STR("x.example"), &of_ca, 1), TLS_PEER_OK);
	assert_int_equal(worth_with(chain, 2, STR("y.example"), &of_ca, 1), TLS_PEER_WRONG_NAME);
	drop(&chain[0]);
}

/* RFC 7671 section 5.2: usage 2 brings its own authority, with dates and names as usual. */
static void usage_2_brings_an_authority(void **state)
{
	const struct wish old = { .dns = STR_INIT("x.example"), .from = -9, .until = -1 };
	struct ident chain[3], deep;

	make(&chain[0], &for_x, &stranger);
	chain[1] = stranger;
	struct tls_tlsa r = record(&stranger, 2, 1, 1), whole = record(&stranger, 2, 0, 0);
	assert_int_equal(worth_with(chain, 2, STR("x.example"), &r, 1), TLS_PEER_OK);
	assert_int_equal(worth_with(chain, 2, STR("y.example"), &r, 1), TLS_PEER_WRONG_NAME);
	assert_int_equal(worth_with(chain, 1, STR("x.example"), &r, 1), TLS_PEER_WRONG_TLSA);
	assert_int_equal(worth_with(chain, 1, STR("x.example"), &whole, 1), TLS_PEER_OK);
	assert_int_equal(worth_with(chain, 1, STR("y.example"), &whole, 1), TLS_PEER_WRONG_NAME);
	drop(&chain[0]);

	make(&chain[0], &old, &stranger);
	assert_int_equal(worth_with(chain, 2, STR("x.example"), &r, 1), TLS_PEER_OUT_OF_TIME);
	drop(&chain[0]);

	/* Any certificate of the path may be the one, but it has to be of the path. */
	make(&deep, &for_ca, &stranger);
	make(&chain[0], &for_x, &deep);
	chain[1] = deep;
	chain[2] = stranger;
	struct tls_tlsa middle_one = record(&deep, 2, 0, 1);
	assert_int_equal(worth_with(chain, 3, STR("x.example"), &r, 1), TLS_PEER_OK);
	assert_int_equal(worth_with(chain, 3, STR("x.example"), &middle_one, 1), TLS_PEER_OK);
	assert_int_equal(worth_with(chain, 2, STR("x.example"), &middle_one, 1), TLS_PEER_OK);
	drop(&chain[0]);
	drop(&deep);
}

/* Credentials with a second certificate that GnuTLS by itself would not send, for it is no issuer
 * of the first. */
static gnutls_certificate_credentials_t odd_chain(const struct ident *leaf,
	const struct ident *other)
{
	gnutls_certificate_credentials_t cred;
	gnutls_pcert_st pcerts[2];
	gnutls_privkey_t key;

	gnutls_certificate_allocate_credentials(&cred);
	gnutls_privkey_init(&key);
	gnutls_privkey_import_x509(key, leaf->key, GNUTLS_PRIVKEY_IMPORT_COPY);
	gnutls_pcert_import_x509(&pcerts[0], leaf->crt, 0);
	gnutls_pcert_import_x509(&pcerts[1], other->crt, 0);
	assert_true(gnutls_certificate_set_key(cred, NULL, 0, pcerts, 2, key) >= 0);
	return cred;
}

/* Whoever has a certificate can send any other along: that proves nothing of its path. */
static void what_signed_nothing_is_no_authority(void **state)
{
	struct ident leaf, other;

	make(&leaf, &for_x, &root);
	make(&other, &for_ca, &root);
	gnutls_certificate_credentials_t cred = odd_chain(&leaf, &other);
	for (int usage = 0; usage <= 2; usage += 2) {
		const struct tls_tlsa r = record(&other, usage, 0, 1);
		const struct tls_peer_rules rules = { .tlsa = &r, .n_tlsa = 1 };
		struct tls *c = tls_peer_new(own, STR("us.example"), STR("us.example"), 0);
		struct tls *s = tls_server_new(own, TLS_ASK_CERT);
		struct tls_chain sent;
		gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, cred);
		shake(c, s);
		assert_true(tls_chain_read(&sent, s));
		assert_int_equal(sent.n, 2);
		tls_chain_clear(&sent);
		assert_int_equal(tls_check_peer(s, STR("x.example"), NULL), TLS_PEER_OK);
		assert_int_equal(tls_check_peer(s, STR("x.example"), &rules), TLS_PEER_UNTRUSTED);
		tls_free(&c);
		tls_free(&s);
	}
	gnutls_certificate_free_credentials(cred);
	drop(&leaf);
	drop(&other);
}

/* RFC 6698 section 4.1 and RFC 7673 section 4.1: one that fits is enough; those that nobody can use
 * count as none. */
static void records_are_tried_one_by_one(void **state)
{
	struct ident chain[2];

	make(&chain[0], &for_x, &middle);
	chain[1] = middle;
	struct tls_tlsa right = record(&chain[0], 3, 1, 1), wrong = record(&middle, 3, 1, 1);
	struct tls_tlsa unusable[] = { right, right, right, right, right };
	unusable[0].usage = 4;
	unusable[1].selector = 2;
	unusable[2].matching = 3;
	unusable[3].data = str_head(right.data, 31);
	unusable[4] = (struct tls_tlsa){ 3, 1, 0, STR("") };
	assert_int_equal(worth_with(chain, 2, STR("x.example"), unusable, 5), TLS_PEER_OK);
	assert_int_equal(worth_with(chain, 2, STR("y.example"), unusable, 5), TLS_PEER_WRONG_NAME);
	struct tls_tlsa mixed[] = { unusable[0], wrong, right };
	assert_int_equal(worth_with(chain, 2, STR("y.example"), mixed, 3), TLS_PEER_OK);
	assert_int_equal(worth_with(chain, 2, STR("x.example"), mixed, 2), TLS_PEER_WRONG_TLSA);
	assert_int_equal(worth_with(chain, 2, STR("x.example"), NULL, 0), TLS_PEER_OK);
	drop(&chain[0]);
}

/* RFC 7673 section 4.1: the host that DNS names securely is a name of the domain's too. */
static void the_target_is_a_name_too(void **state)
{
	const struct wish w = { .dns = STR_INIT("xmpp.hoster.example"), VALID };
	const struct wish srv = { .services = { STR_INIT("_xmpp-server.xmpp.hoster.example") },
		VALID };
	const struct tls_peer_rules target = { .target = STR("xmpp.hoster.example") };
	struct tls_peer_rules both = target;
	struct ident leaf;

	make(&leaf, &w, &root);
	struct tls_tlsa r = record(&leaf, 1, 1, 1);
	both.tlsa = &r;
	both.n_tlsa = 1;
	assert_int_equal(worth_to(own, &leaf, 1, STR("x.example"), NULL), TLS_PEER_WRONG_NAME);
	assert_int_equal(worth_to(own, &leaf, 1, STR("x.example"), &target), TLS_PEER_OK);
	assert_int_equal(worth_to(own, &leaf, 1, STR("x.example"), &both), TLS_PEER_OK);
	drop(&leaf);
	make(&leaf, &srv, &root); /* a service is of a domain, and never of its host */
	assert_int_equal(worth_to(own, &leaf, 1, STR("x.example"), &target), TLS_PEER_WRONG_NAME);
	drop(&leaf);
}

/* A peer that comes back with a ticket shows no certificate; the one that it showed before still
 * counts, and is judged anew. */
static void a_resumed_session_keeps_the_certificate(void **state)
{
	static const unsigned versions[] = { 0, TLS_ONLY_12 };
	gnutls_certificate_credentials_t cred;
	struct ident leaf;

	make(&leaf, &for_x, &root);
	gnutls_certificate_allocate_credentials(&cred);
	gnutls_x509_crt_t chain[] = { leaf.crt };
	assert_true(gnutls_certificate_set_x509_key(cred, chain, 1, leaf.key) >= 0);
	for (size_t v = 0; v < N_OF(versions); v++) {
		struct str session = STR_NULL;
		for (int again = 0; again < 2; again++) {
			struct tls *c = tls_client_new(STR("us.example"),
				TLS_NO_VERIFY | versions[v], NULL, session);
			struct tls *s = tls_server_new(own, TLS_ASK_CERT);
			gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, cred);
			shake(c, s);
			assert_int_equal(tls_resumed(s), again);
			assert_int_equal(tls_check_peer(s, STR("x.example"), NULL), TLS_PEER_OK);
			assert_int_equal(tls_check_peer(s, STR("y.example"), NULL),
				TLS_PEER_WRONG_NAME);
			session = tls_session(c, &certs.arena);
			assert_true(session.n > 0);
			tls_free(&c);
			tls_free(&s);
		}
	}
	gnutls_certificate_free_credentials(cred);
	drop(&leaf);
}

/* Each host shows its own certificate, in both roles, and so do its services. */
static void each_host_shows_its_own(void **state)
{
	static const struct {
		struct str own;
		const char *shown;
	} cases[] = {
		{ STR_INIT("us.example"), "us.example" },
		{ STR_INIT("b.example"), "b.example" },
		{ STR_INIT("rooms.b.example"), "b.example" },
		{ STR_INIT("bücher.example"), "xn--bcher-kva.example" },
		{ STR_INIT("x.rooms.bücher.example"), "xn--bcher-kva.example" },
		{ STR_INIT("elsewhere.example"), "us.example" },
		{ STR_INIT("xb.example"), "us.example" },
	};
	struct tls_host hosts[] = { certs_host(&certs, "us.example"),
		certs_host(&certs, "b.example"), certs_host(&certs, "xn--bcher-kva.example") };
	struct str error;
	struct tls_config *conf = tls_config_new(hosts, 3, NULL, test_ticket_key, &certs.arena,
		&error);

	assert_non_null(conf);
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct tls *c = tls_peer_new(conf, cases[i].own, cases[i].own, 0);
		struct tls *s = tls_server_new(conf, TLS_ASK_CERT);
		shake(c, s);
		struct tls *both[] = { c, s };
		for (size_t k = 0; k < 2; k++) {
			struct tls_chain chain;
			assert_true(tls_chain_read(&chain, both[k]));
			if (!gnutls_x509_crt_check_hostname(chain.crt[0], cases[i].shown))
				fail_msg("%zu: not %s", i, cases[i].shown);
			tls_chain_clear(&chain);
		}
		tls_free(&c);
		tls_free(&s);
	}
	tls_config_unref(&conf);
}

/* XEP-0368 section 3: "xmpp-server" between servers. */
static void protocols_are_told_apart(void **state)
{
	static const struct {
		unsigned client, server;
		bool fits;
	} cases[] = {
		{ TLS_ALPN_SERVER, TLS_ALPN_SERVER, true }, { 0, TLS_ALPN_SERVER, true },
		{ TLS_ALPN, TLS_ALPN_SERVER, false }, { TLS_ALPN_SERVER, TLS_ALPN, false },
		{ TLS_ALPN_SERVER, 0, true },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct tls *c = tls_peer_new(own, STR("us.example"), STR("us.example"),
			cases[i].client);
		struct tls *s = tls_server_new(own, cases[i].server | TLS_ASK_CERT);
		struct buf to_s, to_c;
		buf_init(&to_s, 1 << 20);
		buf_init(&to_c, 1 << 20);
		assert_int_equal(tls_handshake(c, &to_s), TLS_MORE);
		tls_input(s, buf_str(&to_s));
		if (tls_handshake(s, &to_c) != (cases[i].fits ? TLS_MORE : TLS_FAILED))
			fail_msg("%zu", i);
		buf_clear(&to_s);
		buf_clear(&to_c);
		tls_free(&c);
		tls_free(&s);
	}
}

static void the_ends_of_certificates_are_known(void **state)
{
	struct ident chain[2];

	make(&chain[0], &for_x, &middle);
	chain[1] = middle;
	struct tls_config *peer = peer_config(chain, 2);
	struct tls *c = tls_peer_new(own, STR("us.example"), STR("x.example"), 0);
	struct tls *s = tls_server_new(peer, TLS_ASK_CERT);
	shake(c, s);
	uint64_t ends[] = { (uint64_t)gnutls_x509_crt_get_expiration_time(chain[0].crt),
		(uint64_t)gnutls_x509_crt_get_expiration_time(chain[1].crt) };
	uint64_t first = ends[0] < ends[1] ? ends[0] : ends[1];
	uint64_t last = ends[0] < ends[1] ? ends[1] : ends[0];
	assert_int_equal(tls_peer_expires(c, 0), first);
	assert_int_equal(tls_peer_expires(c, first - 1), first);
	assert_int_equal(tls_peer_expires(c, first), last > first ? last : 0);
	assert_int_equal(tls_peer_expires(c, last), 0);
	tls_free(&c);
	tls_free(&s);
	tls_config_unref(&peer);
	drop(&chain[0]);
}

static void each_answer_has_words(void **state)
{
	for (enum tls_peer p = TLS_PEER_OK; p <= TLS_PEER_WRONG_TLSA; p++)
		assert_true(tls_peer_words(p).n > 5);
}

static int setup(void **state)
{
	static const struct wish ca = { .is_authority = true, .cn = "root", VALID };
	static const struct wish below = { .is_authority = true, .cn = "middle", VALID };
	static const struct wish elsewhere = { .is_authority = true, .cn = "stranger", VALID };

	certs_init(&certs);
	certs_host(&certs, "us.example");
	make(&root, &ca, NULL);
	make(&middle, &below, &root);
	make(&stranger, &elsewhere, NULL);
	save(&root, certs_path(&certs, "root.pem"), NULL);
	own = own_config(certs_path(&certs, "root.pem"));
	return 0;
}

static int teardown(void **state)
{
	tls_config_unref(&own);
	drop(&root);
	drop(&middle);
	drop(&stranger);
	certs_clear(&certs);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_of_the_domain),
		cmocka_unit_test(paths_lead_to_an_authority),
		cmocka_unit_test(chains_are_whole),
		cmocka_unit_test(chains_have_a_bound),
		cmocka_unit_test(one_that_is_an_authority_itself),
		cmocka_unit_test(those_that_are_revoked),
		cmocka_unit_test(files_without_authorities),
		cmocka_unit_test(none_is_no_certificate),
		cmocka_unit_test(pins_are_all_that_counts),
		cmocka_unit_test(records_of_each_kind_fit),
		cmocka_unit_test(usage_3_asks_for_no_more),
		cmocka_unit_test(usages_0_and_1_ask_for_an_authority),
		cmocka_unit_test(usage_2_brings_an_authority),
		cmocka_unit_test(what_signed_nothing_is_no_authority),
		cmocka_unit_test(records_are_tried_one_by_one),
		cmocka_unit_test(the_target_is_a_name_too),
		cmocka_unit_test(a_resumed_session_keeps_the_certificate),
		cmocka_unit_test(each_host_shows_its_own),
		cmocka_unit_test(protocols_are_told_apart),
		cmocka_unit_test(the_ends_of_certificates_are_known),
		cmocka_unit_test(each_answer_has_words),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
