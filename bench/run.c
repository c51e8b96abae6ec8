/* The run: its loop, its phases, its errors. */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define SECOND_NS    1000000000u
#define QUIET_NS     200000000u  /* a look at the server's CPU */
#define QUIET_SHARE  50          /* less than a 50th of a core is rest */
#define QUIET_LOOKS  100         /* at most */
#define LONGEST_SECONDS 30       /* beyond the time of measuring */
#define STILL_BYTES  65536       /* memory that changes by less is at rest */

struct usage bench_usage(const struct bench *b)
{
	struct usage near = usage_of(b->o.pid), far = usage_of(b->o.far_pid);

	near.cpu_ns += far.cpu_ns;
	near.rss += far.rss;
	near.pss += far.pss;
	near.gone = near.gone || far.gone;
	return near;
}

static uint64_t cpu_of_servers(const struct bench *b)
{
	return usage_cpu_ns(b->o.pid) + usage_cpu_ns(b->o.far_pid);
}

void bench_error(struct bench *b, const char *fmt, ...)
{
	va_list ap;

	if (b->errors++)
		return;
	va_start(ap, fmt);
	vsnprintf(b->first_error, sizeof b->first_error, fmt, ap);
	va_end(ap);
}

void bench_bad_message(struct peer *p, const struct xml_doc *d, const char *wrong)
{
	struct bench *b = bench_of(p);
	const struct xml_node *error = xml_child(d, xml_root(d), NS_CLIENT, TAG_ERROR);

	if (!error) {
		bench_error(b, "%s: %s", p->user, wrong);
		return;
	}
	struct str why = xml_raw(d, error);
	bench_error(b, "%s: a message was refused: %.*s", p->user, STR_FMT(why));
}

void bench_lacks(struct bench *b, const char *what)
{
	b->lacks = what;
	bench_error(b, "the server does not offer %s", what);
}

bool bench_run(struct bench *b, bool (*done)(struct bench *), double seconds, const char *what)
{
	uint64_t begin = now_ns(), next = begin + SECOND_NS;
	uint64_t until = seconds > 0 ? begin + (uint64_t)(seconds * 1e9) : UINT64_MAX;
	bool tell = !b->o.quiet && isatty(STDERR_FILENO);

	while (!b->errors && !(done && done(b))) {
		uint64_t now = now_ns();
		if (now >= until)
			return false;
		if (tell && now >= next) {
			fprintf(stderr, "\r%s: %s %.0f s, %llu done ", b->scenario, what,
				(double)(now - begin) / 1e9, (unsigned long long)b->now->units);
			next = now + SECOND_NS;
		}
		uint64_t left = (until - now) / 1000000;
		loop_turn(&b->loop, left < 50 ? left : 50);
	}
	if (tell)
		fprintf(stderr, "\r%60s\r", "");
	return !b->errors;
}

void bench_start(struct bench *b, const char *name, const char *unit)
{
	struct phase *p = &b->phases[b->n_phases++];

	BUG_ON(b->n_phases > PHASES_MAX);
	*p = (struct phase){ .name = name, .unit = unit };
	b->now = p;
	p->start = bench_usage(b);
	p->own_start_ns = own_cpu_ns();
	p->start_ns = now_ns();
}

void bench_hold(struct bench *b, uint64_t from)
{
	b->now->holds = true;
	b->now->held_from = from;
}

void bench_end(struct bench *b)
{
	struct phase *p = b->now;

	if (!p->end_ns)
		p->end_ns = now_ns();
	p->own_ns = own_cpu_ns() - p->own_start_ns;
	p->end = bench_usage(b);
	if (p->end.gone)
		bench_error(b, "the server is gone");
	b->now = &b->unmeasured;
}

static bool has_enough(struct bench *b)
{
	return b->now->units >= b->now->least;
}

void bench_measure(struct bench *b, uint64_t least, const char *what)
{
	b->now->least = least;
	bench_run(b, NULL, bench_seconds(b), what);
	bench_run(b, has_enough, LONGEST_SECONDS, what);
	if (!b->now->units)
		bench_error(b, "%s: the server did nothing for %.0f s", b->now->name,
			bench_seconds(b) + LONGEST_SECONDS);
}

static bool is_near(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) < STILL_BYTES;
}

/* A server that has just opened its port may still be reading its files: what it needs for
 * that is given back, and is no part of what it has before the run. */
void bench_before(struct bench *b)
{
	struct usage last;

	b->before = bench_usage(b);
	if (!b->o.pid || b->before.gone)
		return;
	for (unsigned i = 0; i < QUIET_LOOKS && !b->errors; i++) {
		last = b->before;
		bench_run(b, NULL, QUIET_NS / 1e9, "waiting for rest");
		b->before = bench_usage(b);
		if (b->before.cpu_ns - last.cpu_ns < QUIET_NS / QUIET_SHARE &&
			is_near(b->before.pss, last.pss))
			return;
	}
}

void bench_settle(struct bench *b)
{
	uint64_t cpu = cpu_of_servers(b);

	for (unsigned i = 0; i < QUIET_LOOKS && !b->errors; i++) {
		uint64_t before = cpu;
		b->now->end_ns = now_ns();
		bench_run(b, NULL, QUIET_NS / 1e9, "waiting for rest");
		cpu = cpu_of_servers(b);
		if (cpu - before < QUIET_NS / QUIET_SHARE)
			return;
	}
}
