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

void stanza_drop_children(struct stanza **s, edit_drops *drops, void *ctx,
	struct xml_table *table)
{
	static const struct scan_limits no_more_than_before = { .stanza_bytes = UINT32_MAX / 2,
		.depth = 1024, .attrs = 1024, .name = 1024, .namespaces = 1024,
		.nodes = 4 * 1024 * 1024 };
	struct stanza *old = *s;
	struct buf b;

	if (!any_goes(old, drops, ctx))
		return;
	buf_init(&b, old->doc.n_bytes + SCAN_PAD);
	copy_rest(&b, old, drops, ctx);
	size_t n = b.n;
	char *pad = buf_reserve(&b, SCAN_PAD);
	BUG_ON(!pad);
	memset(pad, 0, SCAN_PAD);
	enum scan_error e = scan_document(table, &no_more_than_before, NS_CLIENT, b.p, n);
	BUG_ON(e != SCAN_OK); /* what was taken out is whole */
	struct xml_doc d = xml_table_doc(table, b.p, n);
	*s = stanza_new_lang(&d, old->from, old->to, old->lang);
	stanza_unref(&old);
	buf_clear(&b);
}
