/* String preparation with the tables of Unicode: the PRECIS classes and profiles that XMPP
 * uses (RFC 8264, RFC 8265) and IDNA2008 for domains (RFC 5890 to RFC 5895).
 *
 * This is the long way, right for any bytes, ASCII among them. Addresses go through
 * xmpp/jid.h, which answers for most of them without coming here and adds the bounds of
 * their parts. Which code points are assigned depends on the Unicode version of libunistring
 * and libidn2; one that is not assigned is refused (RFC 8264 section 4.2.4). */
#ifndef XMPP_PREP_H
#define XMPP_PREP_H

#include "base/arena.h"

/* More bytes than this are refused before any work. Mapping and composition make nothing
 * four times shorter, so that nothing longer could come down to the 1,023 bytes of a part. */
#define PREP_INPUT_MAX 4096

/* RFC 8264 section 8 */
enum prep_property {
	PREP_PVALID,
	PREP_FREE_PVAL,  /* valid in the FreeformClass alone */
	PREP_CONTEXTJ,
	PREP_CONTEXTO,
	PREP_DISALLOWED,
	PREP_UNASSIGNED
};

enum prep_property prep_property(uint32_t cp);

/* RFC 5892 appendix A: whether every code point that needs a context has it. */
bool prep_contexts_hold(const uint32_t *cp, size_t n);

/* The Bidi Rule of RFC 5893 section 2; true for a string without right-to-left code points. */
bool prep_bidi_holds(const uint32_t *cp, size_t n);

/* UsernameCaseMapped (RFC 8265 section 3.3). False: not UTF-8, empty, too long, or the
 * profile forbids it. out is in the arena. */
bool prep_username(struct str s, struct arena *a, struct str *out);

/* OpaqueString (RFC 8265 section 4.2). */
bool prep_opaque(struct str s, struct arena *a, struct str *out);

/* A domain in lower case, each label an LDH label or a U-label (A-labels are converted), or
 * an IP literal; a dot at the end is dropped. */
bool prep_domain(struct str s, struct arena *a, struct str *out);

#endif
