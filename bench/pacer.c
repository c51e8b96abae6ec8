#include "pacer.h"

#include "measure.h"

#include <sys/timerfd.h>
#include <unistd.h>

#define SHORTEST_NS 50000   /* between two looks at the clock */
#define LONGEST_NS  1000000

static uint64_t due_at(const struct pacer *p, uint64_t beat)
{
	return p->begin + (uint64_t)((double)beat * 1e9 / p->rate);
}

static void tick(struct watch *w, uint32_t events)
{
	struct pacer *p = container_of(w, struct pacer, watch);
	uint64_t expired, due;

	if (read(w->fd, &expired, sizeof expired) < 0)
		return;
	uint64_t now = now_ns();
	while (w->fd >= 0 && (due = due_at(p, p->beats)) <= now) {
		p->beats++;
		p->due(p, due);
	}
}

bool pacer_start(struct pacer *p, struct loop *l, double rate,
	void (*due)(struct pacer *p, uint64_t due_ns))
{
	double between = 1e9 / rate;
	long ns = between < SHORTEST_NS  ? SHORTEST_NS
		  : between > LONGEST_NS ? LONGEST_NS
					 : (long)between;
	struct itimerspec every = { .it_value.tv_nsec = ns, .it_interval.tv_nsec = ns };

	*p = (struct pacer){ .loop = l, .rate = rate, .begin = now_ns(), .due = due };
	p->watch = (struct watch){ .events = EPOLLIN, .ready = tick };
	p->watch.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (p->watch.fd < 0)
		return false;
	if (timerfd_settime(p->watch.fd, 0, &every, NULL) == 0 && watch_add(l, &p->watch))
		return true;
	close(p->watch.fd);
	return false;
}

void pacer_stop(struct pacer *p)
{
	watch_del(p->loop, &p->watch);
	close(p->watch.fd);
	p->watch.fd = -1;
}
