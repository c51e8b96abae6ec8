/* Bookmarks of rooms: what is read in one shape says the same in the other one. The bytes are the
 * inside of a stanza, in which a <storage/> may stand. */
#include "base/bug.h"
#include "xmpp/bookmarks.h"
#include "xmpp/stanza.h"

#define WRITTEN_MAX (16 * 1024 * 1024)

/* Around what is written or came; NULL: it is not well-formed. */
static struct stanza *scan(struct str xml, struct arena *a)
{
	struct xml_table table = { 0 };
	struct stanza *s = stanza_scan(&table,
		str_printf(a, "<message>%.*s</message>", STR_FMT(xml)), a);

	xml_table_clear(&table);
	return s;
}

static struct bookmarks read_storage(const struct stanza *s, struct arena *a)
{
	const struct xml_node *storage = xml_child(&s->doc, stanza_root(s), NS_STORAGE_BOOKMARKS,
		TAG_STORAGE);
	struct bookmarks b = { 0 };

	if (storage)
		bookmarks_add_storage(&b, &s->doc, storage, a);
	return b;
}

static void check_item(const struct bookmark *m, struct arena *a)
{
	struct bookmarks again = { 0 };
	struct buf b;

	buf_init(&b, WRITTEN_MAX);
	struct writer w = w_on(&b);
	bookmark_write(m, &w);
	BUG_ON(!w_done(&w));
	struct stanza *s = scan(buf_str(&b), a);
	BUG_ON(!s);
	BUG_ON(!bookmarks_add_item(&again, m->id, &s->doc, xml_first(&s->doc, stanza_root(s)), a));
	BUG_ON(!bookmark_equal(&again.all[0], m));
	stanza_unref(&s);
	buf_clear(&b);
}

static void check_list(const struct bookmarks *list, struct arena *a)
{
	struct buf b;

	buf_init(&b, WRITTEN_MAX);
	struct writer w = w_on(&b);
	bookmarks_write_storage(list, &w);
	BUG_ON(!w_done(&w));
	struct stanza *s = scan(buf_str(&b), a);
	BUG_ON(!s);
	struct bookmarks again = read_storage(s, a);
	BUG_ON(again.n != list->n || !str_eq(again.rest, list->rest));
	for (size_t i = 0; i < list->n; i++) {
		BUG_ON(!bookmark_equal(&again.all[i], &list->all[i]));
		BUG_ON(bookmarks_find(list, list->all[i].jid) != &list->all[i]);
		struct bookmark merged = bookmark_merge(&again.all[i], &list->all[i], a);
		BUG_ON(!list->full && !bookmark_equal(&merged, &list->all[i]));
	}
	stanza_unref(&s);
	buf_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;

	if (size > 65536)
		return 0;
	arena_init(&a, 16384);
	struct stanza *s = scan(str_from((const char *)data, size), &a);
	if (s) {
		struct bookmarks list = read_storage(s, &a);
		check_list(&list, &a);
		for (size_t i = 0; i < list.n; i++)
			check_item(&list.all[i], &a);
	}
	stanza_unref(&s);
	arena_clear(&a);
	return 0;
}
