/* The handshake of components (XEP-0114 1.6, section 3), for both roles. */
#ifndef XMPP_HANDSHAKE_H
#define XMPP_HANDSHAKE_H

#include "base/str.h"

#define HANDSHAKE_LEN 40

/* What a component says to prove that it knows the secret: the stream's id and the secret, hashed
 * with SHA-1, in lower-case hexadecimal. */
void handshake_digest(struct str id, struct str secret, char out[HANDSHAKE_LEN]);

#endif
