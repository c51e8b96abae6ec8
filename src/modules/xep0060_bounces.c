/* XEP-0060 Publish-Subscribe, version 1.30.0, section 12.4: notifications that come back.
 *
 * An error of type "cancel", or <gone/>, ends the subscriptions of the address that it comes from,
 * at the node that the notification was of: the id of that says which. Two conditions do not count,
 * as they may pass: <service-unavailable/>, with which servers answer for who is not there just now
 * (RFC 6121 section 8.5.2.2), and <remote-server-not-found/>. Of the nodes of an account what comes
 * back while the account is not in memory is passed over.
 * Left out: counting errors of other types; they are taken to pass. Options: none. Stores: nothing. */
#include "base/bug.h"
#include "core/message.h"
#include "core/node.h"

#include <stdlib.h>

#define PAGE 100 /* nodes that somebody is subscribed to, read at a time */

/* Something that has come back, until its node is found. */
struct bounce {
	struct node_waiter waiter;
	struct mail mail;
	enum node_kind kind;
	struct jid owner, who;      /* in mem, as the next two */
	struct str id;
	struct str node;
	struct arena mem;
};

static void bounce_free(struct bounce *b)
{
	arena_clear(&b->mem);
	free(b);
}

/* ---- which errors (section 12.4) ---- */

static bool is_for_good(const struct stanza *m, struct arena *a)
{
	const struct xml_doc *d = &m->doc;
	const struct xml_node *root = stanza_root(m);
	const struct xml_node *error = xml_child(d, root, root->ns, TAG_ERROR);

	if (!error || xml_child(d, error, NS_STANZAS, TAG_SERVICE_UNAVAILABLE) ||
		xml_child(d, error, NS_STANZAS, TAG_REMOTE_SERVER_NOT_FOUND))
		return false;
	return xml_child(d, error, NS_STANZAS, TAG_GONE) ||
	       str_eq(xml_attr_str(d, error, TAG_TYPE, a), STR("cancel"));
}

/* ---- the node, on its owner ---- */

static void end_subscriptions(struct node_waiter *w, struct shard *s, struct node *n,
	enum store_status status)
{
	struct bounce *b = container_of(w, struct bounce, waiter);
	struct node_subscription *sub;

	while (n && (sub = node_subscription_first(n, b->who)))
		node_end_subscription(n, sub);
	bounce_free(b);
}

static void arrived(struct mail *m, void *receiver)
{
	struct bounce *b = container_of(m, struct bounce, mail);

	node_wait(receiver, b->kind, b->owner, b->node, &b->waiter);
}

static void go_to_node(struct shard *s, struct bounce *b)
{
	struct shard *to = node_owner_shard(s->core, b->kind, b->owner, b->node);

	b->waiter.run = end_subscriptions;
	b->mail = (struct mail){ .run = arrived, .bytes = sizeof *b };
	if (to == s)
		arrived(&b->mail, s);
	else
		shard_post(s, to, &b->mail);
}

/* ---- which node ---- */

static void look(struct shard *s, struct bounce *b, struct str after);

static void looked(struct store_op *op, void *receiver)
{
	struct bounce *b = *(struct bounce **)op->ctx;
	size_t n = op->status == STORE_OK ? op->n_nodes : 0, i = 0;

	while (i < n && !node_sent(op->nodes[i].name, b->id))
		i++;
	if (i < n) {
		b->node = str_dup(&b->mem, op->nodes[i].name);
		go_to_node(receiver, b);
	} else if (n == PAGE) {
		look(receiver, b, op->nodes[n - 1].name);
	} else {
		bounce_free(b);
	}
	store_op_free(op);
}

static void look(struct shard *s, struct bounce *b, struct str after)
{
	struct store_op *op = store_op_new(&s->loop.inbox, looked, sizeof b);

	*(struct bounce **)op->ctx = b;
	store_nodes_subscribed(s->core->store, op, jid_domain(b->owner), jid_local(b->owner),
		jid_bare_str(b->who), after, PAGE);
}

static void take(struct shard *s, enum node_kind kind, struct jid owner, const struct stanza *m)
{
	struct bounce *b;

	if (!jid_is_set(m->from) || !m->id.p || !is_for_good(m, &s->loop.turn))
		return;
	b = xcalloc(1, sizeof *b);
	arena_init(&b->mem, 256);
	b->kind = kind;
	b->owner = jid_dup(&b->mem, owner);
	b->who = jid_dup(&b->mem, m->from);
	b->id = str_dup(&b->mem, m->id);
	look(s, b, STR(""));
}

static bool told(struct shard *s, const struct host *h, struct stanza *m)
{
	if (m->type != MESSAGE_ERROR)
		return false;
	take(s, NODE_OF_SERVICE, jid_of_domain(h->domain), m);
	return true;
}

/* Sections 4.3.1 and 8.5.2 of XEP-0163 and RFC 6121: to the bare JID, where no client gets it. */
static enum passage arrives(struct account *a, struct stanza **m, struct jid to,
	struct stanza_refusal *why)
{
	if ((*m)->type == MESSAGE_ERROR && jid_is_bare(to))
		take(a->shard, NODE_OF_ACCOUNT, a->jid, *m);
	return PASSES;
}

const struct module xep0060_bounces = {
	.name = "nodes-bounces",
	.spec = "XEP-0060 1.30.0",
	.nodes_told = told,
	.message_arrives = arrives,
};
