/* The server's configuration: a file in, an immutable snapshot out.
 *
 * A snapshot is counted; who needs it across turns takes a reference. Reloading makes a new
 * one and swaps it; nothing in it is ever changed. All strings live in the snapshot and end
 * with a NUL. Paths are absolute or relative to the working directory: a relative path of the
 * file has got the folder of the file before it.
 *
 * Reading is for the main thread alone (libconfuse keeps its state in globals).
 * docs/configuration.md has the options; a test holds it to the table in config.c. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "base/arena.h"
#include "base/log.h"
#include "core/settings.h"

#define CONFIG_FILE_MAX      (1024 * 1024) /* bytes of a file */
#define CONFIG_HOSTS_MAX     1024
#define CONFIG_COMPONENTS_MAX 1024
#define CONFIG_MODULES_MAX   64
#define CONFIG_LISTENERS_MAX 64
#define CONFIG_SHARDS_MAX    256
#define CONFIG_ADMINS_MAX    100 /* of one host */
#define CONFIG_REMOTES_MAX   1024
#define CONFIG_DOMAINS_MAX   1000 /* allowed, or blocked */
#define CONFIG_SERVERS_MAX   8    /* of DNS */
#define CONFIG_PINS_MAX      8    /* of one remote domain */
#define CONFIG_TEXTS_MAX     100 /* of one list */

/* Hashes of SCRAM that a host offers. One alone is for hosts whose accounts came from a server
 * that kept keys of that hash and no other. */
enum config_scram { CONFIG_SCRAM_ALL, CONFIG_SCRAM_SHA1, CONFIG_SCRAM_SHA256, CONFIG_SCRAM_SHA512 };

/* Bare JIDs, each with a localpart, in the order of the file. */
struct config_jids {
	struct jid *jids;
	size_t n;
};

/* Domains, canonical or "*." and a canonical one, or what else an option is a list of. */
struct config_texts {
	struct str *texts;
	size_t n;
};

struct config_pins {
	struct tls_pin *pins;
	size_t n;
};

/* Types of IQs, and presence, that are granted: as core/grant.h counts them. */
enum config_grant_types { CONFIG_GRANT_NONE, CONFIG_GRANT_GET, CONFIG_GRANT_SET, CONFIG_GRANT_BOTH };

struct config_host {
	struct str domain;      /* canonical, as in a JID */
	struct str ascii;       /* the same for SNI and certificates: A-labels, no brackets */
	struct str cert_file;   /* PEM */
	struct str key_file;
	bool self_signed;       /* neither was named: they lie in data_dir, made when missing */
	bool registration;      /* XEP-0077: anybody may make an account */
	bool anonymous;         /* SASL ANONYMOUS: guests without an account */
	bool archive;           /* XEP-0313: messages are kept */
	bool federation;        /* it and its services talk to domains that are elsewhere */
	bool push_count, push_sender, push_body; /* XEP-0357: what push services are told */
	enum config_scram scram;
	struct str resume_location; /* XEP-0198: where clients come back to, or empty */
	struct str rooms;       /* XEP-0045: canonical domain of its rooms; empty: none */
	enum makers room_makers;
	struct str pubsub;      /* XEP-0060: canonical domain of its nodes; empty: none */
	enum makers node_makers;
	struct config_jids admins; /* of the host and its services */
};

/* A program of others that serves a domain (XEP-0114). */
struct config_component {
	struct str domain;      /* canonical; "*." and a domain: all domains within that one */
	struct str secret;      /* never empty */
	uint32_t connections;   /* at a time */
	uint32_t queue_bytes;   /* that may wait for it */
	uint32_t queue_seconds; /* how long; 0: nothing waits */
	bool listed;            /* in the disco#items of its host */
	struct config_texts manages;   /* hosts, canonical: where the following is granted */
	struct config_texts delegates; /* XEP-0355: namespaces, and attributes behind them */
	enum config_grant_types roster; /* XEP-0356 */
	bool roster_push;       /* where roster may be got */
	bool message;           /* outgoing ones */
	struct config_texts iq; /* namespaces, and get, set or both behind them */
	enum grant_presence presence;
};

/* Streams with other servers (docs/federation.md). */
struct config_federation {
	bool enabled;
	bool bidi;                      /* XEP-0288 */
	enum peer_security security;
	struct config_texts allow;      /* empty: all */
	struct config_texts block;
	struct str ca_file;             /* PEM; empty: the system's */
	struct config_texts dns_servers; /* "192.0.2.1" or "192.0.2.1@5353"; none: the system's */
	struct str dns_anchor;          /* a file; empty: nothing is validated */
	bool dns_loopback;              /* addresses of this machine out of DNS are taken */
	uint32_t idle_seconds;
	uint32_t connect_seconds;
	uint32_t queue_bytes;           /* that wait for one remote domain */
	uint32_t queue_seconds;
	uint32_t streams;               /* incoming ones of one remote domain */
	uint32_t unacknowledged_bytes;  /* XEP-0198, of one stream */
};

/* How to deal with a remote domain. */
struct config_remote {
	struct str domain;      /* canonical; "*." and a domain: all within that one */
	enum peer_security security;
	struct str route;       /* "host:port"; empty: what DNS says */
	bool direct_tls;        /* with a route: TLS from the first byte */
	struct config_pins pins;
};

/* A shared object that the server loads (server/load.h). What its options mean is its own. */
struct config_pair {
	struct str name, value;
	unsigned line;
};

struct config_module {
	struct str path;
	unsigned line;
	struct config_pair *options; /* in the order of the file, each name once */
	size_t n_options;
};

enum listener_kind {
	LISTEN_C2S,             /* STARTTLS (RFC 6120 section 5) */
	LISTEN_C2S_DIRECT_TLS,  /* TLS from the first byte (XEP-0368) */
	LISTEN_COMPONENT,       /* XEP-0114, without TLS */
	LISTEN_COMPONENT_DIRECT_TLS,
	LISTEN_S2S,             /* other servers, STARTTLS */
	LISTEN_S2S_DIRECT_TLS
};

/* What the file calls it. */
const char *config_listener_name(enum listener_kind kind);

struct config_listener {
	enum listener_kind kind;
	struct str address;     /* "*" or a numeric one, as listen_open() takes it */
	uint16_t port;          /* 0: any, for tests */
};

struct config_limits {
	uint32_t stanza_bytes_before_login;
	uint32_t stanza_bytes;
	uint32_t login_seconds;              /* from accept to a bound resource */
	uint32_t half_open_per_address;      /* connections before login, of one address */
	uint32_t output_bytes;               /* unsent, of one connection */
	uint32_t sessions_per_account;
	uint32_t roster_items;
	uint32_t offline_messages;           /* of one account */
	uint32_t archive_days;               /* 0: no end */
	uint32_t archive_messages;           /* of one account; 0: no bound */
	uint32_t resume_seconds;             /* XEP-0198: how long a client may be away */
	uint32_t unacknowledged_bytes;       /* XEP-0198, of one session */
	uint32_t held_bytes;                 /* XEP-0352, of one session; 0: nothing is held */
	uint32_t blocklist_items;            /* of one account */
	uint32_t push_registrations;         /* of one account; 0: no push */
	uint32_t vcard_bytes;                /* of one account */
	uint32_t private_bytes;              /* of one account */
	uint32_t password_checks_per_second; /* PLAIN and new passwords: work of milliseconds */
	uint64_t disk_reserve_bytes;         /* messages are refused when less is free */
	uint32_t room_occupants;             /* of one room */
	uint32_t room_members;               /* affiliations of one room, of all kinds */
	uint32_t room_history;               /* messages for who enters a room */
	uint32_t room_stanzas_per_second;    /* of one occupant; 0: no bound */
	uint32_t account_nodes;              /* of one account (XEP-0163); of all limits from here on: */
	uint32_t account_node_items;         /* of one of its nodes;           0 for no bound */
	uint64_t account_node_bytes;         /* of all their items */
	uint32_t account_node_subscriptions; /* of one of its nodes */
	uint32_t service_nodes;              /* of one service of nodes, likewise */
	uint32_t service_node_items;
	uint64_t service_node_bytes;
	uint32_t service_node_subscriptions;
	uint32_t node_item_bytes;            /* of the payload of one item */
	uint32_t node_items_per_second;      /* of one publisher in one node */
};

struct config {
	struct config_host *hosts; /* in the order of the file; the first is the default of TLS */
	size_t n_hosts;
	struct config_component *components; /* in the order of the file */
	size_t n_components;
	struct config_federation federation;
	struct config_remote *remotes; /* in the order of the file */
	size_t n_remotes;
	struct config_module *modules; /* in the order of the file */
	size_t n_modules;
	struct config_listener *listeners;
	size_t n_listeners;
	struct config_limits limits;
	struct str data_dir;
	struct str admin_socket;
	struct str pid_file;       /* empty: none */
	struct str user;           /* to become when started as root; empty: stay */
	struct str client_ca_file; /* PEM; empty: the system's */
	unsigned shards;           /* 0: one for each core */
	enum log_level log_level;
	enum log_format log_format;
	bool tls_required;
	bool plain_without_tls;
	bool search;               /* XEP-0431: archives can be searched */
};

/* Reads the file and checks it against this machine too: files that are named can be read,
 * the user exists. NULL when anything is wrong; then *errors (in the arena) has one line for
 * each fault, with file, line, what was found and what would be right:
 *
 *     stentor.conf:35: shards is "many"; give a number from 0 to 256
 */
struct config *config_load(const char *file, struct arena *a, struct str *errors);

/* The same without looking at the machine: for tools, which need not care whether a key can
 * be read. */
struct config *config_load_text(const char *file, struct arena *a, struct str *errors);

/* The same for a text in memory. name: the file's, for messages and relative paths. */
struct config *config_parse(struct str text, const char *name, struct arena *a,
	struct str *errors);

/* What a server without a file gets: localhost on 127.0.0.1, data in ./stentor-data. */
struct config *config_default(void);

struct config *config_ref(struct config *c);
void config_unref(struct config **c);

/* Whether any host is to talk to other servers. */
bool config_federates(const struct config *c);

/* Names of the options that differ and take effect only at a restart (listeners, shards,
 * paths), separated by ", ", in the arena; empty when reloading is enough. */
struct str config_restart_names(const struct config *old, const struct config *new,
	struct arena *a);

/* The table of options, for documentation and tests. */
enum config_type {
	CONFIG_BOOL,
	CONFIG_NUMBER,
	CONFIG_BYTES,    /* a number, with K, M or G behind it for powers of 1,024 */
	CONFIG_WORD,     /* one of `words`, separated by spaces; the value is its place */
	CONFIG_TEXT,
	CONFIG_PATH,
	/* Lists, in braces, with commas between. */
	CONFIG_JIDS,
	CONFIG_DOMAINS,
	CONFIG_SERVERS,
	CONFIG_PINS,
	CONFIG_TEXTS
};

/* A section of CONFIG_MODULE takes any option. */
enum config_section { CONFIG_TOP, CONFIG_HOST, CONFIG_COMPONENT, CONFIG_FEDERATION, CONFIG_REMOTE,
	CONFIG_MODULE, CONFIG_LISTENER, CONFIG_LIMITS };

struct config_option {
	enum config_section section;
	const char *name;
	enum config_type type;
	size_t at, size;           /* of the value in the section's struct */
	uint64_t min, max;         /* of numbers */
	const char *words;
	const char *initial;       /* the default, as one would write it; NULL: it is computed */
	bool restart;              /* a change takes effect only at a restart */
	const char *help;
};

extern const struct config_option config_options[];
extern const size_t config_options_count;

/* Whether values of this type are lists. */
bool config_is_list(enum config_type type);

/* The name of a section in the file; "" for CONFIG_TOP. */
const char *config_section_name(enum config_section s);

#endif
