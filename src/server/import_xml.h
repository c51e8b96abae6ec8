/* Reading XML files that other servers wrote, of any size, in little memory.
 *
 * By expat: such files have prefixes, comments, processing instructions and encodings, which
 * the scanner of streams (xml/scan.h) rightly refuses. A document type declaration is refused
 * here too, and with it every entity but the five of XML. Elements are walked into, taken
 * whole, or passed over, as the handler says; a whole one is written anew in UTF-8 without
 * prefixes, so that it stands alone. */
#ifndef SERVER_IMPORT_XML_H
#define SERVER_IMPORT_XML_H

#include "base/str.h"

struct import;

struct xml_start {
	struct str ns, name;  /* ns empty: none */
	const char **attrs;   /* as expat has them */
};

/* The value of an attribute without namespace, or NULL. */
const char *xml_start_attr(const struct xml_start *el, const char *name);

enum xml_choice { XML_WALK, XML_WHOLE, XML_PASS };

struct xml_reader {
	/* A child of an element that is walked into, or the root. */
	enum xml_choice (*start)(void *user, const struct xml_start *el);
	void (*end)(void *user);                    /* of an element that was walked into */
	void (*whole)(void *user, struct str xml);  /* not called for one over IMPORT_XML_MAX, nor
						     * for one that is nested too deep: noted */
};

/* Reads the file to its end. The place of `im` follows; when im->error is set by a handler the
 * reading stops. False: im->error says what is wrong. */
bool import_xml(struct import *im, const char *path, const struct xml_reader *r, void *user);

/* The same for bytes in memory; for tests. */
bool import_xml_bytes(struct import *im, struct str bytes, const struct xml_reader *r, void *user);

#endif
