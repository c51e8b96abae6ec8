/* A thread that runs what comes into its mailbox. The ledger has four of them. */
#ifndef STORE_LEDGER_WORKER_H
#define STORE_LEDGER_WORKER_H

#include "base/mailbox.h"

#include <pthread.h>

struct worker {
	pthread_t thread;
	struct mailbox box;
	struct mail stop;
	bool stopping;   /* the thread's own */
	void *receiver;  /* of the mails */
	void (*main)(void *receiver);
};

/* Starts the thread, with all signals blocked. main(receiver) is the whole of its work; where
 * it is NULL, the thread runs mails until it is stopped. False with errno. */
bool worker_start(struct worker *w, const char *name, void (*main)(void *receiver),
	void *receiver);

/* After all mails posted before have been run: ends and joins. */
void worker_stop(struct worker *w);

/* The same, but its mailbox stays: who posted the last mail may still be looking at it. */
void worker_join(struct worker *w);

/* For a main: waits for a mail, at most timeout_ms (-1: for ever), then runs all there are. */
void worker_wait(struct worker *w, int timeout_ms);

#endif
