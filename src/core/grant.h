/* What components may do with the accounts of hosts: namespaces that they answer in the place of
 * the server (XEP-0355), and what they may do in the name of accounts, or know of them (XEP-0356).
 *
 * It is part of the settings, and never changed. The component manages the hosts that are named
 * for it; it is known by its own domain, without a localpart. Components of many domains get
 * nothing. */
#ifndef CORE_GRANT_H
#define CORE_GRANT_H

#include "base/arena.h"
#include "xmpp/jid.h"
#include "xmpp/stanza.h"

#define DELEGATION_ATTRS_MAX 8 /* filtering attributes of one namespace */

#define NS_OF_DELEGATION "urn:xmpp:delegation:2"

/* Namespaces of a kind of their own (XEP-0355 sections 7.2.4 and 7.2.5): discovery of what the
 * server does not know itself of an account. */
#define DELEGATED_INFO  NS_OF_DELEGATION ":bare:disco#info:*"
#define DELEGATED_ITEMS NS_OF_DELEGATION ":bare:disco#items:*"

struct host;
struct settings;

/* Types of IQs, as bits. */
enum { GRANT_GET = 1, GRANT_SET = 2 };

/* Whose presence a component is told. */
enum grant_presence { GRANT_NO_PRESENCE, GRANT_OWN_PRESENCE, GRANT_ROSTER_PRESENCE };

/* A namespace that a component answers for. */
struct delegation {
	struct str ns;
	struct str attrs[DELEGATION_ATTRS_MAX]; /* that the payload must have */
	unsigned n_attrs;
	const struct host *component;
	struct delegation *next;                /* of the same component, in the order of adding */
};

/* A namespace of IQs that it may send in the name of accounts. */
struct iq_grant {
	struct str ns;
	unsigned types; /* GRANT_GET, GRANT_SET */
	struct iq_grant *next;
};

struct grants {
	unsigned roster;        /* GRANT_GET, GRANT_SET */
	bool roster_push;       /* with GRANT_GET: it is told of changes */
	bool messages;
	enum grant_presence presence;
	struct iq_grant *iqs;
	struct delegation *delegations;
};

/* A component and a host that it manages. */
struct management {
	struct host *component, *host;
	struct management *next_of_host, *next_of_component;
};

/* What stands in the configuration: a namespace, and names of attributes behind it with a space
 * between; the slices lie in text. NULL, or what is wrong with it, for people. */
const char *grant_parse_delegation(struct str text, struct delegation *out);

/* The same for a namespace, and get, set or both behind it. */
const char *grant_parse_iq(struct str text, struct iq_grant *out);

/* Adds to the grants of a component what was parsed. The texts are copied. */
void grant_delegation(struct settings *s, struct host *component, const struct delegation *d);
void grant_iq(struct settings *s, struct host *component, const struct iq_grant *g);

/* Puts a host under a component. */
void grant_host(struct settings *s, struct host *component, struct host *managed);

/* What an address may do with a host and its accounts; NULL: it is no component, or does not manage
 * this one. */
const struct grants *grants_of(const struct settings *s, struct jid from,
	const struct host *managed);

/* Whether a component manages a host: the same one, or (of other settings) one of that domain. */
bool grant_manages(const struct host *component, const struct host *managed);
bool grant_manages_domain(const struct host *component, struct str domain);

/* Who answers for a namespace at a host, or NULL. */
const struct delegation *grant_find_delegation(const struct host *managed, struct str ns);

/* Whether some component is told of the presence of contacts of the host's accounts. */
bool grant_watches_rosters(const struct host *managed);

/* The bit of IQ_GET or IQ_SET; 0 for others. */
unsigned grant_bit(enum stanza_type type);

/* The types that are granted for a namespace. */
unsigned grant_iq_types(const struct grants *g, struct str ns);

/* What XEP-0356 calls a set of bits: none, get, set, both. */
struct str grant_types_name(unsigned types);

#endif
