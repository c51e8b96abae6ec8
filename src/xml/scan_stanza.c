/* The scanner's way through one stanza: tags, attributes and character data. */
#include "base/utf8.h"
#include "xml/lookup.h"
#include "xml/scan_run.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* The way of most bytes, in one piece: with calls it takes a fifth longer. */
#define hot static inline __attribute__((always_inline))

/* A reference is read again when it is cut, so it has a bound: leading zeros could make it
 * longer without end. */
#define REF_MAX 32

static bool is_space(char c)
{
	return char_is(c, CHAR_SPACE);
}

static bool is_quote(char c)
{
	return c == '\'' || c == '"';
}

/* --- names --- */

/* A name's length and where its local part begins (0 without a prefix). A length of 0: it is
 * cut; under 0: minus a scan_error. */
struct name {
	int32_t len;
	uint32_t local;
};

static struct name bad_name(enum scan_error error)
{
	return (struct name){ -(int32_t)error, 0 };
}

static struct name long_name(const struct run *r, uint32_t at)
{
	uint32_t i = at, limit = r->s->limits->name, local = 0;
	bool start = true; /* of the prefix or the local name */

	while (i < r->n) {
		unsigned len = 1;
		char c = r->p[i];
		if ((signed char)c < 0) {
			int32_t cp = utf8_next(str_from(r->p + i, r->n - i), &len);
			if (cp == -2)
				return (struct name){ 0 };
			if (cp < 0)
				return bad_name(SCAN_BAD_ENCODING);
			if (!(start ? char_starts_name(cp) : char_in_name(cp)))
				break;
			start = false;
		} else if (c == ':') {
			if (start || local)
				return bad_name(SCAN_NOT_WELL_FORMED);
			local = i - at + 1;
			start = true;
		} else if (char_is(c, start ? CHAR_NAME_START : CHAR_NAME)) {
			start = false;
		} else {
			break;
		}
		i += len;
		if (i - at > limit || local > UINT8_MAX)
			return bad_name(SCAN_TOO_LARGE);
	}
	if (i == r->n)
		return (struct name){ 0 };
	if (start)
		return bad_name(SCAN_NOT_WELL_FORMED);
	return (struct name){ (int32_t)(i - at), local };
}

/* The short way for a name of ASCII, at most 15 bytes, and whole. */
hot struct name name_at(const struct run *r, uint32_t at)
{
	struct name_span s = chars_name_span(r->p + at);

	if (unlikely(s.len == 16 || s.len >= r->n - at || !(s.starts & 1) ||
		    s.wide >> s.len & 1 || s.len > r->s->limits->name))
		return long_name(r, at);
	if (likely(!s.colons))
		return (struct name){ (int32_t)s.len, 0 };
	uint32_t local = (uint32_t)__builtin_ctz(s.colons) + 1;
	if (s.colons & (s.colons - 1) || !(s.starts >> local & 1))
		return bad_name(SCAN_NOT_WELL_FORMED);
	return (struct name){ (int32_t)s.len, local };
}

/* No name to go on with. */
static uint32_t no_name(struct run *r, struct name name, unsigned state, uint32_t at)
{
	return name.len ? run_bad(r, (enum scan_error)-name.len) : run_cut(r, state, at);
}

/* --- characters that are not plain --- */

static uint32_t pass_utf8(struct run *r, uint32_t at, unsigned state)
{
	at = chars_pass_utf8(r->p, at, r->n);
	if (at == r->n || (signed char)r->p[at] >= 0)
		return at;
	unsigned len;
	int32_t cp = utf8_next(str_from(r->p + at, r->n - at), &len);
	if (cp == -2)
		return run_cut(r, state, at);
	return run_bad(r, cp < 0 ? SCAN_BAD_ENCODING : SCAN_NOT_WELL_FORMED);
}

static int digit_of(char c, bool hex)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return hex && c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "#...;" or "#x...;": its length, 0 when cut, minus a scan_error. */
static int32_t number_length(struct str s)
{
	bool hex = s.n > 1 && s.p[1] == 'x';
	size_t i = hex ? 2 : 1;
	int32_t cp = 0; /* which is forbidden: no digits are wrong as well */

	for (; i < s.n; i++) {
		int digit = digit_of(s.p[i], hex);
		if (digit < 0)
			break;
		if (i >= REF_MAX)
			return -SCAN_TOO_LARGE;
		cp = cp * (hex ? 16 : 10) + digit;
		if (cp > 0x10ffff)
			return -SCAN_NOT_WELL_FORMED;
	}
	if (i == s.n)
		return 0;
	if (s.p[i] != ';' || !char_legal(cp) ||
		(cp < 0x20 && char_is((char)cp, CHAR_FORBIDDEN)))
		return -SCAN_NOT_WELL_FORMED;
	return (int32_t)i + 1;
}

/* "name;": any but the five predefined ones is a custom entity (RFC 6120 section 11.1). */
static int32_t entity_length(struct str s)
{
	static const char *const known[] = { "amp;", "lt;", "gt;", "quot;", "apos;" };
	size_t i = 0;

	for (; i < s.n && (char_is(s.p[i], i ? CHAR_NAME : CHAR_NAME_START) ||
			  (signed char)s.p[i] < 0); i++) {
		if (i == 4)
			return -SCAN_RESTRICTED;
	}
	if (i == s.n)
		return 0;
	if (s.p[i] != ';' || !i)
		return -SCAN_NOT_WELL_FORMED;
	for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
		if (str_eq(str_head(s, i + 1), str_c(known[k])))
			return (int32_t)i + 1;
	}
	return -SCAN_RESTRICTED;
}

static uint32_t pass_reference(struct run *r, uint32_t at, unsigned state)
{
	struct str s = str_from(r->p + at + 1, r->n - at - 1);
	int32_t len = s.n && s.p[0] == '#' ? number_length(s) : entity_length(s);

	if (len < 0)
		return run_bad(r, (enum scan_error)-len);
	return len ? at + 1 + (uint32_t)len : run_cut(r, state, at);
}

/* --- character data --- */

hot struct xml_node *add_node(struct run *r)
{
	struct xml_table *t = r->t;

	if (unlikely(t->n_nodes >= r->s->limits->nodes)) {
		run_bad(r, SCAN_TOO_LARGE);
		return NULL;
	}
	if (unlikely(t->n_nodes == t->cap_nodes)) {
		t->cap_nodes = t->cap_nodes ? t->cap_nodes * 2 : 16;
		t->nodes = xrealloc(t->nodes, t->cap_nodes * sizeof *t->nodes);
	}
	return &t->nodes[t->n_nodes++];
}

static inline struct xml_node *last_node(const struct run *r)
{
	return &r->t->nodes[r->t->n_nodes - 1];
}

static inline struct xml_node *add_text(struct run *r, uint32_t at, unsigned flags)
{
	struct xml_node *node = add_node(r);

	if (!node)
		return NULL;
	*node = (struct xml_node){
		.kind = XML_TEXT,
		.flags = (uint8_t)flags,
		.first_attr = r->t->n_attrs,
		.start = at,
		.body = at,
		.end = at,
		.next = r->t->n_nodes,
		.parent = r->s->open,
	};
	return node;
}

/* "]]" stands before at. Tag, reference or CDATA begin and end with other bytes, so the brackets
 * are of this run of text, and a start tag is before it in any case. */
static bool after_brackets(const char *p, uint32_t at)
{
	return p[at - 1] == ']' && p[at - 2] == ']';
}

/* Goes past the byte at which plain text stopped, other than '<'. */
static uint32_t pass_text_stop(struct run *r, struct xml_node *node, uint32_t at)
{
	char c = r->p[at];

	if ((signed char)c < 0)
		return pass_utf8(r, at, STATE_TEXT);
	switch (c) {
	case '&':
		node->flags |= XML_REF;
		return pass_reference(r, at, STATE_TEXT);
	case '>':
		if (after_brackets(r->p, at))
			break;
		return at + 1;
	case '\r':
		node->flags |= XML_REF;
		return at + 1;
	case '\t':
	case '\n':
		return at + 1;
	}
	return run_bad(r, SCAN_NOT_WELL_FORMED);
}

/* On to the '<' that ends the text in the last node. */
hot uint32_t text(struct run *r, uint32_t at)
{
	struct xml_node *node = last_node(r);

	for (;;) {
		at = chars_pass_text(r->p, at, r->n);
		if (unlikely(at == r->n))
			return run_cut(r, STATE_TEXT, at);
		if (likely(r->p[at] == '<'))
			break;
		at = pass_text_stop(r, node, at);
		if (at == STOP)
			return STOP;
	}
	node->end = at;
	return at;
}

/* On behind the "]]>" that ends the CDATA section in the last node. */
static uint32_t cdata(struct run *r, uint32_t at)
{
	struct xml_node *node = last_node(r);

	for (;;) {
		at = chars_pass_text(r->p, at, r->n);
		if (at == r->n)
			return run_cut(r, STATE_CDATA, at);
		char c = r->p[at];
		if ((signed char)c < 0) {
			at = pass_utf8(r, at, STATE_CDATA);
			if (at == STOP)
				return STOP;
			continue;
		}
		if (c == '>' && after_brackets(r->p, at))
			break;
		if (char_is(c, CHAR_FORBIDDEN))
			return run_bad(r, SCAN_NOT_WELL_FORMED);
		if (c == '\r')
			node->flags |= XML_REF;
		at++;
	}
	node->end = at - 2;
	return at + 1;
}

/* "<!": a CDATA section, or what XMPP forbids. */
static uint32_t bang(struct run *r, uint32_t at)
{
	struct str rest = str_from(r->p + at + 2, r->n - at - 2);
	struct str begin = STR("[CDATA[");

	if (rest.n && (rest.p[0] == '-' || rest.p[0] == 'D'))
		return run_bad(r, SCAN_RESTRICTED);
	if (!str_starts(begin, str_head(rest, begin.n)))
		return run_bad(r, SCAN_NOT_WELL_FORMED);
	if (rest.n < begin.n)
		return run_cut(r, STATE_CONTENT, at);
	at += 2 + (uint32_t)begin.n;
	return add_text(r, at, XML_CDATA) ? cdata(r, at) : STOP;
}

/* --- attributes --- */

static void grow_attrs(struct xml_table *t)
{
	t->cap_attrs = t->cap_attrs ? t->cap_attrs * 2 : 16;
	t->attrs = xrealloc(t->attrs, t->cap_attrs * sizeof *t->attrs);
}

hot struct xml_attr *add_attr(struct run *r, struct xml_node *el)
{
	struct xml_table *t = r->t;

	if (unlikely(el->n_attrs >= r->s->limits->attrs)) {
		run_bad(r, SCAN_TOO_LARGE);
		return NULL;
	}
	if (unlikely(t->n_attrs == t->cap_attrs))
		grow_attrs(t);
	el->n_attrs++;
	return &t->attrs[t->n_attrs++];
}

static uint32_t raw_length(const struct xml_attr *a)
{
	return a->prefix_len + (a->prefix_len && a->name_len ? 1u : 0u) + a->name_len;
}

/* An attribute before the last one of the element is written with the same name. */
static bool is_repeated(const struct run *r, const struct xml_node *el)
{
	const struct xml_attr *a = r->t->attrs + el->first_attr, *last = a + el->n_attrs - 1;
	uint32_t len = raw_length(last);

	for (; a < last; a++) {
		if (raw_length(a) == len && chars_same(r->p + a->at, r->p + last->at, len))
			return true;
	}
	return false;
}

/* Tells declarations and xml:... from other attributes with a prefix. */
static void sort_prefixed(struct run *r, struct xml_attr *a)
{
	struct str prefix = str_from(r->p + a->at, a->prefix_len);

	if (str_eq(prefix, STR("xmlns"))) {
		a->flags = XML_DECLARES;
		a->name = TAG_XMLNS;
	} else if (str_eq(prefix, STR("xml"))) {
		a->ns = NS_XML;
	} else {
		a->ns = NS_OTHER;
		r->s->tag_flags |= TAG_HAS_PREFIXES;
	}
}

/* Puts an attribute of this name into the table. */
hot bool begin_attr(struct run *r, struct xml_node *el, uint32_t at, struct name name)
{
	struct xml_attr *a = add_attr(r, el);
	uint32_t len = (uint32_t)name.len;

	if (!a)
		return false;
	*a = (struct xml_attr){
		.ns = NS_NONE,
		.name = (uint16_t)tag_find_padded(r->p + at + name.local, len - name.local),
		.prefix_len = (uint8_t)(name.local ? name.local - 1 : 0),
		.name_len = (uint16_t)(len - name.local),
		.at = at,
	};
	if (unlikely(name.local)) {
		sort_prefixed(r, a);
	} else if (a->name == TAG_XMLNS) {
		a->flags = XML_DECLARES;
		a->prefix_len = 5;
		a->name_len = 0;
	}
	/* Most repetitions are ruled out by one bit for each name. */
	uint32_t bit = 1u << ((a->name ? a->name : (uint8_t)r->p[at] + len) & 31);
	if (unlikely(r->s->seen & bit) && is_repeated(r, el)) {
		run_bad(r, SCAN_NOT_WELL_FORMED);
		return false;
	}
	r->s->seen |= bit;
	return true;
}

static inline struct xml_attr *last_attr(const struct run *r)
{
	return &r->t->attrs[r->t->n_attrs - 1];
}

/* Goes past the byte at which a plain value stopped, other than its quote. */
static uint32_t pass_value_stop(struct run *r, struct xml_attr *a, uint32_t at)
{
	char c = r->p[at];

	if ((signed char)c < 0)
		return pass_utf8(r, at, STATE_VALUE);
	switch (c) {
	case '&':
		a->flags |= XML_REF;
		return pass_reference(r, at, STATE_VALUE);
	case '\t':
	case '\n':
	case '\r':
		a->flags |= XML_REF;
		return at + 1;
	}
	return run_bad(r, SCAN_NOT_WELL_FORMED);
}

/* On behind the quote that ends the value of the last attribute. */
hot uint32_t value(struct run *r, uint32_t at)
{
	struct xml_attr *a = last_attr(r);
	char quote = (char)r->s->mark;

	for (;;) {
		at = chars_pass_value(r->p, at, r->n, quote);
		if (unlikely(at == r->n))
			return run_cut(r, STATE_VALUE, at);
		if (likely(r->p[at] == quote))
			break;
		at = pass_value_stop(r, a, at);
		if (at == STOP)
			return STOP;
	}
	a->value_len = at - a->value;
	if (a->flags & XML_DECLARES && !scan_declare(r, a))
		return STOP;
	return at + 1;
}

static uint32_t pass_space(const struct run *r, uint32_t at)
{
	while (at < r->n && is_space(r->p[at]))
		at++;
	return at;
}

/* From behind '=' on to the end of the value. */
hot uint32_t quote(struct run *r, uint32_t at)
{
	if (unlikely(at < r->n && is_space(r->p[at])))
		at = pass_space(r, at);
	if (unlikely(at == r->n))
		return run_cut(r, STATE_QUOTE, at);
	if (unlikely(!is_quote(r->p[at])))
		return run_bad(r, SCAN_NOT_WELL_FORMED);
	r->s->mark = (uint8_t)r->p[at];
	last_attr(r)->value = at + 1;
	return value(r, at + 1);
}

/* From behind an attribute's name on to the end of the value. */
hot uint32_t equals(struct run *r, uint32_t at)
{
	if (unlikely(at < r->n && is_space(r->p[at])))
		at = pass_space(r, at);
	if (unlikely(at == r->n))
		return run_cut(r, STATE_EQUALS, at);
	if (unlikely(r->p[at] != '='))
		return run_bad(r, SCAN_NOT_WELL_FORMED);
	return quote(r, at + 1);
}

/* --- tags --- */

/* The element is complete: its scope ends. */
hot void end_element(struct run *r, struct xml_node *el, uint32_t at)
{
	el->end = at;
	el->next = r->t->n_nodes;
	if (unlikely(el->flags & XML_DECLARES)) {
		const struct xml_attr *a = r->t->attrs + el->first_attr;
		for (uint32_t i = 0; i < el->n_attrs && a[i].flags & XML_DECLARES; i++)
			r->s->scope--;
	}
}

hot uint32_t end_start_tag(struct run *r, struct xml_node *el, uint32_t at, bool empty)
{
	struct scan *s = r->s;
	const struct xml_node *parent = &r->t->nodes[el->parent];

	el->body = at;
	if (likely(!el->prefix_len && !s->tag_flags && !parent->prefix_len && parent != el)) {
		el->ns = parent->ns;
	} else if (el->prefix_len || s->tag_flags != TAG_HAS_DEFAULT) {
		if (!scan_resolve(r, el))
			return STOP;
	}
	if (s->phase < PHASE_STREAM) { /* the header ends the stream's way, not its scope */
		el->flags |= empty ? XML_EMPTY : 0;
		el->end = at;
		el->next = r->t->n_nodes;
	} else if (empty) {
		el->flags |= XML_EMPTY;
		end_element(r, el, at);
	} else {
		s->open = (uint32_t)(el - r->t->nodes);
		s->depth++;
	}
	return at;
}

/* From behind the element's name or an attribute on to the end of the start tag. */
static uint32_t attributes(struct run *r, uint32_t at)
{
	struct xml_node *el = last_node(r);

	for (;;) {
		if (unlikely(at >= r->n))
			return run_cut(r, STATE_TAG, at);
		char c = r->p[at];
		if (is_space(c)) {
			at++;
			continue;
		}
		if (c == '>')
			return end_start_tag(r, el, at + 1, false);
		if (c == '/') {
			if (unlikely(at + 1 == r->n))
				return run_cut(r, STATE_TAG, at);
			if (unlikely(r->p[at + 1] != '>'))
				return run_bad(r, SCAN_NOT_WELL_FORMED);
			return end_start_tag(r, el, at + 2, true);
		}
		struct name name = name_at(r, at);
		if (unlikely(name.len <= 0))
			return no_name(r, name, STATE_TAG, at);
		if (unlikely(!is_space(r->p[at - 1])))
			return run_bad(r, SCAN_NOT_WELL_FORMED);
		if (unlikely(!begin_attr(r, el, at, name)))
			return STOP;
		at = equals(r, at + (uint32_t)name.len);
		if (unlikely(at == STOP))
			return STOP;
	}
}

hot uint32_t start_tag(struct run *r, uint32_t at)
{
	struct scan *s = r->s;
	struct name name = name_at(r, at + 1);
	uint32_t len = (uint32_t)name.len;

	if (unlikely(name.len <= 0))
		return no_name(r, name, s->depth ? STATE_CONTENT : STATE_OUTSIDE, at);
	if (unlikely(s->depth >= s->limits->depth))
		return run_bad(r, SCAN_TOO_LARGE);
	struct xml_node *el = add_node(r);
	if (unlikely(!el))
		return STOP;
	*el = (struct xml_node){
		.tag = (uint16_t)tag_find_padded(r->p + at + 1 + name.local, len - name.local),
		.kind = XML_ELEMENT,
		.first_attr = r->t->n_attrs,
		.start = at,
		.parent = s->open,
		.prefix_len = (uint16_t)(name.local ? name.local - 1 : 0),
		.name_len = (uint16_t)(len - name.local),
	};
	s->seen = 0;
	s->tag_flags = 0;
	return attributes(r, at + 1 + len);
}

/* From behind the name of an end tag on. */
static uint32_t end_of_end_tag(struct run *r, uint32_t at)
{
	struct scan *s = r->s;

	at = pass_space(r, at);
	if (at == r->n)
		return run_cut(r, STATE_END_TAG, at);
	if (r->p[at] != '>')
		return run_bad(r, SCAN_NOT_WELL_FORMED);
	struct xml_node *el = &r->t->nodes[s->open];
	end_element(r, el, at + 1);
	s->open = el->parent;
	s->depth--;
	return at + 1;
}

hot uint32_t end_tag(struct run *r, uint32_t at)
{
	struct str name = scan_raw_name(r->p, &r->t->nodes[r->s->open]);

	if (unlikely(r->n - at - 2 < name.n)) {
		/* A wrong end tag that is shorter must not wait for bytes that never come. */
		if (memcmp(r->p + at + 2, name.p, r->n - at - 2) != 0)
			return run_bad(r, SCAN_NOT_WELL_FORMED);
		return run_cut(r, STATE_CONTENT, at);
	}
	if (unlikely(!chars_same(r->p + at + 2, name.p, name.n)))
		return run_bad(r, SCAN_NOT_WELL_FORMED);
	return end_of_end_tag(r, at + 2 + (uint32_t)name.n);
}

static uint32_t content(struct run *r, uint32_t at)
{
	while (r->s->depth) {
		if (unlikely(at == r->n))
			return run_cut(r, STATE_CONTENT, at);
		if (r->p[at] != '<') {
			if (!add_text(r, at, 0))
				return STOP;
			at = text(r, at);
			if (at == STOP)
				return STOP;
		}
		if (unlikely(at + 1 == r->n))
			return run_cut(r, STATE_CONTENT, at);
		char c = r->p[at + 1];
		if (c == '/')
			at = end_tag(r, at);
		else if (c == '!')
			at = bang(r, at);
		else if (c == '?')
			return run_bad(r, SCAN_RESTRICTED);
		else
			at = start_tag(r, at);
		if (at == STOP)
			return STOP;
	}
	r->s->state = STATE_OUTSIDE;
	return at;
}

/* Goes on with attributes behind a value, and then with what the element holds. */
static uint32_t rest_of_tag(struct run *r, uint32_t at)
{
	if (at != STOP)
		at = attributes(r, at);
	return at == STOP ? STOP : content(r, at);
}

uint32_t scan_begin(struct run *r, uint32_t at)
{
	if (unlikely(!r->t->attrs)) /* offsets from it have to be defined */
		grow_attrs(r->t);
	r->t->n_nodes = r->t->n_attrs = 0;
	r->s->open = 0;
	at = start_tag(r, at);
	return at == STOP ? STOP : content(r, at);
}

uint32_t scan_resume(struct run *r)
{
	uint32_t at = r->s->at;

	switch (r->s->state) {
	case STATE_TEXT: at = text(r, at); break;
	case STATE_CDATA: at = cdata(r, at); break;
	case STATE_TAG: return rest_of_tag(r, at);
	case STATE_EQUALS: return rest_of_tag(r, equals(r, at));
	case STATE_QUOTE: return rest_of_tag(r, quote(r, at));
	case STATE_VALUE: return rest_of_tag(r, value(r, at));
	case STATE_END_TAG: at = end_of_end_tag(r, at); break;
	}
	return at == STOP ? STOP : content(r, at);
}
