#include "server/extend.h"

#include "base/bug.h"
#include "core/account.h"
#include "core/message.h"
#include "server/extend_private.h"

#include <dlfcn.h>
#include <stdlib.h>

static struct extensions *extensions_of(const struct shard *s)
{
	return s->core->extensions;
}

struct call call_make(struct stentor_self *self, struct shard *s, struct account *a)
{
	struct local *l = &self->locals[s->index];

	return (struct call){
		.pub = { .server = &extend_server, .self = self, .state = self->state,
			.shard_state = l->state, .shard = s->index },
		.self = self, .local = l, .account = a,
	};
}

/* Each of the modules that has the function. */
#define extension_each(m, s, member)                                                       \
	for (struct stentor_self *m = extensions_of(s)->modules, *m##_end = m + extensions_of(s)->n; \
	     m < m##_end; m++)                                                             \
		if (m->module.member)

/* ---- data of accounts ---- */

void extra_put(struct account *a, struct str key, struct str bytes)
{
	struct extra **at = &a->extras;

	while (*at && !str_eq((*at)->key, key))
		at = &(*at)->next;
	struct extra *old = *at, *e = NULL;
	if (bytes.n) {
		e = xmalloc(sizeof *e + key.n + bytes.n);
		char *text = (char *)(e + 1);
		memcpy(text, key.p, key.n);
		memcpy(text + key.n, bytes.p, bytes.n);
		*e = (struct extra){ NULL, str_from(text, key.n), str_from(text + key.n, bytes.n) };
	}
	struct extra *rest = old ? old->next : NULL;
	if (e)
		e->next = rest;
	*at = e ? e : rest;
	free(old);
}

static void unload(struct account *a)
{
	while (a->extras) {
		struct extra *e = a->extras;
		a->extras = e->next;
		free(e);
	}
}

/* ---- IQs ---- */

static struct str request_key(const struct map_node *n)
{
	const struct request *r = container_of(n, struct request, node);

	return str_from((const char *)&r->number, sizeof r->number);
}

static void waited_too_long(struct timer *t)
{
	struct request *r = container_of(t, struct request, timer);

	log_warn(&r->local->shard->log, "module_is_silent",
		F_C("module", r->local->self->module.name));
	request_fail(r->local, r->number);
}

struct request *request_new(struct local *l, struct ctx *c, const struct stanza *iq)
{
	struct request *r = xcalloc(1, sizeof *r);

	r->number = ++l->last_request;
	r->local = l;
	r->later = later_new(c, iq);
	timer_init(&r->timer, waited_too_long);
	map_put(&l->requests, &r->node);
	return r;
}

void request_free(struct request *r)
{
	timer_stop(&r->local->shard->loop.wheel, &r->timer);
	map_del(&r->local->requests, &r->node);
	later_free(&r->later);
	free(r);
}

static void run_iq(struct stentor_self *m, const struct stentor_iq *rule, struct ctx *c,
	const struct stanza *iq)
{
	struct call call = call_make(m, c->shard, c->account);
	struct request *r = request_new(call.local, c, iq);
	uint64_t number = r->number;

	call.stanza = (struct stanza *)iq; /* not replaced: it is no message */
	call.to = iq->to;
	rule->run(&call.pub, number);
	struct map_node *n = map_get(&call.local->requests, str_from((char *)&number, sizeof number));
	if (!n || timer_is_set(&container_of(n, struct request, node)->timer))
		return;
	log_error(&c->shard->log, "module_has_no_answer", F_C("module", m->module.name),
		F_C("ns", rule->ns));
	request_fail(call.local, number);
}

/* The places of the public interface: an account is shown to who may see its presence alone, so
 * that no module tells others which there are. */
static unsigned places_of(const struct ctx *c, const struct stanza *iq, unsigned at)
{
	unsigned places = 0;

	if (at & AT_HOST)
		places |= STENTOR_AT_HOST;
	if (at & AT_OWN)
		places |= STENTOR_AT_OWN;
	if ((at & AT_ACCOUNT) && account_may_see(c->account, iq->from))
		places |= STENTOR_AT_ACCOUNT;
	return places;
}

static const struct stentor_iq *find_rule(const struct stentor_module *m, const struct stanza *iq,
	unsigned places, struct arena *a)
{
	const struct xml_node *payload = stanza_payload(iq);
	struct str ns = xml_ns_uri(&iq->doc, payload, a), name = xml_name(&iq->doc, payload);
	const char *type = iq->type == IQ_GET ? "get" : "set";

	for (const struct stentor_iq *q = m->iq; q && q->ns; q++)
		if ((q->at & places) && str_eq(str_c(q->type), str_c(type)) &&
			str_eq(str_c(q->ns), ns) && str_eq(str_c(q->name), name))
			return q;
	return NULL;
}

static bool iq_left(struct ctx *c, const struct stanza *iq, unsigned at)
{
	unsigned places = places_of(c, iq, at);

	extension_each(m, c->shard, iq) {
		const struct stentor_iq *rule = find_rule(&m->module, iq, places,
			&c->shard->loop.turn);
		if (rule) {
			run_iq(m, rule, c, iq);
			return true;
		}
	}
	return false;
}

/* ---- messages and presence ---- */

typedef enum stentor_passage judge_fn(struct stentor_call *c);

static enum passage judge(struct call *c, judge_fn *fn, struct stanza **message, struct jid to,
	struct stanza_refusal *why)
{
	c->stanza = *message;
	c->to = to;
	c->may_replace = true;
	c->why = why;
	enum stentor_passage p = fn(&c->pub);
	*message = c->stanza;
	if (p == STENTOR_PASS)
		return PASSES;
	return c->refused ? TURNED_BACK : DROPPED;
}

static enum passage message_sent(struct session *s, struct stanza **message,
	struct stanza_refusal *why)
{
	struct account *a = s->account;

	extension_each(m, a->shard, message_sent) {
		struct jid to = jid_is_set((*message)->to) ? (*message)->to : a->jid;
		struct call c = call_make(m, a->shard, a);
		enum passage p = judge(&c, m->module.message_sent, message, to, why);
		if (p != PASSES)
			return p;
	}
	return PASSES;
}

static enum passage message_entered(struct shard *s, struct stanza **message,
	struct stanza_refusal *why)
{
	extension_each(m, s, message_entered) {
		struct call c = call_make(m, s, NULL);
		enum passage p = judge(&c, m->module.message_entered, message, (*message)->to, why);
		if (p != PASSES)
			return p;
	}
	return PASSES;
}

static enum passage message_arrives(struct account *a, struct stanza **message, struct jid to,
	struct stanza_refusal *why)
{
	extension_each(m, a->shard, message_arrives) {
		struct call c = call_make(m, a->shard, a);
		enum passage p = judge(&c, m->module.message_arrives, message, to, why);
		if (p != PASSES)
			return p;
	}
	return PASSES;
}

static void presence_sent(struct session *s, struct stanza **presence)
{
	extension_each(m, s->account->shard, presence_sent) {
		struct call c = call_make(m, s->account->shard, s->account);
		c.stanza = *presence;
		c.to = c.stanza->to;
		c.may_replace = true;
		m->module.presence_sent(&c.pub);
		*presence = c.stanza;
	}
}

static struct stentor_text text_of(struct str s)
{
	return (struct stentor_text){ s.p, s.n };
}

static void session_is_there(struct session *s)
{
	extension_each(m, s->account->shard, session_began) {
		struct call c = call_make(m, s->account->shard, s->account);
		m->module.session_began(&c.pub, text_of(jid_str(s->full)));
	}
}

static void session_ended(struct session *s)
{
	extension_each(m, s->account->shard, session_ended) {
		struct call c = call_make(m, s->account->shard, s->account);
		m->module.session_ended(&c.pub, text_of(jid_str(s->full)));
	}
}

static void tick(struct timer *t)
{
	struct local *l = container_of(t, struct local, tick);
	struct call c = call_make(l->self, l->shard, NULL);

	l->self->module.tick(&c.pub);
	timer_set(&l->shard->loop.wheel, t, l->shard->loop.now,
		l->self->module.tick_seconds * UINT64_C(1000));
}

/* ---- one module for core ---- */

static bool is_listed(const char *const *features, const char *feature)
{
	for (; features && *features; features++)
		if (str_eq(str_c(*features), str_c(feature)))
			return true;
	return false;
}

/* A feature is named once (XEP-0030 section 3.1). at: the list in both descriptors. */
static const char *const *join_features(struct extensions *x, const struct module *const *builtin,
	size_t at_builtin, size_t at)
{
	size_t n = 0, k = 0;

	for (size_t i = 0; i < x->n; i++) {
		const char *const *f = *(const char *const **)((char *)&x->modules[i].module + at);
		for (; f && *f; f++)
			n++;
	}
	const char **all = arena_alloc(&x->mem, (n + 1) * sizeof *all);
	memset(all, 0, (n + 1) * sizeof *all);
	for (size_t i = 0; i < x->n; i++) {
		const char *const *f = *(const char *const **)((char *)&x->modules[i].module + at);
		for (; f && *f; f++) {
			bool known = is_listed(all, *f);
			for (const struct module *const *m = builtin; *m && !known; m++)
				known = is_listed(*(const char *const **)((const char *)*m + at_builtin),
					*f);
			if (!known)
				all[k++] = *f;
		}
	}
	return k ? all : NULL;
}

static void make_face(struct extensions *x, const struct module *const *builtin)
{
	struct module *f = &x->face;

	*f = (struct module){ .name = "modules", .space = "module", .load = extra_put,
		.unload = unload };
	f->features = join_features(x, builtin, offsetof(struct module, features),
		offsetof(struct stentor_module, features));
	f->account_features = join_features(x, builtin, offsetof(struct module, account_features),
		offsetof(struct stentor_module, account_features));
	for (size_t i = 0; i < x->n; i++) {
		const struct stentor_module *m = &x->modules[i].module;
		if (m->iq)
			f->iq_left = iq_left;
		if (m->message_sent)
			f->message_sent = message_sent;
		if (m->message_entered)
			f->message_entered = message_entered;
		if (m->message_arrives)
			f->message_arrives = message_arrives;
		if (m->presence_sent)
			f->presence_sent = presence_sent;
		if (m->session_began)
			f->session_began = session_is_there;
		if (m->session_ended)
			f->session_ended = session_ended;
	}
}

static void make_table(struct extensions *x, const struct module *const *builtin)
{
	size_t n = 0;

	while (builtin[n])
		n++;
	x->table = arena_alloc(&x->mem, (n + 2) * sizeof *x->table);
	memcpy(x->table, builtin, n * sizeof *x->table);
	x->table[n] = x->n ? &x->face : NULL;
	x->table[n + 1] = NULL;
}

/* ---- life ---- */

/* The configuration goes at a reload. */
static void copy_options(struct extensions *x, struct stentor_self *m,
	const struct config_module *c)
{
	m->options = arena_alloc(&x->mem, (c->n_options + 1) * sizeof *m->options);
	m->n_options = c->n_options;
	for (size_t i = 0; i < c->n_options; i++)
		m->options[i] = (struct config_pair){ str_dup(&x->mem, c->options[i].name),
			str_dup(&x->mem, c->options[i].value), c->options[i].line };
}

struct extensions *extensions_new(struct loaded_modules *loaded,
	const struct module *const *builtin)
{
	struct extensions *x = xcalloc(1, sizeof *x);

	arena_init(&x->mem, 4096);
	pthread_rwlock_init(&x->gate, NULL);
	x->n = loaded->n;
	x->modules = xcalloc(x->n + 1, sizeof *x->modules);
	for (size_t i = 0; i < x->n; i++) {
		struct stentor_self *m = &x->modules[i];
		m->all = x;
		m->module = loaded->all[i].module;
		m->handle = loaded->all[i].handle;
		copy_options(x, m, loaded->all[i].config);
	}
	free(loaded->all);
	*loaded = (struct loaded_modules){ 0 };
	make_face(x, builtin);
	make_table(x, builtin);
	return x;
}

const struct module *const *extensions_table(const struct extensions *x)
{
	return x->table;
}

static void begin_on(struct stentor_self *m, struct shard *s)
{
	struct local *l = &m->locals[s->index];

	*l = (struct local){ .self = m, .shard = s };
	map_init(&l->requests, request_key);
	timer_init(&l->tick, tick);
	if (m->module.shard_begin)
		l->state = m->module.shard_begin(m->state, s->index);
	if (m->module.tick)
		timer_set(&s->loop.wheel, &l->tick, s->loop.now,
			m->module.tick_seconds * UINT64_C(1000));
}

static bool begin(struct stentor_self *m, struct core *c)
{
	const char *why = m->module.load ? m->module.load(&extend_server, m, &m->state) : NULL;

	if (why) {
		log_error(NULL, "module", F_C("module", m->module.name), F_C("error", why));
		return false;
	}
	m->loaded = true;
	m->locals = xcalloc(c->n_shards, sizeof *m->locals);
	for (unsigned i = 0; i < c->n_shards; i++)
		begin_on(m, c->shards[i]);
	log_info(NULL, "module", F_C("module", m->module.name), F_C("spec", m->module.spec));
	return true;
}

bool extensions_begin(struct extensions *x, struct core *c)
{
	x->core = c;
	c->extensions = x;
	x->begun = c->n_shards;
	for (size_t i = 0; i < x->n; i++)
		if (!begin(&x->modules[i], c))
			return false;
	return true;
}

static void stop_local(struct local *l)
{
	struct map_node *n;

	timer_stop(&l->shard->loop.wheel, &l->tick);
	while ((n = map_next(&l->requests, NULL)))
		request_free(container_of(n, struct request, node));
}

void extensions_stop(struct extensions *x)
{
	pthread_rwlock_wrlock(&x->gate);
	x->closed = true;
	pthread_rwlock_unlock(&x->gate);
	for (size_t i = 0; i < x->n; i++)
		for (unsigned k = 0; x->modules[i].locals && k < x->begun; k++)
			stop_local(&x->modules[i].locals[k]);
}

static void end(struct stentor_self *m, unsigned n_shards)
{
	for (unsigned i = 0; m->locals && i < n_shards; i++) {
		if (m->module.shard_end)
			m->module.shard_end(m->state, m->locals[i].state);
		map_clear(&m->locals[i].requests);
	}
	if (m->loaded && m->module.unload)
		m->module.unload(m->state);
	free(m->locals);
	dlclose(m->handle);
}

void extensions_free(struct extensions **p)
{
	struct extensions *x = *p;

	*p = NULL;
	while (x->n)
		end(&x->modules[--x->n], x->begun);
	free(x->modules);
	pthread_rwlock_destroy(&x->gate);
	arena_clear(&x->mem);
	free(x);
}
