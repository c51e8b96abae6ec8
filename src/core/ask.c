#include "core/ask.h"

#include "base/bug.h"
#include "core/message.h"
#include "core/route.h"

#include <stdlib.h>

#define PREFIX "ask-"

/* A question that waits. */
struct asked {
	struct map_node node; /* shard.asked */
	uint64_t id;          /* as of a message: it tells the shard */
	struct shard *shard;
	struct timer timer;
	ask_done *done;
	struct jid to;        /* text inline, behind the struct */
	struct str memo;      /* inline too */
};

static struct str key_of(const struct map_node *n)
{
	const struct asked *a = container_of(n, struct asked, node);

	return str_from((const char *)&a->id, sizeof a->id);
}

static struct asked *find(struct shard *s, uint64_t id)
{
	struct map_node *n = map_get(&s->asked, str_from((const char *)&id, sizeof id));

	return n ? container_of(n, struct asked, node) : NULL;
}

static void take_out(struct asked *a)
{
	timer_stop(&a->shard->loop.wheel, &a->timer);
	map_del(&a->shard->asked, &a->node);
}

void ask_init(struct shard *s)
{
	map_init(&s->asked, key_of);
}

void ask_clear(struct shard *s)
{
	struct map_node *n;

	while ((n = map_next(&s->asked, NULL))) {
		struct asked *a = container_of(n, struct asked, node);
		take_out(a);
		free(a);
	}
	map_clear(&s->asked);
}

/* ---- asking ---- */

static void no_answer(struct timer *t)
{
	struct asked *a = container_of(t, struct asked, timer);

	take_out(a);
	a->done(a->shard, a->memo, NULL);
	free(a);
}

static void remember(struct shard *s, const struct question *q, uint64_t id)
{
	struct str to = jid_str(q->to);
	struct asked *a = xcalloc(1, sizeof *a + to.n + q->memo.n);
	char *text = (char *)(a + 1);

	memcpy(text, to.p, to.n);
	if (q->memo.n)
		memcpy(text + to.n, q->memo.p, q->memo.n);
	a->id = id;
	a->shard = s;
	a->done = q->done;
	a->to = q->to;
	a->to.p = text;
	a->memo = str_from(text + to.n, q->memo.n);
	timer_init(&a->timer, no_answer);
	timer_set(&s->loop.wheel, &a->timer, s->loop.now, ASK_MS);
	map_put(&s->asked, &a->node);
}

bool ask(struct shard *s, const struct question *q)
{
	uint64_t id = message_new_id(s);
	char digits[ARCHIVE_ID_LEN];

	BUG_ON(!jid_is_bare(q->from));
	if (s->asked.n >= ASK_MAX)
		return false;
	archive_id_format(id, digits);
	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	stanza_open(&w, STANZA_IQ, q->type, q->from, q->to,
		str_printf(&s->loop.turn, PREFIX "%.*s", ARCHIVE_ID_LEN, digits));
	w_raw(&w, q->payload);
	w_close(&w);
	if (!w_done(&w))
		return false;
	remember(s, q, id);
	route_text(s, buf_str(&s->scratch));
	return true;
}

/* ---- answers ---- */

struct answer {
	struct mail mail;
	struct stanza *stanza;
	uint64_t id;
};

/* On the shard that asked. */
static void arrived(struct mail *m, void *receiver)
{
	struct answer *answer = container_of(m, struct answer, mail);
	struct asked *a = find(receiver, answer->id);

	if (a && jid_eq(a->to, answer->stanza->from)) {
		take_out(a);
		a->done(a->shard, a->memo, answer->stanza);
		free(a);
	}
	stanza_unref(&answer->stanza);
	free(answer);
}

void ask_answered(struct shard *s, struct stanza *st)
{
	uint64_t id;

	if (!str_starts(st->id, STR(PREFIX)) ||
		!archive_id_parse(str_skip(st->id, sizeof PREFIX - 1), &id))
		return;
	unsigned asker = id & (SHARDS_MAX - 1);
	if (asker >= s->core->n_shards)
		return; /* of a time with more of them */
	struct answer *answer = xcalloc(1, sizeof *answer);
	answer->mail = (struct mail){ .run = arrived,
		.bytes = (uint32_t)(sizeof *answer + st->doc.n_bytes) };
	answer->stanza = stanza_ref(st);
	answer->id = id;
	if (asker == s->index) /* not now: the question may still be on its way out */
		mailbox_post_one(&s->loop.inbox, &answer->mail);
	else
		shard_post(s, s->core->shards[asker], &answer->mail);
}
