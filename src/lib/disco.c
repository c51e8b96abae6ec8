/* What the library answers by itself: service discovery (XEP-0030 2.5.0) from what was added, ping
 * (XEP-0199 2.0.1) and the software version (XEP-0092 1.1). */
#include "lib/entity.h"

#define NS_INFO     "http://jabber.org/protocol/disco#info"
#define NS_ITEMS    "http://jabber.org/protocol/disco#items"
#define NS_PINGS    "urn:xmpp:ping"
#define NS_SOFTWARE "jabber:iq:version"

static void add(struct stentor_entity *e, struct disco_thing **list, unsigned where, const char *a,
	const char *b, const char *c)
{
	struct disco_thing *t = arena_alloc(&e->mem, sizeof *t);

	*t = (struct disco_thing){ NULL, where, entity_keep(e, a), entity_keep(e, b),
		entity_keep(e, c) };
	while (*list)
		list = &(*list)->next;
	*list = t;
}

void stentor_add_identity(struct stentor_entity *e, unsigned where, const char *category,
	const char *type, const char *name)
{
	add(e, &e->identities, where, category, type, name);
}

void stentor_add_feature(struct stentor_entity *e, unsigned where, const char *var)
{
	add(e, &e->features, where, var, NULL, NULL);
}

void stentor_add_item(struct stentor_entity *e, unsigned where, const char *jid, const char *node,
	const char *name)
{
	add(e, &e->items, where, jid, node, name);
}

void stentor_set_version(struct stentor_entity *e, const char *name, const char *version,
	const char *os)
{
	e->version[0] = entity_keep(e, name);
	e->version[1] = entity_keep(e, version);
	e->version[2] = entity_keep(e, os);
}

/* The first one that is there, or NULL. */
static const struct disco_thing *at(const struct disco_thing *t, unsigned where)
{
	while (t && !(t->where & where))
		t = t->next;
	return t;
}

bool disco_answers(const struct stentor_entity *e, unsigned where)
{
	return where == STENTOR_HERE || at(e->identities, where);
}

/* ---- who asks for information ---- */

static void add_identity(struct stentor_element *query, const char *category, const char *type,
	const char *name)
{
	struct stentor_element *el = stentor_element_add(query, "identity", NULL);

	stentor_element_set(el, "category", category);
	stentor_element_set(el, "type", type);
	stentor_element_set(el, "name", name);
}

static void add_feature(struct stentor_element *query, const char *var)
{
	stentor_element_set(stentor_element_add(query, "feature", NULL), "var", var);
}

static bool has_commands(const struct stentor_entity *e, unsigned where)
{
	const struct command *c = e->commands;

	while (c && !(c->where & where))
		c = c->next;
	return c != NULL;
}

static void describe(const struct stentor_entity *e, unsigned where, struct stentor_element *query)
{
	const struct disco_thing *t = at(e->identities, where);

	if (!t)
		add_identity(query, "component", "generic", NULL);
	for (; t; t = at(t->next, where))
		add_identity(query, t->a, t->b, t->c);
	add_feature(query, NS_INFO);
	add_feature(query, NS_ITEMS);
	add_feature(query, NS_PINGS);
	if (e->version[0])
		add_feature(query, NS_SOFTWARE);
	if (has_commands(e, where))
		add_feature(query, STENTOR_NS_COMMANDS);
	for (t = at(e->features, where); t; t = at(t->next, where))
		add_feature(query, t->a);
}

/* XEP-0050 sections 2.2 and 2.3: the node of the list, and of a command. False: there is none. */
static bool describe_node(const struct stentor_entity *e, unsigned where, const char *node,
	const char *who, struct stentor_element *query)
{
	const struct command *c = command_find(e, where, node, who);

	if (is_same(node, STENTOR_NS_COMMANDS) && has_commands(e, where)) {
		add_identity(query, "automation", "command-list", NULL);
		return true;
	}
	if (!c)
		return false;
	add_identity(query, "automation", "command-node", c->name);
	add_feature(query, STENTOR_NS_COMMANDS);
	add_feature(query, STENTOR_NS_FORM);
	return true;
}

/* ---- who asks for items ---- */

static void add_item(struct stentor_element *query, const char *jid, const char *node,
	const char *name)
{
	struct stentor_element *el = stentor_element_add(query, "item", NULL);

	stentor_element_set(el, "jid", jid);
	stentor_element_set(el, "node", node);
	stentor_element_set(el, "name", name);
}

static void list_items(const struct stentor_entity *e, unsigned where,
	struct stentor_element *query)
{
	for (const struct disco_thing *t = at(e->items, where); t; t = at(t->next, where))
		add_item(query, t->a, t->b, t->c);
}

/* The commands that somebody may use; a command has no items. False: there is no such node. */
static bool list_node(const struct stentor_entity *e, unsigned where, const char *node,
	const struct stentor_element *iq, struct stentor_element *query)
{
	const char *who = stentor_element_attribute(iq, "from");

	if (!is_same(node, STENTOR_NS_COMMANDS) || !has_commands(e, where))
		return command_find(e, where, node, who) != NULL;
	for (const struct command *c = e->commands; c; c = c->next)
		if (command_find(e, where, c->node, who) == c)
			add_item(query, stentor_element_attribute(iq, "to"), c->node, c->name);
	return true;
}

/* ---- requests ---- */

static struct stentor_element *open_query(struct stentor_element *answer, const char *ns,
	const char *node)
{
	struct stentor_element *query = stentor_element_add(answer, "query", ns);

	stentor_element_set(query, "node", node);
	return query;
}

static void answer_disco(struct stentor_entity *e, const struct stentor_element *iq,
	const struct stentor_element *payload)
{
	const char *ns = stentor_element_ns(payload);
	const char *node = stentor_element_attribute(payload, "node");
	struct stentor_element *answer = stentor_answer_new(iq);
	struct stentor_element *query = open_query(answer, ns, node);
	unsigned where = entity_where(iq);
	bool info = is_same(ns, NS_INFO), found = true;

	if (!node && info)
		describe(e, where, query);
	else if (!node)
		list_items(e, where, query);
	else if (info)
		found = describe_node(e, where, node, stentor_element_attribute(iq, "from"), query);
	else
		found = list_node(e, where, node, iq, query);
	if (found && entity_answer(e, answer) == STENTOR_OK)
		return;
	if (!found)
		stentor_element_free(&answer);
	entity_refuse(e, iq, found ? STENTOR_RESOURCE_CONSTRAINT : STENTOR_ITEM_NOT_FOUND, NULL);
}

static void answer_version(struct stentor_entity *e, const struct stentor_element *iq)
{
	static const char *const names[] = { "name", "version", "os" };
	struct stentor_element *answer = stentor_answer_new(iq);
	struct stentor_element *query = open_query(answer, NS_SOFTWARE, NULL);

	for (int i = 0; i < 3; i++)
		if (e->version[i])
			stentor_element_add_leaf(query, names[i], NULL, e->version[i]);
	entity_answer(e, answer);
}

bool disco_request(struct stentor_entity *e, const struct stentor_element *iq,
	const struct stentor_element *payload)
{
	if (!is_same(stentor_element_attribute(iq, "type"), "get") ||
		!disco_answers(e, entity_where(iq)))
		return false;
	if (stentor_element_is(payload, NS_PINGS, "ping"))
		entity_answer(e, stentor_answer_new(iq));
	else if (stentor_element_is(payload, NS_INFO, "query") ||
		stentor_element_is(payload, NS_ITEMS, "query"))
		answer_disco(e, iq, payload);
	else if (stentor_element_is(payload, NS_SOFTWARE, "query") && e->version[0])
		answer_version(e, iq);
	else
		return false;
	return true;
}
