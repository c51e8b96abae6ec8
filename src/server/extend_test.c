/* What modules of others do with time and numbers, with shards that are turned by hand. The rest
 * is in tests/integration/test_modules.py. */
#include "server/extend.h"

#include "core/route.h"
#include "core/testing.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* What the module has seen. */
static struct seen {
	uint64_t requests[EXTEND_REQUESTS_MAX + 2];
	size_t n, later;       /* handlers called; requests that may wait */
	unsigned ticks, answered, ran;
	uint32_t ran_on;
	bool answers;          /* the next tick answers the first request */
	const struct stentor_self *self;
	const struct stentor_server *server;
} seen;

static void on_question(struct stentor_call *c, uint64_t request)
{
	seen.requests[seen.n++] = request;
	seen.later += c->server->reply_later(c, request);
}

static void on_tick(struct stentor_call *c)
{
	seen.ticks++;
	if (seen.answers && c->shard == 0)
		seen.answered += c->server->reply(c, seen.requests[0], stentor_text_of(NULL));
}

static const char *load(const struct stentor_server *server, const struct stentor_self *self,
	void **state)
{
	seen = (struct seen){ .self = self, .server = server };
	return NULL;
}

static const struct stentor_iq iqs[] = {
	{ "get", "urn:test", "question", STENTOR_AT_HOST, on_question },
	{ 0 }
};

static const struct stentor_module tester = {
	.abi = STENTOR_MODULE_ABI, .size = sizeof tester, .name = "tester",
	.iq = iqs, .load = load, .tick_seconds = 10, .tick = on_tick,
};

struct side {
	struct core_side core;
	struct extensions *extensions;
};

/* modules: how many of the same. */
static void side_init(struct side *x, unsigned n_shards, size_t modules)
{
	static struct config_module config;
	struct loaded_modules loaded = { xcalloc(modules + 1, sizeof(struct loaded)), modules };
	struct settings *set = settings_new();

	*x = (struct side){ .core = { .settings = set, .folder = folder_new() } };
	for (size_t i = 0; i < modules; i++)
		loaded.all[i] = (struct loaded){ dlopen(NULL, RTLD_NOW), tester, &config };
	x->extensions = extensions_new(&loaded, no_modules);
	settings_add_host(set, STR("a.example"));
	assert_true(core_init(&x->core.core, n_shards, set, extensions_table(x->extensions)));
	assert_true(extensions_begin(x->extensions, &x->core.core));
}

static void side_clear(struct side *x)
{
	core_drain(&x->core.core);
	extensions_stop(x->extensions);
	core_clear(&x->core.core);
	extensions_free(&x->extensions);
	settings_unref(&x->core.settings);
	folder_free(x->core.folder);
}

static void ask(struct side *x)
{
	route_text(x->core.core.shards[0], STR("<iq type='get' id='1' from='x@other.example/r' "
		"to='a.example'><question xmlns='urn:test'/></iq>"));
}

static uint64_t errors(struct side *x)
{
	return core_count(&x->core.core, COUNT_ERRORS);
}

/* Without modules core has none more to ask. */
static void none_cost_nothing(void **state)
{
	struct side x;

	side_init(&x, 1, 0);
	assert_null(extensions_table(x.extensions)[0]);
	side_clear(&x);
	side_init(&x, 1, 1);
	const struct module *face = extensions_table(x.extensions)[0];
	assert_non_null(face->iq_left);
	assert_null(face->message_sent);
	assert_null(face->message_entered);
	assert_null(face->message_arrives);
	assert_null(face->presence_sent);
	assert_null(face->session_began);
	assert_null(face->session_ended);
	assert_null(face->features);
	side_clear(&x);
}

/* 60 seconds, and not one before; what comes later is not sent. */
static void an_answer_comes_in_time_or_not_at_all(void **state)
{
	struct side x;

	side_init(&x, 1, 1);
	ask(&x);
	assert_int_equal(seen.later, 1);
	core_side_wait(&x.core, EXTEND_ANSWER_MS - 1000);
	assert_int_equal(errors(&x), 0);
	core_side_wait(&x.core, 2000);
	assert_int_equal(errors(&x), 1);
	seen.answers = true;
	core_side_wait(&x.core, 11000);
	assert_int_equal(seen.answered, 0);
	side_clear(&x);
}

static void an_answer_is_sent_once(void **state)
{
	struct side x;

	side_init(&x, 1, 1);
	ask(&x);
	seen.answers = true;
	core_side_wait(&x.core, 11000);
	core_side_wait(&x.core, 11000);
	assert_int_equal(seen.ticks, 2);
	assert_int_equal(seen.answered, 1);
	core_side_wait(&x.core, 2 * EXTEND_ANSWER_MS);
	assert_int_equal(errors(&x), 0);
	side_clear(&x);
}

static void requests_that_wait_have_a_bound(void **state)
{
	struct side x;

	side_init(&x, 1, 1);
	for (unsigned i = 0; i < EXTEND_REQUESTS_MAX; i++)
		ask(&x);
	assert_int_equal(seen.later, EXTEND_REQUESTS_MAX);
	assert_int_equal(errors(&x), 0);
	ask(&x);
	assert_int_equal(seen.later, EXTEND_REQUESTS_MAX);
	assert_int_equal(errors(&x), 1);
	core_side_wait(&x.core, EXTEND_ANSWER_MS + 1000);
	assert_int_equal(errors(&x), 1 + EXTEND_REQUESTS_MAX);
	side_clear(&x);
}

static void each_shard_has_its_ticks(void **state)
{
	struct side x;

	side_init(&x, 3, 1);
	core_side_wait(&x.core, 9000);
	assert_int_equal(seen.ticks, 0);
	core_side_wait(&x.core, 2000);
	assert_int_equal(seen.ticks, 3);
	core_side_wait(&x.core, 11000);
	assert_int_equal(seen.ticks, 6);
	side_clear(&x);
}

static void run(struct stentor_call *c, void *data)
{
	assert_ptr_equal(data, &seen);
	assert_ptr_equal(c->self, seen.self);
	seen.ran++;
	seen.ran_on = c->shard;
}

/* Once each, on the shard that was asked for, also when the server ends; and never after that. */
static void errands_are_run_on_their_shard(void **state)
{
	struct stentor_text host = stentor_text_of("A.example/x"), bad = stentor_text_of("@");
	struct side x;

	side_init(&x, 3, 1);
	const struct stentor_server *server = seen.server;
	assert_true(server->run_on(seen.self, 2, run, &seen));
	core_side_wait(&x.core, 1);
	assert_int_equal(seen.ran, 1);
	assert_int_equal(seen.ran_on, 2);
	assert_true(server->run(seen.self, host, run, &seen));
	core_side_wait(&x.core, 1);
	assert_int_equal(seen.ran, 2);
	assert_int_equal(seen.ran_on, shard_of(&x.core.core, test_jid("a.example"))->index);
	assert_false(server->run(seen.self, bad, run, &seen));
	assert_false(server->run_on(seen.self, 3, run, &seen));
	assert_true(server->run_on(seen.self, 1, run, &seen));
	extensions_stop(x.extensions);
	assert_false(server->run_on(seen.self, 1, run, &seen));
	assert_false(server->run(seen.self, host, run, &seen));
	core_clear(&x.core.core);
	assert_int_equal(seen.ran, 3);
	extensions_free(&x.extensions);
	settings_unref(&x.core.settings);
	folder_free(x.core.folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_cost_nothing),
		cmocka_unit_test(an_answer_comes_in_time_or_not_at_all),
		cmocka_unit_test(an_answer_is_sent_once),
		cmocka_unit_test(requests_that_wait_have_a_bound),
		cmocka_unit_test(each_shard_has_its_ticks),
		cmocka_unit_test(errands_are_run_on_their_shard),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
