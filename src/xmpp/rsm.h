/* Result set management (XEP-0059 1.0): what is asked for, and what is answered. */
#ifndef XMPP_RSM_H
#define XMPP_RSM_H

#include "xml/tree.h"
#include "xml/writer.h"

/* A request. Without <set/> all is unset. */
struct rsm {
	bool has_max, has_after, has_before;
	uint32_t max;              /* items of a page; 0 asks for the count (section 2.6) */
	struct str after, before;  /* ids; an empty `before` asks for the last page (section 2.5) */
};

/* Reads the <set/> among the children of an element. False when it is malformed, or asks for a
 * page by its index (section 2.4). */
bool rsm_read(const struct xml_doc *d, const struct xml_node *parent, struct arena *a,
	struct rsm *out);

/* The answer: ids of the first and the last item of the page (null slices for an empty one), the
 * place of the first in the whole set and the number of items in it, each at least 0 when it is
 * known. */
void rsm_write(struct writer *w, struct str first, struct str last, int64_t index, int64_t count);

#endif
