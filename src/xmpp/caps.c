#include "xmpp/caps.h"

#include "base/base64.h"

#include <stdlib.h>

#define FORM_TYPE STR("FORM_TYPE")
#define NOTIFY    STR("+notify")

/* ---- hashes ---- */

static void sha_1(struct str bytes, uint8_t out[DIGEST_MAX])
{
	digest_of(DIGEST_SHA1, bytes, out);
}

static void sha_256(struct str bytes, uint8_t out[DIGEST_MAX])
{
	digest_of(DIGEST_SHA256, bytes, out);
}

static void sha_512(struct str bytes, uint8_t out[DIGEST_MAX])
{
	digest_of(DIGEST_SHA512, bytes, out);
}

/* The best first. SHA-1 must be known to XEP-0115 (section 9.1), and is no more for XEP-0390. */
static const struct {
	struct str name;
	size_t len;
	void (*of)(struct str bytes, uint8_t out[DIGEST_MAX]);
	bool in_1, in_2;
} hashes[] = {
	{ STR_INIT("sha-256"), 32, sha_256, true, true },
	{ STR_INIT("sha3-256"), 32, digest_sha3_256, false, true },
	{ STR_INIT("sha-512"), 64, sha_512, true, true },
	{ STR_INIT("sha-1"), 20, sha_1, true, false },
};

#define HASHES (sizeof hashes / sizeof hashes[0])

/* HASHES: none that we know. */
static size_t hash_by_name(struct str name, bool of_2)
{
	for (size_t i = 0; i < HASHES; i++)
		if (str_eq(hashes[i].name, name))
			return (of_2 ? hashes[i].in_2 : hashes[i].in_1) ? i : HASHES;
	return HASHES;
}

bool caps_fits(const struct caps_claim *c, struct str string)
{
	uint8_t value[DIGEST_MAX];

	hashes[c->hash].of(string, value);
	return memcmp(value, c->value, hashes[c->hash].len) == 0;
}

/* ---- what a presence shows ---- */

/* Takes a hash, if it has the form of one. */
static bool take(struct caps_claim *c, enum caps_kind kind, size_t hash, struct str base64,
	struct arena *a)
{
	struct str value;

	if (base64.n > BASE64_LEN(DIGEST_MAX) || !base64_decode(a, base64, &value) ||
		value.n != hashes[hash].len)
		return false;
	c->kind = kind;
	c->hash = (uint8_t)hash;
	memcpy(c->value, value.p, value.n);
	return true;
}

static void take_unchecked(struct caps_claim *c, const struct xml_doc *d, const struct xml_node *el)
{
	c->kind = CAPS_UNCHECKED;
	sha_256(xml_raw(d, el), c->value);
}

static void read_1(const struct xml_doc *d, const struct xml_node *el, struct arena *a,
	struct caps_claim *c, struct str *node)
{
	struct str hash = xml_attr_str(d, el, TAG_HASH, a);
	struct str name = xml_attr_str(d, el, TAG_NODE, a);
	struct str ver = xml_attr_str(d, el, TAG_VER, a);

	if (!hash.p || !name.n || !ver.n || name.n + 1 + ver.n > CAPS_NODE_MAX)
		return;
	*node = str_printf(a, "%.*s#%.*s", STR_FMT(name), STR_FMT(ver));
	size_t i = hash_by_name(hash, false);
	if (i == HASHES || !take(c, CAPS_1, i, ver, a))
		take_unchecked(c, d, el);
}

/* XEP-0390 section 4.3 */
static struct str hash_node(size_t hash, struct str value, struct arena *a)
{
	return str_printf(a, "urn:xmpp:caps#%.*s.%.*s", STR_FMT(hashes[hash].name),
		STR_FMT(value));
}

static void read_2(const struct xml_doc *d, const struct xml_node *el, struct arena *a,
	struct caps_claim *c, struct str *node)
{
	const struct xml_node *h = xml_child(d, el, NS_HASHES, TAG_HASH);
	size_t best = HASHES;

	for (; h; h = xml_next_same(d, h)) {
		size_t i = hash_by_name(xml_attr_str(d, h, TAG_ALGO, a), true);
		struct str value = str_trim(xml_text(d, h, a));
		if (i >= best || !take(c, CAPS_2, i, value, a))
			continue;
		best = i;
		*node = hash_node(i, value, a);
	}
	if (best == HASHES)
		take_unchecked(c, d, el);
}

void caps_read(const struct xml_doc *d, const struct xml_node *presence, struct arena *a,
	struct caps_claim *claim, struct str *node)
{
	const struct xml_node *el;

	*claim = (struct caps_claim){ .kind = CAPS_UNSAID };
	*node = STR_NULL;
	if ((el = xml_child(d, presence, NS_CAPS_2, TAG_C)))
		read_2(d, el, a, claim, node);
	else if ((el = xml_child(d, presence, NS_CAPS, TAG_C)))
		read_1(d, el, a, claim, node);
}

bool caps_are_shown(const struct xml_doc *d, const struct xml_node *presence)
{
	return xml_child(d, presence, NS_CAPS, TAG_C) || xml_child(d, presence, NS_CAPS_2, TAG_C);
}

/* ---- strings ---- */

/* What stands behind the parts of each kind of string. XEP-0115 puts '<' everywhere but within an
 * identity, where it is '/'. Until all is in order it is NUL, which comes before each other byte:
 * so that parts compare one after the other. */
struct marks {
	struct str unit, record, group;
};

static const struct marks marks_1 = { STR_INIT("\0"), { NULL, 0 }, { NULL, 0 } };
static const struct marks marks_2 = { STR_INIT("\x1f"), STR_INIT("\x1e"), STR_INIT("\x1d") };

#define FILE_MARK '\x1c'

/* An answer that is read, where it is read to, and how. */
struct answer {
	const struct xml_doc *d;
	const struct xml_node *query;
	struct str lang;
	struct arena *a;
	const struct marks *marks;
};

/* Strings that come in order. */
struct row {
	struct str *p;
	size_t n;
};

static struct str glue(struct arena *a, const struct str *parts, size_t n)
{
	size_t size = 0;

	for (size_t i = 0; i < n; i++)
		size += parts[i].n;
	char *text = arena_alloc(a, size);
	char *at = text;
	for (size_t i = 0; i < n; at += parts[i++].n)
		if (parts[i].n)
			memcpy(at, parts[i].p, parts[i].n);
	return str_from(text, size);
}

#define GLUE(a, ...)                                                           \
	glue(a, (const struct str[]){ __VA_ARGS__ },                           \
		sizeof((const struct str[]){ __VA_ARGS__ }) / sizeof(struct str))

static struct row row_new(struct arena *a, size_t max)
{
	return (struct row){ .p = arena_alloc(a, max * sizeof(struct str)) };
}

/* i;octet (RFC 4790 section 9.3) */
static int by_octets(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void row_sort(struct row *r)
{
	if (r->n)
		qsort(r->p, r->n, sizeof *r->p, by_octets);
}

static bool row_has_twins(const struct row *r)
{
	for (size_t i = 1; i < r->n; i++)
		if (str_eq(r->p[i - 1], r->p[i]))
			return true;
	return false;
}

static struct str attr(const struct answer *x, const struct xml_node *el, enum xml_tag name)
{
	struct str value = xml_attr_str(x->d, el, name, x->a);

	return value.p ? value : STR("");
}

static struct row features(const struct answer *x)
{
	struct row r = row_new(x->a, xml_count(x->d, x->query));
	const struct xml_node *el = xml_child(x->d, x->query, NS_DISCO_INFO, TAG_FEATURE);

	for (; el; el = xml_next_same(x->d, el))
		r.p[r.n++] = GLUE(x->a, attr(x, el, TAG_VAR), x->marks->unit);
	row_sort(&r);
	return r;
}

static struct row identities(const struct answer *x)
{
	const struct str unit = x->marks->unit, record = x->marks->record;
	struct row r = row_new(x->a, xml_count(x->d, x->query));
	const struct xml_node *el = xml_child(x->d, x->query, NS_DISCO_INFO, TAG_IDENTITY);

	for (; el; el = xml_next_same(x->d, el)) {
		struct str lang = xml_lang(x->d, el, x->a);
		if (!lang.p)
			lang = x->lang;
		r.p[r.n++] = GLUE(x->a, attr(x, el, TAG_CATEGORY), unit, attr(x, el, TAG_TYPE),
			unit, lang, unit, attr(x, el, TAG_NAME), unit, record);
	}
	row_sort(&r);
	return r;
}

/* ---- forms (XEP-0128) ---- */

static struct str values(const struct answer *x, const struct xml_node *field)
{
	struct row r = row_new(x->a, xml_count(x->d, field));
	const struct xml_node *el = xml_child(x->d, field, NS_DATA, TAG_VALUE);

	for (; el; el = xml_next_same(x->d, el))
		r.p[r.n++] = GLUE(x->a, xml_text(x->d, el, x->a), x->marks->unit);
	row_sort(&r);
	return glue(x->a, r.p, r.n);
}

static bool is_form_type(const struct answer *x, const struct xml_node *field)
{
	return str_eq(attr(x, field, TAG_VAR), FORM_TYPE);
}

static struct str fields(const struct answer *x, const struct xml_node *form, bool with_form_type)
{
	struct row r = row_new(x->a, xml_count(x->d, form));
	const struct xml_node *el = xml_child(x->d, form, NS_DATA, TAG_FIELD);

	for (; el; el = xml_next_same(x->d, el))
		if (with_form_type || !is_form_type(x, el))
			r.p[r.n++] = GLUE(x->a, attr(x, el, TAG_VAR), x->marks->unit, values(x, el),
				x->marks->record);
	row_sort(&r);
	return glue(x->a, r.p, r.n);
}

/* The first value of a form's FORM_TYPE. */
struct form_type {
	struct str value; /* the null slice: there is none */
	bool is_hidden;
	bool has_more;    /* values */
	bool has_other;   /* ones, that differ */
};

static struct form_type form_type(const struct answer *x, const struct xml_node *form)
{
	const struct xml_node *el = xml_child(x->d, form, NS_DATA, TAG_FIELD);
	struct form_type t = { 0 };

	while (el && !is_form_type(x, el))
		el = xml_next_same(x->d, el);
	const struct xml_node *v = el ? xml_child(x->d, el, NS_DATA, TAG_VALUE) : NULL;
	if (!v)
		return t;
	t.value = xml_text(x->d, v, x->a);
	t.is_hidden = str_eq(attr(x, el, TAG_TYPE), STR("hidden"));
	while ((v = xml_next_same(x->d, v))) {
		t.has_more = true;
		t.has_other |= !str_eq(xml_text(x->d, v, x->a), t.value);
	}
	return t;
}

/* XEP-0115 section 5.4, rules 3.5 and 3.6. False: ill-formed. */
static bool forms_1(const struct answer *x, struct row *out)
{
	const struct xml_node *el = xml_child(x->d, x->query, NS_DATA, TAG_X);
	struct row types = row_new(x->a, xml_count(x->d, x->query));

	*out = row_new(x->a, xml_count(x->d, x->query));
	for (; el; el = xml_next_same(x->d, el)) {
		struct form_type t = form_type(x, el);
		if (t.has_other)
			return false;
		if (t.value.p)
			types.p[types.n++] = t.value;
		if (t.is_hidden)
			out->p[out->n++] = GLUE(x->a, t.value, x->marks->unit,
				fields(x, el, false));
	}
	row_sort(&types);
	row_sort(out);
	return !row_has_twins(&types);
}

/* XEP-0390 section 4.1, steps 2, 3 and 6. False: ill-formed. */
static bool forms_2(const struct answer *x, struct row *out)
{
	const struct xml_node *el = xml_child(x->d, x->query, NS_DATA, TAG_X);

	*out = row_new(x->a, xml_count(x->d, x->query));
	for (; el; el = xml_next_same(x->d, el)) {
		struct form_type t = form_type(x, el);
		if (!t.is_hidden || t.has_more || xml_child(x->d, el, NS_DATA, TAG_REPORTED) ||
			xml_child(x->d, el, NS_DATA, TAG_ITEM))
			return false;
		out->p[out->n++] = GLUE(x->a, fields(x, el, true), x->marks->group);
	}
	row_sort(out);
	return true;
}

/* ---- XEP-0115 section 5.1 ---- */

/* `within`: between the parts of one; behind it comes '<'. A '<' of its own stays "&lt;". */
static void add_1(struct buf *b, const struct row *r, char within)
{
	for (size_t i = 0; i < r->n; i++) {
		struct str parts = r->p[i];
		for (size_t k = 0; k < parts.n; k++) {
			if (parts.p[k] == '<')
				buf_lit(b, "&lt;");
			else if (parts.p[k])
				buf_byte(b, parts.p[k]);
			else
				buf_byte(b, k + 1 == parts.n ? '<' : within);
		}
	}
}

static bool string_1(const struct answer *x, struct buf *out)
{
	struct row who = identities(x), what = features(x), forms;

	if (row_has_twins(&who) || row_has_twins(&what) || !forms_1(x, &forms))
		return false;
	add_1(out, &who, '/');
	add_1(out, &what, '<');
	add_1(out, &forms, '<');
	return buf_ok(out);
}

/* ---- XEP-0390 section 4.1 ---- */

/* Step 1 */
static bool counts(const struct xml_node *el)
{
	return xml_is(el, NS_DISCO_INFO, TAG_FEATURE) || xml_is(el, NS_DISCO_INFO, TAG_IDENTITY) ||
	       xml_is(el, NS_DATA, TAG_X);
}

static bool has_else(const struct answer *x)
{
	const struct xml_node *el = xml_first(x->d, x->query);

	while (el && counts(el))
		el = xml_next(x->d, el);
	return el;
}

static void add_2(struct buf *b, const struct row *r)
{
	for (size_t i = 0; i < r->n; i++)
		buf_add(b, r->p[i]);
	buf_byte(b, FILE_MARK);
}

static bool string_2(const struct answer *x, struct buf *out)
{
	struct row who = identities(x), what = features(x), forms;

	if (has_else(x) || !forms_2(x, &forms))
		return false;
	add_2(out, &what);
	add_2(out, &who);
	add_2(out, &forms);
	return buf_ok(out);
}

bool caps_string(enum caps_kind kind, const struct xml_doc *d, const struct xml_node *query,
	struct str lang, struct arena *a, struct buf *out)
{
	/* What everybody hashes for XEP-0115 is the attribute of the identity alone. */
	const struct answer x1 = { d, query, STR(""), a, &marks_1 };

	if (kind == CAPS_1)
		return string_1(&x1, out);
	struct str own = xml_lang(d, query, a);
	const struct answer x2 = { d, query, own.p ? own : lang, a, &marks_2 };
	return string_2(&x2, out);
}

/* ---- nodes ---- */

struct str caps_features(const struct xml_doc *d, const struct xml_node *query, struct arena *a)
{
	const struct answer x = { d, query, STR(""), a, &marks_2 };
	struct row r = features(&x);

	return glue(a, r.p, r.n);
}

/* Takes a part off. False: no more; in a string of CAPS_2, of the features. */
static bool next_part(enum caps_kind kind, struct str *rest, struct str *part)
{
	ptrdiff_t n = str_find(*rest, kind == CAPS_1 ? '<' : marks_2.unit.p[0]);

	if (n < 0 || rest->p[0] == FILE_MARK)
		return false;
	*part = str_head(*rest, (size_t)n);
	*rest = str_skip(*rest, (size_t)n + 1);
	return true;
}

bool caps_next_node(enum caps_kind kind, struct str *rest, struct str *node)
{
	struct str part;

	while (next_part(kind, rest, &part)) {
		if (part.n <= NOTIFY.n)
			continue;
		*node = str_head(part, part.n - NOTIFY.n);
		if (str_eq(str_skip(part, node->n), NOTIFY))
			return true;
	}
	return false;
}
