/* The calls of store/rooms.h: they check bounds and copy; store/sqlite_rooms.c has the SQL. */
#include "store/rooms.h"

#include "store/room_text.h"
#include "store/store_private.h"

void store_room_load(struct store *s, struct store_op *op, struct str host, struct str name)
{
	store_op_address(op, STORE_ROOM_LOAD, host, name);
	store_submit(s, op);
}

static bool row_within_bounds(const struct store_room *row)
{
	return row->title.n <= STORE_ROOM_CONFIG_MAX && row->about.n <= STORE_ROOM_CONFIG_MAX &&
	       row->config.n <= STORE_ROOM_CONFIG_MAX &&
	       row->subject.n <= STORE_ROOM_SUBJECT_MAX && row->key.n <= STORE_ROOM_KEY_MAX;
}

/* The lengths are looked at one by one: their sum could be one that has wrapped. */
static bool entry_within_bounds(const struct store_affiliation *entry)
{
	const size_t lengths[] = { entry->jid.n, entry->affiliation.n, entry->role.n,
		entry->nick.n, entry->reason.n };
	size_t left = STORE_ROOM_ENTRY_MAX;

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		if (lengths[i] > left)
			return false;
		left -= lengths[i];
	}
	return true;
}

static bool changes_within_bounds(const struct store_affiliation *changes, size_t n)
{
	if (n > STORE_ROOM_CHANGES_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!entry_within_bounds(&changes[i]))
			return false;
	return true;
}

static void copy_row(struct store_op *op, const struct store_room *row)
{
	struct store_room *room = &op->room;

	*room = *row;
	room->name = op->user;
	room->title = str_dup(&op->mem, row->title);
	room->about = str_dup(&op->mem, row->about);
	room->config = str_dup(&op->mem, row->config);
	room->subject = str_dup(&op->mem, row->subject);
	room->key = str_dup(&op->mem, row->key);
	room->data = NULL;
	room->n_data = 0;
	op->bytes = db_room_text(&op->mem, room);
}

static void copy_changes(struct store_op *op, const struct store_affiliation *changes, size_t n)
{
	struct store_affiliation *copies = arena_alloc(&op->mem, n * sizeof *changes);

	for (size_t i = 0; i < n; i++)
		copies[i] = (struct store_affiliation){
			.jid = str_dup(&op->mem, changes[i].jid),
			.affiliation = str_dup(&op->mem, changes[i].affiliation),
			.role = str_dup(&op->mem, changes[i].role),
			.nick = str_dup(&op->mem, changes[i].nick),
			.reason = str_dup(&op->mem, changes[i].reason),
			.version = changes[i].version,
		};
	op->room.affiliations = copies;
	op->room.n_affiliations = n;
}

void store_room_save(struct store *s, struct store_op *op, struct str host, struct str name,
	const struct store_room *row, const struct store_affiliation *changes, size_t n_changes,
	const struct store_datum *data, size_t n_data)
{
	store_op_address(op, row ? STORE_ROOM_SAVE : STORE_ROOM_CHANGE, host, name);
	if ((row && !row_within_bounds(row)) || !changes_within_bounds(changes, n_changes) ||
	    !store_op_data(op, data, n_data)) {
		store_refuse(s, op);
		return;
	}
	if (row)
		copy_row(op, row);
	copy_changes(op, changes, n_changes);
	store_submit(s, op);
}

void store_room_delete(struct store *s, struct store_op *op, struct str host, struct str name)
{
	store_op_address(op, STORE_ROOM_DELETE, host, name);
	store_submit(s, op);
}

void store_room_data(struct store *s, struct store_op *op, struct str host, struct str name,
	struct str space, struct str key)
{
	store_op_address(op, STORE_ROOM_DATA, host, name);
	op->space = str_dup(&op->mem, space);
	op->bytes = str_dup(&op->mem, key);
	store_submit(s, op);
}

void store_rooms(struct store *s, struct store_op *op, struct str host, struct str after,
	unsigned max, bool listed)
{
	store_op_address(op, listed ? STORE_ROOMS_LISTED : STORE_ROOMS, host, after);
	op->number = max;
	store_submit(s, op);
}

void store_rooms_search(struct store *s, struct store_op *op, struct str host,
	const struct store_room_query *query)
{
	store_op_address(op, STORE_ROOMS_SEARCH, host, query->after);
	op->search = db_room_search_new(&op->mem, query);
	if (!op->search) {
		store_refuse(s, op);
		return;
	}
	op->number = query->after.n ? query->after_occupants : UINT32_MAX;
	op->rooms = arena_alloc(&op->mem, op->search->max * sizeof *op->rooms);
	store_submit(s, op);
}

void store_rooms_with(struct store *s, struct store_op *op, struct str space)
{
	store_op_address(op, STORE_ROOMS_WITH, STR(""), STR(""));
	op->space = str_dup(&op->mem, space);
	store_submit(s, op);
}

void store_rooms_of(struct store *s, struct store_op *op, struct str jid)
{
	store_op_address(op, STORE_ROOMS_OF, STR(""), STR(""));
	op->jid = str_dup(&op->mem, jid);
	store_submit(s, op);
}

void store_rooms_temporary(struct store *s, struct store_op *op)
{
	store_op_address(op, STORE_ROOMS_TEMPORARY, STR(""), STR(""));
	store_submit(s, op);
}
