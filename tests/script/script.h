/* A script file as cases of lines, and the words in a line that stand for others.
 *
 * docs/testing.md explains the language. What stands before the first case belongs to every
 * case. */
#ifndef SCRIPT_SCRIPT_H
#define SCRIPT_SCRIPT_H

#include "base/arena.h"

struct line {
	unsigned number;
	struct str text;   /* with its continuations, indentation taken off */
};

struct test_case {
	struct str name;
	struct line *lines;  /* those before the first case, then its own */
	size_t n_lines;
};

struct script {
	struct arena mem;
	struct test_case *cases;
	size_t n_cases;
	struct str error;    /* p NULL: it could be read */
};

/* Reads the file. Always to be cleared. */
void script_read(struct script *s, const char *path);
void script_clear(struct script *s);

/* What a line's words stand for: names of `define`, and what the asker knows. */
struct words {
	struct str *names, *texts;
	size_t n;
	/* {KIND:ARGUMENT} for a kind that is not known here; the null slice: there is none. */
	struct str (*look_up)(void *user, struct str kind, struct str argument);
	void *user;
};

void words_define(struct words *w, struct arena *a, struct str name, struct str text);

/* The line with every $NAME and {KIND:ARGUMENT} replaced. False and the word, when it means
 * nothing. */
bool words_expand(const struct words *w, struct str line, struct arena *a, struct str *out);

/* Takes the first word off. The null slice when there is none. */
struct str word_next(struct str *rest);

#endif
