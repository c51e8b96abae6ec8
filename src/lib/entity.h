/* The inside of an entity: its loop, its handlers, and what waits for answers. Who owns it (a
 * component) lends it the stream. */
#ifndef LIB_ENTITY_H
#define LIB_ENTITY_H

#include "stentor/command.h"

#include "base/map.h"
#include "lib/tree.h"
#include "net/loop.h"
#include "xmpp/jid.h"

/* The stream below. */
struct entity_ops {
	/* The output buffer, or NULL: there is no stream. */
	struct buf *(*out)(struct stentor_entity *e);

	/* Bytes that wait to be sent. */
	size_t (*backlog)(const struct stentor_entity *e);

	/* Whether an address is of this entity. */
	bool (*owns)(const struct stentor_entity *e, struct jid j);
};


struct iq_rule {
	struct iq_rule *next;
	const char *type, *ns, *name; /* NULL: any */
	stentor_iq_fn *fn;
	void *user;
};

struct disco_thing {
	struct disco_thing *next;
	unsigned where;
	const char *a, *b, *c; /* category, type, name; var; or jid, node, name */
};

struct command {
	struct command *next;
	unsigned where;
	const char *node, *name;
	stentor_command_fn *run;
	stentor_allow_fn *allows;
	void *user;
};

struct stentor_entity {
	struct loop loop;
	const struct entity_ops *ops;
	const char *address;
	struct arena mem;            /* what lives as long as it does */
	size_t output_bytes;
	uint32_t stanza_bytes;
	bool refused;                /* something was STENTOR_FULL: say when that is over */

	struct iq_rule *rules;
	stentor_message_fn *on_message;
	stentor_presence_fn *on_presence;
	stentor_writable_fn *on_writable;
	void *message_user, *presence_user, *writable_user;

	struct map asks;             /* struct ask by id */
	uint64_t next_id;            /* with a random start: ids cannot be guessed easily */
	char id_prefix[17];
	struct list timers;          /* struct stentor_timer */

	struct disco_thing *identities, *features, *items;
	const char *version[3];      /* name, version, os */

	struct command *commands;
	struct list executions;      /* struct stentor_execution, the longest unheard of first */
	unsigned n_executions;
	uint8_t secret[32];          /* of execution ids */
};

/* False with errno: no descriptors. address: canonical, copied. */
bool entity_init(struct stentor_entity *e, const struct entity_ops *ops, const char *address);

/* Frees what it holds, telling those who wait for an answer. */
void entity_clear(struct stentor_entity *e);

/* A stanza from the stream, which is jabber:client's. Nothing of it is trusted. */
void entity_stanza(struct stentor_entity *e, const struct xml_doc *d);

/* The stream is gone: those who wait for answers are told. */
void entity_lost(struct stentor_entity *e);

/* Whether so many bytes wait that no more is read or taken. */
bool entity_is_full(const struct stentor_entity *e);

/* Tells the program that it can send again, if it wants to know. */
void entity_drained(struct stentor_entity *e);

/* stentor_send() of an answer: it is taken when the output is full, too. Of these there is one for
 * a stanza that was read, and nothing is read then. */
enum stentor_error entity_answer(struct stentor_entity *e, struct stentor_element *stanza);
void entity_refuse(struct stentor_entity *e, const struct stentor_element *stanza,
	enum stentor_condition condition, const char *text);

/* The bit of enum stentor_where for the `to` of a stanza. */
unsigned entity_where(const struct stentor_element *stanza);

/* A text that lives as long as the entity; NULL stays NULL. */
const char *entity_keep(struct stentor_entity *e, const char *text);

/* A copy, to be freed. */
char *text_copy(struct str s);

/* Whether a text (NULL is welcome) is the other. */
bool is_same(const char *a, const char *b);

/* disco.c: requests that the library answers itself. False: it is none of them. */
bool disco_request(struct stentor_entity *e, const struct stentor_element *iq,
	const struct stentor_element *payload);

/* Whether addresses of this kind are answered for. */
bool disco_answers(const struct stentor_entity *e, unsigned where);

/* command.c */
bool command_request(struct stentor_entity *e, const struct stentor_element *iq,
	const struct stentor_element *payload);
void commands_clear(struct stentor_entity *e);

/* The command of a node, for who may use it there; NULL: none. */
const struct command *command_find(const struct stentor_entity *e, unsigned where, const char *node,
	const char *who);

#endif
