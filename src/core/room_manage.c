#include "core/room_manage.h"

#include "base/bug.h"

#include <stdlib.h>

struct managing {
	struct room_waiter waiter;
	struct jid room, owner; /* texts inline, behind the struct */
	struct str reason;      /* inline too, or a null slice */
	void (*look)(struct room *r, void *ctx);
	room_done *done;
	void *ctx;
};

static char *put(char *at, struct str text)
{
	if (text.n)
		memcpy(at, text.p, text.n);
	return at + text.n;
}

static struct managing *managing_new(struct jid room, struct jid owner, struct str reason,
	room_done *done, void *ctx)
{
	struct str who = jid_is_set(owner) ? jid_bare_str(owner) : STR_NULL;
	struct str text = jid_bare_str(room);
	struct managing *m = xcalloc(1, sizeof *m + text.n + who.n + reason.n);
	char *at = (char *)(m + 1);

	m->room = jid_bare(room);
	m->room.p = at;
	at = put(at, text);
	if (who.n) {
		m->owner = jid_bare(owner);
		m->owner.p = at;
		at = put(at, who);
	}
	if (reason.n) {
		m->reason = str_from(at, reason.n);
		put(at, reason);
	}
	m->done = done;
	m->ctx = ctx;
	return m;
}

static void begin(struct shard *s, struct managing *m,
	void (*run)(struct room_waiter *w, struct shard *s, struct room *r, enum store_status status))
{
	BUG_ON(!shard_owns(s, m->room));
	m->waiter.run = run;
	room_wait(s, m->room, &m->waiter);
}

static void make(struct shard *s, struct managing *m)
{
	struct room *r = room_new(s, m->room, m->owner);

	room_hold(r);
	r->config.persistent = true;
	room_commit_then(r, m->done, m->ctx);
	room_release(r);
}

static void create(struct room_waiter *w, struct shard *s, struct room *r, enum store_status status)
{
	struct managing *m = container_of(w, struct managing, waiter);

	if (!r && status == STORE_NOT_FOUND)
		make(s, m);
	else
		m->done(s, r ? STORE_EXISTS : status, m->ctx);
	free(m);
}

void room_manage_create(struct shard *s, struct jid room, struct jid owner, room_done *done,
	void *ctx)
{
	begin(s, managing_new(room, owner, STR_NULL, done, ctx), create);
}

static void destroy(struct room_waiter *w, struct shard *s, struct room *r,
	enum store_status status)
{
	struct managing *m = container_of(w, struct managing, waiter);

	if (r)
		room_destroy(r, &(struct room_end){ .reason = m->reason }, m->done, m->ctx);
	else
		m->done(s, status, m->ctx);
	free(m);
}

void room_manage_destroy(struct shard *s, struct jid room, struct str reason, room_done *done,
	void *ctx)
{
	begin(s, managing_new(room, (struct jid){ 0 }, reason, done, ctx), destroy);
}

static void show(struct room_waiter *w, struct shard *s, struct room *r, enum store_status status)
{
	struct managing *m = container_of(w, struct managing, waiter);

	if (r) {
		m->look(r, m->ctx);
		room_commit_then(r, m->done, m->ctx);
	} else {
		m->done(s, status, m->ctx);
	}
	free(m);
}

void room_manage(struct shard *s, struct jid room, void (*look)(struct room *r, void *ctx),
	room_done *done, void *ctx)
{
	struct managing *m = managing_new(room, (struct jid){ 0 }, STR_NULL, done, ctx);

	m->look = look;
	begin(s, m, show);
}
