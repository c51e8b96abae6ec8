#include "server/transfer.h"

#include "base/bug.h"
#include "server/export.h"
#include "server/folder.h"
#include "server/import_ejabberd.h"
#include "server/import_pie.h"
#include "server/import_prosody.h"
#include "store/search.h"
#include "xmpp/jid.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = 1;
}

/* Signals are heard so that half an account, or a copy of the data, does not stay behind. An
 * export lets the server finish the copy first (SA_RESTART): then it can be removed. */
static void begin(int flags)
{
	const struct sigaction act = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	log_setup(LOG_WARN, LOG_TEXT);
}

__attribute__((format(printf, 2, 3))) static int say(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("stentorctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

/* ---- words ---- */

struct words {
	struct str host, user;
	const char *from;
	bool replace, check;
	const char *path;
};

static bool canonical(const char *word, bool (*prep)(struct str, struct arena *, struct str *),
	struct arena *a, struct str *out)
{
	if (prep(str_c(word), a, out))
		return true;
	say(EXIT_USAGE, "\"%s\" can be no part of an address", word);
	return false;
}

/* One option. False: usage is to be shown, or something has been said. */
static bool take_option(int opt, struct words *w, struct arena *a)
{
	switch (opt) {
	case 'h':
		return canonical(optarg, jid_prep_domain, a, &w->host);
	case 'u':
		return canonical(optarg, jid_prep_local, a, &w->user);
	case 'f':
		w->from = optarg;
		return true;
	case 'r':
		w->replace = true;
		return true;
	case 'k':
		w->check = true;
		return true;
	default:
		return false;
	}
}

static bool take_words(char **words, const struct option *longs, const char *usage,
	struct words *out, struct arena *a)
{
	int n = 0, opt;

	*out = (struct words){ 0 };
	while (words[n])
		n++;
	optind = 0; /* from the start again: main has used it for its own words */
	while ((opt = getopt_long(n, words, "", longs, NULL)) != -1)
		if (!take_option(opt, out, a)) {
			fputs(usage, stderr);
			return false;
		}
	if (optind == n - 1) {
		out->path = words[optind];
		return true;
	}
	fputs(usage, stderr);
	return false;
}

/* ---- export ---- */

static const char export_usage[] = "usage: stentorctl export [--host DOMAIN] [--user NAME] FILE\n";

/* The file under another name, until it is whole. -1: said. */
static int open_part(const char *path, struct arena *a, const char **part)
{
	if (strcmp(path, "-") == 0)
		return STDOUT_FILENO;
	*part = str_printf(a, "%s.part", path).p;
	int fd = open(*part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		say(0, "%s: %s", *part, strerrordesc_np(errno));
	return fd;
}

static bool close_part(int fd, const char *part, const char *path, bool ok)
{
	if (fd == STDOUT_FILENO)
		return ok;
	if (ok && fsync(fd) != 0)
		ok = say(0, "%s: %s", part, strerrordesc_np(errno));
	close(fd);
	if (ok && rename(part, path) != 0)
		ok = say(0, "%s: %s", path, strerrordesc_np(errno));
	if (!ok)
		unlink(part);
	return ok;
}

static void say_exported(const struct export_counts *n)
{
	fprintf(stderr,
		"%llu accounts, %llu contacts, %llu requests to subscribe, %llu vCards,\n"
		"%llu private elements, %llu blocked addresses, %llu offline messages,\n"
		"%llu archived messages, %llu PEP nodes with %llu items\n",
		(unsigned long long)n->accounts, (unsigned long long)n->contacts,
		(unsigned long long)n->requests, (unsigned long long)n->vcards,
		(unsigned long long)n->private_xml, (unsigned long long)n->blocked,
		(unsigned long long)n->offline, (unsigned long long)n->archived,
		(unsigned long long)n->nodes, (unsigned long long)n->items);
	if (n->broken)
		fprintf(stderr, "left out: %llu messages that could not be read\n",
			(unsigned long long)n->broken);
}

static int export_folder(const struct transfer *t, const struct words *w, const char *dir,
	struct arena *a)
{
	const struct export_options o = { w->host, w->user, &interrupted };
	struct export_counts counts;
	const char *part = NULL;
	struct str error;
	struct data d;

	if (!data_open_folder(&d, dir, a, &error))
		return say(EXIT_FAILURE, "%.*s", STR_FMT(error));
	int fd = open_part(w->path, a, &part);
	bool ok = fd >= 0;
	if (ok && !export_data(&d, t->config, &o, fd, &counts, a, &error))
		ok = say(0, "%s: %.*s", w->path, STR_FMT(error));
	if (fd >= 0)
		ok = close_part(fd, part, w->path, ok);
	data_close(&d);
	if (ok)
		say_exported(&counts);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Of a running server: from a copy that it makes for this, in a folder beside its data. */
static int export_running(const struct transfer *t, const struct words *w, struct arena *a)
{
	const char *dir = t->config->data_dir.p;
	char *absolute = realpath(dir, NULL);

	if (!absolute)
		return say(EXIT_FAILURE, "%s: %s", dir, strerrordesc_np(errno));
	const char *copy = str_printf(a, "%s/export-%d", absolute, (int)getpid()).p;
	char *words[] = { (char *)"backup", (char *)copy, NULL };
	free(absolute);
	int code = t->ask(t->config, words);
	if (code == EXIT_SUCCESS)
		code = export_folder(t, w, copy, a);
	folder_remove(copy, 1, true);
	return code;
}

int transfer_export(const struct transfer *t, char **words)
{
	static const struct option longs[] = {
		{ "host", required_argument, NULL, 'h' },
		{ "user", required_argument, NULL, 'u' },
		{ 0 },
	};
	struct arena a;
	struct words w;
	int code = EXIT_USAGE;

	arena_init(&a, 4096);
	if (take_words(words, longs, export_usage, &w, &a)) {
		begin(SA_RESTART);
		code = t->running(t->config) ? export_running(t, &w, &a)
					     : export_folder(t, &w, t->config->data_dir.p, &a);
	}
	arena_clear(&a);
	return code;
}

/* ---- import ---- */

static const char import_usage[] =
	"usage: stentorctl import [--from prosody | --from ejabberd] [--host DOMAIN] [--user NAME]\n"
	"                         [--replace] [--check] PATH\n";

typedef bool source_fn(struct import *im, const char *path);

static source_fn *source_of(const struct words *w)
{
	if (!w->from || strcmp(w->from, "xep0227") == 0)
		return import_pie;
	if (strcmp(w->from, "prosody") == 0)
		return import_prosody;
	if (strcmp(w->from, "ejabberd") == 0)
		return import_ejabberd;
	return NULL;
}

static void say_imported(const struct import *im, const char *verb)
{
	static const char *const hashes[DIGEST_COUNT][2] = { { "SCRAM-SHA-1", "sha1" },
		{ "SCRAM-SHA-256", "sha256" }, { "SCRAM-SHA-512", "sha512" } };
	const struct import_counts *n = &im->counts;

	printf("%s: %llu accounts, %llu contacts, %llu requests to subscribe, %llu vCards,\n"
		"%llu private elements, %llu blocked addresses, %llu archive preferences,\n"
		"%llu offline messages, %llu archived messages, %llu PEP nodes with %llu items\n", verb,
		(unsigned long long)n->accounts, (unsigned long long)n->contacts,
		(unsigned long long)n->requests, (unsigned long long)n->vcards,
		(unsigned long long)n->private_xml, (unsigned long long)n->blocked,
		(unsigned long long)n->preferences, (unsigned long long)n->offline,
		(unsigned long long)n->archived, (unsigned long long)n->nodes,
		(unsigned long long)n->items);
	if (n->rooms)
		printf("%llu rooms\n", (unsigned long long)n->rooms);
	if (n->existing_rooms)
		printf("not touched: %llu rooms that exist already (--replace replaces them)\n",
			(unsigned long long)n->existing_rooms);
	if (n->existing)
		printf("not touched: %llu accounts that exist already (--replace replaces them)\n",
			(unsigned long long)n->existing);
	if (n->elsewhere)
		printf("not asked for: %llu hosts or accounts\n", (unsigned long long)n->elsewhere);
	for (unsigned d = 0; d < DIGEST_COUNT; d++)
		if (n->single[d])
			printf("%llu accounts have keys for %s alone: \"scram = %s\" for the host "
				"lets every client log in\n", (unsigned long long)n->single[d],
				hashes[d][0], hashes[d][1]);
	for (size_t i = 0; i < im->n_notes; i++)
		printf("left out: %llu x %.*s%s%.*s\n", (unsigned long long)im->notes[i].n,
			STR_FMT(im->notes[i].text), im->notes[i].place.n ? "; the first at " : "",
			STR_FMT(im->notes[i].place));
}

/* The index of words is made from the ledger, and catches up with what is new: of an account
 * whose archive became another one it must be made again. */
static void forget_index(const struct config *c)
{
	if (!search_remove(c->data_dir.p))
		say(0, "%s/search.db cannot be deleted: %s", c->data_dir.p, strerror(errno));
}

static int store_all(struct import *im, source_fn *source, const char *path)
{
	struct str error;
	struct data d;

	if (!data_open(&d, im->config, true, &im->mem, &error))
		return say(EXIT_FAILURE, "%.*s", STR_FMT(error));
	import_again(im, &d);
	bool ok = source(im, path);
	data_close(&d);
	if (im->replaced)
		forget_index(im->config);
	if (ok) {
		say_imported(im, "imported");
		return EXIT_SUCCESS;
	}
	say(0, "%.*s", STR_FMT(im->error));
	return say(EXIT_FAILURE, "%llu accounts were imported before; the one at which it failed "
		"was not", (unsigned long long)im->counts.accounts);
}

static int run_import(const struct transfer *t, const struct words *w, source_fn *source)
{
	const struct import_options o = { w->host, w->user, w->replace, w->check, &interrupted };
	struct import im;
	int code;

	import_init(&im, t->config, &o);
	if (!source(&im, w->path)) {
		code = say(EXIT_FAILURE, "%.*s; nothing was changed", STR_FMT(im.error));
	} else if (w->check) {
		say_imported(&im, "to import");
		code = EXIT_SUCCESS;
	} else {
		code = store_all(&im, source, w->path);
	}
	import_clear(&im);
	return code;
}

int transfer_import(const struct transfer *t, char **words)
{
	static const struct option longs[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "host", required_argument, NULL, 'h' },
		{ "user", required_argument, NULL, 'u' },
		{ "replace", no_argument, NULL, 'r' },
		{ "check", no_argument, NULL, 'k' },
		{ 0 },
	};
	struct arena a;
	struct words w;
	int code = EXIT_USAGE;

	arena_init(&a, 4096);
	if (take_words(words, longs, import_usage, &w, &a)) {
		source_fn *source = source_of(&w);
		begin(0);
		if (!source)
			code = say(EXIT_USAGE, "--from knows prosody, ejabberd and xep0227");
		else if (!w.check && t->running(t->config))
			code = say(EXIT_FAILURE, "the server runs; stop it first: it has the "
				"accounts that are online in memory");
		else
			code = run_import(t, &w, source);
	}
	arena_clear(&a);
	return code;
}
