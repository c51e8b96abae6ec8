/* Mailboxes: messages between threads, first-in first-out for each pair of them.
 *
 * Any thread posts, one thread takes. Posting is a compare-and-swap for a whole batch; an
 * eventfd wakes the receiver, and only when it said that it sleeps. A mailbox counts the
 * bytes that wait in it. It does not refuse: who posts asks mailbox_full() and holds its
 * sources back (see core/shard.h for who does what at the bound). */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include "base/str.h"

#include <stdatomic.h>

/* Embedded in what is sent. The receiver's loop calls run(), which then owns the mail. */
struct mail {
	struct mail *next;
	void (*run)(struct mail *m, void *receiver);
	uint32_t bytes; /* what it weighs against the bound */
};

struct mailbox {
	_Atomic(struct mail *) newest;
	atomic_size_t bytes;
	atomic_bool asleep;
	size_t max_bytes;
	int fd; /* eventfd, readable when woken */
};

/* Mails gathered by one sender for one receiver, to be posted together. */
struct batch {
	struct mail *first, *last;
	size_t bytes;
};

/* False with errno when there is no eventfd to be had. */
bool mailbox_init(struct mailbox *b, size_t max_bytes);

/* Nobody may post any more. Mails that wait are the caller's to take before. */
void mailbox_clear(struct mailbox *b);

/* Adds to the end of a batch. */
void batch_add(struct batch *t, struct mail *m);

/* Posts the batch and empties it; wakes a receiver that sleeps. */
void mailbox_post(struct mailbox *b, struct batch *t);

/* The same without waking. True: the receiver sleeps, and it is the caller's now to see to the
 * mail, by mailbox_wake() at the latest. */
bool mailbox_put(struct mailbox *b, struct batch *t);
void mailbox_wake(struct mailbox *b);

/* Posts a single mail. */
void mailbox_post_one(struct mailbox *b, struct mail *m);

static inline bool mailbox_full(struct mailbox *b)
{
	return atomic_load_explicit(&b->bytes, memory_order_relaxed) > b->max_bytes;
}

/* Takes and runs all that waits, in order. Returns how many. Receiver only. */
size_t mailbox_run(struct mailbox *b, void *receiver);

/* The receiver is about to wait on the fd. False: something has come, don't wait. */
bool mailbox_sleep(struct mailbox *b);

/* The receiver is awake again; empties the eventfd when `woken` says it was readable. */
void mailbox_awake(struct mailbox *b, bool woken);

#endif
