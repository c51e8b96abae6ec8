#include "core/nesting.h"
#include "core/testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define NS "xmlns='http://jabber.org/protocol/disco#info'"
#define FORM(type) "<x xmlns='jabber:x:data' type='result'><field type='hidden' var='FORM_TYPE'>" \
	"<value>" type "</value></field></x>"

static struct host *pubsub;

static void delegate(struct core_side *x, const char *text)
{
	struct delegation d;

	assert_null(grant_parse_delegation(str_c(text), &d));
	grant_delegation(x->settings, pubsub, &d);
}

static int setup(void **state)
{
	struct core_side *x = xcalloc(1, sizeof *x);

	core_side_init(x, 2);
	pubsub = settings_add_component(x->settings, STR("pubsub.a.example"));
	grant_host(x->settings, pubsub, x->settings->first);
	delegate(x, "urn:p");
	delegate(x, "urn:q attribute");
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	core_side_clear(*state);
	free(*state);
	return 0;
}

static void put(struct core_side *x, const char *ns, bool bare, const char *children)
{
	struct shard *s = x->core.shards[0];
	struct arena *turn = &s->loop.turn;
	struct stanza *st = stanza_scan(&s->scratch_table, str_printf(turn, "<iq><query "
		"xmlns='http://jabber.org/protocol/disco#info'>%s</query></iq>", children), turn);
	const struct host *h = x->settings->first;

	nesting_put(s, grant_find_delegation(h, str_c(ns)), h, bare, &st->doc, stanza_payload(st));
	stanza_unref(&st);
	core_drain(&x->core);
}

/* What a shard says where the server itself says `own`. */
static void expect(struct core_side *x, unsigned shard, const char *own, const char *wanted)
{
	struct ctx c = { .shard = x->core.shards[shard], .host = x->settings->first };
	struct buf b;

	buf_init(&b, 100000);
	struct writer w = w_on(&b);
	nesting_write(&c, str_c(own), &w);
	assert_true(w_done(&w));
	if (!str_eq(buf_str(&b), str_c(wanted)))
		fail_msg("%.*s", STR_FMT(buf_str(&b)));
	buf_clear(&b);
}

/* XEP-0355 section 7.2.1, with attributes or without. */
static void features_of_the_server_are_left_out(void **state)
{
	expect(*state, 0, "<feature var='urn:p'/><feature var='urn:p#x'/><feature var='urn:p:x'/>"
		"<feature var='urn:q#x'/><feature var='urn:pp'/>",
		"<feature var='urn:p:x'/><feature var='urn:pp'/>");
}

/* Section 7.2.3. */
static void forms_of_the_server_are_left_out(void **state)
{
	expect(*state, 0, FORM("urn:p") FORM("urn:p#x") FORM("urn:r"), FORM("urn:r"));
}

static void each_shard_says_what_the_component_said(void **state)
{
	put(*state, "urn:p", false, "<identity category='a' type='b'/><feature var='urn:p#1'/>"
		"<x xmlns='x:y'/>" FORM("urn:p"));
	for (unsigned i = 0; i < 2; i++)
		expect(*state, i, "<feature var='urn:p'/><feature var='r'/>",
			"<feature var='r'/><identity " NS " category='a' type='b'/>"
			"<feature " NS " var='urn:p#1'/>" FORM("urn:p"));
	put(*state, "urn:p", false, "<feature var='urn:p#2'/>");
	expect(*state, 1, "", "<feature " NS " var='urn:p#2'/>");
}

/* XEP-0115 section 5.4: what stands there twice makes an answer that is ill-formed. */
static void nothing_stands_there_twice(void **state)
{
	put(*state, "urn:p", false, "<identity category='a' type='b' name='own'/><feature var='r'/>"
		"<feature var='s'/>");
	put(*state, "urn:q", false, "<feature var='s'/><identity category='a' type='b'/>"
		"<identity category='a' type='b' xml:lang='de'/>");
	expect(*state, 0, "<identity category='a' type='b'/><feature var='r'/>",
		"<identity category='a' type='b'/><feature var='r'/><feature " NS " var='s'/>"
		"<identity " NS " category='a' type='b' xml:lang='de'/>");
}

static void what_is_for_accounts_is_not_for_the_host(void **state)
{
	put(*state, "urn:p", true, "<feature var='bare'/>");
	expect(*state, 0, "", "");
}

static void what_is_too_large_counts_as_nothing(void **state)
{
	struct arena a;

	arena_init(&a, NESTED_MAX * 2);
	char *long_name = arena_alloc(&a, NESTED_MAX + 1);
	memset(long_name, 'a', NESTED_MAX);
	long_name[NESTED_MAX] = '\0';
	put(*state, "urn:p", false, "<feature var='1'/>");
	put(*state, "urn:p", false, str_printf(&a, "<feature var='%s'/>", long_name).p);
	expect(*state, 0, "<feature var='r'/>", "<feature var='r'/>");
	arena_clear(&a);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(features_of_the_server_are_left_out),
		CASE(forms_of_the_server_are_left_out),
		CASE(each_shard_says_what_the_component_said),
		CASE(nothing_stands_there_twice),
		CASE(what_is_for_accounts_is_not_for_the_host),
		CASE(what_is_too_large_counts_as_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
