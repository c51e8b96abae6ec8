#include "script.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/bug.h"

#include <stdio.h>
#include <stdlib.h>

#define SCRIPT_MAX (4 * 1024 * 1024)
#define LINE_MAX   (4 * 1024 * 1024)

/* ---- the file ---- */

struct reading {
	struct script *script;
	struct line *lines;
	size_t n_lines, cap_lines;
	size_t common;       /* lines before the first case */
	struct str name;     /* of the case that is being read; p NULL before the first */
};

static bool read_file(const char *path, struct arena *a, struct str *out)
{
	FILE *f = fopen(path, "r");

	if (!f)
		return false;
	char *p = arena_alloc(a, SCRIPT_MAX);
	size_t n = fread(p, 1, SCRIPT_MAX, f);
	fclose(f);
	*out = str_from(p, n);
	return n < SCRIPT_MAX;
}

static void end_case(struct reading *r)
{
	struct script *s = r->script;

	if (!r->name.p) {
		r->common = r->n_lines;
		return;
	}
	struct test_case *c = &s->cases[s->n_cases++];
	*c = (struct test_case){ r->name, arena_alloc(&s->mem, r->n_lines * sizeof *c->lines),
		r->n_lines };
	memcpy(c->lines, r->lines, r->n_lines * sizeof *c->lines);
	r->n_lines = r->common;
}

static void begin_case(struct reading *r, struct str name)
{
	struct script *s = r->script;

	end_case(r);
	r->name = name;
	s->cases = xrealloc(s->cases, (s->n_cases + 1) * sizeof *s->cases);
}

static void add_line(struct reading *r, unsigned number, struct str text)
{
	if (r->n_lines == r->cap_lines) {
		r->cap_lines = r->cap_lines ? 2 * r->cap_lines : 64;
		r->lines = xrealloc(r->lines, r->cap_lines * sizeof *r->lines);
	}
	r->lines[r->n_lines++] = (struct line){ number, text };
}

/* An indented line goes on with the one before it, or with the name of the case. */
static bool go_on(struct reading *r, struct str text)
{
	struct arena *mem = &r->script->mem;

	if (r->name.p && r->n_lines == r->common) {
		r->name = str_printf(mem, "%.*s %.*s", STR_FMT(r->name), STR_FMT(text));
		return true;
	}
	if (!r->n_lines)
		return false;
	struct line *l = &r->lines[r->n_lines - 1];
	l->text = str_printf(mem, "%.*s\n%.*s", STR_FMT(l->text), STR_FMT(text));
	return true;
}

static void read_lines(struct reading *r, struct str text)
{
	struct script *s = r->script;

	for (unsigned number = 1; text.n && !s->error.p; number++) {
		ptrdiff_t end = str_find(text, '\n');
		struct str line = end < 0 ? text : str_head(text, (size_t)end);
		bool indented = line.n && (line.p[0] == ' ' || line.p[0] == '\t');
		text = str_skip(text, line.n + 1);
		line = str_trim(line);
		if (!line.n || line.p[0] == '#')
			continue;
		if (str_starts(line, STR("== ")))
			begin_case(r, str_skip(line, 3));
		else if (!indented)
			add_line(r, number, line);
		else if (!go_on(r, line))
			s->error = str_printf(&s->mem, "%u: nothing to go on with", number);
	}
}

void script_read(struct script *s, const char *path)
{
	struct reading r = { .script = s };
	struct str text;

	*s = (struct script){ 0 };
	arena_init(&s->mem, 64 * 1024);
	if (!read_file(path, &s->mem, &text)) {
		s->error = STR("the file cannot be read");
		return;
	}
	read_lines(&r, text);
	end_case(&r);
	free(r.lines);
}

void script_clear(struct script *s)
{
	free(s->cases);
	arena_clear(&s->mem);
}

/* ---- words ---- */

struct str word_next(struct str *rest)
{
	struct str s = str_trim(*rest);
	size_t n = 0;

	while (n < s.n && s.p[n] != ' ' && s.p[n] != '\n')
		n++;
	*rest = str_trim(str_skip(s, n));
	return n ? str_head(s, n) : STR_NULL;
}

void words_define(struct words *w, struct arena *a, struct str name, struct str text)
{
	struct str *names = arena_alloc(a, (w->n + 1) * sizeof *names);
	struct str *texts = arena_alloc(a, (w->n + 1) * sizeof *texts);

	if (w->n) {
		memcpy(names, w->names, w->n * sizeof *names);
		memcpy(texts, w->texts, w->n * sizeof *texts);
	}
	names[w->n] = name;
	texts[w->n] = text;
	w->names = names;
	w->texts = texts;
	w->n++;
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

/* $NAME at the start of s. */
static bool expand_name(const struct words *w, struct str s, struct buf *b, size_t *used)
{
	size_t n = 1;

	while (n < s.n && is_name(s.p[n]))
		n++;
	*used = n;
	for (size_t i = w->n; i-- > 0;) {
		if (str_eq(w->names[i], str_from(s.p + 1, n - 1))) {
			buf_add(b, w->texts[i]);
			return true;
		}
	}
	return false;
}

/* \0 in it is a NUL, for the messages of SASL PLAIN. */
static struct str base64_of(struct str s, struct arena *a)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		bool nul = s.p[i] == '\\' && i + 1 < s.n && s.p[i + 1] == '0';
		p[n++] = nul ? '\0' : s.p[i];
		i += nul;
	}
	return base64_str(a, str_from(p, n));
}

/* N:TEXT, N times the text. */
static struct str repeat(struct str s, struct arena *a)
{
	ptrdiff_t colon = str_find(s, ':');
	uint64_t n;

	if (colon < 0 || !str_to_u64(str_head(s, (size_t)colon), LINE_MAX, &n))
		return STR_NULL;
	struct str text = str_skip(s, (size_t)colon + 1);
	char *p = arena_alloc(a, n * text.n + 1);
	for (uint64_t i = 0; i < n; i++)
		memcpy(p + i * text.n, text.p, text.n);
	return str_from(p, n * text.n);
}

static unsigned hex_digit(char c)
{
	return c >= '0' && c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

/* Bytes by two hexadecimal digits each. */
static struct str bytes_of(struct str s, struct arena *a)
{
	char *p = arena_alloc(a, s.n / 2 + 1);

	for (size_t i = 0; i + 1 < s.n; i += 2)
		p[i / 2] = (char)(hex_digit(s.p[i]) << 4 | hex_digit(s.p[i + 1]));
	return str_from(p, s.n / 2);
}

static struct str call(const struct words *w, struct str kind, struct str argument, struct arena *a)
{
	if (str_eq(kind, STR("base64")))
		return base64_of(argument, a);
	if (str_eq(kind, STR("repeat")))
		return repeat(argument, a);
	if (str_eq(kind, STR("hex")))
		return bytes_of(argument, a);
	return w->look_up(w->user, kind, argument);
}

/* {KIND:ARGUMENT} at the start of s. */
static bool expand_call(const struct words *w, struct str s, struct arena *a, struct buf *b,
	size_t *used)
{
	ptrdiff_t end = str_find(s, '}'), colon = str_find(s, ':');

	*used = end < 0 ? s.n : (size_t)end + 1;
	if (end < 0 || colon < 0 || colon > end)
		return false;
	struct str kind = str_from(s.p + 1, (size_t)colon - 1);
	struct str argument = str_from(s.p + colon + 1, (size_t)(end - colon) - 1);
	struct str text = call(w, kind, argument, a);
	buf_add(b, text);
	return text.p != NULL;
}

bool words_expand(const struct words *w, struct str line, struct arena *a, struct str *out)
{
	struct buf b;
	bool ok = true;
	size_t used = 0;

	buf_init(&b, LINE_MAX);
	for (; ok && line.n; line = str_skip(line, used)) {
		used = 1;
		if (line.p[0] == '$')
			ok = expand_name(w, line, &b, &used);
		else if (line.p[0] == '{')
			ok = expand_call(w, line, a, &b, &used);
		else
			buf_byte(&b, line.p[0]);
		if (!ok)
			*out = str_dup(a, str_head(line, used));
	}
	if (ok)
		*out = str_dup(a, buf_str(&b));
	buf_clear(&b);
	return ok;
}
