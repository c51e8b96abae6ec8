/* XEP-0227 Portable Import/Export Format for XMPP-IM Servers, version 1.1: reading.
 *
 * With XInclude of files below the folder of the file that names them (section 5). PEP nodes
 * are counted and left out. What servers are known to write otherwise than the specification
 * says is taken too: see import_pie.c. */
#ifndef SERVER_IMPORT_PIE_H
#define SERVER_IMPORT_PIE_H

#include "server/import.h"

/* False: im->error says what is wrong. */
bool import_pie(struct import *im, const char *path);

/* The same for bytes in memory, whose <include/>s are refused; for tests. */
bool import_pie_bytes(struct import *im, struct str bytes);

#endif
