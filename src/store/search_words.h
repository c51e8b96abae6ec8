/* What a word is, for text that is indexed and for text that is looked for: an FTS5 tokenizer
 * around SQLite's unicode61. */
#ifndef STORE_SEARCH_WORDS_H
#define STORE_SEARCH_WORDS_H

#include "base/buf.h"

#include <sqlite3.h>

#define SEARCH_TOKENIZER "stentor"

/* Of whose text the words are. They carry this number in the index, so that those of different
 * archives are different words. Set before each statement that makes words. */
struct search_words {
	uint64_t archive;
};

/* Makes the tokenizer known to a connection. w is borrowed while it is open. False: this SQLite
 * has no FTS5. */
bool search_words_register(sqlite3 *db, struct search_words *w);

/* Writes the expression for MATCH: the words of the text, each a string of FTS5, so that nothing
 * in them is syntax. How many there are; at most `most` are written. */
unsigned search_words_match(struct buf *b, struct str text, unsigned most);

#endif
