/* XEP-0402 PEP Native Bookmarks, version 1.2.0, with XEP-0048 Bookmarks 1.2 in both of its
 * places: the server keeps one list of rooms (section 5.3).
 *
 * The items of the account's node urn:xmpp:bookmarks:1 are that list. <storage/> in private XML
 * (XEP-0049) is made of them when it is read. The item of the node storage:bookmarks is a copy,
 * which is made where somebody asks for that node, and again with each change from then on; so
 * its subscribers are told. What is written in the old shape becomes items that are published
 * and taken out, as far as there is a difference, and those who want the items are told of that.
 * The last one who writes wins, room by room. Elements of clients' own, which the old shape has
 * beside the nickname, are in <extensions/>; those that an old client does not write stay. What
 * has no place in items (pages of the web, rooms without an address) stays in private XML.
 *
 * Rooms in private XML of before, or of an account that was moved here, become items when its
 * owner first has to do with bookmarks; a room that has an item already stays as that says. A
 * new node for items is for its owner alone, and keeps all of them, whatever the request says of
 * it. Where the owner has opened a node to others nothing is brought into it, and the kinds are
 * kept apart (XEP-0411 section 5).
 *
 * One thing after the other is done for an account; what comes meanwhile waits. Left out: a
 * request about private XML with several elements, which is kept as it is and becomes items
 * later; to delete or purge the old node, which touches the copy alone. Options: private_bytes
 * and account_nodes of the limits. Stores: items of nodes; in the space "Private" what has no
 * place in them.
 *
 * Bounds: BOOKMARKS_WAIT_MAX requests wait for each other in an account: more are refused with
 * resource-constraint. Lists: xmpp/bookmarks.h. */
#include "xmpp/bookmarks.h"
#include "base/bug.h"
#include "core/account.h"
#include "core/node_request.h"
#include "core/personal.h"

#include <stdlib.h>

#define ITEMS_NODE STR("urn:xmpp:bookmarks:1")
#define COPY_NODE  STR("storage:bookmarks")
#define COPY_ID    STR("current")
#define KEY        STR("storage storage:bookmarks") /* private_key() of <storage/> */
#define OPTIONS    STR("http://jabber.org/protocol/pubsub#publish-options")

#define BOOKMARKS_WAIT_MAX 100
#define ITEMS_BYTES_MAX    (8 * 1024 * 1024)

enum task {
	SHOW,    /* a request that is then answered by who always does */
	READ,    /* <storage/> of private XML */
	WRITE,   /* the same is written */
	PUBLISH, /* <storage/> is published to the old node */
	COPY     /* the items have changed */
};

struct errand {
	struct list link;          /* bookmarking.waiting */
	struct shard *shard;
	struct jid account;        /* text behind the struct */
	enum task task;
	struct later *later;       /* the request; NULL: COPY */
	struct nodes_waiter nodes;
	struct node_waiter node;
	struct arena mem;
	struct bookmarks written;  /* WRITE, PUBLISH */
	struct bookmarks items;    /* as they are, and in the end as they have become */
	struct bookmarks kept;     /* in private XML */
	struct bookmarks changed;  /* to be published */
	struct str *gone;          /* ids to be taken out */
	size_t n_gone;
	struct str rest;           /* what private XML is to have */
};

/* Of an account (account.bookmarks). */
struct bookmarking {
	struct errand *running;
	struct list waiting;
	unsigned n_waiting;
	bool copy_waits;
	bool looked;               /* since it was loaded: private XML has no rooms any more */
	bool passing;              /* a request goes on its usual way */
};

/* ---- one after the other ---- */

static void begin(struct errand *e);

static struct bookmarking *of_account(struct account *a)
{
	if (!a->bookmarks) {
		a->bookmarks = xcalloc(1, sizeof *a->bookmarks);
		list_init(&a->bookmarks->waiting);
	}
	return a->bookmarks;
}

static struct errand *errand_new(struct account *a, enum task task, struct later *later)
{
	struct str text = jid_str(a->jid);
	struct errand *e = xcalloc(1, sizeof *e + text.n);

	list_init(&e->link);
	e->shard = a->shard;
	e->account = a->jid;
	e->account.p = memcpy(e + 1, text.p, text.n);
	e->task = task;
	e->later = later;
	arena_init(&e->mem, 4096);
	return e;
}

static void errand_free(struct errand *e)
{
	if (e->later)
		later_free(&e->later);
	arena_clear(&e->mem);
	free(e);
}

static void run_next(struct account *a)
{
	struct bookmarking *b = a->bookmarks;
	struct errand *e = list_first(&b->waiting, struct errand, link);

	if (!e)
		return;
	list_del(&e->link);
	list_init(&e->link);
	b->n_waiting--;
	b->copy_waits &= e->task != COPY;
	b->running = e;
	begin(e);
}

static void start(struct account *a, struct errand *e)
{
	struct bookmarking *b = of_account(a);

	list_add(&b->waiting, &e->link);
	b->n_waiting++;
	if (!b->running)
		run_next(a);
}

/* It was answered, or needs no answer. */
static void end(struct errand *e)
{
	struct account *a = account_get(e->shard, e->account);
	bool mine = a && a->bookmarks && a->bookmarks->running == e;

	errand_free(e);
	if (!mine)
		return;
	a->bookmarks->running = NULL;
	run_next(a);
}

static void refuse_errand(struct errand *e, const struct stanza_refusal *why)
{
	if (e->later)
		later_refuse(&e->later, why);
	end(e);
}

static void fail(struct errand *e, enum store_status status)
{
	struct stanza_refusal why = node_store_refusal(status);

	refuse_errand(e, &why);
}

/* The request takes its usual way. */
static void pass_on(struct errand *e)
{
	struct account *a = account_get(e->shard, e->account);

	if (!a) {
		fail(e, STORE_FAILED);
		return;
	}
	if (e->later) {
		struct bookmarking *b = of_account(a);
		struct jid from = e->later->iq->from;
		struct ctx c = { .shard = e->shard, .account = a,
			.host = settings_host(e->shard->settings, jid_domain(a->jid)),
			.session = session_find(a, jid_resource(from)) };
		b->passing = true;
		iq_dispatch(&c, e->later->iq, AT_ACCOUNT | AT_OWN);
		b->passing = false;
	}
	end(e);
}

/* With a node, or none, as it is at this moment: what was loaded before may have left memory, and
 * may be coming back. */
static void with_node(struct errand *e, struct str name, void (*run)(struct node_waiter *w,
	struct shard *s, struct node *n, enum store_status status))
{
	e->node.run = run;
	node_wait(e->shard, NODE_OF_ACCOUNT, e->account, name, &e->node);
}

static bool is_known(const struct node *n, enum store_status status)
{
	return n || status == STORE_NOT_FOUND;
}

/* ---- what nodes are to be like ---- */

/* The form of the publish-options, if the request has one. */
static const struct xml_node *options_form(const struct errand *e)
{
	const struct xml_node *form = NULL, *options = node_child(e->later->iq, TAG_PUBLISH_OPTIONS);

	if (options)
		node_read_form(e->later->iq, options, OPTIONS, &e->shard->loop.turn, &form);
	return form;
}

/* As the publish-options want a new node; false: they do not want it for its owner alone, or cannot
 * be met. */
static bool read_options(const struct errand *e, struct node_config *out)
{
	const struct xml_node *form = options_form(e);
	struct stanza_refusal why;

	return (!form || node_config_read(out, NODE_OF_ACCOUNT, &e->later->iq->doc, form,
				 node_items_bound(e->shard->settings, NODE_OF_ACCOUNT),
				 &e->shard->loop.turn, &why)) &&
	       out->access == ACCESS_WHITELIST && out->persist_items;
}

static void copy_config(struct node_config *out)
{
	node_config_default(out, NODE_OF_ACCOUNT);
	out->access = ACCESS_WHITELIST;
}

/* Section 3.3. */
static void items_config(struct node_config *out)
{
	node_config_default(out, NODE_OF_ACCOUNT);
	out->access = ACCESS_WHITELIST;
	out->send_last = LAST_NEVER;
	out->max_items = NODE_ITEMS_UNBOUNDED;
}

static struct node *make_node(struct errand *e, struct str name, struct node_config *config)
{
	return node_new(e->shard, NODE_OF_ACCOUNT, e->account, name, e->account, config);
}

/* ---- requests that others answer ---- */

static void made(struct shard *s, struct node *n, enum store_status status, void *ctx)
{
	if (status == STORE_OK)
		pass_on(ctx);
	else
		fail(ctx, status);
}

static bool publishes_items(const struct stanza *iq, struct arena *a)
{
	const struct xml_node *el = iq->type == IQ_SET ? node_child(iq, TAG_PUBLISH) : NULL;

	return el && str_eq(xml_attr_str(&iq->doc, el, TAG_NODE, a), ITEMS_NODE);
}

/* A node for items that is about to be made is for its owner, unless he wants something else. */
static void make_items_node(struct node_waiter *w, struct shard *s, struct node *n,
	enum store_status status)
{
	struct errand *e = container_of(w, struct errand, node);
	struct node_config config;

	items_config(&config);
	if (n || status != STORE_NOT_FOUND || !read_options(e, &config))
		pass_on(e);
	else
		node_commit(make_node(e, ITEMS_NODE, &config),
			&(struct node_change){ .config = true }, made, e);
	node_config_clear(&config);
}

static void show(struct errand *e)
{
	if (publishes_items(e->later->iq, &e->shard->loop.turn))
		with_node(e, ITEMS_NODE, make_items_node);
	else
		pass_on(e);
}

/* ---- the copy ---- */

static struct str storage_text(struct errand *e)
{
	struct buf b;

	buf_init(&b, ITEMS_BYTES_MAX);
	struct writer w = w_on(&b);
	bookmarks_write_storage(&e->items, &w);
	struct str text = w_done(&w) ? str_dup(&e->mem, buf_str(&b)) : STR_NULL;
	buf_clear(&b);
	return text;
}

static void answer_read(struct errand *e)
{
	struct ctx c = later_ctx(e->later);
	struct writer w = reply_open(&c, e->later->iq);

	w_open_ns(&w, "query", NS_PRIVATE);
	bookmarks_write_storage(&e->items, &w);
	w_close(&w);
	reply_send(&c, &w, e->later->iq);
}

static void answer_publish(struct errand *e)
{
	struct ctx c = later_ctx(e->later);
	struct writer w = reply_open(&c, e->later->iq);

	w_open_ns(&w, "pubsub", NS_PUBSUB);
	w_open(&w, "publish");
	w_attr(&w, "node", COPY_NODE);
	w_open(&w, "item");
	w_attr(&w, "id", COPY_ID);
	w_close(&w);
	w_close(&w);
	w_close(&w);
	reply_send(&c, &w, e->later->iq);
}

static void finish(struct errand *e)
{
	struct account *a = account_get(e->shard, e->account);

	if (a)
		of_account(a)->looked = true;
	switch (e->task) {
	case SHOW:
		show(e);
		return;
	case READ:
		answer_read(e);
		break;
	case WRITE: {
		struct ctx c = later_ctx(e->later);
		reply_ok(&c, e->later->iq);
		break;
	}
	case PUBLISH:
		answer_publish(e);
		break;
	case COPY:
		break;
	}
	end(e);
}

static void copied(struct shard *s, struct node *n, const struct node_item *items, size_t n_items,
	enum store_status status, void *ctx)
{
	struct errand *e = ctx;

	if (status == STORE_OK || e->task == COPY)
		finish(e);
	else
		fail(e, status);
}

/* Who published it, for the copy and for the items. */
static struct jid publisher(const struct errand *e)
{
	return e->later ? e->later->iq->from : e->account;
}

static void copy_into(struct errand *e, struct node *n)
{
	struct node_item item = { .id = COPY_ID, .payload = storage_text(e) };
	struct node_publication p = { .node = n, .by = publisher(e), .items = &item, .n = 1 };
	struct stanza_refusal why;
	bool is_new = n->unwritten;

	if (item.payload.p && node_publish(&p, copied, e, &why))
		return;
	if (is_new)
		node_end(n);
	if (e->task == PUBLISH && item.payload.p)
		refuse_errand(e, &why);
	else
		finish(e);
}

static void copy_read(struct shard *s, struct node *n, const struct store_op *found, void *ctx)
{
	struct errand *e = ctx;

	if (found->status != STORE_OK)
		fail(e, found->status);
	else if (n->ended || (found->n_items && str_eq(found->items[0].payload, storage_text(e))))
		finish(e);
	else
		copy_into(e, n);
}

/* It is made where somebody asks for it. */
static void copy_loaded(struct node_waiter *w, struct shard *s, struct node *n,
	enum store_status status)
{
	static const struct str id = STR_INIT("current");
	struct errand *e = container_of(w, struct errand, node);
	bool is_asked_for = e->task == PUBLISH ||
		(e->task == SHOW && (e->items.n || e->items.rest.n));
	struct node_config config;

	if (!is_known(n, status)) {
		fail(e, status);
	} else if (n && n->config.access == ACCESS_WHITELIST) {
		node_items(n, &(struct store_items_query){ .ids = &id, .n_ids = 1, .max = 1,
			.max_bytes = ITEMS_BYTES_MAX }, copy_read, e);
	} else if (n || !is_asked_for) {
		finish(e);
	} else {
		copy_config(&config);
		if (e->task == PUBLISH)
			read_options(e, &config);
		copy_into(e, make_node(e, COPY_NODE, &config));
		node_config_clear(&config);
	}
}

static void copy(struct errand *e)
{
	with_node(e, COPY_NODE, copy_loaded);
}

/* ---- what has no place in items ---- */

static void rest_stored(struct store_op *op, void *receiver)
{
	struct errand *e = *(struct errand **)op->ctx;
	enum store_status status = op->status;

	store_op_free(op);
	if (status == STORE_OK)
		copy(e);
	else
		fail(e, status);
}

/* Private XML has no rooms any more. */
static void store_rest(struct errand *e)
{
	struct shard *s = e->shard;

	if (!e->kept.n && str_eq(e->rest, e->kept.rest)) {
		copy(e);
		return;
	}
	struct bookmarks only = { .rest = e->rest };
	struct store_datum change = { SPACE_PRIVATE, KEY, STR("") };
	struct buf b;
	buf_init(&b, ITEMS_BYTES_MAX);
	struct writer w = w_on(&b);
	bookmarks_write_storage(&only, &w);
	if (e->rest.n)
		change.bytes = buf_str(&b);
	struct store_op *op = store_op_new(&s->loop.inbox, rest_stored, sizeof e);
	*(struct errand **)op->ctx = e;
	store_set_data_within(s->core->store, op, jid_domain(e->account), jid_local(e->account),
		&change, 1, s->settings->private_max);
	buf_clear(&b);
}

/* ---- the items ---- */

static void taken_out(struct shard *s, struct node *n, enum store_status status, void *ctx)
{
	struct errand *e = ctx;

	if (status == STORE_OK || status == STORE_NOT_FOUND)
		store_rest(e);
	else
		fail(e, status);
}

static void take_out_of(struct node_waiter *w, struct shard *s, struct node *n,
	enum store_status status)
{
	struct errand *e = container_of(w, struct errand, node);

	if (n)
		node_retract(n, e->gone, e->n_gone, true, taken_out, e);
	else
		taken_out(s, NULL, status, e);
}

static void take_out(struct errand *e)
{
	if (e->n_gone)
		with_node(e, ITEMS_NODE, take_out_of);
	else
		store_rest(e);
}

static void published(struct shard *s, struct node *n, const struct node_item *items,
	size_t n_items, enum store_status status, void *ctx)
{
	struct errand *e = ctx;

	if (status == STORE_OK)
		take_out(e);
	else
		fail(e, status);
}

static struct str item_text(struct errand *e, const struct bookmark *m)
{
	struct buf b;

	buf_init(&b, ITEMS_BYTES_MAX);
	struct writer w = w_on(&b);
	bookmark_write(m, &w);
	struct str text = str_dup(&e->mem, buf_str(&b));
	buf_clear(&b);
	return text;
}

static void publish_into(struct node_waiter *w, struct shard *s, struct node *n,
	enum store_status status)
{
	struct errand *e = container_of(w, struct errand, node);
	size_t n_items = e->changed.n;
	struct stanza_refusal why;

	if (!is_known(n, status)) {
		fail(e, status);
		return;
	}
	struct node_item *items = arena_alloc(&e->mem, n_items * sizeof *items);
	for (size_t i = 0; i < n_items; i++)
		items[i] = (struct node_item){ .id = e->changed.all[i].id,
			.payload = item_text(e, &e->changed.all[i]) };
	if (!n) {
		struct node_config config;
		items_config(&config);
		n = make_node(e, ITEMS_NODE, &config);
	}
	bool is_new = n->unwritten;
	struct node_publication p = { .node = n, .by = publisher(e), .items = items, .n = n_items };
	if (node_publish(&p, published, e, &why))
		return;
	if (is_new)
		node_end(n);
	refuse_errand(e, &why);
}

static void publish(struct errand *e)
{
	if (e->changed.n)
		with_node(e, ITEMS_NODE, publish_into);
	else
		take_out(e);
}

/* ---- what is to be done ---- */

static void change(struct errand *e, const struct bookmark *m)
{
	bookmarks_put(&e->changed, m, &e->mem);
	bookmarks_put(&e->items, m, &e->mem);
}

/* Rooms of private XML that have no item yet. */
static void bring_in_old_ones(struct errand *e)
{
	for (size_t i = 0; i < e->kept.n; i++)
		if (!bookmarks_find(&e->items, e->kept.all[i].jid))
			change(e, &e->kept.all[i]);
}

static void take_over_written(struct errand *e)
{
	const struct bookmarks *was = &e->items, *is = &e->written;

	e->gone = arena_alloc(&e->mem, was->n * sizeof *e->gone);
	for (size_t i = was->n; i-- > 0;) {
		if (bookmarks_find(is, was->all[i].jid))
			continue;
		e->gone[e->n_gone++] = was->all[i].id;
		bookmarks_remove(&e->items, was->all[i].jid);
	}
	for (size_t i = 0; i < is->n; i++) {
		const struct bookmark *kept = bookmarks_find(&e->items, is->all[i].jid);
		struct bookmark m = kept ? bookmark_merge(&is->all[i], kept, &e->mem) : is->all[i];
		if (!kept || !bookmark_equal(kept, &m))
			change(e, &m);
	}
}

/* Who writes private XML has the last word on what it had; who writes the old node need not
 * have seen it. */
static void decide(struct errand *e)
{
	bool writes = e->task == WRITE || e->task == PUBLISH;

	if (writes)
		take_over_written(e);
	if (e->task != WRITE)
		bring_in_old_ones(e);
	e->rest = e->items.rest = writes ? e->written.rest : e->kept.rest;
	bool full = e->items.full || e->kept.full || e->changed.full;
	if (full && e->task == SHOW)
		pass_on(e);
	else if (full)
		fail(e, STORE_FULL);
	else
		publish(e);
}

/* ---- what there is ---- */

/* Gives the first element in stored XML to a function. */
static void each_element(struct errand *e, struct str xml, struct str id,
	void (*give)(struct errand *e, struct str id, const struct xml_doc *d,
		const struct xml_node *el))
{
	struct shard *s = e->shard;
	struct stanza *st = stanza_scan(&s->scratch_table,
		str_printf(&s->loop.turn, "<message>%.*s</message>", STR_FMT(xml)), &s->loop.turn);
	const struct xml_node *el = st ? xml_first(&st->doc, stanza_root(st)) : NULL;

	for (; el; el = xml_next(&st->doc, el))
		give(e, id, &st->doc, el);
	stanza_unref(&st);
}

static void give_item(struct errand *e, struct str id, const struct xml_doc *d,
	const struct xml_node *el)
{
	bookmarks_add_item(&e->items, id, d, el, &e->mem);
}

static void give_kept(struct errand *e, struct str id, const struct xml_doc *d,
	const struct xml_node *el)
{
	bookmarks_add_storage(&e->kept, d, el, &e->mem);
}

static void items_read(struct shard *s, struct node *n, const struct store_op *found, void *ctx)
{
	struct errand *e = ctx;

	if (found->status != STORE_OK) {
		fail(e, found->status);
		return;
	}
	e->items.full = found->more;
	for (size_t i = 0; i < found->n_items; i++)
		each_element(e, found->items[i].payload, found->items[i].id, give_item);
	decide(e);
}

static void items_loaded(struct node_waiter *w, struct shard *s, struct node *n,
	enum store_status status)
{
	struct errand *e = container_of(w, struct errand, node);

	if (!is_known(n, status))
		fail(e, status);
	else if (n)
		node_items(n, &(struct store_items_query){ .max = BOOKMARKS_MAX,
			.max_bytes = ITEMS_BYTES_MAX }, items_read, e);
	else
		decide(e);
}

static void private_read(struct store_op *op, void *receiver)
{
	struct errand *e = *(struct errand **)op->ctx;
	enum store_status status = op->status;

	for (size_t i = 0; status == STORE_OK && i < op->account.n_data; i++)
		each_element(e, op->account.data[i].bytes, STR(""), give_kept);
	store_op_free(op);
	if (status == STORE_OK)
		with_node(e, ITEMS_NODE, items_loaded);
	else
		fail(e, status);
}

static bool meets_options(const struct errand *e, const struct node *copy)
{
	const struct xml_node *form = options_form(e);
	struct node_config config;

	if (copy)
		return !form || node_config_meets(&copy->config, &e->later->iq->doc, form,
			node_items_bound(e->shard->settings, NODE_OF_ACCOUNT),
			&e->shard->loop.turn);
	copy_config(&config);
	bool ok = read_options(e, &config);
	node_config_clear(&config);
	return ok;
}

static void nodes_loaded(struct nodes_waiter *w, struct shard *s, enum store_status status)
{
	struct errand *e = container_of(w, struct errand, nodes);
	struct node *items = node_get(s, e->account, ITEMS_NODE);
	struct node *copy = node_get(s, e->account, COPY_NODE);

	if (status != STORE_OK) {
		fail(e, status);
		return;
	}
	if (e->task == COPY && !copy) {
		end(e);
		return;
	}
	if ((items && items->config.access != ACCESS_WHITELIST) ||
		(copy && copy->config.access != ACCESS_WHITELIST)) {
		pass_on(e);
		return;
	}
	if (e->task == PUBLISH && !meets_options(e, copy)) {
		struct stanza_refusal why = pubsub_refuse(PS_PRECONDITION_NOT_MET);
		refuse_errand(e, &why);
		return;
	}
	struct store_op *op = store_op_new(&s->loop.inbox, private_read, sizeof e);
	*(struct errand **)op->ctx = e;
	store_get_data(s->core->store, op, jid_domain(e->account), jid_local(e->account),
		SPACE_PRIVATE, KEY);
}

static void begin(struct errand *e)
{
	const struct str names[] = { ITEMS_NODE, COPY_NODE };

	e->nodes.run = nodes_loaded;
	nodes_wait(e->shard, e->account, names, 2, &e->nodes);
}

/* ---- requests ---- */

static const struct xml_node *private_storage(const struct stanza *iq)
{
	const struct xml_node *query = stanza_payload(iq);
	const struct xml_node *el = xml_is(query, NS_PRIVATE, TAG_QUERY)
		? xml_first(&iq->doc, query) : NULL;

	return el && xml_count(&iq->doc, query) == 1 &&
	       xml_is(el, NS_STORAGE_BOOKMARKS, TAG_STORAGE) ? el : NULL;
}

/* Whether a request about nodes is about this one. */
static bool is_about(const struct stanza *iq, struct str node, struct arena *a)
{
	const struct xml_node *pubsub = stanza_payload(iq), *el;

	if (!xml_is(pubsub, NS_PUBSUB, TAG_PUBSUB) && !xml_is(pubsub, NS_PUBSUB_OWNER, TAG_PUBSUB))
		return false;
	for (el = xml_first(&iq->doc, pubsub); el; el = xml_next(&iq->doc, el))
		if (str_eq(xml_attr_str(&iq->doc, el, TAG_NODE, a), node))
			return true;
	return false;
}

/* The only child of the only item that is published, or NULL. */
static const struct xml_node *published_payload(const struct stanza *iq)
{
	const struct xml_node *publish = node_child(iq, TAG_PUBLISH);
	const struct xml_node *item = publish
		? xml_child(&iq->doc, publish, NS_PUBSUB, TAG_ITEM) : NULL;

	return item && !xml_next(&iq->doc, item) && xml_count(&iq->doc, item) == 1
		? xml_first(&iq->doc, item) : NULL;
}

static void queue(struct ctx *c, const struct stanza *iq, enum task task)
{
	struct account *a = c->account;

	if (of_account(a)->n_waiting >= BOOKMARKS_WAIT_MAX) {
		refuse(c, iq, ERR_RESOURCE_CONSTRAINT, STR("too many requests wait"));
		return;
	}
	start(a, errand_new(a, task, later_new(c, iq)));
}

/* el: the list that is written; <storage/>, or one room as in the examples of XEP-0223. */
static void queue_write(struct ctx *c, const struct stanza *iq, enum task task,
	const struct xml_node *el)
{
	struct account *a = c->account;
	struct stanza_refusal full = node_store_refusal(STORE_FULL);

	if (of_account(a)->n_waiting >= BOOKMARKS_WAIT_MAX) {
		refuse(c, iq, ERR_RESOURCE_CONSTRAINT, STR("too many requests wait"));
		return;
	}
	struct errand *e = errand_new(a, task, NULL);
	if (xml_is(el, NS_STORAGE_BOOKMARKS, TAG_STORAGE))
		bookmarks_add_storage(&e->written, &iq->doc, el, &e->mem);
	else
		bookmarks_add_old(&e->written, &iq->doc, el, &e->mem);
	if (e->written.full) {
		errand_free(e);
		node_refuse_request(c, iq, &full);
		return;
	}
	e->later = later_new(c, iq);
	start(a, e);
}

/* XEP-0048 section 3.1. */
static void take_publish(struct ctx *c, const struct stanza *iq)
{
	const struct xml_node *el = published_payload(iq);
	struct stanza_refusal why = pubsub_refuse(PS_INVALID_PAYLOAD);

	if (xml_is(el, NS_STORAGE_BOOKMARKS, TAG_STORAGE) ||
		xml_is(el, NS_STORAGE_BOOKMARKS, TAG_CONFERENCE))
		queue_write(c, iq, PUBLISH, el);
	else
		node_refuse_request(c, iq, &why);
}

static bool iq_taken(struct ctx *c, const struct stanza *iq, unsigned at)
{
	struct account *a = c->account;
	struct arena *turn = &c->shard->loop.turn;

	if (!(at & AT_OWN) || a->guest || (a->bookmarks && a->bookmarks->passing))
		return false;
	const struct xml_node *storage = private_storage(iq);
	if (storage && iq->type == IQ_GET) {
		queue(c, iq, READ);
	} else if (storage) {
		queue_write(c, iq, WRITE, storage);
	} else if (is_about(iq, COPY_NODE, turn)) {
		if (iq->type == IQ_SET && node_child(iq, TAG_PUBLISH))
			take_publish(c, iq);
		else
			queue(c, iq, SHOW);
	} else if (is_about(iq, ITEMS_NODE, turn) && (!of_account(a)->looked ||
			   (publishes_items(iq, turn) && !node_get(c->shard, a->jid, ITEMS_NODE)))) {
		queue(c, iq, SHOW);
	} else {
		return false;
	}
	return true;
}

/* ---- changes ---- */

static void items_changed(struct node *n)
{
	struct account *a = n->kind == NODE_OF_ACCOUNT && str_eq(n->name, ITEMS_NODE)
		? node_account(n) : NULL;

	if (!a || of_account(a)->copy_waits)
		return;
	a->bookmarks->copy_waits = true;
	start(a, errand_new(a, COPY, NULL));
}

static void node_published(struct node *n, const struct node_item *items, size_t n_items,
	struct jid by)
{
	items_changed(n);
}

static void node_retracted(struct node *n, const struct str *ids, size_t n_ids)
{
	items_changed(n);
}

/* What runs finds out by itself that the account has left. */
static void unload(struct account *a)
{
	struct bookmarking *b = a->bookmarks;
	struct stanza_refusal why = node_store_refusal(STORE_FAILED);
	struct errand *e;

	a->bookmarks = NULL;
	if (!b)
		return;
	while ((e = list_first(&b->waiting, struct errand, link))) {
		list_del(&e->link);
		refuse_errand(e, &why);
	}
	free(b);
}

const struct module xep0402_bookmarks = {
	.name = "bookmarks",
	.spec = "XEP-0402 1.2.0",
	.account_features = (const char *const[]){ "urn:xmpp:bookmarks:1#compat",
		"urn:xmpp:bookmarks:1#compat-pep", NULL },
	.unload = unload,
	.iq_taken = iq_taken,
	.node_published = node_published,
	.node_retracted = node_retracted,
};
