/* Which nodes there are: from the store into memory and out again; and requests about them. */
#include "core/node.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/hash.h"
#include "core/audience.h"
#include "core/node_private.h"
#include "core/route.h"

#include <stdlib.h>

/* ---- in memory ---- */

#define KEY_MAX (JID_MAX + 1 + STORE_NODE_NAME_MAX)

/* Owner and name as one text: an address has no NUL. */
static struct str write_key(char out[KEY_MAX], struct jid owner, struct str name)
{
	struct str o = jid_bare_str(owner);

	BUG_ON(name.n > STORE_NODE_NAME_MAX);
	memcpy(out, o.p, o.n);
	out[o.n] = '\0';
	memcpy(out + o.n + 1, name.p, name.n);
	return str_from(out, o.n + 1 + name.n);
}

static struct str node_key(const struct map_node *n)
{
	return container_of(n, struct node, map)->key;
}

struct shard *node_owner_shard(const struct core *c, enum node_kind kind, struct jid owner,
	struct str name)
{
	char key[KEY_MAX];

	if (kind == NODE_OF_ACCOUNT)
		return shard_of(c, owner);
	return c->shards[c->place[hash_fixed(write_key(key, owner, name)) % VIRTUAL_SHARDS]];
}

/* In whatever state it is, or NULL. */
static struct node *find(struct shard *s, struct jid owner, struct str name)
{
	char key[KEY_MAX];
	struct map_node *n = map_get(&s->nodes, write_key(key, owner, name));

	return n ? container_of(n, struct node, map) : NULL;
}

struct node *node_get(struct shard *s, struct jid owner, struct str name)
{
	struct node *n = find(s, owner, name);

	return n && !n->loading && !n->absent ? n : NULL;
}

struct host *node_host(const struct node *n)
{
	return settings_host(n->shard->settings, jid_domain(n->owner));
}

struct account *node_account(const struct node *n)
{
	return n->kind == NODE_OF_ACCOUNT ? account_get(n->shard, n->owner) : NULL;
}

static void idle_fired(struct timer *t);

static void touch(struct node *n)
{
	n->used_ms = n->shard->loop.now;
}

static void set_timer(struct node *n, uint64_t ms)
{
	timer_set(&n->shard->loop.wheel, &n->idle, n->shard->loop.now, ms);
}

static struct node *node_alloc(struct shard *s, enum node_kind kind, struct jid owner,
	struct str name)
{
	size_t own = jid_bare_str(owner).n;
	struct node *n = xcalloc(1, sizeof *n + own + 1 + name.n);
	char *text = (char *)(n + 1);

	BUG_ON(node_owner_shard(s->core, kind, owner, name) != s);
	n->shard = s;
	n->kind = kind;
	n->key = write_key(text, owner, name);
	n->owner = jid_bare(owner);
	n->owner.p = text;
	n->name = str_skip(n->key, own + 1);
	list_init(&n->news);
	list_init(&n->waiting);
	node_init_people(n);
	timer_init(&n->idle, idle_fired);
	map_put(&s->nodes, &n->map);
	touch(n);
	set_timer(n, NODE_IDLE_MS);
	return n;
}

static void set_absent(struct node *n, bool absent)
{
	if (n->absent == absent)
		return;
	n->absent = absent;
	n->shard->nodes_absent += absent ? 1 : (uint32_t)-1;
}

void node_empty(struct node *n)
{
	node_free_people(n);
	node_config_clear(&n->config);
	free((char *)n->creator.p);
	n->creator = (struct jid){ 0 };
	if (n->last)
		stanza_unref(&n->last);
}

static void node_free(struct node *n)
{
	BUG_ON(n->held || n->n_waiting);
	node_free_news(n);
	node_empty(n);
	free(n->newest);
	timer_stop(&n->shard->loop.wheel, &n->idle);
	free(n);
}

static void take_out(struct node *n)
{
	if (n->ended)
		return;
	n->ended = true;
	set_absent(n, false);
	map_del(&n->shard->nodes, &n->map);
}

void node_hold(struct node *n)
{
	n->held++;
}

void node_release(struct node *n)
{
	BUG_ON(!n->held);
	if (!--n->held && n->ended)
		node_free(n);
}

void node_end(struct node *n)
{
	take_out(n);
	if (!n->held)
		node_free(n);
}

/* What waits or is on its way keeps it, and so does an item that is nowhere else. */
static void idle_fired(struct timer *t)
{
	struct node *n = container_of(t, struct node, idle);
	uint64_t unused = n->shard->loop.now - n->used_ms;

	if (n->held || n->loading || n->newest || n->unwritten)
		set_timer(n, NODE_IDLE_MS);
	else if (unused < NODE_IDLE_MS && !n->absent)
		set_timer(n, NODE_IDLE_MS - unused);
	else
		node_end(n);
}

struct node *node_new(struct shard *s, enum node_kind kind, struct jid owner, struct str name,
	struct jid creator, struct node_config *config)
{
	struct node *n = find(s, owner, name);

	BUG_ON(n && !n->absent);
	if (!n)
		n = node_alloc(s, kind, owner, name);
	set_absent(n, false);
	touch(n);
	n->config = *config;
	*config = (struct node_config){ 0 };
	n->creator = jid_copy(jid_bare(creator));
	n->created_us = clock_wall_us();
	n->unwritten = true;
	n->is_empty = true;
	node_affiliate(n, n->creator, NODE_OWNER);
	return n;
}

/* ---- items that expire ---- */

static void expired(struct store_op *op, void *receiver)
{
	struct shard *s = receiver;

	timer_set(&s->loop.wheel, &s->expiry, s->loop.now, op->more ? 0 : NODE_EXPIRY_MS);
	store_op_free(op);
}

static void expiry_fired(struct timer *t)
{
	struct shard *s = container_of(t, struct shard, expiry);

	store_nodes_expire(s->core->store, store_op_new(&s->loop.inbox, expired, 0),
		clock_wall_us(), NODE_EXPIRY_STEP);
}

void node_watch_expiry(struct node *n)
{
	struct shard *s = n->shard;

	if ((n->config.item_expire || n->n_special) && !timer_is_set(&s->expiry))
		timer_set(&s->loop.wheel, &s->expiry, s->loop.now, NODE_EXPIRY_MS);
}

/* ---- loading ---- */

/* What one of them does, the next one finds done: a node that was not there has been made. */
static void run_waiting(struct node *n, enum store_status status)
{
	struct shard *s = n->shard;
	bool known = status == STORE_OK || status == STORE_NOT_FOUND;
	struct list waiting;

	list_take(&n->waiting, &waiting);
	n->n_waiting = 0;
	while (!list_empty(&waiting)) {
		struct node_waiter *w = list_first(&waiting, struct node_waiter, link);
		struct node *now = known ? node_get(s, n->owner, n->name) : NULL;
		list_del(&w->link);
		w->run(w, s, now, !known ? status : now ? STORE_OK : STORE_NOT_FOUND);
	}
}

/* That there is none of a name is worth remembering for the names that everybody asks for; what
 * somebody makes up must not fill the memory. */
static void none_there(struct node *n)
{
	node_empty(n);
	if (n->shard->nodes_absent >= NODES_ABSENT_MAX || n->newest) {
		take_out(n);
		return;
	}
	set_absent(n, true);
	set_timer(n, NODE_ABSENT_MS);
}

void node_loaded(struct node *n, enum store_status status)
{
	n->loading = false;
	if (status == STORE_OK)
		node_watch_expiry(n);
	if (status == STORE_NOT_FOUND)
		none_there(n);
	else if (status != STORE_OK)
		take_out(n);
	run_waiting(n, status);
	node_release(n);
}

static void load(struct shard *s, struct jid owner, struct node **nodes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		nodes[i]->loading = true;
		node_hold(nodes[i]);
	}
	if (n)
		node_load(s, owner, nodes, n);
}

void node_reload(struct node *n)
{
	if (n->loading || n->ended)
		return;
	load(n->shard, n->owner, &n, 1);
}

/* The node of a name, which is being loaded when nothing is known of it; *fresh: that is to begin. */
static struct node *want(struct shard *s, enum node_kind kind, struct jid owner, struct str name,
	bool *fresh)
{
	struct node *n = find(s, owner, name);

	*fresh = !n;
	if (!n)
		n = node_alloc(s, kind, owner, name);
	touch(n);
	return n;
}

void node_wait(struct shard *s, enum node_kind kind, struct jid owner, struct str name,
	struct node_waiter *w)
{
	bool fresh;
	struct node *n = want(s, kind, owner, name, &fresh);

	if (fresh)
		load(s, owner, &n, 1);
	if (!n->loading) {
		w->run(w, s, n->absent ? NULL : n, n->absent ? STORE_NOT_FOUND : STORE_OK);
	} else if (n->n_waiting >= NODE_WAITING_MAX) {
		w->run(w, s, NULL, STORE_FULL);
	} else {
		list_add(&n->waiting, &w->link);
		n->n_waiting++;
	}
}

/* One of several. */
struct part {
	struct node_waiter waiter;
	struct nodes_waiter *whole;
};

static void part_done(struct node_waiter *w, struct shard *s, struct node *n,
	enum store_status status)
{
	struct part *p = container_of(w, struct part, waiter);
	struct nodes_waiter *whole = p->whole;

	free(p);
	if (status != STORE_OK && status != STORE_NOT_FOUND)
		whole->status = status;
	if (!--whole->left)
		whole->run(whole, s, whole->status);
}

static void wait_part(struct node *n, struct nodes_waiter *whole)
{
	struct part *p = xcalloc(1, sizeof *p);

	p->waiter.run = part_done;
	p->whole = whole;
	whole->left++;
	list_add(&n->waiting, &p->waiter.link);
	n->n_waiting++;
}

void nodes_wait(struct shard *s, struct jid account, const struct str *names, size_t n_names,
	struct nodes_waiter *w)
{
	struct node **fresh = arena_alloc(&s->loop.turn, n_names * sizeof *fresh);
	size_t n_fresh = 0;

	BUG_ON(n_names > STORE_NODE_NAMES_MAX);
	w->left = 1;
	w->status = STORE_OK;
	for (size_t i = 0; i < n_names; i++) {
		bool is_fresh;
		struct node *n = want(s, NODE_OF_ACCOUNT, account, names[i], &is_fresh);
		if (is_fresh)
			fresh[n_fresh++] = n;
		if (is_fresh || (n->loading && n->n_waiting < NODE_WAITING_MAX))
			wait_part(n, w);
		else if (n->loading)
			w->status = STORE_FULL;
	}
	load(s, account, fresh, n_fresh);
	if (!--w->left)
		w->run(w, s, w->status);
}

/* ---- the end of what they belong to ---- */

void nodes_forget(struct shard *s, struct jid account)
{
	struct map_node *next;

	for (struct map_node *i = map_next(&s->nodes, NULL); i; i = next) {
		struct node *n = container_of(i, struct node, map);
		next = map_next(&s->nodes, i);
		if (!jid_eq(n->owner, account))
			continue;
		if (n->loading) /* it will not be there */
			take_out(n);
		else
			node_end(n);
	}
}

/* A node lost something in the store: on its owner. */
struct loss {
	struct mail mail;
	struct jid owner;          /* texts behind the struct */
	struct str name;
};

static void lost(struct shard *s, struct jid owner, struct str name)
{
	struct node *n = find(s, owner, name);

	if (n && !n->absent)
		node_reload(n);
}

static void loss_arrived(struct mail *m, void *receiver)
{
	struct loss *l = container_of(m, struct loss, mail);

	lost(receiver, l->owner, l->name);
	free(l);
}

static void tell_loss(struct shard *s, struct jid owner, struct str name)
{
	enum node_kind kind = owner.n_local ? NODE_OF_ACCOUNT : NODE_OF_SERVICE;
	struct shard *to = node_owner_shard(s->core, kind, owner, name);
	struct str text = jid_str(owner);

	if (to == s) {
		lost(s, owner, name);
		return;
	}
	struct loss *l = xcalloc(1, sizeof *l + text.n + name.n);
	char *at = (char *)(l + 1);
	l->owner = owner;
	l->owner.p = memcpy(at, text.p, text.n);
	l->name = str_from(memcpy(at + text.n, name.p, name.n), name.n);
	l->mail = (struct mail){ .run = loss_arrived,
		.bytes = (uint32_t)(sizeof *l + text.n + name.n) };
	shard_post(s, to, &l->mail);
}

static void forgot_person(struct store_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct jid owner;

	for (size_t i = 0; op->status == STORE_OK && i < op->n_nodes; i++)
		if (jid_parse(op->users[i], &op->mem, &owner))
			tell_loss(s, owner, op->nodes[i].name);
	store_op_free(op);
}

void nodes_forget_person(struct shard *s, struct jid bare)
{
	store_nodes_forget(s->core->store, store_op_new(&s->loop.inbox, forgot_person, 0),
		jid_bare_str(bare));
}

/* ---- of a shard ---- */

void nodes_init(struct shard *s)
{
	map_init(&s->nodes, node_key);
	timer_init(&s->expiry, expiry_fired);
}

void nodes_free(struct shard *s)
{
	struct map_node *next;

	timer_stop(&s->loop.wheel, &s->expiry);
	for (struct map_node *i = map_next(&s->nodes, NULL); i; i = next) {
		struct node *n = container_of(i, struct node, map);
		next = map_next(&s->nodes, i);
		n->held = 0; /* what held it comes home no more */
		node_end(n);
	}
	map_clear(&s->nodes);
	free(s->published);
	s->published = NULL;
}

/* ---- requests ---- */

/* One that is on its way to the owner, or waits there. */
struct asking {
	struct node_waiter waiter;
	struct mail mail;
	struct later *later;
	node_run *run;
	enum node_kind kind;
	struct jid owner;          /* texts behind the struct */
	struct str name;
};

static void run_request(struct node_request *q, node_run *run)
{
	if (q->kind == NODE_OF_ACCOUNT && !account_get(q->shard, q->owner))
		node_refuse(q, &(struct stanza_refusal){ .error = ERR_SERVICE_UNAVAILABLE });
	else
		run(q);
	if (q->later)
		later_free(&q->later);
}

static void asking_done(struct node_waiter *w, struct shard *s, struct node *n,
	enum store_status status)
{
	struct asking *k = container_of(w, struct asking, waiter);
	struct node_request q = { .shard = s, .iq = k->later->iq, .who = k->later->iq->from,
		.kind = k->kind, .owner = k->owner, .name = k->name, .node = n, .later = k->later };
	struct stanza *iq = stanza_ref(q.iq); /* who takes `later` may answer and free it */

	if (n || status == STORE_NOT_FOUND) {
		run_request(&q, k->run);
	} else {
		struct stanza_refusal why = node_store_refusal(status);
		later_refuse(&q.later, &why);
	}
	stanza_unref(&iq);
	free(k);
}

static void asking_arrived(struct mail *m, void *receiver)
{
	struct asking *k = container_of(m, struct asking, mail);

	k->later->shard = receiver;
	node_wait(receiver, k->kind, k->owner, k->name, &k->waiter);
}

static void ask_on(struct ctx *c, const struct stanza *iq, const struct node_request *q,
	node_run *run)
{
	struct shard *to = node_owner_shard(c->shard->core, q->kind, q->owner, q->name);
	struct str owner = jid_str(q->owner);
	struct asking *k = xcalloc(1, sizeof *k + owner.n + q->name.n);
	char *text = (char *)(k + 1);

	k->waiter.run = asking_done;
	k->later = later_new(c, iq);
	k->run = run;
	k->kind = q->kind;
	k->owner = q->owner;
	k->owner.p = memcpy(text, owner.p, owner.n);
	k->name = str_from(memcpy(text + owner.n, q->name.p, q->name.n), q->name.n);
	k->mail = (struct mail){ .run = asking_arrived, .bytes = (uint32_t)(sizeof *k + owner.n +
		q->name.n + iq->doc.n_bytes) };
	if (to == c->shard)
		node_wait(to, k->kind, k->owner, k->name, &k->waiter);
	else
		shard_post(c->shard, to, &k->mail);
}

enum outcome node_request(struct ctx *c, const struct stanza *iq, struct str name, node_run *run)
{
	bool service = c->host->service == SERVICE_OF_NODES;
	struct node_request q = { .shard = c->shard, .iq = iq, .who = iq->from, .name = name,
		.kind = service ? NODE_OF_SERVICE : NODE_OF_ACCOUNT };

	if (!service && (!c->account || c->account->guest))
		return refuse(c, iq, ERR_SERVICE_UNAVAILABLE, STR(""));
	q.owner = service ? jid_of_domain(c->host->domain) : c->account->jid;
	if (node_owner_shard(c->shard->core, q.kind, q.owner, name) == c->shard)
		q.node = node_get(c->shard, q.owner, name);
	if (!q.node) {
		ask_on(c, iq, &q, run);
		return LATER;
	}
	touch(q.node);
	run_request(&q, run);
	return LATER; /* or answered: whoever asks takes both for done */
}

static struct ctx ctx_of(const struct node_request *q)
{
	return (struct ctx){ .shard = q->shard };
}

void node_ok(struct node_request *q)
{
	struct ctx c = ctx_of(q);

	reply_ok(&c, q->iq);
}

struct writer node_reply(struct node_request *q)
{
	struct ctx c = ctx_of(q);

	return reply_open(&c, q->iq);
}

void node_send(struct node_request *q, struct writer *w)
{
	struct ctx c = ctx_of(q);

	reply_send(&c, w, q->iq);
}

void node_refuse(struct node_request *q, const struct stanza_refusal *why)
{
	bounce_with(q->shard, q->iq, why);
}

struct later *node_later(struct node_request *q)
{
	struct later *l = q->later;
	struct ctx c = ctx_of(q);

	q->later = NULL;
	return l ? l : later_new(&c, q->iq);
}

void later_refuse(struct later **l, const struct stanza_refusal *why)
{
	bounce_with((*l)->shard, (*l)->iq, why);
	later_free(l);
}

void later_settle(struct later **l, enum store_status status)
{
	if (status != STORE_OK) {
		struct stanza_refusal why = node_store_refusal(status);
		later_refuse(l, &why);
		return;
	}
	struct ctx c = later_ctx(*l);
	reply_ok(&c, (*l)->iq);
	later_free(l);
}

struct stanza_refusal node_not_found(void)
{
	return (struct stanza_refusal){ .error = ERR_ITEM_NOT_FOUND };
}

struct stanza_refusal node_store_refusal(enum store_status status)
{
	switch (status) {
	case STORE_NOT_FOUND:
		return node_not_found();
	case STORE_EXISTS:
		return (struct stanza_refusal){ .error = ERR_CONFLICT };
	case STORE_FULL:
		return (struct stanza_refusal){ .error = ERR_RESOURCE_CONSTRAINT,
			.text = STR("there is no room for more") };
	default:
		return (struct stanza_refusal){ .error = ERR_INTERNAL_SERVER_ERROR,
			.text = STR("it could not be stored") };
	}
}
