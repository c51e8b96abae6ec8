/* What components answer for a host's service discovery (XEP-0355 section 7.2): the identities,
 * features and forms of namespaces that are delegated to them, and their place in the answers of
 * the host and of its accounts.
 *
 * It is asked for when a component connects (modules/xep0355_delegation.c), and every shard keeps a
 * copy, until a later answer. It stays while the component is away. */
#ifndef CORE_NESTING_H
#define CORE_NESTING_H

#include "core/module.h"

#define NESTED_MAX (32 * 1024) /* bytes of one answer; a longer one counts as none */

/* The copies of a shard (shard.nested). */
void nesting_init(struct shard *s);
void nesting_clear(struct shard *s);

/* The answer of a delegation's component for a host, or (bare) for its accounts: disco#info's
 * <query/>. Goes to all shards. */
void nesting_put(struct shard *s, const struct delegation *d, const struct host *h, bool bare,
	const struct xml_doc *doc, const struct xml_node *query);

/* Writes the children of a <query/> of the host or (c->account) of the account. own: what the
 * server says itself; of it is left out what belongs to delegated namespaces, and nothing stands
 * there twice. */
void nesting_write(struct ctx *c, struct str own, struct writer *w);

#endif
