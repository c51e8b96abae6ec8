/* XEP-0115 Entity Capabilities 1.6.0, with XEP-0390 Entity Capabilities 2.0, 0.3.2: those of the
 * host.
 *
 * Hashes of what the host says of itself stand among the stream features behind the login
 * (sections 6.3 and 5.2), so that clients need not ask for what they know; who asks for the node
 * of such a hash gets what it stands for. What clients show, and what it means, is in
 * core/caps.h.
 *
 * Left out: caps optimization (XEP-0115 section 8.4, XEP-0390 section 8.3): presence goes on as
 * it came. Hashes of services, rooms and accounts, which no stream or presence shows. Options:
 * none. Stores: nothing. */
#include "core/disco.h"

#define NODE "urn:stentor:server"

/* Clients ask what they need behind the login. */
static void stream_features(struct shard *s, const struct host *h, struct writer *w, bool authed)
{
	const struct disco_hashes *d = authed ? disco_hashes(s, h) : NULL;

	if (!d)
		return;
	w_open_ns(w, "c", NS_CAPS);
	w_attr(w, "hash", STR("sha-1"));
	w_attr(w, "node", STR(NODE));
	w_attr(w, "ver", d->sha_1);
	w_close(w);
	w_open_ns(w, "c", NS_CAPS_2);
	w_open_ns(w, "hash", NS_HASHES);
	w_attr(w, "algo", STR("sha-256"));
	w_text(w, d->sha_256);
	w_close(w);
	w_open_ns(w, "hash", NS_HASHES);
	w_attr(w, "algo", STR("sha3-256"));
	w_text(w, d->sha3_256);
	w_close(w);
	w_close(w);
}

/* Whether this is a node of a hash that the host shows now. */
static bool is_shown(struct shard *s, const struct host *h, struct str node)
{
	const struct disco_hashes *d = disco_hashes(s, h);
	struct arena *turn = &s->loop.turn;

	if (!d)
		return false;
	return str_eq(node, str_printf(turn, "%s#%.*s", NODE, STR_FMT(d->sha_1))) ||
	       str_eq(node, str_printf(turn, "urn:xmpp:caps#sha-256.%.*s", STR_FMT(d->sha_256))) ||
	       str_eq(node, str_printf(turn, "urn:xmpp:caps#sha3-256.%.*s",
		       STR_FMT(d->sha3_256)));
}

/* XEP-0115 section 6.2: the answer names the node. */
static enum outcome on_info(struct ctx *c, const struct stanza *iq)
{
	struct str node = xml_attr_str(&iq->doc, stanza_payload(iq), TAG_NODE,
		&c->shard->loop.turn);

	if (!is_shown(c->shard, c->host, node))
		return refuse(c, iq, ERR_ITEM_NOT_FOUND, STR("no such node"));
	struct writer w = reply_open(c, iq);
	w_open_ns(&w, "query", NS_DISCO_INFO);
	w_attr(&w, "node", node);
	disco_write(c, &w);
	w_close(&w);
	return reply_send(c, &w, iq);
}

const struct module xep0115_caps = {
	.name = "caps",
	.spec = "XEP-0115 1.6.0",
	.features = (const char *const[]){ "http://jabber.org/protocol/caps", "urn:xmpp:caps", NULL },
	.nodes = (const struct disco_node[]){ { DISCO_ANY, AT_HOST, on_info, NULL }, { 0 } },
	.stream_features = stream_features,
};
