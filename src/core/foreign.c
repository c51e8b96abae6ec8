#include "core/foreign.h"

#include "core/message.h"
#include "core/module.h"
#include "core/route.h"

/* ---- in ---- */

/* A module sees to it. */
static bool is_taken(struct shard *s, struct stanza *st)
{
	module_each(m, s->core, foreign_sent)
		if (m->foreign_sent(s, st))
			return true;
	return false;
}

static void stanza_in(struct shard *s, struct stanza *st)
{
	const char *fault = st->kind == STANZA_IQ ? stanza_iq_fault(st) : NULL;

	if (fault)
		bounce(s, st, ERR_BAD_REQUEST, str_c(fault));
	else if (st->type == TYPE_INVALID)
		bounce(s, st, ERR_BAD_REQUEST, STR("unknown type of presence"));
	else if (is_taken(s, st))
		return;
	else if (st->kind == STANZA_MESSAGE)
		message_enter(s, st);
	else
		route(s, st);
}

/* RFC 6121 section 3.1.2: requests go from bare JID to bare JID. */
static bool is_subscription(const struct stanza *st)
{
	return st->type == PRESENCE_SUBSCRIBE || st->type == PRESENCE_SUBSCRIBED ||
	       st->type == PRESENCE_UNSUBSCRIBE || st->type == PRESENCE_UNSUBSCRIBED;
}

void foreign_in(struct shard *s, const struct xml_doc *d, struct jid from, struct jid to,
	struct str lang, struct receipt receipt)
{
	bool malformed = !jid_is_set(to);

	if (malformed) /* our own name, for the error to come from */
		to = jid_make(&s->loop.turn, STR(""), s->settings->first->domain, STR(""));
	struct stanza *st = stanza_new_lang(d, from, to, lang);
	if (is_subscription(st)) {
		stanza_unref(&st);
		st = stanza_new_lang(d, jid_bare(from), jid_bare(to), lang);
	}
	st->session = receipt.stream;
	st->number = receipt.number;
	st->by_peer = receipt.stream;
	if (malformed)
		bounce(s, st, ERR_JID_MALFORMED, STR("the 'to' is no address"));
	else
		stanza_in(s, st);
	stanza_unref(&st);
}

/* ---- out ---- */

/* Elements that say themselves that they are in jabber:client would be in another namespace than
 * the rest of their stanza. */
static bool names_its_content(const struct stanza *st)
{
	const struct xml_node *nodes = st->doc.nodes;

	for (uint32_t i = 1; i < st->doc.n_nodes; i++)
		if (nodes[i].kind == XML_ELEMENT && nodes[i].ns == NS_CLIENT &&
			nodes[nodes[i].parent].ns == NS_CLIENT &&
			(nodes[i].prefix_len || nodes[i].flags & XML_DECLARES))
			return true;
	return false;
}

/* The same stanza without that, and without addresses; NULL where it became too large. The caller's
 * to unref. */
static struct stanza *without_names(struct shard *s, const struct stanza *st)
{
	const struct scan content = { .content_ns = NS_CLIENT };
	const struct jid nobody = { 0 };

	buf_reset(&s->scratch);
	scan_canonical(&content, &st->doc, &s->scratch);
	if (!buf_ok(&s->scratch))
		return NULL;
	struct stanza *scanned = stanza_scan(&s->scratch_table, buf_str(&s->scratch), &s->loop.turn);
	if (!scanned)
		return NULL;
	struct stanza *plain = stanza_new_lang(&scanned->doc, nobody, nobody, st->lang);
	stanza_unref(&scanned);
	return plain;
}

void foreign_write(struct shard *s, struct buf *out, const struct stanza *st, struct jid to)
{
	struct stanza *plain = names_its_content(st) ? without_names(s, st) : NULL;

	stanza_write(out, plain ? plain : st, st->from, to, NS_NONE);
	stanza_unref(&plain);
}
