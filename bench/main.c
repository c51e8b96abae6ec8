/* stentor-bench: load for any XMPP server, and what it costs that server. */
#include "bench.h"

#include "base/bug.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { EXIT_USAGE = 2, EXIT_LACKS = 3 };

static const char usage[] =
	"usage: stentor-bench SCENARIO [OPTIONS]\n"
	"\n"
	"where:\n"
	"  --address A    numeric address (127.0.0.1)      --port P     (5222; 5223 for direct)\n"
	"  --domain D     (localhost)                      --service D  of rooms (rooms.DOMAIN)\n"
	"  --pubsub D     of nodes (pubsub.DOMAIN)\n"
	"  --tls KIND     none, starttls, direct (starttls)\n"
	"  --pid N        of the server, to read its CPU and memory\n"
	"  --far-domain D, --far-port P, --far-pid N   of the second server, for federation\n"
	"  --mech NAME    the only SASL mechanism to use   --resume     offer TLS sessions again\n"
	"how much:\n"
	"  --users N      (200)     --first N    number of the first user (0)\n"
	"  --rooms N      (1; room-idle: 1000)             --occupants N  of each room (100)\n"
	"  --nodes N      (1)                              --subscribers N  of each node (1000)\n"
	"  --at-once N    negotiations, changes of presence, requests, or joins, under way (50)\n"
	"  --window N     messages under way in a pair, or a room; items at a node (8)\n"
	"  --bytes N      of a body, 34 at least; of an item (100)\n"
	"  --messages N   for each offline user (20), in the archive that is paged (1000); items of\n"
	"                 an idle node (10)\n"
	"  --contacts N   of each user (20)\n"
	"  --seconds S    of measuring (5; register: until all are made)\n"
	"  --rate R       messages a second in all, instead of a window\n"
	"  --ack-every N  ask for an acknowledgement after N stanzas (XEP-0198)\n"
	"  --breaks R     connections that break, a second (100)\n"
	"  --across N     pair users that Stentor places on different ones of N shards\n"
	"what comes out:\n"
	"  --json         one JSON object for machines     --quiet      no progress line\n"
	"  --plot FILE    latencies as a picture (SVG)\n"
	"\n"
	"scenarios:\n";

static const struct scenario scenarios[] = {
	{ "register", "make the accounts that the others use (XEP-0077)", run_register },
	{ "login", "log in and out, again and again", run_login },
	{ "idle", "memory and CPU of connections that do nothing", run_idle },
	{ "chat", "messages in pairs, each checked", run_chat },
	{ "federation", "messages in pairs, between users of two servers", run_federation },
	{ "presence", "users with contacts come online, and change their presence", run_presence },
	{ "offline", "messages to users who come later", run_offline },
	{ "archive", "messages that are acknowledged and archived, then paging", run_archive },
	{ "resume", "connections break while messages flow, and go on", run_resume },
	{ "room", "occupants of rooms enter and talk, each copy checked", run_room },
	{ "room-join", "newcomers enter and leave a room", run_room_join },
	{ "room-idle", "memory of rooms with one occupant, and with none", run_room_idle },
	{ "pubsub", "items to nodes with subscribers, each notification checked", run_pubsub },
	{ "pubsub-idle", "memory of nodes, their items and subscriptions", run_pubsub_idle },
	{ "pubsub-wide", "pings while a node tells very many who are not there", run_pubsub_wide },
	{ "pep", "items to contacts that show interest in them", run_pep },
	{ "room-floor", "room over bench-floor instead of a server", run_room_floor },
	{ "floor", "chat over bench-floor instead of a server", run_floor },
};

#define N_SCENARIOS (sizeof scenarios / sizeof scenarios[0])

static void print_usage(FILE *to)
{
	fputs(usage, to);
	for (size_t i = 0; i < N_SCENARIOS; i++)
		fprintf(to, "  %-14s %s\n", scenarios[i].name, scenarios[i].what);
}

static _Noreturn void bad_usage(const char *why, const char *what)
{
	fprintf(stderr, "stentor-bench: %s: %s\n", why, what);
	exit(EXIT_USAGE);
}

static unsigned number(const char *text)
{
	uint64_t v;

	if (!str_to_u64(str_c(text), 10000000, &v))
		bad_usage("not a number", text);
	return (unsigned)v;
}

static double real(const char *text)
{
	char *end;
	double v = strtod(text, &end);

	if (*end || end == text || v < 0 || v > 1e9)
		bad_usage("not a number", text);
	return v;
}

static enum peer_tls tls_kind(const char *text)
{
	if (strcmp(text, "none") == 0)
		return PEER_PLAIN;
	if (strcmp(text, "starttls") == 0)
		return PEER_STARTTLS;
	if (strcmp(text, "direct") == 0)
		return PEER_DIRECT;
	bad_usage("--tls is none, starttls or direct", text);
}

static unsigned mech_bit(const char *text)
{
	enum sasl_mech_id id = sasl_mech_find(str_c(text));

	if (id == MECH_COUNT)
		bad_usage("no such mechanism", text);
	return 1u << id;
}

struct service {
	char name[256];
};

static const char *service_of(struct service *s, const char *label, const char *domain)
{
	if (snprintf(s->name, sizeof s->name, "%s.%s", label, domain) >= (int)sizeof s->name)
		bad_usage("too long", domain);
	return s->name;
}

static void parse(int argc, char **argv, struct bench *b)
{
	enum { ADDRESS = 256, PORT, DOMAIN_NAME, TLS, PID, MECH, RESUME, USERS, FIRST, AT_ONCE,
		WINDOW, BYTES, SECONDS, RATE, ACROSS, MESSAGES,
		CONTACTS, ROOMS, OCCUPANTS, SERVICE, ACK_EVERY, BREAKS, FAR_DOMAIN,
		FAR_PORT, FAR_PID, PUBSUB, NODES, SUBSCRIBERS, PLOT, JSON, QUIET };
	static struct service rooms, pubsub;
	static const struct option longs[] = {
		{ "address", required_argument, NULL, ADDRESS },
		{ "port", required_argument, NULL, PORT },
		{ "domain", required_argument, NULL, DOMAIN_NAME },
		{ "tls", required_argument, NULL, TLS },
		{ "pid", required_argument, NULL, PID },
		{ "far-domain", required_argument, NULL, FAR_DOMAIN },
		{ "far-port", required_argument, NULL, FAR_PORT },
		{ "far-pid", required_argument, NULL, FAR_PID },
		{ "mech", required_argument, NULL, MECH },
		{ "resume", no_argument, NULL, RESUME },
		{ "users", required_argument, NULL, USERS },
		{ "first", required_argument, NULL, FIRST },
		{ "at-once", required_argument, NULL, AT_ONCE },
		{ "window", required_argument, NULL, WINDOW },
		{ "bytes", required_argument, NULL, BYTES },
		{ "seconds", required_argument, NULL, SECONDS },
		{ "rate", required_argument, NULL, RATE },
		{ "across", required_argument, NULL, ACROSS },
		{ "messages", required_argument, NULL, MESSAGES },
		{ "contacts", required_argument, NULL, CONTACTS },
		{ "rooms", required_argument, NULL, ROOMS },
		{ "occupants", required_argument, NULL, OCCUPANTS },
		{ "service", required_argument, NULL, SERVICE },
		{ "pubsub", required_argument, NULL, PUBSUB },
		{ "nodes", required_argument, NULL, NODES },
		{ "subscribers", required_argument, NULL, SUBSCRIBERS },
		{ "ack-every", required_argument, NULL, ACK_EVERY },
		{ "breaks", required_argument, NULL, BREAKS },
		{ "plot", required_argument, NULL, PLOT },
		{ "json", no_argument, NULL, JSON },
		{ "quiet", no_argument, NULL, QUIET },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options *o = &b->o;
	struct target *t = &b->target;
	int opt;

	while ((opt = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (opt) {
		case ADDRESS: t->address = optarg; break;
		case PORT: t->port = (uint16_t)number(optarg); break;
		case DOMAIN_NAME: t->domain = optarg; break;
		case TLS: t->tls = tls_kind(optarg); break;
		case PID: o->pid = (int)number(optarg); break;
		case FAR_DOMAIN: b->far.domain = optarg; break;
		case FAR_PORT: b->far.port = (uint16_t)number(optarg); break;
		case FAR_PID: o->far_pid = (int)number(optarg); break;
		case MECH: t->mechs = mech_bit(optarg); break;
		case RESUME: t->resume_tls = true; break;
		case USERS: o->users = number(optarg); break;
		case FIRST: o->first = number(optarg); break;
		case AT_ONCE: o->at_once = number(optarg); break;
		case WINDOW: o->window = number(optarg); break;
		case BYTES: o->bytes = number(optarg); break;
		case SECONDS: o->seconds = real(optarg); break;
		case RATE: o->rate = real(optarg); break;
		case ACROSS: o->across = number(optarg); break;
		case MESSAGES: o->messages = number(optarg); break;
		case CONTACTS: o->contacts = number(optarg); break;
		case ROOMS: o->rooms = number(optarg); break;
		case OCCUPANTS: o->occupants = number(optarg); break;
		case SERVICE: o->service = optarg; break;
		case PUBSUB: o->pubsub = optarg; break;
		case NODES: o->nodes = number(optarg); break;
		case SUBSCRIBERS: o->subscribers = number(optarg); break;
		case ACK_EVERY: o->ack_every = number(optarg); break;
		case BREAKS: o->breaks = real(optarg); break;
		case PLOT: o->plot = optarg; break;
		case JSON: o->json = true; break;
		case QUIET: o->quiet = true; break;
		case 'h': print_usage(stdout); exit(EXIT_SUCCESS);
		default: print_usage(stderr); exit(EXIT_USAGE);
		}
	}
	if (optind + 1 != argc)
		bad_usage("give one scenario", optind < argc ? argv[optind + 1] : "none");
	b->scenario = argv[optind];
	if (!o->users || !o->at_once || !o->window || !o->occupants || !o->nodes || !o->subscribers)
		bad_usage("users, occupants, nodes, subscribers, at-once and window are 1 at least",
			"0");
	if (!o->service)
		o->service = service_of(&rooms, "rooms", t->domain);
	if (!o->pubsub)
		o->pubsub = service_of(&pubsub, "pubsub", t->domain);
	if (!t->port)
		t->port = t->tls == PEER_DIRECT ? 5223 : 5222;
}

static const struct scenario *find_scenario(const char *name)
{
	for (size_t i = 0; i < N_SCENARIOS; i++)
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	bad_usage("no such scenario", name);
}

/* A connection is a descriptor. */
static void raise_limits(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

int main(int argc, char **argv)
{
	static struct bench b = {
		.o = { .users = 200, .at_once = 50, .window = 8, .bytes = 100,
			.contacts = 20, .occupants = 100, .nodes = 1, .subscribers = 1000 },
		.target = { .address = "127.0.0.1", .domain = "localhost", .tls = PEER_STARTTLS,
			.mechs = ~0u },
	};

	parse(argc, argv, &b);
	const struct scenario *s = find_scenario(b.scenario);
	b.now = &b.unmeasured;
	signal(SIGPIPE, SIG_IGN);
	raise_limits();
	if (!loop_init(&b.loop, 1 << 20, &b)) {
		perror("stentor-bench");
		return EXIT_FAILURE;
	}
	bench_before(&b);
	if (b.before.gone)
		bad_usage("no such process", "--pid");
	s->run(&b);
	b.after = bench_usage(&b);
	crowd_free(&b);
	loop_clear(&b.loop);
	if (b.o.json)
		report_json(&b);
	else
		report_text(&b);
	if (b.o.plot && !plot_write(&b, b.o.plot)) {
		perror(b.o.plot);
		return EXIT_FAILURE;
	}
	if (b.lacks)
		return EXIT_LACKS;
	return b.errors ? EXIT_FAILURE : EXIT_SUCCESS;
}
