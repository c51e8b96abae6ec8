/* The configuration of a node (XEP-0060 1.30.0, section 16.4.4) and the options of a subscription
 * (section 16.4.2): a form for people, a form in the store, publish-options as preconditions
 * (section 7.1.5), and structs here. One table of each, in node_config.c and subscription_options.c,
 * says what there is.
 *
 * All nodes are leaves: of XEP-0248, node_type takes "leaf" alone, and subscription_type "items".
 * Left out: publish_node_full (the oldest item goes), body_xslt (nothing is transformed here),
 * tempsub and an end of a subscription by presence (section 12.5), and replyto and replyroom, which
 * itemreply is there for. Roster groups and what follows the owner's presence are an account's. */
#ifndef CORE_NODE_CONFIG_H
#define CORE_NODE_CONFIG_H

#include "xml/tree.h"
#include "xml/writer.h"
#include "xmpp/pubsub.h"

/* Bounds, in bytes but for NODE_ITEMS_UNBOUNDED; those of lists with a NUL for each text and for
 * the end. All together, escaped, fit STORE_NODE_CONFIG_MAX, and options of a subscription
 * STORE_NODE_ENTRY_MAX beside its JID. */
#define NODE_TITLE_MAX       512
#define NODE_DESCRIPTION_MAX 4096
#define NODE_LANGUAGE_MAX    64
#define NODE_TYPE_MAX        1024
#define NODE_XSLT_MAX        1024
#define NODE_GROUPS_MAX      2048  /* pubsub#roster_groups_allowed */
#define NODE_CONTACTS_MAX    2048  /* pubsub#contact */
#define NODE_ITEMS_UNBOUNDED UINT32_MAX /* max_items = max, as far as the service's bound goes */
#define KEYWORDS_MAX         1024
#define DIGEST_MS_MAX        (24 * 3600 * 1000)

/* Whose address a notification names for replies (pubsub#itemreply; section 12.17). */
enum item_reply { REPLY_NONE, REPLY_OWNER, REPLY_PUBLISHER };

enum notification_type { NOTIFY_NORMAL, NOTIFY_HEADLINE };

/* Texts are owned; NULL stands for an empty one. A list is texts, each followed by a NUL, then one
 * more. */
struct node_config {
	char *title, *description, *language;
	char *type;               /* pubsub#type: namespace of the payload */
	char *dataform_xslt;      /* URL of what clients may make a form of the payload with */
	char *contacts;           /* pubsub#contact: a list of JIDs */
	char *groups;             /* pubsub#roster_groups_allowed: a list of names */
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
	uint32_t item_expire;     /* seconds; 0: never (max) */
	uint32_t max_payload;     /* bytes; 0: the service's bound */
};

/* What kind of owner: an account (XEP-0163: presence access, one item, last one sent on presence)
 * or a service (open, as many items as it takes, last one on subscription). Both tell by
 * headlines, which nobody keeps for who is not there. */
enum node_kind { NODE_OF_ACCOUNT, NODE_OF_SERVICE };

/* What a new node is like: persistent; publishers publish; payloads are delivered, and that a node
 * is deleted is told (section 8.4.2); the rest by its kind, or off. */
void node_config_default(struct node_config *c, enum node_kind kind);
void node_config_clear(struct node_config *c);
void node_config_copy(struct node_config *to, const struct node_config *from);

/* Changes what a form says whose FORM_TYPE is pubsub#node_config, or pubsub#publish-options;
 * fields that it lacks stay, fields that are not known are passed over. False: a value that cannot
 * be, and *why is the refusal: unsupported-access-model (section 8.1.3; of a service, "presence"
 * and "roster" too), else not-acceptable (section 8.2.5.2), with a static text. Then nothing is
 * changed. items_bound: another number of items above it is refused, and "max" is as good. */
bool node_config_read(struct node_config *c, enum node_kind kind, const struct xml_doc *d,
	const struct xml_node *form, uint32_t items_bound, struct arena *a,
	struct stanza_refusal *why);

/* Whether a form of publish-options holds for a node as it is (section 7.1.5): each field has the
 * value that the node has, lists in any order; "max" and the bound itself are the same. A field
 * that is not known, or a value that cannot be, does not hold. */
bool node_config_meets(const struct node_config *c, const struct xml_doc *d,
	const struct xml_node *form, uint32_t items_bound, struct arena *a);

/* The fields, FORM_TYPE first: for owners with labels, types and options; for the store with values
 * alone; or of metadata (section 5.4: FORM_TYPE pubsub#meta-data, those that have a value, without
 * creator and the like, which are the caller's). <x/> around them is the caller's. */
enum node_config_use { NODE_CONFIG_FOR_OWNER, NODE_CONFIG_TO_STORE, NODE_CONFIG_METADATA };
void node_config_write(const struct node_config *c, enum node_kind kind, struct writer *w,
	enum node_config_use use);

/* From the store: <x/> with such fields. False: it cannot be read, and nothing is changed. */
bool node_config_parse(struct node_config *c, enum node_kind kind, struct str xml);

/* ---- options of a subscription ---- */

/* Bits for the states of a resource, in which one is told something. */
enum shown_state {
	SHOWN_CHAT = 1, SHOWN_ONLINE = 2, SHOWN_DND = 4, SHOWN_AWAY = 8, SHOWN_XA = 16, SHOWN_ALL = 31
};

struct subscription_options {
	bool deliver;             /* pubsub#deliver */
	bool digest;              /* pubsub#digest: notifications are gathered */
	uint32_t digest_ms;       /* pubsub#digest_frequency, at most DIGEST_MS_MAX */
	bool include_body;        /* pubsub#include_body: a <body/> with the item's summary or title */
	uint64_t until_us;        /* pubsub#expire, wall clock; 0: never */
	uint8_t shown;            /* pubsub#show-values: enum shown_state */
	char *keywords;           /* x-keywords: a list, or NULL: an item is delivered when its text
				   * has one of them (section 12.20; names that are not registered
				   * begin with x-: section 16.4) */
};

/* Everything is delivered at once, whatever is shown, without an end; digests, if they are asked
 * for, come once a day (example 56). */
void subscription_options_default(struct subscription_options *o);
void subscription_options_clear(struct subscription_options *o);
void subscription_options_copy(struct subscription_options *to,
	const struct subscription_options *from);

/* Like what they are by default: notifications go out to such subscriptions as one fan-out. */
bool subscription_options_plain(const struct subscription_options *o);

/* As for nodes; FORM_TYPE pubsub#subscribe_options. now_us: wall clock; an end that is in the past
 * is refused, as all values that cannot be, with PS_INVALID_OPTIONS and a static text. */
bool subscription_options_read(struct subscription_options *o, const struct xml_doc *d,
	const struct xml_node *form, uint64_t now_us, struct arena *a, struct stanza_refusal *why);

/* NODE_CONFIG_METADATA: as a result, with labels and types and without options. */
void subscription_options_write(const struct subscription_options *o, struct writer *w,
	enum node_config_use use);
bool subscription_options_parse(struct subscription_options *o, struct str xml);

#endif
