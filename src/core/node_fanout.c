/* Whom nodes notify, and when (core/node.h).
 *
 * Most subscriptions are plain, and go out by audiences of NODE_TURN_MAX places each, which a
 * service's node keeps until one of these places changes. An account's node has none: who may be
 * told changes with the roster, the block list and the presence of others, so that each is looked
 * at each time. Those with options, or several of one JID, are told one by one (node_special.c).
 *
 * Order: what is to be told stands in node.news. One after the other is told in pieces, and when
 * NODE_TURN_MAX addresses have been told something, a mail goes to each shard and comes back before
 * anything more is told: so no loop has more than one piece of a node to do in a turn, its mail for
 * what others have to do comes between, and a shard that is behind is not buried.
 *
 * Left out: presence of a service's subscribers (section 12.6); it does not know it. */
#include "core/node_private.h"

#include "base/bug.h"
#include "core/audience.h"
#include "core/route.h"
#include "xmpp/edit.h"

#include <stdlib.h>

/* ---- what they may see ---- */

static bool is_address(const struct stanza *s, const struct xml_node *child, void *ctx)
{
	return child->ns == NS_ADDRESS;
}

/* sees: for those who see the presence of the account. */
static struct stanza *news_as(struct node *n, struct news *w, bool sees)
{
	if (!w->replies || sees)
		return w->stanza;
	if (!w->discreet) {
		w->discreet = stanza_ref(w->stanza);
		stanza_drop_children(&w->discreet, is_address, NULL, &n->shard->scratch_table);
	}
	return w->discreet;
}

struct stanza *news_for(struct node *n, struct news *w, struct jid to)
{
	return news_as(n, w, !w->replies || account_may_see(node_account(n), to));
}

/* ---- who is told ---- */

struct addresses {
	struct jid *to;
	size_t n, cap;
};

static void add_address(struct addresses *a, struct jid to)
{
	if (a->n == a->cap) {
		a->cap = a->cap ? 2 * a->cap : 32;
		a->to = xrealloc(a->to, a->cap * sizeof *a->to);
	}
	a->to[a->n++] = to;
}

/* Whom the modules add. Those who see the account's presence are told more than the others. */
struct recipients {
	struct node *node;
	struct addresses seeing, others;
};

/* Of those who are subscribed by themselves: a bare JID whose resource is told here is not told
 * besides (XEP-0163 section 4.3.2); a full one is told by its subscription. */
static bool is_subscribed(struct node *n, struct jid to)
{
	struct node_subscription *bare = node_subscription_first(n, jid_bare(to));
	const struct node_subscription *own = node_subscription_first(n, to);

	if (bare)
		bare->passed_over = n->telling;
	while (own && own->state != SUBSCRIPTION_SUBSCRIBED)
		own = own->more;
	return !jid_is_bare(to) && own;
}

void recipients_add(struct recipients *r, struct jid to)
{
	struct node *n = r->node;

	if (!node_may_notify(n, to) || (n->n_subscribed && is_subscribed(n, to)))
		return;
	add_address(account_may_see(node_account(n), to) ? &r->seeing : &r->others, to);
}

/* A part of them. */
struct share {
	struct audience *audience;
	uint32_t n;
	bool sees;
};

static void add_shares(struct node *n, struct news *w, const struct addresses *a, bool sees)
{
	for (size_t at = 0; at < a->n; at += NODE_TURN_MAX) {
		size_t some = a->n - at < NODE_TURN_MAX ? a->n - at : NODE_TURN_MAX;
		w->shares = xrealloc(w->shares, (w->n_shares + 1) * sizeof *w->shares);
		w->shares[w->n_shares++] = (struct share){
			audience_new(n->shard, a->to + at, some), (uint32_t)some, sees };
	}
}

/* From now on these are told, and who is subscribed now. */
static void begin(struct node *n, struct news *w)
{
	struct recipients r = { .node = n };

	w->begun = true;
	if (!++n->telling) /* 0 stands for none */
		n->telling = 1;
	module_each(m, n->shard->core, node_recipients)
		m->node_recipients(n, &r);
	add_shares(n, w, &r.seeing, true);
	add_shares(n, w, &r.others, false);
	w->n_places = n->n_subs;
	free(r.seeing.to);
	free(r.others.to);
}

/* ---- plain subscriptions ---- */

bool node_is_special(const struct node *n, const struct node_subscription *sub)
{
	return n->n_special && (sub->options || sub->more ||
		node_subscription_first(n, sub->jid) != sub);
}

void node_audience_changed(struct node *n, uint32_t place)
{
	uint32_t i = place / NODE_TURN_MAX;

	if (i < n->n_audiences)
		audience_unref(&n->audiences[i]);
}

void node_free_audiences(struct node *n)
{
	for (uint32_t i = 0; i < n->n_audiences; i++)
		audience_unref(&n->audiences[i]);
	free(n->audiences);
	n->audiences = NULL;
	n->n_audiences = 0;
}

/* Of a node's end those hear too who wait to be subscribed (section 8.4.2). */
static bool is_told_plainly(const struct node *n, const struct news *w,
	const struct node_subscription *sub)
{
	if (!sub || (sub->state != SUBSCRIPTION_SUBSCRIBED && w->kind != NEWS_OF_END))
		return false;
	if (n->kind == NODE_OF_SERVICE)
		return !node_is_special(n, sub);
	return sub->passed_over != n->telling && !node_is_special(n, sub) &&
	       node_may_notify(n, sub->jid);
}

/* Those of some places who are told `stanza`. */
static struct audience *gather(struct node *n, struct news *w, uint32_t from, uint32_t end,
	const struct stanza *stanza)
{
	struct jid *to = xmalloc(NODE_TURN_MAX * sizeof *to);
	size_t found = 0;

	for (uint32_t i = from; i < end; i++)
		if (is_told_plainly(n, w, n->subs[i]) && news_for(n, w, n->subs[i]->jid) == stanza)
			to[found++] = n->subs[i]->jid;
	struct audience *a = audience_new(n->shard, to, found);
	free(to);
	return a;
}

/* The audience of a chunk, which the node keeps. */
static struct audience *audience_of(struct node *n, struct news *w, uint32_t from, uint32_t end)
{
	uint32_t i = from / NODE_TURN_MAX;

	if (i >= n->n_audiences) {
		uint32_t now = (n->n_subs + NODE_TURN_MAX - 1) / NODE_TURN_MAX;
		n->audiences = xrealloc(n->audiences, now * sizeof *n->audiences);
		memset(n->audiences + n->n_audiences, 0,
			(now - n->n_audiences) * sizeof *n->audiences);
		n->n_audiences = now;
	}
	if (!n->audiences[i])
		n->audiences[i] = gather(n, w, from, end, w->stanza);
	return audience_ref(n->audiences[i]);
}

static void tell_gathered(struct node *n, struct news *w, uint32_t from, uint32_t end,
	struct stanza *stanza)
{
	struct audience *a = gather(n, w, from, end, stanza);

	audience_tell(a, n->shard, stanza);
	audience_unref(&a);
}

static void tell_plain(struct node *n, struct news *w, uint32_t from, uint32_t end)
{
	if (n->kind == NODE_OF_SERVICE && w->kind != NEWS_OF_END) {
		struct audience *a = audience_of(n, w, from, end);
		audience_tell(a, n->shard, w->stanza);
		audience_unref(&a);
		return;
	}
	tell_gathered(n, w, from, end, w->stanza);
	if (w->discreet) /* the gathering has made it for somebody */
		tell_gathered(n, w, from, end, w->discreet);
}

/* ---- in turns ---- */

static uint32_t end_of_chunk(const struct node *n, const struct news *w)
{
	uint32_t end = w->place + NODE_TURN_MAX, last = w->n_places < n->n_subs ? w->n_places :
										  n->n_subs;

	return end < last ? end : last;
}

static bool is_over(const struct node *n, const struct news *w)
{
	return w->begun && w->at_share == w->n_shares && w->place >= end_of_chunk(n, w);
}

/* Addresses of the next piece, at most. */
static uint32_t next_size(const struct node *n, const struct news *w)
{
	return w->at_share < w->n_shares ? w->shares[w->at_share].n : end_of_chunk(n, w) - w->place;
}

static void tell_share(struct node *n, struct news *w)
{
	struct share *share = &w->shares[w->at_share++];

	audience_tell(share->audience, n->shard, news_as(n, w, share->sees));
	audience_unref(&share->audience);
}

static void tell_places(struct node *n, struct news *w)
{
	uint32_t from = w->place, end = end_of_chunk(n, w);

	w->place = end;
	if (n->n_special)
		node_end_expired(n, from, end);
	if (end > n->n_subs)
		end = n->n_subs;
	tell_plain(n, w, from, end);
	for (uint32_t i = from; n->n_special && i < end; i++)
		if (n->subs[i] && node_is_special(n, n->subs[i]))
			node_tell_special(n, w, n->subs[i]);
}

static void news_free(struct node *n, struct news *w)
{
	list_del(&w->link);
	n->news_bytes -= w->bytes;
	for (uint32_t i = w->at_share; i < w->n_shares; i++)
		audience_unref(&w->shares[i].audience);
	free(w->shares);
	free((char *)w->text.p);
	stanza_unref(&w->stanza);
	stanza_unref(&w->discreet);
	stanza_unref(&w->full);
	free(w);
}

static void end_news(struct node *n, struct news *w)
{
	news_free(n, w);
	node_release(n);
}

/* A turn of each shard, between two pieces. */
struct round {
	struct mail mail;
	struct node *node;         /* held */
	struct shard *home;
};

static void advance(struct node *n);

static void round_home(struct mail *m, void *receiver)
{
	struct round *r = container_of(m, struct round, mail);
	struct node *n = r->node;

	free(r);
	if (!--n->rounds) {
		n->told = 0;
		advance(n);
	}
	node_release(n);
}

static void round_there(struct mail *m, void *receiver)
{
	struct round *r = container_of(m, struct round, mail);

	r->mail.run = round_home;
	shard_post(receiver, r->home, &r->mail);
}

static void begin_round(struct node *n)
{
	struct shard *s = n->shard;

	for (unsigned i = 0; i < s->core->n_shards; i++) {
		bool own = s->core->shards[i] == s;
		struct round *r = xcalloc(1, sizeof *r);
		r->mail = (struct mail){ .run = own ? round_home : round_there,
			.bytes = sizeof *r };
		r->node = n;
		r->home = s;
		node_hold(n);
		n->rounds++;
		if (own)
			mailbox_post_one(&s->loop.inbox, &r->mail);
		else
			shard_post(s, s->core->shards[i], &r->mail);
	}
}

static void tell_piece(struct node *n, struct news *w)
{
	n->told += next_size(n, w);
	if (w->at_share < w->n_shares)
		tell_share(n, w);
	else
		tell_places(n, w);
}

/* Tells as much as one turn may. */
static void advance(struct node *n)
{
	while (!n->rounds && !list_empty(&n->news)) {
		struct news *w = list_first(&n->news, struct news, link);
		if (!w->begun)
			begin(n, w);
		if (is_over(n, w))
			end_news(n, w);
		else if (n->told && n->told + next_size(n, w) > NODE_TURN_MAX)
			begin_round(n);
		else
			tell_piece(n, w);
	}
}

bool node_is_behind(const struct node *n)
{
	return n->news_bytes > NODE_NEWS_MAX;
}

void node_drop_news(struct node *n)
{
	while (!list_empty(&n->news))
		news_free(n, list_first(&n->news, struct news, link));
}

/* ---- what there is to tell ---- */

static bool is_for_nobody(const struct node *n, const struct news *w)
{
	return w->begun && !w->n_shares && !n->n_subscribed && w->kind != NEWS_OF_END;
}

struct news *node_open_news(struct node *n, enum news_kind kind)
{
	struct news *w = xcalloc(1, sizeof *w);

	w->kind = kind;
	list_init(&w->link);
	node_hold(n);
	if (list_empty(&n->news))
		begin(n, w);
	if (!is_for_nobody(n, w))
		return w;
	end_news(n, w);
	return NULL;
}

void node_tell(struct node *n, struct news *w)
{
	if (!w->stanza) {
		end_news(n, w);
		return;
	}
	node_hold(n);
	w->bytes = w->stanza->doc.n_bytes;
	if (w->full && w->full != w->stanza)
		w->bytes += w->full->doc.n_bytes;
	n->news_bytes += w->bytes;
	list_add(&n->news, &w->link);
	advance(n);
	node_release(n);
}
