/* Between admin.c, which speaks with stentorctl, and admin_commands.c.
 *
 * The protocol on the socket: a command is lines, each one word of it, ended by an empty
 * line; nothing else follows. The answer is "ok" or "error WHY" on a line, then lines of
 * output, then the end of the connection. */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

#include "server/server.h"

#define ADMIN_WORDS_MAX  8
#define ADMIN_BYTES_MAX  8192              /* of a command */
#define ADMIN_OUTPUT_MAX (64 * 1024 * 1024)

/* One command on its way. Owned by the main loop; a shard that works for it sends it home. */
struct request {
	struct admin_conn *conn;   /* who asked; NULL when gone */
	struct server *server;
	struct arena mem;
	struct str words[ADMIN_WORDS_MAX];
	unsigned n_words;
	struct buf out;            /* what is answered behind "ok" */
	struct str error;          /* instead of "ok", if set */
	unsigned expected;         /* mails that are still to come home */
};

/* Answers and frees the request. Main loop only. */
void admin_answer(struct request *r);

/* Begins a command; admin_answer() follows, now or later. */
void admin_run(struct request *r);

/* backup.c: the command `backup DIR`. */
void backup_run(struct request *r);

#endif
