/* What a search for rooms looks in: the name, the title and the description of a room, folded so
 * that letters of either case and compatible forms of a character (full width, ligatures) are the
 * same. The store keeps it beside the room, so that a search folds nothing but its own words. */
#ifndef STORE_ROOM_TEXT_H
#define STORE_ROOM_TEXT_H

#include "store/rooms.h"

#define ROOM_TEXT_MAX 4096 /* bytes of each of the three that are looked in */

/* The three, folded, in the arena; each but the last is followed by a newline, which none has. */
struct str db_room_text(struct arena *a, const struct store_room *room);

/* A search under way. The operation has where it is: behind the room op->user, which has
 * op->number occupants. */
struct db_room_search {
	struct str words[STORE_ROOM_WORDS_MAX]; /* folded */
	unsigned n_words;
	unsigned in;
	uint32_t occupants;
	bool by_occupants;
	unsigned max;
};

/* The search that a query asks for, in the arena. NULL: it is over a bound. */
struct db_room_search *db_room_search_new(struct arena *a, const struct store_room_query *query);

/* Whether a text that db_room_text() made has all the words. */
bool db_room_search_fits(const struct db_room_search *search, struct str text);

#endif
