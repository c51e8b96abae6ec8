#include "core/account.h"

#include "base/bug.h"
#include "base/clock.h"
#include "core/client.h"
#include "core/module.h"
#include "core/node.h"
#include "core/presence.h"
#include "core/room.h"

#include <stdlib.h>

/* ---- residence ---- */

struct account *account_find(struct shard *s, struct jid j)
{
	struct map_node *n = map_get(&s->accounts, jid_bare_str(j));

	return n ? container_of(n, struct account, node) : NULL;
}

struct account *account_get(struct shard *s, struct jid j)
{
	struct account *a = account_find(s, j);

	return a && a->ready && !a->gone ? a : NULL;
}

static void unload_modules(struct account *a)
{
	module_each(m, a->shard->core, unload)
		m->unload(a);
}

static void account_free(struct account *a)
{
	BUG_ON(a->n_sessions || a->n_waiting);
	unload_modules(a);
	timer_stop(&a->shard->loop.wheel, &a->idle);
	timer_stop(&a->shard->loop.wheel, &a->again);
	map_del(&a->shard->accounts, &a->node);
	uncount(a->shard, COUNT_ACCOUNTS);
	roster_clear(&a->roster);
	free(a->last_status);
	free(a);
}

static void last_stored(struct store_op *op, void *receiver)
{
	store_op_free(op);
}

/* Not at each logout: a write costs more than the login before it. A crash loses what is not
 * a minute old. */
static void store_last(struct account *a)
{
	struct shard *s = a->shard;

	if (!a->last_is_news || a->guest)
		return;
	a->last_is_news = false;
	store_set_last(s->core->store, store_op_new(&s->loop.inbox, last_stored, 0),
		jid_domain(a->jid), jid_local(a->jid), a->last_us,
		a->last_status ? str_c(a->last_status) : STR(""));
}

void accounts_save(struct shard *s)
{
	for (struct map_node *n = map_next(&s->accounts, NULL); n; n = map_next(&s->accounts, n))
		store_last(container_of(n, struct account, node));
}

/* Nobody has used it for a while. What waits or is on its way keeps it. */
static void idle_fired(struct timer *t)
{
	struct account *a = container_of(t, struct account, idle);

	if (a->n_sessions)
		return;
	if (a->n_waiting || a->held || a->loading) {
		timer_set(&a->shard->loop.wheel, &a->idle, a->shard->loop.now, ACCOUNT_IDLE_MS);
		return;
	}
	store_last(a);
	account_free(a);
}

void account_stay(struct account *a)
{
	if (!a->n_sessions)
		timer_set(&a->shard->loop.wheel, &a->idle, a->shard->loop.now, ACCOUNT_IDLE_MS);
}

static struct account *account_new(struct shard *s, struct jid j)
{
	struct str text = jid_bare_str(j);
	struct account *a = xcalloc(1, sizeof *a + text.n);

	BUG_ON(!shard_owns(s, j));
	memcpy(a + 1, text.p, text.n);
	a->jid = jid_bare(j);
	a->jid.p = (char *)(a + 1);
	a->shard = s;
	list_init(&a->sessions);
	list_init(&a->waiting);
	roster_init(&a->roster);
	timer_init(&a->idle, idle_fired);
	map_put(&s->accounts, &a->node);
	count(s, COUNT_ACCOUNTS);
	return a;
}

struct account *account_new_guest(struct shard *s, struct jid j)
{
	struct account *a = account_new(s, j);

	a->guest = true;
	a->ready = true;
	account_stay(a);
	return a;
}

/* ---- loading ---- */

static void run_waiting(struct shard *s, struct list *waiting, struct account *a,
	enum store_status status)
{
	while (!list_empty(waiting)) {
		struct waiter *w = list_first(waiting, struct waiter, link);
		list_del(&w->link);
		w->run(w, s, a, status);
	}
}

/* There is no such account, or it could not be read. */
static void load_failed(struct account *a, enum store_status status)
{
	struct shard *s = a->shard;
	struct list waiting;

	list_take(&a->waiting, &waiting);
	a->n_waiting = 0;
	account_free(a);
	run_waiting(s, &waiting, NULL, status);
}

static void load_module(struct account *a, const struct module *m,
	const struct store_account *stored)
{
	for (size_t i = 0; i < stored->n_data; i++)
		if (str_eq(stored->data[i].space, str_c(m->space)))
			m->load(a, stored->data[i].key, stored->data[i].bytes);
}

static void fill(struct account *a, const struct store_account *stored)
{
	unload_modules(a);
	module_each(m, a->shard->core, space)
		load_module(a, m, stored);
	roster_clear(&a->roster);
	roster_load(a, stored);
	a->last_us = stored->last_us;
	free(a->last_status);
	a->last_status = NULL;
	if (stored->last_status.n) {
		a->last_status = xcalloc(1, stored->last_status.n + 1);
		memcpy(a->last_status, stored->last_status.p, stored->last_status.n);
	}
}

static void loaded(struct store_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct account *a = account_find(s, *(struct jid *)op->ctx);

	BUG_ON(!a || !a->loading); /* loading keeps it */
	a->loading = false;
	if (op->status == STORE_OK) {
		fill(a, &op->account);
		if (!a->ready) {
			a->ready = true;
			account_stay(a);
			a->n_waiting = 0;
			run_waiting(s, &a->waiting, a, STORE_OK);
		}
	} else if (!a->ready) {
		load_failed(a, op->status);
		a = NULL;
	}
	if (a)
		account_settle(a);
	store_op_free(op);
}

static void load(struct account *a)
{
	struct shard *s = a->shard;
	struct store_op *op = store_op_new(&s->loop.inbox, loaded, sizeof(struct jid));

	a->loading = true;
	*(struct jid *)op->ctx = jid_dup(&op->mem, a->jid);
	store_load(s->core->store, op, jid_domain(a->jid), jid_local(a->jid));
}

void account_reload(struct account *a)
{
	if (a->loading || a->guest)
		return;
	log_warn(&a->shard->log, "roster_reloaded", F_STR("account", jid_str(a->jid)),
		F_STR("why", STR("a change could not be stored")));
	load(a);
}

void account_wait(struct shard *s, struct jid j, struct waiter *w)
{
	struct account *a = account_find(s, j);

	if (a && a->ready && !a->gone) {
		account_stay(a);
		w->run(w, s, a, STORE_OK);
		return;
	}
	if (!a) {
		a = account_new(s, j);
		load(a);
	}
	if (a->n_waiting >= ACCOUNT_WAITING_MAX) {
		w->run(w, s, NULL, STORE_FULL);
		return;
	}
	a->n_waiting++;
	list_add(&a->waiting, &w->link);
}

void account_gone(struct account *a)
{
	a->guest = true; /* nothing more of it is stored */
	while (a->roster.n)
		subscription_remove(a, a->roster.items[0], NULL);
	module_each(m, a->shard->core, deleted)
		m->deleted(a);
	while (!list_empty(&a->sessions))
		session_close(list_first(&a->sessions, struct session, link),
			STREAM_NOT_AUTHORIZED, "the account was deleted");
	rooms_forget(a->shard, a->jid);
	nodes_forget(a->shard, a->jid);
	nodes_forget_person(a->shard, a->jid);
	struct list waiting;
	list_take(&a->waiting, &waiting);
	a->n_waiting = a->waiting_bytes = 0;
	a->gone = true;
	run_waiting(a->shard, &waiting, NULL, STORE_NOT_FOUND);
	account_settle(a);
}

/* A deleted account leaves once nothing is on its way to it any more. Who has asked for an
 * account of this name meanwhile gets the one that the store has by now. */
void account_settle(struct account *a)
{
	if (!a->gone || a->held || a->loading)
		return;
	if (!a->n_waiting) {
		account_free(a);
		return;
	}
	a->gone = a->guest = a->ready = false;
	load(a);
}

void accounts_free(struct shard *s)
{
	struct map_node *n;

	while ((n = map_next(&s->accounts, NULL))) {
		struct account *a = container_of(n, struct account, node);
		while (!list_empty(&a->sessions))
			session_end(list_first(&a->sessions, struct session, link));
		struct list waiting;
		list_take(&a->waiting, &waiting);
		a->n_waiting = 0;
		account_free(a);
		run_waiting(s, &waiting, NULL, STORE_FAILED);
	}
}

bool account_may_see(const struct account *a, struct jid who)
{
	if (!a)
		return false;
	if (jid_eq_bare(a->jid, who))
		return true;
	const struct contact *c = roster_find(&a->roster, jid_bare(who));
	return c && (c->subscription & SUB_FROM);
}
