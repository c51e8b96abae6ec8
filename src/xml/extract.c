#include "xml/extract.h"

/* Those of `outer` that hold at el, nothing nearer having declared the same prefix. */
static void add_declarations(struct buf *b, const struct xml_doc *d, const struct xml_node *outer,
	const struct xml_node *el)
{
	const struct xml_attr *a = d->attrs + outer->first_attr;
	const struct xml_attr *end = a + outer->n_attrs;

	for (; a < end && a->flags & XML_DECLARES; a++) {
		if (xml_declaration(d, el, xml_attr_name(d, a)) != a)
			continue;
		buf_byte(b, ' ');
		/* To the quote behind the value. */
		buf_add(b, str_from(d->bytes + a->at, a->value + a->value_len + 1 - a->at));
	}
}

static void extract(struct buf *b, const struct xml_doc *d, const struct xml_node *el,
	struct str declaration)
{
	size_t name_end = 1 + (el->prefix_len ? el->prefix_len + 1u : 0) + el->name_len;
	struct str raw = xml_raw(d, el);

	buf_add(b, str_head(raw, name_end));
	for (const struct xml_node *outer = el; outer != xml_root(d);) {
		outer = &d->nodes[outer->parent];
		add_declarations(b, d, outer, el);
	}
	buf_add(b, declaration);
	buf_add(b, str_skip(raw, name_end));
}

void xml_extract(struct buf *b, const struct xml_doc *d, const struct xml_node *el)
{
	extract(b, d, el, STR(""));
}

void xml_extract_alone(struct buf *b, const struct xml_doc *d, const struct xml_node *el)
{
	extract(b, d, el, xml_declaration(d, el, STR("")) ? STR("") : STR(" xmlns='jabber:client'"));
}
