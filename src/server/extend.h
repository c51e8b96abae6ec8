/* Modules of others at work: to core they all together are one more module, behind the built-in
 * ones, which has only the functions that one of them has. What is loaded lives as long as the
 * server.
 *
 * Stores: data of accounts, in the space "module". Key: the module's name, a space, its key. */
#ifndef SERVER_EXTEND_H
#define SERVER_EXTEND_H

#include "core/module.h"
#include "server/load.h"

#define EXTEND_DATA_MAX     (256 * 1024) /* of one account: keys and bytes of all modules */
#define EXTEND_REQUESTS_MAX 10000        /* of one module on one shard that wait for answers */
#define EXTEND_ANSWER_MS    (60 * 1000)  /* how long */

struct extensions;

/* Of modules that are open, which are taken over; what they were configured with is copied.
 * builtin: the table of the others. */
struct extensions *extensions_new(struct loaded_modules *m, const struct module *const *builtin);

/* The table for core_init(), built-in ones first. */
const struct module *const *extensions_table(const struct extensions *x);

/* Starts them, before the shards' threads are started. False: logged. */
bool extensions_begin(struct extensions *x, struct core *c);

/* The threads have ended and nothing is on its way home any more: no call from elsewhere is taken
 * from now on, and no answer waits. To be called before core_clear(). */
void extensions_stop(struct extensions *x);

/* Behind core_clear(): unloads and closes them. */
void extensions_free(struct extensions **x);

#endif
