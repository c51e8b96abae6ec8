/* What is read of a stanza's children: data forms, pages of results, and what is cut out. The
 * bytes are the inside of a message. */
#include "base/bug.h"
#include "xmpp/edit.h"
#include "xmpp/form.h"
#include "xmpp/rsm.h"

#define VALUES 4

static void check_field(const struct xml_doc *d, const struct xml_node *f, struct arena *a)
{
	struct str values[VALUES];
	size_t n = form_values(d, f, values, VALUES, a);
	struct str first = form_value(d, f, a);

	BUG_ON((n != 0) != (first.p != NULL) || (n && !str_eq(first, values[0])));
	BUG_ON(!form_var(d, f, a).p);
}

static void check_form(const struct stanza *s, struct arena *a)
{
	const struct xml_doc *d = &s->doc;
	const struct xml_node *form = form_find(d, stanza_root(s), STR("t"), a);
	const struct xml_node *f = form ? form_first(d, form) : NULL;

	BUG_ON(form && !form_field(d, form, STR("FORM_TYPE"), a));
	for (; f; f = form_next(d, f))
		check_field(d, f, a);
}

static void check_page(const struct stanza *s, struct arena *a)
{
	struct rsm r;

	if (!rsm_read(&s->doc, stanza_root(s), a, &r))
		return;
	BUG_ON(r.max && !r.has_max);
	BUG_ON(r.has_after != (r.after.p != NULL) || r.has_before != (r.before.p != NULL));
	BUG_ON(r.has_after && !r.after.n);
}

static bool is_data(const struct stanza *s, const struct xml_node *child, void *ctx)
{
	return child->ns == NS_DATA || child->ns == NS_RSM;
}

/* It stays a stanza, and has them no more. */
static void check_edit(struct stanza **s, struct xml_table *table)
{
	stanza_drop_children(s, is_data, NULL, table);
	for (const struct xml_node *n = xml_first(&(*s)->doc, stanza_root(*s)); n;
		n = xml_next(&(*s)->doc, n))
		BUG_ON(is_data(*s, n, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xml_table table = { 0 };
	struct arena a;

	if (size > 65536)
		return 0;
	arena_init(&a, 16384);
	struct stanza *s = stanza_scan(&table, str_printf(&a, "<message>%.*s</message>",
		STR_FMT(str_from((const char *)data, size))), &a);
	if (s) {
		check_form(s, &a);
		check_page(s, &a);
		check_edit(&s, &table);
	}
	stanza_unref(&s);
	xml_table_clear(&table);
	arena_clear(&a);
	return 0;
}
