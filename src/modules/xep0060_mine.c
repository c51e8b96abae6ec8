/* XEP-0060 Publish-Subscribe, version 1.30.0: what somebody has (sections 5.6 and 5.7)
 *
 * His subscriptions and affiliations, at one node or at all nodes of a service or an account: in pages
 * (XEP-0059) by the names of the nodes where he asks for that, else MINE_MAX nodes. Options: none.
 * Stores: nothing of its own. */
#include "core/node_request.h"

#include "base/bug.h"
#include "xmpp/rsm.h"

#define MINE_MAX 1000 /* nodes of an answer */

/* ---- at one node ---- */

static void write_subscription(struct writer *w, struct str node, struct str jid, struct str subid,
	struct str state)
{
	w_open(w, "subscription");
	w_attr(w, "node", node);
	w_attr(w, "jid", jid);
	w_attr(w, "subscription", state);
	w_attr(w, "subid", subid);
	w_close(w);
}

static void write_affiliation(struct writer *w, struct str node, struct str affiliation)
{
	w_open(w, "affiliation");
	w_attr(w, "node", node);
	w_attr(w, "affiliation", affiliation);
	w_close(w);
}

/* Whether the node is there for who asks; else the request is answered. */
static bool sees(struct node_request *q)
{
	if (q->node && node_subscription_first(q->node, jid_bare(q->who)))
		return true;
	return node_permit(q, NODE_SEE);
}

static void write_his(struct node *n, struct node_subscription *sub, void *ctx)
{
	write_subscription(ctx, n->name, jid_str(sub->jid),
		str_from(sub->subid, sizeof sub->subid), subscription_state_name(sub->state));
}

static void on_subscriptions(struct node_request *q)
{
	if (!sees(q))
		return;
	struct writer w = node_reply(q);
	w_open_ns(&w, "pubsub", NS_PUBSUB);
	w_open(&w, "subscriptions");
	w_attr(&w, "node", q->name);
	node_each_of(q->node, jid_bare(q->who), write_his, &w);
	w_close(&w);
	w_close(&w);
	node_send(q, &w);
}

static void on_affiliations(struct node_request *q)
{
	if (!sees(q))
		return;
	enum node_affiliation a = node_affiliation(q->node, q->who);
	struct writer w = node_reply(q);
	w_open_ns(&w, "pubsub", NS_PUBSUB);
	w_open(&w, "affiliations");
	w_attr(&w, "node", q->name);
	if (a != NODE_NONE)
		write_affiliation(&w, q->name, node_affiliation_name(a));
	w_close(&w);
	w_close(&w);
	node_send(q, &w);
}

/* ---- at all of them ---- */

struct listing {
	struct later *later;
	bool subscriptions;         /* else affiliations */
	bool paged;                 /* that was asked for */
	bool knows;                 /* who asks may know of the account */
	unsigned max;
};

static void write_entries(struct writer *w, const struct store_node *n)
{
	for (size_t i = 0; i < n->n_subscriptions_read; i++) {
		const struct store_subscription *s = &n->subscriptions[i];
		write_subscription(w, n->name, s->jid, s->subid, s->state);
	}
	for (size_t i = 0; i < n->n_affiliations; i++)
		write_affiliation(w, n->name, n->affiliations[i].affiliation);
}

static void answer(struct listing *l, const struct store_op *op)
{
	struct ctx c = later_ctx(l->later);
	struct writer w = reply_open(&c, l->later->iq);
	size_t n = op->n_nodes < l->max ? op->n_nodes : l->max;

	w_open_ns(&w, "pubsub", NS_PUBSUB);
	w_open(&w, l->subscriptions ? "subscriptions" : "affiliations");
	for (size_t i = 0; i < n; i++)
		write_entries(&w, &op->nodes[i]);
	w_close(&w);
	if (l->paged || op->n_nodes > n)
		rsm_write(&w, n ? op->nodes[0].name : STR_NULL,
			n ? op->nodes[n - 1].name : STR_NULL, -1, -1);
	w_close(&w);
	reply_send(&c, &w, l->later->iq);
}

static void listed(struct store_op *op, void *receiver)
{
	struct listing *l = op->ctx;

	if (op->status != STORE_OK) {
		later_settle(&l->later, op->status);
	} else if (!op->n_nodes && !l->knows) {
		struct stanza_refusal why = { .error = ERR_SERVICE_UNAVAILABLE };
		later_refuse(&l->later, &why);
	} else {
		answer(l, op);
		later_free(&l->later);
	}
	store_op_free(op);
}

static bool knows(const struct ctx *c, const struct stanza *iq)
{
	return c->host->service == SERVICE_OF_NODES || account_may_see(c->account, iq->from);
}

static enum outcome list(struct ctx *c, const struct stanza *iq, bool subscriptions)
{
	struct shard *s = c->shard;
	struct str host = c->host->domain, user = c->account ? jid_local(c->account->jid) : STR("");
	struct str who = jid_bare_str(iq->from);
	struct rsm rsm;

	if (!rsm_read(&iq->doc, stanza_payload(iq), &s->loop.turn, &rsm) || rsm.has_before)
		return refuse(c, iq, ERR_BAD_REQUEST, STR("there is no such page"));
	struct store_op *op = store_op_new(&s->loop.inbox, listed, sizeof(struct listing));
	struct listing *l = op->ctx;
	*l = (struct listing){ .later = later_new(c, iq), .subscriptions = subscriptions,
		.paged = rsm.has_max || rsm.has_after, .knows = knows(c, iq),
		.max = rsm.has_max && rsm.max < MINE_MAX ? rsm.max : MINE_MAX };
	(subscriptions ? store_nodes_subscribed : store_nodes_affiliated)(s->core->store, op, host,
		user, who, rsm.has_after ? rsm.after : STR(""), l->max + 1);
	return LATER;
}

static enum outcome on_all_subscriptions(struct ctx *c, const struct stanza *iq)
{
	return list(c, iq, true);
}

static enum outcome on_all_affiliations(struct ctx *c, const struct stanza *iq)
{
	return list(c, iq, false);
}

const struct module xep0060_mine = {
	.name = "nodes-mine",
	.spec = "XEP-0060 1.30.0",
	.requests = (const struct node_rule[]){
		{ IQ_GET, NS_PUBSUB, TAG_SUBSCRIPTIONS, on_subscriptions, on_all_subscriptions },
		{ IQ_GET, NS_PUBSUB, TAG_AFFILIATIONS, on_affiliations, on_all_affiliations },
		{ 0 } },
};
