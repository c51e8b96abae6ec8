/* The inside of elements: trees that end together, and their way from and to bytes. */
#ifndef LIB_TREE_H
#define LIB_TREE_H

#include "stentor/element.h"

#include "base/arena.h"
#include "base/buf.h"
#include "xml/tree.h"

/* The content namespace as programs see it, whatever the stream calls it. */
#define NS_STANZA "jabber:client"

/* Texts end with a NUL that is not counted. */
struct attribute {
	struct attribute *next;
	struct str ns, name, value; /* ns empty: none */
};

struct stentor_element {
	struct tree *tree;
	struct stentor_element *parent, *next;
	struct stentor_element *first, *last; /* children: elements and texts */
	struct attribute *attributes, *last_attribute;
	struct str ns, name;                  /* name.p NULL: this is a text */
	struct str text;                      /* of a text; of an element: joined, once asked for */
	unsigned depth;                       /* of the outermost: 1 */
};

struct tree {
	struct arena mem;
	const char *fault; /* the first one, or NULL */
	struct stentor_element root;
};

/* A tree of the document's element. */
struct stentor_element *tree_of(const struct xml_doc *d);

/* Adds the element as bytes. content: the default namespace around it. False: the tree is spoilt.
 * (The buffer may fail too.) */
bool tree_write(struct buf *b, const struct stentor_element *el, struct str content);

/* The first fault is kept. */
void tree_spoil(struct stentor_element *el, const char *fault);

#endif
