/* The look-up of names behind xml/names.h, inline for the scanner.
 *
 * Two open-addressing tables, filled before main(). A slot holds eight bytes of the name (the
 * first ones of a local name, the last ones of a URI, which differ most there), so that most
 * local names are found with one comparison of a word and no look at the text. */
#ifndef XML_LOOKUP_H
#define XML_LOOKUP_H

#include "xml/names.h"

/* A power of two, at least twice the number of names. */
#define SLOTS_FOR(n) \
	((n) <= 64 ? 128u : (n) <= 128 ? 256u : (n) <= 256 ? 512u : (n) <= 512 ? 1024u : 4096u)
enum { NS_SLOTS = SLOTS_FOR(XML_NS_COUNT), TAG_SLOTS = SLOTS_FOR(XML_TAG_COUNT) };

struct name_slot {
	uint64_t word;
	uint16_t len; /* 0: free */
	uint16_t id;
};

extern struct name_slot xml_ns_slots[NS_SLOTS], xml_tag_slots[TAG_SLOTS];
extern const struct str xml_ns_names[XML_NS_COUNT], xml_tag_names[XML_TAG_COUNT];

static inline uint64_t name_load(const char *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof w);
	return w;
}

/* The first n bytes (under 8) of a loaded word, the others zero. */
static inline uint64_t name_mask(uint64_t w, size_t n)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return n ? w & ~(uint64_t)0 << (64 - 8 * n) : 0;
#else
	return w & (((uint64_t)1 << 8 * n) - 1);
#endif
}

static inline uint32_t name_hash(uint64_t word, size_t n, uint32_t slots)
{
	return (uint32_t)((word + n) * 0x9e3779b97f4a7c15 >> 40) & (slots - 1);
}

/* Equality of n >= 8 bytes, a word at a time; the last word overlaps. */
static inline bool name_same(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i + 8 < n; i += 8) {
		if (name_load(a + i) != name_load(b + i))
			return false;
	}
	return name_load(a + n - 8) == name_load(b + n - 8);
}

static inline unsigned name_find(const struct name_slot *slots, uint32_t count,
	const struct str *names, uint64_t word, struct str name)
{
	uint32_t i = name_hash(word, name.n, count);

	for (; slots[i].len; i = (i + 1) & (count - 1)) {
		if (slots[i].word == word && slots[i].len == name.n &&
			(name.n <= 8 || name_same(name.p, names[slots[i].id].p, name.n)))
			return slots[i].id;
	}
	return 0;
}

/* For a name behind whose first byte 8 bytes are readable. */
static inline enum xml_tag tag_find_padded(const char *p, size_t n)
{
	uint64_t word = name_load(p);

	if (n < 8)
		word = name_mask(word, n);
	return (enum xml_tag)name_find(xml_tag_slots, TAG_SLOTS, xml_tag_names, word,
		str_from(p, n));
}

/* For a URI of at least 8 bytes. */
static inline enum xml_ns ns_find_long(struct str uri)
{
	return (enum xml_ns)name_find(xml_ns_slots, NS_SLOTS, xml_ns_names,
		name_load(uri.p + uri.n - 8), uri);
}

#endif
