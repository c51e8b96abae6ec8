/* XEP-0060 Publish-Subscribe, version 1.30.0: subscribing (section 6, but for items)
 *
 * Somebody subscribes his own bare JID, or a full one of his. A JID that subscribes again with the same
 * options gets the subscription that it has, as clients subscribe at each start; with other options
 * it gets a further one with an id of its own (section 6.1.6), NODE_SUBS_OF_ONE at most.
 *
 * Left out: subscriptions that have to be configured (section 6.1.5) or paid for, that end with
 * presence, leases but for pubsub#expire. Options: none. Stores: subscriptions, with the node. */
#include "core/node_request.h"

#include "base/bug.h"
#include "base/clock.h"

#include <stdlib.h>

#define OPTIONS_FORM "http://jabber.org/protocol/pubsub#subscribe_options"

/* ---- what is shared ---- */

static bool same_list(const char *a, const char *b)
{
	while (a && b && *a && *b && strcmp(a, b) == 0) {
		a += strlen(a) + 1;
		b += strlen(b) + 1;
	}
	return (!a || !*a) && (!b || !*b);
}

static bool same_options(const struct subscription_options *a, const struct subscription_options *b)
{
	if (!a || !b)
		return !a && !b;
	return a->deliver == b->deliver && a->digest == b->digest && a->digest_ms == b->digest_ms &&
	       a->include_body == b->include_body && a->until_us == b->until_us &&
	       a->shown == b->shown && same_list(a->keywords, b->keywords);
}

static struct node_subscription *find_same(const struct node *n, struct jid jid,
	const struct subscription_options *options)
{
	struct node_subscription *sub = node_subscription_first(n, jid);

	if (subscription_options_plain(options))
		options = NULL;
	while (sub && !same_options(sub->options, options))
		sub = sub->more;
	return sub;
}

static void write_options(struct writer *w, const struct node_subscription *sub, const char *type,
	enum node_config_use use)
{
	struct subscription_options plain;

	subscription_options_default(&plain);
	w_open_ns(w, "x", NS_DATA);
	w_attr(w, "type", str_c(type));
	subscription_options_write(sub && sub->options ? sub->options : &plain, w, use);
	w_close(w);
	subscription_options_clear(&plain);
}

static struct str id_of(const struct node_subscription *sub)
{
	return str_from(sub->subid, sizeof sub->subid);
}

/* The ids of several subscriptions of a JID tell them apart; one needs none. */
static const char *told_id(const struct node *n, const struct node_subscription *sub)
{
	return node_subscription_first(n, sub->jid)->more ? sub->subid : NULL;
}

/* A request about somebody's own subscription; else it is answered. */
static bool is_own(struct node_request *q, struct jid jid)
{
	if (jid_eq_bare(jid, q->who))
		return true;
	node_refuse_text(q, ERR_FORBIDDEN, STR(""));
	return false;
}

/* ---- subscribing (section 6.1) ---- */

/* A subscription on its way to the store. */
struct subscribing {
	struct later *later;
	bool fresh;                 /* it has been made by this request */
	bool configured;            /* with options: they are shown (example 68) */
	struct jid jid;             /* text behind the struct */
	char subid[NODE_SUBID_LEN];
};

static void write_subscription(struct writer *w, const struct node *n,
	const struct node_subscription *sub)
{
	w_open(w, "subscription");
	w_attr(w, "node", n->name);
	w_attr(w, "jid", jid_str(sub->jid));
	w_attr(w, "subid", id_of(sub));
	w_attr(w, "subscription", subscription_state_name(sub->state));
	w_open(w, "subscribe-options"); /* there are some, and they are not needed (example 45) */
	w_close(w);
	w_close(w);
}

static void answer(struct subscribing *k, const struct node *n, const struct node_subscription *sub)
{
	struct ctx c = later_ctx(k->later);
	struct writer w = reply_open(&c, k->later->iq);

	w_open_ns(&w, "pubsub", NS_PUBSUB);
	write_subscription(&w, n, sub);
	if (k->configured) {
		w_open(&w, "options");
		write_options(&w, sub, "result", NODE_CONFIG_METADATA);
		w_close(&w);
	}
	w_close(&w);
	reply_send(&c, &w, k->later->iq);
}

/* What follows for him and for the owners (sections 6.1.7, 8.6). */
static void tell(struct node *n, const struct node_subscription *sub)
{
	const char *subid = told_id(n, sub);

	if (sub->state == SUBSCRIPTION_PENDING)
		node_tell_request(n, sub);
	else
		node_tell_owners(n, sub->jid, sub->state, subid);
	if (sub->state == SUBSCRIPTION_SUBSCRIBED && n->config.send_last != LAST_NEVER)
		node_tell_last(n, sub->jid, subid);
}

static void subscribed(struct shard *s, struct node *n, enum store_status status, void *ctx)
{
	struct subscribing *k = ctx;
	struct node_subscription *sub = status == STORE_OK && !n->ended
		? node_subscription(n, k->jid, str_from(k->subid, sizeof k->subid)) : NULL;

	if (!sub) {
		later_settle(&k->later, status == STORE_OK ? STORE_NOT_FOUND : status);
	} else {
		answer(k, n, sub);
		later_free(&k->later);
		if (k->fresh)
			tell(n, sub);
	}
	free(k);
}

static void commit(struct node_request *q, const struct node_subscription *sub, bool fresh,
	bool configured)
{
	struct str text = jid_str(sub->jid);
	struct subscribing *k = xcalloc(1, sizeof *k + text.n);

	k->later = node_later(q);
	k->fresh = fresh;
	k->configured = configured;
	k->jid = sub->jid;
	k->jid.p = memcpy(k + 1, text.p, text.n);
	memcpy(k->subid, sub->subid, sizeof k->subid);
	node_commit(q->node, &(struct node_change){ .subscription = sub }, subscribed, k);
}

/* Who has been let in by the owner need not be asked for again. */
static enum subscription_state state_for(const struct node *n, struct jid who)
{
	enum node_affiliation a = node_affiliation(n, who);
	bool known = a == NODE_MEMBER || a == NODE_PUBLISHER || a == NODE_OWNER ||
		node_has_subscriber(n, jid_bare(who));

	return n->config.access == ACCESS_AUTHORIZE && !known ? SUBSCRIPTION_PENDING
		: SUBSCRIPTION_SUBSCRIBED;
}

/* Section 6.3.7. False: the request is answered. */
static bool read_wishes(struct node_request *q, struct subscription_options *options,
	bool *configured)
{
	const struct xml_node *form, *el = node_child(q->iq, TAG_OPTIONS);
	struct stanza_refusal why = pubsub_refuse(PS_INVALID_OPTIONS);

	*configured = el != NULL;
	if (!el)
		return true;
	if (xml_attr(&q->iq->doc, el, TAG_NODE) || xml_attr(&q->iq->doc, el, TAG_JID)) {
		node_refuse_text(q, ERR_BAD_REQUEST, STR("these options are for the subscription"));
		return false;
	}
	if (node_read_form(q->iq, el, STR(OPTIONS_FORM), &q->shard->loop.turn, &form) ==
		NODE_FORM_SUBMITTED && subscription_options_read(options, &q->iq->doc, form,
		clock_wall_us(), &q->shard->loop.turn, &why))
		return true;
	node_refuse(q, &why);
	return false;
}

static void subscribe(struct node_request *q, struct jid jid,
	const struct subscription_options *options, bool configured)
{
	struct node_subscription *sub = find_same(q->node, jid, options);
	bool fresh = !sub;
	struct stanza_refusal why;

	if (sub && sub->state == SUBSCRIPTION_PENDING) {
		node_refuse_as(q, PS_PENDING_SUBSCRIPTION);
		return;
	}
	if (!sub)
		sub = node_subscribe(q->node, jid, state_for(q->node, jid), options, &why);
	if (sub)
		commit(q, sub, fresh, configured);
	else
		node_refuse(q, &why);
}

static void on_subscribe(struct node_request *q)
{
	struct subscription_options options;
	bool configured;
	struct jid jid;

	if (!q->node) {
		node_permit(q, NODE_SUBSCRIBE);
		return;
	}
	if (!node_read_jid(q, node_child(q->iq, TAG_SUBSCRIBE), &jid))
		return;
	if (!jid_eq_bare(jid, q->who)) {
		node_refuse_as(q, PS_INVALID_JID);
		return;
	}
	if (!node_permit(q, NODE_SUBSCRIBE))
		return;
	subscription_options_default(&options);
	if (read_wishes(q, &options, &configured))
		subscribe(q, jid, &options, configured);
	subscription_options_clear(&options);
}

/* ---- ending it (section 6.2) ---- */

static void on_unsubscribe(struct node_request *q)
{
	const struct xml_node *el = node_child(q->iq, TAG_UNSUBSCRIBE);
	struct str subid = xml_attr_str(&q->iq->doc, el, TAG_SUBID, &q->shard->loop.turn);
	struct node_subscription *sub;
	struct jid jid;

	if (!q->node) {
		node_permit(q, NODE_SUBSCRIBE);
		return;
	}
	if (!node_read_jid(q, el, &jid) || !is_own(q, jid))
		return;
	sub = node_pick_subscription(q, jid, subid);
	if (!sub)
		return;
	node_commit(q->node, &(struct node_change){ .subscription = sub, .subscription_gone = true },
		node_settle, node_later(q));
	node_tell_owners(q->node, sub->jid, SUBSCRIPTION_NONE, told_id(q->node, sub));
	node_unsubscribe(q->node, sub);
}

/* ---- its options (sections 6.3 and 6.4) ---- */

/* The subscription that <options/> is about; NULL: the request is answered. */
static struct node_subscription *pick(struct node_request *q, const struct xml_node *el)
{
	struct str subid = xml_attr_str(&q->iq->doc, el, TAG_SUBID, &q->shard->loop.turn);
	struct jid jid;

	if (!q->node) {
		node_permit(q, NODE_SUBSCRIBE);
		return NULL;
	}
	if (!node_read_jid(q, el, &jid) || !is_own(q, jid))
		return NULL;
	if (!node_subscription_first(q->node, jid)) {
		node_refuse_as(q, PS_NO_SUCH_SUBSCRIBER);
		return NULL;
	}
	return node_pick_subscription(q, jid, subid);
}

static void on_get_options(struct node_request *q)
{
	const struct xml_node *el = node_child(q->iq, TAG_OPTIONS);
	const struct node_subscription *sub = pick(q, el);

	if (!sub)
		return;
	struct writer w = node_reply(q);
	w_open_ns(&w, "pubsub", NS_PUBSUB);
	w_open(&w, "options");
	w_attr(&w, "node", q->name);
	w_attr(&w, "jid", jid_str(sub->jid));
	w_attr(&w, "subid", id_of(sub));
	write_options(&w, sub, "form", NODE_CONFIG_FOR_OWNER);
	w_close(&w);
	w_close(&w);
	node_send(q, &w);
}

/* What the form does not say stays as it is. */
static void change(struct node_request *q, struct node_subscription *sub, const struct xml_node *form)
{
	struct stanza_refusal why;
	struct subscription_options options;

	if (sub->options)
		subscription_options_copy(&options, sub->options);
	else
		subscription_options_default(&options);
	if (subscription_options_read(&options, &q->iq->doc, form, clock_wall_us(),
		    &q->shard->loop.turn, &why)) {
		node_subscription_set(q->node, sub, &options);
		node_commit(q->node, &(struct node_change){ .subscription = sub }, node_settle,
			node_later(q));
	} else {
		node_refuse(q, &why);
	}
	subscription_options_clear(&options);
}

static void on_set_options(struct node_request *q)
{
	const struct xml_node *form, *el = node_child(q->iq, TAG_OPTIONS);
	struct node_subscription *sub = pick(q, el);

	if (!sub)
		return;
	switch (node_read_form(q->iq, el, STR(OPTIONS_FORM), &q->shard->loop.turn, &form)) {
	case NODE_FORM_CANCELLED:
		node_ok(q);
		break;
	case NODE_FORM_SUBMITTED:
		change(q, sub, form);
		break;
	default:
		node_refuse_as(q, PS_INVALID_OPTIONS);
	}
}

/* The same for all nodes: whether there is this one is not looked at. */
static enum outcome on_default(struct ctx *c, const struct stanza *iq)
{
	struct arena *turn = &c->shard->loop.turn;
	const struct xml_node *el = node_child(iq, TAG_DEFAULT);
	struct writer w = reply_open(c, iq);

	w_open_ns(&w, "pubsub", NS_PUBSUB);
	w_open(&w, "default");
	w_attr(&w, "node", xml_attr_str(&iq->doc, el, TAG_NODE, turn));
	write_options(&w, NULL, "form", NODE_CONFIG_FOR_OWNER);
	w_close(&w);
	w_close(&w);
	return reply_send(c, &w, iq);
}

const struct module xep0060_subscribe = {
	.name = "nodes-subscribe",
	.spec = "XEP-0060 1.30.0",
	.requests = (const struct node_rule[]){
		{ IQ_SET, NS_PUBSUB, TAG_SUBSCRIBE, on_subscribe, NULL },
		{ IQ_SET, NS_PUBSUB, TAG_UNSUBSCRIBE, on_unsubscribe, NULL },
		{ IQ_GET, NS_PUBSUB, TAG_OPTIONS, on_get_options, NULL },
		{ IQ_SET, NS_PUBSUB, TAG_OPTIONS, on_set_options, NULL },
		{ IQ_GET, NS_PUBSUB, TAG_DEFAULT, NULL, on_default },
		{ 0 } },
};
