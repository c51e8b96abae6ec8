#include "core/component.h"

#include "base/bug.h"
#include "base/hash.h"
#include "core/backlog.h"
#include "core/foreign.h"
#include "core/message.h"
#include "core/module.h"
#include "core/route.h"

#include <stdlib.h>

/* While something waits for a connection that is there, it gets more as often as this. */
#define FLUSH_MS 20

/* On its owner; made when something comes to it or from it. */
struct component {
	struct map_node node;  /* shard.components */
	struct shard *shard;
	struct str name;       /* as in the settings; inline, behind the struct */
	struct list conns;     /* struct component_conn */
	unsigned n_conns;
	struct backlog queue;
	struct timer timer;    /* while something is queued: until it may be sent, or is late */
};

static void queue_fired(struct timer *t);

static struct str key_of(const struct map_node *n)
{
	return container_of(n, struct component, node)->name;
}

void components_init(struct shard *s)
{
	list_init(&s->component_conns);
	map_init(&s->components, key_of);
}

struct shard *component_owner(const struct core *c, const struct host *h)
{
	return c->shards[c->place[hash_fixed(h->domain) % VIRTUAL_SHARDS]];
}

/* ---- components ---- */

static struct component *find(struct shard *s, struct str name)
{
	struct map_node *n = map_get(&s->components, name);

	return n ? container_of(n, struct component, node) : NULL;
}

static struct component *find_or_make(struct shard *s, struct str name)
{
	struct component *c = find(s, name);

	if (c)
		return c;
	c = xcalloc(1, sizeof *c + name.n);
	memcpy(c + 1, name.p, name.n);
	c->name = str_from((char *)(c + 1), name.n);
	c->shard = s;
	list_init(&c->conns);
	backlog_init(&c->queue, s, COUNT_COMPONENTS_WAITING);
	timer_init(&c->timer, queue_fired);
	map_put(&s->components, &c->node);
	return c;
}

static void component_free(struct component *c)
{
	BUG_ON(c->n_conns);
	backlog_clear(&c->queue);
	timer_stop(&c->shard->loop.wheel, &c->timer);
	map_del(&c->shard->components, &c->node);
	free(c);
}

/* ---- to a component ---- */

/* The same addressee goes to the same connection while that is there, and when one goes, only its
 * addressees change (rendezvous hashing). */
static struct component_conn *pick(struct component *c, struct jid to)
{
	struct component_conn *best = NULL;
	uint64_t most = 0;

	list_each(conn, &c->conns, struct component_conn, sibling) {
		uint64_t h = c->n_conns == 1 ? 1 : hash_with((uint64_t[2]){ conn->number, 0 },
			jid_bare_str(to));
		if (!best || h > most) {
			best = conn;
			most = h;
		}
	}
	return best;
}

static void leave(struct component_conn *conn)
{
	if (!conn->component)
		return;
	struct component *c = conn->component;
	list_del(&conn->sibling);
	c->n_conns--;
	conn->component = NULL;
	uncount(conn->shard, COUNT_COMPONENTS);
	log_info(&conn->shard->log, "component_left", F_STR("name", c->name),
		F_INT("connections", c->n_conns));
}

/* False: the connection has no room for it, and is lost; nothing was written. */
static bool write_to(struct component_conn *conn, const struct stanza *st, struct jid to)
{
	struct buf *out = comp_out(&conn->stream);

	foreign_write(conn->shard, out, st, to);
	if (!buf_ok(out))
		return false;
	count(conn->shard, COUNT_COMPONENTS_OUT);
	return true;
}

/* Whether some connection took it. One that takes no more is ended by conn.c (CONN_SLOW), and gets
 * nothing any more. */
static bool send_now(struct component *c, const struct stanza *st, struct jid to)
{
	struct component_conn *conn;

	while ((conn = pick(c, to))) {
		if (write_to(conn, st, to)) {
			message_handled(c->shard, st);
			return true;
		}
		leave(conn);
	}
	return false;
}

/* The next time to look at the queue. */
static void set_timer(struct component *c, uint32_t queue_ms)
{
	const struct waiting *first = backlog_first(&c->queue);
	struct loop *l = &c->shard->loop;

	if (!first) {
		timer_stop(&l->wheel, &c->timer);
		return;
	}
	uint64_t late = first->since + queue_ms;
	uint64_t wait = late > l->now ? late - l->now : 1;
	timer_set(&l->wheel, &c->timer, l->now, c->n_conns && wait > FLUSH_MS ? FLUSH_MS : wait);
}

static void time_out(struct shard *s, const struct stanza *st, struct jid to, const char *why)
{
	bounce_at(s, st, to, ERR_REMOTE_SERVER_TIMEOUT, str_c(why));
}

static void enqueue(struct component *c, const struct component_rules *rules, struct stanza *st,
	struct jid to)
{
	if (!rules->queue_ms)
		time_out(c->shard, st, to, "the component is not there");
	else if (c->queue.bytes + backlog_weight(st) > rules->queue_max)
		time_out(c->shard, st, to, "too much waits for the component");
	else
		backlog_add(&c->queue, st, to);
	if (!timer_is_set(&c->timer))
		set_timer(c, rules->queue_ms);
}

void component_deliver(struct shard *s, const struct host *h, struct stanza *st, struct jid to)
{
	if (component_owner(s->core, h) != s) { /* it was no component when it was sent here */
		route_to(s, st, to);
		return;
	}
	struct component *c = find_or_make(s, h->domain);
	message_keep_for_sender(s, st, to);
	/* What waits comes first, also while it is being written. */
	if (!backlog_is_empty(&c->queue) || !send_now(c, st, to))
		enqueue(c, h->component, st, to);
}

/* No connection gets more than half of what it may have unsent at once: a component that comes back
 * to a long queue reads it in pieces. */
static bool has_room(struct component_conn *conn, const struct stanza *st)
{
	const struct buf *out = comp_out(&conn->stream);

	return !out->n || out->n + backlog_weight(st) <= out->max / 2;
}

bool component_is_here(struct shard *s, struct str name)
{
	const struct component *c = find(s, name);

	return c && c->n_conns;
}

bool component_tell(struct shard *s, struct str name, const struct stanza *st)
{
	struct component *c = find(s, name);
	struct jid own = { .p = name.p, .n_domain = (uint16_t)name.n };
	struct component_conn *conn = c ? pick(c, own) : NULL;

	return conn && has_room(conn, st) && write_to(conn, st, own);
}

/* Writes what waits, in order, as far as connections have room. */
static void flush_queue(struct component *c, uint32_t queue_ms)
{
	while (!backlog_is_empty(&c->queue)) {
		struct waiting *q = backlog_first(&c->queue);
		struct component_conn *conn = pick(c, q->to);
		if (!conn || !has_room(conn, q->stanza) || !send_now(c, q->stanza, q->to))
			break;
		backlog_drop(&c->queue, q);
	}
	set_timer(c, queue_ms);
}

static void queue_fired(struct timer *t)
{
	struct component *c = container_of(t, struct component, timer);
	const struct host *h = settings_component(c->shard->settings, c->name);
	uint32_t queue_ms = h ? h->component->queue_ms : 0;

	uint64_t now = c->shard->loop.now;

	backlog_refuse(&c->queue, now >= queue_ms ? now - queue_ms + 1 : 0,
		ERR_REMOTE_SERVER_TIMEOUT, STR("the component does not answer"));
	flush_queue(c, queue_ms);
}

/* ---- from a component ---- */

static struct component_conn *conn_of(struct comp *s)
{
	return s->user;
}

/* Its component in the settings of now; NULL: there is none any more. */
static struct host *host_of(const struct component_conn *conn)
{
	return conn->name ? settings_component(conn->shard->settings, str_c(conn->name)) : NULL;
}

static bool on_owns(struct comp *s, struct jid from)
{
	const struct component_conn *conn = conn_of(s);
	const struct host *h = settings_host(conn->shard->settings, jid_domain(from));

	return h && h == host_of(conn);
}

static void on_stanza(struct comp *stream, const struct xml_doc *d, struct jid from, struct jid to)
{
	struct shard *s = conn_of(stream)->shard;

	count(s, COUNT_COMPONENTS_IN);
	foreign_in(s, d, from, to, stream->lang ? str_c(stream->lang) : STR_NULL,
		(struct receipt){ 0 });
}

/* ---- connections ---- */

static bool on_host(struct comp *s, struct str domain)
{
	struct component_conn *conn = conn_of(s);
	const struct host *h = settings_host(conn->shard->settings, domain);

	if (!h || !h->component)
		return false;
	conn->name = strndup(h->domain.p, h->domain.n);
	return true;
}

static struct str on_own_name(struct comp *s)
{
	return conn_of(s)->shard->settings->first->domain;
}

static struct str on_secret(struct comp *s)
{
	const struct host *h = host_of(conn_of(s));

	return h ? h->component->secret : STR_NULL;
}

static void on_refused(struct comp *s)
{
	count(conn_of(s)->shard, COUNT_LOGIN_FAILURES);
}

/* ---- grants ---- */

static const struct grants nothing;

/* The message of one host with what one module has to say. False: it has nothing to. */
static bool tell_grants(struct component_conn *conn, const struct module *m,
	const struct host *managed, const struct grants *was, const struct grants *is)
{
	struct shard *s = conn->shard;
	struct jid from = jid_make(&s->loop.turn, STR(""), managed->domain, STR(""));
	struct jid to = jid_make(&s->loop.turn, STR(""), conn->component->name, STR(""));
	char id[ARCHIVE_ID_LEN];

	archive_id_format(message_new_id(s), id);
	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	stanza_open(&w, STANZA_MESSAGE, NULL, from, to, str_from(id, sizeof id));
	size_t empty = s->scratch.n;
	m->component_grants(was, is, &w);
	if (s->scratch.n == empty)
		return false;
	w_close(&w);
	if (w_done(&w))
		buf_add(comp_out(&conn->stream), buf_str(&s->scratch));
	count(s, COUNT_COMPONENTS_OUT);
	return true;
}

/* Of one host. was NULL: the component knows of nothing. */
static bool tell_of_host(struct component_conn *conn, const struct host *managed,
	const struct grants *was, const struct grants *is)
{
	bool told = false;

	module_each(m, conn->shard->core, component_grants)
		told |= tell_grants(conn, m, managed, was, is);
	return told;
}

/* old: the component in the settings before, or NULL. */
static bool tell_all_grants(struct component_conn *conn, const struct host *h,
	const struct host *old)
{
	const struct management *m;
	bool told = false;

	for (m = h->managed; m; m = m->next_of_component) {
		bool knows = old && grant_manages_domain(old, m->host->domain);
		told |= tell_of_host(conn, m->host, knows ? &old->component->grants : NULL,
			&h->component->grants);
	}
	for (m = old ? old->managed : NULL; m; m = m->next_of_component) {
		const struct host *still = settings_account_host(conn->shard->settings,
			m->host->domain);
		if (still && !grant_manages(h, still))
			told |= tell_of_host(conn, still, &old->component->grants, &nothing);
	}
	return told;
}

static void tell_modules(struct shard *s, const struct host *h)
{
	module_each(m, s->core, component_joined)
		m->component_joined(s, h);
}

/* What has changed since the settings before. */
static void tell_news(struct component *c, const struct host *h, const struct host *old)
{
	bool told = false;

	list_each(conn, &c->conns, struct component_conn, sibling)
		told |= tell_all_grants(conn, h, old);
	if (told)
		tell_modules(c->shard, h);
}

/* On the owner. */
static void join(struct component_conn *conn)
{
	struct shard *s = conn->shard;
	const struct host *h = host_of(conn);

	if (!h) {
		comp_close(&conn->stream, STREAM_HOST_GONE,
			STR("there is no such component any more"));
		return;
	}
	struct component *c = find_or_make(s, h->domain);
	if (c->n_conns >= h->component->connections) {
		comp_close(&conn->stream, STREAM_CONFLICT,
			STR("the component has as many connections as it may"));
		return;
	}
	conn->component = c;
	conn->number = ++s->component_numbers;
	list_add(&c->conns, &conn->sibling);
	c->n_conns++;
	count(s, COUNT_COMPONENTS);
	log_info(&s->log, "component_joined", F_STR("name", c->name),
		F_INT("connections", c->n_conns));
	comp_accept(&conn->stream);
	tell_all_grants(conn, h, NULL);
	flush_queue(c, h->component->queue_ms);
	tell_modules(s, h);
	comp_go_on(&conn->stream);
}

static void settle(struct component_conn *conn, struct shard *s)
{
	conn->shard = s;
	comp_settle(&conn->stream, &s->table, &s->loop.turn, &s->log);
	comp_limit(&conn->stream, &s->settings->guest, &s->settings->user);
	list_add(&s->component_conns, &conn->link);
	comp_throttle(&conn->stream, s->throttled);
}

static void arrived(struct mail *m, void *receiver)
{
	struct component_conn *conn = container_of(m, struct component_conn, move);
	struct shard *s = receiver;

	settle(conn, s);
	if (!conn->kind->attach(conn, s)) {
		log_error(&s->log, "attach", F_C("error", "the loop refuses a connection"));
		component_conn_drop(conn);
		return;
	}
	if (s->stopping)
		comp_close(&conn->stream, STREAM_SYSTEM_SHUTDOWN, STR("the server stops"));
	else
		join(conn);
}

static void on_authenticated(struct comp *stream)
{
	struct component_conn *conn = conn_of(stream);
	struct shard *here = conn->shard;
	struct shard *owner = component_owner(here->core, host_of(conn));

	quota_leave(&conn->half_open);
	timer_stop(&here->loop.wheel, &conn->timer);
	if (owner == here) {
		join(conn);
		return;
	}
	list_del(&conn->link);
	conn->kind->detach(conn);
	conn->move = (struct mail){ .run = arrived, .bytes = sizeof *conn };
	shard_post(here, owner, &conn->move);
}

static void on_closed(struct comp *stream, enum stream_ending how)
{
	struct component_conn *conn = conn_of(stream);

	timer_stop(&conn->shard->loop.wheel, &conn->timer);
	leave(conn);
}

static void handshake_took_too_long(struct timer *t)
{
	comp_close(&container_of(t, struct component_conn, timer)->stream,
		STREAM_CONNECTION_TIMEOUT, STR("the handshake took too long"));
}

static const struct comp_ops conn_ops = {
	.host = on_host,
	.own_name = on_own_name,
	.secret = on_secret,
	.authenticated = on_authenticated,
	.refused = on_refused,
	.owns = on_owns,
	.stanza = on_stanza,
	.closed = on_closed,
};

void component_conn_init(struct component_conn *conn, const struct component_conn_kind *kind,
	struct shard *s, struct wire *wire)
{
	*conn = (struct component_conn){ .kind = kind };
	list_init(&conn->sibling);
	timer_init(&conn->timer, handshake_took_too_long);
	comp_init(&conn->stream, wire, &conn_ops, conn);
	settle(conn, s);
	timer_set(&s->loop.wheel, &conn->timer, s->loop.now, s->settings->login_ms);
}

void component_conn_free(struct component_conn *conn)
{
	timer_stop(&conn->shard->loop.wheel, &conn->timer);
	quota_leave(&conn->half_open);
	list_del(&conn->link);
	comp_clear(&conn->stream);
	free(conn->name);
	conn->kind->free(conn);
}

void component_conn_drop(struct component_conn *conn)
{
	comp_lost(&conn->stream);
	conn->kind->drop(conn);
	component_conn_free(conn);
}

/* ---- all of a shard ---- */

void components_throttle(struct shard *s, bool on)
{
	list_each(conn, &s->component_conns, struct component_conn, link)
		comp_throttle(&conn->stream, on);
}

void components_stop(struct shard *s)
{
	list_each(conn, &s->component_conns, struct component_conn, link)
		comp_close(&conn->stream, STREAM_SYSTEM_SHUTDOWN, STR("the server stops"));
}

/* A component that there is no more. */
static struct component *find_gone(struct shard *s)
{
	struct map_node *n = NULL;

	while ((n = map_next(&s->components, n))) {
		struct component *c = container_of(n, struct component, node);
		if (!settings_component(s->settings, c->name))
			return c;
	}
	return NULL;
}

/* The errors may make other components, so nothing walks over them meanwhile. */
static void drop_gone(struct shard *s)
{
	struct component *c;

	while ((c = find_gone(s))) {
		backlog_refuse(&c->queue, UINT64_MAX, ERR_REMOTE_SERVER_NOT_FOUND,
			STR("the domain is no longer served here"));
		component_free(c);
	}
}

void components_reload(struct shard *s, const struct settings *old)
{
	struct map_node *n = NULL;

	list_each(conn, &s->component_conns, struct component_conn, link) {
		comp_limit(&conn->stream, &s->settings->guest, &s->settings->user);
		if (conn->name && !host_of(conn))
			comp_close(&conn->stream, STREAM_HOST_GONE,
				STR("there is no such component any more"));
	}
	drop_gone(s);
	while ((n = map_next(&s->components, n))) {
		struct component *c = container_of(n, struct component, node);
		const struct host *h = settings_component(s->settings, c->name);
		set_timer(c, h->component->queue_ms);
		if (c->n_conns)
			tell_news(c, h, settings_component(old, c->name));
	}
}

void components_free(struct shard *s)
{
	struct map_node *n;

	while (!list_empty(&s->component_conns))
		component_conn_drop(list_first(&s->component_conns, struct component_conn, link));
	while ((n = map_next(&s->components, NULL)))
		component_free(container_of(n, struct component, node));
	map_clear(&s->components);
}

void components_list(struct shard *s, struct buf *out)
{
	for (const struct host *h = s->settings->components; h; h = h->next_component) {
		if (component_owner(s->core, h) != s)
			continue;
		const struct component *c = find(s, h->domain);
		buf_printf(out, "%.*s\t%u\t%zu\n", STR_FMT(h->domain), c ? c->n_conns : 0,
			c ? c->queue.bytes : 0);
	}
}
