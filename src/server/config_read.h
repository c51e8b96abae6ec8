/* From the bytes of a configuration file to raw values, each with its line.
 *
 * libconfuse has the grammar: NAME = VALUE, and SECTION { ... }. What a value means is
 * config.c's. libconfuse's lexer drops bytes it does not know, expands the environment into
 * values, takes a file that ends inside a section, and is not safe for every comment, so the
 * text is screened first: what passes is a small and plain language.
 *
 * DIAGNOSTICS: every fault becomes one line in struct faults. A fault in the screening or in
 * the grammar ends the reading; an unknown name does not. */
#ifndef SERVER_CONFIG_READ_H
#define SERVER_CONFIG_READ_H

#include "base/buf.h"
#include "server/config.h"

#define CONFIG_VALUE_MAX  4096 /* bytes between two quotes */
#define CONFIG_VALUES_MAX 8192 /* values in a file */
#define CONFIG_FAULTS_MAX 50   /* faults that are told */

/* Lines for people, "FILE:LINE: what is wrong; what would be right". */
struct faults {
	struct buf text;
	const char *file;
	unsigned n;
};

void faults_init(struct faults *f, const char *file);
void faults_clear(struct faults *f);

/* line 0: of no line, but of the whole file. */
void fault(struct faults *f, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A value as a fault shows it, not too long; in the arena. */
struct str fault_quote(struct str value, struct arena *a);

struct raw_value {
	struct raw_value *next;
	const struct config_option *option; /* NULL in the section of a module */
	struct str name;
	struct str text;
	unsigned line;
	bool more; /* of the list that the value before it belongs to */
};

struct raw_section {
	struct raw_section *next;
	enum config_section kind;
	struct str title; /* of a host, a component, a remote domain or a module */
	unsigned line;
	struct raw_value *values; /* in the order of the file */
};

/* The sections of the text, top level first, then in the order of the file; all in the
 * arena. NULL when reading stopped before the end. */
struct raw_section *config_read(struct str text, struct faults *f, struct arena *a);

#endif
