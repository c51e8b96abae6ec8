/* Messages in a room: what is passed on, what is kept, what who enters gets of it (XEP-0045
 * sections 7.2.13 to 7.2.16, 7.4, 7.5, 8.1). */
#include "core/room_private.h"

#include "base/bug.h"
#include "base/clock.h"
#include "core/archive.h"
#include "core/audience.h"
#include "core/message.h"
#include "core/room_archive.h"
#include "core/route.h"
#include "xmpp/datetime.h"
#include "xmpp/edit.h"

#include <stdlib.h>

#define CODES_MAX 1024 /* bytes of a message that has status codes alone */

/* ---- passing on ---- */

bool room_spend(uint64_t *spent_us, uint64_t now_ms, uint32_t rate)
{
	uint64_t now = now_ms * 1000;

	if (!rate)
		return true;
	if (*spent_us < now)
		*spent_us = now;
	if (*spent_us - now >= 1000000) /* what a second allows has been sent at once */
		return false;
	*spent_us += 1000000 / rate;
	return true;
}

bool room_may_send(struct occupant *o)
{
	struct shard *s = o->room->shard;

	return room_spend(&o->spent_us, s->loop.now, s->settings->room_rate);
}

/* What only the room may say in a message: who sent it, which id it has, and that it is late. */
static bool is_the_rooms(const struct stanza *s, const struct xml_node *child, void *ctx)
{
	struct room *r = ctx;
	struct arena *turn = &r->shard->loop.turn;
	enum xml_tag who = child->ns == NS_SID ? TAG_BY : TAG_FROM;
	struct jid by;

	if (child->ns == NS_MUC_USER || child->ns == NS_OCCUPANT_ID)
		return true;
	if (child->ns != NS_DELAY && (child->ns != NS_SID || child->tag != TAG_STANZA_ID))
		return false;
	return jid_parse(xml_attr_str(&s->doc, child, who, turn), turn, &by) &&
	       jid_eq_bare(by, r->jid);
}

/* A message as it goes on: from the occupant's address, with more in it. */
static struct stanza *pass(struct occupant *o, struct stanza *st, struct str added)
{
	struct room *r = o->room;
	struct shard *s = r->shard;
	struct stanza *clean = stanza_ref(st);

	stanza_drop_children(&clean, is_the_rooms, r, &s->scratch_table);
	buf_reset(&s->scratch);
	stanza_write_with(&s->scratch, clean, room_address(o, &s->loop.turn), (struct jid){ 0 },
		NS_NONE, added);
	stanza_unref(&clean);
	return stanza_scan(&s->scratch_table, buf_str(&s->scratch), &s->loop.turn);
}

static struct str ids_of(const struct occupant *o, uint64_t archive_id)
{
	const struct room *r = o->room;
	char id[ARCHIVE_ID_LEN];

	archive_id_format(archive_id, id);
	return str_printf(&r->shard->loop.turn,
		"<occupant-id xmlns='urn:xmpp:occupant-id:0' id='%.*s'/>"
		"<stanza-id xmlns='urn:xmpp:sid:0' by='%.*s' id='%.*s'/>",
		OCCUPANT_ID_LEN, o->id, STR_FMT(jid_str(r->jid)), ARCHIVE_ID_LEN, id);
}

static struct audience *everybody(struct room *r)
{
	struct jid *to = arena_alloc(&r->shard->loop.turn, r->seats.n * sizeof *to);
	size_t n = 0;

	list_each(o, &r->in_order, struct occupant, link)
		list_each(seat, &o->seats, struct seat, link)
			to[n++] = seat->full;
	return audience_new(r->shard, to, n);
}

void room_spread(struct room *r, struct stanza *st)
{
	if (!r->everybody)
		r->everybody = everybody(r);
	audience_tell(r->everybody, r->shard, st);
}

/* ---- from the room itself ---- */

static struct stanza *make(struct room *r, const char *type, struct str children)
{
	struct shard *s = r->shard;

	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	stanza_open(&w, STANZA_MESSAGE, type, r->jid, (struct jid){ 0 }, STR_NULL);
	w_raw(&w, children);
	w_close(&w);
	struct stanza *st = stanza_scan(&s->scratch_table, buf_str(&s->scratch), &s->loop.turn);
	BUG_ON(!st);
	st->archive_id = message_new_id(s); /* a recipient may keep it */
	return st;
}

void room_tell_some(struct room *r, const char *type, struct str children,
	bool (*wants)(const struct occupant *o))
{
	struct stanza *st = make(r, type, children);
	struct jid *to = xmalloc(r->seats.n * sizeof *to); /* not the turn's: it may be many */
	size_t n = 0;

	list_each(o, &r->in_order, struct occupant, link)
		list_each(seat, &o->seats, struct seat, link)
			if (wants(o))
				to[n++] = seat->full;
	route_each(r->shard, st, to, n);
	free(to);
	stanza_unref(&st);
}

void room_tell(struct room *r, const char *type, struct str children)
{
	struct stanza *st = make(r, type, children);

	room_spread(r, st);
	stanza_unref(&st);
}

void room_tell_codes(struct room *r, const enum muc_status *codes, size_t n)
{
	struct buf b;

	buf_init(&b, CODES_MAX);
	struct writer w = w_on(&b);
	w_open_ns(&w, "x", NS_MUC_USER);
	room_write_codes(&w, codes, n);
	w_close(&w);
	room_tell(r, "groupchat", buf_str(&b));
	buf_clear(&b);
}

void room_tell_one(struct room *r, struct jid to, struct str children)
{
	struct stanza *st = make(r, NULL, children);

	route_to(r->shard, st, to);
	stanza_unref(&st);
}

/* ---- the past ---- */

static void forget(struct past_message *p)
{
	stanza_unref(&p->stanza);
	stanza_unref(&p->late);
}

static void forget_oldest(struct room *r)
{
	r->past_bytes -= r->past[0].stanza->doc.n_bytes;
	forget(&r->past[0]);
	memmove(r->past, r->past + 1, --r->n_past * sizeof *r->past);
}

void room_free_past(struct room *r)
{
	for (uint32_t i = 0; i < r->n_past; i++)
		forget(&r->past[i]);
	free(r->past);
	stanza_unref(&r->subject);
}

uint32_t room_past_max(const struct room *r)
{
	uint32_t max = r->shard->settings->room_history_max;

	return r->config.max_history < max ? r->config.max_history : max;
}

void room_note_past(struct room *r, struct stanza *message)
{
	uint32_t max = room_past_max(r);

	while (r->n_past && (r->n_past >= max ||
		r->past_bytes + message->doc.n_bytes > ROOM_PAST_BYTES))
		forget_oldest(r);
	if (!max)
		return;
	if (r->n_past == r->past_cap) {
		r->past_cap = r->past_cap ? 2 * r->past_cap : 4;
		r->past = xrealloc(r->past, r->past_cap * sizeof *r->past);
	}
	r->past[r->n_past++] = (struct past_message){ stanza_ref(message), NULL };
	r->past_bytes += message->doc.n_bytes;
}

void room_forget_past(struct room *r, uint64_t archive_id)
{
	for (uint32_t i = 0; i < r->n_past; i++) {
		if (r->past[i].stanza->archive_id != archive_id)
			continue;
		r->past_bytes -= r->past[i].stanza->doc.n_bytes;
		forget(&r->past[i]);
		memmove(r->past + i, r->past + i + 1, (--r->n_past - i) * sizeof *r->past);
		return;
	}
}

/* The same message, with when it was sent (section 7.2.13). */
static struct stanza *late(struct room *r, struct stanza *st, uint64_t us)
{
	struct shard *s = r->shard;
	struct arena *turn = &s->loop.turn;
	struct str delay = str_printf(turn, "<delay xmlns='urn:xmpp:delay' from='%.*s' stamp='%.*s'/>",
		STR_FMT(jid_str(r->jid)), STR_FMT(datetime_format(turn, us)));

	buf_reset(&s->scratch);
	stanza_write_with(&s->scratch, st, st->from, (struct jid){ 0 }, NS_NONE, delay);
	struct stanza *out = stanza_scan(&s->scratch_table, buf_str(&s->scratch), turn);
	BUG_ON(!out);
	return out;
}

/* What of the past is asked for (section 7.2.14). */
struct wish {
	uint64_t chars, stanzas;
	uint64_t since_us;
};

static uint64_t number_in(struct room *r, const struct stanza *st, const struct xml_node *h,
	enum xml_tag name, uint64_t otherwise)
{
	uint64_t v;

	return str_to_u64(xml_attr_str(&st->doc, h, name, &r->shard->loop.turn), UINT32_MAX, &v) ? v
		: otherwise;
}

static struct wish wish_of(struct room *r, const struct stanza *entering)
{
	const struct xml_doc *d = &entering->doc;
	struct arena *turn = &r->shard->loop.turn;
	const struct xml_node *x = xml_child(d, stanza_root(entering), NS_MUC, TAG_X);
	const struct xml_node *h = x ? xml_child(d, x, NS_MUC, TAG_HISTORY) : NULL;
	struct wish w = { UINT64_MAX, UINT64_MAX, 0 };
	uint64_t now = clock_wall_us(), since;

	if (!h)
		return w;
	w.chars = number_in(r, entering, h, TAG_MAXCHARS, w.chars);
	w.stanzas = number_in(r, entering, h, TAG_MAXSTANZAS, w.stanzas);
	uint64_t seconds = number_in(r, entering, h, TAG_SECONDS, UINT64_MAX);
	if (seconds < now / 1000000)
		w.since_us = now - seconds * 1000000;
	if (datetime_parse(xml_attr_str(d, h, TAG_SINCE, turn), &since) && since > w.since_us)
		w.since_us = since;
	return w;
}

static struct stanza *late_of(struct room *r, struct past_message *p)
{
	if (!p->late)
		p->late = late(r, p->stanza, archive_id_stamp(p->stanza->archive_id));
	return p->late;
}

/* The whole stanza's length, with its address. */
static uint64_t chars_of(const struct stanza *st, struct jid to)
{
	return st->doc.n_bytes + strlen(" to=''") + jid_str(to).n;
}

/* Where in the past what is wished for begins. */
static uint32_t first_wished(struct room *r, const struct wish *w, struct jid to)
{
	uint32_t at = r->n_past;
	uint64_t chars = 0;

	while (at && r->n_past - at < w->stanzas) {
		struct past_message *p = &r->past[at - 1];
		if (archive_id_stamp(p->stanza->archive_id) < w->since_us)
			break;
		chars += chars_of(late_of(r, p), to);
		if (chars > w->chars)
			break;
		at--;
	}
	return at;
}

/* Section 7.2.15. */
static struct stanza *subject_of(struct room *r)
{
	return r->subject ? late(r, r->subject, r->subject_us)
		: make(r, "groupchat", STR("<subject/>"));
}

void room_tell_past(struct room *r, struct seat *seat, const struct stanza *entering)
{
	struct wish w = wish_of(r, entering);
	uint32_t first = first_wished(r, &w, seat->full);
	struct stanza **all = arena_alloc(&r->shard->loop.turn, (r->n_past - first + 1) * sizeof *all);
	size_t n = 0;

	for (uint32_t i = first; i < r->n_past; i++)
		all[n++] = late_of(r, &r->past[i]);
	struct stanza *subject = subject_of(r);
	all[n++] = subject;
	route_all(r->shard, all, n, seat->full);
	stanza_unref(&subject);
}

/* ---- to all (section 7.4) ---- */

bool room_is_subject(const struct stanza *st)
{
	const struct xml_node *root = stanza_root(st);

	return xml_child(&st->doc, root, root->ns, TAG_SUBJECT) &&
	       !xml_child(&st->doc, root, root->ns, TAG_BODY) &&
	       !xml_child(&st->doc, root, root->ns, TAG_THREAD);
}

static bool may_set_subject(const struct occupant *o)
{
	return o->role == MODERATOR || (o->role == PARTICIPANT && o->room->config.change_subject);
}

/* False: *why not. */
static bool may_pass(struct seat *seat, const struct stanza *st, struct stanza_refusal *why)
{
	struct occupant *o = seat->occupant;
	struct shard *s = o->room->shard;
	*why = (struct stanza_refusal){ .error = ERR_FORBIDDEN };
	if (room_is_subject(st) ? !may_set_subject(o) : o->role < PARTICIPANT)
		return false;
	if (!room_may_send(o)) {
		*why = (struct stanza_refusal){ ERR_RESOURCE_CONSTRAINT, .text = STR("not so fast") };
		return false;
	}
	module_each(m, s->core, room_accepts)
		if (!m->room_accepts(seat, st, why))
			return false;
	return true;
}

static void set_subject(struct room *r, struct stanza *passed)
{
	stanza_unref(&r->subject);
	r->subject = stanza_ref(passed);
	r->subject_us = archive_id_stamp(passed->archive_id);
	r->row_changed = true;
}

/* Section 7.9: an owner who sends what was said elsewhere says himself when that was. */
static bool has_its_time(const struct seat *seat, const struct stanza *passed)
{
	const struct occupant *o = seat->occupant;

	return room_affiliation(o->room, o->bare) == OWNER &&
	       xml_child(&passed->doc, stanza_root(passed), NS_DELAY, TAG_DELAY);
}

static void note(struct seat *seat, struct stanza *passed)
{
	struct room *r = seat->occupant->room;

	room_note_past(r, passed);
	if (r->n_past && has_its_time(seat, passed))
		r->past[r->n_past - 1].late = stanza_ref(passed);
}

/* Its sender may be told once it is where it should be. */
static void keep(struct seat *seat, struct stanza *st, struct stanza *passed)
{
	struct room *r = seat->occupant->room;

	if (archive_is_worth(passed) && !room_is_subject(passed))
		note(seat, passed);
	if (!room_archive_store(r, seat, passed, st))
		message_handled(r->shard, st);
}

static void pass_on(struct seat *seat, struct stanza *st)
{
	struct occupant *o = seat->occupant;
	struct room *r = o->room;
	struct shard *s = r->shard;
	uint64_t id = message_new_id(s);
	struct stanza *passed = pass(o, st, ids_of(o, id));

	if (!passed) {
		room_bounce(s, st, ERR_RESOURCE_CONSTRAINT, STR("the message is too large"));
		return;
	}
	passed->archive_id = id;
	if (room_is_subject(passed))
		set_subject(r, passed);
	count(s, COUNT_PASSED_ON);
	room_spread(r, passed);
	keep(seat, st, passed);
	module_each(m, s->core, room_passed_on)
		m->room_passed_on(o, passed);
	stanza_unref(&passed);
}

static void groupchat(struct room *r, struct stanza *st, struct jid to)
{
	struct seat *seat = room_seat(r, st->from);
	struct stanza_refusal why;

	if (!jid_is_bare(to)) { /* section 7.5 */
		room_bounce(r->shard, st, ERR_BAD_REQUEST, STR("a private message is no groupchat"));
		return;
	}
	if (!seat) {
		room_bounce(r->shard, st, ERR_NOT_ACCEPTABLE, STR("you are not in this room"));
		return;
	}
	if (may_pass(seat, st, &why))
		pass_on(seat, st);
	else
		room_refuse(r->shard, st, &why);
}

/* ---- to one (section 7.5) ---- */

static bool may_whisper(const struct occupant *o)
{
	switch (o->room->config.pm) {
	case PM_ANYONE:
		return true;
	case PM_PARTICIPANTS:
		return o->role >= PARTICIPANT;
	case PM_MODERATORS:
		return o->role == MODERATOR;
	default:
		return false;
	}
}

static struct str occupant_id(const struct occupant *o)
{
	return str_printf(&o->room->shard->loop.turn,
		"<occupant-id xmlns='urn:xmpp:occupant-id:0' id='%.*s'/>", OCCUPANT_ID_LEN, o->id);
}

static void send_to(const struct occupant *o, struct stanza *st)
{
	struct shard *s = o->room->shard;
	struct jid *to = arena_alloc(&s->loop.turn, o->n_seats * sizeof *to);
	size_t n = 0;

	list_each(seat, &o->seats, struct seat, link)
		to[n++] = seat->full;
	route_each(s, st, to, n);
}

static void whisper(struct occupant *from, struct occupant *to, struct stanza *st)
{
	struct room *r = from->room;
	struct str added = str_printf(&r->shard->loop.turn,
		"<x xmlns='http://jabber.org/protocol/muc#user'/>%.*s", STR_FMT(occupant_id(from)));
	struct stanza *passed = pass(from, st, added);

	if (!passed) {
		room_bounce(r->shard, st, ERR_RESOURCE_CONSTRAINT, STR("the message is too large"));
		return;
	}
	passed->archive_id = message_new_id(r->shard);
	passed->original = stanza_ref(st);
	message_keep_for_sender(r->shard, st, st->to);
	send_to(to, passed);
	stanza_unref(&passed);
}

static void private_message(struct room *r, struct stanza *st, struct jid to)
{
	struct seat *seat = room_seat(r, st->from);
	struct occupant *o = room_occupant(r, jid_resource(to));

	if (!seat)
		room_bounce(r->shard, st, ERR_NOT_ACCEPTABLE, STR("you are not in this room"));
	else if (!o)
		room_bounce(r->shard, st, ERR_ITEM_NOT_FOUND, STR("there is no such occupant"));
	else if (!may_whisper(seat->occupant))
		room_bounce(r->shard, st, ERR_FORBIDDEN, STR("no private messages in this room"));
	else if (!room_may_send(seat->occupant))
		room_bounce(r->shard, st, ERR_RESOURCE_CONSTRAINT, STR("not so fast"));
	else
		whisper(seat->occupant, o, st);
}

/* ---- to the room itself: invitations, requests ---- */

static bool is_taken(struct room *r, struct stanza *st)
{
	struct seat *seat = room_seat(r, st->from);

	module_each(m, r->shard->core, room_asked)
		if (m->room_asked(r, seat, st))
			return true;
	return false;
}

static void request(struct room *r, struct stanza *st)
{
	if (is_taken(r, st)) {
		message_handled(r->shard, st);
		return;
	}
	if (st->type == MESSAGE_HEADLINE)
		return;
	room_bounce(r->shard, st, ERR_BAD_REQUEST, STR("messages to a room are of type groupchat"));
}

/* The error goes to the occupant whose message it answers, unless another client got that. */
static void pass_error(const struct seat *seat, const struct occupant *o, struct stanza *st)
{
	struct occupant *from = seat->occupant;
	struct stanza *passed = from->n_seats == 1 ? pass(from, st, occupant_id(from)) : NULL;

	if (passed)
		route_to(from->room->shard, passed,
			container_of(o->seats.next, struct seat, link)->full);
	stanza_unref(&passed);
}

/* An error in answer to what the room sent, or what an occupant sent to another. */
static void error(struct room *r, struct stanza *st, struct jid to)
{
	struct seat *seat = room_seat(r, st->from);
	struct occupant *o = room_occupant(r, jid_resource(to));

	if (jid_is_bare(to) && is_taken(r, st))
		return;
	if (room_is_gone(st))
		room_lose(r, st);
	else if (seat && o && o != seat->occupant)
		pass_error(seat, o, st);
}

void room_message(struct room *r, struct stanza *st, struct jid to)
{
	switch ((enum stanza_type)st->type) {
	case MESSAGE_GROUPCHAT:
		groupchat(r, st, to);
		break;
	case MESSAGE_ERROR:
		error(r, st, to);
		break;
	default:
		if (jid_is_bare(to))
			request(r, st);
		else
			private_message(r, st, to);
	}
}
