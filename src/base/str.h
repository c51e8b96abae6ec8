/* Slices: bytes that carry their length.
 *
 * A struct str is borrowed: it never owns, any byte may occur in it, and no NUL ends it.
 * It is passed by value. strlen() happens once, where bytes enter the program. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

#define STR(lit)      ((struct str){ "" lit, sizeof(lit) - 1 })
#define STR_NULL      ((struct str){ NULL, 0 })
#define STR_INIT(lit) { "" lit, sizeof(lit) - 1 } /* STR for static tables */
#define STR_FMT(s)    (int)(s).n, (s).p /* for "%.*s" */

static inline struct str str_from(const char *p, size_t n)
{
	return (struct str){ p, n };
}

/* The slice of a C string; for argv, C libraries and tables. NULL gives the null slice. */
static inline struct str str_c(const char *z)
{
	return z ? (struct str){ z, strlen(z) } : STR_NULL;
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Byte order, shorter first on a tie: <0, 0, >0. */
static inline int str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;
	return c ? c : (a.n > b.n) - (a.n < b.n);
}

static inline bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

/* Offset of byte c in s, or -1. */
static inline ptrdiff_t str_find(struct str s, char c)
{
	const char *q = s.n ? memchr(s.p, c, s.n) : NULL;
	return q ? q - s.p : -1;
}

/* s without its first `from` bytes (all of them if it has fewer). */
static inline struct str str_skip(struct str s, size_t from)
{
	if (from > s.n)
		from = s.n;
	return (struct str){ s.p ? s.p + from : NULL, s.n - from };
}

/* The first n bytes of s (all of them if it has fewer). */
static inline struct str str_head(struct str s, size_t n)
{
	return (struct str){ s.p, n < s.n ? n : s.n };
}

/* Copies s to *at, where there is room for it, and moves *at behind it: for strings that stand inline
 * behind a struct. */
static inline struct str str_put(char **at, struct str s)
{
	char *copy = *at;

	if (!s.p)
		return STR_NULL;
	if (s.n)
		memcpy(copy, s.p, s.n);
	*at += s.n;
	return (struct str){ copy, s.n };
}

/* s without the white space of XML (space, tab, CR, LF) at both ends. */
struct str str_trim(struct str s);

/* ASCII case-insensitive equality; for host names in TLS SNI and SASL names, not for JIDs. */
bool str_eq_nocase(struct str a, struct str b);

/* A whole decimal number without sign or space: true and *out, or false when s is empty, has
 * another byte, or the number is over max. */
bool str_to_u64(struct str s, uint64_t max, uint64_t *out);

/* A whole decimal number with an optional sign ('-' or '+'), between min and max. */
bool str_to_i64(struct str s, int64_t min, int64_t max, int64_t *out);

#endif
