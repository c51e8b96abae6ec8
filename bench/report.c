/* What a run has found, for people and for machines. */
#include "bench.h"

#include <stdio.h>

static double us(uint64_t ns)
{
	return (double)ns / 1000;
}

static double at(const struct histogram *h, uint32_t millionth)
{
	return us(histogram_at(h, millionth));
}

static double seconds_of(const struct phase *p)
{
	return (double)(p->end_ns - p->start_ns) / 1e9;
}

static double units_of(const struct phase *p)
{
	return p->units ? (double)p->units : 1;
}

static uint64_t cpu_of(const struct phase *p)
{
	return p->end.cpu_ns > p->start.cpu_ns ? p->end.cpu_ns - p->start.cpu_ns : 0;
}

/* Bytes that a unit takes; less than none, where the server gave back more. */
static double held_of(const struct phase *p)
{
	return ((double)p->end.pss - (double)p->held_from) / units_of(p);
}

static bool is_idle(const struct phase *p)
{
	return strcmp(p->name, "idle") == 0;
}

/* ---- for people ---- */

static void text_held(const struct bench *b, const struct phase *p)
{
	if (b->o.pid)
		printf("server     %.0f bytes a %s (PSS), CPU %.2f%% of a core\n", held_of(p), p->unit,
			(double)cpu_of(p) / seconds_of(p) / 1e7);
}

static void text_work(const struct bench *b, const struct phase *p)
{
	const struct histogram *h = &p->latency;

	if (b->o.pid)
		printf("server     %.2f us of CPU a %s, %.0f%% of a core\n",
			us(cpu_of(p)) / units_of(p), p->unit, (double)cpu_of(p) / seconds_of(p) / 1e7);
	printf("bench      %.2f us of CPU a %s\n", us(p->own_ns) / units_of(p), p->unit);
	if (h->n)
		printf("latency    p50 %.0f us, p99 %.0f us, p99.9 %.0f us, max %.0f us\n",
			at(h, 500000), at(h, 990000), at(h, 999000), us(h->max_ns));
}

/* "messages", "copies". */
static void text_plural(const char *unit)
{
	size_t n = strlen(unit);

	if (unit[n - 1] == 'y')
		printf("%.*sies", (int)n - 1, unit);
	else
		printf("%ss", unit);
}

static void text_phase(const struct bench *b, const struct phase *p)
{
	printf("%-10s %llu ", p->name, (unsigned long long)p->units);
	text_plural(p->unit);
	printf(" in %.1f s", seconds_of(p));
	if (is_idle(p))
		printf("\n");
	else
		printf(", %.0f a second\n", (double)p->units / seconds_of(p));
	if (p->holds)
		text_held(b, p);
	if (!is_idle(p))
		text_work(b, p);
}

void report_text(const struct bench *b)
{
	for (unsigned i = 0; i < b->n_phases; i++)
		text_phase(b, &b->phases[i]);
	if (b->o.pid && b->n_phases)
		printf("memory     %.1f MB before, %.1f during, %.1f after (PSS)\n",
			(double)b->before.pss / 1e6,
			(double)b->phases[b->n_phases - 1].end.pss / 1e6,
			(double)b->after.pss / 1e6);
	if (b->tls[0])
		printf("TLS        %s, %llu sessions resumed\n", b->tls,
			(unsigned long long)b->resumed);
	if (b->lacks)
		printf("LACKS      %s is not offered by this server\n", b->lacks);
	else if (b->errors)
		printf("FAILED     %llu errors; the first: %s\n", (unsigned long long)b->errors,
			b->first_error);
}

/* ---- for machines ---- */

static void json_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		if ((unsigned char)*s >= ' ')
			putchar(*s);
	}
	putchar('"');
}

static void json_usage(const char *name, const struct usage *u)
{
	printf("\"%s\":{\"cpu_us\":%.1f,\"rss\":%llu,\"pss\":%llu}", name, us(u->cpu_ns),
		(unsigned long long)u->rss, (unsigned long long)u->pss);
}

/* The slots that have something: where each begins in us, and how many. */
static void json_histogram(const struct histogram *h)
{
	const char *comma = "";

	printf("\"histogram\":[");
	for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
		if (!h->slots[i])
			continue;
		printf("%s[%.6g,%u]", comma, i ? histogram_from_us(i) : 0, h->slots[i]);
		comma = ",";
	}
	printf("]");
}

static void json_phase(const struct phase *p)
{
	const struct histogram *h = &p->latency;
	double seconds = seconds_of(p), cpu = us(cpu_of(p));

	printf("{\"name\":\"%s\",\"unit\":\"%s\",\"units\":%llu,\"seconds\":%.3f,\"rate\":%.1f,"
	       "\"server_cpu_us_per_unit\":%.4f,\"server_cpu_share\":%.4f,"
	       "\"bench_cpu_us_per_unit\":%.4f,\"held_bytes_per_unit\":%.1f,",
		p->name, p->unit, (unsigned long long)p->units, seconds,
		(double)p->units / seconds, cpu / units_of(p), cpu / seconds / 1e6,
		us(p->own_ns) / units_of(p), p->holds ? held_of(p) : 0);
	printf("\"latency_us\":{\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f},",
		at(h, 500000), at(h, 990000), at(h, 999000), us(h->max_ns));
	json_usage("start", &p->start);
	printf(",");
	json_usage("end", &p->end);
	printf(",");
	json_histogram(h);
	printf("}");
}

void report_json(const struct bench *b)
{
	const struct options *o = &b->o;

	printf("{\"scenario\":\"%s\",\"users\":%u,\"at_once\":%u,\"window\":%u,\"messages\":%u,"
	       "\"contacts\":%u,\"rooms\":%u,\"occupants\":%u,\"bytes\":%u,\"rate\":%g,"
	       "\"resumed\":%llu,\"tls\":",
		b->scenario, o->users, o->at_once, o->window, o->messages, o->contacts, o->rooms,
		o->occupants, o->bytes, o->rate, (unsigned long long)b->resumed);
	json_string(b->tls);
	printf(",");
	json_usage("before", &b->before);
	printf(",");
	json_usage("after", &b->after);
	printf(",\"phases\":[");
	for (unsigned i = 0; i < b->n_phases; i++) {
		printf("%s", i ? "," : "");
		json_phase(&b->phases[i]);
	}
	printf("],\"lacks\":");
	json_string(b->lacks ? b->lacks : "");
	printf(",\"errors\":%llu,\"first_error\":", (unsigned long long)b->errors);
	json_string(b->first_error);
	printf("}\n");
}
