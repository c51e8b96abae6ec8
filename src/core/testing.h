/* For the tests of core: shards without threads that are turned by hand, with a real store in a
 * folder that vanishes, and clients without a socket. */
#ifndef CORE_TESTING_H
#define CORE_TESTING_H

#include "base/clock.h"
#include "core/client.h"
#include "store/testing.h"
#include "stream/loopback.h"

struct core_side {
	struct core core;
	struct settings *settings;
	char *folder;
};

static const struct module *const no_modules[] = { NULL };

static inline void core_side_init(struct core_side *x, unsigned n_shards)
{
	struct arena a;
	struct str error;

	arena_init(&a, 1024);
	x->settings = settings_new();
	settings_add_host(x->settings, STR("a.example"));
	x->folder = folder_new();
	BUG_ON(!core_init(&x->core, n_shards, x->settings, no_modules));
	x->core.store = store_open(x->folder, 1, &a, &error);
	BUG_ON(!x->core.store);
	arena_clear(&a);
}

static inline void core_side_clear(struct core_side *x)
{
	core_drain(&x->core);
	store_close(&x->core.store);
	core_clear(&x->core);
	settings_unref(&x->settings);
	folder_free(x->folder);
}

/* Moves the clock, and lets each shard have a turn. */
static inline void core_side_wait(struct core_side *x, uint64_t ms)
{
	clock_advance(ms);
	for (unsigned i = 0; i < x->core.n_shards; i++)
		loop_turn(&x->core.shards[i]->loop, 0);
}

static inline void store_op_home(struct store_op *op, void *receiver)
{
	BUG_ON(op->status != STORE_OK);
	store_op_free(op);
}

/* An account nobody can log in to. */
static inline void core_side_account(struct core_side *x, struct jid j)
{
	static const struct store_key keys[STORE_HASHES] = {
		{ 4096, STR_INIT("salt"), STR_INIT("stored"), STR_INIT("server") },
		{ 4096, STR_INIT("salt"), STR_INIT("stored"), STR_INIT("server") },
		{ 4096, STR_INIT("salt"), STR_INIT("stored"), STR_INIT("server") },
	};

	store_account_create(x->core.store,
		store_op_new(&x->core.shards[0]->loop.inbox, store_op_home, 0), jid_domain(j),
		jid_local(j), keys, clock_wall_us());
	core_drain(&x->core);
}

static inline struct jid test_jid(const char *text)
{
	struct arena unused;
	struct jid j;

	arena_init(&unused, 64);
	BUG_ON(!jid_parse(str_c(text), &unused, &j)); /* canonical: lies in the text */
	arena_clear(&unused);
	return j;
}

/* A client over a loopback. */
struct test_client {
	struct client client;
	struct loopback loop;
};

static inline void test_client_detach(struct client *c)
{
}

static inline bool test_client_attach(struct client *c, struct shard *s)
{
	return true;
}

static inline void test_client_free(struct client *c)
{
	struct test_client *t = container_of(c, struct test_client, client);

	loopback_clear(&t->loop);
	free(t);
}

static const struct client_kind test_client_kind = {
	.detach = test_client_detach,
	.attach = test_client_attach,
	.drop = test_client_detach,
	.free = test_client_free,
};

static inline struct test_client *test_client_new(struct shard *s)
{
	struct test_client *t = xcalloc(1, sizeof *t);

	loopback_init(&t->loop, &t->client.stream, 1024 * 1024);
	client_init(&t->client, &test_client_kind, s, &t->loop.wire);
	return t;
}

#endif
