/* XEP-0452 MUC Mention Notifications, version 0.2.2
 *
 * Where the configuration of a room says so (muc#roomconfig_forwardmentions), a message that
 * mentions somebody (XEP-0372 0.5.0: a reference of type mention) who is not in the room is
 * forwarded to him by the room. That is who has an affiliation and has registered a nickname: by
 * registering people say that they wish for it (section 2). They are named by their address
 * (xmpp:hag66@shakespeare.lit), or by their nickname in the room
 * (xmpp:coven@chat.shakespeare.lit/secondwitch). What is forwarded waits for who is offline. Of one
 * message at most MENTIONS_MAX references are looked at. Options: none. Stores: nothing. */
#include "core/module.h"
#include "core/room.h"
#include "xmpp/datetime.h"

#define MENTIONS_MAX 16

/* ---- who is meant ---- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-encoding (RFC 3986 section 2.1); a percent sign that begins none stands for itself. */
static struct str decode(struct str in, struct arena *a)
{
	char *out = arena_alloc(a, in.n);
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		int high = in.p[i] == '%' && i + 2 < in.n ? hex_value(in.p[i + 1]) : -1;
		int low = high >= 0 ? hex_value(in.p[i + 2]) : -1;
		out[n++] = low >= 0 ? (char)(16 * high + low) : in.p[i];
		i += low >= 0 ? 2 : 0;
	}
	return str_from(out, n);
}

/* The address of an XMPP URI (RFC 5122 section 2.2), without query and fragment. */
static bool parse_uri(struct str uri, struct arena *a, struct jid *out)
{
	static const char ends[] = { '?', '#' };

	if (!str_eq_nocase(str_head(uri, 5), STR("xmpp:")))
		return false;
	uri = str_skip(uri, 5);
	for (size_t i = 0; i < sizeof ends; i++) {
		ptrdiff_t end = str_find(uri, ends[i]);
		if (end >= 0)
			uri = str_head(uri, (size_t)end);
	}
	return jid_parse(decode(uri, a), a, out);
}

static struct member *find(const struct room *r, struct jid j)
{
	return jid_eq_bare(j, r->jid) ? room_nick_owner(r, jid_resource(j))
				      : room_member(r, j);
}

/* Whom a reference mentions, if he is to be told; else NULL. */
static struct member *mentioned(const struct room *r, const struct stanza *message,
	const struct xml_node *reference)
{
	struct arena *turn = &r->shard->loop.turn;
	const struct xml_doc *d = &message->doc;
	struct jid j;

	if (!str_eq(xml_attr_str(d, reference, TAG_TYPE, turn), STR("mention")) ||
		!parse_uri(xml_attr_str(d, reference, TAG_URI, turn), turn, &j))
		return NULL;
	struct member *m = find(r, j);
	return m && m->nick && m->affiliation >= MEMBER && !room_occupant_of(r, m->jid) ? m : NULL;
}

/* ---- telling him (section 3.2) ---- */

static struct str forwarded(struct room *r, struct stanza *message)
{
	struct shard *s = r->shard;
	struct arena *turn = &s->loop.turn;

	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	w_raw(&w, STR("<mentions xmlns='urn:xmpp:mmn:0'><forwarded xmlns='urn:xmpp:forward:0'>"));
	w_open_ns(&w, "delay", NS_DELAY);
	w_attr(&w, "stamp", datetime_format(turn, archive_id_stamp(message->archive_id)));
	w_close(&w);
	stanza_write(&s->scratch, message, message->from, r->jid, NS_CLIENT);
	w_raw(&w, STR("</forwarded></mentions><store xmlns='urn:xmpp:hints'/>"));
	return str_dup(turn, buf_str(&s->scratch));
}

static bool is_among(struct member *const *all, size_t n, const struct member *m)
{
	for (size_t i = 0; i < n; i++)
		if (all[i] == m)
			return true;
	return false;
}

static void passed_on(struct occupant *o, struct stanza *message)
{
	struct room *r = o->room;
	const struct xml_doc *d = &message->doc;
	const struct xml_node *el;
	struct member *told[MENTIONS_MAX];
	struct str xml = STR_NULL;
	size_t n = 0, looked = 0;

	if (!r->config.forward_mentions)
		return;
	el = xml_child(d, stanza_root(message), NS_REFERENCE, TAG_REFERENCE);
	for (; el && looked < MENTIONS_MAX; el = xml_next_same(d, el), looked++) {
		struct member *m = mentioned(r, message, el);
		if (!m || is_among(told, n, m))
			continue;
		if (!xml.p)
			xml = forwarded(r, message);
		room_tell_one(r, m->jid, xml);
		told[n++] = m;
	}
}

const struct module xep0452_mentions = {
	.name = "mentions",
	.spec = "XEP-0452 0.2.2",
	.room_passed_on = passed_on,
};
