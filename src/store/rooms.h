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

/* Rooms that a list counts. */
#define STORE_ROOMS_COUNTED    1000

/* And of a search: bytes, words, rooms that it finds. More of the last are no error: it finds
 * so many. */
#define STORE_ROOM_QUERY_MAX   1024
#define STORE_ROOM_WORDS_MAX   16
#define STORE_ROOM_FOUND_MAX   256

/* What a search looks in. */
enum {
	STORE_IN_NAME = 1,
	STORE_IN_TITLE = 2,
	STORE_IN_ABOUT = 4
};

struct store_room_query {
	struct str words;         /* between white space; a room has to have each of them, also
	                           * inside a word of its own. None: every room has them */
	unsigned in;              /* STORE_IN_NAME, ...: in which of its texts */
	uint32_t occupants;       /* and at least so many */
	bool by_occupants;        /* the most first, equal ones by name; else all by name */
	struct str after;         /* name of the room behind which to go on, or empty */
	uint32_t after_occupants; /* of that room, as they were found; matters by_occupants */
	unsigned max;
};

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

/* Result: account.data, with one entry of the room's data or none. STORE_NOT_FOUND: there is no
 * such room. */
void store_room_data(struct store *s, struct store_op *op, struct str host, struct str name,
	struct str space, struct str key);

/* Rooms of a host in byte order of their names, at most max, those behind `after`; listed: only
 * those that everybody may find. Result: rooms, without config, subject, key and lists. Of listed
 * ones too: n_all, how many there are; n_before, how many of them up to `after`. Neither is counted
 * beyond STORE_ROOMS_COUNTED. */
void store_rooms(struct store *s, struct store_op *op, struct str host, struct str after,
	unsigned max, bool listed);

/* Listed rooms of a host that the query fits. Case does not matter, nor do compatible forms of a
 * character (NFKC); of the description the first 4 KiB are looked in. A search through many rooms
 * is done in steps, between which other reads and writes go on: by_occupants, a room whose number
 * changes meanwhile may be found twice, or not. Result: rooms, as of store_rooms(), with config. */
void store_rooms_search(struct store *s, struct store_op *op, struct str host,
	const struct store_room_query *query);

/* The rooms of all hosts that have data of a space. Result: users, as bare JIDs. */
void store_rooms_with(struct store *s, struct store_op *op, struct str space);

/* The rooms of all hosts that have an entry for a bare JID among their affiliations. Result: users,
 * as bare JIDs. */
void store_rooms_of(struct store *s, struct store_op *op, struct str jid);

/* The rooms of all hosts that are not persistent. Result: users, as bare JIDs. */
void store_rooms_temporary(struct store *s, struct store_op *op);

#endif
