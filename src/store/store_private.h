/* Inside the store: how its calls hand over an operation. */
#ifndef STORE_STORE_PRIVATE_H
#define STORE_STORE_PRIVATE_H

#include "store/store.h"

/* What the operation is and whom it is about; user: the localpart of an account or a room. Both
 * are copied. */
void store_op_address(struct store_op *op, enum store_kind kind, struct str host, struct str user);

/* Copies changes into op->account.data. False: they are over a bound of store_set_data(), and
 * nothing has been copied. */
bool store_op_data(struct store_op *op, const struct store_datum *changes, size_t n);

/* Hands the operation to the writer or a reader. */
void store_submit(struct store *s, struct store_op *op);

/* Sends an operation home that asks for more than there may be: STORE_FULL. */
void store_refuse(struct store *s, struct store_op *op);

#endif
