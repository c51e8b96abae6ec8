/* The ledger's files as a disk may give them back: any bytes as a segment, and as an index.
 *
 * Every record that is taken for whole lies inside the segment, and says the same when it is
 * written again; what is not whole gets an answer. */
#include "base/bug.h"
#include "store/ledger_format.h"
#include "store/ledger_index.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool inside(struct str part, struct str whole)
{
	return !part.n || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void check_record(const struct record *r, struct str file, uint32_t salt, size_t at)
{
	size_t names = 0;
	bool erased = false;

	BUG_ON(!r->length || r->length % RECORD_ALIGN || r->length > file.n - at);
	BUG_ON(r->n_archives > LEDGER_ARCHIVES || !inside(r->bytes, file));
	for (unsigned i = 0; i < r->n_archives; i++) {
		BUG_ON(!inside(r->archives[i].name, file));
		names += r->archives[i].name.n;
		erased = erased || r->archives[i].erased;
	}
	if (erased) /* can't be written again: its text is gone */
		return;
	size_t length = record_length(r->n_archives, names, r->bytes.n);
	BUG_ON(length != r->length);
	char *again = xcalloc(1, length);
	record_write(r, salt, again);
	/* What fills the record up to its alignment is nobody's. */
	BUG_ON(memcmp(again, file.p + at, record_bytes_at(r) + r->bytes.n) != 0);
	free(again);
}

static void scan_segment(struct str file)
{
	struct segment_head head;
	struct segment_scan scan;
	struct record r;
	char bytes[SEGMENT_HEAD];

	if (file.n < SEGMENT_HEAD)
		return;
	memcpy(bytes, file.p, sizeof bytes);
	if (segment_head_read(bytes, &head))
		return;
	segment_scan_init(&scan, &head, file, SEGMENT_HEAD);
	size_t at = scan.at;
	while (segment_scan_next(&scan, &r) == RECORD_WHOLE) {
		BUG_ON(scan.at <= at || scan.at > file.n);
		check_record(&r, file, head.salt, at);
		at = scan.at;
	}
	BUG_ON(scan.at != at);
	segment_scan_is_tail(&scan);
}

static void read_index(struct str file)
{
	struct ledger_state state;
	struct index_reach reach;

	ledger_state_init(&state);
	index_read(file, &state, &reach);
	ledger_state_clear(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* A copy of the exact size, so that the sanitizer sees every byte too far. */
	char *copy = xmalloc(n);

	if (n)
		memcpy(copy, data, n);
	scan_segment(str_from(copy, n));
	read_index(str_from(copy, n));
	free(copy);
	return 0;
}
