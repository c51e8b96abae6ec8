/* pubsub-wide: a node with very many subscribers, of whom nobody is there, and what others notice of
 * it. The owner subscribes them (XEP-0060 section 8.8.2, phase "subscriptions"); then some users ping
 * their server, each the next time when it has answered, at first with nothing else going on (phase
 * "quiet"), then while items are published at a fixed rate (phase "publish"). Latency is that of the
 * pings: the longest shows how long the server has no time for anybody else. */
#include "bench.h"

#include "base/bug.h"
#include "pacer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NODE             "bench-wide"
#define AT_ONCE          1000   /* subscriptions of one request */
#define PINGERS          8
#define RATE             5.0    /* items a second, where nothing is said */
#define PATIENCE_SECONDS 600
#define WARM_UP_SECONDS  1

static struct {
	unsigned subscribed;
	bool waits;                /* for an answer to the owner */
	bool lenient;              /* which may be an error */
	bool pinging;
	uint64_t sent_ns[PINGERS];
	unsigned items;
	struct bench *bench;
} wide;

static struct peer *owner(struct bench *b)
{
	return &b->peers[0];
}

/* ---- requests of the owner ---- */

static bool is_answered(struct bench *b)
{
	return !wide.waits;
}

static bool await(struct bench *b, const char *what)
{
	wide.waits = true;
	if (!bench_run(b, is_answered, PATIENCE_SECONDS, what))
		bench_error(b, "%s: no answer", what);
	return !b->errors;
}

static void open_request(struct bench *b, const char *ns)
{
	buf_printf(peer_out(owner(b)), "<iq type='set' to='%s' id='owner'>"
		"<pubsub xmlns='http://jabber.org/protocol/%s'>", b->o.pubsub, ns);
}

static bool delete_node(struct bench *b, bool lenient)
{
	wide.lenient = lenient;
	open_request(b, "pubsub#owner");
	buf_lit(peer_out(owner(b)), "<delete node='" NODE "'/></pubsub></iq>");
	bool well = await(b, "deleting the node");
	wide.lenient = false;
	return well;
}

static bool create_node(struct bench *b)
{
	open_request(b, "pubsub");
	buf_lit(peer_out(owner(b)), "<create node='" NODE "'/><configure>"
		"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
		"<value>http://jabber.org/protocol/pubsub#node_config</value></field>"
		"<field var='pubsub#notification_type'><value>headline</value></field>"
		"<field var='pubsub#notify_delete'><value>0</value></field>"
		"</x></configure></pubsub></iq>");
	return await(b, "making the node");
}

static bool subscribe_some(struct bench *b)
{
	struct buf *out = peer_out(owner(b));

	open_request(b, "pubsub#owner");
	buf_lit(out, "<subscriptions node='" NODE "'>");
	for (unsigned i = 0; i < AT_ONCE && wide.subscribed < b->o.subscribers; i++)
		buf_printf(out, "<subscription jid='absent%u@%s' subscription='subscribed'/>",
			wide.subscribed++, b->target.domain);
	buf_lit(out, "</subscriptions></pubsub></iq>");
	return await(b, "subscribing");
}

static bool subscribe_all(struct bench *b)
{
	bench_start(b, "subscriptions", "subscription");
	bench_hold(b, b->now->start.pss);
	while (wide.subscribed < b->o.subscribers && subscribe_some(b))
		;
	b->now->units = wide.subscribed;
	bench_settle(b);
	bench_end(b);
	return !b->errors;
}

/* ---- pings ---- */

static void ping(struct peer *p)
{
	wide.sent_ns[peer_index(p)] = now_ns();
	buf_printf(peer_out(p), "<iq type='get' to='%s' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>",
		bench_of(p)->target.domain);
}

static void on_answer(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	const struct xml_node *error = xml_child(d, xml_root(d), NS_CLIENT, TAG_ERROR);
	struct str id = xml_attr_str(d, xml_root(d), TAG_ID, &b->loop.turn);

	if (error && !wide.lenient) {
		struct str why = xml_raw(d, error);
		bench_error(b, "a request was refused: %.*s", STR_FMT(why));
	}
	if (str_eq(id, STR("owner")))
		wide.waits = false;
	if (!str_eq(id, STR("ping")))
		return;
	bench_count(b, now_ns() - wide.sent_ns[peer_index(p)]);
	if (wide.pinging)
		ping(p);
}

static void on_stanza(struct peer *p, const struct xml_doc *d)
{
	if (xml_root(d)->tag == TAG_IQ)
		on_answer(p, d);
}

static const struct peer_ops wide_ops = { .ready = crowd_ready, .stanza = on_stanza,
	.failed = crowd_failed, .ended = crowd_ended };

static void beat(struct pacer *pacer, uint64_t due)
{
	open_request(wide.bench, "pubsub");
	buf_printf(peer_out(owner(wide.bench)), "<publish node='" NODE "'><item id='%u'>"
		"<entry xmlns='http://www.w3.org/2005/Atom'><title>news</title></entry></item>"
		"</publish></pubsub></iq>", ++wide.items);
}

static void measure(struct bench *b, const char *name)
{
	bench_run(b, NULL, WARM_UP_SECONDS, "warming up");
	bench_start(b, name, "ping");
	bench_measure(b, PINGERS, "pinging");
	bench_end(b);
}

static void publish(struct bench *b)
{
	struct pacer pacer;

	if (!pacer_start(&pacer, &b->loop, b->o.rate > 0 ? b->o.rate : RATE, beat)) {
		bench_error(b, "timer: %s", strerror(errno));
		return;
	}
	measure(b, "publish");
	pacer_stop(&pacer);
}

static void run(struct bench *b)
{
	wide.pinging = true;
	for (unsigned i = 0; i < PINGERS; i++)
		ping(&b->peers[i]);
	measure(b, "quiet");
	if (!b->errors)
		publish(b);
	wide.pinging = false;
	bench_settle(b);
}

void run_pubsub_wide(struct bench *b)
{
	wide.bench = b;
	crowd_make(b, PINGERS, &wide_ops);
	if (!crowd_login(b, 0, PINGERS, true))
		return;
	if (delete_node(b, true) && create_node(b)) {
		bench_settle(b);
		if (subscribe_all(b))
			run(b);
		if (!b->errors)
			delete_node(b, false);
	}
	crowd_leave(b, 0, PINGERS);
}
