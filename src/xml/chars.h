/* Characters of XML 1.0 (fifth edition): classes, and the steps over runs of bytes that make
 * the scanner fast. With SSE2 a step looks at 16 bytes at once; without it, or where
 * XML_NO_SSE2 is defined (the tests hold both against each other), at one.
 *
 * All steps take bytes p[0..n) with SCAN_PAD readable ones behind them, begin at `at` <= n, and
 * never look at what stands in the pad. */
#ifndef XML_CHARS_H
#define XML_CHARS_H

#include "base/str.h"

#if defined(__SSE2__) && !defined(XML_NO_SSE2)
#define XML_SSE2 1
#include <emmintrin.h>
#else
#define XML_SSE2 0
#endif

enum {
	CHAR_SPACE = 1,      /* white space of XML */
	CHAR_NAME_START = 2, /* ASCII that may begin a name; the colon is counted out */
	CHAR_NAME = 4,       /* ASCII that may go on in one, the colon too */
	CHAR_FORBIDDEN = 8,  /* control characters but tab, LF, CR */
	CHAR_MARKUP = 16     /* all control characters, and < > & " ' */
};

extern const uint8_t char_class[256];

static inline bool char_is(char c, unsigned classes)
{
	return char_class[(uint8_t)c] & classes;
}

/* Char, NameStartChar and NameChar of XML 1.0 for a code point from U+0080 on. */
bool char_legal(int32_t cp);
bool char_starts_name(int32_t cp);
bool char_in_name(int32_t cp);

/* Passes over one or more legal characters in UTF-8, from a byte on that is not ASCII. Stops at
 * the latest before CHAR_MARKUP, before a character that is bad, and before one that is cut by
 * n: a byte that is not ASCII at the returned offset means one of the last two. */
uint32_t chars_pass_utf8(const char *p, uint32_t at, uint32_t n);

/* The first bytes of a name, with a bit for each place. */
struct name_span {
	uint32_t len;    /* of the first 16 bytes, those up to one that is no CHAR_NAME */
	uint32_t starts; /* CHAR_NAME_START among them */
	uint32_t colons; /* colons among them */
	uint32_t wide;   /* bit `len`: the byte that ended it is not ASCII */
};

#if XML_SSE2

static inline __m128i chars_load(const char *p)
{
	return _mm_loadu_si128((const __m128i *)p);
}

static inline uint32_t chars_eq(__m128i v, char c)
{
	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

/* Passes over plain text; the offset of <, >, &, a control character or a byte that is not
 * ASCII, or n. */
static inline uint32_t chars_pass_text(const char *p, uint32_t at, uint32_t n)
{
	const __m128i space = _mm_set1_epi8(' '), two = _mm_set1_epi8(2);
	const __m128i angle = _mm_set1_epi8('>'), amp = _mm_set1_epi8('&');

	for (; at < n; at += 16) {
		__m128i v = chars_load(p + at);
		/* '<' | 2 is '>'. Signed: what is not ASCII is under the space as well. */
		__m128i stop = _mm_or_si128(_mm_cmplt_epi8(v, space),
			_mm_or_si128(_mm_cmpeq_epi8(_mm_or_si128(v, two), angle),
				_mm_cmpeq_epi8(v, amp)));
		uint32_t mask = (uint32_t)_mm_movemask_epi8(stop);
		if (mask) {
			at += (uint32_t)__builtin_ctz(mask);
			break;
		}
	}
	return at < n ? at : n;
}

/* The same inside an attribute value, with its quote in the place of '>'. */
static inline uint32_t chars_pass_value(const char *p, uint32_t at, uint32_t n, char quote)
{
	const __m128i space = _mm_set1_epi8(' '), less = _mm_set1_epi8('<');
	const __m128i end = _mm_set1_epi8(quote), amp = _mm_set1_epi8('&');

	for (; at < n; at += 16) {
		__m128i v = chars_load(p + at);
		__m128i stop = _mm_or_si128(
			_mm_or_si128(_mm_cmplt_epi8(v, space), _mm_cmpeq_epi8(v, end)),
			_mm_or_si128(_mm_cmpeq_epi8(v, less), _mm_cmpeq_epi8(v, amp)));
		uint32_t mask = (uint32_t)_mm_movemask_epi8(stop);
		if (mask) {
			at += (uint32_t)__builtin_ctz(mask);
			break;
		}
	}
	return at < n ? at : n;
}

static inline struct name_span chars_name_span(const char *p)
{
	__m128i v = chars_load(p);
	__m128i low = _mm_or_si128(v, _mm_set1_epi8(0x20));
	__m128i alpha = _mm_and_si128(_mm_cmpgt_epi8(low, _mm_set1_epi8('a' - 1)),
		_mm_cmplt_epi8(low, _mm_set1_epi8('z' + 1)));
	/* '-' '.' '/' '0' to '9' ':' stand in a row. */
	__m128i digit = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('-' - 1)),
		_mm_cmplt_epi8(v, _mm_set1_epi8(':' + 1)));
	__m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('/'));
	__m128i start = _mm_or_si128(alpha, _mm_cmpeq_epi8(v, _mm_set1_epi8('_')));
	__m128i name = _mm_or_si128(start, _mm_andnot_si128(slash, digit));
	uint32_t len = (uint32_t)__builtin_ctz(~(uint32_t)_mm_movemask_epi8(name));

	return (struct name_span){
		.len = len,
		.starts = (uint32_t)_mm_movemask_epi8(start),
		.colons = chars_eq(v, ':') & ((1u << len) - 1),
		.wide = (uint32_t)_mm_movemask_epi8(v),
	};
}

/* Equality of n bytes of which 16 are readable on both sides. */
static inline bool chars_same(const char *a, const char *b, size_t n)
{
	if (n > 16)
		return memcmp(a, b, n) == 0;
	__m128i eq = _mm_cmpeq_epi8(chars_load(a), chars_load(b));
	uint32_t differ = ~(uint32_t)_mm_movemask_epi8(eq);
	return (uint32_t)__builtin_ctz(differ | 1u << 16) >= n;
}

#else

/* Neither markup in a text or value (that ends with this quote), nor control, nor UTF-8. */
static inline bool char_plain(char c, char quote)
{
	return (signed char)c >= ' ' && c != '<' && c != '&' && c != quote;
}

static inline uint32_t chars_pass_text(const char *p, uint32_t at, uint32_t n)
{
	while (at < n && char_plain(p[at], '>'))
		at++;
	return at;
}

static inline uint32_t chars_pass_value(const char *p, uint32_t at, uint32_t n, char quote)
{
	while (at < n && char_plain(p[at], quote))
		at++;
	return at;
}

static inline struct name_span chars_name_span(const char *p)
{
	struct name_span s = { 0 };

	for (; s.len < 16 && char_is(p[s.len], CHAR_NAME); s.len++) {
		s.starts |= (uint32_t)char_is(p[s.len], CHAR_NAME_START) << s.len;
		s.colons |= (uint32_t)(p[s.len] == ':') << s.len;
	}
	s.wide = s.len < 16 ? (uint32_t)((signed char)p[s.len] < 0) << s.len : 0;
	return s;
}

static inline bool chars_same(const char *a, const char *b, size_t n)
{
	return memcmp(a, b, n) == 0;
}

#endif
#endif
