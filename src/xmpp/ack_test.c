#include "xmpp/ack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* A row of steps: '+' a stanza that is handled at once, '?' one that is handled later, a digit:
 * that one (counted from the start, 1 to 9) is handled now. */
static void play(struct ack_in *in, const char *steps)
{
	for (; *steps; steps++) {
		if (*steps == '+')
			ack_in_take(in, false);
		else if (*steps == '?')
			ack_in_take(in, true);
		else
			ack_in_handled(in, (uint32_t)(*steps - '0'));
	}
}

static uint32_t waiting(const struct ack_in *in)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < in->n; i++)
		n += !in->open[(in->first + i) % in->cap].handled;
	return n;
}

/* XEP-0198 section 4: h is the last handled stanza. */
static void counts_in_order(void **state)
{
	static const struct {
		const char *rule, *steps;
		uint32_t h, waiting;
	} cases[] = {
		{ "starts at zero", "", 0, 0 },
		{ "one for the first", "+", 1, 0 },
		{ "each one", "+++", 3, 0 },
		{ "one that is not handled yet", "+?", 1, 1 },
		{ "those behind it wait", "+?++", 1, 1 },
		{ "until it is handled", "+?++2", 4, 0 },
		{ "out of order", "???32", 0, 1 },
		{ "and then all", "???321", 3, 0 },
		{ "the first of two", "+?+?2", 3, 1 },
		{ "twice", "?1+1", 2, 0 },
		{ "one that does not wait", "+1?", 1, 1 },
		{ "many", "?????????9876543", 0, 2 },
		{ "many, then the first", "?????????987654312", 9, 0 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct ack_in in;
		ack_in_init(&in);
		play(&in, cases[i].steps);
		if (ack_in_h(&in) != cases[i].h || waiting(&in) != cases[i].waiting)
			fail_msg("%s: h %u, waiting %u", cases[i].rule, ack_in_h(&in),
				waiting(&in));
		ack_in_clear(&in);
	}
}

/* The ring goes round and grows while it is not at its start. */
static void many_are_open(void **state)
{
	struct ack_in in;

	ack_in_init(&in);
	for (uint32_t n = 1; n <= 100; n++) {
		assert_int_equal(ack_in_take(&in, true), n);
		if (n > 5)
			assert_true(ack_in_handled(&in, n - 5));
		assert_int_equal(ack_in_h(&in), n > 5 ? n - 5 : 0);
	}
	for (uint32_t n = 101; n <= 200; n++)
		ack_in_take(&in, true);
	for (uint32_t n = 200; n >= 96; n--)
		ack_in_handled(&in, n);
	assert_int_equal(ack_in_h(&in), 200);
	ack_in_clear(&in);
}

/* Section 4: 2^32-1 is followed by 0. */
static void goes_round(void **state)
{
	struct ack_in in;

	ack_in_init(&in);
	in.received = UINT32_MAX - 1;
	assert_int_equal(ack_in_take(&in, true), UINT32_MAX);
	assert_int_equal(ack_in_take(&in, true), 0);
	assert_int_equal(ack_in_h(&in), UINT32_MAX - 1);
	assert_true(ack_in_handled(&in, UINT32_MAX));
	assert_int_equal(ack_in_h(&in), UINT32_MAX);
	assert_false(ack_in_is_handled(&in, 0));
	assert_true(ack_in_handled(&in, 0));
	assert_int_equal(ack_in_h(&in), 0);
	assert_true(ack_in_is_handled(&in, UINT32_MAX));
	assert_true(ack_in_is_handled(&in, 0));
	assert_false(ack_in_is_handled(&in, 1));
	ack_in_clear(&in);
}

static void counts_what_was_sent(void **state)
{
	static const struct {
		const char *rule;
		uint32_t sent, acked, h, n;
		bool good;
	} cases[] = {
		{ "nothing new", 5, 3, 3, 0, true },
		{ "one", 5, 3, 4, 1, true },
		{ "all", 5, 3, 5, 2, true },
		{ "section 6: more than were sent", 5, 3, 6, 0, false },
		{ "before anything was sent", 0, 0, 1, 0, false },
		{ "an old one", 5, 3, 2, 0, true },
		{ "over the end", 2, UINT32_MAX - 1, 1, 3, true },
		{ "more, over the end", 2, UINT32_MAX - 1, 3, 0, false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint32_t n = 77;
		bool good = ack_out_count(cases[i].sent, cases[i].acked, cases[i].h, &n);
		if (good != cases[i].good || n != cases[i].n)
			fail_msg("%s: %d, %u", cases[i].rule, good, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_in_order),
		cmocka_unit_test(many_are_open),
		cmocka_unit_test(goes_round),
		cmocka_unit_test(counts_what_was_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
