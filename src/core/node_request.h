/* What the modules share that take requests about nodes (XEP-0060): which request it is, what it
 * names, and who may ask for it. A module has a table of struct node_rule;
 * modules/xep0060_requests.c hands it what comes for accounts and for services of nodes. */
#ifndef CORE_NODE_REQUEST_H
#define CORE_NODE_REQUEST_H

#include "core/node.h"

/* One kind of request, by the child of <pubsub/> that says what is wanted. The name of a node is
 * any text of 1 to STORE_NODE_NAME_MAX bytes; an empty one names none. tag and ns are those of the
 * child; the namespace is that of <pubsub/> too. TYPE_INVALID ends the table. */
struct node_rule {
	enum stanza_type type;  /* IQ_GET or IQ_SET */
	uint16_t ns, tag;

	/* With the node that the child names. NULL: `unnamed` takes that too. */
	node_run *run;

	/* Where it names none. NULL: that is refused (nodeid-required). */
	enum outcome (*unnamed)(struct ctx *c, const struct stanza *iq);
};

/* Finds the rule for a request, the first child of <pubsub/> that has one, and runs it, or refuses.
 * Where there is no account: service-unavailable. */
enum outcome node_dispatch(struct ctx *c, const struct stanza *iq);

/* A child of <pubsub/>, in its namespace, or NULL. */
const struct xml_node *node_child(const struct stanza *iq, enum xml_tag tag);

/* Answers with a refusal in the words of the specification, or with an error and a text for
 * people. The third one is for requests that name no node. */
void node_refuse_as(struct node_request *q, enum pubsub_refusal why);
void node_refuse_text(struct node_request *q, enum stanza_error e, struct str text);
enum outcome node_refuse_request(struct ctx *c, const struct stanza *iq,
	const struct stanza_refusal *why);

/* Refuses what has to do with no node that there is: who may not know of the account gets what he
 * would get if there were no account. */
void node_refuse_unknown(struct node_request *q, const struct stanza_refusal *why);

/* Refuses a name that no node can have, likewise as one that there is not. */
enum outcome node_refuse_name(struct ctx *c, const struct stanza *iq);

/* Whether the node is there and who asks may do that; else the request is answered. */
bool node_permit(struct node_request *q, enum node_right right);

/* Whether who asks may do now what all subscribers are told of (node_is_pressed()); else the
 * request is answered. */
bool node_has_time(struct node_request *q);

/* The address in an attribute `jid` of an element, in its bytes or the arena of the turn. False:
 * there is none (jid-required), or it is none (jid-malformed), and the request is answered. */
bool node_read_jid(struct node_request *q, const struct xml_node *el, struct jid *out);

/* The subscription that a request is about, by the id that it gives (empty: none): the only one of
 * the JID where it gives none. NULL: the request is answered (sections 6.2.3, 6.3.4, 6.5.9). */
struct node_subscription *node_pick_subscription(struct node_request *q, struct jid jid,
	struct str subid);

/* What an element has to say as a form (XEP-0004) of a FORM_TYPE: the submitted one is *form. */
enum node_form { NODE_FORM_NONE, NODE_FORM_CANCELLED, NODE_FORM_SUBMITTED, NODE_FORM_BAD };
enum node_form node_read_form(const struct stanza *iq, const struct xml_node *el,
	struct str form_type, struct arena *a, const struct xml_node **form);

/* A node_done whose context is a struct later: answers with an empty result, or the error. */
void node_settle(struct shard *s, struct node *n, enum store_status status, void *later);

#endif
