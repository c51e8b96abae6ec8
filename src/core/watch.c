#include "core/watch.h"

#include "base/bug.h"
#include "core/component.h"

#include <stdlib.h>

/* While a component is there and has no room, it is tried again as often as this. */
#define AGAIN_MS 20

/* The presence of a full JID. */
struct seen {
	struct map_node node;    /* watch.seen */
	struct list link;        /* watch.untold, or alone */
	struct stanza *presence; /* counted; available, or unavailable until that is told */
	bool told;               /* it was told that the resource is available */
};

/* What a component sees, on its owner. */
struct watcher {
	struct map_node node;    /* shard.watches */
	struct shard *shard;
	struct str name;         /* of the component; inline, behind the struct */
	struct map seen;
	struct list untold;
	unsigned looking;        /* shards that are still to say who is there */
	struct timer timer;
};

static struct str name_of(const struct map_node *n)
{
	return container_of(n, struct watcher, node)->name;
}

static struct str seen_key(const struct map_node *n)
{
	return jid_str(container_of(n, struct seen, node)->presence->from);
}

void watches_init(struct shard *s)
{
	map_init(&s->watches, name_of);
}

/* ---- what is seen ---- */

static struct seen *find_seen(const struct watcher *w, struct jid who)
{
	struct map_node *n = map_get(&w->seen, jid_str(who));

	return n ? container_of(n, struct seen, node) : NULL;
}

static void forget(struct watcher *w, struct seen *e)
{
	map_del(&w->seen, &e->node);
	list_del(&e->link);
	stanza_unref(&e->presence);
	free(e);
}

static void set_presence(struct seen *e, struct stanza *presence)
{
	struct stanza *old = e->presence;

	e->presence = stanza_ref(presence); /* the key has the same bytes in both */
	stanza_unref(&old);
}

static void see(struct watcher *w, struct stanza *presence)
{
	struct seen *e = xcalloc(1, sizeof *e);

	e->presence = stanza_ref(presence);
	list_init(&e->link);
	map_put(&w->seen, &e->node);
	list_add(&w->untold, &e->link);
}

/* The same content: of several contacts, or sent again. Each server writes an `id` and `to` of its
 * choice. */
static bool is_same(const struct stanza *a, const struct stanza *b)
{
	return a == b || (a->type == b->type &&
		str_eq(str_skip(str_from(a->doc.bytes, a->doc.n_bytes), a->body),
			str_skip(str_from(b->doc.bytes, b->doc.n_bytes), b->body)));
}

static void mark_untold(struct watcher *w, struct seen *e)
{
	list_del(&e->link);
	list_add(&w->untold, &e->link);
}

static void goes(struct watcher *w, struct seen *e, struct stanza *presence)
{
	if (!e->told || !component_is_here(w->shard, w->name)) {
		forget(w, e);
		return;
	}
	set_presence(e, presence);
	mark_untold(w, e);
}

static void comes(struct watcher *w, struct stanza *presence)
{
	struct seen *e = find_seen(w, presence->from);

	if (!e) {
		if (w->seen.n < WATCH_MAX)
			see(w, presence);
		return;
	}
	if (is_same(e->presence, presence))
		return;
	set_presence(e, presence);
	mark_untold(w, e);
}

/* ---- telling ---- */

static void flush(struct watcher *w)
{
	struct loop *l = &w->shard->loop;
	struct seen *e;

	if (w->looking)
		return;
	while ((e = list_first(&w->untold, struct seen, link))) {
		if (!component_tell(w->shard, w->name, e->presence))
			break;
		list_del(&e->link);
		e->told = true;
		if (e->presence->type == PRESENCE_UNAVAILABLE)
			forget(w, e);
	}
	if (e && component_is_here(w->shard, w->name))
		timer_set(&l->wheel, &w->timer, l->now, AGAIN_MS);
}

static void timer_fired(struct timer *t)
{
	flush(container_of(t, struct watcher, timer));
}

/* ---- watches ---- */

static struct watcher *find(struct shard *s, struct str name)
{
	struct map_node *n = map_get(&s->watches, name);

	return n ? container_of(n, struct watcher, node) : NULL;
}

static struct watcher *find_or_make(struct shard *s, struct str name)
{
	struct watcher *w = find(s, name);

	if (w)
		return w;
	w = xcalloc(1, sizeof *w + name.n);
	memcpy(w + 1, name.p, name.n);
	w->name = str_from((char *)(w + 1), name.n);
	w->shard = s;
	map_init(&w->seen, seen_key);
	list_init(&w->untold);
	timer_init(&w->timer, timer_fired);
	map_put(&s->watches, &w->node);
	return w;
}

static void watch_free(struct watcher *w)
{
	struct map_node *n;

	while ((n = map_next(&w->seen, NULL)))
		forget(w, container_of(n, struct seen, node));
	map_clear(&w->seen);
	timer_stop(&w->shard->loop.wheel, &w->timer);
	map_del(&w->shard->watches, &w->node);
	free(w);
}

void watches_free(struct shard *s)
{
	struct map_node *n;

	while ((n = map_next(&s->watches, NULL)))
		watch_free(container_of(n, struct watcher, node));
	map_clear(&s->watches);
}

static bool may_watch(const struct host *component)
{
	return component && component->component->grants.presence != GRANT_NO_PRESENCE;
}

/* One that may not, or is not there any more. */
static struct watcher *find_gone(struct shard *s)
{
	struct map_node *n = NULL;

	while ((n = map_next(&s->watches, n))) {
		struct watcher *w = container_of(n, struct watcher, node);
		if (!may_watch(settings_component(s->settings, w->name)))
			return w;
	}
	return NULL;
}

void watches_reload(struct shard *s)
{
	struct watcher *w;

	while ((w = find_gone(s)))
		watch_free(w);
}

/* ---- on its way to the owner ---- */

struct sight {
	struct mail mail;
	struct stanza *presence; /* counted */
	size_t n;
	char name[];
};

static void saw(struct shard *s, struct str name, struct stanza *presence)
{
	if (!may_watch(settings_component(s->settings, name)))
		return; /* a reload came between */
	struct watcher *w = find_or_make(s, name);
	if (presence->type == PRESENCE_AVAILABLE) {
		comes(w, presence);
	} else {
		struct seen *e = find_seen(w, presence->from);
		if (e)
			goes(w, e, presence);
	}
	flush(w);
}

static void sight_arrived(struct mail *m, void *receiver)
{
	struct sight *t = container_of(m, struct sight, mail);

	saw(receiver, str_from(t->name, t->n), t->presence);
	stanza_unref(&t->presence);
	free(t);
}

static void send_sight(struct shard *s, const struct host *component, struct stanza *presence)
{
	struct shard *owner = component_owner(s->core, component);
	struct str name = component->domain;

	if (owner == s) {
		saw(s, name, presence);
		return;
	}
	struct sight *t = xmalloc(sizeof *t + name.n);
	t->mail = (struct mail){ .run = sight_arrived,
		.bytes = (uint32_t)(sizeof *t + presence->doc.n_bytes) };
	t->presence = stanza_ref(presence);
	t->n = name.n;
	memcpy(t->name, name.p, name.n);
	shard_post(s, owner, &t->mail);
}

static const struct management *managers_of(const struct account *a)
{
	const struct host *h = settings_host(a->shard->settings, jid_domain(a->jid));

	return h ? h->managers : NULL;
}

void watch_session(struct session *session, struct stanza *presence)
{
	const struct management *m = managers_of(session->account);

	for (; m; m = m->next_of_host)
		if (may_watch(m->component))
			send_sight(session->account->shard, m->component, presence);
}

static bool is_presence(const struct stanza *st)
{
	return jid_is_set(st->from) &&
	       (st->type == PRESENCE_AVAILABLE || st->type == PRESENCE_UNAVAILABLE);
}

/* Section 7.4: of who is in the roster with a subscription. Who goes may have lost his place there
 * before. */
static bool is_of_roster(const struct account *a, const struct stanza *presence)
{
	const struct contact *c = roster_find(&a->roster, jid_bare(presence->from));

	return presence->type == PRESENCE_UNAVAILABLE || (c && (c->subscription & SUB_TO));
}

void watch_contact(struct account *a, struct stanza *presence)
{
	const struct management *m = managers_of(a);

	if (!m || !is_presence(presence) || !is_of_roster(a, presence))
		return;
	for (; m; m = m->next_of_host)
		if (m->component->component->grants.presence == GRANT_ROSTER_PRESENCE)
			send_sight(a->shard, m->component, presence);
}

/* ---- a component comes ---- */

/* To a shard, and back when it has told all. */
struct look {
	struct mail mail;
	struct shard *owner;
	size_t n;
	char name[];
};

/* Tells the owner of the sessions of a shard. */
static void look_round(struct shard *s, struct str name)
{
	const struct host *component = settings_component(s->settings, name);

	if (!may_watch(component))
		return;
	for (struct map_node *n = map_next(&s->accounts, NULL); n; n = map_next(&s->accounts, n)) {
		struct account *a = container_of(n, struct account, node);
		const struct host *h = settings_host(s->settings, jid_domain(a->jid));
		if (!h || !grant_manages(component, h))
			continue;
		list_each(session, &a->sessions, struct session, link)
			if (session_is_available(session))
				send_sight(s, component, session->presence);
	}
}

static void one_has_looked(struct watcher *w)
{
	if (w->looking && !--w->looking)
		flush(w);
}

static void look_done(struct mail *m, void *receiver)
{
	struct look *k = container_of(m, struct look, mail);
	struct watcher *w = find(receiver, str_from(k->name, k->n));

	if (w)
		one_has_looked(w);
	free(k);
}

static void look_arrived(struct mail *m, void *receiver)
{
	struct look *k = container_of(m, struct look, mail);

	look_round(receiver, str_from(k->name, k->n));
	k->mail.run = look_done;
	shard_post(receiver, k->owner, &k->mail);
}

static void send_look(struct shard *from, struct shard *to, struct str name)
{
	struct look *k = xmalloc(sizeof *k + name.n);

	k->mail = (struct mail){ .run = look_arrived, .bytes = (uint32_t)(sizeof *k + name.n) };
	k->owner = from;
	k->n = name.n;
	memcpy(k->name, name.p, name.n);
	shard_post(from, to, &k->mail);
}

/* All that it knew of it may have forgotten. */
static void forget_told(struct watcher *w)
{
	struct map_node *next, *n = map_next(&w->seen, NULL);

	for (; n; n = next) {
		struct seen *e = container_of(n, struct seen, node);
		next = map_next(&w->seen, n);
		e->told = false;
		if (e->presence->type == PRESENCE_UNAVAILABLE)
			forget(w, e);
		else
			mark_untold(w, e);
	}
}

void watch_joined(struct shard *s, const struct host *component)
{
	if (!may_watch(component))
		return;
	struct watcher *w = find_or_make(s, component->domain);
	forget_told(w);
	w->looking += s->core->n_shards;
	for (unsigned i = 0; i < s->core->n_shards; i++)
		if (s->core->shards[i] != s)
			send_look(s, s->core->shards[i], w->name);
	look_round(s, w->name);
	one_has_looked(w);
}
