/* XEP-0356 Privileged Entity, version 0.4.1
 *
 * What a component may do in the name of the hosts that it manages and of their accounts: read and
 * change rosters, and hear of changes (4; the requests are rfc6121_roster.c's), send messages (5)
 * and IQs (6), see presence (7; core/watch.h). It is told of that when it connects and when it
 * changes.
 *
 * Everything goes the way that it would go if the account's owner sent it: a message is kept in the
 * archive of the sender, and who is blocked (XEP-0191) gets nothing. The component's requests are
 * answered with `forbidden` where it has no permission, and where there is no such account. A
 * privileged IQ has an id of the server's on its way; the answer that is forwarded has the
 * component's. An error that comes for a message goes to the address that the message was from, and
 * not to the component. Options: `manages`, `roster`, `roster_push`, `message`, `iq` and
 * `presence` of a component. Stores: nothing. */
#include "base/bug.h"
#include "core/ask.h"
#include "core/block.h"
#include "core/message.h"
#include "core/module.h"
#include "core/route.h"
#include "core/watch.h"
#include "xml/extract.h"

#include <stdlib.h>

#define FORWARD_MAX (4 * 1024 * 1024) /* bytes of what is wrapped; beyond all limits of streams */

/* ---- advertising (sections 4.2, 5.2, 6.2, 7.2 and 7.5) ---- */

static bool pushes(const struct grants *g)
{
	return g->roster_push && (g->roster & GRANT_GET);
}

static bool is_same_iqs(const struct iq_grant *a, const struct iq_grant *b)
{
	while (a && b && str_eq(a->ns, b->ns) && a->types == b->types) {
		a = a->next;
		b = b->next;
	}
	return !a && !b;
}

static bool is_same(const struct grants *a, const struct grants *b)
{
	return a->roster == b->roster && pushes(a) == pushes(b) && a->messages == b->messages &&
	       a->presence == b->presence && is_same_iqs(a->iqs, b->iqs);
}

static void open_perm(struct writer *w, const char *access)
{
	w_open(w, "perm");
	w_attr(w, "access", str_c(access));
}

static void write_perm(struct writer *w, const char *access, struct str type)
{
	open_perm(w, access);
	w_attr(w, "type", type);
	w_close(w);
}

static void write_roster(struct writer *w, const struct grants *g)
{
	open_perm(w, "roster");
	w_attr(w, "type", grant_types_name(g->roster));
	w_attr(w, "push", pushes(g) ? STR("true") : STR("false"));
	w_close(w);
}

static void write_namespace(struct writer *w, struct str ns, unsigned types)
{
	w_open(w, "namespace");
	w_attr(w, "ns", ns);
	w_attr(w, "type", grant_types_name(types));
	w_close(w);
}

static void write_iqs(struct writer *w, const struct grants *was, const struct grants *is)
{
	open_perm(w, "iq");
	for (const struct iq_grant *i = is->iqs; i; i = i->next)
		write_namespace(w, i->ns, i->types);
	for (const struct iq_grant *i = was->iqs; i; i = i->next)
		if (!grant_iq_types(is, i->ns))
			write_namespace(w, i->ns, 0);
	w_close(w);
}

static struct str presence_name(enum grant_presence p)
{
	switch (p) {
	case GRANT_OWN_PRESENCE: return STR("managed_entity");
	case GRANT_ROSTER_PRESENCE: return STR("roster");
	case GRANT_NO_PRESENCE: break;
	}
	return STR("none");
}

/* What is granted, and what was and is not any more: that with `none`. */
static void component_grants(const struct grants *was, const struct grants *is, struct writer *w)
{
	static const struct grants nothing;

	was = was ? was : &nothing;
	if (is_same(was, is))
		return;
	w_open_ns(w, "privilege", NS_PRIVILEGE);
	if (is->roster || was->roster)
		write_roster(w, is);
	if (is->messages || was->messages)
		write_perm(w, "message", is->messages ? STR("outgoing") : STR("none"));
	if (is->iqs || was->iqs)
		write_iqs(w, was, is);
	if (is->presence || was->presence)
		write_perm(w, "presence", presence_name(is->presence));
	w_close(w);
}

/* ---- rosters (section 4.4) ---- */

static void push_to(struct account *a, const struct host *component, struct str query)
{
	struct shard *s = a->shard;
	struct jid to = jid_make(&s->loop.turn, STR(""), component->domain, STR(""));
	char id[ARCHIVE_ID_LEN];

	archive_id_format(message_new_id(s), id);
	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	stanza_open(&w, STANZA_IQ, "set", a->jid, to,
		str_printf(&s->loop.turn, "push-%.*s", ARCHIVE_ID_LEN, id));
	w_raw(&w, query);
	w_close(&w);
	if (w_done(&w))
		route_text(s, buf_str(&s->scratch));
}

static void roster_changed(struct account *a, struct str query)
{
	const struct host *h = settings_host(a->shard->settings, jid_domain(a->jid));
	const struct management *m = h ? h->managers : NULL;

	for (; m; m = m->next_of_host)
		if (pushes(&m->component->component->grants))
			push_to(a, m->component, query);
}

/* ---- messages (section 5) ---- */

/* A message on its way to the owner of the account that it is sent for. */
struct errand {
	struct mail mail;
	struct waiter waiter;
	struct stanza *outer;   /* as the component sent it */
	struct stanza *message; /* what it is to be */
};

static void errand_free(struct errand *e)
{
	stanza_unref(&e->outer);
	stanza_unref(&e->message);
	free(e);
}

static void refuse_blocked(struct shard *s, const struct stanza *outer)
{
	bounce_with(s, outer, &(struct stanza_refusal){
		.error = ERR_NOT_ACCEPTABLE,
		.type = STR("cancel"),
		.text = STR("the user has blocked this address"),
		.condition = STR("<blocked xmlns='urn:xmpp:blocking:errors'/>") });
}

/* With the account, if there is one. */
static void run_errand(struct waiter *w, struct shard *s, struct account *a,
	enum store_status status)
{
	struct errand *e = container_of(w, struct errand, waiter);

	if (!a && status == STORE_NOT_FOUND)
		bounce(s, e->outer, ERR_FORBIDDEN, STR("there is no such account"));
	else if (!a)
		bounce(s, e->outer, status == STORE_FULL ? ERR_RESOURCE_CONSTRAINT :
			ERR_INTERNAL_SERVER_ERROR, STR(""));
	else if (account_blocks(a, e->message->to))
		refuse_blocked(s, e->outer);
	else
		message_enter_for(a, e->message);
	errand_free(e);
}

static void errand_arrived(struct mail *m, void *receiver)
{
	struct errand *e = container_of(m, struct errand, mail);

	account_wait(receiver, e->message->from, &e->waiter);
}

static void send_for_account(struct shard *s, struct stanza *outer, struct stanza *message)
{
	struct shard *owner = shard_of(s->core, message->from);
	struct errand *e = xcalloc(1, sizeof *e);

	e->mail = (struct mail){ .run = errand_arrived,
		.bytes = (uint32_t)(sizeof *e + outer->doc.n_bytes + message->doc.n_bytes) };
	e->waiter.run = run_errand;
	e->outer = stanza_ref(outer);
	e->message = stanza_ref(message);
	if (owner == s)
		account_wait(s, message->from, &e->waiter);
	else
		shard_post(s, owner, &e->mail);
}

static struct stanza *forwarded_message(struct shard *s, const struct stanza *outer,
	const struct xml_node *privilege)
{
	const struct xml_doc *d = &outer->doc;
	const struct xml_node *n = xml_child(d, privilege, NS_FORWARD, TAG_FORWARDED);

	n = n ? xml_child(d, n, NS_CLIENT, TAG_MESSAGE) : NULL;
	return n ? stanza_inside(&s->scratch_table, d, n, &s->loop.turn) : NULL;
}

/* Section 5.1: of the host itself or of one of its bare addresses. */
static bool is_in_name_of(const struct stanza *message, const struct host *h)
{
	return jid_is_set(message->from) && jid_is_bare(message->from) &&
	       str_eq(jid_domain(message->from), h->domain);
}

static void pass_message(struct shard *s, const struct host *h, struct stanza *outer,
	struct stanza *message)
{
	if (!is_in_name_of(message, h))
		bounce(s, outer, ERR_FORBIDDEN, STR("that is no bare address of the host"));
	else if (!jid_is_set(message->to))
		bounce(s, outer, ERR_BAD_REQUEST, STR("the message is for nobody"));
	else if (message->from.n_local)
		send_for_account(s, outer, message);
	else
		message_enter(s, message);
}

static void on_message(struct shard *s, const struct host *h, struct stanza *outer,
	const struct xml_node *privilege)
{
	const struct grants *g = grants_of(s->settings, outer->from, h);

	if (!g || !g->messages) {
		bounce(s, outer, ERR_FORBIDDEN, STR("no message is granted"));
		return;
	}
	struct stanza *message = forwarded_message(s, outer, privilege);
	if (message)
		pass_message(s, h, outer, message);
	else
		bounce(s, outer, ERR_BAD_REQUEST, STR("no message is forwarded"));
	stanza_unref(&message);
}

/* ---- IQs (section 6) ---- */

/* The encapsulated IQ, or NULL. */
static const struct xml_node *encapsulated(const struct stanza *outer)
{
	return xml_child(&outer->doc, stanza_payload(outer), NS_CLIENT, TAG_IQ);
}

/* As it is written. */
static struct str raw_id(const struct xml_doc *d, const struct xml_node *iq)
{
	const struct xml_attr *id = xml_attr(d, iq, TAG_ID);

	return id ? str_from(d->bytes + id->value, id->value_len) : STR_NULL;
}

static void write_children(struct writer *w, const struct stanza *st)
{
	const struct xml_doc *d = &st->doc;
	struct buf b;

	buf_init(&b, FORWARD_MAX);
	for (const struct xml_node *n = xml_first(d, stanza_root(st)); n; n = xml_next(d, n))
		xml_extract(&b, d, n);
	w_raw(w, buf_str(&b));
	w->bad |= !buf_ok(&b);
	buf_clear(&b);
}

static const char *answer_type(const struct stanza *answer)
{
	return answer->type == IQ_RESULT ? "result" : "error";
}

/* The answer, with the id that the component gave its own request. */
static void write_forwarded(struct writer *w, const struct stanza *request,
	const struct stanza *answer)
{
	struct str id = raw_id(&request->doc, encapsulated(request));

	w_open_ns(w, "privilege", NS_PRIVILEGE);
	w_open_ns(w, "forwarded", NS_FORWARD);
	stanza_open(w, STANZA_IQ, answer_type(answer), answer->from, answer->to, id);
	w_attr(w, "xmlns", xml_ns_str(NS_CLIENT));
	write_children(w, answer);
	w_close(w);
	w_close(w);
	w_close(w);
}

/* An error that came is an error for the component's request too, and says so in both places
 * (RFC 6120 section 8.3.1 wants it in the outer one). */
static bool write_answer(struct buf *b, const struct stanza *request, const struct stanza *answer)
{
	struct writer w = w_on(b);
	const struct xml_doc *d = &answer->doc;
	const struct xml_node *error = xml_child(d, stanza_root(answer), NS_CLIENT, TAG_ERROR);

	stanza_open(&w, STANZA_IQ, answer_type(answer), request->to, request->from, request->id);
	write_forwarded(&w, request, answer);
	if (answer->type == IQ_ERROR && error)
		w_raw(&w, xml_raw(d, error));
	w_close(&w);
	return w_done(&w);
}

/* memo: the component's request. */
static void iq_answered(struct shard *s, struct str memo, const struct stanza *answer)
{
	struct stanza *request = stanza_scan(&s->scratch_table, memo, &s->loop.turn);
	struct ctx c = { .shard = s };

	buf_reset(&s->scratch);
	if (!answer)
		refuse(&c, request, ERR_REMOTE_SERVER_TIMEOUT, STR("there was no answer"));
	else if (write_answer(&s->scratch, request, answer))
		route_text(s, buf_str(&s->scratch));
	else
		refuse(&c, request, ERR_RESOURCE_CONSTRAINT, STR("the answer is too large"));
	stanza_unref(&request);
}

static bool ask_for(struct ctx *c, const struct stanza *request, const struct stanza *inner)
{
	struct jid own = c->account->jid;
	struct buf payload, memo;

	buf_init(&payload, FORWARD_MAX);
	buf_init(&memo, FORWARD_MAX);
	xml_extract(&payload, &inner->doc, stanza_payload(inner));
	stanza_write(&memo, request, request->from, request->to, NS_NONE);
	struct question q = {
		.type = inner->type == IQ_GET ? "get" : "set",
		.from = own,
		.to = jid_is_set(inner->to) ? inner->to : own,
		.payload = buf_str(&payload),
		.done = iq_answered,
		.memo = buf_str(&memo),
	};
	bool sent = buf_ok(&payload) && buf_ok(&memo) && ask(c->shard, &q);
	buf_clear(&payload);
	buf_clear(&memo);
	return sent;
}

/* Section 6.3: why the server must refuse it, or NULL. */
static const char *why_forbidden(struct ctx *c, const struct stanza *request,
	const struct stanza *inner)
{
	const struct grants *g = grants_of(c->shard->settings, request->from, c->host);
	const struct xml_node *payload = stanza_payload(inner);
	struct str ns = xml_ns_uri(&inner->doc, payload, &c->shard->loop.turn);

	if (inner->type != request->type)
		return "the types of the two requests differ";
	if (jid_is_set(inner->from) && !jid_eq(inner->from, c->account->jid))
		return "the request is from another address than it is sent for";
	if (!g || !(grant_iq_types(g, ns) & grant_bit(request->type)))
		return "the namespace is not granted, or not for this type";
	return NULL;
}

static enum outcome send_for(struct ctx *c, const struct stanza *request,
	const struct stanza *inner)
{
	const char *fault = stanza_iq_fault(inner);
	const char *why = fault ? NULL : why_forbidden(c, request, inner);

	if (fault)
		return refuse(c, request, ERR_BAD_REQUEST, str_c(fault));
	if (why)
		return refuse(c, request, ERR_FORBIDDEN, str_c(why));
	if (jid_is_set(inner->to) && account_blocks(c->account, inner->to)) {
		refuse_blocked(c->shard, request);
		return ANSWERED;
	}
	if (!ask_for(c, request, inner))
		return refuse(c, request, ERR_RESOURCE_CONSTRAINT, STR("too many wait"));
	return LATER;
}

/* On the owner of the account in whose name it is. Nobody without a grant learns whether there is
 * one. */
static enum outcome on_iq(struct ctx *c, const struct stanza *request)
{
	const struct xml_node *el = encapsulated(request);
	struct stanza *inner;
	enum outcome o;

	if (!c->account || !grants_of(c->shard->settings, request->from, c->host))
		return refuse(c, request, ERR_FORBIDDEN, STR(""));
	if (!el)
		return refuse(c, request, ERR_FORBIDDEN, STR("no IQ of jabber:client is in it"));
	inner = stanza_inside(&c->shard->scratch_table, &request->doc, el, &c->shard->loop.turn);
	if (!inner)
		return refuse(c, request, ERR_JID_MALFORMED, STR("an address in it is none"));
	o = send_for(c, request, inner);
	stanza_unref(&inner);
	return o;
}

/* ---- what comes from components ---- */

static bool is_request(const struct stanza *st)
{
	return (st->type == IQ_GET || st->type == IQ_SET) &&
	       xml_is(stanza_payload(st), NS_PRIVILEGE, TAG_PRIVILEGED_IQ);
}

/* Section 6.3: it must be for the bare address of an account that is managed. Those that are go on
 * to the account. */
static bool take_iq(struct shard *s, struct stanza *st)
{
	const struct host *h = settings_account_host(s->settings, jid_domain(st->to));

	if (h && st->to.n_local && jid_is_bare(st->to) && grants_of(s->settings, st->from, h))
		return false;
	bounce(s, st, ERR_FORBIDDEN, STR("that is no bare address of an account that you manage"));
	return true;
}

static bool is_of_component(struct shard *s, const struct stanza *st)
{
	const struct host *h = settings_host(s->settings, jid_domain(st->from));

	return h && h->component;
}

static bool foreign_sent(struct shard *s, struct stanza *st)
{
	const struct xml_node *privilege;
	const struct host *h;

	if (!is_of_component(s, st))
		return false;
	if (st->kind == STANZA_IQ)
		return is_request(st) && take_iq(s, st);
	if (st->kind != STANZA_MESSAGE || st->type == MESSAGE_ERROR || st->to.n_local)
		return false;
	h = settings_account_host(s->settings, jid_domain(st->to));
	privilege = xml_child(&st->doc, stanza_root(st), NS_PRIVILEGE, TAG_PRIVILEGE);
	if (!h || !privilege)
		return false;
	on_message(s, h, st, privilege);
	return true;
}

static void component_joined(struct shard *s, const struct host *component)
{
	watch_joined(s, component);
}

const struct module xep0356_privilege = {
	.name = "privilege",
	.spec = "XEP-0356 0.4.1",
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_PRIVILEGE, TAG_PRIVILEGED_IQ, AT_ACCOUNT, on_iq },
		{ IQ_SET, NS_PRIVILEGE, TAG_PRIVILEGED_IQ, AT_ACCOUNT, on_iq },
		{ 0 } },
	.foreign_sent = foreign_sent,
	.component_grants = component_grants,
	.component_joined = component_joined,
	.roster_changed = roster_changed,
};
