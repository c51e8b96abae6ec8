/* XEP-0359 Unique and Stable Stanza IDs, version 0.7.0
 *
 * Each message gets an id when it enters the server (core/message.h), and carries it to those in
 * whose archive it is (core/session.c); what a room passes on has one of the room's
 * (core/room_message.c). Here: what a client or a component writes in our name is taken out
 * (section 5, rule 3). Options: none. Stores: nothing of its own. */
#include "core/message.h"
#include "core/module.h"
#include "xmpp/edit.h"

/* An id that claims to be given by an address of ours. Those of a component give their own. */
static bool is_forged(const struct stanza *s, const struct xml_node *child, void *ctx)
{
	struct shard *shard = ctx;
	struct arena *turn = &shard->loop.turn;
	struct jid by;

	if (child->ns != NS_SID || child->tag != TAG_STANZA_ID)
		return false;
	if (!jid_parse(xml_attr_str(&s->doc, child, TAG_BY, turn), turn, &by))
		return true;
	const struct host *h = settings_host(shard->settings, jid_domain(by));
	return h && !(h->component && h == settings_host(shard->settings, jid_domain(s->from)));
}

static enum passage drop_forged(struct shard *shard, struct stanza **message,
	struct stanza_refusal *why)
{
	if (xml_child(&(*message)->doc, stanza_root(*message), NS_SID, TAG_STANZA_ID))
		stanza_drop_children(message, is_forged, shard, &shard->scratch_table);
	return PASSES;
}

static enum passage message_sent(struct session *s, struct stanza **message,
	struct stanza_refusal *why)
{
	return drop_forged(s->account->shard, message, why);
}

const struct module xep0359_ids = {
	.name = "ids",
	.spec = "XEP-0359 0.7.0",
	.features = (const char *const[]){ "urn:xmpp:sid:0", NULL },
	.account_features = (const char *const[]){ "urn:xmpp:sid:0", NULL },
	.room_features = (const char *const[]){ "urn:xmpp:sid:0", NULL },
	.message_sent = message_sent,
	.message_entered = drop_forged,
};
