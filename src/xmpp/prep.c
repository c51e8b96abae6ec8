#include "xmpp/prep.h"

#include "base/bug.h"
#include "base/utf8.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

#include <stdlib.h>

#define LABEL_MAX  63  /* RFC 1035 section 2.3.4, in ASCII form */
#define DOMAIN_MAX 253 /* 255 bytes on the wire */

/* A string as code points. */
struct points {
	uint32_t *cp;
	size_t n;
};

static bool in_range(uint32_t cp, uint32_t first, uint32_t last)
{
	return cp >= first && cp <= last;
}

/* --- The derived property: RFC 8264 sections 8 and 9 ------------------------------------ */

/* Exceptions (F) of RFC 5892 section 2.6. */
static const struct exception {
	uint32_t first, last;
	enum prep_property is;
} exceptions[] = {
	{ 0x00b7, 0x00b7, PREP_CONTEXTO },
	{ 0x00df, 0x00df, PREP_PVALID },
	{ 0x0375, 0x0375, PREP_CONTEXTO },
	{ 0x03c2, 0x03c2, PREP_PVALID },
	{ 0x05f3, 0x05f4, PREP_CONTEXTO },
	{ 0x0640, 0x0640, PREP_DISALLOWED },
	{ 0x0660, 0x0669, PREP_CONTEXTO },
	{ 0x06f0, 0x06f9, PREP_CONTEXTO },
	{ 0x06fd, 0x06fe, PREP_PVALID },
	{ 0x07fa, 0x07fa, PREP_DISALLOWED },
	{ 0x0f0b, 0x0f0b, PREP_PVALID },
	{ 0x3007, 0x3007, PREP_PVALID },
	{ 0x302e, 0x302f, PREP_DISALLOWED },
	{ 0x3031, 0x3035, PREP_DISALLOWED },
	{ 0x303b, 0x303b, PREP_DISALLOWED },
	{ 0x30fb, 0x30fb, PREP_CONTEXTO },
};

static const struct exception *find_exception(uint32_t cp)
{
	for (size_t i = 0; i < sizeof exceptions / sizeof exceptions[0]; i++)
		if (in_range(cp, exceptions[i].first, exceptions[i].last))
			return &exceptions[i];
	return NULL;
}

/* OldHangulJamo (I): Hangul_Syllable_Type L, V or T. The ranges are closed; libunistring has
 * the type only inside Grapheme_Cluster_Break, which newer versions of Unicode share with
 * other scripts. */
static bool is_old_hangul_jamo(uint32_t cp)
{
	return in_range(cp, 0x1100, 0x11ff) || in_range(cp, 0xa960, 0xa97c) ||
		in_range(cp, 0xd7b0, 0xd7c6) || in_range(cp, 0xd7cb, 0xd7fb);
}

/* HasCompat (Q): toNFKC(cp) != cp */
static bool has_compat(uint32_t cp)
{
	uint32_t parts[UC_DECOMPOSITION_MAX_LENGTH], whole[UC_DECOMPOSITION_MAX_LENGTH];
	size_t n = sizeof whole / sizeof whole[0];
	int tag;

	if (uc_decomposition(cp, &tag, parts) < 0)
		return false;
	uint32_t *got = u32_normalize(UNINORM_NFKC, &cp, 1, whole, &n);
	BUG_ON(got != whole);
	return n != 1 || got[0] != cp;
}

static bool in_category(uint32_t cp, uint32_t categories)
{
	return uc_is_general_category_withtable(cp, categories);
}

enum prep_property prep_property(uint32_t cp)
{
	static const uint32_t letter_digits = UC_CATEGORY_MASK_Ll | UC_CATEGORY_MASK_Lu |
		UC_CATEGORY_MASK_Lo | UC_CATEGORY_MASK_Nd | UC_CATEGORY_MASK_Lm |
		UC_CATEGORY_MASK_Mn | UC_CATEGORY_MASK_Mc;
	static const uint32_t other_letter_digits = UC_CATEGORY_MASK_Lt | UC_CATEGORY_MASK_Nl |
		UC_CATEGORY_MASK_No | UC_CATEGORY_MASK_Me;
	const struct exception *e = find_exception(cp);

	if (e)
		return e->is;
	/* BackwardCompatible (G) is empty. */
	if (in_category(cp, UC_CATEGORY_MASK_Cn) && !uc_is_property_not_a_character(cp))
		return PREP_UNASSIGNED;
	if (in_range(cp, 0x21, 0x7e))
		return PREP_PVALID;
	if (uc_is_property_join_control(cp))
		return PREP_CONTEXTJ;
	if (is_old_hangul_jamo(cp) || uc_is_property_default_ignorable_code_point(cp) ||
		uc_is_property_not_a_character(cp) || in_category(cp, UC_CATEGORY_MASK_Cc))
		return PREP_DISALLOWED;
	if (has_compat(cp))
		return PREP_FREE_PVAL;
	if (in_category(cp, letter_digits))
		return PREP_PVALID;
	if (in_category(cp, other_letter_digits | UC_CATEGORY_MASK_Zs | UC_CATEGORY_MASK_S |
			UC_CATEGORY_MASK_P))
		return PREP_FREE_PVAL;
	return PREP_DISALLOWED;
}

/* Every code point may stand in the class, as far as it does not depend on the context. */
static bool are_allowed(struct points s, bool freeform)
{
	for (size_t i = 0; i < s.n; i++) {
		enum prep_property is = prep_property(s.cp[i]);
		if (is == PREP_DISALLOWED || is == PREP_UNASSIGNED ||
			(is == PREP_FREE_PVAL && !freeform))
			return false;
	}
	return true;
}

/* --- Contextual rules: RFC 5892 appendix A ---------------------------------------------- */

static bool is_script(uint32_t cp, const char *name)
{
	return uc_is_script(cp, uc_script_byname(name));
}

static bool any_between(struct points s, uint32_t first, uint32_t last)
{
	for (size_t i = 0; i < s.n; i++)
		if (in_range(s.cp[i], first, last))
			return true;
	return false;
}

static bool any_kana_or_han(struct points s)
{
	for (size_t i = 0; i < s.n; i++)
		if (is_script(s.cp[i], "Hiragana") || is_script(s.cp[i], "Katakana") ||
			is_script(s.cp[i], "Han"))
			return true;
	return false;
}

static bool follows_virama(struct points s, size_t i)
{
	return i > 0 && uc_combining_class(s.cp[i - 1]) == UC_CCC_VR;
}

/* The regular expression of A.1: (L|D) T* ZWNJ T* (R|D), by joining types. */
static bool breaks_a_joining(struct points s, size_t i)
{
	size_t l = i, r = i + 1;

	while (l > 0 && uc_joining_type(s.cp[l - 1]) == UC_JOINING_TYPE_T)
		l--;
	while (r < s.n && uc_joining_type(s.cp[r]) == UC_JOINING_TYPE_T)
		r++;
	if (l == 0 || r == s.n)
		return false;
	int before = uc_joining_type(s.cp[l - 1]), after = uc_joining_type(s.cp[r]);
	return (before == UC_JOINING_TYPE_L || before == UC_JOINING_TYPE_D) &&
		(after == UC_JOINING_TYPE_R || after == UC_JOINING_TYPE_D);
}

static bool context_holds(struct points s, size_t i)
{
	uint32_t cp = s.cp[i];

	switch (cp) {
	case 0x200c: /* A.1 zero width non-joiner */
		return follows_virama(s, i) || breaks_a_joining(s, i);
	case 0x200d: /* A.2 zero width joiner */
		return follows_virama(s, i);
	case 0x00b7: /* A.3 middle dot: l·l */
		return i > 0 && i + 1 < s.n && s.cp[i - 1] == 'l' && s.cp[i + 1] == 'l';
	case 0x0375: /* A.4 keraia */
		return i + 1 < s.n && is_script(s.cp[i + 1], "Greek");
	case 0x05f3: /* A.5 geresh */
	case 0x05f4: /* A.6 gershayim */
		return i > 0 && is_script(s.cp[i - 1], "Hebrew");
	case 0x30fb: /* A.7 katakana middle dot */
		return any_kana_or_han(s);
	}
	if (in_range(cp, 0x0660, 0x0669)) /* A.8: not with the digits of A.9 */
		return !any_between(s, 0x06f0, 0x06f9);
	if (in_range(cp, 0x06f0, 0x06f9)) /* A.9 */
		return !any_between(s, 0x0660, 0x0669);
	return true;
}

static bool contexts_hold(struct points s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!context_holds(s, i))
			return false;
	return true;
}

bool prep_contexts_hold(const uint32_t *cp, size_t n)
{
	return contexts_hold((struct points){ (uint32_t *)cp, n });
}

/* --- The Bidi Rule: RFC 5893 section 2 -------------------------------------------------- */

#define BIDI(name) (1u << UC_BIDI_##name)

static unsigned bidi_of(uint32_t cp)
{
	return 1u << uc_bidi_category((ucs4_t)cp);
}

bool prep_bidi_holds(const uint32_t *cp, size_t n)
{
	const unsigned neutral = BIDI(ES) | BIDI(CS) | BIDI(ET) | BIDI(ON) | BIDI(BN) | BIDI(NSM);
	unsigned all = 0, last = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned is = bidi_of(cp[i]);
		all |= is;
		if (is != BIDI(NSM))
			last = is;
	}
	if (!(all & (BIDI(R) | BIDI(AL) | BIDI(AN))))
		return true;
	/* A label that begins left-to-right may hold no right-to-left code point (5), and one
	 * that begins with neither is refused (1). */
	if (!(bidi_of(cp[0]) & (BIDI(R) | BIDI(AL))))
		return false;
	if (all & ~(BIDI(R) | BIDI(AL) | BIDI(AN) | BIDI(EN) | neutral)) /* 2 */
		return false;
	if (!(last & (BIDI(R) | BIDI(AL) | BIDI(EN) | BIDI(AN)))) /* 3 */
		return false;
	return !((all & BIDI(EN)) && (all & BIDI(AN))); /* 4 */
}

/* --- Steps of the profiles --------------------------------------------------------------- */

static bool decode(struct str s, struct arena *a, struct points *out)
{
	unsigned len;

	if (s.n == 0 || s.n > PREP_INPUT_MAX)
		return false;
	*out = (struct points){ arena_alloc(a, s.n * sizeof(uint32_t)), 0 };
	for (; s.n; s = str_skip(s, len)) {
		int32_t cp = utf8_next(s, &len);
		if (cp < 0)
			return false;
		out->cp[out->n++] = (uint32_t)cp;
	}
	return true;
}

static struct str encode(struct points s, struct arena *a)
{
	char *p = arena_alloc(a, s.n * 4);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += utf8_put(p + n, s.cp[i]);
	return str_from(p, n);
}

/* Fullwidth and halfwidth code points to their decompositions. Each is one code point. */
static void map_width(struct points s)
{
	uint32_t to[UC_DECOMPOSITION_MAX_LENGTH];
	int tag;

	for (size_t i = 0; i < s.n; i++)
		if (uc_decomposition(s.cp[i], &tag, to) == 1 &&
			(tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW))
			s.cp[i] = to[0];
}

/* toLowerCase() without what depends on language or place: a sigma at the end of a word stays
 * an ordinary one, as RFC 7622 section 3.5 has it. Only U+0130 becomes two code points. keep:
 * code points to leave alone, or NULL. */
static struct points map_case(struct points s, bool (*keep)(uint32_t cp), struct arena *a)
{
	struct points out = { arena_alloc(a, 2 * s.n * sizeof(uint32_t)), 0 };

	for (size_t i = 0; i < s.n; i++) {
		out.cp[out.n++] = keep && keep(s.cp[i]) ? s.cp[i] : uc_tolower(s.cp[i]);
		if (s.cp[i] == 0x0130)
			out.cp[out.n++] = 0x0307;
	}
	return out;
}

static void map_spaces(struct points s)
{
	for (size_t i = 0; i < s.n; i++)
		if (in_category(s.cp[i], UC_CATEGORY_MASK_Zs))
			s.cp[i] = ' ';
}

static struct points normalize(struct points s, struct arena *a)
{
	size_t n;
	uint32_t *got = u32_normalize(UNINORM_NFC, s.cp, s.n, NULL, &n);

	BUG_ON(!got);
	struct points out = { arena_alloc(a, n * sizeof *got), n };
	memcpy(out.cp, got, n * sizeof *got);
	free(got);
	return out;
}

/* --- The profiles ------------------------------------------------------------------------ */

/* One application of the rules, in the order of RFC 8264 section 7. Code points must belong
 * to the class before they are mapped already (the preparation of RFC 8265 sections 3.3.2 and
 * 4.2.1), in their contexts only afterwards: upper case has none. */
static bool username_once(struct points *s, struct arena *a)
{
	map_width(*s);
	if (!are_allowed(*s, false))
		return false;
	*s = normalize(map_case(*s, NULL, a), a);
	return prep_bidi_holds(s->cp, s->n) && are_allowed(*s, false) && contexts_hold(*s);
}

static bool opaque_once(struct points *s, struct arena *a)
{
	if (!are_allowed(*s, true))
		return false;
	map_spaces(*s);
	*s = normalize(*s, a);
	return are_allowed(*s, true) && contexts_hold(*s);
}

/* Applies the rules until they change nothing, three more times at most (RFC 8264 section 7). */
static bool until_stable(bool (*once)(struct points *, struct arena *), struct str s,
	struct arena *a, struct str *out)
{
	for (int i = 0; i < 4; i++) {
		struct points points;
		if (!decode(s, a, &points) || !once(&points, a))
			return false;
		*out = encode(points, a);
		if (str_eq(*out, s))
			return true;
		s = *out;
	}
	return false;
}

bool prep_username(struct str s, struct arena *a, struct str *out)
{
	return until_stable(username_once, s, a, out);
}

bool prep_opaque(struct str s, struct arena *a, struct str *out)
{
	return until_stable(opaque_once, s, a, out);
}

/* --- Domains ----------------------------------------------------------------------------- */

/* "[...]" around an IPv6 address, written as RFC 5952 has it. The zone of RFC 6874 and future
 * versions of IP are not for addresses that travel, and are refused. */
static bool prep_ipv6(struct str s, struct arena *a, struct str *out)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr ip;

	if (s.n < 2 || s.p[s.n - 1] != ']' || s.n - 2 >= sizeof text)
		return false;
	memcpy(text, s.p + 1, s.n - 2);
	text[s.n - 2] = '\0';
	if (strlen(text) != s.n - 2 || inet_pton(AF_INET6, text, &ip) != 1)
		return false;
	inet_ntop(AF_INET6, &ip, text, sizeof text);
	*out = str_printf(a, "[%s]", text);
	return true;
}

static bool is_ldh(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static bool is_ldh_label(struct str label)
{
	for (size_t i = 0; i < label.n; i++)
		if (!is_ldh(label.p[i]))
			return false;
	return label.n <= LABEL_MAX && label.p[0] != '-' && label.p[label.n - 1] != '-';
}

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* Holds the label to the rules for registration (RFC 5891 section 4: disallowed and unassigned
 * code points, hyphens, contexts, Bidi); an A-label must be the very one that its U-label
 * gives. *n_ascii is its length in the DNS. */
static bool is_u_label(struct str label, const char *a_label, struct arena *a, size_t *n_ascii)
{
	const char *u_label = str_dup(a, label).p;
	uint8_t *got = NULL;
	int rc = idn2_register_u8((const uint8_t *)u_label, (const uint8_t *)a_label, &got, 0);

	if (rc == IDN2_OK)
		*n_ascii = strlen((char *)got);
	idn2_free(got);
	return rc == IDN2_OK && *n_ascii <= LABEL_MAX;
}

static bool a_label_to_u_label(struct str label, struct arena *a, struct str *out)
{
	const char *a_label = str_dup(a, label).p;
	char *got = NULL;
	size_t n_ascii;
	bool ok = idn2_to_unicode_8z8z(a_label, &got, IDN2_NO_TR46) == IDN2_OK;

	if (ok)
		*out = str_dup(a, str_c(got));
	idn2_free(got);
	return ok && !is_ascii(*out) && is_u_label(*out, a_label, a, &n_ascii);
}

/* One label, mapped already. Adds its length in the DNS to *n_ascii. */
static bool prep_label(struct str label, struct arena *a, struct str *out, size_t *n_ascii)
{
	size_t n = label.n;

	if (!n)
		return false;
	*out = label;
	if (is_ascii(label)) {
		*n_ascii += n;
		if (!is_ldh_label(label))
			return false;
		return !str_starts(label, STR("xn--")) || a_label_to_u_label(label, a, out);
	}
	/* A NUL would end the label too early for libidn2. */
	if (str_find(label, '\0') >= 0 || !is_u_label(label, NULL, a, &n))
		return false;
	*n_ascii += n;
	return true;
}

/* Cherokee got its lower case later, and case folding, on which IDNA2008 stands, goes to upper
 * case there: U-labels are in upper case. */
static bool is_upper_cherokee(uint32_t cp)
{
	return in_range(cp, 0x13a0, 0x13f5);
}

/* Lower case, width, normalisation, then the ideographic full stop for a dot (RFC 5895
 * section 2). */
static bool map_domain(struct str s, struct arena *a, struct str *out)
{
	struct points points;

	if (!decode(s, a, &points))
		return false;
	points = map_case(points, is_upper_cherokee, a);
	map_width(points);
	points = normalize(points, a);
	for (size_t i = 0; i < points.n; i++)
		if (points.cp[i] == 0x3002)
			points.cp[i] = '.';
	*out = encode(points, a);
	return true;
}

bool prep_domain(struct str s, struct arena *a, struct str *out)
{
	char text[DOMAIN_MAX * 4]; /* no label is longer than four times its ASCII form */
	size_t n = 0, n_ascii = 0;
	struct str left, label;

	if (s.n && s.p[0] == '[')
		return prep_ipv6(s, a, out);
	if (!map_domain(s, a, &left))
		return false;
	if (left.p[left.n - 1] == '.') /* RFC 7622 section 3.2 */
		left.n--;
	for (;;) {
		ptrdiff_t dot = str_find(left, '.');
		label = dot < 0 ? left : str_head(left, (size_t)dot);
		if (!prep_label(label, a, &label, &n_ascii) || n_ascii > DOMAIN_MAX)
			return false;
		BUG_ON(label.n > sizeof text - n);
		memcpy(text + n, label.p, label.n);
		n += label.n;
		if (dot < 0)
			break;
		n_ascii++;
		BUG_ON(n == sizeof text);
		text[n++] = '.';
		left = str_skip(left, (size_t)dot + 1);
	}
	*out = str_dup(a, str_from(text, n));
	return true;
}
