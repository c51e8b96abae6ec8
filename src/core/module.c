#include "core/module.h"

#include "base/bug.h"
#include "core/client.h"
#include "core/route.h"

#include <stdlib.h>

/* ---- which modules have what ---- */

static bool has(const struct module *m, size_t member)
{
	const void *value;

	memcpy(&value, (const char *)m + member * sizeof value, sizeof value);
	return value;
}

static size_t count_lists(const struct module *const *modules)
{
	size_t n = MODULE_MEMBERS; /* the ends */

	for (; *modules; modules++)
		for (size_t i = 0; i < MODULE_MEMBERS; i++)
			n += has(*modules, i);
	return n;
}

struct module_lists *module_lists_new(const struct module *const *modules)
{
	struct module_lists *l = xcalloc(1, sizeof *l + count_lists(modules) * sizeof l->modules[0]);
	const struct module **at = l->modules;

	for (size_t i = 0; i < MODULE_MEMBERS; i++) {
		l->with[i] = at;
		for (const struct module *const *m = modules; *m; m++)
			if (has(*m, i))
				*at++ = *m;
		*at++ = NULL;
	}
	return l;
}

/* ---- answers ---- */

static void send_scratch(struct ctx *c)
{
	struct shard *s = c->shard;

	if (!c->guest) {
		route_text(s, buf_str(&s->scratch));
		return;
	}
	if (!c->guest->stream.closing)
		buf_add(c2s_out(&c->guest->stream), buf_str(&s->scratch));
}

struct writer reply_open(struct ctx *c, const struct stanza *iq)
{
	struct writer w;

	buf_reset(&c->shard->scratch);
	w = w_on(&c->shard->scratch);
	stanza_open_result(&w, iq);
	return w;
}

enum outcome reply_send(struct ctx *c, struct writer *w, const struct stanza *iq)
{
	w_close(w);
	if (!w_done(w))
		return refuse(c, iq, ERR_RESOURCE_CONSTRAINT, STR("the answer is too large"));
	send_scratch(c);
	return ANSWERED;
}

enum outcome reply_ok(struct ctx *c, const struct stanza *iq)
{
	struct writer w = reply_open(c, iq);

	return reply_send(c, &w, iq);
}

enum outcome refuse(struct ctx *c, const struct stanza *iq, enum stanza_error e, struct str text)
{
	buf_reset(&c->shard->scratch);
	stanza_write_error(&c->shard->scratch, iq, e, text);
	count(c->shard, COUNT_ERRORS);
	send_scratch(c);
	return ANSWERED;
}

struct later *later_new(struct ctx *c, const struct stanza *iq)
{
	struct later *l = xcalloc(1, sizeof *l);

	l->shard = c->shard;
	l->iq = stanza_ref((struct stanza *)iq);
	l->guest = c->guest ? client_ref(c->guest) : NULL;
	if (l->guest) /* it must not log in, and move away, while it is being answered */
		c2s_hold(&l->guest->stream);
	return l;
}

struct ctx later_ctx(struct later *l)
{
	struct str domain = jid_is_set(l->iq->to) ? jid_domain(l->iq->to) : STR_NULL;

	return (struct ctx){
		.shard = l->shard,
		.host = domain.n ? settings_host(l->shard->settings, domain) : NULL,
		.guest = l->guest,
	};
}

void later_free(struct later **p)
{
	struct later *l = *p;

	*p = NULL;
	stanza_unref(&l->iq);
	if (l->guest) {
		c2s_go_on(&l->guest->stream);
		client_unref(l->guest);
	}
	free(l);
}

/* ---- rules ---- */

static const struct iq_rule *find_rule(struct shard *s, const struct stanza *iq, unsigned at)
{
	const struct xml_node *payload = stanza_payload(iq);

	if (!payload)
		return NULL;
	module_each(m, s->core, iq) {
		for (const struct iq_rule *r = m->iq; r->type != TYPE_INVALID; r++) {
			if (r->type == iq->type && r->ns == payload->ns && r->tag == payload->tag &&
				(r->at & at))
				return r;
		}
	}
	return NULL;
}

const struct disco_node *disco_node_find(const struct shard *s, struct str name, unsigned at)
{
	module_each(m, s->core, nodes)
		for (const struct disco_node *n = m->nodes; n->node; n++)
			if (n->at & at && str_eq(str_c(n->node), name))
				return n;
	return NULL;
}

static bool is_taken(struct ctx *c, const struct stanza *iq, unsigned at)
{
	module_each(m, c->shard->core, iq_taken)
		if (m->iq_taken(c, iq, at))
			return true;
	return false;
}

static bool is_left_to_somebody(struct ctx *c, const struct stanza *iq, unsigned at)
{
	module_each(m, c->shard->core, iq_left)
		if (m->iq_left(c, iq, at))
			return true;
	return false;
}

/* What nobody answers here, and what only the owner of an account may ask, is not available:
 * the same as for an account that does not exist (RFC 6121 section 8.5.1). */
void iq_dispatch(struct ctx *c, const struct stanza *iq, unsigned at)
{
	if (iq->type != IQ_GET && iq->type != IQ_SET)
		return;
	if (is_taken(c, iq, at))
		return;
	const struct iq_rule *r = find_rule(c->shard, iq, at);
	if (r)
		r->run(c, iq);
	else if (!stanza_payload(iq) || !is_left_to_somebody(c, iq, at))
		refuse(c, iq, ERR_SERVICE_UNAVAILABLE, STR(""));
}
