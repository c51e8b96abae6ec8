/* XEP-0352 Client State Indication, version 1.0.0
 *
 * What a client that is inactive, or away (XEP-0198), need not see now: presence is held, the
 * newest of each full JID, and so are notifications of what people are like just now (mood, tune,
 * avatar; XEP-0163), the newest of each sender and node; messages with nothing but chat states
 * are dropped. All else is important: what is held goes out before it, in order, so that nothing
 * overtakes and a device that is woken has all at once. What is held are references, at most
 * held_bytes of them; over that all goes out too. Left out: to say more of what a client may do
 * without, which is for the client to ask. Options: held_bytes of the limits. Stores: nothing. */
#include "base/bug.h"
#include "base/map.h"
#include "core/account.h"
#include "core/block.h"
#include "core/client.h"
#include "core/module.h"

#include <stdlib.h>

/* A stanza that is held. */
struct held {
	struct map_node node;  /* csi.newest */
	struct list link;      /* csi.order */
	struct stanza *stanza; /* counted */
	bool bare;             /* addressed to the account, else to the session */
	struct str key;        /* who it is from, and the node; text inline, behind the struct */
};

/* What is held for a session. Owned by it. */
struct csi {
	struct map newest;
	struct list order;     /* oldest first */
	size_t bytes;
};

/* ---- what is held ---- */

static struct str key_of(const struct map_node *n)
{
	return container_of(n, struct held, node)->key;
}

static size_t weight(const struct held *h)
{
	return sizeof *h + h->key.n + h->stanza->doc.n_bytes;
}

static void forget(struct held *h)
{
	stanza_unref(&h->stanza);
	free(h);
}

/* Empties the store, and gives (release) its content to the session's client, but for what is
 * from somebody who was blocked since (XEP-0191). */
static void empty(struct session *s, bool release)
{
	struct csi *csi = s->csi;

	if (!csi)
		return;
	s->csi = NULL;
	list_each_safe(h, &csi->order, struct held, link) {
		if (release && !account_blocks(s->account, h->stanza->from))
			session_write(s, h->stanza, h->bare ? s->account->jid : s->full, 0);
		forget(h);
	}
	map_clear(&csi->newest);
	free(csi);
}

static struct held *held_new(struct csi *csi, struct str key)
{
	struct held *h = xcalloc(1, sizeof *h + key.n);

	h->key = str_from((char *)(h + 1), key.n);
	memcpy(h + 1, key.p, key.n);
	map_put(&csi->newest, &h->node);
	return h;
}

/* The newest takes the place of what was held of the same key, at the end of the row. */
static void hold(struct session *s, const struct stanza *st, struct jid to, struct str key)
{
	if (!s->csi) {
		s->csi = xcalloc(1, sizeof *s->csi);
		map_init(&s->csi->newest, key_of);
		list_init(&s->csi->order);
	}
	struct csi *csi = s->csi;
	struct map_node *n = map_get(&csi->newest, key);
	struct held *h = n ? container_of(n, struct held, node) : held_new(csi, key);

	if (h->stanza) {
		csi->bytes -= weight(h);
		list_del(&h->link);
		stanza_unref(&h->stanza);
	}
	h->stanza = stanza_ref(st);
	h->bare = jid_is_bare(to);
	csi->bytes += weight(h);
	list_add(&csi->order, &h->link);
	if (csi->bytes > s->account->shard->settings->held_max)
		empty(s, true);
}

/* ---- what may be held ---- */

/* In a room, what concerns the user (XEP-0045 section 7.2.2: the end of a join, a kick). */
static bool is_own_in_room(const struct stanza *st, struct arena *turn)
{
	const struct xml_doc *d = &st->doc;
	const struct xml_node *x = xml_child(d, stanza_root(st), NS_MUC_USER, TAG_X);
	const struct xml_node *status = x ? xml_child(d, x, NS_MUC_USER, TAG_STATUS) : NULL;

	for (; status; status = xml_next_same(d, status))
		if (str_eq(xml_attr_str(d, status, TAG_CODE, turn), STR("110")))
			return true;
	return false;
}

/* Nodes of which nobody needs more than the newest item, and not at once. */
static const struct str nodes[] = {
	STR_INIT("http://jabber.org/protocol/activity"),
	STR_INIT("http://jabber.org/protocol/geoloc"),
	STR_INIT("http://jabber.org/protocol/mood"),
	STR_INIT("http://jabber.org/protocol/nick"),
	STR_INIT("http://jabber.org/protocol/tune"),
	STR_INIT("urn:xmpp:avatar:metadata"),
};

/* The node of a notification that may be held, or the null slice. */
static struct str node_of(const struct stanza *st, struct arena *turn)
{
	const struct xml_doc *d = &st->doc;
	const struct xml_node *event = xml_child(d, stanza_root(st), NS_PUBSUB_EVENT, TAG_EVENT);
	const struct xml_node *items = event ? xml_first(d, event) : NULL;

	if (!xml_is(items, NS_PUBSUB_EVENT, TAG_ITEMS) || st->type == MESSAGE_ERROR ||
		xml_child(d, stanza_root(st), NS_CLIENT, TAG_BODY))
		return STR_NULL;
	struct str node = xml_attr_str(d, items, TAG_NODE, turn);
	for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++)
		if (str_eq(nodes[i], node))
			return node;
	return STR_NULL;
}

/* Under which key it may be held, or the null slice. */
static struct str key_for(const struct stanza *st, struct arena *turn)
{
	struct str from = jid_str(st->from), node;

	switch ((enum stanza_type)st->type) {
	case PRESENCE_AVAILABLE:
	case PRESENCE_UNAVAILABLE:
		return is_own_in_room(st, turn) ? STR_NULL : from;
	case MESSAGE_NORMAL:
	case MESSAGE_HEADLINE:
		node = node_of(st, turn);
		return node.n ? str_printf(turn, "%.*s\n%.*s", STR_FMT(from), STR_FMT(node)) : STR_NULL;
	default:
		return STR_NULL;
	}
}

/* The message that it is about: of a copy (XEP-0280), which the account's own address makes one,
 * what was copied. */
static const struct xml_node *message_in(const struct session *s, const struct stanza *st)
{
	const struct xml_doc *d = &st->doc;
	const struct xml_node *root = xml_root(d), *copy = xml_first(d, root);

	if (!jid_eq(st->from, s->account->jid) ||
		(!xml_is(copy, NS_CARBONS, TAG_SENT) && !xml_is(copy, NS_CARBONS, TAG_RECEIVED)))
		return root;
	const struct xml_node *forwarded = xml_child(d, copy, NS_FORWARD, TAG_FORWARDED);
	const struct xml_node *m = forwarded ? xml_child(d, forwarded, NS_CLIENT, TAG_MESSAGE) : NULL;
	return m ? m : root;
}

/* Chat states, and what stands beside them (XEP-0085 section 5.6, XEP-0334, XEP-0359). */
static bool is_chat_state_alone(const struct session *s, const struct stanza *st)
{
	const struct xml_doc *d = &st->doc;
	bool state = false;

	if (st->kind != STANZA_MESSAGE || st->type == MESSAGE_ERROR)
		return false;
	for (const struct xml_node *n = xml_first(d, message_in(s, st)); n; n = xml_next(d, n)) {
		if (n->ns == NS_CHATSTATES)
			state = true;
		else if (n->ns != NS_HINTS && n->ns != NS_SID && !xml_is(n, NS_CLIENT, TAG_THREAD))
			return false;
	}
	return state;
}

static bool holds(struct session *s, const struct stanza *st, struct jid to)
{
	struct shard *shard = s->account->shard;
	struct str key = STR_NULL;

	/* What waited in the ledger is worth a look, and is missed there until it has arrived. */
	if (st && !st->place && shard->settings->held_max) {
		if (is_chat_state_alone(s, st))
			return true;
		if (jid_eq(to, s->full) || jid_eq(to, s->account->jid))
			key = key_for(st, &shard->loop.turn);
	}
	if (!key.n) {
		empty(s, true);
		return false;
	}
	hold(s, st, to, key);
	return true;
}

/* ---- the client's state ---- */

/* Section 5.1: all goes out before anything else that the client sent is looked at. */
static void activate(struct session *s)
{
	session_active(s);
	empty(s, true);
}

static void on_element(struct client *c, const struct xml_doc *d)
{
	enum xml_tag tag = xml_root(d)->tag;

	if (!c->session)
		c2s_close(&c->stream, STREAM_NOT_AUTHORIZED, STR("no resource is bound yet"));
	else if (tag == TAG_ACTIVE)
		activate(c->session);
	else if (tag == TAG_INACTIVE)
		c->session->inactive = true;
	else
		c2s_close(&c->stream, STREAM_UNSUPPORTED_STANZA_TYPE, STR(""));
}

/* Section 5.2: a stream that is resumed begins as an active one. */
static void resumed(struct session *s)
{
	activate(s);
}

static void session_ended(struct session *s)
{
	empty(s, false);
}

static void stream_features(struct shard *s, const struct host *h, struct writer *w, bool authed)
{
	if (!authed)
		return;
	w_open_ns(w, "csi", NS_CSI);
	w_close(w);
}

const struct module xep0352_csi = {
	.name = "csi",
	.spec = "XEP-0352 1.0.0",
	.nonzas = (const struct nonza_rule[]){
		{ NS_CSI, on_element },
		{ NS_NONE } },
	.stream_features = stream_features,
	.holds = holds,
	.session_resumed = resumed,
	.session_ended = session_ended,
};
