/* The running server: what main.c, setup.c and the administration share.
 *
 * The main thread has a loop of its own for signals and the administration socket; the
 * shards have theirs. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "core/shard.h"
#include "server/config.h"
#include "server/extend.h"

struct server {
	struct core core;
	struct loop loop;
	const char *config_file;      /* NULL: built-in defaults */
	struct config *config;
	uint8_t ticket_key[64];
	int (*listeners)[SHARDS_MAX]; /* descriptors: [listener of the configuration][shard] */
	uint16_t *ports;              /* of each listener */
	size_t n_listeners;
	unsigned n_shards;
	struct watch signals;
	struct admin *admin;
	struct extensions *extensions; /* modules of others (server/extend.h) */
	bool stopping;
	bool copying;                 /* backup.c: a copy is being made */
};

/* setup.c: steps of starting, in this order. Each logs what is wrong and returns false. */
bool server_make_folders(struct server *s);
bool server_listen(struct server *s);
bool server_drop_privileges(struct server *s);
bool server_load(struct server *s);
bool server_open(struct server *s);
void server_close(struct server *s);

/* For stentord --check: opens the modules of the configuration, as the user that the server would
 * be, and closes them again. False: told on standard error. */
bool server_check_modules(struct server *s);

/* A snapshot for core out of the configuration, certificates included. NULL: logged. */
struct settings *server_settings(struct server *s);

/* Reads the file again and gives all shards the new snapshot. False with a message for people
 * (in the arena): the old configuration stays. note: what takes effect only at a restart. */
bool server_reload(struct server *s, struct arena *a, struct str *error, struct str *note);

/* admin.c: the administration socket on the main loop. */
struct admin *admin_new(struct server *s, int fd);
void admin_free(struct admin **a);

/* Opens the socket's descriptor (mode 0600, owner as of data_dir). -1: logged. */
int admin_listen(struct server *s);

#endif
