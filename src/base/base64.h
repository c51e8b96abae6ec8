/* Base 64 of RFC 4648 section 4, strict: padding required, no other byte, no set bits behind
 * the end (RFC 6120 section 6.4.2 asks for canonical form). */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/arena.h"
#include "base/buf.h"

#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

void base64_encode(struct buf *b, struct str bytes);

struct str base64_str(struct arena *a, struct str bytes);

/* False when the text is not strict base 64. out is in the arena. */
bool base64_decode(struct arena *a, struct str text, struct str *out);

#endif
