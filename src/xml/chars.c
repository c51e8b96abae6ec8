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

static uint32_t over(__m128i v, int byte)
{
	return (uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(v, _mm_set1_epi8((char)byte)));
}

static uint32_t under(__m128i v, int byte)
{
	return (uint32_t)_mm_movemask_epi8(_mm_cmplt_epi8(v, _mm_set1_epi8((char)byte)));
}

/* Places where the byte after a lead byte of three or four makes an overlong form, a surrogate,
 * or may make U+FFFE or U+FFFF. Comparisons are signed: 0x80 is the least byte. */
static uint32_t bad_second(__m128i v)
{
	uint32_t under_a0 = under(v, 0xa0);

	return (chars_eq(v, (char)0xe0) << 1 & under_a0) |
		(chars_eq(v, (char)0xed) << 1 & ~under_a0) |
		(chars_eq(v, (char)0xef) << 1 & chars_eq(v, (char)0xbf)) |
		(chars_eq(v, (char)0xf0) << 1 & under(v, 0x90));
}

/* ASCII from '"' to '\'' (more than has to end a run, but quick to ask for), < and >, control. */
static uint32_t markup(__m128i v, uint32_t high)
{
	uint32_t angle = chars_eq(_mm_or_si128(v, _mm_set1_epi8(2)), '>');

	return (under(v, ' ') & ~high) | angle | (over(v, '"' - 1) & under(v, '\'' + 1));
}

/* How many of the 16 bytes at a character's beginning (of which the first `room` count) are
 * whole legal characters without markup. What needs a closer look counts as bad here. */
static uint32_t good_prefix(const char *p, uint32_t room)
{
	__m128i v = chars_load(p);
	uint32_t high = (uint32_t)_mm_movemask_epi8(v);
	uint32_t more = high & under(v, 0xc0);            /* continuation bytes */
	uint32_t lead = high & over(v, 0xc1);
	uint32_t lead3 = high & over(v, 0xdf);            /* of three bytes and over */
	uint32_t lead4 = 0;
	uint32_t expected = lead << 1 | lead3 << 2;
	uint32_t bad = (high & ~more & ~lead) | markup(v, high);

	if (lead3) {
		lead4 = high & over(v, 0xef);
		expected |= lead4 << 3;
		bad |= (high & over(v, 0xf3)) | bad_second(v);
	}
	bad |= expected ^ more;
	uint32_t k = (uint32_t)__builtin_ctz((bad & 0xffff) | 1u << 16);
	if (k > room)
		k = room;
	/* The last character may be cut. */
	if (k >= 1 && lead >> (k - 1) & 1)
		return k - 1;
	if (k >= 2 && lead3 >> (k - 2) & 1)
		return k - 2;
	if (k >= 3 && lead4 >> (k - 3) & 1)
		return k - 3;
	return k;
}

#else

static uint32_t good_prefix(const char *p, uint32_t room)
{
	return 0;
}

#endif

uint32_t chars_pass_utf8(const char *p, uint32_t at, uint32_t n)
{
	while (at < n) {
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
