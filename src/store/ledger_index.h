/* The bytes of the ledger's index file: what is known of segments and archives as of one place.
 *
 * It holds no byte of a message, and nothing that the segments do not hold: a file that is
 * missing, broken or old costs time at the next open and nothing else. */
#ifndef STORE_LEDGER_INDEX_H
#define STORE_LEDGER_INDEX_H

#include "base/buf.h"
#include "store/ledger_state.h"

/* Up to where an index knows the segments. */
struct index_reach {
	uint64_t covers; /* place behind the last record that it has seen */
	uint64_t last;   /* place of that record; 0 when none lies before it in its segment */
	struct record_form form; /* of that segment */
};

/* The file for this state. `out` is empty and may grow without bound. */
void index_write(const struct ledger_state *s, struct index_reach reach, struct buf *out);

/* Adds what is in the file to a state that has its segments and no archives. NULL, or
 * why the file is of no use; the state then has some of them. */
const char *index_read(struct str file, struct ledger_state *s, struct index_reach *out);

#endif
