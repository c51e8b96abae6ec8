#include "lib/entity.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/digest.h"

#include <stdio.h>
#include <stdlib.h>

#define INBOX_BYTES 4096
#define MEM_CHUNK   512
#define ID_LEN      40

/* A request that waits for its answer. */
struct ask {
	struct map_node node;
	struct timer timer;
	struct stentor_entity *entity;
	stentor_answer_fn *fn;
	void *user;
	char *to;          /* canonical: who may answer */
	char id[ID_LEN];
};

struct stentor_timer {
	struct timer timer;
	struct list link;
	struct stentor_entity *entity;
	stentor_timer_fn *fn;
	void *user;
};

char *text_copy(struct str s)
{
	char *copy = xmalloc(s.n + 1);

	if (s.n)
		memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	return copy;
}

bool is_same(const char *a, const char *b)
{
	return a && b && str_eq(str_c(a), str_c(b));
}

const char *entity_keep(struct stentor_entity *e, const char *text)
{
	return text ? str_dup(&e->mem, str_c(text)).p : NULL;
}

const char *stentor_entity_address(const struct stentor_entity *e)
{
	return e->address;
}

/* ---- requests of ours ---- */

static struct str ask_key(const struct map_node *n)
{
	return str_c(container_of(n, struct ask, node)->id);
}

static void ask_end(struct ask *a, enum stentor_error error, const struct stentor_element *answer)
{
	struct stentor_entity *e = a->entity;

	map_del(&e->asks, &a->node);
	timer_stop(&e->loop.wheel, &a->timer);
	a->fn(e, error, answer, a->user);
	free(a->to);
	free(a);
}

static void ask_timeout(struct timer *t)
{
	ask_end(container_of(t, struct ask, timer), STENTOR_TIMEOUT, NULL);
}

void entity_lost(struct stentor_entity *e)
{
	struct map_node *n;

	while ((n = map_next(&e->asks, NULL)))
		ask_end(container_of(n, struct ask, node), STENTOR_NOT_CONNECTED, NULL);
}

/* Only who was asked answers. */
static void take_answer(struct stentor_entity *e, const struct stentor_element *iq)
{
	const char *id = stentor_element_attribute(iq, "id");
	struct map_node *n = id ? map_get(&e->asks, str_c(id)) : NULL;
	struct ask *a = n ? container_of(n, struct ask, node) : NULL;

	if (a && is_same(stentor_element_attribute(iq, "from"), a->to))
		ask_end(a, STENTOR_OK, iq);
}

/* ---- life ---- */

bool entity_init(struct stentor_entity *e, const struct entity_ops *ops, const char *address)
{
	uint64_t bits;

	if (!loop_init(&e->loop, INBOX_BYTES, e))
		return false;
	e->ops = ops;
	arena_init(&e->mem, MEM_CHUNK);
	e->address = entity_keep(e, address);
	map_init(&e->asks, ask_key);
	list_init(&e->timers);
	list_init(&e->executions);
	random_bytes(e->secret, sizeof e->secret);
	random_bytes(&bits, sizeof bits);
	snprintf(e->id_prefix, sizeof e->id_prefix, "%016llx", (unsigned long long)bits);
	return true;
}

void entity_clear(struct stentor_entity *e)
{
	struct stentor_timer *t;

	entity_lost(e);
	map_clear(&e->asks);
	commands_clear(e);
	while ((t = list_first(&e->timers, struct stentor_timer, link)))
		stentor_timer_free(&t);
	mailbox_run(&e->loop.inbox, e);
	loop_clear(&e->loop);
	arena_clear(&e->mem);
}

/* ---- sending ---- */

bool entity_is_full(const struct stentor_entity *e)
{
	return e->ops->backlog(e) >= e->output_bytes;
}

void entity_drained(struct stentor_entity *e)
{
	if (!e->refused || e->ops->backlog(e) > e->output_bytes / 2)
		return;
	e->refused = false;
	if (e->on_writable)
		e->on_writable(e, e->writable_user);
}

void stentor_on_writable(struct stentor_entity *e, stentor_writable_fn *fn, void *user)
{
	e->on_writable = fn;
	e->writable_user = user;
}

static bool is_stanza(const struct stentor_element *s)
{
	return stentor_element_is(s, NS_STANZA, "message") ||
		stentor_element_is(s, NS_STANZA, "presence") ||
		stentor_element_is(s, NS_STANZA, "iq");
}

/* Whether an attribute is an address; an entity's own, where owner is given. */
static bool is_address(const char *text, const struct stentor_entity *owner)
{
	struct arena mem;
	struct jid j;

	arena_init(&mem, 512);
	bool is = text && jid_parse(str_c(text), &mem, &j) &&
		(!owner || owner->ops->owns(owner, j));
	arena_clear(&mem);
	return is;
}

/* XEP-0114 section 3 wants both addresses, and the server ends the stream where one is wrong. */
static bool may_go(struct stentor_entity *e, struct stentor_element *s)
{
	if (!is_stanza(s) || s->parent)
		return false;
	if (!stentor_element_attribute(s, "from"))
		stentor_element_set(s, "from", e->address);
	return is_address(stentor_element_attribute(s, "from"), e) &&
		is_address(stentor_element_attribute(s, "to"), NULL);
}

static void set_id(struct stentor_entity *e, struct stentor_element *iq)
{
	char id[ID_LEN];

	snprintf(id, sizeof id, "%s%llx", e->id_prefix, (unsigned long long)++e->next_id);
	stentor_element_set(iq, "id", id);
}

/* Into the output whole, or not at all. */
static enum stentor_error write_stanza(struct stentor_entity *e, struct buf *out,
	const struct stentor_element *s)
{
	enum stentor_error error = STENTOR_OK;
	struct buf b;

	buf_init(&b, e->stanza_bytes);
	if (!tree_write(&b, s, STR(NS_STANZA)))
		error = STENTOR_INVALID;
	else if (!buf_ok(&b))
		error = STENTOR_TOO_LARGE;
	else
		buf_add(out, buf_str(&b));
	buf_clear(&b);
	return error;
}

static enum stentor_error send_at(struct stentor_entity *e, struct stentor_element *s, bool always)
{
	struct buf *out = e->ops->out(e);

	if (!s)
		return STENTOR_OK;
	if (!may_go(e, s))
		return STENTOR_INVALID;
	if (!out)
		return STENTOR_NOT_CONNECTED;
	if (!always && entity_is_full(e)) {
		e->refused = true;
		return STENTOR_FULL;
	}
	if (stentor_element_is(s, NULL, "iq") && !stentor_element_attribute(s, "id"))
		set_id(e, s);
	return write_stanza(e, out, s);
}

enum stentor_error stentor_send(struct stentor_entity *e, struct stentor_element *stanza)
{
	enum stentor_error error = send_at(e, stanza, false);

	stentor_element_free(&stanza);
	return error;
}

enum stentor_error entity_answer(struct stentor_entity *e, struct stentor_element *stanza)
{
	enum stentor_error error = send_at(e, stanza, true);

	stentor_element_free(&stanza);
	return error;
}

void entity_refuse(struct stentor_entity *e, const struct stentor_element *stanza,
	enum stentor_condition condition, const char *text)
{
	entity_answer(e, stentor_refusal_new(stanza, condition, text));
}

static bool is_request(const struct stentor_element *iq)
{
	const char *type = stentor_element_attribute(iq, "type");

	return stentor_element_is(iq, NS_STANZA, "iq") &&
		(is_same(type, "get") || is_same(type, "set"));
}

static char *canonical(const char *text)
{
	struct arena mem;
	struct jid j;
	char *out = NULL;

	arena_init(&mem, 512);
	if (text && jid_parse(str_c(text), &mem, &j))
		out = text_copy(jid_str(j));
	arena_clear(&mem);
	return out;
}

static void ask_begin(struct stentor_entity *e, char *to, const char *id, uint32_t timeout_ms,
	stentor_answer_fn *fn, void *user)
{
	struct ask *a = xcalloc(1, sizeof *a);

	a->entity = e;
	a->fn = fn;
	a->user = user;
	a->to = to;
	snprintf(a->id, sizeof a->id, "%s", id);
	timer_init(&a->timer, ask_timeout);
	timer_set(&e->loop.wheel, &a->timer, clock_mono_ms(), timeout_ms);
	map_put(&e->asks, &a->node);
}

enum stentor_error stentor_ask(struct stentor_entity *e, struct stentor_element *iq,
	uint32_t timeout_ms, stentor_answer_fn *fn, void *user)
{
	enum stentor_error error = STENTOR_INVALID;
	char *to = iq ? canonical(stentor_element_attribute(iq, "to")) : NULL;

	if (to && is_request(iq)) {
		/* An id of ours: nobody else can know it, and there is none like it. */
		set_id(e, iq);
		error = e->asks.n < STENTOR_ASKS_MAX ? send_at(e, iq, false) : STENTOR_FULL;
	}
	if (error == STENTOR_OK)
		ask_begin(e, to, stentor_element_attribute(iq, "id"), timeout_ms, fn, user);
	else
		free(to);
	stentor_element_free(&iq);
	return error;
}

/* ---- receiving ---- */

void stentor_on_iq(struct stentor_entity *e, const char *type, const char *ns, const char *name,
	stentor_iq_fn *fn, void *user)
{
	struct iq_rule **end = &e->rules, *rule = arena_alloc(&e->mem, sizeof *rule);

	*rule = (struct iq_rule){ NULL, entity_keep(e, type), entity_keep(e, ns),
		entity_keep(e, name), fn, user };
	while (*end)
		end = &(*end)->next;
	*end = rule;
}

void stentor_on_message(struct stentor_entity *e, stentor_message_fn *fn, void *user)
{
	e->on_message = fn;
	e->message_user = user;
}

void stentor_on_presence(struct stentor_entity *e, stentor_presence_fn *fn, void *user)
{
	e->on_presence = fn;
	e->presence_user = user;
}

unsigned entity_where(const struct stentor_element *stanza)
{
	struct str to = str_c(stentor_element_attribute(stanza, "to"));
	ptrdiff_t slash = str_find(to, '/');

	if (slash >= 0)
		to = str_head(to, (size_t)slash);
	return str_find(to, '@') >= 0 ? STENTOR_USERS : STENTOR_HERE;
}

/* Whether a handler of the program's takes it. */
static bool is_taken(struct stentor_entity *e, const struct stentor_element *iq,
	const struct stentor_element *payload)
{
	const char *type = stentor_element_attribute(iq, "type");

	for (const struct iq_rule *r = e->rules; r; r = r->next)
		if ((!r->type || is_same(r->type, type)) &&
			stentor_element_is(payload, r->ns, r->name) && r->fn(e, iq, r->user))
			return true;
	return false;
}

/* RFC 6120 section 8.2.3: an id, and one payload. */
static void take_request(struct stentor_entity *e, const struct stentor_element *iq)
{
	const struct stentor_element *payload = stentor_element_child(iq, NULL, NULL);

	if (!stentor_element_attribute(iq, "id") || !payload ||
		stentor_element_next(payload, NULL, NULL)) {
		entity_refuse(e, iq, STENTOR_BAD_REQUEST, "an IQ has an id and one payload");
		return;
	}
	if (is_taken(e, iq, payload) || command_request(e, iq, payload) ||
		disco_request(e, iq, payload))
		return;
	entity_refuse(e, iq, STENTOR_SERVICE_UNAVAILABLE, NULL);
}

static void take_iq(struct stentor_entity *e, const struct stentor_element *iq)
{
	const char *type = stentor_element_attribute(iq, "type");

	if (is_same(type, "result") || is_same(type, "error"))
		take_answer(e, iq);
	else if (is_request(iq))
		take_request(e, iq);
	else
		entity_refuse(e, iq, STENTOR_BAD_REQUEST, "an IQ has one of four types");
}

/* RFC 6121 section 8.5.2.1: headlines are dropped; an error is never answered. */
static void take_message(struct stentor_entity *e, const struct stentor_element *message)
{
	if (e->on_message && e->on_message(e, message, e->message_user))
		return;
	if (!is_same(stentor_element_attribute(message, "type"), "headline"))
		entity_refuse(e, message, STENTOR_SERVICE_UNAVAILABLE, NULL);
}

/* Puts an address in its canonical form; false: it is none. */
static bool make_canonical(struct stentor_element *s, const char *name, struct jid *out)
{
	const char *text = stentor_element_attribute(s, name);

	if (!text || !jid_parse(str_c(text), &s->tree->mem, out))
		return false;
	if (!str_eq(jid_str(*out), str_c(text)))
		stentor_element_set(s, name, str_dup(&s->tree->mem, jid_str(*out)).p);
	return true;
}

void entity_stanza(struct stentor_entity *e, const struct xml_doc *d)
{
	struct stentor_element *s = tree_of(d);
	struct jid from, to;

	/* A stanza without the right addresses could not be answered either. */
	if (!make_canonical(s, "from", &from) || !make_canonical(s, "to", &to) ||
		!e->ops->owns(e, to)) {
		stentor_element_free(&s);
		return;
	}
	if (stentor_element_is(s, NS_STANZA, "iq"))
		take_iq(e, s);
	else if (stentor_element_is(s, NS_STANZA, "message"))
		take_message(e, s);
	else if (e->on_presence)
		e->on_presence(e, s, e->presence_user);
	stentor_element_free(&s);
}

/* ---- timers ---- */

static void timer_fired(struct timer *timer)
{
	struct stentor_timer *t = container_of(timer, struct stentor_timer, timer);

	t->fn(t->entity, t->user);
}

struct stentor_timer *stentor_timer_new(struct stentor_entity *e, stentor_timer_fn *fn, void *user)
{
	struct stentor_timer *t = xcalloc(1, sizeof *t);

	t->entity = e;
	t->fn = fn;
	t->user = user;
	timer_init(&t->timer, timer_fired);
	list_init(&t->link);
	list_add(&e->timers, &t->link);
	return t;
}

void stentor_timer_set(struct stentor_timer *t, uint32_t after_ms)
{
	timer_set(&t->entity->loop.wheel, &t->timer, clock_mono_ms(), after_ms);
}

void stentor_timer_stop(struct stentor_timer *t)
{
	timer_stop(&t->entity->loop.wheel, &t->timer);
}

void stentor_timer_free(struct stentor_timer **p)
{
	struct stentor_timer *t = *p;

	if (!t)
		return;
	timer_stop(&t->entity->loop.wheel, &t->timer);
	list_del(&t->link);
	free(t);
	*p = NULL;
}
