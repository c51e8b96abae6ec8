#include "net/loop.h"

#include "net/conn_turn.h"
#include "net/pool.h"

#include "base/bug.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define EVENTS_A_TURN 512
#define TURN_ARENA    (64 * 1024)
#define MAX_WAIT_MS   60000

static void wake_ready(struct watch *w, uint32_t events)
{
	struct loop *l = container_of(w, struct loop, wake);

	mailbox_awake(&l->inbox, true);
}

static bool open_descriptors(struct loop *l, size_t inbox_bytes)
{
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0)
		return false;
	if (!mailbox_init(&l->inbox, inbox_bytes))
		goto no_inbox;
	l->wake = (struct watch){ l->inbox.fd, EPOLLIN, wake_ready };
	if (!watch_add(l, &l->wake))
		goto no_watch;
	return true;
no_watch:
	mailbox_clear(&l->inbox);
no_inbox:
	close(l->epoll);
	return false;
}

bool loop_init(struct loop *l, size_t inbox_bytes, void *owner)
{
	*l = (struct loop){ .owner = owner };
	if (!open_descriptors(l, inbox_bytes))
		return false;
	l->now = clock_mono_ms();
	wheel_init(&l->wheel, l->now);
	arena_init(&l->turn, TURN_ARENA);
	list_init(&l->dirty);
	list_init(&l->ended);
	l->rx = xcalloc(1, LOOP_RX_BYTES + LOOP_RX_PAD);
	l->plain = xcalloc(1, LOOP_RX_BYTES + LOOP_RX_PAD);
	l->ready = xcalloc(EVENTS_A_TURN, sizeof *l->ready);
	l->pool = buf_pool_new();
	pthread_mutex_init(&l->lock, NULL);
	return true;
}

void loop_clear(struct loop *l)
{
	BUG_ON(!list_empty(&l->dirty) || !list_empty(&l->ended));
	watch_del(l, &l->wake);
	mailbox_clear(&l->inbox);
	close(l->epoll);
	arena_clear(&l->turn);
	buf_pool_free(&l->pool);
	pthread_mutex_destroy(&l->lock);
	free(l->rx);
	free(l->plain);
	free(l->ready);
}

static bool is_idle(const struct loop *l)
{
	return list_empty(&l->dirty) && list_empty(&l->ended);
}

static int get_ready(struct loop *l, uint64_t wait)
{
	int n = epoll_wait(l->epoll, l->ready, EVENTS_A_TURN, (int)wait);

	BUG_ON(n < 0 && errno != EINTR);
	return n > 0 ? n : 0;
}

/* Waits without the lock, so that others may run turns meanwhile. */
static int sleep_ready(struct loop *l, uint64_t wait)
{
	uint64_t helped = l->helped;

	pthread_mutex_unlock(&l->lock);
	int n = get_ready(l, wait);
	pthread_mutex_lock(&l->lock);
	/* What was reported before such a turn may be gone since. */
	return l->helped == helped ? n : get_ready(l, 0);
}

static uint64_t timeout_at(const struct loop *l, uint64_t now, uint64_t max)
{
	uint64_t wait = is_idle(l) ? wheel_wait(&l->wheel, now, max) : 0;

	return wait < MAX_WAIT_MS ? wait : MAX_WAIT_MS;
}

uint64_t loop_timeout(const struct loop *l, uint64_t max)
{
	return timeout_at(l, clock_mono_ms(), max);
}

/* Waits until something is ready, mail comes or a timer is due. */
static void wait_ready(struct loop *l, uint64_t max_wait)
{
	uint64_t now = clock_mono_ms();
	uint64_t wait = timeout_at(l, now, max_wait);

	l->asleep_until = now + wait;
	bool sleeps = wait && mailbox_sleep(&l->inbox);
	l->n_ready = sleeps ? sleep_ready(l, wait) : get_ready(l, 0);
	mailbox_awake(&l->inbox, false);
}

static void run_ready(struct loop *l)
{
	for (l->at_ready = 0; l->at_ready < l->n_ready;) {
		struct epoll_event *e = &l->ready[l->at_ready++];
		struct watch *w = e->data.ptr;
		if (w)
			w->ready(w, e->events);
	}
	l->at_ready = l->n_ready = 0;
}

static void run_mail(struct loop *l)
{
	size_t n = mailbox_run(&l->inbox, l->owner);

	l->mails += n;
	l->may_help = l->may_help && n <= 1;
}

static void work(struct loop *l)
{
	l->now = clock_mono_ms();
	conns_report(l);
	run_mail(l);
	run_ready(l);
	wheel_advance(&l->wheel, l->now);
	if (l->turn_end)
		l->turn_end(l);
	conns_flush(l);
	arena_reset(&l->turn);
}

/* A turn for a loop whose thread sleeps, or was about to. Wakes it where it cannot sleep on as
 * if nothing had happened. */
static void help(struct loop *l)
{
	bool sleeps_on = false;

	if (pthread_mutex_trylock(&l->lock) == 0) {
		l->helped++;
		l->may_help = false; /* one hop: no chains of loops on one thread */
		work(l);
		uint64_t due = l->now + wheel_wait(&l->wheel, l->now, MAX_WAIT_MS);
		sleeps_on = !l->stopping && is_idle(l) && due >= l->asleep_until &&
			    mailbox_sleep(&l->inbox);
		pthread_mutex_unlock(&l->lock);
	}
	if (!sleeps_on)
		mailbox_wake(&l->inbox);
}

/* With the lock, but while it waits or helps. */
static void turn(struct loop *l, uint64_t max_wait)
{
	wait_ready(l, max_wait);
	l->may_help = l->n_ready <= 1;
	work(l);
	struct loop *other = l->help;
	if (!other)
		return;
	l->help = NULL;
	pthread_mutex_unlock(&l->lock);
	help(other);
	pthread_mutex_lock(&l->lock);
}

void loop_turn(struct loop *l, uint64_t max_wait)
{
	pthread_mutex_lock(&l->lock);
	turn(l, max_wait);
	pthread_mutex_unlock(&l->lock);
}

void loop_run(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	while (!l->stopping)
		turn(l, MAX_WAIT_MS);
	pthread_mutex_unlock(&l->lock);
}

void loop_post(struct loop *from, struct loop *to, struct batch *t)
{
	bool one = t->first == t->last;

	if (!mailbox_put(&to->inbox, t))
		return;
	if (one && from->may_help && !from->help)
		from->help = to;
	else
		mailbox_wake(&to->inbox);
}

void loop_stop(struct loop *l)
{
	l->stopping = true;
}

static struct epoll_event event_of(struct watch *w)
{
	return (struct epoll_event){ .events = w->events, .data.ptr = w };
}

bool watch_add(struct loop *l, struct watch *w)
{
	struct epoll_event e = event_of(w);

	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, w->fd, &e) == 0;
}

void watch_change(struct loop *l, struct watch *w, uint32_t events)
{
	if (w->events == events)
		return;
	w->events = events;
	struct epoll_event e = event_of(w);
	BUG_ON(epoll_ctl(l->epoll, EPOLL_CTL_MOD, w->fd, &e) < 0);
}

void watch_del(struct loop *l, struct watch *w)
{
	BUG_ON(epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL) < 0);
	for (int i = l->at_ready; i < l->n_ready; i++)
		if (l->ready[i].data.ptr == w)
			l->ready[i].data.ptr = NULL;
}
