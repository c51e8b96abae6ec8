/* The scanner: bytes of a stream in, stream header, stanzas and stream end out.
 *
 * Resumable and single-pass: it reads the XML that XMPP allows (RFC 6120 section 11), strict
 * about UTF-8, names, nesting and limits, and fills a node table (xml/tree.h) with offsets
 * into the caller's bytes. It keeps no bytes itself.
 *
 *     for (;;) {
 *             switch (scan_next(&s, table, p, n, &used)) {
 *             case SCAN_STANZA: use xml_table_doc(table, p, used); break;
 *             ...
 *             case SCAN_MORE: drop `used` bytes, keep the rest; call again with the
 *                     kept bytes at the front and new ones behind them.
 *             }
 *             p += used; n -= used;
 *     }
 *
 * After SCAN_MORE with scan_in_middle(), the table holds half a stanza: go on with the same
 * table, or with a copy of it (xml_table_copy). No byte is scanned twice but for a name cut
 * at the end of the bytes, so that a peer that sends single bytes costs no more than linear
 * work.
 *
 * DIAGNOSTICS: after SCAN_BAD, s->error says what was wrong; the scanner stays bad. */
#ifndef XML_SCAN_H
#define XML_SCAN_H

#include "xml/tree.h"

/* The caller's bytes are followed by this many readable ones of any content. */
#define SCAN_PAD 64

/* One stream error each (RFC 6120 section 4.9.3). */
enum scan_error {
	SCAN_OK,
	SCAN_NOT_WELL_FORMED, /* not-well-formed */
	SCAN_RESTRICTED,      /* restricted-xml: comment, processing instruction, DTD, entity */
	SCAN_BAD_PREFIX,      /* bad-namespace-prefix: not declared, or xml/xmlns misused */
	SCAN_BAD_ENCODING,    /* unsupported-encoding: not UTF-8, or declared as something else */
	SCAN_INVALID,         /* invalid-xml: text between stanzas */
	SCAN_TOO_LARGE        /* policy-violation: over a limit */
};

struct scan_limits {
	uint32_t stanza_bytes; /* of one stanza or stream header, tags included */
	uint16_t depth;        /* nested elements, the stanza itself counted */
	uint16_t attrs;        /* of one element, xmlns declarations counted */
	uint16_t name;         /* bytes of one name, prefix included; a prefix has at most 255 */
	uint16_t namespaces;   /* xmlns declarations in scope, those of the header counted */
	uint32_t nodes;        /* elements and texts of one stanza */
};

/* What a server gives a connection before and after authentication. Stated in scan.c. */
extern const struct scan_limits scan_limits_guest, scan_limits_user;

struct scan_header; /* what of the stream header its children lean on, if unusual */

struct scan {
	const struct scan_limits *limits;
	struct scan_header *header; /* owned, or NULL */
	uint16_t content_ns;        /* default namespace of the stream header (enum xml_ns) */
	uint16_t content_name;      /* what the peer calls it, after scan_content_as(); else NS_OTHER */
	uint8_t phase, state, error;
	uint8_t mark;               /* the quote of the value it is in */
	uint8_t tag_flags;          /* of the start tag it is in */
	uint16_t scope;             /* xmlns declarations in scope */
	uint16_t depth;
	uint32_t at;                /* offset to go on from, from the first byte of the stanza */
	uint32_t open;              /* index of the innermost open element */
	uint32_t seen;              /* attribute names of the start tag it is in, as a filter */
};

enum scan_status {
	SCAN_MORE,   /* nothing whole yet */
	SCAN_OPEN,   /* the stream header: nodes[0] with its attributes */
	SCAN_STANZA, /* a whole child of the stream */
	SCAN_CLOSE,  /* </stream:stream> */
	SCAN_BAD
};

/* limits are borrowed and may be exchanged between stanzas by setting s->limits. */
void scan_init(struct scan *s, const struct scan_limits *limits);
void scan_clear(struct scan *s);

/* Expects a new stream header from the next byte on (after STARTTLS or SASL). */
void scan_restart(struct scan *s);

/* One step; see above. *used counts from p; white space between stanzas is part of it. The
 * table is emptied when a new stanza begins. Its offsets count from p (of the call that ends
 * the stanza: the kept bytes are at the front there), white space before the stanza included.
 * One XML declaration is accepted before a header. */
enum scan_status scan_next(struct scan *s, struct xml_table *t, const char *p, size_t n,
	size_t *used);

/* Between the stream header and the first stanza: the content namespace of the stream counts as
 * another one, in whatever way an element says that it is in it. A stanza that names it has
 * XML_INHERITS, so that what scan_canonical() writes is in the other one too. */
static inline void scan_content_as(struct scan *s, enum xml_ns ns)
{
	s->content_name = s->content_ns;
	s->content_ns = (uint16_t)ns;
}

/* The namespace that a child of the stream says that it is in: where that is the content namespace,
 * and another counts for it, xml_root(d)->ns is the other one. */
enum xml_ns scan_named_ns(const struct scan *s, const struct xml_doc *d, struct arena *a);

/* True when some bytes of a stanza or header have been scanned and kept. */
bool scan_in_middle(const struct scan *s);

/* Scans one whole element that stands alone, with SCAN_PAD readable bytes behind it; the
 * default namespace outside is content_ns. For frames of RFC 7395 and for what the server
 * stored or made itself. SCAN_OK or what was wrong (SCAN_NOT_WELL_FORMED when it is cut or
 * followed by more than white space). */
enum scan_error scan_document(struct xml_table *t, const struct scan_limits *limits,
	enum xml_ns content_ns, const char *p, size_t n);

/* Writes the document again without prefixes from the outside: each element declares the
 * namespace in which it stands where it differs from its parent's, prefixes only for
 * attributes. For the rare stanza with XML_INHERITS or with a prefix on its root (RFC 6120
 * section 4.8.5). The outermost element's default namespace counts as content_ns of s. */
void scan_canonical(const struct scan *s, const struct xml_doc *d, struct buf *out);

#endif
