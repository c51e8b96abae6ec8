/* Opening modules of others (include/stentor/module.h, docs/modules.md): is the file to be trusted,
 * is it for this server, does it take its options. What the modules then do is server/extend.h's.
 *
 * A module is code of the server. So its file, and each folder that it is in, must belong to root
 * or to the user that the process is, and nobody else may write there: the process must have
 * become the user that it is going to be. */
#ifndef SERVER_LOAD_H
#define SERVER_LOAD_H

#include "server/config.h"

#include <stentor/module.h>

struct loaded {
	void *handle;                       /* of dlopen() */
	struct stentor_module module;       /* what it says; what it does not know is empty */
	const struct config_module *config;
};

struct loaded_modules {
	struct loaded *all; /* in the order of the configuration */
	size_t n;
};

/* Opens the modules of a configuration, whose file has that name. False, with nothing open, and
 * *errors (in the arena) has a line for each fault, as config_load() has them. Functions of theirs
 * that are called: check(), and what the linker calls. */
bool modules_load(const struct config *c, const char *file, struct loaded_modules *out,
	struct arena *a, struct str *errors);

/* Closes them. */
void modules_close(struct loaded_modules *m);

#endif
