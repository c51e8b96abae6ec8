/* Taking an element out of its document, so that it can be kept and put elsewhere: vCards,
 * private storage, items of nodes. */
#ifndef XML_EXTRACT_H
#define XML_EXTRACT_H

#include "xml/tree.h"

/* Writes the element as it came, with the declarations of the elements around it added to its
 * start tag (those that it does not make itself): it means the same wherever the default
 * namespace is the one of the document's outside. A few bytes in a document may so become many
 * in several extracts: b has a bound. */
void xml_extract(struct buf *b, const struct xml_doc *d, const struct xml_node *el);

/* The same of a stanza, to be put into whatever namespace: where no default namespace is declared, the
 * content namespace of streams (jabber:client) is. */
void xml_extract_alone(struct buf *b, const struct xml_doc *d, const struct xml_node *el);

#endif
