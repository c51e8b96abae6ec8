#include "core/session.h"

#include "base/bug.h"
#include "base/clock.h"
#include "core/account.h"
#include "core/client.h"
#include "core/module.h"
#include "core/presence.h"
#include "core/sm.h"
#include "xmpp/datetime.h"

#include <stdlib.h>

struct session *session_find(struct account *a, struct str resource)
{
	list_each(s, &a->sessions, struct session, link)
		if (str_eq(jid_resource(s->full), resource))
			return s;
	return NULL;
}

void session_close(struct session *s, enum stream_error why, const char *text)
{
	if (s->client)
		client_close(s->client, why, text);
	else
		session_end(s);
}

struct session *session_new(struct account *a, struct client *c, struct str resource)
{
	struct str bare = jid_str(a->jid);
	struct session *old = session_find(a, resource);

	if (old) /* RFC 6120 section 7.7.2.2: the newer one wins */
		session_close(old, STREAM_CONFLICT, "the resource was bound again");
	struct session *s = xcalloc(1, sizeof *s + bare.n + 1 + resource.n);
	char *text = (char *)(s + 1);
	memcpy(text, bare.p, bare.n);
	text[bare.n] = '/';
	memcpy(text + bare.n + 1, resource.p, resource.n);
	s->full = a->jid;
	s->full.p = text;
	s->full.n_resource = (uint16_t)resource.n;
	s->account = a;
	s->client = c;
	s->number = ++a->shard->sessions_made;
	s->since_us = clock_wall_us();
	list_add(&a->sessions, &s->link);
	a->n_sessions++;
	timer_stop(&a->shard->loop.wheel, &a->idle);
	count(a->shard, COUNT_SESSIONS);
	return s;
}

void session_end(struct session *s)
{
	struct account *a = s->account;
	struct sm *sm = s->sm;
	bool kept_back = sm || s->reads_offline; /* others may take what waits, now */

	presence_end(s);
	list_del(&s->link);
	a->n_sessions--;
	uncount(a->shard, COUNT_SESSIONS);
	if (s->client)
		s->client->session = NULL;
	module_each(m, a->shard->core, session_ended)
		m->session_ended(s);
	if (sm)
		sm_end(sm);
	if (kept_back && !a->shard->dead)
		sessions_take_messages(a);
	free(s);
	account_stay(a);
}

void session_began(struct session *s)
{
	module_each(m, s->account->shard->core, session_began)
		m->session_began(s);
}

void session_resumed(struct session *s)
{
	module_each(m, s->account->shard->core, session_resumed)
		m->session_resumed(s);
}

void session_left(struct session *s)
{
	module_each(m, s->account->shard->core, session_left)
		m->session_left(s);
}

void session_active(struct session *s)
{
	s->inactive = false;
	module_each(m, s->account->shard->core, session_active)
		m->session_active(s);
}

void session_takes_messages(struct session *s)
{
	module_each(m, s->account->shard->core, available)
		m->available(s);
}

void sessions_take_messages(struct account *a)
{
	struct session *best = NULL;

	list_each(s, &a->sessions, struct session, link)
		if (session_is_available(s) && s->priority >= 0 &&
			(!best || s->priority > best->priority))
			best = s;
	if (best)
		session_takes_messages(best);
}

/* ---- output ---- */

bool session_is_connected(const struct session *s)
{
	return s->client && c2s_is_ready(&s->client->stream);
}

bool session_has_room(const struct session *s, size_t bytes)
{
	if (!session_is_connected(s))
		return false;
	const struct buf *out = c2s_out(&s->client->stream);
	uint32_t unacked_max = s->account->shard->settings->unacked_max;
	if (s->sm && s->sm->n && s->sm->bytes + bytes > unacked_max / 2)
		return false;
	return out->max && (!out->n || out->n + bytes <= out->max / 2);
}

static char *put(char *at, struct str s)
{
	memcpy(at, s.p, s.n);
	return at + s.n;
}

/* What is added to a stanza: built by hand, since every archived message gets it. */
static struct str extras(struct session *s, const struct stanza *st, unsigned flags,
	uint64_t delay_us)
{
	struct arena *turn = &s->account->shard->loop.turn;
	struct str by = jid_str(s->account->jid);
	char *text = arena_alloc(turn, 256 + by.n + s->full.n_domain);
	char *at = text;

	if (flags & SEND_ARCHIVED && st->archive_id) {
		char id[ARCHIVE_ID_LEN];
		archive_id_format(st->archive_id, id);
		at = put(at, STR("<stanza-id xmlns='urn:xmpp:sid:0' by='"));
		at = put(at, by);
		at = put(at, STR("' id='"));
		at = put(at, str_from(id, sizeof id));
		at = put(at, STR("'/>"));
	}
	if (delay_us) {
		at = put(at, STR("<delay xmlns='urn:xmpp:delay' from='"));
		at = put(at, jid_domain(s->full));
		at = put(at, STR("' stamp='"));
		at = put(at, datetime_format(turn, delay_us));
		at = put(at, STR("'/>"));
	}
	return str_from(text, (size_t)(at - text));
}

void session_format(struct session *s, struct buf *out, const struct stanza *st, struct jid to,
	unsigned flags, uint64_t delay_us)
{
	if (flags & SEND_DELAYED)
		delay_us = archive_id_stamp(st->archive_id);
	if (flags & SEND_ARCHIVED || delay_us)
		stanza_write_with(out, st, st->from, to, NS_NONE, extras(s, st, flags, delay_us));
	else
		stanza_write(out, st, st->from, to, NS_NONE);
}

void session_write(struct session *s, const struct stanza *st, struct jid to, unsigned flags)
{
	if (session_is_connected(s)) {
		session_format(s, c2s_out(&s->client->stream), st, to, flags, 0);
		count(s->account->shard, COUNT_STANZAS_OUT);
	}
	if (s->sm)
		sm_keep(s->sm, st, to, flags);
	else if (s->sent < UINT8_MAX)
		s->sent++;
}

/* A module may hold back what a client that is inactive, or away, need not see now. */
static bool is_held(struct session *s, const struct stanza *st, struct jid to)
{
	if (!s->inactive && s->client)
		return false;
	module_each(m, s->account->shard->core, holds)
		if (m->holds(s, st, to))
			return true;
	return false;
}

void session_send_as(struct session *s, const struct stanza *st, struct jid to, unsigned flags)
{
	if (!is_held(s, st, to))
		session_write(s, st, to, flags);
}

void session_send(struct session *s, const struct stanza *st, struct jid to)
{
	session_send_as(s, st, to, 0);
}

void session_send_text(struct session *s, struct str xml)
{
	if (is_held(s, NULL, s->full))
		return;
	if (session_is_connected(s)) {
		buf_add(c2s_out(&s->client->stream), xml);
		count(s->account->shard, COUNT_STANZAS_OUT);
	}
	if (s->sm)
		sm_keep_text(s->sm, xml);
	else if (s->sent < UINT8_MAX)
		s->sent++;
}
