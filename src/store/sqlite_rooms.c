/* Rooms: their reads, searches and writes. */
#include "base/bug.h"
#include "store/room_text.h"
#include "store/sqlite_conn.h"

#define SEARCH_STEP 4096 /* rooms that a search looks at until other reads may go on */

/* --- Reads ---------------------------------------------------------------------------- */

enum column {
	COL_NAME, COL_TITLE, COL_ABOUT, COL_LISTED, COL_PERSISTENT, COL_OCCUPANTS, COL_CREATED,
	COL_VERSION, COL_SUBJECT_TIME,
	/* of ST_ROOM */
	COL_CONFIG, COL_SUBJECT, COL_KEY, COL_ID,
	/* of searches, which have COL_CONFIG too */
	COL_FOLDED = COL_SUBJECT
};

static struct store_room row_of_list(struct store_op *op, sqlite3_stmt *st)
{
	return (struct store_room){
		.name = db_take_str(op, st, COL_NAME),
		.title = db_take_str(op, st, COL_TITLE),
		.about = db_take_str(op, st, COL_ABOUT),
		.listed = db_take_int(st, COL_LISTED) != 0,
		.persistent = db_take_int(st, COL_PERSISTENT) != 0,
		.occupants = (uint32_t)db_take_int(st, COL_OCCUPANTS),
		.created_us = db_take_int(st, COL_CREATED),
		.version = db_take_int(st, COL_VERSION),
		.subject_us = db_take_int(st, COL_SUBJECT_TIME),
	};
}

static void take_room(struct db *d, struct store_op *op, sqlite3_stmt *st)
{
	op->status = STORE_OK;
	op->number = db_take_int(st, COL_ID);
	op->room = row_of_list(op, st);
	op->room.config = db_take_str(op, st, COL_CONFIG);
	op->room.subject = db_take_str(op, st, COL_SUBJECT);
	op->room.key = db_take_str(op, st, COL_KEY);
}

static void take_listed(struct db *d, struct store_op *op, sqlite3_stmt *st)
{
	const struct store_room room = row_of_list(op, st);

	buf_add(&d->rows, str_from((const char *)&room, sizeof room));
}

static void take_affiliation(struct db *d, struct store_op *op, sqlite3_stmt *st)
{
	const struct store_affiliation entry = {
		.jid = db_take_str(op, st, 0),
		.affiliation = db_take_str(op, st, 1),
		.role = db_take_str(op, st, 2),
		.nick = db_take_str(op, st, 3),
		.reason = db_take_str(op, st, 4),
		.version = db_take_int(st, 5),
	};

	buf_add(&d->rows, str_from((const char *)&entry, sizeof entry));
}

/* The room's row; its number in op->number. */
static int read_row(struct db *d, struct store_op *op)
{
	op->status = STORE_NOT_FOUND;
	db_bind_text(d, ST_ROOM, 1, op->host);
	db_bind_text(d, ST_ROOM, 2, op->user);
	return db_each_row(d, op, ST_ROOM, take_room);
}

static int load_room(struct db *d, struct store_op *op)
{
	struct store_room *room = &op->room;
	int rc = read_row(d, op);

	if (rc != SQLITE_OK || op->status != STORE_OK)
		return rc;
	db_bind_int(d, ST_AFFILIATIONS, 1, op->number);
	rc = db_each_element(d, op, ST_AFFILIATIONS, sizeof *room->affiliations,
		take_affiliation, (void **)&room->affiliations, &room->n_affiliations);
	if (rc != SQLITE_OK)
		return rc;
	db_bind_int(d, ST_ROOM_RESIDENT, 1, op->number);
	return db_each_element(d, op, ST_ROOM_RESIDENT, sizeof *room->data, db_take_datum,
		(void **)&room->data, &room->n_data);
}

static int read_data(struct db *d, struct store_op *op)
{
	uint64_t id = 0;
	int rc = db_find(d, ST_FIND_ROOM, op, &id);

	op->status = rc == SQLITE_DONE ? STORE_NOT_FOUND : STORE_OK;
	if (rc != SQLITE_OK)
		return rc == SQLITE_DONE ? SQLITE_OK : rc;
	db_bind_int(d, ST_GET_ROOM_DATA, 1, id);
	db_bind_text(d, ST_GET_ROOM_DATA, 2, op->space);
	db_bind_text(d, ST_GET_ROOM_DATA, 3, op->bytes);
	return db_each_element(d, op, ST_GET_ROOM_DATA, sizeof *op->account.data, db_take_datum,
		(void **)&op->account.data, &op->account.n_data);
}

static int list_rooms(struct db *d, struct store_op *op, enum statement id)
{
	op->status = STORE_OK;
	db_bind_text(d, id, 1, op->host);
	db_bind_text(d, id, 2, op->user);
	db_bind_int(d, id, 3, op->number);
	return db_each_element(d, op, id, sizeof *op->rooms, take_listed, (void **)&op->rooms,
		&op->n_rooms);
}

static void take_counts(struct db *d, struct store_op *op, sqlite3_stmt *st)
{
	op->n_all = db_take_int(st, 0);
	op->n_before = db_take_int(st, 1);
}

static int list_listed(struct db *d, struct store_op *op)
{
	db_bind_text(d, ST_ROOMS_COUNTED, 1, op->host);
	db_bind_text(d, ST_ROOMS_COUNTED, 2, op->user);
	db_bind_int(d, ST_ROOMS_COUNTED, 3, STORE_ROOMS_COUNTED);
	int rc = db_each_row(d, op, ST_ROOMS_COUNTED, take_counts);
	return rc == SQLITE_OK ? list_rooms(d, op, ST_ROOMS_LISTED) : rc;
}

/* Bare JIDs; what the statement needs has been bound. */
static int list_names(struct db *d, struct store_op *op, enum statement id)
{
	op->status = STORE_OK;
	return db_each_element(d, op, id, sizeof *op->users, db_take_user, (void **)&op->users,
		&op->n_users);
}

int db_read_room(struct db *d, struct store_op *op)
{
	switch (op->kind) {
	case STORE_ROOM_LOAD:
		return load_room(d, op);
	case STORE_ROOM_DATA:
		return read_data(d, op);
	case STORE_ROOMS:
		return list_rooms(d, op, ST_ROOMS);
	case STORE_ROOMS_LISTED:
		return list_listed(d, op);
	case STORE_ROOMS_WITH:
		db_bind_text(d, ST_ROOMS_WITH, 1, op->space);
		return list_names(d, op, ST_ROOMS_WITH);
	case STORE_ROOMS_OF:
		db_bind_text(d, ST_ROOMS_OF, 1, op->jid);
		return list_names(d, op, ST_ROOMS_OF);
	case STORE_ROOMS_TEMPORARY:
		return list_names(d, op, ST_ROOMS_TEMPORARY);
	default:
		BUG("not a read of rooms");
	}
}

/* --- Searches ------------------------------------------------------------------------- */

static void look_at(struct store_op *op, sqlite3_stmt *st)
{
	const struct str text = str_from(sqlite3_column_blob(st, COL_FOLDED),
		(size_t)sqlite3_column_bytes(st, COL_FOLDED));

	if (db_take_int(st, COL_OCCUPANTS) < op->search->occupants ||
	    !db_room_search_fits(op->search, text))
		return;
	struct store_room *room = &op->rooms[op->n_rooms++];
	*room = row_of_list(op, st);
	room->config = db_take_str(op, st, COL_CONFIG);
}

/* Looks at rooms that a statement gives, until enough are found or *left have been looked at; the
 * search then goes on behind the last one. */
static int look_at_each(struct db *d, struct store_op *op, enum statement id, unsigned *left)
{
	sqlite3_stmt *st = db_statement(d, id);
	int rc = SQLITE_DONE;

	while (*left && op->n_rooms < op->search->max && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		look_at(op, st);
		if (--*left)
			continue;
		op->user = db_take_str(op, st, COL_NAME);
		op->number = db_take_int(st, COL_OCCUPANTS);
	}
	sqlite3_reset(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void bind_search(struct db *d, const struct store_op *op, enum statement id)
{
	db_bind_text(d, id, 1, op->host);
	db_bind_text(d, id, 2, op->user);
	if (id == ST_ROOMS_BY_NAME)
		return;
	db_bind_int(d, id, 3, op->number);
	db_bind_int(d, id, 4, op->search->occupants);
}

static int search_by(struct db *d, struct store_op *op, enum statement id, unsigned *left)
{
	bind_search(d, op, id);
	return look_at_each(d, op, id, left);
}

int db_search_rooms(struct db *d, struct store_op *op, bool *more)
{
	unsigned left = SEARCH_STEP;
	int rc;

	op->status = STORE_OK;
	if (op->search->by_occupants) {
		rc = search_by(d, op, ST_ROOMS_EQUAL, &left);
		if (rc == SQLITE_OK)
			rc = search_by(d, op, ST_ROOMS_SMALLER, &left);
	} else {
		rc = search_by(d, op, ST_ROOMS_BY_NAME, &left);
	}
	*more = rc == SQLITE_OK && !left && op->n_rooms < op->search->max;
	return rc;
}

/* --- Writes --------------------------------------------------------------------------- */

static int put_row(struct db *d, const struct store_op *op)
{
	const struct store_room *room = &op->room;

	db_bind_text(d, ST_PUT_ROOM, 1, op->host);
	db_bind_text(d, ST_PUT_ROOM, 2, op->user);
	db_bind_text(d, ST_PUT_ROOM, 3, room->title);
	db_bind_text(d, ST_PUT_ROOM, 4, room->about);
	db_bind_int(d, ST_PUT_ROOM, 5, room->listed);
	db_bind_int(d, ST_PUT_ROOM, 6, room->persistent);
	db_bind_int(d, ST_PUT_ROOM, 7, room->occupants);
	db_bind_int(d, ST_PUT_ROOM, 8, room->created_us);
	db_bind_int(d, ST_PUT_ROOM, 9, room->version);
	db_bind_int(d, ST_PUT_ROOM, 10, room->subject_us);
	db_bind_text(d, ST_PUT_ROOM, 11, op->bytes);
	db_bind_text(d, ST_PUT_ROOM, 12, room->config);
	db_bind_text(d, ST_PUT_ROOM, 13, room->subject);
	db_bind_blob(d, ST_PUT_ROOM, 14, room->key);
	return db_run(d, ST_PUT_ROOM);
}

static int put_affiliation(struct db *d, const struct store_affiliation *entry, uint64_t id)
{
	enum statement st = entry->affiliation.n ? ST_PUT_AFFILIATION : ST_DEL_AFFILIATION;

	db_bind_int(d, st, 1, id);
	db_bind_text(d, st, 2, entry->jid);
	if (st == ST_PUT_AFFILIATION) {
		db_bind_text(d, st, 3, entry->affiliation);
		db_bind_text(d, st, 4, entry->role);
		db_bind_text(d, st, 5, entry->nick);
		db_bind_text(d, st, 6, entry->reason);
		db_bind_int(d, st, 7, entry->version);
	}
	return db_run(d, st);
}

/* With the room's version, which is none of an older list. */
static int put_affiliations(struct db *d, const struct store_room *room, uint64_t id)
{
	uint64_t version = 0;

	for (size_t i = 0; i < room->n_affiliations; i++) {
		const struct store_affiliation *entry = &room->affiliations[i];
		int rc = put_affiliation(d, entry, id);

		if (rc != SQLITE_OK)
			return rc;
		if (entry->version > version)
			version = entry->version;
	}
	if (!version)
		return SQLITE_OK;
	db_bind_int(d, ST_ROOM_VERSION, 1, id);
	db_bind_int(d, ST_ROOM_VERSION, 2, version);
	return db_run(d, ST_ROOM_VERSION);
}

static int change_room(struct db *d, const struct store_op *op, uint64_t id)
{
	int rc = put_affiliations(d, &op->room, id);

	if (rc != SQLITE_OK)
		return rc;
	return db_put_data(d, ST_PUT_ROOM_DATA, ST_DEL_ROOM_DATA, id, op->account.data,
		op->account.n_data);
}

static int delete_room(struct db *d, uint64_t id)
{
	db_bind_int(d, ST_DEL_ROOM, 1, id);
	return db_run(d, ST_DEL_ROOM);
}

int db_write_room(struct db *d, struct store_op *op)
{
	uint64_t id = 0;
	int rc = op->kind == STORE_ROOM_SAVE ? put_row(d, op) : SQLITE_OK;

	if (rc == SQLITE_OK)
		rc = db_find(d, ST_FIND_ROOM, op, &id);
	if (rc != SQLITE_OK && rc != SQLITE_DONE)
		return rc;
	bool found = rc == SQLITE_OK;
	op->status = found || op->kind == STORE_ROOM_DELETE ? STORE_OK : STORE_NOT_FOUND;
	if (!found)
		return SQLITE_OK;
	return op->kind == STORE_ROOM_DELETE ? delete_room(d, id) : change_room(d, op, id);
}
