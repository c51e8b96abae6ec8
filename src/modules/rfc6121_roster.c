/* Roster management (RFC 6121 section 2) and the features for roster versions (2.6) and
 * subscription pre-approval (3.4).
 *
 * What a roster is and how it changes stands in core/roster.c; here are the IQs and their
 * checks. Versions: an unchanged roster is answered with an empty result, a changed one whole.
 * A component with the grant for it (XEP-0356) asks and changes as the owner does.
 * Options: none here; roster_items of the limits bounds the size. Stores: roster items. */
#include "core/client.h"
#include "core/module.h"
#include "core/presence.h"

static enum outcome on_get(struct ctx *c, const struct stanza *iq)
{
	struct roster *r = &c->account->roster;
	struct arena *turn = &c->shard->loop.turn;
	struct str known = xml_attr_str(&iq->doc, stanza_payload(iq), TAG_VER, turn);
	struct str version = roster_version_text(r, turn);

	if (c->session)
		c->session->interested = true;
	struct writer w = reply_open(c, iq);
	if (!str_eq(known, version)) {
		w_open_ns(&w, "query", NS_ROSTER);
		w_attr(&w, "ver", version);
		for (uint32_t i = 0; i < r->n; i++)
			contact_write(&w, r->items[i]);
		w_close(&w);
	}
	return reply_send(c, &w, iq);
}

/* What is wrong with an item's handle and groups (section 2.3.3), or ERR_COUNT; *groups gets
 * the names, each followed by a NUL. */
static enum stanza_error check_item(const struct stanza *iq, const struct xml_node *item,
	struct str name, struct arena *a, struct str *groups)
{
	const struct xml_node *first = xml_child(&iq->doc, item, NS_ROSTER, TAG_GROUP);
	struct buf b;
	unsigned n = 0;

	if (name.n > ROSTER_NAME_MAX)
		return ERR_NOT_ACCEPTABLE;
	buf_init(&b, ROSTER_GROUPS_MAX * (ROSTER_NAME_MAX + 1));
	for (const struct xml_node *g = first; g; g = xml_next_same(&iq->doc, g)) {
		struct str text = xml_text(&iq->doc, g, a);
		if (!text.n || text.n > ROSTER_NAME_MAX || ++n > ROSTER_GROUPS_MAX) {
			buf_clear(&b);
			return ERR_NOT_ACCEPTABLE;
		}
		for (const struct xml_node *h = first; h != g; h = xml_next_same(&iq->doc, h))
			if (str_eq(text, xml_text(&iq->doc, h, a))) {
				buf_clear(&b);
				return ERR_BAD_REQUEST;
			}
		buf_add(&b, text);
		buf_byte(&b, '\0');
	}
	*groups = str_dup(a, buf_str(&b));
	buf_clear(&b);
	return ERR_COUNT;
}

static enum outcome remove_item(struct ctx *c, const struct stanza *iq, struct jid j)
{
	struct contact *item = roster_find(&c->account->roster, j);

	if (!item) /* section 2.5.3 */
		return refuse(c, iq, ERR_ITEM_NOT_FOUND, STR("no such roster item"));
	subscription_remove(c->account, item, later_new(c, iq));
	return LATER;
}

static enum outcome set_item(struct ctx *c, const struct stanza *iq, const struct xml_node *el,
	struct jid j)
{
	struct arena *turn = &c->shard->loop.turn;
	struct roster *r = &c->account->roster;
	struct str name = xml_attr_str(&iq->doc, el, TAG_NAME, turn);
	struct str groups;

	enum stanza_error e = check_item(iq, el, name, turn, &groups);
	if (e != ERR_COUNT)
		return refuse(c, iq, e, STR("a name or a group is not acceptable"));
	if (!roster_find(r, j) && r->n >= c->shard->settings->roster_max)
		return refuse(c, iq, ERR_RESOURCE_CONSTRAINT, STR("the roster is full"));
	struct contact *item = roster_add(r, j);
	contact_set(item, name, groups);
	roster_store(c->account, item, later_new(c, iq));
	return LATER;
}

static enum outcome on_set(struct ctx *c, const struct stanza *iq)
{
	struct arena *turn = &c->shard->loop.turn;
	const struct xml_node *query = stanza_payload(iq);
	const struct xml_node *el = xml_child(&iq->doc, query, NS_ROSTER, TAG_ITEM);
	struct jid j;

	if (!el || xml_count(&iq->doc, query) != 1)
		return refuse(c, iq, ERR_BAD_REQUEST, STR("exactly one item, please"));
	struct str jid = xml_attr_str(&iq->doc, el, TAG_JID, turn);
	if (!jid.p)
		return refuse(c, iq, ERR_BAD_REQUEST, STR("an item needs a jid"));
	if (!jid_parse(jid, turn, &j))
		return refuse(c, iq, ERR_JID_MALFORMED, STR("the item's jid is no address"));
	if (str_eq(xml_attr_str(&iq->doc, el, TAG_SUBSCRIPTION, turn), STR("remove")))
		return remove_item(c, iq, j);
	return set_item(c, iq, el, j);
}

/* XEP-0356 section 4.3: a component may be granted what else is the owner's alone. */
static bool is_granted(const struct ctx *c, const struct stanza *iq)
{
	const struct grants *g = grants_of(c->shard->settings, iq->from, c->host);

	return c->account && g && (g->roster & grant_bit(iq->type));
}

/* Sections 2.1.5 and 2.3.3. Said for accounts that do not exist, too, against the letter of
 * section 8.5.1: nobody shall learn from it who exists (docs/security.md). */
static enum outcome on_stranger(struct ctx *c, const struct stanza *iq)
{
	if (is_granted(c, iq))
		return iq->type == IQ_GET ? on_get(c, iq) : on_set(c, iq);
	return refuse(c, iq, ERR_FORBIDDEN, STR(""));
}

static void stream_features(struct shard *s, const struct host *h, struct writer *w, bool authed)
{
	if (!authed)
		return;
	w_open_ns(w, "ver", NS_ROSTERVER);
	w_close(w);
	w_open_ns(w, "sub", NS_PRE_APPROVAL);
	w_close(w);
}

const struct module rfc6121_roster = {
	.name = "roster",
	.spec = "RFC 6121",
	.features = (const char *const[]){ "jabber:iq:roster", NULL },
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_ROSTER, TAG_QUERY, AT_OWN, on_get },
		{ IQ_SET, NS_ROSTER, TAG_QUERY, AT_OWN, on_set },
		{ IQ_GET, NS_ROSTER, TAG_QUERY, AT_ACCOUNT, on_stranger },
		{ IQ_SET, NS_ROSTER, TAG_QUERY, AT_ACCOUNT, on_stranger },
		{ 0 } },
	.stream_features = stream_features,
};
