/* Inside the ledger: what its threads share, and who may touch what.
 *
 * - The writer takes all operations in the order of submission, appends, commits, and owns
 *   the state. It alone decides; the others do what takes long.
 * - The reader reads messages, a step of each operation at a time.
 * - The maker makes the next segment ahead of use.
 * - The keeper writes the index, deletes segments, erases.
 *
 * They meet in mailboxes only. What deletes or erases goes to the keeper by way of the
 * reader, so that it comes after all reads that were submitted before; later reads do not
 * ask for what it takes away. */
#ifndef STORE_LEDGER_PRIVATE_H
#define STORE_LEDGER_PRIVATE_H

#include "base/buf.h"
#include "base/counter.h"
#include "store/ledger.h"
#include "store/ledger_erase.h"
#include "store/ledger_gather.h"
#include "store/ledger_index.h"
#include "store/ledger_replace.h"
#include "store/ledger_worker.h"

/* Operations, oldest first. */
struct op_queue {
	struct ledger_op *first, **end;
};

static inline void op_queue_init(struct op_queue *q)
{
	q->first = NULL;
	q->end = &q->first;
}

static inline void op_queue_add(struct op_queue *q, struct ledger_op *op)
{
	op->next = NULL;
	*q->end = op;
	q->end = &op->next;
}

static inline struct ledger_op *op_queue_take(struct op_queue *q)
{
	struct ledger_op *op = q->first;

	if (op && !(q->first = op->next))
		q->end = &q->first;
	return op;
}

/* Moves all to the end of another queue. */
static inline void op_queue_move(struct op_queue *to, struct op_queue *from)
{
	if (!from->first)
		return;
	*to->end = from->first;
	to->end = from->end;
	op_queue_init(from);
}

/* What an operation has with it until it is home, in its arena. */

struct ledger_store_part {
	unsigned n;
	struct record_archive slots[LEDGER_ARCHIVES];
	struct str bytes;
};

struct ledger_list_part {
	size_t n;
	uint64_t v[];
};

/* A message that is looked for in a history by its id: it lies behind `stop` and up to `from`,
 * which is a message of that history. */
struct find {
	uint64_t id, place; /* 0: not found */
	uint64_t from, stop;
};

#define CHUNKS 16

struct ledger_read_part {
	struct find *finds;   /* sorted by id once the writer has seen them */
	size_t n_finds;
	size_t left;          /* the first so many have not been looked for */
	uint64_t at;          /* where looking for some of them goes on, or 0: begin */
	bool found;           /* all have been looked for */
	/* Of a replacement: the new bytes, and of the message that was found its archives and what
	 * has replaced it before, or 0. */
	struct str bytes;
	struct record_archive slots[LEDGER_ARCHIVES];
	unsigned n_slots;
	uint64_t earlier;
	/* Of pages: */
	struct ledger_query q; /* ids, match_ctx in the arena */
	uint64_t partner;
	bool planned;
	uint64_t behind, before; /* places, both not included */
	uint64_t from;        /* backwards: the message to go on with, or 0: none is left */
	uint64_t chunks[CHUNKS]; /* forwards: messages from which to walk back to the last one */
	unsigned chunk, n_chunks;
	bool last_chunk;      /* nothing comes behind those */
	uint32_t floor_n, first_n; /* numbers: of the last message that is gone, the page's first */
	/* Where marks don't say how many are gone: this message and those before it up to a place
	 * are to be counted, 0: they need not; and the number of the last of all. */
	uint64_t count_from, count_stop, cutoff_us;
	uint32_t n;
	size_t cap, bytes_read;
};

/* For numbers that are no sums. */
static inline void counter_set(counter *c, uint64_t v)
{
	atomic_store_explicit(c, v, memory_order_relaxed);
}

/* Mails gathered for each home. */
struct homes {
	struct home {
		struct mailbox *box;
		struct batch batch;
	} *v;
	size_t n, cap;
};

enum spare { SPARE_NONE, SPARE_MAKING, SPARE_READY, SPARE_FULL, SPARE_FAILED };

/* The writer's own. */
struct writer {
	struct op_queue todo;
	uint32_t n_todo;
	size_t todo_bytes;
	struct gather gather;
	struct buf group;       /* records of the commit to come */
	struct op_queue in_group, reads; /* operations that wait for it: to go home, to be read */
	struct homes homes;
	int fd;                 /* of the segment that is written to, the last; or -1 */
	uint64_t last;          /* place of its last record, or 0 */
	enum spare spare;
	struct segment_head spare_head;
	uint64_t spare_tried_ms;
	bool no_space;          /* the last try failed, and was logged */
	unsigned chores;        /* that are out */
	unsigned deleting;      /* those of them that delete */
	struct erase_set erase_next;    /* begins when the one that is out comes back */
	struct op_queue to_erase;       /* its operations */
	struct op_queue to_replace;     /* operations whose records are committed */
	struct op_queue to_back_up;
	struct op_queue erased; /* done on disk; they wait for an index that knows it */
	bool erasing, replacing, index_busy, index_wanted, index_off;
	uint64_t index_covers, index_bytes; /* of the last one */
	uint64_t index_forgotten; /* state.forgotten, as the index on disk knows it */
	bool trimming;          /* of archives, after a segment went: from this bucket on */
	uint32_t trim_at;
	bool look_for_garbage;
	uint64_t garbage_after_ms; /* no earlier */
	uint64_t retain_us;
	/* The round over segments whose history may be gone: it goes on at look_next. */
	bool in_round, looking;
	uint64_t look_next, look_after_ms;
	uint64_t looked_moves;  /* state.floors_moved when it began */
	bool segments_changed;  /* the reader must learn of it before it reads again */
};

/* The reader's own. */
struct reader {
	struct read_segment {
		uint64_t base, size;
		struct record_form form;
		int fd; /* or -1 */
	} *v;
	size_t n;
	unsigned n_open;
	char *record;        /* the one that is looked at */
	size_t cap;
	uint64_t *places;    /* of a chunk */
	size_t cap_places;
};

/* The segments as of now, for the reader. */
struct segments_mail {
	struct mail mail;
	size_t n;
	struct read_segment v[];
};

struct ledger {
	char *path;
	int dir;
	struct ledger_options o;
	struct ledger_state state;
	struct writer w;
	struct worker writer, reader, maker, keeper;
	struct reader r;
	atomic_bool failed;    /* for good */
	atomic_uint reading;   /* operations that the reader may give back to the writer */
	atomic_bool closing;   /* the writer waits for these alone; then it is woken by */
	struct mail last_read; /* this, once at a time: */
	atomic_bool last_read_out;
	atomic_uint ops;       /* submitted and not home */
	atomic_size_t op_bytes;
	counter records, groups, bytes, segments, archives, waiting, memory; /* the writer's */
	counter failures;      /* of any thread: added to with a locked instruction */
};

/* Work for another thread, which comes back to the writer. */
struct chore {
	struct mail mail;
	struct ledger *l;
	struct worker *worker;
	void (*work)(struct chore *c);  /* on the worker's thread */
	void (*after)(struct chore *c); /* on the writer's; frees it */
};

struct make_chore {
	struct chore chore;
	struct segment_head head;
	int e; /* errno, or 0: it is there */
};

struct delete_chore {
	struct chore chore;
	uint64_t base, next_base, after;
	int e;
};

struct erase_chore {
	struct chore chore;
	struct erase_set set;
	struct op_queue ops;
	struct ledger_fault fault;
};

struct replace_chore {
	struct chore chore;
	struct segment_list segments;
	struct op_queue ops;
	struct ledger_fault fault;
};

struct index_chore {
	struct chore chore;
	struct buf image;
	uint64_t forgotten;
	struct op_queue ops;
	bool saved, gone; /* the new one is there; there is none */
};

/* ledger_writer.c */
void writer_main(void *ledger);
void writer_take(struct mail *op, void *ledger);
/* The same from the reader. */
void writer_take_back(struct mail *op, void *ledger);
/* Whether a record of n bytes can be appended; makes room, and may commit and wait for it. A
 * store leaves a reserve while there is no next segment. */
bool writer_room(struct ledger *l, size_t n, bool store);
/* Adds the record to the group; its place and group are set here. Returns the place. */
uint64_t writer_append(struct ledger *l, struct record *r);
/* Writes and plays RECORD_WAITINGs of the archive: all that waits, and nothing else does. There
 * must be room. */
void writer_append_waiting(struct ledger *l, const struct archive *a);
/* Writes and syncs the group, then sends its operations where they go next. */
void writer_commit(struct ledger *l);
/* The ledger is at an end: what it had promised to the disk may not be there. */
void writer_fail(struct ledger *l, const char *what, int e);
/* Sends all home: with this status, or with their own where it is STORE_OK. */
void writer_home(struct ledger *l, struct op_queue *q, enum store_status status);

/* Seals the segment that is written to and goes on in the next, which is ready. */
bool writer_roll(struct ledger *l);

/* ledger_chores.c: the writer's side of what other threads do for it. */
void chore_make(struct ledger *l);
/* For `worker`, by way of `first`. */
void chore_post(struct ledger *l, struct chore *c, struct worker *first, struct worker *worker);
/* All segments as of now; free(v). */
struct segment_list chores_segments(const struct ledger *l);
void chores_keep_house(struct ledger *l);
/* Shows how much there is. */
void chores_count(struct ledger *l);
bool chores_idle(const struct ledger *l);
/* Milliseconds after which keeping house has something to do again, or -1. */
int chores_wait_ms(const struct ledger *l);
/* Runs a chore, on its worker's thread. */
void chore_work(struct mail *chore, void *receiver);


/* ledger_ops.c: carries out an operation. */
void writer_run(struct ledger *l, struct ledger_op *op);

/* ledger_retain.c */
void retain_cutoff(struct ledger *l);
void retain_keep(struct ledger *l);
int retain_wait_ms(const struct ledger *l);

/* ledger_backup.c */
void backup_post(struct ledger *l, struct ledger_op *op);

/* ledger_query.c: the writer's side of reading histories; what they need of its state. */
void query_windows(struct ledger *l, struct ledger_op *op);
/* The next step of a page. False: it is done. */
bool query_plan(struct ledger *l, struct ledger_op *op);

/* ledger_read.c: records from their places. */
enum read_answer {
	READ_OK,
	READ_END,   /* the segment has been deleted, or the archive erased: nothing is behind it */
	READ_FAILED /* it has been logged */
};
/* The message at this place and its slot for the archive. The head alone, or all of it, with what
 * has replaced its bytes. The result points into the reader's memory until the next call. */
enum read_answer reader_head(struct ledger *l, uint64_t place, struct str archive,
	struct record *out, const struct record_archive **slot);
enum read_answer reader_record(struct ledger *l, uint64_t place, struct str archive,
	struct record *out, const struct record_archive **slot);
void reader_segments(struct mail *segments, void *ledger);
void reader_forward(struct mail *chore, void *ledger);
void reader_close(struct ledger *l);
void reader_clear(struct ledger *l);

/* ledger_page.c: what the reader does for an operation. */
void reader_run(struct mail *op, void *ledger);

/* ledger.c */
/* Ends the ledger's part in an operation: the mail may be posted then. Returns the bytes that it
 * counts for. */
uint64_t ledger_op_leave(struct ledger *l, struct ledger_op *op);

/* So many operations have been posted home. Not before that: who sees that none is under way finds
 * them all at home. */
void ledger_ops_left(struct ledger *l, uint64_t n, uint64_t bytes);
struct index_reach ledger_reach(const struct ledger *l);

/* The segment that is written to; there is one while w.fd is not -1. */
static inline struct segment *ledger_active(struct ledger *l)
{
	return &l->state.segments[l->state.n_segments - 1];
}

#endif
