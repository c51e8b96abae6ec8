/* What core and modules are told: an immutable snapshot, counted, made by the server from its
 * configuration. Each shard holds one; a reload swaps it by a mail. */
#ifndef CORE_SETTINGS_H
#define CORE_SETTINGS_H

#include "base/arena.h"
#include "base/map.h"
#include "core/grant.h"
#include "net/tls.h"
#include "xml/scan.h"
#include "xmpp/jid.h"

#include <stdatomic.h>

/* Who may make rooms, or nodes. */
enum makers { BY_ANYBODY, BY_ACCOUNTS, BY_ADMINS };

/* What is served at a domain that belongs to a host. */
enum service { NO_SERVICE, SERVICE_OF_ROOMS, SERVICE_OF_NODES };

/* What one owner of nodes may have (XEP-0060): an account, or a service. 0: no bound. */
struct node_limits {
	uint32_t nodes;
	uint32_t items;          /* of one node */
	uint32_t item_bytes;     /* of the payload of one */
	uint32_t subscriptions;  /* of one node */
	uint64_t bytes;          /* of all items of all nodes */
};

/* How a component is served (XEP-0114). */
struct component_rules {
	struct str secret;
	uint32_t connections;   /* that it may have at a time */
	uint32_t queue_max;     /* bytes of stanzas that wait for it */
	uint32_t queue_ms;      /* how long; 0: none waits */
	struct grants grants;   /* at the hosts that it manages (host.managed) */
};

/* What a stream with a remote domain must be like. */
enum peer_security {
	PEERS_BY_CERTIFICATE, /* TLS, and a certificate that proves the domain */
	PEERS_BY_DIALBACK,    /* TLS, and dialback where the certificate proves nothing */
	PEERS_IN_CLEAR        /* dialback, without TLS too where the peer has none */
};

/* How we deal with a remote domain. */
struct peer_rules {
	struct map_node node;   /* in settings.peers, by domain */
	struct str domain;      /* canonical; of all within a domain ".", then that one; empty: of
				 * everybody else */
	enum peer_security security;
	struct str route;       /* "host:port" in place of what DNS says; empty: none */
	bool direct;            /* with a route: TLS from the first byte (XEP-0368) */
	const struct tls_pin *pins; /* of its certificate's key: one has to fit, and suffices */
	size_t n_pins;          /* 0: any key */
};

struct host {
	struct map_node node;   /* in settings.hosts, by domain */
	struct str domain;      /* canonical; of a component of many domains "*.", then what they
				 * end with */
	struct host *rooms;     /* its service of rooms (XEP-0045), or NULL */
	struct host *nodes;     /* its service of nodes (XEP-0060), or NULL */
	struct host *home;      /* of a service: the host that it belongs to; else NULL */
	enum service service;   /* and which it is */
	enum makers makers;     /* of a service: who may make its rooms or nodes */
	struct component_rules *component; /* of a component; else NULL */
	struct host *listed_by;  /* of a component: in whose disco#items it is, or NULL */
	struct host *next_component;
	struct management *managed;  /* of a component: hosts that it manages (core/grant.h) */
	struct management *managers; /* of a host: components that manage it */
	const struct jid *admins; /* bare JIDs of who administers the host and its services */
	unsigned n_admins;
	bool registration;      /* XEP-0077 for everybody */
	bool anonymous;         /* SASL ANONYMOUS */
	bool push_count, push_sender, push_body; /* XEP-0357: what push services are told */
	bool archive;           /* XEP-0313: accounts have archives */
	bool federation;        /* talks to domains that are not served here */
	struct str resume_location; /* XEP-0198: where clients come back to, or empty */
	unsigned hashes;        /* of SCRAM that are offered: a bit for each enum digest */
};

struct settings {
	atomic_uint refs;
	struct arena mem;
	struct map hosts;
	struct map wildcards;          /* components of many domains, by what these end with */
	struct host *first;            /* the default host */
	struct host *components;       /* all of them in the order of adding, by next_component */
	struct host **components_end;
	struct tls_config *tls;        /* NULL: no TLS (tests in memory) */
	bool tls_required, plain_without_tls, ask_client_cert;
	struct scan_limits guest, user;
	uint32_t login_ms;             /* from accept to a bound resource */
	uint32_t max_out;              /* unsent bytes of one connection */
	uint32_t sessions_max;         /* of one account */
	uint32_t roster_max;           /* items of one account */
	uint32_t blocklist_max;        /* items of one account (XEP-0191) */
	uint32_t push_max;             /* push services of one account (XEP-0357); 0: none */
	uint32_t vcard_max;            /* bytes of one vCard */
	uint32_t private_max;          /* bytes of one account's private storage */
	uint32_t resume_s;             /* a client may be away so long (XEP-0198); 0: not at all */
	uint32_t unacked_max;          /* bytes that a client has not acknowledged (XEP-0198) */
	uint32_t held_max;             /* bytes held from an inactive client (XEP-0352); 0: none */
	uint32_t checks_per_second;    /* password derivations on the workers */
	uint32_t room_occupants_max;   /* of one room */
	uint32_t room_members_max;     /* affiliations of one room, of all kinds together */
	uint32_t room_history_max;     /* messages that who enters a room gets */
	uint32_t room_rate;            /* stanzas of one occupant a second; 0: no bound */
	struct node_limits account_nodes; /* of one account (XEP-0163) */
	struct node_limits service_nodes; /* of one service */
	uint32_t node_rate;            /* items of one publisher in one node a second; 0: no bound */
	bool federation;               /* false: no stream with another server */
	bool bidi;                     /* one stream for both directions (XEP-0288) */
	struct map peers;              /* struct peer_rules */
	struct peer_rules peer_default; /* of each domain that has none of its own */
	struct map peers_allowed;      /* empty: all are */
	struct map peers_blocked;      /* though they are allowed */
	uint32_t peer_idle_ms;         /* a stream without stanzas is closed after that */
	uint32_t peer_connect_ms;      /* from the first look-up to a stream that takes stanzas */
	uint32_t peer_queue_max;       /* bytes of stanzas that wait for one remote domain */
	uint32_t peer_queue_ms;        /* how long they wait */
	uint32_t peer_streams_max;     /* incoming ones of a remote domain to one of ours */
	uint32_t peer_unacked_max;     /* bytes that a peer has not acknowledged (XEP-0198) */
};

/* An empty snapshot with the built-in bounds and one reference. */
struct settings *settings_new(void);

/* Adds a host; the first is the default. domain is copied. */
struct host *settings_add_host(struct settings *s, struct str domain);

/* Adds a service of rooms to a host, which has none yet. domain is copied. */
struct host *settings_add_rooms(struct settings *s, struct host *h, struct str domain);

/* Adds a service of nodes, likewise. */
struct host *settings_add_nodes(struct settings *s, struct host *h, struct str domain);

/* Adds a component with the built-in bounds, and without a secret, which has yet to be set. name: a
 * domain, or "*." and the end of many; copied. Each other host with one of these domains is found
 * before it. */
struct host *settings_add_component(struct settings *s, struct str name);

/* The component of that name, as settings_add_component() got it, or NULL. */
struct host *settings_component(const struct settings *s, struct str name);

/* The host whose domain another is within, else the first one. */
struct host *settings_parent(const struct settings *s, struct str domain);

/* Whether somebody is one of the administrators of a host, or of the host that a service belongs
 * to. */
bool host_administers(const struct host *h, struct jid who);

/* Adds the rules of a remote domain, or of all within one: "*." and that domain. They are those of
 * peer_default until they are changed. There are none of that name yet, which is copied. */
struct peer_rules *settings_add_peer(struct settings *s, struct str name);

/* Puts a remote domain, or all within one ("*." and that domain), on the list of those that are
 * allowed, or of those that are not. The name is copied; again does nothing. */
void settings_allow_peer(struct settings *s, struct str name);
void settings_block_peer(struct settings *s, struct str name);

/* The rules of a canonical remote domain: its own, else those of the closest domain that it is
 * within, else peer_default. Never NULL; valid as long as the snapshot. */
const struct peer_rules *settings_peer(const struct settings *s, struct str domain);

/* Whether a host of ours (a service of rooms: what its host may) and a canonical remote domain may
 * talk to each other. */
bool settings_federates(const struct settings *s, const struct host *h, struct str domain);

struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings **s);

/* The host of a canonical domain, or NULL. Valid as long as the snapshot. */
struct host *settings_host(const struct settings *s, struct str domain);

/* The same, but NULL for a service and a component: a host that may have accounts. */
struct host *settings_account_host(const struct settings *s, struct str domain);

#endif
