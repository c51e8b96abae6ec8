/* Certificates and keys of the hosts, as a snapshot with a count of references. */
#include "net/tls_private.h"

#include "base/digest.h"

#include <errno.h>
#include <stdlib.h>

#define NAME_MAX_BYTES 255 /* of a domain, RFC 1035 section 2.3.4 */

static struct str host_key(const struct map_node *n)
{
	return container_of(n, struct tls_config_host, node)->name;
}

/* Lower case of ASCII into out; the null slice for what is too long to be a domain. */
static struct str lower(struct str name, char out[NAME_MAX_BYTES])
{
	if (name.n > NAME_MAX_BYTES)
		return STR_NULL;
	for (size_t i = 0; i < name.n; i++)
		out[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] | 0x20) :
								name.p[i];
	return str_from(out, name.n);
}

const struct tls_config_host *tls_config_find(struct tls_config *c, struct str name)
{
	char buf[NAME_MAX_BYTES];
	struct str domain = lower(name, buf);
	const struct map_node *n = map_get(&c->by_name, domain);
	ptrdiff_t label;

	while (!n && (label = str_find(domain, '.')) >= 0) {
		domain = str_skip(domain, (size_t)label + 1);
		n = map_get(&c->by_name, domain);
	}
	return n ? container_of(n, struct tls_config_host, node) : &c->hosts[0];
}

static bool load(const char *path, gnutls_datum_t *out, struct arena *a, struct str *error)
{
	errno = 0;
	if (gnutls_load_file(path, out) == 0)
		return true;
	*error = str_printf(a, "%s: %s", path, errno ? strerror(errno) : "cannot be read");
	return false;
}

/* A key that does not fit the certificate is told apart from files that do not parse. */
static bool set_pair(gnutls_certificate_credentials_t cred, const struct tls_host *h,
	const gnutls_datum_t *cert, const gnutls_datum_t *key, struct arena *a, struct str *error)
{
	gnutls_x509_crt_t *chain;
	unsigned n;
	int r = gnutls_x509_crt_list_import2(&chain, &n, cert, GNUTLS_X509_FMT_PEM, 0);

	if (r < 0) {
		*error = str_printf(a, "%s: no PEM certificate in it: %s", h->cert_file,
			gnutls_strerror(r));
		return false;
	}
	for (unsigned i = 0; i < n; i++)
		gnutls_x509_crt_deinit(chain[i]);
	gnutls_free(chain);
	r = gnutls_certificate_set_x509_key_mem2(cred, cert, key, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (r == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		*error = str_printf(a, "%s: the key is not the one of the certificate in %s",
			h->key_file, h->cert_file);
	else if (r < 0)
		*error = str_printf(a, "%s: no usable PEM key in it: %s", h->key_file,
			gnutls_strerror(r));
	return r >= 0;
}

static bool load_host(struct tls_config_host *to, const struct tls_host *h, struct arena *a,
	struct str *error)
{
	gnutls_datum_t cert = { 0 }, key = { 0 }, der;
	bool ok = load(h->cert_file, &cert, a, error) && load(h->key_file, &key, a, error) &&
		  set_pair(to->cred, h, &cert, &key, a, error);

	if (ok && gnutls_certificate_get_crt_raw(to->cred, 0, 0, &der) >= 0)
		to->n_end_point = tls_end_point(&der, to->end_point);
	gnutls_free(cert.data);
	if (key.data)
		wipe(key.data, key.size);
	gnutls_free(key.data);
	return ok;
}

static gnutls_x509_trust_list_t new_trust(void)
{
	gnutls_x509_trust_list_t list;

	BUG_ON(gnutls_x509_trust_list_init(&list, 0) < 0);
	return list;
}

/* NULL stays where there is no file. */
static bool load_authorities(gnutls_x509_trust_list_t *trust, const char *ca_file, struct arena *a,
	struct str *error)
{
	if (!ca_file)
		return true;
	*trust = new_trust();
	int r = gnutls_x509_trust_list_add_trust_file(*trust, ca_file, NULL, GNUTLS_X509_FMT_PEM,
		0, 0);
	if (r > 0)
		return true;
	*error = str_printf(a, "%s: no PEM certificate of an authority could be read from it%s%s",
		ca_file, r < 0 ? ": " : "", r < 0 ? gnutls_strerror(r) : "");
	return false;
}

/* The revocation lists among the authorities, if there are any. One that has run out is refused:
 * who has been revoked since nobody knows. */
static bool load_revoked(gnutls_x509_trust_list_t trust, const char *ca_file, struct arena *a,
	struct str *error)
{
	gnutls_datum_t text = { 0 };
	int r = GNUTLS_E_FILE_ERROR;

	if (!load(ca_file, &text, a, error))
		return false;
	bool any = memmem(text.data, text.size, "-----BEGIN X509 CRL-----", 24) != NULL;
	if (any)
		r = gnutls_x509_trust_list_add_trust_mem(trust, NULL, &text, GNUTLS_X509_FMT_PEM,
			GNUTLS_TL_VERIFY_CRL | GNUTLS_TL_FAIL_ON_INVALID_CRL, 0);
	gnutls_free(text.data);
	if (!any || r > 0)
		return true;
	*error = str_printf(a, "%s: no revocation list of one of its authorities could be read from "
		"it%s%s", ca_file, r < 0 ? ": " : "", r < 0 ? gnutls_strerror(r) : "");
	return false;
}

bool tls_config_trust_servers(struct tls_config *c, const char *ca_file, struct arena *a,
	struct str *error)
{
	BUG_ON(c->server_trust);
	return load_authorities(&c->server_trust, ca_file, a, error) &&
	       (!ca_file || load_revoked(c->server_trust, ca_file, a, error));
}

static gnutls_x509_trust_list_t system_trust(struct tls_config *c)
{
	pthread_mutex_lock(&c->lock);
	if (!c->system_trust) {
		c->system_trust = new_trust();
		/* A system without authorities believes nobody, which is no error. */
		gnutls_x509_trust_list_add_system_trust(c->system_trust, 0, 0);
	}
	pthread_mutex_unlock(&c->lock);
	return c->system_trust;
}

gnutls_x509_trust_list_t tls_config_client_trust(struct tls_config *c)
{
	return c->client_trust ? c->client_trust : system_trust(c);
}

gnutls_x509_trust_list_t tls_config_server_trust(struct tls_config *c)
{
	return c->server_trust ? c->server_trust : system_trust(c);
}

static void add_host(struct tls_config *c, struct str name)
{
	struct tls_config_host *h = &c->hosts[c->n++];
	char buf[NAME_MAX_BYTES];
	struct str low = lower(name, buf);
	char *own = xmalloc(low.n);

	if (low.n)
		memcpy(own, low.p, low.n);
	h->name = str_from(own, low.n);
	BUG_ON(gnutls_certificate_allocate_credentials(&h->cred) < 0);
	if (!map_get(&c->by_name, h->name))
		map_put(&c->by_name, &h->node);
}

struct tls_config *tls_config_new(const struct tls_host *hosts, size_t n, const char *ca_file,
	const uint8_t ticket_key[64], struct arena *a, struct str *error)
{
	BUG_ON(!n);
	struct tls_config *c = xcalloc(1, sizeof *c + n * sizeof c->hosts[0]);

	atomic_init(&c->refs, 1);
	memcpy(c->ticket_key, ticket_key, sizeof c->ticket_key);
	map_init(&c->by_name, host_key);
	pthread_mutex_init(&c->lock, NULL);
	bool ok = load_authorities(&c->client_trust, ca_file, a, error);
	for (size_t i = 0; ok && i < n; i++) {
		add_host(c, hosts[i].name);
		ok = load_host(&c->hosts[i], &hosts[i], a, error);
	}
	if (!ok)
		tls_config_unref(&c);
	return c;
}

struct tls_config *tls_config_ref(struct tls_config *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

static void free_trust(gnutls_x509_trust_list_t list)
{
	if (list)
		gnutls_x509_trust_list_deinit(list, 1);
}

void tls_config_unref(struct tls_config **p)
{
	struct tls_config *c = *p;

	*p = NULL;
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < c->n; i++) {
		gnutls_certificate_free_credentials(c->hosts[i].cred);
		free((char *)c->hosts[i].name.p);
	}
	map_clear(&c->by_name);
	free_trust(c->client_trust);
	free_trust(c->server_trust);
	free_trust(c->system_trust);
	pthread_mutex_destroy(&c->lock);
	wipe(c->ticket_key, sizeof c->ticket_key);
	free(c);
}
