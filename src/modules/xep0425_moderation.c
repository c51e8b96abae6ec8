/* XEP-0425 Moderated Message Retraction, version 0.3.0
 *
 * A moderator, who must be in the room, has a message of anybody retracted, by the id that the
 * room gave it (XEP-0359). It leaves the room's history (and the subject, if it had set that), and
 * in the archive a tombstone takes its place (core/room_archive.h). Then the room tells its
 * occupants, and the request is answered; what the room says is in history and archive, too. The
 * moderator is named by his address in the room and his occupant id (XEP-0421), never by his JID.
 * What an occupant writes in the form of such a message is refused (section 5).
 *
 * What is neither in the history nor in an archive cannot be moderated. Left out: other actions
 * than retracting, for there are none yet. Options: none. Stores: tombstones, in the ledger. */
#include "base/clock.h"
#include "core/message.h"
#include "core/module.h"
#include "core/room_archive.h"
#include "xmpp/datetime.h"

#include <stdlib.h>

/* From the request to its answer. */
struct moderation {
	struct later *later;
	struct arena mem;
	struct jid room;
	struct str message;            /* the id of the one that is retracted */
	struct str action;             /* <moderated/> and <reason/> */
	char retraction[ARCHIVE_ID_LEN]; /* `id` of what the room says */
};

static void moderation_end(struct moderation *m)
{
	later_free(&m->later);
	arena_clear(&m->mem);
	free(m);
}

/* ---- what is said ---- */

static struct str written(struct shard *s, struct arena *a)
{
	return str_dup(a, buf_str(&s->scratch));
}

static struct writer begin(struct shard *s)
{
	buf_reset(&s->scratch);
	return w_on(&s->scratch);
}

static struct str write_action(struct moderation *m, const struct occupant *moderator,
	struct str reason)
{
	struct shard *s = moderator->room->shard;
	struct writer w = begin(s);

	w_open_ns(&w, "moderated", NS_MODERATE);
	w_attr(&w, "by", jid_str(room_address(moderator, &s->loop.turn)));
	w_open_ns(&w, "occupant-id", NS_OCCUPANT_ID);
	w_attr(&w, "id", str_from(moderator->id, sizeof moderator->id));
	w_close(&w);
	w_close(&w);
	if (reason.n)
		w_leaf(&w, "reason", reason);
	return written(s, &m->mem);
}

/* Section 4. */
static struct str write_tombstone(struct shard *s, const struct moderation *m)
{
	struct arena *turn = &s->loop.turn;
	struct writer w = begin(s);

	w_open_ns(&w, "retracted", NS_RETRACT);
	w_attr(&w, "id", str_from(m->retraction, sizeof m->retraction));
	w_attr(&w, "stamp", datetime_format(turn, clock_wall_us()));
	w_raw(&w, m->action);
	w_close(&w);
	return written(s, turn);
}

/* Section 3.1. */
static struct stanza *make_message(struct room *r, const struct moderation *m)
{
	struct shard *s = r->shard;
	uint64_t archive_id = message_new_id(s);
	char id[ARCHIVE_ID_LEN];
	struct writer w = begin(s);

	archive_id_format(archive_id, id);
	stanza_open(&w, STANZA_MESSAGE, "groupchat", r->jid, (struct jid){ 0 },
		str_from(m->retraction, sizeof m->retraction));
	w_open_ns(&w, "retract", NS_RETRACT);
	w_attr(&w, "id", m->message);
	w_raw(&w, m->action);
	w_close(&w);
	w_open_ns(&w, "stanza-id", NS_SID);
	w_attr(&w, "by", jid_str(r->jid));
	w_attr(&w, "id", str_from(id, sizeof id));
	w_close(&w);
	w_close(&w);
	struct stanza *st = stanza_scan(&s->scratch_table, buf_str(&s->scratch), &s->loop.turn);
	if (st)
		st->archive_id = archive_id;
	return st;
}

static void tell(struct room *r, const struct moderation *m)
{
	struct stanza *st = make_message(r, m);

	if (!st)
		return;
	room_hold(r);
	room_spread(r, st);
	room_note_past(r, st);
	room_archive_store(r, NULL, st, st);
	stanza_unref(&st);
	room_release(r);
}

/* ---- the request ---- */

static void retracted(struct shard *s, bool found, enum store_status status, void *ctx)
{
	struct moderation *m = ctx;
	struct ctx c = later_ctx(m->later);
	struct room *r = room_get(s, m->room);

	if (status == STORE_OK && found && r)
		tell(r, m);
	if (status != STORE_OK)
		refuse(&c, m->later->iq, status == STORE_FULL ? ERR_RESOURCE_CONSTRAINT
			: ERR_INTERNAL_SERVER_ERROR, STR("the archive could not be changed"));
	else if (!found)
		refuse(&c, m->later->iq, ERR_ITEM_NOT_FOUND, STR("there is no such message"));
	else
		reply_ok(&c, m->later->iq);
	moderation_end(m);
}

static struct moderation *moderation_new(struct ctx *c, const struct stanza *iq, struct str message)
{
	struct moderation *m = xcalloc(1, sizeof *m);

	arena_init(&m->mem, 1024);
	m->later = later_new(c, iq);
	m->room = jid_dup(&m->mem, c->room->jid);
	m->message = str_dup(&m->mem, message);
	archive_id_format(message_new_id(c->shard), m->retraction);
	return m;
}

static enum outcome on_moderate(struct ctx *c, const struct stanza *iq)
{
	const struct xml_doc *d = &iq->doc;
	struct arena *turn = &c->shard->loop.turn;
	const struct xml_node *moderate = stanza_payload(iq);
	const struct xml_node *reason = xml_child(d, moderate, NS_MODERATE, TAG_REASON);
	struct str message = xml_attr_str(d, moderate, TAG_ID, turn);
	struct room_retraction what = { .done = retracted };

	if (!c->seat || c->seat->occupant->role != MODERATOR)
		return refuse(c, iq, ERR_FORBIDDEN, STR("only moderators may do this"));
	if (!message.n || !xml_child(d, moderate, NS_RETRACT, TAG_RETRACT))
		return refuse(c, iq, ERR_BAD_REQUEST, STR("nothing is to be retracted"));
	if (!archive_id_parse(message, &what.id))
		return refuse(c, iq, ERR_ITEM_NOT_FOUND, STR("there is no such message"));
	struct moderation *m = moderation_new(c, iq, message);
	m->action = write_action(m, c->seat->occupant,
		reason ? xml_text(d, reason, turn) : STR(""));
	what.ctx = m;
	what.tombstone = write_tombstone(c->shard, m);
	room_archive_retract(c->room, &what);
	return LATER;
}

/* Section 5: only the room says so. */
static bool room_accepts(struct seat *seat, const struct stanza *message,
	struct stanza_refusal *why)
{
	const struct xml_doc *d = &message->doc;
	const struct xml_node *root = stanza_root(message);
	const struct xml_node *retract = xml_child(d, root, NS_RETRACT, TAG_RETRACT);

	why->error = ERR_FORBIDDEN;
	return !retract || !xml_child(d, retract, NS_MODERATE, TAG_MODERATED);
}

const struct module xep0425_moderation = {
	.name = "moderation",
	.spec = "XEP-0425 0.3.0",
	.room_features = (const char *const[]){ "urn:xmpp:message-moderate:1", NULL },
	.iq = (const struct iq_rule[]){
		{ IQ_SET, NS_MODERATE, TAG_MODERATE, AT_ROOM, on_moderate },
		{ 0 } },
	.room_accepts = room_accepts,
};
