#include "xml/writer.h"

/* In values a parser takes tab and line feed for spaces, and in both a lone CR for a line feed
 * (XML 1.0 sections 2.11, 3.3.3): references keep them. */
static struct str escaped(char c, bool in_value)
{
	switch (c) {
	case '&': return STR("&amp;");
	case '<': return STR("&lt;");
	case '>': return STR("&gt;");
	case '\'': return STR("&apos;");
	case '"': return STR("&quot;");
	case '\r': return STR("&#13;");
	case '\t': return in_value ? STR("&#9;") : STR_NULL;
	case '\n': return in_value ? STR("&#10;") : STR_NULL;
	default: return STR_NULL;
	}
}

static void escape(struct buf *b, struct str s, bool in_value)
{
	size_t from = 0;

	for (size_t i = 0; i < s.n; i++) {
		/* Nothing over '>' is escaped: the common byte costs one comparison. */
		if ((unsigned char)s.p[i] > '>')
			continue;
		struct str e = escaped(s.p[i], in_value);
		if (!e.p)
			continue;
		buf_add(b, str_from(s.p + from, i - from));
		buf_add(b, e);
		from = i + 1;
	}
	buf_add(b, str_skip(s, from));
}

struct writer w_on(struct buf *b)
{
	return (struct writer){ .b = b };
}

/* The '>' of a start tag waits until it is known that something is inside. */
static void end_start_tag(struct writer *w)
{
	if (w->in_tag)
		buf_byte(w->b, '>');
	w->in_tag = false;
}

void w_open(struct writer *w, const char *name)
{
	end_start_tag(w);
	if (w->depth == WRITER_DEPTH) {
		w->bad = true;
		return;
	}
	w->open[w->depth++] = name;
	w->in_tag = true;
	buf_byte(w->b, '<');
	buf_add(w->b, str_c(name));
}

void w_open_ns(struct writer *w, const char *name, enum xml_ns ns)
{
	w_open(w, name);
	w_attr(w, "xmlns", xml_ns_str(ns));
}

void w_attr(struct writer *w, const char *name, struct str value)
{
	if (!w->in_tag) {
		w->bad = true;
		return;
	}
	if (!value.p)
		return;
	buf_byte(w->b, ' ');
	buf_add(w->b, str_c(name));
	buf_lit(w->b, "='");
	xml_escape_value(w->b, value);
	buf_byte(w->b, '\'');
}

void w_attr_u64(struct writer *w, const char *name, uint64_t value)
{
	if (!w->in_tag) {
		w->bad = true;
		return;
	}
	buf_byte(w->b, ' ');
	buf_add(w->b, str_c(name));
	buf_lit(w->b, "='");
	buf_u64(w->b, value);
	buf_byte(w->b, '\'');
}

void w_text(struct writer *w, struct str text)
{
	if (!text.n)
		return;
	end_start_tag(w);
	escape(w->b, text, false);
}

void w_raw(struct writer *w, struct str xml)
{
	if (!xml.n)
		return;
	end_start_tag(w);
	buf_add(w->b, xml);
}

void w_close(struct writer *w)
{
	if (!w->depth) {
		w->bad = true;
		return;
	}
	w->depth--;
	if (w->in_tag) {
		buf_lit(w->b, "/>");
		w->in_tag = false;
		return;
	}
	buf_lit(w->b, "</");
	buf_add(w->b, str_c(w->open[w->depth]));
	buf_byte(w->b, '>');
}

void w_leaf(struct writer *w, const char *name, struct str text)
{
	w_open(w, name);
	w_text(w, text);
	w_close(w);
}

bool w_done(const struct writer *w)
{
	return buf_ok(w->b) && !w->bad && !w->depth;
}

void xml_escape(struct buf *b, struct str s)
{
	escape(b, s, false);
}

void xml_escape_value(struct buf *b, struct str s)
{
	escape(b, s, true);
}
