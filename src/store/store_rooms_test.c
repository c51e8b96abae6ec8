/* Rooms (store/rooms.h). */
#include "store/rooms.h"

#include "store/store_testing.h"

#define MUC STR("rooms.example.org")

static const struct store_room coven = {
	.title = { "A Dark Cave", 11 }, .about = { "The place for all good witches!", 31 },
	.listed = true, .persistent = true, .occupants = 3, .config = { "<x/>", 4 },
	.subject = { "<message/>", 10 }, .subject_us = 7, .key = { "\0\xff\0k", 4 },
	.created_us = 1700000000123456, .version = 5,
};
static const struct store_affiliation crone = { { "crone1@x", 8 }, { "owner", 5 },
	{ "moderator", 9 }, { "firstwitch", 10 }, { "because", 7 }, 4 };
static const struct store_affiliation earl = { { "earl@x", 6 }, { "outcast", 7 }, { "", 0 },
	{ "", 0 }, { "Treason", 7 }, 5 };

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

static void assert_entry(const struct store_affiliation *is,
	const struct store_affiliation *should)
{
	assert_str(is->jid, should->jid);
	assert_str(is->affiliation, should->affiliation);
	assert_str(is->role, should->role);
	assert_str(is->nick, should->nick);
	assert_str(is->reason, should->reason);
	assert_int_equal(is->version, should->version);
}

static const struct store_room *load_room(struct bench *b, struct str name)
{
	store_room_load(b->s, new_op(b), MUC, name);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_str(b->last->room.name, name);
	return &b->last->room;
}

static void a_room_comes_back_as_it_was_saved(void **state)
{
	const struct store_affiliation changes[] = { earl, crone };
	static const struct store_datum data[] = { { { "b", 1 }, { "k", 1 }, { "1", 1 } },
		{ { "a", 1 }, { "\xff\0", 2 }, { "\0", 1 } }, { { "Big", 3 }, { "", 0 }, { "x", 1 } } };
	struct bench *b = *state;

	store_room_save(b->s, new_op(b), MUC, STR("coven"), &coven, changes, 2, data, 3);
	const struct store_room *room = load_room(b, STR("coven"));
	assert_row(room, &coven);
	assert_str(room->config, coven.config);
	assert_str(room->subject, coven.subject);
	assert_str(room->key, coven.key);
	assert_int_equal(room->n_affiliations, 2);
	assert_entry(&room->affiliations[0], &crone);
	assert_entry(&room->affiliations[1], &earl);
	assert_int_equal(room->n_data, 2);
	assert_str(room->data[0].key, data[1].key);
	assert_str(room->data[0].bytes, data[1].bytes);
	assert_str(room->data[1].space, data[0].space);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_room_comes_back_as_it_was_saved),
	};
	return cmocka_run_group_tests_name("store_rooms", tests, NULL, NULL);
}
