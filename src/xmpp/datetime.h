/* Moments as text: the DateTime profile of XEP-0082. */
#ifndef XMPP_DATETIME_H
#define XMPP_DATETIME_H

#include "base/arena.h"

/* "2026-11-23T10:11:12.345Z": UTC, milliseconds. wall_us: microseconds since 1970 UTC. */
struct str datetime_format(struct arena *a, uint64_t wall_us);

/* Any offset from UTC, any number of digits of a second (those beyond a microsecond are cut
 * off). A moment before 1970 gives 0: nothing here is older. False when s is no DateTime. */
bool datetime_parse(struct str s, uint64_t *wall_us);

#endif
