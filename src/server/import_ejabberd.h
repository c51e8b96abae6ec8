/* Accounts and rooms of ejabberd's SQLite database (sql/lite.sql and lite.new.sql of version 23).
 *
 * The older schema has no column for the host: its host is the one that --host names. Accounts
 * in Mnesia come by `ejabberdctl export_piefxis` (server/import_pie.h), without archives, or by
 * its export2sql into such a database. */
#ifndef SERVER_IMPORT_EJABBERD_H
#define SERVER_IMPORT_EJABBERD_H

#include "server/import.h"
#include "server/import_value.h"

/* False: im->error says what is wrong. */
bool import_ejabberd(struct import *im, const char *path);

/* The options of a room, as import_erlang.h reads them: whether it is one that stays, and what there
 * is of the room at hand. The arena is scratch. */
bool ejabberd_room_stays(const struct value *options);
void ejabberd_room(struct import *im, const struct value *options, struct arena *a);

#endif
