#include "xmpp/handshake.h"

#include "base/buf.h"
#include "base/digest.h"

void handshake_digest(struct str id, struct str secret, char out[HANDSHAKE_LEN])
{
	uint8_t digest[DIGEST_MAX];
	struct buf both;

	buf_init(&both, id.n + secret.n);
	buf_add(&both, id);
	buf_add(&both, secret);
	digest_of(DIGEST_SHA1, buf_str(&both), digest);
	if (both.n)
		wipe(both.p, both.n);
	buf_clear(&both);
	digest_hex(digest, HANDSHAKE_LEN / 2, out);
}
