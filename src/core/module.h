/* A room for a XEP: one source file with one descriptor as its only symbol.
 *
 * The descriptor has tables: disco features, IQ rules, and functions at named stages of a
 * stanza's way. Core dispatches; a room takes no locks, never blocks, and never includes
 * another room. The list of rooms is src/modules/meson.build. */
#ifndef CORE_MODULE_H
#define CORE_MODULE_H

#include "core/account.h"
#include "core/shard.h"
#include "xml/writer.h"
#include "xmpp/stanza.h"

struct client;
struct command;
struct delivery;
struct node;
struct node_item;
struct node_rule;
struct occupant;
struct recipients;
struct room;
struct seat;

/* Where an IQ may be addressed to for a rule to take it, as bits. */
enum iq_place {
	AT_HOST = 1,    /* the domain */
	AT_ACCOUNT = 2, /* the bare JID of an account, by anybody */
	AT_OWN = 4,     /* the bare JID of the sender's own account (or no address) */
	AT_GUEST = 8,   /* a stream that is not authenticated yet */
	AT_ROOMS = 16,  /* the domain of a service of rooms */
	AT_ROOM = 32,   /* the bare JID of a room that there is; see core/room.h */
	AT_NODES = 64   /* the domain of a service of nodes; see core/node.h */
};

/* Who asks whom: given to each handler, gone when it returns. */
struct ctx {
	struct shard *shard;
	struct host *host;         /* addressed, or of the addressed account */
	struct account *account;   /* addressed; NULL at a host, and for AT_ACCOUNT where there
				    * is none: answer as if the sender may know nothing */
	struct session *session;   /* of the sender, if it is bound to `account` (AT_OWN) */
	struct client *guest;      /* AT_GUEST: who asks */
	struct room *room;         /* AT_ROOM: addressed */
	struct seat *seat;         /* AT_ROOM: of the sender, if he is in the room */
};

/* What becomes of a message. */
enum passage {
	PASSES,
	TURNED_BACK, /* its sender gets an error */
	DROPPED  /* nobody hears of it */
};

enum outcome {
	ANSWERED, /* a reply or an error was sent */
	LATER     /* a struct later was taken; it will be */
};

struct iq_rule {
	enum stanza_type type; /* IQ_GET or IQ_SET; TYPE_INVALID ends the table */
	uint16_t ns, tag;      /* of the payload */
	unsigned at;
	enum outcome (*run)(struct ctx *c, const struct stanza *iq);
};

/* A first-level element of a stream feature (XEP-0198, XEP-0352): by namespace, whatever the
 * phase of the stream. ns NS_NONE ends the table. */
struct nonza_rule {
	uint16_t ns;
	void (*run)(struct client *c, const struct xml_doc *d);
};

/* A node of service discovery (XEP-0030 sections 3.2 and 4.2), or with an empty name what is answered
 * where no node is asked for, or (DISCO_ANY) each node that nobody has by its name. A function that is
 * NULL leaves that to modules/xep0030_disco.c. Whether the one who asks may know of it is for the
 * functions to see. node NULL ends the table. */
#define DISCO_ANY "*"
struct disco_node {
	const char *node;
	unsigned at; /* AT_HOST, AT_ACCOUNT, AT_ROOMS, AT_ROOM, AT_NODES */
	enum outcome (*info)(struct ctx *c, const struct stanza *iq);
	enum outcome (*items)(struct ctx *c, const struct stanza *iq);
};

/* All members are pointers (see module_each()); NULL: the module has no such thing. */
struct module {
	const char *name;
	const char *spec;                     /* "XEP-0199 2.0.1" */
	const char *const *features;          /* of the host, in disco#info; NULL-terminated */
	const char *const *account_features;  /* of an account's bare JID */
	const char *const *service_features;  /* of a service of rooms */
	const char *const *room_features;     /* of a room */
	const char *const *nodes_features;    /* of a service of nodes */
	const struct disco_node *nodes;
	const struct iq_rule *iq;
	const struct node_rule *requests;     /* of publish-subscribe (core/node_request.h) */

	/* An IQ get or set that no rule takes, at these places. True: it was answered, or will be. */
	bool (*iq_left)(struct ctx *c, const struct stanza *iq, unsigned at);

	const struct nonza_rule *nonzas;
	const struct command *commands;       /* XEP-0050 (core/command.h) */

	/* A resident space of the accounts' data (store/store.h), or NULL. load: an entry of it,
	 * when the account is loaded; unload: forget all, because the account leaves or is loaded
	 * again. */
	const char *space;
	void (*load)(struct account *a, struct str key, struct str bytes);
	void (*unload)(struct account *a);

	/* Adds stream features; authed: behind SASL. */
	void (*stream_features)(struct shard *s, const struct host *h, struct writer *w,
		bool authed);

	/* Adds children to the disco#info of a host, or (c->account) of an account. */
	void (*disco)(struct ctx *c, struct writer *w);

	/* A message that a session sends, before anything is done with it. It may be replaced by
	 * another, which takes the place of the reference. TURNED_BACK: *why has the error. */
	enum passage (*message_sent)(struct session *s, struct stanza **message,
		struct stanza_refusal *why);

	/* A message from elsewhere (message_enter()), likewise. */
	enum passage (*message_entered)(struct shard *s, struct stanza **message,
		struct stanza_refusal *why);

	/* A message has reached the account that it is for, likewise: before anybody gets it and
	 * before it is kept. to: as it was addressed. */
	enum passage (*message_arrives)(struct account *a, struct stanza **message, struct jid to,
		struct stanza_refusal *why);

	/* A valid stanza from a component or a remote server, before it is routed. True: the module has
	 * seen to it. */
	bool (*foreign_sent)(struct shard *s, struct stanza *st);

	/* What a host tells a component of its grants (core/grant.h), as content of a message: when it
	 * connects (was NULL), and when they have changed. Nothing is written where there is nothing
	 * to say. */
	void (*component_grants)(const struct grants *was, const struct grants *is, struct writer *w);

	/* A component has connected, or other grants hold for it; behind that. On its owner. */
	void (*component_joined)(struct shard *s, const struct host *component);

	/* An IQ get or set for a host, or for a bare address of one (enum iq_place), before a rule is
	 * looked for. True: the module answers it. */
	bool (*iq_taken)(struct ctx *c, const struct stanza *iq, unsigned at);

	/* The roster of an account has changed. query: the payload of the push. */
	void (*roster_changed)(struct account *a, struct str query);

	/* Behind that: the contact that has changed, or is in it no more. */
	void (*contact_changed)(struct account *a, struct jid contact);

	/* More addresses are blocked from now on (account_blocks()). */
	void (*blocked)(struct account *a);

	/* The message of a session, with its archive id, before it is routed. */
	void (*message_leaves)(struct session *s, const struct stanza *message);

	/* What an account wants kept of a message that it sent or that is for it (enum keep);
	 * partner: the other side, its resource included. Changes nothing. A message that no resource
	 * takes and nobody wants kept goes back with service-unavailable. */
	unsigned (*keeps)(struct account *a, const struct stanza *message, struct jid partner,
		bool sent);

	/* Whether those who wish for copies get one of a message that is about to be delivered
	 * (XEP-0280). Changes nothing. */
	bool (*copies)(const struct delivery *d);

	/* A message for an account was given to its resources, or kept for later. */
	void (*delivered)(const struct delivery *d);

	/* Something for a session whose client is inactive or away. True: the module has kept
	 * it, for session_write() later. message NULL: text, which cannot be held back; what is
	 * held goes out before it. */
	bool (*holds)(struct session *s, const struct stanza *st, struct jid to);

	/* A request to subscribe to the account's presence came, and waits for its owner. */
	void (*subscription_waits)(struct account *a);

	/* A resource was bound, of which its client is about to be told; or a session of before a
	 * restart is there again. Nothing may be sent to it yet. */
	void (*session_began)(struct session *s);

	/* A session's client is gone, and may come back (XEP-0198). It said that somebody looks at
	 * it (XEP-0352). */
	void (*session_left)(struct session *s);
	void (*session_active)(struct session *s);

	/* A session's client came back (XEP-0198). A session is over; what a module holds in it
	 * is to be freed. */
	void (*session_resumed)(struct session *s);
	void (*session_ended)(struct session *s);

	/* A session became available with a priority that is not negative, or may take what
	 * waits now that another one is gone. */
	void (*available)(struct session *s);

	/* The owner has set the vCard (XEP-0054; empty: it says nothing), which is stored. photo: the hash
	 * of its photo, or empty. */
	void (*vcard_changed)(struct account *a, struct str vcard, struct str photo, struct jid by);

	/* The account is being deleted, on its owner. */
	void (*deleted)(struct account *a);

	/* Available presence that a session sends to all or to somebody, before anything is done
	 * with it. It may be replaced by another, which takes the place of the reference. */
	void (*presence_sent)(struct session *s, struct stanza **presence);

	/* Presence for all of a session of the account, after everybody was told of it: available or
	 * unavailable. And what has come for the account, behind its sessions: that too, errors and
	 * probes, with the address that it was sent to. */
	void (*presence_arrived)(struct account *a, struct stanza *presence, struct jid to);

	/* ---- rooms (core/room.h), on their owners ---- */

	/* A resident space of the rooms' data (store/rooms.h), or NULL. load: an entry of it, when
	 * the room is loaded; unload: forget all, because the room leaves memory. */
	const char *room_space;
	void (*room_load)(struct room *r, struct str key, struct str bytes);
	void (*room_unload)(struct room *r);

	/* Adds children to the disco#info of a room, and fields to its form of type
	 * muc#roominfo. */
	void (*room_disco)(struct ctx *c, struct writer *w);
	void (*room_info)(struct room *r, struct writer *w);

	/* Adds children to the presence of an occupant. */
	void (*room_presence)(const struct occupant *o, struct writer *w);

	/* Somebody enters: before he is sent anything. */
	void (*room_entering)(struct seat *seat, const struct stanza *presence);

	/* A groupchat message of an occupant who may speak. False: it is not passed on, and *why has
	 * the error, maybe with type and text. */
	bool (*room_accepts)(struct seat *seat, const struct stanza *message,
		struct stanza_refusal *why);

	/* It was passed on: as the occupants got it. */
	void (*room_passed_on)(struct occupant *o, struct stanza *message);

	/* A message to the room itself that is not groupchat, errors included; seat: of its sender, or
	 * NULL. True: it was answered, or done. */
	bool (*room_asked)(struct room *r, struct seat *seat, struct stanza *message);

	/* The room is being destroyed. */
	void (*room_ended)(struct room *r);

	/* ---- nodes (core/node.h), on their owners ---- */

	/* Items that are about to be published. False: they are not, and *why has the error. */
	bool (*node_accepts)(struct node *n, const struct node_item *items, size_t n_items,
		struct jid by, struct stanza_refusal *why);

	/* Items were published, or taken out: that is durable, and subscribers have been told. All of
	 * them (n_ids is 0): the node was purged or deleted. */
	void (*node_published)(struct node *n, const struct node_item *items, size_t n_items,
		struct jid by);
	void (*node_retracted)(struct node *n, const struct str *ids, size_t n_ids);

	/* A message to a service of nodes, on any shard. True: the module has seen to it. */
	bool (*nodes_told)(struct shard *s, const struct host *h, struct stanza *message);

	/* Adds to who is notified without a subscription (XEP-0163). */
	void (*node_recipients)(struct node *n, struct recipients *to);
};

#define MODULE_MEMBERS      (sizeof(struct module) / sizeof(void *))
#define MODULE_MEMBER(name) (offsetof(struct module, name) / sizeof(void *))

/* For each member, the modules that have it: a message passes ten places where modules may look on,
 * and at each of them few do. */
struct module_lists {
	const struct module *const *with[MODULE_MEMBERS];
	const struct module *modules[]; /* each list NULL-terminated, in the order of calls */
};

/* modules: as for core_init(). Freed with free(). */
struct module_lists *module_lists_new(const struct module *const *modules);

/* Each module with this member, as m: module_each(m, shard->core, keeps) bits |= m->keeps(...); */
#define module_each(m, core, member)                                                        \
	for (const struct module *const *m##_at = (core)->modules->with[MODULE_MEMBER(member)], \
	                         *m;                                                        \
	     (m = *m##_at) != NULL; m##_at++)

/* Answers. Each is called exactly once for a get or a set. */
enum outcome reply_ok(struct ctx *c, const struct stanza *iq);

/* reply_open() gives a writer inside <iq type='result'>; reply_send() closes and sends. */
struct writer reply_open(struct ctx *c, const struct stanza *iq);
enum outcome reply_send(struct ctx *c, struct writer *w, const struct stanza *iq);

/* An error; text for people, or STR(""). */
enum outcome refuse(struct ctx *c, const struct stanza *iq, enum stanza_error e, struct str text);

/* An IQ that will be answered later: keeps it and who asked. later_ctx() makes a context to
 * answer with (without account and session). */
struct later {
	struct shard *shard;
	struct stanza *iq;
	struct client *guest; /* counted */
};

struct later *later_new(struct ctx *c, const struct stanza *iq);
struct ctx later_ctx(struct later *l);
void later_free(struct later **l);

/* The node of service discovery with this name, or NULL. */
const struct disco_node *disco_node_find(const struct shard *s, struct str name, unsigned at);

/* Finds the rule for an IQ get or set and runs it, or refuses. */
void iq_dispatch(struct ctx *c, const struct stanza *iq, unsigned at);

#endif
