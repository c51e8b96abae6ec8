/* A page of a node's items (XEP-0060 section 6.5.4, XEP-0059 1.0): what is asked for, finding it,
 * and what the answer says of it.
 *
 * A page begins behind, or ends before, a place in the node ("@" and a number), which stays what
 * it is when items go: <first/> and <last/> of an answer are such. Instead of a place there may
 * be the id of an item, which has to be there. Count and index may count items that have expired
 * within the last minute. Pages by index (section 2.4 of XEP-0059) are not understood. */
#ifndef CORE_NODE_PAGE_H
#define CORE_NODE_PAGE_H

#include "core/node.h"

#define NODE_PAGE_MAX   1000         /* items of a page */
#define NODE_PAGE_BYTES (192 * 1024) /* of them, but for one that is larger by itself */

struct node_page {
	struct store_items_query query;
	bool asked;                /* for a page */
	/* node_page.c's: ids of items whose places have yet to be found, and for whom. */
	struct str after, before;
	items_done *done;
	void *ctx;
};

/* Reads the <set/> among the children of an element: without one, all there is, from the oldest on.
 * Slices are in the request or in the arena. False: it cannot be understood. */
bool node_page_read(const struct stanza *iq, const struct xml_node *parent, struct arena *a,
	struct node_page *out);

/* Reads its items; the page and what it has slices of stay until done() is called, as by
 * node_items(). STORE_NOT_FOUND too when the page begins or ends at an item that there is not. */
void node_page_find(struct node *n, struct node_page *p, items_done *done, void *ctx);

/* Writes <set/> where a page was asked for, and where there are more items than the answer has. */
void node_page_write(struct writer *w, const struct node_page *p, const struct store_op *found);

#endif
