#include "xmpp/edit.h"

#include "base/bug.h"

static bool any_goes(const struct stanza *s, edit_drops *drops, void *ctx)
{
	const struct xml_node *n = xml_first(&s->doc, stanza_root(s));

	for (; n; n = xml_next(&s->doc, n))
		if (drops(s, n, ctx))
			return true;
	return false;
}

static void copy_rest(struct buf *b, const struct stanza *s, edit_drops *drops, void *ctx)
{
	const struct xml_node *n = xml_first(&s->doc, stanza_root(s));
	uint32_t from = 0;

	for (; n; n = xml_next(&s->doc, n)) {
		if (!drops(s, n, ctx))
			continue;
		buf_add(b, str_from(s->doc.bytes + from, n->start - from));
		from = n->end;
	}
	buf_add(b, str_from(s->doc.bytes + from, s->doc.n_bytes - from));
}

/* The same stanza with another text. False: that is none of its kind. */
static bool replace(struct stanza **s, struct buf *b, struct xml_table *table)
{
	static const struct scan_limits limits = { .stanza_bytes = UINT32_MAX / 2, .depth = 1024,
		.attrs = 1024, .name = 1024, .namespaces = 1024, .nodes = 4 * 1024 * 1024 };
	struct stanza *old = *s;
	size_t n = b->n;
	char *pad = buf_reserve(b, SCAN_PAD);

	if (!pad)
		return false;
	memset(pad, 0, SCAN_PAD);
	if (scan_document(table, &limits, NS_CLIENT, b->p, n) != SCAN_OK)
		return false;
	struct xml_doc d = xml_table_doc(table, b->p, n);
	if (stanza_kind_of(d.nodes) != old->kind || d.nodes->prefix_len)
		return false;
	*s = stanza_new_lang(&d, old->from, old->to, old->lang);
	(*s)->archive_id = old->archive_id;
	(*s)->session = old->session;
	(*s)->number = old->number;
	(*s)->kept_by_sender = old->kept_by_sender;
	(*s)->place = old->place;
	(*s)->original = old->original ? stanza_ref(old->original) : NULL;
	stanza_unref(&old);
	return true;
}

void stanza_drop_children(struct stanza **s, edit_drops *drops, void *ctx,
	struct xml_table *table)
{
	struct buf b;

	if (!any_goes(*s, drops, ctx))
		return;
	buf_init(&b, (*s)->doc.n_bytes + SCAN_PAD);
	copy_rest(&b, *s, drops, ctx);
	bool ok = replace(s, &b, table);
	BUG_ON(!ok); /* what was taken out is whole */
	buf_clear(&b);
}

bool stanza_replace_element(struct stanza **s, const struct xml_node *el, struct str xml,
	struct xml_table *table)
{
	const struct xml_doc *d = &(*s)->doc;
	struct buf b;

	buf_init(&b, STANZA_EDIT_MAX);
	buf_add(&b, str_from(d->bytes, el->start));
	buf_add(&b, xml);
	buf_add(&b, str_from(d->bytes + el->end, d->n_bytes - el->end));
	bool ok = buf_ok(&b) && replace(s, &b, table);
	buf_clear(&b);
	return ok;
}
