#include "xml/scan.h"

#include "xml/scan_run.h"

/* RFC 6120 section 13.12 says that 10,000 bytes of a stanza are the least to allow. What the
 * others have to hold comes from the extensions: forms and disco answers stay under 16 levels
 * and some hundred nodes, with a wide margin for what clients archive and forward. */
const struct scan_limits scan_limits_guest = {
	.stanza_bytes = 16 * 1024, /* SASL messages and stream headers */
	.depth = 16,
	.attrs = 64,
	.name = 256,
	.namespaces = 32,
	.nodes = 1024,
};
const struct scan_limits scan_limits_user = {
	.stanza_bytes = 256 * 1024,
	.depth = 64,
	.attrs = 64,
	.name = 256,
	.namespaces = 32,
	.nodes = 8192,
};

/* An XML declaration has so many bytes at most; it is read again when it is cut. */
#define DECLARATION_MAX 256

void scan_init(struct scan *s, const struct scan_limits *limits)
{
	*s = (struct scan){ .limits = limits, .content_ns = NS_NONE };
}

void scan_clear(struct scan *s)
{
	scan_drop_header(s);
}

void scan_restart(struct scan *s)
{
	scan_drop_header(s);
	scan_init(s, s->limits);
}

bool scan_in_middle(const struct scan *s)
{
	return s->state != STATE_OUTSIDE;
}

/* --- the XML declaration (XML 1.0 productions 23 to 26, 32, 80) --- */

/* Takes white space; false when there is none. */
static bool take_space(struct str *in)
{
	size_t n = 0;

	while (n < in->n && char_is(in->p[n], CHAR_SPACE))
		n++;
	*in = str_skip(*in, n);
	return n > 0;
}

static bool take(struct str *in, struct str word)
{
	if (!str_starts(*in, word))
		return false;
	*in = str_skip(*in, word.n);
	return true;
}

/* Takes S name S? '=' S? and a value in quotes; false when something else stands there. */
static bool take_pseudo_attr(struct str *in, struct str name, struct str *value)
{
	struct str rest = *in;

	if (!take_space(&rest) || !take(&rest, name))
		return false;
	take_space(&rest);
	if (!take(&rest, STR("=")))
		return false;
	take_space(&rest);
	if (!rest.n || (rest.p[0] != '\'' && rest.p[0] != '"'))
		return false;
	ptrdiff_t end = str_find(str_skip(rest, 1), rest.p[0]);
	if (end < 0)
		return false;
	*value = str_from(rest.p + 1, (size_t)end);
	*in = str_skip(rest, (size_t)end + 2);
	return true;
}

static bool is_version(struct str v)
{
	uint64_t minor;

	return take(&v, STR("1.")) && str_to_u64(v, UINT64_MAX, &minor);
}

/* in: what stands between "<?xml" and "?>". */
static enum scan_error check_declaration(struct str in)
{
	struct str value;

	if (!take_pseudo_attr(&in, STR("version"), &value) || !is_version(value))
		return SCAN_NOT_WELL_FORMED;
	if (take_pseudo_attr(&in, STR("encoding"), &value) && !str_eq_nocase(value, STR("UTF-8")))
		return SCAN_BAD_ENCODING;
	if (take_pseudo_attr(&in, STR("standalone"), &value) && !str_eq(value, STR("yes")) &&
		!str_eq(value, STR("no")))
		return SCAN_NOT_WELL_FORMED;
	take_space(&in);
	return in.n ? SCAN_NOT_WELL_FORMED : SCAN_OK;
}

/* "<?" at the very beginning. */
static uint32_t pass_declaration(struct run *r, uint32_t at)
{
	struct str in = str_from(r->p + at, r->n - at), begin = STR("<?xml");

	if (!str_starts(begin, str_head(in, begin.n)))
		return run_bad(r, SCAN_RESTRICTED);
	if (in.n > begin.n && !char_is(in.p[begin.n], CHAR_SPACE))
		return run_bad(r, SCAN_RESTRICTED);
	/* No '>' may stand in it but the last. */
	ptrdiff_t end = str_find(in, '>');
	if (end < 0 ? in.n > DECLARATION_MAX : end > DECLARATION_MAX)
		return run_bad(r, SCAN_TOO_LARGE);
	if (end < 0)
		return run_cut(r, STATE_OUTSIDE, at);
	if (in.p[end - 1] != '?' || end <= (ptrdiff_t)begin.n)
		return run_bad(r, SCAN_NOT_WELL_FORMED);
	enum scan_error error = check_declaration(
		str_from(in.p + begin.n, (size_t)end - 1 - begin.n));
	if (error)
		return run_bad(r, error);
	r->s->phase = PHASE_PROLOG;
	return at + (uint32_t)end + 1;
}

/* --- between stanzas --- */

/* The first byte of something that is neither white space nor markup. */
static enum scan_error stray_text(const struct scan *s, char c)
{
	uint8_t byte = (uint8_t)c;

	if ((byte >= 0x80 && byte < 0xc2) || byte > 0xf4)
		return SCAN_BAD_ENCODING;
	if (s->phase != PHASE_STREAM || char_is(c, CHAR_FORBIDDEN))
		return SCAN_NOT_WELL_FORMED;
	return SCAN_INVALID;
}

/* The end tag of the header at "</". What has been read of it need not be kept. */
static uint32_t pass_closing(struct run *r, uint32_t at)
{
	struct str name = scan_header_name(r->s);
	struct str rest = str_from(r->p + at + 2, r->n - at - 2);

	if (r->s->phase != PHASE_STREAM || !str_starts(name, str_head(rest, name.n)))
		return run_bad(r, SCAN_NOT_WELL_FORMED);
	if (rest.n < name.n)
		return run_cut(r, STATE_OUTSIDE, at);
	r->s->phase = PHASE_CLOSING;
	return at + 2 + (uint32_t)name.n;
}

/* "<!" outside of stanzas. */
static uint32_t bang(struct run *r, uint32_t at)
{
	if (at + 2 == r->n)
		return run_cut(r, STATE_OUTSIDE, at);
	char c = r->p[at + 2];
	if (c == '-' || c == 'D')
		return run_bad(r, SCAN_RESTRICTED);
	return run_bad(r, c == '[' ? stray_text(r->s, c) : SCAN_NOT_WELL_FORMED);
}

static uint32_t pass_space(struct run *r, uint32_t at)
{
	while (at < r->n && char_is(r->p[at], CHAR_SPACE))
		at++;
	if (at && r->s->phase == PHASE_START)
		r->s->phase = PHASE_PROLOG;
	return at;
}

/* In the header's end tag behind the name. */
static enum scan_status close_stream(struct run *r, uint32_t at, size_t *used)
{
	at = pass_space(r, at);
	*used = at;
	if (at == r->n)
		return SCAN_MORE;
	if (r->p[at] != '>') {
		run_bad(r, SCAN_NOT_WELL_FORMED);
		return SCAN_BAD;
	}
	r->s->phase = PHASE_CLOSED;
	*used = at + 1;
	return SCAN_CLOSE;
}

/* Behind the end of the stream only white space may follow. */
static enum scan_status after_close(struct run *r, size_t *used)
{
	uint32_t at = pass_space(r, 0);

	*used = at;
	if (at == r->n)
		return SCAN_MORE;
	run_bad(r, SCAN_NOT_WELL_FORMED);
	return SCAN_BAD;
}

/* No stanza or header is longer than its bound: the bytes behind it are out of reach. */
static void bound(struct run *r, uint32_t start)
{
	if (r->n - start > r->s->limits->stanza_bytes)
		r->n = start + r->s->limits->stanza_bytes;
}

/* Outside of stanzas and headers, up to the end of the next one. *start: where it begins. */
static uint32_t outside(struct run *r, uint32_t at, uint32_t *start)
{
	at = *start = pass_space(r, at);
	if (at == r->n)
		return run_cut(r, STATE_OUTSIDE, at);
	if (r->p[at] != '<')
		return run_bad(r, stray_text(r->s, r->p[at]));
	if (at + 1 == r->n)
		return run_cut(r, STATE_OUTSIDE, at);
	switch (r->p[at + 1]) {
	case '!':
		return bang(r, at);
	case '/':
		return pass_closing(r, at);
	case '?':
		if (r->s->phase != PHASE_START)
			return run_bad(r, SCAN_RESTRICTED);
		at = pass_declaration(r, at);
		return at == STOP ? STOP : outside(r, at, start);
	}
	bound(r, at);
	return scan_begin(r, at);
}

/* --- the steps --- */

/* The bytes before the stanza are dropped: what the table says of it moves with it. (Offsets that
 * are not known yet are set later.) */
static void rebase(struct run *r, uint32_t by)
{
	for (uint32_t i = 0; i < r->t->n_nodes; i++) {
		r->t->nodes[i].start -= by;
		r->t->nodes[i].body -= by;
		r->t->nodes[i].end -= by;
	}
	for (uint32_t i = 0; i < r->t->n_attrs; i++) {
		r->t->attrs[i].at -= by;
		r->t->attrs[i].value -= by;
	}
	r->s->at -= by;
}

static enum scan_status end_header(struct run *r)
{
	scan_keep_header(r);
	r->s->phase = r->t->nodes[0].flags & XML_EMPTY ? PHASE_ONE_TAG : PHASE_STREAM;
	return SCAN_OPEN;
}

enum scan_status scan_next(struct scan *s, struct xml_table *t, const char *p, size_t n,
	size_t *used)
{
	BUG_ON(n > UINT32_MAX / 2);
	struct run r = { .p = p, .n = (uint32_t)n, .s = s, .t = t };
	uint32_t start = 0, at;

	*used = 0;
	switch (s->phase) {
	case PHASE_BAD: return SCAN_BAD;
	case PHASE_ONE_TAG: s->phase = PHASE_CLOSED; return SCAN_CLOSE;
	case PHASE_CLOSED: return after_close(&r, used);
	case PHASE_CLOSING: return close_stream(&r, 0, used);
	}
	if (scan_in_middle(s)) {
		bound(&r, 0);
		at = scan_resume(&r);
	} else {
		at = outside(&r, 0, &start);
	}
	if (at != STOP) {
		*used = at;
		switch (s->phase) {
		case PHASE_CLOSING: return close_stream(&r, at, used);
		case PHASE_START:
		case PHASE_PROLOG: return end_header(&r);
		default: return SCAN_STANZA;
		}
	}
	if (r.status == SCAN_MORE) {
		if (r.n < n) {
			run_bad(&r, SCAN_TOO_LARGE);
		} else {
			*used = start;
			if (scan_in_middle(s) && start)
				rebase(&r, start);
		}
	}
	return r.status;
}

enum scan_error scan_document(struct xml_table *t, const struct scan_limits *limits,
	enum xml_ns content_ns, const char *p, size_t n)
{
	struct scan s = { .limits = limits, .content_ns = (uint16_t)content_ns,
		.phase = PHASE_DOCUMENT };
	size_t used;

	/* RFC 7395 section 3.2: no white space before it. */
	if (n && p[0] != '<')
		return SCAN_NOT_WELL_FORMED;
	switch (scan_next(&s, t, p, n, &used)) {
	case SCAN_STANZA:
		while (used < n && char_is(p[used], CHAR_SPACE))
			used++;
		return used == n ? SCAN_OK : SCAN_NOT_WELL_FORMED;
	case SCAN_BAD:
		return (enum scan_error)s.error;
	default:
		return SCAN_NOT_WELL_FORMED;
	}
}
