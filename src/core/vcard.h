/* vCards (XEP-0054) as they are asked for and changed, whoever they belong to: an account or a
 * room. Where they are kept is said in core/personal.h. */
#ifndef CORE_VCARD_H
#define CORE_VCARD_H

#include "core/module.h"

/* The answer to a get, when what was looked for in the store (op->account.data) has come home.
 * none: what is said where there is none; ERR_COUNT: an empty vCard. Frees *later. */
void vcard_answer(struct later **later, const struct store_op *op, enum stanza_error none);

/* The vCard of a set, standing alone; empty where it says nothing. False: it is over
 * settings.vcard_max, and was refused. The caller clears the buffer either way. */
bool vcard_take(struct ctx *c, const struct stanza *iq, struct buf *out);

/* What was looked for in the store, without its photos. */
void vcard_hide_photo(struct store_op *op, struct shard *s);

/* What a presence says of the photo (XEP-0153), or NULL. And the presence with this hash (empty: with
 * the word that there is no photo) in place of that; NULL where that makes it too large. */
const struct xml_node *vcard_update(const struct stanza *presence);
struct stanza *vcard_with_photo(struct shard *s, const struct stanza *presence, const char *hash);

/* The hash of the photo of an account's vCard is this from now on. The second one gives out presence
 * with the old hash again, with the new one. */
void vcard_set_avatar(struct account *a, struct str hash);
void vcard_photo_changed(struct account *a, struct str hash);

/* The answer to a set, when it is stored or could not be. Frees *later. */
void vcard_stored(struct later **later, const struct store_op *op);

#endif
