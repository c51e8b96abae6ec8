#include "xml/tree.h"

#include "base/bug.h"
#include "base/utf8.h"

#include <stdlib.h>

void xml_table_clear(struct xml_table *t)
{
	free(t->nodes);
	free(t->attrs);
	*t = (struct xml_table){ 0 };
}

/* An array is there even when nothing is in it, so that offsets from it are defined. */
static void *copy_of(const void *from, uint32_t n, size_t size)
{
	void *to = xmalloc((n + (size_t)!n) * size);

	if (n)
		memcpy(to, from, n * size);
	return to;
}

void xml_table_copy(struct xml_table *to, struct xml_table *from)
{
	BUG_ON(to->nodes || to->attrs);
	*to = (struct xml_table){
		.nodes = copy_of(from->nodes, from->n_nodes, sizeof *to->nodes),
		.attrs = copy_of(from->attrs, from->n_attrs, sizeof *to->attrs),
		.n_nodes = from->n_nodes,
		.cap_nodes = from->n_nodes,
		.n_attrs = from->n_attrs,
		.cap_attrs = from->n_attrs,
	};
	from->n_nodes = from->n_attrs = 0;
}

/* The first element from index i on among the nodes before index end, in one row. */
static const struct xml_node *element_from(const struct xml_doc *d, uint32_t i, uint32_t end)
{
	while (i < end) {
		if (d->nodes[i].kind == XML_ELEMENT)
			return &d->nodes[i];
		i = d->nodes[i].next;
	}
	return NULL;
}

static uint32_t index_of(const struct xml_doc *d, const struct xml_node *node)
{
	return (uint32_t)(node - d->nodes);
}

const struct xml_node *xml_first(const struct xml_doc *d, const struct xml_node *of)
{
	return element_from(d, index_of(d, of) + 1, of->next);
}

const struct xml_node *xml_next(const struct xml_doc *d, const struct xml_node *el)
{
	return element_from(d, el->next, d->nodes[el->parent].next);
}

const struct xml_node *xml_child(const struct xml_doc *d, const struct xml_node *of, enum xml_ns ns,
	enum xml_tag tag)
{
	const struct xml_node *el = xml_first(d, of);

	while (el && !xml_is(el, ns, tag))
		el = xml_next(d, el);
	return el;
}

const struct xml_node *xml_next_same(const struct xml_doc *d, const struct xml_node *el)
{
	const struct xml_node *next = xml_next(d, el);

	while (next && !xml_is(next, (enum xml_ns)el->ns, (enum xml_tag)el->tag))
		next = xml_next(d, next);
	return next;
}

unsigned xml_count(const struct xml_doc *d, const struct xml_node *of)
{
	unsigned n = 0;

	for (const struct xml_node *el = xml_first(d, of); el; el = xml_next(d, el))
		n++;
	return n;
}

/* The attribute with these numbers; xmlns declarations are none. */
static const struct xml_attr *find_attr(const struct xml_doc *d, const struct xml_node *el,
	enum xml_ns ns, enum xml_tag name)
{
	const struct xml_attr *a = d->attrs + el->first_attr;

	for (const struct xml_attr *end = a + el->n_attrs; a < end; a++) {
		if (a->name == name && a->ns == ns && !(a->flags & XML_DECLARES))
			return a;
	}
	return NULL;
}

const struct xml_attr *xml_attr(const struct xml_doc *d, const struct xml_node *el,
	enum xml_tag name)
{
	return find_attr(d, el, NS_NONE, name);
}

struct str xml_value(const struct xml_doc *d, const struct xml_attr *attr, struct arena *a)
{
	struct str raw = str_from(d->bytes + attr->value, attr->value_len);

	return attr->flags & XML_REF ? xml_unescape(raw, true, a) : raw;
}

struct str xml_attr_str(const struct xml_doc *d, const struct xml_node *el, enum xml_tag name,
	struct arena *a)
{
	const struct xml_attr *attr = xml_attr(d, el, name);

	return attr ? xml_value(d, attr, a) : STR_NULL;
}

struct str xml_lang(const struct xml_doc *d, const struct xml_node *el, struct arena *a)
{
	const struct xml_attr *attr = find_attr(d, el, NS_XML, TAG_LANG);

	return attr ? xml_value(d, attr, a) : STR_NULL;
}

struct str xml_name(const struct xml_doc *d, const struct xml_node *el)
{
	size_t prefix = el->prefix_len ? el->prefix_len + (size_t)1 : 0;

	return str_from(d->bytes + el->start + 1 + prefix, el->name_len);
}

struct str xml_attr_name(const struct xml_doc *d, const struct xml_attr *attr)
{
	size_t prefix = attr->prefix_len ? attr->prefix_len + (size_t)1 : 0;

	return str_from(d->bytes + attr->at + (attr->name_len ? prefix : 0), attr->name_len);
}

const struct xml_attr *xml_declaration(const struct xml_doc *d, const struct xml_node *el,
	struct str prefix)
{
	for (;; el = &d->nodes[el->parent]) {
		const struct xml_attr *a = d->attrs + el->first_attr;
		const struct xml_attr *end = a + el->n_attrs;

		/* An element's declarations stand before its other attributes. */
		for (; a < end && a->flags & XML_DECLARES; a++) {
			if (str_eq(xml_attr_name(d, a), prefix))
				return a;
		}
		if (el == d->nodes)
			return NULL;
	}
}

struct str xml_ns_uri(const struct xml_doc *d, const struct xml_node *el, struct arena *a)
{
	if (el->ns != NS_OTHER)
		return xml_ns_str((enum xml_ns)el->ns);
	const struct xml_attr *decl =
		xml_declaration(d, el, str_from(d->bytes + el->start + 1, el->prefix_len));
	return decl ? xml_value(d, decl, a) : STR_NULL;
}

static uint32_t predefined(struct str name)
{
	switch (name.p[0]) {
	case 'l': return '<';
	case 'g': return '>';
	case 'q': return '"';
	default: return name.p[1] == 'm' ? '&' : '\''; /* amp, apos */
	}
}

/* The number of "#..." or "#x...", legal as the scanner has seen. */
static uint32_t numbered(struct str name)
{
	bool hex = name.p[1] == 'x';
	uint32_t cp = 0;

	for (size_t i = hex ? 2 : 1; i < name.n; i++) {
		char c = name.p[i];
		uint32_t digit = (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
		cp = cp * (hex ? 16 : 10) + digit;
	}
	return cp;
}

/* How many bytes the reference at the front of `in` takes, and its character. */
static size_t reference(struct str in, uint32_t *cp)
{
	ptrdiff_t semicolon = str_find(in, ';');

	BUG_ON(semicolon < 2);
	struct str name = str_from(in.p + 1, (size_t)semicolon - 1);
	*cp = name.p[0] == '#' ? numbered(name) : predefined(name);
	return (size_t)semicolon + 1;
}

/* The bytes of a line end with CR at offset i, or 0 (XML 1.0 section 2.11). */
static size_t line_end(struct str in, size_t i)
{
	if (in.p[i] != '\r')
		return 0;
	return i + 1 < in.n && in.p[i + 1] == '\n' ? 2 : 1;
}

enum unescape { LINE_ENDS = 0, REFERENCES = 1, SPACES = 2 };

/* The result is never longer than its source: a reference of k bytes names a character of fewer,
 * as "&#9;" does, or "&#x80;" (two bytes), "&#x800;" (three), "&#65536;" (four). */
static struct str unescape(struct str in, unsigned what, struct arena *a)
{
	char *out = arena_alloc(a, in.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < in.n;) {
		char c = in.p[i];
		size_t end = line_end(in, i);
		if (end) {
			out[n++] = what & SPACES ? ' ' : '\n';
			i += end;
		} else if (c == '&' && what & REFERENCES) {
			uint32_t cp;
			i += reference(str_skip(in, i), &cp);
			n += utf8_put(out + n, cp);
		} else {
			out[n++] = what & SPACES && (c == '\t' || c == '\n') ? ' ' : c;
			i++;
		}
	}
	return str_from(out, n);
}

struct str xml_unescape(struct str in, bool is_value, struct arena *a)
{
	return unescape(in, is_value ? REFERENCES | SPACES : REFERENCES, a);
}

struct str xml_node_text(const struct xml_doc *d, const struct xml_node *node, struct arena *a)
{
	struct str raw = str_from(d->bytes + node->start, node->end - node->start);

	if (!(node->flags & XML_REF))
		return raw;
	return unescape(raw, node->flags & XML_CDATA ? LINE_ENDS : REFERENCES, a);
}

struct str xml_text(const struct xml_doc *d, const struct xml_node *el, struct arena *a)
{
	const struct xml_node *only = NULL;
	size_t total = 0, n = 0;

	for (uint32_t i = index_of(d, el) + 1; i < el->next; i = d->nodes[i].next) {
		const struct xml_node *node = &d->nodes[i];
		if (node->kind == XML_TEXT && node->end > node->start) {
			only = total ? NULL : node;
			total += node->end - node->start;
		}
	}
	if (!total)
		return STR("");
	if (only)
		return xml_node_text(d, only, a);
	char *out = arena_alloc(a, total);
	for (uint32_t i = index_of(d, el) + 1; i < el->next; i = d->nodes[i].next) {
		if (d->nodes[i].kind == XML_TEXT) {
			struct str part = xml_node_text(d, &d->nodes[i], a);
			memcpy(out + n, part.p, part.n);
			n += part.n;
		}
	}
	return str_from(out, n);
}
