/* Presence: broadcasts, probes, directed presence (RFC 6121 section 4). Subscriptions are in
 * subscription.c. */
#include "core/presence.h"

#include "base/bug.h"
#include "base/clock.h"
#include "core/block.h"
#include "core/client.h"
#include "core/module.h"
#include "core/route.h"
#include "core/watch.h"
#include "xmpp/datetime.h"

#include <stdlib.h>

#define STATUS_MAX 1024 /* bytes of the <status/> that is kept for last activity */

/* ---- presence that the server makes ---- */

static struct stanza *make(struct account *a, const char *type, struct jid from, struct jid to)
{
	struct shard *s = a->shard;

	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	stanza_open(&w, STANZA_PRESENCE, type, from, to, STR_NULL);
	w_close(&w);
	struct stanza *st = stanza_scan(&s->scratch_table, buf_str(&s->scratch), &s->loop.turn);
	BUG_ON(!st);
	return st;
}

void presence_send(struct account *a, const char *type, struct jid from, struct jid to)
{
	struct stanza *st = make(a, type, from, to);

	route(a->shard, st);
	stanza_unref(&st);
}

bool presence_tell(struct account *a, struct jid to)
{
	bool any = false;

	list_each(s, &a->sessions, struct session, link) {
		if (!session_is_available(s))
			continue;
		route_to(a->shard, s->presence, to);
		any = true;
	}
	return any;
}

/* st: of a session of the account, or of somebody else. */
static void tell_modules(struct account *a, struct stanza *st, struct jid to)
{
	module_each(m, a->shard->core, presence_arrived)
		m->presence_arrived(a, st, to);
}

void presence_untell(struct account *a, struct jid to)
{
	list_each(s, &a->sessions, struct session, link)
		if (session_is_available(s))
			presence_send(a, "unavailable", s->full, to);
}

/* ---- broadcasts ---- */

/* There is such a subscription, and no block (XEP-0191). */
static bool is_shared_with(const struct account *a, const struct contact *c, uint8_t direction)
{
	return (c->subscription & direction) && !account_blocks(a, c->jid);
}

static void to_subscribers(struct account *a, struct stanza *st)
{
	for (uint32_t i = 0; i < a->roster.n; i++)
		if (is_shared_with(a, a->roster.items[i], SUB_FROM))
			route_to(a->shard, st, a->roster.items[i]->jid);
}

static void to_own_resources(struct account *a, struct stanza *st)
{
	list_each(s, &a->sessions, struct session, link)
		if (session_is_available(s))
			session_send(s, st, s->full);
}

void presence_ask_contacts(struct account *a)
{
	struct stanza *probe = make(a, "probe", a->jid, (struct jid){ 0 });

	a->contacts_asked = true;
	for (uint32_t i = 0; i < a->roster.n; i++)
		if (is_shared_with(a, a->roster.items[i], SUB_TO) &&
			(a->roster.items[i]->subscription & SUB_FROM))
			route_to(a->shard, probe, a->roster.items[i]->jid);
	stanza_unref(&probe);
}

/* Section 4.2.2 and 4.3: what a resource learns when it comes online. */
static void probe_all(struct session *s)
{
	struct account *a = s->account;
	struct stanza *probe = make(a, "probe", s->full, (struct jid){ 0 });

	a->contacts_asked = true;
	for (uint32_t i = 0; i < a->roster.n; i++)
		if (is_shared_with(a, a->roster.items[i], SUB_TO))
			route_to(a->shard, probe, a->roster.items[i]->jid);
	stanza_unref(&probe);
	list_each(other, &a->sessions, struct session, link)
		if (other != s && session_is_available(other))
			session_send(s, other->presence, s->full);
	/* Section 3.1.3: requests come again at each login until they are answered. */
	list_each(p, &a->roster.pending, struct pending, link)
		if (!account_blocks(a, p->jid))
			session_send(s, p->request, a->jid);
}

/* Section 4.7.2.3: an integer between -128 and +127; absent is 0. */
static bool priority_of(struct shard *s, const struct stanza *st, int8_t *out)
{
	const struct xml_node *el = xml_child(&st->doc, stanza_root(st), NS_CLIENT, TAG_PRIORITY);
	int64_t v = 0;

	if (el && !str_to_i64(str_trim(xml_text(&st->doc, el, &s->loop.turn)), -128, 127, &v))
		return false;
	*out = (int8_t)v;
	return true;
}

void presence_read_priority(struct session *s)
{
	if (s->presence && !priority_of(s->account->shard, s->presence, &s->priority))
		s->priority = 0;
}

/* Contacts are asked for their presence first: they answer before they tell news of theirs to who
 * comes (XEP-0163). */
static void available(struct session *s, struct stanza *st)
{
	struct account *a = s->account;
	bool initial = !s->presence;
	int8_t before = initial ? -1 : s->priority;

	if (!priority_of(a->shard, st, &s->priority)) {
		bounce(a->shard, st, ERR_BAD_REQUEST, STR("priority is a number from -128 to 127"));
		return;
	}
	if (s->presence)
		stanza_unref(&s->presence);
	s->presence = stanza_ref(st);
	st->update = !initial;
	to_own_resources(a, st);
	if (initial) {
		watch_session(s, st);
		probe_all(s);
	}
	to_subscribers(a, st);
	tell_modules(a, st, a->jid);
	if (before < 0 && s->priority >= 0)
		session_takes_messages(s);
}

/* ---- the end of presence ---- */

static void forget_directed(struct session *s)
{
	for (uint32_t i = 0; i < s->n_directed; i++)
		free((char *)s->directed[i].p);
	free(s->directed);
	s->directed = NULL;
	s->n_directed = 0;
}

/* Section 4.6.3: who was told directly hears of the end, each once. The list is taken off
 * first: it changes when one of them is on this shard and answers. */
static void tell_directed(struct session *s, struct stanza *st)
{
	struct session list = { .directed = s->directed, .n_directed = s->n_directed };

	s->directed = NULL;
	s->n_directed = 0;
	for (uint32_t i = 0; i < list.n_directed; i++)
		route_to(s->account->shard, st, list.directed[i]);
	forget_directed(&list);
}

/* The last available resource has gone: XEP-0012 and probes want to know when. */
static void note_last(struct account *a, const struct stanza *st)
{
	struct shard *s = a->shard;
	const struct xml_node *el = xml_child(&st->doc, stanza_root(st), NS_CLIENT, TAG_STATUS);
	struct str status = el ? xml_text(&st->doc, el, &s->loop.turn) : STR("");

	list_each(other, &a->sessions, struct session, link)
		if (session_is_available(other))
			return;
	if (status.n > STATUS_MAX)
		status = STR("");
	a->last_us = clock_wall_us();
	free(a->last_status);
	a->last_status = status.n ? strndup(status.p, status.n) : NULL;
	a->last_is_news = true;
}

static void unavailable(struct session *s, struct stanza *st)
{
	struct account *a = s->account;
	bool was_available = session_is_available(s);

	if (was_available) {
		to_subscribers(a, st);
		to_own_resources(a, st);
		watch_session(s, st);
		stanza_unref(&s->presence);
	}
	tell_directed(s, st);
	if (!was_available)
		return;
	note_last(a, st);
	tell_modules(a, st, a->jid);
}

void presence_end(struct session *s)
{
	struct account *a = s->account;

	if (a->shard->dead) {
		if (s->presence)
			stanza_unref(&s->presence);
		forget_directed(s);
		return;
	}
	if (!s->presence && !s->n_directed)
		return;
	struct stanza *st = make(a, "unavailable", s->full, (struct jid){ 0 });
	unavailable(s, st);
	stanza_unref(&st);
}

/* ---- directed presence (section 4.6) ---- */

static uint32_t directed_at(const struct session *s, struct jid to)
{
	uint32_t i = 0;

	while (i < s->n_directed && !jid_eq(s->directed[i], to))
		i++;
	return i;
}

/* Whatever resource it went to: in a room, all occupants know of it. */
static uint32_t count_directed_to(const struct session *s, struct jid who)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_directed; i++)
		n += jid_eq_bare(s->directed[i], who);
	return n;
}

bool presence_is_shared(const struct session *s, struct jid who)
{
	return account_may_see(s->account, who) || count_directed_to(s, who);
}

static void drop_directed(struct session *s, uint32_t i)
{
	free((char *)s->directed[i].p);
	s->directed[i] = s->directed[--s->n_directed];
	if (!s->n_directed)
		forget_directed(s);
}

void presence_note_directed(struct session *s, struct jid to)
{
	struct str text = jid_str(to);
	struct jid own = to;

	own.p = strndup(text.p, text.n);
	s->directed = xrealloc(s->directed, (s->n_directed + 1) * sizeof *s->directed);
	s->directed[s->n_directed++] = own;
}

static void directed(struct session *s, struct stanza *st)
{
	struct account *a = s->account;
	struct contact *c = roster_find(&a->roster, jid_bare(st->to));
	bool subscribed = c && (c->subscription & SUB_FROM);
	uint32_t i = directed_at(s, st->to);

	if (st->type == PRESENCE_AVAILABLE && !subscribed && i == s->n_directed) {
		if (s->n_directed >= DIRECTED_MAX) {
			bounce(a->shard, st, ERR_RESOURCE_CONSTRAINT,
				STR("too many directed presences"));
			return;
		}
		presence_note_directed(s, st->to);
	}
	if (st->type == PRESENCE_UNAVAILABLE && i < s->n_directed)
		drop_directed(s, i);
	route(a->shard, st);
}

/* ---- blocking (XEP-0191 sections 3.3 and 3.4) ---- */

/* Whether these items, which are not in force now, make the difference for an address. */
static bool is_up_to(const struct account *a, const struct blocklist *items, struct jid j)
{
	return blocklist_matches(items, j) && !jid_eq_bare(a->jid, j) && !account_blocks(a, j);
}

static void untell_directed(struct session *s, const struct blocklist *items)
{
	struct account *a = s->account;

	for (uint32_t i = s->n_directed; i-- > 0;) {
		if (i >= s->n_directed || !is_up_to(a, items, s->directed[i]))
			continue;
		struct jid to = jid_dup(&a->shard->loop.turn, s->directed[i]);
		drop_directed(s, i);
		presence_send(a, "unavailable", s->full, to);
	}
}

/* The contact that a blocked resource belongs to, or NULL: there is none, or the items are about
 * the contact itself. */
static const struct contact *contact_of_resource(const struct account *a,
	const struct blocklist *items, struct jid item)
{
	if (jid_is_bare(item) || !is_up_to(a, items, item) ||
		blocklist_matches(items, jid_bare(item)))
		return NULL;
	return roster_find(&a->roster, jid_bare(item));
}

void presence_hide(struct account *a, const struct blocklist *items)
{
	for (uint32_t i = 0; i < a->roster.n; i++) {
		const struct contact *c = a->roster.items[i];
		if ((c->subscription & SUB_FROM) && is_up_to(a, items, c->jid))
			presence_untell(a, c->jid);
	}
	for (uint32_t i = 0; i < items->n; i++) {
		const struct contact *c = contact_of_resource(a, items, items->items[i]);
		if (c && (c->subscription & SUB_FROM))
			presence_untell(a, items->items[i]);
	}
	list_each(s, &a->sessions, struct session, link)
		untell_directed(s, items);
}

static bool is_available(struct account *a)
{
	list_each(s, &a->sessions, struct session, link)
		if (session_is_available(s))
			return true;
	return false;
}

/* Who is subscribed learns of the user, and the user of who it is subscribed to. */
static void show_to(struct account *a, const struct contact *c, struct jid to)
{
	if (c->subscription & SUB_FROM)
		presence_tell(a, to);
	if (c->subscription & SUB_TO)
		presence_send(a, "probe", a->jid, c->jid);
}

void presence_show(struct account *a, const struct blocklist *items)
{
	if (!is_available(a))
		return;
	for (uint32_t i = 0; i < a->roster.n; i++) {
		const struct contact *c = a->roster.items[i];
		if (is_up_to(a, items, c->jid))
			show_to(a, c, c->jid);
	}
	for (uint32_t i = 0; i < items->n; i++) {
		const struct contact *c = contact_of_resource(a, items, items->items[i]);
		if (c)
			show_to(a, c, items->items[i]);
	}
}

static void show_to_domain(struct account *a, struct str domain)
{
	for (uint32_t i = 0; i < a->roster.n; i++)
		if (str_eq(jid_domain(a->roster.items[i]->jid), domain))
			show_to(a, a->roster.items[i], a->roster.items[i]->jid);
}

void presence_domain_is_back(struct shard *s, struct str local, struct str remote)
{
	struct map_node *n = NULL;

	while ((n = map_next(&s->accounts, n))) {
		struct account *a = container_of(n, struct account, node);
		if (str_eq(jid_domain(a->jid), local) && is_available(a))
			show_to_domain(a, remote);
	}
}

/* ---- out and in ---- */

static void available_out(struct session *s, struct stanza *st)
{
	struct stanza *out = stanza_ref(st);

	module_each(m, s->account->shard->core, presence_sent)
		m->presence_sent(s, &out);
	if (jid_is_set(out->to))
		directed(s, out);
	else
		available(s, out);
	stanza_unref(&out);
}

void presence_out(struct session *s, struct stanza *st)
{
	switch ((enum stanza_type)st->type) {
	case PRESENCE_AVAILABLE:
		available_out(s, st);
		break;
	case PRESENCE_UNAVAILABLE:
		if (jid_is_set(st->to))
			directed(s, st);
		else
			unavailable(s, st);
		break;
	case PRESENCE_SUBSCRIBE:
	case PRESENCE_SUBSCRIBED:
	case PRESENCE_UNSUBSCRIBE:
	case PRESENCE_UNSUBSCRIBED:
		subscription_out(s, st);
		break;
	case PRESENCE_ERROR:
		if (jid_is_set(st->to))
			route(s->account->shard, st);
		break;
	case PRESENCE_PROBE: /* section 4.3: the server's to send, but no client's error */
		if (jid_is_set(st->to))
			route(s->account->shard, st);
		break;
	default:
		bounce(s->account->shard, st, ERR_BAD_REQUEST, STR("unknown type of presence"));
	}
}

/* ---- probes (section 4.3.2) ---- */

/* The answer that carries no presence has the probe's id (section 4.3.2.1). last: and the
 * time since when there is none. */
static void answer_probe(struct account *a, const struct stanza *probe, const char *type,
	struct jid from, struct jid to, bool last)
{
	struct shard *s = a->shard;

	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	stanza_open(&w, STANZA_PRESENCE, type, from, to, probe->id);
	if (last && a->last_us) {
		w_open_ns(&w, "delay", NS_DELAY);
		w_attr(&w, "stamp", datetime_format(&s->loop.turn, a->last_us));
		w_close(&w);
	}
	w_close(&w);
	route_text(s, buf_str(&s->scratch));
}

/* Section 4.6.6: who got directed presence of a resource learns that it is there, no more. */
static bool tell_of_directed(struct account *a, const struct stanza *probe, struct session *only)
{
	bool any = false;

	list_each(s, &a->sessions, struct session, link) {
		if ((only && s != only) || !presence_is_shared(s, probe->from))
			continue;
		answer_probe(a, probe, NULL, s->full, probe->from, false);
		any = true;
	}
	return any;
}

/* Who is not allowed to see is told so, which mends rosters out of step; a user's own
 * resources always may. */
static void on_probe(struct account *a, const struct stanza *st, struct jid to)
{
	bool bare = jid_is_bare(to);
	struct session *match = bare ? NULL : session_find(a, jid_resource(to));

	if (!account_may_see(a, st->from)) {
		if ((!bare && !match) || !tell_of_directed(a, st, match))
			answer_probe(a, st, "unsubscribed", a->jid, jid_bare(st->from), false);
	} else if (!bare) {
		bool there = match && session_is_available(match);
		answer_probe(a, st, there ? NULL : "unavailable", to, st->from, false);
	} else if (!presence_tell(a, st->from)) {
		answer_probe(a, st, "unavailable", a->jid, st->from, true);
	}
}

/* An occupant of a room has another nickname (XEP-0045 section 7.6). */
static bool is_renamed(struct account *a, const struct stanza *st)
{
	const struct xml_doc *d = &st->doc;
	const struct xml_node *x = xml_child(d, stanza_root(st), NS_MUC_USER, TAG_X);
	const struct xml_node *status = x ? xml_child(d, x, NS_MUC_USER, TAG_STATUS) : NULL;

	for (; status; status = xml_next_same(d, status))
		if (str_eq(xml_attr_str(d, status, TAG_CODE, &a->shard->loop.turn), STR("303")))
			return true;
	return false;
}

/* Section 4.6.1: who is gone needs not to be told when the user goes. Of several clients in a room
 * the one that hears of it is out of it, and a client whose nickname another one changed is in it,
 * although all that it knows of has gone. */
static void forget_directed_to(struct account *a, const struct stanza *st, struct jid to)
{
	bool renamed = is_renamed(a, st);

	list_each(s, &a->sessions, struct session, link) {
		uint32_t i = directed_at(s, st->from);
		bool hears = jid_is_bare(to) || jid_eq(s->full, to);
		if (i < s->n_directed && hears && !(renamed && count_directed_to(s, st->from) == 1))
			drop_directed(s, i);
	}
}

static void deliver(struct account *a, struct stanza *st, struct jid to)
{
	if (!jid_is_bare(to)) {
		struct session *match = session_find(a, jid_resource(to));
		if (match)
			session_send(match, st, to);
		return;
	}
	list_each(s, &a->sessions, struct session, link)
		if (session_is_available(s))
			session_send(s, st, to);
}

void presence_in(struct account *a, struct stanza *st, struct jid to)
{
	switch ((enum stanza_type)st->type) {
	case PRESENCE_PROBE:
		on_probe(a, st, to);
		tell_modules(a, st, to);
		return;
	case PRESENCE_SUBSCRIBE:
	case PRESENCE_SUBSCRIBED:
	case PRESENCE_UNSUBSCRIBE:
	case PRESENCE_UNSUBSCRIBED:
		subscription_in(a, st);
		return;
	case PRESENCE_UNAVAILABLE:
		forget_directed_to(a, st, to);
		break;
	default:
		break;
	}
	watch_contact(a, st);
	deliver(a, st, to);
	tell_modules(a, st, to);
}
