/* Measuring: clocks, latencies, what a process costs. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#define HISTOGRAM_SLOTS 1024

/* Counts of latencies in steps of about 3%, from 1 us to an hour. */
struct histogram {
	uint64_t n, max_ns;
	uint32_t slots[HISTOGRAM_SLOTS];
};

void histogram_add(struct histogram *h, uint64_t ns);

/* The latency in ns that a part of 1,000,000 stays below. */
uint64_t histogram_at(const struct histogram *h, uint32_t millionth);

/* Where a slot begins, in us. */
double histogram_from_us(unsigned slot);

struct usage {
	uint64_t cpu_ns;    /* all threads, also those that ended, and all descendants */
	uint64_t rss, pss;  /* bytes */
	bool gone;          /* there is no such process */
};

/* Of the server; zeros when pid is 0. */
struct usage usage_of(int pid);

/* The CPU alone: cheaper. */
uint64_t usage_cpu_ns(int pid);

/* CPU of this process. */
uint64_t own_cpu_ns(void);

uint64_t now_ns(void);

#endif
