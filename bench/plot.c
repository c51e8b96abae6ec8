/* Latency histograms as a picture: one row of bars for each phase, time on a logarithmic axis. */
#include "bench.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#define LEFT        20
#define WIDTH       760.0 /* of the bars */
#define ROW         180
#define BARS_HIGH   110.0
#define PER_BAR     4     /* slots */
#define BARS        (HISTOGRAM_SLOTS / PER_BAR)

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

static void draw_axis(FILE *f, const struct axis *a, double base)
{
	fprintf(f, "<path d='M%d %.1fh%.0f' class='axis'/>\n", LEFT, base, WIDTH);
	for (double e = a->from; e <= a->to; e++) {
		double us = pow(10, e), x = x_of(a, us);
		fprintf(f, "<path d='M%.1f %.1fv4' class='axis'/><text x='%.1f' y='%.1f' "
			   "class='tick'>", x, base, x, base + 16);
		if (us < 1000)
			fprintf(f, "%g us</text>\n", us);
		else if (us < 1e6)
			fprintf(f, "%g ms</text>\n", us / 1e3);
		else
			fprintf(f, "%g s</text>\n", us / 1e6);
	}
}

static void draw_mark(FILE *f, const struct axis *a, double base, double us, const char *name)
{
	double x = x_of(a, us > 1 ? us : 1);

	fprintf(f, "<path d='M%.1f %.1fv%.1f' class='mark'/><text x='%.1f' y='%.1f' "
		   "class='tick'>%s</text>\n", x, base - BARS_HIGH - 4, BARS_HIGH + 4, x,
		base - BARS_HIGH - 8, name);
}

static void draw_phase(FILE *f, const struct bench *b, const struct phase *p, double top)
{
	const struct histogram *h = &p->latency;
	struct axis a = axis_of(h);
	double base = top + ROW - 30;

	fprintf(f, "<text x='%d' y='%.1f'>%s, %s: %llu latencies</text>\n", LEFT, top + 14,
		b->scenario, p->name, (unsigned long long)h->n);
	if (!h->n)
		return;
	draw_bars(f, h, &a, base);
	draw_axis(f, &a, base);
	draw_mark(f, &a, base, (double)histogram_at(h, 500000) / 1000, "p50");
	draw_mark(f, &a, base, (double)histogram_at(h, 990000) / 1000, "p99");
	draw_mark(f, &a, base, (double)histogram_at(h, 999000) / 1000, "p99.9");
}

bool plot_write(const struct bench *b, const char *file)
{
	FILE *f = fopen(file, "we");

	if (!f)
		return false;
	fprintf(f, "<svg xmlns='http://www.w3.org/2000/svg' width='800' height='%u'>\n"
		"<style>text{font:12px sans-serif}.tick{font-size:10px;text-anchor:middle}"
		"rect{fill:#3b6ea5}.axis{stroke:#444;fill:none}"
		".mark{stroke:#b03030;fill:none;stroke-dasharray:3 3}</style>\n"
		"<rect width='800' height='%u' style='fill:#fff'/>\n",
		ROW * b->n_phases + 10, ROW * b->n_phases + 10);
	for (unsigned i = 0; i < b->n_phases; i++)
		draw_phase(f, b, &b->phases[i], 5.0 + ROW * i);
	fprintf(f, "</svg>\n");
	bool well = !ferror(f);
	return fclose(f) == 0 && well;
}
