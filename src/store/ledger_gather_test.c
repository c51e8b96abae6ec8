/* The policy of gathering, played against sources of operations with a clock of numbers. */
#include "store/ledger_gather.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define SYNC_NS 100000 /* that a commit takes */
#define S       UINT64_C(1000000000)

/* What became of a time with a source. */
struct result {
	uint64_t ops, groups, longest_ns; /* longest wait before a commit */
};

/* Operations that come at a rate, whatever becomes of those before. */
static struct result open_loop(uint64_t rate, uint64_t time)
{
	struct gather g;
	struct result r = { 0 };
	uint64_t now = 0, came = 0;
	uint32_t n = 0;

	gather_init(&g, 0);
	while (now < time) {
		uint64_t began = now, wait = 0;
		do {
			now += wait;
			uint32_t more = (uint32_t)(now * rate / S - came);
			came += more;
			n += more;
			gather_came(&g, more, now);
		} while (n && (wait = gather_wait(&g, n, n * 600, now)));
		if (n && now - began > r.longest_ns)
			r.longest_ns = now - began;
		r.ops += n;
		r.groups += n != 0;
		now += n ? SYNC_NS : 10000;
		n = 0;
	}
	return r;
}

/* So many writers, each of which goes on as soon as its operation is home. */
static struct result closed_loop(uint32_t writers, uint64_t time)
{
	struct gather g;
	struct result r = { 0 };

	gather_init(&g, 0);
	for (uint64_t now = 0; now < time; now += SYNC_NS) {
		uint64_t wait;
		gather_came(&g, writers, now);
		while ((wait = gather_wait(&g, writers, writers * 600, now))) {
			now += wait;
			gather_came(&g, 0, now);
		}
		r.ops += writers;
		r.groups++;
	}
	return r;
}

static void test_open_loop(void **state)
{
	static const struct {
		const char *name;
		uint64_t rate;
		unsigned least, most; /* operations in a group, on average */
	} cases[] = {
		{ "few: nobody waits", 500, 1, 1 },
		{ "20,000 a second", 20000, 8, 30 },
		{ "100,000 a second", 100000, 50, 200 },
		{ "a million a second: full groups", 1000000, 400, 1000 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct result r = open_loop(cases[i].rate, 2 * S);
		print_message("%s: %u in a group\n", cases[i].name, (unsigned)(r.ops / r.groups));
		assert_in_range(r.ops / r.groups, cases[i].least, cases[i].most);
		assert_true(r.longest_ns <= GATHER_NS_MAX);
		if (cases[i].rate < GATHER_RATE_MIN)
			assert_int_equal(r.longest_ns, 0);
	}
}

/* Nothing can come while all wait for this commit: waiting must not cost more than a tenth. */
static void test_closed_loop(void **state)
{
	static const uint32_t writers[] = { 1, 2, 10, 100 };

	for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
		struct result r = closed_loop(writers[i], 2 * S);
		print_message("%u writers: %u commits a second\n", writers[i],
			(unsigned)(r.groups / 2));
		assert_true(r.groups > 2 * S / SYNC_NS * 9 / 10);
	}
}

/* When many come after a time of few, the policy finds out. */
static void test_changes(void **state)
{
	struct gather g;
	uint64_t now = 0;
	unsigned waits = 0;

	gather_init(&g, 0);
	for (int i = 0; i < 10000; i++, now += SYNC_NS) { /* one writer alone */
		gather_came(&g, 1, now);
		for (uint64_t wait; (wait = gather_wait(&g, 1, 600, now)); now += wait)
			;
	}
	for (int i = 0; i < 10000; i++, now += SYNC_NS) { /* 20,000 a second */
		uint32_t n = 2;
		gather_came(&g, n, now);
		for (uint64_t wait; (wait = gather_wait(&g, n, n * 600, now)); now += wait) {
			n += (uint32_t)(wait / 50000);
			gather_came(&g, (uint32_t)(wait / 50000), now);
			waits++;
		}
	}
	assert_true(waits > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_loop),
		cmocka_unit_test(test_closed_loop),
		cmocka_unit_test(test_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
