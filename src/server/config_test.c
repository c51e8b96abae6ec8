#include "server/config.h"
#include "server/config_read.h"

#include "base/bug.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define HOST "host example.org {}\n"
#define A32  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" /* base64 of 32 bytes */

/* Each text is wrong, and says so in these words and no others. */
static const struct {
	const char *name, *text, *errors;
} bad[] = {
	{ "empty file", "",
	  "c: there is no host; add one, such as host \"example.org\" { }\n" },
	{ "a word for a number", HOST "shards = many\n",
	  "c:2: shards is \"many\"; give a number from 0 to 256\n" },
	{ "a number over its range", HOST "\nshards = 257\n",
	  "c:3: shards is \"257\"; give a number from 0 to 256\n" },
	{ "a negative number", HOST "shards = -1",
	  "c:2: shards is \"-1\"; give a number from 0 to 256\n" },
	{ "a number that does not fit 64 bits", HOST "shards = 18446744073709551617",
	  "c:2: shards is \"18446744073709551617\"; give a number from 0 to 256\n" },
	{ "a number in hexadecimal", HOST "shards = 0x10",
	  "c:2: shards is \"0x10\"; give a number from 0 to 256\n" },
	{ "bytes that overflow with their unit",
	  HOST "limits { disk_reserve_bytes = 18446744073709551615K }",
	  "c:2: disk_reserve_bytes is \"18446744073709551615K\"; give a number of bytes from 0 to "
	  "1099511627776, or like 64K or 1M\n" },
	{ "bytes with a unit alone", HOST "limits { disk_reserve_bytes = K }",
	  "c:2: disk_reserve_bytes is \"K\"; give a number of bytes from 0 to 1099511627776, or "
	  "like 64K or 1M\n" },
	{ "bytes with an unknown unit", HOST "limits { stanza_bytes = 64k }",
	  "c:2: stanza_bytes is \"64k\"; give a number of bytes from 10000 to 1048576, or like 64K "
	  "or 1M\n" },
	{ "less than RFC 6120 section 13.12 asks for", HOST "limits { stanza_bytes = 9999 }",
	  "c:2: stanza_bytes is \"9999\"; give a number of bytes from 10000 to 1048576, or like "
	  "64K or 1M\n" },
	{ "no bool", HOST "tls_required = maybe",
	  "c:2: tls_required is \"maybe\"; give true or false\n" },
	{ "no word of the list", HOST "log_level = verbose",
	  "c:2: log_level is \"verbose\"; give one of: debug info warn error\n" },
	{ "half a word of the list", HOST "log_level = inf",
	  "c:2: log_level is \"inf\"; give one of: debug info warn error\n" },
	{ "a long value is cut between two characters", HOST
	  "log_level = \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xa4\xc3\xa4\"",
	  "c:2: log_level is \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\"; "
	  "give one of: debug info warn error\n" },
	{ "all faults are told, not the first", HOST "shards = a\nlog_format = b\n",
	  "c:2: shards is \"a\"; give a number from 0 to 256\n"
	  "c:3: log_format is \"b\"; give one of: text json\n" },
	{ "an option twice", HOST "shards = 1\nshards = 2\n",
	  "c:3: shards stands on line 2 too; remove one of them\n" },

	{ "a typing error", HOST "shrads = 2\n",
	  "c:2: no option is named \"shrads\"; do you mean shards?\n" },
	{ "a typing error in a section", "host a.example { regisration = true }\n",
	  "c:1: no option is named \"regisration\"; do you mean registration?\n" },
	{ "a typing error in the name of a section", HOST "limts {\n stanza_bytes = 64K\n}\n",
	  "c:2: no option is named \"limts\"; do you mean limits?\n" },
	{ "reading goes on behind an unknown name", HOST "shrads = 2\nlog_level = x\n",
	  "c:2: no option is named \"shrads\"; do you mean shards?\n"
	  "c:3: log_level is \"x\"; give one of: debug info warn error\n" },
	{ "an unknown name twice is told once", HOST "qqqqqqqq = 2\nqqqqqqqq = 3\n",
	  "c:2: no option is named \"qqqqqqqq\"; stentor.conf(5) lists them all\n" },
	{ "an option that belongs into a section", HOST "registration = true\n",
	  "c:2: registration does not belong here; move it into host { ... }\n" },
	{ "an option that belongs into no section", "host a.example { shards = 2 }\n",
	  "c:1: shards does not belong into a section; move it out\n" },

	{ "no value", HOST "shards\n", "c:3: premature end of file; write NAME = VALUE\n" },
	{ "no equal sign", HOST "shards 4\n",
	  "c:2: missing equal sign after option 'shards'; write NAME = VALUE\n" },
	{ "a section without a title", "host { }\n",
	  "c:1: missing title for section 'host'; write what it is for, like host \"DOMAIN\" { ... }\n" },
	{ "a section without braces", "host a.example\nshards = 1\n",
	  "c:2: missing opening brace for section 'host'; write SECTION { ... }\n" },
	{ "the same host twice", HOST HOST,
	  "c:2: found duplicate title 'example.org'; one section for each is enough\n" },
	{ "the same host in another case", HOST "\nhost EXAMPLE.org {}\n",
	  "c:3: host \"example.org\" stands twice; one section for each host is enough\n" },
	{ "no domain", "host \"a b\" {}\n",
	  "c:1: host is \"a b\"; give a domain name, such as example.org\n" },
	{ "an empty domain", "host \"\" {}\n",
	  "c:1: host is \"\"; give a domain name, such as example.org\n" },
	/* Components (XEP-0114). */
	{ "a component without a secret", HOST "component c.example {\n queue_seconds = 1\n}\n",
	  "c:2: component \"c.example\" has no secret; give a long one that nobody can guess\n" },
	{ "an empty secret", HOST "component c.example {\n secret = \"\"\n}\n",
	  "c:3: component \"c.example\" has no secret; give a long one that nobody can guess\n" },
	{ "a component that is a host", HOST "component EXAMPLE.org { secret = x }\n",
	  "c:2: component \"EXAMPLE.org\" is a host; give each a domain of its own\n" },
	{ "a component where rooms are", "component rooms.example.org { secret = x }\n" HOST,
	  "c:1: component \"rooms.example.org\" is where a host has its rooms; give each a domain of "
	  "its own\n" },
	{ "a component twice", HOST "component c.example { secret = x }\ncomponent C.example { secret = x }\n",
	  "c:3: component \"C.example\" stands twice; give each a domain of its own\n" },
	{ "a component of many domains twice", HOST "component \"*.c.example\" { secret = x }\n"
	  "component \"*.C.example\" { secret = x }\n",
	  "c:3: component \"*.C.example\" stands twice; give each a domain of its own\n" },
	{ "a component of all domains", HOST "component \"*\" { secret = x }\n",
	  "c:2: component is \"*\"; give a domain name, such as irc.example.org, or "
	  "*.game.example.org for all within that one\n" },
	{ "a component with a star within", HOST "component \"a.*.example\" { secret = x }\n",
	  "c:2: component is \"a.*.example\"; give a domain name, such as irc.example.org, or "
	  "*.game.example.org for all within that one\n" },
	{ "an option of a host", HOST "component c.example {\nsecret = x\nregistration = yes }\n",
	  "c:4: registration does not belong here; move it into host { ... }\n" },
	{ "a component that manages no host", HOST
	  "component c.example { secret = x manages = { x.example } }\n",
	  "c:2: manages has \"x.example\", which is no host; name hosts of this file\n" },
	{ "a host managed twice", HOST
	  "component c.example { secret = x manages = { example.org, EXAMPLE.org } }\n",
	  "c:2: manages has \"example.org\" twice; remove one\n" },
	{ "the namespace of delegations", HOST
	  "component c.example { secret = x delegates = { \"urn:xmpp:delegation:2\" } }\n",
	  "c:2: delegates has \"urn:xmpp:delegation:2\", which is the namespace that delegates others, "
	  "and can be delegated to nobody; give each namespace once, and names of attributes behind "
	  "it\n" },
	{ "a namespace delegated twice", HOST
	  "component c.example { secret = x delegates = { a, \"a b\" } }\n",
	  "c:2: delegates has \"a b\", which is delegated already; give each namespace once, and names "
	  "of attributes behind it\n" },
	{ "a namespace delegated to two", HOST "component c.example { secret = x delegates = { a } }\n"
	  "component d.example { secret = x delegates = { a } }\n",
	  "c:3: delegates has \"a\", which is delegated already; give each namespace once, and names of "
	  "attributes behind it\n" },
	{ "an empty namespace", HOST "component c.example { secret = x delegates = { \"\" } }\n",
	  "c:2: delegates has \"\", which has no namespace; give each namespace once, and names of "
	  "attributes behind it\n" },
	{ "requests of no type", HOST "component c.example { secret = x iq = { \"a none\" } }\n",
	  "c:2: iq has \"a none\", which is no namespace with get, set or both behind it; give such as "
	  "\"http://jabber.org/protocol/pubsub both\"\n" },
	{ "requests twice", HOST
	  "component c.example { secret = x iq = { \"a get\", \"a set\" } }\n",
	  "c:2: iq has \"a set\", which has a namespace that stands there already; give such as "
	  "\"http://jabber.org/protocol/pubsub both\"\n" },
	{ "presence of rosters that may not be read", HOST
	  "component c.example { secret = x roster = set presence = roster }\n",
	  "c:2: presence is \"roster\" without the right to read rosters; give roster = get, or both\n" },
	{ "many domains with a grant", HOST
	  "component \"*.c.example\" { secret = x message = outgoing }\n",
	  "c:2: component \"*.c.example\" has many domains, and cannot be granted anything; name one "
	  "domain\n" },
	{ "no connection", HOST "component c.example { secret = x connections = 0 }\n",
	  "c:2: connections is \"0\"; give a number from 1 to 64\n" },
	/* Modules. */
	{ "a module without a file", HOST "module \"\" {}\n",
	  "c:2: module is \"\"; name a file, such as /usr/lib/stentor/hello.so\n" },
	{ "a module twice", HOST "module a.so {}\nmodule a.so {}\n",
	  "c:3: found duplicate title 'a.so'; one section for each is enough\n" },
	{ "an option of a module twice", HOST "module a.so {\n x = 1\n y = 2\n x = 3\n}\n",
	  "c:5: x stands on line 3 too; remove one of them\n" },
	{ "an option of a module that is a list", HOST "module a.so { x = { 1, 2 } }\n",
	  "c:2: unexpected token '{'; write NAME = VALUE, or SECTION { ... }\n" },
	{ "an option of a module without its value", HOST "module a.so {\n x\n}\n",
	  "c:4: missing equal sign after option 'x'; write NAME = VALUE\n" },
	{ "what is unknown behind a module is told", HOST "module a.so { x = 1 }\nshrads = 2\n",
	  "c:3: no option is named \"shrads\"; do you mean shards?\n" },
	{ "an option of a module that stands elsewhere", HOST "module a.so { mask = 1 }\nmask = 2\n",
	  "c:3: no option is named \"mask\"; stentor.conf(5) lists them all\n" },
	{ "a list", HOST "shards = { 1, 2 }\n",
	  "c:2: \",\" stands outside quotes; put the value in double quotes\n" },
	{ "a list where one value is wanted", "host a.example { registration = { true, false } }\n",
	  "c:1: unexpected token '{'; write NAME = VALUE, or SECTION { ... }\n" },
	{ "a list of things that are no addresses of somebody",
	  "host a.example {\n admins = { \"juliet@a.example\",\n\"a b@c\", a.example,\n"
	  " \"juliet@a.example/balcony\" }\n}\n",
	  "c:3: admins has \"a b@c\"; give at most 100 addresses, such as { "
	  "\"juliet@example.org\", \"romeo@example.org\" }\n"
	  "c:3: admins has \"a.example\"; give at most 100 addresses, such as { "
	  "\"juliet@example.org\", \"romeo@example.org\" }\n"
	  "c:4: admins has \"juliet@a.example/balcony\"; give at most 100 addresses, such as { "
	  "\"juliet@example.org\", \"romeo@example.org\" }\n" },
	{ "two lists of one name", "host a.example {\nadmins = { \"a@b\" }\nadmins = { \"c@d\" }\n}\n",
	  "c:3: admins stands on line 2 too; remove one of them\n" },
	{ "a list without its end", "host a.example {\nadmins = { \"a@b\"\n}\n",
	  "c:2: the { here is never closed; add a }\n" },
	{ "a list without its commas", "host a.example {\nadmins = { \"a@b\" \"c@d\" }\n}\n",
	  "c:2: unexpected token 'c@d'; write NAME = VALUE, or SECTION { ... }\n" },
	{ "a comma outside a list", "host a.example { registration = true, }\n",
	  "c:1: \",\" stands outside quotes; put the value in double quotes\n" },

	{ "a section that is not closed", HOST "limits {\n stanza_bytes = 64K\n",
	  "c:2: the { here is never closed; add a }\n" },
	{ "a brace too many", HOST "}\n", "c:2: this } closes nothing; remove it\n" },
	{ "an open quote", HOST "data_dir = \"/srv\n",
	  "c:2: a quote is not closed; a value ends on its line\n" },
	{ "a quote that the end of the file leaves open", HOST "data_dir = \"",
	  "c:2: a quote is not closed; a value ends on its line\n" },
	{ "an escaped quote does not close", HOST "data_dir = \"/srv\\\"\n",
	  "c:2: a quote is not closed; a value ends on its line\n" },
	{ "an unknown escape", HOST "data_dir = \"C:\\new\"\n",
	  "c:2: a \\ in quotes must stand before \" or \\; write \\\\ for a single one\n" },
	{ "the environment is not looked at", HOST "data_dir = \"${HOME}\"\n",
	  "c:2: ${...} is not expanded; write the value itself\n" },
	{ "an asterisk without quotes", HOST "listener { address = * }\n",
	  "c:2: \"*\" stands outside quotes; put the value in double quotes\n" },
	{ "a comment of another language", HOST "// shards\n",
	  "c:2: // stands outside quotes; comments begin with #\n" },
	{ "a control byte", HOST "data_dir = \"\x01\"\n",
	  "c:2: a control byte (0x01) in a value; remove it\n" },
	{ "letters of the world without quotes", "host b\xc3\xbc" "cher.example {}\n",
	  "c:1: byte 0xc3 stands outside quotes; put the value in double quotes\n" },
	{ "not UTF-8", HOST "data_dir = \"\xff\"\n",
	  "c:2: a value is not UTF-8; save the file as UTF-8\n" },
	{ "a name in quotes that means an option of a section", HOST "\"host|registration\" = true\n",
	  "c:2: registration stands in quotes; write a name without\n" },
	{ "an empty name", HOST "\"\" = true\n", "c:2: no option has an empty name; remove the \"\"\n" },
	{ "one fault a line of the screening", HOST "@ @\n@\n",
	  "c:2: \"@\" stands outside quotes; put the value in double quotes\n"
	  "c:3: \"@\" stands outside quotes; put the value in double quotes\n" },

	{ "a name for an address", HOST "listener { address = localhost }\n",
	  "c:2: address is \"localhost\"; give a numeric one, such as 192.0.2.1 or "
	  "\"2001:db8::1\", or \"*\" for all\n" },
	{ "the same listener twice", HOST "listener { }\nlistener { port = 5222 }\n",
	  "c:3: address * and port 5222 have a listener already; remove one of them\n" },
	{ "a port over 65535", HOST "listener { port = 65536 }\n",
	  "c:2: port is \"65536\"; give a number from 0 to 65535\n" },
	{ "a certificate without a key", "host a.example { certificate = /x }\n",
	  "c:1: host \"a.example\" has no key; give both certificate and key, or neither\n" },
	{ "a key without a certificate", "host a.example {\n key = /x\n}\n",
	  "c:2: host \"a.example\" has no certificate; give both certificate and key, or "
	  "neither\n" },
	{ "an empty certificate", "host a.example { certificate = \"\" key = \"\" }\n",
	  "c:1: host \"a.example\" has an empty path; give both certificate and key, or "
	  "neither\n" },
	{ "PLAIN in clear needs a clear connection", HOST "plain_without_tls = true\n",
	  "c:2: plain_without_tls needs tls_required = false; remove one of them\n" },
	{ "limits twice", HOST "limits {}\nlimits {}\n",
	  "c:3: limits stands on line 2 too; make one section of them\n" },
	{ "less after login than before", HOST
	  "limits { stanza_bytes = 10000 stanza_bytes_before_login = 20000 }\n",
	  "c:2: stanza_bytes (10000) is less than stanza_bytes_before_login (20000); turn them "
	  "round\n" },
	{ "an output that holds no two stanzas", HOST
	  "limits { stanza_bytes = 1M output_bytes = 1M }\n",
	  "c:2: output_bytes (1048576) does not hold two of stanza_bytes (1048576); raise the one "
	  "or lower the other\n" },
	{ "rooms at no domain", "host a.example {\n rooms = \"a b\"\n}\n",
	  "c:2: rooms is \"a b\"; give a domain name, such as rooms.example.org, or \"\" for none\n" },
	{ "rooms at the host itself", "host a.example {\n rooms = A.example\n}\n",
	  "c:2: the rooms of host \"a.example\" are at \"a.example\", which is a host; give rooms "
	  "another domain, or \"\" for none\n" },
	{ "rooms at an earlier host", "host rooms.a.example { rooms = \"\" }\nhost a.example {}\n",
	  "c:2: the rooms of host \"a.example\" are at \"rooms.a.example\", which is a host; give "
	  "rooms another domain, or \"\" for none\n" },
	{ "a host at earlier rooms", "host a.example {}\nhost rooms.a.example {}\n",
	  "c:2: host \"rooms.a.example\" is where host \"a.example\" has its rooms; give rooms "
	  "another domain there, or \"\" for none\n" },
	{ "rooms of two hosts in one place",
	  "host a.example { rooms = rooms.b.example }\nhost b.example {\n}\n"
	  "host c.example {\n rooms = rooms.b.example }\n",
	  "c:2: the rooms of host \"b.example\" are at \"rooms.b.example\", where the rooms of host "
	  "\"a.example\" are; give rooms another domain, or \"\" for none\n"
	  "c:5: the rooms of host \"c.example\" are at \"rooms.b.example\", where the rooms of host "
	  "\"a.example\" are; give rooms another domain, or \"\" for none\n"
	  "c:5: the rooms of host \"c.example\" are at \"rooms.b.example\", where the rooms of host "
	  "\"b.example\" are; give rooms another domain, or \"\" for none\n" },
	{ "nodes where the rooms are", "host a.example {\n rooms = x.example pubsub = x.example\n}\n",
	  "c:2: the nodes of host \"a.example\" are at \"x.example\", where the rooms of host "
	  "\"a.example\" are; give pubsub another domain, or \"\" for none\n" },
	{ "nodes where another host has rooms",
	  "host a.example {}\nhost b.example {\n pubsub = rooms.a.example\n}\n",
	  "c:3: the nodes of host \"b.example\" are at \"rooms.a.example\", where the rooms of host "
	  "\"a.example\" are; give pubsub another domain, or \"\" for none\n" },
	{ "a host at earlier nodes", "host a.example {}\nhost pubsub.a.example {}\n",
	  "c:2: host \"pubsub.a.example\" is where host \"a.example\" has its nodes; give pubsub "
	  "another domain there, or \"\" for none\n" },
	{ "nodes at no domain", "host a.example {\n pubsub = \"a b\"\n}\n",
	  "c:2: pubsub is \"a b\"; give a domain name, such as pubsub.example.org, or \"\" for "
	  "none\n" },
	{ "a component where nodes are", "component pubsub.example.org { secret = x }\n" HOST,
	  "c:1: component \"pubsub.example.org\" is where a host has its nodes; give each a domain of "
	  "its own\n" },
	{ "nobody who makes nodes", "host a.example { node_makers = nobody }\n",
	  "c:1: node_makers is \"nobody\"; give one of: anybody accounts admins\n" },
	{ "nobody who makes rooms", "host a.example { room_makers = nobody }\n",
	  "c:1: room_makers is \"nobody\"; give one of: anybody accounts admins\n" },
	{ "no domain to allow", HOST "federation { allow = { \"a b\" } }\n",
	  "c:2: allow has \"a b\"; give at most 1000 domains, such as { \"example.net\", "
	  "\"*.example.net\" }\n" },
	{ "a star inside", HOST "federation { block = { \"a.*.example\" } }\n",
	  "c:2: block has \"a.*.example\"; give at most 1000 domains, such as { \"example.net\", "
	  "\"*.example.net\" }\n" },
	{ "an address to block", HOST "federation { block = { \"a@b.example\" } }\n",
	  "c:2: block has \"a@b.example\"; give at most 1000 domains, such as { \"example.net\", "
	  "\"*.example.net\" }\n" },
	{ "no such security", HOST "federation { security = tls }\n",
	  "c:2: security is \"tls\"; give one of: certificate dialback none\n" },
	{ "names for servers of DNS", HOST "federation {\n dns_servers = { localhost } }\n",
	  "c:3: dns_servers has \"localhost\"; give at most 8 numeric addresses, such as "
	  "{ \"192.0.2.1\", \"2001:db8::1@5353\" }\n" },
	{ "a server of DNS with a colon", HOST "federation { dns_servers = { \"192.0.2.1:53\" } }\n",
	  "c:2: dns_servers has \"192.0.2.1:53\"; give at most 8 numeric addresses, such as "
	  "{ \"192.0.2.1\", \"2001:db8::1@5353\" }\n" },
	{ "a server of DNS without a port", HOST "federation { dns_servers = { \"192.0.2.1@0\" } }\n",
	  "c:2: dns_servers has \"192.0.2.1@0\"; give at most 8 numeric addresses, such as "
	  "{ \"192.0.2.1\", \"2001:db8::1@5353\" }\n" },
	{ "too many servers of DNS", HOST "federation { dns_servers = { 192.0.2.1, 192.0.2.2, "
	  "192.0.2.3, 192.0.2.4, 192.0.2.5, 192.0.2.6, 192.0.2.7, 192.0.2.8, 192.0.2.9 } }\n",
	  "c:2: dns_servers has \"192.0.2.9\"; give at most 8 numeric addresses, such as "
	  "{ \"192.0.2.1\", \"2001:db8::1@5353\" }\n" },
	{ "a queue that holds no stanza", HOST "limits { stanza_bytes = 256K }\n"
	  "federation { queue_bytes = 64K }\n",
	  "c:3: queue_bytes (65536) is less than stanza_bytes (262144); raise the one or lower the "
	  "other\n" },
	{ "federation twice", HOST "federation {}\nfederation {}\n",
	  "c:3: federation stands on line 2 too; make one section of them\n" },
	{ "a remote that is no domain", HOST "remote \"a b\" {}\n",
	  "c:2: remote is \"a b\"; give a domain name, such as example.net, or *.example.net for all "
	  "within that one\n" },
	{ "a remote twice", HOST "remote b.example {}\nremote B.example {}\n",
	  "c:3: remote \"B.example\" stands twice; one section for each is enough\n" },
	{ "a remote that is a host", HOST "remote example.org {}\n",
	  "c:2: remote \"example.org\" is served here; remove one of them\n" },
	{ "a remote that is a component", HOST "remote c.example {}\ncomponent c.example "
	  "{ secret = x }\n",
	  "c:2: remote \"c.example\" is served here; remove one of them\n" },
	{ "a remote without a name", HOST "remote {}\n",
	  "c:2: missing title for section 'remote'; write what it is for, like host \"DOMAIN\" { ... }\n" },
	{ "a route without a port", HOST "remote b.example { route = \"xmpp.b.example\" }\n",
	  "c:2: route is \"xmpp.b.example\"; give a host and its port, such as "
	  "xmpp.example.net:5269 or 192.0.2.1:5269\n" },
	{ "a route to port 0", HOST "remote b.example { route = \"192.0.2.1:0\" }\n",
	  "c:2: route is \"192.0.2.1:0\"; give a host and its port, such as xmpp.example.net:5269 "
	  "or 192.0.2.1:5269\n" },
	{ "a route to a port of no number", HOST "remote b.example { route = \"b.example:65536\" }\n",
	  "c:2: route is \"b.example:65536\"; give a host and its port, such as "
	  "xmpp.example.net:5269 or 192.0.2.1:5269\n" },
	{ "a route to nowhere", HOST "remote b.example { route = \":5269\" }\n",
	  "c:2: route is \":5269\"; give a host and its port, such as xmpp.example.net:5269 or "
	  "192.0.2.1:5269\n" },
	{ "direct TLS to wherever", HOST "remote b.example {\n direct_tls = true }\n",
	  "c:3: remote \"b.example\" has direct_tls and no route; give both, as DNS says it by "
	  "itself\n" },
	{ "a pin of another hash", HOST "remote b.example { pins = { \"sha512/" A32 "\" } }\n",
	  "c:2: pins has \"sha512/" A32 "\"; give at most 8 like \"sha256/\" and base64 of the 32 "
	  "bytes\n" },
	{ "a pin in hexadecimal", HOST "remote b.example { pins = { \"sha256/00ff\" } }\n",
	  "c:2: pins has \"sha256/00ff\"; give at most 8 like \"sha256/\" and base64 of the 32 "
	  "bytes\n" },
	{ "a pin that is no base64", HOST "remote b.example { pins = { \"sha256/!\" } }\n",
	  "c:2: pins has \"sha256/!\"; give at most 8 like \"sha256/\" and base64 of the 32 bytes\n" },
	{ "pins without TLS", HOST "remote b.example {\n security = none\n pins = { \"sha256/" A32
	  "\" } }\n",
	  "c:4: remote \"b.example\" has pins, and security = none would do without a certificate; "
	  "remove one of them\n" },
	{ "an empty data_dir", HOST "data_dir = \"\"\n", "c:2: data_dir is empty; name a folder\n" },
};

static void wrong_texts_say_what_is_wrong(void **state)
{
	unsigned failed = 0;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct arena a;
		struct str errors;
		struct config *c;

		arena_init(&a, 4096);
		c = config_parse(str_c(bad[i].text), "c", &a, &errors);
		if (c || !str_eq(errors, str_c(bad[i].errors))) {
			print_error("%s: \"%.*s\"\n", bad[i].name, STR_FMT(errors));
			failed++;
		}
		config_unref(&c);
		arena_clear(&a);
	}
	assert_int_equal(failed, 0);
}

static struct config *parse(const char *text)
{
	struct arena a;
	struct str errors;
	struct config *c;

	arena_init(&a, 4096);
	c = config_parse(str_c(text), "etc/stentor.conf", &a, &errors);
	if (!c)
		fail_msg("%.*s", STR_FMT(errors));
	arena_clear(&a);
	return c;
}

#define assert_str(s, z) assert_true(str_eq(s, str_c(z)))

/* The ports of RFC 6120 section 14.7 and XEP-0368, TLS required, no registration. */
static void a_host_is_enough(void **state)
{
	struct config *c = parse(HOST);

	assert_int_equal(c->n_hosts, 1);
	assert_str(c->hosts[0].domain, "example.org");
	assert_true(c->hosts[0].self_signed);
	assert_str(c->hosts[0].cert_file, "/var/lib/stentor/example.org.crt");
	assert_str(c->hosts[0].key_file, "/var/lib/stentor/example.org.key");
	assert_false(c->hosts[0].registration);
	assert_false(c->hosts[0].anonymous);
	assert_true(c->hosts[0].archive);
	assert_true(c->hosts[0].push_count);
	assert_false(c->hosts[0].push_sender);
	assert_false(c->hosts[0].push_body);
	assert_str(c->hosts[0].rooms, "rooms.example.org");
	assert_str(c->hosts[0].pubsub, "pubsub.example.org");
	assert_int_equal(c->hosts[0].node_makers, BY_ACCOUNTS);
	assert_int_equal(c->hosts[0].room_makers, BY_ACCOUNTS);
	assert_int_equal(c->hosts[0].admins.n, 0);
	assert_true(c->hosts[0].federation);
	assert_true(c->federation.enabled);
	assert_true(c->federation.bidi);
	assert_int_equal(c->federation.security, PEERS_BY_CERTIFICATE);
	assert_int_equal(c->federation.allow.n + c->federation.block.n, 0);
	assert_int_equal(c->federation.dns_servers.n + c->n_remotes, 0);
	assert_false(c->federation.dns_loopback);
	assert_int_equal(c->n_listeners, 4);
	assert_int_equal(c->listeners[2].kind, LISTEN_S2S);
	assert_str(c->listeners[2].address, "*");
	assert_int_equal(c->listeners[2].port, 5269);
	assert_int_equal(c->listeners[3].kind, LISTEN_S2S_DIRECT_TLS);
	assert_int_equal(c->listeners[3].port, 5270);
	assert_int_equal(c->listeners[0].kind, LISTEN_C2S);
	assert_str(c->listeners[0].address, "*");
	assert_int_equal(c->listeners[0].port, 5222);
	assert_int_equal(c->listeners[1].kind, LISTEN_C2S_DIRECT_TLS);
	assert_int_equal(c->listeners[1].port, 5223);
	assert_str(c->admin_socket, "/var/lib/stentor/stentord.sock");
	assert_int_equal(c->shards, 0);
	assert_int_equal(c->log_level, LOG_INFO);
	assert_int_equal(c->log_format, LOG_TEXT);
	assert_true(c->tls_required);
	assert_false(c->plain_without_tls);
	assert_true(c->search);
	assert_int_equal(c->limits.stanza_bytes, 262144);
	assert_int_equal(c->limits.offline_messages, 1000);
	config_unref(&c);
	assert_null(c);
}

static void every_option_arrives(void **state)
{
	struct config *c = parse("# the first line is a comment\r\n"
		"module lib/a.so {\n\tshards = many # its own\n\tx = \"b \\\"c\\\"\" }\n"
		"module /b.so {}\n"
		"data_dir = \"a \\\"b\\\" \\\\ c\" # behind a value\n"
		"user=stentor shards = 3 admin_socket = /run/s pid_file = p\n"
		"log_level = debug\nlog_format = json\ntls_required = no\n"
		"plain_without_tls = on\nclient_ca_file = ca.pem\nsearch = off\n"
		"host \"B\xc3\xbc" "cher.Example\" {\n"
		"\tcertificate = tls/b.pem\n\tkey = /k.pem registration = yes anonymous = true archive = no scram = sha1\n"
		"\tfederation = no push_count = no push_sender = yes push_body = yes resume_location = \"b.example:5223\"\n"
		"\trooms = \"Talk.B\xc3\xbc" "cher.example\" room_makers = admins\n"
		"\tadmins = {\n \"Juliet@b\xc3\xbc" "cher.example\", # the first\n\"r@other.example\" } }\n"
		"host \"[::1]\" {}\n"
		"listener { type = c2s_direct_tls address = \"::1\" }\n"
		"listener { address = 127.0.0.1 port = 0 }\n"
		"listener { address = 127.0.0.1 port = 0 }\n"
		"listener { type = component }\n"
		"listener { type = component_direct_tls address = \"*\" port = 9 }\n"
		"listener { type = s2s }\n"
		"listener { type = s2s_direct_tls address = \"::1\" }\n"
		"component \"Irc.B\xc3\xbc" "cher.example\" {\n\tsecret = \"s e\" connections = 2\n"
		"\tqueue_bytes = 70K queue_seconds = 24 listed = no\n"
		"\tmanages = { \"B\xc3\xbc" "cher.example\", \"[::1]\" } delegates = { \"urn:x a b\" }\n"
		"\troster = both roster_push = no message = outgoing presence = roster\n"
		"\tiq = { \"urn:y get\", \"urn:z both\" } }\n"
		"component \"*.Game.example\" { secret = t }\n"
		"limits { stanza_bytes_before_login = 12K stanza_bytes = 1M login_seconds = 5\n"
		"half_open_per_address = 7 output_bytes = 8M sessions_per_account = 9\n"
		"roster_items = 10 offline_messages = 11 password_checks_per_second = 12\n"
		"archive_days = 15 archive_messages = 16 resume_seconds = 17 "
		"unacknowledged_bytes = 128K held_bytes = 18K vcard_bytes = 13K private_bytes = 14K\n"
		"blocklist_items = 15 push_registrations = 19\n"
		"room_occupants = 20 room_members = 21 room_history = 22 room_stanzas_per_second = 23\n"
		"disk_reserve_bytes = 5G }#");

	assert_str(c->data_dir, "etc/a \"b\" \\ c");
	assert_str(c->user, "stentor");
	assert_int_equal(c->shards, 3);
	assert_str(c->admin_socket, "/run/s");
	assert_str(c->pid_file, "etc/p");
	assert_int_equal(c->log_level, LOG_DEBUG);
	assert_int_equal(c->log_format, LOG_JSON);
	assert_false(c->tls_required);
	assert_true(c->plain_without_tls);
	assert_false(c->search);
	assert_str(c->client_ca_file, "etc/ca.pem");
	assert_int_equal(c->n_hosts, 2);
	assert_str(c->hosts[0].domain, "b\xc3\xbc" "cher.example");
	assert_str(c->hosts[0].ascii, "xn--bcher-kva.example");
	assert_false(c->hosts[0].self_signed);
	assert_str(c->hosts[0].cert_file, "etc/tls/b.pem");
	assert_str(c->hosts[0].key_file, "/k.pem");
	assert_true(c->hosts[0].registration);
	assert_true(c->hosts[0].anonymous);
	assert_false(c->hosts[0].archive);
	assert_false(c->hosts[0].push_count);
	assert_true(c->hosts[0].push_sender);
	assert_true(c->hosts[0].push_body);
	assert_false(c->hosts[1].push_sender);
	assert_int_equal(c->hosts[0].scram, CONFIG_SCRAM_SHA1);
	assert_str(c->hosts[0].resume_location, "b.example:5223");
	assert_str(c->hosts[1].resume_location, "");
	assert_int_equal(c->hosts[1].scram, CONFIG_SCRAM_ALL);
	assert_str(c->hosts[1].domain, "[::1]");
	assert_str(c->hosts[1].ascii, "::1");
	assert_str(c->hosts[0].rooms, "talk.b\xc3\xbc" "cher.example");
	assert_int_equal(c->hosts[0].room_makers, BY_ADMINS);
	assert_int_equal(c->hosts[0].admins.n, 2);
	assert_str(jid_str(c->hosts[0].admins.jids[0]), "juliet@b\xc3\xbc" "cher.example");
	assert_str(jid_str(c->hosts[0].admins.jids[1]), "r@other.example");
	assert_str(c->hosts[1].rooms, ""); /* rooms.[::1] is no domain */
	assert_int_equal(c->n_components, 2);
	assert_str(c->components[0].domain, "irc.b\xc3\xbc" "cher.example");
	assert_str(c->components[0].secret, "s e");
	assert_int_equal(c->components[0].connections, 2);
	assert_int_equal(c->components[0].queue_bytes, 70 << 10);
	assert_int_equal(c->components[0].queue_seconds, 24);
	assert_false(c->components[0].listed);
	assert_int_equal(c->components[0].manages.n, 2);
	assert_str(c->components[0].manages.texts[0], "b\xc3\xbc" "cher.example");
	assert_str(c->components[0].manages.texts[1], "[::1]");
	assert_int_equal(c->components[0].delegates.n, 1);
	assert_str(c->components[0].delegates.texts[0], "urn:x a b");
	assert_int_equal(c->components[0].roster, CONFIG_GRANT_BOTH);
	assert_false(c->components[0].roster_push);
	assert_true(c->components[0].message);
	assert_int_equal(c->components[0].presence, GRANT_ROSTER_PRESENCE);
	assert_int_equal(c->components[0].iq.n, 2);
	assert_str(c->components[0].iq.texts[1], "urn:z both");
	assert_int_equal(c->components[1].manages.n, 0);
	assert_true(c->components[1].roster_push);
	assert_str(c->components[1].domain, "*.game.example");
	assert_int_equal(c->n_modules, 2);
	assert_str(c->modules[0].path, "etc/lib/a.so");
	assert_int_equal(c->modules[0].line, 2);
	assert_int_equal(c->modules[0].n_options, 2);
	assert_str(c->modules[0].options[0].name, "shards");
	assert_str(c->modules[0].options[0].value, "many");
	assert_str(c->modules[0].options[1].name, "x");
	assert_str(c->modules[0].options[1].value, "b \"c\"");
	assert_int_equal(c->modules[0].options[1].line, 4);
	assert_str(c->modules[1].path, "/b.so");
	assert_int_equal(c->modules[1].n_options, 0);
	assert_int_equal(c->components[1].connections, 1);
	assert_int_equal(c->components[1].queue_bytes, 1 << 20);
	assert_int_equal(c->components[1].queue_seconds, 30);
	assert_true(c->components[1].listed);
	assert_int_equal(c->n_listeners, 7);
	assert_int_equal(c->listeners[3].kind, LISTEN_COMPONENT);
	assert_str(c->listeners[3].address, "127.0.0.1");
	assert_int_equal(c->listeners[3].port, 5347);
	assert_int_equal(c->listeners[4].kind, LISTEN_COMPONENT_DIRECT_TLS);
	assert_str(c->listeners[4].address, "*");
	assert_int_equal(c->listeners[4].port, 9);
	assert_int_equal(c->listeners[5].kind, LISTEN_S2S);
	assert_str(c->listeners[5].address, "*");
	assert_int_equal(c->listeners[5].port, 5269);
	assert_int_equal(c->listeners[6].kind, LISTEN_S2S_DIRECT_TLS);
	assert_str(c->listeners[6].address, "::1");
	assert_int_equal(c->listeners[6].port, 5270);
	assert_int_equal(c->listeners[0].kind, LISTEN_C2S_DIRECT_TLS);
	assert_str(c->listeners[0].address, "::1");
	assert_int_equal(c->listeners[0].port, 5223);
	assert_int_equal(c->listeners[1].port, 0);
	assert_int_equal(c->limits.stanza_bytes_before_login, 12288);
	assert_int_equal(c->limits.stanza_bytes, 1048576);
	assert_int_equal(c->limits.login_seconds, 5);
	assert_int_equal(c->limits.half_open_per_address, 7);
	assert_int_equal(c->limits.output_bytes, 8388608);
	assert_int_equal(c->limits.sessions_per_account, 9);
	assert_int_equal(c->limits.roster_items, 10);
	assert_int_equal(c->limits.offline_messages, 11);
	assert_int_equal(c->limits.archive_days, 15);
	assert_int_equal(c->limits.archive_messages, 16);
	assert_int_equal(c->limits.resume_seconds, 17);
	assert_int_equal(c->limits.unacknowledged_bytes, 128 << 10);
	assert_int_equal(c->limits.held_bytes, 18 << 10);
	assert_int_equal(c->limits.vcard_bytes, 13 << 10);
	assert_int_equal(c->limits.private_bytes, 14 << 10);
	assert_int_equal(c->limits.blocklist_items, 15);
	assert_int_equal(c->limits.push_registrations, 19);
	assert_int_equal(c->limits.password_checks_per_second, 12);
	assert_true(c->limits.disk_reserve_bytes == 5ull << 30);
	assert_int_equal(c->limits.room_occupants, 20);
	assert_int_equal(c->limits.room_members, 21);
	assert_int_equal(c->limits.room_history, 22);
	assert_int_equal(c->limits.room_stanzas_per_second, 23);
	config_unref(&c);
}

static void every_option_of_federation_arrives(void **state)
{
	struct config *c = parse("host a.example { federation = no }\n"
		"remote \"B\xc3\xbc" "cher.net\" { route = \"Xmpp.b\xc3\xbc" "cher.net:7\" direct_tls = yes\n"
		"\tsecurity = dialback pins = { \"sha256/" A32 "\",\n"
		"\t\"sha256/AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\" } }\n"
		"remote \"*.Lab.example\" { route = \"[2001:db8:0::1]:5270\" }\n"
		"federation { enabled = no security = none bidi = no ca_file = peers.pem\n"
		"\tallow = { \"B\xc3\xbc" "cher.net\", \"*.Example.net\" } block = { x.example }\n"
		"\tdns_servers = { 192.0.2.1, \"2001:db8::1@5353\" } dns_anchor = root.key\n"
		"\tdns_loopback = on idle_seconds = 24 connect_seconds = 25 queue_bytes = 2M\n"
		"\tqueue_seconds = 26 streams = 27 unacknowledged_bytes = 128K }\n");
	const struct config_federation *f = &c->federation;

	assert_false(c->hosts[0].federation);
	assert_false(f->enabled || f->bidi);
	assert_int_equal(f->security, PEERS_IN_CLEAR);
	assert_int_equal(f->allow.n, 2);
	assert_str(f->allow.texts[0], "b\xc3\xbc" "cher.net");
	assert_str(f->allow.texts[1], "*.example.net");
	assert_int_equal(f->block.n, 1);
	assert_str(f->block.texts[0], "x.example");
	assert_str(f->ca_file, "etc/peers.pem");
	assert_int_equal(f->dns_servers.n, 2);
	assert_str(f->dns_servers.texts[0], "192.0.2.1");
	assert_str(f->dns_servers.texts[1], "2001:db8::1@5353");
	assert_str(f->dns_anchor, "etc/root.key");
	assert_true(f->dns_loopback);
	assert_int_equal(f->idle_seconds, 24);
	assert_int_equal(f->connect_seconds, 25);
	assert_int_equal(f->queue_bytes, 2 << 20);
	assert_int_equal(f->queue_seconds, 26);
	assert_int_equal(f->streams, 27);
	assert_int_equal(f->unacknowledged_bytes, 128 << 10);
	assert_int_equal(c->n_remotes, 2);
	assert_str(c->remotes[0].domain, "b\xc3\xbc" "cher.net");
	assert_str(c->remotes[0].route, "xmpp.b\xc3\xbc" "cher.net:7");
	assert_true(c->remotes[0].direct_tls);
	assert_int_equal(c->remotes[0].security, PEERS_BY_DIALBACK);
	assert_int_equal(c->remotes[0].pins.n, 2);
	assert_int_equal(c->remotes[0].pins.pins[0].sha256[0], 0);
	assert_int_equal(c->remotes[0].pins.pins[1].sha256[0], 1);
	assert_str(c->remotes[1].domain, "*.lab.example");
	assert_str(c->remotes[1].route, "[2001:db8::1]:5270");
	assert_int_equal(c->remotes[1].security, PEERS_IN_CLEAR); /* as federation says */
	config_unref(&c);
}

/* A list is as long as the file says. */
static void lists_grow(void **state)
{
	struct buf b;
	char name[32];

	buf_init(&b, 1 << 16);
	buf_lit(&b, HOST "federation { block = { ");
	for (int i = 0; i < 100; i++)
		buf_printf(&b, "%sx%d.example", i ? ", " : "", i);
	buf_lit(&b, " } }");
	buf_byte(&b, '\0');
	struct config *c = parse(b.p);
	assert_int_equal(c->federation.block.n, 100);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "x%d.example", i);
		assert_str(c->federation.block.texts[i], name);
	}
	config_unref(&c);
	buf_clear(&b);
}

/* RFC 6761 section 6.3: nobody else can reach it. */
static void localhost_does_not_federate(void **state)
{
	static const struct {
		const char *text;
		bool host, listens;
	} cases[] = {
		{ "host localhost {}", false, false },
		{ "host a.localhost {}", false, false },
		{ "host xlocalhost {}", true, true },
		{ "host localhost { federation = yes }", true, true },
		{ "host a.example { federation = no }", false, false },
		{ "host localhost {}\nhost a.example {}", false, true },
		{ "host a.example {}\nfederation { enabled = no }", true, false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct config *c = parse(cases[i].text);
		if (c->hosts[0].federation != cases[i].host)
			fail_msg("%s", cases[i].text);
		assert_int_equal(config_federates(c), cases[i].listens);
		assert_int_equal(c->n_listeners, cases[i].listens ? 4 : 2);
		config_unref(&c);
	}
}

/* "none" is no file, and without a word there is none but the system's. */
static void the_anchor_is_a_file_or_none(void **state)
{
	struct config *c = parse(HOST "federation { dns_anchor = none }\n");

	assert_str(c->federation.dns_anchor, "");
	config_unref(&c);
	c = parse(HOST "federation { dns_anchor = /etc/a.key }\n");
	assert_str(c->federation.dns_anchor, "/etc/a.key");
	config_unref(&c);
	c = parse(HOST);
	assert_str(c->federation.dns_anchor, "");
	config_unref(&c);
}

/* Where nothing is said of listeners, components connect from this machine. */
static void components_have_a_listener(void **state)
{
	struct config *c = parse(HOST "component c.example { secret = x }\n");

	assert_int_equal(c->n_listeners, 5);
	assert_int_equal(c->listeners[4].kind, LISTEN_COMPONENT);
	assert_str(c->listeners[4].address, "127.0.0.1");
	assert_int_equal(c->listeners[4].port, 5347);
	config_unref(&c);
	c = parse(HOST "component c.example { secret = x }\nlistener { port = 0 }\n");
	assert_int_equal(c->n_listeners, 2);
	assert_int_equal(c->listeners[1].kind, LISTEN_COMPONENT);
	config_unref(&c);
}

/* XEP-0045: an administrator may do without. */
static void an_empty_domain_means_no_rooms(void **state)
{
	struct config *c = parse("host a.example { rooms = \"\" admins = {} }\n"
		"host rooms.a.example {}\n");

	assert_str(c->hosts[0].rooms, "");
	assert_int_equal(c->hosts[0].admins.n, 0);
	assert_str(c->hosts[1].rooms, "rooms.rooms.a.example");
	config_unref(&c);
}

static void the_built_in_one_stays_on_this_machine(void **state)
{
	struct config *c = config_default();

	assert_str(c->hosts[0].domain, "localhost");
	assert_false(c->federation.enabled);
	assert_str(c->data_dir, "stentor-data");
	for (size_t i = 0; i < c->n_listeners; i++)
		assert_str(c->listeners[i].address, "127.0.0.1");
	config_unref(&c);
}

static void a_reference_keeps_the_snapshot(void **state)
{
	struct config *c = config_default();
	struct config *mine = config_ref(c);

	config_unref(&c);
	assert_str(mine->hosts[0].domain, "localhost");
	config_unref(&mine);
	config_unref(&mine);
}

/* What the table says must fit where the table says it goes. */
static void the_table_is_sound(void **state)
{
	for (size_t i = 0; i < config_options_count; i++) {
		const struct config_option *o = &config_options[i];
		bool number = o->type == CONFIG_NUMBER || o->type == CONFIG_BYTES;

		assert_true(!number || o->min < o->max);
		assert_true(!number || o->size == 8 || o->max >> (8 * o->size) == 0);
		if (o->type == CONFIG_TEXT || o->type == CONFIG_PATH)
			assert_int_equal(o->size, sizeof(struct str));
		if (config_is_list(o->type)) { /* restarts compare bytes, and CONFIG_TOP has no braces */
			assert_int_equal(o->size, o->type == CONFIG_JIDS ? sizeof(struct config_jids) :
						  o->type == CONFIG_PINS ? sizeof(struct config_pins) :
									   sizeof(struct config_texts));
			assert_int_not_equal(o->section, CONFIG_TOP);
			assert_true(!o->restart || o->type == CONFIG_SERVERS);
		}
		if (o->type == CONFIG_BOOL)
			assert_int_equal(o->size, sizeof(bool));
		assert_int_equal(o->type == CONFIG_WORD, o->words != NULL);
		assert_true(strlen(o->help) > 10);
	}
}

static void restarts_are_named(void **state)
{
	struct config *old = parse(HOST);
	struct config *same = parse(HOST "log_level = debug limits { roster_items = 5 }\n"
		"federation { bidi = no allow = { x.example } }\nremote x.example {}\n");
	struct config *other = parse(HOST "shards = 2\nuser = x\nlistener { port = 5 }\n"
		"limits { offline_messages = 5 }");
	struct arena a;

	arena_init(&a, 4096);
	assert_str(config_restart_names(old, same, &a), "");
	assert_str(config_restart_names(old, other, &a),
		"listener, user, shards, offline_messages");
	config_unref(&other);
	other = parse(HOST "federation { dns_servers = { 192.0.2.1 } dns_anchor = a.key }\n");
	assert_str(config_restart_names(old, other, &a), "dns_servers, dns_anchor");
	assert_str(config_restart_names(other, other, &a), "");
	static const char *const modules[] = { "module a.so {}", "module a.so { x = 1 }",
		"module a.so { x = 2 }", "module a.so { y = 2 }", "module b.so { y = 2 }", "" };
	for (size_t i = 0; i + 1 < sizeof modules / sizeof modules[0]; i++) {
		struct config *one = parse(str_printf(&a, HOST "%s", modules[i]).p);
		struct config *next = parse(str_printf(&a, HOST "%s", modules[i + 1]).p);
		assert_str(config_restart_names(one, one, &a), "");
		assert_str(config_restart_names(one, next, &a), "module");
		config_unref(&one);
		config_unref(&next);
	}
	arena_clear(&a);
	config_unref(&old);
	config_unref(&same);
	config_unref(&other);
}

/* Writes text to a new file, loads it, and expects the errors behind the file's name; NULL
 * for none. Without looking at the machine a file is right unless it is too big. */
static void load_case(const char *text, const char *errors)
{
	bool big = strlen(text) > CONFIG_FILE_MAX;
	char dir[] = "/tmp/stentor-config-XXXXXX", file[64];
	struct arena a;
	struct str got, want;
	struct config *c;
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof file, "%s/c", dir);
	fd = open(file, O_CREAT | O_WRONLY | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	arena_init(&a, 4096);
	c = config_load(file, &a, &got);
	want = errors ? str_printf(&a, "%s:%s\n", file, errors) : STR("");
	if ((c == NULL) != (errors != NULL) || !str_eq(got, want))
		fail_msg("\"%.*s\"", STR_FMT(got));
	config_unref(&c);
	c = config_load_text(file, &a, &got);
	assert_int_equal(c == NULL, big);
	config_unref(&c);
	unlink(file);
	rmdir(dir);
	arena_clear(&a);
}

static void loading_looks_at_the_machine(void **state)
{
	load_case(HOST, NULL);
	load_case(HOST "user = root\nclient_ca_file = /etc/passwd\n", NULL);
	load_case(HOST "user = nobody-has-this-name\n",
		"2: user is \"nobody-has-this-name\", who does not exist here; make the user, or "
		"name another");
	load_case(HOST "client_ca_file = /nonexistent/ca.pem\n",
		"2: client_ca_file is \"/nonexistent/ca.pem\", which cannot be read: "
		"No such file or directory");
	load_case(HOST "federation { ca_file = /nonexistent/ca.pem dns_anchor = /etc/passwd }\n",
		"2: ca_file is \"/nonexistent/ca.pem\", which cannot be read: "
		"No such file or directory");
	load_case(HOST "federation { dns_anchor = /nonexistent/root.key }\n",
		"2: dns_anchor is \"/nonexistent/root.key\", which cannot be read: "
		"No such file or directory");
	load_case("host a.example { certificate = / key = /etc/passwd }\n",
		"1: certificate is \"/\", which is no file; name a PEM file");
}

static void loading_has_bounds(void **state)
{
	struct arena a;
	struct str errors;
	char *big = xmalloc(CONFIG_FILE_MAX + 2);

	arena_init(&a, 4096);
	assert_null(config_load("/nonexistent/stentor.conf", &a, &errors));
	assert_str(errors,
		"/nonexistent/stentor.conf: cannot be opened: No such file or directory\n");
	assert_null(config_load("/tmp", &a, &errors));
	assert_str(errors, "/tmp: cannot be read: Is a directory\n");
	arena_clear(&a);

	memset(big, '\n', CONFIG_FILE_MAX + 2);
	memcpy(big, HOST, strlen(HOST));
	big[CONFIG_FILE_MAX + 1] = 0;
	load_case(big, " has more than 1048576 bytes; that is no configuration");
	big[CONFIG_FILE_MAX] = 0;
	load_case(big, NULL);
	free(big);
}

/* Many of everything end with a word and not with the memory. */
static void numbers_have_bounds(void **state)
{
	static const struct {
		const char *one, *error;
		unsigned times;
	} cases[] = {
		{ "listener{port=0}\n", "c:66: more than 64 listeners; remove some\n", 65 },
		{ "shards = 1\n", "c:8194: more than 8192 values; remove some\n", 8200 },
		{ "limits {}\n", "c:3217: more than 3216 sections; remove some\n", 3300 },
		{ "component c.example {secret=x}\n", "c:3: found duplicate title 'c.example'", 3 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf b;
		struct arena a;
		struct str errors;

		buf_init(&b, 1 << 20);
		buf_lit(&b, HOST);
		for (unsigned n = 0; n < cases[i].times; n++)
			buf_add(&b, str_c(cases[i].one));
		arena_init(&a, 4096);
		assert_null(config_parse(buf_str(&b), "c", &a, &errors));
		assert_true(str_starts(errors, str_c(cases[i].error)));
		arena_clear(&a);
		buf_clear(&b);
	}
}

/* What modules of others may have in the file. */
static void modules_have_bounds(void **state)
{
	struct buf modules, names;
	struct arena a;
	struct str errors;

	buf_init(&modules, 1 << 20);
	buf_init(&names, 1 << 20);
	buf_lit(&modules, HOST);
	buf_lit(&names, HOST "module a.so {\n");
	for (unsigned i = 0; i < CONFIG_MODULES_MAX + 1; i++) {
		buf_printf(&modules, "module \"%u.so\" {}\n", i);
		buf_printf(&names, "x%u = 1\n", i);
	}
	buf_lit(&names, "}\n");
	arena_init(&a, 4096);
	assert_null(config_parse(buf_str(&modules), "c", &a, &errors));
	assert_str(errors, "c:66: more than 64 modules; remove some\n");
	assert_null(config_parse(buf_str(&names), "c", &a, &errors));
	assert_str(errors, "c:51: more than 48 options of modules; remove some\n");
	arena_clear(&a);
	buf_clear(&modules);
	buf_clear(&names);
}

static void faults_are_told_up_to_a_bound(void **state)
{
	struct faults f;
	size_t lines = 0;

	faults_init(&f, "c");
	for (unsigned i = 1; i <= 2 * CONFIG_FAULTS_MAX; i++)
		fault(&f, i, "wrong");
	for (size_t i = 0; i < f.text.n; i++)
		lines += f.text.p[i] == '\n';
	assert_int_equal(lines, CONFIG_FAULTS_MAX + 1);
	assert_non_null(memmem(f.text.p, f.text.n, "c: and more", 11));
	faults_clear(&f);
}

static struct str read_source(struct buf *b, const char *file)
{
	char path[512];
	FILE *fp;

	snprintf(path, sizeof path, "%s/%s", SOURCE_ROOT, file);
	fp = fopen(path, "r");
	if (!fp)
		fail_msg("%s cannot be read", path);
	buf_init(b, 1 << 20);
	b->n = fread(buf_reserve(b, 1 << 20), 1, 1 << 20, fp);
	fclose(fp);
	return buf_str(b);
}

/* A row of the reference in docs/configuration.md. */
static void add_row(struct buf *b, const struct config_option *o)
{
	buf_printf(b, "| `%s` | ", o->name);
	switch (o->type) {
	case CONFIG_BOOL:   buf_printf(b, "true, false"); break;
	case CONFIG_NUMBER: buf_printf(b, "%llu to %llu", (unsigned long long)o->min,
		(unsigned long long)o->max); break;
	case CONFIG_BYTES:  buf_printf(b, "bytes, %llu to %llu", (unsigned long long)o->min,
		(unsigned long long)o->max); break;
	case CONFIG_WORD:
		for (const char *p = o->words; *p; p++)
			buf_printf(b, *p == ' ' ? ", " : "%c", *p);
		break;
	case CONFIG_TEXT:   buf_printf(b, "text"); break;
	case CONFIG_PATH:   buf_printf(b, "path"); break;
	case CONFIG_JIDS:
	case CONFIG_SERVERS: buf_printf(b, "{ addresses }"); break;
	case CONFIG_DOMAINS: buf_printf(b, "{ domains }"); break;
	case CONFIG_PINS:   buf_printf(b, "{ pins }"); break;
	case CONFIG_TEXTS:  buf_printf(b, "{ texts }"); break;
	}
	if (o->initial && *o->initial)
		buf_printf(b, " | `%s`", o->initial);
	else
		buf_printf(b, " | %s", o->initial ? "empty" : "");
	buf_printf(b, " | %s | %s |\n", o->restart ? "restart" : "reload", o->help);
}

/* The tables of docs/configuration.md hold the rows of our table, all of them, in this order
 * and nothing else. `config_test --reference` prints them. */
static void the_reference_is_complete(void **state)
{
	struct buf doc, want;
	struct str s = read_source(&doc, "docs/configuration.md");

	buf_init(&want, 1 << 20);
	for (size_t i = 0; i < config_options_count; i++)
		add_row(&want, &config_options[i]);
	for (size_t at = 0; s.n;) {
		ptrdiff_t n = str_find(s, '\n');
		struct str line = str_head(s, n < 0 ? s.n : (size_t)n + 1);

		s = str_skip(s, line.n);
		if (!str_starts(line, STR("| `")))
			continue;
		if (!str_starts(str_skip(buf_str(&want), at), line))
			fail_msg("the table has no such row here: %.*s", STR_FMT(line));
		at += line.n;
		want.failed = at < want.n;
	}
	assert_true(buf_ok(&want));
	buf_clear(&want);
	buf_clear(&doc);
}

static void the_manual_names_every_option(void **state)
{
	struct buf man;
	struct str s = read_source(&man, "man/stentor.conf.5");

	for (size_t i = 0; i < config_options_count; i++) {
		char item[128];

		snprintf(item, sizeof item, "\n.It Ic %s\n", config_options[i].name);
		if (!memmem(s.p, s.n, item, strlen(item)))
			fail_msg("stentor.conf(5) lacks %s", config_options[i].name);
	}
	buf_clear(&man);
}

static void the_example_is_right(void **state)
{
	struct buf text;
	struct arena a;
	struct str errors;
	struct config *c;

	arena_init(&a, 4096);
	c = config_parse(read_source(&text, "stentor.conf.example"), "c", &a, &errors);
	if (!c)
		fail_msg("%.*s", STR_FMT(errors));
	config_unref(&c);
	arena_clear(&a);
	buf_clear(&text);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_texts_say_what_is_wrong),
		cmocka_unit_test(a_host_is_enough),
		cmocka_unit_test(every_option_arrives),
		cmocka_unit_test(every_option_of_federation_arrives),
		cmocka_unit_test(lists_grow),
		cmocka_unit_test(localhost_does_not_federate),
		cmocka_unit_test(the_anchor_is_a_file_or_none),
		cmocka_unit_test(components_have_a_listener),
		cmocka_unit_test(an_empty_domain_means_no_rooms),
		cmocka_unit_test(the_built_in_one_stays_on_this_machine),
		cmocka_unit_test(a_reference_keeps_the_snapshot),
		cmocka_unit_test(the_table_is_sound),
		cmocka_unit_test(restarts_are_named),
		cmocka_unit_test(loading_looks_at_the_machine),
		cmocka_unit_test(loading_has_bounds),
		cmocka_unit_test(numbers_have_bounds),
		cmocka_unit_test(modules_have_bounds),
		cmocka_unit_test(faults_are_told_up_to_a_bound),
		cmocka_unit_test(the_reference_is_complete),
		cmocka_unit_test(the_manual_names_every_option),
		cmocka_unit_test(the_example_is_right),
	};

	if (argc == 2 && str_eq(str_c(argv[1]), STR("--reference"))) {
		struct buf b;

		buf_init(&b, 1 << 20);
		for (size_t i = 0; i < config_options_count; i++)
			add_row(&b, &config_options[i]);
		fwrite(b.p, 1, b.n, stdout);
		buf_clear(&b);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
