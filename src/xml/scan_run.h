/* What the parts of the scanner share; nobody else includes it. */
#ifndef XML_SCAN_RUN_H
#define XML_SCAN_RUN_H

#include "base/bug.h"
#include "xml/chars.h"
#include "xml/scan.h"

/* Where in the stream. */
enum {
	PHASE_START,    /* nothing has come: an XML declaration is welcome */
	PHASE_PROLOG,   /* before the stream header */
	PHASE_STREAM,   /* between and inside stanzas */
	PHASE_DOCUMENT, /* scan_document() */
	PHASE_ONE_TAG,  /* the header was an empty element: the stream ends */
	PHASE_CLOSING,  /* before the '>' of the header's end tag */
	PHASE_CLOSED,
	PHASE_BAD
};

/* Where in a stanza or header it stopped. */
enum {
	STATE_OUTSIDE, /* nothing of one is kept in the table */
	STATE_CONTENT, /* before a text or a tag, or inside a tag that has to be read again */
	STATE_TEXT,
	STATE_CDATA,
	STATE_TAG,     /* in a start tag, before or in an attribute's name */
	STATE_EQUALS,  /* behind an attribute's name */
	STATE_QUOTE,   /* behind its '=' */
	STATE_VALUE,
	STATE_END_TAG  /* behind the name of an end tag */
};

/* What a start tag needs at its end. */
enum {
	TAG_HAS_DEFAULT = 1, /* it declares the default namespace, which node->ns holds already */
	TAG_HAS_PREFIXES = 2 /* some attribute has a prefix other than xml and xmlns */
};

/* A namespace URI has at most so many bytes. Two unknown ones may have to be compared for each
 * pair of attributes. */
#define URI_MAX 512

/* One call of scan_next(). Steps take an offset and return the one to go on from, or STOP when
 * they have said in `status` why not. */
struct run {
	const char *p;
	uint32_t n; /* no further than the stanza may reach */
	struct scan *s;
	struct xml_table *t;
	enum scan_status status;
};

#define STOP UINT32_MAX

/* The bytes are at an end; the next call goes on here. */
static inline uint32_t run_cut(struct run *r, unsigned state, uint32_t at)
{
	r->s->state = (uint8_t)state;
	r->s->at = at;
	r->status = SCAN_MORE;
	return STOP;
}

static inline uint32_t run_bad(struct run *r, enum scan_error error)
{
	r->s->error = (uint8_t)error;
	r->s->phase = PHASE_BAD;
	r->status = SCAN_BAD;
	return STOP;
}

static inline struct xml_doc run_doc(const struct run *r)
{
	return xml_table_doc(r->t, r->p, r->n);
}

/* scan_stanza.c: a start tag from its '<' on, and all that follows up to the end of a stanza
 * or header. The status is SCAN_STANZA or SCAN_OPEN if it is whole. */
uint32_t scan_begin(struct run *r, uint32_t at);
uint32_t scan_resume(struct run *r);

/* scan_ns.c */

/* A declaration whose value is complete: checks it, gives it its number and brings it to its
 * place. False after run_bad(). */
bool scan_declare(struct run *r, struct xml_attr *attr);

/* Gives the element and its attributes their namespaces at the end of its start tag. */
bool scan_resolve(struct run *r, struct xml_node *el);

/* The element's name as it is written. */
static inline struct str scan_raw_name(const char *bytes, const struct xml_node *el)
{
	return str_from(bytes + el->start + 1,
		el->prefix_len + (el->prefix_len ? (size_t)1 : 0) + el->name_len);
}

/* Keeps of the header in nodes[0] what its children lean on. */
void scan_keep_header(struct run *r);
void scan_drop_header(struct scan *s);

/* The raw name of the header's element, for its end tag. */
struct str scan_header_name(const struct scan *s);

/* The URI that the header gives to a prefix (empty: the default namespace), unescaped; the null
 * slice when none. */
struct str scan_header_uri(const struct scan *s, struct str prefix);

#endif
