#include "xmpp/bookmarks.h"
#include "xmpp/stanza.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;
static struct xml_table table;

static int setup(void **state)
{
	arena_init(&arena, 65536);
	return 0;
}

static int teardown(void **state)
{
	arena_clear(&arena);
	xml_table_clear(&table);
	return 0;
}

/* An element as it comes: within a stanza, in the arena. */
static const struct xml_node *element(const char *xml, struct xml_doc *d)
{
	struct stanza *st = stanza_scan(&table, str_printf(&arena, "<message>%s</message>", xml), &arena);

	assert_non_null(st);
	struct stanza *own = arena_alloc(&arena, sizeof *own + st->doc.n_bytes);
	char *bytes = (char *)(own + 1);
	memcpy(bytes, st->doc.bytes, st->doc.n_bytes);
	struct xml_node *nodes = arena_alloc(&arena, st->doc.n_nodes * sizeof *nodes);
	struct xml_attr *attrs = arena_alloc(&arena, (st->doc.n_attrs + 1) * sizeof *attrs);
	memcpy(nodes, st->doc.nodes, st->doc.n_nodes * sizeof *nodes);
	memcpy(attrs, st->doc.attrs, st->doc.n_attrs * sizeof *attrs);
	*d = (struct xml_doc){ bytes, nodes, attrs, st->doc.n_bytes, st->doc.n_nodes, st->doc.n_attrs };
	stanza_unref(&st);
	return xml_first(d, xml_root(d));
}

static struct str written(const struct bookmarks *b)
{
	struct buf out;

	buf_init(&out, 1024 * 1024);
	struct writer w = w_on(&out);
	bookmarks_write_storage(b, &w);
	assert_true(w_done(&w));
	struct str text = str_dup(&arena, buf_str(&out));
	buf_clear(&out);
	return text;
}

static struct str item_of(const struct bookmark *m)
{
	struct buf out;

	buf_init(&out, 1024 * 1024);
	struct writer w = w_on(&out);
	bookmark_write(m, &w);
	assert_true(w_done(&w));
	struct str text = str_dup(&arena, buf_str(&out));
	buf_clear(&out);
	return text;
}

static struct bookmarks read_storage(const char *xml)
{
	struct bookmarks b = { 0 };
	struct xml_doc d;

	bookmarks_add_storage(&b, &d, element(xml, &d), &arena);
	return b;
}

static bool add_item(struct bookmarks *b, const char *id, const char *xml)
{
	struct xml_doc d;
	const struct xml_node *el = element(xml, &d);

	return bookmarks_add_item(b, str_c(id), &d, el, &arena);
}

#define assert_text(text, want) assert_string_equal(str_printf(&arena, "%.*s", STR_FMT(text)).p, want)

/* XEP-0402 table 1: all that an item says stands in the old shape too. */
static void items_as_storage(void **state)
{
	struct bookmarks b = { 0 };

	assert_true(add_item(&b, "theplay@conference.shakespeare.lit",
		"<conference xmlns='urn:xmpp:bookmarks:1' name='The Play&apos;s the Thing' autojoin='1'>"
		"<nick>JC</nick><password>s&amp;1</password><extensions>"
		"<state xmlns='urn:x' minimized='true'/></extensions></conference>"));
	assert_true(add_item(&b, "Orchard@conference.shakespeare.lit",
		"<conference xmlns='urn:xmpp:bookmarks:1' autojoin='0'/>"));
	assert_text(written(&b), "<storage xmlns='storage:bookmarks'>"
		"<conference jid='theplay@conference.shakespeare.lit' name='The Play&apos;s the Thing' "
		"autojoin='true'><nick>JC</nick><password>s&amp;1</password>"
		"<state xmlns='urn:x' minimized='true'/></conference>"
		"<conference jid='orchard@conference.shakespeare.lit'/></storage>");
	assert_text(b.all[1].id, "Orchard@conference.shakespeare.lit");
}

static void what_is_no_bookmark(void **state)
{
	struct bookmarks b = { 0 };

	assert_false(add_item(&b, "a@b", "<conference xmlns='urn:x'/>"));
	assert_false(add_item(&b, "a@b", "<bookmark xmlns='urn:xmpp:bookmarks:1'/>"));
	assert_int_equal(b.n, 0);
}

/* XEP-0048 section 2: the other way, with what clients have of their own. */
static void storage_as_items(void **state)
{
	struct bookmarks b = read_storage("<storage xmlns='storage:bookmarks'>"
		"<conference name='Council' autojoin='true' jid='Council@conference.underhill.org'>"
		"<nick>Puck</nick><print_status>all</print_status></conference></storage>");

	assert_int_equal(b.n, 1);
	assert_text(b.all[0].jid, "council@conference.underhill.org");
	assert_text(item_of(&b.all[0]), "<conference xmlns='urn:xmpp:bookmarks:1' name='Council' "
		"autojoin='true'><nick>Puck</nick><extensions>"
		"<print_status xmlns='storage:bookmarks'>all</print_status></extensions></conference>");
}

static void rest_stays(void **state)
{
	struct bookmarks b = read_storage("<storage xmlns='storage:bookmarks'>"
		"<url name='Works' url='http://x/'/><conference jid='@'/><conference/>"
		"<conference jid='a@b'/></storage>");

	assert_int_equal(b.n, 1);
	assert_text(written(&b), "<storage xmlns='storage:bookmarks'><conference jid='a@b'/>"
		"<url xmlns='storage:bookmarks' name='Works' url='http://x/'/>"
		"<conference xmlns='storage:bookmarks' jid='@'/>"
		"<conference xmlns='storage:bookmarks'/></storage>");
}

static void the_later_one_counts(void **state)
{
	struct bookmarks b = read_storage("<storage xmlns='storage:bookmarks'>"
		"<conference jid='a@b' name='1'/><conference jid='A@b' name='2'/></storage>");

	assert_int_equal(b.n, 1);
	assert_text(b.all[0].name, "2");
}

/* Section 2: "Clients MUST preserve these", and old ones cannot. */
static void extensions_are_kept(void **state)
{
	struct bookmarks now = { 0 }, old = read_storage("<storage xmlns='storage:bookmarks'>"
		"<conference jid='a@b' name='2'><x xmlns='urn:x'>new</x></conference></storage>");

	add_item(&now, "A@b", "<conference xmlns='urn:xmpp:bookmarks:1' name='1'><nick>N</nick>"
		"<extensions><x xmlns='urn:x'>old</x><y xmlns='urn:x'/></extensions></conference>");
	struct bookmark m = bookmark_merge(&old.all[0], &now.all[0], &arena);
	assert_text(item_of(&m), "<conference xmlns='urn:xmpp:bookmarks:1' name='2'><extensions>"
		"<y xmlns='urn:x'/><x xmlns='urn:x'>new</x></extensions></conference>");
	assert_text(m.id, "A@b");
	assert_false(bookmark_equal(&m, &now.all[0]));
}

static void equal_ones(void **state)
{
	static const char *const differ[] = {
		"<conference jid='a@c' name='1' autojoin='1'><nick>N</nick><password>P</password><x xmlns='urn:x'/></conference>",
		"<conference jid='a@b' name='2' autojoin='1'><nick>N</nick><password>P</password><x xmlns='urn:x'/></conference>",
		"<conference jid='a@b' name='1'><nick>N</nick><password>P</password><x xmlns='urn:x'/></conference>",
		"<conference jid='a@b' name='1' autojoin='1'><password>P</password><x xmlns='urn:x'/></conference>",
		"<conference jid='a@b' name='1' autojoin='1'><nick>N</nick><x xmlns='urn:x'/></conference>",
		"<conference jid='a@b' name='1' autojoin='1'><nick>N</nick><password>P</password></conference>",
		"<conference jid='a@b' name='1' autojoin='1'><nick>N</nick><password>P</password><x xmlns='urn:y'/></conference>",
	};
	struct bookmarks now = { 0 };

	add_item(&now, "a@b", "<conference xmlns='urn:xmpp:bookmarks:1' name='1' autojoin='true'>"
		"<nick>N</nick><password>P</password><extensions><x xmlns='urn:x'/></extensions></conference>");
	struct bookmarks same = read_storage("<storage xmlns='storage:bookmarks'><conference jid='a@b' "
		"name='1' autojoin='1'><password>P</password><nick>N</nick><x xmlns='urn:x'/></conference>"
		"</storage>");
	assert_true(bookmark_equal(&now.all[0], &same.all[0]));
	for (size_t i = 0; i < sizeof differ / sizeof differ[0]; i++) {
		struct bookmarks other = read_storage(str_printf(&arena,
			"<storage xmlns='storage:bookmarks'>%s</storage>", differ[i]).p);
		assert_false(bookmark_equal(&now.all[0], &other.all[0]));
	}
}

/* What is over a bound is left out, and that is said. */
static void bounds(void **state)
{
	struct buf b;

	buf_init(&b, 4 * 1024 * 1024);
	buf_add(&b, STR("<storage xmlns='storage:bookmarks'>"));
	for (unsigned i = 0; i <= BOOKMARKS_MAX; i++)
		buf_printf(&b, "<conference jid='a%u@b'/>", i);
	buf_add(&b, STR("</storage>"));
	buf_byte(&b, '\0');
	struct bookmarks many = read_storage(b.p);
	assert_int_equal(many.n, BOOKMARKS_MAX);
	assert_true(many.full);

	buf_reset(&b);
	buf_add(&b, STR("<storage xmlns='storage:bookmarks'><conference jid='a@b'>"));
	for (unsigned i = 0; i <= BOOKMARK_EXTRAS_MAX; i++)
		buf_add(&b, STR("<x/>"));
	buf_add(&b, STR("</conference></storage>"));
	buf_byte(&b, '\0');
	struct bookmarks wide = read_storage(b.p);
	assert_int_equal(wide.all[0].n_extras, BOOKMARK_EXTRAS_MAX);
	assert_true(wide.full);

	buf_reset(&b);
	buf_add(&b, STR("<storage xmlns='storage:bookmarks'>"));
	while (b.n < BOOKMARKS_REST_MAX)
		buf_add(&b, STR("<url/>"));
	buf_add(&b, STR("</storage>"));
	buf_byte(&b, '\0');
	struct bookmarks rest = read_storage(b.p);
	assert_int_equal(rest.rest.n, 0);
	assert_true(rest.full);
	buf_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(items_as_storage, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_bookmark, setup, teardown),
		cmocka_unit_test_setup_teardown(storage_as_items, setup, teardown),
		cmocka_unit_test_setup_teardown(rest_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(the_later_one_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(extensions_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(equal_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(bounds, setup, teardown),
	};

	return cmocka_run_group_tests_name("bookmarks", tests, NULL, NULL);
}
