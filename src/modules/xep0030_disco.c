/* XEP-0030 Service Discovery, version 2.5.0
 *
 * Answers for hosts and for accounts (the latter to their owner and to who is subscribed to
 * their presence, section 8). The features come from the modules' tables, and so do nodes: their
 * modules answer for them. Options: none. Stores: nothing. */
#include "core/module.h"

static void write_identity(struct writer *w, const char *category, const char *type, struct str name)
{
	w_open(w, "identity");
	w_attr(w, "category", str_c(category));
	w_attr(w, "type", str_c(type));
	w_attr(w, "name", name);
	w_close(w);
}

static void write_features(struct ctx *c, struct writer *w)
{
	for (const struct module *const *m = c->shard->core->modules; *m; m++) {
		const char *const *f = c->account ? (*m)->account_features : (*m)->features;
		for (; f && *f; f++) {
			w_open(w, "feature");
			w_attr(w, "var", str_c(*f));
			w_close(w);
		}
	}
}

static enum outcome info(struct ctx *c, const struct stanza *iq)
{
	struct writer w = reply_open(c, iq);
	w_open_ns(&w, "query", NS_DISCO_INFO);
	if (c->account)
		write_identity(&w, "account", c->account->guest ? "anonymous" : "registered",
			STR_NULL);
	else
		write_identity(&w, "server", "im", STR("Stentor"));
	write_features(c, &w);
	for (const struct module *const *m = c->shard->core->modules; *m; m++)
		if ((*m)->disco)
			(*m)->disco(c, &w);
	w_close(&w);
	return reply_send(c, &w, iq);
}

static enum outcome items(struct ctx *c, const struct stanza *iq)
{
	struct writer w = reply_open(c, iq);
	w_open_ns(&w, "query", NS_DISCO_ITEMS);
	w_close(&w);
	return reply_send(c, &w, iq);
}

static const struct disco_node *find_node(struct ctx *c, struct str name, unsigned at)
{
	for (const struct module *const *m = c->shard->core->modules; *m; m++)
		for (const struct disco_node *n = (*m)->nodes; n && n->node; n++)
			if (n->at & at && str_eq(str_c(n->node), name))
				return n;
	return NULL;
}

/* Nodes that there are see to who may know of them; what else an account has is for those who
 * may know of its presence. */
static enum outcome answer(struct ctx *c, const struct stanza *iq, unsigned at, bool items_wanted)
{
	struct str node = xml_attr_str(&iq->doc, stanza_payload(iq), TAG_NODE,
		&c->shard->loop.turn);
	const struct disco_node *known = node.n ? find_node(c, node, at) : NULL;

	if (known)
		return items_wanted ? known->items(c, iq) : known->info(c, iq);
	if (at == AT_ACCOUNT && !account_may_see(c->account, iq->from))
		return refuse(c, iq, ERR_SERVICE_UNAVAILABLE, STR(""));
	if (node.n)
		return refuse(c, iq, ERR_ITEM_NOT_FOUND, STR("no such node"));
	return items_wanted ? items(c, iq) : info(c, iq);
}

static enum outcome host_info(struct ctx *c, const struct stanza *iq)
{
	return answer(c, iq, AT_HOST, false);
}

static enum outcome host_items(struct ctx *c, const struct stanza *iq)
{
	return answer(c, iq, AT_HOST, true);
}

static enum outcome account_info(struct ctx *c, const struct stanza *iq)
{
	return answer(c, iq, AT_ACCOUNT, false);
}

static enum outcome account_items(struct ctx *c, const struct stanza *iq)
{
	return answer(c, iq, AT_ACCOUNT, true);
}

const struct module xep0030_disco = {
	.name = "disco",
	.spec = "XEP-0030 2.5.0",
	.features = (const char *const[]){ "http://jabber.org/protocol/disco#info",
		"http://jabber.org/protocol/disco#items", NULL },
	.account_features = (const char *const[]){ "http://jabber.org/protocol/disco#info",
		"http://jabber.org/protocol/disco#items", NULL },
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_DISCO_INFO, TAG_QUERY, AT_HOST, host_info },
		{ IQ_GET, NS_DISCO_ITEMS, TAG_QUERY, AT_HOST, host_items },
		{ IQ_GET, NS_DISCO_INFO, TAG_QUERY, AT_ACCOUNT, account_info },
		{ IQ_GET, NS_DISCO_ITEMS, TAG_QUERY, AT_ACCOUNT, account_items },
		{ 0 } },
};
