#include "xmpp/jid.h"

#include "base/bug.h"
#include "xmpp/prep.h"

#define LABEL_MAX  63 /* RFC 1035 section 2.3.4 */
#define DOMAIN_MAX 253

/* Where a byte may stand in a canonical part, and where it may once it is in lower case. All
 * that is not printable ASCII has to ask Unicode. */
enum { LOCAL = 1, LOCAL_ANY_CASE = 2, DOMAIN = 4, DOMAIN_ANY_CASE = 8, RESOURCE = 16 };

#define P (LOCAL | LOCAL_ANY_CASE | RESOURCE)           /* punctuation */
#define R RESOURCE                                      /* excluded by RFC 7622 section 3.3.1 */
#define L (P | DOMAIN | DOMAIN_ANY_CASE)                /* lower case, digits, hyphen */
#define U (LOCAL_ANY_CASE | DOMAIN_ANY_CASE | RESOURCE) /* upper case */

static const uint8_t may_stand[256] = {
	/*         0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f */
	/* 20 */ [0x20] =
	           R, P, R, P, P, P, R, R, P, P, P, P, P, L, P, R,
	/* 30 */   L, L, L, L, L, L, L, L, L, L, R, P, R, P, R, P,
	/* 40 */   R, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
	/* 50 */   U, U, U, U, U, U, U, U, U, U, U, P, P, P, P, P,
	/* 60 */   P, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
	/* 70 */   L, L, L, L, L, L, L, L, L, L, L, P, P, P, P, 0,
};

#undef P
#undef R
#undef L
#undef U

enum form {
	CANONICAL,
	NEEDS_LOWER, /* ASCII, canonical but for upper case */
	NEEDS_PREP   /* or is nothing at all */
};

static unsigned common(struct str s)
{
	unsigned all = 0xff;

	for (size_t i = 0; i < s.n; i++)
		all &= may_stand[(unsigned char)s.p[i]];
	return all;
}

static enum form form_of(unsigned all, unsigned canonical, unsigned any_case)
{
	return all & canonical ? CANONICAL : all & any_case ? NEEDS_LOWER : NEEDS_PREP;
}

static enum form local_form(struct str s)
{
	if (s.n > JID_PART_MAX)
		return NEEDS_PREP;
	return form_of(common(s), LOCAL, LOCAL_ANY_CASE);
}

static enum form resource_form(struct str s)
{
	if (s.n > JID_PART_MAX)
		return NEEDS_PREP;
	return form_of(common(s), RESOURCE, RESOURCE);
}

/* Whether a label has the length and the hyphens of an LDH label and is no A-label. */
static bool is_shaped_label(const char *p, size_t n)
{
	if (n == 0 || n > LABEL_MAX || p[0] == '-' || p[n - 1] == '-')
		return false;
	return n < 4 || p[2] != '-' || p[3] != '-';
}

static enum form domain_form(struct str s)
{
	unsigned all = 0xff;
	size_t start = 0;

	if (s.n > DOMAIN_MAX)
		return NEEDS_PREP;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '.') {
			all &= may_stand[(unsigned char)s.p[i]];
			continue;
		}
		if (!is_shaped_label(s.p + start, i - start))
			return NEEDS_PREP;
		start = i + 1;
	}
	if (!is_shaped_label(s.p + start, s.n - start))
		return NEEDS_PREP;
	return form_of(all, DOMAIN, DOMAIN_ANY_CASE);
}

static struct str lowered(struct str s, struct arena *a)
{
	char *p = arena_alloc(a, s.n);

	for (size_t i = 0; i < s.n; i++)
		p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + ('a' - 'A') : s.p[i];
	return str_from(p, s.n);
}

/* RFC 7622 section 3.3.1, once more after mapping: fullwidth forms become these. */
static bool has_excluded(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x80 && !(may_stand[(unsigned char)s.p[i]] & LOCAL))
			return true;
	return false;
}

bool jid_prep_local(struct str s, struct arena *a, struct str *out)
{
	enum form form = local_form(s);

	if (!s.n)
		return false;
	if (form == NEEDS_PREP)
		return prep_username(s, a, out) && out->n <= JID_PART_MAX && !has_excluded(*out);
	*out = form == CANONICAL ? s : lowered(s, a);
	return true;
}

bool jid_prep_domain(struct str s, struct arena *a, struct str *out)
{
	enum form form = domain_form(s);

	if (form == NEEDS_PREP)
		return prep_domain(s, a, out) && out->n <= JID_PART_MAX;
	*out = form == CANONICAL ? s : lowered(s, a);
	return true;
}

bool jid_prep_resource(struct str s, struct arena *a, struct str *out)
{
	if (!s.n)
		return false;
	if (resource_form(s) == NEEDS_PREP)
		return prep_opaque(s, a, out) && out->n <= JID_PART_MAX;
	*out = s;
	return true;
}

bool jid_prep_password(struct str s, struct arena *a, struct str *out)
{
	return jid_prep_resource(s, a, out); /* the same profile and the same bounds */
}

/* The parts as they came; n is 0 for one that is not there. */
struct parts {
	struct str local, domain, resource;
};

/* At the first slash, then before it at the first at sign: RFC 7622 section 3.2. False for an
 * empty part. */
static bool split(struct str s, struct parts *out)
{
	ptrdiff_t at, slash = str_find(s, '/');

	out->local = out->resource = STR_NULL;
	if (slash >= 0) {
		out->resource = str_skip(s, (size_t)slash + 1);
		s = str_head(s, (size_t)slash);
		if (!out->resource.n)
			return false;
	}
	at = str_find(s, '@');
	if (at >= 0) {
		out->local = str_head(s, (size_t)at);
		s = str_skip(s, (size_t)at + 1);
		if (!out->local.n)
			return false;
	}
	out->domain = s;
	return s.n != 0;
}

static bool is_canonical(const struct parts *p)
{
	return local_form(p->local) == CANONICAL && domain_form(p->domain) == CANONICAL &&
		resource_form(p->resource) == CANONICAL;
}

bool jid_parse(struct str s, struct arena *a, struct jid *out)
{
	struct parts p;

	if (!split(s, &p))
		return false;
	if (is_canonical(&p)) {
		*out = (struct jid){ s.p, (uint16_t)p.local.n, (uint16_t)p.domain.n,
			(uint16_t)p.resource.n };
		return true;
	}
	if ((p.local.n && !jid_prep_local(p.local, a, &p.local)) ||
		!jid_prep_domain(p.domain, a, &p.domain) ||
		(p.resource.n && !jid_prep_resource(p.resource, a, &p.resource)))
		return false;
	*out = jid_make(a, p.local, p.domain, p.resource);
	return true;
}

struct jid jid_make(struct arena *a, struct str local, struct str domain, struct str resource)
{
	BUG_ON(!domain.n || domain.n > JID_PART_MAX || local.n > JID_PART_MAX ||
		resource.n > JID_PART_MAX);
	char *p = arena_alloc(a, local.n + 1 + domain.n + 1 + resource.n), *to = p;

	if (local.n) {
		to = (char *)mempcpy(to, local.p, local.n);
		*to++ = '@';
	}
	to = mempcpy(to, domain.p, domain.n);
	if (resource.n) {
		*to++ = '/';
		memcpy(to, resource.p, resource.n);
	}
	return (struct jid){ p, (uint16_t)local.n, (uint16_t)domain.n, (uint16_t)resource.n };
}

struct jid jid_dup(struct arena *a, struct jid j)
{
	if (jid_is_set(j))
		j.p = str_dup(a, jid_str(j)).p;
	return j;
}

struct jid jid_copy(struct jid j)
{
	struct str text = jid_str(j);

	if (jid_is_set(j))
		j.p = memcpy(xmalloc(text.n), text.p, text.n);
	return j;
}
