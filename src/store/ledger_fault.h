/* What the ledger found wrong in its files, with the place, for a log line or a message. */
#ifndef STORE_LEDGER_FAULT_H
#define STORE_LEDGER_FAULT_H

#include "base/arena.h"

struct ledger_fault {
	const char *what; /* NULL: nothing */
	uint64_t base;    /* of the segment */
	uint64_t at;      /* offset in it */
	int e;            /* errno, or 0 when bytes are wrong */
};

/* For people: folder/segment, offset, what was found. */
struct str ledger_fault_text(const struct ledger_fault *f, const char *dir, struct arena *a);

void ledger_fault_log(const struct ledger_fault *f, const char *event, const char *dir);

#endif
