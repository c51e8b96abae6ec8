/* A stanza without some of its children: for what a server has to take out (XEP-0359 section 5,
 * XEP-0280 section 6.1). Seldom needed, so it is made anew. */
#ifndef XMPP_EDIT_H
#define XMPP_EDIT_H

#include "xmpp/stanza.h"

/* True for a child element that is to go. */
typedef bool edit_drops(const struct stanza *s, const struct xml_node *child, void *ctx);

/* Takes the children out. *s is replaced by another stanza with the same addresses and the same
 * language, unless nothing is to go. table is scratch. */
void stanza_drop_children(struct stanza **s, edit_drops *drops, void *ctx,
	struct xml_table *table);

#endif
