#include "xml/names.h"

#include "base/bug.h"
#include "xml/lookup.h"

const struct str xml_ns_names[XML_NS_COUNT] = {
	[NS_OTHER] = { "", 0 },
	[NS_NONE] = { "", 0 },
	[NS_XML] = { "http://www.w3.org/XML/1998/namespace", 36 },
#define NS(id, uri) [NS_##id] = { uri, sizeof uri - 1 },
#define TAG(id, name)
#include "xml/names.def"
#undef NS
#undef TAG
};

const struct str xml_tag_names[XML_TAG_COUNT] = {
	[TAG_OTHER] = { "", 0 },
#define NS(id, uri)
#define TAG(id, name) [TAG_##id] = { name, sizeof name - 1 },
#include "xml/names.def"
#undef NS
#undef TAG
};

struct name_slot xml_ns_slots[NS_SLOTS], xml_tag_slots[TAG_SLOTS];

_Static_assert(2 * XML_NS_COUNT <= NS_SLOTS && 2 * XML_TAG_COUNT <= TAG_SLOTS, "add a size to SLOTS_FOR");

/* Fewer than 8 bytes as a word; nothing is read behind them. */
static uint64_t short_word(struct str s)
{
	char bytes[8] = { 0 };

	if (s.n)
		memcpy(bytes, s.p, s.n);
	return name_load(bytes);
}

static uint64_t first_word(struct str s)
{
	return s.n < 8 ? short_word(s) : name_load(s.p);
}

static uint64_t last_word(struct str s)
{
	return s.n < 8 ? short_word(s) : name_load(s.p + s.n - 8);
}

static void add(struct name_slot *slots, uint32_t count, const struct str *names, unsigned id,
	uint64_t word)
{
	struct str name = names[id];
	uint32_t i = name_hash(word, name.n, count);

	BUG_ON(!name.n);
	BUG_ON(name_find(slots, count, names, word, name) != 0); /* listed twice */
	while (slots[i].len)
		i = (i + 1) & (count - 1);
	slots[i] = (struct name_slot){ word, (uint16_t)name.n, (uint16_t)id };
}

/* Before main(), so that no look-up has to ask whether the tables are there. */
__attribute__((constructor)) static void fill(void)
{
	for (unsigned id = NS_XML; id < XML_NS_COUNT; id++)
		add(xml_ns_slots, NS_SLOTS, xml_ns_names, id, last_word(xml_ns_names[id]));
	for (unsigned id = TAG_OTHER + 1; id < XML_TAG_COUNT; id++)
		add(xml_tag_slots, TAG_SLOTS, xml_tag_names, id, first_word(xml_tag_names[id]));
}

enum xml_ns xml_ns_id(struct str uri)
{
	if (!uri.n)
		return NS_NONE;
	return (enum xml_ns)name_find(xml_ns_slots, NS_SLOTS, xml_ns_names, last_word(uri), uri);
}

enum xml_tag xml_tag_id(struct str name)
{
	return (enum xml_tag)name_find(xml_tag_slots, TAG_SLOTS, xml_tag_names, first_word(name),
		name);
}

struct str xml_ns_str(enum xml_ns ns)
{
	BUG_ON(ns >= XML_NS_COUNT);
	return xml_ns_names[ns];
}

struct str xml_tag_str(enum xml_tag tag)
{
	BUG_ON(tag >= XML_TAG_COUNT);
	return xml_tag_names[tag];
}
