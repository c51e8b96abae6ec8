/* The table of options. What it says is read by the parser (config.c), by the reference in
 * docs/configuration.md and by its test. */
#include "server/config.h"

#include "base/bug.h"

#define K 1024ull
#define M (1024 * K)
#define G (1024 * M)

#define AT(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)
#define TOP(member)      AT(config, member)
#define HOST(member)     AT(config_host, member)
#define COMPONENT(member) AT(config_component, member)
#define FEDERATION(member) AT(config_federation, member)
#define REMOTE(member)   AT(config_remote, member)
#define LISTENER(member) AT(config_listener, member)
#define LIMIT(member, type, ...) \
	{ CONFIG_LIMITS, #member, type, AT(config_limits, member), __VA_ARGS__ }

const struct config_option config_options[] = {
	{ CONFIG_TOP, "data_dir", CONFIG_PATH, TOP(data_dir), .initial = "/var/lib/stentor",
	  .restart = true, .help = "folder of accounts, messages and certificates that the "
	  "server makes itself; created when missing" },
	{ CONFIG_TOP, "user", CONFIG_TEXT, TOP(user), .initial = "", .restart = true,
	  .help = "user to become when started as root; empty: stay" },
	{ CONFIG_TOP, "shards", CONFIG_NUMBER, TOP(shards), 0, CONFIG_SHARDS_MAX, .initial = "0",
	  .restart = true, .help = "threads that share the accounts; 0: one for each core" },
	{ CONFIG_TOP, "admin_socket", CONFIG_PATH, TOP(admin_socket), .restart = true,
	  .help = "socket for stentorctl; `stentord.sock` in data_dir where not given" },
	{ CONFIG_TOP, "pid_file", CONFIG_PATH, TOP(pid_file), .initial = "", .restart = true,
	  .help = "file for the process number; empty: none" },
	{ CONFIG_TOP, "log_level", CONFIG_WORD, TOP(log_level), .words = "debug info warn error",
	  .initial = "info", .help = "least level that is logged" },
	{ CONFIG_TOP, "log_format", CONFIG_WORD, TOP(log_format), .words = "text json",
	  .initial = "text", .help = "form of a log line" },
	{ CONFIG_TOP, "tls_required", CONFIG_BOOL, TOP(tls_required), .initial = "true",
	  .help = "no login without TLS (RFC 6120 section 5.3.1)" },
	{ CONFIG_TOP, "plain_without_tls", CONFIG_BOOL, TOP(plain_without_tls), .initial = "false",
	  .help = "offer SASL PLAIN on connections without TLS; passwords then cross the "
	  "network in clear" },
	{ CONFIG_TOP, "client_ca_file", CONFIG_PATH, TOP(client_ca_file), .initial = "",
	  .help = "PEM file of the authorities that client certificates are checked against; "
	  "empty: the system's" },
	{ CONFIG_TOP, "search", CONFIG_BOOL, TOP(search), .initial = "true", .restart = true,
	  .help = "archives can be searched (XEP-0431), with an index of their words in data_dir" },

	{ CONFIG_HOST, "certificate", CONFIG_PATH, HOST(cert_file),
	  .help = "PEM file of the certificate and its chain; a self-signed one in data_dir where "
	  "not given" },
	{ CONFIG_HOST, "key", CONFIG_PATH, HOST(key_file),
	  .help = "PEM file of the private key; goes with `certificate`" },
	{ CONFIG_HOST, "registration", CONFIG_BOOL, HOST(registration), .initial = "false",
	  .help = "anybody may make an account (XEP-0077)" },
	{ CONFIG_HOST, "anonymous", CONFIG_BOOL, HOST(anonymous), .initial = "false",
	  .help = "guests may log in without an account (SASL ANONYMOUS)" },
	{ CONFIG_HOST, "archive", CONFIG_BOOL, HOST(archive), .initial = "true",
	  .help = "messages are kept for those who sent and who got them (XEP-0313)" },
	{ CONFIG_HOST, "federation", CONFIG_BOOL, HOST(federation),
	  .help = "the host and its services talk to domains of other servers; where not given, all do "
	  "but localhost and what is within it" },
	{ CONFIG_HOST, "push_count", CONFIG_BOOL, HOST(push_count), .initial = "true",
	  .help = "push services are told how many messages and requests wait (XEP-0357)" },
	{ CONFIG_HOST, "push_sender", CONFIG_BOOL, HOST(push_sender), .initial = "false",
	  .help = "push services are told who sent the last message" },
	{ CONFIG_HOST, "push_body", CONFIG_BOOL, HOST(push_body), .initial = "false",
	  .help = "push services are told how the last message begins" },
	{ CONFIG_HOST, "scram", CONFIG_WORD, HOST(scram), .words = "all sha1 sha256 sha512",
	  .initial = "all", .help = "hash of SCRAM that is offered; one alone where imported "
	  "accounts have keys of no other" },
	{ CONFIG_HOST, "resume_location", CONFIG_TEXT, HOST(resume_location), .initial = "",
	  .help = "address (`name:port`) that clients are told to come back to (XEP-0198); empty: "
	  "any" },
	{ CONFIG_HOST, "rooms", CONFIG_TEXT, HOST(rooms),
	  .help = "domain of the host's rooms (XEP-0045); `rooms.` and the host's where not given; "
	  "empty: no rooms" },
	{ CONFIG_HOST, "room_makers", CONFIG_WORD, HOST(room_makers),
	  .words = "anybody accounts admins", .initial = "accounts",
	  .help = "who may make rooms: anybody, who has an account on the host, or `admins` alone" },
	{ CONFIG_HOST, "pubsub", CONFIG_TEXT, HOST(pubsub),
	  .help = "domain of the host's nodes of publish-subscribe (XEP-0060); `pubsub.` and the "
	  "host's where not given; empty: no such service" },
	{ CONFIG_HOST, "node_makers", CONFIG_WORD, HOST(node_makers),
	  .words = "anybody accounts admins", .initial = "accounts",
	  .help = "who may make nodes there: anybody, who has an account on the host, or `admins` "
	  "alone; each account makes its own nodes (XEP-0163)" },
	{ CONFIG_HOST, "admins", CONFIG_JIDS, HOST(admins),
	  .help = "who administers the host and its services from a client (XEP-0133)" },

	{ CONFIG_COMPONENT, "secret", CONFIG_TEXT, COMPONENT(secret),
	  .help = "what the component and the server know, and nobody else" },
	{ CONFIG_COMPONENT, "connections", CONFIG_NUMBER, COMPONENT(connections), 1, 64,
	  .initial = "1", .help = "connections that it may have at a time" },
	{ CONFIG_COMPONENT, "queue_bytes", CONFIG_BYTES, COMPONENT(queue_bytes), 64 * K, G,
	  .initial = "1M", .help = "stanzas that may wait while it is not connected" },
	{ CONFIG_COMPONENT, "queue_seconds", CONFIG_NUMBER, COMPONENT(queue_seconds), 0, 3600,
	  .initial = "30", .help = "time that they wait, before their senders get an error; 0: "
	  "none waits" },
	{ CONFIG_COMPONENT, "listed", CONFIG_BOOL, COMPONENT(listed), .initial = "true",
	  .help = "clients find it among the services of its host (XEP-0030)" },
	{ CONFIG_COMPONENT, "manages", CONFIG_TEXTS, COMPONENT(manages),
	  .help = "hosts where the following holds; the one it is within, else the first, where not "
	  "given" },
	{ CONFIG_COMPONENT, "delegates", CONFIG_TEXTS, COMPONENT(delegates),
	  .help = "namespaces of requests that it answers in the place of the server (XEP-0355); behind "
	  "each, names of attributes that a request must have" },
	{ CONFIG_COMPONENT, "roster", CONFIG_WORD, COMPONENT(roster), .words = "none get set both",
	  .initial = "none", .help = "what it may do with the rosters of accounts (XEP-0356)" },
	{ CONFIG_COMPONENT, "roster_push", CONFIG_BOOL, COMPONENT(roster_push), .initial = "true",
	  .help = "it is told of changes to rosters that it may get" },
	{ CONFIG_COMPONENT, "message", CONFIG_WORD, COMPONENT(message), .words = "none outgoing",
	  .initial = "none", .help = "messages that it may send for hosts and accounts" },
	{ CONFIG_COMPONENT, "iq", CONFIG_TEXTS, COMPONENT(iq),
	  .help = "namespaces of requests that it may send for accounts; behind each, get, set or both" },
	{ CONFIG_COMPONENT, "presence", CONFIG_WORD, COMPONENT(presence),
	  .words = "none managed_entity roster", .initial = "none",
	  .help = "whose presence it is told: of accounts, or of the contacts in their rosters too" },

	{ CONFIG_FEDERATION, "enabled", CONFIG_BOOL, FEDERATION(enabled), .initial = "true",
	  .help = "talk to other servers at all" },
	{ CONFIG_FEDERATION, "security", CONFIG_WORD, FEDERATION(security),
	  .words = "certificate dialback none", .initial = "certificate",
	  .help = "what proves a domain: a certificate; or, where that proves nothing, dialback "
	  "(XEP-0220) behind TLS; or dialback even without TLS" },
	{ CONFIG_FEDERATION, "allow", CONFIG_DOMAINS, FEDERATION(allow),
	  .help = "domains to talk to, and no others; `*.example.net`: all within; empty: all" },
	{ CONFIG_FEDERATION, "block", CONFIG_DOMAINS, FEDERATION(block),
	  .help = "domains not to talk to, though they are allowed" },
	{ CONFIG_FEDERATION, "bidi", CONFIG_BOOL, FEDERATION(bidi), .initial = "true",
	  .help = "one stream for both directions, with servers that can (XEP-0288)" },
	{ CONFIG_FEDERATION, "ca_file", CONFIG_PATH, FEDERATION(ca_file), .initial = "",
	  .help = "PEM file of the authorities that servers' certificates are checked against, and "
	  "their revocation lists; empty: the system's" },
	{ CONFIG_FEDERATION, "dns_servers", CONFIG_SERVERS, FEDERATION(dns_servers), .restart = true,
	  .help = "where names are looked up, as `192.0.2.1` or `192.0.2.1@5353`; empty: where the "
	  "system does" },
	{ CONFIG_FEDERATION, "dns_anchor", CONFIG_TEXT, FEDERATION(dns_anchor), .initial = "",
	  .restart = true, .help = "file of the trust anchor of DNSSEC; empty: "
	  "`/usr/share/dns/root.key` where there is one; `none`: no DNSSEC" },
	{ CONFIG_FEDERATION, "dns_loopback", CONFIG_BOOL, FEDERATION(dns_loopback),
	  .initial = "false", .restart = true, .help = "go where names lead to addresses of this "
	  "machine; for tests, as the owner of any domain could then reach what listens here alone" },
	{ CONFIG_FEDERATION, "idle_seconds", CONFIG_NUMBER, FEDERATION(idle_seconds), 10, 86400,
	  .initial = "600", .help = "time without a stanza, after which a stream is closed" },
	{ CONFIG_FEDERATION, "connect_seconds", CONFIG_NUMBER, FEDERATION(connect_seconds), 1, 600,
	  .initial = "30", .help = "time from the first look-up to a stream that takes stanzas" },
	{ CONFIG_FEDERATION, "queue_bytes", CONFIG_BYTES, FEDERATION(queue_bytes), 64 * K, G,
	  .initial = "4M", .help = "stanzas that may wait for one remote domain" },
	{ CONFIG_FEDERATION, "queue_seconds", CONFIG_NUMBER, FEDERATION(queue_seconds), 1, 3600,
	  .initial = "60", .help = "time that they wait, before their senders get an error" },
	{ CONFIG_FEDERATION, "streams", CONFIG_NUMBER, FEDERATION(streams), 1, 1000, .initial = "8",
	  .help = "incoming streams of a remote domain to one of ours" },
	{ CONFIG_FEDERATION, "unacknowledged_bytes", CONFIG_BYTES, FEDERATION(unacknowledged_bytes),
	  64 * K, 64 * M, .initial = "4M", .help = "stanzas that a server has not acknowledged "
	  "(XEP-0198); more of them wait" },

	{ CONFIG_REMOTE, "security", CONFIG_WORD, REMOTE(security),
	  .words = "certificate dialback none",
	  .help = "as in federation, which also has the default" },
	{ CONFIG_REMOTE, "route", CONFIG_TEXT, REMOTE(route), .initial = "",
	  .help = "where its server is, as `name:port` or `192.0.2.1:5269`; empty: what DNS says" },
	{ CONFIG_REMOTE, "direct_tls", CONFIG_BOOL, REMOTE(direct_tls), .initial = "false",
	  .help = "with a route: TLS from the first byte (XEP-0368)" },
	{ CONFIG_REMOTE, "pins", CONFIG_PINS, REMOTE(pins),
	  .help = "SHA-256 of its public key, `sha256/` and base64; one has to fit, and no authority "
	  "is asked" },

	{ CONFIG_LISTENER, "type", CONFIG_WORD, LISTENER(kind),
	  .words = "c2s c2s_direct_tls component component_direct_tls s2s s2s_direct_tls",
	  .initial = "c2s", .restart = true,
	  .help = "clients with STARTTLS, or with TLS from the first byte (XEP-0368); components "
	  "without TLS, or with TLS from the first byte; servers with STARTTLS, or with TLS from the "
	  "first byte" },
	{ CONFIG_LISTENER, "address", CONFIG_TEXT, LISTENER(address), .restart = true,
	  .help = "numeric address; `*`: all of IPv4 and IPv6. Where not given, `*`, and 127.0.0.1 for "
	  "components" },
	{ CONFIG_LISTENER, "port", CONFIG_NUMBER, LISTENER(port), 0, UINT16_MAX, .restart = true,
	  .help = "where not given, 5222 for clients, 5223 with direct TLS, 5269 for servers, 5270 "
	  "with direct TLS, and 5347 for components; 0: any" },

	LIMIT(stanza_bytes_before_login, CONFIG_BYTES, 10000, M, .initial = "16K",
		.help = "largest stanza before login (RFC 6120 section 13.12)"),
	LIMIT(stanza_bytes, CONFIG_BYTES, 10000, M, .initial = "256K",
		.help = "largest stanza after login"),
	LIMIT(login_seconds, CONFIG_NUMBER, 1, 600, .initial = "30",
		.help = "time from the connection to the bound resource"),
	LIMIT(half_open_per_address, CONFIG_NUMBER, 1, 1000000, .initial = "200",
		.restart = true,
		.help = "connections before login from one address (IPv6: one /64)"),
	LIMIT(output_bytes, CONFIG_BYTES, 64 * K, G, .initial = "4M",
		.help = "bytes that may wait for a slow connection; it is closed when there are "
		"more"),
	LIMIT(sessions_per_account, CONFIG_NUMBER, 1, 1000, .initial = "20",
		.help = "resources that are online at the same time"),
	LIMIT(roster_items, CONFIG_NUMBER, 1, 100000, .initial = "2000",
		.help = "contacts of one account"),
	LIMIT(offline_messages, CONFIG_NUMBER, 1, 1000000, .initial = "1000",
		.restart = true, .help = "messages that may wait for one account (XEP-0160)"),
	LIMIT(archive_days, CONFIG_NUMBER, 0, 36500, .initial = "0", .restart = true,
		.help = "age at which archived messages are deleted; 0: never"),
	LIMIT(archive_messages, CONFIG_NUMBER, 0, 1000000000, .initial = "0", .restart = true,
		.help = "newest messages that an archive keeps, about; 0: all"),
	LIMIT(resume_seconds, CONFIG_NUMBER, 0, 86400, .initial = "600",
		.help = "time that a session waits for its client to come back (XEP-0198); 0: none"),
	LIMIT(unacknowledged_bytes, CONFIG_BYTES, 64 * K, 8 * M, .initial = "4M",
		.help = "stanzas that a client has not acknowledged (XEP-0198); its session ends when "
		"there are more"),
	LIMIT(held_bytes, CONFIG_BYTES, 0, 16 * M, .initial = "256K",
		.help = "presence and the like that an inactive client need not see now (XEP-0352); "
		"all is sent when there are more; 0: nothing is held"),
	LIMIT(blocklist_items, CONFIG_NUMBER, 1, 10000, .initial = "1000",
		.help = "addresses that one account blocks (XEP-0191)"),
	LIMIT(push_registrations, CONFIG_NUMBER, 0, 1000, .initial = "20",
		.help = "push services of one account (XEP-0357); 0: nothing is pushed"),
	LIMIT(vcard_bytes, CONFIG_BYTES, K, M, .initial = "128K",
		.help = "vCard of one account, its photo included (XEP-0054)"),
	LIMIT(private_bytes, CONFIG_BYTES, K, 16 * M, .initial = "1M",
		.help = "private XML storage of one account (XEP-0049)"),
	LIMIT(password_checks_per_second, CONFIG_NUMBER, 1, 100000, .initial = "200",
		.help = "checks of PLAIN and changes of passwords, of all connections together"),
	LIMIT(disk_reserve_bytes, CONFIG_BYTES, 0, 1024 * G, .initial = "64M",
		.restart = true,
		.help = "messages for offline users are refused when less is free on the disk"),
	LIMIT(room_occupants, CONFIG_NUMBER, 1, 100000, .initial = "5000",
		.help = "occupants of one room"),
	LIMIT(room_members, CONFIG_NUMBER, 1, 100000, .initial = "20000",
		.help = "affiliations of one room: owners, admins, members and outcasts together"),
	LIMIT(room_history, CONFIG_NUMBER, 0, 1000, .initial = "100",
		.help = "messages that who enters a room gets; a room may be configured for less"),
	LIMIT(room_stanzas_per_second, CONFIG_NUMBER, 0, 100000, .initial = "50",
		.help = "stanzas of one occupant to a room; 0: no bound"),
	LIMIT(account_nodes, CONFIG_NUMBER, 0, 1000000, .initial = "1000",
		.help = "nodes of one account (XEP-0163); 0: no bound"),
	LIMIT(account_node_items, CONFIG_NUMBER, 0, G, .initial = "10000",
		.help = "items of one node of an account; 0: no bound"),
	LIMIT(account_node_bytes, CONFIG_BYTES, 0, 1024 * G, .initial = "64M",
		.help = "items of all nodes of one account; 0: no bound"),
	LIMIT(account_node_subscriptions, CONFIG_NUMBER, 0, G, .initial = "1000",
		.help = "subscriptions to one node of an account; 0: no bound"),
	LIMIT(service_nodes, CONFIG_NUMBER, 0, G, .initial = "0",
		.help = "nodes of one service (XEP-0060); 0: no bound"),
	LIMIT(service_node_items, CONFIG_NUMBER, 0, G, .initial = "1000000",
		.help = "items of one node of a service; 0: no bound"),
	LIMIT(service_node_bytes, CONFIG_BYTES, 0, 1024 * G, .initial = "0",
		.help = "items of all nodes of one service; 0: no bound"),
	LIMIT(service_node_subscriptions, CONFIG_NUMBER, 0, G, .initial = "1000000",
		.help = "subscriptions to one node of a service; 0: no bound"),
	LIMIT(node_item_bytes, CONFIG_BYTES, K, 8 * M, .initial = "256K",
		.help = "payload of one item"),
	LIMIT(node_items_per_second, CONFIG_NUMBER, 0, 1000000, .initial = "100",
		.help = "items of one publisher to one node; 0: no bound"),
};
const size_t config_options_count = sizeof config_options / sizeof config_options[0];

const char *config_section_name(enum config_section s)
{
	static const char *const names[] = { "", "host", "component", "federation", "remote", "module",
		"listener", "limits" };

	BUG_ON(s > CONFIG_LIMITS);
	return names[s];
}

const char *config_listener_name(enum listener_kind kind)
{
	static const char *const names[] = { "c2s", "c2s_direct_tls", "component",
		"component_direct_tls", "s2s", "s2s_direct_tls" };

	BUG_ON(kind > LISTEN_S2S_DIRECT_TLS);
	return names[kind];
}

bool config_is_list(enum config_type type)
{
	return type >= CONFIG_JIDS;
}
