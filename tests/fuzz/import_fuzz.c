/* What other servers wrote: whatever the bytes are, reading them ends with an error or without,
 * the same each time, and nothing is left open. The first byte chooses: XEP-0227, a table of
 * Prosody's, or a list of messages. */
#include "base/bug.h"
#include "server/import_lua.h"
#include "server/import_pie.h"
#include "server/import_prosody.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_table(struct import *im, struct str bytes)
{
	struct arena a;
	struct value v;
	struct lua l;

	arena_init(&a, 4096);
	lua_init(&l, im, bytes);
	if (lua_read(&l, &a, &v))
		for (size_t i = 0; prosody_stores[i]; i++)
			prosody_store(im, str_c(prosody_stores[i]), &v);
	arena_clear(&a);
}

static void read_list(struct import *im, struct str bytes)
{
	struct arena a;
	struct value v;
	struct lua l;

	arena_init(&a, 4096);
	lua_init(&l, im, bytes);
	while (lua_next(&l, &a, &v)) {
		prosody_message(im, STR("offline"), &v);
		prosody_message(im, STR("archive"), &v);
	}
	arena_clear(&a);
}

static void read_all(struct import *im, uint8_t kind, struct str bytes)
{
	if (kind % 3 == 0) {
		BUG_ON(import_pie_bytes(im, bytes) == (im->error.n != 0));
		return;
	}
	BUG_ON(!import_user(im, STR("localhost"), STR("juliet")));
	if (kind % 3 == 1)
		read_table(im, bytes);
	else
		read_list(im, bytes);
	BUG_ON(import_user_end(im) == (im->error.n != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const volatile sig_atomic_t never;
	static const struct import_options options = { .check = true, .stop = &never };
	static struct config *config;
	struct import first, second;

	if (!size)
		return 0;
	if (!config)
		config = config_default();
	struct str bytes = str_from((const char *)data + 1, size - 1);
	import_init(&first, config, &options);
	import_init(&second, config, &options);
	read_all(&first, data[0], bytes);
	read_all(&second, data[0], bytes);
	BUG_ON(first.in_user || !str_eq(first.error, second.error));
	BUG_ON(memcmp(&first.counts, &second.counts, sizeof first.counts) != 0);
	import_clear(&first);
	import_clear(&second);
	return 0;
}
