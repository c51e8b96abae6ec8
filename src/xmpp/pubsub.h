/* Words of publish-subscribe (XEP-0060 1.30.0): what somebody is to a node, what a node is like,
 * and the conditions of its errors. */
#ifndef XMPP_PUBSUB_H
#define XMPP_PUBSUB_H

#include "base/str.h"
#include "xmpp/stanza.h"

/* Section 4.1, in order of power. */
enum node_affiliation {
	NODE_OUTCAST, NODE_NONE, NODE_MEMBER, NODE_PUBLISH_ONLY, NODE_PUBLISHER, NODE_OWNER,
	NODE_AFFILIATIONS
};

/* Section 4.2. */
enum subscription_state {
	SUBSCRIPTION_NONE, SUBSCRIPTION_PENDING, SUBSCRIPTION_UNCONFIGURED, SUBSCRIPTION_SUBSCRIBED,
	SUBSCRIPTION_STATES
};

/* Section 4.5. */
enum access_model {
	ACCESS_OPEN, ACCESS_PRESENCE, ACCESS_ROSTER, ACCESS_AUTHORIZE, ACCESS_WHITELIST,
	ACCESS_MODELS
};

/* pubsub#publish_model */
enum publish_model { PUBLISH_PUBLISHERS, PUBLISH_SUBSCRIBERS, PUBLISH_OPEN, PUBLISH_MODELS };

/* pubsub#send_last_published_item */
enum send_last { LAST_NEVER, LAST_ON_SUB, LAST_ON_SUB_AND_PRESENCE, SEND_LASTS };

/* The names as they are written: "publish-only", "subscribed", "whitelist", "on_sub_and_presence".
 * Parsing: false, it is no such name; *out is as it was. */
struct str node_affiliation_name(enum node_affiliation a);
struct str subscription_state_name(enum subscription_state s);
struct str access_model_name(enum access_model m);
struct str publish_model_name(enum publish_model m);
struct str send_last_name(enum send_last l);
bool node_affiliation_parse(struct str name, enum node_affiliation *out);
bool subscription_state_parse(struct str name, enum subscription_state *out);
bool access_model_parse(struct str name, enum access_model *out);
bool publish_model_parse(struct str name, enum publish_model *out);
bool send_last_parse(struct str name, enum send_last *out);

/* Why a request is refused, in the words of the specification: each stands for a stanza error, its
 * type where the examples have another one than RFC 6120 section 8.3.3, and a condition in
 * http://jabber.org/protocol/pubsub#errors. One table in pubsub.c, with the examples' numbers. */
enum pubsub_refusal {
	PS_CLOSED_NODE,               /* whitelist: not-allowed */
	PS_CONFIGURATION_REQUIRED,    /* not-acceptable */
	PS_INVALID_JID,               /* bad-request: the bare JIDs do not match */
	PS_INVALID_OPTIONS,           /* bad-request */
	PS_INVALID_PAYLOAD,           /* bad-request */
	PS_INVALID_SUBID,             /* not-acceptable */
	PS_ITEM_FORBIDDEN,            /* bad-request */
	PS_ITEM_REQUIRED,             /* bad-request */
	PS_JID_REQUIRED,              /* bad-request */
	PS_MAX_ITEMS_EXCEEDED,        /* not-allowed */
	PS_MAX_NODES_EXCEEDED,        /* policy-violation, wait */
	PS_NODE_FULL,                 /* conflict */
	PS_NODEID_REQUIRED,           /* bad-request */
	PS_NO_SUCH_SUBSCRIBER,        /* unexpected-request, modify: of options (section 6.3.4.2) */
	PS_NOT_IN_ROSTER_GROUP,       /* not-authorized */
	PS_NOT_SUBSCRIBED,            /* unexpected-request, cancel: to end it (section 6.2.3.2) */
	PS_ONLY_FOR_SUBSCRIBERS,      /* not-authorized: to read items (section 6.5.9.3) */
	PS_PAYLOAD_TOO_BIG,           /* not-acceptable */
	PS_PAYLOAD_REQUIRED,          /* bad-request */
	PS_PENDING_SUBSCRIPTION,      /* not-authorized */
	PS_PRECONDITION_NOT_MET,      /* conflict */
	PS_PRESENCE_REQUIRED,         /* not-authorized */
	PS_SUBID_REQUIRED,            /* bad-request */
	PS_TOO_MANY_SUBSCRIPTIONS,    /* policy-violation, wait */
	PS_UNSUPPORTED_ACCESS_MODEL,  /* not-acceptable */
	PS_REFUSALS
};

/* The refusal, without text; all its strings are static. */
struct stanza_refusal pubsub_refuse(enum pubsub_refusal why);

/* <unsupported feature='...'/> with feature-not-implemented. feature: one of the schema's (section
 * 17.2), such as "subscribe". The condition is in the arena. */
struct stanza_refusal pubsub_unsupported(const char *feature, struct arena *a);

#endif
