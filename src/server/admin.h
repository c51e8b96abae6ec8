/* Between admin.c, which speaks with stentorctl, and those who do what it asks for:
 * admin_commands.c, admin_rooms.c, admin_nodes.c, backup.c.
 *
 * The protocol on the socket: a command is lines, each one word of it, ended by an empty
 * line; nothing else follows. The answer is "ok" or "error WHY" on a line, then lines of
 * output, then the end of the connection. */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

#include "server/server.h"

#define ADMIN_WORDS_MAX  16
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
	unsigned expected;         /* errands that are still to come home */
	void (*gathered)(struct request *r); /* all are, none failed; NULL: it is answered */
};

/* Answers and frees the request. Main loop only. */
void admin_answer(struct request *r);

/* Begins a command; admin_answer() follows, now or later. */
void admin_run(struct request *r);

/* The answer is an error. */
void admin_refuse(struct request *r, const char *why);

/* A text of somebody's, which must not look like two lines or two columns; the same behind a tab. */
void admin_text(struct buf *b, struct str s);
void admin_column(struct buf *b, struct str s);

/* What a failure of the store means for people; NULL for STORE_OK. */
const char *admin_status_text(enum store_status s);

/* ---- errands on shards ---- */

/* Work for a request on a shard, which ends there with errand_home(), once, now or later. All
 * errands of a request are sent before the main loop goes on. */
struct errand {
	struct mail mail;
	struct request *request;
	struct shard *shard;
	struct jid jid;            /* in the request's arena */
	void (*work)(struct errand *e);
	struct buf out;            /* what it found: added to the answer */
	enum store_status status;
	const char *why;           /* it failed; NULL: the status says */
};

void errand_send(struct request *r, struct shard *to, struct jid j, void (*work)(struct errand *e));
void errand_home(struct errand *e);

/* backup.c: the command `backup DIR`. */
void backup_run(struct request *r);

/* admin_rooms.c: the commands `rooms [HOST]` and `room WHAT JID ...`. */
void rooms_run(struct request *r);
void room_run(struct request *r);

/* admin_nodes.c: the commands `nodes [OWNER]` and `node WHAT OWNER NAME`. */
void nodes_run(struct request *r);
void node_run_command(struct request *r);

#endif
