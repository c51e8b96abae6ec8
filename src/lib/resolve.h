/* Addresses of a name, looked up on a thread of its own, so that the loop goes on meanwhile.
 *
 * By getaddrinfo(): what the system says, its hosts file included. What is an address already needs
 * no thread. */
#ifndef LIB_RESOLVE_H
#define LIB_RESOLVE_H

#include "net/loop.h"

#include <netdb.h>

struct resolve;

/* list: to be freed with freeaddrinfo(); NULL: why not, in `error`, a constant. */
typedef void resolve_fn(void *user, struct addrinfo *list, const char *error);

/* Calls back once, in a turn of the loop or before it returns. NULL: it has called back already. */
struct resolve *resolve_start(struct loop *l, const char *host, uint16_t port, resolve_fn *fn,
	void *user);

/* It does not call back any more. NULL inside is welcome; sets to NULL. */
void resolve_stop(struct resolve **r);

#endif
