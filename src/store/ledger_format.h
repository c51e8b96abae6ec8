/* The bytes of a ledger's segment: its head and its records, written and read in memory.
 *
 * Nothing here touches a file, and reading takes any bytes: what a disk gives back after a
 * cut, or a fuzzer. docs/ledger.md says what the fields are for. Segments of version 1 are read;
 * of what is in them nothing is written but a seal. */
#ifndef STORE_LEDGER_FORMAT_H
#define STORE_LEDGER_FORMAT_H

#include "store/ledger.h"

#define LEDGER_VERSION  2
#define SEGMENT_HEAD    64                   /* bytes before the first record */
#define SEGMENT_MIN     ((uint64_t)4096)
#define SEGMENT_MAX     ((uint64_t)1 << 30)
#define RECORD_ALIGN    8
#define RECORD_HEAD     48
#define RECORD_SLOT     48                   /* for each archive, behind the head */
#define RECORD_HEAD_MIN 40                   /* of all versions */

/* What the records of a segment are read by. */
struct record_form {
	uint32_t version;
	uint32_t salt; /* random; the checksums start with it */
};

struct segment_head {
	uint64_t base;       /* place of its first byte */
	uint64_t size;       /* places in it; of the file, unless it was cut after its seal */
	uint64_t after;      /* all before this place up to base has been deleted */
	uint64_t created_us;
	struct record_form form;
	uint64_t key;        /* of the hashes of partners; the same in all segments */
};

void segment_head_write(const struct segment_head *h, char out[SEGMENT_HEAD]);

/* NULL, or what is wrong with it. */
const char *segment_head_read(const char in[SEGMENT_HEAD], struct segment_head *out);

enum record_type {
	RECORD_STORE = 1, /* a message */
	RECORD_DROP,      /* what waits up to a place waits no longer; bytes: that place */
	RECORD_ERASE,     /* the archive's records before this one are to be erased */
	RECORD_SEAL,      /* the last of its segment */
	/* Of version 2: */
	RECORD_DROP_SOME, /* messages wait no longer; bytes: their places */
	RECORD_WAIT,      /* messages begin to wait; bytes: their places */
	RECORD_WAITING,   /* of the messages from one place up to another just these wait; bytes:
	                   * both places (the second not included), then theirs */
	RECORD_REPLACE    /* other bytes for the record at `prev` of its first slot */
};

struct record_archive {
	uint64_t prev;        /* place of the message before it in this history, or 0 */
	uint64_t talk_prev;   /* the same of the history with this partner */
	uint64_t partner;     /* hash of the partner's name, or 0: none */
	uint32_t number;      /* in the history, from 1 */
	uint32_t talk_number; /* in the history with the partner */
	struct str name;
	bool archived, waits; /* as in struct ledger_entry */
	bool erased;          /* the name is gone; so are the bytes when no archive is left */
};

struct record {
	enum record_type type;
	uint64_t place;
	uint64_t group;    /* place of the first record of its commit */
	uint64_t id;       /* of others than messages: when they were written, the same way */
	uint64_t replaced; /* place of the RECORD_REPLACE whose bytes count, or 0 */
	unsigned n_archives;
	struct record_archive archives[LEDGER_ARCHIVES];
	struct str bytes;
	uint32_t length;   /* on disk; result of reading */
	uint32_t version;  /* the same */
};

/* Bytes on disk of a record with these sizes. */
static inline size_t record_length(unsigned n_archives, size_t names, size_t bytes)
{
	size_t n = RECORD_HEAD + RECORD_SLOT * n_archives + names + bytes;

	return (n + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
}

#define RECORD_SEAL_LENGTH RECORD_HEAD
#define RECORD_LENGTH_MAX  (RECORD_HEAD + LEDGER_ARCHIVES * (RECORD_SLOT + LEDGER_NAME_MAX) + \
	LEDGER_BYTES_MAX + RECORD_ALIGN)

/* Writes record_length() bytes. No archive of it may be erased, and it is not replaced. */
void record_write(const struct record *r, uint32_t salt, char *out);

/* Writes a seal as the form has it; returns its length. */
size_t record_write_seal(const struct record *r, struct record_form form,
	char out[RECORD_SEAL_LENGTH]);

/* Places in the bytes of records. */
struct str record_places(const uint64_t *places, size_t n, char *out);
static inline size_t record_n_places(const struct record *r)
{
	return r->bytes.n / 8;
}
uint64_t record_place(const struct record *r, size_t i);

enum record_answer {
	RECORD_WHOLE,
	RECORD_BLANK, /* zeros: nothing has been written here */
	RECORD_BAD
};

/* Reads the record at the start of `file`, which goes from `place` to the end of what is
 * there. Names and bytes of the result point into it. *why says what is bad. */
enum record_answer record_read(struct str file, uint64_t place, struct record_form form,
	struct record *out, const char **why);

/* The same for the head alone: its length says how much must follow. For reading from a
 * file; `bytes` of the result is wrong. */
enum record_answer record_peek(struct str file, uint64_t place, struct record_form form,
	struct record *out, const char **why);

/* After a peek: points the names into `file`, if that goes so far. They are not checked. */
bool record_names(struct str file, struct record *r);

/* The slot of the archive with this name, or NULL. */
const struct record_archive *record_slot(const struct record *r, struct str name);

/* Bytes of the head and the slots of any record. */
#define RECORD_PEEK (RECORD_HEAD + LEDGER_ARCHIVES * RECORD_SLOT)

/* Erasing, in two steps with a sync between. First the word at this offset of the record
 * says for archive i that it is erased: */
size_t record_erased_at(const struct record *r, unsigned i);
void record_erased_word(char out[4]);

/* then these bytes become zero: the name, what is known of the conversation, and the bytes if
 * every archive is erased. */
size_t record_name_at(const struct record *r, unsigned i);
size_t record_talk_at(const struct record *r, unsigned i);
#define RECORD_TALK 24 /* bytes; of version 2 */
size_t record_bytes_at(const struct record *r);

/* Replacing: these 8 bytes at this offset of the record lead to the RECORD_REPLACE at `by`, and
 * its own bytes are not looked at any more. Version 2 only. */
size_t record_replaced_at(void);
void record_replaced_bytes(const struct record *r, uint64_t by, uint32_t salt, char out[8]);

/* Whether all archives of the record are erased (never so for one that has none). */
bool record_all_erased(const struct record *r);

/* Whether something that is marked as erased still has bytes: erasing was cut short. */
bool record_erase_unfinished(const struct record *r);

bool all_zero(struct str s);

/* Walks over the records of a segment. */
struct segment_scan {
	const struct segment_head *head;
	struct str file; /* all of it, or what was read from its start */
	size_t at;       /* where the next record should be */
	const char *why; /* after RECORD_BAD */
};

void segment_scan_init(struct segment_scan *s, const struct segment_head *head, struct str file,
	size_t at);
enum record_answer segment_scan_next(struct segment_scan *s, struct record *out);

/* After an answer that was not RECORD_WHOLE: whether what lies from there on can be the last
 * commit, cut while it was written. False means that a later commit was begun, so that this
 * one had been synced and its bytes were changed afterwards. */
bool segment_scan_is_tail(const struct segment_scan *s);

#endif
