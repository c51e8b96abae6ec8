/* The data folder of a server that does not run, for the commands that read or fill it.
 *
 * The store and the ledger with a mailbox whose mails the caller's thread runs while it waits.
 * Writes are handed over and forgotten: data_settle() waits for all of them and says whether
 * each was done. Reads are waited for, one at a time. The ledger's lock keeps a server, and a
 * second command, off the folder.
 *
 * Files are made as the folder's owner would make them, so that root can use the commands and
 * the server can read what they leave. */
#ifndef SERVER_DATA_H
#define SERVER_DATA_H

#include "server/config.h"
#include "store/ledger.h"
#include "store/store.h"

#include <sys/types.h>

/* XEP-0441, as its module keeps it. Key: an address; bytes: "always" or "never". Under the empty
 * key the default: one of these, or "roster". */
#define SPACE_ARCHIVE STR("mam")

struct data {
	struct store *store;
	struct ledger *ledger;
	struct mailbox home;
	unsigned waiting;         /* writes that are not home */
	enum store_status failed; /* of the first write that was not done */
	uid_t uid;                /* the folder's owner, and who we are otherwise */
	gid_t gid;
};

/* Opens the folder. With `make` it is made when it is not there. False with a message for
 * people in *error (in the arena). */
bool data_open(struct data *d, const struct config *c, bool make, struct arena *a,
	struct str *error);

/* The same for a copy that a server made of its folder. */
bool data_open_folder(struct data *d, const char *dir, struct arena *a, struct str *error);

/* Waits for what was handed over, and closes. */
void data_close(struct data *d);

/* An operation for a write: comes home by itself. Waits while too many are under way. */
struct store_op *data_store_write(struct data *d);
struct ledger_op *data_ledger_write(struct data *d);

/* Waits until all writes are done. False: d->failed says how the first one was not. */
bool data_settle(struct data *d);

/* What was wrong, in words. */
const char *data_status_text(enum store_status status);

/* An operation for a read: hand it over, wait for it, look at it, free it. */
struct store_op *data_store_read(struct data *d);
void data_wait_store(struct data *d, const struct store_op *op);
struct ledger_op *data_ledger_read(struct data *d);
void data_wait_ledger(struct data *d, const struct ledger_op *op);

#endif
