/* Plays one case: each line is a command to the world or to a player, or an expectation. */
#ifndef SCRIPT_STAGE_H
#define SCRIPT_STAGE_H

#include "script.h"

/* The null slice when the case went as its script says; else line and reason, in the arena. */
struct str play(const struct test_case *c, unsigned n_shards, struct arena *a);

#endif
