#include "xmpp/pubsub.h"

#include "base/bug.h"

static const struct str affiliations[NODE_AFFILIATIONS] = {
	[NODE_OUTCAST] = STR_INIT("outcast"),
	[NODE_NONE] = STR_INIT("none"),
	[NODE_MEMBER] = STR_INIT("member"),
	[NODE_PUBLISH_ONLY] = STR_INIT("publish-only"),
	[NODE_PUBLISHER] = STR_INIT("publisher"),
	[NODE_OWNER] = STR_INIT("owner"),
};

static const struct str states[SUBSCRIPTION_STATES] = {
	[SUBSCRIPTION_NONE] = STR_INIT("none"),
	[SUBSCRIPTION_PENDING] = STR_INIT("pending"),
	[SUBSCRIPTION_UNCONFIGURED] = STR_INIT("unconfigured"),
	[SUBSCRIPTION_SUBSCRIBED] = STR_INIT("subscribed"),
};

static const struct str access_models[ACCESS_MODELS] = {
	[ACCESS_OPEN] = STR_INIT("open"),
	[ACCESS_PRESENCE] = STR_INIT("presence"),
	[ACCESS_ROSTER] = STR_INIT("roster"),
	[ACCESS_AUTHORIZE] = STR_INIT("authorize"),
	[ACCESS_WHITELIST] = STR_INIT("whitelist"),
};

static const struct str publish_models[PUBLISH_MODELS] = {
	[PUBLISH_PUBLISHERS] = STR_INIT("publishers"),
	[PUBLISH_SUBSCRIBERS] = STR_INIT("subscribers"),
	[PUBLISH_OPEN] = STR_INIT("open"),
};

static const struct str send_lasts[SEND_LASTS] = {
	[LAST_NEVER] = STR_INIT("never"),
	[LAST_ON_SUB] = STR_INIT("on_sub"),
	[LAST_ON_SUB_AND_PRESENCE] = STR_INIT("on_sub_and_presence"),
};

struct str node_affiliation_name(enum node_affiliation a)
{
	BUG_ON(a >= NODE_AFFILIATIONS);
	return affiliations[a];
}

struct str subscription_state_name(enum subscription_state s)
{
	BUG_ON(s >= SUBSCRIPTION_STATES);
	return states[s];
}

struct str access_model_name(enum access_model m)
{
	BUG_ON(m >= ACCESS_MODELS);
	return access_models[m];
}

struct str publish_model_name(enum publish_model m)
{
	BUG_ON(m >= PUBLISH_MODELS);
	return publish_models[m];
}

struct str send_last_name(enum send_last l)
{
	BUG_ON(l >= SEND_LASTS);
	return send_lasts[l];
}

/* The place of a name among n; n when it is not there. */
static unsigned place_of(const struct str *names, unsigned n, struct str name)
{
	unsigned i = 0;

	while (i < n && !str_eq(names[i], name))
		i++;
	return i;
}

bool node_affiliation_parse(struct str name, enum node_affiliation *out)
{
	unsigned at = place_of(affiliations, NODE_AFFILIATIONS, name);

	if (at == NODE_AFFILIATIONS)
		return false;
	*out = (enum node_affiliation)at;
	return true;
}

bool subscription_state_parse(struct str name, enum subscription_state *out)
{
	unsigned at = place_of(states, SUBSCRIPTION_STATES, name);

	if (at == SUBSCRIPTION_STATES)
		return false;
	*out = (enum subscription_state)at;
	return true;
}

bool access_model_parse(struct str name, enum access_model *out)
{
	unsigned at = place_of(access_models, ACCESS_MODELS, name);

	if (at == ACCESS_MODELS)
		return false;
	*out = (enum access_model)at;
	return true;
}

bool publish_model_parse(struct str name, enum publish_model *out)
{
	unsigned at = place_of(publish_models, PUBLISH_MODELS, name);

	if (at == PUBLISH_MODELS)
		return false;
	*out = (enum publish_model)at;
	return true;
}

bool send_last_parse(struct str name, enum send_last *out)
{
	unsigned at = place_of(send_lasts, SEND_LASTS, name);

	if (at == SEND_LASTS)
		return false;
	*out = (enum send_last)at;
	return true;
}

#define ERRORS " xmlns='http://jabber.org/protocol/pubsub#errors'"
#define CONDITION(name)       STR_INIT("<" name ERRORS "/>")
#define USUAL(error, name)    { error, { NULL, 0 }, CONDITION(name) }
#define AS(error, type, name) { error, STR_INIT(type), CONDITION(name) }

/* The two that no example has are like their neighbours: a bound on items at a node, as with a list
 * that is closed, does not go away; one on nodes is as that on subscriptions. */
static const struct {
	enum stanza_error error;
	struct str type;
	struct str condition;
} refusals[PS_REFUSALS] = {
	[PS_CLOSED_NODE] = USUAL(ERR_NOT_ALLOWED, "closed-node"), /* 33 */
	[PS_CONFIGURATION_REQUIRED] = USUAL(ERR_NOT_ACCEPTABLE, "configuration-required"), /* 44 */
	[PS_INVALID_JID] = USUAL(ERR_BAD_REQUEST, "invalid-jid"), /* 30 */
	[PS_INVALID_OPTIONS] = USUAL(ERR_BAD_REQUEST, "invalid-options"), /* 66 */
	[PS_INVALID_PAYLOAD] = USUAL(ERR_BAD_REQUEST, "invalid-payload"), /* 110 */
	[PS_INVALID_SUBID] = USUAL(ERR_NOT_ACCEPTABLE, "invalid-subid"), /* 53 */
	[PS_ITEM_FORBIDDEN] = USUAL(ERR_BAD_REQUEST, "item-forbidden"), /* 113 */
	[PS_ITEM_REQUIRED] = USUAL(ERR_BAD_REQUEST, "item-required"), /* 111 */
	[PS_JID_REQUIRED] = USUAL(ERR_BAD_REQUEST, "jid-required"), /* 59 */
	[PS_MAX_ITEMS_EXCEEDED] = USUAL(ERR_NOT_ALLOWED, "max-items-exceeded"),
	[PS_MAX_NODES_EXCEEDED] = AS(ERR_POLICY_VIOLATION, "wait", "max-nodes-exceeded"),
	[PS_NODE_FULL] = USUAL(ERR_CONFLICT, "node-full"), /* 108 */
	[PS_NODEID_REQUIRED] = USUAL(ERR_BAD_REQUEST, "nodeid-required"), /* 121 */
	[PS_NO_SUCH_SUBSCRIBER] = AS(ERR_UNEXPECTED_REQUEST, "modify", "not-subscribed"), /* 58 */
	[PS_NOT_IN_ROSTER_GROUP] = USUAL(ERR_NOT_AUTHORIZED, "not-in-roster-group"), /* 32, 90 */
	[PS_NOT_SUBSCRIBED] = AS(ERR_UNEXPECTED_REQUEST, "cancel", "not-subscribed"), /* 50 */
	[PS_ONLY_FOR_SUBSCRIBERS] = USUAL(ERR_NOT_AUTHORIZED, "not-subscribed"), /* 86 */
	[PS_PAYLOAD_TOO_BIG] = USUAL(ERR_NOT_ACCEPTABLE, "payload-too-big"), /* 109 */
	[PS_PAYLOAD_REQUIRED] = USUAL(ERR_BAD_REQUEST, "payload-required"), /* 112 */
	[PS_PENDING_SUBSCRIPTION] = USUAL(ERR_NOT_AUTHORIZED, "pending-subscription"), /* 36 */
	[PS_PRECONDITION_NOT_MET] = USUAL(ERR_CONFLICT, "precondition-not-met"), /* section 7.1.5 */
	[PS_PRESENCE_REQUIRED] = USUAL(ERR_NOT_AUTHORIZED, /* 31, 89 */
		"presence-subscription-required"),
	[PS_SUBID_REQUIRED] = USUAL(ERR_BAD_REQUEST, "subid-required"), /* 49 */
	[PS_TOO_MANY_SUBSCRIPTIONS] = AS(ERR_POLICY_VIOLATION, "wait", /* 38 */
		"too-many-subscriptions"),
	[PS_UNSUPPORTED_ACCESS_MODEL] = USUAL(ERR_NOT_ACCEPTABLE, /* 136 */
		"unsupported-access-model"),
};

struct stanza_refusal pubsub_refuse(enum pubsub_refusal why)
{
	BUG_ON(why >= PS_REFUSALS);
	return (struct stanza_refusal){ .error = refusals[why].error, .type = refusals[why].type,
		.condition = refusals[why].condition };
}

struct stanza_refusal pubsub_unsupported(const char *feature, struct arena *a)
{
	return (struct stanza_refusal){ .error = ERR_FEATURE_NOT_IMPLEMENTED,
		.condition = str_printf(a, "<unsupported" ERRORS " feature='%s'/>", feature) };
}
