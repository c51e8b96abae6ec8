/* From a domain's name to a stream that is ready: one place after the other. */
#include "core/remote.h"

#include "net/dial.h"

#include <stdlib.h>

struct attempt {
	struct pair *pair;
	struct locate_op *looking;  /* under way; or NULL */
	struct location *location;  /* then */
	size_t next;                /* endpoint that was not dialled */
	struct dial dial;
	struct peer *peer;          /* negotiates; or NULL */
	struct timer timer;         /* the end of patience */
	struct failure failure;     /* of the last place */
};

static const struct failure no_answer = { ERR_REMOTE_SERVER_TIMEOUT,
	{ "the remote server cannot be reached", 35 } };

static struct failure lookup_failure(enum locate_status status)
{
	switch (status) {
	case LOCATE_NONE:
		return (struct failure){ ERR_REMOTE_SERVER_NOT_FOUND,
			STR("the domain has no XMPP server") };
	case LOCATE_BOGUS:
		return (struct failure){ ERR_REMOTE_SERVER_NOT_FOUND,
			STR("what DNS says of the domain is not authentic") };
	case LOCATE_OK:
	case LOCATE_FAILED:
		break;
	}
	return (struct failure){ ERR_REMOTE_SERVER_TIMEOUT, STR("DNS does not answer") };
}

static void dial_next(struct attempt *a);

static void dialled(struct dial *d, int fd, size_t which)
{
	struct attempt *a = container_of(d, struct attempt, dial);
	const struct endpoint *e = &a->location->endpoints[a->next + which];

	if (fd < 0) {
		pair_failed(a->pair, a->failure);
		return;
	}
	a->next += which + 1;
	a->peer = peer_dialled(a->pair, fd, e);
	if (!a->peer)
		dial_next(a);
}

static void dial_next(struct attempt *a)
{
	struct shard *s = a->pair->remote->shard;

	if (a->next >= a->location->n) {
		pair_failed(a->pair, a->failure);
		return;
	}
	dial_start(&a->dial, &s->loop, a->location->endpoints + a->next, a->location->n - a->next,
		s->settings->peer_connect_ms, dialled);
}

static void located(struct locate_op *op, void *receiver)
{
	struct attempt *a = *(struct attempt **)op->ctx;

	if (a) {
		a->looking = NULL;
		a->location = op->location;
		op->location = NULL;
	}
	locate_op_free(op);
	if (!a)
		return;
	if (a->location->status != LOCATE_OK)
		pair_failed(a->pair, lookup_failure(a->location->status));
	else
		dial_next(a);
}

static void took_too_long(struct timer *t)
{
	struct attempt *a = container_of(t, struct attempt, timer);

	pair_failed(a->pair, (struct failure){ ERR_REMOTE_SERVER_TIMEOUT,
		a->looking ? STR("DNS does not answer") :
			     STR("the remote server does not answer in time") });
}

void attempt_start(struct pair *pair)
{
	struct shard *s = pair->remote->shard;
	const struct peer_rules *rules = settings_peer(s->settings, pair->remote->domain);
	struct attempt *a = xcalloc(1, sizeof *a);

	s->n_attempts++;
	pair->attempt = a;
	a->pair = pair;
	a->failure = no_answer;
	timer_init(&a->timer, took_too_long);
	timer_set(&s->loop.wheel, &a->timer, s->loop.now, s->settings->peer_connect_ms);
	a->looking = locate_op_new(&s->loop.inbox, located, sizeof a);
	*(struct attempt **)a->looking->ctx = a;
	if (rules->route.n)
		locate_route(s->core->dns, a->looking, rules->route, rules->direct);
	else
		locate(s->core->dns, a->looking, pair->remote->domain);
}

void attempt_go_on(struct pair *pair, struct failure why)
{
	struct attempt *a = pair->attempt;

	if (!a)
		return;
	a->peer = NULL;
	a->failure = why;
	dial_next(a);
}

void attempt_end(struct pair *pair)
{
	struct attempt *a = pair->attempt;

	if (!a)
		return;
	pair->attempt = NULL;
	pair->remote->shard->n_attempts--;
	if (a->looking)
		*(struct attempt **)a->looking->ctx = NULL;
	dial_stop(&a->dial);
	timer_stop(&pair->remote->shard->loop.wheel, &a->timer);
	if (a->peer && a->peer->pair) { /* it was not ready; nobody waits for it any more */
		a->peer->pair = NULL;
		s2s_end(&a->peer->stream);
	}
	location_free(&a->location);
	free(a);
}
