/* TLS by GnuTLS, as a filter between bytes in memory: no socket here (net/conn.h has those).
 *
 * TLS 1.2 and 1.3 with today's ciphers, session tickets, one certificate per host chosen by
 * SNI. A configuration is a snapshot with a count of references: reloading makes a new one,
 * connections keep theirs. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/arena.h"
#include "base/buf.h"

struct tls_config;
struct tls;

struct tls_host {
	struct str name;         /* ASCII (A-label) domain for SNI; the first host is the default */
	const char *cert_file;   /* PEM, the chain */
	const char *key_file;    /* PEM */
};

/* Reads certificates and keys. NULL with a message for people in *error (in the arena) that
 * names the file. ca_file: PEM of the authorities that client certificates are checked
 * against; NULL: the system's. ticket_key: 64 random bytes of the process, the same for every
 * snapshot so that tickets outlive a reload. */
struct tls_config *tls_config_new(const struct tls_host *hosts, size_t n, const char *ca_file,
	const uint8_t ticket_key[64], struct arena *a, struct str *error);
struct tls_config *tls_config_ref(struct tls_config *c);
void tls_config_unref(struct tls_config **c);

/* Makes an ECDSA P-256 key and a self-signed certificate for the domains (the first is the
 * common name, all are dNSName; valid for ten years), as PEM files, the key with mode 0600.
 * False with a message in *error. */
bool tls_make_self_signed(const char *cert_file, const char *key_file, const struct str *domains,
	size_t n, struct arena *a, struct str *error);

enum tls_flags {
	TLS_ASK_CERT = 1,   /* server: ask for a client certificate, accept none or a bad one */
	TLS_ALPN = 2,       /* direct TLS (XEP-0368). Server: accept ALPN "xmpp-client"; a client
			     * that offers ALPN without it is refused, one that offers none is
			     * served. Client: offer it */
	TLS_NO_VERIFY = 4,  /* client: any certificate; for tests and the bench */
	TLS_ONLY_12 = 8,    /* client: no TLS 1.3; for tests and the bench */
	TLS_ALPN_SERVER = 16 /* as TLS_ALPN, with "xmpp-server" */
};

/* A new server or client side. host (client): SNI and the name that the certificate must
 * carry. session (client): what tls_session() gave before, or empty. */
struct tls *tls_server_new(struct tls_config *c, unsigned flags);
struct tls *tls_client_new(struct str host, unsigned flags, const char *ca_file,
	struct str session);
void tls_free(struct tls **t);

enum tls_status { TLS_OK, TLS_MORE, TLS_CLOSED, TLS_FAILED };

/* Bytes from the wire for the calls that follow; borrowed until they answer TLS_MORE, after
 * which all of them have been taken in. */
void tls_input(struct tls *t, struct str wire);

/* Goes on with the handshake; what must be sent is added to `wire`. TLS_OK when it is done,
 * TLS_MORE when it needs input, TLS_FAILED (an alert may be in wire; see tls_error()). */
enum tls_status tls_handshake(struct tls *t, struct buf *wire);

/* Decrypts into p (max bytes). TLS_OK with *n bytes; TLS_MORE when the input is used up;
 * TLS_CLOSED after close_notify. Renegotiation is refused. */
enum tls_status tls_read(struct tls *t, char *p, size_t max, size_t *n, struct buf *wire);

/* Encrypts bytes onto wire, in as few records as they fit in. */
enum tls_status tls_write(struct tls *t, struct str bytes, struct buf *wire);

/* Adds close_notify to wire. */
void tls_bye(struct tls *t, struct buf *wire);

/* A word about what failed, for the log. */
const char *tls_error(const struct tls *t);

bool tls_is_13(const struct tls *t);
bool tls_resumed(const struct tls *t);

/* Bits of tls_binding(): what a connection has. */
enum tls_binding { TLS_EXPORTER, TLS_END_POINT, TLS_UNIQUE };

/* Channel binding data, after the handshake, in the arena; empty where there is none: the
 * exporter and unique in TLS 1.2 without the extended master secret (RFC 7627), the end point
 * for a server whose session was resumed (it showed no certificate) or whose certificate's
 * signature has no hash.
 * TLS_UNIQUE: the first Finished message. RFC 8446 leaves it undefined for TLS 1.3, where
 * this gives what OpenSSL's clients take for it: the client's Finished (the server's when the
 * session was resumed). */
struct str tls_binding(struct tls *t, enum tls_binding kind, struct arena *a);

/* The xmppAddr and, where there is none, nothing: addresses of a client certificate that is
 * valid under the configured authorities (RFC 6120 section 13.7.1.4), at most max, in the
 * arena. Returns how many. */
size_t tls_client_addresses(struct tls *t, struct str *out, size_t max, struct arena *a);

/* ---- between servers (net/tls_peer.c) ---- */

/* A server of ours that calls another one. It shows the certificate of our host `own` (canonical;
 * TLS_ALPN_SERVER in flags: with direct TLS) when it is asked for one, and names the canonical
 * domain `host` (SNI). The handshake takes any certificate; tls_check_peer() tells what it is
 * worth. No session is resumed. The other side is tls_server_new() with TLS_ASK_CERT. */
struct tls *tls_peer_new(struct tls_config *c, struct str own, struct str host, unsigned flags);

/* Authorities that certificates of servers are checked against, in both roles; where it was not
 * called, the system's. ca_file: PEM, which may have revocation lists of them too; NULL: the
 * system's. Before the configuration is shared. False with a message for people in *error (in the
 * arena) that names the file. */
bool tls_config_trust_servers(struct tls_config *c, const char *ca_file, struct arena *a,
	struct str *error);

/* What DNS says of a certificate, RFC 6698 section 2.1. */
struct tls_tlsa {
	uint8_t usage, selector, matching;
	struct str data;
};

/* SHA-256 of a certificate's SubjectPublicKeyInfo. */
struct tls_pin {
	uint8_t sha256[32];
};

/* How a certificate is judged beyond the authorities. */
struct tls_peer_rules {
	const struct tls_pin *pins; /* if there are any, one has to fit, and suffices */
	size_t n_pins;
	const struct tls_tlsa *tlsa; /* from DNS by way of DNSSEC; if one is usable, one has to fit
				      * (RFC 7673 section 4); those that are not usable count as none */
	size_t n_tlsa;
	struct str target; /* host that DNS names for the domain by way of DNSSEC, A-labels: the
			    * certificate may be for it as well (RFC 7673 section 4.1); else empty */
};

enum tls_peer {
	TLS_PEER_OK,
	TLS_PEER_NO_CERT,
	TLS_PEER_UNTRUSTED,   /* no authority of ours, a bad signature, or no certificate at all */
	TLS_PEER_OUT_OF_TIME, /* expired or not valid yet, it or one that signed it */
	TLS_PEER_REVOKED,
	TLS_PEER_WRONG_NAME,
	TLS_PEER_WRONG_PIN,
	TLS_PEER_WRONG_TLSA
};

/* What the peer's certificate is worth for a canonical domain after the handshake, in both roles
 * and for a resumed session too. Names by RFC 6120 section 13.7.1.2 and RFC 6125: SRVName
 * "_xmpp-server." and the domain, dNSName (also with "*" as its whole first label), xmppAddr, and
 * the common name where there are none of these. Extended key usage is not looked at, as public
 * authorities issue no certificates for clients any more. NULL for rules: none. */
enum tls_peer tls_check_peer(struct tls *t, struct str domain, const struct tls_peer_rules *r);

/* For people: "is for another domain" and the like, to be read behind "the certificate". */
struct str tls_peer_words(enum tls_peer p);

/* When the next certificate of the chain that the peer showed ends after a time, both in seconds
 * since 1970; 0: none does (RFC 6120 section 13.7.2.3: streams do not outlive those they depend
 * on). */
uint64_t tls_peer_expires(struct tls *t, uint64_t after);

/* Version, cipher and group for people, "TLS1.3 AES-128-GCM X25519"; in the arena. */
struct str tls_describe(struct tls *t, struct arena *a);

/* Client: what to give to tls_client_new() for resumption; empty if there is nothing yet. */
struct str tls_session(struct tls *t, struct arena *a);

#endif
