/* XEP-0355 Namespace Delegation, version 0.5: admin mode
 *
 * IQs of a delegated namespace that are for a host or for the bare address of one of its accounts
 * (whether there is such an account or not) go to a component, and its answers come back as the
 * server's (4.3). A component is told of its namespaces (4.2), and asked what they add to the
 * server's discovery (7.2); the answers are kept (core/nesting.h). What comes from the component
 * itself is answered by the server (4.3.1). A component that is away has `queue_seconds` to come
 * back, and then ASK_MS for each answer; who asked gets service-unavailable, then and whenever the
 * component answers with an error or with what it may not say.
 *
 * Order between what is delegated and what is not gets lost, as section 9 recommends. Left out:
 * client mode (5, 6), which is optional, and IQs of streams that have not logged in. Options:
 * `delegates` and `manages` of a component. Stores: nothing. */
#include "core/ask.h"
#include "core/command.h"
#include "core/module.h"
#include "core/nesting.h"
#include "core/route.h"

#define FORWARD_MAX (4 * 1024 * 1024) /* bytes of what is wrapped; beyond all limits of streams */

/* ---- what is delegated (section 4.3) ---- */

static bool has_attributes(const struct xml_doc *d, const struct xml_node *payload,
	const struct delegation *g)
{
	for (unsigned i = 0; i < g->n_attrs; i++) {
		bool found = false;
		for (uint32_t k = 0; k < payload->n_attrs; k++) {
			const struct xml_attr *attr = &d->attrs[payload->first_attr + k];
			found |= attr->ns == NS_NONE && !(attr->flags & XML_DECLARES) &&
				str_eq(xml_attr_name(d, attr), g->attrs[i]);
		}
		if (!found)
			return false;
	}
	return true;
}

/* Sections 7.2.4 and 7.2.5: discovery of an account, at a node that the server does not know, or of
 * its items. */
static const struct delegation *find_disco(struct ctx *c, const struct stanza *iq)
{
	const struct xml_node *payload = stanza_payload(iq);
	bool items = xml_is(payload, NS_DISCO_ITEMS, TAG_QUERY);

	if (iq->type != IQ_GET || !(items || xml_is(payload, NS_DISCO_INFO, TAG_QUERY)))
		return NULL;
	const struct delegation *g = grant_find_delegation(c->host,
		items ? STR(DELEGATED_ITEMS) : STR(DELEGATED_INFO));
	if (!g)
		return NULL;
	struct str node = xml_attr_str(&iq->doc, payload, TAG_NODE, &c->shard->loop.turn);
	if (!node.n)
		return items ? g : NULL;
	if (disco_node_find(c->shard, node, AT_ACCOUNT) || command_find(c->shard, node, AT_ACCOUNT))
		return NULL;
	return g;
}

static const struct delegation *find(struct ctx *c, const struct stanza *iq, unsigned at)
{
	const struct xml_node *payload = stanza_payload(iq);
	struct str ns = xml_ns_uri(&iq->doc, payload, &c->shard->loop.turn);
	const struct delegation *g = ns.n ? grant_find_delegation(c->host, ns) : NULL;

	if (g && has_attributes(&iq->doc, payload, g))
		return g;
	return at & AT_ACCOUNT ? find_disco(c, iq) : NULL;
}

/* ---- forwarding ---- */

/* The request as it is to be answered, in memory of the question. */
static struct stanza *remembered(struct shard *s, struct str memo)
{
	return stanza_scan(&s->scratch_table, memo, &s->loop.turn);
}

/* The IQ that was wrapped, or NULL. */
static const struct xml_node *find_answer(const struct xml_doc *d)
{
	const struct xml_node *n = xml_child(d, xml_root(d), NS_DELEGATION, TAG_DELEGATION);

	n = n ? xml_child(d, n, NS_FORWARD, TAG_FORWARDED) : NULL;
	return n ? xml_child(d, n, NS_CLIENT, TAG_IQ) : NULL;
}

static bool is_same_id(struct shard *s, const struct stanza *a, const struct stanza *b)
{
	struct arena *turn = &s->loop.turn;

	return str_eq(xml_attr_str(&a->doc, stanza_root(a), TAG_ID, turn),
		xml_attr_str(&b->doc, stanza_root(b), TAG_ID, turn));
}

/* Whom the answer may be from: whom the request was to. The examples leave that out, and where the
 * request had no address it was to the sender's own account. */
static bool is_from_right(const struct stanza *answer, const struct stanza *request)
{
	struct jid to = jid_is_set(request->to) ? request->to : jid_bare(request->from);

	return !jid_is_set(answer->from) || jid_eq(answer->from, to);
}

static bool is_right(struct shard *s, const struct stanza *answer, const struct stanza *request)
{
	return answer->kind == STANZA_IQ && answer->type == IQ_RESULT && !stanza_iq_fault(answer) &&
	       jid_is_set(answer->to) && jid_eq(answer->to, request->from) &&
	       is_from_right(answer, request) && is_same_id(s, answer, request);
}

/* The same as a stanza. */
static struct stanza *unwrap(struct shard *s, const struct stanza *answer)
{
	const struct xml_node *el = answer->type == IQ_RESULT ? find_answer(&answer->doc) : NULL;

	return el ? stanza_inside(&s->scratch_table, &answer->doc, el, &s->loop.turn) : NULL;
}

/* Decapsulated: with the addresses of the request turned round, whatever it had. */
static void pass_on(struct shard *s, const struct stanza *inner, const struct stanza *request)
{
	struct stanza *st = stanza_new(&inner->doc, request->to, request->from);

	route(s, st);
	stanza_unref(&st);
}

static void answered(struct shard *s, struct str memo, const struct stanza *answer)
{
	struct stanza *request = remembered(s, memo);
	struct stanza *inner = answer ? unwrap(s, answer) : NULL;
	struct ctx c = { .shard = s };

	if (inner && is_right(s, inner, request)) {
		pass_on(s, inner, request);
	} else {
		log_info(&s->log, "delegation_failed", F_C("why", !answer ? "no answer" :
			answer->type == IQ_ERROR ? "an error" : "a bad answer"));
		refuse(&c, request, ERR_SERVICE_UNAVAILABLE, STR(""));
	}
	stanza_unref(&inner);
	stanza_unref(&request);
}

static bool write_wrapped(struct buf *b, const struct stanza *iq)
{
	struct writer w = w_on(b);
	struct buf inner;

	buf_init(&inner, FORWARD_MAX);
	stanza_write(&inner, iq, iq->from, iq->to, NS_CLIENT);
	w_open_ns(&w, "delegation", NS_DELEGATION);
	w_open_ns(&w, "forwarded", NS_FORWARD);
	w_raw(&w, buf_str(&inner));
	w_close(&w);
	w_close(&w);
	bool ok = buf_ok(&inner) && w_done(&w);
	buf_clear(&inner);
	return ok;
}

static bool send_on(struct ctx *c, const struct stanza *iq, const struct delegation *g)
{
	struct arena *turn = &c->shard->loop.turn;
	struct buf wrapped, memo;

	buf_init(&wrapped, FORWARD_MAX);
	buf_init(&memo, FORWARD_MAX);
	stanza_write(&memo, iq, iq->from, iq->to, NS_NONE);
	bool written = write_wrapped(&wrapped, iq) && buf_ok(&memo);
	struct question q = {
		.type = "set",
		.from = jid_make(turn, STR(""), c->host->domain, STR("")),
		.to = jid_make(turn, STR(""), g->component->domain, STR("")),
		.payload = buf_str(&wrapped),
		.done = answered,
		.memo = buf_str(&memo),
	};
	bool sent = written && ask(c->shard, &q);
	buf_clear(&wrapped);
	buf_clear(&memo);
	return sent;
}

/* Section 4.3.1: the component's own requests are the server's to answer. */
static bool is_of_component(struct ctx *c, const struct stanza *iq, const struct delegation *g)
{
	return settings_host(c->shard->settings, jid_domain(iq->from)) == g->component;
}

static bool iq_taken(struct ctx *c, const struct stanza *iq, unsigned at)
{
	if (!(at & (AT_HOST | AT_ACCOUNT)) || !c->host->managers || !stanza_payload(iq))
		return false;
	const struct delegation *g = find(c, iq, at);
	if (!g || is_of_component(c, iq, g))
		return false;
	if (!send_on(c, iq, g))
		refuse(c, iq, ERR_SERVICE_UNAVAILABLE, STR("too much waits for the component"));
	return true;
}

/* ---- advertising (section 4.2) ---- */

static bool is_same_delegation(const struct delegation *a, const struct delegation *b)
{
	if (!str_eq(a->ns, b->ns) || a->n_attrs != b->n_attrs)
		return false;
	for (unsigned i = 0; i < a->n_attrs; i++)
		if (!str_eq(a->attrs[i], b->attrs[i]))
			return false;
	return true;
}

static bool is_same_list(const struct delegation *a, const struct delegation *b)
{
	while (a && b && is_same_delegation(a, b)) {
		a = a->next;
		b = b->next;
	}
	return !a && !b;
}

/* An empty list takes back what was said before. */
static void component_grants(const struct grants *was, const struct grants *is, struct writer *w)
{
	if (is_same_list(was ? was->delegations : NULL, is->delegations))
		return;
	w_open_ns(w, "delegation", NS_DELEGATION);
	for (const struct delegation *g = is->delegations; g; g = g->next) {
		w_open(w, "delegated");
		w_attr(w, "namespace", g->ns);
		for (unsigned i = 0; i < g->n_attrs; i++) {
			w_open(w, "attribute");
			w_attr(w, "name", g->attrs[i]);
			w_close(w);
		}
		w_close(w);
	}
	w_close(w);
}

/* ---- discovery (section 7.2) ---- */

/* The memo: the host, a line feed, and the node that was asked for. No domain has a line feed. */
static struct str memo_host(struct str memo)
{
	return str_head(memo, (size_t)str_find(memo, '\n'));
}

static struct str node_name(const struct delegation *g, bool bare, struct arena *a)
{
	return str_printf(a, "%s%s%.*s", NS_OF_DELEGATION, bare ? ":bare:" : "::", STR_FMT(g->ns));
}

/* Takes what was answered, if it is still asked for. */
static void take_answer(struct shard *s, const struct host *h, const struct host *component,
	struct str node, const struct stanza *answer)
{
	const struct delegation *g = component->component->grants.delegations;

	if (!grant_manages(component, h))
		return;
	for (; g; g = g->next)
		for (int bare = 0; bare <= 1; bare++)
			if (str_eq(node, node_name(g, bare, &s->loop.turn)))
				nesting_put(s, g, h, bare, &answer->doc, stanza_payload(answer));
}

/* A component that answers nothing, or an error, has nothing to add to what it said before. */
static void disco_answered(struct shard *s, struct str memo, const struct stanza *answer)
{
	if (!answer || answer->type != IQ_RESULT ||
		!xml_is(stanza_payload(answer), NS_DISCO_INFO, TAG_QUERY))
		return;
	const struct host *h = settings_account_host(s->settings, memo_host(memo));
	const struct host *component = settings_host(s->settings, jid_domain(answer->from));
	if (h && component && component->component)
		take_answer(s, h, component, str_skip(memo, memo_host(memo).n + 1), answer);
}

static void ask_disco(struct shard *s, const struct host *h, const struct delegation *g, bool bare)
{
	struct arena *turn = &s->loop.turn;
	struct str node = node_name(g, bare, turn);
	struct buf payload;

	buf_init(&payload, FORWARD_MAX);
	struct writer w = w_on(&payload);
	w_open_ns(&w, "query", NS_DISCO_INFO);
	w_attr(&w, "node", node);
	w_close(&w);
	struct question q = {
		.type = "get",
		.from = jid_make(turn, STR(""), h->domain, STR("")),
		.to = jid_make(turn, STR(""), g->component->domain, STR("")),
		.payload = buf_str(&payload),
		.done = disco_answered,
		.memo = str_printf(turn, "%.*s\n%.*s", STR_FMT(h->domain), STR_FMT(node)),
	};
	if (w_done(&w))
		ask(s, &q);
	buf_clear(&payload);
}

static bool is_namespace(const struct delegation *g)
{
	return !str_eq(g->ns, STR(DELEGATED_INFO)) && !str_eq(g->ns, STR(DELEGATED_ITEMS));
}

/* Section 9: asked when it is accepted, and kept. */
static void component_joined(struct shard *s, const struct host *component)
{
	const struct management *m = component->managed;

	for (; m; m = m->next_of_component) {
		const struct delegation *g = component->component->grants.delegations;
		for (; g; g = g->next) {
			if (!is_namespace(g))
				continue;
			ask_disco(s, m->host, g, false);
			ask_disco(s, m->host, g, true);
		}
	}
}

const struct module xep0355_delegation = {
	.name = "delegation",
	.spec = "XEP-0355 0.5",
	.features = (const char *const[]){ NS_OF_DELEGATION, NULL },
	.iq_taken = iq_taken,
	.component_grants = component_grants,
	.component_joined = component_joined,
};
