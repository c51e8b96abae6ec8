/* XEP-0030 Service Discovery, version 2.5.0
 *
 * Answers for hosts, their services of rooms and of nodes, rooms, and accounts (the latter to their
 * owner and to who is subscribed to their presence, section 8). The features come from the modules'
 * tables (core/disco.h), and so do nodes: their modules answer for them. Options: none. Stores:
 * nothing. */
#include "core/command.h"
#include "core/disco.h"
#include "core/room.h"

static enum outcome info(struct ctx *c, const struct stanza *iq)
{
	struct writer w = reply_open(c, iq);
	w_open_ns(&w, "query", NS_DISCO_INFO);
	disco_write(c, &w);
	w_close(&w);
	return reply_send(c, &w, iq);
}

static void write_components(struct ctx *c, struct writer *w)
{
	const struct host *h = c->shard->settings->components;

	for (; h; h = h->next_component) {
		if (h->listed_by != c->host)
			continue;
		w_open(w, "item");
		w_attr(w, "jid", h->domain);
		w_close(w);
	}
}

static void write_service(struct writer *w, const struct host *service, struct str name)
{
	if (!service)
		return;
	w_open(w, "item");
	w_attr(w, "jid", service->domain);
	w_attr(w, "name", name);
	w_close(w);
}

/* Of a host its services (XEP-0045 section 6.1) and components. */
static enum outcome items(struct ctx *c, const struct stanza *iq)
{
	bool is_host = !c->room && !c->account;
	struct writer w = reply_open(c, iq);

	w_open_ns(&w, "query", NS_DISCO_ITEMS);
	if (is_host)
		write_service(&w, c->host->rooms, STR(DISCO_ROOMS_NAME));
	if (is_host)
		write_service(&w, c->host->nodes, STR(DISCO_NODES_NAME));
	if (is_host)
		write_components(c, &w);
	w_close(&w);
	return reply_send(c, &w, iq);
}

/* Nodes that there are see to who may know of them; what else an account has is for those who
 * may know of its presence. */
static enum outcome answer(struct ctx *c, const struct stanza *iq, unsigned at, bool items_wanted)
{
	struct str node = xml_attr_str(&iq->doc, stanza_payload(iq), TAG_NODE,
		&c->shard->loop.turn);
	const struct disco_node *known = disco_node_find(c->shard, node, at);
	const struct command *command = node.n ? command_find(c->shard, node, at) : NULL;

	if (!known && command)
		return command_disco(c, iq, command, items_wanted);
	if (!known && node.n)
		known = disco_node_find(c->shard, STR(DISCO_ANY), at);
	if (known && items_wanted && known->items)
		return known->items(c, iq);
	if (known && !items_wanted && known->info)
		return known->info(c, iq);
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

static enum outcome rooms_info(struct ctx *c, const struct stanza *iq)
{
	return answer(c, iq, AT_ROOMS, false);
}

static enum outcome rooms_items(struct ctx *c, const struct stanza *iq)
{
	return answer(c, iq, AT_ROOMS, true);
}

static enum outcome nodes_info(struct ctx *c, const struct stanza *iq)
{
	return answer(c, iq, AT_NODES, false);
}

static enum outcome nodes_items(struct ctx *c, const struct stanza *iq)
{
	return answer(c, iq, AT_NODES, true);
}

static enum outcome room_info(struct ctx *c, const struct stanza *iq)
{
	return answer(c, iq, AT_ROOM, false);
}

static enum outcome room_items(struct ctx *c, const struct stanza *iq)
{
	return answer(c, iq, AT_ROOM, true);
}

#define FEATURES \
	(const char *const[]){ "http://jabber.org/protocol/disco#info", \
		"http://jabber.org/protocol/disco#items", NULL }

const struct module xep0030_disco = {
	.name = "disco",
	.spec = "XEP-0030 2.5.0",
	.features = FEATURES,
	.account_features = FEATURES,
	.service_features = FEATURES,
	.room_features = FEATURES,
	.nodes_features = FEATURES,
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_DISCO_INFO, TAG_QUERY, AT_HOST, host_info },
		{ IQ_GET, NS_DISCO_ITEMS, TAG_QUERY, AT_HOST, host_items },
		{ IQ_GET, NS_DISCO_INFO, TAG_QUERY, AT_ACCOUNT, account_info },
		{ IQ_GET, NS_DISCO_ITEMS, TAG_QUERY, AT_ACCOUNT, account_items },
		{ IQ_GET, NS_DISCO_INFO, TAG_QUERY, AT_ROOMS, rooms_info },
		{ IQ_GET, NS_DISCO_ITEMS, TAG_QUERY, AT_ROOMS, rooms_items },
		{ IQ_GET, NS_DISCO_INFO, TAG_QUERY, AT_NODES, nodes_info },
		{ IQ_GET, NS_DISCO_ITEMS, TAG_QUERY, AT_NODES, nodes_items },
		{ IQ_GET, NS_DISCO_INFO, TAG_QUERY, AT_ROOM, room_info },
		{ IQ_GET, NS_DISCO_ITEMS, TAG_QUERY, AT_ROOM, room_items },
		{ 0 } },
};
