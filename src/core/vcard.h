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

/* The answer to a set, when it is stored or could not be. Frees *later. */
void vcard_stored(struct later **later, const struct store_op *op);

#endif
