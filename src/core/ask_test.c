#include "core/ask.h"
#include "core/route.h"
#include "core/testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static unsigned answers, errors, silences;

static void note(struct shard *s, struct str memo, const struct stanza *answer)
{
	assert_true(str_eq(memo, STR("memo")));
	if (!answer)
		silences++;
	else if (answer->type == IQ_ERROR)
		errors++;
	else
		answers++;
}

static bool ask_for(struct shard *s, const char *to)
{
	const struct question q = { .type = "get", .from = test_jid("a.example"),
		.to = test_jid(to), .payload = STR("<ping xmlns='urn:xmpp:ping'/>"), .done = note,
		.memo = STR("memo") };

	return ask(s, &q);
}

static int setup(void **state)
{
	struct core_side *x = xcalloc(1, sizeof *x);

	core_side_init(x, 2);
	answers = errors = silences = 0;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	core_side_clear(*state);
	free(*state);
	return 0;
}

/* RFC 6120 section 10.4: there is no such server. */
static void an_answer_comes_later_and_once(void **state)
{
	struct core_side *x = *state;

	for (unsigned i = 0; i < 2; i++) {
		assert_true(ask_for(x->core.shards[i], "b.example"));
		assert_int_equal(errors, i);
		core_side_wait(x, 0);
		core_side_wait(x, ASK_MS + 1000);
		assert_int_equal(errors, i + 1);
	}
	assert_int_equal(answers + silences, 0);
}

static void answer(struct shard *on, const char *id, const char *from)
{
	struct arena a;

	arena_init(&a, 1024);
	route_text(on, str_printf(&a, "<iq type='result' id='%s' from='%s' to='a.example'/>", id, from));
	arena_clear(&a);
}

static void settle(struct core_side *x)
{
	for (unsigned i = 0; i < 4; i++) {
		core_side_wait(x, 0);
		core_drain(&x->core);
	}
}

/* The error that there is no such account takes a look into the store: what is routed at once
 * comes before it. */
static void only_who_was_asked_answers(void **state)
{
	static const struct {
		const char *id; /* NULL: the right one */
		const char *from;
		unsigned answers;
	} cases[] = {
		{ NULL, "nobody@a.example/x", 1 },
		{ NULL, "nobody@a.example", 0 },
		{ NULL, "c.example", 0 },
		{ "ask-", "nobody@a.example/x", 0 },
		{ "ask-00000000000000ff", "nobody@a.example/x", 0 }, /* no such shard */
		{ "ask-0000000000000001", "nobody@a.example/x", 0 }, /* nothing was asked */
		{ "other", "nobody@a.example/x", 0 },
	};
	struct core_side *x = *state;

	for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
		const char *given = cases[i / 2].id;
		struct shard *s = x->core.shards[1];
		char id[32] = "ask-";

		answers = errors = 0;
		assert_true(ask_for(s, "nobody@a.example/x"));
		archive_id_format(s->last_id, id + 4);
		answer(x->core.shards[i % 2], given ? given : id, cases[i / 2].from);
		settle(x);
		if (answers != cases[i / 2].answers || errors != 1 - answers)
			fail_msg("case %zu: %u answers, %u errors", i / 2, answers, errors);
	}
	assert_int_equal(silences, 0);
}

static void only_so_many_wait(void **state)
{
	struct core_side *x = *state;
	struct shard *s = x->core.shards[0];

	for (unsigned i = 0; i < ASK_MAX; i++)
		assert_true(ask_for(s, "b.example"));
	assert_false(ask_for(s, "b.example"));
	while (errors < ASK_MAX)
		core_side_wait(x, 0);
	assert_true(ask_for(s, "b.example"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_comes_later_and_once, setup, teardown),
		cmocka_unit_test_setup_teardown(only_who_was_asked_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(only_so_many_wait, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
