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

bool image_decode(struct str text, struct arena *a, struct str *image)
{
	return base64_decode(a, without_space(text, a), image) && image->n;
}

struct str image_hash(struct str image, struct arena *a)
{
	char *hex = arena_alloc(a, PHOTO_HASH_LEN);
	uint8_t hash[DIGEST_MAX];

	digest_of(DIGEST_SHA1, image, hash);
	digest_hex(hash, PHOTO_HASH_LEN / 2, hex);
	return str_from(hex, PHOTO_HASH_LEN);
}

struct str photo_hash(const struct xml_doc *d, const struct xml_node *photo, struct arena *a)
{
	const struct xml_node *el = xml_child(d, photo, NS_VCARD, TAG_BINVAL);
	struct str image;

	return el && image_decode(xml_text(d, el, a), a, &image) ? image_hash(image, a) : STR("");
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
