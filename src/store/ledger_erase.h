/* Erasing on disk: names and bytes of an archive's records become zeros.
 *
 * Each record first gets a mark that says so, synced, then its bytes go, synced: a reader of
 * the file after a cut at any moment knows a record that is being erased from one that is
 * broken. The ERASE record itself comes last and is done in the same way: as long as its name
 * stands, the work is not finished and is done again at the next open. */
#ifndef STORE_LEDGER_ERASE_H
#define STORE_LEDGER_ERASE_H

#include "store/ledger_fault.h"
#include "store/ledger_state.h"

/* What is to be erased: several archives go in one pass. */
struct erase_set {
	struct map archives;
	uint64_t from, to;         /* places that the pass goes over; from > to: none */
	struct segment *segments;  /* those, copied */
	size_t n_segments;
};

void erase_set_init(struct erase_set *e);
void erase_set_clear(struct erase_set *e);

/* Adds an archive: its records from `first` up to the ERASE record at `place`. */
void erase_set_add(struct erase_set *e, struct str name, uint64_t first, uint64_t place);

/* The pass shall begin at this place or earlier; for work that was cut short there. */
void erase_set_reach(struct erase_set *e, uint64_t place);

static inline bool erase_set_empty(const struct erase_set *e)
{
	return e->from > e->to;
}

/* Takes note of the segments that the pass needs; before it leaves the state's thread. */
void erase_set_bind(struct erase_set *e, const struct ledger_state *s);

/* Does it; false with *fault when it could not be finished. */
bool erase_set_run(struct erase_set *e, int dir, struct ledger_fault *fault);

#endif
