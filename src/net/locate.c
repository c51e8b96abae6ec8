/* Three rounds of questions: the SRV records, the addresses of the targets that come first, and
 * the TLSA records of those that are secure. Each round begins when the one before is home. */
#include "net/locate.h"

#include "base/bug.h"
#include "base/digest.h"
#include "net/ascii.h"
#include "net/rdata.h"

#include <arpa/inet.h>
#include <stdlib.h>

struct question {
	struct dns_query q;
	struct locate_op *op;
};

/* A host that targets name, maybe several of them. */
struct host {
	struct str name;
	struct question v6, v4;
};

struct target {
	struct srv srv;
	bool direct;
	bool secure; /* what led here, and then its addresses as well */
	const struct host *host;
	struct question tlsa;
	bool asked_tlsa;
};

enum { XMPPS, XMPP, SERVICES };
static const char *const services[SERVICES] = { "_xmpps-server._tcp.", "_xmpp-server._tcp." };

struct locate_work {
	struct dns *dns;
	char domain[ASCII_DOMAIN_MAX + 1]; /* or the host of a route */
	bool fixed;                    /* by the configuration: any address will do */
	size_t pending;                /* questions on their way */
	void (*next)(struct locate_op *op, void *receiver);
	struct question srv[SERVICES];
	struct host *hosts;
	size_t n_hosts;
	struct target *targets;
	size_t n_targets;
	bool secure;                   /* all that is known */
	bool some_failed, some_bogus;
	uint32_t ttl;
};

/* ---- questions and answers ---- */

static void got(struct dns_query *q, void *receiver)
{
	struct locate_op *op = container_of(q, struct question, q)->op;

	if (--op->work->pending == 0)
		op->work->next(op, receiver);
}

static void ask(struct locate_op *op, struct question *k, struct str name, enum dns_type type)
{
	k->op = op;
	k->q.home = op->home;
	k->q.done = got;
	op->work->pending++;
	dns_ask(op->work->dns, &k->q, name, type);
}

/* Notes what an answer means for all that is built on it. */
static void take(struct locate_work *w, const struct dns_query *q)
{
	w->some_failed |= q->status == DNS_FAILED;
	w->some_bogus |= q->status == DNS_BOGUS;
	/* For how long there is nothing is not always said. */
	if ((q->status == DNS_OK || (q->status == DNS_NONE && q->ttl)) && q->ttl < w->ttl)
		w->ttl = q->ttl;
}

/* ---- the end ---- */

static enum locate_status status_of(const struct locate_op *op)
{
	if (op->location->n)
		return LOCATE_OK;
	if (op->work->some_bogus)
		return LOCATE_BOGUS;
	return op->work->some_failed ? LOCATE_FAILED : LOCATE_NONE;
}

static void finish(struct locate_op *op, void *receiver)
{
	const struct locate_work *w = op->work;
	struct location *l = op->location;
	bool known;

	l->status = status_of(op);
	known = l->status == LOCATE_OK || l->status == LOCATE_NONE;
	l->ttl = known && w->ttl != UINT32_MAX ? w->ttl : 0;
	l->secure = known && w->secure;
	op->done(op, receiver);
}

static void come_home(struct mail *m, void *receiver)
{
	finish(container_of(m, struct locate_op, mail), receiver);
}

/* Where there is nothing to ask, the end comes by mail as well. */
static void finish_later(struct locate_op *op)
{
	op->mail.run = come_home;
	op->mail.bytes = sizeof *op;
	mailbox_post_one(op->home, &op->mail);
}

/* ---- endpoints ---- */

static bool is_usable(const struct locate_work *w, const struct sockaddr_storage *at)
{
	switch (address_reach(at)) {
	case REACH_OTHERS:
		return true;
	case REACH_HERE:
		return w->fixed || dns_takes_loopback(w->dns);
	case REACH_LINK:
		return w->fixed;
	case REACH_NOBODY:
		break;
	}
	return false;
}

/* The next address of a list that is of use, from *at on. */
static bool next_address(const struct locate_work *w, const struct dns_query *q, size_t *at,
	struct endpoint *out)
{
	while (*at < q->n) {
		out->addr_len = rdata_address(q->type, q->records[(*at)++], out->port, &out->addr);
		if (out->addr_len && is_usable(w, &out->addr))
			return true;
	}
	return false;
}

/* IPv6 first, then in turn (RFC 8305 section 4). */
static void add_addresses(struct location *l, const struct locate_work *w, const struct host *h,
	struct endpoint *e)
{
	const struct dns_query *lists[] = { &h->v6.q, &h->v4.q };
	size_t at[] = { 0, 0 }, n = 0, without = 0;

	for (size_t i = 0; without < 2 && n < LOCATE_ADDRESSES_MAX && l->n < LOCATE_MAX; i ^= 1) {
		if (!next_address(w, lists[i], &at[i], e)) {
			without++;
			continue;
		}
		l->endpoints[l->n++] = *e;
		without = 0;
		n++;
	}
}

static void add_tlsa(struct location *l, const struct dns_query *q, struct endpoint *e)
{
	size_t n = q->n < LOCATE_TLSA_MAX ? q->n : LOCATE_TLSA_MAX;
	struct tls_tlsa *all = arena_alloc(&l->arena, n * sizeof *all + 1), one;

	for (size_t i = 0; i < n; i++) {
		if (!rdata_tlsa(q->records[i], &one))
			continue;
		one.data = str_dup(&l->arena, one.data);
		all[e->n_tlsa++] = one;
	}
	e->tlsa = all;
}

/* A target whose TLSA records may be there and cannot be had is not connected to (RFC 7673
 * section 3.4): somebody might keep them from us. */
static void add_target(struct location *l, struct locate_work *w, const struct target *t)
{
	struct endpoint e = { .port = t->srv.port, .direct = t->direct, .secure = t->secure };
	const struct dns_query *q = &t->tlsa.q;

	if (t->asked_tlsa) {
		take(w, q);
		if (q->status == DNS_FAILED || q->status == DNS_BOGUS)
			return;
		if (q->status == DNS_OK && q->secure)
			add_tlsa(l, q, &e);
	}
	e.target = str_dup(&l->arena, str_c(t->srv.target));
	add_addresses(l, w, t->host, &e);
}

static void got_tlsa(struct locate_op *op, void *receiver)
{
	struct locate_work *w = op->work;

	for (size_t i = 0; i < w->n_targets; i++)
		add_target(op->location, w, &w->targets[i]);
	finish(op, receiver);
}

/* ---- addresses ---- */

static bool host_has_any(const struct host *h)
{
	return h->v6.q.n || h->v4.q.n;
}

static bool host_is_secure(const struct host *h)
{
	return (!h->v6.q.n || h->v6.q.secure) && (!h->v4.q.n || h->v4.q.secure);
}

/* RFC 6698 section 3. */
static void ask_tlsa(struct locate_op *op, struct target *t)
{
	char name[sizeof "_65535._tcp." + DNS_NAME_MAX];
	int n = snprintf(name, sizeof name, "_%u._tcp.%s", t->srv.port, t->srv.target);

	t->asked_tlsa = true;
	ask(op, &t->tlsa, str_from(name, (size_t)n), DNS_TLSA);
}

static void got_addresses(struct locate_op *op, void *receiver)
{
	struct locate_work *w = op->work;

	w->next = got_tlsa;
	w->secure = true;
	for (size_t i = 0; i < w->n_hosts; i++) {
		take(w, &w->hosts[i].v6.q);
		take(w, &w->hosts[i].v4.q);
	}
	for (size_t i = 0; i < w->n_targets; i++) {
		struct target *t = &w->targets[i];
		t->secure &= host_is_secure(t->host);
		w->secure &= t->secure;
		if (t->secure && host_has_any(t->host))
			ask_tlsa(op, t);
	}
	if (!w->pending)
		got_tlsa(op, receiver);
}

static struct host *host_of(struct locate_work *w, struct str name)
{
	for (size_t i = 0; i < w->n_hosts; i++)
		if (str_eq(w->hosts[i].name, name))
			return &w->hosts[i];
	struct host *h = &w->hosts[w->n_hosts++];
	h->name = name;
	return h;
}

/* Asks for the addresses of what the targets name. */
static void ask_addresses(struct locate_op *op)
{
	struct locate_work *w = op->work;

	w->next = got_addresses;
	w->hosts = xcalloc(w->n_targets, sizeof w->hosts[0]);
	for (size_t i = 0; i < w->n_targets; i++)
		w->targets[i].host = host_of(w, str_c(w->targets[i].srv.target));
	for (size_t i = 0; i < w->n_hosts; i++) {
		ask(op, &w->hosts[i].v6, w->hosts[i].name, DNS_AAAA);
		ask(op, &w->hosts[i].v4, w->hosts[i].name, DNS_A);
	}
}

/* ---- targets ---- */

/* The domain itself, or the host of a route. */
static void one_target(struct locate_work *w, uint16_t port, bool direct, bool secure)
{
	w->targets = xcalloc(1, sizeof w->targets[0]);
	w->n_targets = 1;
	memcpy(w->targets[0].srv.target, w->domain, sizeof w->domain);
	w->targets[0].srv.port = port;
	w->targets[0].direct = direct;
	w->targets[0].secure = secure;
}

/* What SRV offers. */
struct offer {
	struct srv srv;
	bool direct, secure;
};

/* The offers of one service. Left out: the root, which says that there is no service, and ports
 * that nobody can listen on. Returns how many. */
static size_t read_offers(const struct dns_query *q, bool direct, struct offer *out)
{
	size_t n = 0;

	for (size_t i = 0; i < q->n; i++) {
		out[n].direct = direct;
		out[n].secure = q->secure;
		if (rdata_srv(q->records[i], &out[n].srv) && out[n].srv.target[0] &&
		    out[n].srv.port)
			n++;
	}
	return n;
}

static uint64_t random_to(uint64_t max)
{
	uint64_t r;

	random_bytes(&r, sizeof r);
	return r % (max + 1);
}

static uint16_t lowest_priority(const struct offer *all, size_t n)
{
	uint16_t lowest = UINT16_MAX;

	for (size_t i = 0; i < n; i++)
		if (all[i].srv.priority < lowest)
			lowest = all[i].srv.priority;
	return lowest;
}

/* Which one of n is next: among those with the lowest priority by weight, as RFC 2782 draws.
 * Where the number drawn is 0, one of those without a weight is it, and they are all alike. */
static size_t draw(const struct offer *all, size_t n)
{
	uint16_t priority = lowest_priority(all, n);
	uint64_t sum = 0, unweighted = 0, running = 0;

	for (size_t i = 0; i < n; i++) {
		if (all[i].srv.priority != priority)
			continue;
		sum += all[i].srv.weight;
		unweighted += all[i].srv.weight == 0;
	}
	uint64_t number = random_to(sum);
	bool weighted = number > 0 || !unweighted;
	if (!weighted)
		number = 1 + random_to(unweighted - 1);
	for (size_t i = 0; i < n; i++) {
		if (all[i].srv.priority != priority || weighted != (all[i].srv.weight > 0))
			continue;
		running += weighted ? all[i].srv.weight : 1;
		if (running >= number)
			return i;
	}
	BUG("the sum is that of all weights");
}

static void take_offers(struct locate_work *w, struct offer *all, size_t n)
{
	w->targets = xcalloc(LOCATE_TARGETS_MAX, sizeof w->targets[0]);
	while (n && w->n_targets < LOCATE_TARGETS_MAX) {
		size_t i = draw(all, n);
		struct target *t = &w->targets[w->n_targets++];
		t->srv = all[i].srv;
		t->direct = all[i].direct;
		t->secure = all[i].secure;
		all[i] = all[--n];
	}
}

/* Whether the domain itself may be tried where there are no targets. Not when it has records
 * (RFC 6120 section 3.2.1, steps 4 and 8), nor when they are bogus; and when DNS did not answer
 * (step 9), only where no validation could be got round by that (RFC 7673 section 3.1). */
static bool may_fall_back(const struct locate_work *w)
{
	for (int i = 0; i < SERVICES; i++) {
		enum dns_status status = w->srv[i].q.status;
		if (status == DNS_BOGUS || (status == DNS_FAILED && dns_validates(w->dns)))
			return false;
	}
	return w->srv[XMPP].q.status != DNS_OK;
}

static void got_srv(struct locate_op *op, void *receiver)
{
	struct locate_work *w = op->work;
	struct offer *all = xmalloc(SERVICES * DNS_RECORDS_MAX * sizeof *all);
	size_t n = 0;

	w->secure = true;
	for (int i = 0; i < SERVICES; i++) {
		take(w, &w->srv[i].q);
		w->secure &= w->srv[i].q.secure;
		n += read_offers(&w->srv[i].q, i == XMPPS, all + n);
	}
	if (n)
		take_offers(w, all, n);
	else if (may_fall_back(w))
		one_target(w, LOCATE_PORT, false, w->secure);
	free(all);
	if (w->n_targets)
		ask_addresses(op);
	else
		finish(op, receiver);
}

/* ---- beginnings ---- */

struct locate_op *locate_op_new(struct mailbox *home, void (*done)(struct locate_op *, void *),
	size_t ctx_size)
{
	struct locate_op *op = xcalloc(1, sizeof *op + ctx_size);

	op->home = home;
	op->done = done;
	op->ctx = op + 1;
	return op;
}

static void work_free(struct locate_work *w)
{
	for (int i = 0; i < SERVICES; i++)
		dns_query_clear(&w->srv[i].q);
	for (size_t i = 0; i < w->n_hosts; i++) {
		dns_query_clear(&w->hosts[i].v6.q);
		dns_query_clear(&w->hosts[i].v4.q);
	}
	for (size_t i = 0; i < w->n_targets; i++)
		dns_query_clear(&w->targets[i].tlsa.q);
	free(w->hosts);
	free(w->targets);
	free(w);
}

void locate_op_free(struct locate_op *op)
{
	if (op->work)
		work_free(op->work);
	location_free(&op->location);
	free(op);
}

void location_free(struct location **lp)
{
	struct location *l = *lp;

	if (!l)
		return;
	arena_clear(&l->arena);
	free(l->endpoints);
	free(l);
	*lp = NULL;
}

static struct locate_work *begin(struct dns *d, struct locate_op *op)
{
	struct locate_work *w = xcalloc(1, sizeof *w);

	w->dns = d;
	w->ttl = UINT32_MAX;
	op->work = w;
	op->location = xcalloc(1, sizeof *op->location);
	op->location->endpoints = xcalloc(LOCATE_MAX, sizeof op->location->endpoints[0]);
	arena_init(&op->location->arena, 512);
	return w;
}

/* "192.0.2.1" or "[2001:db8::1]". Its length, or 0. */
static socklen_t literal(struct str s, uint16_t port, struct sockaddr_storage *out)
{
	char text[INET6_ADDRSTRLEN], bytes[sizeof(struct in6_addr)];
	bool v6 = s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';

	if (v6)
		s = str_from(s.p + 1, s.n - 2);
	if (!s.n || s.n >= sizeof text || memchr(s.p, '\0', s.n))
		return 0;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (inet_pton(v6 ? AF_INET6 : AF_INET, text, bytes) != 1)
		return 0;
	return rdata_address(v6 ? DNS_AAAA : DNS_A, str_from(bytes, v6 ? 16 : 4), port, out);
}

/* True: the place is an address, and no question of DNS. */
static bool at_literal(struct locate_op *op, struct str place, uint16_t port, bool direct)
{
	struct location *l = op->location;
	struct endpoint e = { .port = port, .direct = direct };

	e.addr_len = literal(place, port, &e.addr);
	if (!e.addr_len)
		return false;
	e.target = str_dup(&l->arena, place);
	if (is_usable(op->work, &e.addr))
		l->endpoints[l->n++] = e;
	finish_later(op);
	return true;
}

void locate(struct dns *d, struct locate_op *op, struct str domain)
{
	struct locate_work *w = begin(d, op);
	char name[sizeof "_xmpps-server._tcp." + ASCII_DOMAIN_MAX];

	if (at_literal(op, domain, LOCATE_PORT, false))
		return;
	if (!ascii_domain(domain, w->domain).n) {
		finish_later(op);
		return;
	}
	w->next = got_srv;
	for (int i = 0; i < SERVICES; i++) {
		int n = snprintf(name, sizeof name, "%s%s", services[i], w->domain);
		ask(op, &w->srv[i], str_from(name, (size_t)n), DNS_SRV);
	}
}

/* Host and port of a route. */
static bool split_route(struct str route, struct str *host, uint16_t *port)
{
	const char *colon = route.n ? memrchr(route.p, ':', route.n) : NULL;
	uint64_t number = LOCATE_PORT;

	*host = route;
	if (colon && route.p[route.n - 1] != ']') {
		*host = str_head(route, (size_t)(colon - route.p));
		if (!str_to_u64(str_skip(route, host->n + 1), UINT16_MAX, &number) || !number)
			return false;
	}
	*port = (uint16_t)number;
	return true;
}

bool locate_is_route(struct str route)
{
	char ascii[ASCII_DOMAIN_MAX + 1];
	struct sockaddr_storage at;
	struct str host;
	uint16_t port;

	return split_route(route, &host, &port) &&
		(literal(host, port, &at) || dns_is_name(ascii_domain(host, ascii)));
}

void locate_route(struct dns *d, struct locate_op *op, struct str route, bool direct)
{
	struct locate_work *w = begin(d, op);
	struct str host;
	uint16_t port;

	w->fixed = true;
	if (!split_route(route, &host, &port)) {
		finish_later(op);
		return;
	}
	if (at_literal(op, host, port, direct))
		return;
	if (!ascii_domain(host, w->domain).n) {
		finish_later(op);
		return;
	}
	one_target(w, port, direct, false);
	ask_addresses(op);
}
