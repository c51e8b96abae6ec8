/* The configuration of a room: what an owner submits, or the store has. The bytes are the inside of
 * a form. What was taken is written and read back as it is; what was not has changed nothing. */
#include "base/bug.h"
#include "core/room_config.h"
#include "xmpp/form.h"
#include "xmpp/stanza.h"

#include <stdlib.h>

static struct stanza *form_of(struct str fields, struct xml_table *table, struct arena *a)
{
	return stanza_scan(table, str_printf(a, "<message><x xmlns='jabber:x:data'>%.*s</x></message>",
		STR_FMT(fields)), a);
}

/* False: it is refused. */
static bool take(struct room_config *c, const struct stanza *s, struct arena *a)
{
	const struct xml_node *x = xml_child(&s->doc, stanza_root(s), NS_DATA, TAG_X);
	const char *why = NULL;
	bool taken = !x || room_config_read(c, &s->doc, x, a, &why);

	BUG_ON(taken != (why == NULL));
	return taken;
}

static bool differ(const struct room_config *a, const struct room_config *b)
{
	enum muc_status codes[ROOM_CONFIG_CODES];
	size_t n = room_config_codes(a, b, codes);

	BUG_ON(n > ROOM_CONFIG_CODES);
	return n;
}

static void check_bounds(const struct room_config *c)
{
	BUG_ON(c->name && strlen(c->name) > ROOM_NAME_MAX);
	BUG_ON(c->desc && strlen(c->desc) > ROOM_DESC_MAX);
	BUG_ON(c->lang && strlen(c->lang) > ROOM_LANG_MAX);
	BUG_ON(c->link && strlen(c->link) > ROOM_LINK_MAX);
	BUG_ON(c->secret && strlen(c->secret) > ROOM_SECRET_MAX);
	BUG_ON(c->has_secret && !c->secret);
	BUG_ON(c->max_users > ROOM_NUMBER_MAX || c->max_history > ROOM_NUMBER_MAX);
	BUG_ON(c->slow_seconds > ROOM_NUMBER_MAX || c->pm > PM_NONE);
}

static void check_written(const struct room_config *c, enum room_config_use use,
	struct xml_table *table, struct arena *a)
{
	struct room_config back;
	struct buf b;

	buf_init(&b, 1 << 20);
	struct writer w = w_on(&b);
	room_config_write(c, &w, use);
	BUG_ON(!w_done(&w));
	struct stanza *s = form_of(buf_str(&b), table, a);
	BUG_ON(!s);
	room_config_default(&back);
	BUG_ON(!take(&back, s, a) || differ(c, &back));
	room_config_clear(&back);
	stanza_unref(&s);
	buf_clear(&b);
}

static void check(const struct stanza *s, struct xml_table *table, struct arena *a)
{
	struct room_config c, before;

	room_config_default(&c);
	room_config_copy(&before, &c);
	BUG_ON(!take(&c, s, a) && differ(&before, &c));
	check_bounds(&c);
	check_written(&c, CONFIG_TO_STORE, table, a);
	check_written(&c, CONFIG_FOR_OWNER, table, a);
	room_config_clear(&before);
	room_config_clear(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xml_table table = { 0 };
	struct arena a;

	if (size > 65536)
		return 0;
	arena_init(&a, 16384);
	struct stanza *s = form_of(str_from((const char *)data, size), &table, &a);
	if (s)
		check(s, &table, &a);
	stanza_unref(&s);
	xml_table_clear(&table);
	arena_clear(&a);
	return 0;
}
