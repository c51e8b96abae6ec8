#include "core/node_config.h"

#include "core/form_fields.h"
#include "xmpp/form.h"
#include "xmpp/jid.h"

#define FORM_TYPE "http://jabber.org/protocol/pubsub#node_config"
#define META_DATA "http://jabber.org/protocol/pubsub#meta-data"

#define END_OF_CHOICES { NULL, NULL, 0, 0 }

#define OPEN_MODELS \
	{ "open", "Anyone may subscribe and retrieve items", ACCESS_OPEN, 0 }
#define CLOSED_MODELS \
	{ "authorize", "Owners approve subscribers, who alone may retrieve items", \
		ACCESS_AUTHORIZE, 0 }, \
	{ "whitelist", "Only members may subscribe and retrieve items", ACCESS_WHITELIST, 0 }

/* Section 8.1.3: a service knows no rosters. */
static const struct form_choice service_models[] = { OPEN_MODELS, CLOSED_MODELS, END_OF_CHOICES };

static const struct form_choice account_models[] = {
	OPEN_MODELS,
	{ "presence", "Who sees the owner's presence may subscribe and retrieve items",
		ACCESS_PRESENCE, 0 },
	{ "roster", "Contacts in some groups of the roster may subscribe and retrieve items",
		ACCESS_ROSTER, 0 },
	CLOSED_MODELS,
	END_OF_CHOICES
};

static const struct form_choice publish_models[] = {
	{ "publishers", "Only publishers may publish", PUBLISH_PUBLISHERS, 0 },
	{ "subscribers", "Subscribers may publish", PUBLISH_SUBSCRIBERS, 0 },
	{ "open", "Anyone may publish", PUBLISH_OPEN, 0 },
	END_OF_CHOICES
};

static const struct form_choice send_lasts[] = {
	{ "never", "Never", LAST_NEVER, 0 },
	{ "on_sub", "When a new subscription is processed", LAST_ON_SUB, 0 },
	{ "on_sub_and_presence",
		"When a new subscription is processed and whenever a subscriber comes online",
		LAST_ON_SUB_AND_PRESENCE, 0 },
	END_OF_CHOICES
};

static const struct form_choice notification_types[] = {
	{ "normal", "Messages of type normal", NOTIFY_NORMAL, 0 },
	{ "headline", "Messages of type headline", NOTIFY_HEADLINE, 0 },
	END_OF_CHOICES
};

/* Section 12.17. */
static const struct form_choice replies[] = {
	{ "none", "Replies go to neither", REPLY_NONE, 0 },
	{ "owner", "Replies go to the owners", REPLY_OWNER, 0 },
	{ "publisher", "Replies go to who published the item", REPLY_PUBLISHER, 0 },
	END_OF_CHOICES
};

static const struct form_choice node_types[] = {
	{ "leaf", "The node has items", 0, 0 },
	END_OF_CHOICES
};

static bool is_jid(struct str s)
{
	struct arena a;
	struct jid jid;

	arena_init(&a, 256);
	bool ok = jid_parse(s, &a, &jid);
	arena_clear(&a);
	return ok;
}

#define AT(member)            FIELD_AT(struct node_config, member)
#define FIELD(name, text, of) .var = "pubsub#" name, .label = text, .kind = FIELD_##of
#define YES_NO(name, text, member) \
	{ FIELD(name, text, FLAG), AT(member), .fault = name " is 0 or 1" }
#define ACCESS(models, words) \
	{ FIELD("access_model", "Who may subscribe and retrieve items", ONE_OF), AT(access), \
		.fault = "access_model is " words, .choices = models, .open = true }

/* Section 16.4.4. Services of nodes have all but the last three, accounts all but the first. The
 * language is not chosen from a list (section 5.4), as any one will do. */
#define ONLY_ACCOUNTS 3
static const struct form_field fields[] = {
	ACCESS(service_models, "open, authorize or whitelist"),
	{ FIELD("title", "A friendly name for the node", TEXT), AT(title),
		.fault = "title is too long", .max = NODE_TITLE_MAX, .open = true },
	{ FIELD("description", "A description of the node", TEXT), AT(description),
		.fault = "description is too long", .max = NODE_DESCRIPTION_MAX, .open = true },
	{ FIELD("type", "The namespace of the payload", TEXT), AT(type),
		.fault = "type is too long", .max = NODE_TYPE_MAX, .open = true },
	{ FIELD("language", "The default language of the node", TEXT), AT(language),
		.fault = "language is a language tag, such as en or de-AT",
		.max = NODE_LANGUAGE_MAX, .valid = form_is_language, .open = true },
	{ FIELD("contact", "The JIDs of those to contact with questions", TEXTS), AT(contacts),
		.fault = "contact is JIDs, and not too many", .max = NODE_CONTACTS_MAX,
		.valid = is_jid, .type = "jid-multi", .open = true },
	{ FIELD("dataform_xslt", "The URL of an XSL transformation of the payload to a data form",
		TEXT), AT(dataform_xslt), .fault = "dataform_xslt is too long",
		.max = NODE_XSLT_MAX },
	{ FIELD("node_type", "Whether the node has items", ONE_OF), .fault = "node_type is leaf",
		.choices = node_types },
	{ FIELD("publish_model", "Who may publish", ONE_OF), AT(publish),
		.fault = "publish_model is publishers, subscribers or open",
		.choices = publish_models, .open = true },
	YES_NO("persist_items", "Whether to persist items to storage", persist_items),
	{ FIELD("max_items", "The maximum number of items to persist; max: as many as may be",
		NUMBER), AT(max_items), .fault = "max_items is a number not too high, or max",
		.min = 1, .max = UINT32_MAX - 1, .word = "max",
		.word_number = NODE_ITEMS_UNBOUNDED, .open = true },
	{ FIELD("item_expire", "Number of seconds after which items are purged; max: never",
		NUMBER), AT(item_expire), .fault = "item_expire is a number of seconds, or max",
		.min = 1, .max = UINT32_MAX, .word = "max" },
	{ FIELD("max_payload_size", "The maximum payload size in bytes; 0: that of the service",
		NUMBER), AT(max_payload), .fault = "max_payload_size is a number of bytes",
		.max = UINT32_MAX },
	YES_NO("subscribe", "Whether to allow subscriptions", subscribe),
	YES_NO("deliver_notifications", "Whether to deliver event notifications",
		deliver_notifications),
	YES_NO("deliver_payloads", "Whether to deliver payloads with event notifications",
		deliver_payloads),
	{ FIELD("notification_type", "The delivery style for notifications", ONE_OF),
		AT(notification), .fault = "notification_type is normal or headline",
		.choices = notification_types },
	{ FIELD("send_last_published_item", "When to send the last published item", ONE_OF),
		AT(send_last),
		.fault = "send_last_published_item is never, on_sub or on_sub_and_presence",
		.choices = send_lasts },
	YES_NO("presence_based_delivery", "Whether to notify available users only",
		presence_based),
	{ FIELD("itemreply", "Whether owners or publisher should receive replies to items",
		ONE_OF), AT(reply), .fault = "itemreply is none, owner or publisher",
		.choices = replies },
	YES_NO("notify_config", "Whether to notify subscribers when the configuration changes",
		notify_config),
	YES_NO("notify_delete", "Whether to notify subscribers when the node is deleted",
		notify_delete),
	YES_NO("notify_retract", "Whether to notify subscribers when items are removed",
		notify_retract),
	YES_NO("notify_sub", "Whether to notify owners about new subscribers and unsubscribes",
		notify_sub),
	ACCESS(account_models, "open, presence, roster, authorize or whitelist"),
	{ FIELD("roster_groups_allowed",
		"The roster groups allowed to subscribe and retrieve items", TEXTS), AT(groups),
		.fault = "roster_groups_allowed is too long", .max = NODE_GROUPS_MAX },
	YES_NO("purge_offline", "Whether to purge all items when the owner goes offline",
		purge_offline),
};

#define N_FIELDS (sizeof fields / sizeof fields[0])

/* XEP-0163 sections 2.3 and 4.3.4. */
static const struct node_config account_defaults = {
	.deliver_notifications = true,
	.deliver_payloads = true,
	.notify_delete = true,
	.persist_items = true,
	.subscribe = true,
	.access = ACCESS_PRESENCE,
	.publish = PUBLISH_PUBLISHERS,
	.send_last = LAST_ON_SUB_AND_PRESENCE,
	.notification = NOTIFY_HEADLINE,
	.max_items = 1,
};

static const struct node_config service_defaults = {
	.deliver_notifications = true,
	.deliver_payloads = true,
	.notify_delete = true,
	.persist_items = true,
	.subscribe = true,
	.access = ACCESS_OPEN,
	.publish = PUBLISH_PUBLISHERS,
	.send_last = LAST_ON_SUB,
	.notification = NOTIFY_HEADLINE,
	.max_items = NODE_ITEMS_UNBOUNDED,
};

/* The one of accounts has all members, and all values that they can have. */
static const struct form_fields tables[] = {
	[NODE_OF_ACCOUNT] = { FORM_TYPE, fields + 1, N_FIELDS - 1, &account_defaults,
		sizeof account_defaults },
	[NODE_OF_SERVICE] = { FORM_TYPE, fields, N_FIELDS - ONLY_ACCOUNTS, &service_defaults,
		sizeof service_defaults },
};
static const struct form_fields *const whole = &tables[NODE_OF_ACCOUNT];

void node_config_default(struct node_config *c, enum node_kind kind)
{
	*c = *(const struct node_config *)tables[kind].defaults;
}

void node_config_clear(struct node_config *c)
{
	form_fields_clear(whole, c);
}

void node_config_copy(struct node_config *to, const struct node_config *from)
{
	form_fields_copy(whole, to, from);
}

/* ---- reading ---- */

static struct stanza_refusal refusal_of(const struct form_field *f)
{
	struct stanza_refusal why = { .error = ERR_NOT_ACCEPTABLE }; /* section 8.2.5.2 */

	if (f->at == offsetof(struct node_config, access) && f->size)
		why = pubsub_refuse(PS_UNSUPPORTED_ACCESS_MODEL);
	why.text = str_c(f->fault);
	return why;
}

/* A bound that is lower than it was leaves a node as it is. */
static bool is_over(const struct node_config *now, const struct node_config *before, uint32_t bound)
{
	return now->max_items != NODE_ITEMS_UNBOUNDED && now->max_items > bound &&
		now->max_items != before->max_items;
}

bool node_config_read(struct node_config *c, enum node_kind kind, const struct xml_doc *d,
	const struct xml_node *form, uint32_t items_bound, struct arena *a,
	struct stanza_refusal *why)
{
	const struct form_fields *t = &tables[kind];
	struct node_config changed;

	node_config_copy(&changed, c);
	const struct form_field *bad = form_fields_take(t, &changed, d, form, a);
	if (!bad && is_over(&changed, c, items_bound))
		bad = form_fields_find(t, STR("pubsub#max_items"));
	if (bad) {
		*why = refusal_of(bad);
		node_config_clear(&changed);
		return false;
	}
	node_config_clear(c);
	*c = changed;
	return true;
}

bool node_config_parse(struct node_config *c, enum node_kind kind, struct str xml)
{
	struct node_config changed;

	node_config_copy(&changed, c);
	if (!form_fields_parse(&tables[kind], &changed, xml)) {
		node_config_clear(&changed);
		return false;
	}
	node_config_clear(c);
	*c = changed;
	return true;
}

/* ---- publish-options (section 7.1.5) ---- */

static bool same_items(uint32_t a, uint32_t b, uint32_t bound)
{
	return (a == NODE_ITEMS_UNBOUNDED ? bound : a) == (b == NODE_ITEMS_UNBOUNDED ? bound : b);
}

static bool holds(const struct node_config *c, struct node_config *wanted, const struct xml_doc *d,
	const struct xml_node *x, uint32_t items_bound, struct arena *a)
{
	const struct form_field *f = form_fields_find(whole, form_var(d, x, a));

	if (!f || !form_field_take(whole, f, wanted, d, x, a))
		return false;
	if (f->at == offsetof(struct node_config, max_items))
		return same_items(c->max_items, wanted->max_items, items_bound);
	return form_field_same(f, c, wanted);
}

bool node_config_meets(const struct node_config *c, const struct xml_doc *d,
	const struct xml_node *form, uint32_t items_bound, struct arena *a)
{
	struct node_config wanted;
	bool met = true;

	node_config_copy(&wanted, c);
	for (const struct xml_node *x = form_first(d, form); x && met; x = form_next(d, x))
		met = str_eq(form_var(d, x, a), STR("FORM_TYPE")) ||
			holds(c, &wanted, d, x, items_bound, a);
	node_config_clear(&wanted);
	return met;
}

/* ---- writing ---- */

static void write_metadata(const struct node_config *c, const struct form_fields *t,
	struct writer *w)
{
	form_type_write(META_DATA, w);
	for (const struct form_field *f = t->all; f < t->all + t->n; f++)
		if (f->open && form_field_has_value(f, c))
			form_field_write(f, c, w, FORM_TO_READ);
}

void node_config_write(const struct node_config *c, enum node_kind kind, struct writer *w,
	enum node_config_use use)
{
	const struct form_fields *t = &tables[kind];

	if (use == NODE_CONFIG_METADATA)
		write_metadata(c, t, w);
	else
		form_fields_write(t, c, w,
			use == NODE_CONFIG_FOR_OWNER ? FORM_TO_FILL_IN : FORM_TO_STORE);
}
