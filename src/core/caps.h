/* What clients can do, as their presence says by entity capabilities (XEP-0115, XEP-0390): as much
 * of it as matters to the server, which is the nodes that they want to be notified of (XEP-0060
 * section 9.2, XEP-0163).
 *
 * Each shard remembers what a hash stands for. It asks a client that shows an unknown one, and the
 * others that show it meanwhile wait for that answer. One that does not have the hash, or that
 * comes from a client without a hash that we can check, counts for this client alone (XEP-0115
 * section 5.4); then the next one that waits is asked. Nothing is stored: after a restart clients
 * show their hashes again, and a few hundred questions cost less than to keep on a disk what
 * anybody could fill.
 *
 * Bounds: CAPS_KNOWN_MAX hashes and CAPS_KNOWN_BYTES bytes are remembered; those that were shown
 * once alone are forgotten first (XEP-0390 section 8.2). CAPS_WAITING_MAX clients wait for answers;
 * more are as if they had not answered. CAPS_NODES_MAX nodes of a client, of CAPS_NODES_BYTES bytes
 * together; the rest of them is left out. Behind a client that does not answer others wait for
 * CAPS_PATIENCE_MS; then each is asked itself. */
#ifndef CORE_CAPS_H
#define CORE_CAPS_H

#include "core/shard.h"
#include "xmpp/caps.h"
#include "xmpp/stanza.h"

#define CAPS_KNOWN_MAX   10000
#define CAPS_KNOWN_BYTES (8 * 1024 * 1024)
#define CAPS_WAITING_MAX 50000
#define CAPS_NODES_MAX   200
#define CAPS_NODES_BYTES 8192
#define CAPS_PATIENCE_MS 5000

/* The nodes that somebody wants to be notified of, ordered. Never changed, counted; of one shard.
 * NULL stands for none. */
struct caps {
	unsigned refs;
	unsigned n;
	size_t bytes; /* of all this */
	struct str nodes[];
};

struct caps *caps_ref(struct caps *c);
void caps_unref(struct caps **c);

/* Whether it has this node. */
bool caps_wants(const struct caps *c, struct str node);

/* The answer for a client. caps: NULL when it has none of the nodes, or nothing is known of it; the
 * callee takes a reference of its own. Called from the loop of the shard, never from inside
 * caps_of(), and not at all when the server ends. */
typedef void caps_done(struct shard *s, struct str memo, struct caps *caps);

struct caps_question {
	struct jid from;              /* who asks: a bare address of ours, or a host */
	struct jid client;            /* whose presence it is */
	const struct caps_claim *claim; /* what that shows: not CAPS_UNSAID */
	struct str node;              /* and the node to ask for */
	caps_done *done;
	struct str memo;              /* what `done` is to be told again; copied */
};

/* True: it is known, or too many wait; *out is a reference of the caller's, or NULL. False: `done`
 * is going to be called, once, within CAPS_PATIENCE_MS and ASK_MS. */
bool caps_of(struct shard *s, const struct caps_question *q, struct caps **out);

/* The same of what is known already, without a question to anybody. False: it is not. */
bool caps_are_known(struct shard *s, const struct caps_claim *claim, struct caps **out);

/* What a shard knows (shard.caps). */
struct caps_memory;
struct caps_memory *caps_memory_new(struct shard *s);
void caps_memory_free(struct caps_memory **m);

#endif
