/* XEP-0060 Publish-Subscribe, version 1.30.0: pubsub#purge_offline (section 16.4.4)
 *
 * When the last resource of an account goes offline, the nodes whose owner wants that are purged, as in
 * section 8.5: who is subscribed is told. What the server itself ends, when it stops, does not
 * count. Options: that of nodes. Stores: nothing. */
#include "core/node.h"

#include <stdlib.h>

#define PAGE 100 /* nodes that are looked at a time */

static bool is_offline(const struct account *a)
{
	list_each(s, &a->sessions, struct session, link)
		if (session_is_available(s))
			return false;
	return true;
}

/* ---- one node ---- */

static void purged(struct shard *s, struct node *n, enum store_status status, void *ctx)
{
	if (status != STORE_OK)
		log_error(&s->log, "purge", F_STR("owner", jid_str(n->owner)),
			F_STR("node", n->name), F_STR("error", STR("items could not be deleted")));
}

/* Somebody may have come back meanwhile, or changed his mind. */
static void loaded(struct node_waiter *w, struct shard *s, struct node *n, enum store_status status)
{
	const struct account *a = n ? node_account(n) : NULL;

	free(w);
	if (a && is_offline(a) && n->config.purge_offline && !n->is_empty)
		node_purge(n, purged, NULL);
}

/* ---- all that there are ---- */

static void look_through(struct shard *s, struct jid owner, struct str after);

static void rows_read(struct store_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct jid owner = jid_make(&op->mem, op->user, op->host, STR(""));

	for (size_t i = 0; op->status == STORE_OK && i < op->n_nodes; i++) {
		struct node_waiter *w = xcalloc(1, sizeof *w);
		w->run = loaded;
		node_wait(s, NODE_OF_ACCOUNT, owner, op->nodes[i].name, w);
	}
	if (op->status == STORE_OK && op->n_nodes == PAGE)
		look_through(s, owner, op->nodes[PAGE - 1].name);
	store_op_free(op);
}

static void look_through(struct shard *s, struct jid owner, struct str after)
{
	store_nodes(s->core->store, store_op_new(&s->loop.inbox, rows_read, 0), jid_domain(owner),
		jid_local(owner), after, PAGE, STORE_NODES_FLEETING);
}

static void presence_arrived(struct account *a, struct stanza *presence, struct jid to)
{
	if (presence->type == PRESENCE_UNAVAILABLE && jid_eq_bare(presence->from, a->jid) &&
		!a->guest && is_offline(a))
		look_through(a->shard, a->jid, STR(""));
}

const struct module xep0060_offline = {
	.name = "nodes-offline",
	.spec = "XEP-0060 1.30.0",
	.presence_arrived = presence_arrived,
};
