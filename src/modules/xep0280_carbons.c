/* XEP-0280 Message Carbons, version 1.0.1
 *
 * What the other resources of an account sent and got. A copy is made once for a message, as a
 * stanza that all of its receivers share: only its `to` differs. It goes to sessions alone and is
 * never routed, so that no copy is copied, and nobody but the server can make one with the
 * account's own address in `from`. A message that an account sends to itself is copied as it is
 * delivered, so that nobody sees it twice. An error is copied to whom the message was that it
 * answers: each session remembers the last REMEMBERED messages that it sent or got, and that were
 * copied. In the copy stands the id that the message has in the account's archive (XEP-0359).
 * Left out: <delay/> in <forwarded/> (XEP-0297 section 3.2), since a copy is made when the message
 * comes; one that waits for its client gets a <delay/> of its own. Options: none. Stores: nothing. */
#include "base/bug.h"
#include "base/hash.h"
#include "core/message.h"
#include "core/module.h"

#include <stdlib.h>

/* Messages of a session whose errors are copied. */
#define REMEMBERED 256

/* ---- section 4 and 5: who gets copies ---- */

/* Of nobody's session: a component asks in the name of the account (XEP-0356). */
static enum outcome no_session(struct ctx *c, const struct stanza *iq)
{
	return refuse(c, iq, ERR_NOT_ALLOWED, STR("only a client gets copies"));
}

static enum outcome enable(struct ctx *c, const struct stanza *iq)
{
	if (!c->session)
		return no_session(c, iq);
	c->session->carbons = true;
	return reply_ok(c, iq);
}

static enum outcome disable(struct ctx *c, const struct stanza *iq)
{
	if (!c->session)
		return no_session(c, iq);
	c->session->carbons = false;
	return reply_ok(c, iq);
}

static enum outcome not_yours(struct ctx *c, const struct stanza *iq)
{
	return refuse(c, iq, ERR_NOT_ALLOWED, STR("this is not your account"));
}

/* Whether anybody but this session (NULL: anybody) wants copies. */
static bool is_wished(struct account *a, const struct session *but)
{
	list_each(s, &a->sessions, struct session, link)
		if (s->carbons && s != but)
			return true;
	return false;
}

/* ---- section 6: which messages ---- */

static bool is_invitation(const struct xml_doc *d, const struct xml_node *child)
{
	return xml_is(child, NS_CONFERENCE, TAG_X) ||
	       (xml_is(child, NS_MUC_USER, TAG_X) && xml_child(d, child, NS_MUC_USER, TAG_INVITE));
}

static bool is_instant(const struct stanza *m, const struct xml_node *child)
{
	switch (child->ns) {
	case NS_RECEIPTS:
	case NS_CHATSTATES:
	case NS_MARKERS:
		return true;
	case NS_CLIENT:
		return m->type == MESSAGE_NORMAL && child->tag == TAG_BODY;
	default:
		return is_invitation(&m->doc, child);
	}
}

/* What the sender wants kept from others (section 9, XEP-0334 section 4.3), and what looks like
 * a copy itself. */
static bool is_private(const struct xml_node *child)
{
	return xml_is(child, NS_CARBONS, TAG_PRIVATE) || xml_is(child, NS_HINTS, TAG_NO_COPY) ||
	       xml_is(child, NS_CARBONS, TAG_SENT) || xml_is(child, NS_CARBONS, TAG_RECEIVED);
}

/* Section 6.1, without errors and without the rule for what comes from a room. */
static bool is_eligible(const struct stanza *m)
{
	bool instant = m->type == MESSAGE_CHAT;

	if (m->type == MESSAGE_GROUPCHAT || m->type == MESSAGE_ERROR)
		return false;
	for (const struct xml_node *n = xml_first(&m->doc, stanza_root(m)); n; n = xml_next(&m->doc, n)) {
		if (is_private(n))
			return false;
		instant = instant || is_instant(m, n);
	}
	return instant;
}

/* A private message between occupants of a room (XEP-0045 section 7.5). other: the occupant. */
static bool is_of_room(const struct stanza *m, struct jid other)
{
	const struct xml_node *x = xml_child(&m->doc, stanza_root(m), NS_MUC_USER, TAG_X);

	return x && !is_invitation(&m->doc, x) && !jid_is_bare(other);
}

/* ---- errors ---- */

/* Hashes of partner and id, newest over oldest. Owned by the session. */
struct copied {
	uint32_t next;
	uint32_t hashes[REMEMBERED];
};

static uint32_t hash_of(struct jid partner, struct str id)
{
	return (uint32_t)(hash_keyed(jid_bare_str(partner)) * 31 + hash_keyed(id));
}

static void remember(struct session *s, struct jid partner, const struct stanza *m)
{
	if (!s->copied)
		s->copied = xcalloc(1, sizeof *s->copied);
	s->copied->hashes[s->copied->next++ % REMEMBERED] = hash_of(partner, m->id);
}

/* Whether the session had a message copied that this error answers. */
static bool is_known(const struct session *s, struct jid partner, const struct stanza *error)
{
	uint32_t h = hash_of(partner, error->id);

	for (uint32_t i = 0; s->copied && i < s->copied->next && i < REMEMBERED; i++)
		if (s->copied->hashes[i] == h)
			return true;
	return false;
}

static void session_ended(struct session *s)
{
	free(s->copied);
	s->copied = NULL;
}

/* ---- copies ---- */

/* Sections 7 and 8: "the wrapping message SHOULD maintain the same 'type'". */
static struct str open_copy(const struct stanza *m)
{
	switch ((enum stanza_type)m->type) {
	case MESSAGE_CHAT:
		return STR("<message type='chat' from='");
	case MESSAGE_HEADLINE:
		return STR("<message type='headline' from='");
	case MESSAGE_ERROR:
		return STR("<message type='error' from='");
	default:
		return STR("<message from='");
	}
}

static struct str archive_id(struct account *a, const struct stanza *m)
{
	struct str by = jid_str(a->jid);
	char id[ARCHIVE_ID_LEN];

	archive_id_format(m->archive_id, id);
	return str_printf(&a->shard->loop.turn, "<stanza-id xmlns='urn:xmpp:sid:0' by='%.*s' id='%.*s'/>",
		STR_FMT(by), ARCHIVE_ID_LEN, id);
}

/* NULL when it is too large to be made. */
static struct stanza *make_copy(struct account *a, const struct stanza *m, struct jid to, bool sent,
	bool archived)
{
	struct shard *s = a->shard;
	struct buf *b = &s->scratch;

	buf_reset(b);
	buf_add(b, open_copy(m));
	buf_add(b, jid_str(a->jid));
	buf_add(b, sent ? STR("'><sent") : STR("'><received"));
	buf_lit(b, " xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>");
	if (archived)
		stanza_write_with(b, m, m->from, to, NS_CLIENT, archive_id(a, m));
	else
		stanza_write(b, m, m->from, to, NS_CLIENT);
	buf_add(b, sent ? STR("</forwarded></sent></message>") :
		STR("</forwarded></received></message>"));
	return buf_ok(b) ? stanza_scan(&s->scratch_table, buf_str(b), &s->loop.turn) : NULL;
}

/* ---- section 8: sent ---- */

/* As whom a session is in the room of this occupant, or an unset address. */
static struct jid nick_of(const struct session *s, struct jid occupant)
{
	for (uint32_t i = 0; i < s->n_directed; i++)
		if (jid_eq_bare(s->directed[i], occupant) && !jid_is_bare(s->directed[i]))
			return s->directed[i];
	return (struct jid){ 0 };
}

/* Section 6.1: only who shares the nick can answer. Where it is not known, all may see it. */
static bool may_see(const struct session *s, struct jid nick)
{
	struct jid own;

	if (!jid_is_set(nick))
		return true;
	own = nick_of(s, nick);
	return jid_is_set(own) && jid_eq(own, nick);
}

static void message_leaves(struct session *sender, const struct stanza *m)
{
	struct account *a = sender->account;
	struct jid to = jid_is_set(m->to) ? m->to : a->jid;
	struct stanza *copy = NULL;

	if (jid_eq_bare(to, a->jid) || !is_wished(a, sender))
		return;
	if (m->type == MESSAGE_ERROR ? !is_known(sender, to, m) : !is_eligible(m))
		return;
	struct jid nick = is_of_room(m, to) ? nick_of(sender, to) : (struct jid){ 0 };
	list_each(s, &a->sessions, struct session, link) {
		if (!s->carbons || s == sender || !may_see(s, nick))
			continue;
		if (!copy)
			copy = make_copy(a, m, to, true, m->kept_by_sender);
		if (copy)
			session_send(s, copy, s->full);
	}
	stanza_unref(&copy);
	remember(sender, to, m);
}

/* ---- section 7: received ---- */

static bool copies(const struct delivery *d)
{
	const struct stanza *m = d->stanza;

	if (!is_wished(d->account, NULL))
		return false;
	if (m->type == MESSAGE_ERROR)
		return d->match && is_known(d->match, m->from, m);
	return is_eligible(m) && !is_of_room(m, m->from);
}

static void delivered(const struct delivery *d)
{
	struct account *a = d->account;
	const struct stanza *m = d->stanza;
	bool own = jid_eq_bare(m->from, a->jid);
	struct stanza *copy = NULL;

	if (!d->copied)
		return;
	list_each(s, &a->sessions, struct session, link) {
		if (delivery_reached(d, s))
			remember(s, m->from, m);
		if (!delivery_is_copied(d, s))
			continue;
		if (!copy)
			copy = make_copy(a, m, d->to, own, d->archived || (own && m->kept_by_sender));
		if (copy)
			session_send(s, copy, s->full);
	}
	stanza_unref(&copy);
}

const struct module xep0280_carbons = {
	.name = "carbons",
	.spec = "XEP-0280 1.0.1",
	.features = (const char *const[]){ "urn:xmpp:carbons:2", "urn:xmpp:carbons:rules:0", NULL },
	.iq = (const struct iq_rule[]){
		{ IQ_SET, NS_CARBONS, TAG_ENABLE, AT_OWN, enable },
		{ IQ_SET, NS_CARBONS, TAG_DISABLE, AT_OWN, disable },
		{ IQ_SET, NS_CARBONS, TAG_ENABLE, AT_ACCOUNT, not_yours },
		{ IQ_SET, NS_CARBONS, TAG_DISABLE, AT_ACCOUNT, not_yours },
		{ 0 } },
	.message_leaves = message_leaves,
	.copies = copies,
	.delivered = delivered,
	.session_ended = session_ended,
};
