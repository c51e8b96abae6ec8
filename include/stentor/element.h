/* XML elements: reading what came, and building what goes out.
 *
 * A tree of elements belongs together: its outermost element is made, copied and freed, and all
 * others live in it. Everything that is given is copied. Texts are UTF-8 and end with a NUL.
 *
 * Building never fails in the middle: what cannot stand in XML (a control character, a name with
 * a space, too great a depth) spoils the tree, stentor_element_fault() tells, and sending it is
 * refused. So a program builds the whole and asks once. Reading works in spoilt trees too. */
#ifndef STENTOR_ELEMENT_H
#define STENTOR_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Elements within elements, the outermost counted. */
#define STENTOR_DEPTH_MAX 64

struct stentor_element;

/* ---- trees ---- */

/* An element alone. ns: its namespace URI; NULL is jabber:client, that of stanzas. */
struct stentor_element *stentor_element_new(const char *name, const char *ns);

/* A tree of its own with the same content. */
struct stentor_element *stentor_element_copy(const struct stentor_element *el);

/* Frees the tree and sets the pointer to NULL. Nothing happens for an element inside of one. */
void stentor_element_free(struct stentor_element **el);

/* One element as text. NULL: it is not well-formed, or has what XMPP forbids (RFC 6120 section
 * 11.1), or more than 256 KiB. Elements without a namespace of their own are in jabber:client. */
struct stentor_element *stentor_element_parse(const char *xml);

/* The element as text, which stands on its own; free() it. NULL: the tree is spoilt. */
char *stentor_element_print(const struct stentor_element *el);

/* What is wrong with the tree, for people, valid as long as it; NULL: nothing is. */
const char *stentor_element_fault(const struct stentor_element *el);

/* ---- reading: what is returned is valid as long as the tree ---- */

const char *stentor_element_name(const struct stentor_element *el);

/* Its namespace URI, "" for none. */
const char *stentor_element_ns(const struct stentor_element *el);

/* Whether it has this name in this namespace. In this and the following functions, NULL for the
 * namespace or the name stands for any. False for el NULL. */
bool stentor_element_is(const struct stentor_element *el, const char *ns, const char *name);

/* The first child element like this, or NULL; NULL for el NULL. */
const struct stentor_element *stentor_element_child(const struct stentor_element *el,
	const char *ns, const char *name);

/* The next sibling element like this, or NULL. */
const struct stentor_element *stentor_element_next(const struct stentor_element *el,
	const char *ns, const char *name);

/* An attribute without a namespace, or NULL when there is none; NULL for el NULL. */
const char *stentor_element_attribute(const struct stentor_element *el, const char *name);

/* An attribute in a namespace. */
const char *stentor_element_attribute_ns(const struct stentor_element *el, const char *ns,
	const char *name);

/* xml:lang that holds at the element: its own or that of one around it; NULL: none. */
const char *stentor_element_lang(const struct stentor_element *el);

/* The text that stands directly in the element; "" when there is none, and for el NULL. */
const char *stentor_element_text(const struct stentor_element *el);

/* The text of the first child like this; NULL when there is no such child. */
const char *stentor_element_child_text(const struct stentor_element *el, const char *ns,
	const char *name);

/* ---- building ---- */

/* Adds a child behind all others and returns it. ns NULL: the namespace of its parent. */
struct stentor_element *stentor_element_add(struct stentor_element *parent, const char *name,
	const char *ns);

/* The same with a text in it. text NULL: "". */
struct stentor_element *stentor_element_add_leaf(struct stentor_element *parent, const char *name,
	const char *ns, const char *text);

/* Adds a copy of an element, which may be from any other tree. */
struct stentor_element *stentor_element_add_copy(struct stentor_element *parent,
	const struct stentor_element *el);

/* Adds text behind what is there. */
void stentor_element_add_text(struct stentor_element *el, const char *text);

/* Sets an attribute, in the place of one of the same name. value NULL: nothing is done. */
void stentor_element_set(struct stentor_element *el, const char *name, const char *value);
void stentor_element_set_ns(struct stentor_element *el, const char *ns, const char *name,
	const char *value);
void stentor_element_set_lang(struct stentor_element *el, const char *lang);

#ifdef __cplusplus
}
#endif

#endif
