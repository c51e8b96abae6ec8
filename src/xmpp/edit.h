/* A stanza without some of its children, or with others: for what a server has to take out
 * (XEP-0359 section 5, XEP-0280 section 6.1) and what modules of others change. Seldom needed, so it
 * is made anew. */
#ifndef XMPP_EDIT_H
#define XMPP_EDIT_H

#include "xmpp/stanza.h"

/* True for a child element that is to go. */
typedef bool edit_drops(const struct stanza *s, const struct xml_node *child, void *ctx);

#define STANZA_EDIT_MAX (4 * 1024 * 1024) /* bytes of what is made by stanza_replace_element() */

/* Takes the children out. *s is replaced by another stanza with the same addresses, the same
 * language and the same way before it, unless nothing is to go. table is scratch. */
void stanza_drop_children(struct stanza **s, edit_drops *drops, void *ctx,
	struct xml_table *table);

/* Puts XML in place of an element of the stanza: of any, its root too. Empty: takes it out. *s is
 * replaced as above. False, and *s is what it was: the result is too large, or is not one
 * well-formed stanza of the same kind. */
bool stanza_replace_element(struct stanza **s, const struct xml_node *el, struct str xml,
	struct xml_table *table);

#endif
