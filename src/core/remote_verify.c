/* Dialback's questions to other servers, on the owner of their domain (XEP-0220 section 2.1.2):
 * whether a key that came over some stream is theirs. They go over any stream that was opened to the
 * domain, and one is opened for them where there is none. */
#include "core/remote_private.h"

#include <stdlib.h>

/* ---- answers ---- */

static void come_home(struct mail *m, void *receiver)
{
	peer_question_answered(&container_of(m, struct verify, mail)->question, receiver);
}

/* Takes it to who asked. */
static void answer_home(struct shard *s, struct verify *v, enum s2s_outcome o, enum stanza_error e)
{
	v->outcome = o;
	v->error = e;
	if (v->home == s) {
		peer_question_answered(&v->question, s);
		return;
	}
	v->mail = (struct mail){ .run = come_home, .bytes = sizeof *v };
	shard_post(s, v->home, &v->mail);
}

static void answer_verify(struct pair *p, struct verify *v, enum s2s_outcome o, enum stanza_error e)
{
	list_del(&v->link);
	p->n_verifies--;
	answer_home(p->remote->shard, v, o, e);
	remote_may_be_done(p->remote);
}

/* over: where it was asked; NULL: nowhere yet. id p NULL: any. */
static struct verify *find_verify(const struct pair *pair, const struct peer *over, struct str id)
{
	list_each(v, &pair->verifies, struct verify, link)
		if (v->over == over && (!id.p || str_eq(v->id, id)))
			return v;
	return NULL;
}

/* Wherever it was asked. */
static struct verify *find_for_stream(const struct pair *pair, struct str id)
{
	list_each(v, &pair->verifies, struct verify, link)
		if (str_eq(v->id, id))
			return v;
	return NULL;
}

/* Whoever gets an answer may end a stream for it, and with it other questions: each time the list
 * is looked at anew. */
static void answer_verifies(struct pair *pair, const struct peer *over, struct str id,
	enum s2s_outcome o, enum stanza_error e)
{
	struct verify *v;

	while ((v = find_verify(pair, over, id)))
		answer_verify(pair, v, o, e);
}

void verifies_fail(struct pair *pair, const struct peer *over, enum stanza_error e)
{
	answer_verifies(pair, over, STR_NULL, S2S_FAILED, e);
}

void verifies_refuse(struct pair *pair, enum stanza_error e)
{
	struct verify *v;

	while ((v = list_first(&pair->verifies, struct verify, link)))
		answer_verify(pair, v, S2S_FAILED, e);
}

void verifies_fail_late(struct pair *p)
{
	uint64_t now = p->remote->shard->loop.now;
	uint32_t patience = p->remote->shard->settings->peer_connect_ms;
	struct verify *v;

	while ((v = list_first(&p->verifies, struct verify, link)) && now >= v->since + patience) {
		if (v->over)
			s2s_db_forget(&v->over->stream, v->local, v->remote, v->id);
		answer_verify(p, v, S2S_FAILED, ERR_REMOTE_SERVER_TIMEOUT);
	}
}

/* ---- over a stream ---- */

/* XEP-0288 section 2.2: never over the stream that the key came on. */
static bool may_go_over(const struct verify *v, const struct peer *p)
{
	return remote_may_use(p) && v->question.peer != p;
}

/* A stream with S2S_ASKED_MAX questions makes the next ones wait for its answers, and one that is
 * in the midst of EXTERNAL for its end. */
static void send_verifies(struct pair *pair, struct peer *p)
{
	list_each(v, &pair->verifies, struct verify, link)
		if (!v->over && may_go_over(v, p) &&
			s2s_db_verify(&p->stream, v->local, v->remote, v->id, v->key)) {
			v->over = p;
			peer_used(p);
		}
}

static bool has_stream(const struct remote *r, const struct verify *v)
{
	list_each(p, &r->peers, struct peer, sibling)
		if (may_go_over(v, p))
			return true;
	return false;
}

static bool lacks_stream(const struct pair *p)
{
	list_each(v, &p->verifies, struct verify, link)
		if (!v->over && !has_stream(p->remote, v))
			return true;
	return false;
}

static void pump(struct pair *pair)
{
	list_each(p, &pair->remote->peers, struct peer, sibling)
		send_verifies(pair, p);
	if (lacks_stream(pair) && !pair->remote->shard->stopping)
		pair_start_attempt(pair);
}

void verifies_pump(struct remote *r)
{
	list_each(pair, &r->pairs, struct pair, link)
		if (pair->n_verifies)
			pump(pair);
}

void remote_may_ask(struct peer *p)
{
	if (p->remote)
		verifies_pump(p->remote);
}

void remote_verified(struct peer *p, const struct s2s_db *db)
{
	struct pair *pair = p->remote ? pair_find(p->remote, db->to) : NULL;

	if (!pair)
		return;
	/* The same pair may be asked for again on one stream, which one answer is for. */
	answer_verifies(pair, p, db->id, db->outcome, db->error);
	if (p->remote)
		verifies_pump(p->remote);
}

/* ---- from all shards ---- */

static void verify_on_owner(struct shard *s, struct verify *v)
{
	struct pair *p = pair_find_or_make(remote_find_or_make(s, v->remote), v->local);

	if (p->n_verifies >= REMOTE_VERIFIES_MAX) {
		answer_home(s, v, S2S_FAILED, ERR_RESOURCE_CONSTRAINT);
		return;
	}
	if (pair_rests(p)) {
		answer_home(s, v, S2S_FAILED, p->failure.error);
		return;
	}
	v->since = s->loop.now;
	list_add(&p->verifies, &v->link);
	p->n_verifies++;
	if (!timer_is_set(&p->timer))
		pair_set_timer(p);
	verifies_pump(p->remote);
}

static void verify_arrived(struct mail *m, void *receiver)
{
	verify_on_owner(receiver, container_of(m, struct verify, mail));
}

void remote_verify(struct shard *s, struct verify *v)
{
	struct shard *owner = remote_owner(s->core, v->remote);

	v->home = s;
	if (owner == s) {
		verify_on_owner(s, v);
		return;
	}
	v->mail = (struct mail){ .run = verify_arrived, .bytes = sizeof *v };
	shard_post(s, owner, &v->mail);
}

/* The questions for one stream to one domain that nobody waits for any more. */
struct forget {
	struct mail mail;
	struct str local, remote, id; /* inline, behind the struct */
};

static void forget(struct mail *m, void *receiver)
{
	struct forget *f = container_of(m, struct forget, mail);
	struct remote *r = remote_find(receiver, f->remote);
	struct pair *pair = r ? pair_find(r, f->local) : NULL;
	struct verify *v;

	while (pair && (v = find_for_stream(pair, f->id)))
		answer_verify(pair, v, S2S_FAILED, ERR_REMOTE_SERVER_TIMEOUT);
	free(f);
}

void remote_forget_verify(struct shard *s, const struct verify *v)
{
	struct shard *owner = remote_owner(s->core, v->remote);

	if (s->dead) /* and with it what it asked */
		return;
	struct forget *f = xcalloc(1, sizeof *f + v->local.n + v->remote.n + v->id.n);
	char *text = (char *)(f + 1);

	f->local = str_put(&text, v->local);
	f->remote = str_put(&text, v->remote);
	f->id = str_put(&text, v->id);
	f->mail = (struct mail){ .run = forget, .bytes = sizeof *f };
	if (owner == s)
		forget(&f->mail, s);
	else
		shard_post(s, owner, &f->mail);
}

void verifies_forget(struct remote *r)
{
	list_each(p, &r->pairs, struct pair, link)
		list_each_safe(v, &p->verifies, struct verify, link) {
			list_del(&v->link);
			peer_question_answered(&v->question, NULL);
		}
}
