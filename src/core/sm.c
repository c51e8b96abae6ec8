#include "core/sm.h"

#include "base/base64.h"
#include "base/bug.h"
#include "base/clock.h"
#include "core/account.h"
#include "core/client.h"
#include "core/message.h"
#include "core/route.h"

#include <stdlib.h>

static struct shard *shard_of_sm(const struct sm *sm)
{
	return sm->session->account->shard;
}

static void set_timer(struct sm *sm, struct timer *t, uint64_t ms)
{
	struct loop *l = &shard_of_sm(sm)->loop;

	timer_set(&l->wheel, t, l->now, ms);
}

static void stop_timer(struct sm *sm, struct timer *t)
{
	timer_stop(&shard_of_sm(sm)->loop.wheel, t);
}

static void write_nonza(struct sm *sm, struct str xml)
{
	if (session_is_connected(sm->session))
		buf_add(c2s_out(&sm->session->client->stream), xml);
}

/* ---- what was sent ---- */

static struct unacked *at(const struct sm *sm, uint32_t i)
{
	return &sm->ring[(sm->first + i) % sm->cap];
}

const struct unacked *sm_unacked(const struct sm *sm, uint32_t i)
{
	BUG_ON(i >= sm->n);
	return at(sm, i);
}

static void grow(struct sm *sm)
{
	uint32_t cap = sm->cap ? 2 * sm->cap : 8;
	struct unacked *ring = xcalloc(cap, sizeof *ring);

	for (uint32_t i = 0; i < sm->n; i++)
		ring[i] = *at(sm, i);
	free(sm->ring);
	sm->ring = ring;
	sm->first = 0;
	sm->cap = cap;
}

static uint32_t weight(const struct unacked *u)
{
	return (uint32_t)sizeof *u + (u->stanza ? u->stanza->doc.n_bytes : u->n_text);
}

static void ask(struct sm *sm)
{
	write_nonza(sm, STR("<r xmlns='urn:xmpp:sm:3'/>"));
	sm->requested = true;
	sm->since_request = 0;
	set_timer(sm, &sm->ask, SM_SILENCE_MS);
}

/* Ending the session here and now would pull it away under who sends to it: the timer does
 * it, at the next turn of the loop. */
static void too_much(struct sm *sm)
{
	sm->full = true;
	set_timer(sm, &sm->ask, 0);
}

static void keep(struct sm *sm, struct unacked u)
{
	if (sm->n == sm->cap)
		grow(sm);
	u.stamp_us = clock_wall_us();
	sm->n++;
	*at(sm, sm->n - 1) = u;
	sm->sent++;
	sm->bytes += weight(&u);
	if (sm->full)
		return;
	if (sm->bytes > shard_of_sm(sm)->settings->unacked_max) {
		too_much(sm);
	} else if (session_is_connected(sm->session)) {
		sm->since_request++;
		if (sm->since_request >= SM_ASK_AFTER && !sm->requested)
			ask(sm);
		else if (!timer_is_set(&sm->ask))
			set_timer(sm, &sm->ask, SM_ASK_MS);
	}
}

static char *copy(struct str s)
{
	char *p = xmalloc(s.n ? s.n : 1);

	memcpy(p, s.p, s.n);
	return p;
}

void sm_keep(struct sm *sm, const struct stanza *st, struct jid to, unsigned flags)
{
	struct session *s = sm->session;
	struct unacked u = { .stanza = stanza_ref(st), .flags = (uint8_t)flags };

	u.bare = jid_eq(to, s->account->jid);
	if (!u.bare && !jid_eq(to, s->full)) {
		u.n_text = (uint32_t)jid_str(to).n;
		u.text = copy(jid_str(to));
	}
	keep(sm, u);
}

void sm_keep_text(struct sm *sm, struct str xml)
{
	keep(sm, (struct unacked){ .text = copy(xml), .n_text = (uint32_t)xml.n });
}

static void forget(struct unacked *u)
{
	stanza_unref(&u->stanza);
	free(u->text);
}

/* Who the stanza was addressed to. */
static struct jid address(const struct sm *sm, const struct unacked *u, struct arena *a)
{
	struct jid j;

	if (!u->text)
		return u->bare ? sm->session->account->jid : sm->session->full;
	return jid_parse(str_from(u->text, u->n_text), a, &j) ? j : sm->session->full;
}

/* The oldest n have arrived. */
static void arrived(struct sm *sm, uint32_t n)
{
	uint64_t *places = arena_alloc(&shard_of_sm(sm)->loop.turn, n * sizeof *places);
	size_t n_places = 0;

	for (; n; n--) {
		struct unacked *u = at(sm, 0);
		if (u->stanza && u->stanza->place)
			places[n_places++] = u->stanza->place;
		sm->bytes -= weight(u);
		forget(u);
		sm->first = (sm->first + 1) % sm->cap;
		sm->n--;
	}
	if (!sm->n) {
		free(sm->ring);
		sm->ring = NULL;
		sm->cap = sm->first = 0;
	}
	message_arrived(sm->session->account, places, n_places);
}

/* xmpp.js may count stanzas that came just before <enabled/>: what it is ahead by, as long as
 * it can be that, is taken off from then on. */
static bool is_ahead(struct sm *sm, uint32_t h)
{
	uint32_t surplus = h - sm->sent;

	if (surplus > sm->before)
		return false;
	sm->surplus = surplus;
	return true;
}

bool sm_acknowledged(struct sm *sm, uint32_t h)
{
	uint32_t n, acked = sm->sent - sm->n;

	if (!ack_out_count(sm->sent, acked, h - sm->surplus, &n) &&
		!(is_ahead(sm, h) && ack_out_count(sm->sent, acked, h - sm->surplus, &n)))
		return false;
	arrived(sm, n);
	sm->requested = false;
	if (sm->full)
		return true;
	if (sm->n && sm->session->client)
		set_timer(sm, &sm->ask, SM_ASK_MS);
	else
		stop_timer(sm, &sm->ask);
	return true;
}

static void ask_fired(struct timer *t)
{
	struct sm *sm = container_of(t, struct sm, ask);
	struct session *s = sm->session;

	if (sm->full) {
		log_info(&shard_of_sm(sm)->log, "unacknowledged",
			F_STR("session", jid_str(s->full)),
			F_STR("error", STR("too much that the client did not acknowledge")));
		if (s->client)
			client_close(s->client, STREAM_RESOURCE_CONSTRAINT,
				"too many stanzas are not acknowledged");
		else
			session_end(s);
	} else if (sm->requested) {
		struct client *c = s->client;
		if (sm->resumable)
			sm_leave(sm);
		client_close(c, STREAM_CONNECTION_TIMEOUT,
			"a request for an acknowledgement was not answered");
	} else if (sm->n) {
		ask(sm);
	}
}

/* ---- what came ---- */

static void answer(struct sm *sm)
{
	struct arena *turn = &shard_of_sm(sm)->loop.turn;

	sm->asked = false;
	stop_timer(sm, &sm->answer);
	write_nonza(sm, str_printf(turn, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", ack_in_h(&sm->in)));
}

/* Section 4: the answer is not withheld for long, whatever the disk does. What is handled
 * later is told later. */
static void answer_fired(struct timer *t)
{
	struct sm *sm = container_of(t, struct sm, answer);
	uint32_t asked_at = sm->asked_at;

	answer(sm);
	sm->asked = !ack_in_is_handled(&sm->in, asked_at);
}

void sm_asked(struct sm *sm)
{
	sm->asked_at = sm->in.received;
	if (ack_in_is_handled(&sm->in, sm->asked_at)) {
		answer(sm);
		return;
	}
	sm->asked = true;
	if (!timer_is_set(&sm->answer))
		set_timer(sm, &sm->answer, SM_ANSWER_MS);
}

uint32_t sm_take(struct sm *sm, bool later)
{
	uint32_t number = ack_in_take(&sm->in, later);

	if (later && sm->in.n >= SM_OPEN_MAX && !sm->held) {
		sm->held = true;
		c2s_hold(&sm->session->client->stream);
	}
	return number;
}

static void resume(struct sm *sm);

void sm_handled(struct sm *sm, uint32_t number)
{
	if (!ack_in_handled(&sm->in, number))
		return;
	if (sm->asked && ack_in_is_handled(&sm->in, sm->asked_at))
		answer(sm);
	if (sm->coming && !sm->in.n) {
		resume(sm);
		return;
	}
	if (sm->held && sm->in.n <= SM_OPEN_MAX / 2) {
		sm->held = false;
		if (sm->session->client)
			c2s_go_on(&sm->session->client->stream);
	}
}

/* ---- on, off ---- */

struct sm_past {
	char id[SM_ID_LEN];
	uint32_t h;
};

static void note_past(struct sm *sm)
{
	struct shard *s = shard_of_sm(sm);

	if (!s->past)
		s->past = xcalloc(SM_PAST_MAX, sizeof *s->past);
	struct sm_past *p = &s->past[s->n_past++ % SM_PAST_MAX];
	memcpy(p->id, sm->id, SM_ID_LEN);
	p->h = ack_in_h(&sm->in);
}

bool sm_past(struct shard *s, struct str id, uint32_t *h)
{
	for (uint32_t i = 0; i < SM_PAST_MAX && i < s->n_past; i++) {
		if (!str_eq(id, str_from(s->past[i].id, SM_ID_LEN)))
			continue;
		*h = s->past[i].h;
		return true;
	}
	return false;
}

static void away_fired(struct timer *t)
{
	session_end(container_of(t, struct sm, away)->session);
}

void sm_enable(struct session *s, uint32_t resume_s)
{
	struct sm *sm = xcalloc(1, sizeof *sm);
	uint8_t bits[SM_ID_LEN / 4 * 3];
	struct buf id;

	sm->session = s;
	sm->before = s->sent;
	s->sm = sm;
	ack_in_init(&sm->in);
	timer_init(&sm->ask, ask_fired);
	timer_init(&sm->answer, answer_fired);
	timer_init(&sm->away, away_fired);
	sm->resumable = resume_s != 0;
	sm->resume_s = resume_s;
	random_bytes(bits, sizeof bits);
	buf_init(&id, SM_ID_LEN);
	base64_encode(&id, str_from((char *)bits, sizeof bits));
	memcpy(sm->id, id.p, SM_ID_LEN);
	buf_clear(&id);
}

struct sm *sm_find(struct account *a, struct str id)
{
	list_each(s, &a->sessions, struct session, link)
		if (s->sm && s->sm->resumable && str_eq(id, str_from(s->sm->id, SM_ID_LEN)))
			return s->sm;
	return NULL;
}

static void give_up_coming(struct sm *sm)
{
	struct client *c = sm->coming;

	sm->coming = NULL;
	if (!c)
		return;
	client_close(c, STREAM_CONFLICT, "the session went on elsewhere, or is over");
	client_unref(c);
}

/* What was not acknowledged goes where it would have gone without this resource (section 4).
 * IQs are answered, presence is worthless by now, and what the server said is too. */
static void send_on(struct sm *sm, struct unacked *u, struct arena *a)
{
	struct stanza *st = u->stanza;

	if (!st)
		return;
	if (st->kind == STANZA_MESSAGE)
		message_undelivered(sm->session->account, st, address(sm, u, a), u->flags);
	else if (st->type == IQ_GET || st->type == IQ_SET)
		bounce(shard_of_sm(sm), st, ERR_SERVICE_UNAVAILABLE, STR(""));
}

/* The session is no longer in its account's list, so nothing comes back to it. */
void sm_end(struct sm *sm)
{
	struct shard *s = shard_of_sm(sm);

	give_up_coming(sm);
	if (sm->away_us)
		uncount(s, COUNT_AWAY);
	if (sm->resumable)
		note_past(sm);
	stop_timer(sm, &sm->ask);
	stop_timer(sm, &sm->answer);
	stop_timer(sm, &sm->away);
	for (uint32_t i = 0; i < sm->n; i++) {
		if (!s->dead)
			send_on(sm, at(sm, i), &s->loop.turn);
		forget(at(sm, i));
	}
	free(sm->ring);
	ack_in_clear(&sm->in);
	free(sm);
}

/* ---- away, and back ---- */

void sm_leave(struct sm *sm)
{
	struct session *s = sm->session;

	BUG_ON(!sm->resumable || !s->client);
	stop_timer(sm, &sm->ask);
	stop_timer(sm, &sm->answer);
	sm->asked = sm->held = sm->requested = false;
	sm->since_request = 0;
	s->client->session = NULL;
	s->client = NULL;
	sm_wait(sm);
	session_left(s);
}

void sm_wait(struct sm *sm)
{
	sm->away_us = clock_wall_us();
	count(shard_of_sm(sm), COUNT_AWAY);
	if (sm->full)
		set_timer(sm, &sm->ask, 0);
	else
		set_timer(sm, &sm->away, (uint64_t)sm->resume_s * 1000);
}

static void write_again(struct sm *sm, struct unacked *u)
{
	struct session *s = sm->session;
	struct buf *out = c2s_out(&s->client->stream);

	count(shard_of_sm(sm), COUNT_STANZAS_OUT);
	if (!u->stanza)
		buf_add(out, str_from(u->text, u->n_text));
	else
		session_format(s, out, u->stanza, address(sm, u, &shard_of_sm(sm)->loop.turn),
			u->flags, u->stanza->kind == STANZA_IQ ? 0 : u->stamp_us);
}

/* Section 5. What is on its way from the old connection has arrived by now, so that `h` is
 * final and the client sends nothing twice. */
static void resume(struct sm *sm)
{
	struct session *s = sm->session;
	struct client *c = sm->coming;

	sm->coming = NULL;
	if (c->stream.closing) {
		set_timer(sm, &sm->away, (uint64_t)sm->resume_s * 1000);
	} else {
		sm->away_us = 0;
		uncount(shard_of_sm(sm), COUNT_AWAY);
		count(shard_of_sm(sm), COUNT_RESUMED);
		timer_stop(&c->shard->loop.wheel, &c->timer);
		c2s_resumed(&c->stream);
		s->client = c;
		c->session = s;
		write_nonza(sm, str_printf(&c->shard->loop.turn,
			"<resumed xmlns='urn:xmpp:sm:3' h='%u' previd='%.*s'/>", ack_in_h(&sm->in),
			SM_ID_LEN, sm->id));
		for (uint32_t i = 0; i < sm->n; i++)
			write_again(sm, at(sm, i));
		if (sm->n)
			ask(sm);
		session_resumed(s);
		c2s_go_on(&c->stream);
	}
	client_unref(c);
}

void sm_resume(struct sm *sm, struct client *c)
{
	struct client *old = sm->session->client;

	give_up_coming(sm);
	if (old) {
		sm_leave(sm);
		client_close(old, STREAM_CONFLICT, "the session was resumed elsewhere");
	}
	stop_timer(sm, &sm->away);
	sm->coming = client_ref(c);
	c2s_hold(&c->stream);
	if (!sm->in.n)
		resume(sm);
}
