/* Opening a folder: from files to what the ledger knows in memory.
 *
 * Cuts the torn tail of the last commit, finishes deleting and erasing that a crash cut
 * short, and takes the index where it is good. What it will not repair is an error with the
 * place: see docs/ledger.md, "Recovery". */
#ifndef STORE_LEDGER_RECOVER_H
#define STORE_LEDGER_RECOVER_H

#include "store/ledger_state.h"

struct ledger_found {
	bool writable;    /* the last segment of the state is not sealed: records go on there */
	uint64_t last;    /* place of the last record in it, or 0 */
	bool has_spare;   /* there is a segment behind it that is blank */
	struct segment_head spare;
	uint64_t covered; /* up to this place an index was used; 0 without */
	uint64_t records; /* that were read behind it */
};

/* The state is empty before. dir is open; path is its name, for messages. */
bool ledger_recover(int dir, const char *path, struct ledger_state *s, struct ledger_found *out,
	struct arena *a, struct str *error);

#endif
