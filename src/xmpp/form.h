/* Data forms (XEP-0004 2.13.1): reading those that somebody has filled in, and writing fields. */
#ifndef XMPP_FORM_H
#define XMPP_FORM_H

#include "xml/tree.h"
#include "xml/writer.h"

/* The form of type submit whose FORM_TYPE (XEP-0068) is this, among the children of an element;
 * NULL when there is none. */
const struct xml_node *form_find(const struct xml_doc *d, const struct xml_node *parent,
	struct str form_type, struct arena *a);

/* The field of this name, or NULL. */
const struct xml_node *form_field(const struct xml_doc *d, const struct xml_node *form,
	struct str var, struct arena *a);

/* The first field, and those behind it: for who must know them all. */
const struct xml_node *form_first(const struct xml_doc *d, const struct xml_node *form);
const struct xml_node *form_next(const struct xml_doc *d, const struct xml_node *field);

/* The name of a field; empty when it has none. */
struct str form_var(const struct xml_doc *d, const struct xml_node *field, struct arena *a);

/* The first value of a field, without white space around it; the null slice when there is none.
 * values: all of them, at most max; returns how many there are. */
struct str form_value(const struct xml_doc *d, const struct xml_node *field, struct arena *a);
size_t form_values(const struct xml_doc *d, const struct xml_node *field, struct str *values,
	size_t max, struct arena *a);

/* A field with one value. */
void form_write_field(struct writer *w, const char *var, const char *type, const char *label,
	struct str value);

#endif
