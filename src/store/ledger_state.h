/* What the ledger knows in memory: its segments, and for each archive which messages wait.
 *
 * Made by playing records in order: at open from the files, then by the writer as it appends.
 * One thread changes it (who opens, then the writer). Only ledger_state_count() may be called
 * by others: it sees what has been published, which is what has been committed. */
#ifndef STORE_LEDGER_STATE_H
#define STORE_LEDGER_STATE_H

#include "base/map.h"
#include "store/ledger_format.h"

#include <pthread.h>

struct segment {
	uint64_t base, size, after; /* of its head */
	uint32_t salt;
	uint32_t end;     /* where its records end; of the one that is written to */
	uint32_t waiting; /* messages in it that wait */
	bool sealed;
};

/* An archive that has records in the segments that are left. */
struct archive {
	struct map_node node;
	uint64_t newest;   /* message, or 0 */
	uint64_t first, last; /* its records lie between these places, both included */
	/* Up to this place its messages wait no longer, and the newest record that says so; both
	 * 0 where no segment is left that has messages it speaks of. */
	uint64_t mark, mark_at;
	uint64_t *waiting; /* places, growing */
	uint32_t n, cap;
	uint32_t published;
	bool touched;      /* since ledger_state_publish() */
	struct archive *next_touched;
	struct str name;
	char text[];
};

struct ledger_state {
	struct segment *segments; /* by base, growing */
	size_t n_segments, cap_segments;
	struct map archives;      /* changed under the lock */
	struct archive *touched;
	uint64_t waiting;         /* of all archives */
	uint64_t forgotten;       /* archives that went, while the index file may still name them */
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

/* Plays one record. */
void ledger_state_store(struct ledger_state *s, struct str name, uint64_t place);
void ledger_state_drop(struct ledger_state *s, struct str name, uint64_t upto, uint64_t place);
void ledger_state_erase(struct ledger_state *s, struct str name);

/* An archive as the index file has it; its messages in segments that are gone are left out.
 * False when it makes no sense. */
bool ledger_state_restore(struct ledger_state *s, const struct archive *from);

/* Makes what has been played since the last time visible to ledger_state_count(), and frees
 * archives that were erased. */
void ledger_state_publish(struct ledger_state *s);

uint32_t ledger_state_count(struct ledger_state *s, struct str name);

/* A sealed segment in which nothing waits from index *at on, or NULL; *at is then behind it. */
struct segment *ledger_state_deletable(const struct ledger_state *s, size_t *at);

/* Bytes of the records that must be written anew when segment g goes: the marks in it which
 * speak of messages in segments that stay. */
uint64_t ledger_state_carry_bytes(const struct ledger_state *s, const struct segment *g);

/* Calls back for each of these. The callback may play a drop of that archive. */
void ledger_state_carry(struct ledger_state *s, const struct segment *g,
	void (*each)(void *ctx, struct archive *a), void *ctx);

/* After segments went: forgets archives and marks that are needed no longer. */
void ledger_state_trim(struct ledger_state *s);

#endif
