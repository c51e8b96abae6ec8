/* What is asked for a stream that came (core/peer_proof.c), on its shard. A stream may move before
 * the answer is there; that comes to the shard which asked, and follows it. */
#include "core/peer.h"

void peer_question_ask(struct peer_question *q, struct peer *p)
{
	q->peer = peer_ref(p);
	q->moved = NULL;
	list_add(&p->questions, &q->link);
}

static void end(struct peer_question *q, struct shard *s)
{
	struct peer *p = q->peer;

	list_del(&q->link);
	if (s && !s2s_is_closed(&p->stream))
		q->kind->judge(q);
	q->kind->free(q);
	peer_unref(p);
}

static void followed(struct mail *m, void *receiver)
{
	end(container_of(m, struct peer_question, mail), receiver);
}

void peer_question_answered(struct peer_question *q, struct shard *s)
{
	if (!s || !q->moved) {
		end(q, s);
		return;
	}
	q->mail = (struct mail){ .run = followed, .bytes = sizeof *q };
	shard_post(s, q->moved, &q->mail);
}

void peer_questions_move(struct peer *p, struct shard *to)
{
	list_each(q, &p->questions, struct peer_question, link)
		q->moved = to;
}

/* Giving up one may end others. */
void peer_questions_give_up(struct peer *p)
{
	struct peer_question *q;

	while ((q = list_first(&p->questions, struct peer_question, link))) {
		list_del(&q->link);
		if (q->kind->give_up)
			q->kind->give_up(q);
	}
}
