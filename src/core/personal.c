#include "core/personal.h"

#include "base/base64.h"
#include "base/digest.h"

/* XEP-0153 section 4.6, rule 5: white space is to be ignored. */
static struct str without_space(struct str text, struct arena *a)
{
	char *out = arena_alloc(a, text.n);
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] != ' ' && text.p[i] != '\n' && text.p[i] != '\r' && text.p[i] != '\t')
			out[n++] = text.p[i];
	return str_from(out, n);
}

struct str photo_hash(const struct xml_doc *d, const struct xml_node *photo, struct arena *a)
{
	static const char digits[] = "0123456789abcdef";
	const struct xml_node *el = xml_child(d, photo, NS_VCARD, TAG_BINVAL);
	uint8_t hash[DIGEST_MAX];
	struct str image;

	if (!el || !base64_decode(a, without_space(xml_text(d, el, a), a), &image) || !image.n)
		return STR("");
	digest_of(DIGEST_SHA1, image, hash);
	char *hex = arena_alloc(a, PHOTO_HASH_LEN);
	for (size_t i = 0; i < PHOTO_HASH_LEN; i += 2) {
		hex[i] = digits[hash[i / 2] >> 4];
		hex[i + 1] = digits[hash[i / 2] & 15];
	}
	return str_from(hex, PHOTO_HASH_LEN);
}

struct str vcard_photo(const struct xml_doc *d, const struct xml_node *vcard, struct arena *a)
{
	const struct xml_node *photo = xml_child(d, vcard, NS_VCARD, TAG_PHOTO);

	return photo ? photo_hash(d, photo, a) : STR("");
}

struct str private_key(const struct xml_doc *d, const struct xml_node *el, struct arena *a)
{
	struct str name = xml_name(d, el), uri = xml_ns_uri(d, el, a);
	char *key = arena_alloc(a, name.n + 1 + uri.n);

	memcpy(key, name.p, name.n);
	key[name.n] = ' ';
	if (uri.n)
		memcpy(key + name.n + 1, uri.p, uri.n);
	return str_from(key, name.n + 1 + uri.n);
}
