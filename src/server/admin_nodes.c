/* What an administrator can ask for about nodes of publish-subscribe (core/node.h). What changes a
 * node, or shows what is in memory, goes to the node's owner as an errand; lists and items are read
 * from the store, page after page. */
#include "server/admin.h"

#include "base/bug.h"
#include "core/node.h"
#include "xmpp/datetime.h"
#include "xmpp/form.h"

#include <stdlib.h>

#define NODES_PAGE  1000
#define ITEMS_PAGE  500
#define ITEMS_BYTES (4 * 1024 * 1024) /* of a page */
#define VALUES_MAX  ADMIN_WORDS_MAX

/* ---- words ---- */

/* Where words of `node WHAT OWNER NAME` stand. */
enum { WHAT = 1, OWNER_WORD = 2, NAME = 3 };

/* An account, or a service of nodes. False: refused. */
static bool owner_word(struct request *r, unsigned i, struct jid *out)
{
	const struct config *c = r->server->config;

	if (!jid_parse(r->words[i], &r->mem, out) || !jid_is_bare(*out)) {
		admin_refuse(r, "give an account like juliet@example.org, or a service of nodes like "
			"pubsub.example.org");
		return false;
	}
	for (size_t h = 0; h < c->n_hosts; h++)
		if (str_eq(out->n_local ? c->hosts[h].domain : c->hosts[h].pubsub, jid_domain(*out)))
			return true;
	admin_refuse(r, out->n_local ? "that domain is not served" : "there are no nodes at that "
		"domain");
	return false;
}

static enum node_kind kind_of(struct jid owner)
{
	return owner.n_local ? NODE_OF_ACCOUNT : NODE_OF_SERVICE;
}

/* ---- on the owner of the node ---- */

struct visit {
	struct node_waiter waiter;
	struct errand *errand;
	void (*look)(struct node *n, struct errand *e); /* ends with errand_home() */
};

static void end(struct errand *e, enum store_status status)
{
	e->status = status;
	if (status == STORE_NOT_FOUND)
		e->why = "there is no such node";
	errand_home(e);
}

static void visited(struct node_waiter *w, struct shard *s, struct node *n, enum store_status status)
{
	struct visit *v = container_of(w, struct visit, waiter);

	if (n)
		v->look(n, v->errand);
	else
		end(v->errand, status);
	free(v);
}

static void visit(struct errand *e, void (*look)(struct node *n, struct errand *e))
{
	struct visit *v = xcalloc(1, sizeof *v);

	v->waiter.run = visited;
	v->errand = e;
	v->look = look;
	node_wait(e->shard, kind_of(e->jid), e->jid, e->request->words[NAME], &v->waiter);
}

static void went_home(struct shard *s, struct node *n, enum store_status status, void *ctx)
{
	end(ctx, status);
}

static void delete(struct node *n, struct errand *e)
{
	node_delete(n, STR(""), went_home, e);
}

static void do_delete(struct errand *e)
{
	visit(e, delete);
}

static void purge(struct node *n, struct errand *e)
{
	node_purge(n, went_home, e);
}

static void do_purge(struct errand *e)
{
	visit(e, purge);
}

/* ---- showing: lines whose first word says what they are about ---- */

static void show_field(struct buf *b, const struct xml_doc *d, const struct xml_node *field,
	struct arena *a)
{
	struct str values[VALUES_MAX], var = form_var(d, field, a);
	size_t n = form_values(d, field, values, VALUES_MAX, a);

	if (str_eq(var, STR("FORM_TYPE")))
		return;
	buf_lit(b, "config");
	admin_column(b, str_starts(var, STR("pubsub#")) ? str_skip(var, strlen("pubsub#")) : var);
	for (size_t i = 0; i < n && i < VALUES_MAX; i++)
		admin_column(b, values[i]);
	buf_lit(b, "\n");
}

/* The form that goes to the store, read as one that was filled in. */
static void show_config(const struct node *n, struct buf *out)
{
	struct shard *s = n->shard;
	struct str config = node_row(n, &s->loop.turn).config;
	struct str message = str_printf(&s->loop.turn, "<message>%.*s</message>", STR_FMT(config));
	struct stanza *st = stanza_scan(&s->scratch_table, message, &s->loop.turn);
	const struct xml_node *form = st ? xml_first(&st->doc, stanza_root(st)) : NULL;

	for (const struct xml_node *f = form ? form_first(&st->doc, form) : NULL; f;
		f = form_next(&st->doc, f))
		show_field(out, &st->doc, f, &s->loop.turn);
	stanza_unref(&st);
}

static void show_people(const struct node *n, struct buf *out)
{
	for (struct map_node *i = map_next(&n->people, NULL); i; i = map_next(&n->people, i)) {
		const struct node_person *p = container_of(i, struct node_person, map);
		buf_lit(out, "affiliation");
		admin_column(out, node_affiliation_name(p->affiliation));
		admin_column(out, jid_str(p->jid));
		buf_lit(out, "\n");
	}
	for (uint32_t i = 0; i < n->n_subs; i++) {
		const struct node_subscription *sub = n->subs[i];
		if (!sub)
			continue;
		buf_lit(out, "subscription");
		admin_column(out, subscription_state_name(sub->state));
		admin_column(out, jid_str(sub->jid));
		admin_column(out, str_from(sub->subid, sizeof sub->subid));
		buf_lit(out, "\n");
	}
}

static void show(struct node *n, struct errand *e)
{
	buf_lit(&e->out, "made");
	admin_column(&e->out, datetime_format(&e->shard->loop.turn, n->created_us));
	if (jid_is_set(n->creator))
		admin_column(&e->out, jid_str(n->creator));
	buf_lit(&e->out, "\n");
	show_config(n, &e->out);
	show_people(n, &e->out);
	end(e, STORE_OK);
}

static void do_show(struct errand *e)
{
	visit(e, show);
}

static void errand_to_owner(struct request *r, struct jid owner, void (*work)(struct errand *e))
{
	errand_send(r, node_owner_shard(&r->server->core, kind_of(owner), owner, r->words[NAME]),
		owner, work);
}

static void node_show(struct request *r, struct jid owner)
{
	errand_to_owner(r, owner, do_show);
}

static void node_delete_it(struct request *r, struct jid owner)
{
	errand_to_owner(r, owner, do_delete);
}

static void node_purge_it(struct request *r, struct jid owner)
{
	errand_to_owner(r, owner, do_purge);
}

/* ---- reading the store, page after page ---- */

struct reading {
	struct request *request;
	struct jid owner;
	void (*write)(struct buf *b, const struct store_node_item *item, struct arena *a);
	const char *end;           /* behind all */
};

/* False: it has ended. */
static bool may_go_on(struct request *r, enum store_status status)
{
	if (r->server->stopping)
		admin_refuse(r, "the server stops");
	else if (status == STORE_NOT_FOUND)
		admin_refuse(r, "there is no such node");
	else if (status != STORE_OK)
		admin_refuse(r, admin_status_text(status));
	else if (!buf_ok(&r->out))
		admin_refuse(r, "it is too large");
	else
		return true;
	return false;
}

static void read_items(struct reading *x, uint64_t after);

static void got_items(struct store_op *op, void *receiver)
{
	struct reading *x = *(struct reading **)op->ctx;
	struct request *r = x->request;
	uint64_t last = 0;
	bool more = op->more;

	if (may_go_on(r, op->status)) {
		for (size_t i = 0; i < op->n_items; i++) {
			x->write(&r->out, &op->items[i], &op->mem);
			last = op->items[i].number;
		}
		if (!more) {
			buf_add(&r->out, str_c(x->end));
			admin_answer(r);
		} else {
			read_items(x, last);
		}
	}
	store_op_free(op);
}

static void read_items(struct reading *x, uint64_t after)
{
	struct server *s = x->request->server;
	struct store_op *op = store_op_new(&s->loop.inbox, got_items, sizeof x);
	const struct store_items_query query = { .after = after, .max = ITEMS_PAGE,
		.max_bytes = ITEMS_BYTES };

	*(struct reading **)op->ctx = x;
	store_node_items(s->core.store, op, jid_domain(x->owner), jid_local(x->owner),
		x->request->words[NAME], &query);
}

static struct reading *reading_new(struct request *r, struct jid owner)
{
	struct reading *x = arena_alloc(&r->mem, sizeof *x);

	*x = (struct reading){ .request = r, .owner = owner, .end = "" };
	return x;
}

static void list_item(struct buf *b, const struct store_node_item *item, struct arena *a)
{
	buf_add(b, datetime_format(a, item->stamp_us));
	admin_column(b, item->id);
	admin_column(b, item->publisher);
	buf_printf(b, "\t%zu bytes\n", item->payload.n);
}

static void node_items_of(struct request *r, struct jid owner)
{
	struct reading *x = reading_new(r, owner);

	x->write = list_item;
	read_items(x, 0);
}

/* As XEP-0227 has items: those of a node in <items/>. */
static void export_item(struct buf *b, const struct store_node_item *item, struct arena *a)
{
	struct writer w = w_on(b);

	w_open(&w, "item");
	w_attr(&w, "id", item->id);
	if (item->publisher.n)
		w_attr(&w, "publisher", item->publisher);
	w_raw(&w, item->payload);
	w_close(&w);
	buf_lit(b, "\n");
}

static void node_export(struct request *r, struct jid owner)
{
	struct reading *x = reading_new(r, owner);

	buf_lit(&r->out, "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='");
	xml_escape_value(&r->out, r->words[NAME]);
	buf_lit(&r->out, "'>\n");
	x->write = export_item;
	x->end = "</items></pubsub>\n";
	read_items(x, 0);
}

/* ---- lists ---- */

static void read_nodes(struct reading *x, struct str after);

static void list_node(struct buf *b, const struct store_node *n)
{
	admin_text(b, n->name);
	buf_printf(b, "\t%llu items\t%llu bytes\t%llu subscriptions\t%s",
		(unsigned long long)n->n_items, (unsigned long long)n->n_bytes,
		(unsigned long long)n->n_subscriptions, n->listed ? "listed" : "hidden");
	admin_column(b, n->title);
	buf_lit(b, "\n");
}

static void got_nodes(struct store_op *op, void *receiver)
{
	struct reading *x = *(struct reading **)op->ctx;
	struct request *r = x->request;

	if (may_go_on(r, op->status)) {
		for (size_t i = 0; i < op->n_nodes; i++)
			list_node(&r->out, &op->nodes[i]);
		if (op->n_nodes < NODES_PAGE)
			admin_answer(r);
		else
			read_nodes(x, op->nodes[NODES_PAGE - 1].name);
	}
	store_op_free(op);
}

static void read_nodes(struct reading *x, struct str after)
{
	struct server *s = x->request->server;
	struct store_op *op = store_op_new(&s->loop.inbox, got_nodes, sizeof x);

	*(struct reading **)op->ctx = x;
	store_nodes(s->core.store, op, jid_domain(x->owner), jid_local(x->owner), after, NODES_PAGE,
		STORE_NODES_ALL);
}

static void read_owners(struct reading *x, struct str after);

static void got_owners(struct store_op *op, void *receiver)
{
	struct reading *x = *(struct reading **)op->ctx;
	struct request *r = x->request;

	if (may_go_on(r, op->status)) {
		for (size_t i = 0; i < op->n_users; i++) {
			admin_text(&r->out, op->users[i]);
			buf_lit(&r->out, "\n");
		}
		if (op->n_users < NODES_PAGE)
			admin_answer(r);
		else
			read_owners(x, op->users[NODES_PAGE - 1]);
	}
	store_op_free(op);
}

static void read_owners(struct reading *x, struct str after)
{
	struct server *s = x->request->server;
	struct store_op *op = store_op_new(&s->loop.inbox, got_owners, sizeof x);

	*(struct reading **)op->ctx = x;
	store_node_owners(s->core.store, op, after, NODES_PAGE);
}

void nodes_run(struct request *r)
{
	struct jid owner = { 0 };

	if (r->n_words > 1 && !owner_word(r, 1, &owner))
		return;
	if (r->n_words > 1)
		read_nodes(reading_new(r, owner), STR(""));
	else
		read_owners(reading_new(r, owner), STR(""));
}

void node_run_command(struct request *r)
{
	static const struct {
		const char *what;
		void (*run)(struct request *r, struct jid owner);
	} commands[] = {
		{ "show", node_show },
		{ "items", node_items_of },
		{ "export", node_export },
		{ "purge", node_purge_it },
		{ "delete", node_delete_it },
	};
	struct jid owner;

	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (!str_eq(r->words[WHAT], str_c(commands[i].what)))
			continue;
		if (!r->words[NAME].n || r->words[NAME].n > STORE_NODE_NAME_MAX)
			admin_refuse(r, "there is no such node");
		else if (owner_word(r, OWNER_WORD, &owner))
			commands[i].run(r, owner);
		return;
	}
	admin_refuse(r, "there is no such command");
}
