/* XEP-0060 Publish-Subscribe, version 1.30.0: discovery (section 5), with XEP-0059 1.0
 *
 * What services and accounts can do (section 10), which nodes they have, what a node is like and
 * which items it has. A service lists the nodes that everybody may find, and those where the one
 * who asks is somebody, but not those that he is banned from; its administrators see all. An
 * account tells of its nodes whom each of them allows to know it, if he may know of the account
 * at all; an open node tells of itself whoever asks by its name.
 *
 * Lists are in the order of names, in pages of up to PAGE; those of items are pages as in
 * core/node_page.h. Metadata name up to PEOPLE_MAX owners and publishers.
 *
 * Left out: pages of nodes backwards and by index; how many nodes there are, where they would have
 * to be counted. Options: none. Stores: nothing. */
#include "base/bug.h"
#include "core/node_page.h"
#include "core/node_request.h"
#include "xmpp/datetime.h"
#include "xmpp/form.h"
#include "xmpp/rsm.h"

#include <stdlib.h>

#define PAGE       100
#define PEOPLE_MAX 20

/* ---- a node (sections 5.3 and 5.4) ---- */

static void write_people(const struct node *n, struct writer *w, const char *var, const char *label,
	bool owners)
{
	unsigned left = PEOPLE_MAX;

	w_open(w, "field");
	w_attr(w, "var", str_c(var));
	w_attr(w, "type", STR("jid-multi"));
	w_attr(w, "label", str_c(label));
	for (struct map_node *at = map_next(&n->people, NULL); at && left;
		at = map_next(&n->people, at)) {
		const struct node_person *p = container_of(at, struct node_person, map);
		bool is_owner = p->affiliation == NODE_OWNER;
		bool publishes = p->affiliation == NODE_PUBLISHER ||
			p->affiliation == NODE_PUBLISH_ONLY;
		if (owners ? !is_owner : !publishes)
			continue;
		w_leaf(w, "value", jid_str(p->jid));
		left--;
	}
	w_close(w);
}

static void write_number(struct writer *w, const char *var, const char *label, uint32_t n)
{
	char text[12];
	int len = snprintf(text, sizeof text, "%u", n);

	form_write_field(w, var, "text-single", label, str_from(text, (size_t)len));
}

static void write_metadata(const struct node *n, struct writer *w)
{
	struct arena *turn = &n->shard->loop.turn;

	w_open_ns(w, "x", NS_DATA);
	w_attr(w, "type", STR("result"));
	node_config_write(&n->config, n->kind, w, NODE_CONFIG_METADATA);
	if (jid_is_set(n->creator))
		form_write_field(w, "pubsub#creator", "jid-single", "Node creator",
			jid_str(n->creator));
	form_write_field(w, "pubsub#creation_date", "text-single", "Creation date",
		datetime_format(turn, n->created_us));
	write_people(n, w, "pubsub#owner", "Node owners", true);
	write_people(n, w, "pubsub#publisher", "Publishers to this node", false);
	write_number(w, "pubsub#num_subscribers", "Number of subscribers to this node",
		n->n_subscribed);
	w_close(w);
}

static void open_query(struct writer *w, enum xml_ns ns, struct str node)
{
	w_open_ns(w, "query", ns);
	w_attr(w, "node", node);
}

static void tell_node(struct node_request *q)
{
	const struct node *n = q->node;

	if (!node_permit(q, NODE_SEE))
		return;
	struct writer w = node_reply(q);
	open_query(&w, NS_DISCO_INFO, q->name);
	w_open(&w, "identity");
	w_attr(&w, "category", STR("pubsub"));
	w_attr(&w, "type", STR("leaf"));
	w_attr(&w, "name", n->config.title && *n->config.title ? str_c(n->config.title) : STR_NULL);
	w_close(&w);
	w_raw(&w, STR("<feature var='http://jabber.org/protocol/pubsub'/>"));
	write_metadata(n, &w);
	w_close(&w);
	node_send(q, &w);
}

/* ---- its items (section 5.5) ---- */

struct item_listing {
	struct later *later;
	struct arena mem;
	struct node_page page;
};

static void write_items(struct ctx *c, const struct item_listing *l, const struct node *n,
	const struct store_op *found)
{
	struct writer w = reply_open(c, l->later->iq);

	open_query(&w, NS_DISCO_ITEMS, n->name);
	for (size_t i = 0; i < found->n_items; i++) {
		w_open(&w, "item");
		w_attr(&w, "jid", jid_str(n->owner));
		w_attr(&w, "name", found->items[i].id);
		w_close(&w);
	}
	node_page_write(&w, &l->page, found);
	w_close(&w);
	reply_send(c, &w, l->later->iq);
}

static void items_found(struct shard *s, struct node *n, const struct store_op *found, void *ctx)
{
	struct item_listing *l = ctx;

	if (found->status == STORE_OK) {
		struct ctx c = later_ctx(l->later);
		write_items(&c, l, n, found);
		later_free(&l->later);
	} else {
		later_settle(&l->later, found->status);
	}
	arena_clear(&l->mem);
	free(l);
}

static void list_items(struct node_request *q)
{
	struct item_listing *l;

	if (!node_permit(q, NODE_READ))
		return;
	l = xcalloc(1, sizeof *l);
	arena_init(&l->mem, 256);
	if (!node_page_read(q->iq, stanza_payload(q->iq), &l->mem, &l->page)) {
		node_refuse_text(q, ERR_BAD_REQUEST, STR("the page cannot be understood"));
		arena_clear(&l->mem);
		free(l);
		return;
	}
	l->later = node_later(q);
	node_page_find(q->node, &l->page, items_found, l);
}

/* ---- which nodes there are (section 5.2) ---- */

/* From the request to the answer. Slices are in the request, or in `mem`. */
struct node_listing {
	struct nodes_waiter waiter;
	struct later *later;
	struct arena mem;
	struct jid owner;          /* of the nodes */
	unsigned max;              /* of a page; one more is read */
	struct str after;
	bool first_page, all;      /* all: who asks sees every node */
	struct store_op *rows;     /* as they have been read, or NULL */
};

static void listing_end(struct node_listing *l)
{
	if (l->rows)
		store_op_free(l->rows);
	if (l->later)
		later_free(&l->later);
	arena_clear(&l->mem);
	free(l);
}

static void listing_failed(struct node_listing *l, enum store_status status)
{
	later_settle(&l->later, status);
	listing_end(l);
}

/* An answer under construction. */
struct answer {
	struct ctx c;
	struct writer w;
	struct str first, last;    /* names; null slices: nothing is written yet */
	unsigned n;
};

static void answer_open(struct answer *a, struct node_listing *l)
{
	*a = (struct answer){ .c = later_ctx(l->later) };
	a->w = reply_open(&a->c, l->later->iq);
	w_open_ns(&a->w, "query", NS_DISCO_ITEMS);
}

static void answer_add(struct answer *a, const struct node_listing *l, const struct store_node *row)
{
	w_open(&a->w, "item");
	w_attr(&a->w, "jid", jid_str(l->owner));
	w_attr(&a->w, "node", row->name);
	w_attr(&a->w, "name", row->title.n ? row->title : STR_NULL);
	w_close(&a->w);
	if (!a->n)
		a->first = row->name;
	a->last = row->name;
	a->n++;
}

/* more: there are nodes behind these. How many there are is known of all that an owner has, and
 * where these are all; then nothing is said of pages, if none was asked for. */
static void answer_send(struct answer *a, struct node_listing *l, bool more)
{
	const struct stanza *iq = l->later->iq;
	bool whole = !more && l->first_page;
	int64_t count = l->all ? (int64_t)l->rows->node_count : whole ? (int64_t)a->n : -1;

	if (!whole || xml_child(&iq->doc, stanza_payload(iq), NS_RSM, TAG_SET))
		rsm_write(&a->w, a->first, a->last, l->first_page ? 0 : -1, count);
	w_close(&a->w);
	reply_send(&a->c, &a->w, iq);
	listing_end(l);
}

/* all: who asks sees every node. NULL: refused. */
static struct node_listing *listing_new(struct ctx *c, const struct stanza *iq, struct jid owner,
	bool all)
{
	struct node_listing *l = xcalloc(1, sizeof *l);
	struct rsm rsm;

	arena_init(&l->mem, 512);
	if (!rsm_read(&iq->doc, stanza_payload(iq), &l->mem, &rsm) || rsm.has_before ||
		(rsm.has_max && !rsm.max && !all)) {
		refuse(c, iq, ERR_FEATURE_NOT_IMPLEMENTED,
			STR("pages go forwards, and nothing has been counted"));
		listing_end(l);
		return NULL;
	}
	l->owner = jid_dup(&l->mem, owner);
	l->max = rsm.has_max && rsm.max < PAGE ? rsm.max : PAGE;
	l->after = rsm.after;
	l->first_page = !rsm.has_after;
	l->all = all;
	l->later = later_new(c, iq);
	return l;
}

static struct store_op *listing_op(struct node_listing *l,
	void (*done)(struct store_op *op, void *receiver))
{
	struct store_op *op = store_op_new(&l->later->shard->loop.inbox, done, sizeof l);

	*(struct node_listing **)op->ctx = l;
	return op;
}

/* ---- those of a service ---- */

/* Two lists in the order of names, as one: of the nodes that may be found, and of those where
 * somebody is something. */
struct merger {
	const struct store_op *found, *own;
	size_t f, o;
};

static const struct store_node *row_at(const struct store_op *list, size_t i)
{
	return i < list->n_nodes ? &list->nodes[i] : NULL;
}

/* The next node, or NULL: of the same name in both it is one; where he is an outcast, none. */
static const struct store_node *merged_next(struct merger *m)
{
	while (m->f < m->found->n_nodes || m->o < m->own->n_nodes) {
		const struct store_node *f = row_at(m->found, m->f), *o = row_at(m->own, m->o);
		int order = !f ? 1 : !o ? -1 : str_cmp(f->name, o->name);
		enum node_affiliation a = NODE_NONE;
		if (order <= 0)
			m->f++;
		if (order >= 0)
			m->o++;
		if (order >= 0 && o->n_affiliations)
			node_affiliation_parse(o->affiliations[0].affiliation, &a);
		if (order < 0 || a != NODE_OUTCAST)
			return order <= 0 ? f : o;
	}
	return NULL;
}

/* What lies behind the end of a list that was cut is not known: nothing beyond it is written. */
static bool is_known(const struct node_listing *l, const struct store_op *list, struct str name)
{
	return list->n_nodes <= l->max || str_cmp(name, list->nodes[l->max].name) < 0;
}

static void answer_merged(struct node_listing *l, const struct store_op *own)
{
	struct merger m = { .found = l->rows, .own = own };
	const struct store_node *row;
	struct answer a;

	answer_open(&a, l);
	while ((row = merged_next(&m)) != NULL) {
		if (a.n == l->max || !is_known(l, l->rows, row->name) ||
			!is_known(l, own, row->name))
			break;
		answer_add(&a, l, row);
	}
	answer_send(&a, l, row);
}

static void own_read(struct store_op *op, void *receiver)
{
	struct node_listing *l = *(struct node_listing **)op->ctx;

	if (op->status == STORE_OK)
		answer_merged(l, op);
	else
		listing_failed(l, op->status);
	store_op_free(op);
}

static void answer_all(struct node_listing *l)
{
	struct answer a;

	answer_open(&a, l);
	for (size_t i = 0; i < l->rows->n_nodes && i < l->max; i++)
		answer_add(&a, l, &l->rows->nodes[i]);
	answer_send(&a, l, l->rows->n_nodes > l->max);
}

static void service_read(struct store_op *op, void *receiver)
{
	struct node_listing *l = *(struct node_listing **)op->ctx;
	struct shard *s = receiver;

	l->rows = op;
	if (op->status != STORE_OK)
		listing_failed(l, op->status);
	else if (l->all)
		answer_all(l);
	else
		store_nodes_affiliated(s->core->store, listing_op(l, own_read),
			jid_domain(l->owner), STR(""), jid_bare_str(l->later->iq->from), l->after,
			l->max + 1);
}

static enum outcome list_service(struct ctx *c, const struct stanza *iq)
{
	bool all = host_administers(c->host, iq->from);
	struct node_listing *l = listing_new(c, iq, jid_of_domain(c->host->domain), all);

	if (!l)
		return ANSWERED;
	store_nodes(c->shard->core->store, listing_op(l, service_read), c->host->domain, STR(""),
		l->after, l->max + 1, all ? STORE_NODES_ALL : STORE_NODES_LISTED);
	return LATER;
}

/* ---- those of an account ---- */

static void read_account(struct shard *s, struct node_listing *l);

/* Those that he may see of what has been read. Where there is none among them, but there are
 * more, the next ones are read: an empty page would be the end. */
static void answer_visible(struct nodes_waiter *w, struct shard *s, enum store_status status)
{
	struct node_listing *l = container_of(w, struct node_listing, waiter);
	const struct store_op *rows = l->rows;
	bool more = rows->n_nodes > l->max;
	size_t n_rows = more ? l->max : rows->n_nodes;
	struct answer a;

	if (status != STORE_OK) {
		listing_failed(l, status);
		return;
	}
	answer_open(&a, l);
	for (size_t i = 0; i < n_rows; i++) {
		const struct node *n = node_get(s, l->owner, rows->nodes[i].name);
		if (n && node_allows(n, l->later->iq->from, NODE_SEE))
			answer_add(&a, l, &rows->nodes[i]);
	}
	if (a.n || !more) {
		answer_send(&a, l, more);
		return;
	}
	l->after = str_dup(&l->mem, rows->nodes[n_rows - 1].name);
	read_account(s, l);
}

static void account_read(struct store_op *op, void *receiver)
{
	struct node_listing *l = *(struct node_listing **)op->ctx;
	struct shard *s = receiver;

	if (l->rows)
		store_op_free(l->rows);
	l->rows = op;
	if (op->status != STORE_OK) {
		listing_failed(l, op->status);
		return;
	}
	if (l->all) {
		answer_all(l);
		return;
	}
	struct str *names = arena_alloc(&s->loop.turn, op->n_nodes * sizeof *names);
	for (size_t i = 0; i < op->n_nodes; i++)
		names[i] = op->nodes[i].name;
	l->waiter.run = answer_visible;
	nodes_wait(s, l->owner, names, op->n_nodes, &l->waiter);
}

static void read_account(struct shard *s, struct node_listing *l)
{
	store_nodes(s->core->store, listing_op(l, account_read), jid_domain(l->owner),
		jid_local(l->owner), l->after, l->max + 1, STORE_NODES_ALL);
}

static enum outcome list_account(struct ctx *c, const struct stanza *iq)
{
	if (!account_may_see(c->account, iq->from))
		return refuse(c, iq, ERR_SERVICE_UNAVAILABLE, STR(""));
	struct node_listing *l = listing_new(c, iq, c->account->jid,
		jid_eq_bare(c->account->jid, iq->from));
	if (!l)
		return ANSWERED;
	read_account(c->shard, l);
	return LATER;
}

/* ---- any node ---- */

static enum outcome ask_node(struct ctx *c, const struct stanza *iq, node_run *run)
{
	struct str name = xml_attr_str(&iq->doc, stanza_payload(iq), TAG_NODE,
		&c->shard->loop.turn);

	if (name.n > STORE_NODE_NAME_MAX)
		return node_refuse_name(c, iq);
	return node_request(c, iq, name, run);
}

static enum outcome on_node_info(struct ctx *c, const struct stanza *iq)
{
	return ask_node(c, iq, tell_node);
}

static enum outcome on_node_items(struct ctx *c, const struct stanza *iq)
{
	return ask_node(c, iq, list_items);
}

/* ---- what services and accounts can do (sections 5.1, 9 and 10) ---- */

#define PS(name) "http://jabber.org/protocol/pubsub#" name

#define COMMON \
	"http://jabber.org/protocol/pubsub", PS("auto-create"), PS("config-node"), \
	PS("config-node-max"), PS("create-and-configure"), PS("create-nodes"), \
	PS("delete-items"), PS("delete-nodes"), PS("instant-nodes"), PS("item-ids"), \
	PS("leased-subscription"), PS("manage-subscriptions"), PS("member-affiliation"), \
	PS("meta-data"), PS("modify-affiliations"), PS("multi-items"), PS("multi-subscribe"), \
	PS("outcast-affiliation"), PS("persistent-items"), PS("presence-notifications"), \
	PS("publish"), PS("publish-only-affiliation"), PS("publish-options"), \
	PS("publisher-affiliation"), PS("purge-nodes"), PS("retract-items"), \
	PS("retrieve-affiliations"), PS("retrieve-default"), PS("retrieve-default-sub"), \
	PS("retrieve-items"), PS("retrieve-subscriptions"), PS("rsm"), PS("subscribe"), \
	PS("subscription-notifications"), PS("subscription-options")

/* Of the access models the one that nodes have by default. */
#define OF_ACCOUNTS \
	(const char *const[]){ COMMON, PS("access-presence"), PS("auto-subscribe"), \
		PS("filtered-notifications"), PS("last-published"), PS("presence-subscribe"), \
		PS("pubsub-on-a-jid"), NULL }
#define OF_SERVICES \
	(const char *const[]){ COMMON, PS("access-open"), "http://jabber.org/protocol/rsm", NULL }

/* Clients ask the host, too, whether its accounts have nodes (XEP-0222 section 5). */
const struct module xep0060_disco = {
	.name = "nodes-disco",
	.spec = "XEP-0060 1.30.0",
	.features = OF_ACCOUNTS,
	.account_features = OF_ACCOUNTS,
	.nodes_features = OF_SERVICES,
	.nodes = (const struct disco_node[]){
		{ "", AT_NODES, NULL, list_service },
		{ "", AT_ACCOUNT, NULL, list_account },
		{ DISCO_ANY, AT_NODES | AT_ACCOUNT, on_node_info, on_node_items },
		{ 0 } },
};
