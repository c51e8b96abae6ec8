/* Who may do what with a node (XEP-0060 sections 4.1 and 4.5, and the conditions of 6.1.3, 6.5.9, 7.1.3
 * and 8). The server's administrators are owners at its services. */
#include "core/node.h"

#include "core/block.h"

static const struct stanza_refusal he_may = { .error = ERR_COUNT };

enum node_affiliation node_affiliation(const struct node *n, struct jid who)
{
	const struct host *h = node_host(n);

	if (n->kind == NODE_OF_ACCOUNT && jid_eq_bare(n->owner, who))
		return NODE_OWNER;
	if (n->kind == NODE_OF_SERVICE && h && host_administers(h, who))
		return NODE_OWNER;
	const struct map_node *i = map_get(&n->people, jid_bare_str(who));
	return i ? container_of(i, struct node_person, map)->affiliation : NODE_NONE;
}

/* ---- access models (section 4.5) ---- */

/* Who sees the presence of the account that the node belongs to; NULL: he does not. */
static const struct contact *contact_of(const struct node *n, struct jid who)
{
	const struct account *a = node_account(n);
	const struct contact *c = a ? roster_find(&a->roster, jid_bare(who)) : NULL;

	return c && (c->subscription & SUB_FROM) ? c : NULL;
}

static bool is_in_group(const struct contact *c, struct str name)
{
	struct str rest = c->groups;

	while (rest.n) {
		struct str group = str_c(rest.p);
		if (str_eq(group, name))
			return true;
		rest = str_skip(rest, group.n + 1);
	}
	return false;
}

/* Whether the contact is in one of the groups that the configuration names. */
static bool is_in_groups(const struct node *n, const struct contact *c)
{
	for (const char *g = n->config.groups; g && *g; g += strlen(g) + 1)
		if (is_in_group(c, str_c(g)))
			return true;
	return false;
}

/* What the access model has against somebody. asks: for a subscription, or for items. */
static struct stanza_refusal model_fault(const struct node *n, struct jid who, enum node_right asks)
{
	const struct contact *c;

	switch (n->config.access) {
	case ACCESS_PRESENCE:
		return contact_of(n, who) ? he_may : pubsub_refuse(PS_PRESENCE_REQUIRED);
	case ACCESS_ROSTER:
		c = contact_of(n, who);
		return c && is_in_groups(n, c) ? he_may : pubsub_refuse(PS_NOT_IN_ROSTER_GROUP);
	case ACCESS_AUTHORIZE:
		return asks == NODE_SUBSCRIBE || node_has_subscriber(n, jid_bare(who)) ? he_may
			: pubsub_refuse(PS_ONLY_FOR_SUBSCRIBERS);
	case ACCESS_WHITELIST:
		return pubsub_refuse(PS_CLOSED_NODE);
	default:
		return he_may;
	}
}

/* Members and publishers have been let in by the owner, whatever the model is. */
static bool is_let_in(enum node_affiliation a)
{
	return a == NODE_MEMBER || a == NODE_PUBLISHER || a == NODE_OWNER;
}

static bool is_blocked(const struct node *n, struct jid who)
{
	const struct account *a = node_account(n);

	return a && account_blocks(a, who);
}

static struct stanza_refusal forbidden(void)
{
	return (struct stanza_refusal){ .error = ERR_FORBIDDEN };
}

static struct stanza_refusal access_fault(const struct node *n, struct jid who,
	enum node_affiliation a, enum node_right asks)
{
	if (a == NODE_OUTCAST || a == NODE_PUBLISH_ONLY || is_blocked(n, who))
		return forbidden();
	return is_let_in(a) ? he_may : model_fault(n, who, asks);
}

/* ---- rights ---- */

/* Who may not come in need not know that there is a door. */
static struct stanza_refusal see_fault(const struct node *n, struct jid who, enum node_affiliation a)
{
	if (a == NODE_PUBLISH_ONLY)
		return he_may;
	if (a == NODE_OUTCAST || access_fault(n, who, a, NODE_SUBSCRIBE).error != ERR_COUNT)
		return node_not_found();
	return he_may;
}

static struct stanza_refusal subscribe_fault(const struct node *n, struct jid who,
	enum node_affiliation a)
{
	struct stanza_refusal why = access_fault(n, who, a, NODE_SUBSCRIBE);

	if (why.error != ERR_COUNT)
		return why;
	return n->config.subscribe ? he_may
		: pubsub_unsupported("subscribe", &n->shard->loop.turn);
}

static struct stanza_refusal publish_fault(const struct node *n, struct jid who,
	enum node_affiliation a)
{
	if (a >= NODE_PUBLISH_ONLY)
		return he_may;
	if (a == NODE_OUTCAST || is_blocked(n, who) || n->config.publish == PUBLISH_PUBLISHERS)
		return forbidden();
	if (n->config.publish == PUBLISH_SUBSCRIBERS && !node_has_subscriber(n, jid_bare(who)))
		return forbidden();
	return access_fault(n, who, a, NODE_SUBSCRIBE);
}

struct stanza_refusal node_may(const struct node *n, struct jid who, enum node_right right)
{
	enum node_affiliation a = node_affiliation(n, who);

	if (a == NODE_OWNER && right != NODE_SUBSCRIBE)
		return he_may;
	switch (right) {
	case NODE_SEE:
		return see_fault(n, who, a);
	case NODE_READ:
		return access_fault(n, who, a, NODE_READ);
	case NODE_SUBSCRIBE:
		return subscribe_fault(n, who, a);
	case NODE_PUBLISH:
		return publish_fault(n, who, a);
	default: /* NODE_RETRACT, NODE_MANAGE */
		return forbidden();
	}
}

bool node_may_notify(const struct node *n, struct jid who)
{
	enum node_affiliation a = node_affiliation(n, who);

	return access_fault(n, who, a, NODE_READ).error == ERR_COUNT;
}

struct stanza_refusal node_may_create(struct shard *s, enum node_kind kind, struct jid owner,
	struct jid who)
{
	const struct host *h = settings_host(s->settings, jid_domain(owner));

	if (kind == NODE_OF_ACCOUNT)
		return jid_eq_bare(owner, who) ? he_may : forbidden();
	if (!h || h->service != SERVICE_OF_NODES)
		return node_not_found();
	if (host_administers(h, who) || h->makers == BY_ANYBODY)
		return he_may;
	bool local = who.n_local && str_eq(jid_domain(who), h->home->domain);
	return h->makers == BY_ACCOUNTS && local ? he_may : forbidden();
}
