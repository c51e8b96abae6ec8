/* For the tests of the ledger: one in a folder of its own, with calls that wait, and hands on
 * its files. */
#ifndef STORE_LEDGER_TESTING_H
#define STORE_LEDGER_TESTING_H

#include "base/buf.h"
#include "store/ledger.h"
#include "store/ledger_file.h"
#include "store/testing.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <sys/stat.h>

struct rig {
	char *dir;
	struct ledger_options o;
	struct ledger *l;
	struct mailbox home;
	unsigned out;           /* operations */
	uint64_t stamp;         /* of the last message */
	struct ledger_op *last; /* that came home; kept until the next */
	struct arena mem;
	struct str error;       /* of the last rig_open() */
};

/* Folders of this test lie in memory, where there is such a place: it syncs often, and cuts
 * are made by other means than pulling a plug. */
static inline void rig_in_memory(void)
{
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
}

static inline bool rig_open(struct rig *r)
{
	r->l = ledger_open(r->dir, &r->o, &r->mem, &r->error);
	return r->l != NULL;
}

static inline void rig_init(struct rig *r, uint64_t segment_bytes)
{
	*r = (struct rig){ .dir = folder_new(), .o = { .segment_bytes = segment_bytes } };
	arena_init(&r->mem, 1024);
	assert_true(mailbox_init(&r->home, SIZE_MAX));
	assert_true(rig_open(r));
}

static inline void rig_clear(struct rig *r)
{
	if (r->l)
		ledger_close(&r->l);
	if (r->last)
		ledger_op_free(r->last);
	mailbox_clear(&r->home);
	arena_clear(&r->mem);
	folder_free(r->dir);
}

static inline void rig_reopen(struct rig *r)
{
	ledger_close(&r->l);
	if (!rig_open(r))
		print_error("%.*s\n", STR_FMT(r->error));
	assert_non_null(r->l);
}

static inline void rig_done(struct ledger_op *op, void *receiver)
{
	struct rig *r = receiver;

	if (r->last)
		ledger_op_free(r->last);
	r->last = op;
	r->out--;
}

static inline struct ledger_op *rig_op(struct rig *r)
{
	r->out++;
	return ledger_op_new(&r->home, rig_done, 0);
}

static inline bool rig_none_out(void *receiver)
{
	return ((struct rig *)receiver)->out == 0;
}

static inline struct ledger_op *rig_wait(struct rig *r)
{
	home_run(&r->home, r, rig_none_out);
	return r->last;
}

/* Hands over a message that waits for the archive and does nothing else. */
static inline void rig_put(struct rig *r, struct ledger_op *op, struct str archive,
	struct str bytes)
{
	struct ledger_entry e = { .archive = archive, .waits = true };

	ledger_store(r->l, op, &e, 1, ledger_id(++r->stamp, 0), bytes, STR_NULL);
}

static inline enum store_status rig_store(struct rig *r, const char *archive, struct str bytes)
{
	rig_put(r, rig_op(r), str_c(archive), bytes);
	return rig_wait(r)->status;
}

static inline struct ledger_op *rig_read(struct rig *r, const char *archive, uint32_t max)
{
	ledger_read_waiting(r->l, rig_op(r), str_c(archive), 0, max);
	return rig_wait(r);
}

static inline enum store_status rig_drop_places(struct rig *r, const char *archive,
	const uint64_t *places, size_t n)
{
	ledger_drop(r->l, rig_op(r), str_c(archive), places, n);
	return rig_wait(r)->status;
}

/* Drops what waits up to and with a place. */
static inline enum store_status rig_drop(struct rig *r, const char *archive, uint64_t upto)
{
	uint64_t places[LEDGER_IDS_MAX];
	size_t n;

	if (upto == UINT64_MAX) {
		ledger_drop_all(r->l, rig_op(r), str_c(archive));
		return rig_wait(r)->status;
	}
	do {
		struct ledger_op *op = rig_read(r, archive, LEDGER_IDS_MAX);
		for (n = 0; n < op->n_messages && op->messages[n].place <= upto; n++)
			places[n] = op->messages[n].place;
	} while (rig_drop_places(r, archive, places, n) == STORE_OK && n == LEDGER_IDS_MAX);
	return r->last->status;
}

static inline enum store_status rig_erase(struct rig *r, const char *archive)
{
	ledger_erase(r->l, rig_op(r), str_c(archive));
	return rig_wait(r)->status;
}

/* The messages that wait are these words, each followed by a blank. */
static inline void rig_expect(struct rig *r, const char *archive, const char *words)
{
	struct ledger_op *op = rig_read(r, archive, UINT32_MAX);
	struct buf b;

	assert_int_equal(op->status, STORE_OK);
	buf_init(&b, 1 << 24);
	for (size_t i = 0; i < op->n_messages; i++) {
		buf_add(&b, op->messages[i].bytes);
		buf_byte(&b, ' ');
	}
	buf_byte(&b, '\0');
	assert_string_equal(b.p, words);
	buf_clear(&b);
	assert_int_equal(ledger_waiting(r->l, str_c(archive)), op->n_messages);
}

/* A whole file of the folder; free(p). */
static inline struct str rig_file(struct rig *r, const char *name)
{
	int dir = open(r->dir, O_RDONLY | O_DIRECTORY), fd = openat(dir, name, O_RDONLY);
	struct stat st;

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	char *p = xmalloc((size_t)st.st_size + 1);
	assert_true(file_read(fd, 0, p, (size_t)st.st_size));
	close(fd);
	close(dir);
	return str_from(p, (size_t)st.st_size);
}

static inline void rig_put_file(struct rig *r, const char *name, struct str bytes)
{
	int dir = open(r->dir, O_RDONLY | O_DIRECTORY);
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0 && file_write(fd, 0, bytes.p, bytes.n));
	close(fd);
	close(dir);
}

static inline bool rig_remove(struct rig *r, const char *name)
{
	int dir = open(r->dir, O_RDONLY | O_DIRECTORY);
	bool good = unlinkat(dir, name, 0) == 0;

	close(dir);
	return good;
}

/* Calls back for each file whose name ends so; returns their number. */
static inline unsigned rig_each_file(struct rig *r, const char *end,
	void (*each)(struct rig *r, const char *name, void *ctx), void *ctx)
{
	DIR *d = opendir(r->dir);
	unsigned n = 0;

	for (struct dirent *e; (e = readdir(d));) {
		size_t len = strlen(e->d_name), k = strlen(end);
		if (e->d_name[0] == '.' || len < k || memcmp(e->d_name + len - k, end, k) != 0)
			continue;
		n++;
		if (each)
			each(r, e->d_name, ctx);
	}
	closedir(d);
	return n;
}

static inline void rig_look_for(struct rig *r, const char *name, void *ctx)
{
	struct { struct str text; unsigned n; } *find = ctx;
	struct str file = rig_file(r, name);

	for (const char *p = file.p; (p = memmem(p, (size_t)(file.p + file.n - p), find->text.p,
		find->text.n)); p++)
		find->n++;
	free((char *)file.p);
}

/* How often the text stands in the files of the folder. */
static inline unsigned rig_grep(struct rig *r, const char *text)
{
	struct { struct str text; unsigned n; } find = { str_c(text), 0 };

	rig_each_file(r, "", rig_look_for, &find);
	return find.n;
}

#endif
