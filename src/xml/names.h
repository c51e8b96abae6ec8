/* Namespaces and names as small integers, so that dispatch is a comparison of numbers.
 *
 * The list is names.def. An unknown name is NS_OTHER or TAG_OTHER; its text is still at hand
 * through xml/tree.h. */
#ifndef XML_NAMES_H
#define XML_NAMES_H

#include "base/str.h"

enum xml_ns {
	NS_OTHER, /* not in the list */
	NS_NONE,  /* no namespace: attributes without a prefix, xmlns='' */
	NS_XML,   /* the prefix xml */
#define NS(id, uri) NS_##id,
#define TAG(id, name)
#include "xml/names.def"
#undef NS
#undef TAG
	XML_NS_COUNT
};

enum xml_tag {
	TAG_OTHER,
#define NS(id, uri)
#define TAG(id, name) TAG_##id,
#include "xml/names.def"
#undef NS
#undef TAG
	XML_TAG_COUNT
};

/* The number of a namespace URI or a local name; NS_OTHER, TAG_OTHER when it is not listed.
 * The empty URI is NS_NONE. */
enum xml_ns xml_ns_id(struct str uri);
enum xml_tag xml_tag_id(struct str name);

/* The text of a listed one ("" for NS_NONE and NS_OTHER, TAG_OTHER). */
struct str xml_ns_str(enum xml_ns ns);
struct str xml_tag_str(enum xml_tag tag);

#endif
