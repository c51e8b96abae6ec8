#include "store/ledger_worker.h"

#include "base/bug.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

static void on_stop(struct mail *m, void *receiver)
{
	container_of(m, struct worker, stop)->stopping = true;
}

void worker_wait(struct worker *w, int timeout_ms)
{
	if (mailbox_sleep(&w->box)) {
		struct pollfd p = { w->box.fd, POLLIN, 0 };
		int n = poll(&p, 1, timeout_ms);
		BUG_ON(n < 0 && errno != EINTR);
		mailbox_awake(&w->box, n > 0);
	}
	mailbox_run(&w->box, w->receiver);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	if (w->main)
		w->main(w->receiver);
	while (!w->stopping)
		worker_wait(w, -1);
	return NULL;
}

bool worker_start(struct worker *w, const char *name, void (*main)(void *receiver),
	void *receiver)
{
	sigset_t all, old;

	*w = (struct worker){ .receiver = receiver, .main = main, .stop = { .run = on_stop } };
	if (!mailbox_init(&w->box, SIZE_MAX))
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int e = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (e) {
		mailbox_clear(&w->box);
		errno = e;
		return false;
	}
	pthread_setname_np(w->thread, name);
	return true;
}

void worker_join(struct worker *w)
{
	mailbox_post_one(&w->box, &w->stop);
	pthread_join(w->thread, NULL);
}

void worker_stop(struct worker *w)
{
	worker_join(w);
	mailbox_clear(&w->box);
}
