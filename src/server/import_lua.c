#include "server/import_lua.h"

#include <stdlib.h>

#define NUMBER_MAX 64 /* characters of a number */

void lua_init(struct lua *l, struct import *im, struct str bytes)
{
	*l = (struct lua){ im, bytes };
	im->line = 1;
}

static bool bad(struct lua *l, const char *what)
{
	return import_fail(l->im, "%s in what should be a table of Prosody's", what);
}

/* ---- words ---- */

static void skip_space(struct lua *l)
{
	while (l->rest.n && strchr(" \t\r\n", l->rest.p[0]) && l->rest.p[0]) {
		l->im->line += l->rest.p[0] == '\n';
		l->rest = str_skip(l->rest, 1);
	}
}

/* The next character that is no white space, or '\0'. */
static char peek(struct lua *l)
{
	skip_space(l);
	return l->rest.n ? l->rest.p[0] : '\0';
}

static bool take(struct lua *l, char c)
{
	if (peek(l) != c)
		return false;
	l->rest = str_skip(l->rest, 1);
	return true;
}

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '_';
}

static struct str take_word(struct lua *l)
{
	size_t n = 0;

	skip_space(l);
	while (n < l->rest.n && is_word_char(l->rest.p[n]))
		n++;
	struct str word = str_head(l->rest, n);
	l->rest = str_skip(l->rest, n);
	return word;
}

/* ---- strings and numbers ---- */

/* Up to three digits behind a backslash. */
static bool decimal_escape(struct str *s, char *out)
{
	unsigned v = 0, n = 0;

	for (; n < 3 && s->n && s->p[0] >= '0' && s->p[0] <= '9'; n++) {
		v = v * 10 + (unsigned)(s->p[0] - '0');
		*s = str_skip(*s, 1);
	}
	*out = (char)v;
	return n && v < 256;
}

/* What stands behind a backslash. */
static bool escape(struct str *s, char *out)
{
	static const char from[] = "abfnrtv\\\"'\n", to[] = "\a\b\f\n\r\t\v\\\"'\n";
	const char *at;

	if (!s->n)
		return false;
	if (s->p[0] >= '0' && s->p[0] <= '9')
		return decimal_escape(s, out);
	at = s->p[0] ? strchr(from, s->p[0]) : NULL;
	if (!at)
		return false;
	*out = to[at - from];
	*s = str_skip(*s, 1);
	return true;
}

/* Where the string at the front ends: offset of its second quote, or -1. */
static ptrdiff_t string_end(struct str s)
{
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '"')
			return (ptrdiff_t)i;
		i += s.p[i] == '\\';
	}
	return -1;
}

static bool read_string(struct lua *l, struct arena *a, struct value *out)
{
	ptrdiff_t end = string_end(l->rest);

	if (end < 0)
		return bad(l, "a string without end");
	struct str in = str_from(l->rest.p + 1, (size_t)end - 1);
	char *to = arena_alloc(a, in.n + 1), *at = to;
	l->rest = str_skip(l->rest, (size_t)end + 1);
	while (in.n) {
		char c = in.p[0];
		in = str_skip(in, 1);
		if (c == '\n')
			return bad(l, "a line end in a string");
		if (c == '\\' && !escape(&in, &c))
			return bad(l, "an unknown escape");
		*at++ = c;
	}
	*at = '\0';
	*out = value_string(str_from(to, (size_t)(at - to)));
	return true;
}

static bool read_number(struct lua *l, struct value *out)
{
	struct str in = str_head(l->rest, NUMBER_MAX);
	char text[NUMBER_MAX + 1], *end;
	size_t n = 0;

	while (n < in.n && in.p[n] && strchr("+-.0123456789eE", in.p[n]))
		n++;
	memcpy(text, in.p, n);
	text[n] = '\0';
	*out = value_number(strtod(text, &end));
	if (!n || *end)
		return bad(l, "no value");
	l->rest = str_skip(l->rest, n);
	return true;
}

static bool read_constant(struct lua *l, struct value *out)
{
	struct str word = take_word(l);

	if (str_eq(word, STR("true")))
		out->kind = VALUE_TRUE;
	else if (str_eq(word, STR("false")))
		out->kind = VALUE_FALSE;
	else if (str_eq(word, STR("nil")))
		out->kind = VALUE_NIL;
	else
		return bad(l, "an unknown word");
	return true;
}

/* ---- tables ---- */

static bool read_value(struct lua *l, struct arena *a, struct value *out, unsigned depth);

/* ["key"] = or [1] = or key =. Without any: the next number. */
static bool read_key(struct lua *l, struct arena *a, struct value *key, unsigned *count,
	unsigned depth)
{
	bool bracket = take(l, '[');
	struct lua ahead = *l;
	uint64_t line = l->im->line;

	if (bracket)
		return (read_value(l, a, key, depth) && take(l, ']') && take(l, '=')) ||
			bad(l, "no key");
	struct str word = take_word(&ahead);
	if (word.n && (word.p[0] < '0' || word.p[0] > '9') && peek(&ahead) == '=') {
		l->rest = str_skip(ahead.rest, 1);
		*key = value_string(word);
		return true;
	}
	l->im->line = line;
	*key = value_number(++*count);
	return true;
}

static bool read_table(struct lua *l, struct arena *a, struct value *out, unsigned depth)
{
	unsigned count = 0;
	struct value key = { 0 };

	if (depth == LUA_DEPTH_MAX)
		return bad(l, "too many tables inside each other");
	out->kind = VALUE_TABLE;
	take(l, '{');
	while (!take(l, '}')) {
		if (!read_key(l, a, &key, &count, depth + 1) ||
		    !read_value(l, a, value_add(a, out, key), depth + 1))
			return false;
		if (!take(l, ';') && !take(l, ',') && peek(l) != '}')
			return bad(l, "no end of an entry");
	}
	return true;
}

static bool read_value(struct lua *l, struct arena *a, struct value *out, unsigned depth)
{
	char c = peek(l);

	*out = (struct value){ 0 };
	if (c == '{')
		return read_table(l, a, out, depth);
	if (c == '"')
		return read_string(l, a, out);
	if (is_word_char(c) && (c < '0' || c > '9'))
		return read_constant(l, out);
	return read_number(l, out);
}

bool lua_read(struct lua *l, struct arena *a, struct value *out)
{
	if (!str_eq(take_word(l), STR("return")))
		return bad(l, "no `return`");
	if (!read_value(l, a, out, 0))
		return false;
	take(l, ';');
	return peek(l) == '\0' && !l->rest.n ? true : bad(l, "something behind the end");
}

bool lua_next(struct lua *l, struct arena *a, struct value *out)
{
	skip_space(l);
	if (!l->rest.n)
		return false;
	if (!str_eq(take_word(l), STR("item")) || !take(l, '('))
		return bad(l, "no `item(`");
	if (!read_value(l, a, out, 0))
		return false;
	if (!take(l, ')'))
		return bad(l, "no `)`");
	take(l, ';');
	return true;
}
