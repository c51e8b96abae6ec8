/* Which rooms there are: from the store into memory and out again; and what comes for them. */
#include "core/room.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/digest.h"
#include "core/archive.h"
#include "core/message.h"
#include "core/room_private.h"
#include "core/route.h"

#include <stdlib.h>

/* ---- in memory ---- */

static struct str room_key(const struct map_node *n)
{
	return jid_str(container_of(n, struct room, node)->jid);
}

void rooms_init(struct shard *s)
{
	map_init(&s->rooms, room_key);
}

static struct room *find(struct shard *s, struct jid j)
{
	struct map_node *n = map_get(&s->rooms, jid_bare_str(j));

	return n ? container_of(n, struct room, node) : NULL;
}

struct room *room_get(struct shard *s, struct jid bare)
{
	struct room *r = find(s, bare);

	return r && r->ready ? r : NULL;
}

struct host *room_host(const struct room *r)
{
	return settings_host(r->shard->settings, jid_domain(r->jid));
}

static void timer_fired(struct timer *t);

static struct room *room_alloc(struct shard *s, struct jid bare)
{
	struct str text = jid_bare_str(bare);
	struct room *r = xcalloc(1, sizeof *r + text.n);

	r->shard = s;
	r->jid = jid_bare(bare);
	r->jid.p = memcpy(r + 1, text.p, text.n);
	list_init(&r->in_order);
	list_init(&r->waiting);
	room_init_occupants(r);
	room_init_members(r);
	timer_init(&r->timer, timer_fired);
	map_put(&s->rooms, &r->node);
	count(s, COUNT_ROOMS);
	return r;
}

struct room *room_new(struct shard *s, struct jid bare, struct jid owner)
{
	struct room *r = room_alloc(s, bare);
	struct host *h = room_host(r);

	room_config_default(&r->config);
	r->config.archived = h && h->archive;
	random_bytes(r->key, sizeof r->key);
	r->created_us = clock_wall_us();
	r->row_changed = true;
	r->ready = true;
	if (jid_is_set(owner))
		room_affiliate(r, jid_bare(owner), OWNER, (struct jid){ 0 }, STR_NULL);
	return r;
}

static void room_free(struct room *r)
{
	struct shard *s = r->shard;

	module_each(m, s->core, room_unload)
		m->room_unload(r);
	timer_stop(&s->loop.wheel, &r->timer);
	room_free_occupants(r);
	room_free_members(r);
	room_free_past(r);
	room_config_clear(&r->config);
	free(r);
}

/* Nobody finds it any more. */
static void take_out(struct room *r)
{
	if (r->ended)
		return;
	r->ended = true;
	map_del(&r->shard->rooms, &r->node);
	uncount(r->shard, COUNT_ROOMS);
}

static void drop(struct room *r)
{
	take_out(r);
	if (!r->held)
		room_free(r);
}

/* ---- the end of a room ---- */

/* It may leave memory: nobody is in it, and all is written. */
static bool is_idle(const struct room *r)
{
	return list_empty(&r->in_order) && !r->writing && !r->unsaved && !r->n_waiting;
}

static void set_timer(struct room *r, uint64_t ms)
{
	timer_set(&r->shard->loop.wheel, &r->timer, r->shard->loop.now, ms);
}

/* What time will bring for a room that stays. */
static void settle(struct room *r)
{
	if (r->unsaved)
		return; /* it is set already */
	if (list_empty(&r->in_order))
		set_timer(r, ROOM_IDLE_MS);
	else if (!r->locked)
		timer_stop(&r->shard->loop.wheel, &r->timer);
	else if (!timer_is_set(&r->timer))
		set_timer(r, ROOM_LOCK_MS);
}

void room_open(struct room *r)
{
	if (!r->locked)
		return;
	r->locked = false;
	r->row_changed = true;
}

static void timer_fired(struct timer *t)
{
	struct room *r = container_of(t, struct room, timer);

	room_hold(r);
	if (r->unsaved)
		room_write_all(r);
	else if (r->locked) /* section 10.1.1: the default configuration was accepted */
		room_open(r);
	else if (is_idle(r))
		take_out(r);
	room_release(r);
}

struct erasure {
	void (*done)(struct shard *s, enum store_status status, void *ctx);
	void *ctx;
	struct str room; /* in the operation */
};

static void deleted(struct store_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct erasure *e = op->ctx;
	struct jid room;

	if (op->status != STORE_OK) {
		log_error(&s->log, "room", F_STR("room", e->room),
			F_STR("error", STR("it could not be deleted")));
		if (e->done)
			e->done(s, op->status, e->ctx);
	} else if (jid_parse(e->room, &s->loop.turn, &room)) {
		archive_erase(s, room, e->done, e->ctx);
	}
	store_op_free(op);
}

static void erase(struct shard *s, struct jid room,
	void (*done)(struct shard *s, enum store_status status, void *ctx), void *ctx)
{
	struct store_op *op = store_op_new(&s->loop.inbox, deleted, sizeof(struct erasure));

	*(struct erasure *)op->ctx = (struct erasure){ done, ctx, str_dup(&op->mem, jid_str(room)) };
	store_room_delete(s->core->store, op, jid_domain(room), jid_local(room));
}

void room_destroy(struct room *r, const struct room_end *end,
	void (*done)(struct shard *s, enum store_status status, void *ctx), void *ctx)
{
	struct shard *s = r->shard;

	room_hold(r);
	take_out(r);
	room_tell_end(r, end);
	module_each(m, s->core, room_ended)
		m->room_ended(r);
	erase(s, r->jid, done, ctx);
	room_release(r);
}

void room_wrote(struct room *r, bool failed)
{
	r->writing--;
	if (r->ended) {
		if (!r->writing && !r->held)
			room_free(r);
	} else if (failed) {
		r->unsaved = true;
		set_timer(r, ROOM_RETRY_MS);
	}
}

/* ---- one thing after the other ---- */

void room_hold(struct room *r)
{
	r->held++;
}

/* The last occupant of a temporary room has gone. A new one waits for the first. */
static bool is_over(const struct room *r)
{
	return list_empty(&r->in_order) && !r->config.persistent;
}

/* What came while it was held, one by one: each may change all. Once it has ended, another room may
 * get its address, but not before all is erased: that is for a load to wait for. */
static bool let_in(struct room *r)
{
	struct room_waiter *w = list_first(&r->waiting, struct room_waiter, link);

	if (!w || !r->ready)
		return false;
	list_del(&w->link);
	r->n_waiting--;
	if (r->ended)
		room_wait(r->shard, r->jid, w);
	else
		w->run(w, r->shard, r, STORE_OK);
	return true;
}

/* The store knows about how many are in rooms that may be found (XEP-0433): to a factor of two, and
 * whether there is anybody. */
static void note_occupants(struct room *r)
{
	uint32_t now = r->occupants.n, then = r->counted;

	if (r->config.listed && (now > 2 * then || then > 2 * now))
		r->row_changed = true;
}

void room_release(struct room *r)
{
	BUG_ON(!r->held);
	if (r->held > 1) {
		r->held--;
		return;
	}
	while (let_in(r))
		;
	if (!r->ended && r->ready && is_over(r))
		room_destroy(r, &(struct room_end){ 0 }, NULL, NULL);
	if (!r->ended && r->ready) {
		note_occupants(r);
		room_commit(r, NULL);
		settle(r);
	}
	r->held--;
	if (r->ended && !r->writing)
		room_free(r);
}

void room_wait(struct shard *s, struct jid bare, struct room_waiter *w)
{
	struct room *r = find(s, bare);

	if (!r) {
		r = room_alloc(s, bare);
		list_add(&r->waiting, &w->link);
		r->n_waiting++;
		room_load(r);
		return;
	}
	if (r->ready && !r->held) {
		room_hold(r);
		w->run(w, s, r, STORE_OK);
		room_release(r);
		return;
	}
	if (r->n_waiting >= ROOM_WAITING_MAX) {
		w->run(w, s, NULL, STORE_FULL);
		return;
	}
	list_add(&r->waiting, &w->link);
	r->n_waiting++;
}

/* There is no room for them, unless one of them makes it. */
static void refuse_waiting(struct shard *s, struct list *waiting, struct jid bare,
	enum store_status status)
{
	while (!list_empty(waiting)) {
		struct room_waiter *w = list_first(waiting, struct room_waiter, link);
		list_del(&w->link);
		if (find(s, bare))
			room_wait(s, bare, w);
		else
			w->run(w, s, NULL, status);
	}
}

void room_loaded(struct room *r, enum store_status status)
{
	struct shard *s = r->shard;
	struct jid bare = jid_dup(&s->loop.turn, r->jid);
	struct list waiting;

	if (status == STORE_OK) {
		r->ready = true;
		room_hold(r);
		room_release(r); /* lets them in */
		return;
	}
	list_take(&r->waiting, &waiting);
	drop(r);
	refuse_waiting(s, &waiting, bare, status);
}

/* ---- refusals ---- */

/* Where the examples of XEP-0045 and XEP-0410 differ from RFC 6120: as long as a room is full, or
 * whoever asks is not in it, the same request in other words is of no use. */
static struct str type_of(enum stanza_error e)
{
	switch (e) {
	case ERR_SERVICE_UNAVAILABLE:
		return STR("wait");
	case ERR_NOT_ACCEPTABLE:
		return STR("cancel");
	default:
		return stanza_error_type(e);
	}
}

void room_refuse(struct shard *s, const struct stanza *st, const struct stanza_refusal *why)
{
	struct stanza_refusal f = *why;

	if (!f.type.p)
		f.type = type_of(f.error);
	f.by = jid_bare(st->to);
	if (st->kind == STANZA_PRESENCE)
		f.before = STR("<x xmlns='http://jabber.org/protocol/muc'/>");
	bounce_with(s, st, &f);
}

void room_bounce(struct shard *s, const struct stanza *st, enum stanza_error e, struct str text)
{
	room_refuse(s, st, &(struct stanza_refusal){ .error = e, .text = text });
}

/* ---- where there is no room ---- */

bool room_may_create(struct shard *s, const struct host *h, struct jid who)
{
	if (host_administers(h, who))
		return true;
	switch (h->makers) {
	case BY_ANYBODY:
		return true;
	case BY_ACCOUNTS:
		return who.n_local && str_eq(jid_domain(who), h->home->domain);
	default:
		return false;
	}
}

static bool is_request(const struct stanza *st)
{
	return st->kind == STANZA_MESSAGE ? st->type != MESSAGE_ERROR
		: st->type == IQ_GET || st->type == IQ_SET;
}

static void create(struct shard *s, struct host *h, struct stanza *st, struct jid to)
{
	if (!room_nick_is_visible(jid_resource(to))) {
		room_bounce(s, st, ERR_JID_MALFORMED, STR("a nickname is missing"));
		return;
	}
	if (!room_is_entering(st)) {
		room_tell_absent(s, st, to, AFFILIATION_NONE);
		return;
	}
	if (!room_may_create(s, h, st->from)) {
		room_bounce(s, st, ERR_NOT_ALLOWED, STR("you may not make rooms here"));
		return;
	}
	struct room *r = room_new(s, to, st->from);
	r->locked = true;
	room_hold(r);
	room_presence(r, st, to);
	if (list_empty(&r->in_order)) /* he was refused: nothing is stored of it */
		take_out(r);
	room_release(r);
}

/* An occupant's address: who asks whether he is still in must not hear that it was the nickname
 * that is gone (XEP-0410 section 3.2). */
static enum stanza_error why_not(const struct stanza *st, struct jid to)
{
	return st->kind == STANZA_IQ && !jid_is_bare(to) ? ERR_NOT_ACCEPTABLE : ERR_ITEM_NOT_FOUND;
}

static void deliver_to_none(struct shard *s, struct stanza *st, struct jid to,
	enum store_status status)
{
	struct host *h = settings_host(s->settings, jid_domain(to));

	if (!h || h->service != SERVICE_OF_ROOMS)
		room_bounce(s, st, ERR_ITEM_NOT_FOUND, STR("there is no such room"));
	else if (status != STORE_NOT_FOUND)
		room_bounce(s, st, status == STORE_FULL ? ERR_RESOURCE_CONSTRAINT
			: ERR_INTERNAL_SERVER_ERROR, STR(""));
	else if (st->type == PRESENCE_AVAILABLE)
		create(s, h, st, to);
	else if (is_request(st))
		room_bounce(s, st, why_not(st, to), STR("there is no such room"));
}

/* ---- what comes for it ---- */

/* Sections 7.2.10 and 17.2, rule 3: before it is configured, there is no such room for others than
 * its owners, and who came in as one of them. */
static bool is_hidden_from(const struct room *r, struct jid who)
{
	return r->locked && room_affiliation(r, jid_bare(who)) != OWNER && !room_seat(r, who);
}

static void deliver_to_room(struct room *r, struct stanza *st, struct jid to)
{
	if (is_hidden_from(r, st->from) && is_request(st)) {
		room_bounce(r->shard, st, why_not(st, to), STR("there is no such room"));
		return;
	}
	switch ((enum stanza_kind)st->kind) {
	case STANZA_PRESENCE:
		room_presence(r, st, to);
		break;
	case STANZA_MESSAGE:
		room_message(r, st, to);
		break;
	case STANZA_IQ:
		room_iq(r, st, to);
		break;
	case STANZA_NONE:
		BUG("a stanza without kind");
	}
}

struct waiting_stanza {
	struct room_waiter waiter;
	struct stanza *stanza;
	struct jid to; /* text inline */
};

static bool is_served(const struct room *r, const struct settings *settings)
{
	const struct host *h = settings_host(settings, jid_domain(r->jid));

	return h && h->service == SERVICE_OF_ROOMS;
}

static void waited(struct room_waiter *w, struct shard *s, struct room *r, enum store_status status)
{
	struct waiting_stanza *ws = container_of(w, struct waiting_stanza, waiter);

	if (r && is_served(r, s->settings)) /* a reload may have come while it waited */
		deliver_to_room(r, ws->stanza, ws->to);
	else
		deliver_to_none(s, ws->stanza, ws->to, status);
	stanza_unref(&ws->stanza);
	free(ws);
}

static struct waiting_stanza *waiting_new(struct stanza *st, struct jid to)
{
	struct str text = jid_str(to);
	struct waiting_stanza *ws = xcalloc(1, sizeof *ws + text.n);

	ws->waiter.run = waited;
	ws->stanza = stanza_ref(st);
	ws->to = to;
	ws->to.p = memcpy(ws + 1, text.p, text.n);
	return ws;
}

/* What a room without occupants would throw away needs no room. */
static bool needs_room(const struct stanza *st)
{
	return st->type == PRESENCE_AVAILABLE || is_request(st);
}

void room_deliver(struct shard *s, struct host *h, struct stanza *st, struct jid to)
{
	struct room *r = find(s, to);

	if (r && r->ready && !r->held) {
		room_hold(r);
		deliver_to_room(r, st, to);
		room_release(r);
	} else if (r || needs_room(st)) {
		room_wait(s, to, &waiting_new(st, to)->waiter);
	}
}

void rooms_shut(struct shard *s, const struct settings *fresh)
{
	struct room **gone = arena_alloc(&s->loop.turn, s->rooms.n * sizeof(struct room *));
	struct map_node *n = NULL;
	size_t n_gone = 0;

	while ((n = map_next(&s->rooms, n))) {
		struct room *r = container_of(n, struct room, node);
		if (r->ready && !is_served(r, fresh)) {
			room_hold(r);
			gone[n_gone++] = r;
		}
	}
	for (size_t i = 0; i < n_gone; i++) {
		room_tell_shutdown(gone[i]);
		room_release(gone[i]);
	}
}

void rooms_free(struct shard *s)
{
	struct map_node *next;

	for (struct map_node *n = map_next(&s->rooms, NULL); n; n = next) {
		struct room *r = container_of(n, struct room, node);
		next = map_next(&s->rooms, n);
		while (!list_empty(&r->waiting)) {
			struct room_waiter *w = list_first(&r->waiting, struct room_waiter, link);
			list_del(&w->link);
			w->run(w, s, NULL, STORE_FAILED);
		}
		r->held = 0;
		drop(r);
	}
	map_clear(&s->rooms);
	free(s->entered);
}
