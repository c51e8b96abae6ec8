/* Modules of others: shared objects that stentord loads (docs/modules.md).
 *
 * A module exports one symbol, `stentor_module`, of type struct stentor_module. The configuration
 * names the file:
 *
 *     module "/usr/lib/stentor/wordfilter.so" { mask = "*" }
 *
 * The server calls the functions of the descriptor, and each of them gets a struct stentor_call,
 * through which the module asks the server. A call belongs to one shard: it must not block, and
 * nothing of it may be used once it has returned, but for what is said to be kept. All calls about
 * one account come from its shard, one after the other; what hangs off call->shard_state needs no
 * locks. Which thread it is may change from call to call.
 *
 * The ABI: STENTOR_MODULE_ABI grows when a module has to be built again, and must be the server's.
 * Within it, members are only added, at the end of struct stentor_module, struct stentor_server and
 * struct stentor_call; `size` says which there are. A newer server takes an older module. An older
 * server takes a newer module that leaves empty what it does not know.
 *
 * For C99 and C++. */
#ifndef STENTOR_MODULE_H
#define STENTOR_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STENTOR_MODULE_ABI 1

/* Bytes with their length; no NUL ends them. p NULL: there is none. */
struct stentor_text {
	const char *p;
	size_t n;
};

static inline struct stentor_text stentor_text_of(const char *z)
{
	struct stentor_text t = { z, z ? strlen(z) : 0 };
	return t;
}

static inline bool stentor_text_is(struct stentor_text t, const char *z)
{
	return t.p && t.n == strlen(z) && memcmp(t.p, z, t.n) == 0;
}

struct stentor_self;   /* this module, as the server knows it: valid until unload() */
struct stentor_node;   /* an element of the stanza at hand: valid until the call returns, or
			* replace() has changed the stanza */
struct stentor_server;

/* One call of the server into the module. */
struct stentor_call {
	const struct stentor_server *server;
	const struct stentor_self *self;
	void *state;           /* what load() made */
	void *shard_state;     /* what shard_begin() made for this shard */
	uint32_t shard;        /* from 0 on */
};

enum stentor_level { STENTOR_DEBUG, STENTOR_INFO, STENTOR_WARN, STENTOR_ERROR };

/* A message or presence goes on its way, or ends here: with the error that refuse() was given, else
 * without a word. */
enum stentor_passage { STENTOR_PASS, STENTOR_STOP };

/* Where an IQ may be addressed to, as bits. */
enum stentor_place {
	STENTOR_AT_HOST = 1,    /* a domain of the server, by anybody */
	STENTOR_AT_ACCOUNT = 2, /* the bare JID of an account, by who may see its presence: its
				 * owner, and who is subscribed. To others the server answers as if
				 * there were no such account */
	STENTOR_AT_OWN = 4      /* the bare JID of the sender's own account, or no address */
};

/* Called later, in a call of its own. */
typedef void stentor_run_fn(struct stentor_call *c, void *data);

/* A change of an account's data has been stored, or not. */
typedef void stentor_stored_fn(struct stentor_call *c, bool stored, void *data);

/* What the server does for a module. Functions that take a call are for the thread that was called,
 * while it is; those that take `self` for any thread, from load() until unload() returns. Texts
 * that are returned live as long as the call, and are copies, which the module may write into. */
struct stentor_server {
	uint32_t abi, size;

	/* ---- any thread ---- */

	/* A line in the server's log. Never bodies of messages, never secrets. */
	void (*log)(const struct stentor_self *self, enum stentor_level level, const char *text);

	/* The value of an option of the descriptor: what the configuration says, else its default.
	 * NULL: there is no such option, or it has neither. Valid until unload(). */
	const char *(*option)(const struct stentor_self *self, const char *name);

	/* Calls fn once, soon, on the shard that owns an address; where that is the address of an
	 * account, when it is loaded, as account(c). False: this is no address, or the server stops;
	 * fn is not called then. */
	bool (*run)(const struct stentor_self *self, struct stentor_text address, stentor_run_fn *fn,
		void *data);

	/* The same on a shard by its number, of a call. */
	bool (*run_on)(const struct stentor_self *self, uint32_t shard, stentor_run_fn *fn,
		void *data);

	/* ---- addresses: all are canonical (RFC 7622), so that equal ones have equal bytes ---- */

	/* The canonical form; none: this is no address. */
	struct stentor_text (*address)(struct stentor_call *c, struct stentor_text text);

	/* Its parts; local and resource are none where there is no such part. */
	struct stentor_text (*local)(struct stentor_text address);
	struct stentor_text (*domain)(struct stentor_text address);
	struct stentor_text (*resource)(struct stentor_text address);
	struct stentor_text (*bare)(struct stentor_text address);

	/* ---- who and what the call is about ---- */

	/* The bare JID of the account at hand, or none. */
	struct stentor_text (*account)(struct stentor_call *c);

	/* The stanza at hand, all none where there is none: its addresses as the server knows them,
	 * its id, and its type ("normal", "chat"; "available" for presence without; "get", ...). */
	struct stentor_text (*from)(struct stentor_call *c);
	struct stentor_text (*to)(struct stentor_call *c);
	struct stentor_text (*id)(struct stentor_call *c);
	struct stentor_text (*type)(struct stentor_call *c);

	/* Its elements: the stanza itself, the first child of an element, its next sibling. NULL: there
	 * is none; NULL is also the answer for NULL. child(): the first with this name and namespace. */
	const struct stentor_node *(*root)(struct stentor_call *c);
	const struct stentor_node *(*first)(struct stentor_call *c, const struct stentor_node *el);
	const struct stentor_node *(*next)(struct stentor_call *c, const struct stentor_node *el);
	const struct stentor_node *(*child)(struct stentor_call *c, const struct stentor_node *el,
		const char *name, const char *ns);

	/* Local name and namespace URI; the value of an attribute without namespace, or of "xml:lang"
	 * (none: it has no such); the text directly inside; the element as XML that stands alone. */
	struct stentor_text (*name)(struct stentor_call *c, const struct stentor_node *el);
	struct stentor_text (*ns)(struct stentor_call *c, const struct stentor_node *el);
	struct stentor_text (*attribute)(struct stentor_call *c, const struct stentor_node *el,
		const char *name);
	struct stentor_text (*text)(struct stentor_call *c, const struct stentor_node *el);
	struct stentor_text (*xml)(struct stentor_call *c, const struct stentor_node *el);

	/* ---- writing ---- */

	/* As printf(). Give texts as ("%.*s", (int)t.n, t.p). */
	struct stentor_text (*print)(struct stentor_call *c, const char *format, ...)
#ifdef __GNUC__
		__attribute__((format(printf, 2, 3)))
#endif
		;

	/* The text as it stands in XML, between tags or in an attribute's quotes. */
	struct stentor_text (*escape)(struct stentor_call *c, struct stentor_text text);

	/* Sends a stanza, whose `from` and `to` must be written in it, when the call is over. What is
	 * sent is delivered in order. `from` is an address of this server: nobody looks at whose. False:
	 * it is no stanza, is too large, or the server stops. */
	bool (*send)(struct stentor_call *c, struct stentor_text xml);

	/* ---- answering an IQ, each once; false: it was answered, or has waited too long ---- */

	/* A result, with an element in it or (no text) without. */
	bool (*reply)(struct stentor_call *c, uint64_t request, struct stentor_text xml);

	/* An error: a condition of RFC 6120 section 8.3.3 ("item-not-found"), and text for people or
	 * none. */
	bool (*reply_error)(struct stentor_call *c, uint64_t request, const char *condition,
		struct stentor_text text);

	/* Says in its handler that the answer comes later, from a call on the same shard within 60
	 * seconds. False: too many wait; an error is sent. */
	bool (*reply_later)(struct stentor_call *c, uint64_t request);

	/* ---- in the functions for messages, and replace() in presence_sent() ---- */

	/* The error with which a message goes back, if the function returns STENTOR_STOP. */
	void (*refuse)(struct stentor_call *c, const char *condition, struct stentor_text text);

	/* Puts XML in place of an element of the stanza: none takes it out, several elements may stand
	 * for one. The stanza that goes on is then the changed one, as is root(c). Its addresses stay
	 * what they are. Returns what begins at its place now, to go on from: the new element, or the
	 * next one, or (it was the last) the stanza. NULL, and nothing has changed: it would be no such
	 * stanza any more. */
	const struct stentor_node *(*replace)(struct stentor_call *c, const struct stentor_node *el,
		struct stentor_text xml);

	/* ---- data of the account at hand, kept in memory while the account is ---- */

	/* What is kept under a key, or none. */
	struct stentor_text (*get)(struct stentor_call *c, const char *key);

	/* Keeps it (no bytes: forgets it). get() has it, and fn is called, once it is on disk; fn may be
	 * NULL. False: there is no account at hand, it is a guest's, key or bytes are too long, or the
	 * server stops; fn is not called then. All that is kept of one account, for all modules
	 * together, has at most 256 KiB; more is not stored. */
	bool (*set)(struct stentor_call *c, const char *key, struct stentor_text bytes,
		stentor_stored_fn *fn, void *data);
};

#define STENTOR_KEY_MAX 256 /* bytes of a key */

/* Whether the server has a function that was added later. */
#define STENTOR_HAS(server, member) \
	((server)->size >= offsetof(struct stentor_server, member) + sizeof(server)->member)

/* An option of a module's section in the configuration. name NULL ends a table. */
struct stentor_option {
	const char *name;    /* of small letters, digits and _ */
	const char *initial; /* its default, or NULL */
};

/* An IQ that a module answers, where the server itself has no answer. ns NULL ends a table.
 * type: "get" or "set"; ns, name: of the payload; at: enum stentor_place, as bits. run() answers by
 * reply(), reply_error() or reply_later(); else the sender gets internal-server-error. */
struct stentor_iq {
	const char *type, *ns, *name;
	uint32_t at;
	void (*run)(struct stentor_call *c, uint64_t request);
};

/* What a module is. What it does not need is left empty. */
struct stentor_module {
	uint32_t abi;                          /* STENTOR_MODULE_ABI */
	uint32_t size;                         /* sizeof(struct stentor_module) */
	const char *name;                      /* of small letters, digits and -, at most 32; its data
						* and its lines in the log have it */
	const char *spec;                      /* what it implements and which version, for people */
	const char *const *features;           /* of hosts in service discovery; NULL ends it */
	const char *const *account_features;   /* of accounts */
	const struct stentor_option *options;
	const struct stentor_iq *iq;

	/* Whether a value of the configuration is right. NULL: it is; else what would be right, like
	 * "give a number from 1 to 9". At the start, and with stentord --check; before load(). */
	const char *(*check)(const char *option, const char *value);

	/* At the start, before anything is served. *state is kept for the calls. NULL: well; else why
	 * the server cannot start with the module. unload() is the last of all calls: threads that the
	 * module made must have ended when it returns. */
	const char *(*load)(const struct stentor_server *server, const struct stentor_self *self,
		void **state);
	void (*unload)(void *state);

	/* State of a shard: made behind load(), freed before unload(). */
	void *(*shard_begin)(void *state, uint32_t shard);
	void (*shard_end)(void *state, void *shard_state);

	/* On each shard, every so many seconds. */
	uint32_t tick_seconds;
	void (*tick)(struct stentor_call *c);

	/* A message of a session of the account at hand, before anything is done with it. */
	enum stentor_passage (*message_sent)(struct stentor_call *c);

	/* A message from a component or another server; no account is at hand. */
	enum stentor_passage (*message_entered)(struct stentor_call *c);

	/* A message for the account at hand, before any of its resources gets it and before it is kept
	 * in archives. What waits for the account passes here when it comes, and no second time. */
	enum stentor_passage (*message_arrives)(struct stentor_call *c);

	/* Available presence of a session of the account at hand, to all or (to) to somebody. */
	void (*presence_sent)(struct stentor_call *c);

	/* A session of the account at hand: it was bound, or is there again after a restart; it is
	 * over. jid: its full address. */
	void (*session_began)(struct stentor_call *c, struct stentor_text jid);
	void (*session_ended)(struct stentor_call *c, struct stentor_text jid);
};

/* The one symbol of a module, which it defines. */
#ifdef __GNUC__
#define STENTOR_EXPORT __attribute__((visibility("default")))
#else
#define STENTOR_EXPORT
#endif
extern STENTOR_EXPORT const struct stentor_module stentor_module;

#ifdef __cplusplus
}
#endif

#endif
