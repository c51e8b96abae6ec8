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

static void begin(struct shard *s, struct managing *m, void (*run)(struct room_waiter *w,
	struct shard *s, struct room *r, enum store_status status))
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

const char *room_manage_affiliate(struct room *r, struct jid whom, enum affiliation to,
	struct jid actor, struct str reason)
{
	if (to != OWNER && room_affiliation(r, whom) == OWNER && room_count(r, OWNER) == 1)
		return "a room keeps an owner; make another one first";
	if (!room_affiliate(r, whom, to, actor, reason))
		return "the room has as many affiliations as it may";
	return NULL;
}

/* ---- a census ---- */

struct counted {
	struct map_node node; /* room_census.rooms */
	struct str jid;
	uint32_t n;
};

static struct str counted_key(const struct map_node *n)
{
	return container_of(n, struct counted, node)->jid;
}

void room_census_write(const struct shard *s, struct buf *out)
{
	struct map_node *n = NULL;

	while ((n = map_next(&s->rooms, n))) {
		const struct room *r = container_of(n, struct room, node);
		if (!r->ready || !r->occupants.n)
			continue;
		buf_add(out, jid_str(r->jid));
		buf_printf(out, "\t%u\n", r->occupants.n);
	}
}

void room_census_init(struct room_census *c, struct str lines)
{
	ptrdiff_t tab, end;
	uint64_t n;

	map_init(&c->rooms, counted_key);
	arena_init(&c->mem, 4096);
	for (; (tab = str_find(lines, '\t')) >= 0; lines = str_skip(lines, (size_t)end + 1)) {
		struct counted *room = arena_alloc(&c->mem, sizeof *room);
		end = str_find(lines, '\n');
		if (end < tab || !str_to_u64(str_from(lines.p + tab + 1, (size_t)(end - tab - 1)),
					 UINT32_MAX, &n))
			return;
		*room = (struct counted){ .jid = str_head(lines, (size_t)tab), .n = (uint32_t)n };
		if (!map_get(&c->rooms, room->jid))
			map_put(&c->rooms, &room->node);
	}
}

uint32_t room_census_of(const struct room_census *c, struct str room)
{
	const struct map_node *n = map_get(&c->rooms, room);

	return n ? container_of(n, struct counted, node)->n : 0;
}

void room_census_clear(struct room_census *c)
{
	map_clear(&c->rooms);
	arena_clear(&c->mem);
}
