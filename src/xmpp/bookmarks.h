/* Bookmarks of rooms in two shapes: items of a node, one for each room (XEP-0402 1.2.0), and one
 * <storage/> with all of them (XEP-0048 1.2), in private XML storage or in an item.
 *
 * Both say the same of a room: its address, a name, whether to join, a nickname and a password,
 * and elements of clients' own, which are in <extensions/> in the one and beside the others in
 * the other. What else a <storage/> has (pages of the web, rooms whose address is none) is its
 * rest, and has no place in items. */
#ifndef XMPP_BOOKMARKS_H
#define XMPP_BOOKMARKS_H

#include "xml/tree.h"
#include "xml/writer.h"
#include "xmpp/jid.h"

/* Bounds: rooms of a list, elements of clients' own of one room, bytes of what has no place in
 * items. What is over one of them is left out, and said to be (struct bookmarks.full). */
#define BOOKMARKS_MAX        1000
#define BOOKMARK_EXTRAS_MAX  32
#define BOOKMARKS_REST_MAX   (256 * 1024)

/* An element of a client's own, standing alone. */
struct bookmark_extra {
	struct str name, ns, xml;
};

struct bookmark {
	struct str jid;   /* canonical, where it is an address */
	struct str id;    /* of the item that it was read from, or the address */
	struct str name, nick, password; /* empty: none */
	bool autojoin;
	struct bookmark_extra *extras;
	size_t n_extras;
};

/* A list, in an arena. All zero is an empty one. */
struct bookmarks {
	struct bookmark *all;
	size_t n, cap;
	struct str rest;  /* XML, each element standing alone */
	bool full;        /* something was left out */
};

/* Adds what an item of the node says: a <conference/> of XEP-0402; false: it is something else. */
bool bookmarks_add_item(struct bookmarks *b, struct str id, const struct xml_doc *d,
	const struct xml_node *conference, struct arena *a);

/* Adds a <conference/> of XEP-0048. Of two for one room the later one counts. False: it is
 * something else, or its room has no address. */
bool bookmarks_add_old(struct bookmarks *b, const struct xml_doc *d, const struct xml_node *el,
	struct arena *a);

/* All children of a <storage/>. */
void bookmarks_add_storage(struct bookmarks *b, const struct xml_doc *d,
	const struct xml_node *storage, struct arena *a);

/* NULL: it has no such room. */
const struct bookmark *bookmarks_find(const struct bookmarks *b, struct str jid);

/* Puts one in, in place of what the list has of the room; takes one out. */
void bookmarks_put(struct bookmarks *b, const struct bookmark *m, struct arena *a);
void bookmarks_remove(struct bookmarks *b, struct str jid);

/* What a room's bookmark becomes when a client writes it that knows the old shape alone: the
 * client's own elements that it did not write stay. */
struct bookmark bookmark_merge(const struct bookmark *written, const struct bookmark *kept,
	struct arena *a);

bool bookmark_equal(const struct bookmark *x, const struct bookmark *y);

/* The payload of an item; and <storage/>. */
void bookmark_write(const struct bookmark *m, struct writer *w);
void bookmarks_write_storage(const struct bookmarks *b, struct writer *w);

#endif
