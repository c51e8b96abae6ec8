/* Rooms (store/rooms.h), but for searches. */
#include "store/rooms_testing.h"

static const struct store_room coven = {
	.title = { "A Dark Cave", 11 }, .about = { "The place for all good witches!", 31 },
	.listed = true, .persistent = true, .occupants = UINT32_MAX, .config = { "<x/>", 4 },
	.subject = { "<message/>", 10 }, .subject_us = 7, .key = { "\0\xff\0k", 4 },
	.created_us = 1700000000123456, .version = 5,
};
static const struct store_room heath = { .title = { "'; \xc3\xa9 \xff \0", 9 }, .version = 9 };

static const struct store_affiliation crone = { { "crone1@x", 8 }, { "owner", 5 },
	{ "moderator", 9 }, { "firstwitch", 10 }, { "because", 7 }, 4 };
static const struct store_affiliation earl = { { "earl@x", 6 }, { "outcast", 7 }, { "", 0 },
	{ "", 0 }, { "Treason", 7 }, 5 };
static const struct store_affiliation no_earl = { { "earl@x", 6 }, .version = 8 };

#define DATUM(space, key, bytes) { STR_INIT(space), STR_INIT(key), STR_INIT(bytes) }
#define STR_INIT(lit)            { "" lit, sizeof(lit) - 1 }

static void assert_row(const struct store_room *is, const struct store_room *should)
{
	assert_str(is->title, should->title);
	assert_str(is->about, should->about);
	assert_int_equal(is->listed, should->listed);
	assert_int_equal(is->persistent, should->persistent);
	assert_int_equal(is->occupants, should->occupants);
	assert_int_equal(is->subject_us, should->subject_us);
	assert_int_equal(is->created_us, should->created_us);
	assert_int_equal(is->version, should->version);
}

static void assert_whole_row(const struct store_room *is, const struct store_room *should)
{
	assert_row(is, should);
	assert_str(is->config, should->config);
	assert_str(is->subject, should->subject);
	assert_str(is->key, should->key);
}

static void assert_entries(const struct store_room *is, const struct store_affiliation *should,
	size_t n)
{
	assert_int_equal(is->n_affiliations, n);
	for (size_t i = 0; i < n; i++) {
		const struct store_affiliation *entry = &is->affiliations[i];

		assert_str(entry->jid, should[i].jid);
		assert_str(entry->affiliation, should[i].affiliation);
		assert_str(entry->role, should[i].role);
		assert_str(entry->nick, should[i].nick);
		assert_str(entry->reason, should[i].reason);
		assert_int_equal(entry->version, should[i].version);
	}
}

static void assert_data(const struct store_datum *is, size_t n_is,
	const struct store_datum *should, size_t n)
{
	assert_int_equal(n_is, n);
	for (size_t i = 0; i < n; i++) {
		assert_str(is[i].space, should[i].space);
		assert_str(is[i].key, should[i].key);
		assert_str(is[i].bytes, should[i].bytes);
	}
}

static enum store_status save(struct bench *b, struct str name, const struct store_room *row,
	const struct store_affiliation *changes, size_t n_changes,
	const struct store_datum *data, size_t n_data)
{
	store_room_save(b->s, new_op(b), MUC, name, row, changes, n_changes, data, n_data);
	return wait_all(b)->status;
}

static void change(struct bench *b, const struct store_affiliation *changes, size_t n)
{
	assert_int_equal(save(b, COVEN, NULL, changes, n, NULL, 0), STORE_OK);
}

/* --- One room ------------------------------------------------------------------------- */

static void a_room_comes_back_as_it_was_saved(void **state)
{
	static const struct store_datum data[] = { DATUM("b", "k", "1"),
		DATUM("a", "\xff\0", "\0"), DATUM("Big", "", "x"), DATUM("a", "A", "2") };
	const struct store_affiliation given[] = { earl, crone }, sorted[] = { crone, earl };
	const struct store_datum resident[] = { data[3], data[1], data[0] };
	struct bench *b = *state;

	assert_int_equal(save(b, COVEN, &coven, given, 2, data, 4), STORE_OK);
	const struct store_room *room = load_room(b, COVEN);
	assert_whole_row(room, &coven);
	assert_entries(room, sorted, 2);
	assert_data(room->data, room->n_data, resident, 3);
}

static void a_new_room_has_what_it_was_given_and_nothing_else(void **state)
{
	struct bench *b = *state;

	assert_int_equal(save(b, COVEN, &heath, NULL, 0, NULL, 0), STORE_OK);
	const struct store_room *room = load_room(b, COVEN);
	assert_whole_row(room, &heath);
	assert_entries(room, NULL, 0);
	assert_int_equal(room->n_data, 0);
}

static void a_row_is_replaced_and_leaves_the_lists(void **state)
{
	static const struct store_datum datum = DATUM("a", "k", "1");
	struct bench *b = *state;

	save(b, COVEN, &coven, &crone, 1, &datum, 1);
	assert_int_equal(save(b, COVEN, &heath, NULL, 0, NULL, 0), STORE_OK);
	const struct store_room *room = load_room(b, COVEN);
	assert_whole_row(room, &heath);
	assert_entries(room, &crone, 1);
	assert_data(room->data, room->n_data, &datum, 1);
}

static void lists_change_without_the_row(void **state)
{
	static const struct store_datum before[] = { DATUM("a", "k", "1"), DATUM("a", "l", "2") };
	static const struct store_datum changes[] = { DATUM("a", "k", ""), DATUM("a", "m", "3"),
		DATUM("a", "never", ""), DATUM("a", "l", "new") };
	const struct store_datum after[] = { changes[3], changes[1] };
	const struct store_affiliation both[] = { crone, earl };
	struct store_room same = coven;
	struct store_affiliation promoted = crone;
	struct bench *b = *state;

	promoted.role = STR("visitor");
	promoted.nick = STR("");
	promoted.version = 8;
	save(b, COVEN, &coven, both, 2, before, 2);
	const struct store_affiliation then[] = { no_earl, promoted, { .jid = STR("never@x") } };
	assert_int_equal(save(b, COVEN, NULL, then, 3, changes, 4), STORE_OK);
	const struct store_room *room = load_room(b, COVEN);
	same.version = 8;
	assert_whole_row(room, &same);
	assert_entries(room, &promoted, 1);
	assert_data(room->data, room->n_data, after, 2);
}

/* XEP-0463 section 3.1: what a list has changed since a version is asked for with that version. */
static void the_version_never_falls_behind_an_entry(void **state)
{
	struct store_affiliation newer = earl, older = earl;
	struct bench *b = *state;

	newer.version = 20;
	older.version = 2;
	save(b, COVEN, &coven, NULL, 0, NULL, 0);
	change(b, &crone, 1); /* 4, and the room has 5 */
	assert_int_equal(load_room(b, COVEN)->version, 5);
	change(b, &newer, 1);
	assert_int_equal(load_room(b, COVEN)->version, 20);
	change(b, &older, 1);
	assert_int_equal(load_room(b, COVEN)->version, 20);
	/* A row may set it, but for the entries that come with it. */
	save(b, COVEN, &coven, NULL, 0, NULL, 0);
	assert_int_equal(load_room(b, COVEN)->version, 5);
	save(b, COVEN, &coven, &no_earl, 1, NULL, 0);
	assert_int_equal(load_room(b, COVEN)->version, 8);
}

static void the_last_change_of_a_jid_counts(void **state)
{
	const struct store_affiliation given[] = { crone, earl, no_earl };
	struct bench *b = *state;

	save(b, COVEN, &coven, given, 3, NULL, 0);
	assert_entries(load_room(b, COVEN), &crone, 1);
}

static void rooms_are_told_apart_by_host_and_name(void **state)
{
	struct bench *b = *state;

	save(b, COVEN, &coven, &crone, 1, NULL, 0);
	save(b, STR("heath"), &heath, &earl, 1, NULL, 0);
	store_room_save(b->s, new_op(b), HOST, COVEN, &heath, NULL, 0, NULL, 0);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	/* And from accounts. */
	assert_int_equal(create(b, COVEN), STORE_OK);
	assert_whole_row(load_room(b, COVEN), &coven);
	assert_entries(load_room(b, COVEN), &crone, 1);
	assert_entries(load_room(b, STR("heath")), &earl, 1);
	store_room_delete(b->s, new_op(b), HOST, COVEN);
	load(b, COVEN);
	assert_whole_row(load_room(b, COVEN), &coven);
}

static void unknown_rooms_are_not_found_and_not_made(void **state)
{
	static const struct store_datum datum = DATUM("a", "k", "1");
	struct bench *b = *state;

	save(b, STR("heath"), &heath, NULL, 0, NULL, 0);
	assert_int_equal(save(b, COVEN, NULL, &crone, 1, &datum, 1), STORE_NOT_FOUND);
	store_room_load(b->s, new_op(b), MUC, COVEN);
	assert_int_equal(wait_all(b)->status, STORE_NOT_FOUND);
	store_room_load(b->s, new_op(b), HOST, STR("heath"));
	assert_int_equal(wait_all(b)->status, STORE_NOT_FOUND);
	store_room_data(b->s, new_op(b), MUC, COVEN, STR("a"), STR("k"));
	assert_int_equal(wait_all(b)->status, STORE_NOT_FOUND);
	store_room_delete(b->s, new_op(b), MUC, COVEN);
	assert_int_equal(wait_all(b)->status, STORE_OK);
}

static void one_entry_of_the_data_is_read_by_space_and_key(void **state)
{
	static const struct store_datum data[] = { DATUM("Big", "k\0", "\0\xff"),
		DATUM("Big", "k", "2"), DATUM("small", "k", "3") };
	struct bench *b = *state;

	save(b, COVEN, &coven, NULL, 0, data, 3);
	for (size_t i = 0; i < 3; i++) {
		store_room_data(b->s, new_op(b), MUC, COVEN, data[i].space, data[i].key);
		assert_int_equal(wait_all(b)->status, STORE_OK);
		assert_data(b->last->account.data, b->last->account.n_data, &data[i], 1);
	}
	store_room_data(b->s, new_op(b), MUC, COVEN, STR("small"), STR("other"));
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_int_equal(b->last->account.n_data, 0);
}

static void nothing_is_left_of_a_deleted_room(void **state)
{
	static const struct store_datum data[] = { DATUM("a", "k", "1"), DATUM("Big", "k", "1") };
	struct bench *b = *state;

	save(b, COVEN, &coven, &crone, 1, data, 2);
	save(b, STR("heath"), &heath, &earl, 1, data, 2);
	store_room_delete(b->s, new_op(b), MUC, COVEN);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_int_equal(ask(b, "SELECT count(*) FROM rooms"), 1);
	assert_int_equal(ask(b, "SELECT count(*) FROM room_affiliations"), 1);
	assert_int_equal(ask(b, "SELECT count(*) FROM room_data"), 2);
	save(b, COVEN, &heath, NULL, 0, NULL, 0);
	assert_entries(load_room(b, COVEN), NULL, 0);
	assert_int_equal(b->last->room.n_data, 0);
	assert_entries(load_room(b, STR("heath")), &earl, 1);
}

static void a_call_is_there_whole_or_not_at_all(void **state)
{
	static const struct store_datum good = DATUM("a", "good", "1");
	static const struct store_datum bad[] = { DATUM("a", "good", "2"), DATUM("a", "bad", "1") };
	const struct store_affiliation entries[] = { no_earl, crone };
	struct bench *b = *state;

	save(b, COVEN, &coven, &earl, 1, &good, 1);
	run_sql(b, "CREATE TRIGGER refuse BEFORE INSERT ON room_data WHEN new.key = 'bad' "
		"BEGIN SELECT RAISE(ABORT, 'no'); END");
	assert_int_equal(save(b, COVEN, &heath, entries, 2, bad, 2), STORE_FAILED);
	const struct store_room *room = load_room(b, COVEN);
	assert_whole_row(room, &coven);
	assert_entries(room, &earl, 1);
	assert_data(room->data, room->n_data, &good, 1);
	assert_int_equal(save(b, STR("new"), &heath, entries, 2, bad, 2), STORE_FAILED);
	store_room_load(b->s, new_op(b), MUC, STR("new"));
	assert_int_equal(wait_all(b)->status, STORE_NOT_FOUND);
}

/* --- Bounds --------------------------------------------------------------------------- */

static char much[STORE_BYTES_MAX + 1];

static struct str xs(size_t n)
{
	return str_from(much, n);
}

static void a_row_over_a_bound_is_refused(void **state)
{
	static const struct {
		const char *name;
		size_t title, about, config, subject, key;
		enum store_status status;
	} cases[] = {
		{ "title", STORE_ROOM_CONFIG_MAX + 1, 0, 0, 0, 0, STORE_FULL },
		{ "about", 0, STORE_ROOM_CONFIG_MAX + 1, 0, 0, 0, STORE_FULL },
		{ "config", 0, 0, STORE_ROOM_CONFIG_MAX + 1, 0, 0, STORE_FULL },
		{ "subject", 0, 0, 0, STORE_ROOM_SUBJECT_MAX + 1, 0, STORE_FULL },
		{ "key", 0, 0, 0, 0, STORE_ROOM_KEY_MAX + 1, STORE_FULL },
		{ "all at their bounds", STORE_ROOM_CONFIG_MAX, STORE_ROOM_CONFIG_MAX,
		  STORE_ROOM_CONFIG_MAX, STORE_ROOM_SUBJECT_MAX, STORE_ROOM_KEY_MAX, STORE_OK },
	};
	struct bench *b = *state;

	memset(much, 'x', sizeof much);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct store_room row = { .title = xs(cases[i].title),
			.about = xs(cases[i].about), .config = xs(cases[i].config),
			.subject = xs(cases[i].subject), .key = xs(cases[i].key) };

		if (save(b, COVEN, &row, NULL, 0, NULL, 0) != cases[i].status)
			fail_msg("%s: status %d", cases[i].name, (int)b->last->status);
		assert_int_equal(ask(b, "SELECT count(*) FROM rooms"), b->last->status == STORE_OK);
		if (b->last->status == STORE_OK)
			assert_whole_row(load_room(b, COVEN), &row);
	}
}

static void entries_over_a_bound_are_refused_whole(void **state)
{
	enum { MAX = STORE_ROOM_ENTRY_MAX };
	static const struct {
		const char *name;
		size_t jid, affiliation, role, nick, reason, n;
		enum store_status status;
	} cases[] = {
		{ "all at the bound", 1000, 1, 1, 1, MAX - 1003, 1, STORE_OK },
		{ "one more", 1000, 1, 1, 1, MAX - 1002, 1, STORE_FULL },
		{ "jid", MAX + 1, 1, 0, 0, 0, 1, STORE_FULL },
		{ "affiliation", 1, MAX, 0, 0, 0, 1, STORE_FULL },
		{ "role", 1, 1, MAX, 0, 0, 1, STORE_FULL },
		{ "nick", 1, 1, 0, MAX, 0, 1, STORE_FULL },
		{ "reason", 1, 1, 0, 0, MAX, 1, STORE_FULL },
		{ "the last of two", 1, 1, 0, 0, MAX, 2, STORE_FULL },
		{ "as many as may be", 1, 1, 0, 0, 0, STORE_ROOM_CHANGES_MAX, STORE_OK },
		{ "too many", 1, 1, 0, 0, 0, STORE_ROOM_CHANGES_MAX + 1, STORE_FULL },
	};
	struct bench *b = *state;
	struct store_affiliation *changes = xcalloc(STORE_ROOM_CHANGES_MAX + 1, sizeof *changes);

	memset(much, 'x', sizeof much);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t k = 0; k < cases[i].n; k++)
			changes[k] = (struct store_affiliation){ .jid = STR("y"),
				.affiliation = STR("member") };
		changes[cases[i].n - 1] = (struct store_affiliation){ xs(cases[i].jid),
			xs(cases[i].affiliation), xs(cases[i].role), xs(cases[i].nick),
			xs(cases[i].reason), 1 };
		if (save(b, COVEN, &heath, changes, cases[i].n, NULL, 0) != cases[i].status)
			fail_msg("%s: status %d", cases[i].name, (int)b->last->status);
		if (cases[i].status == STORE_OK)
			assert_int_equal(load_room(b, COVEN)->n_affiliations,
				cases[i].n > 1 ? 2 : 1);
		store_room_delete(b->s, new_op(b), MUC, COVEN);
		wait_all(b);
	}
	free(changes);
}

static void data_over_a_bound_are_refused_whole(void **state)
{
	static const struct {
		const char *name;
		size_t space, key, bytes, n;
		enum store_status status;
	} cases[] = {
		{ "all at its bound", STORE_SPACE_MAX, STORE_KEY_MAX, STORE_BYTES_MAX, 1,
		  STORE_OK },
		{ "space", STORE_SPACE_MAX + 1, 1, 1, 1, STORE_FULL },
		{ "key", 1, STORE_KEY_MAX + 1, 1, 1, STORE_FULL },
		{ "bytes", 1, 1, STORE_BYTES_MAX + 1, 1, STORE_FULL },
		{ "changes", 1, 1, 1, STORE_CHANGES_MAX + 1, STORE_FULL },
	};
	struct bench *b = *state;
	struct store_datum *changes = xcalloc(STORE_CHANGES_MAX + 1, sizeof *changes);

	memset(much, 'x', sizeof much);
	save(b, COVEN, &heath, NULL, 0, NULL, 0);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t k = 0; k < cases[i].n; k++)
			changes[k] = (struct store_datum){ { "y", 1 }, { "y", 1 }, { "y", 1 } };
		changes[cases[i].n - 1] = (struct store_datum){ xs(cases[i].space),
			xs(cases[i].key), xs(cases[i].bytes) };
		/* With an entry that is not over its bound. */
		if (save(b, COVEN, NULL, &crone, 1, changes, cases[i].n) != cases[i].status)
			fail_msg("%s: status %d", cases[i].name, (int)b->last->status);
		bool ok = cases[i].status == STORE_OK;
		assert_int_equal(load_room(b, COVEN)->n_affiliations, ok);
		assert_int_equal(b->last->room.n_data, ok);
		save(b, COVEN, NULL, &(struct store_affiliation){ .jid = crone.jid }, 1, NULL, 0);
		run_sql(b, "DELETE FROM room_data");
	}
	free(changes);
}

/* --- Lists ---------------------------------------------------------------------------- */

static void rooms_come_in_pages_in_byte_order(void **state)
{
	static const struct {
		struct str name;
		bool listed;
	} sorted[] = {
		{ STR_INIT("\1"), false }, { STR_INIT("B"), true }, { STR_INIT("a"), true },
		{ STR_INIT("a\0"), true }, { STR_INIT("a\0b"), false }, { STR_INIT("a'b%"), true },
		{ STR_INIT("aa"), false }, { STR_INIT("\xc3\xa9mile"), true },
		{ STR_INIT("\xff\xfe"), true },
	};
	enum { N = sizeof sorted / sizeof sorted[0], PAGE = 4 };
	struct bench *b = *state;
	char kept[16];

	for (size_t i = 0; i < N; i++) {
		const size_t at = i * 4 % N; /* in some other order */
		struct store_room row = coven;

		row.listed = sorted[at].listed;
		assert_int_equal(save(b, sorted[at].name, &row, NULL, 0, NULL, 0), STORE_OK);
	}
	store_room_save(b->s, new_op(b), HOST, STR("other"), &coven, NULL, 0, NULL, 0);
	for (int listed = 0; listed <= 1; listed++) {
		struct str after = STR("");
		size_t at = 0, n = 0;

		for (;;) {
			store_rooms(b->s, new_op(b), MUC, after, PAGE, listed);
			struct store_op *op = wait_all(b);
			assert_int_equal(op->status, STORE_OK);
			assert_true(op->n_rooms <= PAGE);
			assert_int_equal(op->n_all, listed ? 6 : 0);
			assert_int_equal(op->n_before, listed ? n : 0);
			for (size_t i = 0; i < op->n_rooms; i++, n++) {
				while (listed && !sorted[at].listed)
					at++;
				assert_str(op->rooms[i].name, sorted[at++].name);
			}
			if (op->n_rooms < PAGE)
				break;
			after = op->rooms[PAGE - 1].name;
			memcpy(kept, after.p, after.n);
			after.p = kept;
		}
		assert_int_equal(n, listed ? 6 : N);
	}
	store_rooms(b->s, new_op(b), STR("nowhere"), STR(""), 10, false);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_int_equal(b->last->n_rooms, 0);
}

/* Those of other hosts and unlisted ones are not counted. */
static void listed_rooms_are_counted_up_to_a_bound(void **state)
{
	struct bench *b = *state;

	run_sql(b, "INSERT INTO rooms (host, name, title, about, listed, persistent, occupants, "
		"created_us, version, subject_us, folded, config, subject, key) "
		"WITH RECURSIVE n(i) AS "
		"(SELECT 10000 UNION ALL SELECT i + 1 FROM n WHERE i < 13000) "
		"SELECT CASE WHEN i % 3 THEN 'rooms.example.org' ELSE 'example.org' END, i, "
		"'', '', i % 3 != 2, 1, 0, 0, 0, 0, '', '', '', x'' FROM n");
	store_rooms(b->s, new_op(b), MUC, STR("10012"), 1, true);
	wait_all(b);
	assert_str(b->last->rooms->name, STR("10015"));
	assert_int_equal(b->last->n_before, 5); /* 10000, 10003, ... */
	assert_int_equal(b->last->n_all, STORE_ROOMS_COUNTED);
	store_rooms(b->s, new_op(b), MUC, STR("x"), 1, true);
	assert_int_equal(wait_all(b)->n_rooms, 0);
	assert_int_equal(b->last->n_before, STORE_ROOMS_COUNTED);
	run_sql(b, "DELETE FROM rooms WHERE name >= '12997'");
	store_rooms(b->s, new_op(b), MUC, STR(""), 1, true);
	assert_int_equal(wait_all(b)->n_all, STORE_ROOMS_COUNTED - 1);
}

static void a_list_has_what_is_shown_of_a_room(void **state)
{
	struct bench *b = *state;

	save(b, COVEN, &coven, &crone, 1, NULL, 0);
	store_rooms(b->s, new_op(b), MUC, STR(""), 10, true);
	assert_int_equal(wait_all(b)->n_rooms, 1);
	assert_row(b->last->rooms, &coven);
	assert_int_equal(b->last->rooms->config.n, 0);
	assert_int_equal(b->last->rooms->subject.n, 0);
	assert_int_equal(b->last->rooms->key.n, 0);
	assert_int_equal(b->last->rooms->n_affiliations, 0);
	/* Not listed any more: it is gone from one list alone. */
	save(b, COVEN, &heath, NULL, 0, NULL, 0);
	store_rooms(b->s, new_op(b), MUC, STR(""), 10, true);
	assert_int_equal(wait_all(b)->n_rooms, 0);
	store_rooms(b->s, new_op(b), MUC, STR(""), 10, false);
	assert_int_equal(wait_all(b)->n_rooms, 1);
}

static void assert_users(const struct store_op *op, const char *const *should, size_t n)
{
	assert_int_equal(op->status, STORE_OK);
	assert_int_equal(op->n_users, n);
	for (size_t i = 0; i < n; i++)
		assert_str(op->users[i], str_c(should[i]));
}

static void rooms_with_data_of_a_space_are_told_of_all_hosts(void **state)
{
	static const struct store_datum push[] = { DATUM("push", "a", "1"),
		DATUM("push", "b", "1") };
	static const struct store_datum other[] = { DATUM("Push", "a", "1"),
		DATUM("push2", "a", "1") };
	static const char *const with[] = { "z@example.org", "a@rooms.example.org",
		"coven@rooms.example.org" };
	struct bench *b = *state;

	save(b, COVEN, &coven, NULL, 0, push, 2);
	save(b, STR("a"), &coven, NULL, 0, push, 1);
	save(b, STR("b"), &coven, NULL, 0, other, 2);
	store_room_save(b->s, new_op(b), HOST, STR("z"), &heath, NULL, 0, push, 2);
	/* An account's is another matter. */
	create(b, STR("romeo"));
	store_set_data(b->s, new_op(b), HOST, STR("romeo"), push, 2);
	store_rooms_with(b->s, new_op(b), STR("push"));
	assert_users(wait_all(b), with, 3);
	store_rooms_with(b->s, new_op(b), STR("nothing"));
	assert_users(wait_all(b), NULL, 0);
}

static void rooms_that_know_somebody_are_told_of_all_hosts(void **state)
{
	static const struct store_affiliation owner = { .jid = STR_INIT("crone1@shakespeare.lit"),
		.affiliation = STR_INIT("owner"), .version = 1 };
	static const struct store_affiliation member = { .jid = STR_INIT("hag66@shakespeare.lit"),
		.affiliation = STR_INIT("member"), .version = 1 };
	static const char *const of[] = { "z@example.org", "coven@rooms.example.org" };
	struct bench *b = *state;

	save(b, COVEN, &coven, &owner, 1, NULL, 0);
	save(b, STR("a"), &coven, &member, 1, NULL, 0);
	store_room_save(b->s, new_op(b), HOST, STR("z"), &heath, &owner, 1, NULL, 0);
	store_rooms_of(b->s, new_op(b), owner.jid);
	assert_users(wait_all(b), of, 2);
	store_rooms_of(b->s, new_op(b), STR("crone1"));
	assert_users(wait_all(b), NULL, 0);
}

static void temporary_rooms_are_told_of_all_hosts(void **state)
{
	static const char *const temporary[] = { "z@example.org", "a@rooms.example.org",
		"heath@rooms.example.org" };
	struct bench *b = *state;

	save(b, COVEN, &coven, NULL, 0, NULL, 0);
	save(b, STR("heath"), &heath, NULL, 0, NULL, 0);
	save(b, STR("a"), &heath, NULL, 0, NULL, 0);
	store_room_save(b->s, new_op(b), HOST, STR("z"), &heath, NULL, 0, NULL, 0);
	store_rooms_temporary(b->s, new_op(b));
	assert_users(wait_all(b), temporary, 3);
	/* One that becomes persistent is not among them any more. */
	save(b, STR("a"), &coven, NULL, 0, NULL, 0);
	store_rooms_temporary(b->s, new_op(b));
	assert_int_equal(wait_all(b)->n_users, 2);
}

/* Not waited for: reads see the writes that were submitted before them. */
static void reads_see_the_writes_before_them(void **state)
{
	struct bench *b = *state;
	struct store_room row = heath;
	char name[16];

	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "r%u", i);
		row.listed = i % 2;
		row.version = i;
		store_room_save(b->s, new_op(b), MUC, str_c(name), &row, NULL, 0, NULL, 0);
		store_room_load(b->s, new_op(b), MUC, str_c(name));
		assert_int_equal(wait_all(b)->status, STORE_OK);
		assert_int_equal(b->last->room.version, i);
		store_room_save(b->s, new_op(b), MUC, str_c(name), &row, &crone, 1, NULL, 0);
		store_room_delete(b->s, new_op(b), MUC, str_c(name));
		store_room_save(b->s, new_op(b), MUC, str_c(name), &row, NULL, 0, NULL, 0);
		store_rooms(b->s, new_op(b), MUC, STR(""), 1000, row.listed);
		assert_int_equal(wait_all(b)->n_rooms, row.listed ? (i + 1) / 2 : i + 1);
	}
}

/* --- How it is looked for ------------------------------------------------------------- */

/* A million rooms are no matter to who asks for one, or for those that are listed. */
static void no_list_looks_at_other_rooms(void **state)
{
	static const struct {
		enum statement id;
		const char *plan;
	} cases[] = {
		{ ST_ROOM, "INDEX sqlite_autoindex_rooms_1 (host=? AND name=?)\n" },
		{ ST_AFFILIATIONS, "PRIMARY KEY (room=?)\n" },
		{ ST_ROOM_RESIDENT, "INDEX sqlite_autoindex_room_data_1 (room=? AND space>?)\n" },
		{ ST_ROOMS, "INDEX sqlite_autoindex_rooms_1 (host=? AND name>?)\n" },
		{ ST_ROOMS_LISTED, "INDEX rooms_listed (host=? AND name>?)\n" },
		{ ST_ROOMS_COUNTED, "COVERING INDEX rooms_listed (host=? AND name<?)\n" },
		{ ST_ROOMS_BY_NAME, "INDEX rooms_listed (host=? AND name>?)\n" },
		{ ST_ROOMS_EQUAL, "INDEX rooms_by_occupants "
			"(host=? AND occupants=? AND name>?)\n" },
		{ ST_ROOMS_SMALLER, "INDEX rooms_by_occupants "
			"(host=? AND occupants>? AND occupants<?)\n" },
		{ ST_ROOMS_WITH, "INDEX room_data_by_space (space=?)\n" },
		{ ST_ROOMS_OF, "INDEX room_affiliations_by_jid (jid=?)\n" },
		{ ST_ROOMS_TEMPORARY, "COVERING INDEX rooms_temporary\n" },
	};
	struct bench *b = *state;
	struct str error = STR_NULL;
	struct arena a;
	char plan[2000];

	arena_init(&a, 1024);
	struct db *d = db_open_reader(b->dir, &a, &error);
	assert_non_null(d);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		explain(d, cases[i].id, plan, sizeof plan);
		if (!strstr(plan, cases[i].plan))
			fail_msg("should use %sand not %s", cases[i].plan, plan);
		/* Only the names of those that were looked up are put in order. */
		if (cases[i].id != ST_ROOMS_WITH && cases[i].id != ST_ROOMS_OF &&
			strstr(plan, "ORDER BY"))
			fail_msg("should not sort: %s", plan);
	}
	db_close(&d);
	arena_clear(&a);
}

/* --- Copies --------------------------------------------------------------------------- */

static void rooms_are_in_a_backup(void **state)
{
	static const struct store_datum data[] = { DATUM("Big", "k", "2"), DATUM("a", "k", "1") };
	struct bench *b = *state;
	char from[4200], to[4200];

	/* Not waited for: the copy has what was submitted before it. */
	store_room_save(b->s, new_op(b), MUC, COVEN, &coven, &crone, 1, data, 2);
	snprintf(from, sizeof from, "%s/copy.db", b->dir);
	snprintf(to, sizeof to, "%s/stentor.db", b->dir);
	store_backup(b->s, new_op(b), str_c(from));
	assert_int_equal(wait_all(b)->status, STORE_OK);
	store_room_delete(b->s, new_op(b), MUC, COVEN);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	store_close(&b->s);
	assert_int_equal(rename(from, to), 0);
	b->s = open_store(b->dir);
	const struct store_room *room = load_room(b, COVEN);
	assert_whole_row(room, &coven);
	assert_entries(room, &crone, 1);
	assert_data(room->data, room->n_data, &data[1], 1);
	store_room_data(b->s, new_op(b), MUC, COVEN, STR("Big"), STR("k"));
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_data(b->last->account.data, b->last->account.n_data, data, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_room_comes_back_as_it_was_saved),
		T(a_new_room_has_what_it_was_given_and_nothing_else),
		T(a_row_is_replaced_and_leaves_the_lists),
		T(lists_change_without_the_row),
		T(the_version_never_falls_behind_an_entry),
		T(the_last_change_of_a_jid_counts),
		T(rooms_are_told_apart_by_host_and_name),
		T(unknown_rooms_are_not_found_and_not_made),
		T(one_entry_of_the_data_is_read_by_space_and_key),
		T(nothing_is_left_of_a_deleted_room),
		T(a_call_is_there_whole_or_not_at_all),
		T(a_row_over_a_bound_is_refused),
		T(entries_over_a_bound_are_refused_whole),
		T(data_over_a_bound_are_refused_whole),
		T(rooms_come_in_pages_in_byte_order),
		T(listed_rooms_are_counted_up_to_a_bound),
		T(a_list_has_what_is_shown_of_a_room),
		T(rooms_with_data_of_a_space_are_told_of_all_hosts),
		T(rooms_that_know_somebody_are_told_of_all_hosts),
		T(temporary_rooms_are_told_of_all_hosts),
		T(reads_see_the_writes_before_them),
		T(no_list_looks_at_other_rooms),
		T(rooms_are_in_a_backup),
	};
	return cmocka_run_group_tests_name("store_rooms", tests, NULL, NULL);
}
