#include "bench.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PER_OCTAVE 32 /* slots for each doubling: steps of about 2% */

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t own_cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

/* Slot k * 32 + m holds the values from (32 + m) * 2^k us/32 on. */
static unsigned slot_of(uint64_t ns)
{
	uint64_t v = ns * PER_OCTAVE / 1000;
	unsigned octave = 0;

	if (v < PER_OCTAVE)
		return 0;
	while (v >= 2 * PER_OCTAVE) {
		v >>= 1;
		octave++;
	}
	unsigned slot = octave * PER_OCTAVE + (unsigned)(v - PER_OCTAVE);
	return slot < 1024 ? slot : 1023;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	h->slots[slot_of(ns)]++;
	h->n++;
	if (ns > h->max_ns)
		h->max_ns = ns;
}

uint64_t histogram_at(const struct histogram *h, uint32_t millionth)
{
	uint64_t want = h->n * millionth / 1000000, seen = 0;

	for (unsigned i = 0; i < 1024; i++) {
		seen += h->slots[i];
		if (seen > want) {
			uint64_t top = (uint64_t)(PER_OCTAVE + i % PER_OCTAVE + 1)
				       << (i / PER_OCTAVE);
			uint64_t ns = top * 1000 / PER_OCTAVE;
			return ns < h->max_ns ? ns : h->max_ns;
		}
	}
	return h->max_ns;
}

/* utime and stime of /proc/PID/stat in clock ticks; *parent gets the parent's pid. */
static uint64_t ticks_of(int pid, int *parent)
{
	char path[64], line[1024];
	unsigned long utime = 0, stime = 0;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	size_t n = fread(line, 1, sizeof line - 1, f);
	fclose(f);
	line[n] = '\0';
	char *rest = strrchr(line, ')');
	if (!rest || sscanf(rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", parent,
			     &utime, &stime) != 3)
		return 0;
	return utime + stime;
}

static void add_memory(int pid, struct usage *u)
{
	char path[64], line[128];
	unsigned long kb;

	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "Rss: %lu", &kb) == 1)
			u->rss += (uint64_t)kb * 1024;
		else if (sscanf(line, "Pss: %lu", &kb) == 1)
			u->pss += (uint64_t)kb * 1024;
	}
	fclose(f);
}

/* The process and its direct children: what the servers here consist of. */
struct usage usage_of(int pid)
{
	struct usage u = { 0 };
	struct dirent *e;
	uint64_t ticks;
	int parent;

	if (!pid)
		return u;
	ticks = ticks_of(pid, &parent);
	add_memory(pid, &u);
	DIR *d = opendir("/proc");
	while (d && (e = readdir(d))) {
		int other = (int)strtol(e->d_name, NULL, 10);
		parent = 0;
		uint64_t t = other > 0 ? ticks_of(other, &parent) : 0;
		if (other > 0 && parent == pid) {
			ticks += t;
			add_memory(other, &u);
		}
	}
	if (d)
		closedir(d);
	u.cpu_us = ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	return u;
}
