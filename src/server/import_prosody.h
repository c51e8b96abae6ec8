/* Accounts of Prosody (0.9 to 0.12): its internal storage, a folder, and its SQLite database.
 *
 * The same tables stand in both, and what they mean stands in import_prosody.c once. Prosody may
 * run meanwhile: it replaces files whole, and what it changes later is not seen. */
#ifndef SERVER_IMPORT_PROSODY_H
#define SERVER_IMPORT_PROSODY_H

#include "server/import.h"
#include "server/import_value.h"

/* path: the data folder (data_path, /var/lib/prosody), or the database. False: im->error says
 * what is wrong. */
bool import_prosody(struct import *im, const char *path);

/* By its kind. */
bool import_prosody_folder(struct import *im, const char *path);
bool import_prosody_sqlite(struct import *im, const char *path);

/* One store of the account at hand ("accounts", "roster", ...). Of an unknown one nothing is
 * taken. */
void prosody_store(struct import *im, struct str name, const struct value *v);

/* A message of the stores "offline" or "archive", as a table. */
void prosody_message(struct import *im, struct str store, const struct value *v);

/* The payload of an item of a PEP node, as a table. */
void prosody_node(struct import *im, struct str node, const struct value *v);

/* A room, as the table that its store "config" has: whether it is one that stays, and what there is
 * of it. Its archive is "muc_log". */
bool prosody_room_stays(const struct value *room);
void prosody_room(struct import *im, const struct value *room);

/* The names of the stores that prosody_store() knows; NULL ends them. */
extern const char *const prosody_stores[];

/* Whether a store is one of these, one of messages, or one that holds nothing of a person's. */
bool prosody_knows(struct str name);

#endif
