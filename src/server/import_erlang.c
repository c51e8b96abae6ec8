#include "server/import_erlang.h"

#include <stdlib.h>
#include <string.h>

struct term {
	struct str rest;
	struct arena *arena;
	unsigned depth;
};

static const struct value nil;

/* ---- characters ---- */

static void skip_space(struct term *t)
{
	while (t->rest.n && strchr(" \t\r\n", t->rest.p[0]) && t->rest.p[0])
		t->rest = str_skip(t->rest, 1);
}

static bool take(struct term *t, struct str what)
{
	skip_space(t);
	if (!str_starts(t->rest, what))
		return false;
	t->rest = str_skip(t->rest, what.n);
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '@';
}

/* ---- texts ---- */

/* What stands behind a backslash; '\0' where it is not understood. */
static char escaped(char c)
{
	static const char from[] = "\"'\\ntrsebvfd", to[] = "\"'\\\n\t\r \033\b\v\f\177";
	const char *at = c ? strchr(from, c) : NULL;

	return at ? to[at - from] : '\0';
}

/* Up to the quote, which is behind it; added to the buffer. */
static bool read_quoted(struct term *t, char quote, struct buf *b)
{
	for (size_t i = 0; i < t->rest.n; i++) {
		char c = t->rest.p[i];

		if (c == quote) {
			t->rest = str_skip(t->rest, i + 1);
			return buf_ok(b);
		}
		if (c == '\\' && (++i == t->rest.n || !(c = escaped(t->rest.p[i]))))
			return false;
		buf_byte(b, c);
	}
	return false;
}

static bool read_byte(struct term *t, struct buf *b)
{
	size_t n = 0;
	uint64_t byte;

	skip_space(t);
	while (n < t->rest.n && is_digit(t->rest.p[n]))
		n++;
	if (!str_to_u64(str_head(t->rest, n), 255, &byte))
		return false;
	t->rest = str_skip(t->rest, n);
	buf_byte(b, (char)byte);
	return true;
}

/* Behind "<<": strings and bytes. */
static bool read_binary(struct term *t, struct buf *b)
{
	if (take(t, STR(">>")))
		return true;
	do {
		bool ok = take(t, STR("\"")) ? read_quoted(t, '"', b) : read_byte(t, b);
		if (!ok)
			return false;
		take(t, STR("/utf8"));
	} while (take(t, STR(",")));
	return take(t, STR(">>"));
}

static bool read_text(struct term *t, struct value *out)
{
	struct buf b;
	bool ok;

	buf_init(&b, t->rest.n + 1);
	if (take(t, STR("<<")))
		ok = read_binary(t, &b);
	else if (take(t, STR("'")))
		ok = read_quoted(t, '\'', &b);
	else
		ok = take(t, STR("\"")) && read_quoted(t, '"', &b);
	*out = value_string(str_dup(t->arena, buf_str(&b)));
	buf_clear(&b);
	return ok;
}

static bool read_word(struct term *t, struct value *out)
{
	bool negative = take(t, STR("-"));
	size_t n = 0;
	uint64_t number;

	while (n < t->rest.n && is_word_char(t->rest.p[n]))
		n++;
	struct str word = str_head(t->rest, n);
	t->rest = str_skip(t->rest, n);
	if (!word.n || (t->rest.n && (t->rest.p[0] == '.' || t->rest.p[0] == '#')))
		return false;
	if (str_to_u64(word, UINT32_MAX, &number)) {
		*out = value_number(negative ? -(double)number : (double)number);
		return true;
	}
	*out = value_string(str_dup(t->arena, word));
	if (str_eq(word, STR("true")) || str_eq(word, STR("false")))
		*out = (struct value){ .kind = word.p[0] == 't' ? VALUE_TRUE : VALUE_FALSE };
	return !negative && word.p[0] >= 'a' && word.p[0] <= 'z';
}

/* ---- terms ---- */

static bool read_term(struct term *t, struct value *out);

static bool read_items(struct term *t, struct str end, struct value *out)
{
	unsigned n = 0;
	bool ok = true;

	*out = (struct value){ .kind = VALUE_TABLE };
	if (take(t, end))
		return true;
	if (t->depth == ERLANG_DEPTH_MAX)
		return false;
	t->depth++;
	do
		ok = read_term(t, value_add(t->arena, out, value_number(++n)));
	while (ok && take(t, STR(",")));
	t->depth--;
	return ok && take(t, end);
}

static bool read_term(struct term *t, struct value *out)
{
	if (take(t, STR("[")))
		return read_items(t, STR("]"), out);
	if (take(t, STR("{")))
		return read_items(t, STR("}"), out);
	if (t->rest.n && strchr("<'\"", t->rest.p[0]) && t->rest.p[0])
		return read_text(t, out);
	return read_word(t, out);
}

bool erlang_read(struct str text, struct arena *a, struct value *out)
{
	struct term t = { .rest = text, .arena = a };

	if (!read_term(&t, out))
		return false;
	skip_space(&t);
	return !t.rest.n;
}

const struct value *erlang_nth(const struct value *v, unsigned n)
{
	for (const struct value_entry *e = v->first; e; e = e->next)
		if (--n == 0)
			return &e->value;
	return &nil;
}

const struct value *erlang_option(const struct value *list, const char *name)
{
	for (const struct value_entry *e = list->first; e; e = e->next)
		if (str_eq(value_text(erlang_nth(&e->value, 1)), str_c(name)))
			return erlang_nth(&e->value, 2);
	return &nil;
}
