/* Nodes of an account for personal eventing (XEP-0227 section 4.10), as core/node_store.c would
 * have stored them. A node whose configuration cannot be read, or has not come, is for its owner
 * alone. */
#include "server/import.h"

#include "base/clock.h"
#include "base/digest.h"
#include "core/node.h"
#include "xmpp/form.h"

/* One that was made. In user_mem, as what it points to. */
struct import_pep {
	struct import_pep *next;
	struct str name;
	uint64_t keep;  /* items */
};

static struct import_pep *find(const struct import *im, struct str name)
{
	struct import_pep *n = im->nodes;

	while (n && !str_eq(n->name, name))
		n = n->next;
	return n;
}

static struct str text_of(const char *s)
{
	return s ? str_c(s) : STR("");
}

static struct str form_of(struct import *im, const struct node_config *c)
{
	buf_reset(&im->out);
	struct writer w = w_on(&im->out);
	w_open_ns(&w, "x", NS_DATA);
	w_attr(&w, "type", STR("submit"));
	node_config_write(c, NODE_OF_ACCOUNT, &w, NODE_CONFIG_TO_STORE);
	w_close(&w);
	return str_dup(&im->turn, buf_str(&im->out));
}

static void make(struct import *im, struct str name, const struct node_config *c)
{
	struct store_node_affiliation owner = { im->jid, STR("owner") };
	const struct store_node row = { .name = name, .title = text_of(c->title),
		.type = text_of(c->type), .listed = c->access != ACCESS_WHITELIST,
		.fleeting = c->purge_offline,
		.config = form_of(im, c), .creator = im->jid, .created_us = clock_wall_us(),
		.affiliations = &owner, .n_affiliations = 1 };
	struct import_pep *n = arena_alloc(&im->user_mem, sizeof *n);

	*n = (struct import_pep){ im->nodes, str_dup(&im->user_mem, name),
		c->max_items == NODE_ITEMS_UNBOUNDED ? UINT64_MAX : c->max_items };
	im->nodes = n;
	im->n_nodes++;
	im->counts.nodes++;
	if (im->data)
		store_node_create(im->data->store, data_store_write(im->data), im->host, im->user,
			&row, &(struct store_node_bounds){ 0 });
}

/* False: it is not to be taken over; noted. */
static bool may_be_made(struct import *im, struct str name)
{
	if (name.n && name.n <= STORE_NODE_NAME_MAX && im->n_nodes < IMPORT_NODES_MAX)
		return true;
	import_note(im, "PEP node without a name, or one too many");
	return false;
}

/* What a form says that is none of the server's, or says nothing of, stays as it is by default. */
static void read_config(struct import *im, struct node_config *c, const struct xml_doc *d,
	const struct xml_node *configure)
{
	const struct xml_node *x = xml_child(d, configure, NS_DATA, TAG_X);
	struct stanza_refusal why;

	node_config_default(c, NODE_OF_ACCOUNT);
	if (x && node_config_read(c, NODE_OF_ACCOUNT, d, x, NODE_ITEMS_UNBOUNDED, &im->turn, &why))
		return;
	import_note(im, "configuration of a PEP node that cannot be read: it is for its owner alone");
	c->access = ACCESS_WHITELIST;
}

void import_node_config(struct import *im, const struct xml_doc *d,
	const struct xml_node *configure)
{
	struct str name = xml_attr_str(d, configure, TAG_NODE, &im->turn);
	struct node_config c;

	if (im->taken && may_be_made(im, name) && !find(im, name)) {
		read_config(im, &c, d, configure);
		make(im, name, &c);
		node_config_clear(&c);
	}
	arena_reset(&im->turn);
}

/* Of a subscription or an item. */
static struct str new_id(struct import *im)
{
	char *text = arena_alloc(&im->turn, NODE_SUBID_LEN);
	uint8_t bytes[NODE_SUBID_LEN / 2];

	random_bytes(bytes, sizeof bytes);
	digest_hex(bytes, sizeof bytes, text);
	return str_from(text, NODE_SUBID_LEN);
}

static void save(struct import *im, struct str name,
	const struct store_node_affiliation *affiliation,
	const struct store_subscription *subscription)
{
	if (im->data)
		store_node_save(im->data->store, data_store_write(im->data), im->host, im->user, name,
			NULL, affiliation, affiliation ? 1 : 0, subscription, subscription ? 1 : 0,
			UINT64_MAX);
}

/* The account's owner is a node's owner already. */
static void take_person(struct import *im, struct str node, const struct xml_doc *d,
	const struct xml_node *el)
{
	struct str is = xml_attr_str(d, el, TAG_AFFILIATION, &im->turn);
	struct str has = xml_attr_str(d, el, TAG_SUBSCRIPTION, &im->turn);
	struct str subid = xml_attr_str(d, el, TAG_SUBID, &im->turn);
	enum node_affiliation affiliation;
	enum subscription_state state;
	struct jid j;

	if (!jid_parse(xml_attr_str(d, el, TAG_JID, &im->turn), &im->turn, &j)) {
		import_note(im, "address at a PEP node, which is none");
	} else if (is.n && node_affiliation_parse(is, &affiliation)) {
		struct store_node_affiliation a = { jid_bare_str(j), is };
		if (!str_eq(a.jid, im->jid))
			save(im, node, &a, NULL);
	} else if (has.n && subscription_state_parse(has, &state)) {
		struct store_subscription s = { .jid = jid_str(j), .state = has,
			.subid = subid.n == NODE_SUBID_LEN ? subid : new_id(im) };
		save(im, node, NULL, &s);
	} else {
		import_note(im, "somebody at a PEP node who is nothing to it");
	}
}

void import_node_people(struct import *im, const struct xml_doc *d, const struct xml_node *list)
{
	struct str name = xml_attr_str(d, list, TAG_NODE, &im->turn);
	const struct xml_node *el = im->taken && find(im, name) ? xml_first(d, list) : NULL;

	for (; el; el = xml_next(d, el))
		take_person(im, name, d, el);
	arena_reset(&im->turn);
}

/* One without an id gets one. */
void import_node_item(struct import *im, struct str name, const struct import_item *item)
{
	struct import_pep *n = find(im, name);
	struct store_node_item stored = { .id = item->id, .publisher = item->publisher,
		.payload = item->payload, .stamp_us = clock_wall_us() };
	struct node_config c;

	if (im->taken && !n && may_be_made(im, name)) {
		node_config_default(&c, NODE_OF_ACCOUNT);
		c.access = ACCESS_WHITELIST;
		c.max_items = NODE_ITEMS_UNBOUNDED;
		make(im, name, &c);
		node_config_clear(&c);
		n = im->nodes;
	}
	if (im->taken && n) {
		if (!stored.id.n)
			stored.id = new_id(im);
		im->counts.items++;
		if (im->data)
			store_node_publish(im->data->store, data_store_write(im->data), im->host,
				im->user, name, NULL, &stored, 1, n->keep,
				&(struct store_node_bounds){ 0 });
	}
	arena_reset(&im->turn);
}
