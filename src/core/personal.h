/* A person's documents as they are kept: entries of the account's data (store/store.h) with
 * their spaces and keys, for the modules and for who moves accounts from server to server.
 * docs/storage.md has the list of all spaces. */
#ifndef CORE_PERSONAL_H
#define CORE_PERSONAL_H

#include "base/arena.h"
#include "xml/tree.h"

/* XEP-0054. Key: empty. Bytes: the <vCard/> element, standing alone. */
#define SPACE_VCARD   STR("Vcard")

/* Resident, made from the vCard and stored with it. Key: empty. Bytes: vcard_photo(). Or key: of the
 * mark that only who sees the account's presence may see the photo. */
#define SPACE_AVATAR  STR("avatar")
#define AVATAR_ACCESS STR("access")

/* XEP-0049. Key: private_key(). Bytes: the elements of this name and namespace, each standing
 * alone. */
#define SPACE_PRIVATE STR("Private")

/* Resident: XEP-0191. Key: a blocked address, canonical. Bytes: BLOCKED. */
#define SPACE_BLOCK   STR("block")
#define BLOCKED       STR("1")

#define PHOTO_HASH_LEN 40

/* An image in base 64, with white space maybe (XEP-0153 section 4.6, XEP-0084 section 4.1). False: it is
 * none, or empty. And its hash, as below. */
bool image_decode(struct str text, struct arena *a, struct str *image);
struct str image_hash(struct str image, struct arena *a);

/* The hash of a <PHOTO/> as XEP-0153 section 3.1 has it: SHA-1 of the image in lower-case
 * hexadecimal; empty when there is no image in base 64. */
struct str photo_hash(const struct xml_doc *d, const struct xml_node *photo, struct arena *a);

/* The same of a vCard's first photo; empty when there is none. */
struct str vcard_photo(const struct xml_doc *d, const struct xml_node *vcard, struct arena *a);

/* The key of an element of private storage: its name, a space, its namespace. */
struct str private_key(const struct xml_doc *d, const struct xml_node *el, struct arena *a);

#endif
