/* A stanza as a flat table of nodes with slices into its own bytes.
 *
 * The nodes stand in document order: the children of nodes[i] begin at i + 1, the next
 * sibling of a node is at its `next`, and `next` equal to the parent's `next` ends the row.
 * Everything is an offset, so that a document can be moved as one block of memory. */
#ifndef XML_TREE_H
#define XML_TREE_H

#include "base/arena.h"
#include "base/buf.h"
#include "xml/names.h"

enum { XML_ELEMENT = 1, XML_TEXT = 2 };

enum {
	XML_REF = 1,     /* text or value needs xml_unescape(): references, CR, tab or LF in a value */
	XML_CDATA = 2,   /* text that stood in a CDATA section: taken as it is but for CR */
	XML_EMPTY = 4,   /* element written as <a/> */
	XML_DECLARES = 8,/* element with xmlns attributes */
	XML_INHERITS = 16/* on the root: some prefix or default namespace other than the content
			    namespace is declared outside of these bytes (in the stream header) */
};

struct xml_node {
	uint16_t ns, tag;      /* enum xml_ns, enum xml_tag; 0 for text */
	uint8_t kind, flags;
	uint16_t n_attrs;
	uint32_t first_attr;   /* index in attrs; xmlns declarations come first there, the others
				* follow in any order */
	uint32_t start;        /* offset of the '<', or of the text */
	uint32_t body;         /* element: offset behind its start tag's '>' */
	uint32_t end;          /* offset behind its end tag (behind the start tag if empty), or
				* behind the text */
	uint32_t next;         /* index of the first node that is not inside this one */
	uint32_t parent;       /* index; the root has itself */
	uint16_t prefix_len;   /* without the colon; 0 for none */
	uint16_t name_len;     /* of the local name */
};

struct xml_attr {
	uint16_t ns, name;     /* enum xml_ns (NS_NONE without a prefix), enum xml_tag */
	uint8_t flags;         /* XML_REF; XML_DECLARES for an xmlns declaration: its name is the
				* declared prefix, or empty for the default namespace, its number
				* TAG_XMLNS, and ns the namespace that it declares */
	uint8_t prefix_len;
	uint16_t name_len;
	uint32_t at;           /* offset of the attribute's first byte, its prefix included */
	uint32_t value;        /* offset of the value inside its quotes */
	uint32_t value_len;
};

struct xml_doc {
	const char *bytes;
	const struct xml_node *nodes;
	const struct xml_attr *attrs;
	uint32_t n_bytes, n_nodes, n_attrs;
};

/* A growing node table; the shard's scratch, or a connection's while a stanza is incomplete. */
struct xml_table {
	struct xml_node *nodes;
	struct xml_attr *attrs;
	uint32_t n_nodes, cap_nodes;
	uint32_t n_attrs, cap_attrs;
};

void xml_table_clear(struct xml_table *t);

/* Makes `to` (which is empty) hold a copy of what `from` holds, and empties `from` without
 * freeing its memory. */
void xml_table_copy(struct xml_table *to, struct xml_table *from);

static inline struct xml_doc xml_table_doc(const struct xml_table *t, const char *bytes, size_t n)
{
	return (struct xml_doc){ bytes, t->nodes, t->attrs, (uint32_t)n, t->n_nodes, t->n_attrs };
}

/* The document's element. A document is never empty. */
static inline const struct xml_node *xml_root(const struct xml_doc *d)
{
	return d->nodes;
}

static inline bool xml_is(const struct xml_node *el, enum xml_ns ns, enum xml_tag tag)
{
	return el && el->kind == XML_ELEMENT && el->ns == ns && el->tag == tag;
}

/* The first child element of `of` (any text is passed over), or NULL. */
const struct xml_node *xml_first(const struct xml_doc *d, const struct xml_node *of);

/* The next sibling element of `el`, or NULL. */
const struct xml_node *xml_next(const struct xml_doc *d, const struct xml_node *el);

/* The first child element with this name, or NULL. */
const struct xml_node *xml_child(const struct xml_doc *d, const struct xml_node *of, enum xml_ns ns,
	enum xml_tag tag);

/* The next sibling with the same number for namespace and name as `el`, or NULL. */
const struct xml_node *xml_next_same(const struct xml_doc *d, const struct xml_node *el);

/* How many child elements there are. */
unsigned xml_count(const struct xml_doc *d, const struct xml_node *of);

/* The attribute without namespace of this name, or NULL. */
const struct xml_attr *xml_attr(const struct xml_doc *d, const struct xml_node *el,
	enum xml_tag name);

/* Its value, unescaped; in the document's bytes when they need no unescaping, else in the
 * arena. The null slice (p NULL) when there is no such attribute; an empty value has p set. */
struct str xml_attr_str(const struct xml_doc *d, const struct xml_node *el, enum xml_tag name,
	struct arena *a);

/* The value of an attribute that one has already. */
struct str xml_value(const struct xml_doc *d, const struct xml_attr *attr, struct arena *a);

/* xml:lang of the element itself, or the null slice. */
struct str xml_lang(const struct xml_doc *d, const struct xml_node *el, struct arena *a);

/* The character data directly inside an element, unescaped and joined; never NULL, maybe
 * empty. In the bytes where that is possible, else in the arena. */
struct str xml_text(const struct xml_doc *d, const struct xml_node *el, struct arena *a);

/* The same of a single text. */
struct str xml_node_text(const struct xml_doc *d, const struct xml_node *node, struct arena *a);

/* The element's bytes, start tag to end tag, as they came. Prefixes declared further out are
 * not repeated in them. */
static inline struct str xml_raw(const struct xml_doc *d, const struct xml_node *el)
{
	return str_from(d->bytes + el->start, el->end - el->start);
}

/* The local name as text. */
struct str xml_name(const struct xml_doc *d, const struct xml_node *el);

/* The namespace URI as text, in the bytes, the arena or the list of names; empty for none. An
 * unknown namespace that is declared outside of the bytes gives the null slice (see
 * XML_INHERITS). */
struct str xml_ns_uri(const struct xml_doc *d, const struct xml_node *el, struct arena *a);

/* The local name of an attribute as text; of a declaration, the prefix that it declares. */
struct str xml_attr_name(const struct xml_doc *d, const struct xml_attr *attr);

/* The xmlns declaration of a prefix (empty: of the default namespace) that holds at `el`, or
 * NULL when there is none in the document. */
const struct xml_attr *xml_declaration(const struct xml_doc *d, const struct xml_node *el,
	struct str prefix);

/* Resolves references and normalises line ends (XML 1.0 sections 2.11, 3.3.3, 4.6). `in` has
 * passed the scanner. */
struct str xml_unescape(struct str in, bool is_value, struct arena *a);

#endif
