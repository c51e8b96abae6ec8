/* XMPP addresses (RFC 7622).
 *
 * A struct jid is a borrowed view of one canonical text "local@domain/resource": PRECIS
 * UsernameCaseMapped for the localpart, IDNA2008 U-labels or an IP literal for the domain,
 * OpaqueString for the resource, each at most 1,023 bytes. Two addresses are the same exactly
 * when their bytes are. */
#ifndef XMPP_JID_H
#define XMPP_JID_H

#include "base/arena.h"

#define JID_PART_MAX 1023
#define JID_MAX      (3 * JID_PART_MAX + 2)

struct jid {
	const char *p; /* NULL: no address */
	uint16_t n_local, n_domain, n_resource; /* bytes; 0: no such part */
};

/* Parses and normalises. The result lies in s itself where that is canonical already (the
 * usual case: lower-case ASCII), else in the arena. False when s is no JID: an empty part, a
 * part over its length, characters that the profile forbids, a bad domain. */
bool jid_parse(struct str s, struct arena *a, struct jid *out);

/* The profiles alone, on one part: RFC 7622 sections 3.2 to 3.4. */
bool jid_prep_local(struct str s, struct arena *a, struct str *out);
bool jid_prep_domain(struct str s, struct arena *a, struct str *out);
bool jid_prep_resource(struct str s, struct arena *a, struct str *out);

/* OpaqueString for a password (RFC 8265 section 4.2): not empty, any length up to 1,023. */
bool jid_prep_password(struct str s, struct arena *a, struct str *out);

/* An address from canonical parts, in the arena. local and resource may be empty. */
struct jid jid_make(struct arena *a, struct str local, struct str domain, struct str resource);

static inline bool jid_is_set(struct jid j)
{
	return j.p != NULL;
}

/* Offset of the domain in the text. */
static inline size_t jid_domain_at(struct jid j)
{
	return j.n_local ? j.n_local + 1u : 0;
}

static inline struct str jid_local(struct jid j)
{
	return (struct str){ j.p, j.n_local };
}

static inline struct str jid_domain(struct jid j)
{
	return (struct str){ j.p + jid_domain_at(j), j.n_domain };
}

static inline struct str jid_resource(struct jid j)
{
	return (struct str){ j.p + jid_domain_at(j) + j.n_domain + 1, j.n_resource };
}

/* The text without the resource. */
static inline struct str jid_bare_str(struct jid j)
{
	return (struct str){ j.p, jid_domain_at(j) + j.n_domain };
}

/* The whole text. */
static inline struct str jid_str(struct jid j)
{
	size_t n = jid_domain_at(j) + j.n_domain;
	return (struct str){ j.p, j.n_resource ? n + 1 + j.n_resource : n };
}

/* The same address without its resource (the same bytes). */
static inline struct jid jid_bare(struct jid j)
{
	j.n_resource = 0;
	return j;
}

static inline bool jid_is_bare(struct jid j)
{
	return j.n_resource == 0;
}

static inline bool jid_eq(struct jid a, struct jid b)
{
	return str_eq(jid_str(a), jid_str(b));
}

static inline bool jid_eq_bare(struct jid a, struct jid b)
{
	return str_eq(jid_bare_str(a), jid_bare_str(b));
}

/* A copy that lives with the arena. */
struct jid jid_dup(struct arena *a, struct jid j);

/* A copy with a text of its own: free((char *)j.p). */
struct jid jid_copy(struct jid j);

/* The address of a canonical domain: the same bytes. */
static inline struct jid jid_of_domain(struct str domain)
{
	return (struct jid){ .p = domain.p, .n_domain = (uint16_t)domain.n };
}

#endif
