/* The data of accounts, and copies of the running database. */
#include "store/store_testing.h"

#include "base/clock.h"

#include <sqlite3.h>
#include <sys/stat.h>

#define ROMEO HOST, STR("romeo")

struct entry {
	const char *space, *key, *bytes;
};

static void set_many(struct bench *b, const struct entry *entries, size_t n)
{
	struct store_datum changes[8];

	assert_true(n <= 8);
	for (size_t i = 0; i < n; i++)
		changes[i] = (struct store_datum){ str_c(entries[i].space), str_c(entries[i].key),
			str_c(entries[i].bytes) };
	store_set_data(b->s, new_op(b), ROMEO, changes, n);
	assert_int_equal(wait_all(b)->status, STORE_OK);
}

static void set_one(struct bench *b, const char *space, const char *key, const char *bytes)
{
	const struct entry e = { space, key, bytes };

	set_many(b, &e, 1);
}

static void assert_data(struct bench *b, const struct entry *should, size_t n)
{
	const struct store_account *acc = &b->last->account;

	assert_int_equal(b->last->status, STORE_OK);
	assert_int_equal(acc->n_data, n);
	for (size_t i = 0; i < n; i++) {
		assert_str(acc->data[i].space, str_c(should[i].space));
		assert_str(acc->data[i].key, str_c(should[i].key));
		assert_str(acc->data[i].bytes, str_c(should[i].bytes));
	}
}

static void assert_listed(struct bench *b, const char *space, const struct entry *should, size_t n)
{
	store_list_data(b->s, new_op(b), ROMEO, str_c(space));
	wait_all(b);
	assert_data(b, should, n);
}

#define LIST(entries) entries, sizeof entries / sizeof entries[0]

static void entries_are_put_replaced_and_deleted(void **state)
{
	static const struct entry first[] = { { "block", "b@x", "1" }, { "block", "a@x", "2" },
		{ "push", "a@x", "3" } };
	static const struct entry listed[] = { { "block", "a@x", "2" }, { "block", "b@x", "1" } };
	static const struct entry then[] = { { "block", "b@x", "" }, { "block", "a@x", "new" },
		{ "block", "c@x", "4" }, { "block", "never@x", "" } };
	static const struct entry at_last[] = { { "block", "a@x", "new" },
		{ "block", "c@x", "4" } };
	static const struct entry push[] = { { "push", "a@x", "3" } };
	struct bench *b = *state;

	create(b, STR("romeo"));
	assert_listed(b, "block", NULL, 0);
	set_many(b, LIST(first));
	assert_listed(b, "block", LIST(listed));
	set_many(b, LIST(then));
	assert_listed(b, "block", LIST(at_last));
	store_get_data(b->s, new_op(b), ROMEO, STR("block"), STR("a@x"));
	wait_all(b);
	assert_data(b, at_last, 1);
	store_get_data(b->s, new_op(b), ROMEO, STR("block"), STR("b@x"));
	wait_all(b);
	assert_data(b, NULL, 0);
	store_clear_data(b->s, new_op(b), ROMEO, STR("block"));
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_listed(b, "block", NULL, 0);
	assert_listed(b, "push", LIST(push));
}

static void bytes_may_be_any(void **state)
{
	static const struct store_datum any = { { "session", 7 }, { "\xc3\xa9 '", 4 },
		{ "\0\xff\0x", 4 } };
	struct bench *b = *state;

	create(b, STR("romeo"));
	store_set_data(b->s, new_op(b), ROMEO, &any, 1);
	store_get_data(b->s, new_op(b), ROMEO, any.space, any.key);
	assert_int_equal(wait_all(b)->account.n_data, 1);
	assert_str(b->last->account.data[0].key, any.key);
	assert_str(b->last->account.data[0].bytes, any.bytes);
}

static void only_resident_spaces_are_loaded_with_the_account(void **state)
{
	static const struct entry all[] = { { "Vcard", "", "large" }, { "push", "x", "1" },
		{ "block", "a@x", "2" }, { "Private", "x", "large" } };
	static const struct entry resident[] = { { "block", "a@x", "2" }, { "push", "x", "1" } };
	static const struct entry vcard[] = { { "Vcard", "", "large" } };
	struct bench *b = *state;

	create(b, STR("romeo"));
	set_many(b, LIST(all));
	load(b, STR("romeo"));
	assert_data(b, LIST(resident));
	assert_listed(b, "Vcard", LIST(vcard));
}

static void nothing_is_left_of_a_deleted_account(void **state)
{
	struct bench *b = *state;

	create(b, STR("romeo"));
	set_one(b, "block", "a@x", "1");
	set_one(b, "Vcard", "", "1");
	store_account_delete(b->s, new_op(b), ROMEO);
	wait_all(b);
	create(b, STR("romeo"));
	assert_int_equal(load(b, STR("romeo"))->n_data, 0);
	assert_listed(b, "Vcard", NULL, 0);
}

static void several_changes_are_there_whole_or_not_at_all(void **state)
{
	static const struct entry before[] = { { "block", "a@x", "1" } };
	static const struct store_datum changes[] = { { { "block", 5 }, { "a@x", 3 }, { "", 0 } },
		{ { "block", 5 }, { "b@x", 3 }, { "2", 1 } },
		{ { "block", 5 }, { "bad@x", 5 }, { "3", 1 } } };
	struct bench *b = *state;
	char path[4200];
	sqlite3 *sqlite;

	create(b, STR("romeo"));
	set_many(b, LIST(before));
	snprintf(path, sizeof path, "%s/stentor.db", b->dir);
	assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sqlite, "CREATE TRIGGER refuse BEFORE INSERT ON data "
		"WHEN new.key = 'bad@x' BEGIN SELECT RAISE(ABORT, 'no'); END", NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(sqlite);
	store_set_data(b->s, new_op(b), ROMEO, changes, 3);
	assert_int_equal(wait_all(b)->status, STORE_FAILED);
	assert_listed(b, "block", LIST(before));
}

static void what_is_over_a_bound_is_refused_whole(void **state)
{
	static char much[STORE_BYTES_MAX + 1];
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
		{ "the second of two", 1, 1, STORE_BYTES_MAX + 1, 2, STORE_FULL },
	};
	struct bench *b = *state;
	struct store_datum *changes = xcalloc(STORE_CHANGES_MAX + 1, sizeof *changes);

	memset(much, 'x', sizeof much);
	create(b, STR("romeo"));
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t k = 0; k < cases[i].n; k++)
			changes[k] = (struct store_datum){ { "y", 1 }, { "y", 1 }, { "y", 1 } };
		changes[cases[i].n - 1] = (struct store_datum){ str_from(much, cases[i].space),
			str_from(much, cases[i].key), str_from(much, cases[i].bytes) };
		store_set_data(b->s, new_op(b), ROMEO, changes, cases[i].n);
		if (wait_all(b)->status != cases[i].status)
			fail_msg("%s: status %d", cases[i].name, (int)b->last->status);
		assert_listed(b, "y", NULL, 0);
	}
	free(changes);
}

static void a_space_may_have_a_bound(void **state)
{
	static const struct entry before[] = { { "Private", "k", "12345" } };
	static const struct {
		const char *name, *key, *bytes;
		enum store_status status;
	} cases[] = {
		{ "under it", "a", "123", STORE_OK },       /* 6 + 4 */
		{ "just at it", "b", "1234567890123", STORE_OK }, /* 10 + 14 */
		{ "over it", "c", "1", STORE_FULL },
		{ "over it by a key", "cc", "", STORE_OK }, /* there is none */
		{ "one replaced", "a", "1234", STORE_FULL },
		{ "one made smaller", "a", "1", STORE_OK },
		{ "and again at it", "d", "1", STORE_OK },
	};
	struct bench *b = *state;

	create(b, STR("romeo"));
	set_many(b, LIST(before));
	set_one(b, "Vcard", "", "not of this space");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct store_datum d = { STR("Private"), str_c(cases[i].key),
			str_c(cases[i].bytes) };
		store_set_data_within(b->s, new_op(b), ROMEO, &d, 1, 24);
		if (wait_all(b)->status != cases[i].status)
			fail_msg("%s: status %d", cases[i].name, (int)b->last->status);
	}
	static const struct entry at_last[] = { { "Private", "a", "1" },
		{ "Private", "b", "1234567890123" }, { "Private", "d", "1" },
		{ "Private", "k", "12345" } };
	assert_listed(b, "Private", LIST(at_last));
}

/* --- Backup --------------------------------------------------------------------------- */

static int64_t ask(const char *path, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

/* Large rows: the database has more pages than one step copies. */
static void fill(struct bench *b, unsigned rows)
{
	static char bytes[500000];

	memset(bytes, 'x', sizeof bytes);
	for (unsigned i = 0; i < rows; i++) {
		char key[16];
		snprintf(key, sizeof key, "%u", i);
		const struct store_datum d = { STR("Fill"), str_c(key),
			str_from(bytes, sizeof bytes) };
		store_set_data(b->s, new_op(b), ROMEO, &d, 1);
	}
	wait_all(b);
}

struct copying {
	struct bench *b;
	unsigned writes;
	bool done, at_rest; /* the copy, the writes */
	enum store_status status;
};

static void copied(struct store_op *op, void *receiver)
{
	struct copying *c = *(struct copying **)op->ctx;

	c->done = true;
	c->status = op->status;
	store_op_free(op);
}

static void wrote(struct store_op *op, void *receiver)
{
	struct copying *c = *(struct copying **)op->ctx;

	assert_int_equal(op->status, STORE_OK);
	store_op_free(op);
	c->writes++;
	c->at_rest = c->done;
	if (c->at_rest)
		return;
	op = store_op_new(&c->b->home, wrote, sizeof c);
	memcpy(op->ctx, &c, sizeof c);
	store_set_last(c->b->s, op, ROMEO, c->writes, STR(""));
}

static bool copy_done(void *receiver)
{
	struct bench *b = receiver;
	struct copying *c = b->of_test;

	return c->at_rest;
}

static void start_copy(struct copying *c, struct str path)
{
	struct store_op *op = store_op_new(&c->b->home, copied, sizeof c);

	memcpy(op->ctx, &c, sizeof c);
	c->b->of_test = c;
	store_backup(c->b->s, op, path);
}

/* A write before it is in the copy, though it has not come home; those after may be made, and
 * do not make it start anew. */
static void a_backup_is_one_moment_while_writes_go_on(void **state)
{
	struct bench *b = *state;
	struct copying c = { .b = b };
	char path[4200];
	struct stat st;

	snprintf(path, sizeof path, "%s/copy.db", b->dir);
	create(b, STR("romeo"));
	fill(b, 40);
	create(b, STR("juliet"));
	set_one(b, "block", "a@x", "1");
	struct store_op *op = store_op_new(&b->home, wrote, sizeof(void *));
	*(struct copying **)op->ctx = &c;
	store_set_last(b->s, op, ROMEO, 77, STR(""));
	start_copy(&c, str_c(path));
	home_run(&b->home, b, copy_done);
	assert_int_equal(c.status, STORE_OK);
	assert_true(c.writes > 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(ask(path, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"),
		1);
	assert_int_equal(ask(path, "SELECT count(*) FROM data WHERE space = 'Fill'"), 40);
	assert_int_equal(ask(path, "SELECT count(*) FROM data WHERE space = 'block'"), 1);
	assert_int_equal(ask(path, "SELECT count(*) FROM accounts"), 2);
	assert_true(ask(path, "SELECT last_us FROM accounts WHERE user = 'romeo'") > 0);
	/* What the store itself goes on with is sound, too. */
	load(b, STR("romeo"));
}

static void a_backup_goes_where_nothing_is(void **state)
{
	static const char *const names[] = { "/stentor.db", "/no/such/folder/copy.db", "" };
	struct bench *b = *state;
	char path[4200];

	create(b, STR("romeo"));
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "%s%s", names[i][0] ? b->dir : "", names[i]);
		store_backup(b->s, new_op(b), str_c(path));
		assert_int_equal(wait_all(b)->status, STORE_FAILED);
	}
	load(b, STR("romeo"));
	assert_int_equal(b->last->status, STORE_OK);
}

/* A store opened from the copy is the store. */
static void a_backup_can_be_put_in_its_place(void **state)
{
	static const struct entry kept[] = { { "block", "a@x", "1" } };
	struct bench *b = *state;
	char from[4200], to[4200];

	create(b, STR("romeo"));
	set_many(b, LIST(kept));
	snprintf(from, sizeof from, "%s/copy.db", b->dir);
	snprintf(to, sizeof to, "%s/stentor.db", b->dir);
	store_backup(b->s, new_op(b), str_c(from));
	assert_int_equal(wait_all(b)->status, STORE_OK);
	set_one(b, "block", "later@x", "1");
	store_close(&b->s);
	assert_int_equal(rename(from, to), 0);
	b->s = open_store(b->dir);
	load(b, STR("romeo"));
	assert_data(b, LIST(kept));
}

/* Closing finishes what was submitted. */
static void a_store_that_closes_finishes_its_backup(void **state)
{
	struct bench *b = *state;
	char path[4200];

	create(b, STR("romeo"));
	fill(b, 10);
	snprintf(path, sizeof path, "%s/copy.db", b->dir);
	store_backup(b->s, new_op(b), str_c(path));
	store_close(&b->s);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_int_equal(ask(path, "SELECT count(*) FROM data WHERE space = 'Fill'"), 10);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(entries_are_put_replaced_and_deleted),
		T(bytes_may_be_any),
		T(only_resident_spaces_are_loaded_with_the_account),
		T(nothing_is_left_of_a_deleted_account),
		T(several_changes_are_there_whole_or_not_at_all),
		T(what_is_over_a_bound_is_refused_whole),
		T(a_space_may_have_a_bound),
		T(a_backup_is_one_moment_while_writes_go_on),
		T(a_backup_goes_where_nothing_is),
		T(a_backup_can_be_put_in_its_place),
		T(a_store_that_closes_finishes_its_backup),
	};
	return cmocka_run_group_tests_name("store_data", tests, NULL, NULL);
}
