/* What a search for rooms looks in: the name, the title and the description of a room, folded so
 * that letters of either case and compatible forms of a character (full width, ligatures) are the
 * same. The store keeps it beside the room, so that a search folds nothing but its own words. */
#ifndef STORE_ROOM_TEXT_H
#define STORE_ROOM_TEXT_H

#include "store/store.h"

#define ROOM_TEXT_MAX 4096 /* bytes of each of the three that are looked in */

/* The three, folded, in the arena; each but the last is followed by a newline, which none has. */
struct str room_text(struct arena *a, const struct store_room *room);

#endif
