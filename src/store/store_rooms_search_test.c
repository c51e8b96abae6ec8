/* Searches for rooms (store_rooms_search()). */
#include "store/rooms_testing.h"

#define ALL (STORE_IN_NAME | STORE_IN_TITLE | STORE_IN_ABOUT)

struct place {
	const char *name, *title, *about;
	uint32_t occupants;
	bool unlisted;
};

static void save_place(struct bench *b, const struct place *p)
{
	const struct store_room row = { .title = str_c(p->title), .about = str_c(p->about),
		.listed = !p->unlisted, .occupants = p->occupants, .config = STR("<config/>"),
		.key = STR("secret"), .subject = STR("<message/>"), .created_us = 9, .version = 3 };

	store_room_save(b->s, new_op(b), MUC, str_c(p->name), &row, NULL, 0, NULL, 0);
}

static void save_places(struct bench *b)
{
	static const struct place places[] = {
		{ "heath", "Macbeth", "A blasted heath", 3, false },
		{ "coven", "A Dark Cave", "A place for \xc3\xa9tranges Witches", 12, false },
		{ "palace", "Fores. The Palace", "Macbeth, as king", 3, false },
		{ "banquo", "Fores. A Park", "near the palace", 0, false },
		{ "england", "Before the King's Palace", "", 3, false },
		{ "secret", "Macbeth in the dark", "palace, king, heath, cave", 99, true },
	};
	static const struct store_room elsewhere = { .title = { "Macbeth", 7 }, .listed = true };

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
		save_place(b, &places[i]);
	store_room_save(b->s, new_op(b), HOST, STR("elsewhere"), &elsewhere, NULL, 0, NULL, 0);
	wait_all(b);
}

static const struct store_op *search(struct bench *b, const struct store_room_query *query)
{
	store_rooms_search(b->s, new_op(b), MUC, query);
	return wait_all(b);
}

/* found: names, separated by spaces. */
static void assert_found(const struct store_op *op, const char *found, const char *what)
{
	char names[1000] = "";
	size_t n = 0;

	assert_int_equal(op->status, STORE_OK);
	for (size_t i = 0; i < op->n_rooms && n < sizeof names; i++)
		n += (size_t)snprintf(names + n, sizeof names - n, "%s%.*s", i ? " " : "",
			STR_FMT(op->rooms[i].name));
	if (!str_eq(str_c(names), str_c(found)))
		fail_msg("%s: found '%s', should '%s'", what, names, found);
}

/* XEP-0433 section 6.1: q, sinname, sindescription, sinaddress, key. */
static void rooms_are_found_that_have_all_words(void **state)
{
	static const struct {
		const char *words;
		unsigned in;
		uint32_t occupants;
		bool by_occupants;
		const char *found;
	} cases[] = {
		{ "", ALL, 0, false, "banquo coven england heath palace" },
		{ "", ALL, 0, true, "coven england heath palace banquo" },
		{ "", ALL, 1, false, "coven england heath palace" },
		{ "", ALL, 4, true, "coven" },
		{ "", ALL, 13, true, "" },
		{ "", 0, 0, false, "banquo coven england heath palace" },
		{ "macbeth", ALL, 0, false, "heath palace" },
		{ "MacBeth King", ALL, 0, false, "palace" },
		{ "macbeth", STORE_IN_TITLE, 0, false, "heath" },
		{ "macbeth", STORE_IN_ABOUT, 0, false, "palace" },
		{ "macbeth", STORE_IN_NAME, 0, false, "" },
		{ "macbeth", 0, 0, false, "" },
		{ "palace", ALL, 0, false, "banquo england palace" },
		{ "palace", ALL, 0, true, "england palace banquo" },
		{ "palace", ALL, 1, true, "england palace" },
		{ "palace", STORE_IN_NAME, 0, false, "palace" },
		{ "alac", STORE_IN_NAME, 0, false, "palace" },
		{ "fore", ALL, 0, false, "banquo england palace" },
		{ "\xc3\x89TRANGES witch", ALL, 0, false, "coven" },
		{ "dark", ALL, 0, false, "coven" },
		{ "nothing", ALL, 0, true, "" },
		{ "'; --", ALL, 0, true, "" },
	};
	struct bench *b = *state;

	save_places(b);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct store_room_query query = { .words = str_c(cases[i].words),
			.in = cases[i].in, .occupants = cases[i].occupants,
			.by_occupants = cases[i].by_occupants, .max = 10 };

		assert_found(search(b, &query), cases[i].found, cases[i].words);
	}
}

static void a_room_that_is_found_comes_with_its_config(void **state)
{
	const struct store_room_query query = { .words = STR("cave"), .in = ALL, .max = 10 };
	struct bench *b = *state;

	save_places(b);
	assert_found(search(b, &query), "coven", "cave");
	const struct store_room *room = b->last->rooms;
	assert_str(room->title, STR("A Dark Cave"));
	assert_str(room->about, STR("A place for \xc3\xa9tranges Witches"));
	assert_int_equal(room->occupants, 12);
	assert_true(room->listed);
	assert_false(room->persistent);
	assert_int_equal(room->created_us, 9);
	assert_int_equal(room->version, 3);
	assert_str(room->config, STR("<config/>"));
	assert_int_equal(room->subject.n, 0);
	assert_int_equal(room->key.n, 0);
}

static void what_changes_is_found_as_it_is_now(void **state)
{
	const struct store_room_query query = { .words = STR("cave"), .in = ALL, .max = 10,
		.by_occupants = true };
	struct bench *b = *state;

	save_places(b);
	/* Not waited for. */
	save_place(b, &(struct place){ "heath", "A Cave, too", "", 13, false });
	assert_found(search(b, &query), "heath coven", "changed");
	save_place(b, &(struct place){ "heath", "A Cave, too", "", 11, false });
	assert_found(search(b, &query), "coven heath", "less occupants");
	save_place(b, &(struct place){ "coven", "A Cave", "", 12, true });
	assert_found(search(b, &query), "heath", "not listed any more");
	store_room_delete(b->s, new_op(b), MUC, STR("heath"));
	assert_found(search(b, &query), "", "deleted");
}

static void what_is_found_comes_in_pages(void **state)
{
	static const char *const orders[] = { "banquo coven england heath palace",
		"coven england heath palace banquo" };
	struct bench *b = *state;
	char after[16], names[100];

	save_places(b);
	for (int by_occupants = 0; by_occupants <= 1; by_occupants++) {
		for (unsigned max = 1; max <= 6; max++) {
			struct store_room_query query = { .in = ALL, .max = max,
				.by_occupants = by_occupants };
			size_t n = 0;

			do {
				search(b, &query);
				assert_true(b->last->n_rooms <= max);
				for (size_t i = 0; i < b->last->n_rooms; i++) {
					const struct store_room *room = &b->last->rooms[i];

					n += (size_t)snprintf(names + n, sizeof names - n,
						"%s%.*s", n ? " " : "", STR_FMT(room->name));
					memcpy(after, room->name.p, room->name.n);
					query.after = str_from(after, room->name.n);
					query.after_occupants = room->occupants;
				}
			} while (b->last->n_rooms);
			assert_string_equal(names, orders[by_occupants]);
		}
	}
	/* Behind a room that is gone, or never was. */
	const struct store_room_query gone = { .in = ALL, .max = 9, .after = STR("d") };
	assert_found(search(b, &gone), "england heath palace", "by name");
	const struct store_room_query fewer = { .in = ALL, .max = 9, .after = STR("f"),
		.by_occupants = true, .after_occupants = 3 };
	assert_found(search(b, &fewer), "heath palace banquo", "by occupants");
	const struct store_room_query too_few = { .in = ALL, .max = 9, .after = STR("a"),
		.by_occupants = true, .after_occupants = 3, .occupants = 4 };
	assert_found(search(b, &too_few), "", "less than asked for");
	const struct store_room_query none = { .in = ALL, .max = 0 };
	assert_found(search(b, &none), "", "none asked for");
}

static void the_largest_number_of_occupants_comes_first(void **state)
{
	const struct store_room_query query = { .in = ALL, .max = 9, .by_occupants = true,
		.occupants = UINT32_MAX };
	struct bench *b = *state;

	save_place(b, &(struct place){ "b", "", "", UINT32_MAX, false });
	save_place(b, &(struct place){ "a", "", "", UINT32_MAX - 1, false });
	assert_found(search(b, &query), "b", "the most");
	const struct store_room_query all = { .in = ALL, .max = 9, .by_occupants = true };
	assert_found(search(b, &all), "b a", "all");
}

static void a_search_over_a_bound_is_refused(void **state)
{
	static char text[STORE_ROOM_QUERY_MAX + 1];
	struct store_room_query query = { .words = STR("1 2 3 4 5 6 7 8 9 a b c d e f 0 1"),
		.in = ALL, .max = 9 };
	struct bench *b = *state;

	assert_int_equal(search(b, &query)->status, STORE_FULL);
	memset(text, 'x', sizeof text);
	query.words = str_from(text, sizeof text);
	assert_int_equal(search(b, &query)->status, STORE_FULL);
	query.words = str_from(text, sizeof text - 1);
	assert_found(search(b, &query), "", "at the bound");
}

/* More rooms than are looked at in one step, in runs of equal numbers that steps cut. */
static void a_long_search_goes_on_where_it_was(void **state)
{
	enum { ROOMS = 20000, RUN = 7000 };
	struct store_room_query query = { .words = STR("needle"), .in = ALL, .max = 9 };
	struct bench *b = *state;
	char name[16];

	for (unsigned i = 0; i < ROOMS; i++) {
		/* Every 2,500th, and the last. */
		const char *title = i % 2500 == 2499 || i == ROOMS - 1 ? "a Needle" : "hay";

		snprintf(name, sizeof name, "r%05u", i);
		save_place(b, &(struct place){ name, title, "", i / RUN, false });
	}
	assert_found(search(b, &query), "r02499 r04999 r07499 r09999 r12499 r14999 r17499 r19999",
		"by name");
	query.occupants = 1;
	assert_found(search(b, &query), "r07499 r09999 r12499 r14999 r17499 r19999",
		"by name, some occupants");
	query.by_occupants = true;
	assert_found(search(b, &query), "r14999 r17499 r19999 r07499 r09999 r12499",
		"by occupants, some occupants");
	query.occupants = 0;
	query.max = 7;
	assert_found(search(b, &query), "r14999 r17499 r19999 r07499 r09999 r12499 r02499",
		"by occupants, a page");
	query.after = STR("r12499");
	query.after_occupants = 1;
	assert_found(search(b, &query), "r02499 r04999", "by occupants, the next page");
	query.words = STR("nothing");
	query.after = STR("");
	assert_found(search(b, &query), "", "nothing");
	const struct store_room_query many = { .in = ALL, .max = UINT32_MAX };
	assert_int_equal(search(b, &many)->n_rooms, STORE_ROOM_FOUND_MAX);
	/* Closing finishes what was submitted. */
	store_rooms_search(b->s, new_op(b), MUC, &query);
	store_close(&b->s);
	assert_found(wait_all(b), "", "while closing");
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(rooms_are_found_that_have_all_words),
		T(a_room_that_is_found_comes_with_its_config),
		T(what_changes_is_found_as_it_is_now),
		T(what_is_found_comes_in_pages),
		T(the_largest_number_of_occupants_comes_first),
		T(a_search_over_a_bound_is_refused),
		T(a_long_search_goes_on_where_it_was),
	};
	return cmocka_run_group_tests_name("store_rooms_search", tests, NULL, NULL);
}
