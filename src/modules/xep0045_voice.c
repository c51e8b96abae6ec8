/* XEP-0045 Multi-User Chat, version 1.35.5: requests for voice (sections 7.13 and 8.6)
 *
 * A visitor asks, every moderator who is there gets the form, any of them answers it. The room
 * remembers nothing but when somebody asked: what a moderator approves is what he may do anyway
 * (section 8.3). Who asks again before ASK_AGAIN_MS are over is refused.
 *
 * Left out: requests for another role than participant; telling who asked that he is denied.
 * Options: allowvoicerequests of the room. Stores: the role, in a moderated room. */
#include "core/module.h"
#include "core/room.h"
#include "core/route.h"
#include "xmpp/form.h"

#define FORM_TYPE    "http://jabber.org/protocol/muc#request"
#define ASK_AGAIN_MS (30 * 1000)
#define FORM_MAX     (64 * 1024)

struct request {
	struct room *room;
	struct seat *seat;
	const struct stanza *message;
	const struct xml_node *form;
};

static struct str value_of(const struct request *q, struct str var)
{
	struct arena *a = &q->room->shard->loop.turn;
	const struct xml_doc *d = &q->message->doc;

	return form_value(d, form_field(d, q->form, var, a), a);
}

static bool is_for_voice(const struct request *q)
{
	return str_eq(value_of(q, STR("muc#role")), role_name(PARTICIPANT));
}

/* ---- asking (section 7.13) ---- */

static bool is_moderator(const struct occupant *o)
{
	return o->role == MODERATOR;
}

static bool has_moderator(const struct room *r)
{
	list_each(o, &r->in_order, struct occupant, link)
		if (is_moderator(o))
			return true;
	return false;
}

/* Example 108. */
static void tell_moderators(const struct request *q)
{
	struct buf b;

	buf_init(&b, FORM_MAX);
	struct writer w = w_on(&b);
	w_open_ns(&w, "x", NS_DATA);
	w_attr(&w, "type", STR("form"));
	w_leaf(&w, "title", STR("Voice request"));
	w_leaf(&w, "instructions", STR("To approve this request for voice, select the "
		"\"Grant voice to this person?\" checkbox and click OK. To skip this request, "
		"click the cancel button."));
	form_write_field(&w, "FORM_TYPE", "hidden", NULL, STR(FORM_TYPE));
	form_write_field(&w, "muc#role", "list-single", "Requested role", role_name(PARTICIPANT));
	form_write_field(&w, "muc#jid", "jid-single", "User ID", jid_str(q->seat->full));
	form_write_field(&w, "muc#roomnick", "text-single", "Room Nickname",
		q->seat->occupant->nick);
	form_write_field(&w, "muc#request_allow", "boolean", "Grant voice to this person?",
		STR("false"));
	w_close(&w);
	if (w_done(&w))
		room_tell_some(q->room, NULL, buf_str(&b), is_moderator);
	buf_clear(&b);
}

static bool asked_of_late(const struct request *q)
{
	const struct occupant *o = q->seat->occupant;

	return o->asked_ms && q->room->shard->loop.now - o->asked_ms < ASK_AGAIN_MS;
}

static enum stanza_error ask_for_voice(const struct request *q)
{
	struct occupant *o = q->seat->occupant;

	if (!q->room->config.voice_requests)
		return ERR_FORBIDDEN;
	if (!is_for_voice(q))
		return ERR_BAD_REQUEST;
	if (o->role != VISITOR) /* he has it */
		return ERR_UNEXPECTED_REQUEST;
	if (!has_moderator(q->room))
		return ERR_RECIPIENT_UNAVAILABLE;
	if (asked_of_late(q))
		return ERR_POLICY_VIOLATION;
	o->asked_ms = q->room->shard->loop.now;
	tell_moderators(q);
	return ERR_COUNT;
}

/* ---- the answer (section 8.6) ---- */

/* Who asked: by his client, whose nickname may be another one by now, or by the nickname. */
static enum stanza_error find_asker(const struct request *q, struct occupant **out)
{
	struct str text = value_of(q, STR("muc#jid"));
	const struct seat *seat;
	struct jid jid;

	if (!text.n) {
		*out = room_occupant(q->room, value_of(q, STR("muc#roomnick")));
		return *out ? ERR_COUNT : ERR_ITEM_NOT_FOUND;
	}
	if (!jid_parse(text, &q->room->shard->loop.turn, &jid))
		return ERR_JID_MALFORMED;
	if (!(seat = room_seat(q->room, jid)))
		return ERR_ITEM_NOT_FOUND;
	*out = seat->occupant;
	return ERR_COUNT;
}

static enum stanza_error decide(const struct request *q, struct str allow)
{
	struct jid actor = q->message->from;
	bool yes = str_eq(allow, STR("true")) || str_eq(allow, STR("1"));
	struct occupant *asker;

	if (q->seat->occupant->role != MODERATOR)
		return ERR_FORBIDDEN;
	if (!is_for_voice(q) || (!yes && !str_eq(allow, STR("false")) && !str_eq(allow, STR("0"))))
		return ERR_BAD_REQUEST;
	enum stanza_error e = find_asker(q, &asker);
	if (e != ERR_COUNT)
		return e;
	if (!yes || asker->role >= PARTICIPANT) /* another moderator was faster */
		return ERR_COUNT;
	e = room_may_change_role(q->room, actor, asker, PARTICIPANT);
	if (e == ERR_COUNT)
		room_change_role(asker, PARTICIPANT, actor, STR_NULL);
	return e;
}

static enum stanza_error answer(const struct request *q)
{
	struct str allow = value_of(q, STR("muc#request_allow"));

	if (!q->seat)
		return ERR_FORBIDDEN; /* section 17.2 */
	return allow.p ? decide(q, allow) : ask_for_voice(q);
}

static bool asked(struct room *r, struct seat *seat, struct stanza *message)
{
	struct request q = { .room = r, .seat = seat, .message = message };

	if (message->type != MESSAGE_NORMAL)
		return false;
	q.form = form_find(&message->doc, stanza_root(message), STR(FORM_TYPE),
		&r->shard->loop.turn);
	if (!q.form)
		return false;
	enum stanza_error e = answer(&q);
	if (e != ERR_COUNT)
		room_bounce(r->shard, message, e, STR(""));
	return true;
}

const struct module xep0045_voice = {
	.name = "room-voice",
	.spec = "XEP-0045 1.35.5",
	.room_features = (const char *const[]){ FORM_TYPE, NULL },
	.room_asked = asked,
};
