/* What the scenarios of stentor-bench share: options, the crowd of peers, measuring. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "peer.h"

/* ---- measuring (measure.c) ---- */

/* Counts of latencies in about 2% steps from 1 us to 100 s. */
struct histogram {
	uint64_t n, max_ns;
	uint32_t slots[1024];
};

void histogram_add(struct histogram *h, uint64_t ns);

/* The latency in ns that a part of 1,000,000 stays below. */
uint64_t histogram_at(const struct histogram *h, uint32_t millionth);

struct usage {
	uint64_t cpu_us;    /* of the process and its children, all threads */
	uint64_t rss, pss;  /* bytes */
};

/* Of the server; zeros when pid is 0. */
struct usage usage_of(int pid);

/* CPU of this process. */
uint64_t own_cpu_us(void);

uint64_t now_ns(void);

/* ---- the run ---- */

struct options {
	const char *scenario;
	unsigned first;        /* number of the first user */
	unsigned users;        /* pairs count two each */
	unsigned at_once;      /* negotiations under way */
	unsigned window;       /* messages under way per pair */
	unsigned bytes;        /* of a body */
	double seconds;        /* of measuring */
	double rate;           /* messages a second in all; 0: as the window allows */
	unsigned across;       /* pair users of different shards out of so many; 0: as they come */
	bool json, quiet;
	int pid;
};

struct bench {
	struct loop loop;
	struct options o;
	struct target target;
	struct peer *peers;
	unsigned n_peers;
	struct sasl_client_cache *caches;
	struct usage before, start, end, after;
	uint64_t start_ns, end_ns, own_start_us, own_us;
	uint64_t units;        /* of work: messages, logins, registrations */
	struct histogram latency;
	uint64_t errors;
	char first_error[128];
};

/* Notes an error: the run fails at its end, and says the first one. */
void bench_error(struct bench *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Begins and ends the time that is measured. */
void bench_start(struct bench *b);
void bench_end(struct bench *b);

/* Runs the loop until `done` says so or `seconds` have gone; a progress line meanwhile.
 * Returns false when the time ran out first. */
bool bench_run(struct bench *b, bool (*done)(struct bench *), double seconds, const char *what);

/* Makes n peers with these functions and brings them online, at_once at a time; then each
 * has sent presence if `presence`. False: the run failed. */
bool crowd_login(struct bench *b, unsigned n, const struct peer_ops *ops, bool presence);

/* ops->ready of a crowd's peers calls this. */
void crowd_ready(struct peer *p);

/* Ends all streams in order and waits for it. */
void crowd_leave(struct bench *b);

struct bench *bench_of(struct peer *p);

/* ---- scenarios ---- */

/* Each returns when it is over; b has the figures. */
void run_register(struct bench *b);
void run_login(struct bench *b);
void run_idle(struct bench *b);
void run_chat(struct bench *b);

#endif
