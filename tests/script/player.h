/* A client or a component of a script: a stream in memory, and what came back over it, cut into the stream's
 * first-level pieces. */
#ifndef SCRIPT_PLAYER_H
#define SCRIPT_PLAYER_H

#include "core/client.h"
#include "core/component.h"
#include "stream/loopback.h"
#include "world.h"

enum item_kind {
	ITEM_HEADER,
	ITEM_ELEMENT,
	ITEM_END,       /* the end tag of the stream */
	ITEM_BROKEN     /* bytes that no client could read */
};

struct item {
	struct list link;
	enum item_kind kind;
	struct str text;   /* inline, behind the struct */
};

struct endpoint;

struct player {
	struct list link;          /* world.players */
	struct world *world;
	struct endpoint *end;      /* the server's side, NULL when the connection is over */
	struct list items;
	struct feed feed;
	struct xml_table table;
	struct arena mem;          /* of name, jid and last */
	struct str name;
	struct jid jid;            /* once bound */
	struct str last;           /* what it was last expected to get */
	struct str can;            /* what it answers to disco#info by itself; p NULL: nothing */
	struct buf answers;        /* that are to be sent */
};

/* A player without a connection. */
struct player *player_new(struct world *w, struct str name);
void player_free(struct player *p);

struct player *player_find(struct world *w, struct str name);

/* Connects, as a client or as a component; no byte is sent. */
void player_connect(struct player *p);
void player_connect_component(struct player *p);

/* The handshake (XEP-0114) for the id of a stream: what goes between its tags. In the arena. */
struct str player_handshake(struct str id, struct str secret, struct arena *a);

/* From a new connection to one over which stanzas flow, as a component. False: it did not come to
 * that, and items has what arrived instead. */
bool player_join(struct player *p, struct str domain, struct str secret);

/* Gives bytes to the server, which has not run on when it returns. */
void player_send(struct player *p, struct str bytes);

/* The connection is lost without a word. */
void player_drop(struct player *p);

/* Moves what the server wrote into items; notes when it closed the connection. */
void player_hear(struct player *p);

/* Gives what it answers by itself to the server. False: there was nothing. */
bool player_answer(struct player *p);

/* The stream's header to a host. */
void player_open(struct player *p, struct str host);

/* Runs one exchange of SASL and leaves its end in items. mech MECH_ANONYMOUS: without a user.
 * False when the stream is no longer there. */
bool player_auth(struct player *p, enum sasl_mech_id mech, struct str user, struct str password);

/* Logs in and binds (no resource: the server makes one up), all over the stream. False: it did
 * not come to that, and items has what arrived instead. */
bool player_login(struct player *p, struct jid j);
bool player_login_guest(struct player *p, struct str host);

/* Takes the next item out; the caller frees it. NULL: there is none. */
struct item *player_next(struct player *p);

/* Forgets all items. */
void player_forget(struct player *p);

#endif
