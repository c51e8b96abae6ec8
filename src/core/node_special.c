/* Notifications to subscriptions that have options, or that are not the only one of their JID
 * (XEP-0060 sections 6.3, 7.1.2.4, 12.8, 12.16, 12.19, 12.20).
 *
 * One JID is told once, by the first of its subscriptions, with the ids of all that want it. Those
 * with a digest gather entries apart and send them in one message each; what is no entry (a purge,
 * a change of configuration, the end) goes out behind what was gathered. A digest is in memory
 * alone: a restart loses it. It has no body.
 *
 * Presence is known of the clients of this server: show-values holds for subscribers here, whom
 * nothing reaches when no client of theirs is in one of the states. Elsewhere all is sent.
 * A body is made of Atom entries (RFC 4287): their summary, or their title. */
#include "core/node_private.h"

#include "base/bug.h"
#include "base/clock.h"
#include "core/account.h"
#include "core/message.h"
#include "core/route.h"
#include "xmpp/words.h"

#include <stdlib.h>

/* ---- its end (section 12.19) ---- */

static bool is_expired(const struct node_subscription *sub, uint64_t now_us)
{
	return sub->options && sub->options->until_us && sub->options->until_us <= now_us;
}

void node_end_expired(struct node *n, uint32_t place, uint32_t end)
{
	uint64_t now = clock_wall_us();

	for (uint32_t i = place; !n->ended && i < end && i < n->n_subs; i++)
		if (n->subs[i] && is_expired(n->subs[i], now))
			node_end_subscription(n, n->subs[i]);
}

/* ---- the payload ---- */

/* Of each item: NULL where there is none. */
static const struct xml_node *first_item(const struct xml_doc *d)
{
	const struct xml_node *event = xml_child(d, d->nodes, NS_PUBSUB_EVENT, TAG_EVENT);
	const struct xml_node *items = event ?
		xml_child(d, event, NS_PUBSUB_EVENT, TAG_ITEMS) : NULL;

	return items ? xml_first(d, items) : NULL;
}

/* The whole characters that fit. */
static struct str cut(struct str text, size_t max)
{
	size_t n = text.n < max ? text.n : max;

	while (n && n < text.n && ((unsigned char)text.p[n] & 0xc0) == 0x80)
		n--;
	return str_head(text, n);
}

/* All text within an element, its parts set off from each other. */
static struct str all_text(const struct xml_doc *d, const struct xml_node *el, struct arena *a)
{
	struct buf b;

	buf_init(&b, NODE_TEXT_MAX);
	for (const struct xml_node *i = el + 1; i < d->nodes + el->next; i++) {
		if (i->kind == XML_TEXT)
			buf_add(&b, cut(xml_node_text(d, i, a), NODE_TEXT_MAX - b.n));
		else if (b.n)
			buf_lit(&b, " ");
	}
	struct str out = str_dup(a, buf_str(&b));
	buf_clear(&b);
	return out;
}

/* Read once for all who look for something in it. */
static struct str text_of(struct node *n, struct news *w)
{
	struct arena *turn = &n->shard->loop.turn;

	if (!w->text.p) {
		const struct xml_node *item = first_item(&w->full->doc);
		struct str folded = item ?
			words_fold(all_text(&w->full->doc, item, turn), turn) : STR("");
		char *own = xmalloc(folded.n + 1);
		if (folded.n)
			memcpy(own, folded.p, folded.n);
		w->text = str_from(own, folded.n);
	}
	return w->text;
}

/* Whether one of the keywords is in it. */
static bool has_keyword(struct node *n, struct news *w, const char *keywords)
{
	struct arena *turn = &n->shard->loop.turn;

	for (const char *word = keywords; *word; word += strlen(word) + 1)
		if (words_have(text_of(n, w), words_fold(str_c(word), turn)))
			return true;
	return false;
}

/* Section 12.8: the summary, or the title; empty: none is known. */
static struct str body_of(struct node *n, const struct news *w)
{
	const struct xml_doc *d = &w->full->doc;
	const struct xml_node *item = first_item(d), *text;
	const struct xml_node *entry = item ? xml_first(d, item) : NULL;

	if (!entry || entry->ns != NS_ATOM)
		return STR("");
	text = xml_child(d, entry, NS_ATOM, TAG_SUMMARY);
	if (!text)
		text = xml_child(d, entry, NS_ATOM, TAG_TITLE);
	if (!text)
		return STR("");
	return str_trim(cut(all_text(d, text, &n->shard->loop.turn), NODE_BODY_MAX));
}

/* ---- what one JID wants of it ---- */

static bool wants(struct node *n, struct news *w, const struct node_subscription *sub)
{
	const struct subscription_options *o = sub->options;

	if (sub->state != SUBSCRIPTION_SUBSCRIBED)
		return w->kind == NEWS_OF_END;
	if (!o || (w->kind == NEWS_OF_END && o->deliver))
		return true;
	if (!o->deliver)
		return false;
	return w->kind != NEWS_ITEMS || !o->keywords || !w->full || has_keyword(n, w, o->keywords);
}

static bool is_entry(const struct news *w)
{
	return w->kind == NEWS_ITEMS || w->kind == NEWS_RETRACTED;
}

struct str node_subid_headers(const struct node *n, const char *const *subids, size_t n_subids)
{
	struct arena *turn = &n->shard->loop.turn;
	struct buf b;

	buf_init(&b, 256 + n_subids * 64);
	struct writer w = w_on(&b);
	w_open_ns(&w, "headers", NS_SHIM);
	for (size_t i = 0; i < n_subids; i++) {
		w_open(&w, "header");
		w_attr(&w, "name", STR("SubID"));
		w_text(&w, str_from(subids[i], NODE_SUBID_LEN));
		w_close(&w);
	}
	w_close(&w);
	BUG_ON(!w_done(&w));
	struct str out = str_dup(turn, buf_str(&b));
	buf_clear(&b);
	return out;
}

/* ---- who is there ---- */

static unsigned state_of(const struct session *s)
{
	static const struct {
		struct str show;
		enum shown_state state;
	} states[] = {
		{ STR_INIT("chat"), SHOWN_CHAT },
		{ STR_INIT("dnd"), SHOWN_DND },
		{ STR_INIT("away"), SHOWN_AWAY },
		{ STR_INIT("xa"), SHOWN_XA },
	};
	const struct stanza *p = s->presence;
	const struct xml_node *root = stanza_root(p);
	const struct xml_node *show = xml_child(&p->doc, root, root->ns, TAG_SHOW);
	struct str text = show ?
		xml_text(&p->doc, show, &s->account->shard->loop.turn) : STR("");

	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		if (str_eq(states[i].show, text))
			return states[i].state;
	return SHOWN_ONLINE;
}

static bool is_in_a_state(const struct account *a, struct jid to, unsigned shown)
{
	list_each(s, &a->sessions, struct session, link)
		if (session_is_available(s) && (jid_is_bare(to) || jid_eq(s->full, to)) &&
			(state_of(s) & shown))
			return true;
	return false;
}

/* On its way to somebody who is to be in one of these states. */
struct for_state {
	struct mail mail;
	struct stanza *stanza;      /* counted */
	struct jid to;              /* text behind the struct */
	unsigned shown;
};

static void deliver_for_state(struct shard *s, struct stanza *st, struct jid to, unsigned shown)
{
	const struct account *a = account_get(s, to);

	if (a && is_in_a_state(a, to, shown))
		route_home(s, st, to);
}

static void for_state_arrived(struct mail *m, void *receiver)
{
	struct for_state *f = container_of(m, struct for_state, mail);

	deliver_for_state(receiver, f->stanza, f->to, f->shown);
	stanza_unref(&f->stanza);
	free(f);
}

static void send_for_state(struct shard *s, struct shard *owner, struct stanza *st, struct jid to,
	unsigned shown)
{
	struct str text = jid_str(to);

	if (owner == s) {
		deliver_for_state(s, st, to, shown);
		return;
	}
	struct for_state *f = xcalloc(1, sizeof *f + text.n);
	f->mail = (struct mail){ .run = for_state_arrived,
		.bytes = (uint32_t)(sizeof *f + text.n + st->doc.n_bytes) };
	f->stanza = stanza_ref(st);
	f->to = to;
	f->to.p = memcpy(f + 1, text.p, text.n);
	f->shown = shown;
	shard_post(s, owner, &f->mail);
}

/* The states in which any of them wants it; none said: all. */
static unsigned shown_by(const struct node_subscription *sub)
{
	return sub->options && sub->options->shown ? sub->options->shown : SHOWN_ALL;
}

static void pass_on(struct node *n, struct stanza *st, struct jid to, unsigned shown)
{
	struct shard *s = n->shard;
	const struct host *h = settings_host(s->settings, jid_domain(to));
	bool known = h && !h->component && h->service == NO_SERVICE && to.n_local;

	if (shown == SHOWN_ALL || !known)
		route_to(s, st, to);
	else if (!s->dead)
		send_for_state(s, route_owner(s, to), st, to, shown);
}

/* ---- digests ---- */

/* What waits for one subscription. Holds the node. */
struct node_digest {
	struct timer due;
	struct node *node;
	struct node_subscription *sub;
	struct buf entries;         /* what is to stand in <items/> */
};

static struct stanza *make_digest(struct node *n, const struct node_digest *d, bool has_subid)
{
	const char *subid = d->sub->subid;
	struct str headers = has_subid ? node_subid_headers(n, &subid, 1) : STR("");
	struct writer w = node_open_event(n, node_is_headline(n));

	w_open(&w, "items");
	w_attr(&w, "node", n->name);
	w_raw(&w, buf_str(&d->entries));
	w_close(&w);
	w_close(&w);
	w_raw(&w, headers);
	return node_close_message(n, &w);
}

static void digest_free(struct node_digest *d)
{
	struct node *n = d->node;

	timer_stop(&n->shard->loop.wheel, &d->due);
	buf_clear(&d->entries);
	free(d);
}

void node_free_digest(struct node *n, struct node_subscription *sub)
{
	struct node_digest *d = sub->digest;

	sub->digest = NULL;
	if (!d)
		return;
	digest_free(d);
	if (n->held) /* else it is being freed itself */
		node_release(n);
}

/* Sends what has been gathered. */
static void send_digest(struct node *n, struct node_subscription *sub)
{
	bool several = node_subscription_first(n, sub->jid) != sub || sub->more;

	if (!sub->digest)
		return;
	struct stanza *st = sub->state == SUBSCRIPTION_SUBSCRIBED && node_may_notify(n, sub->jid) ?
		make_digest(n, sub->digest, several) : NULL;
	if (st)
		pass_on(n, st, sub->jid, shown_by(sub));
	stanza_unref(&st);
	node_free_digest(n, sub);
}

static void digest_fired(struct timer *t)
{
	struct node_digest *d = container_of(t, struct node_digest, due);

	send_digest(d->node, d->sub);
}

static struct node_digest *digest_of_sub(struct node *n, struct node_subscription *sub)
{
	if (sub->digest)
		return sub->digest;
	struct node_digest *d = xcalloc(1, sizeof *d);
	d->node = n;
	d->sub = sub;
	buf_init(&d->entries, NODE_DIGEST_MAX);
	timer_init(&d->due, digest_fired);
	timer_set(&n->shard->loop.wheel, &d->due, n->shard->loop.now, sub->options->digest_ms);
	node_hold(n);
	return sub->digest = d;
}

/* The entries of an event, as they stand in it. */
static struct str entries_of(const struct stanza *st)
{
	const struct xml_doc *d = &st->doc;
	const struct xml_node *first = first_item(d), *last = first;

	if (!first)
		return STR("");
	for (const struct xml_node *i = first; i; i = xml_next(d, i))
		last = i;
	return str_from(d->bytes + first->start, last->end - first->start);
}

/* False: they are too large for a digest. */
static bool gather(struct node *n, struct node_subscription *sub, const struct stanza *st)
{
	struct str entries = entries_of(st);

	if (entries.n > NODE_DIGEST_MAX)
		return false;
	if (sub->digest && sub->digest->entries.n + entries.n > NODE_DIGEST_MAX)
		send_digest(n, sub);
	buf_add(&digest_of_sub(n, sub)->entries, entries);
	return true;
}

/* True: it waits. What must not wait goes out behind what does. */
static bool is_gathered(struct node *n, struct news *w, struct node_subscription *sub)
{
	const struct stanza *st = news_for(n, w, sub->jid);

	if (!sub->options || !sub->options->digest || sub->state != SUBSCRIPTION_SUBSCRIBED)
		return false;
	if (is_entry(w) && gather(n, sub, st))
		return true;
	send_digest(n, sub);
	return false;
}

/* ---- one JID ---- */

/* What its subscriptions make of a piece of news. */
struct wish {
	const char *subids[NODE_SUBS_OF_ONE];
	size_t n;
	unsigned shown;
	bool body;
};

static struct wish wish_of(struct node *n, struct news *w, struct node_subscription *first)
{
	struct wish wish = { 0 };

	for (struct node_subscription *i = first; i; i = i->more) {
		if (i->options && i->options->include_body)
			wish.body = true; /* "with all notifications" */
		if (wish.n == NODE_SUBS_OF_ONE || !wants(n, w, i) || is_gathered(n, w, i))
			continue;
		wish.subids[wish.n++] = i->subid;
		wish.shown |= shown_by(i);
	}
	return wish;
}

/* The message with more in it. */
static struct stanza *add_to(struct node *n, const struct stanza *st, struct str added)
{
	struct shard *s = n->shard;

	buf_reset(&s->scratch);
	stanza_write_with(&s->scratch, st, st->from, (struct jid){ 0 }, NS_NONE, added);
	struct stanza *out = stanza_scan(&s->scratch_table, buf_str(&s->scratch), &s->loop.turn);
	if (out)
		out->archive_id = st->archive_id;
	return out;
}

static struct str write_body(struct node *n, const struct news *w)
{
	struct str text = body_of(n, w), out;
	struct buf b;

	if (!text.n)
		return STR("");
	buf_init(&b, NODE_BODY_MAX * strlen("&quot;") + 64);
	buf_lit(&b, "<body>");
	xml_escape(&b, text);
	buf_lit(&b, "</body>");
	out = str_dup(&n->shard->loop.turn, buf_str(&b));
	buf_clear(&b);
	return out;
}

static void tell_as_wished(struct node *n, struct news *w, struct jid to, const struct wish *wish,
	bool several)
{
	struct stanza *st = news_for(n, w, to);
	bool has_body = wish->body && w->kind == NEWS_ITEMS && w->full;
	struct str body = has_body ? write_body(n, w) : STR("");
	struct str headers = several && is_entry(w) ?
		node_subid_headers(n, wish->subids, wish->n) : STR("");
	struct stanza *own = body.n || headers.n ? add_to(n, st, str_printf(&n->shard->loop.turn,
		"%.*s%.*s", STR_FMT(body), STR_FMT(headers))) : stanza_ref(st);

	if (own)
		pass_on(n, own, to, wish->shown);
	stanza_unref(&own);
}

void node_tell_special(struct node *n, struct news *w, struct node_subscription *sub)
{
	if (node_subscription_first(n, sub->jid) != sub || sub->passed_over == n->telling)
		return;
	if (w->kind != NEWS_OF_END && !node_may_notify(n, sub->jid))
		return;
	struct wish wish = wish_of(n, w, sub);
	if (wish.n)
		tell_as_wished(n, w, sub->jid, &wish, sub->more != NULL);
}
