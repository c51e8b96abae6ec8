/* Between the files of TLS: tls.c, tls_config.c, tls_binding.c, tls_peer.c. */
#ifndef NET_TLS_PRIVATE_H
#define NET_TLS_PRIVATE_H

#include "net/tls.h"

#include "base/bug.h"
#include "base/map.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdatomic.h>

#define FINISHED_MAX  48 /* verify_data with SHA-384 */
#define END_POINT_MAX 64 /* a digest of SHA-512 */
#define CHAIN_MAX     8  /* certificates that a peer shows */

struct tls {
	gnutls_session_t session;
	struct tls_config *config;              /* of a server, and of one that calls another */
	const struct tls_config_host *host_config; /* in it: whose certificate is shown */
	gnutls_certificate_credentials_t trust; /* of a client that verifies */
	char *host;                             /* the name that it verifies */
	struct str in;                          /* bytes from the wire, not yet read */
	struct buf *wire;                       /* where the running call sends */
	const char *error;
	bool client;
	uint8_t finished_len;
	uint8_t finished[FINISHED_MAX];         /* the one that tls-unique is made of */
};

struct tls_config_host {
	struct map_node node;
	struct str name; /* lower case; owned */
	gnutls_certificate_credentials_t cred;
	uint8_t end_point[END_POINT_MAX]; /* tls-server-end-point of its certificate */
	size_t n_end_point;               /* 0: there is none */
};

struct tls_config {
	atomic_uint refs;
	uint8_t ticket_key[64];
	gnutls_x509_trust_list_t client_trust; /* NULL: the system's */
	gnutls_x509_trust_list_t server_trust; /* likewise */
	pthread_mutex_t lock;                  /* of the next */
	gnutls_x509_trust_list_t system_trust; /* NULL: not loaded yet */
	struct map by_name;
	size_t n;
	struct tls_config_host hosts[];
};

/* The authorities that certificates of clients, and of servers, are checked against. The system's
 * take some milliseconds and 4 MB, and are loaded when the first peer shows a certificate. */
gnutls_x509_trust_list_t tls_config_client_trust(struct tls_config *c);
gnutls_x509_trust_list_t tls_config_server_trust(struct tls_config *c);

/* The host of a name (ASCII) that a client asks for, else of the closest domain that the name is
 * within, whose certificate should be for its services too; the first one for any other. */
const struct tls_config_host *tls_config_find(struct tls_config *c, struct str name);

/* A peer's certificates, leaf first, as they came. */
struct tls_chain {
	gnutls_x509_crt_t crt[CHAIN_MAX];
	const gnutls_datum_t *der; /* the session's */
	unsigned n;                /* 0: it showed none */
};

/* False, and nothing to be cleared, when there are too many or one is none. */
bool tls_chain_read(struct tls_chain *chain, struct tls *t);
void tls_chain_clear(struct tls_chain *chain);

/* A new session of either side; a client's host is a name, or an address that is not told. */
enum tls_side { SIDE_SERVER, SIDE_CLIENT, SIDE_CLIENT_12, SIDES };
struct tls *tls_new(enum tls_side side, unsigned init_flags, unsigned flags);
void tls_name_server(struct tls *t, struct str host);

/* The data of tls-server-end-point for a certificate; its length, 0 where it has none. */
size_t tls_end_point(const gnutls_datum_t *der, uint8_t out[END_POINT_MAX]);

#endif
