#include "core/backlog.h"

#include "core/message.h"
#include "core/route.h"

#include <stdlib.h>

void backlog_init(struct backlog *b, struct shard *s, enum counter_id waits)
{
	*b = (struct backlog){ .shard = s, .waits = waits };
	list_init(&b->list);
}

void backlog_clear(struct backlog *b)
{
	while (!backlog_is_empty(b))
		backlog_drop(b, backlog_first(b));
}

size_t backlog_weight(const struct stanza *st)
{
	return sizeof(struct waiting) + sizeof *st + st->doc.n_bytes +
	       st->doc.n_nodes * sizeof *st->doc.nodes + st->doc.n_attrs * sizeof *st->doc.attrs;
}

static void weigh(struct backlog *b, size_t more, size_t less)
{
	b->bytes += more - less;
	counter_add(&b->shard->counters[b->waits], (uint64_t)more - less);
}

void backlog_add(struct backlog *b, struct stanza *st, struct jid to)
{
	struct str text = jid_str(to);
	struct waiting *w = xcalloc(1, sizeof *w + text.n);

	memcpy(w + 1, text.p, text.n);
	w->stanza = stanza_ref(st);
	w->to = to;
	w->to.p = (char *)(w + 1);
	w->since = b->shard->loop.now;
	list_add(&b->list, &w->link);
	weigh(b, backlog_weight(st), 0);
}

struct waiting *backlog_first(const struct backlog *b)
{
	return list_first(&b->list, struct waiting, link);
}

void backlog_drop(struct backlog *b, struct waiting *w)
{
	list_del(&w->link);
	weigh(b, 0, backlog_weight(w->stanza));
	stanza_unref(&w->stanza);
	free(w);
}

void backlog_stop_one(struct shard *s, const struct stanza *st, struct jid to)
{
	bool from_account = st->from.n_local && settings_account_host(s->settings, jid_domain(st->from));

	if (from_account && !message_is_awaited(st))
		bounce_at(s, st, to, ERR_REMOTE_SERVER_TIMEOUT,
			STR("the server stops, and it may not have arrived"));
}

void backlog_stop(struct backlog *b)
{
	struct list gone;

	list_take(&b->list, &gone);
	while (!list_empty(&gone)) {
		struct waiting *w = list_first(&gone, struct waiting, link);
		backlog_stop_one(b->shard, w->stanza, w->to);
		backlog_drop(b, w);
	}
}

void backlog_refuse(struct backlog *b, uint64_t before, enum stanza_error e, struct str why)
{
	struct list gone;

	list_init(&gone);
	list_each_safe(w, &b->list, struct waiting, link) {
		if (w->since >= before && before != UINT64_MAX)
			break;
		list_del(&w->link);
		list_add(&gone, &w->link);
	}
	while (!list_empty(&gone)) {
		struct waiting *w = list_first(&gone, struct waiting, link);
		bounce_at(b->shard, w->stanza, w->to, e, why);
		backlog_drop(b, w);
	}
}
