/* What an account has: contacts, requests, messages. Each is brought into the form in which
 * the server itself would have stored it. */
#include "server/import.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "core/roster.h"
#include "xmpp/datetime.h"
#include "xmpp/stanza.h"

/* ---- contacts ---- */

/* RFC 6121 section 2.1.2.5. False: no such word, or one that is no state. */
static bool subscription_of(struct str word, uint8_t *out)
{
	static const char *const words[] = { "none", "to", "from", "both" };

	*out = 0;
	if (!word.n)
		return true;
	for (uint8_t i = 0; i < 4; i++)
		if (str_eq(word, str_c(words[i]))) {
			*out = i;
			return true;
		}
	return false;
}

/* Those that the server would take itself. */
static struct str good_groups(struct import *im, struct str groups)
{
	char *at = arena_alloc(&im->turn, groups.n + 1);
	struct str out = { at, 0 };
	unsigned n = 0;

	while (groups.n) {
		struct str name = str_c(groups.p);
		groups = str_skip(groups, name.n + 1);
		if (!name.n)
			continue;
		if (name.n > ROSTER_NAME_MAX || !utf8_valid(name) || ++n > ROSTER_GROUPS_MAX) {
			import_note(im, "group of a contact, too long or one too many");
			continue;
		}
		memcpy(at + out.n, name.p, name.n + 1);
		out.n += name.n + 1;
	}
	return out;
}

static struct str good_name(struct import *im, struct str name)
{
	if (name.n <= ROSTER_NAME_MAX && utf8_valid(name))
		return name;
	import_note(im, "name of a contact, which is too long");
	return STR("");
}

static void add_contact(struct import *im, const struct import_contact *c)
{
	struct store_item item = { .ask = c->ask, .approved = c->approved };
	struct jid j;

	if (!jid_parse(c->jid, &im->turn, &j)) {
		import_note(im, "contact whose address is none");
		return;
	}
	if (!subscription_of(c->subscription, &item.subscription)) {
		import_note(im, "contact whose subscription is \"%.*s\"",
			STR_FMT(str_head(c->subscription, 20)));
		return;
	}
	if (str_eq(jid_str(j), im->jid)) {
		import_note(im, "contact that is the account itself");
		return;
	}
	item.jid = jid_str(j);
	item.name = good_name(im, c->name);
	item.groups = good_groups(im, c->groups);
	item.version = ++im->version;
	im->counts.contacts++;
	if (im->data)
		store_set_item(im->data->store, data_store_write(im->data), im->host, im->user,
			&item);
}

void import_contact(struct import *im, const struct import_contact *c)
{
	if (im->taken)
		add_contact(im, c);
	arena_reset(&im->turn);
}

/* ---- requests ---- */

static void add_request(struct import *im, struct str from, struct str xml)
{
	struct stanza *st = xml.n ? stanza_scan(&im->table, xml, &im->turn) : NULL;
	struct jid who, own;

	if ((xml.n && (!st || st->kind != STANZA_PRESENCE || st->type != PRESENCE_SUBSCRIBE)) ||
	    !jid_parse(from, &im->turn, &who)) {
		import_note(im, "request to subscribe that is none");
	} else if (++im->requests > PENDING_MAX) {
		import_note(im, "request to subscribe beyond %u of one account", PENDING_MAX);
	} else {
		jid_parse(im->jid, &im->turn, &own);
		buf_reset(&im->out);
		if (st) {
			stanza_write(&im->out, st, jid_bare(who), own, NS_NONE);
		} else {
			struct writer w = w_on(&im->out);
			stanza_open(&w, STANZA_PRESENCE, "subscribe", jid_bare(who), own, STR_NULL);
			w_close(&w);
		}
		im->counts.requests++;
		if (im->data)
			store_set_pending(im->data->store, data_store_write(im->data), im->host,
				im->user, jid_bare_str(who), buf_str(&im->out));
	}
	if (st)
		stanza_unref(&st);
}

void import_request(struct import *im, struct str from, struct str xml)
{
	if (im->taken)
		add_request(im, from, xml);
	arena_reset(&im->turn);
}

/* ---- messages ---- */

/* What a server adds to a message that it keeps, and what ours will add again: its own stamp
 * of the time, and the ids that it gave. */
static bool is_added(struct import *im, const struct xml_doc *d, const struct xml_node *el,
	uint64_t *stamp_us)
{
	struct str by = xml_attr_str(d, el, TAG_BY, &im->turn);
	struct str from = xml_attr_str(d, el, TAG_FROM, &im->turn);
	uint64_t stamp;

	if (xml_is(el, NS_SID, TAG_STANZA_ID))
		return str_eq(by, im->jid);
	if (str_eq(xml_name(d, el), STR("archived")) &&
	    str_eq(xml_ns_uri(d, el, &im->turn), STR("urn:xmpp:mam:tmp")))
		return str_eq(by, im->jid);
	if (!xml_is(el, NS_DELAY, TAG_DELAY) || !str_eq(from, im->host) ||
	    !datetime_parse(xml_attr_str(d, el, TAG_STAMP, &im->turn), &stamp))
		return false;
	*stamp_us = stamp;
	return true;
}

/* The message without those; NULL when it is none. *stamp_us stays where nothing says it. */
static struct stanza *clean_message(struct import *im, struct str xml, uint64_t *stamp_us)
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
		if (!is_added(im, &st->doc, n, stamp_us))
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

static void add_offline(struct import *im, uint64_t stamp_us, struct str xml)
{
	uint64_t said_us = clock_wall_us();
	struct stanza *st = clean_message(im, xml, &said_us);
	struct jid own;

	if (!st) {
		import_note(im, "offline message that is no message of XMPP");
		return;
	}
	jid_parse(im->jid, &im->turn, &own);
	buf_reset(&im->out);
	stanza_write(&im->out, st, jid_is_set(st->from) ? st->from : own,
		jid_is_set(st->to) && jid_eq_bare(st->to, own) ? st->to : own, NS_NONE);
	stanza_unref(&st);
	if (im->out.n > LEDGER_BYTES_MAX) {
		import_note(im, "message of more than %u bytes", LEDGER_BYTES_MAX);
		return;
	}
	im->counts.offline++;
	if (im->data)
		ledger_store_offline(im->data->ledger, data_ledger_write(im->data), im->jid,
			stamp_us ? stamp_us : said_us, buf_str(&im->out));
}

void import_offline(struct import *im, uint64_t stamp_us, struct str xml)
{
	if (im->taken)
		add_offline(im, stamp_us, xml);
	arena_reset(&im->turn);
}
