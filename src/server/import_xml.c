#include "server/import_xml.h"

#include "base/bug.h"
#include "server/import.h"
#include "xml/writer.h"

#include <errno.h>
#include <expat.h>
#include <fcntl.h>
#include <unistd.h>

#define CHUNK     (64 * 1024)
#define TAG_MAX   (1024 * 1024) /* bytes of one tag or other token, which expat keeps whole */
#define DEPTH_MAX 64            /* of an element that is taken whole */
#define NEST_MAX  1000          /* of anything: expat remembers each open element */
#define CUT       '\f'          /* between URI and name: no XML may have it */

#define XML_URI "http://www.w3.org/XML/1998/namespace"

struct reading {
	struct import *im;
	XML_Parser parser;
	const struct xml_reader *reader;
	void *user;
	unsigned passed;           /* depth inside an element that is passed over */
	unsigned depth;            /* inside one that is taken whole */
	struct buf whole;
	struct str ns[DEPTH_MAX];  /* default namespaces of its open elements */
	struct arena mem;          /* of these */
	bool too_deep;
	bool in_tag;               /* a start tag waits for its end: it may be empty */
};

/* ---- names ---- */

struct name {
	struct str ns, local;
};

static struct name split(const char *expat_name)
{
	struct str s = str_c(expat_name);
	ptrdiff_t cut = str_find(s, CUT);
	struct name n = { STR(""), s };

	if (cut < 0)
		return n;
	n.ns = str_head(s, (size_t)cut);
	n.local = str_skip(s, (size_t)cut + 1);
	return n;
}

const char *xml_start_attr(const struct xml_start *el, const char *name)
{
	for (const char **a = el->attrs; *a; a += 2)
		if (strcmp(a[0], name) == 0)
			return a[1];
	return NULL;
}

/* ---- writing an element anew ---- */

static void end_tag_start(struct reading *r)
{
	if (r->in_tag)
		buf_lit(&r->whole, ">");
	r->in_tag = false;
}

static void write_value(struct reading *r, const char *value)
{
	buf_lit(&r->whole, "='");
	xml_escape_value(&r->whole, str_c(value));
	buf_lit(&r->whole, "'");
}

/* Attributes that have a namespace get a prefix by their place, so that none can clash. */
static void write_attr(struct reading *r, const char **a, unsigned place)
{
	struct name n = split(a[0]);

	if (n.ns.n && !str_eq(n.ns, STR(XML_URI))) {
		buf_printf(&r->whole, " xmlns:a%u='", place);
		xml_escape_value(&r->whole, n.ns);
		buf_printf(&r->whole, "' a%u:", place);
	} else {
		buf_add(&r->whole, n.ns.n ? STR(" xml:") : STR(" "));
	}
	buf_add(&r->whole, n.local);
	write_value(r, a[1]);
}

static void write_start(struct reading *r, const char *name, const char **attrs)
{
	struct str outside = r->depth ? r->ns[r->depth - 1] : xml_ns_str(NS_CLIENT);
	struct name n = split(name);

	end_tag_start(r);
	r->ns[r->depth] = str_eq(n.ns, outside) ? outside : str_dup(&r->mem, n.ns);
	buf_lit(&r->whole, "<");
	buf_add(&r->whole, n.local);
	if (!str_eq(n.ns, outside)) {
		buf_lit(&r->whole, " xmlns='");
		xml_escape_value(&r->whole, n.ns);
		buf_lit(&r->whole, "'");
	}
	for (unsigned i = 0; attrs[2 * i]; i++)
		write_attr(r, attrs + 2 * i, i);
	r->in_tag = true;
}

static void write_end(struct reading *r, const char *name)
{
	if (r->in_tag) {
		buf_lit(&r->whole, "/>");
		r->in_tag = false;
		return;
	}
	buf_lit(&r->whole, "</");
	buf_add(&r->whole, split(name).local);
	buf_lit(&r->whole, ">");
}

/* ---- what expat finds ---- */

static void look_at_error(struct reading *r)
{
	if (r->im->error.n)
		XML_StopParser(r->parser, XML_FALSE);
}

static void choose(struct reading *r, const char *name, const char **attrs)
{
	struct name n = split(name);
	const struct xml_start el = { n.ns, n.local, attrs };

	r->im->line = XML_GetCurrentLineNumber(r->parser);
	switch (r->reader->start(r->user, &el)) {
	case XML_WALK:
		break;
	case XML_WHOLE:
		buf_reset(&r->whole);
		arena_reset(&r->mem);
		r->too_deep = false;
		write_start(r, name, attrs);
		r->depth = 1;
		break;
	case XML_PASS:
		r->passed = 1;
		break;
	}
	look_at_error(r);
}

static void on_start(void *user, const char *name, const char **attrs)
{
	struct reading *r = user;

	if (r->passed + r->depth > NEST_MAX) {
		import_fail(r->im, "more than %u elements inside each other", NEST_MAX);
		look_at_error(r);
	} else if (r->passed) {
		r->passed++;
	} else if (!r->depth) {
		choose(r, name, attrs);
	} else {
		if (r->depth >= DEPTH_MAX)
			r->too_deep = true;
		else
			write_start(r, name, attrs);
		r->depth++;
	}
}

static void hand_over(struct reading *r)
{
	if (r->too_deep)
		import_note(r->im, "element that is nested too deep");
	else if (!buf_ok(&r->whole))
		import_note(r->im, "element of more than %u bytes", IMPORT_XML_MAX);
	else
		r->reader->whole(r->user, buf_str(&r->whole));
}

static void on_end(void *user, const char *name)
{
	struct reading *r = user;

	if (r->passed) {
		r->passed--;
		return;
	}
	if (!r->depth) {
		r->reader->end(r->user);
	} else {
		r->depth--;
		if (r->depth < DEPTH_MAX)
			write_end(r, name);
		if (!r->depth)
			hand_over(r);
	}
	look_at_error(r);
}

static void on_text(void *user, const char *text, int n)
{
	struct reading *r = user;

	if (r->passed || !r->depth || r->depth > DEPTH_MAX)
		return;
	end_tag_start(r);
	xml_escape(&r->whole, str_from(text, (size_t)n));
}

static void on_doctype(void *user, const char *name, const char *system, const char *public,
	int has_internal)
{
	struct reading *r = user;

	r->im->line = XML_GetCurrentLineNumber(r->parser);
	import_fail(r->im, "a document type declaration is not accepted");
	XML_StopParser(r->parser, XML_FALSE);
}

/* ---- the file ---- */

static void reading_begin(struct reading *r, struct import *im, const struct xml_reader *reader,
	void *user)
{
	*r = (struct reading){ .im = im, .reader = reader, .user = user };
	r->parser = XML_ParserCreateNS(NULL, CUT);
	BUG_ON(!r->parser);
	buf_init(&r->whole, IMPORT_XML_MAX);
	arena_init(&r->mem, 1024);
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_end);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
}

static void reading_end(struct reading *r)
{
	XML_ParserFree(r->parser);
	buf_clear(&r->whole);
	arena_clear(&r->mem);
}

/* Gives expat n bytes that are in its buffer already. */
static bool parse(struct reading *r, size_t n, uint64_t *fed)
{
	if (XML_ParseBuffer(r->parser, (int)n, n == 0) != XML_STATUS_OK) {
		r->im->line = r->im->error.n ? r->im->line : XML_GetCurrentLineNumber(r->parser);
		return import_fail(r->im, "%s", XML_ErrorString(XML_GetErrorCode(r->parser)));
	}
	*fed += n;
	XML_Index at = XML_GetCurrentByteIndex(r->parser);
	if (at >= 0 && *fed > (uint64_t)at + TAG_MAX + CHUNK) {
		r->im->line = XML_GetCurrentLineNumber(r->parser);
		return import_fail(r->im, "a tag of more than %u bytes", TAG_MAX);
	}
	return true;
}

static bool read_all(struct reading *r, int fd)
{
	uint64_t fed = 0;

	for (;;) {
		void *to = XML_GetBuffer(r->parser, CHUNK);
		BUG_ON(!to);
		ssize_t n = read(fd, to, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return import_fail(r->im, "cannot be read: %s", strerrordesc_np(errno));
		if (!parse(r, (size_t)n, &fed))
			return false;
		if (n == 0)
			return true;
	}
}

bool import_xml(struct import *im, const char *path, const struct xml_reader *reader, void *user)
{
	const char *file_before = im->file;
	uint64_t line_before = im->line;
	struct reading r;

	im->file = path;
	im->line = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0;
	if (ok) {
		reading_begin(&r, im, reader, user);
		ok = read_all(&r, fd);
		reading_end(&r);
		close(fd);
	} else {
		import_fail(im, "cannot be read: %s", strerrordesc_np(errno));
	}
	im->file = file_before;
	im->line = line_before;
	return ok;
}

bool import_xml_bytes(struct import *im, struct str bytes, const struct xml_reader *reader,
	void *user)
{
	struct reading r;
	uint64_t fed = 0;
	bool ok = true;

	reading_begin(&r, im, reader, user);
	for (bool last = false; ok && !last;) {
		struct str part = str_head(bytes, CHUNK);
		void *to = XML_GetBuffer(r.parser, CHUNK);
		BUG_ON(!to);
		if (part.n)
			memcpy(to, part.p, part.n);
		bytes = str_skip(bytes, part.n);
		last = part.n == 0;
		ok = parse(&r, part.n, &fed);
	}
	reading_end(&r);
	return ok;
}
