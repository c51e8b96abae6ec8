/* The options of a subscription: see node_config.h. */
#include "core/form_fields.h"
#include "core/node_config.h"

#define FORM_TYPE "http://jabber.org/protocol/pubsub#subscribe_options"

#define SHOWN(value, label, state) \
	{ value, label, SHOWN_##state, offsetof(struct subscription_options, shown) }

static const struct form_choice shown_values[] = {
	SHOWN("chat", "Want to Chat", CHAT),
	SHOWN("online", "Available", ONLINE),
	SHOWN("away", "Away", AWAY),
	SHOWN("xa", "Extended Away", XA),
	SHOWN("dnd", "Do Not Disturb", DND),
	{ NULL, NULL, 0, 0 }
};

static const struct form_choice subscription_types[] = {
	{ "items", "Receive notification of new items only", 0, 0 },
	{ NULL, NULL, 0, 0 }
};

#define AT(member)            FIELD_AT(struct subscription_options, member)
#define FIELD(name, text, of) .var = "pubsub#" name, .label = text, .kind = FIELD_##of
#define YES_NO(name, text, member) \
	{ FIELD(name, text, FLAG), AT(member), .fault = name " is 0 or 1" }

/* Section 16.4.2. */
static const struct form_field fields[] = {
	YES_NO("deliver", "Whether to receive notifications", deliver),
	YES_NO("digest", "Whether to receive digests of notifications, not each individually",
		digest),
	{ FIELD("digest_frequency", "The minimum number of milliseconds between two digests",
		NUMBER), AT(digest_ms),
		.fault = "digest_frequency is a number of milliseconds, at most a day",
		.max = DIGEST_MS_MAX },
	{ FIELD("expire", "The DateTime at which the subscription ends", MOMENT), AT(until_us),
		.fault = "expire is a DateTime that is to come" },
	YES_NO("include_body", "Whether to receive a message body in addition to the payload",
		include_body),
	{ FIELD("show-values", "The presence states in which to receive notifications", SOME_OF),
		.fault = "show-values is chat, online, away, xa or dnd", .choices = shown_values },
	{ FIELD("subscription_type", "What to receive notification of", ONE_OF),
		.fault = "subscription_type is items", .choices = subscription_types },
	{ .var = "x-keywords", .label = "Receive items only that have one of these words",
		.kind = FIELD_TEXTS, AT(keywords), .fault = "keywords are too long",
		.max = KEYWORDS_MAX },
};

static const struct subscription_options defaults = {
	.deliver = true,
	.digest_ms = DIGEST_MS_MAX,
	.shown = SHOWN_ALL,
};

static const struct form_fields table = {
	FORM_TYPE, fields, sizeof fields / sizeof fields[0], &defaults, sizeof defaults
};

void subscription_options_default(struct subscription_options *o)
{
	*o = defaults;
}

void subscription_options_clear(struct subscription_options *o)
{
	form_fields_clear(&table, o);
}

void subscription_options_copy(struct subscription_options *to,
	const struct subscription_options *from)
{
	form_fields_copy(&table, to, from);
}

bool subscription_options_plain(const struct subscription_options *o)
{
	return form_fields_same(&table, o, &defaults);
}

/* The changed copy becomes the options, or goes. */
static void take(struct subscription_options *o, struct subscription_options *changed, bool ok)
{
	if (!ok) {
		subscription_options_clear(changed);
		return;
	}
	subscription_options_clear(o);
	*o = *changed;
}

bool subscription_options_read(struct subscription_options *o, const struct xml_doc *d,
	const struct xml_node *form, uint64_t now_us, struct arena *a, struct stanza_refusal *why)
{
	struct subscription_options changed;

	subscription_options_copy(&changed, o);
	const struct form_field *bad = form_fields_take(&table, &changed, d, form, a);
	if (!bad && changed.until_us && changed.until_us <= now_us)
		bad = form_fields_find(&table, STR("pubsub#expire"));
	if (bad) {
		*why = pubsub_refuse(PS_INVALID_OPTIONS); /* section 6.3.6.2 */
		why->text = str_c(bad->fault);
	}
	take(o, &changed, !bad);
	return !bad;
}

bool subscription_options_parse(struct subscription_options *o, struct str xml)
{
	struct subscription_options changed;

	subscription_options_copy(&changed, o);
	bool ok = form_fields_parse(&table, &changed, xml);
	take(o, &changed, ok);
	return ok;
}

void subscription_options_write(const struct subscription_options *o, struct writer *w,
	enum node_config_use use)
{
	static const enum form_use uses[] = {
		[NODE_CONFIG_FOR_OWNER] = FORM_TO_FILL_IN,
		[NODE_CONFIG_TO_STORE] = FORM_TO_STORE,
		[NODE_CONFIG_METADATA] = FORM_TO_READ,
	};

	form_fields_write(&table, o, w, uses[use]);
}
