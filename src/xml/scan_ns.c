/* Namespaces for the scanner: declarations, prefixes, what the stream header declares
 * (Namespaces in XML 1.0; RFC 6120 section 4.8). */
#include "xml/lookup.h"
#include "xml/scan_run.h"

#include <stdlib.h>

#define XMLNS_URI "http://www.w3.org/2000/xmlns/"

struct header_decl {
	struct str prefix, uri; /* the URI unescaped */
	enum xml_ns ns;
};

struct scan_header {
	struct arena mem;
	struct str name;
	struct header_decl *decls;
	unsigned n;
};

/* Values of declarations need unescaping so rarely that the memory for it is not kept. */
#define SCRATCH 1024

/* --- declarations --- */

/* Namespaces in XML 1.0 sections 3 and 2.2. *ns: the number of the URI. */
static enum scan_error check_declaration(struct str prefix, struct str uri, uint16_t *ns)
{
	*ns = (uint16_t)xml_ns_id(uri);
	if (*ns == NS_OTHER && str_eq(uri, STR(XMLNS_URI)))
		return SCAN_BAD_PREFIX;
	if (!prefix.n)
		return *ns == NS_XML ? SCAN_BAD_PREFIX : SCAN_OK;
	if (str_eq(prefix, STR("xmlns")) || str_eq(prefix, STR("xml")) != (*ns == NS_XML))
		return SCAN_BAD_PREFIX;
	return uri.n ? SCAN_OK : SCAN_NOT_WELL_FORMED;
}

static enum scan_error check_escaped(struct str prefix, struct str uri, uint16_t *ns)
{
	struct arena scratch;

	arena_init(&scratch, SCRATCH);
	enum scan_error error = check_declaration(prefix, xml_unescape(uri, true, &scratch), ns);
	arena_clear(&scratch);
	return error;
}

/* Declarations come first in an element's row, so that looking for one costs no more than
 * there are. */
static void move_to_front(struct xml_table *t, const struct xml_node *el)
{
	struct xml_attr *last = t->attrs + el->first_attr + el->n_attrs - 1;
	struct xml_attr *to = t->attrs + el->first_attr;

	while (to < last && to->flags & XML_DECLARES)
		to++;
	struct xml_attr moved = *last;
	*last = *to;
	*to = moved;
}

/* What a namespace counts as in this stream (scan_content_as()). */
static uint16_t content_as(struct run *r, uint16_t ns)
{
	if (ns == NS_OTHER || ns != r->s->content_name)
		return ns;
	r->t->nodes[0].flags |= XML_INHERITS;
	return r->s->content_ns;
}

bool scan_declare(struct run *r, struct xml_attr *attr)
{
	struct scan *s = r->s;
	struct xml_doc d = run_doc(r);
	struct xml_node *el = &r->t->nodes[r->t->n_nodes - 1];
	struct str uri = str_from(r->p + attr->value, attr->value_len);
	struct str prefix = xml_attr_name(&d, attr);

	if (s->scope >= s->limits->namespaces || uri.n > URI_MAX) {
		run_bad(r, SCAN_TOO_LARGE);
		return false;
	}
	s->scope++;
	enum scan_error error = attr->flags & XML_REF ? check_escaped(prefix, uri, &attr->ns) :
		check_declaration(prefix, uri, &attr->ns);
	if (error) {
		run_bad(r, error);
		return false;
	}
	attr->ns = content_as(r, attr->ns);
	el->flags |= XML_DECLARES;
	if (!prefix.n) {
		el->ns = attr->ns;
		s->tag_flags |= TAG_HAS_DEFAULT;
	}
	move_to_front(r->t, el);
	return true;
}

/* --- the header --- */

/* What nearly all send: <stream:stream/> with a default namespace that is known and its own. */
static bool is_usual(const struct xml_doc *d)
{
	const struct xml_node *el = d->nodes;
	const struct xml_attr *a = d->attrs + el->first_attr;

	if (!str_eq(scan_raw_name(d->bytes, el), STR("stream:stream")))
		return false;
	for (unsigned i = 0; i < el->n_attrs && a[i].flags & XML_DECLARES; i++) {
		struct str prefix = xml_attr_name(d, &a[i]);
		if (prefix.n ? !str_eq(prefix, STR("stream")) || a[i].ns != NS_STREAM :
			       a[i].ns == NS_OTHER)
			return false;
	}
	return true;
}

void scan_keep_header(struct run *r)
{
	struct xml_doc d = run_doc(r);
	const struct xml_node *el = d.nodes;
	const struct xml_attr *a = d.attrs + el->first_attr;
	const struct xml_attr *outer = xml_declaration(&d, el, STR(""));

	r->s->content_ns = outer ? outer->ns : NS_NONE;
	if (is_usual(&d))
		return;
	struct scan_header *h = xcalloc(1, sizeof *h);
	arena_init(&h->mem, 256);
	h->name = str_dup(&h->mem, scan_raw_name(d.bytes, el));
	h->decls = arena_alloc(&h->mem, el->n_attrs * sizeof *h->decls);
	for (; h->n < el->n_attrs && a[h->n].flags & XML_DECLARES; h->n++) {
		const struct xml_attr *decl = &a[h->n];
		h->decls[h->n] = (struct header_decl){
			.prefix = str_dup(&h->mem, xml_attr_name(&d, decl)),
			.uri = str_dup(&h->mem, xml_value(&d, decl, &h->mem)),
			.ns = (enum xml_ns)decl->ns,
		};
	}
	r->s->header = h;
}

void scan_drop_header(struct scan *s)
{
	if (s->header)
		arena_clear(&s->header->mem);
	free(s->header);
	s->header = NULL;
}

struct str scan_header_name(const struct scan *s)
{
	return s->header ? s->header->name : STR("stream:stream");
}

static const struct header_decl *header_decl(const struct scan *s, struct str prefix)
{
	static const struct header_decl usual = {
		{ "stream", 6 }, { "http://etherx.jabber.org/streams", 32 }, NS_STREAM
	};

	if (!s->header)
		return s->phase == PHASE_STREAM && str_eq(prefix, usual.prefix) ? &usual : NULL;
	for (unsigned i = 0; i < s->header->n; i++) {
		if (str_eq(s->header->decls[i].prefix, prefix))
			return &s->header->decls[i];
	}
	return NULL;
}

struct str scan_header_uri(const struct scan *s, struct str prefix)
{
	const struct header_decl *decl = header_decl(s, prefix);

	return decl ? decl->uri : STR_NULL;
}

enum xml_ns scan_named_ns(const struct scan *s, const struct xml_doc *d, struct arena *a)
{
	const struct xml_node *root = xml_root(d);
	struct str prefix = str_from(d->bytes + root->start + 1, root->prefix_len);

	if (root->ns != s->content_ns || s->content_name == NS_OTHER)
		return (enum xml_ns)root->ns;
	const struct xml_attr *decl = xml_declaration(d, root, prefix);
	if (!decl && !prefix.n)
		return (enum xml_ns)s->content_name;
	return xml_ns_id(decl ? xml_value(d, decl, a) : scan_header_uri(s, prefix));
}

/* --- use --- */

/* The namespace of a prefix (empty: the default one) at el; false when it is not declared. */
static bool look_up(struct run *r, const struct xml_node *el, struct str prefix, uint16_t *out)
{
	struct xml_doc d = run_doc(r);
	const struct xml_attr *decl = xml_declaration(&d, el, prefix);

	if (decl) {
		*out = decl->ns;
		return true;
	}
	if (str_eq(prefix, STR("xml"))) {
		*out = NS_XML;
		return true;
	}
	if (!prefix.n) {
		*out = r->s->content_ns;
		if (*out == NS_STREAM || *out == NS_OTHER)
			r->t->nodes[0].flags |= XML_INHERITS;
		return true;
	}
	const struct header_decl *outer = header_decl(r->s, prefix);
	if (!outer)
		return false;
	*out = content_as(r, (uint16_t)outer->ns);
	r->t->nodes[0].flags |= XML_INHERITS;
	return true;
}

static bool needs_look_up(const struct xml_attr *a)
{
	return a->prefix_len && !(a->flags & XML_DECLARES) && a->ns != NS_XML;
}

/* The URI of an attribute's prefix, unescaped. */
static struct str attr_uri(const struct run *r, const struct xml_node *el,
	const struct xml_attr *attr, struct arena *a)
{
	struct xml_doc d = run_doc(r);
	struct str prefix = str_from(r->p + attr->at, attr->prefix_len);
	const struct xml_attr *decl = xml_declaration(&d, el, prefix);

	return decl ? xml_value(&d, decl, a) : scan_header_uri(r->s, prefix);
}

/* An attribute before the last one has its local name and its namespace. */
static bool is_repeated_by_uri(const struct run *r, const struct xml_node *el, unsigned last,
	struct str *uris)
{
	struct xml_doc d = run_doc(r);
	const struct xml_attr *a = d.attrs + el->first_attr;

	for (unsigned i = 0; i < last; i++) {
		if (uris[i].p && str_eq(uris[i], uris[last]) &&
			str_eq(xml_attr_name(&d, &a[i]), xml_attr_name(&d, &a[last])))
			return true;
	}
	return false;
}

/* Two attributes have one local name and prefixes of one namespace (Namespaces in XML 1.0
 * section 6.3). */
static bool has_twins(const struct run *r, const struct xml_node *el)
{
	struct xml_doc d = run_doc(r);
	const struct xml_attr *a = d.attrs + el->first_attr;
	struct arena scratch;
	bool found = false;

	arena_init(&scratch, SCRATCH);
	struct str *uris = arena_alloc(&scratch, el->n_attrs * sizeof *uris);
	for (unsigned i = 0; i < el->n_attrs && !found; i++) {
		uris[i] = needs_look_up(&a[i]) ? attr_uri(r, el, &a[i], &scratch) : STR_NULL;
		found = uris[i].p && is_repeated_by_uri(r, el, i, uris);
	}
	arena_clear(&scratch);
	return found;
}

static bool resolve_attrs(struct run *r, struct xml_node *el)
{
	struct xml_attr *a = r->t->attrs + el->first_attr;
	unsigned prefixed = 0;

	for (unsigned i = 0; i < el->n_attrs; i++) {
		if (!needs_look_up(&a[i]))
			continue;
		if (!look_up(r, el, str_from(r->p + a[i].at, a[i].prefix_len), &a[i].ns)) {
			run_bad(r, SCAN_BAD_PREFIX);
			return false;
		}
		prefixed++;
	}
	if (prefixed > 1 && has_twins(r, el)) {
		run_bad(r, SCAN_NOT_WELL_FORMED);
		return false;
	}
	return true;
}

bool scan_resolve(struct run *r, struct xml_node *el)
{
	struct str prefix = str_from(r->p + el->start + 1, el->prefix_len);

	if (prefix.n || !(r->s->tag_flags & TAG_HAS_DEFAULT)) {
		if (!look_up(r, el, prefix, &el->ns)) {
			run_bad(r, SCAN_BAD_PREFIX);
			return false;
		}
	}
	return !(r->s->tag_flags & TAG_HAS_PREFIXES) || resolve_attrs(r, el);
}
