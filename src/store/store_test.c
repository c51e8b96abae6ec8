#include "store/store.h"

#include "base/clock.h"
#include "store/store_testing.h"

#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const struct store_key other_keys[STORE_HASHES] = {
	[1] = { 20000, { "new", 3 }, { "newer", 5 }, { "newest", 6 } },
	[2] = { 1, { "x", 1 }, { "y", 1 }, { "z", 1 } },
};

static void assert_keys(const struct store_key *is, const struct store_key *should)
{
	for (int i = 0; i < STORE_HASHES; i++) {
		assert_int_equal(is[i].rounds, should[i].rounds);
		assert_str(is[i].salt, should[i].salt);
		assert_str(is[i].stored, should[i].stored);
		assert_str(is[i].server, should[i].server);
	}
}

static void new_account_has_keys_and_nothing_else(void **state)
{
	struct bench *b = *state;

	assert_int_equal(create(b, STR("romeo")), STORE_OK);
	store_keys(b->s, new_op(b), HOST, STR("romeo"));
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_str(b->last->account.user, STR("romeo"));
	assert_int_equal(b->last->account.created_us, 1234567);
	assert_keys(b->last->account.keys, some_keys);

	struct store_account *acc = load(b, STR("romeo"));
	assert_keys(acc->keys, some_keys);
	assert_int_equal(acc->created_us, 1234567);
	assert_int_equal(acc->last_us, 0);
	assert_str(acc->last_status, STR(""));
	assert_int_equal(acc->roster_version, 0);
	assert_int_equal(acc->n_items, 0);
	assert_int_equal(acc->n_pending, 0);
}

static void an_account_is_made_once(void **state)
{
	struct bench *b = *state;

	assert_int_equal(create(b, STR("romeo")), STORE_OK);
	store_account_create(b->s, new_op(b), HOST, STR("romeo"), other_keys, 99);
	assert_int_equal(wait_all(b)->status, STORE_EXISTS);
	assert_keys(load(b, STR("romeo"))->keys, some_keys);
	/* The same localpart on another host is another account. */
	store_account_create(b->s, new_op(b), STR("example.net"), STR("romeo"), other_keys, 99);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_keys(load(b, STR("romeo"))->keys, some_keys);
}

static void set_keys_replaces_all(void **state)
{
	struct bench *b = *state;

	create(b, STR("romeo"));
	store_set_keys(b->s, new_op(b), HOST, STR("romeo"), other_keys);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_keys(load(b, STR("romeo"))->keys, other_keys);
}

static void set_last_keeps_time_and_status(void **state)
{
	struct bench *b = *state;

	create(b, STR("romeo"));
	store_set_last(b->s, new_op(b), HOST, STR("romeo"), 1700000000123456,
		STR("Gute Nacht \xf0\x9f\x8c\x99"));
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_int_equal(load(b, STR("romeo"))->last_us, 1700000000123456);
	assert_str(b->last->account.last_status, STR("Gute Nacht \xf0\x9f\x8c\x99"));
	store_set_last(b->s, new_op(b), HOST, STR("romeo"), 5, STR_NULL);
	assert_int_equal(load(b, STR("romeo"))->last_us, 5);
	assert_str(b->last->account.last_status, STR(""));
}

static void assert_item(const struct store_item *is, const struct store_item *should)
{
	assert_str(is->jid, should->jid);
	assert_str(is->name, should->name);
	assert_str(is->groups, should->groups);
	assert_int_equal(is->subscription, should->subscription);
	assert_int_equal(is->ask, should->ask);
	assert_int_equal(is->approved, should->approved);
	assert_int_equal(is->version, should->version);
}

static void set_item(struct bench *b, const struct store_item *item)
{
	store_set_item(b->s, new_op(b), HOST, STR("romeo"), item);
}

/* RFC 6121 section 2.1.2: what an item has. */
static void roster_items_come_back_as_they_were_put(void **state)
{
	static const struct store_item items[] = {
		{ { "a@x", 3 }, { "", 0 }, { "", 0 }, 0, false, false, 1 },
		{ { "b@x", 3 }, { "B", 1 }, { "Friends\0", 8 }, 1, true, false, 2 },
		{ { "c@x", 3 }, { "\xc3\xa9 ' \"", 6 }, { "Friends\0Work\nplace\0", 19 }, 3,
			false, true, 3 },
		{ { "d@x", 3 }, { "an empty group name", 19 }, { "\0Z\0", 3 }, 2, true, true,
			UINT64_C(1) << 62 },
	};
	struct bench *b = *state;
	size_t n = sizeof items / sizeof items[0];

	create(b, STR("romeo"));
	for (size_t i = 0; i < n; i++)
		set_item(b, &items[i]);
	struct store_account *acc = load(b, STR("romeo"));
	assert_int_equal(acc->roster_version, UINT64_C(1) << 62);
	assert_int_equal(acc->n_items, n);
	for (size_t i = 0; i < n; i++)
		assert_item(&acc->items[i], &items[i]);
}

static void an_item_is_replaced_with_its_groups(void **state)
{
	static const struct store_item before = { { "a@x", 3 }, { "A", 1 }, { "Y\0X\0Y\0", 6 }, 3,
		true, true, 7 };
	static const struct store_item sorted = { { "a@x", 3 }, { "A", 1 }, { "X\0Y\0", 4 }, 3,
		true, true, 7 };
	static const struct store_item after = { { "a@x", 3 }, { "", 0 }, { "Z\0", 2 }, 0, false,
		false, 8 };
	struct bench *b = *state;

	create(b, STR("romeo"));
	set_item(b, &before);
	struct store_account *acc = load(b, STR("romeo"));
	assert_int_equal(acc->n_items, 1);
	assert_item(acc->items, &sorted); /* groups are a set */
	set_item(b, &after);
	acc = load(b, STR("romeo"));
	assert_int_equal(acc->n_items, 1);
	assert_item(acc->items, &after);
	assert_int_equal(acc->roster_version, 8);
}

static void a_removed_item_leaves_the_version(void **state)
{
	static const struct store_item a = { { "a@x", 3 }, { "A", 1 }, { "X\0", 2 }, 3, false,
		false, 1 };
	static const struct store_item c = { { "c@x", 3 }, { "C", 1 }, { "X\0", 2 }, 3, false,
		false, 2 };
	struct bench *b = *state;

	create(b, STR("romeo"));
	set_item(b, &a);
	set_item(b, &c);
	store_del_item(b->s, new_op(b), HOST, STR("romeo"), STR("a@x"), 3);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	struct store_account *acc = load(b, STR("romeo"));
	assert_int_equal(acc->n_items, 1);
	assert_item(acc->items, &c);
	assert_int_equal(acc->roster_version, 3);
	/* One that is not there: nothing to do but the version. */
	store_del_item(b->s, new_op(b), HOST, STR("romeo"), STR("a@x"), 4);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_int_equal(load(b, STR("romeo"))->roster_version, 4);
}

static void set_pending(struct bench *b, struct str jid, struct str stanza)
{
	store_set_pending(b->s, new_op(b), HOST, STR("romeo"), jid, stanza);
}

/* RFC 6121 section 3.1.3: requests are kept and delivered again until they are answered. */
static void pending_requests_are_kept_until_answered(void **state)
{
	struct bench *b = *state;

	create(b, STR("romeo"));
	set_pending(b, STR("a@x"), STR("<presence id='1'/>"));
	set_pending(b, STR("b@x"), STR("<presence id='2'/>"));
	set_pending(b, STR("a@x"), STR("<presence id='3'/>"));
	struct store_account *acc = load(b, STR("romeo"));
	assert_int_equal(acc->n_pending, 2);
	assert_str(acc->pending[0].jid, STR("a@x"));
	assert_str(acc->pending[0].stanza, STR("<presence id='3'/>"));
	assert_str(acc->pending[1].stanza, STR("<presence id='2'/>"));
	store_del_pending(b->s, new_op(b), HOST, STR("romeo"), STR("a@x"));
	store_del_pending(b->s, new_op(b), HOST, STR("romeo"), STR("nobody@x"));
	assert_int_equal(wait_all(b)->status, STORE_OK);
	acc = load(b, STR("romeo"));
	assert_int_equal(acc->n_pending, 1);
	assert_str(acc->pending[0].jid, STR("b@x"));
}

static void nothing_is_left_of_a_deleted_account(void **state)
{
	static const struct store_item a = { { "a@x", 3 }, { "A", 1 }, { "X\0", 2 }, 3, false,
		false, 1 };
	struct bench *b = *state;

	create(b, STR("juliet"));
	create(b, STR("romeo")); /* the newest, so that the next one has its row number */
	set_item(b, &a);
	store_set_item(b->s, new_op(b), HOST, STR("juliet"), &a);
	set_pending(b, STR("a@x"), STR("<presence/>"));
	store_account_delete(b->s, new_op(b), HOST, STR("romeo"));
	assert_int_equal(wait_all(b)->status, STORE_OK);
	store_load(b->s, new_op(b), HOST, STR("romeo"));
	assert_int_equal(wait_all(b)->status, STORE_NOT_FOUND);
	/* Who takes the name later finds nothing of what was. */
	store_account_create(b->s, new_op(b), HOST, STR("romeo"), other_keys, 9);
	struct store_account *acc = load(b, STR("romeo"));
	assert_keys(acc->keys, other_keys);
	assert_int_equal(acc->n_items, 0);
	assert_int_equal(acc->n_pending, 0);
	assert_int_equal(acc->roster_version, 0);
	assert_int_equal(load(b, STR("juliet"))->n_items, 1);
}

static void unknown_accounts_are_not_found(void **state)
{
	static const struct store_item item = { .jid = { "a@x", 3 } };
	static const struct store_datum datum = { { "block", 5 }, { "a@x", 3 }, { "1", 1 } };
	struct bench *b = *state;

	create(b, STR("romeo"));
	for (int kind = STORE_KEYS; kind <= STORE_LIST_DATA; kind++) {
		struct store_op *op = new_op(b);
		struct str user = STR("tybalt"), jid = STR("a@x");

		switch ((enum store_kind)kind) {
		case STORE_KEYS:        store_keys(b->s, op, HOST, user); break;
		case STORE_LOAD:        store_load(b->s, op, HOST, user); break;
		case STORE_DELETE:      store_account_delete(b->s, op, HOST, user); break;
		case STORE_SET_KEYS:    store_set_keys(b->s, op, HOST, user, some_keys); break;
		case STORE_SET_LAST:    store_set_last(b->s, op, HOST, user, 1, STR("")); break;
		case STORE_SET_ITEM:    store_set_item(b->s, op, HOST, user, &item); break;
		case STORE_DEL_ITEM:    store_del_item(b->s, op, HOST, user, jid, 1); break;
		case STORE_SET_PENDING: store_set_pending(b->s, op, HOST, user, jid, jid); break;
		case STORE_DEL_PENDING: store_del_pending(b->s, op, HOST, user, jid); break;
		case STORE_SET_DATA:    store_set_data(b->s, op, HOST, user, &datum, 1); break;
		case STORE_CLEAR_DATA:  store_clear_data(b->s, op, HOST, user, jid); break;
		case STORE_GET_DATA:    store_get_data(b->s, op, HOST, user, jid, jid); break;
		case STORE_LIST_DATA:   store_list_data(b->s, op, HOST, user, jid); break;
		default:
			/* The known user on a host that is not. */
			store_load(b->s, op, STR("example.net"), STR("romeo"));
			break;
		}
		if (wait_all(b)->status != STORE_NOT_FOUND)
			fail_msg("kind %d: status %d", kind, (int)b->last->status);
	}
}

static void users_come_in_pages_in_byte_order(void **state)
{
	static const char *const names[] = { "zoe", "a", "B", "ab", "\xc3\xa9mile", "a.b", "Z" };
	static const char *const sorted[] = { "B", "Z", "a", "a.b", "ab", "zoe",
		"\xc3\xa9mile" };
	enum { N = sizeof sorted / sizeof sorted[0], PAGE = 3 };
	struct bench *b = *state;
	struct str after = STR("");
	unsigned seen = 0;
	char kept[64];

	for (size_t i = 0; i < N; i++)
		assert_int_equal(create(b, str_c(names[i])), STORE_OK);
	store_account_create(b->s, new_op(b), STR("example.net"), STR("other"), some_keys, 1);
	for (;;) {
		store_users(b->s, new_op(b), HOST, after, PAGE);
		struct store_op *op = wait_all(b);
		assert_int_equal(op->status, STORE_OK);
		assert_true(op->n_users <= PAGE);
		for (size_t i = 0; i < op->n_users; i++)
			assert_str(op->users[i], str_c(sorted[seen++]));
		if (op->n_users < PAGE)
			break;
		after = op->users[op->n_users - 1];
		memcpy(kept, after.p, after.n);
		after.p = kept;
	}
	assert_int_equal(seen, N);
	store_users(b->s, new_op(b), STR("nowhere"), STR(""), 10);
	assert_int_equal(wait_all(b)->status, STORE_OK);
	assert_int_equal(b->last->n_users, 0);
}

static void everything_is_there_after_reopening(void **state)
{
	static const struct store_item a = { { "a@x", 3 }, { "A", 1 }, { "X\0", 2 }, 3, false,
		false, 41 };
	struct bench *b = *state;

	/* Not waited for: closing finishes what was submitted. */
	store_account_create(b->s, new_op(b), HOST, STR("romeo"), some_keys, 1);
	set_item(b, &a);
	store_load(b->s, new_op(b), HOST, STR("romeo"));
	store_close(&b->s);
	assert_int_equal(wait_all(b)->account.n_items, 1);
	b->s = open_store(b->dir);
	struct store_account *acc = load(b, STR("romeo"));
	assert_keys(acc->keys, some_keys);
	assert_int_equal(acc->roster_version, 41);
	assert_int_equal(acc->n_items, 1);
	assert_item(acc->items, &a);
}

/* --- Order ---------------------------------------------------------------------------- */

struct versions {
	unsigned back, wrong;
};

static void check_version(struct store_op *op, void *receiver)
{
	struct versions *v = receiver;
	uint64_t *least = op->ctx;

	v->wrong += op->status != STORE_OK || op->account.roster_version < *least;
	v->back++;
	store_op_free(op);
}

static void only_count(struct store_op *op, void *receiver)
{
	struct versions *v = receiver;

	v->wrong += op->status != STORE_OK;
	v->back++;
	store_op_free(op);
}

enum { ROUNDS = 2000 };

static bool rounds_back(void *receiver)
{
	struct versions *v = receiver;

	return v->back == 2 * ROUNDS;
}

static void set_version(struct store *s, struct mailbox *home, struct str user, uint64_t version)
{
	store_del_item(s, store_op_new(home, only_count, 0), HOST, user, STR("nobody@x"), version);
}

static void read_version(struct store *s, struct mailbox *home, struct str user, uint64_t least)
{
	struct store_op *op = store_op_new(home, check_version, sizeof least);

	memcpy(op->ctx, &least, sizeof least);
	store_load(s, op, HOST, user);
}

static void a_read_sees_the_writes_before_it(void **state)
{
	struct bench *b = *state;
	struct versions v = { 0 };

	create(b, STR("romeo"));
	for (unsigned i = 1; i <= ROUNDS; i++) {
		set_version(b->s, &b->home, STR("romeo"), i);
		read_version(b->s, &b->home, STR("romeo"), i);
	}
	home_run(&b->home, &v, rounds_back);
	assert_int_equal(v.wrong, 0);
	assert_int_equal(load(b, STR("romeo"))->roster_version, ROUNDS);
}

static void a_list_of_users_sees_the_account_just_made(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 50; i++) {
		char name[16];
		snprintf(name, sizeof name, "user%03d", i);
		/* The account goes first and another one's writes follow. */
		store_account_create(b->s, new_op(b), HOST, str_c(name), some_keys, 1);
		store_set_last(b->s, new_op(b), HOST, STR("user000"), 1, STR(""));
		store_users(b->s, new_op(b), HOST, STR(""), 100);
		while (b->last == NULL || b->last->kind != STORE_USERS || !all_back(b))
			wait_all(b);
		assert_int_equal(b->last->n_users, i + 1);
	}
}

/* --- Many homes ----------------------------------------------------------------------- */

enum { THREADS = 4 };

struct worker {
	pthread_t thread;
	struct store *s;
	struct str user;
	unsigned wrong;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct mailbox home;
	struct versions v = { 0 };

	BUG_ON(!mailbox_init(&home, 1 << 20));
	for (unsigned i = 1; i <= ROUNDS; i++) {
		struct store_stats unused;

		set_version(w->s, &home, w->user, i);
		read_version(w->s, &home, w->user, i);
		if (i % 64 == 0) {
			mailbox_run(&home, &v);
			store_stats(w->s, &unused);
		}
	}
	home_run(&home, &v, rounds_back);
	mailbox_clear(&home);
	w->wrong = v.wrong;
	return NULL;
}

static void many_homes_write_in_shared_groups(void **state)
{
	static const char *const users[THREADS] = { "a", "b", "c", "d" };
	struct bench *b = *state;
	struct worker workers[THREADS];
	struct store_stats before, after;

	for (int i = 0; i < THREADS; i++)
		create(b, str_c(users[i]));
	store_stats(b->s, &before);
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .s = b->s, .user = str_c(users[i]) };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].wrong, 0);
	}
	store_stats(b->s, &after);
	assert_int_equal(after.writes - before.writes, THREADS * ROUNDS);
	assert_int_equal(after.reads - before.reads, THREADS * ROUNDS);
	assert_int_equal(after.waiting, 0);
	assert_int_equal(after.failed, 0);
	/* One commit and sync for many: that is what makes it fast. */
	assert_true(after.groups - before.groups < THREADS * ROUNDS / 4);
}

/* --- The bound ------------------------------------------------------------------------ */

struct tally {
	struct mailbox home; /* of its own: a mail finds what its mailbox is run with */
	unsigned out, back;
	unsigned by_status[STORE_FAILED + 1];
};

static void tally_up(struct store_op *op, void *receiver)
{
	struct tally *t = receiver;

	t->back++;
	t->by_status[op->status]++;
	store_op_free(op);
}

static bool tally_done(void *receiver)
{
	struct tally *t = receiver;

	return t->back == t->out;
}

static struct store_op *tally_op(struct tally *t)
{
	if (!t->out++)
		assert_true(mailbox_init(&t->home, 1 << 20));
	return store_op_new(&t->home, tally_up, 0);
}

static void tally_wait(struct tally *t)
{
	home_run(&t->home, t, tally_done);
	mailbox_clear(&t->home);
}

/* Takes the lock of writers, as a person with sqlite3 may do for a while. */
static sqlite3 *lock_database(const char *dir)
{
	char path[4200];
	sqlite3 *sqlite;

	snprintf(path, sizeof path, "%s/stentor.db", dir);
	assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sqlite, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	return sqlite;
}

static void operations_over_the_bound_are_refused(void **state)
{
	enum { OVER = 10 };
	struct bench *b = *state;
	struct tally t = { .out = 0 };
	struct store_stats stats;

	create(b, STR("romeo"));
	sqlite3 *lock = lock_database(b->dir);
	for (unsigned i = 1; i <= STORE_WAITING_MAX + OVER; i++)
		store_set_last(b->s, tally_op(&t), HOST, STR("romeo"), i, STR(""));
	mailbox_run(&t.home, &t);
	assert_int_equal(t.back, OVER);
	assert_int_equal(t.by_status[STORE_FULL], OVER);
	store_stats(b->s, &stats);
	assert_int_equal(stats.waiting, STORE_WAITING_MAX);
	assert_int_equal(stats.failed, OVER);
	sqlite3_close(lock);
	tally_wait(&t);
	assert_int_equal(t.by_status[STORE_OK], STORE_WAITING_MAX);
	assert_int_equal(load(b, STR("romeo"))->last_us, STORE_WAITING_MAX);
}

/* --- Syncs ---------------------------------------------------------------------------- */

static atomic_uint syncs;

/* Take the place of the C library's in this program. */
int fdatasync(int fd)
{
	syncs++;
	return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	syncs++;
	return (int)syscall(SYS_fsync, fd);
}

static void a_group_is_synced_once_before_it_comes_home(void **state)
{
	enum { MANY = 100 };
	struct bench *b = *state;
	struct tally t = { .out = 0 };
	struct store_stats before, after;

	create(b, STR("romeo"));
	/* Each with something new: what changes nothing needs no sync, and SQLite knows. */
	for (unsigned i = 1; i <= 10; i++) {
		unsigned sofar = syncs;
		store_set_last(b->s, new_op(b), HOST, STR("romeo"), i, STR(""));
		wait_all(b);
		assert_int_equal(syncs, sofar + 1);
	}
	unsigned sofar = syncs;
	store_stats(b->s, &before);
	sqlite3 *lock = lock_database(b->dir);
	for (unsigned i = 1; i <= MANY; i++)
		store_set_last(b->s, tally_op(&t), HOST, STR("romeo"), i, STR(""));
	sqlite3_close(lock);
	tally_wait(&t);
	store_stats(b->s, &after);
	/* One with what the writer took before it met the lock, one with all others. */
	assert_true(after.groups - before.groups <= 2);
	assert_int_equal(syncs - sofar, after.groups - before.groups);
	assert_int_equal(after.writes - before.writes, MANY);
}

/* --- The write-ahead log -------------------------------------------------------------- */

/* Writes a row of half a megabyte, 123 pages of the log, every byte of it changed. */
static void write_much(struct bench *b, unsigned times)
{
	static char stanza[500000];

	for (unsigned i = 0; i < times; i++) {
		memset(stanza, i % 2 ? 'x' : 'y', sizeof stanza);
		set_pending(b, STR("a@x"), str_from(stanza, sizeof stanza));
		assert_int_equal(wait_all(b)->status, STORE_OK);
	}
}

static int64_t log_bytes(struct bench *b)
{
	char path[4200];
	struct stat st;

	snprintf(path, sizeof path, "%s/stentor.db-wal", b->dir);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void a_long_select_only_makes_the_log_grow(void **state)
{
	struct bench *b = *state;

	create(b, STR("romeo"));
	sqlite3 *reader = lock_database(b->dir);
	assert_int_equal(sqlite3_exec(reader, "COMMIT; BEGIN; SELECT * FROM accounts", NULL, NULL,
		NULL), SQLITE_OK);
	uint64_t start = clock_mono_ms();
	write_much(b, 140);
	assert_true(log_bytes(b) > 140 * 500000);
	/* A writer that waited for the reader each time would take 10 s a write at the end. */
	assert_true(clock_mono_ms() - start < 10000);
	sqlite3_close(reader);
	write_much(b, 2);
	int64_t grown = log_bytes(b);
	write_much(b, 20);
	assert_true(log_bytes(b) <= grown);
}

/* --- Operations that fail ------------------------------------------------------------- */

/* Has the database refuse an item from bad@x, with this SQLite action. */
static void refuse_bad(const char *dir, const char *action)
{
	char path[4200], sql[256];
	sqlite3 *sqlite;

	snprintf(path, sizeof path, "%s/stentor.db", dir);
	snprintf(sql, sizeof sql, "CREATE TRIGGER refuse BEFORE INSERT ON roster "
		"WHEN new.jid = 'bad@x' BEGIN SELECT RAISE(%s, 'no'); END", action);
	assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sqlite, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(sqlite);
}

static void put_jid(struct bench *b, struct tally *t, const char *jid, uint64_t version)
{
	const struct store_item item = { .jid = str_c(jid), .version = version };

	store_set_item(b->s, tally_op(t), HOST, STR("romeo"), &item);
}

/* Four operations in one group: a lock on the database keeps them together. */
static void failures_are_kept_apart(void **state)
{
	static const struct {
		const char *action; /* ABORT undoes a statement, ROLLBACK the whole transaction */
		unsigned ok, failed, items, version, last;
	} cases[] = {
		{ "ABORT", 3, 1, 2, 2, 7 },
		{ "ROLLBACK", 0, 4, 0, 0, 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bench *b;
		struct tally t = { .out = 0 };
		struct store_stats stats;

		set_up((void **)&b);
		create(b, STR("romeo"));
		refuse_bad(b->dir, cases[i].action);
		sqlite3 *lock = lock_database(b->dir);
		/* The writer takes this one and waits for the lock, while the others gather. (If
		 * it is late, this one is of their group, and fares like it.) */
		store_set_last(b->s, new_op(b), HOST, STR("romeo"), 1, STR(""));
		usleep(20000);
		put_jid(b, &t, "a@x", 1);
		put_jid(b, &t, "c@x", 2);
		put_jid(b, &t, "bad@x", 3);
		store_set_last(b->s, tally_op(&t), HOST, STR("romeo"), 7, STR(""));
		sqlite3_close(lock);
		unsigned others = wait_all(b)->status == STORE_FAILED;
		tally_wait(&t);
		assert_int_equal(t.by_status[STORE_OK], cases[i].ok);
		assert_int_equal(t.by_status[STORE_FAILED], cases[i].failed);
		struct store_account *acc = load(b, STR("romeo"));
		assert_int_equal(acc->n_items, cases[i].items);
		assert_int_equal(acc->roster_version, cases[i].version);
		assert_int_equal(acc->last_us, others ? 0 : cases[i].last ? cases[i].last : 1);
		/* And it goes on. */
		assert_int_equal(create(b, STR("juliet")), STORE_OK);
		store_stats(b->s, &stats);
		assert_int_equal(stats.failed, cases[i].failed + others);
		tear_down((void **)&b);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(new_account_has_keys_and_nothing_else),
		T(an_account_is_made_once),
		T(set_keys_replaces_all),
		T(set_last_keeps_time_and_status),
		T(roster_items_come_back_as_they_were_put),
		T(an_item_is_replaced_with_its_groups),
		T(a_removed_item_leaves_the_version),
		T(pending_requests_are_kept_until_answered),
		T(nothing_is_left_of_a_deleted_account),
		T(unknown_accounts_are_not_found),
		T(users_come_in_pages_in_byte_order),
		T(everything_is_there_after_reopening),
		T(a_read_sees_the_writes_before_it),
		T(a_list_of_users_sees_the_account_just_made),
		T(many_homes_write_in_shared_groups),
		T(operations_over_the_bound_are_refused),
		T(a_group_is_synced_once_before_it_comes_home),
		T(a_long_select_only_makes_the_log_grow),
		cmocka_unit_test(failures_are_kept_apart),
	};
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
