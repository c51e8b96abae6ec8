/* The bytes of a ledger's segment: its head and its records, written and read in memory.
 *
 * Nothing here touches a file, and reading takes any bytes: what a disk gives back after a
 * cut, or a fuzzer. docs/ledger.md says what the fields are for. */
#ifndef STORE_LEDGER_FORMAT_H
#define STORE_LEDGER_FORMAT_H

#include "store/ledger.h"

#define LEDGER_VERSION  1
#define SEGMENT_HEAD    64                   /* bytes before the first record */
#define SEGMENT_MIN     ((uint64_t)4096)
#define SEGMENT_MAX     ((uint64_t)1 << 30)
#define RECORD_ALIGN    8
#define RECORD_HEAD     40
#define RECORD_SLOT     24                   /* for each archive, behind the head */

struct segment_head {
	uint64_t base;       /* place of its first byte */
	uint64_t size;       /* of the file */
	uint64_t after;      /* all before this place up to base has been deleted */
	uint64_t created_us;
	uint32_t salt;       /* random; the checksums of its records start with it */
};

void segment_head_write(const struct segment_head *h, char out[SEGMENT_HEAD]);

/* NULL, or what is wrong with it. */
const char *segment_head_read(const char in[SEGMENT_HEAD], struct segment_head *out);

enum record_type {
	RECORD_STORE = 1, /* a message */
	RECORD_DROP,      /* what waits up to a place waits no longer; bytes: that place */
	RECORD_ERASE,     /* the archive's records before this one are to be erased */
	RECORD_SEAL       /* the last of its segment */
};

struct record_archive {
	uint64_t prev;  /* place of the message before it in this archive, or 0 */
	struct str name;
	bool erased;    /* the name is gone; so are the bytes when no archive is left */
};

struct record {
	enum record_type type;
	uint64_t place;
	uint64_t group;  /* place of the first record of its commit */
	uint64_t stamp_us;
	unsigned n_archives;
	struct record_archive archives[LEDGER_ARCHIVES];
	struct str bytes;
	uint32_t length; /* on disk; result of reading */
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

/* Writes record_length() bytes. No archive of it may be erased. */
void record_write(const struct record *r, uint32_t salt, char *out);

/* The place of a DROP record's bytes, and back. */
void record_drop_bytes(uint64_t upto, char out[8]);
uint64_t record_drop_upto(const struct record *r);

enum record_answer {
	RECORD_WHOLE,
	RECORD_BLANK, /* zeros: nothing has been written here */
	RECORD_BAD
};

/* Reads the record at the start of `file`, which goes from `place` to the end of what is
 * there. Names and bytes of the result point into it. *why says what is bad. */
enum record_answer record_read(struct str file, uint64_t place, uint32_t salt,
	struct record *out, const char **why);

/* The same for the head alone: its length says how much must follow. For reading from a
 * file; `bytes` of the result is wrong. */
enum record_answer record_peek(struct str file, uint64_t place, uint32_t salt,
	struct record *out, const char **why);

/* Erasing, in two steps with a sync between. First the word at this offset of the record
 * says for archive i that it is erased: */
size_t record_erased_at(unsigned i);
void record_erased_word(char out[4]);

/* then these bytes become zero: the name, and the bytes if every archive is erased. */
size_t record_name_at(const struct record *r, unsigned i);
size_t record_bytes_at(const struct record *r);

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
