/* Ad-hoc commands (XEP-0050 1.3.0): what a module says of its commands, and what they call.
 *
 * A command belongs to a host, to a service of rooms or to each room, and is for the
 * administrators of the host (host_administers()) or for whom it allows itself. It has forms that
 * are filled in one after the other; without any it is carried out at once. An execution is a
 * session of the full JID that asked, on the shard where that asked, or that owns the room; it ends
 * when the command is completed, canceled, or COMMAND_SESSION_MS after the last that was heard of
 * it.
 *
 * What a command needs of another shard is done by errands. While a request is being worked on the
 * session stays, and takes no other. */
#ifndef CORE_COMMAND_H
#define CORE_COMMAND_H

#include "core/module.h"

#define COMMAND_SESSIONS_MAX 8            /* of a bare JID; the oldest one ends for a new one */
#define COMMAND_ROOMS_MAX    1000         /* at all rooms of a shard; likewise */
#define COMMAND_SESSION_MS   (600 * 1000)
#define COMMAND_VALUES_MAX   100          /* of one field of a form that is filled in */
#define COMMAND_OUT_MAX      (1024 * 1024) /* bytes that errands bring home */
#define COMMAND_ID_LEN       32
#define COMMANDS_NODE        "http://jabber.org/protocol/commands"

struct command_session;

/* A field of a form (XEP-0004 section 3.3). options: values of a list, NULL-terminated. */
struct command_field {
	const char *var; /* NULL ends a list of fields */
	const char *type, *label;
	bool required;
	const char *value; /* at first, or NULL */
	const char *const *options;
};

/* prepare (or NULL) looks for more fields, which command_show() takes; or it refuses. */
struct command_form {
	const char *title, *instructions;
	const struct command_field *fields; /* NULL: all of them come from prepare */
	void (*prepare)(struct command_session *x);
};

struct command {
	const char *node;  /* NULL ends a module's list */
	const char *name;  /* for people */
	unsigned at;       /* AT_HOST, AT_ROOMS, AT_ROOM */
	const struct command_form *forms;
	unsigned n_forms;

	/* The form x->stage was filled in, with all that is required in it; or there are no forms.
	 * One of command_next(), command_done(), command_refuse() and command_bad_payload() is
	 * called once, now or when errands have come home. */
	void (*run)(struct command_session *x);

	/* Whether somebody may use it, and know of it. NULL: the host's administrators. */
	bool (*allows)(const struct ctx *c, struct jid who);
	bool at_once; /* the first form may come filled in with the first request */
};

/* Owned by its shard. A command reads, and calls what stands below. */
struct command_session {
	struct list link;              /* shard.commands, the longest unheard of first */
	struct shard *shard;
	const struct command *command;
	char id[COMMAND_ID_LEN];
	struct jid asker;              /* full; text inline, behind the struct */
	struct str address;            /* of the host, service or room; inline too */
	struct str domain;             /* in it */
	unsigned stage;                /* the form that was shown last */
	unsigned next;                 /* the form to be shown */
	bool shown;                    /* any was */
	struct later *request;         /* being worked on, or NULL */
	const struct xml_node *form;   /* in it, filled in; or NULL */
	struct timer timer;
	struct buf memo;               /* what the command remembers from form to form */
	unsigned errands, expected;    /* sent for the request, and not home yet */
	struct buf out;                /* what they found, in the order in which they came home */
	struct buf failures;           /* for people, a line for each that failed */
	enum stanza_error error;       /* why the last of them failed */
	void (*gathered)(struct command_session *x);
};

/* ---- the protocol, for its module ---- */

/* The command of a node at such a place (one of enum iq_place), or NULL. */
const struct command *command_find(const struct shard *s, struct str node, unsigned at);

/* A request with a <command/>. */
enum outcome command_request(struct ctx *c, const struct stanza *iq, unsigned at);

/* The list of commands, for who may use them; what one of them is, or the items that it has, which
 * are none (section 2.2). */
enum outcome command_list(struct ctx *c, const struct stanza *iq, unsigned at);
enum outcome command_disco(struct ctx *c, const struct stanza *iq, const struct command *command,
	bool items);

/* The sessions of a shard: none yet; all, its thread has ended. */
void commands_init(struct shard *s);
void commands_clear(struct shard *s);

/* ---- the form that was filled in ---- */

/* The first value of a field, without white space around it, valid in this turn; the null slice
 * when there is none. */
struct str command_value(const struct command_session *x, const char *var);

/* All values but empty ones, at most COMMAND_VALUES_MAX; false (refused): there are more. */
bool command_values(struct command_session *x, const char *var, struct str *out, size_t *n);

/* An address with a localpart at x->domain, valid in this turn; the value of a field, made bare.
 * False: refused. */
bool command_parse_jid(struct command_session *x, struct str text, struct jid *out);
bool command_jid(struct command_session *x, const char *var, struct jid *out);

/* The room that a command was asked of, which is held in run() and prepare(); later NULL when it is
 * gone. */
struct room *command_room(const struct command_session *x);

/* ---- what comes of it ---- */

/* On to the next form. */
void command_next(struct command_session *x);

/* Shows the form, with more fields, as XML. */
void command_show(struct command_session *x, struct str fields);

/* It is completed. payload: XML, or empty. note: for people, or empty; failed: it is an error
 * (section 3.6). */
void command_done(struct command_session *x, struct str payload);
void command_done_with(struct command_session *x, struct str payload, bool failed, struct str note);

/* Nothing was done: the form may be filled in again, where one has been shown. */
void command_refuse(struct command_session *x, enum stanza_error e, struct str text);
void command_bad_payload(struct command_session *x, struct str text);

/* Keeps a text for a later form (x->memo). */
void command_remember(struct command_session *x, struct str text);

/* Parts of a result as XML: <x type='result'>, a column of its table, a field. */
void command_open_result(struct writer *w, const char *title);
void command_write_column(struct writer *w, const char *var, const char *label);
void command_write_field(struct writer *w, const char *var, struct str value);

/* ---- errands ---- */

/* Work on another shard (or this one). jid, arg: copies. work() runs there and sees to it that
 * command_home() is called there, once, now or later. */
struct command_errand {
	struct mail mail;
	struct command_session *session; /* not to be touched there, but for its request */
	struct shard *there;
	struct jid jid;
	struct str arg;
	void (*work)(struct command_errand *e);
	struct buf out;
	const char *failure;             /* for people; NULL: it is done */
	enum stanza_error error;
};

/* gathered(x) is called when all errands of the request are home: by default (NULL) the command
 * is completed, with a note for what failed; a single one that failed is refused. */
void command_gather(struct command_session *x, void (*gathered)(struct command_session *x));
void command_send(struct command_session *x, struct shard *there, struct jid jid, struct str arg,
	void (*work)(struct command_errand *e));

/* Sends it to each shard. */
void command_send_all(struct command_session *x, struct jid jid, struct str arg,
	void (*work)(struct command_errand *e));

void command_home(struct command_errand *e);

/* The same as the end of something of the store: what its failure means is said here. */
void command_home_with(struct command_errand *e, enum store_status status);
void command_refuse_with(struct command_session *x, enum store_status status);

#endif
