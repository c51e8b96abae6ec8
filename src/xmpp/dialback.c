#include "xmpp/dialback.h"

#include "base/buf.h"
#include "base/digest.h"

#define SHA256_LEN 32

void dialback_key(struct str secret, struct str receiving, struct str originating, struct str id,
	char out[DIALBACK_KEY_LEN])
{
	uint8_t digest[DIGEST_MAX];
	char hashed[DIALBACK_KEY_LEN];
	struct buf in;

	digest_of(DIGEST_SHA256, secret, digest);
	digest_hex(digest, SHA256_LEN, hashed);
	buf_init(&in, receiving.n + originating.n + id.n + 2);
	buf_add(&in, receiving);
	buf_byte(&in, ' ');
	buf_add(&in, originating);
	buf_byte(&in, ' ');
	buf_add(&in, id);
	digest_hmac(DIGEST_SHA256, str_from(hashed, sizeof hashed), buf_str(&in), digest);
	buf_clear(&in);
	digest_hex(digest, SHA256_LEN, out);
	wipe(hashed, sizeof hashed);
}

bool dialback_key_is_right(struct str secret, struct str receiving, struct str originating,
	struct str id, struct str key)
{
	char want[DIALBACK_KEY_LEN];

	if (key.n != sizeof want)
		return false;
	dialback_key(secret, receiving, originating, id, want);
	return equal_secret(key.p, want, sizeof want);
}
