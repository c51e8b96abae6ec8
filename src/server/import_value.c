#include "server/import_value.h"

#include "xml/writer.h"

#define DEPTH_MAX 64 /* of an element */

struct value *value_add(struct arena *a, struct value *table, struct value key)
{
	struct value_entry *e = arena_alloc(a, sizeof *e);

	*e = (struct value_entry){ .key = key };
	if (table->last)
		table->last->next = e;
	else
		table->first = e;
	table->last = e;
	return &e->value;
}

static const struct value nil;

const struct value *value_find(const struct value *table, struct str key)
{
	for (const struct value_entry *e = table->first; e; e = e->next)
		if (e->key.kind == VALUE_STRING && str_eq(e->key.s, key))
			return &e->value;
	return &nil;
}

const struct value *value_get(const struct value *table, const char *key)
{
	return value_find(table, str_c(key));
}

const struct value *value_get_false(const struct value *table)
{
	for (const struct value_entry *e = table->first; e; e = e->next)
		if (e->key.kind == VALUE_FALSE)
			return &e->value;
	return &nil;
}

struct str value_text(const struct value *v)
{
	return v->kind == VALUE_STRING ? v->s : STR("");
}

uint64_t value_u64(const struct value *v, uint64_t max, uint64_t otherwise)
{
	if (v->kind != VALUE_NUMBER || !(v->number >= 0) || v->number > (double)max)
		return otherwise;
	return (uint64_t)v->number;
}

/* ---- elements ---- */

/* What may stand in a start tag. The rest is for the scanner to judge, but these would change
 * what is written around them. */
static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || strchr("<>&'\"=/", s.p[i]))
			return false;
	return s.n > 0;
}

/* An attribute in a namespace stands under "URI\1name", or "URI|name" in older files. */
static bool write_attr(struct buf *b, struct str name, struct str value, unsigned place)
{
	ptrdiff_t cut = str_find(name, '\1');

	if (cut < 0 && !str_starts(name, STR("xml:")))
		cut = str_find(name, '|');
	if (cut >= 0) {
		buf_printf(b, " xmlns:a%u='", place);
		xml_escape_value(b, str_head(name, (size_t)cut));
		buf_printf(b, "' a%u:", place);
		name = str_skip(name, (size_t)cut + 1);
	} else {
		buf_lit(b, " ");
	}
	if (!is_name(name))
		return false;
	buf_add(b, name);
	buf_lit(b, "='");
	xml_escape_value(b, value);
	buf_lit(b, "'");
	return true;
}

static bool write_attrs(struct buf *b, const struct value *attrs)
{
	unsigned place = 0;

	for (const struct value_entry *e = attrs->first; e; e = e->next) {
		/* The time at which it was stored stands there too, on the outermost. */
		if (e->key.kind != VALUE_STRING || e->value.kind != VALUE_STRING ||
		    str_eq(e->key.s, STR("xmlns")) || str_eq(e->key.s, STR("stamp")) ||
		    str_eq(e->key.s, STR("stamp_legacy")))
			continue;
		if (!write_attr(b, e->key.s, e->value.s, place++))
			return false;
	}
	return true;
}

static bool write_element(struct buf *b, const struct value *v, struct str parent_ns,
	unsigned depth);

/* The rest of an element whose start tag is open. */
static bool write_children(struct buf *b, const struct value *v, struct str name, struct str ns,
	unsigned depth)
{
	bool empty = true;

	for (const struct value_entry *e = v->first; e; e = e->next) {
		if (e->key.kind != VALUE_NUMBER)
			continue;
		if (empty)
			buf_lit(b, ">");
		empty = false;
		if (e->value.kind == VALUE_STRING)
			xml_escape(b, e->value.s);
		else if (!write_element(b, &e->value, ns, depth + 1))
			return false;
	}
	if (empty) {
		buf_lit(b, "/>");
		return true;
	}
	buf_lit(b, "</");
	buf_add(b, name);
	buf_lit(b, ">");
	return true;
}

static bool write_element(struct buf *b, const struct value *v, struct str parent_ns,
	unsigned depth)
{
	struct str name = value_text(value_get(v, "name"));
	const struct value *attrs = value_get(v, "attr");
	const struct value *xmlns = value_get(attrs, "xmlns");
	struct str ns = xmlns->kind == VALUE_STRING ? xmlns->s : parent_ns;

	if (!is_name(name) || depth == DEPTH_MAX)
		return false;
	buf_lit(b, "<");
	buf_add(b, name);
	if (!str_eq(ns, parent_ns)) {
		buf_lit(b, " xmlns='");
		xml_escape_value(b, ns);
		buf_lit(b, "'");
	}
	if (!write_attrs(b, attrs))
		return false;
	return write_children(b, v, name, ns, depth);
}

bool value_write_xml(struct buf *b, const struct value *v, struct str parent_ns)
{
	return write_element(b, v, parent_ns, 0) && buf_ok(b);
}
