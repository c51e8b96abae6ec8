#include "xml/test_expat.h"

#include "base/bug.h"
#include "xml/test_events.h"

#include <expat.h>
#include <stdio.h>

/* Between a URI and a local name: cannot occur in XML. */
#define SEPARATOR '\x01'

#define OUT_MAX ((size_t)64 << 20)

struct expat {
	XML_Parser parser;
	struct buf *out;
	struct buf stanza; /* the unfinished one */
	unsigned depth;
	bool in_text;
};

static void end_text(struct expat *e)
{
	if (e->in_text)
		buf_byte(&e->stanza, '"');
	e->in_text = false;
}

static struct str uri_part(const char *name)
{
	struct str s = str_c(name);
	ptrdiff_t n = str_find(s, SEPARATOR);

	return str_head(s, n < 0 ? 0 : (size_t)n);
}

static struct str local_part(const char *name)
{
	struct str s = str_c(name);

	return str_skip(s, (size_t)(str_find(s, SEPARATOR) + 1));
}

static void on_start(void *data, const XML_Char *name, const XML_Char **atts)
{
	struct expat *e = data;
	struct str attrs[2 * 256];
	struct arena a;
	size_t n = 0;

	arena_init(&a, 1024);
	end_text(e);
	/* The scanner refuses more than its limit, so that these are never compared. */
	for (; atts[n] && n < 2 * 256; n += 2) {
		attrs[n] = str_printf(&a, "{%.*s}%.*s", STR_FMT(uri_part(atts[n])),
			STR_FMT(local_part(atts[n])));
		attrs[n + 1] = str_c(atts[n + 1]);
	}
	if (e->depth == 1)
		buf_lit(&e->stanza, "stanza ");
	if (e->depth == 0)
		buf_lit(e->out, "open ");
	events_start(e->depth ? &e->stanza : e->out, uri_part(name), local_part(name), attrs, n);
	if (e->depth == 0)
		buf_lit(e->out, "</>\n");
	e->depth++;
	arena_clear(&a);
}

static void on_end(void *data, const XML_Char *name)
{
	struct expat *e = data;

	end_text(e);
	if (--e->depth == 0) {
		buf_lit(e->out, "close\n");
		return;
	}
	buf_lit(&e->stanza, "</>");
	if (e->depth > 1)
		return;
	buf_add(e->out, buf_str(&e->stanza));
	buf_byte(e->out, '\n');
	buf_reset(&e->stanza);
}

static void on_text(void *data, const XML_Char *text, int n)
{
	struct expat *e = data;

	if (e->depth < 2)
		return;
	if (!e->in_text)
		buf_byte(&e->stanza, '"');
	e->in_text = true;
	buf_add(&e->stanza, str_from(text, (size_t)n));
}

/* The scanner stops at a DTD. Without this a bomb in one would only cost time. */
static void on_doctype(void *data, const XML_Char *name, const XML_Char *sysid,
	const XML_Char *pubid, int has_internal_subset)
{
	XML_StopParser(((struct expat *)data)->parser, XML_FALSE);
}

void expat_events(struct buf *out, struct str bytes)
{
	struct expat e = { .parser = XML_ParserCreateNS("UTF-8", SEPARATOR), .out = out };

	BUG_ON(!e.parser);
	buf_init(&e.stanza, OUT_MAX);
	XML_SetUserData(e.parser, &e);
	XML_SetElementHandler(e.parser, on_start, on_end);
	XML_SetCharacterDataHandler(e.parser, on_text);
	XML_SetStartDoctypeDeclHandler(e.parser, on_doctype);
	/* A NUL is the end of all good things on both sides. */
	if (XML_Parse(e.parser, bytes.p, (int)bytes.n, 0) == XML_STATUS_OK)
		XML_Parse(e.parser, "", 1, 1);
	XML_ParserFree(e.parser);
	buf_clear(&e.stanza);
}

/* Why the scanner may stop where expat goes on: comments, processing instructions, DTDs and
 * entities; sizes; text between stanzas. */
static bool may_be_stricter(enum scan_error error, struct str bytes)
{
	if (error == SCAN_RESTRICTED || error == SCAN_TOO_LARGE || error == SCAN_INVALID)
		return true;
	/* RFC 6120 section 11.6: U+FEFF is no byte order mark. Expat was told the encoding and
	 * does not mind what the declaration says of it, nor of the version. */
	return str_starts(bytes, STR("\xef\xbb\xbf")) || str_starts(bytes, STR("<?xml"));
}

/* Expat guesses at UTF-16 although it was told the encoding. */
static bool looks_like_utf16(struct str bytes)
{
	return bytes.n >= 2 && (!bytes.p[0] || !bytes.p[1] ||
		str_starts(bytes, STR("\xfe\xff")) || str_starts(bytes, STR("\xff\xfe")));
}

static void must(bool good, const char *what, struct str bytes, struct buf *one, struct buf *two)
{
	if (good)
		return;
	fprintf(stderr, "%.*s\n--- one:\n%.*s\n--- two:\n%.*s\n", STR_FMT(bytes),
		STR_FMT(buf_str(one)), STR_FMT(buf_str(two)));
	bug_stop(__FILE__, __LINE__, what);
}

void compare_with_expat(struct str bytes, uint32_t seed)
{
	struct buf whole, bare, cut, expat;

	buf_init(&whole, OUT_MAX);
	buf_init(&bare, OUT_MAX);
	buf_init(&cut, OUT_MAX);
	buf_init(&expat, OUT_MAX);
	struct verdict v = events_of(&whole, bytes, &scan_limits_user, (struct pieces){ 0 });
	events_of(&bare, bytes, &scan_limits_user, (struct pieces){ .bare = true });
	events_of(&cut, bytes, &scan_limits_user, (struct pieces){ .seed = seed | 1 });
	if (!looks_like_utf16(bytes))
		expat_events(&expat, bytes);
	must(str_eq(buf_str(&whole), buf_str(&cut)), "pieces give other events", bytes, &whole,
		&cut);
	if (bare.n < expat.n)
		must(!v.error || may_be_stricter(v.error, bytes), "stricter than expat", bytes,
			&whole, &expat);
	/* Expat knows the names of the fourth edition of XML 1.0, the scanner those of the
	 * fifth, which are more. */
	if (!looks_like_utf16(bytes) && (bare.n <= expat.n || !v.wide_name))
		must(str_starts(buf_str(&expat), buf_str(&bare)), "laxer than expat", bytes,
			&bare, &expat);
	buf_clear(&whole);
	buf_clear(&bare);
	buf_clear(&cut);
	buf_clear(&expat);
}
