/* The files in the ledger's folder: made, read, written, synced, deleted. Nothing here knows
 * what is in a segment behind its head. Functions that can fail return false (or -1) with
 * errno. */
#ifndef STORE_LEDGER_FILE_H
#define STORE_LEDGER_FILE_H

#include "store/ledger_format.h"

#define SEGMENT_NAME_SIZE 25 /* 16 hex digits, ".segment", NUL */
#define INDEX_NAME        "ledger.index"

/* The base of a segment, for its name. */
void segment_name(uint64_t base, char out[SEGMENT_NAME_SIZE]);
bool segment_name_base(const char *name, uint64_t *out);

int segment_open(int dir, uint64_t base, int flags);

/* A new segment: space taken, zeros written, head written, all synced, under its name only
 * when whole. False with ENOSPC also when the disk would keep less than min_free bytes. */
bool segment_create(int dir, const struct segment_head *h, uint64_t min_free);

/* Deletes a segment for good. Before, the segment behind it says so in its head: all from
 * `after` on has been deleted. */
bool segment_delete(int dir, uint64_t base, uint64_t next_base, uint64_t after);

/* All n bytes, or false; the end of the file before them is EIO. */
bool file_read(int fd, uint64_t at, void *p, size_t n);
bool file_write(int fd, uint64_t at, const void *p, size_t n);
bool file_zero(int fd, uint64_t at, size_t n);

/* Puts a new index in place of the old one, or takes it away. */
bool index_save(int dir, struct str file);
bool index_remove(int dir);

/* The file into memory from malloc(); {NULL, 0} with errno when it can't be read. */
struct str index_load(int dir);

/* Whether errno says that the disk has no room, for us. */
bool errno_is_full(int e);

#endif
