/* UTF-8 of RFC 3629: no overlong forms, no surrogates, nothing over U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/str.h"

/* The code point at the start of s and, in *len, its bytes (1 to 4). -1 when the bytes are
 * not UTF-8; -2 when they are the right beginning of a character that s cuts. */
int32_t utf8_next(struct str s, unsigned *len);

bool utf8_valid(struct str s);

/* Writes a code point (0 to 0x10FFFF, no surrogate) to p, which has room for 4 bytes; returns
 * the number of bytes. */
unsigned utf8_put(char *p, uint32_t cp);

#endif
