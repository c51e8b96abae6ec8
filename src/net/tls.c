/* One side of a TLS connection over bytes in memory. */
#include "net/tls_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define HANDSHAKE_MAX (32 * 1024) /* bytes of one message from a client, or from a server */

#define CIPHERS "+AES-128-GCM:+CHACHA20-POLY1305:+AES-256-GCM"
#define COMMON                                                                            \
	"-CIPHER-ALL:" CIPHERS ":-MAC-ALL:+AEAD:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"          \
	"-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:"                      \
	"-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1"

/* Parsed once for the process. */
static gnutls_priority_t priorities[SIDES];
static gnutls_certificate_credentials_t trusts_anybody;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void set_up_process(void)
{
	static const char *const texts[SIDES] = {
		[SIDE_SERVER] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:" COMMON
				":%SERVER_PRECEDENCE",
		[SIDE_CLIENT] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:" COMMON,
		[SIDE_CLIENT_12] = "NORMAL:-VERS-ALL:+VERS-TLS1.2:" COMMON,
	};

	for (int i = 0; i < SIDES; i++)
		BUG_ON(gnutls_priority_init(&priorities[i], texts[i], NULL) < 0);
	BUG_ON(gnutls_certificate_allocate_credentials(&trusts_anybody) < 0);
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *to, size_t max)
{
	struct tls *t = ptr;

	if (!t->in.n) {
		gnutls_transport_set_errno(t->session, EAGAIN);
		return -1;
	}
	struct str got = str_head(t->in, max);
	memcpy(to, got.p, got.n);
	t->in = str_skip(t->in, got.n);
	return (ssize_t)got.n;
}

/* GnuTLS asks when it would wait for a ticket. */
static int pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
	struct tls *t = ptr;

	return t->in.n > 0;
}

static ssize_t push(gnutls_transport_ptr_t ptr, const void *p, size_t n)
{
	struct tls *t = ptr;

	buf_add(t->wire, str_from(p, n));
	if (buf_ok(t->wire))
		return (ssize_t)n;
	gnutls_transport_set_errno(t->session, EIO);
	return -1;
}

/* Keeps the Finished message that comes first: the client's, or the server's when the session
 * was resumed in TLS 1.2 (RFC 5929 section 3.1), and the same ones in TLS 1.3. */
static int keep_finished(gnutls_session_t s, unsigned type, unsigned when, unsigned incoming,
	const gnutls_datum_t *msg)
{
	struct tls *t = gnutls_session_get_ptr(s);
	bool from_client = t->client ? !incoming : incoming;

	if (from_client == (gnutls_session_is_resumed(s) != 0) || msg->size > FINISHED_MAX)
		return 0;
	memcpy(t->finished, msg->data, msg->size);
	t->finished_len = (uint8_t)msg->size;
	return 0;
}

static int choose_host(gnutls_session_t s)
{
	struct tls *t = gnutls_session_get_ptr(s);
	char name[256];
	size_t n = sizeof name;
	unsigned type;

	if (gnutls_server_name_get(s, name, &n, &type, 0) < 0 || type != GNUTLS_NAME_DNS)
		n = 0;
	t->host_config = tls_config_find(t->config, str_from(name, n));
	return gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, t->host_config->cred);
}

/* XEP-0368 section 3, in the order of the flags TLS_ALPN and TLS_ALPN_SERVER. */
static void speak_alpn(struct tls *t, enum tls_side side, unsigned flags)
{
	static const char *const names[] = { "xmpp-client", "xmpp-server" };
	const char *name = names[(flags & TLS_ALPN_SERVER) != 0];
	const gnutls_datum_t alpn = { (unsigned char *)name, (unsigned)strlen(name) };

	BUG_ON(gnutls_alpn_set_protocols(t->session, &alpn, 1,
		       side == SIDE_SERVER ? GNUTLS_ALPN_MANDATORY : 0) < 0);
}

struct tls *tls_new(enum tls_side side, unsigned init_flags, unsigned flags)
{
	struct tls *t = xcalloc(1, sizeof *t);

	pthread_once(&once, set_up_process);
	BUG_ON(gnutls_init(&t->session, init_flags | GNUTLS_NONBLOCK) < 0);
	BUG_ON(gnutls_priority_set(t->session, priorities[side]) < 0);
	if (flags & (TLS_ALPN | TLS_ALPN_SERVER))
		speak_alpn(t, side, flags);
	gnutls_handshake_set_max_packet_length(t->session, HANDSHAKE_MAX);
	gnutls_session_set_ptr(t->session, t);
	gnutls_transport_set_ptr(t->session, t);
	gnutls_transport_set_pull_function(t->session, pull);
	gnutls_transport_set_pull_timeout_function(t->session, pull_timeout);
	gnutls_transport_set_push_function(t->session, push);
	gnutls_handshake_set_hook_function(t->session, GNUTLS_HANDSHAKE_FINISHED,
		GNUTLS_HOOK_POST, keep_finished);
	t->error = "";
	t->client = side != SIDE_SERVER;
	return t;
}

struct tls *tls_server_new(struct tls_config *c, unsigned flags)
{
	struct tls *t = tls_new(SIDE_SERVER, GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET, flags);
	const gnutls_datum_t key = { c->ticket_key, sizeof c->ticket_key };

	t->config = tls_config_ref(c);
	t->host_config = &c->hosts[0];
	gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->host_config->cred);
	gnutls_handshake_set_post_client_hello_function(t->session, choose_host);
	BUG_ON(gnutls_session_ticket_enable_server(t->session, &key) < 0);
	if (flags & TLS_ASK_CERT)
		gnutls_certificate_server_set_request(t->session, GNUTLS_CERT_REQUEST);
	return t;
}

static void verify_server(struct tls *t, const char *ca_file)
{
	BUG_ON(gnutls_certificate_allocate_credentials(&t->trust) < 0);
	/* Who has no authorities believes no server; the handshake tells. */
	if (ca_file)
		gnutls_certificate_set_x509_trust_file(t->trust, ca_file, GNUTLS_X509_FMT_PEM);
	else
		gnutls_certificate_set_x509_system_trust(t->trust);
	gnutls_session_set_verify_cert(t->session, t->host, 0);
}

static bool is_address(const char *host)
{
	struct in6_addr any;

	return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

void tls_name_server(struct tls *t, struct str host)
{
	t->host = xmalloc(host.n + 1);
	if (host.n)
		memcpy(t->host, host.p, host.n);
	t->host[host.n] = '\0';
	if (host.n && !is_address(t->host))
		gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, host.p, host.n);
}

struct tls *tls_client_new(struct str host, unsigned flags, const char *ca_file,
	struct str session)
{
	enum tls_side side = flags & TLS_ONLY_12 ? SIDE_CLIENT_12 : SIDE_CLIENT;
	struct tls *t = tls_new(side, GNUTLS_CLIENT, flags);

	tls_name_server(t, host);
	if (!(flags & TLS_NO_VERIFY))
		verify_server(t, ca_file);
	gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE,
		t->trust ? t->trust : trusts_anybody);
	if (session.n) /* one that cannot be used makes a full handshake */
		gnutls_session_set_data(t->session, session.p, session.n);
	return t;
}

void tls_free(struct tls **p)
{
	struct tls *t = *p;

	if (!t)
		return;
	gnutls_deinit(t->session);
	if (t->trust)
		gnutls_certificate_free_credentials(t->trust);
	tls_config_unref(&t->config);
	free(t->host);
	free(t);
	*p = NULL;
}

void tls_input(struct tls *t, struct str wire)
{
	t->in = wire;
}

/* Tells the peer why, except where the peer told us. */
static enum tls_status failed(struct tls *t, int why)
{
	if (why == GNUTLS_E_FATAL_ALERT_RECEIVED) {
		const char *name = gnutls_alert_get_name(gnutls_alert_get(t->session));
		t->error = name ? name : "alert";
		return TLS_FAILED;
	}
	t->error = gnutls_strerror(why);
	gnutls_alert_send_appropriate(t->session, why);
	return TLS_FAILED;
}

static enum tls_status secured(struct tls *t)
{
	gnutls_handshake_set_hook_function(t->session, GNUTLS_HANDSHAKE_FINISHED, 0, NULL);
	/* One ticket where GnuTLS would send two: a client that comes back gets a new one. */
	if (!t->client && tls_is_13(t))
		gnutls_session_ticket_send(t->session, 1, 0);
	return TLS_OK;
}

enum tls_status tls_handshake(struct tls *t, struct buf *wire)
{
	size_t before;
	int r;

	t->wire = wire;
	do {
		before = t->in.n;
		r = gnutls_handshake(t->session);
		if (r == 0)
			return secured(t);
		if (gnutls_error_is_fatal(r))
			return failed(t, r);
		if (!t->in.n)
			return TLS_MORE;
	} while (t->in.n < before);
	return failed(t, GNUTLS_E_UNEXPECTED_PACKET);
}

enum tls_status tls_read(struct tls *t, char *p, size_t max, size_t *n, struct buf *wire)
{
	t->wire = wire;
	*n = 0;
	while (t->in.n || gnutls_record_check_pending(t->session)) {
		size_t before = t->in.n;
		ssize_t r = gnutls_record_recv(t->session, p, max);
		if (r > 0) {
			*n = (size_t)r;
			return TLS_OK;
		}
		if (r == 0)
			return TLS_CLOSED;
		if (gnutls_error_is_fatal((int)r))
			return failed(t, (int)r);
		/* A new handshake is asked for, or something that does not get on. */
		if (r == GNUTLS_E_REHANDSHAKE || t->in.n == before)
			return failed(t, GNUTLS_E_UNEXPECTED_PACKET);
	}
	return TLS_MORE;
}

enum tls_status tls_write(struct tls *t, struct str bytes, struct buf *wire)
{
	t->wire = wire;
	while (bytes.n) {
		ssize_t r = gnutls_record_send(t->session, bytes.p, bytes.n);
		if (r <= 0) {
			t->error = gnutls_strerror((int)r);
			return TLS_FAILED;
		}
		bytes = str_skip(bytes, (size_t)r);
	}
	return TLS_OK;
}

void tls_bye(struct tls *t, struct buf *wire)
{
	t->wire = wire;
	gnutls_bye(t->session, GNUTLS_SHUT_WR);
}

const char *tls_error(const struct tls *t)
{
	return t->error;
}

bool tls_is_13(const struct tls *t)
{
	return gnutls_protocol_get_version(t->session) == GNUTLS_TLS1_3;
}

bool tls_resumed(const struct tls *t)
{
	return gnutls_session_is_resumed(t->session) != 0;
}

struct str tls_session(struct tls *t, struct arena *a)
{
	gnutls_datum_t data;

	/* In TLS 1.3 there is nothing before the server's ticket, and GnuTLS would wait for it. */
	if (tls_is_13(t) && !(gnutls_session_get_flags(t->session) & GNUTLS_SFLAGS_SESSION_TICKET))
		return STR_NULL;
	if (gnutls_session_get_data2(t->session, &data) < 0)
		return STR_NULL;
	struct str s = str_dup(a, str_from((const char *)data.data, data.size));
	gnutls_free(data.data);
	return s;
}

struct str tls_describe(struct tls *t, struct arena *a)
{
	const char *group = gnutls_group_get_name(gnutls_group_get(t->session));

	return str_printf(a, "%s %s %s",
		gnutls_protocol_get_name(gnutls_protocol_get_version(t->session)),
		gnutls_cipher_get_name(gnutls_cipher_get(t->session)), group ? group : "-");
}
