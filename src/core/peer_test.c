/* Streams of other servers that move to the owner of their domain, over a loopback. */
#include "core/remote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "core/testing.h"

#include <cmocka.h>

#define OPENED "<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' " \
	"xmlns:stream='http://etherx.jabber.org/streams' from='c.example' to='a.example' " \
	"version='1.0'><db:result from='c.example' to='a.example'>key</db:result>"

struct test_peer {
	struct peer peer;
	struct loopback loop;
};

static void stay(struct peer *p)
{
}

static bool attach(struct peer *p, struct shard *s)
{
	return true;
}

static void free_peer(struct peer *p)
{
	struct test_peer *t = container_of(p, struct test_peer, peer);

	loopback_clear(&t->loop);
	free(t);
}

static enum tls_peer believe(struct peer *p, struct str domain, const struct tls_peer_rules *r)
{
	return TLS_PEER_OK;
}

static uint64_t never(struct peer *p, uint64_t after)
{
	return 0;
}

static const struct peer_kind kind = {
	.detach = stay,
	.attach = attach,
	.drop = stay,
	.free = free_peer,
	.check = believe,
	.expires = never,
};

static struct test_peer *peer_new(struct shard *s)
{
	struct test_peer *t = xcalloc(1, sizeof *t);

	loopback_init_s2s(&t->loop, &t->peer.stream, 1024 * 1024);
	peer_init(&t->peer, &kind, s, &t->loop.wire);
	return t;
}

static void begin(struct core_side *x)
{
	core_side_init(x, 3);
	x->settings->federation = true;
	x->settings->first->federation = true;
	x->settings->peer_default.security = PEERS_IN_CLEAR;
}

static void take(struct mail *m, void *receiver)
{
	free(m);
}

/* So that the first cannot go on with its clients and servers. */
static void fill(struct shard *from, struct shard *to)
{
	struct mail *m = xcalloc(1, sizeof *m);

	*m = (struct mail){ .run = take, .bytes = MAILBOX_MAX + 1 };
	shard_post(from, to, m);
	loop_turn(&from->loop, 0);
}

/* The shards but the owner of c.example. */
static void others(struct core_side *x, struct shard *out[2])
{
	struct shard *owner = remote_owner(&x->core, STR("c.example"));
	unsigned n = 0;

	for (unsigned i = 0; i < 3; i++)
		if (x->core.shards[i] != owner)
			out[n++] = x->core.shards[i];
}

/* A stream that comes from a shard which is held up is held up no more. */
static void test_moves_from_a_throttled_shard(void **state)
{
	struct core_side x;
	struct shard *here[2];

	begin(&x);
	others(&x, here);
	struct shard *owner = remote_owner(&x.core, STR("c.example"));
	struct test_peer *t = peer_new(here[0]);
	fill(here[0], here[1]);
	assert_true(t->loop.paused);
	loopback_send(&t->loop, STR(OPENED));
	loop_turn(&here[0]->loop, 0);
	loop_turn(&owner->loop, 0);
	assert_ptr_equal(t->peer.shard, owner);
	assert_non_null(t->peer.remote);
	assert_false(t->loop.paused);
	core_side_clear(&x);
}

/* And one that comes to such a shard is held up with the others. */
static void test_moves_to_a_throttled_shard(void **state)
{
	struct core_side x;
	struct shard *here[2];

	begin(&x);
	others(&x, here);
	struct shard *owner = remote_owner(&x.core, STR("c.example"));
	struct test_peer *t = peer_new(here[0]);
	fill(owner, here[1]);
	loopback_send(&t->loop, STR(OPENED));
	loop_turn(&here[0]->loop, 0);
	loop_turn(&owner->loop, 0);
	assert_ptr_equal(t->peer.shard, owner);
	assert_true(t->loop.paused);
	loop_turn(&here[1]->loop, 0);
	clock_advance(100);
	loop_turn(&owner->loop, 0);
	assert_false(t->loop.paused);
	core_side_clear(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moves_from_a_throttled_shard),
		cmocka_unit_test(test_moves_to_a_throttled_shard),
	};

	log_setup(LOG_ERROR, LOG_TEXT);
	clock_hold();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
