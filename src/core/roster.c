#include "core/roster.h"

#include "base/bug.h"
#include "core/account.h"
#include "core/client.h"
#include "core/module.h"

#include <stdlib.h>

void roster_init(struct roster *r)
{
	*r = (struct roster){ 0 };
	list_init(&r->pending);
}

static void contact_free(struct contact *c)
{
	free(c->name);
	free((char *)c->groups.p);
	free(c);
}

static void pending_free(struct pending *p)
{
	list_del(&p->link);
	stanza_unref(&p->request);
	free(p);
}

void roster_clear(struct roster *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		contact_free(r->items[i]);
	free(r->items);
	while (!list_empty(&r->pending))
		pending_free(list_first(&r->pending, struct pending, link));
	roster_init(r);
}

/* ---- contacts ---- */

/* Index of the contact, or of where it would stand. */
static uint32_t find(const struct roster *r, struct str jid, bool *found)
{
	uint32_t lo = 0, hi = r->n;

	*found = false;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = str_cmp(jid_str(r->items[mid]->jid), jid);
		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct contact *roster_find(const struct roster *r, struct jid j)
{
	bool found;
	uint32_t i = find(r, jid_str(j), &found);

	return found ? r->items[i] : NULL;
}

struct contact *roster_add(struct roster *r, struct jid j)
{
	struct str text = jid_str(j);
	bool found;
	uint32_t i = find(r, text, &found);

	if (found)
		return r->items[i];
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 4;
		r->items = xrealloc(r->items, r->cap * sizeof *r->items);
	}
	struct contact *c = xcalloc(1, sizeof *c + text.n);
	memcpy(c + 1, text.p, text.n);
	c->jid = j;
	c->jid.p = (char *)(c + 1);
	memmove(r->items + i + 1, r->items + i, (r->n - i) * sizeof *r->items);
	r->items[i] = c;
	r->n++;
	return c;
}

void roster_remove(struct roster *r, struct contact *c)
{
	bool found;
	uint32_t i = find(r, jid_str(c->jid), &found);

	BUG_ON(!found);
	r->n--;
	memmove(r->items + i, r->items + i + 1, (r->n - i) * sizeof *r->items);
	contact_free(c);
}

static char *own(struct str s)
{
	char *p = xmalloc(s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

void contact_set(struct contact *c, struct str name, struct str groups)
{
	free(c->name);
	free((char *)c->groups.p);
	c->name = name.n ? own(name) : NULL;
	c->groups = groups.n ? str_from(own(groups), groups.n) : STR_NULL;
}

void contact_write(struct writer *w, const struct contact *c)
{
	static const char *const subscriptions[] = { "none", "to", "from", "both" };

	w_open(w, "item");
	w_attr(w, "jid", jid_str(c->jid));
	if (c->name)
		w_attr(w, "name", str_c(c->name));
	w_attr(w, "subscription", str_c(subscriptions[c->subscription]));
	if (c->ask)
		w_attr(w, "ask", STR("subscribe"));
	if (c->approved)
		w_attr(w, "approved", STR("true"));
	for (struct str g = c->groups; g.n;) {
		struct str one = str_c(g.p);
		w_leaf(w, "group", one);
		g = str_skip(g, one.n + 1);
	}
	w_close(w);
}

static struct str version_text(const struct roster *r, uint64_t version, struct arena *a)
{
	return str_printf(a, "%llx-%llu", (unsigned long long)r->created_us,
		(unsigned long long)version);
}

struct str roster_version_text(const struct roster *r, struct arena *a)
{
	return version_text(r, r->version, a);
}

/* ---- from the store ---- */

static void load_pending(struct account *a, const struct store_pending *p)
{
	struct shard *s = a->shard;
	struct stanza *st = stanza_scan(&s->scratch_table, p->stanza, &s->loop.turn);

	if (!st)
		return;
	if (jid_is_set(st->from) && !pending_find(&a->roster, st->from)) {
		struct pending *q = xcalloc(1, sizeof *q);
		q->request = stanza_ref(st);
		q->jid = jid_bare(st->from);
		list_add(&a->roster.pending, &q->link);
		a->roster.n_pending++;
	}
	stanza_unref(&st);
}

void roster_load(struct account *a, const struct store_account *stored)
{
	struct roster *r = &a->roster;
	struct jid j;

	r->version = stored->roster_version;
	r->created_us = stored->created_us;
	for (size_t i = 0; i < stored->n_items; i++) {
		const struct store_item *item = &stored->items[i];
		if (!jid_parse(item->jid, &a->shard->loop.turn, &j))
			continue;
		struct contact *c = roster_add(r, j);
		contact_set(c, item->name, item->groups);
		c->subscription = item->subscription & (SUB_TO | SUB_FROM);
		c->ask = item->ask;
		c->approved = item->approved;
		c->version = item->version;
	}
	for (size_t i = 0; i < stored->n_pending; i++)
		load_pending(a, &stored->pending[i]);
}

/* ---- requests that wait ---- */

struct pending *pending_find(const struct roster *r, struct jid j)
{
	list_each(p, &r->pending, struct pending, link)
		if (jid_eq_bare(p->jid, j))
			return p;
	return NULL;
}

/* Writes that nobody waits for: what can be done about a failure is done by account_reload(). */
static void stored_quietly(struct store_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct jid *j = op->ctx;

	if (op->status != STORE_OK && op->status != STORE_NOT_FOUND) {
		struct account *a = account_get(s, *j);
		if (a)
			account_reload(a);
	}
	store_op_free(op);
}

static struct store_op *quiet_op(struct account *a)
{
	struct store_op *op = store_op_new(&a->shard->loop.inbox, stored_quietly,
		sizeof(struct jid));

	*(struct jid *)op->ctx = jid_dup(&op->mem, a->jid);
	return op;
}

bool pending_add(struct account *a, struct stanza *request)
{
	struct roster *r = &a->roster;
	struct shard *s = a->shard;

	if (r->n_pending >= PENDING_MAX)
		return false;
	struct pending *p = xcalloc(1, sizeof *p);
	p->request = stanza_ref(request);
	p->jid = jid_bare(request->from);
	list_add(&r->pending, &p->link);
	r->n_pending++;
	if (a->guest)
		return true;
	buf_reset(&s->scratch);
	stanza_write(&s->scratch, request, request->from, a->jid, NS_NONE);
	store_set_pending(s->core->store, quiet_op(a), jid_domain(a->jid), jid_local(a->jid),
		jid_bare_str(p->jid), buf_str(&s->scratch));
	return true;
}

void pending_del(struct account *a, struct pending *p)
{
	if (!a->guest)
		store_del_pending(a->shard->core->store, quiet_op(a), jid_domain(a->jid),
			jid_local(a->jid), jid_bare_str(p->jid));
	pending_free(p);
	a->roster.n_pending--;
}

/* ---- changes on their way to the store ---- */

struct change {
	struct jid account, contact; /* in the operation */
	bool removed;
	uint64_t version;            /* that it made */
	struct later *later;         /* who waits for an answer, or NULL */
};

/* The payload of a push. The null slice: it is too large. */
static struct str write_query(struct account *a, const struct change *ch, const struct contact *c)
{
	struct shard *sh = a->shard;
	struct buf *b = &sh->scratch;
	struct writer w;

	buf_reset(b);
	w = w_on(b);
	w_open_ns(&w, "query", NS_ROSTER);
	w_attr(&w, "ver", version_text(&a->roster, ch->version, &sh->loop.turn));
	if (c) {
		contact_write(&w, c);
	} else {
		w_open(&w, "item");
		w_attr(&w, "jid", jid_str(ch->contact));
		w_attr(&w, "subscription", STR("remove"));
		w_close(&w);
	}
	w_close(&w);
	return w_done(&w) ? str_dup(&sh->loop.turn, buf_str(b)) : STR_NULL;
}

static void push_one(struct session *s, const struct change *ch, struct str query)
{
	struct shard *sh = s->account->shard;
	struct buf *b = &sh->scratch;

	buf_reset(b);
	struct writer w = w_on(b);
	stanza_open(&w, STANZA_IQ, "set", (struct jid){ 0 }, s->full,
		str_printf(&sh->loop.turn, "push-%llu", (unsigned long long)ch->version));
	w_raw(&w, query);
	w_close(&w);
	if (w_done(&w))
		session_send_text(s, buf_str(b));
}

static void tell_modules(struct account *a, struct str query, struct jid contact)
{
	module_each(m, a->shard->core, roster_changed)
		m->roster_changed(a, query);
	module_each(m, a->shard->core, contact_changed)
		m->contact_changed(a, contact);
}

/* c: the contact as this change left it, NULL when it was removed. Section 2.6.3: one push for
 * each change, in their order, each with a version of its own. */
static void push(struct account *a, const struct change *ch, const struct contact *c)
{
	struct str query = write_query(a, ch, c);

	if (!query.p)
		return;
	list_each(s, &a->sessions, struct session, link)
		if (s->interested)
			push_one(s, ch, query);
	tell_modules(a, query, ch->contact);
}

static void answer_change(struct change *ch, enum store_status status)
{
	if (!ch->later)
		return;
	struct ctx c = later_ctx(ch->later);
	if (status == STORE_OK)
		reply_ok(&c, ch->later->iq);
	else
		refuse(&c, ch->later->iq,
			status == STORE_FULL ? ERR_RESOURCE_CONSTRAINT : ERR_INTERNAL_SERVER_ERROR,
			STR("the roster could not be stored"));
	later_free(&ch->later);
}

/* What was written; later changes may be on their way already. */
static struct contact contact_written(const struct store_op *op, const struct change *ch)
{
	const struct store_item *i = &op->item;

	return (struct contact){
		.jid = ch->contact,
		.name = i->name.n ? (char *)i->name.p : NULL, /* a NUL stands behind it */
		.groups = i->groups,
		.version = i->version,
		.subscription = i->subscription,
		.ask = i->ask,
		.approved = i->approved,
	};
}

static void stored(struct store_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct change *ch = op->ctx;
	struct account *a = account_get(s, ch->account);

	if (a && op->status == STORE_OK) {
		struct contact c = contact_written(op, ch);
		push(a, ch, ch->removed ? NULL : &c);
	} else if (a) {
		account_reload(a);
	}
	answer_change(ch, op->status);
	store_op_free(op);
}

static struct store_op *change_op(struct account *a, struct jid contact, bool removed,
	struct later *later)
{
	struct store_op *op = store_op_new(&a->shard->loop.inbox, stored, sizeof(struct change));
	struct change *ch = op->ctx;

	ch->account = jid_dup(&op->mem, a->jid);
	ch->contact = jid_dup(&op->mem, contact);
	ch->removed = removed;
	ch->version = a->roster.version;
	ch->later = later;
	return op;
}

/* A guest has no place in the store: what is in memory is all there is. */
static void guest_changed(struct account *a, struct jid contact, const struct contact *c,
	struct later *later)
{
	struct change ch = { a->jid, contact, !c, a->roster.version, later };

	push(a, &ch, c);
	answer_change(&ch, STORE_OK);
}

void roster_store(struct account *a, struct contact *c, struct later *later)
{
	c->version = ++a->roster.version;
	if (a->guest) {
		guest_changed(a, c->jid, c, later);
		return;
	}
	struct store_item item = {
		.jid = jid_str(c->jid),
		.name = str_c(c->name),
		.groups = c->groups,
		.subscription = c->subscription,
		.ask = c->ask,
		.approved = c->approved,
		.version = c->version,
	};
	store_set_item(a->shard->core->store, change_op(a, c->jid, false, later),
		jid_domain(a->jid), jid_local(a->jid), &item);
}

void roster_delete(struct account *a, struct contact *c, struct later *later)
{
	struct jid contact = jid_dup(&a->shard->loop.turn, c->jid);

	roster_remove(&a->roster, c);
	a->roster.version++;
	if (a->guest) {
		guest_changed(a, contact, NULL, later);
		return;
	}
	store_del_item(a->shard->core->store, change_op(a, contact, true, later),
		jid_domain(a->jid), jid_local(a->jid), jid_str(contact), a->roster.version);
}
