/* stentor-bench: load for any XMPP server, and what it costs that server. */
#include "bench.h"

#include "base/bug.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { EXIT_USAGE = 2 };

static const char usage[] =
	"usage: stentor-bench SCENARIO [OPTIONS]\n"
	"\n"
	"scenarios:\n"
	"  register   make the accounts that the others use (XEP-0077)\n"
	"  login      log in and out, again and again\n"
	"  idle       memory and CPU of connections that do nothing\n"
	"  chat       messages in pairs, each checked\n"
	"\n"
	"where:\n"
	"  --address A    numeric address (127.0.0.1)      --port P     (5222; 5223 for direct)\n"
	"  --domain D     (localhost)                      --tls KIND   none, starttls, direct (starttls)\n"
	"  --pid N        of the server, to read its CPU and memory\n"
	"  --mech NAME    the only SASL mechanism to use   --resume     offer TLS sessions again\n"
	"how much:\n"
	"  --users N      (200)     --first N    number of the first user (0)\n"
	"  --at-once N    negotiations under way (50)\n"
	"  --window N     messages under way in a pair (8)\n"
	"  --bytes N      of a body (100)\n"
	"  --seconds S    of measuring (5)\n"
	"  --rate R       messages a second in all, instead of a window\n"
	"  --across N     pair users that Stentor places on different ones of N shards\n"
	"  --json         one JSON object for machines     --quiet      no progress line\n";

static const struct scenario {
	const char *name, *unit;
	void (*run)(struct bench *b);
} scenarios[] = {
	{ "register", "registration", run_register },
	{ "login", "login", run_login },
	{ "idle", "connection", run_idle },
	{ "chat", "message", run_chat },
};

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

static void parse(int argc, char **argv, struct bench *b)
{
	enum { ADDRESS = 256, PORT, DOMAIN_NAME, TLS, PID, MECH, RESUME, USERS, FIRST, AT_ONCE,
		WINDOW, BYTES, SECONDS, RATE, ACROSS, JSON, QUIET };
	static const struct option longs[] = {
		{ "address", required_argument, NULL, ADDRESS },
		{ "port", required_argument, NULL, PORT },
		{ "domain", required_argument, NULL, DOMAIN_NAME },
		{ "tls", required_argument, NULL, TLS },
		{ "pid", required_argument, NULL, PID },
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
		case JSON: o->json = true; break;
		case QUIET: o->quiet = true; break;
		case 'h': fputs(usage, stdout); exit(EXIT_SUCCESS);
		default: fputs(usage, stderr); exit(EXIT_USAGE);
		}
	}
	if (optind + 1 != argc)
		bad_usage("give one scenario", optind < argc ? argv[optind + 1] : "none");
	o->scenario = argv[optind];
	if (!t->port)
		t->port = t->tls == PEER_DIRECT ? 5223 : 5222;
}

/* ---- report ---- */

static double us(uint64_t ns)
{
	return (double)ns / 1000;
}

static void report(const struct bench *b, const struct scenario *s)
{
	double seconds = (double)(b->end_ns - b->start_ns) / 1e9;
	double n = b->units ? (double)b->units : 1;
	double cpu = (double)(b->end.cpu_us - b->start.cpu_us) / n;
	const struct histogram *h = &b->latency;
	bool idle = s->run == run_idle;

	if (b->o.json) {
		printf("{\"scenario\":\"%s\",\"unit\":\"%s\",\"units\":%llu,\"seconds\":%.3f,"
		       "\"rate\":%.1f,\"server_cpu_us_per_unit\":%.3f,\"bench_cpu_us_per_unit\":%.3f,"
		       "\"latency_us\":{\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f},"
		       "\"rss\":{\"before\":%llu,\"during\":%llu,\"after\":%llu},"
		       "\"pss\":{\"before\":%llu,\"during\":%llu,\"after\":%llu},\"errors\":%llu}\n",
			s->name, s->unit, (unsigned long long)b->units, seconds, n / seconds, cpu,
			(double)b->own_us / n, us(histogram_at(h, 500000)),
			us(histogram_at(h, 990000)), us(histogram_at(h, 999000)), us(h->max_ns),
			(unsigned long long)b->before.rss, (unsigned long long)b->end.rss,
			(unsigned long long)b->after.rss, (unsigned long long)b->before.pss,
			(unsigned long long)b->end.pss, (unsigned long long)b->after.pss,
			(unsigned long long)b->errors);
		return;
	}
	printf("%-10s %llu %ss in %.1f s", s->name, (unsigned long long)b->units, s->unit, seconds);
	if (!idle)
		printf(", %.0f a second", n / seconds);
	printf("\n");
	if (b->o.pid && idle)
		printf("server     %.0f bytes a connection (PSS), CPU %.2f%% of a core\n",
			((double)b->end.pss - (double)b->before.pss) / n,
			(double)(b->end.cpu_us - b->start.cpu_us) / seconds / 1e4);
	else if (b->o.pid)
		printf("server     %.2f us of CPU a %s (bench %.2f)\n", cpu, s->unit,
			(double)b->own_us / n);
	if (h->n)
		printf("latency    p50 %.0f us, p99 %.0f us, p99.9 %.0f us, max %.0f us\n",
			us(histogram_at(h, 500000)), us(histogram_at(h, 990000)),
			us(histogram_at(h, 999000)), us(h->max_ns));
	if (b->o.pid)
		printf("memory     %.1f MB before, %.1f during, %.1f after (PSS)\n",
			(double)b->before.pss / 1e6, (double)b->end.pss / 1e6,
			(double)b->after.pss / 1e6);
	if (b->errors)
		printf("FAILED     %llu errors; the first: %s\n", (unsigned long long)b->errors,
			b->first_error);
}

static const struct scenario *find_scenario(const char *name)
{
	for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	bad_usage("no such scenario", name);
}

int main(int argc, char **argv)
{
	static struct bench b = {
		.o = { .users = 200, .at_once = 50, .window = 8, .bytes = 100, .seconds = 5 },
		.target = { .address = "127.0.0.1", .domain = "localhost", .tls = PEER_STARTTLS,
			.mechs = ~0u },
	};
	struct rlimit r;

	parse(argc, argv, &b);
	const struct scenario *s = find_scenario(b.o.scenario);
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
	if (!loop_init(&b.loop, 1 << 20, &b)) {
		perror("stentor-bench");
		return EXIT_FAILURE;
	}
	b.before = usage_of(b.o.pid);
	s->run(&b);
	b.after = usage_of(b.o.pid);
	report(&b, s);
	return b.errors ? EXIT_FAILURE : EXIT_SUCCESS;
}
