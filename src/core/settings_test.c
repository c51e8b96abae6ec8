#include "core/settings.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_hosts(void **state)
{
	static const char *const domains[] = { "a.example", "b.example", "bücher.example", "x" };
	char text[32];
	struct settings *s = settings_new();

	assert_null(s->first);
	for (size_t i = 0; i < sizeof domains / sizeof domains[0]; i++) {
		memcpy(text, domains[i], strlen(domains[i]) + 1);
		struct host *h = settings_add_host(s, str_c(text));
		memset(text, 0, sizeof text); /* it has a copy */
		assert_ptr_equal(settings_host(s, str_c(domains[i])), h);
		assert_ptr_equal(s->first, settings_host(s, STR("a.example")));
		assert_false(h->registration || h->anonymous);
	}
	assert_null(settings_host(s, STR("c.example")));
	assert_null(settings_host(s, STR("A.example"))); /* canonical names only */
	assert_null(settings_host(s, STR("")));
	settings_unref(&s);
	assert_null(s);
}

/* XEP-0045: a service of rooms is a host for what is sent there, and has no accounts. */
static void test_services(void **state)
{
	struct settings *s = settings_new();
	struct host *h = settings_add_host(s, STR("a.example"));
	struct host *rooms = settings_add_rooms(s, h, STR("rooms.a.example"));

	assert_ptr_equal(settings_host(s, STR("rooms.a.example")), rooms);
	assert_null(settings_account_host(s, STR("rooms.a.example")));
	assert_ptr_equal(settings_account_host(s, STR("a.example")), h);
	assert_null(settings_account_host(s, STR("b.example")));
	assert_ptr_equal(h->rooms, rooms);
	assert_ptr_equal(rooms->home, h);
	settings_unref(&s);
}

/* An administrator of the host is one of its service too, with any resource. */
static void test_administrators(void **state)
{
	struct settings *s = settings_new();
	struct host *h = settings_add_host(s, STR("a.example"));
	struct host *other = settings_add_host(s, STR("b.example"));
	struct host *rooms = settings_add_rooms(s, h, STR("rooms.a.example"));
	struct jid juliet = jid_make(&s->mem, STR("juliet"), STR("a.example"), STR("balcony"));
	struct jid romeo = jid_make(&s->mem, STR("romeo"), STR("a.example"), STR(""));
	struct jid admins[] = { jid_bare(juliet) };

	h->admins = admins;
	h->n_admins = 1;
	assert_true(host_administers(h, juliet));
	assert_true(host_administers(rooms, juliet));
	assert_false(host_administers(other, juliet));
	assert_false(host_administers(h, romeo));
	settings_unref(&s);
}

/* Domains by name, then by the longest end of a component of many (docs/components.md). */
static void test_components(void **state)
{
	struct settings *s = settings_new();
	struct host *h = settings_add_host(s, STR("a.example"));
	struct host *other = settings_add_host(s, STR("game.b.example"));
	struct host *irc = settings_add_component(s, STR("irc.a.example"));
	struct host *many = settings_add_component(s, STR("*.b.example"));
	struct host *deep = settings_add_component(s, STR("*.deep.b.example"));
	static const struct {
		const char *domain;
		unsigned who; /* of the list below */
	} cases[] = {
		{ "a.example", 0 }, { "game.b.example", 1 }, { "irc.a.example", 2 },
		{ "x.b.example", 3 }, { "x.y.b.example", 3 }, { "deep.b.example", 3 },
		{ "x.game.b.example", 3 }, { "x.deep.b.example", 4 }, { "x.y.deep.b.example", 4 },
		{ "b.example", 5 }, { "xb.example", 5 }, { "x.irc.a.example", 5 },
		{ "*.b.example.", 5 }, { "", 5 }, { ".", 5 }, { "b.example.", 5 },
	};
	const struct host *const hosts[] = { h, other, irc, many, deep, NULL };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (settings_host(s, str_c(cases[i].domain)) != hosts[cases[i].who])
			fail_msg("%s is another's", cases[i].domain);
	assert_ptr_equal(settings_component(s, STR("irc.a.example")), irc);
	assert_ptr_equal(settings_component(s, STR("*.b.example")), many);
	assert_null(settings_component(s, STR("x.b.example")));
	assert_null(settings_component(s, STR("a.example")));
	assert_null(settings_account_host(s, STR("irc.a.example")));
	assert_null(settings_account_host(s, STR("x.b.example")));
	assert_ptr_equal(settings_parent(s, STR("irc.a.example")), h);
	assert_ptr_equal(settings_parent(s, STR("x.y.game.b.example")), other);
	assert_ptr_equal(settings_parent(s, STR("elsewhere.example")), h);
	assert_ptr_equal(s->components, irc);
	assert_ptr_equal(irc->next_component, many);
	settings_unref(&s);
}

/* The rules of a remote domain: its own, then those of the closest domain around it. */
static void test_rules_of_remote_domains(void **state)
{
	struct settings *s = settings_new();
	static const struct {
		const char *domain;
		unsigned who; /* of the list below */
	} cases[] = {
		{ "a.example", 1 }, { "x.a.example", 0 }, { "b.example", 0 }, { "x.b.example", 2 },
		{ "x.y.b.example", 2 }, { "y.b.example", 3 }, { "xb.example", 0 },
		{ "x.z.b.example", 4 }, { "z.b.example", 2 }, { "", 0 }, { ".", 0 },
		{ "A.example", 0 }, { "a.example.", 0 },
	};
	char text[] = "a.example";

	s->peer_default.security = PEERS_BY_DIALBACK;
	const struct peer_rules *const rules[] = {
		&s->peer_default, settings_add_peer(s, str_c(text)),
		settings_add_peer(s, STR("*.b.example")), settings_add_peer(s, STR("y.b.example")),
		settings_add_peer(s, STR("*.z.b.example")),
	};
	memset(text, 0, sizeof text); /* it has a copy */
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (settings_peer(s, str_c(cases[i].domain)) != rules[cases[i].who])
			fail_msg("%s has another's", cases[i].domain);
	assert_int_equal(rules[1]->security, PEERS_BY_DIALBACK); /* the default at the start */
	assert_true(str_eq(rules[1]->domain, STR("a.example")));
	assert_int_equal(rules[1]->route.n + rules[1]->n_pins, 0);
	settings_unref(&s);
}

/* Who is neither allowed nor blocked may talk where nobody is named as allowed. */
static void test_who_federates(void **state)
{
	static const struct {
		const char *name, *allow[2], *block[2], *domain;
		bool may;
	} cases[] = {
		{ "no list", { 0 }, { 0 }, "x.example", true },
		{ "allowed", { "y.example", "x.example" }, { 0 }, "x.example", true },
		{ "another is allowed", { "x.example" }, { 0 }, "y.example", false },
		{ "within an allowed one", { "x.example" }, { 0 }, "y.x.example", false },
		{ "all within", { "*.x.example" }, { 0 }, "z.y.x.example", true },
		{ "around all within", { "*.x.example" }, { 0 }, "x.example", false },
		{ "blocked", { 0 }, { "y.example", "x.example" }, "x.example", false },
		{ "another is blocked", { 0 }, { "x.example" }, "y.example", true },
		{ "blocked with all within", { 0 }, { "*.x.example" }, "y.x.example", false },
		{ "around the blocked", { 0 }, { "*.x.example" }, "x.example", true },
		{ "both", { "x.example" }, { "x.example" }, "x.example", false },
		{ "all but one", { "*.x.example" }, { "y.x.example" }, "y.x.example", false },
		{ "one of the blocked", { "y.x.example" }, { "*.x.example" }, "y.x.example", false },
		{ "named twice", { "x.example", "x.example" }, { 0 }, "x.example", true },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct settings *s = settings_new();
		struct host *h = settings_add_host(s, STR("a.example"));

		s->federation = true;
		for (size_t k = 0; k < 2; k++) {
			if (cases[i].allow[k])
				settings_allow_peer(s, str_c(cases[i].allow[k]));
			if (cases[i].block[k])
				settings_block_peer(s, str_c(cases[i].block[k]));
		}
		if (settings_federates(s, h, str_c(cases[i].domain)) != cases[i].may)
			fail_msg("%s", cases[i].name);
		settings_unref(&s);
	}
}

/* The switches: of the server, of a host, whose service goes with it; a component has none. */
static void test_switches_of_federation(void **state)
{
	struct settings *s = settings_new();
	struct host *h = settings_add_host(s, STR("a.example"));
	struct host *rooms = settings_add_rooms(s, h, STR("rooms.a.example"));
	struct host *component = settings_add_component(s, STR("irc.a.example"));
	const struct str remote = STR("x.example");

	assert_false(s->federation); /* who makes settings says it */
	assert_false(settings_federates(s, h, remote));
	assert_false(settings_federates(s, component, remote));
	s->federation = true;
	assert_true(settings_federates(s, h, remote));
	assert_true(settings_federates(s, rooms, remote));
	assert_true(settings_federates(s, component, remote));
	h->federation = false;
	assert_false(settings_federates(s, h, remote));
	assert_false(settings_federates(s, rooms, remote));
	assert_true(settings_federates(s, component, remote));
	settings_unref(&s);
}

static void test_bounds_of_a_new_snapshot(void **state)
{
	struct settings *s = settings_new();

	assert_true(s->guest.stanza_bytes && s->guest.stanza_bytes < s->user.stanza_bytes);
	assert_true(s->login_ms && s->max_out && s->sessions_max && s->roster_max);
	assert_true(s->max_out > s->user.stanza_bytes); /* one stanza at least can wait */
	assert_true(s->checks_per_second);
	assert_false(s->plain_without_tls);
	assert_true(s->peer_idle_ms && s->peer_connect_ms && s->peer_queue_ms);
	assert_true(s->peer_streams_max && s->peer_unacked_max);
	assert_true(s->peer_queue_max >= s->user.stanza_bytes); /* one stanza at least can wait */
	assert_int_equal(s->peer_default.security, PEERS_BY_CERTIFICATE);
	settings_unref(&s);
}

static void test_counting(void **state)
{
	struct settings *s = settings_new();
	struct settings *other = settings_ref(s);

	settings_add_host(s, STR("a.example"));
	settings_unref(&s);
	assert_non_null(settings_host(other, STR("a.example")));
	settings_unref(&other);
	settings_unref(&other); /* nothing is nothing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_administrators),
		cmocka_unit_test(test_components),
		cmocka_unit_test(test_rules_of_remote_domains),
		cmocka_unit_test(test_who_federates),
		cmocka_unit_test(test_switches_of_federation),
		cmocka_unit_test(test_bounds_of_a_new_snapshot),
		cmocka_unit_test(test_counting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
