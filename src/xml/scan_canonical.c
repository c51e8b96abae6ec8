/* Writing a document so that it stands on its own (RFC 6120 section 4.8.5). */
#include "xml/scan_run.h"
#include "xml/writer.h"

struct canon {
	const struct scan *s;
	const struct xml_doc *d;
	struct buf *out;
	struct arena mem; /* URIs that need unescaping */
};

/* The URI of a prefix at el (empty: the default namespace), unescaped. */
static struct str uri_at(struct canon *c, const struct xml_node *el, struct str prefix)
{
	const struct xml_attr *decl = xml_declaration(c->d, el, prefix);

	return decl ? xml_value(c->d, decl, &c->mem) : scan_header_uri(c->s, prefix);
}

static struct str element_uri(struct canon *c, const struct xml_node *el)
{
	if (el->ns != NS_OTHER)
		return xml_ns_str((enum xml_ns)el->ns);
	return uri_at(c, el, str_from(c->d->bytes + el->start + 1, el->prefix_len));
}

/* The namespace http://www.w3.org/XML/1998/namespace cannot be declared as the default one: its
 * elements keep the prefix xml, and those inside see the default from further out. */
static const struct xml_node *around(const struct xml_doc *d, const struct xml_node *el)
{
	do {
		if (el == d->nodes)
			return NULL;
		el = &d->nodes[el->parent];
	} while (el->ns == NS_XML);
	return el;
}

/* The element's namespace is the default where it stands. */
static bool is_default(struct canon *c, const struct xml_node *el)
{
	const struct xml_node *outer = around(c->d, el);

	if (el->ns != (outer ? outer->ns : c->s->content_ns))
		return false;
	if (el->ns != NS_OTHER)
		return true;
	return str_eq(element_uri(c, el),
		outer ? element_uri(c, outer) : scan_header_uri(c->s, STR("")));
}

/* Never longer than it came, so that a URI within its bound stays there: the quote is the one
 * that is rarer inside, and nothing is escaped that need not be. */
static void write_uri(struct buf *out, struct str uri)
{
	size_t single = 0, twice = 0;

	for (size_t i = 0; i < uri.n; i++) {
		single += uri.p[i] == '\'';
		twice += uri.p[i] == '"';
	}
	char quote = single <= twice ? '\'' : '"';
	buf_byte(out, quote);
	for (size_t i = 0; i < uri.n; i++) {
		unsigned char ch = (unsigned char)uri.p[i];
		if (ch == '<')
			buf_lit(out, "&lt;");
		else if (ch == '&')
			buf_lit(out, "&amp;");
		else if (ch == (unsigned char)quote || ch < ' ')
			buf_printf(out, "&#%u;", ch);
		else
			buf_byte(out, (char)ch);
	}
	buf_byte(out, quote);
}

static void write_declaration(struct canon *c, struct str prefix, struct str uri)
{
	buf_lit(c->out, " xmlns");
	if (prefix.n) {
		buf_byte(c->out, ':');
		buf_add(c->out, prefix);
	}
	buf_byte(c->out, '=');
	write_uri(c->out, uri);
}

/* An attribute before number i has its prefix, which is declared then. */
static bool prefix_written(const struct xml_doc *d, const struct xml_attr *attrs, unsigned i)
{
	struct str prefix = str_from(d->bytes + attrs[i].at, attrs[i].prefix_len);

	for (unsigned k = 0; k < i; k++) {
		if (!(attrs[k].flags & XML_DECLARES) &&
			str_eq(str_from(d->bytes + attrs[k].at, attrs[k].prefix_len), prefix))
			return true;
	}
	return false;
}

static void write_attrs(struct canon *c, const struct xml_node *el)
{
	const struct xml_doc *d = c->d;
	const struct xml_attr *attrs = d->attrs + el->first_attr;

	for (unsigned i = 0; i < el->n_attrs; i++) {
		const struct xml_attr *a = &attrs[i];
		struct str prefix = str_from(d->bytes + a->at, a->prefix_len);
		if (a->flags & XML_DECLARES)
			continue;
		if (prefix.n && a->ns != NS_XML && !prefix_written(d, attrs, i))
			write_declaration(c, prefix, uri_at(c, el, prefix));
		buf_byte(c->out, ' ');
		if (prefix.n) {
			buf_add(c->out, prefix);
			buf_byte(c->out, ':');
		}
		buf_add(c->out, xml_attr_name(d, a));
		buf_byte(c->out, '=');
		/* With its quotes, which stand right before and behind it. */
		buf_add(c->out, str_from(d->bytes + a->value - 1, a->value_len + (size_t)2));
	}
}

static void write_name(struct canon *c, const struct xml_node *el)
{
	if (el->ns == NS_XML)
		buf_lit(c->out, "xml:");
	buf_add(c->out, xml_name(c->d, el));
}

static void write_start_tag(struct canon *c, const struct xml_node *el)
{
	buf_byte(c->out, '<');
	write_name(c, el);
	if (el->ns != NS_XML && !is_default(c, el))
		write_declaration(c, STR_NULL, element_uri(c, el));
	write_attrs(c, el);
	buf_add(c->out, el->flags & XML_EMPTY ? STR("/>") : STR(">"));
}

static void write_end_tag(struct canon *c, const struct xml_node *el)
{
	if (el->flags & XML_EMPTY)
		return;
	buf_lit(c->out, "</");
	write_name(c, el);
	buf_byte(c->out, '>');
}

static void write_text(struct canon *c, const struct xml_node *node)
{
	struct str raw = str_from(c->d->bytes + node->start, node->end - node->start);

	if (node->flags & XML_CDATA)
		buf_lit(c->out, "<![CDATA[");
	buf_add(c->out, raw);
	if (node->flags & XML_CDATA)
		buf_lit(c->out, "]]>");
}

void scan_canonical(const struct scan *s, const struct xml_doc *d, struct buf *out)
{
	struct canon c = { .s = s, .d = d, .out = out };
	const struct xml_node *open = d->nodes;

	arena_init(&c.mem, 1024);
	for (uint32_t i = 0; i < d->n_nodes; i++) {
		const struct xml_node *node = &d->nodes[i];
		for (; i && i == open->next; open = &d->nodes[open->parent])
			write_end_tag(&c, open);
		if (node->kind == XML_TEXT) {
			write_text(&c, node);
			continue;
		}
		write_start_tag(&c, node);
		open = node;
		arena_reset(&c.mem);
	}
	for (;; open = &d->nodes[open->parent]) {
		write_end_tag(&c, open);
		if (open == d->nodes)
			break;
	}
	arena_clear(&c.mem);
}
