/* Latency histograms as a picture: one row of bars for each phase, time on a logarithmic axis. */
#include "bench.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#define LEFT        30
#define WIDTH       740.0 /* of the bars */
#define ROW         200
#define MARK_ROW    12    /* names of marks stand one above the other: they may be close */
#define MARK_ROOM   100.0 /* of such a name */
#define BARS_HIGH   110.0
#define PER_BAR     4     /* slots */
#define BARS        (HISTOGRAM_SLOTS / PER_BAR)

static const struct bench_mark {
	uint32_t millionth;
	const char *name;
} marks[] = { { 500000, "p50" }, { 990000, "p99" }, { 999000, "p99.9" } };

/* The bars that are not empty at both ends, widened to whole powers of ten. */
struct axis {
	double from, to; /* log10 of us */
};

static struct axis axis_of(const struct histogram *h)
{
	unsigned first = 0, last = HISTOGRAM_SLOTS - 1;

	while (first < last && !h->slots[first])
		first++;
	while (last > first && !h->slots[last])
		last--;
	return (struct axis){ floor(log10(histogram_from_us(first))),
		ceil(log10(histogram_from_us(last + 1))) };
}

static double x_of(const struct axis *a, double us)
{
	return LEFT + WIDTH * (log10(us) - a->from) / (a->to - a->from);
}

static void draw_bars(FILE *f, const struct histogram *h, const struct axis *a, double base)
{
	uint32_t bars[BARS] = { 0 }, most = 1;

	for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++)
		bars[i / PER_BAR] += h->slots[i];
	for (unsigned i = 0; i < BARS; i++)
		most = bars[i] > most ? bars[i] : most;
	for (unsigned i = 0; i < BARS; i++) {
		if (!bars[i])
			continue;
		double from = x_of(a, histogram_from_us(i * PER_BAR));
		double to = x_of(a, histogram_from_us((i + 1) * PER_BAR));
		double high = BARS_HIGH * bars[i] / most;
		fprintf(f, "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f'/>\n", from,
			base - high, to - from, high);
	}
}

static void write_time(FILE *f, double us)
{
	if (us < 1000)
		fprintf(f, "%.3g us", us);
	else if (us < 1e6)
		fprintf(f, "%.3g ms", us / 1e3);
	else
		fprintf(f, "%.3g s", us / 1e6);
}

static void draw_axis(FILE *f, const struct axis *a, double base)
{
	fprintf(f, "<path d='M%d %.1fh%.0f' class='axis'/>\n", LEFT, base, WIDTH);
	for (double e = a->from; e <= a->to; e++) {
		double us = pow(10, e), x = x_of(a, us);
		fprintf(f, "<path d='M%.1f %.1fv4' class='axis'/><text x='%.1f' y='%.1f' "
			   "class='tick'>", x, base, x, base + 16);
		write_time(f, us);
		fprintf(f, "</text>\n");
	}
}

/* row: from the bars upwards. */
static void draw_mark(FILE *f, const struct bench_mark *m, const struct histogram *h,
	const struct axis *a, double base, unsigned row)
{
	double us = (double)histogram_at(h, m->millionth) / 1000, x = x_of(a, us > 1 ? us : 1);
	double high = BARS_HIGH + MARK_ROW * (row + 1);
	bool left = x > LEFT + WIDTH - MARK_ROOM;

	fprintf(f, "<path d='M%.1f %.1fv%.1f' class='mark'/><text x='%.1f' y='%.1f' "
		   "class='%s'>%s ", x, base - high, high, left ? x - 3 : x + 3,
		base - high + 8, left ? "name end" : "name", m->name);
	write_time(f, us);
	fprintf(f, "</text>\n");
}

static void draw_phase(FILE *f, const struct bench *b, const struct phase *p, double top)
{
	const struct histogram *h = &p->latency;
	struct axis a = axis_of(h);
	double base = top + ROW - 30;

	fprintf(f, "<text x='%d' y='%.1f'>", LEFT, top + 14);
	if (strcmp(b->scenario, p->name) != 0)
		fprintf(f, "%s, ", b->scenario);
	fprintf(f, "%s: %llu latencies</text>\n", p->name, (unsigned long long)h->n);
	if (!h->n)
		return;
	draw_bars(f, h, &a, base);
	draw_axis(f, &a, base);
	for (unsigned i = 0; i < sizeof marks / sizeof marks[0]; i++)
		draw_mark(f, &marks[i], h, &a, base, i);
}

bool plot_write(const struct bench *b, const char *file)
{
	FILE *f = fopen(file, "we");

	if (!f)
		return false;
	fprintf(f, "<svg xmlns='http://www.w3.org/2000/svg' width='800' height='%u'>\n"
		"<style>text{font:12px sans-serif}.tick{font-size:10px;text-anchor:middle}"
		".name{font-size:10px}.end{text-anchor:end}rect{fill:#3b6ea5}.axis{stroke:#444;fill:none}"
		".mark{stroke:#b03030;fill:none;stroke-dasharray:3 3}</style>\n"
		"<rect width='800' height='%u' style='fill:#fff'/>\n",
		ROW * b->n_phases + 10, ROW * b->n_phases + 10);
	for (unsigned i = 0; i < b->n_phases; i++)
		draw_phase(f, b, &b->phases[i], 5.0 + ROW * i);
	fprintf(f, "</svg>\n");
	bool well = !ferror(f);
	return fclose(f) == 0 && well;
}
