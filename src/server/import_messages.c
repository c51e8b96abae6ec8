/* Messages: those that wait and those of the history, which are partly the same.
 *
 * In the ledger a message that waits and stands in the history is one record; other servers keep
 * two, which name each other by the archive's id (XEP-0359). So what waits is held back until
 * the account's history has been seen: where the history brings a message of that id, it is
 * stored once. The rest is stored in the order of time as far as that is known. */
#include "server/import.h"

#include "base/bug.h"
#include "base/clock.h"
#include "xmpp/datetime.h"
#include "xmpp/jid.h"
#include "xmpp/stanza.h"

#define HELD_BYTES_MAX (64 * 1024 * 1024) /* of one account; more is stored at once */
#define STAMP_MAX      ((UINT64_C(1) << 55) - 1) /* in the year 3111; an id has place for it */

/* Who made the id: only sequences of one maker need to grow (store/ledger.h). */
enum { MAKER_HISTORY, MAKER_WAITING };

struct import_held {
	struct map_node node;      /* in im->held_ids, if it has an id */
	struct import_held *next;
	struct str id;             /* of the history it is in; empty: none */
	struct str bytes, partner;
	uint64_t stamp_us;
	bool stored;
};

static struct str held_id(const struct map_node *n)
{
	return container_of(n, struct import_held, node)->id;
}

void import_messages_begin(struct import *im)
{
	im->held = im->held_last = NULL;
	im->held_bytes = 0;
	im->last_id = im->last_waiting_id = 0;
	map_init(&im->held_ids, held_id);
}

/* ---- into the ledger ---- */

/* An id of that time which is behind all that the account has. */
static uint64_t next_id(uint64_t *last, uint64_t stamp_us, unsigned maker)
{
	uint64_t id = ledger_id(stamp_us, maker);

	if (id <= *last)
		id = ledger_id(ledger_id_stamp(*last) + 1, maker);
	return *last = id;
}

static void put(struct import *im, struct str bytes, struct str partner, uint64_t id, bool archived,
	bool waits)
{
	const struct ledger_entry e = { im->jid, partner, archived, waits };

	im->counts.offline += waits;
	im->counts.archived += archived;
	if (im->data)
		ledger_store(im->data->ledger, data_ledger_write(im->data), &e, 1, id, bytes,
			STR(""));
}

static void put_held(struct import *im, struct import_held *h)
{
	if (!h->stored)
		put(im, h->bytes, h->partner,
			next_id(&im->last_waiting_id, h->stamp_us, MAKER_WAITING), false, true);
	h->stored = true;
}

/* Those that are in no history, up to the first that may yet turn up there. */
static void put_older(struct import *im, uint64_t stamp_us)
{
	struct import_held *h;

	while ((h = im->held) && (h->stored || (!h->id.n && h->stamp_us <= stamp_us))) {
		put_held(im, h);
		im->held = h->next;
	}
}

void import_messages_end(struct import *im)
{
	for (; im->held && !im->error.n; im->held = im->held->next)
		put_held(im, im->held);
	map_clear(&im->held_ids);
}

/* ---- what a message is ---- */

struct message {
	struct str bytes;     /* as the server stores it; in im->out */
	struct str partner;   /* in im->turn */
	struct str id;        /* that the account's archive gave it; in im->turn */
	uint64_t stamp_us;    /* that it carries, or 0 */
};

/* What a server adds to a message that it keeps, and what ours will add again: its own stamp
 * of the time, and the ids that it gave. */
static bool is_added(struct import *im, const struct xml_doc *d, const struct xml_node *el,
	struct message *m)
{
	struct str by = xml_attr_str(d, el, TAG_BY, &im->turn);
	struct str from = xml_attr_str(d, el, TAG_FROM, &im->turn);
	uint64_t stamp;

	if (im->room && xml_is(el, NS_OCCUPANT_ID, TAG_OCCUPANT_ID))
		return true; /* ours are others */
	if (xml_is(el, NS_SID, TAG_STANZA_ID) && str_eq(by, im->jid)) {
		m->id = str_dup(&im->turn, xml_attr_str(d, el, TAG_ID, &im->turn));
		return true;
	}
	if (str_eq(xml_name(d, el), STR("archived")) &&
	    str_eq(xml_ns_uri(d, el, &im->turn), STR("urn:xmpp:mam:tmp")))
		return str_eq(by, im->jid);
	if (!xml_is(el, NS_DELAY, TAG_DELAY) || !str_eq(from, im->host) ||
	    !datetime_parse(xml_attr_str(d, el, TAG_STAMP, &im->turn), &stamp))
		return false;
	m->stamp_us = stamp;
	return true;
}

/* The stanza without those. NULL: it is no message. */
static struct stanza *clean(struct import *im, struct str xml, struct message *m)
{
	struct stanza *st = stanza_scan(&im->table, xml, &im->turn);
	struct buf left;
	uint32_t at = 0;

	if (!st || st->kind != STANZA_MESSAGE) {
		if (st)
			stanza_unref(&st);
		return NULL;
	}
	buf_init(&left, IMPORT_XML_MAX);
	for (const struct xml_node *n = xml_first(&st->doc, stanza_root(st)); n;
	     n = xml_next(&st->doc, n)) {
		if (!is_added(im, &st->doc, n, m))
			continue;
		buf_add(&left, str_from(st->doc.bytes + at, n->start - at));
		at = n->end;
	}
	if (at) {
		buf_add(&left, str_from(st->doc.bytes + at, st->doc.n_bytes - at));
		stanza_unref(&st);
		st = stanza_scan(&im->table, buf_str(&left), &im->turn);
	}
	buf_clear(&left);
	return st;
}

static bool fits(struct import *im, struct message *m)
{
	m->bytes = buf_str(&im->out);
	if (buf_ok(&im->out) && m->bytes.n <= LEDGER_BYTES_MAX)
		return true;
	import_note(im, "message of more than %u bytes", LEDGER_BYTES_MAX);
	return false;
}

static bool read_room_message(struct import *im, struct stanza *st, struct message *m)
{
	bool from_room = jid_is_set(st->from) && str_eq(jid_bare_str(st->from), im->jid);

	if (!from_room)
		import_note(im, "message of a room that is from elsewhere");
	m->partner = import_room_author(im, st);
	buf_reset(&im->out);
	stanza_write(&im->out, st, st->from, (struct jid){ 0 }, NS_NONE);
	stanza_unref(&st);
	return from_room && fits(im, m);
}

/* Each message has both addresses; one that lacks one is the account's own there. */
static bool read_message(struct import *im, struct str xml, struct message *m)
{
	struct stanza *st;
	struct jid own;

	*m = (struct message){ .id = STR("") };
	st = clean(im, xml, m);
	if (!st) {
		import_note(im, "message that is none of XMPP");
		return false;
	}
	if (im->room)
		return read_room_message(im, st, m);
	BUG_ON(!jid_parse(im->jid, &im->turn, &own));
	struct jid from = jid_is_set(st->from) ? st->from : own;
	struct jid to = jid_is_set(st->to) ? st->to : own;
	m->partner = str_dup(&im->turn, jid_bare_str(jid_eq_bare(from, own) ? to : from));
	buf_reset(&im->out);
	stanza_write(&im->out, st, from, to, NS_NONE);
	stanza_unref(&st);
	return fits(im, m);
}

/* ---- those that wait ---- */

static void hold(struct import *im, const struct message *m, uint64_t stamp_us)
{
	struct import_held *h = arena_alloc(&im->user_mem, sizeof *h);

	*h = (struct import_held){
		.id = str_dup(&im->user_mem, m->id),
		.bytes = str_dup(&im->user_mem, m->bytes),
		.partner = str_dup(&im->user_mem, m->partner),
		.stamp_us = stamp_us,
	};
	if (im->held)
		im->held_last->next = h;
	else
		im->held = h;
	im->held_last = h;
	im->held_bytes += sizeof *h + m->bytes.n + m->id.n + m->partner.n;
	if (h->id.n && !map_get(&im->held_ids, h->id))
		map_put(&im->held_ids, &h->node);
}

static void add_offline(struct import *im, uint64_t stamp_us, struct str xml)
{
	struct message m;

	if (!read_message(im, xml, &m))
		return;
	if (!stamp_us)
		stamp_us = m.stamp_us;
	if (!stamp_us || stamp_us > STAMP_MAX)
		stamp_us = clock_wall_us();
	if (im->held_bytes < HELD_BYTES_MAX)
		hold(im, &m, stamp_us);
	else
		put(im, m.bytes, m.partner,
			next_id(&im->last_waiting_id, stamp_us, MAKER_WAITING), false, true);
}

void import_offline(struct import *im, uint64_t stamp_us, struct str xml)
{
	if (im->taken)
		add_offline(im, stamp_us, xml);
	arena_reset(&im->turn);
}

/* ---- those of the history ---- */

/* The id that an export of ours gave: it is kept, so that what clients remember stays true. */
static uint64_t id_for(struct import *im, struct str text, uint64_t stamp_us)
{
	uint64_t id;

	if (archive_id_parse(text, &id) && ledger_id_stamp(id) == stamp_us && id > im->last_id)
		return im->last_id = id;
	return next_id(&im->last_id, stamp_us, MAKER_HISTORY);
}

static void add_archived(struct import *im, struct str id, uint64_t stamp_us, struct str xml)
{
	struct map_node *n;
	struct message m;

	if (!read_message(im, xml, &m))
		return;
	if (!stamp_us || stamp_us > STAMP_MAX) {
		import_note(im, "archived message without a time, or with one that is none");
		return;
	}
	put_older(im, stamp_us);
	n = id.n ? map_get(&im->held_ids, id) : NULL;
	struct import_held *h = n ? container_of(n, struct import_held, node) : NULL;
	bool waits = h && !h->stored;
	put(im, m.bytes, m.partner, id_for(im, id, stamp_us), true, waits);
	if (waits)
		h->stored = true;
}

void import_archived(struct import *im, struct str id, uint64_t stamp_us, struct str xml)
{
	if (im->taken)
		add_archived(im, id, stamp_us, xml);
	arena_reset(&im->turn);
}
