/* XEP-0227 Portable Import/Export Format for XMPP-IM Servers, version 1.1: writing.
 *
 * One file with all accounts of the hosts that the configuration serves, in an order of its
 * own: the same data give the same bytes. Keys of passwords are in it (section 4.3), passwords
 * are not, for nobody has them. What the specification has no place for stands as elements of
 * other namespaces: archive preferences as XEP-0313's <prefs/>. The block list is written as the
 * privacy list that does the same (XEP-0016). */
#ifndef SERVER_EXPORT_H
#define SERVER_EXPORT_H

#include "server/config.h"
#include "server/data.h"

#include <signal.h>

struct export_options {
	struct str host, user; /* empty: all */
	const volatile sig_atomic_t *stop; /* set by a signal: give up */
};

struct export_counts {
	uint64_t accounts, contacts, requests, vcards, private_xml, blocked, offline, archived,
		nodes, items, broken; /* messages that could not be read */
};

/* Writes to the descriptor. False with a message for people in *error (in the arena). */
bool export_data(struct data *d, const struct config *c, const struct export_options *o, int fd,
	struct export_counts *counts, struct arena *a, struct str *error);

#endif
