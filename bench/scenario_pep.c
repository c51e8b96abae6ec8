/* pep: users with contacts, all online, publish to a node of their own accounts (XEP-0163), in which
 * everybody's capabilities show interest. So many users publish at a time, and the next one when an
 * item is with all contacts of one (phase "publish"), then at half of the rate that this gave (phase
 * "half"). A unit is a notification that one client receives; the publisher's own client may be told
 * as well. Each contact must hear of every item once, unchanged, and in order; what Prosody sends to
 * its account besides counts as a unit, too. */
#include "event.h"

#include "base/base64.h"
#include "base/bug.h"
#include "base/digest.h"
#include "pacer.h"
#include "ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define WARM_UP_SECONDS 1
#define DRAIN_SECONDS   120
#define LATE_SECONDS    0.2
#define UNDER_WAY_MAX   1024  /* items of one account */

#define NODE     "urn:stentor:bench"
#define FEATURES "<identity category='client' type='bot'/>" \
	"<feature var='http://jabber.org/protocol/disco#info'/><feature var='" NODE "+notify'/>"

static struct {
	struct event_line *lines;  /* of each user */
	unsigned next;             /* user, in turn */
	bool begun;                /* what comes before are items of a run before */
	bool closed;               /* the next item when one is with all */
	char ver[32];              /* XEP-0115 section 5.1, of FEATURES */
} pep;

static void make_ver(void)
{
	uint8_t hash[DIGEST_MAX];
	struct buf b;

	digest_of(DIGEST_SHA1,
		STR("client/bot//<http://jabber.org/protocol/disco#info<" NODE "+notify<"), hash);
	buf_init(&b, sizeof pep.ver);
	base64_encode(&b, str_from((const char *)hash, digest_len(DIGEST_SHA1)));
	snprintf(pep.ver, sizeof pep.ver, "%.*s", STR_FMT(buf_str(&b)));
	buf_clear(&b);
}

/* ---- what comes ---- */

static void answer_disco(struct peer *p, const struct xml_doc *d, const struct xml_node *query)
{
	struct arena *turn = &p->loop->turn;
	struct str from = xml_attr_str(d, xml_root(d), TAG_FROM, turn);
	struct writer w = w_on(peer_out(p));

	w_open(&w, "iq");
	w_attr(&w, "type", STR("result"));
	w_attr(&w, "id", xml_attr_str(d, xml_root(d), TAG_ID, turn));
	if (from.p)
		w_attr(&w, "to", from);
	w_open_ns(&w, "query", NS_DISCO_INFO);
	w_attr(&w, "node", xml_attr_str(d, query, TAG_NODE, turn));
	w_raw(&w, STR(FEATURES));
	w_close(&w);
	w_close(&w);
}

static void publish_next(struct bench *b)
{
	struct event_line *l;

	do
		l = &pep.lines[pep.next++ % b->n_peers];
	while (!order_is_done(&l->order));
	event_publish(l, now_ns());
}

static bool is_to_account(struct bench *b, const struct xml_doc *d)
{
	return str_find(xml_attr_str(d, xml_root(d), TAG_TO, &b->loop.turn), '/') < 0;
}

/* What not every server sends. */
static void on_extra(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	uint64_t due;
	const char *wrong = event_due(d, &b->loop.turn, &due);

	if (wrong)
		bench_bad_message(p, d, wrong);
	else
		bench_count(b, now_ns() - due);
}

static void on_event(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	int k = ring_user(b, xml_attr_str(d, xml_root(d), TAG_FROM, &b->loop.turn));
	int hearer = k < 0 ? -1 : ring_contact((unsigned)k, peer_index(p));
	uint64_t due;
	bool last;

	if (k == (int)peer_index(p) || is_to_account(b, d)) {
		on_extra(p, d);
		return;
	}
	const char *wrong = hearer < 0 ? "a notification is of nobody's who is a contact"
		: event_check(&pep.lines[k], (unsigned)hearer, d, &b->loop.turn, &due, &last);
	if (wrong) {
		bench_bad_message(p, d, wrong);
		return;
	}
	bench_count(b, now_ns() - due);
	if (last && pep.closed)
		publish_next(b);
}

static void on_stanza(struct peer *p, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);
	const struct xml_node *query = xml_child(d, root, NS_DISCO_INFO, TAG_QUERY);
	struct str node = event_node(p, d);

	if (ring_takes(p, d))
		return;
	if (str_eq(node, STR(NODE)) && pep.begun)
		on_event(p, d);
	else if (root->tag == TAG_IQ && query)
		answer_disco(p, d, query);
	else if (root->tag == TAG_IQ)
		event_answer(p, d);
}

static const struct peer_ops pep_ops = { .ready = ring_ready, .stanza = on_stanza,
	.failed = crowd_failed, .ended = crowd_ended };

/* ---- the run ---- */

/* All come online and are known to be interested. */
static void say_hello(struct bench *b)
{
	for (unsigned i = 0; i < b->n_peers; i++)
		buf_printf(peer_out(&b->peers[i]), "<presence>"
			"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='%s' ver='%s'/>"
			"</presence>", NODE, pep.ver);
	bench_settle(b);
}

static void measure(struct bench *b, const char *name)
{
	bench_run(b, NULL, WARM_UP_SECONDS, "warming up");
	bench_start(b, name, "notification");
	bench_measure(b, b->n_peers, "publishing");
	bench_end(b);
}

static bool all_over(struct bench *b)
{
	for (unsigned i = 0; i < b->n_peers; i++)
		if (!order_is_done(&pep.lines[i].order))
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

/* One item of each, with which the nodes are made, before anything is measured: one after the other,
 * since there are servers that make two nodes of one when that happens at once. */
static bool publish_first(struct bench *b)
{
	for (unsigned i = 0; i < b->n_peers && !b->errors; i++) {
		event_publish(&pep.lines[i], now_ns());
		if (!bench_run(b, all_over, DRAIN_SECONDS, "making nodes"))
			bench_error(b, "a notification was lost");
	}
	return !b->errors;
}

static bool publish(struct bench *b)
{
	pep.closed = true;
	for (unsigned i = 0; i < b->o.at_once && i < b->n_peers; i++)
		publish_next(b);
	measure(b, "publish");
	pep.closed = false;
	return drain(b);
}

static void beat(struct pacer *pacer, uint64_t due)
{
	struct bench *b = pacer->loop->owner;

	event_publish(&pep.lines[pep.next++ % b->n_peers], due);
}

static bool publish_at(struct bench *b, double rate)
{
	struct pacer pacer;

	if (!pacer_start(&pacer, &b->loop, rate, beat)) {
		bench_error(b, "timer: %s", strerror(errno));
		return false;
	}
	measure(b, "half");
	pacer_stop(&pacer);
	return drain(b);
}

static double rate_of(const struct phase *p)
{
	return (double)p->units * 1e9 / (double)(p->end_ns - p->start_ns) / ring_contacts();
}

static void run(struct bench *b)
{
	say_hello(b);
	pep.begun = true;
	if (publish_first(b) && publish(b))
		publish_at(b, rate_of(&b->phases[b->n_phases - 1]) / 2);
}

void run_pep(struct bench *b)
{
	make_ver();
	if (!ring_make(b, &pep_ops))
		return;
	pep.lines = xcalloc(b->n_peers, sizeof *pep.lines);
	for (unsigned i = 0; i < b->n_peers; i++)
		event_line_init(&pep.lines[i], &b->peers[i], NULL, NODE, ring_contacts(),
			UNDER_WAY_MAX, b->o.bytes);
	if (ring_come(b)) {
		run(b);
		crowd_leave(b, 0, b->n_peers);
	}
	for (unsigned i = 0; i < b->n_peers; i++)
		event_line_clear(&pep.lines[i]);
	free(pep.lines);
	ring_free();
}
