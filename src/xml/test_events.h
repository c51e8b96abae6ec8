/* What a stream of bytes means, as text: the common language in which the scanner is compared
 * with itself (whole and in pieces) and with expat.
 *
 *     open <{http://etherx.jabber.org/streams}stream {}to="a.example">
 *     stanza <{jabber:client}message><{jabber:client}body>"hi"</></>
 *     close
 *     bad 1
 *
 * Attributes are sorted, values and texts unescaped and joined. */
#ifndef XML_TEST_EVENTS_H
#define XML_TEST_EVENTS_H

#include "xml/scan.h"

/* How the bytes come: the first piece, then pieces of one size, or of random sizes. 0: all that
 * is left. */
struct pieces {
	size_t first, every;
	uint32_t seed;
	bool bare; /* leave out what expat cannot say: "bad" and "inherits" */
};

struct verdict {
	enum scan_error error;
	bool wide_name; /* some name is not ASCII */
};

/* What the scanner makes of the bytes of a stream. Half stanzas are moved to exact copies of
 * bytes and table at each cut; the pad behind the bytes holds something else each time. Each
 * stanza is also held against the invariants of xml/tree.h and, written by scan_canonical(),
 * against itself. */
struct verdict events_of(struct buf *out, struct str bytes, const struct scan_limits *limits,
	struct pieces pieces);

/* The start of an element; attributes are name and value in turn, the number of both in n. It
 * sorts them. */
void events_start(struct buf *out, struct str uri, struct str name, struct str *attrs, size_t n);

#endif
