/* Replacing on disk: a message gets other bytes, and its own become zeros.
 *
 * A RECORD_REPLACE with the new ones is committed first. Then the message gets its place, synced;
 * from then on nobody looks at the old bytes, which become zeros, synced. Whatever replaced it
 * before is erased in the two steps of store/ledger_erase.h. All of it can be done again: the
 * next open does so for every RECORD_REPLACE that the index has not seen. */
#ifndef STORE_LEDGER_REPLACE_H
#define STORE_LEDGER_REPLACE_H

#include "store/ledger_fault.h"
#include "store/ledger_state.h"

/* Segments as they are at a moment, for other threads. */
struct segment_list {
	struct segment *v;
	size_t n;
};

/* For the message at place `at`, by the RECORD_REPLACE at `by`, which is on disk. False with *fault
 * when it could not be finished; true also when the message is gone. */
bool replace_run(struct segment_list segments, int dir, uint64_t at, uint64_t by,
	struct ledger_fault *fault);

#endif
