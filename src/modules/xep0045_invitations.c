/* XEP-0045 Multi-User Chat, version 1.35.5: mediated invitations (sections 7.8.2 and 7.9)
 *
 * An occupant asks the room to invite somebody; the room does so in its own name, with the
 * inviter's bare JID and the password (core/room_invite.h). Who may: administrators and owners;
 * where the room is not for members only, moderators and, unless it is configured otherwise,
 * everybody in it. Who is invited to a room for members becomes one. Direct invitations (XEP-0249)
 * pass between clients.
 *
 * Options: allowinvites and membersonly of the room. Stores: nothing; an invitation can be declined
 * as long as the room is in memory. */
#include "core/module.h"
#include "core/room.h"
#include "core/room_invite.h"

#define INVITES_MAX 16 /* of one message */

/* ---- inviting ---- */

/* Table 3, and the note in section 7.8.2 on rooms for members. */
static enum stanza_error may_invite(const struct room *r, const struct seat *seat)
{
	if (!seat)
		return ERR_NOT_ACCEPTABLE;
	if (room_affiliation(r, seat->occupant->bare) >= ADMIN)
		return ERR_COUNT;
	if (r->config.members_only)
		return ERR_FORBIDDEN;
	return r->config.members_invite || seat->occupant->role == MODERATOR ? ERR_COUNT
									     : ERR_FORBIDDEN;
}

static struct str read_reason(const struct xml_doc *d, const struct xml_node *of, struct arena *a)
{
	const struct xml_node *el = xml_child(d, of, NS_MUC_USER, TAG_REASON);

	return el ? xml_text(d, el, a) : STR_NULL;
}

static enum stanza_error read_invite(const struct stanza *m, const struct xml_node *el,
	struct arena *a, struct room_invite *out)
{
	const struct xml_doc *d = &m->doc;
	const struct xml_node *more = xml_child(d, el, NS_MUC_USER, TAG_CONTINUE);
	struct str to = xml_attr_str(d, el, TAG_TO, a);

	*out = (struct room_invite){ .inviter = m->from, .id = m->id,
		.reason = read_reason(d, el, a), .continues = more != NULL,
		.thread = more ? xml_attr_str(d, more, TAG_THREAD, a) : STR_NULL };
	if (!to.p)
		return ERR_BAD_REQUEST;
	if (!jid_parse(to, a, &out->to))
		return ERR_JID_MALFORMED;
	return out->reason.n > ROOM_REASON_MAX ? ERR_NOT_ACCEPTABLE : ERR_COUNT;
}

/* All of a message, before any is sent. */
static enum stanza_error read_invites(const struct room *r, const struct stanza *m,
	const struct xml_node *first, struct room_invite *out, size_t *n)
{
	*n = 0;
	for (const struct xml_node *el = first; el; el = xml_next_same(&m->doc, el)) {
		if (*n == INVITES_MAX)
			return ERR_POLICY_VIOLATION;
		enum stanza_error e = read_invite(m, el, &r->shard->loop.turn, &out[*n]);
		if (e != ERR_COUNT)
			return e;
		if (r->config.members_only && room_affiliation(r, jid_bare(out[*n].to)) == OUTCAST)
			return ERR_FORBIDDEN;
		++*n;
	}
	return ERR_COUNT;
}

/* bare JIDs. False: the room takes no more members. */
static bool admit(struct room *r, struct jid inviter, struct jid invitee)
{
	if (!r->config.members_only || room_affiliation(r, invitee) != AFFILIATION_NONE)
		return true;
	return room_affiliate(r, invitee, MEMBER, inviter, STR_NULL);
}

static enum stanza_error invite_all(struct room *r, struct seat *seat, const struct stanza *m,
	const struct xml_node *first)
{
	struct room_invite invites[INVITES_MAX];
	size_t n;
	enum stanza_error e = may_invite(r, seat);

	if (e == ERR_COUNT)
		e = read_invites(r, m, first, invites, &n);
	if (e != ERR_COUNT)
		return e;
	if (n > room_invites_left(r, m->from))
		return ERR_RESOURCE_CONSTRAINT;
	for (size_t i = 0; i < n; i++) {
		if (!admit(r, jid_bare(m->from), jid_bare(invites[i].to)))
			return ERR_RESOURCE_CONSTRAINT;
		room_invite(r, &invites[i]);
	}
	return ERR_COUNT;
}

/* ---- declining ---- */

static enum stanza_error decline(struct room *r, const struct stanza *m, const struct xml_node *el)
{
	struct arena *turn = &r->shard->loop.turn;
	struct str text = xml_attr_str(&m->doc, el, TAG_TO, turn);
	struct str reason = read_reason(&m->doc, el, turn);
	struct jid to;

	if (!text.p)
		return ERR_BAD_REQUEST;
	if (!jid_parse(text, turn, &to))
		return ERR_JID_MALFORMED;
	if (reason.n > ROOM_REASON_MAX)
		return ERR_NOT_ACCEPTABLE;
	return room_decline(r, to, m->from, reason, m->id) ? ERR_COUNT : ERR_ITEM_NOT_FOUND;
}

/* ---- messages to the room ---- */

static bool asked(struct room *r, struct seat *seat, struct stanza *m)
{
	const struct xml_node *x = xml_child(&m->doc, stanza_root(m), NS_MUC_USER, TAG_X);
	enum stanza_error e;

	if (m->type == MESSAGE_ERROR)
		return room_invite_failed(r, m);
	if (!x || m->type != MESSAGE_NORMAL)
		return false;
	const struct xml_node *invite = xml_child(&m->doc, x, NS_MUC_USER, TAG_INVITE);
	const struct xml_node *declined = xml_child(&m->doc, x, NS_MUC_USER, TAG_DECLINE);
	if (invite)
		e = invite_all(r, seat, m, invite);
	else if (declined)
		e = decline(r, m, declined);
	else
		return false;
	if (e != ERR_COUNT)
		room_bounce(r->shard, m, e, STR(""));
	return true;
}

const struct module xep0045_invitations = {
	.name = "invitations",
	.spec = "XEP-0045 1.35.5",
	.room_unload = room_invites_free,
	.room_asked = asked,
};
