#include "core/room_archive.h"

#include "core/archive.h"
#include "core/message.h"
#include "core/room_private.h"
#include "xmpp/edit.h"

#include <stdlib.h>

bool room_archive_is_on(const struct room *r)
{
	const struct host *h = settings_host(r->shard->settings, jid_domain(r->jid));

	return h && h->archive && r->config.archived;
}

bool room_archive_may_read(const struct room *r, struct jid who)
{
	enum affiliation a = room_power(r, jid_bare(who));

	if (a == OUTCAST || (r->config.members_only && a < MEMBER))
		return false;
	if (r->locked || r->config.has_secret)
		return a == OWNER || room_occupant_of(r, jid_bare(who));
	return true;
}

bool room_archive_tells_authors(const struct room *r, struct jid who)
{
	const struct occupant *o = room_occupant_of(r, jid_bare(who));

	if (o && room_shows_jids(r, o))
		return true;
	return r->config.anyone_sees_jids ||
	       role_at_entry(room_power(r, jid_bare(who)), r->config.moderated) == MODERATOR;
}

/* ---- the author ---- */

static bool is_author(const struct stanza *st, const struct xml_node *child, void *ctx)
{
	return child->ns == NS_MUC_USER && child->tag == TAG_X;
}

struct str room_archive_author(const struct stanza *st, struct arena *a)
{
	const struct xml_doc *d = &st->doc;
	const struct xml_node *x = xml_child(d, stanza_root(st), NS_MUC_USER, TAG_X);
	const struct xml_node *item = x ? xml_child(d, x, NS_MUC_USER, TAG_ITEM) : NULL;

	return item ? xml_attr_str(d, item, TAG_JID, a) : STR_NULL;
}

static struct str whole(const struct stanza *st)
{
	return str_from(st->doc.bytes, st->doc.n_bytes);
}

struct str room_archive_hide_author(struct shard *s, struct str bytes)
{
	struct arena *turn = &s->loop.turn;
	struct stanza *st = stanza_scan(&s->scratch_table, bytes, turn);

	if (!st) /* rather nothing than too much */
		return STR("<message/>");
	stanza_drop_children(&st, is_author, NULL, &s->scratch_table);
	struct str hidden = str_dup(turn, whole(st));
	stanza_unref(&st);
	return hidden;
}

/* ---- storing ---- */

static struct str author_of(const struct seat *author, struct arena *turn)
{
	const struct occupant *o = author->occupant;
	struct buf b;

	buf_init(&b, 16 * JID_MAX);
	struct writer w = w_on(&b);
	w_open_ns(&w, "x", NS_MUC_USER);
	w_open(&w, "item");
	w_attr(&w, "affiliation", affiliation_name(room_affiliation(o->room, o->bare)));
	w_attr(&w, "jid", jid_str(author->full));
	w_attr(&w, "role", role_name(o->role));
	w_close(&w);
	w_close(&w);
	struct str xml = str_dup(turn, buf_str(&b));
	buf_clear(&b);
	return xml;
}

bool room_archive_store(struct room *r, const struct seat *author, struct stanza *passed_on,
	struct stanza *sent)
{
	struct shard *s = r->shard;
	const struct ledger_entry e = { .archive = jid_str(r->jid), .archived = true,
		.partner = author ? jid_str(author->occupant->bare) : STR("") };

	if (!room_archive_is_on(r) || !archive_is_worth(passed_on))
		return false;
	struct stanza *st = stanza_ref(passed_on);
	stanza_drop_children(&st, is_author, NULL, &s->scratch_table); /* section 8.4 */
	buf_reset(&s->scratch);
	stanza_write_with(&s->scratch, st, st->from, (struct jid){ 0 }, NS_NONE,
		author ? author_of(author, &s->loop.turn) : STR(""));
	message_keep(s, sent, &e, 1, passed_on->archive_id, buf_str(&s->scratch), false);
	stanza_unref(&st);
	return true;
}

/* ---- the history after a restart (XEP-0045 section 7.2.13) ---- */

static bool has(struct str bytes, struct str what)
{
	return memmem(bytes.p, bytes.n, what.p, what.n);
}

static bool is_tombstone(const struct stanza *st)
{
	return xml_child(&st->doc, stanza_root(st), NS_RETRACT, TAG_RETRACTED);
}

/* On the ledger's thread. Neither changes of the subject nor tombstones. */
static bool is_past(const struct ledger_message *m, const void *ctx)
{
	struct xml_table table = { 0 };
	struct arena a;

	if (!has(m->bytes, STR("subject")) && !has(m->bytes, STR("retracted")))
		return true;
	arena_init(&a, 4096);
	struct stanza *st = stanza_scan(&table, m->bytes, &a);
	bool yes = st && !room_is_subject(st) && !is_tombstone(st);
	stanza_unref(&st);
	xml_table_clear(&table);
	arena_clear(&a);
	return yes;
}

static void remember(struct room *r, const struct ledger_message *m)
{
	struct shard *s = r->shard;
	struct str bytes = room_archive_hide_author(s, m->bytes);
	struct stanza *st = stanza_scan(&s->scratch_table, bytes, &s->loop.turn);

	if (st) {
		st->archive_id = m->id;
		room_note_past(r, st);
	}
	stanza_unref(&st);
}

/* Without its history a room is better than not at all. */
static void past_is_read(struct ledger_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct room *r = *(struct room **)op->ctx;

	if (op->status != STORE_OK)
		log_error(&s->log, "room", F_STR("room", jid_str(r->jid)),
			F_STR("error", STR("its history could not be read")));
	for (size_t i = 0; i < op->n_messages; i++)
		remember(r, &op->messages[i]);
	room_loaded(r, STORE_OK);
	ledger_op_free(op);
}

void room_archive_read_past(struct room *r)
{
	struct shard *s = r->shard;
	const struct ledger_query q = { .max = room_past_max(r), .newest = true,
		.match = is_past };

	if (!q.max || !room_archive_is_on(r)) {
		room_loaded(r, STORE_OK);
		return;
	}
	struct ledger_op *op = shard_ledger_op(s, s, past_is_read, sizeof r);
	*(struct room **)op->ctx = r;
	ledger_query(s->core->ledger, op, jid_str(r->jid), &q);
}

/* ---- the archive of a room that is no more ---- */

static void cleaned(struct shard *s, enum store_status status, void *ctx)
{
	room_loaded(ctx, status == STORE_OK ? STORE_NOT_FOUND : status);
}

static void is_counted(struct ledger_op *op, void *receiver)
{
	struct room *r = *(struct room **)op->ctx;

	if (op->status == STORE_OK && op->total)
		archive_erase(r->shard, r->jid, cleaned, r);
	else
		room_loaded(r, op->status == STORE_OK ? STORE_NOT_FOUND : op->status);
	ledger_op_free(op);
}

void room_archive_clean(struct room *r)
{
	struct shard *s = r->shard;
	const struct ledger_query q = { .max = 0 };
	struct ledger_op *op = shard_ledger_op(s, s, is_counted, sizeof r);

	*(struct room **)op->ctx = r;
	ledger_query(s->core->ledger, op, jid_str(r->jid), &q);
}

/* ---- retracting ---- */

static bool is_of(const struct stanza *st, struct str occupant_id, struct arena *a)
{
	const struct xml_node *id = xml_child(&st->doc, stanza_root(st), NS_OCCUPANT_ID,
		TAG_OCCUPANT_ID);

	return id && str_eq(xml_attr_str(&st->doc, id, TAG_ID, a), occupant_id);
}

static bool may_be_retracted(const struct stanza *st, struct str author, struct arena *a)
{
	return (!author.n || is_of(st, author, a)) && !is_tombstone(st) &&
	       !xml_child(&st->doc, stanza_root(st), NS_RETRACT, TAG_RETRACT);
}

/* What says whose message it was, and which. */
static bool outlives(const struct xml_node *n)
{
	return (n->ns == NS_SID && n->tag == TAG_STANZA_ID) ||
	       (n->ns == NS_OCCUPANT_ID && n->tag == TAG_OCCUPANT_ID) ||
	       (n->ns == NS_MUC_USER && n->tag == TAG_X);
}

static void write_tombstone(struct buf *b, const struct stanza *st, struct str tombstone)
{
	const struct xml_doc *d = &st->doc;
	struct writer w = w_on(b);

	buf_reset(b);
	stanza_open(&w, STANZA_MESSAGE, "groupchat", st->from, (struct jid){ 0 }, st->id);
	w_raw(&w, tombstone);
	for (const struct xml_node *n = xml_first(d, stanza_root(st)); n; n = xml_next(d, n))
		if (outlives(n))
			w_raw(&w, xml_raw(d, n));
	w_close(&w);
}

static bool retract_in_past(struct room *r, const struct room_retraction *what)
{
	for (uint32_t i = 0; i < r->n_past; i++) {
		const struct stanza *st = r->past[i].stanza;
		if (st->archive_id != what->id)
			continue;
		if (!may_be_retracted(st, what->author, &r->shard->loop.turn))
			return false;
		room_forget_past(r, what->id);
		return true;
	}
	return false;
}

/* Of a subject that was loaded, only the element tells it. */
static uint64_t id_of(const struct room *r, const struct stanza *st)
{
	struct arena *turn = &r->shard->loop.turn;
	const struct xml_node *n = xml_child(&st->doc, stanza_root(st), NS_SID, TAG_STANZA_ID);
	uint64_t id = st->archive_id;

	for (; n && !id; n = xml_next_same(&st->doc, n))
		if (str_eq(xml_attr_str(&st->doc, n, TAG_BY, turn), jid_str(r->jid)) &&
			!archive_id_parse(xml_attr_str(&st->doc, n, TAG_ID, turn), &id))
			id = 0;
	return id;
}

/* Who enters is told that there is none. */
static bool retract_subject(struct room *r, const struct room_retraction *what)
{
	if (!r->subject || id_of(r, r->subject) != what->id ||
		!may_be_retracted(r->subject, what->author, &r->shard->loop.turn))
		return false;
	stanza_unref(&r->subject);
	r->row_changed = true;
	return true;
}

/* Until the message is out of the archive. */
struct burial {
	void (*done)(struct shard *s, bool found, enum store_status status, void *ctx);
	void *ctx;
	bool found;
};

/* A message may have been erased, or grown too old, since it was found. */
static void finish(struct shard *s, struct burial *b, enum store_status status)
{
	if (b->done)
		b->done(s, b->found, status == STORE_NOT_FOUND ? STORE_OK : status, b->ctx);
	free(b);
}

static void buried(struct shard *s, enum store_status status, void *ctx)
{
	finish(s, ctx, status);
}

/* While the ledger looks; the strings are in the operation. */
struct search_for {
	struct burial *burial;
	struct str author, tombstone;
};

/* False: there is nothing to be buried. */
static bool bury(struct shard *s, const struct search_for *f, struct str archive,
	const struct ledger_message *m)
{
	struct stanza *st = stanza_scan(&s->scratch_table, m->bytes, &s->loop.turn);
	bool may = st && may_be_retracted(st, f->author, &s->loop.turn);

	if (may) {
		write_tombstone(&s->scratch, st, f->tombstone);
		f->burial->found = true;
		archive_replace(s, &archive, 1, m->id, buf_str(&s->scratch), buried, f->burial);
	}
	stanza_unref(&st);
	return may;
}

static void looked(struct ledger_op *op, void *receiver)
{
	const struct search_for *f = op->ctx;

	if (!op->n_messages || !bury(receiver, f, op->archive, &op->messages[0]))
		finish(receiver, f->burial, op->status);
	ledger_op_free(op);
}

void room_archive_retract(struct room *r, const struct room_retraction *what)
{
	struct shard *s = r->shard;
	const struct ledger_query q = { .ids = &what->id, .n_ids = 1, .max = 1 };
	struct burial *b = xcalloc(1, sizeof *b);

	*b = (struct burial){ .done = what->done, .ctx = what->ctx };
	b->found = retract_in_past(r, what);
	b->found = retract_subject(r, what) || b->found;
	if (!room_archive_is_on(r)) {
		finish(s, b, STORE_OK);
		return;
	}
	struct ledger_op *op = shard_ledger_op(s, s, looked, sizeof(struct search_for));
	*(struct search_for *)op->ctx = (struct search_for){ b, str_dup(&op->mem, what->author),
		str_dup(&op->mem, what->tombstone) };
	ledger_query(s->core->ledger, op, jid_str(r->jid), &q);
}
