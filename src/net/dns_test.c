#include "net/testing_dns.h"

static struct zone zone;
static struct loop loop;

/* A question, and that it came home, once. */
struct asked {
	struct dns_query q;
	unsigned home;
};

static void home(struct dns_query *q, void *receiver)
{
	container_of(q, struct asked, q)->home++;
}

static void ask(struct dns *d, struct asked *k, const char *name, enum dns_type type)
{
	*k = (struct asked){ .q = { .home = &loop.inbox, .done = home } };
	dns_ask(d, &k->q, str_c(name), type);
}

static void asked_is(struct dns *d, const char *name, enum dns_type type, struct asked *k)
{
	ask(d, k, name, type);
	assert_int_equal(k->home, 0);
	UNTIL(&loop, k->home == 1);
}

static void begin(void)
{
	start_loop(&loop);
	zone_init(&zone);
}

static void end(struct dns **d)
{
	resolver_end(d, &loop);
	zone_clear(&zone);
	loop_clear(&loop);
}

static void test_answers(void **state)
{
	struct asked k;
	struct srv srv;

	begin();
	zone_srv(&zone, "_xmpp-server._tcp.a.net", 5, 10, 5269, "Host.a.net");
	zone_cname(&zone, "alias.a.net", "host.a.net");
	zone_address(&zone, "host.a.net", "192.0.2.7");
	zone_start(&zone);
	struct dns *d = zone_resolver(&zone, &loop, false, false);
	asked_is(d, "_xmpp-server._tcp.a.net", DNS_SRV, &k);
	assert_int_equal(k.q.status, DNS_OK);
	assert_int_equal(k.q.n, 1);
	assert_false(k.q.secure);
	assert_in_range(k.q.ttl, ZONE_TTL - 5, ZONE_TTL);
	assert_true(rdata_srv(k.q.records[0], &srv));
	assert_string_equal(srv.target, "host.a.net");
	dns_query_clear(&k.q);
	asked_is(d, "alias.a.net", DNS_A, &k);
	assert_int_equal(k.q.status, DNS_OK);
	assert_true(str_eq(k.q.records[0], STR("\300\0\2\7")));
	dns_query_clear(&k.q);
	/* No such record, no such name. */
	asked_is(d, "host.a.net", DNS_AAAA, &k);
	assert_int_equal(k.q.status, DNS_NONE);
	asked_is(d, "nobody.a.net", DNS_A, &k);
	assert_int_equal(k.q.status, DNS_NONE);
	assert_int_equal(k.q.n, 0);
	end(&d);
}

/* An answer is kept as long as it lives. */
static void test_cache(void **state)
{
	struct asked k;

	begin();
	zone_address(&zone, "host.a.net", "192.0.2.7");
	zone_start(&zone);
	struct dns *d = zone_resolver(&zone, &loop, false, false);
	for (int i = 0; i < 3; i++) {
		asked_is(d, "host.a.net", DNS_A, &k);
		assert_int_equal(k.q.n, 1);
		dns_query_clear(&k.q);
	}
	assert_int_equal(atomic_load(&zone.questions), 1);
	end(&d);
}

/* RFC 6761: "test" is like any other name to us, "localhost" is this machine, "invalid" and
 * "onion" do not exist; the server hears of the first alone. */
static void test_special_names(void **state)
{
	struct asked k;

	begin();
	zone_address(&zone, "a.test", "192.0.2.7");
	zone_address(&zone, "a.home.arpa", "192.0.2.8");
	zone_address(&zone, "a.invalid", "192.0.2.9");
	zone_address(&zone, "a.onion", "192.0.2.10");
	zone_start(&zone);
	struct dns *d = zone_resolver(&zone, &loop, false, false);
	asked_is(d, "a.test", DNS_A, &k);
	assert_int_equal(k.q.status, DNS_OK);
	dns_query_clear(&k.q);
	asked_is(d, "a.home.arpa", DNS_A, &k);
	assert_int_equal(k.q.status, DNS_OK);
	dns_query_clear(&k.q);
	unsigned before = atomic_load(&zone.questions);
	asked_is(d, "localhost", DNS_A, &k);
	assert_true(str_eq(k.q.records[0], STR("\177\0\0\1")));
	dns_query_clear(&k.q);
	asked_is(d, "a.invalid", DNS_A, &k);
	assert_int_equal(k.q.status, DNS_NONE);
	asked_is(d, "a.onion", DNS_A, &k);
	assert_int_equal(k.q.status, DNS_NONE);
	assert_int_equal(atomic_load(&zone.questions), before);
	end(&d);
}

/* What can be no name is nothing, and nobody hears of it. */
static void test_no_names(void **state)
{
	static const char *const names[] = { "", ".", "a..b", ".a", "a b", "a\\032b", "a.",
		"\xc3\xa4",
		"1234567890123456789012345678901234567890123456789012345678901234.net" };
	char longest[DNS_NAME_MAX + 2];
	struct asked k;

	begin();
	zone_start(&zone);
	struct dns *d = zone_resolver(&zone, &loop, false, false);
	for (size_t i = 0; i < N_OF(names); i++) {
		asked_is(d, names[i], DNS_A, &k);
		assert_int_equal(k.q.status, DNS_NONE);
		assert_false(dns_is_name(str_c(names[i])));
	}
	for (size_t i = 0; i < sizeof longest; i++)
		longest[i] = i % 2 ? '.' : 'a';
	assert_true(dns_is_name(str_from(longest, DNS_NAME_MAX)));
	assert_false(dns_is_name(str_from(longest, DNS_NAME_MAX + 2)));
	assert_false(dns_is_name(STR("a\0b")));
	assert_int_equal(atomic_load(&zone.questions), 0);
	end(&d);
}

/* Answers that are none: they are refused, and nothing of them is used. */
static void test_hostile_answers(void **state)
{
	static const enum manner manners[] = { M_REFUSES, M_SHORT, M_LONG_DATA, M_LOOP, M_JUNK };
	char name[40];
	struct asked k;

	begin();
	for (size_t i = 0; i < N_OF(manners); i++) {
		snprintf(name, sizeof name, "_xmpp-server._tcp.m%zu.net", i);
		zone_srv(&zone, name, 5, 10, 5269, "host.a.net");
		zone_manner(&zone, name, manners[i]);
	}
	zone_cname(&zone, "loop.net", "pool.net");
	zone_cname(&zone, "pool.net", "loop.net");
	zone_start(&zone);
	struct dns *d = zone_resolver(&zone, &loop, false, false);
	for (size_t i = 0; i < N_OF(manners); i++) {
		snprintf(name, sizeof name, "_xmpp-server._tcp.m%zu.net", i);
		asked_is(d, name, DNS_SRV, &k);
		assert_int_equal(k.q.status, DNS_FAILED);
		assert_int_equal(k.q.n, 0);
	}
	asked_is(d, "loop.net", DNS_A, &k);
	assert_int_not_equal(k.q.status, DNS_OK);
	end(&d);
}

static void test_truncated_comes_over_tcp(void **state)
{
	struct asked k;

	begin();
	zone_address(&zone, "cut.net", "192.0.2.7");
	zone_manner(&zone, "cut.net", M_TRUNCATED);
	for (unsigned i = 0; i < 1000; i++)
		zone_srv(&zone, "_xmpp-server._tcp.many.net", i, 1, 1 + i, "host.many.net");
	zone_start(&zone);
	struct dns *d = zone_resolver(&zone, &loop, false, false);
	asked_is(d, "cut.net", DNS_A, &k);
	assert_int_equal(k.q.status, DNS_OK);
	dns_query_clear(&k.q);
	assert_true(atomic_load(&zone.over_tcp) > 0);
	/* A thousand records: so many are taken. */
	asked_is(d, "_xmpp-server._tcp.many.net", DNS_SRV, &k);
	assert_int_equal(k.q.status, DNS_OK);
	assert_int_equal(k.q.n, DNS_RECORDS_MAX);
	dns_query_clear(&k.q);
	end(&d);
}

/* A server that says nothing: the time is ours. */
static void test_silence(void **state)
{
	struct asked k[3];

	begin();
	zone_manner(&zone, "silent.net", M_SILENT);
	zone_address(&zone, "host.a.net", "192.0.2.7");
	zone_start(&zone);
	struct dns *d = zone_resolver(&zone, &loop, false, false);
	clock_hold();
	ask(d, &k[0], "silent.net", DNS_A);
	loop_turn(&loop, 0);
	clock_advance(DNS_TIMEOUT_MS / 2);
	ask(d, &k[1], "silent.net", DNS_AAAA);
	loop_turn(&loop, 0);
	assert_int_equal(k[0].home, 0);
	clock_advance(DNS_TIMEOUT_MS / 2);
	while (!k[0].home)
		clock_advance(10), loop_turn(&loop, 0);
	assert_int_equal(k[0].q.status, DNS_FAILED);
	assert_int_equal(k[1].home, 0);
	clock_advance(DNS_TIMEOUT_MS / 2);
	while (!k[1].home)
		clock_advance(10), loop_turn(&loop, 0);
	assert_int_equal(k[1].q.status, DNS_FAILED);
	assert_int_equal(k[0].home, 1);
	/* What is asked when the process ends comes home, too, asked before or behind its end. */
	ask(d, &k[0], "silent.net", DNS_SRV);
	loop_turn(&loop, 0);
	ask(d, &k[1], "silent.net", DNS_TLSA);
	dns_stop(d);
	ask(d, &k[2], "host.a.net", DNS_A);
	while (mailbox_run(&loop.inbox, NULL) > 0)
		continue;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(k[i].home, 1);
		assert_int_equal(k[i].q.status, DNS_FAILED);
	}
	end(&d);
}

/* More questions than there is room for. */
static void test_bound(void **state)
{
	size_t n = DNS_RUNNING_MAX + DNS_WAITING_MAX + 100, failed = 0, back = 0;
	struct asked *k = xcalloc(n, sizeof *k);

	begin();
	zone_manner(&zone, "silent.net", M_SILENT);
	zone_start(&zone);
	struct dns *d = zone_resolver(&zone, &loop, false, false);
	clock_hold();
	for (size_t i = 0; i < n; i++)
		ask(d, &k[i], "silent.net", DNS_A);
	loop_turn(&loop, 0);
	loop_turn(&loop, 0);
	for (size_t i = 0; i < n; i++)
		failed += k[i].home && k[i].q.status == DNS_FAILED;
	assert_int_equal(failed, 100);
	assert_int_equal(k[n - 100].home, 1);
	assert_int_equal(k[n - 101].home, 0);
	for (int i = 0; i < 4; i++) {
		clock_advance(DNS_TIMEOUT_MS / 2);
		loop_turn(&loop, 0);
	}
	for (size_t i = 0; i < n; i++)
		back += k[i].home == 1;
	assert_int_equal(back, n);
	end(&d);
	free(k);
}

/* ---- threads ---- */

#define ASKERS    3
#define QUESTIONS 100

/* A thread with a loop of its own. */
struct asker {
	struct dns *dns;
	struct loop loop;
	pthread_t thread, self; /* of who started it, of itself */
	unsigned n, here;
	atomic_bool ready;
};

static void home_of_asker(struct dns_query *q, void *receiver)
{
	struct asker *a = receiver;

	a->n += q->status == DNS_OK && q->n == 1;
	a->here += pthread_equal(a->self, pthread_self()) != 0;
	dns_query_clear(q);
}

static void *ask_all(void *arg)
{
	struct asker *a = arg;
	struct dns_query *q = xcalloc(QUESTIONS, sizeof *q);
	uint64_t end = clock_mono_ms() + PATIENCE_MS;
	char name[16];

	a->self = pthread_self();
	for (unsigned i = 0; i < QUESTIONS; i++) {
		snprintf(name, sizeof name, "a%u.net", i % 10);
		q[i].home = &a->loop.inbox;
		q[i].done = home_of_asker;
		dns_ask(a->dns, &q[i], str_c(name), DNS_A);
	}
	while (a->here < QUESTIONS && clock_mono_ms() < end)
		loop_turn(&a->loop, 20);
	free(q);
	atomic_store(&a->ready, true);
	return NULL;
}

/* Questions of other threads than the resolver's come home to them. */
static void test_threads(void **state)
{
	struct asker a[ASKERS] = { 0 };
	char name[16];

	begin();
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof name, "a%u.net", i);
		zone_address(&zone, name, "192.0.2.1");
	}
	zone_start(&zone);
	struct dns *d = zone_resolver(&zone, &loop, false, false);
	for (int i = 0; i < ASKERS; i++) {
		a[i].dns = d;
		assert_true(loop_init(&a[i].loop, 1 << 20, &a[i]));
		assert_int_equal(pthread_create(&a[i].thread, NULL, ask_all, &a[i]), 0);
	}
	for (int i = 0; i < ASKERS; i++) {
		UNTIL(&loop, atomic_load(&a[i].ready));
		pthread_join(a[i].thread, NULL);
		assert_int_equal(a[i].here, QUESTIONS);
		assert_int_equal(a[i].n, QUESTIONS);
		loop_clear(&a[i].loop);
	}
	end(&d);
}

/* ---- DNSSEC ---- */

static void test_validation(void **state)
{
	struct asked k;

	begin();
	zone_address(&zone, "host.example", "192.0.2.7");
	zone_address(&zone, "forged.example", "192.0.2.8");
	zone_address(&zone, "host.net", "192.0.2.9");
	zone_manner(&zone, "forged.example", M_FORGED);
	zone_start(&zone);
	struct dns *d = zone_resolver(&zone, &loop, true, false);
	asked_is(d, "host.example", DNS_A, &k);
	assert_int_equal(k.q.status, DNS_OK);
	assert_true(k.q.secure);
	dns_query_clear(&k.q);
	asked_is(d, "host.example", DNS_AAAA, &k);
	assert_int_equal(k.q.status, DNS_NONE);
	assert_true(k.q.secure);
	asked_is(d, "forged.example", DNS_A, &k);
	assert_int_equal(k.q.status, DNS_BOGUS);
	assert_int_equal(k.q.n, 0);
	assert_false(k.q.secure);
	asked_is(d, "host.net", DNS_A, &k);
	assert_int_equal(k.q.status, DNS_OK);
	assert_false(k.q.secure);
	dns_query_clear(&k.q);
	end(&d);
}

/* Without anchors nothing is secure, and nothing bogus. */
static void test_no_validation(void **state)
{
	struct asked k;

	begin();
	zone_address(&zone, "forged.example", "192.0.2.8");
	zone_manner(&zone, "forged.example", M_FORGED);
	zone_start(&zone);
	struct dns *d = zone_resolver(&zone, &loop, false, false);
	assert_false(dns_validates(d));
	asked_is(d, "forged.example", DNS_A, &k);
	assert_int_equal(k.q.status, DNS_OK);
	assert_false(k.q.secure);
	dns_query_clear(&k.q);
	end(&d);
}

/* ---- mistakes of who sets it up ---- */

static void refused(const struct dns_options *o, const char *word)
{
	struct arena a;
	struct str error;

	arena_init(&a, 512);
	assert_null(dns_new(o, &a, &error));
	assert_non_null(strstr(str_dup(&a, error).p, word));
	arena_clear(&a);
}

static void test_mistakes(void **state)
{
	static const char *const good[] = { "192.0.2.1" };
	static const char *const bad[] = { "192.0.2.1", "dns.net" };
	char file[] = "/tmp/stentor-no-anchor-XXXXXX";
	int fd = mkstemp(file);

	refused(&(struct dns_options){ .servers = bad, .n_servers = 2 }, "dns.net");
	refused(&(struct dns_options){ good, 1, "/nonexistent/root.key", false }, "/nonexistent");
	assert_true(dprintf(fd, "example. IN DNSKEY 257 3 nonsense\n") > 0);
	close(fd);
	refused(&(struct dns_options){ good, 1, file, false }, file);
	unlink(file);
}

/* Never attached, never asked: that is no trouble. */
static void test_unused(void **state)
{
	struct dns_options o = { 0 };
	struct dns *none = NULL;
	struct arena a;
	struct str error;

	arena_init(&a, 512);
	struct dns *d = dns_new(&o, &a, &error);
	assert_non_null(d);
	dns_free(&d);
	dns_free(&none);
	arena_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_special_names),
		cmocka_unit_test(test_no_names),
		cmocka_unit_test(test_hostile_answers),
		cmocka_unit_test(test_truncated_comes_over_tcp),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_validation),
		cmocka_unit_test(test_no_validation),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_unused),
		/* These hold the clock. */
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
