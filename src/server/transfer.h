/* The commands of stentorctl that work on data: `export` and `import`. */
#ifndef SERVER_TRANSFER_H
#define SERVER_TRANSFER_H

#include "server/config.h"

/* words: the command and what follows it, NULL at the end. ask: gives the running server a
 * command and returns the exit code; the output goes to standard error. running: whether a
 * server answers. The exit code, with everything said. */
struct transfer {
	const struct config *config;
	bool (*running)(const struct config *c);
	int (*ask)(const struct config *c, char **words);
};

int transfer_export(const struct transfer *t, char **words);
int transfer_import(const struct transfer *t, char **words);

#endif
