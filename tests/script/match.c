#include "match.h"

#include "base/bug.h"
#include "xml/scan.h"

/* What stands before an element, so that it may use the prefix of streams. */
#define HEADER                                                   \
	"<stream:stream xmlns='jabber:client' xmlns:stream="     \
	"'http://etherx.jabber.org/streams'>"

#define CHILDREN_MAX 1024

static const struct scan_limits limits = { .stanza_bytes = 16 * 1024 * 1024, .depth = 256,
	.attrs = 256, .name = 1024, .namespaces = 256, .nodes = 1024 * 1024 };

struct side {
	struct scan scan;
	struct xml_table table;
	struct xml_doc doc;
	bool header;
};

struct match {
	struct side want, got;
	struct arena *mem;
	struct str why; /* p NULL: nothing differs so far */
};

/* ---- reading ---- */

static bool read_side(struct side *s, struct str text, struct arena *a)
{
	static const struct str header = STR_INIT(HEADER);
	char *p = arena_alloc(a, header.n + text.n + SCAN_PAD);
	size_t n = 0, used;

	*s = (struct side){ .header = str_starts(text, STR("<stream:stream")) ||
		str_starts(text, STR("<?xml")) };
	if (!s->header) {
		memcpy(p, header.p, header.n);
		n = header.n;
	}
	memcpy(p + n, text.p, text.n);
	n += text.n;
	memset(p + n, 0, SCAN_PAD);
	scan_init(&s->scan, &limits);
	enum scan_status status = scan_next(&s->scan, &s->table, p, n, &used);
	if (status == SCAN_OPEN && !s->header) {
		p += used;
		n -= used;
		status = scan_next(&s->scan, &s->table, p, n, &used);
	}
	s->doc = xml_table_doc(&s->table, p, used);
	return status == (s->header ? SCAN_OPEN : SCAN_STANZA);
}

static void clear_side(struct side *s)
{
	scan_clear(&s->scan);
	xml_table_clear(&s->table);
}

/* ---- words ---- */

static bool differ(struct match *m, const char *what, const struct xml_node *want, struct str wanted,
	struct str found)
{
	m->why = str_printf(m->mem, "%s of <%.*s>: wanted \"%.*s\", found \"%.*s\"", what,
		STR_FMT(xml_name(&m->want.doc, want)), STR_FMT(wanted), STR_FMT(found));
	return false;
}

static bool fits(struct str want, struct str got)
{
	if (want.n && want.p[want.n - 1] == '*')
		return str_starts(got, str_head(want, want.n - 1));
	return str_eq(want, got);
}

/* ---- attributes ---- */

static bool declares(const struct xml_attr *attr)
{
	return attr->flags & XML_DECLARES;
}

static unsigned count_attrs(const struct xml_doc *d, const struct xml_node *el)
{
	unsigned n = 0;

	for (unsigned i = 0; i < el->n_attrs; i++)
		n += !declares(&d->attrs[el->first_attr + i]);
	return n;
}

static const struct xml_attr *find_attr(const struct xml_doc *d, const struct xml_node *el,
	enum xml_ns ns, struct str name)
{
	for (unsigned i = 0; i < el->n_attrs; i++) {
		const struct xml_attr *attr = &d->attrs[el->first_attr + i];
		if (!declares(attr) && attr->ns == ns && str_eq(xml_attr_name(d, attr), name))
			return attr;
	}
	return NULL;
}

static bool same_attrs(struct match *m, const struct xml_node *want, const struct xml_node *got)
{
	const struct xml_doc *dw = &m->want.doc, *dg = &m->got.doc;

	for (unsigned i = 0; i < want->n_attrs; i++) {
		const struct xml_attr *attr = &dw->attrs[want->first_attr + i];
		if (declares(attr))
			continue;
		struct str name = xml_attr_name(dw, attr), value = xml_value(dw, attr, m->mem);
		const struct xml_attr *other = find_attr(dg, got, attr->ns, name);
		if (!other)
			return differ(m, "attributes", want, name, STR("no such attribute"));
		struct str found = xml_value(dg, other, m->mem);
		if (!fits(value, found))
			return differ(m, str_printf(m->mem, "%.*s", STR_FMT(name)).p, want, value,
				found);
	}
	if (count_attrs(dw, want) != count_attrs(dg, got))
		return differ(m, "attributes", want, STR("no others"),
			str_from(dg->bytes + got->start, got->body - got->start));
	return true;
}

/* ---- elements ---- */

static bool same(struct match *m, const struct xml_node *want, const struct xml_node *got);

static struct str element_text(const struct xml_doc *d, const struct xml_node *el)
{
	return el ? xml_raw(d, el) : STR("nothing");
}

static bool same_row(struct match *m, const struct xml_node *want, const struct xml_node *got)
{
	const struct xml_doc *dw = &m->want.doc, *dg = &m->got.doc;
	const struct xml_node *w = xml_first(dw, want), *g = xml_first(dg, got);

	for (; w && g; w = xml_next(dw, w), g = xml_next(dg, g))
		if (!same(m, w, g))
			return false;
	if (w || g)
		return differ(m, "children", want, element_text(dw, w), element_text(dg, g));
	return true;
}

/* Each wanted child is one of those found, each of these for one only. */
static bool same_set(struct match *m, const struct xml_node *want, const struct xml_node *got)
{
	const struct xml_doc *dw = &m->want.doc, *dg = &m->got.doc;
	bool taken[CHILDREN_MAX] = { false };

	for (const struct xml_node *w = xml_first(dw, want); w; w = xml_next(dw, w)) {
		const struct xml_node *g = xml_first(dg, got);
		unsigned i = 0;
		for (; g && (taken[i] || !same(m, w, g)); g = xml_next(dg, g))
			BUG_ON(++i == CHILDREN_MAX);
		if (!g)
			return differ(m, "children", want, element_text(dw, w), STR("no such child"));
		taken[i] = true;
		m->why = STR_NULL;
	}
	return true;
}

static bool same(struct match *m, const struct xml_node *want, const struct xml_node *got)
{
	const struct xml_doc *dw = &m->want.doc, *dg = &m->got.doc;
	struct str uri = xml_ns_uri(dw, want, m->mem), found = xml_ns_uri(dg, got, m->mem);
	struct str text = xml_text(dw, want, m->mem), there = xml_text(dg, got, m->mem);
	bool open = str_eq(str_trim(text), STR("..."));

	if (!str_eq(xml_name(dw, want), xml_name(dg, got)))
		return differ(m, "name", want, xml_name(dw, want), xml_name(dg, got));
	if (!str_eq(uri, found))
		return differ(m, "namespace", want, uri, found);
	if (!same_attrs(m, want, got))
		return false;
	if (open)
		return same_set(m, want, got);
	if (xml_first(dw, want)) {
		text = str_trim(text);
		there = str_trim(there);
	}
	if (!fits(text, there))
		return differ(m, "text", want, text, there);
	return same_row(m, want, got);
}

static bool same_headers(struct match *m)
{
	const struct xml_node *want = xml_root(&m->want.doc), *got = xml_root(&m->got.doc);

	if (m->want.scan.content_ns != m->got.scan.content_ns)
		return differ(m, "content namespace", want,
			xml_ns_str((enum xml_ns)m->want.scan.content_ns),
			xml_ns_str((enum xml_ns)m->got.scan.content_ns));
	return same_attrs(m, want, got);
}

struct str match(struct str want, struct str got, struct arena *a)
{
	struct match m = { .mem = a };

	if (!read_side(&m.want, want, a))
		m.why = STR("the expectation is not well-formed");
	else if (!read_side(&m.got, got, a))
		m.why = STR("what arrived is not well-formed");
	else if (m.want.header != m.got.header)
		m.why = STR("one is a stream header, the other is not");
	else if (m.want.header)
		same_headers(&m);
	else
		same(&m, xml_root(&m.want.doc), xml_root(&m.got.doc));
	clear_side(&m.want);
	clear_side(&m.got);
	return m.why;
}
