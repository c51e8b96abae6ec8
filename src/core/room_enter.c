/* Who is in a room: entering and leaving, nicknames, and the presence that all are told of it
 * (XEP-0045 sections 7.2, 7.6, 7.7, 7.14). */
#include "core/room_private.h"

#include "base/bug.h"
#include "base/digest.h"
#include "base/hash.h"
#include "core/audience.h"
#include "core/route.h"
#include "xml/extract.h"
#include "xmpp/edit.h"

#include <stdlib.h>

/* ---- the structs ---- */

static struct str occupant_key(const struct map_node *n)
{
	return container_of(n, struct occupant, node)->nick;
}

static struct str seat_key(const struct map_node *n)
{
	return jid_str(container_of(n, struct seat, node)->full);
}

void room_init_occupants(struct room *r)
{
	map_init(&r->occupants, occupant_key);
	map_init(&r->seats, seat_key);
}

struct occupant *room_occupant(const struct room *r, struct str nick)
{
	struct map_node *n = map_get(&r->occupants, nick);

	return n ? container_of(n, struct occupant, node) : NULL;
}

struct seat *room_seat(const struct room *r, struct jid full)
{
	struct map_node *n = map_get(&r->seats, jid_str(full));

	return n ? container_of(n, struct seat, node) : NULL;
}

struct occupant *room_occupant_of(const struct room *r, struct jid bare)
{
	list_each(o, &r->in_order, struct occupant, link)
		if (jid_eq_bare(o->bare, bare))
			return o;
	return NULL;
}

static struct seat *first_seat(const struct occupant *o)
{
	return container_of(o->seats.next, struct seat, link);
}

/* XEP-0421 section 4.1: stable, and nothing that tells who it is without the room's key. */
static void make_id(struct occupant *o)
{
	static const char hex[] = "0123456789abcdef";
	struct str key = str_from((const char *)o->room->key, sizeof o->room->key);
	uint8_t mac[DIGEST_MAX];

	digest_hmac(DIGEST_SHA256, key, jid_str(o->bare), mac);
	for (unsigned i = 0; i < OCCUPANT_ID_LEN; i += 2) {
		o->id[i] = hex[mac[i / 2] >> 4];
		o->id[i + 1] = hex[mac[i / 2] & 15];
	}
}

static char *own(struct str s)
{
	char *p = xmalloc(s.n + 1);

	memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

static struct occupant *occupant_new(struct room *r, struct jid who, struct str nick, enum role role)
{
	struct occupant *o = xcalloc(1, sizeof *o);

	o->room = r;
	o->role = role;
	o->bare = jid_bare(who);
	o->bare.p = own(jid_bare_str(who));
	o->nick = str_from(own(nick), nick.n);
	list_init(&o->seats);
	make_id(o);
	map_put(&r->occupants, &o->node);
	list_add(&r->in_order, &o->link);
	return o;
}

static void forget_shown(struct occupant *o)
{
	stanza_unref(&o->shown);
	stanza_unref(&o->shown_jid);
}

static void seat_free(struct seat *seat)
{
	struct occupant *o = seat->occupant;
	struct room *r = o->room;

	audience_unref(&r->everybody);
	map_del(&r->seats, &seat->node);
	list_del(&seat->link);
	o->n_seats--;
	uncount(r->shard, COUNT_OCCUPANTS);
	stanza_unref(&seat->presence);
	free(seat);
}

static void occupant_free(struct occupant *o)
{
	struct room *r = o->room;

	while (!list_empty(&o->seats))
		seat_free(first_seat(o));
	map_del(&r->occupants, &o->node);
	list_del(&o->link);
	forget_shown(o);
	free((char *)o->bare.p);
	free((char *)o->nick.p);
	free(o);
}

void room_free_occupants(struct room *r)
{
	while (!list_empty(&r->in_order))
		occupant_free(list_first(&r->in_order, struct occupant, link));
	audience_unref(&r->everybody); /* it was made while nobody was in */
	map_clear(&r->occupants);
	map_clear(&r->seats);
}

struct seat *room_seat_new(struct room *r, struct jid full, struct str nick, enum role role,
	struct stanza *presence)
{
	struct occupant *o = room_occupant(r, nick);
	struct str text = jid_str(full);

	if (o && (!jid_eq_bare(o->bare, full) || o->n_seats >= ROOM_SEATS_MAX))
		return NULL;
	if (!o)
		o = occupant_new(r, full, nick, role);
	struct seat *seat = xcalloc(1, sizeof *seat + text.n);
	seat->occupant = o;
	seat->presence = stanza_ref(presence);
	seat->full = full;
	seat->full.p = memcpy(seat + 1, text.p, text.n);
	list_add(o->seats.next, &seat->link); /* in front */
	o->n_seats++;
	map_put(&r->seats, &seat->node);
	audience_unref(&r->everybody);
	count(r->shard, COUNT_OCCUPANTS);
	forget_shown(o);
	return seat;
}

/* ---- what presence says ---- */

struct jid room_address(const struct occupant *o, struct arena *a)
{
	return jid_make(a, jid_local(o->room->jid), jid_domain(o->room->jid), o->nick);
}

bool room_shows_jids(const struct room *r, const struct occupant *to)
{
	return r->config.anyone_sees_jids || to->role == MODERATOR;
}

bool room_is_shown(const struct occupant *o)
{
	return o->room->config.shown & 1u << o->role;
}

/* All that presence may have in it besides what the occupant says. */
struct showing {
	bool unavailable;
	bool self;                  /* for himself */
	enum muc_status codes[8];
	unsigned n_codes;
	struct jid actor;           /* or unset */
	struct str reason, nick;    /* null slices: none. nick: a new one */
	struct str status;          /* with unavailable: XML */
	const struct room_end *end; /* or NULL */
};

static void add_code(struct showing *x, enum muc_status code)
{
	unsigned at = x->n_codes++;

	BUG_ON(x->n_codes > sizeof x->codes / sizeof x->codes[0]);
	for (; at && x->codes[at - 1] > code; at--)
		x->codes[at] = x->codes[at - 1];
	x->codes[at] = code;
}

static void write_item(struct writer *w, const struct occupant *o, const struct showing *x, bool jid)
{
	const struct room *r = o->room;
	const struct occupant *actor = jid_is_set(x->actor) ? room_occupant_of(r, x->actor) : NULL;
	enum role role = x->unavailable && !x->nick.p ? ROLE_NONE : o->role;

	w_open(w, "item");
	w_attr(w, "affiliation", affiliation_name(x->end ? AFFILIATION_NONE
		: room_affiliation(r, o->bare)));
	w_attr(w, "role", role_name(role));
	w_attr(w, "jid", jid && !x->end ? jid_str(first_seat(o)->full) : STR_NULL);
	w_attr(w, "nick", x->nick);
	if (actor) {
		w_open(w, "actor");
		w_attr(w, "nick", actor->nick);
		w_close(w);
	}
	if (x->reason.p)
		w_leaf(w, "reason", x->reason);
	w_close(w);
}

void room_write_codes(struct writer *w, const enum muc_status *codes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		w_open(w, "status");
		w_attr_u64(w, "code", codes[i]);
		w_close(w);
	}
}

static void write_end(struct writer *w, const struct room_end *end)
{
	w_open(w, "destroy");
	w_attr(w, "jid", jid_is_set(end->alternate) ? jid_str(end->alternate) : STR_NULL);
	if (end->password.p)
		w_leaf(w, "password", end->password);
	if (end->reason.p)
		w_leaf(w, "reason", end->reason);
	w_close(w);
}

/* XEP-0463 section 5.2: where the affiliations change from and to, or where they are now. */
static void write_version(struct writer *w, const struct room *r, const struct showing *x)
{
	if (r->told != r->version)
		room_write_version(r, w, &r->told, r->version);
	else if (x->self && !x->unavailable)
		room_write_version(r, w, NULL, r->version);
}

/* The elements that the room adds (section 7.2.2, XEP-0421 section 3.1). */
static void write_added(struct writer *w, const struct occupant *o, const struct showing *x, bool jid)
{
	w_open_ns(w, "x", NS_MUC_USER);
	write_item(w, o, x, jid);
	room_write_codes(w, x->codes, x->n_codes);
	if (x->end)
		write_end(w, x->end);
	write_version(w, o->room, x);
	w_close(w);
	w_open_ns(w, "occupant-id", NS_OCCUPANT_ID);
	w_attr(w, "id", str_from(o->id, sizeof o->id));
	w_close(w);
	module_each(m, o->room->shard->core, room_presence)
		m->room_presence(o, w);
}

static struct stanza *scan(struct shard *s)
{
	struct stanza *st = stanza_scan(&s->scratch_table, buf_str(&s->scratch), &s->loop.turn);

	BUG_ON(!st);
	return st;
}

static struct stanza *make_unavailable(const struct occupant *o, const struct showing *x, bool jid)
{
	struct shard *s = o->room->shard;

	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	stanza_open(&w, STANZA_PRESENCE, "unavailable", room_address(o, &s->loop.turn),
		(struct jid){ 0 }, STR_NULL);
	w_raw(&w, x->status);
	write_added(&w, o, x, jid);
	w_close(&w);
	return scan(s);
}

static struct stanza *make_available(const struct occupant *o, const struct showing *x, bool jid)
{
	struct shard *s = o->room->shard;

	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	write_added(&w, o, x, jid);
	struct str added = str_dup(&s->loop.turn, buf_str(&s->scratch));
	buf_reset(&s->scratch);
	stanza_write_with(&s->scratch, first_seat(o)->presence, room_address(o, &s->loop.turn),
		(struct jid){ 0 }, NS_NONE, added);
	return scan(s);
}

static struct stanza *make(const struct occupant *o, const struct showing *x, bool jid)
{
	return x->unavailable ? make_unavailable(o, x, jid) : make_available(o, x, jid);
}

/* The presence of an occupant as it is, kept until it changes. */
static struct stanza *shown(struct occupant *o, bool jid)
{
	struct stanza **at = jid ? &o->shown_jid : &o->shown;

	if (!*at)
		*at = make(o, &(struct showing){ 0 }, jid);
	return *at;
}

/* ---- who is told ---- */

/* All clients of the others, those who see JIDs and those who do not. In one block, which is not the
 * turn's: many occupants may be told of in one. */
struct others {
	struct jid *plain, *jid;
	size_t n_plain, n_jid;
};

static struct others others_of(const struct occupant *o)
{
	const struct room *r = o->room;
	struct others a = { .plain = xmalloc(2 * r->seats.n * sizeof *a.plain) };

	a.jid = a.plain + r->seats.n;
	list_each(other, &r->in_order, struct occupant, link) {
		bool jid = room_shows_jids(r, other);
		if (other == o)
			continue;
		list_each(seat, &other->seats, struct seat, link) {
			if (jid)
				a.jid[a.n_jid++] = seat->full;
			else
				a.plain[a.n_plain++] = seat->full;
		}
	}
	return a;
}

static void tell_part(struct occupant *o, const struct showing *x, bool jid, const struct jid *to,
	size_t n)
{
	const struct room *r = o->room;
	bool as_is = !x->unavailable && !x->n_codes && !x->reason.p && !jid_is_set(x->actor) &&
		     r->told == r->version;

	if (!n)
		return;
	struct stanza *st = as_is ? stanza_ref(shown(o, jid)) : make(o, x, jid);
	route_each(r->shard, st, to, n);
	stanza_unref(&st);
}

static void tell_audience(struct occupant *o, const struct showing *x)
{
	struct others a = others_of(o);

	tell_part(o, x, false, a.plain, a.n_plain);
	tell_part(o, x, true, a.jid, a.n_jid);
	free(a.plain);
}

/* Somebody whose role is shown no more has left, as far as the others are told; and who leaves is
 * one of whom they have been told. */
static void tell_others(struct occupant *o, const struct showing *x)
{
	bool show = room_is_shown(o);

	if (x->unavailable ? o->told : show || o->told)
		tell_audience(o, show ? x : &(struct showing){ .unavailable = true });
	o->told = show && !x->unavailable;
}

/* One client of the occupant: about himself. */
static void tell_seat(struct seat *seat, const struct showing *of)
{
	struct occupant *o = seat->occupant;
	struct showing x = *of;

	x.self = true;
	add_code(&x, STATUS_SELF);
	struct stanza *st = make(o, &x, room_shows_jids(o->room, o));
	route_to(o->room->shard, st, seat->full);
	stanza_unref(&st);
}

static void tell_self(struct occupant *o, const struct showing *x)
{
	list_each(seat, &o->seats, struct seat, link)
		tell_seat(seat, x);
}

static void tell_all(struct occupant *o, const struct showing *x)
{
	tell_others(o, x);
	tell_self(o, x);
}

void room_show_again(struct occupant *o, struct jid actor, struct str reason)
{
	forget_shown(o);
	tell_all(o, &(struct showing){ .actor = actor, .reason = reason });
}

/* ---- entering (section 7.2) ---- */

bool room_is_entering(const struct stanza *presence)
{
	return xml_child(&presence->doc, stanza_root(presence), NS_MUC, TAG_X);
}

/* What only a room may say in an occupant's presence. */
static bool is_the_rooms(const struct stanza *s, const struct xml_node *child, void *ctx)
{
	return child->ns == NS_MUC || child->ns == NS_MUC_USER || child->ns == NS_OCCUPANT_ID ||
	       child->ns == NS_HATS;
}

/* A reference to the presence without that. */
static struct stanza *clean(struct room *r, struct stanza *presence)
{
	struct stanza *st = stanza_ref(presence);

	stanza_drop_children(&st, is_the_rooms, NULL, &r->shard->scratch_table);
	return st;
}

static bool knows_password(struct room *r, const struct stanza *st)
{
	struct arena *turn = &r->shard->loop.turn;
	const struct xml_node *x = xml_child(&st->doc, stanza_root(st), NS_MUC, TAG_X);
	const struct xml_node *p = xml_child(&st->doc, x, NS_MUC, TAG_PASSWORD);
	struct str given = p ? xml_text(&st->doc, p, turn) : STR("");
	struct str wanted = str_c(r->config.secret ? r->config.secret : "");

	return given.n == wanted.n && equal_secret(given.p, wanted.p, wanted.n);
}

static bool is_full(const struct room *r)
{
	uint32_t max = r->shard->settings->room_occupants_max;

	if (r->config.max_users && r->config.max_users < max)
		max = r->config.max_users;
	return r->occupants.n >= max;
}

/* Who comes and goes makes everybody in the room be told each time. What is remembered outlives the
 * stay, and is shared by the few whose hashes meet. */
static bool comes_too_often(struct room *r, struct jid who)
{
	struct shard *s = r->shard;
	uint64_t at = hash_keyed(jid_str(r->jid)) ^ hash_keyed(jid_str(who));

	if (!s->entered)
		s->entered = xcalloc(ROOM_ENTERED, sizeof *s->entered);
	return !room_spend(&s->entered[at % ROOM_ENTERED], s->loop.now,
		s->settings->room_rate ? ROOM_ENTRIES_PER_SECOND : 0);
}

/* Whether somebody may have a nickname; ERR_COUNT: he may. */
static enum stanza_error nick_fault(const struct room *r, struct str nick, struct jid who)
{
	const struct occupant *o = room_occupant(r, nick);

	if (room_nick_is_taken(r, who, nick))
		return ERR_CONFLICT;
	if (o && o->n_seats >= ROOM_SEATS_MAX)
		return ERR_RESOURCE_CONSTRAINT;
	return ERR_COUNT;
}

/* Table 9; ERR_COUNT: he may enter. */
static enum stanza_error why_not(struct room *r, const struct stanza *st, struct str nick)
{
	struct jid who = jid_bare(st->from);
	enum affiliation a = room_power(r, who);

	if (a == OUTCAST)
		return ERR_FORBIDDEN;
	if (r->locked && a != OWNER)
		return ERR_ITEM_NOT_FOUND;
	if (r->config.members_only && a < MEMBER)
		return ERR_REGISTRATION_REQUIRED;
	if (r->config.has_secret && !knows_password(r, st))
		return ERR_NOT_AUTHORIZED;
	if (is_full(r) && a < ADMIN && !room_occupant(r, nick)) /* section 7.2.9 */
		return ERR_SERVICE_UNAVAILABLE;
	enum stanza_error e = nick_fault(r, nick, who);
	return e == ERR_COUNT && comes_too_often(r, who) ? ERR_RESOURCE_CONSTRAINT : e;
}

static void tell_presences(struct room *r, struct seat *seat)
{
	struct shard *s = r->shard;
	struct stanza **all = arena_alloc(&s->loop.turn, r->occupants.n * sizeof(struct stanza *));
	bool jid = room_shows_jids(r, seat->occupant);
	size_t n = 0;

	list_each(o, &r->in_order, struct occupant, link)
		if (o != seat->occupant && room_is_shown(o))
			all[n++] = shown(o, jid);
	route_all(s, all, n, seat->full);
}

static struct showing entry_of(const struct room *r)
{
	struct showing x = { 0 };

	if (r->config.anyone_sees_jids)
		add_code(&x, STATUS_NON_ANONYMOUS);
	if (r->config.logged)
		add_code(&x, STATUS_LOGGED);
	if (r->locked)
		add_code(&x, STATUS_CREATED);
	return x;
}

/* The order of events (section 7.1). others: they are to be told of it. */
static void welcome(struct room *r, struct seat *seat, const struct stanza *st, bool others)
{
	struct occupant *o = seat->occupant;
	struct showing x = entry_of(r);

	module_each(m, r->shard->core, room_entering)
		m->room_entering(seat, st);
	tell_presences(r, seat);
	if (others) {
		tell_others(o, &(struct showing){ 0 });
		list_each(own, &o->seats, struct seat, link)
			if (own != seat)
				tell_seat(own, &(struct showing){ 0 });
	}
	tell_seat(seat, &x);
	room_tell_past(r, seat, st);
}

static void enter(struct room *r, struct stanza *st, struct str nick)
{
	enum stanza_error e = why_not(r, st, nick);

	if (e != ERR_COUNT) {
		room_bounce(r->shard, st, e, STR(""));
		return;
	}
	struct stanza *presence = clean(r, st);
	struct seat *seat = room_seat_new(r, st->from, nick, room_role_at_entry(r, jid_bare(st->from)),
		presence);
	stanza_unref(&presence);
	BUG_ON(!seat);
	welcome(r, seat, st, true);
}

/* ---- presence of those who are there ---- */

/* The newest presence is the occupant's. */
static void take_presence(struct seat *seat, struct stanza *st)
{
	struct occupant *o = seat->occupant;
	struct stanza *presence = clean(o->room, st);

	stanza_unref(&seat->presence);
	seat->presence = presence;
	list_del(&seat->link);
	list_add(o->seats.next, &seat->link);
	forget_shown(o);
}

/* ---- nicknames (section 7.6) ---- */

void room_rename(struct occupant *o, struct str nick)
{
	struct room *r = o->room;
	struct showing x = { .unavailable = true, .nick = nick };
	char *old = (char *)o->nick.p;

	add_code(&x, STATUS_NICK_CHANGED);
	tell_all(o, &x);
	map_del(&r->occupants, &o->node);
	o->nick = str_from(own(nick), nick.n);
	map_put(&r->occupants, &o->node);
	free(old);
	forget_shown(o);
	tell_all(o, &(struct showing){ 0 });
}

/* False: it is refused. */
static bool change_nick(struct seat *seat, struct stanza *st, struct str nick)
{
	struct room *r = seat->occupant->room;
	enum stanza_error e = room_occupant(r, nick) ? ERR_CONFLICT
		: nick_fault(r, nick, jid_bare(st->from));

	if (e != ERR_COUNT) {
		room_bounce(r->shard, st, e, STR(""));
		return false;
	}
	take_presence(seat, st);
	room_rename(seat->occupant, nick);
	return true;
}

/* ---- presence of those who are not there ---- */

void room_tell_absent(struct shard *s, const struct stanza *presence, struct jid to,
	enum affiliation a)
{
	static const enum muc_status codes[] = { STATUS_SELF, STATUS_KICKED, STATUS_ERROR };

	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	stanza_open(&w, STANZA_PRESENCE, "unavailable", to, presence->from, STR_NULL);
	w_open_ns(&w, "x", NS_MUC_USER);
	w_open(&w, "item");
	w_attr(&w, "affiliation", affiliation_name(a));
	w_attr(&w, "role", role_name(ROLE_NONE));
	w_leaf(&w, "reason", STR("You are not in the room."));
	w_close(&w);
	room_write_codes(&w, codes, sizeof codes / sizeof codes[0]);
	w_close(&w);
	w_close(&w);
	route_text(s, buf_str(&s->scratch));
}

/* Whether a client says something else than before; its id is none of that. */
static bool is_news(const struct stanza *before, const struct stanza *now)
{
	return !str_eq(str_skip(str_from(before->doc.bytes, before->doc.n_bytes), before->body),
		str_skip(str_from(now->doc.bytes, now->doc.n_bytes), now->body));
}

/* Section 17.3, rule 3: it has lost what it knew of the room. */
static void enter_again(struct seat *seat, struct stanza *st)
{
	struct stanza *before = stanza_ref(seat->presence);

	take_presence(seat, st);
	welcome(seat->occupant->room, seat, st, is_news(before, seat->presence));
	stanza_unref(&before);
}

static void update(struct seat *seat, struct stanza *st, struct str nick)
{
	struct occupant *o = seat->occupant;
	bool again = room_is_entering(st);

	if (!str_eq(nick, o->nick)) {
		if (change_nick(seat, st, nick) && again)
			welcome(o->room, seat, st, false);
	} else if (again) {
		enter_again(seat, st);
	} else {
		take_presence(seat, st);
		tell_all(o, &(struct showing){ 0 });
	}
}

bool room_nick_is_visible(struct str nick)
{
	return str_trim(nick).n; /* OpaqueString has no other spaces */
}

static void available(struct room *r, struct stanza *st, struct jid to)
{
	struct seat *seat = room_seat(r, st->from);
	struct str nick = jid_resource(to);

	if (!room_nick_is_visible(nick))
		room_bounce(r->shard, st, ERR_JID_MALFORMED, STR("a nickname is missing"));
	else if (!seat && room_is_entering(st))
		enter(r, st, nick);
	else if (!seat)
		room_tell_absent(r->shard, st, to, room_affiliation(r, jid_bare(st->from)));
	else if (!room_may_send(seat->occupant))
		room_bounce(r->shard, st, ERR_RESOURCE_CONSTRAINT, STR("too many in a short time"));
	else
		update(seat, st, nick);
}

/* ---- leaving (section 7.14) ---- */

static struct showing showing_of(const struct leaving *what)
{
	struct showing x = { .unavailable = true };

	if (!what)
		return x;
	for (unsigned i = 0; i < what->n_codes; i++)
		add_code(&x, what->codes[i]);
	x.actor = what->actor;
	x.reason = what->reason;
	x.status = what->status;
	x.end = what->end;
	return x;
}

void room_remove(struct occupant *o, const struct leaving *what)
{
	struct showing x = showing_of(what);

	tell_all(o, &x);
	occupant_free(o);
}

void room_leave(struct seat *seat, const struct leaving *what)
{
	struct occupant *o = seat->occupant;
	bool was_first = seat == first_seat(o);
	struct showing x = showing_of(what);

	if (o->n_seats == 1) {
		room_remove(o, what);
		return;
	}
	tell_seat(seat, &x);
	seat_free(seat);
	if (was_first)
		room_show_again(o, (struct jid){ 0 }, STR_NULL);
}

static void remove_all(struct room *r, const struct showing *x)
{
	while (!list_empty(&r->in_order)) {
		struct occupant *o = list_first(&r->in_order, struct occupant, link);
		tell_self(o, x);
		occupant_free(o);
	}
}

void room_tell_end(struct room *r, const struct room_end *end)
{
	struct showing x = { .unavailable = true, .end = end };

	remove_all(r, &x);
}

void room_tell_shutdown(struct room *r)
{
	struct leaving what = { .codes = { STATUS_SHUTDOWN }, .n_codes = 1 };
	struct showing x = showing_of(&what);

	remove_all(r, &x);
}

/* His own words, as they came: written anew they could outgrow a stanza. */
static struct str status_of(struct shard *s, const struct stanza *st)
{
	const struct xml_node *el = xml_child(&st->doc, stanza_root(st), NS_CLIENT, TAG_STATUS);

	if (!el)
		return STR_NULL;
	buf_reset(&s->scratch);
	xml_extract(&s->scratch, &st->doc, el);
	return str_dup(&s->loop.turn, buf_str(&s->scratch));
}

static void unavailable(struct room *r, struct stanza *st)
{
	struct seat *seat = room_seat(r, st->from);

	if (seat && r->locked && r->seats.n == 1) /* section 10.1.3 */
		room_destroy(r, &(struct room_end){ 0 }, NULL, NULL);
	else if (seat)
		room_leave(seat, &(struct leaving){ .status = status_of(r->shard, st) });
}

/* ---- errors (sections 11.1 and 18.1.2) ---- */

bool room_is_gone(const struct stanza *error)
{
	static const uint16_t gone[] = { TAG_GONE, TAG_ITEM_NOT_FOUND, TAG_RECIPIENT_UNAVAILABLE,
		TAG_REDIRECT, TAG_REMOTE_SERVER_NOT_FOUND, TAG_REMOTE_SERVER_TIMEOUT,
		TAG_SERVICE_UNAVAILABLE }; /* the last one: of a resource that there is no more */
	const struct xml_doc *d = &error->doc;
	const struct xml_node *el = xml_child(d, stanza_root(error), NS_CLIENT, TAG_ERROR);

	for (size_t i = 0; el && i < sizeof gone / sizeof gone[0]; i++)
		if (xml_child(d, el, NS_STANZAS, gone[i]))
			return true;
	return false;
}

void room_lose(struct room *r, const struct stanza *error)
{
	struct seat *seat = room_seat(r, error->from);
	struct leaving what = { .codes = { STATUS_ERROR }, .n_codes = 1 };

	if (seat && room_is_gone(error))
		room_leave(seat, &what);
}

void room_presence(struct room *r, struct stanza *st, struct jid to)
{
	switch ((enum stanza_type)st->type) {
	case PRESENCE_AVAILABLE:
		available(r, st, to);
		break;
	case PRESENCE_UNAVAILABLE:
		unavailable(r, st);
		break;
	case PRESENCE_ERROR:
		room_lose(r, st);
		break;
	default: /* rooms have no use for subscriptions */
		break;
	}
}
