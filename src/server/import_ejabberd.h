/* Accounts of ejabberd's SQLite database (sql/lite.sql and lite.new.sql of version 23).
 *
 * The older schema has no column for the host: its host is the one that --host names. Accounts
 * in Mnesia come by `ejabberdctl export_piefxis` (server/import_pie.h), without archives, or by
 * its export2sql into such a database. */
#ifndef SERVER_IMPORT_EJABBERD_H
#define SERVER_IMPORT_EJABBERD_H

#include "server/import.h"

/* False: im->error says what is wrong. */
bool import_ejabberd(struct import *im, const char *path);

#endif
