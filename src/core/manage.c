#include "core/manage.h"

#include "base/bug.h"
#include "base/clock.h"
#include "core/account.h"
#include "core/credentials.h"

#include <stdlib.h>

struct manage {
	struct job job;
	struct shard *shard;
	struct jid jid;       /* text inline, behind the struct */
	manage_done *done;
	void *ctx;
	bool create;
	struct scram_keys keys;
	size_t n;
	char password[JID_PART_MAX];
};

static void finish(struct manage *m, enum store_status status)
{
	m->done(m->shard, status, m->ctx);
	wipe(m, sizeof *m);
	free(m);
}

static void stored(struct store_op *op, void *receiver)
{
	struct manage *m = *(struct manage **)op->ctx;

	finish(m, op->status);
	store_op_free(op);
}

static struct manage *manage_new(struct shard *s, struct jid j, manage_done *done, void *ctx)
{
	struct str text = jid_bare_str(j);
	struct manage *m = xcalloc(1, sizeof *m + text.n);

	memcpy(m + 1, text.p, text.n);
	m->shard = s;
	m->jid = jid_bare(j);
	m->jid.p = (char *)(m + 1);
	m->done = done;
	m->ctx = ctx;
	return m;
}

static struct store_op *op_for(struct manage *m, void (*done)(struct store_op *, void *))
{
	struct store_op *op = store_op_new(&m->shard->loop.inbox, done, sizeof m);

	*(struct manage **)op->ctx = m;
	return op;
}

static void derive(struct job *j)
{
	struct manage *m = container_of(j, struct manage, job);

	scram_keys_make(str_from(m->password, m->n), &m->keys);
}

static void derived(struct job *j, void *receiver)
{
	struct manage *m = container_of(j, struct manage, job);
	struct store_key keys[STORE_HASHES];
	struct store *store = m->shard->core->store;

	keys_to_store(&m->keys, keys);
	if (m->create)
		store_account_create(store, op_for(m, stored), jid_domain(m->jid),
			jid_local(m->jid), keys, clock_wall_us());
	else
		store_set_keys(store, op_for(m, stored), jid_domain(m->jid), jid_local(m->jid), keys);
}

static void with_password(struct shard *s, struct jid j, struct str password, bool create,
	manage_done *done, void *ctx)
{
	struct manage *m = manage_new(s, j, done, ctx);

	BUG_ON(password.n > sizeof m->password);
	m->create = create;
	m->n = password.n;
	memcpy(m->password, password.p, password.n);
	m->job = (struct job){ .home = &s->loop.inbox, .work = derive, .done = derived };
	if (!jobs_submit(s->core->jobs, &m->job))
		finish(m, STORE_FULL);
}

void manage_create(struct shard *s, struct jid j, struct str password, manage_done *done, void *ctx)
{
	with_password(s, j, password, true, done, ctx);
}

void manage_password(struct shard *s, struct jid j, struct str password, manage_done *done,
	void *ctx)
{
	with_password(s, j, password, false, done, ctx);
}

/* ---- deletion: load, so that the contacts are known; delete; tell ---- */

static void deleted(struct store_op *op, void *receiver)
{
	struct manage *m = *(struct manage **)op->ctx;
	struct shard *s = m->shard;
	struct jid j = jid_dup(&s->loop.turn, m->jid);
	bool ok = op->status == STORE_OK;

	finish(m, op->status); /* the answer goes out before the sessions end */
	store_op_free(op);
	struct account *a = ok ? account_get(s, j) : NULL;
	if (a)
		account_gone(a);
}

struct delete_waiter {
	struct waiter waiter;
	struct manage *m;
};

static void loaded(struct waiter *w, struct shard *s, struct account *a, enum store_status status)
{
	struct delete_waiter *d = container_of(w, struct delete_waiter, waiter);
	struct manage *m = d->m;

	free(d);
	if (a)
		store_account_delete(s->core->store, op_for(m, deleted), jid_domain(m->jid),
			jid_local(m->jid));
	else
		finish(m, status);
}

void manage_delete(struct shard *s, struct jid j, manage_done *done, void *ctx)
{
	struct delete_waiter *d = xcalloc(1, sizeof *d);

	BUG_ON(!shard_owns(s, j));
	d->m = manage_new(s, j, done, ctx);
	d->waiter.run = loaded;
	account_wait(s, j, &d->waiter);
}

/* ---- sessions ---- */

bool manage_kick(struct shard *s, struct jid j)
{
	struct account *a = account_get(s, j);
	bool any = false;

	for (struct list *l = a ? a->sessions.next : NULL; l && l != &a->sessions;) {
		struct session *session = container_of(l, struct session, link);
		l = l->next; /* closing frees the session */
		if (!jid_is_bare(j) && !jid_eq(session->full, j))
			continue;
		session_close(session, STREAM_POLICY_VIOLATION, "ended by the administrator");
		any = true;
		if (!jid_is_bare(j))
			break;
	}
	return any;
}
