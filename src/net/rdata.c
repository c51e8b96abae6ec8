#include "net/rdata.h"

#include <netinet/in.h>

#define LABEL_MAX 63

static uint16_t u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* A letter, digit, hyphen or underscore, as a small letter; 0 for anything else. */
static char host_char(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c | 0x20);
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
		return (char)c;
	return '\0';
}

/* A name on the wire, which ends where the bytes do. A compression pointer has a length that no
 * label has. */
static bool read_name(const uint8_t *p, size_t n, char out[DNS_NAME_MAX + 1])
{
	size_t at = 0, len = 0;

	while (at < n && p[at] != 0) {
		size_t label = p[at++], dot = len > 0;
		if (label > LABEL_MAX || label > n - at || len + dot + label > DNS_NAME_MAX)
			return false;
		if (dot)
			out[len++] = '.';
		for (size_t i = 0; i < label; i++, len++)
			if (!(out[len] = host_char(p[at + i])))
				return false;
		at += label;
	}
	out[len] = '\0';
	return at + 1 == n;
}

bool rdata_srv(struct str rdata, struct srv *out)
{
	const uint8_t *p = (const uint8_t *)rdata.p;

	if (rdata.n < 7)
		return false;
	out->priority = u16(p);
	out->weight = u16(p + 2);
	out->port = u16(p + 4);
	return read_name(p + 6, rdata.n - 6, out->target);
}

bool rdata_tlsa(struct str rdata, struct tls_tlsa *out)
{
	const uint8_t *p = (const uint8_t *)rdata.p;

	if (rdata.n < 4)
		return false;
	*out = (struct tls_tlsa){ p[0], p[1], p[2], str_skip(rdata, 3) };
	return true;
}

socklen_t rdata_address(enum dns_type type, struct str rdata, uint16_t port,
	struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	*out = (struct sockaddr_storage){ 0 };
	if (type == DNS_A && rdata.n == sizeof in->sin_addr) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, rdata.p, rdata.n);
		return sizeof *in;
	}
	if (type == DNS_AAAA && rdata.n == sizeof in6->sin6_addr) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, rdata.p, rdata.n);
		return sizeof *in6;
	}
	return 0;
}

static enum reach reach_4(uint32_t ip)
{
	uint32_t first = ip >> 24;

	if (first == 0 || first >= 224)
		return REACH_NOBODY;
	if (first == 127)
		return REACH_HERE;
	return ip >> 16 == 0xa9fe ? REACH_LINK : REACH_OTHERS; /* 169.254.0.0/16 */
}

static enum reach reach_6(const struct in6_addr *ip)
{
	if (IN6_IS_ADDR_LOOPBACK(ip))
		return REACH_HERE;
	/* IPv4 that would pass for something else. */
	if (IN6_IS_ADDR_V4COMPAT(ip) || IN6_IS_ADDR_UNSPECIFIED(ip) || IN6_IS_ADDR_V4MAPPED(ip) ||
	    IN6_IS_ADDR_MULTICAST(ip))
		return REACH_NOBODY;
	return IN6_IS_ADDR_LINKLOCAL(ip) ? REACH_LINK : REACH_OTHERS;
}

enum reach address_reach(const struct sockaddr_storage *at)
{
	if (at->ss_family == AF_INET)
		return reach_4(ntohl(((const struct sockaddr_in *)at)->sin_addr.s_addr));
	if (at->ss_family == AF_INET6)
		return reach_6(&((const struct sockaddr_in6 *)at)->sin6_addr);
	return REACH_NOBODY;
}
