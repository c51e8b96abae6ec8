/* A script file as cases of lines, and the words in a line that stand for others.
 *
 * A line is a command or belongs to a player; an indented one goes on with the line before it, and
 * `#` begins a comment. `== NAME` begins a case: what stands before the first belongs to every case.
 *
 *     host DOMAIN [registration] [anonymous]   limit NAME N   shards N     before the server starts
 *     account JID          contact OWNER JID STATE...         friends A B  put into the store
 *     state OWNER JID STATE...                                what the store must have of a contact
 *     user JID [as NAME]   online JID [as NAME]               logs in; online is available, too
 *     guest NAME DOMAIN    raw NAME    open NAME DOMAIN       auth NAME MECHANISM USER [PASSWORD]
 *     logout NAME          drop NAME   forget NAME            ends the stream; breaks it; forgets
 *     wait 60s             restart     apart A B              the clock; the server; two shards
 *     define NAME TEXT                                        what $NAME stands for
 *     NAME> XML            sends, and waits until all is quiet; NAME>+ XML does not wait
 *     NAME< XML            what came next: match.h explains it; also `nothing` and `closed`
 *     NAME<? XML           lines of one player that stand together: these came, in any order
 *
 * STATE is none, to, from or both, with ask, approved and pending; unlisted: not in the roster.
 * {error:C}, {stream-error:C} and {sasl:C} are the elements of an error condition, {jid:NAME} and
 * {bare:NAME} a player's addresses, {base64:TEXT}, {repeat:N:TEXT} and {hex:DIGITS} bytes. */
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
