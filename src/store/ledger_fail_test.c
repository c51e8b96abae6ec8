/* Disks that are full, and disks that fail. */
#include "store/ledger_testing.h"

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#define A "romeo@example.org"
#define B "juliet@example.org"

/* In place of the C library's: when told to, lets so many succeed and fails the next. */
static atomic_int until_failure;
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
	if (atomic_load(&until_failure) && atomic_fetch_sub(&until_failure, 1) == 1) {
		errno = EIO;
		return -1;
	}
	return __real_fdatasync(fd);
}

/* A file system that takes O_DIRECT for a flag, and then no write with it. */
static atomic_bool refuse_direct;
static atomic_uint refused_direct;
ssize_t __real_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at);

ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at)
{
	if (atomic_load(&refuse_direct) && fcntl(fd, F_GETFL) & O_DIRECT) {
		atomic_fetch_add(&refused_direct, 1);
		errno = EINVAL;
		return -1;
	}
	return __real_pwrite64(fd, p, n, at);
}

static void test_no_direct_writes(void **state)
{
	struct rig r;

	atomic_store(&refuse_direct, true);
	rig_init(&r, 1 << 16);
	assert_int_equal(rig_store(&r, A, STR("one")), STORE_OK);
	rig_reopen(&r);
	rig_expect(&r, A, "one ");
	rig_clear(&r);
	atomic_store(&refuse_direct, false);
	assert_true(atomic_load(&refused_direct) > 0);
}

/* Stores until it is refused. */
static unsigned fill(struct rig *r, const char *archive)
{
	unsigned n = 0;

	while (rig_store(r, archive, STR("some words to take some room on the disk")) == STORE_OK)
		assert_true(++n < 100000);
	assert_int_equal(r->last->status, STORE_FULL);
	return n;
}

/* After the disk has room again, the ledger finds out by itself. */
static void expect_recovery(struct rig *r)
{
	for (int i = 0; i < 500 && rig_store(r, B, STR("again")) != STORE_OK; i++)
		usleep(20000);
	assert_int_equal(r->last->status, STORE_OK);
}

static void expect_all(struct rig *r, unsigned n)
{
	assert_int_equal(ledger_waiting(r->l, STR(A)), n);
	assert_int_equal(rig_read(r, A, UINT32_MAX)->n_messages, n);
}

static void test_min_free(void **state)
{
	struct rig r;

	rig_init(&r, SEGMENT_MIN);
	r.o.offline_max = UINT32_MAX;
	r.o.min_free_bytes = UINT64_C(1) << 60;
	rig_reopen(&r);
	/* What had been taken before may be used up, then no more is taken. */
	unsigned n = fill(&r, A);
	assert_int_equal(rig_store(&r, A, STR("x")), STORE_FULL);
	expect_all(&r, n);
	/* There is room to drop them, and to erase. */
	assert_int_equal(rig_drop(&r, A, UINT64_MAX), STORE_OK);
	assert_int_equal(rig_erase(&r, A), STORE_OK);
	r.o.min_free_bytes = 0;
	rig_reopen(&r);
	assert_int_equal(rig_store(&r, A, STR("x")), STORE_OK);
	rig_clear(&r);
}

/* With no room from the beginning. */
static void test_no_first_segment(void **state)
{
	struct rig r = { .dir = folder_new(), .o = { .min_free_bytes = UINT64_C(1) << 60 } };

	arena_init(&r.mem, 1024);
	assert_true(mailbox_init(&r.home, SIZE_MAX));
	for (int turn = 0; turn < 2; turn++) {
		assert_true(rig_open(&r));
		assert_int_equal(rig_store(&r, A, STR("x")), STORE_FULL);
		assert_int_equal(rig_drop(&r, A, 5), STORE_OK);
		assert_int_equal(rig_erase(&r, A), STORE_OK);
		rig_expect(&r, A, "");
		ledger_close(&r.l);
	}
	r.o = (struct ledger_options){ .segment_bytes = SEGMENT_MIN };
	assert_true(rig_open(&r));
	assert_int_equal(rig_store(&r, A, STR("x")), STORE_OK);
	rig_clear(&r);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit l;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* RLIMIT_FSIZE stands for a disk without room: new segments can't be made, while the one that
 * is there is small enough. */
static void test_limit(void **state)
{
	struct rig r;

	signal(SIGXFSZ, SIG_IGN); /* of this thread; the ledger's own block it */
	rig_init(&r, 4 * SEGMENT_MIN);
	rig_store(&r, A, STR("first"));
	r.o.segment_bytes = 64 * SEGMENT_MIN;
	r.o.offline_max = UINT32_MAX;
	rig_reopen(&r);
	limit_files(32 * SEGMENT_MIN);
	unsigned n = 1 + fill(&r, A);
	expect_all(&r, n);
	limit_files(RLIM_INFINITY);
	expect_recovery(&r);
	rig_reopen(&r);
	expect_all(&r, n);
	rig_expect(&r, B, "again ");
	rig_clear(&r);
}

/* Drops the first n messages, as many at once as a full disk has room to note; that makes room. */
static void drop_first(struct rig *r, const char *archive, unsigned n)
{
	while (n) {
		unsigned k = n < 200 ? n : 200;
		uint64_t upto = rig_read(r, archive, k)->messages[k - 1].place;
		for (int i = 0; i < 500 && rig_drop(r, archive, upto) != STORE_OK; i++)
			usleep(20000);
		assert_int_equal(r->last->status, STORE_OK);
		n -= k;
	}
}

/* A file system of a megabyte that is really full: dropping makes room again. */
static void test_full_disk(void **state)
{
	struct rig r;
	char *dir = folder_new();

	if (mount("tmpfs", dir, "tmpfs", 0, "size=1m") != 0) {
		print_message("no mounting here: %s\n", strerror(errno));
		folder_free(dir);
		skip();
	}
	setenv("TMPDIR", dir, 1);
	rig_init(&r, 1 << 17);
	r.o.offline_max = UINT32_MAX;
	rig_reopen(&r);
	unsigned n = fill(&r, A);
	assert_true(n > 3000);
	for (int turn = 0; turn < 3; turn++) {
		expect_all(&r, n);
		assert_int_equal(rig_store(&r, A, STR("x")), STORE_FULL);
		drop_first(&r, A, n / 2);
		expect_recovery(&r);
		rig_drop(&r, B, UINT64_MAX);
		n = n - n / 2 + fill(&r, A);
		rig_reopen(&r);
	}
	rig_clear(&r);
	unsetenv("TMPDIR");
	umount2(dir, MNT_DETACH);
	folder_free(dir);
}

/* After a sync has failed nothing is promised any more, and nothing is tried again. */
static void test_failed_sync(void **state)
{
	struct rig r;

	rig_init(&r, 1 << 16);
	rig_store(&r, A, STR("one"));
	atomic_store(&until_failure, 1);
	assert_int_equal(rig_store(&r, A, STR("two")), STORE_FAILED);
	assert_int_equal(rig_store(&r, A, STR("three")), STORE_FAILED);
	assert_int_equal(rig_drop(&r, A, UINT64_MAX), STORE_FAILED);
	assert_int_equal(rig_erase(&r, A), STORE_FAILED);
	assert_int_equal(rig_read(&r, A, 1)->status, STORE_FAILED);
	rig_reopen(&r);
	struct ledger_op *op = rig_read(&r, A, 10);
	assert_int_equal(op->status, STORE_OK);
	assert_true(op->n_messages >= 1 && str_eq(op->messages[0].bytes, STR("one")));
	rig_clear(&r);
}

/* The same in the middle of erasing: it is finished at the next open. */
static void test_failed_erase(void **state)
{
	/* The commit of the ERASE record, marks, zeros, and both for that record itself. */
	for (int sync = 1; sync <= 5; sync++) {
		struct rig r;
		rig_init(&r, 1 << 16);
		rig_store(&r, A, STR("secret"));
		rig_store(&r, B, STR("kept"));
		rig_reopen(&r);
		atomic_store(&until_failure, sync);
		assert_int_equal(rig_erase(&r, A), STORE_FAILED);
		assert_int_equal(rig_store(&r, B, STR("more")), STORE_FAILED);
		assert_int_equal(atomic_load(&until_failure), 0);
		rig_reopen(&r);
		assert_int_equal(rig_grep(&r, "secret"), 0);
		assert_int_equal(rig_grep(&r, A), 0);
		rig_expect(&r, A, "");
		rig_expect(&r, B, "kept ");
		rig_clear(&r);
	}
}

/* In the middle of replacing, of what has been replaced before: it is finished at the next open. */
static void test_failed_replace(void **state)
{
	/* The commit, the link; marks, zeros and the end of the earlier one. */
	for (int sync = 1; sync <= 5; sync++) {
		struct ledger_entry e = { STR(A), STR(B), true, true };
		struct rig r;
		rig_init(&r, 1 << 16);
		ledger_store(r.l, rig_op(&r), &e, 1, ledger_id(1, 0), STR("secret-1"), STR_NULL);
		ledger_replace(r.l, rig_op(&r), STR(A), ledger_id(1, 0), STR("secret-2"));
		rig_wait(&r);
		rig_reopen(&r);
		atomic_store(&until_failure, sync);
		ledger_replace(r.l, rig_op(&r), STR(A), ledger_id(1, 0), STR("third"));
		assert_int_equal(rig_wait(&r)->status, STORE_FAILED);
		assert_int_equal(atomic_load(&until_failure), 0);
		rig_reopen(&r);
		/* What was not committed may be there, as the file system has it. */
		assert_int_equal(rig_grep(&r, "secret"), 0);
		rig_expect(&r, A, "third ");
		rig_clear(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_direct_writes),
		cmocka_unit_test(test_min_free),
		cmocka_unit_test(test_no_first_segment),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_failed_sync),
		cmocka_unit_test(test_failed_erase),
		cmocka_unit_test(test_failed_replace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
