/* The ledger: the truth for messages. Append-only segments, one writer thread, group commit
 * with one fdatasync a group, recovery by scanning, a checksum on every record.
 * docs/ledger.md has the format. store/ledger.c says how each failure is met.
 *
 * A record belongs to up to LEDGER_ARCHIVES archives, named by text (a bare JID), and holds
 * for each the place of the record before it in that archive, so that paging backwards
 * follows links. What is offline for an account is the part of its archive behind a mark,
 * and not a copy. Asynchronous like store/store.h: operations come home when they are
 * durable. */
#ifndef STORE_LEDGER_H
#define STORE_LEDGER_H

#include "base/arena.h"
#include "base/mailbox.h"
#include "store/store.h"

#define LEDGER_ARCHIVES    2
#define LEDGER_BYTES_MAX   (1024 * 1024) /* of one message */
#define LEDGER_OFFLINE_MAX 1000          /* messages that may wait for one account by default */
#define LEDGER_READ_BYTES  (16 * 1024 * 1024) /* of messages: a read stops behind them */
#define LEDGER_QUEUE_BYTES (256 * 1024 * 1024) /* of operations that are not home: STORE_FULL */

struct ledger;

struct ledger_options {
	uint64_t segment_bytes;   /* of a segment file, in whole pages; 64 MiB where 0 */
	uint32_t offline_max;     /* LEDGER_OFFLINE_MAX where 0 */
	uint64_t min_free_bytes;  /* the disk must keep this much; else STORE_FULL */
};

/* One message as it comes out. */
struct ledger_message {
	uint64_t id;        /* its place; grows with time */
	uint64_t stamp_us;  /* wall clock when it was received */
	struct str bytes;   /* as given */
};

enum ledger_kind { LEDGER_STORE, LEDGER_READ_OFFLINE, LEDGER_DROP_OFFLINE, LEDGER_ERASE };

struct ledger_op {
	struct mail mail;
	struct mailbox *home;
	void (*done)(struct ledger_op *op, void *receiver);
	enum store_status status;
	enum ledger_kind kind;
	struct ledger_op *next;
	struct arena mem;
	struct str archive, bytes;
	uint64_t stamp_us;
	uint64_t id;                       /* result of a store; upper end of a drop */
	struct ledger_message *messages;   /* result of a read, oldest first */
	size_t n_messages;
	uint32_t max;
	void *ctx;
};

/* Opens the folder (creating it), recovers: cuts a torn tail, rebuilds the index where it is
 * missing or old. NULL with a message in *error for what it will not repair by itself: a bad
 * checksum before the tail is reported with segment and offset. */
struct ledger *ledger_open(const char *dir, const struct ledger_options *o, struct arena *a,
	struct str *error);

/* Commits what was submitted, writes the index, closes. */
void ledger_close(struct ledger **l);

struct ledger_op *ledger_op_new(struct mailbox *home, void (*done)(struct ledger_op *, void *),
	size_t ctx_size);
void ledger_op_free(struct ledger_op *op);

/* Stores a message that waits for `archive` (XEP-0160). STORE_FULL: a bound of the account, the
 * disk, the queue, or the message itself; nothing is stored then. Home once durable. */
void ledger_store_offline(struct ledger *l, struct ledger_op *op, struct str archive,
	uint64_t stamp_us, struct str bytes);

/* The messages that wait for the archive, oldest first, at most max of them and no more once
 * LEDGER_READ_BYTES are reached. Sees every operation that was submitted before.
 * STORE_FAILED: one of them can't be read, or is broken; it has been logged with its place. */
void ledger_read_offline(struct ledger *l, struct ledger_op *op, struct str archive, uint32_t max);

/* What waits up to and with message `id` waits no longer. Home once durable: it will not come
 * back after a crash. */
void ledger_drop_offline(struct ledger *l, struct ledger_op *op, struct str archive, uint64_t id);

/* Erases all messages of the archive: they no longer count, and their bytes are overwritten
 * on disk before this comes home. */
void ledger_erase(struct ledger *l, struct ledger_op *op, struct str archive);

/* The number of messages that wait, as committed; any thread. */
uint32_t ledger_offline_count(struct ledger *l, struct str archive);

struct ledger_stats {
	uint64_t records, groups, bytes;      /* written since it was opened */
	uint64_t segments, archives, waiting; /* now; messages that wait, of all archives */
	uint64_t failed;                      /* operations that came home STORE_FAILED */
	uint64_t ops;                         /* now; operations that are not home yet */
};
void ledger_stats(struct ledger *l, struct ledger_stats *out);

#endif
