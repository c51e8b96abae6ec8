#include "xml/test_events.h"

#include "base/bug.h"

#include <stdlib.h>

/* --- documents as text --- */

static int by_name(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

void events_start(struct buf *out, struct str uri, struct str name, struct str *attrs, size_t n)
{
	buf_printf(out, "<{%.*s}%.*s", STR_FMT(uri), STR_FMT(name));
	qsort(attrs, n / 2, 2 * sizeof *attrs, by_name);
	for (size_t i = 0; i < n; i += 2) {
		buf_byte(out, ' ');
		buf_add(out, attrs[i]);
		buf_lit(out, "=\"");
		buf_add(out, attrs[i + 1]);
		buf_byte(out, '"');
	}
	buf_byte(out, '>');
}

/* A document and the stream header around it (empty when there is none). */
struct place {
	const struct xml_doc *d, *outer;
	struct arena *a;
};

static struct str uri_of(const struct place *at, const struct xml_node *el, unsigned ns,
	struct str prefix)
{
	const struct xml_doc *d = at->d;

	if (ns != NS_OTHER)
		return xml_ns_str((enum xml_ns)ns);
	const struct xml_attr *decl = xml_declaration(d, el, prefix);
	if (!decl && at->outer->n_nodes) {
		d = at->outer;
		decl = xml_declaration(d, d->nodes, prefix);
	}
	BUG_ON(!decl);
	return xml_value(d, decl, at->a);
}

static void start(struct buf *out, const struct place *at, const struct xml_node *el)
{
	const struct xml_doc *d = at->d;
	struct arena *a = at->a;
	struct str *attrs = arena_alloc(a, 2 * (el->n_attrs + (size_t)1) * sizeof *attrs);
	struct str prefix = str_from(d->bytes + el->start + 1, el->prefix_len);
	size_t n = 0;

	for (uint32_t i = 0; i < el->n_attrs; i++) {
		const struct xml_attr *attr = &d->attrs[el->first_attr + i];
		if (attr->flags & XML_DECLARES)
			continue;
		struct str uri = uri_of(at, el, attr->ns,
			str_from(d->bytes + attr->at, attr->prefix_len));
		struct str name = xml_attr_name(d, attr);
		attrs[n++] = str_printf(a, "{%.*s}%.*s", STR_FMT(uri), STR_FMT(name));
		attrs[n++] = xml_value(d, attr, a);
		BUG_ON(xml_tag_id(name) != attr->name);
	}
	BUG_ON(xml_tag_id(xml_name(d, el)) != el->tag);
	events_start(out, uri_of(at, el, el->ns, prefix), xml_name(d, el), attrs, n);
}

static void element(struct buf *out, const struct place *at, uint32_t index)
{
	const struct xml_doc *d = at->d;
	const struct xml_node *el = &d->nodes[index];
	bool in_text = false;

	start(out, at, el);
	for (uint32_t i = index + 1; i < el->next; i = d->nodes[i].next) {
		const struct xml_node *node = &d->nodes[i];
		struct str raw = str_from(d->bytes + node->start, node->end - node->start);
		bool empty = node->kind == XML_TEXT && !raw.n;
		if (in_text != (node->kind == XML_TEXT) && !empty) {
			in_text = !in_text;
			buf_byte(out, '"');
		}
		if (node->kind == XML_ELEMENT) {
			element(out, at, i);
		} else if (!empty) {
			/* The text of this node alone. */
			struct xml_node pair[2] = { *el, *node };
			struct xml_doc one = { d->bytes, pair, NULL, d->n_bytes, 2, 0 };
			pair[0].next = pair[1].next = 2;
			buf_add(out, xml_text(&one, &pair[0], at->a));
		}
	}
	buf_add(out, in_text ? STR("\"</>") : STR("</>"));
}

static void whole(struct buf *out, const struct xml_doc *d, const struct xml_doc *outer)
{
	struct arena a;
	struct place at = { d, outer, &a };

	arena_init(&a, 4096);
	element(out, &at, 0);
	arena_clear(&a);
}

/* --- what has to hold for each stanza --- */

static void check_element(const struct xml_doc *d, uint32_t index)
{
	const struct xml_node *el = &d->nodes[index];
	uint32_t at = el->body, i = index + 1;

	BUG_ON(el->kind != XML_ELEMENT || d->bytes[el->start] != '<');
	BUG_ON(d->bytes[el->body - 1] != '>' || d->bytes[el->end - 1] != '>');
	BUG_ON((el->body == el->end) != !!(el->flags & XML_EMPTY));
	for (uint32_t k = 0; k < el->n_attrs; k++) {
		const struct xml_attr *a = &d->attrs[el->first_attr + k];
		BUG_ON(a->at <= el->start || a->value <= a->at);
		BUG_ON(a->value + a->value_len >= el->body);
		BUG_ON(d->bytes[a->value - 1] != d->bytes[a->value + a->value_len]);
		BUG_ON(a->flags & XML_DECLARES && !(el->flags & XML_DECLARES));
	}
	for (; i < el->next; i = d->nodes[i].next) {
		const struct xml_node *child = &d->nodes[i];
		BUG_ON(child->parent != index || child->start < at || child->end < child->start);
		BUG_ON(child->next <= i);
		at = child->end;
		if (child->kind == XML_ELEMENT)
			check_element(d, i);
		else
			BUG_ON(child->next != i + 1);
	}
	BUG_ON(i != el->next || at > el->end);
}

/* scan_canonical() gives the same tree to a reader who knows nothing of the header. */
static void check_canonical(const struct scan *s, const struct xml_doc *d,
	const struct xml_doc *outer)
{
	/* Nothing bounds a canonical form but its buffer. */
	static const struct scan_limits wide = { 64 << 20, 64, 200, 300, 20000, 100000 };
	struct buf canon, before, after;
	struct xml_table t = { 0 };

	buf_init(&canon, 64 << 20);
	buf_init(&before, 64 << 20);
	buf_init(&after, 64 << 20);
	scan_canonical(s, d, &canon);
	whole(&before, d, outer);
	BUG_ON(!buf_ok(&canon) || !buf_reserve(&canon, SCAN_PAD));
	BUG_ON(scan_document(&t, &wide, (enum xml_ns)s->content_ns, canon.p, canon.n) != SCAN_OK);
	struct xml_doc again = xml_table_doc(&t, canon.p, canon.n);
	BUG_ON(again.nodes[0].flags & XML_INHERITS && s->content_ns != NS_STREAM &&
		s->content_ns != NS_OTHER);
	whole(&after, &again, outer);
	BUG_ON(!str_eq(buf_str(&before), buf_str(&after)));
	BUG_ON(again.n_nodes != d->n_nodes);
	xml_table_clear(&t);
	buf_clear(&canon);
	buf_clear(&before);
	buf_clear(&after);
}

/* --- streams --- */

struct reader {
	struct buf *out;
	struct scan s;
	struct xml_table shared, own; /* as a shard and a connection have them */
	char *kept;                   /* exactly `n` bytes and the pad */
	size_t n;
	struct xml_table header;
	char *header_bytes;
	bool bare, wide_name;
};

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static size_t piece_size(struct pieces *p, size_t left)
{
	size_t size = p->first ? p->first : p->seed ? 1 + next_random(&p->seed) % 40 :
		p->every ? p->every : left;

	p->first = 0;
	return size < left ? size : left;
}

static bool is_wide(const struct xml_doc *d, uint32_t from, uint32_t to)
{
	for (; from < to; from++) {
		if ((signed char)d->bytes[from] < 0)
			return true;
	}
	return false;
}

static bool has_wide_name(const struct xml_doc *d)
{
	for (uint32_t i = 0; i < d->n_nodes; i++) {
		const struct xml_node *el = &d->nodes[i];
		uint32_t at = el->start + 1;
		if (el->kind == XML_ELEMENT &&
			is_wide(d, at, at + el->prefix_len + 1 + el->name_len))
			return true;
	}
	for (uint32_t i = 0; i < d->n_attrs; i++) {
		if (is_wide(d, d->attrs[i].at, d->attrs[i].value))
			return true;
	}
	return false;
}

static void keep_header(struct reader *r, struct xml_table *t, const char *p, size_t used)
{
	xml_table_copy(&r->header, t);
	r->header_bytes = xmalloc(used);
	memcpy(r->header_bytes, p, used);
}

static void on_element(struct reader *r, enum scan_status status, struct xml_table *t,
	const char *p, size_t used)
{
	struct xml_doc d = xml_table_doc(t, p, used);
	struct xml_doc outer = xml_table_doc(&r->header, r->header_bytes, 0);

	BUG_ON(d.nodes[0].end != used);
	r->wide_name |= has_wide_name(&d);
	buf_add(r->out, status == SCAN_OPEN ? STR("open ") : STR("stanza "));
	whole(r->out, &d, &outer);
	if (d.nodes[0].flags & XML_INHERITS && !r->bare)
		buf_lit(r->out, " inherits");
	buf_byte(r->out, '\n');
	if (status == SCAN_OPEN) {
		keep_header(r, t, p, used);
	} else {
		check_element(&d, 0);
		check_canonical(&r->s, &d, &outer);
	}
}

static void event(struct reader *r, enum scan_status status, struct xml_table *t, const char *p,
	size_t used)
{
	if (status == SCAN_OPEN || status == SCAN_STANZA)
		on_element(r, status, t, p, used);
	else if (status == SCAN_CLOSE)
		buf_lit(r->out, "close\n");
	else if (status == SCAN_BAD && !r->bare)
		buf_printf(r->out, "bad %u\n", r->s.error);
}

/* Adds a piece to the kept bytes, runs, and keeps what has to be kept. */
static bool take_piece(struct reader *r, struct str piece, uint32_t noise)
{
	char *p = xmalloc(r->n + piece.n + SCAN_PAD);
	size_t at = 0, n = r->n + piece.n, used;
	enum scan_status status;

	if (r->n)
		memcpy(p, r->kept, r->n);
	if (piece.n)
		memcpy(p + r->n, piece.p, piece.n);
	for (size_t i = 0; i < SCAN_PAD; i++)
		p[n + i] = "<>&'\"/= ]x:-\xd0\xbf\xff\0"[next_random(&noise) & 15];
	free(r->kept);
	do {
		struct xml_table *t = scan_in_middle(&r->s) ? &r->own : &r->shared;
		status = scan_next(&r->s, t, p + at, n - at, &used);
		BUG_ON(used > n - at);
		event(r, status, t, p + at, used);
		if (status != SCAN_MORE || !scan_in_middle(&r->s))
			xml_table_clear(&r->own);
		else if (t == &r->shared)
			xml_table_copy(&r->own, t);
		at += used;
	} while (status != SCAN_MORE && status != SCAN_BAD);
	r->n = n - at;
	r->kept = xmalloc(r->n + SCAN_PAD);
	memcpy(r->kept, p + at, r->n);
	free(p);
	return status == SCAN_MORE;
}

struct verdict events_of(struct buf *out, struct str bytes, const struct scan_limits *limits,
	struct pieces pieces)
{
	struct reader r = { .out = out, .bare = pieces.bare };
	uint32_t noise = 0x9e3779b9;
	bool more = true;

	scan_init(&r.s, limits);
	while (more && bytes.n) {
		size_t size = piece_size(&pieces, bytes.n);
		more = take_piece(&r, str_head(bytes, size), next_random(&noise));
		bytes = str_skip(bytes, size);
	}
	scan_clear(&r.s);
	xml_table_clear(&r.shared);
	xml_table_clear(&r.own);
	xml_table_clear(&r.header);
	free(r.kept);
	free(r.header_bytes);
	return (struct verdict){ (enum scan_error)r.s.error, r.wide_name };
}
