#include "net/jobs.h"

#include "base/bug.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define WORKER_NICE 10

struct jobs {
	pthread_mutex_t lock;
	pthread_cond_t come;         /* a job has come, or the end */
	struct job *first, **last;   /* those that wait */
	unsigned n_waiting, max_waiting;
	bool ending;
	unsigned n_threads;
	pthread_t threads[];
};

/* The next job; NULL when there will be none. */
static struct job *next_job(struct jobs *p)
{
	pthread_mutex_lock(&p->lock);
	while (!p->first && !p->ending)
		pthread_cond_wait(&p->come, &p->lock);
	struct job *j = p->first;
	if (j) {
		p->first = j->next;
		if (!p->first)
			p->last = &p->first;
		p->n_waiting--;
	}
	pthread_mutex_unlock(&p->lock);
	return j;
}

static void come_home(struct mail *m, void *receiver)
{
	struct job *j = container_of(m, struct job, mail);

	j->done(j, receiver);
}

static void *worker(void *arg)
{
	struct jobs *p = arg;
	struct job *j;

	/* Behind the loops (on Linux a thread has a niceness of its own): a storm of logins
	 * must not make messages wait. If it cannot be set, nothing is lost but that. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), WORKER_NICE);
	while ((j = next_job(p))) {
		j->work(j);
		mailbox_post_one(j->home, &j->mail);
	}
	return NULL;
}

struct jobs *jobs_new(unsigned threads, unsigned max_waiting)
{
	struct jobs *p = xcalloc(1, sizeof *p + threads * sizeof p->threads[0]);
	sigset_t all, before;

	BUG_ON(!threads);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->come, NULL);
	p->last = &p->first;
	p->max_waiting = max_waiting;
	p->n_threads = threads;
	/* Signals are for the threads that wait for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned i = 0; i < threads; i++) {
		if (pthread_create(&p->threads[i], NULL, worker, p) != 0)
			BUG("no thread to be had for jobs");
		pthread_setname_np(p->threads[i], "stentor-jobs");
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return p;
}

void jobs_free(struct jobs **pp)
{
	struct jobs *p = *pp;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->ending = true;
	pthread_cond_broadcast(&p->come);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->come);
	pthread_mutex_destroy(&p->lock);
	free(p);
	*pp = NULL;
}

bool jobs_submit(struct jobs *p, struct job *j)
{
	pthread_mutex_lock(&p->lock);
	bool room = p->n_waiting < p->max_waiting;
	if (room) {
		j->mail.run = come_home;
		j->mail.bytes = sizeof *j;
		j->next = NULL;
		*p->last = j;
		p->last = &j->next;
		p->n_waiting++;
		pthread_cond_signal(&p->come);
	}
	pthread_mutex_unlock(&p->lock);
	return room;
}
