/* What other servers wrote: whatever the bytes are, reading them ends with an error or without,
 * the same each time, and nothing is left open. The first byte chooses: XEP-0227, a table of
 * Prosody's, a list of messages, a room of Prosody's, or one of ejabberd's. */
#include "base/bug.h"
#include "server/import_ejabberd.h"
#include "server/import_erlang.h"
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

static void read_room(struct import *im, struct str bytes, bool ejabberd)
{
	struct arena a;
	struct value v;
	struct lua l;

	arena_init(&a, 4096);
	lua_init(&l, im, bytes);
	BUG_ON(!import_room(im, STR("rooms.localhost"), STR("garden")));
	if (ejabberd ? erlang_read(bytes, &a, &v) : lua_read(&l, &a, &v)) {
		if (ejabberd)
			ejabberd_room(im, &v, &a);
		else
			prosody_room(im, &v);
	}
	BUG_ON(import_room_end(im) == (im->error.n != 0));
	arena_clear(&a);
}

static void read_all(struct import *im, uint8_t kind, struct str bytes)
{
	if (kind % 5 == 0) {
		BUG_ON(import_pie_bytes(im, bytes) == (im->error.n != 0));
		return;
	}
	if (kind % 5 > 2) {
		read_room(im, bytes, kind % 5 == 4);
		return;
	}
	BUG_ON(!import_user(im, STR("localhost"), STR("juliet")));
	if (kind % 5 == 1)
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
	uint8_t kind = (uint8_t)(data[0] - '0');
	struct str bytes = str_from((const char *)data + 1, size - 1);
	import_init(&first, config, &options);
	import_init(&second, config, &options);
	read_all(&first, kind, bytes);
	read_all(&second, kind, bytes);
	BUG_ON(first.in_user || !str_eq(first.error, second.error));
	BUG_ON(memcmp(&first.counts, &second.counts, sizeof first.counts) != 0);
	import_clear(&first);
	import_clear(&second);
	return 0;
}
