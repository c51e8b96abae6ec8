#include "store/sqlite_schema.h"

#include "store/nodes.h"
#include "store/rooms.h"
#include "store/store_testing.h"

#include <sys/stat.h>

/* --- Steps, with a schema of the test's own ------------------------------------------- */

static const char *const good_steps[] = {
	"CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT);"
	"CREATE TABLE pets (owner INTEGER REFERENCES people ON DELETE CASCADE, name TEXT)",
	"ALTER TABLE people ADD COLUMN born INTEGER NOT NULL DEFAULT 1900",
	/* A table made anew; its children must outlive that. */
	"CREATE TABLE people2 (id INTEGER PRIMARY KEY, called TEXT, born INTEGER);"
	"INSERT INTO people2 SELECT id, name, born FROM people;"
	"DROP TABLE people; ALTER TABLE people2 RENAME TO people",
};
static const char *const failing_steps[] = {
	"CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)",
	"CREATE TABLE half (a); INSERT INTO nowhere VALUES (1)",
};
static const char *const breaking_steps[] = {
	"CREATE TABLE people (id INTEGER PRIMARY KEY);"
	"CREATE TABLE pets (owner INTEGER REFERENCES people)",
	"INSERT INTO pets VALUES (7)",
};

static sqlite3 *open_memory(void)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	return db;
}

static void run_sql(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static int64_t number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

static void migrate(sqlite3 *db, const char *const *steps, int n)
{
	struct schema schema = { steps, n };
	struct str error = STR_NULL;
	struct arena a;

	arena_init(&a, 1024);
	if (!schema_check(db, &schema, &a, &error) || !schema_migrate(db, &schema, &a, &error))
		fail_msg("%.*s", STR_FMT(error));
	arena_clear(&a);
}

static void an_old_database_takes_the_steps_it_lacks(void **state)
{
	for (int from = 0; from <= 3; from++) {
		sqlite3 *db = open_memory();

		if (from > 0) {
			migrate(db, good_steps, from);
			run_sql(db, from < 3
				? "INSERT INTO people (name) VALUES ('Ann')"
				: "INSERT INTO people (called, born) VALUES ('Ann', 1900)");
			run_sql(db, "INSERT INTO pets VALUES (1, 'Rex')");
		}
		assert_int_equal(number(db, "PRAGMA user_version"), from);
		migrate(db, good_steps, 3);
		assert_int_equal(number(db, "PRAGMA user_version"), 3);
		assert_int_equal(number(db, "PRAGMA application_id"), SCHEMA_APPLICATION_ID);
		assert_int_equal(number(db, "SELECT count(*) FROM people WHERE called = 'Ann' AND "
			"born = 1900"), from > 0);
		assert_int_equal(number(db, "SELECT count(*) FROM pets"), from > 0);
		sqlite3_close(db);
	}
}

static void a_step_that_fails_leaves_nothing_behind(void **state)
{
	static const struct {
		const char *name;
		const char *const *steps;
		const char *error;
	} cases[] = {
		{ "an error in its SQL", failing_steps,
		  "cannot be brought to schema 2: no such table" },
		{ "rows that refer to nothing", breaking_steps,
		  "cannot be brought to schema 2: 1 rows would refer to nothing" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct schema schema = { cases[i].steps, 2 };
		struct str error = STR_NULL;
		struct arena a;

		sqlite3 *db = open_memory();
		arena_init(&a, 1024);
		assert_false(schema_migrate(db, &schema, &a, &error));
		if (!str_starts(error, str_c(cases[i].error)))
			fail_msg("%s: %.*s", cases[i].name, STR_FMT(error));
		assert_true(sqlite3_get_autocommit(db));
		assert_int_equal(number(db, "PRAGMA user_version"), 1);
		assert_int_equal(number(db, "SELECT count(*) FROM sqlite_schema "
			"WHERE name = 'half'"), 0);
		assert_int_equal(sqlite3_close(db), SQLITE_OK);
		arena_clear(&a);
	}
}

/* --- Databases of released versions --------------------------------------------------- */

#define ROWS_OF_1 \
	"INSERT INTO accounts VALUES (7, 'example.org', 'romeo', 5, 6, 'bye', 9);"  \
	"INSERT INTO keys VALUES (7, 0, 4096, x'01', x'02', x'03');"                \
	"INSERT INTO roster VALUES (7, 'juliet@x', 'J', 3, 0, 1, 9);"               \
	"INSERT INTO roster_groups VALUES (7, 'juliet@x', 'Friends');"              \
	"INSERT INTO pending VALUES (1, 7, 'nurse@x', '<presence/>');"

#define ROWS_OF_2 "INSERT INTO data VALUES (1, 7, 'push', 'p@x', x'00');"

#define ROWS_OF_3 \
	"INSERT INTO rooms VALUES (3, 'example.org', 'heath', 'Heath', '', 1, 1, 2, 5, 4, 0, "  \
	"'heath', '<x/>', '', x'01');"                                                          \
	"INSERT INTO room_affiliations VALUES (3, 'romeo@example.org', 'owner', '', '', '', 4);" \
	"INSERT INTO room_data VALUES (1, 3, 'a', 'k', x'01');"

/* What each version had, written as that version wrote it. */
static const struct {
	int version; /* of the schema */
	const char *rows;
	size_t n_data;
} released[] = {
	{ 1, ROWS_OF_1, 0 },
	{ 2, ROWS_OF_1 ROWS_OF_2, 1 },
	{ 3, ROWS_OF_1 ROWS_OF_2 ROWS_OF_3, 1 },
};

static void assert_rooms_are_kept(struct bench *b)
{
	static const struct store_room row = { .title = { "A Dark Cave", 11 }, .listed = true };
	static const struct store_affiliation owner = { .jid = { "romeo@example.org", 17 },
		.affiliation = { "owner", 5 } };
	static const struct store_datum datum = { { "a", 1 }, { "k", 1 }, { "1", 1 } };

	store_room_save(b->s, new_op(b), HOST, STR("coven"), &row, &owner, 1, &datum, 1);
	store_room_load(b->s, new_op(b), HOST, STR("coven"));
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_str(b->last->room.title, row.title);
	assert_int_equal(b->last->room.n_affiliations, 1);
	assert_int_equal(b->last->room.n_data, 1);
}

static void assert_room_was_kept(struct bench *b)
{
	store_room_load(b->s, new_op(b), HOST, STR("heath"));
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_str(b->last->room.title, STR("Heath"));
	assert_int_equal(b->last->room.n_affiliations, 1);
	assert_int_equal(b->last->room.n_data, 1);
}

static void assert_nodes_are_kept(struct bench *b)
{
	static const struct store_node_bounds no_bounds;
	static const struct store_node row = { .name = { "n", 1 } };
	static const struct store_node_item item = { .id = { "i", 1 } };

	store_node_publish(b->s, new_op(b), HOST, STR("romeo"), row.name, &row, &item, 1, 9,
		&no_bounds);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	store_nodes(b->s, new_op(b), HOST, STR("romeo"), STR(""), 9, STORE_NODES_ALL);
	assert_int_equal(wait_all(b)->n_nodes, 1);
	assert_int_equal(b->last->nodes[0].n_items, 1);
}

static void a_database_of_a_released_version_goes_on(void **state)
{
	for (size_t i = 0; i < sizeof released / sizeof released[0]; i++) {
		static const struct store_datum datum = { { "block", 5 }, { "a@x", 3 },
			{ "1", 1 } };
		struct bench *b = xcalloc(1, sizeof *b);
		char path[4200];
		sqlite3 *db;

		b->dir = folder_new();
		assert_true(mailbox_init(&b->home, 1 << 20));
		snprintf(path, sizeof path, "%s/stentor.db", b->dir);
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		migrate(db, schema_stentor.steps, released[i].version);
		run_sql(db, released[i].rows);
		sqlite3_close(db);
		b->s = open_store(b->dir);
		const struct store_account *acc = load(b, STR("romeo"));
		assert_int_equal(acc->roster_version, 9);
		assert_int_equal(acc->last_us, 6);
		assert_str(acc->last_status, STR("bye"));
		assert_str(acc->keys[0].stored, STR("\2"));
		assert_int_equal(acc->n_items, 1);
		assert_str(acc->items[0].groups, str_from("Friends", 8));
		assert_int_equal(acc->n_pending, 1);
		assert_int_equal(acc->n_data, released[i].n_data);
		store_set_data(b->s, new_op(b), HOST, STR("romeo"), &datum, 1);
		assert_int_equal(load(b, STR("romeo"))->n_data, released[i].n_data + 1);
		assert_rooms_are_kept(b);
		assert_nodes_are_kept(b);
		if (released[i].version >= 3)
			assert_room_was_kept(b);
		tear_down((void **)&b);
	}
}

/* --- Files that are refused ----------------------------------------------------------- */

static void write_file(const char *path, struct str bytes)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
	fclose(f);
}

static void with_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	run_sql(db, sql);
	sqlite3_close(db);
}

static void make_own(const char *path)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	migrate(db, schema_stentor.steps, schema_stentor.n);
	sqlite3_close(db);
}

static void make_text(const char *path)
{
	char text[8192];

	memset(text, 'x', sizeof text);
	write_file(path, str_from(text, sizeof text));
}

static void make_newer(const char *path)
{
	make_own(path);
	with_sql(path, "PRAGMA user_version = 1000");
}

static void make_foreign(const char *path)
{
	with_sql(path, "CREATE TABLE songs (title)");
}

static void make_foreign_id(const char *path)
{
	with_sql(path, "PRAGMA application_id = 77");
}

static void make_cut(const char *path)
{
	make_own(path);
	assert_int_equal(truncate(path, 4096), 0);
}

/* The first page of the schema table is garbage behind a good header. */
static void make_garbage(const char *path)
{
	make_own(path);
	FILE *f = fopen(path, "r+");
	char garbage[3000];

	assert_non_null(f);
	memset(garbage, 0xa5, sizeof garbage);
	fseek(f, 100, SEEK_SET);
	assert_int_equal(fwrite(garbage, 1, sizeof garbage, f), sizeof garbage);
	fclose(f);
}

static void make_tableless(const char *path)
{
	make_own(path);
	with_sql(path, "DROP TABLE pending");
}

static void make_folder(const char *path)
{
	assert_int_equal(mkdir(path, 0700), 0);
}

static void files_that_are_not_ours_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *name;
		void (*make)(const char *path);
		const char *error;
	} cases[] = {
		{ "no database", make_text, "file is not a database" },
		{ "a newer version's", make_newer,
		  "another version of Stentor: its schema is 1000" },
		{ "another program's without id", make_foreign, "a database of another program" },
		{ "another program's", make_foreign_id, "another program (application_id 77)" },
		{ "cut short", make_cut, "malformed" },
		{ "garbage in the first page", make_garbage, "malformed" },
		{ "a table is missing", make_tableless, "no such table: pending" },
		{ "a folder", make_folder, "Is a directory" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *dir = folder_new(), path[4200];
		struct str error = STR_NULL;
		struct arena a;

		arena_init(&a, 1024);
		snprintf(path, sizeof path, "%s/stentor.db", dir);
		cases[i].make(path);
		struct store *s = store_open(dir, 1, &a, &error);
		if (s)
			fail_msg("%s: was opened", cases[i].name);
		if (!str_starts(error, str_c(path)) || !memmem(error.p, error.n, cases[i].error,
			strlen(cases[i].error)))
			fail_msg("%s: %.*s", cases[i].name, STR_FMT(error));
		arena_clear(&a);
		rmdir(path);
		folder_free(dir);
	}
}

/* --- A new database ------------------------------------------------------------------- */

static void a_new_database_is_the_owners_alone(void **state)
{
	static const char *const names[] = { "", "/stentor.db", "/stentor.db-wal",
		"/stentor.db-shm" };
	char *top = folder_new(), dir[4200], path[4300];
	struct str error = STR_NULL;
	struct arena a;
	mode_t before = umask(0);

	arena_init(&a, 1024);
	snprintf(dir, sizeof dir, "%s/data", top);
	struct store *s = store_open(dir, 1, &a, &error);
	assert_non_null(s);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct stat st;

		snprintf(path, sizeof path, "%s%s", dir, names[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, i == 0 ? 0700 : 0600);
	}
	umask(before);
	store_close(&s);
	/* Closed in order, it is one file. */
	assert_int_equal(unlink(path), -1);
	snprintf(path, sizeof path, "%s/stentor.db", dir);
	sqlite3 *db;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(number(db, "PRAGMA user_version"), schema_stentor.n);
	assert_int_equal(number(db, "PRAGMA application_id"), SCHEMA_APPLICATION_ID);
	assert_int_equal(number(db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
	assert_int_equal(number(db, "SELECT count(*) FROM pragma_table_list "
		"WHERE schema = 'main' AND name NOT LIKE 'sqlite%' AND NOT strict"), 0);
	sqlite3_close(db);
	arena_clear(&a);
	unlink(path);
	rmdir(dir);
	folder_free(top);
}

static void a_folder_that_cannot_be_made_is_named(void **state)
{
	struct str error = STR_NULL;
	struct arena a;

	arena_init(&a, 1024);
	assert_null(store_open("/nowhere/at/all", 1, &a, &error));
	assert_true(str_starts(error, STR("/nowhere/at/all cannot be made: No such file")));
	arena_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_old_database_takes_the_steps_it_lacks),
		cmocka_unit_test(a_step_that_fails_leaves_nothing_behind),
		cmocka_unit_test(a_database_of_a_released_version_goes_on),
		cmocka_unit_test(files_that_are_not_ours_are_refused_with_a_reason),
		cmocka_unit_test(a_new_database_is_the_owners_alone),
		cmocka_unit_test(a_folder_that_cannot_be_made_is_named),
	};
	return cmocka_run_group_tests_name("sqlite_schema", tests, NULL, NULL);
}
