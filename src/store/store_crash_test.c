/* What the store promises when the process is killed or the disk is full. Each case runs a
 * store in a child, so that the parent may kill it and the child may limit itself. */
#include "store/nodes.h"
#include "store/rooms.h"

#include "store/testing.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <cmocka.h>

#define HOST STR("example.org")

/* A child has no test to fail: it says why and stops. */
#define MUST(cond)                                                                        \
	do {                                                                              \
		if (!(cond)) {                                                            \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);        \
			_exit(1);                                                         \
		}                                                                         \
	} while (0)

static const struct store_key keys[STORE_HASHES] = {
	{ 4096, { "salt", 4 }, { "stored", 6 }, { "server", 6 } },
};

static struct store *open_store(const char *dir)
{
	struct arena a;
	struct str error = STR_NULL;

	arena_init(&a, 1024);
	struct store *s = store_open(dir, 1, &a, &error);
	if (!s)
		fprintf(stderr, "%.*s\n", STR_FMT(error));
	MUST(s);
	arena_clear(&a);
	return s;
}

/* The account, room or node with this number. */
static struct str name_of(char *buf, uint32_t number)
{
	snprintf(buf, 16, "n%u", number);
	return str_c(buf);
}

/* --- kill -9 -------------------------------------------------------------------------- */

enum { KILLS = 40, AT_A_TIME = 64, NUMBERS_MAX = 1 << 20 };

struct reporter {
	struct store *s;
	struct mailbox home;
	int fd;
	uint32_t next;
};

static void report(struct store_op *op, void *receiver);

enum kind { ACCOUNTS, ROOMS, NODES, KINDS };

static enum kind kind_of(uint32_t number)
{
	return number % KINDS;
}

static void create_room(struct store *s, struct store_op *op, struct str name)
{
	static const struct store_room row = { .title = { "A Dark Cave", 11 } };
	static const struct store_affiliation owner = { .jid = { "crone1@x", 8 },
		.affiliation = { "owner", 5 } };
	static const struct store_datum datum = { { "a", 1 }, { "k", 1 }, { "1", 1 } };

	store_room_save(s, op, HOST, name, &row, &owner, 1, &datum, 1);
}

/* With its first item. */
static void create_node(struct store *s, struct store_op *op, struct str name)
{
	static const struct store_node_bounds no_bounds;
	static struct store_node_affiliation owner = { { "hamlet@x", 8 }, { "owner", 5 } };
	static const struct store_node row = { .affiliations = &owner, .n_affiliations = 1 };
	static const struct store_node_item item = { .id = { "i", 1 }, .payload = { "<e/>", 4 } };

	store_node_publish(s, op, HOST, STR(""), name, &row, &item, 1, 1, &no_bounds);
}

static void create_next(struct reporter *r)
{
	char buf[16];
	struct store_op *op = store_op_new(&r->home, report, sizeof r->next);
	struct str name = name_of(buf, r->next);

	memcpy(op->ctx, &r->next, sizeof r->next);
	switch (kind_of(r->next++)) {
	case ROOMS:
		create_room(r->s, op, name);
		break;
	case NODES:
		create_node(r->s, op, name);
		break;
	default:
		store_account_create(r->s, op, HOST, name, keys, 1);
	}
}

static void report(struct store_op *op, void *receiver)
{
	struct reporter *r = receiver;

	MUST(op->status == STORE_OK);
	MUST(write(r->fd, op->ctx, sizeof r->next) == sizeof r->next);
	store_op_free(op);
	create_next(r);
}

static bool never(void *receiver)
{
	return false;
}

/* Makes accounts, rooms and nodes from number `first` on until it is killed, and tells each that
 * came home. */
static void make_many(const char *dir, uint32_t first, int fd)
{
	struct reporter r = { .s = open_store(dir), .fd = fd, .next = first };

	MUST(mailbox_init(&r.home, 1 << 20));
	for (int i = 0; i < AT_A_TIME; i++)
		create_next(&r);
	home_run(&r.home, &r, never);
}

/* Runs make_many() for a while and kills it. Marks what it told; the first number that
 * the next child may take. */
static uint32_t run_and_kill(const char *dir, uint32_t first, bool *told, unsigned after_ms)
{
	struct timespec wait = { 0, (long)after_ms * 1000000 };
	uint32_t number, most = first;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		make_many(dir, first, fds[1]);
	}
	close(fds[1]);
	/* From the first report on, so that the kill falls among the writes. */
	bool any = read(fds[0], &number, sizeof number) == sizeof number;
	assert_true(any);
	nanosleep(&wait, NULL);
	kill(pid, SIGKILL);
	do {
		assert_true(number < NUMBERS_MAX);
		told[number] = true;
		most = number > most ? number : most;
	} while (read(fds[0], &number, sizeof number) == sizeof number);
	close(fds[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return most + AT_A_TIME + 1;
}

static int64_t number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* Those of the kind whose numbers were told, but who are not in its table. */
static unsigned count_missing(sqlite3 *db, const char *sql, enum kind kind,
	const bool *told)
{
	sqlite3_stmt *st;
	unsigned missing = 0;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	for (uint32_t i = 0; i < NUMBERS_MAX; i++) {
		if (!told[i] || kind_of(i) != kind)
			continue;
		sqlite3_bind_int64(st, 1, i);
		assert_int_equal(sqlite3_step(st), SQLITE_ROW);
		missing += sqlite3_column_int(st, 0) != 1;
		sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	return missing;
}

/* Looks with SQLite alone, so that a store that lies to itself is found out. */
static void assert_all_there(const char *dir, const bool *told)
{
	char path[4200];
	sqlite3 *db;

	snprintf(path, sizeof path, "%s/stentor.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(number(db, "SELECT integrity_check = 'ok' "
		"FROM pragma_integrity_check"), 1);
	/* What came of an account, a room or a node came whole. */
	assert_int_equal(number(db, "SELECT count(*) FROM accounts WHERE id NOT IN "
		"(SELECT account FROM keys)"), 0);
	assert_int_equal(number(db, "SELECT count(*) FROM rooms WHERE id NOT IN "
		"(SELECT room FROM room_affiliations) OR id NOT IN (SELECT room FROM room_data)"), 0);
	assert_int_equal(number(db, "SELECT count(*) FROM nodes WHERE items <> 1 OR id NOT IN "
		"(SELECT node FROM node_affiliations) OR id NOT IN (SELECT node FROM node_items)"), 0);
	assert_int_equal(number(db, "SELECT nodes = (SELECT count(*) FROM nodes) AND "
		"bytes = (SELECT sum(size) FROM node_items) FROM node_owners"), 1);
	assert_int_equal(count_missing(db, "SELECT count(*) FROM accounts "
		"WHERE user = 'n' || ?1 AND host = 'example.org'", ACCOUNTS, told), 0);
	assert_int_equal(count_missing(db, "SELECT count(*) FROM rooms "
		"WHERE name = 'n' || ?1 AND host = 'example.org'", ROOMS, told), 0);
	assert_int_equal(count_missing(db, "SELECT count(*) FROM nodes WHERE name = 'n' || ?1",
		NODES, told), 0);
	sqlite3_close(db);
}

static void what_came_home_outlives_a_kill(void **state)
{
	char *dir = folder_new();
	bool *told = xcalloc(NUMBERS_MAX, sizeof *told);
	uint32_t first = 0;

	for (unsigned i = 0; i < KILLS; i++) {
		/* Spread over 25 ms; the machine adds the rest of chance. */
		first = run_and_kill(dir, first, told, i * 7 % 25);
		if (i % 8 == 7)
			assert_all_there(dir, told);
	}
	assert_all_there(dir, told);
	free(told);
	folder_free(dir);
}

/* --- Full disks ----------------------------------------------------------------------- */

/* A way of taking the space and of giving it back. */
struct disk {
	const char *name;
	bool (*set_up)(const char *dir); /* false: cannot be had here */
	void (*fill)(const char *dir);
	void (*relieve)(const char *dir);
};

static bool limit_set_up(const char *dir)
{
	return signal(SIGXFSZ, SIG_IGN) != SIG_ERR;
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	MUST(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	MUST(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/* Not even the first commit has room. */
static void limit_to_little(const char *dir)
{
	limit_files(64 * 1024);
}

/* The log is folded into the database a few times, until that finds no room. */
static void limit_to_some(const char *dir)
{
	limit_files(6 * 1024 * 1024);
}

static void limit_to_nothing(const char *dir)
{
	limit_files(RLIM_INFINITY);
}

static bool tmpfs_set_up(const char *dir)
{
	if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	return mount("tmpfs", dir, "tmpfs", 0, "size=2m") == 0;
}

static void tmpfs_fill(const char *dir)
{
	static const char zeros[4096];
	char path[4200];

	snprintf(path, sizeof path, "%s/filler", dir);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	MUST(fd >= 0);
	while (write(fd, zeros, sizeof zeros) > 0)
		;
	MUST(errno == ENOSPC);
	close(fd);
}

static void tmpfs_relieve(const char *dir)
{
	char path[4200];

	snprintf(path, sizeof path, "%s/filler", dir);
	MUST(unlink(path) == 0);
}

struct tally {
	struct store *s;
	struct mailbox home;
	unsigned out, back, failed;
	enum store_status status[4096]; /* by number */
};

static void tally_up(struct store_op *op, void *receiver)
{
	struct tally *t = receiver;
	uint32_t n;

	memcpy(&n, op->ctx, sizeof n);
	t->status[n] = op->status;
	t->failed += op->status != STORE_OK;
	t->back++;
	store_op_free(op);
}

static bool tally_done(void *receiver)
{
	struct tally *t = receiver;

	return t->back == t->out;
}

static struct store_op *tally_op(struct tally *t)
{
	struct store_op *op = store_op_new(&t->home, tally_up, sizeof t->out);

	memcpy(op->ctx, &t->out, sizeof t->out);
	MUST(t->out < sizeof t->status / sizeof t->status[0]);
	t->out++;
	return op;
}

/* A request that takes some room, from the JID with the operation's number. */
static void set_pending(struct tally *t)
{
	static char stanza[20000];
	char jid[16];
	struct str from = name_of(jid, t->out);

	memset(stanza, 'x', sizeof stanza);
	store_set_pending(t->s, tally_op(t), HOST, STR("romeo"), from,
		str_from(stanza, sizeof stanza));
}

static void check_load(struct store_op *op, void *receiver)
{
	struct tally *t = receiver;
	size_t stored = 0;

	MUST(op->status == STORE_OK);
	for (unsigned i = 1; i < t->out - 1; i++)
		stored += t->status[i] == STORE_OK;
	MUST(op->account.n_pending == stored);
	for (size_t i = 0; i < stored; i++) {
		const char *from = op->account.pending[i].jid.p;
		uint64_t n;
		MUST(str_to_u64(str_c(from + 1), t->out, &n) && t->status[n] == STORE_OK);
	}
	tally_up(op, t);
}

/* What came home well is there, and nothing else. */
static void check_stored(struct tally *t)
{
	struct store_op *op = tally_op(t);

	op->done = check_load;
	store_load(t->s, op, HOST, STR("romeo"));
	home_run(&t->home, t, tally_done);
	t->out--;
	t->back--;
}

static int fill_and_relieve(const struct disk *disk, const char *dir)
{
	static struct tally t;
	struct store_stats stats;

	if (!disk->set_up(dir))
		return 77;
	t.s = open_store(dir);
	MUST(mailbox_init(&t.home, 1 << 20));
	store_account_create(t.s, tally_op(&t), HOST, STR("romeo"), keys, 1);
	home_run(&t.home, &t, tally_done);
	MUST(t.failed == 0);

	disk->fill(dir);
	while (t.failed < 50) {
		for (int i = 0; i < 10; i++)
			set_pending(&t);
		home_run(&t.home, &t, tally_done);
	}
	for (unsigned i = 0; i < t.out; i++)
		MUST(t.status[i] == STORE_OK || t.status[i] == STORE_FULL);
	check_stored(&t);

	disk->relieve(dir);
	unsigned failed = t.failed;
	for (int i = 0; i < 10; i++)
		set_pending(&t);
	home_run(&t.home, &t, tally_done);
	MUST(t.failed == failed);
	check_stored(&t);
	store_stats(t.s, &stats);
	MUST(stats.failed == failed && stats.waiting == 0);
	store_close(&t.s);
	t.s = open_store(dir);
	check_stored(&t);
	store_close(&t.s);
	mailbox_clear(&t.home);
	return 0;
}

static void run_disk(const struct disk *disk)
{
	char *dir = folder_new();
	int how;

	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fill_and_relieve(disk, dir));
	assert_int_equal(waitpid(pid, &how, 0), pid);
	folder_free(dir);
	if (WIFEXITED(how) && WEXITSTATUS(how) == 77) {
		print_message("%s: not possible here\n", disk->name);
		skip();
	}
	if (!WIFEXITED(how) || WEXITSTATUS(how) != 0)
		fail_msg("%s: ended with %d", disk->name, how);
}

static void a_limit_on_files_refuses_and_passes(void **state)
{
	static const struct disk disks[] = {
		{ "little room", limit_set_up, limit_to_little, limit_to_nothing },
		{ "some room", limit_set_up, limit_to_some, limit_to_nothing },
	};
	for (size_t i = 0; i < sizeof disks / sizeof disks[0]; i++)
		run_disk(&disks[i]);
}

static void a_full_file_system_refuses_and_passes(void **state)
{
	static const struct disk tmpfs = { "tmpfs", tmpfs_set_up, tmpfs_fill, tmpfs_relieve };

	run_disk(&tmpfs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_came_home_outlives_a_kill),
		cmocka_unit_test(a_limit_on_files_refuses_and_passes),
		cmocka_unit_test(a_full_file_system_refuses_and_passes),
	};
	return cmocka_run_group_tests_name("store_crash", tests, NULL, NULL);
}
