/* pubsub: each node has one publisher and so many subscribers, the users behind it in a ring. The
 * nodes are made (phase "nodes"), subscribed to (phase "subscriptions"), then items are published, so
 * many under way at each node and the next when one is with all (phase "publish"), then at half of
 * the rate that this gave (phase "half"); or at a fixed rate over all nodes. A unit of these is a
 * notification that one subscriber receives. Each must come once, unchanged, and in order.
 *
 * pubsub-idle: memory of nodes (phase "nodes"), of items in them (phase "items") and of subscriptions
 * (phase "subscriptions"), with which nothing happens. */
#include "event.h"

#include "base/bug.h"
#include "pacer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_SECONDS 600
#define WARM_UP_SECONDS  1
#define DRAIN_SECONDS    120
#define LATE_SECONDS     0.2
#define UNDER_WAY_MAX    (1u << 20) /* items of all nodes; each may have its share */
#define IDLE_ITEMS       10         /* of each node, where nothing is said */

static struct {
	struct event_line *lines;
	unsigned n_nodes, n_subscribers; /* of each node */
	unsigned asked, answered, want;  /* requests of a stretch, so many at once: */
	unsigned at_once;
	void (*ask)(struct bench *b, unsigned i);
	unsigned next;                   /* node, in turn, at a fixed rate */
	bool closed;                     /* the next item when one is with all */
	bool clearing;                   /* of what a run before left: it need not be there */
	struct bench *bench;
} nodes;

/* ---- requests ---- */

static void open_request(struct peer *p, const char *ns, unsigned i)
{
	buf_printf(peer_out(p), "<iq type='set' to='%s' id='q%u'>"
		"<pubsub xmlns='http://jabber.org/protocol/%s'>", bench_of(p)->o.pubsub, i, ns);
}

static void field(struct buf *out, const char *var, const char *value)
{
	buf_printf(out, "<field var='pubsub#%s'><value>%s</value></field>", var, value);
}

static void create(struct bench *b, unsigned i)
{
	struct peer *p = nodes.lines[i].publisher;
	struct buf *out = peer_out(p);

	open_request(p, "pubsub", i);
	buf_printf(out, "<create node='%s'/><configure><x xmlns='jabber:x:data' type='submit'>"
		"<field var='FORM_TYPE' type='hidden'>"
		"<value>http://jabber.org/protocol/pubsub#node_config</value></field>",
		nodes.lines[i].name);
	field(out, "access_model", "open");
	field(out, "persist_items", "1");
	field(out, "max_items", "10");
	field(out, "notification_type", "headline");
	field(out, "notify_retract", "0"); /* of items that make room for others too */
	field(out, "send_last_published_item", "never");
	buf_lit(out, "</x></configure></pubsub></iq>");
}

/* The k-th subscriber of a node is the user so far behind its publisher. */
static struct peer *subscriber(struct bench *b, unsigned node, unsigned k)
{
	return &b->peers[(node + k + 1) % b->n_peers];
}

static void subscribe(struct bench *b, unsigned i)
{
	unsigned node = i % nodes.n_nodes;
	struct peer *p = subscriber(b, node, i / nodes.n_nodes);

	open_request(p, "pubsub", i);
	buf_printf(peer_out(p), "<subscribe node='%s' jid='%s@%s'/></pubsub></iq>",
		nodes.lines[node].name, p->user, b->target.domain);
}

static void destroy(struct bench *b, unsigned i)
{
	struct peer *p = nodes.lines[i].publisher;

	open_request(p, "pubsub#owner", i);
	buf_printf(peer_out(p), "<delete node='%s'/></pubsub></iq>", nodes.lines[i].name);
}

static void fill(struct bench *b, unsigned i)
{
	event_publish(&nodes.lines[i % nodes.n_nodes], now_ns());
}

static bool all_answered(struct bench *b)
{
	return nodes.answered == nodes.want;
}

static void ask_more(struct bench *b)
{
	while (nodes.asked < nodes.want && nodes.asked - nodes.answered < nodes.at_once)
		nodes.ask(b, nodes.asked++);
}

/* There are servers that make two nodes of one where nodes come and go at once. */
static bool ask_all(struct bench *b, unsigned n, void (*ask)(struct bench *b, unsigned i),
	const char *what)
{
	nodes.at_once = ask == create || ask == destroy ? 1 : b->o.at_once;
	nodes.asked = nodes.answered = 0;
	nodes.want = n;
	nodes.ask = ask;
	ask_more(b);
	if (!bench_run(b, all_answered, PATIENCE_SECONDS, what))
		bench_error(b, "%s: %u answers of %u came", what, nodes.answered, n);
	nodes.ask = NULL;
	return !b->errors;
}

/* ---- what comes ---- */

static void on_answer(struct peer *p, const struct xml_doc *d)
{
	if (!nodes.clearing)
		event_answer(p, d);
	if (!nodes.ask)
		return;
	nodes.answered++;
	bench_count(bench_of(p), 0);
	ask_more(bench_of(p));
}

/* benchN, by the number of its publisher. */
static struct event_line *line_of(struct bench *b, struct str node)
{
	uint64_t number;

	if (!str_starts(node, STR("bench")) ||
		!str_to_u64(str_skip(node, strlen("bench")), UINT32_MAX, &number) ||
		number < b->o.first || number - b->o.first >= nodes.n_nodes)
		return NULL;
	return &nodes.lines[number - b->o.first];
}

static const char *check(struct peer *p, struct event_line *l, const struct xml_doc *d,
	uint64_t *due, bool *last)
{
	struct bench *b = bench_of(p);
	unsigned node = l ? (unsigned)(l - nodes.lines) : 0;
	unsigned k = (peer_index(p) + b->n_peers - node - 1) % b->n_peers;

	if (!l || k >= nodes.n_subscribers)
		return "a notification is of a node that was not subscribed to";
	return event_check(l, k, d, &b->loop.turn, due, last);
}

static void on_event(struct peer *p, const struct xml_doc *d, struct str node)
{
	struct bench *b = bench_of(p);
	struct event_line *l = line_of(b, node);
	uint64_t due, now = now_ns();
	bool last = false;

	const char *wrong = check(p, l, d, &due, &last);
	if (wrong) {
		bench_bad_message(p, d, wrong);
		return;
	}
	bench_count(b, now - due);
	if (last && nodes.closed)
		event_publish(l, now);
}

static void on_stanza(struct peer *p, const struct xml_doc *d)
{
	struct str node = event_node(p, d);

	if (node.p)
		on_event(p, d, node);
	else if (xml_root(d)->tag == TAG_IQ)
		on_answer(p, d);
	else if (xml_root(d)->tag == TAG_MESSAGE)
		bench_bad_message(p, d, "a message is no notification");
}

/* The end of a node is told too. */
static void on_last_stanza(struct peer *p, const struct xml_doc *d)
{
	if (xml_root(d)->tag == TAG_IQ)
		on_answer(p, d);
}

static const struct peer_ops pubsub_ops = { .ready = crowd_ready, .stanza = on_stanza,
	.failed = crowd_failed, .ended = crowd_ended };
static const struct peer_ops last_ops = { .ready = crowd_ready, .stanza = on_last_stanza,
	.failed = crowd_failed, .ended = crowd_ended };

/* ---- publishing ---- */

static void beat(struct pacer *pacer, uint64_t due)
{
	event_publish(&nodes.lines[nodes.next++ % nodes.n_nodes], due);
}

static void measure(struct bench *b, const char *name)
{
	bench_run(b, NULL, WARM_UP_SECONDS, "warming up");
	bench_start(b, name, "notification");
	bench_measure(b, (uint64_t)nodes.n_nodes * nodes.n_subscribers, "publishing");
	bench_end(b);
}

static bool all_over(struct bench *b)
{
	for (unsigned i = 0; i < nodes.n_nodes; i++)
		if (!order_is_done(&nodes.lines[i].order))
			return false;
	return true;
}

static bool drain(struct bench *b)
{
	if (!bench_run(b, all_over, DRAIN_SECONDS, "waiting for the rest"))
		bench_error(b, "notifications were lost");
	bench_run(b, NULL, LATE_SECONDS, "waiting for too many");
	return !b->errors;
}

static bool publish(struct bench *b)
{
	nodes.closed = true;
	for (unsigned i = 0; i < nodes.n_nodes; i++)
		for (unsigned k = 0; k < b->o.window; k++)
			event_publish(&nodes.lines[i], now_ns());
	measure(b, "publish");
	nodes.closed = false;
	return drain(b);
}

/* rate: items a second. */
static bool publish_at(struct bench *b, double rate, const char *name)
{
	struct pacer pacer;

	if (!pacer_start(&pacer, &b->loop, rate, beat)) {
		bench_error(b, "timer: %s", strerror(errno));
		return false;
	}
	measure(b, name);
	pacer_stop(&pacer);
	return drain(b);
}

static double rate_of(const struct phase *p)
{
	return (double)p->units * 1e9 / (double)(p->end_ns - p->start_ns) / nodes.n_subscribers;
}

static void publish_all(struct bench *b)
{
	if (b->o.rate > 0)
		publish_at(b, b->o.rate, "publish");
	else if (publish(b))
		publish_at(b, rate_of(&b->phases[b->n_phases - 1]) / 2, "half");
}

/* ---- the run ---- */

/* A stretch after which the server has more in memory. */
static bool grow(struct bench *b, const char *name, const char *unit, unsigned n,
	void (*ask)(struct bench *b, unsigned i))
{
	bench_start(b, name, unit);
	bench_hold(b, b->now->start.pss);
	bool well = ask_all(b, n, ask, name);
	bench_settle(b);
	bench_end(b);
	return well && !b->errors;
}

static bool grow_nodes(struct bench *b)
{
	nodes.clearing = true;
	ask_all(b, nodes.n_nodes, destroy, "deleting nodes");
	nodes.clearing = false;
	bench_settle(b);
	return grow(b, "nodes", "node", nodes.n_nodes, create);
}

static bool grow_subscriptions(struct bench *b)
{
	return grow(b, "subscriptions", "subscription", nodes.n_nodes * nodes.n_subscribers,
		subscribe);
}

static void end(struct bench *b)
{
	if (b->errors)
		return;
	for (unsigned i = 0; i < b->n_peers; i++)
		b->peers[i].ops = &last_ops;
	ask_all(b, nodes.n_nodes, destroy, "deleting nodes");
	bench_settle(b);
}

static bool make(struct bench *b, unsigned users)
{
	char name[32];

	nodes.bench = b;
	nodes.n_nodes = b->o.nodes;
	nodes.n_subscribers = b->o.subscribers;
	if (nodes.n_nodes > users || nodes.n_subscribers >= users ||
		b->o.window > UNDER_WAY_MAX / nodes.n_nodes) {
		bench_error(b, "there are too many nodes or subscribers for these users and window");
		return false;
	}
	crowd_make(b, users, &pubsub_ops);
	nodes.lines = xcalloc(nodes.n_nodes, sizeof *nodes.lines);
	for (unsigned i = 0; i < nodes.n_nodes; i++) {
		snprintf(name, sizeof name, "bench%u", b->o.first + i);
		event_line_init(&nodes.lines[i], &b->peers[i], b->o.pubsub, name,
			nodes.n_subscribers, UNDER_WAY_MAX / nodes.n_nodes, b->o.bytes);
	}
	return crowd_login(b, 0, users, true);
}

static void clear(struct bench *b)
{
	for (unsigned i = 0; nodes.lines && i < nodes.n_nodes; i++)
		event_line_clear(&nodes.lines[i]);
	free(nodes.lines);
	nodes.lines = NULL;
}

static unsigned users_needed(const struct bench *b)
{
	return b->o.nodes > b->o.subscribers ? b->o.nodes : b->o.subscribers + 1;
}

void run_pubsub(struct bench *b)
{
	if (make(b, users_needed(b))) {
		if (grow_nodes(b) && grow_subscriptions(b))
			publish_all(b);
		end(b);
		crowd_leave(b, 0, b->n_peers);
	}
	clear(b);
}

void run_pubsub_idle(struct bench *b)
{
	unsigned items = b->o.messages ? b->o.messages : IDLE_ITEMS;

	if (make(b, b->o.users > users_needed(b) ? b->o.users : users_needed(b))) {
		if (grow_nodes(b) && grow(b, "items", "item", items * nodes.n_nodes, fill))
			grow_subscriptions(b);
		end(b);
		crowd_leave(b, 0, b->n_peers);
	}
	clear(b);
}
