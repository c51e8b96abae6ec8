/* Where the servers of a domain are: SRV records, addresses, and TLSA records for DANE.
 *
 * RFC 6120 section 3.2 and XEP-0368 1.1: _xmpps-server (TLS from the first byte) and
 * _xmpp-server are taken together, by priority and weight (RFC 2782); where there are none, the
 * domain itself at port 5269. RFC 8305 section 4: addresses of IPv6 and IPv4 in turn. RFC 7673
 * and RFC 7712: TLSA records of a target where all that leads there is secure; a target whose
 * TLSA records cannot be had, or are bogus, is left out then.
 *
 * Bogus answers are not used, and nothing takes their place. Addresses that nobody can have are
 * left out, and so are those of this machine and its link: else whoever has a domain could
 * make us speak to what listens here for us alone (struct dns_options has a switch for those of
 * this machine). A route of the configuration may name any address. */
#ifndef NET_LOCATE_H
#define NET_LOCATE_H

#include "net/dns.h"
#include "net/tls.h"

#include <sys/socket.h>

#define LOCATE_PORT          5269
#define LOCATE_MAX           16 /* endpoints */
#define LOCATE_TARGETS_MAX   8  /* the first ones in order */
#define LOCATE_ADDRESSES_MAX 4  /* of one target */
#define LOCATE_TLSA_MAX      16 /* of one target, the first ones */

struct endpoint {
	struct sockaddr_storage addr;  /* with the port */
	socklen_t addr_len;
	uint16_t port;
	bool direct;                   /* TLS from the first byte (XEP-0368) */
	bool secure;                   /* what led here was validated: a certificate may be for the
					* target, too (RFC 7673 section 4.1) */
	struct str target;             /* the host (A-labels) that SRV or the route named, else the
					* domain; followed by a NUL */
	const struct tls_tlsa *tlsa;   /* of the target and port */
	size_t n_tlsa;
};

enum locate_status {
	LOCATE_OK,     /* there is one endpoint at least */
	LOCATE_NONE,   /* no such domain, no address, or it says that it has no such service */
	LOCATE_FAILED, /* DNS did not answer */
	LOCATE_BOGUS   /* DNS answered, and validation failed */
};

struct location {
	enum locate_status status;
	bool secure;   /* SRV records (or that there are none) and addresses were all validated */
	uint32_t ttl;  /* seconds that this may be used, or is so; 0 for LOCATE_FAILED */
	struct endpoint *endpoints; /* in the order to try them */
	size_t n;
	struct arena arena;
};

/* One look-up. */
struct locate_op {
	struct mail mail;
	struct mailbox *home;
	void (*done)(struct locate_op *op, void *receiver);
	struct location *location; /* the result; who takes it away sets it to NULL */
	struct locate_work *work;  /* of this file */
	void *ctx;                 /* of the caller, ctx_size bytes, zeroed */
};

/* A new look-up; `done` is called on the loop of `home`, never from within the calls below,
 * and must locate_op_free() it. To be made and submitted on that loop. */
struct locate_op *locate_op_new(struct mailbox *home, void (*done)(struct locate_op *, void *),
	size_t ctx_size);

/* With its location, if that is still there. */
void locate_op_free(struct locate_op *op);

/* Looks up a domain (a canonical domainpart; its A-labels are made here). One that is an IP
 * address, "192.0.2.1" or "[2001:db8::1]", is at that address. */
void locate(struct dns *d, struct locate_op *op, struct str domain);

/* A fixed place: "host:port", "192.0.2.1:5269", "[2001:db8::1]:5269"; without a port it is 5269.
 * A host's addresses are looked up. LOCATE_NONE also when it is none of these. */
void locate_route(struct dns *d, struct locate_op *op, struct str route, bool direct);

/* Whether locate_route() can make something of it; for the configuration. */
bool locate_is_route(struct str route);

/* Does nothing for NULL. */
void location_free(struct location **l);

#endif
