/* Entity capabilities: what a presence shows, and what an answer's hash is made of. The bytes are
 * the inside of a stanza, in which an answer may stand. */
#include "base/bug.h"
#include "xmpp/caps.h"
#include "xmpp/stanza.h"

static void check_claim(const struct stanza *s, struct arena *a)
{
	struct caps_claim c, again;
	struct str node;

	caps_read(&s->doc, stanza_root(s), a, &c, &node);
	caps_read(&s->doc, stanza_root(s), a, &again, &node);
	BUG_ON(!str_eq(caps_claim_str(&c), caps_claim_str(&again)));
	BUG_ON(c.kind == CAPS_UNSAID && node.p);
	BUG_ON((c.kind == CAPS_1 || c.kind == CAPS_2) && !node.n);
	if (c.kind == CAPS_1 || c.kind == CAPS_2)
		(void)caps_fits(&c, node);
}

static unsigned count_nodes(enum caps_kind kind, struct str string)
{
	unsigned n = 0;
	struct str node;

	for (; caps_next_node(kind, &string, &node); n++)
		BUG_ON(!node.n);
	return n;
}

/* A string is there as a whole. It has all nodes of the features, and no others where it tells
 * features from the rest. */
static void check_string(enum caps_kind kind, const struct stanza *s, const struct xml_node *query,
	struct arena *a)
{
	struct buf b;

	buf_init(&b, CAPS_STRING_MAX);
	if (caps_string(kind, &s->doc, query, s->lang, a, &b)) {
		unsigned n = count_nodes(CAPS_2, caps_features(&s->doc, query, a));
		BUG_ON(b.n && b.p[b.n - 1] != (kind == CAPS_1 ? '<' : '\x1c'));
		BUG_ON(kind == CAPS_2 && count_nodes(kind, buf_str(&b)) != n);
		BUG_ON(kind == CAPS_1 && count_nodes(kind, buf_str(&b)) < n);
	}
	buf_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xml_table table = { 0 };
	struct arena a;

	if (size > 65536)
		return 0;
	arena_init(&a, 16384);
	struct stanza *s = stanza_scan(&table, str_printf(&a, "<presence>%.*s</presence>",
		STR_FMT(str_from((const char *)data, size))), &a);
	if (s) {
		const struct xml_node *query = xml_child(&s->doc, stanza_root(s), NS_DISCO_INFO,
			TAG_QUERY);
		check_claim(s, &a);
		for (enum caps_kind kind = CAPS_1; query && kind <= CAPS_2; kind++)
			check_string(kind, s, query, &a);
	}
	stanza_unref(&s);
	xml_table_clear(&table);
	arena_clear(&a);
	return 0;
}
