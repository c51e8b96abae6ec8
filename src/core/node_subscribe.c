/* Who is subscribed to a node, and what somebody is to it, in memory. */
#include "core/node_private.h"

#include "base/bug.h"
#include "base/digest.h"

#include <stdlib.h>

/* ---- subscriptions ---- */

static struct str subscription_key(const struct map_node *n)
{
	return jid_str(container_of(n, struct node_subscription, map)->jid);
}

static struct str person_key(const struct map_node *n)
{
	return jid_str(container_of(n, struct node_person, map)->jid);
}

void node_init_people(struct node *n)
{
	map_init(&n->people, person_key);
	map_init(&n->by_jid, subscription_key);
}

struct node_subscription *node_subscription_first(const struct node *n, struct jid jid)
{
	struct map_node *i = map_get(&n->by_jid, jid_str(jid));

	return i ? container_of(i, struct node_subscription, map) : NULL;
}

struct node_subscription *node_subscription(const struct node *n, struct jid jid, struct str subid)
{
	struct node_subscription *sub = node_subscription_first(n, jid);

	if (!subid.n)
		return sub && !sub->more ? sub : NULL;
	while (sub && !str_eq(str_from(sub->subid, sizeof sub->subid), subid))
		sub = sub->more;
	return sub;
}

static bool is_in_force(const struct node_subscription *sub)
{
	for (; sub; sub = sub->more)
		if (sub->state == SUBSCRIPTION_SUBSCRIBED)
			return true;
	return false;
}

/* Nearly all who subscribe do so with their bare JID: those need not be looked for. */
void node_each_of(struct node *n, struct jid bare,
	void (*take)(struct node *n, struct node_subscription *sub, void *ctx), void *ctx)
{
	struct node_subscription *next;

	for (struct node_subscription *sub = node_subscription_first(n, bare); sub; sub = next) {
		next = sub->more;
		take(n, sub, ctx);
	}
	for (uint32_t i = 0; n->n_full && i < n->n_subs; i++) {
		struct node_subscription *sub = n->subs[i];
		if (sub && !jid_is_bare(sub->jid) && jid_eq_bare(sub->jid, bare))
			take(n, sub, ctx);
	}
}

bool node_has_subscriber(const struct node *n, struct jid bare)
{
	if (is_in_force(node_subscription_first(n, bare)))
		return true;
	for (uint32_t i = 0; n->n_full && i < n->n_subs; i++) {
		const struct node_subscription *sub = n->subs[i];
		if (sub && !jid_is_bare(sub->jid) && jid_eq_bare(sub->jid, bare) &&
			sub->state == SUBSCRIPTION_SUBSCRIBED)
			return true;
	}
	return false;
}

/* How many of a JID's are special: that changes with their number. */
static uint32_t count_special(const struct node *n, struct jid jid)
{
	const struct node_subscription *first = node_subscription_first(n, jid);
	uint32_t special = 0;

	for (const struct node_subscription *sub = first; sub; sub = sub->more)
		special += sub->options || first->more;
	return special;
}

static unsigned count_of(const struct node *n, struct jid jid)
{
	unsigned count = 0;

	for (const struct node_subscription *i = node_subscription_first(n, jid); i; i = i->more)
		count++;
	return count;
}

/* All of a JID: whether one is told with the others changes with how many there are. */
static void audiences_changed(struct node *n, struct jid jid)
{
	for (const struct node_subscription *i = node_subscription_first(n, jid); i; i = i->more)
		node_audience_changed(n, i->place);
}

/* A place that nobody has: one that was left, or a new one. Places are never moved, so that a
 * notification that is going round meets everybody once. */
static uint32_t take_place(struct node *n, struct node_subscription *sub)
{
	uint32_t at = n->n_subs;

	if (n->n_subscribed < n->n_subs)
		for (at = n->hole; n->subs[at]; at++)
			;
	if (at == n->subs_cap) {
		n->subs_cap = n->subs_cap ? 2 * n->subs_cap : 4;
		n->subs = xrealloc(n->subs, n->subs_cap * sizeof *n->subs);
	}
	if (at == n->n_subs)
		n->n_subs++;
	n->hole = at + 1;
	n->subs[at] = sub;
	return at;
}

static void set_options(struct node_subscription *sub, const struct subscription_options *options)
{
	if (sub->options) {
		subscription_options_clear(sub->options);
		free(sub->options);
		sub->options = NULL;
	}
	if (!options || subscription_options_plain(options))
		return;
	sub->options = xcalloc(1, sizeof *sub->options);
	subscription_options_copy(sub->options, options);
}

static struct node_subscription *add(struct node *n, struct jid jid, enum subscription_state state)
{
	struct str text = jid_str(jid);
	struct node_subscription *sub = xcalloc(1, sizeof *sub + text.n);
	struct node_subscription *first = node_subscription_first(n, jid);

	sub->jid = jid;
	sub->jid.p = memcpy(sub + 1, text.p, text.n);
	sub->state = state;
	while (first && first->more)
		first = first->more;
	if (first)
		first->more = sub;
	else
		map_put(&n->by_jid, &sub->map);
	sub->place = take_place(n, sub);
	n->n_subscribed++;
	n->n_full += !jid_is_bare(jid);
	return sub;
}

static void make_id(struct node_subscription *sub)
{
	uint8_t bytes[NODE_SUBID_LEN / 2];

	random_bytes(bytes, sizeof bytes);
	for (size_t i = 0; i < sizeof bytes; i++) {
		sub->subid[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		sub->subid[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
}

static uint32_t bound_of(const struct node *n)
{
	const struct settings *set = n->shard->settings;
	uint32_t most = n->kind == NODE_OF_ACCOUNT ? set->account_nodes.subscriptions
						   : set->service_nodes.subscriptions;

	return most ? most : UINT32_MAX;
}

struct node_subscription *node_subscribe(struct node *n, struct jid jid, enum subscription_state state,
	const struct subscription_options *options, struct stanza_refusal *why)
{
	if (n->n_subscribed >= bound_of(n) || count_of(n, jid) >= NODE_SUBS_OF_ONE) {
		*why = pubsub_refuse(PS_TOO_MANY_SUBSCRIPTIONS);
		return NULL;
	}
	n->n_special -= count_special(n, jid);
	struct node_subscription *sub = add(n, jid, state);
	make_id(sub);
	set_options(sub, options);
	n->n_special += count_special(n, jid);
	audiences_changed(n, jid);
	return sub;
}

void node_subscription_set(struct node *n, struct node_subscription *sub,
	const struct subscription_options *options)
{
	n->n_special -= count_special(n, sub->jid);
	set_options(sub, options);
	n->n_special += count_special(n, sub->jid);
	node_audience_changed(n, sub->place);
}

void node_subscription_allow(struct node *n, struct node_subscription *sub,
	enum subscription_state state)
{
	sub->state = state;
	node_audience_changed(n, sub->place);
}

/* Out of the list of its JID. */
static void unlink_from(struct node *n, struct node_subscription *sub)
{
	struct node_subscription *first = node_subscription_first(n, sub->jid);

	if (first != sub) {
		while (first->more != sub)
			first = first->more;
		first->more = sub->more;
		return;
	}
	map_del(&n->by_jid, &sub->map);
	if (sub->more)
		map_put(&n->by_jid, &sub->more->map);
}

static void free_subscription(struct node *n, struct node_subscription *sub)
{
	node_free_digest(n, sub);
	set_options(sub, NULL);
	free(sub);
}

void node_unsubscribe(struct node *n, struct node_subscription *sub)
{
	struct jid jid = jid_dup(&n->shard->loop.turn, sub->jid);

	n->n_special -= count_special(n, jid);
	unlink_from(n, sub);
	n->n_special += count_special(n, jid);
	n->subs[sub->place] = NULL;
	n->n_subscribed--;
	n->n_full -= !jid_is_bare(jid);
	if (sub->place < n->hole)
		n->hole = sub->place;
	node_audience_changed(n, sub->place);
	audiences_changed(n, jid);
	free_subscription(n, sub);
}

void node_end_subscription(struct node *n, struct node_subscription *sub)
{
	const struct node_change gone = { .subscription = sub, .subscription_gone = true };
	bool several = node_subscription_first(n, sub->jid) != sub || sub->more;
	const char *subid = several ? sub->subid : NULL;

	node_commit(n, &gone, NULL, NULL);
	node_tell_subscription(n, sub->jid, SUBSCRIPTION_NONE, subid);
	node_tell_owners(n, sub->jid, SUBSCRIPTION_NONE, subid);
	node_unsubscribe(n, sub);
}

/* ---- from the store ---- */

void node_read_subscription(struct node *n, const struct store_subscription *in)
{
	struct arena *turn = &n->shard->loop.turn;
	enum subscription_state state;
	struct subscription_options options;
	struct jid jid;

	if (in->subid.n != NODE_SUBID_LEN || !jid_parse(in->jid, turn, &jid) ||
		!subscription_state_parse(in->state, &state))
		return;
	n->n_special -= count_special(n, jid);
	struct node_subscription *sub = add(n, jid, state);
	memcpy(sub->subid, in->subid.p, sizeof sub->subid);
	subscription_options_default(&options);
	if (in->options.n && subscription_options_parse(&options, in->options))
		set_options(sub, &options);
	subscription_options_clear(&options);
	n->n_special += count_special(n, jid);
}

/* ---- affiliations ---- */

static struct node_person *person(const struct node *n, struct jid bare)
{
	struct map_node *i = map_get(&n->people, jid_str(bare));

	return i ? container_of(i, struct node_person, map) : NULL;
}

static void put_person(struct node *n, struct jid bare, enum node_affiliation a)
{
	struct str text = jid_str(bare);
	struct node_person *p = xcalloc(1, sizeof *p + text.n);

	p->jid = bare;
	p->jid.p = memcpy(p + 1, text.p, text.n);
	p->affiliation = a;
	map_put(&n->people, &p->map);
}

void node_read_person(struct node *n, const struct store_node_affiliation *in)
{
	enum node_affiliation a;
	struct jid bare;

	if (jid_parse(in->jid, &n->shard->loop.turn, &bare) && jid_is_bare(bare) &&
		node_affiliation_parse(in->affiliation, &a) && a != NODE_NONE && !person(n, bare))
		put_person(n, bare, a);
}

static void end_if_forbidden(struct node *n, struct node_subscription *sub, void *ctx)
{
	if (sub->state == SUBSCRIPTION_SUBSCRIBED ? !node_may_notify(n, sub->jid)
		: !node_allows(n, sub->jid, NODE_SUBSCRIBE))
		node_end_subscription(n, sub);
}

bool node_affiliate(struct node *n, struct jid bare, enum node_affiliation a)
{
	struct node_person *p = person(n, bare);

	if (a != NODE_NONE && !p && n->people.n >= NODE_AFFILIATIONS_MAX)
		return false;
	if (a != NODE_NONE && !p)
		put_person(n, bare, a);
	else if (a != NODE_NONE)
		p->affiliation = a;
	else if (p)
		map_del(&n->people, &p->map);
	if (a == NODE_NONE)
		free(p);
	node_each_of(n, bare, end_if_forbidden, NULL);
	return true;
}

void node_configure(struct node *n, struct node_config *config)
{
	if (config->persist_items != n->config.persist_items)
		node_forget_newest(n);
	node_config_clear(&n->config);
	n->config = *config;
	*config = (struct node_config){ 0 };
	node_forget_last(n);
	for (uint32_t i = 0; i < n->n_subs; i++)
		if (n->subs[i])
			end_if_forbidden(n, n->subs[i], NULL);
}

/* ---- the end ---- */

void node_free_people(struct node *n)
{
	struct map_node *next;

	for (struct map_node *i = map_next(&n->people, NULL); i; i = next) {
		next = map_next(&n->people, i);
		free(container_of(i, struct node_person, map));
	}
	map_clear(&n->people);
	node_free_audiences(n);
	for (uint32_t i = 0; i < n->n_subs; i++)
		if (n->subs[i])
			free_subscription(n, n->subs[i]);
	map_clear(&n->by_jid);
	free(n->subs);
	n->subs = NULL;
	n->n_subs = n->subs_cap = n->n_subscribed = n->n_full = n->n_special = n->hole = 0;
	node_init_people(n);
}
