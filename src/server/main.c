/* stentord: options, signals, readiness. */
#include "server/server.h"

#include "base/bug.h"
#include "base/digest.h"
#include "core/room.h"
#include "core/sm.h"
#include "net/dns.h"

#include <errno.h>
#include <getopt.h>
#include <gnutls/gnutls.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Exit codes: 0 in order, 1 could not start or run, 2 wrong usage or configuration. */
enum { EXIT_USAGE = 2 };

static const char usage[] =
	"usage: stentord [-c FILE] [--check]\n"
	"\n"
	"  -c, --config FILE   read the configuration from FILE (default: built in, for localhost)\n"
	"      --check         say whether the configuration is right, and end\n"
	"  -V, --version       print the version\n"
	"  -h, --help          print this\n";

struct options {
	const char *config;
	bool check;
};

static void parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'k' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "c:Vh", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o->config = optarg;
			break;
		case 'k':
			o->check = true;
			break;
		case 'V':
			puts("stentord " STENTOR_VERSION);
			exit(EXIT_SUCCESS);
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			fputs(usage, stderr);
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "stentord: unexpected argument \"%s\"\n%s", argv[optind], usage);
		exit(EXIT_USAGE);
	}
}

static struct config *read_config(const struct options *o)
{
	struct arena a;
	struct str errors;
	struct config *c;

	if (!o->config)
		return config_default();
	arena_init(&a, 4096);
	c = config_load(o->config, &a, &errors);
	if (!c)
		fprintf(stderr, "%.*s", STR_FMT(errors));
	arena_clear(&a);
	return c;
}

/* ---- signals ---- */

static void reload(struct server *s)
{
	struct str error, note;
	struct arena a;

	arena_init(&a, 4096);
	if (!server_reload(s, &a, &error, &note))
		log_error(NULL, "reload", F_STR("error", error));
	else
		log_info(NULL, "reloaded", F_STR("needs_restart", note));
	arena_clear(&a);
}

static void on_signal(struct watch *w, uint32_t events)
{
	struct server *s = container_of(w, struct server, signals);
	struct signalfd_siginfo info;

	while (read(w->fd, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGHUP) {
			reload(s);
			continue;
		}
		log_info(NULL, "stopping", F_INT("signal", info.ssi_signo));
		s->stopping = true;
		core_stop(&s->core);
		loop_stop(&s->loop);
	}
}

/* Before any thread is made, so that all inherit the mask. */
static bool watch_signals(struct server *s)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	s->signals = (struct watch){ .events = EPOLLIN, .ready = on_signal };
	s->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return s->signals.fd >= 0 && watch_add(&s->loop, &s->signals);
}

/* ---- the world around ---- */

/* sd_notify(3)'s protocol: one datagram. Without a supervisor there is no address. */
static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;

	if (n < 2 || n >= sizeof to.sun_path)
		return;
	memcpy(to.sun_path, path, n);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}

static bool write_pid(const struct config *c)
{
	FILE *f;

	if (!c->pid_file.n)
		return true;
	f = fopen(c->pid_file.p, "we");
	if (!f || fprintf(f, "%d\n", (int)getpid()) < 0 || fclose(f) != 0) {
		log_error(NULL, "pid_file", F_STR("path", c->pid_file), F_C("error", strerror(errno)));
		return false;
	}
	return true;
}

/* A connection is a descriptor: as many as the machine allows. */
static void raise_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

static void say_where(const struct server *s)
{
	for (size_t i = 0; i < s->n_listeners; i++)
		log_info(NULL, "listening",
			F_C("for", config_listener_name(s->config->listeners[i].kind)),
			F_STR("address", s->config->listeners[i].address), F_INT("port", s->ports[i]));
	log_info(NULL, "ready", F_C("version", STENTOR_VERSION), F_INT("shards", s->n_shards),
		F_STR("data", s->config->data_dir));
}

static unsigned shards_of(const struct config *c)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (c->shards)
		return c->shards;
	if (cores < 1)
		return 1;
	return cores > SHARDS_MAX ? SHARDS_MAX : (unsigned)cores;
}

static bool start(struct server *s)
{
	if (!server_make_folders(s) || !server_listen(s))
		return false;
	int admin = admin_listen(s);
	if (admin < 0 || !write_pid(s->config) || !server_drop_privileges(s) || !server_load(s) ||
		!server_open(s))
		return false;
	s->admin = admin_new(s, admin);
	sm_restore_all(&s->core);
	rooms_restore(&s->core);
	return core_start(&s->core);
}

static void set_memory(void)
{
	mallopt(M_ARENA_MAX, 8); /* few arenas: threads that idle hoard no memory */
	/* Large buffers, such as the presence of a whole room for who enters, are given back to the
	 * system at once. Without this the library lifts the threshold with the first of them. */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

/* --check */
static int check(struct server *s)
{
	bool ok = server_check_modules(s);

	if (ok)
		printf("%s: the configuration is right\n", s->config_file ? s->config_file : "built-in");
	config_unref(&s->config);
	return ok ? EXIT_SUCCESS : EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static struct server s;
	struct options o = { 0 };

	parse_options(argc, argv, &o);
	s.config_file = o.config;
	s.config = read_config(&o);
	if (!s.config)
		return EXIT_USAGE;
	if (o.check)
		return check(&s);
	log_setup(s.config->log_level, s.config->log_format);
	raise_descriptors();
	set_memory();
	random_bytes(s.ticket_key, sizeof s.ticket_key);
	s.n_shards = shards_of(s.config);
	if (!loop_init(&s.loop, MAILBOX_MAX, &s) || !watch_signals(&s) || !start(&s)) {
		log_error(NULL, "not_started", F_C("advice", "see the lines above"));
		return EXIT_FAILURE;
	}
	say_where(&s);
	notify("READY=1");
	loop_run(&s.loop);
	notify("STOPPING=1");
	core_join(&s.core);
	admin_free(&s.admin);
	if (s.config->pid_file.n)
		unlink(s.config->pid_file.p);
	unlink(s.config->admin_socket.p);
	server_close(&s);
	mailbox_run(&s.loop.inbox, &s); /* what shards sent home to the administration at last */
	dns_free(&s.core.dns);
	config_unref(&s.config);
	watch_del(&s.loop, &s.signals);
	close(s.signals.fd);
	loop_clear(&s.loop);
	log_info(NULL, "stopped", F_C("version", STENTOR_VERSION));
	return EXIT_SUCCESS;
}
