#include "net/testing_dns.h"

#include "net/locate.h"

static struct zone zone;
static struct loop loop;
static struct dns *dns;

static unsigned homes;
static struct location *found;

static void home(struct locate_op *op, void *receiver)
{
	homes++;
	found = op->location;
	op->location = NULL;
	assert_int_equal(*(int *)op->ctx, 7);
	locate_op_free(op);
}

static struct locate_op *new_op(void)
{
	struct locate_op *op = locate_op_new(&loop.inbox, home, sizeof(int));

	homes = 0;
	location_free(&found);
	*(int *)op->ctx = 7;
	return op;
}

static void look(const char *domain)
{
	locate(dns, new_op(), str_c(domain));
	assert_int_equal(homes, 0);
	UNTIL(&loop, homes == 1);
}

static void look_route(const char *route, bool direct)
{
	locate_route(dns, new_op(), str_c(route), direct);
	assert_int_equal(homes, 0);
	UNTIL(&loop, homes == 1);
}

static void begin(void)
{
	start_loop(&loop);
	zone_init(&zone);
}

/* The zone is complete. */
static void serve(bool validates, bool loopback)
{
	zone_start(&zone);
	dns = zone_resolver(&zone, &loop, validates, loopback);
}

static void end(void)
{
	location_free(&found);
	resolver_end(&dns, &loop);
	zone_clear(&zone);
	loop_clear(&loop);
}

/* An endpoint as "192.0.2.1:5269 host.a.net" or with "!" behind it for direct TLS. */
static const char *words(const struct endpoint *e)
{
	static char out[400];
	char ip[INET6_ADDRSTRLEN];
	bool v6 = e->addr.ss_family == AF_INET6;
	const void *at = v6 ? (const void *)&((const struct sockaddr_in6 *)&e->addr)->sin6_addr
			    : (const void *)&((const struct sockaddr_in *)&e->addr)->sin_addr;
	in_port_t port = v6 ? ((const struct sockaddr_in6 *)&e->addr)->sin6_port
			    : ((const struct sockaddr_in *)&e->addr)->sin_port;

	assert_int_equal(ntohs(port), e->port);
	assert_int_equal(e->addr_len,
		v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
	assert_int_equal(e->target.p[e->target.n], '\0');
	snprintf(out, sizeof out, "%s:%u %s%s", inet_ntop(e->addr.ss_family, at, ip, sizeof ip),
		e->port, e->target.p, e->direct ? "!" : "");
	return out;
}

#define FOUND(...)                                                                     \
	do {                                                                           \
		static const char *const want_[] = { __VA_ARGS__ };                    \
		assert_int_equal(found->status, LOCATE_OK);                            \
		assert_int_equal(found->n, N_OF(want_));                               \
		for (size_t i_ = 0; i_ < N_OF(want_); i_++)                            \
			assert_string_equal(words(&found->endpoints[i_]), want_[i_]);  \
	} while (0)

static void found_nothing(enum locate_status status)
{
	assert_int_equal(found->status, status);
	assert_int_equal(found->n, 0);
}

/* XEP-0368 section 3, 1 to 3: both services together by priority; each with its kind of TLS. */
static void test_both_services(void **state)
{
	begin();
	zone_srv(&zone, "_xmpp-server._tcp.a.net", 10, 0, 5269, "one.a.net");
	zone_srv(&zone, "_xmpp-server._tcp.a.net", 30, 0, 5269, "two.a.net");
	zone_srv(&zone, "_xmpps-server._tcp.a.net", 20, 0, 5270, "two.a.net");
	zone_srv(&zone, "_xmpps-server._tcp.a.net", 5, 0, 443, "one.a.net");
	zone_address(&zone, "one.a.net", "192.0.2.1");
	zone_address(&zone, "two.a.net", "2001:db8::2");
	serve(false, false);
	look("a.net");
	FOUND("192.0.2.1:443 one.a.net!", "192.0.2.1:5269 one.a.net", "2001:db8::2:5270 two.a.net!",
		"2001:db8::2:5269 two.a.net");
	assert_false(found->secure);
	assert_in_range(found->ttl, 1, ZONE_TTL);
	/* One question for each service, and two for each host. */
	assert_int_equal(atomic_load(&zone.questions), 6);
	end();
}

/* RFC 6120 section 3.2.2 */
static void test_fall_back(void **state)
{
	begin();
	zone_address(&zone, "a.net", "192.0.2.1");
	zone_address(&zone, "xn--bcher-kva.net", "192.0.2.2");
	/* No direct TLS, and nothing said about the other. */
	zone_srv(&zone, "_xmpps-server._tcp.b.net", 0, 0, 0, "");
	zone_address(&zone, "b.net", "192.0.2.3");
	/* Section 3.2.1, step 9: no answer. */
	zone_address(&zone, "c.net", "192.0.2.4");
	zone_manner(&zone, "_xmpp-server._tcp.c.net", M_REFUSES);
	zone_manner(&zone, "_xmpp-server._tcp.d.net", M_REFUSES);
	zone_cname(&zone, "e.net", "a.net");
	serve(false, false);
	look("a.net");
	FOUND("192.0.2.1:5269 a.net");
	look("b\xc3\xbc" "cher.net");
	FOUND("192.0.2.2:5269 xn--bcher-kva.net");
	look("b.net");
	FOUND("192.0.2.3:5269 b.net");
	look("c.net");
	FOUND("192.0.2.4:5269 c.net");
	look("d.net");
	found_nothing(LOCATE_FAILED);
	assert_int_equal(found->ttl, 0);
	look("e.net");
	FOUND("192.0.2.1:5269 e.net");
	end();
}

/* RFC 6120 section 3.2.1, steps 4 and 8: these have records, and the domain is not tried. */
static void test_no_fall_back(void **state)
{
	begin();
	zone_srv(&zone, "_xmpp-server._tcp.none.net", 0, 0, 0, "");
	zone_srv(&zone, "_xmpp-server._tcp.dead.net", 0, 0, 5269, "nowhere.net");
	zone_srv(&zone, "_xmpp-server._tcp.zero.net", 0, 0, 0, "none.net");
	zone_srv(&zone, "_xmpp-server._tcp.some.net", 0, 0, 0, "");
	zone_srv(&zone, "_xmpps-server._tcp.some.net", 0, 0, 5270, "none.net");
	zone_raw(&zone, "_xmpp-server._tcp.odd.net", DNS_SRV, STR("\0\1\0\1\24\225\4a.b!\0"));
	zone_address(&zone, "none.net", "192.0.2.1");
	zone_address(&zone, "dead.net", "192.0.2.1");
	zone_address(&zone, "zero.net", "192.0.2.1");
	zone_address(&zone, "odd.net", "192.0.2.1");
	serve(false, false);
	look("none.net");
	found_nothing(LOCATE_NONE);
	look("dead.net");
	found_nothing(LOCATE_NONE);
	look("zero.net");
	found_nothing(LOCATE_NONE);
	look("odd.net");
	found_nothing(LOCATE_NONE);
	look("nobody.net");
	found_nothing(LOCATE_NONE);
	look("some.net");
	FOUND("192.0.2.1:5270 none.net!");
	end();
}

/* RFC 2782: in a priority by weight; one without a weight is seldom first. */
static void test_weights(void **state)
{
	unsigned first[3] = { 0 };

	begin();
	zone_srv(&zone, "_xmpp-server._tcp.a.net", 1, 90, 1, "host.a.net");
	zone_srv(&zone, "_xmpp-server._tcp.a.net", 1, 10, 2, "host.a.net");
	zone_srv(&zone, "_xmpp-server._tcp.a.net", 1, 0, 3, "host.a.net");
	zone_srv(&zone, "_xmpp-server._tcp.a.net", 0, 0, 4, "host.a.net");
	/* None has a weight: they are alike. */
	zone_srv(&zone, "_xmpp-server._tcp.b.net", 1, 0, 1, "host.a.net");
	zone_srv(&zone, "_xmpp-server._tcp.b.net", 1, 0, 2, "host.a.net");
	zone_address(&zone, "host.a.net", "192.0.2.1");
	serve(false, false);
	for (int i = 0; i < 1000; i++) {
		look("a.net");
		assert_int_equal(found->n, 4);
		assert_int_equal(found->endpoints[0].port, 4);
		first[found->endpoints[1].port - 1]++;
	}
	/* About 891, 99 and 10; far from all that a true draw comes to. */
	assert_in_range(first[0], 800, 970);
	assert_in_range(first[1], 30, 190);
	assert_true(first[2] < 60);
	first[0] = first[1] = 0;
	for (int i = 0; i < 200; i++) {
		look("b.net");
		assert_int_equal(found->n, 2);
		first[found->endpoints[0].port - 1]++;
	}
	assert_true(first[0] > 40 && first[1] > 40);
	end();
}

/* The bounds, and IPv6 and IPv4 in turn (RFC 8305 section 4). */
static void test_bounds(void **state)
{
	char text[64];

	begin();
	for (unsigned i = 0; i < 1000; i++)
		zone_srv(&zone, "_xmpp-server._tcp.a.net", i, 0, 1 + i, "host.a.net");
	for (unsigned i = 0; i < 5; i++) {
		snprintf(text, sizeof text, "192.0.2.%u", 10 + i);
		zone_address(&zone, "host.a.net", text);
	}
	zone_address(&zone, "host.a.net", "2001:db8::1");
	for (unsigned i = 0; i < 9; i++) {
		snprintf(text, sizeof text, "host%u.a.net", i);
		zone_srv(&zone, "_xmpp-server._tcp.b.net", i, 0, 1 + i, text);
		zone_address(&zone, text, "192.0.2.1");
	}
	serve(false, false);
	look("a.net");
	assert_int_equal(found->status, LOCATE_OK);
	assert_int_equal(found->n, LOCATE_MAX);
	for (size_t i = 0; i < found->n; i++)
		assert_int_equal(found->endpoints[i].addr.ss_family,
			i % LOCATE_ADDRESSES_MAX == 0 ? AF_INET6 : AF_INET);
	look("b.net");
	assert_int_equal(found->n, LOCATE_TARGETS_MAX);
	assert_int_equal(found->endpoints[LOCATE_TARGETS_MAX - 1].port, LOCATE_TARGETS_MAX);
	end();
}

/* Nobody's addresses, and those that are only ours. */
static void test_addresses_of_no_use(void **state)
{
	static const char *const bad[] = { "0.0.0.0", "0.1.2.3", "127.0.0.1", "127.8.9.10",
		"169.254.169.254", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::192.0.2.1", "::ffff:192.0.2.1", "fe80::1", "febf::1", "ff02::1" };
	unsigned here = 0;

	begin();
	for (size_t i = 0; i < N_OF(bad); i++)
		zone_address(&zone, "a.net", bad[i]);
	zone_address(&zone, "b.net", "127.0.0.1");
	zone_address(&zone, "b.net", "10.0.0.1");
	zone_address(&zone, "b.net", "fd00::1");
	serve(false, false);
	look("a.net");
	found_nothing(LOCATE_NONE);
	look("b.net");
	FOUND("fd00::1:5269 b.net", "10.0.0.1:5269 b.net");
	look("localhost");
	found_nothing(LOCATE_NONE);
	look("127.0.0.1");
	found_nothing(LOCATE_NONE);
	resolver_end(&dns, &loop);
	dns = zone_resolver(&zone, &loop, false, true);
	look("a.net");
	assert_int_equal(found->n, 3);
	for (size_t i = 0; i < found->n; i++)
		here += address_reach(&found->endpoints[i].addr) == REACH_HERE;
	assert_int_equal(here, 3);
	end();
}

/* A domain that is an address (RFC 7622 section 3.2); what is none at all. */
static void test_literals(void **state)
{
	static const char *const bad[] = { "", "[2001:db8::1", "[::ffff:192.0.2.1]", "a b", "..",
		"[192.0.2.1]" };
	char longest[1100];

	begin();
	serve(false, false);
	look("192.0.2.1");
	FOUND("192.0.2.1:5269 192.0.2.1");
	look("[2001:db8::1]");
	FOUND("2001:db8::1:5269 [2001:db8::1]");
	for (size_t i = 0; i < N_OF(bad); i++) {
		look(bad[i]);
		found_nothing(LOCATE_NONE);
	}
	memset(longest, 'a', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	look(longest);
	found_nothing(LOCATE_NONE);
	assert_int_equal(atomic_load(&zone.questions), 0);
	end();
}

static void test_routes(void **state)
{
	static const char *const bad[] = { "", ":5269", "host:", "host:0", "host:65536", "host:a",
		"2001:db8::1", "[2001:db8::1]x", "[2001:db8::1", "[host]:1", "ho st:1", "a..b:1" };

	begin();
	zone_address(&zone, "host.a.net", "192.0.2.1");
	zone_address(&zone, "host.a.net", "127.0.0.1");
	serve(false, false);
	assert_true(locate_is_route(STR("host.a.net")));
	look_route("host.a.net", false);
	assert_int_equal(found->n, 2);
	assert_int_equal(found->endpoints[0].port, LOCATE_PORT);
	look_route("host.a.net:15269", true);
	assert_int_equal(found->n, 2);
	assert_int_equal(found->endpoints[1].port, 15269);
	assert_true(found->endpoints[1].direct);
	assert_true(locate_is_route(STR("[::1]:5270")));
	look_route("[::1]:5270", true);
	FOUND("::1:5270 [::1]!");
	look_route("[2001:db8::1]", false);
	FOUND("2001:db8::1:5269 [2001:db8::1]");
	look_route("127.0.0.1:5299", false);
	FOUND("127.0.0.1:5299 127.0.0.1");
	for (size_t i = 0; i < N_OF(bad); i++) {
		assert_false(locate_is_route(str_c(bad[i])));
		look_route(bad[i], false);
		found_nothing(LOCATE_NONE);
	}
	end();
}

/* ---- DNSSEC and DANE ---- */

static const char tlsa_data[] = "\3\1\1" "0123456789abcdef0123456789abcdef";

static void zone_tlsa(const char *name)
{
	zone_raw(&zone, name, DNS_TLSA, str_c(tlsa_data));
}

/* A domain of the signed zone with one target there. */
static void zone_domain(const char *domain, const char *target)
{
	char name[80];

	snprintf(name, sizeof name, "_xmpp-server._tcp.%s", domain);
	zone_srv(&zone, name, 1, 1, 5269, target);
	zone_address(&zone, target, "192.0.2.1");
}

/* RFC 7673 section 3: all of it is secure. */
static void test_dane(void **state)
{
	begin();
	zone_domain("a.example", "host.a.example");
	zone_tlsa("_5269._tcp.host.a.example");
	zone_raw(&zone, "_5269._tcp.host.a.example", DNS_TLSA, STR("\3\1\1"));
	zone_domain("b.example", "host.b.example");
	/* One target that is not secure, */
	zone_domain("c.example", "host.c.net");
	zone_tlsa("_5269._tcp.host.c.net");
	/* and another target that is */
	zone_srv(&zone, "_xmpp-server._tcp.c.example", 2, 0, 5269, "host.a.example");
	zone_domain("d.net", "host.d.example");
	zone_tlsa("_5269._tcp.host.d.example");
	zone_address(&zone, "e.example", "192.0.2.1");
	zone_tlsa("_5269._tcp.e.example");
	serve(true, false);
	look("a.example");
	FOUND("192.0.2.1:5269 host.a.example");
	assert_true(found->secure);
	assert_int_equal(found->endpoints[0].n_tlsa, 1); /* one is too short */
	const struct tls_tlsa *t = &found->endpoints[0].tlsa[0];
	assert_int_equal(t->usage, 3);
	assert_int_equal(t->selector, 1);
	assert_int_equal(t->matching, 1);
	assert_true(str_eq(t->data, str_c(tlsa_data + 3)));
	/* It has none, and that is proven. */
	look("b.example");
	FOUND("192.0.2.1:5269 host.b.example");
	assert_true(found->secure);
	assert_int_equal(found->endpoints[0].n_tlsa, 0);
	/* Section 3.2: its addresses are not secure. */
	look("c.example");
	FOUND("192.0.2.1:5269 host.c.net", "192.0.2.1:5269 host.a.example");
	assert_false(found->secure);
	assert_false(found->endpoints[0].secure);
	assert_int_equal(found->endpoints[0].n_tlsa, 0);
	assert_true(found->endpoints[1].secure);
	assert_int_equal(found->endpoints[1].n_tlsa, 1);
	/* Section 3.1: the way there is not. */
	look("d.net");
	FOUND("192.0.2.1:5269 host.d.example");
	assert_false(found->secure);
	assert_int_equal(found->endpoints[0].n_tlsa, 0);
	/* Without SRV, which is proven. */
	look("e.example");
	FOUND("192.0.2.1:5269 e.example");
	assert_true(found->secure);
	assert_int_equal(found->endpoints[0].n_tlsa, 1);
	end();
}

/* RFC 7673 sections 3.1, 3.2 and 3.4: who forges or keeps back an answer wins nothing. */
static void test_downgrades(void **state)
{
	begin();
	zone_domain("srv.example", "host.srv.example");
	zone_address(&zone, "srv.example", "192.0.2.2");
	zone_manner(&zone, "_xmpp-server._tcp.srv.example", M_FORGED);
	zone_address(&zone, "mute.example", "192.0.2.2");
	zone_manner(&zone, "_xmpp-server._tcp.mute.example", M_REFUSES);
	zone_domain("host.example", "host.host.example");
	zone_manner(&zone, "host.host.example", M_FORGED);
	zone_domain("tlsa.example", "host.tlsa.example");
	zone_tlsa("_5269._tcp.host.tlsa.example");
	zone_manner(&zone, "_5269._tcp.host.tlsa.example", M_FORGED);
	zone_domain("less.example", "host.less.example");
	zone_manner(&zone, "_5269._tcp.host.less.example", M_REFUSES);
	/* Another target will do. */
	zone_domain("more.example", "host.more.example");
	zone_srv(&zone, "_xmpp-server._tcp.more.example", 0, 0, 5269, "host.less.example");
	/* So will the other service, by the same rules. */
	zone_domain("half.example", "host.half.example");
	zone_tlsa("_5269._tcp.host.half.example");
	zone_manner(&zone, "_xmpps-server._tcp.half.example", M_REFUSES);
	serve(true, false);
	look("srv.example");
	found_nothing(LOCATE_BOGUS);
	look("mute.example");
	found_nothing(LOCATE_FAILED);
	look("host.example");
	found_nothing(LOCATE_BOGUS);
	look("tlsa.example");
	found_nothing(LOCATE_BOGUS);
	assert_false(found->secure);
	look("less.example");
	found_nothing(LOCATE_FAILED);
	look("more.example");
	FOUND("192.0.2.1:5269 host.more.example");
	look("half.example");
	FOUND("192.0.2.1:5269 host.half.example");
	assert_true(found->secure);
	assert_int_equal(found->endpoints[0].n_tlsa, 1);
	end();
}

/* A process that ends in the middle. */
static void test_end(void **state)
{
	begin();
	zone_manner(&zone, "_xmpp-server._tcp.a.net", M_SILENT);
	serve(false, false);
	locate(dns, new_op(), STR("a.net"));
	loop_turn(&loop, 0);
	dns_stop(dns);
	while (mailbox_run(&loop.inbox, NULL) > 0)
		continue;
	assert_int_equal(homes, 1);
	found_nothing(LOCATE_FAILED);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_services),
		cmocka_unit_test(test_fall_back),
		cmocka_unit_test(test_no_fall_back),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_addresses_of_no_use),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_dane),
		cmocka_unit_test(test_downgrades),
		cmocka_unit_test(test_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
