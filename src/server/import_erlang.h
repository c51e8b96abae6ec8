/* Terms of Erlang as text, as ejabberd keeps them in its database: lists, tuples, atoms, binaries,
 * strings, whole numbers. They are read and never run.
 *
 * A list and a tuple are both tables with the keys 1, 2, 3; the atoms true and false are what they
 * say, the others are strings, as binaries and strings are. */
#ifndef SERVER_IMPORT_ERLANG_H
#define SERVER_IMPORT_ERLANG_H

#include "server/import_value.h"

#define ERLANG_DEPTH_MAX 32

/* The one term of the text, in the arena. False: it is none, or has something that is not
 * understood (numbers with a point, maps, functions), or is too deep. */
bool erlang_read(struct str text, struct arena *a, struct value *out);

/* The n-th of a list or tuple, from 1 on; a nil value where there is none. */
const struct value *erlang_nth(const struct value *v, unsigned n);

/* The second of the pair in a list whose first is this atom; a nil value where there is none. */
const struct value *erlang_option(const struct value *list, const char *name);

#endif
