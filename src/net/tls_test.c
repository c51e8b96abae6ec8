/* TLS in memory: what is negotiated, refused, resumed, bound and verified. */
#include "net/testing.h"

#include "net/tls_private.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>

#define WHOLE SIZE_MAX

/* One side, its bytes for the other one and those it has read. */
struct side {
	struct tls *t;
	struct buf out, got;
	enum tls_status shake, read;
};

static struct certs certs;

static void side_init(struct side *s, struct tls *t)
{
	*s = (struct side){ .t = t, .shake = TLS_MORE, .read = TLS_MORE };
	buf_init(&s->out, 8 << 20);
	buf_init(&s->got, 8 << 20);
}

static void side_clear(struct side *s)
{
	tls_free(&s->t);
	buf_clear(&s->out);
	buf_clear(&s->got);
}

static void take_in(struct side *s)
{
	char piece[5000];
	size_t n;

	if (s->shake == TLS_MORE)
		s->shake = tls_handshake(s->t, &s->out);
	if (s->shake != TLS_OK)
		return;
	while ((s->read = tls_read(s->t, piece, sizeof piece, &n, &s->out)) == TLS_OK)
		buf_add(&s->got, str_from(piece, n));
}

/* Gives what one side wrote to the other, in steps. */
static void carry(struct side *from, struct side *to, size_t step)
{
	struct buf wire = from->out;

	buf_init(&from->out, wire.max);
	for (size_t at = 0; at < wire.n; at += step < wire.n ? step : wire.n) {
		tls_input(to->t, str_head(str_skip(buf_str(&wire), at), step));
		take_in(to);
	}
	buf_clear(&wire);
}

static void exchange(struct side *c, struct side *s, size_t step)
{
	tls_input(c->t, STR_NULL);
	take_in(c);
	while (c->out.n || s->out.n) {
		carry(c, s, step);
		carry(s, c, step);
	}
}

static struct tls *client(unsigned flags, struct str session)
{
	const char *ca = certs_path(&certs, "a.example.crt");

	return tls_client_new(STR("a.example"), flags, ca, session);
}

static void connect_sides(struct side *c, struct side *s, unsigned flags, struct str session)
{
	side_init(c, client(flags, session));
	side_init(s, tls_server_new(certs.config, 0));
	exchange(c, s, WHOLE);
	assert_int_equal(c->shake, TLS_OK);
	assert_int_equal(s->shake, TLS_OK);
}

static void clear_sides(struct side *c, struct side *s)
{
	side_clear(c);
	side_clear(s);
}

static const struct {
	const char *name;
	unsigned flags;
} versions[] = { { "TLS1.3", 0 }, { "TLS1.2", TLS_ONLY_12 } };

static void assert_str(struct str got, const char *want)
{
	assert_int_equal(got.n, strlen(want));
	assert_memory_equal(got.p, want, got.n);
}

/* The same whole and byte by byte. */
static void test_handshake_and_data(void **state)
{
	static const size_t steps[] = { WHOLE, 1, 2, 7 };

	for (size_t v = 0; v < N_OF(versions); v++)
		for (size_t i = 0; i < N_OF(steps); i++) {
			struct side c, s;
			side_init(&c, client(versions[v].flags, STR_NULL));
			side_init(&s, tls_server_new(certs.config, 0));
			exchange(&c, &s, steps[i]);
			assert_int_equal(c.shake, TLS_OK);
			assert_int_equal(s.shake, TLS_OK);
			assert_int_equal(tls_is_13(s.t), versions[v].flags == 0);
			struct str big = pattern(&certs.arena, 100000);
			assert_int_equal(tls_write(c.t, big, &c.out), TLS_OK);
			assert_int_equal(tls_write(s.t, STR("hello"), &s.out), TLS_OK);
			exchange(&c, &s, steps[i]);
			assert_int_equal(s.got.n, big.n);
			assert_memory_equal(s.got.p, big.p, big.n);
			assert_str(buf_str(&c.got), "hello");
			assert_int_equal(s.read, TLS_MORE);
			tls_bye(c.t, &c.out);
			exchange(&c, &s, steps[i]);
			assert_int_equal(s.read, TLS_CLOSED);
			clear_sides(&c, &s);
		}
}

/* The order of preference is the server's: AES-128-GCM, X25519. */
static void test_describe(void **state)
{
	for (size_t v = 0; v < N_OF(versions); v++) {
		struct side c, s;
		connect_sides(&c, &s, versions[v].flags, STR_NULL);
		struct str want = str_printf(&certs.arena, "%s AES-128-GCM X25519",
			versions[v].name);
		assert_str(tls_describe(s.t, &certs.arena), want.p);
		clear_sides(&c, &s);
	}
}

/* As few records as fit: 16 KiB each. */
static void test_records_are_full(void **state)
{
	struct side c, s;

	connect_sides(&c, &s, 0, STR_NULL);
	tls_write(c.t, pattern(&certs.arena, 3 * 16384), &c.out);
	assert_int_equal(c.out.n, 3 * (16384 + 5 + 1 + 16));
	clear_sides(&c, &s);
}

/* What is refused and what is served, by what a client offers. */
static void test_offers(void **state)
{
#define ONLY "NONE:+COMP-NULL:+SIGN-ALL:+CTYPE-X509:+GROUP-ALL:+AEAD:+SHA1:+SHA256:"
	static const struct {
		const char *name, *offer;
		bool served;
	} cases[] = {
		{ "GnuTLS' normal", "NORMAL", true },
		{ "AES-256 alone", ONLY "+VERS-TLS1.3:+AES-256-GCM:+ECDHE-ECDSA", true },
		{ "ChaCha alone", ONLY "+VERS-TLS1.2:+CHACHA20-POLY1305:+ECDHE-ECDSA", true },
		{ "P-256 alone", "NORMAL:-GROUP-ALL:+GROUP-SECP256R1", true },
		{ "TLS 1.1 (RFC 8996)", ONLY "+VERS-TLS1.1:+AES-128-CBC:+ECDHE-ECDSA", false },
		{ "CBC", ONLY "+VERS-TLS1.2:+AES-128-CBC:+ECDHE-ECDSA", false },
		{ "without tickets", "NORMAL:%NO_TICKETS", true },
		{ "RSA key exchange", ONLY "+VERS-TLS1.2:+AES-128-GCM:+RSA", false },
		{ "finite-field groups", "NORMAL:-GROUP-ALL:+GROUP-FFDHE2048:-VERS-TLS1.2", false },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct side c, s;
		side_init(&c, client(TLS_NO_VERIFY, STR_NULL));
		assert_int_equal(gnutls_priority_set_direct(c.t->session, cases[i].offer, NULL), 0);
		side_init(&s, tls_server_new(certs.config, 0));
		exchange(&c, &s, WHOLE);
		assert_int_equal(s.shake, cases[i].served ? TLS_OK : TLS_FAILED);
		assert_int_equal(c.shake, cases[i].served ? TLS_OK : TLS_FAILED);
		if (!cases[i].served) {
			assert_true(strlen(tls_error(s.t)) > 0);
			assert_true(strlen(tls_error(c.t)) > 0); /* by the server's alert */
		}
		clear_sides(&c, &s);
	}
}

/* RFC 7301, XEP-0368: who offers ALPN must offer ours. */
static void test_alpn(void **state)
{
	static const struct {
		const char *name;
		bool server_wants;
		const char *offers[2];
		bool served;
	} cases[] = {
		{ "nothing asked, nothing offered", false, { NULL }, true },
		{ "nothing asked, something offered", false, { "h2" }, true },
		{ "none offered", true, { NULL }, true },
		{ "ours", true, { "xmpp-client" }, true },
		{ "ours among others", true, { "h2", "xmpp-client" }, true },
		{ "another", true, { "h2" }, false },
		{ "the one for servers", true, { "xmpp-server" }, false },
	};

	for (size_t v = 0; v < N_OF(versions); v++)
		for (size_t i = 0; i < N_OF(cases); i++) {
			struct side c, s;
			gnutls_datum_t offers[2], chosen;
			unsigned n = 0;
			for (; n < 2 && cases[i].offers[n]; n++)
				offers[n] = (gnutls_datum_t){ (unsigned char *)cases[i].offers[n],
					(unsigned)strlen(cases[i].offers[n]) };
			side_init(&c, client(versions[v].flags, STR_NULL));
			if (n)
				gnutls_alpn_set_protocols(c.t->session, offers, n, 0);
			side_init(&s, tls_server_new(certs.config,
				cases[i].server_wants ? TLS_ALPN : 0));
			exchange(&c, &s, WHOLE);
			assert_int_equal(s.shake, cases[i].served ? TLS_OK : TLS_FAILED);
			if (cases[i].served && cases[i].server_wants && n) {
				assert_int_equal(gnutls_alpn_get_selected_protocol(c.t->session,
					&chosen), 0);
				assert_int_equal(chosen.size, 11);
				assert_memory_equal(chosen.data, "xmpp-client", 11);
			}
			clear_sides(&c, &s);
		}
	/* And a client of ours offers it. */
	struct side c, s;
	gnutls_datum_t chosen;
	side_init(&c, client(TLS_ALPN, STR_NULL));
	side_init(&s, tls_server_new(certs.config, TLS_ALPN));
	exchange(&c, &s, WHOLE);
	assert_int_equal(gnutls_alpn_get_selected_protocol(s.t->session, &chosen), 0);
	clear_sides(&c, &s);
}

/* RFC 6066 section 3: the certificate follows the name, the first host stands for others. */
static void test_sni(void **state)
{
	static const struct {
		const char *name, *sni, *want;
	} cases[] = {
		{ "first", "a.example", "a.example" },
		{ "second", "b.example", "b.example" },
		{ "case does not matter", "B.Example", "b.example" },
		{ "A-label", "xn--bcher-kva.example", "xn--bcher-kva.example" },
		{ "unknown", "c.example", "a.example" },
		{ "longer than a host's", "xb.example", "a.example" },
		{ "none", NULL, "a.example" },
	};
	struct tls_host hosts[3] = { certs_host(&certs, "a.example"),
		certs_host(&certs, "b.example"), certs_host(&certs, "xn--bcher-kva.example") };
	struct str error = STR_NULL;
	struct tls_config *config = tls_config_new(hosts, 3, hosts[0].cert_file, test_ticket_key,
		&certs.arena, &error);

	assert_non_null(config);
	for (size_t v = 0; v < N_OF(versions); v++)
		for (size_t i = 0; i < N_OF(cases); i++) {
			struct side c, s;
			side_init(&c, tls_client_new(str_c(cases[i].sni),
				versions[v].flags | TLS_NO_VERIFY, NULL, STR_NULL));
			side_init(&s, tls_server_new(config, 0));
			exchange(&c, &s, WHOLE);
			assert_int_equal(c.shake, TLS_OK);
			unsigned n;
			gnutls_x509_crt_t crt;
			gnutls_x509_crt_init(&crt);
			gnutls_x509_crt_import(crt, gnutls_certificate_get_peers(c.t->session, &n),
				GNUTLS_X509_FMT_DER);
			assert_true(gnutls_x509_crt_check_hostname(crt, cases[i].want));
			gnutls_x509_crt_deinit(crt);
			clear_sides(&c, &s);
		}
	tls_config_unref(&config);
	/* The files of a.example were made anew; the common configuration must be the same. */
	tls_config_unref(&certs.config);
	certs.config = tls_config_new(hosts, 1, hosts[0].cert_file, test_ticket_key, &certs.arena,
		&error);
	assert_non_null(certs.config);
}

/* A client of ours believes what its authorities signed, for the name it asked for. */
static void test_client_verifies(void **state)
{
	struct tls_host other = certs_host(&certs, "other.example");
	const struct {
		const char *name, *host, *ca;
		unsigned flags;
		bool believes;
	} cases[] = {
		{ "right", "a.example", certs_path(&certs, "a.example.crt"), 0, true },
		{ "another name", "b.example", certs_path(&certs, "a.example.crt"), 0, false },
		{ "another authority", "a.example", other.cert_file, 0, false },
		{ "the system's authorities", "a.example", NULL, 0, false },
		{ "no such file", "a.example", "/nonexistent", 0, false },
		{ "not asked to", "b.example", NULL, TLS_NO_VERIFY, true },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct side c, s;
		side_init(&c, tls_client_new(str_c(cases[i].host), cases[i].flags, cases[i].ca,
			STR_NULL));
		side_init(&s, tls_server_new(certs.config, 0));
		exchange(&c, &s, WHOLE);
		assert_int_equal(c.shake, cases[i].believes ? TLS_OK : TLS_FAILED);
		if (!cases[i].believes) /* the server learns it by an alert */
			assert_true(s.read == TLS_FAILED || s.shake == TLS_FAILED);
		clear_sides(&c, &s);
	}
}

/* RFC 5929, RFC 9266: both ends see the same bytes, each kind its own. */
static void assert_bindings(struct side *c, struct side *s, bool resumed)
{
	static const enum tls_binding kinds[] = { TLS_EXPORTER, TLS_END_POINT, TLS_UNIQUE };

	for (size_t i = 0; i < N_OF(kinds); i++) {
		struct str a = tls_binding(c->t, kinds[i], &certs.arena);
		struct str b = tls_binding(s->t, kinds[i], &certs.arena);
		if (kinds[i] == TLS_END_POINT && resumed) {
			assert_int_equal(b.n, 0); /* no certificate was sent */
			continue;
		}
		assert_true(a.n > 0);
		assert_int_equal(a.n, b.n);
		assert_memory_equal(a.p, b.p, a.n);
		struct str again = tls_binding(s->t, kinds[i], &certs.arena);
		assert_true(str_eq(again, b));
	}
	struct str exporter = tls_binding(s->t, TLS_EXPORTER, &certs.arena);
	struct str unique = tls_binding(s->t, TLS_UNIQUE, &certs.arena);
	assert_int_equal(exporter.n, 32);
	assert_int_equal(unique.n, tls_is_13(s->t) ? 32 : 12);
	assert_false(str_eq(exporter, unique));
}

static void test_bindings(void **state)
{
	for (size_t v = 0; v < N_OF(versions); v++) {
		struct side c, s;
		connect_sides(&c, &s, versions[v].flags, STR_NULL);
		assert_bindings(&c, &s, false);
		/* GnuTLS' own idea of it, where it has one. */
		gnutls_datum_t own;
		if (gnutls_session_channel_binding(s.t->session, GNUTLS_CB_TLS_UNIQUE, &own) == 0) {
			assert_false(tls_is_13(s.t));
			struct str unique = tls_binding(s.t, TLS_UNIQUE, &certs.arena);
			assert_int_equal(own.size, unique.n);
			assert_memory_equal(own.data, unique.p, unique.n);
			gnutls_free(own.data);
		} else {
			assert_true(tls_is_13(s.t));
		}
		struct str session = tls_session(c.t, &certs.arena);
		assert_true(session.n > 0);
		clear_sides(&c, &s);
		connect_sides(&c, &s, versions[v].flags, session);
		assert_true(tls_resumed(s.t));
		assert_bindings(&c, &s, true);
		clear_sides(&c, &s);
	}
}

/* TLS 1.3 with AES-256 has a Finished of 48 bytes. */
static void test_binding_with_sha384(void **state)
{
	struct side c, s;

	side_init(&c, client(TLS_NO_VERIFY, STR_NULL));
	gnutls_priority_set_direct(c.t->session, "NORMAL:-CIPHER-ALL:+AES-256-GCM", NULL);
	side_init(&s, tls_server_new(certs.config, 0));
	exchange(&c, &s, WHOLE);
	struct str a = tls_binding(c.t, TLS_UNIQUE, &certs.arena);
	struct str b = tls_binding(s.t, TLS_UNIQUE, &certs.arena);
	assert_int_equal(b.n, 48);
	assert_true(str_eq(a, b));
	clear_sides(&c, &s);
}

/* RFC 7627 section 5.4: without the extended master secret nothing may be bound to it. */
static void test_binding_without_extended_secret(void **state)
{
	struct side c, s;

	side_init(&c, client(TLS_NO_VERIFY, STR_NULL));
	gnutls_priority_set_direct(c.t->session, "NORMAL:-VERS-TLS1.3:%NO_SESSION_HASH", NULL);
	side_init(&s, tls_server_new(certs.config, 0));
	exchange(&c, &s, WHOLE);
	assert_int_equal(s.shake, TLS_OK);
	assert_int_equal(tls_binding(s.t, TLS_EXPORTER, &certs.arena).n, 0);
	assert_int_equal(tls_binding(s.t, TLS_UNIQUE, &certs.arena).n, 0);
	assert_int_equal(tls_binding(s.t, TLS_END_POINT, &certs.arena).n, 32);
	clear_sides(&c, &s);
}

/* Tickets outlive a reload, and die with the process' key. */
static void test_resumption(void **state)
{
	static const uint8_t other_key[64] = "another key";
	static const struct {
		const char *name;
		const uint8_t *key;
		bool resumes;
	} cases[] = { { "same key", test_ticket_key, true }, { "other key", other_key, false } };

	for (size_t v = 0; v < N_OF(versions); v++)
		for (size_t i = 0; i < N_OF(cases); i++) {
			struct side c, s;
			connect_sides(&c, &s, versions[v].flags, STR_NULL);
			assert_false(tls_resumed(s.t));
			struct str session = tls_session(c.t, &certs.arena);
			clear_sides(&c, &s);
			struct tls_host h = { .name = STR("a.example"),
				.cert_file = certs_path(&certs, "a.example.crt"),
				.key_file = certs_path(&certs, "a.example.key") };
			struct str error;
			struct tls_config *reloaded = tls_config_new(&h, 1, h.cert_file,
				cases[i].key, &certs.arena, &error);
			side_init(&c, client(versions[v].flags, session));
			side_init(&s, tls_server_new(reloaded, 0));
			tls_config_unref(&reloaded); /* the connection keeps its own */
			exchange(&c, &s, WHOLE);
			assert_int_equal(s.shake, TLS_OK);
			assert_int_equal(tls_resumed(s.t), cases[i].resumes);
			assert_int_equal(tls_resumed(c.t), cases[i].resumes);
			clear_sides(&c, &s);
		}
}

/* RFC 8446 section 4.6.3: new keys, asked for by either side, and data goes on. */
static void test_key_update(void **state)
{
	struct side c, s;

	connect_sides(&c, &s, 0, STR_NULL);
	c.t->wire = &c.out;
	assert_int_equal(gnutls_session_key_update(c.t->session, GNUTLS_KU_PEER), 0);
	tls_write(c.t, STR("after"), &c.out);
	tls_write(s.t, STR("before"), &s.out);
	exchange(&c, &s, WHOLE);
	tls_write(s.t, STR(", after"), &s.out);
	exchange(&c, &s, WHOLE);
	assert_str(buf_str(&s.got), "after");
	assert_str(buf_str(&c.got), "before, after");
	clear_sides(&c, &s);
}

/* RFC 6120 section 5.3.5: a second handshake ends the connection. */
static void test_renegotiation_is_refused(void **state)
{
	struct side c, s;

	connect_sides(&c, &s, TLS_ONLY_12, STR_NULL);
	tls_handshake(c.t, &c.out);
	assert_true(c.out.n > 0);
	carry(&c, &s, WHOLE);
	assert_int_equal(s.read, TLS_FAILED);
	assert_true(s.out.n > 0); /* an alert */
	clear_sides(&c, &s);
}

static void test_garbage(void **state)
{
	static const struct {
		const char *name, *bytes;
	} cases[] = {
		{ "clear XML", "<?xml version='1.0'?><stream:stream to='a.example'>" },
		{ "HTTP", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n" },
		{ "a record of no known type", "\x63\x03\x03\x01\x01xxxxxxxxxxxxxxxx" },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct side s;
		side_init(&s, tls_server_new(certs.config, 0));
		tls_input(s.t, str_c(cases[i].bytes));
		take_in(&s);
		assert_int_equal(s.shake, TLS_FAILED);
		side_clear(&s);
		/* And after the handshake. */
		struct side c;
		connect_sides(&c, &s, 0, STR_NULL);
		tls_input(s.t, str_c(cases[i].bytes));
		take_in(&s);
		assert_int_equal(s.read, TLS_FAILED);
		clear_sides(&c, &s);
	}
}

/* One bit changed anywhere behind the head of a record is seen. */
static void test_tampering(void **state)
{
	struct side c, s;

	for (size_t at = 5; at < 42; at += 3) {
		connect_sides(&c, &s, 0, STR_NULL);
		tls_write(c.t, STR("twenty bytes of text"), &c.out);
		assert_int_equal(c.out.n, 42);
		c.out.p[at] ^= 1;
		carry(&c, &s, WHOLE);
		assert_int_equal(s.got.n, 0);
		assert_int_equal(s.read, TLS_FAILED);
		clear_sides(&c, &s);
	}
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_self_signed_files(void **state)
{
	struct str domains[2] = { STR("one.example"), STR("two.example") };
	const char *cert = certs_path(&certs, "made.crt"), *key = certs_path(&certs, "made.key");
	struct str error = STR_NULL;
	gnutls_datum_t pem;
	gnutls_x509_crt_t crt;
	struct stat st;
	char name[64];
	size_t n = sizeof name;

	write_text(certs_path(&certs, "made.key.new"), "left behind by a crash");
	mode_t before = umask(0); /* the modes must not hang on it */
	assert_true(tls_make_self_signed(cert, key, domains, 2, &certs.arena, &error));
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(cert, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(gnutls_load_file(cert, &pem), 0);
	gnutls_x509_crt_init(&crt);
	assert_int_equal(gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM), 0);
	assert_true(gnutls_x509_crt_check_hostname(crt, "one.example"));
	assert_true(gnutls_x509_crt_check_hostname(crt, "two.example"));
	assert_false(gnutls_x509_crt_check_hostname(crt, "three.example"));
	assert_int_equal(gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name,
		&n), 0);
	assert_string_equal(name, "one.example");
	assert_int_equal(gnutls_x509_crt_get_pk_algorithm(crt, NULL), GNUTLS_PK_ECDSA);
	time_t years = (gnutls_x509_crt_get_expiration_time(crt) - time(NULL)) / (365 * 86400);
	assert_in_range(years, 9, 10);
	gnutls_x509_crt_deinit(crt);
	gnutls_free(pem.data);
	umask(before);
}

/* A message names the file at fault and nothing is half done. */
static void test_errors_name_the_file(void **state)
{
	struct tls_host good = certs_host(&certs, "good.example");
	struct tls_host other = certs_host(&certs, "wrong.example");
	const char *garbage = certs_path(&certs, "garbage");
	const char *missing = certs_path(&certs, "missing");
	const struct {
		const char *name, *cert, *key, *ca, *names;
	} cases[] = {
		{ "no certificate", missing, good.key_file, NULL, missing },
		{ "no key", good.cert_file, missing, NULL, missing },
		{ "certificate of garbage", garbage, good.key_file, NULL, garbage },
		{ "key of garbage", good.cert_file, garbage, NULL, garbage },
		{ "key of another", good.cert_file, other.key_file, NULL, other.key_file },
		{ "no authorities", good.cert_file, good.key_file, missing, missing },
		{ "authorities of garbage", good.cert_file, good.key_file, garbage, garbage },
	};
	struct str error;

	write_text(garbage, "this is no PEM\n");
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct tls_host hosts[2] = { good,
			{ STR("x.example"), cases[i].cert, cases[i].key } };
		error = STR_NULL;
		assert_null(tls_config_new(hosts, 2, cases[i].ca, test_ticket_key, &certs.arena,
			&error));
		assert_true(str_starts(error, str_c(cases[i].names)));
	}
	assert_false(tls_make_self_signed("/nonexistent/c", "/nonexistent/k", &good.name, 1,
		&certs.arena, &error));
	assert_true(str_starts(error, STR("/nonexistent/k")));
}

static int setup(void **state)
{
	certs_init(&certs);
	return 0;
}

static int teardown(void **state)
{
	certs_clear(&certs);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake_and_data),
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_records_are_full),
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_alpn),
		cmocka_unit_test(test_sni),
		cmocka_unit_test(test_client_verifies),
		cmocka_unit_test(test_bindings),
		cmocka_unit_test(test_binding_with_sha384),
		cmocka_unit_test(test_binding_without_extended_secret),
		cmocka_unit_test(test_resumption),
		cmocka_unit_test(test_key_update),
		cmocka_unit_test(test_renegotiation_is_refused),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_tampering),
		cmocka_unit_test(test_self_signed_files),
		cmocka_unit_test(test_errors_name_the_file),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
