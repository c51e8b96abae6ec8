#include "core/route.h"

#include "base/bug.h"
#include "core/ask.h"
#include "core/audience.h"
#include "core/block.h"
#include "core/component.h"
#include "core/message.h"
#include "core/presence.h"
#include "core/remote.h"
#include "core/room.h"
#include "xmpp/caps.h"

#include <stdlib.h>

/* ---- errors ---- */

static bool may_be_answered(const struct stanza *st)
{
	switch ((enum stanza_type)st->type) {
	case MESSAGE_ERROR:
	case IQ_RESULT:
	case IQ_ERROR:
	case PRESENCE_ERROR:
	case PRESENCE_UNAVAILABLE:
	case PRESENCE_PROBE:
	case PRESENCE_SUBSCRIBED:
	case PRESENCE_UNSUBSCRIBE:
	case PRESENCE_UNSUBSCRIBED:
		return false;
	default:
		return jid_is_set(st->from);
	}
}

void bounce_with(struct shard *s, const struct stanza *st, const struct stanza_refusal *f)
{
	message_handled(s, st);
	if (!may_be_answered(st))
		return;
	buf_reset(&s->scratch);
	stanza_write_refusal(&s->scratch, st, f);
	count(s, COUNT_ERRORS);
	route_text(s, buf_str(&s->scratch));
}

void bounce(struct shard *s, const struct stanza *st, enum stanza_error e, struct str text)
{
	bounce_with(s, st, &(struct stanza_refusal){ .error = e, .text = text });
}

void bounce_at(struct shard *s, const struct stanza *st, struct jid to, enum stanza_error e,
	struct str text)
{
	bounce_with(s, st, &(struct stanza_refusal){ .error = e, .text = text, .at = to });
}

/* ---- between shards ---- */

/* Stanzas for one address. */
struct parcel {
	struct mail mail;
	struct jid to;             /* text behind the stanzas */
	uint32_t n;
	struct stanza *stanzas[];  /* counted */
};

static void parcel_arrived(struct mail *m, void *receiver)
{
	struct parcel *p = container_of(m, struct parcel, mail);

	for (uint32_t i = 0; i < p->n; i++) {
		route_home(receiver, p->stanzas[i], p->to);
		stanza_unref(&p->stanzas[i]);
	}
	free(p);
}

static void send_parcel(struct shard *from, struct shard *to, struct stanza *const *stanzas, size_t n,
	struct jid j)
{
	struct str text = jid_str(j);
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += stanzas[i]->doc.n_bytes;
	struct parcel *p = xmalloc(sizeof *p + n * sizeof(struct stanza *) + text.n);
	p->mail = (struct mail){ .run = parcel_arrived,
		.bytes = (uint32_t)(sizeof *p + text.n + bytes) };
	p->n = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		p->stanzas[i] = stanza_ref(stanzas[i]);
	p->to = j;
	p->to.p = memcpy(p->stanzas + n, text.p, text.n);
	shard_post(from, to, &p->mail);
}

/* ---- routing ---- */

static bool tell_nodes(struct shard *s, const struct host *h, struct stanza *st)
{
	module_each(m, s->core, nodes_told)
		if (m->nodes_told(s, h, st))
			return true;
	return false;
}

static void deliver_to_host(struct shard *s, struct host *h, struct stanza *st, struct jid to)
{
	if (st->kind == STANZA_PRESENCE)
		return; /* a host has no use for presence */
	if (st->kind == STANZA_MESSAGE && h->service == SERVICE_OF_NODES && jid_is_bare(to) &&
		tell_nodes(s, h, st))
		return;
	if (st->kind == STANZA_MESSAGE || !jid_is_bare(to)) {
		bounce(s, st, ERR_SERVICE_UNAVAILABLE, STR(""));
		return;
	}
	static const unsigned places[] = { [NO_SERVICE] = AT_HOST, [SERVICE_OF_ROOMS] = AT_ROOMS,
		[SERVICE_OF_NODES] = AT_NODES };
	struct ctx c = { .shard = s, .host = h };
	iq_dispatch(&c, st, places[h->service]);
}

static bool is_answer(const struct stanza *st)
{
	return st->type == IQ_RESULT || st->type == IQ_ERROR;
}

/* The shard that owns what an address belongs to: a bare JID, a component, or (h NULL) a remote
 * domain. NULL: it is the host itself, which is everywhere, or there are no remote domains. */
static struct shard *owner_of(struct shard *s, const struct host *h, struct jid to)
{
	if (!h)
		return remotes_exist(s) ? remote_owner(s->core, jid_domain(to)) : NULL;
	if (h->component)
		return component_owner(s->core, h);
	return to.n_local ? shard_of(s->core, to) : NULL;
}

void route_to(struct shard *s, struct stanza *st, struct jid to)
{
	struct host *h = settings_host(s->settings, jid_domain(to));
	bool ours = h && !h->component;

	if (s->dead)
		return;
	if (ours && is_answer(st) && jid_is_bare(to)) { /* sessions ask with full addresses */
		ask_answered(s, st);
		return;
	}
	struct shard *owner = owner_of(s, h, to);
	if (!owner && !h)
		bounce_at(s, st, to, ERR_REMOTE_SERVER_NOT_FOUND,
			STR("the domain is not served here"));
	else if (!owner)
		deliver_to_host(s, h, st, to);
	else if (owner == s)
		route_home(s, st, to);
	else
		send_parcel(s, owner, &st, 1, to);
}

struct shard *route_owner(struct shard *s, struct jid to)
{
	struct host *h = settings_host(s->settings, jid_domain(to));

	return owner_of(s, h, to);
}

void route_each(struct shard *s, struct stanza *st, const struct jid *to, size_t n)
{
	struct audience *a = audience_new(s, to, n);

	audience_tell(a, s, st);
	audience_unref(&a);
}

void route_all(struct shard *s, struct stanza *const *stanzas, size_t n, struct jid to)
{
	struct shard *owner = route_owner(s, to);

	if (owner && owner != s && n && !s->dead) {
		send_parcel(s, owner, stanzas, n, to);
		return;
	}
	for (size_t i = 0; i < n; i++)
		route_to(s, stanzas[i], to);
}

void route(struct shard *s, struct stanza *st)
{
	BUG_ON(!jid_is_set(st->to));
	route_to(s, st, st->to);
}

void route_text(struct shard *s, struct str xml)
{
	struct stanza *st = stanza_scan(&s->scratch_table, xml, &s->loop.turn);

	if (!st) /* over the bounds of a stanza: the writer's buffer has the last word */
		return;
	if (jid_is_set(st->to))
		route(s, st);
	stanza_unref(&st);
}

/* ---- no such account ---- */

static void deliver_to_nobody(struct shard *s, struct stanza *st, struct jid to,
	enum store_status status)
{
	if (st->type == PRESENCE_AVAILABLE || st->type == PRESENCE_UNAVAILABLE)
		return; /* section 8.5.1 */
	if (status != STORE_NOT_FOUND) {
		bounce_at(s, st, to,
			status == STORE_FULL ? ERR_RESOURCE_CONSTRAINT : ERR_INTERNAL_SERVER_ERROR,
			STR(""));
		return;
	}
	if (st->type == PRESENCE_PROBE) { /* RFC 6121 section 4.3.2 */
		buf_reset(&s->scratch);
		struct writer w = w_on(&s->scratch);
		stanza_open(&w, STANZA_PRESENCE, "unsubscribed", jid_bare(to), jid_bare(st->from),
			st->id);
		w_close(&w);
		route_text(s, buf_str(&s->scratch));
		return;
	}
	if (st->kind == STANZA_PRESENCE || st->type == MESSAGE_HEADLINE)
		return; /* section 8.5.1 */
	if (st->kind == STANZA_IQ && jid_is_bare(to)) {
		/* Answered as for an account that tells this sender nothing, so that nobody
		 * can ask who exists (RFC 6120 section 13.11). */
		struct ctx c = { .shard = s, .host = settings_host(s->settings, jid_domain(to)) };
		iq_dispatch(&c, st, AT_ACCOUNT);
		return;
	}
	bounce_at(s, st, to, ERR_SERVICE_UNAVAILABLE, STR(""));
}

/* ---- accounts ---- */

struct waiting_stanza {
	struct waiter waiter;
	struct stanza *stanza;
	struct jid to; /* text inline */
};

static void waited(struct waiter *w, struct shard *s, struct account *a, enum store_status status)
{
	struct waiting_stanza *ws = container_of(w, struct waiting_stanza, waiter);

	if (a)
		deliver_to_account(a, ws->stanza, ws->to);
	else
		deliver_to_nobody(s, ws->stanza, ws->to, status);
	stanza_unref(&ws->stanza);
	free(ws);
}

static struct waiting_stanza *waiting_new(struct stanza *st, struct jid to)
{
	struct str text = jid_str(to);
	struct waiting_stanza *ws = xcalloc(1, sizeof *ws + text.n);

	memcpy(ws + 1, text.p, text.n);
	ws->waiter.run = waited;
	ws->stanza = stanza_ref(st);
	ws->to = to;
	ws->to.p = (char *)(ws + 1);
	return ws;
}

/* What an account without sessions would throw away anyway needs no account, but where a component
 * is told of it (XEP-0356 section 7.4), and where it may have news for who comes (XEP-0163). Headlines
 * are among it: a node may have very many subscribers who are not there. */
static bool needs_account(const struct host *h, const struct stanza *st, struct jid to)
{
	if (st->type == PRESENCE_AVAILABLE && !st->update && jid_is_bare(to) &&
		caps_are_shown(&st->doc, stanza_root(st)))
		return true;
	if (st->type == PRESENCE_AVAILABLE || st->type == PRESENCE_UNAVAILABLE)
		return h && grant_watches_rosters(h);
	return st->type != PRESENCE_ERROR && st->type != MESSAGE_ERROR && st->type != IQ_RESULT &&
	       st->type != IQ_ERROR && st->type != MESSAGE_HEADLINE;
}

void route_home(struct shard *s, struct stanza *st, struct jid to)
{
	struct host *h = settings_host(s->settings, jid_domain(to));

	if (h && h->component) {
		component_deliver(s, h, st, to);
		return;
	}
	if (!h) {
		remote_deliver(s, st, to);
		return;
	}
	/* Who is resident is at home here: no need to see where the address is placed. */
	struct account *a = h->home ? NULL : account_get(s, to);
	if (a)
		deliver_to_account(a, st, to);
	else if (!to.n_local || !shard_owns(s, to)) /* a component's when it was sent here */
		route_to(s, st, to);
	else if (h->service == SERVICE_OF_ROOMS)
		room_deliver(s, h, st, to);
	else if (h->service == SERVICE_OF_NODES) /* which has no addresses but its own */
		bounce_at(s, st, to, ERR_ITEM_NOT_FOUND, STR(""));
	else if (needs_account(h, st, to) || account_find(s, to)) /* behind what waits already */
		account_wait(s, to, &waiting_new(st, to)->waiter);
}

/* Section 8.5.3: a request of who may not know of the resource is answered as if it were not
 * there. */
static void deliver_iq_to_resource(struct account *a, struct stanza *st, struct jid to)
{
	struct session *match = session_find(a, jid_resource(to));
	bool request = st->type == IQ_GET || st->type == IQ_SET;

	if (match && (!request || presence_is_shared(match, st->from)))
		session_send(match, st, to);
	else
		bounce(a->shard, st, ERR_SERVICE_UNAVAILABLE, STR(""));
}

static void deliver_iq(struct account *a, struct stanza *st, struct jid to)
{
	if (!jid_is_bare(to)) {
		deliver_iq_to_resource(a, st, to);
		return;
	}
	bool own = jid_eq_bare(st->from, a->jid);
	struct ctx c = {
		.shard = a->shard,
		.host = settings_host(a->shard->settings, jid_domain(a->jid)),
		.account = a,
		.session = own ? session_find(a, jid_resource(st->from)) : NULL,
	};
	iq_dispatch(&c, st, own ? AT_ACCOUNT | AT_OWN : AT_ACCOUNT);
}

/* XEP-0191 section 3.3: as if the user were offline. A room is told nothing: it would take an
 * error as a sign that the user is gone. */
static void refuse_blocked(struct account *a, struct stanza *st, struct jid to)
{
	if (message_is_of_room(st))
		message_handled(a->shard, st);
	else if (st->kind != STANZA_PRESENCE)
		bounce_at(a->shard, st, to, ERR_SERVICE_UNAVAILABLE, STR(""));
}

void deliver_to_account(struct account *a, struct stanza *st, struct jid to)
{
	if (account_blocks(a, st->from)) {
		refuse_blocked(a, st, to);
		return;
	}
	switch ((enum stanza_kind)st->kind) {
	case STANZA_MESSAGE:
		message_arrive(a, st, to);
		break;
	case STANZA_PRESENCE:
		presence_in(a, st, to);
		break;
	case STANZA_IQ:
		deliver_iq(a, st, to);
		break;
	case STANZA_NONE:
		BUG("a stanza without kind");
	}
}
