/* Writing XML that the server makes itself. Quiet after the first failure (the buffer's
 * bound or the depth's); ask w_done() at the end.
 *
 *     struct writer w = w_on(&buf);
 *     w_open(&w, "iq");
 *     w_attr(&w, "type", STR("result"));
 *     w_open_ns(&w, "ping", NS_PING);
 *     w_close(&w);
 *     w_close(&w);
 */
#ifndef XML_WRITER_H
#define XML_WRITER_H

#include "base/buf.h"
#include "xml/names.h"

#define WRITER_DEPTH 16

struct writer {
	struct buf *b;
	const char *open[WRITER_DEPTH]; /* names, for the end tags */
	unsigned depth;
	bool in_tag;
	bool bad;
};

struct writer w_on(struct buf *b);

/* name: a literal that outlives the writer. */
void w_open(struct writer *w, const char *name);
void w_open_ns(struct writer *w, const char *name, enum xml_ns ns);

/* Attribute of the element just opened; the value is escaped (tab, LF and CR as references).
 * A null slice writes nothing. */
void w_attr(struct writer *w, const char *name, struct str value);
void w_attr_u64(struct writer *w, const char *name, uint64_t value);

void w_text(struct writer *w, struct str text);

/* Bytes that are XML already. */
void w_raw(struct writer *w, struct str xml);

/* Ends the innermost element; as <a/> when nothing is in it. */
void w_close(struct writer *w);

/* <name>text</name> */
void w_leaf(struct writer *w, const char *name, struct str text);

/* True when all was written and all is closed. */
bool w_done(const struct writer *w);

/* Escapes for text and for values in either quote: & < > ' " and CR. */
void xml_escape(struct buf *b, struct str s);

/* The same and tab and LF, which a parser would make spaces of in a value. */
void xml_escape_value(struct buf *b, struct str s);

#endif
