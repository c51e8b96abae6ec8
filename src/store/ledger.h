/* The ledger: the truth for messages, and the archive of every account (XEP-0313). Append-only
 * segments, one writer thread, group commit with one fdatasync a group, recovery by scanning, a
 * checksum on every record. docs/ledger.md has the format and the limits.
 *
 * A message is written once and belongs to up to LEDGER_ARCHIVES archives, named by text (a
 * bare JID). For each it may be part of the archive's history, or wait for its owner (XEP-0160),
 * or both. It has an id, given by the caller, and a place, given by the ledger: places grow in
 * the order of commit, and that is the order of an archive, so that who has read up to a place
 * misses nothing that comes later.
 *
 * Asynchronous like store/store.h: an operation is submitted and comes home, to op->home, when
 * it is done and durable. Those of one thread are carried out in the order of submission, reads
 * among them: a read sees what was submitted before it. But ledger_wait() and ledger_replace()
 * have to look for something first: what is submitted before they are home may overtake them. */
#ifndef STORE_LEDGER_H
#define STORE_LEDGER_H

#include "base/arena.h"
#include "base/mailbox.h"
#include "store/store.h"

#define LEDGER_ARCHIVES    2
#define LEDGER_BYTES_MAX   (1024 * 1024) /* of one message */
#define LEDGER_NAME_MAX    2047 /* of an archive: a bare JID, RFC 7622 section 3.1 */
#define LEDGER_OFFLINE_MAX 1000          /* messages that may wait for one account by default */
#define LEDGER_READ_BYTES  (16 * 1024 * 1024) /* of messages: a page ends behind them */
#define LEDGER_QUEUE_BYTES (256 * 1024 * 1024) /* of operations that are not home: STORE_FULL */
#define LEDGER_BUSY_OPS    8192             /* under way: who hands over should wait with more */
#define LEDGER_BUSY_BYTES  (64 * 1024 * 1024)
#define LEDGER_IDS_MAX     1000          /* messages that one operation may name */
#define LEDGER_MATCH_MAX   4096          /* bytes of a query's match_ctx */

struct ledger;

struct ledger_options {
	uint64_t segment_bytes;   /* of a segment file, in whole pages; 64 MiB where 0 */
	uint32_t offline_max;     /* LEDGER_OFFLINE_MAX where 0 */
	uint64_t min_free_bytes;  /* the disk must keep this much; else STORE_FULL */
	uint64_t retain_us;       /* history that is older is gone; 0: none is too old */
	uint32_t retain_messages; /* history of one archive, about; 0: no bound */
};

/* The id of a message: when it was received and which shard received it. The caller sees to it
 * that none is given twice, and that those of one shard grow; in the order of places ids then
 * are nearly sorted, which is what finding one rests on. 0 is none. */
static inline uint64_t ledger_id(uint64_t stamp_us, unsigned shard)
{
	return stamp_us << 8 | (shard & 0xff);
}

static inline uint64_t ledger_id_stamp(uint64_t id)
{
	return id >> 8;
}

/* One message as it comes out. */
struct ledger_message {
	uint64_t place, id;
	uint64_t stamp_us;  /* of its id: wall clock when it was received */
	struct str bytes;   /* as given, or as replaced */
};

enum ledger_kind {
	LEDGER_STORE, LEDGER_READ_WAITING, LEDGER_DROP, LEDGER_DROP_ALL, LEDGER_WAIT, LEDGER_QUERY,
	LEDGER_REPLACE, LEDGER_ERASE, LEDGER_BACKUP
};

/* What a message is to one archive. At least one of the two. */
struct ledger_entry {
	struct str archive; /* bare JID */
	struct str partner; /* bare JID of the other side of the conversation, or empty */
	bool archived;      /* part of its history: ledger_query() finds it */
	bool waits;         /* offline for it */
};

/* A page of an archive. What is 0, empty or NULL asks for nothing. */
struct ledger_query {
	struct str with;           /* a partner, as it was given to ledger_store() */
	uint64_t after, before;    /* ids: those behind it, those in front of it */
	uint64_t start_us, end_us; /* stamps, both included */
	const uint64_t *ids;       /* these alone, LEDGER_IDS_MAX at most; each must be there */
	size_t n_ids;
	uint32_t max;              /* messages; 0 is 0: for the total */
	bool newest;               /* the last of those that fit; else the first */
	/* A further condition. Runs on a thread of the ledger: a pure function of the message
	 * and of match_ctx_size bytes at match_ctx, which are copied. */
	bool (*match)(const struct ledger_message *m, const void *match_ctx);
	const void *match_ctx;
	size_t match_ctx_size;
};

struct ledger_op {
	struct mail mail;
	struct mailbox *home;
	void (*done)(struct ledger_op *op, void *receiver);
	enum store_status status;
	enum ledger_kind kind;
	/* Set before a call, the operation is put there and not posted: ledger_flush() posts all
	 * that were gathered at the cost of one. NULL: posted at once. */
	struct batch *batch;
	struct ledger_op *next;
	struct arena mem;                  /* request and result live here */
	struct str archive;
	uint64_t id;
	uint64_t place;                    /* result of ledger_store() */
	struct ledger_message *messages;   /* result of reads: always the oldest first */
	size_t n_messages;
	uint32_t missing;                  /* result of ledger_wait(): ids that are not there */
	/* Results of ledger_query(). */
	bool complete;      /* nothing fits beyond this page, in the direction of paging */
	bool total_known;   /* without filters (but for after, before, max) */
	bool index_known;
	uint32_t total;     /* messages in the history */
	uint32_t first_index; /* of the first message of the page in the history, from 0 */
	union {                            /* the ledger's own, until it is home */
		struct ledger_store_part *store;
		struct ledger_read_part *read;
		struct ledger_list_part *list;
	} part;
	void *ctx;                         /* of the caller, ctx_size bytes, zeroed */
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

/* Each call below copies what it is given into the operation and submits it; the operation is the
 * ledger's until it comes home. Any of them can end in STORE_FULL (too much is under way) or
 * STORE_FAILED (a disk that fails; it has been logged). Any thread may call. */

/* Posts what was gathered in a batch, and empties it. */
void ledger_flush(struct ledger *l, struct batch *b);

/* Stores a message of the bytes `head` and then `rest` in one or two archives. Home once durable,
 * with op->place. STORE_FULL: a bound of the disk, the queue, or the message itself; or
 * offline_max messages wait for an archive in which it would wait and do nothing else. Nothing
 * is stored then. Where it is archived as well, it is stored and does not wait. */
void ledger_store(struct ledger *l, struct ledger_op *op, const struct ledger_entry *entries,
	unsigned n_entries, uint64_t id, struct str head, struct str rest);

/* The messages that wait for the archive behind place `after` (0: from the first on), at most max
 * of them and no more once LEDGER_READ_BYTES are reached. STORE_FAILED: one of them can't be
 * read, or is broken; it has been logged with its place. */
void ledger_read_waiting(struct ledger *l, struct ledger_op *op, struct str archive,
	uint64_t after, uint32_t max);

/* Messages at these places wait no longer, LEDGER_IDS_MAX at most. Places where none waits count
 * for nothing. Home once durable: they will not come back after a crash. */
void ledger_drop(struct ledger *l, struct ledger_op *op, struct str archive,
	const uint64_t *places, size_t n);

/* All that wait now wait no longer. */
void ledger_drop_all(struct ledger *l, struct ledger_op *op, struct str archive);

/* Messages of the archive's history with these ids begin to wait (if they don't already), as far
 * as offline_max allows: for those that were delivered and never acknowledged (XEP-0198).
 * STORE_NOT_FOUND: op->missing of them are not in the history; the others wait. */
void ledger_wait(struct ledger *l, struct ledger_op *op, struct str archive,
	const uint64_t *ids, size_t n);

/* The number of messages that wait, as committed; any thread. */
uint32_t ledger_waiting(struct ledger *l, struct str archive);

/* A page of the archive's history (XEP-0313, XEP-0059). A page also ends once LEDGER_READ_BYTES
 * are reached, and is not complete then. STORE_NOT_FOUND: `after`, `before` or one of the ids is
 * not in the history. */
void ledger_query(struct ledger *l, struct ledger_op *op, struct str archive,
	const struct ledger_query *q);

/* The message of the archive's history with this id has other bytes from now on, in all its
 * archives (XEP-0424); id and place stay. The old bytes are overwritten on disk before this comes
 * home. STORE_NOT_FOUND: it is not there. */
void ledger_replace(struct ledger *l, struct ledger_op *op, struct str archive, uint64_t id,
	struct str bytes);

/* Erases all messages of the archive: they no longer count, and their bytes are overwritten
 * on disk before this comes home, but for those that another archive has too. */
void ledger_erase(struct ledger *l, struct ledger_op *op, struct str archive);

/* Puts a copy of the ledger into a folder that is not there yet. It has all that was submitted
 * before, perhaps a little more, and opens like one that was in use when the power went. Erasing
 * and replacing wait for it. STORE_EXISTS: the folder is there. */
void ledger_backup(struct ledger *l, struct ledger_op *op, const char *dir);

/* Other bounds for history than those of the options. What they hide is gone at once; its space
 * comes back bit by bit. A message that waits goes on waiting. What is gone does not come back
 * when bounds are widened. Any thread. */
void ledger_retain(struct ledger *l, uint64_t retain_us, uint32_t retain_messages);

/* So much is under way that who can hold back should, long before anything is refused. Any
 * thread. */
bool ledger_is_busy(const struct ledger *l);

struct ledger_stats {
	uint64_t records, groups, bytes;      /* written since it was opened */
	uint64_t segments, archives, waiting; /* now; messages that wait, of all archives */
	uint64_t memory;                      /* bytes for finding messages, at the last index */
	uint64_t failed;                      /* operations that came home STORE_FAILED */
	uint64_t ops;                         /* now; operations that are not home yet */
};
void ledger_stats(struct ledger *l, struct ledger_stats *out);

#endif
