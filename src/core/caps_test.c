#include "core/caps.h"

#include "core/ask.h"
#include "core/testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The shard that asks is turned alone: the clients belong to the other one, and no answer comes but
 * those of the test. */
struct side {
	struct core_side core;
	struct shard *s;
	struct arena a;
	unsigned addresses; /* that were tried */
};

static struct {
	unsigned answers, empty, with_x;
	struct str last; /* memo */
	char text[16];
} told;

static void note(struct shard *s, struct str memo, struct caps *caps)
{
	told.answers++;
	told.empty += !caps;
	told.with_x += caps_wants(caps, STR("urn:x"));
	memcpy(told.text, memo.p, memo.n);
	told.last = str_from(told.text, memo.n);
}

static int setup(void **state)
{
	struct side *x = xcalloc(1, sizeof *x);

	core_side_init(&x->core, 2);
	x->s = x->core.core.shards[0];
	arena_init(&x->a, 65536);
	memset(&told, 0, sizeof told);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct side *x = *state;

	core_side_clear(&x->core);
	arena_clear(&x->a);
	free(x);
	return 0;
}

static void wait_ms(struct side *x, uint64_t ms)
{
	clock_advance(ms);
	loop_turn(&x->s->loop, 0);
}

/* The address of another client of the other shard. */
static struct jid client(struct side *x)
{
	for (;;) {
		struct jid j = test_jid(str_printf(&x->a, "c%u@a.example/r", x->addresses++).p);
		if (!shard_owns(x->s, j))
			return j;
	}
}

#define INFO(content) "<query xmlns='http://jabber.org/protocol/disco#info'>" content "</query>"
#define RIGHT INFO("<feature var='urn:a'/><feature var='urn:b+notify'/>" \
	"<feature var='urn:x+notify'/>")
#define WRONG INFO("<feature var='urn:x+notify'/>")

/* The claim that an answer fits. */
static struct caps_claim claim_of(struct side *x, const char *query)
{
	struct caps_claim c = { .kind = CAPS_1 };
	struct xml_table table = { 0 };
	struct stanza *st = stanza_scan(&table,
		str_printf(&x->a, "<iq type='result' id='1'>%s</iq>", query), &x->a);
	struct buf b;

	buf_init(&b, CAPS_STRING_MAX);
	assert_true(caps_string(CAPS_1, &st->doc, stanza_payload(st), STR_NULL, &x->a, &b));
	digest_of(DIGEST_SHA256, buf_str(&b), c.value); /* the first of the functions */
	assert_true(caps_fits(&c, buf_str(&b)));
	buf_clear(&b);
	stanza_unref(&st);
	xml_table_clear(&table);
	return c;
}

/* -1: known, and without urn:x; 1: with it; 0: it waits. */
static int show(struct side *x, const struct caps_claim *c, struct jid who, const char *memo)
{
	const struct caps_question q = { .from = test_jid("a.example"), .client = who, .claim = c,
		.node = STR("urn:n#'1"), .done = note, .memo = str_c(memo) };
	struct caps *caps;

	if (!caps_of(x->s, &q, &caps))
		return 0;
	int result = caps_wants(caps, STR("urn:x")) ? 1 : -1;
	caps_unref(&caps);
	return result;
}

static void answer(struct side *x, uint64_t id, struct jid from, const char *type,
	const char *content)
{
	struct xml_table table = { 0 };
	char digits[ARCHIVE_ID_LEN];

	archive_id_format(id, digits);
	struct stanza *st = stanza_scan(&table,
		str_printf(&x->a, "<iq type='%s' id='ask-%.*s' from='%.*s' to='a.example'>%s</iq>",
			type, ARCHIVE_ID_LEN, digits, STR_FMT(jid_str(from)), content), &x->a);
	assert_non_null(st);
	ask_answered(x->s, st);
	wait_ms(x, 0);
	stanza_unref(&st);
	xml_table_clear(&table);
}

static void nodes_are_looked_up(void **state)
{
	struct side *x = *state;
	struct caps_claim c = claim_of(x, RIGHT);
	const struct caps_question q = { .from = test_jid("a.example"), .client = client(x),
		.claim = &c, .node = STR("n"), .done = note, .memo = STR("") };
	struct caps *caps;

	assert_false(caps_are_known(x->s, &c, &caps));
	assert_null(caps);
	assert_int_equal(x->s->asked.n, 0);
	assert_false(caps_of(x->s, &q, &caps));
	assert_false(caps_are_known(x->s, &c, &caps)); /* while it is being asked for */
	answer(x, x->s->last_id, q.client, "result", RIGHT);
	assert_true(caps_are_known(x->s, &c, &caps));
	assert_int_equal(caps->n, 2);
	caps_unref(&caps);
	assert_true(caps_of(x->s, &q, &caps));
	assert_int_equal(caps->n, 2);
	assert_true(caps_wants(caps, STR("urn:b")) && caps_wants(caps, STR("urn:x")));
	assert_false(caps_wants(caps, STR("urn:a")) || caps_wants(caps, STR("urn:")) ||
		caps_wants(caps, STR("urn:xx")) || caps_wants(NULL, STR("urn:x")));
	struct caps *other = caps_ref(caps);
	caps_unref(&caps);
	assert_null(caps);
	caps_unref(&other);
}

/* XEP-0115 sections 1.2 and 5.4, rule 3.8 */
static void a_hash_is_asked_for_once(void **state)
{
	struct side *x = *state;
	struct caps_claim c = claim_of(x, RIGHT);
	struct jid first = client(x);

	assert_int_equal(show(x, &c, first, "1"), 0);
	uint64_t id = x->s->last_id;
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(show(x, &c, client(x), "2"), 0);
	assert_int_equal(x->s->asked.n, 1);
	answer(x, id, client(x), "result", RIGHT); /* not of whom was asked */
	assert_int_equal(told.answers, 0);
	answer(x, id, first, "result", RIGHT);
	assert_int_equal(told.answers, 10);
	assert_int_equal(told.with_x, 10);
	assert_int_equal(show(x, &c, client(x), "3"), 1);
	assert_int_equal(x->s->asked.n, 0);
}

/* XEP-0115 section 5.4, rule 3.9: an answer with another hash counts for its client alone, and
 * another one is asked. So is it with errors. */
static void an_answer_that_does_not_fit_is_not_shared(void **state)
{
	struct side *x = *state;
	struct caps_claim c = claim_of(x, RIGHT);
	struct jid who[4];

	for (unsigned i = 0; i < 4; i++) {
		static const char *const memos[] = { "0", "1", "2", "3" };
		who[i] = client(x);
		assert_int_equal(show(x, &c, who[i], memos[i]), 0);
	}
	answer(x, x->s->last_id, who[0], "result", WRONG);
	assert_int_equal(told.answers, 1);
	assert_int_equal(told.with_x, 1);
	assert_true(str_eq(told.last, STR("0")));
	assert_int_equal(x->s->asked.n, 1);
	answer(x, x->s->last_id, who[1], "error", RIGHT "<error type='cancel'/>");
	assert_int_equal(told.empty, 1);
	assert_true(str_eq(told.last, STR("1")));
	answer(x, x->s->last_id, who[2], "result", INFO("<feature var='a'/><feature var='a'/>"));
	assert_int_equal(told.empty, 2);
	assert_true(str_eq(told.last, STR("2")));
	answer(x, x->s->last_id, who[3], "result", RIGHT);
	assert_int_equal(told.answers, 4);
	assert_int_equal(told.with_x, 2);
	assert_int_equal(show(x, &c, who[0], "4"), 1);
}

/* Nothing is kept of a hash that nobody could prove. */
static void a_hash_without_proof_is_asked_for_again(void **state)
{
	struct side *x = *state;
	struct caps_claim c = claim_of(x, RIGHT);
	struct jid who = client(x);

	assert_int_equal(show(x, &c, who, "1"), 0);
	answer(x, x->s->last_id, who, "result", WRONG);
	assert_int_equal(show(x, &c, who, "2"), 0);
	assert_int_equal(x->s->asked.n, 1);
}

/* XEP-0115 section 5.4, rule 2 */
static void without_a_hash_each_is_asked(void **state)
{
	struct side *x = *state;
	struct caps_claim c = { .kind = CAPS_UNCHECKED };
	struct jid who[2];
	uint64_t ids[2];

	for (unsigned i = 0; i < 2; i++) {
		who[i] = client(x);
		assert_int_equal(show(x, &c, who[i], "1"), 0);
		ids[i] = x->s->last_id;
	}
	answer(x, ids[1], who[1], "result", WRONG);
	assert_int_equal(told.with_x, 1);
	answer(x, ids[0], who[0], "result", INFO(""));
	assert_int_equal(told.empty, 1);
	assert_int_equal(show(x, &c, who[1], "2"), 0);
}

/* A client that is silent delays others for CAPS_PATIENCE_MS. */
static void who_waits_too_long_is_asked_itself(void **state)
{
	struct side *x = *state;
	struct caps_claim c = claim_of(x, RIGHT);

	assert_int_equal(show(x, &c, client(x), "1"), 0);
	struct jid second = client(x);
	assert_int_equal(show(x, &c, second, "2"), 0);
	wait_ms(x, CAPS_PATIENCE_MS - 100);
	assert_int_equal(x->s->asked.n, 1);
	wait_ms(x, 200);
	assert_int_equal(x->s->asked.n, 2);
	uint64_t id = x->s->last_id;
	assert_int_equal(show(x, &c, client(x), "3"), 0);
	assert_int_equal(x->s->asked.n, 3);
	answer(x, id, second, "result", RIGHT);
	assert_int_equal(told.with_x, 3);
	wait_ms(x, ASK_MS + CAPS_PATIENCE_MS);
	assert_int_equal(x->s->asked.n, 0);
	assert_int_equal(told.answers, 3);
}

static void silence_is_an_answer(void **state)
{
	struct side *x = *state;
	struct caps_claim c = claim_of(x, RIGHT);

	assert_int_equal(show(x, &c, client(x), "1"), 0);
	assert_int_equal(show(x, &c, client(x), "2"), 0);
	wait_ms(x, CAPS_PATIENCE_MS + 100);
	assert_int_equal(told.answers, 0);
	wait_ms(x, ASK_MS + 100);
	assert_int_equal(told.answers, 2);
	assert_int_equal(told.empty, 2);
}

static void only_so_many_wait(void **state)
{
	struct side *x = *state;
	struct caps_claim c = claim_of(x, RIGHT);
	struct jid first = client(x), other = client(x);

	assert_int_equal(show(x, &c, first, "1"), 0);
	uint64_t id = x->s->last_id;
	for (unsigned i = 1; i < CAPS_WAITING_MAX; i++)
		assert_int_equal(show(x, &c, other, "2"), 0);
	assert_int_equal(show(x, &c, other, "3"), -1);
	answer(x, id, first, "result", RIGHT);
	assert_int_equal(told.with_x, CAPS_WAITING_MAX);
	assert_int_equal(show(x, &c, other, "4"), 1);
}

static void ignore(struct shard *s, struct str memo, const struct stanza *answer)
{
}

/* Other questions take all the room there is: it is as if there were no answer, a turn later. */
static void what_cannot_be_asked_is_not_known(void **state)
{
	struct side *x = *state;
	struct caps_claim c = claim_of(x, RIGHT), unchecked = { .kind = CAPS_UNCHECKED };
	const struct question q = { .type = "get", .from = test_jid("a.example"), .to = client(x),
		.payload = STR("<ping xmlns='urn:xmpp:ping'/>"), .done = ignore };

	while (ask(x->s, &q))
		;
	assert_int_equal(show(x, &c, client(x), "1"), 0);
	assert_int_equal(show(x, &unchecked, client(x), "2"), 0);
	assert_int_equal(told.answers, 0);
	wait_ms(x, 100);
	assert_int_equal(told.answers, 2);
	assert_int_equal(told.empty, 2);
}

static const char *info_number(struct side *x, unsigned i)
{
	return str_printf(&x->a, INFO("<feature var='urn:%u'/><feature var='urn:x+notify'/>"), i).p;
}

/* One more than may be remembered: what was shown once alone goes first. */
static void the_oldest_is_forgotten(void **state)
{
	struct side *x = *state;
	struct jid who = client(x);
	struct caps_claim first = claim_of(x, info_number(x, 0));
	struct caps_claim second = claim_of(x, info_number(x, 1));

	for (unsigned i = 0; i <= CAPS_KNOWN_MAX; i++) {
		struct caps_claim c = claim_of(x, info_number(x, i));
		assert_int_equal(show(x, &c, who, "1"), 0);
		answer(x, x->s->last_id, who, "result", info_number(x, i));
		if (i == 0)
			assert_int_equal(show(x, &c, who, "1"), 1);
	}
	assert_int_equal(told.with_x, CAPS_KNOWN_MAX + 1);
	assert_int_equal(show(x, &first, who, "2"), 1);
	assert_int_equal(show(x, &second, who, "2"), 0);
}

static const char *long_name(struct side *x, char c, size_t n)
{
	char *name = arena_alloc(&x->a, n + 1);

	memset(name, c, n);
	name[n] = '\0';
	return name;
}

/* The same for bytes, of which one more comes than may be remembered. */
static void the_oldest_bytes_are_forgotten(void **state)
{
	struct side *x = *state;
	struct jid who = client(x);
	const char *name = long_name(x, 'a', CAPS_NODES_BYTES - 10);
	struct caps_claim first = { 0 };

	for (unsigned i = 0; i <= CAPS_KNOWN_BYTES / CAPS_NODES_BYTES; i++) {
		const char *info = str_printf(&x->a, INFO("<feature var='%s%u+notify'/>"), name,
			i).p;
		struct caps_claim c = claim_of(x, info);
		first = i ? first : c;
		assert_int_equal(show(x, &c, who, "1"), 0);
		answer(x, x->s->last_id, who, "result", info);
	}
	assert_int_equal(show(x, &first, who, "2"), 0);
}

/* Of nodes beyond the bounds the rest is left out. */
static void nodes_are_bounded(void **state)
{
	struct side *x = *state;
	struct caps_claim c = { .kind = CAPS_UNCHECKED };
	struct str many = STR("");
	struct jid who = client(x);

	for (unsigned i = 0; i < CAPS_NODES_MAX; i++)
		many = str_printf(&x->a, "%.*s<feature var='a%03u+notify'/>", STR_FMT(many), i);
	const char *infos[] = {
		many.p,
		str_printf(&x->a, "<feature var='%s+notify'/>",
			long_name(x, 'a', CAPS_NODES_BYTES - 4)).p,
	};
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(show(x, &c, who, "1"), 0);
		answer(x, x->s->last_id, who, "result",
			str_printf(&x->a, INFO("%s<feature var='urn:x+notify'/>"), infos[i]).p);
		assert_int_equal(told.answers, i + 1);
		assert_int_equal(told.empty + told.with_x, 0);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nodes_are_looked_up),
		CASE(a_hash_is_asked_for_once),
		CASE(an_answer_that_does_not_fit_is_not_shared),
		CASE(a_hash_without_proof_is_asked_for_again),
		CASE(without_a_hash_each_is_asked),
		CASE(who_waits_too_long_is_asked_itself),
		CASE(silence_is_an_answer),
		CASE(only_so_many_wait),
		CASE(what_cannot_be_asked_is_not_known),
		CASE(the_oldest_is_forgotten),
		CASE(the_oldest_bytes_are_forgotten),
		CASE(nodes_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
