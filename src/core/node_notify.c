/* Notifications of nodes: what they say (XEP-0060 sections 4.3, 6.1.7, 7.1.2, 7.2.2, 8, 12;
 * XEP-0163 section 4.3). Whom they go to, and when: node_fanout.c.
 *
 * An event is one message without an address, built and scanned once for all whom it goes to. Each
 * has an id of its own (section 12.4). Types: as the configuration says; headline too where it
 * wants events to reach those alone who are there (presence_based_delivery), for nobody keeps these
 * (section 12.7). What tells one person of his subscription or affiliation, or owners of a request,
 * is to be kept, and of type normal.
 *
 * Left out: texts for people in events (they are optional), but for include_body. */
#include "core/node_private.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/hash.h"
#include "core/message.h"
#include "core/route.h"
#include "xmpp/datetime.h"
#include "xmpp/form.h"

#include <stdlib.h>

/* ---- messages ---- */

bool node_is_headline(const struct node *n)
{
	return n->config.notification == NOTIFY_HEADLINE || n->config.presence_based;
}

/* An id of the message, and what tells its node from others. */
#define NODE_TAG_LEN 8

static void write_tag(char out[NODE_TAG_LEN], struct str name)
{
	char digits[ARCHIVE_ID_LEN];

	archive_id_format(hash_keyed(name), digits);
	memcpy(out, digits, NODE_TAG_LEN);
}

bool node_sent(struct str name, struct str id)
{
	char tag[NODE_TAG_LEN];

	write_tag(tag, name);
	return id.n == ARCHIVE_ID_LEN + NODE_TAG_LEN &&
	       memcmp(id.p + ARCHIVE_ID_LEN, tag, sizeof tag) == 0;
}

static struct writer open_message(struct node *n, bool headline)
{
	struct shard *s = n->shard;
	char id[ARCHIVE_ID_LEN + NODE_TAG_LEN];

	archive_id_format(message_new_id(s), id);
	write_tag(id + ARCHIVE_ID_LEN, n->name);
	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	stanza_open(&w, STANZA_MESSAGE, headline ? "headline" : NULL, n->owner, (struct jid){ 0 },
		str_from(id, sizeof id));
	return w;
}

struct stanza *node_close_message(struct node *n, struct writer *w)
{
	struct shard *s = n->shard;

	w_close(w);
	if (!w_done(w))
		return NULL;
	struct stanza *st = stanza_scan(&s->scratch_table, buf_str(&s->scratch), &s->loop.turn);
	if (st)
		st->archive_id = s->last_id; /* a recipient may keep it */
	return st;
}

struct writer node_open_event(struct node *n, bool headline)
{
	struct writer w = open_message(n, headline);

	w_open_ns(&w, "event", NS_PUBSUB_EVENT);
	return w;
}

struct stanza *node_close_event(struct node *n, struct writer *w)
{
	w_close(w);
	return node_close_message(n, w);
}

static void open_of_node(struct writer *w, const struct node *n, const char *name)
{
	w_open(w, name);
	w_attr(w, "node", n->name);
}

/* ---- to whom to reply ---- */

static void write_address(struct writer *w, struct jid jid)
{
	w_open(w, "address");
	w_attr(w, "type", STR("replyto"));
	w_attr(w, "jid", jid_str(jid));
	w_close(w);
}

/* Some owners, in no order. */
static size_t owners(const struct node *n, struct jid out[NODE_OWNERS_TOLD])
{
	size_t found = 0;

	for (struct map_node *i = map_next(&n->people, NULL); i && found < NODE_OWNERS_TOLD;
		i = map_next(&n->people, i)) {
		const struct node_person *p = container_of(i, struct node_person, map);
		if (p->affiliation == NODE_OWNER)
			out[found++] = p->jid;
	}
	return found;
}

/* Section 12.17: the registry's "replyto of the node owner(s)". */
static void write_owners(struct writer *w, const struct node *n)
{
	struct jid all[NODE_OWNERS_TOLD];
	size_t found = owners(n, all);

	if (!found)
		return;
	w_open_ns(w, "addresses", NS_ADDRESS);
	for (size_t i = 0; i < found; i++)
		write_address(w, all[i]);
	w_close(w);
}

/* XEP-0163 section 4.3.1: "the publishing resource", of the account itself, while others know that
 * it is there. */
static bool is_known_resource(const struct node *n, struct jid by)
{
	struct account *a = node_account(n);
	const struct session *s;

	if (!a || !jid_is_set(by) || !jid_eq_bare(by, n->owner))
		return false;
	s = session_find(a, jid_resource(by));
	return s && session_is_available(s);
}

static void write_resource(struct writer *w, struct jid by)
{
	w_open_ns(w, "addresses", NS_ADDRESS);
	write_address(w, by);
	w_close(w);
}

/* ---- items ---- */

static void write_item(struct writer *w, const struct node *n, const struct node_item *item,
	bool payload)
{
	w_open(w, "item");
	w_attr(w, "id", item->id);
	if (n->config.reply == REPLY_PUBLISHER && item->publisher.n) /* section 7.1.2.3 */
		w_attr(w, "publisher", item->publisher);
	if (payload)
		w_raw(w, item->payload);
	w_close(w);
}

/* An event with items. by: unset, or the resource to reply to. stamp_us: when they were published,
 * if that is to be said. */
static struct stanza *make_items(struct node *n, const struct node_item *items, size_t n_items,
	struct jid by, bool payload, uint64_t stamp_us)
{
	struct writer w = node_open_event(n, node_is_headline(n));

	open_of_node(&w, n, "items");
	for (size_t i = 0; i < n_items; i++)
		write_item(&w, n, &items[i], payload);
	w_close(&w);
	w_close(&w);
	if (n->config.reply == REPLY_OWNER)
		write_owners(&w, n);
	else if (jid_is_set(by))
		write_resource(&w, by);
	if (stamp_us) {
		w_open_ns(&w, "delay", NS_DELAY);
		w_attr(&w, "stamp", datetime_format(&n->shard->loop.turn, stamp_us));
		w_close(&w);
	}
	return node_close_message(n, &w);
}

/* What is too large for one message goes out in several, and an item that is too large by itself
 * without its payload. */
static void tell_items(struct node *n, const struct node_item *items, size_t n_items, struct jid by)
{
	struct news *w = node_open_news(n, NEWS_ITEMS);
	bool payload = n->config.deliver_payloads;

	if (!w)
		return;
	w->stanza = make_items(n, items, n_items, by, payload, 0);
	w->replies = jid_is_set(by) && n->config.reply != REPLY_OWNER;
	if (!w->stanza && n_items > 1) {
		node_tell(n, w);
		tell_items(n, items, n_items / 2, by);
		tell_items(n, items + n_items / 2, n_items - n_items / 2, by);
		return;
	}
	if (!w->stanza)
		w->stanza = make_items(n, items, n_items, by, false, 0);
	if (w->stanza && n->n_special && n_items)
		w->full = payload ? stanza_ref(w->stanza)
				  : make_items(n, items, n_items, by, true, 0);
	node_tell(n, w);
}

/* Some subscriptions may want this item and not that: where there are such, each goes alone. */
void node_tell_items(struct node *n, const struct node_item *items, size_t n_items, struct jid by)
{
	struct jid resource = is_known_resource(n, by) ? by : (struct jid){ 0 };

	if (!n->config.deliver_notifications)
		return;
	if (!n->n_special || n_items < 2) {
		tell_items(n, items, n_items, resource);
		return;
	}
	for (size_t i = 0; i < n_items; i++)
		tell_items(n, &items[i], 1, resource);
}

void node_tell_retracted(struct node *n, const struct str *ids, size_t n_ids)
{
	struct news *w = n->config.deliver_notifications ? node_open_news(n, NEWS_RETRACTED) : NULL;

	if (!w)
		return;
	struct writer x = node_open_event(n, node_is_headline(n));
	open_of_node(&x, n, "items");
	for (size_t i = 0; i < n_ids; i++) {
		w_open(&x, "retract");
		w_attr(&x, "id", ids[i]);
		w_close(&x);
	}
	w_close(&x);
	w->stanza = node_close_event(n, &x);
	node_tell(n, w);
}

/* ---- the node ---- */

void node_tell_purged(struct node *n)
{
	struct news *w = n->config.deliver_notifications ? node_open_news(n, NEWS_OF_NODE) : NULL;

	if (!w)
		return;
	struct writer x = node_open_event(n, node_is_headline(n));
	open_of_node(&x, n, "purge");
	w_close(&x);
	w->stanza = node_close_event(n, &x);
	node_tell(n, w);
}

/* Section 8.2.5.3 */
static void write_configuration(struct node *n, struct writer *x)
{
	open_of_node(x, n, "configuration");
	if (n->config.deliver_payloads) {
		w_open_ns(x, "x", NS_DATA);
		w_attr(x, "type", STR("result"));
		node_config_write(&n->config, n->kind, x, NODE_CONFIG_TO_STORE);
		w_close(x);
	}
	w_close(x);
}

void node_tell_configured(struct node *n)
{
	struct news *w;

	node_forget_last(n);
	if (!n->config.notify_config || !n->config.deliver_notifications)
		return;
	if (!(w = node_open_news(n, NEWS_OF_NODE)))
		return;
	struct writer x = node_open_event(n, node_is_headline(n));
	write_configuration(n, &x);
	w->stanza = node_close_event(n, &x);
	node_tell(n, w);
}

void node_tell_deleted(struct node *n, struct str redirect)
{
	struct news *w;

	if (!n->config.notify_delete || !n->config.deliver_notifications)
		return;
	if (!(w = node_open_news(n, NEWS_OF_END)))
		return;
	struct writer x = node_open_event(n, node_is_headline(n));
	open_of_node(&x, n, "delete");
	if (redirect.n) {
		w_open(&x, "redirect");
		w_attr(&x, "uri", redirect);
		w_close(&x);
	}
	w_close(&x);
	w->stanza = node_close_event(n, &x);
	node_tell(n, w);
}

/* ---- the newest item ---- */

/* Somebody who waits for it. */
struct last_waiter {
	struct jid to;              /* owned */
	bool has_subid;
	char subid[NODE_SUBID_LEN];
};

struct last_reading {
	uint32_t n, cap;
	uint32_t changes;           /* node.changes when it began */
	struct last_waiter *waiting;
};

void node_forget_last(struct node *n)
{
	n->changes++;
	if (n->last)
		stanza_unref(&n->last);
}

static void reading_free(struct node *n)
{
	struct last_reading *r = n->reading;

	n->reading = NULL;
	for (uint32_t i = 0; r && i < r->n; i++)
		free((char *)r->waiting[i].to.p);
	if (r)
		free(r->waiting);
	free(r);
}

void node_free_news(struct node *n)
{
	node_drop_news(n);
	reading_free(n);
}

static struct stanza *make_last(struct node *n, const struct node_item *item)
{
	struct stanza *st = make_items(n, item, 1, (struct jid){ 0 }, n->config.deliver_payloads,
		item->stamp_us);

	return st ? st : make_items(n, item, 1, (struct jid){ 0 }, false, item->stamp_us);
}

/* The same once more: an archive takes each message by an id of its own. */
static struct stanza *once_more(struct node *n, const struct stanza *st, struct str added)
{
	struct shard *s = n->shard;

	buf_reset(&s->scratch);
	stanza_write_with(&s->scratch, st, st->from, (struct jid){ 0 }, NS_NONE, added);
	struct stanza *out = stanza_scan(&s->scratch_table, buf_str(&s->scratch), &s->loop.turn);
	if (out)
		out->archive_id = message_new_id(s);
	return out;
}

static bool may_have_last(const struct node *n, struct jid to, const char *subid)
{
	const struct node_subscription *sub = node_subscription(n, to,
		subid ? str_from(subid, NODE_SUBID_LEN) : STR(""));

	return node_may_notify(n, to) && !(sub && sub->options && !sub->options->deliver);
}

static void send_last(struct node *n, struct stanza *last, struct jid to, const char *subid)
{
	struct str header = STR("");

	if (!may_have_last(n, to, subid))
		return;
	if (subid)
		header = node_subid_headers(n, &subid, 1);
	struct stanza *st = subid || !node_is_headline(n) ? once_more(n, last, header)
							  : stanza_ref(last);
	if (st)
		route_to(n->shard, st, to);
	stanza_unref(&st);
}

static struct node_item item_of(const struct store_node_item *in)
{
	return (struct node_item){ .id = in->id, .publisher = in->publisher, .payload = in->payload,
		.stamp_us = in->stamp_us, .until_us = in->until_us };
}

/* Kept where it is not large. Counted; NULL: it cannot be made. */
static struct stanza *keep_last(struct node *n, const struct node_item *item)
{
	struct stanza *st = make_last(n, item);

	if (st && st->doc.n_bytes <= NODE_LAST_MAX) {
		n->last = stanza_ref(st);
		n->last_until_us = item->until_us;
	}
	return st;
}

static void read_last(struct node *n);

static void tell_waiting(struct node *n, const struct store_op *found)
{
	const struct last_reading *r = n->reading;
	struct stanza *st = NULL;

	if (found->status == STORE_OK && !found->n_items)
		n->is_empty = true;
	if (found->status == STORE_OK && found->n_items) {
		struct node_item item = item_of(&found->items[0]);
		st = keep_last(n, &item);
	}
	for (uint32_t i = 0; st && i < r->n; i++)
		send_last(n, st, r->waiting[i].to,
			r->waiting[i].has_subid ? r->waiting[i].subid : NULL);
	stanza_unref(&st);
	reading_free(n);
}

static void last_read(struct shard *s, struct node *n, const struct store_op *found, void *ctx)
{
	if (n->ended)
		reading_free(n);
	else if (n->reading->changes != n->changes)
		read_last(n);
	else
		tell_waiting(n, found);
}

static void read_last(struct node *n)
{
	static const struct store_items_query newest = { .newest = true, .max = 1,
		.max_bytes = STORE_NODE_ITEM_MAX };

	n->reading->changes = n->changes;
	node_items(n, &newest, last_read, NULL);
}

/* All who come while it is being read wait for the same reading. */
static void wait_for_last(struct node *n, struct jid to, const char *subid)
{
	bool begins = !n->reading;

	if (begins)
		n->reading = xcalloc(1, sizeof *n->reading);
	struct last_reading *r = n->reading;
	if (r->n == NODE_LAST_WAITING)
		return;
	if (r->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 4;
		r->waiting = xrealloc(r->waiting, r->cap * sizeof *r->waiting);
	}
	struct last_waiter *w = &r->waiting[r->n++];
	*w = (struct last_waiter){ .to = jid_copy(to), .has_subid = subid != NULL };
	if (subid)
		memcpy(w->subid, subid, NODE_SUBID_LEN);
	if (begins)
		read_last(n);
}

static bool is_expired(uint64_t until_us)
{
	return until_us && until_us <= clock_wall_us();
}

/* Of a node that keeps no items. */
static void tell_newest(struct node *n, struct jid to, const char *subid)
{
	struct stanza *st;

	if (!n->newest || is_expired(n->newest->until_us))
		return;
	st = keep_last(n, n->newest);
	if (st)
		send_last(n, st, to, subid);
	stanza_unref(&st);
}

void node_tell_last(struct node *n, struct jid to, const char *subid)
{
	if (n->is_empty || n->ended || !n->config.deliver_notifications)
		return;
	if (n->last && is_expired(n->last_until_us))
		node_forget_last(n);
	if (n->last)
		send_last(n, n->last, to, subid);
	else if (n->config.persist_items)
		wait_for_last(n, to, subid);
	else
		tell_newest(n, to, subid);
}

/* ---- what somebody has missed (XEP-0312) ---- */

struct missed {
	struct jid to;              /* text behind the struct */
};

static void missed_read(struct shard *s, struct node *n, const struct store_op *found, void *ctx)
{
	struct missed *m = ctx;

	for (size_t i = 0; found->status == STORE_OK && !n->ended && i < found->n_items; i++) {
		struct node_item item = item_of(&found->items[i]);
		struct stanza *st = make_last(n, &item);
		if (st)
			send_last(n, st, m->to, NULL);
		stanza_unref(&st);
	}
	free(m);
}

void node_tell_since(struct node *n, struct jid to, uint64_t from_us)
{
	const struct store_items_query query = { .from_us = from_us, .newest = true,
		.max = NODE_SINCE_MAX, .max_bytes = NODE_NEWS_MAX };
	struct str text = jid_str(to);

	if (n->is_empty || n->ended || !n->config.deliver_notifications)
		return;
	struct missed *m = xcalloc(1, sizeof *m + text.n);
	m->to = to;
	m->to.p = memcpy(m + 1, text.p, text.n);
	node_items(n, &query, missed_read, m);
}

/* ---- to one, and to owners ---- */

static void tell_some(struct node *n, struct stanza *st, const struct jid *to, size_t n_to)
{
	if (!st)
		return;
	route_each(n->shard, st, to, n_to);
	stanza_unref(&st);
}

static void send_to_owners(struct node *n, struct stanza *st)
{
	struct jid all[NODE_OWNERS_TOLD];

	tell_some(n, st, all, owners(n, all));
}

static struct stanza *make_subscription(struct node *n, struct jid subscriber,
	enum subscription_state state, const char *subid)
{
	struct writer w = node_open_event(n, false);

	open_of_node(&w, n, "subscription");
	w_attr(&w, "jid", jid_str(subscriber));
	if (subid)
		w_attr(&w, "subid", str_from(subid, NODE_SUBID_LEN));
	w_attr(&w, "subscription", subscription_state_name(state));
	w_close(&w);
	return node_close_event(n, &w);
}

void node_tell_subscription(struct node *n, struct jid to, enum subscription_state state,
	const char *subid)
{
	tell_some(n, make_subscription(n, to, state, subid), &to, 1);
}

void node_tell_owners(struct node *n, struct jid subscriber, enum subscription_state state,
	const char *subid)
{
	if (n->config.notify_sub)
		send_to_owners(n, make_subscription(n, subscriber, state, subid));
}

void node_tell_affiliation(struct node *n, struct jid to, enum node_affiliation a)
{
	struct writer w = open_message(n, false);

	w_open_ns(&w, "pubsub", NS_PUBSUB);
	open_of_node(&w, n, "affiliations");
	w_open(&w, "affiliation");
	w_attr(&w, "jid", jid_str(to));
	w_attr(&w, "affiliation", node_affiliation_name(a));
	w_close(&w);
	w_close(&w);
	w_close(&w);
	tell_some(n, node_close_message(n, &w), &to, 1);
}

/* Section 8.6, example 170. */
static void write_request(struct writer *w, const struct node *n,
	const struct node_subscription *sub)
{
	w_open_ns(w, "x", NS_DATA);
	w_attr(w, "type", STR("form"));
	w_leaf(w, "title", STR("Request to subscribe"));
	w_leaf(w, "instructions",
		STR("Somebody wants to subscribe to a node of yours. Do you allow it?"));
	form_write_field(w, "FORM_TYPE", "hidden", NULL,
		STR("http://jabber.org/protocol/pubsub#subscribe_authorization"));
	form_write_field(w, "pubsub#subid", "hidden", NULL, str_from(sub->subid, NODE_SUBID_LEN));
	form_write_field(w, "pubsub#node", "text-single", "Node", n->name);
	form_write_field(w, "pubsub#subscriber_jid", "jid-single", "Who wants to subscribe",
		jid_str(sub->jid));
	form_write_field(w, "pubsub#allow", "boolean", "Allow it?", STR("false"));
	w_close(w);
}

void node_tell_request(struct node *n, const struct node_subscription *sub)
{
	struct writer w = open_message(n, false);

	write_request(&w, n, sub);
	send_to_owners(n, node_close_message(n, &w));
}
