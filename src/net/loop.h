/* The event loop of one thread: epoll (level-triggered), timers, the mailbox of the thread,
 * and the work at the end of each turn.
 *
 * A turn: wait, read the clock once, report connections that ended in the last flush, run the
 * mailbox, run the descriptors that are ready, fire timers, call turn_end, flush the
 * connections that were written to (net/conn.h), drop the turn's arena. Nothing in a turn may
 * block, and nothing is called back after turn_end.
 *
 * Waking another thread costs more than most mails do. So a loop whose turn had one event and
 * one mail for a loop that sleeps (loop_post()) runs a turn of that loop itself, behind its
 * own; where there is more to do, the other is woken and they work side by side. A turn has
 * the loop's lock, whoever runs it. Nothing may depend on which thread that is. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/arena.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "base/timer.h"

#include <pthread.h>
#include <sys/epoll.h>

#define LOOP_RX_BYTES (64 * 1024) /* one read takes at most this much */
#define LOOP_RX_PAD   64          /* readable bytes behind it, for scanners */

struct conn;
struct loop;

/* A descriptor in a loop. ready() may remove any watch, its own too. */
struct watch {
	int fd;
	uint32_t events; /* EPOLLIN, EPOLLOUT */
	void (*ready)(struct watch *w, uint32_t events);
};

struct loop {
	int epoll;
	bool stopping;
	uint64_t now;            /* monotonic ms, read once a turn */
	uint64_t mails;          /* that were run so far; tests see by it that all is quiet */
	struct wheel wheel;
	struct mailbox inbox;
	struct arena turn;       /* memory until the turn ends */
	struct list dirty;       /* connections with output of this turn */
	struct list ended;       /* connections whose end is reported in the next turn */
	struct conn *busy;       /* in a callback; NULL once that took it away */
	char *rx;                /* LOOP_RX_BYTES + LOOP_RX_PAD: bytes from a socket */
	char *plain;             /* the same: bytes out of TLS */
	void *owner;             /* given to mails and to turn_end */
	void (*turn_end)(struct loop *l);  /* before the flush; may be NULL */
	struct watch wake;                 /* the mailbox's descriptor */
	struct epoll_event *ready;         /* of the running turn */
	int n_ready, at_ready;
	struct buf_pool *pool;             /* output buffers without a connection */
	pthread_mutex_t lock;              /* held but while the thread waits */
	uint64_t asleep_until;             /* ms; of the running or last wait */
	uint64_t helped;                   /* turns that threads of other loops ran */
	bool may_help;                     /* the running turn had one event at most */
	struct loop *help;                 /* who gets a turn behind this one */
};

/* False with errno when the kernel gives no descriptor. inbox_bytes: bound of the mailbox. */
bool loop_init(struct loop *l, size_t inbox_bytes, void *owner);

/* Watches must be gone. */
void loop_clear(struct loop *l);

/* Turns until loop_stop(). */
void loop_run(struct loop *l);

/* One turn that waits at most max_wait ms; for tests and for programs with their own loop. */
void loop_turn(struct loop *l, uint64_t max_wait);

/* For who waits for l->epoll by other means: how long the next turn would wait, at most max ms. */
uint64_t loop_timeout(const struct loop *l, uint64_t max);

/* From a turn of `from`: posts to another loop, and sees to it that it runs. */
void loop_post(struct loop *from, struct loop *to, struct batch *t);

/* From the loop's own thread; others send a mail that calls it. */
void loop_stop(struct loop *l);

/* False with errno when epoll refuses the descriptor. */
bool watch_add(struct loop *l, struct watch *w);
void watch_change(struct loop *l, struct watch *w, uint32_t events);

/* Events that wait in this turn are forgotten too. Does not close the descriptor. */
void watch_del(struct loop *l, struct watch *w);

#endif
