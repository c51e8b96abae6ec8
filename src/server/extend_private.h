/* What extend.c (when modules are called) and extend_server.c (what they ask) share. */
#ifndef SERVER_EXTEND_PRIVATE_H
#define SERVER_EXTEND_PRIVATE_H

#include "core/account.h"
#include "server/extend.h"

#define EXTEND_SPACE STR("module")

/* A module on a shard. */
struct local {
	struct stentor_self *self;
	struct shard *shard;
	void *state;
	struct timer tick;
	struct map requests;   /* struct request, by their numbers' bytes */
	uint64_t last_request;
};

/* One of the modules. */
struct stentor_self {
	struct extensions *all;
	struct stentor_module module;
	struct config_pair *options;
	size_t n_options;
	void *handle, *state;
	bool loaded;           /* load() went well */
	struct local *locals;  /* of each shard */
};

struct extensions {
	struct arena mem;
	struct core *core;
	struct stentor_self *modules;
	size_t n;
	struct module face;    /* to core */
	const struct module **table;
	pthread_rwlock_t gate; /* of calls from other threads */
	bool closed;
	unsigned begun;        /* shards that have their locals */
};

/* An IQ that waits for its answer. */
struct request {
	struct map_node node;  /* local.requests */
	uint64_t number;
	struct local *local;
	struct later *later;
	struct timer timer;    /* set once the module has said that it takes a while */
};

/* What a module keeps of an account. */
struct extra {
	struct extra *next;
	struct str key, bytes; /* in the block; key: with the module's name */
};

/* A call of a module. */
struct call {
	struct stentor_call pub;
	struct stentor_self *self;
	struct local *local;
	struct account *account;     /* at hand, or NULL */
	struct stanza *stanza;       /* at hand, or NULL */
	struct jid to;               /* of the stanza, as it was addressed */
	bool may_replace;
	struct stanza_refusal *why;  /* where a message may be refused, or NULL */
	bool refused;
};

static inline struct call *call_of(struct stentor_call *c)
{
	return container_of(c, struct call, pub);
}

extern const struct stentor_server extend_server;

struct call call_make(struct stentor_self *self, struct shard *s, struct account *a);

/* Keeps an entry in memory; no bytes: forgets it. */
void extra_put(struct account *a, struct str key, struct str bytes);

struct request *request_new(struct local *l, struct ctx *c, const struct stanza *iq);

/* Answers with internal-server-error, unless there is an answer. */
void request_fail(struct local *l, uint64_t number);
void request_free(struct request *r);

#endif
