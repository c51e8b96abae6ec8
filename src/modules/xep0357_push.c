/* XEP-0357 Push Notifications, version 0.4.1
 *
 * An account registers push services, and each is told of messages and of requests to subscribe
 * that come while no client of the account is connected and active: of what waits for a session
 * that is away (XEP-0198) or that nobody looks at (XEP-0352) too. What comes within PUSH_AFTER_MS
 * is told at once, with the newest count; while a service has not answered it is told no more.
 * The count is of what came since a client was active; where an account has not been in memory
 * since then, it begins with what waits in the ledger. A service that refuses is forgotten, one
 * that cannot answer just now after PUSH_ERRORS_MAX times in a row (7.1).
 *
 * What is told is for the administrator to choose (section 9): options push_count, push_sender
 * and push_body of a host; push_registrations of the limits. Left out: trying a forgotten service
 * again later, which is optional. Stores: data of the account, in the space "push". */
#include "base/bug.h"
#include "core/ask.h"
#include "core/message.h"
#include "core/module.h"
#include "core/push.h"
#include "core/sm.h"
#include "xml/extract.h"
#include "xmpp/form.h"

#include <stdlib.h>

#define PUSH_AFTER_MS 1000
#define BODY_MAX      512   /* bytes of a body that are told */
#define PUBLISH_MAX   32768 /* bytes of all that is published */

/* ---- residence ---- */

static void fire(struct timer *timer);

static struct push *push_of(struct account *a)
{
	if (a->push)
		return a->push;
	struct push *p = xcalloc(1, sizeof *p);
	p->account = a;
	p->count = ledger_waiting(a->shard->core->ledger, jid_str(a->jid));
	list_init(&p->targets);
	timer_init(&p->timer, fire);
	return a->push = p;
}

static void load(struct account *a, struct str key, struct str bytes)
{
	push_read(push_of(a), key, bytes);
}

static void unload(struct account *a)
{
	struct push *p = a->push;

	if (!p)
		return;
	a->push = NULL;
	timer_stop(&a->shard->loop.wheel, &p->timer);
	push_release(p);
	list_each_safe(t, &p->targets, struct push_target, link)
		push_drop(p, t);
	free(p);
}

/* ---- requests (sections 5 and 6) ---- */

static enum stanza_error read_jid(struct ctx *c, const struct stanza *iq, struct jid *out)
{
	struct arena *turn = &c->shard->loop.turn;
	struct str text = xml_attr_str(&iq->doc, stanza_payload(iq), TAG_JID, turn);

	if (!text.p)
		return ERR_BAD_REQUEST;
	return jid_parse(text, turn, out) ? ERR_COUNT : ERR_JID_MALFORMED;
}

/* The form as it came, empty when there is none. False: it is another form. */
static bool read_options(struct ctx *c, const struct stanza *iq, struct buf *out)
{
	const struct xml_doc *d = &iq->doc;
	const struct xml_node *enable = stanza_payload(iq), *form;

	if (!xml_child(d, enable, NS_DATA, TAG_X))
		return true;
	form = form_find(d, enable, STR("http://jabber.org/protocol/pubsub#publish-options"),
		&c->shard->loop.turn);
	if (form)
		xml_extract(out, d, form);
	return form != NULL;
}

static enum outcome enable_with(struct ctx *c, const struct stanza *iq, struct jid service,
	struct str options)
{
	struct account *a = c->account;
	struct arena *turn = &c->shard->loop.turn;
	uint32_t max = c->shard->settings->push_max;
	struct str node = xml_attr_str(&iq->doc, stanza_payload(iq), TAG_NODE, turn);
	struct str key = push_key(jid_str(service), node, turn);
	struct push_target *old = push_find(a->push, key);

	if (node.n > PUSH_NODE_MAX)
		return refuse(c, iq, ERR_NOT_ACCEPTABLE, STR("the node's name is too long"));
	if (!old && a->push && a->push->n >= max)
		return refuse(c, iq, ERR_RESOURCE_CONSTRAINT, str_printf(turn,
			"an account registers at most %u push services", (unsigned)max));
	bool asking = old && old->asking;
	if (old)
		push_drop(a->push, old);
	struct push_target *t = push_add(push_of(a), key, options);
	t->asking = t->renewed = asking;
	push_store(a, t, later_new(c, iq));
	return LATER;
}

static bool may_register(const struct ctx *c)
{
	return c->account && !c->account->guest && c->shard->settings->push_max;
}

static enum outcome on_enable(struct ctx *c, const struct stanza *iq)
{
	struct jid service;
	struct buf options;
	enum outcome o;

	if (!may_register(c))
		return refuse(c, iq, ERR_NOT_ALLOWED, STR("there is no push for this account"));
	enum stanza_error e = read_jid(c, iq, &service);
	if (e != ERR_COUNT)
		return refuse(c, iq, e, STR("the push service needs a jid"));
	buf_init(&options, PUSH_OPTIONS_MAX);
	if (!read_options(c, iq, &options))
		o = refuse(c, iq, ERR_BAD_REQUEST, STR("the form has no publish options"));
	else if (!buf_ok(&options))
		o = refuse(c, iq, ERR_NOT_ACCEPTABLE, STR("the publish options are too long"));
	else
		o = enable_with(c, iq, service, buf_str(&options));
	buf_clear(&options);
	return o;
}

/* Those of the service; a node names one of them. */
static enum outcome on_disable(struct ctx *c, const struct stanza *iq)
{
	struct account *a = c->account;
	struct arena *turn = &c->shard->loop.turn;
	struct str node = xml_attr_str(&iq->doc, stanza_payload(iq), TAG_NODE, turn);
	struct jid service;
	size_t n = 0;

	enum stanza_error e = read_jid(c, iq, &service);
	if (e != ERR_COUNT)
		return refuse(c, iq, e, STR("the push service needs a jid"));
	if (!a->push)
		return reply_ok(c, iq);
	struct store_datum *changes = arena_alloc(turn, (a->push->n + 1) * sizeof *changes);
	list_each_safe(t, &a->push->targets, struct push_target, link) {
		if (!str_eq(push_service(t), jid_str(service)) || (node.p && !str_eq(push_node(t), node)))
			continue;
		changes[n++] = (struct store_datum){ STR(PUSH_SPACE), str_dup(turn, t->key), STR("") };
		push_drop(a->push, t);
	}
	if (!n)
		return reply_ok(c, iq);
	push_store_changes(a, changes, n, later_new(c, iq));
	return LATER;
}

/* Section 4.1 */
static void disco(struct ctx *c, struct writer *w)
{
	if (!may_register(c))
		return;
	w_open(w, "feature");
	w_attr(w, "var", STR("urn:xmpp:push:0"));
	w_close(w);
}

/* ---- publishing (section 7) ---- */

static void write_field(struct writer *w, const char *var, struct str value)
{
	w_open(w, "field");
	w_attr(w, "var", str_c(var));
	w_leaf(w, "value", value);
	w_close(w);
}

/* The body's beginning, whole characters. */
static struct str body_of(const struct stanza *m, struct arena *turn)
{
	const struct xml_node *body = xml_child(&m->doc, stanza_root(m), NS_CLIENT, TAG_BODY);
	struct str text = body ? xml_text(&m->doc, body, turn) : STR("");
	size_t n = text.n;

	if (n > BODY_MAX)
		for (n = BODY_MAX; n && ((unsigned char)text.p[n] & 0xc0) == 0x80;)
			n--;
	return str_head(text, n);
}

static void write_summary(struct writer *w, const struct push *p, const struct host *h)
{
	struct arena *turn = &p->account->shard->loop.turn;
	uint32_t pending = p->account->roster.n_pending;
	struct str body = p->last && h->push_body ? body_of(p->last, turn) : STR("");

	w_open_ns(w, "x", NS_DATA);
	w_attr(w, "type", STR("submit"));
	write_field(w, "FORM_TYPE", STR("urn:xmpp:push:summary"));
	if (h->push_count)
		write_field(w, "message-count", str_printf(turn, "%u", (unsigned)p->count));
	if (h->push_count && pending)
		write_field(w, "pending-subscription-count", str_printf(turn, "%u",
			(unsigned)pending));
	if (p->last && h->push_sender)
		write_field(w, "last-message-sender", jid_str(p->last->from));
	if (body.n)
		write_field(w, "last-message-body", body);
	w_close(w);
}

static bool write_publish(struct buf *b, const struct push *p, const struct push_target *t,
	const struct host *h)
{
	struct writer w = w_on(b);

	w_open_ns(&w, "pubsub", NS_PUBSUB);
	w_open(&w, "publish");
	if (push_node(t).n)
		w_attr(&w, "node", push_node(t));
	w_open(&w, "item");
	w_open_ns(&w, "notification", NS_PUSH);
	if (h->push_count || h->push_sender || h->push_body)
		write_summary(&w, p, h);
	w_close(&w);
	w_close(&w);
	w_close(&w);
	if (t->options.n) {
		w_open(&w, "publish-options");
		w_raw(&w, t->options);
		w_close(&w);
	}
	w_close(&w);
	return w_done(&w);
}

static void published(struct shard *s, struct str memo, const struct stanza *answer);

/* The server asks, and not the account: the service need not know whose the node is. Where too much
 * is asked already it stays due. */
static void publish(struct push *p, struct push_target *t, const struct host *h)
{
	struct account *a = p->account;
	struct shard *s = a->shard;
	struct arena *turn = &s->loop.turn;
	struct question q = { .type = "set", .done = published };
	struct buf b;

	t->due = false;
	if (!jid_parse(push_service(t), turn, &q.to))
		return;
	buf_init(&b, PUBLISH_MAX);
	if (write_publish(&b, p, t, h)) {
		q.from = jid_make(turn, STR(""), h->domain, STR(""));
		q.payload = buf_str(&b);
		q.memo = str_printf(turn, "%.*s\n%.*s", STR_FMT(jid_str(a->jid)), STR_FMT(t->key));
		t->asking = ask(s, &q);
		t->due = !t->asking;
	}
	buf_clear(&b);
}

/* Whether a client is there and looked at. */
static bool is_watched(const struct account *a)
{
	list_each(s, &a->sessions, struct session, link)
		if (session_is_connected(s) && !s->inactive)
			return true;
	return false;
}

/* The account stays in memory until then. */
static void set_timer(struct push *p)
{
	struct loop *l = &p->account->shard->loop;

	if (timer_is_set(&p->timer))
		return;
	timer_set(&l->wheel, &p->timer, l->now, PUSH_AFTER_MS);
	account_stay(p->account);
}

static void fire(struct timer *timer)
{
	struct push *p = container_of(timer, struct push, timer);
	struct shard *s = p->account->shard;
	const struct host *h = settings_host(s->settings, jid_domain(p->account->jid));
	bool due = false;

	if (!h || is_watched(p->account)) {
		push_forget_due(p);
		return;
	}
	list_each(t, &p->targets, struct push_target, link) {
		if (t->due && !t->asking)
			publish(p, t, h);
		if (t->due && !t->asking)
			set_timer(p);
		due = due || t->due;
	}
	if (!due)
		push_release(p);
}

static void tell(struct push *p)
{
	list_each(t, &p->targets, struct push_target, link)
		t->due = true;
	if (p->n)
		set_timer(p);
}

/* ---- answers (section 7.1) ---- */

enum verdict { TAKEN, FAILED_NOW, REFUSED };

/* Who is offline may come back, and what is to be tried again says so (RFC 6120 section 8.3.2). */
static enum verdict verdict_on(const struct stanza *answer, struct arena *turn)
{
	if (!answer)
		return FAILED_NOW;
	if (answer->type == IQ_RESULT)
		return TAKEN;
	const struct xml_doc *d = &answer->doc;
	const struct xml_node *error = xml_child(d, stanza_root(answer), NS_CLIENT, TAG_ERROR);
	if (!error)
		return REFUSED;
	if (str_eq(xml_attr_str(d, error, TAG_TYPE, turn), STR("wait")))
		return FAILED_NOW;
	for (const struct xml_node *n = xml_first(d, error); n; n = xml_next(d, n))
		if (n->ns == NS_STANZAS && str_eq(xml_name(d, n), STR("service-unavailable")))
			return FAILED_NOW;
	return REFUSED;
}

static void judge(struct account *a, struct str key, enum verdict v)
{
	struct push_target *t = push_find(a->push, key);

	if (!t)
		return;
	t->asking = false;
	if (t->renewed) {
		t->renewed = false;
		v = TAKEN;
	}
	if (v == REFUSED || (v == FAILED_NOW && t->errors + 1 >= PUSH_ERRORS_MAX)) {
		log_info(&a->shard->log, "push_disabled", F_STR("account", jid_str(a->jid)),
			F_STR("service", push_service(t)),
			F_C("why", v == REFUSED ? "it refuses" : "it does not answer"));
		push_remove(a, t);
		return;
	}
	if (v == FAILED_NOW || t->errors) {
		t->errors = v == FAILED_NOW ? t->errors + 1 : 0;
		push_store(a, t, NULL);
	}
	if (t->due)
		set_timer(a->push);
}

/* The account may have left memory meanwhile. */
struct judging {
	struct waiter waiter;
	enum verdict verdict;
	size_t n;
	char key[];
};

static void judge_loaded(struct waiter *w, struct shard *s, struct account *a,
	enum store_status status)
{
	struct judging *j = container_of(w, struct judging, waiter);

	if (a)
		judge(a, str_from(j->key, j->n), j->verdict);
	free(j);
}

static void published(struct shard *s, struct str memo, const struct stanza *answer)
{
	struct str account = str_head(memo, (size_t)str_find(memo, '\n'));
	struct str key = str_skip(memo, account.n + 1);
	struct judging *j = xcalloc(1, sizeof *j + key.n);
	struct jid jid;

	BUG_ON(!jid_parse(account, &s->loop.turn, &jid));
	j->waiter.run = judge_loaded;
	j->verdict = verdict_on(answer, &s->loop.turn);
	j->n = key.n;
	memcpy(j->key, key.p, key.n);
	account_wait(s, jid, &j->waiter);
}

/* ---- what is told ---- */

/* Written by the user: from here, or in a room, where the session's presence tells the nick. */
static bool is_own(const struct account *a, const struct session *s, const struct stanza *m)
{
	if (jid_eq_bare(m->from, a->jid))
		return true;
	if (!s || m->type != MESSAGE_GROUPCHAT)
		return false;
	for (uint32_t i = 0; i < s->n_directed; i++)
		if (jid_eq(s->directed[i], m->from))
			return true;
	return false;
}

/* Section 8: the service takes the right to publish back. */
static bool is_farewell(struct account *a, const struct stanza *m)
{
	const struct xml_doc *d = &m->doc;
	struct arena *turn = &a->shard->loop.turn;
	const struct xml_node *pubsub = xml_child(d, stanza_root(m), NS_PUBSUB, TAG_PUBSUB);
	const struct xml_node *el = pubsub ? xml_child(d, pubsub, NS_PUBSUB, TAG_AFFILIATION) : NULL;
	struct jid whom;

	return el && jid_parse(xml_attr_str(d, el, TAG_JID, turn), turn, &whom) &&
	       jid_eq(whom, a->jid) &&
	       str_eq(xml_attr_str(d, el, TAG_AFFILIATION, turn), STR("none"));
}

static void take_leave(struct account *a, const struct stanza *m)
{
	struct arena *turn = &a->shard->loop.turn;
	const struct xml_node *pubsub = xml_child(&m->doc, stanza_root(m), NS_PUBSUB, TAG_PUBSUB);
	struct str node = xml_attr_str(&m->doc, pubsub, TAG_NODE, turn);
	struct push_target *t = push_find(a->push, push_key(jid_str(m->from), node, turn));

	if (t)
		push_remove(a, t);
}

static void delivered(const struct delivery *d)
{
	struct account *a = d->account;
	const struct stanza *m = d->stanza;

	if (!a->push || !jid_is_set(m->from))
		return;
	if (is_farewell(a, m)) {
		take_leave(a, m);
		return;
	}
	if (is_watched(a) || is_own(a, d->match, m) || !push_is_notable(m))
		return;
	push_count(a->push, m);
	tell(a->push);
}

static void subscription_waits(struct account *a)
{
	if (a->push && !is_watched(a))
		tell(a->push);
}

/* A client that was active is gone: of what it did not acknowledge, nobody has been told but of
 * what had waited in the ledger. */
static void left(struct session *s)
{
	struct push *p = s->account->push;
	uint32_t before = p ? p->count : 0;

	if (!p || !s->sm || s->inactive || is_watched(s->account))
		return;
	for (uint32_t i = 0; i < s->sm->n; i++) {
		const struct stanza *st = sm_unacked(s->sm, i)->stanza;
		if (st && !st->place && push_is_notable(st) && !is_own(s->account, s, st))
			push_count(p, st);
	}
	if (p->count != before)
		tell(p);
}

static void session_ended(struct session *s)
{
	if (s->client)
		left(s);
}

/* A session is active, is back, or takes messages. */
static void active(struct session *s)
{
	if (s->account->push && is_watched(s->account))
		push_forget_due(s->account->push);
}

const struct module xep0357_push = {
	.name = "push",
	.spec = "XEP-0357 0.4.1",
	.iq = (const struct iq_rule[]){
		{ IQ_SET, NS_PUSH, TAG_ENABLE, AT_OWN, on_enable },
		{ IQ_SET, NS_PUSH, TAG_DISABLE, AT_OWN, on_disable },
		{ 0 } },
	.space = PUSH_SPACE,
	.load = load,
	.unload = unload,
	.disco = disco,
	.delivered = delivered,
	.subscription_waits = subscription_waits,
	.session_left = left,
	.session_active = active,
	.session_resumed = active,
	.session_ended = session_ended,
	.available = active,
};
