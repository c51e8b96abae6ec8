/* XEP-0060 Publish-Subscribe, version 1.30.0: who is subscribed to a node, and what they are to it
 * (sections 8.6, 8.8 and 8.9)
 *
 * Owners see and change all of it. What a request asks for that cannot be is told, each with how it
 * is now; the rest is done (sections 8.8.2.4 and 8.9.2.4). Whoever waits to be let in is decided on
 * with the form that the owners are sent, or by his subscription or affiliation.
 *
 * Left out: the command that lists who waits (section 8.7), which is optional: they stand in the
 * list of subscriptions.
 * Options: none. Stores: affiliations and subscriptions, with the node. */
#include "core/node_request.h"

#include "base/bug.h"
#include "core/message.h"
#include "core/route.h"
#include "xmpp/form.h"

#include <stdlib.h>

#define AUTHORIZATION "http://jabber.org/protocol/pubsub#subscribe_authorization"

/* ---- changing several things at once ---- */

/* What cannot be, as XML, while the rest is written. */
struct changes {
	struct later *later;
	const char *list;           /* name of the element around it */
	struct str node;            /* behind the struct, as the next one */
	struct str refused;
};

static void answer_refused(struct shard *s, const struct changes *c)
{
	const struct stanza *iq = c->later->iq;
	struct writer w;

	buf_reset(&s->scratch);
	w = w_on(&s->scratch);
	stanza_open(&w, STANZA_IQ, "error", iq->to, iq->from, iq->id);
	w_open_ns(&w, "pubsub", NS_PUBSUB_OWNER);
	w_open(&w, c->list);
	w_attr(&w, "node", c->node);
	w_raw(&w, c->refused);
	w_close(&w);
	w_close(&w);
	w_open(&w, "error");
	w_attr(&w, "type", STR("modify"));
	w_open_ns(&w, "not-acceptable", NS_STANZAS);
	w_close(&w);
	w_close(&w);
	w_close(&w);
	count(s, COUNT_ERRORS);
	route_text(s, buf_str(&s->scratch));
}

static void written(struct shard *s, struct node *n, enum store_status status, void *ctx)
{
	struct changes *c = ctx;

	if (status == STORE_OK && c->refused.n) {
		answer_refused(s, c);
		later_free(&c->later);
	} else {
		later_settle(&c->later, status);
	}
	free(c);
}

/* The answer goes out behind what has been handed to the store before. */
static void settle(struct node_request *q, const char *list, const struct buf *refused)
{
	struct str xml = buf_str(refused);
	struct changes *c = xcalloc(1, sizeof *c + q->name.n + xml.n);
	char *text = (char *)(c + 1);

	c->list = list;
	c->node = str_from(memcpy(text, q->name.p, q->name.n), q->name.n);
	c->refused.n = xml.n;
	c->refused.p = text + q->name.n;
	if (xml.n)
		memcpy(text + q->name.n, xml.p, xml.n);
	c->later = node_later(q);
	node_commit(q->node, &(struct node_change){ 0 }, written, c);
}

/* Goes through the children of a list. False: one has no address that could be one, and the request
 * is answered. */
static bool each_entry(struct node_request *q, enum xml_tag list, enum xml_tag entry,
	void (*take)(struct node_request *q, const struct xml_node *el, struct jid jid,
		struct writer *refused), struct buf *refused)
{
	const struct xml_doc *d = &q->iq->doc;
	const struct xml_node *el = xml_first(d, node_child(q->iq, list));
	struct writer w = w_on(refused);

	for (; el; el = xml_next(d, el)) {
		struct jid jid;
		if (el->ns != NS_PUBSUB_OWNER || el->tag != entry)
			continue;
		if (!node_read_jid(q, el, &jid))
			return false;
		take(q, el, jid, &w);
	}
	return true;
}

static void change_each(struct node_request *q, enum xml_tag list, const char *name,
	enum xml_tag entry, void (*take)(struct node_request *q, const struct xml_node *el,
		struct jid jid, struct writer *refused))
{
	struct buf refused;

	buf_init(&refused, 1024 * 1024);
	node_hold(q->node);
	if (each_entry(q, list, entry, take, &refused))
		settle(q, name, &refused);
	node_release(q->node);
	buf_clear(&refused);
}

/* ---- letting somebody in ---- */

static const char *told_id(const struct node *n, const struct node_subscription *sub)
{
	return node_subscription_first(n, sub->jid)->more ? sub->subid : NULL;
}

/* It is in force now: he is told, and gets what new subscribers get. */
static void tell_accepted(struct node *n, const struct node_subscription *sub)
{
	const char *subid = told_id(n, sub);

	node_commit(n, &(struct node_change){ .subscription = sub }, NULL, NULL);
	node_tell_subscription(n, sub->jid, SUBSCRIPTION_SUBSCRIBED, subid);
	node_tell_owners(n, sub->jid, SUBSCRIPTION_SUBSCRIBED, subid);
	if (n->config.send_last != LAST_NEVER)
		node_tell_last(n, sub->jid, subid);
}

/* False: he may not be. */
static bool let_in(struct node *n, struct jid jid, struct node_subscription *sub)
{
	struct stanza_refusal why;

	if (sub && sub->state == SUBSCRIPTION_SUBSCRIBED)
		return true;
	if (sub) {
		node_subscription_allow(n, sub, SUBSCRIPTION_SUBSCRIBED);
	} else {
		sub = node_subscribe(n, jid, SUBSCRIPTION_SUBSCRIBED, NULL, &why);
		if (sub && !node_may_notify(n, jid)) {
			node_unsubscribe(n, sub);
			sub = NULL;
		}
	}
	if (sub)
		tell_accepted(n, sub);
	return sub != NULL;
}

/* Whom an owner makes more than anybody waits no longer (section 8.7.4). */
static void let_in_waiting(struct node *n, struct node_subscription *sub, void *ctx)
{
	if (sub->state == SUBSCRIPTION_PENDING)
		let_in(n, sub->jid, sub);
}

/* ---- affiliations (section 8.9) ---- */

static void write_affiliation(struct writer *w, struct jid jid, enum node_affiliation a)
{
	w_open(w, "affiliation");
	w_attr(w, "jid", jid_str(jid));
	w_attr(w, "affiliation", node_affiliation_name(a));
	w_close(w);
}

static void on_get_affiliations(struct node_request *q)
{
	if (!node_permit(q, NODE_MANAGE))
		return;
	struct writer w = node_reply(q);
	w_open_ns(&w, "pubsub", NS_PUBSUB_OWNER);
	w_open(&w, "affiliations");
	w_attr(&w, "node", q->name);
	for (struct map_node *i = map_next(&q->node->people, NULL); i;
		i = map_next(&q->node->people, i)) {
		const struct node_person *p = container_of(i, struct node_person, map);
		write_affiliation(&w, p->jid, p->affiliation);
	}
	w_close(&w);
	w_close(&w);
	node_send(q, &w);
}

static enum node_affiliation stored_affiliation(const struct node *n, struct jid bare)
{
	const struct map_node *i = map_get(&n->people, jid_str(bare));

	return i ? container_of(i, struct node_person, map)->affiliation : NODE_NONE;
}

static bool is_last_owner(const struct node *n, struct jid bare)
{
	unsigned others = 0;

	for (struct map_node *i = map_next(&n->people, NULL); i; i = map_next(&n->people, i)) {
		const struct node_person *p = container_of(i, struct node_person, map);
		others += p->affiliation == NODE_OWNER && !jid_eq(p->jid, bare);
	}
	return stored_affiliation(n, bare) == NODE_OWNER && !others;
}

/* Somebody always owns the node: an account its own ones, and of a service's one owner remains. */
static bool may_become(const struct node *n, struct jid bare, enum node_affiliation a)
{
	if (a == NODE_OWNER)
		return true;
	return !is_last_owner(n, bare) &&
	       !(n->kind == NODE_OF_ACCOUNT && jid_eq(n->owner, bare));
}

static void affiliate(struct node *n, struct jid bare, enum node_affiliation a)
{
	const struct node_person person = { .jid = bare, .affiliation = a };

	node_commit(n, &(struct node_change){ .person = &person }, NULL, NULL);
	node_tell_affiliation(n, bare, a);
	if (a == NODE_MEMBER || a == NODE_PUBLISHER || a == NODE_OWNER)
		node_each_of(n, bare, let_in_waiting, NULL);
}

static void take_affiliation(struct node_request *q, const struct xml_node *el, struct jid jid,
	struct writer *refused)
{
	struct str name = xml_attr_str(&q->iq->doc, el, TAG_AFFILIATION, &q->shard->loop.turn);
	struct jid bare = jid_bare(jid);
	enum node_affiliation a, was = stored_affiliation(q->node, bare);

	if (!name.p)
		return;
	if (!node_affiliation_parse(name, &a) || !may_become(q->node, bare, a) ||
		!node_affiliate(q->node, bare, a))
		write_affiliation(refused, bare, was);
	else if (a != was)
		affiliate(q->node, bare, a);
}

static void on_set_affiliations(struct node_request *q)
{
	if (node_permit(q, NODE_MANAGE))
		change_each(q, TAG_AFFILIATIONS, "affiliations", TAG_AFFILIATION, take_affiliation);
}

/* ---- subscriptions (section 8.8) ---- */

static void write_subscription(struct writer *w, struct jid jid,
	const struct node_subscription *sub)
{
	w_open(w, "subscription");
	w_attr(w, "jid", jid_str(jid));
	w_attr(w, "subscription",
		subscription_state_name(sub ? sub->state : SUBSCRIPTION_NONE));
	if (sub)
		w_attr(w, "subid", str_from(sub->subid, sizeof sub->subid));
	w_close(w);
}

static void on_get_subscriptions(struct node_request *q)
{
	if (!node_permit(q, NODE_MANAGE))
		return;
	struct writer w = node_reply(q);
	w_open_ns(&w, "pubsub", NS_PUBSUB_OWNER);
	w_open(&w, "subscriptions");
	w_attr(&w, "node", q->name);
	for (uint32_t i = 0; i < q->node->n_subs; i++)
		if (q->node->subs[i])
			write_subscription(&w, q->node->subs[i]->jid, q->node->subs[i]);
	w_close(&w);
	w_close(&w);
	node_send(q, &w);
}

static void end_all(struct node *n, struct jid jid, struct str subid)
{
	struct node_subscription *sub;

	if (subid.n) {
		sub = node_subscription(n, jid, subid);
		if (sub)
			node_end_subscription(n, sub);
		return;
	}
	while ((sub = node_subscription_first(n, jid)))
		node_end_subscription(n, sub);
}

static void take_subscription(struct node_request *q, const struct xml_node *el, struct jid jid,
	struct writer *refused)
{
	struct arena *turn = &q->shard->loop.turn;
	struct str name = xml_attr_str(&q->iq->doc, el, TAG_SUBSCRIPTION, turn);
	struct str subid = xml_attr_str(&q->iq->doc, el, TAG_SUBID, turn);
	struct node_subscription *sub = subid.n ? node_subscription(q->node, jid, subid)
		: node_subscription_first(q->node, jid);
	enum subscription_state state;

	if (!name.p)
		return;
	if (!subscription_state_parse(name, &state)) {
		write_subscription(refused, jid, sub);
		return;
	}
	if (state == SUBSCRIPTION_NONE)
		end_all(q->node, jid, subid);
	else if (sub ? sub->state != state && state != SUBSCRIPTION_SUBSCRIBED
		     : subid.n || state != SUBSCRIPTION_SUBSCRIBED)
		write_subscription(refused, jid, sub);
	else if (!let_in(q->node, jid, sub))
		write_subscription(refused, jid, NULL);
}

static void on_set_subscriptions(struct node_request *q)
{
	if (node_permit(q, NODE_MANAGE))
		change_each(q, TAG_SUBSCRIPTIONS, "subscriptions", TAG_SUBSCRIPTION,
			take_subscription);
}

/* ---- an owner's answer to the form (section 8.6) ---- */

/* On its way to the node. */
struct verdict {
	struct node_waiter waiter;
	struct mail mail;
	struct stanza *message;     /* counted; what follows lies in the arena */
	enum node_kind kind;
	struct jid owner, subscriber;
	struct str node, subid;
	bool allow;
	struct arena mem;
};

static void verdict_free(struct verdict *v)
{
	stanza_unref(&v->message);
	arena_clear(&v->mem);
	free(v);
}

static void judge(struct node *n, const struct verdict *v)
{
	struct node_subscription *sub = v->subid.n ? node_subscription(n, v->subscriber, v->subid)
		: node_subscription_first(n, v->subscriber);

	if (!sub || sub->state != SUBSCRIPTION_PENDING)
		return;
	if (v->allow)
		let_in(n, v->subscriber, sub);
	else
		node_end_subscription(n, sub);
}

static void node_there(struct node_waiter *w, struct shard *s, struct node *n,
	enum store_status status)
{
	struct verdict *v = container_of(w, struct verdict, waiter);

	if (n && node_allows(n, v->message->from, NODE_MANAGE))
		judge(n, v);
	else if (n)
		bounce(s, v->message, ERR_FORBIDDEN, STR("that is for the owners of the node"));
	else
		bounce(s, v->message, ERR_ITEM_NOT_FOUND, STR("there is no such node"));
	verdict_free(v);
}

static void verdict_arrived(struct mail *m, void *receiver)
{
	struct verdict *v = container_of(m, struct verdict, mail);

	node_wait(receiver, v->kind, v->owner, v->node, &v->waiter);
}

static struct str value_of(const struct stanza *m, const struct xml_node *form, const char *var,
	struct arena *a)
{
	const struct xml_node *field = form_field(&m->doc, form, str_c(var), a);

	return field ? form_value(&m->doc, field, a) : STR_NULL;
}

/* NULL: the form says too little. */
static struct verdict *verdict_read(struct stanza *m, const struct xml_node *form)
{
	struct verdict *v = xcalloc(1, sizeof *v);
	struct str allow;

	arena_init(&v->mem, 1024);
	v->message = stanza_ref(m);
	v->node = value_of(m, form, "pubsub#node", &v->mem);
	v->subid = value_of(m, form, "pubsub#subid", &v->mem);
	allow = value_of(m, form, "pubsub#allow", &v->mem);
	v->allow = str_eq(allow, STR("1")) || str_eq(allow, STR("true"));
	if (allow.n && v->node.n && v->node.n <= STORE_NODE_NAME_MAX &&
		jid_parse(value_of(m, form, "pubsub#subscriber_jid", &v->mem), &v->mem,
			&v->subscriber))
		return v;
	verdict_free(v);
	return NULL;
}

static void send_verdict(struct shard *s, struct verdict *v)
{
	struct shard *to = node_owner_shard(s->core, v->kind, v->owner, v->node);

	v->waiter.run = node_there;
	v->mail = (struct mail){ .run = verdict_arrived,
		.bytes = (uint32_t)(sizeof *v + v->message->doc.n_bytes) };
	if (to == s)
		node_wait(s, v->kind, v->owner, v->node, &v->waiter);
	else
		shard_post(s, to, &v->mail);
}

/* False: the message has no such form. */
static bool decide(struct shard *s, enum node_kind kind, struct jid owner, struct stanza *m)
{
	struct arena *turn = &s->loop.turn;
	const struct xml_node *form = form_find(&m->doc, stanza_root(m), STR(AUTHORIZATION), turn);

	if (!form || m->type == MESSAGE_ERROR)
		return false;
	struct verdict *v = verdict_read(m, form);
	if (!v) {
		bounce(s, m, ERR_BAD_REQUEST, STR("the form is not filled in"));
		return true;
	}
	v->kind = kind;
	v->owner = jid_dup(&v->mem, owner);
	message_handled(s, m);
	send_verdict(s, v);
	return true;
}

static bool told(struct shard *s, const struct host *h, struct stanza *m)
{
	return decide(s, NODE_OF_SERVICE, jid_of_domain(h->domain), m);
}

/* The owner of an account sends it to himself. */
static enum passage arrives(struct account *a, struct stanza **m, struct jid to,
	struct stanza_refusal *why)
{
	bool own = jid_is_bare(to) && jid_is_set((*m)->from) && jid_eq_bare((*m)->from, a->jid);

	return own && decide(a->shard, NODE_OF_ACCOUNT, a->jid, *m) ? DROPPED : PASSES;
}

const struct module xep0060_owner = {
	.name = "nodes-owner",
	.spec = "XEP-0060 1.30.0",
	.requests = (const struct node_rule[]){
		{ IQ_GET, NS_PUBSUB_OWNER, TAG_AFFILIATIONS, on_get_affiliations, NULL },
		{ IQ_SET, NS_PUBSUB_OWNER, TAG_AFFILIATIONS, on_set_affiliations, NULL },
		{ IQ_GET, NS_PUBSUB_OWNER, TAG_SUBSCRIPTIONS, on_get_subscriptions, NULL },
		{ IQ_SET, NS_PUBSUB_OWNER, TAG_SUBSCRIPTIONS, on_set_subscriptions, NULL },
		{ 0 } },
	.nodes_told = told,
	.message_arrives = arrives,
};
