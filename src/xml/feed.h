/* Feeding a scanner from a connection: keeps what is not whole yet.
 *
 * A connection that is between stanzas holds no bytes and no table; they are there while a
 * stanza is cut or its user has told it to wait. */
#ifndef XML_FEED_H
#define XML_FEED_H

#include "xml/scan.h"

struct feed {
	struct scan scan;
	struct buf kept;         /* bytes of a stanza that is not whole, or not looked at yet */
	struct xml_table *half;  /* node table of that stanza */
};

/* What was scanned: SCAN_OPEN, SCAN_STANZA (d is gone when it returns), SCAN_CLOSE or
 * SCAN_BAD. False: stop here, and keep the rest. */
typedef bool feed_fn(void *user, enum scan_status status, const struct xml_doc *d);

/* max: bytes that may be kept; a stanza of the largest size and what one read brings. */
void feed_init(struct feed *f, const struct scan_limits *limits, size_t max);
void feed_clear(struct feed *f);

/* Bytes that came, with SCAN_PAD readable ones behind them. table: scratch of the thread.
 * False: more than max bytes would have to be kept. */
bool feed_input(struct feed *f, struct xml_table *table, struct str bytes, feed_fn *fn, void *user);

/* The same for bytes that have to wait: nothing is scanned. */
bool feed_keep(struct feed *f, struct str bytes);

/* Goes on with what is kept. */
void feed_go_on(struct feed *f, struct xml_table *table, feed_fn *fn, void *user);

/* Gives a child of the stream to fn, made to stand alone first where it leans on declarations of
 * the header or has a prefix; content is the default namespace around it then. What is in the
 * namespace of streams itself is given as it is. False: it became too large, and was not given. */
bool feed_alone(struct feed *f, const struct xml_doc *d, enum xml_ns content,
	void (*fn)(void *user, const struct xml_doc *d), void *user);

/* Forgets what is kept. */
void feed_drop(struct feed *f);

#endif
