/* Whom nodes notify, and in which turns (core/node.h, node_fanout.c). */
#include "core/node_private.h"

#include "core/message.h"
#include "core/testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>

#define TURNS_MAX 100

/* What arrives at the one account that all subscribe with, by a resource of its own each. */
static struct {
	unsigned n;             /* in this turn */
	unsigned all;
	char last[64];          /* id of the item */
	unsigned of_last;       /* in a row */
} arrived;

static enum passage message_arrives(struct account *a, struct stanza **message, struct jid to,
	struct stanza_refusal *why)
{
	const struct xml_doc *d = &(*message)->doc;
	const struct xml_node *event = xml_child(d, d->nodes, NS_PUBSUB_EVENT, TAG_EVENT);
	const struct xml_node *items = xml_child(d, event, NS_PUBSUB_EVENT, TAG_ITEMS);
	const struct xml_node *item = xml_child(d, items, NS_PUBSUB_EVENT, TAG_ITEM);
	struct str id = xml_attr_str(d, item, TAG_ID, &a->shard->loop.turn);

	if (!str_eq(id, str_c(arrived.last)))
		arrived.of_last = 0;
	snprintf(arrived.last, sizeof arrived.last, "%.*s", STR_FMT(id));
	arrived.n++;
	arrived.all++;
	arrived.of_last++;
	return PASSES;
}

static const struct module witness = { .name = "witness", .message_arrives = message_arrives };
static const struct module *const witnesses[] = { &witness, NULL };

struct side {
	struct core_side x;
	struct node *node;
};

static struct jid service(void)
{
	return test_jid("pubsub.a.example");
}

static struct jid juliet(void)
{
	return test_jid("juliet@a.example");
}

static void loaded(struct waiter *w, struct shard *s, struct account *a, enum store_status status)
{
	assert_non_null(a);
	free(w);
}

static void load_account(struct side *t)
{
	struct shard *s = shard_of(&t->x.core, juliet());
	struct waiter *w = xcalloc(1, sizeof *w);

	core_side_account(&t->x, juliet());
	w->run = loaded;
	account_wait(s, juliet(), w);
	core_drain(&t->x.core);
	assert_non_null(account_get(s, juliet()));
}

static void side_init(struct side *t, unsigned n_shards)
{
	struct node_config config;
	struct core *c = &t->x.core;

	core_side_init(&t->x, n_shards);
	free(c->modules);
	c->modules = module_lists_new(witnesses);
	settings_add_nodes(t->x.settings, settings_host(t->x.settings, STR("a.example")),
		STR("pubsub.a.example"));
	load_account(t);
	node_config_default(&config, NODE_OF_SERVICE);
	t->node = node_new(node_owner_shard(c, NODE_OF_SERVICE, service(), STR("news")),
		NODE_OF_SERVICE, service(), STR("news"), test_jid("hamlet@a.example"), &config);
	memset(&arrived, 0, sizeof arrived);
}

static void side_clear(struct side *t)
{
	core_drain(&t->x.core);
	core_side_clear(&t->x);
}

static void subscribe(struct side *t, unsigned first, unsigned n)
{
	struct stanza_refusal why;
	char text[64];

	for (unsigned i = first; i < first + n; i++) {
		snprintf(text, sizeof text, "juliet@a.example/r%u", i);
		assert_non_null(node_subscribe(t->node, test_jid(text), SUBSCRIPTION_SUBSCRIBED, NULL,
			&why));
	}
}

static void unsubscribe(struct side *t, unsigned i)
{
	char text[64];

	snprintf(text, sizeof text, "juliet@a.example/r%u", i);
	node_unsubscribe(t->node, node_subscription_first(t->node, test_jid(text)));
}

static void publish(struct side *t, const char *id, struct str payload)
{
	struct node_item item = { .id = str_c(id), .payload = payload };

	node_tell_items(t->node, &item, 1, test_jid("hamlet@a.example/elsinore"));
}

/* A turn of each loop; mail between shards may take one more. What arrived, at most in one. */
static unsigned turn(struct side *t)
{
	unsigned most = 0;

	for (unsigned i = 0; i < t->x.core.n_shards; i++) {
		arrived.n = 0;
		loop_turn(&t->x.core.shards[i]->loop, 0);
		if (arrived.n > most)
			most = arrived.n;
	}
	return most;
}

/* All turns until nothing waits any more; how many had something arrive. */
static unsigned run(struct side *t)
{
	unsigned busy = 0;

	for (unsigned i = 0; i < TURNS_MAX; i++) {
		unsigned n = turn(t);
		assert_in_range(n, 0, NODE_TURN_MAX);
		busy += n > 0;
	}
	assert_true(list_empty(&t->node->news));
	assert_int_equal(t->node->rounds, 0);
	return busy;
}

static void few_are_told_at_once(void **state)
{
	struct side t;

	side_init(&t, 1);
	subscribe(&t, 0, 20);
	publish(&t, "1", STR("<a xmlns='u'/>"));
	assert_int_equal(arrived.all, 20);
	assert_true(list_empty(&t.node->news));
	side_clear(&t);
}

static void many_are_told_in_turns(void **state)
{
	static const unsigned shards[] = { 1, 2, 4 };

	for (size_t i = 0; i < sizeof shards / sizeof *shards; i++) {
		struct side t;
		side_init(&t, shards[i]);
		subscribe(&t, 0, 3 * NODE_TURN_MAX + 500);
		publish(&t, "1", STR("<a xmlns='u'/>"));
		assert_in_range(arrived.all, 0, NODE_TURN_MAX);
		assert_in_range(run(&t), 3, TURNS_MAX);
		assert_int_equal(arrived.all, 3 * NODE_TURN_MAX + 500);
		side_clear(&t);
	}
}

/* A burst at a node with few subscribers is held to the same bound. */
static void many_items_are_told_in_turns(void **state)
{
	struct side t;
	char id[16];

	side_init(&t, 2);
	subscribe(&t, 0, 100);
	for (unsigned i = 0; i < 35; i++) {
		snprintf(id, sizeof id, "%u", i);
		publish(&t, id, STR("<a xmlns='u'/>"));
	}
	assert_in_range(run(&t), 3, TURNS_MAX);
	assert_int_equal(arrived.all, 3500);
	assert_string_equal(arrived.last, "34");
	side_clear(&t);
}

static void items_are_told_in_order(void **state)
{
	struct side t;

	side_init(&t, 2);
	subscribe(&t, 0, 2 * NODE_TURN_MAX + 1);
	publish(&t, "1", STR("<a xmlns='u'/>"));
	publish(&t, "2", STR("<a xmlns='u'/>"));
	publish(&t, "3", STR("<a xmlns='u'/>"));
	run(&t);
	assert_int_equal(arrived.all, 3 * (2 * NODE_TURN_MAX + 1));
	assert_string_equal(arrived.last, "3");
	assert_int_equal(arrived.of_last, 2 * NODE_TURN_MAX + 1); /* none came between */
	side_clear(&t);
}

static void a_node_is_behind_when_much_waits(void **state)
{
	struct side t;
	struct buf b;

	side_init(&t, 1);
	subscribe(&t, 0, 2 * NODE_TURN_MAX);
	buf_init(&b, NODE_NEWS_MAX);
	buf_lit(&b, "<a xmlns='u'>");
	while (b.n < NODE_NEWS_MAX / 4)
		buf_lit(&b, "0123456789abcdef");
	buf_lit(&b, "</a>");
	for (unsigned i = 0; i < 3; i++)
		publish(&t, "1", buf_str(&b));
	assert_false(node_is_behind(t.node));
	publish(&t, "1", buf_str(&b));
	assert_true(node_is_behind(t.node));
	run(&t);
	assert_false(node_is_behind(t.node));
	assert_int_equal(t.node->news_bytes, 0);
	buf_clear(&b);
	side_clear(&t);
}

/* What is told in full to some alone counts too. */
static void a_node_is_behind_with_payloads_for_few(void **state)
{
	struct subscription_options options;
	struct stanza_refusal why;
	struct side t;
	struct buf b;

	side_init(&t, 1);
	subscribe(&t, 0, 2 * NODE_TURN_MAX);
	subscription_options_default(&options);
	options.include_body = true;
	assert_non_null(node_subscribe(t.node, test_jid("juliet@a.example/x"),
		SUBSCRIPTION_SUBSCRIBED, &options, &why));
	subscription_options_clear(&options);
	t.node->config.deliver_payloads = false;
	buf_init(&b, NODE_NEWS_MAX);
	buf_lit(&b, "<a xmlns='u'>");
	while (b.n < NODE_NEWS_MAX / 4)
		buf_lit(&b, "0123456789abcdef");
	buf_lit(&b, "</a>");
	for (unsigned i = 0; i < 4; i++)
		publish(&t, "1", buf_str(&b));
	assert_true(node_is_behind(t.node));
	run(&t);
	assert_int_equal(t.node->news_bytes, 0);
	buf_clear(&b);
	side_clear(&t);
}

static void who_comes_and_goes_changes_the_audience(void **state)
{
	struct side t;

	side_init(&t, 1);
	subscribe(&t, 0, NODE_TURN_MAX + 10);
	publish(&t, "1", STR("<a xmlns='u'/>"));
	run(&t);
	assert_int_equal(arrived.all, NODE_TURN_MAX + 10);
	unsubscribe(&t, 3);
	unsubscribe(&t, NODE_TURN_MAX + 3);
	publish(&t, "2", STR("<a xmlns='u'/>"));
	run(&t);
	assert_int_equal(arrived.of_last, NODE_TURN_MAX + 8);
	subscribe(&t, 3, 1);
	publish(&t, "3", STR("<a xmlns='u'/>"));
	run(&t);
	assert_int_equal(arrived.of_last, NODE_TURN_MAX + 9);
	side_clear(&t);
}

/* Another subscription of a JID in another piece makes of the first one what it was not. */
static void a_jid_is_told_once(void **state)
{
	struct subscription_options options;
	struct stanza_refusal why;
	struct side t;

	side_init(&t, 1);
	subscribe(&t, 0, NODE_TURN_MAX + 10);
	publish(&t, "1", STR("<a xmlns='u'/>"));
	run(&t);
	subscription_options_default(&options);
	options.include_body = true;
	struct node_subscription *second = node_subscribe(t.node, test_jid("juliet@a.example/r5"),
		SUBSCRIPTION_SUBSCRIBED, &options, &why);
	assert_non_null(second);
	publish(&t, "2", STR("<a xmlns='u'/>"));
	run(&t);
	assert_int_equal(arrived.of_last, NODE_TURN_MAX + 10);
	node_unsubscribe(t.node, second);
	publish(&t, "3", STR("<a xmlns='u'/>"));
	run(&t);
	assert_int_equal(arrived.of_last, NODE_TURN_MAX + 10);
	subscription_options_clear(&options);
	side_clear(&t);
}

/* Nothing waits for a node that ends while it tells; all hear what it was telling. */
static void a_node_ends_behind_its_news(void **state)
{
	struct side t;

	side_init(&t, 2);
	subscribe(&t, 0, 2 * NODE_TURN_MAX);
	publish(&t, "1", STR("<a xmlns='u'/>"));
	node_end(t.node);
	for (unsigned i = 0; i < TURNS_MAX; i++)
		turn(&t);
	assert_int_equal(arrived.all, 2 * NODE_TURN_MAX);
	side_clear(&t);
}

/* RFC 6121 section 8.5.2: a headline for nobody is dropped; no account is loaded for that. */
static void who_is_not_there_is_not_loaded(void **state)
{
	struct jid romeo = test_jid("romeo@a.example");
	struct stanza_refusal why;
	struct side t;

	side_init(&t, 1);
	core_side_account(&t.x, romeo);
	t.node->config.notification = NOTIFY_HEADLINE;
	assert_non_null(node_subscribe(t.node, romeo, SUBSCRIPTION_SUBSCRIBED, NULL, &why));
	publish(&t, "1", STR("<a xmlns='u'/>"));
	assert_null(account_find(t.x.core.shards[0], romeo));
	t.node->config.notification = NOTIFY_NORMAL;
	publish(&t, "2", STR("<a xmlns='u'/>"));
	assert_non_null(account_find(t.x.core.shards[0], romeo));
	side_clear(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_are_told_at_once),
		cmocka_unit_test(many_are_told_in_turns),
		cmocka_unit_test(many_items_are_told_in_turns),
		cmocka_unit_test(items_are_told_in_order),
		cmocka_unit_test(a_node_is_behind_when_much_waits),
		cmocka_unit_test(a_node_is_behind_with_payloads_for_few),
		cmocka_unit_test(who_comes_and_goes_changes_the_audience),
		cmocka_unit_test(a_jid_is_told_once),
		cmocka_unit_test(a_node_ends_behind_its_news),
		cmocka_unit_test(who_is_not_there_is_not_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
