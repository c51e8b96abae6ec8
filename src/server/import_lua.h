/* Files of Prosody's internal storage: "return TABLE;" (.dat), or "item(TABLE);" any number of
 * times (.list). They are Lua programs; here they are read and never run, and only what
 * util.serialization writes is understood. */
#ifndef SERVER_IMPORT_LUA_H
#define SERVER_IMPORT_LUA_H

#include "server/import.h"
#include "server/import_value.h"

#define LUA_DEPTH_MAX 128 /* of tables; util.serialization writes 127 */

struct lua {
	struct import *im;   /* its line follows */
	struct str rest;
};

/* A reader of these bytes. */
void lua_init(struct lua *l, struct import *im, struct str bytes);

/* The one value of a .dat file. False: im->error says what is wrong. */
bool lua_read(struct lua *l, struct arena *a, struct value *out);

/* The next item of a .list file. False at its end, and when im->error says what is wrong. */
bool lua_next(struct lua *l, struct arena *a, struct value *out);

#endif
