/* The oracle: what expat makes of the bytes of a stream, in the words of test_events.h. */
#ifndef XML_TEST_EXPAT_H
#define XML_TEST_EXPAT_H

#include "base/buf.h"

/* Writes the events that are whole. No "bad": where expat and the scanner give up differs by a
 * few bytes, and what counts is what was taken for good before. */
void expat_events(struct buf *out, struct str bytes);

/* Scans the bytes both ways and stops the program where the two do not agree and must. The
 * scanner is also run in pieces (from the seed). */
void compare_with_expat(struct str bytes, uint32_t seed);

#endif
