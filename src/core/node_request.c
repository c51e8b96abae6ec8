#include "core/node_request.h"

#include "core/route.h"
#include "xmpp/form.h"

/* ---- which request it is ---- */

static const struct node_rule *rule_for(const struct shard *s, enum stanza_type type,
	const struct xml_node *el)
{
	module_each(m, s->core, requests)
		for (const struct node_rule *r = m->requests; r->type != TYPE_INVALID; r++)
			if (r->type == type && xml_is(el, r->ns, r->tag))
				return r;
	return NULL;
}

/* Elements that go with a request stand beside it: it is the first one that is known to be one. */
static const struct node_rule *find_rule(const struct shard *s, const struct stanza *iq,
	const struct xml_node **el)
{
	const struct xml_node *payload = stanza_payload(iq);
	const struct node_rule *r = NULL;

	for (*el = xml_first(&iq->doc, payload); *el; *el = xml_next(&iq->doc, *el)) {
		if ((*el)->ns == payload->ns)
			r = rule_for(s, iq->type, *el);
		if (r)
			return r;
	}
	return NULL;
}

/* ERR_COUNT: the request can be run, with this name of a node. */
static struct stanza_refusal check_request(const struct node_rule *r, struct str name)
{
	if (!r)
		return (struct stanza_refusal){ .error = ERR_BAD_REQUEST,
			.text = STR("there is no such request") };
	if (!name.n && !r->unnamed)
		return pubsub_refuse(PS_NODEID_REQUIRED);
	if (name.n > STORE_NODE_NAME_MAX)
		return (struct stanza_refusal){ .error = ERR_NOT_ACCEPTABLE,
			.text = STR("no node has a name as long as that") };
	return (struct stanza_refusal){ .error = ERR_COUNT };
}

enum outcome node_dispatch(struct ctx *c, const struct stanza *iq)
{
	const struct xml_node *el;
	const struct node_rule *r = find_rule(c->shard, iq, &el);

	if (c->host->service != SERVICE_OF_NODES && (!c->account || c->account->guest))
		return refuse(c, iq, ERR_SERVICE_UNAVAILABLE, STR(""));
	struct str name = r ? xml_attr_str(&iq->doc, el, TAG_NODE, &c->shard->loop.turn) : STR("");
	struct stanza_refusal why = check_request(r, name);
	if (r && why.error == ERR_COUNT)
		return r->unnamed && (!name.n || !r->run) ? r->unnamed(c, iq)
							  : node_request(c, iq, name, r->run);
	if (c->account && !account_may_see(c->account, iq->from))
		return refuse(c, iq, ERR_SERVICE_UNAVAILABLE, STR(""));
	return node_refuse_request(c, iq, &why);
}

const struct xml_node *node_child(const struct stanza *iq, enum xml_tag tag)
{
	const struct xml_node *payload = stanza_payload(iq);

	return xml_child(&iq->doc, payload, payload->ns, tag);
}

/* ---- refusing ---- */

enum outcome node_refuse_request(struct ctx *c, const struct stanza *iq,
	const struct stanza_refusal *why)
{
	bounce_with(c->shard, iq, why);
	return ANSWERED;
}

void node_refuse_as(struct node_request *q, enum pubsub_refusal why)
{
	struct stanza_refusal r = pubsub_refuse(why);

	node_refuse(q, &r);
}

void node_refuse_text(struct node_request *q, enum stanza_error e, struct str text)
{
	node_refuse(q, &(struct stanza_refusal){ .error = e, .text = text });
}

void node_refuse_unknown(struct node_request *q, const struct stanza_refusal *why)
{
	if (q->kind == NODE_OF_ACCOUNT && !account_may_see(account_get(q->shard, q->owner), q->who))
		node_refuse_text(q, ERR_SERVICE_UNAVAILABLE, STR(""));
	else
		node_refuse(q, why);
}

enum outcome node_refuse_name(struct ctx *c, const struct stanza *iq)
{
	bool knows = c->host->service == SERVICE_OF_NODES ||
		(c->account && account_may_see(c->account, iq->from));

	return refuse(c, iq, knows ? ERR_ITEM_NOT_FOUND : ERR_SERVICE_UNAVAILABLE, STR(""));
}

bool node_permit(struct node_request *q, enum node_right right)
{
	struct stanza_refusal why = q->node ? node_may(q->node, q->who, right) : node_not_found();

	if (why.error == ERR_COUNT)
		return true;
	if (q->node && right != NODE_SEE)
		node_refuse(q, &why);
	else /* or it is as if there were none */
		node_refuse_unknown(q, &why);
	return false;
}

bool node_has_time(struct node_request *q)
{
	struct stanza_refusal why = node_pressed();

	if (!node_is_pressed(q->node, q->who, 1))
		return true;
	node_refuse(q, &why);
	return false;
}

/* ---- what a request names ---- */

bool node_read_jid(struct node_request *q, const struct xml_node *el, struct jid *out)
{
	struct arena *turn = &q->shard->loop.turn;
	struct str text = xml_attr_str(&q->iq->doc, el, TAG_JID, turn);

	if (!text.n) {
		node_refuse_as(q, PS_JID_REQUIRED);
		return false;
	}
	if (jid_parse(text, turn, out))
		return true;
	node_refuse_text(q, ERR_JID_MALFORMED, STR(""));
	return false;
}

struct node_subscription *node_pick_subscription(struct node_request *q, struct jid jid,
	struct str subid)
{
	struct node_subscription *first = node_subscription_first(q->node, jid);
	struct node_subscription *sub = node_subscription(q->node, jid, subid);

	if (sub)
		return sub;
	node_refuse_as(q, !first ? PS_NOT_SUBSCRIBED : subid.n ? PS_INVALID_SUBID
		: PS_SUBID_REQUIRED);
	return NULL;
}

enum node_form node_read_form(const struct stanza *iq, const struct xml_node *el,
	struct str form_type, struct arena *a, const struct xml_node **form)
{
	const struct xml_node *x = xml_child(&iq->doc, el, NS_DATA, TAG_X);

	*form = NULL;
	if (!x)
		return NODE_FORM_NONE;
	if (str_eq(xml_attr_str(&iq->doc, x, TAG_TYPE, a), STR("cancel")))
		return NODE_FORM_CANCELLED;
	*form = form_find(&iq->doc, el, form_type, a);
	return *form ? NODE_FORM_SUBMITTED : NODE_FORM_BAD;
}

void node_settle(struct shard *s, struct node *n, enum store_status status, void *later)
{
	struct later *l = later;

	later_settle(&l, status);
}
