/* Certificates of our own making, for a first start and for tests. */
#include "net/tls.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_S 86400

/* Writes a file whole or not at all: a new one beside it takes its place. */
static bool write_file(const char *path, mode_t mode, const gnutls_datum_t *text, struct arena *a,
	struct str *error)
{
	struct str tmp = str_printf(a, "%s.new", path);

	unlink(tmp.p); /* of a try that was cut short */
	int fd = open(tmp.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0) {
		*error = str_printf(a, "%s: %s", tmp.p, strerror(errno));
		return false;
	}
	bool ok = fchmod(fd, mode) == 0 &&
		  write(fd, text->data, text->size) == (ssize_t)text->size && fsync(fd) == 0;
	ok = close(fd) == 0 && ok && rename(tmp.p, path) == 0;
	if (!ok) {
		*error = str_printf(a, "%s: %s", path, strerror(errno));
		unlink(tmp.p);
	}
	return ok;
}

/* The fields of a server's certificate, RFC 6120 section 13.7.1.2. */
static int fill(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const struct str *domains,
	size_t n)
{
	time_t now = (time_t)(clock_wall_us() / 1000000);
	uint8_t serial[16];
	int r;

	random_bytes(serial, sizeof serial);
	serial[0] &= 0x7f; /* positive */
	if ((r = gnutls_x509_crt_set_version(crt, 3)) < 0 ||
	    (r = gnutls_x509_crt_set_serial(crt, serial, sizeof serial)) < 0 ||
	    (r = gnutls_x509_crt_set_activation_time(crt, now - DAY_S)) < 0 ||
	    (r = gnutls_x509_crt_set_expiration_time(crt, now + 3650 * (time_t)DAY_S)) < 0 ||
	    (r = gnutls_x509_crt_set_key(crt, key)) < 0 ||
	    (r = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, domains[0].p,
		     (unsigned)domains[0].n)) < 0 ||
	    (r = gnutls_x509_crt_set_basic_constraints(crt, 0, -1)) < 0 ||
	    (r = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE)) < 0 ||
	    (r = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0)) < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if ((r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, domains[i].p,
			     (unsigned)domains[i].n, i ? GNUTLS_FSAN_APPEND : GNUTLS_FSAN_SET)) < 0)
			return r;
	return gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
}

bool tls_make_self_signed(const char *cert_file, const char *key_file, const struct str *domains,
	size_t n, struct arena *a, struct str *error)
{
	gnutls_datum_t cert_pem = { 0 }, key_pem = { 0 };
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	bool ok = false;
	int r;

	BUG_ON(!n);
	BUG_ON(gnutls_x509_privkey_init(&key) < 0 || gnutls_x509_crt_init(&crt) < 0);
	if ((r = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
		     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0)) < 0 ||
	    (r = fill(crt, key, domains, n)) < 0 ||
	    (r = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL,
		     GNUTLS_PKCS_PLAIN, &key_pem)) < 0 ||
	    (r = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &cert_pem)) < 0)
		*error = str_printf(a, "%s: %s", cert_file, gnutls_strerror(r));
	else
		ok = write_file(key_file, 0600, &key_pem, a, error) &&
		     write_file(cert_file, 0644, &cert_pem, a, error);
	if (key_pem.data)
		wipe(key_pem.data, key_pem.size);
	gnutls_free(key_pem.data);
	gnutls_free(cert_pem.data);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
	return ok;
}
