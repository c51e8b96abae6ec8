/* Entity capabilities (XEP-0115 1.6.0, XEP-0390 0.3.2): which hash a presence shows, and which hash
 * an answer of service discovery has.
 *
 * Left out: the legacy format without a hash (XEP-0115 section 13), which nobody can check; it
 * counts as nothing.
 *
 * Bounds: CAPS_NODE_MAX bytes of a node that is asked for; a claim with a longer one counts as
 * nothing. CAPS_STRING_MAX bytes that a hash is made of; an answer with more is ill-formed. */
#ifndef XMPP_CAPS_H
#define XMPP_CAPS_H

#include "base/digest.h"
#include "xml/tree.h"

#define CAPS_NODE_MAX   1024
#define CAPS_STRING_MAX 65536

enum caps_kind {
	CAPS_UNSAID,    /* nothing: what was said before holds (XEP-0115 section 8.4) */
	CAPS_UNCHECKED, /* it has capabilities, but no hash that we can check */
	CAPS_1,         /* XEP-0115 */
	CAPS_2          /* XEP-0390 */
};

/* What a presence shows. Of bytes alone: it can be compared and looked up as they are. */
struct caps_claim {
	uint8_t kind;              /* enum caps_kind */
	uint8_t hash;              /* which function; of CAPS_1 and CAPS_2 */
	uint8_t value[DIGEST_MAX]; /* and zeros; of CAPS_UNCHECKED: of the <c/> itself */
};

static inline struct str caps_claim_str(const struct caps_claim *c)
{
	return str_from((const char *)c, sizeof *c);
}

/* Reads the claim of a presence, and the node to ask for (the null slice: none), in the arena. A
 * hash of XEP-0390 comes first; with one that we cannot check, that of XEP-0115 is not trusted
 * either (XEP-0390 section 7.2). */
void caps_read(const struct xml_doc *d, const struct xml_node *presence, struct arena *a,
	struct caps_claim *claim, struct str *node);

/* Whether it shows anything at all. */
bool caps_are_shown(const struct xml_doc *d, const struct xml_node *presence);

/* Appends what the hash of an answer, the <query/> of disco#info, is made of: S of XEP-0115 section
 * 5.1 for CAPS_1, the input of XEP-0390 section 4.1 for CAPS_2. lang: xml:lang as it holds for the
 * query, or the null slice. False: the answer is ill-formed (XEP-0115 section 5.4, rules 3.3 to
 * 3.5; XEP-0390 section 4.1, steps 1 to 3), or is longer than the buffer may grow. */
bool caps_string(enum caps_kind kind, const struct xml_doc *d, const struct xml_node *query,
	struct str lang, struct arena *a, struct buf *out);

/* Whether a claim of CAPS_1 or CAPS_2 is the hash of this. */
bool caps_fits(const struct caps_claim *c, struct str string);

/* The features alone, ordered: how the string of CAPS_2 begins. Of any answer, well-formed or not;
 * in the arena. */
struct str caps_features(const struct xml_doc *d, const struct xml_node *query, struct arena *a);

/* The next node that notifications are asked for ("NODE+notify", XEP-0060 section 9.2) in a string
 * of this kind, from *rest on. False: there is none.
 *
 * S of XEP-0115 does not tell features from identities and forms, so that a false answer with the
 * right hash is easily made (XEP-0115 section 9.3). What is read from S instead of from the answer
 * is the same in each answer that has the hash. */
bool caps_next_node(enum caps_kind kind, struct str *rest, struct str *node);

#endif
