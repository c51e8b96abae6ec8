/* For test_modules.py: a module that does all that one can, as it is asked to, and says what it
 * saw.
 * -DFAULT_... makes one that is not to be loaded. */
#define _GNU_SOURCE /* memmem() */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <stdio.h>
#include <stentor/module.h>

#define NS "urn:probe"

struct probe {
	const struct stentor_server *server;
	const struct stentor_self *self;
	atomic_uint began, ended, ticks, shards;
	pthread_t thread;
	bool has_thread;
};

static const struct stentor_text none;

static struct probe *probe_of(struct stentor_call *c)
{
	return (struct probe *)c->state;
}

static bool has(struct stentor_text t, const char *word)
{
	return t.n && memmem(t.p, t.n, word, strlen(word));
}

#define T(t) (int)(t).n, (t).p

/* ---- what it sees ---- */

static void on_where(struct stentor_call *c, uint64_t request)
{
	const struct stentor_server *s = c->server;
	struct stentor_text account = s->account(c), from = s->from(c), to = s->to(c);
	struct stentor_text id = s->escape(c, s->id(c)), type = s->type(c);

	s->reply(c, request, s->print(c, "<where xmlns='" NS "' account='%.*s' from='%.*s' to='%.*s' "
		"id='%.*s' type='%.*s' shard='%u'/>", T(account), T(from), T(to), T(id), T(type),
		c->shard));
}

static void on_count(struct stentor_call *c, uint64_t request)
{
	struct probe *p = probe_of(c);

	c->server->reply(c, request, c->server->print(c, "<count xmlns='" NS "' began='%u' ended='%u' "
		"ticks='%u' shards='%u' mine='%d'/>", p->began, p->ended, p->ticks, p->shards,
		*(uint32_t *)c->shard_state == c->shard));
}

/* Walks over all that is in the question, and says it again. */
static void on_echo(struct stentor_call *c, uint64_t request)
{
	const struct stentor_server *s = c->server;
	const struct stentor_node *echo = s->first(c, s->root(c)), *el = s->first(c, echo);
	struct stentor_text out = s->print(c, "%s", "");

	if (s->next(c, s->root(c)) || s->next(c, echo) || s->first(c, NULL) || s->text(c, NULL).p)
		return;
	for (; el; el = s->next(c, el)) {
		struct stentor_text name = s->name(c, el), ns = s->ns(c, el), text = s->text(c, el);
		struct stentor_text a = s->attribute(c, el, "a"), xml = s->xml(c, el);
		text = s->escape(c, text);
		a = a.p ? s->escape(c, a) : stentor_text_of("-");
		out = s->print(c, "%.*s<el name='%.*s' ns='%.*s' a='%.*s' text='%.*s'>%.*s</el>", T(out),
			T(name), T(ns), T(a), T(text), T(xml));
	}
	s->reply(c, request, s->print(c, "<echo xmlns='" NS "'>%.*s</echo>", T(out)));
}

static void on_address(struct stentor_call *c, uint64_t request)
{
	const struct stentor_server *s = c->server;
	struct stentor_text jid = s->attribute(c, s->child(c, s->root(c), "address", NS), "jid");
	struct stentor_text a = s->address(c, jid);
	struct stentor_text local = s->local(a), domain = s->domain(a), resource = s->resource(a);

	if (!a.p) {
		s->reply_error(c, request, "jid-malformed", stentor_text_of("no <address>"));
		return;
	}
	s->reply(c, request, s->print(c, "<address xmlns='" NS "' bare='%.*s' local='%.*s' "
		"domain='%.*s' resource='%.*s'/>", T(s->bare(a)), T(local), T(domain), T(resource)));
}

/* ---- how it answers ---- */

static void on_silent(struct stentor_call *c, uint64_t request)
{
	(void)c;
	(void)request;
}

static void on_twice(struct stentor_call *c, uint64_t request)
{
	bool first = c->server->reply(c, request, none);
	bool second = c->server->reply(c, request, none) || c->server->reply_later(c, request) ||
		c->server->reply_error(c, request, "conflict", none);

	c->server->log(c->self, STENTOR_INFO, first && !second ? "once" : "more than once");
}

static void on_bad(struct stentor_call *c, uint64_t request)
{
	c->server->reply(c, request, stentor_text_of("<not-closed>"));
}

static void on_unknown_condition(struct stentor_call *c, uint64_t request)
{
	c->server->reply_error(c, request, "no-such-condition", none);
}

/* A question that goes from thread to thread. */
struct question {
	struct probe *probe;
	uint64_t request;
	uint32_t shard;
	char jid[256], found[256];
	uint32_t owner;
};

static void answer(struct stentor_call *c, void *data)
{
	struct question *q = (struct question *)data;

	c->server->reply(c, q->request, c->server->print(c, "<done xmlns='" NS "' owner='%u' "
		"found='%s'/>", q->owner, q->found));
	free(q);
}

static void *work(void *data)
{
	struct question *q = (struct question *)data;

	if (!q->probe->server->run_on(q->probe->self, q->shard, answer, q))
		free(q);
	return NULL;
}

static struct question *question_new(struct stentor_call *c, uint64_t request)
{
	struct question *q = (struct question *)calloc(1, sizeof *q);

	q->probe = probe_of(c);
	q->request = request;
	q->shard = c->shard;
	c->server->reply_later(c, request);
	return q;
}

static void on_thread(struct stentor_call *c, uint64_t request)
{
	struct probe *p = probe_of(c);

	if (p->has_thread)
		pthread_join(p->thread, NULL); /* a test may wait */
	p->has_thread = pthread_create(&p->thread, NULL, work, question_new(c, request)) == 0;
}

static void on_its_owner(struct stentor_call *c, void *data)
{
	struct question *q = (struct question *)data;
	struct stentor_text account = c->server->account(c);

	snprintf(q->found, sizeof q->found, "%.*s", T(account));
	q->owner = c->shard;
	if (!c->server->run_on(c->self, q->shard, answer, q))
		free(q);
}

static void on_owner(struct stentor_call *c, uint64_t request)
{
	const struct stentor_server *s = c->server;
	struct stentor_text jid = s->attribute(c, s->first(c, s->root(c)), "jid");
	struct question *q = question_new(c, request);

	if (!s->run(c->self, jid, on_its_owner, q)) {
		s->reply_error(c, request, "jid-malformed", none);
		free(q);
	}
}

/* ---- data ---- */

static void kept(struct stentor_call *c, bool stored, void *data)
{
	uint64_t *request = (uint64_t *)data;

	if (stored)
		c->server->reply(c, *request, none);
	else
		c->server->reply_error(c, *request, "resource-constraint", none);
	free(request);
}

/* <keep key='' bytes='' of='n'/>: n times the bytes */
static void on_keep(struct stentor_call *c, uint64_t request)
{
	const struct stentor_server *s = c->server;
	const struct stentor_node *el = s->first(c, s->root(c));
	struct stentor_text key = s->attribute(c, el, "key"), n = s->attribute(c, el, "of");
	uint64_t *data = (uint64_t *)malloc(sizeof *data);
	size_t len = n.p ? strtoul(n.p, NULL, 10) : 0;
	char *bytes = (char *)malloc(len + 1);

	memset(bytes, 'x', len);
	struct stentor_text value = { bytes, len };
	*data = request;
	s->reply_later(c, request);
	if (!s->set(c, s->print(c, "%.*s", T(key)).p, value, kept, data)) {
		s->reply_error(c, request, "not-allowed", none);
		free(data);
	}
	free(bytes);
}

static void on_kept(struct stentor_call *c, uint64_t request)
{
	const struct stentor_server *s = c->server;
	struct stentor_text key = s->attribute(c, s->first(c, s->root(c)), "key");
	struct stentor_text value = s->get(c, s->print(c, "%.*s", T(key)).p);

	s->reply(c, request, s->print(c, "<kept xmlns='" NS "' n='%d'/>",
		value.p ? (int)value.n : -1));
}

/* ---- what passes ---- */

static enum stentor_passage judge(struct stentor_call *c, const char *where)
{
	const struct stentor_server *s = c->server;
	const struct stentor_node *body = s->child(c, s->root(c), "body", "jabber:client");
	struct stentor_text text = s->text(c, body), from = s->from(c), to = s->to(c);
	struct stentor_text mark = s->print(c, "%s at %s", "refuse", where);

	if (has(text, mark.p)) {
		s->refuse(c, "policy-violation", stentor_text_of("not <so>"));
		return STENTOR_STOP;
	}
	if (has(text, s->print(c, "drop at %s", where).p))
		return STENTOR_STOP;
	if (has(text, s->print(c, "spoil at %s", where).p) &&
		(s->replace(c, body, stentor_text_of("<body>")) ||
		 s->replace(c, s->root(c), stentor_text_of("<presence/>"))))
		return STENTOR_STOP;
	if (has(text, s->print(c, "empty at %s", where).p) &&
		s->replace(c, body, none) != s->child(c, s->root(c), "next", NS))
		return STENTOR_STOP;
	if (has(text, s->print(c, "whole at %s", where).p) &&
		(!s->replace(c, s->root(c), stentor_text_of("<message to='nobody@nowhere' id='new'>"
			"<body>once</body></message>")) ||
		 !s->replace(c, s->child(c, s->root(c), "body", "jabber:client"),
			stentor_text_of("<body>twice</body>")) ||
		 s->replace(c, body, stentor_text_of("<body>stale</body>")) != NULL))
		c->server->log(c->self, STENTOR_INFO, "a stale element is not looked at");
	if (has(text, s->print(c, "echo at %s", where).p))
		s->send(c, s->print(c, "<message type='chat' from='%.*s' to='%.*s'><body>from the module"
			"</body></message>", T(to), T(from)));
	return STENTOR_PASS;
}

static enum stentor_passage message_sent(struct stentor_call *c)
{
	return judge(c, "sent");
}

static enum stentor_passage message_entered(struct stentor_call *c)
{
	return c->server->account(c).p ? STENTOR_STOP : judge(c, "entered");
}

static enum stentor_passage message_arrives(struct stentor_call *c)
{
	return judge(c, "arrives");
}

static void presence_sent(struct stentor_call *c)
{
	const struct stentor_server *s = c->server;
	const struct stentor_node *mark = s->child(c, s->root(c), "mark", NS);

	if (mark)
		s->replace(c, mark, stentor_text_of("<marked xmlns='" NS "'/><again xmlns='" NS "'/>"));
}

static void session_began(struct stentor_call *c, struct stentor_text jid)
{
	const struct stentor_server *s = c->server;

	probe_of(c)->began++;
	if (has(s->resource(jid), "greet"))
		s->send(c, s->print(c, "<message type='headline' from='%.*s' to='%.*s'><body>welcome"
			"</body></message>", T(s->domain(jid)), T(jid)));
	if (s->send(c, stentor_text_of("<message><body>to nobody</body></message>")) ||
		s->send(c, stentor_text_of("<message from='a@example.org' to='b@example.org'>")))
		s->log(c->self, STENTOR_ERROR, "what is no stanza was sent");
}

static void session_ended(struct stentor_call *c, struct stentor_text jid)
{
	probe_of(c)->ended++;
	c->server->send(c, c->server->print(c, "<message from='%.*s' to='%.*s'/>", T(jid), T(jid)));
}

static void tick(struct stentor_call *c)
{
	probe_of(c)->ticks++;
}

/* ---- life ---- */

static const char *check(const char *option, const char *value)
{
	if (strcmp(option, "color") == 0 && strcmp(value, "red") != 0)
		return "give red";
	return NULL;
}

static const char *load(const struct stentor_server *server, const struct stentor_self *self,
	void **state)
{
	struct probe *p = (struct probe *)calloc(1, sizeof *p);

	p->server = server;
	p->self = self;
	*state = p;
	if (server->abi != STENTOR_MODULE_ABI || !STENTOR_HAS(server, set))
		return "this is no server for it";
	if (server->option(self, "nothing") || server->option(self, "no-such-option"))
		return "an option comes from nowhere";
	if (strcmp(server->option(self, "mode"), "refuse to load") == 0) {
		free(p);
		return "it was told not to";
	}
	server->log(self, STENTOR_INFO, server->option(self, "color"));
	return NULL;
}

static void unload(void *state)
{
	struct probe *p = (struct probe *)state;

	if (p->has_thread)
		pthread_join(p->thread, NULL);
	if (p->server->run_on(p->self, 0, answer, NULL))
		abort();
	p->server->log(p->self, STENTOR_INFO, p->began == p->ended && p->shards == 0 ? "unloaded in order"
		: "unloaded too early");
	free(p);
}

static void *shard_begin(void *state, uint32_t shard)
{
	uint32_t *mine = (uint32_t *)malloc(sizeof *mine);

	((struct probe *)state)->shards++;
	*mine = shard;
	return mine;
}

static void shard_end(void *state, void *shard_state)
{
	((struct probe *)state)->shards--;
	free(shard_state);
}

#define EVERYWHERE (STENTOR_AT_HOST | STENTOR_AT_ACCOUNT | STENTOR_AT_OWN)

static const struct stentor_iq iqs[] = {
	{ "get", NS, "where", EVERYWHERE, on_where },
	{ "get", NS, "host", STENTOR_AT_HOST, on_where },
	{ "get", NS, "own", STENTOR_AT_OWN, on_where },
	{ "get", NS, "count", STENTOR_AT_HOST, on_count },
	{ "get", NS, "echo", STENTOR_AT_HOST, on_echo },
	{ "get", NS, "address", STENTOR_AT_HOST, on_address },
	{ "get", NS, "silent", STENTOR_AT_HOST, on_silent },
	{ "set", NS, "twice", STENTOR_AT_HOST, on_twice },
	{ "get", NS, "bad", STENTOR_AT_HOST, on_bad },
	{ "get", NS, "unknown-condition", STENTOR_AT_HOST, on_unknown_condition },
	{ "get", NS, "thread", STENTOR_AT_HOST, on_thread },
	{ "get", NS, "owner", STENTOR_AT_HOST, on_owner },
	{ "set", NS, "keep", STENTOR_AT_OWN | STENTOR_AT_HOST, on_keep },
	{ "get", NS, "kept", STENTOR_AT_OWN, on_kept },
	{ "get", "urn:xmpp:ping", "ping", STENTOR_AT_HOST, on_bad }, /* the server's own comes first */
#ifdef FAULT_IQ
	{ "result", NS, "x", STENTOR_AT_HOST, on_bad },
#endif
	{ 0 }
};

/* One of a later minor version: longer, and with something in what is new, or nothing. */
struct longer {
	struct stentor_module module;
	void (*new_function)(struct stentor_call *c);
};

#ifndef ABI
#define ABI STENTOR_MODULE_ABI
#endif
#ifndef SIZE
#ifdef LATER
#define SIZE sizeof(struct longer)
#else
#define SIZE sizeof(struct stentor_module)
#endif
#endif
#ifndef NAME
#define NAME "probe"
#endif
#ifndef TICK
#define TICK 1
#endif

#ifndef FAULT_SYMBOL
#define DESCRIPTOR { \
	.abi = ABI, .size = SIZE, .name = NAME, .spec = "test", \
	.features = (const char *const[]){ NS, "urn:xmpp:ping", NULL }, \
	.account_features = (const char *const[]){ NS ":account", NS ":account", NULL }, \
	.options = (const struct stentor_option[]){ { "color", "red" }, { "mode", "well" }, \
		{ "nothing", NULL }, { 0 } }, \
	.iq = iqs, .check = check, .load = load, .unload = unload, .shard_begin = shard_begin, \
	.shard_end = shard_end, .tick_seconds = TICK, .tick = tick, .message_sent = message_sent, \
	.message_entered = message_entered, .message_arrives = message_arrives, \
	.presence_sent = presence_sent, .session_began = session_began, \
	.session_ended = session_ended, \
}
#ifdef LATER
STENTOR_EXPORT const struct longer later __asm__("stentor_module");
STENTOR_EXPORT const struct longer later = { DESCRIPTOR, LATER };
#else
const struct stentor_module stentor_module = DESCRIPTOR;
#endif
#endif
