/* For tests: a DNS server on loopback, over UDP and TCP, with the records of the test. It can be
 * told to misbehave for a name, and signs what is in "example" (RFC 4034, Ed25519 by RFC 8080;
 * that there is nothing is proven by an NSEC record of the name itself). */
#ifndef NET_TESTING_DNS_H
#define NET_TESTING_DNS_H

#include "base/base64.h"
#include "net/rdata.h"
#include "net/testing.h"

#include <gnutls/abstract.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#define ZONE_TTL     300
#define ZONE_RR_MAX  1200
#define ZONE_UDP_MAX 1232
#define TYPE_CNAME   5
#define TYPE_SOA     6
#define TYPE_RRSIG   46
#define TYPE_NSEC    47
#define TYPE_DNSKEY  48
#define ED25519      15

enum manner {
	M_RIGHT,
	M_SILENT,
	M_REFUSES,   /* SERVFAIL */
	M_TRUNCATED, /* over UDP: nothing but the bit that says so */
	M_SHORT,     /* the answer ends within a record */
	M_LONG_DATA, /* a record says that it is longer than the answer */
	M_LOOP,      /* a compressed name that points at itself */
	M_JUNK,      /* bytes without a sense behind the header */
	M_FORGED     /* signatures of somebody else */
};

struct rr {
	struct str name; /* on the wire */
	uint16_t type;
	struct str data;
};

struct zone {
	struct arena arena;
	struct rr rr[ZONE_RR_MAX];
	size_t n;
	struct {
		struct str name;
		enum manner manner;
	} manners[8];
	size_t n_manners;
	gnutls_privkey_t key;
	struct str dnskey, apex;
	char anchor[40], server[32];
	int udp, tcp, stop;
	atomic_uint questions, over_tcp;
	pthread_t thread;
};

static inline void put_16(struct buf *b, unsigned v)
{
	buf_byte(b, (char)(v >> 8));
	buf_byte(b, (char)v);
}

static inline void put_32(struct buf *b, uint32_t v)
{
	put_16(b, v >> 16);
	put_16(b, v & 0xffff);
}

static inline struct str kept(struct arena *a, struct buf *b)
{
	struct str s = str_dup(a, buf_str(b));

	assert_true(buf_ok(b));
	buf_clear(b);
	return s;
}

/* "a.example" on the wire; "" is the root. */
static inline struct str wire_name(struct arena *a, const char *text)
{
	struct str s = str_c(text);
	struct buf b;

	buf_init(&b, 512);
	while (s.n) {
		ptrdiff_t dot = str_find(s, '.');
		size_t label = dot < 0 ? s.n : (size_t)dot;
		buf_byte(&b, (char)label);
		buf_add(&b, str_head(s, label));
		s = str_skip(s, label + 1);
	}
	buf_byte(&b, '\0');
	return kept(a, &b);
}

static inline struct str srv_data(struct arena *a, unsigned priority, unsigned weight,
	unsigned port, const char *target)
{
	struct buf b;

	buf_init(&b, 512);
	put_16(&b, priority);
	put_16(&b, weight);
	put_16(&b, port);
	buf_add(&b, wire_name(a, target));
	return kept(a, &b);
}

/* ---- the zone, before zone_start() ---- */

static inline void zone_raw(struct zone *z, const char *name, unsigned type, struct str data)
{
	assert_true(z->n < ZONE_RR_MAX);
	z->rr[z->n++] = (struct rr){ wire_name(&z->arena, name), (uint16_t)type,
		str_dup(&z->arena, data) };
}

static inline void zone_srv(struct zone *z, const char *name, unsigned priority, unsigned weight,
	unsigned port, const char *target)
{
	zone_raw(z, name, DNS_SRV, srv_data(&z->arena, priority, weight, port, target));
}

/* Of either family. */
static inline void zone_address(struct zone *z, const char *name, const char *address)
{
	char bytes[16];
	bool v4 = inet_pton(AF_INET, address, bytes) == 1;

	assert_true(v4 || inet_pton(AF_INET6, address, bytes) == 1);
	zone_raw(z, name, v4 ? DNS_A : DNS_AAAA, str_from(bytes, v4 ? 4 : 16));
}

static inline void zone_cname(struct zone *z, const char *name, const char *target)
{
	zone_raw(z, name, TYPE_CNAME, wire_name(&z->arena, target));
}

static inline void zone_manner(struct zone *z, const char *name, enum manner manner)
{
	assert_true(z->n_manners < N_OF(z->manners));
	z->manners[z->n_manners].name = wire_name(&z->arena, name);
	z->manners[z->n_manners++].manner = manner;
}

static inline void make_key(struct zone *z)
{
	gnutls_pubkey_t public;
	gnutls_datum_t x;
	struct buf b;

	assert_int_equal(gnutls_privkey_init(&z->key), 0);
	assert_int_equal(gnutls_privkey_generate(z->key, GNUTLS_PK_EDDSA_ED25519, 0, 0), 0);
	assert_int_equal(gnutls_pubkey_init(&public), 0);
	assert_int_equal(gnutls_pubkey_import_privkey(public, z->key, 0, 0), 0);
	assert_int_equal(gnutls_pubkey_export_ecc_raw(public, NULL, &x, NULL), 0);
	buf_init(&b, 64);
	put_16(&b, 257); /* zone key, secure entry point */
	buf_byte(&b, 3);
	buf_byte(&b, ED25519);
	buf_add(&b, str_from((char *)x.data, x.size));
	z->dnskey = kept(&z->arena, &b);
	gnutls_free(x.data);
	gnutls_pubkey_deinit(public);
}

static inline void zone_init(struct zone *z)
{
	static const char template[] = "/tmp/stentor-anchor-XXXXXX";
	struct str key;

	*z = (struct zone){ 0 };
	arena_init(&z->arena, 16384);
	z->apex = wire_name(&z->arena, "example");
	make_key(z);
	zone_raw(z, "example", TYPE_DNSKEY, z->dnskey);
	memcpy(z->anchor, template, sizeof template);
	int fd = mkstemp(z->anchor);
	assert_true(fd >= 0);
	key = base64_str(&z->arena, str_skip(z->dnskey, 4));
	assert_true(dprintf(fd, "example. IN DNSKEY 257 3 15 %.*s\n", STR_FMT(key)) > 0);
	close(fd);
}

/* ---- signatures ---- */

/* RFC 4034 appendix B */
static inline unsigned key_tag(struct str dnskey)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < dnskey.n; i++)
		sum += i & 1 ? (uint8_t)dnskey.p[i] : (uint32_t)(uint8_t)dnskey.p[i] << 8;
	return (sum + (sum >> 16)) & 0xffff;
}

static inline bool is_signed(const struct zone *z, struct str name)
{
	return name.n >= z->apex.n &&
		str_eq(str_skip(name, name.n - z->apex.n), z->apex);
}

static inline unsigned labels(struct str name)
{
	unsigned n = 0;

	for (size_t at = 0; name.p[at]; at += (uint8_t)name.p[at] + 1u)
		n++;
	return n;
}

static inline void put_rr(struct buf *b, struct str name, unsigned type, struct str data)
{
	buf_add(b, name);
	put_16(b, type);
	put_16(b, 1);
	put_32(b, ZONE_TTL);
	put_16(b, (unsigned)data.n);
	buf_add(b, data);
}

static inline int by_data(const void *a, const void *b)
{
	return str_cmp(((const struct rr *)a)->data, ((const struct rr *)b)->data);
}

/* The signature of a set of records, RFC 4034 section 3.1.8.1. */
static inline void put_rrsig(struct zone *z, struct buf *out, struct rr *set, size_t n, bool forged)
{
	uint32_t now = (uint32_t)(clock_wall_us() / 1000000);
	struct buf head, all;
	gnutls_datum_t sig;

	buf_init(&head, 1024);
	put_16(&head, set[0].type);
	buf_byte(&head, ED25519);
	buf_byte(&head, (char)labels(set[0].name));
	put_32(&head, ZONE_TTL);
	put_32(&head, now + 86400);
	put_32(&head, now - 86400);
	put_16(&head, key_tag(z->dnskey));
	buf_add(&head, z->apex);
	buf_init(&all, 1 << 20);
	buf_add(&all, buf_str(&head));
	qsort(set, n, sizeof set[0], by_data);
	for (size_t i = 0; i < n; i++)
		put_rr(&all, set[i].name, set[i].type, set[i].data);
	gnutls_datum_t data = { (unsigned char *)all.p, (unsigned)all.n };
	BUG_ON(gnutls_privkey_sign_data2(z->key, GNUTLS_SIGN_EDDSA_ED25519, 0, &data, &sig) != 0);
	if (forged)
		sig.data[7] ^= 1;
	buf_add(&head, str_from((char *)sig.data, sig.size));
	put_rr(out, set[0].name, TYPE_RRSIG, buf_str(&head));
	gnutls_free(sig.data);
	buf_clear(&all);
	buf_clear(&head);
}

/* ---- answers ---- */

struct reply {
	struct buf bytes;
	unsigned answers, authority;
};

static inline void put_set(struct zone *z, struct reply *r, struct rr *set, size_t n,
	unsigned *section, bool forged)
{
	for (size_t i = 0; i < n; i++)
		put_rr(&r->bytes, set[i].name, set[i].type, set[i].data);
	*section += (unsigned)n;
	if (!is_signed(z, set[0].name))
		return;
	put_rrsig(z, &r->bytes, set, n, forged);
	++*section;
}

/* Which types a name has, RFC 4034 section 4.1.2: resolvers go by it for other questions, too. */
static inline struct str types_of(const struct zone *z, struct str name, uint8_t out[9])
{
	memset(out, 0, 9);
	out[1] = 7;
	for (size_t i = 0; i < z->n; i++)
		if (str_eq(z->rr[i].name, name))
			out[2 + z->rr[i].type / 8] |= (uint8_t)(0x80 >> z->rr[i].type % 8);
	out[2 + TYPE_RRSIG / 8] |= 0x80 >> TYPE_RRSIG % 8;
	out[2 + TYPE_NSEC / 8] |= 0x80 >> TYPE_NSEC % 8;
	return str_from((char *)out, 9);
}

static inline void put_nothing(struct zone *z, struct reply *r, struct str name, bool forged)
{
	uint8_t types[9];
	bool in = is_signed(z, name);
	struct buf soa, nsec;
	struct rr rr = { in ? z->apex : STR("\3net\0"), TYPE_SOA, STR_NULL };

	rr.name.n = in ? z->apex.n : 5;
	buf_init(&soa, 128);
	buf_lit(&soa, "\0\0"); /* names of the server and of its keeper */
	for (int i = 0; i < 5; i++)
		put_32(&soa, 60);
	rr.data = buf_str(&soa);
	put_set(z, r, &rr, 1, &r->authority, forged);
	if (in) {
		buf_init(&nsec, 512);
		buf_lit(&nsec, "\1\0");
		buf_add(&nsec, name);
		buf_add(&nsec, types_of(z, name, types));
		rr = (struct rr){ name, TYPE_NSEC, buf_str(&nsec) };
		put_set(z, r, &rr, 1, &r->authority, forged);
		buf_clear(&nsec);
	}
	buf_clear(&soa);
}

static inline size_t find_set(struct zone *z, struct str name, unsigned type, struct rr *out)
{
	size_t n = 0;

	for (size_t i = 0; i < z->n; i++)
		if (str_eq(z->rr[i].name, name) && z->rr[i].type == type)
			out[n++] = z->rr[i];
	return n;
}

static inline enum manner manner_of(const struct zone *z, struct str name)
{
	for (size_t i = 0; i < z->n_manners; i++)
		if (str_eq(z->manners[i].name, name))
			return z->manners[i].manner;
	return M_RIGHT;
}

static inline void put_records(struct zone *z, struct reply *r, struct str name, unsigned type,
	bool forged)
{
	static struct rr set[ZONE_RR_MAX]; /* of the server's thread */
	size_t n = find_set(z, name, type, set);

	if (!n)
		n = find_set(z, name, TYPE_CNAME, set);
	if (n)
		put_set(z, r, set, n, &r->answers, forged);
	else
		put_nothing(z, r, name, forged);
}

static inline void misbehave(struct reply *r, enum manner m, size_t question_end)
{
	struct buf *b = &r->bytes;

	switch (m) {
	case M_SHORT:
		b->n -= 3;
		break;
	case M_LONG_DATA:
		put_rr(b, STR("\300\014"), DNS_SRV, STR("\0\1\0\1\0\1"));
		b->p[b->n - 7] = 100; /* the length */
		r->answers++;
		break;
	case M_LOOP:
		b->n = question_end;
		put_16(b, 0xc000 | (unsigned)question_end);
		put_16(b, DNS_SRV);
		put_16(b, 1);
		put_32(b, ZONE_TTL);
		put_16(b, 2);
		put_16(b, 0xc000 | (unsigned)question_end);
		r->answers = 1;
		break;
	case M_JUNK:
		b->n = question_end;
		for (int i = 0; i < 200; i++)
			buf_byte(b, (char)(i * 37 + 11));
		r->answers = 9;
		break;
	default:
		break;
	}
}

/* False: no answer. */
static inline bool make_reply(struct zone *z, struct str q, bool tcp, struct reply *r)
{
	size_t end = 12;

	BUG_ON(q.n < 17);
	while (q.p[end])
		end += (uint8_t)q.p[end] + 1u;
	struct str name = str_from(q.p + 12, end + 1 - 12);
	unsigned type = (unsigned)(uint8_t)q.p[end + 1] << 8 | (uint8_t)q.p[end + 2];
	enum manner m = manner_of(z, name);
	size_t question_end = end + 5;

	if (m == M_SILENT)
		return false;
	*r = (struct reply){ 0 };
	buf_init(&r->bytes, 65535);
	buf_add(&r->bytes, str_head(q, question_end));
	if (m != M_REFUSES)
		put_records(z, r, name, type, m == M_FORGED);
	misbehave(r, m, question_end);
	bool cut = !tcp && (m == M_TRUNCATED || r->bytes.n > ZONE_UDP_MAX);
	if (cut) {
		r->bytes.n = question_end;
		r->answers = r->authority = 0;
	}
	char *p = r->bytes.p;
	p[2] = (char)(0x84 | (cut ? 2 : 0) | (q.p[2] & 1)); /* an answer, of who should know */
	p[3] = (char)(0x80 | (m == M_REFUSES ? 2 : 0));
	p[4] = 0, p[5] = 1;
	p[6] = (char)(r->answers >> 8), p[7] = (char)r->answers;
	p[8] = (char)(r->authority >> 8), p[9] = (char)r->authority;
	p[10] = p[11] = 0;
	return true;
}

/* ---- the server ---- */

static inline void serve_udp(struct zone *z)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof from;
	char q[4096];
	ssize_t n = recvfrom(z->udp, q, sizeof q, 0, (struct sockaddr *)&from, &len);
	struct reply r;

	if (n <= 0)
		return;
	atomic_fetch_add(&z->questions, 1);
	if (!make_reply(z, str_from(q, (size_t)n), false, &r))
		return;
	BUG_ON(sendto(z->udp, r.bytes.p, r.bytes.n, 0, (struct sockaddr *)&from, len) < 0);
	buf_clear(&r.bytes);
}

static inline void serve_tcp(struct zone *z)
{
	int fd = accept(z->tcp, NULL, NULL);
	struct timeval patience = { .tv_sec = 5 };
	uint8_t head[2];
	char q[4096];
	struct reply r;

	atomic_fetch_add(&z->over_tcp, 1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (recv(fd, head, 2, MSG_WAITALL) == 2) {
		size_t n = (size_t)head[0] << 8 | head[1];
		if (n <= sizeof q && recv(fd, q, n, MSG_WAITALL) == (ssize_t)n &&
		    make_reply(z, str_from(q, n), true, &r)) {
			head[0] = (uint8_t)(r.bytes.n >> 8);
			head[1] = (uint8_t)r.bytes.n;
			if (send(fd, head, 2, MSG_NOSIGNAL | MSG_MORE) == 2)
				send(fd, r.bytes.p, r.bytes.n, MSG_NOSIGNAL);
			buf_clear(&r.bytes);
		}
	}
	close(fd);
}

static inline void *zone_serve(void *arg)
{
	struct zone *z = arg;
	struct pollfd fds[] = { { z->udp, POLLIN, 0 }, { z->tcp, POLLIN, 0 },
		{ z->stop, POLLIN, 0 } };

	for (;;) {
		poll(fds, N_OF(fds), -1);
		if (fds[2].revents)
			return NULL;
		if (fds[0].revents)
			serve_udp(z);
		if (fds[1].revents)
			serve_tcp(z);
	}
}

static inline void zone_start(struct zone *z)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	z->tcp = listen_open("127.0.0.1", 0);
	assert_true(z->tcp >= 0);
	at.sin_port = htons(listen_port(z->tcp));
	z->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(z->udp, (struct sockaddr *)&at, sizeof at), 0);
	z->stop = eventfd(0, EFD_CLOEXEC);
	snprintf(z->server, sizeof z->server, "127.0.0.1@%u", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&z->thread, NULL, zone_serve, z), 0);
}

static inline void zone_clear(struct zone *z)
{
	uint64_t one = 1;

	assert_int_equal(write(z->stop, &one, sizeof one), sizeof one);
	pthread_join(z->thread, NULL);
	close(z->udp);
	close(z->tcp);
	close(z->stop);
	unlink(z->anchor);
	gnutls_privkey_deinit(z->key);
	arena_clear(&z->arena);
}

/* A resolver that asks the zone's server, in a loop. */
static inline struct dns *zone_resolver(struct zone *z, struct loop *l, bool validates,
	bool loopback)
{
	const char *servers[] = { z->server };
	struct dns_options o = { servers, 1, validates ? z->anchor : NULL, loopback };
	struct arena a;
	struct str error;

	arena_init(&a, 512);
	struct dns *d = dns_new(&o, &a, &error);
	assert_non_null(d);
	arena_clear(&a);
	assert_true(dns_attach(d, l));
	return d;
}

/* As a process ends: what is on its way comes home. */
static inline void resolver_end(struct dns **d, struct loop *l)
{
	dns_stop(*d);
	while (mailbox_run(&l->inbox, l->owner) > 0)
		continue;
	dns_free(d);
	assert_null(*d);
}

#endif
