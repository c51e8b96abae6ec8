#include "xml/chars.h"

#include "base/utf8.h"

#define NAME    (CHAR_NAME_START | CHAR_NAME)
#define CONTROL (CHAR_FORBIDDEN | CHAR_MARKUP)
#define SPACE   (CHAR_SPACE | CHAR_MARKUP)

__extension__ const uint8_t char_class[256] = {
	[0x00 ... 0x08] = CONTROL,
	['\t'] = SPACE,
	['\n'] = SPACE,
	[0x0b ... 0x0c] = CONTROL,
	['\r'] = SPACE,
	[0x0e ... 0x1f] = CONTROL,
	[' '] = CHAR_SPACE,
	['"'] = CHAR_MARKUP,
	['&'] = CHAR_MARKUP,
	['\''] = CHAR_MARKUP,
	['-' ... '.'] = CHAR_NAME,
	['0' ... ':'] = CHAR_NAME,
	['<'] = CHAR_MARKUP,
	['>'] = CHAR_MARKUP,
	['A' ... 'Z'] = NAME,
	['_'] = NAME,
	['a' ... 'z'] = NAME,
};

bool char_legal(int32_t cp)
{
	return cp < 0xd800 || (cp >= 0xe000 && cp != 0xfffe && cp != 0xffff);
}

struct range {
	int32_t from, to;
};

static bool in_ranges(const struct range *ranges, size_t count, int32_t cp)
{
	for (size_t i = 0; i < count; i++) {
		if (cp <= ranges[i].to)
			return cp >= ranges[i].from;
	}
	return false;
}

/* XML 1.0 (fifth edition) productions 4 and 4a, in rising order. */
bool char_starts_name(int32_t cp)
{
	static const struct range ranges[] = {
		{ 0xc0, 0xd6 }, { 0xd8, 0xf6 }, { 0xf8, 0x2ff }, { 0x370, 0x37d },
		{ 0x37f, 0x1fff }, { 0x200c, 0x200d }, { 0x2070, 0x218f }, { 0x2c00, 0x2fef },
		{ 0x3001, 0xd7ff }, { 0xf900, 0xfdcf }, { 0xfdf0, 0xfffd }, { 0x10000, 0xeffff },
	};

	return in_ranges(ranges, sizeof ranges / sizeof ranges[0], cp);
}

bool char_in_name(int32_t cp)
{
	static const struct range more[] = {
		{ 0xb7, 0xb7 }, { 0x300, 0x36f }, { 0x203f, 0x2040 },
	};

	return char_starts_name(cp) || in_ranges(more, sizeof more / sizeof more[0], cp);
}

#if XML_SSE2

static inline uint32_t over(__m128i v, int byte)
{
	return (uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(v, _mm_set1_epi8((char)byte)));
}

static inline uint32_t under(__m128i v, int byte)
{
	return (uint32_t)_mm_movemask_epi8(_mm_cmplt_epi8(v, _mm_set1_epi8((char)byte)));
}

/* What 16 bytes hold, a bit for each place. */
struct block {
	uint32_t lead;         /* lead bytes of two and more, */
	uint32_t lead3, lead4; /* of three and more, of four */
	uint32_t expected;     /* places of continuation bytes, those behind the block too */
	uint32_t bad;          /* markup, wrong, or in need of a closer look */
};

/* ASCII from '"' to '\'' (more than has to end a run, but quick to ask for), < and >, control. */
static inline uint32_t markup(__m128i v, uint32_t high)
{
	uint32_t angle = chars_eq(_mm_or_si128(v, _mm_set1_epi8(2)), '>');

	return (under(v, ' ') & ~high) | angle | (over(v, '"' - 1) & under(v, '\'' + 1));
}

/* Places where the second byte makes an overlong form, a surrogate, or maybe U+FFFE or U+FFFF;
 * the last place where the second byte stands in the next block. */
static inline uint32_t bad_second(__m128i v)
{
	uint32_t e0 = chars_eq(v, (char)0xe0), ed = chars_eq(v, (char)0xed);
	uint32_t ef = chars_eq(v, (char)0xef), f0 = chars_eq(v, (char)0xf0);
	uint32_t under_a0 = under(v, 0xa0);

	return (e0 << 1 & under_a0) | (ed << 1 & ~under_a0) |
		(ef << 1 & chars_eq(v, (char)0xbf)) | (f0 << 1 & under(v, 0x90)) |
		((e0 | ed | ef | f0) & 0x8000);
}

/* carry: the continuation bytes that the block before expects in this one. The comparisons are
 * signed: 0x80 is the least byte. */
static inline struct block look(const char *p, uint32_t carry)
{
	__m128i v = chars_load(p);
	uint32_t high = (uint32_t)_mm_movemask_epi8(v);
	uint32_t more = high & under(v, 0xc0);
	struct block b = { .lead = high & over(v, 0xc1), .lead3 = high & over(v, 0xdf) };

	b.expected = carry | b.lead << 1 | b.lead3 << 2;
	b.bad = (high & ~more & ~b.lead) | markup(v, high);
	if (b.lead3) {
		b.lead4 = high & over(v, 0xef);
		b.expected |= b.lead4 << 3;
		b.bad |= (high & over(v, 0xf3)) | bad_second(v);
	}
	b.bad = (b.bad | (b.expected ^ more)) & 0xffff;
	return b;
}

/* Passes over whole blocks in which nothing is bad. Where they lie does not depend on what is
 * in them, so that the processor looks at several at once. */
static uint32_t pass_blocks(const char *p, uint32_t at, uint32_t n)
{
	uint32_t carry = 0;

	for (; n - at >= 16; at += 16) {
		struct block b = look(p + at, carry);
		if (b.bad)
			break;
		carry = b.expected >> 16;
	}
	if (carry) { /* back to where the last character begins */
		do {
			at--;
		} while (((uint8_t)p[at] & 0xc0) == 0x80);
	}
	return at;
}

/* How many of the 16 bytes at a character's beginning (of which the first `room` count) are
 * whole legal characters without markup. */
static uint32_t good_prefix(const char *p, uint32_t room)
{
	struct block b = look(p, 0);
	uint32_t k = (uint32_t)__builtin_ctz(b.bad | 1u << 16);

	if (k > room)
		k = room;
	/* The last character may be cut: its lead byte stands one, two or three places before k.
	 * Sums, because where words end nobody can predict. */
	return k - (b.lead << 1 >> k & 1) - 2 * (b.lead3 << 2 >> k & 1) -
		3 * (b.lead4 << 3 >> k & 1);
}

#else

static uint32_t pass_blocks(const char *p, uint32_t at, uint32_t n)
{
	return at;
}

static uint32_t good_prefix(const char *p, uint32_t room)
{
	return 0;
}

#endif

uint32_t chars_pass_utf8(const char *p, uint32_t at, uint32_t n)
{
	for (;;) {
		at = pass_blocks(p, at, n);
		if (at == n)
			break;
		uint32_t good = good_prefix(p + at, n - at);
		at += good;
		if (good)
			continue;
		unsigned len;
		int32_t cp = utf8_next(str_from(p + at, n - at), &len);
		if (cp < 0 || !char_legal(cp) || (cp < 0x80 && char_is(p[at], CHAR_MARKUP)))
			break;
		at += len;
	}
	return at;
}
