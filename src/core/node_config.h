/* The configuration of a node (XEP-0060 section 16.4.4) and the options of a subscription (section
 * 16.4.2): a form for people, a form in the store, publish-options as preconditions (section 7.1.5),
 * and structs here. One table of each in node_config.c says what there is. All nodes are leaves: of
 * XEP-0248, node_type takes "leaf" alone, and subscription_type "items". */
#ifndef CORE_NODE_CONFIG_H
#define CORE_NODE_CONFIG_H

#include "xml/tree.h"
#include "xml/writer.h"
#include "xmpp/pubsub.h"

/* Bounds: bytes, and entries. */
#define NODE_TITLE_MAX       512
#define NODE_DESCRIPTION_MAX 4096
#define NODE_TYPE_MAX        1024  /* pubsub#type, body and payload transformations, language */
#define NODE_GROUPS_MAX      32    /* pubsub#roster_groups_allowed */
#define NODE_GROUP_MAX       1023
#define NODE_ITEMS_UNBOUNDED UINT32_MAX /* max_items = max, as far as the service's bound goes */

/* Whose address a notification names for replies (pubsub#itemreply; section 12.17). */
enum item_reply { REPLY_NONE, REPLY_OWNER, REPLY_PUBLISHER };

enum notification_type { NOTIFY_NORMAL, NOTIFY_HEADLINE };

/* Texts are owned; NULL stands for an empty one. */
struct node_config {
	char *title, *description, *language;
	char *type;               /* pubsub#type: namespace of the payload */
	char *groups;             /* roster_groups_allowed: names, each followed by a NUL; then one */
	bool deliver_notifications, deliver_payloads;
	bool notify_config, notify_delete, notify_retract, notify_sub;
	bool persist_items;
	bool purge_offline;       /* items go when the owner of an account does offline */
	bool subscribe;           /* subscriptions are allowed */
	bool presence_based;      /* presence_based_delivery: only to who is available */
	enum access_model access;
	enum publish_model publish;
	enum send_last send_last;
	enum notification_type notification;
	enum item_reply reply;
	uint32_t max_items;       /* 1.., or NODE_ITEMS_UNBOUNDED */
	uint32_t item_expire;     /* seconds; 0: never */
	uint32_t max_payload;     /* bytes; 0: the service's bound */
	uint32_t tempsub;         /* seconds that a subscription lasts (lease); 0: without an end */
};

/* What kind of owner: an account (XEP-0163: presence access, one item, last one sent on presence)
 * or a service (open, many items, last one on subscription). */
enum node_kind { NODE_OF_ACCOUNT, NODE_OF_SERVICE };

void node_config_default(struct node_config *c, enum node_kind kind);
void node_config_clear(struct node_config *c);
void node_config_copy(struct node_config *to, const struct node_config *from);

/* Changes what a form says whose FORM_TYPE is pubsub#node_config, or pubsub#publish-options;
 * fields that it lacks stay, fields that are not known are passed over. False: a value that cannot
 * be, and *why is the refusal, text included. Then nothing is changed. A service does not take the
 * access models "presence" and "roster" (PS_UNSUPPORTED_ACCESS_MODEL). items_bound: what a number
 * above it is refused with, and what "max" stands for. */
bool node_config_read(struct node_config *c, enum node_kind kind, const struct xml_doc *d,
	const struct xml_node *form, uint32_t items_bound, struct arena *a,
	struct stanza_refusal *why);

/* Whether a form of publish-options holds for a node as it is (section 7.1.5): each known field has
 * to have the value that the node has; "max" fits NODE_ITEMS_UNBOUNDED and the bound itself. A field
 * that is not known does not hold. */
bool node_config_meets(const struct node_config *c, const struct xml_doc *d,
	const struct xml_node *form, uint32_t items_bound, struct arena *a);

/* The fields, FORM_TYPE first: for owners with labels, types and options; for the store with values
 * alone; or of metadata (section 5.4: FORM_TYPE pubsub#meta-data, without creator and the like, which
 * are the caller's). <x/> around them is the caller's. */
enum node_config_use { NODE_CONFIG_FOR_OWNER, NODE_CONFIG_TO_STORE, NODE_CONFIG_METADATA };
void node_config_write(const struct node_config *c, enum node_kind kind, struct writer *w,
	enum node_config_use use);

/* From the store. False: it cannot be read. */
bool node_config_parse(struct node_config *c, enum node_kind kind, struct str xml);

/* ---- options of a subscription ---- */

/* Bits for the states of a resource, in which one is told something. */
enum shown_state {
	SHOWN_CHAT = 1, SHOWN_ONLINE = 2, SHOWN_DND = 4, SHOWN_AWAY = 8, SHOWN_XA = 16, SHOWN_ALL = 31
};

struct subscription_options {
	bool deliver;             /* pubsub#deliver */
	bool digest;              /* pubsub#digest: notifications are gathered */
	uint32_t digest_ms;       /* pubsub#digest_frequency, at most a day */
	bool include_body;        /* pubsub#include_body: a <body/> with the item's summary or title */
	uint64_t until_us;        /* pubsub#expire, wall clock; 0: never */
	uint8_t shown;            /* pubsub#show-values: enum shown_state */
	char *keywords;           /* pubsub#keywords: words, each followed by a NUL, then one; or NULL:
				   * an item is delivered when its text has one of them */
};

void subscription_options_default(struct subscription_options *o);
void subscription_options_clear(struct subscription_options *o);
void subscription_options_copy(struct subscription_options *to,
	const struct subscription_options *from);

/* Like what they are by default: notifications go out to such subscriptions as one fan-out. */
bool subscription_options_plain(const struct subscription_options *o);

/* As for nodes; FORM_TYPE pubsub#subscribe_options. now_us: wall clock; an end in the past is
 * refused (PS_INVALID_OPTIONS). */
bool subscription_options_read(struct subscription_options *o, const struct xml_doc *d,
	const struct xml_node *form, uint64_t now_us, struct arena *a, struct stanza_refusal *why);
void subscription_options_write(const struct subscription_options *o, struct writer *w,
	enum node_config_use use);
bool subscription_options_parse(struct subscription_options *o, struct str xml);

#endif
