#include "lib/tree.h"

#include "base/bug.h"
#include "base/utf8.h"
#include "xml/chars.h"
#include "xml/scan.h"
#include "xml/writer.h"

#include <stdlib.h>

#define CHUNK     1024 /* of a tree's arena: most stanzas are smaller */
#define PRINT_MAX ((size_t)64 * 1024 * 1024)

#define XML_URI "http://www.w3.org/XML/1998/namespace"

void tree_spoil(struct stentor_element *el, const char *fault)
{
	if (!el->tree->fault)
		el->tree->fault = fault;
}

const char *stentor_element_fault(const struct stentor_element *el)
{
	return el->tree->fault;
}

/* ---- what may stand in XML ---- */

static bool is_text(struct str s)
{
	while (s.n) {
		unsigned len = 1;
		if ((signed char)*s.p >= 0) {
			if (char_is(*s.p, CHAR_FORBIDDEN))
				return false;
		} else {
			int32_t cp = utf8_next(s, &len);
			if (cp < 0 || !char_legal(cp))
				return false;
		}
		s = str_skip(s, len);
	}
	return true;
}

static bool is_in_name(struct str s, bool first, unsigned *len)
{
	*len = 1;
	if ((signed char)*s.p >= 0)
		return *s.p != ':' && char_is(*s.p, first ? CHAR_NAME_START : CHAR_NAME);
	int32_t cp = utf8_next(s, len);
	return cp >= 0 && (first ? char_starts_name(cp) : char_in_name(cp));
}

/* NCName of Namespaces in XML 1.0. */
static bool is_name(struct str s)
{
	bool first = true;
	unsigned len;

	if (!s.n)
		return false;
	for (; s.n; s = str_skip(s, len), first = false)
		if (!is_in_name(s, first, &len))
			return false;
	return true;
}

static struct str checked_text(struct stentor_element *el, const char *text)
{
	struct str s = str_c(text ? text : "");

	if (!is_text(s))
		tree_spoil(el, "a text or value is not UTF-8, or has a character that XML forbids");
	return str_dup(&el->tree->mem, s);
}

static struct str checked_name(struct stentor_element *el, const char *name)
{
	struct str s = str_c(name ? name : "");

	if (!is_name(s))
		tree_spoil(el, "an element or attribute has a name that XML forbids");
	return str_dup(&el->tree->mem, s);
}

/* ---- trees ---- */

static struct stentor_element *new_tree(void)
{
	struct tree *t = xcalloc(1, sizeof *t);

	arena_init(&t->mem, CHUNK);
	t->root.tree = t;
	t->root.depth = 1;
	return &t->root;
}

void stentor_element_free(struct stentor_element **p)
{
	struct stentor_element *el = *p;

	if (!el || el->parent)
		return;
	arena_clear(&el->tree->mem);
	free(el->tree);
	*p = NULL;
}

/* Behind all others in its parent. */
static struct stentor_element *link_node(struct stentor_element *parent)
{
	struct stentor_element *el = arena_alloc(&parent->tree->mem, sizeof *el);

	*el = (struct stentor_element){ .tree = parent->tree, .parent = parent,
		.depth = parent->depth + 1 };
	if (parent->last)
		parent->last->next = el;
	else
		parent->first = el;
	parent->last = el;
	parent->text = STR_NULL;
	return el;
}

static struct stentor_element *new_node(struct stentor_element *parent)
{
	struct stentor_element *el = link_node(parent);

	if (el->depth > STENTOR_DEPTH_MAX)
		tree_spoil(el, "elements stand too deep in each other");
	return el;
}

static void set_ns(struct stentor_element *el, struct str ns)
{
	if (str_eq(ns, STR(XML_URI)))
		tree_spoil(el, "an element is in the namespace of xml itself");
	el->ns = ns;
}

struct stentor_element *stentor_element_new(const char *name, const char *ns)
{
	struct stentor_element *el = new_tree();

	el->name = checked_name(el, name);
	set_ns(el, checked_text(el, ns ? ns : NS_STANZA));
	return el;
}

struct stentor_element *stentor_element_add(struct stentor_element *parent, const char *name,
	const char *ns)
{
	struct stentor_element *el = new_node(parent);

	el->name = checked_name(el, name);
	set_ns(el, ns ? checked_text(el, ns) : parent->ns);
	return el;
}

static void add_text(struct stentor_element *el, struct str text)
{
	if (text.n)
		link_node(el)->text = text;
}

void stentor_element_add_text(struct stentor_element *el, const char *text)
{
	add_text(el, checked_text(el, text));
}

struct stentor_element *stentor_element_add_leaf(struct stentor_element *parent, const char *name,
	const char *ns, const char *text)
{
	struct stentor_element *el = stentor_element_add(parent, name, ns);

	stentor_element_add_text(el, text);
	return el;
}

static void add_attribute(struct stentor_element *el, struct str ns, struct str name,
	struct str value)
{
	struct attribute *a = arena_alloc(&el->tree->mem, sizeof *a);

	*a = (struct attribute){ NULL, ns, name, value };
	if (el->last_attribute)
		el->last_attribute->next = a;
	else
		el->attributes = a;
	el->last_attribute = a;
}

static struct attribute *find_attribute(const struct stentor_element *el, struct str ns,
	struct str name)
{
	struct attribute *a = el->attributes;

	while (a && !(str_eq(a->name, name) && str_eq(a->ns, ns)))
		a = a->next;
	return a;
}

void stentor_element_set_ns(struct stentor_element *el, const char *ns, const char *name,
	const char *value)
{
	struct attribute *old;

	if (!value)
		return;
	old = find_attribute(el, str_c(ns ? ns : ""), str_c(name ? name : ""));
	if (old) {
		old->value = checked_text(el, value);
		return;
	}
	struct str checked = checked_name(el, name);
	if (str_eq(checked, STR("xmlns")))
		tree_spoil(el, "a namespace is set as an attribute");
	add_attribute(el, checked_text(el, ns), checked, checked_text(el, value));
}

void stentor_element_set(struct stentor_element *el, const char *name, const char *value)
{
	stentor_element_set_ns(el, "", name, value);
}

void stentor_element_set_lang(struct stentor_element *el, const char *lang)
{
	stentor_element_set_ns(el, XML_URI, "lang", lang);
}

/* What stands in another tree is right already. */
static void copy_content(struct stentor_element *to, const struct stentor_element *from)
{
	struct arena *mem = &to->tree->mem;

	to->name = str_dup(mem, from->name);
	to->ns = to->parent && str_eq(to->parent->ns, from->ns) ? to->parent->ns :
								  str_dup(mem, from->ns);
	for (const struct attribute *a = from->attributes; a; a = a->next)
		add_attribute(to, str_dup(mem, a->ns), str_dup(mem, a->name),
			str_dup(mem, a->value));
	for (const struct stentor_element *c = from->first; c; c = c->next) {
		if (!c->name.p)
			add_text(to, str_dup(mem, c->text));
		else if (to->depth < STENTOR_DEPTH_MAX)
			copy_content(new_node(to), c);
		else
			tree_spoil(to, "elements stand too deep in each other");
	}
}

struct stentor_element *stentor_element_copy(const struct stentor_element *el)
{
	struct stentor_element *copy = new_tree();

	copy->tree->fault = el->tree->fault;
	copy_content(copy, el);
	return copy;
}

struct stentor_element *stentor_element_add_copy(struct stentor_element *parent,
	const struct stentor_element *el)
{
	struct stentor_element *copy;

	if (parent->tree == el->tree) {
		/* It may stand in itself. */
		struct stentor_element *apart = stentor_element_copy(el);
		copy = stentor_element_add_copy(parent, apart);
		stentor_element_free(&apart);
		return copy;
	}
	copy = new_node(parent);
	if (el->tree->fault)
		tree_spoil(copy, el->tree->fault);
	copy_content(copy, el);
	return copy;
}

/* ---- reading ---- */

const char *stentor_element_name(const struct stentor_element *el)
{
	return el->name.p;
}

const char *stentor_element_ns(const struct stentor_element *el)
{
	return el->ns.p;
}

static bool is_like(struct str s, const char *wanted)
{
	return !wanted || str_eq(s, str_c(wanted));
}

bool stentor_element_is(const struct stentor_element *el, const char *ns, const char *name)
{
	return el && is_like(el->name, name) && is_like(el->ns, ns);
}

static const struct stentor_element *pass(const struct stentor_element *el, const char *ns,
	const char *name)
{
	while (el && !(el->name.p && stentor_element_is(el, ns, name)))
		el = el->next;
	return el;
}

const struct stentor_element *stentor_element_child(const struct stentor_element *el,
	const char *ns, const char *name)
{
	return el ? pass(el->first, ns, name) : NULL;
}

const struct stentor_element *stentor_element_next(const struct stentor_element *el,
	const char *ns, const char *name)
{
	return pass(el->next, ns, name);
}

const char *stentor_element_attribute_ns(const struct stentor_element *el, const char *ns,
	const char *name)
{
	const struct attribute *a;

	if (!el)
		return NULL;
	a = find_attribute(el, str_c(ns ? ns : ""), str_c(name));
	return a ? a->value.p : NULL;
}

const char *stentor_element_attribute(const struct stentor_element *el, const char *name)
{
	return stentor_element_attribute_ns(el, "", name);
}

const char *stentor_element_lang(const struct stentor_element *el)
{
	const char *lang = NULL;

	for (; el && !lang; el = el->parent)
		lang = stentor_element_attribute_ns(el, XML_URI, "lang");
	return lang;
}

/* All texts of an element, in its tree. */
static struct str join(const struct stentor_element *el)
{
	size_t n = 0;

	for (const struct stentor_element *c = el->first; c; c = c->next)
		n += c->name.p ? 0 : c->text.n;
	char *p = arena_alloc(&el->tree->mem, n + 1), *to = p;
	for (const struct stentor_element *c = el->first; c; c = c->next)
		if (!c->name.p)
			to = mempcpy(to, c->text.p, c->text.n);
	*to = '\0';
	return str_from(p, n);
}

const char *stentor_element_text(const struct stentor_element *el)
{
	if (!el || !el->first)
		return "";
	if (el->first == el->last && !el->first->name.p)
		return el->first->text.p;
	if (!el->text.p)
		((struct stentor_element *)el)->text = join(el); /* remembered, not changed */
	return el->text.p;
}

const char *stentor_element_child_text(const struct stentor_element *el, const char *ns,
	const char *name)
{
	const struct stentor_element *child = stentor_element_child(el, ns, name);

	return child ? stentor_element_text(child) : NULL;
}

/* ---- from bytes ---- */

static struct str attribute_ns(const struct xml_doc *d, const struct xml_node *node,
	const struct xml_attr *a, struct arena *mem)
{
	if (a->ns == NS_XML)
		return STR(XML_URI);
	if (!a->prefix_len)
		return STR("");
	return str_dup(mem, xml_value(d,
		xml_declaration(d, node, str_from(d->bytes + a->at, a->prefix_len)), mem));
}

static void take_attributes(struct stentor_element *el, const struct xml_doc *d,
	const struct xml_node *node)
{
	struct arena *mem = &el->tree->mem;
	const struct xml_attr *a = d->attrs + node->first_attr, *end = a + node->n_attrs;

	for (; a < end; a++)
		if (!(a->flags & XML_DECLARES))
			add_attribute(el, attribute_ns(d, node, a, mem),
				str_dup(mem, xml_attr_name(d, a)),
				str_dup(mem, xml_value(d, a, mem)));
}

static void take_element(struct stentor_element *el, const struct xml_doc *d,
	const struct xml_node *node)
{
	struct arena *mem = &el->tree->mem;
	struct str ns = xml_ns_uri(d, node, mem);

	el->name = str_dup(mem, xml_name(d, node));
	set_ns(el, el->parent && str_eq(el->parent->ns, ns) ? el->parent->ns : str_dup(mem, ns));
	take_attributes(el, d, node);
}

static void take_text(struct stentor_element *el, const struct xml_doc *d,
	const struct xml_node *node)
{
	struct arena *mem = &el->tree->mem;

	add_text(el, str_dup(mem, xml_node_text(d, node, mem)));
}

struct stentor_element *tree_of(const struct xml_doc *d)
{
	struct stentor_element *root = new_tree(), *open = root;
	uint32_t end[STENTOR_DEPTH_MAX + 1]; /* of the open elements, by depth */

	take_element(root, d, d->nodes);
	end[1] = d->nodes->next;
	for (uint32_t i = 1; i < d->n_nodes; i++) {
		const struct xml_node *node = &d->nodes[i];
		while (i >= end[open->depth])
			open = open->parent;
		if (node->kind == XML_TEXT) {
			take_text(open, d, node);
			continue;
		}
		open = new_node(open);
		BUG_ON(open->depth > STENTOR_DEPTH_MAX); /* the scanner's limit */
		end[open->depth] = node->next;
		take_element(open, d, node);
	}
	return root;
}

struct stentor_element *stentor_element_parse(const char *xml)
{
	struct xml_table table = { 0 };
	struct str in = str_c(xml);
	struct stentor_element *el = NULL;
	struct buf padded;

	buf_init(&padded, scan_limits_user.stanza_bytes + SCAN_PAD);
	buf_add(&padded, in);
	if (in.n && buf_reserve(&padded, SCAN_PAD) &&
		scan_document(&table, &scan_limits_user, NS_CLIENT, padded.p, in.n) == SCAN_OK) {
		struct xml_doc d = xml_table_doc(&table, padded.p, in.n);
		el = tree_of(&d);
	}
	xml_table_clear(&table);
	buf_clear(&padded);
	return el;
}

/* ---- to bytes ---- */

static void write_attribute(struct buf *b, const struct attribute *a, unsigned number)
{
	buf_byte(b, ' ');
	if (str_eq(a->ns, STR(XML_URI))) {
		buf_lit(b, "xml:");
	} else if (a->ns.n) {
		buf_printf(b, "xmlns:n%u='", number);
		xml_escape_value(b, a->ns);
		buf_printf(b, "' n%u:", number);
	}
	buf_add(b, a->name);
	buf_lit(b, "='");
	xml_escape_value(b, a->value);
	buf_byte(b, '\'');
}

/* around: the default namespace there; the null slice: nobody knows. */
static void write_element(struct buf *b, const struct stentor_element *el, struct str around)
{
	unsigned number = 0;

	buf_byte(b, '<');
	buf_add(b, el->name);
	if (!around.p || !str_eq(el->ns, around)) {
		buf_lit(b, " xmlns='");
		xml_escape_value(b, el->ns);
		buf_byte(b, '\'');
	}
	for (const struct attribute *a = el->attributes; a; a = a->next)
		write_attribute(b, a, number++);
	if (!el->first) {
		buf_lit(b, "/>");
		return;
	}
	buf_byte(b, '>');
	for (const struct stentor_element *c = el->first; c; c = c->next) {
		if (c->name.p)
			write_element(b, c, el->ns);
		else
			xml_escape(b, c->text);
	}
	buf_lit(b, "</");
	buf_add(b, el->name);
	buf_byte(b, '>');
}

bool tree_write(struct buf *b, const struct stentor_element *el, struct str content)
{
	if (el->tree->fault)
		return false;
	write_element(b, el, content);
	return true;
}

char *stentor_element_print(const struct stentor_element *el)
{
	struct buf b;

	buf_init(&b, PRINT_MAX);
	if (!tree_write(&b, el, STR_NULL))
		return NULL;
	buf_byte(&b, '\0');
	if (buf_ok(&b))
		return b.p;
	buf_clear(&b);
	return NULL;
}
