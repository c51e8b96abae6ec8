/* Keys between the store, which keeps bytes, and SASL, which knows what they mean. */
#ifndef CORE_CREDENTIALS_H
#define CORE_CREDENTIALS_H

#include "store/store.h"
#include "xmpp/sasl.h"

/* False when what the store has is no set of keys. An account that came from another server may
 * have keys of some hashes alone: the others get no rounds. */
bool keys_from_store(const struct store_key in[STORE_HASHES], struct scram_keys *out);

/* Views into `in`. */
void keys_to_store(const struct scram_keys *in, struct store_key out[STORE_HASHES]);

#endif
