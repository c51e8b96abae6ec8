/* What the ledger knows in memory: its segments, and for each archive which messages wait, where
 * its history ends, and marks in it.
 *
 * Made by playing records in order: at open from the files, then by the writer as it appends.
 * One thread changes it (who opens, then the writer). Only ledger_state_count() may be called
 * by others: it sees what has been published, which is what has been committed. */
#ifndef STORE_LEDGER_STATE_H
#define STORE_LEDGER_STATE_H

#include "base/map.h"
#include "store/ledger_format.h"
#include "store/ledger_talks.h"

#include <pthread.h>

#define MARK_EVERY 32 /* messages of an archive's history */

struct segment {
	uint64_t base, size, after; /* of its head */
	struct record_form form;
	uint64_t created_us;
	uint32_t end;       /* where its records end */
	uint32_t waiting;   /* messages in it that wait */
	uint32_t pins;      /* records in it that replace messages in other segments */
	uint64_t newest_us; /* the latest stamp of a message in it */
	/* History in it: place of the first message that may be part of one, or 0 where none is. */
	uint64_t lives;
	bool sealed;
};

/* An archive that has records in the segments that are left. */
struct archive {
	struct map_node node;
	uint64_t first, last; /* its records lie between these places, both included */
	/* Records that say what waits no longer, or again: they lie between these places; both 0
	 * where no segment is left that has messages they can speak of. */
	uint64_t change_first, change_last;
	uint64_t *waiting; /* places, growing */
	uint32_t n_waiting, cap_waiting;
	uint32_t published;
	bool touched;      /* since ledger_state_publish() */
	struct archive *next_touched;
	/* Its history. */
	uint64_t newest;   /* place of the last message, or 0 */
	uint32_t n;        /* number of that message */
	uint32_t floor_n;  /* messages up to this number and */
	uint64_t floor;    /* this place are gone; */
	uint64_t lost;     /* so are those before this place, in segments that went */
	uint64_t high, low; /* greatest tick of all, least of those that are not gone */
	struct marks marks;
	struct talks talks;
	struct str name;
	char text[];
};

/* A message whose bytes are in a record of another segment. */
struct replaced {
	uint64_t at, by;
};

struct ledger_state {
	struct segment *segments; /* by base, growing */
	size_t n_segments, cap_segments;
	struct replaced *replaced;
	size_t n_replaced, cap_replaced;
	struct map archives;      /* changed under the lock */
	struct archive *touched;
	uint64_t waiting;         /* of all archives */
	uint64_t forgotten;       /* archives that went, while the index file may still name them */
	uint32_t retain_messages; /* bound of a history, or 0 */
	uint64_t cutoff_us;       /* history with older stamps is gone */
	uint64_t floors_moved;    /* grows when history went that segments may still hold */
	uint64_t key[2];          /* of the hashes of partners */
	pthread_mutex_t lock;
};

void ledger_state_init(struct ledger_state *s);
void ledger_state_clear(struct ledger_state *s);

/* Forgets all archives. */
void ledger_state_reset(struct ledger_state *s);

/* Adds a segment behind the others. The pointer holds until segments change again. */
struct segment *ledger_state_add_segment(struct ledger_state *s, const struct segment_head *h);
void ledger_state_remove_segment(struct ledger_state *s, struct segment *g);

/* The segment with this place in it, or NULL. */
struct segment *ledger_state_segment(const struct ledger_state *s, uint64_t place);

/* The archive, or NULL. */
struct archive *ledger_state_find(const struct ledger_state *s, struct str name);

/* For a message that is about to be written to this archive (NULL: its first): what its slot has
 * to say of those before it. */
void archive_link(const struct archive *a, struct record_archive *slot);

/* History that is older than the state's cutoff goes, as far as that ends at a mark. */
void archive_expire(struct ledger_state *s, struct archive *a);

/* So does what is too much, but for some messages up to a mark. */
void archive_bound(struct ledger_state *s, struct archive *a);

/* Whether it is known how many messages its history has. */
bool archive_is_counted(const struct ledger_state *s, const struct archive *a);

/* Plays one record. Those of which nothing is left to do take no effect. a: what
 * ledger_state_find() says for the slot's name, which whoever wrote the slot knows. */
void ledger_state_store(struct ledger_state *s, struct archive *a, const struct record_archive *slot,
	uint64_t place, uint64_t id);
void ledger_state_drop(struct ledger_state *s, struct str name, uint64_t upto, uint64_t place);
void ledger_state_drop_some(struct ledger_state *s, struct str name, const struct record *r);
void ledger_state_wait(struct ledger_state *s, struct str name, const struct record *r);
void ledger_state_waiting(struct ledger_state *s, struct str name, const struct record *r);
void ledger_state_replace(struct ledger_state *s, uint64_t at, uint64_t by);
void ledger_state_touch(struct ledger_state *s, struct str name, uint64_t place);
void ledger_state_erase(struct ledger_state *s, struct str name);

/* Index of the first message of the archive that waits at or behind this place. */
uint32_t archive_waiting_from(const struct archive *a, uint64_t place);
bool archive_waits(const struct archive *a, uint64_t place);

/* An archive as the index file has it, and then in the index's own hands to be filled; what waits
 * in segments that are gone is left out. NULL when it makes no sense. */
struct archive *ledger_state_restore(struct ledger_state *s, const struct archive *from);

/* Makes what has been played since the last time visible to ledger_state_count(), and frees
 * archives that were erased. */
void ledger_state_publish(struct ledger_state *s);

uint32_t ledger_state_count(struct ledger_state *s, struct str name);

/* Bytes of memory that archives take. Walks over all of them. */
uint64_t ledger_state_memory(const struct ledger_state *s);

/* A sealed segment in which nothing waits and no history lives from index *at on, or NULL; *at is
 * then behind it. */
struct segment *ledger_state_deletable(const struct ledger_state *s, size_t *at);

/* Bytes of the records that must be written anew when segment g goes: what is said in it of
 * messages in segments that stay. */
uint64_t ledger_state_carry_bytes(const struct ledger_state *s, const struct segment *g);

/* Calls back for each archive of which these are. The callback plays RECORD_WAITINGs of it. */
void ledger_state_carry(struct ledger_state *s, const struct segment *g,
	void (*each)(void *ctx, struct archive *a), void *ctx);

/* Places in one RECORD_WAITING at most. */
#define WAITING_PLACES 128

/* After segments went: forgets of an archive what was in them. False: nothing of it is left. */
bool archive_trim(struct ledger_state *s, struct archive *a);

/* The same for those in some buckets of the map, from *at on, and forgets archives of which nothing
 * is left. False when that was the end. Nothing may be unpublished. */
bool ledger_state_trim_some(struct ledger_state *s, uint32_t *at, uint32_t buckets);

/* For all. */
void ledger_state_trim(struct ledger_state *s);

#endif
