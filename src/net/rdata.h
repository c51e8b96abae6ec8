/* What stands in DNS records, as bytes (rdata), and which addresses are of use. Bytes of
 * anybody: what is not right to the last byte is refused. */
#ifndef NET_RDATA_H
#define NET_RDATA_H

#include "net/dns.h"
#include "net/tls.h"

#include <sys/socket.h>

/* RFC 2782 */
struct srv {
	uint16_t priority, weight, port;
	char target[DNS_NAME_MAX + 1]; /* in small letters; "": the root, "there is no service" */
};

/* A target of letters, digits, hyphens and underscores, not compressed. */
bool rdata_srv(struct str rdata, struct srv *out);

/* RFC 6698 section 2.1. The data is a part of the rdata. */
bool rdata_tlsa(struct str rdata, struct tls_tlsa *out);

/* An address of type DNS_A or DNS_AAAA with a port. Returns its length, or 0. */
socklen_t rdata_address(enum dns_type type, struct str rdata, uint16_t port,
	struct sockaddr_storage *out);

enum reach {
	REACH_NOBODY, /* unspecified, multicast, broadcast, reserved, IPv4 in disguise */
	REACH_HERE,   /* this machine's loopback */
	REACH_LINK,   /* of the link alone */
	REACH_OTHERS
};

/* Whom an address reaches (RFC 6890). */
enum reach address_reach(const struct sockaddr_storage *at);

#endif
