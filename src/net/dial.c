#include "net/dial.h"

#include "net/conn.h"

#include <errno.h>
#include <unistd.h>

static void try_end(struct dial_try *t)
{
	if (t->watch.fd < 0)
		return;
	watch_del(t->dial->loop, &t->watch);
	close(t->watch.fd);
	t->watch.fd = -1;
	t->dial->n_under_way--;
}

void dial_stop(struct dial *d)
{
	if (!d->loop)
		return;
	timer_stop(&d->loop->wheel, &d->step);
	timer_stop(&d->loop->wheel, &d->end);
	for (size_t i = 0; i < d->next; i++)
		try_end(&d->tries[i]);
	d->loop = NULL;
}

static void give_up(struct dial *d, int error)
{
	dial_stop(d);
	d->error = error;
	d->done(d, -1, 0);
}

static void connected(struct dial *d, struct dial_try *t)
{
	int fd = t->watch.fd;

	watch_del(d->loop, &t->watch);
	t->watch.fd = -1;
	d->n_under_way--;
	dial_stop(d);
	conn_socket_setup(fd);
	d->done(d, fd, (size_t)(t - d->tries));
}

static void go_on(struct dial *d);

static void try_ready(struct watch *w, uint32_t events)
{
	struct dial_try *t = container_of(w, struct dial_try, watch);
	struct dial *d = t->dial;
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (!error) {
		connected(d, t);
		return;
	}
	d->error = error;
	try_end(t);
	go_on(d);
	if (!d->n_under_way)
		give_up(d, d->error);
}

/* False with d->error when it has failed at once. */
static bool try_start(struct dial *d, const struct endpoint *e, struct dial_try *t)
{
	int fd = socket(e->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*t = (struct dial_try){ .watch = { -1, EPOLLOUT, try_ready }, .dial = d };
	if (fd >= 0 && (connect(fd, (const struct sockaddr *)&e->addr, e->addr_len) == 0 ||
			errno == EINPROGRESS)) {
		t->watch.fd = fd;
		if (watch_add(d->loop, &t->watch)) {
			d->n_under_way++;
			return true;
		}
		t->watch.fd = -1;
	}
	d->error = errno;
	if (fd >= 0)
		close(fd);
	return false;
}

/* The next attempt, and the time of the one behind it. */
static void go_on(struct dial *d)
{
	timer_stop(&d->loop->wheel, &d->step);
	while (d->next < d->n) {
		size_t i = d->next++;
		if (try_start(d, &d->endpoints[i], &d->tries[i]))
			break;
	}
	if (d->next < d->n)
		timer_set(&d->loop->wheel, &d->step, d->loop->now, DIAL_NEXT_MS);
}

static void next_is_due(struct timer *t)
{
	struct dial *d = container_of(t, struct dial, step);

	go_on(d);
	if (!d->n_under_way)
		give_up(d, d->error);
}

static void time_is_over(struct timer *t)
{
	give_up(container_of(t, struct dial, end), ETIMEDOUT);
}

void dial_start(struct dial *d, struct loop *l, const struct endpoint *e, size_t n,
	uint32_t give_up_ms, void (*done)(struct dial *d, int fd, size_t which))
{
	BUG_ON(n > LOCATE_MAX);
	*d = (struct dial){ .loop = l, .endpoints = e, .n = n, .error = EADDRNOTAVAIL,
		.done = done };
	timer_init(&d->step, next_is_due);
	timer_init(&d->end, time_is_over);
	timer_set(&l->wheel, &d->end, l->now, give_up_ms);
	go_on(d);
	if (!d->n_under_way) /* told in a later turn */
		timer_set(&l->wheel, &d->step, l->now, 0);
}
