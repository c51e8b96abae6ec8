/* What the scenarios of stentor-bench share: options, phases that are measured, the crowd of
 * peers, messages that can be checked. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "measure.h"
#include "peer.h"

struct options {
	unsigned first;        /* number of the first user, and of the first room */
	unsigned users;        /* pairs count two each */
	unsigned rooms;        /* 0: as is usual */
	unsigned occupants;    /* of each room */
	unsigned nodes;        /* of publish-subscribe */
	unsigned subscribers;  /* of each node */
	const char *service;   /* of the rooms: its domain */
	const char *pubsub;    /* of the nodes: likewise */
	unsigned at_once;      /* negotiations, changes of presence, or joins, under way */
	unsigned window;       /* messages under way per pair, or room */
	unsigned messages;     /* in all per pair, where there is an end; 0: as is usual */
	unsigned contacts;     /* of each user; even */
	unsigned bytes;        /* of a body */
	double seconds;        /* of measuring; 0: as long as it takes, where there is an end */
	double rate;           /* messages a second in all; 0: as the window allows */
	double breaks;         /* of connections, a second */
	unsigned ack_every;    /* stanzas; 0: as the scenario thinks best */
	unsigned across;       /* pair users of different shards out of so many; 0: as they come */
	bool json, quiet;
	const char *plot;      /* SVG file, or NULL */
	int pid;
	int far_pid;           /* of the second server, or 0 */
};

/* A stretch of a run that is measured by itself. */
struct phase {
	const char *name, *unit;
	struct usage start, end;
	uint64_t start_ns, end_ns, own_start_ns, own_ns;
	uint64_t units;        /* of work: messages, logins, deliveries */
	uint64_t least;        /* units that make a figure */
	bool holds;            /* it is about memory: what the units take */
	uint64_t held_from;    /* of the server without them: its PSS, where the phase holds */
	struct histogram latency;
};

#define PHASES_MAX 4

struct bench {
	struct loop loop;
	struct options o;
	struct target target;
	struct target far;     /* of the second half of the crowd, where there are two servers */
	const char *scenario;
	struct peer *peers;
	unsigned n_peers;
	struct sasl_client_cache *caches;
	struct usage before, after;
	struct phase phases[PHASES_MAX];
	unsigned n_phases;
	struct phase *now;     /* what is measured; before and between phases one that is dropped */
	struct phase unmeasured;
	uint64_t resumed;      /* TLS handshakes that went on with an old session */
	char tls[64];          /* what was negotiated, by the first peer */
	const char *lacks;     /* a specification that the server does not have, or NULL */
	uint64_t errors;
	char first_error[400];
};

struct scenario {
	const char *name, *what;
	void (*run)(struct bench *b); /* returns when it is over; b has the figures */
};

/* ---- the run (run.c) ---- */

/* Notes an error: the run fails at its end, and says the first one. */
void bench_error(struct bench *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The run fails because the server does not have this specification, which is no mistake. */
void bench_lacks(struct bench *b, const char *what);

/* What the servers have and have used, together. */
struct usage bench_usage(const struct bench *b);

/* Waits until the server is at rest, its memory too, and notes what it has then. */
void bench_before(struct bench *b);

/* The same for a message that did not pass its check; a refusal is told with its reason. */
void bench_bad_message(struct peer *p, const struct xml_doc *d, const char *wrong);

/* Begins and ends a phase. */
void bench_start(struct bench *b, const char *name, const char *unit);
void bench_end(struct bench *b);

/* The running phase is about the memory that the server has beyond these bytes (PSS). */
void bench_hold(struct bench *b, uint64_t from);

/* One unit of work is done; it took so long. */
static inline void bench_count(struct bench *b, uint64_t ns)
{
	b->now->units++;
	histogram_add(&b->now->latency, ns);
}

/* Runs the loop until `done` says so or `seconds` have gone (done NULL: never; seconds 0: for
 * ever); a progress line meanwhile. False when the time ran out first, or after an error. */
bool bench_run(struct bench *b, bool (*done)(struct bench *), double seconds, const char *what);

/* Runs the loop for the time of measuring, and longer until the phase has so many units; a server
 * that is slower than that would be measured by chance. No unit at all is an error. */
void bench_measure(struct bench *b, uint64_t least, const char *what);

/* Runs the loop until the server does next to nothing any more, so that work which it does
 * behind the answers is counted; the running phase ends where that began. */
void bench_settle(struct bench *b);

/* The seconds of measuring, or what is usual. */
static inline double bench_seconds(const struct bench *b)
{
	return b->o.seconds > 0 ? b->o.seconds : 5;
}

/* ---- the crowd (crowd.c) ---- */

/* Makes n peers with these functions, not connected. Once in a run. */
void crowd_make(struct bench *b, unsigned n, const struct peer_ops *ops);
void crowd_free(struct bench *b);

/* The second half of them is on the second server. */
void crowd_split(struct bench *b);

/* Brings n peers online from a place on, at_once at a time; then each has sent presence if
 * `presence`. False: the run failed. */
bool crowd_login(struct bench *b, unsigned from, unsigned n, bool presence);

/* ops->ready of a crowd's peers calls this. */
void crowd_ready(struct peer *p);

/* Waits until all that was sent is acknowledged (XEP-0198). False: it took too long. */
bool crowd_acked(struct bench *b);

/* Ends the streams of n peers in order and waits for it; they may come online again. */
void crowd_leave(struct bench *b, unsigned from, unsigned n);

/* For the peers of any scenario: the run fails; nothing; nothing. */
void crowd_failed(struct peer *p, const char *why);
void crowd_ended(struct peer *p);
void crowd_ignore(struct peer *p, const struct xml_doc *d);

/* Counts TLS sessions that were resumed, and notes what was negotiated. */
void crowd_note_tls(struct peer *p);

static inline struct bench *bench_of(struct peer *p)
{
	return p->loop->owner;
}

static inline unsigned peer_index(struct peer *p)
{
	return (unsigned)(p - bench_of(p)->peers);
}

/* ---- scenarios ---- */

void run_register(struct bench *b);
void run_login(struct bench *b);
void run_idle(struct bench *b);
void run_chat(struct bench *b);
void run_federation(struct bench *b);
void run_floor(struct bench *b);
void run_presence(struct bench *b);
void run_offline(struct bench *b);
void run_archive(struct bench *b);
void run_resume(struct bench *b);
void run_room(struct bench *b);
void run_room_floor(struct bench *b);
void run_room_join(struct bench *b);
void run_room_idle(struct bench *b);
void run_pubsub(struct bench *b);
void run_pubsub_idle(struct bench *b);
void run_pubsub_wide(struct bench *b);
void run_pep(struct bench *b);

/* ---- report (report.c, plot.c) ---- */

void report_text(const struct bench *b);
void report_json(const struct bench *b);

/* Draws the latencies of all phases; false with errno when the file cannot be written. */
bool plot_write(const struct bench *b, const char *file);

#endif
