#include "server/data.h"

#include "base/bug.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#define READERS     1
#define WAITING_MAX 256 /* writes under way: enough for large groups, little memory */

/* ---- whose files ---- */

/* The identity with which this thread, and each that it starts, meets the file system. The
 * kernel refuses it to all but root, for whom alone it matters. */
static void be_owner(const struct data *d)
{
	setfsgid(d->gid);
	setfsuid(d->uid);
}

static void be_oneself(void)
{
	setfsuid(geteuid());
	setfsgid(getegid());
}

static bool make_folder(const struct config *c, struct arena *a, struct str *error)
{
	const char *dir = c->data_dir.p;
	const struct passwd *pw = geteuid() == 0 && c->user.n ? getpwnam(c->user.p) : NULL;

	if (mkdir(dir, 0700) != 0) {
		if (errno == EEXIST)
			return true;
	} else if (!pw || chown(dir, pw->pw_uid, pw->pw_gid) == 0) {
		return true;
	}
	*error = str_printf(a, "%s can't be made: %s", dir, strerrordesc_np(errno));
	return false;
}

/* ---- opening and closing ---- */

static bool open_both(struct data *d, const char *dir, struct arena *a, struct str *error)
{
	/* What waits for an account is taken as it is: limits are for who sends. */
	const struct ledger_options o = { .offline_max = UINT32_MAX };

	d->ledger = ledger_open(str_printf(a, "%s/ledger", dir).p, &o, a, error);
	if (!d->ledger)
		return false;
	d->store = store_open(dir, READERS, a, error);
	return d->store != NULL;
}

bool data_open_folder(struct data *d, const char *dir, struct arena *a, struct str *error)
{
	struct stat st;

	*d = (struct data){ 0 };
	if (stat(dir, &st) != 0) {
		*error = str_printf(a, "%s: %s", dir, strerrordesc_np(errno));
		return false;
	}
	d->uid = st.st_uid;
	d->gid = st.st_gid;
	if (!mailbox_init(&d->home, SIZE_MAX)) {
		*error = str_printf(a, "no mailbox can be made: %s", strerrordesc_np(errno));
		return false;
	}
	be_owner(d);
	bool ok = open_both(d, dir, a, error);
	be_oneself();
	if (!ok)
		data_close(d);
	return ok;
}

bool data_open(struct data *d, const struct config *c, bool make, struct arena *a,
	struct str *error)
{
	if (make && !make_folder(c, a, error))
		return false;
	return data_open_folder(d, c->data_dir.p, a, error);
}

void data_close(struct data *d)
{
	data_settle(d);
	be_owner(d);
	if (d->store)
		store_close(&d->store);
	if (d->ledger)
		ledger_close(&d->ledger);
	be_oneself();
	mailbox_clear(&d->home);
}

/* ---- waiting ---- */

static void run_mails(struct data *d)
{
	if (mailbox_sleep(&d->home)) {
		struct pollfd p = { d->home.fd, POLLIN, 0 };

		mailbox_awake(&d->home, poll(&p, 1, -1) == 1);
	}
	mailbox_run(&d->home, d);
}

static void let_in(struct data *d, unsigned waiting)
{
	while (d->waiting > waiting)
		run_mails(d);
}

bool data_settle(struct data *d)
{
	let_in(d, 0);
	return d->failed == STORE_OK;
}

const char *data_status_text(enum store_status status)
{
	switch (status) {
	case STORE_OK: return "done";
	case STORE_NOT_FOUND: return "there is no such account";
	case STORE_EXISTS: return "there is such an account already";
	case STORE_FULL: return "the disk is full";
	case STORE_FAILED: break;
	}
	return "the store failed; the lines above say how";
}

/* ---- writes ---- */

static void written(struct data *d, enum store_status status)
{
	d->waiting--;
	if (d->failed == STORE_OK)
		d->failed = status;
}

static void store_written(struct store_op *op, void *receiver)
{
	written(receiver, op->status);
	store_op_free(op);
}

static void ledger_written(struct ledger_op *op, void *receiver)
{
	written(receiver, op->status);
	ledger_op_free(op);
}

struct store_op *data_store_write(struct data *d)
{
	let_in(d, WAITING_MAX);
	d->waiting++;
	return store_op_new(&d->home, store_written, 0);
}

struct ledger_op *data_ledger_write(struct data *d)
{
	let_in(d, WAITING_MAX);
	d->waiting++;
	return ledger_op_new(&d->home, ledger_written, 0);
}

/* ---- reads ---- */

static void store_read_done(struct store_op *op, void *receiver)
{
	*(bool *)op->ctx = true;
}

static void ledger_read_done(struct ledger_op *op, void *receiver)
{
	*(bool *)op->ctx = true;
}

struct store_op *data_store_read(struct data *d)
{
	return store_op_new(&d->home, store_read_done, sizeof(bool));
}

void data_wait_store(struct data *d, const struct store_op *op)
{
	while (!*(const bool *)op->ctx)
		run_mails(d);
}

struct ledger_op *data_ledger_read(struct data *d)
{
	return ledger_op_new(&d->home, ledger_read_done, sizeof(bool));
}

void data_wait_ledger(struct data *d, const struct ledger_op *op)
{
	while (!*(const bool *)op->ctx)
		run_mails(d);
}
