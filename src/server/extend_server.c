/* What modules of others ask of the server: the functions of include/stentor/module.h. */
#include "base/bug.h"
#include "core/message.h"
#include "core/route.h"
#include "server/extend_private.h"
#include "xml/extract.h"
#include "xmpp/edit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct stentor_text nothing;

static struct str str_of(struct stentor_text t)
{
	return str_from(t.p, t.p ? t.n : 0);
}

static struct stentor_text text_of(struct str s)
{
	return (struct stentor_text){ s.p, s.n };
}

static struct arena *turn_of(const struct call *c)
{
	return &c->local->shard->loop.turn;
}

/* A stanza that is replaced is freed: what was read in it is not to be. */
static struct stentor_text give(const struct call *c, struct str s)
{
	return s.p ? text_of(str_dup(turn_of(c), s)) : nothing;
}

/* ---- any thread ---- */

static void on_log(const struct stentor_self *self, enum stentor_level level, const char *text)
{
	static const enum log_level levels[] = { [STENTOR_DEBUG] = LOG_DEBUG,
		[STENTOR_INFO] = LOG_INFO, [STENTOR_WARN] = LOG_WARN, [STENTOR_ERROR] = LOG_ERROR };
	bool known = (unsigned)level <= STENTOR_ERROR;

	log_at(NULL, known ? levels[level] : LOG_INFO, "module_says",
		F_C("module", self->module.name), F_C("text", text));
}

static const char *on_option(const struct stentor_self *self, const char *name)
{
	for (size_t i = 0; i < self->n_options; i++)
		if (str_eq(self->options[i].name, str_c(name)))
			return self->options[i].value.p;
	for (const struct stentor_option *o = self->module.options; o && o->name; o++)
		if (str_eq(str_c(o->name), str_c(name)))
			return o->initial;
	return NULL;
}

/* A function on its way to a shard. */
struct errand {
	struct mail mail;
	struct waiter waiter;
	struct stentor_self *self;
	stentor_run_fn *fn;
	void *data;
	struct jid jid;  /* text inline; unset: of no address */
};

static void do_errand(struct errand *e, struct shard *s, struct account *a)
{
	struct call c = call_make(e->self, s, a);

	e->fn(&c.pub, e->data);
	free(e);
}

static void account_came(struct waiter *w, struct shard *s, struct account *a,
	enum store_status status)
{
	do_errand(container_of(w, struct errand, waiter), s, a);
}

static void errand_came(struct mail *m, void *receiver)
{
	struct errand *e = container_of(m, struct errand, mail);
	struct shard *s = receiver;
	bool person = jid_is_set(e->jid) && e->jid.n_local &&
		settings_account_host(s->settings, jid_domain(e->jid));

	if (person)
		account_wait(s, e->jid, &e->waiter);
	else
		do_errand(e, s, NULL);
}

static struct errand *errand_new(const struct stentor_self *self, struct jid j, stentor_run_fn *fn,
	void *data)
{
	struct str text = jid_is_set(j) ? jid_bare_str(j) : STR("");
	struct errand *e = xcalloc(1, sizeof *e + text.n);

	e->mail = (struct mail){ .run = errand_came, .bytes = (uint32_t)(sizeof *e + text.n) };
	e->waiter.run = account_came;
	e->self = (struct stentor_self *)self; /* the module's view of itself is constant */
	e->fn = fn;
	e->data = data;
	if (text.n) {
		e->jid = jid_bare(j);
		e->jid.p = memcpy(e + 1, text.p, text.n);
	}
	return e;
}

/* Nobody posts to a shard that is being freed. */
static bool post(struct extensions *x, struct shard *s, struct errand *e)
{
	pthread_rwlock_rdlock(&x->gate);
	bool open = !x->closed;
	if (open)
		mailbox_post_one(&s->loop.inbox, &e->mail);
	pthread_rwlock_unlock(&x->gate);
	if (!open)
		free(e);
	return open;
}

static bool on_run(const struct stentor_self *self, struct stentor_text address, stentor_run_fn *fn,
	void *data)
{
	struct extensions *x = self->all;
	struct arena a;
	struct jid j;

	arena_init(&a, 1024);
	bool ok = jid_parse(str_of(address), &a, &j);
	if (ok) {
		struct errand *e = errand_new(self, j, fn, data);
		ok = post(x, shard_of(x->core, e->jid), e);
	}
	arena_clear(&a);
	return ok;
}

static bool on_run_on(const struct stentor_self *self, uint32_t shard, stentor_run_fn *fn,
	void *data)
{
	struct extensions *x = self->all;

	if (shard >= x->core->n_shards)
		return false;
	return post(x, x->core->shards[shard], errand_new(self, (struct jid){ 0 }, fn, data));
}

/* ---- addresses ---- */

static struct stentor_text on_address(struct stentor_call *pub, struct stentor_text text)
{
	struct call *c = call_of(pub);
	struct jid j;

	return jid_parse(str_of(text), turn_of(c), &j) ? give(c, jid_str(j)) : nothing;
}

/* The offset of the slash before the resource, or the length. */
static size_t bare_end(struct stentor_text t)
{
	const char *slash = t.p ? memchr(t.p, '/', t.n) : NULL;

	return slash ? (size_t)(slash - t.p) : t.n;
}

static struct stentor_text on_bare(struct stentor_text t)
{
	return (struct stentor_text){ t.p, bare_end(t) };
}

static struct stentor_text on_local(struct stentor_text t)
{
	const char *at = t.p ? memchr(t.p, '@', bare_end(t)) : NULL;

	return at ? (struct stentor_text){ t.p, (size_t)(at - t.p) } : nothing;
}

static struct stentor_text on_domain(struct stentor_text t)
{
	struct stentor_text local = on_local(t);
	size_t from = local.p ? local.n + 1 : 0;

	return t.p ? (struct stentor_text){ t.p + from, bare_end(t) - from } : nothing;
}

static struct stentor_text on_resource(struct stentor_text t)
{
	size_t end = bare_end(t);

	return end < t.n ? (struct stentor_text){ t.p + end + 1, t.n - end - 1 } : nothing;
}

/* ---- who and what ---- */

static struct stentor_text on_account(struct stentor_call *pub)
{
	struct call *c = call_of(pub);

	return c->account ? give(c, jid_str(c->account->jid)) : nothing;
}

static struct stentor_text on_from(struct stentor_call *pub)
{
	struct call *c = call_of(pub);

	return c->stanza && jid_is_set(c->stanza->from) ? give(c, jid_str(c->stanza->from)) : nothing;
}

static struct stentor_text on_to(struct stentor_call *pub)
{
	struct call *c = call_of(pub);

	return c->stanza && jid_is_set(c->to) ? give(c, jid_str(c->to)) : nothing;
}

static struct stentor_text on_id(struct stentor_call *pub)
{
	struct call *c = call_of(pub);

	return c->stanza && c->stanza->id.p
		? give(c, xml_unescape(c->stanza->id, true, turn_of(c))) : nothing;
}

static struct stentor_text on_type(struct stentor_call *pub)
{
	static const char *const names[] = {
		[MESSAGE_NORMAL] = "normal", [MESSAGE_CHAT] = "chat",
		[MESSAGE_GROUPCHAT] = "groupchat", [MESSAGE_HEADLINE] = "headline",
		[MESSAGE_ERROR] = "error", [PRESENCE_AVAILABLE] = "available",
		[PRESENCE_UNAVAILABLE] = "unavailable", [PRESENCE_SUBSCRIBE] = "subscribe",
		[PRESENCE_SUBSCRIBED] = "subscribed", [PRESENCE_UNSUBSCRIBE] = "unsubscribe",
		[PRESENCE_UNSUBSCRIBED] = "unsubscribed", [PRESENCE_PROBE] = "probe",
		[PRESENCE_ERROR] = "error", [IQ_GET] = "get", [IQ_SET] = "set",
		[IQ_RESULT] = "result", [IQ_ERROR] = "error",
	};
	const struct stanza *st = call_of(pub)->stanza;

	return stentor_text_of(st ? names[st->type] : NULL);
}

/* ---- elements ---- */

/* An element of the stanza at hand; NULL for NULL, and for one of a stanza that was replaced. */
static const struct xml_node *node_of(const struct call *c, const struct stentor_node *el)
{
	const struct xml_node *n = (const struct xml_node *)el;

	if (!c->stanza || n < c->stanza->doc.nodes ||
		n >= c->stanza->doc.nodes + c->stanza->doc.n_nodes)
		return NULL;
	return n->kind == XML_ELEMENT ? n : NULL;
}

static const struct stentor_node *public_of(const struct xml_node *n)
{
	return (const struct stentor_node *)n;
}

static const struct stentor_node *on_root(struct stentor_call *pub)
{
	struct call *c = call_of(pub);

	return c->stanza ? public_of(stanza_root(c->stanza)) : NULL;
}

static const struct stentor_node *on_first(struct stentor_call *pub, const struct stentor_node *el)
{
	struct call *c = call_of(pub);
	const struct xml_node *n = node_of(c, el);

	return n ? public_of(xml_first(&c->stanza->doc, n)) : NULL;
}

static const struct stentor_node *on_next(struct stentor_call *pub, const struct stentor_node *el)
{
	struct call *c = call_of(pub);
	const struct xml_node *n = node_of(c, el);

	return n && n != stanza_root(c->stanza) ? public_of(xml_next(&c->stanza->doc, n)) : NULL;
}

static const struct stentor_node *on_child(struct stentor_call *pub, const struct stentor_node *el,
	const char *name, const char *ns)
{
	struct call *c = call_of(pub);
	const struct xml_node *parent = node_of(c, el);
	const struct xml_node *n = parent ? xml_first(&c->stanza->doc, parent) : NULL;

	for (; n; n = xml_next(&c->stanza->doc, n))
		if (str_eq(xml_name(&c->stanza->doc, n), str_c(name)) &&
			str_eq(xml_ns_uri(&c->stanza->doc, n, turn_of(c)), str_c(ns)))
			return public_of(n);
	return NULL;
}

static struct stentor_text on_name(struct stentor_call *pub, const struct stentor_node *el)
{
	struct call *c = call_of(pub);
	const struct xml_node *n = node_of(c, el);

	return n ? give(c, xml_name(&c->stanza->doc, n)) : nothing;
}

static struct stentor_text on_ns(struct stentor_call *pub, const struct stentor_node *el)
{
	struct call *c = call_of(pub);
	const struct xml_node *n = node_of(c, el);

	return n ? give(c, xml_ns_uri(&c->stanza->doc, n, turn_of(c))) : nothing;
}

static struct stentor_text on_attribute(struct stentor_call *pub, const struct stentor_node *el,
	const char *name)
{
	struct call *c = call_of(pub);
	const struct xml_node *n = node_of(c, el);
	const struct xml_doc *d = n ? &c->stanza->doc : NULL;

	if (n && str_eq(str_c(name), STR("xml:lang")))
		return give(c, xml_lang(d, n, turn_of(c)));
	for (uint32_t i = 0; n && i < n->n_attrs; i++) {
		const struct xml_attr *a = d->attrs + n->first_attr + i;
		if (!(a->flags & XML_DECLARES) && !a->prefix_len &&
			str_eq(xml_attr_name(d, a), str_c(name)))
			return give(c, xml_value(d, a, turn_of(c)));
	}
	return nothing;
}

static struct stentor_text on_text(struct stentor_call *pub, const struct stentor_node *el)
{
	struct call *c = call_of(pub);
	const struct xml_node *n = node_of(c, el);

	return n ? give(c, xml_text(&c->stanza->doc, n, turn_of(c))) : nothing;
}

/* What a writer has put into a buffer, which is freed. */
static struct stentor_text take(const struct call *c, struct buf *b)
{
	struct stentor_text t = buf_ok(b) ? give(c, b->n ? buf_str(b) : STR("")) : nothing;

	buf_clear(b);
	return t;
}

static struct stentor_text on_xml(struct stentor_call *pub, const struct stentor_node *el)
{
	struct call *c = call_of(pub);
	const struct xml_node *n = node_of(c, el);
	struct buf b;

	if (!n)
		return nothing;
	buf_init(&b, STANZA_EDIT_MAX);
	xml_extract(&b, &c->stanza->doc, n);
	return take(c, &b);
}

/* ---- writing ---- */

static __attribute__((format(printf, 2, 3))) struct stentor_text on_print(
	struct stentor_call *pub, const char *format, ...)
{
	struct call *c = call_of(pub);
	va_list ap, again;

	va_start(ap, format);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, format, ap);
	char *p = n < 0 ? NULL : arena_alloc(turn_of(c), (size_t)n + 1);
	if (p)
		vsnprintf(p, (size_t)n + 1, format, again);
	va_end(again);
	va_end(ap);
	return p ? (struct stentor_text){ p, (size_t)n } : nothing;
}

static struct stentor_text on_escape(struct stentor_call *pub, struct stentor_text text)
{
	struct buf b;

	buf_init(&b, STANZA_EDIT_MAX);
	xml_escape_value(&b, str_of(text));
	return take(call_of(pub), &b);
}

/* A stanza that goes out when the call is over: whatever it makes happen, the one who called the
 * module does not expect it yet. */
struct outgoing {
	struct mail mail;
	struct stanza *stanza;
};

static void go_out(struct mail *m, void *receiver)
{
	struct outgoing *o = container_of(m, struct outgoing, mail);

	route(receiver, o->stanza);
	stanza_unref(&o->stanza);
	free(o);
}

static void send_later(struct shard *s, struct stanza *st)
{
	struct outgoing *o = xcalloc(1, sizeof *o);

	o->mail = (struct mail){ .run = go_out, .bytes = (uint32_t)(sizeof *o + st->doc.n_bytes) };
	o->stanza = st;
	mailbox_post_one(&s->loop.inbox, &o->mail);
}

static bool on_send(struct stentor_call *pub, struct stentor_text xml)
{
	struct call *c = call_of(pub);
	struct shard *s = c->local->shard;
	struct stanza *st = xml.n <= STANZA_EDIT_MAX && !s->dead
		? stanza_scan(&s->scratch_table, str_of(xml), turn_of(c)) : NULL;

	if (!st)
		return false;
	bool right = jid_is_set(st->from) && jid_is_set(st->to) && st->type != TYPE_INVALID &&
		(st->kind != STANZA_IQ || !stanza_iq_fault(st));
	if (!right) {
		stanza_unref(&st);
		return false;
	}
	if (st->kind == STANZA_MESSAGE)
		st->archive_id = message_new_id(s);
	send_later(s, st);
	return true;
}

/* ---- answers ---- */

static struct request *request_of(struct local *l, uint64_t number)
{
	struct map_node *n = map_get(&l->requests, str_from((char *)&number, sizeof number));

	return n ? container_of(n, struct request, node) : NULL;
}

/* What stands in shard.scratch. NULL: it is no answer. */
static struct stanza *scan_answer(struct shard *s)
{
	struct stanza *st = buf_ok(&s->scratch)
		? stanza_scan(&s->scratch_table, buf_str(&s->scratch), &s->loop.turn) : NULL;

	if (st && stanza_iq_fault(st))
		stanza_unref(&st);
	return st;
}

static void answer_error(struct request *r, enum stanza_error e, struct str text)
{
	struct shard *s = r->local->shard;

	buf_reset(&s->scratch);
	stanza_write_error(&s->scratch, r->later->iq, e, text);
	struct stanza *st = scan_answer(s);
	count(s, COUNT_ERRORS);
	if (st && !s->dead)
		send_later(s, st);
	else
		stanza_unref(&st);
	request_free(r);
}

void request_fail(struct local *l, uint64_t number)
{
	struct request *r = request_of(l, number);

	if (r)
		answer_error(r, ERR_INTERNAL_SERVER_ERROR, STR(""));
}

static bool on_reply(struct stentor_call *pub, uint64_t request, struct stentor_text xml)
{
	struct local *l = call_of(pub)->local;
	struct shard *s = l->shard;
	struct request *r = request_of(l, request);

	if (!r || s->dead)
		return false;
	struct ctx c = later_ctx(r->later);
	struct writer w = reply_open(&c, r->later->iq);
	w_raw(&w, str_of(xml));
	w_close(&w);
	struct stanza *st = w_done(&w) ? scan_answer(s) : NULL;
	if (st) {
		send_later(s, st);
		request_free(r);
		return true;
	}
	log_error(&s->log, "module_answers_badly", F_C("module", l->self->module.name));
	answer_error(r, ERR_INTERNAL_SERVER_ERROR, STR(""));
	return true;
}

static enum stanza_error condition_of(const char *name)
{
	for (enum stanza_error e = 0; e < ERR_COUNT; e++)
		if (str_eq(stanza_error_name(e), str_c(name)))
			return e;
	return ERR_UNDEFINED_CONDITION;
}

static bool on_reply_error(struct stentor_call *pub, uint64_t request, const char *condition,
	struct stentor_text text)
{
	struct request *r = request_of(call_of(pub)->local, request);

	if (!r)
		return false;
	answer_error(r, condition_of(condition), str_of(text));
	return true;
}

/* Those that wait are at most one more than this: the one whose handler runs. */
static bool on_reply_later(struct stentor_call *pub, uint64_t request)
{
	struct local *l = call_of(pub)->local;
	struct request *r = request_of(l, request);

	if (!r)
		return false;
	if (l->requests.n > EXTEND_REQUESTS_MAX) {
		answer_error(r, ERR_RESOURCE_CONSTRAINT, STR("too many requests wait"));
		return false;
	}
	timer_set(&l->shard->loop.wheel, &r->timer, l->shard->loop.now, EXTEND_ANSWER_MS);
	return true;
}

/* ---- messages ---- */

static void on_refuse(struct stentor_call *pub, const char *condition, struct stentor_text text)
{
	struct call *c = call_of(pub);

	if (!c->why)
		return;
	c->why->error = condition_of(condition);
	c->why->text = text.n ? str_dup(turn_of(c), str_of(text)) : STR_NULL;
	c->refused = true;
}

/* What stands before the element is what it was: so the numbers of nodes are, up to its own. */
static const struct stentor_node *on_replace(struct stentor_call *pub,
	const struct stentor_node *el, struct stentor_text xml)
{
	struct call *c = call_of(pub);
	const struct xml_node *n = c->may_replace ? node_of(c, el) : NULL;
	size_t at = n ? (size_t)(n - c->stanza->doc.nodes) : 0;

	if (!n || !stanza_replace_element(&c->stanza, n, str_of(xml),
		&c->local->shard->scratch_table))
		return NULL;
	const struct xml_doc *d = &c->stanza->doc;
	while (at < d->n_nodes && d->nodes[at].kind != XML_ELEMENT)
		at++;
	return public_of(at < d->n_nodes ? d->nodes + at : stanza_root(c->stanza));
}

/* ---- data of accounts ---- */

/* As it is stored: names have no space in them. */
static struct str key_of(const struct call *c, const char *key)
{
	return str_printf(turn_of(c), "%s %s", c->self->module.name, key);
}

static struct stentor_text on_get(struct stentor_call *pub, const char *key)
{
	struct call *c = call_of(pub);
	struct str whole = key_of(c, key);

	for (const struct extra *e = c->account ? c->account->extras : NULL; e; e = e->next)
		if (str_eq(e->key, whole))
			return give(c, e->bytes);
	return nothing;
}

struct change {
	struct stentor_self *self;
	struct jid account;     /* in the operation, as the next two */
	struct str key, bytes;
	stentor_stored_fn *fn;
	void *data;
};

static void stored(struct store_op *op, void *receiver)
{
	struct change *ch = op->ctx;
	struct shard *s = receiver;
	struct account *a = account_get(s, ch->account);
	bool ok = op->status == STORE_OK;

	if (a && ok)
		extra_put(a, ch->key, ch->bytes);
	if (ch->fn) {
		struct call c = call_make(ch->self, s, a);
		ch->fn(&c.pub, ok, ch->data);
	}
	store_op_free(op);
}

static bool on_set(struct stentor_call *pub, const char *key, struct stentor_text bytes,
	stentor_stored_fn *fn, void *data)
{
	struct call *c = call_of(pub);
	struct shard *s = c->local->shard;
	struct account *a = c->account;
	size_t n = str_c(key).n;

	if (!a || a->guest || s->dead || !s->core->store || !n || n > STENTOR_KEY_MAX ||
		bytes.n > EXTEND_DATA_MAX)
		return false;
	struct store_op *op = store_op_new(&s->loop.inbox, stored, sizeof(struct change));
	struct change *ch = op->ctx;
	*ch = (struct change){ c->self, jid_dup(&op->mem, a->jid),
		str_dup(&op->mem, key_of(c, key)), str_dup(&op->mem, str_of(bytes)), fn, data };
	struct store_datum d = { EXTEND_SPACE, ch->key, ch->bytes };
	store_set_data_within(s->core->store, op, jid_domain(a->jid), jid_local(a->jid), &d, 1,
		EXTEND_DATA_MAX);
	return true;
}

const struct stentor_server extend_server = {
	.abi = STENTOR_MODULE_ABI,
	.size = sizeof(struct stentor_server),
	.log = on_log,
	.option = on_option,
	.run = on_run,
	.run_on = on_run_on,
	.address = on_address,
	.local = on_local,
	.domain = on_domain,
	.resource = on_resource,
	.bare = on_bare,
	.account = on_account,
	.from = on_from,
	.to = on_to,
	.id = on_id,
	.type = on_type,
	.root = on_root,
	.first = on_first,
	.next = on_next,
	.child = on_child,
	.name = on_name,
	.ns = on_ns,
	.attribute = on_attribute,
	.text = on_text,
	.xml = on_xml,
	.print = on_print,
	.escape = on_escape,
	.send = on_send,
	.reply = on_reply,
	.reply_error = on_reply_error,
	.reply_later = on_reply_later,
	.refuse = on_refuse,
	.replace = on_replace,
	.get = on_get,
	.set = on_set,
};
