/* The conversations of one archive: for each partner the newest message, and marks where there
 * are many. 24 bytes each, in a table that is never more than three quarters full. */
#ifndef STORE_LEDGER_TALKS_H
#define STORE_LEDGER_TALKS_H

#include "store/ledger_marks.h"

#define TALK_MARK_EVERY 64

struct talk {
	uint64_t partner; /* hash; 0: the slot is free */
	uint64_t newest;  /* place */
	uint32_t n;       /* number of that message */
	uint32_t marks;   /* 1 + index of its marks, or 0: it has none */
};

struct talks {
	struct talk *v;
	struct marks *marks;
	uint32_t n, mask; /* entries; slots - 1 */
	uint32_t n_marks, cap_marks;
};

void talks_clear(struct talks *t);

/* The conversation, or NULL. */
struct talk *talks_find(const struct talks *t, uint64_t partner);

/* Adds a message. A number that does not follow the last one says that all before is gone. */
void talks_add(struct talks *t, uint64_t partner, uint32_t number, uint64_t place, uint64_t tick,
	uint64_t high);

/* The marks of a conversation; an empty set where it has none. */
const struct marks *talks_marks(const struct talks *t, const struct talk *k);

/* Forgets conversations and marks whose messages all lie at or before the place. */
void talks_trim(struct talks *t, uint64_t place);

/* Bytes in memory. */
size_t talks_memory(const struct talks *t);

/* As bytes of the index file, and back. The reader takes them off `in`; false when they make no
 * sense. */
void talks_write(const struct talks *t, struct buf *out);
bool talks_read(struct talks *t, uint32_t n, struct str *in);

#endif
