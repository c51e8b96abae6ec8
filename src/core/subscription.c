/* Presence subscriptions: the tables of RFC 6121 appendix A, as seen from the user's account.
 *
 * A state is kept as four facts: SUB_TO and SUB_FROM of the contact, `ask` (pending out) and
 * a struct pending (pending in).
 *
 * The state changes before anything is routed: where the contact's account is on this shard
 * too, its answer comes back before route() returns, and must meet the new state. */
#include "core/presence.h"

#include "base/bug.h"
#include "core/client.h"
#include "core/module.h"
#include "core/route.h"

/* A subscription stanza goes from bare JID to bare JID (sections 3.1.2, 3.1.5 ...), with what
 * the client put into it. */
static void route_from_bare(struct account *a, struct stanza *st, struct jid to)
{
	struct stanza *own = stanza_new_lang(&st->doc, a->jid, to, st->lang);

	route(a->shard, own);
	stanza_unref(&own);
}

static void deliver_to_user(struct account *a, struct stanza *st)
{
	list_each(s, &a->sessions, struct session, link)
		if (session_is_available(s) || s->interested)
			session_send(s, st, a->jid);
}

static struct contact *contact_for(struct session *s, struct stanza *st, struct jid j)
{
	struct roster *r = &s->account->roster;
	struct contact *c = roster_find(r, j);

	if (c)
		return c;
	if (r->n >= s->account->shard->settings->roster_max) {
		bounce(s->account->shard, st, ERR_RESOURCE_CONSTRAINT, STR("the roster is full"));
		return NULL;
	}
	return roster_add(r, j);
}

/* ---- outbound: A.2 ---- */

static void out_subscribe(struct session *s, struct stanza *st, struct jid to)
{
	struct contact *c = contact_for(s, st, to);

	if (!c)
		return;
	if (!(c->subscription & SUB_TO) && !c->ask) {
		c->ask = true;
		roster_store(s->account, c, NULL);
	}
	route_from_bare(s->account, st, to);
}

static void out_unsubscribe(struct session *s, struct stanza *st, struct jid to)
{
	struct contact *c = roster_find(&s->account->roster, to);

	if (c && (c->ask || (c->subscription & SUB_TO))) {
		c->ask = false;
		c->subscription &= (uint8_t)~SUB_TO;
		roster_store(s->account, c, NULL);
	}
	route_from_bare(s->account, st, to);
}

/* With a request waiting it is an approval, else a pre-approval (section 3.4). */
static void out_subscribed(struct session *s, struct stanza *st, struct jid to)
{
	struct account *a = s->account;
	struct pending *p = pending_find(&a->roster, to);
	struct contact *c = roster_find(&a->roster, to);

	if (c && (c->subscription & SUB_FROM))
		return;
	c = contact_for(s, st, to);
	if (!c)
		return;
	if (!p) {
		if (!c->approved) {
			c->approved = true;
			roster_store(a, c, NULL);
		}
		return;
	}
	pending_del(a, p);
	c->subscription |= SUB_FROM;
	roster_store(a, c, NULL);
	route_from_bare(a, st, to);
	presence_tell(a, to); /* section 3.1.5 */
}

static void out_unsubscribed(struct session *s, struct stanza *st, struct jid to)
{
	struct account *a = s->account;
	struct pending *p = pending_find(&a->roster, to);
	struct contact *c = roster_find(&a->roster, to);
	bool from = c && (c->subscription & SUB_FROM);

	if (from || (c && c->approved)) {
		c->subscription &= (uint8_t)~SUB_FROM;
		c->approved = false;
		roster_store(a, c, NULL);
	}
	if (p)
		pending_del(a, p);
	if (from)
		presence_untell(a, to); /* section 3.2.2 */
	if (p || from)
		route_from_bare(a, st, to);
}

void subscription_out(struct session *s, struct stanza *st)
{
	struct account *a = s->account;
	struct jid to = jid_bare(st->to);

	if (!jid_is_set(to) || jid_eq(to, a->jid)) {
		bounce(a->shard, st, ERR_BAD_REQUEST, STR("a subscription needs another address"));
		return;
	}
	switch ((enum stanza_type)st->type) {
	case PRESENCE_SUBSCRIBE:
		out_subscribe(s, st, to);
		break;
	case PRESENCE_UNSUBSCRIBE:
		out_unsubscribe(s, st, to);
		break;
	case PRESENCE_SUBSCRIBED:
		out_subscribed(s, st, to);
		break;
	case PRESENCE_UNSUBSCRIBED:
		out_unsubscribed(s, st, to);
		break;
	default:
		BUG("no subscription stanza");
	}
}

/* ---- inbound: A.3 ---- */

static void tell_modules(struct account *a)
{
	module_each(m, a->shard->core, subscription_waits)
		m->subscription_waits(a);
}

static void in_subscribe(struct account *a, struct stanza *st, struct jid from)
{
	struct contact *c = roster_find(&a->roster, from);

	if (c && (c->subscription & SUB_FROM)) {
		presence_send(a, "subscribed", a->jid, from);
		return;
	}
	if (c && c->approved) { /* section 3.4.2 */
		c->subscription |= SUB_FROM;
		roster_store(a, c, NULL);
		presence_send(a, "subscribed", a->jid, from);
		presence_tell(a, from);
		return;
	}
	if (pending_find(&a->roster, from))
		return;
	if (!pending_add(a, st)) {
		bounce(a->shard, st, ERR_RESOURCE_CONSTRAINT, STR("too many requests wait"));
		return;
	}
	deliver_to_user(a, st);
	tell_modules(a);
}

static void in_unsubscribe(struct account *a, struct stanza *st, struct jid from)
{
	struct pending *p = pending_find(&a->roster, from);
	struct contact *c = roster_find(&a->roster, from);
	bool subscribed = c && (c->subscription & SUB_FROM);

	if (!p && !subscribed)
		return;
	if (p)
		pending_del(a, p);
	deliver_to_user(a, st); /* section 3.3.3: before the push */
	if (subscribed) {
		c->subscription &= (uint8_t)~SUB_FROM;
		roster_store(a, c, NULL);
		presence_untell(a, from);
	}
	presence_send(a, "unsubscribed", a->jid, from);
}

static void in_subscribed(struct account *a, struct stanza *st, struct jid from)
{
	struct contact *c = roster_find(&a->roster, from);

	if (!c || !c->ask)
		return;
	c->ask = false;
	c->subscription |= SUB_TO;
	deliver_to_user(a, st);
	roster_store(a, c, NULL);
}

static void in_unsubscribed(struct account *a, struct stanza *st, struct jid from)
{
	struct contact *c = roster_find(&a->roster, from);

	if (!c || !(c->ask || (c->subscription & SUB_TO)))
		return;
	c->ask = false;
	c->subscription &= (uint8_t)~SUB_TO;
	deliver_to_user(a, st);
	roster_store(a, c, NULL);
}

void subscription_in(struct account *a, struct stanza *st)
{
	struct jid from = jid_bare(st->from);

	if (jid_eq(from, a->jid))
		return;
	switch ((enum stanza_type)st->type) {
	case PRESENCE_SUBSCRIBE:
		in_subscribe(a, st, from);
		break;
	case PRESENCE_UNSUBSCRIBE:
		in_unsubscribe(a, st, from);
		break;
	case PRESENCE_SUBSCRIBED:
		in_subscribed(a, st, from);
		break;
	case PRESENCE_UNSUBSCRIBED:
		in_unsubscribed(a, st, from);
		break;
	default:
		BUG("no subscription stanza");
	}
}

/* ---- roster removal ---- */

void subscription_remove(struct account *a, struct contact *c, struct later *later)
{
	struct jid to = jid_dup(&a->shard->loop.turn, c->jid);
	struct pending *p = pending_find(&a->roster, to);
	bool out = c->ask || (c->subscription & SUB_TO);
	bool from = c->subscription & SUB_FROM;

	roster_delete(a, c, later);
	if (p)
		pending_del(a, p);
	if (from && !account_blocks(a, to))
		presence_untell(a, to);
	if (out)
		presence_send(a, "unsubscribe", a->jid, to);
	if (p || from)
		presence_send(a, "unsubscribed", a->jid, to);
}
