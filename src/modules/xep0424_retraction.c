/* XEP-0424 Message Retraction, version 0.4.2
 *
 * A retraction is a message like others: delivered, and archived (modules/xep0313_mam.c). When one
 * is archived, the message that it retracts is looked for in the same conversation and, when it
 * is of the same bare JID (section 5), a tombstone takes its place (section 4), in the archives of
 * both sides, for who has yet to get it, and in the index.
 *
 * No tombstone is made for messages that were sent RETRACT_DAYS before or longer, for retractions
 * without an `id`, which a tombstone must have, and for what is a retraction itself.
 *
 * A room knows which message is meant, for it is named by the id that the room gave it (section
 * 5.1), however old it is. The retraction is passed on in any case; when it comes from the same
 * occupant id (XEP-0421), the message leaves the history, and a tombstone is in the archive.
 *
 * Left out: group chat in the accounts' archives. Options: none. Stores: nothing of its own. */
#include "core/archive.h"
#include "core/message.h"
#include "core/module.h"
#include "core/room_archive.h"
#include "xmpp/datetime.h"

#define RETRACT_DAYS 90   /* so far back a message is looked for */
#define ID_MAX       1024 /* bytes of the id of a message that can be retracted */

/* What is looked for, on the ledger's thread. */
struct wanted {
	uint16_t n_id, n_from;
	char text[ID_MAX + LEDGER_NAME_MAX]; /* the id, then the sender's bare JID */
};

_Static_assert(sizeof(struct wanted) <= LEDGER_MATCH_MAX, "it is the ledger's bound");

static struct str wanted_id(const struct wanted *w)
{
	return str_from(w->text, w->n_id);
}

static struct str wanted_from(const struct wanted *w)
{
	return str_from(w->text + w->n_id, w->n_from);
}

/* ---- finding the message ---- */

/* Section 5.1: by the attribute. A client that had set no other may name the origin id. */
static bool has_id(const struct stanza *st, struct str id, struct arena *a)
{
	const struct xml_doc *d = &st->doc;
	const struct xml_node *root = stanza_root(st);
	const struct xml_node *origin = xml_child(d, root, NS_SID, TAG_ORIGIN_ID);

	return str_eq(xml_attr_str(d, root, TAG_ID, a), id) ||
	       (origin && str_eq(xml_attr_str(d, origin, TAG_ID, a), id));
}

/* Nearly all are passed over without being parsed. */
static bool may_have_id(struct str bytes, struct str id)
{
	return memmem(bytes.p, bytes.n, id.p, id.n) || memchr(bytes.p, '&', bytes.n);
}

static bool is_wanted(const struct ledger_message *m, const void *ctx)
{
	const struct wanted *w = ctx;
	struct xml_table table = { 0 };
	struct arena a;

	if (!may_have_id(m->bytes, wanted_id(w)))
		return false;
	arena_init(&a, 4096);
	struct stanza *st = stanza_scan(&table, m->bytes, &a);
	bool yes = st && jid_is_set(st->from) && str_eq(jid_bare_str(st->from), wanted_from(w)) &&
		   has_id(st, wanted_id(w), &a);
	stanza_unref(&st);
	xml_table_clear(&table);
	arena_clear(&a);
	return yes;
}

/* ---- the tombstone ---- */

static const char *type_of(const struct stanza *st)
{
	return st->type == MESSAGE_CHAT ? "chat" : NULL;
}

static void write_retracted(struct writer *w, const struct stanza *retraction, struct arena *turn)
{
	w_open_ns(w, "retracted", NS_RETRACT);
	w_attr(w, "id", xml_attr_str(&retraction->doc, stanza_root(retraction), TAG_ID, turn));
	w_attr(w, "stamp", datetime_format(turn, archive_id_stamp(retraction->archive_id)));
	w_close(w);
}

/* With nothing of the original but how it was addressed. */
static void write_tombstone(struct buf *b, const struct stanza *original,
	const struct stanza *retraction, struct arena *turn)
{
	struct writer w = w_on(b);

	stanza_open(&w, STANZA_MESSAGE, type_of(original), original->from, original->to,
		original->id);
	write_retracted(&w, retraction, turn);
	w_close(&w);
}

/* While the ledger looks: in the archive of one side, and then of the other, if it is not there. */
struct search_for {
	struct stanza *retraction; /* counted */
	struct str archive, partner; /* in the operation */
	bool twice;
};

static void bury(struct shard *s, const struct search_for *f, const struct ledger_message *m)
{
	const struct str archives[] = { f->archive, f->partner };
	struct arena *turn = &s->loop.turn;
	struct stanza *st = stanza_scan(&s->scratch_table, m->bytes, turn);
	const struct xml_node *root = st ? stanza_root(st) : NULL;

	if (st && !xml_child(&st->doc, root, NS_RETRACT, TAG_RETRACT) &&
		!xml_child(&st->doc, root, NS_RETRACT, TAG_RETRACTED)) {
		buf_reset(&s->scratch);
		write_tombstone(&s->scratch, st, f->retraction, turn);
		archive_replace(s, archives, 2, m->id, buf_str(&s->scratch), NULL, NULL);
	}
	stanza_unref(&st);
}

static void look_in(struct shard *s, struct stanza *retraction, struct str archive,
	struct str partner, bool twice);

static void looked(struct ledger_op *op, void *receiver)
{
	struct search_for *f = op->ctx;

	if (op->n_messages)
		bury(receiver, f, &op->messages[0]);
	else if (f->twice)
		look_in(receiver, f->retraction, f->partner, f->archive, false);
	stanza_unref(&f->retraction);
	ledger_op_free(op);
}

static struct str retracted_id(const struct stanza *st, struct arena *a)
{
	const struct xml_node *retract = xml_child(&st->doc, stanza_root(st), NS_RETRACT,
		TAG_RETRACT);

	return retract ? xml_attr_str(&st->doc, retract, TAG_ID, a) : STR_NULL;
}

static void look_in(struct shard *s, struct stanza *retraction, struct str archive,
	struct str partner, bool twice)
{
	struct ledger_op *op = shard_ledger_op(s, s, looked, sizeof(struct search_for));
	struct str id = retracted_id(retraction, &s->loop.turn);
	struct str from = jid_bare_str(retraction->from);
	struct wanted w = { .n_id = (uint16_t)id.n, .n_from = (uint16_t)from.n };
	uint64_t sent = archive_id_stamp(retraction->archive_id);
	struct ledger_query q = { .with = partner, .max = 1, .newest = true,
		.start_us = sent - RETRACT_DAYS * UINT64_C(86400000000),
		.match = is_wanted, .match_ctx = &w,
		.match_ctx_size = offsetof(struct wanted, text) + id.n + from.n };

	memcpy(w.text, id.p, id.n);
	memcpy(w.text + id.n, from.p, from.n);
	*(struct search_for *)op->ctx = (struct search_for){ stanza_ref(retraction),
		str_dup(&op->mem, archive), str_dup(&op->mem, partner), twice };
	ledger_query(s->core->ledger, op, archive, &q);
}

/* Its message was written to the ledger just before, by this shard: the one that it retracts, which
 * went the same way, is there by now. */
static void delivered(const struct delivery *d)
{
	struct shard *s = d->account->shard;
	struct stanza *st = d->stanza;
	struct str id = retracted_id(st, &s->loop.turn);

	if (!id.n || id.n > ID_MAX || !st->id.n || !jid_is_set(st->from))
		return;
	struct str sender = jid_bare_str(st->from), recipient = jid_str(d->account->jid);
	if (d->archived)
		look_in(s, st, recipient, sender, st->kept_by_sender);
	else if (st->kept_by_sender)
		look_in(s, st, sender, recipient, false);
}

/* ---- in rooms ---- */

static void room_passed_on(struct occupant *o, struct stanza *message)
{
	struct shard *s = o->room->shard;
	struct arena *turn = &s->loop.turn;
	struct str id = retracted_id(message, turn);
	struct room_retraction what = { .author = str_from(o->id, sizeof o->id) };

	if (!id.n || !message->id.n || !archive_id_parse(id, &what.id))
		return;
	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	write_retracted(&w, message, turn);
	what.tombstone = str_dup(turn, buf_str(&s->scratch));
	room_archive_retract(o->room, &what);
}

/* Sections 2 and 4: who has an archive has tombstones in it. */
static void room_disco(struct ctx *c, struct writer *w)
{
	if (room_archive_is_on(c->room))
		w_raw(w, STR("<feature var='urn:xmpp:message-retract:1#tombstone'/>"));
}

static void disco(struct ctx *c, struct writer *w)
{
	if (c->account && archive_is_on(c->account))
		w_raw(w, STR("<feature var='urn:xmpp:message-retract:1'/>"
			"<feature var='urn:xmpp:message-retract:1#tombstone'/>"));
}

const struct module xep0424_retraction = {
	.name = "retraction",
	.spec = "XEP-0424 0.4.2",
	.features = (const char *const[]){ "urn:xmpp:message-retract:1", NULL },
	.room_features = (const char *const[]){ "urn:xmpp:message-retract:1", NULL },
	.disco = disco,
	.delivered = delivered,
	.room_disco = room_disco,
	.room_passed_on = room_passed_on,
};
