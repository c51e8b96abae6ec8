/* stentorctl: one command to a running server, over its administration socket; or one that
 * works on its data (server/transfer.h). */
#include "server/config.h"

#include "base/buf.h"
#include "server/transfer.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

/* 0 done, 1 the server refused or cannot be reached, 2 wrong usage or configuration. */
enum { EXIT_USAGE = 2 };

#define PASSWORD_MAX 1024

static const char usage[] =
	"usage: stentorctl [-c FILE | -s SOCKET] COMMAND\n"
	"\n"
	"  adduser JID        make an account; the password is asked for, or read from\n"
	"                     standard input when that is no terminal\n"
	"  deluser JID        delete an account and all that belongs to it\n"
	"  passwd JID         change a password\n"
	"  erase JID          erase the messages of an account, which stays\n"
	"  users [HOST]       list the accounts\n"
	"  sessions           list who is connected\n"
	"  kick JID           end the sessions of an account, or one session by its full JID\n"
	"  rooms [HOST]       list the rooms (group chat)\n"
	"  room create JID [OWNER]\n"
	"                     make a room that stays while nobody is in it\n"
	"  room destroy JID [REASON]\n"
	"                     destroy a room with all that is stored of it\n"
	"  room show JID      print configuration, affiliations and occupants of a room\n"
	"  room configure JID FIELD [VALUE...]\n"
	"                     change a field of its configuration\n"
	"  room affiliate JID WHO AFFILIATION [REASON]\n"
	"                     make somebody its owner, admin, member, outcast, or none of these\n"
	"  room kick JID NICK [REASON]\n"
	"                     remove an occupant, who may come back\n"
	"  nodes [OWNER]      list the nodes (publish-subscribe) of an account or a service; or who\n"
	"                     has any\n"
	"  node show OWNER NODE\n"
	"                     print configuration, affiliations and subscriptions of a node\n"
	"  node items OWNER NODE\n"
	"                     list its items, the oldest first\n"
	"  node export OWNER NODE\n"
	"                     print them as XML\n"
	"  node purge OWNER NODE\n"
	"                     delete them; subscribers are told\n"
	"  node delete OWNER NODE\n"
	"                     delete the node with all that is stored of it, likewise\n"
	"  components         list the components, their connections, and what waits for them\n"
	"  federation         list remote domains, the streams with them, and what waits for them\n"
	"  stats              print counters\n"
	"  reload             read configuration and certificates again\n"
	"  backup DIR         make a copy of the data that a server can be started on\n"
	"  export [--host DOMAIN] [--user NAME] FILE\n"
	"                     write the accounts with all their data to a file (XEP-0227);\n"
	"                     the server may run\n"
	"  import [--from prosody | --from ejabberd] [--host DOMAIN] [--user NAME]\n"
	"         [--replace] [--check] PATH\n"
	"                     take over accounts from such a file, or from the storage of\n"
	"                     another server; the server must not run\n"
	"\n"
	"  -c, --config FILE  the server's configuration file (it names the socket)\n"
	"  -s, --socket PATH  the socket itself\n"
	"  -V, --version      print the version\n"
	"  -h, --help         print this\n";

__attribute__((format(printf, 2, 3))) static _Noreturn void die(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("stentorctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(code);
}

/* ---- passwords ---- */

/* A line without its newline; false at the end of input or when it is too long. */
static bool read_line(char *line, size_t max)
{
	if (!fgets(line, (int)max, stdin))
		return false;
	size_t n = strlen(line);
	if (n && line[n - 1] == '\n')
		line[n - 1] = '\0';
	else if (n == max - 1)
		return false;
	return true;
}

static void ask(const char *prompt, char *line, size_t max)
{
	struct termios old, silent;

	if (tcgetattr(STDIN_FILENO, &old) != 0)
		die(EXIT_FAILURE, "the terminal: %s", strerror(errno));
	silent = old;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	fputs(prompt, stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	bool ok = read_line(line, max);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputc('\n', stderr);
	if (!ok)
		die(EXIT_FAILURE, "no password was given");
}

static void get_password(char *line, size_t max)
{
	char again[PASSWORD_MAX + 2];

	if (!isatty(STDIN_FILENO)) {
		if (!read_line(line, max) || !line[0])
			die(EXIT_FAILURE, "no password on standard input");
		return;
	}
	ask("Password: ", line, max);
	ask("The same again: ", again, sizeof again);
	bool same = strcmp(line, again) == 0;
	explicit_bzero(again, sizeof again);
	if (!same)
		die(EXIT_FAILURE, "the two passwords differ");
	if (!line[0])
		die(EXIT_FAILURE, "an empty password is none");
}

/* ---- the socket ---- */

/* -1 with errno when nobody answers. */
static int try_to_connect(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof at.sun_path)
		die(EXIT_USAGE, "%s: a socket's path is shorter", path);
	memcpy(at.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int connect_to(const char *path)
{
	int fd = try_to_connect(path);

	if (fd < 0)
		die(EXIT_FAILURE, "no server answers at %s (%s); is stentord running with this "
			"configuration?", path, strerror(errno));
	return fd;
}

static void send_all(int fd, const struct buf *b)
{
	size_t at = 0;

	while (at < b->n) {
		ssize_t n = send(fd, b->p + at, b->n - at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die(EXIT_FAILURE, "the server went away: %s", strerror(errno));
		at += (size_t)n;
	}
}

/* Prints the answer, to `out` where it is not an error; the exit code. */
static int show_answer(int fd, FILE *out)
{
	FILE *f = fdopen(fd, "r");
	char *line = NULL;
	size_t cap = 0;
	int code = EXIT_SUCCESS;

	if (!f || getline(&line, &cap, f) < 0)
		die(EXIT_FAILURE, "the server gave no answer");
	if (strncmp(line, "error ", 6) == 0) {
		fprintf(stderr, "stentorctl: %s", line + 6);
		code = EXIT_FAILURE;
	}
	while (getline(&line, &cap, f) >= 0)
		fputs(line, code == EXIT_SUCCESS ? out : stderr);
	free(line);
	fclose(f);
	return code;
}

static void put_word(struct buf *b, const char *word)
{
	if (strchr(word, '\n') || !*word)
		die(EXIT_USAGE, "an empty word, or one with a line end, means nothing");
	buf_add(b, str_c(word));
	buf_byte(b, '\n');
}

/* A path as the server finds it too, which works in another folder. */
static void put_path(struct buf *b, const char *path)
{
	char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);

	if (here) {
		buf_add(b, str_c(here));
		buf_lit(b, "/");
	}
	free(here);
	put_word(b, path);
}

static int run(const char *socket_path, char **words, FILE *out)
{
	char password[PASSWORD_MAX + 2];
	struct buf b;
	int fd = connect_to(socket_path);

	buf_init(&b, 16 * 1024);
	for (char **w = words; *w; w++)
		if (w != words && strcmp(words[0], "backup") == 0)
			put_path(&b, *w);
		else
			put_word(&b, *w);
	if (strcmp(words[0], "adduser") == 0 || strcmp(words[0], "passwd") == 0) {
		if (!words[1])
			die(EXIT_USAGE, "%s needs a JID", words[0]);
		get_password(password, sizeof password);
		put_word(&b, password);
		explicit_bzero(password, sizeof password);
	}
	buf_byte(&b, '\n');
	send_all(fd, &b);
	explicit_bzero(b.p, b.n);
	buf_clear(&b);
	return show_answer(fd, out);
}

/* ---- commands that work on the data ---- */

static bool is_running(const struct config *c)
{
	int fd = try_to_connect(c->admin_socket.p);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int ask_server(const struct config *c, char **words)
{
	return run(c->admin_socket.p, words, stderr);
}

static bool is_transfer(const char *word)
{
	return strcmp(word, "export") == 0 || strcmp(word, "import") == 0;
}

static int run_with(const struct config *c, char **words)
{
	const struct transfer t = { c, is_running, ask_server };

	if (strcmp(words[0], "export") == 0)
		return transfer_export(&t, words);
	if (strcmp(words[0], "import") == 0)
		return transfer_import(&t, words);
	return run(c->admin_socket.p, words, stdout);
}

static int run_with_config(const char *file, char **words)
{
	struct arena a;
	struct str errors;

	arena_init(&a, 4096);
	struct config *c = file ? config_load_text(file, &a, &errors) : config_default();
	if (!c) {
		fprintf(stderr, "%.*s", STR_FMT(errors));
		arena_clear(&a);
		return EXIT_USAGE;
	}
	int code = run_with(c, words);
	config_unref(&c);
	arena_clear(&a);
	return code;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *file = NULL, *socket_path = NULL;
	int opt;

	while ((opt = getopt_long(argc, argv, "+c:s:Vh", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			file = optarg;
			break;
		case 's':
			socket_path = optarg;
			break;
		case 'V':
			puts("stentorctl " STENTOR_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (socket_path && is_transfer(argv[optind]))
		die(EXIT_USAGE, "%s works on the data that a configuration names: give -c",
			argv[optind]);
	if (socket_path)
		return run(socket_path, argv + optind, stdout);
	return run_with_config(file, argv + optind);
}
