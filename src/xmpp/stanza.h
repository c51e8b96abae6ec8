/* Stanzas: parsed once, immutable, counted.
 *
 * One allocation holds the struct, the node table, the addresses and the bytes as they came.
 * Whoever keeps a stanza takes a reference, on any thread. Delivery writes a small head (the
 * start tag with `from` and `to` as the server knows them) and then the bytes behind the
 * start tag as they are; nothing is ever serialised again. */
#ifndef XMPP_STANZA_H
#define XMPP_STANZA_H

#include "xml/scan.h"
#include "xml/writer.h"
#include "xmpp/error.h"
#include "xmpp/jid.h"

#include <stdatomic.h>

enum stanza_kind { STANZA_NONE, STANZA_MESSAGE, STANZA_PRESENCE, STANZA_IQ };

/* One list for the three kinds. TYPE_INVALID: an attribute with a value that the kind does
 * not know. */
enum stanza_type {
	TYPE_INVALID,
	MESSAGE_NORMAL, MESSAGE_CHAT, MESSAGE_GROUPCHAT, MESSAGE_HEADLINE, MESSAGE_ERROR,
	PRESENCE_AVAILABLE, PRESENCE_UNAVAILABLE, PRESENCE_SUBSCRIBE, PRESENCE_SUBSCRIBED,
	PRESENCE_UNSUBSCRIBE, PRESENCE_UNSUBSCRIBED, PRESENCE_PROBE, PRESENCE_ERROR,
	IQ_GET, IQ_SET, IQ_RESULT, IQ_ERROR
};

struct stanza {
	atomic_uint refs;
	uint8_t kind, type;    /* enum stanza_kind, enum stanza_type */
	struct jid from, to;   /* canonical, in the block; p NULL: none */
	struct str lang;       /* raw xml:lang of the sender's stream, written where the stanza has
				* none; in the block; p NULL: none */
	struct str id;         /* raw value as written (escapes kept), in the block; p NULL: none */
	struct xml_doc doc;    /* in the block */
	/* Of a message, written once by the owner of its sender before it goes on. */
	uint64_t archive_id;   /* XEP-0359: microseconds << 8 | shard; 0: none */
	uint64_t session;      /* number of the session that waits until it is kept, or 0 */
	uint32_t number;       /* of the stanza in that session (XEP-0198) */
	bool by_peer;          /* `session` is a stream of a remote server */
	bool kept_by_sender;   /* it belongs to the sender's archive */
	uint64_t place;        /* where it waits in the ledger; 0: it does not */
	struct stanza *original; /* a room passes it on for this one (counted), which is handled when
				  * it is; or NULL */
	bool update;           /* presence of a resource that has been available already; likewise */
	uint32_t body;         /* offset in doc.bytes behind the root's start tag */
};

/* An archive id as it is written in XML: hexadecimal, all digits, so that texts sort as the
 * numbers do. */
#define ARCHIVE_ID_LEN 16
void archive_id_format(uint64_t id, char out[ARCHIVE_ID_LEN]);

/* False for what archive_id_format() does not write, and for 0. */
bool archive_id_parse(struct str text, uint64_t *out);

/* When the message was received: wall clock, microseconds. */
static inline uint64_t archive_id_stamp(uint64_t id)
{
	return id >> 8;
}

/* STANZA_NONE for what is no stanza: other names, or the right names in another namespace
 * than jabber:client or jabber:server. */
enum stanza_kind stanza_kind_of(const struct xml_node *root);

/* The type of a stanza by its `type` attribute. A message of unknown type is normal (RFC 6121
 * section 5.2.2); an IQ without type is invalid. */
enum stanza_type stanza_type_of(enum stanza_kind kind, struct str type, bool present);

/* Makes a stanza from a scanned document (copies everything), with one reference. from and
 * to: the addresses it is to carry, canonical; an unset jid for none. The document's root is
 * of a kind other than STANZA_NONE, has no prefix and does not have XML_INHERITS: see
 * stanza_scan() for the rest. */
struct stanza *stanza_new(const struct xml_doc *d, struct jid from, struct jid to);

/* The same for a stanza of a stream with a default language (RFC 6120 section 8.1.5): a raw
 * attribute value without quotes in it. */
struct stanza *stanza_new_lang(const struct xml_doc *d, struct jid from, struct jid to,
	struct str lang);

/* Scans bytes that the server made or stored (jabber:client as the default namespace, limits
 * far beyond a user's) and makes a stanza with the addresses written in them. table is
 * scratch. NULL when the bytes are no stanza. */
struct stanza *stanza_scan(struct xml_table *table, struct str bytes, struct arena *a);

/* The same for a stanza within a document (XEP-0297), whatever is declared around it. NULL too when
 * an address in it is none. */
struct stanza *stanza_inside(struct xml_table *table, const struct xml_doc *d,
	const struct xml_node *el, struct arena *a);

struct stanza *stanza_ref(const struct stanza *s);
void stanza_unref(struct stanza **s);

/* Writes the stanza for a receiver: start tag with these addresses (an unset one leaves the
 * attribute out), the other attributes as they came, and the rest. xmlns: written as the
 * default namespace unless it is NS_NONE (a TCP stream has it in its header). */
void stanza_write(struct buf *b, const struct stanza *s, struct jid from, struct jid to,
	enum xml_ns xmlns);

/* The same with more XML before the end tag of the stanza (a delay, a stanza id). */
void stanza_write_with(struct buf *b, const struct stanza *s, struct jid from, struct jid to,
	enum xml_ns xmlns, struct str extra);

static inline const struct xml_node *stanza_root(const struct stanza *s)
{
	return s->doc.nodes;
}

/* The only child element of an IQ, or NULL. */
static inline const struct xml_node *stanza_payload(const struct stanza *s)
{
	return xml_first(&s->doc, s->doc.nodes);
}

/* What is wrong with an IQ, for people, or NULL (RFC 6120 sections 8.2.3 and 8.3.3.1): it has an id, a
 * type, and as many payloads as the type wants. */
const char *stanza_iq_fault(const struct stanza *iq);

/* Opens <message>, <presence> or <iq> with its attributes: for stanzas that the server makes.
 * type NULL and an unset address leave the attribute out. id is a raw value as in struct
 * stanza. */
void stanza_open(struct writer *w, enum stanza_kind kind, const char *type, struct jid from,
	struct jid to, struct str id);

/* The start tag of the answer to an IQ (type result): addresses turned round. */
void stanza_open_result(struct writer *w, const struct stanza *iq);

/* Writes the whole error answer to a stanza: addresses turned round, the same id, type error,
 * the request's payload for an IQ (up to 8 KiB), <error> with condition, type and, if not
 * empty, text. Never called for a stanza that is an error itself (RFC 6120 section 8.3.1). */
void stanza_write_error(struct buf *b, const struct stanza *s, enum stanza_error e,
	struct str text);

/* All that an error may say besides that; what is unset is left out. */
struct stanza_refusal {
	enum stanza_error error;
	struct str type;      /* p NULL: the one of RFC 6120 section 8.3.3 */
	struct str text;
	struct str condition; /* of an application, as XML (section 8.3.4) */
	struct jid by;        /* who refuses, where that is not the address (section 8.3.2) */
	struct jid at;        /* the address, where the stanza has none in it */
	struct str before;    /* XML before the error: of what was sent */
};
void stanza_write_refusal(struct buf *b, const struct stanza *s, const struct stanza_refusal *f);

/* An error with an application-specific condition, and the type of error that goes with it. */
void stanza_write_error_with(struct buf *b, const struct stanza *s, enum stanza_error e,
	struct str type, struct str text, struct str condition);

#endif
