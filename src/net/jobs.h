/* Work that takes long (PBKDF2), on threads of its own; the result comes home as a mail. */
#ifndef NET_JOBS_H
#define NET_JOBS_H

#include "base/mailbox.h"

/* Embedded in what the caller allocates. */
struct job {
	struct mail mail;
	struct job *next;
	struct mailbox *home;
	void (*work)(struct job *j);                  /* on a worker */
	void (*done)(struct job *j, void *receiver);  /* on the home loop; frees the job */
};

struct jobs;

/* max_waiting: jobs that may wait for a worker. */
struct jobs *jobs_new(unsigned threads, unsigned max_waiting);

/* Runs what waits to its end, then stops the threads. */
void jobs_free(struct jobs **p);

/* False, and nothing done, when max_waiting jobs wait. */
bool jobs_submit(struct jobs *p, struct job *j);

#endif
