/* Keys of Server Dialback (XEP-0185, version 1.0).
 *
 * Whoever knows the secret can make a key again and see whether it is one of ours; nothing is
 * kept. */
#ifndef XMPP_DIALBACK_H
#define XMPP_DIALBACK_H

#include "base/str.h"

#define DIALBACK_KEY_LEN 64

/* Section 2: HMAC-SHA256 in lower-case hexadecimal, under the hash of the secret (in hexadecimal
 * too), of the receiving domain, the originating domain and the id of the stream that the
 * receiving server gave it. */
void dialback_key(struct str secret, struct str receiving, struct str originating, struct str id,
	char out[DIALBACK_KEY_LEN]);

/* Whether a key is what dialback_key() makes; in a time that tells nothing of where it differs. */
bool dialback_key_is_right(struct str secret, struct str receiving, struct str originating,
	struct str id, struct str key);

#endif
