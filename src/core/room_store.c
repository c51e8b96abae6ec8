/* Rooms in the store: loading and writing, and who is in them over a planned restart. */
#include "core/room_archive.h"
#include "core/room_private.h"

#include "base/bug.h"
#include "core/route.h"
#include "xmpp/form.h"

#include <stdlib.h>

#define FORM      "http://jabber.org/protocol/muc#roomconfig"
#define SEATS     "seats" /* the space of who is in the room */

/* ---- from the store ---- */

/* The stored form is read as the child of an element. */
bool room_read_config(struct shard *s, struct room_config *c, struct str xml, const char **why)
{
	struct arena *turn = &s->loop.turn;
	struct str text = str_printf(turn, "<message>%.*s</message>", STR_FMT(xml));
	struct stanza *st = stanza_scan(&s->scratch_table, text, turn);
	const struct xml_node *form = st ? form_find(&st->doc, stanza_root(st), STR(FORM), turn) : NULL;

	*why = "it has none";
	bool ok = form && room_config_read(c, &st->doc, form, turn, why);
	stanza_unref(&st);
	return ok;
}

static void read_config(struct room *r, struct str xml)
{
	struct shard *s = r->shard;
	const char *why;

	if (!room_read_config(s, &r->config, xml, &why))
		log_error(&s->log, "room", F_STR("room", jid_str(r->jid)),
			F_STR("error", STR("its configuration cannot be read")), F_C("why", why));
}

static char *own(struct str s)
{
	return s.n ? strndup(s.p, s.n) : NULL;
}

static void read_member(struct room *r, const struct store_affiliation *in)
{
	enum affiliation a;
	struct jid j;

	if (!jid_parse(in->jid, &r->shard->loop.turn, &j) || !affiliation_parse(in->affiliation, &a))
		return;
	struct member *m = room_member_new(r, j);
	m->affiliation = a;
	if (!role_parse(in->role, &m->role))
		m->role = ROLE_NONE;
	room_member_set_nick(r, m, in->nick);
	m->reason = own(in->reason);
	m->version = in->version;
}

/* What save_seat() wrote. */
static void read_seat(struct room *r, struct str key, struct str bytes)
{
	struct shard *s = r->shard;
	ptrdiff_t end = str_find(bytes, '\n');
	enum role role;
	struct jid full;

	if (end < 0 || !role_parse(str_from(bytes.p, (size_t)end), &role) ||
		!jid_parse(key, &s->loop.turn, &full))
		return;
	struct stanza *st = stanza_scan(&s->scratch_table, str_skip(bytes, (size_t)end + 1),
		&s->loop.turn);
	struct seat *seat = st && jid_is_set(st->to)
		? room_seat_new(r, full, jid_resource(st->to), role, st) : NULL;
	if (seat)
		seat->occupant->told = room_is_shown(seat->occupant);
	stanza_unref(&st);
}

static void read_datum(struct room *r, const struct store_datum *d)
{
	module_each(m, r->shard->core, room_space)
		if (str_eq(d->space, str_c(m->room_space)))
			m->room_load(r, d->key, d->bytes);
}

static void forgotten(struct store_op *op, void *receiver)
{
	store_op_free(op);
}

/* They are in memory now; after a crash they are not in the room any more. */
static void forget_seats(struct room *r, struct store_datum *data, size_t n)
{
	struct shard *s = r->shard;
	size_t seats = 0;

	for (size_t i = 0; i < n; i++)
		if (str_eq(data[i].space, STR(SEATS)))
			data[seats++] = (struct store_datum){ STR(SEATS), data[i].key, STR_NULL };
	if (seats)
		store_room_save(s->core->store, store_op_new(&s->loop.inbox, forgotten, 0),
			jid_domain(r->jid), jid_local(r->jid), NULL, NULL, 0, data, seats);
}

static void read_room(struct room *r, struct store_room *in)
{
	struct shard *s = r->shard;

	room_config_default(&r->config);
	read_config(r, in->config);
	if (in->key.n == sizeof r->key)
		memcpy(r->key, in->key.p, sizeof r->key);
	r->created_us = in->created_us;
	r->version = in->version;
	r->counted = in->occupants;
	r->told = in->version;
	r->remembers = in->version;
	if (in->subject.n)
		r->subject = stanza_scan(&s->scratch_table, in->subject, &s->loop.turn);
	r->subject_us = in->subject_us;
	for (size_t i = 0; i < in->n_affiliations; i++)
		read_member(r, &in->affiliations[i]);
	for (size_t i = 0; i < in->n_data; i++) {
		if (str_eq(in->data[i].space, STR(SEATS)))
			read_seat(r, in->data[i].key, in->data[i].bytes);
		else
			read_datum(r, &in->data[i]);
	}
	forget_seats(r, in->data, in->n_data);
}

static void loaded(struct store_op *op, void *receiver)
{
	struct room *r = *(struct room **)op->ctx;

	if (op->status == STORE_OK) {
		read_room(r, &op->room);
		room_archive_read_past(r);
	} else if (op->status == STORE_NOT_FOUND) {
		room_archive_clean(r);
	} else {
		room_loaded(r, op->status);
	}
	store_op_free(op);
}

void room_load(struct room *r)
{
	struct shard *s = r->shard;
	struct store_op *op = store_op_new(&s->loop.inbox, loaded, sizeof r);

	*(struct room **)op->ctx = r;
	store_room_load(s->core->store, op, jid_domain(r->jid), jid_local(r->jid));
}

/* ---- to the store ---- */

struct writing {
	struct room *room;  /* room.writing keeps it */
	room_done *done;    /* or NULL */
	void *ctx;
};

static void answer(struct shard *s, enum store_status status, void *ctx)
{
	struct later *l = ctx;
	struct ctx c = later_ctx(l);

	if (status == STORE_OK)
		reply_ok(&c, l->iq);
	else
		refuse(&c, l->iq, status == STORE_FULL ? ERR_RESOURCE_CONSTRAINT
			: ERR_INTERNAL_SERVER_ERROR, STR("it could not be stored"));
	later_free(&l);
}

static void written(struct store_op *op, void *receiver)
{
	struct writing *w = op->ctx;
	struct room *r = w->room;

	if (w->done)
		w->done(r->shard, op->status, w->ctx);
	if (op->status != STORE_OK)
		log_error(&r->shard->log, "room", F_STR("room", jid_str(r->jid)),
			F_STR("error", STR("it could not be stored")));
	room_wrote(r, op->status != STORE_OK);
	store_op_free(op);
}

static struct store_room row_of(const struct room *r, struct buf *config, struct buf *subject)
{
	struct writer w = w_on(config);

	w_open_ns(&w, "x", NS_DATA);
	w_attr(&w, "type", STR("submit"));
	room_config_write(&r->config, &w, CONFIG_TO_STORE);
	w_close(&w);
	if (r->subject)
		stanza_write(subject, r->subject, r->subject->from, (struct jid){ 0 }, NS_NONE);
	return (struct store_room){
		.title = str_c(r->config.name ? r->config.name : ""),
		.about = str_c(r->config.desc ? r->config.desc : ""),
		.listed = r->config.listed && !r->locked,
		.persistent = r->config.persistent,
		.occupants = r->occupants.n,
		.config = buf_str(config),
		.subject = buf_str(subject),
		.subject_us = r->subject_us,
		.key = str_from((const char *)r->key, sizeof r->key),
		.created_us = r->created_us,
		.version = r->version,
	};
}

static struct str text_of(const char *s)
{
	return s ? str_c(s) : STR("");
}

/* Takes members whose entries have changed, at most max; returns how many. */
static size_t take_changed(struct room *r, struct store_affiliation *out, size_t max)
{
	size_t n = 0;

	for (struct map_node *at = map_next(&r->members, NULL); at && n < max;
		at = map_next(&r->members, at)) {
		struct member *m = container_of(at, struct member, node);
		if (!m->changed)
			continue;
		m->changed = false;
		out[n++] = (struct store_affiliation){ .jid = jid_str(m->jid),
			.affiliation = room_member_is_nothing(m) ? STR("")
				: affiliation_name(m->affiliation),
			.role = m->role == ROLE_NONE ? STR("") : role_name(m->role),
			.nick = text_of(m->nick), .reason = text_of(m->reason),
			.version = m->version };
	}
	return n;
}

/* One operation, with as much as fits in it. */
static void write_some(struct room *r, struct store_affiliation *changes, size_t n, room_done *done,
	void *ctx)
{
	struct shard *s = r->shard;
	struct store_op *op = store_op_new(&s->loop.inbox, written, sizeof(struct writing));
	struct buf config, subject;

	*(struct writing *)op->ctx = (struct writing){ r, done, ctx };
	buf_init(&config, STORE_ROOM_CONFIG_MAX);
	buf_init(&subject, STORE_ROOM_SUBJECT_MAX);
	/* With the members too: their version is in the row. */
	struct store_room row = row_of(r, &config, &subject);
	r->row_changed = false;
	r->counted = r->occupants.n;
	r->writing++;
	store_room_save(s->core->store, op, jid_domain(r->jid), jid_local(r->jid), &row, changes, n,
		NULL, 0);
	buf_clear(&config);
	buf_clear(&subject);
}

static void write_changes(struct room *r, room_done *done, void *ctx)
{
	size_t max = r->members_changed ? r->members.n : 0;
	struct store_affiliation *changes = NULL;
	size_t n;

	if (max > STORE_ROOM_CHANGES_MAX)
		max = STORE_ROOM_CHANGES_MAX;
	if (max)
		changes = xmalloc(max * sizeof *changes);
	r->members_changed = false;
	while ((n = take_changed(r, changes, max)) == STORE_ROOM_CHANGES_MAX)
		write_some(r, changes, n, NULL, NULL);
	write_some(r, changes, n, done, ctx);
	free(changes);
}

void room_commit_then(struct room *r, room_done *done, void *ctx)
{
	if (r->row_changed || r->members_changed)
		write_changes(r, done, ctx);
	else if (done)
		done(r->shard, STORE_OK, ctx);
}

void room_commit(struct room *r, struct later *later)
{
	if (later && r->unsaved)
		room_write_all(r);
	else if (later && r->writing) /* behind what is on its way, which may be the same change */
		r->row_changed = true;
	room_commit_then(r, later ? answer : NULL, later);
}

void room_write_all(struct room *r)
{
	for (struct map_node *n = map_next(&r->members, NULL); n; n = map_next(&r->members, n))
		container_of(n, struct member, node)->changed = true;
	timer_stop(&r->shard->loop.wheel, &r->timer);
	r->unsaved = false;
	r->row_changed = true;
	r->members_changed = true;
}

/* ---- over a planned restart ---- */

static void save_seat(const struct seat *seat, struct store_datum *d, struct buf *b)
{
	const struct occupant *o = seat->occupant;
	struct room *r = o->room;

	buf_reset(b);
	buf_add(b, role_name(o->role));
	buf_byte(b, '\n');
	stanza_write(b, seat->presence, seat->full, room_address(o, &r->shard->loop.turn), NS_NONE);
	*d = (struct store_datum){ STR(SEATS), jid_str(seat->full),
		str_dup(&r->shard->loop.turn, buf_str(b)) };
}

static void saved(struct store_op *op, void *receiver)
{
	struct shard *s = receiver;

	if (op->status != STORE_OK)
		log_error(&s->log, "room",
			F_STR("error", STR("who is in it could not be saved, and has to enter again")));
	store_op_free(op);
}

static void save(struct room *r)
{
	struct shard *s = r->shard;
	struct store_datum *data = arena_alloc(&s->loop.turn, r->seats.n * sizeof *data);
	struct buf b;
	size_t n = 0;

	buf_init(&b, STORE_BYTES_MAX);
	list_each(o, &r->in_order, struct occupant, link)
		list_each(seat, &o->seats, struct seat, link)
			save_seat(seat, &data[n++], &b);
	for (size_t at = 0, some; at < n; at += some) {
		some = n - at < STORE_CHANGES_MAX ? n - at : STORE_CHANGES_MAX;
		store_room_save(s->core->store, store_op_new(&s->loop.inbox, saved, 0),
			jid_domain(r->jid), jid_local(r->jid), NULL, NULL, 0, data + at, some);
	}
	buf_clear(&b);
	arena_reset(&s->loop.turn);
}

void rooms_save(struct core *c)
{
	for (unsigned i = 0; i < c->n_shards; i++) {
		struct map *rooms = &c->shards[i]->rooms;
		for (struct map_node *n = map_next(rooms, NULL); n; n = map_next(rooms, n)) {
			struct room *r = container_of(n, struct room, node);
			if (r->ready && r->seats.n)
				save(r);
		}
	}
}

/* ---- for rooms of which only the address is known ---- */

/* Something to be done in a room, on its owner, when it is loaded. */
struct errand {
	struct mail mail;
	struct room_waiter waiter;
	struct jid room; /* text inline */
	struct jid gone; /* likewise: who has no address any more; or unset, for nothing */
};

static void arrived(struct room_waiter *w, struct shard *s, struct room *r, enum store_status status)
{
	struct errand *e = container_of(w, struct errand, waiter);

	if (r && jid_is_set(e->gone)) {
		room_affiliate(r, e->gone, AFFILIATION_NONE, (struct jid){ 0 }, STR_NULL);
		room_register_nick(r, e->gone, STR_NULL);
	}
	free(e);
}

static void set_out(struct mail *m, void *receiver)
{
	struct errand *e = container_of(m, struct errand, mail);

	room_wait(receiver, e->room, &e->waiter);
}

static void send_errand(struct shard *s, struct jid room, struct jid gone)
{
	struct str text = jid_str(room), who = jid_is_set(gone) ? jid_str(gone) : STR("");
	struct errand *e = xcalloc(1, sizeof *e + text.n + who.n);

	e->room = room;
	e->room.p = memcpy(e + 1, text.p, text.n);
	e->gone = gone;
	if (who.n)
		e->gone.p = memcpy((char *)(e + 1) + text.n, who.p, who.n);
	e->waiter.run = arrived;
	e->mail = (struct mail){ .run = set_out, .bytes = (uint32_t)(sizeof *e + text.n + who.n) };
	if (shard_owns(s, room))
		set_out(&e->mail, s);
	else
		shard_post(s, shard_of(s->core, room), &e->mail);
}

static void found(struct store_op *op, void *receiver)
{
	struct jid room, gone = { 0 };

	if (op->jid.n && !jid_parse(op->jid, &op->mem, &gone))
		BUG("an address that was one");
	for (size_t i = 0; i < op->n_users; i++)
		if (jid_parse(op->users[i], &op->mem, &room))
			send_errand(receiver, room, gone);
	store_op_free(op);
}

/* A temporary room that nobody was in when the server stopped, because it crashed, ends as soon as
 * it is loaded. */
void rooms_restore(struct core *c)
{
	struct shard *s = c->shards[0];

	store_rooms_with(c->store, store_op_new(&s->loop.inbox, found, 0), STR(SEATS));
	store_rooms_temporary(c->store, store_op_new(&s->loop.inbox, found, 0));
}

void rooms_forget(struct shard *s, struct jid bare)
{
	store_rooms_of(s->core->store, store_op_new(&s->loop.inbox, found, 0), jid_str(bare));
}
