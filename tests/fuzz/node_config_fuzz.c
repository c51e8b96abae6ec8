/* The configuration of a node and the options of a subscription: what an owner or a subscriber
 * submits, or the store has. The first byte says which of them, the others are the inside of a
 * form. What was taken is written and read back as it is, and meets itself as publish-options; what
 * was not has changed nothing. */
#include "base/bug.h"
#include "core/node_config.h"
#include "store/nodes.h"
#include "xmpp/form.h"

#include <stdlib.h>

#define ITEMS_BOUND 1000
#define NOW         1700000000000000ull

struct input {
	struct stanza *s;
	const struct xml_node *form;
	struct arena *a;
};

/* A form as a child of an element, from bytes that live in the arena. */
static bool scan(struct input *in, struct str form, struct xml_table *table)
{
	struct str message = str_printf(in->a, "<message>%.*s</message>", STR_FMT(form));

	in->s = stanza_scan(table, message, in->a);
	in->form = in->s ? xml_child(&in->s->doc, stanza_root(in->s), NS_DATA, TAG_X) : NULL;
	return in->form;
}

static struct str form_of(struct str fields, struct arena *a)
{
	return str_printf(a, "<x xmlns='jabber:x:data' type='submit'>%.*s</x>", STR_FMT(fields));
}

/* ---- nodes ---- */

static struct str node_form(const struct node_config *c, enum node_kind kind,
	enum node_config_use use, struct arena *a)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	struct writer w = w_on(&b);
	node_config_write(c, kind, &w, use);
	BUG_ON(!w_done(&w));
	struct str form = form_of(buf_str(&b), a);
	buf_clear(&b);
	return form;
}

static void check_node_bounds(const struct node_config *c, enum node_kind kind)
{
	BUG_ON(c->title && strlen(c->title) > NODE_TITLE_MAX);
	BUG_ON(c->description && strlen(c->description) > NODE_DESCRIPTION_MAX);
	BUG_ON(c->language && strlen(c->language) > NODE_LANGUAGE_MAX);
	BUG_ON(c->type && strlen(c->type) > NODE_TYPE_MAX);
	BUG_ON(c->dataform_xslt && strlen(c->dataform_xslt) > NODE_XSLT_MAX);
	BUG_ON(c->access >= ACCESS_MODELS || c->publish >= PUBLISH_MODELS);
	BUG_ON(c->send_last >= SEND_LASTS || c->reply > REPLY_PUBLISHER);
	BUG_ON(!c->max_items);
	BUG_ON(c->max_items > ITEMS_BOUND && c->max_items != NODE_ITEMS_UNBOUNDED);
	BUG_ON(kind == NODE_OF_SERVICE &&
		(c->access == ACCESS_PRESENCE || c->access == ACCESS_ROSTER || c->groups));
}

/* As it is stored; and that form meets what it was written from, but for the fields that services
 * have not. */
static void check_node_written(const struct node_config *c, enum node_kind kind,
	struct xml_table *table, struct arena *a)
{
	struct str stored = node_form(c, kind, NODE_CONFIG_TO_STORE, a);
	struct input in = { .a = a };
	struct node_config back;

	BUG_ON(stored.n > STORE_NODE_CONFIG_MAX);
	node_config_default(&back, kind);
	BUG_ON(!node_config_parse(&back, kind, stored));
	BUG_ON(!str_eq(node_form(&back, kind, NODE_CONFIG_TO_STORE, a), stored));
	BUG_ON(!scan(&in, node_form(c, kind, NODE_CONFIG_FOR_OWNER, a), table));
	BUG_ON(!node_config_meets(&back, &in.s->doc, in.form, ITEMS_BOUND, a));
	node_form(c, kind, NODE_CONFIG_METADATA, a);
	node_config_clear(&back);
	stanza_unref(&in.s);
}

static void check_node(const struct input *in, enum node_kind kind, struct xml_table *table)
{
	struct stanza_refusal why = { .error = ERR_COUNT };
	struct node_config c;

	node_config_default(&c, kind);
	struct str before = node_form(&c, kind, NODE_CONFIG_TO_STORE, in->a);
	bool taken = node_config_read(&c, kind, &in->s->doc, in->form, ITEMS_BOUND, in->a, &why);
	BUG_ON(taken != (why.error == ERR_COUNT));
	BUG_ON(!taken && !str_eq(node_form(&c, kind, NODE_CONFIG_TO_STORE, in->a), before));
	BUG_ON(!taken && node_config_meets(&c, &in->s->doc, in->form, 0, in->a));
	check_node_bounds(&c, kind);
	check_node_written(&c, kind, table, in->a);
	node_config_clear(&c);
}

/* ---- subscriptions ---- */

static struct str options_form(const struct subscription_options *o, enum node_config_use use,
	struct arena *a)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	struct writer w = w_on(&b);
	subscription_options_write(o, &w, use);
	BUG_ON(!w_done(&w));
	struct str form = form_of(buf_str(&b), a);
	buf_clear(&b);
	return form;
}

static void check_options(const struct input *in)
{
	struct stanza_refusal why = { .error = ERR_COUNT };
	struct subscription_options o, back;

	subscription_options_default(&o);
	bool taken = subscription_options_read(&o, &in->s->doc, in->form, NOW, in->a, &why);
	BUG_ON(taken != (why.error == ERR_COUNT));
	BUG_ON(!taken && !subscription_options_plain(&o));
	BUG_ON(o.digest_ms > DIGEST_MS_MAX || o.shown > SHOWN_ALL);
	BUG_ON(o.until_us && o.until_us <= NOW);
	options_form(&o, NODE_CONFIG_FOR_OWNER, in->a);
	struct str stored = options_form(&o, NODE_CONFIG_TO_STORE, in->a);
	BUG_ON(stored.n + JID_MAX > STORE_NODE_ENTRY_MAX);
	subscription_options_default(&back);
	BUG_ON(!subscription_options_parse(&back, stored));
	BUG_ON(!str_eq(options_form(&back, NODE_CONFIG_TO_STORE, in->a), stored));
	subscription_options_clear(&o);
	subscription_options_clear(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xml_table table = { 0 };
	struct arena a;
	struct input in = { .a = &a };

	if (!size || size > 65536)
		return 0;
	arena_init(&a, 16384);
	if (scan(&in, form_of(str_from((const char *)data + 1, size - 1), &a), &table)) {
		if (data[0] == 'o')
			check_options(&in);
		else
			check_node(&in, data[0] == 's' ? NODE_OF_SERVICE : NODE_OF_ACCOUNT, &table);
	}
	stanza_unref(&in.s);
	xml_table_clear(&table);
	arena_clear(&a);
	return 0;
}
