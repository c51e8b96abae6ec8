/* Shards: threads that share nothing, and the core that holds them together.
 *
 * All that a shard may change hangs off one struct shard, which is passed along. What belongs
 * to a bare JID lives on one shard, its owner: shard_of() finds it through 1,024 virtual
 * shards. What crosses goes as a mail: gathered in a batch for each shard during a turn and
 * posted at its end.
 *
 * Bounds: a shard's mailbox weighs what waits in it. When a mailbox that this shard has mail
 * for is over MAILBOX_MAX bytes, or the ledger is busy (ledger_is_busy()), this shard stops
 * reading from its clients until there is room again. It goes on emptying its own mailbox
 * meanwhile, so that two full shards cannot wait for each other.
 */
#ifndef CORE_SHARD_H
#define CORE_SHARD_H

#include "base/counter.h"
#include "base/log.h"
#include "base/map.h"
#include "core/settings.h"
#include "net/jobs.h"
#include "net/listener.h"
#include "net/loop.h"
#include "store/ledger.h"
#include "store/store.h"
#include "xmpp/jid.h"

#include <pthread.h>

#define VIRTUAL_SHARDS 1024
#define SHARDS_MAX     256
#define MAILBOX_MAX    (8 * 1024 * 1024)

/* How shards stop, each step when all are through with the one before: what waits for other servers
 * is refused, while those who sent it are there; clients and components go, which other servers are
 * told; streams with these end. */
enum stop_step { STOP_WAITING, STOP_CLIENTS, STOP_PEERS, STOP_STEPS };

enum counter_id {
	COUNT_CONNECTIONS,   /* accepted */
	COUNT_REFUSED,       /* closed at once: too many half-open ones of the address */
	COUNT_LOGINS,        /* SASL successes */
	COUNT_LOGIN_FAILURES,/* of SASL, whatever the reason */
	COUNT_STANZAS_IN,    /* from clients */
	COUNT_STANZAS_OUT,   /* to clients */
	COUNT_CROSSED,       /* mails to another shard */
	COUNT_OFFLINE_STORED,/* durable */
	COUNT_OFFLINE_DELIVERED,
	COUNT_KEPT,          /* messages, durable */
	COUNT_ERRORS,        /* stanza errors sent */
	COUNT_SESSIONS,      /* bound now; goes down too */
	COUNT_ACCOUNTS,      /* resident now; goes down too */
	COUNT_AWAY,          /* sessions whose client may come back; goes down too */
	COUNT_RESUMED,       /* sessions whose client came back */
	COUNT_ROOMS,         /* resident now; goes down too */
	COUNT_OCCUPANTS,     /* of rooms, now: one for each client; goes down too */
	COUNT_PASSED_ON,     /* messages to rooms that were passed on */
	COUNT_COMPONENTS,    /* connections of components now; goes down too */
	COUNT_COMPONENTS_IN, /* stanzas from components */
	COUNT_COMPONENTS_OUT, /* stanzas to components */
	COUNT_COMPONENTS_WAITING, /* bytes that wait for components; goes down too */
	COUNT_PEERS,         /* streams with other servers now; goes down too */
	COUNT_PEER_STANZAS_IN, /* stanzas from other servers */
	COUNT_PEER_STANZAS_OUT, /* stanzas to other servers */
	COUNT_PEERS_WAITING, /* bytes that wait for other servers; goes down too */
	COUNTERS
};

extern const char *const counter_names[COUNTERS];

struct extensions;
struct shard;
struct module;
struct module_lists;
struct search;
struct dns;

struct core {
	struct shard **shards;
	unsigned n_shards;
	uint16_t place[VIRTUAL_SHARDS];  /* virtual shard to shard */
	struct store *store;
	struct ledger *ledger;
	struct search *search;           /* in the archives (XEP-0431), or NULL */
	struct jobs *jobs;
	struct dns *dns;                 /* NULL: there are no remote domains */
	struct quota *quota;             /* of half-open connections; NULL: no bound */
	struct module_lists *modules;    /* see module_each() */
	struct extensions *extensions;   /* those of others (server/extend.h), or NULL */
	uint8_t secret[32];              /* of the installation: keys of users that do not exist */
	uint64_t started;                /* monotonic ms */
};

struct shard {
	struct loop loop;
	struct core *core;
	unsigned index;
	pthread_t thread;
	struct settings *settings;
	struct map accounts;             /* resident ones, by bare JID */
	struct map rooms;                /* likewise (core/room.h) */
	struct map nodes;                /* likewise (core/node.h) */
	uint32_t nodes_absent;           /* names of them of which it is known that there is none */
	struct timer expiry;             /* of their items and subscriptions */
	uint64_t *published;             /* NODE_RATES: who published where of late; or NULL */
	uint64_t *entered;               /* ROOM_ENTERED: who entered which room of late; or NULL */
	struct list clients;             /* struct client */
	struct list component_conns;     /* struct component_conn (core/component.h) */
	struct map components;           /* those that it owns and has had to do with, by name */
	struct list peers;               /* struct peer (core/peer.h) */
	struct map remotes;              /* domains that it owns, by name (core/remote.h) */
	uint64_t peer_numbers;           /* of their streams */
	unsigned n_attempts;             /* to connect to them, under way */
	uint64_t component_numbers;      /* of their connections */
	struct map watches;              /* of those of them that see presence (core/watch.h) */
	struct map nested;               /* what components say for hosts (core/nesting.h) */
	struct xml_table table;          /* of the stanza that is being read */
	struct xml_table scratch_table;  /* of stanzas that the server makes */
	struct buf scratch;              /* their text */
	struct batch *out;               /* mail of this turn, for each shard */
	struct batch to_ledger;          /* operations of this turn */
	bool throttled;                  /* clients are paused: some mailbox is full */
	struct timer room;               /* while throttled: looks again */
	uint64_t throttle_logged;        /* monotonic ms, or 0 */
	struct timer stop;               /* while stopping: the end of patience */
	bool stopping;
	unsigned n_steps[STOP_STEPS];    /* while stopping: shards that are through with each */
	bool dead;                       /* its thread has ended: nothing is routed any more */
	struct list commands;            /* sessions of XEP-0050 (core/command.h) */
	struct map asked;                /* questions that wait for answers (core/ask.h) */
	struct caps_memory *caps;        /* of clients (core/caps.h) */
	struct list shown;               /* hashes of what hosts say (core/disco.h) */
	struct sm_past *past;            /* a ring of SM_PAST_MAX, or NULL (core/sm.h) */
	uint32_t n_past;                 /* that there ever were */
	uint64_t sessions_made;          /* numbers of sessions */
	uint64_t last_id;                /* the newest archive id that was made here */
	uint64_t check_window;           /* second in which checks were counted */
	uint32_t checks;
	struct listener *listeners;
	unsigned n_listeners;
	counter counters[COUNTERS];
	struct log log;
};

/* Makes the shards (their threads are not started). settings: one reference is taken. modules:
 * NULL-terminated; the order is the order of calls. False with errno when descriptors are lacking. */
bool core_init(struct core *c, unsigned n_shards, struct settings *settings,
	const struct module *const *modules);

/* With the threads ended: stores what is still in memory alone, before the store is closed. */
void core_save(struct core *c);

/* Frees all; the threads have ended. */
void core_clear(struct core *c);

/* Starts and joins the threads. */
bool core_start(struct core *c);
void core_join(struct core *c);

/* With the threads ended: lets in what the store, the ledger and the workers still have on
 * its way home, until nothing is. */
void core_drain(struct core *c);

/* Any thread: asks all shards to end their streams (system-shutdown) and then to stop. */
void core_stop(struct core *c);

/* Any thread: gives all shards another snapshot. */
void core_reload(struct core *c, struct settings *settings);

/* The sum of a counter over the shards; any thread. */
uint64_t core_count(const struct core *c, enum counter_id id);

/* The owner of what belongs to a bare JID (a resource is not looked at). */
struct shard *shard_of(const struct core *c, struct jid j);

static inline bool shard_owns(const struct shard *s, struct jid j)
{
	return shard_of(s->core, j) == s;
}

/* Sends a mail to another shard at the end of the turn. mail->bytes is set. */
void shard_post(struct shard *from, struct shard *to, struct mail *m);

/* An operation on the ledger that is handed over by shard s, in order with its others, at the end
 * of the turn; it comes home to the loop of `home`. */
struct ledger_op *shard_ledger_op(struct shard *s, struct shard *home,
	void (*done)(struct ledger_op *, void *), size_t ctx_size);

static inline void count(struct shard *s, enum counter_id id)
{
	counter_add(&s->counters[id], 1);
}

static inline void uncount(struct shard *s, enum counter_id id)
{
	counter_add(&s->counters[id], (uint64_t)-1);
}

/* True when another password derivation may run this second (settings.checks_per_second over
 * all shards). */
bool shard_may_check(struct shard *s);

#endif
