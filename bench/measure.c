/* A server's CPU comes from the clocks of its processes, which count nanoseconds of all threads
 * and keep those of threads that ended; /proc/PID/stat counts in ticks of 10 ms. */
#include "measure.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PER_OCTAVE 32 /* slots for each doubling */

/* Of one server: Erlang starts a handful. */
#define PROCESSES_MAX 256

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t own_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- latencies ---- */

/* Slot k * 32 + m holds the values from (32 + m) * 2^k us/32 on. */
static unsigned slot_of(uint64_t ns)
{
	uint64_t v = ns * PER_OCTAVE / 1000;

	if (v < PER_OCTAVE)
		return 0;
	unsigned octave = 58 - (unsigned)__builtin_clzll(v);
	unsigned slot = octave * PER_OCTAVE + (unsigned)((v >> octave) - PER_OCTAVE);
	return slot < HISTOGRAM_SLOTS ? slot : HISTOGRAM_SLOTS - 1;
}

double histogram_from_us(unsigned slot)
{
	return (double)((uint64_t)(PER_OCTAVE + slot % PER_OCTAVE) << (slot / PER_OCTAVE)) /
	       PER_OCTAVE;
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

	for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
		seen += h->slots[i];
		if (seen > want) {
			uint64_t ns = (uint64_t)(histogram_from_us(i + 1) * 1000);
			return ns < h->max_ns ? ns : h->max_ns;
		}
	}
	return h->max_ns;
}

/* ---- processes ---- */

struct process {
	int pid, parent;
	uint64_t ended_ticks; /* CPU of children that were waited for */
};

/* Reads /proc/PID/stat; proc(5) numbers its fields. */
static bool read_stat(int pid, struct process *p)
{
	char path[64], line[1024];
	unsigned long user, system;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	size_t n = fread(line, 1, sizeof line - 1, f);
	fclose(f);
	line[n] = '\0';
	char *rest = strrchr(line, ')');
	if (!rest || sscanf(rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %lu %lu",
			     &p->parent, &user, &system) != 3)
		return false;
	p->pid = pid;
	p->ended_ticks = user + system;
	return true;
}

static unsigned add_children(const struct process *all, unsigned n_all, struct process *tree,
	unsigned n, int of)
{
	for (unsigned i = 0; i < n_all && n < PROCESSES_MAX; i++)
		if (all[i].parent == of)
			tree[n++] = all[i];
	return n;
}

/* The process and its descendants. Returns how many; 0 when it is gone. */
static unsigned processes_of(int pid, struct process tree[PROCESSES_MAX])
{
	struct process *all = NULL;
	unsigned n_all = 0, cap = 0, n = 0;
	struct dirent *e;

	if (!read_stat(pid, &tree[0]))
		return 0;
	DIR *d = opendir("/proc");
	while (d && (e = readdir(d))) {
		int other = (int)strtol(e->d_name, NULL, 10);
		if (n_all == cap) {
			cap = cap ? 2 * cap : 256;
			struct process *more = realloc(all, cap * sizeof *all);
			if (!more)
				break;
			all = more;
		}
		if (other > 0 && read_stat(other, &all[n_all]))
			n_all++;
	}
	if (d)
		closedir(d);
	n = 1;
	for (unsigned i = 0; i < n; i++)
		n = add_children(all, n_all, tree, n, tree[i].pid);
	free(all);
	return n;
}

static uint64_t cpu_of(const struct process *p)
{
	struct timespec t = { 0 };
	clockid_t clock;
	uint64_t ended = p->ended_ticks * 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);

	if (clock_getcpuclockid(p->pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
		return ended;
	return ended + (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
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

uint64_t usage_cpu_ns(int pid)
{
	struct process tree[PROCESSES_MAX];
	unsigned n = pid ? processes_of(pid, tree) : 0;
	uint64_t ns = 0;

	for (unsigned i = 0; i < n; i++)
		ns += cpu_of(&tree[i]);
	return ns;
}

struct usage usage_of(int pid)
{
	struct process tree[PROCESSES_MAX];
	struct usage u = { 0 };

	if (!pid)
		return u;
	unsigned n = processes_of(pid, tree);
	u.gone = n == 0;
	for (unsigned i = 0; i < n; i++) {
		u.cpu_ns += cpu_of(&tree[i]);
		add_memory(tree[i].pid, &u);
	}
	return u;
}
