/* Rooms (XEP-0045) in the store: configuration, affiliations, and data of modules. Their messages
 * are in the ledger, in an archive named by the room's bare JID. The rules of store/store.h hold,
 * where the structs are too: what is given is copied, writes are carried out in order, and each
 * call's changes all or none. */
#ifndef STORE_ROOMS_H
#define STORE_ROOMS_H

#include "store/store.h"

/* Bounds, in bytes but for the last one: entries of each list of one call of store_room_save().
 * What is over one of them is STORE_FULL. */
#define STORE_ROOM_CONFIG_MAX  (64 * 1024)  /* title and about are part of it */
#define STORE_ROOM_SUBJECT_MAX (256 * 1024)
#define STORE_ROOM_KEY_MAX     64
#define STORE_ROOM_ENTRY_MAX   (32 * 1024)  /* an affiliation, with all its strings */
#define STORE_ROOM_CHANGES_MAX 20000

/* Result: room, with all that it has, its data of spaces whose names begin with a capital left
 * out. STORE_NOT_FOUND: there is none. */
void store_room_load(struct store *s, struct store_op *op, struct str host, struct str name);

/* Makes the room, or changes it. row: NULL leaves that part as it is (STORE_NOT_FOUND: there is no
 * such room); its name and lists are not looked at. changes: each puts or replaces the entry of its
 * JID; the room's version becomes that of a change that has a higher one. data: as store_set_data()
 * takes it. */
void store_room_save(struct store *s, struct store_op *op, struct str host, struct str name,
	const struct store_room *row, const struct store_affiliation *changes, size_t n_changes,
	const struct store_datum *data, size_t n_data);

/* With its affiliations and data. One that is not there is no error. */
void store_room_delete(struct store *s, struct store_op *op, struct str host, struct str name);

/* Result: account.data, with one entry of the room's data or none. */
void store_room_data(struct store *s, struct store_op *op, struct str host, struct str name,
	struct str space, struct str key);

/* Rooms of a host in byte order of their names, at most max, those behind `after`; listed: only
 * those that everybody may find. Result: rooms, without config, subject, key and lists. */
void store_rooms(struct store *s, struct store_op *op, struct str host, struct str after,
	unsigned max, bool listed);

/* The rooms of all hosts that have data of a space. Result: users, as bare JIDs. */
void store_rooms_with(struct store *s, struct store_op *op, struct str space);

/* The rooms of all hosts that are not persistent. Result: users, as bare JIDs. */
void store_rooms_temporary(struct store *s, struct store_op *op);

#endif
